"""`Watch`: it changes nothing, says each fault once and in time, and nothing of a network that learns."""

import random
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from why_wont_it_learn import Watch

L = keras.layers
RNG = np.random.default_rng(1)
X = RNG.normal(size=(200, 4)).astype("float32")
Y = (X[:, :1] + 0.5 * X[:, 1:2]).astype("float32")


def network(*layers, optimizer=None, loss="mse"):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(optimizer=optimizer or keras.optimizers.Adam(0.01), loss=loss)
    return model


def plain(**compiled):
    return network(L.Dense(16, "tanh"), L.Dense(1), **compiled)


def watched(model, epochs=20, x=X, y=Y, batch_size=32, watch=None, **fit):
    watch = watch or Watch(x, y)
    model.fit(x, y, epochs=epochs, batch_size=batch_size, verbose=0, callbacks=[watch], **fit)
    return watch


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [L.Dense(16, "relu"), L.Dropout(0.3), L.Dense(1)],
        lambda: [L.Dense(16), L.BatchNormalization(), L.ReLU(), L.GaussianNoise(0.1), L.Dense(1)],
        pytest.param(
            lambda: [L.Reshape((4, 1)), L.LSTM(5, recurrent_dropout=0.2), L.Dense(1)], marks=pytest.mark.nightly
        ),
    ],
    ids=["dropout", "normalisation and noise", "recurrent"],
)
def test_the_training_is_the_same_to_the_bit(layers):
    results = []
    for callbacks in ([], [Watch(X, Y, validation_data=(X, Y))]):
        keras.utils.set_random_seed(5)  # dropout draws its seed when it is made
        model = network(*layers())
        history = model.fit(
            X, Y, epochs=20, batch_size=32, verbose=0, callbacks=callbacks, validation_split=0.2
        ).history
        results.append(([v.numpy() for v in model.variables], history))
    (weights, history), (with_watch, history_with_watch) = results
    assert all(np.array_equal(a, b) for a, b in zip(weights, with_watch, strict=True))
    assert history == history_with_watch


class Noisy(keras.utils.PyDataset):
    """Batches with noise of Python and of a generator: NumPy's own, one of this module or one of the dataset."""

    def __init__(self, generator):
        super().__init__()
        self.generator = generator

    def __len__(self):
        return 5

    def __getitem__(self, index):
        rng = {"numpy": np.random, "module": RNG}.get(self.generator, self.generator)
        rows = slice(40 * index, 40 * index + 40)
        return X[rows] + random.random() + rng.normal(size=(40, 4)), Y[rows]


def of_slices():
    return tf.data.Dataset.from_tensor_slices((X, Y))


def one_shot():
    batches = iter([(X[i::5], Y[i::5]) for i in range(5)])
    specs = tf.TensorSpec((40, 4)), tf.TensorSpec((40, 1))
    return tf.data.Dataset.from_generator(lambda: batches, output_signature=specs)


def with_noise(layer):
    return of_slices().map(lambda x, y: (layer(x, training=True), y)).batch(32)


def noise(size):
    return np.random.normal(size=size).astype("float32")  # noqa: NPY002


DATASETS = {
    "shuffled": lambda: of_slices().shuffle(200).batch(32),
    "shuffled with a seed": lambda: of_slices().shuffle(50, seed=3).batch(32).prefetch(2),
    "shuffled and cached": lambda: of_slices().shuffle(200).batch(200).cache(),
    "shuffled within": lambda: of_slices().shuffle(200).batch(32).flat_map(lambda x, y: tf.data.Dataset.from_tensors((x, y))),
    "noise of TensorFlow": lambda: of_slices().shuffle(200).map(lambda x, y: (x + tf.random.normal([4]), y)).batch(32),
    "random rows": lambda: tf.data.Dataset.random(seed=1, rerandomize_each_iteration=True).take(200).map(
        lambda row: (tf.gather(X, row % 200), tf.gather(Y, row % 200))
    ).batch(32),
    "noise of Keras": lambda: with_noise(L.GaussianNoise(1.0)),
    "noise of NumPy": lambda: of_slices().map(lambda x, y: (x + tf.ensure_shape(tf.numpy_function(noise, [4], tf.float32), [4]), y)).batch(32),
    "one shot": one_shot,
    "PyDataset, noise of NumPy": lambda: Noisy("numpy"),
    "PyDataset, noise of its module": lambda: Noisy("module"),
    "PyDataset, noise of its own": lambda: Noisy(np.random.default_rng(0)),
}  # fmt: skip
UNSEEN = {"noise of NumPy", "one shot"}


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("name", DATASETS)
def test_looking_into_a_dataset_changes_nothing(name, capsys):
    results, state = [], RNG.bit_generator.state
    for watching in (False, True):
        RNG.bit_generator.state = state
        keras.utils.set_random_seed(5)
        model, data = network(L.Dense(4, "relu"), L.Dense(1)), DATASETS[name]()
        watch = Watch(data)
        history = model.fit(data, epochs=3, verbose=0, callbacks=[watch] * watching).history
        results.append([history["loss"], random.random(), *(v.numpy().tolist() for v in model.variables)])
    assert results[0] == results[1]
    assert np.isnan(watch.skill) == (name in UNSEEN)
    assert capsys.readouterr().out.startswith("Watch: Only the losses are watched") == (name in UNSEEN)


def test_a_dataset_of_large_arrays_is_not_copied(monkeypatch, capsys):
    monkeypatch.setattr("why_wont_it_learn.diagnosis.model_call.MOST_COPIED", X.nbytes + Y.nbytes - 1)
    data = of_slices().shuffle(200).batch(32)
    assert np.isnan(watched(plain(), 1, data, None, None, Watch(data)).skill)
    assert "or take long" in capsys.readouterr().out


def test_nothing_is_said_of_a_network_that_learns(capsys):
    watch = watched(plain(), epochs=60)
    assert watch.findings == []
    assert watch.skill > 0.95
    assert re.fullmatch(r"Watch: 60 epochs; skill \d\.\d\d on the first 200 training samples\. Nothing found\.\n",
                        capsys.readouterr().out)  # fmt: skip


@pytest.mark.parametrize(("skill", "told"), [(0.9499, "0.94"), (0.95, "0.95"), (0.936, "0.94"), (-0.5, "−0.50")])
def test_a_skill_just_below_what_counts_as_learned_is_rounded_down(monkeypatch, capsys, skill, told):
    monkeypatch.setattr("why_wont_it_learn.watch.skill_of", lambda *arguments: skill)
    watched(plain(), epochs=1)
    assert f"skill {told} on" in capsys.readouterr().out


FAULTS = {
    "diverges": (lambda: plain(optimizer=keras.optimizers.SGD(50.0)), "learning_rate_too_high"),
    "does not move": (lambda: plain(optimizer=keras.optimizers.SGD(1e-7)), "learning_rate_too_low"),
    "saturated": (
        lambda: network(L.Dense(16, "sigmoid", kernel_initializer=keras.initializers.RandomNormal(stddev=100.0)),
                        L.Dense(1), optimizer=keras.optimizers.SGD(1e-3)), "saturated_activation",
    ),
    "vanishes": (
        lambda: network(*[L.Dense(8, "sigmoid") for _ in range(8)], L.Dense(1)), "vanishing_gradient",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_while_it_trains(name, capsys):
    build, cause = FAULTS[name]
    watch = watched(build(), epochs=8)
    named = [finding.cause for finding in watch.findings]
    assert cause in named
    said = [line for line in capsys.readouterr().out.splitlines() if f"[{cause}]" in line]
    assert said
    assert all(line.startswith("Watch: ") for line in said)
    assert len(said) == named.count(cause) <= 2, "again only when it has become worse"


def test_what_cannot_work_is_named_before_the_first_step(capsys):
    watched(network(L.Dense(1, "softmax"), loss="binary_crossentropy"), epochs=2, y=(Y > 0).astype("int64"))
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("Watch: Before the first step: Softmax over a single unit")


def test_a_hopeless_training_is_ended_early(capsys):
    model = plain(optimizer=keras.optimizers.SGD(50.0))
    watch = watched(model, epochs=50, watch=Watch(X, Y, stop=True))
    assert len(watch.record.history["loss"]) < 10
    assert "Training is stopped" in capsys.readouterr().out


def test_a_training_that_is_nan_at_a_usual_rate_is_ended_early(capsys):
    model = network(L.Dense(1), optimizer=keras.optimizers.SGD(0.01), loss=lambda y, p: keras.ops.sqrt(p - 1e9))
    watch = watched(model, epochs=20, watch=Watch(X, Y, stop=True))
    assert len(watch.record.history["loss"]) == 1
    assert capsys.readouterr().out.count("Training is stopped") == 1


def test_of_a_nan_in_the_data_what_follows_is_not_named_as_well(capsys):
    x = np.where(np.arange(200)[:, None] == 60, np.nan, X)
    watch = watched(network(L.Dense(16, "relu"), L.Dense(1)), epochs=8, x=x, watch=Watch(x, Y))
    assert [finding.cause for finding in watch.findings] == ["missing_values"]
    assert "Before the first step" in capsys.readouterr().out


def test_a_loss_that_explains_why_it_has_become_nan_is_named(capsys):
    def plain_cross_entropy(y_true, p):
        return -keras.ops.mean(y_true * keras.ops.log(p) + (1 - y_true) * keras.ops.log(1 - p))

    x = np.linspace(-20, 20, 64, dtype="float32")[:, None]
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "sigmoid", kernel_initializer="zeros")])
    model.compile(keras.optimizers.Adam(0.1), plain_cross_entropy)
    y = (x > 0).astype("float32")
    watch = Watch(x, y)
    model.fit(x, y, epochs=40, batch_size=32, verbose=0, callbacks=[watch])
    assert [finding.cause for finding in watch.findings] == ["loss_mismatch"]
    assert "where a prediction is exactly 0 or 1" in capsys.readouterr().out


def test_a_momentum_of_1_is_watched():
    assert watched(plain(optimizer=keras.optimizers.SGD(0.001, momentum=1.0)), epochs=2).record.history["loss"]


def test_without_stop_it_goes_on():
    assert len(watched(plain(optimizer=keras.optimizers.SGD(50.0)), epochs=5).record.history["loss"]) == 5


def test_the_record_has_what_was_measured():
    model = network(L.Dense(16, "relu"), L.Dense(8, "tanh"), L.Dense(1))
    watch = watched(model, epochs=10)
    record = watch.record
    assert watch.epochs == [1, 2, 3, 4, 5, 6, 8, 10]
    assert record.gradient_norm.shape == record.update_ratio.shape == (8, 3)
    assert record.dead.shape == record.saturated.shape == (8, 2)
    assert (record.gradient_norm > 0).all()
    assert len(record.history["loss"]) == 10


def test_a_fit_that_goes_on_is_watched_from_its_start():
    model, watch = plain(), Watch(X, Y)
    watched(model, epochs=3, watch=watch)
    watched(model, epochs=5, watch=watch, initial_epoch=3)
    assert watch.epochs == [1, 2]
    assert len(watch.record.history["loss"]) == 2


def test_metrics_that_are_no_numbers_are_left_to_keras():
    model, labels = network(L.Dense(3, "softmax")), np.eye(3, dtype="float32")[np.arange(len(X)) % 3]
    model.compile(loss="categorical_crossentropy", metrics=[keras.metrics.F1Score()])
    assert set(watched(model, 2, y=labels).record.history) == {"loss"}


@pytest.mark.parametrize("batched", [False, True], ids=["arrays", "dataset"])
def test_validation_data_judge(batched):
    held_out = X, RNG.normal(size=Y.shape).astype("float32")
    held_out = tf.data.Dataset.from_tensor_slices(held_out).batch(len(X)) if batched else held_out
    watch = watched(plain(), watch=Watch(X, Y, validation_data=held_out))
    assert watch.train_skill > 0.8 > 0.2 > watch.val_skill
    assert watch.skill == watch.val_skill


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (None, None),
        (tf.data.Dataset.from_tensor_slices((X, Y)).batch(16), None),
        (X.tolist(), Y.tolist()),
        (object(), object()),
    ],
    ids=["nothing", "data set", "lists", "what it cannot read"],
)
def test_it_watches_with_whatever_it_is_given(x, y):
    watch = Watch(x, y)
    plain().fit(X, Y, epochs=3, verbose=0, callbacks=[watch])
    assert len(watch.record.history["loss"]) == 3
    assert (watch.skill > -1) == (type(x) not in (type(None), list, object))


class Awkward(keras.Model):
    """A model that refuses to be called in inference."""

    def __init__(self):
        super().__init__()
        self.dense = L.Dense(1)

    def call(self, x, training=False):
        if not training:
            raise RuntimeError("only in training")
        return self.dense(x)


def test_a_model_that_cannot_be_measured_trains_anyway(capsys):
    model = Awkward()
    model.compile(optimizer="adam", loss="mse")
    watch = watched(model, epochs=3)
    assert len(watch.record.history["loss"]) == 3
    assert capsys.readouterr().out.count("cannot be measured") == 1


def test_lines_stand_between_the_progress_bars(capsys):
    model = plain(optimizer=keras.optimizers.SGD(50.0))
    model.fit(X, Y, epochs=4, verbose=2, callbacks=[Watch(X, Y)])
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("Epoch", "Watch: ", "7/7", "\x1b", "")) and line.count("Watch") <= 1 for line in lines)
    assert not any("Watch" in line and not line.startswith("Watch: ") for line in lines)


def test_the_picture_shows_what_was_measured():
    figure = watched(network(L.Dense(16, "relu"), L.Dense(1)), epochs=6).plot()
    loss, gradient, units = figure.axes
    assert len(loss.lines[0].get_ydata()) == 6
    assert len(gradient.lines) == 2
    assert units.get_ylim()[1] <= 1.05
