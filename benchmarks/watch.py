"""What `Watch` adds to the time of `model.fit`: python benchmarks/watch.py [repeats]

An ordinary small network, 300 steps an epoch, 20 epochs. With and without in turns, in one run; processor time of all threads as
well as the clock's, because a shared machine disturbs the clock.
"""

import contextlib
import io
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
sys.path.insert(0, str(Path(__file__).parent.parent))

import keras
import numpy as np

from why_wont_it_learn import Watch

STEPS, EPOCHS, BATCH = 300, 20, 32
rng = np.random.default_rng(0)
X = rng.normal(size=(STEPS * BATCH, 10)).astype("float32")
Y = np.sin(X[:, :1]) + 0.5 * X[:, 1:2] * X[:, 2:3]


def trained(callbacks):
    """Seconds of a `fit`: (by the clock, of the processor)."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((10,)), *[keras.layers.Dense(32, "relu") for _ in range(3)], keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.001), "mse")
    began = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        model.fit(X, Y, epochs=EPOCHS, batch_size=BATCH, verbose=0, callbacks=callbacks())
    return time.perf_counter() - began[0], time.process_time() - began[1]


def main(repeats=3):
    """Print the ratio of both times, with Watch and without."""
    trained(list)  # what TensorFlow does once
    rows = []
    for turn in range(repeats):
        kinds = (list, lambda: [Watch(X, Y)])
        pair = {kind: trained(kinds[kind]) for kind in ((0, 1) if turn % 2 else (1, 0))}
        rows.append([with_watch / alone for alone, with_watch in zip(pair[0], pair[1], strict=True)])
    clock, processor = np.median(rows, axis=0)
    print(
        f"fit with Watch, {STEPS} steps x {EPOCHS} epochs: {clock:.3f} of the time of fit alone ({processor:.3f} by processor)"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
