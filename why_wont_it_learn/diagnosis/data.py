"""`Data`: what a model is trained on, made ready to be judged, and what can be learned from it without a network."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import tensorflow as tf
from scipy.special import expit, softmax
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.feature_selection import SelectKBest, f_classif, f_regression
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GroupShuffleSplit, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ..engine.batches import not_numbers, stateful_batch_size
from ..keras_private import layers_of
from .network import first_line, only, output_activation
from .output_and_loss import (
    BINARY_LOSSES,
    CLASS_LOSSES,
    MOST_CLASSES,
    Targets,
    broadcasts,
    from_logits,
    is_reversed,
    loss_name,
    of_flat_targets,
    resolved_loss,
)  # fmt: skip

VALIDATION_FRACTION = 0.25  # of the samples, where the caller gives no validation data
FEWEST_TO_SPLIT = 40
MOST_SAMPLES = 2000  # more are thinned out: enough to see why a network does not learn
MOST_WITH_RARE = 8000  # samples, where MOST_SAMPLES would leave fewer than FEWEST_RARE of a class
FEWEST_RARE = 60
MOST_WEIGHED = 10  # classes, for the rarest to be looked at
MOST_NUMBERS = 4_000_000  # of all inputs together: fewer samples of images
FEWEST_SAMPLES = 200  # however wide they are
MOST_COLUMNS = 160  # that models without a network are given; more are projected onto these
MOST_OUTPUTS = 16  # by which such models are judged
MOST_TOKENS = 2000
MOST_MOVED = 800  # samples whose targets are moved
FEWEST_OF_A_CLASS = 5  # validation samples, to be weighted
UNLIKE_CLASSES = 2.0  # times as frequent in training as in validation, from which on they are weighted
FEW_TO_A_COLUMN = 5  # samples: with fewer, a model of the most related columns is tried, too
KEPT_COLUMNS = 8
GIVEN_BACK = 0.99  # correlation with its input, from which on a target is that input
TOKEN_LAYERS = (
    "Embedding",
    "IntegerLookup",
    "StringLookup",
    "TextVectorization",
    "Hashing",
    "CategoryEncoding",
    "HashedCrossing",
)
WORST = -1.0  # the lowest skill that is told apart from others


@dataclass(frozen=True, eq=False)
class Data:
    """The samples, made ready to be judged.

    x: (samples, …) float32, the training samples first; y: (samples, outputs) or (samples,) float32, as the loss wants them.
    points: how many are for training. task: "regression", "binary", "multiclass", "multilabel" or "distribution" (rows of
    fractions that sum to 1). classes: how many, or 0. signed: whether the two classes are -1 and 1. dtype: the type of number that
    the network is given. tokens: whether inputs are the numbers of things (words, say), which the network looks up.
    loss: what the model is compiled with, an object or a function. reversed: whether it wants small
    predictions for target 1, as a loss of distances does. output_shape: of the predictions for one sample. steps: what was done to x and y, as
    lines of code.
    given: how many samples the caller trains on. class_weight: a weight for each class, by which errors are counted in training
    and in skills; empty if all samples count the same. columns: the names of the inputs, if they have any.
    """

    x: np.ndarray
    y: np.ndarray
    points: int
    task: str
    classes: int = 0
    signed: bool = False
    dtype: str = "float32"
    tokens: bool = False
    loss: object = None
    given: int = 0
    reversed: bool = False
    output_shape: tuple = ()
    steps: tuple = ()
    class_weight: tuple = ()
    columns: tuple = ()

    @cached_property
    def inputs(self):
        """Inputs as the network is given them."""
        return self.x.astype(self.dtype)

    @property
    def has_validation(self):
        """Whether there are validation samples."""
        return len(self.x) > self.points

    @cached_property
    def inputs_2d(self):
        """Inputs as (samples, inputs)."""
        return self.x.reshape(len(self.x), -1)

    @cached_property
    def targets_2d(self):
        """Targets as (samples, outputs)."""
        return self.y.reshape(len(self.y), -1)

    @property
    def targets(self):
        """The `Targets` of the training samples."""
        return Targets(self.task, self.targets_2d[: self.points], self.classes, self.y.ndim == 1)

    @property
    def of_one_kind(self):
        """Whether the targets of a sample are many of one kind, such as pixels: then those that hardly vary hardly count."""
        return self.y.ndim > 2 or self.targets_2d.shape[1] > MOST_OUTPUTS

    @cached_property
    def true_targets(self):
        """What predictions are compared with: (samples, outputs) numbers, or 0 and 1 for each class or label."""
        if self.task in ("regression", "distribution"):
            return self.targets_2d.astype(float)
        if self.task == "multiclass" and self.targets_2d.shape[1] == 1:
            return np.eye(self.classes)[self.targets_2d[:, 0].astype(int)]
        return (self.targets_2d > (0 if self.signed else 0.5)).astype(float)

    def skill(self, answers, logits=False):
        """The skill of predictions (samples, …) of the training samples and of the validation samples: (skill, skill).

        1 is perfect, 0 as good as the baseline, -1 the least; nan where there are no samples. In regression the fraction of the
        variance that is explained; in classification the fraction of the baseline's errors that are avoided, or of its
        squared error, where that says more. logits: whether the answers are logits; None if that cannot be known, then what
        makes the answers better counts.
        """
        if logits is None:
            return tuple(np.maximum(self.skill(answers, logits=False), self.skill(answers, logits=True)))
        answers = np.asarray(answers, float).reshape(len(self.x), -1)
        if self.task not in ("regression", "distribution"):
            answers = self._probabilities(answers, logits)
        return (
            self._skill(answers[: self.points], self.true_targets[: self.points]),
            self._skill(answers[self.points :], self.true_targets[self.points :], self.val_class_weight),
        )

    def _probabilities(self, answers, logits):
        """Predictions as probabilities of the classes: as many columns as `true_targets` has, if that can be told."""
        if logits:
            each_alone = answers.shape[1] == 1 or self.task == "multilabel"
            answers = expit(answers) if each_alone else softmax(answers, axis=1)
        if self.signed:
            answers = (answers + 1) / 2
        if self.reversed:
            answers = 1 - answers
        wanted = self.true_targets.shape[1]
        if wanted == 1 and answers.shape[1] == 2:
            return answers[:, 1:]
        if wanted == 2 and answers.shape[1] == 1 and self.task == "binary":
            return np.c_[1 - answers, answers]
        if wanted > 2 and answers.shape[1] == 1 and self.task == "multiclass":
            known = np.isfinite(answers[:, 0])
            number = np.clip(np.round(np.where(known, answers[:, 0], 0)), 0, wanted - 1).astype(int)
            return np.where(known[:, None], np.eye(wanted)[number], np.nan)
        return answers

    @cached_property
    def val_class_weight(self):
        """A weight for each class, with which the classes are as frequent in validation as in training; () if they are anyway.

        A set in which rare samples are repeated is judged by samples among which they are rare.
        """
        if not self.with_classes or not self.has_validation or not np.isfinite(self.targets_2d).all():
            return self.class_weight
        train, val = (np.bincount(part, minlength=self.classes) for part in np.split(self.labels, [self.points]))
        known = (train > 0) & (val >= FEWEST_OF_A_CLASS)
        times = np.where(known, (train / train.sum()) / np.maximum(val / val.sum(), 1e-9), 1.0)
        if known.sum() < 2 or times.max() < UNLIKE_CLASSES:
            return self.class_weight
        return tuple(times * (self.class_weight or 1.0))

    def _skill(self, answers, true_targets, class_weight=None):
        if not len(answers):
            return np.nan
        if not np.isfinite(answers).all():
            return WORST
        if self.task in ("regression", "distribution"):
            if answers.shape[1] != true_targets.shape[1] and 1 not in (answers.shape[1], true_targets.shape[1]):
                return WORST
            error, variance = ((answers - true_targets) ** 2).mean(axis=0), true_targets.var(axis=0)
            if true_targets.shape[1] == 1 or self.of_one_kind:
                error, variance = error.mean(keepdims=True), variance.mean(keepdims=True)
            return _improvement(error, variance)
        answers = (
            np.broadcast_to(answers, true_targets.shape)
            if answers.shape[1] == 1
            else answers[:, : true_targets.shape[1]]
        )
        if answers.shape != true_targets.shape:
            return WORST
        class_weight = self.class_weight if class_weight is None else class_weight
        weights = np.array(class_weight)[_labels(true_targets)] if class_weight else None

        def mean(values):
            return values.mean(axis=0) if weights is None else np.average(values, axis=0, weights=weights)

        frequency = mean(true_targets)
        if self.task == "multiclass":
            wrong = answers.argmax(1) != true_targets.argmax(1)
            constant = true_targets.argmax(1) != frequency.argmax()
            avoided = _improvement(np.array([mean(wrong)]), np.array([mean(constant)]))
        else:
            avoided = _improvement(mean((answers > 0.5) != true_targets), mean(true_targets != (frequency > 0.5)))
        squared = _improvement(mean((answers - true_targets) ** 2), mean((true_targets - frequency) ** 2))
        return max(avoided, squared)

    def reference_skill(self, in_time=lambda: True):
        """What can be learned: the best skill, on validation samples, of some models that need no tuning; nan without any.

        A linear model, a smooth one (support vectors, kernel ridge regression) and a tree ensemble; nan, too, if one of
        them can no longer be begun `in_time()`.
        """
        if self.with_classes:
            few = self.true_targets.shape[1] <= MOST_CLASSES
            models = [make_pipeline(StandardScaler(), SVC(random_state=0))] if few else []
            models.append(ExtraTreesClassifier(50 if few else 20, random_state=0))
        else:
            curves = KernelRidge(kernel="rbf", alpha=0.1), KernelRidge(kernel="rbf", alpha=0.1, gamma=1.0)
            models = [make_pipeline(StandardScaler(), model) for model in curves]
            models.append(ExtraTreesRegressor(50, random_state=0))
        if self.few_columns.shape[1] > self.points / FEW_TO_A_COLUMN:  # most columns may say nothing
            score = f_classif if self.with_classes else f_regression
            line = LogisticRegression(max_iter=300) if self.with_classes else Ridge(1e-3)
            if self.with_classes or self.true_targets.shape[1] == 1:
                models.append(make_pipeline(StandardScaler(), SelectKBest(score, k=KEPT_COLUMNS), line))
        reached = []
        for skill in (lambda: self.linear_skill, *(lambda m=model: self._skill_of_model(m) for model in models)):
            if not in_time():
                return np.nan
            reached.append(skill())
        return max(reached)

    @cached_property
    def gives_back_inputs(self):
        """Whether the targets are the inputs, as an autoencoder's are, up to the scale of each."""
        x, targets = self.inputs_2d[: self.points], self.targets_2d[: self.points]
        if x.shape != targets.shape or not np.isfinite(x).all() or not np.isfinite(targets).all():
            return False
        x, targets = ((values - values.mean(axis=0)).astype(float) for values in (x, targets))
        sizes = np.sqrt((x**2).sum(axis=0) * (targets**2).sum(axis=0))
        varies = sizes > 1e-9
        return bool(varies.any() and np.median((x * targets).sum(axis=0)[varies] / sizes[varies]) > GIVEN_BACK)

    def skill_of_components(self, count):
        """The skill of the first `count` principal components of the targets, on validation samples where there are any."""
        judged = slice(self.points, None) if self.has_validation else slice(None)
        components = PCA(min(count, self.points), random_state=0).fit(self.true_targets[: self.points])
        true_targets = self.true_targets[judged]
        return self._skill(components.inverse_transform(components.transform(true_targets)), true_targets)

    @cached_property
    def linear_skill(self):
        """The skill of a linear model on validation samples; without any, of the line that best fits the training samples."""
        line = Ridge(1e-3)
        if self.with_classes:
            line = (
                LogisticRegression(C=1.0 if self.has_validation else 1e3, max_iter=300)
                if self.true_targets.shape[1] <= MOST_CLASSES
                else RidgeClassifier(1e-3)
            )
        return self._skill_of_model(make_pipeline(StandardScaler(), line))

    @property
    def with_classes(self):
        """Whether each sample belongs to one class."""
        return self.task in ("binary", "multiclass")

    @cached_property
    def labels(self):
        """The class of each sample: (samples,) whole numbers."""
        return _labels(self.true_targets)

    def predicted_classes(self, answers, logits=False):
        """The classes that predictions (samples, …) mean: (samples,) whole numbers."""
        answers = self._probabilities(np.asarray(answers, float).reshape(len(self.x), -1), logits)
        return _labels(answers)

    @cached_property
    def few_columns(self):
        """Inputs as (samples, at most MOST_COLUMNS), all of them numbers, for models that take long over many.

        Half of the columns are those that go most with the targets, half are projections of all of them at random, which keep
        how far samples are apart.
        """
        tokens = [self._token_counts, self._token_places] if self.tokens else []
        x = np.hstack(tokens) if tokens else np.nan_to_num(self.inputs_2d, nan=0.0, posinf=0.0, neginf=0.0)
        if x.shape[1] <= MOST_COLUMNS:
            return x
        rng = np.random.default_rng(0)
        scaled = (x - x[: self.points].mean(axis=0)) / np.maximum(x[: self.points].std(axis=0), 1e-6)
        true_targets = self.true_targets[: self.points, spread_out(self.true_targets.shape[1], MOST_OUTPUTS)]
        true_targets = (true_targets - true_targets.mean(axis=0)) / np.maximum(true_targets.std(axis=0), 1e-12)
        related = np.abs(scaled[: self.points].T @ true_targets.astype("float32")).max(axis=1)
        best = np.argsort(-related, kind="stable")[: MOST_COLUMNS // 2]
        directions = rng.standard_normal((x.shape[1], MOST_COLUMNS - len(best)), "float32")
        return np.c_[scaled[:, best], scaled @ directions / np.float32(np.sqrt(x.shape[1]))]

    @property
    def _token_counts(self):
        """How often a sample has each of the most frequent tokens: (samples, tokens)."""
        tokens, numbers, counts = np.unique(self.inputs_2d, return_inverse=True, return_counts=True)
        kept = np.argsort(-counts, kind="stable")[:MOST_TOKENS]
        place = np.full(len(tokens), len(kept))  # of the others: a column that goes
        place[kept] = np.arange(len(kept))
        targets_2d = np.zeros((len(self.x), len(kept) + 1), "float32")
        np.add.at(targets_2d, (np.arange(len(self.x))[:, None], place[numbers.reshape(self.inputs_2d.shape)]), 1)
        return targets_2d[:, :-1]

    @property
    def _token_places(self):
        """Which token stands where: (samples, places × tokens) of 0 and 1, without columns where these would crowd out the counts."""
        tokens = np.unique(self.inputs_2d)
        few = (1 + self.inputs_2d.shape[1]) * len(tokens) <= MOST_COLUMNS
        return (
            (self.inputs_2d[:, :, None] == (tokens if few else tokens[:0])).reshape(len(self.x), -1).astype("float32")
        )

    def _skill_of_model(self, model):
        """The skill of a scikit-learn model on validation samples, trained on the others; without any, on these themselves."""
        if not np.isfinite(self.true_targets).all():
            return np.nan
        judged = slice(self.points, None) if self.has_validation else slice(None)
        x, true_targets = self.few_columns, self.true_targets
        if self.with_classes:
            labels, rows = self.labels, np.arange(self.points)
            if len(np.unique(labels[rows])) < 2:
                return 0.0
            if self.class_weight:  # drawn as often as they count: not every model takes weights
                weights = np.array(self.class_weight)[labels[rows]]
                rows = np.random.default_rng(0).choice(rows, len(rows), p=weights / weights.sum())
            answers = model.fit(x[rows], labels[rows]).predict(x)
            answers = np.eye(true_targets.shape[1])[answers] if true_targets.shape[1] > 1 else answers[:, None]
        else:
            true_targets = true_targets[:, spread_out(true_targets.shape[1], MOST_OUTPUTS)]
            middle, spread = true_targets[: self.points].mean(axis=0), true_targets[: self.points].std(axis=0) + 1e-12
            scaled = (true_targets - middle) / spread
            answers = model.fit(x[: self.points], np.squeeze(scaled[: self.points])).predict(x)
            answers = answers.reshape(len(x), -1) * spread + middle
        class_weight = self.val_class_weight if self.with_classes else None
        return self._skill(answers[judged], true_targets[judged], class_weight)

    @cached_property
    def max_skill(self):
        """The best skill that the training samples allow: equal inputs with different targets cannot all be right."""
        x = self.inputs_2d[: self.points] + 0.0  # so that -0 equals 0, byte by byte
        numbers = {}
        rows = zip(x, np.isfinite(x).all(axis=1), strict=True)
        keys = (row.tobytes() if known else number for number, (row, known) in enumerate(rows))
        group = np.array([numbers.setdefault(key, len(numbers)) for key in keys])
        if len(numbers) == self.points or not np.isfinite(self.true_targets).all():
            return 1.0
        true_targets = self.true_targets[: self.points]
        sums = np.zeros((len(numbers), true_targets.shape[1]))
        np.add.at(sums, group, true_targets)
        return self._skill((sums / np.bincount(group)[:, None])[group], true_targets)

    @property
    def n_predicted(self):
        """How many numbers are predicted for a sample, at all positions together."""
        return int(np.prod(self.output_shape))

    @property
    def number_targets(self):
        """The training targets that are numbers: (samples, columns); None where classes are to be predicted."""
        return self.targets_2d[: self.points] if self.task == "regression" else None

    @property
    def has_two_labels(self):
        """Whether the targets are 0 and 1, which may have been exchanged."""
        return self.task == "binary" and self.targets_2d.shape[1] == 1 and not self.signed

    @property
    def own_loss(self):
        """Whether the loss is not one of Keras."""
        return self.loss is not None and from_logits(self.loss) is None

    @cached_property
    def misnumbered(self):
        """The labels, where they are numbered in another way than the loss takes them, 1 to 7 for 0 to 6, say; else None."""
        units, name = (self.output_shape or (0,))[-1], loss_name(self.loss) if self.loss is not None else ""
        values = np.unique(self.y)
        whole = self.targets_2d.shape[1] == 1 and np.isfinite(values).all() and (values == np.round(values)).all()
        if not whole:
            return None
        if "sparse" in name and len(self.output_shape) == 1:
            return values if 1 < len(values) <= units and not 0 <= values.min() <= values.max() < units else None
        return values if name in BINARY_LOSSES and units == 1 and len(values) == 2 and set(values) != {0, 1} else None

    def renumbered(self):
        """The same with classes numbered from 0."""
        y = np.searchsorted(np.unique(self.y), self.y).astype("float32")
        task, classes, signed = task_of(y, self.loss, self.output_shape[-1])
        return replace(self, y=y, task=task, classes=classes, signed=signed).after(
            "y = np.searchsorted(np.unique(y), y)"
        )

    def exchanged(self):
        """The same with the two labels exchanged."""
        return replace(self.with_y(1 - self.y), class_weight=self.class_weight[::-1]).after("y = 1 - y")

    def mixed(self):
        """The same with training and validation samples shuffled together."""
        order = np.random.default_rng(0).permutation(len(self.x))
        both = "np.concatenate([x, x_val]), np.concatenate([y, y_val])"
        return replace(self, x=self.x[order], y=self.y[order]).after(
            f"x, x_val, y, y_val = train_test_split({both}, test_size=len(x_val))"
        )

    def after(self, step):
        """The same with one more line of code among the `steps`."""
        return replace(self, steps=(*self.steps, step))

    def with_x(self, x):
        """The same with other inputs."""
        return replace(self, x=np.asarray(x, "float32"), dtype="float32", tokens=False)

    def with_y(self, y):
        """The same with the targets written in another way."""
        return replace(self, y=np.asarray(y, "float32"))

    def x_scaled(self, step="x = (x - x_train.mean(axis=0)) / x_train.std(axis=0)"):
        """Inputs with mean 0 and standard deviation 1 over the training samples; step: the code that does it."""
        scaler = StandardScaler().fit(self.inputs_2d[: self.points])
        scaled = self.with_x(scaler.transform(self.inputs_2d).reshape(self.x.shape))
        return scaled.after(step)

    def y_scaled(self):
        """Targets with mean 0 and standard deviation 1 over the training samples."""
        scaled = StandardScaler().fit(self.targets_2d[: self.points]).transform(self.targets_2d)
        return self.with_y(scaled.reshape(self.y.shape)).after("y = (y - y_train.mean(axis=0)) / y_train.std(axis=0)")


def _labels(columns):
    """The classes of (samples, classes) probabilities, or of (samples, 1) of the second class: (samples,)."""
    return columns.argmax(1) if columns.shape[1] > 1 else (columns[:, 0] > 0.5).astype(int)


def _improvement(error, baseline):
    """Fraction of the baseline's error that is avoided, the mean over the outputs that vary."""
    varies = baseline > 1e-12
    if not varies.any():
        return 0.0
    with np.errstate(over="ignore"):
        return float(max(WORST, np.mean(1 - error[varies] / baseline[varies])))


def spread_out(count, most):
    """The numbers 0 to count - 1, or `most` of them at equal distances."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


def data_of(model, x, y, validation_data=None):
    """The `Data` of what is given to `model.fit`, checked.

    ValueError if it is not numbers, empty, or of lengths that do not fit.
    """
    x, y = single(x), single(y)
    columns = tuple(getattr(x, "columns", ()))
    columns = columns if all(isinstance(name, str) for name in columns) else ()  # pandas numbers those that have none
    dtype = _dtype(x)
    x, y = _numbers("x", x), _numbers("y", y)
    given = len(x)
    if len(x) != len(y):
        raise ValueError(f"x has {len(x)} samples and y has {len(y)}: give one target for each sample.")
    if not len(x):
        raise ValueError("x is empty: give at least two samples.")
    expected = getattr(model, "input_shape", None)
    expected = expected if isinstance(expected, tuple) else None
    if x.ndim == 1 and (expected is None or len(expected) > 1):
        x = x[:, None]
    if expected is not None and len(expected) == x.ndim and expected[-1] not in (None, x.shape[-1]):
        raise ValueError(f"x has {x.shape[-1]} columns and the model takes {expected[-1]}: give it {expected[-1]}.")
    if validation_data is not None:
        validation_data = _validation_arrays(validation_data, x, y)
    x, y, points = split(x, y, validation_data)
    answers = _answers(model, np.nan_to_num(x[:2], posinf=0.0, neginf=0.0).astype(dtype))
    units = answers.shape[-1] if answers.shape.rank else 1
    loss = resolved_loss(model, y, answers)
    if y.ndim == 1 and units == 1:
        loss = of_flat_targets(loss) if from_logits(loss) is None and broadcasts(loss, y) else loss
        y = y[:, None]
    task, classes, signed = task_of(y, loss, units)
    tokens = any(type(layer).__name__ in TOKEN_LAYERS for layer in layers_of(model)) and bool((x == np.round(x)).all())
    reverse = wants_reversed(model, loss, y, task, units)
    return Data(
        x, y, points, task, classes, signed, dtype, tokens, loss, given, reverse, tuple(answers.shape[1:]), columns=columns,
    )  # fmt: skip


def split(x, y, validation_data=None):
    """(x, y, how many samples are for training): those first, then those to judge by; not more than are needed.

    validation_data: (x, y) to judge by; if None, some samples are kept back.
    """
    rng = np.random.default_rng(0)
    most = min(_wanted(y), max(FEWEST_SAMPLES, MOST_NUMBERS // max(1, x[:1].size, y[:1].size)))
    keep = _subset(rng, len(x), most)
    x, y, n_train = x[keep], y[keep], len(keep)
    if validation_data is not None:
        val_x, val_y = validation_data
        keep = _subset(rng, len(val_x), most // 2)
        return np.concatenate([x, val_x[keep]]), np.concatenate([y, val_y[keep]]), n_train
    if n_train < FEWEST_TO_SPLIT or _is_truth_table(x):
        return x, y, n_train
    train, val = train_test_split(np.arange(n_train), test_size=VALIDATION_FRACTION, random_state=0)
    group, repeated = _repeated(x)
    if repeated:
        splits = GroupShuffleSplit(1, test_size=VALIDATION_FRACTION, random_state=0)
        train, val = next(splits.split(x, groups=group))
    rows = np.concatenate([train, val])
    return x[rows], y[rows], len(train)


def _wanted(y):
    """How many samples tell why a network does not learn: more where few of them are of one class."""
    y = y.reshape(len(y), -1)
    if len(y) <= MOST_SAMPLES or not np.isfinite(y).all():
        return MOST_SAMPLES
    if y.shape[1] == 1:
        classes, counts = np.unique(y, return_counts=True)
        rarest = counts.min() if len(classes) <= MOST_WEIGHED else len(y)
    else:
        rarest = y.sum(axis=0).min() if np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all() else len(y)
    return int(np.clip(FEWEST_RARE * len(y) / max(1, rarest), MOST_SAMPLES, MOST_WITH_RARE))


def _repeated(x):
    """(the number of each sample among the different ones, whether samples are repeated that by chance would not be equal).

    Rare samples that stand several times among the training samples must not judge, too.
    """
    x = x.reshape(len(x), -1)
    different, group = np.unique(x, axis=0, return_inverse=True)
    combinations = sum(np.log(len(np.unique(column))) for column in different.T[:MOST_COLUMNS])
    few = FEWEST_TO_SPLIT <= len(different) < 0.95 * len(x)
    return group.ravel(), few and combinations > np.log(10 * len(different))


def _answers(model, x):
    """What a model predicts for some samples, without a trace in the model; a ValueError in one sentence if it cannot."""
    state = model.trainable_variables, model.non_trainable_variables
    try:
        answers, _ = model.stateless_call(*([v.value for v in part] for part in state), x)
    except Exception as error:  # of a layer that is not Keras's, anything
        raise uncallable(model, f"a sample of x, of shape {x.shape}", error) from None
    return tf.convert_to_tensor(only(answers))


def uncallable(model, what, error):
    """The ValueError of a model that cannot be called on a few samples. what: these, in words. error: what the model raised."""
    size = stateful_batch_size(model)
    if size is None:
        return ValueError(f"The model cannot be called on {what}: {first_line(error)}")
    return ValueError(
        f"The model takes batches of {size} samples only, and diagnose calls it on others: for a diagnosis, build it without a fixed "
        "batch size and without stateful=True."
    )


def single(values):
    """The one array that a dict or list of arrays holds, as `fit` takes it of a model with one named input or output."""
    parts = list(values.values()) if type(values) is dict else values
    one = isinstance(parts, (list, tuple)) and len(parts) == 1 and getattr(parts[0], "ndim", 0) > 0
    return parts[0] if one else values


def _dtype(x):
    """The type of number in which the network is given its inputs."""
    kept = hasattr(x, "__array__") and np.asarray(x).dtype.kind in "iu"
    return np.asarray(x).dtype.name if kept else "float32"


def _validation_arrays(validation_data, x, y):
    """validation_data as numbers, in the shape of x and y."""
    if not isinstance(validation_data, (list, tuple)) or len(validation_data) < 2:
        raise ValueError(f"validation_data is a {type(validation_data).__name__}: give (x, y), two arrays.")
    held = [_numbers(f"validation_data[{i}]", single(part)) for i, part in enumerate(validation_data[:2])]
    if len(held[0]) != len(held[1]):
        raise ValueError(
            f"validation_data has {len(held[0])} samples and {len(held[1])} targets: give one target for each sample."
        )
    for name, part, like in zip("xy", held, (x, y), strict=True):
        if part.size != len(part) * int(np.prod(like.shape[1:])):
            raise ValueError(
                f"Samples of {name} have shape {like.shape[1:]}, and in validation_data {part.shape[1:]}: give both the same shape."
            )
    return [part.reshape(len(part), *like.shape[1:]) for part, like in zip(held, (x, y), strict=True)]


def skill_of_moved_targets(x, y, task, in_time):
    """By how many rows the targets have to be moved to belong to the inputs, and the skill then; (0, 0.0) if none helps.

    x, y: the samples in the order in which they were given. It stops when it is no longer `in_time()`.
    """
    x, y = _numbers("x", single(x)), _numbers("y", single(y))
    most = min(MOST_MOVED, max(FEWEST_SAMPLES, MOST_NUMBERS // max(1, x[:1].size)))
    x, y = x[:most], y[:most]
    targets_2d = y.reshape(len(y), -1)
    for shift in (1, -1, 2, -2, len(y)):
        if not in_time():
            break
        moved = targets_2d[::-1] if shift == len(y) else np.roll(targets_2d, shift, axis=0)
        if _holds(x.reshape(len(x), -1)[2:-2], moved[2:-2]):
            continue  # windows of a series: the next one holds the target of this one
        rows = np.concatenate(train_test_split(np.arange(len(x)), test_size=VALIDATION_FRACTION, random_state=0))
        classes = int(targets_2d.max()) + 1 if task == "multiclass" and targets_2d.shape[1] == 1 else 2
        points = len(x) - int(np.ceil(VALIDATION_FRACTION * len(x)))
        reach = Data(x[rows], moved[rows], points, task, classes).reference_skill(in_time)
        if reach > 0.3:  # nan is not
            return shift, reach
    return 0, 0.0


def _holds(columns, targets):
    """Whether each target is one of the columns, in whatever unit."""
    columns, targets = (part[:, part.std(axis=0) > 0].astype("float64") for part in (columns, targets))
    if not columns.size or not targets.size:
        return False
    columns, targets = (
        (part - part.mean(axis=0)) / (part.std(axis=0) * np.sqrt(len(part))) for part in (columns, targets)
    )
    return bool((np.abs(targets.T @ columns).max(axis=1) > 1 - 1e-6).all())


def _subset(rng, count, most):
    return np.sort(rng.permutation(count)[:most])


def _is_truth_table(x):
    """Whether the samples are all combinations of a few values, as in a truth table: then there are no others to judge by."""
    x = x.reshape(len(x), -1)
    x = x[:, (x != x[0]).any(axis=0)]
    if not x.shape[1] or 2 ** min(x.shape[1], 60) > len(x):  # each column has two values or more
        return False
    values = [len(np.unique(column)) for column in x.T]
    return max(values) <= 4 and np.prod(values, dtype=float) == len(np.unique(x, axis=0))


def _numbers(name, values):
    array = values
    try:
        array = np.asarray(values)
        with np.errstate(over="ignore"):
            numbers = np.asarray(array, "float32")
    except (TypeError, ValueError):
        kind = f"holds {getattr(values, 'dtype', type(values).__name__)} values"
        what, words = not_numbers(values) or not_numbers(array) or (kind, "give such an array")
        raise ValueError(f"{name} {what}, and diagnose takes one array of numbers: {words}.") from None
    if not numbers.ndim:
        raise ValueError(f"{name} is a single {type(values).__name__}: diagnose takes one array of numbers.")
    return numbers


def wants_reversed(model, loss, y, task, units):
    """Whether a loss of one's own for two labels wants small predictions for label 1; probabilities are never meant so."""
    probabilities = output_activation(model) in ("sigmoid", "softmax")
    return from_logits(loss) is None and task == "binary" and units == 1 and not probabilities and is_reversed(loss, y)


def task_of(y, loss, units):
    """What kind of answers the targets ask for: (task, classes, signed)."""
    targets_2d, known, loss = y.reshape(len(y), -1), from_logits(loss) is not None, loss_name(loss)
    finite = targets_2d[np.isfinite(targets_2d).all(axis=1)]
    if not len(finite):
        return "regression", 0, False
    zeros_and_ones = np.isin(finite, (0, 1)).all()
    if targets_2d.shape[1] > 1:
        if zeros_and_ones and (finite.sum(axis=1) == 1).all():
            return "multiclass", targets_2d.shape[1], False
        if zeros_and_ones:
            return "multilabel", targets_2d.shape[1], False
        if (finite >= 0).all() and np.allclose(finite.sum(axis=1), 1, atol=1e-3):
            return "distribution", 0, False
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
