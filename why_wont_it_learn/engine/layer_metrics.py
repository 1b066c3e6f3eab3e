"""What is measured in the layers at the end of an epoch: gradients, updates, dead and saturated units."""

import functools

import keras
import numpy as np
import tensorflow as tf

from ..keras_private import layers_of

SAMPLES_SEEN = 1024  # the first so many training samples: enough to tell a dead unit, and an epoch stays cheap
DEAD = 1e-6  # a slope below this fraction of the activation's steepest passes no gradient on
SATURATED = 0.01  # a unit is saturated for a sample where its slope is below this fraction of the steepest
ACTIVATION_LAYERS = keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.ELU


def first_samples(data):
    """What the probes look at."""
    return tf.nest.map_structure(lambda a: a[:SAMPLES_SEEN], data)


def owners(model):
    """The layer that each trainable weight belongs to, by the weight's id: the innermost one, but an RNN for its cells."""
    found, layers = {}, layers_of(model)  # outer before inner
    for layer in (*layers, *(layer for layer in layers if isinstance(layer, keras.layers.RNN))):
        found.update((id(v), layer) for v in layer.trainable_variables)
    return found


def kernels(model):
    """[(layer, indices of its kernels in `model.trainable_variables`)], in the order of the weights; biases are left out."""
    layer_of, rows = owners(model), {}
    for index, v in enumerate(model.trainable_variables):
        if len(v.shape) > 1 and id(v) in layer_of:
            rows.setdefault(id(layer_of[id(v)]), (layer_of[id(v)], []))[1].append(index)
    return list(rows.values())


def norms(kernels, values, axes=()):
    """The L2 norm of each layer's kernels together: (*axes, layers); axes: those of models, in front of each value."""

    def square(value):
        value = tf.cast(value, tf.float32)
        return tf.reduce_sum(tf.square(value), list(range(len(axes), value.shape.rank)))

    squares = [tf.add_n([square(values[i]) for i in at]) for _, at in kernels]
    return tf.sqrt(tf.stack(squares, -1)) if squares else tf.zeros([*axes, 0])


def shape_of(activation):
    """(steepest slope, whether it is flat at both ends) of a nonlinear activation that treats units alone; else None."""
    z = np.linspace(-12, 12, 481, dtype="float32")
    z, other = tf.constant(np.stack([z, z], 1)), tf.constant(np.stack([z, z[::-1]], 1))
    try:
        with tf.GradientTape() as tape:
            tape.watch(z)
            h = activation(z)[:, 0]
        slope = np.abs(tape.gradient(h, z).numpy()[:, 0])
        next_to_another = activation(other)[:, 0]
    except Exception:  # written for another number of axes, say
        return None
    if np.ptp(slope) < 1e-6 or not np.allclose(next_to_another, h, atol=1e-6):
        return None  # linear, or a softmax
    steepest = float(slope.max())
    return steepest, bool(max(slope[0], slope[-1]) < SATURATED * steepest)


class ActivationInputs:
    """While active, notes what goes into every activation of a model: `seen` = [(layer, activation, shape, input, output)].

    An activation inside a recurrent cell is not seen: it lives inside a loop of its own.
    """

    def __init__(self, model):
        layers = layers_of(model)
        inner = {id(v) for rnn in layers if isinstance(rnn, keras.layers.RNN) for v in layers_of(rnn)}
        shapes = {}
        self.layers = []  # (layer, name of the attribute that is its activation, the activation, its shape)
        for layer in layers:
            name = "call" if isinstance(layer, ACTIVATION_LAYERS) else "activation"
            activation = getattr(layer, name, None)
            if id(layer) in inner or not callable(activation):
                continue
            if activation not in shapes:
                shapes[activation] = shape_of(activation)
            if shapes[activation]:
                self.layers.append((layer, name, activation, shapes[activation]))

    def __enter__(self):
        self.seen = []
        for layer, name, activation, shape in self.layers:
            setattr(layer, name, functools.partial(self._call, layer, activation, shape))
        return self

    def _call(self, layer, activation, shape, z, *arguments, **named):
        h = activation(z, *arguments, **named)
        self.seen.append((layer, activation, shape, z, h))
        return h

    def __exit__(self, *_):
        for layer, name, activation, _ in self.layers:
            if name == "call":
                delattr(layer, name)  # back to the method of its class
            else:
                setattr(layer, name, activation)

    def hidden(self, outputs):
        """[(layer, activation, shape, input)] of the hidden layers: the first use of each, without what makes the output."""
        made = {id(h) for h in tf.nest.flatten(outputs)}
        rows = {}
        for layer, activation, shape, z, h in self.seen:
            if id(h) not in made and z.shape.rank and z.shape[-1]:
                rows.setdefault(id(layer), (layer, activation, shape, z))
        return list(rows.values())


def units(activation, shape, z, counts=None, axes=()):
    """(dead, saturated): fractions of a layer's units, which lie along the last axis of `z`: (*axes,).

    A dead unit has no slope for any sample (and, in a convolution, at any place); a saturated one hardly any for most samples.
    counts: (*axes, samples), above 0 for the samples that count, where some do not. axes: those of models, in front of all.
    """
    steepest, saturates = shape
    with tf.GradientTape() as tape:
        tape.watch(z)
        h = activation(z)
    slope = tf.cast(tf.reshape(tf.abs(tape.gradient(h, z)), [*axes, -1, z.shape[-1]]), tf.float32) / steepest
    counts = tf.ones_like(slope[..., :1]) if counts is None else tf.sign(counts)[..., None]
    dead = tf.reduce_mean(tf.cast(tf.reduce_max(slope * counts, -2) < DEAD, tf.float32), -1)
    # Whole numbers, so that exactly half of the samples are half of them however the sum is rounded.
    flat = 2 * tf.reduce_sum(tf.cast(slope < SATURATED, tf.float32) * counts, -2) > tf.reduce_sum(counts, -2)
    return dead, tf.reduce_mean(tf.cast(flat, tf.float32), -1) if saturates else tf.zeros_like(dead)


class Probes:
    """What is measured in the layers of one model at the end of an epoch."""

    def __init__(self, model):
        self.kernels, self.activations = kernels(model), ActivationInputs(model)
        self.layers = [layer for layer, _ in self.kernels]
        self.hidden = []  # the layers of `dead` and `saturated`, known after the first measurement

    def measure(self, weights, before, steps, evaluate, counts=None, axes=()):
        """{name: (*axes, layers) or (*axes, hidden layers)}.

        weights, before: values of the trainable variables now, and `steps` steps ago. evaluate: () -> (loss, outputs).
        counts, axes: as in `units`.
        """
        with tf.GradientTape() as tape:
            tape.watch(weights)
            with self.activations:
                loss, outputs = evaluate()
        gradients = tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        gradients = [tf.convert_to_tensor(g) for g in gradients]  # those of embeddings are sparse
        moved = [w - b for w, b in zip(weights, before, strict=True)]
        hidden = self.activations.hidden(outputs)
        self.hidden = [layer for layer, *_ in hidden]
        state = [units(*what, counts, axes) for _, *what in hidden]
        dead, saturated = zip(*state, strict=True) if state else ((), ())
        update = norms(self.kernels, moved, axes) / tf.cast(steps, tf.float32)
        return {
            "gradient_norm": norms(self.kernels, gradients, axes),
            "update_ratio": tf.math.divide_no_nan(update, norms(self.kernels, weights, axes)),
            "dead": tf.stack(dead, -1) if state else tf.zeros([*axes, 0]),
            "saturated": tf.stack(saturated, -1) if state else tf.zeros([*axes, 0]),
        }


def flat_layers(model, values, evaluate):
    """The names of the hidden layers in which no unit has a slope for any sample: (dead ones, those that saturate at both ends).

    values, evaluate: as in `Probes.measure`, of the trainable variables.
    """
    probes = Probes(model)
    dead = probes.measure(values, values, 1, evaluate)["dead"].numpy()
    at_both_ends = {id(layer): saturates for layer, *_, (_, saturates) in probes.activations.layers}
    flat = [layer for layer, fraction in zip(probes.hidden, dead, strict=True) if fraction == 1]
    return tuple([layer.name for layer in flat if at_both_ends[id(layer)] == kind] for kind in (False, True))
