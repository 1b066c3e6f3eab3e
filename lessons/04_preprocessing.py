# %% [markdown]
# # 4 · Preprocessing: what the network is given
#
# A network sees only numbers. If they are huge, missing, corrupted or badly chosen, even a good network learns
# nothing from them. After this lesson you will look at the data first, and you will know how to prepare them.
#
# | part | minutes |
# |---|---|
# | The failure, your prediction, the lab | 5 |
# | Explain: what a hidden unit gets | 5 |
# | Outliers, and targets | 5 |
# | Missing values | 5 |
# | Features, rare classes | 7 |
# | Leakage, and inputs without the answer | 4 |
# | Real data, the article says | 6 |
# | Exercises | as long as you like |
#
# Parts headed *Look closer* are folded: open them with the arrow next to the heading, now or later. The terms
# *skill*, *learned*, *baseline* and *noise floor* are explained in [00 Start here](00_start_here.ipynb).
#
# ## The failure
#
# The target is a wave in the first input plus a parabola in the second, with a little noise.

# %% tags=["program"]
import keras
import numpy as np
from keras import layers
from keras.initializers import GlorotUniform

rng = np.random.default_rng(0)
inputs = rng.uniform(0, 1, (100, 2)) * [1, 1000]
targets = np.sin(2 * np.pi * inputs[:, :1]) + (inputs[:, 1:] / 1000) ** 2
targets += 0.05 * rng.standard_normal((100, 1))
settings = {"epochs": 200, "batch_size": 100, "shuffle": False, "verbose": 0}


def network():
    model = keras.Sequential([keras.Input((2,))])
    model.add(layers.Dense(32, "tanh", kernel_initializer=GlorotUniform(seed=0)))
    model.add(layers.Dense(1, kernel_initializer=GlorotUniform(seed=1)))
    model.compile(optimizer=keras.optimizers.Adam(0.03), loss="mse")
    return model


history = network().fit(inputs, targets, **settings)
print(f"training loss {history.history['loss'][-1]:.3f}, baseline {targets.var():.3f}")

# %% [markdown]
# After 200 epochs even the training loss is not far below the baseline, the error of always predicting the mean. (The
# seeds make each run repeat the last one. The batch holds all samples, so there is nothing to shuffle.)

# %% [markdown]
# ## Predict
#
# Choose an answer and press *Commit* before you try it in the lab. The measurement will score it.

# %%
from helpers.lessons.teaching import predict

predict(
    "rescue",
    "Which single change makes most seeds learn?",
    [
        "twice as many units",
        "inputs with mean 0 and standard deviation 1",
        "a tenth of the learning rate",
    ],
)

# %% [markdown]
# ## Observe
#
# The lab opens on this very program; its *Code* button prints it.

# %% tags=["dashboard-1", "experiment"]
from helpers import Experiment, Lab

raw = Experiment(
    problem="two_scales",
    samples=100,
    depth=1,
    width=32,
    learning_rate=0.03,
    epochs=200,
    batch_size=None,
)
lab = Lab(
    raw,
    controls=["scaling", "width", "activation", "learning_rate", "epochs", "outliers"],
    pictures=("fit", "loss", "units"),
)
lab

# %% [markdown] tags=["dashboard-1-text"]
# One input runs from 0 to 1, the other from 0 to 1000. The network has 32 hidden units and is trained by Adam. Yet it
# is no better than a constant.

# %% [markdown] tags=["dashboard-1-text"]
# In the lab, try a larger *width*, then a lower *learning rate*, then `standard` as *scaling*. Watch the plot of the
# units each time.

# %%
from helpers import train_seeds

standard = raw.replace(scaling="standard")
tried = {
    "unscaled": raw,
    "a tenth of the learning rate": raw.replace(learning_rate=0.003),
    "standardised": standard,
    "twice as many units": raw.replace(width=64),
    "unscaled, relu": raw.replace(activation="relu"),
}
# We do not look at the layers here; without layer metrics training is faster.
studies = {label: train_seeds(one, 50, probes=False) for label, one in tried.items()}

# %%
from helpers.lessons.teaching import claim, reveal

plain, slow, scaled, wide, relu = studies.values()
changes = {"twice as many units": wide, "a tenth of the learning rate": slow}
changes["inputs with mean 0 and standard deviation 1"] = scaled
reveal(
    "rescue", {change: study.success_rate > 0.5 for change, study in changes.items()}
)

# %%
from helpers.lessons.figures import skills

skills(studies, title="Skill of each seed: the program and four changes")

# %% [markdown]
# ## Explain: what a hidden unit gets
#
# A hidden unit computes a weighted sum of its inputs. With inputs up to 1000, most sums are far from 0. There `tanh`
# is flat at 1 or −1: the unit is *saturated*, and its gradient is nearly 0. The other input, on which the wave
# depends, hardly changes the sum.

# %%
first = [train_seeds(one.replace(epochs=1), 50) for one in (raw, standard)]
flat, free = (float(study.saturated[:, 0].mean()) for study in first)
claim(
    "After the first epoch {flat:.0%} of the units are "
    "saturated; with standardised inputs {free:.0%} are.",
    flat > 0.9 and free < 0.05,
    over=first,
    flat=flat,
    free=free,
)

# %%
before, after = (float(np.median(study.skill)) for study in (plain, scaled))
claim(
    "Standardising raises the median skill from {before:z.2f} to {after:.2f}.",
    before < 0.1 and after > 0.97,
    over=[plain, scaled],
    before=before,
    after=after,
)

# %% [markdown]
# `relu` does not flatten for large inputs, and yet it fails too. So there is a second reason. It applies even to the
# simplest network, one linear unit. The unit's loss is a *bowl*, a quadratic function of its weights. The
# *eigenvalues* λ of the Hessian (the matrix of second derivatives) measure how strongly the bowl curves in each
# direction. Full-batch gradient descent converges only with a learning rate below **2 / λmax**, the *edge*. The
# flattest direction then takes a number of steps of the order of λmax / λmin. This ratio is the *condition number*.
#
# You can compute all of this from the inputs alone, before training. Here x runs from 0 to 10, then from 2000 to
# 2010, like years.

# %%
from helpers.experiments.problems import make_problem

line = Experiment(problem="line", depth=0, optimizer="sgd", epochs=100, batch_size=None)


def bowl(experiment):
    x = make_problem(experiment).x.astype(float)
    with_bias = np.column_stack([x, np.ones(len(x))])
    hessian = 2 * with_bias.T @ with_bias / len(x)  # of the mean squared error
    return np.linalg.eigvalsh(hessian)


# %%
kinds = {
    "x from 0": line,
    "x from 2000": line.replace(input_offset=2000),
    "standardised": line.replace(input_offset=2000, scaling="standard"),
}
for name, kind in kinds.items():
    low, *_, high = bowl(kind)
    print(f"{name:13} condition number {high / low:8.2g}   edge {2 / high:.2g}")

# %%
from helpers.lessons.figures import sweep

rates = [1e-7, 1e-5, 1e-3, 0.01, 0.1, 0.5, 3]
rows = {
    name: [
        train_seeds(kind.replace(learning_rate=rate), 50, probes=False)
        for rate in rates
    ]
    for name, kind in kinds.items()
}
sweep(
    rates,
    rows,
    label="learning rate",
    title="Seven learning rates for three versions of the line",
)

# %%
edge = 2 / bowl(kinds["x from 2000"])[-1]
below, beyond = (
    train_seeds(
        kinds["x from 2000"].replace(learning_rate=part * edge), 50, probes=False
    )
    for part in (0.9, 1.1)
)
calm = float(np.isfinite(below.loss[:, -1]).mean())
burst = float((~(beyond.loss[:, -1] < 1e9)).mean())
claim(
    "With x from `2000`, {calm:.0%} of the seeds stay finite at "
    "`0.9` of the edge, and {burst:.0%} diverge at `1.1` of it.",
    calm == 1 and burst == 1,
    over=[below, beyond],
    calm=calm,
    burst=burst,
)

# %%
stuck, rate = below.success_rate, rows["standardised"][4].success_rate
claim(
    "Below the edge {stuck:.0%} of the seeds learn the line. With "
    "standardised inputs and a learning rate of `0.1`, {rate:.0%} do.",
    stuck == 0 and rate > 0.95,
    over=[below, rows["standardised"][4]],
    stuck=stuck,
    rate=rate,
)

# %% [markdown]
# ## Fix
#
# *Standardise* the inputs: subtract the mean and divide by the standard deviation, both computed on the *training*
# samples. In the program at the top, that is one more line:

# %% tags=["repaired"]
scaled_inputs = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
history = network().fit(scaled_inputs, targets, **settings)
print(f"training loss {history.history['loss'][-1]:.3f}, baseline {targets.var():.3f}")

# %% [markdown]
# New inputs are scaled with the same numbers, the means and standard deviations of the *training* samples:
# `(new - inputs.mean(axis=0)) / inputs.std(axis=0)`.
#
# **Looks right, but isn't:** a lower learning rate. With `sgd` it keeps the loss finite, but the flat direction then
# takes far too many steps.

# %% [markdown]
# ### Look closer (optional): a feature that never changes
#
# A constant feature has a standard deviation of 0, and 0 / 0 is not a number. Scikit-learn's `StandardScaler` handles
# this case.

# %%
from sklearn.preprocessing import StandardScaler

constant = np.array([[5.0, 1.0], [5.0, 2.0], [5.0, 3.0]])
with np.errstate(invalid="ignore"):
    print("by hand:        ", ((constant - constant.mean(0)) / constant.std(0))[:, 0])
print("StandardScaler: ", StandardScaler().fit_transform(constant)[:, 0])

# %% [markdown]
# ## Outliers: which scaler?
#
# Somebody lost a decimal point: of 200 training values, two are a thousand times too large. The validation set is
# clean.

# %%
predict(
    "outliers",
    "Two values of 200 are corrupted. With "
    "`standard` scaling the network learns with …",
    [
        "hardly any seeds (under 20%)",
        "some seeds (20% to 80%)",
        "nearly all seeds (over 80%)",
    ],
)

# %% tags=["dashboard-1"]
from helpers.lab.maps import success_map

SCALINGS = ["none", "standard", "minmax", "robust"]

# %%
corrupted = success_map(raw, ("scaling", SCALINGS), ("outliers", [0, 2]), lab=lab)

# %%
two = {scaling: corrupted.study(scaling, 2) for scaling in ("standard", "robust")}
hit, robust = (study.success_rate for study in two.values())
few, many = hit < 0.2, hit > 0.8
answers = {
    "nearly all seeds (over 80%)": many,
    "some seeds (20% to 80%)": not (few or many),
}
reveal("outliers", answers | {"hardly any seeds (under 20%)": few})
minmax = corrupted.study("minmax", 0).success_rate
claim(
    "With two corrupted values, {hit:.0%} of the seeds learn "
    "with `standard` scaling, {robust:.0%} with `robust`.",
    hit < 0.2 and robust > 0.9,
    over=list(two.values()),
    hit=hit,
    robust=robust,
)
claim(
    "Without any corrupted value, {minmax:.0%} learn with `minmax`.",
    minmax < 0.2,
    over=corrupted.studies,
    minmax=minmax,
)

# %%
corrupted

# %% [markdown]
# Click a cell to open its settings in the lab at the top.

# %% [markdown]
# %% [markdown]
# One huge value stretches the standard deviation and the range. The good values are squeezed into a narrow band. Two
# values hardly change the median and the quartiles, which `robust` scaling uses.
#
# `minmax` puts the inputs between 0 and 1. Their mean is not 0 and their spread is small, with or without corrupted
# values. So the choice of scaling matters.

# %% [markdown] tags=["dashboard-1"]
# **Your discoveries.** Fill the map below. Find settings in the lab that learn, then press *Register*. Which cells
# can you not fill?

# %% tags=["dashboard-1"]
success_map(
    raw,
    ("scaling", SCALINGS),
    ("activation", ["tanh", "relu", "sigmoid"]),
    lab=lab,
    discoveries=True,
)

# %% [markdown]
# ## The scale of the targets
#
# Here the targets are prices of about 200,000. The inputs are small and clean.

# %%
predict(
    "targets",
    "Targets near 200,000, inputs between −1 and 1. Compared "
    "with always predicting the mean, the trained network is …",
    ["worse", "about as good", "better"],
)

# %% tags=["dashboard-2"]
from helpers import Experiment, Lab

price = Experiment(
    problem="price", depth=1, learning_rate=0.03, epochs=100, batch_size=None
)

# %%
money = train_seeds(price, 50)
money_scaled = train_seeds(price.replace(target_scaling="standard"), 50, probes=False)

# %%
middle, rate = float(np.median(money.skill)), money_scaled.success_rate
reveal(
    "targets",
    {
        "worse": middle < -0.1,
        "about as good": abs(middle) <= 0.1,
        "better": middle > 0.1,
    },
)
claim(
    "With unscaled targets the median skill is {middle:.0f}. "
    "With standardised targets {rate:.0%} of the seeds learn.",
    middle < -5 and rate > 0.95,
    over=[money, money_scaled],
    middle=middle,
    rate=rate,
)

# %%
from helpers.lessons.figures import loss_curves

loss_curves({"targets as they are": money}, title="A hundred epochs of Adam")

# %% [markdown]
# The first predictions are near 0, 200,000 away from the targets. Each step of Adam changes a weight by about the
# learning rate, however large the gradient. So scale the targets, train, and scale the predictions *back*. In plain
# Keras:

# %%
x = np.linspace(-1, 1, 200)[:, None]
y = 200_000 + 50_000 * np.sin(3 * x)

model = keras.Sequential([keras.Input((1,))])
model.add(layers.Dense(16, "tanh"))
model.add(layers.Dense(1))
model.compile(keras.optimizers.Adam(0.03), "mse")

mean, std = y.mean(), y.std()
model.fit(x, (y - mean) / std, epochs=30, batch_size=20, verbose=0)

x_new = np.array([[-0.5], [0.0], [0.5]])
prediction = model.predict(x_new, verbose=0) * std + mean
print(prediction[:, 0].round(-3))

# %% [markdown]
# The loss is now that of the scaled targets; its square root times `std` is the error in the old units.

# %% [markdown]
# ### Look closer (optional): the shape of the targets
#
# The network returns a column, of shape `(n, 1)`. Targets that are read from a table are often a flat array, of shape
# `(n,)`. Keras's own losses make the two shapes equal before they subtract. A loss that you write may not:


# %%
class SquaredError(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return keras.ops.square(y_true - y_pred)


points = np.linspace(-1, 1, 200)[:, None]
wave = np.sin(3 * points[:, 0])  # of shape (200,)
model = keras.Sequential([keras.Input((1,))])
model.add(layers.Dense(16, "tanh"))
model.add(layers.Dense(1))
model.compile(keras.optimizers.Adam(0.03), SquaredError())
print("shape of the loss:", SquaredError(reduction=None)(wave, model(points)).shape)

# %%
from why_wont_it_learn import fit_seeds


def skill(y_true, outputs):
    error = np.mean((np.ravel(y_true) - np.ravel(outputs[0])) ** 2)
    return 1 - error / np.var(y_true)


settings = {"seeds": 50, "epochs": 50, "batch_size": 50, "score": skill}
flat = fit_seeds(model, points, wave, **settings)
column = fit_seeds(model, points, wave[:, None], **settings)

# %%
middle, right = (float(np.median(study.skill)) for study in (flat, column))
claim(
    "With targets of shape `(n,)` the median skill is {middle:z.2f}, "
    "with targets of shape `(n, 1)` it is {right:.2f}.",
    middle < 0.3 and right > 0.9,
    over=[flat, column],
    middle=middle,
    right=right,
)

# %% [markdown]
# Subtracting a column from a flat array gives a table of `n` times `n` numbers: each prediction is compared with
# *every* target. The prediction that suits all of them best is their mean. The loss falls to the baseline and stays
# there, and no error is raised. So print the shapes, and give `y[:, None]` to a loss of your own. (`mse` works with
# either shape, and so does a loss that is a plain function.)

# %% [markdown]
# ## Missing values
#
# An empty cell in a table becomes NaN, *not a number*. Any calculation with NaN gives NaN. Here is one NaN in 200
# rows, and one epoch of plain Keras.

# %%
table = np.random.default_rng(0).normal(size=(200, 2))
target = table.sum(axis=1)
table[7, 0] = np.nan
model = keras.Sequential([keras.layers.Dense(16, "tanh"), keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(table, target, verbose=0)
print(
    "NaN among the weights:",
    sum(int(np.isnan(w).sum()) for w in model.get_weights()),
    "of",
    model.count_params(),
)

# %% [markdown]
# One row makes the loss NaN, the loss makes the gradient NaN, and the step makes every weight NaN. No later sample
# can repair the weights.

# %% tags=["dashboard-2"]
lost = price.replace(target_scaling="standard", missing=0.2)

# %%
poisoned = train_seeds(lost.replace(imputation="none", epochs=1), 50, probes=False)
nan = float(np.isnan(poisoned.weights).mean())
claim(
    "After one epoch {nan:.0%} of the weights are NaN.",
    nan == 1,
    over=poisoned,
    nan=nan,
)

# %% [markdown]
# Replacing missing values is called *imputation*. Does it matter *which* values are missing? A sensor may fail at
# random. Or people with high incomes may not report them: then the largest values are missing.

# %%
predict(
    "missing",
    "The largest fifth of the input values is missing. Which imputation is best?",
    ["drop", "indicator", "mean"],
)

# %% [markdown] tags=["dashboard-2-text"]
# In the lab, change which values are missing and how they are imputed. Watch the gap between the validation loss and
# the noise floor.

# %% [markdown]
# A map below the lab tries all pairs; click a cell to open its settings in the lab.

# %% tags=["dashboard-2"]
missing_lab = Lab(
    lost.replace(imputation="mean"),
    controls=["missing", "missing_kind", "imputation"],
    pictures=("fit", "loss"),
)
missing_lab

# %%
WAYS = ["drop", "mean", "median", "zero", "sentinel", "indicator"]
holes = success_map(
    lost,
    ("imputation", WAYS),
    ("missing_kind", ["at random", "largest"]),
    lab=missing_lab,
    show="skill",
)

# %%
chance, largest = (
    dict(zip(WAYS, holes.skill[:, side], strict=True)) for side in (0, 1)
)
best = max(("drop", "mean", "indicator"), key=largest.get)
reveal("missing", {way: way == best for way in ("drop", "mean", "indicator")})
claim(
    "Largest missing: `drop` has a median skill of {drop:.2f}, `mean` "
    "{mean:.2f}, `sentinel` {sentinel:.2f}, `indicator` {best:.2f}.",
    largest["drop"] < largest["mean"] - 0.1 < largest["sentinel"] - 0.2
    and largest["indicator"] > 0.95,
    over=holes.studies,
    drop=largest["drop"],
    mean=largest["mean"],
    sentinel=largest["sentinel"],
    best=largest["indicator"],
)

# %%
holes

# %%
ways = ("drop", "mean", "median", "zero", "indicator")
spread = max(chance[way] for way in ways) - min(chance[way] for way in ways)
claim(
    "Missing at random: the median skills of `drop`, `mean`, `median`, `zero` "
    "and `indicator` differ by {spread:.2f}; `sentinel` has {sentinel:.2f}.",
    spread < 0.06 and chance["sentinel"] < chance["mean"] - 0.1,
    over=holes.studies,
    spread=spread,
    sentinel=chance["sentinel"],
)

# %% [markdown]
# If values are missing at random, nothing brings them back, and none of the five methods is much better than another.
# A *sentinel* of −999 is worse. Does it help to train longer, or to standardise the inputs after it is filled in?

# %%
marked = lost.replace(imputation="sentinel")
variants = [
    train_seeds(one, 50, probes=False)
    for one in (marked.replace(epochs=1000), marked.replace(scaling="standard"))
]
longer, squeezed = (float(np.median(study.skill)) for study in variants)
claim(
    "Missing at random, `sentinel` has a median skill of {longer:.2f} after "
    "ten times the epochs and of {squeezed:.2f} with standardised inputs.",
    longer < chance["mean"] - 0.1 and abs(squeezed) < 0.1,
    over=variants,
    longer=longer,
    squeezed=round(squeezed, 2) + 0.0,
)

# %% [markdown]
# Neither helps. One input now carries two things, a value and a mark, and the mark is a thousand times as large. The
# same few weights have to handle both. Standardising makes it worse: the sentinel counts in the mean and the standard
# deviation, so the real values are squeezed into a narrow band, as they are by any outlier.
#
# When the largest values are missing, a gap carries *information*: the value was large. `indicator` adds an extra input
# that marks the gap. (The sentinel marks it, too, with the drawbacks above.) `drop` looks right, but then the network
# has never seen a sample with a large value, and has to predict for such samples.
#
# ## Features: what the target depends on

# %% [markdown] tags=["dashboard-3-text"]
# A linear unit adds up its inputs. It cannot multiply, divide or take a logarithm. You can do that for the unit.
#
# In the lab, change *features* to `squares`. Then choose the problem `hour` and its feature `clock`. Then go back to
# `raw` and add a hidden layer instead.

# %% tags=["dashboard-3"]
from helpers import Experiment, Lab

Lab(
    Experiment(
        problem="product",
        depth=0,
        scaling="standard",
        batch_size=None,
        epochs=200,
        learning_rate=0.1,
    ),
    controls=["problem", "features", "depth"],
    pictures=("fit", "loss"),
)

# %%
unit = Experiment(
    depth=0, scaling="standard", batch_size=None, epochs=200, learning_rate=0.1
)
MADE = {"product": "squares", "ratio": "ratio", "decades": "log", "hour": "clock"}

# %%
plain = {f"{task}: raw": unit.replace(problem=task) for task in MADE}
plain["category: codes"] = unit.replace(problem="category")
made = {
    f"{task}: {features}": unit.replace(problem=task, features=features)
    for task, features in MADE.items()
}
made["category: one_hot"] = unit.replace(problem="category", features="one_hot")
plain, made = (
    {label: train_seeds(one, 50, probes=False) for label, one in settings.items()}
    for settings in (plain, made)
)

# %%
skills(plain, title="Skill of each seed: one linear unit, raw inputs")

# %%
skills(made, title="Skill of each seed: the same unit, suitable features")

# %%
most = max(study.success_rate for study in plain.values())
least = min(study.success_rate for study in made.values())
claim(
    "With raw inputs, the easiest of these tasks is learned with {most:.0%} of "
    "the seeds. With suitable features, the hardest is learned with {least:.0%}.",
    most < 0.05 and least > 0.75,
    over=[*plain.values(), *made.values()],
    most=most,
    least=least,
)

# %%
deep = train_seeds(
    unit.replace(problem="product", depth=1, learning_rate=0.03, epochs=300),
    50,
    probes=False,
)
rate = deep.success_rate
claim(
    "A hidden layer learns the product from raw inputs with {rate:.0%} of the seeds.",
    rate > 0.9,
    over=deep,
    rate=rate,
)

# %% [markdown]
# A hidden layer can learn the product by itself. A suitable feature needs no hidden layer, and you can explain it.
#
# - **Hours**: 23:59 and 0:00 are neighbours. As numbers they are far apart; on a *clock* (sine and cosine) they are
#   not.
# - **Categories**: codes 0, 1, 2 … place C between B and D, although categories have no order. *One-hot* encoding
#   gives each category its own input.
#
# What about text? A network multiplies its inputs, and text cannot be multiplied:

# %%
try:
    Experiment(problem="category", features="raw")
except ValueError as reason:
    print(reason)

# %% [markdown]
# ## Classes: one is rare
#
# One sample in twenty belongs to class 1: a faulty part among good ones. Both inputs say something about the class.


# %%
def parts(seed, samples):
    rng = np.random.default_rng(seed)
    faulty = (np.arange(samples) % 20 == 0).astype(int)
    return rng.normal(size=(samples, 2)) + faulty[:, None], faulty


x, y = parts(seed=0, samples=1000)
x_val, y_val = parts(seed=1, samples=4000)
model = keras.Sequential([keras.Input((2,))])
model.add(layers.Dense(8, "tanh"))
model.add(layers.Dense(1, "sigmoid"))
model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")

# %%
predict(
    "rare",
    "The network is right for 95% of the new parts. Of the faulty ones, it finds …",
    ["hardly any (under 20%)", "about half (20% to 80%)", "nearly all (over 80%)"],
)

# %% [markdown]
# The *recall* of a class is the fraction of its samples that are found. Recall of class 0 plus recall of class 1,
# minus 1, is a *balanced* skill: 0 for every constant, 1 if every prediction is right, however rare a class is. With
# `class_weight`, an error on a faulty part counts nineteen times, so that both classes count the same.


# %%
def accuracy(y_true, outputs):
    return np.mean((outputs[0][:, 0] > 0.5) == np.ravel(y_true))


def recall(y_true, outputs, label=1):
    of_class = np.ravel(y_true) == label
    return np.mean((outputs[0][of_class, 0] > 0.5) == label)


def balanced(y_true, outputs):
    return recall(y_true, outputs, 0) + recall(y_true, outputs, 1) - 1


# %%
settings = {"seeds": 50, "epochs": 20, "batch_size": 100}
settings["validation_data"] = x_val, y_val
scores = accuracy, recall, balanced
plain, weighted = (
    [fit_seeds(model, x, y, **settings, class_weight=w, score=s) for s in scores]
    for w in (None, {0: 1, 1: 19})
)

# %%
right, found, fair = (float(np.median(study.skill)) for study in plain)
reveal(
    "rare",
    {
        "hardly any (under 20%)": found < 0.2,
        "about half (20% to 80%)": 0.2 <= found <= 0.8,
        "nearly all (over 80%)": found > 0.8,
    },
)
claim(
    "Median accuracy {right:.0%}; but {found:.0%} of the faulty "
    "parts are found, and the balanced skill is {fair:.2f}.",
    right > 0.93 and found < 0.2 and fair < 0.2,
    over=plain,
    right=right,
    found=found,
    fair=fair,
)

# %%
right, found, fair = (float(np.median(study.skill)) for study in weighted)
claim(
    "With class weights {found:.0%} of the faulty parts are found, and "
    "the balanced skill is {fair:.2f}; the accuracy falls to {right:.0%}.",
    right < 0.85 and found > 0.65 and fair > 0.4,
    over=weighted,
    right=right,
    found=found,
    fair=fair,
)

# %% [markdown]
# Always saying "good" is right for 95% of the parts. But nothing is broken: the network does give the faulty parts
# higher probabilities. They are rarely above 0.5, because the inputs say only a little about the class. So there is a
# second way, without class weights: a lower threshold.

# %%
threshold = 0.05  # the fraction of the parts that are faulty


def balanced_at(y_true, outputs):
    return balanced(y_true, [outputs[0] > threshold])


lowered = fit_seeds(model, x, y, **settings, score=balanced_at)
fair = float(np.median(lowered.skill))
claim(
    "Trained without class weights and judged at a threshold of `0.05`, "
    "the network has a balanced skill of {fair:.2f}.",
    fair > 0.4,
    over=lowered,
    fair=fair,
)

# %% [markdown]
# Both ways find more of the faulty parts, at the price of false alarms. Judge the network by the recall of each class,
# not by the accuracy.

# %% [markdown]
# ### Look closer (optional): rows in order
#
# Tables are often sorted by class. So is this one: first all samples outside a circle, then all samples inside it. `fit` shuffles arrays before every epoch, unless you say `shuffle=False`. It never shuffles a
# `tf.data.Dataset` or a generator: there you decide the order.


# %%
def disc(seed, samples):
    points = np.random.default_rng(seed).uniform(-1, 1, (samples, 2))
    return points, (np.hypot(*points.T) < 0.8).astype(int)


x, y = disc(seed=0, samples=2000)
order = np.argsort(y)
model = keras.Sequential([keras.Input((2,))])
model.add(layers.Dense(16, "relu"))
model.add(layers.Dense(2, "softmax"))
model.compile(keras.optimizers.Adam(0.03), "sparse_categorical_crossentropy")
settings = {"seeds": 50, "epochs": 5, "batch_size": 20}
settings["validation_data"] = disc(seed=1, samples=1000)
mixed, in_order = (
    fit_seeds(model, x[order], y[order], shuffle=shuffle, **settings)
    for shuffle in (True, False)
)

# %%
shuffled, kept = (float(np.median(study.skill)) for study in (mixed, in_order))
claim(
    "The median skill is {shuffled:.2f} with shuffled "
    "rows and {kept:z.2f} with rows in order.",
    shuffled > 0.8 and kept < 0.2,
    over=[mixed, in_order],
    shuffled=shuffled,
    kept=kept,
)

# %% [markdown]
# Each epoch ends with fifty batches of a single class. They teach the network to predict that class, and it forgets
# what it learned in the first half of the epoch. A second trap: `validation_split=0.2` takes the *last* fifth of the
# rows before anything is shuffled, here samples of one class only. So shuffle rows, inputs and targets alike, before
# you split them.

# %% [markdown]
# ## Leakage: when training sees the test rows
#
# Take sixty rows, a thousand features and two classes. All of it is *noise*: there is nothing to learn. We choose the
# ten best features and fit a classifier. We choose the features once on all rows, and once on the training rows only.

# %%
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline


def accuracies(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(60, 1000)), np.arange(60) % 2
    # The choice has seen the classes of the test rows.
    chosen = SelectKBest(k=10).fit_transform(x, y)
    a, b, ya, yb = train_test_split(chosen, y, random_state=seed)
    leaking = LogisticRegression().fit(a, ya).score(b, yb)
    a, b, ya, yb = train_test_split(x, y, random_state=seed)
    honest = make_pipeline(SelectKBest(k=10), LogisticRegression()).fit(a, ya)
    return leaking, honest.score(b, yb)


# %%
trials = range(50)
leaking, honest = np.median([accuracies(seed) for seed in trials], axis=0)
claim(
    "On pure noise, the accuracy is {leaking:.0%} with features chosen "
    "on all rows, {honest:.0%} with features chosen on the training rows.",
    leaking > 0.7 and 0.4 < honest < 0.6,
    over=trials,
    leaking=leaking,
    honest=honest,
)

# %% [markdown]
# So everything that is fitted to rows (a scaler, an imputer, a choice of features) must be fitted to the training
# rows only. A scikit-learn `Pipeline` does that for you.
#
# Time can leak, too. Here a network learns a stock price from the number of the month. In a shuffled split, nearly
# every test month lies between two training months. In a chronological split, the test months are the future. We judge
# both by *R²*, the fraction of the variance that is explained: 1 for perfect predictions, 0 for always predicting the
# mean.

# %%
trend = Experiment(
    problem="stock_trend",
    scaling="standard",
    target_scaling="standard",
    depth=1,
    width=32,
    epochs=500,
    batch_size=None,
)

# %%
splits = {
    split: train_seeds(trend.replace(split=split), 50, probes=False)
    for split in ("shuffled", "chronological")
}


# %%
def r2(study, error):
    """The median R² on the test rows, from the mean squared error of each seed."""
    own = study.experiment
    variance = [
        make_problem(own.replace(seed=int(seed))).y_val.var() for seed in study.seeds
    ]
    return float(np.median(1 - error / variance))


# %%
past, future = (r2(study, study.error) for study in splits.values())
claim(
    "The median R² on the test months is {past:.2f} with a "
    "shuffled split and {future:.2f} with a chronological one.",
    past > 0.8 and future < 0,
    over=list(splits.values()),
    past=past,
    future=future,
)

# %% [markdown]
# The question decides the split. To predict the future, test on the future.
#
# One number seems to say the opposite. It is worth a look, because it is easy to be misled by such numbers.

# %%
ahead = splits["chronological"]
skill, won = (
    float(np.median(ahead.skill)),
    float((ahead.error < ahead.noise_floor).mean()),
)
claim(
    "With the chronological split the median *skill* is {skill:.2f}. Yet only "
    "{won:.0%} of the seeds beat a model that repeats the last known price.",
    skill > 0.9 and won < 0.2,
    over=ahead,
    skill=skill,
    won=won,
)

# %% [markdown]
# Skill is a comparison. A skill of 0 means an error like that of the mean of all *past* months, a poor guess for a
# stock that has risen. A skill of 1 means an error like that of the last known price, repeated forever. So here a
# skill near 1 only means that the network does about as well as repeating a price. Always ask what a score is
# compared with.

# %% [markdown]
# ### Look closer (optional): the scaler that has seen the test rows
#
# This is the same mistake, with a smaller effect. Does a scaler fitted to all rows lower the test error?

# %%
from sklearn.linear_model import Ridge


def ratio_of_errors(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_t(2, size=(30, 5))  # heavy tails
    y = x @ rng.normal(size=5) + rng.normal(size=30)
    errors = []
    for rows in (x, x[:20]):
        scaler = StandardScaler().fit(rows)
        fit = Ridge().fit(scaler.transform(x[:20]), y[:20])
        errors.append(np.mean((fit.predict(scaler.transform(x[20:])) - y[20:]) ** 2))
    return errors[0] / errors[1]


# %%
trials = range(300)
ratio = float(np.median([ratio_of_errors(seed) for seed in trials]))
claim(
    "With the leaking scaler, the median test error "
    "is {ratio:.2f} times that with the honest one.",
    0.9 < ratio < 1.1,
    over=trials,
    ratio=ratio,
)

# %% [markdown]
# Here it hardly makes a difference. Fit the scaler to the training rows anyway: you cannot know in advance when it
# matters.

# %% [markdown]
# ## When the inputs do not contain the answer

# %% [markdown] tags=["dashboard-4-text"]
# In this task y is plus or minus √x, decided by a coin toss that no input reveals. Add as many layers as you like.

# %% tags=["dashboard-4"]
from helpers import Experiment, Lab

coin = Experiment(problem="root", epochs=50, batch_size=50)
Lab(coin, controls=["depth", "width", "epochs"], pictures=("fit", "loss"))

# %%
tossed = train_seeds(coin, 50, probes=False)
middle = float(np.median(tossed.skill))
claim(
    "The median skill is {middle:z.2f}.",
    abs(middle) < 0.05,
    over=tossed,
    middle=middle,
)

# %% [markdown]
# The network predicts about the mean of the targets at each x, which is 0. That *is* the best prediction. No network
# can make up for missing information. Ask: could a person predict the target from these inputs?
#
# ## Real data
#
# **Cars.** The horsepower of six cars is missing. Dropping these cars loses rows; imputation keeps them. The values
# range from 4 cylinders to 5000 pounds. **Penguins.** There are four measurements, from 13 mm to 6000 g, and for two
# birds all four are missing.

# %%
cars = Experiment(
    problem="auto_mpg", scaling="standard", depth=1,
    learning_rate=0.05, batch_size=None, epochs=300,
)  # fmt: skip
birds = cars.replace(problem="penguins", epochs=100)
tables = {
    "cars, rows dropped": cars,
    "cars, mean imputed": cars.replace(imputation="mean"),
    "penguins, unscaled": birds.replace(scaling="none"),
    "penguins, NaN left in": birds.replace(imputation="none"),
    "penguins, mean imputed": birds.replace(imputation="mean"),
}
real = {label: train_seeds(one, 50, probes=False) for label, one in tables.items()}
skills(real, title="Skill of each seed: two real tables, prepared in several ways")

# %%
good = ("cars, rows dropped", "cars, mean imputed", "penguins, mean imputed")
worst = min(real[name].success_rate for name in good)
best = max(study.success_rate for name, study in real.items() if name not in good)
claim(
    "Scaled and without gaps, {worst:.0%} of the seeds learn in the "
    "worst case; unscaled or with NaN, {best:.0%} in the best case.",
    worst > 0.75 and best < 0.05,
    over=list(real.values()),
    worst=worst,
    best=best,
)

# %% [markdown]
# **Stocks.** Given five monthly prices, predict the next. Can a network do that?

# %%
predict(
    "stocks",
    "The network beats a model that only repeats last month's price with …",
    ["over half of the seeds", "half of the seeds or fewer"],
)

# %%
stock = Experiment(
    problem="stock_price",
    scaling="standard",
    target_scaling="standard",
    depth=1,
    learning_rate=0.03,
    epochs=100,
    batch_size=None,
)
level = train_seeds(stock, 50, probes=False)
change = train_seeds(stock.replace(problem="stock_return"), 50, probes=False)

# %%
won = float((level.error < level.noise_floor).mean())
reveal(
    "stocks",
    {"over half of the seeds": won > 0.5, "half of the seeds or fewer": won <= 0.5},
)
fit, copy = r2(level, level.error), r2(level, level.noise_floor)
claim(
    "The network's predictions of the price have a median R² of {fit:.2f}, last "
    "month's price one of {copy:.2f}. Only {won:.0%} of the seeds beat last month's "
    "price.",
    fit > 0.9 and copy > 0.9 and won <= 0.5,
    over=level,
    fit=fit,
    copy=copy,
    won=won,
)

# %%
times, won = (
    float(np.median(change.error / change.baseline)),
    float((change.error < change.baseline).mean()),
)
claim(
    "For the *return* (the relative change), the network's median error is "
    "{times:.1f} times that of a constant; {won:.0%} of the seeds beat the constant.",
    times > 1.2 and won < 0.1,
    over=change,
    times=times,
    won=won,
)

# %% [markdown]
# Next month's price is nearly last month's price, so a mere copy of last month's price has a very high R². What counts
# in practice is the *change*, and there a network can fit noise. Always compare with a naive baseline: the mean, the
# most frequent class, last month's value.
#
# ## The article says
#
# The article that these lessons answer (*Why is my TensorFlow neural network failing to learn a simple
# relationship?*, 2025) shows scaling with three samples. One feature is 1000, 2000, 3000, the other 0.1, 0.2, 0.3,
# and the target is 1, 2, 3. It trains one linear unit for 100 epochs with Adam at its default learning rate of 0.001,
# first with raw and then with standardised inputs. It concludes that scaling makes training more stable and faster.

# %%
predict(
    "article",
    "As printed, most seeds learn the three samples …",
    ["only when scaled", "both ways", "neither way"],
)

# %%
# adam, 100 epochs
printed = Experiment(problem="three_points", depth=0, learning_rate=0.001)
scaled3 = printed.replace(scaling="standard")
ways = {
    "as printed, unscaled": printed,
    "as printed, scaled": scaled3,
    "Adam, scaled, 3000 epochs": scaled3.replace(epochs=3000),
    "SGD(0.1), unscaled": printed.replace(optimizer="sgd", learning_rate=0.1),
    "SGD(0.1), scaled": scaled3.replace(optimizer="sgd", learning_rate=0.1),
    "SGD(0.0000001), unscaled": printed.replace(optimizer="sgd", learning_rate=1e-7),
}
points = {label: train_seeds(one, 50, probes=False) for label, one in ways.items()}

# %%
once, twice, long, burst, solved, tiny = points.values()
one, both = once.success_rate > 0.5, twice.success_rate > 0.5
reveal(
    "article",
    {
        "only when scaled": both and not one,
        "both ways": one and both,
        "neither way": not (one or both),
    },
)
unscaled, standardised = (
    float(np.median(study.loss[:, -1])) for study in (once, twice)
)
claim(
    "As printed, the median loss ends at {unscaled:.1g} unscaled "
    "and {standardised:.1f} scaled; the baseline is `0.67`. "
    "So {rate:.0%} of the seeds learn.",
    once.success_rate + twice.success_rate == 0,
    over=[once, twice],
    unscaled=unscaled,
    standardised=standardised,
    rate=max(once.success_rate, twice.success_rate),
)

# %%
skills(points, title="Skill of each seed: the article's three samples, six ways")

# %%
rest = [burst, solved]
nan = float((~np.isfinite(burst.loss[:, -1])).mean())
rate = solved.success_rate
claim(
    "With `SGD(0.1)` and as many epochs, {nan:.0%} of the "
    "seeds end in NaN unscaled, and {rate:.0%} learn scaled.",
    nan == 1 and rate == 1,
    over=rest,
    nan=nan,
    rate=rate,
)

# %% [markdown]
# Why? First, how far did the loss of the unscaled unit fall at all?

# %%
kept = float(np.median(once.loss[:, -1] / once.loss[:, 0]))
claim(
    "The unscaled loss ends at {kept:.0%} of its first value (median).",
    0.5 < kept < 1,
    over=once,
    kept=kept,
)

# %% [markdown]
# A hundred Adam steps of 0.001 move each weight by about 0.1 at most. The scaled unit needs a bias of 2. The unscaled
# unit starts with a very large loss, because its inputs are in the thousands, and keeps most of it. The gap between
# the two printed losses is mostly the gap between their *initial* losses. Look at the bowls:

# %%
for name, experiment in (("unscaled", printed), ("scaled", scaled3)):
    values = bowl(experiment)
    print(
        f"{name:9} eigenvalues {np.array2string(values, precision=3)} "
        f"  edge {2 / values[-1]:.2g}"
    )

# %% [markdown]
# Scaled, the edge is 0.5, so a learning rate of 0.1 works well. Unscaled, the edge is below a millionth. (One
# eigenvalue is 0: the second feature is a multiple of the first, so many weights give the same predictions. That does
# no harm.)
#
# So is it impossible to learn without scaling? No. It works with a learning rate of a ten-millionth, because these
# samples need no bias. Scaling does not make learning possible. It makes *ordinary learning rates* work.

# %%
rate, slow = tiny.success_rate, long.success_rate
claim(
    "Unscaled with `SGD(0.0000001)`, {rate:.0%} of the seeds learn; scaled, "
    "with the article's Adam but thirty times the epochs, {slow:.0%} do.",
    min(rate, slow) > 0.9,
    over=[tiny, long],
    rate=rate,
    slow=slow,
)

# %% [markdown]
# | the article says | measured in this lesson |
# |---|---|
# | features of different scales hinder training | **true**: saturation, and the condition number |
# | its example shows that scaling helps | **false as printed**: neither version is learned; **true** with `SGD(0.1)` |
# | missing values must be imputed or removed | **true**: one NaN ruins all weights; removing rows can be the worst choice |
# | features may need a transformation | **true**: with it, one linear unit is enough |
# | (not mentioned) a rare class | high accuracy, and the class was hardly ever found; class weights or a lower threshold changed that |
# | (not mentioned) compare with a naive baseline | an R² near 1 was no better than last month's price |
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell. Each `Experiment` is trained with 50 seeds. Every
# correct answer passes.
#
# **1.** Learn the prices with 90% of the seeds and plain `sgd` at 0.01. Change only the preprocessing.

# %% tags=["given"]
prices = Experiment(
    problem="price", depth=1, optimizer="sgd", epochs=300, batch_size=None
)

# %% tags=["exercise"]
from helpers.lessons import exercises_preprocessing as exercises
from helpers.lessons.teaching import check

check(exercises.prices_with_sgd, ...)  # prices.replace(...)

# %% tags=["solution"]
from helpers.lessons import exercises_preprocessing as exercises
from helpers.lessons.teaching import check

check(exercises.prices_with_sgd, prices.replace(target_scaling="standard"))

# %% [markdown]
# **2.** Answer with a number, without training: what is the edge of this line, with x from 100 to 110?

# %% tags=["given"]
far = Experiment(
    problem="line", input_offset=100, depth=0, optimizer="sgd", batch_size=None
)

# %% tags=["exercise"]
check(exercises.where_is_the_edge, ...)

# %% tags=["solution"]
check(exercises.where_is_the_edge, 2 / bowl(far)[-1])

# %% [markdown]
# **3.** Learn the circle with 80% of the seeds and at most 6 weights and biases.

# %% tags=["exercise"]
check(exercises.circle_with_six_numbers, ...)  # Experiment(problem="circle", ...)

# %% tags=["solution"]
check(
    exercises.circle_with_six_numbers, unit.replace(problem="circle", features="polar")
)

# %% [markdown]
# **4.** The largest fifth of the prices' input values is missing. Learn the prices with 80% of the seeds. Change only
# the preprocessing.

# %% tags=["given"]
gaps = Experiment(
    problem="price", missing=0.2, missing_kind="largest", target_scaling="standard",
    depth=1, epochs=300, batch_size=None,
)  # fmt: skip

# %% tags=["exercise"]
check(exercises.the_largest_are_missing, ...)  # gaps.replace(...)

# %% tags=["solution"]
check(exercises.the_largest_are_missing, gaps.replace(imputation="indicator"))

# %% [markdown]
# **5.** This failing network has inputs far from 0 and on two scales, and five of its values are corrupted. Make 80% of
# the seeds learn. Change only the preprocessing.

# %% tags=["given"]
failing = Experiment(
    problem="two_scales", input_offset=100, outliers=5,
    depth=1, width=32, epochs=400, batch_size=None,
)  # fmt: skip

# %% tags=["exercise"]
check(exercises.corrupted_inputs, ...)  # failing.replace(...)

# %% tags=["solution"]
check(exercises.corrupted_inputs, failing.replace(scaling="robust"))

# %% [markdown]
# **6.** The hard one: write `honest(x, y)`, which chooses the 10 best of many features, fits a classifier, and
# returns an accuracy that you would bet on. The check runs it on pure noise and on data with something to find.

# %% tags=["exercise"]
check(exercises.honest_accuracy, ...)  # the function itself, without brackets

# %% tags=["solution"]
from sklearn.model_selection import cross_val_score


def honest(x, y):
    return cross_val_score(
        make_pipeline(SelectKBest(k=10), LogisticRegression()), x, y
    ).mean()


check(exercises.honest_accuracy, honest)

# %% [markdown]
# **7. Repair a program.** This one learns almost nothing. Edit the program until the check passes. Change what you
# like: data, layers, loss, optimizer, settings. `check` trains *your* model with 20 seeds, and at least 16 of them
# must learn. There are three hints: each `repairs.hint("river")` shows one more.

# %% tags=["exercise"]
from helpers.lessons import repairs

x, y, x_val, y_val = repairs.data("river")
settings = {"epochs": 60, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.003), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.river, model, x, y, x_val, y_val, **settings)

# %% tags=["solution"]
from helpers.lessons import repairs

x, y, x_val, y_val = repairs.data("river")
mean, std = x.mean(axis=0), x.std(axis=0)
x, x_val = (x - mean) / std, (x_val - mean) / std
settings = {"epochs": 60, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.003), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.river, model, x, y, x_val, y_val, **settings)

# %% tags=["exercise"]
# repairs.hint("river")
# repairs.post_mortem("river")

# %% tags=["solution"]
repairs.post_mortem("river")

# %% tags=["exercise"]
from helpers.lessons.teaching import score

score()

# %% tags=["solution"]
from helpers.lessons.teaching import score

score(all_exercises=True)

# %% [markdown]
# ## In your own network
#
# `Watch` looks at the inputs before the first step and at the units while your `fit` trains. Give it your own `x` and
# `y`. Here it watches the program at the top.

# %%
from why_wont_it_learn import Watch

watch = Watch(inputs, targets)
history = network().fit(
    inputs, targets, epochs=50, batch_size=100, verbose=0, callbacks=[watch]
)

# %% [markdown]
# Look first at what it says *before the first step*: which input is far from mean 0 and standard deviation 1, which
# values are missing, which targets are far from 0. Saturated units in the first hidden layer are a symptom of the
# same fault. Then print `x.mean(axis=0)`, `x.std(axis=0)` and `np.isnan(x).sum(axis=0)` yourself, for the validation
# data too.

# %% [markdown]
# ## In one sentence
#
# Before you change the network, look at its data: scale them, fill the gaps and mark them, build the features that
# the target depends on, test the network as you will use it, and compare it with a naive baseline.
#
# **Where next.** [03 Optimizers](03_optimizers.ipynb): the edge, for every optimizer. [05
# Regularization](05_regularization.ipynb): what to do when you cannot get more samples.
#
# **Read on.**
# A. Géron, *Hands-On Machine Learning with Scikit-Learn, Keras & TensorFlow*, chapter 2: cleaning, encoding, pipelines.
# I. Goodfellow, Y. Bengio and A. Courville, [*Deep Learning*](https://www.deeplearningbook.org/), chapters 4.3 (condition
# number) and 8.2.
# Y. LeCun and others, *Efficient BackProp* (1998): why inputs should have mean 0.
# D. Rubin, *Inference and missing data* (1976): missing at random or not.
# S. Kaufman and others, *Leakage in data mining* (2012).
# The scikit-learn documentation, [*Common pitfalls*](https://scikit-learn.org/stable/common_pitfalls.html) and
# [*Preprocessing data*](https://scikit-learn.org/stable/modules/preprocessing.html); Keras,
# [*Preprocessing layers*](https://keras.io/guides/preprocessing_layers/).
