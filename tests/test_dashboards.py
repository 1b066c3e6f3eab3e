"""The labs as pages of their own: each opens on a telephone, shows no code and answers; a page that is left gives its kernel back."""

import asyncio
import itertools
import re
import subprocess
import sys
import urllib.error
import urllib.request
from types import SimpleNamespace

import build
import psutil
import pytest
from browser import chromium, server
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from voila.execute import VoilaExecutor

from dashboards.__main__ import PATIENCE, FewKernels, settings
from dashboards.pages import pages, pages_of

PAGES = pages()
CLINICS = [page.name for page in PAGES if any("Clinic(" in cell.source for cell in page.cells)]
WITH_MAP, CLINIC = "02_activations", CLINICS[0]
# A lab with a map opens in every run, and in tests of their own a plain lab and a clinic. The others are made alike, and
# their code is tested without a browser.
OPENED = [
    pytest.param(page, id=page.name, marks=[] if page.name == WITH_MAP else pytest.mark.nightly)
    for page in PAGES
    if page.name != CLINIC
]
SIZES = {"telephone": (390, 844), "screen": (1280, 720)}
IDLE = "() => [...document.querySelectorAll('.wwil')].every(node => node.getAttribute('aria-busy') !== 'true')"
# What stands out of the window at the side, unless it can be scrolled into it, and what looks like code.
WIDE = """() => [...document.querySelectorAll('body *')].filter(node => node.checkVisibility()
    && !node.closest('.wwil-hidden, .wwil-scroll, option, optgroup')
    && node.getBoundingClientRect().right > innerWidth + 0.5).map(node => node.outerHTML.slice(0, 200))"""
DRAWN_FOR_IT = "() => [document.querySelector('.wwil-picture')].every(node => node.naturalWidth === node.clientWidth)"
DRAWN_ANEW = """before => [document.querySelector('.wwil')].every(node =>
    node.dataset.generation !== before && node.getAttribute('aria-busy') !== 'true')"""
CODE = "document.querySelectorAll('.jp-CodeCell .jp-InputArea, .cm-editor, .highlight').length"
BEHIND = "getComputedStyle(document.body).backgroundColor"


# --- what is taken from a lesson ------------------------------------------------------------------------------------------


def test_every_lab_and_clinic_outside_the_exercises_has_a_page():
    for lesson in build.names():
        source = (build.LESSONS / f"{lesson}.py").read_text("utf-8")
        made = re.findall(r"^(?:\w+ = )?(?:Lab|Clinic)\(", source.split("\n# ## Exercises")[0], re.M)
        assert len(made) == len([page for page in PAGES if page.name.startswith(lesson)]), lesson
    assert len({page.name for page in PAGES}) == len(PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_says_what_to_try_and_nothing_about_what_is_not_there(page):
    assert page.title
    assert len(page.text) > 50
    assert not re.search(r"lab above|at the top|first lab|[Gg]o back to the lab|[Tt]he map|^#", page.text, re.M)
    assert len(re.findall(r"^(?:\w+ = )?(?:Lab|Clinic)\(", code_of(page), re.M)) == 1
    assert not re.search(r"\b(train|train_seeds|claim|predict|check)\(", code_of(page)), "only what the lab needs"


def code_of(page):
    return "\n".join(cell.source for cell in page.cells if cell.cell_type == "code")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_defines_what_it_reads(page):
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", "--output-format", "concise", "-"]
    done = subprocess.run(ruff, input=code_of(page), capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_pages_of_a_lesson_are_its_tagged_cells():
    def cell(source, *tags, new=new_code_cell):
        return new(source, metadata={"tags": list(tags)})

    lesson = [
        new_markdown_cell("# 1 · Waves: tall or short"),
        cell("import a", "dashboard-1", "dashboard-2"),
        cell("lab", "dashboard-1"),
        cell("*The failure.*", "dashboard-1-text", new=new_markdown_cell),
        cell("train()"),
        new_markdown_cell("## Observe"),
        cell("Move it.", "dashboard-1-text", new=new_markdown_cell),
        new_markdown_cell("Nothing.\n\n## Explain: deep waves"),
        cell("Deepen it.", "dashboard-2-text", new=new_markdown_cell),
        cell("other", "dashboard-2"),
        cell("Fill it.", "dashboard-1", new=new_markdown_cell),
    ]
    first, second = pages_of("07_waves", lesson)
    assert (first.name, first.title, first.lesson) == ("07_waves", *["Waves: tall or short"] * 2)
    assert first.text == "*The failure.*\n\nMove it."
    assert [one.source for one in first.cells] == ["import a", "lab", "Fill it."]
    assert (second.name, second.title, second.lesson) == ("07_waves-2", "Deep waves", "Waves: tall or short")
    assert second.text == "Deepen it."
    assert [one.source for one in second.cells] == ["import a", "other"]


def test_a_map_to_be_filled_stands_below_its_lab():
    filled = [page for page in PAGES if any(cell.cell_type == "markdown" for cell in page.cells)]
    assert [page.name for page in filled] == [
        "02_activations", "03_optimizers-3", "04_preprocessing", "05_regularization",
    ]  # fmt: skip
    for page in filled:
        *_, words, discoveries = page.cells
        assert "Register" in words.source or "register" in words.source
        assert "discoveries=True" in discoveries.source


# --- places ----------------------------------------------------------------------------------------------------------------


class Kernel:
    """A kernel without a process, and its client. Kernels named "dead" die while they start."""

    def __init__(self, name):
        self.name = name

    def client(self):
        return self

    def start_channels(self):
        """Nothing to connect to."""

    stop_channels = start_channels

    async def wait_for_ready(self, timeout):
        await asyncio.sleep(0)
        if self.name == "dead":
            raise RuntimeError("Kernel died before replying to kernel_info")


@pytest.fixture
def kernels_of(monkeypatch):
    """A function that makes a kernel manager which starts `Kernel`s of the given names, one after the other."""

    def made(places, names, clock=lambda: 0):
        names = iter(names)

        async def start(self):
            await asyncio.sleep(0)
            name = next(names)
            self._kernels[name] = Kernel(name)
            return name

        async def shut_down(self, name, now):
            self.remove_kernel(name)

        monkeypatch.setattr(AsyncMappingKernelManager, "start_kernel", start)
        monkeypatch.setattr(AsyncMappingKernelManager, "shutdown_kernel", shut_down)
        manager = FewKernels(clock=clock)
        manager.places = places
        return manager

    return made


async def opened_at_once(manager, count):
    return await asyncio.gather(*(manager.start_kernel() for _ in range(count)), return_exceptions=True)


def test_pages_that_are_opened_at_once_take_no_more_kernels_than_there_are_places(kernels_of):
    seconds = itertools.count(step=PATIENCE)  # each look at the clock costs all patience
    manager = kernels_of(2, "abcde", lambda: next(seconds))
    answers = asyncio.run(opened_at_once(manager, 5))
    assert answers[:2] == ["a", "b"] == manager.list_kernel_ids()
    assert [refusal.status_code for refusal in answers[2:]] == [503] * 3
    assert "All 2 places are taken. Close a page" in answers[2].reason


def test_a_page_waits_for_a_place_that_is_given_back(kernels_of):
    manager = kernels_of(1, "ab")

    async def opened():
        await manager.start_kernel()
        waiting = asyncio.create_task(manager.start_kernel())
        await asyncio.sleep(0)
        assert manager.list_kernel_ids() == ["a"]
        manager.remove_kernel("a")
        await waiting

    asyncio.run(opened())
    assert manager.list_kernel_ids() == ["b"]


def test_a_kernel_that_dies_while_it_starts_is_replaced(kernels_of):
    manager = kernels_of(1, ["dead", "dead", "alive"])
    assert asyncio.run(opened_at_once(manager, 1)) == ["alive"] == manager.list_kernel_ids()


def test_kernels_that_die_again_and_again_are_told_to_the_page_and_take_no_place(kernels_of):
    manager = kernels_of(1, ["dead"] * 3 + ["alive"])
    (refusal,) = asyncio.run(opened_at_once(manager, 1))
    assert (refusal.status_code, manager.list_kernel_ids()) == (503, [])
    assert "did not start" in refusal.reason
    assert asyncio.run(opened_at_once(manager, 1)) == ["alive"]


class LateKernel:
    """The client of a kernel that ends its cell at once, and shows what it has made `seconds` later on the loop's clock."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.shell_channel = SimpleNamespace(get_msg=self.reply)
        self.iopub_channel = SimpleNamespace(get_msg=self.output)
        self.outputs = iter(
            [
                ("display_data", {"data": {"text/plain": "the lab"}, "metadata": {}}),
                ("status", {"execution_state": "idle"}),
            ]
        )

    def execute(self, source, **options):
        return "cell"

    def is_alive(self):
        return True

    async def reply(self, timeout):
        return {"parent_header": {"msg_id": "cell"}, "content": {"status": "ok"}}

    async def output(self, timeout):
        loop = asyncio.get_running_loop()
        now, self.seconds = loop.time() + self.seconds, 0
        await asyncio.sleep(0)  # the reply comes first
        loop.time = lambda: now
        for _ in range(5):  # what has waited too long gives up
            await asyncio.sleep(0)
        kind, content = next(self.outputs)
        return {"header": {"msg_type": kind}, "msg_type": kind, "parent_header": {"msg_id": "cell"}, "content": content}


def test_an_output_that_comes_late_is_not_lost():
    async def outputs():
        book = new_notebook(cells=[new_code_cell("lab")])
        executor = VoilaExecutor(book, config=settings())
        executor.kc = LateKernel(seconds=30)
        return (await executor.execute_cell(book.cells[0], None, 0))["outputs"]

    assert [output["data"] for output in asyncio.run(outputs())] == [{"text/plain": "the lab"}]


# --- in the browser -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    command = ["dashboards", "--no-browser", "--port={port}", "--Voila.port_retries=0", "--places=2"]
    with server(command, tmp_path_factory.mktemp("dashboards"), "/") as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def opened(browser, address):
    """A function that opens a page and waits for its lab; what is left at the end gives its kernel back."""
    tabs = []

    def opened(name, size="telephone", clock=False, **look):
        width, height = SIZES[size]
        tab = browser.new_page(viewport={"width": width, "height": height}, has_touch=size == "telephone", **look)
        tabs.append(tab)
        tab.errors, tab.asked = [], []
        tab.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.on("console", lambda said: tab.errors.append(said.text) if said.type == "error" else None)
        tab.on("request", lambda request: tab.asked.append(request.url))
        if clock:
            tab.clock.install()
        tab.goto(f"{address}/voila/render/{name}.ipynb", wait_until="commit", timeout=60_000)
        tab.locator(".wwil img[src]").first.wait_for(timeout=180_000)
        if name not in CLINICS:
            tab.wait_for_function(DRAWN_FOR_IT, timeout=120_000)
        tab.wait_for_function(IDLE, timeout=120_000)
        return tab

    yield opened
    for tab in tabs:
        tab.goto(address)
        tab.close()


def kernels():
    processes = psutil.Process().children(recursive=True)
    return [process for process in processes if "ipykernel_launcher" in " ".join(process.cmdline())]


def check_page(tab, page):
    """A page fits a telephone, shows no code and asks no other host."""
    assert tab.get_by_role("heading", level=1).inner_text() == page.title
    assert tab.evaluate(CODE) == 0
    assert "import" not in tab.inner_text("body")
    assert tab.evaluate(WIDE) == []
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.errors == []
    assert [url for url in tab.asked if not re.match(r"http://127\.0\.0\.1|data:|blob:", url)] == [], "no other host"


def check_silence(tab, role, asked):
    """A kernel that does not answer is said to be silent, until it answers again."""
    silence = tab.locator(".wwil-silence").first
    assert silence.inner_text() == ""
    processes = kernels()
    for process in processes:
        process.suspend()
    try:
        node = tab.get_by_role(role, name=asked)
        node.press("ArrowRight" if role == "slider" else "Enter")
        tab.clock.fast_forward(16_000)
        silence.get_by_text("The kernel has not answered for 15 seconds").wait_for()
        assert tab.evaluate(WIDE) == []
    finally:
        for process in processes:
            process.resume()
    silence.wait_for(state="hidden", timeout=60_000)


@pytest.mark.browser
@pytest.mark.parametrize("page", OPENED)
def test_a_page_fits_a_telephone_and_answers(page, opened):
    tab = opened(page.name)
    check_page(tab, page)
    if page.name in CLINICS:
        return
    lab = tab.locator(".wwil:has(.wwil-controls)")
    sliders = lab.get_by_role("slider").all()
    boxes = [node.bounding_box() for node in sliders]
    assert all(box["width"] >= 120 and box["height"] >= 30 for box in boxes), "wide and high enough for a finger"
    top = lab.locator(".wwil-picture").bounding_box()
    assert top["y"] > max(box["y"] for box in boxes), "the controls stand above the pictures"
    assert top["width"] > 300
    usable = next(node for node in sliders if int(node.get_attribute("max")) > 0)
    before = lab.get_attribute("data-generation"), usable.get_attribute("aria-valuetext")
    usable.press("ArrowRight")
    if usable.get_attribute("aria-valuetext") == before[1]:
        usable.press("ArrowLeft")
    tab.wait_for_function(DRAWN_ANEW, arg=before[0], timeout=120_000)
    assert re.fullmatch(r"epoch (\d+) of .*", lab.locator(".wwil-progress").inner_text())
    check_page(tab, page)


@pytest.mark.browser
def test_a_patient_is_treated_on_a_telephone(opened):
    tab = opened(CLINIC, clock=True)
    check_page(tab, next(page for page in PAGES if page.name == CLINIC))
    clinic = tab.get_by_role("region", name="clinic")
    check_silence(tab, "button", "Gradient by layer")
    tab.wait_for_function("() => document.querySelectorAll('.wwil-result').length === 2", timeout=60_000)
    clinic.get_by_label("cause 1").select_option("overfitting")
    clinic.get_by_label("fix 1").select_option("adam")
    clinic.get_by_role("button", name="Treat").click()
    tab.wait_for_selector(".wwil-outcome:not([hidden])", timeout=120_000)
    clinic.get_by_text("The patient's program").click()
    assert tab.evaluate(WIDE) == []
    for link in clinic.locator(".wwil-outcome a").all():
        assert link.get_attribute("href").removesuffix(".ipynb") in [page.name for page in PAGES]
    assert tab.errors == []


@pytest.mark.browser
@pytest.mark.nightly  # test_browser.py looks at the dark theme of a page
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_as_light_or_dark_as_the_machine_until_somebody_chooses(opened, scheme):
    tab = opened("00_start_here", "screen", clock=True, color_scheme=scheme)
    check_silence(tab, "slider", "depth")
    shown = "[document.documentElement, ...document.querySelectorAll('.wwil')].map(node => node.dataset.theme)"
    assert set(tab.evaluate(shown)) == {scheme}
    other = {"light": "dark", "dark": "light"}[scheme]
    background = tab.evaluate(BEHIND)
    tab.get_by_role("button", name="Light / dark").click()
    tab.wait_for_function(f"other => {shown}.every(theme => theme === other)", arg=other)
    assert tab.evaluate(BEHIND) != background
    tab.get_by_role("link", name="All labs").click()
    tab.get_by_role("navigation", name="labs").wait_for()
    assert tab.evaluate("document.documentElement.dataset.theme") == other, "it is kept"


@pytest.mark.browser
def test_a_page_without_its_lab_is_loaded_once_more_and_then_says_so(browser, address):
    tab = browser.new_page()
    url, answers = f"{address}/voila/render/00_start_here.ipynb", []

    def without_outputs(route):
        if not answers:
            answer = route.fetch(timeout=180_000)
            answers.append(
                re.sub(r'<script type="application/vnd.voila.cell-output.*?</script>', "", answer.text(), flags=re.S)
            )
        answers.append(route.request.url)
        route.fulfill(body=answers[0], content_type="text/html")

    tab.route(url, without_outputs)
    tab.goto(url, wait_until="commit", timeout=180_000)
    tab.get_by_role("alert").get_by_text("The lab did not start. Reload the page.").wait_for(timeout=180_000)
    assert answers[1:] == [url, url], "loaded twice, and not for ever"
    tab.unroute(url)
    tab.reload(wait_until="commit", timeout=60_000)
    tab.locator(".wwil img[src]").first.wait_for(timeout=180_000)
    assert tab.get_by_role("alert").get_by_text("The lab did not start").count() == 0
    assert len(kernels()) == 1, "the pages without a lab have given their kernels back"
    tab.goto(address)
    tab.close()


@pytest.mark.nightly
@pytest.mark.browser
def test_a_page_that_cannot_reach_its_kernel_is_loaded_once_more(browser, address):
    tab = browser.new_page()
    connections = []

    def connect(socket):
        connections.append(socket)
        if len(connections) > 1:  # the first one stays silent
            socket.connect_to_server()

    tab.route_web_socket(re.compile("/channels"), connect)
    tab.clock.install()
    tab.goto(f"{address}/voila/render/00_start_here.ipynb", wait_until="commit", timeout=60_000)
    tab.get_by_text("Loading widget...").wait_for(timeout=180_000)
    assert len(connections) == 1
    tab.clock.fast_forward(61_000)
    tab.locator(".wwil img[src]").first.wait_for(timeout=180_000)
    tab.goto(address)
    tab.close()


@pytest.mark.browser
def test_the_list_leads_to_every_page_and_each_page_to_the_next(browser, address):
    tab = browser.new_page(viewport={"width": 390, "height": 844})
    tab.goto(address)
    names = [page.name for page in PAGES]
    links = tab.get_by_role("navigation", name="labs").get_by_role("link").all()
    assert [re.search(r"render/(.*)\.ipynb", link.get_attribute("href"))[1] for link in links] == names
    assert tab.evaluate(WIDE) == []
    tab.close()
    for before, page, after in zip([None, *PAGES], PAGES, [*PAGES[1:], None], strict=False):
        ways = page.notebook(before, after).metadata["page"]
        assert [ways[way]["name"] for way in ("before", "after") if way in ways] == [
            p.name for p in (before, after) if p
        ]


@pytest.mark.browser
def test_places_are_limited_and_a_page_that_is_left_gives_its_own_back(opened, address):
    first, _ = opened("01_capacity"), opened("01_capacity-2")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{address}/voila/render/01_capacity-3.ipynb")
    assert refused.value.code == 503
    assert "All 2 places are taken. Close a page" in refused.value.read().decode()
    assert len(kernels()) == 2
    first.get_by_role("link", name="Next: Too big").click()
    first.locator(".wwil img[src]").wait_for(timeout=120_000)
    assert first.get_by_role("heading", level=1).inner_text() == "Too big"
    assert len(kernels()) == 2
