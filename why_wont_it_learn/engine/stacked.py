"""Many copies of a dense network at once, as one network whose weights have an axis of models in front.

`Loop` maps any model over many weights by `tf.vectorized_map`, which writes three operations for each of the model's: tracing
takes seconds. Dense layers need no map, because a product of matrices, an activation, a sum and a loss take another axis in
front as they are. What is not a matter of shapes (normalization, dropout, optimizer, regularizers, metrics, a loss of one's own) is
mapped alone.
"""

import inspect

import keras
import tensorflow as tf

from ..keras_private import as_loss, is_functional, loss_weights_of
from .batches import none_for_empty
from .state import NotFlat

# They take a mean over the last axis and treat all others alike.
LOSSES = (
    "mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_logarithmic_error", "huber",
    "log_cosh", "poisson", "kl_divergence", "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy",
)  # fmt: skip
L = keras.layers
ELEMENTWISE = L.ReLU, L.LeakyReLU, L.ELU, L.Add, L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum
MAPPED = L.Dropout, L.BatchNormalization, L.LayerNormalization, L.GaussianNoise, L.Flatten, L.Reshape


def stacks(model, shape, data=None):
    """Whether `Stacked` can hold a built model and data (to train on, what the probes see, to validate on).

    There has to be one loss, of one target for each sample.
    """
    calls = _calls(model)
    if not calls or len(model.outputs[0].shape) != 2 or not all(_stacks(layer) for layer, _, _ in calls):
        return False
    if data is None:
        return True
    _, y, sample_weight = data[0]
    weights = none_for_empty(sample_weight)
    of_samples = weights is None or len(weights.shape) == 1 + shape.sample_axis
    return _loss_of(model) is not None and not isinstance(y, (dict, tuple)) and of_samples


def _calls(model):
    """[(layer, keys of the tensors that it takes, key of the one that it gives)] in order, or None if there is more to the model.

    A layer that is called twice is more: Keras tells of its first call only.
    """
    if not getattr(model, "inputs", None):  # a Sequential that was never called on a symbol
        return None
    layers = [layer for layer in model.layers if not isinstance(layer, L.InputLayer)]
    if type(model) is keras.Sequential:
        taken = [id(model.inputs[0]), *map(id, layers)]
        given = [*map(id, layers[:-1]), id(model.outputs[0])]
        return [(layer, [one], other) for layer, one, other in zip(layers, taken, given, strict=False)]
    of_layers = is_functional(model) and len(model.operations) == len(model.layers)
    if not of_layers or len(model.inputs) != 1 or len(model.outputs) != 1:
        return None
    calls = [(layer, [id(t) for t in tf.nest.flatten(layer.input)], id(layer.output)) for layer in layers]
    made = {id(model.inputs[0])}
    for _, taken, given in calls:
        if not made.issuperset(taken):
            return None
        made.add(given)
    return calls if id(model.outputs[0]) in made else None


def _stacks(layer):
    if layer.dtype_policy.name != "float32" or getattr(layer, "activity_regularizer", None) is not None:
        return False
    if type(layer) is L.Dense:
        plain = not getattr(layer, "lora_enabled", False) and getattr(layer, "quantization_mode", None) is None
        return plain and len(layer.input.shape) == 2 and "call" not in vars(layer) and _of_keras(layer.activation)
    return type(layer) in (*ELEMENTWISE, *MAPPED) or (type(layer) is L.Activation and _of_keras(layer.activation))


def _of_keras(activation):
    """Whether an activation is a function of Keras: they treat numbers alone or along the last axis."""
    return inspect.isfunction(activation) and activation.__module__.startswith("keras.")


def _loss_of(model):
    """The loss as an object, or None if there are several, weights of theirs, or one that the targets decide on."""
    one = isinstance(model.loss, (str, keras.losses.Loss)) or callable(model.loss)
    if not one or model.loss == "crossentropy" or any(weight is not None for weight in loss_weights_of(model)):
        return None
    return as_loss(model.loss)


def _takes_models(loss, y, outputs):
    """Whether a loss is one of `LOSSES`, and targets have the axes of outputs, both (models, samples, …)."""
    known = getattr(loss, "fn", None) in [getattr(keras.losses, name) for name in LOSSES]
    if not known or not type(loss).__module__.startswith("keras."):  # a class of one's own may change what comes of it
        return False
    if loss.reduction != "sum_over_batch_size" or getattr(loss, "dtype", "float32") != "float32":
        return False
    axes, last = len(y.shape), outputs.shape[-1]
    if loss.fn.__name__ == "sparse_categorical_crossentropy":
        return axes == 2 or (axes == 3 and y.shape[-1] == 1)
    return y.shape[-1] == last if axes == 3 else axes == 2 and last == 1


class Stacked:
    """Before `Loop` among the bases of a class: its methods of one model are given all models.

    Raises NotFlat where weights must stay apart.
    """

    def __init__(self, model, shape, probes=None, flat=True):
        super().__init__(model, shape, probes, flat)
        if self.packing.slots is None or self.optimizer.loss_scale_factor is not None:
            raise NotFlat
        self.axes = self.lead
        self.loss, self.calls = _loss_of(model), _calls(model)

    def _each(self, function, *arguments):
        return function(*arguments)

    def _each_with(self, data, function, *arguments):
        return function(*arguments, data)

    def _for_each(self, values):
        """Values that all models share, once for each."""
        return tf.nest.map_structure(lambda a: tf.broadcast_to(a, tf.concat([self.lead, tf.shape(a)], 0)), values)

    def _scaled(self, loss, slots):
        return loss

    def _moved(self, slots, gradients, weights):
        return super()._each(super()._moved, slots, gradients, weights)

    def _history(self, metrics):
        return super()._each(super()._history, metrics)

    def _predict(self, weights, layers, x):
        return self._outputs(self.packing.parts(weights), layers, x, False)[0]

    def _outputs(self, parts, layers, x, training):
        """(outputs, new layer state) of all models; x: (models, samples, features), or the same for all."""
        values = {id(v): a for v, a in zip([*self.trained, *self.layers], [*parts, *layers], strict=True)}
        made = {id(self.model.inputs[0]): tf.cast(x, tf.float32)}
        for layer, taken, given in self.calls:
            inputs = [made[one] for one in taken]
            if isinstance(layer, L.Dense):
                z = tf.matmul(inputs[0], values[id(layer.kernel)])
                z = z + values[id(layer.bias)][:, None] if layer.use_bias else z
                made[given] = layer.activation(z)
            elif isinstance(layer, MAPPED):
                made[given] = self._mapped(layer, values, inputs[0], training)
            else:
                made[given] = layer(inputs if len(inputs) > 1 else inputs[0])
        return made[id(self.model.outputs[0])], [values[id(v)] for v in self.layers]

    def _mapped(self, layer, values, h, training):
        """The outputs of one layer of each model; the state of the layer in `values` moves on."""
        if isinstance(layer, L.Dropout) and not training:
            return h

        def called(h, before):
            with keras.StatelessScope(zip(layer.variables, before, strict=True)) as scope:
                return layer(h, training=training), [scope.get_current_value(v) for v in layer.variables]

        h = h if len(h.shape) > len(layer.input.shape) else self._for_each(h)
        h, after = super()._each(called, h, [values[id(v)] for v in layer.variables])
        values.update(zip(map(id, layer.variables), after, strict=True))
        return h

    def _evaluate(self, parts, layers, metrics, batch, training, count=None, penalty=None):
        x, y, sample_weight = batch
        if not training and not self.shape.own_data:
            y, sample_weight = self._for_each((y, sample_weight))
        outputs, layers = self._outputs(parts, layers, x, training)
        loss = self._loss(y, outputs, sample_weight)
        loss = loss if penalty is None else loss + penalty
        loss = self._regularized(loss, parts)
        count = tf.cast(tf.shape(outputs)[1] if count is None else count, tf.float32)
        total, samples = metrics[:2]
        return (
            loss,
            outputs,
            layers,
            [total + loss * count, samples + count, *self._updated(metrics, y, outputs, sample_weight)],
        )

    def _loss(self, y, outputs, sample_weight):
        """The loss of each model: (models,)."""
        weights = none_for_empty(sample_weight)
        if not _takes_models(self.loss, y, outputs):
            return super()._each(self.loss, y, outputs, *([] if weights is None else [weights]))
        targets = tf.cast(y, tf.float32)
        if targets.shape.rank == 2 and outputs.shape[-1] == 1:
            targets = targets[..., None]
        losses = self.loss.call(targets, outputs)
        losses = losses if weights is None else losses * tf.cast(weights, tf.float32)
        return tf.reduce_sum(losses, -1) / tf.cast(tf.shape(losses)[-1], tf.float32)

    def _regularized(self, loss, parts):
        """The losses with what the regularizers of each model add."""
        pairs = [(v.regularizer, p) for v, p in zip(self.trained, parts, strict=True) if v.regularizer]
        if not pairs:
            return loss
        regularizers, parts = zip(*pairs, strict=True)
        return loss + super()._each(
            lambda *one: tf.add_n([r(p) for r, p in zip(regularizers, one, strict=True)]), *parts
        )

    def _updated(self, metrics, y, outputs, sample_weight):
        """The values of all metrics but the loss, after a batch."""
        if len(metrics) == 2:
            return []

        def updated(metrics, y, outputs, sample_weight):
            with keras.StatelessScope(zip(self.metrics, metrics, strict=True)) as scope:
                self.model.compute_metrics(None, y, outputs, sample_weight=none_for_empty(sample_weight))
                return [scope.get_current_value(v) for v in self.metrics[2:]]

        return super()._each(updated, metrics, y, outputs, sample_weight)
