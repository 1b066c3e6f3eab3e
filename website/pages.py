"""Notebooks as saved → pages: Markdown, code, pictures and texts. Nothing of a notebook is run, and nothing of it is trusted."""

import ast
import base64
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat
import nh3
from bs4 import BeautifulSoup
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from nbconvert.filters import Highlight2HTML, markdown2html, strip_ansi

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
NOTEBOOKS = ROOT / "notebooks"
TAGS = {
    "a", "b", "blockquote", "br", "code", "dd", "del", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img",
    "kbd", "li", "ol", "p", "pre", "s", "small", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
ATTRIBUTES = {"*": {"class", "id"}, "a": {"href"}, "img": {"src", "alt", "width", "height"}, "ol": {"start"}}
# The colour of a note's border in a notebook, and its class on a page, whose policy allows no style in the text.
NOTES = {"success": "note good", "brand": "note", "warn": "note bad", "error": "note bad", "font-color": "note faint"}
PICTURE = re.compile(r"data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/=\s]+")


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
    """The saved notebook of a lesson, and what pages call it."""
    book = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    text = "".join(cell.source + "\n\n" for cell in book.cells[:2] if cell.cell_type == "markdown")
    title = re.search(r"^# (.+)$", text, re.M)
    paragraphs = [part.replace("\n", " ") for part in text.split("\n\n") if part and not part.startswith(("#", "|"))]
    if not title or not paragraphs:
        raise ValueError(
            f"{name}.ipynb begins with no title and sentence: a page needs both. Build the notebooks first."
        )
    return book, Lesson(name, title[1], _plain(paragraphs[0]), binder(f"notebooks/{name}.ipynb"))


def _plain(text):
    return BeautifulSoup(markdown2html(text), "html.parser").get_text().strip()


# --- what stands in a notebook -----------------------------------------------------------------------------------------------


def clean(html):
    """HTML with nothing in it but text, its structure, links and pictures that it carries along."""
    soup = BeautifulSoup(html, "html.parser")
    for node in soup.find_all(["script", "style"]):
        node.decompose()
    for node in soup.find_all(style=lambda style: style and "border-left" in style):
        node["class"] = next((NOTES[key] for key in NOTES if f"--jp-{key}" in node["style"]), "note")
    for node in soup.find_all("img"):
        node["alt"] = node.get("alt", "")
    kept = nh3.clean(
        str(soup),
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_value,
        url_schemes={"http", "https", "data"},
        link_rel=None,
    )
    return Markup(kept)


def _value(tag, name, value):
    """The value of an allowed attribute, or None if it is not one to keep."""
    if name == "src":
        fits = PICTURE.fullmatch(value)
    elif name == "href":
        fits = not value.strip().lower().startswith("data:")
    elif name == "start":
        fits = value.isdigit()
    else:
        fits = True
    return value if fits else None


def markdown(text, known):
    """A Markdown text as HTML; links to notebooks go to their pages, those that have none to the repository."""
    soup = BeautifulSoup(markdown2html(text), "html.parser")
    for anchor in soup.find_all("a", class_="anchor-link"):
        anchor.decompose()
    for link in soup.find_all("a", href=True):
        path, _, part = link["href"].partition("#")
        if path.endswith(".ipynb") and "://" not in path:
            name = Path(path).stem
            there = f"{name}.html" if name in known else f"{repository()}/blob/HEAD/notebooks/{path}"
            link["href"] = there + (f"#{part}" if part else "")
    for table in soup.find_all("table"):
        table.wrap(soup.new_tag("div", attrs={"class": "table"}))
    return clean(str(soup))


def code(source):
    """Python as HTML, coloured by classes."""
    return clean(Highlight2HTML(pygments_lexer="ipython3")(source)) if source.strip() else ""


def output(saved, number, prefix, folder):
    """An output as HTML; a picture is written into `folder` and named by the page."""
    if saved.output_type == "stream":
        return Markup("<pre>{}</pre>").format(strip_ansi(saved.text))
    if saved.output_type == "error":
        return Markup("<pre>{}</pre>").format(strip_ansi("\n".join(saved.traceback)))
    data = saved.data
    if "image/png" in data:
        path = folder / "pictures" / f"{prefix}-{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(data["image/png"]))
        size = saved.metadata.get("image/png", {})
        return Markup('<img src="pictures/{}" alt="{}" loading="lazy"{}>').format(
            path.name,
            size.get("alt") or data.get("text/plain", ""),
            Markup(' width="{}" height="{}"').format(int(size["width"]), int(size["height"]))
            if "width" in size
            else "",
        )
    if "text/html" in data:
        return clean(data["text/html"])
    if "text/markdown" in data:
        return markdown(data["text/markdown"], ())
    return Markup("<pre>{}</pre>").format(data.get("text/plain", ""))


# --- predictions -------------------------------------------------------------------------------------------------------------


def named(source, function):
    """The names of the predictions that a cell asks for ("predict") or scores ("reveal"), in their order."""
    calls = [
        node for node in ast.walk(ast.parse(source)) if getattr(getattr(node, "func", None), "id", None) == function
    ]
    return [call.args[0].value for call in sorted(calls, key=lambda call: call.lineno)]


def with_predictions(cell, outputs, asked):
    """The outputs of a cell, of which those of `predict` and `reveal` become parts of the page that take an answer and score it.

    asked: name -> options of the predictions so far. Those of this cell are added.
    """
    begins = {"predict": "Predict: ", "reveal": "You kept no answer. The measurement says: "}
    names = {function: iter(named(cell.source, function)) for function in begins}
    made = []
    for saved, html in zip(cell.outputs, outputs, strict=True):
        text = saved.get("data", {}).get("text/plain", "")
        function = next((function for function, begin in begins.items() if text.startswith(begin)), None)
        if function is None:
            made.append({"kind": "output", "html": html})
            continue
        name = next(names[function])
        if function == "predict":
            asked[name] = [line.partition(") ")[2] for line in text.splitlines()[1:]]
            soup = BeautifulSoup(html, "html.parser")
            options = [Markup(item.decode_contents()) for item in soup.find_all("li")]
            soup.ol.decompose()
            made.append(
                {"kind": "predict", "name": name, "question": Markup(soup.div.decode_contents()), "options": options}
            )
        else:
            answer = text.removeprefix(begins[function]).removesuffix(".")
            made.append({"kind": "reveal", "name": name, "answer": asked[name].index(answer), "html": html})
    return made


# --- pages -------------------------------------------------------------------------------------------------------------------


def parts(book, lab, lesson, known, folder):
    """The cells of a notebook as parts of a page, in which a part that JupyterLab shows folded is closed."""
    made, fold, code_number, asked = [], None, -1, {}
    for number, cell in enumerate(book.cells):
        level = len(re.match(r"(#*)", cell.source)[1]) if cell.cell_type == "markdown" else 0
        if fold is not None and level and level <= fold["level"]:
            fold = None
        if cell.cell_type == "markdown":
            if cell.metadata.get("jp-MarkdownHeadingCollapsed"):
                title, _, rest = cell.source.partition("\n")
                fold = {"kind": "fold", "title": title.strip("# "), "level": level, "parts": []}
                made.append(fold)
                (fold["parts"]).append({"kind": "text", "html": markdown(rest, known)})
                continue
            part = {"kind": "text", "html": markdown(cell.source, known)}
        elif cell.cell_type == "code":
            code_number += 1
            outputs = [
                output(saved, f"{number}-{at}", lesson.name[:2], folder) for at, saved in enumerate(cell.outputs)
            ]
            kind = "lab" if code_number == lab.cell else "code"
            shown = [one for one in with_predictions(cell, outputs, asked) if one["kind"] == "predict" or one["html"]]
            part = {"kind": kind, "html": code(cell.source), "outputs": shown}
        else:
            continue
        (made if fold is None else fold["parts"]).append(part)
    return made


def template(name):
    """A template whose values are escaped."""
    loader = FileSystemLoader(HERE / "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(name)
