"""A model and its loss called on a few samples, without a trace in the model."""

import keras
import tensorflow as tf

from ..engine.batches import CannotHold, none_for_empty, prepare


def loss_of(model, values, data, outputs=False, training=False):
    """The loss of a built, compiled model on some samples without its penalties; with `outputs`, (loss, outputs).

    values: of `model.trainable_variables`. data: (x, y, sample_weight), structures of tensors. The layers work as in inference; with
    `training` as in training, and what layers of one's own add to the loss counts, too.
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
    with _with_weights(model, [v.value for v in model.trainable_variables]):
        return _data_loss(model, data, predictions, model.losses)


def _with_weights(model, values):
    return keras.StatelessScope(list(zip(model.trainable_variables, values, strict=True)), collect_losses=True)


def _data_loss(model, data, predictions, penalties):
    x, y, sample_weight = map(none_for_empty, data)
    loss = model.compute_loss(x=x, y=y, y_pred=predictions, sample_weight=sample_weight)
    return loss - tf.add_n(penalties) if penalties else loss


def sample_of(x, y, most):
    """The first samples of what `fit` is given, as (x, y, ()) of tensors; None where they cannot be read without using them up.

    x, y: arrays, lists or dicts of arrays, DataFrames; or x a batched `tf.data.Dataset` or a `keras.utils.PyDataset`.
    """
    if isinstance(x, keras.utils.PyDataset):
        x, y = x[0][:2]
    elif isinstance(x, tf.data.Dataset):
        batch = next(iter(x.take(1)))
        x, y = batch[:2] if isinstance(batch, tuple) and len(batch) > 1 else (batch, None)
    if x is None or y is None:
        return None
    try:
        data, _ = prepare(*(tf.nest.map_structure(lambda a: a[:most], part) for part in (x, y)), None, None, None, 0.0)
    except (CannotHold, TypeError):
        return None
    return data
