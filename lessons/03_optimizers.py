# %% [markdown]
# # 3 · Optimizers: how far to step, and in which direction
#
# The gradient shows which direction is down. It does not show how far to go. The *learning rate* decides that, and it
# is one of the first numbers to check when a network does not learn. After this lesson you can compute the largest
# learning rate of a linear unit, tell "too high" from "too low", and say when another optimizer helps and when it
# only hides the cause.
#
# | part | minutes |
# |---|---|
# | The failure, your prediction, the lab | 5 |
# | The edge, the bowl, and the fix | 8 |
# | Optimizers at their defaults, and on a real network | 8 |
# | A learning rate for your own network | 4 |
# | Batches, schedules, epochs | 7 |
# | The article says | 2 |
# | Exercises | as long as you like |
#
# Parts headed *Look closer* are folded: open them with the arrow next to the heading, now or later. The terms
# *skill*, *learned*, *baseline* and *noise floor* are explained in [00 Start here](00_start_here.ipynb).
#
# ## The failure
#
# A hundred noisy samples of the line y = 2x + 1, with x from 0 to 10.

# %% tags=["program"]
import keras
import numpy as np

rng = np.random.default_rng(0)
x = np.linspace(0, 10, 100)[:, None]
y = 2 * x + 1 + rng.standard_normal(x.shape)

start = keras.initializers.GlorotUniform(seed=0)
model = keras.Sequential(
    [keras.Input((1,)), keras.layers.Dense(1, kernel_initializer=start)]
)
model.compile(optimizer=keras.optimizers.SGD(0.03), loss="mse")
history = model.fit(x, y, batch_size=100, epochs=100, verbose=0)
print(f"loss {history.history['loss'][-1]:.3g}, baseline {y.var():.3g}")

# %% [markdown]
# The baseline is the loss of always predicting the mean. (`GlorotUniform` is Keras's default; the seed only makes the
# program repeatable.)

# %% [markdown]
# ## Predict
#
# Choose an answer and press *Commit* before you go on. Your answer is saved, and the measurement will score it.

# %%
from helpers.lessons.teaching import predict

predict(
    "edge",
    "For these data there is a largest learning rate at which "
    "training converges, the edge. One percent above the edge …",
    [
        "training diverges with every seed",
        "it diverges with some seeds",
        "one percent is too little to matter",
    ],
)

# %% [markdown]
# ## Observe
#
# The lab opens on this very program; its *Code* button prints it.

# %% tags=["dashboard-1", "dashboard-2", "experiment"]
from helpers import Experiment, Lab

line = Experiment(
    problem="line", depth=0, optimizer="sgd",
    learning_rate=0.03, batch_size=None, epochs=100,
)  # fmt: skip

# %% tags=["dashboard-1"]
Lab(line, controls=["optimizer", "learning_rate", "epochs"], pictures=("fit", "loss"))

# %% [markdown] tags=["dashboard-1-text"]
# One linear unit has to learn a straight line. Few tasks are simpler. Yet the loss keeps growing. Every step uses all
# samples (a full batch), so the steps are not random.

# %% [markdown] tags=["dashboard-1-text"]
# 1. Move *learning rate* one position to the left, then another, and so on to the end. Where does the line fit best?
# 2. Look at the loss at the smallest learning rates. It falls, but how far does it get?
# 3. Set *optimizer* to `adam` and move *learning rate* from end to end. Can you make it diverge?

# %% [markdown]
# ## Explain: the edge
#
# First take a single weight w. Near its minimum w*, a smooth loss is close to a parabola, ½·h·(w − w*)², where h is
# the curvature. Its gradient is h·(w − w*). A step of gradient descent with learning rate r multiplies the distance
# to w* by (1 − r·h). The distance shrinks as long as that factor lies between −1 and 1. At **r = 2 / h** the factor is
# −1. We call this learning rate, the stability limit of gradient descent, the **edge**.
#
# The linear unit has two weights, a slope and a bias. Its mean squared error is a *bowl*, a quadratic function of the
# two. The curvatures of the bowl are the eigenvalues of the *Hessian*, the matrix of second derivatives. For a linear
# unit the Hessian depends only on the inputs.

# %%
import numpy as np

from helpers.experiments.problems import make_problem


def curvatures(experiment):
    """The eigenvalues of the Hessian of a linear unit's mean squared error."""
    x = make_problem(experiment).x.astype(float)
    # The bias is a weight whose input is always 1.
    columns = np.column_stack([x, np.ones(len(x))])
    return np.linalg.eigvalsh(2 / len(x) * columns.T @ columns)


flat, steep = curvatures(line)
edge = 2 / steep
print(
    f"curvatures {flat:.3f} and {steep:.1f}, edge "
    f"{edge:.4f}, condition number {steep / flat:.0f}"
)

# %% [markdown]
# The steepest direction decides the edge. Now we test it, one percent to either side.

# %%
from helpers import train_seeds

longer = line.replace(epochs=300)
half = train_seeds(longer.replace(learning_rate=0.5 * edge), 50)
below = train_seeds(longer.replace(learning_rate=0.99 * edge), 50)
above = train_seeds(longer.replace(learning_rate=1.01 * edge), 50)

# %%
from helpers.lessons.teaching import claim, reveal

grew = above.loss[:, -1] > above.loss[:, 0]
reveal(
    "edge",
    {
        "training diverges with every seed": bool(grew.all()),
        "it diverges with some seeds": bool(grew.any() and not grew.all()),
        "one percent is too little to matter": not grew.any(),
    },
)
rate, share = below.success_rate, float(grew.mean())
claim("The edge is {edge:.4f}.", 0.0291 < edge < 0.0293, over=[below, above], edge=edge)
claim(
    "At `0.99` of the edge {rate:.0%} of the seeds "
    "learn; at `1.01` of it {share:.0%} diverge.",
    rate == 1 and share == 1,
    over=[below, above],
    rate=rate,
    share=share,
)

# %%
from helpers.lessons.figures import loss_curves

loss_curves(
    {"half of the edge": half, "0.99 of the edge": below, "1.01 of the edge": above},
    title="Loss near the edge",
)

# %% [markdown]
# So the failure at the top was not bad luck. The learning rate of 0.03 is above the edge, where every step jumps over
# the minimum and lands farther away. The calculation uses neither the targets nor the initial weights.
#
# ## Explain: the bowl
#
# The steepest direction limits the learning rate, and the flattest direction has to use the same one. The ratio of
# the two curvatures is the *condition number*. If it is large, any learning rate that is safe for the steep direction
# is far too low for the flat one.
#
# Here are three versions of the same data. Only the origin and the unit of x differ. The curves are lines of equal
# loss; from each curve to the next one inwards, the loss falls to a quarter. Every dot is one step of `sgd` at 0.8 of
# the edge.

# %%
from helpers.lessons.figures import paths


def at(share, experiment):
    """The experiment with a learning rate that is this fraction of its edge."""
    return experiment.replace(learning_rate=share * 2 / curvatures(experiment).max())


centred, standardised = line.replace(input_offset=-5), line.replace(scaling="standard")
ways = {
    "x from 0 to 10": line,
    "x from −5 to 5": centred,
    "standardised x": standardised,
}
paths(
    {label: at(0.8, one).replace(epochs=40) for label, one in ways.items()},
    title="Forty steps of sgd on three versions of the same data",
)

# %% [markdown]
# On the left the path jumps across the valley, then creeps along its floor. On the right the bowl is round: all
# directions are equally steep, and a few steps are enough.


# %%
def steps(study):
    """Steps until the training loss is within 1% of its minimum, by the median."""
    near = study.loss < 1.01 * study.loss.min(axis=1, keepdims=True)
    return float(np.median(near.argmax(axis=1) + 1))


# %%
# We do not look at the layers here; without layer metrics training is faster.
studies = [
    train_seeds(at(0.8, one).replace(epochs=500), 50, probes=False)
    for one in ways.values()
]
raw, middle, round_ = map(steps, studies)
claim(
    "At `0.8` of the edge, training takes {raw:.0f} steps with x from `0` to `10`.",
    raw > 3 * middle,
    over=studies,
    raw=raw,
)
claim(
    "With centred x it takes {middle:.0f} steps, with standardised x {round_:.0f}.",
    middle > 1.5 * round_,
    over=studies,
    middle=middle,
    round_=round_,
)

# %% [markdown]
# Now we change the condition number. The unit of x shapes the valley: it is round at 1, long and narrow at 1000. Here
# are three optimizers, each with 60 steps from the same start.


# %%
def racers(condition):
    """Three optimizers on a loss with this condition number, set by the unit of x."""
    unit = np.sqrt(condition * curvatures(centred).min() / curvatures(centred).max())
    sgd = at(0.8, line.replace(input_scale=unit, input_offset=-5 * unit, epochs=60))
    adam = sgd.replace(optimizer="adam", learning_rate=0.3)
    return {
        "sgd": sgd,
        "momentum": sgd.replace(optimizer="momentum"),
        "adam, learning rate 0.3": adam,
    }


paths(racers(1), title="Sixty steps at condition number 1")

# %%
paths(racers(1000), title="Sixty steps at condition number 1000")

# %% [markdown]
# On the floor of a narrow valley the gradient is small, and so are the steps of `sgd`. `momentum` keeps its speed
# there: steps back and forth cancel, steps along the floor add up. `adam` divides each weight's step by the usual
# magnitude of that weight's gradient, so a narrow valley slows it down much less. Which of the three is ahead depends
# on the bowl.


# %%
def first_share(studies):
    """The fraction of the seeds in which the first study ends with the lowest loss."""
    losses = np.array([study.loss[:, -1] for study in studies])
    return float((losses[0] <= losses.min(axis=0)).mean())


# %%
round_bowl, valley = (
    [train_seeds(one, 50, probes=False) for one in racers(condition).values()]
    for condition in (1, 1000)
)
first, last, runs = first_share(round_bowl), first_share(valley), round_bowl + valley
claim(
    "`sgd` ends with the lowest loss in {first:.0%} of the seeds on "
    "the round bowl, in {last:.0%} at condition number `1000`.",
    first > 0.9 and last < 0.1,
    over=runs,
    first=first,
    last=last,
)

# %% [markdown]
# ## Fix
#
# Now we make the task harder: the same line, but x is a year, from 2000 to 2010.

# %%
years = line.replace(input_offset=2000, epochs=300)
flat, steep = curvatures(years)
print(f"edge {2 / steep:.1e}, condition number {steep / flat:.0e}")
top = train_seeds(line.replace(learning_rate=0.01), 50, probes=False)
smaller = [
    train_seeds(at(share, years), 50, probes=False) for share in (0.1, 0.5, 0.99)
]
adam = [
    train_seeds(years.replace(optimizer="adam", learning_rate=rate), 50, probes=False)
    for rate in (0.01, 1)
]
scaled = train_seeds(at(0.5, years.replace(scaling="standard")), 50, probes=False)

# %%
from helpers.lessons.figures import skills

adams = {
    f"adam, learning rate {study.experiment.learning_rate:g}": study for study in adam
}
skills(
    {"sgd, half of the edge": smaller[1], **adams, "sgd, standardised": scaled},
    title="Skill of each seed, x in years",
)

# %% [markdown]
# **Looks right, but isn't: a lower learning rate.** At the top, 0.01 works too; with years no learning rate does.
# Below the edge training no longer diverges, but it does not get to the minimum.
# **`adam` does not get there either.** It scales each weight separately. That does not help here, because slope and
# bias can make up for each other: far away from x = 0, a slightly larger slope and a much
# smaller bias give nearly the same predictions. **What works: standardised inputs.** That is one change, and it
# removes the cause.

# %%
failed = [*smaller, *adam]
most, rate = max(study.success_rate for study in failed), scaled.success_rate
claim(
    "With the data of the top and a learning rate of "
    "`0.01`, {lower:.0%} of the seeds learn.",
    top.success_rate == 1,
    over=top,
    lower=top.success_rate,
)
claim(
    "With x in years, {most:.0%} of the seeds learn with `sgd`, at a tenth, a half and "
    "`0.99` of the edge, or with `adam`; with standardised inputs, {rate:.0%} learn.",
    most == 0 and rate == 1,
    over=[*failed, scaled],
    most=most,
    rate=rate,
)

# %% [markdown]
# In the program at the top, the fix is one more line, with the same learning rate:

# %% tags=["repaired"]
x = (x - x.mean(axis=0)) / x.std(axis=0)

start = keras.initializers.GlorotUniform(seed=0)
model = keras.Sequential(
    [keras.Input((1,)), keras.layers.Dense(1, kernel_initializer=start)]
)
model.compile(optimizer=keras.optimizers.SGD(0.03), loss="mse")
history = model.fit(x, y, batch_size=100, epochs=100, verbose=0)
print(f"loss {history.history['loss'][-1]:.3g}, baseline {y.var():.3g}")

# %% [markdown]
# ## Explain: which optimizers depend on the unit of x

# %% [markdown] tags=["dashboard-2-text"]
# Here is another test of the same idea. We change the unit of x, from a hundredth to a hundred, and keep x = 0 where
# it is.

# %% [markdown]
# The map shows which fraction of 50 seeds learns the line within 300 steps, first with `sgd`.

# %% tags=["dashboard-2"]
from helpers import success_map

lab = Lab(
    line.replace(input_scale=10, epochs=300),
    controls=["input_scale", "optimizer", "learning_rate"],
    pictures=("fit", "loss"),
)
lab

# %%
stretches, decades = (
    ("input_scale", [0.01, 0.1, 1, 10, 100]),
    ("learning_rate", [1e-4, 1e-3, 0.01, 0.1, 1, 10]),
)
sgd_map = success_map(lab.first, stretches, decades, lab=lab)
sgd_map

# %%
adam_map = success_map(lab.first.replace(optimizer="adam"), stretches, decades, lab=lab)
adam_map

# %% [markdown]
# For `sgd` the good learning rates lie on a diagonal: if x is ten times as large, the learning rate must be about a
# hundredth as high. At both ends of the map no learning rate works. `adam` fails only at low learning rates; at 10 it
# learns with every unit of x. (Click a cell to open its settings in the lab above.)

# %%
served = (sgd_map.rate >= 0.9).sum(axis=0)
best = int(served.max())
claim(
    "With `sgd`, even the best learning rate works "
    "for only {best} of the five units of x.",
    best <= 2,
    over=sgd_map.studies,
    best=best,
)
least = float(adam_map.rate[:, -1].min())
claim(
    "With `adam` at `10`, {least:.0%} of the seeds "
    "learn even with the worst unit of x.",
    least > 0.9,
    over=adam_map.studies,
    least=least,
)

# %% [markdown]
# ## Explain: optimizers at their defaults
#
# Now the inputs are standardised, and each optimizer runs at Keras's default, the learning rate that you get if you
# write only its name.

# %%
predict(
    "defaults",
    "Inputs standardised, each optimizer at Keras's default learning "
    "rate: within 300 steps, most seeds learn the line with …",
    [
        "`sgd`, `rmsprop`, `adagrad` and `adam`",
        "only `sgd`",
        "only the adaptive three",
        "none of them",
    ],
)

# %%
short = standardised.replace(epochs=300)


def with_rates(rates):
    """A study for each optimizer, at its learning rate."""
    return {
        name: train_seeds(
            short.replace(optimizer=name, learning_rate=rate), 50, probes=False
        )
        for name, rate in rates.items()
    }


keras_rates = {
    name: float(keras.optimizers.get(name).learning_rate)
    for name in ("sgd", "rmsprop", "adagrad", "adam")
}
default = with_rates(keras_rates)
raised = with_rates({"adagrad": 1, "adam": 0.1})

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
others = max(adaptive)
claim(
    "At the defaults, `sgd` learns with {plain:.0%} of the "
    "seeds, the best of the others with {others:.0%}.",
    plain > others + 0.5,
    over=list(default.values()),
    plain=plain,
    others=others,
)

# %%
shown = {
    f"{name}, {study.experiment.learning_rate:g}{kind}": study
    for kind, studies in ((" (default)", default), ("", raised))
    for name, study in studies.items()
}
skills(shown, title="Skill of each seed, four optimizers on a round bowl")

# %%
pair = default["adagrad"], raised["adagrad"]
slow, fast = (study.success_rate for study in pair)
claim(
    "`adagrad` learns with {slow:.0%} of the seeds "
    "at its default, with {fast:.0%} at `1`.",
    fast > slow + 0.5,
    over=pair,
    slow=slow,
    fast=fast,
)

# %% [markdown]
# `adagrad` divides each step by the square root of the sum of *all* squared gradients so far. Its effective learning
# rate never rises, so it has to start with a high one. If you use one learning rate for all optimizers, you compare
# learning rates, not optimizers.
#
# ## Explain: a real network

# %% [markdown] tags=["dashboard-3-text"]
# With a hidden layer, the loss is no longer a bowl. It has valleys and plateaus, and you cannot compute an edge from
# the inputs alone. So we measure. We use one hidden layer of 16 `tanh` units, a hundred samples of a wave and 300
# steps.

# %%
predict(
    "hot",
    "The same network with `adam` at a learning rate of "
    "10. At the end of training, with most seeds …",
    [
        "the loss is not a number",
        "the loss is a number, but it has not learned",
        "it has learned",
    ],
)

# %% tags=["dashboard-3"]
from helpers import Experiment, Lab

wave = Experiment(
    problem="sine",
    scaling="standard",
    samples=100,
    depth=1,
    batch_size=None,
    epochs=300,
)
wave_lab = Lab(
    wave.replace(optimizer="sgd", learning_rate=0.01),
    controls=[
        "optimizer",
        "learning_rate",
        "schedule",
        "momentum",
        "batch_size",
        "epochs",
    ],
    pictures=("fit", "loss"),
)
wave_lab

# %%
hot = train_seeds(wave.replace(learning_rate=10), 50)

# %%
finite = np.isfinite(hot.loss[:, -1])
reveal(
    "hot",
    {
        "the loss is not a number": finite.mean() <= 0.5,
        "the loss is a number, but it has not learned": finite.mean() > 0.5
        and hot.success_rate <= 0.5,
        "it has learned": hot.success_rate > 0.5,
    },
)
stall, number = hot.success_rate, float(finite.mean())
claim(
    "With `adam` at `10`, {number:.0%} of the seeds end "
    "with a finite loss, and {stall:.0%} learn.",
    stall < 0.1 and number == 1,
    over=hot,
    number=number,
    stall=stall,
)

# %%
optimizers = ["sgd", "momentum", "adam", "adamw"]
rates = [1e-5, 0.001, 0.01, 0.03, 0.1, 1, 3]
rate_map = success_map(
    wave, ("optimizer", optimizers), ("learning_rate", rates), lab=wave_lab
)
rate_map

# %% [markdown]
# Every optimizer has a range of good learning rates, and the ranges differ in place and width. To the left of the
# range, 300 steps of that length are not enough. To the right, the steps are too long. Click a pale cell on either
# side and compare the loss in the lab. If the learning rate is *too low*, the loss falls smoothly and slowly. If it
# is *too high*, the loss first jumps up and down, then stalls or diverges. The next figure shows the same cells by
# their loss:

# %%
rate_map.figure("loss")

# %% [markdown]
# At the left all optimizers end near the baseline. At the right they differ.

# %%
slowest = [
    study for study in rate_map.studies if study.experiment.learning_rate == 1e-5
]
lowest = min(float(np.median(study.val_loss)) for study in slowest)
constant = float(np.median(slowest[0].baseline))
claim(
    "The baseline is {constant:.2f}; the lowest loss at "
    "a learning rate of `1e-5` is {lowest:.2f}.",
    lowest > 0.9 * constant,
    over=slowest,
    constant=constant,
    lowest=lowest,
)

# %%
lost = float((~np.isfinite(rate_map.study("sgd", 1).loss[:, -1])).mean())
claim(
    "With `sgd` at `1`, {lost:.0%} of the seeds diverge.",
    lost > 0.95,
    over=rate_map.study("sgd", 1),
    lost=lost,
)

# %%
wide = {
    name: int((row >= 0.8).sum())
    for name, row in zip(optimizers, rate_map.rate, strict=True)
}
sgd, momentum, adam = (wide[name] for name in ("sgd", "momentum", "adam"))
claim(
    "Learning rates with which at least `80%` of the seeds learn: `sgd` "
    "{sgd}, `momentum` {momentum}, `adam` {adam}.",
    sgd < momentum < adam, over=rate_map.studies, sgd=sgd, momentum=momentum, adam=adam,
)  # fmt: skip
one, other = (rate_map.study(name, 0.01).success_rate for name in ("sgd", "momentum"))
claim(
    "At `0.01`, `sgd` learns with {one:.0%} of the seeds, `momentum` with {other:.0%}.",
    other > one + 0.5,
    over=rate_map.studies,
    one=one,
    other=other,
)

# %% [markdown]
# So here plain `sgd` works at fewer of the seven learning rates than `adam`. But where its learning rate is right,
# `sgd` learns too.

# %% [markdown]
# ## Fix: a learning rate for your own network
#
# The map took more than a thousand networks. For your own network, one short run shows roughly where to begin: a *range test*
# lets the learning rate grow with every batch, from far too low to far too high. Here it is in plain Keras, for a
# network like that of the map. Copy the loop, and put your model, data and batch size in it.

# %%
from keras import layers

rng = np.random.default_rng(0)
x = np.linspace(-1.7, 1.7, 128)[:, None]
y = np.sin(3 * x) + 0.1 * rng.standard_normal(x.shape)
x_val = np.linspace(-1.7, 1.7, 127)[:, None]
y_val = np.sin(3 * x_val)
ExponentialDecay = keras.optimizers.schedules.ExponentialDecay


def compiled(rate, depth=1):
    """A network with plain SGD at this learning rate, which may be a schedule."""
    hidden = [layers.Dense(16, "tanh") for _ in range(depth)]
    model = keras.Sequential([keras.Input((1,)), *hidden, layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), loss="mse")
    return model


# %%
keras.utils.set_random_seed(0)  # so that it can be repeated
model, rates, losses = compiled(1e-5), 1e-5 * 1.02 ** np.arange(700), []
for rate in rates:
    rows = rng.choice(len(x), size=32, replace=False)  # the next batch
    model.optimizer.learning_rate = rate
    # Without this, the loss would be a mean over all batches so far.
    model.reset_metrics()
    losses.append(model.train_on_batch(x[rows], y[rows]))

# The loss of one batch is noisy, so we take the mean of the last ten.
smooth, rates = np.convolve(losses, np.ones(10) / 10, "valid"), rates[9:]

# %%
from helpers.lessons.figures import range_test

# In your own notebook: plt.semilogx(rates, smooth); plt.ylim(0, 2 * smooth[0])
range_test([smooth], rates, title="Range test of one network, batches of 32")

# %% [markdown]
# At the left nothing happens. Then the loss falls, and then it explodes. Which learning rate would you take? The
# one at the lowest point looks best. But there, the loss has not had time to grow yet.
#
# One run proves little, so we repeat the test with 50 copies of the network, each with its own initial weights. With
# all 128 samples in one batch, an epoch is one step, and `fit` records the loss of each. An exponential decay with a
# factor above 1 is a learning rate that grows. (How `fit_seeds` works for your model is shown in [07 Your own
# network](07_your_own_network.ipynb).)

# %%
from why_wont_it_learn import fit_seeds

full_batch = {"seeds": 50, "batch_size": 128, "validation_data": (x_val, y_val)}
growing = ExponentialDecay(1e-5, decay_steps=1, decay_rate=1.1)
grown_rates = 1e-5 * 1.1 ** np.arange(145)
grown = fit_seeds(compiled(growing), x, y, epochs=145, **full_batch)

# %%
range_test(grown.loss, grown_rates, title="Range test of 50 networks, full batch")

# %%
lowest = float(np.median(grown_rates[np.nanargmin(grown.loss, axis=1)]))
shares = {
    share: fit_seeds(compiled(share * lowest), x, y, epochs=300, **full_batch)
    for share in (1, 0.1, 0.01)
}
found = float(rates[np.nanargmin(smooth)])
small_batches = full_batch | {"batch_size": 32, "epochs": 400}
batch_tenth = fit_seeds(compiled(found / 10), x, y, **small_batches)
ten = np.linspace(0, 10, 100)[:, None]
unit = compiled(growing, depth=0)
alone = fit_seeds(unit, ten, 2 * ten + 1, seeds=50, epochs=110, batch_size=100)

# %%
claim(
    "The loss is lowest at {lowest:.2g}, median over the seeds.",
    1 < lowest < 2,
    over=grown,
    lowest=lowest,
)
one, tenth, hundredth = (study.success_rate for study in shares.values())
claim(
    "At that learning rate, {one:.0%} of the seeds learn the wave in `300` "
    "steps; at a tenth of it {tenth:.0%}, at a hundredth {hundredth:.0%}.",
    one < 0.1 and tenth > 0.9 and hundredth < 0.1,
    over=list(shares.values()),
    one=one,
    tenth=tenth,
    hundredth=hundredth,
)
learn = batch_tenth.success_rate
claim(
    "At a tenth of what the one run with batches of `32` "
    "gave, {learn:.0%} learn with such batches.",
    learn > 0.9,
    over=batch_tenth,
    learn=learn,
)
beyond = float(np.median(grown_rates[np.nanargmin(alone.loss, axis=1)])) / edge
claim(
    "For the linear unit above, the loss is lowest at {beyond:.1f} times the edge.",
    1.5 < beyond < 5,
    over=alone,
    beyond=beyond,
)

# %% [markdown]
# So take **a tenth of the learning rate at which the loss is lowest**, and begin again with fresh weights: the test
# has ruined its weights. The rule is rough, but it takes only one run. Test with the batch size that you will use:
# the smaller the batches, the more noise in the gradient. We measured the rule with plain `sgd`; with another
# optimizer, check what it gives. If the loss never falls, begin lower, or standardise the inputs first.

# %% [markdown]
# ### Look closer (optional): adam at a learning rate of 10
#
# Each step of `adam` changes a weight by about the learning rate, however large the gradient. So here the weights
# cannot explode as they do with `sgd`. But a few steps of 10 are enough to make the weights huge, and a unit with huge
# weights is saturated: its gradient is almost zero. You notice a NaN at once. You may not notice this.

# %%
flat_units = float(hot.saturated[:, -1].mean())
claim(
    "With `adam` at `10`, {flat_units:.0%} of the units are saturated at the end.",
    flat_units > 0.8,
    over=hot,
    flat_units=flat_units,
)

# %%
plain, decay = (rate_map.study(name, 3).success_rate for name in ("adam", "adamw"))
claim(
    "At `3`, `adam` learns with {plain:.0%} of the seeds, `adamw` with {decay:.0%}.",
    decay > plain + 0.5,
    over=rate_map.studies,
    plain=plain,
    decay=decay,
)

# %% [markdown]
# `adamw` is `adam` with *weight decay*: each step also shrinks every weight, by the learning rate times
# `weight_decay`, which is 0.004 by default. At 3 that is 1.2% a step, enough to shrink a huge weight to a third within
# a hundred steps. At Keras's default learning rate of 0.001 it is 0.0004% a step, which hardly matters here.

# %% [markdown]
# ## Fill the map
#
# The result depends on more than optimizer and learning rate. You can make some of the map's pale cells learn: try
# more epochs, a schedule, smaller batches or a different momentum.

# %% [markdown] tags=["dashboard-3"]
# Find settings in the lab that learn, then press *Register*. How many cells can you fill, and which ones can you not?

# %% tags=["dashboard-3"]
from helpers import success_map
from helpers.experiments.catalog import OPTIMIZERS

corner = [0.001, 0.01, 0.1, 1]
success_map(
    wave,
    ("optimizer", list(OPTIMIZERS)),
    ("learning_rate", corner),
    lab=wave_lab,
    discoveries=True,
)

# %% [markdown]
# ## Explain: the length of an adam step
#
# Steps of a fixed length have a drawback. This task has targets of about 200,000, and we train with `adam` at 0.01.

# %%
predict(
    "price",
    "Targets of about 200,000, `adam` at 0.01, 300 steps. The "
    "bias of the output unit starts at 0. It ends near …",
    ["200,000", "2,000", "3"],
)

# %%
price = Experiment(problem="price", depth=1, batch_size=None, epochs=300)
asked = train_seeds(price, 50, probes=False)
huge = train_seeds(price.replace(learning_rate=1000), 50, probes=False)
unit = train_seeds(price.replace(target_scaling="standard"), 50, probes=False)
bias = float(np.median(asked.weights[:, -1]))  # the last of all weights

# %%
reveal(
    "price",
    {"200,000": bias > 50_000, "2,000": 100 < bias <= 50_000, "3": bias <= 100},
)
travel = bias / (price.learning_rate * price.epochs)
claim(
    "On average, each step moved the bias by {travel:.2f} times the learning rate.",
    0.95 < travel < 1.05,
    over=asked,
    travel=travel,
)
millions = 200_000 / (bias / price.epochs) / 1e6
claim(
    "At that speed, `200,000` is {millions:.0f} million steps away.",
    millions > 10,
    over=asked,
    millions=millions,
)

# %%
skills(
    {
        "learning rate 0.01": asked,
        "learning rate 1000": huge,
        "targets standardised": unit,
    },
    title="Skill of each seed on the prices",
)

# %%
no, yes = max(asked.success_rate, huge.success_rate), unit.success_rate
claim(
    "With a learning rate of `0.01` or `1000`, {no:.0%} of the "
    "seeds learn, with standardised targets {yes:.0%}.",
    no == 0 and yes > 0.9,
    over=[asked, huge, unit],
    no=no,
    yes=yes,
)

# %% [markdown]
# **Looks right, but isn't: a huge learning rate.** It moves the predictions far enough, but it moves every weight of
# the hidden layer just as far. **What works: standardised targets.** Then no weight has to move far. (In the lab this
# is *target scaling*. [04 Preprocessing](04_preprocessing.ipynb) scales the predictions back, in plain Keras.)
#
# ## Explain: how many steps?
#
# An epoch is not a step. With 256 samples, an epoch has 64 steps with batches of 4, and one step with a batch of 256.

# %%
predict(
    "batch",
    "Batches of 4 or of 256 samples, each for 20 epochs with "
    "`adam` at 0.01. More seeds learn the wave with …",
    ["batches of 4", "batches of 256", "no clear difference"],
)

# %%
sizes = [4, 32, 256]
many = wave.replace(samples=256)
epochs = [
    train_seeds(many.replace(batch_size=size, epochs=20), 50, probes=False)
    for size in sizes
]
equal = [
    train_seeds(
        many.replace(batch_size=size, epochs=640 * size // 256), 50, probes=False
    )
    for size in sizes
]

# %%
small, big = epochs[0].success_rate, epochs[-1].success_rate
reveal(
    "batch",
    {
        "batches of 4": small > big + 0.2,
        "batches of 256": big > small + 0.2,
        "no clear difference": abs(small - big) <= 0.2,
    },
)
claim(
    "At equal epochs, {small:.0%} of the seeds learn with "
    "batches of `4`, {big:.0%} with batches of `256`.",
    small > big + 0.5,
    over=epochs,
    small=small,
    big=big,
)

# %%
from helpers.lessons.figures import sweep

sweep(
    sizes,
    {"20 epochs": epochs, "640 steps": equal},
    label="batch size (samples)",
    title="Three batch sizes, at equal epochs and at equal steps",
)

# %%
small, big = equal[0].success_rate, equal[-1].success_rate
claim(
    "At equal steps, it is {small:.0%} and {big:.0%}.",
    big > small + 0.2,
    over=equal,
    small=small,
    big=big,
)

# %% [markdown]
# At equal epochs, smaller batches take more steps. At equal steps, larger batches have less noise in their gradient.
# If you change the batch size, change the epochs too, or you only compare numbers of steps.
#
# ## Explain: long steps first, short ones last
#
# The noise of small batches keeps the weights jumping around the minimum, and the learning rate decides how far. So
# you want long steps at first and short ones at the end. A *schedule* does that.

# %%
noisy = wave.replace(
    samples=128, batch_size=16, optimizer="sgd", learning_rate=0.3, epochs=60
)
names = ("constant", "exponential", "cosine", "warmup")
schedules = {
    name: train_seeds(noisy.replace(schedule=name), 50, probes=False) for name in names
}
low, middle = (
    train_seeds(noisy.replace(learning_rate=rate), 50, probes=False)
    for rate in (0.03, 0.1)
)
hasty = train_seeds(noisy.replace(schedule="cosine", epochs=10), 50, probes=False)

# %%
held = {"0.03, constant": low, "0.1, constant": middle}
falling = {f"0.3, {name}": study for name, study in schedules.items()}
skills(
    {**held, **falling, "0.3, cosine, 10 epochs": hasty},
    title="A learning rate that is too high when constant works when it decays",
)

# %%
constant, cosine = (schedules[name].success_rate for name in ("constant", "cosine"))
studies = [schedules["constant"], schedules["cosine"]]
claim(
    "At `0.3`, {constant:.0%} of the seeds learn with a constant "
    "learning rate, {cosine:.0%} with a cosine schedule.",
    cosine > constant + 0.5,
    over=studies,
    constant=constant,
    cosine=cosine,
)
kept = middle.success_rate
claim(
    "A constant learning rate of `0.1` does as well: {kept:.0%}.",
    kept > cosine - 0.1,
    over=middle,
    kept=kept,
)
soon = hasty.success_rate
claim(
    "With the same cosine schedule over ten epochs, {soon:.0%} learn.",
    soon < cosine - 0.5,
    over=hasty,
    soon=soon,
)

# %% [markdown]
# Here a schedule is not necessary: a well-chosen constant learning rate does as well. But with a schedule the first
# learning rate can be higher than a constant one, and you rarely know the best constant one. A schedule runs for as
# many epochs as you plan. With too few, it lowers the learning rate before training is done. *Too few epochs* and *a
# learning rate that is too low* look the same: the loss is still falling at the end.

# %% [markdown]
# **Looks right, but isn't: `decay_steps` in epochs.** This time the learning rate starts at 0.2 and is to be halved
# every 20 epochs. The data are those of the range test, with batches of 16. A Keras schedule counts *steps*, and
# here an epoch has 128 / 16 = 8 of them.

# %%
batches = full_batch | {"batch_size": 16, "epochs": 100}
written, meant = (
    fit_seeds(compiled(ExponentialDecay(0.2, steps, decay_rate=0.5)), x, y, **batches)
    for steps in (20, 20 * 8)
)

# %%
early, late = (float(np.median(study.skill)) for study in (written, meant))
claim(
    "With `decay_steps=20` the median skill is "
    "{early:.2f}, with `decay_steps=20 * 8` it is "
    "{late:.2f}.",
    early < 0.5 and late > 0.9,
    over=[written, meant],
    early=early,
    late=late,
)

# %% [markdown]
# With `decay_steps=20` the learning rate is halved every two and a half epochs. After 25 epochs it is a thousandth of
# what it was, and the network has stopped where it was by then. It looks like a lack of capacity: a loss that levels
# off too high. `fit` does not warn you. So print the learning rate at the end, `model.optimizer.learning_rate`,
# before you make the network larger.

# %% [markdown]
# ## The article says
#
# The article that these lessons answer (*Why is my TensorFlow neural network failing to learn a simple
# relationship?*, 2025) names the optimizer as a cause of failure. It says that plain stochastic gradient descent can
# be inefficient, and that Adam, RMSprop and AdaGrad adapt their learning rates and often converge faster and do
# better. A learning rate that is too high overshoots the best weights; one that is too low trains slowly. The article
# gives no example of this.
#
# | the article says | measured in this lesson |
# |---|---|
# | a learning rate that is too high overshoots | **true, and exact on a bowl**: within one percent of the edge |
# | one that is too low is slow | **true**: the left of the map, and `adam` on the prices |
# | plain `sgd` is inefficient | **true where the bowl is narrow**; on a round one it came first |
# | adaptive methods converge faster | **true in a narrow valley along the axes**; **false** at their defaults on scaled data; **no help** on the years |
# | AdaGrad is one of them | **false at its default**, where it did not learn the line; at 1 it did |
# | (and so, change the optimizer) | **false** for years and prices: scaling fixed both |
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell. Each `Experiment` is trained with 50 seeds. Every
# correct answer passes, not only the one that we thought of.
#
# **1.** Answer with a number: where is the edge of `sgd` for the line if x goes only from 0 to 3? Two digits are
# enough.

# %% tags=["given"]
short_line = Experiment(
    problem="line", input_scale=0.3, depth=0, optimizer="sgd",
    batch_size=None, epochs=300,
)  # fmt: skip

# %% tags=["exercise"]
from helpers.lessons import exercises_optimizers as exercises
from helpers.lessons.teaching import check

check(exercises.find_the_edge, ...)

# %% tags=["solution"]
from helpers.lessons import exercises_optimizers as exercises
from helpers.lessons.teaching import check

check(exercises.find_the_edge, 2 / curvatures(short_line).max())

# %% [markdown]
# **2.** Make plain `sgd` learn the wave with 80% of the seeds, within 300 epochs.

# %% tags=["exercise"]
check(exercises.wave_with_sgd, ...)  # wave.replace(optimizer="sgd", ...)

# %% tags=["solution"]
check(exercises.wave_with_sgd, wave.replace(optimizer="sgd", learning_rate=0.1))

# %% [markdown]
# **3.** Make `adam` learn the prices with 90% of the seeds, within 200 epochs, at a learning rate of at most 0.1.

# %% tags=["exercise"]
check(exercises.price_with_adam, ...)  # price.replace(...)

# %% tags=["solution"]
check(
    exercises.price_with_adam,
    price.replace(target_scaling="standard", learning_rate=0.03, epochs=200),
)

# %% [markdown]
# **4.** Be quick: learn the wave with 80% of the seeds in at most 100 steps (not epochs).

# %% tags=["exercise"]
check(exercises.wave_in_100_steps, ...)  # wave.replace(epochs=..., ...)

# %% tags=["solution"]
check(exercises.wave_in_100_steps, wave.replace(learning_rate=0.3, epochs=100))

# %% [markdown]
# **5.** Find a counterexample to the article: settings with which 90% of the seeds learn with `sgd` and less than 10%
# with `adam`, all else being equal.

# %% tags=["exercise"]
check(exercises.sgd_beats_adam, ...)

# %% tags=["solution"]
check(exercises.sgd_beats_adam, short.replace(optimizer="sgd", learning_rate=0.01))

# %% [markdown]
# **6.** None of these three networks learns. Is the learning rate *too high*, *too low* or *neither*? Prove each
# answer by changing one field so that 80% of the seeds learn.

# %%
from helpers.lessons import exercises_optimizers as exercises

failing = exercises.FAILING
loss_curves(
    {"A": train_seeds(failing["A"], 50), "B": train_seeds(failing["B"], 50)},
    title="Losses of the failing networks A and B",
)

# %%
loss_curves(
    {"C": train_seeds(failing["C"], 50)}, title="Losses of the failing network C"
)

# %% tags=["exercise"]
# {"A": ("…", failing["A"].replace(...)), "B": ..., "C": ...}
check(exercises.name_the_causes, ...)

# %% tags=["solution"]
# A jumps at first, then stalls. B still falls, smoothly. C stays at the baseline at
# every learning rate: its inputs are years.
cured = {
    "A": ("too high", failing["A"].replace(learning_rate=0.1)),
    "B": ("too low", failing["B"].replace(learning_rate=0.1)),
    "C": ("neither", failing["C"].replace(scaling="standard")),
}
check(exercises.name_the_causes, cured)

# %% [markdown]
# **7. Repair a program.** Four readings from a bridge, and a number to predict from them. "The loss is worse at the
# end than after the first epochs." Edit the program until the check passes. Change what you like: data, layers, loss, optimizer, settings.
# `check` trains *your* model with 20 seeds, and at least 16 of them must learn. There are three hints: each
# `repairs.hint("bridge")` shows one more.

# %%
from keras import layers

from helpers.lessons import repairs

# %% tags=["exercise"]
x, y, x_val, y_val = repairs.data("bridge")
settings = {"epochs": 60, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.SGD(0.2, momentum=0.9), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.bridge, model, x, y, x_val, y_val, **settings)

# %% tags=["solution"]
x, y, x_val, y_val = repairs.data("bridge")
settings = {"epochs": 60, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.SGD(0.01, momentum=0.9), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.bridge, model, x, y, x_val, y_val, **settings)

# %% tags=["exercise"]
# repairs.hint("bridge")
# repairs.post_mortem("bridge")

# %% tags=["solution"]
repairs.post_mortem("bridge")

# %% tags=["exercise"]
from helpers.lessons.teaching import score

score()

# %% tags=["solution"]
from helpers.lessons.teaching import score

score(all_exercises=True)

# %% [markdown]
# ## In your own network
#
# The first epochs show whether the learning rate is right. `fit_seeds` trains fresh copies of your model, which itself
# does not change. Here it trains the program of the last exercise; put your model and your data in its place. For a
# learning rate to begin with, copy the loop of the range test above.

# %%
from why_wont_it_learn import fit_seeds

study = fit_seeds(
    model, x, y, seeds=5, epochs=3, batch_size=32, validation_data=(x_val, y_val)
)
print("baseline", y.var().round(2))
print("training loss of the first three epochs, one row for each seed:")
print(study.loss.round(2))

# %% [markdown]
# - A loss that grows, jumps or is NaN: the steps are too long. Standardise the inputs, then try a tenth of the
# learning rate.
# - A loss that falls smoothly, but hardly at all: try ten times the learning rate.
# - A loss that stays where it is at every learning rate: the learning rate is not the cause. `diagnose(model, x, y,
# epochs=60)`
#   tries other fixes.
#
# ## In one sentence
#
# The steepest direction of the loss limits the learning rate and the flattest decides how long you wait, so scale the
# data first, then look for a learning rate, and only then try another optimizer.
#
# **Where next.** [04 Preprocessing](04_preprocessing.ipynb): what scaling does to a network. [02
# Activations](02_activations.ipynb): when the gradient itself vanishes. [06 Debugging
# clinic](06_debugging_clinic.ipynb): all causes, hidden.
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
# L. Smith, [*Cyclical learning rates for training neural networks*](https://arxiv.org/abs/1506.01186) (2017): the range test.
# J. Cohen and others, [*Gradient descent on neural networks typically occurs at the edge of
# stability*](https://arxiv.org/abs/2103.00065) (2021): the edge in real networks.
