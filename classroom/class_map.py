# %% [markdown]
# # What the class found
#
# For the teacher. In a lesson each learner has a map of discoveries, and below it the button *Share*. It shows one line of text. Ask for that
# line, in a chat or a shared document, with a name before it or without. Put all lines into one file, one below the other. This
# notebook makes one map of them. Nothing of a line is run: it is read as data, and a line that is no such line is named.
#
# ## The lines
#
# Write the name of your file between the quotation marks. As long as there is none, you see three made-up learners.

# %%
from pathlib import Path

file = ""  # such as "discoveries.txt"

# %% [markdown]
# The made-up learners search the map of lesson 02: which activation learns the moons at which depth?

# %%
from helpers import Experiment, Lab, success_map, train

training = {"optimizer": "sgd", "learning_rate": 0.1, "batch_size": 25, "epochs": 75}
moons = Experiment(problem="moons", scaling="standard", depth=5, width=10, activation="sigmoid", **training)
rows, columns = ("activation", ["sigmoid", "tanh", "relu"]), ("depth", [1, 2, 5, 10])


def learner(name, *changes):
    """The line of a learner who tried these settings, and registered those that learned."""
    found = success_map(moons, rows, columns, lab=Lab(moons), discoveries=True)
    for change in changes:
        found.register(train(moons.replace(**change)))
    return f"{name} {found.share()}"


adam = {"optimizer": "adam", "learning_rate": 0.01}
examples = [
    learner("ada", {"activation": "tanh", **adam}, {"activation": "relu", "depth": 2, **adam}),
    learner("bob", {"activation": "tanh", "depth": 2, **adam}, {"activation": "tanh", **adam}),
    learner("cy", {"activation": "sigmoid", "depth": 1, **adam}, {"activation": "sigmoid", "depth": 10}),
]

# %% [markdown]
# ## The map
#
# The number in a cell is how many learners found it. An empty cell is the best question for the class: does nothing learn there, or did
# nobody look?

# %%
from helpers.lab.discoveries import merge_discoveries

lines = Path(file).read_text("utf-8") if file else examples
pooled = merge_discoveries(lines)
pooled

# %%
print(pooled.text)

# %% [markdown]
# ## Checked
#
# Are the discoveries true? Each is trained again here, about a second each. What is printed did not learn on this machine.

# %%
print(*pooled.check() or ["Every discovery learned here, too."], sep="\n")

# %% [markdown]
# ## Who found what

# %%
for name, cells in pooled.learners.items():
    print(f"{name}: {', '.join(pooled.name(cell) for cell in cells) or 'nothing yet'}")
