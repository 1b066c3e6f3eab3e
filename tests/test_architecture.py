"""The import graph, drawn from the source: two packages, one arrow between them, no circles, few floors."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("why_wont_it_learn", "helpers")
FLOORS = {"why_wont_it_learn": 7, "helpers": 8}  # at most; fewer are easier to follow
# What the library may need only inside a function: it is optional, or it belongs to the lessons.
OPTIONAL = {"IPython", "matplotlib"}
FOREIGN = {"helpers", "ipywidgets", "anywidget", "traitlets", "pandas", "jupyter", "website", "dashboards", "classroom"}


def modules(package):
    """{dotted name: path} of the modules of a package."""
    paths = (ROOT / package).rglob("*.py")
    return {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}


def imported(path, everywhere=True):
    """The dotted names that a module imports, relative ones made absolute; everywhere: inside functions, too."""
    parents = path.relative_to(ROOT).parent.parts
    tree = ast.parse(path.read_text("utf-8"))
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = parents[: len(parents) - node.level + 1] if node.level else ()
            module = ".".join([*start, *([node.module] if node.module else [])])
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def graph(package):
    """{module: modules of the same package that it imports}. A package stands for its __init__ only where nothing deeper is named."""
    names = modules(package)
    edges = {}
    for name, path in names.items():
        targets = imported(path) & set(names) - {name}
        edges[name] = {one for one in targets if not any(other.startswith(f"{one}.") for other in targets)}
    return edges


def floors(edges):
    """{module: its floor}: 1 where nothing is imported, else one above the highest below. Fails on a circle."""

    @cache
    def floor(name):
        assert name not in under_way, f"{name} imports itself by way of {', '.join(under_way)}"
        under_way.append(name)
        height = 1 + max(map(floor, edges[name]), default=0)
        under_way.remove(name)
        return height

    under_way = []
    return {name: floor(name) for name in edges}


def test_a_circle_is_found():
    with pytest.raises(AssertionError, match="imports itself"):
        floors({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert floors({"a": {"b"}, "b": set(), "c": {"a", "b"}}) == {"a": 2, "b": 1, "c": 3}


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_down_only_and_the_floors_are_few(package):
    found = floors(graph(package))
    assert len(found) > 10
    assert max(found.values()) <= FLOORS[package], sorted(found.items(), key=lambda pair: pair[1])


def test_the_library_stands_alone():
    for name, path in modules("why_wont_it_learn").items():
        tops = {target.split(".")[0] for target in imported(path)}
        assert not tops & FOREIGN, name
        if name != "why_wont_it_learn.pictures":  # which nothing imports at its top
            early = {target.split(".")[0] for target in imported(path, everywhere=False)}
            assert not early & OPTIONAL, name
            assert "why_wont_it_learn.pictures" not in imported(path, everywhere=False), name


def test_private_names_of_keras_and_tensorflow_are_in_one_file():
    """Attributes that begin with an underscore, of anything but self, and modules that Keras and TensorFlow do not export."""
    private = re.compile(r"keras\.src|tensorflow\.python")
    for package in PACKAGES:
        for name, path in modules(package).items():
            if name == "why_wont_it_learn.keras_private":
                continue
            assert not any(map(private.match, imported(path))), name
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    of_keras = node.value.id in (
                        "optimizer",
                        "loss",
                        "model",
                        "layer",
                        "metric",
                        "variable",
                        "generator",
                    )
                    assert not (of_keras and re.match("_[a-z]", node.attr)), f"{name}: {node.value.id}.{node.attr}"


PAPERS = ("README.md", "CONTRIBUTING.md", "classroom/README.md", "classroom/TEACHING.md", "benchmarks/README.md")
EXAMPLES = {"tests/test_x.py", "lessons/NN_name.py"}


@pytest.mark.parametrize("paper", PAPERS)
def test_what_the_papers_name_is_there(paper):
    text = (ROOT / paper).read_text("utf-8")
    for path in set(re.findall(r"`((?:\w+/)+[\w.]+\.py)`", text)) - EXAMPLES:
        assert (ROOT / path).exists(), path
    for name, path in re.findall(r"`(\w+)`\s+(?:of|in)\s+`([\w./]+\.py)`", text):
        assert re.search(rf"\b{name}\b", (ROOT / path).read_text("utf-8")), f"{name} is not in {path}"
