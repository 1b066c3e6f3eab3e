"""Which layers of a model are frozen, and inputs that its first layer takes for something else."""

import keras
import numpy as np

from ..keras_private import layers_of
from .findings import Finding

ADAPTED = (keras.layers.Normalization, keras.layers.BatchNormalization)  # whose state is not meant to be trained


def frozen_layers(model):
    """The layers with weights that are not trained, by their own flag or that of a layer around them; none that only normalize."""
    layers = [layer for layer in layers_of(model) if layer.weights and not layer.trainable]
    return [layer for layer in layers if not isinstance(layer, ADAPTED)]


def misread_inputs(model, x):
    """A `Finding` where measurements go into an Embedding, which takes whole numbers below its `input_dim`; else none."""
    layers = getattr(model, "layers", [])
    first = next((layer for layer in layers if not isinstance(layer, keras.layers.InputLayer)), None)
    if not isinstance(first, keras.layers.Embedding) or not np.isfinite(x).all():
        return []
    whole, outside = float((x == np.round(x)).mean()), float(((x < 0) | (x >= first.input_dim)).mean())
    if whole == 1 and not outside:
        return []
    different = len(np.unique(np.clip(x.astype(int), 0, first.input_dim - 1)))
    text = f"{1 - whole:.0%} of the inputs are not whole numbers, and {outside:.0%} are outside 0 to {first.input_dim - 1}."
    return [
        Finding(
            "label_or_data_bug",
            f"The first layer is an Embedding, which takes the numbers of words: it cuts everything behind the point off. {text} "
            f"{len(np.unique(x)):,} different values become {different}.",
            "Leave the Embedding out, so that the measurements go into the network as they are; or give it whole numbers.",
        )
    ]
