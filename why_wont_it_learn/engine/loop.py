"""The training loop: a compiled Keras model, its loss, metrics and optimizer as one PURE FUNCTION of values.

`model.fit` spends milliseconds of Python on every batch. Here TensorFlow runs whole epochs on its own, around the real Keras
layers, loss and optimizer; only the loop is ours:

- Weights, layer state (batch statistics, random seeds), optimizer state and metrics go in as values and come out as values. No
  variable is read or written, so a run can be dropped at any time, two runs can use one graph at the same time, a graph can be
  kept on disk, and many models can be mapped over the function at once.
- What may change without a new graph is a value too: data, batches, number of epochs, learning rate (an optimizer's variable).
- Optimizers that treat every weight alike see all weights as ONE vector: the same arithmetic in a graph several times smaller.

`Loop.chunk` is the whole of it: train some steps on, and measure where an epoch ends.
"""

import inspect
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ..keras_private import loss_tracker, pure_optimizer
from .batches import CannotHold, none_for_empty
from .layer_metrics import Probes

# Optimizers whose rule for one weight knows nothing of the others.
ELEMENTWISE = ("SGD", "RMSprop", "Adam", "AdamW", "Adagrad", "Adadelta", "Adamax", "Nadam", "Ftrl", "Lion")


class State(NamedTuple):
    """Lists of values, in the order of the model's own lists of variables.

    weights: `trainable_variables`. layers: `non_trainable_variables`. optimizer: `optimizer.variables`.
    metrics: `metrics_variables`, all of them 0 at the start of an epoch.
    """

    weights: list
    layers: list
    optimizer: list
    metrics: list


class Shape(NamedTuple):
    """What makes one graph of a model differ from another."""

    models: int | None = None  # that are trained at once; None: the one that was given, without an axis for it
    probes: bool = True
    validation: bool = True
    ragged: bool = False  # the last batch of an epoch is smaller
    ragged_validation: bool = False  # the same of the validation data; else they come as (batches, batch, …)


class NotFlat(Exception):
    """A weight has no gradient or a sparse one, and Keras treats it in its own way: weights must stay apart."""


class Loop:
    """The training loop of one built model. `chunk` is what is traced; `columns` says what its rows are, once it is."""

    def __init__(self, model, shape, flat=True):
        self.model, self.shape = model, shape
        self.trained = list(model.trainable_variables)
        self.layers = list(model.non_trainable_variables)
        self.metrics = list(model.metrics_variables)
        self.optimizer = pure_optimizer(model.optimizer)
        self.optimizer.build(self.trained)
        if [v.shape for v in self.optimizer.variables] != [v.shape for v in model.optimizer.variables]:
            raise CannotHold("The optimizer was built for other weights than the model trains now.")
        self.sizes = [int(np.prod(v.shape)) for v in self.trained]
        self.packing = None
        if flat and _treats_weights_alike(model.optimizer, self.trained):
            self.optimizer, self.packing = _on_one_vector(model.optimizer, self.optimizer, self.trained)
        self.probes = Probes(model)
        self.columns = {}

    # --- weights as one vector -------------------------------------------------------------------------------------

    def _packed(self, state):
        """The state with the weights, and what the optimizer keeps for each of them, in one vector each."""
        if self.packing is None:
            return state
        slots = state.optimizer
        slots = [self._joined([slots[i] for i in at])[0] if isinstance(at, list) else slots[at] for at in self.packing]
        return state._replace(weights=self._joined(state.weights), optimizer=slots)

    def _unpacked(self, state):
        """The opposite of `_packed`, with or without an axis of models in front."""
        if self.packing is None:
            return state
        slots = [None] * (len(self.packing) + sum(len(at) - 1 for at in self.packing if isinstance(at, list)))
        for at, value in zip(self.packing, state.optimizer, strict=True):
            for i, part in zip(at, self._parts([value]), strict=True) if isinstance(at, list) else [(at, value)]:
                slots[i] = part
        return state._replace(weights=self._parts(state.weights), optimizer=slots)

    def _joined(self, weights):
        """The weights as a list of one vector, or as they are."""
        if self.packing is None:
            return weights
        lead = [] if self.shape.models is None else [self.shape.models]
        return [tf.concat([tf.reshape(w, [*lead, -1]) for w in weights], -1)]

    def _parts(self, weights):
        """The opposite of `_joined`, for all models or for one."""
        if self.packing is None:
            return weights
        lead = weights[0].shape[:-1]
        parts = tf.split(weights[0], self.sizes, -1)
        return [tf.reshape(p, [*lead, *v.shape]) for p, v in zip(parts, self.trained, strict=True)]

    # --- one model, one batch --------------------------------------------------------------------------------------

    def _evaluate(self, weights, layers, metrics, batch, training):
        """What `train_step` and `test_step` of `keras.Model` do before the gradient: see `evaluate`.

        Returns (loss, outputs, new layer state, new metrics).
        """
        variables = self.trained, self.layers, self.metrics
        loss, outputs, before, after, strangers = evaluate(
            self.model, variables, (weights, layers, metrics), batch, training
        )
        if strangers:
            raise CannotHold("Calling the model writes to a variable that is not one of its weights.")
        if any(a is not b for a, b in zip(before[0], after[0], strict=True)):
            raise CannotHold("Calling the model changes its trainable weights.")
        return loss, outputs, after[1], after[2]

    def _step(self, state, batch):
        """One step of the optimizer on one batch."""
        parts = self._parts(state.weights)
        with tf.GradientTape() as tape:
            tape.watch(parts)
            loss, _, layers, metrics = self._evaluate(parts, state.layers, state.metrics, batch, True)
            with keras.StatelessScope(zip(self.optimizer.variables, state.optimizer, strict=True)):
                loss = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(loss, parts)
        if self.packing is not None:
            if not all(isinstance(g, tf.Tensor) for g in gradients):
                raise NotFlat
            gradients = [tf.concat([tf.reshape(g, [-1]) for g in gradients], 0)]
        weights, slots = self.optimizer.stateless_apply(state.optimizer, gradients, state.weights)
        return State(list(weights), layers, [tf.convert_to_tensor(s) for s in slots], metrics)

    # --- one model, the end of an epoch ----------------------------------------------------------------------------

    def _results(self, metrics):
        """What the metrics say: {name: scalar}, as it will stand in the history."""
        with keras.StatelessScope(zip(self.metrics, metrics, strict=True)):
            results = self.model.get_metrics_result()
        odd = [
            name for name, value in results.items() if isinstance(value, dict) or tf.convert_to_tensor(value).shape.rank
        ]
        if odd:
            raise CannotHold(f"The metric {odd[0]} is not a single number.")
        return {name: tf.cast(results[name], tf.float32) for name in sorted(results)}  # sorted, as Keras's history is

    def _validate(self, state, data, batch):
        """(metrics of the validation data, layer state after it), batch by batch.

        The state changes where a layer draws random numbers in validation, too, as GRU does with its dropout.
        """
        end = tf.shape(tf.nest.flatten(data[0])[0])[0]
        step = batch if self.shape.ragged_validation else 1

        def body(start, layers, metrics):
            if self.shape.ragged_validation:
                part = tf.nest.map_structure(lambda a: a[start : start + batch], data)
            else:
                part = tf.nest.map_structure(lambda a: a[start], data)
            _, _, layers, metrics = self._evaluate(state.weights, layers, metrics, part, False)
            return start + step, layers, metrics

        zeros = [tf.zeros_like(m) for m in state.metrics]
        _, layers, metrics = tf.while_loop(lambda start, *_: start < end, body, (0, state.layers, zeros))
        return metrics, layers

    def _measure(self, state, before, steps, batch, data, validation):
        """(one row: everything that is measured at the end of an epoch, layer state after it)."""
        row, layers = self._results(state.metrics), state.layers
        if self.shape.validation:
            metrics, layers = self._validate(state, validation, batch)
            row |= {f"val_{name}": value for name, value in self._results(metrics).items()}
        self.columns = {"history": list(row)}
        row = [tf.stack(list(row.values()))]
        if self.shape.probes:

            def evaluate():
                return self._evaluate(state.weights, state.layers, state.metrics, data, False)[:2]

            probes = self.probes.measure(state.weights, before, steps, evaluate)
            self.columns |= {name: int(values.shape[0]) for name, values in probes.items()}
            row += probes.values()
        return tf.concat(row, 0), layers

    def predict(self, weights, layers, x):
        """The outputs of each model for `x`."""

        def one(weights, layers):
            kept = [*zip(self.trained, weights, strict=True), *zip(self.layers, layers, strict=True)]
            with keras.StatelessScope(kept):
                return self.model(x, training=False) if takes_training(self.model.call) else self.model(x)

        return self._each(one, weights, layers)

    # --- all models, many batches ----------------------------------------------------------------------------------

    def _each(self, function, *arguments):
        """`function` for the one model, or for each of the models along the first axis."""
        if self.shape.models is None:
            return function(*arguments)
        return tf.vectorized_map(lambda row: function(*row), arguments, warn=False)

    def chunk(self, state, before, position, data, seen, validation, batch, order, sizes, budget):
        """Train `budget` steps on, or to the end of `order`: (state, before, position, rows).

        state: of each model. before: its weights at the start of this epoch. position: (2,) epoch within `order`, and step.
        data, seen, validation: (x, y, sample_weight): to train on, what the probes look at, and to validate on.
        batch: samples of a batch in validation. order: (epochs, [models,] steps, batch) rows of the data. sizes: (steps,) samples of each batch.
        rows: (epochs, [models,] columns), filled for the epochs that ended in this chunk.
        """
        models = self.shape.models
        lead = [] if models is None else [models]
        epochs, steps = tf.shape(order)[0], tf.shape(sizes)[0]
        # A function of its own, so that it is traced before the loop begins, which must know how long a row is.
        measure = tf.function(self._measure, autograph=False)
        one = tf.nest.map_structure(lambda v: tf.TensorSpec(v.shape[len(lead) :], v.dtype), (state, before))
        like = tf.nest.map_structure(lambda v: tf.TensorSpec(v.shape, v.dtype), (seen, validation))
        number = tf.TensorSpec([], tf.int32)
        width = measure.get_concrete_function(*one, number, number, *like).structured_outputs[0].shape[0]

        def step(state, number, left, rows_of_epoch):
            rows = tf.gather(rows_of_epoch, number, axis=len(lead))
            if self.shape.ragged:
                rows = rows[..., : sizes[number]]

            def train(state, rows):
                return self._step(state, tf.nest.map_structure(lambda a: tf.gather(a, rows), data))

            return self._each(train, state, rows), number + 1, left - 1, rows_of_epoch

        def end_of_epoch(state, before, epoch, rows):
            def one(state, before):
                return measure(state, before, steps, batch, seen, validation)

            row, layers = self._each(one, self._unpacked(state), self._parts(before))
            rows = tf.tensor_scatter_nd_update(rows, [[epoch]], tf.ensure_shape(row, [*lead, width])[None])
            state = state._replace(layers=layers, metrics=[tf.zeros_like(m) for m in state.metrics])
            return state, state.weights, epoch + 1, 0, rows

        def epoch(state, before, epoch, number, left, rows):
            state, number, left, _ = tf.while_loop(
                lambda _, number, left, *__: (number < steps) & (left > 0), step, (state, number, left, order[epoch])
            )
            state, before, epoch, number, rows = tf.cond(
                number >= steps,
                lambda: end_of_epoch(state, before, epoch, rows),
                lambda: (state, before, epoch, number, rows),
            )
            return state, before, epoch, number, left, rows

        state = self._packed(state)
        before = self._joined(before)
        rows = tf.ensure_shape(tf.zeros([epochs, *lead, width]), [None, *lead, width])
        state, before, ended, number, _, rows = tf.while_loop(
            lambda _, __, epoch, ___, left, ____: (epoch < epochs) & (left > 0),
            epoch,
            (state, before, position[0], position[1], budget, rows),
        )
        return self._unpacked(state), self._parts(before), tf.stack([ended, number]), rows

    def signature(self, data, seen, validation):
        """The types of `chunk`'s arguments. Open: samples, steps, batch size, epochs. The rest belongs to the model."""
        lead = [] if self.shape.models is None else [self.shape.models]

        def specs(variables):
            return [tf.TensorSpec([*lead, *v.shape], v.dtype) for v in variables]

        slots = specs(self.model.optimizer.variables)
        state = State(specs(self.trained), specs(self.layers), slots, specs(self.metrics))
        free = [
            tf.nest.map_structure(lambda a: tf.TensorSpec([None, *a.shape[1:]], a.dtype), part) for part in (data, seen)
        ]
        batches = [None] if self.shape.ragged_validation else [None, None]
        free.append(tf.nest.map_structure(lambda a: tf.TensorSpec([*batches, *a.shape[1:]], a.dtype), validation))
        number, sizes = tf.TensorSpec([], tf.int32), tf.TensorSpec([None], tf.int32)
        order = tf.TensorSpec([None, *lead, None, None], tf.int32)
        return (state, state.weights, tf.TensorSpec([2], tf.int32), *free, number, order, sizes, number)


def evaluate(model, variables, values, batch, training):
    """Call a model, its loss and its metrics on a batch, with values in the place of variables; nothing is written.

    variables: (trainable, other, of metrics); values: the same structure. batch: (x, y, sample_weight).
    Returns (loss, outputs, values before and after, in the structure of `values`, whether other variables were written to).
    """
    x, y, sample_weight = map(none_for_empty, batch)
    flat = [pair for part in zip(variables, values, strict=True) for pair in zip(*part, strict=True)]
    with keras.StatelessScope(flat, collect_losses=True) as scope:
        before = [[scope.get_current_value(v) for v in part] for part in variables]
        outputs = model(x, training=training) if takes_training(model.call) else model(x)
        extra = {"training": training} if takes_training(model.compute_loss) else {}  # from Keras 3.4 on
        loss = model.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=sample_weight, **extra)
        loss_tracker(model).update_state(loss, sample_weight=tf.shape(tf.nest.flatten(x)[0])[0])
        model.compute_metrics(x, y, outputs, sample_weight=sample_weight)
        after = [[scope.get_current_value(v) for v in part] for part in variables]
    strangers = set(scope.state_mapping) - {id(v) for v, _ in flat}
    return loss, outputs, before, after, bool(strangers)


def takes_training(function):
    """Whether a method has the argument `training`."""
    return "training" in inspect.signature(function).parameters


def _treats_weights_alike(optimizer, trained):
    """Whether the optimizer gives the same numbers for one vector of all weights as for each weight alone."""
    of_keras = type(optimizer) is getattr(keras.optimizers, type(optimizer).__name__, None)
    clips = optimizer.clipnorm is not None or optimizer.global_clipnorm is not None
    one_type = len({v.dtype for v in trained}) == 1 and all(v.constraint is None for v in trained)
    return of_keras and type(optimizer).__name__ in ELEMENTWISE and not clips and one_type


def _on_one_vector(optimizer, whole, trained):
    """(the pure optimizer of one vector, where its variables come from); `whole` is that of all weights.

    Where from: for each variable, the index of the same one in `whole.variables`, or the indices of those that it joins. Which
    is the same is told by the attribute of the optimizer that holds it.
    """
    size = sum(int(np.prod(v.shape)) for v in trained)
    flat = pure_optimizer(optimizer)
    flat.build([keras.Variable(np.zeros(size, trained[0].dtype), name="weights")])
    index = {id(v): i for i, v in enumerate(whole.variables)}
    found = {}
    for name, value in vars(flat).items():
        if isinstance(value, list) and len(value) == 1 and tuple(getattr(value[0], "shape", ())) == (size,):
            found[id(value[0])] = [index.get(id(v)) for v in getattr(whole, name)]
        else:
            found[id(value)] = index.get(id(getattr(whole, name)))
    return flat, [found[id(v)] for v in flat.variables]
