"""What every test shares: a quiet TensorFlow."""

import os

# Before TensorFlow is imported, here and in the processes that tests start.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
