"""The memory of a kernel stays flat, however many networks a learner tries."""

import json
import subprocess
import sys
import textwrap

from browser import ROOT

# 200 moves over 40 networks, many more than the cache of graphs keeps, so that graphs are made and dropped all the time.
MOVES = textwrap.dedent(
    """
    import asyncio, json, psutil
    from helpers import Experiment, Lab

    async def main():
        lab = Lab(Experiment(problem="sine", depth=1, epochs=3), controls=["depth", "width", "activation", "learning_rate"])
        lab._repr_mimebundle_()
        resident = {0: psutil.Process().memory_info().rss}
        for move in range(1, 201):
            network = move // 4
            indices = {"depth": 1 + network % 2, "width": network // 2 % 10, "activation": 1 + network // 20 % 2}
            indices["learning_rate"] = move % 7
            lab._receive(None, {"action": "set", "indices": indices, "generation": move}, [])
            while lab.view.state["generation"] < move or lab.view.state["running"]:
                await asyncio.sleep(0.002)
            resident[move] = psutil.Process().memory_info().rss
        print(json.dumps([resident[0], resident[20], resident[200]]))

    asyncio.run(main())
    """
)


WIDE = """
import json, psutil
from helpers import Experiment, train, train_seeds

train(Experiment(epochs=1))
before = psutil.Process().memory_info().rss
train_seeds(Experiment(depth=3, width=64), 50)
print(json.dumps([before, psutil.Process().memory_info().rss]))
"""


# The largest network that the sliders can ask for.
LARGEST = """
import json, psutil
from helpers import Experiment, train, train_seeds
from helpers.experiment import SETTINGS

train(Experiment(epochs=1))
sizes = [psutil.Process().memory_info().rss]
largest = Experiment(depth=max(SETTINGS["depth"].ladder), width=max(SETTINGS["width"].ladder), epochs=1)
for work in (train, lambda experiment: train_seeds(experiment, 20)):
    work(largest)
    sizes.append(psutil.Process().memory_info().rss)
print(json.dumps(sizes))
"""


def megabytes(program):
    """The sizes that a program prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return [size / 1e6 for size in json.loads(done.stdout)]


def test_two_hundred_moves_leave_the_memory_as_it_is():
    opened, early, late = megabytes(MOVES)
    assert late < 1.05 * early, f"{early:.0f} MB after 20 moves, {late:.0f} MB after 200"
    # The server of JupyterLab takes 160 MB and what is IPython 40 MB beside it, and Binder gives 1000.
    # Of this a third is TensorFlow's program, which the kernel of the system can drop; how much of it is there varies by 50 MB.
    assert late < 850, f"{opened:.0f} MB when the lab opened, {late:.0f} MB after 200 moves"


def test_many_wide_networks_give_their_memory_back():
    before, after = megabytes(WIDE)
    assert after < before + 100, f"{before:.0f} MB before, {after:.0f} MB after"  # else glibc keeps 150


def test_the_largest_network_fits():
    before, one, many = megabytes(LARGEST)
    assert one < before + 200
    assert many < before + 350
