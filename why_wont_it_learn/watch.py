"""`Watch`: a Keras callback that says what goes wrong, before the first step and while `model.fit` trains."""

import warnings

import keras
import numpy as np
import tensorflow as tf

from .diagnosis import symptoms
from .diagnosis.before_training import before_training
from .diagnosis.findings import finding_of
from .diagnosis.loss_check import why_no_number
from .diagnosis.model_call import is_dataset, loss_of, sample_of
from .diagnosis.symptoms import two_digits
from .engine.batches import none_for_empty
from .engine.layer_metrics import Probes
from .engine.records import LEARNED, PROBES, Record, skill_of
from .engine.tracing import build
from .program import random_state_kept

SAMPLES = 256  # the first so many are looked at
SURE = 0.75  # while it trains, a cause is named from this plausibility on
WORSE = 0.15  # and named again when its plausibility has grown by so much
WHILE_TRAINING = (
    symptoms.diverged, symptoms.dead_units, symptoms.saturated_units, symptoms.vanishing_gradient,
    symptoms.exploding_gradient, symptoms.short_steps, symptoms.overfitting,
)  # fmt: skip
# What `stop` ends the training for, and from which plausibility on.
CANNOT_RECOVER = {symptoms.diverged: 0.0, symptoms.dead_units: 0.9}


class Watch(keras.callbacks.Callback):
    """Watches a training and names causes for not learning: one line each, when they appear and again when they get worse.

    Before the first step: NaN or constant data, inputs and targets far out of scale, an output layer or a loss that cannot work
    with the targets, weights that cannot be trained. While it trains: divergence, weights that do not move, dead and saturated
    units, vanishing and exploding gradients, overfitting. At the end: a short report.

    The training is not changed: the weights are the same, to the bit, as without it. The layers are measured on the first 256
    samples, after epochs 1, 2, 3, 4, 5, 7, 9, 12, … and the last.

    Args:
        x, y: the training data as `fit` gets them. Without them only the losses are watched; the same holds for a dataset
            made by Python functions (calling them might change what `fit` gets) and for one of very large arrays.
        validation_data: (x, y) or a dataset, as `fit` gets it, for the skill on data that is not trained on; else the training
            samples judge.
        stop: True ends the training, and says so, once the loss is not finite or nearly all units of a layer are dead.

    Attributes:
        findings: list of `Finding`s, in the order in which they were made.
        record: an `engine.Record` of the losses of all epochs and of the layers in those that were measured, `epochs`.
        skill: 1 − error / baseline of the predictions that were measured last (see `engine.records.skill_of`); NaN if none were.

    Example:
        model.fit(x, y, epochs=100, callbacks=[Watch(x, y)])
    """

    def __init__(self, x=None, y=None, *, validation_data=None, stop=False):
        super().__init__()
        held_out = tuple(validation_data[:2]) if isinstance(validation_data, (tuple, list)) else (validation_data, None)
        self._given, self._held_out, self._stop = (x, y), held_out, stop
        self._reset()

    def _reset(self):
        self.findings, self.epochs = [], []
        self.train_skill = self.val_skill = np.nan
        self._history, self._rows, self._spread = {}, [], (np.nan, np.nan)
        self._said, self._lines = {}, []
        self._data = self._validation = self._probes = None
        self._next = 1
        self._no_number = []  # what explains that the loss is NaN

    @property
    def skill(self):
        """Of the validation samples where they were given, else of the training samples."""
        return self.train_skill if np.isnan(self.val_skill) else self.val_skill

    @property
    def record(self):
        """What was measured, as an `engine.Record`; the rows of its arrays belong to `epochs`."""
        return Record.measured(self._history, self._rows, self._probes)

    # --- what Keras calls ----------------------------------------------------------------------------------------------

    def on_train_begin(self, logs=None):
        self._reset()
        try:
            self._look()
        except Exception as error:  # in whatever the model's own code does: it must train anyway
            self._blind(error)
        self._print()

    def on_epoch_begin(self, epoch, logs=None):
        if not self.epochs and not self._history:
            self._before, self._began, self._first = self._weights(), self._steps(), epoch
        self._print()  # the progress bar of the epoch before has ended its line by now

    def on_epoch_end(self, epoch, logs=None):
        for name, value in (logs or {}).items():
            if np.ndim(value) == 0:  # a metric such as F1Score gives a number for each class
                self._history.setdefault(name, []).append(float(value))
        number = epoch + 1 - self._first
        if number < self._next and epoch + 1 < self.params["epochs"]:
            return
        self._next = number + max(1, number // 3)
        try:
            self._measure(number)
        except Exception as error:
            self._blind(error)
        self._judge(number)

    def on_train_end(self, logs=None):
        if self._history:
            self._conclude()
        self._print()

    # --- what it sees --------------------------------------------------------------------------------------------------

    def _look(self):
        with random_state_kept():  # a PyDataset may draw
            self._data = sample_of(*self._given, SAMPLES)
            self._validation = sample_of(*self._held_out, SAMPLES)
        if self._data is None and is_dataset(self._given[0]):
            self._lines.append(
                "Only the losses are watched: looking into this dataset might change what `fit` gets from it, or take long. "
                "Watch(x, y) with arrays sees more."
            )
        if self._data is not None:
            build(self.model, self._data)
            self._probes = Probes(self.model)
            with random_state_kept(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what Keras warns of at a first call, it warns of in `fit`
                findings = before_training(self.model, self._data)
            for finding in findings:
                self._say("Before the first step", finding, 1.0)

    def _blind(self, error):
        """The model's own code failed where `fit` does not call it: the losses are still watched."""
        self._lines.append(f"The layers cannot be measured ({type(error).__name__}); only the losses are watched.")
        self._data = self._validation = None

    def _weights(self):
        return [tf.identity(v.value) for v in self.model.trainable_variables]

    def _steps(self):
        return int(self.model.optimizer.iterations.numpy())

    def _measure(self, number):
        if self._data is None:
            return
        weights, steps = self._weights(), self._steps()
        predictions = []

        def evaluate():
            loss, outputs = loss_of(self.model, weights, self._data, outputs=True)
            predictions.append(outputs)
            return loss, outputs

        row = self._probes.measure(weights, self._before, max(1, steps - self._began), evaluate)
        self._rows.append({name: np.asarray(values) for name, values in row.items()})
        self.epochs.append(number)
        self._before, self._began = weights, steps
        self.train_skill = self._skill_of(self._data, predictions[0])
        self._spread = _spread(self._data, predictions[0])
        if self._validation is not None:
            outputs = loss_of(self.model, weights, self._validation, outputs=True)[1]
            self.val_skill = self._skill_of(self._validation, outputs)
        if not self._no_number and not np.isfinite(self._history.get("loss", [])).all():
            self._no_number = why_no_number(self.model, self._data)
            for finding in self._no_number:
                self._say(f"Epoch {number}", finding, 1.0)

    def _skill_of(self, data, outputs):
        try:
            return skill_of(self.model, none_for_empty(data[1]), [a.numpy() for a in tf.nest.flatten(outputs)])
        except (TypeError, ValueError):  # targets that are no numbers or labels of these outputs
            return np.nan

    def _training(self, number):
        """What is known so far, as the table of symptoms reads it."""
        loss = np.array(self._history.get("loss", []), float)
        optimizer, steps = self.model.optimizer, self.params["steps"] or 0
        kind, rate = type(optimizer).__name__.lower(), float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        momentum = getattr(optimizer, "momentum", 0) or 0.0
        (spread, offset), record = self._spread, self.record
        return symptoms.Training(
            loss=loss,
            val_loss=np.array(self._history.get("val_loss", []), float),
            steps=steps * number,
            planned_steps=steps * (self.params["epochs"] - self._first),
            train_skill=self.train_skill,
            val_skill=self.val_skill,
            diverged=float(not np.isfinite(loss).all()),
            prediction_spread=spread,
            prediction_offset=offset,
            optimizer=kind,
            learning_rate=symptoms.with_momentum(kind, rate, momentum),
            momentum=momentum,
            other_layers=True,
            layers=self._layers(),
            **{name: getattr(record, name) for name in PROBES},
        )

    def _layers(self):
        found = []
        for layer in self._probes.layers if self._probes else ():
            units, activation = getattr(layer, "units", 0), getattr(layer, "activation", None)
            found.append(symptoms.Layer(units, getattr(activation, "__name__", "linear")))
        return tuple(found)

    # --- what it says --------------------------------------------------------------------------------------------------

    def _judge(self, number):
        training = self._training(number)
        if training.skill >= LEARNED:
            return
        for row in WHILE_TRAINING:
            for symptom in row(training):
                if symptom.plausibility >= SURE and not self._explained():
                    self._say(f"Epoch {number}", finding_of(symptom), symptom.plausibility)
                lost = symptom.plausibility >= CANNOT_RECOVER.get(row, np.inf)
                if self._stop and lost and not self.model.stop_training:
                    self._lines.append("Training is stopped: it cannot recover from this.")
                    self.model.stop_training = True

    def _conclude(self):
        number = len(self._history.get("loss", ()))
        training = self._training(number)
        epochs = f"{number} epoch{'s' * (number != 1)}"
        if np.isnan(training.skill):
            end = epochs
        else:
            held_out = not np.isnan(self.val_skill)
            count = len(tf.nest.flatten((self._validation if held_out else self._data)[0])[0])
            where = f"the first {count} {'validation' if held_out else 'training'} samples"
            # A skill just below LEARNED is not rounded up to it.
            told = min(training.skill, LEARNED - 0.01) if training.skill < LEARNED else training.skill
            end = f"{epochs}; skill {two_digits(told)} on {where}"
        if training.skill >= LEARNED or np.isnan(training.skill):
            named = len(self.findings)
            self._lines.append(f"{end}. {f'{named} problem' + 's' * (named > 1) if named else 'Nothing'} found.")
            return
        for symptom in () if self._explained() else symptoms.likely(training):
            self._say(f"After {epochs}", finding_of(symptom), symptom.plausibility)
        self._lines.append(f"{end}. `diagnose(model, x, y)` tries fixes and says which one helps.")

    def _explained(self):
        """Whether what was named before, in the data or in the loss, has made the loss NaN: what else is seen then follows from it."""
        return bool("missing_values" in self._said or self._no_number) and not np.isfinite(self._history["loss"][-1])

    def _say(self, when, finding, plausibility):
        if plausibility >= self._said.get(finding.cause, -1) + WORSE:
            self._said[finding.cause] = plausibility
            self.findings.append(finding)
            self._lines.append(f"{when}: {finding.evidence} [{finding.cause}] {finding.fix}")

    def _print(self):
        for line in self._lines:
            print(f"Watch: {line}")
        self._lines = []

    def plot(self):
        """The losses, and gradient norms, dead and saturated units by layer: a `matplotlib.figure.Figure`."""
        from .pictures import training_figure

        return training_figure(self.record, self.epochs)


def _spread(data, outputs):
    """Of one output of numbers: how far the predictions spread and how far their mean is off, in standard deviations of the targets."""
    y, predictions = tf.nest.flatten(none_for_empty(data[1])), tf.nest.flatten(outputs)
    if len(y) != 1 or len(predictions) != 1 or not y[0].dtype.is_floating or y[0].shape.num_elements() < 2:
        return np.nan, np.nan
    y, predictions = y[0].numpy().reshape(len(y[0]), -1), predictions[0].numpy().reshape(len(y[0]), -1)
    std = float(np.std(y))
    if y.shape != predictions.shape or not std:
        return np.nan, np.nan
    return float(np.std(predictions)) / std, float(abs(np.mean(predictions) - np.mean(y))) / std
