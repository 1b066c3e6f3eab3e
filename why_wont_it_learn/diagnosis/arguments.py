"""What `diagnose` is called with, checked and made ready: arrays, a built model, a program whose copies can be trained."""

from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf

from ..engine.batches import weights_of_classes
from ..keras_private import layers_of
from ..program import WHOLE_KERNELS, program_of
from . import checks, fixes
from .class_weights import ClassWeighted, weights_within
from .data import data_of
from .findings import Finding, listed
from .given import drawn, known_targets, known_validation, last_held_back, without_weight
from .joined import joined, needs_joining, with_own_meaning, with_positions
from .measure import unadapted
from .network import other_layers, own_step
from .output_and_loss import as_loss, from_logits

MIX_DATASET = "Shuffle the rows before they are batched: dataset.shuffle(len(dataset)).batch(32)."
MIX_ARRAYS = "Leave out shuffle=False: fit shuffles arrays before every epoch."
OF_LOSS_ALONE = (
    "Only the loss knows what the outputs mean, so their skill compares the loss with that of the best constant output."
)


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is examined.

    model: built, or a `Joined` one. variant: its program and its data. x, y: the training data, without samples that are held back or
    lack a target. notes: what was replaced or left out. Findings, or None: same: that all batches hold the same samples; unmixed: that
    most batches hold one class each; lost: that targets are missing or weights are 0, which the rest is examined without.
    """

    model: keras.Model
    variant: fixes.Variant
    batch_size: int
    x: object
    y: object
    notes: list
    same: Finding | None
    unmixed: Finding | None
    lost: Finding | None


def check(model, x, y, epochs, batch_size, budget, seeds):
    """ValueError for what `diagnose` cannot examine."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"diagnose takes a keras.Model, not {type(model).__name__}.")
    without_loss = all(loss is None for loss in keras.tree.flatten(model.loss))
    if getattr(model, "optimizer", None) is None:
        raise ValueError("The model is not compiled: call model.compile(optimizer=…, loss=…) first.")
    if without_loss and not own_step(model):
        raise ValueError(
            "The model is compiled without a loss, and diagnose cannot examine one that layers add with add_loss: give compile a loss, or "
            "use Watch and fit_seeds, which take such a model."
        )
    modes = [
        (layer.name, getattr(layer.dtype_policy, "quantization_mode", None))
        for layer in layers_of(model)
        if layer.trainable
    ]
    quantised = [name for name, mode in modes if mode not in (None, "float8")]
    if quantised:
        raise ValueError(
            f"The kernels of {listed(quantised)} are quantised, and no training changes them: diagnose the model as it was before "
            "`quantize`, or set trainable = False for these layers and compile again."
        )
    if x is None or (y is None and (hasattr(x, "__array__") or isinstance(x, (list, tuple, dict)))):
        raise ValueError("Give the data that it is trained on: diagnose(model, x, y, epochs=…, batch_size=…).")
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("seeds", seeds)):
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{name}={value!r} is not a whole number of 1 or more.")
    if not budget > 0:
        raise ValueError(f"budget={budget!r} is not a number of seconds above 0.")


def prepare(
    model, x, y, *, validation_data, validation_split, sample_weight, class_weight, epochs, batch_size, shuffle
):
    """The `Prepared` arguments of `diagnose`, which are described there."""
    in_order = y is None or not shuffle  # a dataset, whose order `fit` keeps, or arrays for which it is told to
    whole = isinstance(x, tf.data.Dataset)  # it may give all samples in each batch, again and again
    x, y, sample_weight, batch_size, notes = drawn(x, y, sample_weight, batch_size)
    if class_weight and not any(isinstance(kind, (int, np.integer)) for kind in class_weight):
        keys = listed([repr(key) for key in class_weight])
        notes.append(f"No key of class_weight is a whole number ({keys}): no weight is used.")
        class_weight = None
    if validation_split and validation_data is None:
        x, y, sample_weight, validation_data = last_held_back(x, y, sample_weight, validation_split)
    same, unmixed = checks.same_batches(x, batch_size) if in_order and not whole else None, None
    if in_order and not keras.tree.is_nested(y):
        unmixed = checks.unmixed_batches(y, batch_size, MIX_DATASET if shuffle else MIX_ARRAYS)
    if validation_data is not None and not isinstance(validation_data, (list, tuple)):
        validation_data = drawn(validation_data, None, None, batch_size)[:2]
    _build(model, x)
    x, y, sample_weight, validation_data, more, lost = known_targets(model, x, y, sample_weight, validation_data)
    notes += more
    validation_data, more = known_validation(x, validation_data)
    notes += more
    if lost is None and (lost := without_weight(y, sample_weight, class_weight)):
        sample_weight = class_weight = None
    model, data = _with_data(model, x, y, validation_data, sample_weight, class_weight)
    if any(part.task == "own" for part in getattr(data, "parts", {}).values()):
        notes.append(OF_LOSS_ALONE)
    program, more = _copyable(program_of(model, epochs, batch_size, data.loss), data)
    notes += more
    steps = int(model.optimizer.iterations.numpy())
    if steps > epochs * program.steps(data.given):
        length = f"{epochs} epoch{'s' * (epochs > 1)}, from new initial weights"
        notes.append(f"The model was trained for {steps:,} steps before; here, copies of it are trained for {length}.")
    if name := unadapted(program.layers, program.fixed):
        notes.append(f"The layer {name} was never adapted and passes its inputs on as they are: call adapt(x) first.")
    return Prepared(model, fixes.Variant(program, data), batch_size, x, y, notes, same, unmixed, lost)


def _build(model, x):
    """Give a model its weights, as `fit` does at its first step."""
    if not model.built and isinstance(model, keras.Sequential):  # a call would fix the size of its batches
        model.build((None, *np.shape(x)[1:]))
    elif not model.built:
        first = keras.tree.map_structure(lambda part: np.asarray(part)[:1], x)
        model(first)


def _with_data(model, x, y, validation_data, sample_weight, class_weight):
    """(the model, or a `Joined` one, its data)."""
    if not needs_joining(model, x, y, sample_weight is not None):
        data = data_of(model, x, y, validation_data)
        data = with_own_meaning(with_positions(data, data.output_shape))
        if class_weight is None:
            return model, replace(data, class_weight=weights_within(data)) if from_logits(data.loss) is None else data
        if data.with_classes and from_logits(data.loss) is not None:
            weights = tuple(float(class_weight.get(n, 1.0)) for n in range(data.classes))
            return model, replace(data, class_weight=weights, loss=ClassWeighted(as_loss(data.loss), weights))
    if class_weight is not None:
        sample_weight = weights_of_classes(y, class_weight)
    return joined(model, x, y, sample_weight, validation_data)


def _copyable(program, data):
    """A program whose copies can be trained side by side, and notes on what was replaced or is left out."""
    notes = []
    kind = program.optimizer["class_name"].lower()
    if kind in WHOLE_KERNELS or not program.optimizer_can_be_copied():
        program = program.with_optimizer("adam", fixes.Variant(program, data).learning_rate)
        notes.append(f"Copies of a network cannot share {kind}: adam with the same learning rate is used in its place.")
    if program.model is not None:
        notes.append(
            "Its layers cannot be taken apart (only those of Sequential and functional models can, if Keras can make them "
            "again from their configuration), so they were left unchanged."
        )
    elif others := other_layers(program.layers):
        notes.append(f"Layers of the kind {', '.join(others)} were trained, but their units were not examined.")
    return program, notes
