"""What can be told of a model and its data before the first step."""

import keras
import numpy as np
import tensorflow as tf

from ..program import program_of
from .causes import CAUSES
from .checks import data_faults, misread_inputs
from .data import data_of
from .findings import Finding, finding_of
from .given import known_targets
from .hindrances import varies
from .joined import by_output, losses_of, needs_joining, with_own_meaning, with_positions
from .loss_check import loss_findings
from .measure import PAD_IN_FRONT, rescaled, scales_itself, unmasked_padding
from .network import numbers_of, output_of
from .output_and_loss import (
    NUMBER_FROM_0,
    SAMPLES,
    as_loss,
    from_logits,
    loss_name,
    mismatches,
    pairs_unequal,
    value_of,
)
from .symptoms import Scale, Training, unscaled_inputs, unscaled_targets
from .untrained_weights import untrained_weights

DROWNS = 1e4  # so many times as large as those of the others, the loss of an output is all that training lowers
FAR = 128.0  # so many times out of scale, data are named before anything was trained; pixels of 0 to 255 are less and often learn


def before_training(model, data):
    """`Finding`s of a built, compiled model and its data, the one that explains most first.

    data: as `sample_of` gives it. Only what is wrong however it is trained is named, so a network that learns gets none.
    """
    *data, _, _, missing = known_targets(model, *data, None)
    data = tuple(keras.tree.map_structure(tf.convert_to_tensor, part) for part in data)
    if missing := missing or _missing(data):
        return [missing]  # every number that is computed from these says nothing
    facts = _facts(model, *data[:2])
    if facts is not None and (outside := _labels_outside(facts)):
        return [outside]  # the loss cannot be asked
    misread = [] if facts is None else misread_inputs(model, facts.x)
    found = [*misread, *_of_output_and_data(model, facts), *loss_findings(model, data), *_drowned(model, data)]
    found += untrained_weights(model, data)
    return list({finding.cause: finding for finding in reversed(found)}.values())[::-1]


def _missing(data):
    for name, part in zip(("inputs", "targets"), data[:2], strict=True):
        lost = max(float(np.mean(~np.isfinite(np.asarray(a, float)))) for a in tf.nest.flatten(part))
        if lost:
            told = f"{100 * lost:.3g}% of the {name} are NaN or infinite. A single one makes every weight NaN in the step that uses it."
            return Finding("missing_values", told, CAUSES["missing_values"].fix)
    return None


def _drowned(model, data):
    """Yield a `Finding` if the loss of one output is so large that the layers that it shares with others are trained for it alone."""
    names, targets = by_output(model, data[1])
    losses, factors = losses_of(model, names, len(names))
    predictions = tf.nest.flatten(model(data[0], training=False))
    if not len(predictions) == len(targets) > 1 or any(part is None for part in (*targets, *losses)):
        return
    first = [
        factor * float(tf.reduce_mean(as_loss(loss)(*pair)))
        for loss, factor, *pair in zip(losses, factors, targets, predictions, strict=True)
    ]
    largest = int(np.argmax(first))
    others = max(value for number, value in enumerate(first) if number != largest)
    if first[largest] > DROWNS * others > 0:
        text = f"Before training, the loss of the output {names[largest]!r} is {first[largest]:.3g}, and no other exceeds {others:.3g}"
        words = "Scale the targets of that output, or give it a small weight in loss_weights."
        yield Finding("unscaled_targets", f"{text}: the shared layers are trained for it alone.", words)


def _facts(model, x, y):
    """The data of one input and one output as `diagnose` knows them; else None."""
    if needs_joining(model, x, y, False):
        return None
    try:
        return data_of(model, x.numpy(), y.numpy())
    except ValueError:
        return None


def _labels_outside(facts):
    """What is wrong with numbers of classes that the output has no place for, or None."""
    name, units, numbers = loss_name(facts.loss), (facts.output_shape or (0,))[-1], np.unique(facts.y)
    outside = (facts.y < 0) | (facts.y >= units)
    if "sparse" in name and outside.any():
        y = facts.y[outside.reshape(len(outside), -1).any(axis=1)][:SAMPLES]
        if np.isfinite(value_of(facts.loss, y, np.full((len(y), *facts.output_shape), 1 / units))):
            return None  # it leaves such labels out
    elif "sparse" in name or facts.misnumbered is None:
        return None
    classes = max(2, units)
    fix = NUMBER_FROM_0
    if len(numbers) > classes:
        fix = "Give the output layer a unit for each class, and number the classes from 0."
    text = f"The labels go from {numbers[0]:g} to {numbers[-1]:g}; {name} with this output takes 0 to {classes - 1}."
    return Finding("label_or_data_bug", text, fix)


def _forgotten(model, layers, facts):
    """What is wrong where a recurrent layer reads so much padding last that nothing is left of what came before, or None."""
    padding = unmasked_padding(layers, facts.x)
    if not padding:
        return None
    if varies(model(tf.constant(facts.inputs[:SAMPLES]), training=False)):
        return None
    text = f"A recurrent layer reads padding last, which is {padding:.0%} of the steps. Nothing is left of what came before: the network "
    return Finding("label_or_data_bug", f"{text}predicts the same for every sample.", PAD_IN_FRONT)


def _of_output_and_data(model, facts):
    """What the checks of `diagnose` say of one input and one output, without any training."""
    if facts is None:
        return
    try:
        program = program_of(model, 1, 1, facts.loss)
    except ValueError:  # layers that cannot be taken apart
        return
    layers = program.layers
    if with_own_meaning(with_positions(facts, facts.output_shape)) is not facts:
        return  # a label for each position is not several labels, and what only the loss understands has no range
    of_numbers = facts.task == "regression" or len(facts.output_shape) > 1  # labels are fewer than their outputs, too
    if of_numbers and pairs_unequal(facts.loss, facts.y, facts.output_shape):
        return
    if faults := list(data_faults(facts)):
        yield from faults
        return
    if forgotten := _forgotten(model, layers, facts):
        yield forgotten
        return
    output, inputs, targets = output_of(layers), rescaled(layers, facts.inputs_2d), facts.targets_2d
    if output is not None:
        of_loss = loss_name(facts.loss), from_logits(facts.loss)
        for mismatch in mismatches(output.activation, numbers_of(output, facts.n_predicted), *of_loss, facts.targets):
            if mismatch.strong:
                yield Finding(mismatch.cause, mismatch.evidence, CAUSES[mismatch.cause].fix)
    training = Training(
        inputs=None if facts.tokens or scales_itself(layers, program.fixed) else Scale.of(inputs),
        targets=Scale.of(targets) if facts.task == "regression" else None,
    )
    for row, scale in ((unscaled_inputs, training.inputs), (unscaled_targets, training.targets)):
        if scale is not None and scale.away >= FAR:
            yield from map(finding_of, row(training))
