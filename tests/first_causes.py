"""What `diagnose` says first of a few small programs, as JSON: run by tests/environments.py in other environments."""

import json
import sys

import keras
import numpy as np
import sklearn
import tensorflow as tf
from keras import layers

from why_wont_it_learn import diagnose

rng = np.random.default_rng(0)
X = rng.uniform(-3, 3, (240, 1)).astype("float32")
WAVE = np.sin(2 * X)
XY = rng.normal(size=(240, 2)).astype("float32")
RING = (np.hypot(XY[:, 0], XY[:, 1]) < 1.2).astype("float32")


def network(*hidden, output="linear", inputs=1, units=1):
    """A chain of Dense layers, (units, activation) each."""
    dense = [layers.Dense(n, activation) for n, activation in hidden]
    return keras.Sequential([keras.Input((inputs,)), *dense, layers.Dense(units, output)])


def compiled(model, optimizer, loss):
    """The model, compiled."""
    model.compile(optimizer=optimizer, loss=loss)
    return model


BODY = (16, "tanh"), (16, "tanh")
# {name: (model, x, y, epochs, expected first cause; None: nothing is wrong)}
PROGRAMS = {
    "healthy": lambda: (compiled(network(*BODY), keras.optimizers.Adam(0.01), "mse"), X, WAVE, 200, None),
    "rate too low": lambda: (
        compiled(network(*BODY), keras.optimizers.Adam(1e-6), "mse"), X, WAVE, 200, "learning_rate_too_low",
    ),
    "rate too high": lambda: (
        compiled(network(*BODY), keras.optimizers.SGD(30.0), "mse"), X, WAVE, 200, "learning_rate_too_high",
    ),
    "softmax over one unit": lambda: (
        compiled(network(*BODY, output="softmax", inputs=2), keras.optimizers.Adam(0.01), "binary_crossentropy"),
        XY, RING, 100, "output_activation_mismatch",
    ),
    "no hidden layer": lambda: (
        compiled(network(inputs=2, output="sigmoid"), keras.optimizers.Adam(0.05), "binary_crossentropy"),
        XY, RING, 100, "capacity_too_low",
    ),
    "missing values": lambda: (
        compiled(network(*BODY), keras.optimizers.Adam(0.01), "mse"),
        np.where(rng.random(X.shape) < 0.1, np.nan, X), WAVE, 100, "missing_values",
    ),
}  # fmt: skip


def main():
    """Diagnose each and print the first causes with the expected ones."""
    found = {}
    for name, program in PROGRAMS.items():
        keras.utils.set_random_seed(0)
        model, x, y, epochs, expected = program()
        report = diagnose(model, x, y, epochs=epochs, batch_size=32, budget=60)
        found[name] = (report.causes[0] if report.causes else None, expected)
    versions = [f"Python {sys.version.split()[0]}", f"TensorFlow {tf.__version__}", f"Keras {keras.__version__}"]
    print(json.dumps({"versions": [*versions, f"scikit-learn {sklearn.__version__}"], "causes": found}))


if __name__ == "__main__":
    main()
