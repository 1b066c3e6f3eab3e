"""How fast the library is compared with `model.fit`: python benchmarks/library.py [repeats]

Everything is measured in one run, in turns, the same work on both sides: validation in every epoch. Ratios, because seconds depend
on the machine. On a shared machine those by the clock are approximate; those of processor time, of all threads, hold better. The
library also measures the layers in every epoch; `model.fit` does not.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.pop("WHY_WONT_IT_LEARN_CACHE_READONLY", None)
sys.path.insert(0, str(Path(__file__).parent.parent))

import keras
import numpy as np
from keras import layers as L

from why_wont_it_learn import fit, fit_seeds
from why_wont_it_learn.engine import cache

rng = np.random.default_rng(0)


def dense():
    """3 × 16 tanh on 256 points, batch 32, 100 epochs, adam."""
    x = np.linspace(-1, 1, 256, dtype="float32")[:, None]
    x_val = np.linspace(-0.99, 0.99, 128, dtype="float32")[:, None]
    model = keras.Sequential([keras.Input((1,)), *[L.Dense(16, "tanh") for _ in range(3)], L.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model, (x, np.sin(6 * x)), {"epochs": 100, "validation_data": (x_val, np.sin(6 * x_val))}


def cnn():
    """A convolution and two dense layers on 1,000 images of 8 × 8, 5 epochs."""
    x, y = rng.normal(size=(1300, 8, 8, 1)).astype("float32"), rng.integers(0, 10, 1300)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            L.Conv2D(16, 3, activation="relu"),
            L.MaxPooling2D(),
            L.Flatten(),
            L.Dense(32, "relu"),
            L.Dense(10, "softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model, (x[:1000], y[:1000]), {"epochs": 5, "validation_data": (x[1000:], y[1000:])}


def lstm():
    """An LSTM of 16 units on 800 series of 20 steps, 5 epochs."""
    x = rng.normal(size=(1000, 20, 2)).astype("float32")
    y = x[:, :, :1].mean(1)
    model = keras.Sequential([keras.Input((20, 2)), L.LSTM(16), L.Dense(1)])
    model.compile("adam", "mse")
    return model, (x[:800], y[:800]), {"epochs": 5, "validation_data": (x[800:], y[800:])}


def seconds(function, *arguments, **options):
    """(seconds by the clock, seconds of processors)."""
    began = time.perf_counter(), time.process_time()
    function(*arguments, **options)
    return np.array([time.perf_counter() - began[0], time.process_time() - began[1]])


def best(timings):
    return np.min(timings, axis=0)


def report(name, ratio):
    print(f"{name:52s} {ratio[0]:10.2f} {ratio[1]:10.2f}", flush=True)


def wait_for_compilers():
    """Wait for the programs that XLA is compiling in the background; whether there are any."""
    programs = [graph.programs for graph in cache._graphs.values()]
    for thread in [thread for program in programs for thread in program.threads]:
        thread.join()
    return any(program.ready for program in programs)


def one(make, repeats):
    """`fit` first and warm, against a first and a warm `model.fit`; the seconds of a warm `model.fit` and `fit`."""
    name = make.__name__
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WHY_WONT_IT_LEARN_CACHE"] = folder
        model, data, options = make()
        first_keras = seconds(model.fit, *data, **options, verbose=0)
        fit(*make()[:1], *data, **options)  # fills the cache, and TensorFlow has started up
        firsts, loaded, keras_warm, warm = [], [], [], []
        for _ in range(repeats):
            keras_warm.append(seconds(model.fit, *data, **options, verbose=0))
            os.environ["WHY_WONT_IT_LEARN_CACHE"] = ""
            cache._graphs.clear()
            firsts.append(seconds(fit, *make()[:1], *data, **options))
            os.environ["WHY_WONT_IT_LEARN_CACHE"] = folder
            cache._graphs.clear()
            again = make()[0]
            loaded.append(seconds(fit, again, *data, **options))
            warm += [seconds(fit, again, *data, **options)]
    for _ in range(3):  # enough steps for XLA to come in, where it may
        fit(again, *data, **options)
    with_xla = wait_for_compilers()
    compiled = [seconds(fit, again, *data, **options) for _ in range(5)]
    kept = best(keras_warm)
    report(f"{name}: model.fit / fit, warm, graph mode", kept / best(warm))
    if with_xla:
        report(f"{name}: model.fit / fit, warm, XLA", kept / best(compiled))
    report(f"{name}: model.fit / fit, never seen", first_keras / best(firsts))
    report(f"{name}: model.fit / fit, graph on disk", first_keras / best(loaded))
    return kept, best(warm)


def many(make, seeds, kept, warm):
    """`fit_seeds` against one `model.fit`, and against as many `fit`s."""
    model, data, options = make()
    first = seconds(fit_seeds, model, *data, seeds=seeds, **options)
    later = best([seconds(fit_seeds, model, *data, seeds=seeds, **options) for _ in range(3)])
    name = make.__name__
    report(f"{name}: {seeds} seeds / one model.fit, later", later / kept)
    report(f"{name}: {seeds} seeds / one model.fit, first", first / kept)
    report(f"{name}: {seeds} times model.fit / {seeds} seeds, later", seeds * kept / later)
    report(f"{name}: {seeds} times fit / {seeds} seeds, later", seeds * warm / later)


def main(repeats=3):
    """Print the ratios; repeats: of each measurement."""
    print(f"{'':52s} {'clock':>10s} {'processor':>10s}")
    for make, seeds in ((dense, 100), (cnn, 10), (lstm, 10)):
        many(make, seeds, *one(make, repeats))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
