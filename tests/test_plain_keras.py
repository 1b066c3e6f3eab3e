"""The program that opens a lesson is the network that its lab opens on, and its repair learns."""

import ast
import inspect
import re
import textwrap
from unittest.mock import patch

import build
import keras
import nbformat
import numpy as np
import pytest
import rounding

from helpers import Experiment, train
from helpers.experiments.jobs import job_of
from helpers.lessons import broken_programs

pytestmark = pytest.mark.numerical


def tagged(name, tag):
    """The sources of the code cells of a lesson that have a tag."""
    cells = build.notebook(name, "both").cells
    return [c.source for c in cells if c.cell_type == "code" and tag in c.metadata.get("tags", [])]


EPOCHS = 20  # the first ones tell: what differs in data, weights, batches or optimizer differs from the first step on
LESSONS = [name for name in build.names() if tagged(name, "program")]


def experiment_of(name):
    """The experiment that the lab of a lesson opens on."""
    (source,) = tagged(name, "experiment")
    names = {}
    exec(source, names)
    (experiment,) = (value for value in names.values() if isinstance(value, Experiment))
    return experiment


def in_the_order_of(experiment):
    """`fit` with the batches in the order of the lab, where it would draw an order of its own."""
    fit = keras.Model.fit
    dealt = job_of(experiment, [experiment.seed], many=False).batches
    sizes = dealt.sizes[:, 0]

    def ordered(model, x, y, *, batch_size, epochs, verbose, shuffle=True):
        assert batch_size == sizes[0]
        epochs = min(epochs, EPOCHS)
        order = dealt.deal(epochs)[:, :, 0].reshape(epochs * len(sizes), -1)
        chosen = [rows[:size] for rows, size in zip(order, np.tile(sizes, epochs), strict=True)]
        batches = ((x[rows], y[rows]) for rows in chosen)
        return fit(model, batches, steps_per_epoch=len(sizes), epochs=epochs, shuffle=False, verbose=verbose)

    return patch.object(keras.Model, "fit", ordered)


@pytest.mark.parametrize("name", LESSONS)
def test_the_lab_opens_on_the_program(name):
    experiment, (source,), names = experiment_of(name), tagged(name, "program"), {}
    with in_the_order_of(experiment):
        exec(source, names)
    loss = np.array(names["history"].history["loss"])
    allowed = rounding.limits(rounding.fit, experiment.replace(epochs=EPOCHS))["loss"]
    # Rounding grows by a jump where a sample leaves the flat part of a saturated unit, and the next jump may be any size.
    jumps = np.concatenate([[False], allowed[1:] > 3 * allowed[:-1]])
    calm = (allowed <= rounding.TIMES * rounding.CHAOS) & ~np.logical_or.accumulate(jumps)
    off = rounding.distance("loss", loss, train(experiment).loss[:EPOCHS])
    # A network that starts saturated may jump in its second epoch; by how much is not known, but it is not far.
    assert calm.sum() >= 5 or (calm[0] and (off[:5] < 1e-3).all())
    assert (off <= allowed)[calm].all()


def judged(printed):
    """Holds what a program and its repair have printed: the first fails, the second learns."""
    (failed, baseline), (learned, _) = (map(float, n) for n in re.findall(r"loss (\S+), baseline (\S+)", printed))
    assert not failed < 0.75 * baseline
    assert learned < 0.5 * baseline


@pytest.mark.parametrize("name", LESSONS)
def test_the_program_failed_and_its_repair_learned_in_the_built_notebook(name):
    book = nbformat.read(build.FOLDERS["solution"] / f"{name}.ipynb", 4)
    ran = [cell for tag in ("program", "repaired") for cell in book.cells if tag in cell.metadata.get("tags", [])]
    assert [cell.source for cell in ran] == [*tagged(name, "program"), *tagged(name, "repaired")]
    judged("".join(output.get("text", "") for cell in ran for output in cell.outputs))


@pytest.mark.nightly
@pytest.mark.parametrize("name", LESSONS)
def test_the_program_fails_and_its_repair_learns(name, capsys):
    names = {}
    for tag in ("program", "repaired"):
        (source,) = tagged(name, tag)
        exec(source, names)
    judged(capsys.readouterr().out)


@pytest.mark.parametrize("name", LESSONS)
def test_the_exercises_print_the_broken_programs(name):
    cells = [source for source in tagged(name, "exercise") if "check(repairs." in source]
    assert cells
    for cell in cells:
        fault = re.search(r"check\(repairs\.(\w+),", cell)[1]
        function = ast.parse(textwrap.dedent(inspect.getsource(getattr(broken_programs, fault)))).body[0]
        printed = [ast.dump(node) for node in function.body[:-1]]
        written = [ast.dump(node) for node in ast.parse(cell.replace("repairs.data(", "data(")).body]
        assert [node for node in written if node in printed] == printed
