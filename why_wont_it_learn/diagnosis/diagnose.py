"""`diagnose`: why a Keras model does not learn, with a fix that has been tried.

Three sources of evidence, the cheapest first: what model and data are (checks.py, output_and_loss.py), what training shows
(symptoms.py), and experiments: short trainings with one thing changed (fixes.py, search.py). The most plausible cause is tried
first; a cause stands first if its own fix, alone, lifts the skill over several seeds.
"""

import time
import warnings
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from ..engine.batches import weights_of_classes
from ..engine.cache import quick_start
from ..engine.initial_weights import fresh_values
from ..engine.training import fit_seeds
from ..keras_private import layers_of
from ..program import WHOLE_KERNELS, program_of, random_state_kept
from . import checks, fixes, report
from .call import sample_of
from .causes import CAUSES
from .class_weights import ClassWeighted, never_predicted, ranking
from .code import changes
from .data import WORST, data_of
from .findings import Finding, listed
from .given import ONE_NAN, drawn, known_targets, known_validation, last_held_back, without_weight
from .hindrances import hindrances, lost_in_a_layer, mixed_samples, told_of_lost, without_layer
from .joined import Joined, joined, needs_joining, with_own_meaning, with_positions
from .loss_check import is_bounded, loss_findings, reach
from .measure import rescaled, unadapted
from .network import first_line, hangs_on_seeds, narrowest, other_layers, output_of, own_step, stages
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
from .own_step import changes_by_fit, trained_by_fit
from .search import HEALTHY, LEAST_LIFT, MANY_SEEDS, PASSABLE, SELDOM, Judge, Search
from .symptoms import NOTHING, input_name, two_digits
from .trial_runner import SEEDS, TrialResult, TrialRunner, dead_layers, is_logits
from .untrained import (
    blocked_weights,
    equal_units,
    frozen_layers,
    gradients_of,
    infinite_gradient,
    untracked_variables,
)

OF_LOGITS = {
    loss_name(kind()): kind
    for kind in (keras.losses.BinaryCrossentropy, keras.losses.CategoricalCrossentropy, keras.losses.SparseCategoricalCrossentropy)
}  # fmt: skip
LAB = "why_wont_it_learn.lab"  # the group of entry points in which the lessons name their lab
UNLIKE_GAP = 0.25  # of skill, between training and validation samples, before the two are compared
MOST_NAMED = 6  # outputs whose skills are told one by one
SAMPLES_PROBED = 64  # of which one gradient is taken
MOST_SAMPLES_PROBED = 1024  # where one odd sample among them matters
PLAIN = 0.8  # plausibility
# Causes that can be seen before training ends.
OF_THE_DATA = {"unscaled_inputs", "unscaled_targets", "label_or_data_bug"}
MIX_DATASET = "Shuffle the rows before they are batched: dataset.shuffle(len(dataset)).batch(32)."
MIX_ARRAYS = "Leave out shuffle=False: fit shuffles arrays before every epoch."
# Brought about by a scale, a start or an activation, which can be changed.
FLAT_UNITS = {"dead_relu", "saturated_activation"}
STUCK = 0.3  # part of the samples, over all seeds, that an output layer predicts to be 0 and cannot learn from
LITTLE = 0.3  # skill that can be attained where labels are hardly ever likelier than not
SOMETIMES = 0.2  # as often as there are labels, for a network to predict them at all
QUICK = 0.1  # of the budget, for a training to be repeated from many seeds
SLOW = 0.2  # of the budget: where a training would take longer, copies that train one after the other become fewer
OUT_OF_REACH = 0.2  # fraction of the targets
OF_WEIGHTS_BY_PLACE = (
    "Skill counts all places of a sample alike, the loss by their weights: what the weights ask for was not judged."
)
OF_LOSS_ALONE = (
    "Only the loss knows what the outputs mean, so their skill compares the loss with that of the best constant output."
)
LEFT_OF_START = 0.1  # part of what the averages of BatchNormalization start from, when training ends
QUICK_AVERAGES = 0.8  # momentum of BatchNormalization for a short training
FEW_IN_A_BATCH = 4  # samples, for BatchNormalization
ROUNDS = 4  # of fixing one thing after the other


@dataclass(eq=False)
class Diagnosis:
    """What `diagnose` found.

    healthy: whether nothing is wrong; None if the budget was over before that could be told, and the findings, if any, are only
    guesses. findings: the most likely cause first; empty if the network is healthy.
    skill: of the network as it is, the median of some seeds, 0 for the baseline and 1 for perfect. attainable_skill: what can
    be learned. trials: every `FixTrial`. notes: what was left out. seeds: how many for each trial. seconds: how long it took.
    as_it_is: its training, a `TrialResult` on the scale of the trials, or None. call: (model, x, y, epochs, batch_size) of what was
    examined.
    """

    healthy: bool | None
    findings: list
    skill: float
    attainable_skill: float
    trials: list = field(repr=False)
    notes: list
    seeds: int
    seconds: float
    as_it_is: TrialResult | None = field(default=None, repr=False)
    call: tuple = field(default=(), repr=False)

    @property
    def causes(self):
        """The causes, the most likely first."""
        return [finding.cause for finding in self.findings]

    def __str__(self):
        return report.text(self)

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": report.text(self), "text/html": report.page(self)}

    def save(self, path):
        """Write the report to a file as a web page that needs no other file."""
        Path(path).write_text(report.document(self), "utf-8")

    def lab(self):
        """Open the network and its data in the lab, under the sliders that apply to it.

        ImportError where the lessons, which the lab belongs to, are not installed; ValueError, which names the reason, if no setting
        of the lab can express the network.
        """
        try:
            (lab,) = entry_points(group=LAB)
            lab = lab.load()
        except (ValueError, ImportError, AttributeError):  # `helpers` may be a module of somebody else
            raise ImportError(
                f"The lab comes with the lessons, which are not installed here: {report.PROJECT}"
            ) from None
        model, x, y, epochs, batch_size = self.call
        return lab(model, x, y, epochs=epochs, batch_size=batch_size)


def diagnose(
    model, x=None, y=None, *, validation_data=None, validation_split=0.0, sample_weight=None, class_weight=None, epochs=100,
    batch_size=32, shuffle=True, budget=30.0, seeds=SEEDS, on_progress=None, clock=time.perf_counter,
):  # fmt: skip
    """Find out why a Keras model does not learn, try the fix, and return a `Diagnosis`.

    The model, its weights, its optimizer and the data are left as they are.

    Args:
        model: a compiled `keras.Model`.
        x, y: as `model.fit` takes them: arrays, DataFrames, dictionaries or lists of them, or a `tf.data.Dataset`, a
            `keras.utils.PyDataset` or a generator as x alone, of which a sample is drawn.
        validation_data: (x, y) or a dataset or generator to judge by; if None, a quarter of the samples is kept back, if there
            are 40 or more.
        validation_split: the last fraction of the samples to judge by, as `fit` takes it, where there is no validation_data.
        sample_weight, class_weight, epochs, batch_size: what the model is trained with; batch_size None is 32, as in `fit`.
        shuffle: False for arrays that `fit` takes in their order; the batches are looked at, the trials shuffle.
        budget: seconds. An interrupted or expired search answers from what it has tried.
        seeds: how many times each trial is trained.
        on_progress: called with (fraction of the budget that is spent, what is being tried); if None, a progress bar in a
            notebook.
        clock: gives the seconds that the budget is counted in.

    A model that `fit` has trained is judged by training copies from new initial weights, for `epochs`. One that comes with trained
    weights and a new optimizer starts from these. A model with a training step of its own is trained by `fit`, from one or two
    seeds, and needs no loss in `compile`.

    ValueError if the model is not compiled, or if x and y are empty, not numbers or of different lengths.
    """
    batch_size = 32 if batch_size is None else batch_size  # as `fit` takes it
    _check(model, x, y, epochs, batch_size, budget, seeds)
    with random_state_kept(), quick_start(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Keras warns of becomes a finding
        began, progress = clock(), on_progress or report.progress()
        in_order = y is None or not shuffle  # a dataset, whose order `fit` keeps, or arrays for which it is told to
        whole = isinstance(x, tf.data.Dataset)  # it may give all samples in each batch, again and again
        x, y, sample_weight, batch_size, notes = drawn(x, y, sample_weight, batch_size)
        if class_weight and not any(isinstance(kind, (int, np.integer)) for kind in class_weight):
            notes.append(
                f"No key of class_weight is a whole number ({listed([repr(k) for k in class_weight])}): no weight is used."
            )
            class_weight = None
        if validation_split and validation_data is None:
            x, y, sample_weight, validation_data = last_held_back(x, y, sample_weight, validation_split)
        same, unmixed = checks.same_batches(x, batch_size) if in_order and not whole else None, None
        if in_order and not keras.tree.is_nested(y):
            unmixed = checks.unmixed_batches(y, batch_size, MIX_DATASET if shuffle else MIX_ARRAYS)
        if validation_data is not None and not isinstance(validation_data, (list, tuple)):
            validation_data = drawn(validation_data, None, None, batch_size)[:2]
        _build(model, x)
        x, y, sample_weight, validation_data, more, lost = known_targets(model, x, y, sample_weight, validation_data)
        notes += more
        validation_data, more = known_validation(x, validation_data)
        notes += more
        if lost is None and (lost := without_weight(y, sample_weight, class_weight)):
            sample_weight = class_weight = None
        given = model
        model, data = _prepared(model, x, y, validation_data, sample_weight, class_weight)
        if any(part.task == "own" for part in getattr(data, "parts", {}).values()):
            notes.append(OF_LOSS_ALONE)
        program, more = _copyable(program_of(model, epochs, batch_size, data.loss), data)
        notes += more
        steps = int(model.optimizer.iterations.numpy())
        if steps > epochs * program.steps(data.given):
            whole = f"{epochs} epoch{'s' * (epochs > 1)}, from new initial weights"
            notes.append(
                f"The model was trained for {steps:,} steps before; here, copies of it are trained for {whole}."
            )
        if name := unadapted(program.layers, program.fixed):
            notes.append(
                f"The layer {name} was never adapted and passes its inputs on as they are: call adapt(x) first."
            )

        def tell():
            progress(min(1.0, (clock() - began) / budget), search.doing)

        search = Search(TrialRunner(data.given, began + budget, seeds, tell, clock), budget)
        examination = _Examination(model, program, data, (x, y), search, notes, same, unmixed, lost)
        findings = []
        try:
            findings.extend(examination.findings())  # keeps those that came before an interruption
        except KeyboardInterrupt:
            notes.append(f"Interrupted during this step: {search.doing.rstrip('.')}.")
        except Exception as error:  # in layers or a loss of one's own: what was found before still holds
            notes.append(
                f"The search ended early, during this step: {search.doing.rstrip('.')}. The error: {first_line(error)}"
            )
        if search.out_of_time or not search.in_time:
            notes.append(f"The {budget:g} seconds ran out during this step: {search.doing.rstrip('.')}.")
        progress(1.0, "done")
        found = examination.diagnosis(findings, notes, min(seeds, len(search.runner.seeds)), clock() - began)
        return replace(found, call=(given, x, y, epochs, batch_size))


def _check(model, x, y, epochs, batch_size, budget, seeds):
    if not isinstance(model, keras.Model):
        raise ValueError(f"diagnose takes a keras.Model, not {type(model).__name__}.")
    without_loss = all(loss is None for loss in keras.tree.flatten(model.loss))
    if getattr(model, "optimizer", None) is None:
        raise ValueError("The model is not compiled: call model.compile(optimizer=…, loss=…) first.")
    if without_loss and not own_step(model):
        raise ValueError(
            "The model is compiled without a loss, and diagnose cannot examine one that layers add with add_loss: give compile a loss, or "
            "use Watch and fit_seeds, which take such a model."
        )
    modes = [
        (layer.name, getattr(layer.dtype_policy, "quantization_mode", None))
        for layer in layers_of(model)
        if layer.trainable
    ]
    quantised = [name for name, mode in modes if mode not in (None, "float8")]
    if quantised:
        raise ValueError(
            f"The kernels of {listed(quantised)} are quantised, and no training changes them: diagnose the model as it was before "
            "`quantize`, or set trainable = False for these layers and compile again."
        )
    if x is None or (y is None and (hasattr(x, "__array__") or isinstance(x, (list, tuple, dict)))):
        raise ValueError("Give the data that it is trained on: diagnose(model, x, y, epochs=…, batch_size=…).")
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("seeds", seeds)):
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{name}={value!r} is not a whole number of 1 or more.")
    if not budget > 0:
        raise ValueError(f"budget={budget!r} is not a number of seconds above 0.")


def _prepared(model, x, y, validation_data, sample_weight, class_weight):
    """(the model, or a `Joined` one, its data)."""
    if not needs_joining(model, x, y, sample_weight is not None):
        data = data_of(model, x, y, validation_data)
        data = with_own_meaning(with_positions(data, data.output_shape))
        if class_weight is None:
            return model, data
        if data.with_classes and from_logits(data.loss) is not None:
            weights = tuple(float(class_weight.get(n, 1.0)) for n in range(data.classes))
            return model, replace(data, class_weight=weights, loss=ClassWeighted(as_loss(data.loss), weights))
    if class_weight is not None:
        sample_weight = weights_of_classes(y, class_weight)
    return joined(model, x, y, sample_weight, validation_data)


def _copyable(program, data):
    """A program whose copies can be trained side by side, and notes on what was replaced or is left out."""
    notes = []
    kind = program.optimizer["class_name"].lower()
    if kind in WHOLE_KERNELS or not program.optimizer_can_be_copied():
        program = program.with_optimizer("adam", fixes.Variant(program, data).learning_rate)
        notes.append(f"Copies of a network cannot share {kind}: adam with the same learning rate is used in its place.")
    if program.model is not None:
        notes.append(
            "Its layers cannot be taken apart (only those of Sequential and functional models can, if Keras can make them "
            "again from their configuration), so they were left unchanged."
        )
    elif others := other_layers(program.layers):
        notes.append(f"Layers of the kind {', '.join(others)} were trained, but their units were not examined.")
    return program, notes


def _build(model, x):
    """Give a model its weights, as `fit` does at its first step."""
    if not model.built and isinstance(model, keras.Sequential):  # a call would fix the size of its batches
        model.build((None, *np.shape(x)[1:]))
    elif not model.built:
        first = keras.tree.map_structure(lambda part: np.asarray(part)[:1], x)
        model(first)


class _Examination:
    """One call of `diagnose`: `findings` goes from the data to the fixes and yields what it finds on the way."""

    def __init__(self, model, program, data, given, search, notes, same, unmixed, lost):
        self.model, self.notes, self.same, self.unmixed, self.lost = model, notes, same, unmixed, lost
        self.inner = model.inner if isinstance(model, Joined) else model
        self.variant, self.given, self.search = fixes.Variant(program, data), given, search
        n_validation = len(data.x) - data.points
        self.margin = 1 / np.sqrt(n_validation) if n_validation else 0.0
        self.skill, self.attainable_skill = np.nan, np.nan
        self.healthy = False
        self.certain = False  # whether data, output or loss are wrong, however it is trained
        self.measured = True  # whether there was time to train the network as it is, and to see what can be learned
        self.as_it_is = None  # its training, where the trials are judged on the same scale
        self.unseen = ""  # the sentence that says why its gradients could not be looked at
        self.failed = set()  # names of fixes that were tried out of turn and do not work
        self.together = None  # (the variant with several things fixed, its skill), where one alone is not enough

    def diagnosis(self, findings, notes, seeds, seconds):
        """The `Diagnosis`: each cause once, with a fix that is enough."""
        first, skill = {}, self.skill
        # All that was measured was measured without the samples whose targets are missing, or without weights.
        if self.lost is not None:
            tried = {} if np.isnan(skill) else {"verified": bool(skill > LEAST_LIFT), "before": WORST, "after": skill}
            findings = [replace(self.lost, **tried), *([] if self.healthy else findings)]
            self.healthy, self.certain, skill = False, True, WORST
        for finding in findings if not self.healthy else ():
            first.setdefault(finding.cause, finding)
        findings = list(first.values())
        variant, after = self.together or (None, WORST)
        alone = findings[0].after if findings and findings[0].after is not None else WORST
        if findings and alone < min(HEALTHY * self.attainable_skill, after - LEAST_LIFT):
            fix = f"{findings[0].fix} This alone is not enough: the code below shows everything that was changed."
            findings[0] = replace(findings[0], fix=fix, fixed=variant, verified=True, before=skill, after=after)
        findings = [
            one if one.fixed is None else replace(one, diff=changes(self.variant, one.fixed)) for one in findings
        ]
        if self.unseen and self.as_it_is is not None:  # else it follows from what keeps it from being trained
            notes.append(self.unseen)
        if findings and (alike := self._alike([finding.cause for finding in findings])):
            notes.append(f"Training cannot tell {alike} apart: the fix of each is enough by itself.")
        proved = self.certain or any(finding.verified for finding in findings)
        unknown = not self.healthy and (not findings or not (self.measured or proved))
        if unknown and not self.measured:
            # Of guesses about a training that was not seen to its end, those that the data alone suggest.
            plain = {trial.cause for trial in self.search.trials if trial.plausibility >= PLAIN and not trial.later}
            findings = [one for one in findings if one.cause in plain & OF_THE_DATA]
        return Diagnosis(
            None if unknown else self.healthy, findings, skill, self.attainable_skill, self.search.trials, notes, seeds,
            seconds, self.as_it_is,
        )  # fmt: skip

    def _alike(self, causes):
        """Those of the causes whose fix, made alone, is enough, as people list them; "" if there are not two."""
        enough = {
            trial.cause
            for trial in self.search.trials
            if trial.works and not trial.later and np.median(trial.after) >= HEALTHY * self.attainable_skill
        }
        names = [cause.replace("_", " ") for cause in causes if cause in enough]
        return listed(names) if len(names) > 1 else ""

    @property
    def judge(self):
        """The `Judge` of what is known so far."""
        return Judge(self.attainable_skill, self.margin)

    def findings(self):
        """Yield each `Finding`, in the order of an examination."""
        variant, data = self.variant, self.variant.data
        faults = [self.same] if self.same else list(checks.data_faults(data)) or self._nothing_trained()
        if faults:
            self.certain = True
            yield from faults
            return
        if self.unmixed is not None:  # it is trained on shuffled samples here, and might be called healthy
            self.certain, finding = True, self.unmixed
            try:
                outcome = self._trained_as_it_is(self._from_given_weights(variant))
                finding = self._tried_in_order(finding, self.judge.is_well(outcome))
            finally:
                if finding is not None:
                    yield finding  # also where that is interrupted
            if finding is not None:
                return
            self.certain = False
        if own_step(self.inner):
            yield from self._by_fit(f"it has its own {own_step(self.inner)}.")
            return
        variant = self.variant = self._from_given_weights(variant)
        outcome = self._trained_as_it_is(variant)
        if outcome.error and _can_step(variant.program, data):
            yield from self._by_fit(f"copies of it cannot be trained side by side: {outcome.error}")
            return
        if not outcome.error:
            outcome = self._from_more_seeds(variant, outcome)
        complete = np.isfinite(data.inputs_2d).all()
        imbalance = None
        if not outcome.error:
            finding, after = self._equal_units(variant, outcome)
            if finding is not None:
                yield finding
                variant, outcome = finding.fixed, after
                if self.judge.is_well(outcome):
                    self.certain = True
                    return
        if complete and not outcome.error:
            repeated = checks.repeated_samples(variant.data) if _gap(outcome) > UNLIKE_GAP else None
            if repeated is not None:
                self.certain = True
                yield repeated
                return
            rare = self._rare_labels(variant, outcome)
            if rare is not None:
                yield from rare
                return
            imbalance, variant, outcome = self._imbalance(variant, outcome)
            data = variant.data
        if imbalance is not None:
            self.certain = True
            yield imbalance
            if self.judge.is_well(outcome):
                return
        elif (
            complete
            and not outcome.error
            and self.judge.is_well(outcome)
            and not self._plain_network_learns_more(variant)
            and not self._unlike(variant, outcome)  # on which a reference model fails, too
        ):
            self.healthy = True
            self.notes += [finding.evidence for finding in self._asked(mixed_samples, variant.data)]
            return
        if not complete:
            finding, variant, outcome = self._filled(variant, outcome)
            yield finding
            if self.judge.is_well(outcome):
                return
        if unlike := self._unlike(variant, outcome):
            self.certain = True
            yield from self._mixed(unlike, variant, outcome)
            return
        found, variant, outcome = self._fitting_output_and_loss(variant, outcome)
        if not found:  # a loss that does not fit may have no gradient, and that explains it
            found, variant, outcome = self._trainable(variant, outcome)
        yield from found
        if self.certain:
            return
        some = bool(found) or not complete or imbalance is not None
        self.certain = some
        misread, self.attainable_skill = checks.misread_ids(
            variant.data, self.attainable_skill, lambda: self.search.in_time
        )
        if misread:
            self.certain = True
            yield from misread
            return
        if self.attainable_skill < NOTHING:
            self.certain = True
            if getattr(variant.data, "by_place", False):
                self.notes.append(OF_WEIGHTS_BY_PLACE)
                return
            found = checks.unlearnable(variant.data, *self.given, self.attainable_skill, lambda: self.search.in_time)
            if not found[0].verified:
                yield from checks.too_few_samples(variant.data, float(np.median(outcome.train[-1])))
            yield from found
            return
        erratic = len(outcome.train[-1]) >= MANY_SEEDS and self.judge.failed(outcome) > SELDOM
        passable = self.skill >= PASSABLE * self.attainable_skill and not self.certain and not erratic
        for finding in self._fixes(variant, outcome, some):
            some = True
            yield finding
        if passable and not self._plain_fault():
            self.healthy = True
        elif not some and self.search.in_time:
            yield self._unexplained()

    def _unlike(self, variant, outcome):
        """What is found where the network does better on the training samples because the others are not like them."""
        alike = _gap(outcome) <= UNLIKE_GAP  # it is NaN where all validation samples are of one class
        return [] if alike else checks.unlike_validation(variant.data)

    def _rare_labels(self, variant, outcome):
        """The `Finding`s where no sample is likelier than not to have a label, but the network knows which are likelier; else None."""
        data, skilled = variant.data, self.skill >= PASSABLE * self.attainable_skill
        if (
            data.task != "multilabel"
            or not self.attainable_skill < LITTLE
            or not data.has_validation
            or outcome.diverged
        ):
            return None
        area = ranking(data, np.median(outcome.answers, axis=0).reshape(len(data.x), -1))
        if area <= 0.5:
            return None
        rare = data.true_targets.mean()
        text = f"ranks the samples better than chance (area under the ROC curve {area:.2f})"
        if np.mean(outcome.answers > (0.0 if is_logits(variant.program) else 0.5)) > SOMETIMES * rare:
            own = from_logits(variant.program.loss) is None  # it may weigh labels, which costs skill
            if not skilled and not own:
                return None
            self.healthy = self.certain = True
            self.notes.append(
                f"Hardly any sample has a label with a probability above 50%, so the skill says little; the network {text}."
            )
            return []
        if not skilled and self.attainable_skill >= NOTHING:
            return None
        self.certain = True
        text = f"The labels are rare ({rare:.1%} of all), and hardly any sample is predicted to have one; the network {text}."
        fix = "Give rare labels more weight in the loss, or lower the probability above which a label is predicted; judge by precision and recall."
        return [Finding("class_imbalance", text, fix)]

    def _without_copies(self, error):
        """What can be found in a model that `fit` trains and that cannot be trained in copies."""
        self.notes.append(f"Copies of this model cannot be trained side by side, so nothing was tried: {error}")
        self.measured, self.skill = False, np.nan
        if self._has_loss():
            yield from self._trainable(self.variant, TrialResult(self.variant))[0]

    def _tried_in_order(self, finding, learns):
        """What was found about the order of the samples, with the skill of training in that order, if that is quick.

        None where the network learns in that order, too. learns: whether it does from shuffled samples.
        """
        shuffled, program = self.skill, self.variant.program
        if self.quick:
            study = fit_seeds(
                self.inner, *self.given, seeds=1, epochs=program.epochs, batch_size=program.batch_size, shuffle=False
            )
            if study.skill[0] < shuffled - LEAST_LIFT:
                self.skill = float(study.skill[0])
                return replace(finding, verified=True, before=self.skill, after=shuffled)
            if learns:
                self.notes.append(f"{finding.evidence.split(':')[0]}. Training in that order does as well here.")
                return None
        self.notes.append("The skill is that of training on shuffled samples, not on these batches.")
        return finding

    def _has_loss(self):
        """Whether the model is compiled with a loss, and not its training step alone knows one."""
        return any(loss is not None for loss in keras.tree.flatten(self.inner.loss))

    def _by_fit(self, reason):
        """What can be found in a model that only `fit` can train; reason: why only `fit` can."""
        variant, given = self.variant, self.given if isinstance(self.model, Joined) else None
        flat = not given and np.ndim(self.given[1]) == 1 and variant.data.y.ndim == 2
        found = self._trainable(variant, TrialResult(variant))[0] if self._has_loss() else []
        if found:
            yield from found
            return
        search = self.search
        outcome = trained_by_fit(self.inner, variant, given, flat, lambda: search.runner.left > 0.4 * search.budget)
        if outcome.error:
            yield from self._without_copies(f"{reason} {outcome.error}")
            return
        self.notes.append(
            f"Only `fit` can train this model, because {reason} So only a few changes were tried, from one or two seeds."
        )
        self.measured = outcome.steps >= outcome.planned
        self.attainable_skill, self.skill = self._attainable(variant.data), self.judge.skill(outcome)
        if self.judge.is_well(outcome) or not self.measured:
            self.healthy = self.judge.is_well(outcome)
            return
        works = []
        for cause, text, words, fixed, still_flat in changes_by_fit(variant, flat):
            self.search.doing = words
            if not self.search.in_time:
                self.search.out_of_time = True
                break
            after = trained_by_fit(self.inner, fixed, given, still_flat, lambda: search.in_time)
            if not after.error:
                finding = self._found(cause, text, words, outcome, after, fixed)
                works += [finding] * finding.verified
                if finding.verified and self.judge.is_well(after):
                    break
        yield from sorted(works, key=lambda finding: -finding.after)
        if not works and not own_step(self.inner):
            yield from untracked_variables(self.inner)
        elif not works:
            text = (
                f"Its own training step decides what is minimized, and after {outcome.planned} steps the predictions have a skill of "
                f"{two_digits(max(self.skill, WORST))}; {self.attainable_skill:.2f} can be learned. Nothing that was tried lifts it."
            )
            fix = "Print what the training step computes as its loss for predictions that equal the targets: it must be smallest there."
            yield Finding("loss_mismatch", text, fix)

    def _trained_as_it_is(self, variant):
        """The outcome of the network as it is; sets its skill and what can be attained."""
        left = self.search.runner.left
        seeds = len(self.search.runner.seeds)
        outcome = self.search.run(variant, 0.6, "the network as it is", SLOW)
        if (fewer := len(self.search.runner.seeds)) < seeds:
            told = "one seed" if fewer == 1 else f"{fewer} seeds"
            self.notes.append(
                f"It trains slowly, so each trial was trained with {told} only; a larger budget allows more."
            )
        self.as_it_is = None if outcome.error else outcome
        self.quick = left - self.search.runner.left < QUICK * self.search.budget
        self.measured = bool(outcome.error) or outcome.steps >= outcome.planned
        self.attainable_skill = self._attainable(variant.data)
        self.skill = self.judge.skill(outcome)
        if variant.data.task == "several" and outcome.answers is not None and 1 < len(variant.data.parts) <= MOST_NAMED:
            skills = variant.data.skills(outcome.answers[0])
            words = [f"{name} {two_digits(np.nanmin(skill))}" for name, skill in skills.items()]
            self.notes.append(f"Skill of the outputs with the first seed: {', '.join(words)}.")
        if variant.data.has_validation:  # what it has learned can be learned
            own = float(np.median(outcome.held[-1]))
            self.attainable_skill = max(self.attainable_skill, own if own > self.attainable_skill + LEAST_LIFT else -1)
        return outcome

    def _from_more_seeds(self, variant, outcome):
        """The outcome from more seeds of a network that learns from one and fails from another; else the outcome as it is."""
        seeds, failed = len(outcome.train[-1]), self.judge.failed(outcome)
        quick = self.quick and seeds > 1 and hangs_on_seeds(variant.program.layers)
        if not ((0 < failed < 1 or quick) and self.skill >= PASSABLE * self.attainable_skill):
            return outcome
        self.search.runner.seeds = range(MANY_SEEDS)
        more = self.search.attempt(variant, 0.3, "the network as it is, with more seeds")
        if more is not None and not more.error and more.steps == more.planned:
            seeds, failed = MANY_SEEDS, self.judge.failed(more)
        if failed:
            told = f"As it is, it fails with {round(failed * seeds)} of {seeds} seeds: the initial weights decide."
            self.notes.append(told)
        if seeds == MANY_SEEDS and failed > SELDOM:
            return more
        self.search.runner.seeds = range(len(outcome.train[-1]))
        return outcome

    def _attainable(self, data):
        """What can be learned, as far as it can be told without the network."""
        skill = data.reference_skill(lambda: self.search.in_time) if data.has_validation else data.max_skill
        if np.isnan(skill):
            self.measured = False
            skill = data.max_skill
        if data.task != "several" and data.gives_back_inputs:
            width, inputs = narrowest(self.model), data.inputs_2d.shape[1]
            told = f"The network reproduces its {inputs} inputs from {width} numbers: what can be learned is what {width} principal components reach."
            if width < inputs:
                skill = min(skill, data.skill_of_components(width))
            if width < inputs and told not in self.notes:
                self.notes.append(told)
        return min(skill, 1.0)

    def _plain_network_learns_more(self, variant):
        """Whether a plain network learns far more, where the reference models have learned little."""
        data = variant.data
        if self.attainable_skill > 0.8 or not data.has_validation or data.task == "several" or data.gives_back_inputs:
            return False
        outcome = self.search.attempt(fixes.plain_network(variant), 0.2, "a plain network")
        if outcome is None or self.judge.skill(outcome) <= self.skill + 0.25:
            return False
        self.attainable_skill = self.judge.skill(outcome)
        return True

    def _found(self, cause, evidence, words, before, after, variant, always=True):
        """The `Finding` of a change that was made without a choice; after: None if there was no time to try it."""
        if after is None:
            return Finding(cause, evidence, words)
        trial = self.search.compare(words, cause, before, after, self.judge, always)
        skills = self.judge.skill(before), self.judge.skill(after)
        return Finding(cause, evidence, words, trial.works, *skills, variant)

    def _tried(self, variant, outcome, cause, evidence, words, fixed, untried=False):
        """A change that is kept if it helps or, with `untried`, if there was no time to try it: (findings, variant, outcome)."""
        after = self.search.attempt(fixed, 0.3, words)
        finding = self._found(cause, evidence, words, outcome, after, fixed)
        if finding.verified or (untried and after is None):
            return [finding], fixed, after or outcome
        return [], variant, outcome

    def _mixed(self, findings, variant, before):
        """What was found where training and validation samples are not alike, with samples that are mixed as the fix."""
        if variant.data.task == "several":
            return findings
        fixed = variant.having(data=variant.data.mixed())
        after = self.search.attempt(fixed, 0.25, "training and validation samples mixed")
        if after is None or after.error:
            return findings
        self.attainable_skill = self._attainable(fixed.data)
        first, *others = findings
        return [self._found(first.cause, first.evidence, first.fix, before, after, fixed), *others]

    def _filled(self, variant, before):
        """Missing values: (finding, the variant with them filled in, its outcome)."""
        known = np.isfinite(variant.data.inputs_2d)
        empty = np.flatnonzero(~known.any(axis=0))
        fixed = variant.having(data=fixes.filled(variant.data))
        after = self.search.attempt(fixed, 0.25, "missing values filled in")
        text = f"{100 * (~known).any(axis=1).mean():.3g}% of the samples have inputs that are NaN or infinite. "
        words = "Fill them in (SimpleImputer), or leave these samples out."
        if len(empty):
            text = f"{input_name(empty[0], variant.data.columns)} is not a number for any sample. "
            words = f"Leave it out. {checks.CONSTANT_COLUMN}"
        text += ONE_NAN
        finding = self._found("missing_values", text, words, before, after, fixed)
        if after is not None:
            self.attainable_skill = self._attainable(fixed.data)
        return finding, fixed, after or before

    def _imbalance(self, variant, outcome):
        """A class that is never predicted because another is frequent: (finding or None, variant, outcome).

        Judged by balanced skill, for which every class counts the same: of accuracy the rare classes are a small part.
        """
        data, logits = variant.data, is_logits(variant.program)
        if not data.with_classes or data.class_weight or from_logits(variant.program.loss) is None:
            return None, variant, outcome
        if outcome.diverged or outcome.answers is None:
            return None, variant, outcome
        rows = slice(data.points, None) if data.has_validation else slice(None)
        predictions = np.stack([data.predicted_classes(answers, bool(logits))[rows] for answers in outcome.answers])
        seen = never_predicted(data.labels[rows], data.labels[: data.points], predictions)
        if seen is None:
            return None, variant, outcome
        words = CAUSES["class_imbalance"].fix
        fixed = fixes.class_balanced(variant)
        after = self.search.attempt(fixed, 0.3, words)
        if after is None or after.error:
            return None, variant, outcome
        train, held = np.array([fixed.data.skill(each, logits) for each in outcome.answers]).T[:, None]
        before = replace(outcome, train=train, held=held)
        of_accuracy = self.attainable_skill, self.skill
        self.attainable_skill, self.skill = self._attainable(fixed.data), self.judge.skill(before)
        name, fraction, accuracy, largest = seen
        text = (
            f"Class {name} ({fraction:.1%} of the training samples) is hardly ever predicted; the accuracy of {accuracy:.1%} is not clearly above "
            f"that of always predicting the most frequent class ({largest:.1%})."
        )
        # If it does not help, it is not kept: it was measured on another scale than the others.
        finding = self._found("class_imbalance", text, words, before, after, fixed, always=False)
        if finding.verified:
            self.as_it_is = None
            return finding, fixed, after
        self.attainable_skill, self.skill = of_accuracy
        return None, variant, outcome

    def _from_given_weights(self, variant):
        """The variant whose copies all start from the model's weights, where its initializers would not draw such: equal units, or trained."""
        if variant.program.own is None or variant.program.model is not None:
            return variant
        if self._comes_trained(variant.program.own):
            self.notes.append("The model comes with trained weights, so every copy starts from these.")
        elif not self._asked(equal_units, variant.data) or self._asked(equal_units, variant.data, drawn=True):
            return variant
        return variant.having(program=replace(variant.program, all_own=True))

    def _comes_trained(self, own):
        """Whether most of the weights that start from the same value with every seed, such as biases, have other values now."""
        try:
            drawn = fresh_values(self.model, [0, 1])[0]
        except ValueError:  # a layer of one's own that cannot be made again by itself
            return False
        constant = [(values[0], now) for values, now in zip(drawn, own, strict=True) if np.array_equal(*values)]
        return bool(constant) and np.mean([not np.array_equal(*pair) for pair in constant]) >= 0.5

    def _equal_units(self, variant, outcome):
        """Layers whose units start and stay equal: (finding, outcome of the fix), or (None, None) where that does no harm."""
        names = self._asked(equal_units, variant.data)
        if not names or self.judge.skill(outcome) > HEALTHY * self.attainable_skill:
            return None, None
        words = "Use glorot_uniform, or he_normal before relu, and biases of 0."
        text = f"All weights of {names[0]} start equal, so its units get equal gradients and stay equal: the layer is one unit wide."
        fixed = (
            variant.having(program=fixes.with_usual_start(variant.program)) if variant.program.model is None else None
        )
        if variant.program.all_own:
            words = "Leave the initial weights to the initializers of the layers; if every run must start from the same weights, set a seed."
            fixed = variant.having(program=replace(variant.program, own=None))
        well, after = self.judge.is_well(outcome), fixed and self.search.attempt(fixed, 0.3, words)
        finding = Finding("bad_initialization", text, words, fixed=variant)
        if after:
            finding = self._found("bad_initialization", text, words, outcome, after, fixed)
        return (None, None) if well and not finding.verified else (finding, after or outcome)

    def _trainable(self, variant, outcome):
        """Where weights are never trained or inputs are misread: (findings, variant, outcome)."""
        data, program = variant.data, variant.program
        found, changed, after = self._layer_that_loses_all(variant, outcome)
        if found:
            return found, changed, after
        found = (
            checks.misread_inputs(self.model, data.x)
            or self._asked(mixed_samples, data)
            or self._asked(blocked_weights, data)
        )
        if found:
            self.certain = True
            if found[0].cause in FLAT_UNITS:
                tried = list(self._fixes(variant, outcome, False))
                works = tried and tried[0].verified
                if works and tried[0].cause == "capacity_too_low":  # of more units, some are not flat
                    tried[0] = replace(tried[0], cause=found[0].cause, evidence=found[0].evidence)
                found = tried + found if works else found
            return found, variant, outcome
        pictures = checks.cut_anew(data)
        if pictures is not None:
            text = "Neighbouring pixels differ less if each picture is cut into one picture for each colour: reshape has mixed colours and places."
            words = "Where colours come first, move the axis: np.transpose(x, (0, 2, 3, 1)) instead of reshape."
            found, changed, after = self._tried(
                variant, outcome, "label_or_data_bug", text, words, variant.having(data=pictures), untried=True
            )
            if found:
                return found, changed, after
        if outcome.diverged and (found := self._asked(infinite_gradient, data, samples=MOST_SAMPLES_PROBED)):
            self.certain = True
            return found, variant, outcome
        normalizing = [layer for layer in layers_of(self.model) if isinstance(layer, keras.layers.BatchNormalization)]
        if program.batch_size <= FEW_IN_A_BATCH and normalizing:
            return self._larger_batches(variant, outcome)
        momentum = max((layer.momentum for layer in normalizing), default=0.0)
        if outcome.planned and momentum**outcome.planned > LEFT_OF_START and program.model is None:
            found, changed, after = self._quicker_averages(variant, outcome, momentum)
            if found:
                return found, changed, after
        for fix in fixes.fixes_for(variant, outcome):
            if fix.name == "no rescaling":
                found, changed, after = self._scaled_once(variant, outcome, fix)
                if found:
                    return found, changed, after
        if dead := self._dead_layers(variant, outcome):
            text = f"After training every unit of {listed(dead)} outputs 0 for every sample, and no gradient passes."
            words = f"Use leaky_relu there, or let {'it' if len(dead) == 1 else 'them'} pass on numbers below 0, too."
            fixed = variant.having(program=fixes.with_slope_everywhere(program, dead))
            found, changed, after = self._tried(variant, outcome, "dead_relu", text, words, fixed)
            if found:
                return found, changed, after
        for cause, text, words, changed in hindrances(program):
            found, changed, after = self._tried(variant, outcome, cause, text, words, variant.having(program=changed))
            if found:
                return found, changed, after
        frozen = frozen_layers(self.model)
        if not frozen:
            return [], variant, outcome
        names = ", ".join(layer.name for layer in frozen[:3])
        text = (
            f"{len(frozen)} layer{'s are' if len(frozen) > 1 else ' is'} frozen ({names}): of {self.model.count_params():,} weights, "
            f"{sum(int(np.prod(v.shape)) for v in self.model.trainable_variables):,} are trained."
        )
        words = "Set trainable = True for these layers, then call compile again."
        if program.model is not None:
            self.certain = True
            return [Finding("frozen_weights", text, words)], variant, outcome
        fixed = variant.having(program=fixes.with_all_trained(program))
        return self._tried(variant, outcome, "frozen_weights", text, words, fixed, untried=True)

    def _dead_layers(self, variant, outcome):
        """The names of the layers other than Dense ones, whose units are looked at later, that are dead after training."""
        if (
            variant.program.model is not None
            or outcome.state is None
            or outcome.diverged
            or isinstance(self.model, Joined)
        ):
            return []
        layers = variant.program.layers
        dense = {layers[index]["config"]["name"] for stage in stages(layers)[:-1] for index in (stage.index, stage.end)}
        middle = int(np.argsort(self.judge.scores(outcome))[len(outcome.train[-1]) // 2])
        dead = dead_layers(self.search.runner.loop(variant), variant, outcome.state, middle)
        known = {layer["config"].get("name") for layer in layers} - dense
        return [name for name in dead if name in known]

    def _layer_that_loses_all(self, variant, outcome):
        """A layer that leaves nothing of its inputs, such as a normalisation over one number: (findings, variant, outcome)."""
        lost = self._asked(lost_in_a_layer, variant.data)
        if not lost:
            return [], variant, outcome
        self.certain = True
        program = variant.program
        cause, text, words = told_of_lost(lost[0], lost == self.inner.layers[-1:])
        if program.model is not None or lost[0].name not in [layer["config"].get("name") for layer in program.layers]:
            return [Finding(cause, text, words)], variant, outcome
        fixed = variant.having(program=without_layer(program, lost[0].name))
        after = self.search.attempt(fixed, 0.3, words)
        return [self._found(cause, text, words, outcome, after, fixed)], fixed, after or outcome

    def _nothing_trained(self):
        """Of a model without trainable weights its `Finding`, in a list, with all that are frozen trained as the fix."""
        if self.model.trainable_variables:
            return []
        text = "The model has no trainable weights at all."
        words = "Set trainable = True for the layers that are to learn, then compile again."
        if self.variant.program.model is not None or not frozen_layers(self.model):
            return [Finding("frozen_weights", text, words)]
        fixed = self.variant.having(program=fixes.with_all_trained(self.variant.program))
        self.attainable_skill = self._attainable(fixed.data)
        after = self.search.attempt(fixed, 0.6, "all layers trained")
        return [self._found("frozen_weights", text, words, TrialResult(self.variant), after, fixed)]

    def _scaled_once(self, variant, outcome, fix):
        """Inputs that were scaled before a Rescaling layer scales them: (findings, variant, outcome)."""
        x = rescaled(variant.program.layers, variant.data.inputs_2d)
        text = f"The inputs are already scaled before the Rescaling layer, which turns them into numbers from {x.min():.2g} to {x.max():.2g}."
        found, variant, outcome = self._tried(variant, outcome, fix.cause, text, fix.words, fix.apply(variant))
        if not found:
            self.failed.add(fix.name)
        return found, variant, outcome

    def _larger_batches(self, variant, outcome):
        """Batches of so few samples that BatchNormalization leaves nothing of them: (findings, variant, outcome)."""
        size = variant.program.batch_size
        what = {1: "it gives 0 whatever comes in", 2: "it gives about -1 and 1 whatever comes in"}.get(
            size, "it gives noise"
        )
        text = (
            f"BatchNormalization normalises with the mean and standard deviation of each batch, here of size {size}: {what}, passes "
            "hardly any gradient back, and behaves differently when the network predicts."
        )
        words = "Use batches of 32 samples."
        fixed = variant.having(program=replace(variant.program, batch_size=32), longer=8 / size * variant.longer)
        return self._tried(variant, outcome, "vanishing_gradient", text, words, fixed, untried=True)

    def _quicker_averages(self, variant, outcome, momentum):
        """BatchNormalization that predicts with averages which have hardly moved: (findings, variant, outcome)."""
        text = (
            f"BatchNormalization predicts with moving averages of mean and variance. A step moves them by {1 - momentum:.2g} of the way, "
            f"so after all {outcome.planned} steps their initial values, 0 and 1, still have a weight of {momentum**outcome.planned:.0%}: "
            "the network behaves differently when it predicts than when it trains."
        )
        words = f"Give BatchNormalization a momentum of {QUICK_AVERAGES}, or train longer."
        fixed = variant.having(program=fixes.with_batch_norm_momentum(variant.program, QUICK_AVERAGES))
        return self._tried(variant, outcome, "too_few_epochs", text, words, fixed)

    def _asked(self, question, data, drawn=False, samples=SAMPLES_PROBED):
        """What `question(model, samples, weights)` finds where training starts: what training did to the weights does not count.

        drawn: also of a model that was not trained, take weights as the initializers draw them.
        """
        rows = slice(0, min(data.points, samples))
        trained = int(self.model.optimizer.iterations.numpy()) > 0
        try:
            values = [v[0] for v in fresh_values(self.model, [0])[0]] if trained or drawn else None
            return question(self.model, (tf.constant(data.inputs[rows]), tf.constant(data.y[rows]), ()), values)
        except Exception as error:  # of a layer or loss that is not Keras's, anything
            self.unseen = f"Its gradients could not be looked at: {first_line(error)}"
            return []

    def _fitting_output_and_loss(self, variant, outcome):
        """Where output, loss and targets cannot work together, fix that first: (findings, variant, outcome)."""
        if isinstance(self.model, Joined):
            return self._mismatches_of_parts(variant.data) or self._asked_of_losses(), variant, outcome
        if bounds := self._out_of_reach(variant):
            self.certain = True
            return bounds, variant, outcome
        found = []
        loss = variant.program.loss
        if from_logits(loss) is None or smooths_all(loss):  # nothing is known of a loss of one's own before it is asked
            found = self._asked_of_losses(bool(outcome.diverged and np.isfinite(self.variant.data.inputs_2d).all()))
            fixed = self._with_the_usual_loss(variant) if found else None
            if fixed is not None:
                after = self.search.attempt(fixed, 0.3, f"{loss_name(fixed.program.loss)} as the loss")
                if after is None:  # there is no time to try anything more
                    return found, variant, outcome
                better = self._found("loss_mismatch", found[0].evidence, found[0].fix, outcome, after, fixed)
                if better.verified:
                    return [better], fixed, after
        before = outcome
        for cause, text, words, fixed, strong in self._changes_of_output_and_loss(variant, before):
            after = self.search.attempt(fixed, 0.3, words)
            if after is None and not strong:
                break
            finding = self._found(cause, text, words, before, after, fixed)
            if strong or finding.verified:
                found.append(finding)
            if finding.verified:
                return found, fixed, after
            if strong and after is not None:
                variant, outcome = fixed, after
        if outcome.error and not found:
            found = [
                Finding("loss_mismatch", f"It cannot be trained: {outcome.error}", "Make output, loss and targets fit.")
            ]
        return found, variant, outcome

    def _out_of_reach(self, variant):
        """What bounds an output of numbers, other than the activation of a Keras layer, in a list of `Finding`s."""
        data = variant.data
        if data.task != "regression" or output_of(variant.program.layers) is not None:
            return []
        lowest, highest = self._asked(reach, data) or (-np.inf, np.inf)
        outside = float(np.mean((data.targets_2d < lowest) | (data.targets_2d > highest)))
        if not outside > OUT_OF_REACH:
            return []
        text = f"Whatever the weights, the output stays between {lowest:.3g} and {highest:.3g}, and {outside:.0%} of the targets lie outside."
        words = "Leave out what bounds the output, or scale the targets into that range."
        return [Finding("output_activation_mismatch", text, words)]

    def _with_the_usual_loss(self, variant):
        """With the loss that is usual for such targets in place of one's own, the output as it is; None where they would not fit."""
        loss = fitting(variant.data.targets).loss
        output = output_of(variant.program.layers)
        probabilities = output is not None and output.activation in ("sigmoid", "softmax")
        if variant.data.task != "regression" and not probabilities:
            return None
        return variant.having(program=replace(variant.program, loss=as_loss(loss)))

    def _asked_of_losses(self, diverged=False):
        """What made-up predictions say of the loss of each output."""
        try:
            sample = sample_of(*self.given, SAMPLES_PROBED)
            return [] if sample is None else loss_findings(self.inner, sample, diverged)
        except Exception:  # of a loss that is not Keras's, anything
            return []

    def _changes_of_output_and_loss(self, variant, outcome):
        """Yield (cause, evidence, words, variant, whether it is certain) for each way in which output and loss do not fit."""
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
            if loss_name(loss) in OF_LOGITS and logits is False and not self._asked(is_bounded, data):
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
                f"The loss takes logits (it does not change when a number is added to every class), and the output is already a "
                f"{output.activation}, so that it is applied twice.",
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
        found = mismatches(output.activation, data.n_predicted, loss_name(loss), logits, data.targets)
        if logits is None and data.task == "regression":
            found += range_mismatches(output.activation, data.n_predicted, data.targets)
        stuck = _stuck_at_zero(output.activation, data, outcome)
        if stuck and not any(one.strong for one in found):
            found = [Mismatch("output_activation_mismatch", stuck, False, "linear")]
        for one in found:
            if one.strong or outcome.error or stuck:
                words, fixed = self._fitting(variant, output, one.activation)
                yield one.cause, one.evidence, words, fixed, one.strong or bool(outcome.error)

    def _fitting(self, variant, output, activation):
        """(words, variant) with an output and a loss that fit the targets; activation: of the output, if that is all to be changed."""
        if output.dense and not activation and variant.data.task != "several":
            return fixes.fixed_output_and_loss(variant)
        activation = activation or fitting(variant.data.targets).activation
        words = f"Use {'no activation' if activation == 'linear' else activation} in the output layer instead of {output.activation}."
        return words, variant.having(program=fixes.with_output_activation(variant.program, activation))

    def _mismatches_of_parts(self, data):
        """The certain mismatches of a model of several outputs, each with the name of its output."""
        found = []
        for name, part in data.parts.items():
            layers = [layer for layer in layers_of(self.model) if layer.name == name]
            activation = getattr(getattr(layers[0], "activation", None), "__name__", "") if layers else ""
            for one in mismatches(activation, part.width, loss_name(part.loss), part.logits, part.targets):
                if one.strong:
                    words = fitting(part.targets).words
                    found.append(Finding(one.cause, f"Output {name!r}: {one.evidence}", f"Output {name!r}: {words}"))
        return found

    def _fixes(self, variant, outcome, found):
        """Change one thing after the other, the best first, until the variant is well, and yield the findings.

        found: whether something was found already.
        """
        rivals, done, start = [], set(), outcome
        for _ in range(ROUNDS):
            if self.judge.is_well(outcome) or not self.search.in_time or outcome.error:
                break
            # What failed by itself may help once something else has been changed.
            trials, queue = self.search.round(variant, outcome, self.judge, done or self.failed, found)
            if queue and not trials and not found:
                symptom, fix = queue[0]
                yield Finding(symptom.cause, symptom.evidence, fix.words)
            works = sorted((t for t in trials if t.works), key=lambda t: -t.score)
            best = works[0] if works else max(trials, key=lambda t: (not t.harms, t.plausibility), default=None)
            if best is None or (best.harms and done):
                break
            yield _finding_of(best)
            found = True
            rivals += works[1:] if works else [t for t in trials if t is not best and t.plausibility > 0.6]
            done.add(best.fix.name)
            variant, outcome = best.fix.apply(variant), best.outcome
        for trial in sorted(rivals, key=lambda t: -t.score):
            yield _finding_of(trial)
        if self.judge.is_well(outcome) or self.search.compare("", "", start, outcome, self.judge, always=False).works:
            self.together = variant, self.judge.skill(outcome)

    def _plain_fault(self):
        """Whether a network that learns most of it has something that is plainly wrong, and not just room to be better."""
        return any(trial.works and (trial.plausibility >= PLAIN or trial.steadies) for trial in self.search.trials)

    def _unexplained(self):
        text = f"Nothing that was tried lifts its skill of {two_digits(max(self.skill, WORST))}; {self.attainable_skill:.2f} can be learned."
        return Finding("capacity_too_low", text, "Try more units and layers, then other inputs.")


def _can_step(program, data):
    """Whether Keras itself can take a training step of a program on some data."""
    rows = slice(0, min(program.batch_size, data.points))
    try:
        model = program.compiled()
        values = [tf.identity(v.value) for v in model.trainable_variables]
        gradients_of(model, values, (tf.constant(data.inputs[rows]), tf.constant(data.y[rows]), ()), training=True)
    except Exception:  # of layers or a loss that are not Keras's, anything
        return False
    return True


def _gap(outcome):
    """How much higher the skill is on training than on validation samples, by the median over the seeds."""
    return np.median(outcome.train[-1]) - np.median(outcome.held[-1])


def _stuck_at_zero(activation, data, outcome):
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


def _finding_of(trial):
    before, after = float(np.median(trial.before)), float(np.median(trial.after))
    evidence = trial.fix.evidence
    if trial.steadies:
        evidence = f"It learns with {trial.learned[0]} of {len(trial.before)} seeds, and after the fix with {trial.learned[1]}. {evidence}"
    return Finding(trial.cause, evidence, trial.fix.words, trial.works, before, after, trial.outcome.variant)
