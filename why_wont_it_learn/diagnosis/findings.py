"""`Finding`: what is said of a network that does not learn."""

from dataclasses import dataclass, field

from .causes import CAUSES


@dataclass(frozen=True)
class Finding:
    """A named cause, the numbers that show it, and the fix.

    Of `diagnose` also: whether the fix was tried and helps, the skill before and after it (the median of some seeds), and the
    fixed program (a `Variant`), and the lines of Keras code that change (diff).
    """

    cause: str
    evidence: str
    fix: str
    verified: bool = False
    before: float | None = None
    after: float | None = None
    fixed: object = field(default=None, repr=False)
    diff: str = ""

    @property
    def explanation(self):
        """What the cause means."""
        return CAUSES[self.cause].explanation

    @property
    def lesson(self):
        """The file name of the lesson that teaches it."""
        return CAUSES[self.cause].lesson

    def __str__(self):
        return f"{self.evidence} {self.fix}"


def finding_of(symptom):
    """The `Finding` of a symptom whose fix has not been tried."""
    return Finding(symptom.cause, symptom.evidence, CAUSES[symptom.cause].fix)


def listed(names):
    """Names as people list them, the first four."""
    shown = list(names[:4]) + ([f"{len(names) - 4} more"] if len(names) > 4 else [])
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
