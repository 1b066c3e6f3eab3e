"""The exercises of lesson 02."""

import functools

import numpy as np

from ..experiments.experiment import Experiment
from ..experiments.training import train_seeds
from .checkers import Learns, NamesCauses, require_number
from .teaching import FEWEST_SEEDS

STEEPEST = 0.25  # the largest slope of the sigmoid, at 0

small_xor = Learns("small_xor", {"problem": "xor", "depth": 1}, {"width": 4, "steps": 500}, rate=0.9)
deep_with_sgd = Learns("deep_with_sgd", {"problem": "moons", "depth": 8, "optimizer": "sgd"}, {"steps": 500}, rate=0.9)
deep_sigmoid = Learns("deep_sigmoid", {"problem": "moons", "depth": 5, "activation": "sigmoid"}, {"steps": 1000})


def ten_slopes(answer):
    """The largest factor that the slopes of ten sigmoids in a row can put on a gradient."""
    right = STEEPEST**10
    slips = [
        (STEEPEST, "That is one of them. Each of the ten layers multiplies."),
        (STEEPEST * 10, "The slopes of layers in a row multiply; they do not add up."),
        (0.5**10, "0.5 is the value of the sigmoid at 0. Its slope there is s (1 - s)."),
        (STEEPEST**9, "That is nine of them."),
        (STEEPEST**11, "That is eleven of them; the output is not counted here."),
        (1.0, "The slope of the sigmoid is s (1 - s), which is never 1. Where is it largest?"),
    ]
    hint = "The slope is s (1 - s): find its largest value, then take ten in a row."
    require_number(answer, right, slips, hint, rtol=0.05)
    return f"{right:.1g}: the slopes leave no more than that of the gradient, and the weights multiply it again."


_WAVE = Experiment(problem="sine", scaling="standard", samples=50, depth=1, width=32, batch_size=None, epochs=300)
FAILING = {
    "A": Experiment(problem="moons", scaling="standard", depth=7, width=10, activation="sigmoid", optimizer="sgd",
                    learning_rate=0.1, batch_size=25, epochs=60),
    "B": _WAVE.replace(activation="relu", bias_initializer=-10.0),
    "C": _WAVE.replace(input_scale=300.0, scaling="none"),
    "D": _WAVE.replace(output_activation="sigmoid"),
}  # fmt: skip


@functools.lru_cache  # a wrong answer and its evidence ask for the same
def _measured_cause(failing):
    """Which cause the first epoch of a failing network shows, and by which number."""
    study = train_seeds(failing.replace(epochs=1), FEWEST_SEEDS)
    dead, saturated = study.dead[:, 0].mean(), study.saturated[:, 0].mean()
    first, last = np.median(study.gradient_norm[:, 0, 0]), np.median(study.gradient_norm[:, 0, -1])
    if dead > 0.5:
        return "dead units", f"After the first epoch {dead:.0%} of the units are dead. "
    if saturated > 0.5:
        return "saturated units", f"After the first epoch {saturated:.0%} of the units are saturated. "
    if first < 1e-3 * last:
        return "vanishing gradient", f"The gradient of the first layer is {first / last:.0e} of the output layer's. "
    return "wrong output", "Gradients reach every layer and the units are alive, but which values can the output take? "


def _is_another_cause(cause, failing, field, proof):
    true, evidence = _measured_cause(failing)
    return None if cause == true else f"Not {cause}. Look again: {evidence.strip()}"


name_the_causes = NamesCauses(
    "name_the_causes", FAILING, ("vanishing gradient", "dead units", "saturated units", "wrong output"),
    _is_another_cause, evidence=lambda failing: _measured_cause(failing)[1],
)  # fmt: skip
