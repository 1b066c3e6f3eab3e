"""The engine does what `model.fit` does, for one network and for many, and costs no graph too many.

Most runs here are in graph mode (`jit_compile=False`), which the lab uses; XLA has its own section.
"""

import dataclasses
import gc
import itertools
import random
import subprocess
import sys
import threading
import warnings
import weakref
from collections import OrderedDict
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from browser import ROOT
from covering import each_night
from rounding import assert_equal_but_for_rounding, fit, limits, moves, stops_clearly, trained
from scipy.stats import binomtest

from helpers import Experiment, train, train_seeds
from helpers.experiments import training
from helpers.experiments.catalog import ACTIVATIONS
from helpers.experiments.jobs import graph_key, has_graph, has_room, job_of
from helpers.experiments.models import build_model, initial_weights, learning_rates, weight_shapes
from helpers.experiments.problems import make_problem
from helpers.experiments.run import PER_EPOCH
from helpers.experiments.training import stream, stream_seeds
from website.bake import bake
from why_wont_it_learn.engine import cache, tracing, xla
from why_wont_it_learn.engine import job as engine
from why_wont_it_learn.engine.cache import Graph
from why_wont_it_learn.engine.layer_metrics import shape_of, units
from why_wont_it_learn.engine.loop import RuntimeValue

pytestmark = pytest.mark.numerical

# A rate at which each optimizer learns in 50 epochs, without the swings of a rate that is too
# large: those double a difference in the last digit every few epochs, whoever computes them.
RATES = {
    "sgd": 0.05,
    "momentum": 0.01,
    "nesterov": 0.01,
    "rmsprop": 0.003,
    "adagrad": 0.05,
    "adam": 0.01,
    "adamw": 0.01,
}
PENALTIES = {"plain": {}, "l2": {"l2": 0.01}, "l1": {"l1": 0.01}}
ACTIVATIONS_OF_GRID = ("relu", "tanh", "sigmoid")
SMALL = Experiment(depth=2, width=8, samples=24, batch_size=10, epochs=50)  # batches of 10, 10, 4
PAIRS = list(itertools.product(ACTIVATIONS_OF_GRID, PENALTIES))
# Each activation and each penalty once. At night all; and tests/test_keras_program.py has `model.fit` train each optimizer.
DAILY = [(list(RATES)[i % 7], *pair) for i, pair in enumerate(PAIRS)][::4]
GRID = [
    pytest.param(
        SMALL.replace(optimizer=o, learning_rate=RATES[o], activation=a, epochs=20, **PENALTIES[p]),
        id=f"{o}-{a}-{p}",
        marks=[
            *([] if (o, a, p) in DAILY else [pytest.mark.nightly]),
            pytest.mark.xdist_group(f"test_training_{a}"),
        ],
    )
    for o, a, p in itertools.product(RATES, ACTIVATIONS_OF_GRID, PENALTIES)
]


def same_run(one, other):
    """Whether two runs agree in every number that they hold."""
    arrays = [(getattr(one, name), getattr(other, name)) for name in (*PER_EPOCH, "predictions")]
    arrays += zip(one.weights, other.weights, strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in arrays)


@pytest.fixture(scope="module", params=GRID)
def combination(request):
    """One of `GRID`: pytest runs all tests of one before those of the next, which often has the same graphs."""
    return request.param


@pytest.fixture
def traces(monkeypatch):
    """An empty cache of graphs, none on disk, and a list that grows by one with each training loop that is traced."""
    seen = []
    original = tracing.trace

    def trace(*arguments):
        seen.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(tracing, "trace", trace)
    monkeypatch.setattr(cache, "_graphs", OrderedDict())
    monkeypatch.setenv("WHY_WONT_IT_LEARN_CACHE", "")
    return seen


def graphs():
    """The training loops in the cache."""
    return [graph for key, graph in cache._graphs.items() if key[2] == "train"]


# --- one network: the same as model.fit -----------------------------------------------------------


of_fit = pytest.mark.xdist_group("test_training_fit")
of_xla = pytest.mark.xdist_group("test_training_xla")


def assert_as_model_fit(run):
    """A run has the losses of `model.fit` in every epoch and ends with its weights."""
    assert_equal_but_for_rounding(run, fit(run.experiment), limits(fit, run.experiment))


def test_every_run_tries_each_activation_and_each_penalty():
    assert {activation for _, activation, _ in DAILY} == set(ACTIVATIONS_OF_GRID)
    assert {penalty for *_, penalty in DAILY} == set(PENALTIES)


def test_every_epoch_has_the_losses_of_model_fit(combination):
    run = train(combination, jit_compile=False)
    assert run.loss.shape == run.val_loss.shape == (20,)
    assert run.loss[-1] < 0.95 * run.loss[0]  # there was something to compute
    assert_as_model_fit(run)


SPECIAL = {
    "dropout": {"dropout": 0.3, "activation": "relu"},
    "little dropout in three layers": {"dropout": 0.1, "depth": 3, "l2": 0.01},
    "all points in one batch": {"batch_size": None},
    "batch larger than the data": {"batch_size": 1000},
    "batches without a rest": {"batch_size": 8},
    "single points": {"batch_size": 1},
    "no hidden layer": {"depth": 0, "dropout": 0.5},
    "one unit and two points": {"width": 1, "samples": 2},
    "two classes": {"problem": "moons", "samples": 25},
    "classes, dropout": {"problem": "moons", "samples": 25, "dropout": 0.5},
    "real data": {"problem": "auto_mpg", "samples": 24, "scaling": "standard"},
    "weight decay": {"optimizer": "adamw", "weight_decay": 0.1},
    "both penalties, another seed": {"l1": 0.003, "l2": 0.02, "seed": 7},
    "cosine": {"schedule": "cosine"},
    "exponential": {"schedule": "exponential", "optimizer": "sgd", "learning_rate": 0.1},
    "warmup": {"schedule": "warmup"},
    "biases start below 0": {"bias_initializer": -1.0, "activation": "leaky_relu"},
    "another output activation": {"output_activation": "tanh"},
    "softmax over one unit": {"problem": "moons", "samples": 25, "output_activation": "softmax"},
    "three classes": {"problem": "penguins", "samples": 25, "scaling": "standard"},
    "scaled targets": {"problem": "price", "target_scaling": "standard"},
    "text": {"problem": "category", "features": "one_hot", "scaling": "none"},
    "dropped points": {"problem": "product", "samples": 40, "missing": 0.2, "batch_size": 8},
    "imputed points": {"problem": "product", "missing": 0.2, "imputation": "indicator"},
}
# The others are a second case of the same kind, or tests/test_keras_program.py trains them, too.
OWN_KIND = (
    "all points in one batch", "one unit and two points", "classes, dropout", "both penalties, another seed", "warmup",
    "softmax over one unit", "dropped points",
)  # fmt: skip


@of_fit
@pytest.mark.parametrize("changes", each_night(SPECIAL, OWN_KIND))
def test_special_cases_have_the_losses_of_model_fit_too(changes):
    assert_as_model_fit(train(SMALL.replace(**{"epochs": 20} | changes), jit_compile=False))


@of_fit
@pytest.mark.parametrize(
    "activation", each_night(list(ACTIVATIONS), ["linear", "gelu", "leaky_relu"])
)  # the grid tries three others
def test_every_activation_has_the_losses_of_model_fit(activation):
    assert_as_model_fit(train(SMALL.replace(activation=activation, epochs=10), jit_compile=False))


def test_dropout_switches_off_the_units_that_keras_switches_off():
    """A rate that is a value, next to Keras's layer with that rate."""
    assert [d.rate for d in train(SMALL.replace(dropout=0.4, epochs=1)).model.layers if hasattr(d, "rate")] == [0.4] * 2
    layer, of_keras = keras.layers.Dropout(0.4, seed=11), keras.layers.Dropout(0.4, seed=11)
    ones = np.ones((50, 8), "float32")

    @tf.function
    def dropped(rate):
        layer.rate = RuntimeValue(rate)
        return layer(ones, training=True)

    for _ in range(3):  # the next draw is another one, for both
        expected = of_keras(ones, training=True).numpy()
        assert 0.3 < np.mean(expected == 0) < 0.5
        np.testing.assert_allclose(dropped(tf.constant(0.4)).numpy(), expected, rtol=1e-6)


def test_the_first_weights_are_those_of_the_keras_model():
    for experiment in (SMALL, SMALL.replace(depth=0, seed=9), SMALL.replace(initializer="zeros")):
        shapes = weight_shapes(experiment)
        first = training.split_weights(initial_weights(experiment, [experiment.seed], shapes)[0], shapes)
        model = build_model(experiment)
        assert [tuple(w.shape) for w in model.trainable_variables] == shapes
        for mine, theirs in zip(first, model.trainable_variables, strict=True):
            np.testing.assert_array_equal(mine, theirs.numpy())


# --- one network: XLA -----------------------------------------------------------------------------


def test_xla_changes_no_more_than_the_last_digits(combination):
    run = train(combination, jit_compile=True)
    assert len(job_of(combination, [0], many=False).graph.programs.ready) == 1
    assert_as_model_fit(run)


@of_xla
@pytest.mark.parametrize(
    ("optimizer", "activation", "rate"),
    [
        ("adam", "tanh", 0.03),
        *(
            pytest.param(*case, marks=pytest.mark.nightly)
            for case in (
                ("rmsprop", "relu", 0.01),
                ("sgd", "relu", 0.1),
                ("momentum", "relu", 0.02),
                ("nesterov", "tanh", 0.05),
                ("adagrad", "relu", 0.1),
                ("adamw", "relu", 0.01),
            )
        ),
    ],
)
def test_where_rounding_grows_xla_stays_within_the_spread_of_model_fit(optimizer, activation, rate):
    """At these rates one bit of one weight grows to as much as 1e-3 in 50 epochs of `model.fit`."""
    experiment = SMALL.replace(
        optimizer=optimizer, activation=activation, learning_rate=rate, depth=3, width=16,
        samples=64, batch_size=16,
    )  # fmt: skip
    assert_as_model_fit(train(experiment, jit_compile=True))


def test_auto_answers_in_graph_mode_until_xla_is_ready(traces, monkeypatch):
    monkeypatch.setattr(xla, "AFTER_STEPS", 200)
    experiment = SMALL.replace(width=5)  # 150 steps
    first = train(experiment)
    [graph] = graphs()
    assert not graph.programs.threads
    assert same_run(first, train(experiment, jit_compile=False))
    for changes in ({"learning_rate": 0.1}, {"seed": 3, "l2": 0.1}):
        train(experiment.replace(**changes))
        for thread in graph.programs.threads:
            thread.join()
    assert len(graph.programs.threads) == len(graph.programs.ready) == 1
    assert len(traces) == 1
    assert same_run(first, train(experiment, jit_compile=False))


@pytest.mark.parametrize("many", [False, True])
def test_the_random_numbers_of_the_program_around_it_are_not_used_up(many, traces):
    """A lab trains on a thread of its own, while a cell of the notebook may draw numbers from the seed that it has set."""
    keras.utils.set_random_seed(5)
    before = random.getstate()
    network = Experiment(depth=2, width=7, initializer="he_uniform", dropout=0.3, epochs=1)
    train_seeds(network, 3) if many else train(network)
    assert random.getstate() == before
    assert traces


def test_xla_is_not_used_with_dropout_nor_without_bound(traces, monkeypatch):
    dropout = SMALL.replace(dropout=0.2, epochs=2)
    runs = [train(dropout, jit_compile=mode) for mode in ("auto", "auto", True, False)]
    assert all(same_run(run, runs[0]) for run in runs)
    monkeypatch.setattr(xla, "_programs", xla.PROGRAMS_AT_MOST)
    train(SMALL, jit_compile=True)
    assert [len(graph.programs.ready) for graph in graphs()] == [0, 0]


# --- early stopping -------------------------------------------------------------------------------


# Its validation losses are far enough apart that rounding never decides which is the best.
EARLY = SMALL.replace(optimizer="sgd", learning_rate=0.2, noise=0.5, early_stopping=3, epochs=80)


@pytest.mark.parametrize("changes", [{"seed": 2}, {"seed": 4, "early_stopping": 1}, {"seed": 3, "early_stopping": 80}])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_early_stopping_stops_where_keras_stops_and_keeps_what_it_keeps(changes, jit_compile):
    experiment = EARLY.replace(**changes)
    expected, allowed = fit(experiment), limits(fit, experiment)
    assert stops_clearly(expected.val_loss, allowed)
    run = train(experiment, jit_compile=jit_compile)
    assert run.finished
    assert len(run.loss) == len(expected.loss)
    assert_equal_but_for_rounding(run, expected, allowed)
    answers = run.model.predict(run.problem.x_val, verbose=0)  # of the weights that were put back
    assert (np.abs(run.predictions - answers) < 1e-3).all()


def test_members_stop_each_in_its_own_epoch():
    study = train_seeds(EARLY, 4)
    assert len(set(study.epochs_run)) > 1
    assert study.loss.shape == (4, 80)
    for seed, ran in enumerate(study.epochs_run):
        experiment = EARLY.replace(seed=seed)
        run, allowed = trained(experiment), limits(trained, experiment)
        assert stops_clearly(run.val_loss, allowed)
        assert len(run.loss) == ran < 80
        assert_equal_but_for_rounding(study, run, allowed, row=seed)
        at_best = np.argmin(study.val_loss[seed, :ran])
        assert (study.loss[seed, ran:] == study.loss[seed, at_best]).all()  # it stays at its best epoch
        np.testing.assert_allclose(study.val_loss[seed, ran:], run.val_loss.min(), rtol=allowed["val_loss"].max())


def test_a_run_that_diverges_at_once_stops_early_too():
    run = train(SMALL.replace(optimizer="sgd", learning_rate=1000.0, early_stopping=2, epochs=60), jit_compile=False)
    assert run.diverged_at is not None
    assert run.finished


# --- many seeds -----------------------------------------------------------------------------------


def assert_as_if_alone(study, rows=None):
    """Each seed of a study, or some, has what it has when it is trained alone."""
    for row in range(len(study.seeds)) if rows is None else rows:
        experiment = study.experiment.replace(seed=int(study.seeds[row]))
        assert_equal_but_for_rounding(study, trained(experiment), limits(trained, experiment), row=row)


def test_every_member_trains_as_if_alone(combination):
    study = train_seeds(combination.replace(epochs=12), [3, 0, 41])
    assert study.loss.shape == study.val_loss.shape == (3, 12)
    assert_as_if_alone(study)


SPECIAL_MEMBERS = {
    "dropout": {"dropout": 0.3},
    "two classes": {"problem": "moons", "samples": 25},
    "no hidden layer": {"depth": 0},
    "one batch of two points": {"batch_size": None, "samples": 2},
    "zeros": {"initializer": "zeros"},
    "large weights": {"initializer": "random_normal"},
    "warmup": {"schedule": "warmup"},
    "biases start below 0": {"bias_initializer": -1.0},
    "three classes": {"problem": "penguins", "samples": 25, "scaling": "standard"},
    "dropped points": {"problem": "product", "samples": 40, "missing": 0.2, "batch_size": 8},
    "dropped points, one batch": {"problem": "product", "missing": 0.2, "batch_size": None},
    "imputed points": {"problem": "product", "missing": 0.2, "imputation": "mean"},
}


@pytest.mark.parametrize(
    "changes",
    each_night(SPECIAL_MEMBERS, ["dropout", "no hidden layer", "three classes", "dropped points"]),
)
def test_special_members_train_as_if_alone(changes):
    assert_as_if_alone(train_seeds(SMALL.replace(epochs=10, **changes), [2, 5]))


def test_members_compiled_by_xla_agree():
    assert_as_if_alone(train_seeds(SMALL.replace(epochs=10), 3, jit_compile=True))


def test_seeds_are_a_count_or_a_sequence():
    experiment = SMALL.replace(epochs=2)
    counted = train_seeds(experiment, 3)
    assert counted.seeds.tolist() == [0, 1, 2]
    for seeds in (range(3), (0, 1, 2), np.arange(3), [np.int64(0), 1, 2], np.int64(3)):
        np.testing.assert_array_equal(train_seeds(experiment, seeds).loss, counted.loss)
    assert train_seeds(experiment, [7]).loss.shape == (1, 2)
    twice = train_seeds(experiment, [7, 7, 8])
    assert_as_if_alone(twice)
    assert not np.allclose(twice.loss[1], twice.loss[2], rtol=0.01)


@pytest.mark.parametrize("seeds", [0, [], -1, [-1], "3", ["0"], [1.5], True, [True], [10**9], 2.5, None])
def test_seeds_that_are_none_are_refused_with_a_sentence(seeds):
    with pytest.raises(ValueError, match="seeds"):
        train_seeds(SMALL, seeds)


def test_more_seeds_than_fit_into_one_graph_train_in_blocks(traces):
    experiment = SMALL.replace(depth=1, width=3, samples=6, epochs=3)
    study = train_seeds(experiment, 103)
    assert study.seeds.tolist() == list(range(103))
    assert study.loss.shape == (103, 3)
    assert study.gradient_norm.shape == (103, 3, 2)
    assert len(traces) == 1
    assert_as_if_alone(study, rows=(0, 99, 100, 102))


def test_success_rate_and_wilson_interval():
    study = train_seeds(SMALL.replace(epochs=1), 4)
    for learned, seeds in ((37, 100), (0, 50), (50, 50), (1, 1)):
        skill = np.where(np.arange(seeds) < learned, 0.95, 0.9499)
        counted = dataclasses.replace(study, skill=skill)
        assert counted.learned.sum() == learned
        assert counted.success_rate == learned / seeds
        expected = binomtest(learned, seeds).proportion_ci(0.95, "wilson")
        assert counted.interval == pytest.approx((expected.low, expected.high))
    counted = dataclasses.replace(study, skill=np.where(np.arange(100) < 37, 1.0, -np.inf))
    assert counted.interval == pytest.approx((0.2818, 0.4678), abs=1e-4)  # Wilson's formula by hand
    assert "37 of 100 (28% to 47%" in counted.verdict


@pytest.mark.parametrize("value", [3, None, "sine", {"depth": 3}])
def test_what_is_no_experiment_is_refused(value):
    for function in (train, train_seeds):
        with pytest.raises(ValueError, match=f"needs an Experiment, not {type(value).__name__}"):
            function(value)
    with pytest.raises(ValueError, match="jit_compile='yes' is not one of True, False, 'auto'"):
        train(SMALL, jit_compile="yes")


SOFTMAX = """
import warnings

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    import keras
    from helpers import Experiment, train, train_seeds

    experiment = Experiment(problem="moons", output_activation="softmax", samples=8, epochs=1, depth=1, width=2)
    train(experiment, jit_compile=False).model
    train(experiment, jit_compile=True)
    train_seeds(experiment, 2)
    ours = [str(warning.message) for warning in told if "softmax" in str(warning.message)]
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="softmax")])(keras.ops.zeros((3, 2)))
    all_of_them = [str(warning.message) for warning in told if "softmax" in str(warning.message)]
print([len(ours), len(all_of_them), "Did you mean to use a sigmoid" in all_of_them[0]])
"""


def test_the_warning_of_keras_about_softmax_over_one_unit_reaches_the_learner():
    """But not for a network that the lab was asked for."""
    done = subprocess.run([sys.executable, "-c", SOFTMAX], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[0, 1, True]"


# --- which changes need a new graph ---------------------------------------------------------------


@pytest.mark.parametrize("members", [None, 2])
def test_values_never_trace_again(traces, members):
    first = Experiment(depth=1, width=4, samples=20, batch_size=7, epochs=2, dropout=0.1, optimizer="nesterov")
    moves = [
        {"learning_rate": 1.0}, {"momentum": 0.0}, {"momentum": 0.99}, {"l1": 0.1}, {"l2": 0.1},
        {"l1": 0.01, "l2": 0.01}, {"dropout": 0.3}, {"dropout": 0.95}, {"weight_decay": 0.1},
        {"problem": "abs"}, {"problem": "line"}, {"samples": 33}, {"noise": 2.0},
        {"scaling": "robust"}, {"batch_size": None}, {"batch_size": 1}, {"seed": 5},
        {"epochs": 9}, {"epochs": 300}, {"initializer": "he_normal"},
    ]  # fmt: skip
    outcomes = set()
    for changes in ({}, *moves):
        experiment = first.replace(**changes)
        if members:
            outcomes.add(float(train_seeds(experiment, members).loss[0, 1]))
        else:
            outcomes.add(float(train(experiment, jit_compile=False).loss[1]))
        for _ in itertools.islice(stream(experiment, seconds=0), 0 if members else 2):
            pass
    assert len(traces) == 1
    # And yet each value has its effect, but for weight decay, epochs and nesterov's own.
    # A study takes its own seeds.
    assert len(outcomes) == 1 + len(moves) - (4 if members else 3)


def test_weight_decay_is_a_value_of_adamw(traces):
    experiment = SMALL.replace(optimizer="adamw", epochs=2)
    runs = [train(experiment.replace(weight_decay=w), jit_compile=False) for w in (0.0, 0.004, 1.0)]
    assert len({float(run.loss[1]) for run in runs}) == 3
    assert len(traces) == 1


OTHER_GRAPHS = [
    {"depth": 2}, {"depth": 0}, {"width": 5}, {"activation": "relu"}, {"optimizer": "sgd"}, {"dropout": 0.1}, {"problem": "product"},
    {"problem": "moons"},
]  # fmt: skip
SEEN_DAILY = [
    "{'depth': 0}",
    "{'activation': 'relu'}",
    "{'optimizer': 'sgd'}",
    "{'dropout': 0.1}",
    "{'problem': 'moons'}",
]


@pytest.mark.parametrize("changes", each_night(OTHER_GRAPHS, SEEN_DAILY))
def test_another_network_or_optimizer_has_its_own_graph(traces, changes):
    first = Experiment(depth=1, width=4, samples=20, epochs=1)
    second = first.replace(**changes)
    for experiment in (first, second, first, second):
        train(experiment, jit_compile=False)
    assert len(traces) == 2
    assert graph_key(first) != graph_key(second)


def test_without_hidden_layers_what_they_would_be_makes_no_difference(traces):
    first = Experiment(depth=0, samples=20, epochs=3)
    runs = [
        train(first.replace(**changes), jit_compile=False)
        for changes in ({}, {"width": 99}, {"activation": "relu"}, {"dropout": 0.5})
    ]
    assert all(same_run(run, runs[0]) for run in runs)
    assert len(traces) == 1


def test_a_key_says_what_shares_a_graph():
    assert graph_key(SMALL) == graph_key(SMALL.replace(learning_rate=0.3, l2=0.1, momentum=0.1, samples=30, seed=5))
    assert graph_key(SMALL) != graph_key(SMALL.replace(width=9))
    assert graph_key(SMALL) != graph_key(SMALL, 3) != graph_key(SMALL, 3, probes=False)


def test_there_is_room_for_few_graphs_of_deep_networks(traces):
    assert not has_graph(SMALL)
    assert not has_room(SMALL, 1)
    for depth, room in ((2, 3), (20, 1)):
        experiment = SMALL.replace(depth=depth, epochs=1)
        train(experiment)
        assert has_graph(experiment.replace(learning_rate=0.5))
        assert has_room(experiment, room)
        assert not has_room(experiment, 2 * room + 1)


KINDS_OF_GRAPH = [*({"activation": a} for a in ACTIVATIONS), *({"optimizer": o} for o in RATES), {"dropout": 0.2}]


@pytest.mark.parametrize("models", [None, 2])
@pytest.mark.parametrize(
    "changes", each_night(KINDS_OF_GRAPH, ["{'activation': 'gelu'}", "{'optimizer': 'adam'}", "{'dropout': 0.2}"])
)
def test_a_graph_that_is_dropped_is_gone(changes, models, traces):
    experiment = SMALL.replace(epochs=1, **changes)
    train(experiment, jit_compile=False) if models is None else train_seeds(experiment, models)
    [graph] = graphs()
    traced = weakref.ref(graph.function.graph)
    del graph
    cache._graphs.clear()
    gc.collect()
    assert traced() is None


def test_the_cache_is_bounded_keeps_the_last_used_and_training_prints_nothing(traces, capfd, caplog, monkeypatch):
    favourite = Experiment(depth=1, width=1, samples=4, epochs=1)
    train(favourite)
    monkeypatch.setattr(cache, "NODES_KEPT", 3 * sum(graph.nodes for graph in cache._graphs.values()))
    for width in range(2, 8):
        train(favourite.replace(width=width))
        train(favourite)
        assert 1 < len(graphs()) <= 3
    assert len(traces) == 7  # the one used in between was never thrown out
    train(favourite.replace(width=2))
    assert len(traces) == 8
    train_seeds(favourite, 2)
    captured = capfd.readouterr()
    assert (captured.out, captured.err, caplog.text) == ("", "", "")


def test_what_was_baked_is_not_traced_again(traces, tmp_path, monkeypatch):
    monkeypatch.setenv("WHY_WONT_IT_LEARN_CACHE", str(tmp_path / "graphs"))
    bake(SMALL)
    bake(SMALL, seeds=3)
    assert len(traces) == 2
    cache._graphs.clear()
    train(SMALL.replace(learning_rate=0.1, epochs=2), jit_compile=False)
    train_seeds(SMALL.replace(epochs=2), 3)
    assert len(traces) == 2


# --- chunks ---------------------------------------------------------------------------------------


@pytest.fixture
def machine(monkeypatch):
    """A clock on which only steps take time, and the first call of a graph, in seconds; `chunks` holds the steps of each chunk.

    A batch of the validation data is a step, too.
    """
    machine = SimpleNamespace(now=0.0, step=1.0, starting=0.0, chunks=[])
    original = Graph.__call__

    def call(self, arguments, *options):
        *_, count = arguments
        machine.chunks.append(int(count))
        machine.now += machine.step * int(count) + machine.starting * (self.calls == 0)
        return original(self, arguments, *options)

    monkeypatch.setattr(Graph, "__call__", call)
    monkeypatch.setattr(engine, "time", SimpleNamespace(perf_counter=lambda: machine.now))
    for graph in cache._graphs.values():
        monkeypatch.setattr(graph, "step_seconds", {})
    return machine


CHUNKED = {
    "nothing": {},
    "dropout": {"dropout": 0.3},
    "one batch": {"optimizer": "sgd", "batch_size": None},
    "cosine": {"batch_size": 1, "schedule": "cosine"},
    "early stopping": {"batch_size": 1, "learning_rate": 0.1, "early_stopping": 3},
    "three classes": {"problem": "penguins", "batch_size": 1},
}


@pytest.mark.parametrize("within_epochs", [False, True])
@pytest.mark.parametrize("changes", each_night(CHUNKED, ["dropout", "one batch", "early stopping"]))
def test_chunks_do_not_change_results(changes, within_epochs, machine):
    experiment = SMALL.replace(**{"epochs": 20} | changes)
    whole = train(experiment, jit_compile=False)
    machine.chunks.clear()
    parts = list(stream(experiment, seconds=0, within_epochs=within_epochs))
    assert set(machine.chunks[1:]) == {1}  # there is no time for more
    assert [part.finished for part in parts] == [False] * (len(parts) - 1) + [True]
    assert same_run(parts[-1], whole)
    for part in parts:
        np.testing.assert_array_equal(part.loss, whole.loss[: len(part.loss)])
        assert part.predictions.shape == whole.predictions.shape
    done = [len(part.loss) for part in parts]
    if within_epochs:
        assert len(done) == len(machine.chunks)
        assert {0, *done} == set(range(len(whole.loss) + 1))
        assert all((one is other) == (len(one.loss) == len(other.loss)) for one, other in itertools.pairwise(parts))
    else:
        assert done == list(range(1, len(whole.loss) + 1))


CHUNKED_SEEDS = {
    "nothing": {},
    "single points": {"batch_size": 1, "epochs": 5},
    "dropout": {"batch_size": 1, "dropout": 0.2, "schedule": "warmup", "epochs": 5},
    "early stopping": {"learning_rate": 0.1, "early_stopping": 3},
}


@pytest.mark.parametrize("probes", [True, False])
@pytest.mark.parametrize("changes", each_night(CHUNKED_SEEDS, ["dropout", "early stopping"]))
def test_chunks_of_many_seeds_do_not_change_results(changes, probes, machine):
    experiment = SMALL.replace(**{"epochs": 20} | changes)
    whole = train_seeds(experiment, 3, probes=probes)
    parts = list(stream_seeds(experiment, 3, seconds=0, probes=probes, within_epochs=True))
    assert [part.done for part in parts] == sorted({part.done for part in parts})
    assert len({part.loss.shape[1] for part in parts}) > 3
    assert parts[-1].done == whole.done == 1
    for name in (*PER_EPOCH, "skill", "weights", "epochs_run"):
        np.testing.assert_array_equal(getattr(parts[-1], name), getattr(whole, name))
    fewer = list(stream_seeds(experiment, 3, seconds=0, probes=probes))
    assert [part.loss.shape[1] for part in fewer] == sorted({part.loss.shape[1] for part in parts} - {0})


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100, None])
@pytest.mark.parametrize("step", [0.0001, 0.0011, 0.013, 0.03])
def test_no_chunk_takes_longer_than_it_may(machine, batch_size, step):
    machine.step = step
    experiment = SMALL.replace(samples=300, batch_size=batch_size, epochs=3)
    train(experiment.replace(epochs=1), jit_compile=False)  # a first call of a graph counts less
    machine.chunks.clear()
    list(stream(experiment, seconds=0.03))
    steps = 3 * (1 + len(job_of(experiment, [0], many=False).batches.sizes))  # one batch of validation
    assert sum(machine.chunks) == steps
    first, *others = machine.chunks
    assert first <= 16
    assert all(count * step < 0.0301 for count in others)
    # And few are shorter than they must be: those while it finds out, and one at the end of each epoch.
    full = min(int(0.03 / step + 1e-9), 4096)
    assert len(machine.chunks) <= 12 + 3 + steps // full


def test_the_time_that_a_first_call_takes_makes_chunks_hardly_shorter(traces, machine):
    machine.step, machine.starting = 0.001, 10.0
    *_, run = stream(SMALL, seconds=0.0321)
    assert len(traces) == 1
    assert run.finished
    assert machine.chunks == [4, 1, 3, 12, 32, 32, 32, 32, 32, 20]


def test_a_second_training_begins_with_half_of_what_fits(machine):
    machine.step = 0.001
    list(stream(SMALL, seconds=0.0321))
    machine.chunks.clear()
    list(stream(SMALL, seconds=0.0321))
    assert machine.chunks[:2] == [16, 32]


def test_of_a_large_network_few_steps_are_taken_before_it_is_known_how_long_one_takes(machine):
    list(stream(SMALL.replace(width=128, depth=8, samples=1000, batch_size=500, epochs=1), seconds=0.03))
    assert machine.chunks[0] == 1


def test_many_seeds_are_interrupted_as_soon_as_one(machine):
    machine.step = 0.02
    within = [
        study.done for study in stream_seeds(SMALL.replace(samples=300, batch_size=1, epochs=1), 5, within_epochs=True)
    ]
    assert machine.chunks[0] == 16
    assert max(machine.chunks[2:]) == 5  # a tenth of a second
    assert len(within) == len(machine.chunks) > 50


def test_without_a_limit_a_short_training_is_one_chunk_and_a_long_one_is_cut(machine):
    train(SMALL, jit_compile=False)
    assert machine.chunks == [200]
    machine.chunks.clear()
    train(SMALL.replace(samples=5000, batch_size=1, epochs=1), jit_compile=False)
    assert machine.chunks == [4096, 905]


def test_before_the_end_of_the_first_epoch_a_run_is_the_untrained_network():
    grid = np.linspace(-5, 5, 17, dtype="float32")[:, None]
    run = next(stream(SMALL.replace(batch_size=1), seconds=0, x_show=grid, within_epochs=True))
    model = build_model(run.experiment)
    assert not run.finished
    assert run.loss.shape == run.val_loss.shape == (0,)
    assert run.gradient_norm.shape == run.update_ratio.shape == (0, 3)
    assert run.dead.shape == run.saturated.shape == (0, 2)
    assert run.diverged_at is None
    for mine, theirs in zip(run.weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_allclose(run.predictions, model.predict(run.problem.x_val, verbose=0), atol=1e-5)
    np.testing.assert_allclose(run.shown, model.predict(grid, verbose=0), atol=1e-5)


@pytest.mark.parametrize("schedule", ["cosine", "exponential", "warmup"])
def test_a_step_has_the_same_rate_however_many_are_asked_for(schedule):
    experiment = Experiment(schedule=schedule, samples=100, batch_size=10, epochs=300)
    rates = learning_rates(experiment, 0, 3000)
    for count in (1, 7, 1024, 2999):
        pieces = [learning_rates(experiment, i, min(count, 3000 - i)) for i in range(0, 3000, count)]
        np.testing.assert_array_equal(np.concatenate(pieces), rates)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_runs_that_take_turns_on_one_graph_do_not_disturb_each_other(traces, dropout):
    one = SMALL.replace(epochs=20, dropout=dropout)
    other = one.replace(seed=4, learning_rate=0.1, l2=0.01, samples=31, dropout=2 * dropout)
    alone = [train(experiment, jit_compile=False) for experiment in (one, other)]
    turns = list(zip(stream(one, seconds=0), stream(other, seconds=0), strict=True))
    assert len(turns) == 20
    for first, second in turns:
        np.testing.assert_array_equal(first.loss, alone[0].loss[: len(first.loss)])
        np.testing.assert_array_equal(second.loss, alone[1].loss[: len(second.loss)])
    assert len(traces) == 1


def test_trainings_on_two_threads_do_not_disturb_each_other(traces):
    one = SMALL.replace(epochs=200)
    other = one.replace(seed=4, learning_rate=0.1, l2=0.01)
    alone = train(one, jit_compile=False), train(other, jit_compile=True)
    enough, compiled, plain = threading.Event(), [], []

    def train_compiled():
        while not enough.is_set():
            compiled.append(same_run(train(other, jit_compile=True), alone[1]))

    thread = threading.Thread(target=train_compiled)
    thread.start()
    while (len(compiled) < 15 and thread.is_alive()) or len(plain) < 5:
        plain.append(same_run(train(one, jit_compile=False), alone[0]))
    enough.set()
    thread.join()
    assert len(compiled) >= 15
    assert all(compiled)
    assert all(plain)
    assert len(traces) == 1


def test_a_dropped_run_leaves_nothing_behind():
    experiment = SMALL.replace(optimizer="momentum", dropout=0.2)
    options = tf.config.optimizer.get_experimental_options()
    expected = train(experiment, jit_compile=False)
    for _ in range(3):
        dropped = stream(experiment.replace(learning_rate=1000.0, seed=8), seconds=0)
        next(dropped)
        next(dropped)
        assert tf.config.optimizer.get_experimental_options() == options
        dropped.close()
    assert same_run(train(experiment, jit_compile=False), expected)
    assert tf.config.optimizer.get_experimental_options() == options


def test_answers_for_the_points_that_a_picture_needs():
    grid = np.linspace(-5, 5, 17, dtype="float32")[:, None]
    *_, run = stream(SMALL, x_show=grid)
    np.testing.assert_allclose(run.shown, run.model.predict(grid, verbose=0), atol=1e-5)
    np.testing.assert_allclose(run.predictions, train(SMALL, jit_compile=False).predictions, atol=1e-5)


# --- what is measured -----------------------------------------------------------------------------


def gradient_norms(model, problem):
    """The norm of dL/dW of every kernel over all training points, from Keras alone."""
    with tf.GradientTape() as tape:
        loss = model.compute_loss(y=problem.y, y_pred=model(problem.x, training=False))
    kernels = [v for v in model.trainable_variables if "kernel" in v.path]
    return [np.linalg.norm(gradient) for gradient in tape.gradient(loss, kernels)]


def hidden_outputs(run):
    """What each hidden Dense layer answers for the training points, from Keras alone."""
    h, outputs = run.problem.x, []
    for layer in run.model.layers[:-1]:
        h = layer(h, training=False)
        if isinstance(layer, keras.layers.Dense):
            outputs.append(np.asarray(h))
    return outputs


PROBED = [
    pytest.param(SMALL.replace(activation="relu"), id="relu"),
    pytest.param(SMALL.replace(l1=0.01, l2=0.1), id="penalties"),
    pytest.param(SMALL.replace(dropout=0.3, depth=3), id="dropout"),
    pytest.param(SMALL.replace(problem="moons", depth=1), id="two classes"),
    pytest.param(SMALL.replace(depth=0), id="no hidden layer"),
]


@pytest.mark.parametrize("experiment", PROBED)
def test_gradient_norms_are_those_of_keras(experiment):
    run = train(experiment, jit_compile=False)
    assert run.gradient_norm.shape == (50, experiment.depth + 1)
    off = np.abs(run.gradient_norm[-1] - gradient_norms(run.model, run.problem))
    assert (off <= moves(lambda model: gradient_norms(model, run.problem), run.model)).all()


@pytest.mark.parametrize("experiment", PROBED)
def test_update_ratios_are_the_way_of_the_weights_in_the_last_epoch(experiment):
    run = train(experiment, jit_compile=False)
    before = train(experiment.replace(epochs=49), jit_compile=False)
    steps = 3
    expected = [
        np.linalg.norm(new - old) / steps / np.linalg.norm(new)
        for new, old in zip(run.weights[::2], before.weights[::2], strict=True)
    ]
    np.testing.assert_allclose(run.update_ratio[-1], expected, rtol=1e-3)


def test_a_dead_unit_answers_zero_to_every_point():
    experiment = SMALL.replace(activation="relu", optimizer="sgd", learning_rate=0.5, width=16)
    shares = []
    for seed in range(4):
        run = train(experiment.replace(seed=seed), jit_compile=False)
        expected = [np.mean((h == 0).all(axis=0)) for h in hidden_outputs(run)]
        np.testing.assert_allclose(run.dead[-1], expected, atol=1e-6)
        shares += expected
    assert max(shares) > 0.5 > min(shares)


@pytest.mark.parametrize(
    ("activation", "slope"), [("tanh", lambda h: 1 - h**2), ("sigmoid", lambda h: 4 * h * (1 - h))]
)
def test_a_saturated_unit_is_flat_at_most_points(activation, slope):
    experiment = SMALL.replace(activation=activation, initializer="random_normal", epochs=5)
    run = train(experiment, jit_compile=False)
    expected = [np.mean((slope(h) < 0.01).mean(axis=0) > 0.5) for h in hidden_outputs(run)]
    np.testing.assert_allclose(run.saturated[-1], expected, atol=1e-6)
    assert max(expected) > 0.5
    assert train(SMALL.replace(epochs=5), jit_compile=False).saturated.max() == 0


def test_a_unit_that_is_flat_at_half_of_the_points_is_not_saturated():
    tanh = keras.activations.tanh
    for points in range(2, 60, 2):
        for flat, saturated in ((points // 2, 0), (points // 2 + 1, 1)):
            z = tf.constant(np.repeat(np.float32([100, 0]), [flat, points - flat])[:, None])
            _, measured = units(tanh, shape_of(tanh), z)
            assert measured == saturated, f"{flat} of {points} points"
            filled = tf.concat([z, tf.fill([9, 1], 100.0)], 0)  # with rows that do not count
            counts = tf.constant(np.repeat(np.float32([1, 0]), [points, 9]))
            assert units(tanh, shape_of(tanh), filled, counts)[1] == saturated


def test_relu_is_never_saturated_and_a_line_never_dead():
    large = SMALL.replace(initializer="random_normal", epochs=3)
    assert train(large.replace(activation="relu")).saturated.max() == 0
    linear = train(large.replace(activation="linear"))
    assert linear.saturated.max() == linear.dead.max() == 0


@pytest.mark.parametrize("experiment", PROBED)
def test_the_trained_model_answers_what_the_run_holds(experiment):
    run = train(experiment, jit_compile=False)
    assert isinstance(run.model, keras.Sequential)
    problem = run.problem
    for measure, held in (
        (lambda model: model.predict(problem.x_val, verbose=0), run.predictions),
        (lambda model: model.evaluate(problem.x_val, problem.y_val, batch_size=200, verbose=0), run.val_loss[-1]),
    ):
        assert (np.abs(measure(run.model) - held) <= moves(measure, run.model)).all()
    for mine, theirs in zip(run.weights, run.model.get_weights(), strict=False):
        assert mine.shape == theirs.shape


def test_the_model_of_a_run_can_be_trained_on():
    run = train(SMALL, jit_compile=False)
    history = run.model.fit(run.problem.x, run.problem.y, epochs=3, shuffle=False, verbose=0).history
    assert history["loss"][-1] < 0.5 * run.loss[0]


# --- runs that diverge ----------------------------------------------------------------------------


DIVERGES = {
    "line": {"problem": "line"},
    "linear": {"problem": "line", "activation": "linear"},
    "two classes": {"problem": "moons", "activation": "selu", "l2": 10.0},
    "no hidden layer": {"problem": "line", "depth": 0},
    "dropout": {"problem": "line", "activation": "relu", "dropout": 0.2},
}


@pytest.mark.parametrize("changes", each_night(DIVERGES, ["two classes", "no hidden layer", "dropout"]))
def test_a_diverged_run_is_a_result_and_no_exception(changes):
    experiment = SMALL.replace(
        **{"optimizer": "sgd", "learning_rate": 1000.0, "activation": "elu", "epochs": 200} | changes
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs = [train(experiment, jit_compile=mode) for mode in (False, True)]
        study = train_seeds(experiment, 2)
        for run in runs:
            assert run.loss.shape == run.val_loss.shape == (200,)
            assert run.gradient_norm.shape == (200, experiment.depth + 1)
            assert run.dead.shape == run.saturated.shape == (200, experiment.depth)
            assert not np.isfinite(run.loss[-1])
            assert run.diverged_at is not None
            assert np.isfinite(run.loss[: run.diverged_at]).all()
            assert run.skill == -np.inf
            assert run.learned is False
            assert f"diverged: from epoch {run.diverged_at + 1} on" in run.verdict
            assert len(run.model.get_weights()) >= 2
        assert study.skill.tolist() == [-np.inf] * 2
        assert study.success_rate == 0
        assert "Learned in 0 of 2" in study.verdict


def test_skill_counts_from_the_baseline_to_the_noise_floor():
    problem = make_problem(SMALL)
    run = train(SMALL, jit_compile=False)
    for share, learned in ((0.0, False), (0.5, False), (0.94, False), (0.96, True)):
        error = problem.baseline + share * (problem.noise_floor - problem.baseline)
        spoiled = problem.y_val + np.sqrt(error)  # off by the root of that error everywhere
        other = dataclasses.replace(run, predictions=spoiled)
        assert other.skill == pytest.approx(share, abs=1e-5)
        assert other.learned is learned
    assert dataclasses.replace(run, predictions=problem.y_val * np.nan).skill == -np.inf


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.99, "It learned: 99%"),
        (0.5, "did not learn enough: 50%"),
        (0.0, "learned nothing"),
        (-1.0, "worse than a constant"),
    ],
)
def test_the_verdict_says_what_the_skill_means(share, words):
    problem = make_problem(SMALL)
    error = problem.baseline + share * (problem.noise_floor - problem.baseline)
    run = train(SMALL, jit_compile=False)
    assert words in dataclasses.replace(run, predictions=problem.y_val + np.sqrt(error)).verdict
