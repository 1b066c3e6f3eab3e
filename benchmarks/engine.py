"""The engine against `model.fit`, in one run."""

import statistics
import time

from library import wait_for_compilers

from helpers import Experiment, train, train_seeds
from helpers.experiments.models import build_model
from helpers.experiments.problems import make_problem

EXPERIMENT = Experiment(problem="sine", samples=256, depth=3, width=16, activation="tanh", epochs=100, batch_size=32)


def seconds(function, times):
    """The median time of some calls; each call gets its number."""
    taken = []
    for number in range(times):
        began = time.perf_counter()
        function(number)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def fit(number):
    """One `model.fit` of the same network on the same points."""
    problem = make_problem(EXPERIMENT)
    model = build_model(EXPERIMENT)
    model.fit(
        problem.x, problem.y, batch_size=32, epochs=100, validation_data=(problem.x_val, problem.y_val), verbose=0
    )


def main():
    """Measure and print."""
    train(EXPERIMENT.replace(depth=1, epochs=1))  # TensorFlow's own first call is nobody's
    one_fit = seconds(fit, 3)
    activations = ("tanh", "relu", "elu", "selu", "sigmoid")
    first = seconds(lambda n: train(EXPERIMENT.replace(activation=activations[n])), len(activations))
    for seed in range(1, 5):  # enough steps for XLA to come in
        train(EXPERIMENT.replace(seed=seed))
    wait_for_compilers()
    warm = seconds(lambda n: train(EXPERIMENT.replace(seed=n)), 20)
    seeds_first = seconds(lambda n: train_seeds(EXPERIMENT, 100), 1)
    seeds_warm = seconds(lambda n: train_seeds(EXPERIMENT, 100), 3)
    print("| what | seconds | against one `model.fit` |\n|---|---|---|")
    print(f"| `model.fit`, 100 epochs of 8 batches | {one_fit:.2f} | 1 |")
    print(f"| `train`, first call of a network | {first:.3f} | {one_fit / first:.0f} times as fast |")
    print(f"| `train`, once XLA has compiled it | {warm:.4f} | {one_fit / warm:.0f} times as fast |")
    print(f"| `train_seeds(…, 100)`, first call | {seeds_first:.2f} | {seeds_first / one_fit:.2f} of its time |")
    print(f"| `train_seeds(…, 100)`, later | {seeds_warm:.2f} | {seeds_warm / one_fit:.2f} of its time |")
