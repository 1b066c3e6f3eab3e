"""What `diagnose` promises: causes that are proved, and a model, data and random state that are left as they were."""

import random
import time
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from helpers import Experiment, card, diagnose, doctor, train
from helpers.bench import Bench
from helpers.causes import CAUSES
from helpers.evidence import data_of, stages
from helpers.remedies import Patient, remedies_for, wider, with_activation, with_hidden_layers, without_regularization
from helpers.trials import Loop, Order, program_of

Dense = keras.layers.Dense
RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (240, 1)).astype("float32")
SINE = np.sin(3 * X)
XY = RNG.normal(size=(240, 2)).astype("float32")
ABOVE = (XY[:, :1] > XY[:, 1:]).astype("float32")


def network(*layers, loss="mse", optimizer=None, inputs=1):
    model = keras.Sequential([keras.Input((inputs,)), *layers])
    model.compile(optimizer=optimizer or keras.optimizers.Adam(0.01), loss=loss)
    return model


def tanh_network(**kwargs):
    return network(Dense(16, "tanh"), Dense(16, "tanh"), Dense(1), **kwargs)


def one_by_one(program, x, y, epochs):
    """The losses of the loop, full batch, for a single copy: (steps,)."""
    loop = Loop(program, 1)
    order, state = Order(len(x), len(x), 0), loop.first_state(program, [0])
    rates = program.rates(np.arange(epochs)).astype("float32")
    _, losses = loop.train(state, tf.constant(x), tf.constant(y), order.deal(epochs)[:, None], rates)
    return losses[:, 0]


# --- the loop is Keras's ---


@pytest.mark.parametrize(
    ("layers", "optimizer", "loss"),
    [
        (lambda: [Dense(8, "tanh"), Dense(1)], keras.optimizers.Adam(0.01), "mse"),
        (lambda: [Dense(8, "relu", kernel_regularizer=keras.regularizers.L2(0.1)), Dense(1)], keras.optimizers.SGD(0.05), "mae"),
        (lambda: [Dense(8), keras.layers.BatchNormalization(), keras.layers.LeakyReLU(), Dense(1)],
         keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True), "huber"),
        (lambda: [Dense(8, "elu"), Dense(1)], keras.optimizers.AdamW(0.01, weight_decay=0.1), keras.losses.LogCosh()),
        (lambda: [Dense(8, "tanh"), Dense(1)], keras.optimizers.SGD(0.5, clipnorm=0.1), "mse"),
        (lambda: [Dense(8, "tanh"), Dense(1)],
         keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5)), "mse"),
    ],
)  # fmt: skip
def test_the_loop_trains_as_fit_does(layers, optimizer, loss):
    keras.utils.set_random_seed(0)  # from some first weights a difference in rounding grows within twelve steps
    model = keras.Sequential([keras.Input((1,)), *layers()])
    model.compile(optimizer=optimizer, loss=loss)
    losses = one_by_one(program_of(model, 12, len(X)), X, SINE, 12)
    told = model.fit(X, SINE, epochs=12, batch_size=len(X), shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(losses, told, rtol=2e-4)


def test_the_loop_keeps_the_logits_of_softmax_over_one_unit_as_fit_does():
    model = network(Dense(4, "relu"), Dense(1, "softmax"), loss="binary_crossentropy", inputs=2)
    losses = one_by_one(program_of(model, 10, len(XY)), XY, ABOVE, 10)
    with pytest.warns(UserWarning, match="softmax over axis"):
        told = model.fit(XY, ABOVE, epochs=10, batch_size=len(XY), shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(losses, told, rtol=2e-4)


def test_an_order_gives_every_point_its_turn():
    rows = np.ravel(Order(10, 4, 0).deal(5))
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
    diagnose(model, x, y, epochs=2, budget=3)
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
    assert "Healthy" in str(d)


@pytest.mark.parametrize(
    ("cause", "model", "x", "y", "epochs"),
    [
        ("learning_rate_too_low", lambda: tanh_network(optimizer=keras.optimizers.Adam(1e-5)), X, SINE, 60),
        ("learning_rate_too_high", lambda: tanh_network(optimizer=keras.optimizers.SGD(30.0)), X, SINE, 60),
        ("capacity_too_low", lambda: network(Dense(8), Dense(1)), X, np.abs(X), 60),
        ("output_activation_mismatch", lambda: network(Dense(16, "tanh"), Dense(1, "sigmoid")), X, 5 * SINE, 60),
        ("output_activation_mismatch",
         lambda: network(Dense(8, "relu"), Dense(1, "softmax"), loss="binary_crossentropy", inputs=2), XY, ABOVE, 40),
        ("loss_mismatch", lambda: tanh_network(loss="categorical_crossentropy"), X, SINE, 60),
        ("unscaled_targets", tanh_network, X, 1e5 + 1e4 * SINE, 60),
        ("unscaled_inputs", tanh_network, 1000 + 300 * X, SINE, 60),
        ("missing_values", tanh_network, np.where(np.arange(240)[:, None] % 20, X, np.nan), SINE, 60),
        ("bad_initialization",
         lambda: network(Dense(16, "tanh", kernel_initializer="zeros"), Dense(1, kernel_initializer="zeros")), X, np.abs(X), 60),
        ("over_regularized",
         lambda: network(Dense(16, "tanh", kernel_regularizer=keras.regularizers.L2(3.0)), Dense(1)), X, SINE, 60),
        ("label_or_data_bug", lambda: network(Dense(8, "relu"), Dense(1, "sigmoid"), loss="binary_crossentropy", inputs=2),
         XY, np.ones((240, 1)), 20),
        ("label_or_data_bug", lambda: network(Dense(16, "relu"), Dense(1), inputs=2), XY, np.roll(XY @ [[1.0], [2.0]], 1, 0), 40),
        ("nothing_to_learn", lambda: network(Dense(8, "relu"), Dense(1), inputs=2), XY, RNG.normal(size=(240, 1)), 40),
    ],
)  # fmt: skip
def test_the_first_cause_is_the_one_that_was_put_in(cause, model, x, y, epochs):
    d = diagnose(model(), x, y, epochs=epochs, budget=60)
    assert not d.healthy
    assert d.causes[0] == cause, d
    first = d.findings[0]
    assert first.lesson == CAUSES[cause][1]
    assert first.explanation == CAUSES[cause][0]
    if first.cure is not None:
        assert first.verified
        assert first.after > first.before


def test_a_verified_remedy_lifts_the_model_that_keras_trains():
    d = diagnose(tanh_network(optimizer=keras.optimizers.Adam(1e-5)), X, SINE, epochs=60)
    model, data, epochs = d.findings[0].cure.ready(seed=11)
    model.fit(data.x[: data.points], data.y[: data.points], epochs=epochs, batch_size=32, verbose=0)
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
    assert diagnose(run).causes[0] == "learning_rate_too_low"


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


# --- how it ends ---


def test_it_keeps_to_its_budget_and_says_what_was_cut():
    model = network(Dense(64, "sigmoid"), *[Dense(64, "sigmoid") for _ in range(7)], Dense(1))
    began = time.perf_counter()
    d = diagnose(model, X, SINE, epochs=5000, batch_size=1, budget=4)
    assert time.perf_counter() - began < 30, "its training alone would take minutes"
    assert any("were over" in note for note in d.notes)


def test_an_interruption_is_answered_from_what_was_tried():
    calls = []

    def stop(share, words):
        calls.append(words)
        if len(calls) == 3:
            raise KeyboardInterrupt

    d = diagnose(tanh_network(optimizer=keras.optimizers.Adam(1e-6)), X, SINE, epochs=60, tell=stop)
    assert any("Interrupted" in note for note in d.notes)


@pytest.mark.parametrize(
    ("model", "x", "y", "words"),
    [
        (lambda: keras.Sequential([keras.Input((1,)), Dense(1)]), X, SINE, "not compiled"),
        (tanh_network, X, SINE[:10], "one target for each point"),
        (tanh_network, X[:0], SINE[:0], "empty"),
        (tanh_network, np.array([["a"], ["b"]]), np.array([0, 1]), "OneHotEncoder"),
        (tanh_network, XY, SINE, "2 columns and the model takes 1"),
        (tanh_network, None, None, "Give the data"),
        (lambda: "model", X, SINE, "keras.Model or a Run"),
    ],
)
def test_what_cannot_be_diagnosed_is_refused_with_a_sentence(model, x, y, words):
    with pytest.raises(ValueError, match=words):
        diagnose(model(), x, y)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": 2.5}, {"budget": 0}, {"seeds": 0}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        diagnose(tanh_network(), X, SINE, **wrong)


# --- what is shown ---


def test_the_card_shows_findings_and_what_was_tried_in_words_too():
    d = diagnose(network(Dense(8), Dense(1)), X, np.abs(X), epochs=40)
    shown = d._repr_mimebundle_()
    assert shown["text/plain"] == str(d) == card.text(d)
    assert "capacity too low" in shown["text/plain"]
    assert "<img src='data:image/png;base64," in shown["text/html"]
    assert "What was tried" in card.tried(d).alt
    assert "01_capacity.ipynb" in shown["text/html"]


def test_a_notebook_shows_a_progress_bar_that_goes_in_the_end(monkeypatch):
    shown = []
    monkeypatch.setattr(card, "get_ipython", lambda: object())
    monkeypatch.setattr(card, "REFRESH", 0.0)
    handle = SimpleNamespace(update=lambda bundle, raw: shown.append(bundle["text/html"]))
    monkeypatch.setattr(card, "display", lambda *args, **kwargs: handle)
    diagnose(tanh_network(), X, SINE, epochs=10, budget=5)
    assert "<progress" in shown[0]
    assert "the network as it is" in shown[0]
    assert shown[-1] == ""


def test_remedies_build_on_each_other():
    model = network(Dense(8, "tanh", kernel_initializer="zeros"), Dense(1))
    patient = Patient(program_of(model, 10, 32), data_of(model, X, SINE))
    bench = Bench(len(X), time.perf_counter() + 300)
    outcome = bench.run(patient)
    named = {remedy.name: remedy for remedy in remedies_for(patient, outcome)}
    both = named["wider"].apply(named["usual start"].apply(patient))
    assert not bench.run(both).error
    faster = named["rate x 10"].apply(patient)
    words = {remedy.name: remedy.words for remedy in remedies_for(faster, outcome)}
    assert words["rate x 10"] == "Raise the learning rate from 0.1 to 1."
    assert (
        "Train for 160 epochs instead of 40"
        in {remedy.name: remedy.words for remedy in remedies_for(named["longer"].apply(patient), outcome)}["longer"]
    )


def test_every_cause_has_a_meaning_and_a_lesson():
    assert len(CAUSES) == 19
    assert doctor.Diagnosis  # the causes are those that it may name


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
    outcome = Bench(len(XY), time.perf_counter() + 300).run(
        Patient(program_of(model, 1, 32), data_of(model, XY, ABOVE))
    )
    assert outcome.error
    assert diagnose(model, XY, ABOVE, epochs=20).causes[0] == "loss_mismatch"
