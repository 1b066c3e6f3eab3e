"""XLA answers once a graph has run for a while, and only where it gives the same numbers up to rounding."""

import keras
import numpy as np
import pytest
from keras import layers as L

from why_wont_it_learn import fit
from why_wont_it_learn.engine import cache, xla

rng = np.random.default_rng(0)
X = rng.normal(size=(32, 3)).astype("float32")
Y = np.sin(2 * X[:, :1])
SERIES = rng.normal(size=(32, 5, 3)).astype("float32")


def compiled(*layers, shape=(3,)):
    model = keras.Sequential([keras.Input(shape), *layers, L.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


@pytest.fixture(autouse=True)
def own_graphs(monkeypatch):
    monkeypatch.setenv("WHY_WONT_IT_LEARN_CACHE", "")
    monkeypatch.setattr(cache, "_graphs", type(cache._graphs)())
    monkeypatch.setattr(xla, "AFTER_STEPS", 4)


def graph():
    [graph] = cache._graphs.values()
    for thread in graph.programs.threads:
        thread.join()
    return graph


def test_a_graph_that_has_run_for_a_while_is_compiled(monkeypatch):
    def losses():
        keras.utils.set_random_seed(0)
        return fit(
            compiled(L.Dense(5, "tanh"), L.LayerNormalization()), X, Y, epochs=4, batch_size=8, validation_data=(X, Y)
        )

    monkeypatch.setattr(xla, "AFTER_STEPS", 17)
    in_graph_mode = losses()
    assert not graph().programs.threads
    losses()
    [program] = graph().programs.ready.values()
    calls = []
    graph().programs.ready = {shapes: lambda *a: (calls.append(1), program(*a))[1] for shapes in graph().programs.ready}
    by_xla = losses()
    assert calls
    for name, numbers in in_graph_mode.history.items():
        # Sixteen steps, each rounded to 6e-8.
        np.testing.assert_allclose(by_xla.history[name], numbers, rtol=2e-6)
    np.testing.assert_allclose(by_xla.gradient_norm, in_graph_mode.gradient_norm, rtol=1e-5)


@pytest.mark.parametrize(
    ("layers", "x", "options"),
    [
        ([L.Dense(5), L.Dropout(0.1)], X, {"batch_size": 8}),
        ([L.Conv1D(2, 2), L.Flatten()], SERIES, {"batch_size": 8}),
        ([L.LSTM(2)], SERIES, {"batch_size": 8}),
        ([L.Dense(5)], X, {"batch_size": 12}),
        ([L.Dense(5)], X, {"batch_size": 8, "validation_data": (X[:9], Y[:9])}),
    ],
    ids=["random", "convolution", "recurrent", "smaller last batch", "smaller last batch in validation"],
)
def test_what_is_not_for_xla(layers, x, options):
    record = fit(compiled(*layers, shape=x.shape[1:]), x, Y, epochs=3, **options)
    assert record.engine == "loop", record.reason
    assert not graph().programs.threads


def test_the_number_of_programs_is_bounded(monkeypatch):
    monkeypatch.setattr(xla, "PROGRAMS_AT_MOST", 0)
    fit(compiled(L.Dense(5)), X, Y, epochs=3, batch_size=8)
    assert not graph().programs.threads


def test_what_xla_cannot_compile_goes_on_in_graph_mode(monkeypatch):
    def fails(*_, **__):
        raise xla.tf.errors.InvalidArgumentError(None, None, "cannot")

    monkeypatch.setattr(xla.tf, "function", lambda *_, **__: type("Program", (), {"get_concrete_function": fails})())
    programs = xla.Programs(lambda *tensors: tensors, True, True)
    tensors = [xla.tf.constant(3)]
    programs.count(tensors, 9)
    [thread] = programs.threads
    thread.join()
    assert programs.run(tensors) == tuple(tensors)
