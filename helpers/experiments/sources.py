"""Where the points of each problem come from: one row of `PROBLEMS` for each.

The small functions below are printed in the Keras program as they stand here, so they need NumPy only.
"""

import hashlib
import inspect
import io
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

DATA = Path(__file__).resolve().parents[2] / "data"
VALIDATION_POINTS = 200
FEWEST_ROWS = 10  # of an own table


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


def interval_inputs(rng, n):
    return rng.uniform(-1, 1, (n, 1))


def bump_truth(x):
    return np.exp(-0.5 * (x / 0.15) ** 2)


def half_wave_truth(x):
    return np.sin(np.pi * x)


def sparse_inputs(rng, n):
    return rng.standard_normal((n, 20))


def sparse_truth(x):
    return 2 * x[:, :1] - 1.5 * x[:, 1:2] + x[:, 2:3]


def triangle_truth(x):
    return 1 - 2 * np.abs((4 * x) % 2 - 1)


def square_inputs(rng, n):
    return rng.uniform(-1, 1, (n, 2))


def product_truth(x):
    return x[:, :1] * x[:, 1:]


def circle_truth(x):
    return (np.sum(x**2, axis=1, keepdims=True) < 2 / np.pi).astype(float)


def price_truth(x):
    return 200_000 + 50_000 * (np.sin(2 * x[:, :1]) + x[:, 1:])


def two_scales_inputs(rng, n):
    return rng.uniform(0, 1, (n, 2)) * [1, 1000]


def two_scales_truth(x):
    return np.sin(2 * np.pi * x[:, :1]) + (x[:, 1:] / 1000) ** 2


def ratio_inputs(rng, n):
    return rng.uniform(1, 10, (n, 2))


def ratio_truth(x):
    return x[:, :1] / x[:, 1:]


def decades_inputs(rng, n):
    return 10 ** rng.uniform(0, 6, (n, 1))


def decades_truth(x):
    return np.log10(x)


def hour_inputs(rng, n):
    return rng.uniform(0, 24, (n, 1))


def hour_truth(x):
    return np.cos(2 * np.pi * (x - 13) / 24)


def category_inputs(rng, n):
    return rng.choice(list("ABCDEFGH"), (n, 1))


def category_truth(x):
    levels = dict(zip("ABCDEFGH", [1.0, -2.0, 2.5, -1.0, -2.5, 2.0, -0.5, 1.5], strict=True))
    return np.vectorize(levels.get)(x)


def root_inputs(rng, n):
    sign = rng.choice([-1.0, 1.0], (n, 1))
    return np.hstack([rng.uniform(0, 1, (n, 1)), sign])


def root_truth(x):
    return x[:, 1:] * np.sqrt(x[:, :1])


def nothing(x):
    return np.zeros((len(x), 1))


def three_points_inputs(rng, n):
    points = np.array([[1000, 0.1], [2000, 0.2], [3000, 0.3]])
    return points[np.arange(n) % 3]


def three_points_truth(x):
    return x[:, :1] / 1000


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


def lose_some(rng, x, share):
    """Each value is lost with the same probability: missing completely at random."""
    return np.where(rng.random(x.shape) < share, np.nan, x)


def lose_largest(x, share):
    """The largest values of each column are lost: missing not at random."""
    return np.where(x > np.quantile(x, 1 - share, axis=0), np.nan, x)


def spoil(rng, x, count):
    """Some cells are a thousand times too large, as when a decimal point is lost."""
    cells = rng.choice(x.size, min(count, x.size), replace=False)
    x = x.copy()
    x.flat[cells] *= 1000
    return x


# --- Tables made from the files in data/. They are printed in the Keras program as they come out. ---


def penguin_rows(table):
    """Four measurements, and the species as 0, 1, 2 in alphabetical order."""
    table = table.rename(columns={name: name.removesuffix("_mm").removesuffix("_g") for name in table.columns})
    return table.assign(species=table["species"].astype("category").cat.codes)


def monthly_prices(table):
    """One column of prices for each company, one row for each month."""
    table = table.assign(date=pd.to_datetime(table["date"], format="%b %d %Y"))
    return table.pivot(index="date", columns="symbol", values="price")


def _lagged(columns, target):
    """The five values before each value, of every column, in the order of time."""
    parts = [
        pd.concat({f"lag_{k}": columns[name].shift(k) for k in range(5, 0, -1)} | {target: columns[name]}, axis=1)
        for name in columns
    ]
    return pd.concat(parts).dropna().sort_index(kind="stable")


def price_rows(table):
    """The prices of five months, and that of the next one, for five companies."""
    return _lagged(monthly_prices(table), "price")


def return_rows(table):
    """The returns (relative changes) of five months, and that of the next one, for five companies."""
    return _lagged(monthly_prices(table).pct_change(fill_method=None), "return").round(6)


def trend_rows(table):
    """The number of the month, and the price of one company."""
    prices = monthly_prices(table)["AAPL"]
    return pd.DataFrame({"month": np.arange(len(prices)), "price": prices.to_numpy()})


@dataclass(frozen=True)
class Source:
    """Where the points of a problem come from: one row of `PROBLEMS`.

    inputs: (rng, n) -> x of shape (n, features), for a synthetic problem.
    truth: x -> y of shape (n, 1), the true function; None where nobody knows it.
    hidden: how many of the last columns of `inputs` decide, but are not shown to the network.
    best: visible x -> the best answer that can be given from it, where that is not the truth.
    noise_on: "targets" (added to y) or "inputs" (added to x when y is known); a normal distribution.
    samples, noise, features_as, split, imputation: the values that an Experiment takes if it names none.
    kinds: what the inputs are ("numbers", "positive", "hours", "text"), which decides the `features` made of them.
    categories: the values of an input that is text. classes: the names of the classes of a "multiclass" task.
    table: the file in data/ of a real problem; rows: table -> a table with the features and the target as columns.
    reference: what stands in for the true function of real data: a name in `problems.REFERENCES`.
    own: the `Table` of the reader's own data; then its best reference model stands in for the true function.
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
    hidden: int = 0
    best: Callable | None = None
    kinds: tuple[str, ...] = ("numbers",)
    features_as: str = "raw"
    split: str = "shuffled"
    categories: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    table: str = ""
    rows: Callable | None = None
    reference: str = ""
    imputation: str = "drop"
    own: "Table | None" = None

    @property
    def outputs(self):
        """The number of output units."""
        return len(self.classes) or 1

    @property
    def real(self):
        """Whether these are data that somebody measured, of which nobody knows the true function."""
        return bool(self.table or self.own)

    def answer(self, x):
        """The best answer (n, 1) that can be given from what the network is shown; only where the truth is known."""
        return (self.best or self.truth)(x)

    def suits(self, features):
        """Whether a row of `catalog.FEATURES` can be made of these inputs."""
        few = len(self.features) <= features.most_columns
        return few and features.needs in self.kinds and features.columns in (0, len(self.features))


class Table:
    """The reader's own data as a problem: made by `table`, taken by `Experiment(problem=…)`. It does not change.

    Tables with the same inputs, targets and task are equal.

    Attributes:
        name: the name of the file, or of what was given.
        x: (rows, inputs) float64, NaN where a value is missing. y: (rows, 1) float64, numbers or the number of the class.
        features: the names of the inputs. target: the name of what is to be predicted.
        task: "regression", "binary" or "multiclass". classes: the names of the classes, in the order of their numbers.
        text: what was recognised, in words.
        code: lines of Python that make x and y of the file, the DataFrame or the arrays. uses_pandas: whether they use pandas.
        along: the number of the input along which the fit is drawn, or None.
        number: eight hexadecimal digits that tell this table from another one.
    """

    def __init__(
        self, name, x, y, *, features, target, task, classes=(), text="", code="", uses_pandas=False, along=None
    ):
        self.name, self.features, self.target, self.task = name, tuple(features), target, task
        self.classes, self.text, self.along = tuple(classes), text, along
        self.code, self.uses_pandas = code, uses_pandas
        self.x, self.y = read_only(x), read_only(y)
        told = repr((self.features, target, task, self.classes, x.shape)).encode("utf-8", "backslashreplace")
        self._digest = hashlib.sha256(told + x.tobytes() + y.tobytes()).hexdigest()
        self.number = self._digest[:8]
        complete = ~np.isnan(x).any(axis=1)
        self.gaps = not complete.all()
        self.complete_rows = int(complete.sum())
        # Leaving out the rows that miss a value must leave a table of the same kind.
        self.can_drop = 2 * self.complete_rows >= len(x) and self._enough(y[complete])
        positive = not self.gaps and (x > 0).all()
        self.source = Source(
            name, task, self.features, target, samples=self.most_samples(self.can_drop),
            kinds=("numbers", "positive") if positive else ("numbers",), own=self,
            classes=self.classes if task == "multiclass" else (), imputation="drop" if self.can_drop else "mean",
        )  # fmt: skip

    def _enough(self, y):
        """Whether these targets (rows, 1) can be split into two parts that both have every class."""
        counts = np.unique(y, return_counts=True)[1]
        least = 2 if self.task == "regression" else max(2, len(self.classes))
        rare = self.task != "regression" and min(counts, default=0) < 2
        return len(y) >= max(FEWEST_ROWS, 4 * len(self.classes)) and len(counts) >= least and not rare

    def most_samples(self, complete):
        """How many rows can be trained on; a quarter is kept for validation."""
        return (self.complete_rows if complete else len(self.x)) * 3 // 4

    def parts(self, split, complete):
        """Inputs and targets of all rows to train on, and of those for validation: ((x, y), (x, y)).

        They are the same for every seed, so that all are judged by the same rows. complete: without those that miss a value.
        """
        kept = ~np.isnan(self.x).any(axis=1) if complete else slice(None)
        x, y = self.x[kept], self.y[kept]
        most = self.most_samples(complete)
        if split == "shuffled":
            classes = None if self.task == "regression" else y
            train, validation = train_test_split(
                np.arange(len(x)), test_size=len(x) - most, random_state=0, stratify=classes
            )
        else:
            train, validation = np.arange(most), np.arange(most, len(x))
        return (x[train], y[train]), (x[validation], y[validation])

    def split_code(self, e):
        """The lines of Python that do what `parts` does, for the samples of an experiment."""
        complete = e.imputation == "drop" and self.gaps
        lines = ["complete = ~np.isnan(x).any(axis=1)", "x, y = x[complete], y[complete]"] if complete else []
        rows = self.complete_rows if complete else len(self.x)
        most = self.most_samples(complete)
        if e.split == "shuffled":
            classes = "" if self.task == "regression" else ", stratify=y"
            sizes = f"test_size={rows - most}, random_state=0{classes}"
            lines.append(f"train, validation = train_test_split(np.arange(len(x)), {sizes})")
        else:
            lines.append(f"train, validation = np.arange({most}), np.arange({most}, len(x))")
        if e.samples < most:
            lines.append(f"train = train[-{e.samples}:]")
        return [*lines, "x, y, x_val, y_val = x[train], y[train], x[validation], y[validation]"]

    def __eq__(self, other):
        return isinstance(other, Table) and (self._digest, self.along) == (other._digest, other.along)

    def __hash__(self):
        return hash(self._digest)

    def __repr__(self):
        return f"table({self.name!r}, target={self.target!r})"

    def __str__(self):
        return self.name

    def _repr_pretty_(self, printer, cycle):
        printer.text(textwrap.fill(self.text, 100))

    def __deepcopy__(self, memo):
        return self  # so that dataclasses.asdict hands on the table, never its rows


def source_of(problem):
    """Where the points of a problem come from: its name, or an own table."""
    return problem.source if isinstance(problem, Table) else PROBLEMS[problem]


def _curve(help, samples, noise, inputs, truth, **more):
    return Source(help, "regression", ("x",), "y", samples, noise, "targets", inputs, truth, **more)


def _surface(help, noise, inputs, truth, samples=200, **more):
    return Source(help, "regression", ("x1", "x2"), "y", samples, noise, "targets", inputs, truth, **more)


def _classes(help, samples, noise, inputs, truth):
    return Source(help, "binary", ("x1", "x2"), "class", samples, noise, "inputs", inputs, truth)


_LAGS = tuple(f"lag_{k}" for k in range(5, 0, -1))
_STOCKS = {"table": "stocks.csv", "split": "chronological"}

PROBLEMS = {
    "line": _curve("a straight line, y = 2x + 1", 100, 1.0, line_inputs, line_truth),
    "sine": _curve("a wave, y = sin x", 200, 0.1, sine_inputs, sine_truth),
    "abs": _curve("a kink, y = |x|", 200, 0.1, abs_inputs, abs_truth),
    "bump": _curve("a narrow bump on a flat floor", 200, 0.05, interval_inputs, bump_truth),
    "triangle": _curve("a zigzag of four teeth", 200, 0.05, interval_inputs, triangle_truth),
    "product": _surface("y = x1 · x2", 0.05, square_inputs, product_truth),
    "xor": _classes("four corners: 1 where the two inputs differ", 4, 0.0, xor_inputs, xor_truth),
    "moons": _classes("two interlocking half moons", 200, 0.1, moons_inputs, moons_truth),
    "circle": _classes("inside or outside a circle", 200, 0.0, square_inputs, circle_truth),
    "price": _surface("targets of about 200,000", 5000.0, square_inputs, price_truth),
    "half_wave": _curve("one wave between −1 and 1", 200, 0.1, interval_inputs, half_wave_truth),
    "sparse": Source(
        "twenty inputs, three of which matter", "regression", tuple(f"x{number}" for number in range(1, 21)), "y",
        60, 0.3, "targets", sparse_inputs, sparse_truth,
    ),
    "two_scales": _surface("one input up to 1, the other up to 1000", 0.05, two_scales_inputs, two_scales_truth),
    "three_points": _surface("three samples; the second input is a multiple of the first", 0.0, three_points_inputs, three_points_truth, samples=3),
    "ratio": _surface(
        "y = x1 / x2", 0.05, ratio_inputs, ratio_truth, kinds=("numbers", "positive")
    ),
    "decades": _curve(
        "x from 1 to a million, y = log x", 200, 0.1, decades_inputs, decades_truth,
        kinds=("numbers", "positive"),
    ),
    "hour": _curve(
        "temperature by the hour of the day, warmest at 13:00", 200, 0.1, hour_inputs, hour_truth, kinds=("numbers", "hours")
    ),
    "category": _curve(
        "eight letters, each with its own level", 200, 0.1, category_inputs, category_truth,
        kinds=("text",), features_as="codes", categories=tuple("ABCDEFGH"),
    ),
    "root": _curve(
        "plus or minus √x, decided by a hidden coin toss", 200, 0.0, root_inputs, root_truth,
        hidden=1, best=nothing,
    ),
    "auto_mpg": Source(
        "real cars of 1970-82: miles per gallon", "regression",
        ("cylinders", "displacement", "horsepower", "weight", "acceleration", "year"), "mpg", 294,
        table="auto_mpg.csv", reference="kernel ridge regression",
    ),
    "penguins": Source(
        "real penguins of three species", "multiclass",
        ("bill_length", "bill_depth", "flipper_length", "body_mass"), "species", 256, noise_on="inputs",
        classes=("Adelie", "Chinstrap", "Gentoo"), table="penguins.csv", rows=penguin_rows,
        reference="support vector machine",
    ),
    "stock_price": Source(
        "real stocks: the next price from the last five months' prices", "regression", _LAGS, "price", 400,
        rows=price_rows, reference="last month's price", **_STOCKS,
    ),
    "stock_return": Source(
        "real stocks: the next return from the last five months' returns", "regression", _LAGS, "return", 396,
        rows=return_rows, reference="mean return", **_STOCKS,
    ),
    "stock_trend": Source(
        "a real stock: its price by the number of the month", "regression", ("month",), "price", 92,
        rows=trend_rows, reference="nearest known month", **_STOCKS,
    ),
}  # fmt: skip


@lru_cache
def read_table(name, complete=True):
    """A real table of `PROBLEMS` without the rows whose target is missing: x (n, features) and y (n, 1), float64, read-only.

    complete: whether rows that miss any other value are left out, too.
    """
    source = PROBLEMS[name]
    table = pd.read_csv(DATA / source.table)
    if source.rows:
        table = source.rows(table)
    table = table[[*source.features, source.target]].dropna(subset=None if complete else [source.target])
    return read_only(table[list(source.features)].to_numpy(float)), read_only(table[[source.target]].to_numpy(float))


def read_only(array):
    """The array, which from now on refuses to be changed in place: the same data asked for again are the same array."""
    array.flags.writeable = False
    return array


def most_samples(name, complete=True):
    """How many training points a problem can give; real data keep a quarter of the rows for validation."""
    if isinstance(name, Table):
        return name.most_samples(complete)
    return len(read_table(name, complete)[0]) * 3 // 4 if PROBLEMS[name].table else 10_000


class Points(NamedTuple):
    """Raw training and validation points; whole_x, whole_x_val: the inputs before anything was lost, shifted or corrupted."""

    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    whole_x: np.ndarray
    whole_x_val: np.ndarray


def draw(e):
    """The points of an experiment, float64 or text, from its seed."""
    source = e.source
    if source.own:
        (x, y), (x_val, y_val) = source.own.parts(e.split, e.imputation == "drop")
        x, y = x[-e.samples :], y[-e.samples :]
        return Points(x, y, x_val, y_val, x, x_val)
    rng = np.random.default_rng(e.seed)
    sizes = (e.samples, VALIDATION_POINTS)
    # Drawn one after the other, as the Keras program does, so that both take the same random numbers.
    parts = _split_table(e, rng) if source.table else (_draw_part(source, rng, n, e.noise) for n in sizes)
    points, whole = [], []
    for number, (x, y) in enumerate(parts):
        whole.append(x)
        if e.input_scale != 1 or e.input_offset:
            x = e.input_scale * x + e.input_offset
        if e.missing:
            x = lose_some(rng, x, e.missing) if e.missing_kind == "at random" else lose_largest(x, e.missing)
        if e.outliers and number == 0:
            x = spoil(rng, x, e.outliers)
        points += [x, y]
    return Points(*points, *whole)


def _split_table(e, rng):
    complete = e.imputation == "drop"
    x, y = read_table(e.problem, complete)
    rows = rng.permutation(len(x)) if e.split == "shuffled" else np.arange(len(x))
    x, y = _with_noise(e.source, rng, x, y, e.noise)
    most = most_samples(e.problem, complete)
    return [(x[part], y[part]) for part in (rows[most - e.samples : most], rows[most:])]


def _draw_part(source, rng, n, noise):
    x = source.inputs(rng, n)
    x, y = _with_noise(source, rng, x, source.truth(x), noise)
    return x[:, : len(source.features)], y


def _with_noise(source, rng, x, y, noise):
    if noise and source.noise_on == "targets":
        y = y + noise * rng.standard_normal(y.shape)
    elif noise:
        x = x + noise * rng.standard_normal(x.shape)
    return x, y


def draw_code(e):
    """The lines of Python that do what `draw` does: with nothing but NumPy, or for an own table with what that needs."""
    source = e.source
    if source.own:
        return "\n".join([source.own.code, *source.own.split_code(e)])
    functions = [] if source.table else [source.inputs, source.truth]
    lines = [f"rng = np.random.default_rng({e.seed})"]
    lines += _table_code(e, source) if source.table else []
    for x, y, n in (("x", "y", e.samples), ("x_val", "y_val", VALIDATION_POINTS)):
        if not source.table:
            lines += _part_code(source, x, y, n, e.noise)
        if e.input_scale != 1 or e.input_offset:
            lines.append(f"{x} = {e.input_scale!r} * {x} + {e.input_offset!r}")
        if e.missing:
            lose, first = (lose_some, "rng, ") if e.missing_kind == "at random" else (lose_largest, "")
            lines.append(f"{x} = {lose.__name__}({first}{x}, {e.missing!r})")
            functions.append(lose)
        if e.outliers and x == "x":
            lines.append(f"{x} = spoil(rng, {x}, {e.outliers})")
            functions.append(spoil)
    texts = [textwrap.dedent(inspect.getsource(function)) for function in dict.fromkeys(functions)]
    return "\n\n".join([*texts, "\n".join(lines)])


def _part_code(source, x, y, n, noise):
    lines = [f"{x} = {source.inputs.__name__}(rng, {n})", f"{y} = {source.truth.__name__}({x})"]
    lines += _noise_code(source, x, y, noise)
    if source.hidden:
        lines.append(f"{x} = {x}[:, :{len(source.features)}]  # the rest decides, but is hidden")
    return lines


def _noise_code(source, x, y, noise):
    noisy = y if source.noise_on == "targets" else x
    return [f"{noisy} = {noisy} + {noise!r} * rng.standard_normal({noisy}.shape)"] if noise else []


def _table_code(e, source):
    complete = e.imputation == "drop"
    x, y = read_table(e.problem, complete)
    most = most_samples(e.problem, complete)
    table = io.StringIO()
    np.savetxt(table, np.hstack([x, y]), fmt="%.10g", delimiter=",")
    lines = [
        f"# {', '.join([*source.features, source.target])}",
        f'TABLE = """\\\n{table.getvalue()}"""',
        'table = np.genfromtxt(TABLE.splitlines(), delimiter=",")',
        "x, y = table[:, :-1], table[:, -1:]",
        f"rows = {'rng.permutation(len(x))' if e.split == 'shuffled' else 'np.arange(len(x))'}",
    ]
    lines += _noise_code(source, "x", "y", e.noise)
    train = f"train, validation = rows[{most - e.samples}:{most}], rows[{most}:]"
    return [*lines, train, "x, y, x_val, y_val = x[train], y[train], x[validation], y[validation]"]
