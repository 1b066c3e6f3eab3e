"""Why won't it learn? The small package behind the notebooks.

>>> from helpers import Experiment, train
>>> run = train(Experiment(problem="sine", depth=3, width=16, activation="tanh"))
>>> run.learned, run.verdict
"""

import gc
import os

# Before TensorFlow is imported: no start-up lines in red.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
# Before NumPy is imported: on small matrices and a busy machine, BLAS threads wait for each other a hundred times as long as
# one of them works.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from .experiments.experiment import Experiment
from .experiments.run import Run, SeedStudy
from .experiments.training import train, train_seeds
from .lab.lab import Lab
from .lab.maps import success_map
from .rescue import smallest_rescue

# What the imports made stays for good. Else Python's collector walks through all of it in the middle of a slider's move.
gc.collect()
gc.freeze()

__all__ = [
    "Experiment", "Lab", "Run", "SeedStudy", "diagnose", "smallest_rescue", "success_map", "train", "train_seeds",
]  # fmt: skip


def __getattr__(name):
    """`diagnose` is imported when it is asked for: what it needs takes 30 MB that a lab does not."""
    if name == "diagnose":
        from why_wont_it_learn import diagnose

        return diagnose
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
