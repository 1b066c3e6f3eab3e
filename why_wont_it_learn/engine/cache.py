"""Traced graphs: kept in the process and on disk, so that the same training is traced once on a machine.

A traced loop is a pure function and captures nothing, so its GraphDef and the names of its inputs and outputs are all there is
to keep. A file is a line of JSON and the GraphDef, not a pickle: nothing in it can run Python.
"""

import contextlib
import ctypes
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
import weakref
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from ..keras_private import forget_functions, forget_kernels
from .state import Packing, Shape
from .xla import Programs

NODES_KEPT = 4000  # in all graphs of one model in a process; each takes 10 kB
MANY_KEPT = 2  # graphs of many models, one that trains and one that predicts: they take up to 100 MB
NODES_OF_GARBAGE = 4_000  # in graphs that are gone, before Python collects them: 12 MB; it takes 0.1 to 0.3 s
BYTES_ON_DISK = 200_000_000


@dataclass
class Graph:
    """A traced function.

    function: on a flat list of tensors. shape: as in `Loop`. packing: the arguments of `Packing`. columns: what a row is made of.
    layers, hidden: indices in `layers_of(model)` of the layers that the probes' columns belong to. metrics: (shape, type) of each
    of the model's metrics. compiles: whether XLA may compile it. nodes: how large it is. step_seconds: {samples of a batch, of all
    models together: how long a step took last}.
    """

    function: object
    shape: Shape
    packing: tuple
    columns: dict
    layers: list
    hidden: list
    metrics: list
    compiles: bool
    nodes: int
    keeps: tuple = ()  # objects whose ids stand in the key: no other object may get the same id meanwhile
    calls: int = 0
    step_seconds: dict = field(default_factory=dict)

    def __post_init__(self):
        self.packing = Packing(*self.packing)
        self.programs = Programs(self.function, self.compiles, alone=self.shape.models is None)

    def __call__(self, arguments, jit_compile="auto"):
        """(state, position, rows), as `Loop.chunk` returns them."""
        state, position, *_, sizes, _, _, _, _, _ = arguments
        tensors = tf.nest.flatten(arguments)
        self.calls += 1
        with quick_start():
            outputs = tf.nest.pack_sequence_as((state, position, 0), self.programs.run(tensors, jit_compile))
        if jit_compile == "auto":
            self.programs.count(tensors, int((outputs[1].numpy() - position.numpy()) @ [len(sizes), 1]))
        return outputs


# --- in the process ----------------------------------------------------------------------------------------------------

_graphs = OrderedDict()
_garbage = 0  # nodes in graphs that are gone: their parts refer to each other in circles
_lock = threading.RLock()  # tracing borrows the model's activations, so one graph is traced at a time


def _key(identity, kind, shape, data):
    axis = shape.sample_axis
    types = tf.nest.map_structure(lambda a: (a.dtype.name, *a.shape[:axis], *a.shape[axis + 1 :]), data)
    return identity, repr(types), kind, shape


def in_process(identity, kind, shape, data):
    """The graph that the process has, or None."""
    return _graphs.get(_key(identity, kind, shape, data))


def cached(identity, keeps, kind, shape, data, make):
    """The graph of this identity, kind, shape and data of these types: from the process, else from disk, else made.

    keeps: the objects whose ids stand in the identity; the graph is kept on disk where there are none.
    """
    with _lock, quick_start():
        key = _key(identity, kind, shape, data)
        graph = _graphs.get(key)
        if graph is None:
            name = None if keeps else f"{hashlib.sha256(repr(key).encode()).hexdigest()[:40]}.graph"
            graph = load(name) if name else None
            if graph is None:
                graph = make()
                if not graph.function.captured_inputs:
                    content = written(graph)
                    if name:
                        save(name, content)
                    graph = read(content)  # takes half the memory, as nothing of Python's hangs on it
                    _collect(graph.nodes)
            graph.keeps = keeps
            _graphs[key] = graph
            _drop_the_oldest()
        _graphs.move_to_end(key)
        return graph


def _drop_the_oldest():
    one = [key for key, graph in _graphs.items() if graph.shape.models is None]
    many = [key for key, graph in _graphs.items() if graph.shape.models is not None]
    too_many = many[:-1] if len(many) > MANY_KEPT else []  # all but the last, as collecting them one by one takes long
    while len(one) > 2 and sum(_graphs[key].nodes for key in one) > NODES_KEPT:
        too_many.append(one.pop(0))
    nodes = sum(_graphs.pop(key).nodes for key in too_many)
    if too_many:
        forget_kernels()
        _collect(nodes)
        give_back()


def _collect(nodes):
    """Note that a graph of so many nodes is gone; have Python collect the garbage once there is much of it."""
    global _garbage
    _garbage += nodes
    if _garbage > NODES_OF_GARBAGE:
        gc.collect()
        _garbage = 0


# glibc keeps what is freed in pieces: 100 MB after many wide networks at once, unless it is told to give it back.
_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


def give_back():
    """Give memory that was freed back to the system."""
    if _malloc_trim is not None:
        _malloc_trim(0)


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


def versions():
    """What every graph depends on."""
    places = keras.config.floatx(), keras.config.image_data_format()
    return tf.__version__, keras.__version__, np.__version__, *places, _engine()


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
            graph = read(path.read_bytes())
        except (OSError, ValueError, KeyError, TypeError, tf.errors.OpError):
            continue
        with contextlib.suppress(OSError):
            os.utime(path)  # used now: the oldest go first
        return graph
    return None


def read(content):
    """The graph that `written` made into bytes; raises ValueError, KeyError, TypeError or OpError for other bytes."""
    head, _, body = content.partition(b"\n")
    meta = json.loads(head)
    if hashlib.sha256(body).hexdigest() != meta.pop("digest"):
        raise ValueError("The bytes have changed.")
    inputs, outputs = meta.pop("inputs"), meta.pop("outputs")
    definition = tf.compat.v1.GraphDef.FromString(body)

    def restored(*tensors):
        feeds = dict(zip((name for name, *_ in inputs), tensors, strict=True))
        return tf.graph_util.import_graph_def(definition, input_map=feeds, return_elements=outputs, name="")

    function = tf.compat.v1.wrap_function(restored, [tf.TensorSpec(shape, dtype) for _, shape, dtype in inputs])
    *shape, values = meta.pop("shape")
    graph = Graph(function, Shape(*shape, tuple(values)), **meta)
    weakref.finalize(graph, forget_functions, [f.signature.name for f in definition.library.function])
    return graph


def written(graph):
    """A graph that captures nothing, as bytes."""
    function = graph.function
    definition = function.graph.as_graph_def()
    _name_functions(definition, hashlib.sha256(definition.SerializeToString(deterministic=True)).hexdigest()[:16])
    body = definition.SerializeToString()
    meta = {
        "digest": hashlib.sha256(body).hexdigest(),
        "inputs": [[t.name, t.shape.as_list(), t.dtype.name] for t in function.inputs],
        "outputs": [t.name for t in function.outputs],
        "packing": [graph.packing.shapes, graph.packing.slots],
        **{name: getattr(graph, name) for name in ("shape", "columns", "layers", "hidden", "metrics", "compiles", "nodes")},
    }  # fmt: skip
    return json.dumps(meta).encode() + b"\n" + body


def save(name, content):
    """Write the bytes of a graph; a process that reads at the same time sees the old file or the new one."""
    folder, _ = folders()
    if folder is None:
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as file:
            file.write(content)
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
