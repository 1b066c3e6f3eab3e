"""`diagnose`: why a Keras model does not learn, with a fix that has been tried.

Three sources of evidence, the cheapest first: what model and data are (the examine_… modules), what training shows
(symptoms.py), and experiments: short trainings with one thing changed (fixes.py, search.py). The most plausible cause is tried
first; a cause stands first if its own fix, alone, lifts the skill over several seeds.
"""

import time
import warnings
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from ..engine.cache import quick_start
from ..engine.initial_weights import fresh_values
from ..engine.training import fit_seeds
from ..program import random_state_kept
from . import checks, report
from .arguments import check, prepare
from .code import changes
from .data import WORST
from .examine_data import fill, find_imbalance, find_rare_labels, find_repeated, find_unlike, mix
from .examine_output import SAMPLES_PROBED, check_output_and_loss
from .examine_weights import find_equal_start, find_nothing_trained, find_untrained, from_given_weights
from .findings import Finding, listed
from .fixes import plain_network
from .hindrances import mixed_samples
from .joined import Joined
from .network import first_line, hangs_on_seeds, narrowest, own_step
from .own_step import by_fit, can_step
from .search import HEALTHY, LEAST_LIFT, MANY_SEEDS, PASSABLE, SELDOM, Judge, Search
from .symptoms import NOTHING, two_digits
from .trial_runner import TRIAL_SEEDS, TrialResult, TrialRunner

MOST_NAMED = 6  # outputs whose skills are told one by one
PLAIN = 0.8  # plausibility
OF_THE_DATA = {
    "unscaled_inputs",
    "unscaled_targets",
    "label_or_data_bug",
}  # causes that can be seen before training ends
QUICK = 0.1  # of the budget, for a training to be repeated from many seeds
SLOW = 0.2  # of the budget: where a training would take longer, copies that train one after the other become fewer
OF_WEIGHTS_BY_PLACE = (
    "Skill counts all positions of a sample alike, the loss by weight: what the weights ask for was not judged."
)
OF_TWO_SCALES = (
    "For class imbalance, skill counts all classes the same; for the other findings it counts all samples the same."
)
ROUNDS = 4  # of fixing one thing after the other


def diagnose(
    model, x=None, y=None, *, validation_data=None, validation_split=0.0, sample_weight=None, class_weight=None, epochs=100,
    batch_size=32, shuffle=True, budget=30.0, seeds=TRIAL_SEEDS, on_progress=None, clock=time.perf_counter,
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
        budget: seconds. An interrupted or expired search reports what it has tried.
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
    check(model, x, y, epochs, batch_size, budget, seeds)
    with random_state_kept(), quick_start(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Keras warns of becomes a finding
        began, progress = clock(), on_progress or report.progress()
        given = prepare(
            model, x, y, validation_data=validation_data, validation_split=validation_split, sample_weight=sample_weight,
            class_weight=class_weight, epochs=epochs, batch_size=batch_size, shuffle=shuffle,
        )  # fmt: skip

        def tell():
            progress(min(1.0, (clock() - began) / budget), search.doing)

        search = Search(TrialRunner(given.variant.data.given, began + budget, seeds, tell, clock), budget)
        examination = Examination(given, search)
        findings, notes = [], examination.notes
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
        found = examination.diagnosis(findings, min(seeds, len(search.runner.seeds)), clock() - began)
        return replace(found, call=(model, given.x, given.y, epochs, given.batch_size))


class Examination:
    """One call of `diagnose`: `findings` goes from the data to the fixes and yields what it finds on the way.

    Its steps stand in examine_data.py, examine_output.py, examine_weights.py and own_step.py. What they change here: skill,
    attainable_skill, notes; healthy; certain: whether data, output or loss are wrong, however it is trained; measured: whether there was
    time to train the network as it is, and to see what can be learned; as_it_is: its training, where the trials are judged on the same
    scale; failed: names of fixes that were tried out of turn and do not work.
    """

    def __init__(self, given, search):
        self.model, self.variant, self.notes, self.search = given.model, given.variant, given.notes, search
        self.given, self.same, self.unmixed = (given.x, given.y), given.same, given.unmixed
        self.lost = given.lost
        self.inner = self.model.inner if isinstance(self.model, Joined) else self.model
        n_validation = len(self.data.x) - self.data.points
        self.margin = 1 / np.sqrt(n_validation) if n_validation else 0.0
        self.skill, self.attainable_skill = np.nan, np.nan
        self.healthy, self.certain, self.measured, self.as_it_is = False, False, True, None
        self.failed = set()
        self.by_seeds = ""  # the sentence that says with how many seeds it fails as it is
        self.unseen = ""  # the sentence that says why its gradients could not be looked at
        # (The finding that classes are unbalanced, its scale), where class weights alone are not enough.
        self.imbalance = None
        self.together = None  # (the variant with several things fixed, its skill), where one alone is not enough

    @property
    def data(self):
        """What it was given, as `Data`."""
        return self.variant.data

    @property
    def judge(self):
        """The `Judge` of what is known so far."""
        return Judge(self.attainable_skill, self.margin)

    @property
    def goal(self):
        """The skill from which on a network has no fault."""
        return HEALTHY * self.attainable_skill

    @property
    def passable(self):
        """Whether it learns so much as it is that only a plain fault counts."""
        return self.skill >= PASSABLE * self.attainable_skill

    def diagnosis(self, findings, seeds, seconds):
        """The `Diagnosis`: each cause once, with a fix that is enough."""
        first, skill = {}, self.skill
        if self.imbalance is not None:
            finding, scale = self.imbalance
            if self._is_enough(findings):
                findings = [*findings, finding]
            else:  # of what was measured on the other scale, what is proved
                findings = [finding, *(one for one in findings if one.verified)]
                (self.attainable_skill, skill), self.as_it_is, self.together = scale, None, None
            if len(findings) > 1:
                self.notes.append(OF_TWO_SCALES)
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
        if findings and alone < min(self.goal, after - LEAST_LIFT):
            fix = f"{findings[0].fix} This alone is not enough: the code below shows everything that was changed."
            findings[0] = replace(findings[0], fix=fix, fixed=variant, verified=True, before=skill, after=after)
        findings = [
            one if one.fixed is None else replace(one, diff=changes(self.variant, one.fixed)) for one in findings
        ]
        # Else it was judged on another scale since, or this follows from what keeps it from being trained.
        if self.as_it_is is not None:
            self.notes += [told for told in (self.by_seeds, self.unseen) if told]
        if findings and (alike := self._alike([finding.cause for finding in findings])):
            self.notes.append(f"Training cannot tell {alike} apart: the fix of each is enough by itself.")
        proved = self.certain or any(finding.verified for finding in findings)
        unknown = not self.healthy and (not findings or not (self.measured or proved))
        if unknown and not self.measured:
            # Of guesses about a training that was not seen to its end, those that the data alone suggest.
            plain = {trial.cause for trial in self.search.trials if trial.plausibility >= PLAIN and not trial.later}
            findings = [one for one in findings if one.cause in plain & OF_THE_DATA]
        return report.Diagnosis(
            None if unknown else self.healthy, findings, skill, self.attainable_skill, self.search.trials, self.notes, seeds,
            seconds, self.as_it_is,
        )  # fmt: skip

    def _is_enough(self, findings):
        """Whether the fix of the first of some findings is enough, alone or together with others."""
        if not findings or not findings[0].verified:
            return False
        reached = [findings[0].after, *(self.together or ())[1:]]
        return any(skill is None or skill >= self.goal for skill in reached)

    def _alike(self, causes):
        """Those of the causes whose fix, made alone, is enough, as people list them; "" if there are not two."""
        enough = {
            trial.cause
            for trial in self.search.trials
            if trial.works and not trial.later and np.median(trial.after) >= HEALTHY * trial.attainable_skill
        }
        names = [cause.replace("_", " ") for cause in causes if cause in enough]
        return listed(names) if len(names) > 1 else ""

    def findings(self):
        """Yield each `Finding`, in the order of an examination."""
        if self.same is not None or (faults := list(checks.data_faults(self.data)) or find_nothing_trained(self)):
            self.certain = True
            yield from [self.same] if self.same is not None else faults
            return
        outcome = None
        if self.unmixed is not None:  # it is trained on shuffled samples here, and might be called healthy
            self.certain, finding = True, self.unmixed
            try:
                self.variant = from_given_weights(self)
                outcome = self._trained_as_it_is(self.variant)
                finding = self._tried_in_order(finding, self.judge.is_well(outcome))
            finally:
                if finding is not None:
                    yield finding  # also where that is interrupted
            if finding is not None:
                return
            self.certain = False
        if name := own_step(self.inner):
            yield from self._by_fit(f"it has its own {name}.")
            return
        if outcome is None:
            self.variant = from_given_weights(self)
            outcome = self._trained_as_it_is(self.variant)
        if outcome.error and can_step(self.variant):
            yield from self._by_fit(f"copies of it cannot be trained side by side: {outcome.error}")
            return
        yield from self._of_copies(outcome if outcome.error else self._from_more_seeds(outcome))

    def _of_copies(self, outcome):
        """Yield what is found where copies can be trained. outcome: that of the network as it is."""
        complete, some = bool(np.isfinite(self.data.inputs_2d).all()), False
        if not outcome.error:
            finding, outcome = find_equal_start(self, outcome)
            if finding is not None:
                yield finding
                if self.judge.is_well(outcome):
                    self.certain = True
                    return
        if complete and not outcome.error:
            if finding := find_repeated(outcome):
                self.certain = True
                yield finding
                return
            if (rare := find_rare_labels(self, outcome)) is not None:
                yield from rare
                return
            well = self.judge.is_well(outcome)
            if unbalanced := find_imbalance(self, outcome):
                finding, after, scale = unbalanced
                enough = Judge(scale[0], self.margin).is_well(after)
                if not well and not enough and self.attainable_skill >= NOTHING:  # then something else may be at fault
                    self.imbalance = finding, scale
                else:
                    self.certain = some = True
                    (self.attainable_skill, self.skill), self.as_it_is, outcome = scale, None, after
                    yield finding
                    if enough:
                        return
            elif (
                well
                and not self._plain_network_learns_more(outcome.variant)
                and not find_unlike(outcome)  # on which a reference model fails, too
            ):
                self.healthy = True
                self.notes += [finding.evidence for finding in self.ask(mixed_samples, outcome.variant.data)]
                return
        if not complete:
            finding, outcome = fill(self, outcome)
            yield finding
            self.certain = some = True
            if self.judge.is_well(outcome):
                return
        if faults := find_unlike(outcome):
            self.certain = True
            yield from mix(self, faults, outcome)
            return
        self.certain = False
        found, outcome = check_output_and_loss(self, outcome)
        if not found:  # a loss that does not fit may have no gradient, and that explains it
            found, outcome = find_untrained(self, outcome)
        yield from found
        if self.certain:
            return
        self.certain = some = some or bool(found)
        data = outcome.variant.data
        misread, self.attainable_skill = checks.misread_ids(data, self.attainable_skill, lambda: self.search.in_time)
        if misread:
            self.certain = True
            yield from misread
            return
        if self.attainable_skill < NOTHING:
            self.certain = True
            yield from self._nothing_to_learn(outcome)
            return
        erratic = len(outcome.train[-1]) >= MANY_SEEDS and self.judge.failed(outcome) > SELDOM
        passable = self.passable and not self.certain and not erratic and self.imbalance is None
        for finding in self.fixes(outcome, some):
            some = True
            yield finding
        if passable and not self._plain_fault():
            self.healthy = True
        elif not some and self.imbalance is None and self.search.in_time:
            yield self._unexplained()

    def _by_fit(self, reason):
        """Yield what is found in a model that only `fit` can train; reason: why only `fit` can."""
        has_loss = any(loss is not None for loss in keras.tree.flatten(self.inner.loss))
        found = find_untrained(self, TrialResult(self.variant))[0] if has_loss else []
        yield from found or by_fit(self, reason)

    def _nothing_to_learn(self, outcome):
        """Yield what is found where reference models learn nothing."""
        data = outcome.variant.data
        if getattr(data, "by_place", False):
            self.notes.append(OF_WEIGHTS_BY_PLACE)
            return
        found = checks.unlearnable(data, *self.given, self.attainable_skill, lambda: self.search.in_time)
        if not found[0].verified:
            yield from checks.too_few_samples(data, float(np.median(outcome.train[-1])))
        yield from found

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
        self.attainable_skill = self.attainable(variant.data)
        self.skill = self.judge.skill(outcome)
        if variant.data.task == "several" and outcome.answers is not None and 1 < len(variant.data.parts) <= MOST_NAMED:
            skills = variant.data.skills(outcome.answers[0])
            words = [f"{name} {two_digits(np.nanmin(skill))}" for name, skill in skills.items()]
            self.notes.append(f"Skill of the outputs with the first seed: {', '.join(words)}.")
        if variant.data.has_validation:  # what it has learned can be learned
            own = float(np.median(outcome.held[-1]))
            self.attainable_skill = max(self.attainable_skill, own if own > self.attainable_skill + LEAST_LIFT else -1)
        return outcome

    def _from_more_seeds(self, outcome):
        """The outcome from more seeds of a network that learns from one and fails from another; else the outcome as it is."""
        variant, seeds, failed = outcome.variant, len(outcome.train[-1]), self.judge.failed(outcome)
        quick = self.quick and seeds > 1 and hangs_on_seeds(variant.program.layers)
        if not ((0 < failed < 1 or quick) and self.passable):
            return outcome
        self.search.runner.seeds = range(MANY_SEEDS)
        more = self.search.attempt(variant, 0.3, "the network as it is, with more seeds")
        if more is not None and not more.error and more.steps == more.planned:
            seeds, failed = MANY_SEEDS, self.judge.failed(more)
        if failed:
            self.by_seeds = (
                f"As it is, it fails with {round(failed * seeds)} of {seeds} seeds: the initial weights decide."
            )
        if seeds == MANY_SEEDS and failed > SELDOM:
            return more
        self.search.runner.seeds = range(len(outcome.train[-1]))
        return outcome

    def attainable(self, data):
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
        outcome = self.search.attempt(plain_network(variant), 0.2, "a plain network")
        if outcome is None or self.judge.skill(outcome) <= self.skill + 0.25:
            return False
        self.attainable_skill = self.judge.skill(outcome)
        return True

    def compare(self, cause, evidence, words, before, after, fixed, always=True):
        """The `Finding` of a change that was made without a choice; after: None if there was no time to try it."""
        if after is None:
            return Finding(cause, evidence, words)
        trial = self.search.compare(words, cause, before, after, self.judge, always)
        skills = self.judge.skill(before), self.judge.skill(after)
        return Finding(cause, evidence, words, trial.works, *skills, fixed)

    def keep_if_better(self, outcome, cause, evidence, words, fixed, untried=False):
        """A change that is kept if it helps or, with `untried`, if there was no time to try it: (findings, outcome)."""
        after = self.search.attempt(fixed, 0.3, words)
        finding = self.compare(cause, evidence, words, outcome, after, fixed)
        if finding.verified or (untried and after is None):
            return [finding], after or replace(outcome, variant=fixed)
        return [], outcome

    def ask(self, question, data, drawn=False, samples=SAMPLES_PROBED):
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

    def fixes(self, outcome, found):
        """Change one thing after the other, the best first, until the variant is well, and yield the findings.

        found: whether something was found already.
        """
        rivals, done, start = [], set(), outcome
        for _ in range(ROUNDS):
            if self.judge.is_well(outcome) or not self.search.in_time or outcome.error:
                break
            # What failed by itself may help once something else has been changed.
            trials, queue = self.search.round(outcome.variant, outcome, self.judge, done or self.failed, found)
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
            outcome = best.outcome
        for trial in sorted(rivals, key=lambda t: -t.score):
            yield _finding_of(trial)
        if self.judge.is_well(outcome) or self.search.compare("", "", start, outcome, self.judge, always=False).works:
            self.together = outcome.variant, self.judge.skill(outcome)

    def _plain_fault(self):
        """Whether a network that learns most of it has something that is plainly wrong, and not just room to be better."""
        return any(trial.works and (trial.plausibility >= PLAIN or trial.steadies) for trial in self.search.trials)

    def _unexplained(self):
        text = f"Nothing that was tried lifts its skill of {two_digits(max(self.skill, WORST))}; {self.attainable_skill:.2f} can be learned."
        return Finding("capacity_too_low", text, "Try more units and layers, then other inputs.")


def _finding_of(trial):
    before, after = float(np.median(trial.before)), float(np.median(trial.after))
    evidence = trial.fix.evidence
    if trial.steadies:
        evidence = f"It learns with {trial.learned[0]} of {len(trial.before)} seeds, and after the fix with {trial.learned[1]}. {evidence}"
    return Finding(trial.cause, evidence, trial.fix.words, trial.works, before, after, trial.outcome.variant)
