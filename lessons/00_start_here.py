# %% [markdown]
# # Why won't it learn?
#
# A small neural network, a simple relationship, and it does not learn. In these notebooks you cause every way that this
# can happen, see it, measure it and mend it.
#
# Run the cell below: click on it and press Shift+Enter. The first time takes about ten seconds, because TensorFlow has to
# start.

# %%
from helpers import Experiment, Lab

Lab(
    Experiment(problem="sine", depth=0),
    controls=["depth", "width", "learning_rate", "epochs"],
    pictures=("fit", "loss"),
)

# %% [markdown]
# **It fails.** The dashed line is the truth, the blue line is what the network gives. It has no hidden layer, so it can
# give only a straight line.
#
# **Rescue it.** Move the slider *depth* one stop to the right. (Or press Tab until the slider has a ring around it, and then
# the arrow key.) Watch the blue line.
#
# **Break it again.** Keep the hidden layer and move *learning rate* to either end. Three failures in three moves: too small,
# too fast, too slow. They look alike in a printed loss. They do not look alike here.
#
# ## How the lab works
#
# - Moving a control starts a new training at once and drops the old one. **Stop** keeps the present state.
# - **100 seeds** trains the same setting a hundred times, each time with other data, first weights and batches. One run
#   proves nothing.
# - **Pin** keeps a run in the pictures, beside the next ones. **Reset** goes back to the first setting.
# - **Code** shows the plain Keras program of the setting. Run alone, it gives the same result.
# - **Share** shows the setting as a short text. Paste somebody else's text there and press *Load*.
# - The text below the pictures says the same in words, with the likely cause of a failure.
#
# ## Five words
#
# - **baseline**: the error of always answering the mean (or the most frequent class).
# - **noise floor**: the error of the true function. In the long run nobody does better on new points. For real data, whose truth nobody
#   knows, it is the error of a named scikit-learn model.
# - **skill**: how much of the way from the baseline to the noise floor the network has come, on points that it was not
#   trained on. 0 is no better than a constant, 1 is all there is to learn.
# - **learned**: a skill of at least 0.95.
# - **success rate**: the share of the seeds that learned.
#
# ## How to read a claim
#
# Every number in these lessons is measured in the notebook that states it, from at least 50 seeds. If a sentence stops being
# true, its notebook fails and says which one.

# %%
from helpers import train_seeds
from helpers.lessons.teaching import claim

flat = train_seeds(Experiment(problem="sine", depth=0), seeds=100)
bent = train_seeds(Experiment(problem="sine", depth=2, width=16, epochs=200), seeds=100)

# %%
rate = flat.success_rate
claim("Without a hidden layer, {rate:.0%} of the seeds learn the wave.", rate == 0, over=flat, rate=rate)
rate = bent.success_rate
claim("With two hidden layers, {rate:.0%} do.", rate > 0.9, over=bent, rate=rate)

# %% [markdown]
# The same as a picture. Each dot is one seed.

# %%
from helpers.lessons.figures import skills

skills({"no hidden layer": flat, "two hidden layers": bent}, title="A wave needs a bend")

# %% [markdown]
# ## The lessons
#
# Each takes 20 to 30 minutes and stands alone. If your own network does not learn and you do not know why, the order below is
# also a good order to look in.
#
# | lesson | what goes wrong |
# |---|---|
# | [01 Capacity](01_capacity.ipynb) | the network is too small, too big, or neither |
# | [02 Activations](02_activations.ipynb) | units die or saturate, and gradients vanish on the way down |
# | [03 Optimizers](03_optimizers.ipynb) | steps are too long, too short, or go the wrong way |
# | [04 Preprocessing](04_preprocessing.ipynb) | inputs and targets have scales, gaps or shapes that training cannot handle |
# | [05 Regularization](05_regularization.ipynb) | the network learns the noise, or is held back too much |
# | [06 Debugging clinic](06_debugging_clinic.ipynb) | networks that fail for a reason that you have to find |
#
# In each of them you **predict** first, then look. A prediction that turns out wrong is worth more than one that is right:
# press *Commit* before you read on. At the end wait **exercises**, whose answers stand in the folder `solutions`.
#
# ## When a cell fails
#
# - **`NameError: name '…' is not defined`**: an earlier cell has not run. Choose *Run → Run All Above Selected Cell*.
# - **`ModuleNotFoundError: No module named 'helpers'`**: JupyterLab was not started by `python run.py lab`, and this
#   project is not installed in the environment of the kernel. README.md says how.
# - **`ValueError`**: read its last line. It says what you gave, what is allowed, and what you may have meant.
# - **`ClaimFailed`**: a sentence of the lesson is no longer true with your versions of the packages. That is a find: report
#   it, with the sentence.
# - **A lab that does not move**: choose *Kernel → Restart Kernel and Run up to Selected Cell*. Only pictures on a page, such as
#   on GitHub, never move: they need a kernel.
# - **On Binder the kernel dies, or everything is slow**: its memory is enough for one notebook. Choose *Kernel → Shut Down
#   All Kernels…*, then run the one that you want. What you have typed stays.
# - Anything else: restart the kernel and run all cells. If it still fails, the notebook is wrong, not you.
