"""`diagnose`: why a Keras model does not learn, with a repair that has been tried.

Three sources of evidence, the cheapest first: what model and data are (evidence.py), what training does (hypotheses.py), and
experiments: short trainings with one thing changed (fixes.py, trial_runner.py). What is suspected most is tried first; a cause
stands first if its own remedy, alone, lifts the skill over several seeds.
"""

import time
import warnings
from dataclasses import dataclass, field, replace

import keras
import numpy as np

from ..engine.cache import quick_start
from ..program import WHOLE_KERNELS, program_of, random_state_kept, refusal
from . import report as card
from .causes import CAUSES
from .evidence import WORST, data_of, from_logits, loss_name, mismatches, other_layers, output_stage, reach_in_order
from .findings import Finding
from .fixes import Fix, Variant, filled, fixed_output_and_loss, fixes_for, plain_network
from .hypotheses import hypotheses
from .trial_runner import SEEDS, TrialResult, TrialRunner, look

ENOUGH = 0.85  # of what can be learned: from here on a network is not ill
PASSABLE = 0.7  # from here on it is ill only if a remedy works whose cause is PLAIN, suspected this much
PLAIN = 0.8
LEAST_LIFT = 0.1  # of skill, for a remedy to count
NOTHING = 0.1  # where nothing learns more than this of held-out points, there is nothing to be learned
ROUNDS = 4  # of mending one thing after the other
LEAST_SUSPICION = 0.12
LEAST_TIME = 0.05  # of the budget, to begin something new
COLUMNS_LOOKED_AT = 64
NEVER_A_NUMBER = "A column that never varies becomes NaN when it is divided by its standard deviation of 0."
ACTIVATION_CAUSES = ("vanishing_gradient", "dead_relu", "saturated_activation", "capacity_too_low")


def _first_known(x):
    """The first number of each column, or 0."""
    rows = np.isfinite(x).argmax(axis=0)
    return np.nan_to_num(x[rows, np.arange(x.shape[1])], posinf=0.0, neginf=0.0)


@dataclass(frozen=True, eq=False)
class FixTrial:
    """A remedy that was tried on a variant.

    before, after: (seeds,) skill. weight: how strong its cause is suspected. later: whether something else had been fixed.
    """

    remedy: Fix
    cause: str
    weight: float
    outcome: TrialResult
    before: np.ndarray
    after: np.ndarray
    goal: float
    later: bool = False

    @property
    def gain(self):
        """What it brought, as a share of what was missing, 0 to 1."""
        before, after = (max(0.0, float(np.median(skill))) for skill in (self.before, self.after))
        return float(np.clip((after - before) / max(self.goal - before, 1e-6), 0, 1))

    @property
    def works(self):
        """Whether it lifts the skill beyond doubt: by much, and by more than seeds differ."""
        before, after = np.sort(np.maximum(self.before, 0)), np.sort(np.maximum(self.after, 0))
        lift = np.median(after) - np.median(before)
        enough = max(LEAST_LIFT, 0.3 * (self.goal - np.median(before)))
        return bool(lift >= enough and after[1 if len(after) > 2 else 0] > before[-2 if len(before) > 2 else -1])

    @property
    def score(self):
        """How well the cause is proved: suspicion and gain together."""
        return self.weight * (0.25 + 0.75 * self.gain)


@dataclass(eq=False)
class Diagnosis:
    """What `diagnose` found. findings: the most likely cause first; empty if the network is healthy.

    healthy: None if the budget was over before that could be told; then the findings, if any, are only suspicions.
    skill: of the network as it is, the median of some seeds, 0 for a constant and 1 for perfect. goal: what can be learned.
    trials: what was tried. notes: what could not be tried. seeds: how many for each trial. seconds: how long it took.
    """

    healthy: bool | None
    findings: list
    skill: float
    goal: float
    trials: list = field(repr=False)
    notes: list
    seeds: int
    seconds: float

    @property
    def causes(self):
        """The causes, the most likely first."""
        return [finding.cause for finding in self.findings]

    def __str__(self):
        return card.text(self)

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": card.text(self), "text/html": card.page(self)}


def diagnose(
    model, x=None, y=None, *, validation_data=None, epochs=100, batch_size=32, budget=30.0, seeds=SEEDS, tell=None,
    clock=time.perf_counter,
):  # fmt: skip
    """Find out why a Keras model does not learn, try the repair, and return a `Diagnosis`.

    The model, its weights, its optimizer and the data are left as they are.

    Args:
        model: a compiled `keras.Model` with one input and one output.
        x: (points, …) numbers, an array or a DataFrame. y: (points,) or (points, outputs), or one-hot or integer labels.
        validation_data: (x, y) to judge by; if None, a quarter of the points is kept back, if there are 40 or more.
        epochs, batch_size: what the model is trained with.
        budget: seconds. An interrupted or expired search answers from what it has tried.
        seeds: how many times each trial is trained.
        tell: called with (share of the budget that is spent, what is being tried); if None, a progress bar in a notebook.
        clock: gives the seconds that the budget is counted in.

    ValueError if the model is not compiled, has several inputs or outputs or a training step of its own, or if x and y are
    empty, not numbers or of different lengths.
    """
    _check(model, x, y, epochs, batch_size, budget, seeds)
    with random_state_kept(), quick_start(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Keras warns of is told as a finding
        return _Examination(model, x, y, validation_data, epochs, batch_size, budget, seeds, tell, clock).diagnosis()


def _check(model, x, y, epochs, batch_size, budget, seeds):
    if not isinstance(model, keras.Model):
        raise ValueError(f"diagnose takes a keras.Model, not {type(model).__name__}.")
    if getattr(model, "optimizer", None) is None or all(loss is None for loss in keras.tree.flatten(model.loss)):
        raise ValueError("The model is not compiled: call model.compile(optimizer=…, loss=…) first.")
    for name in ("train_step", "compute_loss"):
        if not getattr(type(model), name).__module__.startswith("keras."):
            raise ValueError(
                f"The model has its own {name}, which diagnose cannot follow: it trains by the compiled loss."
            )
    if not model.built:
        raise ValueError(
            "The model has no weights yet: start it with keras.Input((inputs,)), or call it on a batch once."
        )
    if not model.trainable_variables:
        raise ValueError("The model has no trainable weights: set trainable = True for the layers that are to learn.")
    if x is None or y is None:
        raise ValueError("Give the data that it is trained on: diagnose(model, x, y, epochs=…, batch_size=…).")
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("seeds", seeds)):
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{name}={value!r} is not a whole number from 1 on.")
    if not budget > 0:
        raise ValueError(f"budget={budget!r} is not a number of seconds above 0.")


class _Examination:
    """One call of `diagnose`, from the first look to the findings."""

    def __init__(self, model, x, y, validation_data, epochs, batch_size, budget, seeds, tell, clock):
        self.clock, self.began, self.budget, self.tell = clock, clock(), budget, tell or card.progress()
        self.data = data_of(model, x, y, validation_data)
        self.raw = x, y
        self.program = program_of(model, epochs, batch_size, self.data.loss)
        self.what = "the network as it is"
        self.bench = TrialRunner(self.data.given, self.began + budget, seeds, self._tell, clock)
        self.findings, self.trials, self.notes = [], [], []
        self.skill, self.goal = np.nan, np.nan
        self.healthy = False
        self.cut = False  # whether there was no time to train the network as it is, or to see what can be learned
        self.short = False  # whether there was no time to try something
        self.certain = False  # whether something is wrong with data, output or loss, however it is trained
        kind = self.program.optimizer["class_name"].lower()
        if kind in WHOLE_KERNELS or not self.program.optimizer_can_be_copied():
            rate = Variant(self.program, self.data).learning_rate
            self.program = self.program.with_optimizer("adam", rate)
            self.notes.append(f"Copies of a network cannot share {kind}: adam with the same rate stands in for it.")
        held = len(self.data.x) - self.data.points
        self.margin = 1 / np.sqrt(held) if held else 0.0  # by how much a skill over so few points may be off

    def _tell(self):
        self.tell(min(1.0, (self.clock() - self.began) / self.budget), self.what)

    def diagnosis(self):
        try:
            self._examine()
        except KeyboardInterrupt:
            self.notes.append(f"Interrupted while trying {self.what}.")
        if self.bench.left <= 0 or self.short:
            self.notes.append(f"The {self.budget:g} seconds were over before the end of: {self.what.rstrip('.')}.")
        findings, seen = [], set()
        for finding in self.findings:
            if finding.cause not in seen:
                findings.append(finding)
                seen.add(finding.cause)
        self.tell(1.0, "done")
        proved = self.certain or any(finding.verified for finding in findings)
        if not self.healthy and (not findings or (self.cut and not proved)):
            self.healthy = None
        seconds = self.clock() - self.began
        return Diagnosis(
            self.healthy, findings, self.skill, self.goal, self.trials, self.notes, len(self.bench.seeds), seconds
        )  # fmt: skip

    # --- the order of things -------------------------------------------------------------------------------------------

    def _examine(self):
        variant = Variant(self.program, self.data)
        if self.program.model is not None:
            self.notes.append(
                "Its layers cannot be taken apart (only those of Sequential and functional models can, if Keras can make them "
                "again from their configuration), so they were left."
            )
        elif others := other_layers(self.program.layers):
            self.notes.append(
                f"Layers of the kind {', '.join(others)} were trained, but not looked into and not changed."
            )
        if not self._data_can_be_learned():
            self.certain = True
            return
        holes = not np.isfinite(self.data.flat).all()
        outcome = self._run(variant, 0.6)
        self.cut = not outcome.error and outcome.steps < outcome.planned
        if outcome.error and not refusal(self.program, self.data):
            raise ValueError(f"diagnose trains copies of a model side by side, and this one cannot be: {outcome.error}")
        self.goal = self._goal()
        self.skill = self._skill(outcome)
        if self.data.has_held_out:  # what it has learned can be learned
            own = float(np.median(outcome.held[-1]))
            self.goal = own if own > self.goal + LEAST_LIFT else self.goal
        if not holes and not outcome.error and self._is_well(outcome) and not self._much_more_is_possible(variant):
            self.healthy = True
            return
        if holes:
            variant, outcome = self._holes(variant, outcome)
            if self._is_well(outcome):
                return
        variant, outcome = self._contract(variant, outcome)
        self.certain = bool(self.findings)
        if self.goal < NOTHING:
            self._nothing_to_learn()
            self.certain = True
            return
        self._mend(variant, outcome)
        if self.skill >= PASSABLE * self.goal and not self._is_beyond_doubt():
            self.findings, self.healthy = [], True
        elif not self.findings and self.bench.left > 0:
            self._unexplained()

    def _is_beyond_doubt(self):
        """Whether a network that learns most of it has something that is plainly wrong, and not just room to be better."""
        return any(trial.works and trial.weight >= PLAIN for trial in self.trials)

    def _data_can_be_learned(self):
        """Look at the targets: whether there is anything in them. Else it is said what is wrong."""
        data = self.data
        y = data.table[: data.points]
        if not np.isfinite(data.table).all():
            bad = float((~np.isfinite(data.table)).any(axis=1).mean())
            self._found("missing_values", f"{bad:.1%} of the targets are not numbers.", "Leave these points out.")
            return False
        if (y == y[0]).all():
            self._found(
                "label_or_data_bug",
                f"All {len(y)} targets are the same ({y[0, 0]:g}).",
                "Look where the targets get lost.",
            )
            return False
        x = data.flat[: data.points]
        known = np.isfinite(x)
        if not known.all() and not (known & (x != _first_known(x))).any():
            self._found(
                "missing_values",
                f"No input varies, and {(~known).any(axis=0).mean():.0%} of them are not numbers.",
                f"Look where the inputs get lost. {NEVER_A_NUMBER}",
            )
            return False
        if (x == x[0]).all():
            self._found("label_or_data_bug", "All points have the same inputs.", "Look where the inputs get lost.")
            return False
        if data.ceiling < 0.5:
            self._found(
                "label_or_data_bug",
                f"Points with equal inputs have different targets: no answer can reach a skill above {data.ceiling:.2f}.",
                "Look for inputs that tell these points apart, or for labels that are wrong.",
            )
            return False
        return True

    def _goal(self):
        """What can be learned, as far as it can be told without the network."""
        if not self.data.has_held_out:
            return self.data.ceiling
        reach = self.data.reach(self._in_time)
        if np.isnan(reach):
            self.cut = True
            return self.data.ceiling
        return min(reach, 1.0)

    def _in_time(self):
        return self.bench.left > 0

    def _much_more_is_possible(self, variant):
        """Whether a plain network learns far more, where the models of `Data.reach` have learned little."""
        if self.goal > 0.8 or not self.data.has_held_out:
            return False
        self.what = "a plain network"
        outcome = self._try(plain_network(variant), 0.2)
        if outcome is not None and self._skill(outcome) > self.skill + 0.25:
            self.goal = self._skill(outcome)
            return True
        return False

    def _holes(self, variant, before):
        known = np.isfinite(self.data.flat)
        empty = np.flatnonzero(~known.any(axis=0))
        self.what = "missing values filled in"
        fixed = variant.having(data=filled(self.data))
        after = self._try(fixed, 0.25)
        told = f"{(~known).any(axis=1).mean():.1%} of the points have inputs that are not numbers. "
        if len(empty):
            told = f"Input {empty[0] + 1} is a number for no point. "
        self._found(
            "missing_values", told + "One of them makes every weight NaN in the first step.",
            f"Leave it out. {NEVER_A_NUMBER}" if len(empty) else "Fill them in (SimpleImputer), or leave these points out.",
            before, after, fixed,
        )  # fmt: skip
        self.data = fixed.data
        self.goal = self._goal()
        return fixed, after or before

    def _nothing_to_learn(self):
        shift, reach = reach_in_order(*self.raw, self.data.task, in_time=self._in_time)
        if shift:
            self._found(
                "label_or_data_bug",
                f"The inputs tell nothing of their own targets, but with the targets moved by {shift} rows they do "
                f"(a skill of {reach:.2f}).",
                "Join inputs and targets anew, row by row.", verified=True,
            )  # fmt: skip
            return
        told = f"A line, a smooth curve and a crowd of trees learn next to nothing of it (a skill of {max(self.goal, 0):.2f})."
        causes = [
            ("label_or_data_bug", told, "Check that each target belongs to its row: print ten of them, look at them."),
            ("nothing_to_learn", told, "Look for other inputs; no network will find it in these."),
        ]
        for cause in causes if not self._looks_like_noise() else causes[::-1]:
            self._found(*cause)

    def _looks_like_noise(self):
        """Whether the targets look like noise about 0, as returns do, and the inputs not like something that was measured."""
        if self.data.task != "regression":
            return False
        x, y = self.data.flat[: self.data.points], self.data.table[: self.data.points, 0]
        z = (y - y.mean()) / max(y.std(), 1e-12)
        noise = abs(y.mean()) < 0.3 * y.std() and abs(np.mean(z**3)) < 0.7 and len(np.unique(y)) > len(y) / 2
        x = x[:, x.std(axis=0) > 0][:, :COLUMNS_LOOKED_AT]
        related = np.abs(np.corrcoef(x, rowvar=False) - np.eye(x.shape[1])).max() if x.shape[1] > 1 else 0.0
        steps = min((len(np.unique(column)) for column in x.T), default=0)
        return bool(noise and related < 0.7 and steps > 12)

    def _contract(self, variant, outcome):
        """Where output, loss and targets cannot work together, mend that first."""
        output, loss = output_stage(self.program.layers), self.program.loss
        broken = mismatches(output, loss_name(loss), from_logits(loss), self.data) if output is not None else []
        broken = [mismatch for mismatch in broken if mismatch.strong or outcome.error]
        if outcome.error and not broken:
            self._found("loss_mismatch", f"It cannot be trained: {outcome.error}", "Make output, loss and targets fit.")
            return variant, outcome
        if not broken:
            return variant, outcome
        words, fixed = fixed_output_and_loss(variant)
        self.what = "output and loss that fit the targets"
        after = self._try(fixed, 0.3)
        for mismatch in broken:
            self._found(mismatch.cause, mismatch.evidence, words, outcome, after, fixed)
        return fixed, after or outcome

    def _mend(self, variant, outcome):
        """Change one thing after the other, the best first, until the variant is well."""
        rivals, tried = [], set()
        for _ in range(ROUNDS):
            if self._is_well(outcome) or self.bench.left <= 0 or outcome.error:
                break
            trials, queue = self._round(variant, outcome, tried)
            if queue and not trials and not self.findings:
                hypothesis, remedy = queue[0]
                self._found(hypothesis.cause, hypothesis.evidence, remedy.words)
            works = sorted((t for t in trials if t.works), key=lambda t: -t.score)
            best = works[0] if works else max(trials, key=lambda t: t.weight, default=None)
            if best is None:
                break
            self._trial_found(best)
            rivals += works[1:] if works else [t for t in trials if t is not best and t.weight > 0.6]
            tried.add(best.remedy.name)
            variant, outcome = best.remedy.apply(variant), best.outcome
        for trial in sorted(rivals, key=lambda t: -t.score):
            self._trial_found(trial)
        self._cures(variant, outcome)

    def _round(self, variant, outcome, tried):
        """Try fixes on a variant, the strongest suspicion first, until no other could come out better.

        Returns the trials, and what there was to try: (hypothesis, remedy), the strongest suspicion first.
        """
        loop = self.bench.loop(variant.program)
        before = self._scores(outcome)
        first = look(loop, variant, loop.first_state(variant.program, self.bench.seeds), 0)
        last = look(loop, variant, outcome.state, int(np.argsort(before)[len(before) // 2]))
        suspected = hypotheses(variant, outcome, first, last, self.goal)
        queue = []
        for remedy in fixes_for(variant, outcome):
            hypothesis = self._suspect(remedy, suspected)
            if remedy.name not in tried and hypothesis is not None and hypothesis.weight >= LEAST_SUSPICION:
                queue.append((hypothesis, remedy))
        queue.sort(key=lambda pair: (-pair[0].weight, pair[1].size))
        trials, best = [], 0.0
        for hypothesis, remedy in queue:
            if hypothesis.weight < best:
                break
            self.what = remedy.words
            after = self._try(remedy.apply(variant), 0.15)
            if after is None:
                break
            trial = FixTrial(
                replace(remedy, evidence=hypothesis.evidence), hypothesis.cause, hypothesis.weight, after, before,
                self._scores(after), self.goal, bool(self.findings),
            )  # fmt: skip
            trials.append(trial)
            self.trials.append(trial)
            if trial.works:
                best = max(best, trial.score)
        return trials, queue

    def _suspect(self, remedy, suspected):
        """The hypothesis that a remedy would prove."""
        if remedy.cause != "activation":
            return suspected.get(remedy.cause)
        bends = [suspected[cause] for cause in ACTIVATION_CAUSES if cause in suspected]
        return max(bends, key=lambda hypothesis: hypothesis.weight, default=None)

    # --- running and judging -------------------------------------------------------------------------------------------

    def _run(self, variant, share):
        return self.bench.run(variant, share * self.budget)

    def _try(self, variant, share):
        """The outcome of a variant, or None if there is no time for it."""
        if not self.bench.can_begin(variant.program, LEAST_TIME * self.budget):
            self.short = True
            return None
        return self._run(variant, share)

    def _scores(self, outcome):
        """The skill of each seed: on points that it has not seen, where there are any, as far as these can be trusted."""
        train, held = outcome.train[-1], outcome.held[-1]
        return np.where(np.isnan(held), train, np.minimum(train, held + self.margin))

    def _skill(self, outcome):
        return float(np.median(self._scores(outcome)))

    def _is_well(self, outcome):
        """Whether nothing is to be fixed. What falls short on new points only has to fall short by much."""
        if self.goal < NOTHING:
            return False
        # The mean, not the median: a network that fails from every third seed is ill.
        skill = float(np.mean(np.maximum(self._scores(outcome), 0)))
        fits = np.mean(np.maximum(outcome.train[-1], 0)) >= ENOUGH * self.goal
        missing = self.goal - skill
        return bool(missing < (0.25 if fits else LEAST_LIFT) or skill >= (0.6 if fits else ENOUGH) * self.goal)

    # --- findings ------------------------------------------------------------------------------------------------------

    def _found(self, cause, evidence, remedy, before=None, after=None, variant=None, verified=False):
        if after is not None:
            words = Fix("", cause, remedy, None)
            trial = FixTrial(words, cause, 1.0, after, self._scores(before), self._scores(after), self.goal)
            verified = trial.works
            if all(known.outcome is not after for known in self.trials):
                self.trials.append(trial)
        explanation, lesson = CAUSES[cause]
        before, after = (None if after is None else self._skill(o) for o in (before, after))
        cure = None if after is None else variant
        self.findings.append(Finding(cause, evidence, remedy, lesson, explanation, verified, before, after, cure))

    def _trial_found(self, trial):
        explanation, lesson = CAUSES[trial.cause]
        before, after = float(np.median(trial.before)), float(np.median(trial.after))
        self.findings.append(
            Finding(
                trial.cause, trial.remedy.evidence, trial.remedy.words, lesson, explanation, trial.works, before, after,
                trial.outcome.variant,
            )
        )  # fmt: skip

    def _cures(self, variant, outcome):
        """Where the first remedy alone is not enough, its cure is everything that was fixed together."""
        if self.findings and not (self.findings[0].after or WORST) >= ENOUGH * self.goal and self._is_well(outcome):
            self.findings[0] = replace(self.findings[0], cure=variant, verified=True)

    def _unexplained(self):
        told = (
            f"Nothing that was tried lifts its skill of {max(self.skill, WORST):.2f}; {self.goal:.2f} can be learned."
        )
        self._found("capacity_too_low", told, "Try more units and layers, then other inputs.")
