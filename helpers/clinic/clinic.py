"""`Clinic`: blind patients. Order tests from a budget, name the cause, prescribe, and see whether the patient recovers.

The page (clinic.js) shows what the kernel says and sends what the person did. What a patient suffers from never leaves the
kernel before the treatment.
"""

import asyncio
from pathlib import Path

import anywidget
import traitlets

from ..lab import plots
from ..lab.widget import Page
from .patients import LEVELS, REMEDIES, SIGNS, TESTS, admitted, patient

HERE = Path(__file__).parent
LAB = HERE.parent / "lab"
POINTS = 3  # for all the causes of a patient, and again for the cure; then units that are left count one each


class ClinicView(anywidget.AnyWidget):
    """What the page knows."""

    _esm = (LAB / "widget.js").read_text("utf-8") + (HERE / "clinic.js").read_text("utf-8")
    _css = (LAB / "lab.css").read_text("utf-8") + (HERE / "clinic.css").read_text("utf-8")

    state = traitlets.Dict().tag(sync=True)


class Clinic(Page):
    """Patients, one after the other, as many as you like.

    It displays itself as the last expression of a cell. You see how a patient presents itself, and its learning curve. Tests
    cost units of its budget. Then name the cause and prescribe: the clinic retrains the patient over twenty held-out
    seeds and tells the cause. Points: 3 for the causes, 3 for the cure, and if both are right 1 for each unit left, up to half of
    the budget: whoever guesses without a test gains nothing by it.

    The answers are in no widget, output or repr. They are in the memory of the kernel, and who knows Python can dig there.

    Args:
        level: 1 for one plain cause, 2 for a less plain one, 3 for two at once.
        seed: of the first patient; the same seeds are the same patients for everyone.
        cases: a list of `Patient`s to go through instead, such as `helpers.clinic.casebook.patients()`.

    >>> clinic = Clinic(level=1)
    >>> clinic.order("gradients")
    >>> clinic.treat(["vanishing_gradient"], ["tanh"])
    >>> clinic.admit(level=2)
    """

    def __init__(self, level=1, seed=0, cases=None):
        super().__init__()
        if level not in LEVELS:
            raise ValueError(f"level={level!r} is not one of {', '.join(map(str, LEVELS))}.")
        self.level, self.seed = level, seed
        self.cases = None if cases is None else list(cases)
        self.patient = None
        self.results = []  # (title, Result), the newest last
        self.outcome = None
        self.treated = self.named = self.causes = self.cured = self.points = 0
        self.look = 620, 1.0, False
        self._ordered = set()
        self._busy, self._note = False, ""
        self._task = None

    def __repr__(self):
        return f"<Clinic: {self.score}>"

    # --- what can be done --------------------------------------------------------------------------------------------

    def admit(self, level=None):
        """The next patient. Takes a second or two; returns how it presents itself.

        level: 1, 2 or 3; that of the patient before if None. Of no effect where there are `cases`.
        """
        self.level = self.level if level is None else level
        cases = self.cases
        one = patient(self.seed, self.level) if cases is None else cases[self.seed % len(cases)]
        self.results = [("Learning curve", admitted(one))]
        self.patient, self.outcome = one, None
        self.seed += 1
        self._ordered.clear()
        self._tell()
        return self.story

    def order(self, name):
        """Order one of `patients.TESTS`; returns what it shows, in words. ValueError if it cannot be ordered."""
        if name not in TESTS:
            raise ValueError(f"{name!r} is not one of {', '.join(TESTS)}.")
        self._present()
        if name in self._ordered:
            raise ValueError(f"This test has been done: {TESTS[name].label}.")
        if self.outcome:
            raise ValueError("This patient has been treated. Admit the next one.")
        if TESTS[name].cost > self.left:
            raise ValueError(f"This test costs {TESTS[name].cost}, and {self.left} are left.")
        result = self.patient.order(name)
        self._ordered.add(name)
        self.results.append((TESTS[name].label, result))
        self._tell()
        return result.text

    def treat(self, causes, remedies):
        """Name the causes and prescribe; returns what became of the patient, in words.

        causes: names in `patients.SIGNS`, as many as the patient has. remedies: one or two names in `patients.REMEDIES`.
        """
        self._present()
        if self.outcome:
            raise ValueError("This patient has been treated. Admit the next one.")
        _names("causes", causes, SIGNS, self.patient.slots)
        _names("remedies", remedies, REMEDIES, 2)
        outcome = self.patient.treat(causes, remedies)
        self.outcome = outcome
        self.treated += 1
        self.named += outcome.named
        self.causes += self.patient.slots
        self.cured += outcome.cured
        self.points += self._earned()
        self._tell()
        return " ".join(outcome.words)

    def _earned(self):
        named, cured = self.outcome.named == self.patient.slots, self.outcome.cured
        return POINTS * (named + cured) + min(self.left, self.patient.budget // 2) * (named and cured)

    def _present(self):
        if self.patient is None:
            self.admit()

    @property
    def left(self):
        """Units of the budget that are left."""
        return self.patient.budget - sum(TESTS[name].cost for name in self._ordered)

    @property
    def story(self):
        """How the patient presents itself."""
        return f"{self.patient.title}. {self.patient.story}"

    @property
    def score(self):
        """The session so far, in words."""
        if not self.treated:
            return "no patient treated yet"
        patients = f"{self.treated} patient{'s' * (self.treated > 1)} treated"
        return f"{patients}: {self.named} of {self.causes} causes named, {self.cured} cured, {self.points} points"

    @property
    def text(self):
        """The patient in words: how it presents itself, the tests that have been done, and what became of it."""
        lines = [self.story, *(f"{title}: {result.text}" for title, result in self.results)]
        if self.outcome:
            lines.append(" ".join(self.outcome.words))
        else:
            offered = ", ".join(
                f"{test.label} ({test.cost})" for name, test in TESTS.items() if name not in self._ordered
            )
            lines.append(f"Tests to order, {self.left} units left: {offered}.")
        return "\n".join(lines)

    # --- on the page -------------------------------------------------------------------------------------------------

    def _repr_mimebundle_(self, **kwargs):
        self._present()
        if self.view is None:
            self._find_loop()
            self.view = ClinicView()
            self.view.on_msg(self._receive)
            self._tell()
        bundle = self.view._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {
            **data,
            "image/png": self._picture(self.results[-1][1], (620, 1.0, False)),
            "text/plain": self.text,
        }, metadata

    def _request(self, message):
        """Do what the page asks for; while something is under way, nothing else."""
        action = message.get("action")
        if action == "size":
            look = _look(message)
            if look != self.look:
                self.look = look
                self._tell()
        elif self._busy:
            return
        elif action == "order":
            self._begin("The test is under way …", lambda: self.order(message["test"]))
        elif action == "treat":
            chosen = [[name for name in message[which] if name] for which in ("causes", "remedies")]
            self._begin("Retraining over twenty held-out seeds …", lambda: self.treat(*chosen))
        elif action == "admit":
            self._begin("The next patient is being admitted …", lambda: self.admit(message.get("level")))

    def _begin(self, words, work):
        """Do some work, on a thread of its own where there is an event loop, so that the kernel answers meanwhile."""
        self._busy, self._note = True, words
        self._tell()
        if self._loop is None:
            self._end(*_done(work))
        else:
            self._task = self._loop.create_task(self._work(work))

    async def _work(self, work):
        self._end(*await asyncio.to_thread(_done, work))

    def _end(self, note, error):
        self._busy, self._note = False, note
        self._tell()
        if error is not None:
            raise error

    def _tell(self):
        """The page should show what is there now; on the thread of the kernel only."""
        if self.view is not None and self.patient is not None and self._at_home():
            self.view.state = self._state()

    def _state(self):
        left, over = self.left, self.outcome is not None
        tests = [
            {"name": name, "label": test.label, "cost": test.cost, "help": test.help,
             "done": name in self._ordered, "open": name not in self._ordered and test.cost <= left and not over}
            for name, test in TESTS.items()
        ]  # fmt: skip
        results = [
            {"title": title, "text": result.text, "picture": self._picture(result, self.look)}
            for title, result in self.results
        ]
        return {
            "busy": self._busy,
            "note": self._note,
            "title": self.patient.title,
            "story": self.patient.story,
            "level": None if self.cases is not None else self.level,
            "levels": [[level, words] for level, words in LEVELS.items()],
            "left": left,
            "budget": self.patient.budget,
            "slots": self.patient.slots,
            "tests": tests,
            "results": results,
            "causes": [[name, cause.label] for name, cause in SIGNS.items()],
            "remedies": [[name, remedy.group, remedy.label] for name, remedy in REMEDIES.items()],
            "outcome": self._told() if over else None,
            "score": self.score,
        }

    def _told(self):
        """What became of the patient, for the page."""
        outcome = self.outcome
        return {
            "good": bool(outcome.cured and outcome.named == self.patient.slots),
            "words": outcome.words,
            "points": self._earned(),
            "lessons": outcome.lessons,
            "program": outcome.program,
        }

    def _picture(self, result, look):
        """The picture of a result as PNG; no bytes where it has none."""
        if not result.pictures:
            return b""
        return plots.Painter(result.pictures, *look).frame(plots.Scene(run=result.run))[1]


def _done(work):
    """Do some work: (what is to be said, the error if it is one that nobody foresaw)."""
    try:
        work()
    except ValueError as reason:
        return str(reason), None
    except Exception as error:
        return f"That broke off: {type(error).__name__}: {error}", error
    return "", None


def _names(what, given, known, most):
    """ValueError unless there are 1 to `most` different known names."""
    for name in given:
        if name not in known:
            raise ValueError(f"{name!r} is not one of the {what}: {', '.join(known)}.")
    if not 1 <= len(set(given)) == len(given) <= most:
        wanted = "one" if most == 1 else f"one to {most} different ones"
        raise ValueError(f"{len(given)} {what} are chosen; choose {wanted}.")


def _look(message):
    """Width, scale and darkness of the pictures that a page asked for, within reason."""
    width = min(760, max(280, int(message.get("width", 620))))
    return width, min(2.0, max(1.0, float(message.get("scale", 1.0)))), bool(message.get("dark", False))
