"""The bound within which two ways of computing the same training are equal: measured, not chosen.

Processors round differently, and where a training is unstable a difference in the last digit doubles every few epochs. So each
experiment is trained again with every weight moved by one unit in the last place before every step. How far that moves what comes
out is what rounding can do to it, on this processor or another.
"""

import itertools
from functools import lru_cache
from types import SimpleNamespace
from unittest.mock import patch

import keras
import numpy as np
import tensorflow as tf

from helpers.experiments.jobs import job_of
from helpers.experiments.models import build_model
from helpers.experiments.problems import make_problem
from helpers.experiments.run import PER_EPOCH
from helpers.experiments.training import stream
from why_wont_it_learn.engine import job
from why_wont_it_learn.engine.cache import Graph

NUDGES = 2  # trainings that are nudged, each in its own way
TIMES = 8  # as far as the nudged trainings move, another may; seen on five instruction sets: 2
LEAST = 1e-6  # eight units in the last place, for what is computed once, such as a mean over points
CHAOS = 1e-3  # from here on rounding has grown too much to tell anything


def nudged(weights, rng):
    """Every weight, moved up or down by one unit in the last place."""
    return np.nextafter(weights, rng.choice(np.float32([-np.inf, np.inf]), np.shape(weights)))


# --- trainings, as they are and nudged -----------------------------------------------------------


class Nudge(keras.callbacks.Callback):
    """Nudges the weights of a model before every step."""

    def __init__(self, seed):
        super().__init__()
        self.rng = np.random.default_rng(seed)

    def on_train_batch_begin(self, batch, logs=None):
        for variable in self.model.trainable_variables:
            variable.assign(nudged(variable.numpy(), self.rng))


def fit(experiment, nudge=None):
    """What `model.fit` gives, its batches in the order of the job: loss and val_loss (epochs,), and the flat weights.

    nudge: which of the nudged trainings, None for the one as it is.
    """
    return _fits(experiment)[0 if nudge is None else 1 + nudge]


@lru_cache
def _fits(experiment):
    """One `fit` as it is and the nudged ones, all of one model, because making its functions takes longest."""
    problem = make_problem(experiment)
    dealt = job_of(experiment, [experiment.seed], many=False).batches
    steps, sizes = len(dealt.sizes), dealt.sizes[:, 0]
    order = dealt.deal(experiment.epochs)[:, :, 0].reshape(experiment.epochs * steps, -1)
    model = build_model(experiment)
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    first = [variable.numpy() for variable in variables]

    def batches():
        for rows, size in zip(order, itertools.cycle(sizes)):
            yield problem.x[rows[:size]], problem.y[rows[:size]]

    found = []
    for nudge in (None, *range(NUDGES)):
        for variable, value in zip(variables, first, strict=True):
            variable.assign(value)
        callbacks = [] if nudge is None else [Nudge(nudge)]
        if experiment.early_stopping:
            stop = keras.callbacks.EarlyStopping(patience=experiment.early_stopping, restore_best_weights=True)
            callbacks.append(stop)
        history = model.fit(
            batches(),
            steps_per_epoch=steps,
            epochs=experiment.epochs,
            shuffle=False,
            verbose=0,
            validation_data=tf.data.Dataset.from_tensors((problem.x_val, problem.y_val)),
            callbacks=callbacks,
        ).history
        losses = {name: np.array(history[name]) for name in ("loss", "val_loss")}
        found.append(SimpleNamespace(**losses, weights=model.get_weights()))
    return found


@lru_cache
def trained(experiment, nudge=None):
    """The `Run` of the engine in graph mode. nudge: the seed of what is added to the weights before every step."""
    rng, original = np.random.default_rng(nudge), Graph.__call__

    def call(graph, arguments, *options):
        state, position, *rest = arguments
        if nudge is not None and position[1] < len(rest[5]):  # a step of training, not of validation
            weights = [tf.constant(nudged(w.numpy(), rng)) for w in state.weights]
            state = state._replace(weights=weights, before=state.before if position[1] else weights)
        return original(graph, (state, position, *rest), *options)

    with patch.object(Graph, "__call__", call), patch.object(job, "FIRST_STEPS", 1):
        *_, run = stream(experiment, seconds=None if nudge is None else 0)
    return run


# --- how far apart they are ------------------------------------------------------------------------


def numbers(result, row=None):
    """The arrays of a `Run`, of what `fit` gives, or of one seed of a `SeedStudy`."""
    names = [name for name in (*PER_EPOCH, "predictions", "skill", "weights") if hasattr(result, name)]
    arrays = {name: getattr(result, name) if row is None else getattr(result, name)[row] for name in names}
    if isinstance(arrays.get("weights"), list):
        arrays["weights"] = np.concatenate([weight.ravel() for weight in arrays["weights"]])
    return {name: np.asarray(array, float) for name, array in arrays.items()}


def distance(name, one, other):
    """How far apart two arrays are, relative to what they hold: (epochs,), the largest so far, or (1,)."""
    with np.errstate(all="ignore"):
        # Infinite or no number: that depends on how the batches of an epoch are added up.
        off = np.where((one == other) | ~(np.isfinite(one) | np.isfinite(other)), 0, np.abs(one - other))
        off = np.where(np.isnan(off), np.inf, off)
        if name in ("dead", "saturated", "skill"):
            scale = 1
        elif name in PER_EPOCH:
            scale = np.abs(other)
        else:
            scale = np.max(np.abs(other), initial=0)
        off = np.where(off == 0, 0, off / scale)
    if name not in PER_EPOCH:
        return np.max(off, initial=0, keepdims=True).reshape(1)
    return np.maximum.accumulate(off.reshape(len(off), -1).max(axis=1, initial=0))


def limits(train, experiment, least=LEAST):
    """{name: (epochs,) or (1,)}: how far rounding may move what `train`, which is `fit` or `trained`, gives."""
    plain = numbers(train(experiment))
    found = dict.fromkeys(plain, 0)
    for nudge in range(NUDGES):
        moved = numbers(train(experiment, nudge))
        for name, array in plain.items():
            if name in PER_EPOCH:
                epochs = min(len(array), len(moved[name]))
                spread = np.full(len(array), np.inf)  # where the nudged one has stopped before
                spread[:epochs] = distance(name, moved[name][:epochs], array[:epochs])
            else:
                spread = distance(name, moved[name], array)
            found[name] = np.maximum(found[name], spread)
    return {name: TIMES * np.maximum(spread, least) for name, spread in found.items()}


def assert_equal_but_for_rounding(result, expected, allowed, row=None, names=None, epochs=None):
    """Fails if two trainings are further apart than rounding moves them, in the epochs before it has grown too much.

    result: a `Run`, what `fit` gives, or the seed `row` of a `SeedStudy`. allowed: of `limits`.
    """
    result, expected = numbers(result, row), numbers(expected)
    for name in names or set(result) & set(expected) & set(allowed):
        one, other = result[name], expected[name]
        off = distance(name, one[: len(other)], other) if name in PER_EPOCH else distance(name, one, other)
        calm = allowed[name] <= TIMES * CHAOS
        if name in ("loss", "val_loss"):
            assert len(one) >= len(other), name
            assert calm.sum() >= min(len(other), 5), f"{name}: rounding grows too fast for a test"
        worse = (off > allowed[name]) & calm
        assert not worse.any(), (
            f"{name}: {off[worse][0]:.1e} apart, rounding accounts for {allowed[name][worse][0]:.1e}"
        )


def stops_clearly(val_loss, allowed):
    """Whether in no epoch rounding decides if the validation loss is the best so far."""
    best = np.minimum.accumulate(val_loss)[:-1]
    return bool((np.abs(val_loss[1:] / best - 1) > 2 * allowed["val_loss"][1:]).all())


def moves(measure, model):
    """How far rounding may move each number that is measured of a Keras model as it is."""
    weights, plain = model.get_weights(), np.asarray(measure(model), float)
    off = [LEAST * np.maximum(1, np.abs(plain))]
    for nudge in range(NUDGES):
        rng = np.random.default_rng(nudge)
        model.set_weights([nudged(weight, rng) for weight in weights])
        off.append(np.abs(np.asarray(measure(model), float) - plain))
    model.set_weights(weights)
    return TIMES * np.max(off, axis=0)
