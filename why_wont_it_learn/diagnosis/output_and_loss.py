"""Output layer, loss and targets: which fit each other, and where a model breaks that."""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from ..keras_private import as_loss, binary_or_sparse, takes_logits

CLASS_LOSSES = {
    "binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy", "categorical_focal_crossentropy",
    "sparse_categorical_crossentropy", "hinge", "squared_hinge", "categorical_hinge",
}  # fmt: skip
MOST_CLASSES = 30  # for whole numbers to be taken for classes, and for models that take long over many
NUMBER_FROM_0 = "Number the classes from 0: y = np.searchsorted(np.unique(y), y)."
SAMPLES = 32  # that a loss is evaluated at
OF_OUTPUT = "output_activation_mismatch"
BINARY_LOSSES = ("binary_crossentropy", "binary_focal_crossentropy")
NOT_BETWEEN_0_AND_1 = ("linear", "relu", "tanh", "leaky_relu", "elu", "selu", "softplus")
OUTPUT_RANGES = {
    "relu": (0, np.inf), "sigmoid": (0, 1), "softmax": (0, 1), "tanh": (-1, 1), "softplus": (0, np.inf), "softsign": (-1, 1),
    "hard_sigmoid": (0, 1), "exponential": (0, np.inf), "relu6": (0, 6), "elu": (-1, np.inf), "selu": (-1.76, np.inf),
}  # fmt: skip


def resolved_loss(model, y=None, answers=None):
    """The one loss that a model is compiled with, out of its list or dict: an object or a function.

    y, answers: arrays, of which "crossentropy" is to be told what kind of labels there are.
    """
    losses = keras.tree.flatten(model.loss)
    if len(losses) != 1:
        raise ValueError(f"The model has {len(losses)} losses; diagnose can follow one.")
    if losses[0] is None:  # its training step has it
        return loss_for(y, answers)
    if losses[0] in ("crossentropy", "ce"):
        binary, sparse = binary_or_sparse(y, answers)
        name = "binary" if binary else "sparse_categorical" if sparse else "categorical"
        return keras.losses.get(f"{name}_crossentropy")
    return keras.losses.get(losses[0])


def loss_for(y, answers):
    """The loss of Keras by which answers for such targets are judged."""
    units = answers.shape[-1] if answers.shape.rank else 1
    y = np.asarray(y)
    numbers = np.unique(y)
    classes = len(numbers) <= MOST_CLASSES and np.array_equal(numbers, np.round(numbers)) and numbers.min() >= 0
    if classes and units > numbers.max() and units > 1 and y.size == len(y):
        return keras.losses.SparseCategoricalCrossentropy()
    if classes and units > 1 and y.shape[-1] == units and np.array_equal(y.sum(-1), np.ones(len(y))):
        return keras.losses.CategoricalCrossentropy()
    if classes and units == 1 and numbers.max() == 1:
        return keras.losses.BinaryCrossentropy()
    return keras.losses.MeanSquaredError()


def loss_name(loss):
    """The name of a Keras loss, its object or a function: "mean_squared_error", say."""
    loss = keras.losses.get(loss)
    function = getattr(loss, "fn", loss)  # the name of an object is free
    return getattr(function, "__name__", None) or type(loss).__name__


def from_logits(loss):
    """Whether a loss takes logits; None for one that is not Keras's, of which that cannot be known."""
    if isinstance(loss, str):
        return False
    known = takes_logits(loss)
    ours = not (getattr(getattr(loss, "fn", loss), "__module__", None) or "").startswith("keras.")
    return known if known is None and ours else bool(known)


def smooths_all(loss):
    """Whether its label smoothing leaves less of the labels than it takes."""
    return float(getattr(loss, "label_smoothing", 0) or 0) > 0.5


@dataclass(frozen=True, eq=False)
class Targets:
    """What is to be predicted.

    task: "regression", "binary", "multiclass", "multilabel" or "distribution" (rows of fractions that sum to 1).
    values: (samples, columns). classes: how many, or 0. flat: whether they came as (samples,).
    """

    task: str
    values: np.ndarray
    classes: int = 0
    flat: bool = False


@dataclass(frozen=True)
class Mismatch:
    """Output, loss and targets that do not fit: the cause, the numbers, and whether no training can make up for it.

    activation: the one for the output layer, where that is all that has to be changed.
    """

    cause: str
    evidence: str
    strong: bool
    activation: str = ""


def mismatches(activation, units, loss, logits, targets):
    """The `Mismatch`es between the output layer, the loss and the `Targets`, the strong ones first.

    activation, units: of the output layer. loss: its name. logits: whether it takes logits; None for a loss of which nothing is
    known.
    """
    if logits is None and (activation != "softmax" or units > 1):
        return []
    of_output, of_loss = _of_output(activation, units, loss, logits, targets), _of_loss(units, loss, targets)
    found = [Mismatch(OF_OUTPUT, *row) for row in of_output] + [Mismatch("loss_mismatch", *row) for row in of_loss]
    return sorted(found, key=lambda mismatch: not mismatch.strong)


def range_mismatches(activation, units, targets):
    """The `Mismatch`es where numbers are to be predicted that the output cannot produce."""
    return [Mismatch(OF_OUTPUT, *row) for row in _of_range(activation, units, targets)]


def _of_output(activation, units, loss, logits, targets):
    """Yield (evidence, strong[, activation]) for what is wrong with the output; so do the next two."""
    task = targets.task
    if task == "own":
        return
    if activation == "softmax" and units == 1:
        yield "Softmax over a single unit is always 1, whatever its input.", True
    elif task not in ("multiclass", "binary", "multilabel"):
        yield from _of_range(activation, units, targets)
        if loss == "poisson" and (activation == "linear" or OUTPUT_RANGES.get(activation, (0,))[0] < 0):
            text = f"The Poisson loss takes the logarithm of the prediction, and the output ({activation}) can be negative."
            yield text, True, "softplus"
    elif task == "multiclass" and units == 1:
        yield f"One output unit cannot tell {targets.classes} classes apart.", True
    elif task == "multiclass" and (activation == "relu" or (activation == "tanh" and "crossentropy" in loss)):
        yield f"{activation} does not give probabilities of {targets.classes} classes; softmax does.", True
    elif task == "multiclass" and activation == "sigmoid" and "categorical_crossentropy" in loss and not logits:
        yield "Each sigmoid is on its own, while the loss compares the classes with each other.", False
    elif task == "multiclass" and activation == "linear" and "crossentropy" in loss and not logits:
        yield "The loss takes probabilities of classes, and the output is linear.", True
    elif task == "multilabel" and activation == "softmax":
        yield "Softmax divides 1 among the labels, but several can be true at once.", True
    elif task != "multiclass" and loss in BINARY_LOSSES and not logits and activation in NOT_BETWEEN_0_AND_1:
        yield f"The loss takes a probability between 0 and 1, and the output is {activation}.", True
    elif logits and activation in ("softmax", "sigmoid"):
        yield f"The loss expects logits, and the output is already a {activation}.", False
    elif task != "multiclass" and activation == "relu":
        yield "A relu in the output stays at 0 once it is dead.", False


def _of_range(activation, units, targets):
    y, columns = targets.values, targets.values.shape[1]
    if columns not in (1, units) or (columns == 1 and units > 1 and not targets.flat):
        yield f"The network predicts {units} numbers for each sample, and there are {columns} targets.", True
        return
    low, high = OUTPUT_RANGES.get(activation, (-np.inf, np.inf))
    outside = float(((y < low - 1e-6) | (y > high + 1e-6)).mean())
    if activation == "softmax" and targets.task != "distribution":
        yield "The outputs of a softmax sum to 1, and the targets do not.", True
    elif outside:
        bounds = f"never below {low:g}" if high == np.inf else f"always between {low:g} and {high:g}"
        text = f"The output of {activation} is {bounds}, and {outside:.0%} of the targets lie outside."
        yield text, outside > 0.02
    elif targets.task == "distribution" and activation != "softmax":
        yield "The targets of a sample sum to 1, which softmax would ensure.", False
    elif activation in ("relu", "sigmoid", "tanh"):
        ends = "0" if activation == "relu" else "the ends of its range"
        yield f"{activation} is flat at {ends}, where it passes back hardly any gradient.", False


def _of_loss(units, loss, targets):
    task, y = targets.task, targets.values
    if task == "regression":
        between = "binary" in loss and bool(((y >= 0) & (y <= 1)).all())  # as of pixels, where cross-entropy is usual
        if (loss in CLASS_LOSSES and not between) or loss == "kl_divergence":
            yield f"{loss} is a loss for classes, and the targets are numbers.", True
        elif loss in ("poisson", "mean_squared_logarithmic_error") and (y < 0).mean() > 0.02:
            yield f"{loss} is made for targets of 0 or more; {(y < 0).mean():.0%} are below.", True
        elif loss == "mean_absolute_percentage_error" and (np.abs(y) < 1e-3 * np.abs(y).max()).mean() > 0.02:
            yield f"{loss} divides by the target, which is about 0 for some samples.", True
        elif loss == "cosine_similarity" and np.ptp(np.linalg.norm(y, axis=1)) > 1e-3:
            yield "Cosine similarity compares directions only, not magnitudes.", True
    elif loss in ("categorical_crossentropy", "categorical_hinge") and (units == 1 or task == "multilabel"):
        what = "compares several outputs with each other, and there is one" if units == 1 else "allows one true label"
        yield f"{loss} {what}.", True
    elif task == "multiclass" and loss == "binary_crossentropy" and y.shape[1] == 1:
        yield f"binary_crossentropy is for two classes, and there are {targets.classes}.", True
    elif task == "multiclass" and y.shape[1] == 1 and loss not in CLASS_LOSSES and units > 1:
        yield f"{loss} would have each of {units} outputs equal the number of the class.", True
    elif loss not in CLASS_LOSSES and task != "distribution":
        yield f"{loss} hardly punishes a confident wrong prediction; cross-entropy does.", False


@dataclass(frozen=True)
class Fitting:
    """The output layer and loss that the Keras documentation pairs with some targets, and the words that say so."""

    words: str
    units: int
    activation: str
    loss: str


def fitting(targets):
    """The `Fitting` of some `Targets`; labels of two classes are to be 0 and 1."""
    columns = targets.values.shape[1]
    if targets.task == "regression":
        words = f"Give the output layer {columns} unit{'s' * (columns > 1)} and no activation, with mean_squared_error."
        return Fitting(words, columns, "linear", "mean_squared_error")
    if targets.task == "distribution":
        return Fitting(f"Use softmax over {columns} units with kl_divergence.", columns, "softmax", "kl_divergence")
    if targets.task == "multilabel":
        words = f"Use sigmoid in each of {columns} units with binary_crossentropy."
        return Fitting(words, columns, "sigmoid", "binary_crossentropy")
    if targets.task == "binary" and columns == 1:
        return Fitting("Use one sigmoid unit with binary_crossentropy.", 1, "sigmoid", "binary_crossentropy")
    loss = "categorical_crossentropy" if columns > 1 else "sparse_categorical_crossentropy"
    words = f"Use softmax over {targets.classes} units with {loss}."
    return Fitting(words, targets.classes, "softmax", loss)


# --- what a loss asks for, found by evaluating it at made-up predictions -------------------------------------------------


def value_of(loss, y, predictions):
    """The loss of a batch as one number; NaN where it cannot be computed."""
    try:
        return float(np.mean(as_loss(loss)(tf.constant(y), tf.constant(np.asarray(predictions, "float32")))))
    except Exception:  # of one's own
        return np.nan


def pairs_unequal(loss, y, shape):
    """Whether a loss takes predictions of another number than the targets and tells them apart, as CTC does.

    shape: of the predictions for one sample. A loss that repeats each target for every prediction does not tell them apart.
    """
    y = np.asarray(y)[:SAMPLES]
    if y.size == len(y) * np.prod(shape):
        return False
    made = np.random.default_rng(0).uniform(size=(len(y), *shape))
    plain, exchanged = (value_of(loss, y, predictions) for predictions in (made, np.roll(made, 1, axis=-1)))
    return bool(np.isfinite([plain, exchanged]).all() and not np.isclose(plain, exchanged, rtol=1e-4))


def broadcasts(loss, y):
    """Whether a loss compares each prediction (n, 1) with all targets (n,), as subtraction of the two shapes does."""
    y = np.asarray(y, "float32")[:SAMPLES]
    if y.ndim != 1 or len(y) < 2 or not np.isfinite(y).all() or y.std() == 0:
        return False
    predictions = np.roll(y, 1)[:, None] + 0.5 * y.std()
    flat, column = (value_of(loss, targets, predictions) for targets in (y, y[:, None]))
    one_by_one = np.mean([value_of(loss, y[i : i + 1, None], predictions[i : i + 1]) for i in range(len(y))])
    return bool(np.isclose(column, one_by_one, rtol=1e-3) and not np.isclose(flat, one_by_one, rtol=1e-2))


def takes_logits_of(loss, y, units):
    """Whether a loss for classes takes logits, by what it gives; None if it is neither of both.

    A loss of logits does not change if the same number is added to every class (softmax), or gives log 2 for 0 (sigmoid).
    """
    y = y[:SAMPLES]
    rng = np.random.default_rng(0)
    if units == 1:
        return bool(np.isclose(value_of(loss, y, np.zeros((len(y), 1))), np.log(2), rtol=1e-3))
    p = rng.dirichlet(np.ones(units), len(y))
    plain, shifted, doubled = (value_of(loss, y, q) for q in (p, p + 0.2, 2 * p))
    if not np.isfinite([plain, shifted]).all():
        return None
    return bool(np.isclose(plain, shifted, rtol=1e-4) and not np.isclose(plain, doubled, rtol=1e-4))


def is_reversed(loss, y):
    """Whether a loss wants a smaller prediction for target 1 than for target 0, as a loss of distances does."""
    grid, shape = np.linspace(-1, 2, 31), (1, *np.shape(y)[1:])
    values = [[value_of(loss, np.full(shape, target, "float32"), [[g]]) for g in grid] for target in (0, 1)]
    for_0, for_1 = (grid[np.nanargmin(row)] if np.isfinite(row).any() else np.nan for row in values)
    return bool(for_1 < for_0 - 0.3)


def misses_targets(loss, y, right, wrong):
    """What is wrong with a loss that is not smaller for right predictions than for wrong ones: (evidence, fix, loss); or None.

    y: targets; right, wrong: predictions. The loss that is returned is the same with its sign changed.
    """
    rows = [slice(i, i + 1) for i in range(len(y))]
    good, bad = (np.array([value_of(loss, y[row], made[row]) for row in rows]) for made in (right, wrong))
    known = np.isfinite(good) | np.isfinite(bad)
    kept = np.mean((good < bad)[known]) if known.any() else 1.0
    if kept > 0.75:
        return None
    good, bad = (value_of(loss, y, predictions) for predictions in (right, wrong))
    return (
        f"The loss is smaller for a right prediction than for a wrong one for only {kept:.0%} of the samples (on average {good:.3g} "
        f"and {bad:.3g}), so training does not lead to the targets.",
        "Change the sign of the loss: it must fall as the predictions approach the targets.",
        _changed(loss, lambda t, p: -loss(t, p)),
    )


def of_flat_targets(loss):
    """A loss that sees targets (n, 1) as (n,), as they were given. `of_columns` of it is the loss itself."""
    changed = _changed(loss, lambda y_true, y_pred: loss(tf.squeeze(y_true, 1), y_pred))
    changed.of_columns = loss
    return changed


def _changed(loss, function):
    function.__name__ = f"changed_{getattr(loss, '__name__', type(loss).__name__)}"
    return function
