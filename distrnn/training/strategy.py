"""The devices of the workers and the strategy over them.

One device needs none of TensorFlow's strategies. Several replicas of one worker are mirrored; on CPU they are logical devices of the one
processor, whose gradients are reduced on one device: TensorFlow's default collectives broke with several steps in a call and with a second
strategy in one process (measured, tensorflow 2.21). Several workers form a TensorFlow cluster, which they learn of by TF_CONFIG; there
TensorFlow knows GPUs and exactly one CPU device a worker.

Source: "Distributed training with TensorFlow" and "Multi-worker training with a custom training loop", the guides of tensorflow.org.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import tensorflow as tf

from distrnn.errors import DataError
from distrnn.training.plan import Placement


@dataclass(frozen=True)
class Member:
    """This worker among the workers of its run.

    Attributes:
        rank: from 0; worker 0 reports and writes.
        addresses: host:port of every worker, by rank; empty where there is only one.
    """

    rank: int = 0
    addresses: Sequence[str] = field(default_factory=tuple)

    @property
    def workers(self) -> int:
        """How many there are."""
        return max(len(self.addresses), 1)


ALONE = Member()


def tf_config(member: Member) -> str:
    """The value of TF_CONFIG for a worker."""
    return json.dumps({"cluster": {"worker": list(member.addresses)}, "task": {"type": "worker", "index": member.rank}})


def make_strategy(placement: Placement, member: Member = ALONE) -> tf.distribute.Strategy:
    """The strategy over the devices of all workers; call it before anything else touches TensorFlow.

    Args:
        placement: of each worker.
        member: which of them this is.
    Raises:
        DataError: the worker sees fewer GPUs than replicas.
    """
    replicas = placement.replicas
    devices = _gpus(replicas) if placement.device == "gpu" else _cpus(replicas)
    if member.workers > 1:
        os.environ["TF_CONFIG"] = tf_config(member)
        return tf.distribute.MultiWorkerMirroredStrategy()
    if replicas == 1:
        return tf.distribute.get_strategy()
    if placement.device == "gpu":
        return tf.distribute.MirroredStrategy(devices)
    return tf.distribute.MirroredStrategy(devices, cross_device_ops=tf.distribute.ReductionToOneDevice())


def may_be_a_lost_worker(error: Exception) -> bool:
    """Whether TensorFlow may say this because another worker is gone: of its errors any may be one."""
    return isinstance(error, tf.errors.OpError)


def _gpus(replicas: int) -> list[str]:
    gpus = tf.config.list_physical_devices("GPU")
    if len(gpus) < replicas:
        raise DataError(
            f"the worker was given {replicas} GPUs and TensorFlow sees {len(gpus)}. "
            "Install distrnn[gpu] on the node, or set scaling.device=cpu."
        )
    tf.config.set_visible_devices(gpus[:replicas], "GPU")
    return [f"/gpu:{index}" for index in range(replicas)]


def _cpus(replicas: int) -> list[str]:
    tf.config.set_visible_devices([], "GPU")
    if replicas > 1:
        processor = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration() for _ in range(replicas)])
    return [f"/cpu:{index}" for index in range(replicas)]
