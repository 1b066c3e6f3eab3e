# %% [markdown]
# # 1 · Capacity: too small, too big, or neither?
#
# A network can be too small for its task. It can also be too big for its data. And often it is blamed for either when
# something else is wrong. You need about 25 minutes.

# %%
import sys

sys.path[:0] = ["..", "../.."]  # the helpers stand beside the folder of the notebooks

from helpers import Experiment, Lab, train_seeds

Lab(Experiment(problem="abs", depth=0, epochs=200), controls=["problem", "depth", "width", "activation"])

# %% [markdown]
# **The failure.** A kink, y = |x|, and a network that answers almost the same everywhere.
#
# ## Predict
#
# Linear activations make no bend. What do five of these layers, stacked, make of the kink? Commit to an answer before you try.

# %%
from helpers.teaching import check, claim, predict, reveal, score

predict(
    "stack", "Five hidden layers with linear activation learn the kink …", ["in most seeds", "in some seeds", "never"]
)

# %% [markdown]
# ## Observe
#
# In the lab above, set *activation* to `linear` and move *depth*. Then go back to `tanh` with a depth of 1 and move *width*.
#
# ## Explain: too small

# %%
kink = Experiment(problem="abs", epochs=200)
line = train_seeds(kink.replace(depth=0), 100)
stack = train_seeds(kink.replace(depth=5, activation="linear"), 100)
bend = train_seeds(kink.replace(depth=1, width=16), 100)

reveal("stack", {"in most seeds": stack.success_rate > 0.5, "in some seeds": 0 < stack.success_rate <= 0.5,
                 "never": stack.success_rate == 0})  # fmt: skip
claim(
    "Without a hidden layer {rate:.0%} of the seeds learn the kink.",
    line.success_rate == 0,
    over=line,
    rate=line.success_rate,
)
claim(
    "Five linear layers: {rate:.0%}. They are still one line.",
    stack.success_rate == 0,
    over=stack,
    rate=stack.success_rate,
)
claim("One layer with a bend: {rate:.0%}.", bend.success_rate > 0.9, over=bend, rate=bend.success_rate)

# %% [markdown]
# A product of matrices is a matrix, so linear layers add nothing. One bend is enough for a kink. A wave needs more.

# %%
wave = Experiment(problem="sine", depth=1, epochs=500)
one, two, many = (train_seeds(wave.replace(width=width), 100) for width in (1, 2, 16))
claim("One unit learns the wave in {one:.0%} of the seeds, two in {two:.0%}, sixteen in {many:.0%}.",
      one.success_rate < 0.1 and one.success_rate < two.success_rate < many.success_rate, over=[one, two, many],
      one=one.success_rate, two=two.success_rate, many=many.success_rate)  # fmt: skip

# %% [markdown]
# Two units *can* draw this wave, and yet many seeds do not find it. What a network can represent is not yet what it learns.
#
# ## Explain: too big
#
# Fifteen points, a lot of noise, and many weights: the network learns the noise.

# %%
Lab(
    Experiment(
        problem="sine", samples=15, noise=0.3, depth=2, width=64, epochs=1000, batch_size=None, scaling="standard"
    ),
    controls=["samples", "noise", "depth", "width"],
    pictures=("fit", "loss"),
)

# %%
scarce = Experiment(
    problem="sine", samples=15, noise=0.3, depth=2, width=64, epochs=500, batch_size=None, scaling="standard"
)
big = train_seeds(scarce, 50)
fed = train_seeds(scarce.replace(samples=400), 50)

below = float((big.loss[:, -1] < big.noise_floor).mean())
claim("On fifteen points the training loss ends below the noise floor in {below:.0%} of the seeds: noise is learned.",
      below > 0.9, over=big, below=below)  # fmt: skip
claim("Then {big:.0%} learn. With four hundred points the same network learns in {fed:.0%}: it was short of data, not too big.",
      big.success_rate < 0.2 and fed.success_rate > 0.8, over=[big, fed], big=big.success_rate, fed=fed.success_rate)  # fmt: skip

# %% [markdown]
# ## The article says
#
# The article that these lessons answer calls a single linear unit on y = 2x + 1 with noise too small, and expects more
# layers to do better. Predict first.

# %%
predict(
    "line",
    "Two relu layers of 16, plain sgd at 0.01, on this line. Against the single unit they do …",
    ["better", "the same", "worse"],
)

# %%
unit = train_seeds(Experiment(problem="line", depth=0, optimizer="sgd"), 100)
deep = train_seeds(Experiment(problem="line", depth=2, width=16, activation="relu", optimizer="sgd"), 100)
scaled = train_seeds(deep.experiment.replace(scaling="standard"), 100)

gain = deep.success_rate - unit.success_rate
reveal("line", {"better": gain > 0.05, "the same": abs(gain) <= 0.05, "worse": gain < -0.05})
claim("The single unit learns the line in {rate:.0%} of the seeds: it reaches the noise floor, nothing is missing.",
      unit.success_rate > 0.9, over=unit, rate=unit.success_rate)  # fmt: skip
dead = float((deep.dead[:, -1].max(axis=1) > 0.9).mean())
claim("The relu layers learn it in {rate:.0%}. In {dead:.0%} of the seeds a layer ends with nearly all units dead.",
      deep.success_rate < 0.2 and dead > 0.5, over=deep, rate=deep.success_rate, dead=dead)  # fmt: skip
claim(
    "The same layers on standardised inputs learn it in {rate:.0%}.",
    scaled.success_rate > 0.8,
    over=scaled,
    rate=scaled.success_rate,
)

# %% [markdown]
# So the claim is wrong as printed. One unit is all that a line needs. More layers did worse, and not for lack of capacity:
# the first steps on inputs up to 10 were so long that they pushed the units to where relu is flat.
#
# ## Real data
#
# How far does a car go on a gallon? Nobody knows the true function, so the floor is a kernel ridge regression.

# %%
Lab(
    Experiment(problem="auto_mpg", depth=0, scaling="standard", epochs=200, learning_rate=0.03),
    controls=["scaling", "depth", "width", "activation", "learning_rate"],
)

# %%
cars = Experiment(problem="auto_mpg", scaling="standard", epochs=200, learning_rate=0.03)
plane, net = train_seeds(cars.replace(depth=0), 50), train_seeds(cars.replace(depth=1, width=16), 50)
low, high = float(sorted(plane.skill)[25]), float(sorted(net.skill)[25])
claim(
    "A linear unit has a median skill of {low:.2f}, a hidden layer of sixteen {high:.2f}.",
    high > low,
    over=[plane, net],
    low=low,
    high=high,
)

# %% [markdown]
# ## Exercises
#
# Put an `Experiment(...)` in place of the three dots. Each answer is trained from 50 seeds.

# %% tags=["exercise"]
from helpers import exercises

# 1. Learn |x| with at least one setting of your own.
check(exercises.learn_the_kink, ...)
# 2. Learn the wave with one hidden layer of at most 12 units.
check(exercises.smallest_for_the_wave, ...)
# 3. Make relu layers learn the line with sgd at 0.01.
check(exercises.line_with_relu, ...)
# 4. Beat the straight line on the cars: half of the seeds have to learn.
check(exercises.cars_beat_the_line, ...)

# %% tags=["solution"]
from helpers import exercises

check(exercises.learn_the_kink, kink.replace(depth=1, width=16))
check(exercises.smallest_for_the_wave, wave.replace(width=12, epochs=1000))
check(exercises.line_with_relu, deep.experiment.replace(scaling="standard"))
check(exercises.cars_beat_the_line, cars.replace(depth=1, width=16, learning_rate=0.03))

# %% tags=["exercise"]
score()

# %% tags=["solution"]
score(all_exercises=True)

# %% [markdown]
# ## In one sentence
#
# A network is too small when more units help on new points, too big when more points do, and neither when a straight line
# is all there is.
#
# **Read on.** A. Géron, *Hands-On Machine Learning with Scikit-Learn, Keras & TensorFlow*. I. Goodfellow, Y. Bengio and
# A. Courville, *Deep Learning*, chapters 5 and 6. G. Cybenko, *Approximation by superpositions of a sigmoidal function* (1989).
# M. Telgarsky, *Benefits of depth in neural networks* (2016). C. Zhang and others, *Understanding deep learning requires
# rethinking generalization* (2017).
