"""The lab without a browser: what it shows first, and how it answers the page."""

import asyncio
import threading

import pytest

from helpers import Experiment, Lab, train
from helpers.diagnosis import findings

FLAT = Experiment(problem="sine", depth=0)
LONG = FLAT.replace(depth=1, epochs=5000, batch_size=8)


def shown(*args, **kwargs):
    """A lab on a page."""
    lab = Lab(*args, **kwargs)
    lab._repr_mimebundle_()
    return lab


def ask(lab, action, **message):
    lab._receive(None, {"action": action, "generation": lab.generation + 1, **message}, [])


async def until(condition):
    while not condition():
        await asyncio.sleep(0.02)


def on_a_loop(function):
    """Run an async test, as in a notebook: on an event loop, for a minute at most."""
    asyncio.run(asyncio.wait_for(function(), 60))


def test_headless_lab_shows_its_first_setting():
    lab = Lab(FLAT, controls=["depth"])
    data, _ = lab._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert data["text/plain"] == lab.text
    assert lab.run.finished
    assert "learned nothing" in lab.text


def test_latest_request_wins():
    async def storm():
        lab = shown(FLAT, controls=["depth", "width"])
        ladder = lab._ladder("width")
        for generation in range(1, 51):
            ask(lab, "set", indices={"depth": 1, "width": generation % len(ladder)})
        await until(lambda: lab.run is not None)
        assert lab.generation == lab.view.state["generation"] == lab.view.controls["generation"] == 50
        assert lab.experiment.width == lab.run.experiment.width == ladder[50 % len(ladder)]
        assert not lab.view.state["running"]
        lab._task.cancel()

    on_a_loop(storm)


@pytest.mark.parametrize(
    "text", ["import os", "<b onclick='x()'>bold</b>", "[" * 5000, "x" * 20_000, "", '{"depth": NaN}']
)
def test_a_bad_shared_text_gets_a_sentence(text):
    lab = shown(FLAT)
    ask(lab, "load", text=text)
    state = lab.view.state
    assert state["refused"]
    assert state["note"].endswith(".")
    assert len(state["note"]) < 300
    assert lab.experiment == FLAT
    assert lab.run.finished


def test_a_loaded_setting_says_what_no_control_shows():
    lab = shown(FLAT, controls=["depth"])
    ask(lab, "load", text=FLAT.replace(depth=1, learning_rate=0.03, optimizer="sgd").to_json())
    assert "optimizer sgd, learning rate 0.03" in lab.view.state["note"]
    assert not lab.view.state["refused"]
    assert lab.run.experiment.optimizer == "sgd"
    ask(lab, "reset")
    assert lab.experiment == FLAT


def test_load_pin_seeds_and_reset():
    lab = shown(FLAT, seeds=4)
    other = FLAT.replace(problem="moons", depth=1)
    ask(lab, "load", text=other.to_json())
    assert lab.experiment == other
    ask(lab, "seeds")
    assert len(lab.study.seeds) == 4
    ask(lab, "pin")
    assert lab.pinned is lab.study
    ask(lab, "reset")
    assert lab.experiment == FLAT
    assert lab.view.state["pinned"]
    ask(lab, "pin")
    assert lab.pinned is None


def test_stop_stops_and_says_so():
    async def stop():
        lab = shown(FLAT)
        first = lab.run
        lab.show(LONG)
        await until(lambda: lab._epochs)
        ask(lab, "pin")
        assert lab.pinned is first, "while it trains, the last finished run is pinned"
        assert lab.view.state["running"]
        ask(lab, "stop")
        epochs = len(lab._scene.run.loss)
        assert lab.view.state["note"] == f"Stopped after epoch {epochs} of 5000."
        await asyncio.sleep(0.1)
        assert len(lab._scene.run.loss) == epochs < 5000
        assert lab.run is None
        assert not lab.view.state["running"]

    on_a_loop(stop)


def test_seeds_can_be_stopped_and_give_way_to_a_move():
    async def seeds():
        lab = shown(LONG.replace(epochs=20), seeds=5)
        lab.experiment = LONG
        ask(lab, "seeds")
        await until(lambda: lab._scene.study)
        ask(lab, "stop")
        assert "Stopped after epoch" in lab.view.state["note"]
        assert lab.study is None
        ask(lab, "seeds")
        await until(lambda: lab.running and lab._scene.study)
        ask(lab, "set", indices={"depth": 0, "epochs": 2})
        await until(lambda: lab.run)
        assert lab.run.experiment == LONG.replace(depth=0, epochs=lab._ladder("epochs")[2])
        assert lab.view.state["note"] == ""

    on_a_loop(seeds)


def test_show_trains_any_experiment_from_any_thread():
    async def show():
        lab = shown(FLAT, controls=["width"])
        other = LONG.replace(problem="moons", width=5, epochs=3)
        thread = threading.Thread(target=lab.show, args=(other,))
        thread.start()
        await until(lambda: lab.run and lab.run.experiment == other)
        thread.join()
        (width,) = lab.view.controls["rows"]
        assert width["options"][width["index"]] == "5"
        hidden = Lab(FLAT)
        hidden.show(other)
        await until(lambda: hidden.run)
        assert hidden.text.startswith("It")

    on_a_loop(show)


def test_show_without_a_page_and_without_a_loop():
    lab = Lab(FLAT)
    lab.show(FLAT.replace(depth=1, epochs=3))
    assert lab.run.experiment.depth == 1
    assert lab._repr_mimebundle_()[0]["text/plain"] == lab.text
    with pytest.raises(ValueError, match="Lab.show needs an Experiment, not str"):
        lab.show("sine")


def test_a_lab_shown_while_it_trains_is_finished_first():
    async def show():
        lab = Lab(FLAT)
        lab.show(LONG.replace(epochs=30))
        data, _ = lab._repr_mimebundle_()
        assert lab.run.experiment.epochs == 30
        assert data["text/plain"].startswith("It")

    on_a_loop(show)


def test_a_training_that_breaks_is_told_and_the_next_one_works(monkeypatch):
    async def breaks():
        lab = shown(FLAT)
        lab._loop.set_exception_handler(lambda loop, context: None)

        def broken():
            raise RuntimeError("no memory")

        with monkeypatch.context() as patch:
            patch.setattr(lab, "_show_points", broken)
            lab.show(FLAT.replace(epochs=3))
            await until(lambda: lab.view.state["refused"])
        assert "no memory" in lab.view.state["note"]
        assert not lab.view.state["running"]
        lab.show(FLAT.replace(epochs=4))
        await until(lambda: lab.run)

    on_a_loop(breaks)


def test_an_interrupt_stops_the_training_and_nothing_else(monkeypatch):
    async def interrupt():
        lab = shown(FLAT)
        take = lab._take

        def interrupted(run):
            take(run)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(lab, "_take", interrupted)
            lab.show(LONG)
            await until(lambda: not lab.running)
        assert "Stopped after epoch" in lab.view.state["note"]
        lab.show(FLAT.replace(epochs=4))
        await until(lambda: lab.run)

    on_a_loop(interrupt)


def test_two_labs_at_once():
    async def both():
        labs = [shown(FLAT), shown(FLAT.replace(problem="abs"))]
        wanted = [lab.experiment.replace(depth=1, epochs=40) for lab in labs]
        for lab, experiment in zip(labs, wanted, strict=True):
            lab.show(experiment)
        await until(lambda: all(lab.run for lab in labs))
        for lab, experiment in zip(labs, wanted, strict=True):
            assert lab.run.experiment == experiment
            assert lab.run.loss == pytest.approx(train(experiment, jit_compile=False).loss)

    on_a_loop(both)


def test_the_page_tells_its_width_and_its_theme():
    lab = shown(FLAT, pictures=["fit"])
    ask(lab, "size", width=400, scale=1, dark=True)
    dark = lab.view.picture
    ask(lab, "size", width=400, scale=1, dark=False)
    assert dark != lab.view.picture
    ask(lab, "size", width=10**6, scale=100, dark=False)
    assert lab.painter.look == (1400, 2.0, False)


def test_a_stop_that_is_not_there_any_more_gets_a_sentence():
    lab = shown(FLAT)
    ask(lab, "set", indices={"depth": 99})
    assert "depth has no stop 99" in lab.view.state["note"]
    assert lab.experiment == FLAT


def test_a_lab_needs_an_experiment_and_known_controls():
    with pytest.raises(ValueError, match="needs an Experiment"):
        Lab("sine")
    with pytest.raises(ValueError, match="Did you mean 'depth'"):
        Lab(FLAT, controls=["dept"])


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"depth": 0}, "capacity_too_low"),
        ({"activation": "linear"}, "capacity_too_low"),
        ({"initializer": "zeros"}, "bad_initialization"),
        ({"optimizer": "sgd", "learning_rate": 100.0}, "learning_rate_too_high"),
        ({"learning_rate": 1e-6}, "learning_rate_too_low"),
        ({"initializer": "random_normal"}, "saturated_activation"),
        ({"l2": 3.0}, "over_regularized"),
        ({"depth": 10, "activation": "sigmoid"}, "vanishing_gradient"),
    ],
)
def test_the_first_finding_names_what_was_broken(changes, cause):
    run = train(Experiment(problem="sine", depth=2).replace(**changes))
    assert findings(run)[0].cause == cause


def test_a_network_that_has_learned_has_no_findings():
    assert findings(train(Experiment(problem="sine", depth=2, epochs=300))) == []
