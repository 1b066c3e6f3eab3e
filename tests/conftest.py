"""What every test shares: a quiet TensorFlow, and the order of the files."""

import os

# Before TensorFlow is imported, here and in the processes that tests start.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

# Minutes each. Where several processes share the files, these come first, so that no process is left alone with a long one.
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


def pytest_collection_modifyitems(items):
    def place(item):
        return next((place for place, name in enumerate(LONG) if item.path.name.endswith(name)), len(LONG))

    items.sort(key=place)
