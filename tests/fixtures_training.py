"""What the training tests share: two logical CPU devices, configured before anything touches TensorFlow."""

import os

import pytest

os.environ["KERAS_BACKEND"] = "tensorflow"


@pytest.fixture(scope="session")
def two_devices() -> None:
    """Two logical CPU devices in this process; TensorFlow allows the choice once."""
    import tensorflow as tf

    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
