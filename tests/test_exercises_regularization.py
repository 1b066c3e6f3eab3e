"""helpers/lessons/exercises_regularization.py: right answers pass, wrong ones learn what is wrong with them."""

import ast

import build
import numpy as np
import pytest
from checking import refused, study_with

from helpers import Experiment, train, train_seeds
from helpers.lessons import exercises_regularization as regularization
from helpers.lessons.exercises_regularization import FAILING, OVERFIT, SPARSE

pytestmark = pytest.mark.numerical


def outcome(skill, loss=0.1):
    """A study of 50 seeds that end with this skill and training loss; the noise floor is 0.09."""
    return study_with(50 if skill >= 0.95 else 0, skill=skill, loss=loss, noise_floor=0.09)


@pytest.mark.parametrize("more", [{"l1": 0.001}, {"l2": 0.003}, {"l1": 0.001, "l2": 0.001}, {"dropout": 0.1}])
def test_any_penalty_that_does_better_passes(trained, more):
    trained(lambda experiment: outcome(0.8 if experiment == OVERFIT else 0.9))
    assert "with 100% of the seeds" in regularization.tune_the_strength(OVERFIT.replace(**more))


@pytest.mark.parametrize(
    ("skill", "loss", "hint"),
    [(0.0, 0.6, "no better than the baseline"), (0.7, 0.03, "too weak"), (0.5, 0.4, "a weaker penalty")],
)
def test_a_strength_that_does_worse_is_told_why(trained, skill, loss, hint):
    trained(lambda experiment: outcome(0.8, 0.03) if experiment == OVERFIT else outcome(skill, loss))
    assert hint in refused(regularization.tune_the_strength, OVERFIT.replace(l2=0.1))


def test_only_the_allowed_fields_may_change():
    assert "Nothing is changed" in refused(regularization.tune_the_strength, OVERFIT)
    assert "you have samples=200" in refused(regularization.tune_the_strength, OVERFIT.replace(samples=200, l2=0.1))
    assert "you have l2=0.1" in refused(regularization.learn_by_more_samples, OVERFIT.replace(l2=0.1))
    assert "at most 600" in refused(regularization.learn_by_more_samples, OVERFIT.replace(samples=700))
    assert "not float" in refused(regularization.tune_the_strength, 0.1)


def test_more_samples_pass_if_they_learn(trained):
    trained(lambda experiment: outcome(1.0 if experiment.samples >= 100 else 0.8))
    assert regularization.learn_by_more_samples(OVERFIT.replace(samples=100)) == "Learned with 50 of 50."
    assert "Learned with 0 of 50." in refused(regularization.learn_by_more_samples, OVERFIT.replace(samples=30))


def test_the_failing_network_is_fixed_by_one_field(trained):
    trained(lambda experiment: outcome(1.0 if experiment.l2 < 0.01 else 0.0))
    for l2 in (0.0, 0.001):
        assert regularization.fix_the_failing_network(FAILING.replace(l2=l2)) == "Learned with 50 of 50."
    assert "no better than the baseline" in refused(
        regularization.fix_the_failing_network, FAILING.replace(epochs=1000)
    )
    assert "Change exactly one field" in refused(
        regularization.fix_the_failing_network, FAILING.replace(l2=0, epochs=1000)
    )
    assert "another task" in refused(regularization.fix_the_failing_network, FAILING.replace(noise=0.2))


def test_the_error_to_truth_is_the_distance_of_each_network():
    short = OVERFIT.replace(epochs=20)
    distances = regularization.error_to_truth(train_seeds(short, 50, probes=False))
    for seed in (0, 49):
        run = train(short.replace(seed=seed))
        x = np.linspace(run.problem.raw_x_val.min(), run.problem.raw_x_val.max(), 200)[:, None]
        expected = np.mean((np.asarray(run.model(x)) - np.sin(np.pi * x)) ** 2)
        assert distances[seed] == pytest.approx(expected, rel=0.02)


def test_wins_are_counted_seed_by_seed():
    study, other = outcome(0.5), outcome(0.5)
    study.skill = np.where(np.arange(50) < 10, 0.6, 0.5)
    assert regularization.win_rate(study, other) == 0.2


def test_the_three_are_found_with_l1_and_not_with_l2():
    for strength in (0.1, 0.3):
        assert "of the irrelevant weights are below" in regularization.find_the_three(SPARSE.replace(l1=strength))
    assert "never reaches 0" in refused(regularization.find_the_three, SPARSE.replace(l2=0.1))
    assert "Try a stronger one" in refused(regularization.find_the_three, SPARSE.replace(l1=0.001))
    assert "shrinks the true weights too" in refused(regularization.find_the_three, SPARSE.replace(l1=3.0))


@pytest.mark.parametrize(("name", "network"), [("OVERFIT", OVERFIT), ("SPARSE", SPARSE), ("FAILING", FAILING)])
def test_the_lesson_writes_out_the_networks_of_the_exercises(name, network):
    cells = [cell for cell in build.notebook("05_regularization", "exercise").cells if cell.cell_type == "code"]
    assigned = [node for cell in cells for node in ast.parse(cell.source).body if isinstance(node, ast.Assign)]
    (written,) = (ast.unparse(node.value) for node in assigned if ast.unparse(node.targets[0]) == name)
    assert eval(written, {"Experiment": Experiment, "OVERFIT": OVERFIT}) == network
