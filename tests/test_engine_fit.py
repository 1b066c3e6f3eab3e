"""What `fit` promises besides equal losses: the record, the model afterwards, stopping, errors, and a quiet import."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers as L

import why_wont_it_learn
from why_wont_it_learn import fit, fit_seeds
from why_wont_it_learn.engine import job, training

ROOT = Path(__file__).parent.parent
rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3)).astype("float32")
Y = np.sin(2 * X[:, :1])


def compiled(*layers, shape=(3,), loss="mse"):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input(shape), *(layers or (L.Dense(6, "tanh", name="first"), L.Dense(1, name="last")))]
    )
    model.compile(keras.optimizers.Adam(0.01), loss)
    return model


# --- the model afterwards ----------------------------------------------------------------------------------------------


def test_fit_then_model_fit_is_model_fit_twice():
    def layers():
        keras.utils.set_random_seed(0)
        return L.Dense(6, "tanh"), L.BatchNormalization(), L.Dropout(0.3, seed=1), L.Dense(1)

    options = {"epochs": 2, "batch_size": 16, "shuffle": False}
    twice, once = compiled(*layers()), compiled(*layers())
    twice.fit(X, Y, **options, verbose=0)
    expected = twice.fit(X, Y, **options, verbose=0).history["loss"]
    fit(once, X, Y, **options)
    assert int(once.optimizer.iterations.numpy()) == 6
    np.testing.assert_allclose(once.fit(X, Y, **options, verbose=0).history["loss"], expected, rtol=1e-6)
    # And the other way round: what Keras has begun, the loop goes on with.
    again = compiled(*layers())
    again.fit(X, Y, **options, verbose=0)
    np.testing.assert_allclose(fit(again, X, Y, **options).history["loss"], expected, rtol=1e-6)


def test_a_model_that_is_not_built_yet_starts_like_in_keras():
    def losses(how):
        keras.utils.set_random_seed(3)
        model = keras.Sequential([L.Dense(5, "relu"), L.Dense(1)])
        model.compile("sgd", "mse", metrics=["mae"])
        return how(model, X, Y, epochs=2, shuffle=False)

    history = losses(lambda model, *a, **k: model.fit(*a, **k, verbose=0).history)
    record = losses(fit)
    assert record.engine == "loop"
    np.testing.assert_allclose(record.history["loss"], history["loss"], rtol=1e-6)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_run_that_is_stopped_keeps_what_it_has_learned(error):
    model = compiled()
    before = model.get_weights()

    def stop(done, epochs):
        assert epochs == 1000
        if int(done) >= 2:
            raise error

    with pytest.raises(error):
        fit(model, X, Y, epochs=1000, batch_size=8, on_progress=stop)
    assert 10 <= int(model.optimizer.iterations.numpy()) < 5000
    assert not np.allclose(before[0], model.get_weights()[0])


def test_chunks_are_steps_and_change_nothing(monkeypatch):
    whole = fit(compiled(), X, Y, epochs=6, batch_size=8, validation_split=0.2)
    monkeypatch.setattr(job, "FIRST_STEPS", 1)
    monkeypatch.setattr(training, "CHUNK_SECONDS", 0.0)  # every chunk is over time, so it stays at one step
    calls = []
    pieces = fit(
        compiled(), X, Y, epochs=6, batch_size=8, validation_split=0.2, on_progress=lambda *done: calls.append(done[0])
    )
    assert pieces.history == whole.history
    assert np.array_equal(pieces.update_ratio, whole.update_ratio)
    assert len(calls) == 30  # four steps and one batch of validation in each epoch
    assert calls == sorted(calls)
    assert calls[-1] == 6


# --- the record --------------------------------------------------------------------------------------------------------


def test_the_layers_are_measured_as_defined():
    model = compiled()
    record = fit(model, X, Y, epochs=3, batch_size=16, shuffle=False)
    assert record.layers == ["first", "last"]
    assert record.hidden_layers == ["first"]
    twin = compiled()
    weights = [twin.get_weights()]
    for _ in range(3):
        twin.fit(X, Y, batch_size=16, shuffle=False, verbose=0)
        weights.append(twin.get_weights())
    norm = np.linalg.norm
    for epoch in range(3):
        before, after = weights[epoch], weights[epoch + 1]
        for layer, kernel in enumerate((0, 2)):
            moved = norm(after[kernel] - before[kernel]) / 3 / norm(after[kernel])
            np.testing.assert_allclose(record.update_ratio[epoch, layer], moved, rtol=1e-4)
        h = np.tanh(X @ after[0] + after[1])
        error = 2 * (h @ after[2] + after[3] - Y) / len(X)
        back = error @ after[2].T * (1 - h**2)
        np.testing.assert_allclose(record.gradient_norm[epoch], [norm(X.T @ back), norm(h.T @ error)], rtol=1e-4)


@pytest.mark.parametrize(
    ("activation", "bias", "dead", "saturated"),
    [
        ("relu", -100.0, 1.0, 0.0),
        ("relu", 100.0, 0.0, 0.0),
        ("tanh", 100.0, 1.0, 1.0),
        ("tanh", 3.5, 0.0, 1.0),
        ("tanh", 0.0, 0.0, 0.0),
    ],
)
def test_dead_and_saturated_units(activation, bias, dead, saturated):
    model = compiled(L.Dense(4, activation, bias_initializer=keras.initializers.Constant(bias)), L.Dense(1))
    model.optimizer.learning_rate = 0.0
    record = fit(model, 0.1 * X, Y)
    assert record.dead.tolist() == [[dead]]
    assert record.saturated.tolist() == [[saturated]]


def test_names_of_layers_inside_of_layers():
    model = compiled(
        L.Conv1D(4, 3, activation="relu", name="conv"),
        L.ReLU(name="relu_layer"),
        L.Bidirectional(L.LSTM(3, name="lstm"), name="both"),
        L.Dense(4, keras.activations.gelu, name="gelu"),
        L.Dense(2, "softmax", name="out"),
        shape=(6, 2),
        loss="categorical_crossentropy",
    )
    series = rng.normal(size=(40, 6, 2)).astype("float32")
    record = fit(model, series, np.eye(2, dtype="float32")[(Y[:, 0] > 0).astype(int)])
    assert record.engine == "loop", record.reason
    assert [n for n in record.layers if "lstm" not in n] == ["conv", "gelu", "out"]
    assert sum("lstm" in n for n in record.layers) == 2
    assert record.hidden_layers == ["conv", "relu_layer", "gelu"]
    assert record.gradient_norm.shape == record.update_ratio.shape == (1, 5)
    assert record.dead.shape == (1, 3)
    layer = model.get_layer("gelu")
    assert layer.activation is keras.activations.gelu  # what was borrowed while tracing is back
    assert "call" not in vars(model.get_layer("relu_layer"))


def test_without_probes_the_training_is_the_same():
    with_probes, without = fit(compiled(), X, Y, epochs=2), fit(compiled(), X, Y, epochs=2, probes=False)
    np.testing.assert_allclose(with_probes.history["loss"], without.history["loss"], rtol=1e-6)
    assert without.gradient_norm.shape == without.dead.shape == (2, 0)
    assert without.layers == without.hidden_layers == []


def test_the_order_of_the_batches_is_that_of_numpy():
    record = fit(compiled(), X, Y, epochs=2, batch_size=16, seed=5)
    model, order = compiled(), np.random.default_rng(5)
    for epoch in range(2):
        rows = order.permutation(40)
        loss = model.fit(X[rows], Y[rows], batch_size=16, shuffle=False, verbose=0).history["loss"][0]
        np.testing.assert_allclose(record.history["loss"][epoch], loss, rtol=1e-6)
    assert fit(compiled(), X, Y, epochs=2, batch_size=16, seed=6).history != record.history


def test_verbose_prints_one_line_an_epoch(capsys):
    fit(compiled(), X, Y, epochs=2, validation_split=0.25)
    assert capsys.readouterr().out == ""
    record = fit(compiled(), X, Y, epochs=2, validation_split=0.25, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[1] == f"Epoch 2/2 - loss: {record.history['loss'][1]:.4g} - val_loss: {record.history['val_loss'][1]:.4g}"
    )
    assert len(lines) == 2


# --- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"epochs": 0}, "epochs=0 is not a whole number of 1 or more"),
        ({"epochs": 2.0}, "epochs=2.0 is not a whole number"),
        ({"batch_size": True}, "batch_size=True is not a whole number"),
        ({"validation_split": 1}, "validation_split=1 is not a fraction from 0 to below 1"),
        ({"seed": -1}, "seed=-1 is not a whole number of 0 or more"),
    ],
)
def test_arguments_that_are_not_allowed(arguments, text):
    with pytest.raises(ValueError, match=text):
        fit(compiled(), X, Y, **arguments)


@pytest.mark.parametrize(
    ("seeds", "text"),
    [
        (0, "seeds=0 trains nothing"),
        ("3", "neither a number"),
        ([1, -2], "contains -2"),
        (True, "neither"),
        (10**9, "seeds=1000000000 is more than 1,000,000"),
    ],
)
def test_seeds_that_are_not_allowed(seeds, text):
    with pytest.raises(ValueError, match=text):
        fit_seeds(compiled(), X, Y, seeds=seeds)


def test_models_that_are_not_allowed(monkeypatch):
    with pytest.raises(TypeError, match=r"model is a str, but must be a compiled keras\.Model"):
        fit("model", X, Y)
    with pytest.raises(ValueError, match=r"call model\.compile\(optimizer, loss\) first"):
        fit(keras.Sequential([L.Dense(1)]), X, Y)
    old = type("Sequential", (), {"__module__": "tf_keras.src.models.sequential"})
    with pytest.raises(TypeError, match=r"tf_keras .*Build it with `import keras`"):
        fit(old(), X, Y)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="KERAS_BACKEND=tensorflow"):
        fit_seeds(compiled(), X, Y)


# --- the import --------------------------------------------------------------------------------------------------------

SIDE_EFFECTS = """
import gc, os, sys, warnings
import keras, tensorflow as tf
def state():
    options = tf.config.optimizer.get_experimental_options(), tf.config.optimizer.get_jit()
    threads = tf.config.threading.get_intra_op_parallelism_threads(), tf.config.threading.get_inter_op_parallelism_threads()
    return dict(os.environ), list(warnings.filters), gc.get_freeze_count(), gc.get_threshold(), options, threads, tf.get_logger().level
before, modules = state(), set(sys.modules)
import why_wont_it_learn
assert state() == before
extra = {"helpers", "IPython", "matplotlib", "ipywidgets", "pandas"} & (set(sys.modules) - modules)
assert not extra, extra
"""

# Of the lessons' package, what a kernel's owner decides: the launcher sets variables, the first lab freezes what the collector skips.
OF_THE_LESSONS = """
import gc, os
before = dict(os.environ)
import helpers
assert os.environ == before
assert gc.get_freeze_count() == 0
"""

WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = None
try:
    import why_wont_it_learn
except ImportError as error:
    assert "pip install tensorflow" in str(error), error
else:
    raise AssertionError("imported")
"""


@pytest.mark.parametrize(
    "program",
    [SIDE_EFFECTS, OF_THE_LESSONS, WITHOUT_TENSORFLOW],
    ids=["side effects", "of the lessons", "without TensorFlow"],
)
def test_import(program):
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_everything_that_is_exported_has_a_docstring():
    assert set(why_wont_it_learn.__all__) == {"Watch", "diagnose", "fit", "fit_seeds"}
    assert all(getattr(why_wont_it_learn, name).__doc__ for name in why_wont_it_learn.__all__)
