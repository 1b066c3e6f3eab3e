"""Notebooks as saved → pages, by nbconvert and the templates next to this file. Nothing of a notebook is run.

Nothing of it is cleaned either: a notebook is a lesson of ours with the outputs that it was built with, and no text of anybody else
reaches a page while it is made. What a reader pastes there is shown as text by page.js, and the page's policy runs no script but ours.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html
from traitlets.config import Config

from helpers.lessons.teaching import inline

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
NOTEBOOKS = ROOT / "notebooks"
NOTEBOOK_LINK = re.compile(r'(?<=href=")(?!\w+:)([^"#]+)\.ipynb')
CONFIG = Config(
    TagRemovePreprocessor={"enabled": True, "remove_cell_tags": {"colab"}},
    ExtractOutputPreprocessor={"enabled": True, "output_filename_template": "{unique_key}-{cell_index}-{index}{extension}"},
)  # fmt: skip


@dataclass(frozen=True)
class Lesson:
    """A lesson as pages name it. summary: the sentence below its title."""

    name: str
    title: str
    summary: str
    binder: str

    @property
    def page(self):
        return f"{self.name}.html"


def repository():
    """The address of the project on GitHub, from the one place that names it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return project["urls"]["Repository"].rstrip("/")


def binder(path):
    """Where a notebook runs live."""
    owner_and_name = repository().removeprefix("https://github.com/")
    return f"https://mybinder.org/v2/gh/{owner_and_name}/HEAD?urlpath=lab/tree/{path}"


def read(name):
    """The saved notebook of a lesson, with the outputs that only its solution keeps, and what pages call it."""
    book, solution = (nbformat.read(folder / f"{name}.ipynb", 4) for folder in (NOTEBOOKS, NOTEBOOKS / "solutions"))
    measured = {cell.source: cell.outputs for cell in solution.cells if cell.cell_type == "code"}
    for cell in book.cells:
        if cell.cell_type == "code" and not cell.outputs:
            cell.outputs = measured.get(cell.source, [])
    blocks = [block for cell in book.cells if cell.cell_type == "markdown" for block in cell.source.split("\n\n")]
    title = next((block.removeprefix("# ") for block in blocks if block.startswith("# ")), None)
    summary = next((block for block in blocks if block[:1] not in "#|["), None)
    if not title or not summary:
        raise ValueError(
            f"{name}.ipynb begins with no title and sentence: a page needs both. Build the notebooks first."
        )
    return book, Lesson(name, title, Markup(markdown2html(summary)).striptags(), binder(f"notebooks/{name}.ipynb"))


def exporter():
    """Makes the page of a lesson from its notebook; the other templates are in its `environment`."""
    found = HTMLExporter(
        CONFIG, template_file="lesson.html", extra_template_paths=[str(HERE / "templates")], exclude_anchor_links=True
    )
    found.register_filter("inline", inline)
    return found


def page(book, lesson, **told):
    """The page of a lesson and its pictures, {path: bytes}. told: what else the template names."""
    files = {"unique_key": lesson.name[:2], "output_files_dir": "pictures"}
    html, resources = exporter().from_notebook_node(book, {"lesson": lesson, "page": lesson.page, **files, **told})
    known = {one.name for one in told["lessons"]}
    return NOTEBOOK_LINK.sub(lambda link: _address(link[1], known), html), resources["outputs"]


def _address(notebook, known):
    """Where a link to another notebook leads: to its page, or to the repository if it has none."""
    return f"{notebook}.html" if notebook in known else f"{repository()}/blob/HEAD/notebooks/{notebook}.ipynb"


def index(**told):
    """The first page."""
    return exporter().environment.get_template("index.html").render(resources={"page": "index.html", **told})
