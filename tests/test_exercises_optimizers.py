"""helpers/lessons/exercises_optimizers.py: right answers pass, wrong ones learn what is wrong with them."""

import numpy as np
import pytest
from checking import refused
from test_plain_keras import tagged

from helpers import Experiment
from helpers.experiments.problems import make_problem
from helpers.lessons import exercises_optimizers as optimizers
from helpers.lessons.exercises_optimizers import FAILING, SHORT_LINE

pytestmark = pytest.mark.numerical


# --- the edge ---


def test_the_lesson_shows_the_line_of_the_edge():
    (source,) = tagged("03_optimizers", "given")
    names = {"Experiment": Experiment}
    exec(source, names)
    assert names["short_line"] == SHORT_LINE


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
        (lambda e: 1 / curvatures(e).max(), "That is 1 / λmax"),
        (lambda e: 4 / curvatures(e).max(), "A factor of 2 is missing"),
        (lambda e: 200 / curvatures(e).max(), "by the number of samples"),
        (lambda e: 0.02 / curvatures(e).max(), "The loss is their mean"),
        (lambda e: 2 / curvatures(e).min(), "the flattest direction"),
        (lambda e: 1 / np.mean(make_problem(e).x.astype(float) ** 2), "The bias is a weight, too"),
        (lambda e: 2 / curvatures(e.replace(input_scale=1)).max(), "the line as it was"),
        (lambda e: 2 / curvatures(e.replace(scaling="standard")).max(), "for standardised inputs"),
        (lambda e: curvatures(e).max(), "the curvature itself"),
        (lambda e: 0.25, "0.25 is too small"),
        (lambda e: 0.28, "0.28 is too large"),
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
    assert checker(CHECKERS[checker]) == "Learned with 48 of 50."
    assert asked == [(CHECKERS[checker], 50)]
    trained(30)
    assert "Learned with 30 of 50. At least" in refused(checker, CHECKERS[checker])


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
    assert "0.2 as its learning rate; at most 0.1" in refused(
        optimizers.price_with_adam, PRICE.replace(learning_rate=0.2)
    )
    many = WAVE.replace(batch_size=32, epochs=26)
    assert "104 steps (epochs times batches in each); at most 100" in refused(optimizers.wave_in_100_steps, many)
    assert not asked


def test_adam_that_cannot_get_there_is_told_how_far_it_gets(trained):
    asked = trained(50)
    near = PRICE.replace(target_scaling="none", learning_rate=0.1)
    assert "200 steps of 0.1 change a weight by about 20," in refused(optimizers.price_with_adam, near)
    assert not asked


def test_four_epochs_of_25_batches_are_100_steps(trained):
    trained(50)
    assert optimizers.wave_in_100_steps(WAVE.replace(batch_size=4, epochs=4)) == "Learned with 50 of 50."
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
    assert "of 50" in optimizers.wave_in_100_steps(answer)


def test_the_wave_needs_a_rate_that_fits_sgd():
    sgd = WAVE.replace(optimizer="sgd", epochs=300)
    assert "of 50" in optimizers.wave_with_sgd(sgd.replace(learning_rate=0.1))
    assert "diverged" in refused(optimizers.wave_with_sgd, sgd.replace(learning_rate=3.0))


def test_prices_are_learned_once_the_targets_are_near():
    assert "Learned in 50 of 50" in optimizers.price_with_adam(PRICE)


# --- sgd against adam ---


def test_sgd_wins_only_where_adam_fails(trained):
    trained(lambda e: 50 if e.optimizer == "sgd" else 0)
    assert optimizers.sgd_beats_adam(LINE) == "`sgd`: Learned with 50 of 50. `adam`: Learned with 0 of 50."
    trained(50)
    assert "But `adam` with the same learning rate: Learned with 50 of 50." in refused(optimizers.sgd_beats_adam, LINE)
    trained(0)
    assert "At least 90% have to learn" in refused(optimizers.sgd_beats_adam, LINE)
    assert "optimizer='sgd' is given" in refused(optimizers.sgd_beats_adam, LINE.replace(optimizer="adam"))


def test_sgd_wins_on_a_round_bowl_and_not_with_a_long_training():
    assert "Learned in 50 of 50" in optimizers.sgd_beats_adam(LINE)
    longer = LINE.replace(learning_rate=0.1, epochs=1000)
    assert "But `adam`" in refused(optimizers.sgd_beats_adam, longer)


# --- the failing networks ---

FIXED = {
    "A": ("too high", FAILING["A"].replace(learning_rate=0.1)),
    "B": ("too low", FAILING["B"].replace(learning_rate=0.1)),
    "C": ("neither", FAILING["C"].replace(scaling="standard")),
}


def test_the_failing_networks_are_fixed_by_their_causes():
    words = optimizers.name_the_causes(FIXED)
    assert "A: too high, because learning_rate=0.1 is enough." in words
    assert "C: neither, because" in words


def test_another_learning_rate_does_not_fix_the_third():
    for rate in (0.001, 1.0):
        cause = "too low" if rate > FAILING["C"].learning_rate else "too high"
        proof = FAILING["C"].replace(learning_rate=rate)
        assert refused(optimizers.name_the_causes, FIXED | {"C": (cause, proof)}).startswith("C: learning_rate=")


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
    proof = FAILING[name].replace(**change)
    assert f"{name}: {cause}, because" in optimizers.name_the_causes(FIXED | {name: (cause, proof)})
    for other in {"too high", "too low", "neither"} - {cause}:
        complaint = refused(optimizers.name_the_causes, FIXED | {name: (other, proof)})
        assert f"would show that the learning rate is {cause}, not {other}" in complaint


def test_other_steps_and_other_data_prove_nothing():
    for change, complaint in (
        ({"optimizer": "adamw"}, "A: Another optimizer takes other steps at the same learning rate"),
        ({"input_offset": 10}, "A: With another input_offset this is another task"),
    ):
        assert complaint in refused(
            optimizers.name_the_causes, FIXED | {"A": ("too high", FAILING["A"].replace(**change))}
        )
