"""A model and its loss called on a few samples, without a trace in the model or in the data."""

import copy
import sys

import keras
import numpy as np
import tensorflow as tf

from ..engine.batches import CannotHold, none_for_empty, prepare
from ..keras_private import bytes_of

# Operations whose seeds all iterators of a dataset share, and their older kinds, which have seeds of their own.
OWN_SEEDS = {"ShuffleDatasetV3": "ShuffleDataset", "RandomDatasetV2": "RandomDataset"}
MOST_COPIED = 2**26  # bytes of a dataset's arrays: copying takes seconds and up to ten times the memory
KEPT_BATCHES = ("CacheDataset", "CacheDatasetV2", "SnapshotDataset", "SnapshotDatasetV2")


def loss_of(model, values, data, outputs=False, training=False):
    """The loss of a built, compiled model on some samples without its penalties; with `outputs`, (loss, outputs).

    values: of `model.trainable_variables`, None for those that they have. data: (x, y, sample_weight), structures of tensors. The
    layers work as in inference; with `training` as in training, and what layers of one's own add to the loss counts, too.
    """
    x = none_for_empty(data[0])
    with _with_weights(model, values):
        predictions = model(x, training=training)
        loss = _data_loss(model, data, predictions, penalties_of_weights(model) if training else model.losses)
    return (loss, predictions) if outputs else loss


def penalties_of_weights(model):
    """What the regularizers of a model's weights add to its loss: a list of numbers."""
    return [v.regularizer(v) for v in model.trainable_variables if v.regularizer]


def loss_for(model, data, predictions):
    """The loss of made-up predictions, without the model's penalties: a number."""
    with _with_weights(model, None):
        return _data_loss(model, data, predictions, model.losses)


def _with_weights(model, values):
    variables = model.trainable_variables
    # Keras cannot compute the penalty of a weight for which the scope has no value.
    values = [v.value for v in variables] if values is None else values
    return keras.StatelessScope(list(zip(variables, values, strict=True)), collect_losses=True)


def _data_loss(model, data, predictions, penalties):
    x, y, sample_weight = map(none_for_empty, data)
    loss = model.compute_loss(x=x, y=y, y_pred=predictions, sample_weight=sample_weight)
    return loss - tf.add_n(penalties) if penalties else loss


def sample_of(x, y, most):
    """The first samples of what `fit` is given, as (x, y, ()) of tensors; None where they cannot be read without a trace.

    x, y: arrays, lists or dicts of arrays, DataFrames; or x a batched `tf.data.Dataset` or a `keras.utils.PyDataset`.
    """
    if is_dataset(x):
        batch = _batch_of_py_dataset(x) if isinstance(x, keras.utils.PyDataset) else _batch_of_dataset(x)
        x, y = batch[:2] if isinstance(batch, (tuple, list)) and len(batch) > 1 else (batch, None)
    if x is None or y is None:
        return None
    try:
        data, _ = prepare(*(tf.nest.map_structure(lambda a: a[:most], part) for part in (x, y)), None, None, None, 0.0)
    except (CannotHold, TypeError):
        return None
    return data


def is_dataset(x):
    """Whether x gives batches by itself, and again in each epoch."""
    return isinstance(x, (tf.data.Dataset, keras.utils.PyDataset))


def _batch_of_dataset(dataset):
    """The first batch of a copy of a dataset; None if it cannot be copied.

    A second iterator of the dataset itself would change the order in which it shuffles from then on. The copy is made from the
    dataset's graph, in which shuffling has its own seeds and nothing is cached. Python functions in it would be those of the original.
    """
    try:
        if bytes_of(dataset) > MOST_COPIED:
            return None
        written = tf.raw_ops.DatasetToGraphV2(
            input_dataset=tf.data.experimental.to_variant(dataset), external_state_policy=1
        )
        graph = tf.compat.v1.GraphDef.FromString(written.numpy())
        functions = [node for function in graph.library.function for node in function.node_def]
        if any("PyFunc" in node.op for node in (*graph.node, *functions)):
            return None
        for node in graph.node:
            if node.op in OWN_SEEDS:
                node.op = OWN_SEEDS[node.op]
                node.input.pop()  # the seeds that all iterators share
                node.attr.pop("rerandomize_each_iteration", None)
            elif node.op in KEPT_BATCHES:
                node.op = "Identity"
                del node.input[1:]
                node.attr.clear()
                node.attr["T"].type = tf.variant.as_datatype_enum
        copied = tf.raw_ops.DatasetFromGraph(graph_def=graph.SerializeToString())
        return next(iter(tf.data.experimental.from_variant(copied, dataset.element_spec).take(1)))
    except Exception:  # of operations that cannot be written down
        return None


def _batch_of_py_dataset(dataset):
    """The first batch of a copy of a dataset, which shares its arrays, with the state of its generators as before."""
    copied = copy.copy(dataset)
    known = [*vars(dataset).values(), *vars(sys.modules[type(dataset).__module__]).values()]
    generators = [v for v in known if isinstance(v, np.random.Generator)]
    states = [generator.bit_generator.state for generator in generators]
    try:
        return copied[0]
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.bit_generator.state = state
