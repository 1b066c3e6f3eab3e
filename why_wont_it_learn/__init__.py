"""Why won't it learn? Train, watch and diagnose your own Keras model.

record = fit(model, x, y, epochs=100, validation_data=(x_val, y_val))        # as model.fit, with what goes on in the layers
model.fit(x, y, epochs=100, callbacks=[Watch(x, y)])        # what goes wrong, said while it trains
study = fit_seeds(model, x, y, seeds=100, epochs=100, validation_data=(x_val, y_val))        # does it learn by luck?
"""

from importlib.util import find_spec

if find_spec("tensorflow") is None:
    raise ImportError("why_wont_it_learn needs TensorFlow: install it with `pip install tensorflow`.")

from .engine import fit, fit_seeds

__all__ = ["Watch", "diagnose", "fit", "fit_seeds"]


def __getattr__(name):
    """`diagnose` and `Watch` are imported when they are asked for: their scikit-learn models take 30 MB that training does not need."""
    if name == "diagnose":
        from .diagnosis.diagnose import diagnose

        return diagnose
    if name == "Watch":
        from .watch import Watch

        return Watch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
