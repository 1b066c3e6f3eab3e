"""Steps of an examination that look at output, loss and targets: what cannot work together is fixed first.

Most take the `Examination` and the outcome of the network so far. One that goes on from a fix returns that fix's outcome, whose
variant is the fixed one.
"""

from dataclasses import replace

import keras
import numpy as np

from ..keras_private import layers_of
from . import fixes
from .findings import Finding
from .joined import Joined
from .loss_check import is_bounded, loss_findings, reach
from .model_call import sample_of
from .network import numbers_of, output_of
from .output_and_loss import (
    NUMBER_FROM_0,
    SAMPLES,
    Mismatch,
    as_loss,
    fitting,
    from_logits,
    loss_name,
    mismatches,
    misses_targets,
    range_mismatches,
    smooths_all,
    takes_logits_of,
)  # fmt: skip

OF_LOGITS = {
    loss_name(kind()): kind
    for kind in (keras.losses.BinaryCrossentropy, keras.losses.CategoricalCrossentropy, keras.losses.SparseCategoricalCrossentropy)
}  # fmt: skip
SAMPLES_PROBED = 64  # of which a loss is asked, or its gradient taken
STUCK = 0.3  # part of the samples, over all seeds, that an output layer predicts to be 0 and cannot learn from
OUT_OF_REACH = 0.2  # fraction of the targets


def check_output_and_loss(exam, outcome):
    """Where output, loss and targets cannot work together, fix that first: (findings, outcome)."""
    variant = outcome.variant
    if isinstance(exam.model, Joined):
        return _mismatches_of_parts(exam, variant.data) or _asked_of_losses(exam), outcome
    if bounds := _out_of_reach(exam, variant):
        exam.certain = True
        return bounds, outcome
    found = []
    loss = variant.program.loss
    if from_logits(loss) is None or smooths_all(loss):  # nothing is known of a loss of one's own before it is asked
        found = _asked_of_losses(exam, bool(outcome.diverged and np.isfinite(exam.data.inputs_2d).all()))
        fixed = _with_the_usual_loss(variant) if found else None
        if fixed is not None:
            after = exam.search.attempt(fixed, 0.3, f"{loss_name(fixed.program.loss)} as the loss")
            if after is None:  # there is no time to try anything more
                return found, outcome
            better = exam.compare("loss_mismatch", found[0].evidence, found[0].fix, outcome, after, fixed)
            if better.verified:
                return [better], after
    before = outcome
    for cause, text, words, fixed, strong in _changes(exam, before):
        after = exam.search.attempt(fixed, 0.3, words)
        if after is None and not strong:
            break
        finding = exam.compare(cause, text, words, before, after, fixed)
        if strong or finding.verified:
            found.append(finding)
        if finding.verified:
            return found, after
        if strong and after is not None:
            outcome = after
    if outcome.error and not found:
        text = f"It cannot be trained: {outcome.error}"
        found = [Finding("loss_mismatch", text, "Make output, loss and targets fit.")]
    return found, outcome


def _out_of_reach(exam, variant):
    """What bounds an output of numbers, other than the activation of a Keras layer, in a list of `Finding`s."""
    data = variant.data
    if data.task != "regression" or output_of(variant.program.layers) is not None:
        return []
    lowest, highest = exam.ask(reach, data) or (-np.inf, np.inf)
    outside = float(np.mean((data.targets_2d < lowest) | (data.targets_2d > highest)))
    if not outside > OUT_OF_REACH:
        return []
    text = f"Whatever the weights, the output stays between {lowest:.3g} and {highest:.3g}, and {outside:.0%} of the targets lie outside."
    words = "Leave out what bounds the output, or scale the targets into that range."
    return [Finding("output_activation_mismatch", text, words)]


def _with_the_usual_loss(variant):
    """With the loss that is usual for such targets in place of one's own, the output as it is; None where they would not fit."""
    loss = fitting(variant.data.targets).loss
    output = output_of(variant.program.layers)
    probabilities = output is not None and output.activation in ("sigmoid", "softmax")
    if variant.data.task != "regression" and not probabilities:
        return None
    return variant.having(program=replace(variant.program, loss=as_loss(loss)))


def _asked_of_losses(exam, diverged=False):
    """What made-up predictions say of the loss of each output."""
    try:
        sample = sample_of(*exam.given, SAMPLES_PROBED)
        return [] if sample is None else loss_findings(exam.inner, sample, diverged)
    except Exception:  # of a loss that is not Keras's, anything
        return []


def _changes(exam, outcome):
    """Yield (cause, evidence, words, variant, whether it is certain) for each way in which output and loss do not fit."""
    variant = outcome.variant
    program, data = variant.program, variant.data
    output, loss = output_of(program.layers), program.loss
    logits = from_logits(loss)
    if hasattr(loss, "of_columns"):
        yield (
            "loss_mismatch",
            "The targets have the shape (n,) and the predictions (n, 1): the loss compares every prediction with all n targets, "
            "and the best prediction for all of them is their mean.",
            "Give the targets the shape of the predictions: y = y.reshape(-1, 1).",
            variant.having(program=replace(program, loss=loss.of_columns), data=data.after("y = y.reshape(-1, 1)")), True,
        )  # fmt: skip
        return
    numbers = data.misnumbered
    if numbers is not None:
        wanted = _in_short(range(max(2, data.output_shape[-1])))
        yield (
            "label_or_data_bug", f"The labels are {_in_short(numbers)}; {loss_name(loss)} with this output takes {wanted}.",
            NUMBER_FROM_0, variant.having(data=data.renumbered()), True,
        )  # fmt: skip
        return
    if logits is None and not data.reversed and data.task in ("regression", "binary"):
        logits_too = takes_logits_of(loss, data.y, 1) if data.task == "binary" else False
        fault = misses_targets(loss, *_made_up(data, logits_too))
        if fault is not None:
            text, words, changed = fault
            yield "loss_mismatch", text, words, variant.having(program=replace(program, loss=changed)), False
    if output is None:
        if loss_name(loss) in OF_LOGITS and logits is False and not exam.ask(is_bounded, data):
            yield (
                "output_activation_mismatch",
                f"{loss_name(loss)} takes probabilities, and nothing keeps the output between 0 and 1.",
                "Give the output a sigmoid (softmax over several classes), or use the loss with from_logits=True.",
                variant.having(program=replace(program, loss=OF_LOGITS[loss_name(loss)](from_logits=True))), True,
            )  # fmt: skip
        return
    probabilities = output.activation in ("softmax", "sigmoid") and data.with_classes
    if logits is None and probabilities and takes_logits_of(loss, data.y, output.units):
        yield (
            "loss_mismatch",
            f"The loss takes logits, and the output is already a {output.activation}: {output.activation} is applied twice.",
            f"Remove the {output.activation} from the last layer, or use a loss that takes probabilities.",
            variant.having(program=fixes.with_output_activation(program, "linear")), False,
        )  # fmt: skip
    if fixes.cut_logits(program.layers):
        yield (
            "output_activation_mismatch",
            f"The {program.layers[-2]['config']['activation']} before the {output.activation} lets no logit below 0 through: where all "
            "logits of a sample are 0, nothing is learned from it.",
            "Give the last Dense layer no activation of its own.",
            variant.having(program=fixes.with_whole_logits(program)), False,
        )  # fmt: skip
    numbers = numbers_of(output, data.n_predicted)
    found = mismatches(output.activation, numbers, loss_name(loss), logits, data.targets)
    if logits is None and data.task == "regression":
        found += range_mismatches(output.activation, data.n_predicted, data.targets)
    stuck = stuck_at_zero(output.activation, data, outcome)
    if stuck and not any(one.strong for one in found):
        found = [Mismatch("output_activation_mismatch", stuck, False, "linear")]
    for one in found:
        if one.strong or outcome.error or stuck:
            words, fixed = _fitting(variant, output, one.activation)
            yield one.cause, one.evidence, words, fixed, one.strong or bool(outcome.error)


def _fitting(variant, output, activation):
    """(words, variant) with an output and a loss that fit the targets; activation: of the output, if that is all to be changed."""
    if output.dense and not activation and variant.data.task != "several":
        return fixes.fixed_output_and_loss(variant)
    activation = activation or fitting(variant.data.targets).activation
    words = f"Use {'no activation' if activation == 'linear' else activation} in the output layer instead of {output.activation}."
    return words, variant.having(program=fixes.with_output_activation(variant.program, activation))


def _mismatches_of_parts(exam, data):
    """The certain mismatches of a model of several outputs, each with the name of its output."""
    found = []
    for name, part in data.parts.items():
        layers = [layer for layer in layers_of(exam.model) if layer.name == name]
        activation = getattr(getattr(layers[0], "activation", None), "__name__", "") if layers else ""
        for one in mismatches(activation, part.width, loss_name(part.loss), part.logits, part.targets):
            if one.strong:
                words = fitting(part.targets).words
                found.append(Finding(one.cause, f"Output {name!r}: {one.evidence}", f"Output {name!r}: {words}"))
    return found


def stuck_at_zero(activation, data, outcome):
    """The sentence that says so where a relu output predicts 0 for samples whose targets are above 0; "" where it does not."""
    if activation != "relu" or outcome.answers is None or outcome.answers[0].size != data.targets_2d.size:
        return ""
    answers = outcome.answers.reshape(len(outcome.answers), *data.targets_2d.shape)[:, : data.points]
    zero = float(np.mean((answers <= 0) & (data.targets_2d[: data.points] > 0)))
    if zero < STUCK:
        return ""
    return f"The relu of the output is at 0 for {zero:.0%} of the samples, whose targets are above 0: there it has no gradient."


def _in_short(numbers):
    shown = [f"{number:g}" for number in numbers]
    return ", ".join(shown) if len(shown) < 5 else f"{shown[0]} to {shown[-1]}"


def _made_up(data, logits):
    """(targets, right predictions, wrong predictions) of some samples."""
    y = data.y[: min(SAMPLES, data.points)]
    if data.task == "regression":
        return y, y, np.roll(y, 1, axis=0)
    right = np.clip(y, 0.05, 0.95)
    wrong = 1 - right
    return (y, np.log(right / wrong), np.log(wrong / right)) if logits else (y, right, wrong)
