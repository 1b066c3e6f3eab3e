"""The lab without a browser: what it shows first, and how it answers the page."""

import asyncio
import dataclasses
import json
import threading

import numpy as np
import pytest
from browser import HANG

from helpers import Experiment, Lab, Run, train
from helpers.experiments import training
from helpers.experiments.experiment import FIELDS
from helpers.lab import plots
from helpers.lab.lab import WITHHELD
from helpers.lessons import predictions, teaching
from helpers.rescue import possible
from why_wont_it_learn import pictures

FLAT = Experiment(problem="sine", depth=0)
LONG = FLAT.replace(depth=1, epochs=5000, batch_size=8)


def shown(*args, **kwargs):
    """A lab on a page."""
    lab = Lab(*args, **kwargs)
    lab._repr_mimebundle_()
    return lab


def ask(lab, action, **message):
    lab._receive(None, {"action": action, "generation": lab.generation + 1, **message}, [])
    json.dumps(lab.view.state)  # as it goes to the page


async def until(condition):
    while not condition():
        await asyncio.sleep(0.02)


def on_a_loop(function):
    """Run an async test, as in a notebook: on an event loop. A test that hangs is ended."""
    asyncio.run(asyncio.wait_for(function(), 300))


def test_headless_lab_shows_its_first_setting():
    lab = Lab(FLAT, controls=["depth"])
    data, _ = lab._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert data["text/plain"] == lab.text
    assert lab.run.finished
    assert "learned nothing" in lab.text


@pytest.fixture
def somebody(monkeypatch, tmp_path):
    """A session in which somebody may commit."""
    monkeypatch.setattr(predictions, "live", lambda: True)
    monkeypatch.chdir(tmp_path)
    teaching.forget()
    yield
    teaching.forget()


def commit(name):
    predictions.form(name).kept = {"answer": 0, "confidence": 70}


def test_the_likely_cause_is_withheld_until_the_predictions_above_the_lab_are_committed_to(somebody):
    early = shown(FLAT, controls=["depth"])
    teaching.predict("line", "Does it learn?", ["yes", "no"])
    teaching.predict("curve", "Does it learn?", ["yes", "no"])
    lab = shown(FLAT, controls=["depth"])
    teaching.predict("later", "Does it learn?", ["yes", "no"])
    assert "Likely cause: " in early.text
    commit("line")
    for text in (lab.text, lab.view.state["text"], lab._repr_mimebundle_()[0]["text/plain"]):
        assert text.endswith(WITHHELD)
        assert "Likely cause" not in text
    lab.show(FLAT.replace(width=4))
    assert lab.text.endswith(WITHHELD)
    commit("curve")
    assert "Likely cause: " in lab.view.state["text"]
    assert WITHHELD not in lab.text


def test_a_lab_that_learns_and_one_where_nobody_can_commit_withhold_nothing(somebody, monkeypatch):
    teaching.predict("line", "Does it learn?", ["yes", "no"])
    learned = shown(Experiment(problem="line", scaling="standard", depth=0, learning_rate=0.1), controls=["depth"])
    assert learned.run.learned
    assert WITHHELD not in learned.text
    monkeypatch.setattr(predictions, "live", lambda: False)
    assert "Likely cause: " in shown(FLAT, controls=["depth"]).text


def test_latest_request_wins():
    async def storm():
        lab = shown(FLAT, controls=["depth", "width"])
        ladder = lab.experiment.slider_values("width")
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
        await asyncio.wait([lab._task])
        assert len(lab._scene.run.loss) == epochs < 5000
        assert lab.run is None
        assert not lab.view.state["running"]

    on_a_loop(stop)


def test_a_stop_that_comes_after_the_end_is_answered():
    """A page that has asked for something shows only what answers it: without an answer it would wait forever."""
    lab = shown(FLAT, seeds=3)
    ask(lab, "seeds")
    text = lab.view.state["text"]
    ask(lab, "stop")
    state = lab.view.state
    assert state["generation"] == lab.generation == 2
    assert (state["running"], state["text"], state["note"]) == (False, text, "")


@pytest.mark.parametrize("seeds", [False, True])
def test_stop_is_answered_within_an_epoch(seeds, monkeypatch):
    """However long an epoch takes: each time that the lab lets requests in, it has made a few steps at most."""
    given = []

    def watched(stream):
        def watch(*arguments, **options):
            for item in stream(*arguments, **options):
                given.append(item)
                yield item

        return watch

    async def stop():
        lab = shown(FLAT, seeds=3)
        with monkeypatch.context() as patch:
            for name in ("stream", "stream_seeds"):
                patch.setattr(f"helpers.lab.lab.{name}", watched(getattr(training, name)))
            lab.experiment = FLAT.replace(samples=2000, batch_size=1, epochs=1)
            ask(lab, "seeds") if seeds else lab.show(lab.experiment)
            await until(lambda: given)
            ask(lab, "stop")
            await asyncio.wait([lab._task])
        assert given[-1].loss.shape[-1] == 0
        assert lab.view.state["note"] == "Stopped before the first epoch. The plots show the previous run."

    on_a_loop(stop)


def test_stop_is_answered_while_a_network_is_traced(monkeypatch):
    """However long it takes until the first step: here, until the answer to the Stop is there."""
    begun, answered = threading.Event(), threading.Event()

    def slow(*arguments, **options):
        begun.set()
        assert answered.wait(HANG)
        yield from training.stream(*arguments, **options)

    async def stop():
        lab = shown(FLAT)
        with monkeypatch.context() as patch:
            patch.setattr("helpers.lab.lab.stream", slow)
            lab.show(LONG)
            await until(begun.is_set)
            ask(lab, "stop")
            assert not lab.view.state["running"]
            assert lab.view.state["note"] == "Stopped before the first epoch. The plots show the previous run."
            answered.set()
            await asyncio.wait([lab._task])
        assert lab.run is None

    on_a_loop(stop)


def test_the_next_stop_of_a_control_is_prepared_in_the_direction_in_which_it_was_moved():
    lab = shown(FLAT, controls=["depth"])
    ask(lab, "set", indices={"depth": 3})
    assert [neighbour.depth for neighbour in lab._neighbours()] == [4, 2]
    ask(lab, "set", indices={"depth": 2})
    assert [neighbour.depth for neighbour in lab._neighbours()] == [1, 3]


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
        assert lab.run.experiment == LONG.replace(depth=0, epochs=lab.experiment.slider_values("epochs")[2])
        assert lab.view.state["note"] == ""

    on_a_loop(seeds)


def test_seeds_asked_for_are_trained_though_the_lab_is_shown_again_before_their_first_frame():
    async def seeds():
        lab = shown(FLAT, seeds=3)
        ask(lab, "seeds")
        lab._repr_mimebundle_()
        await until(lambda: not lab.running)
        assert len(lab.study.seeds) == 3
        assert lab.view.state["text"].startswith("Learned in")

    on_a_loop(seeds)


def moves(experiment, names):
    """Each setting that is one move of one control away, with the name of the control."""
    for name in names:
        for value in experiment.slider_values(name):
            try:
                yield name, experiment.replace(**{name: value})
            except ValueError:  # the lab answers with a sentence and stays where it was
                continue


def check_neighbours(names, monkeypatch):
    """After any two moves of these controls, the settings beside the last one are a stop away, or left out."""
    monkeypatch.setattr("helpers.rescue.make_problem", lambda experiment: None)  # for speed
    lab = Lab(Experiment())
    for _, first in moves(lab.first, names):
        for moved, second in moves(first, names):
            lab.experiment, lab._moved = second, moved
            stops = lab.experiment.slider_values(moved)
            here = stops.index(getattr(second, moved))
            for neighbour in lab._neighbours():
                assert abs(stops.index(getattr(neighbour, moved)) - here) == 1


# Of all fields these are the ones whose values exclude each other.
CONSTRAINED = ("problem", "samples", "missing", "input_scale", "input_offset", "outliers", "imputation", "features")


@pytest.mark.parametrize(
    "names", [CONSTRAINED, pytest.param(tuple(FIELDS), marks=pytest.mark.nightly)], ids=["few", "all"]
)
def test_neighbours_that_are_not_allowed_are_left_out(names, monkeypatch):
    check_neighbours(names, monkeypatch)


@pytest.mark.parametrize(
    ("changes", "control", "value"),
    [
        ({"input_scale": 3.0}, "problem", "hour"),
        ({"problem": "moons", "samples": 20, "missing": 0.3}, "samples", 15),
        ({"samples": 2000}, "problem", "root"),
        ({"problem": "xor"}, "missing", 0.0),
    ],
)
def test_a_setting_with_neighbours_that_are_not_allowed_is_trained(changes, control, value, monkeypatch):
    async def move():
        lab = shown(FLAT.replace(epochs=1, **changes), controls=[control], pictures=["loss"])
        ask(lab, "set", indices={control: lab.experiment.slider_values(control).index(value)})
        await lab._task
        assert getattr(lab.run.experiment, control) == value
        assert not lab.view.state["refused"]

    monkeypatch.setattr("helpers.lab.lab.IDLE", 0)
    on_a_loop(move)


def test_a_neighbour_without_data_is_left_out():
    """Whether all points miss a value is decided by the dice."""
    few = Experiment(samples=20, missing=0.7, imputation="drop")
    seed = next(seed for seed in range(10_000) if possible(few.replace(seed=seed)) is None)
    lab = Lab(few.replace(seed=seed, missing=0.5), controls=["missing"])
    lab._moved = "missing"
    assert [neighbour.missing for neighbour in lab._neighbours()] == [0.3]


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

        def broken(experiment):
            raise RuntimeError("no memory")

        with monkeypatch.context() as patch:
            patch.setattr("helpers.lab.plots.shown_inputs", broken)
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
        show_run = lab._show_run

        def interrupted(run):
            show_run(run)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(lab, "_show_run", interrupted)
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
    assert lab.renderer.look == (1400, 2.0, False)


def test_a_stop_that_is_not_there_any_more_gets_a_sentence():
    lab = shown(FLAT)
    ask(lab, "set", indices={"depth": 99})
    assert "depth has no slider position 99" in lab.view.state["note"]
    assert lab.experiment == FLAT


def test_a_lab_needs_an_experiment_and_known_controls():
    with pytest.raises(ValueError, match="needs an Experiment"):
        Lab("sine")
    with pytest.raises(ValueError, match="Did you mean 'depth'"):
        Lab(FLAT, controls=["dept"])


# --- the pictures ---


def with_problem(run, predictions=None, shown=None, **changes):
    """A run as it would be on other data."""
    problem = dataclasses.replace(run.problem, **changes)
    return dataclasses.replace(
        run,
        problem=problem,
        predictions=run.predictions if predictions is None else predictions,
        shown=run.shown if shown is None else shown,
    )


def drawn(run, **scene):
    """The fit of a run, drawn: the panel."""
    renderer = plots.Renderer(["fit"], width=320)
    kind, picture = renderer.frame(plots.Scene(run=run, **scene))
    assert kind == "png"
    assert len(picture) > 2000
    return renderer.panels[0]


@pytest.fixture(scope="module")
def moons():
    return train(Experiment(problem="moons", depth=1, epochs=2))


@pytest.mark.parametrize("dark", [False, True])
def test_colours_stand_out_from_the_paper(dark):
    colors = pictures.palette(dark)
    paper = colors["paper"]
    for name in set(colors) - {"paper", "edge", "grid"}:
        assert pictures.contrast(colors[name], paper) >= 3, name
        assert pictures.contrast(pictures.ink(colors[name], paper), paper) >= 4.5, name


def test_contrast_of_black_on_white_is_21():
    assert pictures.contrast("white", "black") == pytest.approx(21)
    assert pictures.contrast("#777777", "white") == pytest.approx(4.48, abs=0.01)


def test_classes_with_many_inputs_show_the_probability_of_the_right_answer(moons):
    y, y_val = (np.arange(len(old))[:, None] % 3 for old in (moons.problem.y, moons.problem.y_val))
    answers = np.full((len(y_val), 3), 0.1)
    answers[:, 0] = 0.8  # always the first class: right for every third point
    names = np.full((len(y_val), 4), "red")
    run = with_problem(moons, answers, task="multiclass", y=y, y_val=y_val, raw_x=names, raw_x_val=names)
    assert plots.show_points(run.problem) is None
    panel = drawn(run, pinned=run)
    right, wrong = panel.hits.get_ydata(), panel.misses.get_ydata()
    assert len(right) == -(-len(y_val) // 3)
    assert len(right) + len(wrong) == len(y_val)
    assert set(right) == {0.8}
    assert set(wrong) == {0.1}
    assert np.abs(panel.hits.get_xdata()).max() <= 0.3, "jitter keeps the classes apart"


def test_right_answers_of_two_classes(moons):
    x, probability, right = plots.right_answers(moons)
    assert right.mean() == pytest.approx(1 - moons.error)
    assert ((probability > 0.5) == right).all()
    assert (x.round() == moons.problem.y_val[:, 0]).all()


def test_three_classes_of_two_inputs_are_regions(moons):
    y, y_val = (np.arange(len(old))[:, None] % 3 for old in (moons.problem.y, moons.problem.y_val))
    points = plots.show_points(dataclasses.replace(moons.problem, task="multiclass"))
    shown = np.eye(3)[(points[:, 0] > 0).astype(int) + (points[:, 0] > 1)]
    run = with_problem(moons, np.eye(3)[y_val[:, 0]], shown, task="multiclass", y=y, y_val=y_val)
    vars(run)["skill"] = 1.0  # which is not what is looked at here
    panel = drawn(run, pinned=run)
    assert len(np.unique(panel.image.get_array().reshape(-1, 3), axis=0)) == 3
    assert len(panel.points) == 2, "the points, and the boundary of the pinned run"


def test_missing_and_far_inputs_do_not_squash_the_picture(moons):
    raw_x, raw_x_val = moons.problem.raw_x.copy(), moons.problem.raw_x_val.copy()
    raw_x[0], raw_x[1], raw_x_val[2, 0] = 1e6, np.nan, np.nan
    run = with_problem(moons, raw_x=raw_x, raw_x_val=raw_x_val)
    points = plots.show_points(run.problem)
    assert np.isfinite(points).all()
    assert np.abs(points).max() < 4
    drawn(with_problem(moons, shown=np.zeros((len(points), 1)), raw_x=raw_x, raw_x_val=raw_x_val))


def test_a_run_that_stopped_early_is_marked():
    class Early(Run):
        finished = True

    run = train(FLAT.replace(epochs=7))
    early = Early(**vars(run) | {"experiment": FLAT})
    renderer = plots.Renderer(["loss"])
    renderer.frame(plots.Scene(run=early))
    (panel,) = renderer.panels
    assert panel.title.get_text().endswith("stopped at 7")
    assert list(panel.stopped.get_xdata()) == [7, 7]
    assert panel.axes.get_xlim() == (0, 100)


def test_a_pinned_run_stands_on_the_same_axes():
    runs = [train(FLAT.replace(depth=depth, epochs=epochs)) for depth, epochs in ((1, 20), (3, 50))]
    for run, pinned in (runs, runs[::-1]):
        renderer = plots.Renderer()
        _, loss, gradients, units = renderer.panels
        run = dataclasses.replace(run, shown=np.zeros((plots.CURVE_POINTS, 1)))
        pinned = dataclasses.replace(pinned, shown=run.shown)
        renderer.frame(plots.Scene(run=run, pinned=pinned))
        assert loss.axes.get_xlim() == (0, 50)
        low, high = loss.axes.get_ylim()
        assert all(low <= value <= high for r in runs for value in (*r.loss, *r.val_loss))
        assert gradients.axes.get_xlim()[1] > 3
        assert units.axes.get_xlim()[1] > 2


@pytest.mark.parametrize("problem", ["sine", "moons", "auto_mpg"])
def test_a_diverged_run_and_diverged_seeds_are_drawn(problem):
    lab = shown(
        Experiment(problem=problem, optimizer="sgd", learning_rate=1000.0, activation="linear", epochs=5), seeds=3
    )
    assert lab.run.diverged_at is not None
    assert "diverged" in lab.text
    unscaled = problem == "auto_mpg"  # inputs in the thousands diverge at ordinary learning rates, too
    assert ("Scale the inputs" if unscaled else "Lower the learning rate") in lab.text
    titles = [panel.title.get_text() for panel in lab.renderer.panels]
    assert "diverged" in titles[0]
    assert "diverged" in titles[1]
    ask(lab, "seeds")
    assert lab.renderer.panels[0].title.get_text() == "Learned in 0 of 3 (0–56%)"


@pytest.mark.parametrize("changes", [{"depth": 1}, {"depth": 10, "activation": "sigmoid"}, {"problem": "auto_mpg"}])
def test_every_frame_gives_the_same_picture_and_keeps_the_axes(changes, monkeypatch):
    lab = shown(FLAT.replace(**changes))
    ask(lab, "pin")
    scene = lab._scene
    renderers = [plots.Renderer(width=width) for width in (860, 530, 340)]
    first = [renderer.frame(scene) for renderer in renderers]
    monkeypatch.setattr(plots.Panel, "_begin", None)
    for renderer, frame in zip(renderers, first, strict=True):
        assert renderer.frame(scene) == frame, "no label reaches into the box of another panel"
        for panel, (box, _) in zip(renderer.panels, renderer.boxes, strict=True):
            assert panel.title.get_window_extent().x1 <= box.x1, panel.title.get_text()
