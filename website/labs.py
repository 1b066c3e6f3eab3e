"""The main lab of each lesson, and the grid of settings over which its sliders move on a page without a kernel.

Experiment, controls and pictures are taken from the lesson's own code; only the slider values that are trained are declared here.
"""

import re
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import helpers
from helpers.experiments.catalog import OPTIMIZERS
from helpers.experiments.experiment import FIELDS, Experiment
from helpers.lab.plots import PICTURES

LESSONS = Path(__file__).resolve().parent.parent / "lessons"

# The slider values that are trained: for every lesson, or for one lesson (its first two digits) instead. The lab's first value
# is always added. For a control that is not here, some of the lab's own slider values are taken.
SLIDER_VALUES = {
    "": {
        "depth": [0, 1, 2, 3, 5],
        "width": [1, 2, 4, 8, 16, 32],
        "activation": ["linear", "sigmoid", "tanh", "relu", "leaky_relu"],
        "initializer": ["glorot_uniform", "he_normal", "zeros", "random_normal"],
        "optimizer": ["sgd", "momentum", "rmsprop", "adam"],
        "learning_rate": [0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0],
        "epochs": [20, 50, 100, 300],
        "scaling": ["none", "standard", "minmax", "robust"],
        "l1": [0.0, 0.001, 0.01],
        "l2": [0.0, 0.001, 0.01, 0.1],
        "dropout": [0.0, 0.1, 0.3],
    },
    "01": {"width": [1, 2, 3, 4, 8, 16]},
    "02": {
        "depth": [1, 2, 3, 5, 10],
        "activation": ["sigmoid", "tanh", "relu", "elu"],
        "optimizer": ["sgd", "momentum", "adam"],
        "initializer": ["glorot_uniform", "he_normal", "zeros"],
        "learning_rate": [0.01, 0.1, 1.0],
    },
    "03": {
        "optimizer": list(OPTIMIZERS),
        "learning_rate": [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0],
        "epochs": [10, 20, 50, 100, 200, 500, 1000],
    },
    "04": {
        "width": [2, 8, 32],
        "activation": ["tanh", "relu", "sigmoid"],
        "learning_rate": [0.003, 0.03, 0.3],
        "epochs": [50, 100, 200],
        "outliers": [0, 2, 10],
    },
    "05": {
        "l1": [0.0, 0.003, 0.03],
        "l2": [0.0, 0.003, 0.01, 0.1],
        "dropout": [0.0, 0.1],
        "early_stopping": [0, 30, 100],
        "samples": [20, 200],
        "seed": [0, 1, 2],
    },
    "06": {
        "depth": [0, 1, 2],
        "width": [4, 16],
        "activation": ["relu", "tanh"],
        "initializer": ["glorot_uniform", "he_normal"],
        "optimizer": ["sgd", "adam"],
        "learning_rate": [0.001, 0.003, 0.01],
        "epochs": [100, 300],
        "scaling": ["none", "standard"],
        "l2": [0.0, 0.01],
    },
}  # fmt: skip
FEW = 4  # slider values of a control that SLIDER_VALUES does not know


@dataclass(frozen=True)
class StillLab:
    """What becomes a lab without a kernel: the first Lab of a lesson.

    cell: number of its code cell among the lesson's code cells. slider_values: for each control, what it can be set to.
    """

    lesson: str
    cell: int
    experiment: Experiment
    pictures: tuple
    slider_values: dict

    def settings(self):
        """Every setting of the grid: a list of tuples of slider values, in the order of the controls; the last one moves fastest."""
        return list(product(*self.slider_values.values()))

    def experiment_at(self, setting):
        """What is trained for a setting."""
        return used(self.experiment.replace(**dict(zip(self.slider_values, setting, strict=True))))

    @property
    def first(self):
        """The setting that the lab opens with."""
        return tuple(getattr(self.experiment, name) for name in self.slider_values)


def used(experiment):
    """The same experiment with what it does not use at its default, so that equal networks are trained once."""
    default = Experiment()
    return experiment.replace(**{name: getattr(default, name) for name in FIELDS if not experiment.uses(name)})


def names():
    """The lessons in their order."""
    return sorted(path.stem for path in LESSONS.glob("[0-9]*.py"))


def main_lab(lesson, few=None):
    """The first lab of a lesson as a `StillLab`; few: keep so many slider values of each control at most.

    Runs the lesson's code up to there, with a Lab that only notes what it was asked for.
    """
    noted = []

    def note(experiment, controls=None, pictures=PICTURES, **_):
        noted.append((experiment, controls, tuple(pictures)))

    real, helpers.Lab = helpers.Lab, note
    try:
        sources = iter(code_cells((LESSONS / f"{lesson}.py").read_text("utf-8")))
        scope, number = {}, -1
        while not noted and (source := next(sources, None)) is not None:
            exec(compile(source, f"{lesson}.py", "exec"), scope)  # our own lesson, as a notebook runs it
            number += 1
    finally:
        helpers.Lab = real
    if not noted:
        raise ValueError(f"{lesson} has no Lab(...): a page needs one to make its sliders from.")
    experiment, controls, pictures = noted[0]
    if not controls:
        raise ValueError(f"The first Lab of {lesson} names no controls: a page cannot train all of them. Name some.")
    slider_values = {name: _slider_values(lesson, experiment, name, few) for name in FIELDS if name in controls}
    return StillLab(lesson, number, experiment, pictures, slider_values)


def code_cells(text):
    """The code cells of a lesson, which is written in the percent format of jupytext."""
    parts = re.split(r"^(# %%.*)\n", text, flags=re.M)
    heads, bodies = parts[1::2], parts[2::2]
    return [body for head, body in zip(heads, bodies, strict=True) if "[markdown]" not in head]


def _slider_values(lesson, experiment, name, few):
    own = experiment.slider_values(name)
    wanted = SLIDER_VALUES.get(lesson[:2], {}).get(name) or SLIDER_VALUES[""].get(name) or own[:: -(-len(own) // FEW)]
    first = getattr(experiment, name)
    wanted = wanted if few is None else [value for value in wanted if value != first][: few - 1]
    # In the lab's own order; a value that the lab does not have is one that its slider cannot reach.
    unknown = [value for value in wanted if value not in own]
    if unknown:
        raise ValueError(
            f"{name}={unknown[0]!r} is no slider value of the lab of {lesson}: {', '.join(map(str, own))}."
        )
    return [value for value in own if value in wanted or value == first]
