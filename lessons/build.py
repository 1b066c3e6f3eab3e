"""lessons/*.py → notebooks/*.ipynb and notebooks/solutions/*.ipynb, run and with their outputs.

A cell tagged `solution` stands only in the solutions, one tagged `exercise` only in the notebook to be filled in.
A part whose heading begins with `### Look closer` is folded in JupyterLab; a cell of its own must begin with that heading.
Each notebook begins with a badge that opens it in Colab and a folded cell that fetches the project there, and only there.
Cells that only check claims are folded. The notebook to be filled in keeps no output that answers one of its predictions.
The claims that the teacher's guide quotes are brought up to date with what was measured.
"""

import ast
import base64
import io
import re
import sys
import tomllib
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
LESSONS = ROOT / "lessons"
NOTEBOOKS = ROOT / "notebooks"
FOLDERS = {"exercise": NOTEBOOKS, "solution": NOTEBOOKS / "solutions"}
CLASS_MAP = ROOT / "classroom/class_map.py"  # the teacher's, which stands next to its source
GUIDE = ROOT / "classroom/TEACHING.md"
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}  # in Colab and in JupyterLab
CLAIMS = {"claim", "reveal"}
WIDGET = "application/vnd.jupyter.widget-view+json"
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
BADGE = "[![Open in Colab](data:image/png;base64,{picture})]({address})"
FETCH = f"""\
# @title On Colab, run this cell first: it fetches the project.
import importlib.util, os, sys

if importlib.util.find_spec("google.colab"):
    os.system("git clone -q --depth 1 {REPOSITORY} && pip install -q anywidget")
    sys.path.insert(0, "{REPOSITORY.rpartition("/")[2]}")"""


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
        if cell.cell_type == "code" and only_checks(cell.source):
            cell.metadata.update(FOLDED)
    if name != CLASS_MAP.stem:
        book.cells[:0] = colab(FOLDERS.get(kind, NOTEBOOKS) / f"{name}.ipynb")
    book.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    return book


def colab(path):
    """The cells by which a notebook is opened and runs in Colab; what is tagged so is not shown elsewhere."""
    owner_and_name, place = REPOSITORY.removeprefix("https://github.com/"), path.relative_to(ROOT).as_posix()
    address = f"https://colab.research.google.com/github/{owner_and_name}/blob/main/{place}"
    # The picture stands in the text, as learners of a hub get a notebook without this repository, and JupyterLab asks a browser for
    # the address of an attachment before it puts the picture there.
    picture = base64.b64encode((ROOT / "docs/colab.png").read_bytes()).decode()
    text = BADGE.format(picture=picture, address=address)
    badge = nbformat.v4.new_markdown_cell(text, id="badge", metadata={"tags": ["colab"]})
    return [badge, nbformat.v4.new_code_cell(FETCH, id="fetch", metadata={"tags": ["colab"], **FOLDED})]


def calls(source):
    """The names of what a cell calls, methods with a dot before them: `model.predict` asks nobody to predict."""
    found = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return {getattr(function, "id", f".{getattr(function, 'attr', '')}") for function in found}


def figures():
    """The functions that draw what was measured."""
    tree = ast.parse((ROOT / "helpers/lessons/figures.py").read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} | {"success_map"}


def only_checks(source):
    """Whether a cell states what was measured, and neither trains, draws nor defines anything worth reading."""
    called = calls(source)
    trains = {"train", "train_seeds", "fit", "fit_seeds", ".fit"}
    return bool(called & CLAIMS) and not called & (trains | figures()) and not re.search("^(def|class) ", source, re.M)


def without_answers(book):
    """Clear the outputs from the first prediction on, except those of predictions and of labs alone, which name no cause."""
    asked = False
    for cell in book.cells:
        if cell.cell_type != "code":
            continue
        called = calls(cell.source)
        asked = asked or "predict" in called
        lab = "Lab" in called and not called & (CLAIMS | figures() | {"print"})
        if asked and lab:
            for output in cell.outputs:
                output.data["text/plain"] = re.sub(" ?Likely cause: .*", "", output.data["text/plain"], flags=re.S)
        if asked and not lab and (called & CLAIMS or "predict" not in called):
            cell.outputs, cell.execution_count = [], None
    return book


def claims(book):
    """The sentences that a built notebook measured."""
    texts = [output.get("data", {}).get("text/plain", "") for cell in book.cells for output in cell.get("outputs", [])]
    return re.findall(r"^'?✓ (.*) \(\d+ seeds\)", "\n".join(texts), re.M)


def masked(sentence):
    """A sentence without its measured numbers; those in `code` are part of it."""
    return re.sub(r"(`[^`]*`)|\d+(?:[.,]\d+)*(?:e[+-]?\d+)?", lambda found: found[1] or "#", sentence)


def quoted_anew(guide, sentences):
    """The teacher's guide, each quoted claim with the numbers that the notebooks measured last."""
    measured = {masked(sentence): sentence for sentence in sentences}
    return re.sub("(?<=^> ).*", lambda quote: measured.get(masked(quote[0]), quote[0]), guide, flags=re.M)


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
    method = Image.Quantize.MAXCOVERAGE  # which keeps a colour apart that only a dot and its label have
    picture.quantize(256, method, dither=Image.Dither.NONE).save(data, "png", optimize=True)
    return min(png, base64.b64encode(data.getvalue()).decode() + "\n", key=len)


def main(wanted):
    """Build the named lessons, or all, and the teacher's notebook."""
    for name in wanted or [*names(), CLASS_MAP.stem]:
        for kind, folder in ({"exercise": CLASS_MAP.parent} if name == CLASS_MAP.stem else FOLDERS).items():
            folder.mkdir(parents=True, exist_ok=True)
            print(f"{name} ({kind}) …", flush=True)
            book = run(notebook(name, kind), folder)
            nbformat.write(without_answers(book) if kind == "exercise" else book, folder / f"{name}.ipynb")
    solutions = [nbformat.read(FOLDERS["solution"] / f"{name}.ipynb", 4) for name in names()]
    guide = GUIDE.read_text("utf-8")
    GUIDE.write_text(quoted_anew(guide, [sentence for book in solutions for sentence in claims(book)]), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
