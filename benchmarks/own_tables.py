"""The largest table that `table` takes against a built-in problem: the first picture, and that of the next move."""

import time

import numpy as np
import pandas as pd

from helpers import Experiment, table
from helpers.experiments import problems
from helpers.experiments.sources import DATA
from helpers.experiments.training import stream
from helpers.lab import plots

ROWS, COLUMNS = 10_000, 50
SCALED = {"scaling": "standard", "target_scaling": "standard"}


def largest():
    """10,000 rows, 49 columns of numbers and one of categories."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, COLUMNS))
    frame = pd.DataFrame(x, columns=[f"x{number}" for number in range(COLUMNS)])
    frame["x0"] = rng.choice(list("abcdef"), ROWS)
    return frame.assign(y=np.sin(2 * x[:, 1]) + x[:, 2] * x[:, 3])


def first_picture(experiment):
    """Seconds on the clock and on the processor until the first frame with an epoch in it is drawn."""
    clock, processor = time.perf_counter(), time.process_time()
    run = next(
        run for run in stream(experiment, x_show=plots.shown_inputs(experiment), within_epochs=True) if len(run.loss)
    )
    plots.Renderer().frame(plots.Scene(run=run), final=False)
    return time.perf_counter() - clock, time.process_time() - processor


def main():
    """Measure and print."""
    first_picture(Experiment(epochs=1))  # TensorFlow's own first call is nobody's
    clock, processor = time.perf_counter(), time.process_time()
    made = table(largest(), target="y")
    rows = [(f"`table`, {ROWS:,} × {COLUMNS}", (time.perf_counter() - clock, time.process_time() - processor))]
    cars = table(DATA / "auto_mpg.csv", target="mpg", columns=["weight", "year", "horsepower", "origin"])
    for name, problem in (("`sine`", "sine"), ("auto_mpg.csv", cars), (f"{ROWS:,} × {COLUMNS}", made)):
        problems._problem.cache_clear()
        experiment = Experiment(problem=problem, width=17, **SCALED)
        rows.append((f"{name}: first picture, a network never seen", first_picture(experiment)))
        rows.append(
            (f"{name}: picture after a move, the same network", first_picture(experiment.replace(learning_rate=0.02)))
        )
    print("| what | seconds | processor seconds |\n|---|---|---|")
    for name, (clock, processor) in rows:
        print(f"| {name} | {clock:.2f} | {processor:.2f} |")
