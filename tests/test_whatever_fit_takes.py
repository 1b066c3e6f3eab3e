"""`diagnose` takes whatever `model.fit` takes: every kind of model and of data gets a report, and none an exception."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from clocks import Ticks, Work
from keras import layers, ops

from why_wont_it_learn import Watch, diagnose, fit, fit_seeds
from why_wont_it_learn.diagnosis.checks import cut_anew, same_batches, unmixed_batches
from why_wont_it_learn.diagnosis.data import data_of
from why_wont_it_learn.diagnosis.fixes import without_regularization
from why_wont_it_learn.diagnosis.given import drawn, known_validation
from why_wont_it_learn.diagnosis.joined import joined, needs_joining, with_own_meaning
from why_wont_it_learn.diagnosis.measure import growing_steps, regularization, scales_itself, with_bounded_state
from why_wont_it_learn.diagnosis.own_step import as_given
from why_wont_it_learn.program import program_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 6)).astype("float32")
Y = (X[:, 0] * X[:, 1] + X[:, 2]).astype("float32")
KIND = np.arange(120) % 3
LABELS = (X[:, 0] > 0).astype("int64")
SERIES = RNG.normal(size=(120, 5, 2)).astype("float32")
WORDS = RNG.integers(0, 50, (120, 5))
PICTURES = RNG.normal(size=(80, 6, 6, 1)).astype("float32")
Dense = layers.Dense


def chain(*some, shape=(6,), loss="mse"):
    model = keras.Sequential([keras.Input(shape), *some])
    model.compile("adam", loss)
    return model


def two_inputs():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    model = keras.Model({"a": a, "b": b}, Dense(1)(Dense(8, "relu")(layers.Concatenate()([a, b]))))
    model.compile("adam", "mse")
    return model


def two_outputs(loss=("mse", "binary_crossentropy"), **weights):
    inputs = keras.Input((6,))
    hidden = Dense(8, "relu")(inputs)
    model = keras.Model(inputs, [Dense(1, name="size")(hidden), Dense(1, "sigmoid", name="sign")(hidden)])
    model.compile("adam", loss if isinstance(loss, dict) else list(loss), **weights)
    return model


def two_keys():
    """Two outputs whose keys are not the names of their layers."""
    inputs = keras.Input((6,))
    hidden = Dense(8, "relu")(inputs)
    model = keras.Model(inputs, {"size": Dense(1)(hidden), "sign": Dense(1, "sigmoid")(hidden)})
    model.compile("adam", {"size": "mse", "sign": "binary_crossentropy"})
    return model


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = Dense(8, "relu"), Dense(1)

    def call(self, inputs):
        return self.out(self.hidden(inputs))


class Stepping(Own):
    def train_step(self, data):
        return super().train_step(data)


class Two(keras.Model):
    """Two inputs, two outputs."""

    def __init__(self):
        super().__init__()
        self.hidden, self.size, self.kind = Dense(8, "relu"), Dense(1), Dense(2, "softmax")

    def call(self, inputs):
        hidden = self.hidden(ops.concatenate(inputs, axis=-1))
        return self.size(hidden), self.kind(hidden)


class OwnTwo(Two):
    def train_step(self, data):
        x, (size, kind) = data
        with tf.GradientTape() as tape:
            sizes, kinds = self(x, training=True)
            loss = tf.reduce_mean(tf.square(tf.cast(size, "float32") - sizes))
            loss += tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(kind, kinds))
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        return {"loss": loss}


class Subtracting(Own):
    """Its loss is in its training step, which takes targets in the shape of the predictions."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(tf.cast(y, "float32") - self(x, training=True)))
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        return {"loss": loss}


def compiled(model, loss="mse", learning_rate=0.001):
    model.compile(keras.optimizers.Adam(learning_rate), loss)
    return model


def attending():
    inputs = keras.Input((5, 2))
    seen = layers.MultiHeadAttention(2, 4)(inputs, inputs)
    return compiled(keras.Model(inputs, Dense(1)(layers.GlobalAveragePooling1D()(seen))))


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        rows = slice(20 * index, 20 * (index + 1))
        return X[rows], Y[rows]


def endless():
    while True:
        yield X[:32], Y[:32]


def plain():
    return chain(Dense(8, "relu"), Dense(1))


SOME = {
    "two inputs in a dict": lambda: (two_inputs(), {"x": {"a": X[:, :3], "b": X[:, 3:]}, "y": [Y]}),
    "two outputs in a list": lambda: (two_outputs(loss_weights=[1, 0.5]), {"x": X, "y": [Y, LABELS]}),
    "two outputs in a dict": lambda: (two_keys(), {"x": X, "y": {"size": Y, "sign": LABELS}}),
    "a dataset": lambda: (plain(), {"x": tf.data.Dataset.from_tensor_slices((X, Y)).batch(20)}),
    "sample weights": lambda: (plain(), {"x": X, "y": Y, "sample_weight": np.ones(120)}),
    "a training step of its own": lambda: (compiled(Stepping()), {"x": X, "y": Y}),
    "a training step of its own, two inputs, two outputs, no loss": lambda: (
        compiled(OwnTwo(), None),
        {"x": [X[:, :3], X[:, 3:]], "y": (Y[:, None], LABELS)},
    ),
    "a subclassed model of two outputs": lambda: (
        compiled(Two(), ["mse", "sparse_categorical_crossentropy"]),
        {"x": [X[:, :3], X[:, 3:]], "y": [Y, LABELS]},
    ),
    "a model without weights yet": lambda: (compiled(Own()), {"x": X, "y": Y}),
    "a label for each word": lambda: (
        chain(layers.Embedding(50, 4), Dense(2, "softmax"), shape=(5,), loss="sparse_categorical_crossentropy"),
        {"x": WORDS, "y": (WORDS > 25).astype("int64")},
    ),
}
MORE = {
    "one of two outputs without a loss": lambda: (two_outputs({"size": "mse"}), {"x": X, "y": {"size": Y}}),
    "a PyDataset": lambda: (plain(), {"x": Batches()}),
    "a generator": lambda: (plain(), {"x": endless()}),
    "class weights": lambda: (
        chain(Dense(8, "relu"), Dense(1, "sigmoid"), loss="binary_crossentropy"),
        {"x": X, "y": LABELS, "class_weight": {0: 1.0, 1: 5.0}},
    ),
    "lists": lambda: (plain(), {"x": X.tolist(), "y": Y.tolist()}),
    "a Sequential without input": lambda: (compiled(keras.Sequential([Dense(8, "relu"), Dense(1)])), {"x": X, "y": Y}),
    "LSTM": lambda: (chain(layers.LSTM(4), Dense(1), shape=(5, 2)), {"x": SERIES, "y": SERIES[:, 0, 0]}),
    "Bidirectional": lambda: (
        chain(layers.Bidirectional(layers.GRU(3)), Dense(1), shape=(5, 2)), {"x": SERIES, "y": SERIES[:, 0, 0]},
    ),
    "attention": lambda: (attending(), {"x": SERIES, "y": SERIES[:, 0, 0]}),
    "Conv1D and BatchNormalization": lambda: (
        chain(layers.Conv1D(4, 3), layers.BatchNormalization(), layers.GlobalMaxPooling1D(), Dense(1), shape=(5, 2)),
        {"x": SERIES, "y": SERIES[:, 0, 0]},
    ),
    "a label for each pixel, one-hot": lambda: (
        chain(layers.Conv2D(2, 3, padding="same", activation="softmax"), shape=(6, 6, 1), loss="categorical_crossentropy"),
        {"x": PICTURES, "y": np.eye(2)[(PICTURES[..., 0] > 0).astype(int)]},
    ),
    "nothing to train": lambda: (chain(Dense(1, trainable=False)), {"x": X, "y": Y}),
}  # fmt: skip


def reported(kind):
    model, given = kind()
    keras.utils.set_random_seed(0)
    fitted = [v.numpy() for v in model.trainable_variables]
    report = diagnose(model, epochs=2, seeds=2, clock=Ticks(0.3), **given)
    for before, after in zip(fitted, model.trainable_variables, strict=False):
        np.testing.assert_array_equal(before, after)
    assert str(report)
    return report


@pytest.mark.parametrize("kind", SOME)
def test_it_gets_a_report(kind):
    reported(SOME[kind])


@pytest.mark.nightly
@pytest.mark.parametrize("kind", MORE)
def test_more_of_it_gets_a_report(kind):
    reported(MORE[kind])


@pytest.mark.parametrize("shape", [(120,), pytest.param((120, 1), marks=pytest.mark.nightly)])
def test_a_training_step_of_its_own_that_holds_the_loss_is_tried_by_fit(shape):
    model = compiled(Subtracting(), None, 0.02)
    report = diagnose(model, X, Y.reshape(shape), epochs=40, clock=Ticks(1e-6))
    assert report.healthy == (len(shape) == 2)
    assert "Only `fit` can train this model" in " ".join(report.notes)
    if not report.healthy:
        assert report.causes == ["loss_mismatch"]
        assert report.findings[0].verified
        assert "y.reshape(-1, 1)" in report.findings[0].fix
    assert float(model.optimizer.learning_rate) == pytest.approx(0.02)


class Minimizing(Own):
    """What it minimizes has nothing to do with the targets."""

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self(data[0], training=True) - 3.0))
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        return {"loss": loss}


def test_a_training_step_that_minimizes_something_else_is_told():
    model = compiled(Minimizing(), None, 0.01)
    report = diagnose(model, X, Y[:, None], epochs=3, clock=Ticks(1e-6))
    assert report.causes == ["loss_mismatch"]
    assert "Its own training step decides what is minimized" in report.findings[0].evidence


def test_a_training_step_of_its_own_takes_several_inputs_and_outputs():
    given = [X[:, :3], X[:, 3:]], (Y[:, None], LABELS)
    report = diagnose(compiled(OwnTwo(), None, 0.02), *given, epochs=60, clock=Ticks(1e-6))
    assert report.healthy
    assert report.skill > 0.8
    for part, back in zip(given[0], as_given(X, given[0]), strict=True):
        np.testing.assert_array_equal(part, back)
    kinds = as_given(np.c_[Y, LABELS], given[1])[1]
    np.testing.assert_array_equal(kinds, LABELS)
    assert kinds.dtype == LABELS.dtype


def test_a_training_step_of_its_own_keeps_to_the_budget():
    report = diagnose(compiled(Subtracting(), None), X, Y[:, None], epochs=10_000, budget=5, clock=Ticks(0.1))
    assert report.healthy is None
    assert report.seconds < 7.5


class Repeating(Batches):
    def __getitem__(self, index):
        return super().__getitem__(0)


def test_a_dataset_that_gives_the_same_batch_again_and_again_is_not_called_healthy():
    model = chain(Dense(8, "tanh"), Dense(1))
    model.optimizer.learning_rate = 0.05
    report = diagnose(model, Repeating(), epochs=40, seeds=2, clock=Ticks(0.1))
    assert report.causes == ["label_or_data_bug"]
    assert "hold the same 20 samples" in report.findings[0].evidence
    assert same_batches(X, 20) is None
    assert same_batches({"a": np.zeros((40, 2)), "b": X[:40]}, 20) is None


def test_a_dataset_keeps_labels_with_their_rows():
    data = tf.data.Dataset.from_tensor_slices(({"a": X}, Y, np.arange(120.0))).batch(50)
    x, y, weight, batch_size, notes = drawn(data, None, None, 32)
    np.testing.assert_array_equal(x["a"], X)
    np.testing.assert_array_equal(y, Y)
    np.testing.assert_array_equal(weight, np.arange(120.0))
    assert batch_size == 50
    assert "120 samples were drawn" in notes[0]
    assert len(drawn(endless(), None, None, 32)[0]) <= 2032


def spread_too(y, p):
    return ops.mean(p[:, 1] + ops.square(y[:, 0] - p[:, 0]) * ops.exp(-2 * p[:, 1]) / 2)


def neighbours(y, p):
    """Of one class near each other, of two classes far."""
    same = ops.cast(ops.equal(ops.reshape(y, (-1, 1)), ops.reshape(y, (1, -1))), "float32")
    distance = ops.sum(ops.square(p[:, None] - p[None]), -1)
    return ops.mean(same * distance + (1 - same) * ops.maximum(2 - distance, 0))


def two_spreads(y, p):
    return ops.mean(p[:, 2:] + ops.square(y - p[:, :2]) * ops.exp(-p[:, 2:]), axis=-1)


def own_entropy(y, p):
    return -ops.mean(ops.sum(ops.one_hot(ops.cast(y, "int32"), 3) * ops.log(p + 1e-7), -1))


def own_squares(y, p):
    return ops.mean(ops.square(y - p))


@pytest.mark.parametrize(
    ("units", "activation", "loss", "y", "own"),
    [
        (2, None, spread_too, Y[:, None], True),
        (4, None, two_spreads, X[:, :2], True),
        (3, None, neighbours, KIND, True),
        (3, "softmax", own_entropy, KIND, False),
        (1, None, own_squares, Y, False),
        (2, None, "mse", Y, False),  # a mistake
        (3, "softmax", "sparse_categorical_crossentropy", KIND, False),
    ],
)
def test_outputs_whose_meaning_only_the_loss_knows_are_judged_by_it(units, activation, loss, y, own):
    data = data_of(chain(Dense(units, activation), loss=loss), X, y)
    judged = with_own_meaning(data)
    assert (judged is not data) == own
    if own:
        constant = np.zeros((120, units))
        assert max(judged.skill(constant)) < 0.1
        if loss is neighbours:
            assert judged.skill(3 * np.eye(3)[judged.y.astype(int)]) == pytest.approx((1, 1), abs=1e-6)


def test_a_network_of_means_and_spreads_is_healthy_when_it_learns(monkeypatch):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 6)).astype("float32")
    y = 3 * x[:, :1] + rng.normal(size=(400, 1))
    model = chain(Dense(2), loss=spread_too)
    model.optimizer.learning_rate = 0.1
    report = diagnose(model, x, y, epochs=60, batch_size=16, seeds=2, clock=Work(monkeypatch, step=0.001))
    assert report.healthy, report
    assert any("Only the loss knows" in note for note in report.notes)


SORTED = np.repeat([0, 1, 2], 40)


@pytest.mark.parametrize(
    ("labels", "size", "found"),
    [
        (SORTED, 10, True),
        (np.eye(3)[SORTED], 10, True),
        (RNG.permutation(SORTED), 10, False),
        (np.arange(120) % 60 == 59, 10, False),  # one class is rare
        (SORTED, 2, False),  # a third of shuffled ones, too
        (SORTED, 1, False),
        (SORTED, 60, False),
        (np.repeat(np.arange(4), 45), 12, True),  # some batches hold the end of one class and the beginning of the next
        (np.r_[SORTED[:60], RNG.permutation(SORTED[60:])], 10, True),
        (np.r_[SORTED[:40], RNG.permutation(np.repeat([1, 2], 40))], 10, False),
        (np.arange(120.0), 10, False),
        (np.zeros(120), 10, False),
    ],
)
def test_batches_of_one_class_each_are_seen(labels, size, found):
    assert (unmixed_batches(labels, size, "Shuffle.") is not None) == found


def by_class():
    """(a model that learns them where they are shuffled, x, y): samples in the order of their classes."""
    x = (np.eye(3)[SORTED] + 0.1 * np.random.default_rng(1).normal(size=(120, 3))).astype("float32")
    model = chain(Dense(3, "softmax"), shape=(3,), loss="sparse_categorical_crossentropy")
    model.optimizer.learning_rate = 0.1
    return model, x, SORTED


@pytest.mark.parametrize("dataset", [True, False], ids=["dataset", "arrays"])
def test_what_is_sorted_by_class_is_not_called_healthy(dataset):
    model, *data = by_class()
    given = (
        {"x": tf.data.Dataset.from_tensor_slices(tuple(data)).batch(10)}
        if dataset
        else {"x": data[0], "y": data[1], "batch_size": 10, "shuffle": False}
    )
    report = diagnose(model, **given, epochs=60, seeds=2, clock=Ticks(0.3))
    assert report.healthy is False
    assert "makes up 100% of a batch" in report.findings[0].evidence
    assert ("dataset.shuffle" if dataset else "Leave out shuffle=False") in report.findings[0].fix


def test_what_the_order_costs_is_measured(monkeypatch):
    model, x, y = by_class()
    asked = []

    def trained(*given, **options):
        asked.append((given[0], options["batch_size"], options["shuffle"]))
        return SimpleNamespace(skill=[0.2])

    monkeypatch.setattr("why_wont_it_learn.diagnosis.diagnose.fit_seeds", trained)
    report = diagnose(model, x, y, batch_size=10, shuffle=False, epochs=60, seeds=2, clock=Ticks(1e-6))
    assert asked == [(model, 10, False)]
    assert report.skill == report.findings[0].before == 0.2
    assert report.findings[0].after > 0.9
    assert report.findings[0].verified


class Kept(layers.Layer):
    """Multiplies by numbers that Keras does not know of."""

    def build(self, shape):
        self.factors = tf.Variable(np.zeros(shape[-1], "float32"), trainable=False)

    def call(self, x):
        return x * ops.convert_to_tensor(self.factors)


def test_variables_that_keras_does_not_know_are_named():
    report = diagnose(chain(Kept(name="kept"), Dense(1)), X, X[:, 0], epochs=1, seeds=1, clock=Ticks(1e-3))
    assert report.causes == ["frozen_weights"]
    assert "6 numbers that the model computes with are no weights of it (kept.factors)" in report.findings[0].evidence


def test_pictures_whose_colours_were_cut_anew_are_found():
    rng = np.random.default_rng(0)
    colour, at = rng.integers(0, 3, 240), np.arange(8)
    place = rng.uniform(2, 6, (240, 2))
    blobs = np.exp(-((at[:, None] - place[:, :1, None]) ** 2 + (at - place[:, 1:, None]) ** 2) / 3)
    colours_first = (np.where(np.arange(3) == colour[:, None], 1.0, 0.3)[:, :, None, None] * blobs[:, None]).astype(
        "float32"
    )
    model = chain(layers.Conv2D(4, 1), layers.GlobalAveragePooling2D(), Dense(3, "softmax"),
                  shape=(8, 8, 3), loss="sparse_categorical_crossentropy")  # fmt: skip
    model.optimizer.learning_rate = 0.1
    report = diagnose(model, colours_first.reshape(-1, 8, 8, 3), colour, epochs=12, seeds=2, clock=Ticks(0.1))
    assert report.causes[0] == "label_or_data_bug"
    assert "np.transpose(x, (0, 2, 3, 1))" in report.findings[0].fix
    right = data_of(model, np.ascontiguousarray(colours_first.transpose(0, 2, 3, 1)), colour)
    assert cut_anew(right) is None
    noise = data_of(model, rng.normal(size=(240, 8, 8, 3)).astype("float32"), colour)
    assert cut_anew(noise) is None


@pytest.mark.parametrize("around", [lambda layer: layer, layers.Bidirectional])
def test_dropout_within_a_layer_is_dropout(around):
    model = chain(around(layers.LSTM(4, dropout=0.5, recurrent_dropout=0.2)), Dense(1), shape=(5, 2))
    program = program_of(model, 1, 32)
    assert regularization(program) == pytest.approx(0.6)
    assert regularization(without_regularization(program)) is None


def test_a_sequential_without_an_input_goes_on_taking_batches_of_any_size():
    model = keras.Sequential([Dense(8, "relu"), Dense(1)])
    model.compile("adam", "mse")
    diagnose(model, X, Y, epochs=1, seeds=1, clock=Ticks(1.0))
    assert fit(model, X, Y).engine == "loop"


def test_class_weights_that_fit_does_not_find_are_named():
    model = chain(Dense(8, "relu"), Dense(1, "sigmoid"), loss="binary_crossentropy")
    report = diagnose(model, X, LABELS, class_weight={"0": 1.0, "1": 5.0}, epochs=1, seeds=1, clock=Ticks(1.0))
    assert "No key of class_weight is a whole number ('0' and '1'): no weight is used." in report.notes


def test_an_order_that_costs_nothing_is_no_fault():
    model, x, y = by_class()
    report = diagnose(model, x, y, batch_size=5, shuffle=False, epochs=100, seeds=2, clock=Ticks(1e-6))
    assert report.healthy
    assert any(note.endswith("Training in that order does as well here.") for note in report.notes)


@pytest.mark.parametrize("nested", [False, True])
def test_an_adapted_normalization_is_copied_with_what_it_has_seen(nested):
    scale = layers.Normalization()
    scale.adapt(100 * X + 50)
    model = chain(keras.Sequential([scale]) if nested else scale, Dense(32, "relu"), Dense(1))
    program = program_of(model, 1, 32)
    assert np.abs(keras.Sequential(program.build().layers[:1])(100 * X + 50)).mean() < 1
    assert scales_itself(program.layers, program.fixed)


def test_a_normalization_that_was_never_adapted_scales_nothing():
    model = chain(layers.Normalization(name="scale"), Dense(32, "relu"), Dense(1))
    model.optimizer.learning_rate = 0.01
    report = diagnose(model, 100 * X + 50, X[:, 0], epochs=60, seeds=2, clock=Ticks(0.1))
    assert report.causes[0] == "unscaled_inputs"
    assert "The layer scale was never adapted" in str(report)
    assert '+ model.get_layer("scale").adapt(x_train)' in str(report)
    given = chain(layers.Normalization(mean=50.0, variance=1e4), Dense(1))
    assert scales_itself(program_of(given, 1, 32).layers, {})


def test_samples_of_a_class_that_the_loss_ignores_are_left_out():
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=-1)
    model = chain(Dense(16, "relu"), Dense(2, "softmax"), loss=loss)
    model.optimizer.learning_rate = 0.05
    report = diagnose(model, X, np.where(KIND == 0, -1, LABELS), epochs=60, seeds=2, clock=Ticks(0.1))
    assert report.healthy, report
    assert "33% of the samples are of class -1, which the loss ignores" in str(report)


def test_missing_values_of_validation_samples_alone_are_not_blamed_for_the_training():
    model = chain(Dense(16, "relu"), Dense(1))
    model.optimizer.learning_rate = 0.05
    held_out = np.where(np.arange(40)[:, None] == 3, np.nan, X[:40]), X[:40, 0]
    report = diagnose(model, X, X[:, 0], validation_data=held_out, epochs=60, seeds=2, clock=Ticks(0.1))
    assert report.healthy, report
    assert "2.5% of the validation samples have inputs that are NaN" in str(report)
    assert known_validation(X, (held_out[0][3:4], Y[3:4]))[0] is None
    assert known_validation(held_out[0], held_out) == (held_out, []), "the training samples lack some, too"


def test_trained_weights_are_where_a_newly_compiled_model_starts():
    model = chain(Dense(16, "tanh"), Dense(1))
    model.optimizer.learning_rate = 0.05
    model.fit(X, X[:, 0], epochs=40, verbose=0)
    model.optimizer.learning_rate = 1e-5
    report = diagnose(model, X, X[:, 0], epochs=1, seeds=2, clock=Ticks(1.0))
    assert "was trained for 160 steps before; here, copies of it are trained for 1 epoch, from" in str(report)
    assert report.skill < 0.5
    model.compile(keras.optimizers.Adam(1e-5), "mse")
    report = diagnose(model, X, X[:, 0], epochs=1, seeds=2, clock=Ticks(1.0))
    assert report.skill > 0.9
    assert "every copy starts from these" in str(report)


def test_the_random_state_of_numpy_is_left_as_it_was():
    np.random.seed(3)  # noqa: NPY002  what programs of others use
    before = np.random.get_state()[1:3]  # noqa: NPY002
    diagnose(chain(Dense(8, "relu"), Dense(1, "sigmoid"), loss="binary_crossentropy"), X, LABELS, clock=Ticks(1.0))
    for was, now in zip(before, np.random.get_state()[1:3], strict=True):  # noqa: NPY002
        np.testing.assert_array_equal(was, now)


def test_the_split_of_fit_is_judged_by():
    model, x, y = by_class()
    for split, told in (
        (0.4, "Class 2 is among the validation samples (83%) and not"),
        (0.25, "Class 2 makes up 11% of the training samples and 100% of the validation samples."),
    ):
        report = diagnose(model, x, y, validation_split=split, epochs=60, seeds=2, clock=Ticks(0.3))
        assert report.causes[0] == "label_or_data_bug"
        assert told in report.findings[0].evidence
    with pytest.raises(ValueError, match="validation_split=1.0 of 120 samples leaves one part empty"):
        diagnose(model, x, y, validation_split=1.0)


def test_a_loss_that_leaves_out_missing_targets_is_no_fault():
    def of_known(y_true, y_pred):
        known = ops.logical_not(ops.isnan(y_true))
        return ops.mean(ops.where(known, (ops.where(known, y_true, 0.0) - y_pred) ** 2, 0.0), axis=-1)

    y = np.where(np.arange(120)[:, None] % 4 == np.arange(2), np.nan, X[:, :2])
    report = diagnose(chain(Dense(2), loss="mse"), X, y, epochs=60, seeds=2, clock=Ticks(0.3))
    assert report.causes[0] == "missing_values"
    model = chain(Dense(2), loss=of_known)
    model.optimizer.learning_rate = 0.1
    report = diagnose(model, X, y, epochs=60, seeds=2, clock=Ticks(0.3))
    assert report.healthy
    assert "50% of the samples lack some" in " ".join(report.notes)


def test_a_root_within_the_network_without_a_slope_is_found():
    def distance(pair):
        return ops.sqrt(ops.sum((pair[0] - pair[1]) ** 2, axis=1, keepdims=True))

    left, right, shared = keras.Input((6,)), keras.Input((6,)), Dense(4)
    apart = layers.Lambda(distance, output_shape=(1,))([shared(left), shared(right)])
    model = keras.Model([left, right], Dense(1, "sigmoid")(apart))
    model.compile("adam", "binary_crossentropy")
    other = np.where(KIND[:, None] == 0, X, X[::-1])  # a sample next to itself has a distance of 0
    report = diagnose(model, [X, other], LABELS, epochs=20, seeds=2, clock=Ticks(0.3))
    assert report.causes == ["exploding_gradient"]
    assert "the loss is a number, but its gradient is not" in report.findings[0].evidence


def test_validation_samples_that_are_prepared_otherwise_are_seen_where_references_fail_on_them_too():
    model = chain(Dense(8, "relu"), Dense(1))
    model.optimizer.learning_rate = 0.03
    held_out = 100 * X + 50, Y
    report = diagnose(model, X, Y, validation_data=held_out, epochs=60, seeds=2, clock=Ticks(0.3))
    assert report.causes[0] == "label_or_data_bug"
    assert "in the training samples" in report.findings[0].evidence


def test_a_state_that_nothing_bounds_is_seen_in_any_recurrent_layer():
    for layer, steps in (
        (layers.LSTM(3, activation="relu"), 5),
        (layers.Bidirectional(layers.GRU(3, activation="relu")), 5),
        (layers.LSTM(3), 0),
    ):
        program = program_of(chain(layer, Dense(1), shape=(5, 2)), 1, 32)
        assert growing_steps(program.layers, SERIES) == steps
        assert growing_steps(program.edited(with_bounded_state).layers, SERIES) == 0


def test_the_joined_loss_is_that_of_evaluate():
    model = two_outputs(loss_weights=[2.0, 0.5])
    weights = RNG.uniform(0, 2, 120).astype("float32")
    whole, data = joined(model, X, [Y, LABELS], weights, (X, [Y, LABELS]))
    rows = slice(0, data.points)
    expected = model.evaluate(
        X, [Y, LABELS], sample_weight=weights, batch_size=120, verbose=0, return_dict=True
    )["loss"]  # fmt: skip
    found = float(data.loss(tf.constant(data.y[rows]), whole(data.x[rows])))
    assert found == pytest.approx(expected, rel=1e-5)


def per_position():
    return chain(Dense(2, "softmax"), shape=(5, 2), loss="sparse_categorical_crossentropy")


@pytest.mark.parametrize(
    ("make", "x", "y", "weights", "told"),
    [
        (per_position, SERIES, WORDS % 2, {"sample_weight": np.ones((120, 4))}, r"of shape \(120, 4\), but .* one weight for each sample"),
        (per_position, SERIES, WORDS % 2, {"sample_weight": np.ones((120, 1))}, "several positions of each sample"),
        (per_position, SERIES, WORDS % 2, {"class_weight": {0: 1.0, 1: 2.0}}, "several positions of each sample"),
        (two_outputs, X, [Y, LABELS], {"sample_weight": [np.ones(120), np.ones(120)]}, "a list of arrays, but"),
        (plain, X, Y, {"sample_weight": np.ones(100)}, r"of shape \(100,\), but .* of shape \(120,\)"),
    ],
)  # fmt: skip
def test_weights_that_are_not_those_of_samples_are_refused_in_a_sentence(make, x, y, weights, told):
    with pytest.raises(ValueError, match=told):
        diagnose(make(), x, y, **weights)


def test_a_weight_for_each_place_counts_as_in_evaluate():
    model, weights = per_position(), RNG.uniform(0, 2, (120, 5)).astype("float32")
    whole, data = joined(model, SERIES, WORDS % 2, weights, (SERIES, WORDS % 2))
    rows = slice(0, data.points)
    expected = model.evaluate(SERIES, WORDS % 2, sample_weight=weights, batch_size=120, verbose=0, return_dict=True)
    found = float(data.loss(tf.constant(data.y[rows]), whole(data.x[rows])))
    assert found == pytest.approx(expected["loss"], rel=1e-5)
    report = diagnose(model, SERIES, WORDS % 2, sample_weight=weights, epochs=2, seeds=1)  # nothing can be learned
    assert report.findings == []
    assert "what the weights ask for was not judged" in report.notes[-1]


def test_a_loss_of_ones_own_that_looks_at_whole_samples_takes_their_weights():
    model = chain(Dense(2), shape=(5, 2), loss=lambda y, p: ops.mean((y - p) ** 2, axis=(1, 2)))
    _, data = joined(model, SERIES, SERIES, np.arange(120.0).reshape(120, 1), None)
    assert sorted(data.y[:, -1]) == list(range(120))


class Complaining(layers.Layer):
    def call(self, x):
        if x.shape[0] == 2:
            raise TypeError("It takes words.\nA long list follows.")
        return x


def test_what_a_layer_says_is_told():
    for weights in None, np.ones(120):
        model = compiled(keras.Sequential([keras.Input(batch_shape=(20, 6)), Complaining(), Dense(1)]))
        with pytest.raises(ValueError, match=r"cannot be called on .*: It takes words\.$"):
            diagnose(model, X, Y, sample_weight=weights)


def test_a_model_of_one_batch_size_is_refused_in_a_sentence():
    for weights in None, np.ones(120):
        model = compiled(
            keras.Sequential([keras.Input(batch_shape=(20, 5, 2)), layers.LSTM(2, stateful=True), Dense(1)])
        )
        with pytest.raises(ValueError, match="batches of 20 samples only, .* build it without a fixed batch size"):
            diagnose(model, SERIES, Y, sample_weight=weights, batch_size=20)


class Penalty(layers.Layer):
    def call(self, x):
        self.add_loss(ops.mean(x**2))
        return x


def test_a_loss_that_layers_add_is_left_to_watch_and_fit_seeds():
    model = chain(Dense(2), Penalty(), loss=None)
    with pytest.raises(ValueError, match=r"compiled without a loss, .* add_loss: .* use Watch and fit_seeds"):
        diagnose(model, X, Y)
    assert fit_seeds(model, X, seeds=2, epochs=2, score=lambda y, p: 0.0).loss.shape == (2, 2)
    watch = Watch(X)
    model.fit(X, epochs=2, verbose=0, callbacks=[watch])
    assert watch.findings == []


def test_a_generator_that_is_used_up_and_data_without_targets_are_told_apart():
    batches = (batch for batch in [(X, Y)])
    model = plain()
    model.fit(batches, verbose=0)
    for data, told in (
        (batches, "The generator gives no batches .*: give a new one, arrays or a tf.data.Dataset"),
        (tf.data.Dataset.from_tensor_slices((X, Y)).take(0), "gives no batches"),
        (tf.data.Dataset.from_tensor_slices(X).batch(20), r"gives no \(x, y\)"),
    ):
        with pytest.raises(ValueError, match=told):
            diagnose(model, data)
    with pytest.raises(ValueError, match="gives no batches"):
        diagnose(model, X, Y, validation_data=batches)


def test_skills_of_several_outputs_are_told_apart():
    model = two_outputs()
    _, data = joined(model, X, [Y, LABELS], None, None)
    perfect = np.c_[data.parts["size"].targets_2d, np.full(len(data.x), 0.5)]
    skills = data.skills(perfect)
    assert skills["size"] == (1.0, 1.0)
    assert max(skills["sign"]) < 0.2
    assert data.skill(perfect)[0] == pytest.approx(np.mean([skills["size"][0], skills["sign"][0]]))


def test_one_array_is_not_joined():
    assert not needs_joining(plain(), X, Y, weighted=False)
    assert needs_joining(two_inputs(), {"a": X, "b": X}, Y, weighted=False)
    assert data_of(plain(), {"x": X}, [Y]).x.shape == X.shape
