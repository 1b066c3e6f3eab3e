"""What makes a notebook a lesson: predictions are kept, claims measured, exercises checked.

- `predict` lets you commit to an answer; `reveal` scores it later, by the measurement.
- `claim` is a sentence that stands only as long as its condition holds.
- `check` looks at your answer to an exercise; `score` says how far you are.
"""

import re
import string

from .notes import OPEN, TRUE, WRONG, inline, tell
from .predictions import ClaimFailed, asked_here, predict, reveal, truth

__all__ = ["ClaimFailed", "check", "claim", "has_passed", "inline", "predict", "reveal", "score", "tell"]
FEWEST_SEEDS = 50  # a number of a lesson is measured over at least so many


class ExerciseFailed(AssertionError):
    """An exercise that had to be solved is not."""


class NotYet(Exception):
    """Raised by an exercise: what is wrong with the answer."""


class NoAnswer(NotYet):
    """Raised by an exercise whose program nobody has changed yet."""


_exercises = {}  # name -> whether it is passed


class _Sentence(string.Formatter):
    """Fills a sentence, with minus signs in front of negative numbers."""

    def format_field(self, value, spec):
        text = super().format_field(value, spec)
        return f"−{text[1:]}" if text.startswith("-") else text


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
    shown = {name for _, name, *_ in string.Formatter().parse(sentence) if name is not None}
    if missing := sorted(shown - set(numbers)):
        raise ValueError(f"The claim speaks of {{{missing[0]}}}, but no number {missing[0]}=… was given.")
    filled, unused = _Sentence().vformat(sentence, (), numbers), set(numbers) - shown
    if unused or not numbers:
        what = ", ".join(sorted(unused)) or "no number at all"
        raise ValueError(f"The claim {sentence!r} was given {what}, and does not show it in braces.")
    if not truth(condition):
        measured = ", ".join(f"{name}={value}" for name, value in numbers.items())
        raise ClaimFailed(f"This sentence is not true any more: “{filled}” (measured: {measured})")
    page = f"<b style='color:{TRUE}'>✓</b> {inline(filled)} <span style='font-size:12px;white-space:nowrap'>({seeds} seeds)</span>"
    tell(f"✓ {filled} ({seeds} seeds)", page, TRUE)


def check(exercise, *answer, **settings):
    """Look at the answer to an exercise and say what is wrong with it, if anything is.

    Args:
        exercise: from one of `helpers.lessons.exercises_*`. It takes the answer, returns a sentence if
            that passes, and raises `NotYet` with a sentence if it does not.
        answer: yours; the three dots stand for no answer yet. A repaired program is given as `model, x, y, x_val, y_val`.
        settings: with a repaired program, the arguments of its `fit`.
    """
    name = exercise.__name__.replace("_", " ")
    passed, mark, color = False, "○", OPEN
    if len(answer) == 1 and answer[0] is ...:
        words = "No answer yet. Put yours in place of the three dots and run this cell again."
    else:
        try:
            words, passed, mark, color = exercise(*answer, **settings), True, "✓", TRUE
        except NoAnswer as reason:
            words = str(reason)
        except NotYet as reason:
            words, mark, color = str(reason), "✗", WRONG
    _exercises[name] = passed
    page = f"<b style='color:{color}'>{mark}</b> <b>{name}</b>: {inline(words)}"
    tell(f"{mark} {name}: {words}", page, color)


def has_passed(exercise):
    """Whether an exercise has passed its check in this session."""
    return _exercises.get(exercise.__name__.replace("_", " "), False)


def score(all_exercises=False):
    """Say how many predictions came true and how many exercises are passed.

    Args:
        all_exercises: True to raise ExerciseFailed if one of them is not, as in the solutions.
    """
    lines = []
    scored = [p for p in asked_here.values() if p.kept is not None and p.measured is not None]
    if asked_here:
        right = sum(p.kept == p.measured for p in scored)
        lines.append(f"Predictions: {len(scored)} of {len(asked_here)} made and measured, {right} right.")
    if _exercises:
        lines.append(f"Exercises: {sum(_exercises.values())} of {len(_exercises)} passed.")
    tell(" ".join(lines) or "Nothing to score yet.")
    left = [name for name, passed in _exercises.items() if not passed]
    if all_exercises and left:
        raise ExerciseFailed(f"Not passed: {', '.join(left)}.")


def forget():
    """Forget all predictions and exercises of this session."""
    asked_here.clear()
    _exercises.clear()
