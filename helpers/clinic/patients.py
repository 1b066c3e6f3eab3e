"""The patients of the clinic: networks that were broken in one or two ways, from a seed.

    patient(seed, level)            a `Patient`, checked: it fails, and its fixes make it learn
    treat(patient, causes, fixes)   what became of it: a `Treatment`
    SYMPTOMS, FIXES                 the causes that can be named, and the fixes that can be prescribed

A new way to break a network is a row of `FAULTS`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np

from why_wont_it_learn.diagnosis.causes import CAUSES

from ..experiments.experiment import FIELDS, Experiment, value_text
from ..experiments.problems import make_problem
from ..experiments.run import nothing_to_learn
from ..experiments.training import stream, train_seeds
from ..lab.plots import shown_inputs

LEVELS = {1: "one obvious cause", 2: "one cause, less obvious", 3: "two causes at once"}
BUDGETS = {1: 6, 2: 6, 3: 8}  # credits for tests
HELD_OUT_SEEDS = range(2000, 2020)  # over which a treatment is judged
FIXED = 0.8  # success rate from which a patient counts as fixed
FAILING = 0.25  # highest success rate of a patient before treatment
SICK = 0.8  # highest skill of the run that is shown


class SymptomOption(NamedTuple):
    """How a cause shows. label: its name in words. shown: what to look for."""

    label: str
    shown: str


# The causes of causes.py that a lab can show.
SYMPTOMS = {
    "capacity_too_low": SymptomOption(
        "too small: no nonlinearity, or too few units",
        "A linear model does as well, or the training loss stops high above the noise floor and longer training changes nothing.",
    ),
    "overfitting": SymptomOption(
        "overfitting: it has learned the noise",
        "The training loss is far below the validation loss, and below the noise floor.",
    ),
    "vanishing_gradient": SymptomOption(
        "vanishing gradient",
        "The gradient of the first layer is a small fraction of the last hidden layer's.",
    ),
    "exploding_gradient": SymptomOption("exploding gradient", "Gradients are already huge in the first epoch."),
    "dead_relu": SymptomOption("dead relu units", "Nearly all units of a layer output 0 for every sample."),
    "saturated_activation": SymptomOption("saturated units", "The units are at the flat ends of their activation."),
    "output_activation_mismatch": SymptomOption(
        "the output activation cannot reach the targets",
        "The predictions stay within bounds that the targets exceed.",
    ),
    "learning_rate_too_high": SymptomOption(
        "learning rate too high",
        "The loss jumps or blows up, each step changes the weights a lot, and a tenth of the learning rate helps.",
    ),
    "learning_rate_too_low": SymptomOption(
        "learning rate too low",
        "The loss falls smoothly and far too slowly, the weights have hardly changed, and ten times the learning rate helps.",
    ),
    "too_few_epochs": SymptomOption(
        "too few epochs",
        "There are few epochs, the loss is still falling at the last one, and longer training helps.",
    ),
    "optimizer_choice": SymptomOption(
        "unsuitable optimizer",
        "The steps get smaller and smaller while the loss is still high.",
    ),
    "unscaled_inputs": SymptomOption(
        "unscaled inputs",
        "The mean or the standard deviation of an input is far from 0 or 1.",
    ),
    "unscaled_targets": SymptomOption(
        "unscaled targets",
        "The targets are far larger than anything that the network predicts.",
    ),
    "missing_values": SymptomOption(
        "missing values reach the network",
        "Some inputs are NaN, or the same strange number again and again.",
    ),
    "over_regularized": SymptomOption(
        "regularized too strongly: L1, L2 or dropout",
        "The predictions hardly differ, and it cannot even overfit ten samples, though nothing else is wrong.",
    ),
    "bad_initialization": SymptomOption(
        "unsuitable initial weights",
        "Something is already wrong in the first epoch: no gradient, a huge one, or saturated units.",
    ),
    "nothing_to_learn": SymptomOption(
        "nothing to learn from these inputs",
        "The best possible prediction is no better than the baseline: no fix helps on the validation set.",
    ),
}


class FixOption(NamedTuple):
    """What can be prescribed. apply: Experiment -> Experiment."""

    group: str
    label: str
    apply: Callable


def _set(**changes):
    return lambda e: e.replace(**changes)


def _times(name, factor, low, high):
    whole = isinstance(low, int)

    def apply(e):
        value = min(high, max(low, getattr(e, name) * factor))
        return e.replace(**{name: max(1, round(value)) if whole else value})

    return apply


def _lr_times(factor):
    return _times("learning_rate", factor, 1e-8, 1000.0)


FIXES = {
    "scale_inputs": FixOption("Data", "scale the inputs (standard)", _set(scaling="standard")),
    "scale_targets": FixOption("Data", "scale the targets (standard)", _set(target_scaling="standard")),
    "drop_missing": FixOption("Data", "drop samples with missing values", _set(imputation="drop")),
    "fill_missing": FixOption("Data", "replace missing values with the mean", _set(imputation="mean")),
    "more_samples": FixOption("Data", "collect ten times as many samples", _times("samples", 10, 2, 2000)),
    "other_inputs": FixOption("Data", "no treatment: other inputs are needed", lambda e: e),
    "deeper": FixOption("Network", "one more hidden layer", lambda e: e.replace(depth=e.depth + 1)),
    "shallower": FixOption("Network", "half the hidden layers", lambda e: e.replace(depth=max(1, e.depth // 2))),
    "wider": FixOption("Network", "eight times the units", _times("width", 8, 1, 128)),
    "narrower": FixOption("Network", "a quarter of the units", _times("width", 0.25, 1, 128)),
    "tanh": FixOption("Network", "tanh in the hidden layers", _set(activation="tanh")),
    "relu": FixOption("Network", "relu with he_normal", _set(activation="relu", initializer="he_normal")),
    "leaky_relu": FixOption("Network", "leaky_relu with he_normal", _set(activation="leaky_relu", initializer="he_normal")),
    "usual_initialization": FixOption(
        "Network", "usual initial weights (glorot_uniform, biases 0)", _set(initializer="glorot_uniform", bias_initializer=0)
    ),
    "matching_output": FixOption("Network", "the output activation that fits the targets", _set(output_activation="auto")),
    "lr_times_100": FixOption("Training", "learning rate × 100", _lr_times(100)),
    "lr_times_10": FixOption("Training", "learning rate × 10", _lr_times(10)),
    "lr_div_10": FixOption("Training", "learning rate ÷ 10", _lr_times(0.1)),
    "lr_div_100": FixOption("Training", "learning rate ÷ 100", _lr_times(0.01)),
    "adam": FixOption("Training", "adam, learning rate 0.01", _set(optimizer="adam", learning_rate=0.01)),
    "longer": FixOption("Training", "ten times the epochs", _times("epochs", 10, 1, 5000)),
    "no_penalty": FixOption("Regularization", "no L1, L2 or dropout", _set(l1=0.0, l2=0.0, dropout=0.0)),
    "some_l2": FixOption("Regularization", "L2 of 0.003", _set(l2=0.003)),
    "stop_early": FixOption("Regularization", "early stopping, patience 30", _set(early_stopping=30)),
}  # fmt: skip


def with_fixes(experiment, fixes):
    """The experiment after some FIXES, one after the other. ValueError if they cannot be combined with it."""
    for name in fixes:
        experiment = FIXES[name].apply(experiment)
    return experiment


# --- faults ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """One way to break a network.

    cause: its name in SYMPTOMS; also: other names that are right, too.
    base: settings that learn. breaks: level -> the changes that make them fail, of which one is drawn.
    fixes: the FIXES that make it learn again. mixes: whether it can be one of two, on `SINE`.
    """

    cause: str
    base: Experiment
    breaks: dict
    fixes: tuple
    also: tuple = ()
    mixes: bool = False


SINE = Experiment(problem="sine", depth=2, width=16, batch_size=None, learning_rate=0.03, epochs=200)
ABS = SINE.replace(problem="abs", activation="relu", initializer="he_normal")
MOONS = SINE.replace(problem="moons")
NOISY = SINE.replace(problem="half_wave", samples=15, noise=0.3, width=32, epochs=500)
DEEP = MOONS.replace(depth=8, width=10, optimizer="sgd", learning_rate=0.1, epochs=600)

FAULTS = (
    Fault("capacity_too_low", SINE, {1: [{"depth": 0}]}, ("deeper",)),
    Fault("capacity_too_low", ABS, {2: [{"activation": "linear"}]}, ("tanh",)),
    Fault("capacity_too_low", MOONS, {2: [{"depth": 1, "width": 1}]}, ("wider",)),
    Fault("overfitting", NOISY, {1: [{}], 2: [{"width": 16}]}, ("more_samples",)),
    Fault("vanishing_gradient", DEEP, {1: [{"activation": "sigmoid"}]}, ("tanh",)),
    Fault("vanishing_gradient", DEEP.replace(depth=5), {2: [{"activation": "sigmoid"}]}, ("tanh",)),
    Fault(
        "exploding_gradient", ABS.replace(depth=4), {1: [{"initializer": "random_normal"}]}, ("usual_initialization",),
        also=("bad_initialization",),
    ),
    Fault(
        "dead_relu", ABS, {1: [{"bias_initializer": -10.0}], 2: [{"bias_initializer": -5.0}]}, ("usual_initialization",),
        also=("bad_initialization",), mixes=True,
    ),
    Fault(
        "saturated_activation", SINE, {1: [{"initializer": "random_normal"}]}, ("usual_initialization",),
        also=("bad_initialization",), mixes=True,
    ),
    Fault("bad_initialization", SINE, {1: [{"initializer": "zeros"}], 2: [{"initializer": "zeros"}]}, ("usual_initialization",), mixes=True),
    Fault(
        "output_activation_mismatch", SINE, {1: [{"output_activation": "relu"}], 2: [{"output_activation": "sigmoid"}]},
        ("matching_output",), mixes=True,
    ),
    Fault("output_activation_mismatch", ABS, {2: [{"output_activation": "tanh"}]}, ("matching_output",)),
    Fault(
        "learning_rate_too_high", SINE.replace(optimizer="momentum"), {1: [{"learning_rate": 3.0}]}, ("lr_div_100",),
        also=("exploding_gradient",),
    ),
    Fault("learning_rate_too_high", SINE, {2: [{"learning_rate": 1.0}]}, ("lr_div_100",), mixes=True),
    Fault("learning_rate_too_low", SINE, {1: [{"learning_rate": 0.0003}]}, ("lr_times_100",), mixes=True),
    Fault("learning_rate_too_low", SINE, {2: [{"learning_rate": 0.001}]}, ("lr_times_10",)),
    Fault("too_few_epochs", SINE, {1: [{"epochs": 10}], 2: [{"epochs": 20}]}, ("longer",), also=("learning_rate_too_low",)),
    Fault("optimizer_choice", MOONS, {2: [{"optimizer": "adagrad", "learning_rate": 0.01}]}, ("adam",), also=("learning_rate_too_low",)),
    Fault(
        "unscaled_inputs", SINE, {1: [{"input_scale": 1000.0, "input_offset": 2000.0}], 2: [{"input_scale": 10.0, "input_offset": 100.0}]},
        ("scale_inputs",), mixes=True,
    ),
    Fault("unscaled_targets", SINE.replace(problem="price"), {1: [{}], 2: [{"activation": "relu"}]}, ("scale_targets",)),
    Fault("missing_values", SINE, {1: [{"missing": 0.01, "imputation": "none"}]}, ("fill_missing",), mixes=True),
    Fault("missing_values", ABS, {2: [{"missing": 0.01, "imputation": "none"}]}, ("fill_missing",)),
    Fault("over_regularized", SINE, {1: [{"l2": 0.3}], 2: [{"l2": 0.1}, {"dropout": 0.5}]}, ("no_penalty",), mixes=True),
    Fault(
        "nothing_to_learn", SINE.replace(problem="root"), {1: [{}]}, ("other_inputs",)
    ),
    Fault(
        "nothing_to_learn", SINE.replace(problem="stock_return", scaling="standard"), {2: [{}]}, ("other_inputs",)
    ),
)  # fmt: skip


PREDICTS = {"regression": "a number", "binary": "one of two classes", "multiclass": "one of several classes"}


@dataclass(frozen=True)
class Patient:
    """A network that does not learn, and why; the clinic shows title and story before the treatment, the rest after it.

    experiment: the failing settings. causes: for each cause, the names in SYMPTOMS that are right.
    fixes: the FIXES that together make it learn. ending: what it turned out to be, as a sentence.
    complaint: its story, if it is not to be told from its run. level: of LEVELS; None for a case of the casebook.
    budget: credits for its tests.
    """

    title: str
    experiment: Experiment = field(repr=False)
    causes: tuple = field(repr=False)
    fixes: tuple = field(repr=False)
    ending: str = field(default="", repr=False)
    complaint: str = ""
    level: int | None = None
    budget: int = 6

    @property
    def story(self):
        """How it presents itself; where there is nothing to learn it does not say so."""
        if self.complaint:
            return self.complaint
        problem = self.run.problem
        inputs = problem.raw_x.shape[1]
        words = f"A network that predicts {PREDICTS[problem.task]}: {inputs} input{'s' * (inputs > 1)}, {len(problem.x)} training samples."
        hopeless = "It learned nothing: always predicting the mean is as good."
        return f"{words} {hopeless if nothing_to_learn(problem) else self.run.verdict}"

    @property
    def n_causes(self):
        """How many causes are to be named."""
        return len(self.causes)

    @cached_property
    def run(self):
        """The failing `Run` that the tests look at, with its predictions for the plot of the fit."""
        *_, run = stream(self.experiment, seconds=None, x_show=shown_inputs(self.experiment))
        return run


class Treatment(NamedTuple):
    """What became of a patient. n_named: how many causes were named. sentences: for the learner. lessons: file names."""

    n_named: int
    fixed: bool
    sentences: list
    lessons: list


def treat(patient, causes, fixes):
    """Compare the named causes with the true ones, and retrain with the fixes over held-out seeds: a `Treatment`."""
    unnamed = list(patient.causes)
    for name in dict.fromkeys(causes):
        if hit := next((names for names in unnamed if name in names), None):
            unnamed.remove(hit)
    n_named = patient.n_causes - len(unnamed)
    if patient.n_causes > 1:
        sentences = [f"You named {n_named} of {patient.n_causes} causes."]
    else:
        sentences = ["You named the cause." if n_named else "That was not the cause."]
    true = [names[0] for names in patient.causes]
    sentences += [
        f"{SYMPTOMS[name].label.capitalize()}. {CAUSES[name].explanation} {SYMPTOMS[name].shown}" for name in true
    ]
    fixed, sentence = _try_fixes(patient.experiment, fixes)
    sentences += [sentence, patient.ending] if patient.ending else [sentence]
    if not fixed:
        sentences.append(f"What fixes it: {' and '.join(FIXES[name].label for name in patient.fixes)}.")
    return Treatment(n_named, fixed, sentences, list(dict.fromkeys(CAUSES[name].lesson for name in true)))


def _try_fixes(experiment, fixes):
    """Whether the fixes make the experiment learn, and a sentence about it."""
    hopeless = nothing_to_learn(make_problem(experiment))
    if hopeless and list(fixes) == ["other_inputs"]:
        return True, "Right to leave it alone: no network can find in these inputs what is not there."
    if hopeless:
        return False, "No treatment can help here."
    if "other_inputs" in fixes:
        return False, "This patient could have been fixed."
    try:
        study = train_seeds(with_fixes(experiment, fixes), HELD_OUT_SEEDS, probes=False)
    except ValueError as error:
        return False, f"This prescription cannot be filled: {error}"
    fixed = study.success_rate >= FIXED
    verdict = "Fixed." if fixed else f"{FIXED:.0%} are needed."
    return fixed, f"Your prescription: {study.learned.sum()} of {len(study.seeds)} held-out seeds learn. {verdict}"


def patient(seed, level=1):
    """The patient of a seed: always the same one.

    It is checked before it is admitted: unchanged, at most a quarter of eight seeds learn, and the worst, which is shown, has
    a skill of at most 0.8; with its fixes, at least 80% learn. Of two causes, fixing one is not enough. A draw that does not
    pass gives way to the next.

    Args:
        seed: a whole number of 0 or more.
        level: 1, 2 or 3, see LEVELS.
    """
    if level not in LEVELS:
        raise ValueError(f"level={level!r} is not one of {', '.join(map(str, LEVELS))}.")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed={seed!r} is not a whole number of 0 or more.")
    draws = _draws(level)
    turn, place = divmod(seed, len(draws))
    order = np.random.default_rng([level, turn]).permutation(len(draws))
    rng = np.random.default_rng([level, seed, 1])
    for attempt in range(len(draws)):
        drawn = _checked(draws[order[(place + attempt) % len(draws)]], level, rng)
        if drawn is not None:
            return Patient(f"Patient {seed}, level {level}", **drawn, level=level, budget=BUDGETS[level])
    raise RuntimeError(f"No patient of level {level} passes the checks any more: look at FAULTS.")


def _draws(level):
    """What can be drawn at a level: tuples of faults."""
    if level < 3:
        return [(fault,) for fault in FAULTS if level in fault.breaks]
    mixing = [fault for fault in FAULTS if fault.mixes]
    return [(one, other) for one, other in combinations(mixing, 2) if _mix(one, other)]


def _mix(one, other):
    """Whether two faults can come together: they have different causes and fixes, and change different fields."""
    fields = [{name for changes in fault.breaks.values() for c in changes for name in c} for fault in (one, other)]
    return one.cause != other.cause and not fields[0] & fields[1] and one.fixes != other.fixes


def _checked(faults, level, rng):
    """{experiment, causes, fixes, ending} of a patient, or None if this draw does not pass the checks."""
    base = (faults[0] if len(faults) == 1 else max(faults, key=lambda fault: fault.base != SINE)).base
    changes = {}
    for fault in faults:
        options = fault.breaks[max(level_ for level_ in fault.breaks if level_ <= level)]
        changes |= options[rng.integers(len(options))]
    failing = base.replace(samples=base.samples if base.samples < 100 else int(rng.choice([150, 200, 250])))
    failing = failing.replace(**changes)
    fixes = tuple(name for fault in faults for name in fault.fixes)
    seeds = range(int(rng.integers(10_000, 900_000)))[-8:]
    study = train_seeds(failing, seeds, probes=False)
    worst = int(np.nan_to_num(study.skill, nan=-np.inf).argmin())
    if study.success_rate > FAILING or study.skill[worst] > SICK or not _fix(failing, fixes, seeds):
        return None
    if len(faults) == 2 and any(_fix(failing, fault.fixes, seeds) for fault in faults):
        return None
    settings = ", ".join(f"{FIELDS[name].label} {value_text(value)}" for name, value in changes.items())
    return {
        "experiment": failing.replace(seed=int(study.seeds[worst])),
        "causes": tuple((fault.cause, *fault.also) for fault in faults),
        "fixes": fixes,
        "ending": f"What had been changed: {settings}." if settings else "",
    }


def _fix(failing, fixes, seeds):
    """Whether the fixes make the failing experiment learn."""
    if "other_inputs" in fixes:
        return nothing_to_learn(make_problem(failing))
    return train_seeds(with_fixes(failing, fixes), seeds, probes=False).success_rate >= FIXED
