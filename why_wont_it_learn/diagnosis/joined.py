"""Models of several inputs or outputs, or with weighted samples, as models with one row of numbers in and one out.

So everything that looks at one array of inputs and one of targets works on them, too.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import keras
import numpy as np
import tensorflow as tf

from ..engine.records import of_outputs, output_names
from ..keras_private import layers_of, loss_weights_of
from .data import TOKEN_LAYERS, WORST, Data, single, split, spread_out, task_of, uncallable, wants_reversed
from .network import own_step
from .output_and_loss import as_loss, from_logits, loss_for, loss_name, value_of

MOST_REFERENCES = 4  # outputs for which reference models are trained
ROWS_JUDGED = 64  # at a time
STEPS_OF_CONSTANT = 150
MOST_POSITIONS = 12  # of a sample that is labelled position by position


@dataclass(frozen=True, eq=False)
class JointData(Data):
    """The samples of a `Joined` model: the columns of all inputs in x, those of all outputs (and a weight) in y.

    parts: {name of the output: its own `Data`}, in the order of the columns. by_place: whether each place of a sample has a weight of
    its own, by which skill does not count it.
    """

    parts: dict = None
    by_place: bool = False

    @property
    def targets(self):
        """The `Targets` of the first output."""
        return next(iter(self.parts.values())).targets

    def skill(self, answers, logits=False):
        """The mean skill of the outputs."""
        return tuple(np.mean(list(self.skills(answers).values()), axis=0))

    def skills(self, answers):
        """{name of the output: (skill on training samples, on validation samples)}."""
        answers = np.asarray(answers, float).reshape(len(self.x), -1)
        return {
            name: part.skill(answers[:, part.start : part.start + part.width], part.logits)
            for name, part in self.parts.items()
        }

    def reference_skill(self, in_time=lambda: True):
        """The mean over the outputs."""
        some = list(self.parts.values())[:: max(1, len(self.parts) // MOST_REFERENCES)]
        return float(np.mean([part.reference_skill(in_time) for part in some]))

    @cached_property
    def linear_skill(self):
        """The mean over the outputs."""
        return float(np.mean([part.linear_skill for part in self.parts.values()]))

    @cached_property
    def max_skill(self):
        """The mean over the outputs."""
        return float(np.mean([part.max_skill for part in self.parts.values()]))

    @property
    def number_targets(self):
        """The training targets of the outputs of numbers: (samples, columns); None without one."""
        found = [part.number_targets for part in self.parts.values() if part.task == "regression"]
        return np.concatenate(found, axis=1) if found else None

    @property
    def has_two_labels(self):
        """Whether there is one output, whose targets are 0 and 1."""
        return [part.has_two_labels for part in self.parts.values()] == [True] and self.y.shape[1] == 1

    def exchanged(self):
        """The same with the two labels exchanged."""
        parts = {name: part.exchanged() for name, part in self.parts.items()}
        return replace(self, y=1 - self.y, parts=parts).after("y = 1 - y")

    def with_x(self, x):
        """The same with other inputs."""
        parts = {name: part.with_x(x) for name, part in self.parts.items()}
        return replace(self, x=np.asarray(x, "float32"), parts=parts)

    def y_scaled(self):
        """Targets with mean 0 and standard deviation 1, of the outputs of numbers."""
        parts = {n: part.y_scaled() if part.task == "regression" else part for n, part in self.parts.items()}
        columns = [part.targets_2d for part in parts.values()]
        rest = self.y[:, sum(c.shape[1] for c in columns) :]
        y = np.concatenate([*columns, rest], axis=1).astype("float32")
        step = "y = (y - y_train.mean(axis=0)) / y_train.std(axis=0)  # for each output of numbers"
        return replace(self, y=y, parts=parts).after(step)


@dataclass(frozen=True, eq=False)
class Part(Data):
    """The samples of one output.

    start, width: which numbers of all that the network gives. logits: whether these are logits.
    """

    start: int = 0
    width: int = 1
    logits: bool | None = False


@dataclass(frozen=True, eq=False)
class OwnPart(Part):
    """The samples of an output whose meaning stands in the loss alone, such as a place in a space or a spread: judged by that loss.

    Skill is the fraction of the loss of the best constant output that is avoided, or, where that says more (the logarithm of a
    likelihood has no zero), 1 - exp(-2 d) of the difference d: for a normal distribution, the fraction of the variance.
    """

    @cached_property
    def constant_loss(self):
        """The loss of the best constant output, by gradient descent."""
        constant = tf.Variable(tf.zeros([1, self.width]))
        optimizer, best = keras.optimizers.Adam(0.1), np.inf
        rows = self.y[: min(self.points, ROWS_JUDGED)]
        for _ in range(STEPS_OF_CONSTANT):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(as_loss(self.loss)(tf.constant(rows), tf.repeat(constant, len(rows), 0)))
            gradient = tape.gradient(loss, constant)
            best = np.fmin(best, float(loss))
            if gradient is None or not np.isfinite(gradient.numpy()).all():
                break
            optimizer.apply([gradient], [constant])
        return best

    def skill(self, answers, logits=False):
        """As `Data.skill`."""
        parts = slice(0, self.points), slice(self.points, None)
        return tuple(self._skill(answers[rows], self.y[rows]) for rows in parts)

    def _skill(self, answers, targets, class_weight=None):
        if not len(answers):
            return np.nan
        # In batches, as a loss may compare rows with each other.
        starts = range(0, max(1, len(answers) - ROWS_JUDGED + 1), ROWS_JUDGED)
        batches = [slice(at, at + ROWS_JUDGED) for at in starts]
        loss = np.mean([value_of(self.loss, targets[rows], answers[rows]) for rows in batches])
        if not np.isfinite(loss) or not np.isfinite(self.constant_loss):
            return WORST
        avoided = self.constant_loss - loss
        ratio = avoided / self.constant_loss if loss >= 0 and self.constant_loss > 0 else WORST
        return float(max(WORST, ratio, -np.expm1(-2 * avoided)))

    def reference_skill(self, in_time=lambda: True):
        """Not known, so 1."""
        return 1.0

    linear_skill = max_skill = 1.0


class Joined(keras.Model):
    """A model with all inputs in one row of numbers, and all outputs."""

    def __init__(self, model, like):
        super().__init__(name="joined")
        self.inner = model
        # Kept in a function, as Keras would wrap a structure of its own around an attribute.
        sizes = [int(np.prod(part.shape[1:])) for part in keras.tree.flatten(like)]
        specs = [(part.shape[1:], part.dtype.name) for part in keras.tree.flatten(like)]

        def unpacked(x):
            parts = tf.split(x, sizes, axis=1)
            parts = [tf.cast(tf.reshape(p, [-1, *s]), kind) for p, (s, kind) in zip(parts, specs, strict=True)]
            return keras.tree.pack_sequence_as(like, parts)

        self.unpacked = unpacked

    def call(self, x, training=False):
        """(samples, all outputs)."""
        outputs = keras.tree.flatten(self.inner(self.unpacked(x), training=training))
        return tf.concat([tf.reshape(tf.cast(o, "float32"), [-1, int(np.prod(o.shape[1:]))]) for o in outputs], 1)


def needs_joining(model, x, y, weighted):
    """Whether a model has several inputs or outputs, or weighted samples."""
    several = [len(keras.tree.flatten(getattr(model, name, None) or [0])) > 1 for name in ("inputs", "outputs")]
    own = not getattr(model, "inputs", None) and (_are_several(x) or _are_several(y))
    return weighted or any(several) or own


def _are_several(given):
    """Whether what `fit` is given holds several arrays."""
    return isinstance(given, (dict, list, tuple)) and len(given) > 1 and all(map(np.ndim, keras.tree.flatten(given)))


def joined(model, x, y, sample_weight, validation_data):
    """(a `Joined` model, its `JointData`). x, y: structures of arrays.

    sample_weight: (samples,), of one output also one for each place, or None.
    """
    x = keras.tree.map_structure(lambda part: np.asarray(part), x)
    names, targets = by_output(model, y)
    samples = len(keras.tree.flatten(x)[0])
    columns = _columns(keras.tree.flatten(x))
    wrapper = Joined(model, keras.tree.map_structure(lambda part: part[:1], x))
    flat_x = np.concatenate(columns, axis=1)
    try:
        outputs = keras.tree.flatten(model(wrapper.unpacked(tf.constant(flat_x[:2])), training=False))
    except Exception as error:
        raise uncallable(model, "these inputs", error) from None
    weights, weight_shape = [], None
    if sample_weight is not None:
        weights, weight_shape = _weights_of(sample_weight, samples, outputs)
    losses, factors = losses_of(model, names, len(outputs))
    if not any(losses) and own_step(model):  # which knows the loss
        losses = [loss_for(target, output) for target, output in zip(targets, outputs, strict=False)]
    used = [i for i, loss in enumerate(losses) if loss is not None and targets[i] is not None]
    if weight_shape == () and any(_is_by_position(losses[i], targets[i], outputs[i]) for i in used):
        raise ValueError(
            "The loss compares several positions of each sample, where diagnose takes no weights: leave sample_weight or class_weight out."
        )
    flat_y = _columns(targets[i] for i in used)
    validation = None
    if validation_data is not None:
        val_x = _columns(keras.tree.flatten(validation_data[0]))
        _, val_y = by_output(model, validation_data[1])
        val_columns = _columns(val_y[i] for i in used)
        val_columns += [np.ones((len(val_x[0]), weight.shape[1]), "float32") for weight in weights]
        validation = np.concatenate(val_x, axis=1), np.concatenate(val_columns, axis=1)
    all_y = np.concatenate([*flat_y, *weights], axis=1)
    rows_x, rows_y, n_train = split(flat_x, all_y, validation)
    starts = np.cumsum([0, *(int(np.prod(o.shape[1:])) for o in outputs)])
    parts, terms, at = {}, [], 0
    for i, y_i in zip(used, flat_y, strict=True):
        columns, places = slice(at, at + y_i.shape[1]), slice(starts[i], starts[i + 1])
        width, shape = int(np.prod(outputs[i].shape[1:])), np.shape(targets[i])[1:]
        own = rows_y[:, columns].reshape(len(rows_y), *shape)
        task, classes, signed = task_of(own if own.ndim > 1 else own[:, None], losses[i], width)
        parts[names[i]] = Part(
            rows_x, own, n_train, task, classes, signed, given=samples,
            start=int(starts[i]), width=width, logits=from_logits(losses[i]),
            loss=losses[i], reversed=wants_reversed(model, losses[i], own, task, width),
        )  # fmt: skip
        terms.append((as_loss(losses[i]), factors[i], columns, shape, places, outputs[i].shape[1:]))
        at += y_i.shape[1]
    loss = _joint_loss(terms, weight_shape)
    wrapper(tf.constant(flat_x[:2]))
    wrapper.compile(optimizer=model.optimizer, loss=loss)
    tokens = any(type(layer).__name__ in TOKEN_LAYERS for layer in layers_of(model))
    together = Data(rows_x, rows_y, n_train, "several", tokens=tokens, given=samples, loss=loss)
    data = _judged_by(together, parts, bool(weight_shape))
    if data.has_two_labels:
        data = replace(data, reversed=next(iter(parts.values())).reversed)
    return wrapper, data


def _weights_of(sample_weight, samples, outputs):
    """([weights (samples, numbers) float32], the shape of those of one sample): one, or one for each place of the one output."""
    weight = single(sample_weight)
    several = _are_several(weight)
    shape = None if several else np.shape(weight)[1:]
    if not several and np.size(weight) == samples:
        shape = ()
    elif several or len(weight) != samples or len(outputs) > 1 or shape != tuple(outputs[0].shape[1:-1]):
        what = f"a {type(weight).__name__} of arrays" if several else f"of shape {np.shape(weight)}"
        raise ValueError(
            f"sample_weight is {what}, but diagnose takes one weight for each sample, of shape ({samples},), or each position of "
            "the one output: give that, or leave it out."
        )
    return [np.asarray(weight, "float32").reshape(samples, -1)], shape


def _is_by_position(loss, target, output):
    """Whether a loss gives several numbers for a sample, as for the steps of a sequence. output: for the first samples."""
    try:
        numbers = as_loss(loss).call(tf.constant(target[: len(output)], "float32"), output)
    except Exception:  # of a loss that is not Keras's or does not fit, anything
        return False
    return len(output.shape) > 2 and int(np.prod(numbers.shape[1:])) > 1


def _columns(parts):
    """Some arrays, each as (samples, numbers) float32."""
    return [np.asarray(part, "float32").reshape(len(part), -1) for part in parts]


def with_positions(data, shape):
    """The `JointData` of a model that labels every position of a sample, such as a pixel or a word; else the data as they are.

    shape: of the predictions for one sample, (positions, …, classes).
    """
    y, classes = data.y, shape[-1]
    name = loss_name(data.loss)
    if "categorical" not in name or len(shape) < 2:
        return data
    one_hot = y.shape[1:] == tuple(shape)
    labels = (y.argmax(-1) if one_hot else y).reshape(len(y), -1)
    if labels.shape[1] != np.prod(shape[:-1]):
        return data
    parts = {}
    for at in spread_out(labels.shape[1], MOST_POSITIONS):
        parts[f"position {at + 1}"] = Part(
            data.x, labels[:, at : at + 1].astype("float32"), data.points, "multiclass", classes, tokens=data.tokens,
            given=data.given, loss=data.loss, start=int(at) * classes, width=classes, logits=from_logits(data.loss),
        )  # fmt: skip
    return _judged_by(data, parts)


def _judged_by(data, parts, by_place=False):
    """The `JointData` of the same samples whose predictions are judged part by part."""
    return JointData(
        data.x, data.y, data.points, "several", dtype=data.dtype, tokens=data.tokens, loss=data.loss, given=data.given,
        output_shape=data.output_shape, parts=parts, by_place=by_place,
    )  # fmt: skip


def with_own_meaning(data):
    """The `JointData` of a model whose outputs are not what the targets are, as its loss tells; else the data as they are."""
    if not data.own_loss or len(data.output_shape) != 1 or not _is_own(data):
        return data
    part = OwnPart(
        data.x, data.y, data.points, "own", tokens=data.tokens, given=data.given, loss=data.loss,
        width=data.output_shape[0], logits=None,
    )  # fmt: skip
    return _judged_by(data, {"the output": part})


def _is_own(data):
    """Whether more numbers are predicted than there are targets, or a loss does not tell the outputs of classes apart."""
    units, y = data.output_shape[0], data.y[: min(data.points, ROWS_JUDGED)]
    targets = data.targets_2d.shape[1]
    if data.task != "multiclass" or targets > 1:
        return data.task == "regression" and units > targets
    made = np.random.default_rng(0).dirichlet(np.ones(units), len(y)).astype("float32")
    plain, exchanged = (value_of(data.loss, y, predictions) for predictions in (made, np.roll(made, 1, axis=1)))
    return bool(np.isclose(plain, exchanged, rtol=1e-4))


def by_output(model, y):
    """(names of the outputs, their targets), in the order of the flattened outputs."""
    names = output_names(model) or ["output"]
    if not getattr(model, "outputs", None) and _are_several(y):  # a subclassed model names none
        names = sorted(y) if isinstance(y, dict) else [f"output {number + 1}" for number in range(len(y))]
    if isinstance(y, dict):
        return names, [y.get(name) for name in names]
    return names, list(y) if isinstance(y, (list, tuple)) and len(names) > 1 else [single(y)]


def losses_of(model, names, count):
    """The loss and its factor of each output."""
    losses = [None if loss is None else keras.losses.get(loss) for loss in of_outputs(model.loss, names, None, count)]
    factors = loss_weights_of(model)
    factors = factors if len(factors) == count else [None] * count
    return losses, [1.0 if factor is None else float(factor) for factor in factors]


def _joint_loss(terms, weight_shape):
    """(y_true, y_pred) -> the sum of the losses of all outputs, each on its own columns.

    terms: for each output its loss, its factor, its columns among the targets and their shape, its places among the predictions and
    their shape. weight_shape: of the weights of a sample, which are the last columns of the targets; None without.
    """
    places_weighted = None if weight_shape is None else int(np.prod(weight_shape))

    def sum_of_losses(y_true, y_pred):
        weight = places_weighted and tf.reshape(y_true[:, -places_weighted:], [-1, *weight_shape])
        total = 0.0
        for loss, factor, columns, target_shape, places, shape in terms:
            target = tf.reshape(y_true[:, columns], [-1, *target_shape])
            prediction = tf.reshape(y_pred[:, places], [-1, *shape])
            total += factor * tf.reduce_mean(loss(target, prediction, sample_weight=weight))
        return total

    return sum_of_losses
