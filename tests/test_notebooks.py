"""The built notebooks agree with lessons/ and are fit to be read."""

import json
import re
import sys

import nbformat
import pytest
from browser import ROOT

sys.path.insert(0, str(ROOT / "lessons"))
import build

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
    assert not [o for o in outputs if o["output_type"] in ("error", "stream")]
    assert not re.search(r"oneDNN|WARNING|Traceback", text)
    assert not re.search(r"(?<![\w.])/(home|root|tmp|work|Users)/", text)
    assert len(text) < 1_500_000


def test_lesson_has_its_claims():
    text = (build.FOLDERS["solution"] / "01_capacity.ipynb").read_text()
    outputs = [o for cell in json.loads(text)["cells"] for o in cell.get("outputs", [])]
    claims = [o for o in outputs if "".join(o.get("data", {}).get("text/plain", "")).lstrip("'\"").startswith("✓")]
    assert len(claims) >= 6
