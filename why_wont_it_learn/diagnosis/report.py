"""`Diagnosis` and how it is shown: a card in a notebook, with a picture of what was tried; a text everywhere else."""

import base64
import html
import sys
import textwrap
import time
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .symptoms import NOTHING, two_digits
from .trial_runner import CHECKPOINTS, TrialResult

PROVED, NOT_PROVED = "#0072B2", "#5B6470"  # colours, as in pictures.py
PROJECT = "https://github.com/why-wont-it-learn/why-wont-it-learn"
LESSONS = f"{PROJECT}/blob/main/notebooks"
ROWS = 12  # of the picture, the best
WIDTH = 7.4  # inches
LETTERS = 50  # of a line next to the picture of what was tried
LOWEST = -0.2  # skill below is drawn there
LAB = "why_wont_it_learn.lab"  # the group of entry points in which the lessons name their lab
REFRESH = 0.2  # seconds between two pictures of the progress bar


@dataclass(eq=False)
class Diagnosis:
    """What `diagnose` found.

    healthy: whether nothing is wrong; None if the budget was over before that could be told, and the findings, if any, are only
    guesses. findings: the most likely cause first; empty if the network is healthy.
    skill: of the network as it is, the median of some seeds, 0 for the baseline and 1 for perfect. attainable_skill: what can
    be learned. trials: every `FixTrial`. notes: what was left out. seeds: how many for each trial. seconds: how long it took.
    as_it_is: its training, a `TrialResult` on the scale of the trials, or None. call: (model, x, y, epochs, batch_size) of what was
    examined.
    """

    healthy: bool | None
    findings: list
    skill: float
    attainable_skill: float
    trials: list = field(repr=False)
    notes: list
    seeds: int
    seconds: float
    as_it_is: TrialResult | None = field(default=None, repr=False)
    call: tuple = field(default=(), repr=False)

    @property
    def causes(self):
        """The causes, the most likely first."""
        return [finding.cause for finding in self.findings]

    def __str__(self):
        return text(self)

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": text(self), "text/html": page(self)}

    def save(self, path):
        """Write the report to a file as a web page that needs no other file."""
        Path(path).write_text(document(self), "utf-8")

    def lab(self):
        """Open the network and its data in the lab, under the sliders that apply to it.

        ImportError where the lessons, which the lab belongs to, are not installed; ValueError, which names the reason, if no setting
        of the lab can express the network.
        """
        try:
            (lab,) = entry_points(group=LAB)
            lab = lab.load()
        except (ValueError, ImportError, AttributeError):  # `helpers` may be a module of somebody else
            raise ImportError(f"The lab comes with the lessons, which are not installed here: {PROJECT}") from None
        model, x, y, epochs, batch_size = self.call
        return lab(model, x, y, epochs=epochs, batch_size=batch_size)


def progress():
    """In a notebook a progress bar, which goes when the work is done: a function of (fraction, words). Elsewhere it does nothing."""
    if "IPython" not in sys.modules or sys.modules["IPython"].get_ipython() is None:
        return lambda fraction, words: None
    from IPython.display import display

    nothing = {"text/plain": "", "text/html": ""}
    handle = display(nothing, raw=True, display_id=True)
    shown_at = 0.0

    def tell(fraction, words):
        nonlocal shown_at
        if fraction < 1 and time.monotonic() - shown_at < REFRESH:
            return
        shown_at = time.monotonic()
        bar = f"<progress max='1' value='{fraction:.2f}' aria-label='diagnose'></progress> {html.escape(words)}"
        handle.update(
            {"text/plain": f"{fraction:.0%} {words}", "text/html": bar} if fraction < 1 else nothing, raw=True
        )

    return tell


def text(diagnosis):
    """The diagnosis as plain text."""
    lines = [_headline(diagnosis)]
    for number, finding in enumerate(diagnosis.findings, 1):
        lines += [
            f"{number}. {finding.cause.replace('_', ' ')}: {finding.evidence}",
            f"   {finding.explanation}",
            f"   Fix: {finding.fix} {_verdict(finding)}",
            *(f"       {line}" for line in finding.diff.splitlines()),
            f"   Lesson: {finding.lesson}",
        ]
    return "\n".join([*lines, *_without_effect(diagnosis), *diagnosis.notes])


def document(diagnosis):
    """The same as a web page of its own."""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Why won\'t it learn?</title>'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        "<style>body { font-family: sans-serif; line-height: 1.5; max-width: 60em; margin: 2em auto; padding: 0 1em }</style>"
        f"</head><body>{page(diagnosis)}</body></html>"
    )


def page(diagnosis):
    """The diagnosis as HTML."""
    parts = [f"<p><strong>{html.escape(_headline(diagnosis))}</strong></p>"]
    for number, finding in enumerate(diagnosis.findings, 1):
        color = PROVED if finding.verified else NOT_PROVED
        parts.append(
            f"<div style='border-left:3px solid {color};padding:0.1em 0.8em;margin:0.6em 0'>"
            f"<strong>{number}. {finding.cause.replace('_', ' ')}</strong>: {html.escape(finding.evidence)}<br>"
            f"<span style='opacity:0.8'>{html.escape(finding.explanation)}</span><br>"
            f"<strong>Fix:</strong> {html.escape(finding.fix)} {html.escape(_verdict(finding))}<br>{_shown(finding.diff)}"
            f"<a href='{LESSONS}/{finding.lesson}.ipynb'>Lesson {finding.lesson[:2]}: {finding.lesson[3:].replace('_', ' ')}</a></div>"
        )
    if diagnosis.trials and find_spec("matplotlib"):
        parts += [_image(draw(diagnosis)) for draw in (learned, tried) if draw is tried or _proof(diagnosis)]
    notes = [*_without_effect(diagnosis), *diagnosis.notes]
    parts += [f"<p><em>{html.escape(note)}</em></p>" for note in notes]
    return "".join(parts)


def _image(picture):
    data = base64.b64encode(picture.png()).decode()
    width = round(picture.get_size_inches()[0] * 100)
    image = f"<img src='data:image/png;base64,{data}' width='{width}' alt='{html.escape(picture.alt, quote=True)}'>"
    return f"<div style='overflow-x:auto' tabindex='0'>{image}</div>"  # on a telephone its letters stay large enough


def _proof(diagnosis):
    """The trial that verifies the first finding, where the training as it is can be drawn next to it; else None."""
    first = diagnosis.findings[0].cause if diagnosis.findings else None
    if diagnosis.as_it_is is None or first is None:
        return None
    return next((trial for trial in diagnosis.trials if trial.works and trial.cause == first), None)


def _without_effect(diagnosis):
    """What was tried and does not help, in a sentence; none if everything did."""
    helped = {finding.fix for finding in diagnosis.findings}  # in the end, together with another fix
    trials = [trial for trial in diagnosis.trials if not trial.works and trial.fix.words not in helped]
    words = dict.fromkeys(trial.fix.words.rstrip(".") for trial in trials)
    return [f"Without effect, each by itself: {'; '.join(words)}."] if words and not diagnosis.healthy else []


def _shown(diff):
    """Changed lines of code as HTML, the new ones in bold."""
    if not diff:
        return ""
    lines = [f"<b>{html.escape(line)}</b>" if line[0] == "+" else html.escape(line) for line in diff.splitlines()]
    return f"<pre style='margin:0.4em 0;white-space:pre-wrap'>{'<br>'.join(lines)}</pre>"


def _headline(diagnosis):
    seeds = "one seed" if diagnosis.seeds == 1 else f"{diagnosis.seeds} seeds"
    took = f"({diagnosis.seconds:.0f} s, {seeds} for each trial)"
    if diagnosis.healthy:
        return f"No problem found: it reaches a skill of {diagnosis.skill:.2f}, and about {diagnosis.attainable_skill:.2f} can be learned. {took}"
    if diagnosis.healthy is None and np.isnan(diagnosis.skill) and diagnosis.as_it_is is None:
        return f"Nothing shows whether it learns: no training was completed. {took}"
    if diagnosis.healthy is None:
        so_far = (
            "nothing was trained" if np.isnan(diagnosis.skill) else f"a skill of {two_digits(diagnosis.skill)} so far"
        )
        return f"There was not enough time to tell whether it learns: {so_far}. Give it a larger budget. {took}"
    if np.isnan(diagnosis.skill):
        return f"It cannot learn as it is. {took}"
    skill = "below 0" if diagnosis.skill < 0 else f"of {diagnosis.skill:.2f}"
    attainable = diagnosis.attainable_skill
    rest = (
        f"where at least {attainable:.2f} can be learned"
        if attainable >= NOTHING
        else "and reference models learn nothing either"
    )
    return f"It does not learn: a skill {skill}, {rest}. {took}"


def _verdict(finding):
    if finding.after is None:
        return "(Not tried.)" if not finding.verified else "(Tried on the data.)"
    change = f"skill {two_digits(finding.before)} → {two_digits(finding.after)}"
    return f"(Tried: {change}.)" if finding.verified else f"(Tried: {change}, which proves nothing.)"


def learned(diagnosis):
    """A picture of the training as it is and with the fix of the first finding: the skill of each seed on its way."""
    from ..pictures import PALETTE, Picture, label_right, style

    trial, told = _proof(diagnosis), []
    with style():
        picture = Picture(figsize=(WIDTH, 2.6))
        axes, labels = picture.add_axes([0.1, 0.19, 0.7, 0.66]), []
        for name, outcome, color in (
            ("as it is", diagnosis.as_it_is, NOT_PROVED),
            ("with the fix", trial.outcome, PROVED),
        ):
            skill = np.maximum(np.where(np.isnan(outcome.held), outcome.train, outcome.held), LOWEST)
            at = np.minimum(np.arange(1, len(skill) + 1) / CHECKPOINTS, outcome.steps / outcome.planned)
            axes.plot(100 * at, skill, color=color, lw=1.2, alpha=0.7)
            middle = np.median(skill, axis=1)
            labels.append((middle[-1], name, color))
            told.append(f"{name}, from {two_digits(middle[0])} to {two_digits(middle[-1])}")
        for skill, name, dashes in ((0, "baseline", ":"), (diagnosis.attainable_skill, "can be learned", "--")):
            axes.axhline(skill, color=PALETTE["text"], ls=dashes, lw=1.2)
            labels.append((skill, name, PALETTE["faint"]))
        kind = "training" if np.isnan(diagnosis.as_it_is.held).all() else "validation"
        axes.set(xlim=(0, 100), ylim=(LOWEST - 0.05, 1.1), xlabel="part of the training (%)", ylabel=f"{kind} skill")
        label_right(axes, labels)
        picture.entitle("The training, a line for each seed")
    picture.alt = f"The {kind} skill during the training: {'; '.join(told)}; {two_digits(diagnosis.attainable_skill)} can be learned."
    return picture


def tried(diagnosis):
    """A picture of all that was tried: a dot for the skill of each seed, the skill as it is and what can be learned as lines."""
    trials = sorted(diagnosis.trials, key=lambda trial: -np.median(trial.after))[:ROWS]
    words = [
        textwrap.shorten("Then: " * trial.later + trial.fix.words, 2 * LETTERS, placeholder=" …") for trial in trials
    ]
    lines = [textwrap.fill(label, LETTERS) for label in words]
    from ..pictures import PALETTE, Picture, style

    with style():
        near = diagnosis.attainable_skill - diagnosis.skill < 0.5  # the words would meet
        top, rows = 0.66 if near else 0.52, 0.38 * len(trials)
        height = top + rows + 0.5
        picture = Picture(figsize=(WIDTH, height))
        axes = picture.add_axes([0.51, 0.5 / height, 0.45, rows / height])
        for row, trial in enumerate(trials):
            color = PROVED if trial.works else NOT_PROVED
            after = np.maximum(trial.after, LOWEST)
            medians = max(np.median(trial.before), LOWEST), np.median(after)
            axes.plot(medians, [row, row], color=color, lw=1.2, alpha=0.5)
            axes.plot(after, np.full(len(after), row), "o", color=color, ms=4.5)
        for skill, name, dashes, up in (
            (max(diagnosis.skill, LOWEST), "as it is", ":", 4),
            (diagnosis.attainable_skill, "can be learned", "--", 15 if near else 4),
        ):
            axes.axvline(skill, color=PALETTE["text"], ls=dashes, lw=1.2)
            axes.annotate(name, (skill, 1), (0, up), xycoords=("data", "axes fraction"), textcoords="offset points",
                          ha="right" if skill > 0.8 else "center", color=PALETTE["faint"])  # fmt: skip
        axes.set_yticks(range(len(trials)), lines)
        axes.tick_params(axis="y", length=0)
        axes.set(xlim=(-0.25, 1.05), ylim=(len(trials) - 0.5, -0.6))
        axes.set_xlabel("skill (a dot for each seed; left edge: −0.2 or below)")
        axes.grid(axis="y", visible=False)
        picture.entitle("What was tried, one change at a time")
    told = [f"{words} {two_digits(np.median(trial.after))}" for words, trial in zip(words, trials, strict=True)]
    picture.alt = (
        f"What was tried. As it is the skill is {two_digits(diagnosis.skill)} (dotted), {diagnosis.attainable_skill:.2f} can be learned (dashed). "
        + "; ".join(told)
    )
    return picture
