"""The preprocessing actor: nothing but the calls, so that all the work can be tested without Ray."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import ray

from distrnn.cluster.pool import ActorPool
from distrnn.data.evaluation_set import write_evaluation_set
from distrnn.data.manifest import EvaluationSet
from distrnn.data.removal import Signatures
from distrnn.data.shards import Encoding, ShardPlan, WrittenShard, write_shard
from distrnn.data.sources import Chunk
from distrnn.data.staging import StagedChunk, sign_chunk, stage_chunk
from distrnn.storage import Store
from distrnn.text import TokenizerSpec


@dataclass(frozen=True)
class Place:
    """Where a dataset is made, and how.

    Attributes:
        store: the storage root.
        folder: key prefix of the dataset.
        area: key prefix of the staging area.
        spec: the tokenizer.
    """

    store: Store
    folder: str
    area: str
    spec: TokenizerSpec


class PreprocessActor:
    """A process that prepares datasets."""

    def __init__(self) -> None:
        # The pool is the parallelism; threads of several actors would only fight for the same cores.
        pa.set_cpu_count(1)

    def ready(self) -> None:
        """Answer once the process and its imports are up."""

    def sign(self, chunk: Chunk, place: Place, near: bool) -> tuple[Signatures, npt.NDArray[np.int8]]:
        """Signatures of a chunk's documents, and the final split of each: int8 [rows]."""
        return sign_chunk(chunk, place.spec, near=near)

    def stage(self, chunk: Chunk, place: Place) -> StagedChunk:
        """Tokenize a chunk into the staging area."""
        return stage_chunk(chunk, place.spec, place.store, place.area)

    def write(self, plan: ShardPlan | Sequence[int], place: Place, encoding: Encoding) -> WrittenShard | EvaluationSet:
        """Write a shard, or, from the indices of chunks, the evaluation set."""
        if isinstance(plan, ShardPlan):
            return write_shard(plan, encoding, place.store, place.area, place.folder)
        return write_evaluation_set(plan, place.store, place.area)


def start_pool(actors: int | Literal["auto"], chunks: int) -> ActorPool:
    """Start the actors that prepare a dataset of so many chunks; auto: one a CPU, as far as there are chunks."""
    cpus = ray.cluster_resources().get("CPU", 1.0)
    size = min(int(cpus) if actors == "auto" else actors, chunks) or 1
    return ActorPool(_starter(size, cpus), size)


def _starter(actors: int, cpus: float) -> Callable[[], Any]:
    """What starts one more actor; more actors than CPUs share them, so that none waits for a place for ever."""
    share = 1.0 if actors <= cpus else int(cpus / actors * 100) / 100
    remote = ray.remote(num_cpus=share, max_restarts=0)(PreprocessActor)
    return lambda: remote.remote()
