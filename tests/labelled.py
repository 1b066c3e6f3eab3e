"""Programs whose illness is known: what `helpers.diagnose` is measured against.

A healthy program is a `Recipe`. A broken one is a healthy one with one change (rarely two that belong together), so that
what is wrong with it is known, and so is its twin: the same program with that change undone.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import keras
import numpy as np
import pandas as pd
from sklearn import datasets

from helpers.experiments.sources import DATA as TABLES
from helpers.experiments.sources import read_table

HELD_OUT = 300  # points of made data that no program sees

CAUSES = (
    "capacity_too_low", "overfitting", "vanishing_gradient", "exploding_gradient", "dead_relu", "saturated_activation",
    "output_activation_mismatch", "loss_mismatch", "learning_rate_too_high", "learning_rate_too_low", "too_few_epochs",
    "optimizer_choice", "unscaled_inputs", "unscaled_targets", "missing_values", "label_or_data_bug",
    "over_regularized", "bad_initialization", "nothing_to_learn",
)  # fmt: skip


class Program(NamedTuple):
    """What a learner has: a compiled model and what its `fit` is given."""

    model: keras.Model
    x: np.ndarray
    y: np.ndarray
    validation_data: tuple | None
    epochs: int
    batch_size: int


# --- data: (rng, n) -> x (n, inputs), y (n,) or (n, outputs) ------------------------------------------


def _curve(low, high, truth, noise=0.0):
    def points(rng, n):
        x = rng.uniform(low, high, (n, 1))
        return x, truth(x[:, 0]) + noise * rng.standard_normal(n)

    return points


def _bundled(load):
    def points(rng, n):
        x, y = load(return_X_y=True)
        return x, y.astype(float)

    return points


def _table(name):
    def points(rng, n):
        x, y = read_table(name)
        return x, y[:, 0]

    return points


def _penguins(rng, n):
    columns = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    table = pd.read_csv(TABLES / "penguins.csv").dropna(subset=columns)
    return table[columns].to_numpy(float), table["species"].astype("category").cat.codes.to_numpy(float)


def _cars(rng, n):
    columns = ["cylinders", "displacement", "horsepower", "weight", "acceleration", "year"]
    table = pd.read_csv(TABLES / "auto_mpg.csv").dropna()
    return table[columns].to_numpy(float), table["mpg"].to_numpy(float)


def _holey_cars(rng, n):
    """The table as it is published: six cars miss their horsepower."""
    table = pd.read_csv(TABLES / "auto_mpg.csv").dropna(subset=["mpg"])
    return table[["cylinders", "horsepower", "weight", "year"]].to_numpy(float), table["mpg"].to_numpy(float)


def _xor(rng, n):
    corners = rng.integers(0, 2, (n, 2))
    return corners + 0.15 * rng.standard_normal((n, 2)), (corners[:, 0] != corners[:, 1]).astype(float)


def _four_corners(rng, n):
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * (n // 4), float)
    return corners, (corners[:, 0] != corners[:, 1]).astype(float)


def _moons(noise, flipped=0.0):
    def points(rng, n):
        x, y = datasets.make_moons(n, noise=noise, random_state=int(rng.integers(1 << 31)))
        return x, np.where(rng.random(n) < flipped, 1 - y, y).astype(float)

    return points


def _circles(rng, n):
    x, y = datasets.make_circles(n, noise=0.08, factor=0.5, random_state=int(rng.integers(1 << 31)))
    return x, y.astype(float)


def _blobs(classes, inputs=2, spread=1.0):
    def points(rng, n):
        angles = 2 * np.pi * np.arange(classes) / classes
        centres = np.zeros((classes, inputs))
        centres[:, 0], centres[:, 1] = 4 * np.cos(angles), 4 * np.sin(angles)
        y = rng.integers(0, classes, n)
        return centres[y] + spread * rng.standard_normal((n, inputs)), y.astype(float)

    return points


def _rare(rng, n):
    """One in eight is ill."""
    y = (rng.random(n) < 0.125).astype(float)
    return rng.standard_normal((n, 5)) + 3.0 * y[:, None] * np.array([1, -1, 0, 0, 0]), y


def _three_labels(rng, n):
    x = rng.standard_normal((n, 4))
    return x, np.stack([x[:, 0] > 0, x[:, 1] + x[:, 2] > 0, x[:, 2] * x[:, 3] > 0], axis=1).astype(float)


def _product(rng, n):
    x = rng.uniform(-1, 1, (n, 2))
    return x, 3 * x[:, 0] * x[:, 1]


def _two_outputs(rng, n):
    x = rng.uniform(-2, 2, (n, 3))
    return x, np.stack([np.sin(x[:, 0]) + x[:, 1], x[:, 1] * x[:, 2]], axis=1)


def _friedman(noise):
    def points(rng, n):
        return datasets.make_friedman1(n, noise=noise, random_state=int(rng.integers(1 << 31)))

    return points


def _sum_of_many(rng, n):
    """Thirty inputs, of which three decide, and much noise."""
    x = rng.standard_normal((n, 30))
    return x, x[:, 0] - x[:, 1] + 0.5 * x[:, 2] + 1.2 * rng.standard_normal(n)


def _twins(rng, n):
    """Two inputs that differ by a twentieth of their spread; the difference is what counts."""
    x, difference = rng.standard_normal((2, n))
    return np.stack([x, x + 0.05 * difference], axis=1), difference


def _powers(rng, n):
    x = rng.uniform(-1, 1, n)
    return np.stack([x**power for power in range(1, 12)], axis=1), np.sin(7 * x)


def _counts(rng, n):
    x = rng.uniform(-1, 1, (n, 2))
    return x, rng.poisson(np.exp(1.5 + x[:, 0] - x[:, 1])).astype(float)


def _noise(classes):
    """The inputs tell nothing of the answers: numbers if classes is 0."""

    def points(rng, n):
        x = rng.standard_normal((n, 4))
        return x, rng.standard_normal(n) if classes == 0 else rng.integers(0, classes, n).astype(float)

    return points


# name: (task, points)
DATA = {
    "line": ("regression", _curve(-2, 2, lambda x: 2 * x + 1, 0.3)),
    "sine": ("regression", _curve(-3, 3, lambda x: np.sin(1.5 * x), 0.05)),
    "ripples": ("regression", _curve(-3, 3, lambda x: np.sin(4 * x), 0.02)),
    "noisy_sine": ("regression", _curve(-3, 3, np.sin, 0.6)),
    "abs": ("regression", _curve(-2, 2, np.abs)),
    "product": ("regression", _product),
    "two_outputs": ("regression", _two_outputs),
    "friedman": ("regression", _friedman(0.5)),
    "noisy_friedman": ("regression", _friedman(2.0)),
    "sum_of_many": ("regression", _sum_of_many),
    "twins": ("regression", _twins),
    "powers": ("regression", _powers),
    "counts": ("regression", _counts),
    "diabetes": ("regression", _bundled(datasets.load_diabetes)),
    "cars": ("regression", _cars),
    "holey_cars": ("regression", _holey_cars),
    "shares": ("regression", _table("stock_price")),
    "returns": ("regression", _table("stock_return")),
    "static": ("regression", _noise(0)),
    "xor": ("binary", _xor),
    "four_corners": ("binary", _four_corners),
    "moons": ("binary", _moons(0.1)),
    "noisy_moons": ("binary", _moons(0.35)),
    "flipped_moons": ("binary", _moons(0.2, flipped=0.2)),
    "circles": ("binary", _circles),
    "rare": ("binary", _rare),
    "breast_cancer": ("binary", _bundled(datasets.load_breast_cancer)),
    "coin": ("binary", _noise(2)),
    "blobs3": ("classes", _blobs(3)),
    "blobs5": ("classes", _blobs(5, inputs=4)),
    "iris": ("classes", _bundled(datasets.load_iris)),
    "wine": ("classes", _bundled(datasets.load_wine)),
    "digits": ("classes", _bundled(datasets.load_digits)),
    "penguins": ("classes", _penguins),
    "dice": ("classes", _noise(4)),
    "three_labels": ("labels", _three_labels),
}


# --- programs -----------------------------------------------------------------------------------------

LAYERS = {
    "dropout": keras.layers.Dropout,
    "noise": keras.layers.GaussianNoise,
    "leaky": keras.layers.LeakyReLU,
    "activation": keras.layers.Activation,
    "batchnorm": keras.layers.BatchNormalization,
    "layernorm": keras.layers.LayerNormalization,
}
OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "adagrad": keras.optimizers.Adagrad,
    "adadelta": keras.optimizers.Adadelta,
}
LOSSES = {
    "bce": lambda: "binary_crossentropy",
    "cce": lambda: "categorical_crossentropy",
    "sparse": lambda: "sparse_categorical_crossentropy",
    "bce of logits": lambda: keras.losses.BinaryCrossentropy(from_logits=True),
    "cce of logits": lambda: keras.losses.CategoricalCrossentropy(from_logits=True),
    "sparse of logits": lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
}


@dataclass(frozen=True)
class Recipe:
    """A program as words and numbers: everything but the seed.

    data: a row of DATA; samples: training points.
    layers: such as "16 relu, dropout 0.5, leaky 0.1, 3 softmax"; a number is a Dense layer's units, the word after it its
    activation; "normalize" is a Normalization adapted to the inputs.
    optimizer: such as "sgd 0.1 0.9": its name, learning rate and momentum.
    loss: a row of LOSSES, or what Keras calls it. batch: points in a batch, None for all.
    inputs: "standard" or "raw". targets: "column" (n, 1), "flat" (n,), "one_hot", "signs" (−1, 1) or "standard".
    kernel, output_kernel: initializer of hidden and output weights, by name or as the spread of a normal distribution.
    bias: what hidden biases start at. l1, l2: penalties of all weights.
    recast: (x, y) -> (x, y), how all points were written down. spoil: (x, y, rng) -> (x, y), what befell those that the
    program sees, but not those that judge it.
    """

    data: str
    samples: int
    layers: str
    loss: str
    optimizer: str
    epochs: int
    batch: int | None = None
    validate: bool = False
    functional: bool = False
    inputs: str = "standard"
    targets: str = "column"
    kernel: str | float = "glorot_uniform"
    output_kernel: str | float = "glorot_uniform"
    bias: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    accuracy: bool = False
    recast: Callable | None = None
    spoil: Callable | None = None

    @property
    def task(self):
        return DATA[self.data][0]

    def points(self, seed):
        """Training and held-out points as they ought to be: x, y, x_held_out, y_held_out, float32."""
        rng = np.random.default_rng(seed)
        x, y = DATA[self.data][1](rng, self.samples + HELD_OUT)
        if len(x) != self.samples + HELD_OUT:  # a table, all of it
            rows = rng.permutation(len(x))
            x, y = x[rows], y[rows]
        seen = slice(None, self.samples)
        if self.inputs == "standard":
            spread = x[seen].std(axis=0)
            x = (x - x[seen].mean(axis=0)) / np.where(spread > 0, spread, 1)
        if self.targets == "standard":
            y = (y - y[seen].mean(axis=0)) / y[seen].std(axis=0)
        if self.targets == "signs":
            y = 2 * y - 1
        if self.targets == "one_hot":
            y = np.eye(int(y.max()) + 1)[y.astype(int)]
        elif self.targets != "flat" and y.ndim == 1:
            y = y[:, None]
        if self.recast:
            x, y = self.recast(x, y)
        x, y = x.astype("float32"), y.astype("float32")
        return x[seen], y[seen], x[self.samples :], y[self.samples :]

    def program(self, seed=0):
        """The program with this seed: the same seed gives the same points and weights. It seeds Keras, too."""
        x, y, x_val, y_val = self.points(seed)
        if self.spoil:
            rng = np.random.default_rng(seed + 1000)
            x, y = (part.astype("float32") for part in self.spoil(x, y, rng))
            x_val, y_val = (part.astype("float32") for part in self.spoil(x_val, y_val, rng))
        keras.utils.set_random_seed(seed)
        model = self._model(x)
        name, *numbers = self.optimizer.split()
        settings = dict(zip(("learning_rate", "momentum"), map(float, numbers), strict=False))
        loss = LOSSES[self.loss]() if self.loss in LOSSES else self.loss
        model.compile(OPTIMIZERS[name](**settings), loss, metrics=["accuracy"] if self.accuracy else None)
        validation_data = (x_val, y_val) if self.validate else None
        return Program(model, x, y, validation_data, self.epochs, self.batch or len(x))

    def _model(self, x):
        layers = [part.split() for part in self.layers.split(",")]
        layers = [self._layer(words, x, last=words is layers[-1]) for words in layers]
        if not self.functional:
            return keras.Sequential([keras.Input(x.shape[1:]), *layers])
        inputs = outputs = keras.Input(x.shape[1:])
        for layer in layers:
            outputs = layer(outputs)
        return keras.Model(inputs, outputs)

    def _layer(self, words, x, last):
        name, *rest = words
        if name == "normalize":
            layer = keras.layers.Normalization()
            layer.adapt(x)
            return layer
        if name in LAYERS:
            return LAYERS[name](*(word if name == "activation" else float(word) for word in rest))
        return keras.layers.Dense(
            int(name),
            activation=rest[0] if rest else None,
            kernel_initializer=_initializer(self.output_kernel if last else self.kernel),
            bias_initializer=keras.initializers.Constant(0.0 if last else self.bias),
            kernel_regularizer=keras.regularizers.L1L2(self.l1, self.l2) if self.l1 or self.l2 else None,
        )

    def skills(self, model, seed=0):
        """How much of what a constant leaves wrong the model gets right, on training and held-out points.

        Judged by `predict` and by the points as they ought to be: 0 is a constant, 1 is all, −1 is as bad or worse.
        """
        x, y, x_val, y_val = self.points(seed)
        return tuple(self._skill(model.predict(a, verbose=0), b, y) for a, b in ((x, y), (x_val, y_val)))

    def _skill(self, predictions, y, y_train):
        if not np.isfinite(predictions).all():
            return -1.0
        y, y_train = (part.reshape(len(part), -1).astype(float) for part in (y, y_train))
        if self.task == "regression":
            predictions = np.broadcast_to(predictions.astype(float), y.shape)
            errors, constant = (((guess - y) ** 2).mean(axis=0) for guess in (predictions, y_train.mean(axis=0)))
        elif self.task == "classes":
            one_hot = self.targets == "one_hot"
            y, y_train = ((part.argmax(axis=1) if one_hot else part[:, 0]) for part in (y, y_train))
            answers = predictions.argmax(axis=1) if predictions.shape[1] > 1 else np.round(predictions[:, 0])
            values, counts = np.unique(y_train, return_counts=True)
            errors, constant = (np.mean(guess != y) for guess in (answers, values[counts.argmax()]))
        else:
            middle = 0.0 if "logits" in self.loss or self.targets == "signs" else 0.5
            truth, usual = (y > middle, y_train.mean(axis=0) > middle)
            errors, constant = ((guess != truth).mean(axis=0) for guess in (predictions > middle, usual))
        return float(np.clip(np.mean(1 - errors / constant), -1, 1))


def _initializer(kernel):
    return kernel if isinstance(kernel, str) else keras.initializers.RandomNormal(stddev=kernel)


@dataclass(frozen=True)
class Case:
    """A program and what is wrong with it.

    causes: none for a healthy program. Else the first is the true cause; others stand there only where nothing that can be
    measured tells them from it.
    """

    name: str
    causes: tuple[str, ...]
    recipe: Recipe
    twin: Recipe | None = None

    def make(self, seed=0):
        """The program to diagnose."""
        return self.recipe.program(seed)

    def fixed(self, seed=0):
        """The healthy twin of a broken program."""
        return self.twin.program(seed)


def trained_skills(recipe, seed=0):
    """Skill on training and held-out points after `model.fit` of the recipe's program."""
    program = recipe.program(seed)
    program.model.fit(
        program.x,
        program.y,
        validation_data=program.validation_data,
        epochs=program.epochs,
        batch_size=program.batch_size,
        verbose=0,
    )
    return recipe.skills(program.model, seed)


# --- healthy programs ---------------------------------------------------------------------------------

# Each comes with the held-out skill that it has to reach: less than 0.9 where noise allows no more.
HEALTHY = {
    "sine": (Recipe("sine", 200, "16 tanh, 16 tanh, 1", "mse", "adam 0.01", 80, 32, validate=True), 0.9),
    "abs": (Recipe("abs", 100, "16 relu, 1", "mae", "adam 0.03", 150), 0.9),
    "line": (Recipe("line", 60, "1", "mse", "sgd 0.1", 60, 20), 0.9),
    "ripples": (Recipe("ripples", 400, "64 relu, 64 relu, 64 relu, 1", "mse", "adam 0.005", 120, 40), 0.9),
    "quick_ripples": (Recipe("ripples", 400, "64 relu, 64 relu, 64 relu, 1", "mse", "adam 0.005", 50, 40), 0.85),
    "product": (Recipe("product", 300, "32 gelu, 1", "mse", "adamw 0.03", 60, 30, validate=True), 0.9),
    "two_outputs": (
        Recipe("two_outputs", 400, "48 relu, 48 relu, 2", "mse", "nadam 0.005", 60, 40, functional=True), 0.9
    ),
    "friedman": (
        Recipe("friedman", 500, "64 relu, 32 relu, 1", "mse", "adam 0.005", 50, 50, True, targets="standard"), 0.85
    ),
    "noisy_friedman": (Recipe("noisy_friedman", 500, "16 relu, 1", "mse", "adam 0.01", 60, 50, True), 0.6),
    "sum_of_many": (Recipe("sum_of_many", 500, "8 elu, 1", "mse", "sgd 0.01", 30, 25, validate=True), 0.4),
    "noisy_sine": (Recipe("noisy_sine", 300, "32 tanh, 32 tanh, 1", "mse", "adam 0.01", 60, 50, True), 0.45),
    "twins": (Recipe("twins", 200, "1", "mse", "sgd 0.2 0.9", 250), 0.85),
    "powers": (Recipe("powers", 150, "1", "mse", "sgd 0.1 0.95", 400), 0.8),
    "counts": (Recipe("counts", 400, "16 elu, 1 exponential", "poisson", "adam 0.01", 40, 40), 0.6),
    "diabetes": (Recipe("diabetes", 300, "8 relu, 1", "mse", "adam 0.01", 20, 30, True, targets="standard"), 0.35),
    "cars": (
        Recipe("cars", 300, "32 relu, 32 relu, 1", "mse", "adam 0.005", 40, 30, targets="standard", validate=True), 0.8
    ),
    "cars_raw_targets": (Recipe("cars", 300, "32 relu, 32 relu, 1", "huber", "rmsprop 0.01", 60, 30), 0.75),
    "cars_l2": (Recipe("cars", 300, "24 tanh, 1", "mse", "sgd 0.05 0.9", 50, 30, targets="standard", l2=1e-4), 0.8),
    "shares": (Recipe("shares", 400, "1", "mae", "adam 0.02", 60, 40, targets="standard"), 0.9),
    "deep_tanh": (Recipe("sine", 300, "16 tanh, " * 10 + "1", "mse", "adam 0.003", 60, 30, targets="flat"), 0.9),
    "xor": (Recipe("xor", 200, "8 relu, 8 relu, 1 sigmoid", "bce", "adam 0.02", 40, 20, validate=True), 0.9),
    "four_corners": (Recipe("four_corners", 4, "16 tanh, 1 sigmoid", "bce", "adam 0.03", 150, 1, inputs="raw"), 0.9),
    "moons_sgd": (Recipe("moons", 300, "16 tanh, 16 tanh, 1 sigmoid", "bce", "sgd 0.3 0.9", 40, 30, True), 0.9),
    "deep_relu": (
        Recipe("moons", 400, "12 relu, " * 8 + "1 sigmoid", "bce", "adam 0.005", 40, 40, kernel="he_normal"), 0.9
    ),
    "sigmoids": (Recipe("moons", 400, "16 sigmoid, " * 6 + "1 sigmoid", "bce", "adam 0.01", 80, 40, True), 0.75),
    "noisy_moons": (Recipe("noisy_moons", 400, "16 relu, 1 sigmoid", "bce", "adam 0.02", 40, 40, True), 0.6),
    "flipped_moons": (
        Recipe("flipped_moons", 2000, "16 relu, 16 relu, 1 sigmoid", "bce", "adam 0.01", 15, 50, True), 0.45
    ),
    "circles": (Recipe("circles", 300, "12 elu, 12 elu, 1 sigmoid", "bce", "rmsprop 0.01", 40, 30, validate=True), 0.9),
    "circles_mse": (Recipe("circles", 300, "16 relu, 1 sigmoid", "mse", "adam 0.03", 50, 30, targets="flat"), 0.9),
    "circles_signs": (
        Recipe("circles", 300, "16 leaky_relu, 16 leaky_relu, 1 tanh", "hinge", "adam 0.01", 40, 30, targets="signs"),
        0.9,
    ),
    "circles_logits": (
        Recipe("circles", 400, "16 silu, 16 silu, 1", "bce of logits", "adamw 0.01", 40, 40, functional=True), 0.9
    ),
    "rare": (Recipe("rare", 600, "8 relu, 1 sigmoid", "bce", "adam 0.01", 30, 40, accuracy=True), 0.8),
    "breast_cancer": (
        Recipe("breast_cancer", 400, "30 relu, 1 sigmoid", "bce", "adam 0.005", 15, 32, True, accuracy=True), 0.85
    ),
    "raw_cancer": (
        Recipe("breast_cancer", 400, "batchnorm, 16 relu, 1 sigmoid", "bce", "adam 0.01", 20, 32, inputs="raw"), 0.7
    ),
    "small_cancer": (Recipe("breast_cancer", 400, "1 sigmoid", "bce", "sgd 0.1", 20, 32, targets="flat"), 0.85),
    "blobs3": (
        Recipe("blobs3", 300, "16, activation relu, 3, activation softmax", "sparse", "sgd 0.1", 30, 30, True), 0.9
    ),
    "blobs3_logits": (
        Recipe("blobs3", 200, "16, leaky 0.1, 3", "sparse of logits", "adagrad 0.1", 30, 20, targets="flat"), 0.9
    ),
    "blobs5": (Recipe("blobs5", 500, "32 gelu, 5 softmax", "cce", "nadam 0.01", 20, 50, targets="one_hot"), 0.9),
    "iris": (Recipe("iris", 110, "16 relu, 3 softmax", "sparse", "adam 0.02", 60, 16, accuracy=True), 0.85),
    "raw_iris": (Recipe("iris", 110, "16 relu, 3 softmax", "sparse", "adam 0.02", 80, 16, inputs="raw"), 0.85),
    "wine": (Recipe("wine", 130, "16 tanh, 3 softmax", "cce", "sgd 0.1 0.9", 30, 16, targets="one_hot"), 0.8),
    "raw_wine": (Recipe("wine", 130, "normalize, 24 relu, 3 softmax", "sparse", "adam 0.01", 30, 16, inputs="raw"), 0.8),
    "penguins": (Recipe("penguins", 250, "16 elu, 3 softmax", "sparse", "adam 0.01", 30, 25, validate=True), 0.9),
    "digits": (Recipe("digits", 1000, "64 relu, 10 softmax", "sparse", "adam 0.005", 12, 50, validate=True), 0.85),
    "raw_digits": (Recipe("digits", 1000, "64 relu, 10 softmax", "sparse", "adam 0.002", 20, 50, inputs="raw"), 0.85),
    "dropout_digits": (
        Recipe("digits", 1000, "256 relu, dropout 0.5, 64 relu, dropout 0.5, 10 softmax", "sparse", "adam 0.003", 20, 50),
        0.85,
    ),
    "deep_digits": (
        Recipe("digits", 1000, "48 relu, " * 6 + "10 softmax", "sparse", "sgd 0.02 0.9", 20, 50, kernel="he_normal"), 0.8
    ),
    "noise_layer": (
        Recipe("digits", 1000, "noise 0.3, 64 elu, layernorm, 10 softmax", "cce", "adamw 0.005", 15, 50, targets="one_hot"),
        0.85,
    ),
    "some_dead": (
        Recipe("digits", 1000, "96 relu, 96 relu, 10 softmax", "sparse", "adam 0.005", 15, 50, bias=-1.0, kernel="he_normal"),
        0.85,
    ),
    "three_labels": (
        Recipe("three_labels", 600, "48 relu, 48 relu, 3 sigmoid", "bce", "adam 0.01", 30, 40, validate=True), 0.8
    ),
    "batchnorm_labels": (
        Recipe("three_labels", 800, "32, batchnorm, activation relu, 32, batchnorm, activation relu, 3", "bce of logits",
               "adam 0.01", 30, 50), 0.75
    ),
}  # fmt: skip


# --- what breaks them ---------------------------------------------------------------------------------


def far(stretch, offset=0.0):
    """Inputs in another unit."""
    return lambda x, y: (x * stretch + offset, y)


def big(stretch, offset=0.0):
    """Targets in another unit."""
    return lambda x, y: (x, y * stretch + offset)


def shuffled(x, y, rng):
    return x, rng.permutation(y)


def rolled(x, y, rng):
    """Each answer stands one row too low."""
    return x, np.roll(y, 1, axis=0)


def sorted_answers(x, y, rng):
    """The column of answers was sorted, the others were not."""
    return x, np.sort(y, axis=0)


def one_answer(x, y, rng):
    return x, np.full_like(y, y[0])


def whole_numbers(x, y, rng):
    """Inputs divided as whole numbers: all are 0."""
    return np.zeros_like(x), y


def one_hole(x, y, rng):
    """One cell is empty."""
    x = x.copy()
    x[len(x) // 2, 0] = np.nan
    return x, y


def holes(share):
    """A share of all cells is empty."""
    return lambda x, y, rng: (np.where(rng.random(x.shape) < share, np.nan, x), y)


def missing_answers(x, y, rng):
    return x, np.where(rng.random(y.shape) < 0.03, np.nan, y)


def endless(x, y, rng):
    """A division by zero left its mark."""
    x = x.copy()
    x[:3, -1] = np.inf
    return x, y


def deep(units, activation, layers, last):
    return f"{units} {activation}, " * layers + last


# (name, causes, the healthy program, what is changed in it)
BROKEN = (
    ("line_through_a_wave", ["capacity_too_low"], "sine", {"layers": "1"}),
    ("linear_layers", ["capacity_too_low"], "product", {"layers": "32, 32, 1"}),
    ("one_line_for_a_ring", ["capacity_too_low"], "circles", {"layers": "1 sigmoid"}),
    ("two_units_for_ripples", ["capacity_too_low"], "ripples", {"layers": "2 tanh, 1"}),
    ("linear_xor", ["capacity_too_low"], "xor", {"layers": "16, 1 sigmoid", "functional": True}),
    ("narrow_waist", ["capacity_too_low"], "digits", {"layers": "64 relu, 1 tanh, 10 softmax"}),
    ("few_ripples", ["overfitting"], "ripples", {"samples": 12, "batch": 12, "epochs": 300}),
    ("few_digits", ["overfitting"], "digits", {"samples": 25, "batch": 25, "epochs": 60}),
    ("fits_noise_of_diabetes", ["overfitting"], "diabetes",
     {"samples": 30, "layers": "128 relu, 128 relu, 1", "epochs": 150}),
    ("fits_noise_of_friedman", ["overfitting"], "noisy_friedman",
     {"samples": 40, "batch": 20, "layers": "128 relu, 128 relu, 1", "epochs": 150}),
    ("too_many_inputs", ["overfitting"], "sum_of_many",
     {"samples": 25, "layers": "64 elu, 64 elu, 1", "optimizer": "adam 0.005", "epochs": 100}),
    ("fourteen_sigmoids", ["vanishing_gradient"], "deep_relu", {"layers": deep(12, "sigmoid", 14, "1 sigmoid"), "kernel": "glorot_uniform"}),
    ("ten_sigmoids", ["vanishing_gradient"], "deep_tanh", {"layers": deep(16, "sigmoid", 10, "1")}),
    ("six_sigmoids", ["vanishing_gradient"], "deep_digits", {"layers": deep(48, "sigmoid", 6, "10 softmax"), "kernel": "glorot_uniform"}),
    ("five_sigmoids_of_sgd", ["vanishing_gradient"], "moons_sgd", {"layers": deep(16, "sigmoid", 5, "1 sigmoid")}),
    ("loud_relu", ["exploding_gradient", "bad_initialization"], "deep_relu", {"kernel": 2.0, "optimizer": "sgd 0.01"}),
    ("loud_linear", ["exploding_gradient", "bad_initialization"], "friedman",
     {"layers": deep(64, "linear", 6, "32 relu, 1"), "kernel": 0.6, "optimizer": "sgd 0.005"}),
    ("loud_digits", ["exploding_gradient", "bad_initialization"], "deep_digits", {"kernel": 1.0}),
    ("loud_outputs", ["exploding_gradient", "bad_initialization"], "two_outputs",
     {"layers": deep(48, "relu", 7, "2"), "kernel": 1.0}),
    ("all_off", ["dead_relu"], "friedman", {"bias": -10.0}),
    ("all_off_digits", ["dead_relu"], "digits", {"bias": -15.0}),
    ("all_off_outputs", ["dead_relu"], "two_outputs", {"bias": -8.0}),
    ("all_off_kink", ["dead_relu"], "abs", {"bias": -6.0}),
    ("steep_tanh", ["saturated_activation", "bad_initialization"], "deep_tanh", {"kernel": 30.0}),
    ("steep_sigmoid", ["saturated_activation", "bad_initialization"], "digits",
     {"layers": "64 sigmoid, 64 sigmoid, 10 softmax", "kernel": 20.0}),
    ("stuck_tanh", ["saturated_activation", "bad_initialization"], "sine", {"bias": 12.0}),
    ("stuck_wine", ["saturated_activation", "bad_initialization"], "wine", {"bias": -15.0}),
    ("softmax_of_one", ["output_activation_mismatch"], "breast_cancer", {"layers": "30 relu, 1 softmax"}),
    ("softmax_of_one_ring", ["output_activation_mismatch"], "circles", {"layers": "12 elu, 12 elu, 1 softmax"}),
    ("relu_at_the_end", ["output_activation_mismatch"], "sine", {"layers": "16 tanh, 16 tanh, 1 relu"}),
    ("sigmoid_for_numbers", ["output_activation_mismatch"], "cars", {"layers": "32 relu, 32 relu, 1 sigmoid"}),
    ("tanh_for_big_numbers", ["output_activation_mismatch"], "cars_raw_targets", {"layers": "32 relu, 32 relu, 1 tanh"}),
    ("softmax_for_numbers", ["output_activation_mismatch"], "two_outputs", {"layers": "48 relu, 48 relu, 2 softmax"}),
    ("softmax_for_labels", ["output_activation_mismatch"], "three_labels", {"layers": "48 relu, 48 relu, 3 softmax"}),
    ("relu_classes", ["output_activation_mismatch", "loss_mismatch"], "blobs5", {"layers": "32 gelu, 5 relu"}),
    ("entropy_of_numbers", ["loss_mismatch"], "product", {"loss": "bce"}),
    ("categories_of_one", ["loss_mismatch", "output_activation_mismatch"], "xor", {"loss": "cce"}),
    ("forgotten_softmax", ["output_activation_mismatch", "loss_mismatch"], "blobs5", {"layers": "32 gelu, 5"}),
    ("forgotten_logits", ["loss_mismatch", "output_activation_mismatch"], "raw_digits",
     {"layers": "64 relu, 10", "loss": "sparse"}),
    ("distance_of_classes", ["loss_mismatch"], "iris", {"loss": "mse", "accuracy": False}),
    ("cosine_of_numbers", ["loss_mismatch"], "sine", {"loss": "cosine_similarity"}),
    ("poisson_of_negatives", ["loss_mismatch"], "friedman", {"loss": "poisson"}),
    ("line_blown_up", ["learning_rate_too_high"], "line", {"optimizer": "sgd 1.5"}),
    ("sine_thrown_about", ["learning_rate_too_high"], "sine", {"optimizer": "adam 1.0"}),
    ("friedman_thrown_about", ["learning_rate_too_high"], "friedman", {"optimizer": "adam 3"}),
    ("cars_blown_up", ["learning_rate_too_high"], "cars_l2", {"optimizer": "sgd 3 0.9"}),
    ("ring_thrown_about", ["learning_rate_too_high"], "circles", {"optimizer": "rmsprop 1"}),
    ("labels_thrown_about", ["learning_rate_too_high"], "three_labels", {"optimizer": "adam 2"}),
    ("crawling_wine", ["learning_rate_too_low"], "wine", {"optimizer": "sgd 0.0001"}),
    ("crawling_digits", ["learning_rate_too_low"], "digits", {"optimizer": "adam 0.00001"}),
    ("crawling_cars", ["learning_rate_too_low"], "cars", {"optimizer": "adam 0.00002"}),
    ("crawling_line", ["learning_rate_too_low"], "line", {"optimizer": "sgd 0.00001"}),
    ("crawling_penguins", ["learning_rate_too_low"], "penguins", {"optimizer": "rmsprop 0.00001"}),
    ("crawling_adadelta", ["learning_rate_too_low", "optimizer_choice"], "xor", {"optimizer": "adadelta 0.001"}),
    ("two_steps", ["too_few_epochs"], "digits", {"epochs": 2, "batch": 1000}),
    ("one_epoch", ["too_few_epochs"], "friedman", {"epochs": 1, "batch": 250}),
    ("hardly_begun", ["too_few_epochs"], "ripples", {"epochs": 4}),
    ("three_steps", ["too_few_epochs"], "circles_signs", {"epochs": 3, "batch": 300}),
    ("five_steps", ["too_few_epochs"], "product", {"epochs": 5, "batch": 300}),
    ("sgd_in_a_valley", ["optimizer_choice"], "twins", {"optimizer": "sgd 0.2"}),
    ("sgd_of_ripples", ["optimizer_choice"], "quick_ripples", {"optimizer": "sgd 0.15"}),
    ("sgd_through_sigmoids", ["optimizer_choice", "vanishing_gradient"], "sigmoids", {"optimizer": "sgd 0.5"}),
    ("sgd_of_powers", ["optimizer_choice"], "powers", {"optimizer": "sgd 0.1"}),
    ("pounds_and_inches", ["unscaled_inputs"], "cars", {"inputs": "raw", "optimizer": "sgd 0.01"}),
    ("raw_milligrams", ["unscaled_inputs"], "wine", {"inputs": "raw"}),
    ("calendar_years", ["unscaled_inputs"], "sine", {"recast": far(10, 2000)}),
    ("thousands", ["unscaled_inputs"], "product", {"recast": far(2000, 5000)}),
    ("raw_penguins", ["unscaled_inputs"], "penguins", {"inputs": "raw"}),
    ("millimetres", ["unscaled_inputs"], "line", {"recast": far(1000, 3000)}),
    ("house_prices", ["unscaled_targets"], "friedman", {"recast": big(30_000, 200_000)}),
    ("cars_in_millimetres", ["unscaled_targets"], "cars", {"recast": big(1e5, 4e5)}),
    ("big_waves", ["unscaled_targets"], "sine", {"recast": big(1e4)}),
    ("tiny_waves", ["unscaled_targets"], "sine", {"recast": big(1e-4)}),
    ("one_hole", ["missing_values"], "iris", {"spoil": one_hole}),
    ("holes_in_wine", ["missing_values"], "raw_wine", {"spoil": holes(0.02)}),
    ("holes_in_penguins", ["missing_values"], "penguins", {"spoil": holes(0.03)}),
    ("missing_answers", ["missing_values"], "two_outputs", {"spoil": missing_answers}),
    ("divided_by_zero", ["missing_values"], "breast_cancer", {"spoil": endless}),
    ("shuffled_wine", ["label_or_data_bug", "nothing_to_learn"], "wine", {"spoil": shuffled}),
    ("shuffled_cars", ["label_or_data_bug", "nothing_to_learn"], "cars", {"spoil": shuffled}),
    ("one_row_too_low", ["label_or_data_bug", "nothing_to_learn"], "friedman", {"spoil": rolled}),
    ("sorted_answers", ["label_or_data_bug", "nothing_to_learn"], "product", {"spoil": sorted_answers}),
    ("always_the_same", ["label_or_data_bug"], "blobs3", {"spoil": one_answer}),
    ("all_inputs_zero", ["label_or_data_bug"], "raw_digits", {"spoil": whole_numbers}),
    ("heavy_l2", ["over_regularized"], "sine", {"l2": 1.0}),
    ("heavy_l1", ["over_regularized"], "digits", {"l1": 0.1}),
    ("heavy_l2_classes", ["over_regularized"], "wine", {"l2": 0.5}),
    ("all_dropped", ["over_regularized"], "friedman", {"layers": "64 relu, dropout 0.95, 32 relu, dropout 0.95, 1"}),
    ("dropped_moons", ["over_regularized"], "moons_sgd",
     {"layers": "16 tanh, dropout 0.9, 16 tanh, dropout 0.9, 1 sigmoid"}),
    ("inputs_dropped", ["over_regularized"], "circles", {"layers": "dropout 0.95, 12 elu, 12 elu, 1 sigmoid"}),
    ("all_zeros", ["bad_initialization"], "ripples", {"kernel": "zeros", "output_kernel": "zeros"}),
    ("all_alike", ["bad_initialization"], "circles", {"kernel": "ones", "output_kernel": "ones"}),
    ("zero_digits", ["bad_initialization"], "digits", {"kernel": "zeros", "output_kernel": "zeros"}),
    ("loud_start", ["bad_initialization", "exploding_gradient"], "cars", {"kernel": 10.0, "output_kernel": 10.0}),
    ("whispering_start", ["bad_initialization", "vanishing_gradient"], "deep_relu", {"kernel": 0.01}),
    ("white_noise", ["nothing_to_learn", "label_or_data_bug"], "sum_of_many", {"data": "static"}),
    ("coins", ["nothing_to_learn", "label_or_data_bug"], "rare", {"data": "coin"}),
    ("dice", ["nothing_to_learn", "label_or_data_bug"], "blobs5", {"data": "dice", "layers": "32 gelu, 4 softmax"}),
    ("returns_of_shares", ["nothing_to_learn", "label_or_data_bug"], "shares", {"data": "returns", "samples": 396}),
)  # fmt: skip

CASES = tuple(
    [Case(name, (), recipe) for name, (recipe, _) in HEALTHY.items()]
    + [
        Case(name, tuple(causes), replace(HEALTHY[base][0], **changes), HEALTHY[base][0])
        for name, causes, base, changes in BROKEN
    ]
)
