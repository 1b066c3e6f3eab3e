"""Weights that no training can move: found by one gradient, before the first step."""

import warnings

import keras
import numpy as np
import tensorflow as tf

from ..engine.layer_metrics import flat_layers, owners
from ..keras_private import layers_of, softmax_over_one
from .causes import CAUSES
from .findings import Finding, listed
from .model_call import loss_of
from .network import output_activation

NOISE = 0.1  # the second look: weights that start at exactly 0 must not pass for weights without a gradient


def untrained_weights(model, data):
    """`Finding`s, one for each reason for which weights of a built, compiled model are not trained.

    data: (x, y, sample_weight), structures of tensors; a few hundred samples tell as much as all.

    Three reasons are told apart: no gradient arrives (an operation such as argmax or a comparison has none, the layer is not on
    the way to the loss, or every unit of a layer after it is dead or saturated); the model does not know the weights (their
    layer is called in a Lambda); they are frozen although they were never trained.
    """
    return blocked_weights(model, data) + _frozen(model)


def blocked_weights(model, data, values=None):
    """The `Finding`s of `untrained_weights` without frozen layers.

    values: of the trainable weights, where training starts; None for those that the model has.
    """
    values = _values(model, values)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        gradients, hidden = gradients_of(model, values, data)
    rng = np.random.default_rng(0)
    moved = [v + tf.cast(NOISE * rng.standard_normal(v.shape), v.dtype) for v in values]
    again, _ = gradients_of(model, moved, data, training=True)  # weights that matter in training alone are trained, too
    still = [_is_nothing(g) and _is_nothing(h) for g, h in zip(gradients, again, strict=True)]
    unused = [g is None and h is None for g, h in zip(gradients, again, strict=True)]
    of_weights = (
        _without_gradient(model, still, values, data) or _constant_softmax(model, said) or _unused(model, unused)
    )
    reasons = of_weights, _hidden(hidden)
    return [finding for finding in reasons if finding is not None]


def _values(model, values):
    """The values of the trainable weights as tensors; None stands for those that the model has."""
    return [tf.convert_to_tensor(v) for v in (model.trainable_variables if values is None else values)]


def _constant_softmax(model, said):
    """What is wrong with a softmax within the network of whose one number Keras warns: up to rounding, it has no gradient."""
    found = softmax_over_one(said)
    attends = any(isinstance(layer, keras.layers.MultiHeadAttention) for layer in layers_of(model))
    if attends or found is None or output_activation(model) == "softmax":
        return None
    axis, shape = found
    return Finding(
        "vanishing_gradient",
        f"A softmax runs over axis {axis} of shape {shape}, an axis of length 1: its output is always 1, and the layers before it get "
        "no gradient.",
        "Let the softmax run over the axis whose entries compete, that of the steps in attention (axis=1), or use a sigmoid.",
    )


def infinite_gradient(model, data, values=None):
    """`Finding`s where the loss is a number at the start and its gradient is not: an operation with an infinite slope.

    values: as for `blocked_weights`.
    """
    if not np.isfinite(loss_of(model, values, data)):
        return []
    gradients, _ = gradients_of(model, _values(model, values), data)
    infinite = [gradient is not None and not np.isfinite(gradient).all() for gradient in gradients]
    names = [layer.name for layer, _, is_infinite in _of_layers(model, infinite) if is_infinite]
    if not names:
        return []
    return [
        Finding(
            "exploding_gradient",
            f"Before the first step the loss is a number, but its gradient is not, for the weights of {listed(list(dict.fromkeys(names)))}: "
            "for some samples an operation after them has an infinite slope, as a square root, a norm or a logarithm has at 0.",
            "Keep what goes into that operation away from 0: sqrt(x + 1e-7), say.",
        )
    ]


def equal_units(model, data, values=None):
    """The names of layers whose units start with equal weights and get equal gradients, so that they stay equal.

    values: as for `blocked_weights`.
    """
    values = _values(model, values)
    gradients, _ = gradients_of(model, values, data)
    names = []
    for layer, variable, value, gradient in _of_layers(model, values, gradients):
        is_kernel = len(variable.shape) > 1 and variable.name != "bias"  # that of attention has two axes
        if gradient is None or not is_kernel:
            continue
        units = getattr(layer, "units", 0) or variable.shape[-1]
        units = units if variable.shape[-1] % units == 0 else variable.shape[-1]
        if units > 1 and _alike(value, units) and _alike(gradient, units):
            names.append(layer.name)
    return list(dict.fromkeys(names))


def _of_layers(model, *of_weights):
    """[(layer, weight, what is said of it)] for each trainable weight that a layer owns."""
    owner = owners(model)
    rows = zip(model.trainable_variables, *of_weights, strict=True)
    return [(owner[id(v)], v, *told) for v, *told in rows if id(v) in owner]


def _alike(values, units):
    """Whether the columns of a kernel (…, gates × units) are the same for all units."""
    columns = np.asarray(values, float)
    columns = columns.reshape(*columns.shape[:-1], -1, units)
    return bool(np.ptp(columns, axis=-1).max() <= 1e-5 * np.abs(columns).max())


def gradients_of(model, values, data, training=False):
    """(the gradient of the loss without penalties for each trainable weight, None where there is no way to it;
    trainable weights that were read and do not belong to the model)."""
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss = loss_of(model, values, data, training=training)
    known = {id(v.value) for v in model.variables}
    hidden = [v for v in tape.watched_variables() if id(v) not in known]
    gradients = tape.gradient(loss, values)
    return [g if g is None else tf.convert_to_tensor(g) for g in gradients], hidden  # those of embeddings are sparse


def _is_nothing(gradient):
    return gradient is None or not np.any(gradient)


def _without_gradient(model, still, values, data):
    cut, alive = {}, set()
    of_attention = {
        id(inner)
        for layer in layers_of(model)
        if isinstance(layer, keras.layers.MultiHeadAttention)  # a sequence of length 1 leaves nothing to attend to
        for inner in layers_of(layer)
    }
    for layer, _, nothing in _of_layers(model, still):
        if not nothing:
            alive.add(id(layer))
        elif id(layer) not in of_attention:
            cut[id(layer)] = layer
    names = [layer.name for key, layer in cut.items() if key not in alive]
    if not names:
        return None
    which = f"The gradient of the loss is exactly 0 for every weight of {listed(names)}, for all samples"
    dead, saturated = flat_layers(model, values, lambda: loss_of(model, values, data, outputs=True))
    outputs = tf.nest.flatten(loss_of(model, values, data, outputs=True)[1])
    if output_activation(model) == "relu" and not any(np.any(output) for output in outputs):
        text = f"{which}: the relu of the output layer is at 0 for every sample from the start."
        fix = "Use no activation in the output layer, or softplus for targets above 0."
        return Finding("output_activation_mismatch", text, fix)
    if output_activation(model) in ("tanh", "sigmoid") and all(np.isin(output, (-1, 0, 1)).all() for output in outputs):
        text = f"{which}: every output of the {output_activation(model)} is on a flat end from the start."
        return Finding("saturated_activation", text, CAUSES["saturated_activation"].fix)
    if dead:
        text = f"{which}: every unit of {listed(dead)} outputs 0 for every sample from the start."
        fix = "Start the biases at 0, use he_normal, scale the inputs, or use leaky_relu."
        return Finding("dead_relu", text, fix)
    if saturated:
        return Finding(
            "saturated_activation",
            f"{which}: every unit of {listed(saturated)} is on a flat end of its activation for every sample from the start.",
            CAUSES["saturated_activation"].fix,
        )
    return Finding(
        "vanishing_gradient",
        f"{which}: they are not on the path to the loss, or an operation on that path has no gradient "
        "(argmax, round, a comparison, a cast to whole numbers).",
        "Replace that operation by a smooth one (a steep sigmoid for a threshold, softmax for argmax), or connect the layer to the "
        "loss.",
    )


def _unused(model, unused):
    """What is wrong with layers that are trained in part: the loss does not depend on a kernel of theirs at all."""
    layers = [layer.name for layer, v, is_unused in _of_layers(model, unused) if is_unused and len(v.shape) > 1]
    if not layers:
        return None
    return Finding(
        "frozen_weights",
        f"No gradient reaches the kernel of {listed(list(dict.fromkeys(layers)))}, although it is trainable: call does not use it, uses something "
        "computed from it once (in build or __init__), or cuts the gradient off (round, argmax, stop_gradient).",
        "Use the weight itself in call, and only operations that have a gradient.",
    )


def _hidden(variables):
    if not variables:
        return None
    number = _count(variables)
    names = sorted({v.name.split("/")[0].split(":")[0] for v in variables})
    return Finding(
        "frozen_weights",
        f"The model computes with {number:,} weights that it does not track ({listed(names)}): a layer that is called inside a "
        "Lambda or a plain function keeps its initial weights.",
        "Make that layer a layer of the model (or an attribute of a layer of your own) instead of calling it in a Lambda.",
    )


def _count(variables):
    return sum(int(np.prod(v.shape)) for v in variables)


def untracked_variables(model):
    """`Finding`s, one at most: variables of numbers that a layer keeps as an attribute and that Keras does not know."""
    kept = [
        (layer, name, v)
        for layer in layers_of(model)
        for name, v in vars(layer).items()
        if isinstance(v, tf.Variable) and v.dtype.is_floating
    ]
    if kept:
        names = listed([f"{layer.name}.{name}" for layer, name, _ in kept])
        yield Finding(
            "frozen_weights",
            f"{_count(v for *_, v in kept):,} numbers that the model computes with are no weights of it ({names}): a layer keeps them in "
            "a tf.Variable, and no optimizer is given them.",
            "Make them in the layer's build with self.add_weight(…), which Keras knows of.",
        )


def frozen_layers(model):
    """The innermost layers with kernels that are not trained, by their own flag or that of a layer around them."""
    every = {id(layer): layer for layer in layers_of(model)}.values()
    return [
        layer
        for layer in every
        if not layer.trainable and len(layers_of(layer)) == 1 and any(len(v.shape) > 1 for v in layer.variables)
    ]


def _frozen(model):
    """What is wrong with layers of trainable=False that still have the biases they were made with, in a list."""
    frozen = [layer for layer in frozen_layers(model) if _was_never_trained(layer)]
    number = _count(v for layer in frozen for v in layer.variables)
    evidence = (
        f"{listed([layer.name for layer in frozen])}: trainable is False, and the biases are still those of a new layer, so "
        f"{number:,} of {model.count_params():,} weights stay at their initial values."
    )
    fix = "Set trainable = True and compile again, or load trained weights before freezing."
    return [Finding("frozen_weights", evidence, fix)] if frozen else []


def _was_never_trained(layer):
    biases = [v.numpy() for v in layer.variables if v.name.split("/")[-1].startswith("bias")]
    return bool(biases) and all(np.isin(bias, (0, 1)).all() for bias in biases)  # 1: the forget gate of an LSTM
