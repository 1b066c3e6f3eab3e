"""The exercises of lesson 03."""

from ..experiments.experiment import Experiment
from ..experiments.models import all_steps
from ..experiments.training import train_seeds
from .checkers import (
    Learns,
    NamesCauses,
    edge_of_stability,
    edge_slips,
    require_experiment,
    require_learning,
    require_number,
)
from .teaching import FEWEST_SEEDS, NotYet

SHORT_LINE = Experiment(problem="line", input_scale=0.3, depth=0, optimizer="sgd", batch_size=None, epochs=300)


def find_the_edge(answer):
    """The learning rate above which plain gradient descent on `SHORT_LINE` stops converging, to two digits."""
    edge = edge_of_stability(SHORT_LINE)
    slips = [
        *edge_slips(SHORT_LINE),
        (edge_of_stability(SHORT_LINE.replace(input_scale=1.0)), "That is the edge of the line as it was. Here x goes from 0 to 3 only."),
        (edge_of_stability(SHORT_LINE.replace(scaling="standard")), "That is the edge for standardised inputs. Here they are not scaled."),
    ]  # fmt: skip
    require_number(answer, edge, slips, "The edge is 2 / λmax, the largest eigenvalue of the Hessian.")
    below, above = (
        train_seeds(SHORT_LINE.replace(learning_rate=part * edge), FEWEST_SEEDS, probes=False) for part in (0.99, 1.01)
    )
    diverged = int((~(above.loss[:, -1] < above.loss[:, 0])).sum())
    return f"{edge:.2g}. One percent below it {below.learned.sum()} of {FEWEST_SEEDS} seeds learn, one percent above it {diverged} diverge."


def _steps_too_short(answer):
    reach = answer.learning_rate * all_steps(answer)
    if answer.target_scaling != "none" or reach >= 100_000:
        return None
    return (
        f"{all_steps(answer)} steps of {answer.learning_rate:g} change a weight by about {reach:g}, and the targets are about "
        "200,000. Change the targets, not the steps."
    )


wave_with_sgd = Learns("wave_with_sgd", {"problem": "sine", "optimizer": "sgd"}, {"epochs": 300})
price_with_adam = Learns(
    "price_with_adam", {"problem": "price", "optimizer": "adam"}, {"epochs": 200, "learning_rate": 0.1},
    rule=_steps_too_short, rate=0.9,
)  # fmt: skip
wave_in_100_steps = Learns("wave_in_100_steps", {"problem": "sine"}, {"steps": 100})


def sgd_beats_adam(answer):
    """Settings with which 90% of the seeds learn with sgd, and less than 10% with adam, all else being equal."""
    require_experiment(answer, {"optimizer": "sgd"})
    words = require_learning(answer, 0.9)
    other = train_seeds(answer.replace(optimizer="adam"), FEWEST_SEEDS)
    if other.success_rate >= 0.1:
        raise NotYet(
            f"`sgd`: {words} But `adam` with the same learning rate: {other.verdict} Less than 10% were wanted. "
            "Where is a step of fixed length too short, but a step in proportion to the gradient long enough?"
        )
    return f"`sgd`: {words} `adam`: {other.verdict}"


_WAVE = Experiment(problem="sine", scaling="standard", samples=100, depth=1, batch_size=None, epochs=300)
FAILING = {
    "A": _WAVE.replace(learning_rate=3.0),
    "B": _WAVE.replace(learning_rate=0.0003),
    "C": Experiment(problem="line", input_offset=2000, depth=0, batch_size=None, epochs=300, learning_rate=0.1),
}


def _shows_another_rate(cause, failing, field, proof):
    """Whether this change would show that the learning rate is too high, too low, or neither."""
    if field in ("optimizer", "batch_size", "weight_decay", "momentum"):
        return (
            f"Another {field} takes other steps at the same learning rate. Change the learning rate, or a field that does "
            "not change the steps."
        )
    if field in ("learning_rate", "epochs"):
        shown = "too low" if getattr(proof, field) > getattr(failing, field) else "too high"
    else:
        shown = "too high" if field == "schedule" else "neither"
    wrong = f"This change of {field} would show that the learning rate is {shown}, not {cause}."
    return None if shown == cause else wrong


name_the_causes = NamesCauses("name_the_causes", FAILING, ("too high", "too low", "neither"), _shows_another_rate)
