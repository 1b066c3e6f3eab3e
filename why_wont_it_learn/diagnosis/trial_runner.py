"""Trying variants: training them from several seeds within a given time, and looking into their layers."""

import json
import time
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from ..program import BatchOrder, Loop
from .evidence import first_line, from_logits, only, output_stage, stages

SEEDS = 3
CHECKPOINTS = 10
LOOPS_KEPT = 6
DEAD_BELOW = 1e-6
FLAT_BELOW = 0.04  # the slope of a sigmoid or tanh, as a share of its steepest
LOOK_AT = 256  # points
CHUNK_SECONDS = 0.5
PREDICTED_AT_ONCE = 2_000_000  # numbers that go into a network


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

    def __init__(self, points, deadline, seeds=SEEDS, tell=lambda: None, clock=time.perf_counter):
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
        return self.left > max(spare, 0.0 if _key(program) in self.loops else self.setup)

    def loop(self, program):
        """The training loop of a program: programs that differ in first weights or rates only share one."""
        key = _key(program)
        if key not in self.loops:
            if len(self.loops) >= LOOPS_KEPT:
                del self.loops[next(iter(self.loops))]
            self.loops[key] = Loop(program, len(self.seeds))
        return self.loops[key]

    def steps(self, variant):
        """How many steps a variant is to be trained."""
        return max(1, round(variant.longer * variant.program.epochs * variant.program.steps(self.points)))

    def run(self, variant, seconds=np.inf):
        """The `TrialResult` of a variant, after at most about `seconds`."""
        began = self.clock()
        end = min(self.deadline, began + seconds)
        planned, data = self.steps(variant), variant.data
        try:
            new = _key(variant.program) not in self.loops
            loop = self.loop(variant.program)
            state = loop.first_state(variant.program, self.seeds)
            x, y = tf.constant(data.inputs), tf.constant(data.y)
            orders = [
                BatchOrder(data.points, min(variant.program.batch_size, data.points), seed) for seed in self.seeds
            ]
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
                since.append(loss)
                over = now >= end
                if done >= mark or over:
                    answers = self._answers(loop, state, x)
                    marks.append([data.skill(each, logits) for each in answers])
                    losses.append(np.concatenate(since).mean(axis=0))
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


def _key(program):
    """What programs have in common that can be trained by one loop."""
    parts = [_without_starts(program.config), program.optimizer, program.batch_size, id(program.model)]
    return json.dumps([*parts, str(program.loss)], default=repr)


def _without_starts(config):
    """A configuration without what does not matter for the loop: first weights and names."""
    if isinstance(config, dict):
        return {
            k: _without_starts(v) for k, v in config.items() if not k.endswith("_initializer") and k != "build_config"
        }
    return [_without_starts(v) for v in config] if isinstance(config, (list, tuple)) else config


@dataclass(frozen=True)
class Look:
    """What goes on in the layers of one copy.

    gradient: L2 norm of dL/dW of each Dense kernel, input side first; nan where it is not a number. size: of each kernel;
    usual: its size as glorot_uniform makes it.
    dead, saturated: share of the units of each hidden Dense layer that no point moves.
    """

    gradient: np.ndarray
    size: np.ndarray
    usual: np.ndarray
    dead: np.ndarray
    saturated: np.ndarray


def look(loop, variant, state, member):
    """A `Look` into copy `member` of a variant, over some of its training points."""
    program, data = variant.program, variant.data
    found = stages(program.layers)
    if not found:
        return Look(*[np.zeros(0)] * 5)
    model = program.build()
    parts = [p.numpy() for p in loop._parts(state[0][member])]
    for variable, value in zip(model.trainable_variables, parts, strict=True):
        variable.assign(value)
    for variable, value in zip(model.non_trainable_variables, state[2], strict=True):
        variable.assign(value[member])
    x, y = data.inputs[: min(data.points, LOOK_AT)], data.y[: min(data.points, LOOK_AT)]
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    by_name = {layer.name: layer for layer in layers}
    names = [layer["config"]["name"] for layer in program.layers]
    ends = [by_name[names[stage.end]].output for stage in found]
    outputs = keras.Model(model.inputs, ends)
    values = [v.numpy().reshape(len(x), -1) for v in tf.nest.flatten(outputs([x], training=False))]
    kernels = [by_name[names[stage.index]].kernel for stage in found]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(loop.loss(y, only(model(x, training=False))))
    gradients = tape.gradient(loss, [kernel.value for kernel in kernels])
    norms = [np.nan if g is None else float(tf.norm(g)) for g in gradients]
    dead, saturated = [], []
    for stage, value in zip(found[:-1], values[:-1], strict=True):
        flat = np.ptp(value, axis=0) <= DEAD_BELOW
        dead.append(
            float(np.mean(flat & (np.abs(value).max(axis=0) <= DEAD_BELOW))) if stage.activation == "relu" else 0.0
        )
        slopes = {"tanh": lambda v: 1 - v**2, "sigmoid": lambda v: 4 * v * (1 - v)}.get(stage.activation)
        saturated.append(float(np.mean(slopes(value) < FLAT_BELOW)) if slopes else 0.0)
    sizes = [float(np.linalg.norm(kernel.numpy())) for kernel in kernels]
    usual = [np.sqrt(2 * np.prod(kernel.shape) / np.sum(kernel.shape)) for kernel in kernels]
    return Look(np.array(norms), np.array(sizes), np.array(usual), np.array(dead), np.array(saturated))
