"""`Experiment` → the plain Keras program that does the same, to be read, copied and run alone."""

import inspect
import re

from .catalog import TASKS, Call, printed
from .models import layer_calls, optimizer_call, order_seed, steps_per_epoch
from .problems import preparation, target_scaler_call
from .sources import draw_code

BATCHES = """\
def batches():
    \"\"\"The training points in a new order each epoch: what fit does by itself, here from a known seed.\"\"\"
    rng = np.random.default_rng({seed})
    while True:
        order = rng.permutation(len(x))
        for rows in {rows}:
            yield x[rows], y[rows]
"""


def to_keras(experiment):
    """A plain Keras program of an experiment, which gives the same result when it is run alone.

    It needs only keras, numpy and scikit-learn, and ends with `history = model.fit(...)`.
    """
    e = experiment
    task = TASKS[e.source.task]
    steps, target_scaler = preparation(e), target_scaler_call(e)
    pipeline = [Call("sklearn.pipeline.make_pipeline", tuple(steps))] if steps else []
    split = [Call("sklearn.model_selection.train_test_split")] if e.source.own and e.split == "shuffled" else []
    imports = _imports(
        [*pipeline, *split, *filter(None, [target_scaler])], pandas=e.source.own and e.source.own.uses_pandas
    )
    parts = [imports, "# The data", draw_code(e), *_prepared(e, *pipeline)]
    if target_scaler:
        parts.append(
            f"target_scaler = {target_scaler}.fit(y)\ny, y_val = target_scaler.transform(y), target_scaler.transform(y_val)"
        )
    layers = "".join(f"    {_wrapped(call, 4)},\n" for call in layer_calls(e))
    loss = re.sub(r"(?<!^)(?=[A-Z])", "_", task.loss.path.rpartition(".")[2]).lower()
    parts += [
        "# The network",
        f"model = keras.Sequential([\n{layers}])",
        f"optimizer = {_wrapped(optimizer_call(e), 0)}",
        f'model.compile(optimizer=optimizer, loss="{loss}")',
        "# The training",
        *_training(e),
    ]
    return re.sub("\n{4,}", "\n\n\n", "\n\n".join(part.strip("\n") for part in parts)) + "\n"


def _wrapped(call, indent):
    """A call as text; one that is longer than a line has each argument on a line of its own."""
    if len(str(call)) + indent < 120:
        return str(call)
    arguments = [*map(printed, call.args), *(f"{name}={printed(value)}" for name, value in call.kwargs.items())]
    lines = "".join(f"{' ' * (indent + 4)}{argument},\n" for argument in arguments)
    return f"{call.path}(\n{lines}{' ' * indent})"


def _imports(calls, pandas=False):
    """keras and numpy, pandas where the data need it, and what the calls need of scikit-learn."""
    paths = {inner.path.rpartition(".")[::2] for call in calls for inner in call.inside()}
    modules = sorted({module for module, _ in paths})
    names = {module: sorted(name for m, name in paths if m == module) for module in modules}
    return "\n".join(
        [
            "import keras",
            "import numpy as np",
            *["import pandas as pd"] * bool(pandas),
            *(f"from {m} import {', '.join(names[m])}" for m in modules),
        ]
    )


def _prepared(e, pipeline=None):
    """The lines that make the points ready for the network."""
    parts = [
        inspect.getsource(function) for step in (pipeline.args if pipeline else ()) for function in step.functions()
    ]
    if e.missing and e.imputation == "drop":
        parts.append("complete = ~np.isnan(x).any(axis=1)\nx, y = x[complete], y[complete]")
    if pipeline:
        parts.append(
            f"# Fitted on the training points only.\nprepare = {pipeline}.fit(x)\n"
            "x, x_val = prepare.transform(x), prepare.transform(x_val)"
        )
    return parts


def _training(e):
    """The lines that train."""
    fit, first = f"epochs={e.epochs}, validation_data=(x_val, y_val)", []
    if e.early_stopping:
        stop = Call(
            "keras.callbacks.EarlyStopping", kwargs={"patience": e.early_stopping, "restore_best_weights": True}
        )
        first = [f"stop = {stop}"]
        fit += ", callbacks=[stop]"
    steps = steps_per_epoch(e)
    if steps == 1:
        return [*first, f"history = model.fit(x, y, batch_size=len(x), shuffle=False, {fit})"]
    rows = f"(order[start : start + {e.batch_size}] for start in range(0, len(x), {e.batch_size}))"
    if e.missing and e.imputation == "drop":
        rows = f"np.array_split(order, {steps})"
    return [
        *first,
        BATCHES.format(seed=order_seed(e.seed), rows=rows),
        f"history = model.fit(batches(), steps_per_epoch={steps}, shuffle=False, {fit})",
    ]
