"""What `diagnose` promises: causes that are proved, and a model, data and random state that are left as they were."""

import random
import re
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from clocks import Ticks, Work

import helpers
from helpers import Experiment, train
from why_wont_it_learn.diagnosis import diagnose as doctor
from why_wont_it_learn.diagnosis import report as card
from why_wont_it_learn.diagnosis.causes import CAUSES
from why_wont_it_learn.diagnosis.evidence import MOST_COLUMNS, data_of, stages
from why_wont_it_learn.diagnosis.fixes import (
    Variant,
    fixes_for,
    wider,
    with_activation,
    with_hidden_layers,
    without_regularization,
)
from why_wont_it_learn.diagnosis.trial_runner import TrialRunner
from why_wont_it_learn.program import BatchOrder, Loop, program_of

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
    """The losses of the loop, full batch, for a single copy: (steps,)."""
    loop = Loop(program, 1)
    order, state = BatchOrder(len(x), len(x), 0), loop.first_state(program, [0])
    rates = program.rates(np.arange(epochs)).astype("float32")
    _, losses = loop.train(state, tf.constant(x), tf.constant(y), order.deal(epochs)[:, None], rates)
    return losses[:, 0]


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
        (lambda: [Dense(8, "tanh"), Dense(1)], OPTIMIZERS.Adam(0.01), {"loss": "mse"}),
        (lambda: [Dense(8, "relu", kernel_regularizer=keras.regularizers.L2(0.1)), Dense(1)], OPTIMIZERS.SGD(0.05), {"loss": "mae"}),
        (lambda: [Dense(8), keras.layers.BatchNormalization(), keras.layers.LeakyReLU(), Dense(1)],
         OPTIMIZERS.SGD(0.05, momentum=0.9, nesterov=True), {"loss": "huber"}),
        (lambda: [Dense(8, "elu"), Dense(1)], OPTIMIZERS.AdamW(0.01, weight_decay=0.1), {"loss": keras.losses.LogCosh()}),
        (lambda: [Dense(8, "tanh"), Dense(1)], OPTIMIZERS.SGD(0.5, clipnorm=0.1), {"loss": ["mse"], "loss_weights": [0.3]}),
        (lambda: [Dense(8, "tanh"), Dense(1)], OPTIMIZERS.Adam(OPTIMIZERS.schedules.ExponentialDecay(0.1, 5, 0.5)), {"loss": "mse"}),
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
    assert "Healthy" in str(d)


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


def test_ids_are_not_unscaled_inputs():
    d = diagnose(reader(keras.optimizers.SGD(1e-4)), IDS, ODD, epochs=40)
    assert not d.healthy
    assert d.causes[0] in ("learning_rate_too_low", "optimizer_choice", "too_few_epochs")
    assert "unscaled_inputs" not in {trial.cause for trial in d.trials}


def test_what_ids_tell_can_be_learned():
    assert data_of(reader("adam"), IDS, ODD).reach() > 0.8
    assert diagnose(reader(keras.optimizers.Adam(0.01)), IDS, ODD, epochs=80).healthy


def test_inputs_that_are_never_a_number_are_told_with_their_likely_origin():
    nothing = diagnose(tanh_network(), np.full_like(X, np.nan), SINE)
    assert nothing.causes == ["missing_values"]
    assert "No input varies" in nothing.findings[0].evidence
    lost = diagnose(network(Dense(16, "tanh"), Dense(1), inputs=2), np.c_[X, np.full_like(X, np.nan)], SINE, epochs=60)
    assert lost.causes[0] == "missing_values"
    assert "Input 2 is a number for no point" in lost.findings[0].evidence
    assert "standard deviation of 0" in lost.findings[0].remedy
    assert lost.findings[0].verified


def test_a_schedule_that_begins_with_0_is_judged_by_its_highest_rate():
    warm = OPTIMIZERS.schedules.CosineDecay(0.0, 400, warmup_target=1e-5, warmup_steps=40)
    slow = diagnose(tanh_network(optimizer=OPTIMIZERS.Adam(warm)), X, SINE, epochs=60)
    assert slow.causes[0] == "learning_rate_too_low"
    assert re.search(r"from (1|9[.\d]*)e-0[56] to", slow.findings[0].remedy)
    stopped = diagnose(tanh_network(optimizer=OPTIMIZERS.SGD(0.0)), X, SINE, epochs=60)
    assert stopped.causes[0] == "learning_rate_too_low"
    assert "from 0 to 0.01" in stopped.findings[0].remedy


# --- how it ends ---


def test_it_keeps_to_its_budget_and_says_what_was_cut(monkeypatch):
    clock = Work(monkeypatch, step=0.02, predicted=1e-3)
    model = network(Dense(16, "sigmoid"), *[Dense(16, "sigmoid") for _ in range(7)], Dense(1))
    d = diagnose(model, X, SINE, epochs=5000, batch_size=1, budget=4, clock=clock)
    assert 3.5 <= clock.now <= 6
    assert d.trials, "its own training does not take it all"
    assert any("were over" in note for note in d.notes)


@pytest.mark.parametrize("columns", [1, 3072, 12288])
def test_the_budget_holds_however_wide_the_inputs_are(monkeypatch, columns):
    x = RNG.normal(size=(240, columns)).astype("float32")
    clock = Work(monkeypatch, step=0.01, reached=1e-5)
    diagnose(network(Dense(4, "relu"), Dense(1), inputs=columns), x, x[::-1, 0], epochs=20, budget=5, clock=clock)
    assert clock.now <= 7.5


def test_what_a_few_of_many_inputs_tell_is_not_lost():
    x = RNG.normal(size=(400, 3072)).astype("float32")
    data = data_of(network(Dense(1), inputs=3072), x, x[:, 7] - x[:, 2000])
    assert data.narrow.shape == (400, MOST_COLUMNS)
    assert data.reach() > 0.5


def test_a_machine_too_slow_for_the_budget_gives_no_verdict(monkeypatch):
    clock = Work(monkeypatch, step=4.0)
    d = diagnose(tanh_network(), X, SINE, epochs=60, budget=5, clock=clock)
    assert d.healthy is None
    assert "not enough time to tell" in str(d)
    assert "does not learn" not in str(d)


def test_without_time_to_try_a_remedy_the_first_suspicion_is_told(monkeypatch):
    clock = Work(monkeypatch, step=0.01, reached=4e-4)
    slow = tanh_network(optimizer=keras.optimizers.Adam(1e-5))
    d = diagnose(slow, X, SINE, epochs=60, batch_size=240, budget=1.02, clock=clock)  # 0.6 for steps, 0.38 for the goal
    assert d.healthy is False
    assert d.causes == ["learning_rate_too_low"]
    assert any("were over" in note for note in d.notes)
    assert "(Not tried.)" in str(d)


def test_an_interruption_is_answered_from_what_was_tried():
    calls = []

    def stop(share, words):
        calls.append(words)
        if len(calls) == 3:
            raise KeyboardInterrupt

    d = diagnose(tanh_network(optimizer=keras.optimizers.Adam(1e-6)), X, SINE, epochs=60, tell=stop)
    assert any("Interrupted" in note for note in d.notes)


def of_several(inputs=1, outputs=1):
    entries = [keras.Input((1,)) for _ in range(inputs)]
    model = keras.Model(entries, [Dense(1)(entries[0] + entries[-1]) for _ in range(outputs)])
    model.compile(loss=["mse"] * outputs)
    return model


def of_its_own_step():
    class Stepping(keras.Model):
        def train_step(self, data):
            return super().train_step(data)

    inputs = keras.Input((1,))
    model = Stepping(inputs, Dense(1)(inputs))
    model.compile(loss="mse")
    return model


def labels_in_a_row():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Reshape((2, 1)), Dense(2, "softmax")])
    model.compile(loss="sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize(
    ("model", "x", "y", "words"),
    [
        (lambda: keras.Sequential([keras.Input((1,)), Dense(1)]), X, SINE, "not compiled"),
        (tanh_network, X, SINE[:10], "one target for each point"),
        (tanh_network, X[:0], SINE[:0], "empty"),
        (tanh_network, np.array([["a"], ["b"]]), np.array([0, 1]), "OneHotEncoder"),
        (tanh_network, XY, SINE, "2 columns and the model takes 1"),
        (tanh_network, None, None, "Give the data"),
        (lambda: "model", X, SINE, "diagnose takes a keras.Model, not"),
        (tanh_network, [X, XY], SINE, "one array of numbers"),
        (tanh_network, {"a": X, "b": XY}, SINE, "one array of numbers"),
        (tanh_network, 3.0, SINE, "one array of numbers"),
        (lambda: of_several(inputs=2), X, SINE, "2 inputs"),
        (lambda: of_several(outputs=2), X, SINE, "2 outputs"),
        (lambda: network(Dense(1, trainable=False)), X, SINE, "no trainable weights"),
        (of_its_own_step, X, SINE, "its own train_step"),
        (labels_in_a_row, XY, (XY > 0).astype(int), "one label for each point"),
    ],
)
def test_what_cannot_be_diagnosed_is_refused_with_a_sentence(model, x, y, words):
    with pytest.raises(ValueError, match=words) as refusal:
        diagnose(model(), x, y, epochs=2)
    assert "\n" not in str(refusal.value)


def test_a_model_that_fit_trains_but_copies_of_it_cannot_be_is_refused_and_not_called_ill(monkeypatch):
    def train(*arguments):
        raise NotImplementedError("This operation has no form for many at once.\nA long list follows.")

    monkeypatch.setattr(Loop, "train", train)
    with pytest.raises(ValueError, match=r"side by side.*many at once\.$"):
        diagnose(tanh_network(), X, SINE)


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
    outcome = TrialRunner(len(XY), np.inf, clock=Ticks()).run(
        Variant(program_of(model, 1, 32), data_of(model, XY, ABOVE))
    )
    assert outcome.error
    assert diagnose(model, XY, ABOVE, epochs=20).causes[0] == "loss_mismatch"
