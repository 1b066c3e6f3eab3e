"""The labelled programs are what their labels say: enough of each, the same each time, and broken by what they name."""

from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
from labelled import CASES, CAUSES, DATA, HEALTHY, OPTIMIZERS, trained_skills

BROKEN = [case for case in CASES if case.causes]
WELL = [case for case in CASES if not case.causes]
NAMED = {case.name: case for case in CASES}


def test_there_are_enough_and_every_cause_has_several():
    assert len(BROKEN) >= 60
    assert len(WELL) >= 30
    assert len(NAMED) == len(CASES)
    true_causes = Counter(case.causes[0] for case in BROKEN)
    assert set(true_causes) == set(CAUSES)
    assert min(true_causes.values()) >= 3
    assert all(set(case.causes) <= set(CAUSES) for case in BROKEN)


@pytest.mark.parametrize("cases", [BROKEN, WELL], ids=["broken", "healthy"])
def test_both_kinds_are_varied(cases):
    recipes = [case.recipe for case in cases]
    assert {recipe.task for recipe in recipes} == {task for task, _ in DATA.values()}
    assert {recipe.optimizer.split()[0] for recipe in recipes} >= set(OPTIMIZERS) - {"adadelta", "adagrad"}
    assert {recipe.validate for recipe in recipes} == {recipe.functional for recipe in recipes} == {True, False}
    assert len({recipe.loss for recipe in recipes}) >= 8
    assert len({recipe.data for recipe in recipes}) >= 20
    assert max(recipe.layers.count(",") for recipe in recipes) >= 10
    assert min(recipe.layers.count(",") for recipe in recipes) == 0


def test_a_broken_program_differs_from_its_twin_in_what_broke_it():
    for case in BROKEN:
        changed = {f.name for f in fields(case.recipe) if getattr(case.recipe, f.name) != getattr(case.twin, f.name)}
        assert 1 <= len(changed) <= 4, case.name
        assert case.twin in [recipe for recipe, _ in HEALTHY.values()]


@pytest.mark.parametrize("name", ["sine", "four_corners", "raw_wine", "holes_in_wine", "shuffled_cars", "loud_digits"])
def test_the_same_name_is_the_same_program(name):
    one, two = NAMED[name].make(), NAMED[name].make()
    np.testing.assert_array_equal(one.x, two.x)
    np.testing.assert_array_equal(one.y, two.y)
    for a, b in zip(one.model.get_weights(), two.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    other = NAMED[name].make(seed=1)
    assert not all(
        np.array_equal(a, b) for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True)
    )


def test_every_program_is_compiled_and_its_points_fit():
    for case in CASES:
        program = case.make()
        assert len(program.x) == len(program.y) == case.recipe.samples
        assert program.model.input_shape[1:] == program.x.shape[1:]
        assert program.model.optimizer.iterations == 0
        assert 1 <= program.batch_size <= len(program.x)
        assert (program.validation_data is not None) == case.recipe.validate


def test_what_befell_the_points_does_not_touch_those_that_judge():
    case = NAMED["one_hole"]
    assert np.isnan(case.make().x).sum() == 1
    assert not any(np.isnan(part).any() for part in case.recipe.points(0))


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis -1")  # that is what is wrong with one of them
@pytest.mark.parametrize("name", ["line_blown_up", "softmax_of_one", "stuck_wine", "always_the_same"])
def test_a_broken_program_fails_and_its_twin_learns(name):
    case = NAMED[name]
    reach = next(reach for recipe, reach in HEALTHY.values() if recipe == case.twin)
    assert trained_skills(case.recipe)[1] < 0.3
    assert trained_skills(case.twin)[1] >= reach
