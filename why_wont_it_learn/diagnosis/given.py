"""What `diagnose` is given, as arrays: samples of a dataset, the last ones held back, those that are known."""

import math

import keras
import numpy as np

from ..engine.batches import not_numbers, weights_of_classes
from .data import FEWEST_TO_SPLIT, MOST_SAMPLES
from .findings import Finding, listed
from .model_call import loss_of, sample_of

ONE_NAN = "A single NaN makes every weight NaN in the first step that uses it."


def drawn(x, y, sample_weight, batch_size):
    """(x, y, sample_weight, batch size, notes): as they are, or drawn from a dataset or generator that x is.

    At most MOST_SAMPLES samples are drawn, batch by batch. ValueError for text and for sparse and ragged data.
    """
    _check_numbers(x, y)
    if y is not None or x is None or hasattr(x, "__array__") or isinstance(x, (list, tuple, dict)):
        return x, y, sample_weight, batch_size, []
    batches, count = [], 0
    for batch in x if not isinstance(x, keras.utils.PyDataset) else (x[i] for i in range(len(x))):
        batch = tuple(batch) if isinstance(batch, (tuple, list)) else (batch,)
        _check_numbers(*batch[:2])
        batches.append(keras.tree.map_structure(np.asarray, batch))
        count += len(keras.tree.flatten(batches[-1])[0])
        if count >= MOST_SAMPLES:
            break
    if not batches:
        raise ValueError(
            f"The {type(x).__name__} gives no batches (a generator can be used only once): give a new one, arrays or a tf.data.Dataset."
        )
    if len(batches[0]) < 2:
        raise ValueError("The dataset gives no (x, y): give one that yields batches of inputs and targets.")
    first = len(keras.tree.flatten(batches[0])[0])
    x, y, *weight = keras.tree.map_structure(lambda *parts: np.concatenate(parts), *batches)
    notes = [f"{count} samples were drawn from the dataset, in batches of {first}."]
    return x, y, weight[0] if weight else sample_weight, first, notes


def _check_numbers(*given):
    """ValueError if x and y, or arrays within them, are text, sparse or ragged. Lists of numbers are left to others."""
    for name, part in zip("xy", given, strict=False):
        within = part.values() if isinstance(part, dict) else part if isinstance(part, (list, tuple)) else (part,)
        for unread in (not_numbers(values) for values in within if hasattr(values, "shape")):
            if unread is not None:
                raise ValueError(f"{name} {unread[0]}, and diagnose takes arrays of numbers: {unread[1]}.")


def last_held_back(x, y, sample_weight, fraction):
    """(x, y, sample_weight, validation data): the last fraction of the samples is for validation, as in `fit`."""
    n = len(keras.tree.flatten(x)[0])
    at = math.floor(n * (1 - fraction))
    if not 0 < at < n:
        raise ValueError(f"validation_split={fraction!r} of {n} samples leaves one part empty.")
    given = x, y, sample_weight
    x, y, sample_weight = (_rows(part, slice(0, at)) for part in given)
    return x, y, sample_weight, tuple(_rows(part, slice(at, n)) for part in given[:2])


def known_targets(model, x, y, sample_weight, validation_data):
    """(x, y, sample_weight, validation data, notes, finding) without samples whose targets are missing.

    finding: a `Finding` if the loss of the built model does not leave them out itself, else None.
    """
    ignored = getattr(model.loss, "ignore_class", None)
    known = _known(y, ignored)
    if known is None or known.all() or known.sum() < FEWEST_TO_SPLIT:
        return x, y, sample_weight, validation_data, [], None
    notes, finding = [], None
    if ignored is not None:
        notes = [
            f"{np.mean(~known):.0%} of the samples are of class {ignored}, which the loss ignores, and are left out."
        ]
    elif np.isfinite(_loss_at(model, x, y, ~known)):
        lacking = f"{np.mean(~known):.0%} of the samples lack some"
        notes = [f"The loss leaves out missing targets. {lacking}: the trials leave out these samples."]
    else:
        text = f"{100 * np.mean(~known):.3g}% of the samples have targets that are NaN or infinite. {ONE_NAN}"
        words = (
            "Leave these samples out: known = np.isfinite(y).reshape(len(y), -1).all(axis=1), then x[known], y[known]."
        )
        finding = Finding("missing_values", text, words)
    if validation_data is not None:
        held_out = _known(validation_data[1], ignored)
        if held_out is not None and held_out.any():
            validation_data = tuple(_rows(part, held_out) for part in validation_data[:2])
    return *(_rows(part, known) for part in (x, y, sample_weight)), validation_data, notes, finding


def without_weight(y, sample_weight, class_weight):
    """A `Finding` if all samples, or all of a class, have a weight of 0; else None."""
    weights = [] if sample_weight is None else [np.asarray(part) for part in keras.tree.flatten(sample_weight)]
    if weights and not any(np.any(part) for part in weights):
        return Finding(
            "label_or_data_bug",
            "All sample weights are 0: no sample counts, and nothing is learned.",
            "Leave sample_weight out, or give the samples weights above 0.",
        )
    if not class_weight or y is None or keras.tree.is_nested(y) or weights:
        return None
    out = weights_of_classes(y, class_weight) == 0
    if not out.any():
        return None
    names = listed([repr(name) for name, weight in class_weight.items() if weight == 0])
    return Finding(
        "class_imbalance",
        f"class_weight gives {names} a weight of 0: {out.mean():.0%} of the samples do not count, and their class is not learned.",
        'Give each class a weight above 0: compute_class_weight("balanced", classes=np.unique(y), y=y), say.',
    )


def known_validation(x, validation_data):
    """(validation data, notes) without samples whose inputs are not numbers, where those of all training samples are."""
    if validation_data is None or not _known_inputs(x).all() or (known := _known_inputs(validation_data[0])).all():
        return validation_data, []
    note = (
        f"{np.mean(~known):.1%} of the validation samples have inputs that are NaN or infinite: the validation loss is NaN, "
        "training is not affected. They are left out here."
    )
    return tuple(_rows(part, known) for part in validation_data[:2]) if known.any() else None, [note]


def _known_inputs(x):
    parts = [known for part in keras.tree.flatten(x) if (known := _known(part, None)) is not None]
    return np.all(parts, axis=0) if parts else np.ones(1, bool)


def _known(y, ignored):
    """Whether all targets of each sample are numbers, and none the class that the loss ignores: (samples,) bool.

    None for what is not one array of numbers.
    """
    if y is None or keras.tree.is_nested(y) or not np.issubdtype(np.asarray(y).dtype, np.number):
        return None
    y = np.asarray(y)
    return (np.isfinite(y) & (ignored is None or y != ignored)).all(axis=tuple(range(1, y.ndim)))


def _loss_at(model, x, y, rows):
    """The loss of a built model on the first few of some samples; nan where it cannot be computed."""
    try:
        sample = sample_of(_rows(x, rows), _rows(y, rows), FEWEST_TO_SPLIT)
        return float(loss_of(model, None, sample))
    except Exception:  # of a layer or loss that is not Keras's, anything
        return np.nan


def _rows(part, rows):
    """Some rows of arrays, DataFrames or a structure of them; None stays None."""

    def taken(a):
        return a.iloc[rows] if hasattr(a, "iloc") else np.asarray(a)[rows]

    return None if part is None else keras.tree.map_structure(taken, part)
