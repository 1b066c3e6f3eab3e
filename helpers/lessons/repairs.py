"""The repair shop: broken Keras programs to repair by editing them, with hints, checks and post-mortems.

x, y, x_val, y_val = repairs.data("tides")          # the data as they come
…                                                   # the program, which you repair
check(repairs.tides, model, x, y, x_val, y_val, **settings)
hint("tides")                                       # one more of three hints
post_mortem("tides")                                # what would have told it soonest
"""

import numpy as np
import pandas as pd
from sklearn.neighbors import KNeighborsClassifier

from why_wont_it_learn import fit

from . import broken_programs
from .broken_programs import cars, data
from .repair_checks import Repair, without_the_split, without_warnings
from .teaching import has_passed, tell

__all__ = ["REPAIRS", "SHOP", "cars", "data", "hint", "post_mortem"]

REPAIRS = {}  # name -> `Repair`, in the order of the lessons


def _repair(*hints, **judged):
    """Makes the `Repair` of a broken program from its post-mortem: what would have told it soonest. hints: first to last."""

    def made(post_mortem):
        name = post_mortem.__name__
        REPAIRS[name] = Repair(getattr(broken_programs, name), post_mortem, hints, **judged)
        return REPAIRS[name]

    return made


def _predictions(program, samples=300):
    return program.model.predict(program.x[:samples], verbose=0)


def _gradients(program):
    """The gradient norm of each layer in the first epoch."""
    settings = program.settings | {"epochs": 1}
    return fit(program.model, program.x, program.y, **settings).gradient_norm[0]


# --- of the lessons 01 to 06 ----------------------------------------------------------------------------------------------


@_repair(
    "Compare the training loss at the end with the variance of the targets.",
    "About a fifth of the variance is left, on the training samples: the network underfits. That is neither noise nor overfitting.",
    "Look at the width of each layer. How much can pass through the narrowest one?",
)
def greenhouse(repair):
    program, study = repair.printed, repair.printed_study
    left = np.median(study.loss[:, -1]) / program.y.var()
    return (
        f"The training loss. It stays at {left:.0%} of the variance of the targets, on the very samples that it is trained on. So look "
        f"for a narrow place before you look at the validation loss: here {program.model.layers[0].units} units have to carry "
        f"{program.x.shape[1]} inputs."
    )


@_repair(
    "Train for one epoch with `fit` from `why_wont_it_learn` and print `gradient_norm[0]`: the gradient of each layer.",
    "The gradient shrinks from layer to layer on its way back, and hardly anything reaches the first ones.",
    "Look at the activation of the hidden layers, and at how many layers there are.",
    measure="classes",
    learned=0.6,
)
def beetles(repair):
    norms = _gradients(repair.printed)
    return (
        f"The gradient norms after one epoch: {norms[-1]:.2g} in the output layer and {norms[0]:.2g} in the first layer, a factor of "
        f"{norms[-1] / norms[0]:.2g}. Each sigmoid passes on at most a quarter."
    )


@_repair(
    "Print the training loss of the first ten epochs.",
    "It falls at first and then rises again, on the very samples that it is trained on. The steps are too long.",
    "The length of a step depends on the learning rate and on the momentum. Which learning rates suit this momentum?",
)
def bridge(repair):
    program, loss = repair.printed, np.median(np.nan_to_num(repair.printed_study.loss, nan=np.inf), axis=0)
    optimizer, best = program.model.optimizer, int(loss.argmin())
    rate, momentum = float(optimizer.learning_rate), optimizer.momentum
    return (
        f"The training loss of each epoch: {loss[best]:.2f} after epoch {best + 1}, {loss[-1]:.2f} at the end, and the baseline is "
        f"{program.y.var():.2f}. Only steps that are too long make a training loss rise. A momentum of {momentum:g} makes steps in a steady "
        f"direction {1 / (1 - momentum):.0f} times as long, so {rate:g} acts like {rate / (1 - momentum):g}."
    )


@_repair(
    "Print mean and standard deviation of each input.",
    "They differ by a factor of more than a million; one input drowns out the others.",
    "Prepare the inputs before `Sequential`, and the validation inputs with the same numbers.",
)
def river(repair):
    spread = repair.printed.x.std(axis=0)
    return (
        f"`x.std(axis=0)`, before any training: from {spread.min():.2g} to {spread.max():.2g}. The initial weights and the learning rate "
        "treat all inputs alike, so the network sees only the largest one."
    )


@_repair(
    "Plot the training loss and the validation loss in one figure.",
    "The training loss falls to nearly 0 while the validation loss rises: the network memorises wrong labels.",
    "Make memorising harder (dropout, L2, fewer units), or stop training before the network starts to memorise.",
    measure="classes",
    learned=0.55,
)
def census(repair):
    study = repair.printed_study
    best, end = study.val_loss.min(axis=1), study.val_loss[:, -1]
    return (
        f"Training and validation loss in one figure: the validation loss is lowest ({np.median(best):.2f}) in epoch "
        f"{int(np.median(study.val_loss.argmin(axis=1))) + 1} of {study.loss.shape[1]} and ends at {np.median(end):.2f}, while the "
        f"training loss keeps falling to {np.median(study.loss[:, -1]):.3f}."
    )


@_repair(
    "Look at five predictions and at five inputs before any training.",
    "The predictions are not probabilities, and the inputs are far from 0. There are two faults, and each alone makes it fail.",
    "Look at the activation of the last layer together with the loss, and at how the inputs are prepared.",
    measure="classes",
    learned=0.8,
)
def violins(repair):
    program = repair.printed
    predictions = _predictions(program)
    return (
        f"Two checks, before any training. `model.predict(x)`: the outputs of a sample sum to values from {predictions.sum(axis=1).min():.1f} "
        f"to {predictions.sum(axis=1).max():.1f}; probabilities would sum to 1. `x.mean()`: {program.x.mean():.0f}, far from 0."
    )


@_repair(
    "Fit `KNeighborsClassifier` from scikit-learn on `x` and `y`, and score it on `x_val` and `y_val`.",
    "Nearest neighbours guess, too, although they have no learning rate and no layers. So the training data are at fault.",
    "Look at every line between loading the data and `fit`. Does each sample still have its own label?",
    measure="classes",
    learned=0.7,
)
def bats(repair):
    program, (x, y, *_) = repair.printed, broken_programs.data("bats")
    trained, as_they_come = (
        KNeighborsClassifier().fit(*samples).score(program.x_val, program.y_val)
        for samples in ((program.x, program.y), (x, y))
    )
    return (
        f"Another method on the same data, before any network: `KNeighborsClassifier().fit(x, y).score(x_val, y_val)` is {trained:.0%} "
        f"with the samples that the network gets, and {as_they_come:.0%} with the samples as they come. Each `shuffle` draws another order, so "
        "the labels no longer belong to their inputs."
    )


# --- the twelve of lesson 07 ---------------------------------------------------------------------------------------------


@_repair(
    "Print ten predictions.",
    "They are all 1, whatever the input, although the printed loss falls.",
    "Look at the activation of the last layer. What does it do with a single unit?",
    measure="classes",
    learned=0.6,
)
def mushrooms(repair):
    values = np.unique(_predictions(repair.printed).round(3))
    return (
        f"`np.unique(model.predict(x).round(3))`, before any training: {values.tolist()}. Softmax divides each output by the sum "
        "of all outputs of the layer; a single output becomes 1. Keras's own warning says so. The printed loss falls nevertheless."
    )


@_repair(
    "Print mean and standard deviation of `y` and of the first predictions.",
    "The targets are in the tens of thousands; an untrained network predicts values near 0.",
    "Change what the network has to predict: subtract and divide, in training and validation alike.",
)
def kettle(repair):
    program = repair.printed
    return (
        f"The targets next to the first predictions: mean {program.y.mean():,.0f} and {_predictions(program).mean():.2f}. With Adam a "
        "weight moves by about the learning rate in each step. So the training is spent on reaching the mean, and hardly any of it is "
        "left for what the readings say."
    )


@_repair(
    "Print the smallest target and the smallest prediction.",
    "About half of the targets are negative, and no prediction is.",
    "Which values can the last layer produce?",
)
def thermometer(repair):
    program = repair.printed
    return (
        f"`(y < 0).mean()` next to `model.predict(x).min()`: {(program.y < 0).mean():.0%} of the targets are negative, and the lowest "
        f"prediction is {_predictions(program).min():g}."
    )


@_repair(
    "Print `y`, as it comes.",
    "The samples are sorted by class, and one class is never trained on.",
    "Look at what `validation_split` takes away, and when.",
    measure="classes",
    learned=0.7,
)
def shelf(repair):
    program = repair.printed
    trained = without_the_split(program).y
    return (
        f"`np.bincount(y[:{len(trained)}])`: {np.bincount(trained, minlength=3).tolist()} training samples of the three "
        "classes. `validation_split` takes the last samples as they come, before any shuffling."
    )


@_repair(
    "Print mean and standard deviation of `x` and of `x_val`, as they enter the network.",
    "Training and validation inputs have nothing in common: what was learned does not apply.",
    "Look at the two lines that prepare the inputs. Which numbers should the second one use?",
)
def bakery(repair):
    program = repair.printed
    return (
        f"The means of the inputs: {np.abs(program.x.mean(axis=0)).max():.2f} at most in the training data, "
        f"{np.abs(program.x_val.mean(axis=0)).max():.2f} in the validation data. Compute the numbers that prepare the data from the "
        "training data, and use them for both."
    )


@_repair(
    "Print the shapes of `y`, of the predictions and of their difference.",
    "The difference is a square: every prediction is compared with every target.",
    "Give the targets the shape of the predictions, before training or in the loss.",
)
def tides(repair):
    program = repair.printed
    shape = (program.y[:100] - _predictions(program, 100)).shape
    return (
        f"The shape of `y[:100] - model.predict(x[:100])`: {shape}. Each prediction is compared with all hundred targets, and the best "
        "prediction for all of them is one constant."
    )


@_repair(
    "Plot the target against the first input.",
    "Neighbouring numbers have nothing in common: the number is the name of a street, not an amount.",
    "How does a network get names? Think of `Embedding`, or of one input for each name.",
)
def postcodes(repair):
    program = repair.printed
    number = program.x[:, 0]
    means = pd.Series(program.y).groupby(number).transform("mean")
    return (
        f"The correlation of the street's number with the target: {np.corrcoef(number, program.y)[0, 1]:.2f}; the mean target of each "
        f"street explains {means.var() / program.y.var(ddof=1):.0%} of the variance. The number is a name: its order means nothing."
    )


@_repair(
    "Print the learning rate after each epoch: `float(model.optimizer.learning_rate)`.",
    "It is almost gone after a few epochs, while the loss is still falling.",
    "What does `decay_steps` count?",
)
def turbine(repair):
    program = repair.printed
    steps = -(-len(program.y) // program.settings["batch_size"])
    rate = program.model.optimizer.get_config()["learning_rate"]["config"]
    first, fifth = (rate["initial_learning_rate"] * rate["decay_rate"] ** (epoch * steps) for epoch in (1, 5))
    return (
        f"`model.optimizer.learning_rate` after each epoch. An epoch has {steps} steps and the schedule counts steps: "
        f"{rate['initial_learning_rate']:g} becomes {first:.2g} after one epoch and {fifth:.1g} after five."
    )


@_repair(
    "Count how many samples of each class are predicted correctly.",
    "The accuracy is high because nearly all samples belong to one class; most of the other class is missed.",
    "Make an error in the rare class count for more: look at the arguments of `fit`.",
    measure="rare",
    learned=0.5,
)
def ferry(repair):
    rare = repair.printed.y_val.mean()
    return (
        f"The recall of each class. The rare class is {rare:.0%} of the samples, so always predicting the other class is right for "
        f"{1 - rare:.0%}; the printed program finds about {max(np.median(repair.printed_study.skill), 0):.0%} of the rare class."
    )


@_repair(
    "Compare the last training loss with `model.evaluate(x, y)`: the same samples.",
    "The network predicts well while training and badly at inference, with the same weights and the same samples.",
    "Which layer works differently at inference, and what must it have seen by then?",
)
def orchard(repair):
    program, study = repair.printed, repair.printed_study
    steps = study.loss.shape[1] * -(-len(program.y) // program.settings["batch_size"])
    return (
        f"`model.evaluate(x, y)` on the training samples next to the last training loss ({np.median(study.loss[:, -1]):.2g}); on the "
        f"validation samples the loss is {np.median(study.val_loss[:, -1]):.2g}. At inference BatchNormalization uses moving averages, "
        f"in which the initial values still have a weight of {0.99**steps:.0%} after {steps} steps with a momentum of 0.99."
    )


@_repair(
    "Print `model.summary()` and compare the number of trainable parameters with the total.",
    "Most of the network is not trained. It keeps its random initial weights.",
    "Look for `trainable`. After a change the model has to be compiled again.",
)
def cellar(repair):
    model = repair.printed.model
    trained = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    return (
        f"`model.summary()`, before any training: {trained} of {model.count_params()} parameters are trained. The frozen ones keep the "
        "random values that they started with."
    )


@_repair(
    "Train for one epoch with `fit` from `why_wont_it_learn` and print `gradient_norm[0]`.",
    "Only the last layer gets a gradient; all layers before it get exactly 0.",
    "Which operation has no slope? What is its smooth relative?",
)
def lighthouse(repair):
    norms = _gradients(repair.printed)
    return (
        f"The gradient norms after one epoch: {', '.join(f'{norm:.2g}' for norm in norms)}. Nothing before argmax gets a gradient: the "
        "index of the largest value does not change when the values change a little. Keras's own warning names these layers."
    )


SHOP = (
    mushrooms, kettle, thermometer, shelf, bakery, tides, postcodes, turbine, ferry, orchard, cellar, lighthouse,
)  # fmt: skip
_hints_shown = {}  # name -> how many


def hint(name):
    """Show the next of the three hints of a program, below those shown before: what to measure, what that shows, where to look."""
    hints = _named(name).hints
    number = _hints_shown[name] = min(_hints_shown.get(name, 0) + 1, len(hints))
    for shown, text in enumerate(hints[:number], 1):
        tell(f"Hint {shown} of {len(hints)}: {text}")


def post_mortem(name, now=False):
    """Show which measurement would have found the fault soonest, with its numbers.

    Args:
        name: of the program.
        now: True to show it although the program has not passed its check yet.
    """
    repair = _named(name)
    if now or has_passed(repair):
        with without_warnings():
            words = repair.told_by(repair)
        tell(words)
    else:
        tell(
            f'This is shown when `{name}` has passed its check. `repairs.post_mortem("{name}", now=True)` shows it at once.'
        )


def _named(name):
    if name not in REPAIRS:
        raise ValueError(f"{name!r} is not a program. There are {', '.join(REPAIRS)}.")
    return REPAIRS[name]
