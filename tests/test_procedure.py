"""helpers/lessons/procedure.py: the tree and the list say the same, and every branch has its lesson."""

from browser import ROOT

from helpers.lessons.procedure import CAN, CANNOT, FIRST, TEN, WIDTH, decision_tree, steps

ALL = (*FIRST, *CANNOT, *CAN)


def test_every_branch_is_linked_to_a_lesson_that_exists():
    text = steps().markdown
    for step in ALL:
        assert (ROOT / "lessons" / f"{step.lesson}.py").exists()
        assert f"**{step.question}** {step.how} If {step.leaves}: {step.then} → [" in text
        assert f"]({step.lesson}.ipynb)" in text
    assert TEN in text


def test_the_picture_holds_every_word_inside_its_box():
    picture = decision_tree()
    picture.canvas.draw()
    (axes,) = picture.axes
    boxes = [patch.get_window_extent() for patch in axes.patches if hasattr(patch, "get_boxstyle")]
    assert len(boxes) == 2 * len(ALL) + 1
    words = [text for text in axes.texts if text.get_text() not in ("", "yes", "no", "yes, by far")]
    assert len(words) > 2 * len(boxes)
    for text in words:
        at = text.get_window_extent()
        inside = [b for b in boxes if b.x0 <= at.x0 and at.x1 <= b.x1 and b.y0 <= at.y0 and at.y1 <= b.y1]
        assert len(inside) == 1, text.get_text()
    for step in ALL:
        assert f"{step.question} If {step.leaves}: {step.then}" in picture.alt
    assert picture.get_size_inches()[0] == WIDTH
    assert steps().text == picture.alt


def test_the_list_shows_itself():
    data = steps()._repr_mimebundle_()
    assert data["text/markdown"].startswith("1. **Are inputs and targets numbers")
    assert len(data["text/plain"]) > 40
