"""What holds a network back by its own settings or layers: named where it is found, and taken away for a trial."""

from dataclasses import replace

import numpy as np
import tensorflow as tf

from ..engine.initial_weights import throughout
from ..keras_private import layers_of
from .findings import Finding, listed
from .model_call import loss_of
from .network import kind_of, stages
from .symptoms import SELF_SCALING

LARGE_EPSILON = 1e-3
USUAL_EPSILON = 1e-7
SMALL_CLIP = 0.1
SMALL_WEIGHT = 0.01  # of the loss
CLIPS = ("clipnorm", "global_clipnorm", "clipvalue")
AT_ONCE = 16  # samples that are predicted together, and then by halves
ALIKE = 1e-3  # difference, of the largest output
CONSTANT = 1e-5  # the same
POOLING = ("GlobalAveragePooling", "GlobalMaxPooling")
WITHOUT_ORDER = (  # beginnings of the names of layers that treat all positions of a sequence or picture alike
    "InputLayer", "Embedding", "Dense", "TimeDistributed", "Activation", "Dropout", "SpatialDropout", "Masking", "Normalization",
    "Rescaling", "BatchNormalization", "LayerNormalization", "ReLU", "LeakyReLU", "Add", "Attention", "AdditiveAttention",
    "MultiHeadAttention",
)  # fmt: skip
WITHOUT_KERNELS = ("Normalization", "Softmax", "Lambda", "Rescaling")  # in the names of their classes


def hindrances(program):
    """Yield (cause, evidence, words, program without it) for settings and layers that can keep a network from learning."""
    settings, kind = program.optimizer["config"], program.optimizer["class_name"].lower()
    epsilon = settings.get("epsilon") or 0.0
    if kind in SELF_SCALING and epsilon > LARGE_EPSILON:
        yield (
            "learning_rate_too_low",
            f"{kind} divides each gradient by its usual size plus epsilon, which is {epsilon:g}: smaller gradients move the weights less.",
            f"Leave epsilon at {USUAL_EPSILON:g}.",
            program.with_settings(epsilon=USUAL_EPSILON),
        )
    clips = {name: settings[name] for name in CLIPS if settings.get(name)}
    if kind not in SELF_SCALING and clips and min(clips.values()) < SMALL_CLIP:
        told = listed([f"{name}={value:g}" for name, value in clips.items()])
        yield (
            "learning_rate_too_low",
            f"{told} limits the gradients, so that each step is at most that number times the learning rate.",
            "Clip at a norm of 1, or not at all.",
            program.with_settings(**dict.fromkeys(CLIPS)),
        )
    if kind not in SELF_SCALING and 0 < program.loss_weight < SMALL_WEIGHT:
        yield (
            "learning_rate_too_low",
            f"The loss is multiplied by {program.loss_weight:g} (loss_weights): with {kind} each step shrinks by this factor.",
            "Leave loss_weights out, or raise the learning rate as much.",
            replace(program, loss_weight=1.0),
        )
    if constrained := [layer["config"]["name"] for layer in program.layers if _constraints(layer["config"])]:
        yield (
            "over_regularized",
            f"The weights of {listed(constrained)} are constrained (kernel_constraint and the like), which can undo part of a step.",
            "Leave the constraints out.",
            program.edited(lambda layers: throughout(layers, _constraints)),
        )
    if changing := _augmenting(program.layers):
        yield (
            "over_regularized",
            f"Random changes of the inputs in training ({listed(changing)}) may go so far that a label is wrong.",
            "Leave out the random changes that make the label wrong, or make them smaller.",
            program.edited(_without_augmentation),
        )
    if pooled := _pooled_blindly(program.layers):
        yield (
            "capacity_too_low",
            f"{pooled} takes the mean or the largest value over all positions, and the layers before it treat all positions alike: the "
            "network cannot tell in which order they come.",
            "Flatten instead of pooling, or put a Conv1D, an LSTM or an embedding of the positions before it.",
            without_layer(program, pooled, instead="Flatten"),
        )
    found = stages(program.layers)
    normalized = any("Normalization" in layer["class_name"] for layer in program.layers)
    if found and not normalized and all(not program.layers[one.index]["config"]["use_bias"] for one in found):
        yield (
            "capacity_too_low",
            "No layer has biases: where all inputs are 0 the output is 0, whatever the weights.",
            "Give the layers biases (use_bias=True).",
            program.edited(
                lambda layers: [layers[one.index]["config"].update(use_bias=True) for one in found] and None
            ),
        )


def _constraints(config):
    return {name: None for name, value in config.items() if name.endswith("_constraint") and value}


def _augmenting(layers):
    """The names of the layers that change pictures or other inputs at random, also those within a Sequential."""
    names = [layer["config"]["name"] for layer in layers if _is_augmentation(layer)]
    return names + [name for layer in layers for name in _augmenting(layer["config"].get("layers", ()))]


def _is_augmentation(layer):
    return kind_of(layer).startswith("Random")


def _without_augmentation(layers):
    for index, layer in enumerate(layers):
        if _is_augmentation(layer):
            layers[index] = _passing_on(layer)
        elif "layers" in layer["config"]:
            _without_augmentation(layer["config"]["layers"])


def _pooled_blindly(layers):
    """The name of a pooling layer over all positions before which nothing depends on their order; None if there is none."""
    if sum(kind_of(layer) == "InputLayer" for layer in layers) > 1:
        return None  # one of them may tell the positions
    for layer in layers:
        kind, sizes = kind_of(layer), layer["config"].get("batch_shape", (0,))[1:]
        if kind.startswith(POOLING):
            return layer["config"]["name"]
        if not kind.startswith(WITHOUT_ORDER) or None in sizes or "use_causal_mask" in str(layer.get("inbound_nodes")):
            return None
    return None


def mixed_samples(model, data, values=None):
    """`Finding`s, one at most, where what is predicted for a sample depends on the other samples of its batch.

    data: (x, y, sample_weight), structures of tensors. values: of the trainable weights; None for those that the model has.
    """

    def outputs(count):
        some = tf.nest.map_structure(lambda part: part[:count], data)
        return [output.numpy() for output in tf.nest.flatten(loss_of(model, values, some, outputs=True)[1])]

    whole, again, half = outputs(AT_ONCE), outputs(AT_ONCE), outputs(AT_ONCE // 2)
    for one, same, part in zip(whole, again, half, strict=True):
        if one.ndim < 2 or len(one) != AT_ONCE or one.shape[1:] != part.shape[1:]:
            continue
        least = ALIKE * np.abs(one).max()
        if np.abs(one - same).max() <= least < np.abs(one[: len(part)] - part).max():
            over_samples = one.ndim == 2 and np.allclose(one.sum(axis=0), 1.0, atol=1e-3)
            return [
                Finding(
                    "output_activation_mismatch" if over_samples else "label_or_data_bug",
                    "What is predicted for a sample depends on the other samples in its batch: something normalises, reshapes or averages "
                    "over axis 0, which counts the samples.",
                    "Leave axis 0 alone: a softmax runs over axis -1, and a reshape keeps the first size.",
                )
            ]
    return []


def lost_in_a_layer(model, data, values=None):
    """The first layer of some kinds that gives the same for every sample although its inputs differ, in a list; [] if there is none.

    As a normalisation does that works on a single number. data, values: as for `mixed_samples`.
    """
    layers = [layer for layer in layers_of(model) if any(kind in type(layer).__name__ for kind in WITHOUT_KERNELS)]
    values = [v.value for v in model.trainable_variables] if values is None else values
    lost = []

    def watched(layer, call):
        def watching(x, *args, **kwargs):
            output = call(x, *args, **kwargs)
            alike = tf.is_tensor(x) and tf.is_tensor(output) and output.shape.rank and len(output) == len(x)
            if alike and varies(x) and not varies(output):
                lost.append(layer)
            return output

        return watching

    for layer in layers:
        object.__setattr__(layer, "call", watched(layer, layer.call))
    try:
        loss_of(model, values, data, outputs=True)
        first, lost = lost, []
        loss_of(model, [-v for v in values], data, outputs=True)  # what is cut off at a side by chance is not lost
    finally:
        for layer in layers:
            object.__delattr__(layer, "call")
    return [layer for layer in first if any(layer is other for other in lost)][:1]


def varies(part):
    """Whether numbers differ between samples by more than rounding. part: (samples, …)."""
    part = np.asarray(part, float).reshape(len(part), -1)
    return np.ptp(part, axis=0).max() > CONSTANT * np.abs(part).max() + 1e-30


def told_of_lost(layer, is_last):
    """(cause, evidence, words) of what `lost_in_a_layer` has found."""
    return (
        "output_activation_mismatch" if is_last else "label_or_data_bug",
        f"{layer.name} ({type(layer).__name__}) gives the same for every sample, although what goes into it differs"
        + (": normalising a single number leaves nothing of it." if "Normalization" in type(layer).__name__ else "."),
        f"Leave {layer.name} out, or change it so that it keeps what tells the samples apart.",
    )


def without_layer(program, name, instead="Identity"):
    """The program with another layer, which needs no settings, in the place of the one of this name."""

    def edit(layers):
        index = next(index for index, layer in enumerate(layers) if layer["config"].get("name") == name)
        layers[index] = _passing_on(layers[index], instead)

    return program.edited(edit)


def _passing_on(layer, kind="Identity"):
    return {**layer, "class_name": kind, "module": "keras.layers", "config": {"name": layer["config"]["name"]}}
