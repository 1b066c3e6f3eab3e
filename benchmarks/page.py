"""The lab in JupyterLab and Chromium: how soon it answers, how smoothly it draws, and what it keeps in memory."""

import re
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from browser import chromium, jupyterlab, run_all

# Notes, in the page itself, when each new frame has been painted, and of which request it is.
WATCH = """() => {
    const root = document.querySelector('.wwil');
    window.painted = [];
    const note = () => {
        const generation = Number(root.dataset.generation);
        requestAnimationFrame(() => requestAnimationFrame(() => window.painted.push([performance.now(), generation])));
    };
    new MutationObserver(note).observe(root, {attributes: true, attributeFilter: ['data-frame']});
}"""
# Moves a slider to a stop, as a person does, and waits for the first frame of the new setting: milliseconds.
MOVE = """async ([name, stop]) => {
    const root = document.querySelector('.wwil');
    const slider = [...root.querySelectorAll('input[type=range]')].find(
        (input) => input.labels[0].textContent.trim().startsWith(name));
    const before = Number(root.dataset.generation);
    window.painted = [];
    const began = performance.now();
    slider.value = stop;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    while (true) {
        const frame = window.painted.find(([_, generation]) => generation > before);
        if (frame) return frame[0] - began;
        await new Promise((later) => setTimeout(later, 4));
    }
}"""
BUSY = "() => document.querySelector('.wwil').getAttribute('aria-busy') === 'true'"
IDLE = "() => document.querySelector('.wwil').getAttribute('aria-busy') === 'false'"


def moves(page, stops, rest):
    """The milliseconds that each move takes; before each the lab rests for `rest` ms."""
    taken = []
    for name, stop in stops:
        page.wait_for_function(IDLE)
        page.wait_for_timeout(rest)
        taken.append(page.evaluate(MOVE, [name, stop]))
    return taken


def row(what, taken, target):
    """A line of the table."""
    late = sorted(taken)[int(0.95 * len(taken))]
    print(f"| {what} | {statistics.median(taken):.0f} ms (95 %: {late:.0f} ms) | {target} |", flush=True)


def kernel(server):
    """The process of the kernel below a JupyterLab."""
    below = psutil.Process(server).children(recursive=True)
    return next(p for p in below if any("ipykernel" in part for part in p.cmdline()))


def server_process():
    """The JupyterLab that this process started."""
    return next(p.pid for p in psutil.Process().children() if any("jupyterlab" in part for part in p.cmdline()))


def megabytes(process):
    """Resident memory that cannot be had back from disk (Linux calls it RssAnon)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) * 1024 / 1e6


def memory(page):
    """Megabytes of the kernel when the lab is open, after 20 and 200 moves over 10 networks, and after 100 seeds then."""
    process = kernel(server_process())
    sizes = {0: megabytes(process)}
    for move in range(1, 201):
        page.evaluate(MOVE, ["depth", 1 + move // 5 % 5] if move % 5 == 0 else ["learning rate", 3 + move % 5])
        if move % 25 == 0:
            page.evaluate(MOVE, ["width", 6 + move // 25 % 2])
        if move in (20, 200):
            page.wait_for_function(IDLE)
            sizes[move] = megabytes(process)
    page.get_by_role("button", name="100 seeds").click()
    page.wait_for_function(BUSY)
    page.wait_for_function(IDLE)
    sizes["seeds"] = megabytes(process)
    return sizes


def main():
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "notebooks", folder / "notebooks")
        with jupyterlab(folder) as address, chromium() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            page.goto(address("notebooks/00_start_here.ipynb"))
            run_all(page)
            page.wait_for_selector(".wwil img[src]")
            page.evaluate(WATCH)
            moves(page, [("depth", 2)], 0)
            print("| in the browser | measured | reach |\n|---|---|---|")
            same = [("learning rate", 3 + n % 5) for n in range(25)]
            row("slider to first new frame, no new graph", moves(page, same, 100), "100 ms")
            neighbours = [("depth", 2 + n % 8) for n in range(1, 8)] * 2
            row("the same, the next network, traced while idle", moves(page, neighbours, 3000), "150 ms")
            moves(page, [("depth", 3)], 0)  # three layers, as in the benchmark of the engine
            far = [("width", stop) for stop in (0, 6, 12, 2, 8, 13, 4, 10, 1, 7, 11, 3, 9, 5) * 2]
            row("the same, a network not traced before", moves(page, far, 400), "350 ms")
            page.wait_for_function(IDLE)
            page.evaluate(MOVE, ["width", 7])
            page.wait_for_function(IDLE)
            page.evaluate(MOVE, ["epochs", 9])
            page.wait_for_timeout(300)
            page.evaluate("window.painted = []")
            page.wait_for_timeout(3000)
            print(
                f"| frames a second while training | {page.evaluate('window.painted.length') / 3:.0f} | 30 |",
                flush=True,
            )
            page.evaluate(MOVE, ["epochs", 1])
            sizes = memory(page)
            print("\n| memory of the kernel that cannot be had back from disk | MB | reach |\n|---|---|---|")
            steps = (
                (0, "after the moves above"),
                (20, "20 moves more"),
                (200, "200 moves more"),
                ("seeds", "100 seeds then"),
            )
            for move, what in steps:
                print(f"| {what} | {sizes[move]:.0f} | {'' if move in (0, 20) else '400'} |")
            print(f"| growth from 20 to 200 | {sizes[200] / sizes[20] - 1:.1%} | 5 % |")
