"""What checks an answer to an exercise: it returns a sentence if the answer passes, and raises `NotYet` if it does not.

Every right answer passes, not only the one in the solutions: an Experiment is trained with 50 seeds. For a wrong answer it says what is
wrong with it and what to look at. The exercises themselves are rows in exercises_*.py.
"""

import numbers
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..experiments.experiment import FIELDS, Experiment
from ..experiments.models import all_steps, build_model
from ..experiments.problems import make_problem
from ..experiments.training import train_seeds
from .teaching import FEWEST_SEEDS, NotYet

TASK = tuple(name for name, spec in FIELDS.items() if spec.group == "Data")  # with others it is another task
PREPARATION = tuple(name for name, spec in FIELDS.items() if spec.group == "Preparation")
# What an exercise can limit: how it is counted, and what it is called.
LIMITS = {
    "width": (lambda e: e.width, "units"),
    "samples": (lambda e: e.samples, "samples"),
    "epochs": (lambda e: e.epochs, "epochs"),
    "learning_rate": (lambda e: e.learning_rate, "as its learning rate"),
    "steps": (all_steps, "steps (epochs times batches in each)"),
    "parameters": (lambda e: build_model(e).count_params(), "weights and biases"),
}


@dataclass(frozen=True, eq=False)
class Learns:
    """An exercise whose answer is an Experiment that learns.

    given: {field: value} of every right answer. at_most: {name in LIMITS: highest value}.
    start: the Experiment that is to be changed, in n_changes fields, or only in those of may_change.
    task: the fields that may not change, because they make another task.
    rule: a further condition; it takes the answer and returns what is wrong with it, or None.
    rate: success rate over `FEWEST_SEEDS` seeds from which the answer passes.
    """

    name: str
    given: dict = field(default_factory=dict)
    at_most: dict = field(default_factory=dict)
    start: Experiment | None = None
    n_changes: int | None = None
    may_change: tuple = ()
    task: tuple = TASK
    rule: Callable | None = None
    rate: float = 0.8

    @property
    def __name__(self):
        return self.name

    def __call__(self, answer):
        self.check_rules(answer)
        return require_learning(answer, self.rate)

    def check_rules(self, answer):
        """NotYet where the answer breaks a rule; nothing is trained."""
        require_experiment(answer, self.given)
        for name, most in self.at_most.items():
            count, words = LIMITS[name]
            if count(answer) > most:
                raise NotYet(f"This has {count(answer):g} {words}; at most {most:g} are allowed.")
        if self.may_change:
            require_only(answer, self.start, self.may_change)
        if self.n_changes:
            require_changes(answer, self.start, self.n_changes, self.task)
        if self.rule and (wrong := self.rule(answer)):
            raise NotYet(wrong)


@dataclass(frozen=True, eq=False)
class NamesCauses:
    """An exercise whose answer is a cause and its proof for each failing network: an Experiment with one changed field that learns.

    networks: {name: failing Experiment}; a single one is answered without its name. causes: the names to choose from.
    reject: takes (cause, failing Experiment, changed field, proof) and returns why the proof does not show the cause, or None.
    evidence: takes a failing Experiment and returns what else the learner is told about a right answer.
    """

    name: str
    networks: dict
    causes: tuple
    reject: Callable
    evidence: Callable = lambda network: ""
    task: tuple = TASK

    @property
    def __name__(self):
        return self.name

    def __call__(self, answer):
        if len(self.networks) == 1:
            ((name, network),) = self.networks.items()
            return self._judge(answer, network)
        if not isinstance(answer, dict) or set(answer) != set(self.networks):
            raise NotYet(
                'The answer is a dictionary of all failing networks: {"A": ("…", failing["A"].replace(...)), "B": …}.'
            )
        sentences = []
        for name, network in self.networks.items():
            try:
                sentences.append(f"{name}: {self._judge(answer[name], network)}")
            except NotYet as reason:
                raise NotYet(f"{name}: {reason}") from reason
        return " ".join(sentences)

    def _judge(self, pair, network):
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise NotYet('Give a cause and its proof, in this form: ("…", failing.replace(...)).')
        cause, proof = pair
        if cause not in self.causes:
            raise NotYet(f"The cause is one of {', '.join(self.causes)}; you have {cause!r}.")
        require_experiment(proof)
        (name,) = require_changes(proof, network, 1, self.task)
        if wrong := self.reject(cause, network, name, proof):
            raise NotYet(wrong)
        change = f"{name}={getattr(proof, name)!r}"
        try:
            verdict = require_learning(proof, 0.8)
        except NotYet as reason:
            raise NotYet(f"{change} does not prove it. {reason}") from reason
        return f"{cause}, because {change} is enough. {self.evidence(network)}{verdict}"


# --- what an answer has to be ---


def require_experiment(answer, given=None):
    """NotYet unless the answer is an Experiment with the given {field: value} and no less noise than its problem has."""
    if not isinstance(answer, Experiment):
        raise NotYet(f"The answer is an Experiment(...), not {type(answer).__name__}.")
    for name, value in (given or {}).items():
        if getattr(answer, name) != value:
            raise NotYet(f"Here {name}={value!r} is given; you have {name}={getattr(answer, name)!r}.")
    if answer.noise < answer.source.noise:
        raise NotYet(f"The noise of this task is {answer.source.noise:g}; you have taken some of it away.")


def changed_fields(answer, start):
    """The names of the fields in which two experiments differ."""
    return [name for name in FIELDS if getattr(answer, name) != getattr(start, name)]


def require_only(answer, start, allowed):
    """NotYet unless the answer differs from `start`, and only in the allowed fields."""
    changed = changed_fields(answer, start)
    if not changed:
        raise NotYet(f"Nothing is changed yet. You may change {', '.join(allowed)}.")
    for name in changed:
        if name not in allowed:
            had = f"{name}={getattr(answer, name)!r} instead of {getattr(start, name)!r}"
            raise NotYet(f"Only {', '.join(allowed)} may change; you have {had}.")


def require_changes(answer, start, count, task=TASK):
    """The names of the `count` fields in which the answer differs; NotYet if there are others, or if one of them is the task."""
    changed = changed_fields(answer, start)
    if len(changed) != count:
        fields = "one field" if count == 1 else f"{count} fields"
        raise NotYet(f"Change exactly {fields}; you have changed {', '.join(changed) or 'none'}.")
    for name in changed:
        if name in task:
            raise NotYet(f"With another {name} this is another task, so it says nothing about this one.")
    return changed


def require_number(answer, right, slips, hint, rtol=0.02):
    """NotYet unless the answer is the right number; slips: [(wrong number, what is wrong with it)]."""
    if isinstance(answer, bool) or not isinstance(answer, numbers.Real) or not np.isfinite(answer):
        raise NotYet(f"The answer is a number, not {answer!r}.")
    if np.isclose(answer, right, rtol=rtol):
        return
    for slip, words in slips:
        if np.isclose(answer, slip, rtol=rtol / 4):
            raise NotYet(words)
    raise NotYet(f"{answer:g} is too {'large' if answer > right else 'small'}. {hint}")


def require_learning(answer, rate):
    """The verdict on the answer's seeds; NotYet, with what is conspicuous, if fewer than `rate` of them learn."""
    study = train_seeds(answer, FEWEST_SEEDS, probes=False)
    if study.success_rate >= rate:
        return study.verdict
    study = train_seeds(answer, FEWEST_SEEDS)
    raise NotYet(f"{study.verdict} At least {rate:.0%} have to learn. {_hint(study)}")


def _hint(study):
    """What most of the seeds that failed have in common."""
    failed = ~study.learned
    loss, half = study.loss[failed], failed.sum() / 2
    tenth = max(1, loss.shape[1] // 10)
    falling = loss[:, -tenth:].mean(axis=1) < 0.97 * loss[:, -2 * tenth : -tenth].mean(axis=1)
    if (~np.isfinite(loss[:, -1])).sum() > half:
        return "Most of the others diverged."
    if study.dead.shape[2] and (study.dead[failed, -1].max(axis=1) > 0.9).sum() > half:
        return "In most of the others a layer ends with nearly all units dead."
    if (loss[:, -1] < 0.8 * study.noise_floor[failed]).sum() > half:
        return "In most of the others the training loss is below the noise floor: they have learned the noise."
    if loss.shape[1] >= 10 and falling.sum() > half:
        return "In most of the others the training loss is still falling."
    if (study.skill[failed] < 0.1).sum() > half:
        return "Most of the others are no better than the baseline."
    return "Most of the others stopped with a skill in between."


# --- the edge of stability of a linear unit ---


def edge_of_stability(experiment):
    """The largest learning rate with which gradient descent on all samples converges, for a linear unit: 2 / the largest curvature."""
    return float(2 / _curvatures(experiment).max())


def edge_slips(experiment):
    """What comes out of the usual slips on the way to `edge_of_stability`: [(number, what is wrong with it)]."""
    edge, n = edge_of_stability(experiment), len(make_problem(experiment).x)
    low, high = _curvatures(experiment)
    return [
        (edge / 2, "That is 1 / λmax, the best learning rate in the steepest direction. The edge is twice that."),
        (edge * 2, "A factor of 2 is missing: the mean squared error has no 1/2, so its Hessian is 2/n · XᵀX."),
        (edge * n, "Divide the sum of the products by the number of samples."),
        (edge / n, "That is for the sum over the samples. The loss is their mean."),
        (2 / low, "That is for the smallest eigenvalue, the flattest direction. The steepest one diverges first."),
        (2 / _curvatures(experiment, bias=False)[0], "The bias is a weight, too: give it an input that is always 1."),
        (high, "That is λmax, the curvature itself. How long may a step be, then?"),
        (high / low, "That is the condition number. The edge needs the largest eigenvalue only."),
    ]


def _curvatures(experiment, bias=True):
    """The eigenvalues of the Hessian of the mean squared error of a linear unit, the smallest first."""
    x = make_problem(experiment).x.astype(float)
    columns = np.column_stack([x, np.ones(len(x))]) if bias else x
    return np.linalg.eigvalsh(2 / len(x) * columns.T @ columns)
