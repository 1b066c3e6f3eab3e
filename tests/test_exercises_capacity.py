"""helpers/lessons/exercises_capacity.py: right answers pass, wrong ones are told what is wrong with them."""

import pytest
from checking import refused

from helpers import Experiment
from helpers.experiments.models import build_model
from helpers.lessons import exercises_capacity as capacity
from helpers.lessons.exercises_capacity import COUNTED, FAILING

RIGHT = {
    capacity.few_units_for_the_kink: Experiment(problem="abs", depth=1, width=8),
    capacity.line_with_relu: Experiment(problem="line", activation="relu", optimizer="sgd"),
    capacity.frugal_with_cars: Experiment(problem="auto_mpg", depth=1, width=8),
    capacity.frugal_with_the_zigzag: Experiment(problem="triangle", depth=3, width=10),
}


def test_the_right_count_passes():
    right = build_model(COUNTED).count_params()
    assert str(right) in capacity.count_the_parameters(right)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (6 * 16 + 16 * 16 + 16, "Each unit has a bias too"),
        (7 * 16 + 17, "A layer is missing"),
        (7 * 16 + 17 * 16 * 2 + 17, "a layer too many"),
        (2 * 16 + 17 * 16 + 17, "A car has 6 numbers"),
        (7 * 16 + 17 * 16, "The output unit is missing"),
        (400, "400 is too small"),
        (1000, "1000 is too large"),
        ("401", "whole number, not '401'"),
        (401.0, "whole number"),
    ],
)
def test_a_wrong_count_is_told_which_slip_it_is(answer, complaint):
    assert complaint in refused(capacity.count_the_parameters, answer)


@pytest.mark.parametrize(
    ("checker", "change", "complaint"),
    [
        (capacity.few_units_for_the_kink, {"width": 9}, "9 units; at most 8"),
        (capacity.line_with_relu, {"depth": 0}, "there is no relu"),
        (capacity.line_with_relu, {"learning_rate": 0.001}, "learning_rate=0.01 is given"),
        (capacity.frugal_with_cars, {"depth": 0}, "still a linear model"),
        (capacity.frugal_with_cars, {"activation": "linear"}, "still a linear model"),
        (capacity.frugal_with_cars, {"width": 16}, "129 weights and biases; at most 100"),
        (capacity.frugal_with_the_zigzag, {"width": 12}, "at most 300"),
    ],
)
def test_a_rule_is_checked_before_training(checker, change, complaint, trained):
    asked = trained(50)
    assert complaint in refused(checker, RIGHT[checker].replace(**change))
    assert asked == []
    assert checker(RIGHT[checker]) == "Learned with 50 of 50."


@pytest.mark.parametrize(
    ("cause", "change"),
    [
        ("neither", {"learning_rate": 0.01}),
        ("neither", {"epochs": 5000}),
        ("neither", {"initializer": "he_normal"}),
        ("too small", {"depth": 3}),
        ("too small", {"width": 64}),
        ("too small", {"activation": "relu"}),
        ("too big", {"width": 4}),
        ("too big", {"samples": 1000}),
    ],
)
def test_a_change_proves_one_cause(cause, change, trained):
    trained(50)
    proof = FAILING.replace(**change)
    assert capacity.name_the_cause((cause, proof)).startswith(f"{cause}, because {next(iter(change))}=")
    for other in {"too small", "too big", "neither"} - {cause}:
        complaint = refused(capacity.name_the_cause, (other, proof))
        assert f"would show that the network is {cause}, not {other}" in complaint


def test_other_noise_is_another_task():
    assert "another task" in refused(capacity.name_the_cause, ("neither", FAILING.replace(noise=0.5)))


@pytest.mark.numerical
@pytest.mark.nightly  # the solution of the lesson is checked in its notebook
def test_the_failing_network_is_fixed_by_its_learning_rate_and_by_no_other_size():
    assert "neither, because learning_rate=0.01" in capacity.name_the_cause(
        ("neither", FAILING.replace(learning_rate=0.01))
    )
    for change in ({"width": 48}, {"depth": 12}):
        assert "At least 80% have to learn" in refused(
            capacity.name_the_cause, ("too small", FAILING.replace(**change))
        )
