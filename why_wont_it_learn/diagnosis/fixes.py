"""What `diagnose` tries: changes of one thing in a program, each tied to the cause that it would prove."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import keras
import numpy as np
import tensorflow as tf
from sklearn.impute import SimpleImputer

from ..engine.initial_weights import throughout
from ..program import Program
from . import measure
from .class_weights import ClassWeighted, balanced
from .data import Data
from .model_call import penalties_of_weights
from .network import kind_of, linear_layers, only, other_layers, output_of, output_stage, stages
from .output_and_loss import as_loss, fitting
from .symptoms import OFF_SCALE, SELF_SCALING, Scale, usual_rate

KERNELS = {f"{name}_initializer" for name in ("kernel", "recurrent", "embeddings", "depthwise", "pointwise")}
RATES_LOOKED_AT = 20  # of a schedule
MORE = 1000  # times that the data's loss counts against what layers add
SAMPLES = 64  # that the first loss is taken of
FEWEST_STEPS = 300  # in all, for a training that is to be long enough
RELU_LIKE = ("relu", "leaky_relu", "elu", "gelu", "swish", "silu", "relu6", "mish")  # he_normal is made for these


@dataclass(frozen=True, eq=False)
class Variant:
    """What is trained: a program on some data, at `rate` times its learning rate, for `longer` times its epochs."""

    program: Program
    data: Data
    rate: float = 1.0
    longer: float = 1.0

    def having(self, **changes):
        """The same with something changed."""
        return replace(self, **changes)

    @property
    def learning_rate(self):
        """The learning rate, the highest where a schedule changes it: it may begin with 0."""
        steps = np.linspace(0, self.epochs * self.program.steps(self.data.points) - 1, RATES_LOOKED_AT).astype(int)
        return float(self.program.rates(steps).max()) * self.rate

    @property
    def epochs(self):
        """How many epochs it is trained."""
        return max(1, round(self.longer * self.program.epochs))

    @cached_property
    def added_loss(self):
        """The part of the first loss that layers of one's own have added to it, such as a divergence: 0 to 1.

        Penalties on weights do not count.
        """
        program, data = self.program, self.data
        if program.model is None and not program.known:
            return 0.0
        model, rows = program.build(), slice(0, min(data.points, SAMPLES))
        x, y = tf.constant(data.inputs[rows]), tf.constant(data.y[rows])
        try:
            with keras.StatelessScope(collect_losses=True):
                outputs = only(model(x, training=False))
                total = sum(float(loss) for loss in model.losses)
            of_data = float(tf.reduce_mean(as_loss(program.loss)(y, outputs))) * program.loss_weight
        except Exception:  # of layers or a loss that are not Keras's, anything
            return 0.0
        added = max(0.0, total - sum(map(float, penalties_of_weights(model))))
        return added / (added + max(of_data, 1e-12)) if added > 1e-6 * abs(total) else 0.0


@dataclass(frozen=True, eq=False)
class Fix:
    """One change. cause: what it would prove. words: what to do, as a sentence. apply: Variant -> Variant.

    size: how much it changes, for the order among fixes that are equally likely: 1 a number, 2 a part, 3 the network.
    evidence: what speaks for it.
    """

    name: str
    cause: str
    words: str
    apply: Callable
    size: int = 1
    evidence: str = ""


# --- edits of layers ---------------------------------------------------------------------------------------------------


def with_activation(program, activation):
    """Another activation, and the initializer that goes with it, in every hidden layer."""

    def edit(layers):
        for stage in stages(layers)[:-1]:
            _set_activation(layers, stage, activation)
            _set_initializer(layers[stage.index], activation)

    return program.edited(edit)


def with_relu(program):
    """relu in every hidden layer, of any kind, of a network in which nothing bends."""

    def edit(layers):
        for index in linear_layers(layers):
            layers[index]["config"]["activation"] = "relu"

    return program.edited(edit)


def _set_activation(layers, stage, activation):
    """Another activation of a layer, in place, wherever it stands."""
    if stage.end == stage.index:
        layers[stage.index]["config"]["activation"] = activation
        return
    config = {"name": layers[stage.end]["config"]["name"], "activation": activation}
    layers[stage.end] = {**layers[stage.end], "class_name": "Activation", "module": "keras.layers", "config": config}


def with_slope_everywhere(program, names):
    """leaky_relu as the activation of the layers of these names, of any kind."""

    def edit(layers):
        for layer in layers:
            if layer["config"].get("name") in names:
                layer["config"].update(
                    {"negative_slope": 0.2} if kind_of(layer) == "ReLU" else {"activation": "leaky_relu"}
                )

    return program.edited(edit)


def with_usual_start(program):
    """The initializers that suit the activations, and biases of 0; none that is constant in layers of other kinds."""
    usual = keras.initializers.serialize(keras.initializers.get("glorot_uniform"))

    def varied(config):
        return {name: copy.deepcopy(usual) for name in KERNELS & config.keys() if _is_constant(config[name])}

    def edit(layers):
        for stage in stages(layers):
            _set_initializer(layers[stage.index], stage.activation)
        return throughout(layers, varied)

    return program.edited(edit)


def _is_constant(initializer):
    return isinstance(initializer, dict) and initializer.get("class_name") in ("Zeros", "Ones", "Constant")


def _set_initializer(layer, activation):
    name = "HeNormal" if activation in RELU_LIKE else "GlorotUniform"
    layer["config"]["kernel_initializer"] = keras.initializers.serialize(keras.initializers.get(name))
    layer["config"]["bias_initializer"] = keras.initializers.serialize(keras.initializers.get("zeros"))


def wider(program):
    """More units in every hidden layer."""

    def edit(layers):
        for stage in stages(layers)[:-1]:
            layers[stage.index]["config"]["units"] = max(32, 4 * stage.units)

    return program.edited(edit)


def with_hidden_layers(program):
    """Two layers of 32 relu units before the output, as a `Sequential`."""

    def edit(layers):
        found = stages(layers)
        hidden = [_dense(32, name, "relu") for name in ("added_0", "added_1")]
        plain = [{k: v for k, v in layer.items() if k not in ("inbound_nodes", "name")} for layer in layers]
        return plain[: found[-1].index] + hidden + plain[found[-1].index :]

    layers = program.edited(edit).layers
    return replace(program, make=keras.Sequential, config={"name": "deeper", "layers": layers}, own=None)


def is_chain(program):
    """Whether the layers stand one after the other."""
    return "input_layers" not in program.config or all(
        len(layer["inbound_nodes"]) <= 1 and _feeds(layer) == before
        for layer, before in zip(program.layers[1:], [one["name"] for one in program.layers], strict=False)
    )


def _feeds(layer):
    nodes = layer["inbound_nodes"]
    argument = nodes[0]["args"][0] if nodes and nodes[0]["args"] else None
    return argument["config"]["keras_history"][0] if isinstance(argument, dict) else None


def _dense(units, name, activation):
    layer = keras.layers.serialize(keras.layers.Dense(units, activation, kernel_initializer="he_normal", name=name))
    layer.pop("build_config", None)
    return layer


def without_regularization(program):
    """No penalties, no dropout, no noise, no weight decay."""

    def edit(layers):
        for layer in layers:
            config = layer["config"]
            for name in config:
                if name.endswith("_regularizer"):
                    config[name] = None
            if kind_of(layer) in measure.NOISE_LAYERS:
                config[measure.NOISE_LAYERS[kind_of(layer)]] = 0.0
            if kind_of(layer) == "ActivityRegularization":
                config.update(l1=0.0, l2=0.0)
        return throughout(layers, lambda config: dict.fromkeys(config.keys() & set(measure.DROPOUT_WITHIN), 0.0))

    edited = program.edited(edit)
    return edited.with_settings(weight_decay=0.0) if edited.optimizer["config"].get("weight_decay") else edited


def without_rescaling(program):
    """A first Rescaling layer that changes nothing."""
    return program.edited(lambda layers: measure.first_rescaling(layers).update(scale=1.0, offset=0.0))


def with_penalty(program, l2):
    """An L2 penalty on every Dense layer."""
    penalty = keras.regularizers.serialize(keras.regularizers.L2(l2))

    def edit(layers):
        for stage in stages(layers):
            layers[stage.index]["config"]["kernel_regularizer"] = copy.deepcopy(penalty)

    return program.edited(edit)


def with_output(program, units, activation, loss):
    """Another output layer and loss."""

    def edit(layers):
        last = stages(layers)[-1]
        layers[last.index]["config"]["units"] = units
        _set_activation(layers, last, activation)

    return replace(program.edited(edit), loss=loss)


def with_output_activation(program, activation):
    """Another activation of the output layer, whatever its kind; the loss stays."""
    return program.edited(lambda layers: _set_activation(layers, output_of(layers), activation))


def cut_logits(layers):
    """Whether a relu stands between the last Dense layer and the softmax or sigmoid that makes the answer."""
    kinds = [kind_of(layer) for layer in layers[-2:]]
    return (
        kinds[:1] == ["Dense"]
        and kinds[1] in ("Softmax", "Activation")
        and layers[-2]["config"]["activation"] == "relu"
    )


def with_whole_logits(program):
    """No activation of the last Dense layer, before the softmax or sigmoid."""
    return program.edited(lambda layers: layers[-2]["config"].update(activation="linear"))


def with_all_trained(program):
    """Every layer trained, those within layers, too; they start from the weights that they have now."""

    def unfrozen(config):
        return {"trainable": True} if "trainable" in config else {}

    return program.edited(lambda layers: throughout(layers, unfrozen))


def with_batch_norm_momentum(program, momentum):
    """Another momentum of the moving averages of every BatchNormalization."""

    def quicker(config):
        return {"momentum": momentum} if {"momentum", "moving_mean_initializer"} <= config.keys() else {}

    return program.edited(lambda layers: throughout(layers, quicker))


# --- output and loss -----------------------------------------------------------------------------------------------------


def fixed_output_and_loss(variant):
    """Output activation, units and loss that fit the targets: (words, Variant)."""
    data = variant.data
    words = fitting(data.targets).words
    if data.signed:  # sigmoid and cross-entropy take 0 and 1
        data = replace(data.with_y(data.true_targets.reshape(data.y.shape)), signed=False).after("y = (y + 1) / 2")
        words = words[:-1] + " and labels 0 and 1."
    fit = fitting(data.targets)
    loss = _weighted(fit.loss, data.class_weight)
    return words, variant.having(program=with_output(variant.program, fit.units, fit.activation, loss), data=data)


def _weighted(loss, class_weight):
    return ClassWeighted(as_loss(loss), class_weight) if class_weight else loss


def class_balanced(variant):
    """All classes count the same, in the loss and in the skill."""
    data = variant.data
    weights = balanced(data.labels[: data.points], data.classes)
    loss = _weighted(variant.program.loss, weights)
    return variant.having(program=replace(variant.program, loss=loss), data=replace(data, class_weight=weights))


# --- the list of what is tried -----------------------------------------------------------------------------------------


def filled(data):
    """Inputs that are not numbers replaced by the mean of their column."""
    x = np.where(np.isfinite(data.inputs_2d), data.inputs_2d, np.nan)
    imputer = SimpleImputer(keep_empty_features=True).fit(x[: data.points])
    return data.with_x(imputer.transform(x).reshape(data.x.shape)).after(
        "x = SimpleImputer().fit(x_train).transform(x)"
    )


def padded_before(data):
    """The padding behind each sequence moved to its front."""
    at = (np.arange(data.x.shape[1]) - measure.padding_after(data.x)[:, None]) % data.x.shape[1]
    x = np.take_along_axis(data.x, at.reshape(*at.shape, *[1] * (data.x.ndim - 2)), axis=1)
    return replace(data, x=x).after('x = keras.utils.pad_sequences(sequences, padding="pre")')


def plain_network(variant):
    """What usually learns: two layers of 64 relu units, adam, scaled inputs and targets, a thousand steps or more."""
    data = variant.data.x_scaled()
    if data.task == "regression":
        data = data.y_scaled()
    if data.signed:
        data = replace(data.with_y(data.true_targets.reshape(data.y.shape)), signed=False)
    fit = fitting(data.targets)
    output = keras.layers.Dense(fit.units, fit.activation, name="output")
    layers = [keras.layers.InputLayer(data.x.shape[1:], name="input"), keras.layers.Flatten(name="flat")]
    layers = [keras.layers.serialize(layer) for layer in layers]
    layers += [_dense(64, "hidden_1", "relu"), _dense(64, "hidden_2", "relu"), keras.layers.serialize(output)]
    loss = _weighted(fit.loss, data.class_weight)
    program = replace(
        variant.program.with_optimizer("adam", 0.003), make=keras.Sequential, config={"name": "plain", "layers": layers},
        own=None, batch_size=min(64, max(variant.program.batch_size, 16)), loss=loss, model=None, fixed={}, loss_weight=1.0,
    )  # fmt: skip
    steps = program.epochs * program.steps(data.points)
    return variant.having(program=program, data=data, longer=max(1.0, 1000 / steps), rate=1.0)


def fixes_for(variant, outcome):
    """The single changes that could fix a variant. outcome: of its training as it is."""
    program, data = variant.program, variant.data
    found = stages(program.layers)
    hidden = found[:-1]
    rate, epochs = variant.learning_rate, variant.epochs
    kind = program.optimizer["class_name"].lower()

    fixes = []

    def add(name, cause, words, apply, size=1):
        fixes.append(Fix(name, cause, words, apply, size))

    if measure.unmasked_padding(program.layers, data.x[: data.points]):
        add("padded before", "label_or_data_bug", measure.PAD_IN_FRONT,
            lambda p: p.having(data=padded_before(p.data)))  # fmt: skip
    if measure.growing_steps(program.layers, data.x):
        add("bounded state", "exploding_gradient", "Use tanh, Keras's default, in the recurrent layers.",
            lambda p: p.having(program=p.program.edited(measure.with_bounded_state)))  # fmt: skip
    if (
        not data.tokens
        and np.isfinite(data.inputs_2d).all()
        and Scale.of(data.inputs_2d[: data.points]).away > OFF_SCALE
    ):
        words, step = "Scale the inputs to mean 0 and standard deviation 1 (StandardScaler).", ()
        if name := measure.unadapted(program.layers, program.fixed):
            words = f"Adapt the layer {name} to the training inputs, before fit."
            step = (f'model.get_layer("{name}").adapt(x_train)',)
        add("x scaled", "unscaled_inputs", words, lambda p: p.having(data=p.data.x_scaled(*step)))
    x = data.inputs_2d[: data.points]
    if (
        measure.first_rescaling(program.layers)
        and Scale.of(x).away < Scale.of(measure.rescaled(program.layers, x)).away
    ):
        add("no rescaling", "unscaled_inputs", "Scale the inputs once: remove the Rescaling layer, or what scales them before it.",
            lambda p: p.having(program=without_rescaling(p.program)))  # fmt: skip
    output = output_stage(program.layers)
    bounded = output is not None and output.activation not in ("linear", "leaky_relu")
    numbers = data.number_targets
    if numbers is not None and not bounded and Scale.of(numbers).away > OFF_SCALE:
        add("y scaled", "unscaled_targets", "Scale the targets to mean 0 and standard deviation 1.",
            lambda p: p.having(data=p.data.y_scaled()))  # fmt: skip
    if rate > 0 and measure.rate_halfway(variant) < 0.1:
        add("constant rate", "learning_rate_too_low", f"Keep the learning rate at {rate:g}, or let it decay by epochs, not by steps.",
            lambda p: p.having(program=p.program.with_rate(p.learning_rate), rate=1.0))  # fmt: skip
    if data.has_two_labels:
        add("labels inverted", "loss_mismatch", "Swap the two labels: train on 1 - y, or swap y and 1 - y in the loss.",
            lambda p: p.having(data=p.data.exchanged()))  # fmt: skip
    if not rate > 0:
        usual = usual_rate(kind)
        add("usual rate", "learning_rate_too_low", f"Raise the learning rate from {rate:g} to {usual:g}.",
            lambda p: p.having(program=p.program.with_rate(usual), rate=1.0))  # fmt: skip
    to_usual = usual_rate(kind) / rate if rate > 0 else np.nan
    far = [to_usual] if to_usual < 0.005 or to_usual > 200 else []
    for factor in (0.1, 0.01, 10.0, 100.0, *far) if rate > 0 else ():
        cause, what = ("learning_rate_too_high", "Lower") if factor < 1 else ("learning_rate_too_low", "Raise")
        add(f"rate x {factor:g}", cause, f"{what} the learning rate from {rate:g} to {rate * factor:g}.",
            lambda p, factor=factor: p.having(rate=p.rate * factor))  # fmt: skip
    if found:
        add("usual start", "bad_initialization", "Use glorot_uniform, or he_normal before relu, and biases of 0.",
            lambda p: p.having(program=with_usual_start(p.program)))  # fmt: skip
    longer = max(4, round(FEWEST_STEPS / (epochs * program.steps(data.given))))
    add("longer", "too_few_epochs", f"Train for {longer * epochs} epochs instead of {epochs}.",
        lambda p: p.having(longer=longer * p.longer))  # fmt: skip
    if measure.regularization(program) is not None:
        add("no regularization", "over_regularized", "Remove the penalties and the dropout, then add back a little.",
            lambda p: p.having(program=without_regularization(p.program)), 2)  # fmt: skip
    if variant.added_loss > 0:
        add("data loss", "over_regularized", f"Let what the layers add to the loss count less: multiply it by {1 / MORE:g}, say.",
            lambda p: with_data_loss(p, MORE), 2)  # fmt: skip
    if kind == "sgd" and not program.optimizer["config"].get("momentum"):
        add("momentum", "optimizer_choice", "Give sgd a momentum of 0.9, with nesterov.",
            lambda p: p.having(program=p.program.with_settings(momentum=0.9, nesterov=True)))  # fmt: skip
    if kind not in SELF_SCALING:
        for rate in (0.001, 0.01):
            add(f"adam {rate:g}", "optimizer_choice", f"Use adam with a learning rate of {rate:g}.",
                lambda p, rate=rate: p.having(program=p.program.with_optimizer("adam", rate), rate=1.0), 2)  # fmt: skip
    for activation in ("relu", "tanh", "leaky_relu"):
        if hidden and any(stage.activation != activation for stage in hidden):
            add(activation, "activation", f"Use {activation} in the hidden layers.",
                lambda p, a=activation: p.having(program=with_activation(p.program, a)), 2)  # fmt: skip
    if hidden and not data.gives_back_inputs:  # an autoencoder is narrow on purpose
        add("wider", "capacity_too_low", f"Use {' and '.join(str(max(32, 4 * s.units)) for s in hidden)} units in the hidden layers.",
            lambda p: p.having(program=wider(p.program)), 2)  # fmt: skip
    if other_layers(program.layers) and linear_layers(program.layers):
        add("bent", "capacity_too_low", "Give the hidden layers an activation, such as relu.",
            lambda p: p.having(program=with_relu(p.program)))  # fmt: skip
    if found and not other_layers(program.layers) and is_chain(program):
        add("deeper", "capacity_too_low", "Add two hidden layers of 32 relu units.",
            lambda p: p.having(program=with_hidden_layers(p.program)), 3)  # fmt: skip
    add("clipped", "exploding_gradient", "Clip the gradients (clipnorm=1).",
        lambda p: p.having(program=p.program.with_settings(clipnorm=1.0, global_clipnorm=None, clipvalue=None)), 2)  # fmt: skip
    for l2 in (0.001, 0.01, 0.1) if hidden else ():
        add(f"l2 {l2:g}", "overfitting", f"Put an L2 penalty of {l2:g} on the weights.",
            lambda p, l2=l2: p.having(program=with_penalty(p.program, l2)), 2)  # fmt: skip
    curve = np.median(outcome.held, axis=1)
    if len(curve) > 2 and np.isfinite(curve).all() and np.argmax(curve) < len(curve) - 1:
        share = (int(np.argmax(curve)) + 1) / len(curve)
        add("stop early", "overfitting", f"Stop after {max(1, round(share * epochs))} epochs (EarlyStopping).",
            lambda p: p.having(longer=share * p.longer))  # fmt: skip
    return fixes


def with_data_loss(variant, times):
    """The loss of the predictions counts more, against what layers add to it; steps stay as long as they were."""
    kind = variant.program.optimizer["class_name"].lower()
    program = replace(variant.program, loss_weight=times * variant.program.loss_weight)
    return variant.having(program=program, rate=variant.rate / (1.0 if kind in SELF_SCALING else times))
