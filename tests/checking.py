"""What tests share: how an exercise refuses an answer, how a program takes Ctrl+C."""

import signal

import pytest

from helpers.lessons.teaching import NotYet


def refused(checker, answer):
    """The sentence with which a checker refuses an answer."""
    with pytest.raises(NotYet) as reason:
        checker(answer)
    return str(reason.value)


def heed_interrupts():
    """Let a program that is about to start be stopped by SIGINT, which a shell hides from what it runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
