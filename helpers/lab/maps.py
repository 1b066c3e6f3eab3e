"""Maps of success: one field of an Experiment by rows, another by columns, and in each cell many seeds.

- `success_map(experiment, rows, columns)` trains every cell and shows how many of its seeds learned.
- `success_map(..., lab=lab, discoveries=True)` is an empty map that the learner fills with settings that learned in the lab.

On a page a map shows itself at once and trains in a thread of its own, so that the kernel answers other cells and the
buttons meanwhile. Reading a number (`m.rate`, `m.figure()`, …) waits until the map is complete.
"""

import atexit
import dataclasses
import json
import math
import os
import reprlib
import threading
import time
import weakref
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from IPython import get_ipython
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize, to_hex

from why_wont_it_learn import pictures
from why_wont_it_learn.diagnosis.symptoms import two_digits
from why_wont_it_learn.pictures import Picture

from ..experiments.experiment import FIELDS, Experiment, check_experiment, read_shared, unknown, value_text
from ..experiments.models import all_steps
from ..experiments.program import graph_key
from ..experiments.training import checked_seeds, stream_seeds
from . import plots
from .widget import KernelWidget

HERE = Path(__file__).parent
MOST_CELLS = 400
MOST_DISCOVERIES = 1000
LONGEST_TEXT = 1_000_000  # characters of shared discoveries that are read
TELL_EVERY = 0.15  # seconds between two messages to the page
CHUNK = 0.1  # seconds of training between two looks at the page's requests
PAUSE = 0.3  # seconds after the last frame of a lab that trains, until which maps wait: somebody moves its controls
COMPILED_FROM = 8000  # steps on one graph: from here on XLA is quicker in all, though it compiles for seconds
DIVERGED = "diverged"  # stands in a cell in place of a number that is not finite

# One hue from light to dark: it reads the same in grey and for every kind of colour vision.
COLORS = LinearSegmentedColormap.from_list("success", ["#EFF4F9", "#A9CCE6", "#56A5D8", "#0072B2", "#08345E"])
SHOWS = {
    "rate": "success rate",
    "skill": "median skill",
    "loss": "median validation loss",
}


def success_map(experiment, rows, columns, seeds=50, *, lab=None, show="rate", discoveries=False):
    """A map of two fields: how many of the seeds learn in each combination.

    It is displayed as the last expression of a cell. In JupyterLab and Voilà it appears at once and fills up while it
    trains; Stop, Continue and Restart are on the page. Where no page is attached it is complete before it is displayed.

    Args:
        experiment: an `Experiment`; every cell is this one with two fields replaced.
        rows: a field and its values, such as ``("width", [2, 4, 8])``.
        columns: another field and its values, such as ``("activation", ["tanh", "relu"])``.
        seeds: how many (0, 1, 2, …), or a sequence of whole numbers.
        lab: a `Lab`; choosing a cell puts its setting there.
        show: what is shown first, "rate", "skill" or "loss".
        discoveries: True for an empty map that is filled from the lab. It needs `lab`.

    >>> m = success_map(Experiment(problem="xor"), ("width", [2, 4]), ("activation", ["tanh", "relu"]))
    >>> m.rate.shape
    (2, 2)
    """
    check_experiment(experiment, "success_map")
    axes = axes_of(rows, columns)
    _check_show(show)
    if lab is not None and not callable(getattr(lab, "show", None)):
        raise ValueError(f"lab={reprlib.repr(lab)} is not a Lab: lab = Lab(Experiment()), then lab=lab.")
    if discoveries:
        if lab is None:
            raise ValueError(
                "A map of discoveries needs the lab that they are made in: success_map(…, lab=lab, discoveries=True)."
            )
        return DiscoveryMap(experiment, axes, lab)
    return SuccessMap(experiment, axes, checked_seeds(seeds), lab, show)


def _check_show(show):
    if show not in SHOWS:
        raise ValueError(f"show={reprlib.repr(show)} is not one of {', '.join(SHOWS)}.")


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


class _Map(KernelWidget):
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


# --- maps that are computed ----------------------------------------------------------------------------------------------

_turn = threading.Lock()  # maps take turns, chunk by chunk
_maps = weakref.WeakSet()


@atexit.register
def _stop_all():
    """TensorFlow must not be at work when the interpreter goes."""
    for one in list(_maps):
        one.stop()
        if one._worker is not None:
            one._worker.join(10)


class SuccessMap(_Map):
    """Many seeds for each combination of two fields. Made by `success_map`.

    Reading rate, skill, studies or a figure trains what is missing and waits for it; the interrupt of the kernel ends the
    waiting and stops the training.

    Attributes:
        rate: (rows, columns), fraction of the seeds that learned.
        skill: (rows, columns), median skill; -inf where the median seed diverged.
        studies: a `SeedStudy` for each cell, row by row. To spare memory they hold no weights and no curves: `loss` and
            `val_loss` are those of the last epoch, (seeds, 1), what is measured in the layers is left out.
        text: the summary in words of what is there so far.
    """

    kind = "computed"

    def __init__(self, experiment, axes, seeds, lab, show):
        super().__init__(experiment, axes, lab)
        self.seeds = seeds
        self.show = show
        self._studies = {}
        self._news = threading.Condition()  # guards what follows
        self._worker = None
        self._run = 0  # the number of the present worker; an older one ends at its next chunk
        self._running = False
        self._error = None
        self._now = None  # the cell that is trained, and the share of it that is done
        # Cells on the same graph one after the other, so that no graph is made twice; whether it pays to compile it.
        graphs = {}
        for cell, e in self._experiments.items():
            graphs.setdefault(graph_key(e, len(seeds), False), []).append(cell)
        self._order = {}
        for cells in graphs.values():
            steps = sum(all_steps(self._experiments[cell]) for cell in cells)
            self._order |= dict.fromkeys(cells, steps >= COMPILED_FROM)
        _maps.add(self)

    # --- results ---------------------------------------------------------------------------------------------------

    def _each(self, show):
        numbers = [_number(show, study) for study in self.studies]
        return np.reshape(numbers, (len(self.rows.values), len(self.columns.values)))

    @property
    def rate(self):
        """(rows, columns): fraction of the seeds that learned."""
        return self._each("rate")

    @property
    def skill(self):
        """(rows, columns): median skill."""
        return self._each("skill")

    @property
    def studies(self):
        """A `SeedStudy` for each cell, row by row, fit for `claim(..., over=m.studies)`."""
        self.compute()
        return [self._studies[cell] for cell in self._experiments]

    def study(self, row, column):
        """The `SeedStudy` of one cell, named by its values: ``m.study(4, "relu")``."""
        cell = self.rows.index(row), self.columns.index(column)
        self.compute()
        return self._studies[cell]

    def compute(self):
        """Train what is missing, and wait until it is there."""
        here = threading.get_ident() == self._thread
        watched = here and _page_attached()
        self.start(CHUNK if watched else None)
        try:
            while True:
                with self._news:
                    if not self._running:
                        break
                    self._news.wait(0.1)
                if watched and time.monotonic() - self._told > TELL_EVERY:
                    self._update_view()  # the loop that does it else is waiting, too
        except KeyboardInterrupt:
            self.stop()
            raise
        if here:
            self._update_view()
        if self._error is not None:
            raise self._error
        if not self.complete:
            raise RuntimeError("The map was stopped before it was complete. Read it again to train the rest.")

    # --- training --------------------------------------------------------------------------------------------------

    def start(self, seconds=CHUNK):
        """Train what is missing, in the background; nothing if it is under way or complete.

        seconds: how often it checks whether to stop; None: only when a cell is finished.
        """
        with self._news:
            if self._running or self.complete:
                return
            self._run += 1
            self._running, self._error = True, None
            self._worker = threading.Thread(
                target=self._work, args=(self._run, seconds), name="success map", daemon=True
            )
        self._worker.start()

    def stop(self):
        """Stop training. What is complete stays; `start` or reading a number goes on from there."""
        with self._news:
            self._run += 1
            self._running, self._now = False, None
            self._news.notify_all()

    def restart(self):
        """Discard all results and train again."""
        self.stop()
        with self._news:
            self._studies.clear()
        self.start()

    def _work(self, run, seconds):
        """Train cell after cell, on a thread of its own, as long as `run` is the present one."""
        try:
            for cell, compiled in self._order.items():
                if cell in self._studies:
                    continue
                training = stream_seeds(
                    self._experiments[cell],
                    self.seeds,
                    seconds=seconds,
                    jit_compile=compiled,
                    probes=False,
                    within_epochs=True,
                )
                for study in _in_turn(training):
                    with self._news:
                        if run != self._run:
                            return
                        self._now = cell, study.done
                        if study.done >= 1:
                            self._studies[cell] = _slim(study)
                    self._notify()
            error = None
        except Exception as caught:  # passed to the code that waits for the numbers, and to the page
            error = caught
        with self._news:
            if run != self._run:
                return
            self._running, self._now, self._error = False, None, error
            self._news.notify_all()
        self._notify(finished=True)

    def _notify(self, finished=False):
        """From the worker: the page should show what is there now."""
        due = not self._asked and time.monotonic() - self._told > TELL_EVERY
        if self._loop is not None and (finished or due):
            self._asked = True
            try:
                self._loop.call_soon_threadsafe(self._update_view)
            except RuntimeError:
                self._loop = None  # the kernel's loop is closed, nobody looks any more

    # --- on the page -----------------------------------------------------------------------------------------------

    def _repr_mimebundle_(self, **kwargs):
        self._open()
        if self._loop is not None and _page_attached():
            self.start()
        else:
            self.compute()
        self._update_view()
        data, metadata = self._shown(kwargs)
        return _with_picture(data, metadata, self.figure()) if self.complete else (data, metadata)

    def _act(self, action, message):
        if action in ("stop", "continue", "restart"):
            {"stop": self.stop, "continue": self.start, "restart": self.restart}[action]()

    def _chosen(self, cell):
        return self._experiments[cell]

    @property
    def complete(self):
        """Whether every cell is there."""
        return len(self._studies) == len(self._experiments)

    def _state(self):
        with self._news:
            studies, now, running, error = dict(self._studies), self._now, self._running, self._error
        if error is not None:
            self.note = f"It stopped with an error: {error}"
        done = len(studies) + (now[1] if now and now[0] not in studies else 0)
        levels = {show: self._levels(show, studies) for show in SHOWS}
        cells = []
        for cell in self._experiments:
            name = self._name(cell)
            if cell not in studies:
                training = bool(now) and now[0] == cell
                cells.append({"name": f"{name}: {'training' if training else 'not trained yet'}", "training": training})
                continue
            study = studies[cell]
            colors = {show: to_hex(COLORS(levels[show][cell])) for show in SHOWS}
            cells.append(
                {
                    "name": f"{name}: {_learned(study)}",
                    "more": _medians(study),
                    "shown": {show: _written(show, study) for show in SHOWS},
                    "color": colors,
                    "ink": {show: _ink(color) for show, color in colors.items()},
                }
            )
        return {
            "cells": cells,
            "show": self.show,
            "running": running,
            "complete": self.complete,
            "done": done / len(self._experiments),
            "progress": f"{len(studies)} of {len(self._experiments)} settings × {len(self.seeds)} seeds",
            "text": self.text,
        }

    # --- in words and as a picture -----------------------------------------------------------------------------------

    @property
    def text(self):
        """The map in words, as far as it is there."""
        studies = dict(self._studies)
        e = self.experiment
        total = len(self._experiments) * len(self.seeds)
        epochs = "" if "epochs" in (self.rows.name, self.columns.name) else f", {e.epochs} epochs"
        words = [f"{total:,} networks: {len(self._experiments)} settings × {len(self.seeds)} seeds{epochs}."]
        if len(studies) < len(self._experiments):
            words.append(f"{len(studies)} settings are trained so far." if studies else "None is trained yet.")
        if studies:
            rates = {cell: study.success_rate for cell, study in studies.items()}
            best, worst = max(rates, key=rates.get), min(rates, key=rates.get)
            if rates[best] == rates[worst]:
                words.append(f"The same in all cells: {_learned(studies[best])}.")
            else:
                words.append(f"Learned most often: {self._name(best)}, {_learned(studies[best])}.")
                words.append(f"Least often: {self._name(worst)}, {_learned(studies[worst])}.")
        return " ".join(words)

    def figure(self, show=None):
        """The map as a matplotlib figure, a number in each cell. show: "rate", "skill" or "loss"."""
        show = self.show if show is None else show
        _check_show(show)
        self.compute()
        levels = self._levels(show, self._studies)
        title = f"{SHOWS[show].capitalize()} of {len(self.seeds)} seeds"
        if show == "rate":
            rates = self.rate
            title = f"{rates.min():.0%} to {rates.max():.0%} of {len(self.seeds)} seeds learn"
        cells = {c: (levels[c], _written(show, study)) for c, study in self._studies.items()}
        return _picture(self.rows, self.columns, cells, title)

    def _levels(self, show, studies):
        """Where each cell stands between the lightest (0) and the darkest colour (1); dark is always better."""
        numbers = {cell: _number(show, study) for cell, study in studies.items()}
        if show != "loss":
            return {cell: float(np.clip(number, 0, 1)) for cell, number in numbers.items()}
        finite = [loss for loss in numbers.values() if np.isfinite(loss) and loss > 0]
        if not finite or min(finite) == max(finite):
            return {cell: float(np.isfinite(loss)) for cell, loss in numbers.items()}
        low, high = min(finite), min(max(finite), 1e8 * min(finite))
        norm = LogNorm(low, high, clip=True)
        return {c: 1 - float(norm(max(loss, low))) if np.isfinite(loss) else 0.0 for c, loss in numbers.items()}


def _in_turn(stream):
    """What a stream yields; no two streams work at the same time, and none while somebody looks at a lab that trains."""
    while True:
        while time.monotonic() - KernelWidget.last_frame < PAUSE:
            time.sleep(0.02)
        with _turn:
            item = next(stream, None)
        if item is None:
            return
        yield item


def _slim(study):
    """A finished study without weights and curves."""
    last = {name: getattr(study, name)[:, -1:].copy() for name in ("loss", "val_loss")}
    return dataclasses.replace(study, weights=study.weights[:, :0].copy(), **last)


def _learned(study):
    low, high = study.interval
    return f"{study.learned.sum()} of {len(study.seeds)} learned ({100 * low:.0f}–{100 * high:.0f}%)"


def _skill(skill):
    return "below −10" if skill < -10 else two_digits(skill)


def _number(show, study):
    """What a cell shows: the success rate, or the median of the seeds."""
    if show == "rate":
        return study.success_rate
    return plots.median_of_seeds(study.skill if show == "skill" else study.val_loss[:, -1])


def _written(show, study):
    """The number in a cell, or that the median seed diverged."""
    number = _number(show, study)
    if not np.isfinite(number):
        return DIVERGED
    return {"rate": "{:.0%}".format, "skill": _skill, "loss": plots.number}[show](number)


def _medians(study):
    """The other two numbers of a cell in a sentence."""
    skill, loss = _written("skill", study), _written("loss", study)
    if skill == loss == DIVERGED:
        return "The median seed diverged."
    return f"Median skill: {skill}; median validation loss: {loss}."


def _ink(color):
    """Black or white, whichever stands out more from a colour."""
    return max(("#10161D", "#FFFFFF"), key=lambda ink: pictures.contrast(ink, color))


def _page_attached():
    """Whether a page shows the output of the running cell, or will: JupyterLab names the cell in its request.

    Tools that only run a notebook (nbclient, nbval) do not. Voilà shows the page when all cells are done.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return False
    request = kernel.get_parent() or {}
    return "cellId" in request.get("metadata", {}) or os.environ.get("SERVER_SOFTWARE", "").startswith("voila")


def _with_picture(data, metadata, figure):
    """What a notebook shows, with a figure in the size of all others."""
    picture, size = figure._repr_mimebundle_()
    return {**data, "image/png": picture["image/png"]}, {**metadata, **size}


def _picture(rows, columns, cells, title):
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
            axes.text(j, i, text, ha="center", va="center", color=_ink(to_hex(COLORS(level))))
        axes.set_xticks(range(width), names[1])
        axes.set_yticks(range(height), names[0])
        axes.set_xticks(np.arange(width - 1) + 0.5, minor=True)
        axes.set_yticks(np.arange(height - 1) + 0.5, minor=True)
        axes.grid(False)
        axes.grid(which="minor", color="white", lw=1.5)
        axes.tick_params(which="both", length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.set(xlabel=columns.label, ylabel=rows.label)
        axes.set_title(title)
    told = [f"{names[0][i]}, {names[1][j]}: {text}" for (i, j), (_, text) in sorted(cells.items())]
    figure.alt = f"{title}. {rows.label} and {columns.label}: {'; '.join(told) or 'no cell yet'}."
    return figure


# --- maps that the learner fills -----------------------------------------------------------------------------------------


def read_discoveries(text, problem=None):
    """What `DiscoveryMap.share` wrote: {"discoveries": list of Experiments, "map": what it says of its map, or None}.

    The text is data, never code. ValueError with a sentence for anything that is not such a text.
    """
    like = '{"discoveries":[…]}'
    read = read_shared(text, "discoveries", like, LONGEST_TEXT)
    values = read.get("discoveries")
    if not isinstance(values, list):
        raise ValueError(f"These are not shared discoveries: {reprlib.repr(text)}. They look like {like}.")
    if len(values) > MOST_DISCOVERIES:
        raise ValueError(f"At most {MOST_DISCOVERIES} discoveries are read at once; these are {len(values)}.")
    discoveries = []
    for number, value in enumerate(values, 1):
        try:
            discoveries.append(Experiment.from_json(json.dumps(value), problem))
        except ValueError as error:
            raise ValueError(f"Discovery {number} of {len(values)}: {error}") from error
    return {"discoveries": discoveries, "map": read.get("map")}


class DiscoveryMap(_Map):
    """A map that is filled with settings that learned in the lab. Made by `success_map(..., lab=lab, discoveries=True)`.

    Attributes:
        discoveries: the list of `Experiment`s that were registered or loaded, in this order.
    """

    kind = "discoveries"

    def __init__(self, experiment, axes, lab):
        super().__init__(experiment, axes, lab)
        self.discoveries = []

    def register(self, run=None):
        """Put a finished `Run`, that of the lab if none is given, on the map, if it learned. Returns a sentence about it."""
        run = self.lab.run if run is None else run
        if run is None or not run.finished:
            return "The lab has no finished run. Let its training finish, then register."
        e = run.experiment
        if not run.learned:
            why = f"its skill is {_skill(run.skill)}" if np.isfinite(run.skill) else "it diverged"
            return f"These settings did not learn: {why}, and a skill of at least 0.95 counts as learned."
        try:
            cell = self._place(e)
        except ValueError as error:
            return str(error)
        if e in self.discoveries:
            return f"These settings are on the map already, at {self._name(cell)}."
        self.discoveries.append(e)
        moved = [
            f"{axis.spec.label} {value_text(getattr(e, axis.name))} counts as {value_text(axis.values[at])}"
            for axis, at in zip((self.rows, self.columns), cell, strict=True)
            if getattr(e, axis.name) != axis.values[at]
        ]
        return f"Registered at {self._name(cell)}" + (f" ({', '.join(moved)})." if moved else ".")

    def _place(self, e):
        """The cell of a discovery; ValueError with a sentence if it lies outside the map."""
        if e.problem != self.experiment.problem and "problem" not in (self.rows.name, self.columns.name):
            raise ValueError(
                f"This map is of the problem {self.experiment.problem}, and the settings are for {e.problem}."
            )
        return tuple(axis.nearest(getattr(e, axis.name)) for axis in (self.rows, self.columns))

    def share(self):
        """The discoveries as one line of text, which `load` of another map of discoveries and `merge_discoveries` read."""
        axes = {"rows": (self.rows.name, self.rows.values), "columns": (self.columns.name, self.columns.values)}
        of = {"experiment": self.experiment.settings(), **axes}
        return json.dumps({"discoveries": [e.settings() for e in self.discoveries], "map": of}, separators=(",", ":"))

    def load(self, text):
        """Add the discoveries that `share` wrote, taken at their word. Returns a sentence that says what happened.

        The text is data, never code. ValueError with a sentence for anything that is not such a text.
        """
        values = read_discoveries(text, self.experiment.problem)["discoveries"]
        new, outside, known = [], 0, 0
        for e in values:
            try:
                self._place(e)
            except ValueError:
                outside += 1
                continue
            if e in self.discoveries or e in new:
                known += 1
            else:
                new.append(e)
        self.discoveries += new
        self._update_view()
        words = f"{len(new)} of {len(values)} discoveries are new and on the map now."
        if known:
            words += f" {known} were there already."
        if outside:
            words += f" {outside} lie outside of this map."
        return words

    # --- on the page -----------------------------------------------------------------------------------------------

    def _repr_mimebundle_(self, **kwargs):
        self._open()
        self._update_view()
        return _with_picture(*self._shown(kwargs), self.figure())

    def _act(self, action, message):
        if action == "register":
            self.note = self.register()
        elif action == "load":
            try:
                self.note = self.load(message.get("text", "").strip())
            except ValueError as error:
                self.note = str(error)

    def _chosen(self, cell):
        return self._found().get(cell, [self._experiments[cell]])[-1]

    def _found(self):
        """The discoveries of each cell that has some."""
        found = {}
        for e in self.discoveries:
            found.setdefault(self._place(e), []).append(e)
        return found

    def _changed(self, e):
        """In what a discovery differs from the map's own setting, apart from rows and columns."""
        fixed = (self.rows.name, self.columns.name)
        parts = [
            f"{spec.label} {value_text(getattr(e, name))}"
            for name, spec in FIELDS.items()
            if name not in fixed and getattr(e, name) != getattr(self.experiment, name)
        ]
        return ", ".join(parts) or "nothing else changed"

    def _state(self):
        found = self._found()
        cells = []
        for cell in self._experiments:
            discoveries = found.get(cell, [])
            if not discoveries:
                cells.append({"name": f"{self._name(cell)}: no discovery yet"})
                continue
            cells.append(
                {
                    "name": f"{self._name(cell)}: found",
                    "more": f"With {'; or '.join(self._changed(e) for e in discoveries[:3])}"
                    + (f"; and {len(discoveries) - 3} more." if len(discoveries) > 3 else "."),
                    "found": len(discoveries),
                }
            )
        return {"cells": cells, "text": self.text, "share": self.share(), "done": len(found) / len(cells)}

    @property
    def text(self):
        """The map in words."""
        found, cells = len(self._found()), len(self._experiments)
        if not found:
            return f"No discovery yet on {cells} cells. Find settings in the lab that learn, then register them."
        places = ", then ".join(self._name(cell) for cell in list(self._found())[:3])
        return f"{found} of {cells} cells found, the first: {places}."

    def figure(self):
        """The map as a matplotlib figure, a mark in each cell that was found."""
        found = self._found()
        cells = {cell: (0.75, "found") if cell in found else (0.0, "") for cell in self._experiments}
        return _picture(self.rows, self.columns, cells, f"{len(found)} of {len(cells)} cells found")
