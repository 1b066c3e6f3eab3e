"""The checkers of lesson 05: each takes an answer, returns a sentence if it passes, and raises `NotYet` if not."""

import numpy as np

from ..experiments.experiment import Experiment
from ..experiments.models import build_model
from ..experiments.problems import make_problem
from ..experiments.training import train_seeds
from .exercises import SEEDS, _at_most, _changed, _experiment, _learned
from .teaching import NotYet

OVERFIT = Experiment(problem="half_wave", samples=20, noise=0.3, width=32, batch_size=None, epochs=1200, seed=24)
QUICK = OVERFIT.replace(learning_rate=0.05, epochs=250)  # for what is trained in many ways
SPARSE = Experiment(problem="sparse", depth=0, batch_size=None, epochs=3000)
PATIENT = QUICK.replace(samples=200, l2=0.3)
SMALL = 0.01  # a weight below counts as no weight
PENALTIES = ("l1", "l2", "dropout")


def ends(experiment):
    """The end of the training from 50 seeds, as a `SeedStudy` without curves: quick, for what is trained for long."""
    return train_seeds(experiment, SEEDS, jit_compile=True, probes=False)


def better(study, than):
    """The share of the seeds in which a study has more skill than another, from the same points and first weights."""
    return float((study.skill > than.skill).mean())


def off_the_truth(study):
    """The mean squared distance of each network from the true function, at 200 inputs that it has never met: (seeds,)."""
    problem, model = make_problem(study.experiment), build_model(study.experiment)
    raw = np.linspace(problem.raw_x_val.min(), problem.raw_x_val.max(), 200)[:, None]
    truth, x = problem.truth(raw), problem.scaled(raw)
    shapes = [variable.shape for variable in model.trainable_variables]
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])[:-1]
    distances = []
    for weights in study.weights:
        parts = np.split(weights, ends)
        model.set_weights([part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)])
        distances.append(np.mean((np.asarray(model(x)) - truth) ** 2))
    return np.array(distances)


def _only(answer, first, allowed):
    """NotYet unless the answer differs from `first`, and only in the fields that are allowed."""
    _experiment(answer)
    names = _changed(first, answer)
    if not names:
        raise NotYet(f"Nothing is changed yet. You may change {', '.join(allowed)}.")
    for name in names:
        if name not in allowed:
            raise NotYet(f"You have changed {name}. Here only {', '.join(allowed)} may change.")


def tune_the_strength(answer):
    """`OVERFIT` with L1, L2 or dropout that does better than without in 80 % of the seeds."""
    _only(answer, OVERFIT, PENALTIES)
    none, study = ends(OVERFIT), ends(answer)
    share = better(study, none)
    if share >= 0.8:
        return f"Better than without in {share:.0%} of the seeds; median skill {np.median(study.skill):.2f}."
    words = f"Better than without in {share:.0%} of the seeds; 80% are wanted."
    if np.median(study.skill) < 0.05:
        raise NotYet(f"{words} This network is no better than a constant: the strength is far too large.")
    below = float((study.loss[:, -1] < study.noise_floor).mean())
    if below > 0.5 and not answer.dropout:
        raise NotYet(f"{words} In {below:.0%} the training loss still ends below the noise floor: it is too weak.")
    raise NotYet(f"{words} The training loss no longer falls below the noise floor: try a weaker one.")


def learn_by_more_points(answer):
    """`QUICK`, no penalty, that learns in 90 % of the seeds from at most 400 points."""
    _only(answer, QUICK, ("samples",))
    _at_most(answer.samples, 400, "points")
    return _learned(answer, 0.9)


def find_the_three(answer):
    """`SPARSE` with at least 80 % of the idle weights below 0.01 and the three true ones above 0.5."""
    _only(answer, SPARSE, PENALTIES)
    size = np.abs(ends(answer).weights[:, :-1])  # the last one is the bias
    idle, true = float((size[:, 3:] < SMALL).mean()), float((size[:, :3] > 0.5).mean())
    found = f"{idle:.0%} of the idle weights are below {SMALL:g}, and {true:.0%} of the true ones above 0.5."
    if true < 0.95:
        raise NotYet(f"{found} The pull is so strong that it takes the true weights too.")
    if idle < 0.8:
        hint = "A pull by a share of the weight never ends near 0." if not answer.l1 else "Pull harder."
        raise NotYet(f"{found} At least 80% of the idle ones are wanted. {hint}")
    return found


def mend_the_patient(answer):
    """`PATIENT` with one changed field that learns in 90 % of the seeds."""
    _experiment(answer)
    names = _changed(PATIENT, answer)
    if len(names) != 1:
        raise NotYet(f"Change one field; you have changed {', '.join(names) or 'none'}.")
    if names[0] in ("problem", "noise", "seed"):
        raise NotYet(f"With another {names[0]} this is another task, so it says nothing about this one.")
    return _learned(answer, 0.9)
