"""Training experiments: `train` and `train_seeds` to the end, `stream` and `stream_seeds` on the way.

The steps themselves are the engine's (why_wont_it_learn/engine): an `Experiment` compiles to a `Job`, and what comes back
is made into a `Run` or a `SeedStudy` here.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from why_wont_it_learn.engine.cache import give_back
from why_wont_it_learn.engine.job import RunningJob, predict
from why_wont_it_learn.engine.records import by_name
from why_wont_it_learn.engine.training import SEEDS_AT_ONCE, seed_list

from .experiment import FIELDS, check_experiment
from .jobs import job_of, predictor_of
from .models import weight_shapes
from .problems import make_problem, problems_of
from .run import Run, SeedStudy, skill

WEIGHTS_AT_ONCE = 2_000_000  # of all networks together; each takes about 60 bytes while it is trained
NUMBERS_AT_ONCE = 8_000_000  # in the data of all networks together; each takes about 12 bytes


class Chunk(NamedTuple):
    """How far a training has come.

    traces: {name: (epochs, [models, …])} for each of PER_EPOCH. weights: ([models,] parameters) at the end of the last whole
    epoch, or of the best one where early stopping keeps that. shown: ([models,] points, outputs), their predictions.
    ran: ([models,]) how many epochs each has trained; who has stopped early trains no more. done: the share of the steps.
    """

    traces: dict
    weights: np.ndarray
    shown: np.ndarray
    ran: np.ndarray
    done: float


def chunks(experiment, seeds, many, *, jit_compile=False, seconds=None, show=None, probes=True, ends=()):
    """Train the experiment for some seeds; yields a `Chunk` after each chunk, the same as before if no epoch has ended in it.

    many: whether all seeds are trained at once, or the only one alone. seconds: how long a chunk may take, None for as long as
    it likes. show: problem -> inputs (points, inputs) whose predictions are wanted; the validation inputs if None.
    ends: numbers of epochs after which a chunk has to end.
    """
    job = job_of(experiment, seeds, many, probes)
    problems = problems_of(experiment, tuple(seeds))
    x = [show(problem) if show else problem.x_val for problem in problems]
    x = tf.constant(np.stack(x) if many else x[0])
    predictor = predictor_of(experiment, job.graph, x)
    training, chunk = RunningJob(job), None
    for done in training.chunks(seconds, ends, jit_compile):
        if chunk is None or training.epochs > len(chunk.traces["loss"]):
            [shown] = predict(predictor, training.weights, training.state.layers, x)
            chunk = Chunk(_traces(training, experiment, probes), training.weights[0].numpy(), shown, training.ran, done)
        if done == 1:  # where everybody has stopped early, nothing changes any more
            left = experiment.epochs - training.epochs
            traces = {n: np.concatenate([t, np.repeat(t[-1:], left, axis=0)]) for n, t in chunk.traces.items()}
            chunk = chunk._replace(traces=traces)
        chunk = chunk._replace(done=float(done))  # which a front end can be told
        yield chunk


def _traces(training, experiment, probes):
    """{name: (epochs, [models, …])}; without probes the last validation loss only, and nothing of what goes on in the layers."""
    traces, measured = by_name(training.rows, training.graph.columns)
    if not probes:
        traces["val_loss"] = traces["val_loss"][-1:]
    for name, values in measured.items():
        values = values if probes else values[:0]
        # A line is never dead.
        missing = experiment.depth + (name in ("gradient_norm", "update_ratio")) - values.shape[-1]
        traces[name] = np.pad(values, [*[(0, 0)] * (values.ndim - 1), (0, missing)])
    return traces


def stream(experiment, *, jit_compile=False, seconds=0.03, x_show=None, within_epochs=False):
    """Train one network and yield the `Run` so far about every `seconds`; the last one is finished.

    To drop the run, stop asking.

    x_show: (points, features) float32, inputs as the network sees them, whose predictions stand in `Run.shown`; the validation
    inputs if None.
    within_epochs: whether to yield while an epoch is under way, too, so that the caller gets control back however long an epoch
    takes: the same `Run` again, and before the end of the first epoch one without epochs, `len(run.loss) == 0`.
    """
    problem = make_problem(experiment)
    at = problem.x_val if x_show is None else np.concatenate([problem.x_val, x_show])
    run = None
    for chunk in chunks(
        experiment, [experiment.seed], False, jit_compile=jit_compile, seconds=seconds, show=lambda _: at
    ):
        news = len(chunk.traces["loss"]) > (len(run.loss) if run else 0)
        if news or run is None:
            run = Run(
                experiment=experiment,
                problem=problem,
                weights=split_weights(chunk.weights, weight_shapes(experiment)),
                predictions=chunk.shown[: len(problem.x_val)],
                shown=chunk.shown if x_show is None else chunk.shown[len(problem.x_val) :],
                finished=chunk.done == 1,
                **{name: trace[: chunk.ran] for name, trace in chunk.traces.items()},
            )
        if news or within_epochs:
            yield run


def split_weights(vector, shapes):
    """A flat vector as kernels and biases of these shapes."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(vector, ends), shapes, strict=True)]


def train(experiment, *, jit_compile="auto"):
    """Train the network of an experiment and return its finished `Run`.

    The losses are those of `model.fit` from the same first weights with the same batches, up to rounding.

    Args:
        experiment: an `Experiment`.
        jit_compile: False for TensorFlow's graph mode, True for XLA, "auto" for graph mode until XLA has compiled the loop in
            the background, which it begins once a network of this kind has trained for a while. XLA rounds differently, as
            `model.fit` does on another machine.
    """
    _check(experiment, jit_compile)
    *_, run = stream(experiment, jit_compile=jit_compile, seconds=None)
    return run


def train_seeds(experiment, seeds=100, *, probes=True, jit_compile=False):
    """Train the experiment from many seeds at once and return the `SeedStudy`.

    Each seed draws its own data, first weights and batches: member i is `train(experiment.replace(seed=seeds[i]))`.

    Args:
        experiment: an `Experiment`; its own seed is not used.
        seeds: how many (0, 1, 2, …), or a sequence of whole numbers.
        probes: False where nobody looks at the layers, which is several times as quick. Then `val_loss` is measured after
            the last epoch only, (seeds, 1), and of what is measured in the layers there is nothing, (seeds, 0, layers).
        jit_compile: whether to compile with XLA, which pays for more than about 1,000 epochs.
    """
    _check(experiment, jit_compile)
    *_, study = stream_seeds(experiment, seeds, probes=probes, jit_compile=jit_compile, seconds=None)
    return study


def stream_seeds(experiment, seeds=100, *, jit_compile=False, seconds=0.1, probes=True, within_epochs=False):
    """Train many seeds and yield the `SeedStudy` so far about every `seconds`; the last one is finished.

    within_epochs: whether to yield while an epoch is under way, too: then only `done` has grown, and before the end of the
    first epoch of a block of seeds there are no losses, `study.loss.shape[1] == 0`.
    probes=False takes a third of the time: `val_loss` is measured after the last epoch only, (seeds, 1), NaN until then, and of
    what is measured in the layers there is nothing, (seeds, 0, layers). The training is the same.
    """
    seeds = checked_seeds(seeds)
    probes = probes or experiment.early_stopping > 0  # which needs the validation loss of each epoch
    problem = make_problem(experiment.replace(seed=seeds[0]))
    by_weights = WEIGHTS_AT_ONCE // max(1, experiment.hidden_weights)
    by_data = NUMBERS_AT_ONCE // (problem.x.size + problem.x_val.size)
    at_once = max(1, min(SEEDS_AT_ONCE, by_weights, by_data))
    blocks = [seeds[i : i + at_once] for i in range(0, len(seeds), at_once)]
    finished = []
    for block in blocks:
        epochs = 0
        # A last block that is not full is filled up, so that it runs on the same graph.
        filled = block + [block[-1]] * (len(blocks[0]) - len(block))
        problems = problems_of(experiment, tuple(block))
        for chunk in chunks(experiment, filled, True, jit_compile=jit_compile, seconds=seconds, probes=probes):
            if not within_epochs and len(chunk.traces["loss"]) == epochs:
                continue
            epochs = len(chunk.traces["loss"])
            errors = [p.error(answer) for p, answer in zip(problems, chunk.shown, strict=False)]
            part = SeedStudy(
                experiment=experiment,
                seeds=np.array(block),
                error=np.array(errors),
                skill=np.array([skill(e, p) for e, p in zip(errors, problems, strict=True)]),
                baseline=np.array([p.baseline for p in problems]),
                noise_floor=np.array([p.noise_floor for p in problems]),
                weights=chunk.weights[: len(block)],
                epochs_run=chunk.ran[: len(block)],
                **{name: np.swapaxes(trace, 0, 1)[: len(block)] for name, trace in chunk.traces.items()},
            )
            yield SeedStudy.joined([*finished, part], (len(finished) + chunk.done) / len(blocks))
        finished.append(part)
    give_back()


def checked_seeds(seeds):
    """The seeds that a number of seeds (0, 1, 2, …) or some whole numbers stand for, checked."""
    return [FIELDS["seed"].check("seeds", seed) for seed in seed_list(seeds)]


def _check(experiment, jit_compile):
    check_experiment(experiment, "train")
    if jit_compile not in (True, False, "auto"):
        raise ValueError(f"jit_compile={jit_compile!r} is not one of True, False, 'auto'.")
