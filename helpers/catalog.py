"""The words an experiment may use: one row for each activation, initializer, optimizer, scaling and task.

A new one is a new row here. The checks, the sliders, the Keras program and the tests read these tables.
"""

import importlib
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Call:
    """A call such as ``keras.layers.Dense(16, activation="tanh")`` that can be made and can be printed.

    The engine makes it, `Experiment.to_keras` prints it, so that the program shown is the one that ran.
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
        arguments = [*map(_printed, self.args)]
        arguments += [f"{name}={_printed(value)}" for name, value in self.kwargs.items()]
        module, _, name = self.path.rpartition(".")
        shown = name if module.startswith("sklearn") else self.path
        return f"{shown}({', '.join(arguments)})"


def _made(value):
    return value.make() if isinstance(value, Call) else value


def _printed(value):
    if isinstance(value, str):
        return f'"{value}"'
    return str(value) if isinstance(value, Call) else repr(value)


@dataclass(frozen=True)
class Activation:
    """An activation of the hidden layers.

    steepest: the largest slope it has anywhere.
    saturates: whether its slope falls towards 0 at both ends, so that a unit can be saturated.
    """

    help: str
    steepest: float = 1.0
    saturates: bool = False


# The keys are the names of Keras, see https://keras.io/api/layers/activations/
ACTIVATIONS = {
    "linear": Activation("no bend at all: any number of layers is still one line"),
    "sigmoid": Activation("squashes to 0..1; its slope is never above 1/4", steepest=0.25, saturates=True),
    "tanh": Activation("squashes to -1..1; slope 1 in the middle", saturates=True),
    "relu": Activation("max(0, z): cheap, and flat for every negative z"),
    "leaky_relu": Activation("like relu, but with a slope of 0.2 for negative z"),
    "elu": Activation("like relu, but bends smoothly to -1"),
    "selu": Activation("elu, scaled so that deep layers keep their spread", steepest=1.758),
    "gelu": Activation("a smooth relu; common in transformers", steepest=1.129),
    "swish": Activation("z times sigmoid(z), a smooth relu", steepest=1.1),
}


@dataclass(frozen=True)
class Initializer:
    """How the kernels start. `call` lacks only its seed; `random` tells whether it takes one."""

    call: Call
    help: str
    random: bool = True


INITIALIZERS = {
    "glorot_uniform": Initializer(Call("keras.initializers.GlorotUniform"), "Keras's default; fits tanh and sigmoid"),
    "glorot_normal": Initializer(Call("keras.initializers.GlorotNormal"), "the same spread, from a bell curve"),
    "he_normal": Initializer(Call("keras.initializers.HeNormal"), "twice the variance; fits relu"),
    "he_uniform": Initializer(Call("keras.initializers.HeUniform"), "the same spread, evenly drawn"),
    "lecun_normal": Initializer(Call("keras.initializers.LecunNormal"), "variance 1/inputs; fits selu"),
    "zeros": Initializer(Call("keras.initializers.Zeros"), "all units start equal, and stay equal", random=False),
    "random_normal": Initializer(
        Call("keras.initializers.RandomNormal", kwargs={"stddev": 10.0}), "far too large: standard deviation 10"
    ),
}


@dataclass(frozen=True)
class Optimizer:
    """A Keras optimizer. `call` lacks the learning rate and the fields of the experiment named in `uses`."""

    call: Call
    help: str
    uses: tuple[str, ...] = ()


OPTIMIZERS = {
    "sgd": Optimizer(Call("keras.optimizers.SGD"), "straight down the gradient"),
    "momentum": Optimizer(Call("keras.optimizers.SGD"), "sgd that keeps its speed", uses=("momentum",)),
    "nesterov": Optimizer(
        Call("keras.optimizers.SGD", kwargs={"nesterov": True}), "momentum that looks ahead", uses=("momentum",)
    ),
    "rmsprop": Optimizer(Call("keras.optimizers.RMSprop"), "each weight by its own recent gradients"),
    "adagrad": Optimizer(Call("keras.optimizers.Adagrad"), "each weight by all its gradients so far; slows down"),
    "adam": Optimizer(Call("keras.optimizers.Adam"), "rmsprop with momentum; moves about one rate a step"),
    "adamw": Optimizer(Call("keras.optimizers.AdamW"), "adam that also shrinks the weights", uses=("weight_decay",)),
}


@dataclass(frozen=True)
class Scaling:
    """A scikit-learn transformer for the inputs, fitted on the training part; `call` is None for none."""

    call: Call | None
    help: str


SCALINGS = {
    "none": Scaling(None, "the inputs as they are"),
    "standard": Scaling(Call("sklearn.preprocessing.StandardScaler"), "mean 0, standard deviation 1"),
    "minmax": Scaling(Call("sklearn.preprocessing.MinMaxScaler"), "smallest 0, largest 1"),
    "robust": Scaling(Call("sklearn.preprocessing.RobustScaler"), "median 0, middle half 1 wide; ignores outliers"),
}


@dataclass(frozen=True)
class Task:
    """What the output layer and the loss are for a kind of target; `error` names what skill is made of."""

    output_activation: str
    loss: Call
    error: str


TASKS = {
    "regression": Task("linear", Call("keras.losses.MeanSquaredError"), "mean squared error"),
    "binary": Task("sigmoid", Call("keras.losses.BinaryCrossentropy"), "share of wrong answers"),
}
