"""`Run` → pictures: one persistent matplotlib figure for each lab, redrawn panel by panel, and the style of all figures.

A panel draws what stays (axes, points, labels) once, and keeps those pixels. For each frame only what moves is drawn on top
of them, which takes milliseconds where a whole figure takes hundreds.
"""

import io
from dataclasses import dataclass
from functools import cached_property

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter
from PIL import Image

from why_wont_it_learn.diagnosis.symptoms import two_digits
from why_wont_it_learn.pictures import SCREEN, ink, palette, pushed_apart, style, surface

from ..experiments.problems import make_problem
from ..experiments.run import LEARNED

CLASSES = ("network", "saturated", "floor", "pinned", "dead", "points")  # colours of the classes, in turn
PICTURES = ("fit", "loss", "gradients", "units")
TYPE = 9  # points, which are 12 pixels of a page: the smallest letters
NARROWEST = 280  # pixels of a panel
LEFT, BOTTOM, TOP = 0.66, 0.48, 0.3  # inches around the axes of a panel, for labels
CURVE_POINTS = 161
SURFACE_POINTS = 41
DRAWN_POINTS = 1000
DRAWN_EPOCHS = 300  # of each curve of many seeds


@dataclass(frozen=True, eq=False)
class Scene:
    """What one frame shows.

    run: the present Run, or None. study: the present SeedStudy, which then takes the place of the run, or None.
    pinned: a finished Run or SeedStudy kept for comparison, or None.
    """

    run: object = None
    study: object = None
    pinned: object = None

    @property
    def shown(self):
        """The run or the study."""
        return self.study or self.run

    @property
    def both(self):
        """What is shown and what is pinned."""
        return [self.shown, self.pinned] if self.pinned else [self.shown]

    @cached_property
    def problem(self):
        """The data of the run; of a study, those of the experiment's own seed."""
        return make_problem(self.study.experiment) if self.study else self.run.problem

    @property
    def diverged(self):
        """Whether there is one run, and its loss is no longer a number."""
        return self.study is None and self.run.diverged_at is not None


def kind_of_fit(problem):
    """How a fit is pictured: "curve", "surface", "regions" (of classes), "scatter" or "answers" (of a classifier)."""
    inputs = problem.raw_x.shape[1] if problem.raw_x.dtype.kind in "fiub" else "names"
    if problem.task == "multiclass":
        return "regions" if inputs == 2 else "answers"
    if inputs != "names" and _along(problem) is not None:
        return "curve"
    return {1: "curve", 2: "surface"}.get(inputs, "scatter" if problem.task == "regression" else "answers")


def _along(problem):
    """The number of the input along which a curve is drawn, or None."""
    own = problem.source.own
    return 0 if problem.raw_x.shape[1] == 1 else own and own.along


def show_points(problem):
    """Where a picture of the fit needs predictions: raw inputs (n, features), or None where it needs none.

    They span the validation inputs, so that an outlier among the training inputs does not squash the picture.
    """
    kind = kind_of_fit(problem)
    if kind == "curve":
        along = _along(problem)
        known = [column[~np.isnan(column)] for column in problem.raw_x.T]
        points = np.tile([np.median(column) if len(column) else 0.0 for column in known], (CURVE_POINTS, 1))
        points[:, along] = np.linspace(*_range(problem.raw_x_val[:, along]), CURVE_POINTS)
        return points
    if kind in ("surface", "regions"):
        axes = [np.linspace(*_range(column), SURFACE_POINTS) for column in problem.raw_x_val.T]
        return np.stack([a.ravel() for a in np.meshgrid(*axes)], axis=1)
    return None


def shown_inputs(experiment):
    """Inputs, as the network sees them, whose predictions a picture of the fit needs; None if those for validation do."""
    problem = make_problem(experiment)
    points = show_points(problem)
    return None if points is None else problem.scaled(points)


def drawn(problem):
    """Which of the training points are drawn: (points,) rows, evenly taken where there are very many."""
    return np.arange(0, len(problem.y), -(-len(problem.y) // DRAWN_POINTS))


def _range(values, margin=0.06):
    """The lowest and the highest finite value, with some room."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    room = margin * (high - low) or 1.0
    return low - room, high + room


def median_of_seeds(values):
    """The median of the seeds (the first axis); a seed that diverged counts as the worst."""
    return np.median(np.where(np.isnan(values), np.inf, values), axis=0)


def number(value):
    """Three digits at most, as a person would say it."""
    if not np.isfinite(value):
        return "not a number" if np.isnan(value) else "infinite"
    return f"{float(f'{value:.3g}'):g}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.0e}"


def short_skill(skill):
    """A skill with two digits."""
    return two_digits(skill) if skill > -10 else "far below 0"


class Panel:
    """One picture of the figure.

    `key` tells what stays the same between frames; `begin` draws it; `update` moves the rest and returns the artists
    to be drawn, the title among them.
    """

    right = 0.16  # inches of room next to the axes
    diverged = "not a number"  # what the panel says when the run has diverged

    def __init__(self, axes, colors):
        self.axes = axes
        self.colors = colors
        self.inks = {name: ink(color, self.colors["paper"]) for name, color in self.colors.items() if name != "paper"}
        self.background = None
        self.drawn = None

    @property
    def narrow(self):
        """Whether there is room for few labels only."""
        return self.axes.bbox.width / self.axes.figure.dpi < 2.4

    def log_scale(self, low, high):
        """A logarithmic y axis with short numbers: matplotlib's own, such as 6 × 10⁻¹, reach into the next panel."""
        short = FuncFormatter(
            lambda value, _: number(value).replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
        )
        self.axes.set(yscale="log", ylim=(low, high))
        self.axes.yaxis.set_major_formatter(short)
        self.axes.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))  # more labels would stand on each other
        self.axes.yaxis.set_minor_formatter(short if high < 12 * low else NullFormatter())

    def moving(self, artist):
        """Mark an artist as one that is redrawn in every frame."""
        artist.set_animated(True)
        return artist

    def line(self, *args, **kwargs):
        return self.moving(self.axes.plot([], [], *args, **kwargs)[0])

    def words(self, x, y, text, color, **kwargs):
        """A label in the colour of what it names; x and y as shares of the axes unless `transform` says otherwise."""
        where = {"transform": self.axes.transAxes, "fontsize": TYPE, "va": "center"} | kwargs
        return self.axes.text(x, y, text, color=self.inks[color], **where)

    def named(self, x, y):
        """Names next to the axes, taken literally: a dollar sign begins no formula."""
        self.axes.set_xlabel(x, parse_math=False)
        self.axes.set_ylabel(y, parse_math=False)

    def titled(self, text):
        """The title, above the whole panel."""
        self.title.set_text(text)
        return self.title

    def draw(self, canvas, scene, box, blank):
        """Draw the panel onto the canvas, from its kept pixels where they still hold."""
        key = self.key(scene)
        if key == self.drawn:
            canvas.restore_region(self.background)
        else:
            self._begin(scene)
            canvas.restore_region(blank)
            self.axes.draw(canvas.get_renderer())
            self.background = canvas.copy_from_bbox(box)
            self.drawn = key
        for artist in self.update(scene):
            self.axes.draw_artist(artist)
        if scene.diverged:
            self.axes.draw_artist(self.note)

    def _begin(self, scene):
        self.axes.clear()
        self.axes.set_axis_on()
        place = {"xycoords": "axes fraction", "xytext": (-72 * LEFT + 4, 6), "textcoords": "offset points"}
        self.title = self.moving(self.axes.annotate("", (0, 1), **place, weight="bold", fontsize=TYPE))
        frame = {"facecolor": self.colors["paper"], "edgecolor": self.colors["dead"], "boxstyle": "round,pad=0.5"}
        count = max(3, min(9, int(self.axes.bbox.width / self.axes.figure.dpi / 0.5)))  # so few that they stand apart
        self.axes.xaxis.set_major_locator(MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]))
        self.note = self.moving(self.words(0.5, 0.5, self.diverged, "dead", ha="center", weight="bold", bbox=frame))
        self.begin(scene)


class Fit(Panel):
    """The data and what the network makes of them; for a study, the skill of every seed."""

    diverged = "no predictions:\nno weight is a number"

    def key(self, scene):
        data = len(scene.study.seeds) if scene.study else id(scene.run.problem)
        return bool(scene.study), data, id(scene.pinned)

    def begin(self, scene):
        self.kind = "study" if scene.study else kind_of_fit(scene.problem)
        # A pinned run can stand on the same axes if it is of the same problem, a study next to a study.
        pinned = scene.pinned
        if pinned and not scene.study:
            same = hasattr(pinned, "problem") and pinned.problem.source is scene.problem.source
            pinned = pinned if same and kind_of_fit(pinned.problem) == self.kind else None
        getattr(self, f"begin_{self.kind}")(scene.shown, pinned)

    def update(self, scene):
        moved = getattr(self, f"update_{self.kind}")(scene.shown)
        if scene.study:
            low, high = scene.study.interval
            count = f"{scene.study.learned.sum()} of {len(scene.study.seeds)}"
            return [*moved, self.titled(f"Learned in {count} ({100 * low:.0f}–{high:.0%})")]
        title = f"Fit: skill {short_skill(scene.run.skill)}" + (", learned" if scene.run.learned else "")
        title = "Fit: none, it diverged" if scene.diverged else title
        if hasattr(scene.pinned, "problem"):
            title += f" (pinned {short_skill(scene.pinned.skill)})"
        return [*moved, self.titled(title)]

    # --- one input ---------------------------------------------------------------------------------------------------

    def begin_curve(self, run, pinned):
        axes, problem = self.axes, run.problem
        source = problem.source
        along = _along(problem)
        x = show_points(problem)[:, along]
        rows, dots = drawn(problem), {"ms": 3.5, "alpha": 0.75, "mew": 0}
        axes.plot(
            problem.raw_x[rows, along], problem.y[rows], "o", color=self.colors["points"], label="samples", **dots
        )
        if problem.truth:
            axes.plot(x, problem.truth(x[:, None]), "--", lw=1.2, color=self.colors["truth"], label="true function")
        problems = [problem]
        if pinned:
            problems.append(pinned.problem)
            pinned_x = show_points(pinned.problem)[:, along]
            axes.plot(pinned_x, pinned.shown[:, 0], lw=1.8, color=self.colors["pinned"], label="pinned")
        self.fit = self.line(lw=2.4, color=self.colors["network"], label="network")
        xs = np.concatenate([show_points(p)[:, along] for p in problems])
        low, high = _range(np.concatenate([y for p in problems for y in (p.y, p.y_val)]), 0.1)
        columns = max(1, int(axes.bbox.width / axes.figure.dpi / 1.05))
        lines = -(-len(axes.lines) // columns)  # of the legend, which stands above the data
        axes.set(xlim=(xs.min(), xs.max()), ylim=(low, high + 0.16 * lines * (high - low)))
        others = ", all else at its median" if len(source.features) > 1 else ""
        self.named(source.features[along] + others, source.target)
        axes.legend(
            loc="upper right", ncols=columns, fontsize=TYPE, handlelength=1.2, columnspacing=0.9, borderaxespad=0.1
        )
        self.x = x

    def update_curve(self, run):
        self.fit.set_data(self.x, run.shown[:, 0])
        return [self.fit]

    # --- two inputs --------------------------------------------------------------------------------------------------

    def begin_surface(self, run, pinned):
        problem = run.problem
        low, high = _range(problem.y, 0.0) if problem.task == "regression" else (0.0, 1.0)
        self.to_color = mpl.cm.ScalarMappable(mpl.colors.Normalize(low, high), surface(self.colors))
        level = pinned and pinned.shown[:, 0]
        self._begin_plane(problem, self.to_color.to_rgba(problem.y[:, 0]), level, [(low + high) / 2])

    def update_surface(self, run):
        answers = np.nan_to_num(run.shown[:, 0], nan=np.mean(self.to_color.get_clim()))
        return self._updated_plane(self.to_color.to_rgba(answers)[:, :3])

    def begin_regions(self, run, pinned):
        problem = run.problem
        classes = problem.y[:, 0].astype(int)
        count = run.predictions.shape[1]
        self.class_colors = np.array([to_rgb(self.colors[CLASSES[c % len(CLASSES)]]) for c in range(count)])
        level = pinned and pinned.shown.argmax(axis=1).astype(float)
        self._begin_plane(problem, self.class_colors[classes], level, np.arange(count - 1) + 0.5)

    def update_regions(self, run):
        return self._updated_plane(np.clip(np.nan_to_num(run.shown) @ self.class_colors, 0, 1))

    def _begin_plane(self, problem, colors, pinned, levels):
        """The points among their answers, and the boundary that a pinned run draws."""
        axes, x = self.axes, show_points(problem)
        source = problem.source
        extent = (x[:, 0].min(), x[:, 0].max(), x[:, 1].min(), x[:, 1].max())
        blank = np.zeros((SURFACE_POINTS, SURFACE_POINTS, 3))
        self.image = self.moving(
            axes.imshow(blank, origin="lower", extent=extent, aspect="auto", alpha=0.7, interpolation="bilinear")
        )
        # Points are few when they are the four corners, many when they are a cloud.
        size = 90 if len(np.unique(problem.raw_x, axis=0)) <= 8 else 16
        shown = drawn(problem)
        points = axes.scatter(
            *problem.raw_x[shown].T, c=colors[shown], s=size, edgecolors=self.colors["truth"], linewidths=0.6
        )
        self.points = [self.moving(points)]
        if pinned is not None and np.ptp(pinned) > 0:  # False for what is not finite
            grid = (a.reshape(SURFACE_POINTS, SURFACE_POINTS) for a in (*x.T, pinned))
            self.points.append(
                self.moving(axes.contour(*grid, levels=levels, colors=self.colors["pinned"], linewidths=2))
            )
        axes.grid(False)
        axes.set(xlim=extent[:2], ylim=extent[2:])
        self.named(*source.features)

    def _updated_plane(self, colors):
        self.image.set_data(colors.reshape(SURFACE_POINTS, SURFACE_POINTS, 3))
        return [self.image, *self.points]

    # --- many inputs -------------------------------------------------------------------------------------------------

    def begin_scatter(self, run, pinned):
        target = run.problem.source.target
        limits = _range(run.problem.y_val, 0.08)
        self.edges = _range(run.problem.y_val, 0.05)  # where predictions stand that are beyond them
        self.axes.plot(limits, limits, "--", lw=1.2, color=self.colors["truth"])
        self.axes.set(xlim=limits, ylim=limits)
        self.named(f"true {target}", f"predicted {target}")
        if pinned:
            self._dots("pinned", ms=3).set(data=self._predicted(pinned), animated=False)
        self.dots = self._dots("network")

    def _predicted(self, run):
        return run.problem.y_val[:, 0], np.clip(run.predictions[:, 0], *self.edges)

    def _dots(self, color, ms=4):
        return self.line("o", ms=ms, color=self.colors[color], alpha=0.6, mew=0)

    def update_scatter(self, run):
        self.dots.set_data(*self._predicted(run))
        return [self.dots]

    def begin_answers(self, run, pinned):
        target = run.problem.source.target
        classes = np.unique(run.problem.y_val).astype(int)
        self.axes.axhline(0.5, color=self.colors["baseline"], lw=1.2, ls=":")
        self.axes.set(xlim=(classes.min() - 0.5, classes.max() + 0.5), ylim=(-0.03, 1.03))
        self.named(f"true {target}", "probability of the right one")
        own = run.problem.source.own
        names = own.classes if own and len(own.classes) <= 4 else range(max(classes) + 1)
        self.axes.set_xticks(classes, [str(names[c])[:12] for c in classes], parse_math=False)
        self.axes.grid(False, axis="x")
        if pinned:
            x, probability, _ = right_answers(pinned)
            self._dots("pinned", ms=3).set(data=(x, probability), animated=False)
        self.hits, self.misses = self._dots("network"), self._dots("dead")

    def update_answers(self, run):
        x, probability, right = right_answers(run)
        self.hits.set_data(x[right], probability[right])
        self.misses.set_data(x[~right], probability[~right])
        return [self.hits, self.misses]

    # --- many seeds --------------------------------------------------------------------------------------------------

    def begin_study(self, study, pinned):
        axes = self.axes
        for level, name, color, ls in ((LEARNED, "learned", "floor", "-"), (0, "baseline", "baseline", ":")):
            axes.axhline(level, color=self.colors[color], lw=1.2, ls=ls)
            self.words(0.01, level + 0.14, name, color, transform=axes.get_yaxis_transform())
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.55, 1.2), xlabel="seeds, from the worst to the best", ylabel="skill")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        if pinned:
            axes.plot(*_sorted_skills(pinned), "D", ms=3.5, color=self.colors["pinned"], mew=0)
        self.dots = self.line("o", ms=4, color=self.colors["network"], mew=0)

    def update_study(self, study):
        self.dots.set_data(*_sorted_skills(study))
        return [self.dots]


def _sorted_skills(shown):
    """(rank from 0 to 1, skill) of the seeds of a study; a level line for one run."""
    skills = np.clip(np.sort(np.ravel(shown.skill)), -0.5, None)
    skills = np.repeat(skills, 2) if len(skills) == 1 else skills
    return np.linspace(0, 1, len(skills)), skills


def right_answers(run):
    """Of each validation point of a classifier: its class with some jitter, the probability that the network gives to
    that class, and whether the answer is right. Each (n_val,)."""
    p, classes = run.predictions, run.problem.y_val[:, 0].astype(int)
    if p.shape[1] == 1:
        p = np.hstack([1 - p, p])
    probability = p[np.arange(len(p)), classes]
    jitter = np.random.default_rng(0).uniform(-0.3, 0.3, len(p))
    return classes + jitter, probability, p.argmax(axis=1) == classes


class Loss(Panel):
    """Training and validation loss by epoch on a logarithmic axis, with the baseline and the noise floor."""

    right = 0.86
    diverged = "diverged"
    step = 3.0  # the limits of the axis are powers of it, so that they rarely change while the curve falls

    def key(self, scene):
        return self._epochs(scene), self._limits(scene), id(scene.problem), id(scene.pinned), bool(scene.study)

    def _epochs(self, scene):
        return max(shown.experiment.epochs for shown in scene.both)

    def _levels(self, scene):
        """(loss, what has it, colour) of the lines that stay; zero has no place on the axis."""
        problem = scene.problem
        truth = "noise floor" if problem.truth else "reference"
        levels = [(problem.loss_of_constant, "baseline", "baseline"), (problem.loss_of_truth, truth, "floor")]
        return [level for level in levels if level[0] > 0]

    def _limits(self, scene):
        levels = [level for level, *_ in self._levels(scene)]
        values = np.concatenate([levels, *(np.ravel(curve) for s in scene.both for curve in (s.loss, s.val_loss))])
        values = values[np.isfinite(values) & (values > 0)]
        if not len(values):
            return 0.1, 1.0
        middle = levels[0] if levels else values[0]
        low, high = max(values.min(), middle * 1e-7), min(values.max(), middle * 1e8)
        low, high = np.log([low * 0.8, high * 1.1]) / np.log(self.step)
        return self.step ** np.floor(low), self.step ** np.ceil(high)

    def begin(self, scene):
        axes = self.axes
        self.limits = self._limits(scene)
        self.log_scale(*self.limits)
        axes.set(xlim=(0, self._epochs(scene)), xlabel="epoch", ylabel="loss")
        axes.xaxis.set_major_locator(MaxNLocator(3 if self.narrow else 5, integer=True))
        for (level, _, color), ls in zip(self._levels(scene), (":", "--"), strict=False):
            axes.axhline(level, color=self.colors[color], lw=1.3, ls=ls)
        if scene.pinned:
            axes.plot(*self._curve(scene.pinned.val_loss), lw=1.6, color=self.colors["pinned"])
        if scene.study:
            alpha = np.clip(12 / len(scene.study.seeds), 0.15, 0.6)
            self.faint = LineCollection([], linewidths=0.7, colors=self.colors["network"], alpha=alpha)
            axes.add_collection(self.moving(self.faint), autolim=False)
        self.train = self.line(lw=1.2, color=self.colors["training"])
        self.val = self.line(lw=2.2, color=self.colors["network"])
        self.end = self.line("o", ms=4, color=self.colors["network"], mew=0)
        self.stopped = self.line(lw=1, ls=(0, (2, 2)), color=self.colors["network"])
        place = {"transform": axes.get_yaxis_transform(), "clip_on": False}
        right = 1 + 0.09 * axes.figure.dpi / axes.bbox.width  # 0.09 inches from the axes
        self.labels = [self.moving(self.words(right, 0, "", "text", **place)) for _ in range(5)]

    def _curve(self, loss):
        """Epochs and losses, of many seeds the median."""
        loss = median_of_seeds(loss) if loss.ndim == 2 else loss
        return np.arange(1, len(loss) + 1), loss

    def update(self, scene):
        shown, run, study = scene.shown, scene.run, scene.study
        epochs, val = self._curve(shown.val_loss)
        self.val.set_data(epochs, val)
        self.end.set_data(epochs[-1:], val[-1:])
        labels = self._levels(scene)
        if scene.pinned:
            labels.append((last_finite(self._curve(scene.pinned.val_loss)[1]), "pinned", "pinned"))
        if study:
            every = -(-len(epochs) // DRAWN_EPOCHS)
            self.faint.set_segments([np.column_stack([epochs, curve])[::every] for curve in study.val_loss])
            labels.append((last_finite(val), "median", "network"))
            below, title = [self.faint], f"Median loss {number(val[-1])}"
        else:
            self.train.set_data(epochs, run.loss)
            labels += [(last_finite(run.loss), "training", "training"), (last_finite(val), "validation", "network")]
            early = run.finished and len(epochs) < run.experiment.epochs
            self.stopped.set_data(*([epochs[-1:].repeat(2), self.limits] if early else ([], [])))
            below = [self.train, self.stopped]
            title = f"Validation loss {number(val[-1])}" + (f", stopped at {len(epochs)}" if early else "")
        if scene.diverged:
            title = f"Loss: diverged in epoch {run.diverged_at + 1}"
        return [*below, self.val, self.end, *self._placed(labels), self.titled(title)]

    def _placed(self, labels):
        """The labels right of the axis, at the height of what they name, but apart from each other."""
        labels = sorted(labels, key=lambda label: label[0])
        low, high = np.log(self.limits)
        apart = 12 / 72 * self.axes.figure.dpi / self.axes.bbox.height
        heights = np.array([(np.log(np.clip(value, *self.limits)) - low) / (high - low) for value, *_ in labels])
        heights = pushed_apart(heights, apart)
        for text, height, (_, name, color) in zip(self.labels, heights, labels, strict=False):
            text.set(text=name, color=self.inks[color], y=np.exp(low + height * (high - low)))
        return self.labels[: len(labels)]


def last_finite(curve):
    """The last finite value of a loss, for its label."""
    finite = curve[np.isfinite(curve) & (curve > 0)]
    return finite[-1] if len(finite) else np.inf


class Layers(Panel):
    """A picture with one place on the x axis for each layer."""

    trace = ""  # the field of a Run with a value for each layer

    def counts(self, scene):
        return [getattr(shown, self.trace).shape[-1] for shown in scene.both]

    def values(self, shown, epoch, trace=None):
        """The values of an epoch, of many seeds the median: (layers,)."""
        values = getattr(shown, trace or self.trace)
        return median_of_seeds(values[:, epoch]) if values.ndim == 3 else values[epoch]

    def stems(self, color, offset=0.0):
        """A point on a stem for each layer, to be moved with `moved`."""
        bars = self.moving(self.axes.vlines([], [], [], color=self.colors[color], lw=5, alpha=0.35))
        dots = self.line("o", ms=6, color=self.colors[color], mew=0, clip_on=False)  # whole, also at the edge
        return bars, dots, offset

    def moved(self, stems, values, low):
        bars, dots, offset = stems
        x = np.arange(len(values)) + offset
        bars.set_segments([[(a, low), (a, v)] for a, v in zip(x, values, strict=True)])
        dots.set_data(x, values)
        return [bars, dots]

    def pin(self, values, offset=0.0):
        self.axes.plot(np.arange(len(values)) + offset, values, "D", ms=5, color=self.colors["pinned"], mew=0)

    def ticks(self, names):
        every = -(-len(names) // 12)
        self.axes.set_xticks(range(len(names))[::every], names[::every])
        self.axes.grid(False, axis="x")
        self.axes.set(xlim=(-0.6, len(names) - 0.4))


class Gradients(Layers):
    """How long the gradient of each layer is, at the end of the first epoch and now."""

    trace = "gradient_norm"
    diverged = "no gradients left"

    def _limits(self, scene):
        values = np.concatenate([self.values(shown, epoch) for shown in scene.both for epoch in (0, -1)])
        values = np.clip(values[np.isfinite(values) & (values > 0)], 1e-12, 1e6)
        if not len(values):
            return 1e-6, 1.0
        return 10 ** np.floor(np.log10(values.min()) - 0.3), 10 ** np.ceil(np.log10(values.max()) + 0.2)

    def key(self, scene):
        return self._limits(scene), *self.counts(scene), id(scene.pinned)

    def begin(self, scene):
        self.low, high = self._limits(scene)
        counts = self.counts(scene)
        names = [str(layer + 1) for layer in range(max(counts))]
        if len(set(counts)) == 1:
            names[-1] = "out"
        self.ticks(names)
        self.log_scale(self.low, high)
        self.axes.set_ylabel("gradient norm")
        self.axes.set_xlabel("layer from the input (○ first epoch)")
        if scene.pinned:
            self.pin(self.values(scene.pinned, -1))
        self.first = self.line("o", ms=6, mfc=self.colors["paper"], mec=self.colors["faint"], mew=1.2, clip_on=False)
        self.now = self.stems("network")

    def update(self, scene):
        first, now = (np.clip(self.values(scene.shown, epoch), self.low, None) for epoch in (0, -1))
        self.first.set_data(range(len(first)), first)
        values = self.values(scene.shown, -1)
        title = "Gradient by layer" if values.any() else "Gradient: 0 in every layer"  # which has no place on the axis
        if len(values) > 2 and values[-2] and np.isfinite(values).all():
            title = f"Gradient: first/last = {number(values[0] / values[-2])}"
        return [*self.moved(self.now, now, self.low), self.first, self.titled(title)]


class Units(Layers):
    """The share of dead and of saturated units in each hidden layer."""

    trace = "dead"
    diverged = "no working units left"
    sides = (("dead", -0.12), ("saturated", 0.12))

    def key(self, scene):
        return *self.counts(scene), id(scene.pinned)

    def begin(self, scene):
        layers = max(self.counts(scene))
        if not layers:
            self.axes.set_axis_off()
            self.words(0.5, 0.5, "no hidden layer", "faint", ha="center")
            return
        self.ticks([str(layer + 1) for layer in range(layers)])
        # The names stand above the highest bar.
        self.axes.set(ylim=(-0.02, 1.18), yticks=np.linspace(0, 1, 6))
        self.axes.set(ylabel="fraction of units", xlabel="hidden layer, from the input")
        self.axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        self.stemmed, self.names = {}, []
        for (name, offset), (x, side) in zip(self.sides, ((0.01, "left"), (0.99, "right")), strict=True):
            if scene.pinned:
                self.pin(self.values(scene.pinned, -1, name), offset)
            self.stemmed[name] = self.stems(name, offset)
            self.names.append(self.moving(self.words(x, 0.94, name, name, ha=side, weight="bold")))

    def update(self, scene):
        if not max(self.counts(scene)):
            return [self.titled("Units")]
        values = {name: self._share(scene.shown, name) for name, _ in self.sides}
        artists = [a for name in values for a in self.moved(self.stemmed[name], values[name], 0.0)]
        title = "Units"
        if not scene.diverged and len(values["dead"]):
            dead, saturated = (values[name].mean() for name in ("dead", "saturated"))
            # Where an activation can saturate, a dead unit is a saturated one that is flat for every sample.
            if dead and saturated:
                title = f"Units: {saturated:.0%} saturated, {dead:.0%} also dead"
            else:
                title = f"Units: {dead:.0%} dead, {saturated:.0%} saturated"
        return [*artists, *self.names, self.titled(title)]

    def _share(self, shown, name):
        """The share in each hidden layer at the end, of many seeds the mean: (hidden layers,)."""
        values = getattr(shown, name)
        return values[:, -1].mean(axis=0) if values.ndim == 3 else values[-1]


PANELS = {"fit": Fit, "loss": Loss, "gradients": Gradients, "units": Units}


def grid(count, width):
    """Where the panels of a figure are, in rows from the top: [[(left, width)]], in pixels.

    Two in a row where none gets narrower than NARROWEST; of an odd number the first has a row of its own, so that none stays empty.
    """
    if count == 1 or width < 2 * NARROWEST:
        return [[(0, width)]] * count
    pairs = [[(0, width / 2), (width / 2, width / 2)]] * (count // 2)
    return [[(0, width)], *pairs] if count % 2 else pairs


def asked_look(message, width, widest):
    """Width, scale and darkness of the plots that a front end asks for, within bounds; `width` if it names none."""
    width, scale = int(message.get("width", width)), float(message.get("scale", 1.0))
    return min(widest, max(NARROWEST, width)), min(2.0, max(1.0, scale)), bool(message.get("dark", False))


class Renderer:
    """The persistent figure of one lab: `frame(scene)` gives its plots as bytes.

    Args:
        pictures: names from PICTURES.
        width: in CSS pixels.
        scale: device pixels for each of them.
        dark: whether it is shown on a dark page.
    """

    def __init__(self, pictures=PICTURES, width=860, scale=1.0, dark=False):
        for name in pictures:
            if name not in PANELS:
                raise ValueError(f"pictures={name!r} is not one of {', '.join(PANELS)}.")
        self.look = width, scale, dark
        rows = grid(len(pictures), width)
        height = 1.67 + BOTTOM + TOP
        total = np.array([width / SCREEN, len(rows) * height])
        cells = [(left / SCREEN, row, size / SCREEN) for row, cells in enumerate(rows) for left, size in cells]
        with self.style():
            self.figure = Figure(figsize=total, dpi=SCREEN * scale)
            self.canvas = FigureCanvasAgg(self.figure)
            self.panels = []
            for name, (left, row, size) in zip(pictures, cells, strict=True):
                corner = np.array([left + LEFT, (len(rows) - 1 - row) * height + BOTTOM])
                size = np.array([size - LEFT - PANELS[name].right, height - BOTTOM - TOP])
                axes = self.figure.add_axes([*(corner / total), *(size / total)])
                self.panels.append(PANELS[name](axes, palette(dark)))
        self.canvas.draw()
        self._blank([(left, len(rows) - 1 - row, size) for left, row, size in cells], len(rows))

    def style(self):
        return style(self.look[2])

    def _blank(self, cells, rows):
        """The box of pixels that belongs to each panel, empty; cells: (left in inches, row from below, width in inches)."""
        height, dpi = self.canvas.get_width_height()[1] / rows, self.figure.dpi
        renderer = self.canvas.get_renderer()
        renderer.clear()
        self.figure.patch.draw(renderer)
        self.boxes = []
        for left, row, size in cells:
            box = mpl.transforms.Bbox.from_bounds(*np.round([left * dpi, row * height, size * dpi, height]))
            self.boxes.append((box, self.canvas.copy_from_bbox(box)))

    def frame(self, scene, final=True):
        """The picture of a scene as PNG, or in haste (final=False) as JPEG. Returns (format, bytes)."""
        with self.style(), np.errstate(all="ignore"):
            for panel, (box, blank) in zip(self.panels, self.boxes, strict=True):
                panel.draw(self.canvas, scene, box, blank)
        picture = Image.frombuffer("RGBA", self.canvas.get_width_height(), self.canvas.buffer_rgba()).convert("RGB")
        data = io.BytesIO()
        if final:
            picture.save(data, "png", compress_level=3)
            return "png", data.getvalue()
        picture.save(data, "jpeg", quality=88, subsampling=0)
        return "jpeg", data.getvalue()
