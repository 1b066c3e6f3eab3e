"""`Experiment`: everything that defines a run, in one frozen object. Equal experiments give equal runs.

Each field is declared once, with its range, its slider and its help. The checks, the widgets, the JSON and the
Keras program all read that declaration.
"""

import dataclasses
import json
import math
import numbers
import reprlib
from dataclasses import dataclass, field

from .catalog import (
    ACTIVATIONS,
    FEATURES,
    IMPUTATIONS,
    INITIALIZERS,
    MISSING_KINDS,
    OPTIMIZERS,
    OUTPUT_ACTIVATIONS,
    SCALINGS,
    SCHEDULES,
    SPLITS,
    TARGET_SCALINGS,
    did_you_mean,
)
from .sources import PROBLEMS, Table, most_samples, source_of

# Weights between hidden layers: more would exceed a small server's memory and make a slider step too slow.
MOST_WEIGHTS = 2**20
LONGEST_TEXT = 10_000  # characters that from_json reads
OWN_TABLE = "table:"  # how the text for a table of the reader's own begins
# Fields that change the data, with the values that leave the data unchanged.
MADE_UP = {"noise": 0.0, "input_scale": 1.0, "input_offset": 0.0, "outliers": 0, "missing": 0.0}


@dataclass(frozen=True)
class FieldSpec:
    """The allowed values of a field of an Experiment, and how it is shown.

    group: its heading in the lab.
    choices: name -> help, for a field that takes a name.
    low, high: the allowed range of a number, both included; whole: integers only.
    slider_values: the positions of its slider, all within the range. None means `none_means`.
    """

    group: str
    label: str
    help: str
    unit: str = ""
    choices: dict | None = None
    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    slider_values: tuple = ()
    none_means: str = ""

    def check(self, name, value):
        """`value` in the field's own type. Raises a ValueError that states the given value and the allowed ones."""
        if value is None and self.none_means:
            return None
        if self.choices is not None:
            return self._check_name(name, value)
        allowed = f"{'a whole number' if self.whole else 'a number'} from {self.low:g} to {self.high:g}"
        if self.none_means:
            allowed += f", or None for {self.none_means}"
        kind = numbers.Integral if self.whole else numbers.Real
        if isinstance(value, bool) or not isinstance(value, kind):
            raise ValueError(f"{name}={reprlib.repr(value)} is not {allowed}.")
        if not self.low <= value <= self.high:
            nearest = self.low if value < self.low else self.high
            hint = "" if value != value else f" The nearest allowed value is {nearest:g}."
            raise ValueError(f"{name}={reprlib.repr(value)} is not {allowed}.{hint}")
        return int(value) if self.whole else float(value)

    def _check_name(self, name, value):
        if isinstance(value, str) and value in self.choices:
            return value
        if name == "problem" and isinstance(value, Table):
            return value
        if name == "problem" and hasattr(value, "shape"):
            raise ValueError(
                f"problem={type(value).__name__} is data. Make a problem of it: table(df, target=…) or table(x, y)."
            )
        allowed = f"is not one of {', '.join(self.choices)}.{did_you_mean(value, self.choices)}"
        raise ValueError(f"{name}={reprlib.repr(value)} {allowed}")


def _name(default, table, group, label, help):
    choices = {name: row if isinstance(row, str) else row.help for name, row in table.items()}
    return field(default=default, metadata={"spec": FieldSpec(group, label, help, choices=choices)})


def _number(default, group, label, help, **declaration):
    return field(default=default, metadata={"spec": FieldSpec(group, label, help, **declaration)})


def _decades(lowest, highest):
    """Logarithmic slider values: 1, 3, 10, 30, … from lowest to highest."""
    exponents = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)
    values = [float(f"{step}e{exponent}") for exponent in exponents for step in (1, 3)]
    return tuple(value for value in values if lowest <= value <= highest)


_WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
_STRENGTHS = (0.0, *_decades(1e-5, 1))


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything that defines a run.

    `problem` is a name, or a `table` of your own data. If `samples`, `noise`, `features`, `split` or `imputation` are left
    out, the problem's own values are used. `batch_size=None` uses the full batch.
    An unknown name, a value out of range, a NaN or a wrong type raises a ValueError that says what is allowed.

    >>> Experiment(problem="sine", depth=3, width=16, activation="tanh", learning_rate=0.01).samples
    200
    """

    problem: str = _name("sine", PROBLEMS, "Data", "problem", "the relationship to learn")
    samples: int = _number(
        None, "Data", "samples", "training samples; validation samples are drawn separately", unit="samples",
        low=2, high=10_000, whole=True, slider_values=(4, 8, 10, 15, 20, 30, 50, 100, 200, 256, 400, 600, 1000, 2000),
    )  # fmt: skip
    noise: float = _number(
        None, "Data", "noise", "standard deviation of the random noise",
        low=0.0, high=1e6, slider_values=(0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0),
    )  # fmt: skip
    input_scale: float = _number(
        1.0, "Data", "input scale", "every input is multiplied by this number",
        low=1e-6, high=1e6, slider_values=(0.001, 0.01, 0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0),
    )  # fmt: skip
    input_offset: float = _number(
        0.0, "Data", "input offset", "this number is added to every input",
        low=-1e6, high=1e6, slider_values=(0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0, 2000.0),
    )  # fmt: skip
    outliers: int = _number(
        0, "Data", "outliers", "training values that are a thousand times too large", unit="values",
        low=0, high=1000, whole=True, slider_values=(0, 1, 2, 5, 10, 20),
    )  # fmt: skip
    missing: float = _number(
        0.0, "Data", "missing", "fraction of the input values that is missing",
        low=0.0, high=0.9, slider_values=(0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5),
    )  # fmt: skip
    missing_kind: str = _name("at random", MISSING_KINDS, "Data", "which are missing", "which input values are missing")
    split: str = _name(None, SPLITS, "Data", "split", "which rows of real data are used for validation")
    seed: int = _number(
        0, "Data", "seed", "decides data, initial weights, batches and dropout",
        low=0, high=999_999, whole=True, slider_values=tuple(range(10)),
    )  # fmt: skip

    imputation: str = _name(None, IMPUTATIONS, "Preparation", "missing values", "how missing inputs are handled")
    features: str = _name(None, FEATURES, "Preparation", "features", "the features computed from the inputs")
    scaling: str = _name("none", SCALINGS, "Preparation", "scaling", "how the inputs are scaled before the network")
    target_scaling: str = _name("none", TARGET_SCALINGS, "Preparation", "target scaling", "how the targets are scaled")

    depth: int = _number(
        2, "Network", "depth", "hidden layers; 0 is a single linear layer", unit="layers",
        low=0, high=20, whole=True, slider_values=(0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20),
    )  # fmt: skip
    width: int = _number(
        16, "Network", "width", "units in each hidden layer", unit="units",
        low=1, high=1024, whole=True, slider_values=_WIDTHS,
    )  # fmt: skip
    activation: str = _name(
        "tanh", ACTIVATIONS, "Network", "activation", "the activation function of every hidden unit"
    )
    initializer: str = _name(
        "glorot_uniform", INITIALIZERS, "Network", "initializer", "how the initial weights are drawn"
    )
    bias_initializer: float = _number(
        0.0, "Network", "initial bias", "the initial bias of the hidden units",
        low=-100.0, high=100.0, slider_values=(-10.0, -5.0, -2.0, -1.0, 0.0, 0.1, 1.0, 5.0),
    )  # fmt: skip
    output_activation: str = _name(
        "auto", OUTPUT_ACTIVATIONS, "Network", "output", "the activation of the output layer"
    )

    optimizer: str = _name("adam", OPTIMIZERS, "Training", "optimizer", "how a step is computed from the gradient")
    learning_rate: float = _number(
        0.01, "Training", "learning rate", "the length of the steps", low=1e-8, high=1000.0, slider_values=_decades(1e-5, 10),
    )  # fmt: skip
    schedule: str = _name("constant", SCHEDULES, "Training", "schedule", "how the learning rate changes")
    momentum: float = _number(
        0.9, "Training", "momentum", "fraction of the last step that is added to the next; used by momentum and nesterov",
        low=0.0, high=0.999, slider_values=(0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99),
    )  # fmt: skip
    epochs: int = _number(
        100, "Training", "epochs", "passes over the training set", unit="epochs",
        low=1, high=10_000, whole=True, slider_values=(1, 10, 20, 50, 100, 200, 300, 500, 1000, 2000, 5000),
    )  # fmt: skip
    batch_size: int | None = _number(
        32, "Training", "batch size", "samples in each step", unit="samples", none_means="a full batch",
        low=1, high=10_000, whole=True, slider_values=(1, 4, 8, 16, 32, 64, 128, 256, None),
    )  # fmt: skip

    l1: float = _number(
        0.0, "Regularization", "L1", "pulls every weight towards 0 by the same amount",
        low=0.0, high=100.0, slider_values=_STRENGTHS,
    )  # fmt: skip
    l2: float = _number(
        0.0, "Regularization", "L2", "pulls every weight towards 0 in proportion to its size",
        low=0.0, high=100.0, slider_values=_STRENGTHS,
    )  # fmt: skip
    dropout: float = _number(
        0.0, "Regularization", "dropout", "fraction of hidden units switched off in each step",
        low=0.0, high=0.95, slider_values=(0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8),
    )  # fmt: skip
    early_stopping: int = _number(
        0, "Regularization", "patience", "stops after this many epochs without a better validation loss; 0 never stops",
        unit="epochs", low=0, high=10_000, whole=True, slider_values=(0, 1, 3, 10, 30, 100),
    )  # fmt: skip
    weight_decay: float = _number(
        0.004, "Regularization", "weight decay", "how fast adamw shrinks the weights; used by adamw only",
        low=0.0, high=10.0, slider_values=_STRENGTHS,
    )  # fmt: skip

    def __post_init__(self):
        for name, spec in FIELDS.items():
            value = getattr(self, name)
            if value is None and name in _OWN:
                value = getattr(self.source, _OWN[name])
            object.__setattr__(self, name, spec.check(name, value))
        self._check_size()
        self._check_data()

    def _check_size(self):
        if self.hidden_weights > MOST_WEIGHTS:
            width = math.isqrt(MOST_WEIGHTS // (self.depth - 1))
            raise ValueError(
                f"depth={self.depth} with width={self.width} has {self.hidden_weights:,} weights between its hidden layers, and "
                f"{MOST_WEIGHTS:,} are allowed: take a width of at most {width}, or fewer layers."
            )

    def _check_data(self):
        source, own = self.source, self.source.own
        why = f"needs inputs that are numbers; those of {self.problem!r} are text"
        if own:
            why = "makes no sense for a table of your own, whose values are as they are"
        for name, plain in MADE_UP.items() if own or source.categories else ():
            value = getattr(self, name)
            if value != plain and (own or name != "noise"):
                raise ValueError(f"{name}={value:g} {why}. Take {name}={plain:g}, or another problem.")
        if self.imputation not in self.choices("imputation"):
            raise ValueError(
                f"imputation='drop' would leave {own.complete_rows:,} of the {len(own.x):,} rows of {own.name}, too few to learn "
                f"from; allowed: {', '.join(self.choices('imputation'))}."
            )
        most = most_samples(self.problem, self.imputation == "drop")
        if self.samples > most:
            raise ValueError(
                f"samples={self.samples} is more than {self.problem!r} has: a whole number from 2 to {most} is allowed."
            )
        if self.features not in self.choices("features"):
            raise ValueError(
                f"features={self.features!r} cannot be computed from the inputs of {self.problem!r} ({', '.join(source.kinds)}); "
                f"allowed: {', '.join(self.choices('features'))}."
            )
        left = self.samples * (1 - self.missing) ** len(source.features)
        if self.imputation == "drop" and left < 5 and self.missing:
            raise ValueError(
                f"imputation='drop' with missing={self.missing:g} leaves about {left:.1g} of {self.samples} samples, and 5 "
                "are needed: take more samples, fewer missing values or another imputation."
            )
        if FEATURES[self.features].needs == "positive" and self.input_offset < 0:
            raise ValueError(
                f"features={self.features!r} needs positive inputs; input_offset={self.input_offset:g} can make them negative. "
                "Take an input_offset of 0 or more."
            )

    @property
    def source(self):
        """Where the data come from."""
        return source_of(self.problem)

    @property
    def hidden_weights(self):
        """The number of weights between hidden layers, biases not counted."""
        return max(0, self.depth - 1) * self.width**2

    def choices(self, name):
        """The names that may stand in a field of this experiment, for a field that takes a name."""
        names = FIELDS[name].choices
        if name == "features":
            return [row for row in names if self.source.suits(FEATURES[row])]
        own = self.source.own
        if name == "problem" and own:
            return [own]
        if name == "imputation" and own and not own.can_drop:
            return [row for row in names if row != "drop"]
        return list(names)

    def offers(self, name):
        """Whether a field can make sense for this problem, so that a lab shows a control of it."""
        own = self.source.own
        if own is None:
            return True
        if name in ("problem", "missing_kind", *MADE_UP):
            return False
        if name == "imputation":
            return own.gaps
        if name == "features":
            return len(self.choices(name)) > 1
        return name != "target_scaling" or own.task == "regression"

    def uses(self, name):
        """Whether the value of a field makes any difference, all other fields being as they are."""
        if name in ("width", "activation", "dropout", "bias_initializer"):
            return self.depth > 0
        if name in ("momentum", "weight_decay"):
            return name in OPTIMIZERS[self.optimizer].uses
        if name == "target_scaling":
            return self.source.task == "regression"
        return self.offers(name)

    def slider_values(self, name):
        """The values that a control of this field offers: its slider values within what is allowed, and the present value."""
        spec, value = FIELDS[name], getattr(self, name)
        if spec.choices:
            return self.choices(name)
        values = spec.slider_values
        if name == "samples":
            most = most_samples(self.problem, self.imputation == "drop")
            values = [one for one in values if one <= most]
        return sorted({*values, value}, key=lambda one: math.inf if one is None else one)

    def replace(self, **changes):
        """The same experiment with some fields changed.

        With a new problem, `samples`, `noise`, `features`, `split` and `imputation` that were the old problem's own become
        the new one's own, and so do features that cannot be made of its inputs.
        """
        unknown(changes)
        values = {name: getattr(self, name) for name in FIELDS}
        new = changes.get("problem", self.problem)
        if isinstance(new, (Table, str)) and new != self.problem and (isinstance(new, Table) or new in PROBLEMS):
            values |= {name: None for name, own in _OWN.items() if values[name] == getattr(self.source, own)}
            if values["features"] and not source_of(new).suits(FEATURES[values["features"]]):
                values["features"] = None
        return Experiment(**values | changes)

    def data_only(self):
        """The experiment with all fields at their defaults that do not change the data or their preparation."""
        kept = {name: getattr(self, name) for name, spec in FIELDS.items() if spec.group in ("Data", "Preparation")}
        if self.source.own:
            kept["seed"] = 0  # it draws nothing: the rows are there
        return Experiment(**kept)

    def settings(self):
        """All fields in a dict that JSON can hold. For an own table stands its number, nothing of its data."""
        own = self.source.own
        return dataclasses.asdict(self) | ({"problem": OWN_TABLE + own.number} if own else {})

    def to_json(self):
        """A short text that `from_json` turns into an equal experiment. It holds settings only, nothing of an own table."""
        return json.dumps(self.settings(), separators=(",", ":"))

    @classmethod
    def from_json(cls, text, problem=None):
        """The experiment that `to_json` wrote; fields left out take their defaults, the problem that of an own table at hand.

        The text is data, never code. ValueError with a sentence for anything that is not such a text, and for one that is for an
        own table other than `problem`.
        """
        values = read_shared(text, "settings", '{"problem":"sine","depth":3}', LONGEST_TEXT)
        unknown(values)
        if isinstance(problem, Table):
            values.setdefault("problem", problem)
        if isinstance(values.get("problem"), str) and values["problem"].startswith(OWN_TABLE):
            values["problem"] = _own_table(values["problem"], problem)
        return cls(**values)


FIELDS = {f.name: f.metadata["spec"] for f in dataclasses.fields(Experiment)}
# Fields that take the problem's own value if they are left out, and what a Source calls it.
_OWN = {
    "samples": "samples", "noise": "noise", "features": "features_as", "split": "split", "imputation": "imputation",
}  # fmt: skip


def read_shared(text, what, like, longest):
    """The dictionary in a shared text; ValueError with a sentence if there is none. like: an example of such a text."""
    if not isinstance(text, str):
        raise ValueError(f"Shared {what} are a text, not {type(text).__name__}.")
    if len(text) > longest:
        raise ValueError(f"Shared {what} have at most {longest:,} characters; this text has {len(text):,}.")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"These are not shared {what}: {reprlib.repr(text)}. They begin with {{ and end with }}, such as {like}."
        ) from error
    if not isinstance(values, dict):
        raise ValueError(f"These are not shared {what} but a {type(values).__name__}: {reprlib.repr(text)}.")
    return values


def _own_table(asked, problem):
    """The own table that a shared text asks for by its number, if it is the one at hand."""
    if isinstance(problem, Table) and asked == OWN_TABLE + problem.number:
        return problem
    what = "This setting is for a table of somebody's own data, which a text does not hold"
    if isinstance(problem, Table):
        raise ValueError(
            f"{what}, and {problem.name} is another one: other rows, inputs, target or task. "
            "Make the same table from the same data, and load the setting there."
        )
    raise ValueError(
        f"{what}. Make the table from the same data, and load the setting in its lab, or with "
        "Experiment.from_json(text, problem=your_table)."
    )


def check_experiment(given, who):
    """ValueError unless `who` was given an Experiment."""
    if not isinstance(given, Experiment):
        raise ValueError(
            f"{who} needs an Experiment, not {type(given).__name__}: give one, such as Experiment(depth=3)."
        )


def value_text(value):
    """A value of a field as a person would write it; None is a full batch."""
    if value is None:
        return "all"
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def unknown(names):
    """ValueError for the first of `names` that is no field of an Experiment."""
    for name in names:
        if name not in FIELDS:
            raise ValueError(f"{reprlib.repr(name)} is not a field of an Experiment.{did_you_mean(name, FIELDS)}")
