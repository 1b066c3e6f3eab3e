"""What checks a repaired program: the reader's own model and data are trained from 20 seeds.

Any repair passes that makes the program learn. One that does not is told what is wrong with it, and so is one that would learn
only because the validation data are no longer what they were.
"""

import contextlib
import copy
import io
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import keras
import numpy as np
from scipy.stats import spearmanr
from sklearn.neighbors import NearestNeighbors

from why_wont_it_learn import Watch, fit, fit_seeds
from why_wont_it_learn.diagnosis.network import first_line
from why_wont_it_learn.diagnosis.symptoms import two_digits
from why_wont_it_learn.engine.records import SeedStudy
from why_wont_it_learn.engine.training import fresh_copy
from why_wont_it_learn.keras_private import takes_logits

from . import broken_programs
from .teaching import NoAnswer, NotYet

REPAIR_SEEDS = 20
NEEDED = 16
CALLBACK_SEEDS = 5  # as with callbacks one copy is trained after the other
MOST_STEPS = 10  # times the steps of the printed program
SETTINGS = (
    "epochs", "batch_size", "shuffle", "class_weight", "sample_weight", "validation_split", "validation_data", "callbacks",
)  # fmt: skip
ON_BATCHES = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
SAME_ORDER = 0.9999  # rank correlation of targets that are the same up to rounding
GIVEN_AWAY = 0.99  # rank correlation of an input with the targets; the inputs themselves reach 0.9
FAR = 1.0  # between the means of training and validation inputs, in standard deviations


class FitCall(NamedTuple):
    """A compiled model, its data, and the arguments of `fit`."""

    model: keras.Model
    x: object
    y: np.ndarray
    x_val: object
    y_val: np.ndarray
    settings: dict


@dataclass(frozen=True, eq=False)
class Repair:
    """A broken program to repair; called with the reader's model and data it returns a sentence, or raises `NotYet`.

    program: the function of `broken_programs` that makes it as printed.
    told_by: what would have told it soonest: it takes this Repair and returns sentences with numbers measured now.
    hints: what to measure; what that shows; where to look.
    measure: what the skill is: "regression" (fraction of the variance that is explained), "classes" (fraction of the errors of
        the most frequent class that are avoided), "rare" (fraction found in each of two classes, averaged: 0 for one answer
        to all, 1 for perfect).
    learned: the skill on the validation data from which on it counts as learned; label noise sets how much is possible.
    """

    program: Callable
    told_by: Callable
    hints: tuple
    measure: str = "regression"
    learned: float = 0.9

    @property
    def __name__(self):
        return self.program.__name__

    @property
    def printed(self):
        """The program as printed, not trained."""
        return FitCall(*self.program())

    @cached_property
    def printed_study(self):
        """The `SeedStudy` of the program as printed."""
        return self._study(self.printed)

    def __call__(self, model, x, y, x_val, y_val, **settings):
        program = FitCall(model, x, y, x_val, y_val, {k: v for k, v in settings.items() if k != "verbose"})
        self._check_what_is_given(program)
        program = without_the_split(program)
        self._check_validation(program)
        with without_warnings():  # the reader's own `fit` has shown them
            return self._judged(program)

    def _judged(self, program):
        study = self._study(program)
        count, seeds = int(np.sum(study.skill >= self.learned)), len(study.seeds)
        needed = math.ceil(seeds * NEEDED / REPAIR_SEEDS)
        said = (
            f"Learns with {count} of {seeds} seeds (skill of at least {self.learned:g} on the validation data); "
            f"{needed} are needed."
        )
        if count >= needed:
            return said
        if self._is_as_printed(study):
            raise NoAnswer(f"This is the program as printed. {said}")
        raise NotYet(f"{said} {self._what_is_wrong(program, study)}")

    # --- what is refused without training ---

    def _check_what_is_given(self, program):
        model, printed = program.model, self.printed
        if not isinstance(model, keras.Model):
            raise NotYet(f"The first argument is a {type(model).__name__}; give the compiled keras.Model.")
        if not model.compiled:
            raise NotYet("The model is not compiled: call `model.compile(optimizer, loss)`.")
        unknown = sorted(set(program.settings) - set(SETTINGS))
        if unknown:
            raise NotYet(
                f"The settings contain {', '.join(unknown)}. The check trains with {', '.join(SETTINGS)} only."
            )
        for name, inputs, targets in (
            ("x and y", program.x, program.y),
            ("x_val and y_val", program.x_val, program.y_val),
        ):
            if len({len(np.asarray(a)) for a in [*keras.tree.flatten(inputs), targets]}) != 1:
                raise NotYet(f"{name} have different numbers of samples.")
        allowed, steps = MOST_STEPS * _steps(printed), _steps(program)
        if steps > allowed:
            raise NotYet(
                f"This takes {steps:,} training steps; at most {allowed:,} are allowed, ten times as many as printed."
            )

    def _check_validation(self, program):
        own = broken_programs.data(self.__name__)[3]
        labels = _labels(program.y_val)
        if len(labels) != len(own) or not (
            abs(_rank_correlation(labels, own)) > SAME_ORDER
            if self.measure == "regression"
            else _same_classes(labels, own)
        ):
            raise NotYet(
                f"y_val does not hold the validation targets of this exercise: give the same {len(own)} samples in the same order, "
                "scaled or encoded as you like."
            )
        x, x_val = _columns(program.x), _columns(program.x_val)
        if x.shape[1] != x_val.shape[1]:
            raise NotYet(f"x has {x.shape[1]} inputs and x_val has {x_val.shape[1]}.")
        for name, values in (("x", x), ("x_val", x_val)):
            if not np.isfinite(values).all():
                raise NotYet(
                    f"{name} contains NaN or infinite values: look at what you divide by, or take the logarithm of."
                )
        if taken := _samples_in_training(x, x_val):
            raise NotYet(
                f"{taken} of the {len(x_val)} validation samples are among the training samples: this measures memory."
            )
        told = _tells_regression if self.measure == "regression" else _tells_classes
        for number, column in enumerate(x_val.T):
            if told(column, own):
                raise NotYet(
                    f"Input {number + 1} of x_val gives the targets away; it would not be known when you predict."
                )

    # --- training ---

    def _study(self, program):
        program = without_the_split(program)
        own = broken_programs.data(self.__name__)[3]
        loss = program.model.loss

        def score(targets, predictions):
            if len(predictions) != 1:
                raise NotYet(f"The model has {len(predictions)} outputs; one is needed.")
            if not np.isfinite(predictions[0]).all():
                return -np.inf
            return SCORES[self.measure](own, np.asarray(targets), np.asarray(predictions[0], "float64"), loss)

        settings = dict(program.settings)
        callbacks = settings.pop("callbacks", None)
        settings["validation_data"] = program.x_val, program.y_val
        try:
            if callbacks:
                return _study_with_callbacks(program, score)
            # XLA would not be ready before so few steps are over.
            return fit_seeds(
                program.model, program.x, program.y, seeds=REPAIR_SEEDS, score=score, jit_compile=False, **settings
            )
        except NotYet:
            raise
        except Exception as error:  # whatever Keras says of the reader's program
            raise NotYet(f"Keras cannot train this: {first_line(error)}") from error

    def _is_as_printed(self, study):
        printed = self.printed_study
        return study.loss.shape == printed.loss.shape and all(
            np.allclose(a, b, 1e-3, 1e-6, equal_nan=True)
            for a, b in ((study.loss, printed.loss), (study.val_loss, printed.val_loss))
        )

    # --- what is wrong ---

    def _what_is_wrong(self, program, study):
        lost = int(np.sum(~np.isfinite(study.skill)))
        if lost > len(study.seeds) // 2:
            return f"The predictions are NaN or infinite with {lost} seeds: the training diverged, or the data contain NaN."
        watch, loss, inference, predictions = _watched(program)
        found = (
            _missing_classes(program) if self.measure != "regression" else None,
            *(f"{finding.evidence} {finding.fix}" for finding in watch.findings if finding.cause in BEFORE_TRAINING),
            _prepared_differently(program),
            _inference_gap(loss, inference),
            self._one_sided(program, predictions) if self.measure == "rare" else None,
            self._memorised(watch),
            *(f"{finding.evidence} {finding.fix}" for finding in watch.findings if finding.cause != "overfitting"),
            f"The median skill is {two_digits(np.median(study.skill))}, and the training loss ends at {np.median(study.loss[:, -1]):.3g}.",
        )
        return next(text for text in found if text)

    def _one_sided(self, program, predictions):
        if not np.isfinite(predictions).all():
            return None
        own = broken_programs.data(self.__name__)[3]
        zeros, ones = _found(own, np.asarray(program.y_val), predictions, program.model.loss)
        return f"One of these networks finds {zeros:.0%} of class 0 and {ones:.0%} of class 1: look at how much the errors of each class count."

    def _memorised(self, watch):
        if watch.train_skill >= self.learned and watch.train_skill > watch.val_skill + 0.1:
            return (
                f"It memorises: the skill is {two_digits(watch.train_skill)} on the training samples and {two_digits(watch.val_skill)} on the "
                "validation samples."
            )
        return None


# Causes that explain what else is seen.
BEFORE_TRAINING = (
    "missing_values",
    "loss_mismatch",
    "output_activation_mismatch",
    "frozen_weights",
    "label_or_data_bug",
)


def _steps(program):
    program = without_the_split(program)
    settings = {"epochs": 1} | program.settings
    return settings["epochs"] * math.ceil(len(program.y) / (settings.get("batch_size") or 32))


def without_the_split(program):
    """The program with only those samples that `validation_split` leaves for training."""
    settings = dict(program.settings)
    split = settings.pop("validation_split", 0.0)
    kept = math.floor(len(program.y) * (1 - split))  # rounded as `fit` does it
    x = keras.tree.map_structure(lambda a: a[:kept], program.x)
    if split:  # the others are for callbacks
        settings["validation_data"] = keras.tree.map_structure(lambda a: a[kept:], program.x), program.y[kept:]
    if settings.get("sample_weight") is not None:
        settings["sample_weight"] = settings["sample_weight"][:kept]
    return program._replace(x=x, y=program.y[:kept], settings=settings)


def _columns(x):
    """Inputs as (samples, inputs)."""
    return np.hstack([np.asarray(a, "float64").reshape(len(a), -1) for a in keras.tree.flatten(x)])


def _labels(y):
    """Targets as (samples,): the number of the class where each has a column."""
    y = np.asarray(y)
    y = y.reshape(len(y), -1)
    return y[:, 0] if y.shape[1] == 1 else y.argmax(axis=1)


def _rank_correlation(a, b):
    return float(spearmanr(a, b).statistic) if np.ptp(a) and np.ptp(b) else 0.0


def _same_classes(labels, own):
    return len(set(zip(labels, own, strict=True))) == len(set(labels)) == len(set(own))


def _samples_in_training(x, x_val):
    """How many validation samples are training samples, up to rounding."""
    scale = np.where(x_val.std(axis=0) > 0, x_val.std(axis=0), 1.0)
    x, x_val = x / scale, x_val / scale
    usual = np.median(NearestNeighbors(n_neighbors=2).fit(x_val).kneighbors(x_val)[0][:, 1])
    nearest = NearestNeighbors(n_neighbors=1).fit(x).kneighbors(x_val)[0][:, 0]
    return int(np.sum(nearest <= 1e-3 * usual))


def _tells_regression(column, own):
    return abs(_rank_correlation(column, own)) > GIVEN_AWAY


def _tells_classes(column, own):
    """Whether a threshold or an interval of the column picks out a class without any error."""
    order = np.argsort(column, kind="stable")
    return any(np.sum(np.diff((own == k)[order].astype(int)) != 0) <= 2 for k in np.unique(own))


# --- skill ---------------------------------------------------------------------------------------------------------------


def _regression_skill(own, targets, predictions, loss):
    targets = targets.reshape(len(targets), -1)
    if predictions.reshape(len(predictions), -1).shape != targets.shape:
        raise NotYet(
            f"The predictions have shape {predictions.shape}, the targets {targets.shape}: one number for each is needed."
        )
    with np.errstate(over="ignore", invalid="ignore"):
        return 1 - np.mean((targets - predictions.reshape(targets.shape)) ** 2) / np.var(targets)


def _predicted_classes(own, targets, predictions, loss):
    """The predicted classes, in the numbers of `own`."""
    labels, predictions = _labels(targets), predictions.reshape(len(predictions), -1)
    values = np.unique(labels)
    class_of = {value: own[labels == value][0] for value in values}
    if predictions.shape[1] > 1:
        return np.array([class_of.get(k, -1) for k in predictions.argmax(axis=1)])
    if len(values) == 2 and (takes_logits(loss) or "hinge" in _loss_name(loss)):
        nearest = values[(predictions[:, 0] > 0).astype(int)]
    else:
        nearest = values[np.abs(predictions - values).argmin(axis=1)]
    return np.array([class_of[value] for value in nearest])


def _loss_name(loss):
    return str(loss if isinstance(loss, str) else getattr(loss, "name", None) or getattr(loss, "__name__", "")).lower()


def _class_skill(own, targets, predictions, loss):
    predicted = _predicted_classes(own, targets, predictions, loss)
    return 1 - np.mean(predicted != own) / (1 - np.bincount(own).max() / len(own))


def _rare_skill(own, targets, predictions, loss):
    return sum(_found(own, targets, predictions, loss)) - 1


def _found(own, targets, predictions, loss):
    """The fraction found of each of two classes."""
    predicted = _predicted_classes(own, targets, predictions, loss)
    return [np.mean(predicted[own == k] == k) for k in (0, 1)]


SCORES = {"regression": _regression_skill, "classes": _class_skill, "rare": _rare_skill}


# --- training with callbacks ---------------------------------------------------------------------------------------------


def _study_with_callbacks(program, score):
    """A `SeedStudy` of `CALLBACK_SEEDS` seeds. A copy that stops early keeps its last loss."""
    losses, skill = [], []
    for seed in range(CALLBACK_SEEDS):
        with _trained(program, seed) as history:
            losses.append(history["loss"])
            predictions = keras.tree.flatten(program.model.predict(program.x_val, verbose=0))
        skill.append(score(program.y_val, predictions))
    epochs = max(map(len, losses))
    loss = np.array([[*values, *[values[-1]] * (epochs - len(values))] for values in losses])
    return SeedStudy(np.arange(CALLBACK_SEEDS), loss, None, np.array(skill))


@contextlib.contextmanager
def _trained(program, seed, watch=None):
    """While active, the model is a copy that has been trained with its callbacks; gives {name: [a number for each epoch]}."""
    model, settings = program.model, {"epochs": 1, "validation_data": (program.x_val, program.y_val)} | program.settings
    callbacks = [*_copies(settings.pop("callbacks", None)), *([watch] if watch else [])]
    first_rate = getattr(getattr(model, "history", None), "history", {}).get("learning_rate", [None])[0]
    with fresh_copy(model, seed):
        if first_rate is not None:  # the reader's callbacks may have lowered it since
            with contextlib.suppress(TypeError):  # where a schedule sets it
                model.optimizer.learning_rate = first_rate
        with contextlib.redirect_stdout(io.StringIO()):
            if any(map(_looks_at_batches, callbacks)):
                history = model.fit(program.x, program.y, callbacks=callbacks, verbose=0, **settings).history
            else:
                history = _fit_by_epochs(model, program.x, program.y, seed, callbacks, **settings)
        yield history


def _copies(callbacks):
    """Copies of the reader's callbacks, for one training; their model stays the reader's."""
    given = [callback for callback in keras.tree.flatten(callbacks or []) if not isinstance(callback, Watch)]
    return [copy.deepcopy(callback, {id(model): model for model in [callback.model]}) for callback in given]


def _looks_at_batches(callback):
    plain = keras.callbacks.Callback
    return any(getattr(getattr(callback, on), "__func__", None) is not getattr(plain, on) for on in ON_BATCHES)


def _fit_by_epochs(model, x, y, seed, callbacks, epochs, **settings):
    """As `model.fit` with callbacks that act between epochs, in a tenth of the time. Returns its history."""
    params = {"epochs": epochs, "steps": math.ceil(len(y) / (settings.get("batch_size") or 32)), "verbose": 0}
    told, history = keras.callbacks.CallbackList(callbacks, model=model, **params), {}
    model.stop_training = False
    told.on_train_begin()
    for epoch in range(epochs):
        told.on_epoch_begin(epoch)
        record = fit(model, x, y, seed=seed * epochs + epoch, probes=False, jit_compile=False, **settings)
        logs = {name: values[-1] for name, values in record.history.items()}
        told.on_epoch_end(epoch, logs)
        for name, value in logs.items():
            history.setdefault(name, []).append(value)
        if model.stop_training:
            break
    told.on_train_end()
    return history


@contextlib.contextmanager
def without_warnings():
    """Nothing is warned of, nor printed where warnings are: the filters are those of all threads, and another may reset them."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


# --- what is wrong -------------------------------------------------------------------------------------------------------


def _watched(program):
    """A training from fresh weights: (its `Watch`, its last loss, the loss of the same samples at inference, validation predictions)."""
    model, watch = program.model, Watch(program.x, program.y, validation_data=(program.x_val, program.y_val))
    with _trained(program, 0, watch) as history:
        inference = model.evaluate(program.x, program.y, verbose=0, return_dict=True)["loss"]
        predictions = model.predict(program.x_val, verbose=0)
    return watch, history["loss"][-1], inference, predictions


def _missing_classes(program):
    trained, held = set(_labels(program.y).tolist()), set(_labels(program.y_val).tolist())
    if held - trained:
        names = ", ".join(f"{k:g}" for k in sorted(held - trained))
        return f"No training sample has class {names}: look at the order of the samples and at what `validation_split` takes away."
    return None


def _prepared_differently(program):
    x, x_val = _columns(program.x), _columns(program.x_val)
    spread = np.maximum(x.std(axis=0), 1e-12)
    away = np.abs(x.mean(axis=0) - x_val.mean(axis=0)) / spread
    times = np.maximum(x_val.std(axis=0), 1e-12) / spread
    worst = int(np.argmax(np.maximum(away, np.abs(np.log(times)))))
    if away[worst] < FAR and 0.5 < times[worst] < 2:
        return None
    (a, b), (c, d) = ((part[:, worst].mean(), part[:, worst].std()) for part in (x, x_val))
    return (
        f"Input {worst + 1} has mean {a:.3g} and standard deviation {b:.3g} in the training data, {c:.3g} and {d:.3g} in the "
        "validation data: prepare both with numbers computed from the training data."
    )


def _inference_gap(loss, inference):
    if inference > 3 * loss + 1e-6:
        return (
            f"The same training samples have a loss of {loss:.3g} while training and of {inference:.3g} at inference: a layer works "
            "differently there, such as BatchNormalization, whose moving averages follow slowly."
        )
    return None
