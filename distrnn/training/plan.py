"""What a training run will do, decided before anything is started; pure functions, no TensorFlow."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

from distrnn.errors import WorkflowError


@dataclass(frozen=True)
class BatchPlan:
    """How a global batch is spread: replica r of all workers holds rows [r·b, (r+1)·b) where b is `per_replica_batch_size`."""

    global_batch_size: int
    replicas: int

    @property
    def per_replica_batch_size(self) -> int:
        """Rows of one replica."""
        return self.global_batch_size // self.replicas


def plan_batches(global_batch_size: int, replicas: int) -> BatchPlan:
    """Spread a global batch over the replicas of all workers.

    Raises:
        WorkflowError: it does not divide.
    """
    if global_batch_size % replicas:
        _refuse("train.global_batch_size", f"a multiple of the {replicas} replicas", global_batch_size)
    return BatchPlan(global_batch_size, replicas)


def classifier_steps(rows: int, global_batch_size: int) -> int:
    """Steps of an epoch; the last one may be short."""
    return -(-rows // global_batch_size)


def stream_steps(tokens: int, global_batch_size: int, window: int) -> int:
    """Steps of an epoch over a stream: every row needs `window` tokens a step, and one more at its end as the last target."""
    return max(0, (tokens - 1) // (global_batch_size * window))


@dataclass(frozen=True)
class Placement:
    """What each worker asks of its node, and how many replicas it holds.

    Attributes:
        device: cpu or gpu.
        cpus: of a worker.
        gpus: of a worker.
        replicas: of a worker.
        workers: one a node.
    """

    device: str
    cpus: int
    gpus: int
    replicas: int
    workers: int = 1

    @property
    def all_replicas(self) -> int:
        """Replicas of all workers."""
        return self.workers * self.replicas

    def to_json(self) -> dict[str, Any]:
        """Fields as a JSON object."""
        return asdict(self)


def place(
    *, device: str, workers: int, replicas: int | str, cpus: int | str, gpus: int | str, node_resources: list[Mapping[str, float]]
) -> Placement:
    """Decide where the workers go: one a node, `auto` being what the smallest of the nodes that they need has.

    Args:
        device: `scaling.device`.
        workers: `scaling.workers`.
        replicas: `scaling.replicas_per_worker`.
        cpus: `scaling.cpus_per_worker`.
        gpus: `scaling.gpus_per_worker`.
        node_resources: for each node of the cluster its `CPU` and `GPU`.
    Raises:
        WorkflowError: there are not enough nodes that have what is asked for.
    """
    with_gpu = sum(node.get("GPU", 0) >= 1 for node in node_resources)
    use_gpu = device == "gpu" or (device == "auto" and gpus != 0 and with_gpu >= workers)
    wanted_gpus = _wanted("GPU", gpus, workers, node_resources) if use_gpu else 0
    fitting = [node for node in node_resources if node.get("GPU", 0) >= wanted_gpus]
    wanted_cpus = _wanted("CPU", cpus, workers, fitting)
    count = (wanted_gpus if use_gpu else 1) if replicas == "auto" else int(replicas)
    if use_gpu and count > wanted_gpus:
        _refuse("scaling.replicas_per_worker", f"at most one replica a GPU ({wanted_gpus})", count)
    if not use_gpu and workers > 1 and count > 1:
        expected = "1 with several workers on CPU, where TensorFlow gives each worker one device: use more scaling.workers"
        _refuse("scaling.replicas_per_worker", expected, count)
    return Placement("gpu" if use_gpu else "cpu", wanted_cpus, wanted_gpus, count, workers)


def _wanted(resource: str, asked: int | str, workers: int, nodes: list[Mapping[str, float]]) -> int:
    """How many CPUs or GPUs a worker takes; `workers` nodes must have them."""
    amounts = sorted((int(node.get(resource, 0)) for node in nodes), reverse=True)
    key = f"scaling.{resource.lower()}s_per_worker"
    if workers > len(amounts) and resource == "CPU":
        _refuse("scaling.workers", f"at most {len(amounts)}, one for each node that has what a worker needs", workers)
    # the least of the `workers` best nodes
    most = amounts[workers - 1] if workers <= len(amounts) else 0
    wanted = max(most, 1) if asked == "auto" else int(asked)
    if wanted > most:
        nodes_wanted = "the largest node" if workers == 1 else f"each of {workers} nodes"
        hint = " Set scaling.device to cpu, or run on a cluster that has them." if resource == "GPU" else ""
        _refuse(key, f"at most the {most} {resource}s of {nodes_wanted}", f"{wanted}.{hint}" if hint else wanted)
    return wanted


def _refuse(key: str, expected: str, received: object) -> NoReturn:
    raise WorkflowError(f"key {key!r}: expected {expected}. Received: {received}", key=key)
