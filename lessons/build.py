"""lessons/*.py → notebooks/*.ipynb and notebooks/solutions/*.ipynb, run and with their outputs.

A cell tagged `solution` stands only in the solutions, one tagged `exercise` only in the notebook to be filled in.
A part whose heading begins with `### Look closer` is folded in JupyterLab; a cell of its own must begin with that heading.
"""

import base64
import io
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
LESSONS = ROOT / "lessons"
NOTEBOOKS = ROOT / "notebooks"
FOLDERS = {"exercise": NOTEBOOKS, "solution": NOTEBOOKS / "solutions"}
CLASS_MAP = ROOT / "classroom/class_map.py"  # the teacher's, which stands beside its source
WIDGET = "application/vnd.jupyter.widget-view+json"


def names():
    """The lessons in their order."""
    return sorted(path.stem for path in LESSONS.glob("[0-9]*.py"))


def notebook(name, kind):
    """The notebook of a lesson without outputs: kind is "exercise", "solution" or "both", each exercise before its solution."""
    book = jupytext.read(CLASS_MAP if name == CLASS_MAP.stem else LESSONS / f"{name}.py")
    other = {"exercise": "solution", "solution": "exercise", "both": None}[kind]
    book.cells = [cell for cell in book.cells if other not in cell.metadata.get("tags", [])]
    for number, cell in enumerate(book.cells):
        cell["id"] = f"{name[:2]}-{number:02}"
        cell.metadata.pop("lines_to_next_cell", None)
        if cell.source.startswith("### Look closer"):
            cell.metadata["jp-MarkdownHeadingCollapsed"] = True
    book.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    return book


def run(book, folder):
    """Run every cell; a reader without a kernel sees the pictures and texts, not the widgets."""
    client = NotebookClient(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute()
    book.metadata.pop("widgets", None)
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if len(data) > 1:
                data.pop(WIDGET, None)
            if "image/png" in data:
                data["image/png"] = smaller(data["image/png"])
    return book


def smaller(png):
    """A picture of a notebook, base64, in at most 256 colours: half the size for those who clone them all."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    data = io.BytesIO()
    picture.quantize(256, dither=Image.Dither.NONE).save(data, "png", optimize=True)
    return min(png, base64.b64encode(data.getvalue()).decode() + "\n", key=len)


def main(wanted):
    """Build the named lessons, or all, and the teacher's notebook."""
    for name in wanted or [*names(), CLASS_MAP.stem]:
        for kind, folder in ({"exercise": CLASS_MAP.parent} if name == CLASS_MAP.stem else FOLDERS).items():
            folder.mkdir(parents=True, exist_ok=True)
            print(f"{name} ({kind}) …", flush=True)
            nbformat.write(run(notebook(name, kind), folder), folder / f"{name}.ipynb")


if __name__ == "__main__":
    main(sys.argv[1:])
