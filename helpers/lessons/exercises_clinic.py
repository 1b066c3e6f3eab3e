"""The checkers of lesson 06: each takes an answer, returns a sentence if it passes, and raises `NotYet` if not."""

from ..clinic.casebook import CASES
from ..clinic.clinic import Clinic
from ..clinic.patients import SIGNS
from ..experiments.experiment import SETTINGS, Experiment
from ..experiments.symptoms import findings
from ..experiments.training import train, train_seeds
from .exercises import SEEDS, _changed, _experiment, _learned
from .teaching import NotYet

TITLE = CASES[0].experiment  # the title question
TWO = Experiment(problem="sine", stretch=10.0, offset=100.0, learning_rate=0.0003, batch_size=None, epochs=200)
PATIENTS = 3

# What the lab would have to say for a change of the field to follow from it.
_STEPS = {"learning_rate_too_high", "learning_rate_too_low", "exploding_gradient", "too_few_epochs", "optimizer_choice"}
_START = {"bad_initialization", "dead_relu", "saturated_activation", "vanishing_gradient", "exploding_gradient"}
_HELD = {"over_regularized", "overfitting"}
BLAMES = {
    "scaling": {"unscaled_inputs"},
    "features": {"unscaled_inputs", "capacity_too_low"},
    "target_scaling": {"unscaled_targets"},
    "imputation": {"missing_values"},
    "depth": {"capacity_too_low", "overfitting", "vanishing_gradient", "exploding_gradient"},
    "width": {"capacity_too_low", "overfitting", "dead_relu"},
    "activation": {"capacity_too_low", *_START},
    "initializer": _START,
    "bias_initializer": _START,
    "output_activation": {"output_activation_mismatch"},
    **dict.fromkeys(("optimizer", "learning_rate", "schedule", "momentum", "epochs", "batch_size"), _STEPS),
    **dict.fromkeys(("l1", "l2", "dropout", "early_stopping", "weight_decay"), _HELD),
}


def _fields(answer, first, count):
    """The names of the `count` fields in which the answer differs; NotYet if there are others, or if they are the task."""
    _experiment(answer)
    changed = _changed(first, answer)
    if len(changed) != count:
        raise NotYet(
            f"Change exactly {count} field{'s' * (count > 1)}; you have changed {', '.join(changed) or 'none'}."
        )
    for name in changed:
        if SETTINGS[name].group == "Data":
            raise NotYet(f"With another {name} this is another task, so it says nothing about this one.")
    return changed


def another_way_out(answer):
    """`TITLE` with one changed field, neither scaling nor learning rate, that learns in 80 % of the seeds."""
    (name,) = _fields(answer, TITLE, 1)
    if name in ("scaling", "learning_rate"):
        raise NotYet(f"That is the way of the lesson. Find one that leaves {name} alone.")
    return _learned(answer, 0.8)


def mend_two_at_once(answer):
    """`TWO` with two changed fields that learns in 90 % of the seeds, where neither alone brings half of them to learn."""
    changed = _fields(answer, TWO, 2)
    words = _learned(answer, 0.9)
    for name in changed:
        alone = train_seeds(TWO.replace(**{name: getattr(answer, name)}), SEEDS)
        if alone.success_rate >= 0.5:
            raise NotYet(f"{name} alone is enough, so the other change proves nothing. {alone.verdict}")
    return f"{words} Neither {' nor '.join(changed)} alone is enough."


def treat_three(answer):
    """A `Clinic` of level 2 or 3 in which three patients are treated: two thirds of the causes named, and two cured."""
    if not isinstance(answer, Clinic):
        raise NotYet(f"The answer is the clinic that you have played, not {type(answer).__name__}.")
    if answer.cases is not None or answer.level < 2:
        raise NotYet("Play it on level 2 or 3, with patients that nobody has told you.")
    if answer.treated < PATIENTS:
        raise NotYet(f"So far {answer.score}. Treat {PATIENTS}.")
    if 3 * answer.named < 2 * answer.causes or 3 * answer.cured < 2 * answer.treated:
        raise NotYet(f"{answer.score}. Two thirds are wanted of both: go on, and order more tests before you treat.")
    return f"{answer.score}."


def fool_the_lab(answer):
    """(ill, mended), one field apart: the first likely cause that the lab names does not lead to that field."""
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise NotYet("The answer is a pair: (ill, ill.replace(...)).")
    ill, mended = answer
    _experiment(ill)
    if ill.problem == TITLE.problem:
        raise NotYet("The title question is taken: find a patient on other data.")
    (name,) = _fields(mended, ill, 1)
    failing = train_seeds(ill, SEEDS)
    if failing.success_rate > 0.2:
        raise NotYet(f"The patient is not ill enough. {failing.verdict} At most 20% may learn.")
    words = _learned(mended, 0.8)
    said = next((finding.cause for finding in findings(train(ill))), None)
    if said is None:
        raise NotYet(f"With seed {ill.seed} it learns, so the lab says nothing. Take a seed that fails.")
    if said in BLAMES[name]:
        raise NotYet(f"The lab is right: it says “{SIGNS[said].label}”, and a change of {name} follows from that.")
    return f"The lab says “{SIGNS[said].label}”, and {name} mends it. {words}"
