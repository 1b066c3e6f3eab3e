"""The data of an experiment, made ready for the network, and what can be known of it before a network sees it.

Preparation is a scikit-learn pipeline (missing values, features, scaling), fitted on the training part only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from .catalog import FEATURES, IMPUTATIONS, SCALINGS, TARGET_SCALINGS
from .sources import PROBLEMS, draw, read_only


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


@dataclass(frozen=True, eq=False)
class Problem:
    """The data of one experiment, ready for the network. Its arrays are read-only: experiments on the same data share them.

    x, x_val: (points, inputs) float32, as the network sees them; raw_x, raw_x_val: the same points before preparation,
    (points, features) numbers or text.
    y, y_val: (points, 1) float32; numbers, scaled as the experiment says, or the number of the class.
    baseline: validation error of always predicting the training mean, or the most frequent class.
    noise_floor: validation error of the best answer that can be given; for real data that of `floor_name`.
    loss_of_constant, loss_of_truth: what the loss is where the error is the baseline and the noise floor. The same numbers
    in regression; in classification the cross-entropy of always answering the shares of the classes, and 0.
    truth: raw inputs -> y as the network is to answer it, or None.
    """

    name: str
    task: str
    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    raw_x: np.ndarray
    raw_x_val: np.ndarray
    pipeline: object
    noise_floor: float
    floor_name: str
    baseline: float
    loss_of_constant: float
    loss_of_truth: float
    truth: Callable | None

    def scaled(self, raw):
        """Raw inputs (n, features) as the network sees them: (n, inputs) float32."""
        return np.asarray(raw if self.pipeline is None else self.pipeline.transform(raw), "float32")

    def error(self, predictions):
        """Mean squared error, or share of wrong answers, of (n_val, outputs) predictions for the validation points."""
        return _error(self.task, predictions, self.y_val)


def _error(task, predictions, y):
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
    source = PROBLEMS[e.problem]
    features = FEATURES[e.features].call
    if features and source.categories:
        features = features.with_(categories=[list(source.categories)])
    # Dropping needs an answer for validation points that miss a value, but real tables are read without these.
    fill = IMPUTATIONS[e.imputation].call if e.missing or (source.table and e.imputation != "drop") else None
    return [step for step in (fill, features, SCALINGS[e.scaling].call) if step]


def target_scaler_call(e):
    """The scikit-learn transformer of the targets as a call, or None."""
    return TARGET_SCALINGS[e.target_scaling].call if PROBLEMS[e.problem].task == "regression" else None


def kept_points(e, x):
    """Which training points the experiment keeps: (points,) bool."""
    return ~np.isnan(x).any(axis=1) if e.missing and e.imputation == "drop" else np.ones(len(x), bool)


def make_problem(e):
    """The data of an experiment; the same experiment gives the same points.

    ValueError if no training point is left.
    """
    return _problem(e.data_only())


@lru_cache(maxsize=512)
def _problem(e):
    source = PROBLEMS[e.problem]
    points = draw(e)
    kept = kept_points(e, points.x)
    if not kept.any():
        raise ValueError(
            f"missing={e.missing:g} with imputation='drop' leaves none of {e.samples} points: "
            "take more samples, fewer missing values or another imputation."
        )
    raw_x, y, y_val = points.x[kept], points.y[kept], points.y_val
    steps = preparation(e)
    pipeline = make_pipeline(*[step.make() for step in steps]).fit(raw_x) if steps else None
    best = _best(source, points)
    scaler = target_scaler_call(e)
    to_target = scaler.make().fit(y).transform if scaler else np.asarray
    y, y_val, best = to_target(y), to_target(y_val), to_target(best)
    floor = _error(source.task, best, y_val)
    baseline, loss_of_constant = _constant(source, y, y_val)
    x, x_val = (pipeline.transform(raw) if pipeline else raw for raw in (raw_x, points.x_val))
    return Problem(
        name=e.problem,
        task=source.task,
        x=read_only(np.array(x, "float32")),
        y=read_only(y.astype("float32")),
        x_val=read_only(np.array(x_val, "float32")),
        y_val=read_only(y_val.astype("float32")),
        raw_x=read_only(raw_x),
        raw_x_val=read_only(points.x_val),
        pipeline=pipeline,
        noise_floor=floor,
        floor_name=source.reference or "true function",
        baseline=baseline,
        loss_of_constant=loss_of_constant,
        loss_of_truth=floor if source.task == "regression" else 0.0,
        truth=None if source.table else lambda raw: to_target(source.answer(_moved_back(e, raw))),
    )


def _best(source, points):
    """The best answers to the validation points: of the truth, or of what stands in for it."""
    if source.table:
        return REFERENCES[source.reference](points.whole_x, points.y, points.whole_x_val)
    return source.answer(points.whole_x_val)


def _moved_back(e, raw):
    return raw if e.stretch == 1 and not e.offset else (raw - e.offset) / e.stretch


def _constant(source, y, y_val):
    """The error and the loss, on validation points, of always giving the answer that the training points suggest."""
    if source.task == "regression":
        error = _error(source.task, np.full_like(y_val, y.mean()), y_val)
        return error, error
    classes = np.arange(max(2, source.outputs))
    shares = (y == classes).mean(axis=0)
    everywhere = np.tile(shares, (len(y_val), 1))
    loss = float(log_loss(y_val[:, 0], everywhere, labels=classes))
    return _error(source.task, everywhere[:, 1:] if source.task == "binary" else everywhere, y_val), loss
