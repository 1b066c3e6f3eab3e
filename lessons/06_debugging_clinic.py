# %% [markdown]
# # 6 · The debugging clinic
#
# Each of the other lessons shows one kind of cause. Here you have to find the cause. After this lesson you have a
# procedure for a network that does not learn, and you have practised it on *patients*: failing networks that do not
# show their cause.
#
# | part | minutes |
# |---|---|
# | The failure, your predictions, the lab | 5 |
# | A procedure that needs no lab | 12 |
# | The clinic: patients with a hidden cause | as long as you like |
# | The article says | 2 |
# | Exercises | as long as you like |
# | In your own network | 5 |
#
# The terms *skill*, *learned*, *baseline* and *noise floor* are explained in [00 Start here](00_start_here.ipynb).
#
# ## The failure
#
# A straight line with some noise.

# %% tags=["program"]
import keras
import numpy as np
from keras.initializers import GlorotUniform

rng = np.random.default_rng(0)
inputs = np.linspace(0, 10, 100)[:, None]
targets = 2 * inputs + 1 + rng.standard_normal((100, 1))


def network(rate):
    model = keras.Sequential([keras.Input((1,))])
    model.add(keras.layers.Dense(16, "relu", kernel_initializer=GlorotUniform(0)))
    model.add(keras.layers.Dense(16, "relu", kernel_initializer=GlorotUniform(1)))
    model.add(keras.layers.Dense(1, kernel_initializer=GlorotUniform(2)))
    model.compile(optimizer=keras.optimizers.SGD(rate), loss="mse")
    return model


history = network(0.01).fit(inputs, targets, epochs=200, batch_size=100, verbose=0)
print(f"training loss {history.history['loss'][-1]:.1f}, baseline {targets.var():.1f}")

# %% [markdown]
# The training loss ends at the baseline, the error of always predicting the mean. The noise has a variance of 1, so a
# loss of about 1 is possible. (`GlorotUniform` is Keras's default; its seeds give the network the initial weights that it
# has in the lab below.)

# %% [markdown]
# ## Predict
#
# Choose an answer and press *Commit* before you try it in the lab. Your answer is saved, and the measurement will
# score it.

# %%
from helpers.lessons.teaching import predict

predict(
    "units",
    "The article that these lessons answer advises more capacity first. "
    "With 128 units in each layer instead of 16, the network learns …",
    ["with most seeds", "with about half of the seeds", "with few seeds"],
)

# %%
predict(
    "ten",
    "Trained on only ten samples, for five times "
    "as many epochs, the network memorises them …",
    ["with few seeds", "with about half of the seeds", "with most seeds"],
)

# %%
predict(
    "seeds",
    "A network of four relu units is trained on XOR once, "
    "and fails. Trained with fifty seeds, it learns …",
    ["with nearly all", "with some", "with nearly none"],
)

# %% [markdown]
# ## Observe
#
# The lab opens on this very program; its *Code* button prints it.

# %% tags=["dashboard-1", "experiment"]
from helpers import Experiment, Lab

TITLE = Experiment(
    problem="line",
    noise=1,
    activation="relu",
    optimizer="sgd",
    learning_rate=0.01,
    batch_size=None,
    epochs=200,
)
controls = [
    "depth",
    "width",
    "activation",
    "initializer",
    "optimizer",
    "learning_rate",
    "epochs",
    "scaling",
    "l2",
]
lab = Lab(TITLE, controls=controls, pictures=("fit", "loss", "gradients", "units"))
lab

# %% [markdown] tags=["dashboard-1-text"]
# The article that these lessons answer asks in its title: *Why is my TensorFlow neural network failing to learn a
# simple relationship?* This network is our version of the question. The relationship is a straight line with some
# noise. The network has two relu layers of 16 units and does not learn the line with `sgd` at 0.01. A single linear
# unit does. What would you change?

# %% [markdown] tags=["dashboard-1-text"]
# 1. Read the four plots and the sentence below them. Which cause does the lab name? Is it the root cause, or a
#    consequence of it?
# 2. Move one control at a time until the network learns. Count your attempts.
# 3. Press *Reset*, then *Rescue*. The lab tries single changes with 20 seeds each, the small ones first, and shows
#    the rescued run next to the failing one. Where the change allows it, both start from the same initial weights.
#    How many changes did the lab try?

# %% [markdown]
# ## Explain: a procedure that needs no lab
#
# You will not always have a lab. This procedure begins with checks that are cheap and often find the fault, and asks
# one question at a time. You can answer most of its questions with `fit` and `predict` alone; one asks for the gradient
# of each layer.

# %% [markdown]
# ```mermaid
# %%{init: {"flowchart": {"wrappingWidth": 125, "nodeSpacing": 12, "rankSpacing": 32, "padding": 8}}}%%
# flowchart TD
#     accTitle: The procedure as a diagram; the list below says the same
#     a1("Are all inputs and targets numbers, of a magnitude near 1?") -- no --> a1x["Fill or drop missing values; scale. (04)"]
#     a1 -- yes --> a2
#     a2("Can the output reach the targets?") -- no --> a2x["Linear for numbers, sigmoid or softmax for classes. (02)"]
#     a2 -- yes --> a3
#     a3("Do predictions beat the baseline, and match a reference model?") -- yes --> a3x["It learns. (00)"]
#     a3 -- no --> ten
#     ten("Can it overfit ten samples?") -- no --> b1
#     ten -- yes --> c1
#     b1("Is the loss finite and calm?") -- no --> b1x["A tenth of the learning rate. (03)"]
#     b1 -- yes --> b2
#     b2("Does a gradient reach every layer?") -- no --> b2x["Another activation, other initial weights. (02)"]
#     b2 -- yes --> b3
#     b3("Has the loss stopped falling?") -- no --> b3x["More steps, or larger ones. (03)"]
#     b3 -- yes --> b4
#     b4("Is it nonlinear, with enough units?") -- no --> b4x["A larger network. (01)"]
#     b4 -- yes --> end1["Several seeds, then diagnose. (07)"]
#     c1("With all samples: is the training loss low?") -- no --> c1x["More units, or longer training. (01)"]
#     c1 -- yes --> c2
#     c2("With the penalties: still low?") -- no --> c2x["Weaker penalties. (05)"]
#     c2 -- yes --> c3
#     c3("Is the validation loss as low?") -- no --> c3x["More samples, or a penalty. (05)"]
#     c3 -- yes --> c4
#     c4("Does any other method beat the baseline?") -- no --> c4x["Nothing to learn: look for other inputs. (04)"]
#     c4 -- yes --> end1
# ```
#
# As a list, with what to do to answer each question:
#
# 1. **Are all inputs and targets numbers, of a magnitude near 1?** Print mean, standard deviation, minimum and maximum of each column. If not: fill or drop missing values; scale. → [04](04_preprocessing.ipynb)
# 2. **Can the output reach the targets?** Compare its activation with the targets, and the loss with both. If not: linear for numbers, sigmoid or softmax for classes. → [02](02_activations.ipynb)
# 3. **Do predictions beat the baseline, and match a reference model?** Take the better of a linear model and nearest neighbours. Compute the errors on the validation set from predict(), not from the printed loss, with five seeds. If so, it learns. → [00](00_start_here.ipynb)
# 4. **Can it overfit ten samples?** Ten samples, no penalties, five times as long: the training loss must fall to almost nothing.
#     - *No:*
#         1. **Is the loss finite and calm?** Look at the first ten epochs. If not: a tenth of the learning rate. → [03](03_optimizers.ipynb)
#         2. **Does a gradient reach every layer?** Look at the first gradient, layer by layer, and at the units. If not: another activation, other initial weights. → [02](02_activations.ipynb)
#         3. **Has the loss stopped falling?** Train five times as long, and with ten times the learning rate. If not: more steps, or larger ones. → [03](03_optimizers.ipynb)
#         4. **Is it nonlinear, with enough units?** Add a hidden layer; take eight times the units. If not: a larger network. → [01](01_capacity.ipynb) If so: try several seeds, then `diagnose`. → [07](07_your_own_network.ipynb)
#     - *Yes:*
#         1. **With all samples: is the training loss low?** Compare it with that of a linear model. If not: more units, or longer training. → [01](01_capacity.ipynb)
#         2. **With the penalties: still low?** Train without L1, L2 and dropout, and compare. If not: weaker penalties. → [05](05_regularization.ipynb)
#         3. **Is the validation loss as low?** Plot both on the same axes. If not: more samples, or a penalty. → [05](05_regularization.ipynb)
#         4. **Does any other method beat the baseline?** Try a linear model and nearest neighbours. If not: there is nothing to learn; look for other inputs. → [04](04_preprocessing.ipynb) If so: try several seeds, then `diagnose`. → [07](07_your_own_network.ipynb)

# %% [markdown]
# Now apply it to the failing network. **Does it beat the baseline?** Look at predictions for new samples, not at the
# printed loss, and use several seeds.

# %%
from helpers import train_seeds
from helpers.lessons.teaching import claim, reveal


def fifty(probes=False, **changes):
    """The failing network with some changes, trained with 50 seeds."""
    return train_seeds(TITLE.replace(**changes), 50, probes=probes)  # of each layer


failing, line = fifty(probes=True), fifty(depth=0)

# %%
skill = float(np.median(failing.skill))
claim(
    "The median skill is {skill:z.2f}: a constant is as good.",
    abs(skill) < 0.05,
    over=failing,
    skill=skill,
)
rate = line.success_rate
claim(
    "Without hidden layers, {rate:.0%} of the seeds learn with the same training.",
    rate > 0.9,
    over=line,
    rate=rate,
)

# %% [markdown]
# So the data can be learned, and the network or its training is at fault. **Can it overfit ten samples?** A network
# that cannot do this is unlikely to learn more samples, and overfitting is not its problem. Here, overfitting ten
# samples means that the training loss is less than a twentieth of the variance of their targets.

# %%
from helpers.experiments.problems import make_problem


def overfits(study):
    """The fraction of the seeds that end below a twentieth of the targets' variance."""
    variance = [
        make_problem(study.experiment.replace(seed=int(seed))).y.var()
        for seed in study.seeds
    ]
    return float((study.loss[:, -1] < 0.05 * np.array(variance)).mean())


few = {"samples": 10, "epochs": 1000}
as_it_is, well = fifty(**few), fifty(**few, scaling="standard")
share, scaled_share = overfits(as_it_is), overfits(well)

# %%
reveal(
    "ten",
    {
        "with most seeds": share > 0.65,
        "with about half of the seeds": 0.35 <= share <= 0.65,
        "with few seeds": share < 0.35,
    },
)
claim(
    "As it is, {share:.0%} of the seeds overfit ten "
    "samples; with scaled inputs, {healthy:.0%} do.",
    scaled_share > share + 0.3,
    over=[as_it_is, well],
    share=share,
    healthy=scaled_share,
)

# %% [markdown]
# The answer decides which branch we follow. **Is the loss finite and calm?** Look at the first ten epochs.


# %%
def jumps(study):
    """The fraction of the seeds whose loss rises by half in one of ten epochs."""
    loss = study.loss[:, :10]
    return float((loss[:, 1:] > 1.5 * loss[:, :-1]).any(axis=1).mean())


# %%
rate = jumps(failing)
claim(
    "With {rate:.0%} of the seeds, one of the first ten "
    "epochs raises the loss by more than half.",
    rate > 0.8,
    over=failing,
    rate=rate,
)

# %% [markdown]
# So the procedure points to the learning rate: a tenth of it. The next question shows what the long steps did. **Does
# a gradient reach every layer?** Look at the units.

# %%
from helpers.lessons import figures

scaled = fifty(probes=True, scaling="standard")
figures.layers(
    {"as it is": failing, "inputs scaled": scaled},
    measure="dead",
    epoch=-1,
    title="Dead relu units at the end of training",
)

# %%
worst = failing.dead[:, -1].max(axis=1)
dead = float((worst == 1).mean())
claim(
    "With {dead:.0%} of the seeds a whole layer "
    "is dead at the end: no gradient gets through.",
    dead > 0.5,
    over=failing,
    dead=dead,
)
before = fifty(probes=True, learning_rate=1e-8, epochs=1)  # steps that move nothing
start, ten = (
    float(share.mean()) for share in (before.dead[:, 0, 0], failing.dead[:, 9, 0])
)
claim(
    "Of the units of the first layer, {start:.0%} are dead "
    "before the first step and {ten:.0%} after ten steps.",
    0.4 < start < 0.65 and ten > 0.95,
    over=[before, failing],
    start=start,
    ten=ten,
)

# %% [markdown]
# Dead units are the symptom. About half of the first layer is dead from the start: with inputs of 0 or more and a
# bias of 0, every unit with a negative weight is dead. The others die in the first few steps. Inputs from 0 to 10
# make the gradients large, and a long step can make a unit inactive for every sample. So there are several possible
# fixes.
#
# ## Fix: one change at a time

# %%
slower, adam = fifty(learning_rate=0.001), fifty(optimizer="adam")
longer, wider = fifty(epochs=1000), fifty(width=128)
ways = {
    "learning rate 0.001": slower,
    "inputs scaled": scaled,
    "adam": adam,
    "1000 epochs": longer,
    "128 units": wider,
}

# %%
rate = wider.success_rate
reveal(
    "units",
    {
        "with most seeds": rate > 0.65,
        "with about half of the seeds": 0.35 <= rate <= 0.65,
        "with few seeds": rate < 0.35,
    },
)
claim(
    "With `128` units instead of `16`, {rate:.0%} learn.",
    rate < 0.1,
    over=wider,
    rate=rate,
)

# %%
from helpers.lessons.figures import skills

skills(
    {"as it is": failing, **ways},
    title="Skill of each seed: the failing network and five changes",
)

# %%
low, mid, top = (study.success_rate for study in (scaled, slower, adam))
claim(
    "With a tenth of the learning rate, {mid:.0%} of the seeds "
    "learn; with scaled inputs {low:.0%}; with Adam {top:.0%}.",
    min(low, mid, top) > 0.8,
    over=[scaled, slower, adam],
    low=low,
    mid=mid,
    top=top,
)
rate = longer.success_rate
claim(
    "With five times the epochs, {rate:.0%} learn: the dead layers stay dead.",
    rate < 0.1,
    over=longer,
    rate=rate,
)

# %% [markdown]
# **What works:** shorter steps, through a lower learning rate, scaled inputs, or an optimizer that divides by the
# gradient's magnitude. **Looks right, but isn't:** more units, more epochs. In the program at the top, one number
# changes:

# %% tags=["repaired"]
history = network(0.001).fit(inputs, targets, epochs=200, batch_size=100, verbose=0)
print(f"training loss {history.history['loss'][-1]:.1f}, baseline {targets.var():.1f}")

# %% [markdown]
# The function behind the *Rescue* button finds a fix by itself:

# %%
from helpers.lessons.teaching import tell
from helpers.rescue import smallest_rescue

tell(smallest_rescue(TITLE).result)

# %% [markdown]
# ### Worked cases
#
# The same procedure on five other networks. Each has one fault, and each case asks only as many questions as it needs.

# %%
wave = Experiment(
    problem="sine",
    scaling="standard",
    samples=100,
    output_activation="linear",
    batch_size=None,
    epochs=200,
)


def fifty_of(case, **changes):
    return train_seeds(case.replace(**changes), 50, probes=False)


def first_three(case):
    """Train a network with 50 seeds and print what answers questions 1 to 3."""
    study, problem = fifty_of(case), make_problem(case)
    for name, values in (("inputs", problem.x), ("targets", problem.y)):
        mean, deviation = values.mean(), values.std()
        print(f"1 {name}: mean {mean:z.1f}, standard deviation {deviation:.1f}")
    low, high = problem.y.min(), problem.y.max()
    print(f"2 targets from {low:.1f} to {high:.1f}, output {case.output_activation}")
    print(f"3 median skill {np.median(study.skill):z.2f}")
    return study


# %%
def ten_samples(case):
    """The fraction of the seeds that overfit ten samples, in 1000 epochs."""
    return overfits(fifty_of(case, **few))


def first_to_last(case):
    """The first gradient of the first layer, as a fraction of that of the last one."""
    norms = train_seeds(case.replace(epochs=1), 50).gradient_norm[:, 0]
    return float(np.median(norms[:, 0] / norms[:, -1]))


def loss_left(study):
    """The training loss at the end, as a fraction of the baseline."""
    return float(np.median(study.loss[:, -1] / study.baseline))


# %% [markdown]
# **Case 1.** "Two inputs, and the loss is in the billions."

# %%
case = wave.replace(problem="price")
study, fixed = first_three(case), fifty_of(case, target_scaling="standard")

# %%
spread, rate = float(np.sqrt(np.median(study.baseline))), fixed.success_rate
claim(
    "Question one: the targets have a standard deviation of about {spread:,.0f}, "
    "not `1`. **Scale the targets.** Then {rate:.0%} of the seeds learn.",
    spread > 1e4 and study.success_rate < 0.1 and rate > 0.9,
    over=[study, fixed],
    spread=spread,
    rate=rate,
)

# %% [markdown]
# **Case 2.** "It fits the upper half of my wave."

# %%
case = wave.replace(output_activation="sigmoid")
study, fixed = first_three(case), fifty_of(case, output_activation="linear")

# %%
targets_of = (make_problem(case.replace(seed=int(seed))).y for seed in study.seeds)
below, rate = float(np.mean([(y < 0).mean() for y in targets_of])), fixed.success_rate
claim(
    "Question two: {below:.0%} of the targets are negative, and a sigmoid never is. "
    "**A linear output.** Then {rate:.0%} of the seeds learn.",
    below > 0.3 and study.success_rate < 0.1 and rate > 0.9,
    over=[study, fixed],
    below=below,
    rate=rate,
)

# %% [markdown]
# **Case 3.** "The loss falls nicely, but the prediction is nearly flat."

# %%
case = wave.replace(learning_rate=1e-4)
study, ten, gradient = first_three(case), ten_samples(case), first_to_last(case)
longer, larger = fifty_of(case, epochs=1000), fifty_of(case, learning_rate=1e-3)
fixed = fifty_of(case, learning_rate=1e-2)


# %%
claim(
    "Question four: {ten:.0%} of the seeds overfit ten samples, so we follow *no*. "
    "The loss rises by half with {jumps:.0%}: it is calm. The gradient of the first "
    "layer is {ratio:.1f} of the last one's: it reaches every layer.",
    ten < 0.35 and jumps(study) < 0.1 and gradient > 0.1,
    over=study,
    ten=ten,
    jumps=jumps(study),
    ratio=gradient,
)
claim(
    "Has the loss stopped falling? It ends at {here:.2f} of the baseline, after five "
    "times the epochs at {longer:.2f}, with ten times the learning rate at "
    "{larger:.2f}. **Larger steps.** With a learning rate of `0.01`, {rate:.0%} of the "
    "seeds learn.",
    loss_left(study) > 0.8
    and max(loss_left(longer), loss_left(larger)) < 0.8
    and fixed.success_rate > 0.9,
    over=[study, longer, larger, fixed],
    here=loss_left(study),
    longer=loss_left(longer),
    larger=loss_left(larger),
    rate=fixed.success_rate,
)

# %% [markdown]
# **Case 4.** "I added layers until it was deep enough for anything."

# %%
case = wave.replace(depth=8, activation="sigmoid")
study, ten, gradient = first_three(case), ten_samples(case), first_to_last(case)
fixed = fifty_of(case, activation="tanh")

# %%
claim(
    "Question four: {ten:.0%} of the seeds overfit ten samples, so we follow *no*. The "
    "loss rises by half with {jumps:.0%}: it is calm. The gradient of the first layer "
    "is {ratio:.0e} of the last one's: it hardly reaches the first layer. **Another "
    "activation.** With tanh, {rate:.0%} of the seeds learn.",
    ten < 0.35 and jumps(study) < 0.1 and gradient < 1e-3 and fixed.success_rate > 0.8,
    over=[study, fixed],
    ten=ten,
    jumps=jumps(study),
    ratio=gradient,
    rate=fixed.success_rate,
)

# %% [markdown]
# **Case 5.** "The training loss is fine, the predictions are not."

# %%
case = wave.replace(samples=12, noise=0.5)
study, ten = first_three(case), ten_samples(case)
fixed = fifty_of(case, samples=400)

# %%
times = float(np.median(study.error / study.loss[:, -1]))
claim(
    "Question four: {ten:.0%} of the seeds overfit ten samples, so we follow *yes*. "
    "With all samples the training loss is {left:.2f} of the baseline: low. There are "
    "no penalties. The validation loss is {times:.0f} times the training loss. **More "
    "samples.** With four hundred, {rate:.0%} of the seeds learn.",
    ten > 0.65 and loss_left(study) < 0.2 and times > 3 and fixed.success_rate > 0.8,
    over=[study, fixed],
    ten=ten,
    left=loss_left(study),
    times=times,
    rate=fixed.success_rate,
)

# %% [markdown]
# ### The same network, fifty times
#
# A procedure is of little use if its answers depend on the seed. Here is one run of a network, then fifty.

# %%
from helpers import train

xor = Experiment(
    problem="xor",
    depth=1,
    width=4,
    activation="relu",
    batch_size=None,
    learning_rate=0.05,
    epochs=500,
    seed=3,
)
print(train(xor).verdict)
corners = train_seeds(xor, 50, probes=False)

# %%
rate = corners.success_rate
reveal(
    "seeds",
    {
        "with nearly all": rate > 0.9,
        "with some": 0.1 <= rate <= 0.9,
        "with nearly none": rate < 0.1,
    },
)
claim(
    "With other initial weights, the same network learns XOR with {rate:.0%} of the "
    "seeds. So train with several before you look for a cause: one run can fail by bad "
    "luck, or succeed by good luck.",
    0.1 < rate < 0.9,
    over=corners,
    rate=rate,
)

# %% [markdown]
# ## The clinic

# %% [markdown] tags=["dashboard-2-text"]
# A patient is a network that was broken in one or two ways. You see its learning curve. Each test costs credits from
# a budget. Then you name the cause and prescribe a fix. The clinic retrains the network with twenty held-out seeds,
# names the cause and tells you what had been changed. The correct causes score three points, a fix that works scores
# three. If both are right, each remaining credit scores one more, up to half of the budget. The other half is there
# to be spent, so test before you name a cause. Begin with level 1; *Next patient* never runs out. The cause is not
# shown before the treatment. It is in the kernel's memory, and anyone who knows Python can find it there.

# %% tags=["dashboard-2"]
from helpers.clinic.clinic import Clinic

clinic = Clinic(level=1)
clinic

# %% [markdown]
# ### Patients from real questions

# %% [markdown] tags=["dashboard-3-text"]
# All but the first were asked on Stack Overflow. We rewrote them in our words and on our data; the number of the
# question appears after the treatment. The cause that a complaint names is not always the true one.

# %% tags=["dashboard-3"]
from helpers.clinic import casebook
from helpers.clinic.clinic import Clinic

practice = Clinic(cases=casebook.CASES)
practice

# %% [markdown]
# ## The article says
#
# The article ends with advice: look systematically at architecture, activation, optimizer, data and regularization.
# Here we try one change for each of these five headings on the title question.

# %%
leaky, held = fifty(activation="leaky_relu"), fifty(l2=0.01)
headings = {
    "1 capacity: 128 units": wider,
    "2 activation: leaky_relu": leaky,
    "3 optimizer: adam": adam,
    "4 data: inputs scaled": scaled,
    "5 regularization: L2 0.01": held,
}
skills(headings, title="The five headings, each tried on the title question")

# %%
a, b, c = (study.success_rate for study in (leaky, held, adam))
claim(
    "With leaky relu {a:.0%} of the seeds learn, with L2 {b:.0%}, with Adam {c:.0%}.",
    a < 0.5 and b < 0.1 and c > 0.8,
    over=[leaky, held, adam],
    a=a,
    b=b,
    c=c,
)
best = max(wider.success_rate, held.success_rate)
claim(
    "With the changes for capacity and regularization, "
    "{best:.0%} of the seeds learn in the better case.",
    best < 0.1,
    over=[wider, held],
    best=best,
)

# %% [markdown]
# | the article says | measured in this lesson |
# |---|---|
# | failure requires systematic debugging | **true**: changes under two of its five headings fix the title question; the loss and the units show which |
# | a mismatch of architecture and problem is the most common reason | **not the reason here**: more units do not help, and the smallest network learns |
# | examine all five areas | **good advice**, but begin with the cheap checks: data and output first, then ten samples, then the gradient |
# | experiment again and again | **good advice**, with one change at a time and more than one seed |
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell. Every correct answer passes.
#
# **1.** Find another fix: change one field of `TITLE`, but not one that has been shown to work (the scaling of the
# inputs, learning rate, optimizer, depth), so that 80% of the seeds learn.

# %% tags=["exercise"]
from helpers.lessons import exercises_clinic as exercises
from helpers.lessons.teaching import check

check(exercises.another_way_out, ...)  # TITLE.replace(...)

# %% tags=["solution"]
from helpers.lessons import exercises_clinic as exercises
from helpers.lessons.teaching import check

check(exercises.another_way_out, TITLE.replace(target_scaling="standard"))

# %% [markdown]
# **2.** This network has two faults. Change two fields so that 90% of the seeds learn. Neither change may be enough
# alone.

# %%
TWO = Experiment(
    problem="sine",
    input_scale=10.0,
    input_offset=100.0,
    learning_rate=0.0003,
    batch_size=None,
    epochs=200,
)

# %% tags=["exercise"]
check(exercises.fix_two_at_once, ...)  # TWO.replace(...)

# %% tags=["solution"]
check(exercises.fix_two_at_once, TWO.replace(scaling="standard", learning_rate=0.03))

# %% [markdown]
# **3.** Treat three patients of level 2. Name two thirds of the causes and fix two of the patients.

# %%
ward = Clinic(level=2, seed=100)
ward

# %% tags=["exercise"]
check(exercises.treat_three, ...)  # ward, when you have treated three

# %% tags=["solution"]
for cause, fix in (
    ("capacity_too_low", "tanh"),
    ("bad_initialization", "usual_initialization"),
    ("vanishing_gradient", "tanh"),
):
    tell(ward.treat([cause], [fix]))
    ward.admit()
check(exercises.treat_three, ward)

# %% [markdown]
# **4.** The hard one: fool the lab. Choose another problem and find settings that fail, for which the lab's first
# *likely cause* does not point to the one field that fixes them.

# %% tags=["exercise"]
check(exercises.fool_the_lab, ...)  # (failing, failing.replace(...))

# %% tags=["solution"]
fast = {"optimizer": "sgd", "learning_rate": 0.03, "batch_size": 8}
failing = Experiment(
    problem="abs", input_scale=3.0, activation="relu", initializer="he_normal", **fast
)
check(exercises.fool_the_lab, (failing, failing.replace(scaling="standard")))

# %% [markdown]
# **5. Repair a program.** This one has two faults, and each alone is enough to make it fail. Edit the program until
# the check passes. Change what you like: data, layers, loss, optimizer, settings, callbacks. `check` trains *your*
# model with 20 seeds, or with 5 if there are callbacks. At least four fifths of them must learn. There are three hints:
# each `repairs.hint("violins")` shows one more.

# %% tags=["exercise"]
from keras import layers

from helpers.lessons import repairs

x, y, x_val, y_val = repairs.data("violins")
settings = {"epochs": 40, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((5,)),
        layers.Dense(32, activation="tanh"),
        layers.Dense(4),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(0.005), loss="sparse_categorical_crossentropy"
)
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {np.log(4):.3g}"
)
check(repairs.violins, model, x, y, x_val, y_val, **settings)

# %% tags=["solution"]
from keras import layers

from helpers.lessons import repairs

x, y, x_val, y_val = repairs.data("violins")
mean, std = x.mean(axis=0), x.std(axis=0)
x, x_val = (x - mean) / std, (x_val - mean) / std
settings = {"epochs": 40, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((5,)),
        layers.Dense(32, activation="tanh"),
        layers.Dense(4, activation="softmax"),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(0.005), loss="sparse_categorical_crossentropy"
)
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {np.log(4):.3g}"
)
check(repairs.violins, model, x, y, x_val, y_val, **settings)

# %% tags=["exercise"]
# repairs.hint("violins")
# repairs.post_mortem("violins")

# %% tags=["solution"]
repairs.post_mortem("violins")

# %% [markdown]
# **6. Repair another one.** Its training loss stays at the baseline. Follow the procedure: which question gives it away?

# %% tags=["exercise"]
x, y, x_val, y_val = repairs.data("bats")
rng = np.random.default_rng(0)
rng.shuffle(x)
rng.shuffle(y)
settings = {"epochs": 40, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(3, activation="softmax"),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(0.005), loss="sparse_categorical_crossentropy"
)
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {np.log(3):.3g}"
)
check(repairs.bats, model, x, y, x_val, y_val, **settings)

# %% tags=["solution"]
x, y, x_val, y_val = repairs.data("bats")
rng = np.random.default_rng(0)
order = rng.permutation(len(x))
x, y = x[order], y[order]
settings = {"epochs": 40, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(3, activation="softmax"),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(0.005), loss="sparse_categorical_crossentropy"
)
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {np.log(3):.3g}"
)
check(repairs.bats, model, x, y, x_val, y_val, **settings)

# %% tags=["exercise"]
# repairs.hint("bats")
# repairs.post_mortem("bats")

# %% tags=["solution"]
repairs.post_mortem("bats")

# %% [markdown]
# ## In your own network
#
# `fit` from `why_wont_it_learn` trains your model as `model.fit` does, and records the gradients and units of each
# layer. Give it your own `x` and `y`, and only a few epochs. Here it trains the program at the top.

# %%
from why_wont_it_learn import fit

record = fit(network(0.01), inputs, targets, epochs=10, batch_size=100)
print("loss by epoch:    ", np.round(record.history["loss"], 1))
print("dead units:       ", record.dead[-1].round(2))
print("gradient by layer:", record.gradient_norm[-1].round(2))

# %% [markdown]
# Read it in the order of the procedure. Is the loss finite and calm? Here it jumps up and down: the steps are too
# long. Are there layers in which nearly all units are dead, or which get hardly any gradient? Then look at what
# killed them: the magnitude of the inputs and the learning rate.
#
# `diagnose` asks all of these questions. It checks data, output and loss, watches the training, tries fixes with
# several seeds, and names the cause whose fix works. It does not change your model. Here is an example with a common
# mistake: two classes, and softmax over a single unit. Put your model and your data in its place.

# %%
rng = np.random.default_rng(0)
x = rng.normal(size=(300, 2))
y = (x[:, :1] * x[:, 1:] > 0).astype(float)
layers_of_mine = [
    keras.Input((2,)),
    layers.Dense(16, "relu"),
    layers.Dense(1, "softmax"),
]
model = keras.Sequential(layers_of_mine)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="binary_crossentropy")

# %%
from helpers import diagnose

diagnose(model, x, y, epochs=50, batch_size=32, budget=15)

# %% tags=["exercise"]
from helpers.lessons.teaching import score

score()

# %% tags=["solution"]
from helpers.lessons.teaching import score

score(all_exercises=True)

# %% [markdown]
# ## In one sentence
#
# Look at the data, check whether the network beats the baseline, let it overfit ten samples, look at the first
# gradient, and then change one thing at a time, with several seeds.
#
# **Where next.** Each answer of the procedure above links to a lesson. [03 Optimizers](03_optimizers.ipynb): why a
# step can be too long. [04 Preprocessing](04_preprocessing.ipynb): how scaling changes the loss.
#
# **Read on.**
# A. Karpathy, [*A recipe for training neural networks*](https://karpathy.github.io/2019/04/25/recipe/) (2019).
# A. Géron, *Hands-On Machine Learning with Scikit-Learn, Keras & TensorFlow*, chapter 11.
# I. Goodfellow, Y. Bengio and A. Courville, [*Deep Learning*](https://www.deeplearningbook.org/), chapter 11.
# E. Schoop and others, [*UMLAUT*](https://doi.org/10.1145/3411764.3445538) (2021): a debugger that explains in words.
# A. Ghanbari and others, [*Mutation-based fault localization of deep neural networks*](https://arxiv.org/abs/2309.05067) (2023): the questions behind the casebook.
