# %% [markdown]
# # 7 · Your own network
#
# A Keras program of your own does not learn. After this lesson you know four functions that measure why, each called in
# about three lines, and you have repaired up to twelve programs, each with a fault that people often ask about.
#
# | part | minutes |
# |---|---|
# | The failure, your predictions, the lab | 5 |
# | Four measurements: `fit_seeds`, `Watch`, `diagnose`, `table` | 10 |
# | The fix | 2 |
# | The repair shop: twelve broken programs | 5 to 10 each |
# | In your own network | 2 |
#
# The terms *skill*, *baseline* and *success rate* are explained in [00 Start here](00_start_here.ipynb).
#
# ## The failure
#
# How far does a car go on a gallon of petrol? For each of 392 cars, a table gives six numbers: cylinders, displacement,
# horsepower, weight, acceleration and year.

# %% tags=["program"]
import keras
import numpy as np
from keras import layers
from keras.initializers import GlorotUniform

from helpers.lessons import repairs

x, y, x_val, y_val = repairs.cars()


def network(units=16):
    first, second = (
        layers.Dense(units, activation="tanh", kernel_initializer=GlorotUniform(seed))
        for seed in (0, 1)
    )
    last = layers.Dense(1, kernel_initializer=GlorotUniform(2))
    model = keras.Sequential([keras.Input((6,)), first, second, last])
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
    return model


settings = {"epochs": 40, "batch_size": 32}
keras.utils.set_random_seed(0)  # so that the order of the samples can be repeated
model = network()
history = model.fit(x, y, verbose=0, **settings)
loss = model.evaluate(x_val, y_val, verbose=0)
print(f"validation loss {loss:.1f}, baseline {np.mean((y_val - y.mean()) ** 2):.1f}")

# %% [markdown]
# The baseline is the error of always predicting the mean. After forty epochs the network is about as good as the
# baseline, although the weight of a car alone tells you most of the answer. (`GlorotUniform` is Keras's default; its
# seeds fix the initial weights.)
#
# ## Predict

# %%
from helpers.lessons.teaching import predict

predict(
    "longer",
    "Trained for three times as many epochs, "
    "with most seeds the network has a skill of …",
    ["at most 0.1", "0.1 to 0.5", "more than 0.5"],
)

# %%
predict(
    "wider",
    "With 64 units in each hidden layer instead "
    "of 16, with most seeds it has a skill of …",
    ["at most 0.1", "0.1 to 0.5", "more than 0.5"],
)

# %%
predict(
    "saturated",
    "After the first epoch, how many units of the first "
    "hidden layer are saturated (at −1 or 1 for most cars)?",
    ["fewer than a tenth", "about half", "nearly all"],
)

# %% [markdown]
# ## Observe
#
# Here is a network of the same shape with two inputs instead of six, so that its predictions can be drawn. One input
# goes up to 1, the other up to 1000, much as the weight of a car far exceeds its number of cylinders.

# %% tags=["dashboard-1"]
from helpers import Experiment, Lab

two_scales = Experiment(
    problem="two_scales",
    depth=2,
    width=16,
    activation="tanh",
    optimizer="adam",
    learning_rate=0.01,
    epochs=60,
)
lab = Lab(
    two_scales,
    controls=["width", "activation", "learning_rate", "scaling"],
    pictures=("fit", "loss", "units"),
)
lab

# %% [markdown] tags=["dashboard-1-text"]
# One input goes up to 1, the other up to 1000, and the network is hardly better than a constant.
#
# 1. Which plot shows the fault at once?
# 2. Move one control at a time. Which ones help?

# %% [markdown]
# For your own program, begin with the library `why_wont_it_learn`. It takes any compiled Keras model.
#
# ## Four measurements
#
# ### `fit_seeds`: is it bad luck?
#
# One run proves nothing. `fit_seeds` trains fresh copies of the model, each with its own initial weights, all at once.
# Your model does not change.

# %%
from why_wont_it_learn import fit_seeds

validation = {"validation_data": (x_val, y_val)}
study = fit_seeds(network(), x, y, seeds=50, **validation, **settings)
wider = fit_seeds(network(64), x, y, seeds=50, **validation, **settings)
longer = fit_seeds(
    network(), x, y, seeds=50, **validation, **settings | {"epochs": 120}
)

# %%
from helpers.lessons.teaching import claim, reveal

skill, best = np.median(study.skill), study.skill.max()
claim(
    "The median skill is {skill:.2f}: a constant is as good.",
    bool(abs(skill) < 0.1),
    over=study,
    skill=skill,
)
claim(
    "The best of {seeds} seeds reaches {best:.2f}: luck is not enough.",
    bool(best < 0.75),
    over=study,
    seeds=len(study.seeds),
    best=best,
)

# %%
skill = np.median(longer.skill)
reveal(
    "longer",
    {
        "at most 0.1": skill <= 0.1,
        "0.1 to 0.5": 0.1 < skill <= 0.5,
        "more than 0.5": skill > 0.5,
    },
)
claim(
    "After three times the epochs the median skill is {skill:.2f}.",
    skill <= 0.1,
    over=longer,
    skill=skill,
)

# %%
skill = np.median(wider.skill)
reveal(
    "wider",
    {
        "at most 0.1": skill <= 0.1,
        "0.1 to 0.5": 0.1 < skill <= 0.5,
        "more than 0.5": skill > 0.5,
    },
)
claim(
    "With `64` units it is {skill:.2f}. Neither three times the epochs nor "
    "four times the units helped, so look elsewhere.",
    skill <= 0.1,
    over=[wider, longer],
    skill=skill,
)

# %% [markdown]
# ### `Watch`: what goes wrong, and when?
#
# More epochs and more units are what most people try first. Before you try anything else, look at the layers. Here is
# the program of this lesson as an experiment, trained for one epoch with 50 seeds. (`table` is explained below.)

# %% tags=["experiment", "dashboard-2"]
from helpers import Experiment

network_of_cars = {"depth": 2, "width": 16, "activation": "tanh"}
cars = Experiment(
    problem="auto_mpg", **network_of_cars, learning_rate=0.01, batch_size=32, epochs=40
)

# %%
from helpers import table, train_seeds

own = cars.replace(problem=table(x, y))  # the same cars for every seed
one_epoch = train_seeds(own.replace(epochs=1), 50)

# %%
share = np.median(one_epoch.saturated[:, 0, 0])
reveal(
    "saturated",
    {
        "fewer than a tenth": share < 0.1,
        "about half": 0.1 <= share < 0.8,
        "nearly all": share >= 0.8,
    },
)
claim(
    "After one epoch a median of {share:.0%} of the units "
    "of the first hidden layer are saturated.",
    bool(share >= 0.8),
    over=one_epoch,
    share=share,
)

# %% [markdown]
# For your own model, `Watch` finds this. It is a *callback*, an object that `fit` calls after each epoch. It looks at
# data, output and loss before the first step, then at the layers while `fit` trains, and prints one line when it finds
# something.

# %%
from why_wont_it_learn import Watch

watch = Watch(x, y, validation_data=(x_val, y_val))
history = network().fit(x, y, epochs=10, batch_size=32, verbose=0, callbacks=[watch])

# %% [markdown]
# A car weighs about 3000 pounds. The first layer multiplies that by its weights, and the sums are in the hundreds.
# There tanh is flat: a unit gives the same value for every car, and its gradient is nearly 0.
#
# ### `diagnose`: which change helps?
#
# `Watch` names likely causes. `diagnose` tries their fixes, one at a time and with several seeds, and says which one
# works.

# %%
from why_wont_it_learn import diagnose

diagnose(network(), x, y, budget=10, **validation, **settings)

# %% [markdown]
# ### `table`: how good can it get?
#
# `table` turns your data into a problem: it trains three scikit-learn models, and the error of the best one is the
# noise floor. Then the lab and the maps work on your data. `Lab(own)` opens this network on your cars; the lab below
# has the same cars built in.

# %% [markdown] tags=["dashboard-2-text"]
# From six measurements of a car, the network predicts how far it goes on a gallon. Each dot is a car; on the dashed
# line the prediction is right. Which of the three controls moves the dots to the line?

# %% tags=["dashboard-2"]
from helpers import Lab

Lab(cars, controls=["width", "learning_rate", "scaling"], pictures=("fit", "loss"))

# %%
unscaled = train_seeds(own, 50)
scaled = train_seeds(own.replace(scaling="standard"), 50)

# %%
worse = round(float(np.median(unscaled.skill)), 2) + 0.0  # not −0.00
better = np.median(scaled.skill)
claim(
    "Unscaled, the median skill is {worse:.2f}.",
    bool(worse < 0.2),
    over=unscaled,
    worse=worse,
)
claim(
    "With standardised inputs it is {better:.2f}.",
    bool(better > 0.7),
    over=scaled,
    better=better,
)

# %% [markdown]
# Here a skill of 1 is an error as small as that of the best scikit-learn model. So there is still something to gain.

# %% [markdown]
# ## Fix
#
# One change: the inputs are standardised, with the mean and the standard deviation of the training data.

# %% tags=["repaired"]
mean, std = x.mean(axis=0), x.std(axis=0)
x, x_val = (x - mean) / std, (x_val - mean) / std
model = network()
history = model.fit(x, y, verbose=0, **settings)
loss = model.evaluate(x_val, y_val, verbose=0)
print(f"validation loss {loss:.1f}, baseline {np.mean((y_val - y.mean()) ** 2):.1f}")

# %%
validation = {"validation_data": (x_val, y_val)}
fixed = fit_seeds(network(), x, y, seeds=50, **validation, **settings)
worst = float(fixed.skill.min())
claim(
    "Even the worst seed now has a skill of {worst:.2f}.",
    worst > 0.7,
    over=fixed,
    worst=worst,
)
before = float(study.skill.max())
claim(
    "That is more than the best seed had before: {before:.2f}.",
    worst > before,
    over=[fixed, study],
    before=before,
)

# %% [markdown]
# ## The repair shop
#
# Here are twelve programs that do not learn. Each has a fault that people often ask about; the data are small and
# made up. Edit the program in its cell until the check passes. Change what you like: data, layers, loss, optimizer,
# settings.
#
# - `check` trains *your* model with 20 seeds and says what is wrong if fewer than 16 of them learn. It allows at most
#   ten times as many steps as the printed program takes. (With callbacks in `settings`: 5 seeds, of which 4 must learn.)
# - `repairs.hint("…")` shows one more of three hints: what to measure, what that shows, where to look. Measure first.
# - `repairs.post_mortem("…")` says, once you have passed, which measurement would have found the fault soonest.
#
# The first ones take a minute. Read every warning: Keras itself tells you of two of the faults.

# %%
from helpers.lessons.teaching import check

# %% [markdown]
# ### 1. Mushrooms
#
# Edible or not, from four measurements. "The loss falls, the accuracy is no better than a coin toss, and `predict`
# gives the same number for every mushroom."

# %% tags=["exercise"]
x, y, x_val, y_val = repairs.data("mushrooms")
settings = {"epochs": 30, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1, activation="softmax"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.005), loss="binary_crossentropy")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {np.log(2):.3g}"
)
check(repairs.mushrooms, model, x, y, x_val, y_val, **settings)

# %% tags=["solution"]
x, y, x_val, y_val = repairs.data("mushrooms")
settings = {"epochs": 30, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.005), loss="binary_crossentropy")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {np.log(2):.3g}"
)
check(repairs.mushrooms, model, x, y, x_val, y_val, **settings)

# %% tags=["exercise"]
# repairs.hint("mushrooms")
# repairs.post_mortem("mushrooms")

# %% tags=["solution"]
repairs.post_mortem("mushrooms")

# %% [markdown]
# ### 2. Kettle
#
# How many watt-seconds a kettle needs, from four readings. "I have tried more layers and more epochs. The loss is eight
# digits long after all epochs."

# %% tags=["exercise"]
x, y, x_val, y_val = repairs.data("kettle")
settings = {"epochs": 40, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.005), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.kettle, model, x, y, x_val, y_val, **settings)

# %% tags=["solution"]
x, y, x_val, y_val = repairs.data("kettle")
m, s = y.mean(), y.std()
y, y_val = (y - m) / s, (y_val - m) / s
settings = {"epochs": 40, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.005), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.kettle, model, x, y, x_val, y_val, **settings)

# %% tags=["exercise"]
# repairs.hint("kettle")
# repairs.post_mortem("kettle")

# %% tags=["solution"]
repairs.post_mortem("kettle")

# %% [markdown]
# ### 3. Thermometer
#
# The temperature of a cold store. The author knows that targets should be standardised, and has done so. "It is good on
# warm days and useless on cold ones."

# %% tags=["exercise"]
x, y, x_val, y_val = repairs.data("thermometer")
mean, std = y.mean(), y.std()
y, y_val = (y - mean) / std, (y_val - mean) / std
settings = {"epochs": 40, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1, activation="relu"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.005), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.thermometer, model, x, y, x_val, y_val, **settings)

# %% tags=["solution"]
x, y, x_val, y_val = repairs.data("thermometer")
mean, std = y.mean(), y.std()
y, y_val = (y - mean) / std, (y_val - mean) / std
settings = {"epochs": 40, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.005), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.thermometer, model, x, y, x_val, y_val, **settings)

# %% tags=["exercise"]
# repairs.hint("thermometer")
# repairs.post_mortem("thermometer")

# %% tags=["solution"]
repairs.post_mortem("thermometer")

# %% [markdown]
# ### 4. Shelf
#
# Three kinds of books, by size and weight, one kind after the other as they stand on the shelf. "The training loss is
# excellent. The validation loss gets worse with every epoch, so I must be overfitting." The last two arrays are a
# test set that the program never sees.

# %% tags=["exercise"]
x, y, x_test, y_test = repairs.data("shelf")
settings = {"epochs": 30, "batch_size": 32, "validation_split": 0.4}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(3, activation="softmax"),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(0.005), loss="sparse_categorical_crossentropy"
)
history = model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {history.history['val_loss'][-1]:.3g}, baseline {np.log(3):.3g}"
)
check(repairs.shelf, model, x, y, x_test, y_test, **settings)

# %% tags=["solution"]
x, y, x_test, y_test = repairs.data("shelf")
order = np.random.default_rng(0).permutation(len(x))
x, y = x[order], y[order]
settings = {"epochs": 30, "batch_size": 32, "validation_split": 0.4}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(3, activation="softmax"),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(0.005), loss="sparse_categorical_crossentropy"
)
history = model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {history.history['val_loss'][-1]:.3g}, baseline {np.log(3):.3g}"
)
check(repairs.shelf, model, x, y, x_test, y_test, **settings)

# %% tags=["exercise"]
# repairs.hint("shelf")
# repairs.post_mortem("shelf")

# %% tags=["solution"]
repairs.post_mortem("shelf")

# %% [markdown]
# ### 5. Bakery
#
# How much bread is sold, from temperature, rain and the like. "Training works. On the validation data it is worse
# than a guess, even with dropout."

# %% tags=["exercise"]
x, y, x_val, y_val = repairs.data("bakery")
x = (x - x.mean(axis=0)) / x.std(axis=0)
x_val = x_val / x_val.max(axis=0)
settings = {"epochs": 30, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.005), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.bakery, model, x, y, x_val, y_val, **settings)

# %% tags=["solution"]
x, y, x_val, y_val = repairs.data("bakery")
m, s = x.mean(axis=0), x.std(axis=0)
x = (x - m) / s
x_val = (x_val - m) / s
settings = {"epochs": 30, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.005), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.bakery, model, x, y, x_val, y_val, **settings)

# %% tags=["exercise"]
# repairs.hint("bakery")
# repairs.post_mortem("bakery")

# %% tags=["solution"]
repairs.post_mortem("bakery")

# %% [markdown]
# ### 6. Tides
#
# The height of the tide. A forecast that is too low is worse than one that is too high, so the author wrote a loss for
# that. "With `mse` it learns. With my own loss it predicts one number for everything."


# %% tags=["exercise"]
class Cautious(keras.losses.Loss):
    def call(self, y_true, y_pred):
        error = y_true - y_pred
        return keras.ops.where(error > 0, 1.5 * error**2, error**2)


x, y, x_val, y_val = repairs.data("tides")
settings = {"epochs": 30, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.005), loss=Cautious())
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {Cautious()(y_val, 0 * y_val + y.mean()):.3g}"
)
check(repairs.tides, model, x, y, x_val, y_val, **settings)


# %% tags=["solution"]
class Cautious(keras.losses.Loss):
    def call(self, y_true, y_pred):
        error = y_true - y_pred
        return keras.ops.where(error > 0, 1.5 * error**2, error**2)


x, y, x_val, y_val = repairs.data("tides")
y, y_val = y[:, None], y_val[:, None]
settings = {"epochs": 30, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.005), loss=Cautious())
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {Cautious()(y_val, 0 * y_val + y.mean()):.3g}"
)
check(repairs.tides, model, x, y, x_val, y_val, **settings)

# %% tags=["exercise"]
# repairs.hint("tides")
# repairs.post_mortem("tides")

# %% tags=["solution"]
repairs.post_mortem("tides")

# %% [markdown]
# ### 7. Postcodes
#
# Rents by street and month; each street and each month is a number. "A tree learns this at once. My network finds a
# faint trend."

# %% tags=["exercise"]
x, y, x_val, y_val = repairs.data("postcodes")
x, x_val = x / 40, x_val / 40
settings = {"epochs": 40, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((2,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.005), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.postcodes, model, x, y, x_val, y_val, **settings)

# %% tags=["solution"]
x, y, x_val, y_val = repairs.data("postcodes")
x, x_val = x + np.array([0, 40]), x_val + np.array([0, 40])
settings = {"epochs": 40, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((2,)),
        layers.Embedding(65, 8),
        layers.Flatten(),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.005), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.postcodes, model, x, y, x_val, y_val, **settings)

# %% tags=["exercise"]
# repairs.hint("postcodes")
# repairs.post_mortem("postcodes")

# %% tags=["solution"]
repairs.post_mortem("postcodes")

# %% [markdown]
# ### 8. Turbine
#
# The power of a wind turbine, with a schedule that lowers the learning rate by a tenth at a time. "It improves in the
# first two epochs and then stops."

# %% tags=["exercise"]
x, y, x_val, y_val = repairs.data("turbine")
settings = {"epochs": 30, "batch_size": 32}
rate = keras.optimizers.schedules.ExponentialDecay(0.01, decay_steps=1, decay_rate=0.9)
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(rate), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.turbine, model, x, y, x_val, y_val, **settings)

# %% tags=["solution"]
x, y, x_val, y_val = repairs.data("turbine")
settings = {"epochs": 30, "batch_size": 32}
rate = keras.optimizers.schedules.ExponentialDecay(
    0.01, decay_steps=13 * 5, decay_rate=0.9
)
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(rate), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.turbine, model, x, y, x_val, y_val, **settings)

# %% tags=["exercise"]
# repairs.hint("turbine")
# repairs.post_mortem("turbine")

# %% tags=["solution"]
repairs.post_mortem("turbine")

# %% [markdown]
# ### 9. Ferry
#
# Which passengers of a ferry will need help? Few do. "The accuracy is well above 90%, and it finds one in five."

# %% tags=["exercise"]
x, y, x_val, y_val = repairs.data("ferry")
settings = {"epochs": 30, "batch_size": 32}
model = keras.Sequential(
    [
        keras.Input((3,)),
        layers.Dense(8, activation="tanh"),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(0.005),
    loss="binary_crossentropy",
    metrics=["accuracy"],
)
model.fit(x, y, verbose=0, **settings)
accuracy = model.evaluate(x_val, y_val, verbose=0)[1]
print(f"validation accuracy {accuracy:.0%}, baseline {1 - y_val.mean():.0%}")
check(repairs.ferry, model, x, y, x_val, y_val, **settings)

# %% tags=["solution"]
x, y, x_val, y_val = repairs.data("ferry")
settings = {"epochs": 30, "batch_size": 32, "class_weight": {0: 1, 1: 15}}
model = keras.Sequential(
    [
        keras.Input((3,)),
        layers.Dense(8, activation="tanh"),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(0.005),
    loss="binary_crossentropy",
    metrics=["accuracy"],
)
model.fit(x, y, verbose=0, **settings)
accuracy = model.evaluate(x_val, y_val, verbose=0)[1]
print(f"validation accuracy {accuracy:.0%}, baseline {1 - y_val.mean():.0%}")
check(repairs.ferry, model, x, y, x_val, y_val, **settings)

# %% tags=["exercise"]
# repairs.hint("ferry")
# repairs.post_mortem("ferry")

# %% tags=["solution"]
repairs.post_mortem("ferry")

# %% [markdown]
# ### 10. Orchard
#
# The harvest of apple trees. "With `BatchNormalization` the training loss is better than ever, and the validation
# loss is a disaster."

# %% tags=["exercise"]
x, y, x_val, y_val = repairs.data("orchard")
settings = {"epochs": 30, "batch_size": 64}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.BatchNormalization(),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.orchard, model, x, y, x_val, y_val, **settings)

# %% tags=["solution"]
x, y, x_val, y_val = repairs.data("orchard")
settings = {"epochs": 30, "batch_size": 64}
model = keras.Sequential(
    [
        keras.Input((4,)),
        layers.BatchNormalization(momentum=0.8),
        layers.Dense(32, activation="relu"),
        layers.Dense(32, activation="relu"),
        layers.Dense(1),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.orchard, model, x, y, x_val, y_val, **settings)

# %% tags=["exercise"]
# repairs.hint("orchard")
# repairs.post_mortem("orchard")

# %% tags=["solution"]
repairs.post_mortem("orchard")

# %% [markdown]
# ### 11. Cellar
#
# The temperature of a cellar, with the first layers taken from another program by the same author. "It learns a little.
# More epochs change nothing."

# %% tags=["exercise"]
x, y, x_val, y_val = repairs.data("cellar")
keras.utils.set_random_seed(1)
settings = {"epochs": 30, "batch_size": 32}
base = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(8, activation="relu"),
    ]
)
base.trainable = False
model = keras.Sequential([base, layers.Dense(8, activation="relu"), layers.Dense(1)])
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.cellar, model, x, y, x_val, y_val, **settings)

# %% tags=["solution"]
x, y, x_val, y_val = repairs.data("cellar")
keras.utils.set_random_seed(1)
settings = {"epochs": 30, "batch_size": 32}
base = keras.Sequential(
    [
        keras.Input((4,)),
        layers.Dense(32, activation="relu"),
        layers.Dense(8, activation="relu"),
    ]
)
base.trainable = True
model = keras.Sequential([base, layers.Dense(8, activation="relu"), layers.Dense(1)])
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.cellar, model, x, y, x_val, y_val, **settings)

# %% tags=["exercise"]
# repairs.hint("cellar")
# repairs.post_mortem("cellar")

# %% tags=["solution"]
repairs.post_mortem("cellar")

# %% [markdown]
# ### 12. Lighthouse
#
# The range of a lighthouse depends on the weather, of which there are three kinds. So the network first chooses one of
# three kinds, then predicts. "The choice never gets better."

# %% tags=["exercise"]
x, y, x_val, y_val = repairs.data("lighthouse")
settings = {"epochs": 30, "batch_size": 32}
inputs = keras.Input((3,))
scores = layers.Dense(3)(layers.Dense(32, activation="relu")(inputs))
choice = layers.Lambda(
    lambda s: keras.ops.one_hot(keras.ops.argmax(s, axis=-1), 3), output_shape=(3,)
)(scores)
model = keras.Model(inputs, layers.Dense(1)(choice))
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.lighthouse, model, x, y, x_val, y_val, **settings)

# %% tags=["solution"]
x, y, x_val, y_val = repairs.data("lighthouse")
settings = {"epochs": 30, "batch_size": 32}
inputs = keras.Input((3,))
scores = layers.Dense(3)(layers.Dense(32, activation="relu")(inputs))
choice = layers.Softmax()(scores)
model = keras.Model(inputs, layers.Dense(1)(choice))
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
model.fit(x, y, verbose=0, **settings)
print(
    f"validation loss {model.evaluate(x_val, y_val, verbose=0):.3g}, "
    f"baseline {y_val.var():.3g}"
)
check(repairs.lighthouse, model, x, y, x_val, y_val, **settings)

# %% tags=["exercise"]
# repairs.hint("lighthouse")
# repairs.post_mortem("lighthouse")

# %% tags=["solution"]
repairs.post_mortem("lighthouse")

# %% tags=["exercise"]
from helpers.lessons.teaching import score

score()

# %% tags=["solution"]
from helpers.lessons.teaching import score

score(all_exercises=True)

# %% [markdown]
# ## In your own network
#
# Before training, look at `x[:5]`, `y[:5]` and `model.predict(x[:5])`: their shapes, their ranges, NaN. Nearly
# half of the twelve programs show their fault there. Then run these lines with your model and your data:
#
# ```python
# from why_wont_it_learn import Watch, diagnose, fit_seeds
#
# model.fit(x, y, epochs=60, callbacks=[Watch(x, y)])                                 # what goes wrong, and when
# print(fit_seeds(model, x, y, epochs=60, validation_data=(x_val, y_val)).skill)      # with every seed?
# diagnose(model, x, y, epochs=60, validation_data=(x_val, y_val))                    # which change helps?
# ```
#
# ## In one sentence
#
# Look at the data and the predictions before you train, check whether the network beats a constant, train with several
# seeds, and then change one thing at a time.
#
# **Where next.** [06 Debugging clinic](06_debugging_clinic.ipynb): the same without knowing where to look.
#
# **Read on.**
# A. Karpathy, [*A recipe for training neural networks*](https://karpathy.github.io/2019/04/25/recipe/) (2019).
# N. Humbatova and others, [*Taxonomy of real faults in deep learning systems*](https://arxiv.org/abs/1910.11015) (2020).
