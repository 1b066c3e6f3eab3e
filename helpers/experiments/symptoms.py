"""A `Run` as the library's table of symptoms reads it, so that a lab and `diagnose` name the same likely cause."""

import numpy as np
from sklearn.linear_model import LinearRegression

from why_wont_it_learn.diagnosis.causes import CAUSES
from why_wont_it_learn.diagnosis.findings import Finding, finding_of
from why_wont_it_learn.diagnosis.output_and_loss import Targets, loss_name, mismatches
from why_wont_it_learn.diagnosis.symptoms import Layer, Scale, Training, likely, two_digits

from .catalog import INITIALIZERS, OPTIMIZERS, TASKS
from .models import all_steps, output_activation, steps_per_epoch
from .run import skill

NEAR = 0.02  # a linear network that is as near in skill to the best linear model has nothing left to learn


def findings(run):
    """The likely causes of a run that has not learned, in causal order; none if it has learned."""
    if run.learned:
        return []
    with np.errstate(over="ignore", invalid="ignore"):  # a run on its way to infinity may end before it is there
        training = training_of(run)
        found = [finding_of(symptom) for symptom in likely(training)]
    if found:
        return found
    missing = run.experiment.missing
    if missing and not run.experiment.source.real:
        evidence = f"{missing:.0%} of the input values are missing. No imputation brings back what they said."
        fix = "Find out why values are missing; where a gap itself says something, add an indicator of it as an input."
        return [Finding("missing_values", evidence, fix)]
    if run.skill > training.linear_skill - NEAR:
        evidence = (
            f"It is linear, and as good as the best linear model, whose skill is {two_digits(training.linear_skill)}."
        )
        return [Finding("capacity_too_low", evidence, CAUSES["capacity_too_low"].fix)]
    evidence = f"Training ended at a skill of {two_digits(run.skill)}, and no symptom names another cause."
    fix = f"{CAUSES['too_few_epochs'].fix} If that changes nothing, try other seeds."
    return [Finding("too_few_epochs", evidence, fix)]


def training_of(run):
    """The library's `Training` of a `Run`."""
    e, p = run.experiment, run.problem
    numbers = p.task == "regression"
    mean, std = p.y.mean(), max(float(p.y.std()), 1e-12)
    optimizer = OPTIMIZERS[e.optimizer]
    momentum = e.momentum if "momentum" in optimizer.uses else 0.0
    linear = not e.depth or e.activation == "linear"
    missing = float(np.isnan(np.concatenate([p.x, p.x_val])).mean())
    names = e.source.features if e.source.real and e.features == "raw" else ()
    return Training(
        loss=run.loss, val_loss=run.val_loss, steps=steps_per_epoch(e) * len(run.loss), planned_steps=all_steps(e),
        train_skill=float((p.loss_of_constant - run.loss[-1]) / max(p.loss_of_constant - p.loss_of_truth, 1e-12)),
        val_skill=run.skill, linear_skill=linear_skill(p) if linear and not missing else np.nan,
        learnable=(p.baseline - p.noise_floor) / p.baseline if p.baseline else 0.0,
        diverged=float(run.diverged_at is not None), missing=missing,
        inputs=Scale.of(p.x, names), targets=Scale.of(p.y) if numbers else None, mismatches=tuple(_mismatches(e, p)),
        prediction_spread=float(run.predictions.std() / std) if p.task != "multiclass" else np.nan,
        prediction_offset=float(abs(np.mean(run.predictions) - mean) / std) if numbers else np.nan,
        optimizer=optimizer.call.path.rpartition(".")[2].lower(), learning_rate=e.learning_rate / (1 - momentum), momentum=momentum,
        regularization=min(1.0, max(10 * e.l1, 10 * e.l2, e.dropout)) if e.l1 or e.l2 or e.dropout else None,
        layers=_layers(e), gradient_norm=run.gradient_norm, update_ratio=run.update_ratio, dead=run.dead,
        saturated=run.saturated,
    )  # fmt: skip


def _mismatches(e, problem):
    task, outputs = TASKS[problem.task], e.source.outputs
    targets = Targets(problem.task, problem.y, outputs if problem.task == "multiclass" else 0)
    return mismatches(output_activation(e), outputs, loss_name(task.loss.make()), False, targets)


def _layers(e):
    initializer = INITIALIZERS[e.initializer].call.path.rpartition(".")[2]
    hidden = [Layer(e.width, e.activation, initializer, e.bias_initializer)] * e.depth
    return (*hidden, Layer(e.source.outputs, output_activation(e), initializer))


def linear_skill(problem):
    """The skill of the least-squares line (for classes: of its rounded predictions)."""
    classes = np.arange(problem.y.max() + 1) if problem.task == "multiclass" else None
    targets = problem.y if classes is None else problem.y == classes
    predictions = LinearRegression().fit(problem.x, targets).predict(problem.x_val)
    if problem.task != "regression":
        predictions = predictions.round(4)  # where a line is undecided, the last bit would decide
    return skill(problem.error(predictions), problem)
