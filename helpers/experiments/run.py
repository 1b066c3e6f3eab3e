"""What happened: `Run` for one network, `SeedStudy` for the same experiment with many seeds."""

from dataclasses import dataclass, field, fields
from functools import cached_property

import numpy as np

from why_wont_it_learn.diagnosis.symptoms import two_digits
from why_wont_it_learn.engine.records import LEARNED, PROBES, wilson

from .experiment import Experiment
from .models import build_model
from .problems import Problem

PER_EPOCH = ("loss", "val_loss", *PROBES)


def skill(error, problem):
    """(baseline - error) / (baseline - noise floor): 0 is no better than a constant, 1 is all there is to learn.

    -inf for predictions that are not finite. Where there is nothing to learn it is 0 at most.
    """
    if not np.isfinite(error):
        return -np.inf
    gain = problem.baseline - error
    if nothing_to_learn(problem):
        return min(0.0, float(gain / problem.baseline)) if problem.baseline else 0.0
    return float(gain / (problem.baseline - problem.noise_floor))


def nothing_to_learn(problem):
    """Whether even the best prediction is hardly better than a constant: by less than 3% of the constant's error."""
    return problem.baseline - problem.noise_floor <= 0.03 * problem.baseline


@dataclass(frozen=True, eq=False)
class Run:
    """What happened in one training run, or in its first epochs while it is under way; before the first has ended, in none.

    loss, val_loss: (epochs,), as `model.fit` reports them, penalties included.
    gradient_norm: (epochs, layers), L2 norm of dL/dW of each Dense kernel over all training points, input side first.
    update_ratio: (epochs, layers), norm of the mean step of a kernel divided by the norm of the kernel.
    dead, saturated: (epochs, hidden layers), fraction of the units.
    All of these are measured at the end of an epoch, except `loss`, which is the mean over the epoch.
    weights: a kernel and a bias for each Dense layer. predictions: (n_val, outputs), for the validation points; with early
    stopping those of the best epoch, and there are fewer epochs.
    shown: predictions for the points that `stream` was asked for. finished: whether it has come to its end.
    """

    experiment: Experiment
    problem: Problem
    loss: np.ndarray
    val_loss: np.ndarray
    gradient_norm: np.ndarray
    update_ratio: np.ndarray
    dead: np.ndarray
    saturated: np.ndarray
    weights: list
    predictions: np.ndarray
    shown: np.ndarray = field(repr=False)
    finished: bool

    @property
    def diverged_at(self):
        """The first epoch (0 is the first) whose loss is not finite, or None."""
        bad = ~(np.isfinite(self.loss) & np.isfinite(self.val_loss))
        return int(np.argmax(bad)) if bad.any() else None

    @cached_property
    def model(self):
        """The trained `keras.Sequential`, compiled. Its inputs are scaled ones: `run.problem.scaled(x)`."""
        model = build_model(self.experiment)
        for variable, value in zip(model.trainable_variables, self.weights, strict=True):
            variable.assign(value)
        return model

    def diagnose(self, **arguments):
        """Why this network does not learn: what `why_wont_it_learn.diagnose` says of its model and its data.

        arguments: `budget`, `seeds` and `on_progress`, as there.
        """
        from why_wont_it_learn import diagnose  # scikit-learn's models take 30 MB that a lab does not need

        e, problem = self.experiment, self.problem
        return diagnose(
            build_model(e), problem.x, problem.y, validation_data=(problem.x_val, problem.y_val),
            epochs=e.epochs, batch_size=e.batch_size or len(problem.x), **arguments,
        )  # fmt: skip

    @cached_property
    def error(self):
        """Validation error: mean squared error, or fraction of wrong predictions."""
        return self.problem.error(self.predictions)

    @cached_property
    def skill(self):
        """0 is no better than a constant, 1 is all there is to learn."""
        return skill(self.error, self.problem)

    @property
    def learned(self):
        """Whether the skill is at least 0.95."""
        return bool(self.skill >= LEARNED)

    @property
    def verdict(self):
        """One sentence in plain words."""
        if self.diverged_at is not None:
            return f"It diverged: from epoch {self.diverged_at + 1} on the loss is no longer a number."
        if nothing_to_learn(self.problem):
            return "There is nothing to learn: the best prediction known from these inputs is hardly better than the baseline."
        constant = "the mean" if self.problem.task == "regression" else "the most frequent class"
        if self.learned:
            return f"It learned: {self.skill:.0%} of what there is to learn."
        if self.skill > 0.05:
            share = int(round(100 * self.skill, 6))  # not rounded up: 94.6% is not 95%
            return f"It did not learn enough: {share}% of what there is to learn, and {LEARNED:.0%} counts as learned."
        if self.skill > -0.05:
            return f"It learned nothing: always predicting {constant} is as good."
        return f"It is worse than a constant: always predicting {constant} has a smaller error."


@dataclass(frozen=True, eq=False)
class SeedStudy:
    """The same experiment with many seeds.

    seeds: (seeds,). loss, val_loss: (seeds, epochs). gradient_norm, update_ratio: (seeds, epochs, layers).
    dead, saturated: (seeds, epochs, hidden layers). error, skill, learned: (seeds,).
    baseline, noise_floor: (seeds,), each seed's own data. weights: (seeds, parameters).
    epochs_run: (seeds,), how many epochs each trained; after that its values stay as they were in its best epoch.
    done: the fraction of the work that is done.
    """

    experiment: Experiment
    seeds: np.ndarray
    loss: np.ndarray
    val_loss: np.ndarray
    gradient_norm: np.ndarray
    update_ratio: np.ndarray
    dead: np.ndarray
    saturated: np.ndarray
    error: np.ndarray
    skill: np.ndarray
    baseline: np.ndarray
    noise_floor: np.ndarray
    epochs_run: np.ndarray
    weights: np.ndarray = field(repr=False)
    done: float = 1.0

    @staticmethod
    def joined(parts, done):
        """One study of the seeds of several, of which the last may have fewer epochs so far."""
        epochs = min(part.loss.shape[1] for part in parts)
        joined = {}
        for item in fields(SeedStudy):
            values = [getattr(part, item.name) for part in parts]
            if item.name in PER_EPOCH:
                values = [value[:, :epochs] for value in values]
            joined[item.name] = np.concatenate(values) if isinstance(values[0], np.ndarray) else values[0]
        return SeedStudy(**joined | {"done": done})

    @property
    def learned(self):
        """(seeds,) bool: whether each skill is at least 0.95."""
        return self.skill >= LEARNED

    @property
    def success_rate(self):
        """Fraction of the seeds that learned."""
        return float(self.learned.mean())

    @cached_property
    def interval(self):
        """95% interval of the success rate (Wilson 1927): (low, high)."""
        return wilson(int(self.learned.sum()), len(self.learned))

    @property
    def verdict(self):
        """One sentence in plain words."""
        low, high = self.interval
        return (
            f"Learned in {self.learned.sum()} of {len(self.learned)} ({low:.0%} to {high:.0%} with 95% confidence); "
            f"median skill {two_digits(np.median(self.skill))}."
        )
