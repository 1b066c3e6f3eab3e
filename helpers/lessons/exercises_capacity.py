"""The exercises of lesson 01."""

from ..experiments.experiment import Experiment
from ..experiments.models import build_model
from .checkers import TASK, Learns, NamesCauses, require_number
from .teaching import NotYet

COUNTED = Experiment(problem="auto_mpg", depth=2, width=16)
FAILING = Experiment(problem="sine", depth=1, width=12, learning_rate=0.00001)


def _no_relu(answer):
    return None if answer.depth else "Without a hidden layer there is no relu: take a depth of at least 1."


def _linear(answer):
    if not answer.depth or answer.activation == "linear":
        return "This is still a linear model: add a hidden layer with a nonlinear activation."
    return None


few_units_for_the_kink = Learns("few_units_for_the_kink", {"problem": "abs", "depth": 1}, {"width": 8}, rate=0.9)
line_with_relu = Learns(
    "line_with_relu",
    {"problem": "line", "activation": "relu", "optimizer": "sgd", "learning_rate": 0.01},
    rule=_no_relu,
)
frugal_with_cars = Learns("frugal_with_cars", {"problem": "auto_mpg"}, {"parameters": 100}, rule=_linear)
frugal_with_the_zigzag = Learns("frugal_with_the_zigzag", {"problem": "triangle"}, {"parameters": 300})


def count_the_parameters(answer):
    """How many weights and biases `COUNTED` has."""
    if isinstance(answer, bool) or not isinstance(answer, int):
        raise NotYet(f"The answer is a whole number, not {answer!r}.")
    right, width = build_model(COUNTED).count_params(), COUNTED.width
    inputs, layer = len(COUNTED.source.features), width * (width + 1)
    slips = [
        (right - 2 * width - 1, "That is all the weights. Each unit has a bias too."),
        (
            right - layer,
            "A layer is missing: two hidden layers, and each unit of the second sees all units of the first.",
        ),
        (right + layer, "That is a layer too many: two hidden layers and the output."),
        (right - (inputs - 1) * width, f"That is for one input. A car has {inputs} numbers."),
        (right - width - 1, "The output unit is missing: it has a weight for each unit before it, and a bias."),
    ]
    require_number(answer, right, slips, "A layer has (its inputs + 1) × its units; add up three layers.", rtol=0)
    return f"{right}, as `model.count_params()` says."


def _shows_another_size(cause, failing, field, proof):
    """Whether this change would show that the network is too small, too big, or neither."""
    if field in ("depth", "width"):
        shown = "too small" if getattr(proof, field) > getattr(failing, field) else "too big"
    else:
        shown = {"samples": "too big", "activation": "too small"}.get(field, "neither")
    return None if shown == cause else f"This change of {field} would show that the network is {shown}, not {cause}."


name_the_cause = NamesCauses(
    "name_the_cause", {"failing": FAILING}, ("too small", "too big", "neither"), _shows_another_size,
    task=tuple(name for name in TASK if name != "samples"),
)  # fmt: skip
