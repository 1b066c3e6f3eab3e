"""The checkers of the exercises: each takes an answer, returns a sentence if it passes, and raises `NotYet` if not.

A checker accepts every right answer, not only the one in the solutions: it trains what it is given from 50 seeds. Where the
answer is wrong it says what is wrong with it, and what to look at.
"""

import dataclasses

from ..experiments.experiment import Experiment
from ..experiments.models import build_model
from ..experiments.problems import PROBLEMS
from ..experiments.training import train_seeds
from .teaching import NotYet

SEEDS = 50


# --- 01 Capacity ---


def few_units_for_the_kink(answer):
    """One hidden layer of at most 8 units that learns |x| in 90 % of the seeds."""
    _experiment(answer, problem="abs", depth=1)
    _at_most(answer.width, 8, "units")
    return _learned(answer, 0.9)


COUNTED = Experiment(problem="auto_mpg", depth=2, width=16)


def count_the_parameters(answer):
    """How many weights and biases `COUNTED` has."""
    if isinstance(answer, bool) or not isinstance(answer, int):
        raise NotYet(f"The answer is a whole number, not {answer!r}.")
    model = build_model(COUNTED)
    right = model.count_params()
    biases = 2 * COUNTED.width + 1
    layer = COUNTED.width * (COUNTED.width + 1)
    inputs = len(PROBLEMS[COUNTED.problem].features)
    slips = {
        right - biases: "That is all the weights. Each unit has a bias too.",
        right
        - layer: "A layer is missing: two hidden layers, and each unit of the second sees all units of the first.",
        right + layer: "That is a layer too many: two hidden layers and the output.",
        right - (inputs - 1) * COUNTED.width: f"That is for one input. A car has {inputs} numbers.",
        right - COUNTED.width - 1: "The output unit is missing: it has a weight for each unit before it, and a bias.",
    }
    if answer != right:
        far = f"{abs(answer - right)} too {'many' if answer > right else 'few'}."
        raise NotYet(slips.get(answer, f"{far} A layer has (its inputs + 1) × its units; add up three layers."))
    return f"{right}, as `model.count_params()` says."


def line_with_relu(answer):
    """Hidden relu layers trained by plain sgd at 0.01 that learn the line all the same."""
    _experiment(answer, problem="line", activation="relu", optimizer="sgd", learning_rate=0.01)
    if not answer.depth:
        raise NotYet("Without a hidden layer there is no relu: take a depth of at least 1.")
    return _learned(answer, 0.8)


PATIENT = Experiment(problem="sine", depth=1, width=12, learning_rate=0.00001)
CAUSES = ("too small", "too big", "neither")


def name_the_cause(answer):
    """Why `PATIENT` does not learn, proved by one change that rescues it: (cause, experiment)."""
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise NotYet('The answer is a cause and its proof: ("too big", patient.replace(...)).')
    cause, proof = answer
    if cause not in CAUSES:
        raise NotYet(f"The cause is one of {', '.join(CAUSES)}; you have {cause!r}.")
    _experiment(proof)
    changed = _changed(PATIENT, proof)
    if len(changed) != 1:
        raise NotYet(f"A proof changes one field; this one changes {', '.join(changed) or 'none'}.")
    shown = _shown_by(changed[0], proof)
    if shown is None:
        raise NotYet(f"With another {changed[0]} this is another task, so it says nothing about this one.")
    if shown != cause:
        raise NotYet(f"This change of {changed[0]} would show that the network is {shown}, not {cause}.")
    return f"{cause}, because {changed[0]}={getattr(proof, changed[0])!r} is enough. {_learned(proof, 0.8)}"


def _shown_by(field, proof):
    """Which of the causes it would show if this change of the patient were the rescue; None for none of them."""
    if field in ("problem", "noise", "seed"):
        return None
    if field in ("depth", "width"):
        return "too small" if getattr(proof, field) > getattr(PATIENT, field) else "too big"
    return {"samples": "too big", "activation": "too small"}.get(field, "neither")


def frugal_with_cars(answer):
    """A network of at most 100 parameters that learns the cars in 80 % of the seeds."""
    _experiment(answer, problem="auto_mpg")
    if not answer.depth or answer.activation == "linear":
        raise NotYet("This is still a straight line: add a hidden layer with a bend.")
    _at_most(build_model(answer).count_params(), 100, "parameters")
    return _learned(answer, 0.8)


def frugal_with_the_zigzag(answer):
    """A network of at most 300 parameters that learns the zigzag in 80 % of the seeds."""
    _experiment(answer, problem="triangle")
    _at_most(build_model(answer).count_params(), 300, "parameters")
    return _learned(answer, 0.8)


# --- what the checkers share ---


def _experiment(answer, **given):
    """NotYet unless the answer is an Experiment with the fields that the exercise gives."""
    if not isinstance(answer, Experiment):
        raise NotYet(f"The answer is an Experiment(...), not {type(answer).__name__}.")
    for name, value in given.items():
        if getattr(answer, name) != value:
            raise NotYet(f"Here {name}={value!r} is given; you have {name}={getattr(answer, name)!r}.")
    if answer.noise < PROBLEMS[answer.problem].noise:
        raise NotYet(f"The noise of this task is {PROBLEMS[answer.problem].noise:g}; you have taken some of it away.")


def _changed(patient, proof):
    """The names of the fields in which two experiments differ."""
    return [
        field.name
        for field in dataclasses.fields(Experiment)
        if getattr(proof, field.name) != getattr(patient, field.name)
    ]


def _at_most(count, most, what):
    if count > most:
        raise NotYet(f"This has {count} {what}; at most {most} are allowed.")


def _learned(answer, share):
    """The verdict on the answer's seeds; NotYet, with what stands out, if fewer than `share` of them learn."""
    study = train_seeds(answer, SEEDS)
    if study.success_rate >= share:
        return study.verdict
    raise NotYet(f"{study.verdict} At least {share:.0%} have to learn. {_what_stands_out(study)}".rstrip())


def _what_stands_out(study):
    """One hint from the numbers of a study that failed."""
    failed = ~study.learned
    loss = study.loss[failed]
    tenth = max(1, loss.shape[1] // 10)
    falling = loss[:, -tenth:].mean(axis=1) < 0.97 * loss[:, -2 * tenth : -tenth].mean(axis=1)
    share = len(loss) / 2
    if (~(loss[:, -1] < float("inf"))).sum() > share:
        return "Most of the others diverged."
    if study.dead.shape[2] and (study.dead[failed, -1].max(axis=1) > 0.9).sum() > share:
        return "In most of the others a layer ends with nearly all units dead."
    if (loss[:, -1] < 0.8 * study.noise_floor[failed]).sum() > share:
        return "In most of the others the training loss is below the noise floor: they have learned the noise."
    if loss.shape[1] >= 10 and falling.sum() > share:
        return "In most of the others the training loss is still falling."
    if (study.skill[failed] < 0.1).sum() > share:
        return "Most of the others are no better than a constant."
    return "Most of the others have stopped part of the way."
