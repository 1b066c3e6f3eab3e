"""`diagnose` takes whatever `model.fit` trains: compile arguments crossed with layers and data, in few rows."""

import itertools
import random

import keras
import numpy as np
import pandas as pd
import pytest
from clocks import Ticks

from helpers import diagnose
from why_wont_it_learn.diagnosis import report as card

POINTS = 48
CLASSES = 3
layers, optimizers, losses = keras.layers, keras.optimizers, keras.losses


# --- data: x for a generator ---

RNG = np.random.default_rng(0)
TABLE = RNG.uniform(0, 5, (POINTS, 4)).astype("float32")
IMAGES = RNG.uniform(0, 5, (POINTS, 20, 20, 3)).astype("float32")
CONSTANT = np.where(np.arange(4) == 1, 3, TABLE).astype("float32")
with np.errstate(invalid="ignore"):
    STANDARDIZED = (CONSTANT - CONSTANT.mean(axis=0)) / (CONSTANT.std(axis=0) * [1, 0, 1, 1])

DATA = {
    "float64": TABLE.astype("float64"),
    "integers": TABLE.astype("int64"),
    "DataFrame": pd.DataFrame(TABLE, columns=list("abcd")),
    "list": TABLE.tolist(),
    "one column": TABLE[:, :1],
    "flat": TABLE[:, 0],
    "wide images": IMAGES,
    "all NaN": np.full_like(TABLE, np.nan),
    "a constant column": CONSTANT,
    "standardized by a spread of 0": STANDARDIZED.astype("float32"),
}

# --- networks: (input shape, units and activation of the output) -> model ---


class Doubled(layers.Layer):
    """A layer that Keras does not know."""

    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, shape):
        self.shift = self.add_weight(shape=(shape[-1],), initializer="zeros")

    def call(self, inputs):
        return self.factor * inputs + self.shift

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class Secretive(layers.Layer):
    """A layer that does not say how it was made."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


class Own(keras.Model):
    """A model that cannot be taken apart."""

    def __init__(self, output):
        super().__init__()
        self.flatten, self.hidden, self.out = layers.Flatten(), layers.Dense(4, "tanh"), output

    def call(self, inputs):
        return self.out(self.hidden(self.flatten(inputs)))


def bent(inputs):
    return inputs * keras.ops.sigmoid(inputs)


def chain(*middle):
    def make(shape, output):
        return keras.Sequential([keras.Input(shape), *(part for make in middle for part in make(shape)), output])

    return make


def whole(shape, output):
    model = Own(output)
    model(np.zeros((1, *shape), "float32"))
    return model


def branched(shape, output):
    inputs = keras.Input(shape)
    flat = layers.Flatten()(inputs)
    shared = layers.Dense(4, "relu")
    return keras.Model(inputs, output(layers.Add()([shared(flat), layers.Dense(4)(flat)]) + shared(flat)))


def dense(activation="tanh", **kwargs):
    return lambda shape: [layers.Flatten(), layers.Dense(4, activation, **kwargs)]


def convolution(shape):
    if len(shape) == 3:
        return [layers.Conv2D(2, 3, strides=4, activation="relu"), layers.GlobalAveragePooling2D()]
    return [layers.Reshape((*shape, 1)), layers.Conv1D(2, 1, activation="relu"), layers.Flatten()]


def recurrent(shape):
    return [layers.Reshape((shape[0], -1)), layers.LSTM(3)]


NETWORKS = {
    "Dense": chain(dense()),
    "Lambda": chain(dense(), lambda shape: [layers.Lambda(lambda t: t * 2)]),
    "unregistered": chain(dense(), lambda shape: [Doubled(3.0)]),
    "without a config": chain(dense(), lambda shape: [Secretive(keras.ops.tanh)]),
    "activation function": chain(dense(bent)),
    "activation lambda": chain(dense(lambda t: keras.ops.tanh(t))),
    "activation layer, penalty": chain(
        dense(layers.LeakyReLU(), kernel_regularizer=keras.regularizers.L1L2(0.01, 0.01))
    ),
    "BatchNormalization, Dropout": chain(dense(), lambda shape: [layers.BatchNormalization(), layers.Dropout(0.3)]),
    "Embedding": chain(lambda shape: [layers.Embedding(6, 2), layers.Flatten()]),
    "Conv": chain(convolution),
    "LSTM": chain(recurrent),
    "subclass": whole,
    "shared": branched,
}

# --- losses: (() -> loss, task, activation of the output) ---


class Squared(losses.Loss):
    def call(self, y_true, y_pred):
        return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)


def absolute(y_true, y_pred):
    return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)


def classes_of_logits(y_true, y_pred):
    return losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)


LOSSES = {
    "string": (lambda: "mse", "regression", None),
    "object": (lambda: losses.Huber(), "regression", None),
    "list": (lambda: ["mae"], "regression", None),
    "dict": (lambda: {"out": "mse"}, "regression", None),
    "function": (lambda: absolute, "regression", None),
    "class of one's own": (lambda: Squared(), "regression", None),
    "binary": (lambda: "binary_crossentropy", "binary", "sigmoid"),
    "from_logits": (lambda: losses.BinaryCrossentropy(from_logits=True), "binary", None),
    "sparse": (lambda: "sparse_categorical_crossentropy", "multiclass", "softmax"),
    "crossentropy": (lambda: "crossentropy", "multiclass", "softmax"),
    "classes by a function": (lambda: classes_of_logits, "multiclass", None),
}
UNITS = {"regression": 1, "binary": 1, "multiclass": CLASSES}
TARGETS = {
    "regression": TABLE[:, 0] - TABLE[:, 3],
    "binary": (TABLE[:, 0] > TABLE[:, 3]).astype(int),
    "multiclass": np.digitize(TABLE[:, 0], [1.5, 3.5]),
}

# --- optimizers ---


class Slower(optimizers.schedules.LearningRateSchedule):
    """A schedule that Keras does not know."""

    def __call__(self, step):
        return 0.1 / (1.0 + keras.ops.cast(step, "float32"))


class Signs(optimizers.Optimizer):
    """An optimizer that Keras does not know."""

    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, keras.ops.cast(learning_rate, variable.dtype) * keras.ops.sign(gradient))


OPTIMIZERS = {
    "string": lambda: "sgd",
    "object": lambda: optimizers.Adam(0.01),
    "schedule, clipnorm": lambda: optimizers.SGD(
        optimizers.schedules.ExponentialDecay(0.1, 5, 0.5), momentum=0.9, clipnorm=0.5
    ),
    "warm-up from 0": lambda: optimizers.Adam(
        optimizers.schedules.CosineDecay(0.0, 6, warmup_target=0.1, warmup_steps=3), global_clipnorm=0.5
    ),
    "schedule of one's own": lambda: optimizers.RMSprop(Slower()),
    "callable": lambda: optimizers.Adam(lambda: 1e-4),
    "rate of 0": lambda: optimizers.SGD(0.0),
    "weight decay, averages": lambda: optimizers.AdamW(
        0.01, weight_decay=0.05, use_ema=True, gradient_accumulation_steps=2
    ),
    "LossScaleOptimizer": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.01)),
    "of one's own": lambda: Signs(0.01),
    "of whole kernels": lambda: optimizers.Lamb(0.01),
}

EXTRAS = {
    "nothing": {},
    "metrics": {"metrics": ["mae", keras.metrics.MeanSquaredError()]},
    "weighted": {"loss_weights": [0.5]},
    "mixed_float16": {},
}

TABLES = {"loss": LOSSES, "optimizer": OPTIMIZERS, "network": NETWORKS, "data": DATA, "extra": EXTRAS}


def pairs_of(row):
    return set(itertools.combinations(row.items(), 2))


def covering_pairs(tables, seed, tries=50):
    """Rows in which each value of each table stands beside each value of each other table; the same for the same seed."""
    shuffle = random.Random(seed)
    open_pairs = {
        pair
        for (one, ones), (other, others) in itertools.combinations(tables.items(), 2)
        for pair in itertools.product(itertools.product([one], ones), itertools.product([other], others))
    }
    rows = []
    while open_pairs:
        first = min(open_pairs)
        candidates = [
            {name: shuffle.choice(list(values)) for name, values in tables.items()} | dict(first) for _ in range(tries)
        ]
        rows.append(max(candidates, key=lambda row: len(pairs_of(row) & open_pairs)))
        open_pairs -= pairs_of(rows[-1])
    return rows


def program(row):
    """model, x, y of a row."""
    keras.utils.set_random_seed(0)
    loss, task, activation = LOSSES[row["loss"]]
    x, y = DATA[row["data"]], TARGETS[task]
    policy = "mixed_float16" if row["extra"] == "mixed_float16" else "float32"
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        output = layers.Dense(UNITS[task], activation, name="out", dtype="float32")
        shape = np.asarray(x).reshape(POINTS, -1).shape[1:] if np.ndim(x) < 3 else x.shape[1:]
        model = NETWORKS[row["network"]](shape, output)
    finally:
        keras.config.set_dtype_policy(before)
    model.compile(optimizer=OPTIMIZERS[row["optimizer"]](), loss=loss(), **EXTRAS[row["extra"]])
    return model, x, y


def rows(seed):
    """Covering rows, without those that `fit` refuses: only the output of a functional model has a name."""
    return [row for row in covering_pairs(TABLES, seed) if (row["network"], row["loss"]) != ("subclass", "dict")]


def cases(*seeds):
    """A test for each row, shared out to two processes; by default a fifth of the rows, at night all of them."""
    return [
        pytest.param(
            row,
            id=", ".join(row.values()),
            marks=[
                pytest.mark.xdist_group(f"compile_arguments_{number // 5 % 2}"),
                *([pytest.mark.nightly] if number % 5 else []),
            ],
        )
        for seed in seeds
        for number, row in enumerate(rows(seed))
    ]


def examine(row, budget):
    model, x, y = program(row)
    weights, clock = model.get_weights(), Ticks(1.0)
    found = diagnose(model, x, y, epochs=2, batch_size=16, seeds=2, budget=budget, clock=clock)
    assert clock.now <= 1.5 * budget
    assert not any("cannot be trained" in finding.evidence for finding in found.findings)
    assert found.causes[:1] == ["missing_values"] or not np.isnan(np.asarray(x, float)).any()
    assert card.text(found)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("row", cases(0))
def test_what_fit_trains_is_diagnosed(row):
    examine(row, budget=12)


@pytest.mark.nightly
@pytest.mark.parametrize("row", cases(1, 2))
def test_what_fit_trains_is_diagnosed_with_more_remedies(row):
    examine(row, budget=40)
