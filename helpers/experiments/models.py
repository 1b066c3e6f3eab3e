"""`Experiment` → a compiled `keras.Sequential`, in the words of the Keras documentation."""

import itertools
from functools import lru_cache

import keras
import numpy as np
import tensorflow as tf

from .catalog import INITIALIZERS, OPTIMIZERS, SCHEDULES, TASKS, Call
from .problems import make_problem

RATES_AT_ONCE = 1024


def layer_calls(experiment):
    """The layers of the network as calls that can be made or printed, the input first."""
    e = experiment
    calls = [Call("keras.Input", kwargs={"shape": make_problem(e).x.shape[1:]})]
    for index in range(e.depth):
        calls.append(_dense(e, index, e.width, e.activation))
        if e.dropout:
            calls.append(Call("keras.layers.Dropout", (e.dropout,), {"seed": layer_seed(e.seed, index)}))
    calls.append(_dense(e, e.depth, e.source.outputs, output_activation(e)))
    return calls


def output_activation(experiment):
    """The activation of the output layer: the task's own unless the experiment names another."""
    own = TASKS[experiment.source.task].output_activation
    return own if experiment.output_activation == "auto" else experiment.output_activation


def _dense(experiment, index, units, activation):
    kwargs = {"activation": activation, "kernel_initializer": initializer_call(experiment, index)}
    if experiment.bias_initializer and index < experiment.depth:
        kwargs["bias_initializer"] = Call("keras.initializers.Constant", (experiment.bias_initializer,))
    if experiment.l1 or experiment.l2:
        strengths = {name: getattr(experiment, name) for name in ("l1", "l2") if getattr(experiment, name)}
        kwargs["kernel_regularizer"] = Call("keras.regularizers.L1L2", kwargs=strengths)
    return Call("keras.layers.Dense", (units,), kwargs)


def layer_seed(seed, index):
    """The seed of a layer: layers of equal shape must not start with equal weights."""
    return 1000 * seed + index


def order_seed(seed):
    """The seed of the order of the batches, apart from that of the data."""
    return [seed, 1]


def initializer_call(experiment, index):
    """The kernel initializer of the Dense layer `index`, 0 being the one next to the input."""
    row = INITIALIZERS[experiment.initializer]
    return row.call.with_(seed=layer_seed(experiment.seed, index)) if row.random else row.call


def optimizer_call(experiment):
    """The optimizer as a call that can be made or printed."""
    row = OPTIMIZERS[experiment.optimizer]
    schedule = SCHEDULES[experiment.schedule].call
    rate = experiment.learning_rate
    values = {"learning_rate": schedule(rate, all_steps(experiment)) if schedule else rate}
    return row.call.with_(**values, **{name: getattr(experiment, name) for name in row.uses})


def steps_per_epoch(experiment):
    """The number of batches in an epoch; points that are dropped make the batches smaller, not fewer."""
    return -(-experiment.samples // (experiment.batch_size or experiment.samples))


def all_steps(experiment):
    """The number of steps of the whole run."""
    return experiment.epochs * steps_per_epoch(experiment)


def learning_rates(experiment, first, count):
    """The learning rates of `count` steps from number `first` on: (count,) float32."""
    if SCHEDULES[experiment.schedule].call is None:
        return np.full(count, experiment.learning_rate, "float32")
    blocks = range(first // RATES_AT_ONCE, -(-(first + count) // RATES_AT_ONCE))
    factors = np.concatenate([_factors(experiment.schedule, all_steps(experiment), block) for block in blocks])
    return factors[first % RATES_AT_ONCE :][:count] * np.float32(experiment.learning_rate)


@lru_cache(maxsize=64)
def _factors(name, steps, block):
    """What a Keras schedule multiplies the learning rate by in the steps of a block.

    Blocks are of one length, because the last digit of a number may depend on how many are computed at once.
    """
    first = block * RATES_AT_ONCE
    return _schedule(name, steps)(tf.range(first, first + RATES_AT_ONCE, dtype=tf.float32)).numpy()


@lru_cache(maxsize=8)
def _schedule(name, steps):
    """A Keras schedule of rate 1 as a function of many step numbers at once; schedules are proportional to the rate."""
    schedule = SCHEDULES[name].call(1.0, steps).make()
    return tf.function(
        lambda numbers: tf.vectorized_map(schedule, numbers, warn=False),
        autograph=False,
        input_signature=[tf.TensorSpec([None])],
    ).get_concrete_function()


def weight_shapes(experiment):
    """The shapes of the weights: a kernel and a bias for each Dense layer, the input side first."""
    units = [
        make_problem(experiment).x.shape[1],
        *[experiment.width] * experiment.depth,
        experiment.source.outputs,
    ]
    return [shape for ins, outs in itertools.pairwise(units) for shape in ((ins, outs), (outs,))]


def build_model(experiment):
    """The compiled `keras.Sequential` of an experiment, with its first weights."""
    model = keras.Sequential([call.make() for call in layer_calls(experiment)])
    loss = TASKS[experiment.source.task].loss
    model.compile(optimizer=optimizer_call(experiment).make(), loss=loss.make())
    return model


class _Given(keras.random.SeedGenerator):
    """A seed that is a tensor, so that an initializer can be asked for many seeds in one graph."""

    def __init__(self, value):
        self.value = value

    def next(self, ordered=True):
        return self.value


def _draw_kernels(name, shape, seeds):
    """The kernels (seeds, *shape) that the initializer `name` gives for each seed."""
    row = INITIALIZERS[name]
    if not row.random:
        return np.repeat(np.asarray(row.call.make()(shape))[None], len(seeds), axis=0)
    return _drawer(name, shape)(tf.constant(seeds, tf.int32)).numpy()


@lru_cache(maxsize=64)
def _drawer(name, shape):
    """A function seeds (seeds,) -> kernels (seeds, *shape) in one graph."""
    # Without a seed, Keras would draw one from Python's `random`.
    initializer = INITIALIZERS[name].call.with_(seed=0).make()

    def kernel(seed):
        initializer.seed = _Given(tf.stack([seed, tf.zeros_like(seed)]))
        return initializer(shape)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.int32)])
    def kernels(seeds):
        return tf.map_fn(kernel, seeds, fn_output_signature=tf.float32)

    return kernels.get_concrete_function()


def initial_weights(experiment, seeds, shapes):
    """The first weights of each seed as one flat vector each: (seeds, parameters) float32.

    shapes: those of `keras.Sequential.trainable_variables`: a kernel and a bias for each Dense layer. Equal to what
    `build_model` starts with.
    """
    parts = []
    for index, shape in enumerate(shapes[::2]):
        if len(seeds) == 1:
            kernel = np.asarray(initializer_call(experiment.replace(seed=seeds[0]), index).make()(shape))[None]
        else:
            kernel = _draw_kernels(experiment.initializer, shape, [layer_seed(s, index) for s in seeds])
        bias = experiment.bias_initializer if index < experiment.depth else 0.0
        parts += [kernel.reshape(len(seeds), -1), np.full((len(seeds), shape[-1]), bias, "float32")]
    return np.concatenate(parts, axis=1)
