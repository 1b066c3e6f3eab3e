"""helpers/lessons/exercises_activations.py: right answers pass, wrong ones learn what is wrong with them."""

import pytest
from checking import refused

from helpers import Experiment
from helpers.lessons import exercises_activations as activations
from helpers.lessons.exercises_activations import FAILING
from helpers.lessons.teaching import NotYet

pytestmark = pytest.mark.numerical

XOR = Experiment(problem="xor", depth=1, width=4, batch_size=None, epochs=500, learning_rate=0.05)
MOONS = Experiment(problem="moons", scaling="standard", depth=5, width=10, batch_size=25)
FIXED = {
    "A": ("vanishing gradient", FAILING["A"].replace(activation="tanh")),
    "B": ("dead units", FAILING["B"].replace(bias_initializer=0.0)),
    "C": ("saturated units", FAILING["C"].replace(scaling="standard")),
    "D": ("wrong output", FAILING["D"].replace(output_activation="linear")),
}


@pytest.mark.parametrize("answer", [0.25**10, 1 / 4**10, 9.5e-7, 1e-6])
def test_ten_slopes_takes_any_way_to_write_it(answer):
    assert "leave no more than that of the gradient" in activations.ten_slopes(answer)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (0.25, "one of them"),
        (2.5, "multiply"),
        (0.5**10, "value of the sigmoid at 0"),
        (0.25**9, "nine"),
        (0.25**11, "eleven"),
        (1.0, "never 1"),
        (1e-2, "too large"),
        (1e-12, "too small"),
        ("0.25", "is a number"),
        (True, "is a number"),
        (float("nan"), "is a number"),
    ],
)
def test_ten_slopes_says_what_is_wrong(answer, words):
    with pytest.raises(NotYet, match=words):
        activations.ten_slopes(answer)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "leaky_relu"])
def test_small_xor_takes_every_activation_that_learns(activation):
    assert "of 50" in activations.small_xor(XOR.replace(activation=activation))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (XOR.replace(width=8), "8 units; at most 4"),
        (XOR.replace(epochs=600), "600 steps"),
        (XOR.replace(batch_size=2), "1000 steps"),
        (XOR.replace(depth=2), "depth=1"),
        (XOR.replace(activation="relu"), "have to learn"),
        (XOR.replace(learning_rate=0.001, epochs=100), "no better than the baseline|still falling|part of the way"),
        ("tanh", r"Experiment\(...\), not str"),
    ],
)
def test_small_xor_says_what_is_wrong(answer, words):
    with pytest.raises(NotYet, match=words):
        activations.small_xor(answer)


@pytest.mark.parametrize(
    ("checker", "right", "wrong"),
    [
        (
            activations.deep_sigmoid,
            MOONS.replace(
                activation="sigmoid", optimizer="adam", learning_rate=0.01, initializer="he_normal", epochs=125
            ),
            {
                "activation='sigmoid' is given": {"activation": "tanh"},
                "1008 steps": {"epochs": 126},
                "no better than the baseline": {"optimizer": "sgd", "epochs": 10},
            },
        ),
        (
            activations.deep_with_sgd,
            MOONS.replace(
                depth=8,
                activation="selu",
                initializer="lecun_normal",
                optimizer="sgd",
                learning_rate=0.1,
                batch_size=40,
            ),
            {
                "optimizer='sgd' is given": {"optimizer": "adam"},
                "800 steps": {"batch_size": 25},
                "no better than the baseline": {"activation": "sigmoid", "epochs": 10},
            },
        ),
    ],
)
def test_a_deep_network_has_to_learn_with_what_is_given(checker, right, wrong):
    assert "of 50" in checker(right)
    for words, changes in wrong.items():
        assert words in refused(checker, right.replace(**changes))


@pytest.mark.nightly  # the fixes are checked when the lesson is built
def test_all_fixes_pass_and_another_way_does_too():
    words = activations.name_the_causes(FIXED | {"D": ("wrong output", FAILING["D"].replace(output_activation="tanh"))})
    assert words.count("because") == 4


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("A", ("dead units", FIXED["A"][1]), "A: Not dead units. Look again: The gradient of the first layer"),
        ("A", ("bad luck", FIXED["A"][1]), "The cause is one of"),
        ("A", ("vanishing gradient", FAILING["A"].replace(learning_rate=1.0)), "does not prove it"),
    ],
)
def test_a_wrong_diagnosis_is_told_why(name, given, words):
    with pytest.raises(NotYet, match=words):
        activations.name_the_causes(FIXED | {name: given})
