"""A learner with each lesson in the real JupyterLab: every cell, without and with its answer, the lab by keys, the maps by mouse, the memory.

Each lesson is run once, with the cells of both of its notebooks: an exercise as it is given out, then its solution. Each night nbval
runs the notebooks that are given out by themselves.
"""

import re
import shutil
from pathlib import Path

import build
import nbformat
import psutil
import pytest
from browser import HANG, ROOT, chromium, jupyterlab, new_page, run_all

pytestmark = pytest.mark.browser

FIRST_MOVES = 6  # by then the graphs that a kernel keeps are made
# What kernel and server take after a lesson, as a multiple of what they take before it, which depends on the machine: 420 MB with
# two cores. On Binder, where program files take some of its 1000 MB, too, a lesson has room up to here. Lesson 03 takes 870 MB, and
# 830 where its graphs are on disk, as they are there.
MOST_TIMES = 2.15
MOST_GROWTH = 1.05
MAP = ".wwil-map:has(select)"  # a map that is computed; one that the learner fills has nothing to choose
# The tags and the outputs of each code cell.
CELLS = """() => Array.from(window.jupyterapp.shell.currentWidget.content.model.cells)
    .filter(cell => cell.type === 'code').map(cell => [cell.getMetadata('tags') ?? [], cell.outputs.toJSON()])"""
OPEN_KERNEL = """async () => {
    const panel = window.jupyterapp.shell.currentWidget;
    await panel.revealed; await panel.context.ready; await panel.sessionContext.ready;
    await panel.sessionContext.session.kernel.requestExecute({code: 'import helpers'}).done;
}"""
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
    for name in build.names():
        nbformat.write(build.notebook(name, "both"), folder / "notebooks" / "solutions" / f"{name}.ipynb")
    with jupyterlab(folder) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


# In every run: a short one, and the one that takes the most memory. The others are run each night, and whenever they change:
# test_notebooks.py asks for lessons that are built, which runs them with their answers. It also checks the calls of all lessons.
DAILY = ("01_capacity", "03_optimizers")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[pytest.mark.xdist_group(name), *([] if name in DAILY else [pytest.mark.nightly])])
        for name in build.names()[1:]
    ],
)
def lesson(request):
    return request.param


@pytest.fixture(scope="module")
def page(lesson, browser, address):
    """The lesson with all its cells, after "Run All Cells"; `before` is the memory of an empty kernel and the server."""
    page = new_page(browser)
    page.goto(address(f"notebooks/solutions/{lesson}.ipynb"))
    page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.sessionContext")
    page.evaluate(OPEN_KERNEL)
    page.before = memory()
    run_all(page)
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
    page.wait_for_function(IDLE, timeout=1000 * HANG)


def memory():
    """MB of kernel and server that stand in no file: what the system cannot drop and read again, and no other kernel shares."""
    sizes = {"ipykernel_launcher": 0, "jupyterlab": 0}
    for process in psutil.Process().children(recursive=True):
        command = " ".join(process.cmdline())
        for name in sizes.keys() & set(re.findall(r"ipykernel_launcher|jupyterlab", command)):
            sizes[name] += anonymous(process)
    assert all(sizes.values()), sizes
    return sum(sizes.values())


def anonymous(process):
    """MB of a process that stand in no file, in memory or swapped out."""
    if not psutil.LINUX:
        return process.memory_full_info().uss / 1e6
    status = Path(f"/proc/{process.pid}/status").read_text()
    return sum(int(size) for size in re.findall(r"^(?:RssAnon|VmSwap):\s+(\d+) kB$", status, re.M)) * 1024 / 1e6


def moved(page, sliders, moves):
    """Press a key on a slider again and again: three times to the right and three times to the left, then on the next one."""
    for move in moves:
        sliders[move // 6 % len(sliders)].press("ArrowRight" if move % 6 < 3 else "ArrowLeft")
        settled(page)


def test_every_cell_runs_and_every_answer_passes(page):
    outputs = [output for _, cell in page.evaluate(CELLS) for output in cell]
    assert [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"] == []
    done, of = re.findall(r"Exercises: (\d+) of (\d+) passed", str(outputs))[-1]
    assert done == of
    assert page.errors == []


def test_no_exercise_passes_before_it_is_answered(page):
    cells = page.evaluate(CELLS)

    def judged(tag, mark):
        outputs = [output for tags, outputs in cells if tag in tags for output in outputs if "data" in output]
        judgements = (re.match(rf"{mark} ([^:]+): ", output["data"]["text/plain"]) for output in outputs)
        return [judgement[1] for judgement in judgements if judgement]

    exercises = judged("exercise", "○")
    assert len(exercises) >= 4
    assert judged("solution", "✓") == exercises


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
    assert len(maps) == source.count("success_map(") - source.count(").studies\n") - source.count("discoveries=True")
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


@pytest.mark.parametrize("moves", [0, pytest.param(50, marks=pytest.mark.nightly)])  # test_memory.py moves more often
def test_kernel_and_server_have_room_on_binder(page, lab, moves):
    sliders = lab.get_by_role("slider").all()
    trained = int(lab.get_attribute("data-generation"))
    moved(page, sliders, range(min(moves, FIRST_MOVES)))
    early = memory()
    moved(page, sliders, range(FIRST_MOVES, moves))
    late = memory()
    assert int(lab.get_attribute("data-generation")) >= trained + moves / 2
    assert late <= MOST_GROWTH * early, f"{early:.0f} MB after {FIRST_MOVES} moves, {late:.0f} MB after {moves}"
    assert late <= MOST_TIMES * page.before, f"{page.before:.0f} MB before the lesson, {late:.0f} MB after it"
    assert page.errors == []
