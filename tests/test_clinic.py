"""helpers/clinic: fair patients, a budget that holds, and causes that are not shown before the treatment."""

import asyncio
import json
from dataclasses import FrozenInstanceError

import anywidget
import pytest
from covering import each_night

from helpers.clinic import casebook, patients
from helpers.clinic.clinic import Clinic
from helpers.clinic.clinic_tests import TESTS
from helpers.clinic.patients import (
    FAULTS,
    FIXES,
    HELD_OUT_SEEDS,
    SYMPTOMS,
    Patient,
    patient,
    treat,
    with_fixes,
)
from helpers.experiments.problems import make_problem
from helpers.experiments.run import nothing_to_learn
from helpers.experiments.symptoms import findings
from helpers.experiments.training import train_seeds

pytestmark = pytest.mark.numerical

ROOT_OF_NOTHING = next(fault for fault in FAULTS if fault.cause == "nothing_to_learn")
LOW = next(fault for fault in FAULTS if fault.cause == "learning_rate_too_low")


def patient_with(fault, changes=None):
    """A patient with a known fault."""
    failing = fault.base.replace(**(changes or fault.breaks[min(fault.breaks)][0]))
    causes = ((fault.cause, *fault.also),)
    return Patient("A patient", failing, causes, fault.fixes, "What had been changed: something.", "It fails.")


def clinic_of(fault):
    return Clinic(cases=[patient_with(fault)])


@pytest.mark.parametrize("level", [1, pytest.param(2, marks=pytest.mark.nightly), 3])  # 1 and 2 are drawn alike
def test_patients_fail_can_be_fixed_and_are_the_same_for_everyone(level):
    one = patient(3, level)
    assert one == patient(3, level)
    assert one.n_causes == len(one.causes) == (2 if level == 3 else 1)
    assert not one.run.learned
    outcome = treat(one, [cause[0] for cause in one.causes], one.fixes)
    assert outcome.n_named == one.n_causes
    assert outcome.fixed, outcome.sentences


def test_a_patient_is_data_that_nobody_changes_and_that_is_not_shown_by_accident():
    one = patient_with(LOW)
    assert repr(one) == "Patient(title='A patient', complaint='It fails.', level=None, budget=6)"
    with pytest.raises(FrozenInstanceError):
        one.budget = 100


def test_every_fault_has_known_words_and_every_lab_cause_can_be_drawn():
    for fault in FAULTS:
        assert {fault.cause, *fault.also} <= set(SYMPTOMS)
        assert set(fault.fixes) <= set(FIXES)
        assert set(fault.breaks) <= {1, 2}
    assert {fault.cause for fault in FAULTS} == set(SYMPTOMS)


def test_within_a_round_no_patient_comes_twice():
    draws = patients._draws(1)
    assert patient(0, 1).causes != patient(1, 1).causes
    assert all(1 in fault.breaks for (fault,) in draws)


def test_two_causes_are_of_two_kinds():
    for one, other in patients._draws(3):
        assert one.cause != other.cause
        assert one.fixes != other.fixes


CASES = {case.title: case for case in casebook.CASES}


@pytest.mark.parametrize("case", each_night(CASES, list(CASES)[::2]))
def test_cases_fail_and_their_fixes_work(case):
    problem = make_problem(case.experiment)
    assert not nothing_to_learn(problem)
    assert train_seeds(case.experiment, HELD_OUT_SEEDS[:8], probes=False).success_rate <= 0.25
    assert train_seeds(with_fixes(case.experiment, case.fixes), HELD_OUT_SEEDS[:8], probes=False).success_rate >= 0.75
    assert {name for cause in case.causes for name in cause} <= set(SYMPTOMS)


def test_the_casebook_names_its_questions_at_the_end_only():
    sources = [case.ending.split("Source: ")[1] for case in casebook.CASES]
    assert len(sources) == len(set(sources)) >= 9
    one = casebook.CASES[1]
    assert sources[1] not in one.story + one.title + repr(one)
    assert sources[1] in " ".join(treat(one, ["overfitting"], ["no_penalty"]).sentences)


def test_a_round_with_the_right_answer_and_one_with_the_wrong():
    clinic = clinic_of(LOW)
    assert clinic.admit() == "A patient. It fails."
    assert "changed a layer's weights by" in clinic.order("steps")
    assert clinic.credits == 5
    told = clinic.treat(["learning_rate_too_low"], ["lr_times_100"])
    assert "You named the cause." in told
    assert "20 of 20 held-out seeds learn. Fixed." in told
    assert clinic.score == 3 + 3 + 3, "of the five credits left, half of the budget counts"
    clinic.admit()
    assert clinic.credits == 6
    told = clinic.treat(["overfitting"], ["some_l2"])
    assert "That was not the cause." in told
    assert "What fixes it: learning rate × 100." in told
    assert clinic.score == 9
    assert clinic.summary == "2 patients treated: 1 of 2 causes named, 1 fixed, score 9"


def test_the_budget_holds():
    clinic = clinic_of(LOW)
    clinic.admit()
    for name in ("faster", "ten", "predictions"):
        clinic.order(name)
    with pytest.raises(ValueError, match="costs 2, and you have 1"):
        clinic.order("slower")
    with pytest.raises(ValueError, match="has been done"):
        clinic.order("ten")
    with pytest.raises(ValueError, match="'x-ray' is not one of"):
        clinic.order("x-ray")


def test_a_level_that_is_refused_changes_nothing():
    clinic = Clinic(level=1)
    with pytest.raises(ValueError, match="level=9 is not one of 1, 2, 3"):
        clinic.admit(level=9)
    assert "level 1" in clinic.admit()


def test_treatments_that_cannot_be_given_cost_nothing():
    clinic = clinic_of(LOW)
    clinic.admit()
    for causes, fixes, reason in (
        ([], ["adam"], "0 causes are chosen; choose one"),
        (["flu"], ["adam"], "'flu' is not one of the causes"),
        (["overfitting"], ["adam", "adam"], "different"),
        (["overfitting", "dead_relu"], ["adam"], "choose one"),
    ):
        with pytest.raises(ValueError, match=reason):
            clinic.treat(causes, fixes)
    assert clinic.treated == 0
    clinic.treat(["overfitting"], ["adam"])
    for again in (lambda: clinic.treat(["overfitting"], ["adam"]), lambda: clinic.order("data")):
        with pytest.raises(ValueError, match="has been treated"):
            again()


def test_where_there_is_nothing_to_learn_leaving_alone_is_right():
    told = clinic_of(ROOT_OF_NOTHING).treat(["nothing_to_learn"], ["other_inputs"])
    assert "Right to leave it alone" in told
    assert "No treatment can help here." in clinic_of(ROOT_OF_NOTHING).treat(["overfitting"], ["longer"])
    assert "could have been fixed" in clinic_of(LOW).treat(["nothing_to_learn"], ["other_inputs"])


# No hidden layer, classes, few points, a run on its way to infinity, a run of NaN, a table of which nothing can be learned.
DIFFERENT = [
    next(fault for fault in reversed(FAULTS) if fault.cause == cause and fault.base.problem == problem)
    for cause, problem in (
        ("capacity_too_low", "sine"),
        ("capacity_too_low", "moons"),
        ("overfitting", "half_wave"),
        ("learning_rate_too_high", "sine"),
        ("missing_values", "sine"),
        ("nothing_to_learn", "stock_return"),
    )
]


@pytest.mark.parametrize(
    "fault",
    [pytest.param(one, marks=[] if one in DIFFERENT else pytest.mark.nightly) for one in FAULTS],
    ids=lambda fault: fault.cause,
)
def test_every_test_can_be_done_on_every_patient(fault):
    changes = fault.breaks[max(fault.breaks)][-1]
    one = patient_with(fault, {"epochs": 20, **changes})
    for test in TESTS.values():
        result = test.look(one)
        assert result.text.endswith(".")
        assert "nan" not in result.text.split()
        assert not result.pictures or result.run is one.run


def test_nothing_that_is_shown_before_the_treatment_names_the_cause():
    clinic = Clinic(level=1, seed=2)
    data, _ = clinic._repr_mimebundle_()
    for name in ("data", "seeds"):
        clinic.order(name)
    one = clinic.patient
    state = {**clinic.view.state, "results": [{**r, "plot": ""} for r in clinic.view.state["results"]]}
    readable = [
        json.dumps(state),
        data["text/plain"],
        repr(clinic),
        repr(clinic.patient),
        str(clinic.results[0][1].text),
    ]
    secrets = [one.experiment.to_json(), one.ending, findings(one.run)[0].evidence]
    for text in readable:
        assert not [secret for secret in secrets if secret in text]
    assert state["outcome"] is None
    assert [name for name, _ in state["causes"]] == list(SYMPTOMS), "all causes, whatever the patient"
    ours = set(clinic.view.traits(sync=True)) - set(anywidget.AnyWidget().traits(sync=True))
    assert {name for name in ours if not name.startswith("_")} == {"state"}


def test_a_clinic_that_is_only_asked_has_a_patient():
    assert clinic_of(LOW).credits == 6
    assert clinic_of(LOW).text.startswith("A patient. It fails.")


def test_headless_it_shows_a_plot_and_says_everything():
    data, _ = clinic_of(LOW)._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert data["text/plain"].startswith("A patient. It fails.\nLearning curve: Epoch 1 to 200")
    assert "6 credits left: Predictions and targets (1)" in data["text/plain"]


def test_the_front_end_is_answered_while_the_clinic_works():
    async def visit():
        clinic = clinic_of(LOW)
        clinic._repr_mimebundle_()
        clinic._receive(None, {"action": "order", "test": "ten"}, [])
        assert clinic.view.state["busy"]
        clinic._receive(None, {"action": "order", "test": "data"}, [])  # one after the other
        while clinic._busy:
            await asyncio.sleep(0.01)
        assert clinic.credits == 4
        assert clinic.view.state["results"][-1]["title"] == "Overfit ten samples"
        clinic._receive(None, {"action": "treat", "causes": ["", ""], "fixes": ["adam", ""]}, [])
        await clinic._task
        assert clinic.view.state["note"] == "0 causes are chosen; choose one."
        clinic._receive(None, {"action": "treat", "causes": ["overfitting", ""], "fixes": ["adam", ""]}, [])
        await clinic._task
        told = clinic.view.state["outcome"]
        assert told["lessons"] == ["03_optimizers"]
        assert "keras.Sequential" in told["program"]
        clinic._receive(None, {"action": "size", "width": 400, "scale": 1, "dark": True}, [])
        assert clinic.look == (400, 1.0, True)
        clinic._receive(None, {"action": "admit", "level": None}, [])
        await clinic._task
        assert clinic.view.state["outcome"] is None
        assert clinic.view.state["credits"] == 6

    asyncio.run(asyncio.wait_for(visit(), 120))


@pytest.mark.parametrize(("seed", "level"), [(-1, 1), (True, 1), (0, 4), ("a", 1)])
def test_wrong_seeds_and_levels_get_a_sentence(seed, level):
    with pytest.raises(ValueError, match="is not"):
        patient(seed, level)
