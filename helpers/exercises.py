"""The checkers of the exercises: each takes an answer, returns a sentence if it passes, and raises `NotYet` if not."""

from .experiment import Experiment
from .teaching import NotYet
from .training import train_seeds

SEEDS = 50


def _study(answer, **fixed):
    """50 seeds of an answer that must be an Experiment with some fields fixed."""
    if not isinstance(answer, Experiment):
        raise NotYet(f"The answer is an Experiment(...), not {type(answer).__name__}.")
    for name, value in fixed.items():
        if getattr(answer, name) != value:
            raise NotYet(f"Here {name}={value!r} is given; you have {name}={getattr(answer, name)!r}.")
    return train_seeds(answer, SEEDS)


def _must_learn(study, share=0.9):
    if study.success_rate < share:
        raise NotYet(f"{study.verdict} At least {share:.0%} have to learn.")
    return study.verdict


def learn_the_kink(answer):
    """A setting that learns |x|."""
    return _must_learn(_study(answer, problem="abs"))


def smallest_for_the_wave(answer):
    """One hidden layer of at most 12 units that learns the wave."""
    study = _study(answer, problem="sine", depth=1)
    if answer.width > 12:
        raise NotYet(f"width={answer.width} is more than 12 units.")
    return _must_learn(study, 0.8)


def line_with_relu(answer):
    """Hidden relu layers trained by plain sgd at 0.01 that learn the line all the same."""
    study = _study(answer, problem="line", activation="relu", optimizer="sgd", learning_rate=0.01)
    if not answer.depth:
        raise NotYet("Without a hidden layer there is no relu: take a depth of at least 1.")
    return _must_learn(study)


def cars_beat_the_line(answer):
    """A network for the cars that learns what a straight line cannot."""
    study = _study(answer, problem="auto_mpg")
    if not answer.depth or answer.activation == "linear":
        raise NotYet("This is still a straight line: add a hidden layer with a bend.")
    return _must_learn(study, 0.5)
