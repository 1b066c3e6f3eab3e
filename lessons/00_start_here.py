# %% [markdown]
# # Why won't it learn?
#
# A small neural network, a simple relationship, and it does not learn. In these notebooks you cause every way that this
# can happen, see it, measure it and mend it.
#
# Run the cell below (Shift+Enter). The first time takes about ten seconds, because TensorFlow has to start.

# %%
import sys

sys.path[:0] = ["..", "../.."]  # the helpers stand beside the folder of the notebooks

from helpers import Experiment, Lab

Lab(Experiment(problem="sine", depth=0), controls=["depth", "width", "activation", "learning_rate", "epochs"])

# %% [markdown]
# **It fails.** The dashed line is the truth, the blue line is what the network gives. It has no hidden layer, so it can
# only give a straight line.
#
# **Rescue it.** Move the slider *depth* one stop to the right. You can also press Tab until the slider has a ring
# around it, and then the arrow key. Watch the blue line.
#
# ## How the lab works
#
# - Moving a control starts a new training at once and drops the old one. **Stop** keeps the present state.
# - **100 seeds** trains the same setting a hundred times, each time with other data, first weights and batches. One run proves nothing.
# - **Pin** keeps a run in the pictures, beside the next ones. **Reset** goes back to the first setting.
# - **Code** shows the plain Keras program of the setting. Run alone, it gives the same result.
# - **Share** shows the setting as a short text. Paste somebody else's text there and press *Load*.
# - The text below the pictures says the same in words.
#
# ## Five words
#
# - **baseline**: the error of always answering the mean, or the most frequent class.
# - **noise floor**: the error of the true function. For real data, whose truth nobody knows, the error of a good scikit-learn model.
# - **skill**: how much of the way from the baseline to the noise floor the network has come, on points that it was not trained on.
# - **learned**: a skill of at least `0.95`.
# - **success rate**: the share of seeds that learned.
#
# ## How to read a claim
#
# Every number in these lessons is measured in the notebook that states it. If it stops being true, the notebook fails.

# %%
from helpers import train_seeds
from helpers.teaching import claim

flat = train_seeds(Experiment(problem="sine", depth=0), seeds=100)
bent = train_seeds(Experiment(problem="sine", depth=2, width=16, epochs=200), seeds=100)

claim(
    "Without a hidden layer, {rate:.0%} of the seeds learn the wave.",
    flat.success_rate == 0,
    over=flat,
    rate=flat.success_rate,
)
claim("With two hidden layers, {rate:.0%} do.", bent.success_rate > 0.9, over=bent, rate=bent.success_rate)

# %% [markdown]
# ## The lessons
#
# | lesson | what goes wrong |
# |---|---|
# | [01 Capacity](01_capacity.ipynb) | the network is too small, too big, or neither |
# | 02 Activations, 03 Optimizers, 04 Preprocessing, 05 Regularization, 06 Debugging clinic | in preparation |
