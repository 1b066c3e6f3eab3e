"""A class pools its discoveries: what is counted, and what a line must not be able to do."""

import json
import types

import build
import nbformat
import numpy as np
import pytest

from helpers import Experiment, success_map, train
from helpers.lab.discoveries import merge_discoveries

pytestmark = pytest.mark.numerical

XOR = Experiment(
    problem="xor",
    scaling="standard",
    depth=1,
    width=8,
    activation="tanh",
    optimizer="adam",
    epochs=60,
    learning_rate=0.03,
)
ROWS = ("width", [2, 8, 16])
COLUMNS = ("activation", ["tanh", "relu"])
LAB = types.SimpleNamespace(show=print, run=None)


def share(*experiments, experiment=XOR, rows=ROWS, columns=COLUMNS):
    """The line of a learner who found these. They are put there by hand, as a hostile or a lucky learner would."""
    found = success_map(experiment, rows, columns, lab=LAB, discoveries=True)
    found.discoveries += experiments
    return found.share()


def test_learners_are_counted_once_for_each_cell():
    ada = share(XOR, XOR.replace(epochs=61), XOR.replace(width=16))
    bob = share(XOR.replace(width=9), XOR.replace(activation="relu"))
    pooled = merge_discoveries(f"ada {ada}\n\n  bob: {bob}\n{share()}")
    assert list(pooled.learners) == ["ada", "bob", "line 4"]
    np.testing.assert_array_equal(pooled.count, [[0, 0], [2, 1], [1, 0]])
    assert pooled.refused == []
    assert pooled.text == (
        "3 learners found 3 of 6 cells. Found by most: width 8, tanh (2). "
        "Found by nobody: width 2, tanh; width 2, relu; width 16, relu."
    )
    assert pooled.figure().axes[0].get_title(loc="left") == "3 learners found 3 of 6 cells"
    data, _ = pooled._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert data["text/plain"] == pooled.text


def test_a_learner_with_two_lines_is_one_learner():
    pooled = merge_discoveries([f"ada {share(XOR)}", f"ada {share(XOR, XOR.replace(width=2))}"])
    assert list(pooled.learners) == ["ada"]
    np.testing.assert_array_equal(pooled.count, [[1, 0], [1, 0], [0, 0]])


def test_a_registered_find_goes_the_whole_way_and_is_checked():
    found = success_map(XOR, ROWS, COLUMNS, lab=LAB, discoveries=True)
    assert found.register(train(XOR.replace(width=16))).startswith("Registered at width 16, tanh")
    assert "did not learn" in found.register(train(XOR.replace(epochs=1)))
    assert merge_discoveries(found.share()).check() == []


def test_check_finds_what_did_not_learn():
    (sentence,) = merge_discoveries(f"eve {share(XOR.replace(epochs=1))}").check()
    assert sentence.startswith("eve: width 8, tanh did not learn here: ")


def test_another_map_and_a_find_outside_are_told():
    other = share(XOR, rows=("depth", [1, 2]))
    far = share(XOR.replace(width=40))
    pooled = merge_discoveries([share(XOR), other, far, share(XOR)])
    assert pooled.refused == [
        "Line 2: it belongs to another map, depth × activation on xor; this one is width × activation on xor.",
        "Line 3: one of its discoveries is left out. The width is 40, and the map goes from 2 to 16.",
    ]
    assert pooled.count.sum() == 2
    assert pooled.text.endswith(pooled.refused[1])


def changed(**what):
    return json.dumps({**json.loads(share(XOR)), **what})


def changed_map(**what):
    return changed(map={**json.loads(share(XOR))["map"], **what})


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("nonsense", "has no discoveries. Copy all of what Share shows"),
        ("__import__('os').system('true')", "has no discoveries"),
        (share(XOR)[:-20], "These are not shared discoveries"),
        ("<img src=x onerror=alert(1)>" + share(XOR), "the name '<img src=x onerror=alert(1)>' has something other"),
        ("x" * 300_001, "it has 300,001 characters"),
        ("{" * 100_000, "These are not shared discoveries"),
        ('{"discoveries":[]}', "does not say of which map"),
        (changed(map=None), "does not say of which map"),
        (changed(map=[]), "does not say of which map"),
        (changed(discoveries=[{"depth": 1e999}]), "Discovery 1 of 1: "),
        (changed(discoveries=[{"script": "x"}]), "Discovery 1 of 1: "),
        (changed(discoveries=[{}] * 1001), "At most 1000 discoveries"),
        (changed_map(experiment={"problem": "../../etc/passwd"}), "problem='../../etc/passwd' is not one of"),
        (changed_map(experiment=7), "."),
        (
            changed_map(rows=["width", list(range(1, 30))], columns=["epochs", list(range(1, 30))]),
            "The map has 841 cells",
        ),
        (changed_map(rows=["width", "abc"]), "rows is a field and its values"),
        (changed_map(rows=["__class__", [1]]), "__class__"),
        (changed_map(rows=["activation", ["tanh"]]), "Give two different fields"),
        (7, "a line is a text, not int."),
    ],
)
def test_a_hostile_line_is_told_and_changes_nothing(line, sentence):
    pooled = merge_discoveries([share(XOR), line])
    (told,) = pooled.refused
    assert told.startswith("Line 2: ")
    assert sentence in told
    assert len(told) < 600
    assert pooled.count.sum() == 1


@pytest.mark.parametrize("lines", ["", "\n \n", [], "nonsense"])
def test_without_a_good_line_there_is_a_sentence(lines):
    with pytest.raises(ValueError, match="No line of shared discoveries could be read"):
        merge_discoveries(lines)


def test_too_many_lines():
    with pytest.raises(ValueError, match="At most 500 lines are read; these are 501"):
        merge_discoveries(["x"] * 501)


def test_the_teachers_notebook_is_built_from_its_source():
    built = nbformat.read(build.CLASS_MAP.with_suffix(".ipynb"), 4)
    source = build.notebook("class_map", "exercise")
    assert [(c.cell_type, c.source) for c in built.cells] == [(c.cell_type, c.source) for c in source.cells]
    said = str([output for cell in built.cells for output in cell.get("outputs", [])])
    assert "3 learners found" in said
    assert "did not learn" not in said
