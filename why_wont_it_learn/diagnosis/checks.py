"""What can be said before anything is trained: targets and inputs from which nothing can be learned."""

from dataclasses import replace

import keras
import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.preprocessing import TargetEncoder

from .data import MOST_CLASSES, skill_of_moved_targets
from .findings import Finding
from .symptoms import input_name, short, two_digits

COLUMNS_SEEN = 64
FAR_SHIFT = 3.0  # standard deviations between the means of training and validation inputs
OTHER_CLASSES = 0.5  # part of the validation samples that would have to be of another class
OUTSIDE = 0.5  # part of the validation samples beyond the range of the training samples
TOLD_APART = 0.95  # area under the ROC curve
ONE_CLASS = 0.8  # part of a batch that its most frequent class makes up, by the mean over the batches
LESS_MIXED = 0.2  # of that part, more than in shuffled batches
CLEARLY_MORE = 0.2  # of skill, for another reading of the inputs to be the right one
FEWEST_IDS, MOST_IDS = 10, 200  # different ones at least; in a sample at most: what has more is an image
FEWEST_TO_TELL = 20  # validation samples
MEMORISED = 0.8  # skill on the training samples
OFTEN = 5  # times that a training sample stands there
MOSTLY_NEW = 0.9  # part of the validation samples
MOST_COLOURS = 4
FEWEST_PIXELS = 4  # along an edge of a picture
SMOOTHER = 0.85  # times as rough
ALIKE = "Prepare both sets alike, with numbers computed from the training samples; or shuffle before the split."
CONSTANT_COLUMN = "A column that never varies becomes NaN when it is divided by its standard deviation of 0."


def data_faults(data):
    """Yield a `Finding` if there is nothing in the targets or the inputs, however they are trained on."""
    y, x = data.targets_2d[: data.points], data.inputs_2d[: data.points]
    known = np.isfinite(x)
    if not np.isfinite(data.targets_2d).all():
        bad = float((~np.isfinite(data.targets_2d)).any(axis=1).mean())
        yield Finding(
            "missing_values", f"{100 * bad:.3g}% of the targets are NaN or infinite.", "Leave these samples out."
        )
    elif len(y) == 1:
        text = (
            f"There is a single training sample, of shape {data.x.shape[1:]}: the first axis of x counts the samples."
        )
        yield Finding(
            "label_or_data_bug",
            text,
            "Find out where the other samples are lost; if you mean to memorise this one, judge by the loss alone.",
        )
    elif (y == y[0]).all():
        yield Finding(
            "label_or_data_bug", f"All {len(y)} targets are the same ({y[0, 0]:g}).", "Look where the targets get lost."
        )
    elif not known.all() and not (known & (x != _first_known(x))).any():
        yield Finding(
            "missing_values", f"No input varies, and {(~known).any(axis=0).mean():.0%} of them are not numbers.",
            f"Look where the inputs get lost. {CONSTANT_COLUMN}",
        )  # fmt: skip
    elif (x == x[0]).all():
        yield Finding("label_or_data_bug", "All samples have the same inputs.", "Look where the inputs get lost.")
    elif data.max_skill < 0.5:
        yield Finding(
            "label_or_data_bug",
            f"Samples with equal inputs have different targets: no prediction can reach a skill above {data.max_skill:.2f}.",
            "Look for labels that are wrong, or for what made different inputs equal.",
        )  # fmt: skip
        yield Finding(
            "nothing_to_learn", "Training cannot tell whether labels are wrong or these inputs do not determine them.",
            "If the labels are right, look for inputs that tell these samples apart.",
        )  # fmt: skip


def _first_known(x):
    """The first number of each column, or 0."""
    rows = np.isfinite(x).argmax(axis=0)
    return np.nan_to_num(x[rows, np.arange(x.shape[1])], posinf=0.0, neginf=0.0)


def unmixed_batches(y, batch_size, fix):
    """A `Finding` where samples that `fit` takes in their own order come in batches of hardly more than one class each; else None."""
    y = np.asarray(y)
    labels = y.argmax(-1) if y.ndim == 2 and y.shape[1] > 1 and np.isin(y, (0, 1)).all() else y.ravel()
    classes, counts = np.unique(labels, return_counts=True)
    starts = range(0, len(labels), batch_size)
    if len(labels) != len(y) or not 2 <= len(classes) <= min(MOST_CLASSES, len(starts) / 2):
        return None
    by_chance = np.sum((counts / len(labels)) ** batch_size)  # that a batch holds one class only
    in_order, shuffled = (_purity(part, batch_size) for part in (labels, np.random.default_rng(0).permutation(labels)))
    if in_order < ONE_CLASS or by_chance > 1 - ONE_CLASS or shuffled > in_order - LESS_MIXED:
        return None
    text = (
        f"In the first {len(starts)} batches the most frequent class makes up {in_order:.0%} of a batch (after shuffling, {shuffled:.0%}): "
        "each step makes the network forget the other classes."
    )
    return Finding("label_or_data_bug", text, fix)


def _purity(labels, batch_size):
    """The part of a batch that its most frequent class makes up, by the mean over the batches."""
    batches = [labels[at : at + batch_size] for at in range(0, len(labels), batch_size)]
    return float(np.mean([np.unique(batch, return_counts=True)[1].max() / len(batch) for batch in batches]))


def same_batches(x, batch_size):
    """A `Finding` where all batches of a dataset hold the same samples; else None."""
    parts = [np.asarray(part) for part in keras.tree.flatten(x)]
    starts = range(0, len(parts[0]) - batch_size + 1, batch_size)
    if len(starts) < 2 or any(
        not np.array_equal(part[at : at + batch_size], part[:batch_size]) for part in parts for at in starts
    ):
        return None
    return Finding(
        "label_or_data_bug",
        f"The first {len(starts)} batches of the dataset hold the same {batch_size} samples: nothing else is ever trained on.",
        "Let each batch take the next samples; a generator must not start again with each batch.",
    )


def repeated_samples(data):
    """A `Finding` where few different samples stand in the training set again and again, and others to judge by; else None."""
    x, others = data.inputs_2d[: data.points], np.unique(data.inputs_2d[data.points :], axis=0)
    different = np.unique(x, axis=0)
    new = len(np.unique(np.concatenate([different, others]), axis=0)) - len(different)
    if len(x) < OFTEN * len(different) or new < MOSTLY_NEW * max(1, len(others)):
        return None
    return Finding(
        "label_or_data_bug",
        f"Of {len(x):,} training samples only {len(different):,} are different: each occurs about {len(x) / len(different):.0f} "
        "times. The network learns these and never sees any others.",
        "Look where the samples are made: a generator that starts again with each batch, say, gives the same samples every time.",
    )


def unlike_validation(data):
    """`Finding`s where the validation samples are not like the training samples."""
    if not data.has_validation or not np.isfinite(data.inputs_2d).all():
        return []
    train, val = data.true_targets[: data.points], data.true_targets[data.points :]
    if data.with_classes and train.shape[1] > 1:
        missing = [k for k in range(train.shape[1]) if val[:, k].any() and not train[:, k].any()]
        if missing:
            text = f"Class {missing[0]} is among the validation samples ({val[:, missing[0]].mean():.0%}) and not among the training samples."
            return [Finding("label_or_data_bug", text, "Shuffle the samples before they are split.")]
        more = val.mean(axis=0) - train.mean(axis=0)
        if len(val) >= FEWEST_TO_TELL and np.abs(more).sum() / 2 > OTHER_CLASSES:
            k = int(more.argmax())
            text = f"Class {k} makes up {train[:, k].mean():.0%} of the training samples and {val[:, k].mean():.0%} of the validation samples."
            return [Finding("label_or_data_bug", text, "Shuffle the samples before they are split.")]
    x, x_val = data.inputs_2d[: data.points], data.inputs_2d[data.points :]
    shift = np.abs(x_val.mean(axis=0) - x.mean(axis=0)) / np.maximum(
        np.maximum(x.std(axis=0), x_val.std(axis=0)), 1e-12
    )
    outside = ((x_val < x.min(axis=0)) | (x_val > x.max(axis=0))).mean(axis=0)
    column = int(np.argmax(shift))
    if shift[column] > FAR_SHIFT or outside[column] > OUTSIDE:
        name, of_train, of_val = input_name(column, data.columns), x[:, column], x_val[:, column]
        text = (
            f"{name} has mean {short(of_train.mean())} and standard deviation {short(of_train.std())} in the training samples, "
            f"{short(of_val.mean())} and {short(of_val.std())} in the validation samples."
        )
        return [Finding("label_or_data_bug", text, ALIKE)]
    told = told_apart(data)
    if told > TOLD_APART:
        text = f"The inputs alone tell whether a sample is from the training or from the validation set (area under the ROC curve {told:.2f})."
        return [Finding("label_or_data_bug", text, ALIKE)]
    return []


def told_apart(data):
    """How well a tree ensemble tells training from validation samples that it has not seen: 0.5 if at random, 1 if always."""
    x, of_validation = data.few_columns, np.arange(len(data.x)) >= data.points
    if of_validation.sum() < FEWEST_TO_TELL:
        return 0.5
    trees = ExtraTreesClassifier(50, min_samples_leaf=3, class_weight="balanced", random_state=0)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    return float(np.mean(cross_val_score(trees, x, of_validation, scoring="roc_auc", cv=folds)))


def too_few_samples(data, train_skill):
    """Yield a `Finding` where a network has memorised fewer training samples than each has inputs, and nothing that holds for others."""
    inputs = data.inputs_2d.shape[1]
    if data.points < inputs and train_skill > MEMORISED:
        yield Finding(
            "overfitting",
            f"It has a skill of {two_digits(train_skill)} on the {data.points:,} training samples, and neither it nor a reference model is "
            f"better than the baseline on others: so few samples of {inputs:,} inputs can be memorised.",
            "Get more samples, or make them: small random shifts (RandomTranslation), say. Let the network share weights (convolution, "
            "pooling), and add dropout.",
        )


def unlearnable(data, x, y, skill, in_time):
    """The `Finding`s where reference models learn nothing from the data either.

    x, y: as they were given, in their order. skill: of the best reference model. in_time: () -> whether there is time left.
    """
    shift, moved = skill_of_moved_targets(x, y, data.task, in_time)
    if shift:
        how = "in reverse order" if shift > 2 else f"moved by {shift} row{'s' * (abs(shift) > 1)}"
        text = f"The inputs say nothing about their own targets, but with the targets {how} they do (a skill of "
        return [
            Finding("label_or_data_bug", f"{text}{moved:.2f}).", "Join inputs and targets again, row by row.", True)
        ]
    text = f"A linear model, a kernel model and a tree ensemble learn almost nothing from these data (a skill of {max(skill, 0):.2f})."
    found = [
        Finding(
            "label_or_data_bug", text, "Check that each target belongs to its row: print ten of them and look at them."
        ),
        Finding("nothing_to_learn", text, "Look for other inputs, unless you know how the target follows from these."),
    ]
    return found[::-1] if _look_like_noise(data) else found


def misread_ids(data, skill, in_time):
    """(findings, skill) where the inputs say far more if taken for the numbers of words or categories, not for measurements.

    skill: of the best reference model. in_time: () -> whether there is time left.
    """
    x = data.x
    if (
        data.tokens
        or not (x.ndim == 2 or x.shape[2:] == (1,))
        or x.shape[1] > MOST_IDS
        or not ((x == np.round(x)) & (x >= 0)).all()
        or len(np.unique(x)) < FEWEST_IDS
    ):
        return [], skill
    as_ids = _skill_of_each_position(data)
    if np.isnan(as_ids):
        as_ids = replace(data, tokens=True).reference_skill(in_time)
    if not as_ids > max(skill, 0) + CLEARLY_MORE:
        return [], skill
    text = (
        f"The inputs are whole numbers, {len(np.unique(x)):,} different ones. Reference models that treat them as measurements reach a skill "
        f"of {max(skill, 0):.2f}; those that treat them as IDs of words or categories, {as_ids:.2f}."
    )
    words = "Start with an Embedding, or encode the categories one-hot: the order of such numbers means nothing."
    return [Finding("label_or_data_bug", text, words, True)], as_ids


def _skill_of_each_position(data):
    """Where each position of a sample has a target: the skill of the mean that each number has in training; nan elsewhere."""
    x, n_validation = data.inputs_2d, len(data.x) - data.points
    if not n_validation or data.y.shape[:2] != x.shape:
        return np.nan
    numbers, split = x.reshape(-1, 1), data.points * x.shape[1]
    y = data.y.reshape(x.size, -1).astype(float)
    if hasattr(data, "parts") and y.shape[1] == 1:  # class numbers
        y = np.eye(int(y.max()) + 1)[y[:, 0].astype(int)]
    encoder = TargetEncoder(
        target_type="continuous", smooth=0.0
    )  # a number that training does not know has the mean of all
    means = np.hstack([encoder.fit(numbers[:split], column).transform(numbers[split:]) for column in y[:split].T])
    error, baseline = (((y[split:] - guess) ** 2).sum() for guess in (means, y[:split].mean(axis=0)))
    return float(1 - error / max(baseline, 1e-12))


def _look_like_noise(data):
    """Whether the targets look like noise about 0, as returns do, and the inputs not like something that was measured."""
    if data.task != "regression":
        return False
    x, y = data.inputs_2d[: data.points], data.targets_2d[: data.points, 0]
    z = (y - y.mean()) / max(y.std(), 1e-12)
    noise = abs(y.mean()) < 0.3 * y.std() and abs(np.mean(z**3)) < 0.7 and len(np.unique(y)) > len(y) / 2
    x = x[:, x.std(axis=0) > 0][:, :COLUMNS_SEEN]
    related = np.abs(np.corrcoef(x, rowvar=False) - np.eye(x.shape[1])).max() if x.shape[1] > 1 else 0.0
    steps = min((len(np.unique(column)) for column in x.T), default=0)
    return bool(noise and related < 0.7 and steps > 12)


def cut_anew(data):
    """Pictures as `data`, with the colours first cut out and then moved to the end, if they are smoother so; else None.

    That is what `reshape` leaves of pictures whose colours came first, where `transpose` was meant.
    """
    x = data.x
    if (
        x.ndim != 4
        or not 2 <= x.shape[3] <= MOST_COLOURS
        or min(x.shape[1:3]) < FEWEST_PIXELS
        or not np.isfinite(x).all()
    ):
        return None
    n, height, width, colours = x.shape
    again = x.reshape(n, colours, height, width).transpose(0, 2, 3, 1)
    if not _roughness(again) < SMOOTHER * _roughness(x):
        return None
    step = f"x = x.reshape(-1, {colours}, {height}, {width}).transpose(0, 2, 3, 1)"
    return replace(data, x=np.ascontiguousarray(again)).after(step)


def _roughness(pictures):
    """How far neighbouring pixels differ, summed over both directions."""
    return sum(np.abs(np.diff(pictures, axis=axis)).mean() for axis in (1, 2))


def misread_inputs(model, x):
    """A `Finding` where measurements go into an Embedding, which takes whole numbers below its `input_dim`; else none."""
    layers = getattr(model, "layers", [])
    first = next((layer for layer in layers if not isinstance(layer, keras.layers.InputLayer)), None)
    if not isinstance(first, keras.layers.Embedding) or not np.isfinite(x).all():
        return []
    whole, outside = float((x == np.round(x)).mean()), float(((x < 0) | (x >= first.input_dim)).mean())
    if whole == 1 and not outside:
        return []
    different = len(np.unique(np.clip(x.astype(int), 0, first.input_dim - 1)))
    text = f"{1 - whole:.0%} of the inputs are not whole numbers, and {outside:.0%} are outside 0 to {first.input_dim - 1}."
    return [
        Finding(
            "label_or_data_bug",
            f"The first layer is an Embedding, which takes the IDs of words or categories: it cuts off everything after the decimal point. {text} "
            f"{len(np.unique(x)):,} different values become {different}.",
            "Leave the Embedding out, so that the measurements go into the network as they are; or give it whole numbers.",
        )
    ]
