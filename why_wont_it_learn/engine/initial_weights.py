"""First weights of fresh copies of a model, drawn by the initializers of its layers with seeds of their own."""

import random

import keras
import numpy as np

from ..keras_private import layers_of


def fresh_values(model, seeds):
    """(weights, layer state) of a fresh copy for each seed: a list of arrays (seeds, *shape) for each list of variables.

    The i-th of the trainable weights is drawn by its layer's initializer with the seed `derived(seed, i)`. Where the layer does not
    name one (as Keras's layers do: `kernel_initializer` for `kernel`) it is that of a clone of the layer, made after
    `random.seed(derived(seed, i))`: that is where Keras's initializers take their seeds from. Batch statistics start again,
    dropout has a seed of its own, everything else that is not trained (frozen weights, what `adapt` found, quantised kernels) stays.
    """
    layer_of = {}
    for layer in layers_of(model):  # outer before inner: the innermost stays
        layer_of.update((id(v), layer) for v in layer.weights)
    weights = []
    for index, v in enumerate(model.trainable_variables):
        drawn = _draws(layer_of[id(v)], v, index, seeds)
        weights.append(_from_clones(layer_of[id(v)], v, index, seeds) if drawn is None else drawn)
    layers = []
    for index, v in enumerate(model.non_trainable_variables):
        values = np.repeat(v.numpy()[None], len(seeds), 0)
        layer = layer_of.get(id(v))
        if v.name == "seed_generator_state":
            values = np.array([[derived(seed, len(weights) + index), 0] for seed in seeds], values.dtype)
        elif getattr(layer, "trainable", False) and keras.backend.is_float_dtype(v.dtype):
            drawn = _draws(layer, v, index, seeds)
            values = values if drawn is None else drawn
        layers.append(values)
    return weights, layers


def derived(seed, index):
    """The seed of the variable with this number in the copy of this seed."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0] >> 1)


def _draws(layer, variable, index, seeds):
    """What the layer's initializer draws for a variable with each seed, or None if the layer does not name one."""
    rule = getattr(layer, f"{variable.name}_initializer", None)
    if not isinstance(rule, keras.initializers.Initializer):
        return None
    config = rule.get_config()
    drawn = seeds if "seed" in config else [None]  # a constant is the same for all
    rules = [rule if s is None else type(rule).from_config({**config, "seed": derived(s, index)}) for s in drawn]
    values = np.stack([keras.ops.convert_to_numpy(r(tuple(variable.shape), dtype=variable.dtype)) for r in rules])
    if variable.name == "bias" and getattr(layer, "unit_forget_bias", False):  # as LSTMCell.build does it
        values[:, layer.units : 2 * layer.units] = 1
    return values if len(rules) == len(seeds) else np.repeat(values, len(seeds), 0)


def _from_clones(layer, variable, index, seeds):
    """The first values of a weight in clones of its layer; the process's random numbers go on as if nothing had been."""
    place = [id(v) for v in layer.weights].index(id(variable))
    state, values = random.getstate(), []
    try:
        for seed in seeds:
            random.seed(derived(seed, index))
            clone = type(layer).from_config(throughout(layer.get_config(), _without_seed))
            if not clone.built:
                clone.build_from_config(layer.get_build_config())
            values.append(clone.weights[place].numpy())
        return np.stack(values).reshape(len(seeds), *variable.shape)
    except Exception as error:
        raise ValueError(
            f"No fresh copy of the layer {layer.name} can be made ({type(error).__name__}: {(str(error).splitlines() or [''])[0]}). Give "
            f"it a `get_config`, or an attribute `{variable.name}_initializer` for its weight `{variable.name}`."
        ) from error
    finally:
        random.setstate(state)


def _without_seed(config):
    """What changes in the configuration of an initializer with a seed, from which every clone would start with the same weights."""
    has_seed = config.get("module") == "keras.initializers" and "seed" in config.get("config", {})
    return {"config": {**config["config"], "seed": None}} if has_seed else {}


def throughout(config, changes):
    """A configuration, or a list of them, with `changes(config)`, {name: value}, made in it and in every one within it."""
    if isinstance(config, (list, tuple)):
        return type(config)(throughout(part, changes) for part in config)
    if not isinstance(config, dict):
        return config
    return {name: throughout(value, changes) for name, value in config.items()} | changes(config)
