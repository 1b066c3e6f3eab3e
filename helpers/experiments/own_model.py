"""`experiment_of`: a compiled Keras model and its data as an `Experiment`, where the fields of one can express it."""

import keras
import numpy as np

from why_wont_it_learn.diagnosis.output_and_loss import from_logits, loss_name, resolved_loss

from .catalog import INITIALIZERS, OPTIMIZERS, TASKS
from .experiment import Experiment
from .models import build_model
from .tables import table

INSTEAD = (
    "A lab has Dense layers of one width and one activation, and Keras's optimizers at a constant learning rate. "
    "From why_wont_it_learn, fit_seeds(model, x, y) trains any compiled model from many seeds, and diagnose(model, x, y) says "
    "why it does not learn."
)
# The loss of each task; categorical cross-entropy is the same for one-hot targets, which become class numbers.
LOSSES = {loss_name(row.loss.make()): task for task, row in TASKS.items()} | {"categorical_crossentropy": "multiclass"}
# What may differ from the model of an experiment: names, what is computed from the data, and seeds, which the experiment has.
IGNORED = {
    "name",
    "seed",
    "dtype",
    "build_config",
    "registered_name",
    "module",
    "shared_object_id",
    "batch_input_shape",
}


def experiment_of(model, x, y, epochs=100, batch_size=32):
    """The `Experiment` that trains a network like this one on these data; its initial weights are fresh ones.

    Args:
        model: a compiled `keras.Sequential` of Dense layers of one width and one activation, with or without Dropout after
            each, an L1 or L2 penalty on all kernels, and a constant learning rate.
        x, y: its data, as `helpers.table` takes them; one-hot targets (rows, classes) are turned into class numbers.
        epochs, batch_size: as for `model.fit`.

    Raises:
        ValueError: the model has what no field of an `Experiment` can express; the sentence names it.
    """
    if x is None or y is None:
        raise ValueError("A Keras model needs its data: Lab(model, x, y).")
    if not isinstance(model, keras.Sequential):
        raise ValueError(f"{type(model).__name__} is not a keras.Sequential, so a lab cannot show it. {INSTEAD}")
    if not model.compiled or model.loss is None:
        raise ValueError("The model is not compiled with a loss: call model.compile(optimizer=…, loss=…) first.")
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    if not dense or model.layers[-1] is not dense[-1]:
        raise ValueError(f"The last layer of the model is not a Dense layer, so a lab cannot show it. {INSTEAD}")
    loss = resolved_loss(model, np.asarray(y), np.empty((1, dense[-1].units)))
    task = _task(loss)
    if loss_name(loss) == "categorical_crossentropy":
        y = np.argmax(np.asarray(y), axis=1)
    experiment = Experiment(
        problem=table(x, y, task=task), epochs=epochs, batch_size=batch_size, **_network(model, dense, task), **_training(model)
    )  # fmt: skip
    _check_equal(model, build_model(experiment))
    return experiment


def _task(loss):
    task = LOSSES.get(loss_name(loss))
    if task is None or from_logits(loss):
        what = f"{loss_name(loss)}{' from logits' if task else ''}"
        raise ValueError(
            f"The loss is {what}, and a lab has {', '.join(LOSSES)}, each of what the output layer gives. {INSTEAD}"
        )
    return task


def _network(model, dense, task):
    first, last = dense[0], dense[-1]
    hidden = dense[:-1]
    dropout = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    penalty = _plain(keras.regularizers.serialize(last.kernel_regularizer)) if last.kernel_regularizer else {}
    own = TASKS[task].output_activation
    fields = {
        "depth": len(hidden),
        "initializer": _initializer(first),
        "output_activation": "auto" if _name(last) == own else _name(last),
        "dropout": float(dropout[0]) if dropout else 0.0,
        **{name: value for name, value in penalty.items() if name in ("l1", "l2")},
    }
    if hidden:
        fields |= {"width": first.units, "activation": _name(first)}
        if isinstance(first.bias_initializer, keras.initializers.Constant):
            fields["bias_initializer"] = float(first.bias_initializer.value)
    return fields


def _name(layer):
    """The name of a layer's activation, as the catalog spells it."""
    name = getattr(layer.activation, "__name__", type(layer.activation).__name__)
    return {"silu": "swish"}.get(name, name)


def _initializer(layer):
    """The row of the catalog that makes kernels of the same kind; Keras's default where there is none, which is found to differ."""
    kinds = {row.call.path.rpartition(".")[2]: name for name, row in INITIALIZERS.items()}
    return kinds.get(type(layer.kernel_initializer).__name__, "glorot_uniform")


def _training(model):
    optimizer = model.optimizer
    config = optimizer.get_config()
    rate = config["learning_rate"]
    if not isinstance(rate, (int, float)):
        raise ValueError(f"The learning rate follows a schedule, {_kind(rate)}, and a lab takes one number. {INSTEAD}")
    name = type(optimizer).__name__.lower()
    if name == "sgd" and config["momentum"]:
        name = "nesterov" if config["nesterov"] else "momentum"
    if name not in OPTIMIZERS:
        raise ValueError(
            f"The optimizer is {type(optimizer).__name__}, and a lab has {', '.join(OPTIMIZERS)}. {INSTEAD}"
        )
    uses = {field: float(config[field] or 0.0) for field in OPTIMIZERS[name].uses}
    # The model holds its rate as float32: 0.01 is read back as 0.009999999776.
    return {"optimizer": name, "learning_rate": float(f"{rate:.7g}"), **uses}


def _check_equal(model, ours):
    """ValueError for the first difference between a model and the one that the experiment makes."""
    kinds = [[type(layer).__name__ for layer in one.layers] for one in (model, ours)]
    if kinds[0] != kinds[1]:
        raise ValueError(f"The layers are {', '.join(kinds[0])}; a lab would train {', '.join(kinds[1])}. {INSTEAD}")
    pairs = [
        (f"Layer {i + 1} ({kinds[0][i]})", *two) for i, two in enumerate(zip(model.layers, ours.layers, strict=True))
    ]
    pairs.append((f"The optimizer ({type(model.optimizer).__name__})", model.optimizer, ours.optimizer))
    for what, theirs, own in pairs:
        theirs, own = _plain(theirs.get_config()), _plain(own.get_config())
        for key in theirs:
            if not _same(theirs[key], own.get(key)):
                raise ValueError(
                    f"{what} has {key}={_kind(theirs[key])}, and a lab would train {key}={_kind(own.get(key))}. {INSTEAD}"
                )


def _plain(config):
    """A config without what may differ; an object in it as a dict of its class and arguments, a regularizer as its strengths."""
    if not isinstance(config, dict):
        return config
    if "class_name" in config:
        inner = _plain(config.get("config") or {})
        if config["class_name"] in ("L1", "L2", "L1L2"):
            strengths = {name: float(f"{inner.get(name) or 0.0:.7g}") for name in ("l1", "l2")}
            return strengths if any(strengths.values()) else None
        if config["class_name"] == "Constant" and not inner.get("value"):
            return {"class_name": "Zeros"}
        return {"class_name": config["class_name"], **inner} if isinstance(inner, dict) else config["class_name"]
    return {key: _plain(value) for key, value in config.items() if key not in IGNORED}


def _same(one, other):
    if isinstance(one, float) and isinstance(other, (int, float)):
        return bool(np.isclose(one, other, rtol=1e-6, atol=0))
    return one == other


def _kind(value):
    """A value of a config in a few words."""
    return str(value.get("class_name", value)) if isinstance(value, dict) else repr(value)
