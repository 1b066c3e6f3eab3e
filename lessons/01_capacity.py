# %% [markdown]
# # 1 · Capacity: too small, too big, or neither?
#
# A network can be too small for its task. It can be too big for its data. And often it is blamed for one of the two when
# something else is wrong. After this lesson you can tell the three apart, by numbers.
#
# | part | minutes |
# |---|---|
# | The failure, your prediction, the lab | 7 |
# | Too small: what is missing, and what mends it | 6 |
# | Wide or deep | 3 |
# | Too big | 5 |
# | The article says, real data | 6 |
# | Exercises | as long as you like |
#
# The words *skill*, *learned*, *baseline* and *noise floor* are those of [00 Start here](00_start_here.ipynb).
#
# ## The failure

# %%
from helpers import Experiment, Lab

kink = Experiment(problem="abs", depth=0, activation="relu", epochs=100)
Lab(kink, controls=["depth", "width", "activation", "epochs"], pictures=("fit", "loss"))

# %% [markdown]
# The task is a kink, y = |x| (dashed). The network (blue) gives almost the same answer everywhere. Its loss stops at the
# dotted line, which is the loss of always answering the mean. It has learned nothing.
#
# ## Predict
#
# Choose an answer and press *Commit* before you try: it is kept, and the measurement will score it. A *seed* fixes everything that chance decides: the data, the first weights, the order
# of the batches. So "in most seeds" means: from most starts.

# %%
from helpers.lessons.teaching import predict

predict(
    "stack",
    "Five hidden layers of 16 units with `linear` activation learn the kink …",
    ["never", "in some seeds", "in most seeds"],
)

# %% [markdown]
# The next one is harder. `relu(z)` is z where z is positive, else 0. So |x| = relu(x) + relu(−x), and two relu
# units can draw the kink without any error.

# %%
predict(
    "pair",
    "One hidden layer of two relu units learns the kink …",
    ["in nearly all seeds", "in more than half of the seeds", "in less than half of the seeds"],
)

# %% [markdown]
# ## Observe
#
# Go back to the lab above.
#
# 1. Set *activation* to `linear` and *depth* to 5. Does the blue line ever bend?
# 2. Set *activation* to `relu`, *depth* to 1 and *width* to 2. Then press **100 seeds**. Each dot is one seed. At which
#    heights do the dots stand?
# 3. Move *width* to 16 and press **100 seeds** again.
#
# ## Explain: a line stays a line
#
# Put one linear layer after another: W₂(W₁x + b₁) + b₂ = (W₂W₁)x + (W₂b₁ + b₂). That is one matrix and one bias, so it is
# one linear layer. More of them change nothing. Only an activation that bends makes a second layer worth having.
#
# To measure it we need more than one run. `train_seeds(experiment, 50)` trains the same experiment from 50 seeds at once, and
# `kink.replace(depth=5)` is the same experiment with another depth.

# %%
from helpers import train_seeds

line = train_seeds(kink, 50)
stack = train_seeds(kink.replace(depth=5, activation="linear"), 50)
bend = train_seeds(kink.replace(depth=1, width=16), 50)

# %%
from helpers.lessons.teaching import claim, reveal

reveal(
    "stack",
    {
        "in most seeds": stack.success_rate > 0.5,
        "in some seeds": 0 < stack.success_rate <= 0.5,
        "never": stack.success_rate == 0,
    },
)

# %%
both, rate = max(line.success_rate, stack.success_rate), bend.success_rate
claim(
    "With no hidden layer or with five linear ones, {both:.0%} of the seeds learn.",
    both == 0,
    over=[line, stack],
    both=both,
)
claim("With one layer of sixteen relu units, {rate:.0%} learn.", rate > 0.9, over=bend, rate=rate)

# %%
from helpers import train
from helpers.lessons.figures import fits

fits(
    {
        "no hidden layer": train(line.experiment),
        "five linear layers": train(stack.experiment),
        "one relu layer": train(bend.experiment),
    },
    title="Five linear layers are still one line; one layer with a bend draws the kink",
)

# %% [markdown]
# The two pictures on the left are the same picture. The best straight line through a symmetric kink is flat, so its skill
# is that of a constant.
#
# ## Explain: enough units are not enough
#
# Now the two relu units, which can draw the kink exactly. We train them, train them five times longer, and start them from
# another initializer. All three keep the same two units.

# %%
two = kink.replace(depth=1, width=2)
pair = train_seeds(two, 100)
longer = train_seeds(two.replace(epochs=500), 100)
other_start = train_seeds(two.replace(initializer="he_normal"), 100)
four = train_seeds(two.replace(width=4), 100)
sixteen = train_seeds(two.replace(width=16), 100)

# %%
reveal(
    "pair",
    {
        "in nearly all seeds": pair.success_rate >= 0.9,
        "in more than half of the seeds": 0.5 <= pair.success_rate < 0.9,
        "in less than half of the seeds": pair.success_rate < 0.5,
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
    title="Two units can draw the kink, but most seeds get stuck on the way",
)

# %% [markdown]
# Read the first row from right to left. Some dots stand at 1: two units are enough, and here is the proof. A second group
# has stopped at about a third. There the network draws one arm of the kink only. In many of these seeds the other unit is
# **dead**: its relu is 0 at every point, so its gradient is 0, and it never moves again. In the others both units draw the
# same arm, and the way out leads uphill first. Either way training has come to rest in the wrong place, a *local minimum*. In
# the few dots at 0 both units are dead.
#
# What a network can **represent** is one thing. What training **finds** is another.

# %%
best, share = float(pair.skill.max()), pair.success_rate
apart = best > 0.99 and share < 0.5
claim("The best seed has skill {best:.2f}, yet only {share:.0%} learn.", apart, over=pair, best=best, share=share)
arm = float(((pair.skill > 0.1) & (pair.skill < 0.5)).mean())
claim("{arm:.0%} stop part of the way, between `0.1` and `0.5`.", 0.3 < arm < 0.8, over=pair, arm=arm)

# %%
lame = pair.dead[(pair.skill > 0.1) & (pair.skill < 0.5), -1, 0]
dead = float((lame > 0).mean())
claim("In {dead:.0%} of those, one of the two units is dead at the end.", 0.3 < dead < 0.9, over=pair, dead=dead)

# %% [markdown]
# ## Mend
#
# **What looks right and is not: more epochs.** The seeds are the same, so the long runs are the short runs, continued. We
# can ask what became of those that were stuck.

# %%
stuck = ~pair.learned
freed = float(longer.learned[stuck].mean())
claim("Of the stuck seeds, five times as many epochs free {freed:.0%}.", freed < 0.15, over=[pair, longer], freed=freed)
he = other_start.success_rate
claim("Started by `he_normal`, {he:.0%} learn: another start, no cure.", 0.15 < he < 0.6, over=other_start, he=he)

# %% [markdown]
# **What rescues: more units than the task needs.** Each further unit is another chance that one of them starts on the arm
# that is missing. It is cheap insurance, and it is the first thing to try when a small network works from some seeds only.

# %%
few, many = four.success_rate, sixteen.success_rate
better = share + 0.2 < few < many and many > 0.95
claim(
    "Four units learn in {few:.0%} of the seeds, sixteen in {many:.0%}.",
    better,
    over=[four, sixteen],
    few=few,
    many=many,
)

# %% [markdown]
# ## Wide or deep?
#
# The next task is a zigzag of four teeth. You have about 250 weights and biases to spend. You can put 83 relu units into one
# layer, or 10 into each of three layers. One relu unit makes one bend, and the zigzag has seven: on paper both have plenty.

# %%
predict(
    "zigzag",
    "With the same number of parameters, the zigzag is learned in more seeds by …",
    ["one layer of 83 units", "three layers of 10 units", "both the same"],
)

# %%
zigzag = Experiment(problem="triangle", scaling="standard", activation="relu", epochs=300)
wide = train_seeds(zigzag.replace(depth=1, width=83), 50)
deep = train_seeds(zigzag.replace(depth=3, width=10), 50)
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
claim("One layer has {few} parameters, three have {many}.", abs(few - many) < 5, over=[wide, deep], few=few, many=many)
low, high = wide.success_rate, deep.success_rate
claim(
    "One layer learns in {low:.0%} of the seeds, three in {high:.0%}.",
    high > low + 0.2,
    over=[wide, deep],
    low=low,
    high=high,
)

# %%
fits(runs, title="From this seed, one wide layer misses teeth that three narrow layers find")

# %%
skills({"one layer of 83": wide, "three layers of 10": deep}, title="Depth helps, but not from every seed")

# %% [markdown]
# A second layer works on what the first has already bent. So each layer can *fold* the line once more, and folds multiply
# where units of one layer only add up. But look at the dots again: not every seed finds the folds. Depth gives a
# better chance, not a promise.
#
# ## Too big
#
# Now the other failure: fifteen noisy points of a wave, and two layers of 32 units.

# %%
Lab(
    Experiment(
        problem="sine", samples=15, noise=0.3, scaling="standard", depth=2, width=32, epochs=500, batch_size=None
    ),
    controls=["samples", "depth", "width"],
    pictures=("fit", "loss"),
)

# %% [markdown]
# The blue line runs through the points, not along the truth. In the loss, the pale line (training points) falls below the
# noise floor. Nothing true is to be learned below that line, so what it learns there is the noise. The validation loss pays
# for it. This is *overfitting*.
#
# Which part of "too big" does the harm? Take one layer first, of 8 units or of 64.

# %%
predict(
    "width",
    "One layer of 64 units instead of 8, on the same fifteen points. The median skill on new points becomes …",
    ["clearly worse (by more than 0.1)", "about the same", "clearly better (by more than 0.1)"],
)

# %%
scarce = Experiment(problem="sine", samples=15, noise=0.3, scaling="standard", epochs=500, batch_size=None)
narrow = train_seeds(scarce.replace(depth=1, width=8), 50)
broad = train_seeds(scarce.replace(depth=1, width=64), 50)
double = train_seeds(scarce.replace(depth=2, width=32), 50)
fed = train_seeds(double.experiment.replace(samples=100), 50)

# %%
import numpy as np

change = float(np.median(broad.skill) - np.median(narrow.skill))
reveal(
    "width",
    {
        "clearly worse (by more than 0.1)": change < -0.1,
        "about the same": -0.1 <= change <= 0.1,
        "clearly better (by more than 0.1)": change > 0.1,
    },
)
claim("The median skill changes by {change:.2f}.", abs(change) < 0.1, over=[narrow, broad], change=abs(change))

# %%
from helpers.lessons.figures import loss_curves

loss_curves(
    {"1 layer of 8": narrow, "1 layer of 64": broad, "2 layers of 32": double},
    training=True,
    title="All three learn the noise of fifteen points; the deeper network pays most for it",
)

# %% [markdown]
# The dashed lines (training) all cross the green line, so all three learn noise. The full lines (validation) show the price.
# 64 units side by side do as well as 8. The same number in two layers does worse: a second layer can fold the curve more
# sharply between two points.

# %%
both = [double, narrow]
below = float((double.loss[:, -1] < double.noise_floor).mean())
claim(
    "With two layers, {below:.0%} of the seeds end below the floor in training.", below > 0.8, over=double, below=below
)
worse = float((double.skill < narrow.skill).mean())
claim("On the same points, {worse:.0%} of them do worse than eight units.", worse > 0.65, over=both, worse=worse)

# %% [markdown]
# **What looks right and is not: a smaller network.** Eight units overfit less, but they seldom learn the wave either.
# **What rescues: more points.** The same two layers, the same noise, a hundred points instead of fifteen.

# %%
small, big, rate = narrow.success_rate, double.success_rate, fed.success_rate
few = max(small, big) < 0.4
claim("From fifteen points {small:.0%} and {big:.0%} of the seeds learn.", few, over=both, small=small, big=big)
claim("From a hundred points, two layers learn in {rate:.0%} of the seeds.", rate > 0.8, over=fed, rate=rate)

# %% [markdown]
# So "too big" is not a property of the network. It is always too big *for these data*. Where you cannot have more points,
# [lesson 05](05_regularization.ipynb) is about what else helps.
#
# ## The article says
#
# The article that these lessons answer gives an example of too little capacity: a single linear unit on noisy points of the
# line y = 2x + 1, with x from 0 to 10, trained by plain `sgd` at 0.01. One unit, it says, struggles to fit such data, and
# more layers and units generally do better. Its program prints a loss, and nothing to compare that loss with.

# %%
predict(
    "line",
    "Two relu layers of 16 units, otherwise as in the article. Compared with the single unit they learn the line in …",
    ["fewer seeds", "as many seeds", "more seeds"],
)

# %%
article = Experiment(problem="line", depth=0, activation="relu", optimizer="sgd")  # sgd at 0.01, 100 epochs
unit = train_seeds(article, 100)
relus = train_seeds(article.replace(depth=2), 100)
patience = train_seeds(relus.experiment.replace(epochs=300), 100)
scaled = train_seeds(relus.experiment.replace(scaling="standard"), 100)
slower = train_seeds(relus.experiment.replace(learning_rate=0.001), 100)

# %%
gain = relus.success_rate - unit.success_rate
reveal(
    "line",
    {"more seeds": gain > 0.05, "as many seeds": abs(gain) <= 0.05, "fewer seeds": gain < -0.05},
)

# %%
skills(
    {
        "one linear unit": unit,
        "two relu layers": relus,
        "… three times longer": patience,
        "… inputs standardised": scaled,
        "… a tenth of the rate": slower,
    },
    title="One unit is all that a line needs; two more layers break it, and not for lack of size",
)

# %%
rate, skill = unit.success_rate, float(np.median(unit.skill))
fits_it = rate > 0.95 and skill > 0.99
claim(
    "One unit learns the line in {rate:.0%}, with a median skill of {skill:.3f}.",
    fits_it,
    over=unit,
    rate=rate,
    skill=skill,
)
rate, still = relus.success_rate, patience.success_rate
fail = max(rate, still) < 0.1
claim(
    "The two relu layers learn it in {rate:.0%}, and trained three times longer in {still:.0%}.",
    fail,
    over=[relus, patience],
    rate=rate,
    still=still,
)

# %% [markdown]
# The noise has a variance of 1, so a loss near 1 is as low as it can get. The single unit gets there. Nothing is missing.
#
# Why do the relu layers fail? The gradient of a first-layer weight is multiplied by its input. Inputs up to 10 make the first
# steps so long that they throw the units to where z = w·x + b is negative at *every* point. There relu is flat, and the unit is
# dead, as on the kink. If a whole layer is dead, the network answers the same for every x. *Standardised* inputs have mean 0
# and standard deviation 1, so their steps are short.

# %%
from helpers.lessons.figures import layers

layers(
    {"inputs 0 to 10": relus, "standardised": scaled, "a tenth of the rate": slower},
    measure="dead",
    epoch=-1,
    title="With long steps nearly all units die; shorter steps leave enough of them alive",
)

# %%
first, last = (float(relus.dead[:, epoch].mean()) for epoch in (0, -1))
die = 0.7 < first < last and last > 0.9
claim(
    "After one epoch {first:.0%} of the units are dead, at the end {last:.0%}.", die, over=relus, first=first, last=last
)
scale, slow = scaled.success_rate, slower.success_rate
live = scale > 0.8 and slow > 0.9
claim(
    "With standardised inputs {scale:.0%} learn, with a tenth of the rate {slow:.0%}.",
    live,
    over=[scaled, slower],
    scale=scale,
    slow=slow,
)

# %% [markdown]
# Both rescues shorten the steps. Neither adds a single unit.
#
# | the article says | measured in this lesson |
# |---|---|
# | too few units cannot capture a non-linear pattern | **true**: the kink without a bend |
# | (and so, enough units can) | **false**: two relu units on the kink |
# | one unit is too small for a noisy line | **false**: it reaches the noise floor |
# | more layers and units generally do better | **false as printed**: dead units |
# | a shallow network may be incapable | **true in effect**: on the zigzag one layer could, but did not find it |
# | an excessively deep network overfits | **true where points are few and noisy**; width alone did little |
# | of two that do equally well, take the simpler | **true**: see next |
#
# ## Real data, and Occam's razor
#
# How far does a car go on a gallon of petrol? Nobody knows the true function. So the noise floor here is the error of a
# *kernel ridge regression*, a strong model from scikit-learn, on the same cars.

# %%
cars = Experiment(problem="auto_mpg", scaling="standard", depth=1, width=16, learning_rate=0.03)
Lab(cars.replace(depth=0, learning_rate=0.1), controls=["depth", "width", "epochs"], pictures=("fit", "loss"))

# %%
from helpers.lessons.figures import sweep

widths = [0, 2, 4, 8, 16, 64]
plane = train_seeds(cars.replace(depth=0, learning_rate=0.1), 50)  # its one bias has the longest way to go
grown = [plane, *(train_seeds(cars.replace(width=width), 50) for width in widths[1:])]
sweep(
    widths,
    grown,
    label="units in the hidden layer (0: straight line)",
    title="The cars need a bend, but not many units",
)

# %% [markdown]
# The curve rises, then it is flat. Where it becomes flat is the network to take: it is as good as the bigger ones, trains
# faster, and leaves less room for noise. That is Occam's razor, and it needs the curve: you cannot know the place beforehand.

# %%
low, enough, more = (float(np.median(grown[place].skill)) for place in (0, 4, 5))
pays = low < enough - 0.03
claim("Median skill: a straight line {low:.2f}, sixteen units {enough:.2f}.", pays, over=grown, low=low, enough=enough)
claim("Four times as many units have {more:.2f}.", abs(more - enough) < 0.03, over=grown, more=more)

# %% [markdown]
# ## Exercises
#
# Put your answer in place of the three dots and run the cell. Each `Experiment` is trained from 50 seeds. Every right answer
# passes, not only the one that we thought of.
#
# **1.** Learn the kink in 90 % of the seeds, with one hidden layer of at most 8 units.

# %% tags=["exercise"]
from helpers.lessons import exercises
from helpers.lessons.teaching import check

check(exercises.few_units_for_the_kink, ...)  # kink.replace(depth=1, width=...)

# %% tags=["solution"]
from helpers.lessons import exercises
from helpers.lessons.teaching import check

check(exercises.few_units_for_the_kink, kink.replace(depth=1, width=8))

# %% [markdown]
# **2.** A number, without running anything: how many weights and biases has a network for the cars (six inputs) with two
# hidden layers of 16 units and one output?

# %% tags=["exercise"]
check(exercises.count_the_parameters, ...)

# %% tags=["solution"]
check(exercises.count_the_parameters, (6 + 1) * 16 + (16 + 1) * 16 + (16 + 1) * 1)

# %% [markdown]
# **3.** Make hidden relu layers learn the article's line in 80 % of the seeds, still with `sgd` at 0.01.

# %% tags=["exercise"]
check(exercises.line_with_relu, ...)  # article.replace(depth=2, ...)

# %% tags=["solution"]
check(exercises.line_with_relu, article.replace(depth=2, scaling="standard"))

# %% [markdown]
# **4.** The patient below has one layer of 12 tanh units and 200 points of a wave. It does not learn. Is it *too small*, *too
# big*, or *neither*? Prove your answer by changing one field so that 80 % of the seeds learn. (`patient.learning_rate` and
# the like tell you its fields; `Lab(patient)` opens it in a lab.)

# %%
from helpers.lessons import exercises

patient = exercises.PATIENT
loss_curves({"patient": train_seeds(patient, 50)}, training=True, title="The patient: what do these two curves say?")

# %% tags=["exercise"]
check(exercises.name_the_cause, ...)  # ("too small", patient.replace(...))

# %% tags=["solution"]
# Both losses are high, so it is not too big. Both still fall, in a hundred epochs, by next to nothing: the steps are tiny.
check(exercises.name_the_cause, ("neither", patient.replace(learning_rate=0.01)))

# %% [markdown]
# **5.** Be frugal: learn the cars in 80 % of the seeds, with at most 100 weights and biases in all.

# %% tags=["exercise"]
check(exercises.frugal_with_cars, ...)  # cars.replace(...)

# %% tags=["solution"]
check(exercises.frugal_with_cars, cars.replace(width=12))

# %% [markdown]
# **6.** The hard one: learn the zigzag in 80 % of the seeds, with at most 300 weights and biases. Size is not what is missing.

# %% tags=["exercise"]
check(exercises.frugal_with_the_zigzag, ...)  # zigzag.replace(depth=3, width=10, ...)

# %% tags=["solution"]
# Many units of the relu network die. Those of swish and leaky_relu seldom fall silent, and a longer training helps them.
check(exercises.frugal_with_the_zigzag, zigzag.replace(depth=3, width=10, activation="swish", epochs=500))

# %% tags=["exercise"]
from helpers.lessons.teaching import score

score()

# %% tags=["solution"]
from helpers.lessons.teaching import score

score(all_exercises=True)

# %% [markdown]
# ## In one sentence
#
# A network is too small if more units help on new points, too big if more points do, and neither if a change of the training
# alone is enough.
#
# **Where next.** [02 Activations](02_activations.ipynb): why units die or fall silent. [03 Optimizers](03_optimizers.ipynb):
# how long a step may be. [04 Preprocessing](04_preprocessing.ipynb): why standardised inputs were a rescue.
# [05 Regularization](05_regularization.ipynb): what to do when there are no more points.
#
# **Read on.**
# I. Goodfellow, Y. Bengio and A. Courville, [*Deep Learning*](https://www.deeplearningbook.org/), chapters 5.2 (capacity,
# overfitting) and 6.4 (depth).
# M. Telgarsky, [*Benefits of depth in neural networks*](https://arxiv.org/abs/1602.04485) (2016): the zigzag, proved.
# C. Zhang and others, [*Understanding deep learning requires rethinking generalization*](https://arxiv.org/abs/1611.03530)
# (2017): networks that can learn pure noise, and generalise all the same.
# M. Belkin and others, [*Reconciling modern machine-learning practice and the classical bias–variance
# trade-off*](https://arxiv.org/abs/1812.11118) (2019): when still bigger becomes better again.
