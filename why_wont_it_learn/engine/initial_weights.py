"""First weights of fresh copies of a model, drawn by the initializers of its layers with seeds of their own."""

import random

import keras
import numpy as np

from ..keras_private import layers_of


def fresh_values(model, seeds):
    """(weights, layer state) of a fresh copy for each seed: a list of arrays (seeds, *shape) for each list of variables.

    The i-th of the trainable weights is drawn by its layer's initializer with the seed `derived(seed, i)`; one whose initializer
    the layer does not name (`kernel_initializer` for `kernel`, as Keras's layers do) is that of a clone of the model built after
    `random.seed(derived(seed, 0))`, where Keras takes its seeds from. Batch statistics start anew, dropout has a seed of its own, everything else
    that is not trained (frozen weights, what `adapt` found) stays.
    """
    layer_of = {}
    for layer in layers_of(model):  # outer before inner: the innermost stays
        layer_of.update((id(v), layer) for v in layer.weights)
    weights = [_draws(layer_of.get(id(v)), v, index, seeds) for index, v in enumerate(model.trainable_variables)]
    unknown = [index for index, values in enumerate(weights) if values is None]
    if unknown:
        clones = [_clone_weights(model, seed) for seed in seeds]
        for index in unknown:
            weights[index] = np.stack([clone[index] for clone in clones])
    layers = []
    for index, v in enumerate(model.non_trainable_variables):
        values = np.repeat(v.numpy()[None], len(seeds), 0)
        layer = layer_of.get(id(v))
        if v.name == "seed_generator_state":
            values = np.array([[derived(seed, len(weights) + index), 0] for seed in seeds], values.dtype)
        elif getattr(layer, "trainable", False):
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
    if "seed" in config:
        rules = [type(rule).from_config({**config, "seed": derived(seed, index)}) for seed in seeds]
    else:
        rules = [rule]
    values = np.stack([keras.ops.convert_to_numpy(r(tuple(variable.shape), dtype=variable.dtype)) for r in rules])
    if variable.name == "bias" and getattr(layer, "unit_forget_bias", False):  # as LSTMCell.build does it
        values[:, layer.units : 2 * layer.units] = 1
    return values if len(rules) == len(seeds) else np.repeat(values, len(seeds), 0)


def _clone_weights(model, seed):
    """The first weights of a clone of the model; the process's random numbers go on as if nothing had been."""
    state = random.getstate()
    try:
        random.seed(derived(seed, 0))
        clone = type(model).from_config(_without_seeds(model.get_config()))
        if not clone.built:
            clone.build_from_config(model.get_build_config())
        values = [v.numpy() for v in clone.trainable_variables]
    except Exception as error:
        raise ValueError(
            f"No fresh copy of {model.name} can be made ({type(error).__name__}: {str(error).splitlines()[0]}). Give the layers "
            "that make their own weights an attribute such as `kernel_initializer` for a weight `kernel`, or the model a `get_config`."
        ) from error
    finally:
        random.setstate(state)
    if [v.shape for v in values] != [tuple(v.shape) for v in model.trainable_variables]:
        raise ValueError(f"A clone of {model.name} by its `get_config` has other weights than the model itself.")
    return values


def _without_seeds(config):
    """A configuration whose initializers have no seed of their own: every clone would start from the same weights."""
    if isinstance(config, (list, tuple)):
        return [_without_seeds(v) for v in config]
    if not isinstance(config, dict):
        return config
    if str(config.get("module")) == "keras.initializers" and "seed" in config.get("config", {}):
        return {**config, "config": {**config["config"], "seed": None}}
    return {k: _without_seeds(v) for k, v in config.items()}
