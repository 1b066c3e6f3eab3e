"""The causes of a network that does not learn: what each means, the usual fix, and the lesson that teaches it."""

from typing import NamedTuple


class Cause(NamedTuple):
    """What a cause means, in a sentence or two; what usually helps, as a sentence; the lesson's file name."""

    explanation: str
    fix: str
    lesson: str


CAUSES = {
    "capacity_too_low": Cause(
        "The network cannot represent the function that is asked for, however long it is trained: it has too few units, too "
        "few layers or no nonlinearity.",
        "Add a hidden layer with an activation, such as relu or tanh, or more units.",
        "01_capacity",
    ),
    "overfitting": Cause(
        "It has memorised the training samples, their noise included, and fails on others.",
        "Use more samples, early stopping, or some L2.",
        "05_regularization",
    ),
    "vanishing_gradient": Cause(
        "Each layer passes on only a part of the gradient, so that the first layers hardly learn.",
        "Use tanh, or relu with he_normal, or fewer layers.",
        "02_activations",
    ),
    "exploding_gradient": Cause(
        "Each layer makes the gradient larger, so that a single step throws the weights far away.",
        "Clip the gradients (clipnorm=1), and use smaller initial weights.",
        "02_activations",
    ),
    "dead_relu": Cause(
        "A relu unit that outputs 0 for every sample gets no gradient, and usually stays dead.",
        "Lower the learning rate, scale the inputs, or use leaky_relu.",
        "02_activations",
    ),
    "saturated_activation": Cause(
        "A sigmoid or tanh far from 0 is flat: its unit gets hardly any gradient.",
        "Scale the inputs, use smaller initial weights, or lower the learning rate.",
        "02_activations",
    ),
    "output_activation_mismatch": Cause(
        "The output layer cannot produce the values that the targets ask for.",
        "Give the output layer the activation that fits the targets.",
        "02_activations",
    ),
    "loss_mismatch": Cause(
        "The loss measures something other than how wrong the predictions are.",
        "Use the loss that fits the targets and the output layer.",
        "02_activations",
    ),
    "frozen_weights": Cause(
        "Some weights are not trained at all: their layers are frozen, or the model does not track them.",
        "Set trainable = True and compile again; make every layer a layer of the model.",
        "02_activations",
    ),
    "learning_rate_too_high": Cause(
        "Each step goes too far, so that the loss jumps about or grows.",
        "Lower the learning rate.",
        "03_optimizers",
    ),
    "learning_rate_too_low": Cause(
        "The steps are so small that all of them together do not lead to a good fit.",
        "Raise the learning rate.",
        "03_optimizers",
    ),
    "too_few_epochs": Cause(
        "It is still improving when training ends.",
        "Train for more epochs, or raise the learning rate.",
        "03_optimizers",
    ),
    "optimizer_choice": Cause(
        "One learning rate for all weights is too large for some and too small for others; an optimizer that scales the step "
        "of each weight separately learns.",
        "Use adam, or give sgd momentum.",
        "03_optimizers",
    ),
    "unscaled_inputs": Cause(
        "Large inputs drive units to the flat ends of their activations, and inputs of different sizes need different learning rates.",
        "Scale the inputs to mean 0 and standard deviation 1, using the mean and standard deviation of the training samples.",
        "04_preprocessing",
    ),
    "unscaled_targets": Cause(
        "Targets far from the first predictions take many steps to reach, and give large gradients.",
        "Scale the targets to mean 0 and standard deviation 1.",
        "04_preprocessing",
    ),
    "missing_values": Cause(
        "Everything computed from a NaN is NaN.",
        "Fill the missing values in (SimpleImputer), or leave these samples out.",
        "04_preprocessing",
    ),
    "label_or_data_bug": Cause(
        "The targets do not belong to these inputs, or inputs or targets are not what the network takes them for.",
        "Print ten samples with their targets and look at them.",
        "04_preprocessing",
    ),
    "class_imbalance": Cause(
        "One class is so frequent that always predicting it makes the loss small: the rare classes are rarely predicted, and the "
        "accuracy hides this.",
        "Train with class_weight, so that all classes count the same, and judge by the recall of each class.",
        "04_preprocessing",
    ),
    "over_regularized": Cause(
        "Penalties or dropout pull the network to a constant more strongly than the data pull it away.",
        "Weaken L1, L2 or dropout.",
        "05_regularization",
    ),
    "bad_initialization": Cause(
        "From these initial weights the units stay equal, or the signals vanish or grow from layer to layer.",
        "Use glorot_uniform, or he_normal for relu, and biases of 0.",
        "02_activations",
    ),
    "nothing_to_learn": Cause(
        "The inputs do not determine the target: the best prediction is hardly better than the baseline.",
        "Look for other inputs, unless you know how the target follows from these.",
        "04_preprocessing",
    ),
}
