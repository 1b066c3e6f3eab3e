"""What is said of a model before its first step: each fault of its kind is named, and nothing in programs that learn."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from why_wont_it_learn.diagnosis.before_training import before_training
from why_wont_it_learn.diagnosis.model_call import sample_of
from why_wont_it_learn.engine.tracing import build

L, ops = keras.layers, keras.ops
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 6)).astype("float32")
NUMBER = (X[:, :1] * X[:, 1:2] + X[:, 2:3]).astype("float32")
YES = (NUMBER[:, 0] > 0).astype("int64")
CLASS = np.digitize(NUMBER[:, 0], [-0.5, 0.5])
ONE_HOT = np.eye(3, dtype="float32")[CLASS]
SEQUENCE = RNG.normal(size=(120, 5, 2)).astype("float32")
LABELS = np.random.default_rng(2).integers(1, 5, (120, 2))
# Three to five words, then padding.
PADDED = np.pad(np.random.default_rng(3).integers(1, 9, (120, 5)), [(0, 0), (0, 295)])
PADDED[::2, 3:] = 0
PICTURES = np.random.default_rng(1).uniform(size=(120, 4, 4, 1)).astype("float32")


class Lost(L.Layer):
    """A layer whose output has no gradient, or whose weights do not count."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)


class Subclassed(keras.Model):
    def __init__(self, last):
        super().__init__()
        self.hidden, self.last = L.Dense(8, "relu"), last

    def call(self, x):
        return self.last(self.hidden(x))


class Made(L.Layer):
    """A dense layer that computes with what it has made of its kernel once."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 8), name="kernel")
        self.bias = self.add_weight(shape=(8,), name="bias")
        self.made = ops.convert_to_tensor(self.kernel) * 2.0

    def call(self, x):
        return ops.tanh(ops.matmul(x, self.made) + self.bias)


class OwnLoss(keras.losses.Loss):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, y_true, y_pred):
        return self.function(y_true, y_pred)


def squared(y, p):
    return ops.mean(ops.square(y - p), axis=-1)


def logits_loss(y, p):
    return tf.nn.softmax_cross_entropy_with_logits(y, p)


def network(*layers, loss="mse", shape=(6,), optimizer="adam"):
    model = keras.Sequential([keras.Input(shape), *layers])
    model.compile(optimizer=optimizer, loss=loss)
    return model


def hidden_in_a_lambda():
    inner = keras.Sequential([keras.Input((6,)), L.Dense(8, "relu")])
    return network(L.Lambda(lambda x: inner(x), output_shape=(8,)), L.Dense(1)), X, NUMBER


def frozen(trained=False):
    base = keras.Sequential([keras.Input((6,)), L.Dense(8, "relu"), L.Dense(8, "relu")])
    if trained:
        base.set_weights([RNG.normal(size=w.shape) for w in base.get_weights()])
    base.trainable = False
    return network(base, L.Dense(1)), X, NUMBER


def two_outputs(loss, loss_weights=None):
    inputs = keras.Input((6,))
    h = L.Dense(8, "relu")(inputs)
    model = keras.Model(inputs, {"a": L.Dense(1, name="a")(h), "b": L.Dense(3, "softmax", name="b")(h)})
    model.compile(optimizer="adam", loss=loss, loss_weights=loss_weights)
    return model, X, {"a": 1e4 * NUMBER, "b": ONE_HOT}


def through(function, *before):
    return network(*before, L.Dense(8, "tanh"), Lost(function), L.Dense(1)), X, NUMBER


def pictures(y):
    return network(L.Conv2D(1, 3, padding="same", activation="relu"), shape=(4, 4, 1)), PICTURES, y


def reading(mask_zero):
    return network(L.Embedding(9, 4, mask_zero=mask_zero), L.LSTM(4), L.Dense(1), shape=(300,)), PADDED, NUMBER


FAULTS = {
    "padding read last": (lambda: reading(False), "label_or_data_bug", "Nothing is left of what came before"),
    "in a Lambda": (hidden_in_a_lambda, "frozen_weights", "inside a Lambda"),
    "frozen as it was made": (frozen, "frozen_weights", "trainable is False"),
    "rounded": (lambda: through(ops.round), "vanishing_gradient", "exactly 0"),
    "threshold": (lambda: through(lambda x: ops.cast(x > 0, "float32"), L.Dense(8, "relu")), "vanishing_gradient", "dense"),
    "sign": (lambda: through(ops.sign), "vanishing_gradient", "no gradient"),
    "argmax": (
        lambda: through(lambda x: ops.one_hot(ops.argmax(x, -1), 8)), "vanishing_gradient", "argmax",
    ),
    "softmax over one step": (
        lambda: through(lambda x: x * ops.softmax(ops.mean(x, -1, keepdims=True), axis=-1)), "vanishing_gradient", "always 1",
    ),
    "made of a kernel once": (lambda: (network(Made(), L.Dense(1)), X, NUMBER), "frozen_weights", "No gradient reaches the kernel of made"),
    "measurements as IDs": (
        lambda: (network(L.Embedding(4, 8), L.Flatten(), L.Dense(1)), np.abs(X) / 8, NUMBER), "label_or_data_bug", "not whole numbers",
    ),
    "stopped": (lambda: through(ops.stop_gradient), "vanishing_gradient", "exactly 0"),
    "dead from the start": (
        lambda: (network(L.Dense(8, "relu", bias_initializer=keras.initializers.Constant(-50)), L.Dense(1)), X, NUMBER),
        "dead_relu", "outputs 0 for every sample",
    ),
    "saturated from the start": (
        lambda: (network(L.Dense(8, "tanh", bias_initializer=keras.initializers.Constant(50)), L.Dense(1)), X, NUMBER),
        "saturated_activation", "flat end",
    ),
    "outputs saturated from the start": (
        lambda: (network(L.Dense(2, "tanh", kernel_initializer=keras.initializers.Constant(9))), np.abs(X) + 1, np.tanh(X[:, :2])),
        "saturated_activation", "every output of the tanh",
    ),
    "softmax over one channel": (
        lambda: (network(L.Conv2D(1, 1, activation="softmax"), loss="binary_crossentropy", shape=(4, 4, 1)), PICTURES,
                 (PICTURES > 0.5).astype("float32")),
        "output_activation_mismatch", "always 1",
    ),
    "penalised and rounded": (
        lambda: (network(L.Dense(8, "tanh", kernel_regularizer="l2"), Lost(ops.round), L.Dense(1)), X, NUMBER),
        "vanishing_gradient", "exactly 0",
    ),
    "subclassed": (lambda: (compiled(Subclassed(Lost(lambda x: ops.round(ops.mean(x, -1, keepdims=True))))), X, NUMBER),
                   "vanishing_gradient", "exactly 0"),
    "pictures below 0": (lambda: pictures(PICTURES - 0.5), "output_activation_mismatch", "never below 0"),
    "broadcast": (lambda: (network(L.Dense(1), loss=OwnLoss(squared)), X, NUMBER[:, 0]), "loss_mismatch", "(n,) and"),
    "the wrong sign": (
        lambda: (network(L.Dense(1), loss=lambda y, p: -squared(y, p)), X, NUMBER), "loss_mismatch", "does not fall",
    ),
    "softmax twice": (
        lambda: (network(L.Dense(3, "softmax"), loss=logits_loss), X, ONE_HOT), "loss_mismatch", "already a probability",
    ),
    "sigmoid twice": (
        lambda: (
            network(L.Dense(1, "sigmoid"), loss=keras.losses.BinaryCrossentropy(from_logits=True)), X, YES,
        ), "loss_mismatch", "already a probability",
    ),
    "log of a negative": (
        lambda: (network(L.Dense(1), loss=lambda y, p: -ops.mean(y * ops.log(p) + (1 - y) * ops.log(1 - p), -1)), X,
                 YES[:, None].astype("float32")),
        "output_activation_mismatch", "nothing keeps the output",
    ),
    "log of targets below 0": (
        lambda: (network(L.Dense(1, "softplus"), loss=lambda y, p: ops.mean(ops.square(ops.log(y) - ops.log(p)), -1)), X,
                 NUMBER),
        "loss_mismatch", "nan for predictions that equal",
    ),
    "root of each error": (
        lambda: (network(L.Dense(1, "relu"), loss=lambda y, p: ops.sqrt(squared(y, p))), X, np.maximum(NUMBER, 0)),
        "loss_mismatch", "slope is not a number",
    ),
    "one of two outputs": (
        lambda: two_outputs({"a": "mse", "b": logits_loss}), "loss_mismatch", "output 'b'",
    ),
    "one output drowns the other": (
        lambda: two_outputs({"a": "mse", "b": "categorical_crossentropy"}), "unscaled_targets", "the loss of the output 'a'",
    ),
    "NaN": (lambda: (network(L.Dense(1)), np.where(X > 2, np.nan, X), NUMBER), "missing_values", "inputs are NaN"),
    "NaN targets": (lambda: (network(L.Dense(1)), X, np.where(X[:, :1] > 2, np.nan, 0)), "missing_values", "targets"),
    "constant targets": (lambda: (network(L.Dense(1)), X, np.ones(120)), "label_or_data_bug", "targets are the same"),
    "far inputs": (lambda: (network(L.Dense(8, "tanh"), L.Dense(1)), 1e4 * X, NUMBER), "unscaled_inputs", "deviation"),
    "far targets": (lambda: (network(L.Dense(8, "tanh"), L.Dense(1)), X, 1e4 * NUMBER), "unscaled_targets", "targets"),
    "softmax of one": (
        lambda: (network(L.Dense(1, "softmax"), loss="binary_crossentropy"), X, YES), "output_activation_mismatch", "single",
    ),
    "labels below 0": (
        lambda: (network(L.Dense(2, "softmax"), loss="sparse_categorical_crossentropy"), X, 2 * YES - 1),
        "label_or_data_bug", "from -1 to 1; sparse_categorical_crossentropy with this output takes 0 to 1",
    ),
    "more labels than units": (
        lambda: (network(L.Dense(2), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)), X, CLASS),
        "label_or_data_bug", "from 0 to 2",
    ),
    "labels of one unit": (
        lambda: (network(L.Dense(1, "sigmoid"), loss="binary_crossentropy"), X, YES + 1), "label_or_data_bug", "from 1 to 2",
    ),
    "labels of positions": (
        lambda: (network(L.Dense(2, "softmax"), loss="sparse_categorical_crossentropy", shape=(5, 2)), SEQUENCE,
                 1 + (SEQUENCE[:, :, 0] > 0)),
        "label_or_data_bug", "from 1 to 2",
    ),
    "other numbers than targets": (lambda: (network(L.Dense(3)), X, NUMBER), "output_activation_mismatch", "predicts 3 numbers"),
    "relu output": (
        lambda: (network(L.Dense(1, "relu")), X, NUMBER - NUMBER.mean()), "output_activation_mismatch", "below 0",
    ),
}  # fmt: skip


def compiled(model, loss="mse"):
    model.compile(optimizer="adam", loss=loss)
    return model


def recurrent():
    model = network(L.LSTM(4), L.Dense(1), shape=(5, 2))
    return model, SEQUENCE, NUMBER


def attention_to_one():
    inputs = keras.Input((1, 6))
    attended = L.Flatten()(L.MultiHeadAttention(2, 4)(inputs, inputs))
    return compiled(keras.Model(inputs, L.Dense(1)(attended))), X[:, None], NUMBER


def of_known(y, p):
    known = ops.logical_not(ops.isnan(y))
    return ops.mean(ops.where(known, ops.square(ops.where(known, y, 0.0) - p), 0.0), axis=-1)


def contrastive(y, p):
    return ops.mean(y * ops.square(p) + (1 - y) * ops.square(ops.maximum(1 - p, 0)), axis=-1)


HEALTHY = {
    "padding that is masked": lambda: reading(True),
    "regression": lambda: (network(L.Dense(8, "relu"), L.Dense(1)), X, NUMBER),
    "one column": lambda: (network(L.Dense(8, "relu"), L.Dense(1)), X, NUMBER[:, 0]),
    "binary": lambda: (network(L.Dense(1, "sigmoid"), loss="binary_crossentropy"), X, YES),
    "logits": lambda: (network(L.Dense(1), loss=keras.losses.BinaryCrossentropy(from_logits=True)), X, YES),
    "labels": lambda: (network(L.Dense(3, "softmax"), loss="sparse_categorical_crossentropy"), X, CLASS),
    "labels that the loss leaves out": lambda: (
        network(L.Dense(3, "softmax"), loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=-1)), X, np.where(X[:, 0] > 1, -1, CLASS),
    ),
    "one-hot": lambda: (network(L.Dense(3, "softmax"), loss="categorical_crossentropy"), X, ONE_HOT),
    "class logits": lambda: (network(L.Dense(3), loss=logits_loss), X, ONE_HOT),
    "smoothed labels": lambda: (
        network(L.Dense(1, "sigmoid"), loss=keras.losses.BinaryCrossentropy(label_smoothing=0.2)), X, YES,
    ),
    "smoothed one-hot": lambda: (
        network(L.Dense(3, "softmax"), loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.4)), X, ONE_HOT,
    ),
    "squared error of classes": lambda: (network(L.Dense(3, "softmax"), loss="mse"), X, ONE_HOT),
    "hinge": lambda: (network(L.Dense(1, "tanh"), loss="hinge"), X, 2 * YES[:, None] - 1),
    "counts": lambda: (network(L.Dense(1, "exponential"), loss="poisson"), X, RNG.poisson(2, (120, 1))),
    "cosine": lambda: (network(L.Dense(3), loss="cosine_similarity"), X, keras.utils.normalize(X[:, :3])),
    "own loss": lambda: (network(L.Dense(1), loss=OwnLoss(squared)), X, NUMBER),
    "root of all errors": lambda: (
        network(L.Dense(1, "relu"), loss=lambda y, p: ops.sqrt(ops.mean(squared(y, p)))), X, np.maximum(NUMBER, 0),
    ),
    "a distance": lambda: (network(L.Dense(1, "relu"), loss=contrastive), X, YES[:, None].astype("float32")),
    "zeros at the end": lambda: (network(L.Dense(8, "tanh"), L.Dense(1, kernel_initializer="zeros")), X, NUMBER),
    "a trained base": lambda: frozen(trained=True),
    "dropout and normalisation": lambda: (
        network(L.Dense(8), L.BatchNormalization(), L.ReLU(), L.Dropout(0.5), L.Dense(1)), X, NUMBER,
    ),
    "recurrent": recurrent,
    "attention to one": attention_to_one,
    "two outputs": lambda: (lambda m, x, y: (m, x, y | {"a": NUMBER}))(
        *two_outputs({"a": "mse", "b": "categorical_crossentropy"})
    ),
    "two outputs with weights": lambda: two_outputs({"a": "mse", "b": "categorical_crossentropy"}, {"a": 1e-8, "b": 1.0}),
    "sequences of other lengths": lambda: (network(L.Dense(5), loss=keras.losses.CTC(), shape=(5, 2)), SEQUENCE, LABELS),
    "sequences of one label": lambda: (network(L.Dense(5), loss=keras.losses.CTC(), shape=(5, 2)), SEQUENCE, LABELS[:, :1]),
    "targets that the loss leaves out": lambda: (network(L.Dense(1), loss=of_known), X, np.where(X[:, :1] > 1, np.nan, NUMBER)),
    "a logarithm of what is never 0": lambda: (
        network(L.Dense(3, "softmax"), loss=lambda y, p: -ops.sum(y * ops.log(p), -1)), X, ONE_HOT * (1 + X[:, :1] ** 2),
    ),
    "subclassed": lambda: (compiled(Subclassed(L.Dense(1))), X, NUMBER),
    "scaled inside": lambda: (network(L.BatchNormalization(), L.Dense(8, "relu"), L.Dense(1)), 1e4 * X, NUMBER),
    "booleans": lambda: (
        network(L.LSTM(4, return_sequences=True), L.Dense(2, "softmax"), loss="categorical_crossentropy", shape=(5, 2)),
        SEQUENCE > 0, np.stack([SEQUENCE[:, :, 0] > 0, SEQUENCE[:, :, 0] <= 0], -1),
    ),
    "pictures": lambda: pictures(PICTURES),
    "bytes": lambda: (network(L.Dense(8, "relu"), L.Dense(1)), 255 * (X > 0), NUMBER),
    "tokens": lambda: (
        network(L.Embedding(5000, 4), L.Flatten(), L.Dense(1), shape=(3,)), RNG.integers(0, 5000, (120, 3)), NUMBER,
    ),
}  # fmt: skip


def looked_at(model, x, y):
    keras.utils.set_random_seed(0)
    data = sample_of(x, y, 256)
    build(model, data)
    return before_training(model, data)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name):
    program, cause, words = FAULTS[name]
    findings = looked_at(*program())
    assert [finding.cause for finding in findings][:1] == [cause], findings
    assert words in findings[0].evidence
    assert findings[0].fix.endswith(".")


def test_the_shape_of_the_targets_is_blamed_only_where_another_helps():
    (finding,) = looked_at(network(L.Dense(1), loss=lambda y, p: -squared(y, p)), X, NUMBER[:, 0])
    assert finding.cause == "loss_mismatch"
    assert "(n,)" not in finding.evidence


@pytest.mark.parametrize("name", HEALTHY)
def test_a_program_that_learns_gets_no_finding(name):
    assert looked_at(*HEALTHY[name]()) == []


def test_the_model_is_left_as_it_is():
    model, x, y = HEALTHY["dropout and normalisation"]()
    before = [v.numpy() for v in model.variables]
    looked_at(model, x, y)
    assert all(np.array_equal(a, v.numpy()) for a, v in zip(before, model.variables, strict=True))


def test_samples_are_read_without_using_data_up():
    batches = tf.data.Dataset.from_tensor_slices((X, NUMBER)).batch(16)
    x, y, _ = sample_of(batches, None, 256)
    assert (x.shape, y.shape) == ((16, 6), (16, 1))
    assert sample_of(X, NUMBER, 50)[0].shape == (50, 6)
    for unread in ((None, None), (iter([(X, NUMBER)]), None), (X, None)):
        assert sample_of(*unread, 50) is None
