"""Rules over a `Run` → `Finding`s: the likely cause, the numbers that show it, and what to do about it.

A rule looks at the run as it ended, not at how it started, and judges by the task: what a constant, a straight line and the
true function reach. A rule is a function in `RULES`; the first that fires is the most likely cause.
"""

import numpy as np
from sklearn.linear_model import LinearRegression

from why_wont_it_learn.diagnosis.findings import Finding

from .catalog import INITIALIZERS, TASKS
from .models import output_activation
from .run import nothing_to_learn, skill

SMALL_GRADIENT = 0.1  # first layer's gradient, as a share of the last hidden layer's; relu with he_normal keeps 0.2
MANY_UNITS = 0.5
FAR = 20.0  # inputs or targets of this size are far from what weights and rates are made for
# Between what an output activation can answer, where that is bounded.
OUTPUT_RANGES = {"relu": (0, np.inf), "sigmoid": (0, 1), "tanh": (-1, 1), "softmax": (1, 1)}
ROUGH_STEP = 0.03  # mean step of an epoch, as a share of the weights' length


def holes(run):
    share = np.isnan(run.problem.x).mean()
    if share:
        return Finding(
            "missing_values",
            f"{share:.1%} of the inputs are NaN. A single one makes every weight NaN in the first step.",
            "Put something in their place (missing values), or leave these points out.",
            "04_preprocessing",
        )


def nothing(run):
    if nothing_to_learn(run.problem):
        problem = run.problem
        return Finding(
            "nothing_to_learn",
            f"Always answering the same has an error of {problem.baseline:.3g}, the {problem.floor_name} one of "
            f"{problem.noise_floor:.3g}: the inputs do not tell the target.",
            "Look for other inputs; no network will find it in these.",
            "04_preprocessing",
        )


def wrong_output(run):
    e, y = run.experiment, run.problem.y
    output = output_activation(e)
    if run.problem.task != "regression":
        fits = output == TASKS[run.problem.task].output_activation
        told = f"The output layer has {output}, and the classes need {TASKS[run.problem.task].output_activation}."
    else:
        low, high = OUTPUT_RANGES.get(output, (-np.inf, np.inf))
        outside = float(((y < low) | (y > high)).mean())
        fits = outside == 0
        bounds = f"never below {low:g}" if high == np.inf else f"between {low:g} and {high:g}"
        told = f"The output, {output}, is {bounds}, and {outside:.0%} of the targets lie outside."
    if not fits:
        return Finding("output_activation_mismatch", told, "Set the output activation to own.", "02_activations")


def targets_out_of_reach(run):
    y, answers = run.problem.y, run.predictions
    if run.problem.task != "regression" or abs(y.mean()) + y.std() < 5 * FAR:
        return None
    away = abs(float(np.mean(answers)) - y.mean())
    if run.diverged_at is not None or away > y.std():
        return Finding(
            "unscaled_targets",
            f"The targets lie about {y.mean():.3g}, "
            + (f"and the answers are {away:.2g} away from there." if np.isfinite(away) else "and the loss blew up."),
            "Scale the targets to mean 0 and standard deviation 1.",
            "04_preprocessing",
        )


def inputs_out_of_scale(run):
    x = run.problem.x
    middle, spread = x.mean(axis=0), x.std(axis=0)
    size = np.abs(middle) + spread
    wide = (size > FAR) | ((np.abs(middle) > 5 * spread) & (np.abs(middle) > 5))
    suffers = run.diverged_at is not None or run.skill < 0.5 or max([0, *run.dead[-1], *run.saturated[-1]]) > MANY_UNITS
    if wide.any() and suffers:
        worst = int(np.argmax(size))
        return Finding(
            "unscaled_inputs",
            f"Input {worst + 1} has a mean of {middle[worst]:.3g} and a standard deviation of {spread[worst]:.3g}; "
            "weights and rates are made for about 0 and 1.",
            "Scale the inputs (standard, or robust where there are outliers)."
            + " Lower the learning rate only if that is not enough." * (run.diverged_at is not None),
            "04_preprocessing",
        )


def diverged(run):
    if run.diverged_at is not None:
        rate = run.experiment.learning_rate
        return Finding(
            "learning_rate_too_high",
            f"The loss grew until it was no longer a number, in epoch {run.diverged_at + 1}.",
            f"Lower the learning rate ({rate:g}), or scale the inputs.",
            "03_optimizers",
        )


def equal_units(run):
    e = run.experiment
    if e.depth and not INITIALIZERS[e.initializer].random:
        return Finding(
            "bad_initialization",
            "All weights start at 0, so all units of a layer get the same gradient and stay equal.",
            "Take a random initializer.",
            "02_activations",
        )


def no_bend(run):
    e = run.experiment
    if e.depth and e.activation != "linear":
        return None
    if run.skill < line_skill(run.problem) - 0.1:
        return None  # it is not even as good as a line: something else is wrong
    what = "Linear activations, however many layers," if e.depth else "Without a hidden layer it"
    return Finding(
        "capacity_too_low",
        f"{what} can give only a straight line, and the best line has a skill of {line_skill(run.problem):.2f}.",
        "Add a hidden layer with a bend, such as tanh or relu.",
        "01_capacity",
    )


def dead_units(run):
    if run.dead.shape[1] and run.dead[-1].max() > MANY_UNITS:
        layer = int(np.argmax(run.dead[-1]))
        return Finding(
            "dead_relu",
            f"{run.dead[-1, layer]:.0%} of the units in hidden layer {layer + 1} are dead: no training point moves them.",
            "Lower the learning rate, scale the inputs, or take leaky_relu.",
            "02_activations",
        )


def saturated_units(run):
    if run.saturated.shape[1] and run.saturated[-1].max() > MANY_UNITS:
        layer = int(np.argmax(run.saturated[-1]))
        return Finding(
            "saturated_activation",
            f"{run.saturated[-1, layer]:.0%} of the units in hidden layer {layer + 1} are saturated: their slope is close to 0.",
            "Lower the learning rate, scale the inputs, or take a smaller initializer.",
            "02_activations",
        )


def vanishing(run):
    for epoch, when in ((-1, "at the end"), (0, "at the start")):
        hidden = run.gradient_norm[epoch, :-1]
        if len(hidden) > 2 and hidden[0] < SMALL_GRADIENT * hidden[-1]:
            return Finding(
                "vanishing_gradient",
                f"The first layer's gradient was {hidden[0] / hidden[-1]:.1g} of the last hidden layer's {when}.",
                "Take tanh, or relu with he_normal, or fewer layers.",
                "02_activations",
            )


def rough(run):
    step = run.update_ratio[-1].max()
    if step > ROUGH_STEP:
        return Finding(
            "learning_rate_too_high",
            f"At the end each step still moves a layer's weights by {step:.0%} of their length.",
            f"Lower the learning rate ({run.experiment.learning_rate:g}).",
            "03_optimizers",
        )


def overfitting(run):
    floor = run.problem.noise_floor
    if run.problem.task == "regression" and run.loss[-1] < 0.8 * floor and run.val_loss[-1] > 1.3 * floor:
        return Finding(
            "overfitting",
            f"The training loss ({run.loss[-1]:.2g}) is below the noise floor ({floor:.2g}), "
            f"the validation loss ({run.val_loss[-1]:.2g}) is above it: it has learned the noise.",
            "Take more points, fewer layers, or some L2.",
            "01_capacity",
        )


def still_falling(run):
    tenth = max(1, len(run.loss) // 10)
    if len(run.loss) >= 2 and np.mean(run.loss[-tenth:]) < 0.98 * np.mean(run.loss[-2 * tenth : -tenth]):
        return Finding(
            "too_few_epochs",
            "The loss is still falling at the end.",
            "Train for more epochs, or raise the learning rate.",
            "03_optimizers",
        )


def hardly_moved(run):
    steps = -(-run.experiment.samples // (run.experiment.batch_size or run.experiment.samples)) * len(run.loss)
    if run.update_ratio.mean() * steps < 0.1:
        return Finding(
            "learning_rate_too_low",
            f"All {steps} steps together moved the weights by less than a tenth of their length.",
            "Raise the learning rate.",
            "03_optimizers",
        )


def over_regularized(run):
    e = run.experiment
    answers = run.predictions.std()
    if (e.l1 or e.l2 or e.dropout) and run.problem.task == "regression" and answers < 0.3 * run.problem.y.std():
        return Finding(
            "over_regularized",
            f"The answers hardly differ (standard deviation {answers:.2g}, the targets' {run.problem.y.std():.2g}).",
            "Weaken L1, L2 or dropout.",
            "05_regularization",
        )


def too_small(run):
    e = run.experiment
    if e.depth and e.width <= 4:
        units = f"{e.width} unit{'s' * (e.width > 1)}"
        return Finding(
            "capacity_too_low",
            f"With {units} in each layer it has stopped getting better.",
            "Try more units; then try other seeds.",
            "01_capacity",
        )


RULES = (
    holes, nothing, wrong_output, targets_out_of_reach, inputs_out_of_scale,
    diverged, equal_units, no_bend, over_regularized, dead_units, vanishing, saturated_units, hardly_moved, rough, overfitting,
    still_falling, too_small,
)  # fmt: skip


def line_skill(problem):
    """The skill of the least-squares line (for classes: of its rounded answers)."""
    classes = np.arange(problem.y.max() + 1) if problem.task == "multiclass" else None
    targets = problem.y if classes is None else problem.y == classes
    answers = LinearRegression().fit(problem.x, targets).predict(problem.x_val)
    if problem.task != "regression":
        answers = answers.round(4)  # where a line is undecided, the last bit would decide
    return skill(problem.error(answers), problem)


def findings(run):
    """The likely causes of a finished run that has not learned, the most likely first; none if it has learned."""
    if run.learned:
        return []
    if lost := holes(run):
        return [lost]  # nothing else can be judged while weights are NaN
    with np.errstate(over="ignore", invalid="ignore"):  # a run on its way to infinity may end before it is there
        found = [finding for rule in RULES if (finding := rule(run)) is not None]
    return found or [
        Finding(
            "too_few_epochs",
            f"No rule names a cause, and the skill is {run.skill:.2f}.",
            "Train for more epochs; if that changes nothing, try other seeds, then a lower learning rate.",
            "03_optimizers",
        )
    ]
