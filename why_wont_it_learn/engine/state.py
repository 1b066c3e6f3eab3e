"""What a graph of training is fed and what comes out of it."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf


class State(NamedTuple):
    """What goes from step to step: lists of values, with an axis of models in front where there are many.

    weights: of `trainable_variables`, or one vector of them all. layers: of `non_trainable_variables`. optimizer: of its
    variables. metrics, validated: of `metrics_variables`, what the epoch under way has added up in training and in validation.
    before: the weights at the start of the epoch. best: a `Best` where training may stop early, else ().
    """

    weights: list
    layers: list
    optimizer: list
    metrics: list
    validated: list
    before: list
    best: tuple = ()


class Best(NamedTuple):
    """What `keras.callbacks.EarlyStopping(patience=…, restore_best_weights=True)` keeps, for each model.

    weights, loss, val_loss: those of the best epoch so far. wait: epochs since then. ran: epochs until it stopped.
    stopped: whether it has; then the best weights are put back after each epoch, so that what is measured stays.
    """

    weights: list
    loss: object
    val_loss: object
    wait: object
    ran: object
    stopped: object

    @staticmethod
    def at_start(weights, lead):
        """Before the first epoch; lead: [models] or []."""
        zero, worst = tf.zeros(lead), tf.fill(lead, np.float32(np.inf))
        return Best(weights, worst, worst, zero, zero, tf.fill(lead, False))

    def after_epoch(self, weights, loss, val_loss, patience):
        """What is kept after one more epoch."""
        first = self.ran == 0  # the best so far, even where its loss is not a number
        improved = ~self.stopped & (val_loss < self.val_loss)
        wait = tf.where(improved, 0.0, self.wait + 1)
        return Best(
            where(improved | first, weights, self.weights),
            tf.where(improved | first, loss, self.loss),
            tf.where(improved, val_loss, self.val_loss),
            wait,
            tf.where(self.stopped, self.ran, self.ran + 1),
            self.stopped | (~first & ~improved & (wait >= patience)),
        )


def where(models, yes, no):
    """The values `yes` of some models, `no` of the others; models: [models] bool, or one bool."""
    pairs = zip(yes, no, strict=True)
    return [
        tf.where(tf.reshape(models, [*models.shape, *[1] * (a.shape.rank - len(models.shape))]), a, b) for a, b in pairs
    ]


class Shape(NamedTuple):
    """What makes one graph of a model differ from another."""

    models: int | None = None  # that are trained at once; None: the one that was given, without an axis for it
    probes: bool = True
    validation: bool = True
    ragged: bool = False  # the last batch of an epoch is smaller
    ragged_validation: bool = False  # the same of the validation data; else they come as (batches, batch, …)
    filled: bool = False  # batches are filled up to one size with rows that do not count, and so is what the probes see
    own_data: bool = False  # each model has its own data
    rates: bool = False  # the learning rate of each step is given
    stops_early: bool = False
    values: tuple = ()  # names of the runtime values: numbers that stand in place of the model's own

    @property
    def lead(self):
        """The axes of models in front of each value."""
        return [] if self.models is None else [self.models]

    @property
    def sample_axis(self):
        """The axis of the data along which their samples lie."""
        return len(self.lead) if self.own_data else 0


class NotFlat(Exception):
    """Weights must stay apart: one has no gradient or a sparse one, say, and Keras treats it in its own way."""


class Packing:
    """Weights as one vector, and what the optimizer keeps for each weight as one vector too; or everything as it is.

    sizes, shapes: of the weights. slots: for each variable of the optimizer of one vector, the index of the same one among the
    variables of the model's optimizer, or the indices of those that it joins. None: nothing is packed.
    """

    def __init__(self, shapes, slots):
        self.shapes, self.slots = [tuple(shape) for shape in shapes], slots
        self.sizes = [int(np.prod(shape)) for shape in self.shapes]

    def joined(self, weights, lead=()):
        """The weights as a list of one vector, or as they are; lead: the axes in front of each."""
        if self.slots is None:
            return weights
        return [tf.concat([tf.reshape(w, [*lead, -1]) for w in weights], -1)]

    def parts(self, weights):
        """The opposite of `joined`."""
        if self.slots is None:
            return weights
        lead = weights[0].shape[:-1]
        return [
            tf.reshape(p, [*lead, *s]) for p, s in zip(tf.split(weights[0], self.sizes, -1), self.shapes, strict=True)
        ]

    def joined_slots(self, values, lead=()):
        """The variables of the optimizer of one vector, from those of the model's optimizer."""
        if self.slots is None:
            return values
        return [
            self.joined([values[i] for i in at], lead)[0] if isinstance(at, list) else values[at] for at in self.slots
        ]

    def parts_of_slots(self, values):
        """The opposite of `joined_slots`."""
        if self.slots is None:
            return values
        found = {}
        for at, value in zip(self.slots, values, strict=True):
            found.update(zip(at, self.parts([value]), strict=True) if isinstance(at, list) else [(at, value)])
        return [found[i] for i in sorted(found)]
