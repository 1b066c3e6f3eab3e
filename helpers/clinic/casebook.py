"""Patients from real questions: each rewritten as an `Experiment`, in our words and on our data, with the number of its question.

The published collections of faulty Keras programs (deepmufl, TheDeepChecker) describe for each question the network, the training
and the fix. Three things are kept here: the kind of task, what was wrong, and what fixed it. `Clinic(cases=CASES)` plays them.
"""

from ..experiments.experiment import Experiment
from .patients import Patient

# (number of the question on Stack Overflow, complaint, failing settings, names that are right for each cause, fixes, ending);
# the first row is the title question of the article that this project looks into.
_ROWS = (
    (
        None,
        "Why does my network fail to learn a simple relationship? The data lie on a straight line, with some noise. One linear "
        "unit finds it. I was told that more layers and units make it better. I gave it two layers, and it predicts the same "
        "number for every input.",
        Experiment(problem="line", depth=2, width=16, activation="relu", optimizer="sgd", learning_rate=0.01),
        (("dead_relu", "unscaled_inputs", "learning_rate_too_high"),),
        ("scale_inputs",),
        "Inputs from 0 to 10 made the first steps of sgd so large that they left the relu units inactive for every sample. "
        "With scaled inputs, or a lower learning rate, the same network learns the line. Capacity was never the problem.",
    ),
    (
        48486598,
        "I fit a smooth curve with a network of several layers. However long I train, it draws a straight line through the middle.",
        Experiment(problem="sine", depth=2, width=8, activation="linear", learning_rate=0.03, epochs=300, batch_size=None),
        (("capacity_too_low",),),
        ("tanh",),
        "No layer had an activation. Any number of linear layers together is still one linear model.",
    ),
    (
        46359741,
        "A handful of samples, two classes, a little network with a sigmoid. It trains in a moment and predicts 0.5 for everything.",
        Experiment(problem="xor", depth=1, width=8, optimizer="nesterov", learning_rate=0.009, epochs=20, batch_size=None),
        (("too_few_epochs", "learning_rate_too_low"),),
        ("longer", "lr_times_10"),
        "With so few samples an epoch is one step. Twenty small steps lead nowhere: it needed more of them, and larger ones.",
    ),
    (
        43636736,
        "Linear regression with one unit, as in every first tutorial. My samples lie on a line. The loss is nan after a few epochs.",
        Experiment(problem="line", input_scale=10.0, depth=0, optimizer="sgd", learning_rate=0.25, epochs=50, batch_size=None),
        (("learning_rate_too_high", "unscaled_inputs"),),
        ("scale_inputs",),
        "Inputs up to 100 make the loss so steep that each step overshoots more than the last. This learning rate suits scaled inputs.",
    ),
    (
        39939881,
        "I copied a regression with gradient descent. With my own eight or so samples the weights grow until they are infinite.",
        Experiment(problem="line", depth=0, optimizer="sgd", learning_rate=0.1, epochs=200, batch_size=None),
        (("learning_rate_too_high", "unscaled_inputs"),),
        ("lr_div_10",),
        "The learning rate was above 2 / curvature, beyond which each step overshoots by more than the last. A tenth of it is below.",
    ),
    (
        41550966,
        "Two hidden relu layers have to learn a function of one input. I drew the initial weights myself. The loss starts "
        "enormous, falls at once, and stays; every prediction is the same.",
        Experiment(
            problem="abs", depth=2, width=32, activation="relu", initializer="random_normal", optimizer="sgd",
            epochs=100, batch_size=None,
        ),
        (("bad_initialization", "dead_relu", "exploding_gradient", "learning_rate_too_high"),),
        ("usual_initialization",),
        "The initial weights were far too large, so the first predictions were far off and the first steps huge: they killed "
        "the relu units. Usual initial weights fix it.",
    ),
    (
        54738769,
        "Regression with a deep network. The loss does not move in the fifth digit, and all predictions are exactly equal.",
        Experiment(
            problem="sine", depth=4, width=24, activation="relu", initializer="he_normal", output_activation="softmax",
            epochs=100, batch_size=32,
        ),
        (("output_activation_mismatch",),),
        ("matching_output",),
        "Softmax over a single unit is always 1, whatever the network does. A number needs a linear output.",
    ),
    (
        48976413,
        "I predict amounts of money. The inputs are scaled as in the book. The loss is a number with many digits and does not move.",
        Experiment(
            problem="price", depth=2, width=12, activation="relu", output_activation="sigmoid", epochs=150,
            batch_size=None, learning_rate=0.03,
        ),
        (("output_activation_mismatch",), ("unscaled_targets",)),
        ("matching_output", "scale_targets"),
        "The targets are many thousands, and a sigmoid never exceeds 1. A linear output alone is not enough, because the weights "
        "would have to grow that far: scale the targets, too.",
    ),
    (
        61234347,
        "Three species, four measurements, a network of many tanh layers: as good as guessing. The same data are easy for every other method.",
        Experiment(problem="penguins", scaling="standard", depth=6, width=32, learning_rate=0.0003, epochs=1, batch_size=32),
        (("too_few_epochs", "learning_rate_too_low"),),
        ("longer", "lr_times_10"),
        "`fit` was called without `epochs`, which means one epoch.",
    ),
    (
        56317174,
        "A table of measurements, two classes. The network always predicts the same class. I had replaced the missing values, I think.",
        Experiment(problem="moons", missing=0.01, imputation="none", depth=2, width=16, batch_size=None, learning_rate=0.03, epochs=200),
        (("missing_values",),),
        ("fill_missing",),
        "The replacement had matched nothing: the gaps were still NaN, and one NaN makes every weight NaN in the first step.",
    ),
    (
        49583466,
        "A network of three sigmoid layers has to learn a sine wave from many samples. It draws a horizontal line.",
        Experiment(problem="sine", depth=3, width=20, activation="sigmoid", optimizer="sgd", epochs=20),
        (("vanishing_gradient", "optimizer_choice", "learning_rate_too_low"), ("too_few_epochs",)),
        ("adam", "longer"),
        "Little of the gradient gets through three sigmoid layers, plain sgd does not scale it, and there were few epochs. Neither "
        "fix is enough alone.",
    ),
)  # fmt: skip


def _patient(place, number, complaint, experiment, causes, fixes, ending):
    question = f"Stack Overflow question {number}, https://stackoverflow.com/questions/{number}"
    source = question if number else "the title question of the article"
    return Patient(
        f"Case {place} of {len(_ROWS)}", experiment, causes, fixes, f"{ending} Source: {source}.", complaint=complaint
    )


CASES = tuple(_patient(place, *row) for place, row in enumerate(_ROWS, 1))
