# %% [markdown]
# # Why won't it learn?
#
# A small neural network, a simple relationship, and it does not learn. In these notebooks you cause many of the ways
# in which this happens. You see each failure, measure it and fix it.
#
# Run the cell below: click on it and press Shift+Enter. The first run takes about ten seconds, because TensorFlow has
# to start.

# %% tags=["dashboard-1"]
from helpers import Experiment, Lab

Lab(
    Experiment(problem="sine", depth=0),
    controls=["depth", "width", "learning_rate", "epochs"],
    pictures=("fit", "loss"),
)

# %% [markdown] tags=["dashboard-1-text"]
# **It fails.** The dashed line is the true function; the blue line is what the network predicts. It has no hidden
# layer, so it can predict only a straight line.
#
# **Fix it.** Move the slider *depth* one position to the right. (Or press Tab until the slider has a ring around it,
# and then press the right arrow key.) Watch the blue line.
#
# **Break it again.** Keep the hidden layer and move *learning rate* to either end. Three failures in three moves: a
# network that is too small, steps that are too long, steps that are too short. A printed loss is only a number. The
# plots show which failure it is.

# %% [markdown]
# ## How the lab works
#
# - Moving a control starts a new run at once and drops the old one. **Stop** ends the run and keeps what it has reached.
# - **100 seeds** trains a hundred networks with the same settings. Each *seed* gives different data, initial weights
#   and batches. One run proves nothing.
# - **Pin** keeps a run in the plots, next to the runs that follow. **Reset** goes back to the first settings.
# - **Code** shows a plain Keras program with the same settings. Run on its own, it gives the same result.
# - **Share** shows the settings as a short text. To open somebody else's settings, paste their text there and press
#   *Load*.
# - The text below the plots describes the run in words and names the likely cause of a failure.
#
# ## Five terms
#
# - **baseline**: the error of always predicting the mean (or the most frequent class).
# - **noise floor**: the error of the true function. On average, no model does better on new samples. For real data
#   nobody knows the true function, so the noise floor is the error of a named reference, such as a scikit-learn
#   model. A network can beat that reference.
# - **skill** (short for *skill score*): how far the network has come from the baseline towards the noise floor, on
#   samples that it was not trained on. At 0 it is no better than a constant; at 1 it has learned all there is to
#   learn. A skill can be negative, and above 1 where the network beats the reference. (`fit_seeds`, for your own model,
#   cannot know the noise floor: its skill goes from the baseline to an error of 0.)
# - **learned**: a skill of at least 0.95.
# - **success rate**: the fraction of the seeds that learned. The lab adds an *interval*, such as (21% to 39%): a
#   hundred seeds are only a sample, and intervals made in this way contain the success rate of all possible seeds 95%
#   of the time.
#
# ## How to read a claim
#
# Every sentence marked ✓ is measured in the notebook that states it, with at least 50 seeds. If the sentence stops
# being true, the notebook stops and quotes it.

# %%
from helpers import train_seeds
from helpers.lessons.teaching import claim

flat = train_seeds(Experiment(problem="sine", depth=0), seeds=100)
hidden = train_seeds(
    Experiment(problem="sine", depth=2, width=16, epochs=200), seeds=100
)

# %%
rate = flat.success_rate
claim(
    "Without a hidden layer, {rate:.0%} of the seeds learn the wave.",
    rate == 0,
    over=flat,
    rate=rate,
)
rate = hidden.success_rate
claim("With two hidden layers, {rate:.0%} do.", rate > 0.9, over=hidden, rate=rate)

# %% [markdown]
# The same result as a plot. Each dot is one seed.

# %%
from helpers.lessons.figures import skills

skills(
    {"no hidden layer": flat, "two hidden layers": hidden},
    title="A straight line cannot fit a wave",
)

# %% [markdown]
# ## The lessons
#
# Each takes 20 to 30 minutes and can be read on its own. If your own network does not learn and you do not know why,
# follow the procedure of lesson 06. The lessons also repeat and measure the examples and claims of an article, *Why
# is my TensorFlow neural network failing to learn a simple relationship?* (2025). They call it "the article".
#
# | lesson | what goes wrong |
# |---|---|
# | [01 Capacity](01_capacity.ipynb) | the network is too small, too big, or neither |
# | [02 Activations](02_activations.ipynb) | units die or saturate, and gradients vanish before they reach the first layer |
# | [03 Optimizers](03_optimizers.ipynb) | steps are too long, too short, or in a poor direction |
# | [04 Preprocessing](04_preprocessing.ipynb) | inputs and targets have scales, gaps or forms that training cannot handle |
# | [05 Regularization](05_regularization.ipynb) | the network learns the noise, or is held back too much |
# | [06 Debugging clinic](06_debugging_clinic.ipynb) | networks fail, and you have to find the reason |
# | [07 Your own network](07_your_own_network.ipynb) | twelve Keras programs that do not learn, to be repaired |
#
# In each lesson you **predict** first, then look: you learn more from a wrong prediction than from a right one. A cell
# that would show an answer waits until you have pressed *Commit*, and *Run All* stops there. To go on, choose *Run →
# Run Selected Cell and All Below*. **Exercises** come at the end; their solutions are in the folder `solutions`.
#
# ## When a cell fails
#
# - **`NameError: name '…' is not defined`**: an earlier cell has not run. Choose *Run → Run All Above Selected Cell*.
# - **`ModuleNotFoundError: No module named 'helpers'`**: JupyterLab was not started by `python run.py lab`, and this
#   project is not installed in the kernel's environment. README.md says how to install it. On Colab, run the
#   notebook's first cell.
# - **`ValueError`**: read its last line. It says what you gave, what is allowed, and what you may have meant.
# - **`ClaimFailed`**: a sentence of the lesson is no longer true with your versions of the packages. Please report it
#   and quote the sentence.
# - **A lab that does not move**: choose *Kernel → Restart Kernel and Run up to Selected Cell*. On a page without a
#   kernel, such as GitHub's, a lab is only a picture and never moves.
# - **On Binder the kernel dies, or everything is slow**: its memory is enough for one notebook. Choose *Kernel → Shut
#   Down All Kernels…*, then run only the notebook that you want. You lose nothing that you have typed.
# - **Anything else**: restart the kernel and run all cells. If it still fails, the notebook is wrong, not you.

# %% [markdown]
# ## Your predictions
#
# Come back here after each lesson and run the cell below. It scores every prediction that you committed to, in all
# lessons, and compares how sure you were with how often you were right. If you are well calibrated, 70% of the answers
# that you were 70% sure of are right.

# %%
from helpers.lessons.predictions import calibration

calibration()
