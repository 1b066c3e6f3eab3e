"""The printed Keras program, run alone, gives the result that the engine gives.

Starting TensorFlow takes seconds, so the programs run one after the other in one fresh process, which knows nothing of
helpers; one more runs as the file that a reader would save.
"""

import ast
import builtins
import json
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from browser import HANG
from covering import covering, fitting
from rounding import assert_equal_but_for_rounding, limits, stops_clearly, trained

from helpers import Experiment, to_keras
from helpers.experiments.experiment import FIELDS

pytestmark = pytest.mark.numerical

DRIVER = """\
import contextlib, io, json, sys, traceback

histories = []
for program in json.load(sys.stdin):
    names = {"__name__": "__main__"}
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(program, "program", "exec"), names)
        histories.append(names["history"].history)
    except Exception:
        histories.append(traceback.format_exc())
print("helpers" in sys.modules, file=sys.stderr)
print(json.dumps(histories))
"""

# The values that are tried. A field that is not here is tried at the stops of its slider.
TRIED = {
    "samples": (13, 24, 2, 30),
    "noise": (None, 0.0, 0.5),
    "input_scale": (1.0, 1.0, 0.5),
    "input_offset": (0.0, 0.0, 2.0),
    "outliers": (0, 0, 0, 2),
    "missing": (0.0, 0.1, 0.0, 0.2),
    "bias_initializer": (0.0, 0.0, -0.5),
    "early_stopping": (0, 0, 1, 2),
    "seed": (0, 1, 999_999),
    "depth": (2, 1, 3, 0),
    "width": (8, 3, 1),
    "learning_rate": (0.01, 0.001, 0.03),
    "momentum": (0.9, 0.0, 0.5),
    "epochs": (3, 4, 1),
    "batch_size": (7, None, 1, 5000, 8),
    "l1": (0.0, 0.01, 0.0, 0.003),
    "l2": (0.0, 0.0, 0.02, 0.001),
    "dropout": (0.0, 0.3, 0.0, 0.1),
    "weight_decay": (0.004, 0.0, 0.1),
}


def tried(name):
    spec = FIELDS[name]
    return TRIED.get(name) or tuple(spec.choices or spec.slider_values)


def selection():
    """Experiments in which every value that is tried stands at least once."""
    rows = covering({name: tried(name) for name in FIELDS}, at_least=18)
    return [Experiment(**fitting(row)) for row in rows]


SELECTION = selection()
PLAIN = Experiment(depth=1, width=8, samples=25, batch_size=7, epochs=4)
SPECIAL = {
    "everything left as it is": Experiment(epochs=3),
    "no hidden layer": PLAIN.replace(depth=0, dropout=0.5, l2=0.01),
    "all points at once": PLAIN.replace(batch_size=None),
    "momentum that keeps no speed": PLAIN.replace(width=7, optimizer="momentum", momentum=0.0),
    "single points": PLAIN.replace(batch_size=1),
    "a batch larger than the data": PLAIN.replace(batch_size=26),
    "a batch as large as the data": PLAIN.replace(batch_size=25),
    "batches without a rest": PLAIN.replace(batch_size=5),
    "dropout in every layer": PLAIN.replace(depth=3, dropout=0.4, activation="relu"),
    "two points": PLAIN.replace(samples=2, batch_size=1),
    "a tiny rate and a tiny penalty": PLAIN.replace(learning_rate=1e-8, l1=1e-5, l2=1e-5),
    "penguins, scaled": PLAIN.replace(problem="penguins", scaling="standard", imputation="median"),
    "shares, scaled": PLAIN.replace(problem="stock_return", scaling="standard", target_scaling="standard"),
    "one input for each letter": PLAIN.replace(problem="category", features="one_hot"),
    "points dropped": PLAIN.replace(problem="product", samples=60, missing=0.2),
    "the largest are missing, and said so": PLAIN.replace(
        problem="product", missing=0.2, missing_kind="largest", imputation="indicator", scaling="standard"
    ),
    "stops early": PLAIN.replace(learning_rate=0.3, epochs=30, early_stopping=2),
    "warmup": PLAIN.replace(schedule="warmup", optimizer="nesterov"),
    "ratio": PLAIN.replace(problem="ratio", features="ratio", scaling="standard"),
    "logarithm": PLAIN.replace(problem="decades", features="log"),
    "polar": PLAIN.replace(problem="circle", features="polar"),
    "codes": PLAIN.replace(problem="category"),
    "clock": PLAIN.replace(problem="hour", features="clock"),
    "diverged": PLAIN.replace(problem="line", optimizer="sgd", learning_rate=1000.0, depth=0, epochs=20),
}
ALL = {**{f"{i}: {e.problem} {e.optimizer} {e.activation}": e for i, e in enumerate(SELECTION)}, **SPECIAL}


# Run alone in every run of the tests: half of the selection, and what the lines of the training depend on. The rest at night.
RUN = [*list(ALL)[: len(SELECTION) : 2], "a batch larger than the data", "points dropped", "stops early", "diverged"]


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Name -> what the program left in `history`, run in a process of its own, away from this project."""
    found = {}

    def history(name):
        if name not in found:
            names = RUN if name in RUN else [name for name in ALL if name not in RUN]
            process = subprocess.run(
                [sys.executable, "-I", "-c", DRIVER],
                input=json.dumps([to_keras(ALL[name]) for name in names]),
                capture_output=True,
                text=True,
                encoding="utf-8",
                cwd=tmp_path_factory.mktemp("alone"),
                timeout=HANG,
            )
            assert process.returncode == 0, process.stderr
            assert process.stderr.strip().endswith("False"), "helpers was imported"
            found.update(zip(names, json.loads(process.stdout), strict=True))
        assert isinstance(found[name], dict), found[name]  # else it is a traceback
        return SimpleNamespace(**{kind: np.array(losses) for kind, losses in found[name].items()})

    return history


# --- the result ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in RUN else [pytest.mark.nightly]) for name in ALL]
)
def test_the_program_run_alone_gives_the_losses_of_the_engine(name, history):
    run, allowed = trained(ALL[name]), limits(trained, ALL[name])
    losses, epochs = history(name), len(run.loss)
    if not stops_clearly(run.val_loss, allowed):  # rounding may decide which of two epochs is the better one
        epochs = min(epochs, len(losses.loss))
        run = SimpleNamespace(loss=run.loss[:epochs], val_loss=run.val_loss[:epochs])
        losses = SimpleNamespace(loss=losses.loss[:epochs], val_loss=losses.val_loss[:epochs])
        allowed = {name: allowed[name][:epochs] for name in ("loss", "val_loss")}
    assert len(losses.loss) == len(losses.val_loss) == epochs
    assert_equal_but_for_rounding(losses, run, allowed)
    assert (np.isfinite(losses.loss[-1]) & np.isfinite(losses.val_loss[-1])) == (name != "diverged")


def test_the_program_that_stops_early_does_so_where_nothing_hangs_on_rounding():
    experiment = ALL["stops early"]
    run = trained(experiment)
    assert stops_clearly(run.val_loss, limits(trained, experiment))
    assert len(run.loss) < experiment.epochs


def test_every_value_is_tried():
    for name in FIELDS:
        values = {getattr(experiment, name) for experiment in ALL.values()}
        assert len(values) >= len(set(tried(name)) - {None}), name
        if FIELDS[name].choices:
            assert values == set(FIELDS[name].choices)


def test_the_saved_file_prints_the_losses_of_the_engine(tmp_path):
    experiment = PLAIN.replace(problem="auto_mpg", scaling="standard", dropout=0.1, l2=0.01, samples=60)
    path = tmp_path / "program.py"
    path.write_text(to_keras(experiment), encoding="utf-8")
    process = subprocess.run(
        [sys.executable, "-I", path.name], capture_output=True, text=True, encoding="utf-8", cwd=tmp_path, timeout=HANG
    )
    assert process.returncode == 0, process.stderr
    printed = re.findall(r"\bloss: (\S+) - val_loss: (\S+)", process.stdout)[-1]
    run, allowed = trained(experiment), limits(trained, experiment)
    for number, name in zip(printed, ("loss", "val_loss"), strict=True):
        loss = getattr(run, name)[-1]
        assert abs(float(number) - loss) <= allowed[name][-1] * loss + 10.0 ** -len(number.partition(".")[2])


# --- the text --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trees():
    return {name: ast.parse(to_keras(experiment)) for name, experiment in ALL.items()}


def test_it_imports_keras_numpy_and_scikit_learn_and_uses_what_it_imports(trees):
    for name, tree in trees.items():
        imported = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                imported |= {alias.asname or alias.name: alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, name
                imported |= {alias.asname or alias.name: node.module for alias in node.names}
        assert {module.split(".")[0] for module in imported.values()} <= {"keras", "numpy", "sklearn"}, name
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        assert set(imported) <= used, name


def test_it_names_nothing_that_is_not_there(trees):
    for name, tree in trees.items():
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        known = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                known.add(node.name)
            elif isinstance(node, ast.arg):
                known.add(node.arg)
            elif isinstance(node, ast.alias):
                known.add(node.asname or node.name)
        loaded = {node.id for node in names if isinstance(node.ctx, ast.Load)}
        assert loaded <= known | set(dir(builtins)), name
        assert not loaded & {"open", "exec", "eval", "compile", "input", "__import__"}, name


def test_it_ends_with_history_and_fit(trees):
    for name, tree in trees.items():
        last = tree.body[-1]
        assert isinstance(last, ast.Assign), name
        assert ast.unparse(last.targets[0]) == "history", name
        assert ast.unparse(last.value).startswith("model.fit("), name
        assert [ast.unparse(node).count("model.fit") for node in tree.body].count(1) == 1, name


def test_it_can_be_read():
    for name, experiment in ALL.items():
        lines = to_keras(experiment).splitlines()
        assert max(map(len, lines)) <= 160, name
        assert not any(line != line.rstrip() for line in lines), name
        assert to_keras(experiment) == to_keras(Experiment.from_json(experiment.to_json())), name
