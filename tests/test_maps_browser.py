"""A person at a map: the real JupyterLab, a real browser, keyboard and mouse."""

import nbformat
import pytest
from browser import chromium, jupyterlab, new_page, run_all

pytestmark = pytest.mark.browser

CELLS = [
    """import threading
from helpers.lab import maps
maps.TELL_EVERY = 0
more = threading.Event()
train = maps.stream_seeds
def in_two_parts(experiment, *arguments, **options):
    if experiment.learning_rate > 0.01:
        more.wait()  # so that the map is not complete before it has been stopped
    return train(experiment, *arguments, **options)
maps.stream_seeds = in_two_parts
from helpers import Experiment, Lab, success_map
lab = Lab(Experiment(problem="xor", depth=1, width=3, batch_size=None, learning_rate=0.05), controls=["width"])
shown = []
lab.show = shown.append  # what reaches the lab
m = success_map(Experiment(problem="xor", depth=1, batch_size=None, epochs=50), ("width", [2, 4]),
                ("learning_rate", [0.001, 0.01, 0.05, 0.1]), lab=lab)
m""",
    "print('next cell')",
]
MORE = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code: 'more.set()'}).done.then(() => 0)"
SHOWN = "() => document.querySelectorAll('.wwil-grid td[role=gridcell]:not(.empty)').length"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jupyter")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, folder / "map.ipynb")
    with jupyterlab(folder) as address, chromium() as browser:
        page = new_page(browser, height=900)
        page.set_default_timeout(120_000)
        page.goto(address("map.ipynb"))
        run_all(page)
        page.wait_for_selector(".wwil-grid td")
        yield page


def test_the_map_is_there_before_it_is_trained_and_fills_in(page):
    assert page.evaluate(SHOWN) < 8, "the cell ended before the map was complete"
    assert page.get_by_text("next cell", exact=True).count() >= 1
    page.wait_for_function(f"() => ({SHOWN})() === 2")


def test_stop_keeps_what_is_there_and_continue_goes_on(page):
    page.get_by_role("button", name="Stop").click()
    page.wait_for_function("() => document.querySelector('.wwil-map').getAttribute('aria-busy') === 'false'")
    page.evaluate(MORE)
    assert page.evaluate(SHOWN) == 2
    page.get_by_role("button", name="Continue").click()
    page.wait_for_function(f"() => ({SHOWN})() === 8")
    page.wait_for_function("() => document.querySelector('.wwil-map').getAttribute('aria-busy') === 'false'")
    assert page.get_by_role("button", name="Stop").is_disabled()


def test_keys_walk_the_grid_and_choose_a_cell(page):
    cells = page.get_by_role("gridcell")
    cells.first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    name = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert name.startswith("width 4, learning rate 0.01: ")
    assert name in page.locator(".wwil-detail").inner_text()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('.wwil-map .wwil-note').textContent")
    assert page.locator(".wwil-map .wwil-note").inner_text() == "The lab now shows width 4, learning rate 0.01."
    page.keyboard.press("End")
    assert "learning rate 0.1:" in page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert page.locator(".jp-Notebook.jp-mod-editMode").count() == 0, "Enter stays in the map"


def test_the_page_can_show_something_else(page):
    before = page.get_by_role("gridcell").first.inner_text()
    page.get_by_label("what the map shows").select_option("loss")
    assert before.endswith("%")
    assert not page.get_by_role("gridcell").first.inner_text().endswith("%")
    assert page.errors == []
    assert page.locator(".jp-OutputArea-output[data-mime-type*=stderr]").count() == 0
