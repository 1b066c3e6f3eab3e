"""What training leaves behind: the `Record` of one model, the `SeedStudy` of many copies of it."""

import contextlib
from dataclasses import dataclass, field

import keras
import numpy as np
from scipy.stats import binomtest

from ..keras_private import takes_logits

PROBES = ("gradient_norm", "update_ratio", "dead", "saturated")
LEARNED = 0.95  # a skill from here on counts as learned; the one definition


@dataclass
class Record:
    """One training.

    history: {name: [one number for each epoch]}, as in `model.fit(...).history`.
    gradient_norm: (epochs, layers) L2 norm of the gradient of each layer's kernels.
    update_ratio: (epochs, layers) how far the kernels moved in an epoch, per step, in units of their own norm.
    dead: (epochs, hidden layers) fraction of units with no slope for any sample, 0 to 1.
    saturated: (epochs, hidden layers) fraction of units with hardly any slope for most samples, 0 to 1.
    layers, hidden_layers: their names.
    engine: "loop", or "model.fit" where the loop cannot hold the model; reason: then says why.

    What goes on in the layers is measured at the end of each epoch, on the first 1,024 training samples, without dropout.
    """

    history: dict
    gradient_norm: np.ndarray
    update_ratio: np.ndarray
    dead: np.ndarray
    saturated: np.ndarray
    layers: list
    hidden_layers: list
    engine: str = "loop"
    reason: str = ""

    @classmethod
    def of(cls, rows, columns, layers, hidden):
        """From the rows of a loop, (epochs, columns)."""
        history, probes = by_name(rows, columns)
        return cls({n: v.tolist() for n, v in history.items()}, **probes, layers=layers, hidden_layers=hidden)

    @classmethod
    def measured(cls, history, rows, probes, reason="", epochs=0):
        """Of a training by `model.fit`. rows: what `probes` gave at some epochs; epochs: how many rows arrays without columns have."""
        arrays = [np.stack([r[name] for r in rows]) if rows else np.zeros((epochs, 0), "float32") for name in PROBES]
        layers = [[layer.name for layer in part] for part in ((probes.layers, probes.hidden) if probes else ((), ()))]
        return cls(history, *arrays, *layers, "model.fit", reason)


def by_name(rows, columns):
    """(history, what was measured in the layers) of the rows of a loop, (…, columns), each {name: values}."""
    names = columns["history"]
    ends = np.cumsum([len(names), *(columns.get(name, 0) for name in PROBES)])
    history, *probes = np.split(rows, ends[:-1], axis=-1)
    return {n: history[..., i] for i, n in enumerate(names)}, dict(zip(PROBES, probes, strict=True))


@dataclass
class SeedStudy:
    """The same training from many seeds.

    seeds: (seeds,). loss, val_loss: (seeds, epochs); val_loss is None without validation data.
    skill: (seeds,) 1 − error / baseline, of the predictions after the last epoch for the validation data, or for the training
        data if there is none. 0: no better than a constant. 1: perfect. See `skill_of`.
    success_rate: fraction of the seeds that learned, which means a skill of at least 0.95.
    interval: (low, high) 95% Wilson interval of the success rate.
    verdict: the same in a sentence, or that there is no skill to judge by. engine, reason: as in `Record`.
    """

    seeds: np.ndarray
    loss: np.ndarray = field(repr=False)
    val_loss: np.ndarray | None = field(repr=False)
    skill: np.ndarray
    engine: str = "loop"
    reason: str = ""
    success_rate: float = field(init=False)
    interval: tuple = field(init=False)
    verdict: str = field(init=False)

    def __post_init__(self):
        learned, n = int(np.sum(self.skill >= LEARNED)), len(self.seeds)
        self.success_rate = learned / n
        self.interval = wilson(learned, n)
        low, high = self.interval
        seeds = "seed" if n == 1 else "seeds"
        self.verdict = f"Learned with {learned} of {n} {seeds} ({low:.0%} to {high:.0%} with 95% confidence)."
        if np.all(np.isnan(self.skill) & np.isfinite(self.loss[:, -1])):
            self.verdict = "These outputs and targets do not show whether it learned: give `fit_seeds` a `score`."


def wilson(successes, n):
    """The 95% Wilson interval of a rate: (low, high)."""
    low, high = binomtest(successes, n).proportion_ci(0.95, method="wilson")
    return float(low), float(high)


def skill_of(model, y, predictions):
    """1 − error / baseline of predictions for targets; for several outputs the mean over the outputs.

    Where the loss is a cross-entropy or a hinge loss the targets are classes: the error is the fraction of wrong classes, the
    baseline that of always predicting the most frequent class; a class that the loss ignores is left out. Elsewhere they are
    numbers: the error is the mean squared error, the baseline that of always predicting the mean of the targets, unit by unit.
    NaN where the targets are constant or not given, or outputs and targets are not the same number of numbers.

    predictions: one array for each output, in the order of `tf.nest.flatten`.
    """
    names = output_names(model) or range(len(predictions))
    targets, losses = (of_outputs(v, names, none, len(predictions)) for v, none in ((y, None), (model.loss, "")))
    if y is None or not len(targets) == len(predictions) == len(losses):
        return float("nan")
    rows = [row for row in zip(targets, predictions, losses, strict=True) if row[0] is not None]
    return float(np.mean([_skill(np.asarray(t), np.asarray(p, "float64"), loss) for t, p, loss in rows]))


def output_names(model):
    """The names of a model's outputs in the order of `tf.nest.flatten`; [] where it names none."""
    names = list(getattr(model, "output_names", None) or [])
    with contextlib.suppress(ValueError):  # Keras 3.3 knows no output of a Sequential model that was not called yet
        output = getattr(model, "output", None)
        names = sorted(output) if isinstance(output, dict) else names  # the layers may have other names
    return names


def of_outputs(values, names, default, count):
    """What a dict, a list or a single value says of each of `count` outputs of these names: a list."""
    if isinstance(values, dict):
        return [values.get(name, default) for name in names]
    return list(values) if isinstance(values, (list, tuple)) else [values] * count


def _skill(targets, predictions, loss):
    known = loss if loss in ("crossentropy", "ce") else keras.losses.get(loss)  # "bce" is a name of one, too
    function = getattr(known, "fn", known)  # the name of an object is free
    name = str(getattr(function, "__name__", None) or getattr(known, "name", known)).lower()
    hinge = name in ("hinge", "squared_hinge")  # of signs
    of_labels = hinge or name in ("categorical_hinge", "ce") or "crossentropy" in name
    one_each = hinge or "binary" in name  # each output is a label of its own
    of_classes = of_labels and predictions.ndim > 1 and predictions.shape[-1] > 1 and not one_each
    labels = of_classes and targets.size * predictions.shape[-1] == predictions.size
    if targets.size != predictions.size and not labels:
        return float("nan")  # only the loss knows what such outputs say of the targets
    if of_labels:
        if of_classes:
            one_hot = targets.shape == predictions.shape
            targets = targets.argmax(-1) if one_hot else targets.reshape(predictions.shape[:-1])
            wrong = (predictions.argmax(-1) != targets) | np.isnan(predictions).any(-1)
            ignored = getattr(known, "ignore_class", None)
            if ignored is not None:
                wrong, targets = wrong[targets != ignored], targets[targets != ignored]
        else:
            targets = targets.reshape(predictions.shape) > (0 if hinge else 0.5)
            wrong = ((predictions > (0 if hinge or takes_logits(loss) else 0.5)) != targets) | np.isnan(predictions)
        error, baseline = np.mean(wrong), 1 - max(np.mean(targets == k) for k in np.unique(targets))
    else:
        targets = targets.reshape(predictions.shape).astype("float64")
        with np.errstate(over="ignore", invalid="ignore"):  # a run that diverged
            error, baseline = np.mean((targets - predictions) ** 2), np.mean((targets - targets.mean(0)) ** 2)
    return 1 - error / baseline if baseline > 0 else float("nan")
