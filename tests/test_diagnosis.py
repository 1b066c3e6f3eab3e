"""The table of symptoms: each row speaks for its cause in a network that was broken in its way, and for none in one that learned."""

import re
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from helpers import Experiment, train
from helpers.experiments import symptoms as lab_symptoms
from helpers.experiments.problems import make_problem
from helpers.experiments.run import nothing_to_learn
from helpers.experiments.sources import PROBLEMS
from helpers.experiments.symptoms import findings, linear_skill, training_of
from why_wont_it_learn.diagnosis import symptoms
from why_wont_it_learn.diagnosis.causes import CAUSES
from why_wont_it_learn.diagnosis.symptoms import LIKELY, Layer, Scale, Symptom, Training, likely

pytestmark = pytest.mark.numerical

HEALTHY = Experiment(problem="sine", depth=2, epochs=300)
WAVE = HEALTHY.replace(epochs=100)

# Symptom -> networks broken in its way, each by a change or two to one that learns.
BROKEN = {
    "missing_values": [WAVE.replace(missing=0.1, imputation="none"), WAVE.replace(problem="penguins", imputation="none")],
    "nothing_to_learn": [WAVE.replace(problem="root"), WAVE.replace(problem="stock_return")],
    "mismatched_output_or_loss": [
        WAVE.replace(output_activation="sigmoid"),
        WAVE.replace(output_activation="relu"),
        WAVE.replace(problem="moons", output_activation="softmax"),
    ],
    "unscaled_targets": [WAVE.replace(problem="price"), WAVE.replace(problem="price", optimizer="sgd", learning_rate=0.1)],
    "unscaled_inputs": [
        WAVE.replace(problem="two_scales"),
        WAVE.replace(problem="line", input_offset=2000.0, optimizer="sgd", depth=0),
    ],
    "diverged": [
        WAVE.replace(optimizer="sgd", learning_rate=100.0),
        WAVE.replace(problem="line", depth=0, optimizer="sgd", learning_rate=1.0),
    ],
    "equal_units": [WAVE.replace(initializer="zeros"), WAVE.replace(problem="moons", initializer="zeros")],
    "linear_only": [
        WAVE.replace(depth=0),
        WAVE.replace(activation="linear"),
        WAVE.replace(activation="linear", depth=6),
        WAVE.replace(problem="circle", depth=0),
    ],
    "over_regularized": [WAVE.replace(l2=3.0), WAVE.replace(l1=1.0), WAVE.replace(dropout=0.95)],
    "dead_units": [WAVE.replace(problem="line", activation="relu", optimizer="sgd", learning_rate=0.01, width=64)],
    "vanishing_gradient": [WAVE.replace(depth=10, activation="sigmoid"), WAVE.replace(problem="circle", depth=15, activation="sigmoid")],
    "saturated_units": [WAVE.replace(initializer="random_normal"), WAVE.replace(activation="sigmoid", initializer="random_normal")],
    "short_steps": [WAVE.replace(learning_rate=1e-6), WAVE.replace(optimizer="sgd", learning_rate=1e-6)],
    # A loss without valleys: in deeper networks that jump about, rounding decides where the last epoch ends.
    "long_steps": [
        WAVE.replace(problem=problem, depth=0, optimizer="rmsprop", learning_rate=rate, scaling="standard", target_scaling="standard")
        for problem, rate in (("line", 1.0), ("auto_mpg", 0.3))
    ],
    "overfitting": [Experiment(problem="sine", samples=15, noise=0.3, width=64, epochs=2000, batch_size=None)],
    "few_steps": [WAVE.replace(epochs=5), WAVE.replace(problem="moons", epochs=4, learning_rate=0.003)],
    "narrow_layer": [
        WAVE.replace(width=1, depth=1, epochs=1000, activation="relu"),
        WAVE.replace(problem="circle", width=2, depth=1, epochs=600),
    ],
}  # fmt: skip
CASES = [(row, experiment) for row, experiments in BROKEN.items() for experiment in experiments]

# The cause that is shown to the learner.
FIRST = {
    "missing_values": "missing_values",
    "nothing_to_learn": "nothing_to_learn",
    "mismatched_output_or_loss": "output_activation_mismatch",
    "unscaled_targets": "unscaled_targets",
    "unscaled_inputs": "unscaled_inputs",
    "diverged": "learning_rate_too_high",
    "equal_units": "bad_initialization",
    "linear_only": "capacity_too_low",
    "over_regularized": "over_regularized",
    "dead_units": "dead_relu",
    "vanishing_gradient": "vanishing_gradient",
    "saturated_units": "saturated_activation",
    "short_steps": "learning_rate_too_low",
    "long_steps": "learning_rate_too_high",
    "overfitting": "overfitting",
    "few_steps": "too_few_epochs",
    "narrow_layer": "capacity_too_low",
}


@lru_cache
def trained(experiment):
    return train(experiment, jit_compile=False)


def test_every_symptom_is_tried():
    assert {row.__name__ for row in symptoms.SYMPTOMS} == set(BROKEN) | set(MEASURED)
    assert set(BROKEN) == set(FIRST)


@pytest.mark.parametrize(("row", "experiment"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_the_likely_cause_of_a_network_is_what_broke_it(row, experiment):
    run = trained(experiment)
    assert not run.learned, run.skill
    own = [symptom.cause for symptom in getattr(symptoms, row)(training_of(run)) if symptom.plausibility > LIKELY]
    assert FIRST[row] in own
    assert findings(run)[0].cause == FIRST[row], [finding.cause for finding in findings(run)]


@pytest.mark.parametrize(("row", "experiment"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_finding_has_evidence_a_fix_and_a_lesson(row, experiment):
    for finding in findings(trained(experiment)):
        assert finding.evidence.endswith(".")
        assert finding.fix.endswith(".")
        assert not re.search(r"\b(nan|inf|None)\b", str(finding))
        assert str(finding) == f"{finding.evidence} {finding.fix}"
        assert re.fullmatch(r"\d\d_[a-z_]+", finding.lesson)


@pytest.mark.parametrize("experiment", [HEALTHY, HEALTHY.replace(seed=1)])
def test_of_a_network_that_has_learned_only_the_end_of_training_is_a_symptom(experiment):
    run = trained(experiment)
    assert run.learned
    assert {symptom.cause for symptom in likely(training_of(run))} <= {"too_few_epochs", "learning_rate_too_high"}


def test_the_symptoms_of_a_network_that_has_learned_are_no_findings(monkeypatch):
    monkeypatch.setattr(symptoms, "SYMPTOMS", [lambda training: [Symptom("dead_relu", 0.9, "Half are dead.")]])
    assert findings(trained(HEALTHY)) == []
    (finding,) = findings(trained(WAVE.replace(depth=0)))
    assert str(finding) == f"Half are dead. {CAUSES['dead_relu'].fix}"


def test_where_no_symptom_explains_it_the_missing_values_do(monkeypatch):
    monkeypatch.setattr(symptoms, "SYMPTOMS", [])
    line = WAVE.replace(depth=0)
    (finding,) = findings(trained(line.replace(missing=0.2, imputation="mean")))
    assert finding.cause == "missing_values"
    assert "20% of the input values" in finding.evidence


def test_where_no_symptom_explains_it_a_line_is_too_little_and_else_more_steps_may_help(monkeypatch):
    monkeypatch.setattr(symptoms, "SYMPTOMS", [])
    (finding,) = findings(trained(WAVE.replace(depth=0)))
    assert finding.cause == "capacity_too_low"
    assert "as good as the best linear model" in finding.evidence
    (finding,) = findings(trained(WAVE.replace(epochs=1)))
    assert finding.cause == "too_few_epochs"


DENSE = [Layer(16, "relu", "GlorotUniform", 0.0, 4.0, 4.0)] * 3
ROW = np.ones((1, 3))
# Symptom -> (a measured training that has it, one that has not, its cause); those that no setting of the lab shows first.
MEASURED = {
    "exploding_gradient": (
        Training(layers=DENSE, gradient_norm=[[300.0, 30.0, 3.0]] * ROW),
        Training(layers=DENSE, gradient_norm=ROW),
        "exploding_gradient",
    ),
    "odd_initial_weights": (
        Training(layers=[Layer(16, "tanh", "RandomNormal", 0.0, 60.0, 4.0), *DENSE]), Training(layers=DENSE), "bad_initialization",
    ),
    "one_rate_for_all": (
        Training(optimizer="sgd", condition=3e4, inputs=Scale(np.zeros(2), np.ones(2))),
        Training(optimizer="adam", condition=3e4, inputs=Scale(np.zeros(2), np.ones(2))),
        "optimizer_choice",
    ),
    "dying_rate": (Training(rate_halfway=1e-3), Training(rate_halfway=0.5), "learning_rate_too_low"),
    "growing_state": (Training(growing_steps=200, diverged=1.0), Training(growing_steps=200), "exploding_gradient"),
    "padding_read_last": (Training(padding=0.9), Training(padding=0.2), "label_or_data_bug"),
    "predictions_against_targets": (Training(agreement=-0.6, own_loss=True), Training(agreement=-0.6), "loss_mismatch"),
}  # fmt: skip


@pytest.mark.parametrize("row", MEASURED)
def test_a_measured_symptom_speaks_for_its_cause(row):
    ill, well, cause = MEASURED[row]
    assert [symptom.cause for symptom in likely(ill)] == [cause]
    assert cause not in [symptom.cause for symptom in likely(well)]


@pytest.mark.parametrize(
    ("measured", "named"),
    [
        ({"loss": np.array([0.7, 5e6, 0.8])}, True),  # it leaps, and stays a number
        ({"train_skill": 0.1}, True),
        ({"train_skill": 0.0, "loss": np.array([4e12, 0.8, 0.7])}, True),
        ({"loss": np.array([0.7, 0.6, np.inf])}, False),
        ({"train_skill": 0.9, "loss": np.array([2.3, 0.3, 0.01])}, False),  # it falls
        ({"loss": np.full(2, np.nan)}, False),
    ],
)
def test_a_recurrent_state_without_bounds_is_named_where_training_fails(measured, named):
    found = [symptom.cause for symptom in likely(Training(growing_steps=60, **measured))]
    assert ("exploding_gradient" in found) == named


def test_initial_weights_of_one_sign_are_odd():
    def network(units, one_sided):
        return Training(layers=[Layer(units, "tanh", "RandomUniform", 0.0, 4.0, 4.0, one_sided), *DENSE])

    assert [symptom.cause for symptom in likely(network(16, 0.87))] == ["bad_initialization"]
    assert likely(network(16, 0.3)) == []
    assert "bad_initialization" not in [symptom.cause for symptom in likely(network(2, 0.87))], (
        "two may be so by chance"
    )


def test_what_was_not_measured_is_no_symptom():
    assert likely(Training()) == []


def test_a_run_under_way_has_symptoms():
    under_way = Training(loss=np.array([1.0, np.inf]), steps=10, planned_steps=5000, diverged=1.0)
    assert [one.cause for one in likely(under_way)] == ["learning_rate_too_high"]


def test_a_learning_rate_is_named_as_it_was_given():
    with_momentum = Training(
        optimizer="sgd", learning_rate=1e-6, momentum=0.9, update_ratio=np.full((5, 2), 1e-9), planned_steps=100
    )
    (slow,) = likely(with_momentum)
    assert (
        "The learning rate is 1e-07; with momentum 0.9 the steps are like those of 1e-06, and sgd is usually"
        in slow.evidence
    )
    (slow,) = likely(replace(with_momentum, momentum=0.0))
    assert "The learning rate is 1e-06; sgd is usually run with 0.01." in slow.evidence


def test_a_network_that_only_fits_its_training_samples_is_not_held_back():
    held_back = Training(train_skill=0.2, val_skill=0.1, dead=np.ones((1, 2)), planned_steps=5000)
    assert [one.cause for one in likely(held_back)] == ["dead_relu"]
    overfit = replace(held_back, train_skill=1.0)
    assert [one.cause for one in likely(overfit)] == ["overfitting"]


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_skill_of_a_line_is_that_of_least_squares(name):
    problem = make_problem(Experiment(problem=name))
    if problem.task == "multiclass" or nothing_to_learn(problem):
        assert 0.8 < linear_skill(problem) <= 1.1 if problem.task == "multiclass" else linear_skill(problem) <= 0
        return
    ones = [np.column_stack([x.astype(float), np.ones(len(x))]) for x in (problem.x, problem.x_val)]
    weights = np.linalg.lstsq(ones[0], problem.y.astype(float), rcond=None)[0]
    answers = ones[1] @ weights
    error = problem.error(answers.round(4) if problem.task == "binary" else answers)
    learnable = problem.baseline - problem.noise_floor
    assert linear_skill(problem) == pytest.approx((problem.baseline - error) / learnable, abs=1e-3)


@pytest.mark.parametrize("tilt", [-1e-7, 1e-7])
def test_where_a_line_is_undecided_its_skill_does_not_hang_on_rounding(tilt, monkeypatch):
    """The least-squares answer to every point of xor is 0.5."""
    problem = make_problem(Experiment(problem="xor"))
    fair = linear_skill(problem)
    y_val = problem.y_val[:, 0]

    class Tilted(LinearRegression):
        def predict(self, x):
            return super().predict(x) + tilt * np.sign(y_val - 0.5)[:, None]

    monkeypatch.setattr(lab_symptoms, "LinearRegression", Tilted)
    assert linear_skill(problem) == fair == 0


def test_a_straight_line_learns_a_line_and_no_wave():
    assert linear_skill(make_problem(Experiment(problem="line"))) > 0.95
    assert linear_skill(make_problem(Experiment(problem="sine"))) < 0.2
