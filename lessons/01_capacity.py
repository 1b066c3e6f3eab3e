# %% [markdown]
# # 1 · Capacity: too small, too big, or neither?
#
# A network can be too small for its task. It can be too big for its data. Often it is blamed for one of the two when
# something else is wrong. After this lesson you can tell the three cases apart by measuring them.
#
# | part | minutes |
# |---|---|
# | The failure, your predictions, the lab | 7 |
# | Too small: what is missing, and how to fix it | 6 |
# | Wide or deep | 3 |
# | Too big | 5 |
# | The article says, real data | 6 |
# | Exercises | as long as you like |
#
# The terms *skill*, *learned*, *baseline*, *noise floor*, *success rate* and *interval* are explained in [00 Start
# here](00_start_here.ipynb).
#
# ## The failure
#
# Two hundred noisy samples of y = |x|. A network with a single unit has to learn them.

# %% tags=["program"]
import keras
import numpy as np

rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, (200, 1))
y = np.abs(x) + 0.1 * rng.standard_normal(x.shape)

start = keras.initializers.GlorotUniform(seed=0)
model = keras.Sequential(
    [keras.Input((1,)), keras.layers.Dense(1, kernel_initializer=start)]
)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
history = model.fit(x, y, batch_size=32, epochs=100, verbose=0)
print(f"loss {history.history['loss'][-1]:.3f}, baseline {y.var():.3f}")

# %% [markdown]
# The baseline is the loss of always predicting the mean. (`GlorotUniform` is Keras's default; its seed gives the
# network the initial weights that it has in the lab below.)

# %% [markdown]
# ## Predict
#
# Choose an answer and press *Commit* before you try it in the lab. Your answer is saved, and the measurement will
# score it. A *seed* fixes everything that is random: the data, the initial weights, the order of the batches. So
# "with most seeds" means: in most repetitions of the training.

# %%
from helpers.lessons.teaching import predict

predict(
    "stack",
    "Five hidden layers of 16 units with `linear` activation learn the kink …",
    ["never", "with some seeds", "with most seeds"],
)

# %% [markdown]
# The next one is harder. `relu(z)` is z where z is positive, and 0 otherwise. So |x| = relu(x) + relu(−x), and two
# relu units can fit the kink exactly.

# %%
predict(
    "pair",
    "One hidden layer of two relu units learns the kink …",
    [
        "with nearly all seeds",
        "with more than half of the seeds",
        "with fewer than half of the seeds",
    ],
)

# %% [markdown]
# ## Observe
#
# The lab opens on this very program; its *Code* button prints it.

# %% tags=["dashboard-1", "experiment"]
from helpers import Experiment

kink = Experiment(problem="abs", depth=0, activation="relu", epochs=100)

# %% tags=["dashboard-1"]
from helpers import Lab

Lab(kink, controls=["depth", "width", "activation", "epochs"], pictures=("fit", "loss"))

# %% [markdown] tags=["dashboard-1-text"]
# The task is a kink, y = |x| (dashed). The network (blue) predicts almost the same value everywhere. Its loss stops
# at the dotted line, the baseline: the loss of always predicting the mean. It has learned nothing.

# %% [markdown] tags=["dashboard-1-text"]
# 1. Set *activation* to `linear` and *depth* to 5. Does the blue line ever become curved?
# 2. Set *activation* to `relu`, *depth* to 1 and *width* to 2. Then press **100 seeds**. Each dot is one seed. At
#    which values do the dots gather?
# 3. Move *width* to 16 and press **100 seeds** again.

# %% [markdown]
# ## Explain: linear and relu layers
#
# To measure this we need more than one run. `train_seeds(experiment, 50)` trains the same experiment with 50 seeds at
# once. `kink.replace(depth=5)` is the same experiment with a different depth.

# %%
from helpers import train_seeds

# We do not look at the layers here; without their metrics training is faster.
line = train_seeds(kink, 50, probes=False)
stack = train_seeds(kink.replace(depth=5, activation="linear"), 50, probes=False)
hidden = train_seeds(kink.replace(depth=1, width=16), 50, probes=False)

# %%
from helpers.lessons.teaching import claim, reveal

reveal(
    "stack",
    {
        "with most seeds": stack.success_rate > 0.5,
        "with some seeds": 0 < stack.success_rate <= 0.5,
        "never": stack.success_rate == 0,
    },
)

# %%
both, rate = max(line.success_rate, stack.success_rate), hidden.success_rate
claim(
    "With no hidden layer or with five linear ones, {both:.0%} of the seeds learn.",
    both == 0,
    over=[line, stack],
    both=both,
)
claim(
    "With one layer of sixteen relu units, {rate:.0%} learn.",
    rate > 0.9,
    over=hidden,
    rate=rate,
)

# %%
from helpers import train
from helpers.lessons.figures import fits

fits(
    {
        "no hidden layer": train(line.experiment),
        "five linear layers": train(stack.experiment),
        "one relu layer": train(hidden.experiment),
    },
    title="One seed of each network: its predictions",
)

# %% [markdown]
# Compare the two plots on the left. Put one linear layer after another: W₂(W₁x + b₁) + b₂ = (W₂W₁)x + (W₂b₁ + b₂).
# That is again one matrix and one bias. A second layer is useful only with a nonlinear activation between the two. And
# the best straight line through a symmetric kink is flat, so its skill is that of a constant.
#
# ## Explain: two units
#
# Now the two relu units. We train them, train them five times longer, and start them with a different initializer. The
# network has the same two units in all three cases. Then we give it four units and sixteen.

# %%
two = kink.replace(depth=1, width=2)
pair = train_seeds(two, 100)
longer = train_seeds(two.replace(epochs=500), 100, probes=False)
other_start = train_seeds(two.replace(initializer="he_normal"), 100, probes=False)
four = train_seeds(two.replace(width=4), 100, probes=False)
sixteen = train_seeds(two.replace(width=16), 100, probes=False)

# %%
reveal(
    "pair",
    {
        "with nearly all seeds": pair.success_rate >= 0.9,
        "with more than half of the seeds": 0.5 <= pair.success_rate < 0.9,
        "with fewer than half of the seeds": pair.success_rate < 0.5,
    },
)

# %%
from helpers.lessons.figures import skills

skills(
    {
        "2 units": pair,
        "2 units, five times longer": longer,
        "2 units, he_normal": other_start,
        "4 units": four,
        "16 units": sixteen,
    },
    title="Skill of each seed, five networks",
)

# %% [markdown]
# Read the first row from right to left. A dot at 1 is a network that fits both arms of the kink, so two units are
# enough. A dot at about a third is one that fits a single arm. There the other unit may be **dead**: its relu outputs 0
# for every sample, so its gradient is 0, and it usually stays dead. Or both units fit the same arm, and the loss would
# have to rise before it could fall further. In both cases training has stopped in the wrong place, a *local minimum* or
# a plateau. A dot at 0 is a network with two dead units.

# %%
best, share = float(pair.skill.max()), pair.success_rate
apart = best > 0.99 and share < 0.5
claim(
    "The best seed has skill {best:.2f}, yet only {share:.0%} learn.",
    apart,
    over=pair,
    best=best,
    share=share,
)
between = float(((pair.skill > 0.1) & (pair.skill < 0.5)).mean())
claim(
    "{between:.0%} stop in between, with a skill from `0.1` to `0.5`.",
    0.3 < between < 0.8,
    over=pair,
    between=between,
)

# %%
stopped = pair.dead[(pair.skill > 0.1) & (pair.skill < 0.5), -1, 0]
dead = float((stopped > 0).mean())
claim(
    "In {dead:.0%} of those, one of the two units is dead at the end.",
    0.3 < dead < 0.9,
    over=pair,
    dead=dead,
)

# %% [markdown]
# What a network can **represent** is one thing. What training **finds** is another. In plain Keras, two units that
# start on the same arm:

# %%
start, end = (keras.initializers.GlorotUniform(seed) for seed in (2, 4))
model = keras.Sequential(
    [
        keras.Input((1,)),
        keras.layers.Dense(2, activation="relu", kernel_initializer=start),
        keras.layers.Dense(1, kernel_initializer=end),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
history = model.fit(x, y, batch_size=32, epochs=50, verbose=0)
print(f"loss {history.history['loss'][-1]:.3f}, baseline {y.var():.3f}")
at_2 = model.predict(np.array([[-2.0], [2.0]]), verbose=0)
print("predicted for −2 and 2:", at_2.ravel().round(1))

# %% [markdown]
# ## Fix
#
# **Looks right, but isn't: more epochs.** The seeds are the same, so each long run continues a short one, and we can
# see what became of the stuck ones.

# %%
stuck = ~pair.learned
freed = float(longer.learned[stuck].mean())
claim(
    "Five times as many epochs free {freed:.0%} of the stuck seeds.",
    freed < 0.15,
    over=[pair, longer],
    freed=freed,
)
he = other_start.success_rate
claim(
    "With `he_normal`, {he:.0%} of the seeds learn: a different start, but no fix.",
    0.15 < he < 0.6,
    over=other_start,
    he=he,
)

# %% [markdown]
# **What works: more units than the task needs.** Each additional unit is another chance that one of them starts on
# the missing arm. Extra units are cheap insurance, and the first thing to try when a small network works only with
# some seeds.

# %%
few, many = four.success_rate, sixteen.success_rate
better = share + 0.2 < few < many and many > 0.95
claim(
    "Four units learn with {few:.0%} of the seeds, sixteen with {many:.0%}.",
    better,
    over=[four, sixteen],
    few=few,
    many=many,
)

# %% [markdown]
# In the program, the fix is one more layer: sixteen hidden units.

# %% tags=["repaired"]
model = keras.Sequential(
    [
        keras.Input((1,)),
        keras.layers.Dense(
            16,
            activation="relu",
            kernel_initializer=keras.initializers.GlorotUniform(seed=0),
        ),
        keras.layers.Dense(
            1, kernel_initializer=keras.initializers.GlorotUniform(seed=1)
        ),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
history = model.fit(x, y, batch_size=32, epochs=100, verbose=0)
print(f"loss {history.history['loss'][-1]:.3f}, baseline {y.var():.3f}")

# %% [markdown]
# ## Wide or deep?
#
# The next task is a zigzag of four teeth. You have about 250 weights and biases to spend. You can put 83 relu units
# into one layer, or 10 into each of three layers. One relu unit makes one kink, and the zigzag has seven: in theory
# both networks have plenty.

# %%
predict(
    "zigzag",
    "With the same number of parameters, more seeds learn the zigzag with …",
    ["one layer of 83 units", "three layers of 10 units", "both the same"],
)

# %%
zigzag = Experiment(
    problem="triangle", scaling="standard", activation="relu", epochs=300
)
wide = train_seeds(zigzag.replace(depth=1, width=83), 50, probes=False)
deep = train_seeds(zigzag.replace(depth=3, width=10), 50, probes=False)
runs = {
    "one layer of 83": train(wide.experiment),
    "three layers of 10": train(deep.experiment),
}

# %%
gain = deep.success_rate - wide.success_rate
reveal(
    "zigzag",
    {
        "one layer of 83 units": gain < -0.1,
        "three layers of 10 units": gain > 0.1,
        "both the same": -0.1 <= gain <= 0.1,
    },
)

# %%
few, many = (study.weights.shape[1] for study in (wide, deep))  # weights and biases
claim(
    "The single layer has {few} parameters, the three layers have {many}.",
    abs(few - many) < 5,
    over=[wide, deep],
    few=few,
    many=many,
)
low, high = wide.success_rate, deep.success_rate
claim(
    "One layer learns with {low:.0%} of the seeds, three layers with {high:.0%}.",
    high > low + 0.2,
    over=[wide, deep],
    low=low,
    high=high,
)

# %%
fits(
    runs,
    title="One seed of each network: its predictions",
)

# %%
skills(
    {"one layer of 83": wide, "three layers of 10": deep},
    title="Skill of each seed: wide and deep",
)

# %% [markdown]
# A second layer gets the already folded output of the first. So each layer can *fold* the line once more. Folds of
# several layers multiply, while the kinks of one layer only add up. Look at the dots again: how many seeds find the
# folds? Depth changes the chance; it guarantees nothing.
#
# ## Too big

# %% [markdown] tags=["dashboard-2-text"]
# Now the other failure: fifteen noisy samples of a wave, and two layers of 32 units.

# %% tags=["dashboard-2"]
from helpers import Experiment, Lab

Lab(
    Experiment(
        problem="sine",
        samples=15,
        noise=0.3,
        scaling="standard",
        depth=2,
        width=32,
        epochs=500,
        batch_size=None,
    ),
    controls=["samples", "depth", "width"],
    pictures=("fit", "loss"),
)

# %% [markdown]
# The blue line runs through the samples and not along the true function. In the loss plot, the pale line (training)
# falls below the noise floor. Below that line only noise is left to learn, and the validation loss rises. This is
# *overfitting*.
#
# Which part of "too big" does the harm? First take a single layer of 8 or of 64 units.

# %%
predict(
    "width",
    "One layer of 64 units instead of 8, on the same fifteen "
    "samples. The median skill on the validation set becomes …",
    [
        "clearly worse (by more than 0.1)",
        "about the same",
        "clearly better (by more than 0.1)",
    ],
)

# %%
scarce = Experiment(
    problem="sine",
    samples=15,
    noise=0.3,
    scaling="standard",
    epochs=500,
    batch_size=None,
)
narrow = train_seeds(scarce.replace(depth=1, width=8), 50)
broad = train_seeds(scarce.replace(depth=1, width=64), 50)
double = train_seeds(scarce.replace(depth=2, width=32), 50)
fed = train_seeds(double.experiment.replace(samples=100), 50, probes=False)

# %%
few, many = (float(np.median(study.skill)) for study in (narrow, broad))
change = many - few
reveal(
    "width",
    {
        "clearly worse (by more than 0.1)": change < -0.1,
        "about the same": -0.1 <= change <= 0.1,
        "clearly better (by more than 0.1)": change > 0.1,
    },
)
claim(
    "The median skill is {few:.2f} with the narrow "
    "layer and {many:.2f} with the wide one.",
    abs(change) < 0.1,
    over=[narrow, broad],
    few=few,
    many=many,
)

# %%
from helpers.lessons.figures import loss_curves

loss_curves(
    {"1 layer of 8": narrow, "1 layer of 64": broad, "2 layers of 32": double},
    training=True,
    title="Fifteen samples, three networks: validation and training loss",
)

# %% [markdown]
# A dashed line (training) that crosses the green line shows a network that learns noise. The solid lines (validation)
# show the price. Compare one layer of 8 units, one of 64, and the same 64 units in two layers: a second layer can fold
# the curve more sharply between two samples.

# %%
both = [double, narrow]
below = float((double.loss[:, -1] < double.noise_floor).mean())
claim(
    "With two layers, the training loss of {below:.0%} "
    "of the seeds ends below the noise floor.",
    below > 0.8,
    over=double,
    below=below,
)
worse = float((double.skill < narrow.skill).mean())
claim(
    "On the same samples, two layers do worse than "
    "eight units with {worse:.0%} of the seeds.",
    worse > 0.65,
    over=both,
    worse=worse,
)

# %% [markdown]
# **Looks right, but isn't: a smaller network.** Eight units overfit less, but they rarely learn the wave either.
# **What works: more samples.** The same two layers, the same noise, a hundred samples instead of fifteen.

# %%
small, big, rate = narrow.success_rate, double.success_rate, fed.success_rate
few = max(small, big) < 0.4
claim(
    "With fifteen samples, {small:.0%} of the seeds learn "
    "with eight units and {big:.0%} with two layers.",
    few,
    over=both,
    small=small,
    big=big,
)
claim(
    "With a hundred samples, two layers learn with {rate:.0%} of the seeds.",
    rate > 0.8,
    over=fed,
    rate=rate,
)

# %% [markdown]
# So "too big" is not a property of the network alone. A network is too big *for its data*. [Lesson
# 05](05_regularization.ipynb) shows what else helps when you cannot get more samples.
#
# ## The article says
#
# These lessons answer an article, *Why is my TensorFlow neural network failing to learn a simple relationship?*
# (2025). We call it "the article". Its example of too little capacity is a single linear unit on noisy samples of the
# line y = 2x + 1, with x from 0 to 10, trained with plain `sgd` at 0.01. It says that one unit struggles to fit such
# data, and that more layers and units generally do better. Its program prints a loss, but nothing to compare that
# loss with.

# %%
predict(
    "line",
    "Two relu layers of 16 units, otherwise as in the article. "
    "Compared with the single unit, they learn the line with …",
    ["fewer seeds", "as many seeds", "more seeds"],
)

# %%
# sgd at 0.01, 100 epochs
article = Experiment(problem="line", depth=0, activation="relu", optimizer="sgd")
unit = train_seeds(article, 100, probes=False)
relus = train_seeds(article.replace(depth=2), 100)
patience = train_seeds(relus.experiment.replace(epochs=300), 100, probes=False)
scaled = train_seeds(relus.experiment.replace(scaling="standard"), 100)
slower = train_seeds(relus.experiment.replace(learning_rate=0.001), 100)

# %%
gain = relus.success_rate - unit.success_rate
reveal(
    "line",
    {
        "more seeds": gain > 0.05,
        "as many seeds": abs(gain) <= 0.05,
        "fewer seeds": gain < -0.05,
    },
)

# %%
skills(
    {
        "one linear unit": unit,
        "two relu layers": relus,
        "… three times longer": patience,
        "… inputs standardised": scaled,
        "… a tenth of the learning rate": slower,
    },
    title="Skill of each seed: one unit, and two relu layers in four variants",
)

# %%
rate, skill = unit.success_rate, float(np.median(unit.skill))
fits_it = rate > 0.95 and skill > 0.99
claim(
    "One unit learns the line with {rate:.0%} of "
    "the seeds; its median skill is {skill:.3f}.",
    fits_it,
    over=unit,
    rate=rate,
    skill=skill,
)
rate, still = relus.success_rate, patience.success_rate
fail = max(rate, still) < 0.1
claim(
    "The two relu layers learn it with {rate:.0%} of the seeds, "
    "and with {still:.0%} when trained three times longer.",
    fail,
    over=[relus, patience],
    rate=rate,
    still=still,
)

# %% [markdown]
# Why? Look at the relu units. About half of the first layer's units are dead from the start: no input is negative and
# the biases are 0, so z = w·x + b is negative for *every* sample where w is. There relu is flat, as on the kink. Long
# steps kill others: the gradient of a weight of the first layer is multiplied by its input, here up to 10. If a whole
# layer is dead, the network predicts the same value for every x. *Standardised* inputs have mean 0 and standard
# deviation 1, so the steps are shorter.

# %%
from helpers.lessons.figures import layers

layers(
    {
        "inputs 0 to 10": relus,
        "standardised": scaled,
        "a tenth of the learning rate": slower,
    },
    measure="dead",
    epoch=-1,
    title="Dead units by layer at the end, three variants",
)

# %%
first, last = (float(relus.dead[:, epoch].mean()) for epoch in (0, -1))
die = 0.7 < first < last and last > 0.9
claim(
    "After one epoch {first:.0%} of the units are dead; at the end {last:.0%} are.",
    die,
    over=relus,
    first=first,
    last=last,
)
scale, slow = scaled.success_rate, slower.success_rate
live = scale > 0.8 and slow > 0.9
claim(
    "With standardised inputs {scale:.0%} of the seeds "
    "learn, with a tenth of the learning rate {slow:.0%}.",
    live,
    over=[scaled, slower],
    scale=scale,
    slow=slow,
)

# %% [markdown]
# Both fixes shorten the steps. Neither adds a single unit.
#
# | the article says | measured in this lesson |
# |---|---|
# | too few units cannot capture a nonlinear pattern | **true**: the kink without a hidden layer |
# | (and so, enough units can) | **not always**: two relu units can represent the kink, but training often does not find it |
# | one unit is too small for a noisy line | **false**: it reaches the noise floor |
# | more layers and units generally do better | **false as printed**: dead units |
# | a shallow network may be incapable | **true in effect**: one wide layer could represent the zigzag, but training never found it here |
# | an excessively deep network overfits | **true where samples are few and noisy**, here with two layers; width alone made little difference |
# | of two networks that do equally well, take the simpler | **good advice**: see the next section |
#
# ## Real data, and Occam's razor

# %% [markdown] tags=["dashboard-3-text"]
# How far does a car go on a gallon of petrol? Nobody knows the true function. So the noise floor here is the error of
# a *kernel ridge regression*, a strong scikit-learn model, on the same cars.

# %% tags=["dashboard-3"]
from helpers import Experiment, Lab

cars = Experiment(
    problem="auto_mpg", scaling="standard", depth=1, width=16, learning_rate=0.03
)
Lab(
    cars.replace(depth=0, learning_rate=0.1),
    controls=["depth", "width", "epochs"],
    pictures=("fit", "loss"),
)

# %%
from helpers.lessons.figures import sweep

widths = [0, 2, 4, 8, 16, 64]
# At a learning rate of 0.03 its bias would not get far enough.
plane = cars.replace(depth=0, learning_rate=0.1)
networks = [plane, *(cars.replace(width=width) for width in widths[1:])]
grown = [train_seeds(network, 50, probes=False) for network in networks]
sweep(
    widths,
    grown,
    label="units in the hidden layer (0: straight line)",
    title="The cars: skill and success rate by the number of units",
)

# %% [markdown]
# The curve rises and then flattens. Choose the network at which the curve becomes flat: that network is as good as the
# bigger ones and has fewer weights. That is Occam's razor. You need the curve for it, because you cannot know in
# advance where it flattens.

# %%
low, enough, more = (float(np.median(grown[place].skill)) for place in (0, 4, 5))
pays = low < enough - 0.03
claim(
    "The median skill of a straight line is "
    "{low:.2f}, that of sixteen units {enough:.2f}.",
    pays,
    over=grown,
    low=low,
    enough=enough,
)
claim(
    "With four times as many units it is {more:.2f}.",
    abs(more - enough) < 0.03,
    over=grown,
    more=more,
)

# %% [markdown]
# ## Exercises
#
# Put your answer in place of the three dots and run the cell. Each `Experiment` is trained with 50 seeds. Every
# correct answer passes, not only the one that we thought of.
#
# **1.** Learn the kink with 90% of the seeds and one hidden layer of at most 8 units.

# %% tags=["exercise"]
from helpers.lessons import exercises_capacity as exercises
from helpers.lessons.teaching import check

check(exercises.few_units_for_the_kink, ...)  # kink.replace(depth=1, width=...)

# %% tags=["solution"]
from helpers.lessons import exercises_capacity as exercises
from helpers.lessons.teaching import check

check(exercises.few_units_for_the_kink, kink.replace(depth=1, width=8))

# %% [markdown]
# **2.** Answer with a number, without running anything. A network for the cars has six inputs, two hidden layers of
# 16 units and one output. How many weights and biases does it have?

# %% tags=["exercise"]
check(exercises.count_the_parameters, ...)

# %% tags=["solution"]
check(exercises.count_the_parameters, (6 + 1) * 16 + (16 + 1) * 16 + (16 + 1) * 1)

# %% [markdown]
# **3.** Make hidden relu layers learn the article's line with 80% of the seeds, still with `sgd` at 0.01.

# %% tags=["exercise"]
check(exercises.line_with_relu, ...)  # article.replace(depth=2, ...)

# %% tags=["solution"]
check(exercises.line_with_relu, article.replace(depth=2, scaling="standard"))

# %% [markdown]
# **4.** The failing network below has one layer of 12 tanh units and 200 samples of a wave. Is it *too small*, *too
# big*, or *neither*? Prove your answer by changing one field so that 80% of the seeds learn. (`print(failing)` shows
# its fields; `Lab(failing)` opens it in a lab.)

# %%
from helpers.lessons import exercises_capacity as exercises

failing = exercises.FAILING
loss_curves(
    {"failing network": train_seeds(failing, 50)},
    training=True,
    title="Losses of the failing network",
)

# %% tags=["exercise"]
check(exercises.name_the_cause, ...)  # ("…", failing.replace(...))

# %% tags=["solution"]
# Both losses are high, so it is not too big. In a hundred epochs both fall by next to
# nothing: the steps are tiny.
check(exercises.name_the_cause, ("neither", failing.replace(learning_rate=0.01)))

# %% [markdown]
# **5.** Be frugal: learn the cars with 80% of the seeds and at most 100 weights and biases in total.

# %% tags=["exercise"]
check(exercises.frugal_with_cars, ...)  # cars.replace(...)

# %% tags=["solution"]
check(exercises.frugal_with_cars, cars.replace(width=12))

# %% [markdown]
# **6.** The hard one: learn the zigzag with 80% of the seeds and at most 300 weights and biases. The network is not
# too small.

# %% tags=["exercise"]
check(exercises.frugal_with_the_zigzag, ...)  # zigzag.replace(depth=3, width=10, ...)

# %% tags=["solution"]
# Units of swish do not die the way relu units do, and longer training helps.
check(
    exercises.frugal_with_the_zigzag,
    zigzag.replace(depth=3, width=10, activation="swish", epochs=500),
)

# %% [markdown]
# **7. Repair a program.** Six measurements, and a number to predict from them. "It learns something and then stops.
# Even a layer of 256 units did not help." Edit the program until the check passes. Change what you like: data, layers,
# loss, optimizer, settings. `check` trains *your* model with 20 seeds, and at least 16 of them must learn. There are
# three hints: each `repairs.hint("greenhouse")` shows one more.

# %%
from keras import layers

from helpers.lessons import repairs

# %% tags=["exercise"]
x, y, x_val, y_val = repairs.data("greenhouse")
settings = {"epochs": 60, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((6,)),
        layers.Dense(2, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
model.fit(x, y, verbose=0, **settings)
loss = model.evaluate(x_val, y_val, verbose=0)
print(f"validation loss {loss:.2f}, baseline {y_val.var():.2f}")
check(repairs.greenhouse, model, x, y, x_val, y_val, **settings)

# %% tags=["solution"]
x, y, x_val, y_val = repairs.data("greenhouse")
settings = {"epochs": 60, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((6,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
model.fit(x, y, verbose=0, **settings)
loss = model.evaluate(x_val, y_val, verbose=0)
print(f"validation loss {loss:.2f}, baseline {y_val.var():.2f}")
check(repairs.greenhouse, model, x, y, x_val, y_val, **settings)

# %% tags=["exercise"]
# repairs.hint("greenhouse")
# repairs.post_mortem("greenhouse")

# %% tags=["solution"]
repairs.post_mortem("greenhouse")

# %% tags=["exercise"]
from helpers.lessons.teaching import score

score()

# %% tags=["solution"]
from helpers.lessons.teaching import score

score(all_exercises=True)

# %% [markdown]
# ## In your own network
#
# Train with several seeds, and compare the training loss with the baseline before you look at the validation loss.
# Here `fit_seeds` takes the program of the last exercise; put your model and your data in its place.

# %%
from why_wont_it_learn import fit_seeds

study = fit_seeds(model, x, y, seeds=5, validation_data=(x_val, y_val), **settings)
print(f"baseline {np.var(y):.2f}")
print("training loss  ", study.loss[:, -1].round(2))
print("validation loss", study.val_loss[:, -1].round(2))

# %% [markdown]
# - Both losses are high with every seed: too small, or something else is wrong. Double the units of every layer. If the
#   training loss stays the same, the size is not the reason.
# - High with some seeds only: more units than the task needs, as in *Fix*.
# - The training loss is far below the validation loss, although both sets were prepared alike: too big for these
#   samples. Get more samples, or see lesson 05.
#
# ## In one sentence
#
# A network is too small if its training loss stays high until you add units, too big for its data if its training loss
# is far below its validation loss until you add samples, and neither if changing only the training is enough.
#
# **Where next.** [02 Activations](02_activations.ipynb): why units die or saturate. [03
# Optimizers](03_optimizers.ipynb): how long a step may be. [04 Preprocessing](04_preprocessing.ipynb): why
# standardised inputs helped here. [05 Regularization](05_regularization.ipynb): what to do when you cannot get more
# samples.
#
# **Read on.**
# I. Goodfellow, Y. Bengio and A. Courville, [*Deep Learning*](https://www.deeplearningbook.org/), chapters 5.2 (capacity,
# overfitting) and 6.4 (depth).
# M. Telgarsky, [*Benefits of depth in neural networks*](https://arxiv.org/abs/1602.04485) (2016): a proof with the zigzag.
# C. Zhang and others, [*Understanding deep learning requires rethinking generalization*](https://arxiv.org/abs/1611.03530)
# (2017): networks that can fit pure noise generalise anyway.
# M. Belkin and others, [*Reconciling modern machine-learning practice and the classical bias–variance
# trade-off*](https://arxiv.org/abs/1812.11118) (2019): beyond a certain size, bigger becomes better again.
