"""Maps that a learner fills with settings that learned, and what a class found together: the shared lines as one map.

>>> from helpers.lab.discoveries import merge_discoveries
>>> merge_discoveries(open("discoveries.txt").read())

A line is what *Share* below a map of discoveries shows, with or without a name before it: `ada {"discoveries":[…],"map":{…}}`.
"""

import collections
import json
import re
import reprlib

import numpy as np

from ..experiments.experiment import FIELDS, Experiment, read_shared, value_text
from ..experiments.training import train
from .heat_map import Map, axes_of, heat_map, with_picture
from .plots import short_skill

MOST_DISCOVERIES = 1000
LONGEST_TEXT = 1_000_000  # characters of shared discoveries that are read
MOST_LINES = 500
LONGEST_LINE = 300_000  # characters
NAME = re.compile(r"[\w .'-]{1,40}")


def read_discoveries(text, problem=None):
    """What `DiscoveryMap.share` wrote: (list of Experiments, what it says of its map, or None).

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
    return discoveries, read.get("map")


class DiscoveryMap(Map):
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
            why = f"its skill is {short_skill(run.skill)}" if np.isfinite(run.skill) else "it diverged"
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
        values, _ = read_discoveries(text, self.experiment.problem)
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
        return with_picture(*self._shown(kwargs), self.figure())

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
        return heat_map(self.rows, self.columns, cells, f"{len(found)} of {len(cells)} cells found")


# --- what a class found together ---


def merge_discoveries(lines):
    """One map of what a class found.

    Args:
        lines: the shared lines, as one text or a sequence of texts. An empty line is passed over. A line that cannot be
            read, or belongs to another map than most, is left out, and `refused` says why.

    Returns:
        A `ClassMap`, which displays itself. ValueError with a sentence if not a single line can be used.
    """
    lines = lines.splitlines() if isinstance(lines, str) else list(lines)
    if len(lines) > MOST_LINES:
        raise ValueError(f"At most {MOST_LINES} lines are read; these are {len(lines)}.")
    read, refused = [], {}
    for number, line in enumerate(lines, 1):
        try:
            if not isinstance(line, str):
                raise ValueError(f"a line is a text, not {type(line).__name__}.")
            if line.strip():
                read.append((number, *_read(line.strip(), number)))
        except ValueError as error:
            refused[number] = f"Line {number}: {error}"
    if not read:
        why = " ".join(refused.values()) or "There is none."
        raise ValueError(f"No line of shared discoveries could be read. {why}")
    most, _ = collections.Counter(_key(pooled) for _, _, pooled, _ in read).most_common(1)[0]
    pooled = next(pooled for _, _, pooled, _ in read if _key(pooled) == most)
    learners = {}
    for number, name, other, discoveries in read:
        if _key(other) != most:
            refused[number] = (
                f"Line {number}: it belongs to another map, {_named(other)}; this one is {_named(pooled)}."
            )
            continue
        mine = learners.setdefault(name, {})
        for e in discoveries:
            try:
                mine.setdefault(pooled._place(e), []).append(e)
            except ValueError as error:
                refused[number] = f"Line {number}: one of its discoveries is left out. {error}"
    return ClassMap(pooled, learners, [refused[number] for number in sorted(refused)])


class ClassMap:
    """A map of how many learners found each cell. Made by `merge_discoveries`.

    Attributes:
        learners: {name: {(row, column): list of Experiments}}.
        count: how many learners found each cell, (rows, columns).
        refused: a sentence for each line, or discovery, that was left out.
        name: a function that tells a cell, (row, column), in words.
    """

    def __init__(self, pooled, learners, refused):
        self.rows, self.columns, self.experiment = pooled.rows, pooled.columns, pooled.experiment
        self.learners, self.refused = learners, refused
        self.count = np.zeros((len(self.rows.values), len(self.columns.values)), int)
        for cells in learners.values():
            for cell in cells:
                self.count[cell] += 1
        self.name = pooled._name

    def check(self):
        """Train every discovery again. Returns a sentence for each that did not learn here.

        A discovery is one seed's. It learns again wherever arithmetic rounds alike, and nearly always elsewhere.
        """
        discoveries = {
            e: (name, cell) for name, cells in self.learners.items() for cell, found in cells.items() for e in found
        }
        runs = {e: train(e) for e in discoveries}
        return [
            f"{name}: {self.name(cell)} did not learn here: {runs[e].verdict}"
            for e, (name, cell) in discoveries.items()
            if not runs[e].learned
        ]

    @property
    def title(self):
        found, who = np.count_nonzero(self.count), len(self.learners)
        return f"{who} learner{'s' * (who != 1)} found {found} of {self.count.size} cells"

    @property
    def text(self):
        """The map in words."""
        words = [f"{self.title}."]
        if self.count.any():
            top = np.unravel_index(self.count.argmax(), self.count.shape)
            words.append(f"Found by most: {self.name(top)} ({self.count[top]}).")
        missing = [self.name(cell) for cell in np.argwhere(self.count == 0).tolist()]
        if missing:
            more = f", and {len(missing) - 6} more" if len(missing) > 6 else ""
            words.append(f"Found by nobody: {'; '.join(missing[:6])}{more}.")
        return " ".join([*words, *self.refused])

    def figure(self):
        """The map as a matplotlib figure: in each cell how many found it, none where nobody did."""
        most = max(1, len(self.learners))
        cells = {cell: (n / most, str(n) if n else "") for cell, n in np.ndenumerate(self.count)}
        return heat_map(self.rows, self.columns, cells, self.title)

    def _repr_mimebundle_(self, **kwargs):
        return with_picture({"text/plain": self.text}, {}, self.figure())


def _read(line, number):
    """Name, the empty map that it says it is of, and discoveries of a line; ValueError with a sentence."""
    if len(line) > LONGEST_LINE:
        raise ValueError(f"it has {len(line):,} characters; at most {LONGEST_LINE:,} are read.")
    name, brace, rest = line.partition("{")
    name = name.strip().rstrip(":").strip()
    if not brace:
        raise ValueError(f"{reprlib.repr(line)} has no discoveries. Copy all of what Share shows, from {{ to }}.")
    if name and not NAME.fullmatch(name):
        raise ValueError(
            f"the name {reprlib.repr(name)} has something other than letters, digits, spaces, . - _ and '."
        )
    discoveries, of = read_discoveries(brace + rest)
    if not isinstance(of, dict) or {"experiment", "rows", "columns"} - of.keys():
        raise ValueError("it does not say of which map it is. Share it again from the map of the lesson.")
    experiment = Experiment.from_json(json.dumps(of["experiment"]))
    return name or f"line {number}", DiscoveryMap(experiment, axes_of(of["rows"], of["columns"]), None), discoveries


def _key(pooled):
    return pooled.experiment, pooled.rows, pooled.columns


def _named(pooled):
    return f"{pooled.rows.spec.label} × {pooled.columns.spec.label} on {pooled.experiment.problem}"
