"""Trying fixes: within a budget, the most plausible cause first, each change judged by several seeds."""

from dataclasses import dataclass, replace

import numpy as np

from .fixes import Fix, fixes_for
from .measure import training_of
from .network import linear_layers
from .symptoms import NOTHING, hypotheses
from .trial_runner import TrialResult, look

HEALTHY = 0.85  # of the attainable skill: from here on a network has no fault
MANY_SEEDS = 12  # from which a network is trained that learns from some of a few
LEAST_LIFT = 0.1  # of skill, for a fix to count
LARGE_GAP = 0.3  # of skill, between training and validation samples: what is missing then may be overfitting
PASSABLE = 0.65  # of the attainable skill: from here on a network has a fault only if one is plain, and its fix works
PASSABLE_IF_FITS = 0.6  # the same of a network that fits its training samples
SELDOM = 0.2  # fraction of the seeds that may fail
LEAST_PLAUSIBILITY = 0.12  # for a cause's fix to be tried
LEAST_TIME = 0.05  # of the budget, to begin something new
ACTIVATION_CAUSES = ("vanishing_gradient", "dead_relu", "saturated_activation")


@dataclass(frozen=True, eq=False)
class FixTrial:
    """A fix that was tried on a variant.

    before, after: (seeds,) skill. plausibility: of its cause. later: whether something else had been fixed before.
    """

    fix: Fix
    cause: str
    plausibility: float
    outcome: TrialResult
    before: np.ndarray
    after: np.ndarray
    attainable_skill: float
    later: bool = False

    @property
    def learned(self):
        """How many seeds learn: (before, after)."""
        return tuple(int((skill >= HEALTHY * self.attainable_skill).sum()) for skill in (self.before, self.after))

    @property
    def steadies(self):
        """Whether it learns from far more seeds, and from nearly all, where there are enough to tell."""
        (before, after), seeds = self.learned, len(self.before)
        return seeds >= MANY_SEEDS and after >= 0.85 * seeds and after - before >= seeds / 5

    @property
    def gain(self):
        """What it brought, as a fraction of what was missing, 0 to 1."""
        middle = np.mean if self.steadies else np.median
        before, after = (max(0.0, float(middle(skill))) for skill in (self.before, self.after))
        return float(np.clip((after - before) / max(self.attainable_skill - before, 1e-6), 0, 1))

    @property
    def works(self):
        """Whether it lifts the skill beyond doubt: by much, and by more than seeds differ."""
        before, after = np.sort(np.maximum(self.before, 0)), np.sort(np.maximum(self.after, 0))
        lift = np.median(after) - np.median(before)
        enough = max(LEAST_LIFT, 0.3 * (self.attainable_skill - np.median(before)))
        if self.steadies:
            return True
        return bool(lift >= enough and after[1 if len(after) > 2 else 0] > before[-2 if len(before) > 2 else -1])

    @property
    def harms(self):
        """Whether the skill is clearly lower with it."""
        before, after = (float(np.median(np.maximum(skill, 0))) for skill in (self.before, self.after))
        return after < before - LEAST_LIFT

    @property
    def score(self):
        """How well the cause is proved: plausibility and gain together."""
        return self.plausibility * (0.25 + 0.75 * self.gain)


@dataclass(frozen=True)
class Judge:
    """What counts as learned. attainable_skill: what can be learned. margin: how far off a skill over few samples may be."""

    attainable_skill: float
    margin: float

    def scores(self, outcome):
        """The skill of each seed, on validation samples where there are any, as far as these can be trusted."""
        train, held = outcome.train[-1], outcome.held[-1]
        return np.where(np.isnan(held), train, np.minimum(train, held + self.margin))

    def trial(self, fix, cause, plausibility, before, after, later=False):
        """The `FixTrial` of a fix. before, after: `TrialResult`s without it and with it."""
        scores = self.scores(before), self.scores(after)
        return FixTrial(fix, cause, plausibility, after, *scores, self.attainable_skill, later)

    def skill(self, outcome):
        """The median of the seeds."""
        return float(np.median(self.scores(outcome)))

    def fits(self, outcome):
        """Whether it learns its training samples."""
        return bool(np.mean(np.maximum(outcome.train[-1], 0)) >= HEALTHY * self.attainable_skill)

    def failed(self, outcome):
        """The fraction of the seeds that clearly do not learn."""
        least = PASSABLE_IF_FITS if self.fits(outcome) else PASSABLE
        return float(np.mean(self.scores(outcome) < least * self.attainable_skill))

    def is_well(self, outcome):
        """Whether nothing is to be fixed. What falls short on validation samples only has to fall short by much."""
        if self.attainable_skill < NOTHING or (len(outcome.train[-1]) >= MANY_SEEDS and self.failed(outcome) > SELDOM):
            return False
        # The mean, not the median: a network that fails from every third seed has a fault.
        skill = float(np.mean(np.maximum(self.scores(outcome), 0)))
        fits = self.fits(outcome)
        missing = self.attainable_skill - skill
        gap = float(np.median(outcome.train[-1]) - np.median(outcome.held[-1]))  # NaN without validation samples
        if gap > LARGE_GAP and missing > max(0.15, 0.25 * self.attainable_skill):
            return False
        least = (PASSABLE_IF_FITS if fits else HEALTHY) * self.attainable_skill
        return bool(missing < (0.25 if fits else LEAST_LIFT) or skill >= least)


class Search:
    """Trains variants with a `TrialRunner` and keeps what was tried.

    trials: every `FixTrial`. doing: in words, what is being tried. out_of_time: whether something could not be tried.
    """

    def __init__(self, runner, budget):
        self.runner, self.budget = runner, budget
        self.trials, self.doing, self.out_of_time = [], "", False

    @property
    def in_time(self):
        """Whether there is time left."""
        return self.runner.left > 0

    def run(self, variant, fraction, doing, slow=np.inf):
        """The `TrialResult` of a variant, in at most a fraction of the budget; slow: the same, as `TrialRunner.run` takes it."""
        self.doing = doing
        return self.runner.run(variant, fraction * self.budget, slow * self.budget)

    def attempt(self, variant, fraction, doing):
        """The same, or None if there is no time for it."""
        if not self.runner.can_begin(variant.program, LEAST_TIME * self.budget):
            self.out_of_time = True
            return None
        return self.run(variant, fraction, doing)

    def compare(self, words, cause, before, after, judge, always=True):
        """The `FixTrial` of a change that was made without a choice, kept among the trials (if it works, or `always`)."""
        trial = judge.trial(Fix("", cause, words, None), cause, 1.0, before, after)
        if (always or trial.works) and all(known.outcome is not after for known in self.trials):
            self.trials.append(trial)
        return trial

    def round(self, variant, outcome, judge, done, later):
        """Try fixes on a variant, the most plausible cause first, until no other could come out better.

        done: names of fixes that were made already. Returns (trials, queue): what was tried, and what there was to try, as
        pairs of a `Symptom` and a `Fix`, the most plausible first.
        """
        queue = self._queue(variant, outcome, judge, done)
        trials, best = [], 0.0
        for symptom, fix in queue:
            if symptom.plausibility < best:
                break
            after = self.attempt(fix.apply(variant), 0.15, fix.words)
            if after is None:
                break
            fix = replace(fix, evidence=symptom.evidence)
            trial = judge.trial(fix, symptom.cause, symptom.plausibility, outcome, after, later)
            trials.append(trial)
            self.trials.append(trial)
            if trial.works:
                best = max(best, trial.score)
        return trials, queue

    def _queue(self, variant, outcome, judge, done):
        loop = self.runner.loop(variant)
        scores = judge.scores(outcome)
        first = look(loop, variant, loop.first_state(variant.program, self.runner.seeds), 0)
        last = look(loop, variant, outcome.state, int(np.argsort(scores)[len(scores) // 2]))
        plausible = hypotheses(training_of(variant, outcome, first, last, judge.attainable_skill))
        linear = bool(linear_layers(variant.program.layers))
        queue = []
        for fix in fixes_for(variant, outcome):
            if fix.cause == "too_few_epochs" and outcome.steps < outcome.planned:  # it was not seen to its end
                continue
            symptom = _symptom_for(fix, plausible, linear)
            if fix.name not in done and symptom is not None and symptom.plausibility >= LEAST_PLAUSIBILITY:
                queue.append((symptom, fix))
        return sorted(queue, key=lambda pair: (-pair[0].plausibility, pair[1].size))


def _symptom_for(fix, plausible, linear):
    """The symptom whose cause a fix would prove; another activation may prove several: too little capacity if all is `linear`."""
    if fix.cause != "activation":
        return plausible.get(fix.cause)
    causes = (*ACTIVATION_CAUSES, "capacity_too_low") if linear else ACTIVATION_CAUSES
    found = [plausible[cause] for cause in causes if cause in plausible]
    return max(found, key=lambda symptom: symptom.plausibility, default=None)
