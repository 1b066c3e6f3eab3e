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
# | L1, weight decay, dropout | 10 |
# | Early stopping and more points | 5 |
# | The article says | 2 |
# | Exercises | as long as you like |
#
# The words *skill*, *learned*, *baseline* and *noise floor* are those of [00 Start here](00_start_here.ipynb).
#
# ## The failure

# %%
from helpers import Lab
from helpers.lessons.exercises_regularization import OVERFIT

controls = ["l1", "l2", "dropout", "early_stopping", "samples", "seed"]
lab = Lab(OVERFIT, controls=controls, pictures=("fit", "loss"))
lab

# %% [markdown]
# One wave, twenty noisy points, two tanh layers of 32 units. The blue line runs after single points and leaves the truth. The
# training loss sinks far below the noise floor, where there is only noise to learn. The validation loss pays for it: it falls,
# turns round and rises. The space between the two curves is the *gap*, and a gap that grows is the mark of an overfit.
#
# ## Predict
#
# Choose an answer and press *Commit* before you try: it is kept, and the measurement will score it.

# %%
from helpers.lessons.teaching import predict

predict(
    "strong",
    "L2 of strength 0.1 in place of none, on these twenty points. New points are answered better …",
    ["in most seeds", "in about half of the seeds", "in few seeds"],
)

# %%
predict(
    "zeros",
    "L1 is said to make weights zero. Trained by gradient descent, how many of its weights end at exactly 0?",
    ["none", "some of them", "most of the useless ones"],
)

# %%
predict(
    "dropout",
    "100 points without noise, one layer of 16 units: nothing overfits. Dropout of 0.5 makes the median skill …",
    ["worse", "about the same (within 0.02)", "better"],
)

# %% [markdown]
# ## Observe
#
# Go back to the lab above.
#
# 1. Move *L2* from 0 upwards, one stop at a time. When is the blue line nearest to the truth? When does it go flat?
# 2. Set *L2* back to 0 and *patience* to 100. At which epoch does training stop? The weights of the best epoch are kept.
# 3. Set *patience* back to 0 and *samples* to 200. What do you still need a regularizer for?
# 4. Go back to 20 samples and move *seed*: other points, other first weights. Does each of them overfit as much?
#
# ## Explain: the overfit is there
#
# Before we mend an overfit, we make sure that there is one, and not in one seed only. Each seed draws its own points.

# %%
from helpers import train_seeds
from helpers.lessons.figures import loss_curves

none = train_seeds(OVERFIT, 50, jit_compile=True)
loss_curves(
    {"no regularizer": none},
    training=True,
    title="Training (dashed) goes on falling; validation turns round and rises: a gap",
)

# %%
import numpy as np

from helpers.lessons.teaching import claim, reveal

below = float((none.loss[:, -1] < none.noise_floor).mean())
claim("In {below:.0%} of the seeds the training loss ends below the noise floor.", below > 0.9, over=none, below=below)
later = float((none.val_loss[:, -1] > 1.2 * none.val_loss.min(axis=1)).mean())
claim(
    "In {later:.0%} an earlier epoch was clearly better on new points, by a fifth of its loss or more.",
    later > 0.8,
    over=none,
    later=later,
)
gap = float(np.median(none.val_loss[:, -1] / none.loss[:, -1]))
claim("In the end the validation loss is {gap:.0f} times the training loss.", gap > 4, over=none, gap=gap)

# %% [markdown]
# ## Mend: the strength is a valley with two sides
#
# L2 adds *strength × the sum of the squared weights* to the loss. L1 adds *strength × the sum of their sizes*. Either makes
# steep curves expensive. We train eight strengths beside none. `ends` trains 50 seeds too, but keeps the end only, which is quick.

# %%
from helpers.lessons.exercises_regularization import better, ends

strengths = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]
l2 = {0: none} | {strength: ends(OVERFIT.replace(l2=strength)) for strength in strengths}

# %%
from helpers.lessons.figures import errors

errors(
    {"validation": l2},
    training=True,
    label="strength of L2",
    title="Too weak leaves the noise in, too strong takes the wave out",
)

# %%
share = better(l2[0.1], none)
reveal(
    "strong",
    {
        "in most seeds": share > 0.65,
        "in about half of the seeds": 0.35 <= share <= 0.65,
        "in few seeds": share < 0.35,
    },
)

# %%
good = better(l2[0.003], none)
claim("L2 of `0.003` does better than none in {good:.0%} of the seeds.", good > 0.8, over=[l2[0.003], none], good=good)
claim("L2 of `0.1` does so in {share:.0%}.", share < 0.35, over=[l2[0.1], none], share=share)
skill = float(np.median(l2[1].skill))
claim("At strength `1` the skill is {skill:.2f}: a constant.", abs(skill) < 0.05, over=l2[1], skill=abs(skill))

# %% [markdown]
# Read the picture from left to right. The training error only rises: a regularizer never fits the training points better. The
# validation error falls first, as the noise goes, and then rises, as the wave goes too. At the right end both meet at the
# error of a constant. **There the gap is closed, and nothing is learned.** So a small gap alone is no success.
#
# **What rescues:** a strength of the right size. **What looks right and is not:** a stronger one, to be safe. And do not compare
# the loss that Keras prints, because the penalty is part of it. Compare errors, or the skill.
#
# ## Explain: L1 and dropout, on the same overfit
#
# L1 pulls every weight, L2 the large ones most. Dropout switches off a share of the hidden units, others in each step.

# %%
from helpers.lessons.figures import skills

l1, dropped = ends(OVERFIT.replace(l1=0.003)), ends(OVERFIT.replace(dropout=0.1))
held = {"no regularizer": none, "L1 0.003": l1, "L2 0.003": l2[0.003], "dropout 0.1": dropped}
skills(held, title="Each of the three pulls up the bad seeds")

# %%
for name, study in (("L1 of `0.003`", l1), ("Dropout of `0.1`", dropped)):
    share = better(study, none)
    claim(name + " does better than none in {share:.0%} of the seeds.", share > 0.6, over=[study, none], share=share)
worst = [float(np.quantile(study.skill, 0.1)) for study in (none, l2[0.003])]
claim(
    "One seed in ten is worse than {none:.2f} without, and than {held:.2f} with L2.",
    worst[1] > worst[0] + 0.2,
    over=[none, l2[0.003]],
    none=worst[0],
    held=worst[1],
)

# %% [markdown]
# ## Explain: L1 and the zeros
#
# Twenty inputs, of which three count, sixty points, one linear unit. L1 pulls each weight by the same amount, however small
# it is. L2 pulls by a share of the weight, so it hardly pulls at small ones.

# %%
from helpers.lessons.exercises_regularization import SPARSE
from helpers.lessons.figures import sizes

pulled = {name: ends(SPARSE.replace(**{name: strength})) for name, strength in (("l1", 0.3), ("l2", 0.1))}
kinds = {"no regularizer": ends(SPARSE), "L2 0.1": pulled["l2"], "L1 0.3": pulled["l1"]}
sizes(kinds, weights=slice(0, 20), title="Three weights count. L1 pulls the others down to nothing, L2 does not")

# %%
idle = {name: np.abs(study.weights[:, 3:20]) for name, study in kinds.items()}
zeros = int((idle["L1 0.3"] == 0).sum())
many = idle["L1 0.3"].size / 2
reveal("zeros", {"most of the useless ones": zeros > many, "some of them": 0 < zeros <= many, "none": zeros == 0})

# %%
free, two, one = (float((size < 0.01).mean()) for size in idle.values())
claim(
    "Idle weights below `0.01`: {free:.0%} without, {two:.0%} with L2, {one:.0%} with L1.",
    max(free, two) < 0.25 and one > 0.8,
    over=list(kinds.values()),
    free=free,
    two=two,
    one=one,
)
claim("Idle weights that are exactly zero under L1: {zeros}.", zeros == 0, over=kinds["L1 0.3"], zeros=zeros)
largest = [float(np.median(np.abs(kinds[name].weights[:, 0]))) for name in ("no regularizer", "L1 0.3")]
claim(
    "The price: the first weight, in truth `2`, is {a:.2f} without and {b:.2f} with L1.",
    largest[1] < largest[0] - 0.05,
    over=[kinds["no regularizer"], kinds["L1 0.3"]],
    a=largest[0],
    b=largest[1],
)

# %% [markdown]
# A step of gradient descent jumps across 0, and the next one jumps back. So you need a threshold, as here, to say which
# inputs are idle. Solvers made for L1, such as scikit-learn's `Lasso`, do set weights to exactly 0.
#
# ## Explain: weight decay is not L2 under Adam
#
# For plain `sgd` both are the same, up to a factor. Under `adam` they are not. With L2 in the loss, the pull is a part of the
# gradient, and `adam` divides each weight's gradient by its usual size: where gradients are large, the pull is made small with
# them. `adamw` shrinks the weights beside the gradient, all by the same share, *rate × decay*, in each step.

# %%
decays = [0.1, 0.3, 1, 3, 10]
adamw = {decay: ends(OVERFIT.replace(optimizer="adamw", weight_decay=decay)) for decay in decays}
without = {strength: study for strength, study in l2.items() if strength}
errors(
    {"L2, adam": without, "weight decay, adamw": adamw},
    label="strength",
    title="Two valleys of the same depth at different places: the same number is another strength",
)

# %%
two, ten = ({value: float(np.median(study.error)) for value, study in row.items()} for row in (without, adamw))
best, decay = min(two, key=two.get), min(ten, key=ten.get)
claim(
    "L2 is best at {best:g}, decay at {decay:g}, {times:.0f} times as much.",
    decay >= 30 * best,
    over=[*without.values(), *adamw.values()],
    best=best,
    decay=decay,
    times=decay / best,
)
same = [float(np.median(study.skill)) for study in (l2[0.3], adamw[0.3])]
claim(
    "The number `0.3`: skill {a:.2f} as L2, {b:.2f} as decay.",
    abs(same[0]) < 0.05 and same[1] > 0.8,
    over=[l2[0.3], adamw[0.3]],
    a=abs(same[0]),
    b=same[1],
)

# %%
ahead = better(adamw[decay], l2[best])
tuned = [float(np.median(study.skill)) for study in (l2[best], adamw[decay])]
claim(
    "Each at its best: median skill {a:.2f} with L2, {b:.2f} with decay, which is ahead in {ahead:.0%} of the seeds.",
    abs(tuned[0] - tuned[1]) < 0.04,
    over=[l2[best], adamw[decay]],
    a=tuned[0],
    b=tuned[1],
    ahead=ahead,
)

# %% [markdown]
# So on this task neither is the better regularizer. What differs is the strength. Do not carry a number from one to the other:
# tune it anew.
#
# ## Explain: dropout, and networks that do not overfit
#
# A hundred points without noise and one hidden layer: there is nothing to mend. Dropout of 0.5, a common choice, halves the
# units in each step. Is it the small networks only that cannot bear it?

# %%
from helpers.lessons.figures import sweep

fed = OVERFIT.replace(samples=100, noise=0, depth=1, epochs=150, learning_rate=0.05)
widths = [2, 16, 64]
calm, halved = (
    [train_seeds(fed.replace(width=width, dropout=dropout), 50, probes=False) for width in widths]
    for dropout in (0, 0.5)
)
sweep(
    widths,
    {"no dropout": calm, "dropout 0.5": halved},
    label="units",
    title="Where nothing overfits, dropout takes learning away, at every width",
)

# %%
before, after = (float(np.median(row[1].skill)) for row in (calm, halved))
change = after - before
reveal(
    "dropout",
    {"better": change > 0.02, "about the same (within 0.02)": abs(change) <= 0.02, "worse": change < -0.02},
)
claim(
    "Sixteen units: dropout takes the median skill from {a:.2f} to {b:.2f}.",
    change < -0.02,
    over=[calm[1], halved[1]],
    a=before,
    b=after,
)

# %%
worse = min(better(free, half) for free, half in zip(calm, halved, strict=True))
claim(
    "At each width dropout does worse in {worse:.0%} of the seeds or more.",
    worse > 0.9,
    over=[*calm, *halved],
    worse=worse,
)

# %% [markdown]
# A regression network answers with a number, the sum of what its units say. With half of them off, that sum jumps in each step,
# and the network learns to answer cautiously. More units help little. On the overfit above, dropout was small (0.1), and even so
# it took a large overfit for it to gain.
#
# Worse off is a network that is too small already. Two units are too few for this wave, so it *underfits*.

# %%
small = OVERFIT.replace(problem="sine", samples=100, noise=0.1, depth=1, width=2, epochs=300, learning_rate=0.03)
bare, tight, off = (
    train_seeds(small.replace(**more), 50, probes=False) for more in ({}, {"l2": 0.01}, {"dropout": 0.1})
)
for name, study in (("L2 of `0.01`", tight), ("Dropout of `0.1`", off)):
    share = better(study, bare)
    claim(name + " helps it in {share:.0%} of the seeds.", share < 0.25, over=[study, bare], share=share)
gap = float(np.median(bare.val_loss[:, -1] / bare.loss[:, -1]))
claim("Its validation loss is {gap:.1f} times its training loss: no gap.", gap < 1.5, over=bare, gap=gap)

# %% [markdown]
# So look first: does the training loss lie well below the validation loss? If not, there is nothing for a regularizer to do.
#
# ## Mend: stop early
#
# Early stopping keeps the weights of the epoch with the best validation loss. It needs no strength, but it needs validation
# points. Here there are 200 of them, ten times as many as training points, a gift that you seldom have. They chose the epoch, so
# they are no judges of it any more. We measure on fresh inputs, against the true wave.

# %%
from helpers.lessons.exercises_regularization import off_the_truth

patient, hasty = (train_seeds(OVERFIT.replace(epochs=400, early_stopping=patience), 50) for patience in (100, 30))
away, stopped, early = map(off_the_truth, (none, patient, hasty))
epochs, gain, less = (float(x) for x in (np.median(patient.epochs_run), (stopped < away).mean(), (early < away).mean()))
claim(
    "Patience `100` stops at epoch {epochs:.0f}, and is better than none in {gain:.0%}; patience `30` in {less:.0%}.",
    gain > 0.85 and gain > less and epochs < 400,
    over=[patient, hasty, none],
    epochs=epochs,
    gain=gain,
    less=less,
)

# %% [markdown]
# Too little patience takes the first pause for the end.
#
# ## Mend: get more points
#
# Does a network need L2? It depends on how many points there are, and how strong the L2 is. So we draw both. To be quick, the map
# takes five times the rate for a sixth of the epochs, and the overfit is milder. A click on a cell puts its setting into the
# lab at the top.

# %%
from helpers import success_map
from helpers.lessons.exercises_regularization import QUICK

points_and_l2 = success_map(QUICK, ("samples", [20, 50, 150]), ("l2", [0, 0.003, 0.01, 0.1]), lab=lab)
points_and_l2

# %%
few, some, many = np.reshape(points_and_l2.studies, (3, 4))
claim(
    "Without L2, {a:.0%}, {b:.0%} and {c:.0%} learn, from twenty, fifty and a hundred and fifty points.",
    few[0].success_rate < 0.4 < some[0].success_rate < many[0].success_rate > 0.9,
    over=[few[0], some[0], many[0]],
    a=few[0].success_rate,
    b=some[0].success_rate,
    c=many[0].success_rate,
)

# %%
helps, spoils = better(few[1], few[0]), better(many[1], many[0])
claim(
    "L2 of `0.003` does better than none in {helps:.0%} of the seeds with twenty points, in {spoils:.0%} with a hundred and fifty.",
    helps > 0.6 and spoils < 0.4,
    over=[*few[:2], *many[:2]],
    helps=helps,
    spoils=spoils,
)
strong = [row[3] for row in (few, some, many)]
most = max(study.success_rate for study in strong)
claim("With L2 of `0.1`, {most:.0%} learn from any number of points.", most < 0.05, over=strong, most=most)

# %% [markdown]
# Read it by columns. Without L2, points alone decide. With a little, twenty points go further, and a hundred and fifty lose by
# it. With much, no number of points helps, because the penalty on the weights stays as it is. **More points are the best
# regularizer**, and they make the others unnecessary.
#
# Now make your own. Make a setting of this map learn in the lab at the top, with 20 samples, then register it here.

# %%
success_map(OVERFIT, ("dropout", [0, 0.1, 0.3, 0.5]), ("l2", [0, 0.001, 0.01, 0.1]), lab=lab, finds=True)

# %% [markdown]
# ## The article says
#
# Its fifth cause is overfitting: L1, L2 and dropout can reduce it, and the strength has to be tuned. It has no example for it.
# Its author works with financial series. So here is one, as modest as it should be: the real monthly returns of shares, where
# there is next to nothing to find.

# %%
from helpers import Experiment

returns = Experiment(problem="stock_return", scaling="standard", batch_size=None, epochs=60)
loose, firm = (train_seeds(returns.replace(l2=strength), 50, probes=False) for strength in (0, 0.1))
a, b = (float(np.median(study.skill)) for study in (loose, firm))
claim(
    "Returns: the median skill is {a:.2f} without L2, {b:.2f} with it, and a constant has `0`.",
    a < b < 0.05,
    over=[loose, firm],
    a=a,
    b=round(b, 2) + 0.0,
)

# %% [markdown]
# L2 takes the harm away, and leaves a constant. It cannot find what is not there.
#
# | the article says | measured in this lesson | why |
# |---|---|---|
# | L1 and L2 mitigate overfitting | **true, at a tuned strength**, where there is an overfit | steep curves need large weights, and those cost |
# | L2 *is* weight decay | **not under `adam`**: another strength is best | `adam` divides the pull with the gradient |
# | dropout makes a network learn robustly | **true for the large overfit, at a low rate; false for small networks that do not overfit** | a sum of few units jumps when some are off |
# | the strength needs tuning | **true**: far too strong is worse than none, and then a constant | the penalty outweighs the data |
# | (and so, regularize what fails to learn) | **false**: what underfits gets worse | a regularizer only takes away |
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell. Every right answer passes.
#
# **1.** Tune `l1`, `l2` or `dropout` so that `OVERFIT` does better than without in 80 % of the seeds.

# %% tags=["exercise"]
from helpers.lessons import exercises_regularization as exercises
from helpers.lessons.teaching import check

check(exercises.tune_the_strength, ...)  # OVERFIT.replace(...)

# %% tags=["solution"]
from helpers.lessons import exercises_regularization as exercises
from helpers.lessons.teaching import check

check(exercises.tune_the_strength, OVERFIT.replace(l2=0.001))

# %% [markdown]
# **2.** No penalty at all: make `QUICK`, the network of the map, learn in 90 % of the seeds, with at most 400 points.

# %% tags=["exercise"]
check(exercises.learn_by_more_points, ...)  # QUICK.replace(samples=...)

# %% tags=["solution"]
check(exercises.learn_by_more_points, QUICK.replace(samples=200))

# %% [markdown]
# **3.** `exercises.PATIENT` has 200 points and does not learn. Change one field so that 90 % of the seeds learn.

# %% tags=["exercise"]
check(exercises.mend_the_patient, ...)  # exercises.PATIENT.replace(...)

# %% tags=["solution"]
check(exercises.mend_the_patient, exercises.PATIENT.replace(l2=0.0))

# %% [markdown]
# **4.** The hard one: in `SPARSE`, bring 80 % of the idle weights below 0.01 and keep the three true ones above 0.5.

# %% tags=["exercise"]
check(exercises.find_the_three, ...)  # SPARSE.replace(...)

# %% tags=["solution"]
check(exercises.find_the_three, SPARSE.replace(l1=0.2))

# %% tags=["exercise"]
from helpers.lessons.teaching import score

score()

# %% tags=["solution"]
from helpers.lessons.teaching import score

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
