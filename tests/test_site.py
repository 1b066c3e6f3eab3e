"""The pages that need no kernel: what they show is what the engine gives, they ask nobody for anything, and trust no text that is handed in."""

import dataclasses
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import keras
import numpy as np
import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import HANG, chromium, pale
from bs4 import BeautifulSoup
from checking import heed_interrupts
from covering import each_night
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from scipy.stats import binomtest
from test_architecture import imported, modules

from helpers import Experiment, train, train_seeds
from helpers.lab.plots import short_skill
from website import build, chunks, grid, labs, pack, pages

in_browser = pytest.mark.browser
trains = pytest.mark.xdist_group("test_site_training")  # needs no page, so it need not wait for those who share one
ROOT = Path(__file__).resolve().parent.parent
LESSONS = ["00_start_here", "02_activations"]  # a curve; a surface with gradients
SEEDS, SLIDER_VALUES = 3, 2
# Controls of which one value is enough, because each of their values takes a graph of its own.
STILL = ("activation", "optimizer")
SHOWN = """() => ({
    frame: document.querySelector('.still').dataset.frame,
    titles: [...document.querySelectorAll('.still-title')].map((node) => node.textContent),
    curve: document.querySelector('.still-network').getAttribute('d'),
    text: document.querySelector('.still .wwil-text').textContent,
    study: document.querySelector('.still-study').textContent,
    note: document.querySelector('#still-note').textContent,
    share: document.querySelector('#still-text').value,
})"""


@functools.cache
def main_lab(name):
    """The lab of a lesson; the programs before it are trained for an epoch each, which changes nothing in the lab."""
    fit = keras.Model.fit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "fit", lambda *given, **options: fit(*given, **options | {"epochs": 1}))
        return labs.main_lab(name)


FRAME = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def stills():
    """The main labs of two lessons, with a small grid."""
    found = {name: labs.main_lab(name, SLIDER_VALUES) for name in LESSONS}
    first = found["02_activations"].experiment
    slider_values = found["02_activations"].slider_values | {name: [getattr(first, name)] for name in STILL}
    return found | {"02_activations": dataclasses.replace(found["02_activations"], slider_values=slider_values)}


def one_thread(*_):
    """In place of the processes that train, each of which would have to import TensorFlow."""
    return ThreadPoolExecutor(1)


@pytest.fixture(scope="module")
def builds(stills):
    """Builds the pages of `stills` into a folder."""

    def go(folder, cache):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(labs, "main_lab", lambda name, few: stills[name])
            patch.setattr(chunks, "ProcessPoolExecutor", one_thread)
            build.build(folder, cache, LESSONS, SEEDS, say=lambda _: None)

    return go


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def site(builds, cache, tmp_path_factory):
    """A site of two lessons."""
    folder = tmp_path_factory.mktemp("pages") / "in" / "a folder"
    builds(folder, cache)
    return folder


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def visit(site, browser):
    """Opens a page from the file system, without a network; keeps what it asks for, and what goes wrong, in `page.asked` and `.wrong`."""

    def go(name):
        page = browser.new_context(
            offline=True, viewport={"width": 1280, "height": 900}, color_scheme="light"
        ).new_page()
        page.asked, page.wrong = [], []
        page.route("**", lambda route: route.continue_() if route.request.url.startswith("file://") else route.abort())
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda said: page.wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.goto(f"file://{quote(str(site))}/{name}")
        return page

    return go


@pytest.fixture
def page_of(visit):
    """Opens the page of a lesson, and closes it at the end of the test."""
    pages = []

    def go(name):
        pages.append(visit(name))
        return pages[-1]

    yield go
    for page in pages:
        page.context.close()


@pytest.fixture(scope="module", params=["index", *LESSONS])
def opened(visit, request):
    """Each page with all its parts unfolded, for tests that only look at it."""
    page = visit(f"{request.param}.html")
    page.evaluate("() => document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    yield page
    page.context.close()


@pytest.fixture(scope="module")
def texts(visit):
    """A page for texts that are handed in one after the other, as one that has taken a bad one has to take the next."""
    page = visit("00_start_here.html")
    page.locator(".still-share summary").click()
    yield page
    page.context.close()


def shown(page):
    page.evaluate(FRAME)
    return page.evaluate(SHOWN)


# --- the grid ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", each_night(labs.names(), labs.names()[::3]))  # each runs a lesson up to its lab
def test_the_grid_of_each_lesson_is_its_labs(name):
    still = main_lab(name)
    settings = still.settings()
    assert len(set(settings)) == len(settings) >= 500
    assert still.first in settings
    assert still.experiment_at(still.first) == labs.used(still.experiment)
    for control, values in still.slider_values.items():
        assert set(values) <= set(still.experiment.slider_values(control))
    kind = pack.plots.kind_of_fit(pack.make_problem(still.experiment))
    assert kind in grid.FIT_POINTS


def test_experiment_and_controls_come_from_the_lesson():
    still = main_lab("00_start_here")
    assert still.experiment == Experiment(problem="sine", depth=0)
    assert set(still.slider_values) == {"depth", "width", "learning_rate", "epochs"}
    assert still.pictures == ("fit", "loss")
    assert [len(values) for values in labs.main_lab("00_start_here", few=2).slider_values.values()] == [2, 2, 2, 2]


def test_a_lesson_without_a_lab_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(labs, "LESSONS", tmp_path)
    (tmp_path / "07_new.py").write_text("# %% [markdown]\n# # New\n\n# %%\nx = 1\n")
    with pytest.raises(ValueError, match=r"07_new has no Lab\(\.\.\.\)"):
        labs.main_lab("07_new")
    (tmp_path / "07_new.py").write_text("# %%\nfrom helpers import Experiment, Lab\nLab(Experiment())\n")
    with pytest.raises(ValueError, match="names no controls"):
        labs.main_lab("07_new")


def test_a_fit_that_no_page_can_draw_is_refused():
    with pytest.raises(ValueError, match=r"cannot draw the fit of 'auto_mpg' \(scatter\)"):
        grid.points_shown(pack.make_problem(Experiment(problem="auto_mpg")))


def without_numbers(text):
    """A text in which any number could be another one, as where rounding decides about its last digit."""
    return re.sub(r"\d[\d.,e+-]*", "…", text)


@trains
@pytest.mark.numerical
@pytest.mark.parametrize(
    ("experiment", "ends"),
    [
        (Experiment(problem="sine", depth=2, width=8), (20, 50)),
        (Experiment(problem="moons", depth=1, width=4, dropout=0.3, optimizer="momentum"), (30,)),
        (
            Experiment(
                problem="half_wave", samples=20, batch_size=None, noise=0.3, learning_rate=0.03, early_stopping=10
            ),
            (12, 150),  # before any has stopped, and after
        ),
        (Experiment(problem="line", depth=0, optimizer="sgd", learning_rate=1.0), (50,)),
    ],
    ids=["on the way", "dropout", "early stopping", "diverges"],
)
def test_what_is_kept_is_what_the_engine_gives(experiment, ends):
    wanted = [experiment.replace(epochs=end, seed=seed) for end in ends for seed in (0, 7)]
    (training,) = grid.trainings(wanted, seeds=5)
    assert training.wanted() == wanted
    assert training.members == [0, 1, 2, 3, 4, 7]
    for e, kept in zip(wanted, grid.results([training]), strict=True):
        study, run = train_seeds(e, 5), train(e, jit_compile=False)
        numbers = dict(zip(grid.NUMBERS, kept["numbers"], strict=True))
        np.testing.assert_allclose(kept["skills"], study.skill, rtol=1e-4, atol=1e-5)
        assert numbers["learned"] == study.learned.sum()
        assert numbers["ran"] == len(run.loss)
        assert (numbers["ran"] < e.epochs) == (e.early_stopping > 0 and e.epochs > 100)
        np.testing.assert_allclose(numbers["val_loss"], run.val_loss[-1], rtol=1e-4)
        np.testing.assert_allclose(numbers["median"], np.median(study.skill), rtol=1e-4, atol=1e-5)
        at = grid.sampled(len(run.loss))
        np.testing.assert_allclose(kept["curves"][1, : len(at)], run.val_loss[at], rtol=1e-4)
        np.testing.assert_allclose(kept["layers"][0], run.gradient_norm[-1], rtol=1e-3, atol=1e-6)
        assert without_numbers(kept["text"]).startswith(without_numbers(run.verdict))


@trains
@pytest.mark.numerical
def test_compiled_and_not_is_the_same_training(monkeypatch):
    wanted = [Experiment(problem="sine", depth=1, width=4, epochs=end) for end in (10, 30)]
    training = grid.trainings(wanted, seeds=3)
    plain = grid.results(training)
    monkeypatch.setattr(grid, "WORTH_COMPILING", 1)
    assert grid.compiles(training)
    for one, other in zip(plain, grid.results(training), strict=True):
        np.testing.assert_allclose(one["numbers"], other["numbers"], rtol=1e-4, atol=1e-5)
    assert not grid.compiles(grid.trainings([Experiment(dropout=0.1)], seeds=3))


def test_a_schedule_is_trained_to_its_own_end():
    wanted = [Experiment(epochs=end, schedule="cosine") for end in (10, 20)]
    assert [t.ends for t in grid.trainings(wanted, seeds=2)] == [(10,), (20,)]


def test_quantised_numbers_come_back():
    low, high = pack.DECADES
    values = np.array([1e-9, 0.0123, 7.0, 3e8])
    back = 10 ** (low + (pack.logarithms(values) - 1.0) / (pack.TOP - 1) * (high - low))
    np.testing.assert_allclose(back, values, rtol=2e-3)
    assert pack.logarithms([np.nan, np.inf, 0.0]).tolist() == [0, 0, 1]
    assert pack.levels([np.nan, -5.0, 0.0, 5.0], -1, 1).tolist() == [0, 1, 1 + round((pack.TOP - 1) / 2), pack.TOP]


# --- building ----------------------------------------------------------------------------------------------------------------


def command(*arguments):
    return [sys.executable, "-m", "website.build", *map(str, arguments)]


def surroundings():
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@trains
@pytest.mark.parametrize("way", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.nightly)])
def test_nothing_goes_on_after_an_interruption(tmp_path, way):
    small = [
        "00_start_here",
        "--to",
        tmp_path / "site",
        "--cache",
        tmp_path,
        "--seeds",
        2,
        "--slider-values",
        3,
        "--processes",
        1,
    ]
    process = subprocess.Popen(
        command(*small),
        cwd=ROOT,
        env=surroundings(),
        preexec_fn=heed_interrupts,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Several chunks are left when the first one is trained.
    assert any("chunk 1 of 7" in line for line in process.stdout), process.communicate()
    below = psutil.Process(process.pid).children(recursive=True)
    if way == signal.SIGINT:
        os.killpg(process.pid, way)  # as a terminal does, which interrupts the processes below, too
    else:
        process.send_signal(way)
    _, said = process.communicate(timeout=HANG)
    assert ("Finished training is kept" in said) == (way == signal.SIGINT)
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(below, timeout=HANG)
    assert not alive, "a process outlives the build"
    assert not (tmp_path / "site").exists()
    whole = [chunks.read_chunk(path) for path in tmp_path.glob("*.npz")]
    assert 1 <= len(whole) < 7


def test_a_build_goes_on_where_it_was(site, cache, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(chunks, "ProcessPoolExecutor", one_thread)
    shutil.copytree(cache, tmp_path / "cache")
    still = labs.main_lab("00_start_here", SLIDER_VALUES)
    experiments = dict.fromkeys(map(still.experiment_at, still.settings()))
    all_chunks = grid.chunks(grid.trainings(experiments, SEEDS))
    missing, *kept = (chunks.place(tmp_path / "cache", chunk, chunks.engine_digest()) for chunk in all_chunks)
    before = chunks.read_chunk(missing)
    missing.unlink()
    times = {path: path.stat().st_mtime_ns for path in kept}
    where = ["--to", tmp_path / "site", "--cache", tmp_path / "cache"]
    build.main(list(map(str, ["00_start_here", *where, "--seeds", SEEDS, "--slider-values", SLIDER_VALUES])))
    said = capsys.readouterr().out
    assert "2 of 3 chunks are there from before" in said
    assert {path: path.stat().st_mtime_ns for path in kept} == times
    after = chunks.read_chunk(missing)
    assert [values.shape for values in after.values()] == [values.shape for values in before.values()]
    assert (tmp_path / "site" / "00_start_here.html").exists()


def test_another_engine_trains_anew(tmp_path):
    (chunk,) = grid.chunks(grid.trainings([Experiment()], seeds=2))
    (other,) = grid.chunks(grid.trainings([Experiment()], seeds=3))
    places = {
        chunks.place(tmp_path, chunk, "a"),
        chunks.place(tmp_path, chunk, "b"),
        chunks.place(tmp_path, other, "a"),
    }
    assert len(places) == 3


def test_other_data_train_anew(tmp_path, monkeypatch):
    (tmp_path / "table.csv").write_text("x,y\n1,2\n")
    monkeypatch.setattr(chunks, "DATA", tmp_path)
    before = chunks.engine_digest()
    assert before == chunks.engine_digest()
    (tmp_path / "table.csv").write_text("x,y\n1,3\n")
    assert chunks.engine_digest() != before


def test_all_code_below_the_grid_trains_anew_when_it_changes():
    """Every module of both packages that grid.py imports, and that those import, is part of the digest."""
    names, left, below = modules("helpers") | modules("why_wont_it_learn"), [Path(grid.__file__)], set()
    while left:
        found = imported(left.pop()) & set(names) - below
        below |= found
        left += [names[name] for name in found]
    code = {names[name] for name in below if names[name].name != "__init__.py"}
    assert len(code) > 5
    assert code <= {path for pattern in chunks.ENGINE for path in chunks.ROOT.glob(pattern)}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["07_nothing"], "'07_nothing' is not one of 00_start_here"),
        (["--seeds", "0"], "--seeds 0 is not a number from 1 to 100"),
        (["--slider-values", "1000"], "--slider-values 1000 is not a number from 1 to 100"),
    ],
)
def test_nonsense_is_refused(arguments, sentence, capsys):
    with pytest.raises(SystemExit):
        build.main(arguments)
    assert sentence in capsys.readouterr().err


def put_files(folder, texts):
    """Write files, a dict of relative paths and texts, into a folder."""
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def files(folder):
    """The relative paths and the bytes of all files in a folder, as a dict."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", [".nojekyll", "index.html", "CNAME", ".git/HEAD"])
def test_a_folder_that_was_not_built_is_refused(tmp_path, name, monkeypatch):
    monkeypatch.setattr(build, "train", None)  # refused before anything is trained
    put_files(tmp_path, {name: "theirs"})
    for folder in (tmp_path, tmp_path / name):
        with pytest.raises(ValueError, match="was not built by this command"):
            build.main(["00_start_here", "--to", str(folder)])
    assert files(tmp_path) == {name: b"theirs"}


def test_only_what_was_built_is_replaced_or_deleted(tmp_path):
    made, folder = tmp_path / "made", tmp_path / "pages"
    put_files(folder, {".git/HEAD": "ref", "CNAME": "example.org", "data/mine.csv": "1,2", build.MANIFEST: ""})
    theirs = {name: text for name, text in files(folder).items() if name != build.MANIFEST}
    put_files(made, {".nojekyll": "", "index.html": "one", "01.html": "old", "data/01.js": "1", "pictures/01.png": "x"})
    for change in (lambda: None, lambda: [(made / gone).unlink() for gone in ("01.html", "data/01.js")]):
        change()
        put_files(made, {"index.html": "two", "02.html": "new"})
        build.put(made, folder)
        written = files(folder)
        assert set(written.pop(build.MANIFEST).decode().splitlines()) == files(made).keys()
        assert written == theirs | files(made)


def test_a_file_that_was_not_built_is_not_overwritten(tmp_path):
    made, folder = tmp_path / "made", tmp_path / "pages"
    put_files(made, {".nojekyll": "", "index.html": "ours"})
    put_files(folder, {".nojekyll": "", "index.html": "theirs", build.MANIFEST: ""})
    before = files(folder)
    with pytest.raises(ValueError, match=r"index\.html was not built by this command"):
        build.put(made, folder)
    assert files(folder) == before


def test_a_manifest_cannot_name_files_of_others(tmp_path):
    made, folder = tmp_path / "made", tmp_path / "pages"
    put_files(made, {"index.html": "ours"})
    put_files(tmp_path, {"outside.html": "theirs", "pages/CNAME": "theirs", "pages/.git/config": "theirs"})
    before = files(tmp_path)
    listed = ["../outside.html", "data/../../outside.html", str(tmp_path / "outside.html"), "CNAME", ".git/config"]
    (folder / build.MANIFEST).write_text("\n".join(listed))
    build.put(made, folder)
    assert files(tmp_path).items() >= before.items()


def test_a_site_names_all_its_files(site):
    assert build.built_before(site) == files(site).keys() - {build.MANIFEST}


def test_too_large_a_site_does_not_take_the_place_of_the_last(site, builds, cache, monkeypatch):
    monkeypatch.setattr(build, "MOST_BYTES", 1000)
    before = files(site)
    with pytest.raises(ValueError, match="take fewer slider values"):
        builds(site, cache)
    assert files(site) == before


def test_the_whole_site_stays_small(site, stills):
    """What a setting takes here, times the settings of the whole grid, and the pictures of all notebooks."""
    data = sum(path.stat().st_size for path in (site / "data").iterdir())
    here = sum(len(still.settings()) for still in stills.values())
    everywhere = sum(len(main_lab(name).settings()) for name in labs.names())
    notebooks = sum(path.stat().st_size for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert data / here * everywhere + notebooks < build.MOST_BYTES


# --- what the pages are made of ----------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_pages_have_a_policy_and_no_code_of_their_own(site):
    assert (site / ".nojekyll").exists()
    for path in site.glob("*.html"):
        text = path.read_text("utf-8")
        tags = Tags(text).found
        (policy,) = [a["content"] for tag, a in tags if a.get("http-equiv") == "Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert [part for part in policy.split("; ") if "unsafe" in part] == ["style-src 'self' 'unsafe-inline'"]
        for tag, attributes in tags:
            assert not any(name.startswith("on") for name in attributes), (tag, attributes)
            for name in ("src", "href"):
                address = attributes.get(name, "")
                if tag != "a":
                    assert not address.startswith(("http", "//", "/")), (tag, address)
                assert not address.lower().strip().startswith("javascript"), (tag, address)
                if "://" not in address and not address.startswith(("#", "data:")) and address:
                    assert (site / address.partition("#")[0]).exists() or address.endswith(".html"), address
        assert "<script>" not in text


class Still:
    cell = 0

    def settings(self):
        return []


def page_of_cells(*cells):
    """The page of a notebook with some cells, as a tree, and its pictures."""
    lesson = pages.Lesson("07_waves", "Waves & <b>", "s", "https://example.org")
    told = {
        "lessons": [lesson, dataclasses.replace(lesson, name="01_capacity")],
        "lab": Still(),
        "seeds": 2,
        "title": "t",
        "description": "d",
    }
    html, pictures = pages.page(
        new_notebook(cells=list(cells)), lesson, before=None, after=lesson, repository="r", **told
    )
    return BeautifulSoup(html, "html.parser"), pictures


def lab_cell(*outputs):
    return new_code_cell("Lab()", outputs=list(outputs))


def test_texts_are_escaped_and_notes_keep_their_look():
    note = "<div style='color:var(--jp-success-color1)'>✓</div>"
    soup, _ = page_of_cells(
        lab_cell(
            new_output("stream", text="\x1b[31m<script>alert(1)</script>"),
            new_output("error", ename="E", evalue="v", traceback=["<script>2</script>"]),
            new_output("display_data", {"text/plain": "<script>3</script>"}),
            new_output("display_data", {"text/plain": "plain", "text/html": note}),
        )
    )
    assert [script.get("src") for script in soup.find_all("script")] == ["data/07_waves.js", "page.js"]
    shown = [output.get_text().strip() for output in soup.find_all(class_="output")]
    assert shown == ["<script>alert(1)</script>", "<script>2</script>", "<script>3</script>", "✓"]
    assert soup.find(string="✓").parent["style"] == "color:var(--jp-success-color1)"
    assert soup.find("nav", class_="onward").get_text().strip() == "Waves & <b> →"


def test_pictures_are_files_that_say_themselves():
    pixel = {"image/png": "iVBORw0KGgo=", "text/plain": 'a "curve"'}
    soup, pictures = page_of_cells(
        lab_cell(new_output("display_data", pixel, metadata={"image/png": {"width": 3, "height": 4}}))
    )
    (image,) = soup.find_all("img")
    assert (image["alt"], image["width"], image["height"]) == ('a "curve"', "3", "4")
    assert list(pictures) == [image["src"]]
    assert build.FILES.fullmatch(image["src"])


def test_links_between_lessons_lead_to_pages():
    text = "[a](01_capacity.ipynb#too-small) [b](solutions/x.ipynb) [c](https://example.org/x.ipynb)"
    soup, _ = page_of_cells(new_markdown_cell(text))
    links = [link["href"] for link in soup.find(class_="text").find_all("a")]
    there = f"{pages.repository()}/blob/HEAD/notebooks/solutions/x.ipynb"
    assert links == ["01_capacity.html#too-small", there, "https://example.org/x.ipynb"]


def test_a_folded_part_ends_at_the_next_heading_of_its_level():
    def folded():
        return new_markdown_cell("### Look closer: a\n\nText", metadata={"jp-MarkdownHeadingCollapsed": True})

    cells = [folded(), new_code_cell("1"), new_markdown_cell("#### Below"), new_markdown_cell("## After"), folded()]
    soup, _ = page_of_cells(*cells)
    first, last = soup.find_all("details", class_="fold")
    assert first.summary.get_text() == "Look closer: a"
    assert [part in first.get_text() for part in ("Text", "Below", "After")] == [True, True, False]
    assert last.find_parent("details") is None


def test_a_mermaid_diagram_is_hidden_and_the_text_around_it_stays():
    soup, _ = page_of_cells(new_markdown_cell("Ask:\n\n```mermaid\nflowchart TD\n    a --> b\n```\n\n1. first"))
    soup.find(class_="jp-Mermaid").extract()
    assert ".jp-Mermaid { display: none; }" in (build.HERE / "page.css").read_text("utf-8")
    assert soup.find(class_="text").get_text().split() == ["Ask:", "first"]


def test_what_is_for_colab_is_not_on_a_page():
    soup, _ = page_of_cells(new_code_cell("import google", metadata={"tags": ["colab"]}), lab_cell())
    assert "google" not in soup.get_text()
    assert soup.find(id="lab")


def test_binder_is_named_after_the_repository():
    owner, name = pages.repository().split("/")[-2:]
    address = pages.binder("notebooks/00_start_here.ipynb")
    assert address == f"https://mybinder.org/v2/gh/{owner}/{name}/HEAD?urlpath=lab/tree/notebooks/00_start_here.ipynb"


# --- in the browser ----------------------------------------------------------------------------------------------------------


@in_browser
def test_a_page_asks_nobody_and_nothing_goes_wrong(opened, site):
    opened.evaluate("async () => { for (const image of document.images) image.loading = 'eager'; }")
    opened.wait_for_function("() => [...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    assert opened.wrong == []
    assert all(url.startswith((f"file://{quote(str(site))}/", "data:")) for url in opened.asked), opened.asked


def idle(page, name):
    """Whether a control says that it changes nothing."""
    help_text = page.locator(f"#{page.get_by_role('slider', name=name).get_attribute('aria-describedby')}")
    return help_text.inner_text() == "not used by these settings"


@in_browser
def test_keys_move_the_picture_and_its_numbers_are_those_that_were_kept(page_of, stills, cache):
    page = page_of("00_start_here.html")
    before = shown(page)
    assert idle(page, "width")  # there is no hidden layer yet
    assert not idle(page, "depth")
    page.get_by_role("slider", name="depth").press("ArrowRight")
    after = shown(page)
    still = stills["00_start_here"]
    setting = {**dict(zip(still.slider_values, still.first, strict=True)), "depth": still.slider_values["depth"][1]}
    e = still.experiment.replace(**setting)
    kept = build.train({"00_start_here": still}, cache, SEEDS, 1, say=lambda _: None)["00_start_here"][e]
    numbers = dict(zip(grid.NUMBERS, map(float, kept["numbers"]), strict=True))
    learned = round(numbers["learned"])
    assert not idle(page, "width")
    assert after["curve"] != before["curve"]
    assert after["titles"][0] == f"Fit: skill {short_skill(numbers['skill'])}" + (
        ", learned" if numbers["skill"] >= 0.95 else ""
    )
    assert after["titles"][1] == f"Validation loss {pack.plots.number(numbers['val_loss'])}"
    assert f"Learned in {learned} of {SEEDS} seeds" in after["titles"]
    low, high = binomtest(learned, SEEDS).proportion_ci(0.95, method="wilson")
    assert f"confidence {100 * low:.0f} to {100 * high:.0f}%" in after["study"]
    assert f"Median skill {short_skill(numbers['median'])}," in after["study"]
    assert after["text"] == kept["text"]
    assert page.get_by_role("slider", name="depth").get_attribute("aria-valuetext") == f"{e.depth} layers"
    assert Experiment.from_json(after["share"]) == e


@in_browser
def test_every_setting_of_the_grid_is_drawn(page_of, stills):
    page = page_of("02_activations.html")
    drawn = page.evaluate(
        """async () => {
            const inputs = [...document.querySelectorAll('.still select, .still input[type=range]')];
            const count = (input) => input.options?.length ?? Number(input.max) + 1;
            const total = inputs.reduce((product, input) => product * count(input), 1);
            const seen = new Set();
            for (let n = 0; n < total; n++) {
                let rest = n;
                for (const input of inputs) {
                    const index = rest % count(input);
                    rest = Math.floor(rest / count(input));
                    if (input.options) input.selectedIndex = index; else input.value = index;
                    input.dispatchEvent(new Event(input.options ? 'change' : 'input'));
                }
                await new Promise((done) => requestAnimationFrame(done));
                seen.add(document.querySelector('#still-text').value);
                const paths = [...document.querySelectorAll('.still path')];
                if (paths.some((path) => /NaN|undefined|Infinity/.test(path.getAttribute('d')))) throw new Error(`setting ${n}`);
            }
            return [total, seen.size];
        }"""
    )
    assert drawn[0] == drawn[1] == len(stills["02_activations"].settings())
    assert page.wrong == []


BEFORE = "Commit to your prediction above, and the answer is shown here."


@in_browser
def test_a_prediction_is_taken_once_and_scored_where_it_was_measured(page_of):
    page = page_of("02_activations.html")
    for name, chosen, words in [
        ("xor", "sigmoid", "You predicted it. The measurement says: sigmoid."),
        ("factor", "0.9", "You predicted: 0.9. The measurement says: 0.25."),
    ]:
        form, told = (page.locator(f"{kind}[data-name={name}]") for kind in (".predict", ".reveal"))
        assert told.inner_text().strip() == BEFORE
        assert form.get_by_role("button").is_disabled()
        form.get_by_role("radio", name=chosen, exact=True).check()
        form.get_by_role("button", name="Commit").click()
        assert form.get_by_role("status").inner_text() == "Saved. The measurement will score it."
        assert form.get_by_role("radio", disabled=True).count() == 3
        assert form.get_by_role("button").is_disabled()
        assert told.inner_text().strip() == words
    page.reload()
    assert page.locator(".predict[data-name=factor]").get_by_role("radio", name="0.9", exact=True).is_checked()
    assert page.locator(".reveal[data-name=factor]").inner_text().strip() == words
    assert page.locator(".reveal[data-name=adam]").inner_text().strip() == BEFORE
    assert page.locator(".reveal[data-name=adam] + .output").is_hidden()
    assert page.locator(".reveal[data-name=factor] + .output").is_visible()
    assert page.wrong == []


@pytest.mark.parametrize("name", labs.names())
def test_every_prediction_of_a_lesson_has_its_place_on_the_page(name):
    book, _ = pages.read(name)
    soup, _ = page_of_cells(*book.cells)
    forms = {
        form["data-name"]: [option["value"] for option in form.find_all("input")] for form in soup.find_all("fieldset")
    }
    answers = {told["data-name"]: told["data-answer"] for told in soup.find_all(class_="reveal")}
    calls = "\n".join(cell.source for cell in book.cells if cell.cell_type == "code")
    assert len(forms) == len(re.findall(r"\bpredict\(\s*\"", calls))
    assert answers.keys() == forms.keys()
    assert all(answer in forms[name] for name, answer in answers.items())


def load(page, text):
    page.get_by_label("The settings as text").fill(text)
    page.get_by_role("button", name="Load").click()
    return shown(page)


@in_browser
def test_a_setting_outside_the_grid_is_said_to_be_so(texts, stills):
    told = load(texts, Experiment(problem="sine", depth=7, noise=0.5).to_json())
    depths = stills["00_start_here"].slider_values["depth"]
    assert f"depth 7 is not among the trained settings here: {', '.join(map(str, depths))}" in told["note"]
    assert "noise 0.5 has no control here; everything is trained with 0.1" in told["note"]
    assert "open the live version" in told["note"]
    there = texts.get_by_role("slider", name="depth").get_attribute("aria-valuetext")
    assert there == f"{depths[-1]} layers"


@in_browser
def test_a_link_leads_to_a_setting(page_of, stills):
    still = stills["00_start_here"]
    e = still.experiment.replace(depth=still.slider_values["depth"][1], epochs=still.slider_values["epochs"][0])
    page = page_of(f"00_start_here.html#{quote(e.to_json())}")
    told = shown(page)
    assert Experiment.from_json(told["share"]) == e
    assert told["note"] == ""
    page.get_by_role("slider", name="depth").press("ArrowLeft")
    page.evaluate(FRAME)
    page.reload()
    assert Experiment.from_json(shown(page)["share"]) == e.replace(depth=0)


@in_browser
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "These are not shared settings"),
        ("<img src=x onerror=alert(1)>", "These are not shared settings"),
        ("[1, 2]", "These are not shared settings"),
        ("null", "These are not shared settings"),
        ('{"depth": "<b>3</b>"}', "is not a number"),
        ('{"depth": {"a": 1}}', "is not a number"),
        ('{"depth": null}', "is not a number"),
        ('{"__proto__": {"depth": 3}}', '"__proto__" is not one of the settings'),
        ('{"constructor": 1}', '"constructor" is not one of the settings'),
        ('{"<script>": 1}', "is not one of the settings"),
        ('{"depth": 1e999}', "depth=Infinity is not a finite number"),
        ('{"learning_rate": -1e999}', "learning_rate=-Infinity is not a finite number"),
        ('{"batch_size": 1e999}', "batch_size=Infinity is not a finite number"),
        ("[" * 9000, "These are not shared settings"),
        ("{" + " " * 20_000 + "}", "at most 10000 characters; this text has 20002"),
    ],
)
def test_a_hostile_text_gets_a_sentence(texts, text, sentence):
    before = texts.evaluate("document.querySelectorAll('*').length")
    by_hand = load(texts, text)
    texts.evaluate(
        "(text) => { document.querySelector('#still-note').textContent = ''; location.hash = encodeURIComponent(text); }",
        text,
    )
    if text:  # a link without a text is a link to the page
        texts.wait_for_function("() => document.querySelector('#still-note').textContent")
    for told in [by_hand, shown(texts)] if text else [by_hand]:
        assert sentence in told["note"]
        assert len(told["note"]) < 600
    assert texts.wrong == []
    assert texts.locator("img[src=x], .still script, .still b").count() == 0
    assert texts.evaluate("document.querySelectorAll('*').length") < before + 60
    # The next good one is taken as if nothing had been.
    e = Experiment(problem="sine", depth=1)
    told = load(texts, e.to_json())
    assert (Experiment.from_json(told["share"]).depth, told["note"]) == (1, "")


@in_browser
def test_all_samples_are_more_than_any_number_of_them(texts):
    for values, value, there in [
        ([8, 32, None], 1, 0),
        ([8, 32, None], 2000, 1),
        ([8, 32, None], None, 2),
        ([8, 32], None, 1),
        ([None], 5, 0),
        ([8, 32, None], -4, 0),
        ([0.001, 0.1], 0.02, 1),
        ([0, 0.001, 0.1], 0.002, 1),
    ]:
        assert texts.evaluate("([values, value]) => nearest(values, value)", [values, value]) == there, (values, value)
    told = texts.evaluate(
        """() => {
            const control = { name: "batch_size", label: "batch size", values: [8, 32, null], shown: ["8", "32", "all"] };
            return understood({ ...grid, controls: [control], first: [1] }, '{"problem": "sine", "depth": 0, "batch_size": 1}');
        }"""
    )
    assert told == {"indices": [0], "beyond": ["batch size 1 is not among the trained settings here: 8, 32, all"]}


THEMES = {"index": "light", "00_start_here": "dark", "02_activations": "light"}
OTHER = {"light": "dark", "dark": "light"}


def name_of(page):
    return Path(page.url.partition("#")[0]).stem


def serious(page, theme):
    """What axe finds in a theme, and the names of the rules that it has found kept."""
    page.emulate_media(color_scheme=theme)
    page.evaluate(FRAME)
    # axe itself is put into the page by the test, which the page's own policy does not concern.
    report = Axe().run(page).response
    found = [
        (v["id"], v["nodes"][0]["html"][:150]) for v in report["violations"] if v["impact"] in ("serious", "critical")
    ]
    return found, [rule["id"] for rule in report["passes"]]


@in_browser
def test_axe_finds_nothing_serious(opened):
    found, kept = serious(opened, THEMES[name_of(opened)])
    assert found == []
    assert "color-contrast" in kept


@in_browser
@pytest.mark.nightly
def test_axe_finds_nothing_serious_in_the_other_theme(opened):
    found, kept = serious(opened, OTHER[THEMES[name_of(opened)]])
    assert found == []
    assert "color-contrast" in kept


@in_browser
def test_texts_stand_out_in_both_themes(opened):
    behind = set()
    for theme in OTHER:
        opened.emulate_media(color_scheme=theme)
        opened.evaluate(FRAME)
        behind.add(opened.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert pale(opened, "body") == [], theme
    assert len(behind) == 2


@in_browser
def test_a_page_is_as_wide_as_its_window(opened):
    for width in (400, 1280):
        opened.set_viewport_size({"width": width, "height": 900})
        opened.evaluate(FRAME)
        assert opened.evaluate("document.documentElement.scrollWidth") <= width


@in_browser
def test_without_scripts_the_saved_picture_is_there(site, browser):
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(f"file://{quote(str(site))}/00_start_here.html")
    assert page.locator("#lab img").get_attribute("alt").startswith("It learned nothing")
    context.close()


def test_the_data_script_is_data(site):
    for path in (site / "data").iterdir():
        head, _, rest = path.read_text("utf-8").partition("globalThis.wwilGrid = ")
        assert head == '"use strict";\n'
        known = json.loads(rest.strip().rstrip(";"))
        assert known["seeds"] == SEEDS
