"""The memory of a kernel stays flat, however many networks a learner tries."""

import json
import subprocess
import sys

import pytest
from browser import HANG, ROOT

# Of what is resident a third is TensorFlow's program, which the system can drop; how much of that is there varies by 50 MB.
OWN = """
import sys
import psutil

def own():
    if sys.platform == "linux":
        (line,) = [line for line in open("/proc/self/status") if line.startswith("RssAnon")]
        return int(line.split()[1]) * 1024
    return psutil.Process().memory_info().rss
"""

# Moves over a network for every four, many more than the cache of graphs keeps, so that graphs are made and dropped all the time.
MOVES = """
import asyncio, json
from helpers import Experiment, Lab

async def main():
    lab = Lab(Experiment(problem="sine", depth=1, epochs=3), controls=["depth", "width", "activation", "learning_rate"])
    lab._repr_mimebundle_()
    sizes = {0: own()}
    for move in range(1, moves + 1):
        network = move // 4
        indices = {"depth": 1 + network % 2, "width": network // 2 % 10, "activation": 1 + network // 20 % 2}
        indices["learning_rate"] = move % 7
        lab._receive(None, {"action": "set", "indices": indices, "generation": move}, [])
        while lab.view.state["generation"] < move or lab.view.state["running"]:
            await asyncio.sleep(0.002)
        sizes[move] = own()
    print(json.dumps([sizes[0], sizes[20], sizes[moves]]))

asyncio.run(main())
"""


WIDE = """
import json, threading
from helpers import Experiment, train, train_seeds

train(Experiment(epochs=1))
before, sizes, done = own(), [], threading.Event()

def watch():
    while not done.wait(0.01):
        sizes.append(own())

thread = threading.Thread(target=watch)
thread.start()
train_seeds(Experiment(depth=3, width=64), 50)
done.set()
thread.join()
print(json.dumps([before, max(sizes), own()]))
"""


# The largest network that the sliders can ask for.
LARGEST = """
import json
from helpers import Experiment, train, train_seeds
from helpers.experiments.experiment import FIELDS

train(Experiment(epochs=1))
sizes = [own()]
largest = Experiment(depth=max(FIELDS["depth"].slider_values), width=max(FIELDS["width"].slider_values), epochs=1)
for work in (train, lambda experiment: train_seeds(experiment, 20)):
    work(largest)
    sizes.append(own())
print(json.dumps(sizes))
"""


def megabytes(program):
    """The sizes that a program prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", OWN + program], cwd=ROOT, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stderr
    return [size / 1e6 for size in json.loads(done.stdout)]


@pytest.mark.xdist_group("test_memory_moves")
@pytest.mark.parametrize("moves", [60, pytest.param(200, marks=pytest.mark.nightly)])
def test_moves_leave_the_memory_as_it_is(moves):
    opened, early, late = megabytes(f"moves = {moves}\n{MOVES}")
    assert late < 1.05 * early, f"{early:.0f} MB after 20 moves, {late:.0f} MB after {moves}"
    # Four graphs are kept, which take a seventh of what a lab and TensorFlow take.
    assert late < 1.3 * opened, f"{opened:.0f} MB when the lab opened, {late:.0f} MB after {moves} moves"


@pytest.mark.nightly
@pytest.mark.xdist_group("test_memory_wide")
def test_many_wide_networks_give_their_memory_back():
    before, most, after = megabytes(WIDE)
    taken, kept = most - before, after - before
    assert kept < 0.6 * taken, f"{taken:.0f} MB taken, {kept:.0f} MB kept"  # else glibc keeps nearly all


@pytest.mark.xdist_group("test_memory_wide")
def test_the_largest_network_fits():
    before, one, many = megabytes(LARGEST)
    assert one < 1.6 * before, f"{before:.0f} MB before, {one:.0f} MB with one network"
    assert many < 2.3 * before, f"{before:.0f} MB before, {many:.0f} MB with many"
