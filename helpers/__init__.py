"""Why won't it learn? The small package behind the notebooks.

>>> from helpers import Experiment, train
>>> run = train(Experiment(problem="sine", depth=3, width=16, activation="tanh"))
>>> run.learned, run.verdict
"""

from .experiments.experiment import Experiment
from .experiments.keras_program import to_keras
from .experiments.run import Run, SeedStudy
from .experiments.tables import table
from .experiments.training import train, train_seeds
from .lab.lab import Lab
from .lab.maps import success_map
from .rescue import smallest_rescue

__all__ = [
    "Experiment", "Lab", "Run", "SeedStudy", "diagnose", "smallest_rescue", "success_map", "table", "to_keras",
    "train", "train_seeds",
]  # fmt: skip


def __getattr__(name):
    """`diagnose` is imported when it is asked for: what it needs takes 30 MB that a lab does not."""
    if name == "diagnose":
        from why_wont_it_learn import diagnose

        return diagnose
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
