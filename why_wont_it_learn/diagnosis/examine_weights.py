"""Steps of an examination that look at weights and layers: what is never trained, starts equal, loses its inputs or dies.

Most take the `Examination` and the outcome of the network so far. One that goes on from a fix returns that fix's outcome, whose
variant is the fixed one.
"""

from dataclasses import replace

import keras
import numpy as np

from ..engine.initial_weights import fresh_values
from ..keras_private import layers_of
from . import checks, fixes
from .findings import Finding, listed
from .hindrances import hindrances, lost_in_a_layer, mixed_samples, told_of_lost, without_layer
from .joined import Joined
from .measure import rescaled
from .network import stages
from .trial_runner import TrialResult, dead_layers
from .untrained_weights import blocked_weights, equal_units, frozen_layers, infinite_gradient

FLAT_UNITS = {
    "dead_relu",
    "saturated_activation",
}  # brought about by a scale, a start or an activation, which can be changed
MOST_SAMPLES_PROBED = 1024  # where one odd sample among them matters
LEFT_OF_START = 0.1  # part of what the averages of BatchNormalization start from, when training ends
QUICK_AVERAGES = 0.8  # momentum of BatchNormalization for a short training
FEW_IN_A_BATCH = 4  # samples, for BatchNormalization


def from_given_weights(exam):
    """The variant whose copies all start from the model's weights, where its initializers would not draw such: equal units, or trained."""
    variant = exam.variant
    if variant.program.own is None or variant.program.model is not None:
        return variant
    if _comes_trained(exam.model, variant.program.own):
        exam.notes.append("The model comes with trained weights, so every copy starts from these.")
    elif not exam.ask(equal_units, variant.data) or exam.ask(equal_units, variant.data, drawn=True):
        return variant
    return variant.having(program=replace(variant.program, all_own=True))


def _comes_trained(model, own):
    """Whether most of the weights that start from the same value with every seed, such as biases, have other values now."""
    try:
        drawn = fresh_values(model, [0, 1])[0]
    except ValueError:  # a layer of one's own that cannot be made again by itself
        return False
    constant = [(values[0], now) for values, now in zip(drawn, own, strict=True) if np.array_equal(*values)]
    return bool(constant) and np.mean([not np.array_equal(*pair) for pair in constant]) >= 0.5


def find_equal_start(exam, outcome):
    """Layers whose units start and stay equal: (finding, outcome of the fix), or (None, outcome) where that does no harm."""
    variant = outcome.variant
    names = exam.ask(equal_units, variant.data)
    if not names or exam.judge.skill(outcome) > exam.goal:
        return None, outcome
    words = "Use glorot_uniform, or he_normal before relu, and biases of 0."
    text = f"All units of {names[0]} start with equal weights and get equal gradients, so they stay equal and act as one unit."
    fixed = None
    if variant.program.all_own:
        words = "Leave the initial weights to the initializers of the layers; if every run must start from the same weights, set a seed."
        fixed = variant.having(program=replace(variant.program, own=None))
    elif variant.program.model is None:
        fixed = variant.having(program=fixes.with_usual_start(variant.program))
    after = fixed and exam.search.attempt(fixed, 0.3, words)
    finding = exam.compare("bad_initialization", text, words, outcome, after, fixed)
    if exam.judge.is_well(outcome) and not finding.verified:
        return None, outcome
    return finding, after or outcome


def find_nothing_trained(exam):
    """Of a model without trainable weights its `Finding`, in a list, with all that are frozen trained as the fix."""
    if exam.model.trainable_variables:
        return []
    text, variant = "The model has no trainable weights at all.", exam.variant
    words = "Set trainable = True for the layers that are to learn, then compile again."
    if variant.program.model is not None or not frozen_layers(exam.model):
        return [Finding("frozen_weights", text, words)]
    fixed = variant.having(program=fixes.with_all_trained(variant.program))
    exam.attainable_skill = exam.attainable(fixed.data)
    after = exam.search.attempt(fixed, 0.6, "all layers trained")
    return [exam.compare("frozen_weights", text, words, TrialResult(variant), after, fixed)]


def find_untrained(exam, outcome):
    """Where weights are never trained or inputs are misread: (findings, outcome)."""
    found, after = _layer_that_loses_all(exam, outcome)
    if found:
        return found, after
    data = outcome.variant.data
    found = (
        checks.misread_inputs(exam.model, data.x) or exam.ask(mixed_samples, data) or exam.ask(blocked_weights, data)
    )
    if found:
        exam.certain = True
        return _with_a_fix(exam, found, outcome) if found[0].cause in FLAT_UNITS else found, outcome
    if outcome.diverged and (found := exam.ask(infinite_gradient, data, samples=MOST_SAMPLES_PROBED)):
        exam.certain = True
        return found, outcome
    for cause, text, words, fixed, untried in _changes(exam, outcome):
        found, after = exam.keep_if_better(outcome, cause, text, words, fixed, untried)
        if found:
            return found, after
    frozen = frozen_layers(exam.model)
    if not frozen:
        return [], outcome
    names = ", ".join(layer.name for layer in frozen[:3])
    text = (
        f"{len(frozen)} layer{'s are' if len(frozen) > 1 else ' is'} frozen ({names}): of {exam.model.count_params():,} weights, "
        f"{sum(int(np.prod(v.shape)) for v in exam.model.trainable_variables):,} are trained."
    )
    words = "Set trainable = True for these layers, then call compile again."
    program = outcome.variant.program
    if program.model is not None:
        exam.certain = True
        return [Finding("frozen_weights", text, words)], outcome
    fixed = outcome.variant.having(program=fixes.with_all_trained(program))
    return exam.keep_if_better(outcome, "frozen_weights", text, words, fixed, untried=True)


def _with_a_fix(exam, found, outcome):
    """What was found of units that are flat from the start, behind what helps against it, if anything does."""
    tried = list(exam.fixes(outcome, False))
    if not tried or not tried[0].verified:
        return found
    if tried[0].cause == "capacity_too_low":  # of more units, some are not flat
        tried[0] = replace(tried[0], cause=found[0].cause, evidence=found[0].evidence)
    return tried + found


def _changes(exam, outcome):
    """Yield (cause, evidence, words, variant, whether it counts untried) of what keeps it from learning, each if the one before did not help."""
    variant = outcome.variant
    program = variant.program
    pictures = checks.cut_anew(variant.data)
    if pictures is not None:
        yield (
            "label_or_data_bug",
            "Neighbouring pixels differ less if each image is read one colour after the other: reshape has mixed colours and positions.",
            "Where colours come first, move the axis: np.transpose(x, (0, 2, 3, 1)) instead of reshape.",
            variant.having(data=pictures), True,
        )  # fmt: skip
    normalizing = [layer for layer in layers_of(exam.model) if isinstance(layer, keras.layers.BatchNormalization)]
    if program.batch_size <= FEW_IN_A_BATCH and normalizing:
        last = [layer for layer in layers_of(exam.model) if layer.weights][-1]
        yield *_larger_batches(variant, last in normalizing), True
        return
    momentum = max((layer.momentum for layer in normalizing), default=0.0)
    if outcome.planned and momentum**outcome.planned > LEFT_OF_START and program.model is None:
        yield *_quicker_averages(variant, outcome.planned, momentum), False
    for fix in fixes.fixes_for(variant, outcome):
        if fix.name == "no rescaling":
            x = rescaled(program.layers, variant.data.inputs_2d)
            text = f"The inputs are already scaled before the Rescaling layer, which turns them into numbers from {x.min():.2g} to {x.max():.2g}."
            yield fix.cause, text, fix.words, fix.apply(variant), False
            exam.failed.add(fix.name)
    if dead := _dead_layers(exam, outcome):
        yield (
            "dead_relu",
            f"After training every unit of {listed(dead)} outputs 0 for every sample, and no gradient passes.",
            f"Use leaky_relu there, or let {'it' if len(dead) == 1 else 'them'} pass on numbers below 0, too.",
            variant.having(program=fixes.with_slope_everywhere(program, dead)), False,
        )  # fmt: skip
    for cause, text, words, changed in hindrances(program):
        yield cause, text, words, variant.having(program=changed), False


def _dead_layers(exam, outcome):
    """The names of the layers other than Dense ones, whose units are looked at later, that are dead after training."""
    variant = outcome.variant
    unknown = variant.program.model is not None or isinstance(exam.model, Joined)
    if unknown or outcome.state is None or outcome.diverged:
        return []
    layers = variant.program.layers
    dense = {layers[index]["config"]["name"] for stage in stages(layers)[:-1] for index in (stage.index, stage.end)}
    middle = int(np.argsort(exam.judge.scores(outcome))[len(outcome.train[-1]) // 2])
    dead = dead_layers(exam.search.runner.loop(variant), variant, outcome.state, middle)
    known = {layer["config"].get("name") for layer in layers} - dense
    return [name for name in dead if name in known]


def _layer_that_loses_all(exam, outcome):
    """A layer that leaves nothing of its inputs, such as a normalisation over one number: (findings, outcome)."""
    variant = outcome.variant
    lost = exam.ask(lost_in_a_layer, variant.data)
    if not lost:
        return [], outcome
    exam.certain = True
    program = variant.program
    cause, text, words = told_of_lost(lost[0], lost == exam.inner.layers[-1:])
    if program.model is not None or lost[0].name not in [layer["config"].get("name") for layer in program.layers]:
        return [Finding(cause, text, words)], outcome
    fixed = variant.having(program=without_layer(program, lost[0].name))
    after = exam.search.attempt(fixed, 0.3, words)
    return [exam.compare(cause, text, words, outcome, after, fixed)], after or outcome


def _larger_batches(variant, at_output):
    """(cause, evidence, words, variant) for batches of so few samples that BatchNormalization leaves little of them.

    at_output: whether it stands behind all other weights.
    """
    size = variant.program.batch_size
    what = {1: "it gives 0 whatever comes in", 2: "it gives about -1 and 1 whatever comes in"}.get(
        size, "it gives noise"
    )
    effect = "" if at_output else ", passes hardly any gradient back,"
    text = (
        f"BatchNormalization normalises with the mean and standard deviation of each batch, here of size {size}: {what}{effect} "
        "and behaves differently when the network predicts."
    )
    fixed = variant.having(program=replace(variant.program, batch_size=32), longer=8 / size * variant.longer)
    return "over_regularized" if at_output else "vanishing_gradient", text, "Use batches of 32 samples.", fixed


def _quicker_averages(variant, steps, momentum):
    """(cause, evidence, words, variant) for BatchNormalization that predicts with averages which have hardly moved."""
    text = (
        f"BatchNormalization predicts with moving averages of mean and variance. A step moves them by {1 - momentum:.2g} of the way, "
        f"so after all {steps} steps their initial values, 0 and 1, still have a weight of {momentum**steps:.0%}: "
        "the network behaves differently when it predicts than when it trains."
    )
    words = f"Give BatchNormalization a momentum of {QUICK_AVERAGES}, or train longer."
    fixed = variant.having(program=fixes.with_batch_norm_momentum(variant.program, QUICK_AVERAGES))
    return "too_few_epochs", text, words, fixed
