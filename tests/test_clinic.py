"""helpers/clinic/clinic.py, patients.py and casebook.py: fair patients, a budget that holds, and sealed answers."""

import asyncio
import json

import anywidget
import pytest

from helpers.clinic import casebook, patients
from helpers.clinic.clinic import Clinic
from helpers.clinic.patients import (
    HELD_OUT,
    ILLNESSES,
    REMEDIES,
    SIGNS,
    TESTS,
    File,
    Patient,
    patient,
    studied,
    treated,
)
from helpers.experiments.problems import make_problem
from helpers.experiments.run import nothing_to_learn
from helpers.experiments.symptoms import findings

pytestmark = pytest.mark.numerical

ROOT_OF_NOTHING = next(illness for illness in ILLNESSES if illness.cause == "nothing_to_learn")


def clinic_of(illness, changes=None, **more):
    """A clinic with one patient of a known illness."""
    ill = illness.base.replace(**(changes or illness.breaks[min(illness.breaks)][0]))
    file = File(ill, ((illness.cause, *illness.also),), illness.cure, "In its file: something.")
    return Clinic(cases=[Patient("A patient", "It fails.", None, 6, file)], **more)


LOW = next(illness for illness in ILLNESSES if illness.cause == "learning_rate_too_low")


@pytest.mark.parametrize("level", [1, pytest.param(2, marks=pytest.mark.nightly), 3])  # 1 and 2 are drawn alike
def test_patients_fail_can_be_cured_and_are_the_same_for_everyone(level):
    one, again = patient(3, level), patient(3, level)
    assert one._file.experiment == again._file.experiment
    assert one._file.causes == again._file.causes
    assert one.slots == len(one._file.causes) == (2 if level == 3 else 1)
    assert not one._file.run.learned
    outcome = one.treat([cause[0] for cause in one._file.causes], one._file.cure)
    assert outcome.named == one.slots
    assert outcome.cured, outcome.words


def test_every_illness_has_known_words_and_every_lab_cause_can_be_drawn():
    for illness in ILLNESSES:
        assert {illness.cause, *illness.also} <= set(SIGNS)
        assert set(illness.cure) <= set(REMEDIES)
        assert set(illness.breaks) <= {1, 2}
    assert {illness.cause for illness in ILLNESSES} == set(SIGNS)


def test_within_a_round_no_patient_comes_twice():
    draws = patients._draws(1)
    assert patient(0, 1)._file.causes != patient(1, 1)._file.causes
    assert all(1 in illness.breaks for (illness,) in draws)


def test_two_causes_are_of_two_kinds():
    for one, other in patients._draws(3):
        assert one.cause != other.cause
        assert one.cure != other.cure


@pytest.mark.parametrize("case", casebook.CASES, ids=lambda case: str(case.number))
def test_cases_fail_and_their_cure_works(case):
    problem = make_problem(case.experiment)
    assert not nothing_to_learn(problem)
    assert studied(case.experiment, HELD_OUT[:8]).success_rate <= 0.25
    assert studied(treated(case.experiment, case.cure), HELD_OUT[:8]).success_rate >= 0.75
    assert {name for cause in case.causes for name in cause} <= set(SIGNS)


def test_the_casebook_names_its_questions_at_the_end_only():
    numbers = [case.number for case in casebook.CASES if case.number]
    assert len(numbers) == len(set(numbers)) >= 8
    one = casebook.patients()[1]
    assert str(numbers[0]) not in one.story + one.title + repr(one)
    assert str(numbers[0]) in " ".join(one.treat(["overfitting"], ["no_penalty"]).words)


def test_a_round_with_the_right_answer_and_one_with_the_wrong():
    clinic = clinic_of(LOW)
    assert clinic.admit() == "A patient. It fails."
    assert "moved a layer's weights by" in clinic.order("steps")
    assert clinic.left == 5
    told = clinic.treat(["learning_rate_too_low"], ["rate_times_100"])
    assert "You named the cause." in told
    assert "20 of 20 held-out seeds learn. Cured." in told
    assert clinic.points == 3 + 3 + 3, "of the five units left, half of the budget counts"
    clinic.admit()
    assert clinic.left == 6
    told = clinic.treat(["overfitting"], ["some_l2"])
    assert "That was not the cause." in told
    assert "What cures it: learning rate × 100." in told
    assert clinic.points == 9
    assert clinic.score == "2 patients treated: 1 of 2 causes named, 1 cured, 9 points"


def test_the_budget_holds():
    clinic = clinic_of(LOW)
    clinic.admit()
    for name in ("faster", "ten", "answers"):
        clinic.order(name)
    with pytest.raises(ValueError, match="costs 2, and 1 are left"):
        clinic.order("slower")
    with pytest.raises(ValueError, match="has been done"):
        clinic.order("ten")
    with pytest.raises(ValueError, match="'x-ray' is not one of"):
        clinic.order("x-ray")


def test_treatments_that_cannot_be_given_cost_nothing():
    clinic = clinic_of(LOW)
    clinic.admit()
    for causes, remedies, reason in (
        ([], ["adam"], "0 causes are chosen; choose one"),
        (["flu"], ["adam"], "'flu' is not one of the causes"),
        (["overfitting"], ["adam", "adam"], "different"),
        (["overfitting", "dead_relu"], ["adam"], "choose one"),
    ):
        with pytest.raises(ValueError, match=reason):
            clinic.treat(causes, remedies)
    assert clinic.treated == 0
    clinic.treat(["overfitting"], ["adam"])
    for again in (lambda: clinic.treat(["overfitting"], ["adam"]), lambda: clinic.order("data")):
        with pytest.raises(ValueError, match="has been treated"):
            again()


def test_where_there_is_nothing_to_learn_leaving_alone_is_right():
    told = clinic_of(ROOT_OF_NOTHING).treat(["nothing_to_learn"], ["other_inputs"])
    assert "Right to leave it alone" in told
    assert "No treatment can help here." in clinic_of(ROOT_OF_NOTHING).treat(["overfitting"], ["longer"])
    assert "could have been cured" in clinic_of(LOW).treat(["nothing_to_learn"], ["other_inputs"])


# No hidden layer, classes, few points, a run on its way to infinity, a run of NaN, a table of which nothing can be learned.
DIFFERENT = [
    next(illness for illness in reversed(ILLNESSES) if illness.cause == cause and illness.base.problem == problem)
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
    "illness",
    [pytest.param(one, marks=[] if one in DIFFERENT else pytest.mark.nightly) for one in ILLNESSES],
    ids=lambda illness: illness.cause,
)
def test_every_test_can_be_done_on_every_patient(illness):
    changes = illness.breaks[max(illness.breaks)][-1]
    file = File(illness.base.replace(**{"epochs": 20, **changes}), ((illness.cause,),), illness.cure, "")
    for test in TESTS.values():
        result = test.look(file)
        assert result.text.endswith(".")
        assert "nan" not in result.text.split()
        assert not result.pictures or result.run is file.run


def test_no_answer_is_in_the_widget_the_output_or_the_repr():
    clinic = Clinic(level=1, seed=2)
    data, _ = clinic._repr_mimebundle_()
    for name in ("data", "seeds"):
        clinic.order(name)
    sealed = clinic.patient._file
    state = {**clinic.view.state, "results": [{**r, "picture": ""} for r in clinic.view.state["results"]]}
    readable = [
        json.dumps(state),
        data["text/plain"],
        repr(clinic),
        repr(clinic.patient),
        repr(sealed),
        str(clinic.results[0][1].text),
    ]
    secrets = [sealed.experiment.to_json(), sealed.note, findings(sealed.run)[0].evidence]
    for text in readable:
        assert not [secret for secret in secrets if secret in text]
    assert state["outcome"] is None
    assert [name for name, _ in state["causes"]] == list(SIGNS), "all causes, whatever the patient"
    ours = set(clinic.view.traits(sync=True)) - set(anywidget.AnyWidget().traits(sync=True))
    assert {name for name in ours if not name.startswith("_")} == {"state"}


def test_headless_it_shows_a_picture_and_says_everything():
    data, _ = clinic_of(LOW)._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert data["text/plain"].startswith("A patient. It fails.\nLearning curve: Epoch 1 to 200")
    assert "6 units left: Answers and truth (1)" in data["text/plain"]


def test_the_page_is_answered_while_the_clinic_works():
    async def visit():
        clinic = clinic_of(LOW)
        clinic._repr_mimebundle_()
        clinic._receive(None, {"action": "order", "test": "ten"}, [])
        assert clinic.view.state["busy"]
        clinic._receive(None, {"action": "order", "test": "data"}, [])  # one after the other
        while clinic._busy:
            await asyncio.sleep(0.01)
        assert clinic.left == 4
        assert clinic.view.state["results"][-1]["title"] == "Overfit ten points"
        clinic._receive(None, {"action": "treat", "causes": ["", ""], "remedies": ["adam", ""]}, [])
        await clinic._task
        assert clinic.view.state["note"] == "0 causes are chosen; choose one."
        clinic._receive(None, {"action": "treat", "causes": ["overfitting", ""], "remedies": ["adam", ""]}, [])
        await clinic._task
        told = clinic.view.state["outcome"]
        assert told["lessons"] == ["03_optimizers"]
        assert "keras.Sequential" in told["program"]
        clinic._receive(None, {"action": "size", "width": 400, "scale": 1, "dark": True}, [])
        assert clinic.look == (400, 1.0, True)
        clinic._receive(None, {"action": "admit", "level": None}, [])
        await clinic._task
        assert clinic.view.state["outcome"] is None
        assert clinic.view.state["left"] == 6

    asyncio.run(asyncio.wait_for(visit(), 120))


@pytest.mark.parametrize(("seed", "level"), [(-1, 1), (True, 1), (0, 4), ("a", 1)])
def test_wrong_seeds_and_levels_get_a_sentence(seed, level):
    with pytest.raises(ValueError, match="is not"):
        patient(seed, level)
