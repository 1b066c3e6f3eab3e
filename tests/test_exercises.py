"""helpers/lessons/exercises.py: right answers pass, wrong ones learn what is wrong with them."""

from types import SimpleNamespace

import numpy as np
import pytest
from checking import refused

from helpers import Experiment
from helpers.experiments.models import build_model
from helpers.lessons import exercises
from helpers.lessons.exercises import CAUSES, COUNTED, PATIENT

pytestmark = pytest.mark.numerical


def outcome(learned, **arrays):
    """What a checker sees of a study: `learned` seeds of 50, the others as the arrays say."""
    seeds, epochs = exercises.SEEDS, 20
    passed = np.arange(seeds) < learned
    values = {
        "loss": np.full((seeds, epochs), 0.5),
        "dead": np.zeros((seeds, epochs, 2)),
        "noise_floor": np.full(seeds, 0.1),
        "skill": np.where(passed, 1.0, 0.4),
    }
    values |= {name: np.broadcast_to(value, values[name].shape) for name, value in arrays.items()}
    return SimpleNamespace(learned=passed, success_rate=passed.mean(), verdict=f"Learned in {learned} of 50.", **values)


@pytest.fixture
def trained(monkeypatch):
    """Lets a test say what training gives, and tells what was trained."""
    asked = []

    def give(study):
        def train_seeds(experiment, seeds):
            asked.append((experiment, seeds))
            return study

        monkeypatch.setattr(exercises, "train_seeds", train_seeds)
        return asked

    return give


# --- answers that need no training ---


def test_the_right_count_passes():
    assert str(build_model(COUNTED).count_params()) in exercises.count_the_parameters(
        build_model(COUNTED).count_params()
    )


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (6 * 16 + 16 * 16 + 16, "Each unit has a bias too"),
        (7 * 16 + 17, "A layer is missing"),
        (7 * 16 + 17 * 16 * 2 + 17, "a layer too many"),
        (2 * 16 + 17 * 16 + 17, "A car has 6 numbers"),
        (7 * 16 + 17 * 16, "The output unit is missing"),
        (400, "1 too few"),
        (1000, "599 too many"),
        ("401", "whole number, not '401'"),
        (401.0, "whole number"),
    ],
)
def test_a_wrong_count_learns_which_slip_it_is(answer, complaint):
    assert complaint in refused(exercises.count_the_parameters, answer)


CHECKERS = {
    exercises.few_units_for_the_kink: Experiment(problem="abs", depth=1, width=8),
    exercises.line_with_relu: Experiment(problem="line", activation="relu", optimizer="sgd"),
    exercises.frugal_with_cars: Experiment(problem="auto_mpg", depth=1, width=8),
    exercises.frugal_with_the_zigzag: Experiment(problem="triangle", depth=3, width=10),
}


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.__name__)
def test_an_answer_is_an_experiment_on_the_given_task(checker, trained):
    asked = trained(outcome(50))
    assert "not int" in refused(checker, 3)
    assert "is given; you have problem='moons'" in refused(checker, CHECKERS[checker].replace(problem="moons"))
    if CHECKERS[checker].noise:
        assert "taken some of it away" in refused(checker, CHECKERS[checker].replace(noise=0.0))
    assert not asked


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.__name__)
def test_an_answer_passes_by_what_its_seeds_do(checker, trained):
    asked = trained(outcome(47))
    assert checker(CHECKERS[checker]) == "Learned in 47 of 50."
    assert asked == [(CHECKERS[checker], 50)]
    trained(outcome(30))
    assert "Learned in 30 of 50. At least" in refused(checker, CHECKERS[checker])


def test_what_breaks_a_rule_is_told_before_anything_is_trained(trained):
    asked = trained(outcome(50))
    wide = CHECKERS[exercises.few_units_for_the_kink].replace(width=9)
    assert "9 units; at most 8" in refused(exercises.few_units_for_the_kink, wide)
    unit = CHECKERS[exercises.line_with_relu].replace(depth=0)
    assert "there is no relu" in refused(exercises.line_with_relu, unit)
    slow = CHECKERS[exercises.line_with_relu].replace(learning_rate=0.001)
    assert "learning_rate=0.01 is given" in refused(exercises.line_with_relu, slow)
    for straight in ({"depth": 0}, {"activation": "linear"}):
        answer = CHECKERS[exercises.frugal_with_cars].replace(**straight)
        assert "still a straight line" in refused(exercises.frugal_with_cars, answer)
    lavish = CHECKERS[exercises.frugal_with_cars].replace(width=16)
    assert "129 parameters; at most 100" in refused(exercises.frugal_with_cars, lavish)
    lavish = CHECKERS[exercises.frugal_with_the_zigzag].replace(width=12)
    assert "at most 300" in refused(exercises.frugal_with_the_zigzag, lavish)
    assert not asked


# --- the patient ---


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
def test_a_change_proves_one_cause_if_it_rescues(cause, change, trained):
    trained(outcome(50))
    proof = PATIENT.replace(**change)
    assert exercises.name_the_cause((cause, proof)).startswith(f"{cause}, because {next(iter(change))}=")
    for other in set(CAUSES) - {cause}:
        assert f"would show that the network is {cause}, not {other}" in refused(
            exercises.name_the_cause, (other, proof)
        )
    trained(outcome(10))
    assert "Learned in 10 of 50" in refused(exercises.name_the_cause, (cause, proof))


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("neither", "a cause and its proof"),
        (("tired", PATIENT), "one of too small, too big, neither; you have 'tired'"),
        (("neither", PATIENT), "changes none"),
        (("neither", PATIENT.replace(width=3, epochs=3)), "this one changes width, epochs"),
        (("neither", PATIENT.replace(seed=3)), "another task"),
        (("neither", PATIENT.replace(noise=0.5)), "another task"),
        (("neither", 3), "not int"),
    ],
)
def test_what_is_no_proof_is_refused(answer, complaint):
    assert complaint in refused(exercises.name_the_cause, answer)


@pytest.mark.nightly  # the solution of the lesson is checked in its notebook
def test_the_patient_is_rescued_by_its_rate_and_by_no_other_size():
    assert "neither, because learning_rate=0.01" in exercises.name_the_cause(
        ("neither", PATIENT.replace(learning_rate=0.01))
    )
    for change in ({"width": 48}, {"depth": 12}):
        assert "At least 80% have to learn" in refused(
            exercises.name_the_cause, ("too small", PATIENT.replace(**change))
        )


# --- hints ---


@pytest.mark.parametrize(
    ("arrays", "hint"),
    [
        ({"loss": np.nan}, "diverged"),
        ({"loss": np.inf}, "diverged"),
        ({"dead": 1.0}, "nearly all units dead"),
        ({"loss": 0.05}, "they have learned the noise"),
        ({"loss": np.geomspace(1, 0.3, 20)}, "still falling"),
        ({"skill": 0.0}, "no better than a constant"),
        ({}, "stopped part of the way"),
    ],
)
def test_a_failure_says_what_stands_out(arrays, hint, trained):
    trained(outcome(5, **arrays))
    assert hint in refused(exercises.frugal_with_the_zigzag, CHECKERS[exercises.frugal_with_the_zigzag])
