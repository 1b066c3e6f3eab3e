"""What a loss measures, asked of the loss itself: how it answers to predictions that are made up.

A name tells nothing of a loss of one's own. So the loss is called with predictions between "always the mean" and "exactly the
targets". A loss that measures how wrong predictions are falls on that way.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import tensorflow as tf

from ..engine.batches import none_for_empty
from ..engine.records import output_names
from .findings import Finding
from .model_call import loss_for, loss_of

SURE = 0.999  # a probability that is right
CERTAIN = 12.0  # a logit whose sigmoid is 1 to five digits
LEFT = 0.3  # a loss that keeps so much of its range when probabilities are right takes them for logits
# Parts of the way from the mean to the targets. With label smoothing, the loss rises again towards the end.
ON_THE_WAY = (0.1, 0.5, 1.0)
LOUD = 30.0  # standard deviation of weights that show whether the output is bounded
DRAWS = 6

_mismatch = partial(Finding, "loss_mismatch")


@dataclass
class _Output:
    """One output. targets: as given. right: what it would ideally predict, in the shape of the output.

    classes: whether those are probabilities; then they keep away from 0 and 1, where a loss of one's own may take the logarithm of 0.
    """

    name: str
    targets: np.ndarray
    right: np.ndarray
    classes: bool


def loss_findings(model, data, diverged=False):
    """`Finding`s on a loss that does not measure how wrong the predictions of a built, compiled model are.

    data: (x, y, sample_weight), structures of tensors; the same weights are given to the loss. An output whose ideal prediction
    cannot be told from the targets (other sizes, an own meaning) is not judged. diverged: whether training has ended in what is no
    number, which a loss without a value or a slope at perfect predictions explains.
    """
    _, predictions = loss_of(model, None, data, outputs=True)
    flat, targets = tf.nest.flatten(predictions), tf.nest.flatten(none_for_empty(data[1]))
    if len(targets) != len(flat):
        return []
    names = output_names(model) or map(str, range(len(flat)))
    if found := _without_slope(model, data, predictions, targets) or (why_no_number(model, data) if diverged else []):
        return found
    outputs = [
        _output(name if len(flat) > 1 else "", target.numpy().astype(float), prediction.numpy())
        for name, target, prediction in zip(names, targets, flat, strict=True)
    ]
    # The other outputs are right, so that their loss does not drown the one that is asked for.
    right = [p if o is None else tf.cast(o.right, p.dtype) for o, p in zip(outputs, flat, strict=True)]
    findings = []
    for index, output in enumerate(outputs):

        def loss(made_up, index=index, reshaped=False):
            changed = [*right[:index], tf.cast(made_up, flat[index].dtype), *right[index + 1 :]]
            x, y, sample_weight = data
            if reshaped:
                column = tf.reshape(targets[index], flat[index].shape)
                y = tf.nest.pack_sequence_as(y, [*targets[:index], column, *targets[index + 1 :]])
            return loss_for(model, (x, y, sample_weight), tf.nest.pack_sequence_as(predictions, changed))

        if output is not None:
            finding = _judged(output, loss, flat[index], is_bounded(model, data, index=index))
            findings += [finding] * (finding is not None)
    return findings or _not_a_number(model, data, predictions)


def why_no_number(model, data):
    """What in a loss explains that it has become NaN in training, as `Finding`s; data: as in `loss_findings`.

    It may have no value or no slope where the predictions equal the targets.
    """
    _, predictions = loss_of(model, None, data, outputs=True)
    flat, targets = tf.nest.flatten(predictions), tf.nest.flatten(none_for_empty(data[1]))
    if len(flat) != len(targets) or any(tf.size(t) != tf.size(p) for t, p in zip(targets, flat, strict=True)):
        return []
    right = [tf.reshape(tf.cast(t, p.dtype), p.shape) for t, p in zip(targets, flat, strict=True)]
    right = tf.nest.pack_sequence_as(predictions, right)
    sloped = _without_slope(model, data, right, targets, "Where predictions equal the targets, the loss")
    return sloped or _without_value(model, data, right, targets)


def _not_a_number(model, data, predictions):
    """What is wrong with a loss that is not a number for what the model predicts now, in a list."""
    value = float(loss_for(model, data, predictions))
    if np.isfinite(value) or not all(np.isfinite(a.numpy()).all() for a in tf.nest.flatten((data[1], predictions))):
        return []
    return [
        _mismatch(
            f"The loss is {value:g} for what the model predicts before training, and from there no step can be taken.",
            "Keep denominators and the arguments of logarithms and roots away from 0: compute with logarithms throughout (logsumexp, "
            "log_softmax), clip, or scale the targets.",
        )
    ]


def _number_at(place, values):
    """The number at a place of predictions, or of targets, which may have fewer axes than these."""
    values = values.numpy()
    number = values[place] if values.ndim == len(place) else values[place[0]]
    return f"{number:.3g}" if np.ndim(number) == 0 else np.array2string(number.ravel(), precision=3, threshold=4)


def _without_slope(model, data, predictions, targets, the_loss="The loss"):
    """What is wrong with a loss that is a number for some predictions, but whose gradient is not, in a list."""
    flat = tf.nest.flatten(predictions)
    with tf.GradientTape() as tape:
        tape.watch(flat)
        loss = loss_for(model, data, predictions)
    gradients = tape.gradient(loss, flat, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    for prediction, target, gradient in zip(flat, targets, gradients, strict=True):
        odd = ~np.isfinite(tf.convert_to_tensor(gradient).numpy())
        if odd.any() and np.isfinite(float(loss)):
            first = tuple(np.argwhere(odd)[0])
            shown = [_number_at(first, prediction), _number_at(first, target)]
            samples = odd.reshape(len(odd), -1).any(1).mean()
            return [
                _mismatch(
                    f"{the_loss} is {float(loss):.3g}, but for {samples:.0%} of the samples its slope is not a number, for example "
                    f"where the prediction is {shown[0]} and the target {shown[1]}: one such sample makes every weight NaN in one "
                    "step. A root, say, has no finite slope at 0.",
                    "Use a loss that has a slope wherever a prediction may lie, such as mean_squared_error, or add a small number "
                    "under the root.",
                )
            ]
    return []


def _without_value(model, data, perfect, targets):
    """What is wrong with a loss that is no number once a probability is exactly right, in a list."""
    value = float(loss_for(model, data, perfect))
    if np.isfinite(value) or not all(np.isin(target.numpy(), (0, 1)).all() for target in targets):
        return []
    return [
        _mismatch(
            f"The loss is {value:g} where a prediction is exactly 0 or 1, which a sigmoid or softmax outputs when it is sure enough: "
            "one such sample makes every weight NaN in one step.",
            "Keep the predictions away from 0 and 1 before the logarithm, p = keras.ops.clip(p, 1e-7, 1 - 1e-7), or use the "
            "cross-entropy of Keras, which does.",
        )
    ]


def _output(name, targets, predictions):
    """An `_Output`, or None where the ideal prediction cannot be told from the targets."""
    if not np.isfinite(targets).all() or predictions.ndim < 2 or len(targets) < 2 or np.ptp(targets) == 0:
        return None
    classes = bool(np.isin(targets, (0, 1)).all())
    if targets.size == predictions.size:
        right = targets.reshape(predictions.shape).astype("float64")
        return _Output(name, targets, _sure(right) if classes else right, classes)
    labels, k = targets.reshape(len(targets), -1), predictions.shape[-1]
    whole = labels.shape[1] == 1 and (labels == np.round(labels)).all() and labels.min() >= 0 and labels.max() < k
    if not whole or predictions.ndim != 2:
        return None
    return _Output(name, targets, _sure(np.eye(k)[labels[:, 0].astype(int)]), True)


def _sure(labels):
    return SURE * labels + (1 - SURE) / labels.shape[-1] if labels.shape[-1] > 1 else (1 - SURE) / 2 + SURE * labels


def is_bounded(model, data, _=None, index=0):
    """Whether an output stays between 0 and 1 whatever the weights are, as probabilities do."""
    outputs = _loud_outputs(model, data, LOUD)[index]
    return bool(((outputs >= 0) & (outputs <= 1)).all())


def reach(model, data, _=None):
    """(lowest, highest) number that the one output takes, however large the weights are: infinite where it grows with them."""
    loud, louder = (_loud_outputs(model, data, times)[0] for times in (LOUD, 10 * LOUD))
    sides = []
    for sign in (-1, 1):
        extreme, farther = (float(np.max(sign * part)) for part in (loud, louder))
        grows = not np.isfinite(farther) or farther > 3 * max(extreme, 1e-6)
        sides.append(sign * (np.inf if grows else max(extreme, farther)))
    return tuple(sides)


def _loud_outputs(model, data, times):
    """The outputs with weights drawn from a normal distribution of this standard deviation, of several draws."""
    rng = np.random.default_rng(0)
    draws = [
        [tf.cast(times * rng.standard_normal(v.shape), v.dtype) for v in model.trainable_variables]
        for _ in range(DRAWS)
    ]
    found = [tf.nest.flatten(loss_of(model, values, data, outputs=True)[1]) for values in draws]
    return [np.concatenate([part.numpy() for part in parts]) for parts in zip(*found, strict=True)]


def _judged(output, loss, predictions, bounded):
    if output.classes and output.right.shape[-1] > 1 and output.right.size != output.targets.size:
        exchanged = float(loss(np.roll(output.right, 1, axis=-1)))
        if np.isclose(exchanged, float(loss(output.right)), rtol=1e-4):
            return None  # no class has an output of its own: they are places in a space, say
    where = f"For the output {output.name!r}, the" if output.name else "The"
    constant = np.broadcast_to(output.right.mean(axis=0), output.right.shape)
    at_constant, at_right = float(loss(constant)), float(loss(output.right))
    if not np.isfinite(at_right) and not output.classes:
        if np.isfinite(float(loss(predictions))):
            return None  # the logarithm of 0, say, that a prediction never is
        text = f"{where} loss is {at_right} for predictions that equal the targets."
        fix = "Use a loss that is defined for these targets, such as mean_squared_error."
        return _mismatch(text, fix)
    ways = _on_the_way(loss, constant, output.right)
    if output.classes:
        signs = np.where(output.right > 0.5, 1.0, -1.0)
        # Hinge losses want -1 and 1, losses from logits any large number; a distance is small where the label is 1.
        at_signs, at_logits, at_distances = (float(loss(way)) for way in (signs, CERTAIN * signs, 1 - output.right))
        ways += [at_signs, at_logits, at_distances]
    if not _lower(ways, at_constant):
        return _not_falling(output, loss, where, constant, at_right)
    if not output.classes:
        return None
    if not bounded:
        return _outside(output, loss, where)
    if np.isfinite(at_right) and at_right - at_logits > LEFT * (at_constant - at_logits) > 0:
        return _mismatch(
            f"{where} loss takes logits, but the output is already a probability: even when every prediction is right "
            f"and certain, the loss is {at_right:.2g} (for logits it would be {max(at_logits, 0):.2g}), so sigmoid or "
            "softmax is applied twice.",
            "Remove the activation of the output layer, or use the loss with from_logits=False.",
        )
    return None


def _on_the_way(loss, constant, right):
    return [float(loss(constant + part * (right - constant))) for part in ON_THE_WAY]


def _lower(ways, at_constant):
    return np.nanmin(ways) < at_constant - 1e-6 * abs(at_constant)


def _not_falling(output, loss, where, constant, at_right):
    shape, predicted, at_constant = output.targets.shape, output.right.shape, float(loss(constant))
    if at_constant == at_right == 0:
        text = f"{where} loss is 0 whatever is predicted, so that nothing is learned from it."
        fix = "Look at its weight (loss_weights, sample_weight, class_weight), or at what multiplies it."
        return _mismatch(text, fix)
    told = (
        f"{where} loss does not fall as the predictions approach the targets: it is {at_right:.3g} when they are equal and "
        f"{at_constant:.3g} when every prediction is the mean of the targets."
    )
    reshaped = partial(loss, reshaped=True)
    can_be_reshaped = shape != predicted and output.targets.size == output.right.size
    if can_be_reshaped and _lower(_on_the_way(reshaped, constant, output.right), float(reshaped(constant))):
        return _mismatch(
            f"{told} The targets have shape {_shape(shape)} and the predictions {_shape(predicted)}: their difference has "
            f"{len(output.targets):,} times as many numbers, every prediction against every target.",
            "Give the targets the shape of the predictions (y[:, None]), or reshape them in the loss.",
        )
    return _mismatch(told, "Look at the loss: its sign, the order of its arguments (y_true, y_pred), its axes.")


def _outside(output, loss, where):
    """Where nothing keeps the predictions between 0 and 1, a loss of probabilities must still pull them back."""
    wrong = tf.constant(np.where(output.right > 0.5, -0.5, 1.5), "float32")
    with tf.GradientTape() as tape:
        tape.watch(wrong)
        value = loss(wrong)
    gradient = tape.gradient(value, wrong)
    lost = gradient is None or not np.isfinite(gradient).all() or not np.any(gradient)
    if lost or not np.isfinite(value):
        return Finding(
            "output_activation_mismatch",
            f"{where} loss takes probabilities, and nothing keeps the output between 0 and 1: outside, "
            "the loss is not a number or has no gradient.",
            "Give the output layer a sigmoid (or softmax over the classes), or use the loss with from_logits=True.",
        )
    return None


def _shape(shape):
    return f"({', '.join(['n', *map(str, shape[1:])])}{',' * (len(shape) == 1)})"
