"""Trains a grid of settings with the engine and keeps what a page shows of each of them.

All seeds of a setting are trained at once. Settings that differ in the epochs only are one training, looked at on its way.
"""

from dataclasses import dataclass

import numpy as np

from helpers.experiments.experiment import Experiment
from helpers.experiments.jobs import graph_key
from helpers.experiments.models import steps_per_epoch, weight_shapes
from helpers.experiments.problems import make_problem
from helpers.experiments.run import LEARNED, Run, skill
from helpers.experiments.symptoms import findings
from helpers.experiments.training import chunks as chunks_of_training
from helpers.experiments.training import split_weights
from helpers.lab import plots

GRID_SEEDS = 10
CURVE_POINTS = 48  # of a loss by epoch
FIT_POINTS = {"curve": 49, "surface": 20}  # of a line; of each side of a surface
IN_CHUNK = 30  # trainings: what an interruption costs, and what one process does before it takes the next
WORTH_COMPILING = (
    8000  # steps of a chunk from which on XLA, which takes about two seconds to compile, saves more than that
)
NUMBERS = ("learned", "quartile1", "median", "quartile3", "skill", "loss", "val_loss", "ran")


@dataclass(frozen=True)
class Training:
    """One population of networks, and what is looked at on its way.

    experiment: what they share; its seed and epochs are not used. ends: after how many epochs they are looked at.
    seeds: what the statistics are made of. shown: the seeds whose own run is shown, too.
    """

    experiment: Experiment
    ends: tuple
    seeds: tuple
    shown: tuple

    @property
    def members(self):
        """All seeds that are trained."""
        return [*self.seeds, *(seed for seed in self.shown if seed not in self.seeds)]

    def wanted(self):
        """The settings that come out of it, as pairs of an experiment and its place in the results."""
        return [self.experiment.replace(epochs=end, seed=seed) for end in self.ends for seed in self.shown]

    def steps(self):
        """How many steps of an optimizer it takes, over all networks."""
        return len(self.members) * self.steps_of_each()

    def steps_of_each(self):
        """How many steps each network takes."""
        return max(self.ends) * steps_per_epoch(self.experiment)


def trainings(experiments, seeds=GRID_SEEDS):
    """The trainings whose results hold all these experiments."""
    groups = {}
    for e in experiments:
        # A schedule knows when training ends: such settings cannot be looked at on the way of a longer one.
        ends = 1 if e.schedule == "constant" else e.epochs
        group = groups.setdefault(e.replace(epochs=ends, seed=0), (set(), set()))
        group[0].add(e.epochs)
        group[1].add(e.seed)
    return [
        Training(e, tuple(sorted(ends)), tuple(range(seeds)), tuple(sorted(shown)))
        for e, (ends, shown) in groups.items()
    ]


def chunks(all_trainings):
    """Trainings of the same graph together, at most `IN_CHUNK` in a chunk."""
    by_graph = {}
    for t in all_trainings:
        by_graph.setdefault(graph_key(t.experiment, len(t.members)), []).append(t)
    return [group[i : i + IN_CHUNK] for group in by_graph.values() for i in range(0, len(group), IN_CHUNK)]


def compiles(chunk):
    """Whether XLA pays for a chunk. Never with dropout: it would switch off other units."""
    return not chunk[0].experiment.dropout and sum(t.steps_of_each() for t in chunk) >= WORTH_COMPILING


def results(chunk):
    """What the pages show of every setting of a chunk, in the order of its trainings' `wanted`: a list of dicts."""
    compiled = compiles(chunk)
    return [kept for training in chunk for kept in _results(training, compiled)]


# --- one training ----------------------------------------------------------------------------------------------------------


def _on_the_way(training, compiled):
    """Train; yields (epochs, chunk) at each of the ends, the `Chunk` with predictions for the validation points and the picture's."""
    whole = training.experiment.replace(epochs=max(training.ends))
    ends = list(training.ends)
    for chunk in chunks_of_training(
        whole,
        training.members,
        many=True,
        jit_compile=compiled,
        show=lambda problem: np.concatenate([problem.x_val, _inputs_shown(problem)]),
        ends=ends,
    ):
        # Where all networks have stopped early, one chunk is the end of all that is left.
        while ends and ends[0] <= len(chunk.traces["loss"]):
            yield ends.pop(0), chunk


def points_shown(problem):
    """Raw inputs at which the picture of the fit needs answers: a line of them, or a square."""
    kind = plots.kind_of_fit(problem)
    if kind not in FIT_POINTS:
        raise ValueError(
            f"A page without a kernel cannot draw the fit of {problem.name!r} ({kind}); it draws "
            f"{' and '.join(FIT_POINTS)}: problems with one or two numeric inputs and two classes at most."
        )
    fine, count = plots.show_points(problem), FIT_POINTS[kind]
    axes = [np.linspace(low, high, count) for low, high in zip(fine.min(axis=0), fine.max(axis=0), strict=True)]
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes)], axis=1)


def _inputs_shown(problem):
    return problem.scaled(points_shown(problem))


def _results(training, compiled):
    problems = [make_problem(training.experiment.replace(seed=seed)) for seed in training.members]
    found = []
    for end, chunk in _on_the_way(training, compiled):
        count = len(problems[0].x_val)
        skills = np.array([skill(p.error(a[:count]), p) for p, a in zip(problems, chunk.shown, strict=True)])
        for seed in training.shown:
            i = training.members.index(seed)
            run = Run(
                experiment=training.experiment.replace(epochs=end, seed=seed),
                problem=problems[i],
                weights=split_weights(chunk.weights[i], weight_shapes(training.experiment)),
                predictions=chunk.shown[i, :count],
                shown=chunk.shown[i, count:],
                finished=True,
                **{name: trace[: min(end, chunk.ran[i]), i] for name, trace in chunk.traces.items()},
            )
            found.append(_kept(run, skills[: len(training.seeds)]))
    return found


def _kept(run, skills):
    """What is kept of a run, and of the skills of all seeds."""
    # Where some diverged, a quartile may lie between a number and -inf.
    quartiles = np.quantile(skills, [0.25, 0.5, 0.75], method="inverted_cdf" if np.isinf(skills).any() else "linear")
    at = sampled(len(run.loss))
    curves = np.stack([trace[at] for trace in (run.loss, run.val_loss)])
    curves = np.pad(curves, [(0, 0), (0, CURVE_POINTS - len(at))], constant_values=np.nan)
    text = run.verdict
    causes = findings(run)
    if causes:
        text += f" Likely cause: {causes[0]}"
    last = (float(trace[-1]) for trace in (run.loss, run.val_loss))
    return {
        "numbers": np.array([(skills >= LEARNED).sum(), *quartiles, run.skill, *last, len(run.loss)], "float32"),
        "skills": skills.astype("float32"),
        "curves": curves.astype("float32"),
        "fit": run.shown[:, 0].astype("float32"),
        "layers": np.stack([run.gradient_norm[-1], *(np.append(t[-1], np.nan) for t in (run.dead, run.saturated))]),
        "text": text,
    }


def sampled(epochs):
    """The epochs (0 is the first) of which a curve of so many epochs is kept: (≤ CURVE_POINTS,) whole numbers."""
    return np.unique(np.round(np.linspace(0, epochs - 1, min(epochs, CURVE_POINTS))).astype(int))
