"""What `diagnose` promises: causes that are proved, and a model, data and random state that are left as they were."""

import random
import re
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import tensorflow as tf
from clocks import Ticks, Work
from sklearn.datasets import load_digits

import helpers
from helpers import Experiment, train
from why_wont_it_learn.diagnosis import diagnose as doctor
from why_wont_it_learn.diagnosis import report as card
from why_wont_it_learn.diagnosis.causes import CAUSES
from why_wont_it_learn.diagnosis.checks import unlike_validation
from why_wont_it_learn.diagnosis.class_weights import ClassWeighted, overlooked, weights_within
from why_wont_it_learn.diagnosis.code import changes, code_of
from why_wont_it_learn.diagnosis.data import MOST_COLUMNS, Data, data_of, split
from why_wont_it_learn.diagnosis.examine_output import stuck_at_zero
from why_wont_it_learn.diagnosis.findings import Finding
from why_wont_it_learn.diagnosis.fixes import (
    Fix,
    Variant,
    fixes_for,
    padded_before,
    wider,
    with_activation,
    with_data_loss,
    with_hidden_layers,
    with_usual_start,
    without_regularization,
    without_rescaling,
)
from why_wont_it_learn.diagnosis.joined import with_positions
from why_wont_it_learn.diagnosis.measure import first_rescaling, rescaled, unmasked_padding
from why_wont_it_learn.diagnosis.network import first_line, linear_layers, stages
from why_wont_it_learn.diagnosis.output_and_loss import (
    Targets,
    as_loss,
    is_reversed,
    mismatches,
    misses_targets,
    takes_logits_of,
)
from why_wont_it_learn.diagnosis.search import LEAST_LIFT, MANY_SEEDS, FixTrial, Judge, _symptom_for
from why_wont_it_learn.diagnosis.symptoms import Symptom
from why_wont_it_learn.diagnosis.trial_runner import BatchOrder, Copies, TrialResult, TrialRunner
from why_wont_it_learn.diagnosis.untrained_weights import equal_units
from why_wont_it_learn.program import program_of

Dense, Lambda = keras.layers.Dense, keras.layers.Lambda
RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (240, 1)).astype("float32")
SINE = np.sin(3 * X)
XY = RNG.normal(size=(240, 2)).astype("float32")
ABOVE = (XY[:, :1] > XY[:, 1:]).astype("float32")


def diagnose(*arguments, **kwargs):
    """As on a machine on which time does not run out."""
    return helpers.diagnose(*arguments, **{"clock": Ticks(), **kwargs})


def network(*layers, loss="mse", optimizer=None, inputs=1):
    model = keras.Sequential([keras.Input((inputs,)), *layers])
    model.compile(optimizer=optimizer or keras.optimizers.Adam(0.01), loss=loss)
    return model


def tanh_network(**kwargs):
    return network(Dense(16, "tanh"), Dense(16, "tanh"), Dense(1), **kwargs)


def one_by_one(program, x, y, epochs):
    """The losses of each step of a single copy, full batch: (steps,)."""
    copies = Copies(program, 1, SimpleNamespace(inputs=x, y=y))
    order, state, losses = BatchOrder(len(x), len(x), 0), copies.first_state(program, [0]), []
    for rate in program.rates(np.arange(epochs)).astype("float32"):
        state, loss = copies.train(state, tf.constant(x), tf.constant(y), order.deal(1)[:, None], np.array([rate]))
        losses.append(loss[0])
    return np.array(losses)


# --- the loop is Keras's ---

STEPS = 8
OPTIMIZERS = keras.optimizers


def losses_of_fit(model, x, y, move=0.0):
    """The losses of `fit` on a copy of a model, full batch, from weights that were moved by a share of their length."""
    copy = keras.models.clone_model(model)
    copy.set_weights([weights * (1 + np.float32(move)) for weights in model.get_weights()])
    optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(model.optimizer))
    copy.compile(optimizer=optimizer, loss=model.loss, loss_weights=model._compile_loss._user_loss_weights)
    return np.array(copy.fit(x, y, epochs=STEPS, batch_size=len(x), shuffle=False, verbose=0).history["loss"])


def assert_trains_as_fit(model, x, y):
    """They differ by no more than `fit` itself does when its first weights change in their last digit."""
    losses, told = one_by_one(program_of(model, STEPS, len(x)), x, y, STEPS), losses_of_fit(model, x, y)
    rounding = max(np.abs(losses_of_fit(model, x, y, move) - told).max() for move in (-2e-7, 2e-7))
    np.testing.assert_allclose(losses, told, rtol=1e-6, atol=30 * rounding + 1e-6)
    assert np.ptp(told) > 100 * rounding, "it has moved by more than rounding"


@pytest.mark.parametrize(
    ("layers", "optimizer", "loss"),
    [
        (lambda: [Dense(8), keras.layers.BatchNormalization(), keras.layers.LeakyReLU(), Dense(1)],
         OPTIMIZERS.SGD(0.05, momentum=0.9, nesterov=True), {"loss": "huber"}),
        (lambda: [Dense(8, "tanh"), Dense(1)], OPTIMIZERS.SGD(0.5, clipnorm=0.1), {"loss": ["mse"], "loss_weights": [0.3]}),
        # So high a scale overflows at first; then it is doubled again.
        (lambda: [Dense(8, "tanh"), Dense(1)],
         OPTIMIZERS.LossScaleOptimizer(OPTIMIZERS.Adam(0.1), initial_scale=2.0**127, dynamic_growth_steps=3), {"loss": "mse"}),
    ],
)  # fmt: skip
def test_the_loop_trains_as_fit_does(layers, optimizer, loss):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((1,)), *layers()])
    model.compile(optimizer=optimizer, **loss)
    assert_trains_as_fit(model, X, 3 * SINE)


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis -1")
def test_the_loop_keeps_the_logits_of_softmax_over_one_unit_as_fit_does():
    keras.utils.set_random_seed(0)
    assert_trains_as_fit(
        network(Dense(4, "relu"), Dense(1, "softmax"), loss="binary_crossentropy", inputs=2), XY, ABOVE
    )


def test_an_order_gives_every_point_its_turn():
    rows = np.ravel(BatchOrder(10, 4, 0).deal(5))
    assert sorted(rows[:10]) == sorted(rows[10:]) == list(range(10))


# --- nothing of the caller's is touched ---


def test_model_data_and_random_state_are_left_as_they_were():
    model = tanh_network(optimizer=keras.optimizers.Adam(1e-5))
    model.fit(X, SINE, epochs=1, verbose=0)
    weights, slots = model.get_weights(), [v.numpy() for v in model.optimizer.variables]
    x, y, config = X.copy(), SINE.copy(), model.get_config()
    keras.utils.set_random_seed(7)
    expected = random.random(), np.random.default_rng(7).random(), keras.random.uniform((2,)).numpy()
    keras.utils.set_random_seed(7)
    diagnose(model, x, y, epochs=2, budget=3, clock=Ticks(0.1))
    assert (random.random(), np.random.default_rng(7).random()) == expected[:2]
    np.testing.assert_array_equal(keras.random.uniform((2,)).numpy(), expected[2])
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    for before, after in zip(slots, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(before, after.numpy())
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, SINE)
    assert model.get_config() == config


# --- what it finds ---


def test_a_network_that_learns_is_healthy():
    d = diagnose(tanh_network(), X, SINE, epochs=60)
    assert d.healthy
    assert d.findings == d.causes == []
    assert "No problem found" in str(d)


@pytest.mark.parametrize(
    ("cause", "model", "x", "y", "epochs"),
    [
        ("learning_rate_too_low", lambda: tanh_network(optimizer=keras.optimizers.Adam(1e-5)), X, SINE, 60),
        ("capacity_too_low", lambda: network(Dense(8), Dense(1)), X, np.abs(X), 60),
        ("output_activation_mismatch", lambda: network(Dense(16, "tanh"), Dense(1, "sigmoid")), X, 5 * SINE, 60),
        ("loss_mismatch", lambda: tanh_network(loss="categorical_crossentropy"), X, SINE, 60),
        ("missing_values", tanh_network, np.where(np.arange(240)[:, None] % 20, X, np.nan), SINE, 60),
        ("label_or_data_bug", lambda: network(Dense(16, "relu"), Dense(1), inputs=2), XY, np.roll(XY @ [[1.0], [2.0]], 1, 0), 40),
    ],
)  # fmt: skip
def test_the_first_cause_is_the_one_that_was_put_in_and_its_remedy_helps(cause, model, x, y, epochs):
    d = diagnose(model(), x, y, epochs=epochs)
    assert not d.healthy
    assert d.causes[0] == cause, d
    first = d.findings[0]
    assert first.lesson == CAUSES[cause].lesson
    assert first.explanation == CAUSES[cause].explanation
    if first.fixed is not None:
        assert first.verified
        assert first.after > first.before


def test_a_verified_remedy_lifts_the_model_that_keras_trains():
    d = diagnose(tanh_network(optimizer=keras.optimizers.Adam(1e-5)), X, SINE, epochs=60)
    fixed = d.findings[0].fixed
    model, optimizer, data = fixed.program.build(seed=11), fixed.program.make_optimizer(), fixed.data
    optimizer.learning_rate = fixed.learning_rate
    model.compile(optimizer, fixed.program.loss)
    model.fit(data.x[: data.points], data.y[: data.points], epochs=fixed.epochs, batch_size=32, verbose=0)
    train_skill, held = data.skill(model.predict(data.x, verbose=0))
    assert min(train_skill, held) > 0.8


def test_classes_as_numbers_and_as_columns_are_told_apart():
    labels = (XY[:, 0] > 0).astype(int) + (XY[:, 1] > 0)
    for y, loss in ((labels, "sparse_categorical_crossentropy"), (np.eye(3)[labels], "categorical_crossentropy")):
        model = network(Dense(16, "relu"), Dense(3, "softmax"), loss=loss, inputs=2)
        assert diagnose(model, pd.DataFrame(XY), y, epochs=60).healthy
        assert data_of(model, XY, y).task == "multiclass"


def test_several_labels_at_once_are_no_classes():
    y = np.c_[XY[:, 0] > 0, XY[:, 1] > 0].astype("float32")
    y[0] = 1
    sick = network(Dense(16, "relu"), Dense(2, "softmax"), loss="binary_crossentropy", inputs=2)
    assert diagnose(sick, XY, y, epochs=40).causes[0] == "output_activation_mismatch"
    assert diagnose(
        network(Dense(16, "relu"), Dense(2, "sigmoid"), loss="binary_crossentropy", inputs=2), XY, y, epochs=40
    ).healthy


def test_a_run_of_the_lab_can_be_diagnosed():
    run = train(Experiment(problem="sine", depth=2, learning_rate=1e-5))
    assert run.diagnose(clock=Ticks()).causes[0] == "learning_rate_too_low"


class Own(keras.Model):
    """A network that cannot be taken apart."""

    def __init__(self):
        super().__init__()
        self.hidden, self.out = Dense(16, "tanh"), Dense(1)

    def call(self, inputs):
        return self.out(self.hidden(inputs))


def test_a_model_that_cannot_be_taken_apart_is_judged_by_its_training():
    model = Own()
    model(X[:1])
    model.compile(optimizer=keras.optimizers.Adam(1e-6), loss="mse")
    d = diagnose(model, X, SINE, epochs=40)
    assert d.causes[0] == "learning_rate_too_low"
    assert "taken apart" in d.notes[0]


def test_layers_that_are_not_known_are_named():
    x = RNG.normal(size=(120, 6, 1)).astype("float32")
    model = keras.Sequential(
        [keras.Input((6, 1)), keras.layers.Conv1D(4, 3, activation="relu"), keras.layers.Flatten(), Dense(1)]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
    d = diagnose(model, x, x.sum(axis=1), epochs=60)
    assert d.healthy
    assert "Conv1D" in d.notes[0]


class Doubled(keras.layers.Layer):
    """A layer that Keras does not know."""

    def call(self, inputs):
        return 2 * inputs


@pytest.mark.parametrize("middle", [lambda: Lambda(lambda t: t * 2), Doubled], ids=["Lambda", "unregistered"])
def test_layers_of_ones_own_are_trained_as_they_are(middle):
    assert diagnose(network(Dense(16, "tanh"), middle(), Dense(16, "tanh"), Dense(1)), X, SINE, epochs=60).healthy
    slow = network(Dense(16, "tanh"), middle(), Dense(16, "tanh"), Dense(1), optimizer=keras.optimizers.Adam(1e-5))
    d = diagnose(slow, X, SINE, epochs=60)
    assert d.causes[0] == "learning_rate_too_low"
    assert d.findings[0].verified


def test_a_layer_behind_the_last_dense_one_gives_the_answer():
    """16 units whose mean is taken are no 16 answers."""
    mean = [keras.layers.Reshape((16, 1)), keras.layers.GlobalAveragePooling1D()]
    slow = network(Dense(32, "tanh"), Dense(16), *mean, optimizer=keras.optimizers.Adam(1e-5))
    assert diagnose(slow, X, SINE, epochs=60).causes[0] == "learning_rate_too_low"


def classes_of_logits(y_true, y_pred):
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)


def yes_or_no_of_logits(y_true, y_pred):
    return keras.losses.binary_crossentropy(y_true, y_pred, from_logits=True)


@pytest.mark.parametrize(
    ("loss", "units", "y"),
    [(classes_of_logits, 3, (XY[:, 0] > 0).astype(int) + (XY[:, 1] > 0)), (yes_or_no_of_logits, 1, ABOVE)],
)
def test_a_loss_of_ones_own_is_no_mismatch(loss, units, y):
    assert diagnose(network(Dense(16, "relu"), Dense(units), loss=loss, inputs=2), XY, y, epochs=60).healthy
    slow = network(Dense(16, "relu"), Dense(units), loss=loss, inputs=2, optimizer=keras.optimizers.Adam(1e-5))
    assert diagnose(slow, XY, y, epochs=60).causes[0] == "learning_rate_too_low"


IDS = 100 * RNG.integers(0, 40, (240, 4))
ODD = (IDS // 100 % 2).mean(axis=1)


def reader(optimizer):
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Embedding(4000, 8), keras.layers.Flatten(), Dense(16, "tanh"), Dense(1)]
    )
    model.compile(optimizer=optimizer, loss="mse")
    return model


def events(weight):
    """Rare labels, likelier where the input is large and never likelier than not, and a loss in which they count so many times."""
    x = np.random.default_rng(0).uniform(0, 1, (2000, 3)).astype("float32")
    y = (np.random.default_rng(1).random(x.shape) < 0.35 * x**2).astype("float32")

    def weighted(y_true, y_pred):
        p = keras.ops.clip(y_pred, 1e-6, 1 - 1e-6)
        return -keras.ops.mean(weight * y_true * keras.ops.log(p) + (1 - y_true) * keras.ops.log(1 - p), axis=-1)

    loss = weighted if weight > 1 else "binary_crossentropy"
    return network(Dense(16, "relu"), Dense(3, "sigmoid"), inputs=3, loss=loss), x, y


def test_labels_that_are_never_likely_are_rare_and_not_beyond_learning():
    found = diagnose(*events(1), epochs=20)
    assert found.causes == ["class_imbalance"]
    assert "ranks the samples better than chance" in found.findings[0].evidence
    assert diagnose(*events(8), epochs=20).healthy


def test_the_next_window_of_a_series_holds_the_target_and_proves_nothing():
    series = np.random.default_rng(0).normal(size=304).astype("float32")
    x = np.stack([series[t : t + 4] for t in range(300)])
    found = diagnose(network(Dense(8, "relu"), Dense(1), inputs=4), 10 * x, series[4:, None], epochs=20)
    assert set(found.causes) == {"label_or_data_bug", "nothing_to_learn"}
    assert "and reference models learn nothing either" in str(found)
    assert not any("moved by" in finding.evidence for finding in found.findings)


class Sampled(keras.layers.Layer):
    """The code of a variational autoencoder, whose spread counts in training alone, with its divergence as a loss of the layer's."""

    def __init__(self, strength=0.001, **kwargs):
        super().__init__(**kwargs)
        self.strength, self.seed = strength, keras.random.SeedGenerator(0)

    def get_config(self):
        return {**super().get_config(), "strength": self.strength}

    def call(self, inputs, training=None):
        mean, spread = inputs[..., :2], inputs[..., 2:]
        self.add_loss(self.strength * keras.ops.mean(mean**2 + keras.ops.exp(spread) - spread))
        return mean + keras.ops.exp(spread / 2) * keras.random.normal((2,), seed=self.seed) if training else mean


def sampling(strength, learning_rate):
    x = keras.Input((2,))
    code = Sampled(strength)(keras.layers.Concatenate()([Dense(2)(x), Dense(2, name="spread")(x)]))
    model = keras.Model(x, Dense(1)(code))
    model.compile(keras.optimizers.Adam(learning_rate), "mse")
    return model


def test_weights_that_matter_in_training_alone_are_trained():
    found = diagnose(sampling(0.001, 0.001), XY, XY[:, :1], epochs=30)
    assert not any("spread" in finding.evidence for finding in found.findings)


def test_a_divergence_that_outweighs_the_data_is_found_by_predictions_that_are_all_alike():
    found = diagnose(sampling(3.0, 0.01), XY, XY[:, :1], epochs=60)
    assert found.causes[0] == "over_regularized", found
    assert "predictions hardly differ" in found.findings[0].evidence
    assert found.findings[0].verified


def test_a_loss_of_ones_own_is_asked_before_the_output_is_blamed():
    def policy_loss(advantage, probabilities):  # Keras gives the targets first
        return -keras.ops.sum(keras.ops.log(advantage) * probabilities, axis=-1)

    gain = np.where(XY[:, :1] > 0, [[1.5, 0.0]], [[0.0, 1.5]]).astype("float32")
    found = diagnose(network(Dense(8, "relu"), Dense(2, "softmax"), inputs=2, loss=policy_loss), XY, gain, epochs=20)
    assert found.causes[0] == "loss_mismatch"


def test_a_root_without_a_slope_at_a_perfect_prediction_is_found_once_the_loss_is_no_number():
    def root(y_true, y_pred):
        return keras.ops.sqrt(keras.ops.mean((y_true - y_pred) ** 2, axis=-1))

    # No prediction is perfect before training: each is about 1.
    last = Dense(1, "relu", kernel_initializer=keras.initializers.RandomNormal(stddev=0.01), bias_initializer="ones")
    found = diagnose(network(Dense(16, "relu"), last, inputs=2, loss=root), XY, np.maximum(XY[:, :1], 0), epochs=40)
    assert found.causes[0] == "loss_mismatch"
    assert "equal the targets, the loss is 0, but" in found.findings[0].evidence
    assert found.findings[0].verified


def autoencoder(width, learning_rate=0.01, outputs="sigmoid"):
    layers = [Dense(48, "relu"), Dense(width), Dense(48, "relu"), Dense(64, outputs)]
    return network(*layers, inputs=64, optimizer=keras.optimizers.Adam(learning_rate))


def test_an_autoencoder_is_judged_by_as_many_principal_components_as_its_narrowest_layer_has_units():
    images = load_digits().data / 16
    found = diagnose(autoencoder(8), images, images, epochs=60, batch_size=64)
    assert found.healthy
    assert "reproduces its 64 inputs from 8 numbers" in " ".join(found.notes)
    data = data_of(autoencoder(8), images, images)
    assert 0.3 < data.skill_of_components(4) < data.skill_of_components(16) < 1
    assert data.skill_of_components(64) == pytest.approx(1)
    slow = diagnose(autoencoder(8, learning_rate=1e-6), images, images, epochs=60, batch_size=64)
    assert slow.causes[0] == "learning_rate_too_low"
    assert "capacity_too_low" not in {trial.cause for trial in slow.trials}


@pytest.mark.parametrize(("target", "told"), [(lambda x: 3 * x + 1, True), (lambda x: np.roll(x, 1, axis=1), False)])
def test_targets_are_the_inputs_whatever_their_scale(target, told):
    x = np.random.default_rng(0).standard_normal((100, 3))
    assert data_of(network(Dense(2), Dense(3), inputs=3), x, target(x)).gives_back_inputs is told


def test_ids_are_not_unscaled_inputs():
    d = diagnose(reader(keras.optimizers.SGD(1e-4)), IDS, ODD, epochs=40)
    assert not d.healthy
    assert d.causes[0] in ("learning_rate_too_low", "optimizer_choice", "too_few_epochs")
    assert "unscaled_inputs" not in {trial.cause for trial in d.trials}


def test_what_ids_tell_can_be_learned():
    assert data_of(reader("adam"), IDS, ODD).reference_skill() > 0.8
    assert diagnose(reader(keras.optimizers.Adam(0.01)), IDS, ODD, epochs=80).healthy


def test_samples_whose_targets_are_missing_are_left_out_for_a_trial():
    holes = np.arange(240)[:, None] % 20 == 0
    found = diagnose(tanh_network(), X, np.where(holes, np.nan, SINE), epochs=60, clock=Ticks(1e-6))
    assert found.causes[0] == "missing_values"
    first = found.findings[0]
    assert "5% of the samples have targets" in first.evidence
    assert first.verified
    assert found.skill == first.before == -1
    assert first.after == pytest.approx(diagnose(tanh_network(), X, SINE, epochs=60, clock=Ticks(1e-6)).skill, abs=0.3)
    hopeless = diagnose(tanh_network(), X, np.full_like(SINE, np.nan), epochs=60)
    assert (hopeless.causes, hopeless.findings[0].verified) == (["missing_values"], False)


def test_inputs_that_are_never_a_number_are_told_with_their_likely_origin():
    nothing = diagnose(tanh_network(), np.full_like(X, np.nan), SINE)
    assert nothing.causes == ["missing_values"]
    assert "No input varies" in nothing.findings[0].evidence
    lost = diagnose(network(Dense(16, "tanh"), Dense(1), inputs=2), np.c_[X, np.full_like(X, np.nan)], SINE, epochs=60)
    assert lost.causes[0] == "missing_values"
    assert "Input 2 is not a number for any sample" in lost.findings[0].evidence
    assert "standard deviation of 0" in lost.findings[0].fix
    assert lost.findings[0].verified


def test_a_schedule_that_begins_with_0_is_judged_by_its_highest_rate():
    warm = OPTIMIZERS.schedules.CosineDecay(0.0, 400, warmup_target=1e-5, warmup_steps=40)
    slow = diagnose(tanh_network(optimizer=OPTIMIZERS.Adam(warm)), X, SINE, epochs=60)
    assert slow.causes[0] == "learning_rate_too_low"
    assert re.search(r"from (1|9[.\d]*)e-0[56] to", slow.findings[0].fix)
    stopped = diagnose(tanh_network(optimizer=OPTIMIZERS.SGD(0.0)), X, SINE, epochs=60)
    assert stopped.causes[0] == "learning_rate_too_low"
    assert "from 0 to 0.01" in stopped.findings[0].fix


SCHEDULES = OPTIMIZERS.schedules


class ByNumbers(SCHEDULES.LearningRateSchedule):
    """A schedule that needs the number of the step as a number, as no graph has it."""

    def __call__(self, step):
        return 0.1 if int(step) < 15 else 0.01


@pytest.mark.parametrize(
    "schedule",
    [
        SCHEDULES.InverseTimeDecay(0.1, decay_steps=3, decay_rate=1.0, staircase=True),
        SCHEDULES.CosineDecay(0.0, 20, warmup_target=0.1, warmup_steps=10),
        SCHEDULES.CosineDecayRestarts(0.1, 7),
        SCHEDULES.PiecewiseConstantDecay([4, 9], [1.0, 0.5, 0.1]),
        ByNumbers(),
    ],
)
def test_a_schedule_has_the_same_rates_for_many_steps_at_once_as_for_each(schedule):
    rates = program_of(tanh_network(optimizer=OPTIMIZERS.SGD(schedule)), 10, 32).rates
    step = keras.Variable(0, dtype="int64", trainable=False)
    alone = [(step.assign(number), float(schedule(step)))[1] for number in range(30)]
    np.testing.assert_allclose(rates(np.arange(30)), alone, rtol=1e-5, atol=1e-8)
    np.testing.assert_array_equal(rates(np.arange(3)), np.float32(alone[:3]))


# --- what is asked before training ---


class Step(keras.layers.Layer):
    """0 or 1: an operation without a gradient."""

    def call(self, inputs):
        return keras.ops.where(inputs > 0, 1.0, 0.0)


def with_hidden_weights():
    hidden = Dense(16, "tanh")
    hidden.build((None, 1))
    return network(Lambda(lambda t: hidden(t)), Dense(1, kernel_initializer="zeros"))


def with_unused_weights():
    inputs = keras.Input((1,))
    unused = Dense(16)(inputs)
    model = keras.Model(
        inputs, Dense(1)(inputs) + 0.0 * keras.ops.stop_gradient(keras.ops.sum(unused, axis=1, keepdims=True))
    )
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


@pytest.mark.parametrize(
    ("make", "cause", "words"),
    [
        (with_hidden_weights, "frozen_weights", "32 weights that it does not track"),
        (with_unused_weights, "vanishing_gradient", "not on the path to the loss"),
        (
            lambda: network(Dense(8), Step(), Dense(1)),
            "vanishing_gradient",
            "an operation on that path has no gradient",
        ),
    ],
)
def test_weights_that_nothing_trains_are_found(make, cause, words):
    found = diagnose(make(), X, SINE, epochs=20)
    assert found.causes[0] == cause, found
    assert words in found.findings[0].evidence


def on_a_base(trained):
    base = keras.Sequential([keras.Input((1,)), Dense(8, "tanh"), Dense(3, "tanh")])
    base.trainable = trained
    return network(base, Dense(1), optimizer=keras.optimizers.Adam(0.03))


def test_frozen_layers_are_unfrozen_for_a_trial():
    wave = np.sin(6 * X)
    assert diagnose(on_a_base(True), X, wave, epochs=200).healthy
    found = diagnose(on_a_base(False), X, wave, epochs=200)
    assert found.causes[:1] == ["frozen_weights"], found
    assert found.findings[0].verified


def test_a_model_of_which_nothing_is_trained_is_trained_for_a_trial():
    model = on_a_base(True)
    model.trainable = False
    found = diagnose(model, X, np.sin(6 * X), epochs=200)
    assert found.causes == ["frozen_weights"], found
    assert found.findings[0].verified
    assert not model.trainable_variables


def plain_cross_entropy(y_true, p):
    return -keras.ops.mean(y_true * keras.ops.log(p) + (1 - y_true) * keras.ops.log(1 - p))


def test_a_loss_that_is_no_number_once_a_probability_is_1_is_found():
    output = Dense(1, "sigmoid", kernel_initializer="zeros")
    model = network(output, loss=plain_cross_entropy, optimizer=keras.optimizers.Adam(0.1))
    found = diagnose(model, 20 * X, (X > 0).astype("float32"), epochs=30)
    assert found.causes == ["loss_mismatch"], found
    assert "where a prediction is exactly 0 or 1" in found.findings[0].evidence
    assert found.findings[0].verified
    assert "binary_crossentropy" in found.findings[0].diff


def test_an_output_that_starts_at_0_and_that_nothing_keeps_between_0_and_1_is_found():
    ids, likes = np.arange(240)[:, None] % 12, np.arange(240)[:, None] % 12 % 2
    layers = [keras.layers.Embedding(12, 1, embeddings_initializer="zeros"), keras.layers.Flatten()]
    model = network(*layers, loss="binary_crossentropy")
    found = diagnose(model, ids, likes, epochs=60)
    assert found.causes == ["output_activation_mismatch"], found
    assert found.findings[0].verified


def test_a_layer_within_that_is_dead_after_training_is_found_whatever_its_kind():
    inputs = keras.Input((1,))
    hidden = Dense(16, "tanh")(inputs)
    branch = keras.layers.Activation("relu", name="branch")(keras.layers.Reshape((1,))(Dense(1)(hidden)))
    model = keras.Model(inputs, keras.layers.Subtract()([inputs, branch]))
    model.compile(keras.optimizers.Adam(0.03), "mse")
    found = diagnose(model, X, (1 + X) / 2, epochs=60)  # the branch can only take away, and something is to be added
    assert found.causes[0] == "dead_relu", found
    assert "every unit of branch outputs 0" in found.findings[0].evidence
    assert found.findings[0].verified


def test_pixels_that_hardly_vary_hardly_count():
    size = np.where(np.arange(64) % 2, 1.0, 1e-3)  # every other one is nearly constant
    y = (size * RNG.normal(size=(100, 64))).astype("float32")
    predicted = y + 0.1 * RNG.normal(size=y.shape)
    for pictures in y, y.reshape(100, 8, 8, 1):
        assert Data(y, pictures, 100, "regression").skill(predicted)[0] > 0.9
    few = Data(y, y[:, :2], 100, "regression")  # of which one may be a number of another kind
    assert few.skill(predicted[:, :2])[0] == -1


def test_few_samples_that_are_memorised_are_called_so():
    x, y = RNG.normal(size=(60, 200)).astype("float32"), RNG.integers(0, 2, (60, 1)).astype("float32")
    model = keras.Sequential([keras.Input((200,)), Dense(32, "relu"), Dense(1, "sigmoid")])
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    found = diagnose(
        model, x, y, validation_data=(RNG.normal(size=(200, 200)), RNG.integers(0, 2, (200, 1))), epochs=40
    )
    assert found.causes == ["overfitting", "label_or_data_bug", "nothing_to_learn"], found


def test_inputs_that_were_scaled_before_a_frozen_base_scales_them_are_found():
    base = keras.Sequential([keras.Input((1,)), keras.layers.Rescaling(1 / 255), Dense(8, "tanh"), Dense(3, "tanh")])
    base.trainable = False
    model = network(base, Dense(1), optimizer=keras.optimizers.Adam(0.03))
    assert diagnose(model, 255 * X, X, epochs=100).healthy
    found = diagnose(model, X, X, epochs=100)
    assert found.causes[:1] == ["unscaled_inputs"], found
    assert found.findings[0].verified
    assert "into numbers from -0.0039 to 0.0039" in found.findings[0].evidence


def test_a_frozen_base_that_is_good_enough_is_no_fault():
    assert diagnose(on_a_base(False), X, X, epochs=100).healthy


def test_measurements_that_an_embedding_takes_for_words_are_found():
    def make():
        layers = keras.layers.Embedding(8, 4), keras.layers.Flatten(), Dense(16, "tanh"), Dense(1)
        return network(*layers, inputs=2)

    found = diagnose(make(), np.abs(XY) / 9, ABOVE, epochs=20)
    assert found.causes == ["label_or_data_bug"], found
    assert "not whole numbers" in found.findings[0].evidence


class Squares(keras.losses.Loss):
    """Compares (n,) with (n, 1) as NumPy does."""

    def call(self, y_true, y_pred):
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


def test_a_loss_that_compares_each_prediction_with_all_targets_is_found():
    found = diagnose(tanh_network(loss=Squares()), X, SINE[:, 0], epochs=60)
    assert found.causes[0] == "loss_mismatch", found
    assert found.findings[0].after > found.findings[0].before + 0.5, found
    assert found.findings[0].verified
    assert diagnose(tanh_network(loss=Squares()), X, SINE, epochs=60).healthy
    assert diagnose(tanh_network(loss=lambda t, p: keras.ops.square(t - p)), X, SINE[:, 0], epochs=60).healthy


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda t, p: keras.ops.square(t - p), None),
        (lambda t, p: -keras.ops.square(t - p), "Change the sign"),
    ],
)
def test_a_loss_that_leads_away_from_the_targets_is_found(wrong, words):
    found = misses_targets(wrong, ABOVE, np.clip(ABOVE, 0.1, 0.9), 1 - np.clip(ABOVE, 0.1, 0.9))
    assert (found is None) if words is None else (words in found[1])
    if found:
        assert misses_targets(found[2], ABOVE, np.clip(ABOVE, 0.1, 0.9), 1 - np.clip(ABOVE, 0.1, 0.9)) is None


def test_a_loss_of_the_wrong_sign_is_tried_with_the_other():
    found = diagnose(tanh_network(loss=lambda t, p: -keras.ops.tanh(keras.ops.square(t - p))), X, SINE, epochs=60)
    assert found.causes[0] == "loss_mismatch", found
    assert found.findings[0].verified


def classes_of_raw(y_true, y_pred):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(y_true[:, 0], "int32"), y_pred)


def test_a_softmax_before_a_loss_of_logits_is_found_by_asking_the_loss():
    y = (XY[:, 0] > 0).astype(int) + (XY[:, 1] > 0)
    for loss in (classes_of_raw, classes_of_logits):
        assert takes_logits_of(loss, y[:, None], 3)
    assert not takes_logits_of(keras.losses.SparseCategoricalCrossentropy(), y[:, None], 3)
    assert takes_logits_of(yes_or_no_of_logits, ABOVE, 1)
    assert not takes_logits_of(keras.losses.BinaryCrossentropy(), ABOVE, 1)


def near_is_1(y_true, y_pred):
    return y_true * y_pred**2 + (1 - y_true) * keras.ops.maximum(1 - y_pred, 0) ** 2


def test_a_loss_of_distances_wants_small_predictions_for_label_1():
    assert is_reversed(near_is_1, ABOVE)
    assert not is_reversed(lambda t, p: near_is_1(1 - t, p), ABOVE)
    data = data_of(network(Dense(8, "relu"), Dense(1), loss=near_is_1, inputs=2), XY, ABOVE)
    assert data.reversed
    assert data.skill(1 - data.y) == (1, 1)


def test_a_schedule_that_counts_steps_is_found():
    decay = OPTIMIZERS.schedules.InverseTimeDecay(0.1, decay_steps=1, decay_rate=1.0)
    found = diagnose(tanh_network(optimizer=OPTIMIZERS.SGD(decay)), X, SINE, epochs=60)
    assert found.causes[0] == "learning_rate_too_low", found
    assert "Halfway through" in found.findings[0].evidence


def test_an_output_of_any_layer_is_held_against_the_targets():
    x = RNG.normal(size=(120, 6, 1)).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((6, 1)),
            keras.layers.Conv1D(8, 1, activation="relu"),
            keras.layers.Conv1D(1, 1, activation="relu"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "mse")
    found = diagnose(model, x, x, epochs=60)
    assert found.causes[0] == "output_activation_mismatch", found
    assert found.findings[0].verified


def test_cross_entropy_of_numbers_between_0_and_1_is_no_mismatch():
    y = (np.sin(3 * X) + 1) / 2
    model = network(
        Dense(16, "tanh"),
        Dense(16, "tanh"),
        Dense(1, "sigmoid"),
        loss="binary_crossentropy",
        optimizer=OPTIMIZERS.Adam(0.03),
    )
    assert diagnose(model, X, y, epochs=80).healthy


@pytest.mark.parametrize(
    ("x_val", "y_val"),
    [(X + 9, SINE), (100 * X + 200, SINE), (X, SINE)], ids=["beyond the range", "prepared on one side only", "alike"],
)  # fmt: skip
def test_validation_samples_that_are_not_like_the_training_samples_are_found(x_val, y_val):
    found = diagnose(tanh_network(), X, SINE, validation_data=(x_val, y_val), epochs=60)
    alike = x_val is X
    assert found.causes == ([] if alike else ["label_or_data_bug"]), found
    assert alike or "in the validation samples" in found.findings[0].evidence


def rare(told=1.0):
    """Samples of which one in twelve belongs to class 1, as far as the first input tells: x (samples, 2), y (samples,)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(960, 2)).astype("float32")
    score = told * x[:, 0] + 0.8 * rng.normal(size=960)
    return x, (score > np.quantile(score, 11 / 12)).astype("int64")


def rare_network():
    adam = keras.optimizers.Adam(0.003)
    return network(Dense(8, "tanh"), Dense(1, "sigmoid"), loss="binary_crossentropy", optimizer=adam, inputs=2)


def test_a_class_that_is_never_predicted_because_another_is_frequent_is_found():
    found = diagnose(rare_network(), *rare(), epochs=8)
    assert found.causes[0] == "class_imbalance", found
    first = found.findings[0]
    assert first.verified
    assert "of the training samples) is predicted for" in first.evidence
    assert "class_weight={0: 0.5" in first.diff


def test_a_class_that_is_predicted_for_a_few_of_its_samples_is_overlooked():
    labels = np.repeat([0, 1], [900, 100])
    for found, seen in ((17, True), (40, False)):
        predictions = np.zeros((1, 1000), int)
        predictions[0, 900 : 900 + found] = 1
        assert (overlooked(labels, labels, predictions) is not None) == seen


def test_a_network_whose_classes_are_weighted_is_judged_by_its_weights(monkeypatch):
    clock = Work(monkeypatch, step=0.01)  # time for the network as it is and for a few fixes
    found = diagnose(rare_network(), *rare(), epochs=60, class_weight={0: 1.0, 1: 11.0}, clock=clock)
    assert "class_imbalance" not in found.causes, found
    assert found.skill > 0.3  # by accuracy it is below 0: always predicting class 0 is right more often


def weighing(weights):
    """A cross-entropy of one's own that counts classes by weights."""

    def loss(y_true, y_pred):
        weight = keras.ops.where(y_true[:, 0] > 0.5, weights[1], weights[0])
        return weight * keras.losses.binary_crossentropy(y_true, y_pred)

    return loss


def of_logits(y_true, logits):
    return tf.nn.weighted_cross_entropy_with_logits(y_true, logits, pos_weight=4.0)[:, 0]


def alpha_focal(y_true, p):
    right = keras.ops.where(y_true > 0.5, p, 1 - p)
    return keras.ops.where(y_true > 0.5, 0.75, 0.25) * (1 - right) ** 2 * -keras.ops.log(right)


def dice(y_true, p):
    return 1 - 2 * keras.ops.sum(y_true * p) / (keras.ops.sum(y_true) + keras.ops.sum(p))


def contrastive(y_true, distance):
    return y_true * distance**2 + (1 - y_true) * keras.ops.maximum(2 - distance, 0) ** 2


@pytest.mark.parametrize(
    ("loss", "times"),
    [
        (weighing((0.5, 6.0)), 12),
        (weighing((1.0, 1.0)), 0),
        (of_logits, 4),
        (alpha_focal, 3),
        (dice, 0),
        (contrastive, 0),
    ],
)
def test_the_weights_that_a_loss_gives_to_classes_are_read_from_it(loss, times):
    x, y = rare()
    model = network(Dense(1), loss=loss, inputs=2)
    found = weights_within(data_of(model, x, y[:, None].astype("float32")))
    assert (found[1] / found[0] == pytest.approx(times, rel=0.02)) if times else (found == ())


class Weighing(keras.losses.Loss):
    def __init__(self, weights):
        super().__init__()
        self.weights = weights

    def call(self, y_true, y_pred):
        return weighing(self.weights)(y_true, y_pred)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.55, 6.0)], ids=["alike", "by how rare they are"])
@pytest.mark.parametrize("loss", [weighing, Weighing])
def test_a_rare_class_counts_as_the_loss_of_ones_own_counts_it(loss, weights):
    layers, adam = (Dense(8, "tanh"), Dense(1, "sigmoid")), keras.optimizers.Adam(0.01)
    model = network(*layers, loss=loss(weights), optimizer=adam, inputs=2)
    x, y = rare()
    found = diagnose(model, x, y[:, None].astype("float32"), epochs=15)
    assert found.causes == ([] if weights[1] > 1 else ["class_imbalance"]), found
    assert "it fails with" not in str(found)


def test_a_rare_class_that_the_inputs_do_not_tell_is_no_imbalance():
    assert "class_imbalance" not in diagnose(rare_network(), *rare(told=0.0), epochs=15).causes


@pytest.mark.parametrize("labels", ["flat", "column", "one-hot", "signed"])
def test_a_class_weighted_loss_is_that_of_fit(labels):
    y = np.array([0, 1, 1, 0, 0], "int64")
    shown = {"flat": y, "column": y[:, None], "one-hot": np.eye(2)[y], "signed": (2 * y - 1)[:, None]}[labels]
    loss, width = {"one-hot": ("categorical_crossentropy", 2), "signed": ("hinge", 1)}.get(
        labels, ("sparse_categorical_crossentropy", 2)
    )
    answers = RNG.dirichlet((1, 1), 5)[:, :width].astype("float32")
    weights = np.array([1.0, 5.0], "float32")
    one = keras.losses.get(loss)
    by_fit = as_loss(one)(shown.astype("float32"), answers, sample_weight=weights[y])
    ours = ClassWeighted(as_loss(one), (1.0, 5.0))(shown.astype("float32"), answers)
    np.testing.assert_allclose(ours, by_fit, rtol=1e-6)


def test_a_class_that_only_validation_has_is_found():
    y = (X[:, 0] > 0).astype(int)
    model = network(Dense(16, "tanh"), Dense(3, "softmax"), loss="sparse_categorical_crossentropy")
    found = diagnose(model, X, y, validation_data=(X, np.full(240, 2)), epochs=40)
    assert found.causes == ["label_or_data_bug"], found
    assert "Class 2 is among the validation samples" in found.findings[0].evidence


def test_what_does_not_help_is_told():
    d = diagnose(tanh_network(optimizer=keras.optimizers.Adam(1e-5)), X, SINE, epochs=60)
    without = [trial.fix.words for trial in d.trials if not trial.works]
    assert ("Without effect" in str(d)) == bool(without)


# --- rules, one by one ---

THREE = ((XY[:, 0] > 0).astype(int) + (XY[:, 1] > 0)).astype("float32")


def classifier(units=3, **kwargs):
    return network(
        Dense(8, "relu"), Dense(units, "softmax"), loss="sparse_categorical_crossentropy", inputs=2, **kwargs
    )


@pytest.mark.parametrize(("move", "numbers"), [(0, None), (1, [1, 2, 3]), (-1, [-1, 0, 1])])
def test_labels_that_do_not_count_from_0_are_found(move, numbers):
    data = data_of(classifier(), XY, THREE + move)
    assert (data.misnumbered is None) if numbers is None else list(data.misnumbered) == numbers
    assert set(data.renumbered().y.ravel()) == {0, 1, 2}


@pytest.mark.parametrize(
    ("activation", "loss", "strong"),
    [("linear", "poisson", True), ("tanh", "poisson", True), ("exponential", "poisson", False), ("linear", "mean_squared_error", False)],
)  # fmt: skip
def test_counts_need_an_output_that_cannot_be_negative(activation, loss, strong):
    counts = Targets("regression", RNG.poisson(2.0, (50, 1)).astype("float32"))
    found = [one for one in mismatches(activation, 1, loss, False, counts) if one.strong]
    assert bool(found) == strong
    assert not strong or {"softplus"} >= {one.activation for one in found if one.activation}


@pytest.mark.parametrize(
    ("activation", "zero", "stuck"), [("relu", 1.0, True), ("relu", 0.0, False), ("softplus", 1.0, False)]
)
def test_a_relu_output_that_stays_at_0_is_found(activation, zero, stuck):
    data = data_of(tanh_network(), X, np.abs(SINE) + 0.1)
    outcome = SimpleNamespace(answers=np.full((2, 240, 1), 1.0 - zero))
    assert bool(stuck_at_zero(activation, data, outcome)) == stuck


def test_positions_are_judged_one_by_one():
    layers = [keras.layers.Embedding(9, 4), Dense(3, "softmax")]
    words = RNG.integers(0, 9, (60, 5))
    model = network(*layers, loss="sparse_categorical_crossentropy", inputs=5)
    data = with_positions(data_of(model, words, words % 3), (5, 3))
    assert list(data.parts) == [f"position {n}" for n in range(1, 6)]
    right = np.eye(3)[data.y.astype(int)]
    assert data.skill(right) == (1, 1)
    assert max(data.skill(np.roll(right, 1, axis=-1))) < 0


def test_a_first_rescaling_of_inputs_that_are_small_already_is_taken_out():
    shrunk = program_of(network(keras.layers.Rescaling(1 / 255), Dense(8, "relu"), Dense(1)), 4, 32)
    assert first_rescaling(without_rescaling(shrunk).layers)["scale"] == 1.0
    np.testing.assert_allclose(rescaled(shrunk.layers, X), X / 255, rtol=1e-5)
    data, outcome = data_of(tanh_network(), X, SINE), SimpleNamespace(held=np.zeros((1, 3)))
    for scale, offered in ((1.0, True), (255.0, False)):
        named = [fix.name for fix in fixes_for(Variant(shrunk, data.with_x(scale * data.x)), outcome)]
        assert ("no rescaling" in named) == offered


@pytest.mark.parametrize("alike", [True, False])
def test_sets_that_were_prepared_apart_are_told_apart(alike):
    x_val = RNG.normal(size=(90, 4)).astype("float32")
    x_val = x_val if alike else np.abs(x_val)
    model, x = network(Dense(1), inputs=4), RNG.normal(size=(240, 4)).astype("float32")
    found = unlike_validation(data_of(model, x, x[:, 0], (x_val, x_val[:, 0])))
    assert [one.cause for one in found] == ([] if alike else ["label_or_data_bug"])


def test_samples_split_in_the_order_of_their_classes_are_mixed_for_a_trial():
    kind = np.sort(np.arange(240) % 3)
    x = (3 * np.eye(3)[kind] + RNG.normal(size=(240, 3))).astype("float32")
    model = network(Dense(8, "relu"), Dense(3, "softmax"), loss="sparse_categorical_crossentropy", inputs=3)
    found = diagnose(model, x[:160], kind[:160], validation_data=(x[160:], kind[160:]), epochs=30)
    (finding,) = found.findings
    assert (finding.cause, finding.verified) == ("label_or_data_bug", True)
    assert "Class 2 is among the validation samples (100%) and not among the training samples" in finding.evidence
    assert finding.before < 0.3 < 0.7 < finding.after
    assert "train_test_split" in finding.diff


def test_of_many_columns_those_that_tell_something_are_found_with_few_samples():
    x = RNG.normal(size=(100, 50)).astype("float32")
    y = (x[:, 3] > 0).astype("float32")
    assert data_of(network(Dense(1, "sigmoid"), loss="binary_crossentropy", inputs=50), x, y).reference_skill() > 0.5


@pytest.mark.parametrize("different", [20, 500])
def test_few_samples_that_stand_there_many_times_are_found(different):
    """As from a generator that begins from the start in each batch."""
    x = RNG.normal(size=(different + 200, 20)).astype("float32")
    y = (x[:, 0] + 0.3 * x[:, 1] > 0).astype("float32")
    often = np.resize(np.arange(different), 600)
    model = network(Dense(32, "relu"), Dense(1, "sigmoid"), loss="binary_crossentropy", inputs=20)
    found = diagnose(model, x[often], y[often], validation_data=(x[different:], y[different:]), epochs=40)
    named = [one for one in found.findings if "are different" in one.evidence]
    assert bool(named) == (different == 20)
    if named:
        assert found.causes == ["label_or_data_bug"]
        assert "Of 600 training samples only 20 are different: each occurs about 30 times" in named[0].evidence


def test_a_single_sample_is_told_of():
    """The whole table as one sample, say."""
    model = keras.Sequential([keras.Input((240, 1)), keras.layers.Flatten(), Dense(1)])
    model.compile("adam", "mse")
    (finding,) = diagnose(model, X[None], SINE[:1], epochs=2).findings
    assert finding.cause == "label_or_data_bug"
    assert "a single training sample, of shape (240, 1)" in finding.evidence


def test_averages_of_batch_normalization_that_have_hardly_moved_are_found(monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(160, 6)).astype("float32")
    y = (x[:, 0] + x[:, 1] > 0).astype("int64")
    layers = [Dense(16), keras.layers.BatchNormalization(), keras.layers.ReLU(), Dense(1, "sigmoid")]
    model = network(*layers, loss="binary_crossentropy", optimizer=keras.optimizers.Adam(0.02), inputs=6)
    found = diagnose(model, 12 * x + 200, y, epochs=8, clock=Work(monkeypatch, step=0.001))
    first = found.findings[0]
    assert "moving averages" in first.evidence, found
    assert first.verified
    assert "momentum=0.8" in first.diff


@pytest.mark.parametrize("size", [1, 2])
def test_batches_too_small_for_batch_normalization_are_found(monkeypatch, size):
    layers = [Dense(8), keras.layers.BatchNormalization(), keras.layers.ReLU(), Dense(1)]
    clock = Work(monkeypatch, step=0.02)
    found = diagnose(network(*layers), X[:80], SINE[:80], epochs=8, batch_size=size, clock=clock)
    assert found.causes[0] == "vanishing_gradient", found
    assert f"each batch, here of size {size}" in found.findings[0].evidence


def test_a_batch_normalization_behind_all_weights_blocks_no_gradient(monkeypatch):
    x = np.random.default_rng(0).normal(size=(200, 6)).astype("float32")
    model = network(Dense(16, "relu"), Dense(2), keras.layers.BatchNormalization(), inputs=6)
    y = np.stack([np.exp(x[:, 0]), 3 * x[:, 1] * x[:, 2]], axis=1)
    found = diagnose(model, x, y, epochs=15, batch_size=2, clock=Work(monkeypatch, step=0.002))
    assert found.causes[0] == "over_regularized", found
    assert "here of size 2" in found.findings[0].evidence
    assert "gradient" not in found.findings[0].evidence


@pytest.mark.parametrize(("failing", "well"), [(0, True), (1, True), (4, False)])
def test_a_network_that_fails_from_a_third_of_the_seeds_is_not_well(failing, well):
    skill = np.where(np.arange(MANY_SEEDS) < failing, 0.0, 1.0)[None]
    outcome = TrialResult(None, skill, skill)
    assert Judge(1.0, 0.0).is_well(outcome) == well
    trial = FixTrial(None, "dead_relu", 0.5, None, skill[0], np.ones(MANY_SEEDS), 1.0)
    assert trial.steadies == trial.works == (not well)


SMALL = np.arange(1, 11, dtype="float32").reshape(-1, 1)


@pytest.mark.parametrize(
    ("y", "optimizer", "causes"),
    [
        (10 * SMALL, keras.optimizers.RMSprop(0.005), ("learning_rate_too_low", "too_few_epochs", "unscaled_targets")),
        ((SMALL > 5).astype("float32"), keras.optimizers.SGD(0.001), ("learning_rate_too_low", "too_few_epochs")),
        ((SMALL - 5.5) ** 2, keras.optimizers.Adam(0.3), ("capacity_too_low",)),
    ],
)
def test_a_linear_network_is_too_small_only_where_no_line_fits_the_few_samples(y, optimizer, causes):
    loss = "binary_crossentropy" if y.max() == 1 else "mse"
    model = network(Dense(1, "sigmoid" if y.max() == 1 else None), loss=loss, optimizer=optimizer)
    report = diagnose(model, (SMALL - 5.5) / 3, y, epochs=100)
    assert report.findings[0].cause in causes
    assert report.findings[0].verified


def test_units_that_are_saturated_from_the_start_are_freed_by_what_works_and_the_input_is_named():
    table = pd.DataFrame(np.c_[RNG.uniform(size=240), RNG.normal(1960, 35, 240)], columns=["size", "year"])
    y = 3 * table["size"] + (table["year"] - 1960) / 35
    report = diagnose(network(Dense(16, "tanh"), Dense(1), inputs=2), table, y, epochs=20)
    assert (report.findings[0].cause, report.findings[0].verified) == ("unscaled_inputs", True)
    assert report.findings[0].evidence.startswith("Input 2 (year) has mean 1,9")


def test_a_sequence_of_numbers_of_words_is_told_by_the_targets_of_its_positions():
    words = RNG.integers(0, 40, (240, 6, 1)).astype("float32")
    marked = np.isin(words, [3, 17, 29]).astype("float32")
    layers = keras.layers.LSTM(4, return_sequences=True), Dense(1, "sigmoid")
    model = keras.Sequential([keras.Input((6, 1)), *layers])
    model.compile("adam", "binary_crossentropy")
    finding = diagnose(model, words, marked, epochs=2).findings[0]
    assert finding.cause == "label_or_data_bug"
    assert "treat them as IDs of words or categories, 1.00" in finding.evidence


def test_another_activation_does_not_prove_that_units_are_too_few():
    narrow = {"capacity_too_low": Symptom("capacity_too_low", 0.65, "")}
    change = Fix("tanh", "activation", "", None)
    assert _symptom_for(change, narrow, linear=False) is None
    assert _symptom_for(change, narrow, linear=True).cause == "capacity_too_low"


def test_what_lowers_the_skill_is_not_the_next_thing_to_do():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
    model = network(Dense(2, "sigmoid"), Dense(1, "sigmoid"), optimizer=keras.optimizers.SGD(0.1), inputs=2)
    report = diagnose(model, x, np.array([0, 1, 1, 0], "float32"), epochs=1000)
    assert report.findings[0].verified
    assert all(one.verified or one.after is None or one.after >= one.before - LEAST_LIFT for one in report.findings[1:])


@pytest.mark.parametrize(("units", "runs"), [(8, [3, MANY_SEEDS]), (32, [3])])
def test_a_narrow_network_that_seems_to_learn_is_tried_from_many_seeds(monkeypatch, units, runs):
    seen = []
    run = TrialRunner.run
    monkeypatch.setattr(TrialRunner, "run", lambda *given: seen.append(len(given[0].seeds)) or run(*given))
    assert diagnose(network(Dense(units, "tanh"), Dense(1)), X, X, epochs=40).healthy
    assert seen == runs


SAME = keras.initializers.Constant(0.1)
EQUAL = {
    "dense": (lambda: [Dense(8, "tanh", kernel_initializer=SAME), Dense(1, kernel_initializer=SAME)], ["dense"]),
    "zeros": (lambda: [Dense(8, "relu", kernel_initializer="zeros"), Dense(1, kernel_initializer="zeros")], ["dense"]),
    "recurrent": (
        lambda: [keras.layers.Reshape((1, 1)), keras.layers.LSTM(4, kernel_initializer=SAME, recurrent_initializer=SAME),
                 Dense(1, kernel_initializer=SAME)], ["lstm"],
    ),
    "convolutions": (
        lambda: [keras.layers.Reshape((1, 1)), keras.layers.Conv1D(4, 1, kernel_initializer=SAME), keras.layers.Flatten(),
                 Dense(1, kernel_initializer=SAME)], ["conv1d"],
    ),
    "only the output": (lambda: [Dense(8, "tanh"), Dense(2, kernel_initializer="zeros")], []),
    "only the first layer": (lambda: [Dense(8, "tanh", kernel_initializer=SAME), Dense(1)], []),
}  # fmt: skip


@pytest.mark.parametrize("kind", EQUAL)
def test_units_that_stay_equal_are_found_in_every_kind_of_layer(kind):
    layers, names = EQUAL[kind]
    keras.backend.clear_session()
    model = network(*layers())
    data = tf.constant(X), tf.constant(np.tile(SINE, model.output_shape[-1]) * [1.0, 2.0][: model.output_shape[-1]]), ()
    assert equal_units(model, data) == names
    started = program_of(model, 1, 32)
    assert equal_units(with_usual_start(started).compiled(), data) == []


def test_a_constant_start_is_told_though_something_is_learned():
    same = network(Dense(16, "tanh", kernel_initializer=SAME), Dense(1, kernel_initializer=SAME))
    found = diagnose(same, X, np.abs(X) + 0.3 * X, epochs=60)
    assert found.causes[0] == "bad_initialization", found
    assert found.findings[0].verified


class Adding(keras.layers.Layer):
    """Adds to the loss what draws its inputs to 0."""

    def call(self, inputs):
        self.add_loss(1e4 * keras.ops.mean(keras.ops.square(inputs)))
        return inputs


def test_what_a_layer_adds_to_the_loss_is_weighed():
    def variant(*layers):
        return Variant(program_of(network(*layers), 10, 32), data_of(tanh_network(), X, SINE))

    adding, penalised = (
        variant(Dense(8), Adding(), Dense(1)),
        variant(Dense(8, kernel_regularizer="l2"), Doubled(), Dense(1)),
    )
    assert adding.added_loss > 0.9
    assert penalised.added_loss == 0
    more = with_data_loss(adding, 1000)
    assert "loss_weights=1000" in changes(adding, more)
    assert more.added_loss < adding.added_loss
    found = diagnose(network(Dense(8, "tanh"), Adding(), Dense(1)), X, SINE, epochs=40)
    assert found.causes[0] == "over_regularized", found


def test_probabilities_that_no_activation_makes_are_found_by_asking_the_network():
    x = RNG.normal(size=(120, 6, 1)).astype("float32")
    layers = [
        keras.layers.Conv1D(8, 3, activation="relu"),
        keras.layers.Conv1D(1, 3),
        keras.layers.GlobalAveragePooling1D(),
    ]
    model = keras.Sequential([keras.Input((6, 1)), *layers])
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    found = diagnose(model, x, (x.mean(axis=(1, 2)) > 0).astype("float32"), epochs=10)
    assert found.causes[0] == "output_activation_mismatch", found


def test_repeated_samples_do_not_judge_what_was_trained_on_them():
    x, y = RNG.normal(size=(100, 3)).astype("float32"), np.arange(100) % 2
    rows = np.r_[np.arange(100), np.repeat(np.arange(0, 100, 10), 9)]
    x_split, _, points = split(x[rows], y[rows].astype("float32"))
    train, val = ({row.tobytes() for row in part} for part in (x_split[:points], x_split[points:]))
    assert train
    assert val
    assert not train & val
    corners = np.tile([[0, 0], [0, 1], [1, 0], [1, 1]], (30, 1)).astype("float32")
    assert split(corners, corners[:, 0])[2] == 120  # all there are: nothing is kept back


@pytest.mark.parametrize("one_hot", [False, True])
def test_of_many_samples_more_are_kept_where_a_class_is_rare(one_hot):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6000, 3)).astype("float32")
    rare = (np.arange(6000) % 100 == 0).astype(int)
    for labels, kept in ((rare, 6000), (np.arange(6000) % 2, 2000), (np.arange(6000) % 20 == 0, 2000)):
        y = np.eye(2)[labels.astype(int)] if one_hot else labels
        assert len(split(x, y.astype("float32"))[0]) == kept
    assert len(split(x, x[:, :1])[0]) == 2000


def test_validation_counts_classes_as_training_does():
    y, y_val = np.arange(240) % 2, (np.arange(200) < 10).astype(int)
    model = network(Dense(1, "sigmoid"), loss="binary_crossentropy", inputs=2)
    data = data_of(model, XY, y, (XY[:200], y_val))
    assert data.skill(np.zeros(440))[1] == pytest.approx(0.0, abs=0.1)
    both = np.r_[y, np.where(np.arange(200) < 30, 1, 0)]  # finds all rare ones and twice as many wrong ones
    assert data.skill(both)[1] > 0.7
    assert data_of(model, XY, y, (XY[:200], y[:200])).val_class_weight == ()


# --- how it ends ---


def test_it_keeps_to_its_budget_and_says_what_was_cut(monkeypatch):
    clock = Work(monkeypatch, step=0.02, predicted=1e-3)
    model = network(Dense(16, "sigmoid"), *[Dense(16, "sigmoid") for _ in range(7)], Dense(1))
    d = diagnose(model, X, SINE, epochs=5000, batch_size=1, budget=4, clock=clock)
    assert 3.5 <= clock.now <= 6
    assert d.trials, "its own training does not take it all"
    assert any("ran out" in note for note in d.notes)


@pytest.mark.parametrize("columns", [1, pytest.param(3072, marks=pytest.mark.nightly), 12288])
def test_the_budget_holds_however_wide_the_inputs_are(monkeypatch, columns):
    x = RNG.normal(size=(240, columns)).astype("float32")
    clock = Work(monkeypatch, step=0.01, reached=1e-5)
    diagnose(network(Dense(4, "relu"), Dense(1), inputs=columns), x, x[::-1, 0], epochs=20, budget=5, clock=clock)
    assert clock.now <= 7.5


def test_what_a_few_of_many_inputs_tell_is_not_lost():
    x = RNG.normal(size=(400, 3072)).astype("float32")
    data = data_of(network(Dense(1), inputs=3072), x, x[:, 7] - x[:, 2000])
    assert data.few_columns.shape == (400, MOST_COLUMNS)
    assert data.reference_skill() > 0.5


def test_a_machine_too_slow_for_the_budget_gives_no_verdict(monkeypatch):
    clock = Work(monkeypatch, step=4.0)
    d = diagnose(tanh_network(), X, SINE, epochs=60, budget=5, clock=clock)
    assert d.healthy is None
    assert "not enough time to tell" in str(d)
    assert "does not learn" not in str(d)


@pytest.mark.parametrize(("scale", "causes"), [(1000, ["unscaled_inputs"]), (1, [])])
def test_of_a_training_that_was_not_seen_to_its_end_only_the_data_are_suspected(monkeypatch, scale, causes):
    clock = Work(monkeypatch, step=0.1)  # time for every tenth step
    model = tanh_network(optimizer=keras.optimizers.SGD(1e-5))
    d = diagnose(model, scale * X, SINE, epochs=60, budget=5, clock=clock)
    assert d.healthy is None
    assert "not enough time to tell" in str(d)
    assert d.causes[:1] == causes


def test_copies_that_train_slowly_one_after_the_other_are_fewer(monkeypatch):
    series = RNG.normal(size=(200, 30, 1)).astype("float32")  # too long to be written out for copies at once
    model = keras.Sequential([keras.Input((30, 1)), keras.layers.SimpleRNN(8), Dense(1)])
    model.compile(keras.optimizers.Adam(1e-4), "mse")
    d = diagnose(model, series, series[:, -1], epochs=20, batch_size=50, budget=10, clock=Work(monkeypatch, step=0.05))
    assert d.seeds == 1
    assert d.causes[0] == "learning_rate_too_low"
    assert d.findings[0].verified
    assert "one seed for each trial" in str(d)


def test_what_helps_only_together_is_shown_together():
    start = Variant(program_of(tanh_network(), 60, 32), data_of(tanh_network(), X, SINE))
    faster = start.having(rate=10.0)
    alone = Finding("output_activation_mismatch", "It is wrong.", "Change it.", False, 0.0, 0.1, start)
    known = {
        "healthy": False, "attainable_skill": 0.95, "skill": 0.0, "certain": False, "measured": True, "variant": start,
        "as_it_is": None, "lost": None, "unseen": "", "search": SimpleNamespace(trials=[]), "_alike": lambda causes: "",
        "notes": [], "imbalance": None, "goal": 0.85 * 0.95,
    }  # fmt: skip
    for skill, told in ((0.7, True), (0.15, False)):
        examination = SimpleNamespace(**known, together=(faster, skill))
        [finding] = doctor.Examination.diagnosis(examination, [alone], 3, 1.0).findings
        assert finding.verified == told
        assert ("not enough" in finding.fix) == told
        assert finding.after == (skill if told else 0.1)


@pytest.mark.parametrize(
    ("after", "first"), [(0.9, "too_few_epochs"), (0.5, "class_imbalance"), (None, "too_few_epochs")]
)
def test_unbalanced_classes_stand_first_unless_something_else_is_enough(after, first):
    start = Variant(program_of(tanh_network(), 60, 32), data_of(tanh_network(), X, SINE))
    longer = Finding("too_few_epochs", "It still improves.", "Train longer.", True, 0.0, after, start)
    rare = Finding("class_imbalance", "Class 1 is hardly ever predicted.", "Weigh.", True, -0.3, 0.2, start)
    known = {
        "healthy": False, "attainable_skill": 1.0, "skill": 0.0, "certain": False, "measured": True, "variant": start,
        "as_it_is": None, "lost": None, "unseen": "", "search": SimpleNamespace(trials=[]), "_alike": lambda causes: "",
        "notes": [], "imbalance": (rare, (0.8, -0.3)), "together": after and (start.having(longer=4.0), after), "goal": 0.85,
    }  # fmt: skip
    examination = SimpleNamespace(**known)
    examination._is_enough = lambda findings: doctor.Examination._is_enough(examination, findings)
    found = doctor.Examination.diagnosis(examination, [longer], 3, 1.0)
    assert found.causes[0] == first
    assert set(found.causes) == {longer.cause, "class_imbalance"}
    assert (found.skill, found.attainable_skill) == ((-0.3, 0.8) if first == "class_imbalance" else (0.0, 1.0))
    assert "not enough" not in found.findings[0].fix  # what was fixed together was measured on another scale
    assert "counts all classes the same" in found.notes[0]


def test_without_time_to_try_a_remedy_the_first_suspicion_is_told(monkeypatch):
    clock = Work(monkeypatch, step=0.01, reached=4e-4)
    slow = tanh_network(optimizer=keras.optimizers.Adam(1e-5))
    d = diagnose(slow, X, SINE, epochs=60, batch_size=240, budget=1.02, clock=clock)  # 0.6 for steps, 0.38 for the goal
    assert d.healthy is False
    assert d.causes == ["learning_rate_too_low"]
    assert any("ran out" in note for note in d.notes)
    assert "(Not tried.)" in str(d)


def test_an_interruption_is_answered_from_what_was_tried():
    calls = []

    def stop(share, words):
        calls.append(words)
        if len(calls) == 3:
            raise KeyboardInterrupt

    d = diagnose(tanh_network(optimizer=keras.optimizers.Adam(1e-6)), X, SINE, epochs=60, on_progress=stop)
    assert any("Interrupted" in note for note in d.notes)


def quantised():
    model = keras.Sequential([keras.Input((1,)), Dense(4, name="first"), Dense(1)])
    model.quantize("int8")
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize(
    ("model", "x", "y", "words"),
    [
        (lambda: keras.Sequential([keras.Input((1,)), Dense(1)]), X, SINE, "not compiled"),
        (quantised, X, SINE, "The kernels of first and .* are quantised, and no training changes them"),
        (tanh_network, X, SINE[:10], "one target for each sample"),
        (tanh_network, X[:0], SINE[:0], "empty"),
        (tanh_network, np.array([["a"], ["b"]]), np.array([0, 1]), "OneHotEncoder"),
        (tanh_network, scipy.sparse.csr_matrix(X), SINE, r"x is a csr_matrix, and .*: call \.toarray\(\) on it\.$"),
        (
            tanh_network,
            tf.sparse.from_dense(X),
            SINE,
            r"x is a SparseTensor, and .*: call tf\.sparse\.to_dense on it\.$",
        ),
        (
            tanh_network,
            tf.RaggedTensor.from_tensor(X),
            SINE,
            r"x is a RaggedTensor, and .*: call \.to_tensor\(\) on it\.$",
        ),
        (
            tanh_network,
            tf.constant(["a", "b"]),
            np.array([0, 1]),
            "x holds text, and .* call the model's TextVectorization layer",
        ),
        (tanh_network, [["a"], ["b"]], np.array([0, 1]), "x holds text, and diagnose takes one array"),
        (tanh_network, {"a": X, "b": np.array(["a", 1], object)}, SINE, "x holds text"),
        (tanh_network, X, np.array(["yes", "no"] * 120), "y holds text"),
        (tanh_network, XY, SINE, "2 columns and the model takes 1"),
        (tanh_network, None, None, "Give the data"),
        (lambda: "model", X, SINE, "diagnose takes a keras.Model, not"),
        (tanh_network, [X, XY], SINE, "one array of numbers"),
        (tanh_network, {"a": X, "b": XY}, SINE, "one array of numbers"),
        (tanh_network, 3.0, SINE, "one array of numbers"),
    ],
)
def test_what_cannot_be_diagnosed_is_refused_with_a_sentence(model, x, y, words):
    with pytest.raises(ValueError, match=words) as refusal:
        diagnose(model(), x, y, epochs=2)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda: tf.gather(tf.constant([1.0]), [9]),
        lambda: tf.function(lambda: tf.gather(tf.constant([1.0]), [9]), autograph=False)(),
        lambda: keras.Sequential([Lambda(lambda x: tf.gather(x, [9]))])(tf.constant([1.0])),
    ],
    ids=["at once", "in a graph", "in a layer"],
)
def test_of_an_error_of_tensorflow_only_the_sentence_is_told(call):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        call()
    assert first_line(caught.value) == "indices[0] = 9 is not in [0, 1)"


def test_of_labels_that_the_loss_refuses_only_the_cause_is_told():
    model = network(Dense(8, "relu"), Dense(2, "softmax"), inputs=2, loss="sparse_categorical_crossentropy")
    found = diagnose(model, XY, 2 * ABOVE[:, 0] - 1, epochs=20)
    assert found.causes == ["label_or_data_bug"]
    assert "gradients" not in str(found)


def test_a_model_whose_copies_cannot_be_trained_is_trained_by_fit(monkeypatch):
    def train(*arguments):
        raise NotImplementedError("This operation has no form for many at once.\nA long list follows.")

    monkeypatch.setattr(Copies, "train", train)
    found = diagnose(network(Dense(1), optimizer=keras.optimizers.SGD(0.1)), X, 2 * X, epochs=10)
    assert found.healthy
    assert re.search(r"side by side.*many at once\. So only a few changes", found.notes[-1])


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": 2.5}, {"budget": 0}, {"seeds": 0}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        diagnose(tanh_network(), X, SINE, **wrong)


def test_what_a_training_left_behind_is_not_taken_for_how_it_starts():
    """A trained model whose units are all dead: fresh copies start with units that are not."""
    model = network(Dense(8, "relu"), Dense(1), optimizer=keras.optimizers.SGD(1e-6))
    model.fit(X, SINE, epochs=1, verbose=0)
    model.layers[0].set_weights([np.zeros((1, 8)), np.full(8, -50.0)])
    found = diagnose(model, X, SINE, epochs=20).findings
    assert found[0].cause == "learning_rate_too_low"
    assert not any("from the start" in finding.evidence for finding in found)


def padded(rows, masked=False, **layer):
    """Words behind which the padding is longer than they are, and whether the sum of their numbers is above the middle."""
    rng = np.random.default_rng(0)
    x = np.zeros((rows, 30), int)
    for row in x:
        row[: rng.choice([2, 4])] = rng.choice([1, 9])
    model = network(keras.layers.Embedding(10, 4, mask_zero=masked), keras.layers.LSTM(4), Dense(1), inputs=30)
    return model, x, (x[:, :1] > 5).astype("float32")


def test_padding_behind_the_words_is_moved_before_them():
    model, x, y = padded(120)
    data = data_of(model, x, y)
    before = padded_before(data)
    for words, moved in zip(data.x, before.x, strict=True):
        count = np.count_nonzero(words)
        assert not moved[:-count].any()
        assert list(moved[-count:]) == list(words[:count])
    assert unmasked_padding(program_of(model, 1, 32).layers, data.x) == pytest.approx(np.mean(data.x == 0))
    assert unmasked_padding(program_of(model, 1, 32).layers, before.x) == 0
    assert unmasked_padding(program_of(padded(9, masked=True)[0], 1, 32).layers, data.x) == 0


def test_padding_that_a_recurrent_layer_reads_last_is_found():
    model, x, y = padded(120)
    finding = diagnose(model, x, y, epochs=2, clock=Ticks()).findings[0]
    assert finding.cause == "label_or_data_bug"
    assert "90% of a sequence is padding" in finding.evidence


def test_numbers_of_words_without_an_embedding_are_found():
    rng = np.random.default_rng(0)
    words, liked = rng.integers(0, 150, (600, 4)), rng.choice([-1, 1], 150)
    liked_more = (liked[words].sum(axis=1) > 0).astype("float32")
    model = network(Dense(8, "relu"), Dense(1, "sigmoid"), loss="binary_crossentropy", inputs=4)
    finding = diagnose(model, words, liked_more, epochs=2, clock=Ticks()).findings[0]
    assert (finding.cause, finding.verified) == ("label_or_data_bug", True)
    assert "Embedding" in finding.fix


def test_convolutions_in_which_nothing_bends_get_an_activation():
    conv, pool = keras.layers.Conv1D, keras.layers.GlobalAveragePooling1D
    x = RNG.normal(0, 0.2, (240, 8, 1)).astype("float32")
    y = (np.arange(240) % 2).astype("float32")
    x[:, 3, 0] += np.where(y == 1, RNG.choice([-1.5, 1.5], 240), 0)  # far from 0 on either side
    model = keras.Sequential([keras.Input((8, 1)), conv(8, 3), pool(), Dense(1, "sigmoid")])
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy")
    finding = diagnose(model, x, y, epochs=60, clock=Ticks()).findings[0]
    assert (finding.cause, finding.verified) == ("capacity_too_low", True)
    assert finding.diff.splitlines()[1] == '+ keras.layers.Conv1D(8, 3, activation="relu")'


@pytest.mark.parametrize(
    ("layers", "linear"),
    [
        ([keras.layers.Conv1D(2, 3), keras.layers.Flatten(), Dense(3), Dense(1, "sigmoid")], [0, 2]),
        ([keras.layers.Conv1D(2, 3, activation="relu"), keras.layers.Flatten(), Dense(1)], []),
        ([keras.layers.Conv1D(2, 3), keras.layers.MaxPooling1D(2), keras.layers.Flatten(), Dense(1)], []),
        ([keras.layers.Conv1D(2, 3), keras.layers.ReLU(), keras.layers.Flatten(), Dense(1)], []),
        ([keras.layers.Conv1D(2, 3), keras.layers.AdditiveAttention(), keras.layers.Flatten(), Dense(1)], []),
        ([keras.layers.Flatten(), Dense(1)], []),
    ],
)
def test_where_nothing_bends(layers, linear):
    assert linear_layers([keras.layers.serialize(layer) for layer in layers]) == linear


def test_weights_that_were_given_by_hand_are_what_training_starts_from():
    model = network(Dense(16, "relu"), Dense(16, "relu"), Dense(1), inputs=2)
    for layer in model.layers[:2]:
        kernel, bias = layer.get_weights()
        layer.set_weights([np.full_like(kernel, 0.2), bias])
    finding = diagnose(model, XY, np.sin(2 * XY[:, :1]) * XY[:, 1:], epochs=60).findings[0]
    assert (finding.cause, finding.verified) == ("bad_initialization", True)
    assert "initializers" in finding.fix


# --- what is shown ---


def test_the_card_shows_findings_and_what_was_tried_in_words_too():
    d = diagnose(network(Dense(8), Dense(1)), X, np.abs(X), epochs=40)
    shown = d._repr_mimebundle_()
    assert shown["text/plain"] == str(d) == card.text(d)
    assert "capacity too low" in shown["text/plain"]
    assert "<img src='data:image/png;base64," in shown["text/html"]
    assert "What was tried" in card.tried(d).alt
    assert re.search(r"as it is, from .* to .*; with the fix, from .* to .*; .* can be learned", card.learned(d).alt)
    assert shown["text/html"].count("<img") == 2
    assert f"{card.LESSONS}/01_capacity.ipynb" in shown["text/html"]


def test_causes_whose_fixes_are_each_enough_cannot_be_told_apart():
    def trial(cause, after, later=False):
        return FixTrial(Fix("", cause, "", None), cause, 1.0, None, np.zeros(3), np.full(3, after), 1.0, later)

    causes = ["unscaled_inputs", "learning_rate_too_high", "overfitting", "too_few_epochs"]
    trials = [trial("unscaled_inputs", 0.9), trial("learning_rate_too_high", 0.95)]
    trials += [
        trial("overfitting", 0.5),
        trial("too_few_epochs", 0.99, later=True),
    ]  # not enough; enough only with another
    examination = SimpleNamespace(attainable_skill=1.0, search=SimpleNamespace(trials=trials))
    assert doctor.Examination._alike(examination, causes) == "unscaled inputs and learning rate too high"
    examination.search.trials = trials[1:]
    assert doctor.Examination._alike(examination, causes) == ""


def test_a_fix_is_shown_as_the_lines_of_code_that_change():
    slow = tanh_network(optimizer=keras.optimizers.Adam(1e-5))
    start = Variant(program_of(slow, 60, 32), data_of(slow, X, SINE))
    assert code_of(start) == [
        'keras.layers.Dense(16, activation="tanh")', 'keras.layers.Dense(16, activation="tanh")', "keras.layers.Dense(1)",
        'model.compile(optimizer=keras.optimizers.Adam(1e-05), loss="mean_squared_error")', "model.fit(x, y, epochs=60, batch_size=32)",
    ]  # fmt: skip
    named = {fix.name: fix for fix in fixes_for(start, TrialRunner(len(X), np.inf, clock=Ticks()).run(start))}
    assert changes(start, named["longer"].apply(start)) == (
        "- model.fit(x, y, epochs=60, batch_size=32)\n+ model.fit(x, y, epochs=240, batch_size=32)"
    )
    assert '+ keras.layers.Dense(32, activation="relu", kernel_initializer="he_normal")' in changes(
        start, named["deeper"].apply(start)
    )
    assert "kernel_regularizer=L2(l2=0.1)" in changes(start, named["l2 0.1"].apply(start))
    scaled = start.having(data=start.data.x_scaled())
    assert changes(start, scaled) == "+ x = (x - x_train.mean(axis=0)) / x_train.std(axis=0)"
    found = diagnose(slow, X, SINE, epochs=60)
    assert "+ model.compile(optimizer=keras.optimizers.Adam(0.00" in found.findings[0].diff, found
    assert found.findings[0].diff.splitlines()[0] in str(found)


def test_a_notebook_shows_a_progress_bar_that_goes_in_the_end(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.get_ipython", lambda: object())
    monkeypatch.setattr(card, "REFRESH", 0.0)
    handle = SimpleNamespace(update=lambda bundle, raw: shown.append(bundle["text/html"]))
    monkeypatch.setattr("IPython.display.display", lambda *args, **kwargs: handle)
    diagnose(tanh_network(), X, SINE, epochs=10, budget=5, clock=Ticks(0.1))
    assert "<progress" in shown[0]
    assert "the network as it is" in shown[0]
    assert shown[-1] == ""


def test_remedies_build_on_each_other():
    model = network(Dense(8, "tanh", kernel_initializer="zeros"), Dense(1))
    variant = Variant(program_of(model, 10, 32), data_of(model, X, SINE))
    bench = TrialRunner(len(X), np.inf, clock=Ticks())
    outcome = bench.run(variant)
    named = {remedy.name: remedy for remedy in fixes_for(variant, outcome)}
    both = named["wider"].apply(named["usual start"].apply(variant))
    assert not bench.run(both).error
    faster = named["rate x 10"].apply(variant)
    words = {remedy.name: remedy.words for remedy in fixes_for(faster, outcome)}
    assert words["rate x 10"] == "Raise the learning rate from 0.1 to 1."
    assert (
        "Train for 160 epochs instead of 40"
        in {remedy.name: remedy.words for remedy in fixes_for(named["longer"].apply(variant), outcome)}["longer"]
    )


def test_every_cause_has_a_meaning_and_a_lesson():
    lessons = Path(__file__).resolve().parent.parent / "notebooks"
    for name, cause in CAUSES.items():
        assert cause.explanation, name
        assert cause.fix, name
        assert (lessons / f"{cause.lesson}.ipynb").exists(), name


# --- the edits ---


def test_edits_change_what_they_say_and_leave_the_rest():
    inputs = keras.Input((2,))
    hidden = keras.layers.LeakyReLU()(Dense(4)(inputs))
    model = keras.Model(inputs, Dense(1)(keras.layers.Dropout(0.5)(Dense(4, "sigmoid")(hidden))))
    model.compile(optimizer="adam", loss="mse")
    program = program_of(model, 1, 32)
    assert [stage.activation for stage in stages(program.layers)] == ["leaky_relu", "sigmoid", "linear"]
    bent = with_activation(program, "tanh")
    assert [stage.activation for stage in stages(bent.layers)] == ["tanh", "tanh", "linear"]
    assert [stage.units for stage in stages(wider(program).layers)] == [32, 32, 1]
    assert [stage.units for stage in stages(with_hidden_layers(program).layers)] == [4, 4, 32, 32, 1]
    for edited in (bent, wider(program), with_hidden_layers(program), without_regularization(program)):
        assert edited.build()(XY[:3]).shape == (3, 1)
    assert [stage.activation for stage in stages(program.layers)] == ["leaky_relu", "sigmoid", "linear"]
    assert without_regularization(program).build().layers[-2].rate == 0


def test_a_patient_that_cannot_be_trained_says_why():
    model = network(Dense(2, "softmax"), loss="binary_crossentropy", inputs=2)
    outcome = TrialRunner(len(XY), np.inf, clock=Ticks()).run(
        Variant(program_of(model, 1, 32), data_of(model, XY, ABOVE))
    )
    assert outcome.error
    assert diagnose(model, XY, ABOVE, epochs=20).causes[0] == "loss_mismatch"
