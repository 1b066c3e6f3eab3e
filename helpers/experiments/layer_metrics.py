"""What is measured in each layer at the end of every epoch, in TensorFlow, inside the training graph.

All probes look at the weights as they are when the epoch ends, and at all training points.
"""

import keras
import tensorflow as tf

from .catalog import ACTIVATIONS

FLAT = 1e-6  # a slope below this share of the steepest passes no gradient on
SATURATED = 0.01  # a unit is saturated at a point where its slope is below this share of the steepest


def watch_units(parts, x, shares, activation, output_activation):
    """One pass of the points through the network: what it answers, and the state of its hidden units.

    parts: the weights, a kernel and a bias for each Dense layer, the input side first. x: (points, inputs).
    shares: (points,), what each point counts; 0 for filling.
    Returns (predictions (points, outputs), dead (hidden layers,), saturated (hidden layers,)), the last two as shares of the
    units of a layer: dead is a unit with no slope at any point, saturated one with (almost) none at most points.
    """
    row = ACTIVATIONS[activation]
    bend = bend_of(activation)
    dead, saturated = [], []
    counts = tf.sign(shares)[:, None]
    h = x
    for kernel, bias in zip(parts[:-2:2], parts[1:-2:2], strict=True):
        z = tf.matmul(h, kernel) + bias
        with tf.GradientTape() as tape:
            tape.watch(z)
            h = bend(z)
        slope = tf.abs(tape.gradient(h, z)) / row.steepest
        dead.append(_share(tf.reduce_max(slope * counts, axis=0) < FLAT))
        # Whole numbers, so that exactly half of the points are half of them however the sum is rounded.
        flat = tf.reduce_sum(tf.cast(slope < SATURATED, tf.float32) * counts, axis=0)
        saturated.append(_share(2 * flat > tf.reduce_sum(counts)) if row.saturates else tf.zeros([]))
    predictions = keras.activations.get(output_activation)(tf.matmul(h, parts[-2]) + parts[-1])
    return predictions, _stacked(dead), _stacked(saturated)


def bend_of(activation):
    """The function of an activation of the hidden layers.

    That of Keras, but for swish: there TensorFlow registers a gradient function which keeps every graph alive for good, 45 MB
    for one of fifteen layers.
    """
    return (lambda z: z * tf.sigmoid(z)) if activation == "swish" else keras.activations.get(activation)


def _share(units):
    return tf.reduce_mean(tf.cast(units, tf.float32))


def _stacked(shares):
    return tf.stack(shares) if shares else tf.zeros([0])


def kernel_norms(vector, sizes):
    """The L2 norm of each kernel in flat vectors (..., parameters): (..., layers).

    sizes: how many numbers of a vector are each kernel and each bias, in turn.
    """
    kernels = tf.split(vector, sizes, axis=-1)[::2]
    return tf.sqrt(tf.stack([tf.reduce_sum(tf.square(kernel), -1) for kernel in kernels], -1))
