"""The training loop: a compiled Keras model, its loss, metrics and optimizer as one PURE FUNCTION of values.

`model.fit` spends milliseconds of Python on every batch. Here TensorFlow runs whole epochs on its own, around the real Keras
layers, loss and optimizer; only the loop is ours:

- Weights, layer state (batch statistics, random seeds), optimizer state and metrics go in as values and come out as values. No
  variable is read or written, so a run can be dropped at any time, two runs can use one graph at the same time, a graph can be
  kept on disk, and many models can be mapped over the function at once.
- What may change without a new graph is a value too: data, batches, number of epochs, learning rate, and where a program asks
  for it the strength of penalties, the rate of dropout, momentum and weight decay.
- Optimizers that treat every weight alike see all weights as ONE vector: the same arithmetic in a graph several times smaller.
- Early stopping stands in the graph: each of many models stops in its own epoch and keeps its best weights.

`Loop.chunk` is the whole of it: train some steps on, and validate and measure where an epoch ends.
"""

import contextlib
import inspect

import keras
import numpy as np
import tensorflow as tf

from ..keras_private import layers_of, loss_tracker, pure_optimizer
from .batches import CannotHold, none_for_empty
from .state import Best, NotFlat, Packing, State, where

# Optimizers whose rule for one weight knows nothing of the others.
ELEMENTWISE = ("SGD", "RMSprop", "Adam", "AdamW", "Adagrad", "Adadelta", "Adamax", "Nadam", "Ftrl", "Lion")
OF_OPTIMIZER = ("momentum", "weight_decay")  # runtime values that are attributes of the optimizer


class RuntimeValue(float):
    """A number while a graph is traced, a tensor when it runs: it stands in a Keras object in place of a float."""

    def __new__(cls, tensor):
        value = super().__new__(cls, 0.5)
        value.tensor = tensor
        return value

    def __tf_tensor__(self, dtype=None, name=None):
        return tf.cast(self.tensor, dtype or self.tensor.dtype, name)

    def __rsub__(self, other):  # dropout takes 1 - rate
        return other - self.tensor


class Loop:
    """The training loop of one built model. `chunk` is what is traced; `columns` says what its rows are, once it is.

    probes: the `Probes` of the model, where the shape has them. flat: whether the weights may be one vector.
    """

    def __init__(self, model, shape, probes=None, flat=True):
        self.model, self.shape = model, shape
        self.lead = shape.lead
        self.axes = []  # those of models in what `_step` and the other methods of one model are given
        self.trained = list(model.trainable_variables)
        self.layers = list(model.non_trainable_variables)
        self.metrics = list(model.metrics_variables)
        self.optimizer = pure_optimizer(model.optimizer)
        self.optimizer.build(self.trained)
        if [v.shape for v in self.optimizer.variables] != [v.shape for v in model.optimizer.variables]:
            raise CannotHold("The optimizer was built for other weights than the model trains now.")
        slots = None
        if flat and _treats_weights_alike(model.optimizer, self.trained):
            self.optimizer, slots = _on_one_vector(model.optimizer, self.optimizer, self.trained)
        self.packing = Packing([v.shape for v in self.trained], slots)
        inner = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        self.rate_at = [i for i, v in enumerate(self.optimizer.variables) if shape.rates and v is inner.learning_rate]
        self.dropouts = [layer for layer in layers_of(model) if isinstance(layer, keras.layers.Dropout)]
        self.probes = probes
        self.columns, self.values = {}, {}

    # --- values in place of numbers --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _with_values(self, values):
        """Meanwhile, the runtime values stand in the model and its optimizer."""
        self.values = dict(zip(self.shape.values, tf.unstack(values), strict=True)) if self.shape.values else {}
        places = [(self.optimizer, name, name) for name in OF_OPTIMIZER]
        places += [(layer, "rate", "dropout") for layer in self.dropouts]
        before = []
        for owner, attribute, name in places:
            if name in self.values:
                before.append((owner, attribute, getattr(owner, attribute)))
                setattr(owner, attribute, RuntimeValue(self.values[name]))
        try:
            yield
        finally:
            for owner, attribute, value in before:
                setattr(owner, attribute, value)

    def _penalty(self, weights):
        """L1 and L2 of the kernels, as `keras.regularizers.L1L2` in every layer adds them up, where they are runtime values."""
        if "l1" not in self.values:
            return None
        vector = tf.concat([tf.reshape(w, [-1]) for w in weights], 0) if self.packing.slots is None else weights[0]
        kernels = vector * self.in_kernel
        l1, l2 = tf.reduce_sum(tf.abs(kernels), -1), tf.reduce_sum(tf.square(kernels), -1)
        return self.values["l1"] * l1 + self.values["l2"] * l2

    # --- one model, one batch --------------------------------------------------------------------------------------

    def _evaluate(self, parts, layers, metrics, batch, training, **more):
        """What `train_step` and `test_step` of `keras.Model` do before the gradient: see `evaluate`.

        Returns (loss, outputs, new layer state, new metrics).
        """
        variables = self.trained, self.layers, self.metrics
        loss, outputs, before, after, strangers = evaluate(
            self.model, variables, (parts, layers, metrics), batch, training, **more
        )
        if strangers:
            raise CannotHold("Calling the model writes to a variable that is not one of its weights.")
        if any(a is not b for a, b in zip(before[0], after[0], strict=True)):
            raise CannotHold("Calling the model changes its trainable weights.")
        return loss, outputs, after[1], after[2]

    def _step(self, weights, layers, slots, metrics, batch, count):
        """One step of the optimizer on one batch of which `count` rows count: what it was given but the batch, changed."""
        with tf.GradientTape() as tape:
            tape.watch(weights)
            parts, penalty = self.packing.parts(weights), self._penalty(weights)
            loss, _, layers, metrics = self._evaluate(parts, layers, metrics, batch, True, count=count, penalty=penalty)
            loss = self._scaled(loss, slots)
        gradients, of_parts = tape.gradient(loss, (weights, parts))
        if self.packing.slots is not None and not all(isinstance(g, tf.Tensor) for g in of_parts):
            raise NotFlat
        weights, slots = self._moved(slots, gradients, weights)
        return weights, layers, slots, metrics

    def _scaled(self, loss, slots):
        """The loss as an optimizer for mixed precision scales it."""
        with keras.StatelessScope(zip(self.optimizer.variables, slots, strict=True)):
            return self.optimizer.scale_loss(loss)

    def _moved(self, slots, gradients, weights):
        """(weights, state of the optimizer) after one step."""
        weights, slots = self.optimizer.stateless_apply(slots, gradients, weights)
        return list(weights), [tf.convert_to_tensor(s) for s in slots]

    def _validate(self, weights, layers, metrics, batch):
        """One batch of validation: (layer state, metrics).

        The state changes where a layer draws random numbers in validation, too, as GRU does with its dropout.
        """
        penalty = self._penalty(weights)
        return self._evaluate(self.packing.parts(weights), layers, metrics, batch, False, penalty=penalty)[2:]

    # --- one model, the end of an epoch ----------------------------------------------------------------------------

    def _results(self, metrics):
        """What the metrics say: {name: scalar}, as it will stand in the history."""
        with keras.StatelessScope(zip(self.metrics, metrics, strict=True)):
            results = self.model.get_metrics_result()
        for name, value in results.items():
            if isinstance(value, dict) or tf.convert_to_tensor(value).shape.rank:
                raise CannotHold(f"The metric {name} is not a single number.")
        return {name: tf.cast(results[name], tf.float32) for name in sorted(results)}  # sorted, as Keras's history is

    def _history(self, metrics):
        """The results as one vector."""
        return tf.stack(list(self._results(metrics).values()))

    def _measured(self, weights, layers, metrics, validated, before, steps, seen):
        """The second part of a row, after the history of the training: that of the validation, and what the layers show."""
        row = [self._history(validated)] if self.shape.validation else []
        if self.shape.probes:
            parts = self.packing.parts(weights)

            def evaluate():
                penalty = self._penalty(self.packing.joined(parts, self.axes))
                return self._evaluate(parts, layers, metrics, seen, False, penalty=penalty)[:2]

            counts = seen[2] if self.shape.filled else None
            probes = self.probes.measure(parts, self.packing.parts(before), steps, evaluate, counts, self.axes)
            self.columns |= {name: int(values.shape[-1]) for name, values in probes.items()}
            row += probes.values()
        return tf.concat(row, -1) if row else tf.zeros([*self.axes, 0])

    def _predict(self, weights, layers, x):
        """The outputs of one model for `x`."""
        parts = self.packing.parts(weights)
        kept = [*zip(self.trained, parts, strict=True), *zip(self.layers, layers, strict=True)]
        with keras.StatelessScope(kept):
            return self.model(x, training=False) if takes_training(self.model.call) else self.model(x)

    def predict(self, weights, layers, x):
        """The outputs of each model for `x`."""
        return self._each_with(x, self._predict, weights, layers)

    # --- all models, many batches ----------------------------------------------------------------------------------

    def _each(self, function, *arguments):
        """`function` for the one model, or for each of the models along the first axis."""
        if self.shape.models is None:
            return function(*arguments)
        return tf.vectorized_map(lambda row: function(*row), arguments, warn=False)

    def _each_with(self, data, function, *arguments):
        """The same of (*arguments, data), where data are those of each model or the same for all."""
        if self.shape.own_data:
            return self._each(function, *arguments, data)
        return self._each(lambda *rest: function(*rest, data), *arguments)

    def _batch(self, data, rows, size):
        """The batch of these rows, of which `size` count for each model."""
        if self.shape.ragged:
            rows = rows[..., : tf.reduce_max(size)]
        axis = self.shape.sample_axis
        x, y, sample_weight = tf.nest.map_structure(lambda a: tf.gather(a, rows, axis=axis, batch_dims=axis), data)
        if self.shape.filled:  # a mean over all rows is one over those that count
            length = tf.shape(rows)[-1]
            counts = tf.cast(tf.sequence_mask(size, length), tf.float32)
            sample_weight = counts * (tf.cast(length, tf.float32) / tf.cast(size, tf.float32))[..., None]
        return x, y, sample_weight

    def chunk(
        self, state, position, data, seen, validation, batch, order, sizes, measured, rates, values, until, budget
    ):
        """Train and validate `budget` batches on, or to the end of epoch `until` of `order`: (state, position, rows).

        position: (2,) epoch within `order`, and batch: after those to train on come those to validate on.
        data, seen, validation: (x, y, sample_weight): to train on, what the probes look at, and to validate on.
        batch: samples of a batch in validation. order: (epochs, steps, [models,] batch) rows of the data. sizes: (steps, [models])
        samples of each batch. measured: (epochs,) whether it is validated and measured at the end. rates: (epochs, steps)
        learning rates, or (). values: (runtime values,), or ().
        rows: (epochs, [models,] columns), filled for the epochs that ended in this chunk.
        """
        with self._with_values(values):
            return self._chunk(
                state, position, data, seen, validation, batch, order, sizes, measured, rates, until, budget
            )

    def _chunk(self, state, position, data, seen, validation, batch, order, sizes, measured, rates, until, budget):
        shape, lead = self.shape, self.lead
        epochs, steps = tf.shape(order)[0], tf.shape(sizes)[0]
        axis = shape.sample_axis  # or that of batches of them
        is_kernel = tf.constant([float(len(v.shape) > 1) for v in self.trained])
        self.in_kernel = tf.repeat(is_kernel, self.packing.sizes) if "l1" in self.values else None
        names = list(self._results([tf.zeros(v.shape, v.dtype) for v in self.metrics]))
        self.columns = {"history": [*names, *(f"val_{name}" for name in names if shape.validation)]}
        measure, width = self._measure_function(seen)
        validations = 0
        if shape.validation:
            validations = tf.shape(tf.nest.flatten(validation[0])[0])[axis]
            if shape.ragged_validation:
                validations = (validations + batch - 1) // batch

        def train(state, number, left, epoch):
            slots = list(state.optimizer)
            for at in self.rate_at:
                slots[at] = tf.fill(lead, rates[epoch, number])
            these = self._batch(data, order[epoch, number], sizes[number])
            weights, layers, slots, metrics = self._each(
                self._step, state.weights, state.layers, slots, state.metrics, these, sizes[number]
            )
            state = state._replace(weights=weights, layers=layers, optimizer=slots, metrics=metrics)
            return state, number + 1, left - 1, epoch

        def validate(state, number, left, epoch):
            at = number - steps
            if shape.ragged_validation:
                these = tf.nest.map_structure(lambda a: a[at * batch : (at + 1) * batch], validation)
            else:
                these = tf.nest.map_structure(lambda a: tf.gather(a, at, axis=axis), validation)
            layers, metrics = self._each_with(these, self._validate, state.weights, state.layers, state.validated)
            return state._replace(layers=layers, validated=metrics), number + 1, left - 1, epoch

        def end_of_epoch(state, epoch, rows):
            kept = state.weights, state.layers, state.metrics, state.validated, state.before
            row = tf.cond(
                measured[epoch],
                lambda: self._each_with(seen, lambda *parts: measure(*parts[:-1], steps, parts[-1]), *kept),
                lambda: tf.fill([*lead, width], np.float32(np.nan)),
            )
            row = tf.ensure_shape(row, [*lead, width])
            row = tf.concat([self._each(self._history, state.metrics), row], -1)
            if shape.stops_early:
                state, row = self._stopped_early(state, row)
            zeros = [tf.zeros_like(m) for m in state.metrics]
            state = state._replace(metrics=zeros, validated=zeros, before=state.weights)
            return state, epoch + 1, 0, tf.tensor_scatter_nd_update(rows, [[epoch]], row[None])

        def one_epoch(state, epoch, number, left, rows):
            state, number, left, _ = tf.while_loop(
                lambda _, number, left, *__: (number < steps) & (left > 0), train, (state, number, left, epoch)
            )
            end = steps + tf.where(measured[epoch], validations, 0)
            if shape.stops_early:  # those that have stopped go back to their best weights
                back = where(state.best.stopped & (number >= steps), state.best.weights, state.weights)
                state = state._replace(weights=back)
            if shape.validation:
                state, number, left, _ = tf.while_loop(
                    lambda _, number, left, *__: (number >= steps) & (number < end) & (left > 0),
                    validate,
                    (state, number, left, epoch),
                )
            state, epoch, number, rows = tf.cond(
                number >= end, lambda: end_of_epoch(state, epoch, rows), lambda: (state, epoch, number, rows)
            )
            return state, epoch, number, left, rows

        wide = len(names) + width
        rows = tf.ensure_shape(tf.zeros([epochs, *lead, wide]), [None, *lead, wide])
        state, epoch, number, _, rows = tf.while_loop(
            lambda _, epoch, __, left, ___: (epoch < until) & (left > 0),
            one_epoch,
            (state, position[0], position[1], budget, rows),
        )
        return state, tf.stack([epoch, number]), rows

    def _stopped_early(self, state, row):
        """The state and the row of an epoch, with the best epoch of each model that has stopped in place of this one."""
        loss, val_loss = (self.columns["history"].index(name) for name in ("loss", "val_loss"))
        best = state.best
        at = tf.one_hot(loss, row.shape[-1], True, False, dtype=tf.bool)
        row = tf.where(best.stopped[..., None] & at, best.loss[..., None], row)
        best = best.after_epoch(state.weights, row[..., loss], row[..., val_loss], self.values["patience"])
        return state._replace(weights=where(best.stopped, best.weights, state.weights), best=best), row

    def _measure_function(self, seen):
        """(`_measured` as a function of its own, the length of what it gives).

        It is traced before the loop begins, which must know how long a row is.
        """
        state = self._state_of(self.axes)
        skip = len(self.lead) - len(self.axes) if self.shape.own_data else 0
        like = tf.nest.map_structure(lambda v: tf.TensorSpec(v.shape[skip:], v.dtype), seen)
        measure = tf.function(self._measured, autograph=False)
        arguments = state.weights, state.layers, state.metrics, state.validated, state.before
        traced = measure.get_concrete_function(*arguments, tf.TensorSpec([], tf.int32), like)
        return measure, traced.structured_outputs.shape[-1]

    # --- the types of what goes in -----------------------------------------------------------------------------------

    def _state_of(self, lead):
        """The types of a state, with these axes in front."""

        def specs(variables):
            return [tf.TensorSpec([*lead, *v.shape], v.dtype) for v in variables]

        weights, metrics = specs(self.trained), specs(self.metrics)
        if self.packing.slots is not None:
            weights = [tf.TensorSpec([*lead, sum(self.packing.sizes)], self.trained[0].dtype)]
        best = ()
        if self.shape.stops_early:
            best = Best(weights, *[tf.TensorSpec(lead)] * 4, tf.TensorSpec(lead, tf.bool))
        return State(weights, specs(self.layers), specs(self.optimizer.variables), metrics, metrics, weights, best)

    def signature(self, data, seen, validation):
        """The types of `chunk`'s arguments. Open: samples, steps, batch size, epochs. The rest belongs to the model."""
        shape, lead = self.shape, self.lead
        number = tf.TensorSpec([], tf.int32)
        return (
            self._state_of(lead),
            tf.TensorSpec([2], tf.int32),
            self._open_to(1, data),
            self._open_to(1, seen),
            self._open_to(1 if shape.ragged_validation else 2, validation),
            number,
            tf.TensorSpec([None, None, *lead, None], tf.int32),
            tf.TensorSpec([None, *lead], tf.int32),
            tf.TensorSpec([None], tf.bool),
            tf.TensorSpec([None, None]) if shape.rates else (),
            tf.TensorSpec([len(shape.values)]) if shape.values else (),
            number,
            number,
        )

    def signature_to_predict(self, x):
        """The types of `predict`'s arguments."""
        state = self._state_of(self.lead)
        return state.weights, state.layers, self._open_to(1, x)

    def _open_to(self, axes, data):
        """The types of data whose samples, or batches of them, lie along so many axes of any length."""
        at = self.shape.sample_axis
        return tf.nest.map_structure(
            lambda a: tf.TensorSpec([*self.lead[:at], *[None] * axes, *a.shape[at + 1 :]], a.dtype), data
        )


def evaluate(model, variables, values, batch, training, count=None, penalty=None):
    """Call a model, its loss and its metrics on a batch, with values in the place of variables; nothing is written.

    variables: (trainable, other, of metrics); values: the same structure. batch: (x, y, sample_weight). count: how many of the
    batch's samples count in the mean loss of an epoch, all if None. penalty: is added to the loss.
    Returns (loss, outputs, values before and after, in the structure of `values`, whether other variables were written to).
    """
    x, y, sample_weight = map(none_for_empty, batch)
    flat = [pair for part in zip(variables, values, strict=True) for pair in zip(*part, strict=True)]
    with keras.StatelessScope(flat, collect_losses=True) as scope:
        before = [[scope.get_current_value(v) for v in part] for part in variables]
        outputs = model(x, training=training) if takes_training(model.call) else model(x)
        extra = {"training": training} if takes_training(model.compute_loss) else {}  # from Keras 3.4 on
        loss = model.compute_loss(x=x, y=y, y_pred=outputs, sample_weight=sample_weight, **extra)
        loss = loss if penalty is None else loss + penalty
        count = tf.shape(tf.nest.flatten(x)[0])[0] if count is None else count
        loss_tracker(model).update_state(loss, sample_weight=count)
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
