"""Steps of an examination that look at the data: overlooked classes, missing values, rare labels, repeated and unlike samples.

Most take the `Examination` and the outcome of the network so far. One that goes on from a fix returns that fix's outcome, whose
variant is the fixed one.
"""

from dataclasses import replace

import numpy as np

from . import checks, fixes
from .causes import CAUSES
from .class_weights import counts_each_sample, overlooked, ranking
from .findings import Finding
from .given import ONE_NAN
from .output_and_loss import SAMPLES, from_logits
from .symptoms import NOTHING, input_name
from .trial_runner import is_logits

UNLIKE_GAP = 0.25  # of skill, between training and validation samples, before the two are compared
LITTLE = 0.3  # skill that can be attained where labels are hardly ever likelier than not
SOMETIMES = 0.2  # as often as there are labels, for a network to predict them at all


def find_repeated(outcome):
    """A `Finding` where a network learns few samples that stand in the training set again and again; else None."""
    return checks.repeated_samples(outcome.variant.data) if _gap(outcome) > UNLIKE_GAP else None


def find_unlike(outcome):
    """`Finding`s where the network does better on the training samples because the others are not like them."""
    alike = _gap(outcome) <= UNLIKE_GAP  # it is NaN where all validation samples are of one class
    return [] if alike else checks.unlike_validation(outcome.variant.data)


def _gap(outcome):
    """How much higher the skill is on training than on validation samples, by the median over the seeds."""
    return np.median(outcome.train[-1]) - np.median(outcome.held[-1])


def mix(exam, findings, outcome):
    """What was found by `find_unlike`, with samples that are mixed as the fix."""
    variant = outcome.variant
    if variant.data.task == "several":
        return findings
    fixed = variant.having(data=variant.data.mixed())
    after = exam.search.attempt(fixed, 0.25, "training and validation samples mixed")
    if after is None or after.error:
        return findings
    exam.attainable_skill = exam.attainable(fixed.data)
    first, *others = findings
    return [exam.compare(first.cause, first.evidence, first.fix, outcome, after, fixed), *others]


def fill(exam, outcome):
    """Missing values: (finding, outcome of filling them in, the old one of the filled variant if there is no time for it)."""
    data = outcome.variant.data
    known = np.isfinite(data.inputs_2d)
    empty = np.flatnonzero(~known.any(axis=0))
    fixed = outcome.variant.having(data=fixes.filled(data))
    after = exam.search.attempt(fixed, 0.25, "missing values filled in")
    text = f"{100 * (~known).any(axis=1).mean():.3g}% of the samples have inputs that are NaN or infinite. "
    words = "Fill them in (SimpleImputer), or leave these samples out."
    if len(empty):
        text = f"{input_name(empty[0], data.columns)} is not a number for any sample. "
        words = f"Leave it out. {checks.CONSTANT_COLUMN}"
    finding = exam.compare("missing_values", text + ONE_NAN, words, outcome, after, fixed)
    if after is not None:
        exam.attainable_skill = exam.attainable(fixed.data)
    return finding, after or replace(outcome, variant=fixed)


def find_imbalance(exam, outcome):
    """A class that is predicted for few of its samples because another is frequent: (finding, outcome of the fix, scale), or None.

    Judged by balanced skill, for which every class counts the same: of accuracy the rare classes are a small part. scale: the
    attainable skill and that of the network as it is, both balanced.
    """
    variant = outcome.variant
    data, logits = variant.data, is_logits(variant.program)
    if not data.with_classes or data.class_weight or outcome.diverged or outcome.answers is None:
        return None
    if from_logits(variant.program.loss) is None:
        answers = outcome.answers[0][:SAMPLES]
        unknown = logits is None and answers.shape[-1] == 1  # from which number on they mean class 1
        if unknown or not counts_each_sample(variant.program.loss, data.y[:SAMPLES], answers):
            return None
    rows = slice(data.points, None) if data.has_validation else slice(None)
    predictions = np.stack([data.predicted_classes(answers, bool(logits))[rows] for answers in outcome.answers])
    seen = overlooked(data.labels[rows], data.labels[: data.points], predictions)
    if seen is None:
        return None
    words = CAUSES["class_imbalance"].fix
    fixed = fixes.class_balanced(variant)
    after = exam.search.attempt(fixed, 0.3, words)
    if after is None or after.error:
        return None
    train, held = np.array([fixed.data.skill(each, logits) for each in outcome.answers]).T[:, None]
    before = replace(outcome, train=train, held=held)
    of_accuracy = exam.attainable_skill
    exam.attainable_skill = exam.attainable(fixed.data)
    scale = exam.attainable_skill, exam.judge.skill(before)
    name, fraction, predicted, accuracy, largest = seen
    share = f"only {predicted:.0%}" if predicted >= 0.005 else "none"
    text = (
        f"Class {name} ({fraction:.1%} of the training samples) is predicted for {share} of its samples; the accuracy "
        f"of {accuracy:.1%} is not clearly above that of always predicting the most frequent class ({largest:.1%})."
    )
    # If it does not help, it is not kept: it was measured on another scale than the others.
    finding = exam.compare("class_imbalance", text, words, before, after, fixed, always=False)
    exam.attainable_skill = of_accuracy
    return (finding, after, scale) if finding.verified else None


def find_rare_labels(exam, outcome):
    """The `Finding`s where no sample is likelier than not to have a label, but the network knows which are likelier; else None."""
    data, skilled = outcome.variant.data, exam.passable
    if data.task != "multilabel" or not exam.attainable_skill < LITTLE or not data.has_validation or outcome.diverged:
        return None
    area = ranking(data, np.median(outcome.answers, axis=0).reshape(len(data.x), -1))
    if area <= 0.5:
        return None
    program, rare = outcome.variant.program, data.true_targets.mean()
    text = f"ranks the samples better than chance (area under the ROC curve {area:.2f})"
    if np.mean(outcome.answers > (0.0 if is_logits(program) else 0.5)) > SOMETIMES * rare:
        own = from_logits(program.loss) is None  # it may weigh labels, which costs skill
        if not skilled and not own:
            return None
        exam.healthy = exam.certain = True
        exam.notes.append(
            f"Hardly any sample has a label with a probability above 50%, so the skill says little; the network {text}."
        )
        return []
    if not skilled and exam.attainable_skill >= NOTHING:
        return None
    exam.certain = True
    text = (
        f"The labels are rare ({rare:.1%} of all), and hardly any sample is predicted to have one; the network {text}."
    )
    fix = "Give rare labels more weight in the loss, or lower the probability above which a label is predicted; judge by precision and recall."
    return [Finding("class_imbalance", text, fix)]
