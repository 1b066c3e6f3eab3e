"""Programs of plain Keras that do not learn, each with one fault unless it says otherwise, and the data that they are trained on.

Each function stands in a lesson as it stands here, line by line; `data(name)` is in its first line. They return the compiled
model, the training and the validation data, and the arguments of `fit`.
"""

import keras
import numpy as np
from keras import layers

from ..experiments.sources import read_table

TRAINING = 400
VALIDATION = 300


def data(name):
    """The data of a program as they come: (x, y, x_val, y_val), x: (samples, inputs) float32, y: (samples,) float32 or int32."""
    if name not in SOURCES:
        raise ValueError(f"{name!r} is not a program. There are {', '.join(SOURCES)}.")
    rng = np.random.default_rng(sum(map(ord, name)))
    x, y = SOURCES[name](rng, TRAINING + VALIDATION)
    x, y = x.astype("float32"), y.astype("int32" if y.dtype.kind in "ib" else "float32")
    trained = np.argsort(y[:TRAINING], kind="stable") if name == "shelf" else slice(TRAINING)
    return x[trained], y[trained], x[TRAINING:], y[TRAINING:]


def cars():
    """The cars of data/auto_mpg.csv as they come: (x, y, x_val, y_val), the samples of `Experiment(problem="auto_mpg")`."""
    x, y = read_table("auto_mpg")
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order].astype("float32"), y[order, 0].astype("float32")
    return x[:294], y[:294], x[294:], y[294:]


# --- the data ------------------------------------------------------------------------------------------------------------


def _smooth(rng, n):
    """Four standard normal inputs and a smooth function of three of them with a standard deviation of about 1."""
    x = rng.normal(size=(n, 4))
    y = 0.8 * x[:, 0] + 0.6 * np.sin(2 * x[:, 1]) + 0.5 * np.abs(x[:, 2])
    return x, y + 0.1 * rng.normal(size=n)


def _in_units(x=(1, 0), y=(1, 0)):
    """The smooth function in other units: factor and offset of the inputs, and of the targets."""

    def made(rng, n):
        inputs, targets = _smooth(rng, n)
        return inputs * x[0] + x[1], targets * y[0] + y[1]

    return made


def _two_classes(rng, n):
    """Four standard normal inputs and two classes with a curved border; a few labels are wrong."""
    x = rng.normal(size=(n, 4))
    y = x[:, 0] + x[:, 1] ** 2 - 1 > 0.3 * x[:, 2]
    return x, y ^ (rng.random(n) < 0.03)


def _three_kinds(rng, n):
    y = rng.permutation(np.arange(n) % 3)
    x = 0.8 * rng.normal(size=(n, 4)) + 2.2 * np.array([[0, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0]])[y]
    return x, y


def _postcodes(rng, n):
    streets, months = rng.permutation(40), rng.permutation(25)
    pairs = rng.permutation(1000)[:n]
    street, month = pairs // 25, pairs % 25
    y = (streets[street] - 19.5) / 14 + (months[month] - 12) / 9
    return np.stack([street, month], 1), y + 0.1 * rng.normal(size=n)


def _ferry(rng, n):
    y = rng.random(n) < 0.06
    x = rng.normal(size=(n, 3))
    x[:, 0] += 2.0 * y
    return x, y


def _lighthouse(rng, n):
    x = rng.uniform(-2, 2, size=(n, 3))
    y = np.where(x[:, 0] > 0.3, 1.0, np.where(x[:, 1] > 0, -1.0, 0.2))
    return x, y + 0.1 * rng.normal(size=n)


def _greenhouse(rng, n):
    x = rng.normal(size=(n, 6))
    y = np.sin(2 * x[:, 0]) + np.abs(x[:, 1]) + 0.7 * x[:, 2] - x[:, 3]
    return x, y + 0.1 * rng.normal(size=n)


def _census(rng, n):
    x = rng.normal(size=(n, 3))
    y = x[:, 0] + 0.6 * x[:, 1] ** 2 > 0.6
    y[:TRAINING] ^= rng.random(TRAINING) < 0.3
    return x, y


def _violins(rng, n):
    y = rng.permutation(np.arange(n) % 4)
    x = rng.normal(size=(n, 5)) + 1.6 * rng.normal(size=(4, 5))[y]
    return 1000 + 100 * x, y


SOURCES = {
    "greenhouse": _greenhouse,
    "beetles": _two_classes,
    "bridge": _smooth,
    "river": _in_units(([0.0004, 0.002, 1, 900], [0.001, 0.01, 0, 5000])),
    "census": _census, "violins": _violins, "bats": _three_kinds,
    "mushrooms": _two_classes,
    "kettle": _in_units(y=(9000, 36000)), "thermometer": _in_units(y=(9, 281)),
    "shelf": _three_kinds,
    "bakery": _in_units(([20, 5, 30, 0.1], [220, 70, 400, 1])),
    "tides": _smooth, "postcodes": _postcodes, "turbine": _smooth, "ferry": _ferry,
    "orchard": _in_units(([3, 0.5, 2, 1], [30, 6, 15, 8])),
    "cellar": _smooth, "lighthouse": _lighthouse,
}  # fmt: skip


# --- of the lessons 01 to 06 --------------------------------------------------------------------------------------------


def greenhouse():
    x, y, x_val, y_val = data("greenhouse")
    settings = {"epochs": 60, "batch_size": 32}
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(2, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
    return model, x, y, x_val, y_val, settings


def beetles():
    x, y, x_val, y_val = data("beetles")
    settings = {"epochs": 40, "batch_size": 32}
    model = keras.Sequential([keras.Input((4,))])
    for _ in range(8):
        model.add(layers.Dense(16, activation="sigmoid"))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(optimizer=keras.optimizers.Adam(0.003), loss="binary_crossentropy")
    return model, x, y, x_val, y_val, settings


def bridge():
    x, y, x_val, y_val = data("bridge")
    settings = {"epochs": 60, "batch_size": 32}
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer=keras.optimizers.SGD(0.2, momentum=0.9), loss="mse")
    return model, x, y, x_val, y_val, settings


def river():
    x, y, x_val, y_val = data("river")
    settings = {"epochs": 60, "batch_size": 32}
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.003), loss="mse")
    return model, x, y, x_val, y_val, settings


def census():
    x, y, x_val, y_val = data("census")
    x, y = x[:160], y[:160]
    settings = {"epochs": 200, "batch_size": 20}
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss="binary_crossentropy")
    return model, x, y, x_val, y_val, settings


# Two faults.
def violins():
    x, y, x_val, y_val = data("violins")
    settings = {"epochs": 40, "batch_size": 32}
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(32, activation="tanh"),
            layers.Dense(4),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss="sparse_categorical_crossentropy")
    return model, x, y, x_val, y_val, settings


def bats():
    x, y, x_val, y_val = data("bats")
    rng = np.random.default_rng(0)
    rng.shuffle(x)
    rng.shuffle(y)
    settings = {"epochs": 40, "batch_size": 32}
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss="sparse_categorical_crossentropy")
    return model, x, y, x_val, y_val, settings


# --- the twelve of lesson 07 ---------------------------------------------------------------------------------------------


def mushrooms():
    x, y, x_val, y_val = data("mushrooms")
    settings = {"epochs": 30, "batch_size": 32}
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1, activation="softmax"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss="binary_crossentropy")
    return model, x, y, x_val, y_val, settings


def kettle():
    x, y, x_val, y_val = data("kettle")
    settings = {"epochs": 40, "batch_size": 32}
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss="mse")
    return model, x, y, x_val, y_val, settings


def thermometer():
    x, y, x_val, y_val = data("thermometer")
    mean, std = y.mean(), y.std()
    y, y_val = (y - mean) / std, (y_val - mean) / std
    settings = {"epochs": 40, "batch_size": 32}
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1, activation="relu"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss="mse")
    return model, x, y, x_val, y_val, settings


def shelf():
    x, y, x_test, y_test = data("shelf")
    settings = {"epochs": 30, "batch_size": 32, "validation_split": 0.4}
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss="sparse_categorical_crossentropy")
    return model, x, y, x_test, y_test, settings


def bakery():
    x, y, x_val, y_val = data("bakery")
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    x_val = x_val / x_val.max(axis=0)
    settings = {"epochs": 30, "batch_size": 32}
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss="mse")
    return model, x, y, x_val, y_val, settings


def tides():
    class Cautious(keras.losses.Loss):
        def call(self, y_true, y_pred):
            error = y_true - y_pred
            return keras.ops.where(error > 0, 1.5 * error**2, error**2)

    x, y, x_val, y_val = data("tides")
    settings = {"epochs": 30, "batch_size": 32}
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss=Cautious())
    return model, x, y, x_val, y_val, settings


def postcodes():
    x, y, x_val, y_val = data("postcodes")
    x, x_val = x / 40, x_val / 40
    settings = {"epochs": 40, "batch_size": 32}
    model = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss="mse")
    return model, x, y, x_val, y_val, settings


def turbine():
    x, y, x_val, y_val = data("turbine")
    settings = {"epochs": 30, "batch_size": 32}
    rate = keras.optimizers.schedules.ExponentialDecay(0.01, decay_steps=1, decay_rate=0.9)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="mse")
    return model, x, y, x_val, y_val, settings


def ferry():
    x, y, x_val, y_val = data("ferry")
    settings = {"epochs": 30, "batch_size": 32}
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(8, activation="tanh"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss="binary_crossentropy", metrics=["accuracy"])
    return model, x, y, x_val, y_val, settings


def orchard():
    x, y, x_val, y_val = data("orchard")
    settings = {"epochs": 30, "batch_size": 64}
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.BatchNormalization(),
            layers.Dense(32, activation="relu"),
            layers.Dense(32, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
    return model, x, y, x_val, y_val, settings


def cellar():
    x, y, x_val, y_val = data("cellar")
    keras.utils.set_random_seed(1)
    settings = {"epochs": 30, "batch_size": 32}
    base = keras.Sequential(
        [keras.Input((4,)), layers.Dense(32, activation="relu"), layers.Dense(8, activation="relu")]
    )
    base.trainable = False
    model = keras.Sequential([base, layers.Dense(8, activation="relu"), layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
    return model, x, y, x_val, y_val, settings


def lighthouse():
    x, y, x_val, y_val = data("lighthouse")
    settings = {"epochs": 30, "batch_size": 32}
    inputs = keras.Input((3,))
    scores = layers.Dense(3)(layers.Dense(32, activation="relu")(inputs))
    choice = layers.Lambda(lambda s: keras.ops.one_hot(keras.ops.argmax(s, axis=-1), 3), output_shape=(3,))(scores)
    model = keras.Model(inputs, layers.Dense(1)(choice))
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
    return model, x, y, x_val, y_val, settings
