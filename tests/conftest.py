"""What every test shares: a quiet TensorFlow, how thorough a run is, and how the tests are shared among processes.

Tests marked `nightly` are left out unless `python run.py test --all` asks for them. Under `-n`, the tests of one file run in one
process, one after the other, because most files share a server, a browser or graphs; a file whose tests (or groups of tests) can
run apart says so with `pytest.mark.xdist_group`.
"""

import collections
import gc
import itertools
import os
import sys
from pathlib import Path

# Before TensorFlow is imported, here and in the processes that tests start.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # `python run.py test --processors` tries both
# All processes of a run share the graphs that they trace, and the user's own cache is left alone.
os.environ.setdefault(
    "WHY_WONT_IT_LEARN_CACHE", str(Path(__file__).resolve().parent.parent / ".pytest_cache" / "graphs")
)

import chrome
import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("ci", max_examples=5, deadline=None, derandomize=True, database=None)
settings.register_profile("nightly", max_examples=50, deadline=None)
settings.load_profile("ci")

# The groups that take minutes. They start first, so that no process is left alone with a long one at the end.
MINUTES = {
    "03_optimizers": 3,
    "02_activations": 3,
    "07_your_own_network": 3,
    "04_preprocessing": 3,
    "05_regularization": 3,
    "06_debugging_clinic": 3,
    "01_capacity": 2,
    "test_doctor": 3,
    "test_training": 3,
    "test_dashboards": 2,
    "test_hub": 2,
    "test_memory": 1,
    "test_plots": 1,
    "test_site": 1,
    "test_browser": 1,
    "test_repairs": 1,
    "test_clinic": 1,
    "test_tables": 1,
    "test_command": 1,
    "test_lab": 1,
    "test_watch": 1,
    "test_whatever_fit_takes": 1,
    "test_keras_program": 1,
    "test_engine_seeds": 1,
    "test_properties": 1,
    "test_compile_arguments": 1,
    "labelled_accuracy": 1,
}
SOLVED = "0[1-7]_*.ipynb"  # tests/test_lessons_browser.py runs these lessons with their answers
HUB = ("test_hub.py", "test_classroom.py")


def browser():
    """Whether there is one, or nobody has looked yet: tests/suite.py sets CHROME to "" where it found and got none."""
    return os.environ.get("CHROME") != ""


def group(item):
    """The name of the group in which a test runs, as pytest-xdist makes it."""
    return "_".join(sorted({str(mark.args[0]) for mark in item.iter_markers("xdist_group")}))


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what is marked, and before pytest-xdist reads the groups
def pytest_collection_modifyitems(config, items):
    for item in items:
        if item.path.name in HUB:
            item.add_marker(pytest.mark.linux)
        if item.path.match(SOLVED):
            item.add_marker(pytest.mark.nightly)
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    absent = [name for name, there in {"browser": browser(), "linux": sys.platform == "linux"}.items() if not there]
    left_out = [item for item in items if any(map(item.get_closest_marker, absent))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: -MINUTES.get(group(item), MINUTES.get(item.path.stem, 0)))


def pytest_collection_finish():
    """What the imports made stays: looking at it again with every collection of garbage takes a fifth of the processor time."""
    gc.collect()
    gc.freeze()


_states = {}  # of the random numbers of each module, when its first test begins


@pytest.fixture(autouse=True)
def _same_numbers(request):
    """Each test draws the same numbers and first weights, whichever tests of its module run before it."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)
    for rng in (getattr(request.module, name, None) for name in ("rng", "RNG")):
        if isinstance(rng, np.random.Generator):
            rng.bit_generator.state = _states.setdefault(id(rng), rng.bit_generator.state)


@pytest.fixture
def trained(monkeypatch):
    """Lets a test say what training gives, a study or how many of 50 seeds learn, also by the experiment; tells what was trained."""
    from checking import study_with  # imports TensorFlow, which most tests do without

    asked = []

    def give(result):
        def train_seeds(experiment, seeds, **options):
            asked.append((experiment, seeds))
            given = result(experiment) if callable(result) else result
            return study_with(given) if isinstance(given, int) else given

        for name, module in list(sys.modules.items()):
            if name.startswith(("helpers.lessons.exercises_", "helpers.lessons.checkers")) and hasattr(
                module, "train_seeds"
            ):
                monkeypatch.setattr(module, "train_seeds", train_seeds)
        return asked

    return give


def pytest_sessionfinish(session):
    if not browser() and os.environ.get("CI"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    minutes = collections.Counter()
    for report in itertools.chain.from_iterable(terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport) and "@" in report.nodeid:  # as pytest-xdist writes the group
            minutes[report.nodeid.rpartition("@")[2]] += report.duration / 60
    if minutes:
        terminalreporter.section("minutes of the longest groups")
        for name, spent in minutes.most_common(20):
            terminalreporter.write_line(f"{spent:6.2f} {name}")
    if not browser():
        words = f"NO BROWSER: the tests that need one were left out. {chrome.advice()}"
        terminalreporter.write_line(words, red=True, bold=True)
