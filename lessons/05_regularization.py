# %% [markdown]
# # 5 · Regularization: how hard to hold the network back
#
# A network that fits its training samples too well has learned their noise. A *regularizer* holds it back. If it is
# too weak, the network still learns the noise; if it is too strong, the network learns nothing. After this lesson you
# can tell which of the two you have.
#
# | part | minutes |
# |---|---|
# | The failure, your predictions, the lab | 6 |
# | Overfitting, and the penalty strength | 6 |
# | L1, weight decay, dropout | 10 |
# | Early stopping and more samples | 5 |
# | The article says | 2 |
# | Exercises | as long as you like |
#
# The terms *skill*, *learned*, *baseline* and *noise floor* are explained in [00 Start here](00_start_here.ipynb).
#
# ## The failure
#
# Fifteen noisy samples of a wave.

# %% tags=["program"]
import keras
import numpy as np
from keras.initializers import GlorotUniform

rng = np.random.default_rng(45)
inputs = rng.uniform(-1, 1, (15, 1))
targets = np.sin(np.pi * inputs) + 0.5 * rng.standard_normal((15, 1))
new_inputs = rng.uniform(-1, 1, (200, 1))
new_targets = np.sin(np.pi * new_inputs) + 0.5 * rng.standard_normal((200, 1))


def network():
    model = keras.Sequential([keras.Input((1,))])
    model.add(keras.layers.Dense(32, "tanh", kernel_initializer=GlorotUniform(45000)))
    model.add(keras.layers.Dense(32, "tanh", kernel_initializer=GlorotUniform(45001)))
    model.add(keras.layers.Dense(1, kernel_initializer=GlorotUniform(45002)))
    model.compile(optimizer=keras.optimizers.Adam(0.03), loss="mse")
    return model


model = network()
history = model.fit(inputs, targets, epochs=300, batch_size=15, verbose=0)
loss = model.evaluate(new_inputs, new_targets, verbose=0)
print(f"training loss {history.history['loss'][-1]:.3f}, noise floor 0.25")
print(f"validation loss {loss:.3f}, baseline {new_targets.var():.3f}")

# %% [markdown]
# The noise has a standard deviation of 0.5, so on average no network can predict new samples with an error below
# 0.5² = 0.25, the noise floor. The training loss is far below it: this network has learned the noise. On new samples
# its error is higher than the baseline, the error of always predicting the mean. (`GlorotUniform` is Keras's default;
# its seeds give the network the initial weights that it has in the lab below.)

# %% [markdown]
# ## Predict
#
# Choose an answer and press *Commit* before you try it in the lab. Your answer is saved, and the measurement will
# score it.

# %%
from helpers.lessons.teaching import predict

predict(
    "strong",
    "L2 with a strength of 0.1 instead of none, on these fifteen "
    "samples. The predictions for new samples become better …",
    ["with most seeds", "with about half of the seeds", "with few seeds"],
)

# %%
predict(
    "zeros",
    "L1 is said to make weights zero. After training with "
    "L1 by gradient descent, how many weights are exactly 0?",
    ["none", "some of them", "most of the useless ones"],
)

# %%
predict(
    "dropout",
    "100 samples without noise, one layer of 16 units: the network "
    "does not overfit. Dropout of 0.5 makes the median skill …",
    ["worse", "about the same (within 0.02)", "better"],
)

# %% [markdown]
# ## Observe
#
# The lab opens on this very program; its *Code* button prints it.

# %% tags=["dashboard-1", "experiment"]
from helpers import Experiment, Lab

OVERFIT = Experiment(
    problem="half_wave",
    samples=15,
    noise=0.5,
    width=32,
    batch_size=None,
    learning_rate=0.03,
    epochs=300,
    seed=45,
)
controls = ["l1", "l2", "dropout", "early_stopping", "samples", "seed"]
lab = Lab(OVERFIT, controls=controls, pictures=("fit", "loss"))
lab

# %% [markdown] tags=["dashboard-1-text"]
# The data are fifteen noisy samples of a wave; the network has two tanh layers of 32 units. The blue line chases
# single samples and leaves the true function. The training loss falls far below the noise floor, where only noise is
# left to learn. The validation loss falls at first, then rises. The distance between the two curves is the *gap*. A
# growing gap is the mark of overfitting.

# %% [markdown] tags=["dashboard-1-text"]
# 1. Move *L2* up from 0, one position at a time. When is the blue line closest to the true function? When does it
#    become flat?
# 2. Set *L2* back to 0 and *patience* to 100. At which epoch does training stop? The lab keeps the weights of the
#    best epoch.
# 3. Set *patience* back to 0 and *samples* to 400. What do you still need a regularizer for?
# 4. Go back to 15 samples and move *seed*: each seed has different samples and initial weights. Do they all overfit
#    equally badly?

# %% [markdown]
# ## Explain: does it overfit?
#
# Before we fix overfitting, we make sure that there is some, and not with one seed only. Each seed draws its own
# samples.

# %%
from helpers import train_seeds
from helpers.lessons.figures import loss_curves

none = train_seeds(OVERFIT, 50)
loss_curves(
    {"no regularizer": none},
    training=True,
    title="Training loss (dashed) and validation loss of fifty seeds",
)

# %%
from helpers.lessons.teaching import claim, reveal

below = float((none.loss[:, -1] < none.noise_floor).mean())
claim(
    "With {below:.0%} of the seeds the training loss ends below the noise floor.",
    below > 0.9,
    over=none,
    below=below,
)
later = float((none.val_loss[:, -1] > 1.2 * none.val_loss.min(axis=1)).mean())
claim(
    "With {later:.0%} of the seeds, the last epoch's validation "
    "loss is more than a fifth higher than that of the best epoch.",
    later > 0.6,
    over=none,
    later=later,
)
gap = float(np.median(none.val_loss[:, -1] / none.loss[:, -1]))
claim(
    "At the end the validation loss is {gap:.0f} times the training loss (median).",
    gap > 4,
    over=none,
    gap=gap,
)

# %% [markdown]
# ## Fix: how strong a penalty?
#
# L2 adds *strength × the sum of the squared weights* to the loss. L1 adds *strength × the sum of their absolute
# values*. Both make steep curves expensive. We compare eight strengths with no penalty.

# %%
from helpers.lessons.exercises_regularization import win_rate


def fifty(**changes):
    """The failing network with some changes, trained with 50 seeds."""
    return train_seeds(OVERFIT.replace(**changes), 50, probes=False)  # of the layers


strengths = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]
l2 = {0: none} | {strength: fifty(l2=strength) for strength in strengths}

# %%
share = win_rate(l2[0.1], none)
reveal(
    "strong",
    {
        "with most seeds": share > 0.65,
        "with about half of the seeds": 0.35 <= share <= 0.65,
        "with few seeds": share < 0.35,
    },
)

# %%
from helpers.lessons.figures import errors

errors(
    {"validation": l2},
    training=True,
    label="strength of L2",
    title="Training error (dashed) and validation error by strength of L2",
)

# %%
good = win_rate(l2[0.003], none)
claim(
    "L2 of `0.003` does better than none with {good:.0%} "
    "of the seeds, L2 of `0.1` with {share:.0%}.",
    good > 0.8 and share < 0.35,
    over=[l2[0.003], l2[0.1], none],
    good=good,
    share=share,
)
learn = max(study.success_rate for study in l2.values())
claim(
    "Yet at no strength do more than {learn:.0%} of the seeds "
    "reach a skill of `0.95`: a penalty does not replace samples.",
    learn < 0.2,
    over=list(l2.values()),
    learn=learn,
)
skill = float(np.median(l2[1].skill))
claim(
    "At a strength of `1` the median skill is {skill:z.2f}: no better than a constant.",
    abs(skill) < 0.05,
    over=l2[1],
    skill=skill,
)

# %% [markdown]
# Read the plot from left to right. Here the training error only rises: the penalty makes the fit to the training
# samples worse. The validation error first falls, because the network learns less noise, and then rises, because it
# learns less of the wave, too. At the right end both are flat: the network predicts a constant. (For the training
# samples it is a better constant, because it was fitted to them.) **There the gap is smallest, and nothing is
# learned.** So a small gap alone does not mean success.
#
# **What works:** the right strength, as far as a penalty goes. **Looks right, but isn't:** a stronger penalty, to be
# safe.
#
# In the program at the top, each layer gets one more argument. Keras adds the penalty to every loss that it prints,
# so compute the error from the predictions.

# %%
from keras import layers

penalty = {"kernel_regularizer": keras.regularizers.L2(0.003)}
model = keras.Sequential([keras.Input((1,))])
model.add(layers.Dense(32, "tanh", kernel_initializer=GlorotUniform(45000), **penalty))
model.add(layers.Dense(32, "tanh", kernel_initializer=GlorotUniform(45001), **penalty))
model.add(layers.Dense(1, kernel_initializer=GlorotUniform(45002), **penalty))
model.compile(optimizer=keras.optimizers.Adam(0.03), loss="mse")
model.fit(inputs, targets, epochs=300, batch_size=15, verbose=0)
error = np.mean((model.predict(new_inputs, verbose=0) - new_targets) ** 2)
print(f"validation error {error:.3f}, baseline {new_targets.var():.3f}")

# %% [markdown]
# ## Explain: L1 and dropout, on the same network
#
# L1 pulls all weights towards 0 equally hard; L2 pulls the large ones hardest. Dropout switches off a random fraction
# of the hidden units in each step.

# %%
from helpers.lessons.figures import skills

l1, dropped = fifty(l1=0.003), fifty(dropout=0.1)
skills(
    {
        "no regularizer": none,
        "L1 0.003": l1,
        "L2 0.003": l2[0.003],
        "dropout 0.1": dropped,
    },
    title="Skill of each seed, without and with a regularizer",
)

# %%
for name, study in (("L1 of `0.003`", l1), ("Dropout of `0.1`", dropped)):
    share = win_rate(study, none)
    claim(
        name + " does better than none with {share:.0%} of the seeds.",
        share > 0.6,
        over=[study, none],
        share=share,
    )
bad, with_l1, with_l2, with_dropout = (
    float(np.quantile(study.skill, 0.1)) for study in (none, l1, l2[0.003], dropped)
)
claim(
    "The worst tenth of the seeds has a skill below {bad:.2f} without a regularizer, "
    "below {l1:.2f} with L1, {l2:.2f} with L2 and {dropout:.2f} with dropout.",
    min(with_l1, with_l2, with_dropout) > bad + 0.2,
    over=[none, l1, l2[0.003], dropped],
    bad=bad,
    l1=with_l1,
    l2=with_l2,
    dropout=with_dropout,
)

# %% [markdown]
# ## Explain: L1 and the zeros
#
# The target depends on three of twenty inputs: the weights of the other seventeen should be 0. There are sixty samples
# and one linear unit.

# %%
SPARSE = Experiment(problem="sparse", depth=0, batch_size=None, epochs=1000)
kinds = {
    "no regularizer": train_seeds(SPARSE, 50, probes=False),
    "L2 0.1": train_seeds(SPARSE.replace(l2=0.1), 50, probes=False),
    "L1 0.3": train_seeds(SPARSE.replace(l1=0.3), 50, probes=False),
}

# %%
idle = {name: np.abs(study.weights[:, 3:20]) for name, study in kinds.items()}
zeros = int((idle["L1 0.3"] == 0).sum())
many = idle["L1 0.3"].size / 2
reveal(
    "zeros",
    {
        "most of the useless ones": zeros > many,
        "some of them": 0 < zeros <= many,
        "none": zeros == 0,
    },
)

# %%
from helpers.lessons.figures import sizes

sizes(
    kinds,
    weights=slice(0, 20),
    title="Magnitudes of the twenty weights, from the largest to the smallest",
)

# %%
claim(
    "The number of these weights that L1 makes exactly zero is {zeros}.",
    zeros == 0,
    over=kinds["L1 0.3"],
    zeros=zeros,
)
free, two, one = (float((size < 0.01).mean()) for size in idle.values())
claim(
    "Of the weights of irrelevant inputs, {free:.0%} are below "
    "`0.01` without a penalty, {two:.0%} with L2, {one:.0%} with L1.",
    max(free, two) < 0.25 and one > 0.8,
    over=list(kinds.values()),
    free=free,
    two=two,
    one=one,
)
largest = [
    float(np.median(np.abs(kinds[name].weights[:, 0])))
    for name in ("no regularizer", "L1 0.3")
]
claim(
    "The price is that the first weight, whose true value "
    "is `2`, is {a:.2f} without L1 and {b:.2f} with it.",
    largest[1] < largest[0] - 0.05,
    over=[kinds["no regularizer"], kinds["L1 0.3"]],
    a=largest[0],
    b=largest[1],
)

# %% [markdown]
# L1 pulls each weight by the same amount, however small it is; the pull of L2 is proportional to the weight, so it hardly
# moves small ones. Next to 0, a step with the pull of L1 jumps across, and the next step jumps back. So decide by a
# threshold which inputs are irrelevant, as the plot does. Solvers made for L1, such as scikit-learn's `Lasso`, treat 0
# as a special case.
#
# ## Explain: L2 and weight decay, with Adam
#
# For plain `sgd` both are the same, up to a factor. With `adam` they are not. L2 adds its pull to the gradient, and
# `adam` divides each weight's gradient by its usual magnitude. Where gradients are large, the pull becomes small.
# `adamw` shrinks the weights separately from the gradient, all by the same fraction, *learning rate × decay*, in each
# step.

# %%
decays = [0.1, 0.3, 1, 3, 10]
adamw = {decay: fifty(optimizer="adamw", weight_decay=decay) for decay in decays}
without = {strength: study for strength, study in l2.items() if strength}
errors(
    {"L2, adam": without, "weight decay, adamw": adamw},
    label="strength",
    title="Validation error by strength of the penalty",
)

# %%
two, ten = (
    {value: float(np.median(study.error)) for value, study in row.items()}
    for row in (without, adamw)
)
best, decay = min(two, key=two.get), min(ten, key=ten.get)
claim(
    "L2 is best at {best:g}, weight decay at {decay:g}, {times:.0f} times as much.",
    decay >= 30 * best,
    over=[*without.values(), *adamw.values()],
    best=best,
    decay=decay,
    times=decay / best,
)
same = [float(np.median(study.skill)) for study in (l2[0.3], adamw[0.3])]
claim(
    "At `0.3`, L2 gives a median skill of {a:z.2f} and weight decay one of {b:.2f}.",
    abs(same[0]) < 0.05 and same[1] > 0.6,
    over=[l2[0.3], adamw[0.3]],
    a=same[0],
    b=same[1],
)
ahead = win_rate(adamw[decay], l2[best])
tuned = [float(np.median(study.skill)) for study in (l2[best], adamw[decay])]
claim(
    "At the best strength of each, the median skill is {a:.2f} with L2 and "
    "{b:.2f} with weight decay, which is ahead with {ahead:.0%} of the seeds.",
    abs(tuned[0] - tuned[1]) < 0.04,
    over=[l2[best], adamw[decay]],
    a=tuned[0],
    b=tuned[1],
    ahead=ahead,
)

# %% [markdown]
# So on this task neither is clearly the better regularizer. They need different strengths. Do not use the strength of
# one for the other: tune it again.
#
# ## Explain: dropout without overfitting
#
# Now the network has a hundred samples without noise and one hidden layer. Dropout of 0.5, a common choice, switches
# off half of the units in each step. We try three widths.

# %%
fed = OVERFIT.replace(samples=100, noise=0, depth=1, epochs=150, learning_rate=0.05)
widths = [2, 16, 64]
calm, halved = (
    [
        train_seeds(fed.replace(width=width, dropout=dropout), 50, probes=False)
        for width in widths
    ]
    for dropout in (0, 0.5)
)

# %%
before, after = (float(np.median(row[1].skill)) for row in (calm, halved))
change = after - before
reveal(
    "dropout",
    {
        "better": change > 0.02,
        "about the same (within 0.02)": abs(change) <= 0.02,
        "worse": change < -0.02,
    },
)
claim(
    "With sixteen units, dropout takes the median skill from {a:.2f} to {b:.2f}.",
    change < -0.02,
    over=[calm[1], halved[1]],
    a=before,
    b=after,
)

# %%
from helpers.lessons.figures import sweep

sweep(
    widths,
    {"no dropout": calm, "dropout 0.5": halved},
    label="units",
    title="Success rate and skill by number of units",
)

# %%
worse = min(win_rate(free, half) for free, half in zip(calm, halved, strict=True))
claim(
    "Even at its least harmful width, dropout "
    "does worse with {worse:.0%} of the seeds.",
    worse > 0.9,
    over=[*calm, *halved],
    worse=worse,
)

# %% [markdown]
# The prediction of a regression network is a weighted sum of its units' outputs. With half of them off, that sum jumps
# in each step. Look in the plot whether more units make up for it. In the network above, dropout was small (0.1) and
# the overfitting severe.
#
# What does a regularizer do to a network that is too small? Two units are too few for a whole wave, so the network
# *underfits*.

# %%
small = fed.replace(problem="sine", noise=0.1, width=2, epochs=300, learning_rate=0.03)
bare, tight, off = (
    train_seeds(small.replace(**more), 50, probes=False)
    for more in ({}, {"l2": 0.01}, {"dropout": 0.1})
)

# %%
for name, study in (("L2 of `0.01`", tight), ("Dropout of `0.1`", off)):
    share = win_rate(study, bare)
    claim(
        name + " improves the small network with {share:.0%} of the seeds.",
        share < 0.25,
        over=[study, bare],
        share=share,
    )
gap = float(np.median(bare.val_loss[:, -1] / bare.loss[:, -1]))
claim(
    "Its validation loss is {gap:.1f} times its "
    "training loss (median): there is hardly a gap.",
    gap < 1.5,
    over=bare,
    gap=gap,
)

# %% [markdown]
# So check first: is the training loss well below the validation loss? If not, there is nothing for a regularizer to
# do.
#
# ## Fix: stop early
#
# Early stopping keeps the weights of the epoch with the best validation loss. In Keras it is a *callback*: an object
# that `fit` calls after each epoch. `restore_best_weights` matters: without it you get the weights of the last epoch,
# `patience` epochs too late.

# %% tags=["repaired"]
stop = keras.callbacks.EarlyStopping(
    monitor="val_loss", patience=100, restore_best_weights=True
)
validation = (new_inputs, new_targets)
model = network()
history = model.fit(
    inputs,
    targets,
    epochs=300,
    batch_size=15,
    verbose=0,
    validation_data=validation,
    callbacks=[stop],
)
loss = model.evaluate(new_inputs, new_targets, verbose=0)
print(f"best epoch {stop.best_epoch + 1} of {len(history.history['loss'])}")
print(f"validation loss {loss:.3f}, baseline {new_targets.var():.3f}")

# %% [markdown]
# Early stopping has no penalty strength, but it needs a validation set. Here that set has 200 samples, thirteen times
# as many as the training set; you will rarely have so many. The validation set chose the epoch, so it is no longer a
# fair test of the result. We measure on fresh inputs, against the true wave.

# %%
from helpers.lessons.exercises_regularization import error_to_truth

slow, hasty = fifty(early_stopping=100), fifty(early_stopping=30)
away, stopped, early = map(error_to_truth, (none, slow, hasty))

# %%
epochs = float(np.median(slow.epochs_run))
gain, less = float((stopped < away).mean()), float((early < away).mean())
claim(
    "Patience `100` stops at epoch {epochs:.0f} (median) and does better than no "
    "early stopping with {gain:.0%} of the seeds; patience `30` with {less:.0%}.",
    gain > 0.85 and gain > less and epochs < 300,
    over=[slow, hasty, none],
    epochs=epochs,
    gain=gain,
    less=less,
)

# %% [markdown]
# With too little patience, training can stop at a plateau before the loss falls further.
#
# ## Fix: get more samples
#
# Whether L2 helps depends on the number of samples and on the strength. So we vary both. Click a cell to open its
# settings in the lab at the top.

# %%
from helpers import success_map

samples_and_l2 = success_map(
    OVERFIT, ("samples", [15, 100, 400]), ("l2", [0, 0.003]), lab=lab
)
samples_and_l2

# %%
few, some, many = np.reshape(samples_and_l2.studies, (3, 2))
claim(
    "Without L2, {a:.0%}, {b:.0%} and {c:.0%} of the seeds "
    "learn with fifteen, a hundred and four hundred samples.",
    few[0].success_rate < 0.3 < some[0].success_rate < 0.8 < many[0].success_rate,
    over=[few[0], some[0], many[0]],
    a=few[0].success_rate,
    b=some[0].success_rate,
    c=many[0].success_rate,
)

# %%
spoils = win_rate(many[1], many[0])
claim(
    "At four hundred samples, L2 of `0.003` does better "
    "than none with only {spoils:.0%} of the seeds.",
    spoils < 0.4,
    over=[*many[:2]],
    spoils=spoils,
)

# %% [markdown]
# Compare the two columns. Without L2, the number of samples decides. A little L2 helps with fifteen samples and does
# harm with four hundred. **Here, more samples made L2 unnecessary.**
#
# Now fill a map of your own, with the lab at the top.

# %% [markdown] tags=["dashboard-1"]
# Find settings in the lab that learn with 15 samples, then press *Register*.

# %% tags=["dashboard-1"]
from helpers import success_map

success_map(
    OVERFIT,
    ("dropout", [0, 0.1, 0.3, 0.5]),
    ("l2", [0, 0.001, 0.01, 0.1]),
    lab=lab,
    discoveries=True,
)

# %% [markdown]
# ## The article says
#
# The fifth cause in the article that these lessons answer (*Why is my TensorFlow neural network failing to learn a
# simple relationship?*, 2025) is overfitting: L1, L2 and dropout can reduce it, and the strength must be tuned. The
# article gives no example. Its author works with financial time series, so here is a modest one: real monthly stock
# returns, which are almost unpredictable.

# %%
returns = Experiment(
    problem="stock_return", scaling="standard", batch_size=None, epochs=60
)
loose, firm = (
    train_seeds(returns.replace(l2=strength), 50, probes=False) for strength in (0, 0.1)
)

# %%
a, b = (float(np.median(study.skill)) for study in (loose, firm))
claim(
    "On the returns, the median skill is {a:.2f} without "
    "L2 and {b:z.2f} with it; a constant has a skill of `0`.",
    a < b < 0.05,
    over=[loose, firm],
    a=a,
    b=b,
)

# %% [markdown]
# L2 removes the harm and leaves a network that is about as good as a constant. It cannot find what is not there.
#
# | the article says | measured in this lesson | why |
# |---|---|---|
# | L1 and L2 mitigate overfitting | **true, with a tuned strength**, if the network overfits | steep curves need large weights, and the penalty makes those expensive |
# | L2 *is* weight decay | **not with `adam`**: a different strength is best | `adam` divides the pull together with the gradient |
# | dropout makes a network learn robustly | **true for severe overfitting and a dropout rate of 0.1; false for networks that do not overfit** | the sum over the units jumps when some are off |
# | the strength needs tuning | **true**: too strong is worse than none, and far too strong gives a constant | the penalty outweighs the data |
# | (and so, regularize a network that fails to learn) | **false**: the network that underfits got worse | a regularizer only restricts the network |
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell. Every correct answer passes.
#
# **1.** Tune `l1`, `l2` or `dropout` so that, with 80% of the seeds, `OVERFIT` does better than without a regularizer.

# %% tags=["exercise"]
from helpers.lessons import exercises_regularization as exercises
from helpers.lessons.teaching import check

check(exercises.tune_the_strength, ...)  # OVERFIT.replace(...)

# %% tags=["solution"]
from helpers.lessons import exercises_regularization as exercises
from helpers.lessons.teaching import check

check(exercises.tune_the_strength, OVERFIT.replace(l2=0.001))

# %% [markdown]
# **2.** Use no penalty at all: make `OVERFIT` learn with 90% of the seeds and at most 600 samples.

# %% tags=["exercise"]
check(exercises.learn_by_more_samples, ...)  # OVERFIT.replace(samples=...)

# %% tags=["solution"]
check(exercises.learn_by_more_samples, OVERFIT.replace(samples=450))

# %% [markdown]
# **3.** This network has 100 samples with little noise and does not learn. Change one field so that 90% of the seeds learn.

# %%
FAILING = OVERFIT.replace(samples=100, noise=0.1, l2=0.3)

# %% tags=["exercise"]
check(exercises.fix_the_failing_network, ...)  # FAILING.replace(...)

# %% tags=["solution"]
check(exercises.fix_the_failing_network, FAILING.replace(l2=0.0))

# %% [markdown]
# **4.** The hard one: in `SPARSE`, bring 80% of the weights of irrelevant inputs below 0.01 and keep the three true
# ones above 0.5.

# %% tags=["exercise"]
check(exercises.find_the_three, ...)  # SPARSE.replace(...)

# %% tags=["solution"]
check(exercises.find_the_three, SPARSE.replace(l1=0.2))

# %% [markdown]
# **5. Repair a program.** The training loss falls far below the baseline, and the validation loss ends above it. Edit
# the program until the check passes. Change what you like: data, layers, loss, optimizer, settings, callbacks. `check`
# trains *your* model with 20 seeds, or with 5 if there are callbacks. At least four fifths of them must learn. There are
# three hints: each `repairs.hint("census")` shows one more.

# %% tags=["exercise"]
from helpers.lessons import repairs

x, y, x_val, y_val = repairs.data("census")
x, y = x[:160], y[:160]
settings = {"epochs": 200, "batch_size": 20}
model = keras.Sequential(
    [
        keras.Input((3,)),
        layers.Dense(64, activation="relu"),
        layers.Dense(64, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.005), loss="binary_crossentropy")
model.fit(x, y, verbose=0, **settings)
print(f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, baseline 0.69")
check(repairs.census, model, x, y, x_val, y_val, **settings)

# %% tags=["solution"]
from helpers.lessons import repairs

x, y, x_val, y_val = repairs.data("census")
x, y = x[:160], y[:160]
settings = {"epochs": 60, "batch_size": 20}
model = keras.Sequential(
    [
        keras.Input((3,)),
        layers.Dense(64, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(64, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.005), loss="binary_crossentropy")
model.fit(x, y, verbose=0, **settings)
print(f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, baseline 0.69")
check(repairs.census, model, x, y, x_val, y_val, **settings)

# %% tags=["exercise"]
# repairs.hint("census")
# repairs.post_mortem("census")

# %% tags=["solution"]
repairs.post_mortem("census")

# %% tags=["exercise"]
from helpers.lessons.teaching import score

score()

# %% tags=["solution"]
from helpers.lessons.teaching import score

score(all_exercises=True)

# %% [markdown]
# ## In your own network
#
# `fit_seeds` trains fresh copies of your compiled model and keeps both losses of every epoch. Give it your own `x`
# and `y`. Here it trains the program at the top.

# %%
from why_wont_it_learn import fit_seeds

study = fit_seeds(
    network(),
    inputs,
    targets,
    seeds=20,
    epochs=300,
    batch_size=15,
    validation_data=validation,
)
best, end = np.median(study.val_loss.min(axis=1)), np.median(study.val_loss[:, -1])
print(f"median validation loss: {best:.2f} in the best epoch, {end:.2f} in the last")
print(f"median training loss: {np.median(study.loss[:, -1]):.2f} in the last epoch")

# %% [markdown]
# Compare the three numbers. If the last validation loss is well above the best one, stop early or regularize. If
# training and validation loss end close together and high, a regularizer can only do harm. If both are low, change
# nothing.

# %% [markdown]
# ## In one sentence
#
# First make sure that the network overfits, then regularize it just enough that predictions for new samples improve;
# and if you can get more samples, try them first.
#
# **Where next.** [01 Capacity](01_capacity.ipynb): when a network is too big for its data. [03
# Optimizers](03_optimizers.ipynb): how `adam` scales a gradient.
#
# **Read on.**
# A. Géron, *Hands-On Machine Learning with Scikit-Learn, Keras & TensorFlow*, chapter 11.
# I. Goodfellow, Y. Bengio and A. Courville, [*Deep Learning*](https://www.deeplearningbook.org/), chapter 7.
# [Keras: layer weight regularizers](https://keras.io/api/layers/regularizers/).
# N. Srivastava and others, [*Dropout*](https://jmlr.org/papers/v15/srivastava14a.html) (2014).
# I. Loshchilov and F. Hutter, [*Decoupled weight decay regularization*](https://arxiv.org/abs/1711.05101) (2019).
