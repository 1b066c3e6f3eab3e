"""`python -m why_wont_it_learn train.py`: the script runs as it would alone, and what did not learn is diagnosed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

PROGRAM = """
import sys
from pathlib import Path

import keras
import numpy as np
import neighbour

rng = np.random.default_rng(0)
x = rng.normal(size=(200, 3)).astype("float32")
y = (x[:, 0] * x[:, 1] > 0).astype("int64")

def loss(y_true, y_pred):
    return keras.losses.binary_crossentropy(y_true, y_pred) * FACTOR

FACTOR = 1.0
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(16, "tanh"), keras.layers.Dense(1, OUTPUT)])
model.compile(optimizer=keras.optimizers.Adam(0.02), loss=loss if "own" in sys.argv else "binary_crossentropy")
if __name__ == "__main__":
    print("arguments", sys.argv, Path(__file__).name, neighbour.NUMBER, Path("here.txt").read_text())
    model.fit(x, y, EPOCHS, verbose=0) if "positional" in sys.argv else model.fit(x, y, epochs=EPOCHS, verbose=0)
    END
"""
FIT = "model.fit(x, y, epochs=EPOCHS, verbose=0)"


@pytest.fixture
def run(tmp_path):
    """Runs a program with or without the command: run(output, end, *arguments, command=True) -> CompletedProcess."""
    (tmp_path / "here.txt").write_text("found")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/neighbour.py").write_text("NUMBER = 41 + 1")

    def run(output="softmax", end="pass", *arguments, command=(), epochs=3, alone=False):
        text = PROGRAM.replace("OUTPUT", repr(output)).replace("END", end).replace("EPOCHS", str(epochs))
        (tmp_path / "scripts/train.py").write_text(text)
        ours = [] if alone else ["-m", "why_wont_it_learn", *command]
        return subprocess.run(
            [sys.executable, *ours, "scripts/train.py", *arguments], cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"},
        )  # fmt: skip

    return run


def test_the_training_that_did_not_learn_is_diagnosed(run, tmp_path):
    done = run("softmax", "pass", command=["--budget", "20", "--report", "report.html"])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "arguments ['scripts/train.py'] train.py 42 found"
    assert "Watch: Before the first step: Softmax over a single unit" in done.stdout
    assert "Diagnosis of model 1" in done.stdout
    assert "output_activation_mismatch" in done.stdout or "softmax" in done.stdout.split("Diagnosis")[1].lower()
    assert "<html" in (tmp_path / "report.html").read_text().lower()


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("raise KeyError('mine')", 1),
        *(
            pytest.param(*one, marks=pytest.mark.nightly)
            for one in (("sys.exit(7)", 7), ("sys.exit()", 0), ("sys.exit('x')", 1))
        ),
    ],
)
def test_it_ends_as_the_program_ends_alone(run, end, code):
    alone, ours = run("sigmoid", end, alone=True), run("sigmoid", end, command=["--budget", "0"])
    assert alone.returncode == ours.returncode == code
    errors = [[line for line in one.stderr.splitlines() if "Warning" not in line] for one in (alone, ours)]
    assert errors[0] == errors[1], "the traceback is the program's own"
    assert ours.stdout.startswith(alone.stdout)


def test_arguments_are_the_programs_own(run):
    done = run("sigmoid", "pass", "--budget", "own", "positional", command=["--budget", "0"])
    assert done.stdout.startswith("arguments ['scripts/train.py', '--budget', 'own', 'positional'] train.py")


def test_datasets_are_taken_as_fit_takes_them(run):
    end = """import tensorflow as tf; data = tf.data.Dataset.from_tensor_slices((x, y)).batch(32)
    callbacks = keras.callbacks.CallbackList([], model=model)
    model.fit(data, validation_data=data, epochs=2, verbose=0, callbacks=callbacks)"""
    done = run("sigmoid", end, command=["--budget", "2"])
    assert done.returncode == 0, done.stderr
    assert "Diagnosis of model 1" in done.stdout


def test_what_learned_is_not_diagnosed(run):
    done = run("sigmoid", "sys.exit(7)", "own", epochs=200)
    assert done.returncode == 7, done.stderr
    assert "1 model watched; the skill at the end is at least 0.95." in done.stdout


def test_a_model_that_is_fitted_again_goes_on(run):
    """As programs do that call fit for one epoch at a time; the loss of the program's own is still there at its end."""
    done = run("sigmoid", "for _ in range(4): model.fit(x, y, epochs=3, verbose=0)", "own", command=["--budget", "3"])
    assert "1 model watched. Diagnosis of model 1" in done.stdout
    assert done.returncode == 0, done.stderr
    assert "NoneType" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.py"], "there is no file 'missing.py'"),
        (["--budget", "soon", "train.py"], "'soon' is not a number of seconds"),
        (["--budget", "nan", "train.py"], "'nan' is not a number of seconds"),
        (["--report", "no/such/report.html", __file__], "there is no folder"),
        ([], "the following arguments are required: script\n"),
    ],
)
def test_a_wrong_call_says_what_is_right(arguments, words, capsys):
    from why_wont_it_learn.__main__ import main

    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
