"""The built notebooks agree with lessons/ and are fit to be read."""

import ast
import base64
import inspect
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
    assert [c.metadata for c in built.cells] == [c.metadata for c in lesson.cells]


@pytest.mark.parametrize("name", build.names())
def test_lines_of_code_are_not_cut_by_the_page(name):
    cells = [cell for cell in build.notebook(name, "both").cells if cell.cell_type == "code"]
    lesson = [cell.source for cell in cells if "colab" not in cell.metadata.get("tags", [])]
    assert [line for source in lesson for line in source.splitlines() if len(line) > 88] == []


@pytest.mark.parametrize("name", build.names())
def test_no_output_answers_a_prediction_of_a_notebook_to_be_filled_in(name):
    given, solution = (nbformat.read(folder / f"{name}.ipynb", 4) for folder in build.FOLDERS.values())
    first = next((n for n, cell in enumerate(given.cells) if "predict" in called(cell)), len(given.cells))
    outputs = [output for cell in given.cells[first:] for output in cell.get("outputs", [])]
    asked = [output.metadata.prediction for output in outputs if "prediction" in output.get("metadata", {})]
    assert len(asked) == sum("predict" in called(cell) for cell in given.cells)
    assert not [one for one in asked if "measured" in one]
    text = json.dumps(outputs, ensure_ascii=False)
    assert "The measurement says" not in text
    assert "Likely cause" not in text
    assert not [sentence for sentence in build.claims(solution) if sentence in text]


def called(cell):
    return build.calls(cell.source) if cell.cell_type == "code" else set()


@pytest.mark.parametrize(
    ("source", "folded"),
    [
        ('rate = study.success_rate\nclaim("{rate}", rate > 0.9, over=study, rate=rate)', True),
        ('reveal("line", {"yes": gain > 0, "no": gain <= 0})', True),
        ("from helpers.lessons.teaching import claim, reveal", False),
        ('study = train_seeds(wave, 50)\nclaim("{rate}", True, over=study, rate=study.success_rate)', False),
        ('reveal("line", {"yes": True, "no": False})\nskills({"a": study}, title="A")', False),
        ('model.fit(x, y)\nclaim("{n}", True, over=study, n=1)', False),
        ('def half(x):\n    return x / 2\n\nclaim("{n}", True, over=study, n=half(1))', False),
    ],
)
def test_cells_that_only_check_are_folded(source, folded):
    assert build.only_checks(source) == folded


def test_what_answers_is_cleared_from_the_first_prediction_on():
    kept = ["model.predict(x)", 'claim("{n}", True, over=study, n=1)', 'predict("a", "?", ["b", "c"])', "Lab(wave)"]
    cleared = ["print(1)", 'Lab(wave)\nskills({"a": study}, title="A")', 'reveal("a", {"b": True, "c": False})']
    output = nbformat.v4.new_output("display_data", {"text/plain": "an answer"})
    cells = [nbformat.v4.new_code_cell(source, outputs=[output]) for source in kept + cleared]
    book = build.without_answers(nbformat.v4.new_notebook(cells=cells))
    assert [cell.source for cell in book.cells if cell.outputs] == kept


def test_a_lab_below_a_prediction_names_no_cause_in_a_notebook_to_be_filled_in():
    def cell(source, text):
        return nbformat.v4.new_code_cell(source, outputs=[nbformat.v4.new_output("display_data", {"text/plain": text})])

    asked, said = 'predict("a", "?", ["b", "c"])', "Skill 0.1. Likely cause: Too few units."
    cells = [cell("Lab(line)", said), cell(asked, "Predict: ?"), cell("Lab(wave)", said)]
    book = build.without_answers(nbformat.v4.new_notebook(cells=cells))
    assert [cell.outputs[0].data["text/plain"] for cell in book.cells] == [said, "Predict: ?", "Skill 0.1."]


def test_the_guide_quotes_what_was_measured_last():
    guide = "Ask.\n\n> At `0.1` 94% learn.\n\n> No such claim, 3.\n"
    told = build.quoted_anew(guide, ["At `0.2` 50% learn.", "At `0.1` 96.5% learn."])
    assert told == guide.replace("94%", "96.5%")


@pytest.mark.parametrize(("name", "kind"), BUILT)
def test_notebook_opens_in_colab_and_fetches_the_project_only_there(name, kind, tmp_path):
    badge, fetch = nbformat.read(build.FOLDERS[kind] / f"{name}.ipynb", 4).cells[:2]
    path = (build.FOLDERS[kind] / f"{name}.ipynb").relative_to(build.ROOT).as_posix()
    assert badge.source.endswith(f"/blob/main/{path})")
    picture = re.search(r"data:image/png;base64,([\w+/=]+)", badge.source)[1]
    assert base64.b64decode(picture) == (build.ROOT / "docs/colab.png").read_bytes()
    assert fetch.metadata.jupyter.source_hidden
    done = subprocess.run(
        [sys.executable, "-c", fetch.source], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True
    )
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == ("", "", [])


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


@pytest.mark.parametrize("name", build.names())
def test_whatever_a_lesson_calls_exists_and_takes_what_it_is_given(name):
    cells = [cell.source for cell in build.notebook(name, "both").cells if cell.cell_type == "code"]
    names, calls = {}, []
    for node in (node for source in cells for node in ast.walk(ast.parse(source))):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] in ("helpers", "why_wont_it_learn"):
            exec(compile(ast.Module([node], []), name, "exec"), names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            calls.append(node)
    calls = [call for call in calls if call.func.id in names]
    assert calls
    for call in calls:
        given = [one for one in call.args if not isinstance(one, ast.Starred)]
        options = {one.arg: one.value for one in call.keywords if one.arg}
        signature = inspect.signature(names[call.func.id])
        whole = len(given) + len(options) == len(call.args) + len(call.keywords)  # nothing with a star
        (signature.bind if whole else signature.bind_partial)(*given, **options)


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
    given = nbformat.read(build.FOLDERS["exercise"] / f"{name}.ipynb", 4).cells
    assert sum("check" in called(cell) for cell in given) == int(done.group(2))


@pytest.mark.parametrize("name", LESSONS)
def test_cells_of_a_lesson_are_short(name):
    cells = [cell.source.splitlines() for cell in build.notebook(name, "solution").cells if cell.cell_type == "code"]
    assert max(map(len, cells)) <= 35  # lines of 88 characters: a screen that is 720 pixels high shows them all


@pytest.mark.parametrize(("name", "kind"), BUILT)
def test_every_picture_says_itself(name, kind):
    for cell in nbformat.read(build.FOLDERS[kind] / f"{name}.ipynb", 4).cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                assert len(output["data"]["text/plain"]) > 40
                assert not output["data"]["text/plain"].startswith("<")
