"""Trying variants: training them from several seeds within a given time, and looking into their layers."""

import json
import time
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from ..engine.batches import CannotHold
from ..engine.job import first_state, predict
from ..engine.layer_metrics import Probes, flat_layers
from ..engine.state import Shape
from ..engine.tracing import graph_for, maps_well, predictor_for, without_first_values
from .network import first_line, only, output_stage, stages
from .output_and_loss import as_loss, from_logits
from .symptoms import Layer

TRIAL_SEEDS = 3
CHECKPOINTS = 10
LOOPS_KEPT = 6
LOOK_AT = 256  # points
CHUNK_SECONDS = 0.5
PREDICTED_AT_ONCE = 2_000_000  # numbers that go into a network


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


class Copies:
    """Some copies of a program, trained by the engine: all at once, or one after the other where that cannot be.

    A state is a list of the engine's states: one of all copies, or one of each.
    """

    def __init__(self, program, copies, data):
        self.model = program.compiled()
        x, y = (tf.convert_to_tensor(a[:2]) for a in (data.inputs, data.y))
        for models in (copies, None) if maps_well(self.model, copies) else (None,):
            shape = Shape(models, probes=False, validation=False, rates=True)
            try:
                self.graph = graph_for(self.model, shape, ((x, y, ()), (), ()))
                self.predictor = predictor_for(self.model, self.graph, x)
                break
            except Exception as error:  # what cannot be mapped over copies may still train one after the other
                if models is None or isinstance(error, CannotHold):
                    raise
        self.blocks = [slice(None)] if models else range(copies)

    def first_state(self, program, seeds):
        """What copies of a program start from: this one, or one that differs from it in its initializers."""
        weights, layers = program.first_values(seeds)
        slots = [np.repeat(v.numpy()[None], len(seeds), 0) for v in self.model.optimizer.variables]
        packing, lead, states = self.graph.packing, self.graph.shape.lead, []
        for block in self.blocks:
            start = tf.nest.map_structure(lambda a, block=block: tf.constant(a[block]), (weights, layers, slots))
            start = packing.joined(start[0], lead), start[1], packing.joined_slots(start[2], lead)
            states.append(first_state(self.graph, *start))
        return states

    def train(self, state, x, y, order, rates):
        """As many steps as there are rates. Returns the new state and the mean loss of each copy (copies,), penalties included.

        x, y: (points, …) tensors. order: (steps, copies, batch) rows of them. rates: (steps,).
        """
        number, steps = tf.constant(0), len(order)
        after, losses = [], []
        for one, block in zip(state, self.blocks, strict=True):
            rows = order[:, block]
            sizes = tf.fill(rows.shape[:-1], rows.shape[-1])
            one, _, found = self.graph(
                (one, tf.zeros(2, tf.int32), (x, y, ()), (), (), number, tf.constant(rows[None]), sizes,
                 tf.constant([False]), tf.constant(rates[None]), (), tf.constant(1), tf.constant(steps)), False,
            )  # fmt: skip
            after.append(one)
            losses.append(found.numpy()[0, ..., self.graph.columns["history"].index("loss")])
        return after, np.concatenate([np.atleast_1d(loss) for loss in losses])

    def answers(self, state, x):
        """Predictions of every copy: (copies, points, …)."""
        found = [predict(self.predictor, one.weights, one.layers, x)[0].astype("float32") for one in state]
        return found[0] if self.graph.shape.models else np.stack(found)

    def values(self, state, copy):
        """(weights, state of the layers) of one copy: lists of tensors."""
        one = state[0] if self.graph.shape.models else state[copy]
        weights, layers = self.graph.packing.parts(one.weights), one.layers
        return ([w[copy] for w in part] for part in (weights, layers)) if self.graph.shape.models else (weights, layers)


@dataclass(frozen=True, eq=False)
class TrialResult:
    """What came of a variant.

    train, held: (checkpoints, seeds) skill on the training points and on the others, over the run. loss: (checkpoints,
    seeds), the mean since the last checkpoint, as Keras counts it. steps: how many it trained; planned: how many it was to.
    answers: (seeds, points, …) at the end. state: weights and the rest, to go on from. error: why it could not be trained.
    """

    variant: object
    train: np.ndarray = field(default_factory=lambda: np.full((1, 1), -1.0))
    held: np.ndarray = field(default_factory=lambda: np.full((1, 1), np.nan))
    loss: np.ndarray = field(default_factory=lambda: np.full((1, 1), np.nan))
    steps: int = 0
    planned: int = 0
    answers: np.ndarray | None = None
    state: list | None = None
    error: str = ""

    @property
    def diverged(self):
        """Share of the seeds whose loss or answers are no longer numbers."""
        if self.answers is None:
            return 0.0
        flat = self.answers.reshape(len(self.answers), -1)
        return float(np.mean(~(np.isfinite(flat).all(axis=1) & np.isfinite(self.loss[-1]))))


class TrialRunner:
    """Trains variants, all from the same seeds, until `deadline` (of `clock`).

    points: how many points an epoch of the caller has; it may be more than there are to train on.
    tell: called before each chunk of work; a KeyboardInterrupt of it ends the work. clock: gives seconds.
    """

    def __init__(self, points, deadline, seeds=TRIAL_SEEDS, tell=lambda: None, clock=time.perf_counter):
        self.points, self.deadline, self.tell, self.clock = points, deadline, tell, clock
        self.seeds = range(seeds)
        self.loops = {}
        self.setup = 0.0  # the longest that the first step of a loop has taken, with the making of its graph

    @property
    def left(self):
        """Seconds that are left."""
        return self.deadline - self.clock()

    def can_begin(self, program, spare=0.0):
        """Whether there is time left to train a program, and `spare` seconds more."""
        return self.left > max(spare, 0.0 if self._key(program) in self.loops else self.setup)

    def _key(self, program):
        """What programs have in common that can be trained by one loop."""
        config = json.loads(json.dumps(program.config, default=repr), object_hook=without_first_values)
        rest = program.optimizer, program.batch_size, id(program.model), program.loss_weight, str(program.loss)
        return json.dumps([config, *rest, len(self.seeds)], default=repr)

    def loop(self, variant):
        """The `Copies` of a variant's program: programs that differ in first weights or rates only share them."""
        key = self._key(variant.program)
        if key not in self.loops:
            if len(self.loops) >= LOOPS_KEPT:
                del self.loops[next(iter(self.loops))]
            self.loops[key] = Copies(variant.program, len(self.seeds), variant.data)
        return self.loops[key]

    def run(self, variant, seconds=np.inf, slow=np.inf, began=None):
        """The `TrialResult` of a variant, after at most about `seconds`.

        slow: where copies train one after the other and would take longer than so many seconds, this and all later trials
        have fewer seeds, one at least. began: when, by `clock`; None for now.
        """
        began = self.clock() if began is None else began
        end = min(self.deadline, began + seconds)
        planned = max(1, round(variant.longer * variant.program.epochs * variant.program.steps(self.points)))
        data = variant.data
        try:
            new = self._key(variant.program) not in self.loops
            loop = self.loop(variant)
            state = loop.first_state(variant.program, self.seeds)
            x, y = tf.constant(data.inputs), tf.constant(data.y)
            batch = min(variant.program.batch_size, data.points)
            orders = [BatchOrder(data.points, batch, seed) for seed in self.seeds]
            logits = is_logits(variant.program)
            done, per_step, marks, over = 0, None, [], False
            losses, since = [], []
            while done < planned and not over:
                self.tell()
                mark = -(-planned * (len(marks) + 1) // CHECKPOINTS)
                count = mark - done
                count = max(1, min(count, int(CHUNK_SECONDS / per_step) if per_step else 1))
                rates = variant.program.rates(np.arange(done, done + count)) * variant.rate
                order = np.stack([each.deal(count) for each in orders], axis=1)
                start = self.clock()
                state, loss = loop.train(state, x, y, order, rates.astype("float32"))
                now = self.clock()
                if new and not done:
                    self.setup = max(self.setup, now - began)
                per_step = min((now - start) / count, per_step or np.inf)
                done += count
                since.append((count, loss))
                over = now >= end
                fits = slow * len(self.seeds) / max(per_step * planned, 1e-9)  # seeds in that time
                # Not after the first step alone, which also starts TensorFlow's kernels.
                if 1 < done < planned and fits < len(loop.blocks) > 1:
                    self.seeds = range(max(1, int(fits)))
                    return self.run(variant, seconds, began=began)
                if done >= mark or over:
                    answers = self._answers(loop, state, x)
                    marks.append([data.skill(each, logits) for each in answers])
                    counts, means = zip(*since, strict=True)
                    losses.append(np.average(means, axis=0, weights=counts))
                    since = []
        except Exception as error:  # a layer or loss that is not Keras's may raise anything
            return TrialResult(variant, planned=planned, error=first_line(error))
        train, held = np.moveaxis(np.array(marks), -1, 0)
        return TrialResult(variant, train, held, np.array(losses), done, planned, answers, state)

    def _answers(self, loop, state, x):
        """Predictions of every copy, for some points at a time, so that images do not fill the memory."""
        rows = max(1, PREDICTED_AT_ONCE // (len(self.seeds) * max(1, int(np.prod(x.shape[1:])))))
        return np.concatenate([loop.answers(state, x[i : i + rows]) for i in range(0, len(x), rows)], axis=1)


def is_logits(program):
    """Whether the answers of a program are logits; None if that cannot be known."""
    output = output_stage(program.layers)
    if output is not None and output.activation in ("sigmoid", "softmax"):
        return False
    return from_logits(program.loss)


@dataclass(frozen=True)
class Look:
    """What goes on in the layers of one copy.

    layers: each Dense `Layer`, input side first. gradient: L2 norm of dL/dW of each of their kernels; nan where it is not a number.
    dead, saturated: of each of the hidden ones, as `engine.layer_metrics.units` measures them.
    """

    layers: tuple
    gradient: np.ndarray
    dead: np.ndarray
    saturated: np.ndarray


def look(loop, variant, state, member):
    """A `Look` into copy `member` of a variant, over some of its training points."""
    program, data = variant.program, variant.data
    found = stages(program.layers)
    if not found:
        return Look((), *[np.zeros(0)] * 3)
    model = _as_trained(loop, state, member)
    x, y = (tf.constant(part[: min(data.points, LOOK_AT)]) for part in (data.inputs, data.y))

    def evaluate():
        outputs = model(x, training=False)
        return tf.reduce_mean(as_loss(program.loss)(y, only(outputs))), outputs

    probes, values = Probes(model), [v.value for v in model.trainable_variables]
    measured = {name: row.numpy() for name, row in probes.measure(values, values, 1, evaluate).items()}
    names = [layer.get("name") or layer["config"].get("name", "") for layer in program.layers]
    norms = _by_layer(probes.layers, measured["gradient_norm"], [[names[stage.index]] for stage in found], np.nan)
    hidden = [[names[stage.index], names[stage.end]] for stage in found[:-1]]  # an activation may be a layer of its own
    dead, saturated = (_by_layer(probes.hidden, measured[name], hidden, 0.0) for name in ("dead", "saturated"))
    by_name = {layer.name: layer for layer in model.layers}
    layers = tuple(_layer(stage, by_name[names[stage.index]].kernel.numpy()) for stage in found)
    return Look(layers, norms, dead, saturated)


def _layer(stage, kernel):
    """The `Layer` of a `Stage` with this kernel."""
    norm, usual = float(np.linalg.norm(kernel)), float(np.sqrt(2 * kernel.size / sum(kernel.shape)))
    one_sided = abs(float(kernel.mean())) * np.sqrt(kernel.size) / max(norm, 1e-12)
    initializer = stage.initializer.get("class_name", "")
    return Layer(stage.units, stage.activation, initializer, stage.bias, norm, usual, one_sided)


def _as_trained(loop, state, member):
    model = getattr(loop.model, "inner", loop.model)
    variables = model.trainable_variables, model.non_trainable_variables
    for part, values in zip(variables, loop.values(state, member), strict=True):
        for variable, value in zip(part, values, strict=True):
            variable.assign(value)
    return model


def dead_layers(loop, variant, state, member):
    """The names of the layers of any kind whose every unit is dead, in copy `member` of a variant, over some of its training points.

    Not those whose activation is flat at both ends.
    """
    model = _as_trained(loop, state, member)
    x = tf.constant(variant.data.inputs[: min(variant.data.points, LOOK_AT)])

    def evaluate():
        outputs = model(x, training=False)
        return tf.reduce_sum(only(outputs)), outputs

    return flat_layers(model, [v.value for v in model.trainable_variables], evaluate)[0]


def _by_layer(layers, values, names, missing):
    """The value of the layer with one of the names, for each of the lists of names; `missing` where it was not measured."""
    known = {layer.name: float(value) for layer, value in zip(layers, values, strict=True)}
    return np.array([next((known[name] for name in some if name in known), missing) for some in names])
