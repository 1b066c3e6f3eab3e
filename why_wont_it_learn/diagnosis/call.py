"""A model and its loss called on a few samples, without a trace in the model."""

import keras
import tensorflow as tf

from ..engine.batches import none_for_empty


def loss_of(model, values, data, outputs=False):
    """The loss of a built, compiled model on some samples without its penalties; with `outputs`, (loss, outputs).

    values: of `model.trainable_variables`. data: (x, y, sample_weight), structures of tensors. The layers work as in inference.
    """
    x = none_for_empty(data[0])
    with _with_weights(model, values):
        predictions = model(x, training=False)
        loss = _data_loss(model, data, predictions)
    return (loss, predictions) if outputs else loss


def loss_for(model, data, predictions):
    """The loss of made-up predictions, without the model's penalties: a number."""
    with _with_weights(model, [v.value for v in model.trainable_variables]):
        return _data_loss(model, data, predictions)


def _with_weights(model, values):
    return keras.StatelessScope(list(zip(model.trainable_variables, values, strict=True)), collect_losses=True)


def _data_loss(model, data, predictions):
    x, y, sample_weight = map(none_for_empty, data)
    loss = model.compute_loss(x=x, y=y, y_pred=predictions, sample_weight=sample_weight)
    penalties = model.losses
    return loss - tf.add_n(penalties) if penalties else loss
