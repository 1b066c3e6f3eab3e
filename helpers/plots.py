"""`Run` → pictures: one persistent matplotlib figure for each lab, redrawn panel by panel, and the style of all figures.

A panel draws what stays (axes, points, labels) once, and keeps those pixels. For each frame only what moves is drawn on top
of them, which takes milliseconds where a whole figure takes hundreds.
"""

import io
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from PIL import Image

from .problems import PROBLEMS

# Okabe and Ito's colours, which colour-blind people can tell apart.
PALETTE = {
    "network": "#0072B2",
    "training": "#56A5D8",
    "pinned": "#CC79A7",
    "truth": "#1B1F24",
    "points": "#9AA3AD",
    "baseline": "#6B7480",
    "floor": "#009E73",
    "dead": "#D55E00",
    "saturated": "#E69F00",
    "text": "#1B1F24",
    "faint": "#5B6470",
}
SURFACE = LinearSegmentedColormap.from_list("surface", ["#E69F00", "#FBF3E4", "#FFFFFF", "#E3EFF7", "#0072B2"])
STYLE = {
    "figure.facecolor": "white",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": "#B4BBC4",
    "axes.labelcolor": PALETTE["faint"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#EDF0F3",
    "axes.axisbelow": True,
    "xtick.color": PALETTE["faint"],
    "ytick.color": PALETTE["faint"],
    "text.color": PALETTE["text"],
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
}
PICTURES = ("fit", "loss", "gradients", "units")
CURVE_POINTS = 161
SURFACE_POINTS = 41


def style():
    """The style of every figure, as a context: ``with plots.style(): ...``."""
    return mpl.rc_context(STYLE)


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
    def epochs(self):
        """The length of the time axis."""
        everything = [s.experiment.epochs for s in (self.shown, self.pinned) if s]
        return max(everything)


def show_points(problem):
    """Where a picture of the fit needs predictions: raw inputs (n, features), or None for more than two inputs."""
    if problem.raw_x.shape[1] == 1:
        low, high = _range(np.concatenate([problem.raw_x, problem.raw_x_val]))
        return np.linspace(low, high, CURVE_POINTS)[:, None]
    if problem.raw_x.shape[1] == 2:
        axes = [np.linspace(*_range(problem.raw_x_val[:, i]), SURFACE_POINTS) for i in (0, 1)]
        return np.stack([a.ravel() for a in np.meshgrid(*axes)], axis=1)
    return None


def _range(values, margin=0.06):
    low, high = float(np.min(values)), float(np.max(values))
    room = margin * (high - low) or 1.0
    return low - room, high + room


def number(value):
    """Three digits at most, as a person would say it."""
    if not np.isfinite(value):
        return "not a number" if np.isnan(value) else "infinite"
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.0e}"


class Panel:
    """One picture of the figure.

    `key` tells what stays the same between frames; `begin` draws it; `update` moves the rest and returns the artists
    to be drawn, the title among them.
    """

    right = 0.25  # inches of room beside the axes
    diverged = "not a number"  # what the panel says when the run has diverged

    def __init__(self, axes):
        self.axes = axes
        self.background = None
        self.drawn = None

    def key(self, scene):
        raise NotImplementedError

    def begin(self, scene):
        raise NotImplementedError

    def update(self, scene):
        raise NotImplementedError

    @property
    def narrow(self):
        """Whether there is room for few labels only."""
        return self.axes.bbox.width / self.axes.figure.dpi < 2

    def moving(self, artist):
        """Mark an artist as one that is drawn anew in every frame."""
        artist.set_animated(True)
        return artist

    def line(self, *args, **kwargs):
        return self.moving(self.axes.plot([], [], *args, **kwargs)[0])

    def titled(self, text):
        self.title.set_text(text)
        return self.title

    def draw(self, canvas, scene, box, blank):
        """Draw the panel onto the canvas, from its kept pixels where they still hold."""
        renderer = canvas.get_renderer()
        key = self.key(scene)
        if key != self.drawn or self.background is None:
            self.axes.clear()
            self.axes.set_axis_on()
            self.title = self.moving(self.axes.set_title(""))
            self.note = self.moving(
                self.axes.text(
                    0.5,
                    0.5,
                    self.diverged,
                    transform=self.axes.transAxes,
                    ha="center",
                    va="center",
                    color=PALETTE["dead"],
                    fontsize=9,
                    weight="bold",
                    zorder=9,
                    bbox={"facecolor": "white", "edgecolor": PALETTE["dead"], "boxstyle": "round,pad=0.5"},
                )
            )
            self.begin(scene)
            canvas.restore_region(blank)
            self.axes.draw(renderer)
            self.background = canvas.copy_from_bbox(box)
            self.drawn = key
        else:
            canvas.restore_region(self.background)
        for artist in self.update(scene):
            self.axes.draw_artist(artist)
        if scene.study is None and scene.run.diverged_at is not None:
            self.axes.draw_artist(self.note)


def _identity(shown):
    """Runs on the same data have the same identity."""
    return None if shown is None else id(getattr(shown, "problem", shown))


class Fit(Panel):
    """The data and what the network makes of them; for a study, the skill of every seed."""

    diverged = "no predictions:\nthe weights are no longer numbers"

    def key(self, scene):
        if scene.study:
            return "study", len(scene.study.seeds), id(scene.pinned)
        return "run", _identity(scene.run), id(scene.pinned)

    def begin(self, scene):
        if scene.study:
            return self._begin_study(scene.study)
        problem = scene.run.problem
        self.kind = "curve" if problem.x.shape[1] == 1 else "surface" if problem.x.shape[1] == 2 else "scatter"
        getattr(self, f"_begin_{self.kind}")(scene, problem, PROBLEMS[problem.name])

    def update(self, scene):
        if scene.study:
            return self._update_study(scene.study)
        title = f"Fit: skill {_skill(scene.run.skill)}" + (" – learned" if scene.run.learned else "")
        return [*getattr(self, f"_update_{self.kind}")(scene.run), self.titled(title)]

    def _begin_curve(self, scene, problem, source):
        axes, x = self.axes, show_points(problem)
        axes.plot(
            problem.raw_x, problem.y, "o", ms=3.5, color=PALETTE["points"], alpha=0.75, mew=0, label="training points"
        )
        if problem.truth:
            axes.plot(x, problem.truth(x), "--", lw=1.2, color=PALETTE["truth"], label="truth")
        self._pinned_curve(scene, problem, x)
        axes.set(xlim=(x.min(), x.max()), ylim=_range(np.concatenate([problem.y, problem.y_val]), 0.15))
        axes.set(xlabel=source.features[0], ylabel=source.target)
        self.fit = self.line(lw=2.4, color=PALETTE["network"], label="network")
        axes.legend(loc="upper right", ncols=2 if self.narrow else 4, fontsize=7.5, handlelength=1.2, columnspacing=0.9, borderaxespad=0.1,
                    framealpha=0.8, frameon=True, edgecolor="none")  # fmt: skip
        self.x = x[:, 0]

    def _pinned_curve(self, scene, problem, x):
        pinned = scene.pinned
        if pinned is not None and hasattr(pinned, "problem") and pinned.problem.x.shape[1] == 1:
            at = show_points(pinned.problem)
            self.axes.plot(at[:, 0], pinned.shown[:, 0], lw=1.8, color=PALETTE["pinned"], label="pinned")

    def _update_curve(self, run):
        self.fit.set_data(self.x, run.shown[:, 0])
        return [self.fit]

    def _begin_surface(self, scene, problem, source):
        axes, x = self.axes, show_points(problem)
        low, high = (0.0, 1.0) if problem.task != "regression" else _range(problem.y, 0.0)
        extent = (x[:, 0].min(), x[:, 0].max(), x[:, 1].min(), x[:, 1].max())
        self.image = self.moving(
            axes.imshow(
                np.zeros((SURFACE_POINTS, SURFACE_POINTS)),
                origin="lower",
                extent=extent,
                aspect="auto",
                cmap=SURFACE,
                vmin=low,
                vmax=high,
                alpha=0.85,
                interpolation="bilinear",
            )
        )
        # Points are few when they are the four corners, many when they are a cloud.
        size = 90 if len(np.unique(problem.raw_x, axis=0)) <= 8 else 16
        self.points = self.moving(
            axes.scatter(
                *problem.raw_x.T,
                c=problem.y[:, 0],
                cmap=SURFACE,
                vmin=low,
                vmax=high,
                s=size,
                edgecolors=PALETTE["truth"],
                linewidths=0.6,
            )
        )
        axes.grid(False)
        axes.set(xlabel=source.features[0], ylabel=source.features[1], xlim=extent[:2], ylim=extent[2:])

    def _update_surface(self, run):
        answers = np.nan_to_num(run.shown[:, 0], nan=0.5)
        self.image.set_data(answers.reshape(SURFACE_POINTS, SURFACE_POINTS))
        return [self.image, self.points]

    def _begin_scatter(self, scene, problem, source):
        axes = self.axes
        limits = _range(problem.y_val, 0.08)
        axes.plot(limits, limits, "--", lw=1.2, color=PALETTE["truth"])
        axes.set(xlim=limits, ylim=limits, xlabel=f"true {source.target}", ylabel=f"predicted {source.target}")
        self.dots = self.line("o", ms=4, color=PALETTE["network"], alpha=0.6, mew=0)
        self.x = problem.y_val[:, 0]

    def _update_scatter(self, run):
        self.dots.set_data(self.x, run.predictions[:, 0])
        return [self.dots]

    def _begin_study(self, study):
        axes = self.axes
        axes.axhline(0.95, color=PALETTE["floor"], lw=1.2)
        axes.text(0.01, 0.97, "learned", color=PALETTE["floor"], va="bottom", fontsize=8, transform=axes.get_yaxis_transform())  # fmt: skip
        axes.axhline(0, color=PALETTE["baseline"], lw=1.2, ls=":")
        axes.text(0.01, 0.01, "a constant", color=PALETTE["baseline"], va="bottom", fontsize=8, transform=axes.get_yaxis_transform())  # fmt: skip
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.55, 1.2), xlabel="seeds, from the worst to the best", ylabel="skill")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        self.dots = self.line("o", ms=4, color=PALETTE["network"], mew=0)

    def _update_study(self, study):
        skills = np.clip(np.sort(study.skill), -0.5, None)
        self.dots.set_data(np.linspace(0, 1, len(skills)), skills)
        title = f"{study.learned.sum()} of {len(study.seeds)} seeds learned"
        return [self.dots, self.titled(title)]


def _skill(skill):
    return f"{skill:.2f}" if skill > -10 else "far below 0"


class Loss(Panel):
    """Training and validation loss by epoch on a logarithmic axis, with what a constant and the truth would reach."""

    labels = 5
    right = 0.85
    diverged = "diverged"

    def key(self, scene):
        return scene.epochs, self._limits(scene), _identity(scene.run), id(scene.pinned), bool(scene.study)

    def _levels(self, scene):
        problem = scene.run.problem
        return problem.loss_of_constant, problem.loss_of_truth

    def _limits(self, scene):
        constant, truth = self._levels(scene)
        curves = [curve for s in (scene.shown, scene.pinned) if s for curve in (s.loss, s.val_loss)]
        values = np.concatenate([np.ravel(v) for v in (constant, truth, *curves)])
        values = values[np.isfinite(values) & (values > 0)]
        low = max(values.min(), constant * 1e-7)
        high = min(values.max(), constant * 1e8)
        # In steps, so that the axis seldom changes while the curve falls.
        step = 3.0
        return step ** np.floor(np.log(low * 0.8) / np.log(step)), step ** np.ceil(np.log(high * 1.1) / np.log(step))

    def begin(self, scene):
        axes = self.axes
        self.limits = self._limits(scene)
        axes.set(yscale="log", ylim=self.limits, xlim=(0, scene.epochs), xlabel="epoch", ylabel="loss")
        axes.xaxis.set_major_locator(MaxNLocator(3 if self.narrow else 5, integer=True))
        constant, truth = self._levels(scene)
        axes.axhline(constant, color=PALETTE["baseline"], lw=1.3, ls=":")
        if truth:
            axes.axhline(truth, color=PALETTE["floor"], lw=1.3, ls="--")
        if scene.pinned:
            self._curves(scene.pinned, color=PALETTE["pinned"])
        if scene.study:
            self.faint = [self.line(lw=0.7, color=PALETTE["network"], alpha=0.12) for _ in scene.study.seeds]
        else:
            self.train = self.line(lw=1.3, color=PALETTE["training"])
        self.val = self.line(lw=2.2, color=PALETTE["network"])
        self.end = self.line("o", ms=4, color=PALETTE["network"], mew=0)
        self.texts = [
            self.moving(
                axes.text(1.015, 0, "", transform=axes.get_yaxis_transform(), va="center", fontsize=8, clip_on=False)
            )
            for _ in range(self.labels)
        ]

    def _curves(self, pinned, color):
        val = np.median(pinned.val_loss, axis=0) if pinned.val_loss.ndim == 2 else pinned.val_loss
        self.axes.plot(np.arange(1, len(val) + 1), val, lw=1.6, color=color)

    def update(self, scene):
        artists, labels = [], []
        constant, truth = self._levels(scene)
        labels.append((constant, "a constant", PALETTE["baseline"]))
        if truth:
            name = "the truth" if scene.run.problem.truth else "reference"
            labels.append((truth, name, PALETTE["floor"]))
        if scene.pinned:
            labels.append((_last(scene.pinned.val_loss), "pinned", PALETTE["pinned"]))
        epochs = np.arange(1, scene.shown.loss.shape[-1] + 1)
        if scene.study:
            for line, curve in zip(self.faint, scene.study.val_loss, strict=True):
                line.set_data(epochs, curve)
            artists += self.faint
            val = np.median(scene.study.val_loss, axis=0)
            labels.append((_last(val), "median", PALETTE["network"]))
            title = f"Loss of {len(scene.study.seeds)} seeds"
        else:
            val = scene.run.val_loss
            self.train.set_data(epochs, scene.run.loss)
            artists.append(self.train)
            labels.append((_last(scene.run.loss), "training", PALETTE["training"]))
            labels.append((_last(val), "validation", PALETTE["network"]))
            title = f"Validation loss {number(val[-1])}"
            if scene.run.diverged_at is not None:
                title = f"Loss: diverged in epoch {scene.run.diverged_at + 1}"
        self.val.set_data(epochs, val)
        self.end.set_data(epochs[-1:], val[-1:])
        artists += [self.val, self.end, *self._placed(labels), self.titled(title)]
        return artists

    def _placed(self, labels):
        """The labels right of the axis, at the height of what they name, but apart from each other."""
        low, high = np.log(self.limits)
        height = self.axes.bbox.height
        spot = [((np.log(np.clip(v, *self.limits)) - low) / (high - low) * height, t, c) for v, t, c in labels]
        spot.sort()
        apart = 11 * self.axes.figure.dpi / 72
        heights = np.array([s[0] for s in spot])
        for _ in range(20):  # push neighbours apart until they are
            gaps = np.diff(heights)
            for i in np.flatnonzero(gaps < apart - 0.1):
                shift = (apart - (heights[i + 1] - heights[i])) / 2
                heights[i] -= shift
                heights[i + 1] += shift
        for text, y, (_, name, color) in zip(self.texts, heights, spot, strict=False):
            text.set(text=name, color=color, y=np.exp(low + y / height * (high - low)))
        return self.texts[: len(labels)]


def _last(curve):
    """The last finite value of a loss, for its label."""
    curve = np.median(curve, axis=0) if np.ndim(curve) == 2 else curve
    finite = curve[np.isfinite(curve) & (curve > 0)]
    return finite[-1] if len(finite) else np.inf


class Layers(Panel):
    """A picture with one place on the x axis for each layer."""

    def _names(self, count, output):
        names = [str(i + 1) for i in range(count)]
        return [*names[:-1], "out"] if output else names

    def stems(self, color, offset=0.0):
        """A point on a stem for each layer, to be moved with `moved`."""
        bars = self.moving(self.axes.vlines([], [], [], color=color, lw=5, alpha=0.35))
        dots = self.line("o", ms=6, color=color, mew=0)
        return bars, dots, offset

    def moved(self, stems, values, low):
        bars, dots, offset = stems
        x = np.arange(len(values)) + offset
        bars.set_segments([[(a, low), (a, v)] for a, v in zip(x, values, strict=True)])
        dots.set_data(x, values)
        return [bars, dots]

    def ticks(self, names):
        every = -(-len(names) // 12)
        self.axes.set_xticks(range(len(names))[::every], names[::every])
        self.axes.set(xlim=(-0.6, len(names) - 0.4), xlabel="hidden layer, from the input")


class Gradients(Layers):
    """How long the gradient of each layer is, at the end of the first epoch and now."""

    diverged = "no gradients left"

    def _values(self, shown, epoch):
        norms = shown.gradient_norm
        return np.nanmedian(norms[:, epoch], axis=0) if norms.ndim == 3 else norms[epoch]

    def _limits(self, scene):
        values = [self._values(s, e) for s in (scene.shown, scene.pinned) if s for e in (0, -1)]
        values = np.concatenate(values)
        values = np.clip(values[np.isfinite(values) & (values > 0)], 1e-12, 1e6)
        if not len(values):
            return 1e-6, 1.0
        return 10 ** np.floor(np.log10(values.min()) - 0.3), 10 ** np.ceil(np.log10(values.max()) + 0.2)

    def key(self, scene):
        return self._limits(scene), scene.shown.gradient_norm.shape[-1], id(scene.pinned)

    def begin(self, scene):
        self.low, high = self._limits(scene)
        self.axes.set(yscale="log", ylim=(self.low, high), ylabel="length of the gradient")
        self.ticks(self._names(scene.shown.gradient_norm.shape[-1], output=True))
        self.axes.set_xlabel("layer, from the input  (○ first epoch)")
        if scene.pinned:
            values = self._values(scene.pinned, -1)
            self.axes.plot(range(len(values)), values, "D", ms=5, color=PALETTE["pinned"], mew=0)
        self.first = self.line("o", ms=6, mfc="white", mec=PALETTE["faint"], mew=1.2)
        self.now = self.stems(PALETTE["network"])

    def update(self, scene):
        first, now = (np.clip(self._values(scene.shown, e), self.low, None) for e in (0, -1))
        self.first.set_data(range(len(first)), first)
        return [*self.moved(self.now, now, self.low), self.first, self.titled("Gradient by layer")]


class Units(Layers):
    """The share of dead and of saturated units in each hidden layer."""

    diverged = "no working units left"

    def key(self, scene):
        return scene.shown.dead.shape[-1], id(scene.pinned)

    def begin(self, scene):
        layers = scene.shown.dead.shape[-1]
        if not layers:
            self.axes.set_axis_off()
            self.axes.text(0.5, 0.5, "no hidden layer", ha="center", va="center", transform=self.axes.transAxes,
                           color=PALETTE["faint"])  # fmt: skip
            return
        self.ticks(self._names(layers, output=False))
        self.axes.set(ylim=(-0.02, 1.05), ylabel="share of units")
        self.axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        self.dead = self.stems(PALETTE["dead"], -0.12)
        self.saturated = self.stems(PALETTE["saturated"], 0.12)
        self.legend = [
            self.moving(
                self.axes.text(
                    0.99,
                    y,
                    name,
                    color=color,
                    ha="right",
                    va="top",
                    fontsize=8.5,
                    weight="bold",
                    transform=self.axes.transAxes,
                )
            )
            for y, name, color in ((1.0, "dead", PALETTE["dead"]), (0.91, "saturated", PALETTE["saturated"]))
        ]

    def update(self, scene):
        dead, saturated = scene.shown.dead, scene.shown.saturated
        if not dead.shape[-1]:
            return [self.titled("Units")]
        last = (lambda share: share[:, -1].mean(axis=0)) if dead.ndim == 3 else (lambda share: share[-1])
        dead, saturated = last(dead), last(saturated)
        title = f"Units: {dead.mean():.0%} dead, {saturated.mean():.0%} saturated"
        return [
            *self.moved(self.dead, dead, 0.0),
            *self.moved(self.saturated, saturated, 0.0),
            *self.legend,
            self.titled(title),
        ]


PANELS = {"fit": Fit, "loss": Loss, "gradients": Gradients, "units": Units}


class Painter:
    """The persistent figure of one lab: `frame(scene)` gives the picture as bytes.

    pictures: names from PICTURES. width: in CSS pixels; scale: device pixels for each of them.
    """

    def __init__(self, pictures=PICTURES, width=860, scale=1.0):
        for name in pictures:
            if name not in PANELS:
                raise ValueError(f"pictures={name!r} is not one of {', '.join(PANELS)}.")
        columns = 1 if width < 520 else min(2, len(pictures))
        rows = -(-len(pictures) // columns)
        cell = width / columns / 96, 2.45  # inches
        with style():
            self.figure = Figure(figsize=(columns * cell[0], rows * cell[1]), dpi=96 * scale)
            self.canvas = FigureCanvasAgg(self.figure)
            self.panels = []
            for index, name in enumerate(pictures):
                row, column = divmod(index, columns)
                left, right, bottom, top = 0.66, PANELS[name].right, 0.5, 0.3  # inches for labels
                box = (column * cell[0] + left, (rows - 1 - row) * cell[1] + bottom)
                size = (cell[0] - left - right, cell[1] - bottom - top)
                total = np.array([columns * cell[0], rows * cell[1]])
                self.panels.append(PANELS[name](self.figure.add_axes([*(box / total), *(size / total)])))
        self.canvas.draw()
        self._blank(rows, columns)

    def _blank(self, rows, columns):
        """The box of pixels that belongs to each panel, empty."""
        width, height = self.canvas.get_width_height()
        renderer = self.canvas.get_renderer()
        renderer.clear()
        self.figure.patch.draw(renderer)
        self.boxes = []
        for index in range(len(self.panels)):
            row, column = divmod(index, columns)
            bounds = (column * width / columns, (rows - 1 - row) * height / rows, width / columns, height / rows)
            box = mpl.transforms.Bbox.from_bounds(*np.round(bounds))
            self.boxes.append((box, self.canvas.copy_from_bbox(box)))

    def frame(self, scene, final=True):
        """The picture of a scene as PNG, or in haste (final=False) as JPEG. Returns (format, bytes)."""
        with style(), np.errstate(all="ignore"):
            for panel, (box, blank) in zip(self.panels, self.boxes, strict=True):
                panel.draw(self.canvas, scene, box, blank)
        picture = Image.frombuffer("RGBA", self.canvas.get_width_height(), self.canvas.buffer_rgba()).convert("RGB")
        data = io.BytesIO()
        if final:
            picture.save(data, "png", compress_level=3)
            return "png", data.getvalue()
        picture.save(data, "jpeg", quality=88, subsampling=0)
        return "jpeg", data.getvalue()
