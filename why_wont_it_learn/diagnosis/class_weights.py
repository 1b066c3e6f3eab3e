"""Rare classes: a loss that counts some classes more than others, and whether a network needs one."""

import keras
import numpy as np
import tensorflow as tf
from sklearn.metrics import roc_auc_score
from sklearn.utils.class_weight import compute_class_weight

from ..keras_private import as_loss
from .output_and_loss import MOST_CLASSES, SAMPLES, from_logits, value_of

LARGE_CLASS = 0.6  # fraction of the samples, for a class to be able to hide the others
FEWEST_OF_A_CLASS = 5  # samples, to say that a class is overlooked
OVERLOOKED = 0.25  # recall below which a class counts as overlooked
SURE = 3.0  # standard deviations of ranks at random that an area under the ROC curve must lie above chance
UNEQUAL = 1.2  # times as large as the smallest, for the weights in a loss to be more than rounding
PROBABILITIES = (0.3, 0.5, 0.8)  # of the right class, at which a loss is asked for its weights
LOGITS = (-0.5, 0.3, 1.0)  # the same
HARDLY_MORE = 0.05  # accuracy above the largest class's fraction that still counts as near it


class ClassWeighted(keras.losses.Loss):
    """A loss in which each sample counts as much as its class, as `model.fit(class_weight=…)` counts it.

    loss: a loss of classes, Keras's or one that gives a number for each sample. weights: one for each class, in their order.
    """

    def __init__(self, loss, weights):
        super().__init__(name="class_weighted", reduction=loss.reduction)
        self.loss, self.weights, self.from_logits = loss, weights, from_logits(loss)
        self.fn = getattr(loss, "fn", loss.call)

    def call(self, y_true, y_pred):
        """The weighted loss of each sample."""
        if len(y_true.shape) == 2 and y_true.shape[-1] > 1:
            labels = tf.argmax(y_true, axis=-1, output_type=tf.int32)
        else:
            labels = tf.cast(tf.round(tf.reshape(y_true, [-1])), tf.int32)
        labels = tf.maximum(labels, 0)  # -1 and 1 are two classes, too
        return self.loss.call(y_true, y_pred) * tf.gather(tf.constant(self.weights, y_pred.dtype), labels)


def balanced(labels, classes):
    """Weights with which all classes count the same: (classes,); 1 for a class that none of the labels is."""
    known = np.unique(labels)
    weights = dict(zip(known, compute_class_weight("balanced", classes=known, y=labels), strict=True))
    return tuple(float(weights.get(label, 1.0)) for label in range(classes))


def weights_within(data):
    """The weights that a loss itself gives to classes, as `balanced` gives them: (classes,); () if it gives none, or they cannot be told.

    It has them if, whatever is predicted, a sample of one class costs so many times as much as one of another, and the samples of a
    batch cost what each of them costs alone.
    """
    if not data.with_classes or not 2 <= data.classes <= MOST_CLASSES or len(data.output_shape) != 1:
        return ()
    labels, width = data.labels[: data.points], data.output_shape[0]
    counts = np.bincount(labels, minlength=data.classes)
    if width not in (1, data.classes) or not counts.all():
        return ()
    rows = [np.flatnonzero(labels == name)[:SAMPLES] for name in range(data.classes)]
    rows = [np.resize(of_class, SAMPLES) for of_class in rows]

    def cost(names, predictions):
        at = np.concatenate([rows[name] for name in names])
        return value_of(data.loss, data.y[at], np.repeat(predictions[list(names)], SAMPLES, axis=0))

    for logits, levels in ((False, PROBABILITIES), (True, LOGITS)):
        shares = []
        for level in levels:
            predictions = _equally_right(level, width, logits)
            alone = np.array([cost([name], predictions) for name in range(data.classes)])
            if np.all(alone > 0) and np.isclose(cost(range(data.classes), predictions), alone.mean(), rtol=0.01):
                shares.append(alone / alone.sum())
        if len(shares) == len(levels) and np.allclose(shares, shares[0], rtol=0.02):
            weights = shares[0] / np.average(shares[0], weights=counts)
            return tuple(weights.tolist()) if weights.max() > UNEQUAL * weights.min() else ()
    return ()


def _equally_right(level, width, logits):
    """What is predicted for a sample of each class if the right one always gets the same: (classes, width)."""
    if width == 1:
        return np.array([[-level if logits else 1 - level], [level]])
    rest = 0.0 if logits else (1 - level) / (width - 1)
    return np.where(np.eye(width) > 0, level, rest)


def counts_each_sample(loss, y, outputs):
    """Whether a loss of one's own gives one number for each sample, so that these can be weighted. outputs: (samples, …)."""
    try:
        return as_loss(loss).call(tf.constant(y), tf.constant(outputs)).shape == (len(y),)
    except Exception:  # of one's own
        return False


def overlooked(labels, train_labels, predictions):
    """What a network that overlooks a class shows: (the class, its fraction, its recall, the accuracy, the largest class's fraction).

    labels: (samples,) to judge by; train_labels: (samples,) trained on; predictions: (seeds, samples) classes. None if no
    class is overlooked, or if that is not because of a large class.
    """
    counts = np.bincount(train_labels)
    largest, largest_fraction = int(counts.argmax()), counts.max() / len(train_labels)
    accuracy = float(np.median((predictions == labels).mean(axis=1)))
    if largest_fraction < LARGE_CLASS or accuracy > (labels == largest).mean() + HARDLY_MORE:
        return None
    for name in np.argsort(-counts, kind="stable")[1:]:
        of_class = labels == name
        recall = (predictions[:, of_class] == name).mean() if of_class.sum() >= FEWEST_OF_A_CLASS else 1.0
        if recall < OVERLOOKED:
            return int(name), counts[name] / len(train_labels), float(recall), accuracy, float(largest_fraction)
    return None


def ranking(data, predictions):
    """The area under the ROC curve of predictions (samples, labels) for samples that were not trained on; 0.5 where it may be chance.

    Of several labels it is the mean. Ranks at random have a variance of about 1 / (12 n), with n samples of the rarer kind
    (Mann-Whitney).
    """
    labels, ranks = data.true_targets[data.points :], predictions[data.points :]
    if ranks.shape != labels.shape or not np.isfinite(ranks).all():
        return 0.5
    rarer = np.minimum(labels.sum(axis=0), (1 - labels).sum(axis=0))
    judged = np.flatnonzero(rarer >= FEWEST_OF_A_CLASS)
    if not len(judged):
        return 0.5
    area = float(np.mean([roc_auc_score(labels[:, k], ranks[:, k]) for k in judged]))
    return area if area > 0.5 + SURE / np.sqrt(12 * rarer[judged].sum()) else 0.5
