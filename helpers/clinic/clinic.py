"""`Clinic`: blind patients. Order tests from a budget, name the cause, prescribe fixes, and see whether the patient recovers.

The front end (clinic.js) shows the state that the kernel sends, and sends what the person did. The state contains the cause of
a patient only after its treatment.
"""

import asyncio
import functools
from pathlib import Path

import anywidget
import traitlets

from ..experiments.keras_program import to_keras
from ..lab import plots
from ..lab.kernel_widget import KernelWidget
from .clinic_tests import TESTS, learning_curve
from .patients import FIXES, LEVELS, SYMPTOMS, patient, treat

HERE = Path(__file__).parent
LAB = HERE.parent / "lab"
SCORE = 3  # for all the causes of a patient, and again for the fix


class ClinicView(anywidget.AnyWidget):
    """What the front end knows."""

    _esm = (LAB / "widget.js").read_text("utf-8") + (HERE / "clinic.js").read_text("utf-8")
    _css = (LAB / "lab.css").read_text("utf-8") + (HERE / "clinic.css").read_text("utf-8")

    state = traitlets.Dict().tag(sync=True)


class Clinic(KernelWidget):
    """Patients, one after the other, as many as you like.

    It displays itself as the last expression of a cell. You see how a patient presents itself, and its learning curve. Tests
    cost credits of its budget. Then name the cause and prescribe fixes: the clinic retrains the patient with twenty held-out
    seeds and tells you the cause. Score: 3 for the causes, 3 for the fix, and if both are right 1 for each credit left, up to
    half of the budget, so that guessing without a test gains nothing.

    No widget and no output shows the cause before the treatment. The patient itself is plain data: anyone who knows Python can
    look.

    Args:
        level: 1 for one plain cause, 2 for a less plain one, 3 for two at once.
        seed: of the first patient; the same seeds are the same patients for everyone.
        cases: a list of `Patient`s to go through instead, such as `helpers.clinic.casebook.CASES`.

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
        self.cases = list(cases or ()) or None
        self.patient = None
        self.results = []  # (title, Result), the newest last
        self.outcome = None  # its `Treatment`
        self.treated = self.n_named = self.n_causes = self.n_fixed = self.score = 0
        self.look = 620, 1.0, False
        self._ordered = set()
        self._busy, self._note = False, ""
        self._task = None

    def __repr__(self):
        return f"<Clinic: {self.summary}>"

    # --- what can be done --------------------------------------------------------------------------------------------

    def admit(self, level=None):
        """The next patient. Takes a second or two; returns how it presents itself.

        level: 1, 2 or 3; that of the previous patient if None. Ignored where there are `cases`.
        """
        level = self.level if level is None else level
        one = self.cases[self.seed % len(self.cases)] if self.cases else patient(self.seed, level)
        self.level = level
        self.results = [("Learning curve", learning_curve(one))]
        self.patient, self.outcome = one, None
        self.seed += 1
        self._ordered.clear()
        self._update_view()
        return self.story

    def order(self, name):
        """Order one of `clinic_tests.TESTS`; returns what it shows, in words. ValueError if it cannot be ordered."""
        if name not in TESTS:
            raise ValueError(f"{name!r} is not one of {', '.join(TESTS)}.")
        self._ensure_patient()
        if name in self._ordered:
            raise ValueError(f"This test has been done: {TESTS[name].label}.")
        if self.outcome:
            raise ValueError("This patient has been treated. Admit the next one.")
        if TESTS[name].cost > self.credits:
            raise ValueError(f"Not enough credits: this test costs {TESTS[name].cost}, and you have {self.credits}.")
        result = TESTS[name].look(self.patient)
        self._ordered.add(name)
        self.results.append((TESTS[name].label, result))
        self._update_view()
        return result.text

    def treat(self, causes, fixes):
        """Name the causes and prescribe; returns what became of the patient, in words.

        causes: names in `patients.SYMPTOMS`, as many as the patient has. fixes: one or two names in `patients.FIXES`.
        """
        self._ensure_patient()
        if self.outcome:
            raise ValueError("This patient has been treated. Admit the next one.")
        _check_names("causes", causes, SYMPTOMS, self.patient.n_causes)
        _check_names("fixes", fixes, FIXES, 2)
        self.outcome = treat(self.patient, causes, fixes)
        self.treated += 1
        self.n_named += self.outcome.n_named
        self.n_causes += self.patient.n_causes
        self.n_fixed += self.outcome.fixed
        self.score += self._earned()
        self._update_view()
        return " ".join(self.outcome.sentences)

    def _earned(self):
        named, fixed = self.outcome.n_named == self.patient.n_causes, self.outcome.fixed
        return SCORE * (named + fixed) + min(self.credits, self.patient.budget // 2) * (named and fixed)

    def _ensure_patient(self):
        if self.patient is None:
            self.admit()

    @property
    def credits(self):
        """Credits of the budget that are left."""
        self._ensure_patient()
        return self.patient.budget - sum(TESTS[name].cost for name in self._ordered)

    @property
    def story(self):
        """How the patient presents itself."""
        self._ensure_patient()
        return f"{self.patient.title}. {self.patient.story}"

    @property
    def summary(self):
        """The session so far, in words."""
        if not self.treated:
            return "no patient treated yet"
        patients = f"{self.treated} patient{'s' * (self.treated > 1)} treated"
        return f"{patients}: {self.n_named} of {self.n_causes} causes named, {self.n_fixed} fixed, score {self.score}"

    @property
    def text(self):
        """The patient in words: how it presents itself, the tests that have been done, and what became of it."""
        lines = [self.story, *(f"{title}: {result.text}" for title, result in self.results)]
        if self.outcome:
            lines.append(" ".join(self.outcome.sentences))
        else:
            offered = ", ".join(
                f"{test.label} ({test.cost})" for name, test in TESTS.items() if name not in self._ordered
            )
            lines.append(f"Tests to order, {self.credits} credits left: {offered}.")
        return "\n".join(lines)

    # --- the front end ------------------------------------------------------------------------------------------------

    def _repr_mimebundle_(self, **kwargs):
        self._ensure_patient()
        if self.view is None:
            self._find_loop()
            self.view = ClinicView()
            self.view.on_msg(self._receive)
            self._update_view()
        return self._shown(kwargs, **{"image/png": _plot(self.results[-1][1], (620, 1.0, False))})

    def _request(self, message):
        """Do what the front end asks for; nothing else while something is under way."""
        action = message.get("action")
        if action == "size":
            look = plots.asked_look(message, 620, 760)
            if look != self.look:
                self.look = look
                self._update_view()
        elif self._busy:
            return
        elif action == "order":
            self._start("The test is running …", lambda: self.order(message["test"]))
        elif action == "treat":
            chosen = [[name for name in message[which] if name] for which in ("causes", "fixes")]
            self._start("Retraining with twenty held-out seeds …", lambda: self.treat(*chosen))
        elif action == "admit":
            self._start("The next patient is being admitted …", lambda: self.admit(message.get("level")))

    def _start(self, note, work):
        """Do some work, on a thread of its own where there is an event loop, so that the kernel answers meanwhile."""
        self._busy, self._note = True, note
        self._update_view()
        if self._loop is None:
            self._finish(*_result_of(work))
        else:
            self._task = self._loop.create_task(self._work(work))

    async def _work(self, work):
        self._finish(*await asyncio.to_thread(_result_of, work))

    def _finish(self, note, error):
        self._busy, self._note = False, note
        self._update_view()
        if error is not None:
            raise error

    def _update_view(self):
        """Send the state to the front end; on the thread of the kernel only."""
        if self.view is not None and self.patient is not None and self._at_home():
            self.view.state = self._state()

    def _state(self):
        left, over = self.credits, self.outcome is not None
        tests = [
            {"name": name, "label": test.label, "cost": test.cost, "help": test.help,
             "done": name in self._ordered, "open": name not in self._ordered and test.cost <= left and not over}
            for name, test in TESTS.items()
        ]  # fmt: skip
        results = [
            {"title": title, "text": result.text, "plot": _plot(result, self.look)} for title, result in self.results
        ]
        return {
            "busy": self._busy,
            "note": self._note,
            "title": self.patient.title,
            "story": self.patient.story,
            "level": None if self.cases is not None else self.level,
            "levels": [[level, words] for level, words in LEVELS.items()],
            "credits": left,
            "budget": self.patient.budget,
            "n_causes": self.patient.n_causes,
            "tests": tests,
            "results": results,
            "causes": [[name, cause.label] for name, cause in SYMPTOMS.items()],
            "fixes": [[name, fix.group, fix.label] for name, fix in FIXES.items()],
            "outcome": self._outcome_state() if over else None,
            "summary": self.summary,
        }

    def _outcome_state(self):
        """What became of the patient, for the front end."""
        return {
            "good": bool(self.outcome.fixed and self.outcome.n_named == self.patient.n_causes),
            "sentences": self.outcome.sentences,
            "score": self._earned(),
            "lessons": self.outcome.lessons,
            "program": to_keras(self.patient.experiment),
        }


@functools.lru_cache(maxsize=16)  # each state shows all results again
def _plot(result, look):
    """The plot of a result as PNG; no bytes where it has none."""
    return plots.Renderer(result.pictures, *look).frame(plots.Scene(run=result.run))[1] if result.pictures else b""


def _result_of(work):
    """Do some work: (what to tell the person, the error if it was not foreseen)."""
    try:
        work()
    except ValueError as reason:
        return str(reason), None
    except Exception as error:
        return f"That failed: {type(error).__name__}: {error}", error
    return "", None


def _check_names(what, given, known, most):
    """ValueError unless there are 1 to `most` different known names."""
    for name in given:
        if name not in known:
            raise ValueError(f"{name!r} is not one of the {what}: {', '.join(known)}.")
    if not 1 <= len(set(given)) == len(given) <= most:
        wanted = "one" if most == 1 else f"one to {most} different ones"
        raise ValueError(f"{len(given)} {what} are chosen; choose {wanted}.")
