"""How much speaks for each cause, before a remedy is tried: from what model and data are and from the run as it is."""

from dataclasses import dataclass, replace

import numpy as np

from .evidence import kind_of, other_layers, stages
from .fixes import NOISE_LAYERS, SELF_SCALING, is_regularized, scale_is_off, usual_rate


@dataclass(frozen=True)
class Hypothesis:
    """A cause, how strongly it is suspected (0 to 1), and the numbers that speak for it."""

    cause: str
    weight: float
    evidence: str


def hypotheses(variant, outcome, first, last, goal):
    """The `Hypothesis` of each cause that a remedy could prove: {cause: Hypothesis}.

    outcome: of the variant as it is. first, last: a `Look` into its layers at the start and at the end. goal: the skill
    that can be learned.
    """
    rules = (
        _inputs, _targets, _rate, _epochs, _start, _units, _gradients, _capacity, _optimizer, _penalties, _overfitting,
    )  # fmt: skip
    case = _Case(variant, outcome, first, last, goal)
    found = {}
    for rule in rules:
        for hypothesis in rule(case):
            if hypothesis.cause not in found or hypothesis.weight > found[hypothesis.cause].weight:
                found[hypothesis.cause] = hypothesis
    if case.fits:  # then nothing keeps it from learning these points, and only what it makes of others can be at fault
        for cause in set(found) - {"overfitting"}:
            found[cause] = replace(found[cause], weight=0.5 * found[cause].weight)
    return found


class _Case:
    def __init__(self, variant, outcome, first, last, goal):
        self.variant, self.outcome, self.first, self.last, self.goal = variant, outcome, first, last, goal
        self.program, self.data = variant.program, variant.data
        self.stages = stages(self.program.layers)
        self.hidden = self.stages[:-1]
        self.kind = self.program.optimizer["class_name"].lower()
        speed = float(self.program.optimizer["config"].get("momentum") or 0) if self.kind == "sgd" else 0.0
        self.rate = variant.learning_rate / max(1 - speed, 0.01)
        self.usual_rate = usual_rate(self.kind)
        self.skill = float(np.median(outcome.train[-1]))
        self.held = float(np.median(outcome.held[-1])) if self.data.has_held_out else self.skill
        self.fits = self.skill >= 0.85 * goal and self.skill - self.held > 0.1
        self.bends = [stage for stage in self.hidden if stage.activation != "linear"]

    @property
    def loss(self):
        """The median loss over the run: (checkpoints,)."""
        return np.median(self.outcome.loss, axis=1)


def _scale_weight(away):
    return float(np.interp(np.log10(away), [0.2, 0.5, 1.0, 2.0], [0.0, 0.25, 0.7, 1.0]))


def _inputs(case):
    x = case.data.flat[: case.data.points]
    if case.data.ids or not np.isfinite(x).all() or _scales_itself(case.program.layers):
        return
    away = scale_is_off(x)
    worst = int(np.argmax(np.abs(x.mean(axis=0)) + x.std(axis=0)))
    yield Hypothesis(
        "unscaled_inputs", _scale_weight(away),
        f"Input {worst + 1} has mean {x[:, worst].mean():.3g} and standard deviation {x[:, worst].std():.3g}; "
        "weights and rates are made for about 0 and 1.",
    )  # fmt: skip


def _scales_itself(layers):
    first = next(
        (kind for layer in layers if (kind := kind_of(layer)) not in ("InputLayer", "Flatten", "Reshape")), None
    )
    return first in ("BatchNormalization", "Normalization", "LayerNormalization", "Rescaling", "Discretization")


def _targets(case):
    y = case.data.table[: case.data.points]
    if case.data.task == "regression" and np.isfinite(y).all():
        yield Hypothesis(
            "unscaled_targets", _scale_weight(scale_is_off(y)),
            f"The targets have mean {y.mean():.3g} and standard deviation {y.std():.3g}; a network starts near 0 with answers "
            "of about 1.",
        )  # fmt: skip


def _rate(case):
    steps, loss = case.outcome.steps, case.loss
    times = max(case.rate / case.usual_rate, 1e-12)  # a rate may be 0
    about = f"The learning rate, with momentum, is {case.rate:g}; {case.kind} is usually run with {case.usual_rate:g}."
    if case.kind != "sgd" or not case.program.optimizer["config"].get("momentum"):
        about = about.replace(", with momentum,", "")
    if case.outcome.diverged >= 0.5:
        yield Hypothesis("learning_rate_too_high", 0.75 + 0.2 * (times > 1.5), f"The loss blew up. {about}")
    else:
        rough = len(loss) > 2 and bool(loss[-1] > 1.5 * np.nanmin(loss) + 1e-9)
        weight = float(np.interp(np.log10(times), [0, 1, 2], [0.15, 0.65, 0.9])) + 0.3 * rough
        yield Hypothesis("learning_rate_too_high", min(weight, 0.95), about + " The loss rises again." * rough)
    weight = float(np.interp(np.log10(times), [-2, -1, -0.3, 0], [0.95, 0.85, 0.4, 0.2]))
    yield Hypothesis("learning_rate_too_low", weight, f"{about} It was trained for {steps} steps.")


def _epochs(case):
    steps = case.outcome.planned
    few = float(np.interp(np.log10(max(steps, 1)), [1.5, 2.3, 3.0, 4.0], [0.9, 0.65, 0.4, 0.1]))
    curve = np.median(case.outcome.train, axis=1)
    rising = len(curve) > 3 and bool(curve[-1] - curve[-4] > 0.02)
    yield Hypothesis(
        "too_few_epochs", min(0.95, few + 0.15 * rising),
        f"There are {steps} steps in all" + ", and it is still getting better at the end." * rising + "." * (not rising),
    )  # fmt: skip


def _start(case):
    for number, stage in enumerate(case.stages):
        name = stage.initializer.get("class_name", "")
        times = max(case.first.size[number], 1e-9) / max(case.first.usual[number], 1e-9)
        if case.hidden and stage.units > 1 and name in ("Zeros", "Ones", "Constant"):
            yield Hypothesis(
                "bad_initialization",
                0.95,
                f"All weights of layer {number + 1} start equal ({name}): its units stay equal.",
            )
        elif times > 2.5 or times < 0.3:
            weight = float(np.interp(abs(np.log10(times)), [0.4, 0.7, 1.0], [0.4, 0.7, 0.9]))
            yield Hypothesis(
                "bad_initialization", weight,
                f"The weights of layer {number + 1} start {times:.2g} times as large as glorot_uniform makes them ({name}).",
            )  # fmt: skip
        if abs(stage.bias) > 0.5:
            yield Hypothesis("bad_initialization", 0.5, f"The biases of layer {number + 1} start at {stage.bias:g}.")


def _units(case):
    for when, view in (("at the start", case.first), ("at the end", case.last)):
        if len(view.dead) and view.dead.max() > 0.3:
            layer, share = int(view.dead.argmax()), float(view.dead.max())
            whispers = (
                case.first.size[layer] < 0.3 * case.first.usual[layer]
            )  # then it is the start that made them dead
            yield Hypothesis(
                "dead_relu", float(np.interp(share, [0.3, 0.7, 1.0], [0.2, 0.5, 0.6 if whispers else 0.97])),
                f"{share:.0%} of the units of hidden layer {layer + 1} are dead {when}: no point moves them.",
            )  # fmt: skip
        if len(view.saturated) and view.saturated.max() > 0.3:
            layer, share = int(view.saturated.argmax()), float(view.saturated.max())
            yield Hypothesis(
                "saturated_activation", float(np.interp(share, [0.3, 0.6, 0.9], [0.2, 0.6, 0.9])),
                f"{share:.0%} of the units of hidden layer {layer + 1} are saturated {when}: their slope is next to 0.",
            )  # fmt: skip


def _gradients(case):
    hidden = case.first.gradient[: len(case.hidden)]
    if len(hidden) >= 2 and np.isfinite(hidden).all() and hidden.max() > 0:
        share = max(hidden[0], 1e-30) / max(hidden[-1], 1e-30)
        squashed = any(stage.activation in ("sigmoid", "tanh", "softsign", "hard_sigmoid") for stage in case.hidden)
        weight = float(np.interp(-np.log10(share), [0.7, 1.3, 2.0, 4.0], [0.0, 0.45, 0.75, 0.97]))
        if case.first.saturated.max() > 0.3:
            weight *= 0.5  # flat units let no gradient through: that is the name of it
        tiny = hidden.max() < 1e-5 and len(hidden) >= 3
        if tiny:
            weight = max(weight, 0.7)
        yield Hypothesis(
            "vanishing_gradient", weight if squashed or len(hidden) > 3 else 0.5 * weight,
            f"At the start the first layer's gradient ({hidden[0]:.1g}) is {share:.1g} of the last hidden layer's.",
        )  # fmt: skip
    norms = case.first.gradient
    step = np.nan_to_num(norms, nan=np.inf, posinf=np.inf) / np.maximum(case.first.size, 1e-12)
    ratio = norms[0] / max(norms[-1], 1e-30) if len(norms) > 1 else 1.0
    if len(case.hidden) >= 2 and (step.max() > 1e3 or ratio > 30):
        yield Hypothesis(
            "exploding_gradient", 0.9 if ratio > 30 and case.outcome.diverged >= 0.5 else 0.6,
            f"At the start the gradients are up to {step.max():.2g} times as long as the weights, the first layer's "
            f"{ratio:.2g} times the last's.",
        )  # fmt: skip


def _capacity(case):
    if not case.stages or other_layers(case.program.layers) or (case.data.task == "shares" and not case.hidden):
        return
    if not case.bends:
        what = "All hidden layers are linear" if case.hidden else "There is no hidden layer"
        weight = (
            0.1 if case.data.linear_skill >= 0.9 * case.goal else 0.85
        )  # there are things for which a line is enough
        yield Hypothesis("capacity_too_low", weight, f"{what}: it can give only a weighted sum of its inputs.")
    else:
        units = min(stage.units for stage in case.hidden)
        outputs = min(case.stages[-1].units, 8)
        weight = float(np.interp(units, [1, 2, 4, 8, 16], [0.7, 0.65, 0.45, 0.25, 0.12]))
        if units < outputs:
            weight = max(weight, 0.6)
        yield Hypothesis("capacity_too_low", weight, f"Its narrowest hidden layer has {units} unit{'s' * (units > 1)}.")


def _optimizer(case):
    if case.kind not in SELF_SCALING and not case.data.ids:
        x = case.data.flat[: case.data.points].astype(float)
        curvatures = (
            np.linalg.eigvalsh(np.cov(x, rowvar=False).reshape(x.shape[1], -1)) if x.shape[1] < 500 else np.ones(1)
        )
        condition = curvatures.max() / max(curvatures[curvatures > 1e-9 * curvatures.max()].min(initial=np.inf), 1e-30)
        weight = float(np.interp(np.log10(max(condition, 1)), [1.5, 2, 3, 4], [0.4, 0.6, 0.8, 0.9]))
        yield Hypothesis(
            "optimizer_choice", min(weight, 0.5) if case.bends else weight,
            f"{case.kind} takes the same rate in every direction, and the inputs vary {condition:.2g} times as much in one "
            "direction as in another (condition number).",
        )  # fmt: skip


def _penalties(case):
    if not is_regularized(case.program):
        return
    strengths = []
    for layer in case.program.layers:
        config = layer["config"]
        strengths.append(float(config.get("rate", 0) or 0) if kind_of(layer) in NOISE_LAYERS else 0.0)
        for name, value in config.items():
            penalty = value.get("config") if name.endswith("_regularizer") and isinstance(value, dict) else None
            if isinstance(penalty, dict):
                strengths.append(min(1.0, 10 * max(_number(penalty.get("l1")), _number(penalty.get("l2")))))
    strongest = max([*strengths, min(1.0, 3 * float(case.program.optimizer["config"].get("weight_decay") or 0))])
    yield Hypothesis(
        "over_regularized", float(np.interp(strongest, [0, 0.2, 0.5, 0.8], [0.1, 0.35, 0.6, 0.85])),
        "Penalties or dropout hold it back: it does not even fit the training points." if case.skill < 0.85 * case.goal
        else "Penalties or dropout are at work.",
    )  # fmt: skip


def _number(value):
    return float(value) if isinstance(value, (int, float)) else 0.0


def _overfitting(case):
    gap = case.skill - case.held
    if case.fits:
        yield Hypothesis(
            "overfitting", float(np.interp(gap, [0.1, 0.3], [0.4, 0.9])),
            f"On the training points its skill is {case.skill:.2f}, on points that it has not seen {case.held:.2f}.",
        )  # fmt: skip
