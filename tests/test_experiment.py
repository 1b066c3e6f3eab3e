"""`Experiment`: what it accepts, what it says about the rest, and that a text restores it."""

import dataclasses
import json
import math
import re

import numpy as np
import pytest
from covering import fitting
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import Experiment
from helpers.experiments import catalog
from helpers.experiments.catalog import ACTIVATIONS, FEATURES, INITIALIZERS, OPTIMIZERS, SCALINGS
from helpers.experiments.experiment import FIELDS, LONGEST_TEXT, MOST_WEIGHTS
from helpers.experiments.sources import PROBLEMS, most_samples

NAMES = [name for name, spec in FIELDS.items() if spec.choices is not None]
NUMBERS = [name for name in FIELDS if name not in NAMES]
TABLES = {
    "problem": PROBLEMS,
    "activation": ACTIVATIONS,
    "initializer": INITIALIZERS,
    "optimizer": OPTIMIZERS,
    "scaling": SCALINGS,
    "missing_kind": catalog.MISSING_KINDS,
    "split": catalog.SPLITS,
    "imputation": catalog.IMPUTATIONS,
    "features": FEATURES,
    "target_scaling": catalog.TARGET_SCALINGS,
    "output_activation": catalog.OUTPUT_ACTIVATIONS,
    "schedule": catalog.SCHEDULES,
}


def refusal(**fields):
    """The sentence with which an Experiment refuses these fields."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the callers look at the sentence
        Experiment(**fields)
    return str(caught.value)


@st.composite
def experiments(draw):
    """Any valid Experiment."""
    fields = {}
    for name, spec in FIELDS.items():
        if spec.choices is not None:
            strategy = st.sampled_from(list(spec.choices))
        elif spec.whole:
            strategy = st.integers(spec.low, spec.high)
        else:
            strategy = st.floats(spec.low, spec.high)
        fields[name] = draw(strategy | st.none() if spec.none_means else strategy)
    return Experiment(**fitting(fields))


# --- the declaration ------------------------------------------------------------------------------


def test_the_defaults_train_a_small_network_on_a_wave():
    assert dataclasses.asdict(Experiment()) == {
        "problem": "sine", "samples": 200, "noise": 0.1, "input_scale": 1.0, "input_offset": 0.0, "outliers": 0,
        "missing": 0.0, "missing_kind": "at random", "split": "shuffled", "seed": 0,
        "imputation": "drop", "features": "raw", "scaling": "none", "target_scaling": "none",
        "depth": 2, "width": 16, "activation": "tanh", "initializer": "glorot_uniform",
        "bias_initializer": 0.0, "output_activation": "auto",
        "optimizer": "adam", "learning_rate": 0.01, "schedule": "constant", "momentum": 0.9, "epochs": 100,
        "batch_size": 32, "l1": 0.0, "l2": 0.0, "dropout": 0.0, "early_stopping": 0, "weight_decay": 0.004,
    }  # fmt: skip


def test_the_names_that_the_lessons_use_are_there():
    assert list(ACTIVATIONS) == ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "swish"]
    assert list(OPTIMIZERS) == ["sgd", "momentum", "nesterov", "rmsprop", "adagrad", "adam", "adamw"]
    assert list(SCALINGS) == ["none", "standard", "minmax", "robust"]
    assert {"line", "sine", "abs", "bump", "product", "xor", "moons", "circle", "auto_mpg"} <= set(PROBLEMS)
    assert {"glorot_uniform", "he_normal", "lecun_normal", "zeros", "random_normal"} <= set(INITIALIZERS)


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_has_what_a_slider_needs(name):
    spec = FIELDS[name]
    assert spec.label
    assert spec.help
    assert "\n" not in spec.help
    assert spec.group in ("Data", "Preparation", "Network", "Training", "Regularization")
    if name in NUMBERS:
        stops = [stop for stop in spec.slider_values if stop is not None]
        assert stops == sorted(set(stops))
        assert spec.low <= stops[0] < stops[-1] <= spec.high
        assert [spec.check(name, stop) for stop in stops] == stops
        assert (None in spec.slider_values) == bool(spec.none_means)


@pytest.mark.parametrize("name", NAMES)
def test_every_row_of_a_table_has_a_line_of_help(name):
    rows = TABLES[name]
    assert FIELDS[name].choices == {row: getattr(line, "help", line) for row, line in rows.items()}
    for row, line in FIELDS[name].choices.items():
        assert line, row
        assert "\n" not in line


def test_the_learning_rate_stands_on_a_logarithmic_ladder():
    ladder = FIELDS["learning_rate"].slider_values
    ratios = [upper / lower for lower, upper in zip(ladder, ladder[1:], strict=False)]
    assert {0.001, 0.01, 0.1, 1.0} <= set(ladder)
    assert 2 < min(ratios) <= max(ratios) < 4


# --- what it accepts ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_a_table_is_accepted(name):
    for row in TABLES[name]:
        fitting = next(p for p, source in PROBLEMS.items() if name != "features" or source.suits(FEATURES[row]))
        assert getattr(Experiment(**{"problem": fitting, name: row}), name) == row


@pytest.mark.parametrize("name", NUMBERS)
def test_both_ends_of_a_range_are_accepted_and_nothing_beyond(name):
    low, high = FIELDS[name].low, FIELDS[name].high
    filled = {"imputation": "mean"}  # dropping needs points that miss nothing
    assert getattr(Experiment(**filled | {name: low}), name) == low
    assert getattr(Experiment(**filled | {name: high}), name) == high
    step = 1 if FIELDS[name].whole else 1e-9
    for value, nearest in ((low - step, low), (high + max(step, high * 1e-9), high)):
        if FIELDS[name].whole:
            value = int(value)
        sentence = refusal(**{name: value})
        assert f"{name}={value!r}" in sentence
        assert f"from {low:g} to {high:g}" in sentence
        assert f"nearest allowed value is {nearest:g}" in sentence


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(
    "value", [True, math.nan, math.inf, -math.inf, "3", [3], {}, 3j, b"3", np.array([3, 4]), object]
)
def test_what_is_no_number_of_that_kind_is_refused(name, value):
    sentence = refusal(**{name: value})
    assert sentence.startswith(f"{name}=")
    assert repr(value)[:40] in sentence
    assert ("a whole number" if FIELDS[name].whole else "a number") in sentence


@pytest.mark.parametrize("name", [name for name in NUMBERS if FIELDS[name].whole])
def test_a_whole_number_is_not_rounded(name):
    assert f"{name}=2.5 is not a whole number" in refusal(**{name: 2.5})
    assert f"{name}=3.0 is not a whole number" in refusal(**{name: 3.0})


def test_numpy_scalars_become_numbers_of_python():
    experiment = Experiment(
        depth=np.int64(3),
        width=np.uint8(7),
        learning_rate=np.float32(0.5),
        noise=np.int32(1),
        l2=np.float64(0.25),
    )
    assert experiment == Experiment(depth=3, width=7, learning_rate=0.5, noise=1.0, l2=0.25)
    kinds = {name: type(value) for name, value in dataclasses.asdict(experiment).items()}
    assert {kinds["depth"], kinds["width"]} == {int}
    assert {kinds["learning_rate"], kinds["noise"], kinds["l2"]} == {float}


@pytest.mark.parametrize("value", [np.float32("nan"), np.float64("inf"), np.bool_(True)])
def test_numpy_scalars_that_are_no_numbers_are_refused(value):
    assert refusal(learning_rate=value).startswith("learning_rate=")


def test_none_stands_for_all_points_and_for_what_is_the_problems_own():
    assert Experiment(batch_size=None).batch_size is None
    own = ("samples", "noise", "features", "split", "imputation")
    assert Experiment(**dict.fromkeys(own)) == Experiment()
    for name in set(FIELDS) - {"batch_size", *own}:
        assert f"{name}=None is not" in refusal(**{name: None})


@pytest.mark.parametrize(
    ("name", "value", "nearest"),
    [
        ("activation", "rleu", "relu"),
        ("activation", "ReLU", "relu"),
        ("activation", " tanh ", "tanh"),
        ("optimizer", "Adam", "adam"),
        ("optimizer", "rmsprob", "rmsprop"),
        ("problem", "sin", "sine"),
        ("problem", "auto-mpg", "auto_mpg"),
        ("initializer", "he", "he_normal"),
        ("initializer", "glorot", "glorot_normal"),
        ("scaling", "standart", "standard"),
    ],
)
def test_an_unknown_name_is_quoted_with_all_names_and_the_nearest(name, value, nearest):
    sentence = refusal(**{name: value})
    assert f"{name}={value!r} is not one of {', '.join(TABLES[name])}" in sentence
    assert f"Did you mean {nearest!r}?" in sentence


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [3, True, ["tanh"], b"tanh", np.nan, "", "ä" * 10_000])
def test_whatever_stands_for_a_name_is_answered_with_the_names(name, value):
    sentence = refusal(**{name: value})
    assert sentence.startswith(f"{name}=")
    assert f"is not one of {', '.join(TABLES[name])}" in sentence
    assert len(sentence) < 400


def test_an_unknown_field_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="'lerning_rate' is not a field.*'learning_rate'"):
        Experiment().replace(lerning_rate=1)
    with pytest.raises(ValueError, match="'Depth' is not a field.*'depth'"):
        Experiment.from_json('{"Depth": 3}')


def test_real_data_cannot_give_more_points_than_they_have():
    most = most_samples("auto_mpg")
    assert Experiment(problem="auto_mpg", samples=most).samples == most
    sentence = refusal(problem="auto_mpg", samples=most + 1)
    assert f"samples={most + 1}" in sentence
    assert f"from 2 to {most}" in sentence


# --- what follows from what -----------------------------------------------------------------------


def test_samples_and_noise_left_out_are_the_problems_own():
    for name, source in PROBLEMS.items():
        experiment = Experiment(problem=name)
        assert (experiment.samples, experiment.noise) == (source.samples, source.noise)


def test_samples_and_noise_follow_the_problem_unless_they_were_chosen():
    moved = Experiment(problem="sine").replace(problem="line")
    assert (moved.samples, moved.noise) == (100, 1.0)
    chosen = Experiment(problem="sine", samples=50, noise=0.0).replace(problem="line")
    assert (chosen.samples, chosen.noise) == (50, 0.0)
    both = Experiment(problem="sine").replace(problem="line", noise=0.25)
    assert (both.samples, both.noise) == (100, 0.25)
    assert Experiment(problem="sine", noise=1.0).replace(depth=1).noise == 1.0


def test_features_that_do_not_fit_a_new_problem_become_its_own():
    ratio = Experiment(problem="ratio", features="ratio")
    assert ratio.replace(problem="sine").features == "raw"
    assert ratio.replace(problem="category").features == "codes"
    assert Experiment(problem="category", features="one_hot").replace(problem="ratio").features == "raw"
    assert Experiment(problem="stock_price").replace(problem="auto_mpg").split == "shuffled"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"problem": "category", "features": "raw"}, "features='raw' cannot be computed.*text.*codes, one_hot"),
        ({"problem": "sine", "features": "log"}, "features='log' cannot be computed.*numbers.*raw, squares"),
        ({"problem": "category", "missing": 0.1}, "missing=0.1 needs inputs that are numbers"),
        ({"problem": "category", "input_offset": 3.0}, "input_offset=3 needs inputs that are numbers"),
        ({"problem": "decades", "features": "log", "input_offset": -2.0}, "needs positive inputs"),
        ({"samples": 4, "missing": 0.5}, "imputation='drop'.*more samples"),
    ],
)
def test_combinations_without_sense_are_refused_with_a_sentence(fields, words):
    with pytest.raises(ValueError, match=words):
        Experiment(**fields)


def test_replace_changes_what_it_names_and_nothing_else():
    first = Experiment(problem="moons", depth=4, learning_rate=0.3, seed=5)
    second = first.replace(depth=5, batch_size=None)
    before, after = dataclasses.asdict(first), dataclasses.asdict(second)
    assert {name for name in before if before[name] != after[name]} == {"depth", "batch_size"}
    assert first.depth == 4
    with pytest.raises(ValueError, match="depth=-1"):
        first.replace(depth=-1)


def test_equal_experiments_are_equal_keys_and_none_can_be_changed():
    first, second = Experiment(noise=1), Experiment(noise=1.0)
    assert first == second
    assert hash(first) == hash(second)
    assert len({first, second, Experiment(noise=2)}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.depth = 3
    for name in ("samples", "depth", "seed", "epochs"):
        assert first != first.replace(**{name: getattr(first, name) + 1})


def test_a_network_that_is_too_large_is_refused_with_one_that_is_not():
    largest = max(FIELDS["width"].slider_values)
    assert Experiment(depth=20, width=largest).hidden_weights == 19 * largest**2 <= MOST_WEIGHTS
    assert Experiment(depth=1, width=1024).hidden_weights == 0
    for depth in (3, 5, 20):
        with pytest.raises(ValueError, match=f"depth={depth} with width=1024") as caught:
            Experiment(depth=depth, width=1024)
        width = int(re.search(r"a width of at most (\d+)", str(caught.value))[1])
        Experiment(depth=depth, width=width)
        with pytest.raises(ValueError, match="or fewer layers"):
            Experiment(depth=depth, width=width + 1)


# --- the text -------------------------------------------------------------------------------------


@given(experiments())
@settings(max_examples=100)
def test_a_text_restores_any_experiment(experiment):
    text = experiment.to_json()
    assert len(text) <= LONGEST_TEXT
    assert Experiment.from_json(text) == experiment
    assert set(json.loads(text)) == set(FIELDS)


def test_fields_that_a_text_leaves_out_take_their_defaults():
    assert Experiment.from_json("{}") == Experiment()
    assert Experiment.from_json(' {"problem": "line", "depth": 0} ') == Experiment(problem="line", depth=0)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "not shared settings"),
        ("depth=3", "not shared settings"),
        ('{"depth": 3', "not shared settings"),
        ("{'depth': 3}", "not shared settings"),
        ("\x00", "not shared settings"),
        ("__import__('os').getcwd()", "not shared settings"),
        ("[" * 9_000, "not shared settings"),
        ('{"a":' * 1_900, "not shared settings"),
        ('{"depth": 1' + "0" * 5_000 + "}", "not shared settings"),
        ("[" * 4_000 + "]" * 4_000, "not shared settings"),
        ('{"depth": 3}' + " " * LONGEST_TEXT, f"at most {LONGEST_TEXT:,} characters"),
        ("[]", "but a list"),
        ("3", "but a int"),
        ("null", "but a NoneType"),
        ('"sine"', "but a str"),
        ("NaN", "but a float"),
        ('{"learning_rate": NaN}', "learning_rate=nan is not a number"),
        ('{"learning_rate": Infinity}', "learning_rate=inf is not a number"),
        ('{"learning_rate": 1e999}', "learning_rate=inf is not a number"),
        ('{"depth": 1e2}', "depth=100.0 is not a whole number"),
        ('{"depth": 1' + "0" * 4_000 + "}", "is not a whole number"),
        ('{"learning_rate": 1' + "0" * 4_000 + "}", "is not a number"),
        ('{"depth": [1]}', "depth=[1] is not a whole number"),
        ('{"depth": {"__class__": 1}}', "is not a whole number"),
        ('{"depth": true}', "depth=True is not a whole number"),
        ('{"activation": ["relu"]}', "activation=['relu'] is not one of"),
        ('{"activation": null}', "activation=None is not one of"),
        ('{"problem": null}', "problem=None is not one of"),
        ('{"problem": "sin", "samples": null}', "problem='sin' is not one of"),
        ('{"epoch": 3}', "'epoch' is not a field"),
        ('{"__init__": 3}', "'__init__' is not a field"),
        ('{"' + "x" * 9_000 + '": 3}', "is not a field"),
        ('{"depth": 20, "width": 1024}', "has 19,922,944 weights between its hidden layers"),
        ('{"problem": "auto_mpg", "samples": 9999}', "samples=9999 is more than 'auto_mpg' has"),
    ],
    ids=lambda value: value[:24],
)
def test_any_other_text_is_answered_with_a_sentence(text, part):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the sentence is looked at
        Experiment.from_json(text)
    assert part in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", [None, 3, b"{}", {}, ["{}"]])
def test_what_is_no_text_is_refused(text):
    with pytest.raises(ValueError, match=f"a text, not {type(text).__name__}"):
        Experiment.from_json(text)


@given(st.text() | st.recursive(st.none() | st.booleans() | st.floats() | st.text(),
                                lambda inner: st.lists(inner) | st.dictionaries(
                                    st.sampled_from(list(FIELDS)) | st.text(), inner)
                                ).map(json.dumps))  # fmt: skip
@settings(max_examples=300)
def test_a_hostile_text_never_raises_anything_but_a_value_error(text):
    try:
        experiment = Experiment.from_json(text)
    except ValueError as error:
        assert str(error)
    else:
        assert Experiment.from_json(experiment.to_json()) == experiment
