"""Training that changes nothing: any Keras model, in several variants and from several seeds, all at once.

A `Program` is a compiled Keras model taken apart: its layers, loss, optimizer, epochs and batch size. Whatever `diagnose`
tries is a program with something changed. A `Loop` trains copies of one program as rows of a matrix, as the engine of the
lessons does, each row with its own first weights and batches. The model that a program was made from is never
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

from .diagnosis.evidence import first_line, only, resolved_loss
from .keras_private import (
    clipped,
    global_seed_generator,
    is_functional,
    layers_of,
    learning_rate_of,
    loss_of_function,
    loss_weights_of,
    set_global_seed_generator,
    with_constant_rate,
    without_replicas,
)

# These look at a whole kernel at once, so that copies of a network cannot share a matrix with one row for each.
WHOLE_KERNELS = ("adafactor", "lamb", "muon")


@contextmanager
def random_state_kept():
    """Leave the random state of Python and Keras as it was: making a Keras layer takes numbers from it."""
    python = random.getstate()
    generator = global_seed_generator()
    state = None if generator is None else generator.state.numpy()
    try:
        yield
    finally:
        random.setstate(python)
        set_global_seed_generator(generator)
        if generator is not None:
            generator.state.assign(state)


@dataclass(frozen=True, eq=False)
class Program:
    """A compiled Keras model taken apart, so that one part of it can be changed.

    make: the class of the model. config: as `model.get_config()` gives it. loss: a Keras loss, its name or a function of
    (y_true, y_pred). optimizer: its class, the name of the Keras optimizer that this is or inherits from, and its config
    without the schedule. rates: step numbers (n,) -> learning rates (n,). fixed: {layer name: weights} of layers that are not
    trained. own: the weights that the model has now. model: the model itself where it cannot be taken apart; then there are no
    layers, and copies start from its own weights. known: {name: class or function} that the layers need and Keras does not
    know. loss_scale: the initial scale and the growth steps of a `LossScaleOptimizer`. loss_weight: factor of the loss.
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

    def with_rate(self, rate):
        """The program with the same optimizer at a constant learning rate."""
        config = {**self.optimizer["config"], "learning_rate": rate}
        return replace(self, optimizer={**self.optimizer, "config": config}, rates=_constant(rate))

    def build(self, seed=0):
        """A new model with first weights drawn from `seed`."""
        if self.model is not None:
            return self.model
        config = copy.deepcopy(self.config)
        for index, layer in enumerate(config["layers"]):
            _seed(layer["config"], 1000 * seed + index)
        with keras.saving.custom_object_scope(self.known):
            model = self.make.from_config(config)
        for layer in layers_of(model)[1:]:
            if layer.name in self.fixed:
                layer.set_weights(self.fixed[layer.name])
        return model

    def make_optimizer(self):
        """A new optimizer."""
        return self.optimizer["class"].from_config(copy.deepcopy(self.optimizer["config"]))

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


def _seed(config, seed):
    """Set every seed in the configuration of a layer, also of layers within it."""
    if isinstance(config, dict):
        if "seed" in config:
            config["seed"] = seed
        config = list(config.values())
    for value in config if isinstance(config, list) else ():
        _seed(value, seed)


def program_of(model, epochs, batch_size, loss=None):
    """The `Program` of a compiled Keras model. loss: what it is compiled with, if the caller has resolved that already."""
    optimizer, loss_scale = model.optimizer, None
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        loss_scale = float(optimizer.initial_scale), int(optimizer.dynamic_growth_steps)
        optimizer = optimizer.inner_optimizer
    rates = _rates(optimizer)
    whole = Program(
        type(model), {"layers": []}, loss or resolved_loss(model), _taken_apart(optimizer, float(rates(np.zeros(1, int))[0])), rates,
        epochs, batch_size, own=[w.numpy() for w in model.trainable_variables], model=model, loss_scale=loss_scale,
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
    fresh = int(optimizer.iterations.numpy()) == 0
    try:
        program = replace(
            whole,
            config=model.get_config(),
            fixed=fixed,
            own=whole.own if fresh else None,
            model=None,
            known=_known(inner),
        )
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


def _rates(optimizer):
    """Step numbers (n,) -> the learning rates (n,) that an optimizer has at them."""
    rate = learning_rate_of(optimizer)
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):

        def rates(steps):
            step = keras.Variable(0, dtype="int64", trainable=False)  # what `fit` gives a schedule
            values = []
            for number in steps:
                step.assign(int(number))
                values.append(float(rate(step)))
            return np.array(values, "float32")

        return rates
    return _constant(float(keras.ops.convert_to_tensor(rate() if callable(rate) else rate, "float32").numpy()))


def _constant(rate):
    return lambda steps: np.full(len(steps), rate, "float32")


def _taken_apart(optimizer, rate):
    """The class of an optimizer, the name of Keras's that it inherits from, and its config at a constant rate."""
    kinds = [
        kind.__name__ for kind in type(optimizer).__mro__ if getattr(keras.optimizers, kind.__name__, None) is kind
    ]
    name = next((kind for kind in kinds if kind != "Optimizer"), type(optimizer).__name__)
    config = {**with_constant_rate(optimizer, rate).get_config(), "learning_rate": rate}
    return {"class": type(optimizer), "class_name": name, "config": config}


def _loss_weight(model):
    weights = loss_weights_of(model)
    return float(weights[0]) if len(weights) == 1 and weights[0] is not None else 1.0


class Loop:
    """The training loop of a program, for some copies of it at a time, compiled once and good for many runs.

    A pure function: weights and the state of optimizer and layers come in as values and go out as values.
    """

    def __init__(self, program, members):
        self.program, self.members = program, members
        self.model = program.build()
        self.shapes = [tuple(v.shape) for v in self.model.trainable_variables]
        self.types = [v.dtype for v in self.model.trainable_variables]
        self.sizes = [int(np.prod(shape)) for shape in self.shapes]
        self.vector = keras.Variable(np.zeros((members, sum(self.sizes)), "float32"), name="weights")
        self.optimizer = without_replicas(program.make_optimizer())
        # It is to cut the gradient of each kernel, not of the whole vector.
        self.clip = {name: getattr(self.optimizer, name) for name in ("clipnorm", "global_clipnorm", "clipvalue")}
        self._set_clipping(dict.fromkeys(self.clip))
        self.optimizer.build([self.vector])
        self.slots = [tf.constant(v.numpy()) for v in self.optimizer.variables]
        self.loss = as_loss(program.loss)
        self._train = self._predict = None

    def first_state(self, program, seeds):
        """What copies of a program start from: the loop's own, or one that differs from it in its initializers."""
        states = [_first_state(program, seed) for seed in seeds]
        layer_state = [tf.constant(np.stack(parts)) for parts in zip(*[layers for _, layers in states], strict=True)]
        initial_scale = self.program.loss_scale[0] if self.program.loss_scale else 1.0
        scale = [tf.fill([self.members], initial_scale), tf.zeros([self.members], tf.int32)]
        return [tf.constant(np.stack([vector for vector, _ in states])), self.slots, layer_state, scale]

    def train(self, state, x, y, order, rates):
        """As many steps as there are rates. Returns the new state and the losses (steps, members), penalties included.

        x, y: (points, …) tensors. order: (steps, members, batch) rows of them. rates: (steps,).
        """
        arguments = [*state, x, y, tf.constant(order), tf.constant(rates)]
        if self._train is None:
            self._train = _traced(self._steps, state, arguments[len(state) :])
        *state, losses = self._train(*arguments)
        return state, losses.numpy()

    def answers(self, state, x):
        """Predictions of every copy: (members, points, …)."""
        if self._predict is None:
            self._predict = _traced(self._answers, (state[0], state[2]), (x,))
        return self._predict(state[0], state[2], x).numpy().astype("float32")

    def _parts(self, vector):
        parts = zip(tf.split(vector, self.sizes), self.shapes, self.types, strict=True)
        return [tf.cast(tf.reshape(part, shape), kind) for part, shape, kind in parts]

    def _training(self, training):
        """The argument that tells a model whether it is being trained, if it takes one."""
        return {"training": training} if "training" in inspect.signature(self.model.call).parameters else {}

    def _member_loss(self, vector, layer_state, x, y):
        answers, layer_state, penalties = self.model.stateless_call(
            self._parts(vector), layer_state, x, return_losses=True, **self._training(True)
        )
        loss = self.program.loss_weight * tf.cast(tf.reduce_mean(self.loss(y, only(answers))), tf.float32)
        return tf.add_n([loss, *(tf.cast(penalty, tf.float32) for penalty in penalties)]), layer_state

    def _steps(self, weights, slots, layer_state, scale, x, y, order, rates):
        for variable, value in zip([self.vector, *self.optimizer.variables], [weights, *slots], strict=True):
            variable.assign(value)

        def step(number, layer_state, scale, losses):
            batch = tf.gather(x, order[number]), tf.gather(y, order[number])
            with tf.GradientTape() as tape:
                vector = tf.identity(self.vector.value)
                tape.watch(vector)
                loss, layer_state = tf.vectorized_map(
                    lambda row: self._member_loss(*row), (vector, layer_state, *batch), warn=False
                )
                scaled = loss * scale[0]
            gradient = tape.gradient(scaled, vector)
            self.optimizer.learning_rate.assign(rates[number])
            if self.program.loss_scale:
                scale = self._apply_scaled(gradient, scale)
            else:
                self.optimizer.apply([self._clipped(gradient)], [self.vector])
            return number + 1, layer_state, scale, losses.write(number, loss)

        count = tf.shape(order)[0]
        losses = tf.TensorArray(tf.float32, count, element_shape=[self.members])
        _, layer_state, scale, losses = tf.while_loop(
            lambda number, *_: number < count, step, (0, layer_state, scale, losses)
        )
        slots = [tf.identity(v.value) for v in self.optimizer.variables]
        return tf.identity(self.vector.value), slots, layer_state, scale, losses.stack()

    def _apply_scaled(self, gradient, scale):
        """What a `LossScaleOptimizer` does, for each copy by itself: a step that overflows is left out, and the scale halved."""
        factor, steps = scale
        gradient /= factor[:, None]
        finite = tf.reduce_all(tf.math.is_finite(gradient), axis=1)
        before = [tf.identity(v.value) for v in (self.vector, *self.optimizer.variables)]
        self.optimizer.apply([self._clipped(tf.where(finite[:, None], gradient, 0.0))], [self.vector])
        for variable, old in zip((self.vector, *self.optimizer.variables), before, strict=True):
            if variable.shape == self.vector.shape:
                variable.assign(tf.where(finite[:, None], variable.value, old))
        steps = tf.where(finite, steps + 1, 0)
        grown = steps >= self.program.loss_scale[1]
        factor = tf.where(finite, tf.where(grown, 2 * factor, factor), factor / 2)
        return [factor, tf.where(grown, 0, steps)]

    def _set_clipping(self, values):
        for name, value in values.items():
            setattr(self.optimizer, name, value)

    def _clipped(self, gradient):
        if not any(self.clip.values()):
            return gradient
        self._set_clipping(self.clip)
        parts = tf.vectorized_map(lambda row: clipped(self.optimizer, self._parts(row)), gradient, warn=False)
        self._set_clipping(dict.fromkeys(self.clip))
        return tf.concat([tf.reshape(part, [self.members, -1]) for part in parts], 1)

    def _answers(self, weights, layer_state, x):
        return tf.vectorized_map(
            lambda row: only(self.model.stateless_call(self._parts(row[0]), row[1], x, **self._training(False))[0]),
            (weights, layer_state), warn=False,
        )  # fmt: skip


def _traced(function, fixed, free):
    """A function as one graph: for the shapes of its first arguments, and for any length of the others."""
    fixed = tf.nest.map_structure(tf.TensorSpec.from_tensor, list(fixed))
    free = [tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for tensor in free]
    return tf.function(function, autograph=False, input_signature=[*fixed, *free])


class BatchOrder:
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
    vector = np.concatenate([np.ravel(w) for w in trained]).astype("float32")
    return vector, [v.numpy() for v in model.non_trainable_variables]


def as_loss(loss):
    """A Keras loss, its name or a function as a function of (y_true, y_pred), as `model.compile` makes one of it."""
    loss = keras.losses.get(loss)
    return loss if isinstance(loss, keras.losses.Loss) else loss_of_function(loss)


def refusal(program, data):
    """Why Keras itself cannot take a training step of a program on some data; "" if it can."""
    model = program.build()
    rows = slice(0, min(program.batch_size, data.points))
    x, y = tf.constant(data.inputs[rows]), tf.constant(data.y[rows])
    training = {"training": True} if "training" in inspect.signature(model.call).parameters else {}
    weights = [tf.identity(v.value) for v in model.trainable_variables]
    state = [tf.identity(v.value) for v in model.non_trainable_variables]
    try:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            answers, _ = model.stateless_call(weights, state, x, **training)
            loss = tf.reduce_mean(as_loss(program.loss)(y, only(answers)))
        tape.gradient(loss, weights)
    except Exception as error:  # of layers or a loss that are not Keras's, anything
        return first_line(error)
    return ""
