"""The checkers of lesson 03: each takes an answer, returns a sentence if it passes, and raises `NotYet` if not."""

import numbers

import numpy as np

from ..experiments.experiment import Experiment
from ..experiments.models import all_steps
from ..experiments.problems import make_problem
from ..experiments.training import train_seeds
from .exercises import SEEDS, _at_most, _changed, _experiment, _learned
from .teaching import NotYet

SHORT_LINE = Experiment(
    problem="line", stretch=0.3, depth=0, optimizer="sgd", batch_size=None, learning_rate=0.001, epochs=1500
)


def _edges(experiment, bias=True):
    """2 / curvature in each direction of the mean squared error of a linear unit, the largest first."""
    x = make_problem(experiment).x.astype(float)
    columns = np.column_stack([x, np.ones(len(x))]) if bias else x
    return 2 / np.linalg.eigvalsh(2 / len(x) * columns.T @ columns)


def find_the_edge(answer):
    """The learning rate where plain gradient descent on `SHORT_LINE` ends to converge, to two digits."""
    if isinstance(answer, bool) or not isinstance(answer, numbers.Real) or not np.isfinite(answer):
        raise NotYet(f"The answer is a number, not {answer!r}.")
    answer = float(answer)
    edge = float(_edges(SHORT_LINE).min())
    if not np.isclose(answer, edge, rtol=0.02):
        slips = (
            (edge / 2, "That is 1 / h. A step may be twice as long before it lands farther away than it started."),
            (edge * 2, "A factor 2 is missing: the mean squared error has no 1/2, so its Hessian is 2/n times the products."),
            (edge * len(make_problem(SHORT_LINE).x), "The sum of the products is to be divided by the number of points."),
            (edge / len(make_problem(SHORT_LINE).x), "The sum of the products is to be divided by the number of points."),
            (float(_edges(SHORT_LINE).max()), "That is for the flattest direction. The steepest one breaks first."),
            (float(_edges(SHORT_LINE, bias=False)[0]), "The bias is a weight, too: give it an input that is always 1."),
            (float(_edges(SHORT_LINE.replace(stretch=1.0)).min()), "That is the edge of the line as it was. Here x goes from 0 to 3 only."),
            (float(_edges(SHORT_LINE.replace(scaling="standard")).min()), "That is the edge for standardised inputs. Here they are as they are."),
            (1 / edge * 2, "That is the curvature. The edge is 2 / h."),
        )  # fmt: skip
        for slip, words in slips:
            if np.isclose(answer, slip, rtol=0.005):
                raise NotYet(words)
        where = "above the edge" if answer > edge else "below the edge"
        raise NotYet(f"{answer:g} is {where}. It is 2 / h, h being the largest eigenvalue of the Hessian.")
    below, above = (train_seeds(SHORT_LINE.replace(learning_rate=share * edge), SEEDS) for share in (0.99, 1.01))
    diverged = int((~(above.loss[:, -1] < above.loss[:, 0])).sum())
    return f"{edge:.2g}. One percent below it {below.learned.sum()} of {SEEDS} seeds learn, one percent above it {diverged} diverge."


def wave_with_sgd(answer):
    """Plain sgd that learns the wave in 80 % of the seeds, within 300 epochs."""
    _experiment(answer, problem="sine", optimizer="sgd")
    _at_most(answer.epochs, 300, "epochs")
    return _learned(answer, 0.8)


def price_with_adam(answer):
    """adam that learns the prices in 90 % of the seeds, within 200 epochs, at a rate of at most 0.1."""
    _experiment(answer, problem="price", optimizer="adam")
    _at_most(answer.epochs, 200, "epochs")
    if answer.learning_rate > 0.1:
        raise NotYet(f"learning_rate={answer.learning_rate:g} is more than 0.1.")
    if answer.target_scaling == "none":
        reach = answer.learning_rate * all_steps(answer)
        if reach < 100_000:
            raise NotYet(
                f"{all_steps(answer)} steps of {answer.learning_rate:g} carry a weight about {reach:g} far, and the targets are "
                "about 200 000. Bring the targets to the network."
            )
    return _learned(answer, 0.9)


def wave_in_100_steps(answer):
    """A setting that learns the wave in 80 % of the seeds with at most 100 steps."""
    _experiment(answer, problem="sine")
    _at_most(all_steps(answer), 100, "steps (epochs times batches in each)")
    return _learned(answer, 0.8)


def sgd_beats_adam(answer):
    """A setting that sgd learns in 90 % of the seeds, and adam with all else equal in less than 10 %."""
    _experiment(answer, optimizer="sgd")
    words = _learned(answer, 0.9)
    other = train_seeds(answer.replace(optimizer="adam"), SEEDS)
    if other.success_rate >= 0.1:
        raise NotYet(
            f"`sgd`: {words} But `adam` at the same rate: {other.verdict} Less than 10% were wanted. "
            "Where does a step of one rate not carry far enough, and one in proportion to the gradient does?"
        )
    return f"`sgd`: {words} `adam`: {other.verdict}"


_WAVE = Experiment(problem="sine", scaling="standard", samples=100, depth=1, batch_size=None, epochs=300)
PATIENTS = {
    "A": _WAVE.replace(learning_rate=3.0),
    "B": _WAVE.replace(learning_rate=0.0003),
    "C": Experiment(problem="line", offset=2000, depth=0, batch_size=None, epochs=300, learning_rate=0.1),
}
CAUSES = ("too high", "too low", "neither")


def name_the_causes(answer):
    """For each of `PATIENTS` what is wrong with its rate, proved by one change that rescues it."""
    if not isinstance(answer, dict) or set(answer) != set(PATIENTS):
        raise NotYet(
            'The answer is a dictionary of all patients: {"A": ("too high", patients["A"].replace(...)), "B": …}.'
        )
    return " ".join(_diagnosis(name, *_pair(name, answer[name])) for name in PATIENTS)


def _pair(name, given):
    if not isinstance(given, tuple) or len(given) != 2:
        raise NotYet(f'{name}: give a cause and its proof, such as ("too high", patients["{name}"].replace(...)).')
    return given


def _diagnosis(name, cause, proof):
    patient = PATIENTS[name]
    if cause not in CAUSES:
        raise NotYet(f"{name}: the cause is one of {', '.join(CAUSES)}; you have {cause!r}.")
    _experiment(proof)
    changed = _changed(patient, proof)
    if len(changed) != 1:
        raise NotYet(f"{name}: a proof changes one field; this one changes {', '.join(changed) or 'none'}.")
    (field,) = changed
    if field in ("problem", "samples", "noise", "offset", "stretch", "seed"):
        raise NotYet(f"{name}: with another {field} this is another task, so it says nothing about this one.")
    if field in ("optimizer", "batch_size", "weight_decay", "momentum"):
        raise NotYet(
            f"{name}: another {field} takes other steps at the same rate. Change the rate, or leave the steps alone."
        )
    shown = _shown_by(field, patient, proof)
    if shown != cause:
        raise NotYet(f"{name}: this change of {field} would show that the rate is {shown}, not {cause}.")
    try:
        words = _learned(proof, 0.8)
    except NotYet as reason:
        raise NotYet(f"{name}: {reason}") from reason
    return f"{name}: {cause}. {words}"


def _shown_by(field, patient, proof):
    """Which cause it would show if this change of the patient were the rescue."""
    if field in ("learning_rate", "epochs"):
        return "too low" if getattr(proof, field) > getattr(patient, field) else "too high"
    return "too high" if field == "schedule" else "neither"
