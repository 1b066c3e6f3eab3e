"""`fit_seeds`: each copy as if it were trained alone, the model untouched, and the study that comes out."""

import logging

import keras
import numpy as np
import pytest
from covering import each_night
from keras import layers as L
from keras import ops

from why_wont_it_learn import fit, fit_seeds
from why_wont_it_learn.engine.batches import as_tensors
from why_wont_it_learn.engine.initial_weights import fresh_values
from why_wont_it_learn.engine.records import skill_of, wilson
from why_wont_it_learn.engine.stacked import stacks
from why_wont_it_learn.engine.state import Shape
from why_wont_it_learn.engine.tracing import maps_well

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3)).astype("float32")
Y = np.sin(2 * X[:, :1])
OPTIONS = {"epochs": 3, "batch_size": 16, "validation_split": 0.25}
SEEDS = [3, 7, 11]


class OwnStep(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


class OwnLayer(L.Layer):
    """Does not name the initializer of its weight."""

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 4), name="w")

    def call(self, x):
        return ops.tanh(x @ self.w)


class WithoutConfig(OwnLayer):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor


def compiled(*layers, shape=(3,), cls=keras.Sequential, optimizer=None):
    if cls is keras.Sequential:
        model = keras.Sequential([keras.Input(shape), *layers])
    else:
        x = keras.Input(shape)
        h = x
        for layer in layers:
            h = layer(h)
        model = cls(x, h)
    model.compile(optimizer or keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


MODELS = {
    "dropout and normalization": lambda: compiled(
        L.Dense(8, "tanh"), L.BatchNormalization(), L.Dropout(0.2, seed=1), L.Dense(1)
    ),
    "recurrent": lambda: compiled(L.LSTM(4), L.Dense(1), shape=(5, 2)),
    "long recurrent": lambda: compiled(L.Bidirectional(L.GRU(2)), L.Dense(1), shape=(30, 2)),
    "own step": lambda: compiled(L.Dense(4, "tanh"), L.Dropout(0.2), L.Dense(1), cls=OwnStep),
    "own layer": lambda: compiled(OwnLayer(), L.Dense(1), optimizer=keras.optimizers.Adam(0.01, clipnorm=0.1)),
}


def values_of(model):
    return [v.numpy() for v in (*model.weights, *model.optimizer.variables)]


@pytest.mark.parametrize(("copies", "at_once"), [(1, False), (2, True)])
def test_recurrent_layers_are_unrolled_where_enough_copies_share_the_graph(copies, at_once):
    assert maps_well(compiled(L.LSTM(4, return_sequences=True), L.GRU(2), shape=(10, 1)), copies) == at_once


def test_mapping_a_convolution_prints_nothing(monkeypatch):
    said, handler = [], logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    monkeypatch.setattr(logging.getLogger("tensorflow"), "handlers", [handler])
    monkeypatch.setenv("WHY_WONT_IT_LEARN_CACHE", "")  # so that it is traced
    model = compiled(L.Conv1D(2, 3), L.Flatten(), L.Dense(1), shape=(7, 2))
    assert fit_seeds(model, rng.normal(size=(40, 7, 2)), Y, seeds=2, **OPTIONS).engine == "loop"
    assert said == []


def test_what_cannot_be_mapped_is_told_in_a_sentence_only(caplog):
    model = keras.Sequential([keras.Input((5, 2)), L.Dense(3)])
    model.compile("adam", keras.losses.CTC())
    study = fit_seeds(model, np.ones((4, 5, 2), "float32"), np.ones((4, 1), int), seeds=2, epochs=1)
    assert study.reason.endswith(".")
    assert "pfor" not in caplog.text


@pytest.mark.parametrize("name", MODELS)
def test_each_copy_is_trained_as_if_alone(name):
    make = MODELS[name]
    x = rng.normal(size=(40, *make().input_shape[1:])).astype("float32")
    model = make()
    before = values_of(model)
    study = fit_seeds(model, x, Y, seeds=SEEDS, **OPTIONS)
    assert study.engine == ("model.fit" if name == "own step" else "loop"), study.reason
    after = values_of(model)
    after = after[: len(before)]  # building adds the optimizer's variables
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert study.loss.shape == study.val_loss.shape == (3, 3)
    assert study.skill.shape == (3,)

    for i, alone in enumerate(trained_alone(make, model, study, x, Y)):
        predictions = alone.predict(x[30:], verbose=0)
        np.testing.assert_allclose(study.skill[i], skill_of(alone, Y[30:], [predictions]), rtol=1e-4, atol=1e-5)


def trained_alone(make, model, study, x, y, **more):
    """The copies of a study, each trained by `fit`, whose losses must be those of the study."""
    weights, layers = fresh_values(model, SEEDS)
    for i, seed in enumerate(SEEDS):
        alone = make()
        for v, values in zip(alone.trainable_variables + alone.non_trainable_variables, weights + layers, strict=True):
            v.assign(values[i])
        history = fit(alone, x, y, seed=seed, probes=False, **OPTIONS, **more).history
        # A batched matrix product adds in another order than a single one.
        np.testing.assert_allclose(study.loss[i], history["loss"], rtol=1e-5)
        np.testing.assert_allclose(study.val_loss[i], history["val_loss"], rtol=1e-5)
        yield alone


def dense(*layers, loss="mse", **more):
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile(keras.optimizers.Adam(0.01), loss, **more)
    return model


def functional():
    x = keras.Input((3,))
    model = keras.Model(x, L.Dense(1)(L.ReLU()(L.Dense(4)(x))))
    model.compile("sgd", "mse")
    return model


def residual():
    """Normalization first, where all copies have the same samples, and sums of layers."""
    x = keras.Input((3,))
    h = L.Dense(4)(L.BatchNormalization()(x))
    for normalization in (L.BatchNormalization(), L.LayerNormalization()):
        h = L.Add()([h, L.Activation("tanh")(normalization(L.Dense(4)(h)))])
    h = L.Multiply()([L.GaussianNoise(0.1, seed=1)(h), L.Dense(4, "sigmoid", kernel_regularizer="l1")(x)])
    model = keras.Model(x, L.Dense(1)(h))
    model.compile("rmsprop", "mse")
    return model


class Halved(keras.losses.MeanSquaredError):
    """A class of the reader's own that inherits from one of Keras's."""

    def call(self, y_true, y_pred):
        return super().call(ops.reshape(y_true, (-1, 1)), y_pred) / 2


def called_twice():
    x, layer = keras.Input((3,)), L.Dense(3, "tanh")
    model = keras.Model(x, L.Dense(1)(layer(layer(x))))
    model.compile("sgd", "mse")
    return model


def by_an_operation():
    x = keras.Input((3,))
    model = keras.Model(x, L.Dense(1)(L.Dense(3)(x) + x))
    model.compile("sgd", "mse")
    return model


KIND = rng.integers(0, 3, 40)
# Dense networks, whose copies are traced as one network with an axis of models: the model, targets, what `fit` gets besides.
DENSE = {
    "dropout, L2": (
        lambda: dense(L.Dense(8, "relu", kernel_regularizer="l2"), L.Dropout(0.3, seed=1), L.Dense(1, use_bias=False)), Y, {},
    ),
    "normalization": (
        lambda: dense(  # the gradient of a bias before it is 0, which Adam makes a step of from whatever rounding leaves
            L.Dense(4, use_bias=False), L.BatchNormalization(), L.Dropout(0.2, seed=1), L.ReLU(), L.Dense(1)
        ), Y, {},
    ),
    "frozen normalization": (lambda: dense(L.BatchNormalization(trainable=False), L.Dense(1)), Y, {}),
    "residual": (residual, Y, {}),
    "frozen layer": (lambda: dense(L.Dense(4, "tanh", trainable=False), L.Dense(1)), Y[:, 0], {}),
    "functional": (functional, Y, {"sample_weight": rng.uniform(size=40)}),
    "two classes": (
        lambda: dense(L.Dense(1, "sigmoid"), loss="binary_crossentropy", metrics=["accuracy"]), KIND % 2, {"class_weight": {0: 3}},
    ),
    "labels": (lambda: dense(L.Dense(3, "softmax"), loss="sparse_categorical_crossentropy", metrics=["accuracy"]), KIND, {}),
    "one-hot": (lambda: dense(L.Dense(3, "softmax"), loss="categorical_crossentropy"), np.eye(3)[KIND], {}),
    "logits": (lambda: dense(L.Dense(1), loss=keras.losses.BinaryCrossentropy(from_logits=True)), KIND[:, None] % 2, {}),
    "joined axes": (lambda: dense(L.Reshape((3, 1)), L.Flatten(), L.Dense(4), L.Reshape((2, 2)), L.Flatten(), L.Dense(1)), Y, {}),
    "loss of the reader's own": (lambda: dense(L.Dense(1), loss=lambda y, p: ops.mean((y - p) ** 2, axis=0)), Y, {}),
    "weighted loss of the reader's own": (
        lambda: dense(L.Dense(1), loss=lambda y, p: ops.abs(y - p) ** 1.5), Y, {"sample_weight": rng.uniform(size=40)},
    ),
    "loss that inherits": (lambda: dense(L.Dense(1), loss=Halved()), Y, {}),
    "sum": (lambda: dense(L.Dense(1), loss=keras.losses.MeanSquaredError(reduction="sum")), Y, {}),
    "one target, three outputs": (lambda: dense(L.Dense(3)), Y, {}),
    "two targets, one output": (lambda: dense(L.Dense(1)), np.eye(3)[KIND], {}),
    "several": (lambda: dense(L.Dense(2), L.LeakyReLU(), L.Dense(3, "softplus"), loss="poisson"), np.eye(3)[KIND], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", each_night(list(DENSE), list(DENSE)[::2]))
def test_each_copy_of_a_dense_network_is_trained_as_if_alone(name):
    make, y, more = DENSE[name]
    model = make()
    assert stacks(model, Shape(models=3), [as_tensors((X, y, None), "data")])
    study = fit_seeds(model, X, y, seeds=SEEDS, **OPTIONS, **more)
    assert study.engine == "loop", study.reason
    assert len(list(trained_alone(make, model, study, X, y, **more))) == 3


# What may not be stacked: a layer that does not treat every axis but the last one alike, several losses, or no chain of calls.
MAPPED = {
    "layer called twice": (called_twice, Y),
    "sum that is no layer": (by_an_operation, Y),
    "layer of sequences": (lambda: dense(L.Reshape((3, 1)), L.Dense(2), L.Flatten(), L.Dense(1)), Y),
    "activation of the reader's own": (lambda: dense(L.Dense(4, lambda z: z / ops.max(z, axis=0)), L.Dense(1)), Y),
    "half precision": (lambda: dense(L.Dense(4, dtype="mixed_float16"), L.Dense(1)), Y),
    "weighted loss": (lambda: dense(L.Dense(1), loss_weights=[2.0]), Y),
}


@pytest.mark.parametrize("name", MAPPED)
def test_other_networks_are_mapped(name):
    make, y = MAPPED[name]
    assert not stacks(make(), Shape(models=3), [as_tensors((X, y, None), "data")])


def test_a_copy_does_not_depend_on_its_neighbours():
    model = MODELS["dropout and normalization"]()
    one = fit_seeds(model, X, Y, seeds=[3, 7], **OPTIONS)
    other = fit_seeds(model, X, Y, seeds=[7, 9], **OPTIONS)
    np.testing.assert_allclose(one.loss[1], other.loss[0], rtol=1e-6)
    assert not np.allclose(one.loss[0], other.loss[0], rtol=1e-3)


def test_blocks_are_filled_up(monkeypatch):
    model = MODELS["dropout and normalization"]()
    whole = fit_seeds(model, X, Y, seeds=3, **OPTIONS)
    monkeypatch.setattr("why_wont_it_learn.engine.training.SEEDS_AT_ONCE", 2)
    calls = []
    blocks = fit_seeds(model, X, Y, seeds=3, on_progress=lambda *done: calls.append(done), **OPTIONS)
    np.testing.assert_allclose(whole.loss, blocks.loss, rtol=1e-5)
    np.testing.assert_allclose(whole.skill, blocks.skill, rtol=1e-4, atol=1e-5)
    assert calls[-1] == (9, 9)
    assert calls == sorted(calls)


def test_weights_are_drawn_anew_and_frozen_ones_stay():
    model = keras.Sequential(
        [keras.Input((3,)), L.Dense(4, trainable=False), L.BatchNormalization(), L.Dropout(0.1), L.LSTMCell(1)][:4]
    )
    model.add(L.Dense(2, kernel_initializer=keras.initializers.RandomNormal(seed=5)))
    model.compile("sgd", "mse")
    weights, layers = fresh_values(model, [0, 1, 2])
    by_name = {
        v.path.split("/", 1)[-1].split("/")[-1]: values
        for v, values in zip(model.trainable_variables, weights, strict=True)
    }
    assert not np.allclose(by_name["kernel"][0], by_name["kernel"][1])  # in spite of the seed that it was given
    assert np.all(by_name["gamma"] == 1)
    for v, values in zip(model.non_trainable_variables, layers, strict=True):
        if v.name in ("kernel", "bias"):
            assert np.array_equal(values[2], v.numpy())
        elif v.name == "seed_generator_state":
            assert len(set(values[:, 0])) == 3
        else:
            assert np.all(values == (1 if "variance" in v.name else 0))


def test_whole_numbers_are_not_drawn():
    model = compiled(L.Dense(4), L.Dense(1))
    model.quantize("int8")
    model.compile("adam", "mse")
    _, layers = fresh_values(model, [0, 1])
    for v, values in zip(model.non_trainable_variables, layers, strict=True):
        np.testing.assert_array_equal(values, [v.numpy()] * 2)
    assert fit_seeds(model, X, Y, seeds=2, **OPTIONS).engine == "loop"


def test_the_forget_bias_of_lstm_starts_at_one():
    model = compiled(L.LSTM(4), L.Dense(1), shape=(5, 2))
    bias = model.trainable_variables[2].numpy()
    weights, _ = fresh_values(model, [0])
    assert np.array_equal(weights[2][0], bias)


def test_a_model_that_cannot_be_copied_is_an_error():
    with pytest.raises(ValueError, match="No fresh copy of the layer .* can be made"):
        fit_seeds(compiled(WithoutConfig(object()), L.Dense(1)), X, Y, seeds=2)


def test_a_sequential_without_an_input_takes_batches_of_any_size():
    model = keras.Sequential([L.Dense(4), L.Dense(1)])
    model.compile("adam", "mse")
    assert fit_seeds(model, X, Y, seeds=2).engine == "loop"
    assert model.inputs[0].shape == (None, 3)


def test_a_model_of_one_batch_size_is_trained_and_asked_in_such_batches():
    model = keras.Sequential([keras.Input(batch_shape=(10, 5, 2)), L.LSTM(2, stateful=True), L.Dense(1)])
    model.compile("adam", "mse")
    x = rng.normal(size=(40, 5, 2)).astype("float32")
    given = {"seeds": 2, "batch_size": 10}
    study = fit_seeds(model, x, Y, validation_data=(x[:20], Y[:20]), **given)
    assert study.reason == "The model takes batches of one fixed size."
    assert np.isfinite(study.skill).all()
    for wrong in {"batch_size": 20}, {"validation_split": 0.375}:
        with pytest.raises(ValueError, match="batches of 10 samples only, .* give batch_size=10, and multiples of 10"):
            fit_seeds(model, x, Y, **given | wrong)


def test_skill_of_a_constant_is_0_and_of_the_truth_1():
    model = compiled(L.Dense(1))
    assert skill_of(model, Y, [np.full_like(Y, Y.mean())]) == pytest.approx(0, abs=1e-6)
    assert skill_of(model, Y, [Y]) == 1
    assert np.isnan(skill_of(model, np.ones_like(Y), [Y]))
    labels = np.array([0, 1, 1, 2])
    for loss, y in (("sparse_categorical_crossentropy", labels), ("categorical_crossentropy", np.eye(3)[labels])):
        model.compile("sgd", loss)
        assert skill_of(model, y, [np.eye(3)[[1, 1, 1, 1]]]) == 0
        assert skill_of(model, y, [np.eye(3)[[0, 1, 1, 1]]]) == pytest.approx(0.5)
    tags = np.array([[0, 1], [1, 1], [0, 0]])  # several labels, each 0 or 1
    for loss in ("binary_crossentropy", "bce", keras.losses.BinaryCrossentropy(name="of_mine")):
        model.compile("sgd", loss)
        assert skill_of(model, tags, [np.abs(tags - 0.1)]) == 1
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    assert skill_of(model, np.array([0, 0, 1]), [np.array([[-1.0], [0.2], [0.3]])]) == pytest.approx(0)
    assert skill_of(model, np.array([0, 0, 1]), [np.array([[-1.0], [np.nan], [0.3]])]) == pytest.approx(0)


@pytest.mark.parametrize(
    ("loss", "y", "predictions", "skill"),
    [
        ("hinge", [-1, 1, 1, -1], [[-3.0], [9.0], [0.1], [-0.1]], 1),
        (keras.losses.SquaredHinge(), [0, 1, 1, 0], [[-3.0], [9.0], [-0.1], [-0.1]], 0.5),
        ("categorical_hinge", np.eye(2)[[0, 0, 1, 1]], np.eye(2)[[0, 0, 0, 1]], 0.5),
        (keras.losses.SparseCategoricalCrossentropy(ignore_class=-1), [0, 1, -1, -1], np.eye(2)[[0, 1, 1, 1]], 1),
    ],
)
def test_skill_where_the_targets_are_classes_of_another_kind(loss, y, predictions, skill):
    model = compiled(L.Dense(len(predictions[0])))
    model.compile("sgd", loss)
    assert skill_of(model, np.array(y), [np.array(predictions)]) == pytest.approx(skill)


def test_outputs_that_only_the_loss_understands_have_no_skill():
    spread = dense(L.Dense(2), loss=lambda y, p: (y - p[:, :1]) ** 2 * ops.exp(-p[:, 1:]) + p[:, 1:])
    study = fit_seeds(spread, X, Y, seeds=SEEDS, **OPTIONS)
    assert np.isnan(study.skill).all()
    assert study.verdict.startswith("These outputs and targets do not show whether it learned")
    study = fit_seeds(spread, X, Y, seeds=SEEDS, **OPTIONS, score=lambda y, p: 1 - np.mean((y - p[0][:, :1]) ** 2))
    assert study.verdict.startswith("Learned with 0 of 3")


def test_success_rate_and_its_interval():
    low, high = wilson(29, 100)
    assert (round(low, 2), round(high, 2)) == (0.21, 0.39)
    assert wilson(0, 5)[0] == 0
    assert wilson(5, 5)[1] == 1
    study = fit_seeds(compiled(L.Dense(1)), X, X[:, :1], seeds=2, epochs=1)
    assert study.val_loss is None
    assert study.verdict.startswith("Learned with 0 of 2 seeds (0% to ")


def test_a_score_of_ones_own_takes_the_place_of_the_skill():
    def worst(targets, predictions):
        return float(np.abs(np.asarray(targets) - predictions[0]).max())

    study = fit_seeds(compiled(L.Dense(1)), X, Y, seeds=SEEDS, score=worst, **OPTIONS)
    plain = fit_seeds(compiled(L.Dense(1)), X, Y, seeds=SEEDS, **OPTIONS)
    np.testing.assert_array_equal(study.loss, plain.loss)
    assert study.skill.shape == (3,)
    assert (study.skill > 0.5).all()  # the largest error of a line for a wave of height 1
    assert not np.allclose(study.skill, plain.skill)
