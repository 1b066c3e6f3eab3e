"""What the two kinds of map share: two fields of an Experiment as axes, the page, and the picture."""

import math
import reprlib
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_hex

from why_wont_it_learn import pictures
from why_wont_it_learn.pictures import Picture

from ..experiments.experiment import FIELDS, unknown, value_text
from .kernel_widget import KernelWidget

HERE = Path(__file__).parent
MOST_CELLS = 400
SHOWS = {
    "rate": "success rate",
    "skill": "median skill",
    "loss": "median validation loss",
}

# One hue from light to dark: it reads the same in grey and for every kind of colour vision.
COLORS = LinearSegmentedColormap.from_list("success", ["#EFF4F9", "#A9CCE6", "#56A5D8", "#0072B2", "#08345E"])


def axes_of(rows, columns):
    """The two `Axis` of a map; ValueError with a sentence for what is none, or too large."""
    axes = Axis.read("rows", rows), Axis.read("columns", columns)
    if axes[0].name == axes[1].name:
        raise ValueError(f"rows and columns are both {axes[0].name!r}. Give two different fields.")
    cells = len(axes[0].values) * len(axes[1].values)
    if cells > MOST_CELLS:
        raise ValueError(f"The map has {cells} cells; at most {MOST_CELLS} are allowed. Give fewer values.")
    return axes


@dataclass(frozen=True)
class Axis:
    """One side of a map: a field of an Experiment and the values that it takes there."""

    name: str
    values: tuple

    @classmethod
    def read(cls, side, given):
        """From a pair such as ("width", [2, 4]); ValueError with a sentence for anything else."""
        like = f'{side} is a field and its values, such as {side}=("width", [2, 4, 8])'
        name, values = given if isinstance(given, (tuple, list)) and len(given) == 2 else (None, None)
        if not isinstance(name, str) or isinstance(values, (str, bytes, dict)) or not hasattr(values, "__iter__"):
            raise ValueError(f"{like}, not {reprlib.repr(given)}.")
        if name == "seed":
            raise ValueError(
                f"{side}=('seed', …): every cell is already trained with many seeds. Choose another field."
            )
        unknown([name])
        spec = FIELDS[name]
        checked = [spec.check(name, value) for value in islice(values, MOST_CELLS + 1)]
        if not checked:
            raise ValueError(f"{side}=({name!r}, []) has no values. Give at least one.")
        if len(checked) > MOST_CELLS:
            raise ValueError(f"{side}: {name!r} has more than {MOST_CELLS} values, the most that a map can have.")
        for index, value in enumerate(checked):
            if value in checked[:index]:
                raise ValueError(f"{side}: {name}={value!r} is there twice. Give each value once.")
        return cls(name, tuple(checked))

    @property
    def spec(self):
        """The declaration of the field."""
        return FIELDS[self.name]

    @property
    def label(self):
        """Label and unit, as they stand next to an axis."""
        unit = self.spec.unit
        return f"{self.spec.label} ({unit})" if unit and unit != self.spec.label else self.spec.label

    def spoken(self, value):
        """A value with its name: "width 4", but only "relu"."""
        return value if self.name == "activation" else f"{self.spec.label} {value_text(value)}"

    def index(self, value):
        """The place of a value that is given exactly."""
        value = self.spec.check(self.name, value)
        if value not in self.values:
            allowed = ", ".join(value_text(v) for v in self.values)
            raise ValueError(f"{self.name}={value!r} is not on the map, which has {allowed}.")
        return self.values.index(value)

    def nearest(self, value):
        """The place of a value, or of the nearest value to a number; ValueError beyond the ends of the axis."""
        numbers = [one for one in self.values if isinstance(one, (int, float))]
        if value in self.values or not numbers or not isinstance(value, (int, float)):
            return self.index(value)
        low, high = min(numbers), max(numbers)
        if not low <= value <= high:
            span = f"goes from {low:g} to {high:g}" if low < high else f"has only {low:g}"
            raise ValueError(f"The {self.spec.label} is {value:g}, and the map {span}.")
        apart = (lambda one: abs(math.log(one / value))) if low > 0 else (lambda one: abs(one - value))
        return self.values.index(min(numbers, key=apart))


class MapView(anywidget.AnyWidget):
    """What the page knows."""

    _esm = (HERE / "widget.js").read_text("utf-8") + (HERE / "maps.js").read_text("utf-8")
    _css = (HERE / "lab.css").read_text("utf-8") + (HERE / "maps.css").read_text("utf-8")

    axes = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)


class Map(KernelWidget):
    """What both kinds of map share: two axes, the page, which shows their `_state`, and the lab next to it."""

    kind = ""

    def __init__(self, experiment, axes, lab):
        super().__init__()
        self.experiment = experiment
        self.rows, self.columns = axes
        self.lab = lab
        self.note = ""
        self._told = 0.0  # when the page was last told
        self._asked = False  # whether the loop has been asked to tell it
        self._experiments = {
            (i, j): experiment.replace(**{self.rows.name: row, self.columns.name: column})
            for i, row in enumerate(self.rows.values)
            for j, column in enumerate(self.columns.values)
        }

    def _name(self, cell):
        """A cell in words: "width 4, relu"."""
        i, j = cell
        return f"{self.rows.spoken(self.rows.values[i])}, {self.columns.spoken(self.columns.values[j])}"

    def _open(self):
        if self.view is not None:
            return
        self.view = MapView()
        self.view.on_msg(self._receive)
        self.view.axes = {
            "kind": self.kind,
            "rows": self.rows.label,
            "columns": self.columns.label,
            "row_names": [value_text(value) for value in self.rows.values],
            "column_names": [value_text(value) for value in self.columns.values],
            "lab": self.lab is not None,
            "shows": SHOWS,
        }
        self._find_loop()

    def _update_view(self):
        if self.view is not None:
            self._told, self._asked = time.monotonic(), False
            self.view.state = {**self._state(), "note": self.note}

    def _request(self, message):
        self.note = ""
        action, cell = message.get("action"), (message.get("row"), message.get("column"))
        if action != "open":
            self._act(action, message)
        elif self.lab is not None and cell in list(self._experiments):  # a page may name what is no key
            self.lab.show(self._chosen(cell))
            self.note = f"The lab now shows {self._name(cell)}."
        self._update_view()


def ink_on(color):
    """Black or white, whichever stands out more from a colour."""
    return max(("#10161D", "#FFFFFF"), key=lambda ink: pictures.contrast(ink, color))


def with_picture(data, metadata, figure):
    """What a notebook shows, with a figure in the size of all others."""
    picture, size = figure._repr_mimebundle_()
    return {**data, "image/png": picture["image/png"]}, {**metadata, **size}


def heat_map(rows, columns, cells, title):
    """A heat map. cells: (row, column) -> (level from 0 to 1, text)."""
    height, width = len(rows.values), len(columns.values)
    names = [value_text(v) for v in rows.values], [value_text(v) for v in columns.values]
    left = 0.55 + 0.075 * max(map(len, names[0]))
    longest = max(max(map(len, names[1])), max(len(text) for _, text in cells.values()))
    cell = max(0.5 if width > 10 else 0.72, 0.085 * longest)
    inches = left + max(cell * width, 2.6) + 0.15, 0.62 + 0.36 * height + 0.35
    levels = np.full((height, width), np.nan)
    for place, (level, _) in cells.items():
        levels[place] = level
    with pictures.style():
        figure = Picture(figsize=inches)
        box = [left / inches[0], 0.62 / inches[1], 1 - (left + 0.15) / inches[0], 0.36 * height / inches[1]]
        axes = figure.add_axes(box)
        axes.imshow(levels, cmap=COLORS, norm=Normalize(0, 1), aspect="auto")
        for (i, j), (level, text) in cells.items():
            axes.text(j, i, text, ha="center", va="center", color=ink_on(to_hex(COLORS(level))))
        axes.set_xticks(range(width), names[1])
        axes.set_yticks(range(height), names[0])
        axes.set_xticks(np.arange(width - 1) + 0.5, minor=True)
        axes.set_yticks(np.arange(height - 1) + 0.5, minor=True)
        axes.grid(False)
        axes.grid(which="minor", color="white", lw=1.5)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        axes.set(xlabel=columns.label, ylabel=rows.label)
        axes.set_title(title)
    told = [f"{names[0][i]}, {names[1][j]}: {text}" for (i, j), (_, text) in sorted(cells.items())]
    figure.alt = f"{title}. {rows.label} and {columns.label}: {'; '.join(told) or 'no cell yet'}."
    return figure
