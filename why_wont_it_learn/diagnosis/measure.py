"""What a variant and its trial show, as the `Training` that symptoms are read from."""

import numpy as np

from ..engine.initial_weights import throughout
from .network import kind_of, linear_layers, other_layers
from .symptoms import Scale, Training, with_momentum

NOISE_LAYERS = {"Dropout": "rate", "AlphaDropout": "rate", "GaussianDropout": "rate", "GaussianNoise": "stddev"}
DROPOUT_WITHIN = ("dropout", "recurrent_dropout")  # of recurrent layers and of attention
SCALING_LAYERS = ("BatchNormalization", "Normalization", "LayerNormalization", "Discretization")
SHAPING_LAYERS = ("InputLayer", "Flatten", "Reshape")
RECURRENT = ("LSTM", "GRU", "SimpleRNN")  # not Bidirectional: backwards it reads the padding first
UNBOUNDED = ("relu", "linear", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "exponential")
MOST_COLUMNS = 500  # of which the covariance is taken


def training_of(variant, outcome, first, last, attainable_skill):
    """The `Training` of a variant.

    outcome: its `TrialResult`. first, last: a `Look` into its layers at the start and at the end.
    """
    program, data = variant.program, variant.data
    kind, momentum = program.optimizer["class_name"].lower(), program.optimizer["config"].get("momentum")
    x, y = data.inputs_2d[: data.points], data.number_targets
    numbers = not data.tokens and np.isfinite(x).all()
    train_skill = float(np.median(outcome.train[-1]))
    return Training(
        loss=np.median(outcome.loss, axis=1), skill_curve=np.median(outcome.train, axis=1), steps=outcome.steps, planned_steps=outcome.planned,
        train_skill=train_skill, attainable_skill=attainable_skill, linear_skill=data.linear_skill,
        val_skill=float(np.median(outcome.held[-1])) if data.has_validation else np.nan,
        diverged=outcome.diverged,
        inputs=Scale.of(rescaled(program.layers, x), data.columns) if numbers and not scales_itself(program.layers, program.fixed) else None,
        targets=Scale.of(y) if y is not None and np.isfinite(y).all() else None,
        own_loss=data.has_two_labels and data.own_loss, reversed_loss=data.reversed,
        rate_halfway=rate_halfway(variant), agreement=_agreement(outcome, data),
        condition=_condition(x) if numbers else 1.0,
        padding=unmasked_padding(program.layers, data.x[: data.points]),
        growing_steps=growing_steps(program.layers, data.x),
        optimizer=kind, learning_rate=with_momentum(kind, variant.learning_rate, momentum), momentum=momentum or 0.0,
        regularization=max(regularization(program) or 0.0, variant.added_loss) or None,
        prediction_spread=_spread(outcome, data) if variant.added_loss else np.nan,
        layers=first.layers,
        other_layers=bool(other_layers(program.layers)) or (data.task == "distribution" and len(first.layers) < 2),
        bends=not linear_layers(program.layers),
        gradient_norm=np.stack([first.gradient, last.gradient]),
        dead=np.stack([first.dead, last.dead]), saturated=np.stack([first.saturated, last.saturated]),
    )  # fmt: skip


def _spread(outcome, data):
    """The standard deviation of the predictions over the training samples, in that of the targets: the median of the seeds."""
    y = data.number_targets
    if y is None or outcome.answers is None or outcome.answers[0].size != data.targets_2d.size:
        return np.nan
    answers = np.stack([np.reshape(each, data.targets_2d.shape)[: data.points] for each in outcome.answers])
    return float(np.median(np.sqrt(answers.var(axis=1).sum(axis=1) / max(y.var(axis=0).sum(), 1e-30))))


def rate_halfway(variant):
    """The learning rate in the middle of training, as a fraction of the highest."""
    half = variant.epochs * variant.program.steps(variant.data.points) // 2
    return float(variant.program.rates(np.array([half]))[0]) * variant.rate / max(variant.learning_rate, 1e-30)


def _agreement(outcome, data):
    """The correlation between predictions and targets over the training samples, of one column each: the median of the seeds."""
    if outcome.answers is None or data.targets_2d.shape[1] != 1 or outcome.answers[0].size != len(data.x):
        return np.nan
    y = data.targets_2d[: data.points, 0]
    found = [np.reshape(answers, -1)[: data.points] for answers in outcome.answers]
    found = [p for p in found if np.isfinite(p).all() and p.std() > 0]
    sign = -1 if data.reversed else 1
    return sign * float(np.median([np.corrcoef(p, y)[0, 1] for p in found])) if found else np.nan


def unmasked_padding(layers, x):
    """The fraction of all steps that are padding behind a sequence, which a recurrent layer reads last; 0 where it is masked."""
    masks = any(kind_of(layer) == "Masking" or layer["config"].get("mask_zero") for layer in layers)
    if masks or x.ndim < 2 or not any(kind_of(layer) in RECURRENT for layer in layers):
        return 0.0
    steps = padding_after(x)
    return float(steps.mean() / x.shape[1]) if np.ptp(steps) else 0.0


PAD_IN_FRONT = "Pad at the front, as pad_sequences does, or mask the padding (mask_zero=True, Masking)."


def growing_steps(layers, x):
    """Over how many steps a recurrent layer hands on a state that its activation does not bound; 0 where none does."""
    grows = []
    throughout(layers, lambda config: grows.append(not _is_bounded(config)) or {})
    return x.shape[1] if any(grows) and x.ndim > 1 else 0


def with_bounded_state(layers):
    """tanh in every recurrent layer whose activation does not bound its state."""
    return throughout(layers, lambda config: {} if _is_bounded(config) else {"activation": "tanh"})


def _is_bounded(config):
    """Whether a configuration is not that of a recurrent layer with such an activation."""
    return "recurrent_initializer" not in config or config.get("activation") not in UNBOUNDED


def padding_after(x):
    """The number of steps of zeros behind the last other value of each sequence: (samples, steps, …) -> (samples,)."""
    empty = (x == 0).reshape(*x.shape[:2], -1).all(axis=2)
    return np.cumprod(empty[:, ::-1], axis=1).sum(axis=1)


def first_computing(layers):
    """The configuration of the first layer that computes something, also of a model that the network begins with; None if none does."""
    first = next((layer for layer in layers if kind_of(layer) not in SHAPING_LAYERS), None)
    return first if first is None or "layers" not in first["config"] else first_computing(first["config"]["layers"])


def unadapted(layers, fixed):
    """The name of the Normalization layer that a network begins with, if it was never adapted; else None. fixed: as in `Program`."""
    first = first_computing(layers)
    if first is None or kind_of(first) != "Normalization":
        return None
    name = first["config"]["name"]
    mean, variance, *_ = fixed.get(name) or (1, 1)
    return name if not np.any(mean) and np.all(np.equal(variance, 1)) else None


def scales_itself(layers, fixed):
    """Whether the first layer that computes something scales its inputs by what it sees of them, or takes them to pieces."""
    first = first_computing(layers)
    return first is not None and kind_of(first) in SCALING_LAYERS and unadapted(layers, fixed) is None


def first_rescaling(layers):
    """The configuration of the Rescaling layer that a network, or the model that it begins with, begins with.

    None if there is none, or not by two numbers.
    """
    first = first_computing(layers)
    if first is None or kind_of(first) != "Rescaling":
        return None
    config = first["config"]
    return config if all(isinstance(config[name], (int, float)) for name in ("scale", "offset")) else None


def rescaled(layers, x):
    """Inputs as they are after the Rescaling layer that a network begins with."""
    config = first_rescaling(layers)
    return x if config is None else x * config["scale"] + config["offset"]


def _condition(x):
    """The condition number of the covariance of (samples, columns), without directions in which nothing varies."""
    if x.shape[1] >= MOST_COLUMNS:
        return 1.0
    curvatures = np.linalg.eigvalsh(np.cov(x.astype(float), rowvar=False).reshape(x.shape[1], -1))
    least = curvatures[curvatures > 1e-9 * curvatures.max()].min(initial=np.inf)
    return float(curvatures.max() / max(least, 1e-30))


def regularization(program):
    """How strong all dropout together or the strongest penalty is, 0 to 1; None without any.

    Dropouts count by what none of them drops, an L2 of 0.1 or a weight decay of 0.33 counts as 1.
    """
    rates, strengths = [], [3 * float(program.optimizer["config"].get("weight_decay") or 0)]

    for layer in program.layers:
        config, kind = layer["config"], kind_of(layer)
        rates.extend(_dropout_within(config))
        if kind in NOISE_LAYERS:
            rates.append(_number(config.get(NOISE_LAYERS[kind])))
        penalties = [value for name, value in config.items() if name.endswith("_regularizer") and value]
        if kind == "ActivityRegularization":
            penalties.append({"config": config})
        for penalty in penalties:
            numbers = penalty.get("config") if isinstance(penalty, dict) else None
            numbers = numbers if isinstance(numbers, dict) else {}
            strengths.append(max(1e-6, 10 * max(_number(numbers.get(name)) for name in ("l1", "l2"))))
    return min(1.0, max(*strengths, 1 - np.prod(1 - np.clip(rates, 0, 1)))) or None


def _dropout_within(config):
    """The rates of dropout of a layer or of the first layer within it: those of `Bidirectional` work side by side."""
    rates = [_number(config.get(name)) for name in DROPOUT_WITHIN]
    return rates if any(rates) or "layer" not in config else _dropout_within(config["layer"]["config"])


def _number(value):
    return float(value) if isinstance(value, (int, float)) else 0.0
