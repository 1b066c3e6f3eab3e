"""The trained grid of a lesson as one script: a few words of JSON and, in base64, blocks of numbers.

A page that was opened from the file system may not fetch data, but it may load a script; so the data stand in an assignment.
Numbers of pictures are kept in 16 bits, what is printed as 32-bit floats.
"""

import base64
import dataclasses
import json

import numpy as np
from scipy.stats import binomtest

from helpers.experiments.experiment import FIELDS, Experiment
from helpers.experiments.problems import make_problem
from helpers.lab import plots

from .grid import CURVE_POINTS, FIT_POINTS, NUMBERS, points_shown

DECADES = (-14.0, 38.0)  # of losses and gradients, which are kept as logarithms
TOP = 65534  # 0 stands for what is not a number


def script(lab, kept, seeds):
    """The text of the data script of a `StillLab`; kept: its experiments -> what `grid.results` gave for them."""
    settings = lab.settings()
    experiments = list(dict.fromkeys(map(lab.experiment_at, settings)))
    place = {e: number for number, e in enumerate(experiments)}
    datasets = list(dict.fromkeys(e.data_only() for e in experiments))
    problems = [make_problem(e) for e in datasets]
    rows = [kept[e] for e in experiments]
    texts = list(dict.fromkeys(row["text"] for row in rows))
    number_of = {text: number for number, text in enumerate(texts)}
    data_of = [datasets.index(e.data_only()) for e in experiments]
    spans = [_span(problem) for problem in problems]
    layers = max(row["layers"].shape[1] for row in rows)
    blocks = {
        "cells": np.array([place[lab.experiment_at(setting)] for setting in settings], "<u2"),
        "texts": np.array([number_of[row["text"]] for row in rows], "<u2"),
        "data": np.array(data_of, "<u2"),
        "numbers": np.array([row["numbers"] for row in rows], "<f4"),
        "skills": np.array([row["skills"] for row in rows], "<f4"),
        "curves": np.array([logarithms(row["curves"]) for row in rows]),
        "fits": np.array([levels(row["fit"], *spans[d]) for row, d in zip(rows, data_of, strict=True)]),
        "layers": np.array([_layers(row["layers"], layers) for row in rows]),
    }
    known = {
        "lesson": lab.lesson,
        "seeds": seeds,
        "settings": len(settings),
        "networks": len(settings) * seeds,
        "controls": [_control(lab, name) for name in lab.slider_values],
        "first": [values.index(value) for values, value in zip(lab.slider_values.values(), lab.first, strict=True)],
        "experiment": dataclasses.asdict(lab.experiment),
        "defaults": dataclasses.asdict(Experiment(problem=lab.experiment.problem)),
        "labels": {name: spec.label for name, spec in FIELDS.items()},
        "pictures": lab.pictures,
        "kind": plots.kind_of_fit(problems[0]),
        "side": FIT_POINTS[plots.kind_of_fit(problems[0])],
        "curvePoints": CURVE_POINTS,
        "layers": layers,
        "decades": DECADES,
        "top": TOP,
        "numbers": NUMBERS,
        "intervals": [_interval(learned, seeds) for learned in range(seeds + 1)],
        "datasets": [_dataset(problem, span) for problem, span in zip(problems, spans, strict=True)],
        "texts": texts,
        "blocks": {name: base64.b64encode(block.tobytes()).decode() for name, block in blocks.items()},
    }
    # Within a script, "<" could end it; nothing of ours has one, and a text that had one would stay a text.
    text = json.dumps(known, separators=(",", ":"), allow_nan=False, ensure_ascii=False).replace("<", "\\u003c")
    return f'"use strict";\nglobalThis.wwilGrid = {text};\n'


def logarithms(values):
    """Positive numbers as 16-bit logarithms; 0 for what is not a finite number, the least for 0."""
    values = np.asarray(values, float)
    fine = np.isfinite(values) & (values >= 0)
    low, high = DECADES
    scaled = (np.log10(np.where(fine & (values > 0), values, 10.0**low)) - low) / (high - low)
    return np.where(fine, 1 + np.round(np.clip(scaled, 0, 1) * (TOP - 1)), 0).astype("<u2")


def levels(values, low, high):
    """Numbers between two bounds in 16 bits; what lies outside stands at the bound, 0 for what is not a number."""
    values = np.asarray(values, float)
    scaled = np.clip((np.nan_to_num(values, nan=low, posinf=high, neginf=low) - low) / (high - low), 0, 1)
    return np.where(np.isnan(values), 0, 1 + np.round(scaled * (TOP - 1))).astype("<u2")


def _layers(values, count):
    """Gradient, dead and saturated share of each layer, filled up to `count` layers."""
    gradient, dead, saturated = np.pad(values, [(0, 0), (0, count - values.shape[1])], constant_values=np.nan)
    return np.stack([logarithms(gradient), levels(dead, 0, 1), levels(saturated, 0, 1)])


def _span(problem):
    """Between which answers a fit is kept: three times the height of its picture, so that a curve leaves it where it should."""
    if problem.task == "binary":
        return 0.0, 1.0
    low, high = _heights(problem)
    return 2 * low - high, 2 * high - low


def _heights(problem):
    """The lowest and the highest answer in the picture of the fit."""
    values = np.concatenate([problem.y, problem.y_val])
    room = 0.1 * float(np.ptp(values)) or 1.0
    return float(values.min()) - room, float(values.max()) + room


def _dataset(problem, span):
    """What the pictures draw of the data, apart from any network."""
    source, x = problem.source, points_shown(problem)
    return {
        "x": [_short(column) for column in problem.raw_x.T],
        "y": _short(problem.y[:, 0]),
        "low": _short(x.min(axis=0)),
        "high": _short(x.max(axis=0)),
        "heights": _short(_heights(problem)),
        "span": list(span),
        "truth": _short(problem.truth(x)[:, 0]) if problem.truth and x.shape[1] == 1 else None,
        "features": source.features,
        "target": source.target,
        "task": problem.task,
        "constant": float(problem.loss_of_constant),
        "floor": float(problem.loss_of_truth),
        "referenceName": problem.reference_name,
        "constantName": "the mean" if problem.task == "regression" else "the most frequent class",
    }


def _short(values):
    """Numbers of a picture with five digits; None for what is not finite."""
    return [float(f"{float(value):.5g}") if np.isfinite(value) else None for value in values]


def _interval(learned, seeds):
    test = binomtest(learned, seeds).proportion_ci(0.95, method="wilson")
    return [float(test.low), float(test.high)]


def _control(lab, name):
    spec, values = FIELDS[name], lab.slider_values[name]
    return {
        "name": name,
        "group": spec.group,
        "label": spec.label,
        "unit": spec.unit,
        "choice": spec.choices is not None,
        "values": values,
        "shown": ["all" if s is None else s if isinstance(s, str) else f"{s:g}" for s in values],
        "helps": [spec.choices[value] if spec.choices else spec.help for value in values],
    }
