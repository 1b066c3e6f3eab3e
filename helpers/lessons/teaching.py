"""What makes a notebook a lesson: predictions are kept, claims measured, exercises checked.

- `predict` lets you commit to an answer; `reveal` scores it later, by the measurement.
- `claim` is a sentence that stands only as long as its condition holds.
- `check` looks at your answer to an exercise; `score` says how far you are.
"""

import html
import re
import string
from dataclasses import dataclass

import ipywidgets as widgets
import numpy as np
from IPython import get_ipython
from IPython.display import display

FEWEST_SEEDS = 50  # a number of a lesson is measured over at least so many

# JupyterLab's own colours, which follow its theme, light or dark; the second ones are for pages without it.
ASKED = "var(--jp-brand-color1, #0072B2)"
TRUE = "var(--jp-success-color1, #00805D)"
WRONG = "var(--jp-error-color1, #C04D00)"
OPEN = "var(--jp-ui-font-color2, #6B7480)"


class ClaimFailed(AssertionError):
    """A sentence of a lesson is not true any more."""


class ExerciseFailed(AssertionError):
    """An exercise that had to be solved is not."""


class NotYet(Exception):
    """Raised by a checker of helpers/lessons/exercises.py: what is wrong with the answer."""


@dataclass
class Prediction:
    """A question, and what became of it.

    kept: the option that was committed to, or None.
    measured: the option that turned out true, or None.
    """

    question: str
    options: list
    kept: str | None = None
    measured: str | None = None


_predictions = {}  # name -> Prediction
_exercises = {}  # name -> whether it is passed


def predict(name, question, options):
    """Ask the learner to commit to an answer before the evidence.

    The first answer that is committed to counts, for as long as the kernel lives. Which option is
    right is not known here: `reveal` learns it from a measurement.

    Args:
        name: a short name, by which `reveal` finds the prediction.
        question: one sentence.
        options: the answers to choose from, at least two.

    >>> predict("deep line", "Will five linear layers learn a wave?", ["yes", "no"])
    """
    options = list(options)
    if len(options) < 2 or len(set(options)) < len(options):
        raise ValueError(f"options={options!r}: a prediction needs at least two different options.")
    asked = _predictions.get(name)
    if asked is None or (asked.question, asked.options) != (question, options):
        asked = _predictions[name] = Prediction(question, options)
    letters = string.ascii_lowercase
    text = "\n".join([f"Predict: {question}", *(f"  ({a}) {o}" for a, o in zip(letters, options, strict=False))])
    items = "".join(f"<li>{_inline(option)}</li>" for option in options)
    page = f"<b>Predict.</b> {_inline(question)}<ol type='a' style='margin:0.3em 0'>{items}</ol>"
    _show(text, _boxed(page, ASKED), _form(asked))


def _form(asked):
    """The widget of a prediction: radio buttons, a button, and a line that says what happened."""
    choice = widgets.RadioButtons(
        options=asked.options,
        value=asked.kept,
        layout={"width": "auto"},
        style={"description_width": "0"},
    )
    commit = widgets.Button(description="Commit", button_style="primary", disabled=True)
    note = widgets.HTML()

    def lock(text):
        choice.disabled = commit.disabled = True
        note.value = text

    def chosen(change):
        commit.disabled = choice.value is None

    def committed(button):
        if asked.measured is not None:
            lock("The evidence is out already, so this answer is not scored.")
        elif asked.kept is None:
            asked.kept = choice.value
            lock("Kept. The measurement will score it.")

    if asked.kept is not None:
        lock("Kept. The measurement will score it.")
    elif asked.measured is not None:
        lock("The evidence is out already. Restart the kernel to predict again.")
    choice.observe(chosen, "value")
    commit.on_click(committed)
    question = widgets.HTML(f"<b>Predict.</b> {_inline(asked.question)}")
    return widgets.VBox([question, choice, widgets.HBox([commit, note])])


def reveal(name, outcomes):
    """Score a prediction by what was measured.

    Args:
        name: of the prediction.
        outcomes: each of its options and whether the measurement says so; exactly one is true.

    >>> reveal("deep line", {"yes": study.success_rate > 0.5, "no": study.success_rate <= 0.5})
    """
    if name not in _predictions:
        known = ", ".join(map(repr, _predictions)) or "none so far"
        raise ValueError(f"{name!r} is not a prediction of this session ({known}). Run its cell first.")
    asked = _predictions[name]
    if set(outcomes) != set(asked.options):
        raise ValueError(f"The outcomes of {name!r} are {list(outcomes)}; its options are {asked.options}.")
    true = [option for option, holds in outcomes.items() if _truth(holds)]
    if len(true) != 1:
        raise ClaimFailed(f"Of the options of {name!r}, {true or 'none'} came true; exactly one must.")
    asked.measured = true[0]
    answer = f"The measurement says: {asked.measured}."
    if asked.kept is None:
        words = "You kept no answer. " + answer
    elif asked.kept == asked.measured:
        words = "You predicted it. " + answer
    else:
        words = f"You predicted: {asked.kept}. {answer}"
    _show(words, _boxed(_inline(words), ASKED))


class _Sentence(string.Formatter):
    """Fills a sentence and remembers which numbers it used."""

    def __init__(self):
        self.used = set()

    def get_value(self, key, args, kwargs):
        if not isinstance(key, str) or key not in kwargs:
            raise ValueError(f"The claim speaks of {{{key}}}, but no number {key}=… was given.")
        self.used.add(key)
        return kwargs[key]


def claim(sentence, condition, *, over, **numbers):
    """A sentence of the lesson that is true because it has just been measured.

    It is shown with its numbers filled in. If the condition is false, ClaimFailed names the
    sentence. Numbers stand in braces, so that they come from the measurement; a digit elsewhere is
    an error, except in `code`.

    Args:
        sentence: a format string such as "{rate:.0%} of the seeds learn it."
        condition: True or False, from the same measurement.
        over: the `SeedStudy` or studies that it was measured on, or the range of seeds of other trials; at least 50 seeds
            in each.
        numbers: what the braces name. Each must be used.

    >>> rate = study.success_rate
    >>> claim("{rate:.0%} of the seeds learn it.", rate > 0.9, over=study, rate=rate)
    """
    studies = over if isinstance(over, (list, tuple)) else [over]
    seeds = min((len(one if isinstance(one, range) else one.seeds) for one in studies), default=0)
    if seeds < FEWEST_SEEDS:
        raise ValueError(f"over has {seeds} seeds; a claim is measured over at least {FEWEST_SEEDS}.")
    loose = re.search(r"(?<!\w)\d\S*", re.sub(r"`[^`]*`|\{[^}]*\}", "", sentence))
    if loose:
        raise ValueError(
            f"{loose[0]!r} in the claim {sentence!r} is not measured: "
            "put it in braces and hand the number over, or write it as `code`."
        )
    blanks = _Sentence()
    filled = blanks.vformat(sentence, (), numbers)
    unused = set(numbers) - blanks.used
    if unused or not numbers:
        what = ", ".join(sorted(unused)) or "no number at all"
        raise ValueError(f"The claim {sentence!r} was given {what}, and does not show it in braces.")
    if not _truth(condition):
        measured = ", ".join(f"{name}={value}" for name, value in numbers.items())
        raise ClaimFailed(f"This sentence is not true any more: “{filled}” (measured: {measured})")
    page = f"<b style='color:{TRUE}'>✓</b> {_inline(filled)} <small>({seeds} seeds)</small>"
    _show(f"✓ {filled} ({seeds} seeds)", _boxed(page, TRUE))


def check(exercise, answer):
    """Look at the answer to an exercise and say what is wrong with it, if anything is.

    Args:
        exercise: a function of `helpers.lessons.exercises`. It takes the answer, returns a sentence if
            that passes, and raises `NotYet` with a sentence if it does not.
        answer: yours; the three dots stand for no answer yet.
    """
    name = exercise.__name__.replace("_", " ")
    passed, mark, color = False, "○", OPEN
    if answer is ...:
        words = "No answer yet. Put yours in place of the three dots and run this cell again."
    else:
        try:
            words, passed, mark, color = exercise(answer), True, "✓", TRUE
        except NotYet as reason:
            words, mark, color = str(reason), "✗", WRONG
    _exercises[name] = passed
    page = f"<b style='color:{color}'>{mark}</b> <b>{name}</b>: {_inline(words)}"
    _show(f"{mark} {name}: {words}", _boxed(page, color))


def score(all_exercises=False):
    """Say how many predictions came true and how many exercises are passed.

    Args:
        all_exercises: True to raise ExerciseFailed if one of them is not, as in the solutions.
    """
    lines = []
    scored = [p for p in _predictions.values() if p.kept is not None and p.measured is not None]
    if _predictions:
        right = sum(p.kept == p.measured for p in scored)
        lines.append(f"Predictions: {len(scored)} of {len(_predictions)} made and measured, {right} right.")
    if _exercises:
        lines.append(f"Exercises: {sum(_exercises.values())} of {len(_exercises)} passed.")
    words = " ".join(lines) or "Nothing to score yet."
    _show(words, _boxed(_inline(words), ASKED))
    left = [name for name, passed in _exercises.items() if not passed]
    if all_exercises and left:
        raise ExerciseFailed(f"Not passed: {', '.join(left)}.")


def forget():
    """Forget all predictions and exercises of this session."""
    _predictions.clear()
    _exercises.clear()


def _truth(condition):
    if not isinstance(condition, (bool, np.bool_)):
        raise ValueError(f"A measured condition is True or False, not {condition!r}.")
    return bool(condition)


def _inline(text):
    """Text with `code` and *stress* as HTML."""
    parts = html.escape(text, quote=False).split("`")
    parts[::2] = [re.sub(r"\*([^*]+)\*", r"<em>\1</em>", part) for part in parts[::2]]
    parts[1::2] = [f"<code>{part}</code>" for part in parts[1::2]]
    return "".join(parts)


def _boxed(page, color):
    style = f"border-left:3px solid {color};padding:0.1em 0.8em;margin:0.2em 0"
    return f"<div style='{style}'>{page}</div>"


def _show(text, page, widget=None):
    """Show a text in every form: widget for a live page, HTML for a reader, plain for tests."""
    if get_ipython() is None:
        print(text)
        return
    bundle = {"text/plain": text, "text/html": page}
    if widget is not None:
        bundle = widget._repr_mimebundle_() | bundle
    display(bundle, raw=True)
