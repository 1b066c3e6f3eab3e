"""`Experiment` → `Job`: everything that the engine asks for, for one network or for many seeds at once.

What a slider changes most often (learning rate, momentum, L1, L2, dropout rate, weight decay, data, batches, seed, epochs) are
values of a job. Only another network, optimizer or number of seeds needs another graph.
"""

import functools
import hashlib
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from why_wont_it_learn.engine.batches import Batches
from why_wont_it_learn.engine.cache import NODES_KEPT
from why_wont_it_learn.engine.job import Job
from why_wont_it_learn.engine.state import Shape
from why_wont_it_learn.engine.tracing import graph_named, known, predictor_named

from .catalog import OPTIMIZERS
from .models import (
    build_model,
    initial_weights,
    layer_seed,
    learning_rates,
    optimizer_call,
    order_seed,
    output_activation,
    steps_per_epoch,
    weight_shapes,
)
from .problems import make_problem, problems_of

RUNTIME_FIELDS = ("l1", "l2", "dropout", "momentum", "weight_decay", "early_stopping")  # they enter a graph as values


def job_of(experiment, seeds, many, probes=True):
    """The `Job` of an experiment.

    seeds: of the networks; many: whether they are trained at once, each on its own data, or the one network alone.
    probes: whether all is measured in every epoch; else only the loss, and the validation loss after the last epoch.
    """
    problems = problems_of(experiment, tuple(seeds))
    together = _stacked if many else (lambda arrays: arrays[0])
    x, y, x_val, y_val = (
        tf.constant(together([getattr(p, name) for p in problems])) for name in ("x", "y", "x_val", "y_val")
    )
    # Where points were dropped, the rows that fill up the shorter ones do not count.
    counts = tf.constant(together([np.full(len(p.x), x.shape[-2] / len(p.x), "float32") for p in problems]))
    data, seen, validation = (x, y, ()), (x, y, counts), (x_val, y_val, ())
    shape = shape_of(experiment, len(seeds) if many else None, probes)
    with _softmax_over_one_unit():
        graph = graph_named(
            _name(experiment), lambda: _network(experiment), shape, (data, seen if probes else (), validation)
        )
    measured = np.ones(experiment.epochs, bool)
    measured[:-1] = probes
    return Job(
        graph, _first_state(experiment, seeds, many), data, validation, _batches(experiment, seeds, problems), experiment.epochs,
        seen=seen, rates=functools.partial(learning_rates, experiment), values=_values(experiment), measured=measured,
    )  # fmt: skip


def shape_of(experiment, models=None, probes=True):
    """The `Shape` of the graph of an experiment."""
    names = ["l1", "l2", *(["dropout"] if _has_dropout(experiment) else []), *OPTIMIZERS[experiment.optimizer].uses]
    stops_early = experiment.early_stopping > 0
    return Shape(
        models, probes, filled=True, own_data=models is not None, rates=True, stops_early=stops_early,
        values=(*names, *(["patience"] if stops_early else [])),
    )  # fmt: skip


def graph_key(experiment, models=None, probes=True):
    """What needs a graph of its own: experiments with equal keys share one."""
    return _name(experiment), shape_of(experiment, models, probes)


def predictor_of(experiment, graph, x):
    """The graph that predicts for `x` what the networks of a graph of this experiment answer."""
    with _softmax_over_one_unit():
        return predictor_named(_name(experiment), lambda: _network(experiment), graph, x)


def _known(experiment):
    """The graph of one network of this experiment, if it is there already."""
    problem = make_problem(experiment)
    data = problem.x, problem.y, ()
    return known(
        _name(experiment),
        shape_of(experiment),
        (data, (*data[:2], problem.y[:, 0]), (problem.x_val, problem.y_val, ())),
    )


def has_graph(experiment):
    """Whether the graph of one network of this experiment is there already."""
    return _known(experiment) is not None


def has_room(experiment, graphs):
    """Whether so many graphs of networks as large as this one can be kept at the same time."""
    graph = _known(experiment)
    return graph is not None and graphs * graph.nodes <= NODES_KEPT


# --- the network of a graph --------------------------------------------------------------------------------------------


def _has_dropout(experiment):
    return experiment.depth > 0 and experiment.dropout > 0


def _name(experiment):
    """All that the graph of an experiment depends on, but for its `Shape`."""
    e = experiment
    source = e.source
    hidden = (e.depth, e.width, e.activation, _has_dropout(e)) if e.depth else ()
    return (
        _source(),
        make_problem(e).x.shape[1],
        *hidden,
        source.task,
        source.outputs,
        output_activation(e),
        e.optimizer,
    )


@functools.cache
def _source():
    """A digest of what networks are made from: another source, other graphs."""
    return hashlib.sha256(
        b"".join((Path(__file__).parent / name).read_bytes() for name in ("models.py", "catalog.py"))
    ).hexdigest()


def _plain(experiment):
    """The experiment with nothing in it that enters as a value: with momentum 0, say, Keras would keep no speeds."""
    dropout = 0.5 if _has_dropout(experiment) else 0.0
    return experiment.replace(l1=0.0, l2=0.0, schedule="constant", momentum=0.5, dropout=dropout, seed=0)


def _network(experiment):
    """The compiled and built model that a graph is traced from."""
    return _built(_plain(experiment))


@functools.lru_cache(maxsize=1)  # what predicts is traced from the same network right after what trains
def _built(plain):
    model = build_model(plain)
    model.optimizer.build(model.trainable_variables)
    return model


_warnings_lock = threading.Lock()  # their filters belong to the whole process


@contextmanager
def _softmax_over_one_unit():
    """Keras does not warn of it: an experiment that has it shows it on purpose."""
    with _warnings_lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using a softmax over axis", UserWarning)
        yield


# --- the values of a job -------------------------------------------------------------------------------------------


def _values(experiment):
    return {name: getattr(experiment, name) for name in RUNTIME_FIELDS} | {"patience": experiment.early_stopping}


def _first_state(experiment, seeds, many):
    """What a run starts from: the first weights of each seed, a fresh optimizer, fresh dropout."""
    weights = initial_weights(experiment, seeds, weight_shapes(experiment))
    optimizer = optimizer_call(_plain(experiment)).make()
    optimizer.build([keras.Variable(weights[0], name="weights")])
    slots = [np.repeat(v.numpy()[None], len(seeds), 0) for v in optimizer.variables]
    kind = keras.random.SeedGenerator(0).state.dtype
    dropouts = range(experiment.depth if _has_dropout(experiment) else 0)
    layers = [np.array([[layer_seed(seed, index), 0] for seed in seeds], kind) for index in dropouts]
    take = (lambda a: a) if many else (lambda a: a[0])
    return tf.nest.map_structure(lambda a: tf.constant(take(a)), ([weights], layers, slots))


def _batches(e, seeds, problems):
    """Which points go into which batch, in a new order each epoch, for each seed.

    Batches have `batch_size` points and the last one the rest. Where points with missing values have been dropped there are
    as many batches as without, only smaller.
    """
    steps, batch, sizes = steps_per_epoch(e), e.batch_size or e.samples, []
    for problem in problems:
        points = len(problem.x)
        if points == e.samples:
            sizes.append([min(batch, points - start) for start in range(0, points, batch)])
        else:
            sizes.append([len(part) for part in np.array_split(np.arange(points), steps)])
    # In one batch of everything the order does not matter.
    return Batches(np.transpose(sizes), [order_seed(seed) for seed in seeds], shuffle=steps > 1)


def _stacked(arrays):
    """Arrays of several networks as one; where they differ in length, the shorter are filled up with zeros."""
    return keras.utils.pad_sequences(arrays, dtype="float32", padding="post")
