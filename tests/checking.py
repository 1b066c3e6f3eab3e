"""What tests share: how an exercise refuses an answer, how a program takes Ctrl+C."""

import signal
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.lessons.teaching import NotYet


def refused(checker, answer):
    """The sentence with which a checker refuses an answer."""
    with pytest.raises(NotYet) as reason:
        checker(answer)
    return str(reason.value)


def study_with(learned, **arrays):
    """What a checker sees of a study: `learned` seeds of 50, the others as the arrays say, or part of the way."""
    passed = np.arange(50) < learned
    values = {
        "loss": np.full((50, 20), 0.5),
        "dead": np.zeros((50, 20, 2)),
        "noise_floor": np.full(50, 0.1),
        "skill": np.where(passed, 1.0, 0.4),
    }
    values |= {name: np.broadcast_to(value, values[name].shape) for name, value in arrays.items()}
    return SimpleNamespace(
        learned=passed, success_rate=passed.mean(), verdict=f"Learned with {learned} of 50.", **values
    )


def heed_interrupts():
    """Let a program that is about to start be stopped by SIGINT, which a shell hides from what it runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
