"""The checkers of lesson 02: each takes an answer, returns a sentence if it passes, and raises `NotYet` if not."""

import numbers

import numpy as np

from ..experiments.experiment import Experiment
from ..experiments.models import steps_per_epoch
from ..experiments.training import train_seeds
from .exercises import SEEDS, _at_most, _changed, _experiment, _learned
from .teaching import NotYet

STEEPEST = 0.25  # the largest slope of the sigmoid, at 0


def ten_slopes(answer):
    """The largest factor that the slopes of ten sigmoids in a row can put on a gradient."""
    if isinstance(answer, bool) or not isinstance(answer, numbers.Real) or not np.isfinite(answer):
        raise NotYet(f"The answer is a number, not {answer!r}.")
    answer, right = float(answer), STEEPEST**10
    if not np.isclose(answer, right, rtol=0.05):
        slips = (
            (STEEPEST, "That is one of them. Each of the ten layers multiplies."),
            (STEEPEST * 10, "The slopes of layers in a row multiply; they do not add up."),
            (0.5**10, "0.5 is the value of the sigmoid at 0. Its slope there is s (1 - s)."),
            (STEEPEST**9, "That is nine of them."),
            (STEEPEST**11, "That is eleven of them; the output is not counted here."),
            (1.0, "The slope of the sigmoid is s (1 - s), which is never 1. Where is it largest?"),
        )
        for slip, words in slips:
            if np.isclose(answer, slip, rtol=0.05):
                raise NotYet(words)
        side = "too large" if answer > right else "too small"
        raise NotYet(f"{answer:g} is {side}. The slope is s (1 - s): find its largest value, then take ten in a row.")
    return f"{right:.1g}: no more than that is left of the gradient, before the weights have their say."


def small_xor(answer):
    """One hidden layer of at most 4 units that learns XOR in 90 % of the seeds within 500 steps."""
    _experiment(answer, problem="xor", depth=1)
    _at_most(answer.width, 4, "units")
    _at_most(_steps(answer), 500, "steps")
    return _learned(answer, 0.9)


def deep_with_sgd(answer):
    """Ten hidden layers that learn the moons by plain sgd in 90 % of the seeds within 500 steps."""
    _experiment(answer, problem="moons", depth=10, optimizer="sgd")
    _at_most(_steps(answer), 500, "steps")
    return _learned(answer, 0.9)


def deep_sigmoid(answer):
    """Five sigmoid layers that learn the moons in 80 % of the seeds within 1000 steps."""
    _experiment(answer, problem="moons", depth=5, activation="sigmoid")
    _at_most(_steps(answer), 1000, "steps")
    return _learned(answer, 0.8)


def _steps(experiment):
    return experiment.epochs * steps_per_epoch(experiment)


_WAVE = Experiment(problem="sine", scaling="standard", samples=100, depth=1, width=32, batch_size=None, epochs=300)
PATIENTS = {
    "A": Experiment(problem="moons", scaling="standard", depth=8, width=10, activation="sigmoid", optimizer="sgd",
                    learning_rate=0.1, batch_size=25),
    "B": _WAVE.replace(activation="relu", bias_initializer=-10.0),
    "C": _WAVE.replace(stretch=300.0, scaling="none"),
    "D": _WAVE.replace(output_activation="sigmoid"),
}  # fmt: skip
CAUSES = ("vanishing gradient", "dead units", "saturated units", "wrong output")


def name_the_causes(answer):
    """For each of `PATIENTS` its cause, and one change of a field that rescues it."""
    if not isinstance(answer, dict) or set(answer) != set(PATIENTS):
        raise NotYet(
            'The answer is a dictionary of all patients: {"A": ("dead units", patients["A"].replace(...)), "B": …}.'
        )
    return " ".join(_diagnosis(name, answer[name]) for name in PATIENTS)


def _diagnosis(name, given):
    patient = PATIENTS[name]
    if not isinstance(given, tuple) or len(given) != 2:
        raise NotYet(f'{name}: give a cause and its proof, such as ("dead units", patients["{name}"].replace(...)).')
    cause, proof = given
    if cause not in CAUSES:
        raise NotYet(f"{name}: the cause is one of {', '.join(CAUSES)}; you have {cause!r}.")
    true, evidence = _measured_cause(patient)
    if cause != true:
        raise NotYet(f"{name}: not {cause}. Look again: {evidence}.")
    _experiment(proof)
    changed = _changed(patient, proof)
    if len(changed) != 1:
        raise NotYet(f"{name}: a rescue changes one field; this one changes {', '.join(changed) or 'none'}.")
    if changed[0] in ("problem", "samples", "noise", "offset", "stretch", "seed"):
        raise NotYet(f"{name}: with another {changed[0]} this is another task. Change the network or its training.")
    try:
        words = _learned(proof, 0.8)
    except NotYet as reason:
        raise NotYet(f"{name}: {cause} it is, but {changed[0]}={getattr(proof, changed[0])!r}: {reason}") from reason
    return f"{name}: {cause} ({evidence}). {words}"


def _measured_cause(patient):
    """Which cause the first epoch of a patient shows, and by which number."""
    study = train_seeds(patient.replace(epochs=1), SEEDS)
    dead, saturated = study.dead[:, 0].mean(), study.saturated[:, 0].mean()
    first, last = np.median(study.gradient_norm[:, 0, 0]), np.median(study.gradient_norm[:, 0, -1])
    if dead > 0.5:
        return "dead units", f"{dead:.0%} of the units are dead after the first epoch"
    if saturated > 0.5:
        return "saturated units", f"{saturated:.0%} of the units are saturated after the first epoch"
    if first < 1e-3 * last:
        return "vanishing gradient", f"the first layer's gradient is {first / last:.0e} of the output layer's"
    return "wrong output", "gradients reach every layer and the units are alive, but what answers can the output give?"
