# %% [markdown]
# # 3 · Optimizers: how far to step, and which way
#
# The gradient tells which way is down. It does not tell how far to go. That is the *learning rate*, and it is the first
# number to look at when a network does not learn. After this lesson you can compute where it breaks, tell "too high" from
# "too low", and say when another optimizer helps and when it only hides the cause.
#
# | part | minutes |
# |---|---|
# | The failure, your prediction, the lab | 5 |
# | The edge, the bowl, and what mends | 8 |
# | Adaptive optimizers: where they win, where they lose | 8 |
# | Batches, schedules, epochs | 5 |
# | The article says | 2 |
# | Exercises | as long as you like |
#
# A part headed *Look closer* is folded: open it with the arrow beside it, now or later. The words *skill*, *learned*,
# *baseline* and *noise floor* are those of [00 Start here](00_start_here.ipynb).
#
# ## The failure

# %%
from helpers import Experiment, Lab

line = Experiment(
    problem="line", depth=0, optimizer="sgd", learning_rate=0.03, batch_size=None, epochs=1000
)  # fmt: skip
Lab(line, controls=["optimizer", "learning_rate", "epochs"], pictures=("fit", "loss"))

# %% [markdown]
# One linear unit, and a straight line to learn. Nothing in deep learning is simpler. Yet the loss grows in every step until it
# is no longer a number. All points are used in every step (*batch size* all), so chance has no part in it.
#
# ## Predict
#
# Choose an answer and press *Commit* before you go on: it is kept, and the measurement will score it.

# %%
from helpers.lessons.teaching import predict

predict(
    "edge",
    "For these data there is a rate, the edge, where convergence ends. At a rate one percent above the edge …",
    ["training diverges from every seed", "it diverges from some seeds", "one percent is too little to matter"],
)

# %%
predict(
    "defaults",
    "Inputs standardised, each optimizer at Keras's default rate: within 300 steps, most seeds learn the line with …",
    ["`sgd`, `rmsprop`, `adagrad` and `adam`", "only `sgd`", "only the adaptive three", "none of them"],
)

# %% [markdown]
# ## Observe
#
# Go back to the lab above.
#
# 1. Move *learning rate* one stop to the left. Then one more, and on to the end. Where does the line fit best?
# 2. At the smallest rates, look at the loss. It falls, but how far does it get?
# 3. Set *optimizer* to `adam` and move the rate through all its stops. Can you make it diverge?
#
# ## Explain: the edge
#
# Take a single weight w first. Near its minimum w*, a loss is a parabola, ½·h·(w − w*)². Its gradient is h·(w − w*). A step
# of gradient descent with rate r multiplies the distance to w* by (1 − r·h). It shrinks as long as that factor lies between
# −1 and 1. So the edge is at **r = 2 / h**. Beyond it, every step jumps over the minimum and lands farther away.
#
# The linear unit has two weights, a slope and a bias. Its mean squared error is a bowl. The curvatures of the bowl are the
# eigenvalues of the *Hessian*, and for a bowl it needs nothing but the inputs.

# %%
import numpy as np

from helpers.experiments.problems import make_problem


def curvatures(experiment):
    """The eigenvalues of the Hessian of the mean squared error of a linear unit, the smaller first."""
    x = make_problem(experiment).x.astype(float)
    columns = np.column_stack([x, np.ones(len(x))])  # the bias is a weight whose input is always 1
    return np.linalg.eigvalsh(2 / len(x) * columns.T @ columns)


flat, steep = curvatures(line)
edge = 2 / steep
print(f"curvatures {flat:.3f} and {steep:.1f}, edge {edge:.4f}, condition number {steep / flat:.0f}")

# %% [markdown]
# The steepest direction decides the edge. Now we test it, one percent to both sides. The calculation knows neither the targets
# nor the first weights, so it should hold from every seed.

# %%
from helpers import train_seeds

half = train_seeds(line.replace(learning_rate=0.5 * edge), 50)
below = train_seeds(line.replace(learning_rate=0.99 * edge), 50)
above = train_seeds(line.replace(learning_rate=1.01 * edge), 50)

# %%
from helpers.lessons.teaching import claim, reveal

grew = above.loss[:, -1] > above.loss[:, 0]
reveal(
    "edge",
    {
        "training diverges from every seed": bool(grew.all()),
        "it diverges from some seeds": bool(grew.any() and not grew.all()),
        "one percent is too little to matter": not grew.any(),
    },
)

# %%
rate, share = below.success_rate, float(grew.mean())
claim("The edge is {edge:.4f}.", 0.0291 < edge < 0.0293, over=[below, above], edge=edge)
claim(
    "`0.99` of it learns in {rate:.0%}; `1.01` of it diverges in {share:.0%}.",
    rate == 1 and share == 1,
    over=[below, above],
    rate=rate,
    share=share,
)

# %%
from helpers.lessons.figures import loss_curves

loss_curves(
    {"half of the edge": half, "0.99 of the edge": below, "1.01 of the edge": above},
    title="One percent below the edge training converges, one percent above it diverges",
)

# %% [markdown]
# So the failure at the top was not bad luck. 0.03 lies beyond the edge, and the next stop of the slider, 0.01, lies within.
#
# ## Explain: the bowl
#
# The steepest direction sets the limit for the rate, and the flattest has to live with it. Their ratio is the *condition
# number*. If it is large, a rate that the steep direction can bear is far too small for the flat one.
#
# Here are three versions of the same points. Only the origin and the unit of x differ. The curves are lines of equal loss, each
# a quarter of the next. Every dot is one step of `sgd` at 0.8 of the edge.

# %%
from helpers.lessons.figures import paths


def at(share, experiment):
    """The experiment with a rate that is a share of its edge."""
    return experiment.replace(learning_rate=share * 2 / curvatures(experiment).max())


centred, standardised = line.replace(offset=-5), line.replace(scaling="standard")
ways = {"x from 0 to 10": line, "x from −5 to 5": centred, "standardised x": standardised}
paths(
    {label: at(0.8, one).replace(epochs=40) for label, one in ways.items()},
    title="The data form the bowl, and the form of the bowl decides how straight the way is",
)

# %% [markdown]
# On the left the path jumps across the valley, then creeps along its floor. On the right the bowl is round, every direction
# is as steep as every other, and a few steps are enough.


# %%
def steps(study):
    """How many steps until the training loss is within one percent of its end, in the median seed."""
    near = study.loss < 1.01 * study.loss.min(axis=1, keepdims=True)
    return float(np.median(near.argmax(axis=1) + 1))


# %%
# Nobody looks at the layers here. Without probes it is quicker.
studies = [train_seeds(at(0.8, one), 50, probes=False) for one in ways.values()]
raw, middle, round_ = map(steps, studies)
claim("At `0.8` of the edge: {raw:.0f} steps with x from `0` to `10`.", raw > 3 * middle, over=studies, raw=raw)
claim(
    "Centred it takes {middle:.0f} steps, standardised {round_:.0f}.",
    middle > 1.5 * round_,
    over=studies,
    middle=middle,
    round_=round_,
)

# %% [markdown]
# Now turn the condition number yourself. Move the slider (or press the arrow keys on it). The unit of x changes, and with
# it the bowl. Watch three optimizers, each with 60 steps from the same start.

# %%
from helpers.lessons.figures import flip


def racers(condition):
    """Three optimizers on a bowl of this condition number: x around 0, in another unit."""
    unit = np.sqrt(condition * curvatures(centred).min() / curvatures(centred).max())
    sgd = at(0.8, line.replace(stretch=unit, offset=-5 * unit, epochs=60))
    adam = sgd.replace(optimizer="adam", learning_rate=0.3)
    return {"sgd": sgd, "momentum": sgd.replace(optimizer="momentum"), "adam, rate 0.3": adam}


title = "The narrower the valley, the more momentum and adam gain on sgd"
bowls = {condition: paths(racers(condition), title=title) for condition in (1, 3, 10, 30, 100, 300, 1000)}
flip(bowls, label="condition number", start=100)

# %% [markdown]
# `sgd` comes to a halt on the floor of a narrow valley. `momentum` keeps its speed there: steps to and fro cancel, steps
# along the floor add up. `adam` divides each weight's step by the usual size of that weight's gradient. It hardly notices
# how narrow the valley is. But turn the slider to 1: on a round bowl plain `sgd`, at these rates, is the first of the three.


# %%
def first_share(studies):
    """In what share of the seeds the first of the studies ends with the lowest training loss."""
    losses = np.array([study.loss[:, -1] for study in studies])
    return float((losses[0] <= losses.min(axis=0)).mean())


# %%
round_bowl, valley = (
    [train_seeds(one, 50, probes=False) for one in racers(condition).values()] for condition in (1, 1000)
)
first, last, runs = first_share(round_bowl), first_share(valley), round_bowl + valley
claim(
    "`sgd` is first in {first:.0%} on the round bowl, in {last:.0%} at `1000`.",
    first > 0.9 and last < 0.1,
    over=runs,
    first=first,
    last=last,
)

# %% [markdown]
# ## Mend
#
# Let us make it worse. The same line, but x counts years, from 2000 to 2010.

# %%
years = line.replace(offset=2000)
flat, steep = curvatures(years)
print(f"edge {2 / steep:.1e}, condition number {steep / flat:.0e}")
smaller = train_seeds(at(0.5, years), 50, probes=False)
adam = [train_seeds(years.replace(optimizer="adam", learning_rate=rate), 50, probes=False) for rate in (0.01, 0.1, 1)]
scaled = train_seeds(at(0.5, years.replace(scaling="standard")), 50, probes=False)

# %%
from helpers.lessons.figures import skills

adams = {f"adam, rate {study.experiment.learning_rate:g}": study for study in adam}
skills(
    {"sgd, half of the edge": smaller, **adams, "sgd, standardised": scaled},
    title="In years, neither a smaller rate nor adam helps; standardising does",
)

# %% [markdown]
# **What looks right and is not: a smaller rate.** It no longer diverges, and it no longer arrives. **Nor does `adam`.** It
# treats each weight apart. Here the valley runs *across* the axes, because slope and bias can make up for each other: far
# away from x = 0 a bit more slope and a lot less bias give nearly the same answers.
# **What rescues: standardised inputs.** They are the smallest change of all, and they mend the cause.

# %%
failed = [smaller, *adam]
most, rate = max(study.success_rate for study in failed), scaled.success_rate
claim(
    "In years, `sgd` and `adam` learn in {most:.0%}; standardised, `sgd` learns in {rate:.0%}.",
    most == 0 and rate == 1,
    over=[*failed, scaled],
    most=most,
    rate=rate,
)

# %% [markdown]
# ## Explain: who does not care about units
#
# Another test of the same idea. We stretch x, from hundredths to hundreds, and leave x = 0 where it is. The map shows how many
# of 50 seeds learn the line within 300 steps, first with `sgd`.

# %%
from helpers import success_map

lab = Lab(
    line.replace(stretch=10, epochs=300), controls=["stretch", "optimizer", "learning_rate"], pictures=("fit", "loss")
)
lab

# %%
stretches, decades = ("stretch", [0.01, 0.1, 1, 10, 100]), ("learning_rate", [1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10])
sgd_map = success_map(lab.first, stretches, decades, lab=lab)
sgd_map

# %%
adam_map = success_map(lab.first.replace(optimizer="adam"), stretches, decades, lab=lab)
adam_map

# %% [markdown]
# For `sgd` the good rates lie on a diagonal: ten times the unit, a hundredth of the rate. At both ends they leave the map. For
# `adam` they fill a block: a step of one rate is the same in every unit. (A click on a cell puts its setting into the lab
# above.)

# %%
served = (sgd_map.rate >= 0.9).sum(axis=0)
best = int(served.max())
claim("With `sgd`, no rate serves more than {best} of the five units.", best <= 2, over=sgd_map.studies, best=best)
least = float(adam_map.rate[:, -1].min())
claim("With `adam` at `10`, at least {least:.0%} learn in every unit.", least > 0.9, over=adam_map.studies, least=least)

# %% [markdown]
# ## Explain: adaptive is not always better
#
# Now the inputs are standardised, and each optimizer runs at the rate that Keras gives it if you write only its name.

# %%
import keras

short = standardised.replace(epochs=300)


def with_rates(rates):
    """A study for each optimizer, at its rate."""
    return {
        name: train_seeds(short.replace(optimizer=name, learning_rate=rate), 50, probes=False)
        for name, rate in rates.items()
    }


keras_rates = {name: float(keras.optimizers.get(name).learning_rate) for name in ("sgd", "rmsprop", "adagrad", "adam")}
default = with_rates(keras_rates)
raised = with_rates({"adagrad": 1, "adam": 0.1})

# %%
shown = {f"{name}, {study.experiment.learning_rate:g} (default)": study for name, study in default.items()}
shown |= {f"{name}, {study.experiment.learning_rate:g}": study for name, study in raised.items()}
skills(shown, title="On a round bowl sgd wins, because the defaults of the others are far too small here")

# %%
rates = {name: study.success_rate for name, study in default.items()}
plain, adaptive = rates.pop("sgd"), list(rates.values())
reveal(
    "defaults",
    {
        "`sgd`, `rmsprop`, `adagrad` and `adam`": plain > 0.5 and min(adaptive) > 0.5,
        "only `sgd`": plain > 0.5 and max(adaptive) <= 0.5,
        "only the adaptive three": plain <= 0.5 and min(adaptive) > 0.5,
        "none of them": plain <= 0.5 and max(adaptive) <= 0.5,
    },
)

# %%
others, studies = max(adaptive), list(default.values())
claim(
    "At the defaults `sgd` learns in {plain:.0%}, the best of the others in {others:.0%}.",
    plain > others + 0.5,
    over=studies,
    plain=plain,
    others=others,
)
pair = default["adagrad"], raised["adagrad"]
slow, fast = (study.success_rate for study in pair)
claim("`adagrad` at its default: {slow:.0%}; at `1`: {fast:.0%}.", fast > slow + 0.5, over=pair, slow=slow, fast=fast)

# %% [markdown]
# `adagrad` divides each step by the root of *all* squared gradients so far. Its steps only ever get smaller, so it needs a
# large rate to start with. Whoever compares optimizers at one and the same rate compares rates, not optimizers.
#
# ## Explain: a real network
#
# A network with a hidden layer has no bowl, but valleys and plains, and no edge that you can compute beforehand. So we
# measure. One hidden layer of 16 `tanh` units, a hundred points of a wave, 300 steps.

# %%
predict(
    "hot",
    "The same network with `adam` at a rate of 10. At the end of training, in most seeds …",
    ["the loss is not a number", "the loss is a number, but it has not learned", "it has learned"],
)

# %%
wave = Experiment(problem="sine", scaling="standard", samples=100, depth=1, batch_size=None, epochs=300)
wave_lab = Lab(
    wave.replace(optimizer="sgd", learning_rate=0.01),
    controls=["optimizer", "learning_rate", "schedule", "momentum", "batch_size", "epochs"],
    pictures=("fit", "loss"),
)
wave_lab

# %%
from helpers.experiments.catalog import OPTIMIZERS

rates = [1e-5, 0.001, 0.01, 0.03, 0.1, 0.3, 1, 3, 10]
rate_map = success_map(wave, ("optimizer", list(OPTIMIZERS)), ("learning_rate", rates), lab=wave_lab)
rate_map

# %% [markdown]
# Every row has a band of good rates, and the bands differ in place and width. Left of it the steps are too short for 300 of them. Right
# of it they are too long. Click a pale cell on either side and compare the loss in the lab: *too low* falls smoothly and
# slowly; *too high* is wild at first, then it stands still or is gone. The same cells by their loss:

# %%
rate_map.figure("loss")

# %% [markdown]
# At the left all optimizers end near the loss of a constant. At the right they part: some diverge, some stay finite and bad.

# %%
slowest = [study for study in rate_map.studies if study.experiment.learning_rate == 1e-5]
lowest = min(float(np.median(study.val_loss)) for study in slowest)
constant = float(np.median(slowest[0].baseline))
claim(
    "A constant: {constant:.2f}; the best at `1e-5`: {lowest:.2f}.",
    lowest > 0.9 * constant,
    over=slowest,
    constant=constant,
    lowest=lowest,
)

# %%
hot = rate_map.study("adam", 10)
finite = np.isfinite(hot.loss[:, -1])
reveal(
    "hot",
    {
        "the loss is not a number": finite.mean() <= 0.5,
        "the loss is a number, but it has not learned": finite.mean() > 0.5 and hot.success_rate <= 0.5,
        "it has learned": hot.success_rate > 0.5,
    },
)

# %%
stall, number = hot.success_rate, float(finite.mean())
claim(
    "`adam` at `10`: a finite loss in {number:.0%}, learned in {stall:.0%}.",
    stall < 0.1 and number == 1,
    over=hot,
    number=number,
    stall=stall,
)
lost = float((~np.isfinite(rate_map.study("sgd", 1).loss[:, -1])).mean())
claim("`sgd` at `1`: diverged in {lost:.0%}.", lost > 0.95, over=rate_map.study("sgd", 1), lost=lost)

# %%
wide = {name: int((row >= 0.8).sum()) for name, row in zip(OPTIMIZERS, rate_map.rate, strict=True)}
sgd, momentum, adam = (wide[name] for name in ("sgd", "momentum", "adam"))
claim(
    "How many of the rates serve: `sgd` {sgd}, `momentum` {momentum}, `adam` {adam}.",
    sgd < momentum < adam, over=rate_map.studies, sgd=sgd, momentum=momentum, adam=adam,
)  # fmt: skip
one, other = (rate_map.study(name, 0.01).success_rate for name in ("sgd", "momentum"))
claim(
    "At `0.01`, `sgd` learns in {one:.0%}, `momentum` in {other:.0%}.",
    other > one + 0.5,
    over=rate_map.studies,
    one=one,
    other=other,
)

# %% [markdown]
# So plain `sgd` needs its rate almost exactly, and `adam` forgives a lot. But at its one good rate `sgd` learns, too.

# %% [markdown]
# ### Look closer (optional): why adam does not diverge
#
# Each of its steps is about one rate long, whatever the gradient, so it cannot run away. But a few steps of 10 are enough to
# make every weight huge. Then the units are saturated, and hardly anything can bring them back. A NaN is noticed at once. This
# is not.

# %%
jumping = train_seeds(wave.replace(learning_rate=10), 50)
flat_units = float(jumping.saturated[:, -1].mean())
claim(
    "At `10` with `adam`, {flat_units:.0%} of the units end saturated.",
    flat_units > 0.8,
    over=jumping,
    flat_units=flat_units,
)

# %%
plain, decay = (rate_map.study(name, 3).success_rate for name in ("adam", "adamw"))
claim(
    "At `3`, `adam` learns in {plain:.0%}, `adamw` in {decay:.0%}.",
    decay > plain + 0.5,
    over=rate_map.studies,
    plain=plain,
    decay=decay,
)

# %% [markdown]
# `adamw` is `adam` that also shrinks every weight by a small share in each step. That is what brings them back.

# %% [markdown]
# ## Fill the map
#
# "It depends", and not only on these two. Many cells that the map above leaves pale can be made to learn: with more epochs, a
# schedule, smaller batches, another momentum. Find a setting in the lab above, then press *Register*. How many cells can you
# fill, and which resist?

# %%
corner = [0.001, 0.01, 0.1, 1]
success_map(wave, ("optimizer", list(OPTIMIZERS)), ("learning_rate", corner), lab=wave_lab, finds=True)

# %% [markdown]
# ## Explain: one rate a step
#
# A step of a fixed length has a price. This task has targets of about 200 000, and `adam` with a common rate.

# %%
predict(
    "price",
    "Targets of about 200 000, `adam` at 0.01, 500 steps. The bias of the output unit, which starts at 0, ends near …",
    ["200 000", "2 000", "5"],
)

# %%
price = Experiment(problem="price", depth=1, batch_size=None, epochs=500)
asked = train_seeds(price, 50, probes=False)
huge = train_seeds(price.replace(learning_rate=1000), 50, probes=False)
unit = train_seeds(price.replace(target_scaling="standard"), 50, probes=False)
bias = float(np.median(asked.weights[:, -1]))  # the last of all weights
reveal(
    "price",
    {"200 000": bias > 50_000, "2 000": 100 < bias <= 50_000, "5": bias <= 100},
)

# %%
skills(
    {"rate 0.01": asked, "rate 1000": huge, "targets standardised": unit},
    title="Targets in the hundred thousands are out of reach for steps of a fixed length",
)

# %%
travel = bias / (price.learning_rate * price.epochs)
claim("The bias moved by {travel:.2f} times the rate in each step.", 0.95 < travel < 1.05, over=asked, travel=travel)
millions = 200_000 / (bias / price.epochs) / 1e6
claim("At that speed `200 000` is {millions:.0f} million steps away.", millions > 10, over=asked, millions=millions)
no, yes = max(asked.success_rate, huge.success_rate), unit.success_rate
claim(
    "With the rate `0.01` or `1000` {no:.0%} learn, with standardised targets {yes:.0%}.",
    no == 0 and yes > 0.9,
    over=[asked, huge, unit],
    no=no,
    yes=yes,
)

# %% [markdown]
# **What looks right and is not: a huge rate.** It carries the answers far enough, but it throws every weight of the hidden layer
# as far, too. **What rescues: standardised targets.** Then nothing has to travel far. (*target scaling* in the lab. The answers are
# scaled back when the network is used.)
#
# ## Explain: how many steps?
#
# An epoch is not a step. With 256 points, a batch of 4 makes 64 steps of each epoch, and a batch of 256 makes one.

# %%
predict(
    "batch",
    "A batch of 4 or of 256, each for 20 epochs with `adam` at 0.01. More seeds learn the wave with …",
    ["the batch of 4", "the batch of 256", "no clear difference"],
)

# %%
sizes = [4, 16, 64, 256]
many = wave.replace(samples=256)
epochs = [train_seeds(many.replace(batch_size=size, epochs=20), 50, probes=False) for size in sizes]
equal = [train_seeds(many.replace(batch_size=size, epochs=640 * size // 256), 50, probes=False) for size in sizes]

# %%
small, big = epochs[0].success_rate, epochs[-1].success_rate
reveal(
    "batch",
    {
        "the batch of 4": small > big + 0.2,
        "the batch of 256": big > small + 0.2,
        "no clear difference": abs(small - big) <= 0.2,
    },
)

# %%
from helpers.lessons.figures import sweep

sweep(
    sizes,
    {"20 epochs": epochs, "640 steps": equal},
    label="batch size (points)",
    title="Small batches win at equal epochs, large ones at equal steps",
)

# %%
claim(
    "At equal epochs: {small:.0%} with batches of `4`, {big:.0%} with `256`.",
    small > big + 0.5,
    over=epochs,
    small=small,
    big=big,
)
small, big = equal[0].success_rate, equal[-1].success_rate
claim("At equal steps: {small:.0%} and {big:.0%}.", big > small + 0.2, over=equal, small=small, big=big)

# %% [markdown]
# So most of what is said for small batches is that they make more steps. Step for step, a large batch is better: its gradient
# has less noise. Whoever changes the batch size has to change the epochs, or the comparison means nothing.
#
# ## Explain: long steps first, short ones last
#
# The noise of small batches keeps the weights jumping around the minimum, by as much as the rate allows. So you want long
# steps on the way and short ones at the end. That is a *schedule*.

# %%
noisy = wave.replace(samples=128, batch_size=16, optimizer="sgd", learning_rate=0.3, epochs=60)
names = ("constant", "exponential", "cosine", "warmup")
schedules = {name: train_seeds(noisy.replace(schedule=name), 50, probes=False) for name in names}
low, middle = (train_seeds(noisy.replace(learning_rate=rate), 50, probes=False) for rate in (0.03, 0.1))
hasty = train_seeds(noisy.replace(schedule="cosine", epochs=10), 50, probes=False)

# %%
held = {"0.03, constant": low, "0.1, constant": middle}
falling = {f"0.3, {name}": study for name, study in schedules.items()}
skills(
    {**held, **falling, "0.3, cosine, 10 epochs": hasty},
    title="A rate that is too high if it is kept is good if it falls, given enough epochs",
)

# %%
constant, cosine = (schedules[name].success_rate for name in ("constant", "cosine"))
studies = [schedules["constant"], schedules["cosine"]]
claim(
    "Rate `0.3`: constant {constant:.0%}, along a cosine {cosine:.0%}.",
    cosine > constant + 0.5,
    over=studies,
    constant=constant,
    cosine=cosine,
)
kept = middle.success_rate
claim("A constant rate of `0.1` does as well: {kept:.0%}.", kept > cosine - 0.1, over=middle, kept=kept)
soon = hasty.success_rate
claim("The same cosine within ten epochs: {soon:.0%}.", soon < cosine - 0.5, over=hasty, soon=soon)

# %% [markdown]
# A schedule does no wonders: a constant rate that fits does as well. But it forgives a rate that is too high, and you seldom
# know the one that fits. It ends where you said that training ends. With too few epochs it takes the rate away before the
# work is done. *Too few epochs* and *too low a rate* look the same: the loss still falls at the end.
#
# ## The article says
#
# The article names the optimizer as a cause of failure. Plain stochastic gradient descent can be inefficient, it says; Adam,
# RMSprop and AdaGrad adapt their rates, and often converge faster and do better. A rate that is too high overshoots the best
# weights, one that is too low trains slowly. It gives no example.
#
# | the article says | measured in this lesson |
# |---|---|
# | too high a rate overshoots | **true, and exact on a bowl**: the edge, to one percent |
# | too low a rate is slow | **true**: the left half of the map, and `adam` on the prices |
# | plain `sgd` is inefficient | **true where the bowl is narrow**; on a round one it came first |
# | adaptive methods converge faster | **true for stretched inputs**; **false** at their defaults on scaled data; **no help** on the years |
# | AdaGrad among them | **false at its default rate**, true at 1 |
# | (and so, change the optimizer) | **false**: what mended years and prices was scaling |
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell. Each `Experiment` is trained from 50 seeds. Every right answer
# passes, not only the one that we thought of.
#
# **1.** A number: where is the edge of `sgd` for the line if x goes from 0 to 3 only? Two digits are enough.

# %% tags=["exercise"]
from helpers.lessons import exercises_optimizers as exercises
from helpers.lessons.teaching import check

check(exercises.find_the_edge, ...)  # the data are those of exercises.SHORT_LINE

# %% tags=["solution"]
from helpers.lessons import exercises_optimizers as exercises
from helpers.lessons.teaching import check

check(exercises.find_the_edge, 2 / curvatures(exercises.SHORT_LINE).max())

# %% [markdown]
# **2.** Make plain `sgd` learn the wave in 80 % of the seeds, within 300 epochs.

# %% tags=["exercise"]
check(exercises.wave_with_sgd, ...)  # wave.replace(optimizer="sgd", ...)

# %% tags=["solution"]
check(exercises.wave_with_sgd, wave.replace(optimizer="sgd", learning_rate=0.1))

# %% [markdown]
# **3.** Make `adam` learn the prices in 90 % of the seeds, within 200 epochs, at a rate of at most 0.1.

# %% tags=["exercise"]
check(exercises.price_with_adam, ...)  # price.replace(...)

# %% tags=["solution"]
check(exercises.price_with_adam, price.replace(target_scaling="standard", learning_rate=0.03, epochs=200))

# %% [markdown]
# **4.** Be quick: learn the wave in 80 % of the seeds with at most 100 steps (not epochs).

# %% tags=["exercise"]
check(exercises.wave_in_100_steps, ...)  # wave.replace(epochs=..., ...)

# %% tags=["solution"]
check(exercises.wave_in_100_steps, wave.replace(learning_rate=0.3, epochs=100))

# %% [markdown]
# **5.** Find a case against the article: a setting that `sgd` learns in 90 % of the seeds, and `adam`, with all else equal, in
# less than 10 %.

# %% tags=["exercise"]
check(exercises.sgd_beats_adam, ...)

# %% tags=["solution"]
check(exercises.sgd_beats_adam, short.replace(optimizer="sgd", learning_rate=0.01))

# %% [markdown]
# **6.** Three patients, none of which learns. Is the rate *too high*, *too low*, or is it *neither*? Prove each answer by
# changing one field so that 80 % of the seeds learn.

# %%
from helpers.lessons import exercises_optimizers as exercises

patients = exercises.PATIENTS
loss_curves({"A": train_seeds(patients["A"], 50), "B": train_seeds(patients["B"], 50)}, title="Patients A and B")

# %%
loss_curves({"C": train_seeds(patients["C"], 50)}, title="Patient C")

# %% tags=["exercise"]
# {"A": ("too high", patients["A"].replace(...)), "B": ..., "C": ...}
check(exercises.name_the_causes, ...)

# %% tags=["solution"]
# A is wild at first, then stands still. B still falls, smoothly. C ends at the constant at every rate: its inputs are years.
cured = {
    "A": ("too high", patients["A"].replace(learning_rate=0.1)),
    "B": ("too low", patients["B"].replace(learning_rate=0.1)),
    "C": ("neither", patients["C"].replace(scaling="standard")),
}
check(exercises.name_the_causes, cured)

# %% tags=["exercise"]
from helpers.lessons.teaching import score

score()

# %% tags=["solution"]
from helpers.lessons.teaching import score

score(all_exercises=True)

# %% [markdown]
# ## In one sentence
#
# The steepest direction of the loss limits the rate and the flattest decides how long you wait, so scale the data first, then
# look for the rate, and only then for another optimizer.
#
# **Where next.** [04 Preprocessing](04_preprocessing.ipynb): what scaling does to a network. [02 Activations](02_activations.ipynb):
# when the gradient itself is lost on its way. [06 Debugging clinic](06_debugging_clinic.ipynb): all causes, mixed.
#
# **Read on.**
# A. Géron, *Hands-On Machine Learning with Scikit-Learn, Keras & TensorFlow*, chapter 11 (optimizers, schedules).
# I. Goodfellow, Y. Bengio and A. Courville, [*Deep Learning*](https://www.deeplearningbook.org/), chapters 4.3 (curvature) and 8.
# The Keras documentation of [optimizers](https://keras.io/api/optimizers/) and [learning rate
# schedules](https://keras.io/api/optimizers/learning_rate_schedules/).
# Y. LeCun and others, [*Efficient BackProp*](https://doi.org/10.1007/978-3-642-35289-8_3) (1998/2012): why to centre and scale inputs.
# G. Goh, [*Why momentum really works*](https://distill.pub/2017/momentum/) (2017): the bowl, with sliders.
# J. Duchi, E. Hazan and Y. Singer, [*Adaptive subgradient methods*](https://jmlr.org/papers/v12/duchi11a.html) (2011): AdaGrad.
# D. Kingma and J. Ba, [*Adam*](https://arxiv.org/abs/1412.6980) (2015), section 2.1: the length of a step.
# I. Loshchilov and F. Hutter, [*Decoupled weight decay regularization*](https://arxiv.org/abs/1711.05101) (2019): AdamW.
# A. Wilson and others, [*The marginal value of adaptive gradient methods*](https://arxiv.org/abs/1705.08292) (2017).
# J. Cohen and others, [*Gradient descent on neural networks typically occurs at the edge of
# stability*](https://arxiv.org/abs/2103.00065) (2021): the edge in real networks.
