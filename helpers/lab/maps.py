"""Maps of success: one field of an Experiment by rows, another by columns, and in each cell many seeds.

- `success_map(experiment, rows, columns)` trains every cell and shows how many of its seeds learned.
- `success_map(..., lab=lab, discoveries=True)` is an empty map that the learner fills with settings that learned in the lab.

On a page a map shows itself at once and trains in a thread of its own, so that the kernel answers other cells and the
buttons meanwhile. Reading a number (`m.rate`, `m.figure()`, …) waits until the map is complete.
"""

import atexit
import dataclasses
import os
import reprlib
import threading
import time
import weakref

import numpy as np
from IPython import get_ipython
from matplotlib.colors import LogNorm, to_hex

from why_wont_it_learn.diagnosis.symptoms import two_digits

from ..experiments.experiment import check_experiment
from ..experiments.jobs import graph_key
from ..experiments.models import all_steps
from ..experiments.training import checked_seeds, stream_seeds
from . import plots
from .discoveries import DiscoveryMap
from .heat_map import COLORS, SHOWS, Map, axes_of, heat_map, ink_on, with_picture
from .kernel_widget import KernelWidget

TELL_EVERY = 0.15  # seconds between two messages to the page
CHUNK = 0.1  # seconds of training between two looks at the page's requests
PAUSE = 0.3  # seconds after the last frame of a lab that trains, until which maps wait: somebody moves its controls
COMPILED_FROM = 8000  # steps on one graph: from here on XLA is quicker in all, though it compiles for seconds
DIVERGED = "diverged"  # stands in a cell in place of a number that is not finite


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


_turn = threading.Lock()  # maps take turns, chunk by chunk
_maps = weakref.WeakSet()


@atexit.register
def _stop_all():
    """TensorFlow must not be at work when the interpreter goes."""
    for one in list(_maps):
        one.stop()
        if one._worker is not None:
            one._worker.join(10)


class SuccessMap(Map):
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
        return with_picture(data, metadata, self.figure()) if self.complete else (data, metadata)

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
                    "ink": {show: ink_on(color) for show, color in colors.items()},
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
        return heat_map(self.rows, self.columns, cells, title)

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


def _page_attached():
    """Whether a page shows the output of the running cell, or will: JupyterLab names the cell in its request.

    Tools that only run a notebook (nbclient, nbval) do not. Voilà shows the page when all cells are done.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None:
        return False
    request = kernel.get_parent() or {}
    return "cellId" in request.get("metadata", {}) or os.environ.get("SERVER_SOFTWARE", "").startswith("voila")
