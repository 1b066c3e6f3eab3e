"""Training by `model.fit` itself, with the same record, for what the loop cannot hold."""

import keras
import numpy as np
import tensorflow as tf

from .batches import none_for_empty
from .layer_metrics import Probes, first_samples
from .loop import evaluate
from .records import Record


def dealt(data, batches, epochs):
    """Yield the batches of training data that the loop would take, one order an epoch."""
    for _ in range(epochs):
        order = batches.orders(1)[0]
        for start in range(0, len(order), batches.batch):
            rows = order[start : start + batches.batch]
            parts = tf.nest.map_structure(lambda a, rows=rows: tf.gather(a, rows).numpy(), data)
            x, y, weights = map(none_for_empty, parts)
            yield (x, y) if weights is None else (x, y, weights)


class Measured(keras.callbacks.Callback):
    """Measures the layers at the end of each epoch; a model that cannot be measured trains on."""

    def __init__(self, seen, steps, on_progress):
        super().__init__()
        self.seen, self.steps, self.on_progress = seen, steps, on_progress
        self.rows, self.problem, self.probes = [], "", None

    def on_epoch_begin(self, epoch, logs=None):
        self.before = [tf.identity(v.value) for v in self.model.trainable_variables]

    def on_epoch_end(self, epoch, logs=None):
        if self.seen is not None and not self.problem:
            try:
                self._measure()
            except Exception as error:  # in whatever the model's own code does
                self.problem = f" The layers were not measured: {type(error).__name__}."
                self.rows = []
        if self.on_progress:
            self.on_progress(epoch + 1, self.params["epochs"])

    def _measure(self):
        model = self.model
        self.probes = self.probes or Probes(model)
        variables = model.trainable_variables, model.non_trainable_variables, model.metrics_variables
        values = [[tf.identity(v.value) for v in part] for part in variables]

        def run():
            return evaluate(model, variables, values, self.seen, False)[:2]

        found = self.probes.measure(values[0], self.before, self.steps, run)
        self.rows.append({name: numbers.numpy() for name, numbers in found.items()})


def fit_by_keras(model, reason, x, y, sample_weight, class_weight, prepared, batches, **options):
    """`model.fit` and a `Record` of it. prepared: (data, validation) as the loop takes them, or None: then as they were given."""
    probes, on_progress = options.pop("probes"), options.pop("on_progress")
    seen = steps = None
    if prepared:
        data, validation = prepared
        steps = len(batches.sizes)
        if probes:
            seen = first_samples(data)
        if validation:
            validation = tuple(none_for_empty(tf.nest.map_structure(lambda a: a.numpy(), part)) for part in validation)
            options["validation_data"] = validation if validation[2] is not None else validation[:2]
        arguments = {"x": dealt(data, batches, options["epochs"]), "steps_per_epoch": steps, "shuffle": False}
        arguments["validation_batch_size"] = options["batch_size"]
        options = {k: v for k, v in options.items() if k in ("epochs", "verbose", "validation_data")}
    else:
        arguments = {"x": x, "y": y, "sample_weight": sample_weight, "class_weight": class_weight}
        if not isinstance(x, (np.ndarray, tf.Tensor, list, tuple, dict)) and y is None:
            options.pop("batch_size")  # a data set comes in its own batches
    measured = Measured(seen, steps, on_progress)
    history = model.fit(**arguments, **options, callbacks=[measured]).history
    epochs, probes = len(next(iter(history.values()), [])), measured.probes if measured.rows else None
    return Record.measured(history, measured.rows, probes, reason + measured.problem, epochs)
