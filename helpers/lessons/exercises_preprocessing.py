"""The exercises of lesson 04."""

import numbers

import numpy as np

from ..experiments.experiment import Experiment
from .checkers import PREPARATION, Learns, edge_of_stability, edge_slips, require_number
from .teaching import NotYet

PRICES = Experiment(problem="price", depth=1, optimizer="sgd", epochs=300, batch_size=None)
FAR = Experiment(problem="line", input_offset=100, depth=0, optimizer="sgd", batch_size=None)
GAPS = Experiment(
    problem="price", missing=0.2, missing_kind="largest", target_scaling="standard", depth=1, epochs=300, batch_size=None
)  # fmt: skip
FAILING = Experiment(problem="two_scales", input_offset=100, outliers=5, depth=1, width=32, epochs=400, batch_size=None)


def _lets_nan_in(answer):
    wrong = "imputation='none' lets NaN into the network, and one NaN makes every weight NaN."
    return wrong if answer.imputation == "none" else None


prices_with_sgd = Learns("prices_with_sgd", start=PRICES, may_change=PREPARATION, rate=0.9)
circle_with_six_numbers = Learns("circle_with_six_numbers", {"problem": "circle"}, {"parameters": 6})
the_largest_are_missing = Learns("the_largest_are_missing", start=GAPS, may_change=PREPARATION, rule=_lets_nan_in)
corrupted_inputs = Learns("corrupted_inputs", start=FAILING, may_change=PREPARATION)


def where_is_the_edge(answer):
    """The largest learning rate with which gradient descent on all samples converges for `FAR`."""
    edge = edge_of_stability(FAR)
    hint = "Take the eigenvalues of the Hessian 2/n · XᵀX, with a column of ones in X."
    require_number(answer, edge, edge_slips(FAR), hint)
    return f"Yes: 2 / λmax = {edge:.3g}. A higher learning rate diverges, however long you train."


TRIALS = 50


def honest_accuracy(answer):
    """A function (x, y) -> accuracy that is right about noise and about a signal."""
    if not callable(answer):
        raise NotYet(f"The answer is a function honest(x, y), not {type(answer).__name__}.")
    on_noise = np.mean([_accuracy(answer, seed, shift=0) for seed in range(TRIALS)])
    if on_noise > 0.58:
        raise NotYet(
            f"On pure noise it promises {on_noise:.0%} on average; nobody can do better than 50%. "
            "Something has seen the samples that it is tested on."
        )
    if on_noise < 0.4:
        raise NotYet(
            f"On pure noise it says {on_noise:.0%}, and guessing gives 50%. Does it return the fraction that is right?"
        )
    on_signal = np.mean([_accuracy(answer, seed, shift=2) for seed in range(TRIALS)])
    if on_signal < 0.75:
        raise NotYet(
            f"It is honest about noise, but it is right for only {on_signal:.0%} where five features tell the classes apart."
        )
    return f"On noise {on_noise:.0%}, with something to find {on_signal:.0%}: you can bet on it."


def _accuracy(answer, seed, shift):
    """What an answer says of 60 samples of 1000 features, the first five of which are moved by `shift` for class 1."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(60, 1000)), rng.permutation(np.arange(60) % 2)
    x[y == 1, :5] += shift
    accuracy = answer(x, y)
    if isinstance(accuracy, bool) or not isinstance(accuracy, numbers.Real) or not 0 <= accuracy <= 1:
        raise NotYet(f"The function returns one accuracy from 0 to 1, not {accuracy!r}.")
    return float(accuracy)
