"""The data sets, and what can be known of each before a network sees it: its baseline and its noise floor."""

import inspect
import io
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .catalog import SCALINGS

DATA = Path(__file__).resolve().parent.parent / "data"
VALIDATION_POINTS = 200


# --- Where points come from. The functions below are printed in the Keras program as they stand here. ---


def line_inputs(rng, n):
    return np.linspace(0, 10, n)[:, None]


def line_truth(x):
    return 2 * x + 1


def sine_inputs(rng, n):
    return rng.uniform(-5, 5, (n, 1))


def sine_truth(x):
    return np.sin(x)


def abs_inputs(rng, n):
    return rng.uniform(-3, 3, (n, 1))


def abs_truth(x):
    return np.abs(x)


def bump_inputs(rng, n):
    return rng.uniform(-1, 1, (n, 1))


def bump_truth(x):
    return np.exp(-0.5 * (x / 0.15) ** 2)


def triangle_inputs(rng, n):
    return rng.uniform(-1, 1, (n, 1))


def triangle_truth(x):
    return 1 - 2 * np.abs((4 * x) % 2 - 1)


def square_inputs(rng, n):
    return rng.uniform(-1, 1, (n, 2))


def product_truth(x):
    return x[:, :1] * x[:, 1:]


def circle_truth(x):
    return (np.sum(x**2, axis=1, keepdims=True) < 2 / np.pi).astype(float)


def xor_inputs(rng, n):
    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return corners[np.arange(n) % 4]


def xor_truth(x):
    return (x[:, :1].round() != x[:, 1:].round()).astype(float)


def moons_inputs(rng, n):
    upper = np.arange(n) % 2 == 0
    angle = rng.uniform(0, np.pi, n)
    x1 = np.where(upper, np.cos(angle), 1 - np.cos(angle))
    x2 = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    return np.stack([x1, x2], axis=1)


def moons_truth(x):
    def distance(centre, side):
        along = x - np.array(centre)
        on_arc = np.abs(np.hypot(along[:, 0], along[:, 1]) - 1)
        to_ends = np.hypot(np.abs(along[:, 0]) - 1, along[:, 1])
        return np.where(side * along[:, 1] >= 0, on_arc, to_ends)

    return (distance([1, 0.5], -1) < distance([0, 0], 1)).astype(float)[:, None]


@dataclass(frozen=True)
class Source:
    """Where the points of a problem come from: one row of `PROBLEMS`.

    inputs: (rng, n) -> x of shape (n, features), for a synthetic problem.
    truth: x -> y of shape (n, 1), the true function; None where nobody knows it.
    noise_on: "targets" (added to y) or "inputs" (added to x when y is known); a normal distribution.
    noise, samples: the values that an Experiment takes if it names none.
    table: the file in data/ whose last column is the target, for a real problem.
    """

    help: str
    task: str
    features: tuple[str, ...]
    target: str
    samples: int
    noise: float = 0.0
    noise_on: str = "targets"
    inputs: Callable | None = None
    truth: Callable | None = None
    table: str = ""


PROBLEMS = {
    "line": Source("a straight line, y = 2x + 1", "regression", ("x",), "y", 100, 1.0, "targets", line_inputs, line_truth),
    "sine": Source("a wave, y = sin x", "regression", ("x",), "y", 200, 0.1, "targets", sine_inputs, sine_truth),
    "abs": Source("a kink, y = |x|", "regression", ("x",), "y", 200, 0.1, "targets", abs_inputs, abs_truth),
    "bump": Source("a narrow bump on a flat floor", "regression", ("x",), "y", 200, 0.05, "targets", bump_inputs, bump_truth),
    "triangle": Source(
        "a zigzag of four teeth", "regression", ("x",), "y", 200, 0.05, "targets", triangle_inputs, triangle_truth
    ),
    "product": Source(
        "y = x1 · x2", "regression", ("x1", "x2"), "y", 200, 0.05, "targets", square_inputs, product_truth
    ),
    "xor": Source(
        "four corners: 1 where the two inputs differ",
        "binary", ("x1", "x2"), "class", 4, 0.0, "inputs", xor_inputs, xor_truth,
    ),
    "moons": Source(
        "two half moons that reach into each other",
        "binary", ("x1", "x2"), "class", 200, 0.1, "inputs", moons_inputs, moons_truth,
    ),
    "circle": Source(
        "inside or outside of a circle", "binary", ("x1", "x2"), "class", 200, 0.0, "inputs", square_inputs, circle_truth
    ),
    "auto_mpg": Source(
        "real cars of 1970-82: how far do they go on a gallon?",
        "regression",
        ("cylinders", "displacement", "horsepower", "weight", "acceleration", "year"),
        "mpg",
        294,
        table="auto_mpg.csv",
    ),
}  # fmt: skip

# What stands in for the true function of real data, which nobody knows.
REFERENCE = make_pipeline(StandardScaler(), KernelRidge(kernel="rbf", alpha=0.1, gamma=0.1))
REFERENCE_NAME = "kernel ridge regression"


@dataclass(frozen=True, eq=False)
class Problem:
    """The data of one experiment, ready for the network.

    x, x_val: (points, features) float32, scaled as the experiment says; raw_x, raw_x_val: the same before scaling.
    y, y_val: (points, 1) float32.
    baseline: validation error of always predicting the training mean, or the most frequent class.
    noise_floor: validation error of the true function; for real data that of `floor_name`.
    loss_of_constant, loss_of_truth: what the loss is where the error is the baseline and the noise floor. The same numbers
    in regression; in classification the cross-entropy of always answering the shares of the classes, and 0.
    truth: x before scaling -> y, or None.
    """

    name: str
    task: str
    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    raw_x: np.ndarray
    raw_x_val: np.ndarray
    scaler: object
    noise_floor: float
    floor_name: str
    baseline: float
    loss_of_constant: float
    loss_of_truth: float
    truth: Callable | None

    def scaled(self, raw):
        """Raw inputs (n, features) as the network sees them."""
        return np.asarray(raw if self.scaler is None else self.scaler.transform(raw), "float32")

    def error(self, predictions):
        """Mean squared error, or share of wrong answers, of (n_val, 1) predictions for the validation points."""
        return _error(self.task, predictions, self.y_val)


def _error(task, predictions, y):
    if task == "regression":
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.mean((np.asarray(predictions, float) - y) ** 2))
    if not np.isfinite(predictions).all():
        return np.nan
    return float(np.mean((np.asarray(predictions) > 0.5) != (y > 0.5)))


@lru_cache
def read_table(name):
    """A real table without the rows that miss a value: x (n, features) and y (n, 1), float64."""
    source = PROBLEMS[name]
    table = pd.read_csv(DATA / source.table).dropna()
    return table[list(source.features)].to_numpy(float), table[[source.target]].to_numpy(float)


def most_samples(name):
    """How many training points a problem can give; real data keep a quarter of the rows for validation."""
    return len(read_table(name)[0]) * 3 // 4 if PROBLEMS[name].table else 10_000


def draw(source, name, samples, noise, seed):
    """Raw training and validation points (x, y, x_val, y_val), float64, from one seed."""
    rng = np.random.default_rng(seed)
    if source.table:
        x, y = read_table(name)
        rows = rng.permutation(len(x))
        y = y + noise * rng.standard_normal(y.shape)
        train, validation = rows[:samples], rows[most_samples(name) :]
        return x[train], y[train], x[validation], y[validation]
    points = []
    for n in (samples, VALIDATION_POINTS):
        x = source.inputs(rng, n)
        y = source.truth(x)
        if source.noise_on == "targets":
            y = y + noise * rng.standard_normal(y.shape)
        else:
            x = x + noise * rng.standard_normal(x.shape)
        points += [x, y]
    return points


def draw_code(source, name, samples, noise, seed):
    """The lines of Python that do what `draw` does, with nothing but NumPy."""
    lines = [f"rng = np.random.default_rng({seed})"]
    if source.table:
        x, y = read_table(name)
        table = io.StringIO()
        np.savetxt(table, np.hstack([x, y]), fmt="%g", delimiter=",")
        return "\n".join(
            [
                f"# {', '.join([*source.features, source.target])}",
                f'TABLE = """\\\n{table.getvalue()}"""',
                'table = np.genfromtxt(TABLE.splitlines(), delimiter=",")',
                "x, y = table[:, :-1], table[:, -1:]",
                *lines,
                "rows = rng.permutation(len(x))",
                f"y = y + {noise!r} * rng.standard_normal(y.shape)",
                f"train, validation = rows[:{samples}], rows[{most_samples(name)}:]",
                "x, y, x_val, y_val = x[train], y[train], x[validation], y[validation]",
            ]
        )
    functions = [textwrap.dedent(inspect.getsource(f)) for f in (source.inputs, source.truth)]
    for x, y, n in (("x", "y", samples), ("x_val", "y_val", VALIDATION_POINTS)):
        lines += [f"{x} = {source.inputs.__name__}(rng, {n})", f"{y} = {source.truth.__name__}({x})"]
        noisy = y if source.noise_on == "targets" else x
        lines += [f"{noisy} = {noisy} + {noise!r} * rng.standard_normal({noisy}.shape)"]
    return "\n\n".join(functions) + "\n\n" + "\n".join(lines)


@lru_cache(maxsize=512)
def _problem(name, samples, noise, scaling, seed):
    source = PROBLEMS[name]
    raw_x, y, raw_x_val, y_val = draw(source, name, samples, noise, seed)
    call = SCALINGS[scaling].call
    scaler = call.make().fit(raw_x) if call else None
    if source.truth:
        floor = _error(source.task, source.truth(raw_x_val), y_val)
    else:
        middle = y.mean()
        floor = _error(source.task, REFERENCE.fit(raw_x, y - middle).predict(raw_x_val) + middle, y_val)
    share = float(y.mean())
    regression = source.task == "regression"
    baseline = _error(source.task, np.full_like(y_val, share if regression else share > 0.5), y_val)
    return Problem(
        name=name,
        task=source.task,
        x=np.asarray(scaler.transform(raw_x) if scaler else raw_x, "float32"),
        y=y.astype("float32"),
        x_val=np.asarray(scaler.transform(raw_x_val) if scaler else raw_x_val, "float32"),
        y_val=y_val.astype("float32"),
        raw_x=raw_x,
        raw_x_val=raw_x_val,
        scaler=scaler,
        noise_floor=floor,
        floor_name="true function" if source.truth else REFERENCE_NAME,
        baseline=baseline,
        loss_of_constant=baseline
        if regression
        else float(log_loss(y_val[:, 0], np.full(len(y_val), share), labels=[0, 1])),
        loss_of_truth=floor if regression else 0.0,
        truth=source.truth,
    )


def make_problem(experiment):
    """The data of an experiment; the same experiment gives the same points."""
    e = experiment
    return _problem(e.problem, e.samples, e.noise, e.scaling, e.seed)
