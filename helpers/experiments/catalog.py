"""The names that an experiment may use: one row for each activation, initializer, optimizer, scaling, imputation …

A new one is a new row here. The checks, the sliders, the Keras program and the tests read these tables.
"""

import difflib
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Call:
    """A call such as ``keras.layers.Dense(16, activation="tanh")`` that can be made and can be printed.

    The engine makes it, `to_keras` prints it, so that the program shown is the one that ran.
    """

    path: str
    args: tuple = ()
    kwargs: dict = field(default_factory=dict)

    def with_(self, **kwargs):
        """The same call with more keyword arguments."""
        return Call(self.path, self.args, {**self.kwargs, **kwargs})

    def make(self):
        """Import the callable and call it."""
        module, _, name = self.path.rpartition(".")
        function = getattr(importlib.import_module(module), name)
        return function(*map(_made, self.args), **{k: _made(v) for k, v in self.kwargs.items()})

    def __str__(self):
        arguments = [*map(printed, self.args)]
        arguments += [f"{name}={printed(value)}" for name, value in self.kwargs.items()]
        module, _, name = self.path.rpartition(".")
        shown = name if module.startswith("sklearn") else self.path
        return f"{shown}({', '.join(arguments)})"

    def inside(self):
        """This call and all calls among its arguments."""
        yield self
        for value in (*self.args, *self.kwargs.values()):
            if isinstance(value, Call):
                yield from value.inside()

    def functions(self):
        """The functions of ours among the arguments, which a program has to define."""
        values = [value for call in self.inside() for value in (*call.args, *call.kwargs.values())]
        return [value for value in values if inspect.isfunction(value)]


def _made(value):
    return value.make() if isinstance(value, Call) else value


def did_you_mean(name, allowed, cutoff=0.0):
    """A question that names the nearest of the allowed names; nothing where none is near."""
    match = difflib.get_close_matches(
        str(name).strip().lower(), [str(one).lower() for one in allowed], n=1, cutoff=cutoff
    )
    same = [one for one in allowed if match and str(one).lower() == match[0]]
    return f" Did you mean {same[0]!r}?" if same else ""


def printed(value):
    if isinstance(value, str):
        return f'"{value}"'
    if callable(value):
        return f"np.{value.__name__}" if isinstance(value, np.ufunc) else value.__name__
    return str(value) if isinstance(value, Call) else repr(value)


# The keys are the names of Keras, see https://keras.io/api/layers/activations/
ACTIVATIONS = {
    "linear": "nonlinear nowhere: any number of layers is still one linear layer",
    "sigmoid": "squashes z to 0..1",
    "tanh": "squashes z to -1..1; slope 1 in the middle",
    "relu": "max(0, z): cheap, but flat for every negative z",
    "leaky_relu": "like relu, but with a slope of 0.2 for negative z",
    "elu": "like relu, but levels off smoothly at -1",
    "selu": "elu, scaled so that the outputs of deep layers keep their spread",
    "gelu": "a smooth relu; common in transformers",
    "swish": "z times sigmoid(z), a smooth relu",
}


@dataclass(frozen=True)
class Choice:
    """What a name stands for. call: what is made for it, or None for nothing; for a schedule of the learning rate
    (rate, steps) -> the call of a Keras schedule."""

    call: Call | Callable | None
    help: str


@dataclass(frozen=True)
class Initializer(Choice):
    """The initial weights. `call` lacks only its seed; `random`: whether it takes one."""

    random: bool = True


INITIALIZERS = {
    "glorot_uniform": Initializer(Call("keras.initializers.GlorotUniform"), "Keras's default; fits tanh and sigmoid"),
    "glorot_normal": Initializer(
        Call("keras.initializers.GlorotNormal"), "the same variance, from a normal distribution"
    ),
    "he_normal": Initializer(Call("keras.initializers.HeNormal"), "twice the variance; fits relu"),
    "he_uniform": Initializer(Call("keras.initializers.HeUniform"), "the same variance, from a uniform distribution"),
    "lecun_normal": Initializer(Call("keras.initializers.LecunNormal"), "variance 1/inputs; fits selu"),
    "zeros": Initializer(Call("keras.initializers.Zeros"), "all units start equal, and stay equal", random=False),
    "random_normal": Initializer(
        Call("keras.initializers.RandomNormal", kwargs={"stddev": 10.0}), "far too large: standard deviation 10"
    ),
}


@dataclass(frozen=True)
class Optimizer(Choice):
    """A Keras optimizer. `call` lacks the learning rate and the fields of the experiment named in `uses`."""

    uses: tuple[str, ...] = ()


OPTIMIZERS = {
    "sgd": Optimizer(Call("keras.optimizers.SGD"), "steps along the negative gradient"),
    "momentum": Optimizer(Call("keras.optimizers.SGD"), "sgd that keeps its speed", uses=("momentum",)),
    "nesterov": Optimizer(
        Call("keras.optimizers.SGD", kwargs={"nesterov": True}), "momentum that looks ahead", uses=("momentum",)
    ),
    "rmsprop": Optimizer(Call("keras.optimizers.RMSprop"), "divides each weight's step by its recent gradients"),
    "adagrad": Optimizer(
        Call("keras.optimizers.Adagrad"), "divides each weight's step by all its gradients so far; slows down"
    ),
    "adam": Optimizer(
        Call("keras.optimizers.Adam"), "rmsprop with momentum; each step is about one learning rate long"
    ),
    "adamw": Optimizer(Call("keras.optimizers.AdamW"), "adam that also shrinks the weights", uses=("weight_decay",)),
}


# Scikit-learn's transformers of inputs, missing values or targets, fitted to the training set.
SCALINGS = {
    "none": Choice(None, "the inputs as they are"),
    "standard": Choice(Call("sklearn.preprocessing.StandardScaler"), "mean 0, standard deviation 1"),
    "minmax": Choice(Call("sklearn.preprocessing.MinMaxScaler"), "smallest 0, largest 1"),
    "robust": Choice(
        Call("sklearn.preprocessing.RobustScaler"), "median 0, interquartile range 1; hardly affected by outliers"
    ),
}


_FILL = Call("sklearn.impute.SimpleImputer", kwargs={"keep_empty_features": True})
_MISSING = Call("sklearn.impute.MissingIndicator", kwargs={"features": "all"})

IMPUTATIONS = {
    "drop": Choice(_FILL, "training samples with gaps are dropped; in validation the mean is used"),
    "none": Choice(None, "not replaced: NaN goes into the network"),
    "mean": Choice(_FILL, "replaced by the mean of the training samples"),
    "median": Choice(_FILL.with_(strategy="median"), "replaced by the median of the training samples"),
    "zero": Choice(_FILL.with_(strategy="constant", fill_value=0.0), "replaced by zero"),
    "sentinel": Choice(_FILL.with_(strategy="constant", fill_value=-999.0), "replaced by -999, as in many old files"),
    "indicator": Choice(
        Call("sklearn.pipeline.make_union", (_FILL, _MISSING)),
        "replaced by the mean; an extra input per feature marks missing values",
    ),
}


def with_ratio(x):
    """Append the ratio of the first two columns."""
    return np.column_stack([x, x[:, 0] / x[:, 1]])


def polar(x):
    """Distance from the origin, and direction."""
    return np.column_stack([np.hypot(x[:, 0], x[:, 1]), np.arctan2(x[:, 1], x[:, 0])])


def clock(x):
    """The position of the hand on a 24-hour clock."""
    return np.column_stack([np.sin(2 * np.pi * x / 24), np.cos(2 * np.pi * x / 24)])


@dataclass(frozen=True)
class Features(Choice):
    """The features computed from the inputs before scaling; `call` is a scikit-learn transformer.

    needs: the kind of input that is needed, one of `Source.kinds`; columns: the number of inputs needed, 0 for any number up to
    most_columns.
    """

    needs: str = "numbers"
    columns: int = 0
    most_columns: int = 1000


def _function(function):
    return Call("sklearn.preprocessing.FunctionTransformer", (function,))


FEATURES = {
    "raw": Features(None, "the inputs as they are"),
    "squares": Features(
        Call("sklearn.preprocessing.PolynomialFeatures", (2,), {"include_bias": False}),
        "the inputs, their squares and their products",
        most_columns=20,
    ),
    "log": Features(_function(np.log10), "the decimal logarithm", needs="positive"),
    "ratio": Features(_function(with_ratio), "the two inputs and their ratio", needs="positive", columns=2),
    "polar": Features(_function(polar), "distance and direction instead of two coordinates", columns=2),
    "clock": Features(_function(clock), "sine and cosine of the hour, so that 24 is near 0", needs="hours"),
    "codes": Features(Call("sklearn.preprocessing.OrdinalEncoder"), "A is 0, B is 1, …", needs="text"),
    "one_hot": Features(
        Call("sklearn.preprocessing.OneHotEncoder", kwargs={"sparse_output": False}),
        "one input per category: 1 for the sample's category, 0 for the others",
        needs="text",
    ),
}

MISSING_KINDS = {
    "at random": "every value has the same probability of being missing",
    "largest": "the largest values of each input are missing, so a gap carries information",
}
SPLITS = {
    "shuffled": "validation samples are drawn at random from all rows",
    "chronological": "validation samples are the last rows: the future",
}
TARGET_SCALINGS = {
    "none": Choice(None, "the targets as they are"),
    "standard": Choice(Call("sklearn.preprocessing.StandardScaler"), "mean 0, standard deviation 1; regression only"),
}


def _schedule(name, **more):
    def call(rate, steps):
        kwargs = {"initial_learning_rate": rate, "decay_steps": steps}
        return Call(f"keras.optimizers.schedules.{name}", kwargs={**kwargs, **more})

    return call


_cosine = _schedule("CosineDecay")


def _warmup(rate, steps):
    first = steps // 10
    if not first:  # too few steps to rise in
        return _cosine(rate, steps)
    kwargs = {"initial_learning_rate": 0.0, "decay_steps": steps - first, "warmup_target": rate, "warmup_steps": first}
    return Call("keras.optimizers.schedules.CosineDecay", kwargs=kwargs)


SCHEDULES = {
    "constant": Choice(None, "the same learning rate in every step"),
    "cosine": Choice(_cosine, "falls along a cosine to 0 at the last step"),
    "exponential": Choice(_schedule("ExponentialDecay", decay_rate=0.01), "falls to a hundredth at the last step"),
    "warmup": Choice(_warmup, "rises for a tenth of the steps, then falls along a cosine"),
}

OUTPUT_ACTIVATIONS = {
    "auto": "chosen for the task: linear for numbers, sigmoid for two classes, softmax for more",
    "linear": "any number",
    "relu": "never below 0",
    "sigmoid": "between 0 and 1",
    "tanh": "between -1 and 1",
    "softmax": "probabilities that sum to 1; with a single unit always 1",
}


@dataclass(frozen=True)
class Task:
    """The output activation and the loss for a kind of target."""

    output_activation: str
    loss: Call


TASKS = {
    "regression": Task("linear", Call("keras.losses.MeanSquaredError")),
    "binary": Task("sigmoid", Call("keras.losses.BinaryCrossentropy")),
    "multiclass": Task("softmax", Call("keras.losses.SparseCategoricalCrossentropy")),
}
