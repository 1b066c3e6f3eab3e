"""The layers of a Keras model as its configuration describes them, and what follows from them without training."""

import re
from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf

from ..keras_private import layers_of

ACTIVATION_LAYERS = {
    "ReLU": "relu",
    "LeakyReLU": "leaky_relu",
    "PReLU": "leaky_relu",
    "ELU": "elu",
    "Softmax": "softmax",
}
NARROW, DEEP = 8, 6  # units, hidden layers
WEIGHTED = "Dense", "Conv", "SeparableConv", "DepthwiseConv"
STRAIGHT = (  # what only scales or moves numbers
    "InputLayer", "Activation", "Flatten", "Reshape", "Permute", "Dropout", "SpatialDropout", "AveragePooling",
    "GlobalAveragePooling", "ZeroPadding", "Cropping", "UpSampling", "BatchNormalization", "Normalization", "Rescaling",
)  # fmt: skip
PASSING = {
    "Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise", "Flatten", "Reshape", "ActivityRegularization",
}  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """A layer and the activation that follows it. index: of the layer, end: of the layer that bends. dense: whether it is Dense."""

    index: int
    end: int
    units: int
    activation: str
    initializer: dict | None = None
    bias: float = 0.0
    dense: bool = True


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


def linear_layers(layers):
    """The indices of the hidden layers with weights of a network in which nothing bends between input and last layer; else []."""
    weighted = [index for index, layer in enumerate(layers) if kind_of(layer).startswith(WEIGHTED)]
    before = [
        (kind_of(layer), layer["config"].get("activation", "linear")) for layer in layers[: max(weighted, default=0)]
    ]
    straight = all(kind.startswith((*WEIGHTED, *STRAIGHT)) and _activation(name) == "linear" for kind, name in before)
    return weighted[:-1] if straight else []


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


def only(answers):
    """The one output of a model that may return it within a list or dict."""
    return keras.tree.flatten(answers)[0]


def own_step(model):
    """The name of the method of `keras.Model` that a model has its own of, and that decides what training does; "" if none."""
    for name in ("train_step", "compute_loss"):
        if not getattr(type(model), name).__module__.startswith("keras."):
            return name
    return ""


def first_line(error):
    """What an error says, in one line: without where Keras and TensorFlow met it, and of TensorFlow's the first sentence."""
    text = str(error)
    if bold := re.search(r"\x1b\[1m(.*?)\x1b\[0m", text, re.DOTALL):  # Keras writes around it
        text = bold[1]
    if isinstance(error, tf.errors.OpError):
        if node := re.search(r"([^\n]*)\n[^\n]*\[\[\{\{node", text):  # the lines before are those of the program
            text = node[1]
        text = re.sub(r"\{\{.*?\}\}|\[\[.*|\[Op:.*|\(0\) [A-Z_]+:", "", text).strip()
        text = re.split(r"(?<=\.)\s+(?=[A-Z])", text)[0]
    return (text.strip() or type(error).__name__).splitlines()[0]


def output_activation(model):
    """The name of the activation of a model's last layer; "" where it has none that is known."""
    layers = [layer for layer in getattr(model, "layers", []) if type(layer).__name__ not in PASSING]
    last = layers[-1] if layers else None
    if type(last).__name__ in ACTIVATION_LAYERS:
        return ACTIVATION_LAYERS[type(last).__name__]
    return getattr(getattr(last, "activation", None), "__name__", "")


def output_of(layers):
    """The last `Stage`, or another last layer with an activation as one; None if there is none at the end."""
    stage = output_stage(layers)
    if stage is not None:
        return stage
    last = next((i for i in range(len(layers) - 1, -1, -1) if kind_of(layers[i]) not in PASSING), None)
    config = layers[last]["config"] if last is not None else {}
    units = config.get("filters", config.get("units"))
    if not isinstance(units, int) or "activation" not in config or "." in kind_of(layers[last]):
        return None
    return Stage(last, last, units, _activation(config["activation"]), dense=False)


def numbers_of(output, predicted):
    """How many numbers an output layer decides on together: `predicted` for a sample, 1 in a softmax over an axis of length 1."""
    return 1 if output.activation == "softmax" and output.units == 1 else predicted


def narrowest(model):
    """How many numbers for a sample the narrowest layer of a model gives, as far as its layers tell; inf where none does."""
    sizes = [np.inf]
    for layer in layers_of(model)[1:]:
        try:
            shapes = [tensor.shape[1:] for tensor in keras.tree.flatten(layer.output)]
        except (AttributeError, ValueError):  # of a layer that has only been called within another
            shapes = [(layer.units,)] if isinstance(layer, keras.layers.Dense) else []
        sizes += [int(np.prod(shape)) for shape in shapes if shape and None not in shape]
    return min(sizes)


def hangs_on_seeds(layers):
    """Whether a network is of a kind that often learns from some seeds and fails from others: narrow, deep or with a relu output."""
    sizes = [layer["config"].get("units", layer["config"].get("filters")) for layer in layers]
    hidden = [size for size in sizes if isinstance(size, int)][:-1]
    output = output_of(layers)
    return bool(hidden and (min(hidden) <= NARROW or len(hidden) >= DEEP)) or (
        output is not None and output.activation == "relu"
    )
