"""Training that changes nothing: any Keras model, in several variants and from several seeds, all at once.

A `Program` is a compiled Keras model taken apart: its layers, loss, optimizer, epochs and batch size. Whatever `diagnose`
tries is a program with something changed. A `Loop` trains copies of one program as rows of a matrix, as the engine of the
lessons does (training.py), each row with its own first weights and batches. The model that a program was made from is never
trained, and its weights are never written.
"""

import copy
import inspect
import random
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.models.functional import Functional

# These look at a whole kernel at once, so that copies of a network cannot share a matrix with one row for each.
WHOLE_KERNELS = ("adafactor", "lamb", "muon")


@contextmanager
def random_state_kept():
    """Leave the random state of Python and Keras as it was: making a Keras layer takes numbers from it."""
    python = random.getstate()
    generator = global_state.get_global_attribute("global_seed_generator")
    state = None if generator is None else generator.state.numpy()
    try:
        yield
    finally:
        random.setstate(python)
        global_state.set_global_attribute("global_seed_generator", generator)
        if generator is not None:
            generator.state.assign(state)


@dataclass(frozen=True, eq=False)
class Program:
    """A compiled Keras model taken apart, so that one part of it can be changed.

    make: the class of the model. config: as `model.get_config()` gives it. loss: a Keras loss, its name or a function of
    (y_true, y_pred). optimizer: as `keras.optimizers.serialize` gives it, without its schedule. rates: step numbers (n,) ->
    learning rates (n,). fixed: {layer name: weights} of layers that are not trained. own: the weights that the model has now.
    model: the model itself where it cannot be taken apart; then there are no layers, and copies start from its own weights.
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
    model: keras.Model | None = None

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
        optimizer = keras.optimizers.serialize(
            keras.optimizers.get({"class_name": name, "config": {"learning_rate": rate}})
        )
        return replace(self, optimizer=optimizer, rates=lambda steps: np.full(len(steps), rate, "float32"))

    def build(self, seed=0):
        """A new model with first weights drawn from `seed`."""
        if self.model is not None:
            return self.model
        config = copy.deepcopy(self.config)
        for index, layer in enumerate(config["layers"]):
            for value in [layer["config"], *_initializers(layer)]:
                if "seed" in value:
                    value["seed"] = 1000 * seed + index
        model = self.make.from_config(config)
        for name, weights in self.fixed.items():
            if any(layer.name == name for layer in model.layers):
                model.get_layer(name).set_weights(weights)
        return model

    def make_optimizer(self):
        """A new optimizer."""
        return keras.optimizers.deserialize(copy.deepcopy(self.optimizer))

    def steps(self, points):
        """Steps in an epoch over some points."""
        return -(-points // self.batch_size)


def _initializers(layer):
    return [v["config"] for k, v in layer["config"].items() if k.endswith("_initializer") and isinstance(v, dict)]


def program_of(model, epochs, batch_size):
    """The `Program` of a compiled Keras model."""
    optimizer = keras.optimizers.serialize(model.optimizer)
    rate = optimizer["config"]["learning_rate"]
    if isinstance(rate, dict):
        schedule = keras.optimizers.schedules.deserialize(copy.deepcopy(rate))
        optimizer["config"]["learning_rate"] = float(schedule(0))

        def rates(steps):
            return np.array([float(schedule(int(step))) for step in steps], "float32")
    else:

        def rates(steps):
            return np.full(len(steps), rate, "float32")

    own = [w.numpy() for w in model.trainable_variables]
    if not isinstance(model, (keras.Sequential, Functional)):
        return Program(type(model), {"layers": []}, model.loss, optimizer, rates, epochs, batch_size, {}, own, model)
    fixed = {
        layer.name: layer.get_weights()
        for layer in model.layers
        if layer.weights and (not layer.trainable or isinstance(layer, keras.layers.Normalization))
    }
    fresh = int(model.optimizer.iterations.numpy()) == 0
    return Program(
        type(model), model.get_config(), model.loss, optimizer, rates, epochs, batch_size, fixed, own if fresh else None
    )  # fmt: skip


class Loop:
    """The training loop of a program, for some copies of it at a time, compiled once and good for many runs.

    A pure function: weights and the state of optimizer and layers come in as values and go out as values.
    """

    def __init__(self, program, members):
        self.program, self.members = program, members
        self.model = program.build()
        self.shapes = [tuple(v.shape) for v in self.model.trainable_variables]
        self.sizes = [int(np.prod(shape)) for shape in self.shapes]
        self.vector = keras.Variable(np.zeros((members, sum(self.sizes)), "float32"), name="weights")
        self.optimizer = program.make_optimizer()
        # It is to cut the gradient of each kernel, not of the whole vector; and there are no replicas to sum over (training.py).
        self.clip = {name: getattr(self.optimizer, name) for name in ("clipnorm", "global_clipnorm", "clipvalue")}
        self._set_clipping(dict.fromkeys(self.clip))
        self.optimizer._all_reduce_sum_gradients = lambda gradients_and_variables: gradients_and_variables
        self.optimizer.build([self.vector])
        self.slots = [tf.constant(v.numpy()) for v in self.optimizer.variables]
        self.loss = _loss(program.loss)
        self._train = self._predict = None

    def first_state(self, program, seeds):
        """What copies of a program start from: the loop's own, or one that differs from it in its initializers."""
        states = [_first_state(program, seed) for seed in seeds]
        layer_state = [tf.constant(np.stack(parts)) for parts in zip(*[layers for _, layers in states], strict=True)]
        return [tf.constant(np.stack([vector for vector, _ in states])), self.slots, layer_state]

    def train(self, state, x, y, order, rates):
        """As many steps as there are rates. Returns the new state and the losses (steps, members), penalties included.

        x, y: (points, …) tensors. order: (steps, members, batch) rows of them. rates: (steps,).
        """
        arguments = [*state, x, y, tf.constant(order), tf.constant(rates)]
        if self._train is None:
            self._train = _traced(self._steps, state, arguments[3:])
        *state, losses = self._train(*arguments)
        return state, losses.numpy()

    def answers(self, state, x):
        """Predictions of every copy: (members, points, …)."""
        if self._predict is None:
            self._predict = _traced(self._answers, (state[0], state[2]), (x,))
        return self._predict(state[0], state[2], x).numpy()

    def _parts(self, vector):
        return [tf.reshape(p, s) for p, s in zip(tf.split(vector, self.sizes), self.shapes, strict=True)]

    def _training(self, training):
        """The argument that tells a model whether it is being trained, if it takes one."""
        return {"training": training} if "training" in inspect.signature(self.model.call).parameters else {}

    def _member_loss(self, vector, layer_state, x, y):
        answers, layer_state, penalties = self.model.stateless_call(
            self._parts(vector), layer_state, x, return_losses=True, **self._training(True)
        )
        return tf.add_n([tf.reduce_mean(self.loss(y, answers)), *penalties]), layer_state

    def _steps(self, weights, slots, layer_state, x, y, order, rates):
        for variable, value in zip([self.vector, *self.optimizer.variables], [weights, *slots], strict=True):
            variable.assign(value)

        def step(number, layer_state, losses):
            batch = tf.gather(x, order[number]), tf.gather(y, order[number])
            with tf.GradientTape() as tape:
                vector = tf.identity(self.vector.value)
                tape.watch(vector)
                loss, layer_state = tf.vectorized_map(
                    lambda row: self._member_loss(*row), (vector, layer_state, *batch), warn=False
                )
            gradient = self._clipped(tape.gradient(loss, vector))
            self.optimizer.learning_rate.assign(rates[number])
            self.optimizer.apply([gradient], [self.vector])
            return number + 1, layer_state, losses.write(number, loss)

        count = tf.shape(order)[0]
        losses = tf.TensorArray(tf.float32, count, element_shape=[self.members])
        _, layer_state, losses = tf.while_loop(lambda number, *_: number < count, step, (0, layer_state, losses))
        slots = [tf.identity(v.value) for v in self.optimizer.variables]
        return tf.identity(self.vector.value), slots, layer_state, losses.stack()

    def _set_clipping(self, values):
        for name, value in values.items():
            setattr(self.optimizer, name, value)

    def _clipped(self, gradient):
        if not any(self.clip.values()):
            return gradient
        self._set_clipping(self.clip)
        parts = tf.vectorized_map(lambda row: self.optimizer._clip_gradients(self._parts(row)), gradient, warn=False)
        self._set_clipping(dict.fromkeys(self.clip))
        return tf.concat([tf.reshape(part, [self.members, -1]) for part in parts], 1)

    def _answers(self, weights, layer_state, x):
        return tf.vectorized_map(
            lambda row: self.model.stateless_call(self._parts(row[0]), row[1], x, **self._training(False))[0],
            (weights, layer_state), warn=False,
        )  # fmt: skip


def _traced(function, fixed, free):
    """A function as one graph: for the shapes of its first arguments, and for any length of the others."""
    fixed = tf.nest.map_structure(tf.TensorSpec.from_tensor, list(fixed))
    free = [tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for tensor in free]
    return tf.function(function, autograph=False, input_signature=[*fixed, *free])


class Order:
    """Rows of the training points in batches of equal size, in a new order each time that all have had their turn."""

    def __init__(self, points, batch, seed):
        self.points, self.batch = points, batch
        self.rng = np.random.default_rng([seed, 1])
        self.left = np.zeros(0, "int32")

    def deal(self, steps):
        """(steps, batch) int32."""
        while len(self.left) < steps * self.batch:
            need = -(-(steps * self.batch - len(self.left)) // self.points)
            rounds = [self.rng.permutation(self.points).astype("int32") for _ in range(need)]
            self.left = np.concatenate([self.left, *rounds])
        rows, self.left = np.split(self.left, [steps * self.batch])
        return rows.reshape(steps, self.batch)


def _first_state(program, seed):
    """First weights as one vector, and the state of the layers, of a copy with its own seed."""
    model = program.build(seed)
    own = program.own is not None and (seed == 0 or program.model is not None)
    trained = program.own if own else [v.numpy() for v in model.trainable_variables]
    return np.concatenate([np.ravel(w) for w in trained]), [v.numpy() for v in model.non_trainable_variables]


class _LossOf(keras.losses.Loss):
    """A function of (y_true, y_pred) as a Keras loss, as `model.compile` makes one of it."""

    def __init__(self, function):
        super().__init__(name="loss")
        self.function = function

    def call(self, y_true, y_pred):
        return self.function(y_true, y_pred)


def _loss(loss):
    """A Keras loss, its name or a function as a function of (y_true, y_pred)."""
    loss = keras.losses.get(loss)
    return loss if isinstance(loss, keras.losses.Loss) else _LossOf(loss)
