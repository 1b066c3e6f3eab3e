"""What holds for every experiment that may be asked for, and not only for those that somebody thought of."""

import dataclasses
import math

import numpy as np
import pytest
from covering import covering, each_night, fitting
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import Experiment, to_keras, train, train_seeds
from helpers.experiments.experiment import FIELDS
from helpers.experiments.run import PER_EPOCH
from helpers.experiments.sources import PROBLEMS, most_samples
from helpers.experiments.symptoms import findings

pytestmark = pytest.mark.numerical

COSTLY = {"samples": 40, "epochs": 3}  # bounds that keep a run cheap
BUILT = {
    "depth": (1, 2, 0, 3, 20),
    "width": (8, 3, 1, 64, 1024),
    "dropout": (True, False),
}  # what needs a graph of its own

NAMES = [name for name, spec in FIELDS.items() if spec.choices is not None]
VALUES = [name for name in FIELDS if name not in (*NAMES, *BUILT)]


def networks():
    """Fields that stay the same in all examples of one test, since another network costs far more than another value.

    Every name of every table stands in one of them.
    """
    rows = covering({name: FIELDS[name].choices for name in NAMES} | BUILT, at_least=9)
    for row in rows:
        if row["depth"] * row["width"] > 1024:
            row["width"] = 16
    return rows


def numbers(spec, highest=math.inf):
    """Any allowed value of a field that takes a number, both ends and its slider values more often than others."""
    high = min(spec.high, highest)
    anything = st.integers(spec.low, int(high)) if spec.whole else st.floats(spec.low, high)
    stops = [stop for stop in (spec.low, high, *spec.slider_values) if stop is not None and stop <= high]
    strategy = st.sampled_from(stops) | anything
    return strategy | st.none() if spec.none_means else strategy


@st.composite
def experiments(draw, network):
    """Any valid experiment with this network."""
    fields = {name: value for name, value in network.items() if name != "dropout"}
    dropout = FIELDS["dropout"]
    fields["dropout"] = draw(st.floats(1e-6, dropout.high)) if network["dropout"] else 0.0
    for name in VALUES:
        highest = most_samples(network["problem"]) if name == "samples" else math.inf
        fields[name] = draw(numbers(FIELDS[name], min(highest, COSTLY.get(name, math.inf))))
    return Experiment(**fitting(fields))


def same(one, other):
    """Whether two runs agree in every number that they hold."""
    arrays = [(getattr(one, name), getattr(other, name)) for name in (*PER_EPOCH, "predictions")]
    return all(
        np.array_equal(a, b, equal_nan=True) for a, b in [*arrays, *zip(one.weights, other.weights, strict=True)]
    )


def is_sentence(text):
    return (
        (text[0].isupper() or text[0].isdigit())
        and text.endswith(".")
        and not text.endswith("..")
        and "nan" not in text.split()
    )


of_every_network = pytest.mark.parametrize(
    "network",
    [
        pytest.param(
            n,
            id=f"{n['problem']}-{n['depth']}x{n['width']}-{n['activation']}-{n['optimizer']}",
            marks=[pytest.mark.xdist_group(f"test_properties_{i // 4 % 2}"), *([pytest.mark.nightly] if i % 4 else [])],
        )
        for i, n in enumerate(networks())
    ],
)
slow = settings(suppress_health_check=[HealthCheck.too_slow])  # a machine that is busy draws slowly


@of_every_network
def test_any_experiment_trains_and_ends_in_a_verdict(network):
    @given(experiments(network))
    @slow
    def holds(experiment):
        run = train(experiment, jit_compile=False)
        epochs, hidden, points = len(run.loss), experiment.depth, len(run.problem.x_val)
        assert 1 <= epochs <= experiment.epochs
        assert run.finished
        assert run.val_loss.shape == (epochs,)
        assert run.gradient_norm.shape == run.update_ratio.shape == (epochs, hidden + 1)
        assert run.dead.shape == run.saturated.shape == (epochs, hidden)
        assert run.predictions.shape == (points, PROBLEMS[experiment.problem].outputs)
        assert len(run.weights) == 2 * (hidden + 1)
        for name in ("dead", "saturated"):
            shares = getattr(run, name)
            assert ((shares >= 0) & (shares <= 1)).all()

        assert math.isfinite(run.skill) or run.skill == -math.inf
        assert run.skill <= 1 or run.error < run.problem.noise_floor
        assert run.learned == (run.skill >= 0.95)
        assert is_sentence(run.verdict)
        if run.diverged_at is None:
            assert np.isfinite(run.loss).all()
            assert np.isfinite(run.val_loss).all()
        else:
            assert 0 <= run.diverged_at < epochs
            assert "diverged" in run.verdict
        for finding in findings(run):
            assert is_sentence(finding.evidence)
            assert is_sentence(finding.fix)
            assert not run.learned

        copy = Experiment.from_json(experiment.to_json())
        assert copy == experiment
        assert hash(copy) == hash(experiment)
        assert same(train(copy, jit_compile=False), run)
        compile(to_keras(experiment), "program", "exec")

    holds()


@pytest.mark.parametrize("network", networks()[:3], ids=lambda n: f"{n['problem']}-{n['optimizer']}")
def test_any_experiment_can_be_studied(network):
    @given(experiments(network))
    @slow
    def holds(experiment):
        study = train_seeds(experiment, 2)
        assert study.loss.shape == study.val_loss.shape == (2, study.loss.shape[1])
        assert study.skill.shape == study.error.shape == (2,)
        assert (np.isfinite(study.skill) | (study.skill == -np.inf)).all()
        low, high = study.interval
        assert 0 <= low <= study.success_rate <= high <= 1
        assert is_sentence(study.verdict)

    holds()


@pytest.mark.parametrize("problem", each_night(list(PROBLEMS), list(PROBLEMS)[::4]))
def test_the_ends_of_every_range_train(problem):
    """Each number at its lowest and at its highest, in one network that costs little."""
    small = Experiment(problem=problem, samples=8, batch_size=3, depth=1, width=2, epochs=1)
    for name in VALUES:
        for value in (FIELDS[name].low, FIELDS[name].high):
            if name in COSTLY:
                value = min(value, COSTLY[name])
            fields = fitting(dataclasses.asdict(small) | {name: value})
            run = train(Experiment(**fields), jit_compile=False)
            assert not math.isnan(run.skill)
            assert is_sentence(run.verdict)
