"""Runs notebooks as Colab does, and prints what goes wrong in each, as JSON: run by tests/environments.py in Colab's environment."""

import json
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

WIDGET = "application/vnd.jupyter.widget-view+json"
SHOW_WIDGETS = ("Lab(", "predict(", "success_map(")


def faults(path):
    """What goes wrong in a notebook: errors, and cells that should show a widget and show none."""
    book = nbformat.read(path, 4)
    NotebookClient(book, timeout=600, kernel_name="python3", allow_errors=True).execute()
    found = []
    for cell in book.cells:
        outputs = cell.get("outputs", [])
        found += [f"{output.ename}: {output.evalue}" for output in outputs if output.output_type == "error"]
        begins = tuple(line for line in cell.source.splitlines() if line.startswith(SHOW_WIDGETS))
        shown = sum(WIDGET in output.get("data", {}) for output in outputs)
        if shown < len(begins):
            found.append(f"{shown} widgets are shown by {', '.join(begins)}")
    return found


if __name__ == "__main__":
    print(json.dumps({Path(path).stem: faults(path) for path in sys.argv[1:]}))
