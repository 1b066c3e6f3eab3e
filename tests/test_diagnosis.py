"""The rules: each fires on a network that was broken in its way, and none on one that has learned."""

import re
from functools import lru_cache

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from helpers import Experiment, train
from helpers.experiments import symptoms as diagnosis
from helpers.experiments.problems import PROBLEMS, make_problem
from helpers.experiments.run import nothing_to_learn
from helpers.experiments.symptoms import RULES, Finding, findings, line_skill

pytestmark = pytest.mark.numerical

HEALTHY = Experiment(problem="sine", depth=2, epochs=300)
WAVE = HEALTHY.replace(epochs=100)

# Rule -> networks broken in its way, each by a change or two to one that learns.
BROKEN = {
    "holes": [WAVE.replace(missing=0.1, imputation="none"), WAVE.replace(problem="penguins", imputation="none")],
    "nothing": [WAVE.replace(problem="root"), WAVE.replace(problem="stock_return")],
    "wrong_output": [
        WAVE.replace(output_activation="sigmoid"),
        WAVE.replace(output_activation="relu"),
        WAVE.replace(problem="moons", output_activation="softmax"),
    ],
    "targets_out_of_reach": [WAVE.replace(problem="price"), WAVE.replace(problem="price", optimizer="sgd", learning_rate=0.1)],
    "inputs_out_of_scale": [
        WAVE.replace(problem="two_scales"),
        WAVE.replace(problem="line", offset=2000.0, optimizer="sgd", depth=0),
    ],
    "diverged": [
        WAVE.replace(optimizer="sgd", learning_rate=100.0),
        WAVE.replace(problem="line", depth=0, optimizer="sgd", learning_rate=1.0),
    ],
    "equal_units": [WAVE.replace(initializer="zeros"), WAVE.replace(problem="moons", initializer="zeros")],
    "no_bend": [
        WAVE.replace(depth=0),
        WAVE.replace(activation="linear"),
        WAVE.replace(activation="linear", depth=6),
        WAVE.replace(problem="circle", depth=0),
    ],
    "over_regularized": [WAVE.replace(l2=3.0), WAVE.replace(l1=1.0), WAVE.replace(dropout=0.95)],
    "dead_units": [WAVE.replace(problem="line", activation="relu", optimizer="sgd", learning_rate=0.01, width=64)],
    "vanishing": [WAVE.replace(depth=10, activation="sigmoid"), WAVE.replace(problem="circle", depth=15, activation="sigmoid")],
    "saturated_units": [WAVE.replace(initializer="random_normal"), WAVE.replace(activation="sigmoid", initializer="random_normal")],
    "hardly_moved": [WAVE.replace(learning_rate=1e-6), WAVE.replace(optimizer="sgd", learning_rate=1e-6)],
    # A loss without valleys: in deeper networks that jump about, rounding decides where the last epoch ends.
    "rough": [
        WAVE.replace(problem=problem, depth=0, optimizer="rmsprop", learning_rate=rate, scaling="standard", target_scaling="standard")
        for problem, rate in (("line", 1.0), ("auto_mpg", 0.3))
    ],
    "overfitting": [Experiment(problem="sine", samples=15, noise=0.3, width=64, epochs=2000, batch_size=None)],
    "still_falling": [WAVE.replace(epochs=5), WAVE.replace(problem="moons", epochs=4, learning_rate=0.003)],
    "too_small": [
        WAVE.replace(width=1, depth=1, epochs=1000, activation="relu"),
        WAVE.replace(problem="circle", width=2, depth=1, epochs=600),
    ],
}  # fmt: skip
CASES = [(rule, experiment) for rule, experiments in BROKEN.items() for experiment in experiments]

# What the first finding, which is shown to the learner, must name.
FIRST = {
    "holes": "missing_values",
    "nothing": "nothing_to_learn",
    "wrong_output": "output_activation_mismatch",
    "targets_out_of_reach": "unscaled_targets",
    "inputs_out_of_scale": "unscaled_inputs",
    "diverged": "learning_rate_too_high",
    "equal_units": "bad_initialization",
    "no_bend": "capacity_too_low",
    "over_regularized": "over_regularized",
    "dead_units": "dead_relu",
    "vanishing": "vanishing_gradient",
    "saturated_units": "saturated_activation",
    "hardly_moved": "learning_rate_too_low",
    "rough": "learning_rate_too_high",
    "overfitting": "overfitting",
    "still_falling": "too_few_epochs",
    "too_small": "capacity_too_low",
}


@lru_cache
def trained(experiment):
    return train(experiment, jit_compile=False)


def test_every_rule_is_tried():
    assert {rule.__name__ for rule in RULES} == set(BROKEN) == set(FIRST)


@pytest.mark.parametrize(("rule", "experiment"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_rule_fires_on_a_network_broken_in_its_way(rule, experiment):
    run = trained(experiment)
    found = getattr(diagnosis, rule)(run)
    assert not run.learned, run.skill
    assert found is not None
    assert found.cause == FIRST[rule]
    assert found in findings(run)
    assert findings(run)[0].cause == FIRST[rule], [finding.cause for finding in findings(run)]


@pytest.mark.parametrize(("rule", "experiment"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_finding_has_evidence_a_remedy_and_a_lesson(rule, experiment):
    for finding in findings(trained(experiment)):
        assert finding.evidence.endswith(".")
        assert finding.remedy.endswith(".")
        assert not re.search(r"\b(nan|inf|None)\b", str(finding))
        assert str(finding) == f"{finding.evidence} {finding.remedy}"
        assert re.fullmatch(r"\d\d_[a-z_]+", finding.lesson)


@pytest.mark.parametrize("experiment", [HEALTHY, HEALTHY.replace(seed=1)])
def test_on_a_network_that_has_learned_no_rule_fires_but_those_on_the_end_of_training(experiment):
    run = trained(experiment)
    assert run.learned
    fired = {rule.__name__ for rule in RULES if rule(run) is not None}
    assert fired <= {"still_falling", "rough"}


def test_what_fires_on_a_network_that_has_learned_is_no_finding(monkeypatch):
    finding = Finding("rough", "It is rough.", "Lower the rate.", "03_optimizers")
    monkeypatch.setattr(diagnosis, "RULES", [lambda run: finding])
    assert findings(trained(HEALTHY)) == []
    assert findings(trained(WAVE.replace(depth=0))) == [finding]


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_skill_of_a_line_is_that_of_least_squares(name):
    problem = make_problem(Experiment(problem=name))
    if problem.task == "multiclass" or nothing_to_learn(problem):
        assert 0.8 < line_skill(problem) <= 1.1 if problem.task == "multiclass" else line_skill(problem) <= 0
        return
    ones = [np.column_stack([x.astype(float), np.ones(len(x))]) for x in (problem.x, problem.x_val)]
    weights = np.linalg.lstsq(ones[0], problem.y.astype(float), rcond=None)[0]
    answers = ones[1] @ weights
    error = problem.error(answers.round(4) if problem.task == "binary" else answers)
    learnable = problem.baseline - problem.noise_floor
    assert line_skill(problem) == pytest.approx((problem.baseline - error) / learnable, abs=1e-3)


@pytest.mark.parametrize("tilt", [-1e-7, 1e-7])
def test_where_a_line_is_undecided_its_skill_does_not_hang_on_rounding(tilt, monkeypatch):
    """The least-squares answer to every point of xor is 0.5."""
    problem = make_problem(Experiment(problem="xor"))
    fair = line_skill(problem)
    y_val = problem.y_val[:, 0]

    class Tilted(LinearRegression):
        def predict(self, x):
            return super().predict(x) + tilt * np.sign(y_val - 0.5)[:, None]

    monkeypatch.setattr(diagnosis, "LinearRegression", Tilted)
    assert line_skill(problem) == fair == 0


def test_a_straight_line_learns_a_line_and_no_wave():
    assert line_skill(make_problem(Experiment(problem="line"))) > 0.95
    assert line_skill(make_problem(Experiment(problem="sine"))) < 0.2
