"""The exercises of lesson 06."""

from ..clinic.casebook import CASES
from ..clinic.clinic import Clinic
from ..clinic.patients import SYMPTOMS
from ..experiments.experiment import Experiment
from ..experiments.symptoms import findings
from ..experiments.training import train, train_seeds
from .checkers import Learns, require_changes, require_experiment, require_learning
from .teaching import FEWEST_SEEDS, NotYet

TITLE = CASES[0].experiment.replace(batch_size=None, epochs=200)  # the title question, with all samples in each step
TWO = Experiment(
    problem="sine", input_scale=10.0, input_offset=100.0, learning_rate=0.0003, batch_size=None, epochs=200
)
PATIENTS = 3

# The likely causes from which a change of the field follows.
_STEPS = {"learning_rate_too_high", "learning_rate_too_low", "exploding_gradient", "too_few_epochs", "optimizer_choice"}
_INITIAL = {"bad_initialization", "dead_relu", "saturated_activation", "vanishing_gradient", "exploding_gradient"}
_REGULARIZERS = {"over_regularized", "overfitting"}
CAUSES_OF_FIELD = {
    "scaling": {"unscaled_inputs"},
    "features": {"unscaled_inputs", "capacity_too_low"},
    "target_scaling": {"unscaled_targets"},
    "imputation": {"missing_values"},
    "depth": {"capacity_too_low", "overfitting", "vanishing_gradient", "exploding_gradient"},
    "width": {"capacity_too_low", "overfitting", "dead_relu"},
    "activation": {"capacity_too_low", *_INITIAL},
    "initializer": _INITIAL,
    "bias_initializer": _INITIAL,
    "output_activation": {"output_activation_mismatch"},
    **dict.fromkeys(("optimizer", "learning_rate", "schedule", "momentum", "epochs", "batch_size"), _STEPS),
    **dict.fromkeys(("l1", "l2", "dropout", "early_stopping", "weight_decay"), _REGULARIZERS),
}


def _way_of_the_lesson(answer):
    for name in ("scaling", "learning_rate", "optimizer", "depth"):
        if getattr(answer, name) != getattr(TITLE, name):
            return f"The lesson has shown that already. Find a fix that leaves {name} alone."
    return None


another_way_out = Learns("another_way_out", start=TITLE, n_changes=1, rule=_way_of_the_lesson)


def fix_two_at_once(answer):
    """`TWO` with two changed fields that learns with 90% of the seeds, where neither alone brings half of them to learn."""
    require_experiment(answer)
    changed = require_changes(answer, TWO, 2)
    words = require_learning(answer, 0.9)
    for name in changed:
        alone = train_seeds(TWO.replace(**{name: getattr(answer, name)}), FEWEST_SEEDS, probes=False)
        if alone.success_rate >= 0.5:
            raise NotYet(f"{name} alone is enough, so the other change proves nothing. {alone.verdict}")
    return f"{words} Neither {' nor '.join(changed)} alone is enough."


def treat_three(answer):
    """A `Clinic` of level 2 or 3 in which three patients are treated: two thirds of the causes named, and two fixed."""
    if not isinstance(answer, Clinic):
        raise NotYet(f"The answer is the clinic that you have played, not {type(answer).__name__}.")
    if answer.cases is not None or answer.level < 2:
        raise NotYet("Play it on level 2 or 3, with the clinic's own patients.")
    if answer.treated < PATIENTS:
        raise NotYet(f"So far {answer.summary}. Treat {PATIENTS}.")
    if 3 * answer.n_named < 2 * answer.n_causes or 3 * answer.n_fixed < 2 * answer.treated:
        raise NotYet(f"{answer.summary}. Two thirds are wanted of both: go on, and order more tests before you treat.")
    return f"{answer.summary}."


def fool_the_lab(answer):
    """(failing, fixed), one field apart: the first likely cause that the lab names does not lead to that field."""
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise NotYet("The answer is a pair: (failing, failing.replace(...)).")
    failing, fixed = answer
    require_experiment(failing)
    require_experiment(fixed)
    if failing.problem == TITLE.problem:
        raise NotYet("The title question is taken: find settings that fail on other data.")
    (name,) = require_changes(fixed, failing, 1)
    study = train_seeds(failing, FEWEST_SEEDS)
    if study.success_rate > 0.2:
        raise NotYet(f"This does not fail often enough. {study.verdict} At most 20% may learn.")
    words = require_learning(fixed, 0.8)
    said = next((finding.cause for finding in findings(train(failing))), None)
    if said is None:
        raise NotYet(f"With seed {failing.seed} it learns, so the lab says nothing. Choose a seed that fails.")
    label = SYMPTOMS[said].label
    if said in CAUSES_OF_FIELD[name]:
        raise NotYet(f"The lab is right: it says “{label}”, and a change of {name} follows from that.")
    return f"The lab says “{label}”, and {name} fixes it. {words}"
