"""The devices of a worker and the strategy over them.

On CPU several replicas are logical devices of the one processor. Their gradients are reduced on one device: TensorFlow's default
collectives broke with several steps in a call and with a second strategy in one process (measured, tensorflow 2.21).
"""

import tensorflow as tf

from distrnn.errors import DataError


def make_strategy(device: str, replicas: int) -> tf.distribute.MirroredStrategy:
    """Mirror the model over the worker's devices; call it before anything else touches TensorFlow.

    Args:
        device: `cpu` or `gpu`.
        replicas: copies of the model.
    Raises:
        DataError: the worker sees fewer GPUs than replicas.
    """
    if device == "gpu":
        gpus = tf.config.list_physical_devices("GPU")
        if len(gpus) < replicas:
            raise DataError(
                f"the worker was given {replicas} GPUs and TensorFlow sees {len(gpus)}. "
                "Install distrnn[gpu] on the node, or set scaling.device=cpu."
            )
        return tf.distribute.MirroredStrategy([f"/gpu:{index}" for index in range(replicas)])
    tf.config.set_visible_devices([], "GPU")
    if replicas > 1:
        processor = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration() for _ in range(replicas)])
    devices = [f"/cpu:{index}" for index in range(replicas)]
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=tf.distribute.ReductionToOneDevice())


def compiles_with_xla(device: str, replicas: int) -> bool:
    """Whether a step is compiled by XLA.

    On one CPU device it pays: 1.5 times and more (measured). Across logical devices it fails (measured); on a GPU it would rule out cuDNN.
    """
    return device == "cpu" and replicas == 1
