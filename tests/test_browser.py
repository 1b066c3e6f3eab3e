"""A person at the lab: the real JupyterLab and Voilà, a real browser, keyboard and mouse."""

import re
import shutil

import nbformat
import pytest
from browser import ROOT, chromium, jupyterlab, new_page, pale, run_all, voila

pytestmark = pytest.mark.browser

WATCH = """() => {
    window.frames_ = [];
    const root = document.querySelector('.wwil');
    const note = () => window.frames_.push([root.dataset.generation, root.querySelector('.wwil-progress').textContent]);
    new MutationObserver(note).observe(root, {attributes: true, attributeFilter: ['data-frame']});
}"""
# Whether the training that was asked for has ended, and its picture, drawn for the theme of the page, is shown.
SETTLED = """() => {
    const root = document.querySelector('.wwil'), picture = root.querySelector('.wwil-picture');
    return root.getAttribute('aria-busy') === 'false' && picture.dataset.frame === root.dataset.frame
        && picture.dataset.theme === root.dataset.theme;
}"""
# Whether all displays show the same, finished, with the depth at this many layers.
IN_STEP = """depth => {
    const shown = [...document.querySelectorAll('.wwil')].map(lab => [
        lab.getAttribute('aria-busy'), lab.querySelector('.wwil-text').textContent, lab.querySelector('.wwil-picture').alt,
        lab.querySelector('input').getAttribute('aria-valuetext'),
    ].join());
    return shown.length === 2 && shown[0] === shown[1] && shown[0].startsWith('false') && shown[0].endsWith(`,${depth} layers`);
}"""
# The brightness (0 to 255) of the middle of the picture's edge, where there is only paper.
PAPER = """async () => {
    const picture = document.querySelector('.wwil-picture');
    await picture.decode();
    const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1});
    const pen = canvas.getContext('2d');
    pen.drawImage(picture, picture.naturalWidth - 2, picture.naturalHeight / 2, 1, 1, 0, 0, 1, 1);
    return Math.max(...pen.getImageData(0, 0, 1, 1).data.slice(0, 3));
}"""
# Notebooks beside those of the lessons.
BOOKS = {
    "one": ["from helpers import Experiment, Lab\nLab(Experiment(problem='sine', depth=0), controls=['depth'])"],
    "two": [
        "from helpers import Experiment, Lab\nlab = Lab(Experiment(depth=0, epochs=20), controls=['depth'], pictures=['loss'])\nlab",
        "lab",
    ],
    "many": ["from helpers import Experiment, Lab\nLab(Experiment(depth=0, epochs=20))"],
}
# Trains for minutes, whatever the machine.
LONG = '{"problem":"sine","samples":2000,"batch_size":1,"epochs":1000}'
# These share no page with the others.
apart = pytest.mark.xdist_group("test_browser, apart")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jupyter")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    for name, sources in BOOKS.items():
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(book, folder / "notebooks" / f"{name}.ipynb")
    return folder


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(folder):
    with jupyterlab(folder) as address:
        yield address


@pytest.fixture(scope="module")
def page(browser, address):
    page = new_page(browser)
    page.set_default_timeout(120_000)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(address("notebooks/00_start_here.ipynb"))
    run_all(page)
    page.wait_for_selector(".wwil img[src]")
    page.evaluate(WATCH)
    return page


def settled(page):
    page.wait_for_function(SETTLED)


def press(page, name):
    page.get_by_role("button", name=name, exact=True).first.click()


def load(page, text):
    """Load a setting from the panel of *Share*."""
    shared = page.get_by_label("these settings as text")
    if not shared.is_visible():
        press(page, "Share")
    shared.fill(text)
    press(page, "Load")


def said(page):
    return page.locator(".wwil-text").first.inner_text()


def note(page):
    page.wait_for_selector(".wwil-note:not(:empty)")
    return page.locator(".wwil-note").inner_text()


def theme(page, name):
    page.evaluate("name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name)


def test_keyboard_rescues_the_first_network(page):
    depth = page.get_by_role("slider", name="depth")
    depth.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    settled(page)
    assert depth.get_attribute("aria-valuetext") == "2 layers"
    assert depth.evaluate("node => node === document.activeElement"), "the control keeps the focus"
    assert len(page.evaluate("window.frames_")) >= 3, "pictures come while it trains"
    assert "learned nothing" not in said(page)
    assert page.locator(".wwil img").get_attribute("alt") == said(page)
    assert said(page) in page.locator(".wwil [role=status]").inner_text()


def test_mouse_moves_a_slider_and_stop_says_where_it_stopped(page):
    load(page, LONG)
    page.locator(".wwil-progress", has_text="of 1000").wait_for()
    epochs = page.get_by_role("slider", name="epochs")
    epochs.scroll_into_view_if_needed()
    box = epochs.bounding_box()
    page.mouse.click(box["x"] + 0.95 * box["width"], box["y"] + box["height"] / 2)
    many = int(epochs.get_attribute("aria-valuetext").split()[0])
    assert many > 1000
    page.locator(".wwil-progress", has_text=f"of {many}").wait_for()
    press(page, "Stop")
    settled(page)
    assert re.fullmatch(rf"Stopped after epoch \d+ of {many}\.", note(page))


def test_a_storm_ends_with_the_last_setting(page):
    press(page, "Reset")
    settled(page)
    depth = page.get_by_role("slider", name="depth")
    depth.focus()
    for move in range(50):
        page.keyboard.press("ArrowRight" if move % 5 else "ArrowLeft")
    # From 0, ten times one stop back and four on, the first one in vain: the slider is never moved back by an old answer.
    settled(page)
    assert depth.get_attribute("aria-valuetext") == "20 layers"
    assert '"depth":20,' in page.get_by_label("these settings as text").input_value()
    assert "epoch 100 of 100" in page.locator(".wwil-progress").inner_text()


def test_pin_and_seeds(page):
    press(page, "Reset")
    settled(page)
    press(page, "Pin")
    page.get_by_role("button", name="Unpin").wait_for()
    press(page, "100 seeds")
    settled(page)
    assert said(page).startswith("Learned in 0 of 100")
    press(page, "100 seeds")
    page.get_by_role("slider", name="depth").focus()
    page.keyboard.press("ArrowRight")
    settled(page)
    assert "seeds" not in page.locator(".wwil-progress").inner_text(), "a move drops the seeds"
    press(page, "Unpin")


def test_code_and_share_can_be_copied(page):
    for panel in ("Code", "Share"):
        if page.get_by_role("button", name=panel, exact=True).get_attribute("aria-expanded") == "false":
            press(page, panel)
    copiers = page.get_by_title("copy to the clipboard")
    for index, words in enumerate(("model.fit(", '"problem":"sine"')):
        copiers.nth(index).click()
        copiers.nth(index).filter(has_text="Copied").wait_for()
        assert words in page.evaluate("navigator.clipboard.readText()")
    press(page, "Code")


@pytest.mark.parametrize("text", ["nonsense", "<img src=x onerror='throw 1'>"])
def test_nonsense_in_the_shared_text_gets_a_sentence(page, text):
    load(page, text)
    settled(page)
    assert "not shared settings" in note(page)
    assert page.get_by_label("these settings as text").input_value() == text, "it can be mended"
    assert page.locator(".wwil-note img").count() == 0


def test_a_setting_without_controls_is_loaded_and_told(page):
    load(page, '{"problem":"moons","depth":1,"epochs":20}')
    settled(page)
    assert "problem moons" in note(page)
    assert "epoch 20 of 20" in page.locator(".wwil-progress").inner_text()


def test_dark_theme_is_drawn_dark_and_both_can_be_read(page):
    assert page.evaluate(PAPER) > 240
    assert pale(page) == []
    theme(page, "JupyterLab Dark")
    page.wait_for_selector(".wwil[data-theme=dark]")
    settled(page)
    assert page.evaluate(PAPER) < 40
    assert pale(page) == []
    theme(page, "JupyterLab Light")
    page.wait_for_selector(".wwil[data-theme=light]")


def test_letters_are_legible_and_buttons_keep_their_places(page):
    press(page, "Reset")
    settled(page)
    small = page.locator(".wwil").first.evaluate(
        """root => [...root.querySelectorAll('*')].filter(n => n.checkVisibility() && n.textContent.trim()
            && parseFloat(getComputedStyle(n).fontSize) < 12).map(n => n.className || n.tagName)"""
    )
    assert small == []
    places = (
        "() => [...document.querySelector('.wwil-row').children].map(b => [b.offsetLeft, b.offsetTop, b.offsetWidth])"
    )
    before = page.evaluate(places)
    for name in ("Pin", "100 seeds"):
        press(page, name)
        settled(page)
        assert page.evaluate(places) == before
    press(page, "Unpin")
    press(page, "Reset")
    settled(page)
    assert page.evaluate(places) == before


def test_a_reload_shows_the_last_state(page):
    press(page, "Reset")
    settled(page)
    page.get_by_role("slider", name="depth").focus()
    page.keyboard.press("ArrowRight")
    settled(page)
    before = said(page)
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    assert page.errors == [], "nothing went wrong unseen"
    assert page.locator(".jp-OutputArea-output[data-mime-type*=stderr]").count() == 0
    page.reload()
    page.wait_for_selector(".wwil img[src]")
    assert said(page) == before
    assert page.get_by_role("slider", name="depth").get_attribute("aria-valuetext") == "1 layers"
    page.get_by_role("slider", name="depth").focus()
    page.keyboard.press("ArrowLeft")
    settled(page)
    assert "learned nothing" in said(page)


@apart
def test_the_plots_stay_while_the_last_of_many_controls_is_moved(browser, address):
    page = new_page(browser, width=1400)
    page.goto(address("notebooks/many.ipynb"))
    run_all(page)
    page.wait_for_selector(".wwil img[src]")
    page.locator(".wwil-control").last.evaluate("control => control.scrollIntoView({block: 'end'})")
    seen = """() => {
        const picture = document.querySelector('.wwil-picture').getBoundingClientRect();
        const last = [...document.querySelectorAll('.wwil-control')].at(-1).getBoundingClientRect();
        const panel = document.querySelector('.jp-WindowedPanel-outer').getBoundingClientRect();
        return picture.top >= panel.top && last.bottom <= panel.bottom + 1;
    }"""
    page.wait_for_function(seen)
    assert page.errors == []
    page.close()


@apart
def test_two_displays_stay_in_step_and_a_restart_begins_anew(browser, address):
    page = new_page(browser)
    page.set_default_timeout(120_000)
    page.goto(address("notebooks/two.ipynb"))
    for restarted in (False, True):
        if restarted:
            page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
        run_all(page)
        page.locator(".wwil img[src]").nth(1).wait_for()
        page.wait_for_function(IN_STEP, arg=0)
        slider = page.get_by_role("slider", name="depth")
        slider.nth(0).focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function(IN_STEP, arg=1)
        slider.nth(1).focus()
        page.keyboard.press("ArrowRight")
        # It may meet the request itself, which is then lost, but not the next one.
        page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()")
        page.keyboard.press("ArrowRight")
        page.wait_for_function(IN_STEP, arg=3)
    page.close()


@apart
def test_voila_shows_the_lab_on_a_dark_phone(browser, folder):
    with voila(folder / "notebooks") as address:
        page = new_page(browser, width=400, height=800)
        page.set_default_timeout(120_000)
        page.goto(address("one.ipynb", theme="dark"), wait_until="commit")
        page.wait_for_selector(".wwil[data-theme=dark] img[src]")
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, "nothing stands out at the side"
        assert page.evaluate(PAPER) < 40
        page.get_by_role("slider", name="depth").focus()
        page.keyboard.press("ArrowRight")
        settled(page)
        assert "learned nothing" not in said(page)
        page.close()
