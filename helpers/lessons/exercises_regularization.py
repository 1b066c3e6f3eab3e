"""The exercises of lesson 05, and what its measurements share with them."""

import numpy as np

from ..experiments.experiment import Experiment
from ..experiments.models import build_model, weight_shapes
from ..experiments.problems import make_problem
from ..experiments.training import split_weights, train_seeds
from .checkers import Learns, require_experiment, require_only
from .figures import COUNTS_AS_0
from .teaching import FEWEST_SEEDS, NotYet

OVERFIT = Experiment(
    problem="half_wave", samples=15, noise=0.5, width=32, batch_size=None, learning_rate=0.03, epochs=300, seed=45
)
SPARSE = Experiment(problem="sparse", depth=0, batch_size=None, epochs=1000)
FAILING = OVERFIT.replace(samples=100, noise=0.1, l2=0.3)
PENALTIES = ("l1", "l2", "dropout")


def win_rate(study, than):
    """The fraction of the seeds with which a study has more skill than another, with the same samples and initial weights."""
    return float((study.skill > than.skill).mean())


def error_to_truth(study):
    """The mean squared distance of each network from the true function, at 200 inputs that it was not trained on: (seeds,)."""
    problem, model = make_problem(study.experiment), build_model(study.experiment)
    raw = np.linspace(problem.raw_x_val.min(), problem.raw_x_val.max(), 200)[:, None]
    truth, x = problem.truth(raw), problem.scaled(raw)
    shapes = weight_shapes(study.experiment)
    distances = []
    for weights in study.weights:
        model.set_weights(split_weights(weights, shapes))
        distances.append(np.mean((np.asarray(model(x)) - truth) ** 2))
    return np.array(distances)


learn_by_more_samples = Learns(
    "learn_by_more_samples", at_most={"samples": 600}, start=OVERFIT, may_change=("samples",), rate=0.9
)
fix_the_failing_network = Learns(
    "fix_the_failing_network", start=FAILING, n_changes=1, rate=0.9, task=("problem", "noise", "seed")
)


def tune_the_strength(answer):
    """`OVERFIT` with L1, L2 or dropout that does better than without for 80% of the seeds."""
    require_experiment(answer)
    require_only(answer, OVERFIT, PENALTIES)
    none, study = (train_seeds(one, FEWEST_SEEDS, probes=False) for one in (OVERFIT, answer))
    wins = win_rate(study, none)
    words = f"Better than no regularizer with {wins:.0%} of the seeds"
    if wins >= 0.8:
        return f"{words}; median skill {np.median(study.skill):.2f}."
    if np.median(study.skill) < 0.05:
        raise NotYet(
            f"{words}; 80% are wanted. This network is no better than the baseline: the penalty is far too strong."
        )
    below = float((study.loss[:, -1] < study.noise_floor).mean())
    if below > 0.5 and not answer.dropout:
        raise NotYet(
            f"{words}; 80% are wanted. With {below:.0%} the training loss still ends below the noise floor: the penalty is too weak."
        )
    raise NotYet(
        f"{words}; 80% are wanted. The training loss no longer falls below the noise floor: try a weaker penalty."
    )


def find_the_three(answer):
    """`SPARSE` with at least 80% of the weights of irrelevant inputs below 0.01 and the three true ones above 0.5."""
    require_experiment(answer)
    require_only(answer, SPARSE, PENALTIES)
    study = train_seeds(answer, FEWEST_SEEDS, probes=False)
    size = np.abs(study.weights[:, :-1])  # the last one is the bias
    irrelevant, true = float((size[:, 3:] < COUNTS_AS_0).mean()), float((size[:, :3] > 0.5).mean())
    found = f"{irrelevant:.0%} of the irrelevant weights are below {COUNTS_AS_0:g}, and {true:.0%} of the true ones above 0.5."
    if true < 0.95:
        raise NotYet(f"{found} The penalty is so strong that it shrinks the true weights too.")
    if irrelevant < 0.8:
        hint = (
            "A penalty that shrinks by a fraction of the weight never reaches 0."
            if not answer.l1
            else "Try a stronger one."
        )
        raise NotYet(f"{found} At least 80% of the irrelevant ones are wanted. {hint}")
    return found
