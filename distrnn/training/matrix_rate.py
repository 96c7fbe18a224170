"""How many floating point operations a second the devices of a training make while they multiply matrices: measured, not looked up."""

import time
from typing import Any

import tensorflow as tf

from distrnn.training.plan import Placement

SIZES = {"CPU": 1024, "GPU": 8192}  # of a square matrix; large enough that a product takes much longer than its start
TYPES = {"float32": tf.float32, "mixed-bfloat16": tf.bfloat16, "mixed-float16": tf.float16}
MEASURED_S = 0.2


def matrix_rate_of_all(placement: Placement, precision: str) -> float | None:
    """Floating point operations a second of the devices of all workers together, taking them to be like the first of this one.

    Args:
        placement: of each worker; on CPU its replicas share the processor.
        precision: `train.precision`.
    Returns:
        None where the device has no memory left to measure it.
    """
    devices = placement.all_replicas if placement.device == "gpu" else placement.workers
    try:
        return devices * matrix_rate(placement.device.upper(), precision)
    except tf.errors.ResourceExhaustedError:
        return None


def matrix_rate(device: str, precision: str = "float32", seconds: float = MEASURED_S) -> float:
    """Floating point operations a second of products of large square matrices on the first such device.

    Args:
        device: `CPU` or `GPU`.
        precision: `train.precision`.
        seconds: how long to measure, after one product that is not counted.
    Returns:
        that of the fastest product: what else runs on the machine may have disturbed the others.
    """
    size = SIZES[device]
    with tf.device(f"/{device}:0"):
        matrix = tf.cast(tf.random.stateless_uniform([size, size], seed=[0, 0]), TYPES[precision])
        _multiply(matrix)
        ends = time.perf_counter() + seconds
        taken: list[float] = []
        while not taken or time.perf_counter() < ends:
            started = time.perf_counter()
            _multiply(matrix)
            taken.append(time.perf_counter() - started)
    return float(2 * size**3 / min(taken))


def _multiply(matrix: Any) -> None:
    """One product, waited for: of its [N, N] only a corner crosses over."""
    tf.linalg.matmul(matrix, matrix)[0, 0].numpy()
