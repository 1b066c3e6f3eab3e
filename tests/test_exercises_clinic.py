"""helpers/lessons/exercises_clinic.py: right answers pass, wrong ones learn what is wrong with them."""

from types import SimpleNamespace

import numpy as np
import pytest

from helpers import Experiment
from helpers.clinic.clinic import Clinic
from helpers.clinic.patients import SIGNS
from helpers.experiments.experiment import SETTINGS
from helpers.experiments.symptoms import Finding
from helpers.lessons import exercises
from helpers.lessons import exercises_clinic as clinic_exercises
from helpers.lessons.exercises_clinic import TITLE, TWO
from helpers.lessons.teaching import NotYet

ILL = Experiment(problem="abs", stretch=3.0, activation="relu")


def outcome(rate):
    """What a checker sees of 50 seeds of which this share learns."""
    learned = np.arange(50) < 50 * rate
    return SimpleNamespace(
        skill=np.where(learned, 1.0, 0.0), learned=learned, success_rate=rate, verdict=f"Learned in {learned.sum()} of 50.",
        loss=np.ones((50, 20)), dead=np.zeros((50, 20, 1)), noise_floor=np.full(50, 0.09),
    )  # fmt: skip


@pytest.fixture
def trained(monkeypatch):
    """Lets a test say what becomes of an experiment."""

    def give(result):
        for module in (exercises, clinic_exercises):
            monkeypatch.setattr(module, "train_seeds", lambda experiment, seeds: outcome(result(experiment)))

    return give


def refused(checker, answer):
    with pytest.raises(NotYet) as reason:
        checker(answer)
    return str(reason.value)


def test_any_other_way_out_passes(trained):
    trained(lambda e: 1.0 if e.optimizer == "adam" else 0.1)
    assert clinic_exercises.another_way_out(TITLE.replace(optimizer="adam")) == "Learned in 50 of 50."
    assert "Learned in 5 of 50." in refused(clinic_exercises.another_way_out, TITLE.replace(activation="tanh"))


def test_the_way_of_the_lesson_and_another_task_do_not_count(trained):
    trained(lambda e: 1.0)
    assert "That is the way of the lesson" in refused(
        clinic_exercises.another_way_out, TITLE.replace(scaling="standard")
    )
    assert "another task" in refused(clinic_exercises.another_way_out, TITLE.replace(stretch=0.1))
    assert "changed none" in refused(clinic_exercises.another_way_out, TITLE)
    two = TITLE.replace(optimizer="adam", width=8)
    assert "Change exactly 1 field; you have changed width, optimizer." in refused(
        clinic_exercises.another_way_out, two
    )
    assert "not str" in refused(clinic_exercises.another_way_out, "adam")


def test_two_changes_pass_only_if_neither_is_enough(trained):
    both = TWO.replace(scaling="standard", learning_rate=0.03)
    trained(lambda e: 1.0 if e == both else 0.0)
    assert clinic_exercises.mend_two_at_once(both).endswith("Neither scaling nor learning_rate alone is enough.")
    trained(lambda e: 1.0 if e.scaling == "standard" else 0.0)
    assert "scaling alone is enough" in refused(clinic_exercises.mend_two_at_once, both)
    assert "Change exactly 2 fields" in refused(clinic_exercises.mend_two_at_once, TWO.replace(scaling="standard"))


def test_three_treated_patients_pass():
    ward = Clinic(level=2)
    assert "no patient treated yet" in refused(clinic_exercises.treat_three, ward)
    ward.treated, ward.causes, ward.named, ward.cured = 3, 3, 1, 2
    assert "Two thirds are wanted" in refused(clinic_exercises.treat_three, ward)
    ward.named = 2
    assert clinic_exercises.treat_three(ward).startswith("3 patients treated: 2 of 3 causes named, 2 cured")
    ward.level = 1
    assert "level 2 or 3" in refused(clinic_exercises.treat_three, ward)
    assert "not int" in refused(clinic_exercises.treat_three, 3)


@pytest.mark.parametrize(("said", "passes"), [("dead_relu", True), ("unscaled_inputs", False)])
def test_the_lab_is_fooled_if_its_cause_does_not_lead_to_the_field(trained, monkeypatch, said, passes):
    trained(lambda e: 1.0 if e.scaling == "standard" else 0.0)
    monkeypatch.setattr(clinic_exercises, "train", lambda e: None)
    monkeypatch.setattr(clinic_exercises, "findings", lambda run: [Finding(said, "", "", "")])
    answer = ILL, ILL.replace(scaling="standard")
    if passes:
        assert "dead relu units" in clinic_exercises.fool_the_lab(answer)
    else:
        assert "The lab is right" in refused(clinic_exercises.fool_the_lab, answer)
    assert "is taken" in refused(clinic_exercises.fool_the_lab, (TITLE, TITLE.replace(scaling="standard")))
    assert "is a pair" in refused(clinic_exercises.fool_the_lab, ILL)
    trained(lambda e: 0.5)
    assert "not ill enough" in refused(clinic_exercises.fool_the_lab, answer)


def test_every_field_that_may_change_has_its_causes():
    for name, setting in SETTINGS.items():
        assert (setting.group == "Data") != (name in clinic_exercises.BLAMES)
    for causes in clinic_exercises.BLAMES.values():
        assert causes <= set(SIGNS)
