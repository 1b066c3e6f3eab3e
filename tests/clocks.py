"""Clocks for `diagnose`, so that no test depends on how fast a machine is."""

from why_wont_it_learn.diagnosis.data import Data
from why_wont_it_learn.diagnosis.trial_runner import Copies


class Ticks:
    """A clock that goes on at each look, by `seconds`."""

    def __init__(self, seconds=0.001):
        self.now, self.seconds = 0.0, seconds

    def __call__(self):
        self.now += self.seconds
        return self.now


class Work:
    """A clock that goes on with the work that is done.

    step: seconds for each step of training; copies that train one after the other take it one after the other. predicted: for
    each number that a network is given to predict from. reached: for each number that a model without a network is given.
    """

    def __init__(self, monkeypatch, step=0.0, predicted=0.0, reached=0.0):
        self.now = 0.0
        self._charge(
            monkeypatch,
            Copies,
            "train",
            lambda copies, state, x, y, order, rates: step * len(order) * len(copies.blocks),
        )
        self._charge(monkeypatch, Copies, "answers", lambda copies, state, x: predicted * x.shape.num_elements())
        self._charge(monkeypatch, Data, "_skill_of_model", lambda data, model: reached * data.few_columns.size)

    def _charge(self, monkeypatch, owner, name, cost):
        original = getattr(owner, name)

        def charged(*arguments):
            self.now += cost(*arguments)
            return original(*arguments)

        monkeypatch.setattr(owner, name, charged)

    def __call__(self):
        self.now += 1e-6  # a look is work, too
        return self.now
