"""The tests that can be ordered in the clinic: each looks at a patient and says what it found. A new test is a row of `TESTS`."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..experiments.problems import error_of, make_problem
from ..experiments.symptoms import linear_skill
from ..experiments.training import stream, train_seeds
from ..lab.plots import number, short_skill

TEST_SEEDS = range(1000, 1008)  # of the tests that train again


class Result(NamedTuple):
    """What a test shows: sentences, and names of plots of a run, in `plots.PICTURES`, or none."""

    text: str
    pictures: tuple = ()
    run: object = None


class Test(NamedTuple):
    """What can be ordered. cost: in credits. look: Patient -> Result."""

    label: str
    cost: int
    help: str
    look: Callable


def _spread(values):
    values = np.asarray(values, float)
    kept = values[np.isfinite(values)]
    lost = 1 - len(kept) / values.size
    if not len(kept):
        return "not a single number among them"
    words = f"mean {number(kept.mean())}, standard deviation {number(kept.std())}, from {number(kept.min())} to {number(kept.max())}"
    return words + (f"; {lost:.1%} are not numbers" if lost else "")


def learning_curve(patient):
    """What everybody sees of a patient at once: a `Result`."""
    run = patient.run
    problem = run.problem
    return Result(
        f"Epoch 1 to {len(run.loss)}: training loss {number(run.loss[0])} → {number(run.loss[-1])}, validation loss "
        f"{number(run.val_loss[0])} → {number(run.val_loss[-1])}. The baseline is {number(problem.loss_of_constant)}, the "
        f"{problem.reference_name} {number(problem.loss_of_truth)}.",
        ("loss",), run,
    )  # fmt: skip


def _predictions(patient):
    run = patient.run
    return Result(
        f"Predictions on the validation set: {_spread(run.predictions)}. Its targets: {_spread(run.problem.y_val)}. Skill {short_skill(run.skill)}.",
        ("fit",), run,
    )  # fmt: skip


def _data(patient):
    problem = patient.run.problem
    columns = list(problem.x.T)
    words = [f"Input {i + 1}: {_spread(column)}." for i, column in enumerate(columns[:4])]
    more = [f"And {len(columns) - 4} more inputs."] if len(columns) > 4 else []
    return Result(
        f"As the network gets them. {' '.join([*words, *more])} Targets: {_spread(problem.y)}. {len(problem.x)} samples."
    )


def _gradients(patient):
    run = patient.run
    norms = [", ".join(number(norm) for norm in run.gradient_norm[epoch]) for epoch in (0, -1)]
    return Result(
        f"Gradient norm by layer, first layer first. After epoch 1: {norms[0]}. At the end: {norms[1]}.",
        ("gradients",), run,
    )  # fmt: skip


def _units(patient):
    run = patient.run
    if not run.dead.shape[1]:
        return Result("There is no hidden layer.")
    words = []
    for name in ("dead", "saturated"):
        fractions = [", ".join(f"{one:.0%}" for one in getattr(run, name)[epoch]) for epoch in (0, -1)]
        words.append(
            f"{name.capitalize()} units by hidden layer after epoch 1: {fractions[0]}; at the end: {fractions[1]}."
        )
    return Result(" ".join(words), ("units",), run)


def _steps(patient):
    ratio = patient.run.update_ratio.max(axis=1)
    if not np.isfinite(ratio[0]):
        return Result("The weights are already NaN in the first epoch.")
    return Result(
        f"In the first epoch a step changed a layer's weights by {_percent(ratio[0])} of their norm, in the last one by "
        f"{_percent(ratio[-1])}. All {len(ratio)} epochs are in the learning curve."
    )


def _line(patient):
    problem = patient.run.problem
    if not np.isfinite(problem.x).all():
        return Result("No linear model can be fitted: some inputs are not numbers.")
    return Result(
        f"The best linear model has a skill of {short_skill(linear_skill(problem))}; the network has {short_skill(patient.run.skill)}."
    )


def _ten(patient):
    e = patient.experiment
    try:
        few = e.replace(samples=min(10, e.samples), epochs=min(5000, 5 * e.epochs), early_stopping=0)
        problem = make_problem(few)
    except ValueError:
        return Result("Of ten samples, too few are complete.")
    *_, run = stream(few, seconds=None, x_show=problem.x)
    words, error = "Ten samples only, five times as long:", error_of(problem.task, run.shown, problem.y)
    if not np.isfinite(run.shown).all():
        return Result(f"{words} the predictions are no longer numbers.")
    if problem.task == "regression":
        found = f"the remaining error is {error / problem.y.var():.1%} of their variance"
    else:
        found = f"{1 - error:.0%} of them are predicted correctly"
    return Result(f"{words} {found}. A sound network overfits ten samples.")


def _retrain(changes):
    def look(patient):
        e = patient.experiment
        changed = e.replace(**changes(e))
        study = train_seeds(changed, TEST_SEEDS, probes=False)
        lost = int((~np.isfinite(study.skill)).sum())
        words = f"Learned with {study.learned.sum()} of {len(study.seeds)} seeds, median skill {short_skill(np.median(study.skill))}"
        return Result(words + (f"; {lost} diverged." if lost else "."))

    return look


def _percent(fraction):
    if not np.isfinite(fraction):
        return number(fraction)
    return f"{fraction:.1%}" if fraction > 1e-3 else "less than 0.1%"


TESTS = {
    "predictions": Test("Predictions and targets", 1, "what the network predicts on the validation set, next to the targets", _predictions),
    "data": Test("Look at the data", 1, "mean, spread and range of inputs and targets", _data),
    "gradients": Test("Gradient by layer", 1, "at the start and at the end", _gradients),
    "units": Test("Dead and saturated units", 1, "the fraction in each hidden layer", _units),
    "steps": Test("Size of the steps", 1, "how much a step changes the weights", _steps),
    "line": Test("Linear model", 1, "what the simplest model reaches", _line),
    "ten": Test("Overfit ten samples", 2, "can it memorise a few samples?", _ten),
    "seeds": Test("Eight other seeds", 2, "bad luck, or always so?", _retrain(lambda e: {})),
    "longer": Test("Five times as long", 2, "more epochs, eight seeds", _retrain(lambda e: {"epochs": min(10_000, 5 * e.epochs)})),
    "faster": Test("Learning rate × 10", 2, "eight seeds", _retrain(lambda e: {"learning_rate": min(1000.0, 10 * e.learning_rate)})),
    "slower": Test("Learning rate ÷ 10", 2, "eight seeds", _retrain(lambda e: {"learning_rate": e.learning_rate / 10})),
}  # fmt: skip
