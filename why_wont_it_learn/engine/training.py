"""`fit` and `fit_seeds`: a model and data in, a record out."""

import time

import keras
import numpy as np
import tensorflow as tf

from ..keras_private import excluded_from_weight_decay, layers_of, overwritten_by_gradient
from .batches import Batches, CannotHold, count, none_for_empty, prepare
from .by_keras import fit_by_keras
from .cache import build, graph_for, predictor_for
from .initial_weights import fresh_values
from .layer_metrics import SAMPLES_SEEN
from .loop import Shape, State
from .records import Record, SeedStudy, skill_of

CHUNK_SECONDS = 0.08  # a run is asked about twelve times a second whether it is to stop
SEEDS_AT_ONCE = 100
WEIGHTS_AT_ONCE = 2_000_000  # of all copies together; each takes about 60 bytes while it is trained
SAMPLES_PREDICTED = 1024
STEPS_UNROLLED = 24  # a longer recurrent layer takes too long to trace unrolled


def fit(
    model,
    x,
    y=None,
    *,
    epochs=1,
    batch_size=32,
    validation_data=None,
    validation_split=0.0,
    sample_weight=None,
    class_weight=None,
    shuffle=True,
    seed=0,
    probes=True,
    verbose=0,
    on_progress=None,
):
    """Train a compiled Keras model in place, as `model.fit` does, and return a `Record` of what went on in its layers.

    The losses are those of `model.fit(shuffle=False)` at every epoch, up to rounding, and so are the weights, the state of the
    layers and the optimizer's state afterwards: a `model.fit` that follows goes on from there. All epochs run in one compiled
    loop. A model that the loop cannot hold (an own `train_step`, say) is trained by `model.fit` itself: `record.engine` says so
    and `record.reason` says why.

    Args:
        model: a compiled Keras 3 model on the TensorFlow backend.
        x, y, epochs, batch_size, validation_data, validation_split, sample_weight, class_weight: as in `model.fit`.
        shuffle: whether each epoch takes the samples in a new order: the next permutation of
            `numpy.random.default_rng(seed)`. Not the order that Keras would draw, which no seed reproduces.
        seed: whole number, of the order of the batches.
        probes: False leaves out what is measured in the layers; then those arrays of the record have no columns.
        verbose: 0 prints nothing, 1 or 2 one line for each epoch.
        on_progress: called as `on_progress(epochs done, epochs)`, at least every 0.1 s or so; may raise to stop the training.
            KeyboardInterrupt stops it, too; the model keeps what it has learned until then.

    Example:
        record = fit(model, x, y, epochs=100, validation_data=(x_val, y_val))
        record.history["val_loss"][-1], record.gradient_norm[-1]
    """
    _check_model(model)
    _check_numbers(epochs=epochs, batch_size=batch_size, validation_split=validation_split, seed=seed)
    prepared = batches = None
    try:
        data, validation = prepared = prepare(x, y, sample_weight, class_weight, validation_data, validation_split)
        batches = Batches(len(tf.nest.flatten(data)[0]), batch_size, [seed], shuffle)
        graph = _prepare_graph(model, data, validation, batches, Shape(probes=probes))
    except Exception as error:
        reason = _reason(error)
    else:
        run = Run(graph, _state_of(model, graph), data, validation, batches)
        printed = 0

        def progress(done, epochs):
            nonlocal printed
            while verbose and printed < done:
                row = zip(graph.columns["history"], run.rows[printed], strict=False)
                print(f"Epoch {printed + 1}/{epochs}", *(f"{name}: {value:.4g}" for name, value in row), sep=" - ")
                printed += 1
            if on_progress:
                on_progress(done, epochs)

        try:
            run.train(epochs, progress)
        finally:
            _write_back(model, run.state)
        layers = layers_of(model)
        names = [[layers[i].name for i in at] for at in (graph.layers, graph.hidden)]
        return Record.of(run.rows, graph.columns, *names)
    return fit_by_keras(
        model, reason, x, y, sample_weight, class_weight, prepared, batches,
        epochs=epochs, batch_size=batch_size, validation_data=validation_data, validation_split=validation_split,
        shuffle=shuffle, probes=probes, verbose=verbose, on_progress=on_progress,
    )  # fmt: skip


def fit_seeds(
    model,
    x,
    y=None,
    *,
    seeds=20,
    epochs=1,
    batch_size=32,
    validation_data=None,
    validation_split=0.0,
    sample_weight=None,
    class_weight=None,
    shuffle=True,
    on_progress=None,
):
    """Train fresh copies of a compiled Keras model from many seeds, all at once, and return a `SeedStudy`.

    The model is left as it is. The copy of seed s starts from the weights that the layers' initializers draw with seeds derived
    from s (see `fresh_values`), with a fresh optimizer, and takes its batches in the order of `fit(..., seed=s)`: it has the
    losses that `fit` gives for a model with those weights, whichever seeds are trained beside it.

    Args:
        seeds: how many (0, 1, 2, …), or whole numbers such as [3, 7].
        others: as in `fit`.

    Example:
        study = fit_seeds(model, x, y, seeds=100, epochs=100, validation_data=(x_val, y_val))
        print(study.verdict)
    """
    _check_model(model)
    _check_numbers(epochs=epochs, batch_size=batch_size, validation_split=validation_split, seed=0)
    seeds = _seed_list(seeds)
    data, validation = prepare(x, y, sample_weight, class_weight, validation_data, validation_split)
    samples = len(tf.nest.flatten(data)[0])
    build(model, data)
    weights, layers = fresh_values(model, seeds)
    start = State(weights, layers, _fresh_optimizer(model, len(seeds)), [])
    predicted = validation or data
    done = 0

    def deal(copies):
        return Batches(samples, batch_size, [seeds[i] for i in copies], shuffle)

    def progress(epoch, _):
        if on_progress:
            on_progress(done * epochs + epoch * len(copies), len(seeds) * epochs)

    try:
        train, at_once = _copies_by_loop(model, start, data, validation, predicted[0], deal, epochs)
        reason = ""
    except Exception as error:  # whatever it is, model.fit has the last word
        train, at_once = _copies_by_keras(model, start, data, validation, predicted[0], deal, epochs)
        reason = _reason(error)
    histories, skill = [], []
    while done < len(seeds):
        copies = range(done, min(done + at_once, len(seeds)))
        history, predictions = train(copies, progress)
        histories.append(history)
        skill += [skill_of(model, none_for_empty(predicted[1]), p) for p in predictions]
        done += len(copies)
    loss, val_loss = (
        np.concatenate([h[name] for h in histories]) if name in histories[0] else None for name in ("loss", "val_loss")
    )
    return SeedStudy(np.array(seeds), loss, val_loss, np.array(skill), "model.fit" if reason else "loop", reason)


def _copies_by_loop(model, start, data, validation, x, deal, epochs):
    """(function that trains some copies and returns ({name: (copies, epochs)}, [predictions of each for x]), how many at once)."""
    at_once = max(1, min(len(start.weights[0]), SEEDS_AT_ONCE, WEIGHTS_AT_ONCE // max(1, model.count_params())))
    at_once = at_once if _maps_well(model) else 1
    for models in dict.fromkeys((at_once if at_once > 1 else None, None)):
        try:
            graph = _prepare_graph(model, data, validation, deal([0]), Shape(models=models, probes=False))
            answers = predictor_for(model, models, x)
            break
        except Exception as error:  # what cannot be mapped over copies may still train one after the other
            if models is None or isinstance(error, CannotHold):
                raise

    def train(copies, progress):
        # A last block that is not full is filled up, so that it runs on the same graph.
        block = [*copies, *[copies[-1]] * ((models or 1) - len(copies))]
        state = tf.nest.map_structure(lambda a: tf.constant(a[block] if models else a[block[0]]), start)
        lead = [models] if models else []
        state = state._replace(metrics=[tf.zeros([*lead, *shape], dtype) for shape, dtype in graph.metrics])
        run = Run(graph, state, data, validation, deal(block))
        run.train(epochs, progress)
        rows = run.rows if models else run.rows[:, None]
        history = {name: rows[:, : len(copies), i].T for i, name in enumerate(graph.columns["history"])}
        outputs = _predict(answers, run.state, x)
        outputs = outputs if models else [a[None] for a in outputs]
        return history, [[a[i] for a in outputs] for i in range(len(copies))]

    return train, models or 1


def _copies_by_keras(model, start, data, validation, x, deal, epochs):
    """The same by `model.fit`, one copy after the other in the model itself, which gets its values back."""

    def train(copies, progress):
        before = State(*([v.numpy() for v in part] for part in _variables(model)), [])
        try:
            _write_back(model, tf.nest.map_structure(lambda a: a[copies[0]], start))
            record = fit_by_keras(
                model, "", None, None, None, None, (data, validation), deal(copies),
                epochs=epochs, verbose=0, probes=False, on_progress=progress,
            )  # fmt: skip
            predictions = tf.nest.flatten(model.predict(none_for_empty(x), verbose=0))
        finally:
            _write_back(model, before)
        return {name: np.array([values], "float32") for name, values in record.history.items()}, [predictions]

    return train, 1


# --- running a graph ---------------------------------------------------------------------------------------------------


class Run:
    """A run on a graph, in chunks of steps. `state` and `rows`, (epochs, [models,] columns), are those so far."""

    def __init__(self, graph, state, data, validation, batches):
        self.graph, self.state, self.before, self.batches = graph, state, state.weights, batches
        self.pieces = []  # rows, chunk by chunk
        seen = first_samples(data) if graph.shape.probes else ()
        if not graph.shape.ragged_validation:
            shape = [-1, batches.batch_size]
            validation = tf.nest.map_structure(lambda a: tf.reshape(a, [*shape, *a.shape[1:]]), validation)
        self.data = data, seen, validation, tf.constant(batches.batch_size)

    @property
    def rows(self):
        return np.concatenate(self.pieces)

    def train(self, epochs, on_progress=None):
        """Train so many epochs and call `on_progress(epochs done, epochs)` after each chunk."""
        sizes, steps, done = tf.constant(self.batches.sizes), len(self.batches.sizes), 0
        budget = self.graph.steps_at_once
        while done < epochs:
            order = self.batches.deal(min(epochs - done, self.batches.at_once()))
            order = tf.constant(order if self.graph.shape.models else order[:, 0])
            place = np.array([0, 0], "int32")  # epoch and step
            while place[0] < len(order):
                began, before = time.perf_counter(), place
                self.state, self.before, place, rows = self.graph(
                    self.state, self.before, tf.constant(place), *self.data, order, sizes, tf.constant(budget)
                )
                place = place.numpy()
                self.pieces.append(rows.numpy()[before[0] : place[0]])
                taken = (place - before) @ [steps, 1]
                share = CHUNK_SECONDS / (time.perf_counter() - began)
                budget = max(1, round(taken * min(4.0, share)))  # a first call also starts TensorFlow's kernels
                if on_progress:
                    on_progress(done + int(place[0]), epochs)
            done += len(order)
        self.graph.steps_at_once = budget


def _predict(graph, state, x):
    """The outputs for x, an array for each, with an axis of models if the graph has one."""
    pieces = []
    for start in range(0, len(tf.nest.flatten(x)[0]), SAMPLES_PREDICTED):
        part = tf.nest.map_structure(lambda a, start=start: a[start : start + SAMPLES_PREDICTED], x)
        pieces.append([a.numpy() for a in graph.function(*tf.nest.flatten((state.weights, state.layers, part)))])
    return [np.concatenate(parts, 1 if graph.shape.models else 0) for parts in zip(*pieces, strict=True)]


def first_samples(data):
    """What the probes look at."""
    return tf.nest.map_structure(lambda a: a[:SAMPLES_SEEN], data)


def _prepare_graph(model, data, validation, batches, shape):
    """The graph for a model and data, or CannotHold."""
    _check_held(model)
    build(model, data)
    uneven = bool(validation) and count(validation) % batches.batch_size > 0
    shape = shape._replace(validation=bool(validation), ragged=batches.ragged, ragged_validation=uneven)
    return graph_for(model, shape, (data, first_samples(data) if shape.probes else (), validation))


def _variables(model):
    return model.trainable_variables, model.non_trainable_variables, model.optimizer.variables


def _state_of(model, graph):
    values = [[tf.convert_to_tensor(v.value) for v in part] for part in _variables(model)]
    return State(*values, [tf.zeros(shape, dtype) for shape, dtype in graph.metrics])


def _write_back(model, state):
    for part, values in zip(_variables(model), state, strict=False):
        for variable, value in zip(part, values, strict=True):
            variable.assign(value)


def _fresh_optimizer(model, copies):
    """What the optimizer's variables are before the first step, once for each copy."""
    twin = type(model.optimizer).from_config(model.optimizer.get_config())
    twin.build(model.trainable_variables)
    return [np.repeat(v.numpy()[None], copies, 0) for v in twin.variables]


# --- what the loop can hold --------------------------------------------------------------------------------------------

OWN_STEPS = ("fit", "train_step", "test_step", "make_train_function", "make_test_function", "reset_metrics")


def _check_held(model):
    """Raise CannotHold if `model.fit` would do something else than the loop. What tracing tells is checked there."""
    for name in OWN_STEPS:
        if getattr(type(model), name) is not getattr(keras.Model, name) or name in vars(model):
            raise CannotHold(f"The model has its own {name}.")
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if optimizer.gradient_accumulation_steps:
        raise CannotHold("The optimizer accumulates gradients over several steps.")
    if optimizer.use_ema:
        raise CannotHold("The optimizer keeps a moving average of the weights (use_ema=True).")
    if excluded_from_weight_decay(optimizer):
        raise CannotHold("Some weights are excluded from weight decay.")
    if model.run_eagerly:
        raise CannotHold("The model runs eagerly.")
    if model.steps_per_execution != 1:
        raise CannotHold("The model takes several steps at once (steps_per_execution).")
    if tf.distribute.has_strategy() or type(model.distribute_strategy) is not type(tf.distribute.get_strategy()):
        raise CannotHold("The model trains under a tf.distribute strategy.")
    if model.built and not model.trainable_variables:
        raise CannotHold("The model has no weights to train.")
    if any(map(overwritten_by_gradient, model.trainable_variables)):
        raise CannotHold("The optimizer replaces weights by their gradients, as in float8 training.")
    if any(shape and shape[0] is not None for shape in _input_shapes(model)):
        raise CannotHold("The model takes batches of one fixed size.")
    if model.jit_compile and any("seed_generator" in v.path for v in model.variables):
        raise CannotHold("The model draws random numbers and is compiled by XLA, which draws others.")


def _input_shapes(model):
    try:
        return [tuple(tensor.shape) for tensor in model.inputs]
    except (AttributeError, ValueError, TypeError):  # a subclassed model has no inputs that are known beforehand
        return []


def _maps_well(model):
    """Whether copies train faster at once than one after the other: not where a step is itself a loop that is too long to unroll."""
    recurrent = keras.layers.RNN, keras.layers.Bidirectional
    short = [
        layer
        for layer in model.layers
        if isinstance(layer, recurrent) and (_time_steps(layer) or 999) <= STEPS_UNROLLED
    ]
    inside = {id(x) for layer in short for x in layers_of(layer)}
    loops = *recurrent, keras.layers.TimeDistributed
    return not any(isinstance(layer, loops) and id(layer) not in inside for layer in layers_of(model))


def _time_steps(layer):
    """The length of the series that a layer of a functional or Sequential model gets, or None."""
    try:
        return tf.nest.flatten(layer.input)[0].shape[1]
    except (AttributeError, ValueError):
        return None


def _reason(error):
    text = str(error).strip().splitlines()
    return str(error) if isinstance(error, CannotHold) else f"{type(error).__name__}: {text[0] if text else ''}"


# --- what was asked for ------------------------------------------------------------------------------------------------


def _check_model(model):
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(
            f"Keras runs on {keras.backend.backend()}, but why_wont_it_learn needs the TensorFlow backend: set the environment "
            "variable KERAS_BACKEND=tensorflow before Keras is imported."
        )
    if type(model).__module__.startswith("tf_keras") or any(
        c.__module__.startswith("tf_keras") for c in type(model).__mro__
    ):
        raise TypeError("The model is one of tf_keras (Keras 2). Build it with `import keras` (Keras 3.3 or newer).")
    if not isinstance(model, keras.Model):
        raise TypeError(f"model is a {type(model).__name__}, but must be a compiled keras.Model.")
    if not model.compiled:
        raise ValueError("The model is not compiled: call model.compile(optimizer, loss) first.")


def _check_numbers(epochs, batch_size, validation_split, seed):
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{name}={value!r} is not a whole number of 1 or more.")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed={seed!r} is not a whole number of 0 or more.")
    if not 0 <= validation_split < 1:
        raise ValueError(f"validation_split={validation_split!r} is not a fraction from 0 to below 1.")


def _seed_list(seeds):
    """The seeds that a number of seeds (0, 1, 2, …) or some whole numbers stand for."""
    if isinstance(seeds, (int, np.integer)) and not isinstance(seeds, bool):
        seeds = range(seeds)
    if isinstance(seeds, (str, bool)) or not hasattr(seeds, "__iter__"):
        raise ValueError(f"seeds={seeds!r} is neither a number of seeds nor some seeds such as [0, 1, 2].")
    seeds = list(seeds)
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise ValueError(f"seeds contains {seed!r}, which is not a whole number of 0 or more.")
    if not seeds:
        raise ValueError("seeds=0 trains nothing: give a number from 1 on, or some seeds such as [0, 1, 2].")
    return [int(seed) for seed in seeds]
