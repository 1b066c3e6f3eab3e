"""Success maps: the numbers are those of train_seeds, and every answer is a sentence."""

import asyncio
import base64
import json
import re
import threading
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from helpers import Experiment, Lab, success_map, train, train_seeds
from helpers.experiments import training
from helpers.lab import maps
from helpers.lessons.teaching import claim
from why_wont_it_learn import pictures
from why_wont_it_learn.engine import cache

pytestmark = pytest.mark.numerical

XOR = Experiment(problem="xor", depth=1, width=3, batch_size=None, learning_rate=0.05, epochs=150)
ROWS = ("width", [2, 4])
COLUMNS = ("activation", ["tanh", "relu"])


class FakeLab:
    """What a map asks of a Lab."""

    def __init__(self, experiment=XOR):
        self.experiment, self.run, self.shown = experiment, None, []

    def show(self, experiment):
        self.shown.append(experiment)

    def trained(self, **changes):
        self.experiment = XOR.replace(**changes)
        self.run = train(self.experiment)
        return self


@pytest.fixture(scope="module", autouse=True)
def kept_graphs():
    """The tests share their graphs, which take longer to make than the trainings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "MANY_KEPT", 16)
        yield


@pytest.fixture(scope="module")
def xor():
    return success_map(XOR, ROWS, COLUMNS, seeds=50)


def same_study(found, experiment, seeds):
    """Whether a cell is what `train_seeds` gives. Both run on the same graph, so not even their rounding differs."""
    expected = train_seeds(experiment, seeds, probes=False)
    np.testing.assert_array_equal(found.seeds, expected.seeds)
    np.testing.assert_array_equal(found.skill, expected.skill)
    np.testing.assert_array_equal(found.val_loss, expected.val_loss)
    np.testing.assert_array_equal(found.loss[:, -1], expected.loss[:, -1])
    return expected


# --- numbers -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("more", "compiled"), [(0, True), (1, False)])
def test_a_graph_that_runs_for_many_steps_is_compiled(monkeypatch, more, compiled):
    asked, train = [], maps.stream_seeds

    def stream_seeds(experiment, seeds, *, jit_compile, **options):
        asked.append(jit_compile)
        return train(experiment, seeds, **options)

    monkeypatch.setattr(maps, "stream_seeds", stream_seeds)
    monkeypatch.setattr(maps, "COMPILED_FROM", 3 * 4 + more)  # three cells on one graph, each of four steps
    success_map(XOR.replace(epochs=4), ("width", [2]), ("learning_rate", [0.1, 0.2, 0.3]), seeds=2).compute()
    assert asked == 3 * [compiled]


def test_every_cell_is_what_train_seeds_gives(xor):
    for i, width in enumerate(ROWS[1]):
        for j, activation in enumerate(COLUMNS[1]):
            study = same_study(xor.study(width, activation), XOR.replace(width=width, activation=activation), 50)
            assert xor.rate[i, j] == study.success_rate
            assert xor.skill[i, j] == np.median(study.skill)
    assert len(set(xor.rate.ravel())) > 1, "the map shows something"


@pytest.mark.parametrize(
    ("base", "rows", "columns"),
    [
        # Values that enter one graph, batches, penalties, dropout, a real table, no hidden layer.
        ({"problem": "sine", "epochs": 6}, ("learning_rate", [0.001, 0.1]), ("l2", [0.0, 0.01])),
        ({"problem": "sine", "epochs": 6, "optimizer": "adamw"}, ("dropout", [0.0, 0.3]), ("weight_decay", [0.0, 0.1])),
        ({"problem": "auto_mpg", "epochs": 3}, ("depth", [0, 2]), ("scaling", ["none", "standard"])),
        ({"problem": "moons", "samples": 50}, ("batch_size", [8, None]), ("epochs", [1, 5])),
        ({"epochs": 4}, ("problem", ["sine", "circle"]), ("optimizer", ["momentum", "adam"])),
    ],
)
def test_any_two_fields_train_as_alone(base, rows, columns):
    base = Experiment(**base)
    m = success_map(base, rows, columns, seeds=[3, 11, 7])
    for row in rows[1]:
        for column in columns[1]:
            same_study(m.study(row, column), base.replace(**{rows[0]: row, columns[0]: column}), [3, 11, 7])


def test_without_probes_the_training_is_the_same():
    plain, probed = (train_seeds(XOR.replace(epochs=9), [3, 11], probes=probes) for probes in (False, True))
    # Another graph rounds differently, by far less than this after so few epochs.
    np.testing.assert_allclose(plain.loss, probed.loss, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(plain.val_loss[:, -1], probed.val_loss[:, -1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(plain.weights, probed.weights, rtol=1e-4, atol=1e-6)
    assert plain.val_loss.shape == (2, 1)
    assert plain.gradient_norm.shape == (2, 0, 2)


def test_more_seeds_than_one_population(monkeypatch):
    monkeypatch.setattr("helpers.experiments.training.SEEDS_AT_ONCE", 4)
    m = success_map(XOR.replace(epochs=5), ("width", [2]), ("learning_rate", [0.1]), seeds=6)
    same_study(m.study(2, 0.1), XOR.replace(epochs=5, width=2, learning_rate=0.1), 6)


def test_wide_networks_are_trained_a_few_at_a_time(monkeypatch):
    wide = XOR.replace(epochs=5, depth=3, width=10)
    together = train_seeds(wide, 7)
    monkeypatch.setattr("helpers.experiments.training.WEIGHTS_AT_ONCE", 3 * wide.hidden_weights)
    apart = train_seeds(wide, 7)
    np.testing.assert_allclose(apart.loss, together.loss, rtol=1e-4)
    assert [*cache._graphs.values()][-1].shape.models == 3


def test_a_diverged_setting_says_so_in_every_view():
    wild = Experiment(problem="line", depth=0, optimizer="sgd", epochs=30)
    m = success_map(wild, ("learning_rate", [0.01, 100.0]), ("momentum", [0.9]), seeds=4)
    assert m.rate[1, 0] == 0
    assert m.skill[1, 0] == -np.inf
    for show in ("rate", "skill", "loss"):
        assert m.figure(show).png().startswith(b"\x89PNG")
    learned, lost = m._state()["cells"]
    assert lost["shown"] == {"rate": "0%", "skill": "diverged", "loss": "diverged"}
    assert lost["more"] == "The median seed diverged."
    assert re.fullmatch(r"Median skill: [01]\.\d\d; median validation loss: [\d.]+\.", learned["more"])
    for show in ("skill", "loss"):
        assert "100, 0.9: diverged" in m.figure(show).alt


def test_a_finite_but_huge_error_is_not_called_diverged():
    far = Experiment(problem="line", depth=0, optimizer="sgd", learning_rate=0.04, epochs=50, batch_size=None)
    m = success_map(far, ("momentum", [0.9]), ("samples", [100]), seeds=4)
    assert np.isfinite(m.study(0.9, 100).skill).all()
    (cell,) = m._state()["cells"]
    assert cell["shown"]["skill"] == "below −10"
    assert "diverged" not in cell["shown"]["loss"]
    assert "diverged" not in cell["more"]


def test_a_claim_stands_on_the_studies_of_a_map(xor, capsys):
    tanh, relu = xor.study(4, "tanh"), xor.study(4, "relu")
    claim("tanh {tanh:.0%}, relu {relu:.0%}.", tanh.success_rate > relu.success_rate, over=[tanh, relu],
          tanh=tanh.success_rate, relu=relu.success_rate)  # fmt: skip
    claim("At least {low:.0%}.", bool(xor.rate.min() >= 0), over=xor.studies, low=xor.rate.min())
    assert capsys.readouterr().out.count("50 seeds") == 2


def test_studies_hold_final_numbers_only(xor):
    study = xor.study(2, "relu")
    assert study.loss.shape == study.val_loss.shape == (50, 1)
    assert study.weights.size == study.gradient_norm.size == study.dead.size == 0
    assert [s.experiment.width for s in xor.studies] == [2, 2, 4, 4]


# --- what is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "columns", "options", "sentence"),
    [
        (("width", [2, 2]), COLUMNS, {}, "width=2 is there twice"),
        (("width", [2, 2.0]), COLUMNS, {}, "is not a whole number"),
        (("width", []), COLUMNS, {}, "Give at least one"),
        (("width", [0]), COLUMNS, {}, "is not a whole number from 1"),
        (("learning_rate", [float("nan")]), COLUMNS, {}, "is not a number from"),
        (("wdith", [2]), COLUMNS, {}, "Did you mean 'width'"),
        (("seed", [1, 2]), COLUMNS, {}, "already trained with many seeds"),
        (ROWS, ("activation", ["rleu"]), {}, "Did you mean 'relu'"),
        (ROWS, ("width", [8]), {}, "two different fields"),
        ("width", COLUMNS, {}, "a field and its values"),
        (("width", 3), COLUMNS, {}, "a field and its values"),
        (("width", "123"), COLUMNS, {}, "a field and its values"),
        (([], [1]), COLUMNS, {}, "a field and its values"),
        (("width", range(1, 22)), ("epochs", range(1, 21)), {}, "has 420 cells; at most 400"),
        (("width", iter(range(1, 10**9))), COLUMNS, {}, "more than 400 values|from 1 to 1024"),
        (ROWS, COLUMNS, {"show": "accuracy"}, "is not one of rate, skill, loss"),
        (ROWS, COLUMNS, {"seeds": 0}, "trains nothing"),
        (ROWS, COLUMNS, {"lab": "lab"}, "is not a Lab"),
        (ROWS, COLUMNS, {"discoveries": True}, "needs the lab"),
        (("samples", [10, 5000]), ("problem", ["auto_mpg"]), {}, "more than 'auto_mpg' has"),
    ],
)
def test_nonsense_gets_a_sentence(rows, columns, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        success_map(XOR, rows, columns, **options)


def test_a_map_needs_an_experiment_and_cells_that_are_there(xor):
    with pytest.raises(ValueError, match="needs an Experiment"):
        success_map("xor", ROWS, COLUMNS)
    with pytest.raises(ValueError, match="width=3 is not on the map, which has 2, 4"):
        xor.study(3, "relu")
    with pytest.raises(ValueError, match="is not one of rate"):
        xor.figure("colour")


# --- shown without a page ------------------------------------------------------------------------------------------------


def test_headless_map_is_complete_when_it_is_shown():
    m = success_map(XOR.replace(epochs=2), ROWS, COLUMNS, seeds=3)
    data, metadata = m._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert data["text/plain"] == m.text
    inches = m.figure().get_size_inches()
    assert metadata["image/png"]["width"] == round(96 * inches[0])
    assert "12 networks: 4 settings × 3 seeds, 2 epochs" in m.text
    assert m.complete
    assert m.view.state["complete"]
    assert not m.view.state["running"]


def test_a_notebook_run_by_a_tool_holds_the_finished_map():
    source = "from helpers import Experiment, success_map\nsuccess_map(Experiment(problem='xor', epochs=2), ('width', [2, 4]), "
    source += "('learning_rate', [0.1, 1]), seeds=3)"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(book, timeout=120).execute()
    data = book.cells[0].outputs[-1].data
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert "Learned most often" in data["text/plain"] or "The same in all cells" in data["text/plain"]


def test_the_page_gets_every_cell_in_words(xor):
    xor._repr_mimebundle_()
    state = xor.view.state
    names = [cell["name"] for cell in state["cells"]]
    assert re.fullmatch(r"width 4, relu: \d+ of 50 learned \(\d+–\d+%\)", names[3])
    assert xor.view.axes["rows"] == "width (units)"
    assert state["done"] == 1
    for cell in state["cells"]:
        for show in ("rate", "skill", "loss"):
            assert pictures.contrast(cell["color"][show], cell["ink"][show]) >= 4.5


def test_figure_shows_every_rate_with_labels_and_units(xor):
    axes = xor.figure().axes[0]
    shown = [text.get_text() for text in axes.texts]
    assert sorted(shown) == sorted(f"{100 * rate:.0f}%" for rate in xor.rate.ravel())
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("activation", "width (units)")
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["2", "4"]


def test_choosing_a_cell_puts_it_into_the_lab():
    lab = FakeLab()
    m = success_map(XOR.replace(epochs=1), ROWS, COLUMNS, seeds=3, lab=lab)
    m._repr_mimebundle_()
    m._receive(None, {"action": "open", "row": 1, "column": 0}, [])
    assert lab.shown == [XOR.replace(epochs=1, width=4, activation="tanh")]
    assert m.view.state["note"] == "The lab now shows width 4, tanh."
    for place in ({"row": 9, "column": 0}, {"row": -1, "column": 0}, {"row": [0], "column": {}}, {}):
        m._receive(None, {"action": "open", **place}, [])
    assert len(lab.shown) == 1


# --- shown on a page -----------------------------------------------------------------------------------------------------


def on_a_page(work, monkeypatch):
    """Run `work()` on an event loop, as if JupyterLab showed the cell."""
    monkeypatch.setattr(maps, "_page_attached", lambda: True)
    return asyncio.run(asyncio.wait_for(work(), 300))


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


@pytest.fixture
def gate(monkeypatch):
    """A semaphore: each `release` lets one more cell be trained. The page is told of every chunk."""
    gate = threading.Semaphore(0)

    def one_by_one(*arguments, **options):
        gate.acquire()
        yield from training.stream_seeds(*arguments, **options)

    monkeypatch.setattr(maps, "stream_seeds", one_by_one)
    monkeypatch.setattr(maps, "TELL_EVERY", 0)
    yield gate
    gate.release(100)  # whatever waits must end


def test_on_a_page_it_shows_at_once_and_fills_while_the_loop_lives(monkeypatch, gate):
    async def work():
        m = success_map(XOR.replace(epochs=4), ROWS, COLUMNS, seeds=3)
        data, _ = m._repr_mimebundle_()
        assert "image/png" not in data
        for number in range(4):
            assert sum("shown" in cell for cell in m.view.state["cells"]) == number
            assert m.view.state["running"]
            gate.release()
            await until(lambda number=number: sum("shown" in cell for cell in m.view.state["cells"]) > number)
        await until(lambda: m.view.state["complete"] and not m.view.state["running"])
        return m

    assert on_a_page(work, monkeypatch).rate.shape == (2, 2)


def test_stop_continue_restart(monkeypatch, gate):
    async def work():
        m = success_map(XOR.replace(width=2, epochs=20), ("learning_rate", [0.001, 0.01, 0.1]), COLUMNS, seeds=3)
        m._repr_mimebundle_()
        gate.release(2)
        await until(lambda: len(m._studies) == 2)
        m._receive(None, {"action": "stop"}, [])
        assert not m.view.state["running"]
        kept = dict(m._studies)
        gate.release(6)
        m._worker.join()
        assert m._studies == kept, "nothing is trained after Stop"
        while gate.acquire(blocking=False):
            continue
        m._receive(None, {"action": "continue"}, [])
        assert m.view.state["running"]
        gate.release()
        await until(lambda: len(m._studies) > len(kept))
        assert all(m._studies[cell] is study for cell, study in kept.items()), "what was complete stays"
        m._receive(None, {"action": "restart"}, [])
        assert m.view.state["done"] == 0
        m._receive(None, {"action": "restart"}, [])
        gate.release(100)
        await until(lambda: m.complete and not m.view.state["running"])
        assert m.view.state["complete"]
        assert not any(m._studies[cell] is study for cell, study in kept.items())
        return m

    m = on_a_page(work, monkeypatch)
    same_study(m.study(0.1, "tanh"), XOR.replace(width=2, epochs=20, learning_rate=0.1), 3)


def test_a_map_waits_while_a_lab_trains(monkeypatch):
    monkeypatch.setattr(maps.KernelWidget, "last_frame", float("inf"))
    items = []
    worker = threading.Thread(target=lambda: items.extend(maps._in_turn(iter([1, 2]))))
    worker.start()
    worker.join(0.2)
    assert worker.is_alive()
    assert items == []
    monkeypatch.setattr(maps.KernelWidget, "last_frame", float("-inf"))
    worker.join(60)
    assert items == [1, 2]


def test_a_lab_says_that_it_trains(monkeypatch):
    monkeypatch.setattr(maps.KernelWidget, "last_frame", float("-inf"))
    Lab(Experiment(epochs=3)).show(Experiment(epochs=3, seed=1))
    assert maps.KernelWidget.last_frame > float("-inf")


def test_the_page_is_told_seldom_and_of_the_end(monkeypatch):
    """By a clock that stands still: what comes within TELL_EVERY of the last message waits, the end does not."""
    monkeypatch.setattr(maps, "time", SimpleNamespace(monotonic=lambda: 0.0))
    monkeypatch.setattr(maps.KernelWidget, "last_frame", float("-inf"))

    async def work():
        m = success_map(XOR.replace(epochs=4), ROWS, COLUMNS, seeds=3)
        m._repr_mimebundle_()
        states = []
        m.view.observe(lambda change: states.append(change.new["complete"]), "state")
        await until(lambda: m.view.state["complete"] and not m.view.state["running"])
        return states

    assert on_a_page(work, monkeypatch) == [True]


def test_reading_a_number_waits_for_the_rest(monkeypatch):
    async def work():
        m = success_map(XOR.replace(epochs=20), ROWS, COLUMNS, seeds=3)
        m._repr_mimebundle_()
        rate = m.rate  # as the next cell of a notebook does, while the loop stands still
        assert m.view.state["complete"]
        return rate

    assert on_a_page(work, monkeypatch).shape == (2, 2)


def test_an_interrupt_ends_the_waiting_and_the_training(monkeypatch):
    m = success_map(XOR.replace(epochs=5000), ROWS, COLUMNS, seeds=50)
    wait = m._news.wait

    def interrupted(seconds):
        monkeypatch.setattr(m._news, "wait", wait)
        raise KeyboardInterrupt

    monkeypatch.setattr(m._news, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        m.compute()
    m._worker.join()
    assert not m.complete


def test_an_error_while_training_reaches_whoever_waits(monkeypatch):
    def broken(*args, **kwargs):
        raise MemoryError("no room")
        yield

    monkeypatch.setattr(maps, "stream_seeds", broken)
    m = success_map(XOR, ROWS, COLUMNS, seeds=2)
    with pytest.raises(MemoryError, match="no room"):
        m.rate  # noqa: B018
    m._state()
    assert m.note == "It stopped with an error: no room"


def test_two_maps_on_the_same_graph_at_the_same_time():
    one, two = (success_map(XOR.replace(learning_rate=r, epochs=60), ROWS, COLUMNS, seeds=3) for r in (0.02, 0.2))
    one.start()
    two.start()
    for m, rate in ((one, 0.02), (two, 0.2)):
        same_study(m.study(4, "relu"), XOR.replace(learning_rate=rate, epochs=60, width=4, activation="relu"), 3)


# --- discoveries ---------------------------------------------------------------------------------------------------------------

HUNT = Experiment(problem="sine", epochs=60)
DEPTHS = ("depth", [1, 2, 3])
RATES = ("learning_rate", [0.001, 0.01, 0.1])


def lab_with(learned=True, finished=True, skill=0.5, **changes):
    lab = FakeLab(HUNT.replace(**changes))
    lab.run = SimpleNamespace(experiment=lab.experiment, learned=learned, finished=finished, skill=skill)
    return lab


def hunt(lab):
    m = success_map(HUNT, DEPTHS, RATES, lab=lab, discoveries=True)
    m._repr_mimebundle_()
    return m


def test_a_real_find_fills_its_cell():
    lab = FakeLab().trained(width=8, epochs=300)
    m = success_map(XOR, ROWS, ("learning_rate", [0.01, 0.06]), lab=lab, discoveries=True)
    with pytest.raises(ValueError, match="width is 8, and the map goes from 2 to 4"):
        m._place(lab.experiment)
    lab.trained(width=4, epochs=300)
    assert lab.run.learned
    assert m.register() == "Registered at width 4, learning rate 0.06 (learning rate 0.05 counts as 0.06)."
    assert m.discoveries == [lab.experiment]
    m._repr_mimebundle_()
    cell = m.view.state["cells"][3]
    assert cell["name"] == "width 4, learning rate 0.06: found"
    assert cell["more"] == "With epochs 300."
    m._receive(None, {"action": "open", "row": 1, "column": 1}, [])
    assert lab.shown == [lab.experiment]


@pytest.mark.parametrize(
    ("lab", "sentence"),
    [
        (lab_with(learned=False), "did not learn: its skill is 0.50"),
        (lab_with(learned=False, skill=-np.inf), "did not learn: it diverged"),
        (lab_with(finished=False), "no finished run"),
        (lab_with(problem="abs"), "map is of the problem sine, and the settings are for abs"),
        (lab_with(depth=5), "depth is 5, and the map goes from 1 to 3"),
        (lab_with(learning_rate=1e-5), "learning rate is 1e-05, and the map goes from 0.001 to 0.1"),
        (lab_with(learning_rate=0.03), "learning rate 0.03 counts as 0.01|counts as 0.1"),
        (lab_with(), "Registered at depth 2, learning rate 0.01."),
    ],
)
def test_registering_says_what_happened(lab, sentence):
    m = hunt(lab)
    m._receive(None, {"action": "register"}, [])
    assert re.search(sentence, m.view.state["note"])
    assert len(m.discoveries) == ("Registered" in m.view.state["note"])
    m._receive(None, {"action": "register"}, [])
    assert len(m.discoveries) <= 1, "the same discovery counts once"


def test_no_run_yet():
    assert "no finished run" in hunt(FakeLab(HUNT)).register()


def test_a_class_pools_its_discoveries():
    one, two = hunt(lab_with(width=7)), hunt(lab_with(depth=3, optimizer="sgd"))
    one.register()
    two.register()
    text = one.share()
    assert "\n" not in text
    assert two.load(text) == "1 of 1 discoveries are new and on the map now."
    assert two.load(text) == "0 of 1 discoveries are new and on the map now. 1 were there already."
    assert [e.width for e in two.discoveries] == [16, 7]
    assert two.view.state["cells"][4]["more"] == "With width 7."
    assert two.view.state["cells"][7]["more"] == "With optimizer sgd."
    far = json.dumps({"discoveries": [{"problem": "sine", "depth": 20}]})
    assert "1 lie outside" in two.load(far)
    assert "2 of 9 cells found" in two.text
    assert two.figure().axes[0].get_title(loc="left") == "2 of 9 cells found"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "__import__('os')",
        "[]",
        '{"discoveries":{}}',
        '{"discoveries":[1]}',
        '{"discoveries":[{"depth":NaN}]}',
        '{"discoveries":[{"depth":1e999}]}',
        '{"discoveries":[{"script":"<img onerror=alert(1)>"}]}',
        "[" * 100_000,
        "x" * 2_000_000,
        '{"discoveries":[' + ",".join(["{}"] * 1001) + "]}",
        '{"discoveries":[{"depth":' + "9" * 5000 + "}]}",
    ],
)
def test_hostile_text_gets_a_sentence_and_changes_nothing(text):
    m = hunt(lab_with())
    with pytest.raises(ValueError, match=r"[.?]$"):
        m.load(text)
    m._receive(None, {"action": "load", "text": text}, [])
    assert 0 < len(m.view.state["note"]) < 500
    assert m.discoveries == []


def test_discoveries_without_a_page():
    m = success_map(HUNT, DEPTHS, RATES, lab=lab_with(), discoveries=True)
    data, _ = m._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert "No discovery yet on 9 cells" in data["text/plain"]
