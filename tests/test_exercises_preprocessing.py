"""The checkers of lesson 04: right answers of several kinds pass, typical wrong ones are told why."""

import re

import numpy as np
import pytest
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from test_plain_keras import tagged

from helpers import Experiment
from helpers.experiments.problems import make_problem
from helpers.lessons import exercises_preprocessing as ex
from helpers.lessons.teaching import NotYet

pytestmark = pytest.mark.numerical

UNIT = Experiment(problem="circle", depth=0, scaling="standard", batch_size=None, epochs=200, learning_rate=0.1)


def _eigenvalues():
    x = make_problem(ex.FAR).x.astype(float)
    points = np.column_stack([x, np.ones(len(x))])
    return np.linalg.eigvalsh(2 * points.T @ points / len(x))


def _cross_validated(x, y):
    return cross_val_score(make_pipeline(SelectKBest(k=10), LogisticRegression()), x, y).mean()


def _held_out(x, y):
    chosen, tested, y_chosen, y_tested = train_test_split(x, y, stratify=y, random_state=0)
    return make_pipeline(SelectKBest(k=10), GaussianNB()).fit(chosen, y_chosen).score(tested, y_tested)


def _leaking(x, y):
    return cross_val_score(LogisticRegression(), SelectKBest(k=10).fit_transform(x, y), y).mean()


def test_the_lesson_shows_what_the_exercises_begin_with():
    names = {"Experiment": Experiment}
    for source in tagged("04_preprocessing", "given"):
        exec(source, names)
    shown = [names[name] for name in ("prices", "far", "gaps", "failing")]
    assert shown == [ex.PRICES, ex.FAR, ex.GAPS, ex.FAILING]


@pytest.mark.parametrize(
    ("checker", "answer"),
    [
        (ex.prices_with_sgd, ex.PRICES.replace(target_scaling="standard")),
        (ex.prices_with_sgd, ex.PRICES.replace(target_scaling="standard", scaling="standard")),
        (ex.where_is_the_edge, 2 / _eigenvalues()[-1]),
        (ex.where_is_the_edge, np.float32(9.06e-5)),
        (ex.circle_with_six_numbers, UNIT.replace(features="polar")),
        (ex.circle_with_six_numbers, UNIT.replace(features="squares")),
        (ex.the_largest_are_missing, ex.GAPS.replace(imputation="indicator")),
        (ex.the_largest_are_missing, ex.GAPS.replace(imputation="indicator", scaling="standard")),
        (ex.corrupted_inputs, ex.FAILING.replace(scaling="robust")),
        (ex.corrupted_inputs, ex.FAILING.replace(scaling="robust", target_scaling="standard")),
        (ex.honest_accuracy, _cross_validated),
        (ex.honest_accuracy, _held_out),
    ],
)
def test_a_right_answer_passes(checker, answer):
    assert re.search(r"\d", checker(answer))


@pytest.mark.parametrize(
    ("checker", "answer", "words"),
    [
        (ex.prices_with_sgd, 3, "is an Experiment"),
        (ex.prices_with_sgd, ex.PRICES.replace(scaling="standard"), "At least 90% have to learn"),
        (
            ex.prices_with_sgd,
            ex.PRICES.replace(optimizer="adam"),
            "may change; you have optimizer='adam' instead of 'sgd'",
        ),
        (ex.prices_with_sgd, ex.PRICES.replace(noise=0), "taken some of it away"),
        (ex.where_is_the_edge, "far", "is a number"),
        (ex.where_is_the_edge, True, "is a number"),
        (ex.where_is_the_edge, 1 / _eigenvalues()[-1], "The edge is twice that"),
        (ex.where_is_the_edge, 4 / _eigenvalues()[-1], "A factor of 2 is missing"),
        (ex.where_is_the_edge, 2 / _eigenvalues()[0], "smallest eigenvalue"),
        (ex.where_is_the_edge, 2 / _eigenvalues()[-1] / ex.FAR.samples, "their mean"),
        (ex.where_is_the_edge, _eigenvalues()[-1], "λmax, the curvature itself"),
        (ex.where_is_the_edge, _eigenvalues()[-1] / _eigenvalues()[0], "condition number"),
        (ex.where_is_the_edge, 0.01, "too large"),
        (ex.where_is_the_edge, float("nan"), "a number, not nan"),
        (ex.circle_with_six_numbers, UNIT.replace(depth=1, width=16), "at most 6 are allowed"),
        (ex.circle_with_six_numbers, UNIT, "At least 80% have to learn"),
        (ex.circle_with_six_numbers, UNIT.replace(problem="moons"), "problem='circle' is given"),
        (ex.the_largest_are_missing, ex.GAPS.replace(imputation="none"), "one NaN makes every weight NaN"),
        (
            ex.the_largest_are_missing,
            ex.GAPS.replace(imputation="drop", scaling="standard"),
            "At least 80% have to learn",
        ),
        (ex.the_largest_are_missing, ex.GAPS.replace(missing=0), "you have missing=0.0"),
        (ex.corrupted_inputs, ex.FAILING.replace(scaling="standard"), "At least 80% have to learn"),
        (ex.corrupted_inputs, ex.FAILING.replace(outliers=0), "you have outliers=0"),
        (ex.honest_accuracy, 0.5, "is a function"),
        (ex.honest_accuracy, _leaking, "has seen the samples"),
        (ex.honest_accuracy, lambda x, y: 0.5, "is right for only 50%"),
        (ex.honest_accuracy, lambda x, y: 0.0, "guessing gives 50%"),
        (ex.honest_accuracy, lambda x, y: 95, "one accuracy from 0 to 1"),
    ],
)
def test_a_wrong_answer_is_told_why(checker, answer, words):
    with pytest.raises(NotYet, match=re.escape(words)):
        checker(answer)
