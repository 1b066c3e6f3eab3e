"""What is trained: an `Experiment`, its problem, its Keras program, and the `Run` that comes of it."""
