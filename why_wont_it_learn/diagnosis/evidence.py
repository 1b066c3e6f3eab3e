"""What a Keras model and its data are, before anything is trained: the first source of evidence of `diagnose`."""

from dataclasses import dataclass, replace
from functools import cached_property

import keras
import numpy as np
import tensorflow as tf
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ..keras_private import binary_or_sparse, layers_of, takes_logits

HELD_OUT = 0.25  # share of the points that is kept to judge by, where the caller gives none
FEWEST_TO_SPLIT = 40
MOST_POINTS = 2000  # more are thinned out: enough to see why a network does not learn
MOST_NUMBERS = 4_000_000  # of all inputs together: fewer points of images
FEWEST_POINTS = 200  # however wide they are
MOST_COLUMNS = 160  # that models without a network are given; more are projected onto these
MOST_OUTPUTS = 16  # by which such models are judged
MOST_CLASSES = 30  # for whole numbers to be taken for classes, and for models that take long over many
MOST_LABELS = 10_000
MOST_IDS = 2000
IDS = (
    "Embedding",
    "IntegerLookup",
    "StringLookup",
    "TextVectorization",
    "Hashing",
    "CategoryEncoding",
    "HashedCrossing",
)
CLASS_LOSSES = {
    "binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy", "categorical_focal_crossentropy",
    "sparse_categorical_crossentropy", "hinge", "squared_hinge", "categorical_hinge",
}  # fmt: skip
WORST = -1.0  # the lowest skill that is told apart from others


# --- the data ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Data:
    """The points, made ready to be judged.

    x: (points, …) float32, the training points first; y: (points, outputs) or (points,) float32, as the loss wants them.
    points: how many are for training. task: "regression", "binary", "multiclass", "multilabel" or "shares" (rows of parts
    that add up to 1). classes: how many, or 0. signs: whether the two classes are -1 and 1. kind: the type of number that
    the network is given. ids: whether inputs are the numbers of things (words, say), which the network looks up.
    loss: what the model is compiled with, an object or a function. given: how many points the caller trains on.
    """

    x: np.ndarray
    y: np.ndarray
    points: int
    task: str
    classes: int = 0
    signs: bool = False
    kind: str = "float32"
    ids: bool = False
    loss: object = None
    given: int = 0

    @cached_property
    def inputs(self):
        """Inputs as the network is given them."""
        return self.x.astype(self.kind)

    @property
    def has_held_out(self):
        """Whether there are points that the network does not train on."""
        return len(self.x) > self.points

    @cached_property
    def flat(self):
        """Inputs as (points, inputs)."""
        return self.x.reshape(len(self.x), -1)

    @cached_property
    def table(self):
        """Targets as (points, outputs)."""
        return self.y.reshape(len(self.y), -1)

    @cached_property
    def truth(self):
        """What the answers are held against: (points, outputs) numbers, or 0 and 1 for each class or label."""
        if self.task in ("regression", "shares"):
            return self.table.astype(float)
        if self.task == "multiclass" and self.table.shape[1] == 1:
            return np.eye(self.classes)[self.table[:, 0].astype(int)]
        return (self.table > (0 if self.signs else 0.5)).astype(float)

    def skill(self, answers, logits=False):
        """How much better than the best constant some answers (points, …) are: (of the training points, of the others).

        1 is perfect, 0 as good as a constant, -1 the least; nan where there are no points. In regression the share of the
        variance that is explained; in classification the share of the constant's wrong answers that are avoided, or of its
        squared error, where that says more. logits: whether the answers are logits; None if that cannot be known, then what
        makes the answers better counts.
        """
        if logits is None:
            return tuple(np.maximum(self.skill(answers, logits=False), self.skill(answers, logits=True)))
        answers = np.asarray(answers, float).reshape(len(self.x), -1)
        if self.task not in ("regression", "shares"):
            answers = self._shares(answers, logits)
        parts = slice(0, self.points), slice(self.points, None)
        return tuple(self._skill(answers[part], self.truth[part]) for part in parts)

    def _shares(self, answers, logits):
        """Answers as shares of the classes: as many columns as `truth` has, if that can be told."""
        with np.errstate(over="ignore"):
            if logits and (answers.shape[1] == 1 or self.task == "multilabel"):
                answers = 1 / (1 + np.exp(-answers))
            elif logits:
                powers = np.exp(answers - answers.max(axis=1, keepdims=True))
                answers = powers / powers.sum(axis=1, keepdims=True)
        if self.signs:
            answers = (answers + 1) / 2
        wanted = self.truth.shape[1]
        if wanted == 1 and answers.shape[1] == 2:
            return answers[:, 1:]
        if wanted == 2 and answers.shape[1] == 1 and self.task == "binary":
            return np.c_[1 - answers, answers]
        if wanted > 2 and answers.shape[1] == 1 and self.task == "multiclass":
            known = np.isfinite(answers[:, 0])
            number = np.clip(np.round(np.where(known, answers[:, 0], 0)), 0, wanted - 1).astype(int)
            return np.where(known[:, None], np.eye(wanted)[number], np.nan)
        return answers

    def _skill(self, answers, truth):
        if not len(answers):
            return np.nan
        if not np.isfinite(answers).all():
            return WORST
        if self.task in ("regression", "shares"):
            if answers.shape[1] != truth.shape[1] and 1 not in (answers.shape[1], truth.shape[1]):
                return WORST
            error = ((answers - truth) ** 2).mean(axis=0)
            return _gain(error if truth.shape[1] > 1 else error.mean(keepdims=True), truth.var(axis=0))
        answers = np.broadcast_to(answers, truth.shape) if answers.shape[1] == 1 else answers[:, : truth.shape[1]]
        if answers.shape != truth.shape:
            return WORST
        if self.task == "multiclass":
            wrong = answers.argmax(1) != truth.argmax(1)
            constant = truth.argmax(1) != truth.mean(axis=0).argmax()
            avoided = _gain(np.array([wrong.mean()]), np.array([constant.mean()]))
        else:
            constant = (truth != (truth.mean(axis=0) > 0.5)).mean(axis=0)
            avoided = _gain(((answers > 0.5) != truth).mean(axis=0), constant)
        squared = _gain(((answers - truth) ** 2).mean(axis=0), truth.var(axis=0))
        return max(avoided, squared)

    def reach(self, in_time=lambda: True):
        """What can be learned: the best skill, on held-out points, of some models that need no tuning; nan without any.

        A straight line, a smooth curve (support vectors, kernel ridge regression) and a crowd of trees; nan, too, if one of
        them can no longer be begun `in_time()`.
        """
        if self._with_classes:
            few = self.truth.shape[1] <= MOST_CLASSES
            models = [make_pipeline(StandardScaler(), SVC())] if few else []
            models.append(ExtraTreesClassifier(100 if few else 20, random_state=0))
        else:
            curves = KernelRidge(kernel="rbf", alpha=0.1), KernelRidge(kernel="rbf", alpha=0.1, gamma=1.0)
            models = [make_pipeline(StandardScaler(), model) for model in curves]
            models.append(ExtraTreesRegressor(100, random_state=0))
        reached = []
        for skill in (lambda: self.linear_skill, *(lambda m=model: self._reached(m) for model in models)):
            if not in_time():
                return np.nan
            reached.append(skill())
        return max(reached)

    @cached_property
    def linear_skill(self):
        """The skill of a straight line on held-out points; nan without any."""
        line = Ridge(1e-3)
        if self._with_classes:
            line = LogisticRegression(max_iter=300) if self.truth.shape[1] <= MOST_CLASSES else RidgeClassifier(1e-3)
        return self._reached(make_pipeline(StandardScaler(), line))

    @property
    def _with_classes(self):
        return self.task in ("binary", "multiclass")

    @cached_property
    def narrow(self):
        """Inputs as (points, at most MOST_COLUMNS), all of them numbers, for models that take long over many.

        Half of the columns are those that go most with the targets, half are projections of all of them at random, which keep
        how far points are apart.
        """
        x = self._counts if self.ids else np.nan_to_num(self.flat, nan=0.0, posinf=0.0, neginf=0.0)
        if x.shape[1] <= MOST_COLUMNS:
            return x
        rng = np.random.default_rng(0)
        scaled = (x - x[: self.points].mean(axis=0)) / np.maximum(x[: self.points].std(axis=0), 1e-6)
        truth = self.truth[: self.points, _spread(self.truth.shape[1], MOST_OUTPUTS)]
        truth = (truth - truth.mean(axis=0)) / np.maximum(truth.std(axis=0), 1e-12)
        related = np.abs(scaled[: self.points].T @ truth.astype("float32")).max(axis=1)
        best = np.argsort(-related, kind="stable")[: MOST_COLUMNS // 2]
        directions = rng.standard_normal((x.shape[1], MOST_COLUMNS - len(best)), "float32")
        return np.c_[scaled[:, best], scaled @ directions / np.float32(np.sqrt(x.shape[1]))]

    @property
    def _counts(self):
        """How often a point has each of the most frequent ids: (points, ids)."""
        ids, numbers, counts = np.unique(self.flat, return_inverse=True, return_counts=True)
        kept = np.argsort(-counts, kind="stable")[:MOST_IDS]
        place = np.full(len(ids), len(kept))  # of the others: a column that goes
        place[kept] = np.arange(len(kept))
        table = np.zeros((len(self.x), len(kept) + 1), "float32")
        np.add.at(table, (np.arange(len(self.x))[:, None], place[numbers.reshape(self.flat.shape)]), 1)
        return table[:, :-1]

    def _reached(self, model):
        """The skill of a scikit-learn model on held-out points, trained on the others."""
        if not self.has_held_out or not np.isfinite(self.truth).all():
            return np.nan
        x, truth = self.narrow, self.truth
        if self._with_classes:
            labels = truth.argmax(1) if truth.shape[1] > 1 else truth[:, 0].astype(int)
            if len(np.unique(labels[: self.points])) < 2:
                return 0.0
            answers = model.fit(x[: self.points], labels[: self.points]).predict(x)
            answers = np.eye(truth.shape[1])[answers] if truth.shape[1] > 1 else answers[:, None]
        else:
            truth = truth[:, _spread(truth.shape[1], MOST_OUTPUTS)]
            middle, spread = truth[: self.points].mean(axis=0), truth[: self.points].std(axis=0) + 1e-12
            scaled = (truth - middle) / spread
            answers = model.fit(x[: self.points], np.squeeze(scaled[: self.points])).predict(x)
            answers = answers.reshape(len(x), -1) * spread + middle
        return self._skill(answers[self.points :], truth[self.points :])

    @cached_property
    def ceiling(self):
        """The best skill that the training points allow: equal inputs with different targets cannot all be right."""
        x = self.flat[: self.points] + 0.0  # so that -0 equals 0, byte by byte
        numbers = {}
        rows = zip(x, np.isfinite(x).all(axis=1), strict=True)
        keys = (row.tobytes() if known else number for number, (row, known) in enumerate(rows))
        group = np.array([numbers.setdefault(key, len(numbers)) for key in keys])
        if len(numbers) == self.points or not np.isfinite(self.truth).all():
            return 1.0
        truth = self.truth[: self.points]
        sums = np.zeros((len(numbers), truth.shape[1]))
        np.add.at(sums, group, truth)
        return self._skill((sums / np.bincount(group)[:, None])[group], truth)

    def with_x(self, x):
        """The same with other inputs."""
        return replace(self, x=np.asarray(x, "float32"), kind="float32", ids=False)

    def with_y(self, y):
        """The same with the targets written in another way."""
        return replace(self, y=np.asarray(y, "float32"))

    def x_scaled(self):
        """Inputs with mean 0 and standard deviation 1 over the training points."""
        scaler = StandardScaler().fit(self.flat[: self.points])
        return self.with_x(scaler.transform(self.flat).reshape(self.x.shape))

    def y_scaled(self):
        """Targets with mean 0 and standard deviation 1 over the training points."""
        return self.with_y(StandardScaler().fit(self.table[: self.points]).transform(self.table).reshape(self.y.shape))


def _gain(error, constant):
    """Share of a constant's error that is avoided, the mean over the outputs that vary."""
    varies = constant > 1e-12
    if not varies.any():
        return 0.0
    with np.errstate(over="ignore"):
        return float(max(WORST, np.mean(1 - error[varies] / constant[varies])))


def _spread(count, most):
    """The numbers 0 to count - 1, or `most` of them at equal distances."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


def data_of(model, x, y, validation_data=None):
    """The `Data` of what is given to `model.fit`, checked.

    ValueError if it is not numbers, empty, or of lengths that do not fit.
    """
    inputs = len(keras.tree.flatten(getattr(model, "inputs", None) or [0]))
    if inputs > 1:
        raise ValueError(f"The model has {inputs} inputs; diagnose can follow one. Join them, or try a part of it.")
    x, y = _single(x), _single(y)
    kind = _kind(x)
    x, y = _numbers("x", x), _numbers("y", y)
    given = len(x)
    if len(x) != len(y):
        raise ValueError(f"x has {len(x)} points and y has {len(y)}: give one target for each point.")
    if not len(x):
        raise ValueError("x is empty: give at least two points.")
    expected = getattr(model, "input_shape", None)
    expected = expected if isinstance(expected, tuple) else None
    if x.ndim == 1 and (expected is None or len(expected) > 1):
        x = x[:, None]
    if expected is not None and len(expected) == x.ndim and expected[-1] not in (None, x.shape[-1]):
        raise ValueError(f"x has {x.shape[-1]} columns and the model takes {expected[-1]}: give it {expected[-1]}.")
    rng = np.random.default_rng(0)
    most = min(MOST_POINTS, max(FEWEST_POINTS, MOST_NUMBERS // max(1, x[:1].size, y[:1].size)))
    if validation_data is not None:
        held_x, held_y = _held_out(validation_data, x, y)
        keep, held_keep = _some(rng, len(x), most), _some(rng, len(held_x), most // 2)
        points, x, y = (
            len(keep),
            np.concatenate([x[keep], held_x[held_keep]]),
            np.concatenate([y[keep], held_y[held_keep]]),
        )
    else:
        keep = _some(rng, len(x), most)
        x, y, points = x[keep], y[keep], len(keep)
        if points >= FEWEST_TO_SPLIT and not _is_whole_table(x):
            rows = np.concatenate(train_test_split(np.arange(points), test_size=HELD_OUT, random_state=0))
            points = points - int(np.ceil(HELD_OUT * points))
            x, y = x[rows], y[rows]
    answers = _answers(model, np.nan_to_num(x[:2], posinf=0.0, neginf=0.0).astype(kind))
    units = answers.shape[-1] if answers.shape.rank else 1
    if y.ndim == 1 and units == 1:
        y = y[:, None]
    loss = resolved_loss(model, y, answers)
    if "sparse" in loss_name(loss) and answers.shape.rank > 2:
        raise ValueError(
            f"The model labels each part of a point, its output is {tuple(answers.shape[1:])}; diagnose can follow one label for "
            "each point."
        )
    task, classes, signs = _task(y, loss, units)
    if classes > MOST_LABELS:
        raise ValueError(f"There are {classes} classes; diagnose can follow {MOST_LABELS} at most.")
    ids = any(type(layer).__name__ in IDS for layer in layers_of(model)) and bool((x == np.round(x)).all())
    return Data(x, y, points, task, classes, signs, kind, ids, loss, given)


def _answers(model, x):
    """What a model answers to some points, without a trace in the model; a ValueError in one sentence if it cannot."""
    state = model.trainable_variables, model.non_trainable_variables
    try:
        answers, _ = model.stateless_call(*([v.value for v in part] for part in state), x)
    except Exception as error:  # of a layer that is not Keras's, anything
        raise ValueError(
            f"The model cannot be called on a point of x, of shape {x.shape}: {first_line(error)}"
        ) from None
    if len(keras.tree.flatten(answers)) > 1:
        raise ValueError(
            f"The model has {len(keras.tree.flatten(answers))} outputs; diagnose can follow one. "
            "Make a model of a single one."
        )
    return tf.convert_to_tensor(only(answers))


def only(answers):
    """The one output of a model that may return it within a list or dict."""
    return keras.tree.flatten(answers)[0]


def first_line(error):
    """What an error says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _single(values):
    """The one array that a dict or list of arrays holds, as `fit` takes it of a model with one named input or output."""
    parts = list(values.values()) if type(values) is dict else values
    one = isinstance(parts, (list, tuple)) and len(parts) == 1 and getattr(parts[0], "ndim", 0) > 0
    return parts[0] if one else values


def _kind(x):
    """The type of number in which the network is given its inputs."""
    values = getattr(x, "to_numpy", lambda: x)()
    kind = getattr(values, "dtype", None)
    kind = np.dtype(kind.as_numpy_dtype if isinstance(kind, tf.DType) else kind) if kind is not None else None
    return kind.name if kind is not None and kind.kind in "iu" else "float32"


def _held_out(validation_data, x, y):
    """validation_data as numbers, in the shape of x and y."""
    if not isinstance(validation_data, (list, tuple)) or len(validation_data) < 2:
        raise ValueError(f"validation_data is a {type(validation_data).__name__}: give (x, y), two arrays.")
    held = [_numbers(f"validation_data[{i}]", _single(part)) for i, part in enumerate(validation_data[:2])]
    if len(held[0]) != len(held[1]):
        raise ValueError(f"validation_data has {len(held[0])} points and {len(held[1])} targets.")
    for name, part, like in zip("xy", held, (x, y), strict=True):
        if part.size != len(part) * int(np.prod(like.shape[1:])):
            raise ValueError(
                f"{name} has points of shape {like.shape[1:]}, in validation_data they have {part.shape[1:]}."
            )
    return [part.reshape(len(part), *like.shape[1:]) for part, like in zip(held, (x, y), strict=True)]


def reach_in_order(x, y, task, most=800, in_time=lambda: True):
    """By how many rows the targets have to be moved to belong to the inputs, and the skill then; (0, 0.0) if none helps.

    x, y: the points in the order in which they were given. It stops when it is no longer `in_time()`.
    """
    x, y = _numbers("x", _single(x)), _numbers("y", _single(y))
    most = min(most, max(FEWEST_POINTS, MOST_NUMBERS // max(1, x[:1].size)))
    x, y = x[:most], y[:most]
    table = y.reshape(len(y), -1)
    for shift in (1, -1, 2, -2, len(y)):
        if not in_time():
            break
        moved = table[::-1] if shift == len(y) else np.roll(table, shift, axis=0)
        rows = np.concatenate(train_test_split(np.arange(len(x)), test_size=HELD_OUT, random_state=0))
        classes = int(table.max()) + 1 if task == "multiclass" and table.shape[1] == 1 else 2
        points = len(x) - int(np.ceil(HELD_OUT * len(x)))
        reach = Data(x[rows], moved[rows], points, task, classes).reach(in_time)
        if reach > 0.3:  # nan is not
            return shift, reach
    return 0, 0.0


def _some(rng, count, most):
    return np.sort(rng.permutation(count)[:most])


def _is_whole_table(x):
    """Whether the points are all combinations of a few values, as in a truth table: then there are no others to judge by."""
    x = x.reshape(len(x), -1)
    x = x[:, (x != x[0]).any(axis=0)]
    if not x.shape[1] or 2 ** min(x.shape[1], 60) > len(x):  # each column has two values or more
        return False
    values = [len(np.unique(column)) for column in x.T]
    return max(values) <= 4 and np.prod(values, dtype=float) == len(np.unique(x, axis=0))


def _numbers(name, values):
    values = getattr(values, "to_numpy", lambda: values)()
    try:
        if isinstance(values, (list, tuple)) or not hasattr(values, "dtype"):
            values = np.asarray(values)
        with np.errstate(over="ignore"):
            numbers = np.asarray(values, "float32")
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} holds {getattr(values, 'dtype', type(values).__name__)} values: diagnose takes one array of numbers. "
            "Turn text into columns of 0 and 1 first, as sklearn.preprocessing.OneHotEncoder does."
        ) from None
    if not numbers.ndim:
        raise ValueError(f"{name} is a single {type(values).__name__}: diagnose takes one array of numbers.")
    return numbers


def _task(y, loss, units):
    """What kind of answers the targets ask for: (task, classes, signs)."""
    table, known, loss = y.reshape(len(y), -1), from_logits(loss) is not None, loss_name(loss)
    finite = table[np.isfinite(table).all(axis=1)]
    if not len(finite):
        return "regression", 0, False
    zeros_and_ones = np.isin(finite, (0, 1)).all()
    if table.shape[1] > 1:
        if zeros_and_ones and (finite.sum(axis=1) == 1).all():
            return "multiclass", table.shape[1], False
        if zeros_and_ones:
            return "multilabel", table.shape[1], False
        if (finite >= 0).all() and np.allclose(finite.sum(axis=1), 1, atol=1e-3):
            return "shares", 0, False
        return "regression", 0, False
    values = np.unique(finite)
    if zeros_and_ones and units <= 2:
        return "binary", 2, False
    if len(values) == 2 and set(values) == {-1, 1}:
        return "binary", 2, True
    whole = (values == np.round(values)).all() and values.min() >= 0
    as_numbers = "sparse" in loss or (not known and values.max() < units)
    for_classes = as_numbers or (
        loss in CLASS_LOSSES and len(values) <= MOST_CLASSES and values.max() < 2 * len(values)
    )
    if whole and for_classes and len(values) > 1:
        return "multiclass", max(int(values.max()) + 1, units if as_numbers else 0), False
    return "regression", 0, False


# --- the network -------------------------------------------------------------------------------------------------------


def resolved_loss(model, y=None, answers=None):
    """The one loss that a model is compiled with, out of its list or dict: an object or a function.

    y, answers: arrays, of which "crossentropy" is to be told what kind of labels there are.
    """
    losses = keras.tree.flatten(model.loss)
    if len(losses) != 1:
        raise ValueError(f"The model has {len(losses)} losses; diagnose can follow one.")
    if losses[0] in ("crossentropy", "ce"):
        binary, sparse = binary_or_sparse(y, answers)
        name = "binary" if binary else "sparse_categorical" if sparse else "categorical"
        return keras.losses.get(f"{name}_crossentropy")
    return keras.losses.get(losses[0])


def loss_name(loss):
    """The name of a Keras loss, its object or a function: "mean_squared_error", say."""
    loss = keras.losses.get(loss)
    function = getattr(loss, "fn", loss)  # the name of an object is free
    return getattr(function, "__name__", None) or type(loss).__name__


def from_logits(loss):
    """Whether a loss takes logits; None for one that is not Keras's, of which that cannot be known."""
    if isinstance(loss, str):
        return False
    known = takes_logits(loss)
    ours = not (getattr(getattr(loss, "fn", loss), "__module__", None) or "").startswith("keras.")
    return known if known is None and ours else bool(known)


ACTIVATION_LAYERS = {
    "ReLU": "relu",
    "LeakyReLU": "leaky_relu",
    "PReLU": "leaky_relu",
    "ELU": "elu",
    "Softmax": "softmax",
}
PASSING = {
    "Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "Flatten", "Reshape", "ActivityRegularization",
}  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """A Dense layer and the activation that follows it. index: of the layer, end: of the layer that bends."""

    index: int
    end: int
    units: int
    activation: str
    initializer: dict
    bias: float


def kind_of(layer):
    """The class of a layer, from its configuration; of one that is not Keras's with its module, if it has one."""
    ours = layer.get("registered_name") is not None
    return f"{layer.get('module') or 'own'}.{layer['class_name']}" if ours else layer["class_name"]


def stages(layers):
    """The Dense layers in some layer configurations, each with its activation, wherever that stands."""
    found = []
    for index, layer in enumerate(layers):
        config, kind = layer["config"], kind_of(layer)
        if kind == "Dense" and len(layer.get("inbound_nodes", ())) <= 1:
            found.append(
                Stage(
                    index, index, config["units"], _activation(config["activation"]), _named(config["kernel_initializer"]),
                    _constant(config["bias_initializer"]) if config["use_bias"] else 0.0,
                )
            )  # fmt: skip
        elif found and found[-1].activation == "linear" and (kind == "Activation" or kind in ACTIVATION_LAYERS):
            name = ACTIVATION_LAYERS.get(kind) or _activation(config["activation"])
            found[-1] = replace(found[-1], activation=name, end=index)
    return found


def output_stage(layers):
    """The last `Stage`, if what it gives is the answer of the network; else None."""
    found = stages(layers)
    if not found or any(kind_of(layer) not in PASSING for layer in layers[found[-1].end + 1 :]):
        return None
    return found[-1]


KNOWN_LAYERS = {
    "InputLayer", "Dense", "Activation", *PASSING, "BatchNormalization", "LayerNormalization", "Normalization", "Rescaling",
    *ACTIVATION_LAYERS,
}  # fmt: skip


def other_layers(layers):
    """The kinds of layers that are not looked into and not changed."""
    return sorted({layer["class_name"] for layer in layers if kind_of(layer) not in KNOWN_LAYERS})


def _activation(value):
    """The name of an activation, from the configuration of one that Keras knows or of any function or layer."""
    if not isinstance(value, dict):
        return str(value)
    kind, config = value.get("class_name"), value.get("config")
    if kind in ("function", "__lambda__"):
        return config if isinstance(config, str) else "a function"
    return ACTIVATION_LAYERS.get(kind) or str(kind or "a function")


def _named(initializer):
    """The configuration of an initializer as a dict with a class name, as one of one's own may not have it."""
    return initializer if isinstance(initializer, dict) else {"class_name": str(initializer), "config": {}}


def _constant(initializer):
    """The number that all biases start at; 0 if they differ."""
    config = _named(initializer).get("config")
    value = config.get("value", 0.0) if isinstance(config, dict) else 0.0
    return float(value) if isinstance(value, (int, float)) else 0.0


OUTPUT_RANGES = {
    "relu": (0, np.inf), "sigmoid": (0, 1), "softmax": (0, 1), "tanh": (-1, 1), "softplus": (0, np.inf), "softsign": (-1, 1),
    "hard_sigmoid": (0, 1), "exponential": (0, np.inf), "relu6": (0, 6), "elu": (-1, np.inf), "selu": (-1.76, np.inf),
}  # fmt: skip


@dataclass(frozen=True)
class Mismatch:
    """A contract that output, loss and targets break: the cause, the numbers, and whether no training can make up for it."""

    cause: str
    evidence: str
    strong: bool


def mismatches(output, loss, logits, data):
    """Where the output layer, the loss and the targets do not fit each other, the worst first.

    output: the last `Stage`. loss: its name. logits: whether it takes logits; None for a loss of which nothing is known.
    """
    if logits is None and (output.activation != "softmax" or output.units > 1):
        return []
    found = [*_output_mismatches(output, loss, logits, data), *_loss_mismatches(output, loss, data)]
    return sorted(found, key=lambda mismatch: not mismatch.strong)


def _output_mismatches(output, loss, logits, data):
    cause, activation, units = "output_activation_mismatch", output.activation, output.units
    y, columns = data.table[: data.points], data.table.shape[1]
    if activation == "softmax" and units == 1:
        yield Mismatch(cause, "Softmax over a single unit answers 1, whatever comes in.", True)
        return
    if data.task == "multiclass":
        if units == 1:
            yield Mismatch(cause, f"One output unit cannot tell {data.classes} classes apart.", True)
        elif activation == "relu" or (activation == "tanh" and "crossentropy" in loss):
            yield Mismatch(cause, f"{activation} does not give shares of {data.classes} classes; softmax does.", True)
        elif activation == "sigmoid" and loss == "categorical_crossentropy":
            yield Mismatch(
                cause, "Each sigmoid answers for itself, while the loss holds the classes against each other.", False
            )
        elif activation == "linear" and "crossentropy" in loss and not logits:
            yield Mismatch(cause, "The loss takes shares of classes, and the output is linear.", True)
        elif logits and activation in ("softmax", "sigmoid"):
            yield Mismatch(cause, f"The loss expects logits, and the output is already a {activation}.", False)
        return
    if data.task in ("binary", "multilabel"):
        if activation == "softmax" and data.task == "multilabel":
            yield Mismatch(cause, "Softmax shares 1 out among the labels, but several can be true at once.", True)
        elif loss in ("binary_crossentropy", "binary_focal_crossentropy") and not logits and activation in (
            "linear", "relu", "tanh", "leaky_relu", "elu", "selu", "softplus",
        ):  # fmt: skip
            yield Mismatch(cause, f"The loss takes a share between 0 and 1, and the output is {activation}.", True)
        elif logits and activation in ("sigmoid", "softmax"):
            yield Mismatch(cause, f"The loss expects logits, and the output is already a {activation}.", False)
        elif activation == "relu":
            yield Mismatch(cause, "A relu in the output stays at 0 once it is dead.", False)
        return
    if columns not in (1, units) or (columns == 1 and units > 1 and data.y.ndim > 1):
        yield Mismatch(
            cause, f"The network gives {units} numbers for each point, and there are {columns} targets.", True
        )
        return
    low, high = OUTPUT_RANGES.get(activation, (-np.inf, np.inf))
    outside = float(((y < low - 1e-6) | (y > high + 1e-6)).mean())
    if activation == "softmax" and data.task != "shares":
        yield Mismatch(cause, "The outputs of a softmax add up to 1, and the targets do not.", True)
    elif outside:
        bounds = f"below {low:g}" if high == np.inf else f"outside {low:g} and {high:g}"
        yield Mismatch(
            cause, f"{activation} cannot answer {bounds}, where {outside:.0%} of the targets lie.", outside > 0.02
        )
    elif data.task == "shares" and activation != "softmax":
        yield Mismatch(cause, "The targets of a point add up to 1, which softmax would see to.", False)
    elif activation in ("relu", "sigmoid", "tanh"):
        yield Mismatch(cause, f"{activation} is flat at the ends of its range, and the targets reach there.", False)


def _loss_mismatches(output, loss, data):
    cause, y = "loss_mismatch", data.table[: data.points]
    if data.task == "regression":
        if loss in CLASS_LOSSES or loss == "kl_divergence":
            yield Mismatch(cause, f"{loss} is a loss for classes, and the targets are numbers.", True)
        elif loss in ("poisson", "mean_squared_logarithmic_error") and (y < 0).mean() > 0.02:
            yield Mismatch(cause, f"{loss} is made for targets from 0 on; {(y < 0).mean():.0%} are below.", True)
        elif loss == "mean_absolute_percentage_error" and (np.abs(y) < 1e-3 * np.abs(y).max()).mean() > 0.02:
            yield Mismatch(cause, f"{loss} divides by the target, which is about 0 for some points.", True)
        elif loss == "cosine_similarity":
            yield Mismatch(cause, "Cosine similarity looks at directions only, not at sizes.", True)
        return
    if loss in ("categorical_crossentropy", "categorical_hinge") and (output.units == 1 or data.task == "multilabel"):
        what = (
            "holds several outputs against each other, and there is one"
            if output.units == 1
            else "allows one true label"
        )
        yield Mismatch(cause, f"{loss} {what}.", True)
    elif data.task == "multiclass" and loss == "binary_crossentropy" and data.table.shape[1] == 1:
        yield Mismatch(cause, f"binary_crossentropy judges yes or no, and there are {data.classes} classes.", True)
    elif data.task == "multiclass" and data.table.shape[1] == 1 and loss not in CLASS_LOSSES and output.units > 1:
        yield Mismatch(cause, f"{loss} would have each of {output.units} outputs equal the number of the class.", True)
    elif loss not in CLASS_LOSSES and data.task != "shares":
        yield Mismatch(cause, f"{loss} hardly punishes a sure wrong answer; cross-entropy does.", False)
