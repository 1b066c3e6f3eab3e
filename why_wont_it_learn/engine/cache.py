"""Traced loops: kept in the process and on disk, so that the same training is traced once on a machine.

A traced loop is a pure function and captures nothing, so its GraphDef and the names of its inputs and outputs are all there is
to keep. A file is a line of JSON and the GraphDef, not a pickle: nothing in it can run Python. Only models of Keras's own parts
are kept on disk, whose graph is certain from their configuration; an own layer, function or Lambda may do anything.
"""

import contextlib
import functools
import gc
import hashlib
import json
import os
import stat
import sys
import tempfile
import threading
import time
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from ..keras_private import forget_kernels, has_metrics, is_stateful, layers_of, loss_tracker
from .batches import CannotHold, none_for_empty
from .loop import Loop, NotFlat, Shape, takes_training
from .xla import Programs, allowed

KEPT = 8  # graphs in a process; each takes 5 to 20 MB
BYTES_ON_DISK = 200_000_000
# Operations that TensorFlow calls stateful, but whose outputs follow from their inputs.
HARMLESS = {"While", "If", "Case", "StatefulPartitionedCall", "Assert"}


@dataclass
class Graph:
    """A traced function.

    function: on a flat list of tensors. shape: as in `Loop`. columns: what a row is made of. layers, hidden: indices in
    `layers_of(model)` of the layers that the probes' columns belong to. metrics: (shape, type) of each of the model's metrics.
    """

    function: object
    shape: Shape
    columns: dict
    layers: list
    hidden: list
    metrics: list
    compiles: bool = False  # whether XLA may compile it
    keeps: tuple = ()  # objects whose ids stand in the key: no other object may get the same id meanwhile
    steps_at_once: int = 1  # how many a run on this graph may take before it looks up

    def __post_init__(self):
        self.programs = Programs(self.function, self.compiles)

    def __call__(self, state, before, position, *rest):
        """(state, before, position, rows), as `Loop.chunk` returns them."""
        tensors = tf.nest.flatten((state, before, position, *rest))
        outputs = tf.nest.pack_sequence_as((state, before, position, 0), self.programs.run(tensors))
        steps_of_epoch = len(rest[-2])
        self.programs.count(tensors, int((outputs[2].numpy() - position.numpy()) @ [steps_of_epoch, 1]))
        return outputs


# --- in the process ----------------------------------------------------------------------------------------------------

_graphs = OrderedDict()
_lock = threading.RLock()  # tracing borrows the model's activations, so one graph is traced at a time


def graph_for(model, shape, data):
    """The graph of a built model's training for data of these types: from the process, else from disk, else traced.

    data: (to train on, what the probes see, to validate on), each (x, y, sample_weight) or ().
    """
    return _cached(model, ("train", shape), data, lambda: trace(model, shape, data))


def predictor_for(model, models, x):
    """The graph of (weights, layer state, x) -> outputs, of so many models at once or of one."""
    return _cached(model, ("predict", models), x, lambda: trace_predictor(model, Shape(models, False, False), x))


def _cached(model, kind, data, make):
    types = repr(tf.nest.map_structure(lambda a: (a.dtype.name, *a.shape[1:]), data))
    with _lock, quick_start():
        certain = fingerprint(model)
        key = (certain or _identity(model), types, kind)
        graph = _graphs.get(key)
        if graph is None:
            name = f"{hashlib.sha256(repr(key).encode()).hexdigest()[:40]}.graph" if certain else None
            graph = load(name) if name else None
            if graph is None:
                graph = make()
                if name:
                    save(name, graph)
            graph.keeps = () if certain else (model, *_parts(model))
            _graphs[key] = graph
        _graphs.move_to_end(key)
        while len(_graphs) > KEPT:
            _graphs.popitem(last=False)
            gc.collect()  # a graph's parts refer to each other in circles
            forget_kernels()
        return graph


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

    data = [none_for_empty(tf.nest.map_structure(lambda a: a[:2], part)) for part in data]
    tf.function(step, autograph=False).get_concrete_function(*data)


def trace(model, shape, data):
    """A new graph. Raises CannotHold if it would not do exactly what `model.fit` does."""
    if not has_metrics(model):
        _first_step(model, data[0])
    with _unrolled(model) if shape.models else contextlib.nullcontext():
        try:
            loop = Loop(model, shape)
            function = _traced(loop.chunk, loop.signature(*data))
        except NotFlat:
            loop = Loop(model, shape, flat=False)
            function = _traced(loop.chunk, loop.signature(*data))
    place = {id(layer): index for index, layer in enumerate(layers_of(model))}
    layers, hidden = loop.probes.layers if shape.probes else [], loop.probes.hidden
    metrics = [(list(v.shape), v.dtype) for v in loop.metrics]
    layers, hidden = [place[id(x)] for x in layers], [place[id(x)] for x in hidden]
    return Graph(function, shape, loop.columns, layers, hidden, metrics, allowed(function, shape))


def trace_predictor(model, shape, x):
    """A new graph that predicts."""
    loop = Loop(model, shape, flat=False)
    state, *_ = loop.signature((), (), ())
    x = tf.nest.map_structure(lambda a: tf.TensorSpec([None, *a.shape[1:]], a.dtype), x)
    with _unrolled(model) if shape.models else contextlib.nullcontext():
        return Graph(_traced(loop.predict, (state.weights, state.layers, x)), shape, {}, [], [], [])


@contextlib.contextmanager
def _unrolled(model):
    """Meanwhile, recurrent layers are written out step by step: a loop over time cannot be mapped over many models quickly."""
    layers = [layer for layer in layers_of(model) if isinstance(layer, keras.layers.RNN)]
    before = [layer.unroll for layer in layers]
    try:
        for layer in layers:
            layer.unroll = True
        yield
    finally:
        for layer, unroll in zip(layers, before, strict=True):
            layer.unroll = unroll


def _traced(function, signature):
    """A function of structures as a graph from a flat list of tensors to another one."""

    def flat(*tensors):
        return tf.nest.flatten(function(*tf.nest.pack_sequence_as(signature, tensors)))

    traced = tf.function(flat, autograph=False).get_concrete_function(*tf.nest.flatten(signature))
    _check_pure(traced)
    return traced


def _check_pure(function):
    """Raise CannotHold if a graph does more than compute values from its inputs."""
    if any(t.dtype == tf.resource for t in function.captured_inputs):
        raise CannotHold("Calling the model uses a variable or table that is not one of its weights.")
    definition = function.graph.as_graph_def()
    used = {n.op for n in (*definition.node, *(n for f in definition.library.function for n in f.node_def))}
    for op in sorted(used - HARMLESS):
        if is_stateful(op):
            raise CannotHold(f"Calling the model runs TensorFlow's {op}, which does more than compute from its inputs.")


_quick_starts = []  # what the option was before, once for each start that is under way
_quick_starts_lock = threading.Lock()


@contextlib.contextmanager
def quick_start():
    """Without TensorFlow's graph optimizer, which costs a new graph a third of its first answer and saves little later.

    The option belongs to the whole process. Where starts overlap on several threads, the last one puts it back.
    """
    options = tf.config.optimizer
    with _quick_starts_lock:
        before = options.get_experimental_options().get("disable_meta_optimizer", False)
        _quick_starts.append(_quick_starts[0] if _quick_starts else before)
        options.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        with _quick_starts_lock:
            before = _quick_starts.pop()
            if not _quick_starts:
                options.set_experimental_options({"disable_meta_optimizer": before})


# --- what a graph depends on -------------------------------------------------------------------------------------------


def _parts(model):
    """What `compile` exchanges: it makes a new tracker of the loss every time."""
    return model.optimizer, model.loss, loss_tracker(model)


def _identity(model):
    """The key of a model whose graph cannot be told from its configuration: the very objects that it is made of.

    As in `model.fit`, what happens inside of own code is looked at once, until the model is compiled again.
    """
    frozen = tuple(v.trainable for v in model.weights)
    return (id(model), *map(id, _parts(model)), frozen, repr(_rules(model.optimizer)))


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
    config = json.loads(text, object_hook=_without_first_values)
    if _has_own_code(config):
        return None
    if len(model.outputs) == 1 and type(model.optimizer).__name__ != "Muon":
        # Keras counts names up within a process; only the history of several outputs and Muon look at them.
        config = _renamed(config, {layer.name: f"layer {index}" for index, layer in enumerate(layers_of(model))})
    versions = [
        tf.__version__,
        keras.__version__,
        np.__version__,
        keras.config.floatx(),
        keras.config.image_data_format(),
    ]
    weights = [(v.shape, v.dtype, v.trainable) for v in model.weights]
    return repr((versions, _engine(), json.dumps(config, sort_keys=True), weights))


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


def _without_first_values(config):
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
        return config.startswith("<") or any(
            config == name.split(">")[-1] for name in keras.saving.get_custom_objects()
        )
    if not isinstance(config, dict):
        return False
    module = config.get("module", "keras")
    if config.get("class_name") in ("function", "__lambda__") or not isinstance(module, str):
        return True
    return module.split(".")[0] not in ("keras", "builtins") or any(map(_has_own_code, config.values()))


@functools.cache
def _engine():
    """A digest of the source of the engine: another engine, other graphs."""
    sources = [*sorted(Path(__file__).parent.glob("*.py")), Path(__file__).parent.parent / "keras_private.py"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


# --- on disk -----------------------------------------------------------------------------------------------------------


def folders():
    """[the folder that graphs are written to and read from, one that they are only read from, if there is one].

    WHY_WONT_IT_LEARN_CACHE and WHY_WONT_IT_LEARN_CACHE_READONLY name them; an empty first one turns writing off.
    """
    home = Path.home()
    places = {"win32": home / "AppData" / "Local", "darwin": home / "Library" / "Caches"}
    usual = places.get(sys.platform, Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")) / "why_wont_it_learn"
    own = os.environ.get("WHY_WONT_IT_LEARN_CACHE", str(usual))
    shared = os.environ.get("WHY_WONT_IT_LEARN_CACHE_READONLY")
    return Path(own) if own else None, Path(shared) if shared else None


def _safe(path):
    """Whether only this user or the administrator can have written a file or folder."""
    if os.name != "posix":
        return True  # a Windows user's folder is closed to others
    status = os.lstat(path)
    ours = status.st_uid in (os.getuid(), 0)
    return ours and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not stat.S_ISLNK(status.st_mode)


def load(name):
    """The graph in a file of this name, or None: there is none, another user could have written it, or it is damaged."""
    for folder in filter(None, folders()):
        path = folder / name
        try:
            if not (_safe(folder) and _safe(path)):
                continue
            head, _, body = path.read_bytes().partition(b"\n")
            meta = json.loads(head)
            if hashlib.sha256(body).hexdigest() != meta.pop("digest"):
                continue
            shape = Shape(*meta.pop("shape"))
            graph = Graph(_imported(body, meta.pop("inputs"), meta.pop("outputs")), shape, **meta)
        except (OSError, ValueError, KeyError, TypeError, tf.errors.OpError):
            continue
        with contextlib.suppress(OSError):
            os.utime(path)  # used now: the oldest go first
        return graph
    return None


def _imported(body, inputs, outputs):
    definition = tf.compat.v1.GraphDef.FromString(body)

    def restored(*tensors):
        feeds = dict(zip((name for name, *_ in inputs), tensors, strict=True))
        return tf.graph_util.import_graph_def(definition, input_map=feeds, return_elements=outputs, name="")

    return tf.compat.v1.wrap_function(restored, [tf.TensorSpec(shape, dtype) for _, shape, dtype in inputs])


def save(name, graph):
    """Write a graph that captures nothing; a process that reads at the same time sees the old file or the new one."""
    folder, _ = folders()
    function = graph.function
    if folder is None or function.captured_inputs:
        return
    definition = function.graph.as_graph_def()
    _name_functions(definition, hashlib.sha256(definition.SerializeToString(deterministic=True)).hexdigest()[:16])
    body = definition.SerializeToString()
    meta = {
        "digest": hashlib.sha256(body).hexdigest(),
        "inputs": [[t.name, t.shape.as_list(), t.dtype.name] for t in function.inputs],
        "outputs": [t.name for t in function.outputs],
        "shape": graph.shape, "columns": graph.columns, "layers": graph.layers, "hidden": graph.hidden, "metrics": graph.metrics,
        "compiles": graph.compiles,
    }  # fmt: skip
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as file:
            file.write(json.dumps(meta).encode() + b"\n" + body)
        os.chmod(file.name, 0o644)  # readable where root fills the cache of an image
        os.replace(file.name, folder / name)
        _make_room(folder)
    except OSError:  # no place to write, a full disk: the graph is traced again next time
        return


def _name_functions(definition, suffix):
    """Give the functions in a GraphDef names that no other has: those of all graphs in a process share one name space."""
    library = definition.library
    names = {f.signature.name: f"{f.signature.name}_{suffix}" for f in library.function}
    for function in library.function:
        function.signature.name = names[function.signature.name]
    for gradient in library.gradient:
        gradient.function_name = names.get(gradient.function_name, gradient.function_name)
        gradient.gradient_func = names.get(gradient.gradient_func, gradient.gradient_func)
    for node in (*definition.node, *(node for f in library.function for node in f.node_def)):
        node.op = names.get(node.op, node.op)
        for value in node.attr.values():
            for called in (*value.list.func, *([value.func] if value.HasField("func") else [])):
                called.name = names.get(called.name, called.name)


def _make_room(folder):
    """Remove the graphs that have not been used for longest, until the rest is small enough, and what broke off."""
    for path in folder.glob("*.part"):
        if path.stat().st_mtime < time.time() - 3600:
            path.unlink(missing_ok=True)
    files = sorted(((p.stat().st_mtime, p.stat().st_size, p) for p in folder.glob("*.graph")), reverse=True)
    total = 0
    for _, size, path in files:
        total += size
        if total > BYTES_ON_DISK:
            path.unlink(missing_ok=True)
