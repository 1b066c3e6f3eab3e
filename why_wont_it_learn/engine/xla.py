"""XLA: a graph that has run for a while is compiled on a thread of its own; from then on the compiled program answers.

A small dense network runs four to five times as fast compiled, but compiling takes seconds, so nobody is made to wait for it. XLA
rounds differently, as `model.fit` does on another processor. Where it would give other numbers than that, or is slower than graph
mode on a processor, nothing is compiled.
"""

import threading

import tensorflow as tf

AFTER_STEPS = 2000  # as long in graph mode as compiling takes, for a small network
PROGRAMS_AT_MOST = 40  # in a process: XLA never gives one back
# It draws other random numbers, and is slow at convolutions and at loops within a step.
NOT_FOR_XLA = ("StatelessRandom", "Conv", "DepthwiseConv", "MaxPool", "AvgPool", "TensorList")

_lock = threading.Lock()
_programs = 0


class Programs:
    """The compiled programs of one graph, one for each shape of its inputs."""

    def __init__(self, function, allowed):
        self.function, self.allowed = function, allowed
        self.steps, self.ready, self.threads = {}, {}, []

    def run(self, tensors):
        """The outputs, from a program if there is one for these shapes."""
        return self.ready.get(_shapes(tensors), self.function)(*tensors)

    def count(self, tensors, steps):
        """Note that so many steps were taken with tensors like these; compile for them once it pays."""
        global _programs
        shapes = _shapes(tensors)
        with _lock:
            before = self.steps.get(shapes, 0)
            self.steps[shapes] = before + steps
            if not self.allowed or not before < AFTER_STEPS <= before + steps or _programs >= PROGRAMS_AT_MOST:
                return
            _programs += 1
            thread = threading.Thread(target=self._compile, args=[tensors, shapes])
            self.threads.append(thread)
        thread.start()

    def _compile(self, tensors, shapes):
        program = tf.function(lambda *inputs: self.function(*inputs), autograph=False, jit_compile=True)
        try:
            program = program.get_concrete_function(*tensors)
            program(*tensors[:-1], tf.constant(0))  # no step is taken: it only compiles
        except tf.errors.OpError:  # something in the model that XLA cannot compile: graph mode goes on
            return
        self.ready[shapes] = program


def allowed(function, shape):
    """Whether the graph of a `Loop` of this shape may be compiled."""
    if shape.models is not None or shape.ragged or (shape.validation and shape.ragged_validation):
        return False
    definition = function.graph.as_graph_def()
    used = {n.op for n in (*definition.node, *(n for f in definition.library.function for n in f.node_def))}
    return not any(op.startswith(NOT_FOR_XLA) for op in used)


def _shapes(tensors):
    return tuple(tuple(t.shape) for t in tensors)
