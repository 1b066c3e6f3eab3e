"""Patients from real questions: each rewritten as an `Experiment`, in our words and on our data, with the number of its question.

The published collections of faulty Keras programs (deepmufl, TheDeepChecker) tell of each question the network, the training
and the repair. That much is kept here: the kind of task, what was wrong, and what mended it. `Clinic(cases=patients())` plays them.
"""

from dataclasses import dataclass

from ..experiments.experiment import Experiment
from .patients import File, Patient

BUDGET = 6


@dataclass(frozen=True)
class Case:
    """One question.

    number: of the question on Stack Overflow; None for the title question of the article that this project looks into.
    complaint: how it presents itself. experiment: the ill network. causes: for each cause, the names that are right.
    cure: remedies that heal it. ending: what it turned out to be.
    """

    number: int | None
    complaint: str
    experiment: Experiment
    causes: tuple
    cure: tuple
    ending: str

    @property
    def source(self):
        """Where the question stands."""
        if self.number is None:
            return "the title question of the article"
        return f"Stack Overflow question {self.number}, https://stackoverflow.com/questions/{self.number}"


CASES = (
    Case(
        None,
        "Why does my network fail to learn a simple relationship? The data lie on a straight line, with some noise. One linear "
        "unit finds it. I was told that more layers and units make it better. I gave it two layers, and it answers the same "
        "number to everything.",
        Experiment(problem="line", depth=2, width=16, activation="relu", optimizer="sgd", learning_rate=0.01),
        (("dead_relu", "unscaled_inputs", "learning_rate_too_high"),),
        ("scale_inputs",),
        "Inputs from 0 to 10 made the first steps of sgd so large that they pushed the relu units to where no point moves them. "
        "With scaled inputs, or a smaller rate, the same network learns the line. Capacity was never the matter.",
    ),
    Case(
        48486598,
        "I fit a smooth curve with a network of several layers. However long I train, it draws a straight line through the middle.",
        Experiment(problem="sine", depth=2, width=8, activation="linear", learning_rate=0.03, epochs=300, batch_size=None),
        (("capacity_too_low",),),
        ("tanh",),
        "No layer had an activation. Layers without a bend make one straight line, however many they are.",
    ),
    Case(
        46359741,
        "A handful of points, two classes, a little network with a sigmoid. It trains in a moment and answers one half to everything.",
        Experiment(problem="xor", depth=1, width=8, optimizer="nesterov", learning_rate=0.009, epochs=20, batch_size=None),
        (("too_few_epochs", "learning_rate_too_low"),),
        ("longer", "rate_times_10"),
        "With so few points an epoch is one step. Twenty small steps lead nowhere: it needed more of them, and larger ones.",
    ),
    Case(
        43636736,
        "Linear regression with one unit, as in every first tutorial. My points lie on a line. The loss is nan after a few epochs.",
        Experiment(problem="line", stretch=10.0, depth=0, optimizer="sgd", learning_rate=0.25, epochs=50, batch_size=None),
        (("learning_rate_too_high", "unscaled_inputs"),),
        ("scale_inputs",),
        "Inputs up to 100 make the loss so steep that this rate overshoots more in each step. The rate suits scaled inputs.",
    ),
    Case(
        39939881,
        "I copied a regression with gradient descent. With my own eight or so points the weights grow until they are infinite.",
        Experiment(problem="line", depth=0, optimizer="sgd", learning_rate=0.1, epochs=200, batch_size=None),
        (("learning_rate_too_high", "unscaled_inputs"),),
        ("rate_by_10",),
        "The rate lay above the edge of 2 / curvature, beyond which each step overshoots by more than the last. A tenth is below it.",
    ),
    Case(
        41550966,
        "Two hidden relu layers shall learn a function of one input. I drew the first weights myself. The loss starts "
        "enormous, falls at once, and stays; every answer is the same.",
        Experiment(
            problem="abs", depth=2, width=32, activation="relu", initializer="random_normal", optimizer="sgd",
            epochs=100, batch_size=None,
        ),
        (("bad_initialization", "dead_relu", "exploding_gradient", "learning_rate_too_high"),),
        ("usual_start",),
        "The first weights were far too large, so the first answers were far off and the first steps huge: they killed "
        "the relu units. Usual first weights mend it.",
    ),
    Case(
        54738769,
        "Regression with a deep network. The loss does not move in the fifth digit, and all predictions are exactly equal.",
        Experiment(
            problem="sine", depth=4, width=24, activation="relu", initializer="he_normal", output_activation="softmax",
            epochs=100, batch_size=32,
        ),
        (("output_activation_mismatch",),),
        ("own_output",),
        "Softmax over a single unit is always 1, whatever the network does. A number needs a linear output.",
    ),
    Case(
        48976413,
        "I predict amounts of money. The inputs are scaled as in the book. The loss is a number with many digits and does not move.",
        Experiment(
            problem="price", depth=2, width=12, activation="relu", output_activation="sigmoid", epochs=150,
            batch_size=None, learning_rate=0.03,
        ),
        (("output_activation_mismatch",), ("unscaled_targets",)),
        ("own_output", "scale_targets"),
        "Targets of many thousands under a sigmoid, which ends at 1. A linear output alone is not enough, because the weights "
        "would have to travel that far: scale the targets, too.",
    ),
    Case(
        61234347,
        "Three species, four measurements, a network of many tanh layers: as good as guessing. The same data are easy for every other method.",
        Experiment(problem="penguins", scaling="standard", depth=6, width=32, learning_rate=0.0003, epochs=1, batch_size=32),
        (("too_few_epochs", "learning_rate_too_low"),),
        ("longer", "rate_times_10"),
        "`fit` was called without `epochs`, and that is one epoch.",
    ),
    Case(
        56317174,
        "A table of measurements, two classes. The network always answers the same class. I had replaced what was missing, I think.",
        Experiment(problem="moons", missing=0.01, imputation="none", depth=2, width=16, batch_size=None, learning_rate=0.03, epochs=200),
        (("missing_values",),),
        ("fill_missing",),
        "The replacement had matched nothing: the holes were still NaN, and one NaN makes every weight NaN in the first step.",
    ),
    Case(
        49583466,
        "A network of three sigmoid layers shall learn a sine wave from many points. It draws a horizontal line.",
        Experiment(problem="sine", depth=3, width=20, activation="sigmoid", optimizer="sgd", epochs=20),
        (("vanishing_gradient", "optimizer_choice", "learning_rate_too_low"), ("too_few_epochs",)),
        ("adam", "longer"),
        "Little gradient comes through three sigmoid layers, plain sgd takes it as it is, and there were few epochs. Either "
        "remedy alone is too little.",
    ),
)  # fmt: skip


def patients():
    """The cases as `Patient`s for the clinic, in their order; each sealed like any other."""
    made = []
    for index, case in enumerate(CASES):
        title = f"Case {index + 1} of {len(CASES)}"
        told = f"{case.ending} Source: {case.source}."
        made.append(Patient(title, case.complaint, None, BUDGET, File(case.experiment, case.causes, case.cure, told)))
    return made
