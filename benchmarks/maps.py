"""A map of 1,500 networks against `model.fit`, in one run."""

import time

from helpers import Experiment, success_map, train_seeds
from helpers.experiments.models import build_model
from helpers.experiments.problems import make_problem

XOR = Experiment(problem="xor", depth=1, batch_size=None, learning_rate=0.05, epochs=500)
WIDTHS = ("width", [2, 3, 4, 8, 16])
ACTIVATIONS = ("activation", ["sigmoid", "tanh", "relu", "elu", "gelu", "swish"])
RATES = ("learning_rate", [0.003, 0.01, 0.03, 0.1, 0.3, 1.0])


def timed(work):
    """Seconds on the clock and on the processors."""
    clock, processors = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processors


def fit():
    """One `model.fit` of one network of the map."""
    problem = make_problem(XOR)
    model = build_model(XOR)
    model.fit(problem.x, problem.y, batch_size=4, epochs=500, validation_data=(problem.x_val, problem.y_val), verbose=0)


def main():
    """Measure and print."""
    train_seeds(XOR.replace(epochs=1), 2)  # TensorFlow's own first call is nobody's
    rows = [("one `model.fit`, 500 epochs of one batch", timed(fit), 1)]
    for columns in (ACTIVATIONS, RATES):
        m = success_map(XOR, WIDTHS, columns, seeds=50)
        rows.append((f"{WIDTHS[0]} × {columns[0]}, 5 × 6 × 50 networks", timed(m.compute), 1500))
    one = rows[0][1][0]
    print("| what | seconds | processor seconds | networks × one `model.fit` against it |\n|---|---|---|---|")
    for name, (clock, processors), networks in rows:
        print(f"| {name} | {clock:.1f} | {processors:.1f} | {networks * one / clock:,.0f} times as fast |")
