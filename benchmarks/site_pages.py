"""The pages without a kernel in Chromium: how large, how soon painted, how soon a move is drawn."""

import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "site"
sys.path.insert(0, str(ROOT / "tests"))

from browser import chromium

# Moves a control to each of its stops in turn; the milliseconds from the input to the end of the frame that shows it, of which the
# wait for the frame to begin is left out: script, style, layout and paint.
MOVES = """async () => {
    const root = document.querySelector('.still');
    const taken = [];
    for (const input of root.querySelectorAll('select, input[type=range]')) {
        const count = input.options?.length ?? Number(input.max) + 1;
        for (let n = 0; n < 2 * count; n++) {
            const before = root.dataset.frame;
            if (input.options) input.selectedIndex = n % count; else input.value = n % count;
            input.dispatchEvent(new Event(input.options ? 'change' : 'input', {bubbles: true}));
            await new Promise((done) => requestAnimationFrame((began) => {
                const channel = new MessageChannel();
                channel.port1.onmessage = () => { taken.push(performance.now() - began); done(); };
                channel.port2.postMessage(0);  // comes after style, layout and paint of this frame
            }));
            if (root.dataset.frame === before) throw new Error('nothing was drawn');
        }
    }
    return taken;
}"""
PAINT = """() => new Promise((done) => new PerformanceObserver((list) => done(list.getEntries().at(-1).startTime))
    .observe({type: 'paint', buffered: true}))"""


def main():
    """Measure and print."""
    pages = sorted(SITE.glob("[0-9]*.html"))
    if not pages:
        print("There is no site yet: python run.py site builds it.")
        return
    size = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file())
    print(f"{len(pages)} lessons, {size / 1e6:.1f} MB\n")
    print("| page | data | first paint (median of 5) | move (median, 95 %) |\n|---|---|---|---|")
    with chromium() as browser:
        for path in pages:
            paints = []
            for _ in range(5):
                context = browser.new_context(viewport={"width": 1280, "height": 1000}, offline=True)
                page = context.new_page()
                page.goto(path.as_uri())
                paints.append(page.evaluate(PAINT))
                page.wait_for_selector(".still")
                taken = sorted(page.evaluate(MOVES)) if len(paints) == 5 else []
                context.close()
            data = (SITE / "data" / f"{path.stem}.js").stat().st_size
            late = taken[int(0.95 * len(taken))]
            print(
                f"| {path.stem} | {data / 1e6:.2f} MB | {statistics.median(paints):.0f} ms "
                f"| {statistics.median(taken):.1f} ms, {late:.1f} ms |",
                flush=True,
            )
