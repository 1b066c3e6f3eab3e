"""The still figures of the lessons: studies or runs in, a matplotlib figure out that shows itself and says itself.

    loss_curves({"label": study, ...}, title=...)        loss by epoch: median and middle half of the seeds
    skills({"label": study, ...}, title=...)             every seed a dot, and how many learned
    fits({"label": run, ...}, title=...)                 data, truth and network, side by side
    sweep(values, studies, label=..., title=...)         success rate and skill against a setting
    errors({"label": {value: study, ...}}, label=..., title=...)  validation and training error against a setting
    range_test(losses, rates, title=...)                 loss of each step against its learning rate, which grows
    layers({"label": study, ...}, title=...)             gradient, or dead units, by layer
    sizes({"label": study, ...}, title=...)              the weights of each network, from the largest to the smallest
    paths({"label": experiment, ...}, title=...)         two weights on their way down the surface of their loss

What they share: `title` is given by the lesson and says the finding. Labels stand next to what they name. Each returns a
`Picture`, a matplotlib Figure; as the last expression of a cell it is shown as PNG. `picture.alt` is the same in words: the
title and the numbers. `picture.axes` and `picture.savefig(...)` are matplotlib's own.

>>> from helpers import Experiment, train_seeds
>>> from helpers.lessons.figures import skills
>>> wave = Experiment(problem="sine")
>>> skills({"no hidden layer": train_seeds(wave.replace(depth=0)), "two": train_seeds(wave)}, title="No line fits a wave")
"""

import textwrap
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator, PercentFormatter
from matplotlib.transforms import ScaledTranslation

from why_wont_it_learn.pictures import PALETTE, SERIES, Picture, label_right, style

from ..experiments.experiment import Experiment, value_text
from ..experiments.models import initial_weights, weight_shapes
from ..experiments.problems import make_problem
from ..experiments.run import LEARNED, Run, SeedStudy
from ..experiments.training import stream
from ..lab.plots import last_finite, number, short_skill, show_points

WIDTH = 8.6  # inches
TITLE = 95  # letters in a line of the title
LOWEST_SKILL = -0.5  # dots below are drawn at this edge
COUNTS_AS_0 = 0.01  # a smaller weight
OUTLINE = withStroke(linewidth=3, foreground=PALETTE["paper"])  # of letters that stand on lines
LAYER_MEASURES = {
    "gradient_norm": "gradient norm",
    "update_ratio": "update-to-weight ratio",
    "dead": "dead units",
    "saturated": "saturated units",
}


def loss_curves(studies, *, title, training=False):
    """The loss by epoch on a logarithmic axis: the median of the seeds and the half of them in the middle.

    The validation loss of a constant (dotted) and of the true function, or the reference of real data (dashed), are drawn.

    Args:
        studies: {label: SeedStudy}, of one problem.
        title: what the figure shows, as a sentence.
        training: True to draw the training loss too, thin and dashed, in the same colour.
    """
    _check(studies, SeedStudy, "loss_curves")
    with style():
        picture, (axes,) = _picture(title, 1, height=3.3)
        labels, words = [], []
        for (label, study), color in zip(studies.items(), _colors(studies), strict=True):
            middle = _draw_band(axes, _quartiles(study.val_loss), color)
            ended = np.isfinite(middle[-1])
            labels.append((last_finite(middle) if ended else np.inf, label if ended else f"{label}: diverged", color))
            words.append(f"{label}: median validation loss {number(middle[-1])}{_diverged(study)}")
            if training:
                middle = _quartiles(study.loss)[1]
                axes.plot(range(1, len(middle) + 1), middle, color=color, lw=1.4, ls=(0, (4, 2)))
                labels.append((last_finite(middle), f"{label}, training", color))
                words[-1] += f", training loss {number(middle[-1])}"
        levels = _draw_levels(axes, next(iter(studies.values())), labels)
        words += [f"{name} {number(level)}" for name, level in levels.items()]
        axes.set(yscale="log", ylim=_log_limits(axes, *levels.values()), xlabel="epoch")
        axes.set(
            ylabel="loss" if training else "validation loss", xlim=(0, max(s.loss.shape[1] for s in studies.values()))
        )
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        _plain_decades(axes)
        label_right(axes, labels)
    return _told(picture, title, words)


def skills(studies, *, title):
    """The skill of every seed as a dot, a row for each study, and next to it how many learned, with the 95% interval.

    Args:
        studies: {label: SeedStudy}.
        title: what the figure shows, as a sentence.
    """
    _check(studies, SeedStudy, "skills")
    with style():
        left = 0.35 + 0.075 * max(map(len, studies))
        picture, (axes,) = _picture(title, 1, height=1.15 + 0.44 * len(studies), left=left, right=2.4, top=0.52)
        words, best = [], 1.03
        for row, ((label, study), color) in enumerate(zip(studies.items(), _colors(studies), strict=True)):
            values = np.clip(study.skill, LOWEST_SKILL, None)
            low, high = study.interval
            best = max(best, np.nanmax(values))
            axes.plot(values, row + _spread(values), "o", ms=4, mew=0, alpha=0.55, color=color, clip_on=False, zorder=3)
            for inches, text, look in (
                (0.12, f"{study.success_rate:.0%} learned", {"weight": "bold", "color": color}),
                (1.25, f"({low:.0%} to {high:.0%})", {"color": PALETTE["faint"]}),
            ):
                margin = axes.get_yaxis_transform() + ScaledTranslation(inches, 0, picture.dpi_scale_trans)
                axes.text(1, row, text, transform=margin, va="center", **look)
            words.append(f"{label}: {study.verdict}")
        axes.axvline(0, color=PALETTE["baseline"], lw=1.3, ls=":")
        axes.axvline(LEARNED, color=PALETTE["floor"], lw=1.3, ls="--")
        for x, text, color in ((0, "baseline", "baseline"), (LEARNED, "learned from here", "floor")):
            place = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "ha": "center"}
            axes.annotate(text, (x, 1), (0, 3), color=PALETTE[color], **place)
        axes.set(xlim=(LOWEST_SKILL - 0.03, best + 0.03), ylim=(len(studies) - 0.5, -0.65), xlabel="skill")
        axes.set_yticks(range(len(studies)), list(studies))
        axes.tick_params(axis="y", length=0, labelcolor=PALETTE["text"])
        axes.set_xticks([LOWEST_SKILL, 0, 0.5, 1], [f"≤ −{-LOWEST_SKILL}", "0", "0.5", "1"])
        axes.grid(axis="y", visible=False)
    return _told(picture, title, words)


def fits(runs, *, title):
    """What each network makes of its data, side by side on the same axes.

    Points, truth and network as curves.

    Args:
        runs: {label: Run}, of one problem with one input; the label stands above its picture.
        title: what the figure shows, as a sentence.
    """
    _check(runs, Run, "fits")
    for label, run in runs.items():
        if run.problem.x.shape[1] != 1:
            raise ValueError(f"fits draws problems with one input; that of {label!r} has {run.problem.x.shape[1]}.")
    with style():
        picture, all_axes = _picture(title, len(runs), height=2.95, right=0.15, top=0.78, bottom=0.74)
        words = []
        for place, (axes, (label, run)) in enumerate(zip(all_axes, runs.items(), strict=True)):
            _draw_curve(axes, run)
            axes.xaxis.set_major_locator(MaxNLocator(15 // len(runs), steps=[1, 2, 5, 10]))
            axes.set_title(f"{label}\nskill {short_skill(run.skill)}", fontsize=9, weight="normal")
            if place:
                axes.set_ylabel("")
                axes.tick_params(labelleft=False)
            words.append(f"{label}: {run.verdict}")
        limits = [axes.get_ylim() for axes in all_axes]
        for axes in all_axes:
            axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
        picture.legend(*all_axes[0].get_legend_handles_labels(), loc="lower center", ncols=3)
    return _told(picture, title, words)


def sweep(values, studies, *, label, title):
    """Success rate with its 95% interval, and median skill with the middle half of the seeds, against a setting.

    Values that span a decade stand on a logarithmic axis; names, None and a 0 among decades at equal distances.
    A skill below -0.5 stands at -0.5.

    Args:
        values: the settings tried, in their order.
        studies: a SeedStudy for each value, or {label: such a list} for several series.
        label: what the values are, with their unit.
        title: what the figure shows, as a sentence.
    """
    values = list(values)
    several = isinstance(studies, Mapping)
    series = {name: list(row) for name, row in studies.items()} if several else {"": list(studies)}
    for name, row in series.items():
        if len(row) != len(values) or not row:
            raise ValueError(f"sweep has {len(values)} values, but {name or 'the list'} holds {len(row)} studies.")
        _check(dict(enumerate(row)), SeedStudy, "sweep")
    places, scale = _places(values)
    with style():
        picture, (top, bottom) = _picture(title, 2, height=3.0, gap=0.75)
        words, labels = [], []
        for (name, row), color in zip(series.items(), _colors(series), strict=True):
            rate = np.array([study.success_rate for study in row])
            low, high = np.transpose([study.interval for study in row])
            _draw_band(top, (low, rate, high), color, places, marker="o")
            skill = np.clip([_quartiles(study.skill[:, None])[:, 0] for study in row], LOWEST_SKILL, None).T
            _draw_band(bottom, skill, color, places, marker="o")
            labels += [(skill[1][-1], name, color)] if several else []
            told = ", ".join(f"{value_text(v)} {r:.0%}" for v, r in zip(values, rate, strict=True))
            words.append(f"{name}{': ' if name else ''}success rate by {label}: {told}")
        bottom.axhline(LEARNED, color=PALETTE["floor"], lw=1.2, ls="--")
        bottom.axhline(0, color=PALETTE["baseline"], lw=1.2, ls=":")
        labels += [(LEARNED, "learned", PALETTE["floor"]), (0, "baseline", PALETTE["baseline"])]
        top.set(ylim=(-0.03, 1.05), ylabel="seeds that learned", xlabel=label)
        top.yaxis.set_major_formatter(PercentFormatter(1.0))
        lowest = bottom.get_ylim()[0]
        bottom.set(ylim=(min(lowest, -0.05), 1.07), ylabel="median skill", xlabel=label)
        for axes in (top, bottom):
            axes.set_xscale(scale)
            axes.set_xticks(places, [value_text(value) for value in values])
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.grid(axis="x", visible=False)
        label_right(bottom, labels)
    return _told(picture, title, words)


def errors(studies, *, label, title, training=False):
    """The error against a setting, on a logarithmic axis: the median of the seeds and the half of them in the middle.

    The validation error of a constant (dotted) and of the true function (dashed) are drawn. Penalties are no part of any error.

    Args:
        studies: {label: {value: SeedStudy}}, of one regression problem; the values are numbers, and may differ from label to label.
        label: what the values are, with their unit.
        title: what the figure shows, as a sentence.
        training: True to draw the training error too, thin and dashed, in the same colour.
    """
    for name, row in studies.items():
        _check(row, SeedStudy, f"errors, for {name!r},")
    values = sorted({value for row in studies.values() for value in row})
    places, scale = _places(values)
    place = dict(zip(values, places, strict=True))
    with style():
        picture, (axes,) = _picture(title, 1, height=3.4)
        labels, words = [], []
        for (name, row), color in zip(studies.items(), _colors(studies), strict=True):
            at = [place[value] for value in row]
            quartiles = np.transpose([_quartiles(study.error) for study in row.values()])
            middle = _draw_band(axes, quartiles, color, at, marker="o")
            labels.append((middle[-1], name, color))
            told = ", ".join(f"{value_text(v)} {number(m)}" for v, m in zip(row, middle, strict=True))
            words.append(f"{name}: median validation error by {label}: {told}")
            if training:
                middle = [float(np.median(_training_error(study))) for study in row.values()]
                axes.plot(at, middle, "o--", color=color, lw=1.4, ms=3.5)
                labels.append((middle[-1], f"{name}, training" if len(studies) > 1 else "training", color))
                told = ", ".join(f"{value_text(v)} {number(m)}" for v, m in zip(row, middle, strict=True))
                words.append(f"training error: {told}")
        levels = _draw_levels(axes, next(iter(next(iter(studies.values())).values())), labels)
        words += [f"{name} has {number(level)}" for name, level in levels.items()]
        axes.set(xscale=scale, yscale="log", ylim=_log_limits(axes, *levels.values()), xlabel=label, ylabel="error")
        axes.set_xticks(places, [value_text(value) for value in values])
        axes.xaxis.set_minor_locator(NullLocator())
        _plain_decades(axes)
        label_right(axes, labels)
    return _told(picture, title, words)


def sizes(studies, *, title, weights=slice(None)):
    """How large the weights are: those of each network from the largest to the smallest, on a logarithmic axis.

    At each rank the median of the seeds and the half of them in the middle; a line at the size below which a weight counts as 0.

    Args:
        studies: {label: SeedStudy}.
        title: what the figure shows, as a sentence.
        weights: which columns of `SeedStudy.weights` are drawn; all if left out.
    """
    _check(studies, SeedStudy, "sizes")
    with style():
        picture, (axes,) = _picture(title, 1, height=3.3)
        labels, words, most = [], [], 1
        for (label, study), color in zip(studies.items(), _colors(studies), strict=True):
            size = -np.sort(-np.abs(study.weights[:, weights]), axis=1)
            middle = _draw_band(axes, _quartiles(size), color, marker="o")
            most = max(most, len(middle))
            labels.append((last_finite(middle), label, color))
            words.append(f"{label}: {(size < COUNTS_AS_0).mean():.0%} of the weights are below {number(COUNTS_AS_0)}")
        axes.axhline(COUNTS_AS_0, color=PALETTE["baseline"], lw=1.3, ls=":")
        labels.append((COUNTS_AS_0, f"below {number(COUNTS_AS_0)}: counts as 0", PALETTE["baseline"]))
        axes.set(yscale="log", ylim=_log_limits(axes), xlabel="weight, from the largest to the smallest")
        axes.set(ylabel="size of the weight", xlim=(0.5, most + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        label_right(axes, labels)
    return _told(picture, title, words)


def range_test(losses, rates, *, title):
    """The loss of each step by the step's learning rate, both logarithmic: the median of the seeds and the half of them in the middle.

    Lines stand at the learning rate where the loss is lowest, the median over the seeds, and at a tenth of it.

    Args:
        losses: (seeds, steps), the training loss, as `SeedStudy.loss` holds it where an epoch is one step. Not finite: diverged.
        rates: (steps,), the learning rate of each step.
        title: what the figure shows, as a sentence.

    Raises:
        ValueError: there is not one learning rate for each step.
    """
    losses, rates = np.asarray(losses, float), np.asarray(rates, float)
    if losses.ndim != 2 or rates.shape != losses.shape[1:]:
        raise ValueError(
            f"range_test needs losses of shape (seeds, steps) and a learning rate for each step, "
            f"not {losses.shape} and {rates.shape}."
        )
    quartiles = low, middle, _ = _quartiles(losses)
    lowest = float(np.median(rates[np.nan_to_num(losses, nan=np.inf).argmin(axis=1)]))
    with style():
        picture, (axes,) = _picture(title, 1, height=3.1, top=0.62)
        _draw_band(axes, quartiles, SERIES[0], rates)
        axes.set(xscale="log", yscale="log", ylim=(low.min() / 1.4, 10 * middle[0]), xlim=rates[[0, -1]])
        axes.set(xlabel="learning rate of the step", ylabel="loss")
        side = "left" if lowest * (rates[-1] / rates[0]) ** 0.15 < rates[-1] else "right"  # where there is room
        marks = {"lowest": (lowest, "dead", side), "a tenth of it": (lowest / 10, "floor", "right")}
        for words, (rate, color, side) in marks.items():
            axes.axvline(rate, color=PALETTE[color], lw=1.3, ls="--")
            at = axes.get_xaxis_transform()
            axes.text(rate, 1.02, f"{words}: {rate:.2g}", transform=at, color=PALETTE[color], ha=side)
        _plain_decades(axes)
    told = f"the loss begins at {number(middle[0])} and is lowest at a learning rate of {lowest:.2g}, medians over the seeds"
    return _told(picture, title, [told, f"a tenth of that is {lowest / 10:.2g}"])


def layers(studies, *, title, measure="gradient_norm", epoch=0):
    """What was measured in each layer: the median of the seeds and the half of them in the middle.

    Args:
        studies: {label: SeedStudy}; their networks may differ in depth.
        title: what the figure shows, as a sentence.
        measure: "gradient_norm", "update_ratio" (logarithmic axes), "dead" or "saturated" (shares of the hidden units).
        epoch: at the end of which epoch; 0 is the first, -1 the last.
    """
    _check(studies, SeedStudy, "layers")
    if measure not in LAYER_MEASURES:
        raise ValueError(f"measure={measure!r} is not one of {', '.join(LAYER_MEASURES)}.")
    share = measure in ("dead", "saturated")
    with style():
        picture, (axes,) = _picture(title, 1, height=3.0)
        words, labels, counts = [], [], set()
        for (label, study), color in zip(studies.items(), _colors(studies), strict=True):
            middle = _draw_band(axes, _quartiles(getattr(study, measure)[:, epoch]), color, marker="o")
            if not len(middle):
                raise ValueError(f"{label!r} has no hidden layer, so there is no {LAYER_MEASURES[measure]} to show.")
            labels.append((middle[-1], label, color))
            counts.add(len(middle))
            said = (f"{v:.0%}" if share else number(v) for v in middle)
            words.append(f"{label}: {LAYER_MEASURES[measure]} by layer from the input {', '.join(said)}")
        count = max(counts)
        when = {0: "after the first epoch", -1: "after the last epoch"}.get(epoch, f"after epoch {epoch + 1}")
        axes.set(xlabel=f"layer, from the input ({when})", ylabel=LAYER_MEASURES[measure], xlim=(0.6, count + 0.4))
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        if not share and len(counts) == 1:
            axes.set_xticks(range(1, count + 1), [*map(str, range(1, count)), "out"])
        if share:
            axes.set(ylim=(-0.03, 1.05))
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        else:
            axes.set(yscale="log", ylim=_log_limits(axes))
        label_right(axes, labels)
    return _told(picture, title, words)


def _draw_curve(axes, run):
    problem, source = run.problem, run.problem.source
    x = show_points(problem)
    axes.plot(problem.raw_x, problem.y, "o", ms=3.2, mew=0, alpha=0.7, color=PALETTE["points"], label="samples")
    if problem.truth:
        axes.plot(x, problem.truth(x), "--", lw=1.2, color=PALETTE["truth"], label="true function")
    axes.plot(x, np.asarray(run.model(problem.scaled(x))), lw=2.3, color=PALETTE["network"], label="network")
    seen = np.concatenate([problem.y, problem.y_val])
    room = 0.15 * np.ptp(seen)
    axes.set(xlabel=source.features[0], ylabel=source.target, xlim=(x.min(), x.max()))
    axes.set_ylim(seen.min() - room, seen.max() + room)


# --- what the figures share --------------------------------------------------------------------------------------------


def _check(shown, kind, name):
    if not isinstance(shown, Mapping) or not shown:
        raise ValueError(f'{name} needs a dictionary such as {{"label": ...}}, not {type(shown).__name__}.')
    for label, one in shown.items():
        if not isinstance(one, kind):
            raise ValueError(f"{name} draws a {kind.__name__} for each label; {label!r} is a {type(one).__name__}.")


def _colors(shown):
    """A colour for each: more than there are colours begin again."""
    return [SERIES[index % len(SERIES)] for index in range(len(shown))]


def _picture(title, columns, height, left=0.72, right=0.2, top=0.42, gap=0.16, bottom=0.5):
    """A Picture with axes in a row; sizes in inches, of which left, right, top and bottom are room for labels."""
    title = textwrap.fill(title, TITLE)
    more = 0.19 * title.count("\n")  # inches of the title's second line
    top, height = top + more, height + more
    picture = Picture(figsize=(WIDTH, height))
    picture.entitle(title)
    each = (WIDTH - left - right - gap * (columns - 1)) / columns
    boxes = [(left + index * (each + gap), bottom, each, height - top - bottom) for index in range(columns)]
    return picture, [picture.add_axes([x / WIDTH, y / height, w / WIDTH, h / height]) for x, y, w, h in boxes]


def _told(picture, title, words):
    end = "" if title[-1] in ".?!" else "."
    picture.alt = f"{title}{end} " + "; ".join(word.rstrip(".") for word in words) + "."
    return picture


def _quartiles(values):
    """(3, …): quartiles over the seeds, the first axis. A value that is not a number is worse than any number."""
    values = np.where(np.isfinite(values), values, np.where(values == -np.inf, -np.inf, np.inf))
    return np.quantile(values, [0.25, 0.5, 0.75], axis=0, method="nearest")


def _draw_band(axes, curves, color, x=None, marker=""):
    """A line in its band: (low, middle, high), such as the quartiles of the seeds, at x = 1, 2, … if not given. Returns the line."""
    low, middle, high = curves
    x = range(1, len(middle) + 1) if x is None else x
    axes.fill_between(x, low, high, color=color, alpha=0.16, lw=0)
    axes.plot(x, middle, marker=marker, color=color, lw=2.2, ms=4.5)
    return middle


def _draw_levels(axes, study, labels):
    """Draw the median loss of a constant and of the truth over the seeds' data, and label them: {name: loss}."""
    problems = [make_problem(study.experiment.replace(seed=int(seed))) for seed in study.seeds]
    floor = "noise floor" if problems[0].truth else problems[0].reference_name
    levels = {}
    for name, field, color, dashes in (
        ("baseline", "loss_of_constant", "baseline", ":"),
        (floor, "loss_of_truth", "floor", "--"),
    ):
        level = float(np.median([getattr(p, field) for p in problems]))
        if level:  # 0 has no place on the axis
            levels[name] = level
            axes.axhline(level, color=PALETTE[color], lw=1.3, ls=dashes)
            labels.append((level, name, PALETTE[color]))
    return levels


def _training_error(study):
    """The last training loss of each seed without the penalties: (seeds,)."""
    e = study.experiment
    is_kernel = np.concatenate([np.full(np.prod(shape), len(shape) > 1) for shape in weight_shapes(e)])
    kernels = study.weights[:, is_kernel].astype(float)
    return study.loss[:, -1] - e.l1 * np.abs(kernels).sum(axis=1) - e.l2 * np.square(kernels).sum(axis=1)


def _diverged(study):
    count = int((~np.isfinite(study.val_loss[:, -1])).sum())
    return f" ({count} of {len(study.seeds)} seeds diverged)" if count else ""


def _log_limits(axes, *levels):
    """Limits of a logarithmic axis that show what is drawn, the levels among it, but not every height of a divergence."""
    lowest, highest = axes.dataLim.minposy, axes.dataLim.y1
    if not np.isfinite(lowest):
        return 1e-6, 1.0
    return lowest / 1.4, (min(highest, 1e4 * max(levels)) if levels else highest) * 1.4


def _plain_decades(axes):
    """Numbers such as 0.3 on a logarithmic axis of errors, in place of powers of ten; not where it spans many of them."""
    low, high = axes.get_ylim()
    if high > 1e4 * low:
        return
    ticks = [step * 10.0**power for power in range(-9, 10) for step in (1, 3) if low <= step * 10.0**power <= high]
    axes.set_yticks(ticks, [number(tick) for tick in ticks])
    axes.yaxis.set_minor_locator(NullLocator())


def _places(values):
    """Where values stand on the x axis, and its scale."""
    if any(value is None or isinstance(value, str) for value in values):
        return np.arange(len(values)), "linear"
    values = np.array(values, float)
    if np.allclose(np.diff(values, 2), 0):
        return values, "linear"
    if values.min() <= 0:
        return np.arange(len(values)), "linear"
    return values, "log" if values.max() >= 10 * values.min() else "linear"


def _spread(values):
    """Heights that keep the dots of near values apart: (dots,), the same for the same values."""
    heights = np.zeros(len(values))
    order = np.argsort(values, kind="stable")
    steps = np.array([0, 1, -1, 2, -2, 3, -3, 4, -4]) * 0.07
    near = 0
    for before, here in pairwise(order):
        near = (near + 1) % len(steps) if values[here] - values[before] < 0.012 else 0
        heights[here] = steps[near]
    return heights


# --- two weights on the surface of their loss --------------------------------------------------------------------------


def paths(experiments, *, title):
    """The way that training takes over the surface of the loss: every contour a quarter of the loss of the next.

    Each network has two weights, a slope and a bias, so the mean squared error is a bowl whose form only the data decide. Both
    axes have the same scale: a step of gradient descent stands at right angles to its contour.

    Args:
        experiments: {label: Experiment}, each without a hidden layer, on a regression problem with one input.
        title: what the figure shows, as a sentence.
    """
    _check(experiments, Experiment, "paths")
    bowls = [_Bowl(label, experiment) for label, experiment in experiments.items()]
    ways = [weights_by_epoch(bowl.experiment) for bowl in bowls]
    seen = {}  # by the data: where they are the same, the axes are, too
    for bowl, way in zip(bowls, ways, strict=True):
        seen.setdefault(bowl.experiment.data_only(), []).extend(bowl.near(way))
    with style():
        picture, all_axes = _picture(title, len(bowls), height=3.7, right=0.15, top=0.95, gap=0.5)
        words = []
        for place, (axes, bowl, way) in enumerate(zip(all_axes, bowls, ways, strict=True)):
            _equal_limits(axes, np.array(seen[bowl.experiment.data_only()]))
            _draw_bowl(axes, bowl, way)
            above = bowl.above(way)
            end = f"{number(above[-1])} above the minimum" if above[-1] < above[0] else "it diverged"
            condition = f"condition number {_whole(bowl.condition)}"
            axes.set_title(f"{bowl.label}\n{condition}\n{end}", fontsize=9, weight="normal")
            axes.set(xlabel="slope", ylabel="" if place else "bias")
            words.append(
                f"{bowl.label}: {condition}; from {number(above[0])} above the minimum, after {len(way) - 1} epochs {end}"
            )
    return _told(picture, title, words)


def weights_by_epoch(experiment):
    """All weights of a network before the first and after each epoch: (epochs + 1, parameters)."""
    runs = list(stream(experiment, seconds=0))  # no time for more than one epoch at once
    start = initial_weights(experiment, [experiment.seed], [weight.shape for weight in runs[0].weights])
    return np.stack([start[0], *(np.concatenate([weight.ravel() for weight in run.weights]) for run in runs)])


def _whole(value):
    return f"{value:.2g}" if value < 100 else f"{value:,.0f}" if value < 1e6 else f"{value:.0e}"


class _Bowl:
    """The mean squared error of a line as a function of its slope and bias."""

    def __init__(self, label, experiment):
        problem = make_problem(experiment)
        if experiment.depth or problem.task != "regression" or problem.x.shape[1] != 1:
            raise ValueError(
                f"paths draws networks of two weights: depth=0 and a regression problem with one input. {label!r} has "
                f"depth={experiment.depth} and is {problem.task} with {problem.x.shape[1]} inputs."
            )
        columns = np.column_stack([problem.x.astype(float), np.ones(len(problem.x))])
        self.label, self.experiment = label, experiment
        self.minimum = np.linalg.lstsq(columns, problem.y[:, 0].astype(float), rcond=None)[0]
        self.hessian = 2 / len(columns) * columns.T @ columns
        curvatures = np.linalg.eigvalsh(self.hessian)
        self.condition = float(curvatures[-1] / max(curvatures[0], 1e-12 * curvatures[-1]))

    def above(self, weights):
        """How far the loss lies above its minimum, for weights (..., 2)."""
        away = np.asarray(weights, float) - self.minimum
        with np.errstate(over="ignore", invalid="ignore"):
            return 0.5 * np.einsum("...i,ij,...j", away, self.hessian, away)

    def near(self, way):
        """The points of a way that a picture can show: not every place that a divergence comes to."""
        away = np.abs(way - self.minimum)
        return [*way[(away <= 3 * away[0].max()).all(axis=1)], self.minimum]


def _equal_limits(axes, points):
    """Limits that show the points, a unit of both axes being equally long on the paper."""
    box = axes.get_position()
    size = np.array([box.width, box.height]) * axes.figure.get_size_inches()
    low, high = points.min(axis=0), points.max(axis=0)
    unit = 1.25 * max((high - low) / size)  # for each inch, with some room
    middle = (low + high) / 2
    axes.set(
        xlim=middle[0] + unit * size[0] * np.array([-0.5, 0.5]), ylim=middle[1] + unit * size[1] * np.array([-0.5, 0.5])
    )


def _draw_bowl(axes, bowl, way):
    color = PALETTE["network"]
    grid = np.stack(np.meshgrid(*(np.linspace(*limits, 300) for limits in (axes.get_xlim(), axes.get_ylim()))), axis=-1)
    levels = bowl.above(way[0]) * 4.0 ** np.arange(-8, 5)
    axes.contour(*np.moveaxis(grid, -1, 0), bowl.above(grid), levels, colors=PALETTE["edge"], linewidths=0.8, zorder=1)
    axes.grid(False)
    kept = way[np.isfinite(way).all(axis=1)]
    axes.plot(*kept.T, "-", color=color, lw=0.9, alpha=0.7, zorder=2)
    axes.plot(*kept.T, "o", color=color, ms=2.6, mew=0, zorder=3)
    axes.plot(*way[0], "o", color=PALETTE["paper"], mec=color, mew=1.6, ms=7, zorder=4)
    axes.plot(*bowl.minimum, "*", color=PALETTE["floor"], mec=PALETTE["paper"], mew=0.6, ms=13, zorder=5)
    for point, text, ink in ((way[0], "start", color), (bowl.minimum, "minimum", PALETTE["floor"])):
        axes.annotate(text, point, (7, 5), textcoords="offset points", color=ink, zorder=6, path_effects=[OUTLINE])
