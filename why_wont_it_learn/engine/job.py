"""`Job`: a training ready to run; `RunningJob`: a job under way, in chunks of steps."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from .batches import Batches
from .cache import Graph, quick_start
from .layer_metrics import first_samples
from .state import Best, State

FIRST_STEPS = 16  # of the chunk that measures how long a step takes
FIRST_OPERATIONS = 2e8  # and no more than so many multiplications
STEPS_AT_ONCE = 4096  # the longest chunk
SAMPLES_PREDICTED = 1024


@dataclass(frozen=True, eq=False)
class Job:
    """Everything that the engine asks for, to train one model or many at once.

    graph: of the loop. state: (weights, layer state, optimizer state) at the start, packed as the graph has it.
    data, seen, validation: (x, y, sample_weight), structures of tensors; () where there is none. With `Shape.own_data`, each has
    an axis of models in front. validation_batch: samples of a batch of the validation data, None for all at once.
    rates: (number of the first step, steps) -> their learning rates, for `Shape.rates`. values: {name: number} for
    `Shape.values`. measured: (epochs,) at the end of which epochs there is validated and measured, None for all.
    """

    graph: Graph
    state: tuple
    data: tuple
    validation: tuple
    batches: Batches
    epochs: int
    seen: tuple | None = None
    validation_batch: int | None = None
    rates: Callable | None = None
    values: dict = field(default_factory=dict)
    measured: np.ndarray | None = None


class RunningJob:
    """A job under way: how far it has come, and its state.

    state: a `State`. rows: (epochs, [models,] columns) of the epochs that have ended. epochs: how many. done: fraction of the work.
    """

    def __init__(self, job):
        self.job, self.graph = job, job.graph
        self.state = first_state(self.graph, *job.state)
        self.epochs, self.pieces = 0, []
        shape = self.graph.shape
        batches = job.batches
        self.steps = len(batches.sizes)
        seen = () if not shape.probes else first_samples(job.data) if job.seen is None else job.seen
        validation, batch, self.validations = self._validation()
        self.data = job.data, seen, validation, tf.constant(batch)
        self.sizes = tf.constant(batches.sizes if shape.models else batches.sizes[:, 0])

    def _validation(self):
        """(the validation data in batches, samples of a batch, how many batches)."""
        shape, validation, batch = self.graph.shape, self.job.validation, self.job.validation_batch
        if not shape.validation:
            return (), 0, 0
        axis = shape.sample_axis
        samples = tf.nest.flatten(validation)[0].shape[axis]
        batch = batch or samples
        if not shape.ragged_validation:
            validation = tf.nest.map_structure(
                lambda a: tf.reshape(a, [*a.shape[:axis], -1, batch, *a.shape[axis + 1 :]]), validation
            )
        return validation, batch, -(-samples // batch)

    @property
    def rows(self):
        width = sum(len(w) if isinstance(w, list) else w for w in self.graph.columns.values())
        return np.concatenate([np.zeros((0, *self.graph.shape.lead, width), "float32"), *self.pieces])

    @property
    def weights(self):
        """At the end of the last whole epoch, or of the best one where early stopping keeps that; packed."""
        return self.state.best.weights if self.graph.shape.stops_early else self.state.before

    @property
    def ran(self):
        """How many epochs each model has trained, the one that has stopped early no more: ([models],) whole numbers."""
        shape = self.graph.shape
        return self.state.best.ran.numpy().astype(int) if shape.stops_early else np.full(shape.lead, self.epochs)

    @property
    def everyone_stopped(self):
        """Whether nothing changes any more. Of many models the last to stop goes back to its best epoch in the epoch after."""
        if not self.graph.shape.stops_early or not self.state.best.stopped.numpy().all():
            return False
        return self.graph.shape.models is None or self.epochs > self.ran.max()

    def chunks(self, seconds=None, ends=(), jit_compile="auto"):
        """Train to the end; yields the fraction that is done after each chunk.

        seconds: how long a chunk may take, None for as long as it likes. ends: numbers of epochs after which one has to end.
        jit_compile: False for graph mode only, True for XLA from the first step on, "auto" for XLA once it is ready.
        """
        job, steps = self.job, self.steps + self.validations
        samples, known = job.batches.filling[0].size, self.graph.step_seconds
        wanted = self._first_steps(seconds, samples, known.get(samples))
        measured = np.ones(job.epochs, bool) if job.measured is None else job.measured
        many, at_once = self.graph.shape.models is not None, min(job.batches.at_once(), job.epochs)
        place = np.zeros(2, "int32")  # epoch of the block that is dealt, and batch
        while self.epochs < job.epochs and not self.everyone_stopped:
            first = self.epochs
            until = min([end for end in (*ends, first + at_once, job.epochs) if end > first]) - first
            # XLA compiles for one shape, so a block that is not full is filled up.
            order = np.pad(job.batches.deal(until), [(0, at_once - until), *[(0, 0)] * 3])
            order = tf.constant(order if many else order[:, :, 0])
            looked = tf.constant(np.resize(measured[first : first + until], at_once))
            rates, values = self._rates(first, at_once), self._values()
            place[:] = 0
            while place[0] < until and not self.everyone_stopped:
                count = steps_of_chunk(int(place @ [steps, 1]), wanted, steps, until * steps)
                began, before, new = time.perf_counter(), place.copy(), self.graph.calls == 0
                self.state, now, rows = self.graph(
                    (self.state, tf.constant(place), *self.data, order, self.sizes, looked, rates, values,
                     tf.constant(until), tf.constant(count)), jit_compile,
                )  # fmt: skip
                place = now.numpy()
                if place[0] > before[0]:
                    self.pieces.append(rows.numpy()[before[0] : place[0]])
                self.epochs = first + int(place[0])
                if seconds is not None:
                    took = max(time.perf_counter() - began, 1e-9)
                    factor = min(4.0, seconds / took)
                    factor = max(0.25, factor) if new else factor  # a first call also starts TensorFlow's kernels
                    wanted = max(1, min(STEPS_AT_ONCE, int(count * factor)))
                    if not new:
                        known[samples] = took / count
                done = (self.epochs + place[1] / steps * (place[0] < until)) / job.epochs
                yield 1.0 if self.everyone_stopped else done

    def _first_steps(self, seconds, samples, known):
        """How many steps the first chunk makes; known: the seconds of one in an earlier training, None if there was none."""
        if seconds is None:
            return STEPS_AT_ONCE
        if known:  # half, because the machine may be busier now
            return max(1, min(STEPS_AT_ONCE, int(seconds / known / 2)))
        weights = sum(int(np.prod(w.shape)) for w in self.state.weights) / (self.graph.shape.models or 1)
        few = int(FIRST_OPERATIONS / (6 * samples * max(1, weights)))
        return max(1, min(self.steps + self.validations, FIRST_STEPS, few))

    def _rates(self, first, epochs):
        if not self.graph.shape.rates:
            return ()
        rates = self.job.rates(first * self.steps, epochs * self.steps)
        return tf.constant(rates.reshape(epochs, self.steps))

    def _values(self):
        names = self.graph.shape.values
        return tf.constant([self.job.values[name] for name in names], tf.float32) if names else ()


def first_state(graph, weights, layers, optimizer):
    """The `State` before the first step of a graph; what it is given is packed as the graph has it."""
    lead = graph.shape.lead
    metrics = [tf.zeros([*lead, *shape], dtype) for shape, dtype in graph.metrics]
    best = Best.at_start(weights, lead) if graph.shape.stops_early else ()
    return State(weights, layers, optimizer, metrics, metrics, weights, best)


def steps_of_chunk(done, wanted, steps, until):
    """How many steps the chunk after the first `done` ones makes: `wanted`, but not past step number `until`.

    A chunk that reaches the end of an epoch ends with one, because only there is something new to be seen.
    """
    end = min(done + wanted, until)
    if end // steps > done // steps:
        end = end // steps * steps
    return end - done


def predict(predictor, weights, layers, x):
    """The outputs for x, an array for each, with an axis of models if the predictor has one."""
    pieces, axis = [], predictor.shape.sample_axis
    samples = tf.nest.flatten(x)[0].shape[axis]
    for start in range(0, samples, SAMPLES_PREDICTED):
        part = x
        if samples > SAMPLES_PREDICTED:
            rows = (slice(None),) * axis + (slice(start, start + SAMPLES_PREDICTED),)
            part = tf.nest.map_structure(lambda a, rows=rows: a[rows], x)
        with quick_start():
            pieces.append([a.numpy() for a in predictor.function(*tf.nest.flatten((weights, layers, part)))])
    return [np.concatenate(parts, len(predictor.shape.lead)) for parts in zip(*pieces, strict=True)]
