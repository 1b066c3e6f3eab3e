"""The smallest rescue: from a setting that fails, the smallest change of one control that makes it learn.

`smallest_rescue(experiment)` tries changes of one field at a time, the small ones first, each over the same seeds. It never
touches the data: another problem, fewer samples or less noise would be another task.

A change is small if it leaves the network, the optimizer and the work as they are; such changes are quick, too. Among them,
and among the others, those that move the slider fewer steps are smaller.
"""

import dataclasses
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from .experiments.experiment import FIELDS, Experiment, check_experiment, value_text
from .experiments.jobs import graph_key
from .experiments.models import all_steps, output_activation
from .experiments.problems import make_problem
from .experiments.run import SeedStudy, nothing_to_learn
from .experiments.training import checked_seeds, stream, stream_seeds

RESCUE_SEEDS = 20
ENOUGH = 0.8  # success rate with which the search ends, after the other changes of the same size
RESCUED = 0.5  # success rate from which on the best change counts as a rescue, and no large ones are tried
FARTHEST = 5  # slider positions that a number may move
SWITCH = 2  # the size of another name, or of switching something off: as far as two steps of a slider
CHANGEABLE = tuple(name for name, spec in FIELDS.items() if spec.group != "Data")
# Where a regularizer is off, switching it on with a usual strength; where it is on, off is a switch, too.
USUAL = {"l1": (1e-4, 1e-3), "l2": (1e-3, 1e-2), "dropout": (0.1, 0.3), "early_stopping": (30,)}
NO_CURE = {"zeros", "random_normal"}  # initializers that stand in the catalog to do harm


@dataclass(frozen=True, eq=False)
class ChangeTrial:
    """One change that was tried: `field` from `old` to `new`, its size, and what the seeds made of it.

    size: (whether it needs another network, optimizer or more than twice the steps, steps of the slider).
    """

    field: str
    old: object
    new: object
    size: tuple
    study: SeedStudy

    @property
    def words(self):
        """The change in words: "learning rate 0.001 → 0.01"."""
        return f"{FIELDS[self.field].label} {value_text(self.old)} → {value_text(self.new)}"

    @property
    def experiment(self):
        """The experiment with the change made."""
        return self.study.experiment

    @property
    def rate(self):
        """Success rate over the seeds, 0 to 1."""
        return self.study.success_rate


class Change(NamedTuple):
    """One change that can be tried; its size as in `ChangeTrial`."""

    size: tuple
    field: str
    value: object


@dataclass(frozen=True, eq=False)
class Rescue:
    """What the search found, so far or at its end.

    experiment: the failing settings. study: its `SeedStudy`; None before it is there.
    trials: every `ChangeTrial` so far. now: the change that is being tried, in words. done: share of the work, 0 to 1.
    finished: whether the search has come to its end.
    before, after: the failing and the rescued `Run`, from one seed; None until the end, and where nothing rescues.
    """

    experiment: Experiment
    study: SeedStudy | None = None
    trials: tuple = ()
    now: str = ""
    done: float = 0.0
    finished: bool = False
    before: object = None
    after: object = None

    @property
    def ranked(self):
        """The changes that lift the success rate for sure, best first; of those that the seeds cannot tell apart, the smallest."""
        lifted = [t for t in self.trials if self.study and t.study.interval[0] > self.study.interval[1]]
        if not lifted:
            return []
        best = max(t.study.interval[0] for t in lifted)
        return sorted(lifted, key=lambda t: (t.study.interval[1] < best, t.size, -t.rate))

    @property
    def best(self):
        """The first of `ranked`, or the trial with the highest success rate; None if there is none."""
        return next(iter(self.ranked), max(self.trials, key=lambda t: t.rate, default=None))

    @property
    def rescued(self):
        """The `ChangeTrial` that rescues: at least half of the seeds learn, and more of them than before for sure; or None."""
        best = next(iter(self.ranked), None)
        return best if best and best.rate >= RESCUED else None

    @property
    def same_weights(self):
        """Whether both runs start from the same weights, not only from the same seed: the networks have equal shapes."""
        shapes = [[w.shape for w in run.weights] for run in (self.before, self.after)]
        return shapes[0] == shapes[1] and self.before.experiment.initializer == self.after.experiment.initializer

    @property
    def text(self):
        """What was found, in words, with what is shown next to the rescued run."""
        if self.rescued is None or not self.finished:
            return self.result
        seed = self.before.experiment.seed
        start = f"from the same initial weights (seed {seed})" if self.same_weights else f"with the same seed ({seed})"
        return f"{self.result} Next to it: the failing run, {start}."

    @property
    def result(self):
        """What was found, in words."""
        if not self.finished:
            return f"Trying {self.now or 'the settings as they are'}."
        if self.study is None:
            return "There is nothing to learn from these inputs: no change can help."
        seeds = len(self.study.seeds)
        was = f"{self.study.learned.sum()} of {seeds}"
        if not self.trials:
            return f"Nothing to rescue: {was} seeds learn with these settings. Try another seed."
        best, tried = self.best, f"{len(self.trials)} change{'s' * (len(self.trials) != 1)} tried"
        told = f"{best.words}: {best.study.learned.sum()} of {seeds} seeds learn, where {was} did"
        if self.rescued is None:
            return f"No single change that was tried rescues these settings ({tried}). The best: {told}. They may need two changes."
        return f"Rescued by {told} ({tried})."


def changes(experiment):
    """All the single changes that are tried, each a `Change`, by size."""
    found, graph = [], graph_key(experiment, RESCUE_SEEDS, False)
    for field in CHANGEABLE:
        for steps, value in _values(experiment, field):
            if changed := possible(experiment, **{field: value}):
                large = graph_key(changed, RESCUE_SEEDS, False) != graph or all_steps(changed) > 2 * all_steps(
                    experiment
                )
                found.append(Change((large, steps), field, value))
    return sorted(found, key=lambda change: change.size)


def possible(experiment, **changes):
    """The experiment with some fields changed, or None if the new values cannot be combined with the others."""
    try:
        changed = experiment.replace(**changes)
        make_problem(changed)
    except ValueError:
        return None
    return changed


def _values(experiment, field):
    """The values that are tried in a field, with their sizes; none where a change can make no difference."""
    here = getattr(experiment, field)
    complete = not experiment.missing and not experiment.source.own
    if not experiment.uses(field) or (field == "imputation" and complete):
        return []
    if FIELDS[field].choices:
        own = output_activation(experiment.replace(output_activation="auto"))
        useless = NO_CURE | ({own} if here == "auto" else set())
        return [(SWITCH, value) for value in experiment.choices(field) if value != here and value not in useless]
    values = experiment.slider_values(field)
    place = values.index(here)
    sizes = {value: abs(i - place) for i, value in enumerate(values) if 0 < abs(i - place) <= FARTHEST}
    if field in USUAL and not here:
        sizes = dict.fromkeys(USUAL[field], SWITCH)
    elif field in USUAL:
        sizes[0] = min(SWITCH, sizes.get(0, SWITCH))
    return [(size, value) for value, size in sizes.items()]


def search(experiment, seeds=None, *, seconds=0.1):
    """Look for the smallest rescue; yields the `Rescue` so far about every `seconds`, the last one is finished.

    To drop the search, stop asking. Arguments as for `smallest_rescue`.
    """
    check_experiment(experiment, "smallest_rescue")
    given = RESCUE_SEEDS if seeds is None else seeds
    seeds = checked_seeds(given)
    if not hasattr(given, "__iter__"):
        seeds = [experiment.seed, *(seed for seed in seeds if seed != experiment.seed)][: len(seeds)]
    found = Rescue(experiment)
    if nothing_to_learn(make_problem(experiment)):
        yield dataclasses.replace(found, done=1.0, finished=True)
        return

    def study_of(experiment):
        return stream_seeds(experiment, seeds, seconds=seconds, probes=False, within_epochs=True)

    def run_of(experiment, seed):
        return stream(experiment.replace(seed=seed), seconds=seconds, within_epochs=True)

    study = yield from _last(study_of(experiment), found)
    found = dataclasses.replace(found, study=study)
    todo = changes(experiment) if study.success_rate < ENOUGH else []
    for (large, _), tier in groupby(todo, key=lambda change: change.size):
        if found.rescued and (large or found.rescued.rate >= ENOUGH):
            break
        for size, field, value in tier:
            number = len(found.trials)
            words = f"{FIELDS[field].label} {value_text(value)}, change {number + 1} of at most {len(todo)}"
            found = dataclasses.replace(found, done=number / len(todo), now=words)
            changed = experiment.replace(**{field: value})
            study = yield from _last(study_of(changed), found)
            trial = ChangeTrial(field, getattr(experiment, field), value, size, study)
            found = dataclasses.replace(found, trials=(*found.trials, trial))
    found = dataclasses.replace(found, done=1.0)
    if best := found.rescued:
        # From the seed of the setting, if it fails and is rescued there.
        seed = int(best.study.seeds[best.study.learned & ~found.study.learned][0])
        before = yield from _last(run_of(experiment, seed), found)
        after = yield from _last(run_of(best.experiment, seed), found)
        found = dataclasses.replace(found, before=before, after=after)
    yield dataclasses.replace(found, finished=True)


def _last(stream, found):
    """Yields `found` for as long as a stream goes on; returns the last that came from it."""
    last = None
    for item in stream:
        last = item
        yield found
    return last


def smallest_rescue(experiment, seeds=None):
    """The smallest change of one field that makes a failing setting learn: a finished `Rescue`.

    Changes are tried by size: a number moves along its slider, a name or a switch counts as two steps of it. The
    search ends with the size at which, after a change, at least 80% of the seeds learn. Another network, another optimizer or
    more than twice the steps are tried only where no smaller change makes half of them learn. Problem, samples and noise stay.

    Args:
        experiment: the failing setting.
        seeds: how many, the setting's own among them, 20 if None; or a sequence of whole numbers.

    >>> found = smallest_rescue(Experiment(learning_rate=0.00001))
    >>> found.text, found.rescued.experiment, found.before.skill, found.after.skill
    """
    *_, found = search(experiment, seeds, seconds=None)
    return found
