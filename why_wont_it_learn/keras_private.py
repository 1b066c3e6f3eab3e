"""Every private name of Keras and TensorFlow that this package uses: one function each.

Keras 3 has no public way to train a model as a pure function on TensorFlow. What is borrowed from its insides stands here and
nowhere else, each with the reason, with what breaks without it, and with the test that fails when a new version changes it.
"""

import re
from contextlib import contextmanager

import keras


def pure_optimizer(optimizer):
    """A copy of a Keras optimizer whose `stateless_apply` works on TensorFlow.

    Why: `keras.optimizers.Optimizer` on TensorFlow is the backend-neutral `BaseOptimizer` under a wrapper, `TFOptimizer`, that
    serves `tf.distribute` only and therefore insists on `tf.Variable`s. JAX runs the neutral methods; so does this copy.
    Without it: no update of the weights is a pure function, and every model goes through `model.fit`.
    Guarded by: tests/test_engine_fidelity.py, which trains with every optimizer.
    """
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        config = optimizer.get_config()
        config.pop("inner_optimizer")
        return keras.optimizers.LossScaleOptimizer(pure_optimizer(optimizer.inner_optimizer), **config)
    lines = keras.optimizers.Optimizer.__mro__
    wrapper = next(c for c in lines if c.__name__ == "TFOptimizer")
    neutral = next(c for c in lines if c.__name__ == "BaseOptimizer")
    # These three do not write to variables, and TensorFlow's clipping knows the sparse gradients of embeddings.
    kept = ("__init__", "add_variable_from_reference", "_clip_by_norm")
    methods = {n: m for n, m in vars(neutral).items() if callable(m) and n in vars(wrapper) and n not in kept}
    # After the optimizer's own class and before TFOptimizer, so that `super()` in an optimizer finds the neutral method.
    base = type("PureOptimizer", (keras.optimizers.Optimizer,), methods)
    own = type(optimizer)
    return type(f"Pure{own.__name__}", (own, base), {}).from_config(optimizer.get_config())


def excluded_from_weight_decay(optimizer):
    """Whether the caller excluded variables from weight decay, which an optimizer's configuration does not tell.

    Without it: the copy of `pure_optimizer` would decay the excluded weights. Guarded by: tests/test_engine_fallback.py.
    """
    names = ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")
    return any(getattr(optimizer, name, None) for name in names)


def layers_of(model):
    """All layers of a model, outer before inner, the model itself first.

    Why: `model.layers` is public, but does not look into layers that are made of layers (Bidirectional, attention, own ones).
    Without it: their weights have no name in the record. Guarded by: tests/test_engine_fit.py.
    """
    return list(model._flatten_layers())


def softmax_over_one(said):
    """(axis, shape) of a softmax over a single number of which Keras warned, or None. said: recorded warnings.

    Why: only the text of the warning tells, which no version promises.
    Without it: such a softmax within a network is not named. Guarded by: tests/test_before_training.py.
    """
    told = (re.search(r"softmax over axis (\S+) of a tensor of shape (\(.*?\))", str(w.message)) for w in said)
    return next((found.groups() for found in told if found), None)


def overwritten_by_gradient(variable):
    """Whether an optimizer replaces this variable by its gradient, as in float8 training.

    Without it: such models would train wrongly instead of going through `model.fit`. Guarded by: tests/test_engine_fallback.py.
    """
    return bool(getattr(variable, "overwrite_with_gradient", getattr(variable, "_overwrite_with_gradient", False)))


def loss_tracker(model):
    """The metric behind `history["loss"]`: the mean loss of an epoch's batches, weighted by their numbers of samples.

    Why: `model.metrics[0]` is public, but a model may override `metrics`.
    Without it: no loss is recorded. Guarded by: every fidelity test.
    """
    return model._loss_tracker


def has_metrics(model):
    """Whether the losses and metrics of `compile` have been made, which Keras does when it sees the first batch.

    Without it: they would have to be made again, 0.05 s, for every new graph. Guarded by: tests/test_engine_fidelity.py.
    """
    return all(part is None or part.built for part in (model._compile_loss, model._compile_metrics))


def is_stateful(op):
    """Whether TensorFlow's operation of this name does more than compute its outputs from its inputs.

    Why: the functions inside a GraphDef hold only the names of operations.
    Without it: a layer that draws with `tf.random.normal` would train with other numbers than in `model.fit`.
    Guarded by: tests/test_engine_fallback.py.
    """
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(op)
    return definition is not None and definition.is_stateful


@contextmanager
def gradients_forgotten():
    """Meanwhile, functions register their own gradients with TensorFlow as usual; afterwards it forgets these.

    Why: the register keeps each function alive, and with it the graph that it stands in. All gradients of a loop are written
    out in its graph, so nobody asks for them again.
    Without it: each dropped graph of a network with swish leaves 45 MB behind. Guarded by: tests/test_engine_cache.py.
    """
    from tensorflow.python.framework import ops

    registered = ops.gradient_registry._registry
    before = set(registered)
    try:
        yield
    finally:
        for name in set(registered) - before:
            registered.pop(name, None)


def forget_kernels():
    """Make TensorFlow drop the kernels of functions that no longer exist.

    Without it: every dropped graph leaves some MB behind. Guarded by: tests/test_engine_cache.py.
    """
    from tensorflow.python.eager import context

    context.context().clear_kernel_cache()


def forget_functions(names):
    """Make TensorFlow drop the functions that a loaded graph has brought along; it counts the graphs that need them.

    Without it: every dropped graph leaves its loops and branches behind, 1 MB. Guarded by: tests/test_engine_cache.py.
    """
    from tensorflow.python.eager import context

    for name in names:
        if context.context().has_function(name):
            context.context().remove_function(name)


# --- what `diagnose` reads of a compiled model -------------------------------------------------------------------------


def is_functional(model):
    """Whether a model is a graph of layers, which its configuration tells in full.

    Why: `keras.Model(inputs, outputs)` is of a class that Keras does not export.
    Without it: no functional model is taken apart. Guarded by: tests/test_doctor.py.
    """
    from keras.src.models.functional import Functional

    return isinstance(model, Functional)


def learning_rate_of(optimizer):
    """What an optimizer was given as its learning rate: a variable, a schedule or a function.

    Why: `optimizer.learning_rate` is a number of this moment.
    Without it: a schedule is taken for a constant rate. Guarded by: tests/test_compile_arguments.py.
    """
    return optimizer._learning_rate


def with_constant_rate(optimizer, rate):
    """An optimizer's twin that reads its configuration at a constant rate, for `get_config`; it cannot train.

    Why: a schedule or a function of the user's own may not know its configuration.
    Without it: `diagnose` refuses such optimizers. Guarded by: tests/test_compile_arguments.py.
    """
    twin = object.__new__(type(optimizer))
    twin.__dict__.update(vars(optimizer), _learning_rate=keras.Variable(rate, trainable=False))
    return twin


def loss_weights_of(model):
    """The factors of the losses as `compile` was given them, flat: numbers or None.

    Without it: the loss that `diagnose` trains with is off by that factor. Guarded by: tests/test_compile_arguments.py.
    """
    return keras.tree.flatten(getattr(model._compile_loss, "_user_loss_weights", None))


def as_loss(loss):
    """A Keras loss, its name or a function as a function of (y_true, y_pred), as `model.compile` makes one of it.

    Without it: a user's own loss has no mean over the batch. Guarded by: tests/test_compile_arguments.py.
    """
    from keras.src.losses.losses import LossFunctionWrapper

    loss = keras.losses.get(loss)
    return loss if isinstance(loss, keras.losses.Loss) else LossFunctionWrapper(loss, name="loss")


def takes_logits(loss):
    """Whether a loss was made with from_logits, or None where it has no such argument.

    Without it: logits are read as probabilities, and the cause is a wrong one. Guarded by: tests/test_doctor.py.
    """
    return getattr(loss, "_fn_kwargs", {}).get("from_logits", getattr(loss, "from_logits", None))


def binary_or_sparse(y, predictions):
    """(whether "crossentropy" means the binary one for these targets and predictions, whether the sparse one).

    Without it: "crossentropy" is another loss than in `fit`. Guarded by: tests/test_compile_arguments.py.
    """
    from keras.src.trainers.compile_utils import is_binary_or_sparse_categorical

    return is_binary_or_sparse_categorical(y, predictions)


@contextmanager
def seed_generator_kept():
    """Leave the generator of the seeds of layers that were given none as it was, also if there was no such layer yet.

    Why: `keras.utils.set_random_seed` is public, but there is no way to read the state and put it back.
    Without it: making a layer in `diagnose` changes the user's next random numbers. Guarded by: tests/test_doctor.py.
    """
    from keras.src.backend.common import global_state

    generator = global_state.get_global_attribute("global_seed_generator")
    state = None if generator is None else generator.state.numpy()
    try:
        yield
    finally:
        global_state.set_global_attribute("global_seed_generator", generator)
        if generator is not None:
            generator.state.assign(state)


# --- what `Watch` reads of the data ------------------------------------------------------------------------------------


def bytes_of(dataset):
    """How large the arrays are that a `tf.data.Dataset` was made from.

    Why: a dataset tells the shapes of its elements only.
    Without it: `Watch` copies gigabytes, ten times over, to look at 256 samples. Guarded by: tests/test_watch.py.
    """
    own = sum(tensor.dtype.size * (tensor.shape.num_elements() or 0) for tensor in getattr(dataset, "_tensors", ()))
    return own + sum(map(bytes_of, dataset._inputs()))
