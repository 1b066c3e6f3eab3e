# %% [markdown]
# # 2 · Activations: gradients that vanish, units that die
#
# A network can be big enough and still fail because no gradient gets through it. That depends on the activation, the
# initial weights and the scale of the inputs. After this lesson you can tell a vanishing gradient, dead units,
# saturated units and a wrong output apart by measuring them.
#
# | part | minutes |
# |---|---|
# | The failure, your predictions, the lab | 6 |
# | The vanishing gradient, and how to fix it | 8 |
# | The initial weights, exploding gradients | 4 |
# | Dead and saturated units | 5 |
# | The output and the loss | 4 |
# | The article says | 4 |
# | Exercises | as long as you like |
#
# Parts headed *Look closer* are folded: open them with the arrow next to the heading, now or later. The terms
# *skill*, *learned*, *baseline* and *noise floor* are explained in [00 Start here](00_start_here.ipynb).
#
# ## The failure
#
# A network with five hidden layers has to tell two half moons apart.

# %% tags=["program"]
import keras
import numpy as np
from sklearn.preprocessing import StandardScaler

rng = np.random.default_rng(0)
upper, angle = np.arange(200) % 2 == 0, rng.uniform(0, np.pi, 200)
x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
x[~upper] = [1, 0.5] - x[~upper]
x = StandardScaler().fit_transform(x + 0.1 * rng.standard_normal(x.shape))
y = (~upper).astype(float)

model = keras.Sequential([keras.Input((2,))])
for seed in range(5):
    start = keras.initializers.GlorotUniform(seed)
    model.add(keras.layers.Dense(10, activation="sigmoid", kernel_initializer=start))
last = keras.initializers.GlorotUniform(5)
model.add(keras.layers.Dense(1, activation="sigmoid", kernel_initializer=last))
model.compile(optimizer=keras.optimizers.SGD(0.1), loss="binary_crossentropy")
history = model.fit(x, y, batch_size=25, epochs=60, verbose=0)
print(f"loss {history.history['loss'][-1]:.3f}, baseline {np.log(2):.3f}")

# %% [markdown]
# The baseline, log 2, is the loss of always predicting a probability of one half. (`GlorotUniform` is Keras's default;
# its seeds give the network the initial weights that it has in the lab below.)

# %% [markdown]
# ## Predict

# %%
from helpers.lessons.teaching import predict

predict(
    "factor",
    "As the gradient travels back from the output to the input, "
    "each sigmoid layer multiplies it by about …",
    ["0.25", "0.5", "0.9"],
)

# %%
predict(
    "adam",
    "Five sigmoid layers on the moons, with "
    "`adam` at 0.01 instead of `sgd`. They learn …",
    ["with less than 10% of the seeds", "with 10% to 80%", "with more than 80%"],
)

# %% [markdown]
# The last question is about *the article* that these lessons answer (*Why is my TensorFlow neural network failing to
# learn a simple relationship?*, 2025). It trains a network with two hidden units on XOR: the target is 1 if the two
# inputs differ, and 0 if they are equal.

# %%
predict(
    "xor",
    "XOR, two hidden units, 500 steps of `adam` at 0.05. More seeds learn it with …",
    ["`sigmoid`", "`relu`", "no clear difference"],
)

# %% [markdown]
# ## Observe
#
# The lab opens on this very program; its *Code* button prints it.

# %% tags=["dashboard-1", "experiment"]
from helpers import Experiment

network = {"depth": 5, "width": 10, "activation": "sigmoid"}
training = {"optimizer": "sgd", "learning_rate": 0.1, "batch_size": 25, "epochs": 60}
moons = Experiment(problem="moons", scaling="standard", **network, **training)

# %% tags=["dashboard-1"]
from helpers import Lab

shown = ["depth", "activation", "initializer", "optimizer", "learning_rate"]
lab = Lab(moons, controls=shown, pictures=("fit", "loss", "gradients"))
lab

# %% [markdown] tags=["dashboard-1-text"]
# Five hidden layers of ten `sigmoid` units. The surface has almost the same colour everywhere: the network predicts
# almost the same value for every input. The loss stays at the dotted line, the baseline. After 480 steps the network
# has learned nothing. It is not too small, and 0.1 is a common learning rate for `sgd`.

# %% [markdown] tags=["dashboard-1-text"]
# 1. Look at the gradient by layer, at the open circles: those are the gradients of the first epoch. How many powers of
#    ten separate the output and the first layer? At the end, little is left in any layer.
# 2. Move *depth* to 1, then to 10. What happens to the first layer's gradient?
# 3. At depth 5 change only *activation*: `tanh`, `relu`, `elu`. Which of them learn?
# 4. Go back to `sigmoid`. Change *optimizer* to `adam` and *learning rate* to 0.01.

# %% [markdown]
# ## Explain: the vanishing gradient
#
# Backpropagation starts at the output. Each layer multiplies the gradient by the slope of its activation and by its
# weights. To measure the gradient at the start, we use a learning rate so small that the weights stay where they are.

# %%
from helpers import train_seeds

at_start = moons.replace(depth=10, epochs=1, batch_size=None, learning_rate=1e-8)
sigmoid = train_seeds(at_start, 50)
tanh = train_seeds(at_start.replace(activation="tanh"), 50)
relu_start = at_start.replace(activation="relu")
relu = train_seeds(relu_start, 50)
relu_he = train_seeds(relu_start.replace(initializer="he_normal"), 50)


# %%
def factor(study):
    """The factor by which each hidden layer multiplies the gradient: median."""
    norm = study.gradient_norm[:, 0, :-1]  # without the output layer
    return float(np.median((norm[:, 0] / norm[:, -1]) ** (1 / (norm.shape[1] - 1))))


# %%
from helpers.lessons.teaching import claim, reveal

each, kept = factor(sigmoid), factor(tanh)
reveal("factor", {"0.9": each > 0.7, "0.5": 0.35 < each <= 0.7, "0.25": each <= 0.35})
claim(
    "Each layer multiplies the gradient by {each:.2f} "
    "with `sigmoid` and by {kept:.2f} with `tanh`.",
    0.2 < each < 0.27 and 0.9 < kept < 1.1,
    over=[sigmoid, tanh],
    each=each,
    kept=kept,
)
first = float(np.median(sigmoid.gradient_norm[:, 0, 0]))
claim(
    "After ten sigmoid layers, the first layer's gradient has a norm of {first:.0e}.",
    first < 1e-6,
    over=sigmoid,
    first=first,
)

# %%
from helpers.lessons.figures import layers

layers(
    {"sigmoid": sigmoid, "tanh": tanh, "relu": relu, "relu, he_normal": relu_he},
    title="Gradient norm by layer at the start, four networks",
)

# %% [markdown]
# The axis is logarithmic, so a straight line means a fixed factor for each layer. With `relu` and Keras's default
# initializer the line is level but low: the gradient is small in *all* layers. The ratio of first to last layer would
# not show that. The section on the initial weights comes back to it.
#
# Why this factor? The slope of the sigmoid is s(1 − s), the largest in the middle, where s is 1/2. (The lab measures after
# the first epoch. By then the gradients of the last layers have become smaller, so the ratio that it names is milder.)
#
# ## Explain: which activation, at which depth?
#
# Each cell of the map shows 50 seeds with the same settings: `sgd` at 0.1, 480 steps. Click a cell to open its settings
# in the lab above.

# %% tags=["dashboard-1"]
from helpers import success_map
from helpers.experiments.catalog import ACTIVATIONS

curved = ("activation", [name for name in ACTIVATIONS if name != "linear"])

# %%
three = ("activation", ["sigmoid", "tanh", "relu"])
sgd_map = success_map(moons, three, ("depth", [5, 10]), lab=lab)
sgd_map

# %%
best = float(sgd_map.rate[0].max())
other = sgd_map.study("tanh", 5).success_rate
claim(
    "With `sgd`, sigmoid layers learn with {best:.0%} of the seeds at both depths "
    "of the map, five `tanh` layers with {other:.0%}.",
    best == 0 and other > 0.8,
    over=sgd_map.studies,
    best=best,
    other=other,
)

# %% [markdown]
# Now the same sigmoid layers with `adam` at 0.01.

# %%
hidden = {"learning_rate": 0.01, "optimizer": "adam"}
deeper = ("depth", [5, 10])
by_adam = success_map(
    moons.replace(**hidden), ("activation", ["sigmoid"]), deeper, lab=lab
)

# %%
five, ten = by_adam.rate[0]
few, some, many = (
    "with less than 10% of the seeds",
    "with 10% to 80%",
    "with more than 80%",
)
reveal("adam", {few: five < 0.1, some: 0.1 <= five <= 0.8, many: five > 0.8})
claim(
    "With `adam`, five sigmoid layers learn with "
    "{five:.0%} of the seeds, ten with {ten:.0%}.",
    five > 0.1 and ten < 0.1,
    over=by_adam.studies,
    five=five,
    ten=ten,
)
by_adam

# %% [markdown]
# `adam` divides each gradient by its own recent magnitude. A gradient a thousand times smaller still gives a step of
# the usual length. So `adam` hides the vanishing gradient in networks that are not too deep, but does not fix it.
#
# ## Fix
#
# **Looks right, but isn't: a larger learning rate.** The first of the five layers gets a much smaller gradient than the
# last one, and one learning rate scales both. **What works: a different activation**, as in the map.

# %%
from helpers.lessons.figures import skills

faster = train_seeds(moons.replace(learning_rate=1), 50, probes=False)
shown = {"sigmoid, learning rate 1": faster}
shown["tanh, learning rate 0.1"] = sgd_map.study("tanh", 5)
skills(shown, title="Skill of each seed, two changes")

# %%
rate = faster.success_rate
claim(
    "At ten times the learning rate, {rate:.0%} of the seeds learn.",
    rate < 0.1,
    over=faster,
    rate=rate,
)

# %% [markdown]
# In the program, the fix is one word: `"tanh"` instead of `"sigmoid"` in the hidden layers. The output stays.

# %% tags=["repaired"]
model = keras.Sequential([keras.Input((2,))])
for seed in range(5):
    start = keras.initializers.GlorotUniform(seed)
    model.add(keras.layers.Dense(10, activation="tanh", kernel_initializer=start))
last = keras.initializers.GlorotUniform(5)
model.add(keras.layers.Dense(1, activation="sigmoid", kernel_initializer=last))
model.compile(optimizer=keras.optimizers.SGD(0.1), loss="binary_crossentropy")
history = model.fit(x, y, batch_size=25, epochs=60, verbose=0)
print(f"loss {history.history['loss'][-1]:.3f}, baseline {np.log(2):.3f}")

# %% [markdown]
# ## Explain: the initial weights
#
# The slope is one factor; the weights are the other. *Glorot* initialization chooses their spread so that the signal
# keeps its magnitude through `tanh`. `relu` sets about half of the values to 0, so *He* initialization doubles the
# variance. Zeros make all units of a layer equal, and they stay equal. `random_normal` here has a standard deviation
# of 10, which is far too large. We try them with three `tanh` or `relu` layers of 16 units on a wave:

# %% tags=["dashboard-2"]
from helpers import Experiment, Lab

wave = Experiment(
    problem="sine",
    scaling="standard",
    samples=50,
    depth=3,
    batch_size=None,
    epochs=200,
    learning_rate=0.01,
)

# %%
starts = [("tanh", "glorot_uniform"), ("relu", "glorot_uniform"), ("relu", "he_normal")]
starts += [("tanh", "zeros"), ("tanh", "random_normal")]


def trained_from(activation, initializer):
    # We do not look at the layers here; without layer metrics training is faster.
    e = wave.replace(activation=activation, initializer=initializer, epochs=100)
    return train_seeds(e, 50, probes=False)


by_start = {f"{name}, {start}": trained_from(name, start) for name, start in starts}
skills(by_start, title="Skill of each seed, by activation and initial weights")

# %%
rate = {label: study.success_rate for label, study in by_start.items()}
good = min(r for label, r in rate.items() if "glorot" in label or "he_" in label)
zero, large = rate["tanh, zeros"], rate["tanh, random_normal"]
claim(
    "With `glorot` or `he`, {good:.0%} of the seeds learn even in the worst row; "
    "with zeros {zero:.0%} learn, with far too large weights {large:.0%}.",
    good > 0.9 and zero == 0 and large < 0.1,
    over=list(by_start.values()),
    good=good,
    zero=zero,
    large=large,
)

# %% [markdown]
# At depth 3 it hardly matters which of the two you choose. At depth 10 it does: compare the two `relu` lines of the
# first figure.

# %%
low, high = (float(np.median(s.gradient_norm[:, 0, 0])) for s in (relu, relu_he))
claim(
    "With ten `relu` layers, the first layer's gradient at the start is {low:.0e} "
    "with `glorot` and {high:.0e} with `he`.",
    high > 10 * low,
    over=[relu, relu_he],
    low=low,
    high=high,
)

# %%
gelu = moons.replace(depth=10, activation="gelu")
before = train_seeds(gelu, 50, probes=False)
after = train_seeds(gelu.replace(initializer="he_normal"), 50, probes=False)
claim(
    "Ten `gelu` layers with `sgd` learn with {glorot:.0%} of the seeds with `glorot`, "
    "with {he:.0%} with `he`.",
    after.success_rate > before.success_rate + 0.3,
    over=[before, after],
    glorot=before.success_rate,
    he=after.success_rate,
)

# %% [markdown]
# ## Explain: exploding gradients
#
# The factor of each layer can also be larger than 1. Then the layers enlarge the signal on its way forward and the
# gradient on its way back. The gradient **explodes**, in every layer, and one step throws the weights far away. Five
# `relu` layers with the far too large `random_normal`, next to *He*:

# %%
five = relu_start.replace(depth=5)
by_he = train_seeds(five.replace(initializer="he_normal"), 50)
by_large = train_seeds(five.replace(initializer="random_normal"), 50)
layers(
    {"he_normal": by_he, "random_normal": by_large},
    title="Gradient norm by layer at the start, two initializers",
)

# %%
he, large = (float(np.median(s.gradient_norm[:, 0, 0])) for s in (by_he, by_large))
claim(
    "The first layer's gradient at the start has a norm of {he:.1f} "
    "with `he_normal` and of {large:.0e} with `random_normal`.",
    large > 1000 * he,
    over=[by_he, by_large],
    he=he,
    large=large,
)

# %% [markdown]
# A milder case: five `relu` layers that start with eight times the variance of *He*. The fix is *He*. Where other
# initial weights are not enough, as in networks that apply the same layer many times, **clip** the gradient:
# `clipnorm=1` shortens each gradient whose norm is larger than 1, and keeps its direction. The skill is measured on
# `new`, the validation set of the lab.

# %%
from helpers.experiments.problems import make_problem
from why_wont_it_learn import fit_seeds

problem = make_problem(moons)
new = problem.x_val, problem.y_val
settings = {"seeds": 50, "batch_size": 25, "epochs": 60, "validation_data": new}


def relus(variance, **clip):
    model = keras.Sequential([keras.Input((2,))])
    for _ in range(5):
        start = keras.initializers.VarianceScaling(variance)
        model.add(keras.layers.Dense(10, activation="relu", kernel_initializer=start))
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    model.compile(keras.optimizers.SGD(0.1, **clip), loss="binary_crossentropy")
    return fit_seeds(model, x, y, **settings)


# %%
exploding, clipped, he = relus(16), relus(16, clipnorm=1.0), relus(2)
claim(
    "With eight times the variance of *He*, {bare:.0%} of the seeds learn; "
    "with `clipnorm=1` added, {clip:.0%} do; with *He* itself, {he:.0%}.",
    exploding.success_rate < 0.2 and clipped.success_rate > 0.5 < he.success_rate,
    over=[exploding, clipped, he],
    bare=exploding.success_rate,
    clip=clipped.success_rate,
    he=he.success_rate,
)

# %% [markdown]
# ### Look closer (optional): batch normalisation and residual connections
#
# Two parts of most deep networks keep the gradient alive. *Batch normalisation* scales the input of each activation to
# mean 0 and standard deviation 1 over the batch. A *residual connection* adds the input of a layer to its output, so
# the gradient has a path around the layer.

# %%
from keras.layers import Activation, Add, BatchNormalization, Dense


def residual(depth, connected):
    inputs = keras.Input((2,))
    signal = Dense(10)(inputs)
    for _ in range(depth):
        layer = Dense(10, activation="tanh")(signal)
        signal = Add()([signal, layer]) if connected else layer
    model = keras.Model(inputs, Dense(1, activation="sigmoid")(signal))
    model.compile(keras.optimizers.SGD(0.1), loss="binary_crossentropy")
    return fit_seeds(model, x, y, **settings | {"batch_size": 50, "epochs": 20})


# %%
def normalised():
    model = keras.Sequential([keras.Input((2,))])
    for _ in range(5):
        model.add(Dense(10))
        model.add(BatchNormalization())
        model.add(Activation("sigmoid"))
    model.add(Dense(1, activation="sigmoid"))
    model.compile(keras.optimizers.SGD(0.1), loss="binary_crossentropy")
    return fit_seeds(model, x, y, **settings | {"validation_data": (x, y)})


# %%
bare, connected = residual(10, False), residual(10, True)
normed = normalised()
claim(
    "Within `80` steps, ten `tanh` layers learn with {bare:.0%} of the seeds, with "
    "residual connections with {residual:.0%}. With batch normalisation, the five "
    "`sigmoid` layers from above reach a median skill of {normed:.2f} on the training "
    "samples.",
    connected.success_rate > bare.success_rate + 0.5 and np.median(normed.skill) > 0.6,
    over=[bare, connected, normed],
    bare=bare.success_rate,
    residual=connected.success_rate,
    normed=float(np.median(normed.skill)),
)

# %% [markdown]
# Batch normalisation behaves differently in training and at inference. In training it uses the mean and the standard
# deviation of the batch; at inference it uses their moving averages. These start at 0 and 1, and by default
# (`momentum=0.99`) each step moves them by only a hundredth of the way. In `normalised` the validation data are the
# training samples, so the two losses differ only in the mode:

# %%
early, late = (
    [float(np.median(loss[:, epoch])) for loss in (normed.loss, normed.val_loss)]
    for epoch in (4, 59)
)
claim(
    "After `40` steps the loss is {training:.2f} in training and {inference:.2f} at "
    "inference, on the same samples; after `480` steps {later:.2f} and {last:.2f}.",
    early[1] > 1.3 * early[0] and late[1] - late[0] < 0.5 * (early[1] - early[0]),
    over=normed,
    training=early[0],
    inference=early[1],
    later=late[0],
    last=late[1],
)

# %% [markdown]
# If a network with batch normalisation does well in training and badly at inference, on the same samples, it is not
# overfitting: the moving averages have not caught up. Train for more steps, or lower `momentum`.

# %% [markdown]
# ## Explain: dead units

# %% [markdown] tags=["dashboard-2-text"]
# `relu` is flat for negative z. A unit whose z is negative for *every* sample passes no gradient on, so it usually
# stays that way: it is **dead**. We can cause this with steps that are too long, or with an initial bias of −5.

# %% tags=["dashboard-2"]
one = wave.replace(depth=1, width=32, activation="relu")
Lab(
    one.replace(learning_rate=1),
    controls=["learning_rate", "bias_initializer", "activation", "initializer"],
    pictures=("fit", "loss", "units"),
)

# %%
died = [train_seeds(one.replace(learning_rate=r), 50) for r in (0.01, 0.1, 1)]
leak = one.replace(activation="leaky_relu", learning_rate=1)
leaky = train_seeds(leak, 50, probes=False)
names = ["relu, 0.01", "relu, 0.1", "relu, 1", "leaky_relu, 1"]
skills(
    dict(zip(names, [*died, leaky], strict=True)),
    title="Skill of each seed, by activation and learning rate",
)

# %%
gentle, middle, wild = (float(study.dead[:, -1].mean()) for study in died)
claim(
    "At a learning rate of `0.01`, {gentle:.0%} of the units are dead, "
    "at `0.1` {middle:.0%}, at `1` {wild:.0%}.",
    gentle < 0.1 < middle < 0.5 < wild,
    over=died,
    gentle=gentle,
    middle=middle,
    wild=wild,
)

# %%
still = died[1].success_rate
claim(
    "Yet at `0.1` {still:.0%} of the seeds learn: some dead units do no harm.",
    still > 0.8,
    over=died[1],
    still=still,
)
plain, leak = died[2].success_rate, leaky.success_rate
claim(
    "At `1`, `relu` learns with {plain:.0%} of "
    "the seeds, `leaky_relu` with {leak:.0%}.",
    leak > plain + 0.3,
    over=[died[2], leaky],
    plain=plain,
    leak=leak,
)

# %% [markdown]
# Now the bias of −5. Every relu unit starts dead. Which of the usual fixes bring the units back?

# %%
dead_start = one.replace(bias_initializer=-5.0)
faster = dead_start.replace(learning_rate=0.1)
leaky, elu = (faster.replace(activation=name) for name in ("leaky_relu", "elu"))
revived = {
    "relu": train_seeds(dead_start, 50),
    "relu, ten times the learning rate": train_seeds(faster, 50),
    "leaky_relu, learning rate 0.1": train_seeds(leaky, 50, probes=False),
    "elu, learning rate 0.1": train_seeds(elu, 50, probes=False),
    "relu, bias 0": died[0],
}
skills(revived, title="Skill of each seed, a bias of −5 and four changes")

# %%
lost = list(revived.values())[:2]
dead = float(min(study.dead[:, -1].mean() for study in lost))
most = max(study.success_rate for study in lost)
claim(
    "`relu` with either learning rate: {dead:.0%} of the units stay dead, "
    "and {most:.0%} of the seeds learn.",
    dead > 0.9 and most < 0.05,
    over=lost,
    dead=dead,
    most=most,
)

# %%
leak, walk, zero = (study.success_rate for study in list(revived.values())[2:])
claim(
    "With `leaky_relu` {leak:.0%} of the seeds learn, with `elu` {walk:.0%}, "
    "with `relu` and a bias of zero {zero:.0%}.",
    leak < 0.1 and min(walk, zero) > 0.9,
    over=list(revived.values())[2:],
    leak=leak,
    walk=walk,
    zero=zero,
)

# %% [markdown]
# **Looks right, but isn't: `leaky_relu`.** No unit can be dead, but each one starts on one side of its kink for every
# sample. Such a layer is linear, and the wave is not a straight line. A gradient alone is not enough; it must move
# the kink into the range of the data.
#
# ## Explain: saturated units
#
# `sigmoid` and `tanh` are flat at both ends. A unit with a large |z| for most samples is **saturated**. Unscaled
# inputs saturate units before the first step. Here the range of x is a hundred times as wide.

# %%
wide = one.replace(activation="tanh", input_scale=100.0, scaling="none")
unscaled = train_seeds(wide, 50)
slow = train_seeds(wide.replace(learning_rate=0.001), 50, probes=False)
scaled = train_seeds(wide.replace(scaling="standard"), 50, probes=False)
shown = {"unscaled": unscaled, "unscaled, a tenth of the learning rate": slow}
skills(shown | {"standardised": scaled}, title="Skill of each seed, two changes")

# %%
share = float(unscaled.saturated[:, 0].mean())
claim(
    "With unscaled inputs, {share:.0%} of the "
    "units are saturated after the first epoch.",
    share > 0.8,
    over=unscaled,
    share=share,
)
claim(
    "Unscaled, {raw:.0%} of the seeds learn; at a tenth of the learning rate "
    "{slow:.0%}; standardised {scaled:.0%}.",
    max(unscaled.success_rate, slow.success_rate) < 0.3 < 0.8 < scaled.success_rate,
    over=[unscaled, slow, scaled],
    raw=unscaled.success_rate,
    slow=slow.success_rate,
    scaled=scaled.success_rate,
)

# %% [markdown]
# **What works:** standardise. **Looks right, but isn't:** a lower learning rate. The units are saturated before the
# first step is taken.
#
# ## Explain: the output and the loss
#
# The activation of the output decides which predictions are *possible*, and the loss has to fit these predictions.
# Come back to this table:
#
# | target | output layer | loss | a common mistake |
# |---|---|---|---|
# | real values | `Dense(1)`, linear | `"mse"` | `tanh`: never beyond −1 and 1 |
# | positive values, over several powers of ten | `Dense(1, "exponential")` | `"msle"` | linear, `"mse"`: only the large ones count |
# | bounded values, −1 to 1 | `Dense(1, "tanh")` | `"mse"` | `sigmoid`: never below 0 |
# | two classes, 0 or 1 | `Dense(1, "sigmoid")` | `"binary_crossentropy"` | `softmax` over one unit: always 1 |
# | several classes, 0, 1, 2, … | `Dense(n, "softmax")` | `"sparse_categorical_crossentropy"` | `Dense(n)` with this loss: no probabilities |
# | the same | `Dense(n)`; take the `softmax` of the predictions yourself | `SparseCategoricalCrossentropy(from_logits=True)` | forgetting one of the two |
# | several labels, each 0 or 1 | `Dense(n, "sigmoid")` | `"binary_crossentropy"` | `softmax`: its outputs sum to 1 |
# | counts | `Dense(1, "exponential")` | `"poisson"` | linear: negative counts |
#
# We measure the kinds of targets on one wave, and print how many of the seeds learn with the right output and with the
# mistake. The targets have no noise, so the skill is measured on the training samples. For the positive values it is
# the skill of their logarithms, where an error of 10% counts the same everywhere.

# %%
t = np.linspace(-1.7, 1.7, 64)[:, None]
curve = np.sin(3 * t / 1.7)
targets = {
    "real": 5 * curve,
    "positive": np.exp(3.4 + 3.4 * curve),
    "bounded": curve,
    "two classes": curve > 0,
    "several classes": np.digitize(t, [-0.7, 0.7]),
    "several labels": np.hstack([t > -1, t < 1, abs(t) < 0.85]),
    "counts": np.round(np.exp(2.5 + 1.5 * curve)),
}

# %%
bce, classes = "binary_crossentropy", "sparse_categorical_crossentropy"
rows = {  # target: output and loss that fit; the same with the mistake
    "real": ("linear", "mse", "tanh", "mse"),
    "positive": ("exponential", "msle", "linear", "mse"),
    "bounded": ("tanh", "mse", "sigmoid", "mse"),
    "two classes": ("sigmoid", bce, "softmax", bce),
    "several classes": ("softmax", classes, "linear", classes),
    "several labels": ("sigmoid", bce, "softmax", bce),
    "counts": ("exponential", "poisson", "linear", "poisson"),
}

# %%
import warnings

# Keras warns of a softmax over one unit. It is right: read its warnings. Here the
# mistake is on purpose.
warnings.filterwarnings("ignore", "You are using a softmax over axis")


def in_logs(target, predictions):
    """The skill of the logarithms."""
    log, made = np.log(target), np.log(np.clip(predictions[0], 1e-3, None))
    return 1 - np.mean((log - made) ** 2) / np.var(log)


def fitted(name, output, loss):
    units = 3 if name.startswith("several") else 1
    model = keras.Sequential([keras.Input((1,)), Dense(16, activation="tanh")])
    model.add(Dense(units, activation=output))
    model.compile(keras.optimizers.Adam(0.03), loss=loss)
    settings = {"batch_size": 64, "epochs": 300, "seeds": 50}
    score = in_logs if name == "positive" else None
    y = targets[name].astype("float32")
    return fit_seeds(model, t, y, score=score, **settings)


# %%
line = "{:16}{:>12}{:>7}{:>12}{:>7}".format
lines = [line("target", "output", "learn", "mistake", "learn")]
fit_well, do_not = {}, {}
for name, (output, loss, *mistake) in rows.items():
    fit_well[name], do_not[name] = fitted(name, output, loss), fitted(name, *mistake)
    good, bad = (s[name].success_rate for s in (fit_well, do_not))
    lines.append(line(name, output, f"{good:.0%}", mistake[0], f"{bad:.0%}"))
print("\n".join(lines))

# %%
good = min(study.success_rate for study in fit_well.values())
bad = max(study.success_rate for study in do_not.values())
claim(
    "With the right output and loss, {good:.0%} "
    "of the seeds learn even in the worst row; "
    "with the wrong ones {bad:.0%} in the best.",
    good > 0.8 and bad < 0.1,
    over=[*fit_well.values(), *do_not.values()],
    good=good,
    bad=bad,
)

# %%
right, trap = (
    float(np.median(s["two classes"].loss[:, -1])) for s in (fit_well, do_not)
)
claim(
    "The loss does not always show it: for two "
    "classes, it is {trap:.0e} with `softmax` "
    "and {right:.0e} with `sigmoid`.",
    max(right, trap) < 0.1,
    over=[fit_well["two classes"], do_not["two classes"]],
    trap=trap,
    right=right,
)

# %% [markdown]
# Why? To avoid rounding errors, Keras computes the cross-entropy from the input of the last activation (the *logits*),
# as if that activation were a sigmoid. The predictions use the softmax. So the loss falls although the network always
# predicts 1. Trust the predictions.

# %% [markdown]
# ## The article says
#
# The article's second example trains a network with two hidden units, `sigmoid` or `relu`, on XOR for 100 steps of
# `adam` at its default learning rate. It says that `relu` typically does better. As printed:

# %% tags=["dashboard-3"]
from helpers import Experiment, Lab

short = {"batch_size": None, "epochs": 100, "learning_rate": 0.001}
xor = Experiment(problem="xor", depth=1, width=2, **short)

# %%
printed = {
    name: train_seeds(xor.replace(activation=name), 50, probes=False)
    for name in ("sigmoid", "relu")
}
skills(printed, title="Skill of each seed, as printed")

# %%
from helpers.experiments.models import initial_weights


def travel(study):
    """The largest change of any weight, for each seed."""
    shapes = [(2, 2), (2,), (2, 1), (1,)]
    before = initial_weights(study.experiment, study.seeds.tolist(), shapes)
    return np.abs(study.weights - before).max(axis=1)


# %%
studies = list(printed.values())
most = max(study.success_rate for study in studies)
far = float(max(travel(study).max() for study in studies))
claim(
    "In the better of the two cases {most:.0%} of the "
    "seeds learn. No weight moves by more than {far:.2f}.",
    most < 0.1 and far < 0.15,
    over=studies,
    most=most,
    far=far,
)

# %% [markdown]
# ### XOR, trained long enough

# %% [markdown] tags=["dashboard-3-text"]
# Each step of `adam` changes a weight by about the learning rate. A hundred steps of 0.001 add up to about 0.1, and
# the initial weights are up to 1.4 away from zero. So the example shows neither that sigmoid fails nor that relu
# works. It shows that 100 short steps are not enough. Now we train long enough: 500 steps of 0.05.

# %% tags=["dashboard-3"]
xor_lab = Lab(
    xor.replace(epochs=500, learning_rate=0.05, activation="relu"),
    controls=["width", "activation", "depth", "learning_rate", "epochs"],
    pictures=("fit", "loss", "units"),
)
xor_lab

# %%
names = ["sigmoid", "relu", "leaky_relu"]
xor_map = success_map(
    xor_lab.first, ("width", [2, 16]), ("activation", names), lab=xor_lab
)

# %%
two = {name: xor_map.study(2, name).success_rate for name in names}
gap = two["sigmoid"] - two["relu"]
reveal(
    "xor",
    {
        "`sigmoid`": gap > 0.1,
        "`relu`": gap < -0.1,
        "no clear difference": abs(gap) <= 0.1,
    },
)
claim(
    "With two units, {sigmoid:.0%} of the seeds learn with `sigmoid`, "
    "{relu:.0%} with `relu`, {leaky_relu:.0%} with `leaky_relu`.",
    min(two["sigmoid"], two["leaky_relu"]) > two["relu"] + 0.15,
    over=xor_map.studies,
    **two,
)
xor_map

# %%
enough = float(xor_map.rate[1].min())
claim(
    "With sixteen units, {enough:.0%} learn even with the worst of the three.",
    enough > 0.9,
    over=xor_map.studies,
    enough=enough,
)

# %% [markdown]
# Why? Look at the seeds that end with a dead `relu` unit.

# %%
pair = train_seeds(xor_lab.first, 50)
with_dead = pair.dead[:, -1, 0] > 0
still, whole = (float(pair.learned[those].mean()) for those in (with_dead, ~with_dead))
share = float(with_dead.mean())
claim(
    "{share:.0%} of the seeds end with a dead unit. Of these {still:.0%} learn, of the "
    "others {whole:.0%}, and that is still fewer than the {sigmoid:.0%} of `sigmoid`.",
    share > 0.4 and still == 0 and 0.2 < whole < two["sigmoid"] - 0.1,
    over=[pair, *xor_map.studies],
    share=share,
    still=still,
    whole=whole,
    sigmoid=two["sigmoid"],
)

# %% [markdown]
# One unit alone cannot solve XOR, so a network with one dead unit of two fails. `sigmoid` units do not die. When *is*
# `relu` better? It learns faster, once there are enough units:

# %%
wide = xor.replace(width=16, epochs=500)
two_kinds = ("activation", ["sigmoid", "relu"])
quick = success_map(wide, ("width", [16]), two_kinds).studies
slow, fast = (study.success_rate for study in quick)
claim(
    "With sixteen units and `500` steps of `0.001`, {slow:.0%} of the seeds learn "
    "with `sigmoid`, {fast:.0%} with `relu`.",
    fast > slow + 0.5,
    over=quick,
    slow=slow,
    fast=fast,
)

# %%
slow, fast = (sgd_map.study(name, 5).success_rate for name in ("sigmoid", "relu"))
claim(
    "It is also better in deep networks: on the "
    "moons, five layers with `sgd` learn with "
    "{slow:.0%} of the seeds with `sigmoid`, {fast:.0%} with `relu`.",
    fast > slow + 0.5,
    over=sgd_map.studies,
    slow=slow,
    fast=fast,
)

# %% [markdown]
# | the article says | measured in this lesson |
# |---|---|
# | with sigmoid in all layers, the gradient vanishes | **true**: a factor of about 1/4 for each layer |
# | … and a deep network does not learn | **true with `sgd`**; `adam` hides it up to some depth |
# | `relu` mitigates it | **true**, but in deep networks it needs `he` to keep the gradient's norm |
# | `relu` does better on XOR | **false as printed** (hardly any seed learns); **reversed** with two units; **true** with sixteen units, where `relu` learns faster |
# | leaky relu or elu can help | **true**: `leaky_relu` helped on XOR and at a high learning rate; from a bias of −5 only `elu` did |
# | the choice depends on data and task | **true here**: see the maps |
#
# ## Fill the map
#
# Use the first lab above.

# %% [markdown] tags=["dashboard-1"]
# Find settings in the lab that learn, then press *Register*. How deep can you go with `sigmoid`?

# %% tags=["dashboard-1"]
success_map(moons, curved, ("depth", [1, 2, 5, 10, 15, 20]), lab=lab, discoveries=True)

# %% [markdown]
# ## Exercises
#
# Put your answer in place of the three dots and run the cell. Each `Experiment` is trained with 50 seeds, and every
# correct answer passes.
#
# **1.** Answer with a number: what is the largest factor by which the slopes of ten sigmoids in a row can multiply a
# gradient?

# %% tags=["exercise"]
from helpers.lessons import exercises_activations as exercises
from helpers.lessons.teaching import check

check(exercises.ten_slopes, ...)

# %% tags=["solution"]
from helpers.lessons import exercises_activations as exercises
from helpers.lessons.teaching import check

check(exercises.ten_slopes, 0.25**10)

# %% [markdown]
# **2.** Learn XOR with 90% of the seeds: one hidden layer, at most 4 units, at most 500 steps.

# %% tags=["exercise"]
check(exercises.small_xor, ...)  # xor.replace(...)

# %% tags=["solution"]
check(
    exercises.small_xor,
    xor.replace(width=4, activation="tanh", learning_rate=0.05, epochs=500),
)

# %% [markdown]
# **3.** Learn the moons with 80% of the seeds, in at most 1000 steps. Keep the five layers and their `sigmoid`.

# %% tags=["exercise"]
check(exercises.deep_sigmoid, ...)  # moons.replace(...)

# %% tags=["solution"]
# adam makes the first layer's steps as long as any other's; larger initial weights let
# more of the signal through.
check(
    exercises.deep_sigmoid,
    moons.replace(
        optimizer="adam", learning_rate=0.02, initializer="he_normal", epochs=100
    ),
)

# %% [markdown]
# **4.** Eight hidden layers with plain `sgd`: learn the moons with 90% of the seeds, in at most 500 steps.

# %% tags=["exercise"]
check(exercises.deep_with_sgd, ...)  # moons.replace(depth=8, ...)

# %% tags=["solution"]
selu = {"activation": "selu", "initializer": "lecun_normal"}
check(exercises.deep_with_sgd, moons.replace(depth=8, batch_size=40, **selu))

# %% [markdown]
# **5.** Here are four failing networks. Name the cause of each failure: *vanishing gradient*, *dead units*, *saturated
# units* or *wrong output*. Prove that you can fix it by changing one field so that 80% of the seeds learn.
# (`Lab(failing["A"])` opens one in a lab.)

# %% tags=["exercise"]
failing = exercises.FAILING
# {"A": ("…", failing["A"].replace(...)), "B": ..., "C": ..., "D": ...}
check(exercises.name_the_causes, ...)

# %% tags=["solution"]
failing = exercises.FAILING
fixed = {
    "A": ("vanishing gradient", failing["A"].replace(activation="tanh")),
    "B": ("dead units", failing["B"].replace(bias_initializer=0.0)),
    "C": ("saturated units", failing["C"].replace(scaling="standard")),
    "D": ("wrong output", failing["D"].replace(output_activation="linear")),
}
check(exercises.name_the_causes, fixed)

# %% [markdown]
# **6. Repair a program.** Two classes in 400 samples of four inputs. "The accuracy is no better than a coin toss. I
# have tried wider layers." Edit the program until the check passes. Change what you like: data, layers, loss,
# optimizer, settings. `check` trains *your* model with 20 seeds, and at least 16 of them must learn. There are three
# hints: each `repairs.hint("beetles")` shows one more.

# %% tags=["exercise"]
from keras import layers

from helpers.lessons import repairs

x, y, x_val, y_val = repairs.data("beetles")
settings = {"epochs": 40, "batch_size": 32}
model = keras.Sequential([keras.Input((4,))])
for _ in range(8):
    model.add(layers.Dense(16, activation="sigmoid"))
model.add(layers.Dense(1, activation="sigmoid"))
model.compile(optimizer=keras.optimizers.Adam(0.003), loss="binary_crossentropy")
model.fit(x, y, verbose=0, **settings)
loss = model.evaluate(x_val, y_val, verbose=0)
print(f"validation loss {loss:.2f}, baseline {np.log(2):.2f}")
check(repairs.beetles, model, x, y, x_val, y_val, **settings)

# %% tags=["solution"]
from keras import layers

from helpers.lessons import repairs

x, y, x_val, y_val = repairs.data("beetles")
settings = {"epochs": 40, "batch_size": 32}
model = keras.Sequential([keras.Input((4,))])
for _ in range(8):
    model.add(layers.Dense(16, activation="tanh"))
model.add(layers.Dense(1, activation="sigmoid"))
model.compile(optimizer=keras.optimizers.Adam(0.003), loss="binary_crossentropy")
model.fit(x, y, verbose=0, **settings)
loss = model.evaluate(x_val, y_val, verbose=0)
print(f"validation loss {loss:.2f}, baseline {np.log(2):.2f}")
check(repairs.beetles, model, x, y, x_val, y_val, **settings)

# %% tags=["exercise"]
# repairs.hint("beetles")
# repairs.post_mortem("beetles")

# %% tags=["solution"]
repairs.post_mortem("beetles")

# %% tags=["exercise"]
from helpers.lessons.teaching import score

score()

# %% tags=["solution"]
from helpers.lessons.teaching import score

score(all_exercises=True)

# %% [markdown]
# ## In your own network
#
# Train your network for one epoch, from new initial weights, with `fit` from `why_wont_it_learn`. It takes the model
# and then the arguments of `model.fit`. Here it trains the network of the last exercise; put your model and your data
# in its place.

# %%
from why_wont_it_learn import fit

fresh = keras.models.clone_model(model)
fresh.compile(optimizer=keras.optimizers.Adam(0.003), loss="binary_crossentropy")
record = fit(fresh, x, y, epochs=1, batch_size=32)
for name, norm in zip(record.layers, record.gradient_norm[0], strict=True):
    print(f"{name:10} gradient norm {norm:.1e}")
print("dead, hidden layers     ", record.dead[0].round(2))
print("saturated, hidden layers", record.saturated[0].round(2))

# %% [markdown]
# - The gradients shrink by powers of ten towards the first layer: try another activation (`tanh`, or `relu` with
#   `he_normal`).
# - The fraction of dead units is close to 1 in a layer: lower the learning rate, or look at the initial biases.
# - The fraction of saturated units is close to 1 in the first layer: standardise the inputs.
# - All of this is in order, but the predictions stay on one side of the targets: can the output reach the targets?
#
# ## In one sentence
#
# A unit learns only where its activation has a slope, so look at the gradient of each layer and at the dead and
# saturated units before you blame anything else.
#
# **Where next.** [03 Optimizers](03_optimizers.ipynb): how long a step may be. [04
# Preprocessing](04_preprocessing.ipynb): inputs that do not saturate. [06 Debugging
# clinic](06_debugging_clinic.ipynb): all causes, hidden.
#
# **Read on.**
# A. Géron, *Hands-On Machine Learning with Scikit-Learn, Keras & TensorFlow*, chapter 11 (vanishing gradients, initializers).
# I. Goodfellow, Y. Bengio and A. Courville, [*Deep Learning*](https://www.deeplearningbook.org/), chapters 6.2, 6.3 and 8.4.
# The Keras documentation of [activations](https://keras.io/api/layers/activations/) and
# [initializers](https://keras.io/api/layers/initializers/).
# X. Glorot and Y. Bengio, [*Understanding the difficulty of training deep feedforward neural
# networks*](https://proceedings.mlr.press/v9/glorot10a.html) (2010): where the gradient goes, and how to choose the initial weights.
# K. He and others, [*Delving deep into rectifiers*](https://arxiv.org/abs/1502.01852) (2015): initial weights for relu.
# G. Klambauer and others, [*Self-normalizing neural networks*](https://arxiv.org/abs/1706.02515) (2017): selu.
# D.-A. Clevert and others, [*Exponential linear units*](https://arxiv.org/abs/1511.07289) (2016): elu.
# L. Lu and others, [*Dying ReLU and initialization*](https://arxiv.org/abs/1903.06733) (2020): when whole layers die.
