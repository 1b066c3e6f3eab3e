"""A JupyterLab and a Chromium for the tests that need both, and for the pictures in the README."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Texts whose contrast to what is behind them is below 4.5, with the contrast.
PALE = """selector => {
    const parts = color => color.match(/[\\d.]+/g).map(Number);
    const luminance = color => parts(color).slice(0, 3).map(c => c / 255)
        .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = node => {
        const color = getComputedStyle(node).backgroundColor;
        return (parts(color)[3] ?? 1) === 1 ? color : behind(node.parentElement);
    };
    return [...document.querySelectorAll(selector)]
        .filter(node => [...node.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || node.value)
        .map(node => {
            const [low, high] = [luminance(getComputedStyle(node).color), luminance(behind(node))].sort((a, b) => a - b);
            return [(high + 0.05) / (low + 0.05), node.className || node.textContent];
        })
        .filter(([contrast]) => contrast < 4.5);
}"""
TEXTS = ":is(label, output, select, button, p, span, textarea, pre, div, h2, h3, figcaption, a, summary)"


def find_browser():
    """The path of a Chromium or Chrome: $CHROME, or what is installed."""
    found = os.environ.get("CHROME") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        raise RuntimeError("The browser tests need Chromium or Chrome: install it, or set CHROME to its path.")
    return found


@contextlib.contextmanager
def server(command, folder, ready):
    """Run a Jupyter command on a free port of this machine; yields its address. Stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JUPYTER_CONFIG_DIR": str(folder / ".jupyter")}
    arguments = [part.format(port=port) for part in command]
    log = (folder / "server.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                urllib.request.urlopen(address + ready, timeout=5).read()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"The server did not start:\n{(folder / 'server.log').read_text()}") from None
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()


@contextlib.contextmanager
def jupyterlab(folder):
    """JupyterLab on the notebooks in `folder`; yields a function that gives the address of a notebook."""
    token = secrets.token_hex(8)
    command = [
        "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", "--port={port}", "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}", "--allow-root", "--LabApp.expose_app_in_browser=True", "--LabApp.check_for_updates_class="
        "jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    with server(command, folder, f"/api?token={token}") as address:
        yield lambda name: f"{address}/lab/tree/{name}?token={token}&reset"


@contextlib.contextmanager
def voila(folder):
    """Voilà on the notebooks in `folder`; yields a function that gives the address of a notebook as a page."""
    command = ["voila", "--no-browser", "--Voila.ip=127.0.0.1", "--port={port}", "--Voila.port_retries=0", "."]
    with server(command, folder, "/voila/tree") as address:
        yield lambda name, theme="light": f"{address}/voila/render/{name}?theme={theme}"


@contextlib.contextmanager
def chromium():
    """A headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
        yield browser
        browser.close()


def new_page(browser, width=1280, height=1000):
    """A page that keeps what goes wrong on it in `errors`."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda said: page.errors.append(said.text) if said.type == "error" else None)
    return page


def pale(page, root=".wwil"):
    """The texts of a lab or clinic that are hard to read on what is behind them."""
    return page.evaluate(PALE, f"{root} {TEXTS}")


def run_all(page, timeout=180):
    """Run every cell of the notebook that is open in JupyterLab and wait until the last one is done."""
    page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.sessionContext", timeout=60_000)
    return page.evaluate(
        """async seconds => {
            const app = window.jupyterapp, panel = app.shell.currentWidget;
            await panel.revealed; await panel.context.ready; await panel.sessionContext.ready;
            if (!panel.sessionContext.session?.kernel) await panel.sessionContext.startKernel?.();
            const done = app.commands.execute('notebook:run-all-cells');
            const late = new Promise((_, no) => setTimeout(() => no(new Error('cells still run')), seconds * 1000));
            await Promise.race([done, late]);
            return panel.content.model.cells.length;
        }""",
        timeout,
    )


def picture(path):
    """The picture of the lab in README.md: `python tests/browser.py docs/lab.png` writes it anew."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "notebooks", folder / "notebooks")
        with jupyterlab(folder) as address, chromium() as browser:
            page = browser.new_page(viewport={"width": 1360, "height": 1000})
            page.goto(address("notebooks/00_start_here.ipynb"))
            run_all(page)
            page.wait_for_selector(".wwil img[src]")
            page.get_by_role("slider", name="depth").focus()
            page.keyboard.press("ArrowRight")
            page.keyboard.press("ArrowRight")
            page.locator(".wwil-progress", has_text="100 of 100").wait_for()
            page.wait_for_timeout(3000)  # until the control's neighbours are prepared and the page is at rest
            page.locator(".wwil").first.screenshot(path=path)


if __name__ == "__main__":
    picture(sys.argv[1])
