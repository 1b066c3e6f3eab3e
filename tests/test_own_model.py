"""A compiled Keras model opens in the lab as the experiment that trains the same network, or a sentence says why it cannot."""

import sys
from types import ModuleType

import keras
import numpy as np
import pytest
from clocks import Ticks

from helpers import Experiment, Lab, diagnose, table, train
from helpers.experiments.models import build_model
from helpers.experiments.own_model import experiment_of

X = np.random.default_rng(0).normal(size=(240, 4))
TARGETS = {
    "regression": X[:, 0] * X[:, 1],
    "binary": (X[:, 0] > 0).astype(int),
    "multiclass": np.digitize(X[:, 0], [-0.5, 0.5]),
}
EXPERIMENTS = [
    {"task": "regression", "depth": 2, "width": 8, "activation": "relu"},
    {"task": "regression", "depth": 0, "optimizer": "sgd", "learning_rate": 0.3},
    {"task": "regression", "depth": 3, "width": 4, "activation": "swish", "initializer": "he_normal", "l1": 0.01},
    {"task": "regression", "output_activation": "relu", "optimizer": "momentum", "momentum": 0.5},
    {"task": "binary", "activation": "leaky_relu", "dropout": 0.2, "optimizer": "nesterov"},
    {"task": "binary", "output_activation": "tanh", "l2": 0.01, "bias_initializer": 0.1, "optimizer": "rmsprop"},
    {"task": "multiclass", "initializer": "random_normal", "optimizer": "adamw", "weight_decay": 0.1},
    {"task": "multiclass", "initializer": "zeros", "depth": 1, "optimizer": "adagrad", "batch_size": None},
]


@pytest.mark.parametrize("fields", EXPERIMENTS, ids=str)
def test_the_model_of_an_experiment_opens_as_that_experiment(fields):
    task, fields = fields["task"], {name: value for name, value in fields.items() if name != "task"}
    experiment = Experiment(problem=table(X, TARGETS[task], task=task), epochs=5, **fields)
    model = build_model(experiment)
    assert experiment_of(model, X, TARGETS[task], 5, experiment.batch_size) == experiment


def sequential(*layers, loss="mse", optimizer="adam"):
    model = keras.Sequential(layers)
    model.compile(optimizer, loss)
    return model


dense = keras.layers.Dense
ADAM = keras.optimizers.Adam


def test_it_is_trained_in_the_lab_and_the_model_is_left_unchanged():
    y = TARGETS["regression"]
    model = sequential(keras.Input((4,)), dense(8, "tanh"), dense(1), optimizer=ADAM(0.03))
    before = [weights.numpy() for weights in model.weights]
    lab = Lab(model, X, y, epochs=7, controls=["width"])
    lab._repr_mimebundle_()  # without a browser, it trains its first setting
    assert lab.run.experiment == lab.experiment
    assert lab.run.val_loss.shape == (7,)
    assert (lab.experiment.width, lab.experiment.epochs, lab.experiment.learning_rate) == (8, 7, 0.03)
    assert all(np.array_equal(old, new) for old, new in zip(before, model.weights, strict=True))


def test_a_diagnosis_opens_its_network_in_the_lab(monkeypatch):
    y = TARGETS["regression"]
    model = sequential(keras.Input((4,)), dense(8, "tanh"), dense(1), optimizer=ADAM(0.03))
    report = diagnose(model, X, y, epochs=3, batch_size=16, clock=Ticks())
    assert report.lab().experiment == experiment_of(model, X, y, epochs=3, batch_size=16)
    with monkeypatch.context() as elsewhere:
        elsewhere.setitem(sys.modules, "helpers", ModuleType("helpers"))
        with pytest.raises(ImportError, match="comes with the lessons"):
            report.lab()
    monkeypatch.setattr("why_wont_it_learn.diagnosis.report.LAB", "nobody's")
    with pytest.raises(ImportError, match="comes with the lessons"):
        report.lab()


def test_one_hot_targets_are_turned_into_class_numbers():
    classes = TARGETS["multiclass"]
    model = sequential(dense(8, "relu"), dense(3, "softmax"), loss="categorical_crossentropy")
    experiment = experiment_of(model, X, np.eye(3)[classes], epochs=2)
    assert experiment.source.task == "multiclass"
    assert train(experiment).verdict


REFUSED = {
    "widths": (lambda: sequential(keras.Input((4,)), dense(8), dense(4), dense(1)), r"Layer 2 \(Dense\) has units=4"),
    "layers": (lambda: sequential(dense(8), keras.layers.BatchNormalization(), dense(1)), "Dense, BatchNormalization, Dense"),
    "one dropout": (lambda: sequential(dense(8), dense(8), keras.layers.Dropout(0.1), dense(1)), "Dense, Dense, Dropout, Dense"),
    "frozen": (lambda: sequential(dense(8, trainable=False), dense(1)), "trainable=False"),
    "function": (lambda: sequential(dense(8, lambda z: z * z), dense(1)), "activation='<lambda>'"),
    "loss": (lambda: sequential(dense(8), dense(1), loss="mae"), "loss is mean_absolute_error"),
    "logits": (lambda: sequential(dense(1), loss=keras.losses.BinaryCrossentropy(from_logits=True)), "from logits"),
    "clipping": (lambda: sequential(dense(1), optimizer=ADAM(0.01, clipnorm=1.0)), "clipnorm=1.0"),
    "optimizer": (lambda: sequential(dense(1), optimizer="lion"), "optimizer is Lion"),
    "schedule": (
        lambda: sequential(dense(1), optimizer=ADAM(keras.optimizers.schedules.CosineDecay(0.1, 100))), "schedule, CosineDecay",
    ),
    "last layer": (lambda: sequential(dense(1), keras.layers.Activation("relu")), "last layer"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_setting_can_express_is_refused_with_a_sentence(name):
    model, sentence = REFUSED[name]
    with pytest.raises(ValueError, match=sentence):
        Lab(model(), X, TARGETS["binary"] if name == "logits" else TARGETS["regression"])


def test_a_model_needs_to_be_compiled_and_to_have_data():
    model = keras.Sequential([dense(1)])
    with pytest.raises(ValueError, match="not compiled"):
        Lab(model, X, TARGETS["regression"])
    with pytest.raises(ValueError, match="not compiled with a loss"):
        Lab(sequential(dense(1), loss=None), X, TARGETS["regression"])
    with pytest.raises(ValueError, match="needs its data"):
        Lab(sequential(dense(1)))
    with pytest.raises(ValueError, match=r"controls=\["):
        Lab(Experiment(), ["depth"])
