"""A compiled Keras model taken apart: its layers, loss, optimizer, epochs and batch size.

Whatever `diagnose` tries is a program with something changed. The model that a program was made from is never trained, and its
weights are never written.
"""

import copy
import inspect
import random
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import keras
import numpy as np
import tensorflow as tf

from .diagnosis.network import only
from .diagnosis.output_and_loss import as_loss, resolved_loss
from .engine.initial_weights import fresh_values, throughout
from .engine.loop import takes_training
from .keras_private import (
    is_functional,
    layers_of,
    learning_rate_of,
    loss_weights_of,
    seed_generator_kept,
    with_constant_rate,
)

# These look at a whole kernel at once, so that copies of a network cannot share a matrix with one row for each.
WHOLE_KERNELS = ("adafactor", "lamb", "muon")
FEW_STEPS = 8  # for which tracing a schedule does not pay
PLAIN = {"use_ema": False, "gradient_accumulation_steps": None}  # what an optimizer of a trial does not do


@contextmanager
def random_state_kept():
    """Leave the random state of Python, NumPy and Keras as it was: making a Keras layer takes numbers from it."""
    python, of_numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with seed_generator_kept():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(of_numpy)  # noqa: NPY002


@dataclass(frozen=True, eq=False)
class Program:
    """A compiled Keras model taken apart, so that one part of it can be changed.

    make: the class of the model. config: as `model.get_config()` gives it. loss: a Keras loss, its name or a function of
    (y_true, y_pred). optimizer: its class, the name of the Keras optimizer that this is or inherits from, and its config
    without the schedule. rates: step numbers (n,) -> learning rates (n,). fixed: {layer name: weights} of layers that are not
    trained. own: the weights that the model has now, from which the copy of seed 0 starts, and with all_own every copy. model:
    the model itself where it cannot be taken apart; then there are no layers, and copies start from its own weights. known:
    {name: class or function} that the layers need and Keras does not know. loss_scale: the initial scale and the growth steps of
    a `LossScaleOptimizer`. loss_weight: factor of the loss.
    """

    make: type
    config: dict
    loss: object
    optimizer: dict
    rates: object
    epochs: int
    batch_size: int
    fixed: dict = field(default_factory=dict)
    own: list | None = None
    all_own: bool = False
    model: keras.Model | None = None
    known: dict = field(default_factory=dict)
    loss_scale: tuple | None = None
    loss_weight: float = 1.0

    @property
    def layers(self):
        """The configurations of the layers, the input first."""
        return self.config["layers"]

    def edited(self, edit):
        """The program whose layers `edit(layers)` has changed in place; what it returns, if anything, replaces them."""
        config = copy.deepcopy(self.config)
        for layer in config["layers"]:
            layer.pop("build_config", None)  # it knows the old shapes
        config["layers"] = edit(config["layers"]) or config["layers"]
        return replace(self, config=config, own=None)

    def with_optimizer(self, name, rate):
        """The program with another optimizer at a constant learning rate."""
        optimizer = keras.optimizers.get({"class_name": name, "config": {"learning_rate": rate}})
        return replace(self, optimizer=_taken_apart(optimizer, rate), rates=_constant(rate))

    def with_settings(self, **settings):
        """The program with other settings of its optimizer."""
        return replace(self, optimizer={**self.optimizer, "config": {**self.optimizer["config"], **settings}})

    def with_rate(self, rate):
        """The program with the same optimizer at a constant learning rate."""
        return replace(self.with_settings(learning_rate=rate), rates=_constant(rate))

    def build(self, seed=0):
        """A new model with first weights drawn from `seed`."""
        if self.model is not None:
            return self.model
        config = copy.deepcopy(self.config)
        for index, layer in enumerate(config["layers"]):
            layer["config"] = _seeded(layer["config"], 1000 * seed + index)
        with keras.saving.custom_object_scope(self.known):
            model = self.make.from_config(config)
        for layer in layers_of(model)[1:]:
            if layer.name in self.fixed:
                layer.set_weights(self.fixed[layer.name])
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()  # it works with numbers that it computes from its weights
        return model

    def make_optimizer(self):
        """A new optimizer."""
        optimizer = self.optimizer["class"].from_config(copy.deepcopy(self.optimizer["config"]))
        if self.loss_scale is None:
            return optimizer
        scale, steps = self.loss_scale
        return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=scale, dynamic_growth_steps=steps)

    def compiled(self):
        """A new compiled model. The model that cannot be taken apart stands in another one, and is not compiled itself."""
        model = self.build()
        sequential = isinstance(model, keras.Sequential)  # which may not know its output yet
        alone = self.model is None and (sequential or isinstance(model.output, keras.KerasTensor))
        model = model if alone else OneOutput(model)
        weights = None if self.loss_weight == 1 else [self.loss_weight]
        model.compile(self.make_optimizer(), as_loss(self.loss), loss_weights=weights)
        model.optimizer.build(model.trainable_variables)
        return model

    def first_values(self, seeds):
        """(weights, state of the layers) that copies with seeds of their own start from: lists of arrays (seeds, …)."""
        try:
            weights, layers = fresh_values(self.build(), seeds)
        except ValueError:  # a layer of one's own that cannot be made again by itself
            models = [self.build(seed) for seed in seeds]
            weights, layers = (
                [np.stack(values) for values in zip(*([v.numpy() for v in part(one)] for one in models), strict=True)]
                for part in (lambda one: one.trainable_variables, lambda one: one.non_trainable_variables)
            )
        if self.own is not None:
            for values, own in zip(weights, self.own, strict=True):
                values[[seed == 0 or self.all_own or self.model is not None for seed in seeds]] = own
        return weights, layers

    def optimizer_can_be_copied(self):
        """Whether a new optimizer can be made from the config of the model's."""
        try:
            self.make_optimizer().build([keras.Variable(np.zeros((2, 2), "float32"))])
        except Exception:  # one that is not Keras's may raise anything
            return False
        return True

    def steps(self, points):
        """Steps in an epoch over some points."""
        return -(-points // self.batch_size)


class OneOutput(keras.Model):
    """A model with its one output out of the list or dict that it may return it in."""

    def __init__(self, model):
        super().__init__()
        self.inner, self.built = model, True

    def call(self, x, training=False):
        return only(self.inner(x, training=training) if takes_training(self.inner.call) else self.inner(x))


def _seeded(config, seed):
    """The configuration of a layer with this seed in it and in all layers within it."""
    return throughout(config, lambda config: {"seed": seed} if "seed" in config else {})


def program_of(model, epochs, batch_size, loss=None):
    """The `Program` of a compiled Keras model. loss: what it is compiled with, if the caller has resolved that already."""
    optimizer, loss_scale = model.optimizer, None
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        loss_scale = float(optimizer.initial_scale), int(optimizer.dynamic_growth_steps)
        optimizer = optimizer.inner_optimizer
    # Gradients that are added up over several batches are those of one larger batch.
    together = optimizer.gradient_accumulation_steps or 1
    rates = _rates(optimizer, together)
    whole = Program(
        type(model), {"layers": []}, loss or resolved_loss(model), _taken_apart(optimizer, float(rates(np.zeros(1, int))[0])), rates,
        epochs, batch_size * together, own=[w.numpy() for w in model.trainable_variables], model=model, loss_scale=loss_scale,
        loss_weight=_loss_weight(model),
    )  # fmt: skip
    if not (isinstance(model, keras.Sequential) or is_functional(model)):
        return whole
    inner = layers_of(model)[1:]
    fixed = {
        layer.name: layer.get_weights()
        for layer in inner
        if layer.weights and (not layer.trainable or isinstance(layer, keras.layers.Normalization))
    }
    own = whole.own if int(optimizer.iterations.numpy()) == 0 else None
    try:
        program = replace(whole, config=model.get_config(), fixed=fixed, own=own, model=None, known=_known(inner))
        rebuilt = program.build()
    except Exception:  # a layer that was not made to be saved may raise anything
        return whole
    shapes = [[tuple(v.shape) for v in one.variables] for one in (model, rebuilt)]
    return program if shapes[0] == shapes[1] else whole


def _known(layers):
    """The classes and functions of some layers that are not Keras's: {name: class or function}."""
    parts = [type(layer) for layer in layers]
    for layer in layers:
        for value in vars(layer).values():
            if inspect.isfunction(value):
                parts.append(value)
            elif isinstance(value, (keras.initializers.Initializer, keras.regularizers.Regularizer, keras.Layer)):
                parts.append(type(value))
    return {part.__name__: part for part in parts if not part.__module__.startswith("keras.")}


def _rates(optimizer, together=1):
    """Step numbers (n,) -> the learning rates (n,) that an optimizer has at them; together: batches of `fit` in a step."""
    rate = learning_rate_of(optimizer)
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return _Scheduled(rate, together)
    return _constant(float(keras.ops.convert_to_tensor(rate() if callable(rate) else rate, "float32").numpy()))


class _Scheduled:
    """Step numbers (n,) -> the learning rates (n,) of a schedule."""

    def __init__(self, schedule, together):
        self.schedule, self.together = schedule, together
        self.of_many = tf.function(self._of_many, [tf.TensorSpec([None], tf.int64)], autograph=False)

    def __call__(self, steps):
        steps = np.asarray(steps, "int64") * self.together
        if len(steps) > FEW_STEPS:
            try:
                return self.of_many(steps).numpy()
            except Exception:  # a schedule of one's own may ask for numbers, as only a model that runs eagerly has them
                self.of_many = self._one_by_one
        return self._one_by_one(steps)

    def _of_many(self, steps):
        return tf.map_fn(lambda step: tf.cast(self.schedule(step), tf.float32), steps, fn_output_signature=tf.float32)

    def _one_by_one(self, steps):
        step = keras.Variable(0, dtype="int64", trainable=False)  # what `fit` gives a schedule
        values = []
        for number in steps:
            step.assign(int(number))
            values.append(float(self.schedule(step)))
        return np.array(values, "float32")


def _constant(rate):
    return lambda steps: np.full(len(steps), rate, "float32")


def _taken_apart(optimizer, rate):
    """The class of an optimizer, the name of Keras's that it inherits from, and its config at a constant rate."""
    kinds = [
        kind.__name__ for kind in type(optimizer).__mro__ if getattr(keras.optimizers, kind.__name__, None) is kind
    ]
    name = next((kind for kind in kinds if kind != "Optimizer"), type(optimizer).__name__)
    config = {**with_constant_rate(optimizer, rate).get_config(), "learning_rate": rate}
    # Averages of the weights change nothing while it trains.
    config |= {name: value for name, value in PLAIN.items() if name in config}
    return {"class": type(optimizer), "class_name": name, "config": config}


def _loss_weight(model):
    weights = loss_weights_of(model)
    return float(weights[0]) if len(weights) == 1 and weights[0] is not None else 1.0
