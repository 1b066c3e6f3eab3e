"""helpers/lessons/exercises_clinic.py: right answers pass, wrong ones learn what is wrong with them."""

import ast

import build
import pytest
from checking import refused

from helpers import Experiment
from helpers.clinic.clinic import Clinic
from helpers.clinic.patients import SYMPTOMS
from helpers.experiments.experiment import FIELDS
from helpers.experiments.symptoms import Finding
from helpers.lessons import exercises_clinic as clinic_exercises
from helpers.lessons.exercises_clinic import TITLE, TWO

FAILING = Experiment(problem="abs", input_scale=3.0, activation="relu")


def test_any_other_way_out_passes(trained):
    trained(lambda e: 50 if e.target_scaling == "standard" else 5)
    assert clinic_exercises.another_way_out(TITLE.replace(target_scaling="standard")) == "Learned with 50 of 50."
    assert "Learned with 5 of 50." in refused(clinic_exercises.another_way_out, TITLE.replace(activation="tanh"))


def test_the_way_of_the_lesson_and_another_task_do_not_count(trained):
    trained(50)
    for shown in ({"scaling": "standard"}, {"learning_rate": 0.001}, {"optimizer": "rmsprop"}, {"depth": 0}):
        assert "has shown that already" in refused(clinic_exercises.another_way_out, TITLE.replace(**shown))
    assert "another task" in refused(clinic_exercises.another_way_out, TITLE.replace(input_scale=0.1))
    assert "changed none" in refused(clinic_exercises.another_way_out, TITLE)
    two = TITLE.replace(activation="sigmoid", width=8)
    assert "Change exactly one field; you have changed width, activation." in refused(
        clinic_exercises.another_way_out, two
    )
    assert "not str" in refused(clinic_exercises.another_way_out, "adam")


def test_two_changes_pass_only_if_neither_is_enough(trained):
    both = TWO.replace(scaling="standard", learning_rate=0.03)
    trained(lambda e: 50 if e == both else 0)
    assert clinic_exercises.fix_two_at_once(both).endswith("Neither scaling nor learning_rate alone is enough.")
    trained(lambda e: 50 if e.scaling == "standard" else 0)
    assert "scaling alone is enough" in refused(clinic_exercises.fix_two_at_once, both)
    assert "Change exactly 2 fields" in refused(clinic_exercises.fix_two_at_once, TWO.replace(scaling="standard"))


def test_three_treated_patients_pass():
    ward = Clinic(level=2)
    assert "no patient treated yet" in refused(clinic_exercises.treat_three, ward)
    ward.treated, ward.n_causes, ward.n_named, ward.n_fixed = 3, 3, 1, 2
    assert "Two thirds are wanted" in refused(clinic_exercises.treat_three, ward)
    ward.n_named = 2
    assert clinic_exercises.treat_three(ward).startswith("3 patients treated: 2 of 3 causes named, 2 fixed")
    ward.level = 1
    assert "level 2 or 3" in refused(clinic_exercises.treat_three, ward)
    assert "not int" in refused(clinic_exercises.treat_three, 3)


@pytest.mark.parametrize(("said", "passes"), [("dead_relu", True), ("unscaled_inputs", False)])
def test_the_lab_is_fooled_if_its_cause_does_not_lead_to_the_field(trained, monkeypatch, said, passes):
    trained(lambda e: 50 if e.scaling == "standard" else 0)
    monkeypatch.setattr(clinic_exercises, "train", lambda e: None)
    monkeypatch.setattr(clinic_exercises, "findings", lambda run: [Finding(said, "", "")])
    answer = FAILING, FAILING.replace(scaling="standard")
    if passes:
        assert "dead relu units" in clinic_exercises.fool_the_lab(answer)
    else:
        assert "The lab is right" in refused(clinic_exercises.fool_the_lab, answer)
    assert "is taken" in refused(clinic_exercises.fool_the_lab, (TITLE, TITLE.replace(scaling="standard")))
    assert "is a pair" in refused(clinic_exercises.fool_the_lab, FAILING)
    trained(25)
    assert "does not fail often enough" in refused(clinic_exercises.fool_the_lab, answer)


def test_every_field_that_may_change_has_its_causes():
    for name, spec in FIELDS.items():
        assert (spec.group == "Data") != (name in clinic_exercises.CAUSES_OF_FIELD)
    for causes in clinic_exercises.CAUSES_OF_FIELD.values():
        assert causes <= set(SYMPTOMS)


@pytest.mark.parametrize(("name", "network"), [("TITLE", TITLE), ("TWO", TWO)])
def test_the_lesson_writes_out_the_networks_of_the_exercises(name, network):
    cells = [cell for cell in build.notebook("06_debugging_clinic", "exercise").cells if cell.cell_type == "code"]
    assigned = [node for cell in cells for node in ast.parse(cell.source).body if isinstance(node, ast.Assign)]
    (written,) = (ast.unparse(node.value) for node in assigned if ast.unparse(node.targets[0]) == name)
    assert eval(written, {"Experiment": Experiment}) == network
