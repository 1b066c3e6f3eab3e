"""helpers/lessons/teaching.py: what it shows, what it keeps, and what it refuses."""

import contextlib
import json
import os
import re
from datetime import datetime
from types import SimpleNamespace

import ipywidgets as widgets
import numpy as np
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

from helpers.lessons import notes, predictions, teaching
from helpers.lessons.teaching import (
    ClaimFailed,
    ExerciseFailed,
    NotYet,
    check,
    claim,
    predict,
    reveal,
    score,
)

STUDY = SimpleNamespace(seeds=np.arange(50))


@pytest.fixture(autouse=True)
def fresh():
    teaching.forget()
    yield
    teaching.forget()


def press(name, option, confidence=70):
    """Choose and commit, as the learner does on the page."""
    form = predictions.form(name)
    form.kept = {"answer": predictions.asked_here[name].options.index(option), "confidence": confidence}
    return form


@pytest.fixture
def notebook(monkeypatch, tmp_path):
    """A session in which somebody may commit; what is shown is in the list."""
    shown = []
    handlers = []
    session = SimpleNamespace(
        shown=shown,
        texts=lambda: [bundle["text/plain"] for bundle, _ in shown],
        handlers=handlers,
        set_custom_exc=lambda *handler: handlers.append(handler),
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LESSON_ANSWERS", raising=False)
    for module in (notes, predictions):
        monkeypatch.setattr(module, "get_ipython", lambda: session)
    monkeypatch.setattr(notes, "display", lambda bundle, raw, metadata: shown.append((bundle, metadata)))
    return session


# --- predictions ---


def test_a_prediction_is_kept_and_scored_by_the_measurement(capsys):
    predict("line", "Does it learn?", ["yes", "no"])
    form = press("line", "no")
    assert form.closed
    assert form.note == "Saved. The measurement will score it."
    reveal("line", {"yes": False, "no": np.bool_(True)})
    assert "You predicted it" in capsys.readouterr().out
    score()
    assert "1 of 1 made and measured, 1 right" in capsys.readouterr().out


def test_a_wrong_prediction_is_named(capsys):
    predict("line", "Does it learn?", ["yes", "no"])
    press("line", "yes")
    reveal("line", {"yes": False, "no": True})
    assert "You predicted: yes. The measurement says: no." in capsys.readouterr().out


def test_the_first_answer_counts():
    predict("line", "Does it learn?", ["yes", "no"])
    press("line", "yes")
    predict("line", "Does it learn?", ["yes", "no"])  # the cell is run again
    press("line", "no")
    assert predictions.asked_here["line"].kept == "yes"


def test_an_answer_after_the_evidence_is_not_scored(capsys):
    predict("line", "Does it learn?", ["yes", "no"])
    form = predictions.form("line")
    reveal("line", {"yes": False, "no": True})
    form.kept = {"answer": 1, "confidence": 70}
    assert "not scored" in form.note
    assert predictions.asked_here["line"].kept is None
    score()
    assert "0 of 1 made" in capsys.readouterr().out


def test_without_an_answer_the_lesson_goes_on(capsys):
    predict("line", "Does it learn?", ["yes", "no"])
    reveal("line", {"yes": True, "no": False})
    assert "(a) yes" in (out := capsys.readouterr().out)
    assert "You did not commit to an answer. The measurement says: yes." in out


def test_the_measurement_must_choose_exactly_one_option():
    predict("line", "Does it learn?", ["yes", "no"])
    with pytest.raises(ClaimFailed, match="exactly one"):
        reveal("line", {"yes": True, "no": True})
    with pytest.raises(ClaimFailed, match="exactly one"):
        reveal("line", {"yes": False, "no": False})
    with pytest.raises(ValueError, match="its options are"):
        reveal("line", {"yes": True, "maybe": False})
    with pytest.raises(ValueError, match="Run its cell first"):
        reveal("lime", {"yes": True, "no": False})
    with pytest.raises(ValueError, match="at least two"):
        predict("line", "Does it learn?", ["yes"])


def test_a_prediction_is_shown_as_widgets_page_and_text_and_kept_as_data(notebook, monkeypatch):
    monkeypatch.setenv("LESSON_ANSWERS", "shown")
    monkeypatch.delattr(widgets.Widget, "_repr_mimebundle_")  # ipywidgets 7 has none
    predict("line", "Does it learn?", ["yes", "no"])
    reveal("line", {"yes": False, "no": True})
    (bundle, asked), (_, measured) = notebook.shown
    assert bundle.keys() == {"text/plain", "text/html", notes.WIDGET}
    assert bundle[notes.WIDGET]["model_id"]
    assert asked == {"prediction": {"name": "line", "question": "Does it learn?", "options": ["yes", "no"]}}
    assert measured == {"prediction": {"name": "line", "measured": "no"}}


def test_no_answer_is_shown_before_somebody_commits(notebook):
    predict("line", "Does it learn?", ["yes", "no"])
    with pytest.raises(predictions.NotCommitted) as ended:
        reveal("line", {"yes": False, "no": True})
    (kinds, show), *_ = notebook.handlers
    assert kinds == (predictions.NotCommitted,)
    show(notebook, *ended._excinfo)
    form = press("line", "no")
    assert [bundle[notes.WIDGET]["model_id"] for bundle, _ in notebook.shown] == 2 * [form.model_id]
    assert form.closed
    assert not form.needed
    reveal("line", {"yes": False, "no": True})
    assert notebook.texts()[1:] == [
        "Commit to an answer first: *Does it learn?* Then run this cell and those below it.",
        "You predicted it. The measurement says: no.",
    ]


ASK = 'from helpers.lessons.teaching import predict, reveal; predict("line", "Does it learn?", ["yes", "no"])'
ANSWER = 'reveal("line", {"yes": False, "no": True}); print("no")'


@pytest.mark.parametrize("somebody", [True, False], ids=["in JupyterLab", "in nbclient"])
def test_a_cell_and_run_all_end_at_an_answer_that_somebody_there_has_not_committed_to(tmp_path, somebody):
    environment = {name: value for name, value in os.environ.items() if name != "LESSON_ANSWERS"}
    book = new_notebook(cells=[new_code_cell(ASK), new_code_cell(ANSWER)])
    client = NotebookClient(book, kernel_name="python3", timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    with client.setup_kernel(env=environment):
        client.kc.allow_stdin = somebody  # as the page says that shows a notebook
        client.execute_cell(book.cells[0], 0)
        with pytest.raises(CellExecutionError) if somebody else contextlib.nullcontext():
            client.execute_cell(book.cells[1], 1)
    said = "Commit to an answer first: *Does it learn?* Then run this cell and those below it."
    shown = [output.get("text") or output.data["text/plain"] for output in book.cells[1].outputs]
    assert shown == ([said] if somebody else ["You did not commit to an answer. The measurement says: no.", "no\n"])


def test_a_commitment_outlives_the_kernel(notebook, tmp_path):
    predict("line", "Does it learn?", ["yes", "no"])
    press("line", "yes", 90)
    teaching.forget()
    predict("line", "Does it learn?", ["yes", "no"])
    form = press("line", "no", 50)
    assert form.closed
    reveal("line", {"yes": False, "no": True})
    kept = json.loads((tmp_path / "predictions.json").read_text())
    assert datetime.fromisoformat(kept["line"].pop("time")).tzinfo
    assert kept == {"line": {"answer": "yes", "confidence": 90, "measured": "no"}}
    assert list(tmp_path.iterdir()) == [tmp_path / "predictions.json"]


def test_the_solutions_share_the_commitments(notebook, tmp_path, monkeypatch):
    (tmp_path / "solutions").mkdir()
    monkeypatch.chdir(tmp_path / "solutions")
    assert predictions.path() == tmp_path / "predictions.json"


def test_an_answer_that_is_no_option_any_more_is_asked_again(notebook):
    predict("line", "Does it learn?", ["yes", "no"])
    press("line", "yes")
    predict("line", "Does it learn?", ["always", "never"])
    press("line", "never")
    assert predictions.commitments()["line"]["answer"] == "never"


@pytest.mark.parametrize("text", ["{", "[]", '{"line": 3}'])
def test_a_damaged_file_is_put_aside(notebook, tmp_path, text):
    (tmp_path / "predictions.json").write_text(text)
    predict("line", "Does it learn?", ["yes", "no"])
    assert notebook.texts()[0].startswith("`predictions.json` is damaged and is now `predictions-damaged-")
    press("line", "yes")
    (aside,) = tmp_path.glob("predictions-damaged-*.json")
    assert aside.read_text() == text
    assert predictions.commitments()["line"]["answer"] == "yes"


def test_a_file_that_cannot_be_written_keeps_the_answer_for_the_session(notebook, tmp_path):
    (tmp_path / "predictions.json.new").mkdir()
    predict("line", "Does it learn?", ["yes", "no"])
    assert "Saved only until the kernel stops" in press("line", "yes").note
    assert predictions.asked_here["line"].kept == "yes"


def test_where_nobody_can_commit_no_file_is_read_or_written(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("LESSON_ANSWERS", "shown")
    (tmp_path / "predictions.json").write_text("{")
    predict("line", "Does it learn?", ["yes", "no"])
    press("line", "yes")
    reveal("line", {"yes": False, "no": True})
    assert notebook.texts()[-1] == "You predicted: yes. The measurement says: no."
    assert (tmp_path / "predictions.json").read_text() == "{"


def test_calibration_compares_how_sure_you_were_with_how_often_you_were_right(notebook):
    assert predictions.calibration() is None
    assert notebook.texts()[0].startswith("Nothing to score yet")
    for name, answer, confidence in [("a", "yes", 90), ("b", "no", 90), ("c", "yes", 50), ("d", "yes", 70)]:
        predict(name, "Does it learn?", ["yes", "no"])
        press(name, answer, confidence)
        if name != "d":
            reveal(name, {"yes": True, "no": False})
    picture = predictions.calibration()
    assert notebook.texts()[-1] == (
        "Predictions: 4 committed, 3 measured, 2 right (67%). On average you were 77% sure."
    )
    assert picture.alt.endswith("50% sure: 100% right of 1; 90% sure: 50% right of 2.")
    axes = picture.axes[0]
    dots = axes.transData.transform(axes.lines[1].get_xydata())
    inside = axes.get_window_extent()
    assert inside.y0 + 6 < dots[:, 1].min() < dots[:, 1].max() < inside.y1 - 6  # whole, and off the title


# --- claims ---


def test_a_claim_shows_its_measured_numbers(capsys):
    claim("{rate:.0%} of `Dense(3)` learn it.", True, over=STUDY, rate=0.97)
    assert capsys.readouterr().out == "✓ 97% of `Dense(3)` learn it. (50 seeds)\n"


def test_a_false_claim_names_its_sentence():
    with pytest.raises(ClaimFailed, match=r"43% of the seeds learn it.*rate=0.43"):
        claim("{rate:.0%} of the seeds learn it.", np.bool_(False), over=STUDY, rate=0.43)


@pytest.mark.parametrize(
    ("sentence", "numbers", "complaint"),
    [
        (
            "90 % of the seeds learn it, {rate}.",
            {"rate": 0.9},
            "'90' in the claim .* is not measured",
        ),
        ("It learns at {rate}, not at 0.5.", {"rate": 0.9}, "'0.5.' in the claim"),
        ("{rate} of the seeds learn it.", {}, "no number rate="),
        ("{} of the seeds learn it.", {"rate": 1}, "no number"),
        ("All seeds learn it.", {}, "no number at all"),
        ("{rate} of the seeds learn it.", {"rate": 1, "skill": 2}, "skill"),
    ],
)
def test_an_unmeasured_number_is_refused(sentence, numbers, complaint):
    with pytest.raises(ValueError, match=complaint):
        claim(sentence, True, over=STUDY, **numbers)


def test_a_claim_needs_fifty_seeds_of_every_study():
    few = SimpleNamespace(seeds=np.arange(49))
    with pytest.raises(ValueError, match="49 seeds"):
        claim("{rate}", True, over=[STUDY, few], rate=1)
    with pytest.raises(ValueError, match="0 seeds"):
        claim("{rate}", True, over=[], rate=1)


def test_a_claim_stands_on_trials_that_are_no_study(capsys):
    claim("{rate:.0%}.", True, over=range(60), rate=1)
    assert capsys.readouterr().out == "✓ 100%. (60 seeds)\n"
    claim("{rate:.0%}.", True, over=[range(60), STUDY], rate=1)
    assert "(50 seeds)" in capsys.readouterr().out
    with pytest.raises(ValueError, match="10 seeds"):
        claim("{rate:.0%}.", True, over=range(10), rate=1)


def test_a_condition_is_true_or_false():
    with pytest.raises(ValueError, match="True or False"):
        claim("{rate}", 0.9, over=STUDY, rate=0.9)


# --- exercises ---


def larger_than_three(answer):
    if not answer > 3:
        raise NotYet(f"{answer} is not above 3.")
    return "Above 3."


def test_an_exercise_says_what_is_wrong(capsys):
    check(larger_than_three, 2)
    assert "✗ larger than three: 2 is not above 3." in capsys.readouterr().out
    check(larger_than_three, 4)
    assert "✓ larger than three: Above 3." in capsys.readouterr().out
    score(all_exercises=True)
    assert "1 of 1 passed" in capsys.readouterr().out


def test_arrays_are_an_answer(capsys):
    check(lambda *arrays: f"{len(arrays)} arrays.", np.zeros(3), np.zeros(3))
    assert "2 arrays." in capsys.readouterr().out


def test_an_unanswered_exercise_does_not_raise(capsys):
    check(larger_than_three, ...)
    assert "No answer yet" in capsys.readouterr().out
    score()
    with pytest.raises(ExerciseFailed, match="larger than three"):
        score(all_exercises=True)


def test_text_is_never_html():
    assert teaching.inline("<b> `a*b` & *so*") == "&lt;b&gt; <code>a*b</code> &amp; <em>so</em>"


def test_colors_follow_the_theme_of_the_page(monkeypatch):
    pages = []
    monkeypatch.setattr(notes, "get_ipython", object)
    monkeypatch.setattr(notes, "display", lambda bundle, **_: pages.append(bundle["text/html"]))
    predict("line", "Does it learn?", ["yes", "no"])
    reveal("line", {"yes": True, "no": False})
    claim("{rate:.0%} learn it.", True, over=STUDY, rate=0.97)
    for answer in (..., 2, 4):
        check(larger_than_three, answer)
    score()
    assert len(pages) == 7
    for page in pages:
        assert "var(--jp-" in page
        assert "#" not in re.sub(r"var\(--jp-[^)]*\)", "", page)
        assert not re.search(r"(?<!-)\b(background|color):(?!var)", page)
