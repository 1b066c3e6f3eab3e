"""Predictions: asked before the evidence, kept in a file next to the notebooks, scored by the measurement.

A commitment is kept in `predictions.json`, so that it outlives the kernel; the first one counts. In a notebook, `reveal` goes on only
for those who have committed to an answer, so what stands below it, in its cell and in the next ones, may show the answer. Where nobody
can commit, each answer is shown, and the file is neither read nor written: outside IPython, for tools that run a notebook and cannot
be asked anything (nbclient, nbval), and where the environment variable LESSON_ANSWERS is "shown", as in the tests.
"""

import json
import os
import string
import weakref
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from IPython import get_ipython
from matplotlib.patheffects import withStroke
from matplotlib.ticker import PercentFormatter

from why_wont_it_learn.pictures import PALETTE, Picture, style

from .notes import inline, tell

HERE = Path(__file__).parent
CONFIDENCES = [50, 70, 90, 99]  # percent
KEPT = "Saved. The measurement will score it."
NEEDED = "Commit to an answer. Then choose Run → Run Selected Cell and All Below."


class ClaimFailed(AssertionError):
    """A sentence of a lesson is not true any more."""


class NotCommitted(Exception):
    """Ends a cell, and with it *Run All*, before an answer is shown that nobody has committed to."""


@dataclass
class Prediction:
    """A question, and what became of it.

    kept: the option that was committed to, or None.
    confidence: in percent, or None.
    measured: the option that turned out true, or None.
    form: its widget, once it has been shown.
    """

    question: str
    options: list
    kept: str | None = None
    confidence: int | None = None
    measured: str | None = None
    form: "PredictionForm | None" = None


asked_here = {}  # name -> Prediction, of this session
followers = weakref.WeakSet()  # their method `committed` is called whenever somebody commits


class PredictionForm(anywidget.AnyWidget):
    """The form of a prediction.

    kept: {"answer": number of the option, "confidence": percent}, set by the page. needed: whether the lesson waits for it; then the
    page brings it into view.
    """

    _esm = HERE / "prediction.js"
    _css = HERE / "prediction.css"
    question = traitlets.Unicode().tag(sync=True)
    options = traitlets.List().tag(sync=True)
    levels = traitlets.List(CONFIDENCES).tag(sync=True)
    kept = traitlets.Dict().tag(sync=True)
    note = traitlets.Unicode().tag(sync=True)
    closed = traitlets.Bool(False).tag(sync=True)
    needed = traitlets.Bool(False).tag(sync=True)


def predict(name, question, options):
    """Ask the learner to commit to an answer, and to say how sure it is, before the evidence.

    The first answer that is committed to counts. Which option is right is not known here: `reveal`
    learns it from a measurement.

    Args:
        name: a short name, by which `reveal` finds the prediction; no other prediction of the lessons has it.
        question: one sentence.
        options: the answers to choose from, at least two.

    >>> predict("deep line", "Will five linear layers learn a wave?", ["yes", "no"])
    """
    options = list(options)
    if len(options) < 2 or len(set(options)) < len(options):
        raise ValueError(f"options={options!r}: a prediction needs at least two different options.")
    asked = asked_here.get(name)
    if asked is None or (asked.question, asked.options) != (question, options):
        asked = asked_here[name] = Prediction(question, options)
    kept = commitments().get(name, {})
    if kept.get("answer") in options:
        asked.kept, asked.confidence = kept["answer"], kept.get("confidence")
    text = "\n".join(
        [f"Predict: {question}", *(f"  ({a}) {o}" for a, o in zip(string.ascii_lowercase, options, strict=False))]
    )
    items = "".join(f"<li>{inline(option)}</li>" for option in options)
    page = f"<b>Predict.</b> {inline(question)}<ol type='a' style='margin:0.3em 0'>{items}</ol>"
    tell(text, page, widget=form(name), prediction={"name": name, "question": question, "options": options})


def form(name):
    """The widget of a prediction of this session, the same wherever it is shown."""
    asked = asked_here[name]
    if asked.form is None:
        asked.form = _new_form(name, asked)
    if asked.kept is not None:
        asked.form.kept = {"answer": asked.options.index(asked.kept), "confidence": asked.confidence}
        asked.form.note, asked.form.closed = KEPT, True
    elif asked.measured is not None:
        asked.form.note, asked.form.closed = "The result is already shown, so no answer is scored.", True
    return asked.form


def _new_form(name, asked):
    made = PredictionForm(question=inline(asked.question), options=[inline(option) for option in asked.options])

    def committed_to(change):
        if asked.measured is not None:
            made.note = "The result is already shown, so this answer is not scored."
        elif asked.kept is None:
            asked.kept, asked.confidence = asked.options[change.new["answer"]], change.new["confidence"]
            made.note = _keep(name, asked)
            for follower in list(followers):
                follower.committed()
        made.closed, made.needed = True, False

    made.observe(committed_to, "kept")
    return made


def reveal(name, outcomes):
    """Score a prediction by what was measured.

    In a notebook, NotCommitted ends the cell if nobody has committed to an answer; it is shown as a request to do so.

    Args:
        name: of the prediction.
        outcomes: each of its options and whether the measurement says so; exactly one is true.

    >>> reveal("deep line", {"yes": study.success_rate > 0.5, "no": study.success_rate <= 0.5})
    """
    if name not in asked_here:
        known = ", ".join(map(repr, asked_here)) or "none so far"
        raise ValueError(f"{name!r} is not a prediction of this session ({known}). Run its cell first.")
    asked = asked_here[name]
    if set(outcomes) != set(asked.options):
        raise ValueError(f"The outcomes of {name!r} are {list(outcomes)}; its options are {asked.options}.")
    true = [option for option, holds in outcomes.items() if truth(holds)]
    if len(true) != 1:
        raise ClaimFailed(f"Of the options of {name!r}, {true or 'none'} came true; exactly one must.")
    if asked.kept is None and live():
        get_ipython().set_custom_exc((NotCommitted,), _ask_for_it)
        raise NotCommitted(name)
    asked.measured = true[0]
    if asked.kept is not None:
        _keep(name, asked)
    answer = f"The measurement says: {asked.measured}."
    if asked.kept is None:
        words = "You did not commit to an answer. " + answer
    elif asked.kept == asked.measured:
        words = "You predicted it. " + answer
    else:
        words = f"You predicted: {asked.kept}. {answer}"
    tell(words, prediction={"name": name, "measured": asked.measured})


def _ask_for_it(shell, kind, error, traceback, tb_offset=None):
    """Show the form, instead of a traceback."""
    (name,) = error.args
    asked = form(name)
    asked.note, asked.needed = NEEDED, True
    tell(
        f"Commit to an answer first: *{asked_here[name].question}* Then run this cell and those below it.", widget=asked
    )


def open_ones(names):
    """Those of these predictions of this session that nobody has committed to; none where nobody can commit."""
    return [name for name in names if live() and name in asked_here and asked_here[name].kept is None]


def calibration():
    """The score of all commitments of all lessons, and a picture: how often you were right against how sure you were.

    Returns a figure, or None as long as no prediction has been committed to and measured.
    """
    kept = list(commitments().values())
    scored = [one for one in kept if "measured" in one]
    if not scored:
        tell(
            "Nothing to score yet: this fills as you commit to predictions in the lessons and run the cells that measure them."
        )
        return None
    right = np.array([one["answer"] == one["measured"] for one in scored])
    sure = np.array([one["confidence"] for one in scored]) / 100
    words = f"{len(kept)} committed, {len(scored)} measured, {right.sum()} right ({right.mean():.0%}). On average you were {sure.mean():.0%} sure."
    tell(f"Predictions: {words}")
    levels, counts = np.unique(sure, return_counts=True)
    shares = np.array([right[sure == level].mean() for level in levels])
    with style():
        picture = Picture(figsize=(4.6, 3.6), layout="constrained")
        axes = picture.subplots()
        axes.plot([0, 1], [0, 1], ls="--", color=PALETTE["faint"])
        axes.plot(levels, shares, "o", ms=9, color=PALETTE["network"], zorder=3)
        outline = [withStroke(linewidth=3, foreground=PALETTE["paper"])]  # of letters that stand on the dashed line
        for level, share, count in zip(levels, shares, counts, strict=True):
            below = share > 0.9
            axes.annotate(f"{right[sure == level].sum()} of {count}", (level, share), (0, -14 if below else 9), ha="center",
                          va="top" if below else "bottom", textcoords="offset points", path_effects=outline)  # fmt: skip
        axes.set(xlim=(0.42, 1.04), ylim=(-0.04, 1.06), xlabel="how sure you were", ylabel="fraction that was right")
        axes.set_xticks(np.array(CONFIDENCES) / 100, [f"{level}%" for level in CONFIDENCES])
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_title("Well calibrated answers lie on the dashed line")
    rows = (
        f"{level:.0%} sure: {share:.0%} right of {n}" for level, share, n in zip(levels, shares, counts, strict=True)
    )
    picture.alt = "How often you were right against how sure you were. " + "; ".join(rows) + "."
    return picture


def live():
    """Whether somebody may be there who can commit."""
    kernel = getattr(get_ipython(), "kernel", None)
    asked = kernel.get_parent().get("content", {}) if kernel else {}  # of what the page asks besides, this says nothing
    can_answer = asked.get("allow_stdin", True)
    return get_ipython() is not None and can_answer and os.environ.get("LESSON_ANSWERS") != "shown"


def truth(condition):
    """A measured condition as a bool."""
    if not isinstance(condition, (bool, np.bool_)):
        raise ValueError(f"A measured condition is True or False, not {condition!r}.")
    return bool(condition)


# --- the file ---


def path():
    """The file of the commitments, next to the notebooks; the solutions share it."""
    folder = Path.cwd()
    return (folder.parent if folder.name == "solutions" else folder) / "predictions.json"


def commitments():
    """{name: {"answer", "confidence", "time", and "measured" once it is}}. A damaged file is put aside."""
    if not live() or not path().exists():
        return {}
    try:
        found = json.loads(path().read_text("utf-8"))
        if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
            raise ValueError("not a table of commitments")
    except ValueError:
        aside = path().with_name(f"predictions-damaged-{_now():%Y%m%d-%H%M%S}.json")
        path().replace(aside)
        tell(
            f"`predictions.json` is damaged and is now `{aside.name}`. From now on your predictions are saved in a new file."
        )
        return {}
    return found


def _now():
    return datetime.now(UTC)


def _keep(name, asked):
    """Write a commitment down; returns what to tell the learner."""
    if not live():
        return KEPT
    kept = commitments()
    if kept.get(name, {}).get("answer") not in asked.options:
        kept[name] = {
            "answer": asked.kept,
            "confidence": asked.confidence,
            "time": _now().isoformat(timespec="seconds"),
        }
    if asked.measured is not None:
        kept[name]["measured"] = asked.measured
    new = path().with_name("predictions.json.new")
    try:
        new.write_text(json.dumps(kept, ensure_ascii=False, indent=1), "utf-8")
        new.replace(path())  # at once, so that nobody finds half a file
    except OSError as error:
        return f"Saved only until the kernel stops, because {path().name} cannot be written: {error.strerror}."
    return KEPT
