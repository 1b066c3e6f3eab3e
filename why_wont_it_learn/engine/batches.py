"""The data as the training loop takes them, and which samples go into which batch."""

import math

import keras
import numpy as np
import tensorflow as tf

EPOCHS_AT_ONCE = 128  # batch orders that are dealt together
ROWS_AT_ONCE = 4_000_000  # entries of all those orders: 16 MB


class CannotHold(ValueError):
    """The training loop cannot do what was asked for; the text says what, and `model.fit` does it."""


def as_tensors(values, name):
    """A structure of arrays as tensors, converted as `model.fit` does it: floats to Keras's floatx, lists to tuples.

    None, which `tf.nest` takes for a leaf, becomes an empty tuple.
    """
    if values is None:
        return ()
    if isinstance(values, dict):
        return {k: as_tensors(v, name) for k, v in values.items()}
    if isinstance(values, (list, tuple)):
        return tuple(as_tensors(v, name) for v in values)
    if type(values).__module__.split(".")[0] == "pandas" and hasattr(values, "to_numpy"):
        values = values.to_numpy()
    unread = not_numbers(values)
    if unread is None and not isinstance(values, (np.ndarray, tf.Tensor)):
        unread = f"is a {type(values).__name__}", "give arrays"
    if unread is not None:
        raise CannotHold(f"{name} {unread[0]}, which only model.fit can read: {unread[1]}.")
    if len(values.shape) == 0 or not (np.issubdtype(np.dtype(values.dtype.name), np.number) or values.dtype == bool):
        raise CannotHold(
            f"{name} has shape {tuple(values.shape)} and type {values.dtype}, which only model.fit can read."
        )
    floats = np.issubdtype(values.dtype, np.floating) if isinstance(values, np.ndarray) else values.dtype.is_floating
    return tf.cast(values, keras.config.floatx()) if floats else tf.convert_to_tensor(values)


OF_TEXT = (
    "turn categories into columns of 0 and 1 (sklearn.preprocessing.OneHotEncoder), or call the model's TextVectorization layer on it once "
    "and leave that layer out of the model"
)


def not_numbers(values):
    """(what they are, what to do) for text and for sparse and ragged data; None for anything else."""
    kind = f"is a {type(values).__name__}"
    if hasattr(values, "toarray"):  # of SciPy
        return kind, "call .toarray() on it"
    if isinstance(values, tf.SparseTensor):
        return kind, "call tf.sparse.to_dense on it"
    if isinstance(values, tf.RaggedTensor):
        return kind, "call .to_tensor() on it"
    if isinstance(values, tf.Tensor):
        return ("holds text", OF_TEXT) if values.dtype == tf.string else None
    if not isinstance(values, (np.ndarray, str, bytes)) and not hasattr(values, "iloc"):
        return None
    array = np.asarray(values)
    of_objects = array.dtype == object and any(isinstance(value, (str, bytes)) for value in array.flat)
    return ("holds text", OF_TEXT) if of_objects or array.dtype.kind in "SUT" else None


def none_for_empty(values):
    """The opposite of `as_tensors`' None: what Keras is to be handed."""
    return None if isinstance(values, tuple) and values == () else values


def count(values):
    """The number of samples of a structure of tensors."""
    numbers = {len(a) for a in tf.nest.flatten(values)}
    if len(numbers) != 1:
        raise CannotHold(f"x, y and sample_weight have different numbers of samples: {sorted(numbers)}.")
    return numbers.pop()


def fixed_batch_size(model):
    """The size of the batches that a model is built for; None if it takes any."""
    try:
        shapes = [tuple(tensor.shape) for tensor in model.inputs]
    except (AttributeError, ValueError, TypeError):  # a subclassed model has no inputs that are known beforehand
        return None
    return next((shape[0] for shape in shapes if shape and shape[0] is not None), None)


def stateful_batch_size(model):
    """That size, where layers keep their state from batch to batch and so can take no other; else None."""
    stateful = any(getattr(layer, "stateful", False) for layer in getattr(model, "layers", ()))
    return fixed_batch_size(model) if stateful else None


def weights_of_classes(y, class_weight):
    """The weight of each sample by its class, as `model.fit(class_weight=…)` gives it: (samples,)."""
    labels = np.asarray(y)
    if labels.ndim > 1:
        labels = labels.argmax(-1) if labels.shape[-1] != 1 else labels.squeeze(-1)
    labels = np.round(labels).astype("int32")
    return np.array([class_weight.get(int(label), 1.0) for label in labels], keras.config.floatx())


def prepare(x, y, sample_weight, class_weight, validation_data, validation_split):
    """(training data, validation data or ()): each (x, y, sample_weight), structures of tensors."""
    if class_weight is not None and (sample_weight is not None or isinstance(y, (list, tuple, dict)) or y is None):
        raise CannotHold("class_weight is given together with sample_weight, or the model has several outputs.")
    nested = isinstance(y, (list, tuple, dict))
    if sample_weight is not None and nested and not isinstance(sample_weight, (list, tuple, dict)):
        sample_weight = tf.nest.map_structure(lambda _: sample_weight, y)  # as model.fit does it
    data = as_tensors(x, "x"), as_tensors(y, "y"), as_tensors(sample_weight, "sample_weight")
    n = count(data)
    validation = ()
    if validation_data is not None:
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
            raise CannotHold(f"validation_data is a {type(validation_data).__name__}, which only model.fit can read.")
        parts = zip(validation_data, ("validation x", "validation y", "validation sample_weight"), strict=False)
        validation = (*(as_tensors(part, name) for part, name in parts), ())[:3]
        count(validation)
    elif validation_split:
        at = math.floor(n * (1 - validation_split))
        validation = tf.nest.map_structure(lambda a: a[at:], data)
        data = tf.nest.map_structure(lambda a: a[:at], data)
        if not 0 < at < n:
            raise CannotHold(f"validation_split={validation_split} of {n} samples leaves one part empty.")
    if class_weight is not None:
        data = (*data[:2], tf.constant(weights_of_classes(data[1], class_weight)))
    return data, validation


class Batches:
    """Which rows of the data go into which batch: one order an epoch, for each of the models.

    sizes: (steps, models) samples of each batch. seeds: of each model's orders. With `shuffle`, the order of an epoch is the
    next permutation that `numpy.random.default_rng(seed)` gives; else 0, 1, 2, …
    """

    def __init__(self, sizes, seeds, shuffle):
        self.sizes, self.shuffle = np.asarray(sizes, "int32"), shuffle
        self.batch = int(self.sizes.max())
        self.filling = np.arange(self.batch) >= self.sizes[..., None]  # (steps, models, batch)
        self.rngs = [np.random.default_rng(seed) for seed in seeds]

    @classmethod
    def of(cls, samples, batch_size, seeds, shuffle):
        """Batches of one size, of which the last in an epoch has the rest."""
        sizes = [min(batch_size, samples - start) for start in range(0, samples, batch_size)]
        # In one batch of everything the order does not matter.
        return cls(np.repeat(np.array(sizes)[:, None], len(seeds), 1), seeds, shuffle and len(sizes) > 1)

    @property
    def ragged(self):
        """Whether some batches are smaller than others."""
        return bool(self.filling.any())

    def at_once(self):
        """For how many epochs orders are dealt together."""
        return int(np.clip(ROWS_AT_ONCE // self.filling.size, 1, EPOCHS_AT_ONCE))

    def orders(self, epochs, model=0):
        """The rows of a model's next epochs: (epochs, samples) int32."""
        rows = np.tile(np.arange(self.sizes[:, model].sum(), dtype="int32"), (epochs, 1))
        if self.shuffle:
            self.rngs[model].permuted(rows, axis=1, out=rows)  # the permutations that it gives one after the other
        return rows

    def deal(self, epochs):
        """The rows of the next epochs, filled up with row 0: (epochs, steps, models, batch) int32."""
        rows = np.zeros((epochs, *self.filling.shape), "int32")
        for model in range(len(self.rngs)):
            rows[:, :, model][:, ~self.filling[:, model]] = self.orders(epochs, model)
        return rows
