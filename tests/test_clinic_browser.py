"""A person in the clinic and at the button for a rescue: the real JupyterLab, a real browser, keyboard and mouse."""

import nbformat
import pytest
from browser import chromium, jupyterlab, new_page, pale, run_all

pytestmark = pytest.mark.browser

CELLS = [
    """from helpers import Experiment, Lab
slow = Experiment(problem="sine", depth=1, width=12, batch_size=None, learning_rate=0.0003, epochs=200)
Lab(slow, controls=["width"], pictures=["fit", "loss"])""",
    """from helpers.clinic.clinic import Clinic
Clinic(level=1, seed=2)""",
]
# A search from here takes minutes, whatever the machine.
LONG = '{"problem":"sine","depth":1,"width":12,"batch_size":1,"learning_rate":1e-05,"epochs":5000}'
IDLE = "selector => document.querySelector(selector).getAttribute('aria-busy') === 'false'"
# Whether the pictures have been redrawn for the width of the page; narrower than 280 pixels none is drawn.
DRAWN_FOR_IT = """() => [...document.querySelectorAll('.wwil-result img')].every(picture =>
    picture.naturalWidth === Math.max(280, document.querySelector('.wwil-results').clientWidth))"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jupyter")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(book, folder / "clinic.ipynb")
    with jupyterlab(folder) as address, chromium() as browser:
        page = new_page(browser)
        page.set_default_timeout(120_000)
        page.goto(address("clinic.ipynb"))
        run_all(page)
        page.wait_for_selector(".wwil-clinic .wwil-result img")
        yield page


def at_rest(page, selector=".wwil-clinic"):
    page.wait_for_function(IDLE, arg=selector)


def test_rescue_shows_the_failing_run_beside_the_rescued_one(page):
    lab = page.get_by_role("region", name="lab", exact=True)
    lab.get_by_role("button", name="Rescue").click()
    page.wait_for_function("() => document.querySelector('.wwil-note').textContent.startsWith('Trying ')")
    assert lab.locator(".wwil-progress").inner_text() == "looking for a rescue"
    page.wait_for_function(
        "() => document.querySelector('.wwil-note').textContent.startsWith('Rescued by ')", timeout=180_000
    )
    at_rest(page, ".wwil")
    note = lab.locator(".wwil-note").inner_text()
    assert "learning rate 0.0003 → " in note
    assert "from the same initial weights" in note
    assert lab.get_by_role("button", name="Unpin").count() == 1
    assert "It learned" in lab.locator(".wwil-text").inner_text()
    assert page.locator(".wwil").first.locator("[role=status]").inner_text().startswith("Rescued by ")


def test_a_search_for_a_rescue_can_be_stopped(page):
    lab = page.get_by_role("region", name="lab", exact=True)
    lab.get_by_role("button", name="Share").click()
    lab.get_by_label("these settings as text").fill(LONG)
    lab.get_by_role("button", name="Load").click()
    lab.get_by_role("button", name="Rescue").click()
    page.wait_for_function("() => document.querySelector('.wwil-note').textContent.startsWith('Trying ')")
    lab.get_by_role("button", name="Stop").click()
    page.wait_for_function("() => document.querySelector('.wwil-note').textContent.startsWith('Stopped looking')")


def test_a_test_is_ordered_by_the_keyboard_and_costs_its_price(page):
    clinic = page.get_by_role("region", name="clinic")
    assert clinic.locator(".wwil-credits").inner_text() == "6 of 6 credits left"
    test = clinic.get_by_role("button", name="Size of the steps")
    test.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('.wwil-credits').textContent.startsWith('5 of 6')")
    at_rest(page)
    assert clinic.locator(".wwil-result").first.inner_text().startswith("Size of the steps")
    assert test.get_attribute("aria-disabled") == "true"
    assert "Size of the steps" in clinic.locator("[role=status]").inner_text()
    assert page.locator(".jp-Notebook.jp-mod-editMode").count() == 0, "Enter stays in the clinic"


def test_a_treatment_without_a_cause_is_refused_in_words(page):
    clinic = page.get_by_role("region", name="clinic")
    clinic.get_by_role("button", name="Treat").click()
    page.wait_for_function("() => document.querySelector('.wwil-clinic .wwil-note').textContent.includes('choose one')")
    assert clinic.locator(".wwil-outcome").is_hidden()


def test_a_patient_is_treated_and_the_next_one_admitted(page):
    clinic = page.get_by_role("region", name="clinic")
    clinic.get_by_label("cause 1").select_option("overfitting")
    clinic.get_by_label("fix 1").select_option("adam")
    assert clinic.get_by_label("cause 2").is_hidden(), "one cause on level 1"
    clinic.get_by_role("button", name="Treat").click()
    page.wait_for_selector(".wwil-outcome:not([hidden])")
    told = clinic.locator(".wwil-outcome").inner_text()
    assert "held-out seeds learn" in told or "No treatment" in told
    assert "1 patient treated" in clinic.locator(".wwil-summary").inner_text()
    clinic.get_by_text("The patient's program").click()
    assert "keras.Sequential" in clinic.locator("pre").inner_text()
    clinic.get_by_label("level of the next patient").select_option("3")
    clinic.get_by_role("button", name="Next patient").click()
    page.wait_for_function("() => document.querySelector('.wwil-patient').textContent === 'Patient 3, level 3'")
    at_rest(page)
    assert clinic.get_by_label("cause 2").is_visible()
    assert clinic.locator(".wwil-outcome").is_hidden()
    assert clinic.locator(".wwil-credits").inner_text() == "8 of 8 credits left"
    assert clinic.get_by_label("cause 1").input_value() == ""


@pytest.mark.parametrize("name", ["JupyterLab Light", "JupyterLab Dark"])
def test_every_word_can_be_read_in_both_themes(page, name):
    page.evaluate("name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name)
    dark = "dark" if "Dark" in name else "light"
    page.wait_for_function("theme => document.querySelector('.wwil-clinic').dataset.theme === theme", arg=dark)
    assert pale(page, ".wwil-clinic") == []


def test_nothing_is_wider_than_a_telephone(page):
    page.set_viewport_size({"width": 390, "height": 800})
    page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    page.wait_for_function(DRAWN_FOR_IT)
    wide = page.evaluate(
        """() => { const root = document.querySelector('.wwil-clinic'), edge = root.getBoundingClientRect().right + 1;
        return [...root.querySelectorAll('*')].filter(n => n.checkVisibility() && !n.closest('.wwil-hidden')
            && n.tagName !== 'OPTION' && n.tagName !== 'OPTGROUP' && n.getBoundingClientRect().right > edge).map(n => n.className); }"""
    )
    assert wide == []
    assert page.errors == []
