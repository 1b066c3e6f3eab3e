"""Chunks of a grid: trained in several processes, kept on disk, and read again.

A finished chunk is kept under the hash of all that it depends on, so that a build that was interrupted goes on where it was, and
one after a change trains only what the change concerns.
"""

import hashlib
import json
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

import helpers
from helpers.experiments.sources import DATA

from . import grid

ROOT = Path(helpers.__file__).parent.parent
# What numbers and texts depend on: the code that makes data, trains and judges, the data themselves, and the packages below it.
ENGINE = ("helpers/experiments/*.py", "helpers/lab/plots.py", "why_wont_it_learn/**/*.py")
GRAPH = 40_000  # so many steps of one network take about as long as making a graph
PACKAGES = ("tensorflow-cpu", "tensorflow", "keras", "numpy", "pandas", "scikit-learn")


def engine_digest():
    """The hash of the code, the data and the packages that the numbers depend on."""
    digest = hashlib.sha256()
    for path in (
        *(path for pattern in ENGINE for path in sorted(ROOT.glob(pattern))),
        Path(grid.__file__),
        *sorted(DATA.glob("*.csv")),
    ):
        digest.update(path.read_bytes())
    for package in PACKAGES:
        try:
            digest.update(f"{package} {version(package)}\n".encode())
        except PackageNotFoundError:  # each machine has one of the two builds of TensorFlow
            digest.update(f"{package} none\n".encode())
    return digest.hexdigest()


def place(folder, chunk, engine):
    """Where a finished chunk is kept."""
    asked = [[t.experiment.to_json(), t.ends, t.seeds, t.shown] for t in chunk]
    digest = hashlib.sha256(json.dumps([engine, asked]).encode()).hexdigest()
    return folder / f"{digest[:32]}.npz"


def train_chunk(chunk, path):
    """Train a chunk and write it; a half-written file never gets the name of a whole one."""
    found = grid.results(chunk)
    columns = {name: np.array([kept[name] for kept in found]) for name in found[0]}
    half = path.with_name(f"{path.stem}.{os.getpid()}.half")
    with half.open("wb") as file:
        np.savez(file, **columns)
    os.replace(half, path)


def read_chunk(path):
    """The results of a chunk, in the order of its trainings' `wanted`."""
    with np.load(path, allow_pickle=False) as columns:
        return {name: columns[name] for name in columns.files}


def _start_worker():
    """One thread for each process; none outlives the build, and the build alone tells of Ctrl+C."""
    import tensorflow as tf

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    parent = multiprocessing.parent_process()

    def follow():
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def train_missing(jobs, processes, say=print):
    """Train the chunks that are not there yet; jobs: list of (chunk, path). Tells how far it is."""
    missing = [job for job in jobs if not job[1].exists()]
    steps = {path: GRAPH + sum(t.steps() for t in chunk) for chunk, path in jobs}
    total = sum(steps[path] for _, path in missing)
    if len(missing) < len(jobs):
        say(f"{len(jobs) - len(missing)} of {len(jobs)} chunks are there from before.")
    if not missing:
        return
    missing.sort(
        key=lambda job: -steps[job[1]]
    )  # long ones first, so that no process is left alone with one at the end
    began, done = time.monotonic(), 0
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(missing)), spawn, _start_worker) as pool:
        try:
            waiting = {pool.submit(train_chunk, chunk, path): path for chunk, path in missing}
            for number, future in enumerate(as_completed(waiting), 1):
                future.result()
                done += steps[waiting[future]]
                passed = time.monotonic() - began
                left = passed * (total - done) / done
                say(f"{done / total:4.0%}  chunk {number} of {len(missing)}, {passed:.0f} s, about {left:.0f} s left")
        except BaseException:
            # What is being trained would else be trained to its end first.
            for process in list(pool._processes.values()):
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
