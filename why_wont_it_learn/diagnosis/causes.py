"""The causes of a network that does not learn: what each means, in a sentence or two, and the lesson that teaches it."""

CAUSES = {
    "capacity_too_low": (
        "The network cannot give the answers that are asked for, however long it is trained: it has too few units, too few "
        "layers or no bend.",
        "01_capacity",
    ),
    "overfitting": (
        "It has learned the training points by heart, their noise included, and fails on others.",
        "05_regularization",
    ),
    "vanishing_gradient": (
        "Each layer passes on only a part of the gradient, so that the first layers hardly learn.",
        "02_activations",
    ),
    "exploding_gradient": (
        "Each layer makes the gradient larger, so that a single step throws the weights far away.",
        "02_activations",
    ),
    "dead_relu": (
        "A relu unit that answers 0 for every point gets no gradient, and stays so.",
        "02_activations",
    ),
    "saturated_activation": (
        "A sigmoid or tanh far from 0 is flat: its unit gets next to no gradient.",
        "02_activations",
    ),
    "output_activation_mismatch": (
        "The output layer cannot give the answers that the targets ask for.",
        "02_activations",
    ),
    "loss_mismatch": (
        "The loss measures something else than how wrong the answers are.",
        "02_activations",
    ),
    "learning_rate_too_high": (
        "Each step goes too far, so that the loss jumps about or grows.",
        "03_optimizers",
    ),
    "learning_rate_too_low": (
        "The steps are so small that all of them together do not lead to the goal.",
        "03_optimizers",
    ),
    "too_few_epochs": (
        "It is on its way, and training ends before it is there.",
        "03_optimizers",
    ),
    "optimizer_choice": (
        "One rate for all weights is too large for some and too small for others; an optimizer that scales each step learns.",
        "03_optimizers",
    ),
    "unscaled_inputs": (
        "Weights and rates are made for inputs about 0 with a spread of about 1.",
        "04_preprocessing",
    ),
    "unscaled_targets": (
        "A network starts with answers of about 1; targets far from there are far to go to, with long gradients.",
        "04_preprocessing",
    ),
    "missing_values": (
        "What is not a number makes everything that is computed with it not a number.",
        "04_preprocessing",
    ),
    "label_or_data_bug": (
        "The targets do not belong to these inputs, or got lost on the way.",
        "04_preprocessing",
    ),
    "over_regularized": (
        "Penalties or dropout pull the network to a constant more strongly than the data pull it away.",
        "05_regularization",
    ),
    "bad_initialization": (
        "From these first weights the units stay equal, or the signals get lost or grow from layer to layer.",
        "02_activations",
    ),
    "nothing_to_learn": (
        "The inputs do not tell the target: the best answer is hardly better than a constant.",
        "04_preprocessing",
    ),
}
