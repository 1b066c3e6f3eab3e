"""`Experiment`: everything that defines a run, in one frozen object. Equal experiments give equal runs.

Each field is declared once, with its range, its slider and its help. The checks, the widgets, the JSON and the
Keras program all read that declaration.
"""

import dataclasses
import difflib
import json
import math
import numbers
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
)
from .sources import PROBLEMS, most_samples

MOST_WEIGHTS = (
    2**20
)  # between hidden layers; more do not fit into the memory of a small server, nor a stop into the wait
LONGEST_TEXT = 10_000  # characters that from_json reads


@dataclass(frozen=True)
class Setting:
    """What may stand in a field of an Experiment, and how a person sees it.

    group: the heading it stands under in the lab.
    choices: name -> help, for a field that takes a name.
    low, high: the allowed range, both included, for a number; whole: only integers.
    ladder: the stops of its slider, all within the range. None among them stands for `none_means`.
    """

    group: str
    label: str
    help: str
    unit: str = ""
    choices: dict | None = None
    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    ladder: tuple = ()
    none_means: str = ""

    def check(self, name, value):
        """`value` in the field's own type; ValueError that tells what was given and what is allowed."""
        if value is None and self.none_means:
            return None
        if self.choices is not None:
            return self._check_name(name, value)
        allowed = f"{'a whole number' if self.whole else 'a number'} from {self.low:g} to {self.high:g}"
        if self.none_means:
            allowed += f", or None for {self.none_means}"
        kind = numbers.Integral if self.whole else numbers.Real
        if isinstance(value, bool) or not isinstance(value, kind):
            raise ValueError(f"{name}={_quoted(value)} is not {allowed}.")
        if not self.low <= value <= self.high:
            nearest = self.low if value < self.low else self.high
            hint = "" if value != value else f" The nearest allowed value is {nearest:g}."
            raise ValueError(f"{name}={_quoted(value)} is not {allowed}.{hint}")
        return int(value) if self.whole else float(value)

    def _check_name(self, name, value):
        if isinstance(value, str) and value in self.choices:
            return value
        match = difflib.get_close_matches(str(value).strip().lower(), self.choices, n=1, cutoff=0.0)
        raise ValueError(f"{name}={_quoted(value)} is not one of {', '.join(self.choices)}. Did you mean {match[0]!r}?")


def _quoted(value):
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _name(default, table, group, label, help):
    choices = {name: row if isinstance(row, str) else row.help for name, row in table.items()}
    return field(default=default, metadata={"setting": Setting(group, label, help, choices=choices)})


def _number(default, group, label, help, **declaration):
    return field(default=default, metadata={"setting": Setting(group, label, help, **declaration)})


def _decades(lowest, highest, steps=(1, 3)):
    """A logarithmic ladder: 1, 3, 10, 30, … from lowest to highest."""
    exponents = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)
    stops = [float(f"{step}e{exponent}") for exponent in exponents for step in steps]
    return tuple(stop for stop in stops if lowest <= stop <= highest)


_WIDTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
_STRENGTHS = (0.0, *_decades(1e-5, 1))


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything that defines a run.

    `samples`, `noise`, `features` and `split` left out are the problem's own. `batch_size=None` takes all training points at once.
    An unknown name, a value out of range, a NaN or a wrong type raises a ValueError that says what is allowed.

    >>> Experiment(problem="sine", depth=3, width=16, activation="tanh", learning_rate=0.01).samples
    200
    """

    problem: str = _name("sine", PROBLEMS, "Data", "problem", "what is to be learned")
    samples: int = _number(
        None, "Data", "samples", "training points; validation points are drawn apart", unit="points",
        low=2, high=10_000, whole=True, ladder=(4, 8, 10, 15, 20, 30, 50, 100, 200, 256, 400, 600, 1000, 2000),
    )  # fmt: skip
    noise: float = _number(
        None, "Data", "noise", "standard deviation of what nobody can predict",
        low=0.0, high=1e6, ladder=(0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0),
    )  # fmt: skip
    stretch: float = _number(
        1.0, "Data", "stretch", "every input is multiplied by this",
        low=1e-6, high=1e6, ladder=(0.001, 0.01, 0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0),
    )  # fmt: skip
    offset: float = _number(
        0.0, "Data", "offset", "this is added to every input",
        low=-1e6, high=1e6, ladder=(0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0, 2000.0),
    )  # fmt: skip
    outliers: int = _number(
        0, "Data", "outliers", "training values that are a thousand times too large", unit="values",
        low=0, high=1000, whole=True, ladder=(0, 1, 2, 5, 10, 20),
    )  # fmt: skip
    missing: float = _number(
        0.0, "Data", "missing", "share of the input values that is lost",
        low=0.0, high=0.9, ladder=(0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5),
    )  # fmt: skip
    missing_kind: str = _name("by chance", MISSING_KINDS, "Data", "which are lost", "which input values are lost")
    split: str = _name(None, SPLITS, "Data", "split", "which rows of real data are for validation")
    seed: int = _number(
        0, "Data", "seed", "draws data, first weights, batches and dropout",
        low=0, high=999_999, whole=True, ladder=tuple(range(10)),
    )  # fmt: skip

    imputation: str = _name("drop", IMPUTATIONS, "Preparation", "missing values", "what is done about missing inputs")
    features: str = _name(None, FEATURES, "Preparation", "features", "what is made of the inputs")
    scaling: str = _name("none", SCALINGS, "Preparation", "scaling", "what is done to the inputs before the network")
    target_scaling: str = _name("none", TARGET_SCALINGS, "Preparation", "target scaling", "what is done to the targets")

    depth: int = _number(
        2, "Network", "depth", "hidden layers; 0 is a plain linear unit", unit="layers",
        low=0, high=20, whole=True, ladder=(0, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20),
    )  # fmt: skip
    width: int = _number(
        16, "Network", "width", "units in each hidden layer", unit="units",
        low=1, high=1024, whole=True, ladder=_WIDTHS,
    )  # fmt: skip
    activation: str = _name("tanh", ACTIVATIONS, "Network", "activation", "the bend in every hidden unit")
    initializer: str = _name("glorot_uniform", INITIALIZERS, "Network", "initializer", "where the weights start")
    bias_initializer: float = _number(
        0.0, "Network", "first bias", "where the biases of the hidden units start",
        low=-100.0, high=100.0, ladder=(-10.0, -5.0, -2.0, -1.0, 0.0, 0.1, 1.0, 5.0),
    )  # fmt: skip
    output_activation: str = _name("own", OUTPUT_ACTIVATIONS, "Network", "output", "the activation of the output layer")

    optimizer: str = _name("adam", OPTIMIZERS, "Training", "optimizer", "how a gradient becomes a step")
    learning_rate: float = _number(
        0.01, "Training", "learning rate", "size of a step", low=1e-8, high=1000.0, ladder=_decades(1e-5, 10),
    )  # fmt: skip
    schedule: str = _name("constant", SCHEDULES, "Training", "schedule", "how the learning rate changes")
    momentum: float = _number(
        0.9, "Training", "momentum", "share of the speed that is kept; used by momentum and nesterov",
        low=0.0, high=0.999, ladder=(0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99),
    )  # fmt: skip
    epochs: int = _number(
        100, "Training", "epochs", "passes over the training points", unit="passes",
        low=1, high=10_000, whole=True, ladder=(1, 10, 20, 50, 100, 200, 300, 500, 1000, 2000, 5000),
    )  # fmt: skip
    batch_size: int | None = _number(
        32, "Training", "batch size", "points in each step", unit="points", none_means="all of them",
        low=1, high=10_000, whole=True, ladder=(1, 4, 8, 16, 32, 64, 128, 256, None),
    )  # fmt: skip

    l1: float = _number(
        0.0, "Regularization", "L1", "pulls every weight towards 0 by the same amount",
        low=0.0, high=100.0, ladder=_STRENGTHS,
    )  # fmt: skip
    l2: float = _number(
        0.0, "Regularization", "L2", "pulls every weight towards 0 by a share of itself",
        low=0.0, high=100.0, ladder=_STRENGTHS,
    )  # fmt: skip
    dropout: float = _number(
        0.0, "Regularization", "dropout", "share of hidden units switched off in each step",
        low=0.0, high=0.95, ladder=(0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8),
    )  # fmt: skip
    early_stopping: int = _number(
        0, "Regularization", "patience", "stops when so many epochs brought no better validation loss; 0 never stops",
        unit="epochs", low=0, high=10_000, whole=True, ladder=(0, 1, 3, 10, 30, 100),
    )  # fmt: skip
    weight_decay: float = _number(
        0.004, "Regularization", "weight decay", "adamw's own shrinking of the weights; used by adamw only",
        low=0.0, high=10.0, ladder=_STRENGTHS,
    )  # fmt: skip

    def __post_init__(self):
        for name, setting in SETTINGS.items():
            value = getattr(self, name)
            if value is None and name in _OWN:
                value = getattr(PROBLEMS[self.problem], _OWN[name])
            object.__setattr__(self, name, setting.check(name, value))
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
        source = PROBLEMS[self.problem]
        most = most_samples(self.problem, self.imputation == "drop")
        if self.samples > most:
            raise ValueError(
                f"samples={self.samples} is more than {self.problem!r} has: a whole number from 2 to {most} is allowed."
            )
        if self.features not in self.choices("features"):
            raise ValueError(
                f"features={self.features!r} cannot be made of the inputs of {self.problem!r} ({', '.join(source.kinds)}); "
                f"allowed: {', '.join(self.choices('features'))}."
            )
        for name in ("missing", "outliers", "offset", "stretch") if source.categories else ():
            default = _DEFAULTS[name]
            if getattr(self, name) != default:
                raise ValueError(
                    f"{name}={getattr(self, name):g} needs inputs that are numbers; those of {self.problem!r} are text. "
                    f"Take {name}={default:g} or another problem."
                )
        left = self.samples * (1 - self.missing) ** len(source.features)
        if self.imputation == "drop" and left < 5 and self.missing:
            raise ValueError(
                f"imputation='drop' with missing={self.missing:g} leaves about {left:.1g} of {self.samples} points, and 5 "
                "are needed: take more samples, fewer missing values or another imputation."
            )
        if FEATURES[self.features].needs == "positive" and self.offset < 0:
            raise ValueError(
                f"features={self.features!r} needs positive inputs; offset={self.offset:g} can make them negative. "
                "Take an offset of 0 or more."
            )

    @property
    def hidden_weights(self):
        """The number of weights between hidden layers, biases not counted."""
        return max(0, self.depth - 1) * self.width**2

    def choices(self, name):
        """The names that may stand in a field of this experiment, for a field that takes a name."""
        names = SETTINGS[name].choices
        if name == "features":
            return [row for row in names if PROBLEMS[self.problem].suits(FEATURES[row])]
        return list(names)

    def stops(self, name):
        """The values that a control of this field offers: its ladder within what is allowed, and the present value."""
        setting, value = SETTINGS[name], getattr(self, name)
        if setting.choices:
            return self.choices(name)
        stops = setting.ladder
        if name == "samples":
            most = most_samples(self.problem, self.imputation == "drop")
            stops = [stop for stop in stops if stop <= most]
        return sorted({*stops, value}, key=lambda stop: math.inf if stop is None else stop)

    def replace(self, **changes):
        """The same experiment with some fields changed.

        With a new problem, `samples`, `noise`, `features` and `split` that were the old problem's own become the new
        one's own, and so do features that cannot be made of its inputs.
        """
        unknown(changes)
        values = {name: getattr(self, name) for name in SETTINGS}
        new = changes.get("problem", self.problem)
        if new != self.problem and new in PROBLEMS:
            old = PROBLEMS[self.problem]
            values |= {name: None for name, own in _OWN.items() if values[name] == getattr(old, own)}
            if values["features"] and not PROBLEMS[new].suits(FEATURES[values["features"]]):
                values["features"] = None
        return Experiment(**values | changes)

    def data_only(self):
        """The experiment with all fields at their defaults that do not change the data or their preparation."""
        kept = {name: getattr(self, name) for name, setting in SETTINGS.items() if setting.group in _DATA_GROUPS}
        return Experiment(**kept)

    def to_json(self):
        """A short text that `from_json` turns into an equal experiment."""
        return json.dumps(dataclasses.asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text):
        """The experiment that `to_json` wrote; fields left out take their defaults.

        The text is data, never code. ValueError with a sentence for anything that is not such a text.
        """
        if not isinstance(text, str):
            raise ValueError(f"A shared setting is a text, not {type(text).__name__}.")
        if len(text) > LONGEST_TEXT:
            raise ValueError(f"A shared setting has at most {LONGEST_TEXT} characters; this text has {len(text)}.")
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"This is not a shared setting: {_quoted(text)}. It begins with {{ and ends with }}, "
                'such as {"problem":"sine","depth":3}.'
            ) from error
        if not isinstance(values, dict):
            raise ValueError(f"This is not a shared setting but a {type(values).__name__}: {_quoted(text)}.")
        unknown(values)
        return cls(**values)

    def to_keras(self):
        """A plain Keras program of this experiment that gives the same result when it is run alone."""
        from .keras_program import program  # the program is written from the network, which is made from this class

        return program(self)


SETTINGS = {f.name: f.metadata["setting"] for f in dataclasses.fields(Experiment)}
_DEFAULTS = {f.name: f.default for f in dataclasses.fields(Experiment)}
_DATA_GROUPS = ("Data", "Preparation")
# Fields that take the problem's own value if they are left out, and what a Source calls it.
_OWN = {"samples": "samples", "noise": "noise", "features": "features_as", "split": "split"}


def unknown(names):
    """ValueError for the first of `names` that is no field of an Experiment."""
    for name in names:
        if name not in SETTINGS:
            match = difflib.get_close_matches(str(name), SETTINGS, n=1, cutoff=0.0)[0]
            raise ValueError(f"{_quoted(name)} is not a field of an Experiment. Did you mean {match!r}?")
