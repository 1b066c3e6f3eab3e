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
    """The compiled programs of one graph, one for each shape of its inputs.

    allowed: whether the graph may be compiled. alone: also without being asked for, once that pays.
    """

    def __init__(self, function, allowed, alone):
        self.function, self.allowed, self.alone = function, allowed, alone
        self.steps, self.ready, self.threads = {}, {}, []

    def run(self, tensors, jit_compile="auto"):
        """The outputs: from graph mode where jit_compile is False, from a program where it is True, else from one that is there."""
        if not jit_compile:
            return self.function(*tensors)
        shapes = _shapes(tensors)
        if jit_compile is True and shapes not in self.ready and self._begin():
            self._compile(tensors, shapes)
        return self.ready.get(shapes, self.function)(*tensors)

    def count(self, tensors, steps):
        """Note that so many steps were taken with tensors like these; compile for them once it pays."""
        if not self.alone:
            return
        shapes = _shapes(tensors)
        before = self.steps.get(shapes, 0)
        self.steps[shapes] = before + steps
        if before < AFTER_STEPS <= before + steps and shapes not in self.ready and self._begin():
            thread = threading.Thread(target=self._compile, args=[tensors, shapes])
            self.threads.append(thread)
            thread.start()

    def _begin(self):
        """Whether one more program may be made; if so, it is counted."""
        global _programs
        with _lock:
            if not self.allowed or _programs >= PROGRAMS_AT_MOST:
                return False
            _programs += 1
            return True

    def _compile(self, tensors, shapes):
        program = tf.function(lambda *inputs: self.function(*inputs), autograph=False, jit_compile=True)
        try:
            program = program.get_concrete_function(*tensors)
            program(*tensors[:-1], tf.constant(0))  # no step is taken: it only compiles
        except tf.errors.OpError:  # something in the model that XLA cannot compile: graph mode goes on
            return
        self.ready[shapes] = program


def allowed(operations, shape):
    """Whether a graph of these operations, of a `Loop` of this shape, may be compiled."""
    if shape.ragged or (shape.validation and shape.ragged_validation):
        return False
    return not any(op.startswith(NOT_FOR_XLA) for op in operations)


def _shapes(tensors):
    return tuple(tuple(t.shape) for t in tensors)
