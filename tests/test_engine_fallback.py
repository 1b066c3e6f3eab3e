"""What the loop cannot hold goes through `model.fit`: noticed before training, said in the record, with the same numbers."""

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
from keras import layers as L
from keras import ops

from why_wont_it_learn import fit, fit_seeds
from why_wont_it_learn.engine import training
from why_wont_it_learn.engine.batches import Batches, prepare

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3)).astype("float32")
Y = np.sin(2 * X[:, :1])


class OwnStep(keras.Model):
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = 2 * ops.mean(ops.abs(y - self(x, training=True)))
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        return {"loss": loss}


class Counts(L.Layer):
    """Writes to a variable that Keras does not know."""

    def __init__(self):
        super().__init__()
        self.hidden_from_keras = [tf.Variable(0.0)]

    def call(self, x):
        self.hidden_from_keras[0].assign_add(1.0)
        return x


class Draws(L.Layer):
    def __init__(self, draw):
        super().__init__()
        self.draw = draw

    def call(self, x):
        return x + 0.1 * self.draw(tf.shape(x))


class Vector(keras.metrics.MeanAbsoluteError):
    def result(self):
        return tf.stack([super().result(), 0.0])


def model_of(*layers, cls=keras.Sequential, optimizer=None, **options):
    x = keras.Input((3,))
    layers = layers or (L.Dense(4, "tanh"), L.Dense(1))
    if cls is keras.Sequential:
        model = keras.Sequential([x, *layers])
    else:
        h = x
        for layer in layers:
            h = layer(h)
        model = cls(x, h)
    model.compile(optimizer or keras.optimizers.Adam(0.01), "mse", **options)
    return model


def excluding():
    optimizer = keras.optimizers.AdamW(0.01)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return model_of(optimizer=optimizer)


def fixed_batch():
    model = keras.Sequential([keras.Input(batch_shape=(8, 3)), L.Dense(1)])
    model.compile("sgd", "mse")
    return model


def refrozen():
    model = model_of()
    model.optimizer.build(model.trainable_variables)
    model.layers[0].trainable = False
    return model


def in_float8():
    model = model_of()
    model.trainable_variables[0].overwrite_with_gradient = True
    return model


# what the reason says: a model that the loop must not train
CANNOT = {
    "own train_step": lambda: model_of(cls=OwnStep),
    "accumulates gradients": lambda: model_of(optimizer=keras.optimizers.Adam(gradient_accumulation_steps=2)),
    "moving average": lambda: model_of(optimizer=keras.optimizers.Adam(use_ema=True)),
    "excluded from weight decay": excluding,
    "runs eagerly": lambda: model_of(run_eagerly=True),
    "several steps at once": lambda: model_of(steps_per_execution=4),
    "one fixed size": fixed_batch,
    "built for other weights": refrozen,
    "replaces weights by their gradients": in_float8,
    "compiled by XLA": lambda: model_of(L.Dropout(0.1), L.Dense(1), jit_compile=True),
    "changes its trainable weights": lambda: model_of(L.SpectralNormalization(L.Dense(4)), L.Dense(1)),
    "variable": lambda: model_of(Counts(), L.Dense(1)),
    "RandomStandardNormal": lambda: model_of(Draws(tf.random.normal), L.Dense(1)),
    "a variable that is not one of its weights": lambda: model_of(Draws(keras.random.normal), L.Dense(1)),
    "not a single number": lambda: model_of(metrics=[Vector(name="vector")]),
    "PyFunc": lambda: model_of(
        L.Lambda(lambda x: tf.reshape(tf.numpy_function(np.tanh, [x], "float32"), (-1, 3))), L.Dense(1)
    ),
    "no weights to train": lambda: model_of(L.Dense(1, trainable=False)),
}


@pytest.mark.parametrize("reason", CANNOT)
def test_it_is_noticed_before_training(reason):
    model = CANNOT[reason]()
    before = [w.copy() for w in model.get_weights()]
    data, validation = prepare(X, Y, None, None, None, 0)
    with pytest.raises(Exception, match="(?s).") as error:
        training._job(model, data, validation, Batches.of(40, 16, [0], True), 16, 1, training.Shape())
    assert reason in training._reason(error.value)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_the_record_is_that_of_model_fit():
    def trained(how):
        keras.utils.set_random_seed(0)
        model = model_of(L.Dense(4, "tanh"), L.BatchNormalization(), L.Dense(1), cls=OwnStep)
        return how(model, X, Y, epochs=2, batch_size=16, shuffle=False, validation_data=(X, Y)), model

    history, reference = trained(lambda model, *a, **k: model.fit(*a, **k, verbose=0).history)
    calls = []
    record, model = trained(lambda *a, **k: fit(*a, **k, on_progress=lambda *done: calls.append(done)))
    assert record.engine == "model.fit"
    assert record.reason == "The model has its own train_step."
    assert list(record.history) == list(history)
    for name in history:
        np.testing.assert_allclose(record.history[name], history[name], rtol=1e-6)
    np.testing.assert_allclose(model.get_weights()[0], reference.get_weights()[0], rtol=1e-5)
    assert record.gradient_norm.shape == record.update_ratio.shape == (2, 2)
    assert record.dead.shape == record.saturated.shape == (2, 1)
    assert np.all(record.gradient_norm > 0)
    assert calls == [(1, 2), (2, 2)]


def test_the_order_of_the_batches_is_the_same_on_both_ways():
    def losses(**options):
        keras.utils.set_random_seed(0)
        return fit(model_of(**options), X, Y, epochs=2, batch_size=16, seed=5)

    loop, by_keras = losses(), losses(run_eagerly=True)
    assert (loop.engine, by_keras.engine) == ("loop", "model.fit")
    np.testing.assert_allclose(loop.history["loss"], by_keras.history["loss"], rtol=1e-5)
    np.testing.assert_allclose(loop.gradient_norm, by_keras.gradient_norm, rtol=1e-4)
    np.testing.assert_allclose(loop.update_ratio, by_keras.update_ratio, rtol=1e-4)


class Sequence(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return X[20 * index :][:20], Y[20 * index :][:20]


@pytest.mark.parametrize(
    "data", [lambda: tf.data.Dataset.from_tensor_slices((X, Y)).batch(16), Sequence], ids=["tf.data", "PyDataset"]
)
def test_data_that_only_keras_reads(data):
    record = fit(model_of(), data(), epochs=2)
    assert record.engine == "model.fit"
    assert "which only model.fit can read" in record.reason
    assert len(record.history["loss"]) == 2


def reads_text():
    words = L.TextVectorization(vocabulary=["good", "bad"], output_sequence_length=3)
    model = keras.Sequential([keras.Input((), dtype="string"), words, L.Embedding(4, 2), L.Flatten(), L.Dense(1)])
    model.compile("adam", "mse")
    return model


NOT_NUMBERS = {
    "TextVectorization": (reads_text, lambda: tf.constant(["good", "bad"] * 20)),
    ".toarray()": (model_of, lambda: scipy.sparse.csr_matrix(X)),
    "tf.sparse.to_dense": (model_of, lambda: tf.sparse.from_dense(X)),
    ".to_tensor()": (model_of, lambda: tf.RaggedTensor.from_tensor(X)),
}


@pytest.mark.parametrize("words", NOT_NUMBERS)
def test_what_is_no_array_of_numbers_is_trained_by_keras_and_from_seeds_refused(words):
    make, x = NOT_NUMBERS[words]
    record = fit(make(), x(), Y)
    assert record.engine == "model.fit"
    with pytest.raises(ValueError, match="which only model.fit can read") as refusal:
        fit_seeds(make(), x(), Y, seeds=2)
    assert words in str(refusal.value)
    assert str(refusal.value) == record.reason


def test_the_numbers_of_a_text_are_trained_by_the_loop():
    whole = reads_text()
    rest = keras.Sequential([keras.Input((3,)), *whole.layers[1:]])
    rest.compile("adam", "mse")
    assert fit_seeds(rest, whole.layers[0](NOT_NUMBERS["TextVectorization"][1]()), Y, seeds=2).engine == "loop"


def test_what_keras_does_not_accept_keras_says():
    with pytest.raises(ValueError, match="cardinality"):
        fit(model_of(), X, Y[:20])
