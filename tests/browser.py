"""A JupyterLab and a Chromium for the tests that need both, and for the pictures in the README."""

import contextlib
import functools
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

import chrome
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
HANG = 600  # seconds after which what is waited for will not come any more, however busy the machine
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    # No other machine. Voilà's own template asks one for its icons and shows nothing before that one has answered: where the name
    # server or that host keeps silent, the lab comes half a minute or more late.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
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
# Whether the first lab has trained to the end what was asked for, and shows the plots of it.
TRAINED = """() => {
    const lab = document.querySelector('.wwil'), progress = lab.querySelector('.wwil-progress').textContent;
    const shown = lab.querySelector('img').dataset.frame === lab.dataset.frame;
    return lab.getAttribute('aria-busy') !== 'true' && shown && /^epoch (\\d+) of \\1$/.test(progress);
}"""
TEXTS = ":is(label, output, select, button, p, span, textarea, pre, div, h2, h3, figcaption, a, summary)"


@functools.cache
def find_browser():
    """The path of a Chromium, Chrome or Edge: $CHROME, or what is installed."""
    found = chrome.find()
    if not found:
        raise RuntimeError(f"The browser tests need Chromium, Chrome or Edge. {chrome.advice()}")
    return found


@contextlib.contextmanager
def server(command, folder, ready):
    """Run a Jupyter command on a free port of this machine; yields its address. Stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "LESSON_ANSWERS": "shown",
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JUPYTER_CONFIG_DIR": str(folder / ".jupyter"),
    }
    arguments = [part.format(port=port) for part in command]
    log = folder / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + HANG
        while not answers(address + ready):
            if ended(process, within=0.2) or time.monotonic() > deadline:
                raise RuntimeError(f"The server did not start:\n{log.read_text()}")
        yield address
    finally:
        process.terminate()
        if not ended(process, within=HANG / 10):
            process.kill()
            process.wait()


def answers(address):
    """Whether a server answers there."""
    try:
        urllib.request.urlopen(address, timeout=HANG / 10).read()
    except OSError:
        return False
    return True


def ended(process, within):
    """Whether a process ends within some seconds."""
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        return False
    return True


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
    path = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def new_page(browser, width=1280, height=1000):
    """A page that keeps what goes wrong on it in `errors`."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(HANG / 5 * 1000)
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda said: page.errors.append(said.text) if said.type == "error" else None)
    return page


def pale(page, root=".wwil"):
    """The texts of a lab or clinic that are hard to read on what is behind them."""
    return page.evaluate(PALE, f"{root} {TEXTS}")


def run_all(page, timeout=HANG):
    """Run every cell of the notebook that is open in JupyterLab and wait until the last one is done."""
    page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.sessionContext")
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
    """The picture of the lab in README.md: `python tests/browser.py docs/lab.png` takes it again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "notebooks", folder / "notebooks")
        with jupyterlab(folder) as address, chromium() as browser:
            page = new_page(browser, width=1360)
            page.goto(address("notebooks/00_start_here.ipynb"))
            run_all(page)
            page.wait_for_selector(".wwil img[src]")
            page.get_by_role("slider", name="depth").press("ArrowRight")
            page.get_by_role("slider", name="depth").press("ArrowRight")
            page.evaluate("() => new Promise(requestAnimationFrame)")  # by then the keys have been sent
            page.wait_for_function(TRAINED)
            page.locator(".wwil").first.screenshot(path=path)


if __name__ == "__main__":
    picture(sys.argv[1])
