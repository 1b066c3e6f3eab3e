"""What a person can do without any tool: questions to a network that does not learn, in an order that holds up.

`decision_tree()` is the one-page picture; `steps()` is the same as a list, each branch linked to its lesson.
"""

import textwrap
from typing import NamedTuple

from matplotlib.patches import FancyBboxPatch

from why_wont_it_learn.pictures import PALETTE, Picture, style

from .figures import WIDTH


class Step(NamedTuple):
    """A question. how: what to do to answer it. leaves: the answer that ends the search. then: what to do; lesson: its file."""

    question: str
    how: str
    leaves: str
    then: str
    lesson: str


FIRST = (
    Step(
        "Are inputs and targets numbers, of a size near 1?", "Print mean, spread, least and largest of each column.",
        "no", "Fill or leave out what is missing; scale.", "04_preprocessing",
    ),
    Step(
        "Can the output give these answers?", "Compare its activation with the targets, and the loss with both.",
        "no", "Linear for numbers, sigmoid or softmax for classes.", "02_activations",
    ),
    Step(
        "Do predictions beat a constant on new points?", "Compute it from predict(), not from the printed loss; try five seeds.",
        "yes, by far", "It learns. Compare it with a straight line and go on.", "01_capacity",
    ),
)  # fmt: skip
TEN = "Does it learn ten points by heart?"
TEN_HOW = "Ten points, no penalties, five times as long: the training loss must fall to almost nothing."
CANNOT = (
    Step(
        "Is the loss finite and calm?", "Look at the first ten epochs.",
        "no", "A tenth of the learning rate.", "03_optimizers",
    ),
    Step(
        "Does a gradient reach every layer?", "Look at the first gradient, layer by layer, and at the units.",
        "no", "Other activation, other first weights.", "02_activations",
    ),
    Step(
        "Has the loss stopped falling?", "Train five times as long, and with ten times the rate.",
        "no", "More steps, or larger ones.", "03_optimizers",
    ),
    Step(
        "Has it a bend, and units enough?", "Add a hidden layer; take eight times the units.",
        "no", "A larger network.", "01_capacity",
    ),
)  # fmt: skip
CAN = (
    Step(
        "And all points: is the training loss low?", "Compare it with that of a straight line.",
        "no", "More units, or train longer.", "01_capacity",
    ),
    Step(
        "With the penalties: still low?", "Train without L1, L2 and dropout, and compare.",
        "no", "Weaker penalties.", "05_regularization",
    ),
    Step(
        "Is the validation loss as low?", "Draw both on one axis.",
        "no", "More points, or a penalty.", "05_regularization",
    ),
    Step(
        "Does any other method beat a constant?", "Try a straight line and nearest neighbours.",
        "no", "Nothing to learn: look for other inputs.", "04_preprocessing",
    ),
)  # fmt: skip
TITLE = "Why won't it learn? Ask in this order, and stop at the first answer that points right"

_HEIGHT = 8.3  # inches


def decision_tree():
    """The procedure as a picture of one page; its `alt` holds every question."""
    with style():
        picture = Picture(figsize=(WIDTH, _HEIGHT))
        picture.suptitle(TITLE, x=0.12 / WIDTH, y=1 - 0.09 / _HEIGHT, ha="left", va="top", weight="bold", fontsize=10.5)
        axes = picture.add_axes([0, 0, 1, 1])
        axes.set(xlim=(0, WIDTH), ylim=(0, _HEIGHT))
        axes.axis("off")
        y = _HEIGHT - 0.85
        for step in FIRST:
            _row(axes, step, 0.15, y, 4.35, 3.2)
            y -= 0.83
        _box(axes, 0.15, y, 4.35, 0.6, TEN, TEN_HOW, PALETTE["floor"])
        for x, answer, steps in ((0.15, "no", CANNOT), (4.4, "yes", CAN)):
            start = (0.65, y - 0.3) if answer == "no" else (4.5, y - 0.1)
            _arrow(axes, start, (x + 0.5 if answer == "no" else x + 0.9, y - 0.82), answer)
            for number, step in enumerate(steps):
                _row(axes, step, x, y - 1.17 - 1.05 * number, 2.5, 1.25, last=number == len(steps) - 1)
    picture.alt = f"{TITLE}. " + " ".join(_told(step) for step in (*FIRST, *CANNOT, *CAN)) + f" In between: {TEN}"
    return picture


def _told(step):
    return f"{step.question} If {step.leaves}: {step.then}"


def _row(axes, step, x, y, width, leaf, last=False):
    """A question, and to its right what to do if the answer ends the search."""
    small = width < 3
    height = 0.7 if small else 0.6
    _box(axes, x, y, width, height, step.question, step.how, PALETTE["network"])
    room = 0.34 if small else 0.7
    _arrow(axes, (x + width, y), (x + width + room, y), step.leaves)
    _box(axes, x + width + room, y, leaf, height, step.then, f"→ {step.lesson[:2]}", PALETTE["dead"])
    if not last:
        other = {"no": "yes", "yes, by far": "no"}[step.leaves]
        _arrow(axes, (x + 0.5, y - height / 2), (x + 0.5, y - (1.05 if small else 0.83) + height / 2), other)


def _box(axes, x, y, width, height, head, words, color):
    """A box with its left edge at x and its middle at y: a bold line or two, and a plain one."""
    look = {"boxstyle": "round,pad=0,rounding_size=0.06", "fc": PALETTE["paper"], "ec": color, "lw": 1.3}
    axes.add_patch(FancyBboxPatch((x, y - height / 2), width, height, **look))
    letters = int(width * 15.5)
    bold = textwrap.wrap(head, int(letters * 0.9))
    plain = textwrap.wrap(words, letters)
    lines = [(line, "bold", "text") for line in bold] + [(line, "normal", "faint") for line in plain]
    for number, (line, weight, ink) in enumerate(lines):
        place = y + 0.135 * ((len(lines) - 1) / 2 - number)
        axes.text(x + 0.09, place, line, va="center", weight=weight, color=PALETTE[ink], fontsize=7.6)


def _arrow(axes, start, end, label):
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": PALETTE["faint"], "lw": 1.1})
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    across = start[1] == end[1]
    axes.text(
        x - 0.03 if across else x + 0.07, y + 0.07 if across else y, label,
        ha="center" if across else "left", va="bottom" if across else "center", color=PALETTE["text"], fontsize=7.6,
    )  # fmt: skip


class Steps:
    """The procedure as a list with links, for those who cannot see the picture, and for those who want to click."""

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/markdown": self.markdown, "text/plain": self.text}

    @property
    def markdown(self):
        """The list as Markdown; the links lead to the notebooks beside this one."""
        lines = [*_items(FIRST), f"{len(FIRST) + 1}. **{TEN}** {TEN_HOW}"]
        lines += ["    - *No:*", *_items(CANNOT, 8), "    - *Yes:*", *_items(CAN, 8)]
        return "\n".join(lines)

    @property
    def text(self):
        """The list as plain text."""
        return decision_tree().alt


def _items(steps, indent=0):
    return [
        f"{' ' * indent}{number}. **{step.question}** {step.how} If {step.leaves}: {step.then} "
        f"→ [{step.lesson.replace('_', ' ')}]({step.lesson}.ipynb)"
        for number, step in enumerate(steps, 1)
    ]


def steps():
    """The procedure as a list, each branch linked to its lesson."""
    return Steps()
