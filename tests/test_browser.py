"""A person at the lab: the real JupyterLab, a real browser, keyboard and mouse."""

import shutil

import pytest
from browser import ROOT, chromium, jupyterlab, run_all

pytestmark = pytest.mark.browser

WATCH = """() => {
    window.frames_ = [];
    const root = document.querySelector('.wwil');
    const note = () => window.frames_.push([root.dataset.generation, root.querySelector('.wwil-progress').textContent]);
    new MutationObserver(note).observe(root, {attributes: true, attributeFilter: ['data-frame']});
}"""
IDLE = "() => document.querySelector('.wwil').getAttribute('aria-busy') === 'false'"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jupyter")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    with jupyterlab(folder) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(address("notebooks/00_start_here.ipynb"))
        run_all(page)
        page.wait_for_selector(".wwil img[src]")
        page.evaluate(WATCH)
        yield page


def settled(page):
    page.wait_for_function(IDLE, timeout=60_000)


def test_keyboard_rescues_the_first_network(page):
    depth = page.get_by_role("slider", name="depth")
    depth.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    settled(page)
    assert depth.get_attribute("aria-valuetext") == "2 layers"
    assert len(page.evaluate("window.frames_")) >= 3, "pictures come while it trains"
    assert "learned nothing" not in page.locator(".wwil-text").inner_text()
    assert page.locator(".wwil img").get_attribute("alt") == page.locator(".wwil-text").inner_text()


def test_mouse_moves_a_slider(page):
    epochs = page.get_by_role("slider", name="epochs")
    box = epochs.bounding_box()
    page.mouse.click(box["x"] + 0.95 * box["width"], box["y"] + box["height"] / 2)
    page.wait_for_timeout(300)
    assert int(epochs.get_attribute("aria-valuetext").split()[0]) >= 1000
    page.get_by_role("button", name="Stop").click()
    settled(page)


def test_a_storm_ends_with_the_last_setting(page):
    page.get_by_role("button", name="Reset").click()
    settled(page)
    depth = page.get_by_role("slider", name="depth")
    depth.focus()
    for move in range(50):
        page.keyboard.press("ArrowRight" if move % 5 else "ArrowLeft")
    page.wait_for_timeout(300)
    settled(page)
    shown = depth.get_attribute("aria-valuetext").split()[0]
    page.get_by_role("button", name="Share").click()
    assert f'"depth":{shown},' in page.get_by_label("this setting as text").input_value()
    assert "epoch 100 of 100" in page.locator(".wwil-progress").inner_text()


def test_nonsense_in_the_shared_text_gets_a_sentence(page):
    page.get_by_label("this setting as text").fill("nonsense")
    page.get_by_role("button", name="Load", exact=True).click()
    page.wait_for_selector(".wwil-note:not(:empty)")
    assert "not a shared setting" in page.locator(".wwil-note").inner_text()


def test_nothing_went_wrong_unseen(page):
    assert page.errors == []
    assert page.locator(".jp-OutputArea-output[data-mime-type*=stderr]").count() == 0
