"""notebooks/*.ipynb → one page for each lab and each clinic: what the lesson says to try, and the cells that the lab needs.

Nothing is written twice. The cells of a lesson's second page are tagged `dashboard-2`, and `dashboard-2-text` where their text
stands above the lab while the kernel starts. They are kept here by their tags, as nbconvert can only remove cells by tags.
"""

from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbconvert.filters import markdown2html

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
NEW = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}  # a page starts without outputs


@dataclass(frozen=True)
class Page:
    """A page: `name` of its notebook, title of its `lesson`, its own `title`, `text` (what to try, Markdown), `cells`."""

    name: str
    lesson: str
    title: str
    text: str
    cells: tuple  # nbformat cells

    def notebook(self, before=None, after=None):
        """As a notebook. `before` and `after`: the pages that it leads to, or None."""
        ways = {
            way: {"name": page.name, "title": page.title}
            for way, page in (("before", before), ("after", after))
            if page
        }
        return nbformat.v4.new_notebook(
            cells=list(self.cells),
            metadata={
                "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                "title": f"{self.title} · Why won't it learn?",
                "page": {"lesson": self.lesson, "title": self.title, "text": markdown2html(self.text), **ways},
            },
        )


def pages(folder=NOTEBOOKS):
    """The pages of all lessons, in their order."""
    return [
        page
        for path in sorted(folder.glob("[0-9]*.ipynb"))
        for page in pages_of(path.stem, nbformat.read(path, 4).cells)
    ]


def pages_of(name, cells):
    """The pages of one lesson, from the cells of its notebook."""
    found = []
    while shown := _tagged(cells, tag := f"dashboard-{len(found) + 1}"):
        text = _tagged(cells, f"{tag}-text")
        lesson, *parts = _headings(cells[: cells.index(text[0])])
        # The first page is named as its lesson, so that links to the lesson lead to it.
        place, title = (f"{name}-{len(found) + 1}", parts[-1]) if found else (name, lesson)
        told = "\n\n".join(cell.source for cell in text)
        found.append(Page(place, lesson, title, told, tuple(NEW[cell.cell_type](cell.source) for cell in shown)))
    return found


def _tagged(cells, tag):
    return [cell for cell in cells if tag in cell.metadata.get("tags", [])]


def _headings(cells):
    """The headings of some cells without what numbers and sorts them, such as "Dead units" of "## Explain: dead units"."""
    lines = [line for cell in cells if cell.cell_type == "markdown" for line in cell.source.splitlines()]
    words = [line.lstrip("# ").split(" · ")[-1].removeprefix("Explain: ") for line in lines if line.startswith("#")]
    return [heading[0].upper() + heading[1:] for heading in words]
