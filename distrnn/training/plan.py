"""What a training run will do, decided before anything is started; pure functions, no TensorFlow."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from distrnn.errors import WorkflowError
from distrnn.workflow.sections import ClassifierModel, LanguageModel, Train


@dataclass(frozen=True)
class BatchPlan:
    """How a global batch is spread: replica r holds rows [r·b, (r+1)·b) where b is `per_replica_batch_size`."""

    global_batch_size: int
    replicas: int

    @property
    def per_replica_batch_size(self) -> int:
        """Rows of one replica."""
        return self.global_batch_size // self.replicas


def plan_batches(global_batch_size: int, replicas: int) -> BatchPlan:
    """Spread a global batch over the replicas.

    Raises:
        WorkflowError: it does not divide.
    """
    if global_batch_size % replicas:
        raise WorkflowError(
            f"key 'train.global_batch_size': expected a multiple of the {replicas} replicas. Received: {global_batch_size}",
            key="train.global_batch_size",
        )
    return BatchPlan(global_batch_size, replicas)


def classifier_steps(rows: int, global_batch_size: int) -> int:
    """Steps of an epoch; the last one may be short."""
    return -(-rows // global_batch_size)


def stream_steps(tokens: int, global_batch_size: int, window: int) -> int:
    """Steps of an epoch over a stream: every row needs `window` tokens a step, and one more at its end as the last target."""
    return max(0, (tokens - 1) // (global_batch_size * window))


def learning_rate(train: Train, epoch: int) -> float:
    """The learning rate in force in `epoch` (counted from 0)."""
    rate = train.optimizer.learning_rate
    if train.learning_rate_schedule:
        passed = sum(1 for at in train.learning_rate_schedule.epochs if at <= epoch)
        rate *= train.learning_rate_schedule.factor**passed
    return rate


def parameter_counts(model: ClassifierModel | LanguageModel, vocabulary_size: int) -> dict[str, int]:
    """Parameters of each layer, statistics of a normalisation included.

    Shapes: an LSTM has a kernel [F, 4U], a recurrent kernel [U, 4U] and a bias [4U].
    """
    features, units = model.embedding_dim, model.units
    outputs = vocabulary_size if isinstance(model, LanguageModel) else 1
    counts = {"embedding": vocabulary_size * features}
    if isinstance(model, LanguageModel) and model.embedding_normalization == "batch":
        counts["batch_normalization"] = 4 * features
    counts["lstm"] = 4 * units * (features + units + 1)
    counts["output"] = (units + 1) * outputs
    return counts


def cudnn_obstacles(model: ClassifierModel | LanguageModel) -> list[str]:
    """The settings that keep cuDNN's fused kernels from being used on a GPU; empty when they can be.

    Source: the conditions in Keras' LSTM documentation.
    """
    obstacles = []
    if model.recurrent_dropout > 0:
        obstacles.append("model.recurrent_dropout is not 0")
    if isinstance(model, ClassifierModel) and model.mask_zero and model.padding == "pre":
        obstacles.append("model.mask_zero with model.padding pre (the mask must be right-padded)")
    return obstacles


@dataclass(frozen=True)
class Placement:
    """What the worker asks of the cluster, and how many replicas it will hold."""

    device: str
    cpus: int
    gpus: int
    replicas: int

    def to_json(self) -> dict[str, Any]:
        """Fields as a JSON object."""
        return asdict(self)


def place(*, device: str, replicas: int | str, cpus: int | str, gpus: int | str, node_resources: list[Mapping[str, float]]) -> Placement:
    """Decide where the worker goes.

    Args:
        device: `scaling.device`.
        replicas: `scaling.replicas_per_worker`.
        cpus: `scaling.cpus_per_worker`.
        gpus: `scaling.gpus_per_worker`.
        node_resources: for each node of the cluster its `CPU` and `GPU`.
    Raises:
        WorkflowError: no node has what is asked for.
    """
    most_gpus = max((int(node.get("GPU", 0)) for node in node_resources), default=0)
    use_gpu = device == "gpu" or (device == "auto" and most_gpus > 0 and gpus != 0)
    wanted_gpus = 0 if not use_gpu else max(most_gpus, 1) if gpus == "auto" else int(gpus)
    fitting = [node for node in node_resources if node.get("GPU", 0) >= wanted_gpus]
    if not fitting:
        raise WorkflowError(
            f"key 'scaling.gpus_per_worker': expected at most the {most_gpus} GPUs of the largest node. Received: {wanted_gpus}. "
            "Set scaling.device to cpu, or run on a cluster that has them.",
            key="scaling.gpus_per_worker",
        )
    most_cpus = max(int(node.get("CPU", 0)) for node in fitting)
    wanted_cpus = max(most_cpus, 1) if cpus == "auto" else int(cpus)
    if wanted_cpus > most_cpus:
        raise WorkflowError(
            f"key 'scaling.cpus_per_worker': expected at most the {most_cpus} CPUs of the largest node. Received: {wanted_cpus}",
            key="scaling.cpus_per_worker",
        )
    count = (wanted_gpus if use_gpu else 1) if replicas == "auto" else int(replicas)
    if use_gpu and count > wanted_gpus:
        raise WorkflowError(
            f"key 'scaling.replicas_per_worker': expected at most one replica a GPU ({wanted_gpus}). Received: {count}",
            key="scaling.replicas_per_worker",
        )
    return Placement("gpu" if use_gpu else "cpu", wanted_cpus, wanted_gpus, count)
