"""A class at a real hub: `python run.py bench classroom --learners 20 --minutes 2`.

Each learner logs in, opens lesson 02, runs it down to the lab, saves, and moves the lab's controls. In the middle a kernel and the
hub are killed, and the hub is started again. Learners speak HTTP and websockets as a browser does, because twenty browsers do
not fit next to their kernels; `--browsers 1` has some of them come with a real Chromium. It ends by itself.
"""

import argparse
import asyncio
import contextlib
import hashlib
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import psutil
from playwright.async_api import async_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from browser import FLAGS, find_browser
from learner import OWN, PASSWORD, Hub

LESSON = "notebooks/02_activations.ipynb"
CELL = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .cm-content"


class Person:
    """One learner's way through the lesson, and how long each step took."""

    def __init__(self, number, hub, think, seconds):
        self.name = f"learner-{number}"
        self.hub, self.think, self.seconds = hub, think, seconds
        self.learner = hub.learner(self.name)
        self.random = random.Random(number)
        self.steps = {}
        self.first_frames = []
        self.saved = None
        self.failure = None
        self.pid = None
        self.breaks = self.new_kernels = 0

    async def come(self, after):
        """Log in, open the lesson, run it to its lab, save."""
        await asyncio.sleep(after)
        await self.learner.__aenter__()
        await self._timed("log in", self.learner.log_in())
        await self._timed("kernel", self._open())
        await self._timed("lab", self.learner.run_to_lab(LESSON, width=860))
        book = await self.learner.read(LESSON)
        book["cells"][0]["source"] = f"{self.name} was here."
        await self.learner.save(LESSON, book)
        self.saved = self.digest()

    async def _timed(self, step, work):
        start = time.monotonic()
        await work
        self.steps[step] = time.monotonic() - start

    async def _open(self):
        await self.learner.open(LESSON)
        await self._run("import os; print(os.getpid())")
        self.pid = int(self.learner.said[-1])

    async def _run(self, source):
        reply = await self.learner.run(source)
        if reply["status"] != "ok":
            raise RuntimeError(f"{reply['ename']}: {reply['evalue']}")

    async def move(self):
        """Move one control after the other, with pauses to look, until the time is over."""
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            row = self.random.choice(list(self.learner.controls.values()))
            stop = self.random.choice([i for i in (row["index"] - 1, row["index"] + 1) if 0 <= i < len(row["options"])])
            try:
                self.first_frames.append(await self.learner.move(row["name"], stop))
            except (TimeoutError, OSError, aiohttp.ClientError):
                await self.recover()
            await asyncio.sleep(self.random.expovariate(1 / self.think))

    async def recover(self):
        """What JupyterLab and its reader do after a break: connect again, and run the lesson again if the kernel is new."""
        self.breaks += 1
        end = time.monotonic() + 120
        while True:
            try:
                await self.learner.listen()
                await self._run("import os; print(os.getpid())")
                break
            except (TimeoutError, OSError, aiohttp.ClientError):
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(1)
        if int(self.learner.said[-1]) != self.pid:
            self.new_kernels += 1
            await self.learner.run_to_lab(LESSON, width=860)

    def digest(self):
        path = self.hub.data / "learners" / self.name / "files" / LESSON
        return hashlib.sha256(path.read_bytes()).hexdigest()

    async def guarded(self, work):
        """What goes wrong for one learner is counted and does not end the others' class."""
        try:
            await work
        except Exception as error:
            self.failure = self.failure or f"{type(error).__name__}: {error}"


async def in_browser(number, hub, think, seconds):
    """One learner with a real Chromium; returns the seconds until the first new picture after each key."""
    first = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
        page = await browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(180_000)
        await page.goto(hub.address)
        await page.fill("[name=username]", f"browser-{number}")
        await page.fill("[name=password]", PASSWORD)
        await page.fill("[name=own]", OWN)
        await page.click("[type=submit]")
        await page.wait_for_url("**/lab/tree/**")
        await page.goto(f"{hub.address}/user/browser-{number}/lab/tree/{LESSON}")
        await page.locator(CELL).filter(has_text="Experiment(").first.click()
        await page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")
        for _cell in ("experiment", "lab"):
            await page.keyboard.press("Shift+Enter")
        slider = page.get_by_role("slider", name="depth")
        await slider.wait_for()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            frame = await page.locator(".wwil").first.get_attribute("data-frame")
            generation = await page.locator(".wwil").first.get_attribute("data-generation")
            start = time.monotonic()
            await slider.press("ArrowRight" if len(first) % 6 < 3 else "ArrowLeft")
            await page.wait_for_function(
                "([f, g]) => { const d = document.querySelector('.wwil').dataset; return d.frame !== f && d.generation !== g; }",
                arg=[frame, generation],
            )
            first.append(time.monotonic() - start)
            await asyncio.sleep(think)
        await browser.close()
    return first


async def break_things(people, hub, after):
    """Kill the first learner's kernel, then the hub, and start the hub again. Returns how long the hub was away."""
    await asyncio.sleep(after)
    os.kill(people[0].pid, signal.SIGKILL)
    await asyncio.sleep(5)
    start = time.monotonic()
    hub.kill()
    await asyncio.to_thread(hub.start)
    return time.monotonic() - start


def memory(hub):
    """PSS in MB, which counts what is shared once: {what: of each such process}."""
    found = {"server": [], "kernel": [], "hub and proxy": []}
    for process in hub.learners_processes():
        with contextlib.suppress(psutil.Error):
            kind = "kernel" if "ipykernel" in " ".join(process.cmdline()) else "server"
            found[kind].append(process.memory_full_info().pss / 1e6)
    ours = psutil.Process(hub.process.pid)
    for process in (ours, *ours.children(recursive=True)):
        line = " ".join(process.cmdline())
        if "-m jupyterhub " in line or "configurable-http-proxy" in line:
            found["hub and proxy"].append(process.memory_full_info().pss / 1e6)
    return found


def spread(seconds):
    """Median and 95th percentile."""
    if len(seconds) < 2:
        return "–", "–"
    return f"{statistics.median(seconds):.2f}", f"{statistics.quantiles(seconds, n=20)[-1]:.2f}"


async def lesson(hub, asked):
    """The class; prints what it measured. Returns how many failed."""
    seconds = asked.minutes * 60
    people = [Person(number, hub, asked.think, seconds) for number in range(asked.learners)]
    start = time.monotonic()
    gap = asked.arrive / max(1, asked.learners)
    await asyncio.gather(*(p.guarded(p.come(number * gap)) for number, p in enumerate(people)))
    arrived = time.monotonic() - start
    ready = [p for p in people if p.failure is None]
    moving = [p.guarded(p.move()) for p in ready]
    chromium = [in_browser(number, hub, asked.think, seconds / 2) for number in range(asked.browsers)]
    others = asyncio.gather(*chromium, return_exceptions=True)
    broken = asyncio.create_task(break_things(ready, hub, seconds / 2)) if asked.kill else None
    load = asyncio.create_task(watch_load(seconds))
    before = time.process_time()
    await asyncio.gather(*moving)
    own = (time.process_time() - before) / seconds
    sizes = memory(hub)
    away = await broken if broken else None
    seen = await others
    lost = [p.name for p in people if p.saved and p.digest() != p.saved]
    again = await come_again(ready)
    await asyncio.gather(*(p.learner.__aexit__() for p in people))
    print(f"\n{asked.learners} learners, {asked.minutes:g} minutes, a move every {asked.think:g} s")
    print(f"load of the machine: {await load:.1f}; this program itself takes {own:.0%} of a core")
    print("\n| | median | 95 % |\n|---|---|---|")
    for step in ("log in", "kernel", "lab"):
        print("| {} | {} s | {} s |".format(step, *spread([p.steps[step] for p in people if step in p.steps])))
    moves = [second for p in people for second in p.first_frames]
    print("| first frame after a move ({} moves) | {} s | {} s |".format(len(moves), *spread(moves)))
    keys = [second for one in seen if isinstance(one, list) for second in one]
    if asked.browsers:
        print("| the same in Chromium ({} keys) | {} s | {} s |".format(len(keys), *spread(keys)))
        for one in seen:
            if not isinstance(one, list):
                print(f"a browser failed: {one}")
    print("\n| memory (PSS) | MB |\n|---|---|")
    for kind, each in sizes.items():
        if each:
            print(f"| {kind}: {len(each)}, mean | {statistics.mean(each):.0f} |")
    total = sum(map(sum, sizes.values()))
    print(f"| all together | {total:.0f} |\n| … for each learner | {total / (asked.learners + asked.browsers):.0f} |")
    failed = [f"{p.name}: {p.failure}" for p in people if p.failure]
    print(f"\nall at work after {arrived:.0f} s; {asked.learners - len(failed)} of {asked.learners} came through")
    if away is not None:
        breaks, new = sum(p.breaks for p in people), sum(p.new_kernels for p in people)
        print(f"a kernel and the hub were killed; the hub was away for {away:.0f} s")
        print(f"connections that broke and came again: {breaks}; kernels that were lost: {new}, of which 1 was killed")
    print(f"saved work lost: {len(lost)} of {asked.learners}; came again afterwards: {again} of {len(ready)}")
    print(*failed, sep="\n")
    return len(failed) + len(lost) + len(ready) - again


async def come_again(people):
    """How many can log in again and find what they saved."""

    async def one(person):
        async with person.hub.learner(person.name) as learner:
            await learner.log_in()
            return (await learner.read(LESSON))["cells"][0]["source"] == f"{person.name} was here."

    return sum(one is True for one in await asyncio.gather(*map(one, people), return_exceptions=True))


async def watch_load(seconds):
    """The machine's mean load meanwhile."""
    seen = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(5)
        seen.append(os.getloadavg()[0])
    return statistics.mean(seen)


def main(arguments):
    """Run a class and print its table."""
    parser = argparse.ArgumentParser(prog="python run.py bench classroom")
    parser.add_argument("--learners", type=int, default=20)
    parser.add_argument("--browsers", type=int, default=1, help="how many more come with a Chromium")
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--think", type=float, default=4, help="seconds between two moves of a learner")
    parser.add_argument("--arrive", type=float, default=30, help="seconds in which all arrive")
    parser.add_argument("--no-kill", dest="kill", action="store_false", help="kill neither kernel nor hub")
    asked = parser.parse_args(arguments)
    if not (1 <= asked.learners <= 60 and 0 <= asked.browsers <= 4 and 0.2 <= asked.minutes <= 10):
        sys.exit("Give 1 to 60 --learners, 0 to 4 --browsers and 0.2 to 10 --minutes.")
    with tempfile.TemporaryDirectory() as folder:
        hub = Hub(Path(folder) / "data", "--learners", "100")
        hub.start()
        try:
            bad = asyncio.run(lesson(hub, asked))
        finally:
            hub.stop()
    sys.exit(1 if bad else 0)
