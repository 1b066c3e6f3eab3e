"""`Experiment` → the plain Keras program that does the same, to be read, copied and run alone."""

import re

from .catalog import SCALINGS, TASKS
from .models import layer_calls, optimizer_call, order_seed
from .problems import PROBLEMS, draw_code

BATCHES = """\
def batches():
    \"\"\"The training points in a new order each epoch: what fit does by itself, here from a known seed.\"\"\"
    rng = np.random.default_rng({seed})
    while True:
        order = rng.permutation(len(x))
        for start in range(0, len(x), {batch}):
            rows = order[start : start + {batch}]
            yield x[rows], y[rows]
"""


def program(experiment):
    """A Python program that needs only keras, numpy and scikit-learn, and ends with `history = model.fit(...)`."""
    e = experiment
    source = PROBLEMS[e.problem]
    scaler = SCALINGS[e.scaling].call
    imports = ["import keras", "import numpy as np"]
    if scaler:
        imports.append(f"from sklearn.preprocessing import {scaler.path.rpartition('.')[2]}")
    parts = ["\n".join(imports), "# The data", draw_code(source, e.problem, e.samples, e.noise, e.seed)]
    if scaler:
        parts.append(f"scaler = {scaler}.fit(x)  # from the training points only\n"
                     "x, x_val = scaler.transform(x), scaler.transform(x_val)")  # fmt: skip
    layers = "".join(f"    {call},\n" for call in layer_calls(e))
    loss = re.sub(r"(?<!^)(?=[A-Z])", "_", TASKS[source.task].loss.path.rpartition(".")[2]).lower()
    parts += [
        "# The network",
        f"model = keras.Sequential([\n{layers}])",
        f'model.compile(optimizer={optimizer_call(e)}, loss="{loss}")',
        "# The training",
    ]
    validation = f"epochs={e.epochs}, validation_data=(x_val, y_val)"
    batch = min(e.batch_size or e.samples, e.samples)
    if batch == e.samples:
        parts.append(f"history = model.fit(x, y, batch_size=len(x), shuffle=False, {validation})")
    else:
        parts.append(BATCHES.format(seed=order_seed(e), batch=batch))
        steps = -(-e.samples // batch)
        parts.append(f"history = model.fit(batches(), steps_per_epoch={steps}, shuffle=False, {validation})")
    return re.sub("\n{4,}", "\n\n\n", "\n\n".join(part.strip("\n") for part in parts)) + "\n"
