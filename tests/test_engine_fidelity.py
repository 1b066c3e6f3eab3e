"""`fit` against `model.fit(shuffle=False)`: the same losses and metrics at every epoch, and the same model afterwards.

How close is not fixed but measured: as far as `model.fit` itself moves when its first weights change by one unit in the last
place, four times, because a run is one draw from that spread. Below 2e-6 nothing is asked: a loss is a float32 mean of some dozen
squares, each good to 6e-8, taken in another order.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L
from keras import ops

from why_wont_it_learn import fit

FLOOR, SPREADS = 2e-6, 4
EPOCHS, BATCH, SAMPLES, VALIDATION = 4, 16, 76, 40  # both last batches are smaller

rng = np.random.default_rng(0)
N = SAMPLES + VALIDATION
X = rng.normal(size=(N, 4)).astype("float32")
Y = np.sin(2 * X[:, :1]) + 0.1 * X[:, 1:2]
CLASSES = (X[:, 0] > 0).astype("int32") + (X[:, 1] > 0.5)
ONE_HOT = np.eye(3, dtype="float32")[CLASSES]
IMAGES = rng.normal(size=(N, 8, 8, 1)).astype("float32")
SERIES = rng.normal(size=(N, 7, 3)).astype("float32")
PADDED = np.where(np.arange(7)[None, :, None] < rng.integers(2, 8, (N, 1, 1)), SERIES, 0).astype("float32")
WORDS = rng.integers(1, 12, (N, 6)).astype("int32") * (
    np.arange(6) < rng.integers(2, 7, (N, 1))
)  # 12 to 19 never occur
POSITIVE = (WORDS[:, :1] > 5).astype("float32")
WEIGHTS = rng.random(N).astype("float32")


@keras.saving.register_keras_serializable("test_engine")
class Scaled(L.Layer):
    """An own layer with own weights."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")
        self.scale = self.add_weight(shape=(self.units,), initializer="ones", name="scale")

    def call(self, x):
        return ops.tanh(x @ self.kernel) * self.scale


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.dropout, self.out = L.Dense(16, "tanh"), L.Dropout(0.2, seed=3), L.Dense(1)

    def call(self, x, training=False):
        return self.out(self.dropout(self.hidden(x), training=training))


class OwnLoss(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.mean((y - y_pred) ** 4) + sum(self.losses)


class AddsLoss(L.Layer):
    def call(self, x):
        self.add_loss(0.01 * ops.mean(x**2))
        return x


class Residual(L.Layer):
    """A layer made of layers."""

    def __init__(self):
        super().__init__()
        self.inner, self.norm = L.Dense(8, "relu"), L.LayerNormalization()

    def call(self, x):
        return x + self.norm(self.inner(x))


def compiled(model, optimizer=None, loss="mse", **options):
    model.compile(optimizer or keras.optimizers.Adam(0.01), loss, **options)
    return model


def sequential(*layers, shape=(4,), optimizer=None, loss="mse", **options):
    return compiled(keras.Sequential([keras.Input(shape), *layers]), optimizer, loss, **options)


def dense(optimizer=None, **options):
    return sequential(L.Dense(16, "tanh"), L.Dense(16, "relu"), L.Dense(1), optimizer=optimizer, **options)


def text(*layers, optimizer=None, mask=False):
    embedding = L.Embedding(20, 4, mask_zero=mask)
    return sequential(
        embedding, *layers, L.Dense(1, "sigmoid"), shape=(6,), optimizer=optimizer, loss="binary_crossentropy"
    )


def two_inputs():
    a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
    return compiled(
        keras.Model({"a": a, "b": b}, L.Dense(1)(L.Concatenate()([L.Dense(8, "tanh")(a), L.Dense(8, "elu")(b)])))
    )


def two_outputs(as_dict=False):
    a = keras.Input((4,))
    h = L.Dense(16, "tanh")(a)
    outputs = {"r": L.Dense(1, name="r")(h), "c": L.Dense(3, "softmax", name="c")(h)}
    losses, metrics = {"r": "mse", "c": "sparse_categorical_crossentropy"}, {"r": ["mae"], "c": ["accuracy"]}
    weights = {"r": 1.0, "c": 0.3}
    if not as_dict:
        outputs, losses, metrics, weights = (list(v.values()) for v in (outputs, losses, metrics, weights))
    return compiled(keras.Model(a, outputs), loss=losses, loss_weights=weights, metrics=metrics)


def attention():
    a = keras.Input((7, 3))
    h = L.MultiHeadAttention(2, 4, dropout=0.1)(a, a)
    return compiled(keras.Model(a, L.Dense(1)(L.Flatten()(L.LayerNormalization()(h + L.Dense(3)(a))))))


def frozen():
    model = keras.Sequential(
        [keras.Input((4,)), L.Dense(8, "tanh"), L.BatchNormalization(), L.Dense(8, "tanh"), L.Dense(1)]
    )
    model.layers[0].trainable = model.layers[1].trainable = False
    return compiled(model)


def mixed():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return dense()
    finally:
        keras.config.set_dtype_policy(policy)


def model_of(cls):
    a = keras.Input((4,))
    return compiled(cls(a, L.Dense(1)(L.Dense(16, "tanh", kernel_regularizer="l2")(a))))


def schedule():
    return keras.optimizers.schedules.CosineDecay(0.02, 15, warmup_target=0.03, warmup_steps=4)


def optimizer(name, rate, **options):
    return getattr(keras.optimizers, name)(rate, **options)


def metrics():
    return ["mae", keras.metrics.RootMeanSquaredError(), lambda t, p: ops.max(ops.abs(t - p), -1)]


# name: (model, x, y, more arguments of fit)
CASES = {
    "dense": (dense, X, Y),
    "dropout, batch normalization": (
        lambda: sequential(L.Dense(16, "tanh"), L.BatchNormalization(), L.Dropout(0.3, seed=1), L.Dense(1)), X, Y),
    "layer normalization, noise": (
        lambda: sequential(L.GaussianNoise(0.1, seed=5), L.Dense(16), L.LayerNormalization(), L.ReLU(), L.Dense(1)), X, Y),
    "regularizers": (
        lambda: sequential(
            L.Dense(16, "tanh", kernel_regularizer=keras.regularizers.L2(0.01), activity_regularizer=keras.regularizers.L1(0.001)),
            L.Dense(1, bias_regularizer="l1")), X, Y),
    "convolution, images": (
        lambda: sequential(
            L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(), L.Flatten(), L.Dense(3, "softmax"),
            shape=(8, 8, 1), loss="sparse_categorical_crossentropy", metrics=["accuracy"]), IMAGES, CLASSES),
    "depthwise, separable, average pooling": (
        lambda: sequential(
            L.DepthwiseConv2D(3, depth_multiplier=2, activation="relu"), L.SeparableConv2D(4, 3), L.GlobalAveragePooling2D(),
            L.Dense(1), shape=(8, 8, 1)), IMAGES, Y),
    "convolution, series": (
        lambda: sequential(
            L.Conv1D(8, 3, activation="relu"), L.BatchNormalization(), L.GlobalMaxPooling1D(), L.Dense(1), shape=(7, 3)), SERIES, Y),
    "augmentation": (
        lambda: sequential(L.RandomFlip(seed=4), L.Conv2D(4, 3), L.Flatten(), L.Dense(1), shape=(8, 8, 1)), IMAGES, Y),
    "LSTM": (lambda: sequential(L.LSTM(6), L.Dense(1), shape=(7, 3)), SERIES, Y),
    "GRU with dropout": (lambda: sequential(L.GRU(6, dropout=0.2, seed=1), L.Dense(1), shape=(7, 3)), SERIES, Y),
    "bidirectional": (lambda: sequential(L.Bidirectional(L.LSTM(4)), L.Dense(1), shape=(7, 3)), SERIES, Y),
    "masked series": (
        lambda: sequential(L.Masking(), L.SimpleRNN(6, return_sequences=True), L.Dense(1), shape=(7, 3)), PADDED, SERIES[..., :1]),
    "embedding": (lambda: text(L.GlobalAveragePooling1D()), WORDS, POSITIVE),
    "embedding, masked pooling": (lambda: text(L.GlobalAveragePooling1D(), mask=True), WORDS, POSITIVE),
    "embedding, masked LSTM": (lambda: text(L.LSTM(4), mask=True), WORDS, POSITIVE),
    "embedding, sgd": (lambda: text(L.Flatten(), optimizer=optimizer("SGD", 0.1, momentum=0.9)), WORDS, POSITIVE),
    "embedding, rmsprop, clipnorm": (lambda: text(L.Flatten(), optimizer=optimizer("RMSprop", 0.01, clipnorm=0.1)), WORDS, POSITIVE),
    "embedding, adagrad": (lambda: text(L.Flatten(), optimizer=optimizer("Adagrad", 0.1)), WORDS, POSITIVE),
    "embedding, nadam": (lambda: text(L.Flatten(), optimizer=optimizer("Nadam", 0.01)), WORDS, POSITIVE),
    "embedding, adamw": (lambda: text(L.Flatten(), optimizer=optimizer("AdamW", 0.01)), WORDS, POSITIVE),
    "attention": (attention, SERIES, Y),
    "two inputs, dict": (two_inputs, {"a": X[:, :2], "b": X[:, 2:]}, Y),
    "two outputs, list": (two_outputs, X, [Y, CLASSES]),
    "two outputs, dict": (lambda: two_outputs(True), X, {"r": Y, "c": CLASSES}, {"sample_weight": {"r": WEIGHTS, "c": WEIGHTS[::-1]}}),
    "subclassed": (lambda: compiled(Subclassed()), X, Y),
    "own layer": (lambda: sequential(Scaled(16), L.Dense(1)), X, Y),
    "layer of layers, shared": (lambda: (lambda r: sequential(L.Dense(8), r, r, L.Dense(1)))(Residual()), X, Y),
    "added loss": (lambda: sequential(L.Dense(8, "tanh"), AddsLoss(), L.Dense(1)), X, Y),
    "Lambda": (lambda: sequential(L.Dense(16, "tanh"), L.Lambda(lambda t: t * 2 + 1), L.Dense(1)), X, Y),
    "nested models": (
        lambda: sequential(keras.Sequential([keras.Input((4,)), L.Dense(8, "tanh")]), keras.Sequential([L.Dense(1)])), X, Y),
    "own loss": (lambda: dense(loss=lambda t, p: ops.mean(ops.abs(t - p) ** 1.5, -1)), X, Y),
    "own compute_loss": (lambda: model_of(OwnLoss), X, Y),
    "huber, summed": (lambda: dense(loss=keras.losses.Huber(reduction="sum")), X, Y),
    "one-hot, from logits": (
        lambda: sequential(L.Dense(8, "gelu"), L.Dense(3), loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)),
        X, ONE_HOT),
    "metrics": (lambda: dense(metrics=metrics(), weighted_metrics=["mse"]), X, Y, {"sample_weight": WEIGHTS}),
    "AUC": (
        lambda: sequential(L.Dense(1, "sigmoid"), loss="binary_crossentropy", metrics=[keras.metrics.AUC(name="auc"), "accuracy"]),
        X, (X[:, :1] > 0).astype("float32")),
    "schedule": (lambda: dense(keras.optimizers.Adam(schedule())), X, Y),
    "clipnorm": (lambda: dense(optimizer("Adam", 0.01, clipnorm=0.05)), X, Y),
    "global_clipnorm": (lambda: dense(optimizer("Adam", 0.01, global_clipnorm=0.05)), X, Y),
    "clipvalue": (lambda: dense(optimizer("Adam", 0.01, clipvalue=0.01)), X, Y),
    "sample_weight": (dense, X, Y, {"sample_weight": WEIGHTS}),
    "class_weight": (
        lambda: sequential(L.Dense(3, "softmax"), loss="sparse_categorical_crossentropy"), X, CLASSES,
        {"class_weight": {0: 1.0, 1: 3.0}}),
    "constraint": (lambda: sequential(L.Dense(16, "tanh", kernel_constraint=keras.constraints.MaxNorm(0.5)), L.Dense(1)), X, Y),
    "frozen layers": (frozen, X, Y),
    "mixed_float16": (mixed, X, Y),
    "loss scale": (lambda: dense(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01))), X, Y),
    "unused weight, weight decay": (lambda: compiled(Unused(), optimizer("AdamW", 0.01, weight_decay=0.1)), X, Y),
    "float64 data, flat targets": (dense, X.astype("float64"), Y[:, 0].astype("float64")),
    "sgd": (lambda: dense(optimizer("SGD", 0.05)), X, Y),
    "nesterov, weight decay": (lambda: dense(optimizer("SGD", 0.05, momentum=0.9, nesterov=True, weight_decay=0.01)), X, Y),
    "rmsprop, centered": (lambda: dense(optimizer("RMSprop", 0.01, momentum=0.5, centered=True)), X, Y),
    "amsgrad": (lambda: dense(optimizer("Adam", 0.01, amsgrad=True)), X, Y),
    "adamw": (lambda: dense(optimizer("AdamW", 0.01, weight_decay=0.1)), X, Y),
    "adagrad": (lambda: dense(optimizer("Adagrad", 0.1)), X, Y),
    "adadelta": (lambda: dense(optimizer("Adadelta", 1.0)), X, Y),
    "adamax": (lambda: dense(optimizer("Adamax", 0.01)), X, Y),
    "nadam": (lambda: dense(optimizer("Nadam", 0.01)), X, Y),
    "ftrl": (lambda: dense(optimizer("Ftrl", 0.1)), X, Y),
    "lion": (lambda: dense(optimizer("Lion", 0.002)), X, Y),
    "adafactor": (lambda: dense(optimizer("Adafactor", 0.05)), X, Y),
}  # fmt: skip
for name, rate in (("Lamb", 0.01), ("Muon", 0.01)):  # not in every Keras from 3.3 on
    if hasattr(keras.optimizers, name):
        CASES[name.lower()] = (lambda name=name, rate=rate: dense(optimizer(name, rate)), X, Y)

# Together these have every kind of layer state, data, gradient, loss and layout of weights.
ALWAYS = (
    "dropout, batch normalization", "convolution, images", "embedding, masked LSTM", "two outputs, dict", "subclassed",
    "own layer", "metrics", "schedule", "global_clipnorm", "class_weight", "mixed_float16", "nadam",
)  # fmt: skip


class Unused(keras.Model):
    """Has a weight that its output does not depend on."""

    def __init__(self):
        super().__init__()
        self.hidden, self.idle, self.out = L.Dense(8, "tanh"), L.Dense(3), L.Dense(1)

    def call(self, x):
        self.idle(x)
        return self.out(self.hidden(x))


def part(values, at):
    return tf.nest.map_structure(lambda a: a[at], values)


def built(case):
    """(model with weights, arguments of fit)."""
    make, x, y, *more = case
    train, held_out = slice(0, SAMPLES), slice(SAMPLES, None)
    keras.utils.set_random_seed(1)
    model = make()
    arguments = {"x": part(x, train), "y": part(y, train), "epochs": EPOCHS, "batch_size": BATCH, "shuffle": False}
    arguments["validation_data"] = (part(x, held_out), part(y, held_out))
    for name, value in (more[0] if more else {}).items():
        arguments[name] = value if name == "class_weight" else part(value, train)
    model(part(arguments["x"], slice(0, 2)))
    return model, arguments


def values_of(model):
    return [v.numpy() for v in (*model.weights, *model.optimizer.variables)]


def distance(history, reference):
    """The largest relative difference of two histories; where a number is tiny, relative to the largest of its kind."""
    assert list(history) == list(reference)
    worst = 0.0
    for name, numbers in reference.items():
        numbers = np.array(numbers, "float64")
        scale = np.maximum(np.abs(numbers), 1e-3 * np.abs(numbers).max() + 1e-12)
        worst = max(worst, float(np.max(np.abs(np.array(history[name]) - numbers) / scale)))
    return worst


def spread(case):
    """How far `model.fit` moves when its first weights change by one unit in the last place, at most of three draws."""
    reference = None
    distances = []
    for draw in range(4):
        model, arguments = built(case)
        if draw:
            towards = np.random.default_rng(draw)
            nudged = [np.nextafter(w, towards.choice([-9, 9], w.shape).astype(w.dtype)) for w in model.get_weights()]
            floats = [n if w.dtype.kind == "f" else w for n, w in zip(nudged, model.get_weights(), strict=True)]
            model.set_weights(floats)
        history = model.fit(**arguments, verbose=0).history
        if reference is None:
            reference = history
        else:
            distances.append(distance(history, reference))
    return max(distances)


def compare(case):
    """(largest difference of the histories, the same of the models afterwards, the record, the spread if it mattered)."""
    reference, arguments = built(case)
    history = reference.fit(**arguments, verbose=0).history
    model, arguments = built(case)
    record = fit(model, **arguments)
    found = distance(record.history, history)
    bound = spread(case) if found > FLOOR else None
    weights = 0.0
    for a, b in zip(values_of(model), values_of(reference), strict=True):
        a, b = a.astype("float64"), b.astype("float64")
        weights = max(weights, float(np.max(np.abs(a - b), initial=0) / max(np.max(np.abs(b), initial=0), 1e-3)))
    return found, weights, record, bound


def rows():
    return [pytest.param(name, id=name, marks=[] if name in ALWAYS else [pytest.mark.nightly]) for name in CASES]


@pytest.mark.parametrize("name", rows())
def test_history_and_model_are_those_of_keras(name):
    found, weights, record, bound = compare(CASES[name])
    assert record.engine == "loop", record.reason
    limit = FLOOR if bound is None else max(FLOOR, SPREADS * bound)
    assert found <= limit
    # Weights move by more than the loss: its slope is not flat in every direction.
    assert weights <= 100 * limit


if __name__ == "__main__":  # the whole table: python -m tests.test_engine_fidelity [name, …]
    import sys

    for name in sys.argv[1:] or CASES:
        try:
            found, weights, record, bound = compare(CASES[name])
        except Exception as error:
            print(f"{name:40s} {type(error).__name__} {str(error)[:150]}", flush=True)
            continue
        more = "" if bound is None else f"  (model.fit itself under one ulp: {bound:.0e})"
        print(
            f"{name:40s} {record.engine:9s} history {found:.1e}  model {weights:.1e}{more}  {record.reason}", flush=True
        )
