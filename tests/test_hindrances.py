"""What holds a network back by its own settings, layers or weights of samples: found, and taken away for a trial."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from why_wont_it_learn import diagnose
from why_wont_it_learn.diagnosis.code import changes
from why_wont_it_learn.diagnosis.data import Data
from why_wont_it_learn.diagnosis.fixes import Variant, cut_logits, with_whole_logits
from why_wont_it_learn.diagnosis.given import without_weight
from why_wont_it_learn.diagnosis.hindrances import hindrances, lost_in_a_layer, mixed_samples
from why_wont_it_learn.diagnosis.loss_check import reach
from why_wont_it_learn.program import program_of

L = keras.layers
X = np.random.default_rng(0).uniform(-2, 2, (240, 1)).astype("float32")
SINE, SIDE = np.sin(2 * X), (X > 0).astype("float32")
DATA = Data(X, SINE, 240, "regression")


def network(*layers, shape=(1,), loss="mse", optimizer=None):
    model = keras.Sequential([keras.Input(shape), *layers])
    model.compile(optimizer or keras.optimizers.Adam(0.01), loss)
    return model


def hidden(**settings):
    return L.Dense(32, "relu", **settings), L.Dense(1, **settings)


def weighted(times):
    model = network(*hidden())
    model.compile(keras.optimizers.SGD(0.05), "mse", loss_weights=[times])
    return model


def attending(**settings):
    words = keras.Input((6,))
    read = L.Embedding(9, 4)(words)
    read = L.Add()([read, L.MultiHeadAttention(2, 4)(read, read, **settings)])
    model = keras.Model(words, L.Dense(1)(L.GlobalMaxPooling1D()(read)))
    model.compile("adam", "mse")
    return model


SGD, Adam, ONE = keras.optimizers.SGD, keras.optimizers.Adam, keras.constraints.MaxNorm(0.1)
PICTURES = (6, 6, 1)
HINDERED = {  # the model, the cause, a word of the evidence, and what shows that it is gone: a part of the model's configuration
    "epsilon": (lambda: network(*hidden(), optimizer=Adam(epsilon=1.0)), "learning_rate_too_low", "epsilon, which is 1"),
    "clipnorm": (lambda: network(*hidden(), optimizer=SGD(clipnorm=0.001)), "learning_rate_too_low", "clipnorm=0.001"),
    "loss weight": (lambda: weighted(1e-5), "learning_rate_too_low", "multiplied by 1e-05"),
    "constraints": (lambda: network(*hidden(kernel_constraint=ONE)), "over_regularized", "constrained"),
    "flips": (lambda: network(L.RandomFlip(), L.Flatten(), *hidden(), shape=PICTURES), "over_regularized", "Random changes"),
    "flips within": (
        lambda: network(keras.Sequential([L.RandomFlip()]), L.Flatten(), *hidden(), shape=PICTURES),
        "over_regularized", "random_flip",
    ),
    "pooled": (
        lambda: network(L.Embedding(9, 4), L.Dense(8, "relu"), L.GlobalAveragePooling1D(), *hidden(), shape=(6,)),
        "capacity_too_low", "in which order",
    ),
    "pooled after attention": (attending, "capacity_too_low", "in which order"),
    "no biases": (lambda: network(*hidden(use_bias=False)), "capacity_too_low", "No layer has biases"),
}  # fmt: skip


@pytest.mark.parametrize("name", HINDERED)
def test_a_hindrance_is_found_and_gone_without_it(name):
    make, cause, words = HINDERED[name]
    ((found, evidence, _, freed),) = hindrances(program_of(make(), 10, 32, "mse"))
    assert found == cause
    assert words in evidence
    assert list(hindrances(freed)) == []
    assert changes(Variant(program_of(make(), 10, 32, "mse"), DATA), Variant(freed, DATA))
    model = freed.build()
    model.compile("sgd", "mse")
    model.predict(np.zeros((2, *model.input_shape[1:])), verbose=0)


def test_what_is_usual_is_no_hindrance():
    usual = [
        network(*hidden()),
        network(*hidden(), optimizer=SGD(clipnorm=1.0)),
        weighted(0.5),
        network(L.Dense(8, use_bias=False), L.BatchNormalization(), L.Dense(1, use_bias=False)),
        network(L.Embedding(9, 4), L.Conv1D(8, 2), L.GlobalMaxPooling1D(), L.Dense(1), shape=(6,)),
        network(L.Embedding(9, 4), L.GlobalMaxPooling1D(), L.Dense(1), shape=(None,)),
        attending(use_causal_mask=True),
    ]
    assert not [found for model in usual for found in hindrances(program_of(model, 10, 32, "mse"))]


def test_constraints_are_left_out_for_a_trial():
    found = diagnose(network(*hidden(kernel_constraint=ONE)), X, SINE, epochs=60)
    assert found.causes[0] == "over_regularized", found
    assert found.findings[0].verified
    assert "kernel_constraint" in found.findings[0].diff


def test_a_network_that_cannot_see_the_order_of_words_is_given_it():
    words = np.random.default_rng(0).permuted(np.tile(np.arange(8), (400, 1)), axis=1)
    first = (np.argmax(words == 1, axis=1) < np.argmax(words == 2, axis=1)).astype("float32")
    pooled = L.Embedding(8, 8), L.GlobalAveragePooling1D(), L.Dense(16, "relu"), L.Dense(1, "sigmoid")
    found = diagnose(network(*pooled, shape=(8,), loss="binary_crossentropy"), words, first, epochs=40)
    assert found.causes[0] == "capacity_too_low", found
    assert found.findings[0].verified
    assert "GlobalAveragePooling1D" in found.findings[0].diff
    assert "layers.Flatten()" in found.findings[0].diff


def lost(model, x=X):
    return [layer.name for layer in lost_in_a_layer(model, (tf.constant(x), tf.constant(SINE), ()))]


def test_a_normalisation_over_a_single_number_is_found():
    normalized = L.LayerNormalization(name="normalized")
    assert lost(network(normalized, *hidden())) == ["normalized"]
    assert lost(network(L.UnitNormalization(name="of_one"), *hidden()), np.abs(X)) == ["of_one"]
    assert not lost(network(L.Dense(8), L.LayerNormalization(), L.Dense(1)))
    assert not lost(network(*hidden()))
    assert lost(network(L.Lambda(lambda x: keras.ops.round(x / 9), name="rounded"), *hidden())) == ["rounded"]
    found = diagnose(network(*hidden(), normalized), X, SINE, epochs=60)
    assert found.causes == ["output_activation_mismatch"], found
    assert found.findings[0].verified


@keras.saving.register_keras_serializable("tests")
class OverSamples(L.Layer):
    def call(self, x):
        return x - keras.ops.mean(x, axis=0)


@keras.saving.register_keras_serializable("tests")
class Turned(L.Layer):
    """Reshapes with the samples on the wrong axis."""

    def call(self, x):
        return keras.ops.reshape(keras.ops.transpose(x), keras.ops.shape(x))


def test_predictions_that_depend_on_the_rest_of_the_batch_are_found():
    def causes(model):
        return [finding.cause for finding in mixed_samples(model, (tf.constant(X), tf.constant(SINE), ()))]

    assert causes(network(*hidden(), OverSamples())) == ["label_or_data_bug"]
    assert causes(network(L.Dense(3), L.Softmax(axis=0))) == ["output_activation_mismatch"]
    assert causes(network(L.Dense(4), Turned(), L.Dense(3, "softmax"))) == ["label_or_data_bug"]
    assert not causes(network(*hidden()))
    assert not causes(network(L.BatchNormalization(), *hidden()))
    assert not causes(network(L.Dropout(0.5), *hidden()))
    found = diagnose(network(*hidden(), OverSamples()), X, SINE, epochs=60)
    assert found.healthy or found.causes == ["label_or_data_bug"], found
    assert "depends on the other samples" in str([found.notes, found.findings])


def test_weights_of_0_are_told_and_left_out():
    assert without_weight(SINE, np.ones(240), None) is None
    assert without_weight(SIDE, None, {0: 1.0, 1: 2.0, 2: 0.0}) is None  # no sample is of class 2
    model = network(L.Dense(16, "relu"), L.Dense(1, "sigmoid"), loss="binary_crossentropy")
    for given, cause, words in (
        ({"class_weight": {0: 1.0, 1: 0.0}}, "class_imbalance", "gives 1 a weight of 0"),
        ({"sample_weight": np.zeros(240)}, "label_or_data_bug", "All sample weights are 0"),
    ):
        found = diagnose(model, X, SIDE, epochs=40, **given)
        assert found.causes == [cause], found
        assert words in found.findings[0].evidence
        assert found.findings[0].verified


def test_labels_that_are_smoothed_away_are_told():
    smoothed = keras.losses.BinaryCrossentropy(label_smoothing=1.0)
    found = diagnose(network(L.Dense(16, "relu"), L.Dense(1, "sigmoid"), loss=smoothed), X, SIDE, epochs=40)
    assert found.causes == ["loss_mismatch"], found
    assert found.findings[0].verified
    assert "- model.compile" in found.findings[0].diff
    assert "label_smoothing=1" in found.findings[0].diff


def test_a_relu_before_the_softmax_is_known_and_left_out():
    cut = program_of(network(L.Dense(4, "relu"), L.Softmax()), 1, 32)
    assert cut_logits(cut.layers)
    assert not cut_logits(with_whole_logits(cut).layers)
    for fine in (L.Dense(4), L.Softmax()), (L.Dense(4, "relu"), L.Dense(1)), (L.Dense(4, "softmax"),):
        assert not cut_logits(program_of(network(*fine), 1, 32).layers)


def test_an_output_that_something_bounds_is_found():
    def clipped(highest):
        return network(*hidden(), L.Lambda(lambda x: keras.ops.clip(x, 0.0, highest)))

    found = diagnose(clipped(0.2), X, SINE, epochs=20)
    assert found.causes == ["output_activation_mismatch"], found
    assert "stays between 0 and 0.2" in found.findings[0].evidence
    data = tf.constant(X), tf.constant(SINE), ()
    assert reach(network(*hidden()), data) == (-np.inf, np.inf)
    assert reach(network(*hidden(), L.ReLU()), data) == (0, np.inf)
    lowest, highest = reach(
        network(L.LSTM(2), shape=(1, 1)), (tf.constant(X[:, None]), tf.constant(np.hstack([SINE, SINE])), ())
    )
    assert -1 <= lowest < -0.7
    assert 0.7 < highest <= 1
