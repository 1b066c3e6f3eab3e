"""The engine: every step of a training run in one compiled loop around the real Keras model, optimizer and loss.

`model.fit` spends milliseconds of Python on each batch. Here TensorFlow runs whole epochs on its own:

- All weights stand in **one flat vector**, a single `keras.Variable`. A step splits it, calls the Keras model with
  `stateless_call`, takes one gradient, and hands vector and gradient to the Keras optimizer. Optimizers work weight
  by weight, so the arithmetic is the same as with many variables; the graph is several times smaller.
- **Many seeds** are rows of a matrix. The model is mapped over the rows; the losses are summed, not averaged, so that
  each row gets the gradient that it would get alone.
- A graph is a **pure function**: weights and optimizer state go in as values and come out as values. Nothing has to be
  reset, a run can be dropped at any time, and two runs can take turns on the same graph.
- It runs in **chunks of steps**. A chunk may begin and end in the middle of an epoch, so that the caller gets
  control back many times a second, however long an epoch takes. The results do not depend on the chunks.
- What a slider changes most often (learning rate, momentum, L1, L2, dropout rate, data, batches, seed, epochs) are
  values too. Only another network, optimizer or number of seeds needs another graph.

A graph answers its first run in TensorFlow's graph mode, which is quick to start. From the second run on it is compiled
by XLA, which takes about a second, once, and is then four times as fast. See benchmarks/README.md.
"""

import ctypes
import gc
import sys
import threading
import time
import warnings
from collections import OrderedDict
from contextlib import contextmanager
from types import SimpleNamespace
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from why_wont_it_learn.engine.cache import quick_start
from why_wont_it_learn.keras_private import forget_kernels, without_replicas

from .catalog import OPTIMIZERS, TASKS, Call
from .experiment import SETTINGS, Experiment
from .layer_metrics import bend_of, kernel_norms, watch_units
from .models import (
    all_steps,
    first_weights,
    layer_calls,
    layer_seed,
    learning_rates,
    optimizer_call,
    order_seed,
    output_activation,
    steps_per_epoch,
)
from .problems import make_problem
from .run import PER_EPOCH, Run, SeedStudy, skill
from .sources import PROBLEMS

KNOBS = ("l1", "l2", "dropout", "momentum", "weight_decay", "early_stopping")  # fields that enter a graph as values
GRAPHS_KEPT = 4  # a kernel on Binder has room for a few
LAYERS_KEPT = 24  # in all of them: a graph takes about 10 MB, and 2 for each layer of weights
GRAPHS_OF_MANY_KEPT = 1  # twenty layers of fifty seeds take 100 MB, and what comes next is mostly the same network
SEEDS_AT_ONCE = 100
WEIGHTS_AT_ONCE = 2_000_000  # of all members together; each takes about 60 bytes while it is trained
EPOCHS_AT_ONCE = 128  # the longest chunk for one network; many networks take shorter ones
STEPS_AT_ONCE = 4096  # the longest chunk where epochs have many steps
FIRST_STEPS = 16  # of the chunk that measures how long a step takes
COMPILED_AT_MOST = 40  # XLA never gives a compiled program back, so the number of them is bounded


class Knob(float):
    """A number while the graph is traced, a tensor when it runs: it stands in a Keras object in place of a float."""

    def __new__(cls, tensor):
        knob = super().__new__(cls, 0.5)
        knob.tensor = tensor
        return knob

    def __tf_tensor__(self, dtype=None, name=None):
        return tf.cast(self.tensor, dtype or self.tensor.dtype, name)


class KnobDropout(keras.layers.Dropout):
    """Keras's Dropout, the same units in the same step, but with a rate that is a tensor, set before a call in `knob`."""

    knob = None

    def call(self, inputs, training=False):
        if not training:
            return inputs
        kept = keras.random.uniform(keras.ops.shape(inputs), seed=self.seed_generator) >= self.knob
        return keras.ops.where(kept, inputs * (1 / (1 - self.knob)), 0.0)


class Graph:
    """The compiled training loop of one network, for one set of weights or for `members` of them at once.

    Built from an experiment, but good for every experiment with the same `Graph.key`.
    """

    compiled = 0  # programs that XLA has made in this process

    @staticmethod
    def key(experiment, members, probes=True):
        """What needs a graph of its own."""
        e = experiment
        source = PROBLEMS[e.problem]
        hidden = (e.depth, e.width, e.activation, e.dropout > 0) if e.depth else ()
        output = (source.task, source.outputs, output_activation(e))
        return (make_problem(e).x.shape[1], *hidden, *output, e.optimizer, *_extras(e), members, probes)

    def __init__(self, experiment, members=None, probes=True):
        # What enters as a value must not leave its mark: with momentum 0, say, Keras keeps no speeds.
        plain = experiment.replace(l1=0.0, l2=0.0, schedule="constant", momentum=0.5)
        self.model = keras.Sequential([_with_knob(call).make() for call in layer_calls(plain)])
        for layer in self.model.layers[:-1]:
            if isinstance(layer, keras.layers.Dense):
                layer.activation = bend_of(plain.activation)
        self.dropouts = [layer for layer in self.model.layers if isinstance(layer, KnobDropout)]
        self.shapes = [tuple(v.shape) for v in self.model.trainable_variables]
        self.sizes = [int(np.prod(shape)) for shape in self.shapes]
        self.members = members
        self.probes = probes  # else only the losses are measured, the validation loss only at the end of a chunk
        self.experiment = experiment
        self.output_activation = output_activation(experiment)
        self.loss = TASKS[PROBLEMS[experiment.problem].task].loss.with_(reduction=None).make()
        self.scheduled, self.stops_early = _extras(experiment)

        rows = () if members is None else (members,)
        self.vector = keras.Variable(np.zeros((*rows, sum(self.sizes)), "float32"), name="weights")
        self.optimizer = without_replicas(optimizer_call(plain).make())
        self.optimizer.build([self.vector])
        self.fresh_slots = [v.numpy() for v in self.optimizer.variables]
        is_kernel = [layer % 2 == 0 for layer in range(len(self.sizes))]  # kernel and bias in turn
        self.in_kernel = np.repeat(np.array(is_kernel, "float32"), self.sizes)

        self.lock = threading.Lock()
        self._traced = None
        self._compiled = {}
        self.made = 0  # how often it was traced or compiled
        self._seen = set()  # shapes of the data that it has run with

    # --- what is computed, written as TensorFlow -------------------------------------------------------------------

    def _parts(self, vector):
        return [tf.reshape(p, s) for p, s in zip(tf.split(vector, self.sizes), self.shapes, strict=True)]

    def _each(self, function, *arguments):
        """`function` for the one network, or for each of the members along the first axis."""
        if self.members is None:
            return function(*arguments)
        return tf.vectorized_map(lambda row: function(*row), arguments, warn=False)

    def _penalty(self, vector, knobs):
        """L1 and L2 of the kernels, as `keras.regularizers.L1L2` on every Dense layer adds them up."""
        kernels = vector * tf.constant(self.in_kernel)
        return knobs.l1 * tf.reduce_sum(tf.abs(kernels), -1) + knobs.l2 * tf.reduce_sum(tf.square(kernels), -1)

    def _data_loss(self, vector, layer_state, x, y, shares, training):
        """Keras's loss of one network for some points that count by their `shares`, which add up to 1."""
        predictions, layer_state = self.model.stateless_call(self._parts(vector), layer_state, x, training=training)
        return tf.reduce_sum(self.loss(y, predictions) * shares), layer_state

    def _step(self, vector, layer_state, x, y, shares, knobs):
        """One step of the optimizer on one batch."""
        with tf.GradientTape() as tape:
            tape.watch(vector)
            loss, layer_state = self._each(
                lambda *arguments: self._data_loss(*arguments, training=True), vector, layer_state, x, y, shares
            )
            loss += self._penalty(vector, knobs)
        self.optimizer.apply([tape.gradient(loss, vector)], [self.vector])
        return loss, layer_state

    def _measure(self, vector, layer_state, data, knobs):
        """Everything that is measured at the end of an epoch: a tensor for each of PER_EPOCH but the first."""

        def losses(vector, layer_state, x, y, shares, x_val, y_val):
            parts = self._parts(vector)
            predictions, dead, saturated = watch_units(
                parts, x, shares, self.experiment.activation, self.output_activation
            )
            loss = tf.reduce_sum(self.loss(y, predictions) * shares)
            val_loss, _ = self._data_loss(vector, layer_state, x_val, y_val, _equal_shares(y_val), training=False)
            return loss, val_loss, dead, saturated

        with tf.GradientTape() as tape:
            tape.watch(vector)
            loss, val_loss, dead, saturated = self._each(
                losses, vector, layer_state, data.x, data.y, data.shares, data.x_val, data.y_val
            )
            penalty = self._penalty(vector, knobs)
            loss += penalty
        gradient_norm = kernel_norms(tape.gradient(loss, vector), self.sizes)
        return val_loss + penalty, gradient_norm, dead, saturated

    def _chunk(self, state, knobs, data, order, shares, rates, count, show):
        """`count` steps from `state`: the new state, what was measured, and the predictions for `data.x_show`.

        state: (weights, optimizer variables, layer state, the epoch under way, what early stopping keeps).
        order: (≥ count, [members,] batch) rows of the data. rates: (≥ count,) learning rates.
        shares: (steps, [members,] batch), what each row counts in its batch: 1 / points of the batch, 0 for filling.
        show: whether predictions are wanted, else they are 0. They are those at the end of the last whole epoch.
        """
        knobs = SimpleNamespace(**dict(zip(KNOBS, tf.unstack(knobs), strict=True)))
        data = SimpleNamespace(**data)
        weights, slots, layer_state, epoch, kept = state
        for name in OPTIMIZERS[self.experiment.optimizer].uses:
            setattr(self.optimizer, name, Knob(getattr(knobs, name)))
        for dropout in self.dropouts:
            dropout.knob = knobs.dropout
        for variable, value in zip([self.vector, *self.optimizer.variables], [weights, *slots], strict=True):
            variable.assign(value)
        self.optimizer.learning_rate.assign(rates[0])

        axis = 0 if self.members is None else 1
        rows = self.vector.shape[:-1]
        steps = tf.shape(shares)[0]
        portions = tf.reduce_sum(tf.sign(shares), -1)  # points in each step, as shares of the epoch
        portions /= tf.reduce_sum(portions, 0)

        def step(done, layer_state, epoch):
            batch = order[done]
            x = tf.gather(data.x, batch, axis=axis, batch_dims=axis)
            y = tf.gather(data.y, batch, axis=axis, batch_dims=axis)
            vector = tf.identity(self.vector.value)
            if self.scheduled:
                self.optimizer.learning_rate.assign(rates[done])
            batch_loss, layer_state = self._step(vector, layer_state, x, y, shares[epoch.steps], knobs)
            loss = epoch.loss + batch_loss * portions[epoch.steps]
            return done + 1, layer_state, epoch._replace(steps=epoch.steps + 1, loss=loss)

        def end_of_epoch(ended, layer_state, epoch, kept, traces):
            loss = epoch.loss
            if self.stops_early:
                self.vector.assign(_where(kept.stopped, kept.vector, self.vector.value))
                loss = tf.where(kept.stopped, kept.loss, loss)
            vector = tf.identity(self.vector.value)
            measured = [loss]
            if self.probes:
                val_loss, gradient_norm, dead, saturated = self._measure(vector, layer_state, data, knobs)
                moved = kernel_norms(vector - epoch.start, self.sizes) / tf.cast(steps, tf.float32)
                update_ratio = tf.math.divide_no_nan(moved, kernel_norms(vector, self.sizes))
                measured += [val_loss, gradient_norm, update_ratio, dead, saturated]
            if self.stops_early:
                kept = kept.after_epoch(vector, loss, val_loss, knobs.early_stopping)
                vector = _where(kept.stopped, kept.vector, vector)
                self.vector.assign(vector)
            traces = [t.write(ended, m) for t, m in zip(traces, measured, strict=True)]
            return ended + 1, Epoch(tf.zeros_like(epoch.steps), vector, tf.zeros_like(loss)), kept, traces

        def to_end_of_epoch(done, ended, layer_state, epoch, kept, traces):
            """As many steps as the epoch still has, or the chunk."""
            done, layer_state, epoch = tf.while_loop(
                lambda done, _, epoch: (done < count) & (epoch.steps < steps), step, (done, layer_state, epoch)
            )
            ended, epoch, kept, traces = tf.cond(
                tf.equal(epoch.steps, steps),
                lambda: end_of_epoch(ended, layer_state, epoch, kept, traces),
                lambda: (ended, epoch, kept, traces),
            )
            return done, ended, layer_state, epoch, kept, traces

        layers = len(self.shapes) // 2
        widths = {"gradient_norm": [layers], "update_ratio": [layers], "dead": [layers - 1], "saturated": [layers - 1]}
        traces = [
            tf.TensorArray(tf.float32, tf.shape(order)[0] // steps + 1, element_shape=[*rows, *widths.get(name, [])])
            for name in (PER_EPOCH if self.probes else PER_EPOCH[:1])
        ]
        start = (0, 0, layer_state, epoch, kept, traces)
        *_, layer_state, epoch, kept, traces = tf.while_loop(lambda done, *_: done < count, to_end_of_epoch, start)
        at = kept.vector if self.stops_early else epoch.start
        outputs = self.model.outputs[0].shape[-1]
        shown = tf.cond(
            show,
            lambda: self._each(
                lambda v, s, x: self.model.stateless_call(self._parts(v), s, x, training=False)[0],
                at, layer_state, data.x_show,
            ),
            lambda: tf.zeros([*rows, tf.shape(data.x_show)[-2], outputs]),
        )  # fmt: skip
        vector = tf.identity(self.vector.value)
        state = vector, [tf.identity(v.value) for v in self.optimizer.variables], layer_state, epoch, kept
        traces = [trace.stack() for trace in traces]
        if not self.probes:
            val_loss = tf.reduce_mean(self.loss(data.y_val, shown), -1) + self._penalty(at, knobs)
            nothing = [tf.zeros([0, *rows, *widths[name]]) for name in PER_EPOCH[2:]]
            traces = [*traces, val_loss[None], *nothing]
        return state, traces, shown

    # --- how it is run ---------------------------------------------------------------------------------------------

    def first_state(self, experiment, seeds):
        """What a run starts from: the first weights of each seed, a fresh optimizer, fresh dropout."""
        weights = first_weights(experiment, seeds, self.shapes)
        # What keras.random.SeedGenerator(seed) starts with.
        layer_state = [
            np.array([[layer_seed(seed, index), 0] for seed in seeds], dropout.seed_generator.state.dtype)
            for index, dropout in enumerate(self.dropouts)
        ]
        if self.members is None:
            weights, layer_state = weights[0], [state[0] for state in layer_state]
        kept = Kept.at_start(weights) if self.stops_early else ()
        return weights, self.fresh_slots, layer_state, Epoch.at_start(weights), kept

    def compiles(self, jit_compile, *shapes):
        """Whether a run on data of these shapes is to be compiled by XLA; "auto": from the second one on."""
        again = shapes in self._seen
        self._seen.add(shapes)
        if self.dropouts or not jit_compile:
            return False  # XLA would switch off other units
        room = shapes in self._compiled or Graph.compiled < COMPILED_AT_MOST
        return room and (again or jit_compile is True)

    def run(self, *arguments, compiled=False):
        """`_chunk` on arrays, in graph mode or compiled by XLA: the same structure, of tensors.

        Both work on the variables of this graph, so one run at a time has them.
        """
        with self.lock:
            with quick_start():
                if self._traced is None:
                    self.made += 1
                    chunk = tf.function(self._chunk, autograph=False)
                    with _softmax_over_one_unit():
                        self._traced = chunk.get_concrete_function(*self._signature())
                if not compiled:
                    return self._traced(*arguments)
            _, _, data, _, shares, *_ = arguments
            shapes = data["x"].shape, shares.shape
            if shapes not in self._compiled:
                self.made += 1
                Graph.compiled += 1
                function = tf.function(lambda *a: self._traced(*a), autograph=False, jit_compile=True)
                self._compiled[shapes] = function.get_concrete_function(*arguments)
            return self._compiled[shapes](*arguments)

    def _signature(self):
        """Fixed: the network and the number of members. Open: points, steps, batch size."""
        rows = () if self.members is None else (self.members,)
        features = self.model.inputs[0].shape[-1]
        layer_state = [tf.TensorSpec((*rows, 2), d.seed_generator.state.dtype) for d in self.dropouts]
        slots = [tf.TensorSpec(v.shape, v.dtype) for v in self.optimizer.variables]
        epoch = Epoch(tf.TensorSpec((), tf.int32), tf.TensorSpec(self.vector.shape), tf.TensorSpec(rows))
        kept = Kept(*map(tf.TensorSpec, (self.vector.shape, *[rows] * 4)), tf.TensorSpec(rows, tf.bool))
        kept = kept if self.stops_early else ()
        data = {
            name: tf.TensorSpec((*rows, None, 1 if name.startswith("y") else features))
            for name in ("x", "y", "x_val", "y_val", "x_show")
        }
        return (
            (tf.TensorSpec(self.vector.shape), slots, layer_state, epoch, kept),
            tf.TensorSpec([len(KNOBS)]),
            {**data, "shares": tf.TensorSpec((*rows, None))},
            tf.TensorSpec((None, *rows, None), tf.int32),
            tf.TensorSpec((None, *rows, None)),
            tf.TensorSpec((None,)),
            tf.TensorSpec((), tf.int32),
            tf.TensorSpec((), tf.bool),
        )


class Epoch(NamedTuple):
    """The epoch that is under way.

    steps: how many it has made. start: the weights that it began with, for each member. loss: the sum over its steps so far.
    """

    steps: object
    start: object
    loss: object

    @staticmethod
    def at_start(weights):
        """Before the first step; weights: ([members,] parameters)."""
        return Epoch(np.int32(0), weights, np.zeros(weights.shape[:-1], "float32"))


class Kept(NamedTuple):
    """What `keras.callbacks.EarlyStopping(patience=…, restore_best_weights=True)` keeps, for each member.

    vector, loss, val_loss: those of the best epoch so far. wait: epochs since then. ran: epochs until it stopped.
    stopped: whether it has; then the best weights are put back after each epoch, so that what is measured stays.
    """

    vector: object
    loss: object
    val_loss: object
    wait: object
    ran: object
    stopped: object

    @staticmethod
    def at_start(weights):
        """Before the first epoch; weights: ([members,] parameters)."""
        rows = weights.shape[:-1]
        zero, worst = np.zeros(rows, "float32"), np.full(rows, np.inf, "float32")
        return Kept(weights, worst, worst, zero, zero, np.zeros(rows, bool))

    def after_epoch(self, vector, loss, val_loss, patience):
        """What is kept after one more epoch."""
        first = self.ran == 0  # the best so far, even where its loss is not a number
        improved = ~self.stopped & (val_loss < self.val_loss)
        wait = tf.where(improved, 0.0, self.wait + 1)
        return Kept(
            _where(improved | first, vector, self.vector),
            tf.where(improved | first, loss, self.loss),
            tf.where(improved, val_loss, self.val_loss),
            wait,
            tf.where(self.stopped, self.ran, self.ran + 1),
            self.stopped | (~first & ~improved & (wait >= patience)),
        )


def _where(members, yes, no):
    """`yes` in the rows of some members, `no` in those of the others."""
    return tf.where(members[..., None], yes, no)


def _extras(experiment):
    """What costs every step a little, and is built into a graph only where it is asked for: schedule, early stopping."""
    return experiment.schedule != "constant", experiment.early_stopping > 0


def _with_knob(call):
    """The call of a layer, with dropout replaced by dropout whose rate is a value."""
    is_dropout = call.path == "keras.layers.Dropout"
    return Call(f"{__name__}.KnobDropout", call.args, call.kwargs) if is_dropout else call


def _equal_shares(y):
    count = tf.shape(y)[0]
    return tf.fill([count], 1 / tf.cast(count, tf.float32))


_warnings_lock = threading.Lock()  # their filters belong to the whole process


@contextmanager
def _softmax_over_one_unit():
    """Keras does not warn of it: an experiment that has it shows it on purpose."""
    with _warnings_lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using a softmax over axis", UserWarning)
        yield


_graphs = OrderedDict()
_graphs_of_many = OrderedDict()  # apart, so that a map of many networks does not push out the graphs of a lab
_graphs_lock = threading.Lock()


def graph_for(experiment, members=None, probes=True):
    """The graph of an experiment, from a cache that keeps the last used: `GRAPHS_KEPT` of one network, one of many.

    Fewer of deep networks: no more than `LAYERS_KEPT` layers together, but always the one that was asked for.
    """
    key = Graph.key(experiment, members, probes)
    graphs, most = (_graphs, GRAPHS_KEPT) if members is None else (_graphs_of_many, GRAPHS_OF_MANY_KEPT)
    with _graphs_lock:
        if key not in graphs:
            room = LAYERS_KEPT - (experiment.depth + 1)
            while graphs and (len(graphs) >= most or sum(len(g.shapes) // 2 for g in graphs.values()) > room):
                graphs.popitem(last=False)
                _give_back()
            graphs[key] = Graph(experiment, members, probes)
        graphs.move_to_end(key)
        return graphs[key]


def _give_back():
    """Free what a dropped graph leaves behind: about 20 MB. Takes some milliseconds."""
    gc.collect()  # its parts refer to each other in circles
    forget_kernels()  # TensorFlow keeps a kernel for each variable that ever was, as Keras knows
    _trim()


# glibc keeps what is freed in pieces: 100 MB after many wide networks at once, unless it is told to give it back.
_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


def _trim():
    if _malloc_trim is not None:
        _malloc_trim(0)


def has_graph(experiment):
    """Whether the graph of one network of this experiment is there already."""
    return Graph.key(experiment, None) in _graphs


def has_room(experiment, graphs):
    """Whether so many graphs of networks as deep as this one can be kept at the same time."""
    return graphs <= GRAPHS_KEPT and graphs * (experiment.depth + 1) <= LAYERS_KEPT


class Dealer:
    """Deals the training points in batches, in a new order each epoch, for one seed.

    Batches have `batch_size` points and the last one the rest. Where points with missing values have been dropped there are
    as many batches as without, only smaller.
    """

    def __init__(self, experiment):
        self.points = len(make_problem(experiment).x)
        self.steps = steps_per_epoch(experiment)
        if self.points == experiment.samples:
            self.batch = min(experiment.batch_size or self.points, self.points)
            self.sizes = [min(self.batch, self.points - start) for start in range(0, self.points, self.batch)]
        else:
            self.sizes = [len(part) for part in np.array_split(np.arange(self.points), self.steps)]
            self.batch = max(self.sizes)
        self.rng = np.random.default_rng(order_seed(experiment))
        self.left = np.zeros((0, self.batch), "int32")  # of an epoch that is dealt in part

    def deal(self, count):
        """Rows of the data for the next steps: (count, batch) int32, filled up with row 0."""
        if self.steps == 1:  # one batch of everything: the order does not matter
            return np.broadcast_to(np.arange(self.points, dtype="int32"), (count, self.points))
        epochs = -(-(count - len(self.left)) // self.steps)
        order = np.zeros((epochs, self.steps, self.batch), "int32")
        real = self._real()
        for epoch in order:
            epoch[real] = self.rng.permutation(self.points)
        order = np.concatenate([self.left, order.reshape(-1, self.batch)])
        self.left = order[count:]
        return order[:count]

    def shares(self):
        """What each row counts in its batch: (steps, batch) float32; 0 for filling."""
        real = self._real()
        return (real / np.maximum(real.sum(axis=1, keepdims=True), 1)).astype("float32")

    def _real(self):
        return np.arange(self.batch) < np.array(self.sizes)[:, None]


def _stacked(arrays):
    """Arrays of members as one array; where they differ in length, the shorter are filled up with zeros."""
    if len({array.shape for array in arrays}) == 1:
        return np.stack(arrays)
    shape = np.max([array.shape for array in arrays], axis=0)
    return np.stack([np.pad(a, [(0, n - k) for k, n in zip(a.shape, shape, strict=True)]) for a in arrays])


class Chunk(NamedTuple):
    """How far a training has come.

    traces: {name: (epochs, [members, …])} for each of PER_EPOCH. weights: ([members,] parameters) at the end of the last whole
    epoch, or of the best one where early stopping keeps that. shown: ([members,] points, outputs), their predictions.
    ran: ([members,]) how many epochs each has trained; who has stopped early trains no more. done: the share of the steps.
    """

    traces: dict
    weights: np.ndarray
    shown: np.ndarray
    ran: np.ndarray
    done: float


def steps_of_chunk(done, wanted, steps, until):
    """How many steps the chunk after the first `done` ones makes: `wanted`, but not past step number `until`.

    A chunk that reaches the end of an epoch ends with one, because only there is something new to be seen.
    """
    end = min(done + wanted, until)
    if end // steps > done // steps:
        end = end // steps * steps
    return end - done


def chunks(experiment, seeds, members, jit_compile, seconds, show=None, probes=True, ends=()):
    """Train the experiment for some seeds; yields a `Chunk` after each chunk, the same as before if no epoch has ended in it.

    members: None for one network, else len(seeds). seconds: how long a chunk may take, None for as long as it likes.
    show: problem -> inputs (points, inputs) whose predictions are wanted; the validation inputs if None.
    ends: numbers of epochs after which a chunk has to end.
    """
    graph = graph_for(experiment, members, probes)
    experiments = [experiment.replace(seed=seed) for seed in seeds]
    problems = [make_problem(e) for e in experiments]
    dealers = [Dealer(e) for e in experiments]
    data = {name: [getattr(p, name) for p in problems] for name in ("x", "y", "x_val", "y_val")}
    data["shares"] = [np.full(len(p.x), 1 / len(p.x), "float32") for p in problems]
    data["x_show"] = [show(p) for p in problems] if show else data["x_val"]
    shares = [dealer.shares() for dealer in dealers]
    pick = _stacked if members else (lambda arrays: arrays[0])
    data = {name: tf.constant(pick(points)) for name, points in data.items()}
    shares = tf.constant(np.swapaxes(pick(shares), 0, 1) if members else pick(shares))
    knobs = tf.constant([getattr(experiment, knob) for knob in KNOBS], tf.float32)
    state = graph.first_state(experiment, seeds)
    compiled = graph.compiles(jit_compile, data["x"].shape, shares.shape)

    steps, total = steps_per_epoch(experiment), all_steps(experiment)
    epochs_at_once = EPOCHS_AT_ONCE if members is None or not probes else max(8, EPOCHS_AT_ONCE // members)
    at_once = min(epochs_at_once * steps, STEPS_AT_ONCE)
    wanted = at_once if seconds is None else min(steps, FIRST_STEPS)
    stops = sorted({*(end * steps for end in ends), total})
    pieces, done, chunk, everyone_stopped = [], 0, None, False
    while done < total and not everyone_stopped:
        began, made = time.perf_counter(), graph.made
        count = steps_of_chunk(done, wanted, steps, next(stop for stop in stops if stop > done))
        ended = (done + count) // steps - done // steps
        order = pick([dealer.deal(count) for dealer in dealers])
        order = np.swapaxes(order, 0, 1) if members else order
        rates = learning_rates(experiment, done, count)
        if compiled:  # XLA compiles for one shape
            order, rates = (
                np.concatenate([a, np.zeros((at_once - count, *a.shape[1:]), a.dtype)]) for a in (order, rates)
            )
        show_now = bool(ended or chunk is None)
        state, measured, shown = graph.run(
            state, knobs, data, order, shares, rates, tf.constant(count), tf.constant(show_now), compiled=compiled
        )
        done += count
        if show_now:
            pieces.append([trace.numpy()[:ended] for trace in measured])
            chunk = _as_chunk(graph, state, pieces, shown.numpy())
            # Of many networks the last to stop goes back to its best epoch in the epoch after.
            settled = members is None or len(chunk.traces["loss"]) > np.max(chunk.ran)
            everyone_stopped = graph.stops_early and bool(np.all(state[-1].stopped)) and settled
        if everyone_stopped:  # nothing changes any more
            left = experiment.epochs - len(chunk.traces["loss"])
            traces = {n: np.concatenate([t, np.repeat(t[-1:], left, axis=0)]) for n, t in chunk.traces.items()}
            chunk = chunk._replace(traces=traces)
        chunk = chunk._replace(done=1.0 if everyone_stopped else done / total)
        if seconds is not None and graph.made == made:  # else most of the time went into the making
            wanted = max(1, min(at_once, int(count * min(4.0, seconds / (time.perf_counter() - began)))))
        yield chunk


def _as_chunk(graph, state, pieces, shown):
    """The `Chunk` of a state of a graph and of what it has measured so far, piece by piece."""
    traces = {name: np.concatenate(parts) for name, parts in zip(PER_EPOCH, zip(*pieces, strict=True), strict=True)}
    if not graph.probes:
        traces["val_loss"] = traces["val_loss"][-1:]
    *_, epoch, kept = state
    weights = (kept.vector if graph.stops_early else epoch.start).numpy()
    ran = kept.ran.numpy().astype(int) if graph.stops_early else np.full(weights.shape[:-1], len(traces["loss"]))
    return Chunk(traces, weights, shown, ran, 0.0)


def stream(experiment, *, jit_compile=False, seconds=0.03, x_show=None, within_epochs=False):
    """Train one network and yield the `Run` so far about every `seconds`; the last one is finished.

    To drop the run, stop asking.

    x_show: (points, features) float32, inputs as the network sees them, whose predictions stand in `Run.shown`; the validation
    inputs if None.
    within_epochs: whether to yield while an epoch is under way, too, so that the caller gets control back however long an epoch
    takes: the same `Run` again, and before the end of the first epoch one without epochs, `len(run.loss) == 0`.
    """
    problem = make_problem(experiment)
    shapes = graph_for(experiment).shapes
    at = problem.x_val if x_show is None else np.concatenate([problem.x_val, x_show])
    began, run = time.perf_counter(), None
    for chunk in chunks(experiment, [experiment.seed], None, jit_compile, seconds, lambda _: at):
        news = len(chunk.traces["loss"]) > (len(run.loss) if run else 0)
        if news or run is None:
            run = Run(
                experiment=experiment,
                problem=problem,
                weights=split_weights(chunk.weights, shapes),
                predictions=chunk.shown[: len(problem.x_val)],
                shown=chunk.shown if x_show is None else chunk.shown[len(problem.x_val) :],
                finished=chunk.done == 1,
                seconds=time.perf_counter() - began,
                **{name: trace[: chunk.ran] for name, trace in chunk.traces.items()},
            )
        if news or within_epochs:
            yield run


def split_weights(vector, shapes):
    """A flat vector as kernels and biases of these shapes."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(vector, ends), shapes, strict=True)]


def train(experiment, *, jit_compile="auto"):
    """Train the network of an experiment and return its finished `Run`.

    The losses are those of `model.fit` from the same first weights with the same batches, up to rounding.

    Args:
        experiment: an `Experiment`.
        jit_compile: False for TensorFlow's graph mode, True for XLA, "auto" for graph mode the first time that a network
            of this kind is trained, and XLA from then on. XLA rounds differently, as `model.fit` does on another machine.
    """
    _check(experiment, jit_compile)
    *_, run = stream(experiment, jit_compile=jit_compile, seconds=None)
    return run


def train_seeds(experiment, seeds=100, *, probes=True, jit_compile=False, progress=None):
    """Train the experiment from many seeds at once and return the `SeedStudy`.

    Each seed draws its own data, first weights and batches: member i is `train(experiment.replace(seed=seeds[i]))`.

    Args:
        experiment: an `Experiment`; its own seed is not used.
        seeds: how many (0, 1, 2, …), or a sequence of whole numbers.
        probes: False where nobody looks at the layers, which is several times as quick. Then `val_loss` is measured after
            the last epoch only, (seeds, 1), and of what is measured in the layers there is nothing, (seeds, 0, layers).
        jit_compile: whether to compile with XLA, which pays for more than about 1,000 epochs.
        progress: called with the share that is done, 0 to 1.
    """
    _check(experiment, jit_compile)
    for study in stream_seeds(experiment, seeds, probes=probes, jit_compile=jit_compile, seconds=None):
        if progress:
            progress(study.done)
    return study


def stream_seeds(experiment, seeds=100, *, jit_compile=False, seconds=0.1, probes=True, within_epochs=False):
    """Train many seeds and yield the `SeedStudy` so far about every `seconds`; the last one is finished.

    within_epochs: whether to yield while an epoch is under way, too: then only `done` has grown, and before the end of the
    first epoch of a block of seeds there are no losses, `study.loss.shape[1] == 0`.
    probes=False takes a third of the time: `val_loss` is measured after the last epoch only, (seeds, 1), and of what is
    measured in the layers there is nothing, (seeds, 0, layers). The training is the same.
    """
    seeds = seed_list(seeds)
    probes = probes or experiment.early_stopping > 0  # which needs the validation loss of each epoch
    at_once = min(SEEDS_AT_ONCE, max(1, WEIGHTS_AT_ONCE // max(1, experiment.hidden_weights)))
    blocks = [seeds[i : i + at_once] for i in range(0, len(seeds), at_once)]
    finished = []
    for block in blocks:
        epochs = 0
        # A last block that is not full is filled up, so that it runs on the same graph.
        filled = block + [block[-1]] * (len(blocks[0]) - len(block))
        problems = [make_problem(experiment.replace(seed=seed)) for seed in block]
        for chunk in chunks(experiment, filled, len(filled), jit_compile, seconds, probes=probes):
            if not within_epochs and len(chunk.traces["loss"]) == epochs:
                continue
            epochs = len(chunk.traces["loss"])
            errors = [p.error(answer) for p, answer in zip(problems, chunk.shown, strict=False)]
            part = SeedStudy(
                experiment=experiment,
                seeds=np.array(block),
                error=np.array(errors),
                skill=np.array([skill(e, p) for e, p in zip(errors, problems, strict=True)]),
                baseline=np.array([p.baseline for p in problems]),
                noise_floor=np.array([p.noise_floor for p in problems]),
                weights=chunk.weights[: len(block)],
                epochs_run=chunk.ran[: len(block)],
                **{name: np.swapaxes(trace, 0, 1)[: len(block)] for name, trace in chunk.traces.items()},
            )
            yield SeedStudy.joined([*finished, part], (len(finished) + chunk.done) / len(blocks))
        finished.append(part)
    _trim()


def seed_list(seeds):
    """The seeds that a number of seeds (0, 1, 2, …) or some whole numbers stand for, checked."""
    if isinstance(seeds, (int, np.integer)) and not isinstance(seeds, bool):
        seeds = range(seeds)
    if isinstance(seeds, (str, bool)) or not hasattr(seeds, "__iter__"):
        raise ValueError(f"seeds={seeds!r} is neither a number of seeds nor some seeds such as [0, 1, 2].")
    seeds = [SETTINGS["seed"].check("seeds", seed) for seed in seeds]
    if not seeds:
        raise ValueError("seeds=0 trains nothing: give a number from 1 on, or some seeds such as [0, 1, 2].")
    return seeds


def _check(experiment, jit_compile):
    if not isinstance(experiment, Experiment):
        raise ValueError(f"train needs an Experiment, not {type(experiment).__name__}: train(Experiment(depth=3)).")
    if jit_compile not in (True, False, "auto"):
        raise ValueError(f"jit_compile={jit_compile!r} is not one of True, False, 'auto'.")
