"""`fit` and `fit_seeds`: a model and data in, a record out."""

import contextlib
import itertools
import reprlib
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from ..keras_private import excluded_from_weight_decay, layers_of, overwritten_by_gradient
from .batches import Batches, CannotHold, count, fixed_batch_size, none_for_empty, prepare, stateful_batch_size
from .by_keras import fit_by_keras
from .initial_weights import fresh_values
from .job import Job, RunningJob, predict
from .layer_metrics import first_samples
from .records import Record, SeedStudy, skill_of
from .state import Shape
from .tracing import build, graph_for, maps_well, predictor_for

CHUNK_SECONDS = 0.08  # a run is asked about twelve times a second whether it is to stop
SEEDS_AT_ONCE = 100
WEIGHTS_AT_ONCE = 2_000_000  # of all copies together; each takes about 60 bytes while it is trained


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
    jit_compile="auto",
    verbose=0,
    on_progress=None,
):
    """Train a compiled Keras model in place, as `model.fit` does, and return a `Record` of what went on in its layers.

    With `shuffle=False`, the losses are those of `model.fit(shuffle=False)` at every epoch, up to rounding, and so are the weights, the state of the
    layers and the optimizer's state afterwards: a `model.fit` that follows goes on from there. All epochs run in one compiled
    loop. A model that the loop cannot run (a custom `train_step`) is trained by `model.fit` itself: `record.engine` says so
    and `record.reason` says why.

    Args:
        model: a compiled Keras 3 model on the TensorFlow backend.
        x, y, epochs, batch_size, validation_data, validation_split, sample_weight, class_weight: as in `model.fit`.
        shuffle: whether each epoch takes the samples in a new order: the next permutation of
            `numpy.random.default_rng(seed)`. Not the order that Keras would draw, which no seed reproduces.
        seed: whole number, of the order of the batches.
        probes: False leaves out what is measured in the layers; then those arrays of the record have no columns.
        jit_compile: "auto" runs in TensorFlow's graph mode until XLA has compiled the loop in the background, which pays for
            a run of some seconds; False is graph mode only; True waits for XLA. XLA rounds differently, in the last digits.
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
        batches = Batches.of(len(tf.nest.flatten(data)[0]), batch_size, [seed], shuffle)
        job = _job(model, data, validation, batches, batch_size, epochs, Shape(probes=probes))
    except Exception as error:
        reason = _reason(error)
    else:
        training, columns = RunningJob(job), job.graph.columns
        try:
            _run(training, jit_compile, verbose, on_progress)
        finally:
            state, packing = training.state, job.graph.packing
            _write_back(model, (packing.parts(state.weights), state.layers, packing.parts_of_slots(state.optimizer)))
        layers = layers_of(model)
        names = [[layers[i].name for i in at] for at in (job.graph.layers, job.graph.hidden)]
        return Record.of(training.rows, columns, *names)
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
    score=None,
    jit_compile="auto",
    on_progress=None,
):
    """Train fresh copies of a compiled Keras model from many seeds, all at once, and return a `SeedStudy`.

    The model is left as it is. The copy of seed s starts from the weights that the layers' initializers draw with seeds derived
    from s (see `fresh_values`), with a fresh optimizer, and takes its batches in the order of `fit(..., seed=s)`: it has the
    losses that `fit` gives for a model with those weights, whatever the other seeds are.

    Args:
        seeds: how many (0, 1, 2, …), or whole numbers such as [3, 7].
        score: `score(targets, [predictions of each output])`, a number that takes the place of the skill; None for `skill_of`.
        others: as in `fit`.

    Example:
        study = fit_seeds(model, x, y, seeds=100, epochs=100, validation_data=(x_val, y_val))
        print(study.verdict)
    """
    _check_model(model)
    _check_numbers(epochs=epochs, batch_size=batch_size, validation_split=validation_split, seed=0)
    seeds = seed_list(seeds)
    score = score or partial(skill_of, model)
    data, validation = prepare(x, y, sample_weight, class_weight, validation_data, validation_split)
    samples = len(tf.nest.flatten(data)[0])
    _check_whole_batches(model, batch_size, data, validation)
    build(model, data)
    weights, layers = fresh_values(model, seeds)
    start = weights, layers, _fresh_optimizer(model, len(seeds))
    predicted = validation or data
    done = 0

    def deal(copies):
        return Batches.of(samples, batch_size, [seeds[i] for i in copies], shuffle)

    def progress(epoch, _):
        if on_progress:
            on_progress(done * epochs + epoch * len(copies), len(seeds) * epochs)

    try:
        train, at_once = _copies_by_loop(
            model, start, data, validation, predicted[0], deal, batch_size, epochs, jit_compile
        )
        reason = ""
    except Exception as error:  # whatever it is, model.fit has the last word
        train, at_once = _copies_by_keras(model, start, data, validation, predicted[0], deal, batch_size, epochs)
        reason = _reason(error)
    histories, skill = [], []
    while done < len(seeds):
        copies = range(done, min(done + at_once, len(seeds)))
        history, predictions = train(copies, progress)
        histories.append(history)
        skill += [score(none_for_empty(predicted[1]), p) for p in predictions]
        done += len(copies)
    loss, val_loss = (
        np.concatenate([h[name] for h in histories]) if name in histories[0] else None for name in ("loss", "val_loss")
    )
    return SeedStudy(np.array(seeds), loss, val_loss, np.array(skill), "model.fit" if reason else "loop", reason)


def _run(training, jit_compile, verbose, on_progress):
    """Train to the end; prints and tells of what has ended."""
    columns, epochs, printed = training.graph.columns["history"], training.job.epochs, 0
    for _ in training.chunks(CHUNK_SECONDS, jit_compile=jit_compile):
        while verbose and printed < training.epochs:
            row = zip(columns, training.rows[printed], strict=False)
            print(f"Epoch {printed + 1}/{epochs}", *(f"{name}: {value:.4g}" for name, value in row), sep=" - ")
            printed += 1
        if on_progress:
            on_progress(training.epochs, epochs)


def _copies_by_loop(model, start, data, validation, x, deal, batch_size, epochs, jit_compile):
    """(function that trains some copies and returns ({name: (copies, epochs)}, [predictions of each for x]), how many at once)."""
    at_once = max(1, min(len(start[0][0]), SEEDS_AT_ONCE, WEIGHTS_AT_ONCE // max(1, model.count_params())))
    at_once = at_once if maps_well(model, at_once) else 1

    def job(models, block):
        state = tf.nest.map_structure(lambda a: tf.constant(a[block] if models else a[block[0]]), start)
        shape = Shape(models=models, probes=False)
        return _job(model, data, validation, deal(block), batch_size, epochs, shape, state)

    for models in dict.fromkeys((at_once if at_once > 1 else None, None)):
        try:
            graph = job(models, [0] * (models or 1)).graph
            predictor = predictor_for(model, graph, x)
            break
        except Exception as error:  # what cannot be mapped over copies may still train one after the other
            if models is None or isinstance(error, CannotHold):
                raise

    def train(copies, progress):
        # A last block that is not full is filled up, so that it runs on the same graph.
        training = RunningJob(job(models, [*copies, *[copies[-1]] * ((models or 1) - len(copies))]))
        for _ in training.chunks(CHUNK_SECONDS, jit_compile=jit_compile):
            progress(training.epochs, epochs)
        rows = training.rows if models else training.rows[:, None]
        history = {name: rows[:, : len(copies), i].T for i, name in enumerate(graph.columns["history"])}
        outputs = predict(predictor, training.state.weights, training.state.layers, x)
        outputs = outputs if models else [a[None] for a in outputs]
        return history, [[a[i] for a in outputs] for i in range(len(copies))]

    return train, models or 1


def _copies_by_keras(model, start, data, validation, x, deal, batch_size, epochs):
    """The same by `model.fit`, one copy after the other in the model itself, which gets its values back."""

    def train(copies, progress):
        with _as_copy(model, start, copies[0]):
            record = fit_by_keras(
                model, "", None, None, None, None, (data, validation), deal(copies),
                epochs=epochs, batch_size=batch_size, verbose=0, probes=False, on_progress=progress,
            )  # fmt: skip
            predictions = tf.nest.flatten(model.predict(none_for_empty(x), batch_size=batch_size, verbose=0))
        return {name: np.array([values], "float32") for name, values in record.history.items()}, [predictions]

    return train, 1


def fresh_copy(model, seed):
    """While active, a built model is a fresh copy of this seed with a fresh optimizer; then it gets its own values back."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return _as_copy(model, (*fresh_values(model, [seed]), _fresh_optimizer(model, 1)), 0)


@contextlib.contextmanager
def _as_copy(model, start, number):
    """While active, a model has the values of one copy of `start`; then it gets its own back."""
    before = [[v.numpy() for v in part] for part in _variables(model)]
    try:
        _write_back(model, tf.nest.map_structure(lambda a: a[number], start))
        yield
    finally:
        _write_back(model, before)


# --- models in and out of programs -------------------------------------------------------------------------------------


def _job(model, data, validation, batches, batch_size, epochs, shape, state=None):
    """The `Job` of a model and data, or CannotHold. state: as in `Job`, but not packed; that of the model if None."""
    _check_held(model)
    build(model, data)
    uneven = bool(validation) and count(validation) % batch_size > 0
    shape = shape._replace(validation=bool(validation), ragged=batches.ragged, ragged_validation=uneven)
    graph = graph_for(model, shape, (data, first_samples(data) if shape.probes else (), validation))
    if state is None:
        state = [[tf.convert_to_tensor(v.value) for v in part] for part in _variables(model)]
    weights, layers, slots = state
    state = graph.packing.joined(weights, shape.lead), layers, graph.packing.joined_slots(slots, shape.lead)
    return Job(graph, state, data, validation, batches, epochs, validation_batch=batch_size)


def _variables(model):
    return model.trainable_variables, model.non_trainable_variables, model.optimizer.variables


def _write_back(model, state):
    for part, values in zip(_variables(model), state, strict=True):
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
    own_strategy = type(model.distribute_strategy) is not type(tf.distribute.get_strategy())
    draws = any("seed_generator" in v.path for v in model.variables)
    for cannot, why in (
        (optimizer.gradient_accumulation_steps, "The optimizer accumulates gradients over several steps."),
        (optimizer.use_ema, "The optimizer keeps a moving average of the weights (use_ema=True)."),
        (excluded_from_weight_decay(optimizer), "Some weights are excluded from weight decay."),
        (model.run_eagerly, "The model runs eagerly."),
        (model.steps_per_execution != 1, "The model takes several steps at once (steps_per_execution)."),
        (tf.distribute.has_strategy() or own_strategy, "The model trains under a tf.distribute strategy."),
        (model.built and not model.trainable_variables, "The model has no weights to train."),
        (any(map(overwritten_by_gradient, model.trainable_variables)), "The optimizer replaces weights by their gradients, as in float8 training."),
        (fixed_batch_size(model) is not None, "The model takes batches of one fixed size."),
        (model.jit_compile and draws, "The model draws random numbers and is compiled by XLA, which draws others."),
    ):  # fmt: skip
        if cannot:
            raise CannotHold(why)


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
    if any(c.__module__.startswith("tf_keras") for c in type(model).__mro__):
        raise TypeError("The model is one of tf_keras (Keras 2). Build it with `import keras` (Keras 3.3 or newer).")
    if not isinstance(model, keras.Model):
        raise TypeError(f"model is a {type(model).__name__}, but must be a compiled keras.Model.")
    if not model.compiled:
        raise ValueError("The model is not compiled: call model.compile(optimizer, loss) first.")


def _check_numbers(epochs, batch_size, validation_split, seed):
    for name, value, least in (("epochs", epochs, 1), ("batch_size", batch_size, 1), ("seed", seed, 0)):
        if not _is_whole(value, least):
            raise ValueError(f"{name}={value!r} is not a whole number of {least} or more.")
    if not 0 <= validation_split < 1:
        raise ValueError(f"validation_split={validation_split!r} is not a fraction from 0 to below 1.")


def _is_whole(value, least):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= least


def _check_whole_batches(model, batch_size, *parts):
    """ValueError if layers that keep their state from batch to batch would get batches of another size than they are built for.

    parts: the training data and the validation data, as the loop takes them.
    """
    size = stateful_batch_size(model)
    if size is None:
        return
    counts = [count(part) for part in parts if part]
    if batch_size != size or any(number % size for number in counts):
        raise ValueError(
            f"The model takes batches of {size} samples only, and gets batch_size={batch_size} and {' and '.join(map(str, counts))} "
            f"samples: give batch_size={size}, and multiples of {size} samples to train and to judge by."
        )


MOST_SEEDS = 1_000_000  # a list of more fills the memory before anything is trained


def seed_list(seeds):
    """The seeds that a number of seeds (0, 1, 2, …) or some whole numbers stand for: a list of int; ValueError for anything else."""
    given = seeds
    if isinstance(seeds, (int, np.integer)) and not isinstance(seeds, bool):
        seeds = range(seeds)
    if isinstance(seeds, (str, bool)) or not hasattr(seeds, "__iter__"):
        raise ValueError(f"seeds={given!r} is neither a number of seeds nor some seeds such as [0, 1, 2].")
    seeds = list(itertools.islice(seeds, MOST_SEEDS + 1))
    if len(seeds) > MOST_SEEDS:
        raise ValueError(
            f"seeds={reprlib.repr(given)} is more than {MOST_SEEDS:,} trainings, the most that one call takes."
        )
    for seed in seeds:
        if not _is_whole(seed, 0):
            raise ValueError(f"seeds contains {seed!r}, which is not a whole number of 0 or more.")
    if not seeds:
        raise ValueError(
            f"seeds={given!r} trains nothing: give a number of 1 or more, or some seeds such as [0, 1, 2]."
        )
    return [int(seed) for seed in seeds]
