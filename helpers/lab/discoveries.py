"""What a class found together: the lines that its learners shared from one map, as one map.

>>> from helpers.lab.discoveries import merge_discoveries
>>> merge_discoveries(open("discoveries.txt").read())

A line is what *Share* below a map of discoveries shows, with or without a name before it: `ada {"discoveries":[…],"map":{…}}`.
"""

import collections
import json
import re
import reprlib

import numpy as np

from ..experiments.experiment import Experiment
from ..experiments.training import train
from .maps import DiscoveryMap, _picture, _with_picture, axes_of, read_discoveries

MOST_LINES = 500
LONGEST_LINE = 300_000  # characters
NAME = re.compile(r"[\w .'-]{1,40}")


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
        return _picture(self.rows, self.columns, cells, self.title)

    def _repr_mimebundle_(self, **kwargs):
        return _with_picture({"text/plain": self.text}, {}, self.figure())


def _read(line, number):
    """Name, map and discoveries of a line; ValueError with a sentence."""
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
    read = read_discoveries(brace + rest)
    return name or f"line {number}", _map(read["map"]), read["discoveries"]


def _map(value):
    """The empty map that a line says it is of."""
    if not isinstance(value, dict) or {"experiment", "rows", "columns"} - value.keys():
        raise ValueError("it does not say of which map it is. Share it again from the map of the lesson.")
    experiment = Experiment.from_json(json.dumps(value["experiment"]))
    return DiscoveryMap(experiment, axes_of(value["rows"], value["columns"]), None)


def _key(pooled):
    return pooled.experiment, pooled.rows, pooled.columns


def _named(pooled):
    return f"{pooled.rows.spec.label} × {pooled.columns.spec.label} on {pooled.experiment.problem}"
