"""The lab without a browser: what it shows first, and how it answers the page."""

import asyncio

import pytest

from helpers import Experiment, Lab, train
from helpers.diagnosis import findings

FLAT = Experiment(problem="sine", depth=0)


def test_headless_lab_shows_its_first_setting():
    lab = Lab(FLAT, controls=["depth"])
    data, _ = lab._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert data["text/plain"] == lab.text
    assert lab.run.finished
    assert "learned nothing" in lab.text


def test_latest_request_wins():
    async def storm():
        lab = Lab(FLAT, controls=["depth", "width"])
        lab._repr_mimebundle_()
        ladder = lab._ladder("width")
        for generation in range(1, 51):
            indices = {"depth": 1, "width": generation % len(ladder)}
            lab._receive(None, {"action": "set", "indices": indices, "generation": generation}, [])
        while lab.run is None or not lab._finished or lab.view.state["generation"] < 50:
            await asyncio.sleep(0.05)
        lab._task.cancel()
        return lab, ladder[50 % len(ladder)]

    lab, width = asyncio.run(asyncio.wait_for(storm(), 60))
    assert lab.experiment.width == lab.run.experiment.width == width
    assert not lab.view.state["running"]


def test_a_bad_shared_text_gets_a_sentence():
    lab = Lab(FLAT)
    lab._repr_mimebundle_()
    lab._receive(None, {"action": "load", "text": "import os", "generation": 1}, [])
    assert "not a shared setting" in lab.view.state["note"]
    assert lab.experiment == FLAT


def test_load_pin_seeds_and_reset():
    lab = Lab(FLAT, seeds=4)
    lab._repr_mimebundle_()
    other = FLAT.replace(problem="moons", depth=1)
    for generation, message in enumerate(
        [{"action": "load", "text": other.to_json()}, {"action": "seeds"}, {"action": "pin"}, {"action": "reset"}], 1
    ):
        lab._receive(None, {**message, "generation": generation}, [])
        if message["action"] == "load":
            assert lab.experiment == other
        if message["action"] == "seeds":
            assert len(lab.study.seeds) == 4
    assert lab.pinned is not None
    assert lab.experiment == FLAT
    assert lab.view.state["pinned"]


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
