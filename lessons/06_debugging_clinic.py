# %% [markdown]
# # 6 · The debugging clinic
#
# The other lessons each show one cause. Here you are not told which. After this lesson you have a procedure for a network that
# does not learn, and you have practised it on patients whose cause is hidden.
#
# | part | minutes |
# |---|---|
# | The failure, your predictions, the lab | 5 |
# | A procedure without any tool | 8 |
# | The clinic: blind patients | as long as you like |
# | Your own network | 5 |
# | The article says | 2 |
# | Exercises | as long as you like |
#
# The words *skill*, *learned*, *baseline* and *noise floor* are those of [00 Start here](00_start_here.ipynb).
#
# ## The failure

# %%
from helpers import Lab
from helpers.lessons.exercises_clinic import TITLE

controls = ["depth", "width", "activation", "initializer", "optimizer", "learning_rate", "epochs", "scaling", "l2"]
lab = Lab(TITLE, controls=controls, pictures=("fit", "loss", "gradients", "units"))
lab

# %% [markdown]
# This is the title question of the article: a straight line with some noise, and a network that does not find it. It has two
# relu layers of 16 units, and `sgd` at 0.01. A single linear unit finds the line. What would you change?
#
# ## Predict
#
# Choose an answer and press *Commit* before you try: it is kept, and the measurement will score it.

# %%
from helpers.lessons.teaching import predict

predict(
    "units",
    "The article's first advice is more capacity. With 128 units in each layer in place of 16 it learns …",
    ["in most seeds", "in about half of the seeds", "in few seeds"],
)

# %%
predict(
    "ten",
    "Trained on ten of the points, for five times as many epochs, the network learns them by heart …",
    ["in few seeds", "in about half of the seeds", "in most seeds"],
)

# %%
predict(
    "seeds",
    "A network of four relu units is trained on XOR, once, and fails. From fifty seeds it learns …",
    ["in nearly all", "in some", "in nearly none"],
)

# %% [markdown]
# ## Observe
#
# Go back to the lab above.
#
# 1. Read the four pictures and the sentence below. Which cause does the lab name? Is it the first in the chain, or the last?
# 2. Move one control at a time until it learns. Count your tries.
# 3. Press *Reset*, then *Rescue*. The lab tries single changes over 20 seeds, the small ones first, and puts the rescued run
#    beside the failing one, from the same first weights. How many changes did it try?
#
# ## Explain: a procedure without any tool
#
# You will not always have a lab. These questions need nothing but `fit` and `predict`. They begin with what is cheap to look
# at and often wrong, and they ask one thing at a time.

# %%
from helpers.lessons.procedure import decision_tree, steps

decision_tree()

# %%
steps()

# %% [markdown]
# Now follow it with the failing network. **Does it beat a constant?** Ask predictions for new points, not the printed loss, and
# ask several seeds.

# %%
import numpy as np

from helpers import train_seeds
from helpers.lessons.teaching import claim, reveal


def fifty(**changes):
    """The failing network with some changes, from 50 seeds."""
    return train_seeds(TITLE.replace(**changes), 50)


failing, line = fifty(), fifty(depth=0)

# %%
skill = float(np.median(failing.skill))
claim(
    "The median skill is {skill:.2f}: a constant is as good.",
    abs(skill) < 0.05,
    over=failing,
    skill=round(skill, 2) + 0.0,
)
rate = line.success_rate
claim("Without hidden layers, the same training learns in {rate:.0%} of the seeds.", rate > 0.9, over=line, rate=rate)

# %% [markdown]
# So the data can be learned, and something in the network or its training is in the way. **Does it learn ten points by heart?**
# A network that cannot do this will not learn more points either, and overfitting is not what ails it. Learned by heart means
# here that less than a twentieth of their variance is left.

# %%
from helpers.experiments.problems import make_problem


def by_heart(study):
    """In what share of the seeds less than a twentieth of the training targets' variance is left."""
    variance = [make_problem(study.experiment.replace(seed=int(seed))).y.var() for seed in study.seeds]
    return float((study.loss[:, -1] < 0.05 * np.array(variance)).mean())


few = {"samples": 10, "epochs": 500}
ill, well = fifty(**few), fifty(**few, scaling="standard")
share, healthy = by_heart(ill), by_heart(well)

# %%
reveal(
    "ten",
    {
        "in most seeds": share > 0.65,
        "in about half of the seeds": 0.35 <= share <= 0.65,
        "in few seeds": share < 0.35,
    },
)
claim(
    "Ten points by heart: {share:.0%} of the seeds as it is, {healthy:.0%} with scaled inputs.",
    healthy > share + 0.3,
    over=[ill, well],
    share=share,
    healthy=healthy,
)

# %% [markdown]
# It does not, so we go down the left side of the tree. The loss is finite. **Does a gradient reach every layer?** Look at the
# gradients and the units.

# %%
from helpers.lessons.figures import layers

layers(
    {"as it is": failing, "inputs scaled": fifty(scaling="standard")},
    measure="dead",
    epoch=-1,
    title="Relu units that no training point moves, at the end",
)

# %%
worst = failing.dead[:, -1].max(axis=1)
dead = float((worst == 1).mean())
claim(
    "In {dead:.0%} of the seeds a whole layer is dead at the end: no gradient passes.",
    dead > 0.5,
    over=failing,
    dead=dead,
)
first = float((failing.dead[:, 0].max(axis=1) > 0.5).mean())
claim("In {first:.0%} more than half of a layer is dead after one epoch.", first > 0.5, over=failing, first=first)

# %% [markdown]
# Dead units are what you see. But they were not dead at the start: something killed them in the first steps. Inputs from 0 to
# 10 make the gradients long, and a long step carries a unit to where no point moves it. So there are several ways out.
#
# ## Mend: one change at a time

# %%
slower, scaled, adam = fifty(learning_rate=0.001), fifty(scaling="standard"), fifty(optimizer="adam")
longer, wider = fifty(epochs=500), fifty(width=128)
ways = {"learning rate 0.001": slower, "inputs scaled": scaled, "adam": adam, "500 epochs": longer, "128 units": wider}

# %%
from helpers.lessons.figures import skills

skills({"as it is": failing, **ways}, title="Three single changes rescue it, patience and size do not")

# %%
low, mid, top = (study.success_rate for study in (scaled, slower, adam))
claim(
    "A tenth of the rate: {mid:.0%} learn. Scaled inputs: {low:.0%}. Adam: {top:.0%}.",
    min(low, mid, top) > 0.8,
    over=[scaled, slower, adam],
    low=low,
    mid=mid,
    top=top,
)
rate = longer.success_rate
claim("Five times the epochs: {rate:.0%}. A dead layer does not wake up.", rate < 0.1, over=longer, rate=rate)

# %%
rate = wider.success_rate
reveal(
    "units",
    {"in most seeds": rate > 0.65, "in about half of the seeds": 0.35 <= rate <= 0.65, "in few seeds": rate < 0.35},
)
claim("`128` units in place of `16`: {rate:.0%}.", rate < 0.1, over=wider, rate=rate)

# %% [markdown]
# **What rescues:** smaller steps, by the rate, by scaled inputs or by an optimizer that divides by the gradient's size. **What
# looks right and is not:** more units, more layers, more epochs. The *smallest rescue* of the lab finds the first of them:

# %%
from helpers.rescue import smallest_rescue

found = smallest_rescue(TITLE)
print(found.text)

# %% [markdown]
# ### One seed misleads
#
# Before you look for a cause, train from several seeds. A single run can fail by bad luck, and a single run can hide that most
# others fail.

# %%
from helpers import Experiment, train

xor = Experiment(
    problem="xor", depth=1, width=4, activation="relu", batch_size=None, learning_rate=0.05, epochs=500, seed=3
)
print(train(xor).verdict)
corners = train_seeds(xor, 50)

# %%
rate = corners.success_rate
reveal("seeds", {"in nearly all": rate > 0.9, "in some": 0.1 <= rate <= 0.9, "in nearly none": rate < 0.1})
claim(
    "The same network on XOR from other first weights learns in {rate:.0%} of the seeds.",
    0.1 < rate < 0.9,
    over=corners,
    rate=rate,
)

# %% [markdown]
# ## The clinic
#
# A patient is a network that was broken in one or two ways. You see its learning curve. Each test costs units of a budget. Then
# name the cause and prescribe: the clinic retrains it over twenty seeds that nobody has looked at, tells you the cause, and opens the
# file. The causes and the cure earn three points each. If both are right, each unit left earns one more, up to half of the budget:
# the other half is there to be spent, so look before you name. Begin with level 1; *Next patient* goes on for ever. The answers stand
# in no output and in no widget. They are in the memory of the kernel, and whoever knows Python can dig there.

# %%
from helpers.clinic.clinic import Clinic

clinic = Clinic(level=1)
clinic

# %% [markdown]
# ### Patients from real questions
#
# These have been asked on Stack Overflow. We rewrote them in our words and on our data; the number of the question is told at the
# end. What was asked for in a complaint is not always what was wrong.

# %%
from helpers.clinic import casebook

practice = Clinic(cases=casebook.patients())
practice

# %% [markdown]
# ## Your own network
#
# Put your model and your data in place of these. `diagnose` looks at data, output and loss, watches the training, tries
# remedies over several seeds, and names the cause whose remedy works. The model stays as it is. Here is a classic: two
# classes, and softmax over a single unit.

# %%
import keras

rng = np.random.default_rng(0)
x = rng.normal(size=(300, 2))
y = (x[:, :1] * x[:, 1:] > 0).astype(float)
layers_of_mine = [keras.Input((2,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(1, "softmax")]
model = keras.Sequential(layers_of_mine)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="binary_crossentropy")

# %%
from helpers import diagnose

diagnose(model, x, y, epochs=50, batch_size=32, budget=15)

# %% [markdown]
# ## The article says
#
# It ends with advice: look systematically at architecture, activation, optimizer, data and regularization. Here is each of its
# five headings, tried on its own title question.

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
    "Leaky relu: {a:.0%} learn. L2: {b:.0%}. Adam: {c:.0%}.",
    a < 0.5 and b < 0.1 and c > 0.8,
    over=[leaky, held, adam],
    a=a,
    b=b,
    c=c,
)
best = max(wider.success_rate, held.success_rate)
claim("The first and the last heading rescue {best:.0%} of the seeds.", best < 0.1, over=[wider, held], best=best)

# %% [markdown]
# | the article says | measured in this lesson |
# |---|---|
# | failure requires systematic debugging | **true**: two of its five headings rescue the title question, and you cannot tell by looking which |
# | a mismatch of architecture and problem is the most common reason | **false** here: more units do not help, and the smallest network learns |
# | examine all five areas | **true**, but the order matters: data and output first, then ten points, then the gradient |
# | experiment again and again | **true**, with one change at a time and more than one seed |
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell. Every right answer passes.
#
# **1.** Find another way out: one field of `TITLE`, neither scaling nor learning rate, so that 80 % of the seeds learn.

# %% tags=["exercise"]
from helpers.lessons import exercises_clinic as exercises
from helpers.lessons.teaching import check

check(exercises.another_way_out, ...)  # TITLE.replace(...)

# %% tags=["solution"]
from helpers.lessons import exercises_clinic as exercises
from helpers.lessons.teaching import check

check(exercises.another_way_out, TITLE.replace(optimizer="adam"))

# %% [markdown]
# **2.** `exercises.TWO` is ill in two ways. Change two fields so that 90 % learn. Neither may be enough alone.

# %% tags=["exercise"]
check(exercises.mend_two_at_once, ...)  # exercises.TWO.replace(...)

# %% tags=["solution"]
check(exercises.mend_two_at_once, exercises.TWO.replace(scaling="standard", learning_rate=0.03))

# %% [markdown]
# **3.** Treat three patients of level 2: name two thirds of the causes, and cure two.

# %%
ward = Clinic(level=2, seed=100)
ward

# %% tags=["exercise"]
check(exercises.treat_three, ...)  # ward, when you have treated three

# %% tags=["solution"]
for cause, remedy in (
    ("capacity_too_low", "tanh"),
    ("bad_initialization", "usual_start"),
    ("vanishing_gradient", "tanh"),
):
    print(ward.treat([cause], [remedy]))
    ward.admit()
check(exercises.treat_three, ward)

# %% [markdown]
# **4.** The hard one: fool the lab. Find an ill setting on other data whose first *likely cause* does not lead to the one field
# that mends it.

# %% tags=["exercise"]
check(exercises.fool_the_lab, ...)  # (ill, ill.replace(...))

# %% tags=["solution"]
fast = {"optimizer": "sgd", "learning_rate": 0.03, "batch_size": 8}
ill = Experiment(problem="abs", stretch=3.0, activation="relu", initializer="he_normal", **fast)
check(exercises.fool_the_lab, (ill, ill.replace(scaling="standard")))

# %% tags=["exercise"]
from helpers.lessons.teaching import score

score()

# %% tags=["solution"]
from helpers.lessons.teaching import score

score(all_exercises=True)

# %% [markdown]
# ## In one sentence
#
# Look at the data, ask whether it beats a constant, let it learn ten points by heart, look at the first gradient, and then change
# one thing at a time, from several seeds.
#
# **Where next.** Each branch of the tree above leads to its lesson. [03 Optimizers](03_optimizers.ipynb): why a step can be too
# large. [04 Preprocessing](04_preprocessing.ipynb): what scaling does to the loss.
#
# **Read on.**
# A. Karpathy, [*A recipe for training neural networks*](https://karpathy.github.io/2019/04/25/recipe/) (2019).
# A. Géron, *Hands-On Machine Learning with Scikit-Learn, Keras & TensorFlow*, chapter 11.
# I. Goodfellow, Y. Bengio and A. Courville, [*Deep Learning*](https://www.deeplearningbook.org/), chapter 11.
# E. Schoop and others, [*UMLAUT*](https://doi.org/10.1145/3411764.3445538) (2021): debugging that speaks in words.
# A. Ghanbari and others, [*Mutation-based fault localization of deep neural networks*](https://arxiv.org/abs/2309.05067) (2023): the questions behind the casebook.
