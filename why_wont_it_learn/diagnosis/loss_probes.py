"""What a loss asks for, found by evaluating it at made-up predictions; its name does not matter."""

import keras
import numpy as np
import tensorflow as tf

from ..keras_private import loss_of_function

SAMPLES = 32  # that a loss is evaluated at


def value_of(loss, y, predictions):
    """The loss of a batch as one number; NaN where it cannot be computed."""
    try:
        loss = keras.losses.get(loss)
        loss = loss if isinstance(loss, keras.losses.Loss) else loss_of_function(loss)
        return float(np.mean(loss(tf.constant(y), tf.constant(np.asarray(predictions, "float32")))))
    except Exception:  # of one's own
        return np.nan


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


def best_predictions(loss, y, low=-1.0, high=2.0):
    """(prediction that a loss likes best for target 0, for target 1), among numbers between `low` and `high`."""
    grid = np.linspace(low, high, 31)
    shape = (1, *np.shape(y)[1:])
    values = [[value_of(loss, np.full(shape, t, "float32"), [[g]]) for g in grid] for t in (0, 1)]
    return tuple(float(grid[int(np.nanargmin(row))]) if np.isfinite(row).any() else np.nan for row in values)


def is_reversed(loss, y):
    """Whether a loss wants a smaller prediction for target 1 than for target 0, as a loss of distances does."""
    for_0, for_1 = best_predictions(loss, y)
    return bool(for_1 < for_0 - 0.3)


def misses_targets(loss, y, right, wrong):
    """What is wrong with a loss that is not smaller for right predictions than for wrong ones: (evidence, fix, loss); or None.

    y: targets; right, wrong: predictions. The loss that is returned is the same with its sign changed.
    """
    kept = _falls(loss, y, right, wrong)
    if kept is None or kept > 0.75:
        return None
    good, bad = (value_of(loss, y, predictions) for predictions in (right, wrong))
    text = (
        f"The loss is smaller for a right prediction than for a wrong one for only {kept:.0%} of the samples (in the mean {good:.3g} "
        f"and {bad:.3g}), so training does not lead to the targets."
    )
    return (
        text,
        "Change the sign of the loss: it is to fall as predictions come nearer.",
        _changed(loss, lambda t, p: -loss(t, p)),
    )


def _falls(loss, y, right, wrong):
    """For what fraction of the samples the loss is smaller for the right prediction; None if it cannot be computed."""
    rows = [slice(i, i + 1) for i in range(len(y))]
    good, bad = (np.array([value_of(loss, y[row], made[row]) for row in rows]) for made in (right, wrong))
    known = np.isfinite(good) | np.isfinite(bad)
    return float(np.mean((good < bad)[known])) if known.any() else None


def of_flat_targets(loss):
    """A loss that sees targets (n, 1) as (n,), as they were given. `of_columns` of it is the loss itself."""
    changed = _changed(loss, lambda y_true, y_pred: loss(tf.squeeze(y_true, 1), y_pred))
    changed.of_columns = loss
    return changed


def _changed(loss, function):
    function.__name__ = f"changed_{getattr(loss, '__name__', type(loss).__name__)}"
    return function
