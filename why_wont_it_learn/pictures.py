"""The look of every picture, and `Picture`: a figure that says in words what it shows. Needs matplotlib."""

import io

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation
from sklearn.isotonic import isotonic_regression

# From Okabe and Ito's colours, which colour-blind people can tell apart; each stands out from the paper by at least 3 : 1.
COLORS = {  # on a light page, on a dark one
    "paper": ("#FFFFFF", "#17191D"),
    "text": ("#1B1F24", "#E6EAEE"),
    "faint": ("#5B6470", "#A9B2BC"),
    "edge": ("#B4BBC4", "#555D67"),
    "grid": ("#EDF0F3", "#292D33"),
    "network": ("#0072B2", "#4DB2EC"),
    "training": ("#3B8FC9", "#8FC3E3"),
    "pinned": ("#C0609A", "#E08CBF"),
    "truth": ("#1B1F24", "#E6EAEE"),
    "points": ("#87919C", "#7F8A96"),
    "baseline": ("#6B7480", "#A9B2BC"),
    "floor": ("#009E73", "#2FC496"),
    "dead": ("#D55E00", "#FF8A4C"),
    "saturated": ("#C77F00", "#F2B134"),
}
PALETTE, DARK_PALETTE = ({name: pair[dark] for name, pair in COLORS.items()} for dark in (False, True))
SCREEN = 96  # pixels of a page for each inch
SHARP = 1.4  # pixels of the picture for each pixel of the page
SERIES = tuple(PALETTE[name] for name in ("network", "dead", "pinned", "saturated", "training", "truth"))


def palette(dark=False):
    """Name -> colour, for a light or a dark page."""
    return DARK_PALETTE if dark else PALETTE


def surface(colors):
    """The colour map of an answer over two inputs, from low to high, in a `palette`."""
    stops = [DARK_PALETTE["saturated"], colors["paper"], colors["network"]]
    return LinearSegmentedColormap.from_list("surface", stops)


def contrast(one, other):
    """How far two colours stand apart, 1 to 21, as the Web Content Accessibility Guidelines count it."""

    def luminance(color):
        rgb = np.array(to_rgb(color))
        return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    low, high = sorted((luminance(one), luminance(other)))
    return float((high + 0.05) / (low + 0.05))


def ink(color, paper):
    """The colour for words: moved away from the paper until they can be read (a contrast of 4.5)."""
    rgb, end = np.array(to_rgb(color)), np.zeros(3) if contrast(paper, "black") > 10 else np.ones(3)
    shares = np.linspace(0, 1, 21)
    return next(tuple(rgb + s * (end - rgb)) for s in shares if contrast(rgb + s * (end - rgb), paper) >= 4.6)


def style(dark=False):
    """The style of every figure, as a context: ``with plots.style(): ...``."""
    colors = palette(dark)
    return mpl.rc_context(
        {
            "figure.facecolor": colors["paper"],
            "axes.facecolor": colors["paper"],
            "font.size": 9,
            "axes.titlesize": 9.5,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.edgecolor": colors["edge"],
            "axes.labelcolor": colors["faint"],
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": colors["grid"],
            "axes.axisbelow": True,
            "xtick.color": colors["faint"],
            "ytick.color": colors["faint"],
            "text.color": colors["text"],
            "lines.solid_capstyle": "round",
            "legend.facecolor": colors["paper"],
            "legend.edgecolor": "none",
            "legend.framealpha": 0.8,
        }
    )


class Picture(Figure):
    """A matplotlib Figure that a notebook shows as PNG, with its text for those who cannot see it.

    alt: the title and the numbers of the figure in words.
    """

    alt = ""

    def entitle(self, title):
        """Write the title above the left edge."""
        width, height = self.get_size_inches()
        self.suptitle(title, x=0.12 / width, y=1 - 0.09 / height, ha="left", va="top", weight="bold", fontsize=10.5)

    def png(self):
        """The picture as PNG."""
        data = io.BytesIO()
        with style():
            self.savefig(data, format="png", dpi=SCREEN * SHARP)
        return data.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None):
        width, height = (round(inches * SCREEN) for inches in self.get_size_inches())
        shown = {"width": width, "height": height, "alt": self.alt}
        return {"image/png": self.png(), "text/plain": self.alt}, {"image/png": shown}


def pushed_apart(heights, gap):
    """Heights in rising order, moved as little as keeps them in order and at least `gap` apart."""
    steps = gap * np.arange(len(heights))
    return isotonic_regression(heights - steps) + steps


def label_right(axes, labels):
    """Labels (value, text, colour) right of the axes, at the height of what they name, but apart from each other.

    All axes of the figure, which stand in a row, become as narrow as the labels need.
    """
    figure = axes.figure
    width, tall = figure.get_size_inches()
    height = axes.get_position().height * tall * 72  # points
    low, high = (axes.transScale.transform((1, edge))[1] for edge in axes.get_ylim())
    at = [axes.transScale.transform((1, np.clip(v, *axes.get_ylim())))[1] for v, _, _ in labels]
    heights = (np.array(at) - low) / (high - low) * height
    order = np.argsort(heights, kind="stable")
    apart = pushed_apart(heights[order], 12.0)
    apart = np.maximum(apart, 12.0 * np.arange(len(order)) + 2)  # above the last number of the other axis
    beside = axes.transAxes + ScaledTranslation(6 / 72, 0, figure.dpi_scale_trans)
    texts = [
        axes.text(1, place / height, labels[index][1], transform=beside, va="center", color=labels[index][2])
        for place, index in zip(apart, order, strict=True)
    ]
    room = max(text.get_window_extent().width for text in texts) / figure.dpi + 0.2  # inches
    boxes = [one.get_position() for one in figure.axes]
    gap = boxes[-1].x0 - boxes[-2].x1 if len(boxes) > 1 else 0
    each = (1 - room / width - boxes[0].x0 - gap * (len(boxes) - 1)) / len(boxes)
    for number, (one, box) in enumerate(zip(figure.axes, boxes, strict=True)):
        one.set_position([boxes[0].x0 + number * (each + gap), box.y0, each, box.height])


def training_figure(record, epochs):
    """A figure of a training: its losses, and gradient norm and dead and saturated units by layer.

    record: an `engine.Record` whose arrays have a row for each of `epochs` (numbers, the first is 1).
    """
    figure = Figure(figsize=(9, 3), layout="constrained")
    losses, gradients, units = figure.subplots(1, 3)
    for name, color in (("loss", PALETTE["training"]), ("val_loss", PALETTE["network"])):
        values = record.history.get(name, [])
        if values:
            losses.plot(range(1, len(values) + 1), values, color=color, label=name)
    for axes, name, names in (
        (gradients, "gradient_norm", record.layers),
        (units, "dead", record.hidden_layers),
        (units, "saturated", record.hidden_layers),
    ):
        values, style = getattr(record, name), ":" if name == "saturated" else "-"
        for layer, label in enumerate(names[: values.shape[1]]):
            what = label if axes is gradients else f"{label}, {name}"
            axes.plot(epochs, values[:, layer], style, marker=".", color=SERIES[layer % len(SERIES)], label=what)
    for axes, title, scale in (
        (losses, "loss", "log"), (gradients, "gradient norm by layer", "log"), (units, "dead and saturated units", "linear"),
    ):  # fmt: skip
        positive = scale == "log" and any((np.asarray(line.get_ydata()) > 0).any() for line in axes.lines)
        axes.set(title=title, xlabel="epoch", yscale="log" if positive else "linear")
        if axes.lines:
            axes.legend(fontsize=8)
    units.set_ylim(-0.02, 1.02)
    return figure
