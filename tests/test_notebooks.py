"""The built notebooks agree with lessons/ and are fit to be read."""

import json
import re
import subprocess
import sys

import build
import nbformat
import pytest

BUILT = [(name, kind) for name in build.names() for kind in build.FOLDERS]


@pytest.mark.parametrize(("name", "kind"), BUILT)
def test_notebook_is_built_from_its_lesson(name, kind):
    built = nbformat.read(build.FOLDERS[kind] / f"{name}.ipynb", 4)
    lesson = build.notebook(name, kind)
    assert [(c.cell_type, c.source) for c in built.cells] == [(c.cell_type, c.source) for c in lesson.cells]


@pytest.mark.parametrize(("name", "kind"), BUILT)
def test_outputs_hold_no_noise(name, kind):
    text = (build.FOLDERS[kind] / f"{name}.ipynb").read_text()
    outputs = [o for cell in json.loads(text)["cells"] for o in cell.get("outputs", [])]
    assert outputs
    assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
    assert not re.search(r"oneDNN|WARNING|Traceback", text)
    assert not re.search(r"(?<![\w.])/(home|root|tmp|work|Users)/", text)
    assert len(text) < 1_500_000


@pytest.mark.parametrize(("name", "kind"), BUILT)
def test_no_cell_needs_a_name_that_only_the_other_notebook_has(name, kind):
    cells = [cell.source for cell in build.notebook(name, kind).cells if cell.cell_type == "code"]
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", "--output-format", "concise", "-"]
    done = subprocess.run(ruff, input="\n".join(cells), capture_output=True, encoding="utf-8", cwd=build.ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


LESSONS = build.names()[1:]  # 00 is the way in, not a lesson


def texts(name, kind):
    """What each output of a notebook says."""
    cells = nbformat.read(build.FOLDERS[kind] / f"{name}.ipynb", 4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return [output["data"]["text/plain"].strip("'\"") for output in outputs if "data" in output]


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_has_what_a_lesson_needs(name):
    said = texts(name, "solution")
    assert sum(text.startswith("✓") and text.endswith(" seeds)") for text in said) >= 8
    assert sum(text.startswith("Predict: ") for text in said) >= 3
    assert sum("The measurement says: " in text for text in said) >= 3
    done = re.search(r"Exercises: (\d+) of (\d+) passed", said[-1])
    assert done.group(1) == done.group(2)
    assert int(done.group(2)) >= 4
    open_ones = [text for text in texts(name, "exercise") if text.startswith("○")]
    assert len(open_ones) == int(done.group(2))


@pytest.mark.parametrize("name", LESSONS)
def test_cells_of_a_lesson_are_short(name):
    cells = [cell.source.splitlines() for cell in build.notebook(name, "solution").cells if cell.cell_type == "code"]
    assert max(map(len, cells)) <= 20


@pytest.mark.parametrize(("name", "kind"), BUILT)
def test_every_picture_says_itself(name, kind):
    for cell in nbformat.read(build.FOLDERS[kind] / f"{name}.ipynb", 4).cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                assert len(output["data"]["text/plain"]) > 40
                assert not output["data"]["text/plain"].startswith("<")
