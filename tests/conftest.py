"""What every test shares: a quiet TensorFlow, how thorough a run is, and how the tests are shared among processes.

Tests marked `nightly` are left out unless `python run.py test --all` asks for them. Under `-n`, the tests of one file run in one
process, one after the other, because most files share a server, a browser or graphs; a file whose tests (or groups of tests) can
run apart says so with `pytest.mark.xdist_group`.
"""

import os

# Before TensorFlow is imported, here and in the processes that tests start.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import pytest
from hypothesis import settings

settings.register_profile("ci", max_examples=5, deadline=None, derandomize=True, database=None)
settings.register_profile("nightly", max_examples=50, deadline=None)
settings.load_profile("ci")

# Minutes each. They come first, so that no process is left alone with a long one at the end.
LONG = (
    "test_lessons_browser.py",
    "test_dashboards.py",
    ".ipynb",
    "test_training.py",
    "test_memory.py",
    "test_hub.py",
    "test_keras_program.py",
    "test_properties.py",
)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items):
    def place(item):
        return next((place for place, name in enumerate(LONG) if item.path.name.endswith(name)), len(LONG))

    items.sort(key=place)
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
