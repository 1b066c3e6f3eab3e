"""A learner with each lesson in the real JupyterLab: every cell with its answer, the lab by keys, the maps by mouse, the memory.

nbval runs the lessons as they are given out, without answers; here they are run with them.
"""

import re
import shutil

import build
import psutil
import pytest
from browser import ROOT, chromium, jupyterlab, new_page, run_all

pytestmark = pytest.mark.browser

MOVES = 50
MOST = 850  # MB of kernel and server together that the system cannot give back; what is left of Binder's 1000 is for program files
MAP = ".wwil-map:has(select)"  # a map that is computed; one that the learner fills has nothing to choose
OUTPUTS = """() => Array.from(window.jupyterapp.shell.currentWidget.content.model.cells)
    .flatMap(cell => cell.type === 'code' ? cell.outputs.toJSON() : [])"""
IDLE = "() => [...document.querySelectorAll('.wwil')].every(node => node.getAttribute('aria-busy') !== 'true')"
# What the controls of each lab say, and its note: "depth 3, activation tanh, …".
SETTINGS = """() => [...document.querySelectorAll('.wwil:has(.wwil-controls)')].map(lab => [
    ...[...lab.querySelectorAll('.wwil-control')].map(control =>
        control.querySelector('label').textContent + ' ' + control.querySelector('select, output').value),
    lab.querySelector('.wwil-note').textContent.replace(/.*: |\\.$/g, ''),
].join(', '))"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jupyter")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    with jupyterlab(folder) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module", params=build.names()[1:])
def lesson(request):
    return request.param


@pytest.fixture(scope="module")
def page(lesson, browser, address):
    """The lesson with its answers, after "Run All Cells"."""
    page = new_page(browser)
    page.goto(address(f"notebooks/solutions/{lesson}.ipynb"))
    run_all(page, timeout=600)
    settled(page)
    yield page
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.close()


@pytest.fixture
def lab(page):
    return page.locator(".wwil:has(.wwil-controls)").first


def settled(page):
    """Wait until no lab and no map is at work."""
    page.evaluate("() => new Promise(requestAnimationFrame)")  # by then a key that was pressed has been sent
    page.wait_for_function(IDLE, timeout=120_000)


def anonymous(process):
    """MB of a process that stand in no file. 390 MB of TensorFlow's files come on top, as far as they are in use.

    The system can drop those pages and read them again, so they are the last to end a process for; they differ from machine to
    machine, and are shared by all kernels of one.
    """
    maps = process.memory_maps(grouped=True)
    return sum(part.anonymous + part.swap for part in maps) / 1e6


def test_every_cell_runs_and_every_answer_passes(page):
    outputs = page.evaluate(OUTPUTS)
    assert [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"] == []
    done, of = re.search(r"Exercises: (\d+) of (\d+) passed", str(outputs[-1])).groups()
    assert done == of
    assert page.errors == []


def test_a_key_trains_another_network(page, lab):
    before = lab.locator(".wwil-text").inner_text()
    slider = lab.get_by_role("slider").first
    old = slider.get_attribute("aria-valuetext")
    slider.press("ArrowRight")
    if slider.get_attribute("aria-valuetext") == old:
        slider.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") != old
    settled(page)
    assert re.fullmatch(r"epoch (\d+) of \1", lab.locator(".wwil-progress").inner_text())
    assert lab.locator(".wwil-text").inner_text() not in ("", before)


def test_a_cell_of_each_map_goes_to_the_lab(page, lesson):
    source = (build.LESSONS / f"{lesson}.py").read_text()
    maps = page.locator(MAP).all()
    # Those of which only the studies are used are not shown.
    assert len(maps) == source.count("success_map(") - source.count(").studies\n") - source.count("finds=True")
    for one in maps:
        cell = one.get_by_role("gridcell").last
        chosen = cell.get_attribute("aria-label").split(":")[0]
        cell.click()
        one.get_by_text(f"The lab now shows {chosen}.").wait_for()
        settled(page)
        settings = page.evaluate(SETTINGS)
        assert any(all(f"{part}," in f"{said}," for part in chosen.split(", ")) for said in settings), (
            chosen,
            settings,
        )


def test_kernel_and_server_have_room_on_binder_after_fifty_moves(page, lab):
    sliders = lab.get_by_role("slider").all()
    trained = int(lab.get_attribute("data-generation"))
    for move in range(MOVES):
        sliders[move // 6 % len(sliders)].press("ArrowRight" if move % 6 < 3 else "ArrowLeft")
        settled(page)
    assert int(lab.get_attribute("data-generation")) > trained + MOVES / 2
    sizes = {}
    for process in psutil.Process().children(recursive=True):
        command = " ".join(process.cmdline())
        for name in ("ipykernel_launcher", "jupyterlab"):
            if name in command:
                assert name not in sizes
                sizes[name] = anonymous(process)
    assert len(sizes) == 2
    assert sum(sizes.values()) <= MOST, sizes
    assert page.errors == []
