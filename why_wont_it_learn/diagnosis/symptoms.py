"""The one table of symptoms: what is measured of a training → the causes that it speaks for.

A symptom reads a `Training` and nothing else, so that a lab, `diagnose` and a callback that see the same numbers name the same
cause. Each states how plausible its cause is, from 0 to 1, before any fix has been tried. Rows of `SYMPTOMS` stand in causal
order, data first: what comes earlier explains what comes later (unscaled inputs explain dead units, not the reverse).

`likely(training)` is what can be said without an experiment: the plausible causes in that order. `hypotheses(training)` is
what `diagnose` tries fixes for, the most plausible first.

The numbers that turn a measurement into a plausibility interpolate between a value at which a symptom is often harmless and one
at which it hardly ever is; they were set on the programs of tests/labelled.py.
"""

from dataclasses import dataclass, field, replace

import numpy as np

LIKELY = 0.5  # a cause more plausible than this is named without a fix having been tried
NOTHING = 0.1  # where reference models have no more skill than this, there is nothing to be learned
LEARNABLE = 0.03  # part of the baseline's error that the best prediction avoids: below it there is nothing to learn
FITS = 0.85  # part of the attainable skill from which on a network fits its training samples
FITS_NOISE = 1.02  # skill on training samples, beyond what the true function reaches
OVERFIT_GAP = 0.1  # of skill, between training and validation samples
LEAP = 10.0  # times as large as before, for a loss that leaps
MANY_STEPS = 20  # of a recurrent layer, over which a state without bounds grows far
HARDLY_MOVED = 0.1  # all updates together, in units of the weights' norm
ROUGH_UPDATE = 0.03  # update-to-weight ratio at the end; 0.001 is usual
STILL_RISING = 0.02  # skill gained over the last three tenths
STILL_FALLING = 0.98  # the loss of the last tenth of the epochs, as a fraction of that of the tenth before
USUAL_RATES = {"sgd": 0.01, "adagrad": 0.01, "adadelta": 1.0}  # of Keras or its documentation; 0.001 for the rest
# Their steps are about as long as the learning rate.
STEP_OF_THE_RATE = ("adam", "adamw", "nadam", "adamax", "rmsprop", "lion")
SELF_SCALING = (*STEP_OF_THE_RATE, "adafactor", "lamb", "muon")
SQUASHING = ("sigmoid", "tanh", "softsign", "hard_sigmoid")
OFF_SCALE = 1.5  # times away from mean 0 and standard deviation 1, from which on it is tried to scale
ONE_SIDED = 0.8  # mean of a kernel over its root mean square; numbers drawn evenly between 0 and 1 have 0.87
FEW_UNITS = 4  # whose weights may by chance all have one sign
DRAWN_TO_SCALE = ("GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal")


@dataclass(frozen=True, eq=False)
class Scale:
    """Mean and standard deviation of each column: (columns,). names: of the columns, if they have any."""

    mean: np.ndarray
    std: np.ndarray
    names: tuple = ()

    @classmethod
    def of(cls, values, names=()):
        """Of (samples, columns)."""
        return cls(values.mean(axis=0), values.std(axis=0), names)

    @property
    def away(self):
        """The factor by which the columns are away from mean 0 and standard deviation 1, at the worst; 1 if they are not."""
        mean = np.abs(self.mean)
        varies = self.std > 1e-12 * np.maximum(mean, 1e-30)
        if not varies.any():
            return 1.0
        mean, std = mean[varies], self.std[varies]
        return float(max(1.0, std.max(), 1 / std.max(), (mean / np.maximum(std, 1)).max()))


@dataclass(frozen=True)
class Layer:
    """A Dense layer as it starts. norm: of its kernel; usual_norm: as glorot_uniform makes it; NaN if not measured.

    one_sided: the mean of its kernel over its root mean square, without sign: 1 where all weights are equal.
    """

    units: int
    activation: str
    initializer: str = ""
    bias: float = 0.0
    norm: float = np.nan
    usual_norm: float = np.nan
    one_sided: float = 0.0


def _nothing():
    return np.zeros((0, 0))


@dataclass(frozen=True, eq=False)
class Training:
    """What is known of a training, finished or under way. What was not measured is empty, NaN or None.

    loss, val_loss: (epochs so far,). skill_curve: (tenths so far,) of the training samples. steps, planned_steps: taken so far, and in all.
    train_skill, val_skill: of the predictions now. attainable_skill: what can be learned; linear_skill: of a linear model;
    all on one scale, on which 0 is the baseline. learnable: fraction of the baseline's error that the best prediction avoids.
    diverged: fraction of the seeds whose loss or predictions are not finite.
    missing: fraction of the inputs that are NaN. inputs, targets: their `Scale`; None for tokens and for classes.
    condition: condition number of the inputs' covariance. padding: fraction of the steps that are padding behind a sequence, where
    a recurrent layer reads it. growing_steps: over which a recurrent layer hands on a state that nothing bounds. mismatches: what
    `output_and_loss.mismatches` found.
    prediction_spread, prediction_offset: standard deviation of the predictions, and distance between their mean and that of the
    targets, in standard deviations of the targets.
    optimizer: its class name in small letters. learning_rate: with the momentum's effect (divided by 1 - momentum).
    momentum: of sgd.
    rate_halfway: the learning rate halfway through, as a fraction of the highest. agreement: correlation between predictions
    and targets. own_loss: whether two labels are learned with a loss that is not Keras's; reversed_loss: whether that wants small
    predictions for label 1.
    regularization: strength of the strongest penalty or dropout, 0 to 1; None without any.
    layers: the Dense layers, the output layer last. other_layers: whether there are layers of another kind; bends: whether,
    among them, anything between input and output is not linear.
    gradient_norm, update_ratio: (epochs, layers); dead, saturated: (epochs, hidden layers). As in `engine.Record`.
    """

    loss: np.ndarray = field(default_factory=lambda: np.zeros(0))
    val_loss: np.ndarray = field(default_factory=lambda: np.zeros(0))
    skill_curve: np.ndarray = field(default_factory=lambda: np.zeros(0))
    steps: int = 0
    planned_steps: int = 0
    train_skill: float = np.nan
    val_skill: float = np.nan
    attainable_skill: float = 1.0
    linear_skill: float = np.nan
    learnable: float = 1.0
    diverged: float = 0.0
    missing: float = 0.0
    inputs: Scale | None = None
    targets: Scale | None = None
    condition: float = 1.0
    padding: float = 0.0
    growing_steps: int = 0
    mismatches: tuple = ()
    prediction_spread: float = np.nan
    prediction_offset: float = np.nan
    optimizer: str = "adam"
    learning_rate: float = np.nan
    momentum: float = 0.0
    regularization: float | None = None
    rate_halfway: float = 1.0
    agreement: float = np.nan
    own_loss: bool = False
    reversed_loss: bool = False
    layers: tuple = ()
    other_layers: bool = False
    bends: bool = True
    gradient_norm: np.ndarray = field(default_factory=_nothing)
    update_ratio: np.ndarray = field(default_factory=_nothing)
    dead: np.ndarray = field(default_factory=_nothing)
    saturated: np.ndarray = field(default_factory=_nothing)

    @property
    def finished(self):
        """Whether all planned steps have been taken."""
        return self.steps >= self.planned_steps

    @property
    def hidden(self):
        """The Dense layers before the output."""
        return self.layers[:-1]

    @property
    def nonlinear(self):
        """Whether a hidden layer has an activation."""
        return any(layer.activation != "linear" for layer in self.hidden)

    @property
    def skill(self):
        """On validation samples; on training samples if there are no others."""
        return self.train_skill if np.isnan(self.val_skill) else self.val_skill

    @property
    def fits_only_training(self):
        """Whether it fits its training samples and clearly fails on others."""
        rests = not self.update_ratio.size or self.update_ratio[-1].max() <= ROUGH_UPDATE
        return bool(
            rests
            and self.train_skill >= FITS * self.attainable_skill
            and self.train_skill - self.val_skill > OVERFIT_GAP
        )

    @property
    def still_improving(self):
        """Whether it still improves at the end: by its skill where that was measured on the way, else by its loss."""
        if len(self.skill_curve) > 3:
            return bool(self.skill_curve[-1] - self.skill_curve[-4] > STILL_RISING)
        tenth = max(1, len(self.loss) // 10)
        before, now = self.loss[-2 * tenth : -tenth], self.loss[-tenth:]
        return len(self.loss) >= 2 and bool(np.mean(now) < STILL_FALLING * np.mean(before))

    @property
    def suffers(self):
        """Whether it fails in a way that a wrong scale explains; NaN counts as yes, as then it was not measured."""
        units = max([0.0, *np.ravel(self.dead[-1:]), *np.ravel(self.saturated[-1:])])
        return bool(self.diverged or not self.skill >= 0.5 * self.attainable_skill or units > 0.5)


@dataclass(frozen=True)
class Symptom:
    """A cause, how plausible a symptom makes it (0 to 1), and the numbers that were measured."""

    cause: str
    plausibility: float
    evidence: str


def _between(value, values, plausibilities):
    return float(np.interp(value, values, plausibilities))


# --- the data ----------------------------------------------------------------------------------------------------------


def missing_values(t):
    """NaN among the inputs."""
    if t.missing:
        text = f"{100 * t.missing:.3g}% of the inputs are NaN. A single NaN makes every weight NaN in the first step that uses it."
        yield Symptom("missing_values", 1.0, text)


def nothing_to_learn(t):
    """The best prediction is hardly better than the baseline."""
    if t.learnable <= LEARNABLE:
        text = f"The best prediction from these inputs avoids only {max(t.learnable, 0):.1%} of the baseline's error."
        yield Symptom("nothing_to_learn", 1.0, text)


def mismatched_output_or_loss(t):
    """Output, loss and targets that cannot work together."""
    for mismatch in t.mismatches:
        yield Symptom(mismatch.cause, 1.0 if mismatch.strong else 0.4, mismatch.evidence)


def short(number):
    """A number with three digits, up to a million without a power of ten."""
    return f"{float(f'{number:.3g}'):,g}"


def input_name(index, names):
    """An input in words, by its number from 1 on and by its name if there is one for each input."""
    return f"Input {index + 1} ({names[index]})" if index < len(names) else f"Input {index + 1}"


def _by_scale(scale):
    return _between(np.log10(scale.away), [0.2, 0.5, 1.0, 2.0], [0.0, 0.25, 0.7, 1.0])


def unscaled_targets(t):
    """Targets far from 0 and 1, and predictions that have not come to them."""
    if t.targets is not None:
        reached = t.prediction_offset <= 1 and not t.diverged
        mean, std = t.targets.mean.mean(), float(np.sqrt(np.mean(t.targets.std**2) + t.targets.mean.var()))
        yield Symptom(
            "unscaled_targets", _by_scale(t.targets) * (0.45 if reached else 1.0),
            f"The targets have mean {short(mean)} and standard deviation {short(std)}; a network starts with predictions of about "
            "-1 to 1.",
        )  # fmt: skip


def unscaled_inputs(t):
    """Inputs far from 0 and 1, in a network that fails."""
    if t.inputs is not None:
        mean, std = t.inputs.mean, t.inputs.std
        worst = int(np.argmax(np.abs(mean) + std))
        yield Symptom(
            "unscaled_inputs", _by_scale(t.inputs) * (1.0 if t.suffers else 0.45),
            f"{input_name(worst, t.inputs.names)} has mean {short(mean[worst])} and standard deviation {short(std[worst])}; the usual "
            "initial weights and learning rates expect about 0 and 1.",
        )  # fmt: skip


def padding_read_last(t):
    """Sequences that are mostly padding, which a recurrent layer reads after them."""
    if t.padding:
        yield Symptom(
            "label_or_data_bug", _between(t.padding, [0.2, 0.5, 0.8], [0.0, 0.6, 0.95]) * (1.0 if t.suffers else 0.45),
            f"On average {t.padding:.0%} of a sequence is padding after its last value. The recurrent layer reads it last, and what "
            "it has read before fades.",
        )  # fmt: skip


def growing_state(t):
    """A recurrent layer whose state can grow at every step, in a training that diverges, leaps or fails."""
    if t.growing_steps < MANY_STEPS:
        return
    loss = np.asarray(t.loss)[np.isfinite(t.loss)]
    lowest = np.minimum.accumulate(loss)
    leaps = bool(((loss > LEAP * lowest) & (lowest > 0)).any())
    fails = t.skill < 0.5 * t.attainable_skill  # not where it was not measured
    leaps |= bool(
        fails and len(loss) and loss.max() > LEAP * loss.min()
    )  # it fell, and nothing was learned: it had leapt before
    if t.diverged >= 0.5 or leaps or fails:
        yield Symptom(
            "exploding_gradient", 0.98 if t.diverged >= 0.5 else 0.9 if leaps else 0.6,
            f"The activation of a recurrent layer does not bound its state, which can grow in each of {t.growing_steps} steps, and its "
            "gradient with it" + (f": the loss rose to {loss.max():.2g}." if leaps else "."),
        )  # fmt: skip


# --- steps -------------------------------------------------------------------------------------------------------------


def with_momentum(optimizer, rate, momentum):
    """The learning rate divided by 1 - momentum for sgd; unchanged for other optimizers (their class names in small letters)."""
    return rate / max(1 - float(momentum or 0), 0.01) if optimizer == "sgd" else rate


def usual_rate(optimizer):
    """The learning rate that an optimizer (its class name in small letters) is usually run with."""
    return USUAL_RATES.get(optimizer, 0.001)


def _times_usual(t):
    return max(t.learning_rate / usual_rate(t.optimizer), 1e-12)  # a learning rate may be 0


def _about_rate(t):
    given, usual = (
        t.learning_rate / with_momentum(t.optimizer, 1.0, t.momentum),
        f"{t.optimizer} is usually run with {usual_rate(t.optimizer):g}.",
    )
    if given < t.learning_rate:
        return f"The learning rate is {given:.3g}; with momentum {t.momentum:g} the steps are like those of {t.learning_rate:.3g}, and {usual}"
    return f"The learning rate is {given:.3g}; {usual}"


def diverged(t):
    """A loss that is no longer a number."""
    if t.diverged >= 0.5:
        plausibility = 0.45 if t.growing_steps >= MANY_STEPS else 0.75 + 0.2 * (_times_usual(t) > 1.5)
        text = f"The loss or the predictions are not finite. {_about_rate(t)}"
        yield Symptom("learning_rate_too_high", plausibility, text)


def long_steps(t):
    """Updates that still move the weights far at the end, or a learning rate far above the usual one."""
    if t.diverged >= 0.5 or not t.learning_rate > 0:
        return
    rough = len(t.loss) > 2 and bool(t.loss[-1] > 1.5 * np.nanmin(t.loss) + 1e-9)
    if t.update_ratio.size:
        update = float(t.update_ratio[-1].max())
        plausibility = _between(update, [0.3 * ROUGH_UPDATE, ROUGH_UPDATE, 10 * ROUGH_UPDATE], [0.1, LIKELY, 0.9])
        told = f"At the end each step still changes a layer's weights by {update:.2g} of their norm. {_about_rate(t)}"
    else:
        plausibility = _between(np.log10(_times_usual(t)), [0, 1, 2], [0.15, 0.65, 0.9])
        told = _about_rate(t)
    told += " The loss rises again." * rough
    yield Symptom("learning_rate_too_high", min(plausibility + 0.3 * rough, 0.95), told)


def dying_rate(t):
    """A schedule that has come to an end long before the training has."""
    if t.rate_halfway < 0.1:
        yield Symptom(
            "learning_rate_too_low", _between(np.log10(max(t.rate_halfway, 1e-9)), [-3, -2, -1], [0.97, 0.9, 0.3]),
            f"Halfway through the training the learning rate has fallen to {t.rate_halfway:.2g} of its highest value: the schedule "
            "counts steps, and there are many in an epoch.",
        )  # fmt: skip


def short_steps(t):
    """Updates that hardly move the weights, or a learning rate far below the usual one."""
    if not t.learning_rate >= 0:
        return
    if t.update_ratio.size:
        moved = float(t.update_ratio.mean()) * t.planned_steps
        pace, move = ("All", "moved") if t.finished else ("At this pace all", "will move")
        steps = f"{pace} {t.planned_steps} steps together" if t.planned_steps > 1 else "Its only step"
        text = f"{steps} {move} the weights by {moved:.2g} of their norm. {_about_rate(t)}"
        yield Symptom("learning_rate_too_low", 0.85 if moved < HARDLY_MOVED else 0.2, text)
        return
    plausibility = _between(np.log10(_times_usual(t)), [-2, -1, -0.3, 0], [0.95, 0.85, 0.4, 0.2])
    way = f"It was trained for {t.steps} steps"
    if t.optimizer in STEP_OF_THE_RATE and t.steps:
        way += f", each about as long as the learning rate, so no weight can have moved by much more than {t.steps * t.learning_rate:.2g}"
    yield Symptom("learning_rate_too_low", plausibility, f"{_about_rate(t)} {way}.")


def few_steps(t):
    """Few steps in all, or a loss that still falls at the last one."""
    few = _between(np.log10(t.planned_steps), [1.5, 2.3, 3.0, 4.0], [0.9, 0.65, 0.4, 0.1]) if t.planned_steps else 0.0
    improving = t.still_improving
    if t.update_ratio.size and not improving:
        few = min(few, 0.4)  # it was measured at every epoch, and has come to rest
    text = f"There are {t.planned_steps} steps in all" + (", and it still improves at the end." if improving else ".")
    yield Symptom("too_few_epochs", min(0.95, max(few + 0.15 * improving, 0.55 * improving)), text)


def one_rate_for_all(t):
    """Plain gradient descent on inputs that vary much more in one direction than in another."""
    if t.optimizer not in SELF_SCALING and t.inputs is not None:
        plausibility = _between(np.log10(max(t.condition, 1)), [1.5, 2, 3, 4], [0.4, 0.6, 0.8, 0.9])
        yield Symptom(
            "optimizer_choice", min(plausibility, 0.5) if t.nonlinear else plausibility,
            f"{t.optimizer} takes the same learning rate in every direction, and the inputs vary {t.condition:.2g} times as "
            "much in one direction as in another (condition number).",
        )  # fmt: skip


# --- layers ------------------------------------------------------------------------------------------------------------


def equal_units(t):
    """Weights that all start equal, so that the units of a layer stay equal."""
    for number, layer in enumerate(t.layers, 1):
        if t.hidden and layer.units > 1 and layer.initializer in ("Zeros", "Ones", "Constant"):
            yield Symptom(
                "bad_initialization", 0.95,
                f"All weights of layer {number} start equal ({layer.initializer}), so its units get equal gradients and stay "
                "equal.",
            )  # fmt: skip


def odd_initial_weights(t):
    """Initial weights of an unusual size."""
    for number, layer in enumerate(t.layers, 1):
        times = max(layer.norm, 1e-9) / max(layer.usual_norm, 1e-9)
        # A few weights that are drawn to scale may by chance be small, and he_normal is large for one input.
        least, most = (0.01, 20) if layer.initializer in DRAWN_TO_SCALE else (0.3, 2.5)
        if not least <= times <= most:
            yield Symptom(
                "bad_initialization", _between(abs(np.log10(times)), [0.4, 0.7, 1.0], [0.4, 0.7, 0.9]),
                f"The weights of layer {number} start {times:.2g} times as large as glorot_uniform makes them "
                f"({layer.initializer}).",
            )  # fmt: skip
        elif layer.one_sided > ONE_SIDED and layer.units >= FEW_UNITS:
            yield Symptom(
                "bad_initialization", 0.75,
                f"Nearly all weights of layer {number} start with the same sign (their mean is {layer.one_sided:.2f} of their root mean "
                f"square), so its units start out computing almost the same ({layer.initializer}).",
            )  # fmt: skip
        if abs(layer.bias) > 0.5:
            yield Symptom("bad_initialization", 0.5, f"The biases of layer {number} start at {layer.bias:g}.")


def linear_only(t):
    """No nonlinearity, where a linear model cannot learn it."""
    if t.bends if t.other_layers else not t.layers or t.nonlinear:
        return
    what = "All hidden layers are linear" if t.hidden or t.other_layers else "There is no hidden layer"
    # There are things for which a line is enough; and what is worse than a good line suffers from something else.
    useful = t.linear_skill >= 0.5 * t.attainable_skill
    other = t.linear_skill >= 0.9 * t.attainable_skill or (useful and t.skill < t.linear_skill - 0.1)
    told = f" The best linear model has a skill of {two_digits(t.linear_skill)}." if np.isfinite(t.linear_skill) else ""
    text = f"{what}, so it can only compute a weighted sum of its inputs.{told}"
    yield Symptom("capacity_too_low", 0.1 if other else 0.85, text)


def narrow_layer(t):
    """A hidden layer of few units."""
    if not t.layers or t.other_layers or not t.nonlinear:
        return
    units = min(layer.units for layer in t.hidden)
    plausibility = _between(units, [1, 2, 4, 8, 16], [0.7, 0.65, 0.55, 0.25, 0.12])
    if units < min(t.layers[-1].units, 8):
        plausibility = max(plausibility, 0.6)
    yield Symptom("capacity_too_low", plausibility, f"Its narrowest hidden layer has {units} unit{'s' * (units > 1)}.")


def _worst(t, values, what):
    """Yield (layer, value, text) of the largest of (epochs, layers), at the last and at the first epoch, where it is not small.

    Not at the last where the weights have become NaN: that says nothing of the units. what: "dead" or "saturated".
    """
    for epoch, when in ((-1, "at the end" if t.finished else "now"), (0, "at the start")):
        if values.size and not (epoch and t.diverged >= 0.5):
            layer = int(np.nanargmax(values[epoch]))
            value = float(values[epoch, layer])
            if value > 0.3:
                yield layer, value, f"{value:.0%} of the units of hidden layer {layer + 1} are {what} {when}"


def dead_units(t):
    """Units with no slope for any sample; those of a sigmoid or tanh are saturated."""
    dead_ones = t.dead
    if len(t.hidden) == dead_ones.shape[-1]:  # else it is not known which column is whose
        dead_ones = np.where([layer.activation in SQUASHING for layer in t.hidden], 0.0, dead_ones)
    for layer, dead, told in _worst(t, dead_ones, "dead"):
        small = layer < len(t.layers) and t.layers[layer].norm < 0.3 * t.layers[layer].usual_norm
        plausibility = _between(dead, [0.3, 0.5, 0.7, 1.0], [0.2, LIKELY, 0.55, 0.6 if small else 0.97])
        yield Symptom("dead_relu", plausibility, f"{told}: inactive for every sample.")


def saturated_units(t):
    """Units on the flat ends of a sigmoid or tanh."""
    for _, flat, told in _worst(t, t.saturated, "saturated"):
        plausibility = _between(flat, [0.3, 0.5, 0.6, 0.9], [0.2, LIKELY, 0.6, 0.9])
        yield Symptom("saturated_activation", plausibility, f"{told}: their slope is close to 0.")


def vanishing_gradient(t):
    """A first layer that gets hardly any of the gradient."""
    hidden = t.gradient_norm[0, :-1].astype(float) if t.gradient_norm.size else np.zeros(0)
    if len(hidden) < 2 or not np.isfinite(hidden).all() or not hidden.max() > 0:
        return
    kept = max(hidden[0], 1e-30) / max(hidden[-1], 1e-30)
    plausibility = _between(-np.log10(kept), [0.7, 1.3, 2.0, 4.0], [0.0, 0.45, 0.75, 0.97])
    if t.saturated.size and np.nanmax(t.saturated[0]) > 0.3:
        plausibility *= 0.5  # saturated units let no gradient through: that is the name of it
    if hidden.max() < 1e-5 and len(hidden) >= 3:
        plausibility = max(plausibility, 0.7)
    squashed = any(layer.activation in SQUASHING for layer in t.hidden)
    text = f"At the start the first layer's gradient ({hidden[0]:.1g}) is {kept:.1g} of the last hidden layer's."
    yield Symptom("vanishing_gradient", plausibility if squashed or len(hidden) > 3 else 0.5 * plausibility, text)


def exploding_gradient(t):
    """Gradients far larger than the weights, or growing from layer to layer."""
    norms = t.gradient_norm[0] if t.gradient_norm.size else np.zeros(0)
    if len(norms) < 3 or np.isnan(norms).any():  # NaN: no gradient at all
        return
    size = np.array([layer.norm for layer in t.layers] if len(t.layers) == len(norms) else [np.nan] * len(norms))
    step = np.nanmax(np.r_[0, np.nan_to_num(norms, nan=np.inf, posinf=np.inf) / np.maximum(size, 1e-12)])
    ratio = norms[0] / max(norms[-1], 1e-30)
    told = "too large for a number"
    if np.isfinite([step, ratio]).all():
        told = f"up to {step:.2g} times as large as the weights, the first layer's {ratio:.2g} times the last's"
    if step > 1e3 or ratio > 30:
        plausibility = 0.9 if ratio > 30 and t.diverged >= 0.5 else 0.6
        yield Symptom("exploding_gradient", plausibility, f"At the start the gradients are {told}.")


# --- what it makes of the samples ----------------------------------------------------------------------------------------


def predictions_against_targets(t):
    """A loss of one's own, whose labels may mean the opposite: predictions that fall where targets rise tell that they do.

    With a loss of Keras they tell only that the initial weights point that way, and that training has not moved them far.
    """
    if not t.own_loss:
        return
    if t.agreement < -0.2:
        yield Symptom(
            "loss_mismatch", 0.9,
            f"Predictions fall where targets rise (a correlation of {two_digits(t.agreement)}): what the labels mean and what the loss asks for "
            "are opposite.",
        )  # fmt: skip
    else:
        yield Symptom(
            "loss_mismatch", 0.7,
            "The loss is not one of Keras's: it decides which label large predictions stand for, and here it wants "
            f"{'small' if t.reversed_loss else 'large'} predictions for label 1.",
        )  # fmt: skip


def over_regularized(t):
    """Penalties or dropout in a network that does not even fit its training samples, or always predicts the same."""
    if t.regularization is None:
        return
    if t.prediction_spread < 0.3:
        text = f"The predictions hardly differ: their standard deviation is {t.prediction_spread:.2g} of the targets'."
        yield Symptom("over_regularized", 0.9, text)
        return
    plausibility = _between(t.regularization, [0, 0.2, 0.5, 0.8], [0.1, 0.35, 0.6, 0.85])
    plausibility = plausibility if np.isnan(t.prediction_spread) else min(plausibility, 0.4)
    died = np.nanmax(t.dead[-1] - t.dead[0]) if t.dead.size else 0.0
    told = "There are penalties or dropout"
    if t.train_skill >= FITS * t.attainable_skill:
        told += "."
    elif t.regularization >= 0.4 and died > 0.25:
        plausibility = 0.85
        told += f", it does not even fit its training samples, and {died:.0%} of the units of a hidden layer have died on the way."
    else:
        told += ", and it does not even fit its training samples."
    yield Symptom("over_regularized", plausibility, told)


def overfitting(t):
    """A network that fits its training samples and fails on others."""
    if t.fits_only_training:
        noise = " (above 1: it fits their noise, too)" if t.train_skill > FITS_NOISE else ""
        text = f"Its skill is {two_digits(t.train_skill)} on the training samples{noise} and {two_digits(t.val_skill)} on the validation samples."
        yield Symptom("overfitting", _between(t.train_skill - t.val_skill, [OVERFIT_GAP, 0.3], [0.4, 0.9]), text)


SYMPTOMS = (
    missing_values, nothing_to_learn, mismatched_output_or_loss, predictions_against_targets, padding_read_last,
    unscaled_inputs, unscaled_targets, growing_state, diverged, equal_units,
    linear_only, over_regularized, dead_units, vanishing_gradient, saturated_units, exploding_gradient, odd_initial_weights,
    dying_rate, short_steps, long_steps, overfitting, few_steps, one_rate_for_all, narrow_layer,
)  # fmt: skip


def symptoms(training):
    """Yield every `Symptom` of a `Training`, in causal order."""
    for symptom in (symptom for row in SYMPTOMS for symptom in row(training)):
        # Nothing keeps it from learning the training samples; only what it makes of others can be wrong.
        doubtful = training.fits_only_training and symptom.cause != "overfitting" and symptom.plausibility < 1
        yield replace(symptom, plausibility=symptom.plausibility / 2) if doubtful else symptom


def likely(training):
    """The symptoms whose cause is plausible without a trial, each cause once, in causal order."""
    found = {}
    for symptom in symptoms(training):
        if symptom.plausibility > LIKELY:
            found.setdefault(symptom.cause, symptom)
    if "missing_values" in found:
        return [found["missing_values"]]  # nothing else can be judged while weights are NaN
    return list(found.values())


def hypotheses(training):
    """The most plausible symptom of each cause: {cause: Symptom}."""
    ranked = sorted(symptoms(training), key=lambda symptom: -symptom.plausibility)
    return {symptom.cause: symptom for symptom in reversed(ranked)}


def two_digits(value):
    """A skill or correlation as text: two digits after the point, and a minus sign, not a hyphen."""
    return f"{round(float(value), 2) + 0.0:.2f}".replace("-", "−")
