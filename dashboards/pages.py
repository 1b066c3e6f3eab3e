"""notebooks/*.ipynb → one page for each lab and each clinic: what the lesson says to try, and the code that the lab needs.

Nothing is written twice: a page is cut out of its lesson. Of the code it keeps the statements on which the lab depends, of the
prose what stands around the lab.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbconvert.filters import markdown2html

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
SHOWN = ("Lab", "Clinic")  # what has a page; a map that the learner fills stands on the page of its lab
HEADING = re.compile(r"^#+ (?:\d+ · |Explain: |Look closer: )?(.*)\n*", re.M)


# Where the lab stands in the lesson is of no use here, and neither is a map that is not on the page.
ELSEWHERE = (
    (re.compile(r"Go back to the lab[^.]*\.\s*"), ""),
    (re.compile(r"the lab (above|at the top)|the first lab"), "the lab"),
    (re.compile(r"(?<=[.!?])\s+The map\b[^.]*\."), ""),
)


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
    lesson = HEADING.match(cells[0].source)[1]
    end = next((i for i, cell in enumerate(cells) if re.search(r"^## Exercises", cell.source, re.M)), len(cells))
    code = [(i, s) for i, cell in enumerate(cells) if cell.cell_type == "code" for s in ast.parse(cell.source).body]
    found = []
    for place, (index, statement) in enumerate(code):
        if _called(statement) not in SHOWN or index >= end:
            continue
        lab = min(_bound(statement), default=None)
        shown = [nbformat.v4.new_code_cell(_source([*_needed(code[:place], statement), statement], lab))]
        heading, text = _prose(cells, index)
        if not found:
            heading, text = lesson, f"{_after(cells, index)}\n\n{_observe(cells)}"
        for later in range(place + 1, len(code)):
            where, other = code[later]
            if lab in _bound(other):
                break
            if _called(other) == "success_map" and lab in _read(other) and "finds=True" in ast.unparse(other):
                told = re.search(r"(Fill|Find|Make) .*", _prose(cells, where)[1], re.S)[0]
                needs = _needed(code[:later], other, known={lab})
                shown += [
                    nbformat.v4.new_markdown_cell(_here(told)),
                    nbformat.v4.new_code_cell(_source([*needs, other])),
                ]
        title = heading[0].upper() + heading[1:]
        # The first page is named as its lesson, so that links to the lesson lead to it.
        found.append(Page(f"{name}-{len(found) + 1}" if found else name, lesson, title, _here(text), tuple(shown)))
    return found


# --- code -----------------------------------------------------------------------------------------------------------------


def _called(statement):
    """The name of the function that a statement calls to make what it shows or keeps; None if it does something else."""
    value = getattr(statement, "value", None)
    return getattr(getattr(value, "func", None), "id", None)


def _read(statement):
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def _bound(statement):
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _needed(before, statement, known=()):
    """Of the statements that stand before one, those whose names it needs, in their order."""
    wanted, kept = _read(statement) - set(known), []
    for _, other in reversed(before):
        if _bound(other) & wanted:
            kept.append(other)
            wanted = wanted - _bound(other) | _read(other) - set(known)
    return kept[::-1]


def _source(statements, shown=None):
    return "\n".join([*map(ast.unparse, statements), *([shown] if shown else [])])


# --- prose ----------------------------------------------------------------------------------------------------------------


def _here(text):
    for pattern, words in ELSEWHERE:
        text = pattern.sub(words, text)
    return text.strip()


def _prose(cells, index):
    """(heading, text) of what a lesson says right before a cell."""
    said = [cell.source for cell in cells[:index] if cell.cell_type == "markdown"]
    heading = next(HEADING.findall(source)[-1] for source in reversed(said) if HEADING.search(source))
    return heading, HEADING.split(said[-1])[-1].strip()


def _after(cells, index):
    """What a lesson says right after a cell, up to the next heading."""
    return HEADING.split(cells[index + 1].source)[0].strip() if cells[index + 1].cell_type == "markdown" else ""


def _observe(cells):
    """What a lesson tells to try in its first lab."""
    for cell in cells:
        for part in re.split(r"^(?=## )", cell.source, flags=re.M):
            if part.startswith("## Observe"):
                return HEADING.split(part)[-1].strip()
    return ""
