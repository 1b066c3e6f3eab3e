"""The data of an experiment, made ready for the network, and what can be known of it before a network sees it.

Preparation is a scikit-learn pipeline (missing values, features, scaling), fitted on the training part only.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from .catalog import FEATURES, IMPUTATIONS, SCALINGS, TARGET_SCALINGS
from .sources import Source, draw, read_only


def _kernel_ridge(x, y, x_val):
    middle = y.mean()
    model = make_pipeline(SimpleImputer(), StandardScaler(), KernelRidge(kernel="rbf", alpha=0.1, gamma=0.1))
    return model.fit(x, y - middle).predict(x_val) + middle


def _support_vectors(x, y, x_val):
    classifier = SVC() if len(np.unique(y)) > 1 else DummyClassifier()
    model = make_pipeline(SimpleImputer(), StandardScaler(), classifier).fit(x, y[:, 0])
    return model.predict(x_val)[:, None] == np.arange(y.max() + 1)


# What stands in for the true function of real data, which nobody knows: (x, y, x_val) -> answers for x_val.
REFERENCES = {
    "kernel ridge regression": _kernel_ridge,
    "support vector machine": _support_vectors,
    "last month's price": lambda x, y, x_val: x_val[:, -1:],
    "mean return": lambda x, y, x_val: np.full((len(x_val), 1), y.mean()),
    "nearest known month": lambda x, y, x_val: KNeighborsRegressor(1).fit(x, y).predict(x_val),
}


def _references_of(table, rows):
    """Quick models for an own table of any kind, of which the best one is its reference: {name: scikit-learn model}."""
    kernel = Nystroem(n_components=min(200 if rows <= 2000 else 100, rows), random_state=0)
    trees = {"learning_rate": 0.2, "early_stopping": False, "random_state": 0}
    if table.task == "regression":
        boosting = HistGradientBoostingRegressor(max_iter=50, **trees)
        named = {
            "linear regression": (RidgeCV(np.logspace(-4, 2, 7)),),
            "kernel ridge regression": (kernel, RidgeCV(np.logspace(-4, 2, 7))),
        }
    else:
        rounds = max(15, 100 // len(table.classes))  # each is a tree for every class
        boosting = HistGradientBoostingClassifier(max_iter=rounds, **trees)
        named = {
            "logistic regression": (LogisticRegression(),),
            "kernel logistic regression": (kernel, LogisticRegression()),
        }
    models = {name: make_pipeline(SimpleImputer(), StandardScaler(), *steps) for name, steps in named.items()}
    return {**models, "gradient boosting model": boosting}


@lru_cache(maxsize=256)  # each seed of a study has its own split, and the next study the same
def best_reference(table, split, complete):
    """The best of some quick models of an own table, trained on all of its training rows: (name, answers for validation).

    Answers are (n_val, 1) numbers, or (n_val, classes) probabilities.
    """
    (x, y), (x_val, y_val) = table.parts(split, complete)
    filled = ~np.isnan(x).all(axis=0)
    x, x_val = x[:, filled], x_val[:, filled]
    if len(np.unique(y)) == 1 or not filled.any():
        return "constant", _constant_answers(table.source, y, len(x_val))
    found = {}
    # The threads of a small model wait for each other, on a busy machine ten times as long as one of them works.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name, model in _references_of(table, len(x)).items():
            model.fit(x, y[:, 0])
            if table.task == "regression":
                found[name] = model.predict(x_val)[:, None]
            else:
                found[name] = np.zeros((len(x_val), len(table.classes)))
                found[name][:, model.classes_.astype(int)] = model.predict_proba(x_val)
    best = min(found, key=lambda name: error_of(table.task, _as_answers(table, found[name]), y_val))
    return best, found[best]


def _constant_answers(source, y, count):
    """What the training targets suggest without inputs: their mean, or the frequencies of the classes."""
    constant = [y.mean()] if source.task == "regression" else (y == np.arange(max(2, source.outputs))).mean(axis=0)
    return np.tile(constant, (count, 1))


def _as_answers(source, answers):
    """Answers of a reference model in the shape of those of a network: for two classes only the second probability."""
    return answers[:, 1:] if source.task == "binary" else answers


@dataclass(frozen=True, eq=False)
class Problem:
    """The data of one experiment, ready for the network. Its arrays are read-only: experiments on the same data share them.

    source: where the points come from.
    x, x_val: (points, inputs) float32, as the network sees them; raw_x, raw_x_val: the same points before preparation,
    (points, features) numbers or text.
    y, y_val: (points, 1) float32; numbers, scaled as the experiment says, or the number of the class.
    baseline: validation error of always predicting the training mean, or the most frequent class.
    noise_floor: validation error of the best answer that can be given; for real data that of `reference_name`.
    loss_of_constant, loss_of_truth: what the loss is where the error is the baseline and the noise floor. The same numbers
    in regression; in classification the cross-entropy of always predicting the classes' frequencies, and 0, or for an own
    table that of the reference model.
    truth: raw inputs -> y as the network is to answer it, or None.
    """

    name: str
    source: Source
    task: str
    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    raw_x: np.ndarray
    raw_x_val: np.ndarray
    pipeline: object
    noise_floor: float
    reference_name: str
    baseline: float
    loss_of_constant: float
    loss_of_truth: float
    truth: Callable | None

    def scaled(self, raw):
        """Raw inputs (n, features) as the network sees them: (n, inputs) float32."""
        return np.asarray(raw if self.pipeline is None else self.pipeline.transform(raw), "float32")

    def error(self, predictions):
        """Mean squared error, or fraction of wrong predictions, of (n_val, outputs) predictions for the validation set."""
        return error_of(self.task, predictions, self.y_val)


def error_of(task, predictions, y):
    """The mean squared error of predictions, or the fraction of wrong ones; NaN for classes where one is not finite."""
    predictions = np.asarray(predictions, float)
    if task == "regression":
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.mean((predictions - y) ** 2))
    if not np.isfinite(predictions).all():
        return np.nan
    answers = predictions > 0.5 if task == "binary" else predictions.argmax(axis=1)[:, None]
    return float(np.mean(answers != (y > 0.5 if task == "binary" else y)))


def preparation(e):
    """The steps of the preparation of an experiment, as calls that can be made or printed; often none."""
    source = e.source
    features = FEATURES[e.features].call
    if features and source.categories:
        features = features.with_(categories=[list(source.categories)])
    # Dropping needs an answer for validation points that miss a value, but real tables are read without these.
    fill = IMPUTATIONS[e.imputation].call if e.missing or (source.real and e.imputation != "drop") else None
    return [step for step in (fill, features, SCALINGS[e.scaling].call) if step]


def target_scaler_call(e):
    """The scikit-learn transformer of the targets as a call, or None."""
    return TARGET_SCALINGS[e.target_scaling].call if e.source.task == "regression" else None


def make_problem(e):
    """The data of an experiment; the same experiment gives the same points.

    ValueError if no training point is left.
    """
    return (_own_problem if e.source.own else _problem)(e.data_only())


@lru_cache(maxsize=2)  # it is asked for several times in a row
def problems_of(e, seeds):
    """The `Problem` of an experiment with each of some seeds, a tuple of whole numbers: a tuple, too."""
    return tuple(make_problem(e.replace(seed=seed)) for seed in seeds)


def _made(e):
    source = e.source
    points = draw(e)
    drops = e.missing and e.imputation == "drop"
    kept = ~np.isnan(points.x).any(axis=1) if drops else np.ones(len(points.x), bool)
    if not kept.any():
        raise ValueError(
            f"missing={e.missing:g} with imputation='drop' leaves none of {e.samples} samples: "
            "take more samples, fewer missing values or another imputation."
        )
    raw_x, y, y_val = points.x[kept], points.y[kept], points.y_val
    steps = preparation(e)
    pipeline = make_pipeline(*[step.make() for step in steps]).fit(raw_x) if steps else None
    reference_name, best = _best(e, points)
    scaler = target_scaler_call(e)
    to_target = scaler.make().fit(y).transform if scaler else np.asarray
    y, y_val, best = to_target(y), to_target(y_val), to_target(best)
    floor = error_of(source.task, _as_answers(source, best) if source.own else best, y_val)
    loss_of_truth = floor if source.task == "regression" else 0.0
    if source.own and source.task != "regression":
        loss_of_truth = log_loss(y_val[:, 0], best, labels=np.arange(best.shape[1]))
    baseline, loss_of_constant = _constant(source, y, y_val)
    x, x_val = (pipeline.transform(raw) if pipeline else raw for raw in (raw_x, points.x_val))
    return Problem(
        name=str(e.problem),
        source=source,
        task=source.task,
        x=read_only(np.array(x, "float32")),
        y=read_only(y.astype("float32")),
        x_val=read_only(np.array(x_val, "float32")),
        y_val=read_only(y_val.astype("float32")),
        raw_x=read_only(raw_x),
        raw_x_val=read_only(points.x_val),
        pipeline=pipeline,
        noise_floor=floor,
        reference_name=reference_name,
        baseline=baseline,
        loss_of_constant=loss_of_constant,
        loss_of_truth=float(loss_of_truth),
        truth=None if source.real else lambda raw: to_target(source.answer(_moved_back(e, raw))),
    )


_problem = lru_cache(maxsize=512)(_made)
_own_problem = lru_cache(maxsize=8)(_made)  # of 10,000 rows each takes megabytes, but all seeds have the same


def _best(e, points):
    """The best answers to the validation points, and whose they are: of the truth, or of what stands in for it."""
    source = e.source
    if source.own:
        return best_reference(source.own, e.split, e.imputation == "drop")
    if source.table:
        return source.reference, REFERENCES[source.reference](points.whole_x, points.y, points.whole_x_val)
    return "true function", source.answer(points.whole_x_val)


def _moved_back(e, raw):
    return raw if e.input_scale == 1 and not e.input_offset else (raw - e.input_offset) / e.input_scale


def _constant(source, y, y_val):
    """The error and the loss, on validation points, of always giving the answer that the training points suggest."""
    answers = _constant_answers(source, y, len(y_val))
    error = error_of(source.task, _as_answers(source, answers), y_val)
    if source.task == "regression":
        return error, error
    return error, float(log_loss(y_val[:, 0], answers, labels=np.arange(answers.shape[1])))
