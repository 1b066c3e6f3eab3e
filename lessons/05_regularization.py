# %% [markdown]
# # 5 · Regularization: how hard to hold the network back
#
# A network that fits its training points too well has learned their noise. A *regularizer* holds it back. Held too loosely
# it still learns the noise; held too tightly it learns nothing. After this lesson you can tell which of the two you have.
#
# | part | minutes |
# |---|---|
# | The failure, your predictions, the lab | 6 |
# | An overfit, and the strength | 6 |
# | L1, weight decay, dropout | 8 |
# | Early stopping and more data | 5 |
# | The article says | 2 |
# | Exercises | as long as you like |
#
# The words *skill*, *learned*, *baseline* and *noise floor* are those of [00 Start here](00_start_here.ipynb).
#
# ## The failure

# %%
import sys

sys.path[:0] = ["..", "../.."]  # the helpers stand beside the folder of the notebooks

from helpers import Lab
from helpers.exercises_regularization import OVERFIT, SPARSE

controls = ["l1", "l2", "dropout", "early_stopping", "samples"]
lab = Lab(OVERFIT, controls=controls, pictures=("fit", "loss"))
lab

# %% [markdown]
# One wave, twenty noisy points, two tanh layers of 32 units. The blue line leans to the points and leaves the truth. The
# training loss sinks below the noise floor, where there is only noise to learn. The validation loss pays for it.
#
# ## Predict
#
# Choose an answer and press *Commit* before you try: it is kept, and the measurement will score it.

# %%
from helpers.teaching import predict

predict(
    "strong",
    "L2 of strength 0.1 in place of none, on these twenty points. New points are answered better …",
    ["in most seeds", "in about half of the seeds", "in few seeds"],
)

# %%
predict(
    "zeros",
    "L1 is said to make weights zero. Trained by gradient descent, how many of its weights end at exactly 0?",
    ["most of the useless ones", "some of them", "none"],
)

# %%
predict(
    "dropout",
    "200 points, little noise, one layer of 16 units: nothing overfits. Dropout of 0.5 makes the median skill …",
    ["better", "about the same (within 0.02)", "worse"],
)

# %% [markdown]
# ## Observe
#
# Go back to the lab above.
#
# 1. Move *L2* from 0 upwards, one stop at a time. When is the blue line nearest to the truth? When does it go flat?
# 2. Set *L2* back to 0 and *patience* to 30. At which epoch does training stop?
# 3. Set *patience* back to 0 and *samples* to 200. What do you still need a regularizer for?
#
# ## Explain: the overfit is there
#
# L2 adds *strength × the sum of the squared weights* to the loss. L1 adds *strength × the sum of their sizes*. Either makes
# steep curves expensive. Before we mend an overfit, we make sure that there is one.

# %%
from helpers import train_seeds

strengths = [0.0, 1e-4, 3e-3, 0.1, 1.0]
studies = [train_seeds(OVERFIT.replace(l2=strength), 50) for strength in strengths]
none, weak, tuned, strong, huge = studies

# %%
from helpers.figures import loss_curves

loss_curves({"no regularizer": none}, training=True, title="Training (dashed) goes on falling; validation turns round")

# %%
from helpers.teaching import claim, reveal

below = float((none.loss[:, -1] < none.noise_floor).mean())
claim("In {below:.0%} of the seeds the training loss ends below the noise floor.", below > 0.9, over=none, below=below)
later = float((none.val_loss[:, -1] > 1.2 * none.val_loss.min(axis=1)).mean())
claim("In {later:.0%} an earlier epoch was clearly better on new points.", later > 0.6, over=none, later=later)

# %% [markdown]
# ## Mend: the strength is a hill with two sides

# %%
from helpers.figures import sweep

sweep(strengths, studies, label="strength of L2", title="Too weak leaves the noise in, too strong takes the wave out")


# %%
def better(study, than):
    """In what share of the seeds, on the same points, a study does better than another."""
    return float((study.skill > than.skill).mean())


share = better(strong, none)
reveal(
    "strong",
    {
        "in most seeds": share > 0.65,
        "in about half of the seeds": 0.35 <= share <= 0.65,
        "in few seeds": share < 0.35,
    },
)

# %%
import numpy as np

good = better(tuned, none)
claim("L2 of `0.003` does better than none in {good:.0%} of the seeds.", good > 0.8, over=[tuned, none], good=good)
claim("L2 of `0.1` does so in {share:.0%}.", share < 0.35, over=[strong, none], share=share)
skill = float(np.median(huge.skill))
claim("At strength `1` the skill is {skill:.2f}: a constant.", abs(skill) < 0.05, over=huge, skill=abs(skill))

# %% [markdown]
# **What rescues:** a strength of the right size. **What looks right and is not:** a stronger one, to be safe. The loss
# that Keras prints hides it, since the penalty is part of that loss. Compare the skill.
#
# ## Explain: L1 and the zeros
#
# Twenty inputs, of which three count, sixty points, one linear unit. L1 pulls each weight by the same amount, however small
# it is. L2 pulls by a share of the weight, so it hardly pulls at small ones.

# %%
plain = train_seeds(SPARSE, 50)
squared = train_seeds(SPARSE.replace(l2=0.1), 50)
sizes = train_seeds(SPARSE.replace(l1=0.3), 50)


def idle(study):
    """The weights of the 17 inputs that do not count."""
    return np.abs(study.weights[:, 3:20])


# %%
zeros = int((idle(sizes) == 0).sum())
reveal(
    "zeros",
    {
        "most of the useless ones": zeros > idle(sizes).size / 2,
        "some of them": 0 < zeros <= idle(sizes).size / 2,
        "none": zeros == 0,
    },
)
free, two, one = (float((idle(study) < 0.01).mean()) for study in (plain, squared, sizes))
claim(
    "Idle weights below `0.01`: {free:.0%} without, {two:.0%} with L2 of `0.1`, {one:.0%} with L1 of `0.3`.",
    max(free, two) < 0.2 and one > 0.5,
    over=[plain, squared, sizes],
    free=free,
    two=two,
    one=one,
)
claim("Idle weights that are exactly zero under L1: {zeros}.", zeros == 0, over=sizes, zeros=zeros)

# %% [markdown]
# A step of gradient descent jumps across 0, and the next one jumps back. So you need a threshold, as here, to say which
# inputs are idle. Solvers made for L1, such as scikit-learn's `Lasso`, do set weights to exactly 0.
#
# ## Explain: weight decay is not L2 under Adam
#
# For plain `sgd` both are the same, up to a factor. `adam` divides each gradient by its usual size, and with L2 in the loss, the pull is
# divided too. `adamw` shrinks the weights beside the gradient: by *rate × decay* in each step.

# %%
decays = {decay: train_seeds(OVERFIT.replace(optimizer="adamw", weight_decay=decay), 50) for decay in (0.003, 0.1)}
length = {name: float(np.median(np.linalg.norm(study.weights, axis=1))) for name, study in decays.items()}
l2_length = float(np.median(np.linalg.norm(tuned.weights, axis=1)))
claim(
    "Strength `0.003`: weights of length {l2:.1f} with L2 under adam, {decay:.1f} with adamw's decay.",
    length[0.003] > 1.3 * l2_length,
    over=[tuned, *decays.values()],
    l2=l2_length,
    decay=length[0.003],
)

# %% [markdown]
# The same number means another strength. Do not carry it from one to the other: tune it anew.
#
# ## Explain: dropout, and networks that do not overfit
#
# Dropout switches off a share of the hidden units in each step. In a small regression network the others cannot fill in.

# %%
fed = OVERFIT.replace(samples=200, noise=0.1, depth=1, width=16, epochs=200)
calm, dropped, pulled = (train_seeds(fed.replace(**more), 50) for more in ({}, {"dropout": 0.5}, {"l2": 0.1}))
slim, slim_dropped = (train_seeds(fed.replace(width=4, dropout=dropout), 50) for dropout in (0, 0.5))

# %%
from helpers.figures import skills

skills(
    {
        "16 units": calm,
        "16 units, dropout 0.5": dropped,
        "16 units, L2 0.1": pulled,
        "4 units": slim,
        "4 units, dropout 0.5": slim_dropped,
    },
    title="Where nothing overfits, a strong regularizer only does harm",
)

# %%
before, after = (float(np.median(study.skill)) for study in (calm, dropped))
change = after - before
reveal(
    "dropout",
    {"better": change > 0.02, "about the same (within 0.02)": abs(change) <= 0.02, "worse": change < -0.02},
)
claim(
    "Dropout takes the median skill from {a:.2f} to {b:.2f}.", change < -0.02, over=[calm, dropped], a=before, b=after
)
free, narrow, tight = (float(np.median(study.skill)) for study in (slim, slim_dropped, pulled))
claim(
    "With four units it falls from {free:.2f} to {narrow:.2f}. L2 of `0.1` leaves the sixteen at {tight:.2f}.",
    narrow < free - 0.02 and tight < before - 0.02,
    over=[slim, slim_dropped, pulled],
    free=free,
    narrow=narrow,
    tight=tight,
)

# %% [markdown]
# So look first: does the training loss lie well below the validation loss? If not, there is nothing for a regularizer to do.
#
# ## Mend: stop early, or get more points
#
# Early stopping keeps the weights of the epoch with the best validation loss. It costs no tuning of a strength, but it needs
# validation points. Here there are 200 of them, ten times as many as training points. That is a gift you seldom have. The
# validation points have chosen the epoch too, so this skill flatters a little.

# %%
hasty, stopped = (train_seeds(OVERFIT.replace(early_stopping=patience), 50) for patience in (30, 100))
more = train_seeds(OVERFIT.replace(samples=100), 50)
epochs, gain, small = float(np.median(stopped.epochs_run)), better(stopped, none), better(hasty, none)
early = gain > 0.8 and gain > small and epochs < OVERFIT.epochs
claim(
    "With patience `100` it stops at epoch {epochs:.0f}, better than none in {gain:.0%}; with `30` in {small:.0%}.",
    early,
    over=[stopped, hasty, none],
    epochs=epochs,
    gain=gain,
    small=small,
)

# %%
rate, held = more.success_rate, tuned.success_rate
most = rate > 0.8 and rate > held + 0.2
claim(
    "Five times the points: {rate:.0%} learn without any regularizer; with L2 and twenty points, {held:.0%}.",
    most,
    over=[more, tuned],
    rate=rate,
    held=held,
)

# %% [markdown]
# **More data is the best regularizer.** How much L2 you need depends on how many points you have. A click on a cell puts its
# setting into the lab at the top. To be quick, the map trains for 200 epochs only.

# %%
from helpers import success_map

map_of_both = success_map(
    OVERFIT.replace(epochs=200), ("samples", [20, 50, 100]), ("l2", [0, 0.003, 0.1]), lab=lab, show="skill"
)
map_of_both

# %% [markdown]
# Now make your own. Make a setting of this map learn in the lab at the top, with 20 samples, then register it here.

# %%
success_map(OVERFIT, ("dropout", [0, 0.1, 0.3, 0.5]), ("l2", [0, 0.001, 0.01, 0.1]), lab=lab, finds=True)

# %% [markdown]
# ## The article says
#
# It says that L1, L2 and dropout can reduce overfitting, and that their strength has to be tuned. Its author works with
# financial series. So we take real monthly returns of shares, too, where there is next to nothing to find.

# %%
from helpers import Experiment

returns = Experiment(problem="stock_return", scaling="standard", batch_size=None, epochs=100)
noise, held_noise = (train_seeds(returns.replace(l2=strength), 50) for strength in (0, 0.1))
a, b = (float(np.median(study.skill)) for study in (noise, held_noise))
claim(
    "Median skill on returns: {a:.2f} without, {b:.2f} with L2.",
    a < 0.05 and b < 0.05,
    over=[noise, held_noise],
    a=a,
    b=b,
)

# %% [markdown]
# | the article says | measured in this lesson |
# |---|---|
# | L1 and L2 reduce overfitting | **true** for L2 of a tuned strength, on an overfit that is there |
# | dropout makes a network robust | **false** for small networks that do not overfit |
# | the strength needs tuning | **true**: too strong is worse than none |
#
# A regularizer takes noise out. It cannot put a signal in.
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell. Every right answer passes.
#
# **1.** Tune `l1`, `l2` or `dropout` so that `OVERFIT` does better than without in 80 % of the seeds.

# %% tags=["exercise"]
from helpers import exercises_regularization as exercises
from helpers.teaching import check

check(exercises.tune_the_strength, ...)  # OVERFIT.replace(...)

# %% tags=["solution"]
from helpers import exercises_regularization as exercises
from helpers.teaching import check

check(exercises.tune_the_strength, OVERFIT.replace(l2=0.001))

# %% [markdown]
# **2.** No penalty at all: learn in 90 % of the seeds, with at most 400 points.

# %% tags=["exercise"]
check(exercises.learn_by_more_points, ...)  # OVERFIT.replace(samples=...)

# %% tags=["solution"]
check(exercises.learn_by_more_points, OVERFIT.replace(samples=100))

# %% [markdown]
# **3.** `exercises.PATIENT` has 200 points and does not learn. Change one field so that 90 % of the seeds learn.

# %% tags=["exercise"]
check(exercises.mend_the_patient, ...)  # exercises.PATIENT.replace(...)

# %% tags=["solution"]
check(exercises.mend_the_patient, exercises.PATIENT.replace(l2=0.0))

# %% [markdown]
# **4.** The hard one: in `SPARSE`, bring 60 % of the idle weights below 0.01 and keep the three true ones above 0.5.

# %% tags=["exercise"]
check(exercises.find_the_three, ...)  # SPARSE.replace(...)

# %% tags=["solution"]
check(exercises.find_the_three, SPARSE.replace(l1=0.2))

# %% tags=["exercise"]
from helpers.teaching import score

score()

# %% tags=["solution"]
from helpers.teaching import score

score(all_exercises=True)

# %% [markdown]
# ## In one sentence
#
# First see that the network overfits, then hold it back just so far that new points gain by it; and if you can have more
# points, take them instead.
#
# **Where next.** [01 Capacity](01_capacity.ipynb): too big for which data? [03 Optimizers](03_optimizers.ipynb): what `adam`
# does to a gradient.
#
# **Read on.**
# A. Géron, *Hands-On Machine Learning with Scikit-Learn, Keras & TensorFlow*, chapter 11.
# I. Goodfellow, Y. Bengio and A. Courville, [*Deep Learning*](https://www.deeplearningbook.org/), chapter 7.
# [Keras: layer weight regularizers](https://keras.io/api/layers/regularizers/).
# N. Srivastava and others, [*Dropout*](https://jmlr.org/papers/v15/srivastava14a.html) (2014).
# I. Loshchilov and F. Hutter, [*Decoupled weight decay regularization*](https://arxiv.org/abs/1711.05101) (2019).
