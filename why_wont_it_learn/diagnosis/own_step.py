"""Models with a training step of their own: only `model.fit` can train them, so a few changes are tried, from few seeds."""

import keras
import numpy as np
import tensorflow as tf

from ..engine.training import fresh_copy
from .data import WORST
from .findings import Finding
from .joined import Joined
from .network import first_line, own_step
from .symptoms import OFF_SCALE, Scale, two_digits
from .trial_runner import TrialResult
from .untrained_weights import gradients_of, untracked_variables

FIT_SEEDS = range(2)  # each is a training of its own
LONGER = 5


class _Stop(keras.callbacks.Callback):
    """Ends a training when there is no time left. steps: how many it has taken."""

    def __init__(self, in_time):
        super().__init__()
        self.in_time, self.steps = in_time, 0

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        if not self.in_time():
            self.model.stop_training = True


def as_given(rows, like):
    """Rows of numbers (samples, numbers) in the structure, the shapes and the types of what `fit` was given."""
    parts = [np.asarray(part) for part in keras.tree.flatten(like)]
    widths = [int(np.prod(part.shape[1:])) for part in parts]
    columns = np.split(rows, np.cumsum(widths)[:-1], axis=1)
    shaped = [c.reshape(-1, *part.shape[1:]).astype(part.dtype) for c, part in zip(columns, parts, strict=True)]
    return keras.tree.pack_sequence_as(like, shaped)


def trained_by_fit(model, variant, given, flat, in_time):
    """The `TrialResult` of a variant; its `error` says why there is none.

    given: (x, y) of several arrays, in whose form `fit` is to get its data; None for one array each. flat: whether `fit` is given the
    targets as (samples,), though `variant.data` has them as (samples, 1). in_time: whether there is time left.
    """
    data, answers = variant.data, {}
    x, y = data.inputs, data.y[:, 0] if flat else data.y
    if given:
        x, y = as_given(x, given[0]), as_given(y, given[1])
    train_x, train_y = (keras.tree.map_structure(lambda part: part[: data.points], part) for part in (x, y))
    epoch = variant.program.steps(data.points)
    epochs = round(
        variant.epochs * variant.program.steps(max(data.given, data.points)) / epoch
    )  # few samples, as many steps
    planned = epochs * epoch
    for seed in FIT_SEEDS:
        stop = _Stop(in_time)
        try:
            with fresh_copy(model, seed):
                if variant.rate != 1:
                    model.optimizer.learning_rate = variant.rate * float(model.optimizer.learning_rate)
                batch_size = variant.program.batch_size
                model.fit(train_x, train_y, epochs=epochs, batch_size=batch_size, callbacks=[stop], verbose=0)
                predictions = model.predict(x, verbose=0)
        except Exception as error:  # whatever its own training step raises
            return TrialResult(variant, error=first_line(error))
        predictions = [np.reshape(part, (len(data.x), -1)) for part in keras.tree.flatten(predictions)]
        if not given and (len(predictions) > 1 or predictions[0].shape[1] not in (1, data.true_targets.shape[1])):
            return TrialResult(variant, error="Only its training step knows how its outputs relate to the targets.")
        if not answers or stop.steps >= planned:  # one that was cut short counts only if there is no other
            answers[seed], steps = np.concatenate(predictions, axis=1), stop.steps
        if not in_time():
            break
    train, held = np.array([data.skill(answer, None) for answer in answers.values()]).T[:, None]
    return TrialResult(variant, train, held, np.zeros_like(train), steps, planned, np.array(list(answers.values())))


def changes_by_fit(variant, flat):
    """(cause, evidence, words, variant, flat) of what is tried on a model that only `fit` can train, the likeliest first."""
    data = variant.data
    if flat:
        yield (
            "loss_mismatch",
            "The targets have the shape (n,) and the predictions (n, 1): where the training step subtracts one from the other, it "
            "compares every prediction with all n targets, and the best prediction for all of them is their mean.",
            "Give the targets the shape of the predictions: y = y.reshape(-1, 1).",
            variant.having(data=data.after("y = y.reshape(-1, 1)")), False,
        )  # fmt: skip
    for what, are_numbers, values, scaled in (
        ("inputs", not data.tokens, data.inputs_2d, data.x_scaled),
        ("targets", data.task == "regression", data.targets_2d, data.y_scaled),
    ):
        values = values[: data.points]
        if are_numbers and Scale.of(values).away > OFF_SCALE:
            yield (
                f"unscaled_{what}", f"The {what} go from {values.min():.3g} to {values.max():.3g}.",
                f"Scale the {what} to mean 0 and standard deviation 1 (StandardScaler).", variant.having(data=scaled()), flat,
            )  # fmt: skip
    rate = variant.learning_rate
    one_rate = isinstance(variant.program.optimizer["config"]["learning_rate"], (int, float))  # else a schedule
    for cause, times in (("learning_rate_too_high", 0.1), ("learning_rate_too_low", 10.0)) if one_rate else ():
        words = f"Use a learning rate of {times * rate:.3g}."
        yield cause, f"The learning rate is {rate:.3g}.", words, variant.having(rate=times), flat
    epochs = variant.epochs
    yield (
        "too_few_epochs", f"It is trained for {epochs} epochs.", f"Train for {LONGER * epochs} epochs.",
        variant.having(longer=LONGER), flat,
    )  # fmt: skip


def by_fit(exam, reason):
    """Yield what is found in a model that only `fit` can train. exam: the `Examination`. reason: why only `fit` can."""
    variant, given, search = exam.variant, exam.given if isinstance(exam.model, Joined) else None, exam.search
    flat = not given and np.ndim(exam.given[1]) == 1 and variant.data.y.ndim == 2
    outcome = trained_by_fit(exam.inner, variant, given, flat, lambda: search.runner.left > 0.4 * search.budget)
    if outcome.error:
        told = f"Copies of this model cannot be trained side by side, so nothing was tried: {reason} {outcome.error}"
        exam.notes.append(told)
        exam.measured, exam.skill = False, np.nan
        return
    exam.notes.append(
        f"Only `fit` can train this model, because {reason} So only a few changes were tried, from one or two seeds."
    )
    exam.measured = outcome.steps >= outcome.planned
    exam.attainable_skill, exam.skill = exam.attainable(variant.data), exam.judge.skill(outcome)
    if exam.judge.is_well(outcome) or not exam.measured:
        exam.healthy = exam.judge.is_well(outcome)
        return
    works = []
    for cause, text, words, fixed, still_flat in changes_by_fit(variant, flat):
        search.doing = words
        if not search.in_time:
            search.out_of_time = True
            break
        after = trained_by_fit(exam.inner, fixed, given, still_flat, lambda: search.in_time)
        if not after.error:
            finding = exam.compare(cause, text, words, outcome, after, fixed)
            works += [finding] * finding.verified
            if finding.verified and exam.judge.is_well(after):
                break
    yield from sorted(works, key=lambda finding: -finding.after)
    if not works and not own_step(exam.inner):
        yield from untracked_variables(exam.inner)
    elif not works:
        text = (
            f"Its own training step decides what is minimized, and after {outcome.planned} steps the predictions have a skill of "
            f"{two_digits(max(exam.skill, WORST))}; {exam.attainable_skill:.2f} can be learned. Nothing that was tried lifts it."
        )
        fix = "Print what the training step computes as its loss for predictions that equal the targets: it must be smallest there."
        yield Finding("loss_mismatch", text, fix)


def can_step(variant):
    """Whether Keras itself can take a training step of a variant."""
    program, data = variant.program, variant.data
    rows = slice(0, min(program.batch_size, data.points))
    try:
        model = program.compiled()
        values = [tf.identity(v.value) for v in model.trainable_variables]
        gradients_of(model, values, (tf.constant(data.inputs[rows]), tf.constant(data.y[rows]), ()), training=True)
    except Exception:  # of layers or a loss that are not Keras's, anything
        return False
    return True
