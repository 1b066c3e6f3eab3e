"""helpers/lessons/teaching.py: what it shows, what it keeps, and what it refuses."""

import re
from types import SimpleNamespace

import ipywidgets as widgets
import numpy as np
import pytest

from helpers.lessons import teaching
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


def press(name, option):
    """Choose and commit, as the learner does on the page."""
    form = teaching._form(teaching._predictions[name])
    _, choice, row = form.children
    choice.value = option
    row.children[0].click()
    return choice, row.children


# --- predictions ---


def test_a_prediction_is_kept_and_scored_by_the_measurement(capsys):
    predict("line", "Does it learn?", ["yes", "no"])
    choice, (button, note) = press("line", "no")
    assert choice.disabled
    assert button.disabled
    assert "Kept" in note.value
    assert "right" not in note.value
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
    assert teaching._predictions["line"].kept == "yes"


def test_an_answer_after_the_evidence_is_not_scored(capsys):
    predict("line", "Does it learn?", ["yes", "no"])
    form = teaching._form(teaching._predictions["line"])
    reveal("line", {"yes": False, "no": True})
    form.children[1].value = "no"
    form.children[2].children[0].click()
    assert teaching._predictions["line"].kept is None
    score()
    assert "0 of 1 made" in capsys.readouterr().out


def test_nothing_can_be_committed_before_a_choice():
    predict("line", "Does it learn?", ["yes", "no"])
    button = teaching._form(teaching._predictions["line"]).children[2].children[0]
    assert isinstance(button, widgets.Button)
    assert button.disabled


def test_without_an_answer_the_lesson_goes_on(capsys):
    predict("line", "Does it learn?", ["yes", "no"])
    reveal("line", {"yes": True, "no": False})
    assert "(a) yes" in (out := capsys.readouterr().out)
    assert "You kept no answer. The measurement says: yes." in out


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


def test_an_unanswered_exercise_does_not_raise(capsys):
    check(larger_than_three, ...)
    assert "No answer yet" in capsys.readouterr().out
    score()
    with pytest.raises(ExerciseFailed, match="larger than three"):
        score(all_exercises=True)


def test_text_is_never_html():
    assert teaching._inline("<b> `a*b` & *so*") == "&lt;b&gt; <code>a*b</code> &amp; <em>so</em>"


def test_colors_follow_the_theme_of_the_page(monkeypatch):
    pages = []
    monkeypatch.setattr(teaching, "_show", lambda text, page, widget=None: pages.append(page))
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
