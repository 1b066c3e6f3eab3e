"""A variant as Keras code, and what changed between two of them, as lines that a reader can copy."""

import difflib
import inspect
import re

import keras
import numpy as np

from .class_weights import ClassWeighted
from .network import kind_of
from .output_and_loss import from_logits, loss_name

LEFT_OUT = ("name", "dtype", "trainable", "seed", "kwargs", "self")


def changes(before, after):
    """The lines of Keras code in which two variants differ: "- " before each old line and "+ " before each new one."""
    lines = difflib.ndiff(code_of(before), code_of(after))
    return "\n".join(line for line in lines if line[:2] in ("- ", "+ "))


def code_of(variant):
    """The lines of a variant: what is done to the data, its layers, `compile` and `fit`."""
    program = variant.program
    layers = [
        _layer(layer) for layer in _one_by_one(program.layers) if kind_of(layer) not in ("InputLayer", "Identity")
    ]
    loss = f"loss={_loss(program.loss)}" + f", loss_weights={program.loss_weight:g}" * (program.loss_weight != 1)
    return [
        *variant.data.steps,
        *layers,
        f"model.compile(optimizer={_optimizer(variant)}, {loss})",
        f"model.fit(x, y, epochs={variant.epochs}, batch_size={program.batch_size}{_class_weight(program.loss)})",
    ]


def _one_by_one(layers):
    """The layers in their order, those within a Sequential too."""
    for layer in layers:
        yield from _one_by_one(layer["config"]["layers"]) if layer["class_name"] == "Sequential" else [layer]


def _loss(loss):
    name = loss_name(loss)
    if not hasattr(keras.losses, name):
        return name  # a function of the reader's own
    of_class = "".join(map(str.capitalize, name.split("_")))
    smoothing = getattr(loss, "label_smoothing", 0)
    settings = ["from_logits=True"] * bool(from_logits(loss)) + [f"label_smoothing={smoothing:g}"] * bool(smoothing)
    return f"keras.losses.{of_class}({', '.join(settings)})" if settings else f'"{name}"'


def _class_weight(loss):
    if not isinstance(loss, ClassWeighted):
        return ""
    weights = ", ".join(f"{label}: {weight:.3g}" for label, weight in enumerate(loss.weights))
    return f", class_weight={{{weights}}}"


def _layer(layer):
    owner = getattr(keras.layers, layer["class_name"], None)
    if owner is None or "." in kind_of(layer):
        return f"{layer['class_name']}(…)"
    return f"keras.layers.{layer['class_name']}({', '.join(_arguments(owner, layer['config']))})"


def _optimizer(variant):
    optimizer = variant.program.optimizer
    owner = getattr(keras.optimizers, optimizer["class_name"], None)
    rates = variant.program.rates(np.arange(2))
    rate = f"{variant.learning_rate:.6g}"
    if rates[0] != rates[1]:
        rate = "schedule" if variant.rate == 1 else f"{variant.rate:g} * schedule"
    rest = _arguments(owner, {**optimizer["config"], "learning_rate": None})[1:] if owner else []
    return f"keras.optimizers.{optimizer['class_name']}({', '.join([rate, *rest])})"


def _arguments(owner, config):
    """The arguments that are not left at their defaults, as Python source."""
    found = []
    for name, parameter in inspect.signature(owner).parameters.items():
        if name in LEFT_OUT or name not in config:
            continue
        value, default = _plain(config[name]), _plain(parameter.default)
        default = keras.config.image_data_format() if name == "data_format" else default
        if parameter.default is parameter.empty or name == "learning_rate":
            found.append(_source(value))
        elif value != default:
            found.append(f"{name}={_source(value)}")
    return found


def _plain(value):
    """A value as one would write it: a serialized object by its name, or as a call where it has settings."""
    if isinstance(value, dict) and "class_name" in value:
        settings = value.get("config")
        settings = settings if isinstance(settings, dict) else {}
        settings = {k: v for k, v in settings.items() if k not in LEFT_OUT and v not in (0.0, None)}
        if value["class_name"] in ("RandomNormal", "RandomUniform", "Constant", "L1", "L2", "L1L2", "TruncatedNormal"):
            inside = ", ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v!r}" for k, v in settings.items())
            return _Source(f"{value['class_name']}({inside})")
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", value["class_name"]).lower()
    if isinstance(value, (list, tuple)):
        same = len(value) > 0 and all(part == value[0] for part in value)
        return value[0] if same else tuple(value)
    return None if value == "linear" else value


class _Source(str):
    """Source that is written without quotes."""


def _source(value):
    if isinstance(value, _Source):
        return str(value)
    return f'"{value}"' if isinstance(value, str) else repr(value)
