"""`Finding`: what is said of a network that does not learn."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """A named cause, the numbers that show it, the remedy, and the lesson that teaches it (its file's name).

    Of `diagnose` also: what the cause means, whether the remedy was tried and helps, the skill before and after it (the
    median of some seeds), and the fixed program (a `Variant`).
    """

    cause: str
    evidence: str
    remedy: str
    lesson: str
    explanation: str = ""
    verified: bool = False
    before: float | None = None
    after: float | None = None
    cure: object = field(default=None, repr=False)

    def __str__(self):
        return f"{self.evidence} {self.remedy}"
