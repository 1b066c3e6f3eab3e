"""helpers/lessons/exercises_regularization.py: right answers pass, wrong ones learn what is wrong with them."""

from types import SimpleNamespace

import numpy as np
import pytest
from checking import refused

from helpers import train, train_seeds
from helpers.lessons import exercises
from helpers.lessons import exercises_regularization as regularization
from helpers.lessons.exercises_regularization import OVERFIT, PATIENT, QUICK, SPARSE

pytestmark = pytest.mark.numerical


def outcome(skill, loss=0.1):
    """What a checker sees of 50 seeds that end with this skill and training loss; the noise floor is 0.09."""
    skills = np.full(50, skill)
    learned = skills >= 0.95
    return SimpleNamespace(
        skill=skills,
        learned=learned,
        success_rate=learned.mean(),
        verdict=f"Learned in {learned.sum()} of 50.",
        loss=np.full((50, 20), loss),
        dead=np.zeros((50, 20, 1)),
        noise_floor=np.full(50, 0.09),
    )


@pytest.fixture
def trained(monkeypatch):
    """Lets a test say what becomes of an experiment."""

    def give(result):
        for module in (exercises, regularization):
            monkeypatch.setattr(module, "train_seeds", lambda experiment, seeds, **how: result(experiment))

    return give


@pytest.mark.parametrize("more", [{"l1": 0.001}, {"l2": 0.003}, {"l1": 0.001, "l2": 0.001}, {"dropout": 0.1}])
def test_any_penalty_that_does_better_passes(trained, more):
    trained(lambda experiment: outcome(0.8 if experiment == OVERFIT else 0.9))
    assert "in 100% of the seeds" in regularization.tune_the_strength(OVERFIT.replace(**more))


@pytest.mark.parametrize(
    ("skill", "loss", "hint"),
    [(0.0, 0.6, "no better than a constant"), (0.7, 0.03, "too weak"), (0.5, 0.4, "a weaker one")],
)
def test_a_strength_that_does_worse_is_told_why(trained, skill, loss, hint):
    trained(lambda experiment: outcome(0.8, 0.03) if experiment == OVERFIT else outcome(skill, loss))
    assert hint in refused(regularization.tune_the_strength, OVERFIT.replace(l2=0.1))


def test_only_the_allowed_fields_may_change():
    assert "Nothing is changed" in refused(regularization.tune_the_strength, OVERFIT)
    assert "You have changed samples" in refused(regularization.tune_the_strength, OVERFIT.replace(samples=200, l2=0.1))
    assert "You have changed l2" in refused(regularization.learn_by_more_points, QUICK.replace(l2=0.1))
    assert "at most 400" in refused(regularization.learn_by_more_points, QUICK.replace(samples=500))
    assert "not float" in refused(regularization.tune_the_strength, 0.1)


def test_more_points_pass_if_they_learn(trained):
    trained(lambda experiment: outcome(1.0 if experiment.samples >= 100 else 0.8))
    assert regularization.learn_by_more_points(QUICK.replace(samples=100)) == "Learned in 50 of 50."
    assert "Learned in 0 of 50." in refused(regularization.learn_by_more_points, QUICK.replace(samples=30))


def test_the_patient_is_mended_by_one_field(trained):
    trained(lambda experiment: outcome(1.0 if experiment.l2 < 0.01 else 0.0))
    for l2 in (0.0, 0.001):
        assert regularization.mend_the_patient(PATIENT.replace(l2=l2)) == "Learned in 50 of 50."
    assert "no better than a constant" in refused(regularization.mend_the_patient, PATIENT.replace(epochs=1000))
    assert "Change one field" in refused(regularization.mend_the_patient, PATIENT.replace(l2=0, epochs=1000))
    assert "another task" in refused(regularization.mend_the_patient, PATIENT.replace(noise=0.5))


def test_an_end_is_that_of_the_whole_training():
    short = OVERFIT.replace(epochs=20)
    np.testing.assert_allclose(regularization.ends(short).skill, train_seeds(short, 50).skill, atol=1e-4)


def test_off_the_truth_is_the_distance_of_each_network():
    short = OVERFIT.replace(epochs=20)
    distances = regularization.off_the_truth(regularization.ends(short))
    for seed in (0, 49):
        run = train(short.replace(seed=seed))
        x = np.linspace(run.problem.raw_x_val.min(), run.problem.raw_x_val.max(), 200)[:, None]
        expected = np.mean((np.asarray(run.model(x)) - np.sin(np.pi * x)) ** 2)
        assert distances[seed] == pytest.approx(expected, rel=0.02)


def test_better_is_counted_seed_by_seed():
    study, other = outcome(0.5), outcome(0.5)
    study.skill[:10] = 0.6
    assert regularization.better(study, other) == 0.2


def test_the_three_are_found_with_l1_and_not_with_l2():
    for strength in (0.1, 0.3):
        assert "of the idle weights are below" in regularization.find_the_three(SPARSE.replace(l1=strength))
    assert "never ends near 0" in refused(regularization.find_the_three, SPARSE.replace(l2=0.1))
    assert "Pull harder" in refused(regularization.find_the_three, SPARSE.replace(l1=0.001))
    assert "takes the true weights too" in refused(regularization.find_the_three, SPARSE.replace(l1=3.0))
