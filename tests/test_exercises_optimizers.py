"""helpers/lessons/exercises_optimizers.py: right answers pass, wrong ones learn what is wrong with them."""

from types import SimpleNamespace

import numpy as np
import pytest
from checking import refused

from helpers import Experiment
from helpers.experiments.problems import make_problem
from helpers.lessons import exercises
from helpers.lessons import exercises_optimizers as optimizers
from helpers.lessons.exercises_optimizers import PATIENTS, SHORT_LINE

pytestmark = pytest.mark.numerical


def outcome(learned):
    """What a checker sees of a study: `learned` seeds of 50 learn, the others stop part of the way."""
    passed = np.arange(50) < learned
    return SimpleNamespace(
        learned=passed,
        success_rate=passed.mean(),
        verdict=f"Learned in {learned} of 50.",
        loss=np.full((50, 20), 0.5),
        dead=np.zeros((50, 20, 1)),
        noise_floor=np.full(50, 0.1),
        skill=np.where(passed, 1.0, 0.4),
    )


@pytest.fixture
def trained(monkeypatch):
    """Lets a test say how many of 50 seeds learn, by the experiment; tells what was trained."""
    asked = []

    def give(learned):
        def train_seeds(experiment, seeds):
            asked.append(experiment)
            return outcome(learned(experiment) if callable(learned) else learned)

        monkeypatch.setattr(exercises, "train_seeds", train_seeds)
        monkeypatch.setattr(optimizers, "train_seeds", train_seeds)
        return asked

    return give


# --- the edge ---


def curvatures(experiment):
    x = make_problem(experiment).x.astype(float)
    columns = np.column_stack([x, np.ones(len(x))])
    return np.linalg.eigvalsh(2 / len(x) * columns.T @ columns)


def test_the_edge_passes_and_is_tried_out():
    edge = 2 / curvatures(SHORT_LINE).max()
    for answer in (edge, np.float32(round(edge, 4))):
        words = optimizers.find_the_edge(answer)
        assert "One percent below it 50 of 50 seeds learn, one percent above it 50 diverge." in words


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (lambda e: 1 / curvatures(e).max(), "That is 1 / h"),
        (lambda e: 4 / curvatures(e).max(), "A factor 2 is missing"),
        (lambda e: 200 / curvatures(e).max(), "divided by the number of points"),
        (lambda e: 0.02 / curvatures(e).max(), "divided by the number of points"),
        (lambda e: 2 / curvatures(e).min(), "the flattest direction"),
        (lambda e: 1 / np.mean(make_problem(e).x.astype(float) ** 2), "The bias is a weight, too"),
        (lambda e: 2 / curvatures(e.replace(stretch=1)).max(), "the line as it was"),
        (lambda e: 2 / curvatures(e.replace(scaling="standard")).max(), "for standardised inputs"),
        (lambda e: curvatures(e).max(), "That is the curvature"),
        (lambda e: 0.25, "0.25 is below the edge"),
        (lambda e: 0.28, "0.28 is above the edge"),
        (lambda e: "0.0033", "a number, not '0.0033'"),
        (lambda e: True, "a number, not True"),
        (lambda e: float("nan"), "a number, not nan"),
    ],
)
def test_a_wrong_edge_learns_which_slip_it_is(answer, complaint):
    assert complaint in refused(optimizers.find_the_edge, answer(SHORT_LINE))


# --- answers that are experiments ---

WAVE = Experiment(problem="sine", scaling="standard", samples=100, depth=1, batch_size=None, epochs=100)
PRICE = Experiment(problem="price", depth=1, batch_size=None, epochs=200, target_scaling="standard")
LINE = Experiment(problem="line", depth=0, scaling="standard", optimizer="sgd", batch_size=None, epochs=300)
CHECKERS = {
    optimizers.wave_with_sgd: WAVE.replace(optimizer="sgd", learning_rate=0.1, epochs=300),
    optimizers.price_with_adam: PRICE,
    optimizers.wave_in_100_steps: WAVE,
}


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.__name__)
def test_an_answer_passes_by_what_its_seeds_do(checker, trained):
    asked = trained(48)
    assert checker(CHECKERS[checker]) == "Learned in 48 of 50."
    assert asked == [CHECKERS[checker]]
    trained(30)
    assert "Learned in 30 of 50. At least" in refused(checker, CHECKERS[checker])


def test_what_breaks_a_rule_is_told_before_anything_is_trained(trained):
    asked = trained(50)
    for checker, answer in CHECKERS.items():
        assert "not int" in refused(checker, 3)
        assert "is given; you have problem='abs'" in refused(checker, answer.replace(problem="abs"))
    sgd = WAVE.replace(optimizer="sgd")
    assert "optimizer='sgd' is given" in refused(optimizers.wave_with_sgd, WAVE)
    assert "301 epochs; at most 300" in refused(optimizers.wave_with_sgd, sgd.replace(epochs=301))
    assert "optimizer='adam' is given" in refused(optimizers.price_with_adam, PRICE.replace(optimizer="sgd"))
    assert "201 epochs; at most 200" in refused(optimizers.price_with_adam, PRICE.replace(epochs=201))
    assert "0.2 is more than 0.1" in refused(optimizers.price_with_adam, PRICE.replace(learning_rate=0.2))
    many = WAVE.replace(batch_size=32, epochs=26)
    assert "104 steps (epochs times batches in each); at most 100" in refused(optimizers.wave_in_100_steps, many)
    assert not asked


def test_adam_that_cannot_get_there_is_told_how_far_it_gets(trained):
    asked = trained(50)
    near = PRICE.replace(target_scaling="none", learning_rate=0.1)
    assert "200 steps of 0.1 carry a weight about 20 far" in refused(optimizers.price_with_adam, near)
    assert not asked


def test_four_epochs_of_25_batches_are_100_steps(trained):
    trained(50)
    assert optimizers.wave_in_100_steps(WAVE.replace(batch_size=4, epochs=4)) == "Learned in 50 of 50."
    assert "125 steps" in refused(optimizers.wave_in_100_steps, WAVE.replace(batch_size=4, epochs=5))


@pytest.mark.parametrize(
    "answer",
    [
        WAVE.replace(learning_rate=0.3),
        WAVE.replace(optimizer="nesterov", learning_rate=0.1),
        WAVE.replace(learning_rate=1.0, schedule="warmup"),
    ],
    ids=["adam", "nesterov", "warmup"],
)
def test_the_wave_is_learned_in_100_steps_in_several_ways(answer):
    assert "Learned in" in optimizers.wave_in_100_steps(answer)


def test_the_wave_needs_a_rate_that_fits_sgd():
    sgd = WAVE.replace(optimizer="sgd", epochs=300)
    assert "Learned in" in optimizers.wave_with_sgd(sgd.replace(learning_rate=0.1))
    assert "diverged" in refused(optimizers.wave_with_sgd, sgd.replace(learning_rate=3.0))


def test_prices_are_learned_once_the_targets_are_near():
    assert "Learned in 50 of 50" in optimizers.price_with_adam(PRICE)


# --- sgd against adam ---


def test_sgd_wins_only_where_adam_fails(trained):
    trained(lambda e: 50 if e.optimizer == "sgd" else 0)
    assert optimizers.sgd_beats_adam(LINE) == "`sgd`: Learned in 50 of 50. `adam`: Learned in 0 of 50."
    trained(50)
    assert "But `adam` at the same rate: Learned in 50 of 50." in refused(optimizers.sgd_beats_adam, LINE)
    trained(0)
    assert "At least 90% have to learn" in refused(optimizers.sgd_beats_adam, LINE)
    assert "optimizer='sgd' is given" in refused(optimizers.sgd_beats_adam, LINE.replace(optimizer="adam"))


def test_sgd_wins_on_a_round_bowl_and_not_with_a_long_training():
    assert "Learned in 50 of 50" in optimizers.sgd_beats_adam(LINE)
    longer = LINE.replace(learning_rate=0.1, epochs=1000)
    assert "But `adam`" in refused(optimizers.sgd_beats_adam, longer)


# --- the patients ---

CURED = {
    "A": ("too high", PATIENTS["A"].replace(learning_rate=0.1)),
    "B": ("too low", PATIENTS["B"].replace(learning_rate=0.1)),
    "C": ("neither", PATIENTS["C"].replace(scaling="standard")),
}


def test_the_patients_are_cured_by_their_causes():
    words = optimizers.name_the_causes(CURED)
    assert "A: too high. Learned in" in words
    assert "C: neither. Learned in 50" in words


def test_another_rate_does_not_cure_the_third():
    for rate in (0.001, 1.0):
        cause = "too low" if rate > PATIENTS["C"].learning_rate else "too high"
        proof = PATIENTS["C"].replace(learning_rate=rate)
        assert refused(optimizers.name_the_causes, CURED | {"C": (cause, proof)}).startswith("C: Learned in 0 of 50")


@pytest.mark.parametrize(
    ("name", "cause", "change"),
    [
        ("A", "too high", {"learning_rate": 0.3}),
        ("A", "too high", {"schedule": "warmup"}),
        ("B", "too low", {"learning_rate": 0.01}),
        ("B", "too low", {"epochs": 5000}),
        ("C", "neither", {"scaling": "minmax"}),
    ],
)
def test_a_change_proves_one_cause_if_it_rescues(name, cause, change, trained):
    trained(50)
    proof = PATIENTS[name].replace(**change)
    assert f"{name}: {cause}. Learned" in optimizers.name_the_causes(CURED | {name: (cause, proof)})
    for other in set(optimizers.CAUSES) - {cause}:
        complaint = refused(optimizers.name_the_causes, CURED | {name: (other, proof)})
        assert f"would show that the rate is {cause}, not {other}" in complaint


A, B, C = (PATIENTS[name] for name in "ABC")


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (PATIENTS, "A: give a cause and its proof"),
        ({"A": CURED["A"]}, "a dictionary of all patients"),
        ("too high", "a dictionary of all patients"),
        (CURED | {"A": ("tired", CURED["A"][1])}, "A: the cause is one of too high, too low, neither"),
        (CURED | {"A": ("too high", A)}, "A: a proof changes one field; this one changes none"),
        (CURED | {"B": ("too low", B.replace(epochs=3, width=3))}, "this one changes width, epochs"),
        (CURED | {"A": ("too high", A.replace(optimizer="adamw"))}, "takes other steps at the same rate"),
        (CURED | {"C": ("neither", C.replace(offset=0))}, "C: with another offset this is another task"),
        (CURED | {"C": ("neither", 3)}, "not int"),
    ],
)
def test_what_is_no_proof_is_refused(answer, complaint, trained):
    trained(50)
    assert complaint in refused(optimizers.name_the_causes, answer)
