"""From a model to its graph: found where the same training was traced before, else traced.

Only models of Keras's own parts are kept on disk, whose graph is certain from their configuration; an own layer, function or
Lambda may do anything.
"""

import contextlib
import json
import logging
import warnings

import keras
import numpy as np
import tensorflow as tf

from ..keras_private import gradients_forgotten, has_metrics, is_stateful, layers_of, loss_tracker
from .batches import CannotHold, none_for_empty
from .cache import Graph, cached, in_process, versions
from .layer_metrics import Probes
from .loop import Loop, takes_training
from .stacked import Stacked, stacks
from .state import NotFlat, Shape
from .xla import allowed

STEPS_UNROLLED = 24  # a longer recurrent layer takes too long to trace unrolled
UNROLLED_FOR_A_COPY = 12  # steps of all such layers, for each copy that is spared a training of its own
# Operations that TensorFlow calls stateful, but whose outputs follow from their inputs.
HARMLESS = {"While", "If", "Case", "StatefulPartitionedCall", "Assert"}


def graph_for(model, shape, data):
    """The graph of a built model's training for data of these types: from the process, else from disk, else traced.

    data: (to train on, what the probes see, to validate on), each (x, y, sample_weight) or ().
    """
    return cached(*_identity(model), "train", shape, data, lambda: trace(model, shape, data))


def predictor_for(model, graph, x):
    """The graph of (weights, layer state, x) -> outputs, of as many models and in the packing that a graph of training has."""
    kind, shape, flat = _of_predictor(graph)
    return cached(*_identity(model), kind, shape, x, lambda: trace_predictor(model, shape, x, flat))


def graph_named(name, make, shape, data):
    """The graph of a model that `make()` gives, compiled and built, for data of these types.

    name: says all that the graph depends on, so that the model is made only where nobody has traced it yet.
    """
    return cached(_named(name), (), "train", shape, data, lambda: trace(make(), shape, data))


def predictor_named(name, make, graph, x):
    """The same of the graph that predicts."""
    kind, shape, flat = _of_predictor(graph)
    return cached(_named(name), (), kind, shape, x, lambda: trace_predictor(make(), shape, x, flat))


def known(name, shape, data):
    """The graph that `graph_named` would find in the process, or None."""
    return in_process(_named(name), "train", shape, data)


def _named(name):
    return repr((versions(), name))


def _of_predictor(graph):
    flat = graph.packing.slots is not None
    shape = Shape(graph.shape.models, probes=False, validation=False, own_data=graph.shape.own_data)
    return ("predict", flat), shape, flat


# --- tracing -----------------------------------------------------------------------------------------------------------


def build(model, data):
    """Make the weights and the optimizer state that Keras makes in the first step of `model.fit`. Nothing is computed."""
    if not all(layer.built for layer in layers_of(model)):
        _first_step(model, data)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def _first_step(model, data):
    def step(x, y, sample_weight):
        outputs = model(x, training=True) if takes_training(model.call) else model(x)
        model.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=sample_weight)
        model.compute_metrics(x, y, outputs, sample_weight=sample_weight)

    def of_any_number(array):  # for a Sequential without an Input takes this number for that of all batches
        return tf.TensorSpec([None, *array.shape[1:]], array.dtype)

    data = [none_for_empty(tf.nest.map_structure(of_any_number, part)) for part in data]
    tf.function(step, autograph=False).get_concrete_function(*data)


def trace(model, shape, data):
    """A new graph. Raises CannotHold if it would not do exactly what `model.fit` does."""
    if not has_metrics(model):
        _first_step(model, tf.nest.map_structure(lambda a: a[0], data[0]) if shape.sample_axis else data[0])
    with _for_mapping(model) if shape.models else contextlib.nullcontext(), gradients_forgotten():
        probes = Probes(model) if shape.probes else None
        try:
            loop = _loop(model, shape, data)(model, shape, probes)
            function = _traced(loop.chunk, loop.signature(*data))
        except NotFlat:
            loop = Loop(model, shape, probes, flat=False)
            function = _traced(loop.chunk, loop.signature(*data))
    place = {id(layer): index for index, layer in enumerate(layers_of(model))}
    layers, hidden = (probes.layers, probes.hidden) if probes else ([], [])
    metrics = [(list(v.shape), v.dtype) for v in loop.metrics]
    return _graph_of(loop, function, [place[id(x)] for x in layers], [place[id(x)] for x in hidden], metrics)


def trace_predictor(model, shape, x, flat):
    """A new graph that predicts."""
    with _for_mapping(model) if shape.models else contextlib.nullcontext(), gradients_forgotten():
        loop = (_loop(model, shape) if flat else Loop)(model, shape, None, flat)
        function = _traced(loop.predict, loop.signature_to_predict(x))
    return _graph_of(loop, function, [], [], [])


class StackedLoop(Stacked, Loop):
    """The loop of many copies of a dense network: traced in a third of the time."""


def _loop(model, shape, data=None):
    """The class of the loop that can hold a model and data."""
    return StackedLoop if shape.models and stacks(model, shape, data) else Loop


def _graph_of(loop, function, *rest):
    operations = _operations(function)
    _check_pure(function, operations)
    packing = loop.packing.shapes, loop.packing.slots
    compiles = allowed(set(operations), loop.shape)
    return Graph(function, loop.shape, packing, loop.columns, *rest, compiles, len(operations))


@contextlib.contextmanager
def _for_mapping(model):
    """Meanwhile, recurrent layers are written out step by step: a loop over time cannot be mapped over many models quickly.

    And TensorFlow does not say which operations, such as the gradient of a convolution, it maps by a loop, or cannot map at all,
    of which `CannotHold` or `model.fit` tells.
    """
    layers = [layer for layer in layers_of(model) if isinstance(layer, keras.layers.RNN)]
    before = [layer.unroll for layer in layers]
    logger = logging.getLogger("tensorflow")
    try:
        logger.addFilter(_is_other_news)
        for layer in layers:
            layer.unroll = True
        yield
    finally:
        logger.removeFilter(_is_other_news)
        for layer, unroll in zip(layers, before, strict=True):
            layer.unroll = unroll


def _is_other_news(record):
    return record.module != "pfor"  # TensorFlow's mapping


def _traced(function, signature):
    """A function of structures as a graph from a flat list of tensors to another one."""

    def flat(*tensors):
        return tf.nest.flatten(function(*tf.nest.pack_sequence_as(signature, tensors)))

    return tf.function(flat, autograph=False).get_concrete_function(*tf.nest.flatten(signature))


def _operations(function):
    """The names of all operations in a graph and in the functions that it calls."""
    definition = function.graph.as_graph_def()
    return [n.op for n in (*definition.node, *(n for f in definition.library.function for n in f.node_def))]


def _check_pure(function, operations):
    """Raise CannotHold if a graph does more than compute values from its inputs."""
    if any(t.dtype == tf.resource for t in function.captured_inputs):
        raise CannotHold("Calling the model uses a variable or table that is not one of its weights.")
    for op in sorted(set(operations) - HARMLESS):
        if is_stateful(op):
            raise CannotHold(f"Calling the model runs TensorFlow's {op}, which does more than compute from its inputs.")


def maps_well(model, copies):
    """Whether so many copies train faster at once than one after the other.

    Not where a step is itself a loop that is too long to unroll, nor where it decides whether to move the weights at all.
    """
    if isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
        return False
    recurrent = keras.layers.RNN, keras.layers.Bidirectional
    short = [layer for layer in model.layers if isinstance(layer, recurrent) and _time_steps(layer) <= STEPS_UNROLLED]
    if sum(_time_steps(layer) for layer in short) > UNROLLED_FOR_A_COPY * copies:
        return False
    inside = {id(x) for layer in short for x in layers_of(layer)}
    loops = *recurrent, keras.layers.TimeDistributed
    return not any(isinstance(layer, loops) and id(layer) not in inside for layer in layers_of(model))


def _time_steps(layer):
    """The length of the series that a layer of a functional or Sequential model gets; infinite where it is not known."""
    try:
        return tf.nest.flatten(layer.input)[0].shape[1] or np.inf
    except (AttributeError, ValueError):
        return np.inf


# --- what a graph depends on -------------------------------------------------------------------------------------------


def _identity(model):
    """(the key of a model, objects whose ids stand in it): its fingerprint, else the very objects that it is made of.

    As in `model.fit`, what happens inside of own code is looked at once, until the model is compiled again.
    """
    certain = fingerprint(model)
    if certain:
        return certain, ()
    frozen = tuple(v.trainable for v in model.weights)
    objects = model, model.optimizer, model.loss, loss_tracker(model)  # `compile` makes a new tracker every time
    return (*map(id, objects), frozen, repr(_rules(model.optimizer))), objects


def _rules(optimizer):
    """What an optimizer does, without what are values: the learning rate, unless it is a schedule."""
    config = optimizer.get_config()
    return {k: v for k, v in config.items() if k != "name" and (k != "learning_rate" or isinstance(v, dict))}


def fingerprint(model):
    """A text that is the same for models with the same graph, in this process and in others; None if there is none."""
    if not _of_keras_alone(model):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a lambda will be hard to load: it is only looked at
        compiled = model.get_compile_config() or {}
        config = {
            "model": keras.saving.serialize_keras_object(model),
            "compiled": {k: v for k, v in compiled.items() if k != "optimizer"},
            "optimizer": [type(model.optimizer).__name__, _rules(model.optimizer)],
        }
    if compiled.get("loss") is None:
        return None
    text = json.dumps(config, default=repr)
    config = json.loads(text, object_hook=without_first_values)
    if _has_own_code(config):
        return None
    if len(model.outputs) == 1 and type(model.optimizer).__name__ != "Muon":
        # Keras counts names up within a process; only the history of several outputs and Muon look at them.
        config = _renamed(config, {layer.name: f"layer {index}" for index, layer in enumerate(layers_of(model))})
    weights = [(v.shape, v.dtype, v.trainable) for v in model.weights]
    return repr((versions(), json.dumps(config, sort_keys=True), weights))


def _of_keras_alone(model):
    """Whether all layers are Keras's own, as Keras made them, and hold nothing but configuration and weights."""
    if type(model) not in (keras.Sequential, keras.Model) and type(model).__name__ != "Functional":
        return False
    for layer in layers_of(model):
        holds = vars(layer).values()
        if not _of_keras(layer) or isinstance(layer, keras.layers.Lambda) or "call" in vars(layer):
            return False
        # An activation, say: of an own function, the configuration has only the name.
        if any(callable(v) and not _of_keras(v) for v in holds):
            return False
        if any(isinstance(v, (np.ndarray, tf.Tensor)) for v in holds):  # Normalization keeps what `adapt` found
            return False
    return True


def _of_keras(thing):
    """Whether a function, or the class of an object, stands in Keras."""
    module = getattr(thing, "__module__", None) or type(thing).__module__
    return module.split(".")[0] == "keras"


def without_first_values(config):
    """A part of a configuration without what only makes first values, which are inputs of the graph."""
    drop = ("build_config", "compile_config")
    return {k: v for k, v in config.items() if k not in drop and not k.endswith("_initializer")}


def _renamed(config, names, here=False):
    """A configuration with new names of layers, where names of layers stand: an activation may be called the same."""
    if isinstance(config, list):
        return [_renamed(v, names, here) for v in config]
    if isinstance(config, dict):
        places = ("name", "keras_history", "input_layers", "output_layers")
        return {k: _renamed(v, names, k in places) for k, v in config.items()}
    return names.get(config, config) if here and isinstance(config, str) else config


def _has_own_code(config):
    """Whether a configuration names something that is not a part of Keras."""
    if isinstance(config, list):
        return any(map(_has_own_code, config))
    if isinstance(config, str):  # a name that the caller registered, or the `repr` of what has no configuration
        return config.startswith("<") or config in {n.split(">")[-1] for n in keras.saving.get_custom_objects()}
    if not isinstance(config, dict):
        return False
    module = config.get("module", "keras")
    if config.get("class_name") in ("function", "__lambda__") or not isinstance(module, str):
        return True
    return module.split(".")[0] not in ("keras", "builtins") or any(map(_has_own_code, config.values()))
