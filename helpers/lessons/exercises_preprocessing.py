"""The checkers of lesson 04: each takes an answer, returns a sentence if it passes, and raises `NotYet` if not."""

import dataclasses
import math
import numbers

import numpy as np

from ..experiments.experiment import SETTINGS, Experiment
from ..experiments.models import build_model
from ..experiments.problems import make_problem
from .exercises import _at_most, _experiment, _learned
from .teaching import NotYet

PRICES = Experiment(problem="price", depth=1, optimizer="sgd", epochs=300, batch_size=None)
FAR = Experiment(problem="line", offset=100, depth=0, optimizer="sgd", batch_size=None)
GAPS = Experiment(
    problem="price", missing=0.2, missing_kind="the largest", target_scaling="standard", depth=1, epochs=300, batch_size=None
)  # fmt: skip
PATIENT = Experiment(problem="two_scales", offset=100, outliers=5, depth=1, width=32, epochs=400, batch_size=None)


def prices_with_sgd(answer):
    """A preparation with which plain sgd learns the prices."""
    _prepared(answer, PRICES)
    return _learned(answer, 0.9)


def where_is_the_edge(answer):
    """The largest learning rate with which gradient descent on all points converges for `FAR`."""
    if isinstance(answer, bool) or not isinstance(answer, numbers.Real):
        raise NotYet(f"The answer is a number, not {answer!r}.")
    if not math.isfinite(answer):
        raise NotYet(f"{answer} is not a finite number. Look at the inputs of your eigenvalues.")
    x = make_problem(FAR).x.astype(float)
    points = np.column_stack([x, np.ones(len(x))])
    low, high = np.linalg.eigvalsh(2 * points.T @ points / len(x))
    right = 2 / high
    if abs(answer / right - 1) < 0.02:
        return f"Yes: 2 / λmax = {right:.3g}. A rate beyond it diverges, however long you train."
    slips = {
        1 / high: "That is 1 / λmax, the rate that is best in the steepest direction. The edge is twice as far.",
        2 / low: "That is 2 divided by the smallest eigenvalue. The steepest direction is the first to diverge.",
        4 / high: "That is twice too far: the mean squared error has second derivatives 2/n · XᵀX; the 2 is missing.",
        right / len(x): "That is for the sum over the points. The loss is their mean.",
        high: "That is λmax itself. How long may a step be, then?",
        high / low: "That is the condition number. The edge needs the largest eigenvalue only.",
    }
    for slip, words in slips.items():
        if abs(answer / slip - 1) < 0.02:
            raise NotYet(words)
    side = "large" if answer > right else "small"
    raise NotYet(
        f"{answer:.3g} is too {side}. Take the eigenvalues of the Hessian 2/n · XᵀX, with a column of ones in X."
    )


def circle_with_six_numbers(answer):
    """At most 6 parameters that learn the circle."""
    _experiment(answer, problem="circle")
    _at_most(build_model(answer).count_params(), 6, "weights and biases")
    return _learned(answer, 0.8)


def the_largest_are_missing(answer):
    """A preparation for gaps that tell something."""
    _prepared(answer, GAPS)
    if answer.imputation == "none":
        raise NotYet("imputation='none' lets NaN into the network, and one NaN makes every weight NaN.")
    return _learned(answer, 0.8)


def spoiled_inputs(answer):
    """A preparation that survives two scales, an offset and outliers."""
    _prepared(answer, PATIENT)
    return _learned(answer, 0.8)


TRIALS = 50


def honest_accuracy(answer):
    """A function (x, y) -> accuracy that is right about noise and about a signal."""
    if not callable(answer):
        raise NotYet(f"The answer is a function honest(x, y), not {type(answer).__name__}.")
    on_noise = np.mean([_accuracy(answer, seed, shift=0) for seed in range(TRIALS)])
    if on_noise > 0.58:
        raise NotYet(
            f"On pure noise it promises {on_noise:.0%} on average; nobody can do better than 50 %. "
            "Something has seen the rows that it is tested on."
        )
    if on_noise < 0.4:
        raise NotYet(
            f"On pure noise it says {on_noise:.0%}, and guessing has 50 %. Does it return the share that is right?"
        )
    on_signal = np.mean([_accuracy(answer, seed, shift=2) for seed in range(TRIALS)])
    if on_signal < 0.75:
        raise NotYet(f"It is honest about noise, but finds only {on_signal:.0%} where five features tell the class.")
    return f"On noise {on_noise:.0%}, with something to find {on_signal:.0%}: you can bet on it."


def _accuracy(answer, seed, shift):
    """What an answer says of 60 rows of 1000 features, the first five of which are moved by `shift` for class 1."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(60, 1000)), rng.permutation(np.arange(60) % 2)
    x[y == 1, :5] += shift
    said = answer(x, y)
    if isinstance(said, bool) or not isinstance(said, numbers.Real) or not 0 <= said <= 1:
        raise NotYet(f"The function returns one accuracy from 0 to 1, not {said!r}.")
    return float(said)


def _prepared(answer, patient):
    """NotYet unless the answer is `patient` with nothing changed but its preparation."""
    _experiment(answer)
    for item in dataclasses.fields(Experiment):
        given, had = getattr(answer, item.name), getattr(patient, item.name)
        if SETTINGS[item.name].group != "Preparation" and given != had:
            raise NotYet(f"Only the preparation may change; you have {item.name}={given!r} instead of {had!r}.")
