"""Few settings in which every value of every field stands at least once, beside different others."""

import math
import random

import pytest

from helpers.experiments.catalog import FEATURES
from helpers.experiments.experiment import MOST_WEIGHTS
from helpers.experiments.sources import PROBLEMS, most_samples


def fitting(fields):
    """The fields of an experiment, with those changed that do not go together with its problem."""
    source = PROBLEMS[fields["problem"]]
    changed = {"samples": min(fields["samples"], most_samples(fields["problem"]))}
    if fields["features"] is None or not source.suits(FEATURES[fields["features"]]):
        changed["features"] = None
    if source.categories:
        changed |= {"missing": 0.0, "outliers": 0, "input_offset": 0.0, "input_scale": 1.0}
    elif fields["imputation"] == "drop" and changed["samples"] * (1 - fields["missing"]) ** len(source.features) < 5:
        changed["missing"] = 0.0
    if changed.get("input_offset", fields["input_offset"]) < 0:
        changed["input_offset"] = -fields["input_offset"]  # a logarithm needs positive inputs
    if fields["depth"] > 1:
        changed["width"] = min(fields["width"], math.isqrt(MOST_WEIGHTS // (fields["depth"] - 1)))
    return fields | changed


def covering(tables, at_least):
    """A dict for each row: as many rows as the longest table has values, or `at_least`.

    tables: name -> the values that are to be tried. Each field goes round its values in an order of its own, which is
    the same in every call.
    """
    count = max(at_least, *map(len, tables.values()))
    columns = []
    for name, values in tables.items():
        shuffle, column = random.Random(name), []
        while len(column) < count:
            column += shuffle.sample(list(values), len(values))
        columns.append(column[:count])
    return [dict(zip(tables, row, strict=True)) for row in zip(*columns, strict=True)]


def each_night(cases, always):
    """The cases of a test as pytest takes them: those named in `always` in every run, the others at night.

    cases: {id: value}, or values whose text is their id.
    """
    cases = cases if isinstance(cases, dict) else {str(case): case for case in cases}
    assert set(always) <= set(cases), set(always) - set(cases)
    return [
        pytest.param(value, id=name, marks=[] if name in always else [pytest.mark.nightly])
        for name, value in cases.items()
    ]
