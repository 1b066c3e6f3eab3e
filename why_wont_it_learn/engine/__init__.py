"""The engine: trains any compiled Keras model in one compiled loop, once (`fit`) or from many seeds at once (`fit_seeds`)."""

from .records import Record, SeedStudy
from .training import fit, fit_seeds

__all__ = ["Record", "SeedStudy", "fit", "fit_seeds"]
