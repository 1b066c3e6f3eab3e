"""The patients of the clinic: networks that were broken in one or two ways, from a seed.

    patient(seed, level)     a `Patient`, checked: as it is it fails, and there is a prescription that cures it
    TESTS                    what can be ordered, and what it costs
    SIGNS                    what can be named
    REMEDIES                 what can be prescribed

A new illness is a row of `ILLNESSES`. What a patient suffers from stands in the kernel only. Nothing that is shown tells it:
no widget, no output, no repr. Whoever reads the attributes with an underscore can find it, as in every program.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np

from why_wont_it_learn.diagnosis.causes import CAUSES

from ..experiments.experiment import SETTINGS, Experiment
from ..experiments.problems import make_problem
from ..experiments.run import nothing_to_learn
from ..experiments.symptoms import line_skill
from ..experiments.training import stream, stream_seeds
from ..lab.plots import number, show_points
from ..rescue import shown

LEVELS = {1: "one plain cause", 2: "one cause, less plain", 3: "two causes at once"}
BUDGETS = {1: 6, 2: 6, 3: 8}
TRIED = range(1000, 1008)  # the seeds of the tests that train anew
HELD_OUT = range(2000, 2020)  # the seeds over which a treatment is judged
CURED = 0.8  # success rate from which on a patient counts as cured
FAILING = 0.25  # a patient learns in at most this share of the seeds


class Sign(NamedTuple):
    """How a cause is told. label: its name in words. shown: what one sees of it."""

    label: str
    shown: str


# Of the causes in causes.py those that a lab can show.
SIGNS = {
    "capacity_too_low": Sign(
        "too small: no bend, or too few units",
        "A straight line does as well, or the training loss stops high above the noise floor, and longer training changes nothing.",
    ),
    "overfitting": Sign(
        "overfitting: it has learned the noise",
        "The training loss is far below the validation loss, and below the noise floor.",
    ),
    "vanishing_gradient": Sign(
        "vanishing gradient",
        "The gradient of the first layer is a small share of the last hidden layer's.",
    ),
    "exploding_gradient": Sign(
        "exploding gradient",
        "Gradients are huge in the first epoch already.",
    ),
    "dead_relu": Sign(
        "dead relu units",
        "The units that no point moves: nearly all of a layer.",
    ),
    "saturated_activation": Sign(
        "saturated units",
        "The units stand at the flat ends of their activation.",
    ),
    "output_activation_mismatch": Sign(
        "the output cannot give these answers",
        "The answers stay between bounds that the targets do not keep.",
    ),
    "learning_rate_too_high": Sign(
        "learning rate too high",
        "The loss jumps or blows up, each step moves the weights far, and a tenth of the rate helps.",
    ),
    "learning_rate_too_low": Sign(
        "learning rate too low",
        "The loss falls smoothly and far too slowly, the weights have hardly moved, and ten times the rate helps.",
    ),
    "too_few_epochs": Sign(
        "too few epochs",
        "There are few epochs, the loss is still falling at the last one, and longer training helps.",
    ),
    "optimizer_choice": Sign(
        "an optimizer that does not suit",
        "The steps get smaller and smaller while the loss is still high.",
    ),
    "unscaled_inputs": Sign(
        "inputs far from 0 and 1",
        "The mean or the standard deviation of an input is far from what weights are made for.",
    ),
    "unscaled_targets": Sign(
        "targets out of reach",
        "The targets are far larger than anything that the network answers.",
    ),
    "missing_values": Sign(
        "missing values go into the network",
        "Some inputs are NaN, or one and the same strange number.",
    ),
    "over_regularized": Sign(
        "held back too hard: L1, L2 or dropout",
        "The answers hardly differ, and even ten points are not learned, though nothing else is wrong.",
    ),
    "bad_initialization": Sign(
        "unsuitable first weights",
        "Something is wrong in the first epoch already: no gradient, or a huge one, or flat units.",
    ),
    "nothing_to_learn": Sign(
        "nothing to learn from these inputs",
        "The best possible answer is no better than a constant: nothing that is tried helps on new points.",
    ),
}


class Remedy(NamedTuple):
    """What can be prescribed. treat: experiment -> experiment."""

    group: str
    label: str
    treat: Callable


def _set(**changes):
    return lambda e: e.replace(**changes)


def _times(field, factor, low, high):
    whole = isinstance(low, int)

    def treat(e):
        value = min(high, max(low, getattr(e, field) * factor))
        return e.replace(**{field: max(1, round(value)) if whole else value})

    return treat


REMEDIES = {
    "scale_inputs": Remedy("Data", "scale the inputs (standard)", _set(scaling="standard")),
    "scale_targets": Remedy("Data", "scale the targets (standard)", _set(target_scaling="standard")),
    "drop_missing": Remedy("Data", "leave out points with missing values", _set(imputation="drop")),
    "fill_missing": Remedy("Data", "put the mean in place of missing values", _set(imputation="mean")),
    "more_points": Remedy("Data", "collect ten times the points", _times("samples", 10, 2, 2000)),
    "other_inputs": Remedy("Data", "no treatment: other inputs are needed", lambda e: e),
    "deeper": Remedy("Network", "one hidden layer more", lambda e: e.replace(depth=e.depth + 1)),
    "shallower": Remedy("Network", "half the hidden layers", lambda e: e.replace(depth=max(1, e.depth // 2))),
    "wider": Remedy("Network", "eight times the units", _times("width", 8, 1, 128)),
    "narrower": Remedy("Network", "a quarter of the units", _times("width", 0.25, 1, 128)),
    "tanh": Remedy("Network", "tanh in the hidden layers", _set(activation="tanh")),
    "relu": Remedy("Network", "relu with he_normal", _set(activation="relu", initializer="he_normal")),
    "leaky_relu": Remedy(
        "Network", "leaky_relu with he_normal", _set(activation="leaky_relu", initializer="he_normal")
    ),
    "usual_start": Remedy(
        "Network",
        "usual first weights (glorot_uniform, biases 0)",
        _set(initializer="glorot_uniform", bias_initializer=0),
    ),
    "own_output": Remedy("Network", "the output activation that fits the targets", _set(output_activation="own")),
    "rate_times_100": Remedy("Training", "learning rate × 100", _times("learning_rate", 100, 1e-8, 1000.0)),
    "rate_times_10": Remedy("Training", "learning rate × 10", _times("learning_rate", 10, 1e-8, 1000.0)),
    "rate_by_10": Remedy("Training", "learning rate ÷ 10", _times("learning_rate", 0.1, 1e-8, 1000.0)),
    "rate_by_100": Remedy("Training", "learning rate ÷ 100", _times("learning_rate", 0.01, 1e-8, 1000.0)),
    "adam": Remedy("Training", "adam, learning rate 0.01", _set(optimizer="adam", learning_rate=0.01)),
    "longer": Remedy("Training", "ten times the epochs", _times("epochs", 10, 1, 5000)),
    "no_penalty": Remedy("Regularization", "no L1, L2 or dropout", _set(l1=0.0, l2=0.0, dropout=0.0)),
    "some_l2": Remedy("Regularization", "L2 of 0.003", _set(l2=0.003)),
    "stop_early": Remedy("Regularization", "early stopping, patience 30", _set(early_stopping=30)),
}


def treated(experiment, remedies):
    """The experiment after some remedies, one after the other. ValueError if they cannot be combined with it."""
    for name in remedies:
        experiment = REMEDIES[name].treat(experiment)
    return experiment


# --- illnesses ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Illness:
    """One way to break a network.

    cause: its name in SIGNS; also: other names that are right, too.
    base: the healthy setting. breaks: level -> the changes that make it ill, of which one is drawn.
    cure: the remedies that heal it. mixes: whether it can be one of two, on `SINE`.
    """

    cause: str
    base: Experiment
    breaks: dict
    cure: tuple
    also: tuple = ()
    mixes: bool = False


SINE = Experiment(problem="sine", depth=2, width=16, batch_size=None, learning_rate=0.03, epochs=200)
ABS = SINE.replace(problem="abs", activation="relu", initializer="he_normal")
MOONS = SINE.replace(problem="moons")
PRODUCT = SINE.replace(problem="product")
NOISY = SINE.replace(problem="half_wave", samples=15, noise=0.3, width=32, epochs=500)
DEEP = MOONS.replace(depth=8, width=10, optimizer="sgd", learning_rate=0.1, epochs=600)

ILLNESSES = (
    Illness("capacity_too_low", SINE, {1: [{"depth": 0}]}, ("deeper",)),
    Illness("capacity_too_low", ABS, {2: [{"activation": "linear"}]}, ("tanh",)),
    Illness("capacity_too_low", MOONS, {2: [{"depth": 1, "width": 1}]}, ("wider",)),
    Illness("overfitting", NOISY, {1: [{}], 2: [{"width": 16}]}, ("more_points",)),
    Illness("vanishing_gradient", DEEP, {1: [{"activation": "sigmoid"}]}, ("tanh",)),
    Illness("vanishing_gradient", DEEP.replace(depth=5), {2: [{"activation": "sigmoid"}]}, ("tanh",)),
    Illness(
        "exploding_gradient", ABS.replace(depth=4), {1: [{"initializer": "random_normal"}]}, ("usual_start",),
        also=("bad_initialization",),
    ),
    Illness(
        "dead_relu", ABS, {1: [{"bias_initializer": -10.0}], 2: [{"bias_initializer": -5.0}]}, ("usual_start",),
        also=("bad_initialization",), mixes=True,
    ),
    Illness(
        "saturated_activation", SINE, {1: [{"initializer": "random_normal"}]}, ("usual_start",),
        also=("bad_initialization",), mixes=True,
    ),
    Illness("bad_initialization", SINE, {1: [{"initializer": "zeros"}], 2: [{"initializer": "zeros"}]}, ("usual_start",), mixes=True),
    Illness(
        "output_activation_mismatch", SINE, {1: [{"output_activation": "relu"}], 2: [{"output_activation": "sigmoid"}]},
        ("own_output",), mixes=True,
    ),
    Illness("output_activation_mismatch", ABS, {2: [{"output_activation": "tanh"}]}, ("own_output",)),
    Illness(
        "learning_rate_too_high", SINE.replace(optimizer="momentum"), {1: [{"learning_rate": 3.0}]}, ("rate_by_100",),
        also=("exploding_gradient",),
    ),
    Illness("learning_rate_too_high", SINE, {2: [{"learning_rate": 1.0}]}, ("rate_by_100",), mixes=True),
    Illness("learning_rate_too_low", SINE, {1: [{"learning_rate": 0.0003}]}, ("rate_times_100",), mixes=True),
    Illness("learning_rate_too_low", SINE, {2: [{"learning_rate": 0.001}]}, ("rate_times_10",)),
    Illness("too_few_epochs", SINE, {1: [{"epochs": 10}], 2: [{"epochs": 20}]}, ("longer",), also=("learning_rate_too_low",)),
    Illness("optimizer_choice", MOONS, {2: [{"optimizer": "adagrad", "learning_rate": 0.01}]}, ("adam",), also=("learning_rate_too_low",)),
    Illness(
        "unscaled_inputs", SINE, {1: [{"stretch": 1000.0, "offset": 2000.0}], 2: [{"stretch": 10.0, "offset": 100.0}]},
        ("scale_inputs",), mixes=True,
    ),
    Illness("unscaled_targets", SINE.replace(problem="price"), {1: [{}], 2: [{"activation": "relu"}]}, ("scale_targets",)),
    Illness("missing_values", SINE, {1: [{"missing": 0.01, "imputation": "none"}]}, ("fill_missing",), mixes=True),
    Illness("missing_values", ABS, {2: [{"missing": 0.01, "imputation": "none"}]}, ("fill_missing",)),
    Illness("over_regularized", SINE, {1: [{"l2": 0.3}], 2: [{"l2": 0.1}, {"dropout": 0.5}]}, ("no_penalty",), mixes=True),
    Illness(
        "nothing_to_learn", SINE.replace(problem="root"), {1: [{}]}, ("other_inputs",)
    ),
    Illness(
        "nothing_to_learn", SINE.replace(problem="stock_return", scaling="standard"), {2: [{}]}, ("other_inputs",)
    ),
)  # fmt: skip


class Patient:
    """A network that does not learn, and what one may know of it. Why it does not stands in `_file`, which tells nobody.

    title, story: how it presents itself. level: of LEVELS, or None for a case of the casebook.
    budget: what its tests may cost. slots: how many causes are to be named.
    """

    __slots__ = ("_file", "budget", "level", "slots", "story", "title")

    def __init__(self, title, story, level, budget, file):
        self.title, self.story, self.level, self.budget = title, story, level, budget
        self.slots = len(file.causes)
        self._file = file

    def __repr__(self):
        return f"<{self.title}: sealed>"

    def order(self, name):
        """The result of one of TESTS: a `Result`."""
        return TESTS[name].look(self._file)

    def treat(self, causes, remedies):
        """Compare the named causes with the true ones, and retrain with the remedies over held-out seeds: an `Outcome`."""
        return self._file.judge(causes, remedies)


class File:
    """What is sealed. experiment: the ill network. causes: for each, the names that are right. cure: remedies that heal it.

    note: what is told about it at the end.
    """

    def __init__(self, experiment, causes, cure, note):
        self.experiment, self.causes, self.cure, self.note = experiment, causes, cure, note
        self._run = None

    def __repr__(self):
        return "<sealed>"

    @property
    def run(self):
        """The `Run` of the ill network that the tests look at; its `shown` are the answers for the picture of the fit."""
        if self._run is None:
            self._run = trained(self.experiment)
        return self._run

    def judge(self, causes, remedies):
        """See `Patient.treat`."""
        left = list(self.causes)
        for cause in dict.fromkeys(causes):
            left = _without(left, cause)
        named = len(self.causes) - len(left)
        words = [f"You named {named} of {len(self.causes)} causes." if len(self.causes) > 1 else _named(named)]
        words += [f"{SIGNS[c[0]].label.capitalize()}. {CAUSES[c[0]][0]} {SIGNS[c[0]].shown}" for c in self.causes]
        cured, told = self._treated(remedies)
        words += [told, self.note] if self.note else [told]
        if not cured:
            words.append(f"What cures it: {' and '.join(REMEDIES[name].label for name in self.cure)}.")
        lessons = list(dict.fromkeys(CAUSES[c[0]][1] for c in self.causes))
        return Outcome(named, cured, words, lessons, self.experiment.to_keras())

    def _treated(self, remedies):
        """Whether the remedies heal it, and what happened, in words."""
        hopeless = nothing_to_learn(make_problem(self.experiment))
        if "other_inputs" in remedies or hopeless:
            right = hopeless and list(remedies) == ["other_inputs"]
            if right:
                return True, "Right to leave it alone: no network can find in these inputs what is not there."
            return False, "No treatment can help here." if hopeless else "This patient could have been cured."
        try:
            study = studied(treated(self.experiment, remedies), HELD_OUT)
        except ValueError as error:
            return False, f"This prescription cannot be filled: {error}"
        count = f"{study.learned.sum()} of {len(study.seeds)} held-out seeds learn"
        cured = study.success_rate >= CURED
        return cured, f"Your prescription: {count}. {'Cured.' if cured else f'{CURED:.0%} are needed.'}"


class Outcome(NamedTuple):
    """What became of a patient. named: causes named rightly. words: sentences. lessons: files. program: its Keras program."""

    named: int
    cured: bool
    words: list
    lessons: list
    program: str


def _named(right):
    return "You named the cause." if right else "That was not the cause."


def _without(causes, name):
    """The causes without the first one that the name stands for."""
    hit = next((cause for cause in causes if name in cause), None)
    return [cause for cause in causes if cause is not hit]


def studied(experiment, seeds):
    """The `SeedStudy` of an experiment, in haste."""
    *_, study = stream_seeds(experiment, seeds, seconds=None, probes=False)
    return study


def trained(experiment):
    """The finished `Run` of an experiment, with its answers for the picture of the fit."""
    problem = make_problem(experiment)
    points = show_points(problem)
    *_, run = stream(experiment, seconds=None, x_show=None if points is None else problem.scaled(points))
    return run


def patient(seed, level=1):
    """The patient of a seed: always the same one.

    It is checked before it is admitted: as it is, at most a quarter of eight seeds learn; with its cure, at least 80 %. Of two
    causes, mending one is not enough. What does not pass gives way to the next draw.

    Args:
        seed: a whole number from 0 on.
        level: 1, 2 or 3, see LEVELS.
    """
    if level not in LEVELS:
        raise ValueError(f"level={level!r} is not one of {', '.join(map(str, LEVELS))}.")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed={seed!r} is not a whole number from 0 on.")
    draws = _draws(level)
    turn, place = divmod(seed, len(draws))
    order = np.random.default_rng([level, turn]).permutation(len(draws))
    rng = np.random.default_rng([level, seed, 1])
    for attempt in range(len(draws)):
        file = _file(draws[order[(place + attempt) % len(draws)]], level, rng)
        if file is not None:
            problem = make_problem(file.experiment)
            story = f"A network that answers with {ANSWERS[problem.task]}: {_inputs(problem)}. {_presented(file.run)}"
            return Patient(f"Patient {seed}, level {level}", story, level, BUDGETS[level], file)
    raise RuntimeError(f"No patient of level {level} passes the checks any more: look at ILLNESSES.")


ANSWERS = {"regression": "a number", "binary": "one of two classes", "multiclass": "one of several classes"}


def _presented(run):
    """The verdict on a run; where there is nothing to learn it does not say so."""
    hopeless = nothing_to_learn(run.problem)
    return "It learned nothing: always answering the mean is as good." if hopeless else run.verdict


def _inputs(problem):
    count = problem.raw_x.shape[1]
    return f"{count} input{'s' * (count > 1)}, {len(problem.x)} training points"


def _draws(level):
    """What can be drawn at a level: tuples of illnesses."""
    if level < 3:
        return [(illness,) for illness in ILLNESSES if level in illness.breaks]
    mixing = [illness for illness in ILLNESSES if illness.mixes]
    return [(one, other) for one, other in combinations(mixing, 2) if _mix(one, other)]


def _mix(one, other):
    """Whether two illnesses can come together: they are of different kinds, and touch different fields."""
    fields = [{name for changes in illness.breaks.values() for c in changes for name in c} for illness in (one, other)]
    return one.cause != other.cause and not fields[0] & fields[1] and one.cure != other.cure


def _file(illnesses, level, rng):
    """A checked `File`, or None if this draw does not pass."""
    healthy = (illnesses[0] if len(illnesses) == 1 else max(illnesses, key=lambda illness: illness.base != SINE)).base
    changes = {}
    for illness in illnesses:
        options = illness.breaks[max(level_ for level_ in illness.breaks if level_ <= level)]
        changes |= options[rng.integers(len(options))]
    ill = healthy.replace(samples=healthy.samples if healthy.samples < 100 else int(rng.choice([150, 200, 250])))
    ill = ill.replace(**changes)
    cure = tuple(name for illness in illnesses for name in illness.cure)
    seeds = range(int(rng.integers(10_000, 900_000)))[-8:]
    study = studied(ill, seeds)
    if study.success_rate > FAILING or not _cures(ill, cure, seeds):
        return None
    if len(illnesses) == 2 and any(_cures(ill, illness.cure, seeds) for illness in illnesses):
        return None
    causes = tuple((illness.cause, *illness.also) for illness in illnesses)
    seed = int(study.seeds[~study.learned][0])
    told = ", ".join(f"{SETTINGS[name].label} {shown(value)}" for name, value in changes.items())
    return File(ill.replace(seed=seed), causes, cure, f"In its file: {told}." if told else "")


def _cures(ill, remedies, seeds):
    if "other_inputs" in remedies:
        return nothing_to_learn(make_problem(ill))
    return studied(treated(ill, remedies), seeds).success_rate >= CURED


# --- tests -------------------------------------------------------------------------------------------------------------


class Result(NamedTuple):
    """What a test shows: a sentence or more, and names of pictures of a run, in `plots.PICTURES`, or none."""

    text: str
    pictures: tuple = ()
    run: object = None


class Test(NamedTuple):
    """What can be ordered. cost: out of the budget. look: `File` -> `Result`."""

    label: str
    cost: int
    help: str
    look: Callable


def _spread(values):
    values = np.asarray(values, float)
    kept = values[np.isfinite(values)]
    lost = 1 - len(kept) / values.size
    if not len(kept):
        return "not a single number among them"
    words = f"mean {number(kept.mean())}, standard deviation {number(kept.std())}, from {number(kept.min())} to {number(kept.max())}"
    return words + (f"; {lost:.1%} are not numbers" if lost else "")


def _curve(file):
    run = file.run
    problem = run.problem
    return Result(
        f"Epoch 1 to {len(run.loss)}: training loss {number(run.loss[0])} → {number(run.loss[-1])}, validation loss "
        f"{number(run.val_loss[0])} → {number(run.val_loss[-1])}. A constant has {number(problem.loss_of_constant)}, the "
        f"{problem.floor_name} {number(problem.loss_of_truth)}.",
        ("loss",), run,
    )  # fmt: skip


def _answers(file):
    run = file.run
    return Result(
        f"Answers for new points: {_spread(run.predictions)}. Their targets: {_spread(run.problem.y_val)}. Skill {_skill(run.skill)}.",
        ("fit",), run,
    )  # fmt: skip


def _data(file):
    problem = file.run.problem
    columns = list(problem.x.T)
    words = [f"Input {i + 1}: {_spread(column)}." for i, column in enumerate(columns[:4])]
    more = [f"And {len(columns) - 4} more inputs."] if len(columns) > 4 else []
    return Result(
        f"As the network gets them. {' '.join([*words, *more])} Targets: {_spread(problem.y)}. {len(problem.x)} points."
    )


def _gradients(file):
    run = file.run
    norms = [", ".join(number(norm) for norm in run.gradient_norm[epoch]) for epoch in (0, -1)]
    return Result(
        f"Length of the gradient by layer, input side first. After epoch 1: {norms[0]}. At the end: {norms[1]}.",
        ("gradients",), run,
    )  # fmt: skip


def _units(file):
    run = file.run
    if not run.dead.shape[1]:
        return Result("There is no hidden layer.")
    words = []
    for name in ("dead", "saturated"):
        shares = [", ".join(f"{share:.0%}" for share in getattr(run, name)[epoch]) for epoch in (0, -1)]
        words.append(f"{name.capitalize()} units by hidden layer after epoch 1: {shares[0]}; at the end: {shares[1]}.")
    return Result(" ".join(words), ("units",), run)


def _steps(file):
    ratio = file.run.update_ratio.max(axis=1)
    if not np.isfinite(ratio[0]):
        return Result("In the first epoch already the weights are no longer numbers.")
    return Result(
        f"In the first epoch a step moved a layer's weights by {_percent(ratio[0])} of their length, in the last one by "
        f"{_percent(ratio[-1])}. All {len(ratio)} epochs are in the learning curve."
    )


def _line(file):
    problem = file.run.problem
    if not np.isfinite(problem.x).all():
        return Result("No straight line can be fitted: some inputs are not numbers.")
    return Result(
        f"The best straight line has a skill of {_skill(line_skill(problem))}; the network has {_skill(file.run.skill)}."
    )


def _ten(file):
    e = file.experiment
    try:
        few = e.replace(samples=min(10, e.samples), epochs=min(5000, 5 * e.epochs), early_stopping=0)
        problem = make_problem(few)
    except ValueError:
        return Result("With ten points there is not one left that misses no value.")
    *_, run = stream(few, seconds=None, x_show=problem.x)
    return Result(f"Ten points only, five times as long: {_by_heart(problem, run.shown)}")


def _by_heart(problem, answers):
    """How well ten points are learned by heart, in words."""
    if not np.isfinite(answers).all():
        return "the answers are no longer numbers."
    if problem.task == "regression":
        share = np.mean((answers - problem.y) ** 2) / problem.y.var()
        return f"what is left of their variance is {share:.1%}. A healthy network learns ten points by heart."
    right = answers > 0.5 if problem.task == "binary" else answers.argmax(axis=1)[:, None]
    return (
        f"{np.mean(right == problem.y):.0%} of them are answered rightly. A healthy network learns ten points by heart."
    )


def _again(changes):
    def look(file):
        e = file.experiment
        changed = e.replace(**changes(e))
        study = studied(changed, TRIED)
        lost = int((~np.isfinite(study.skill)).sum())
        words = f"Learned in {study.learned.sum()} of {len(study.seeds)} seeds, median skill {_skill(np.median(study.skill))}"
        return Result(words + (f"; {lost} diverged." if lost else "."))

    return look


def _skill(skill):
    return f"{skill:.2f}" if skill > -10 else "far below 0"


def _percent(share):
    if not np.isfinite(share):
        return number(share)
    return f"{share:.1%}" if share > 1e-3 else "less than 0.1%"


TESTS = {
    "answers": Test("Answers and truth", 1, "what the network says to new points, beside the truth", _answers),
    "data": Test("Look at the data", 1, "mean, spread and range of inputs and targets", _data),
    "gradients": Test("Gradient by layer", 1, "at the start and at the end", _gradients),
    "units": Test("Dead and saturated units", 1, "the share in each hidden layer", _units),
    "steps": Test("Size of the steps", 1, "how far a step moves the weights", _steps),
    "line": Test("A straight line", 1, "what the simplest model reaches", _line),
    "ten": Test("Overfit ten points", 2, "can it learn a few points by heart?", _ten),
    "seeds": Test("Eight other seeds", 2, "bad luck, or always so?", _again(lambda e: {})),
    "longer": Test("Five times as long", 2, "more epochs, eight seeds", _again(lambda e: {"epochs": min(10_000, 5 * e.epochs)})),
    "faster": Test("Learning rate × 10", 2, "eight seeds", _again(lambda e: {"learning_rate": min(1000.0, 10 * e.learning_rate)})),
    "slower": Test("Learning rate ÷ 10", 2, "eight seeds", _again(lambda e: {"learning_rate": e.learning_rate / 10})),
}  # fmt: skip


def admitted(patient):
    """What everybody sees of a patient at once: its learning curve, a `Result`."""
    return _curve(patient._file)
