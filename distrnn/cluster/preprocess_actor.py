"""The preprocessing actor: nothing but the calls, so that all the work can be tested without Ray."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import ray

from distrnn.data.evaluation_set import write_evaluation_set
from distrnn.data.manifest import EvaluationSet
from distrnn.data.removal import Signatures
from distrnn.data.shards import Encoding, ShardPlan, WrittenShard, write_shard
from distrnn.data.sources import Chunk
from distrnn.data.staging import StagedChunk, sign_chunk, stage_chunk
from distrnn.storage import Store
from distrnn.text import TokenizerSpec


class PreprocessActor:
    """One process of the preparation of one dataset.

    Args:
        store: the storage root.
        folder: key prefix of the dataset.
        area: key prefix of the staging area.
        spec: the tokenizer.
    """

    def __init__(self, store: Store, folder: str, area: str, spec: TokenizerSpec) -> None:
        # The pool is the parallelism; threads of several actors would only fight for the same cores.
        pa.set_cpu_count(1)
        self._store, self._folder, self._area, self._spec = store, folder, area, spec

    def sign(self, chunk: Chunk, near: bool) -> tuple[Signatures, npt.NDArray[np.int8]]:
        """Signatures of a chunk's documents, and the final split of each: int8 [rows]."""
        return sign_chunk(chunk, self._spec, near=near)

    def stage(self, chunk: Chunk) -> StagedChunk:
        """Tokenize a chunk into the staging area."""
        return stage_chunk(chunk, self._spec, self._store, self._area)

    def write(self, plan: ShardPlan | Sequence[int], encoding: Encoding) -> WrittenShard | EvaluationSet:
        """Write a shard, or, from the indices of chunks, the evaluation set."""
        if isinstance(plan, ShardPlan):
            return write_shard(plan, encoding, self._store, self._area, self._folder)
        return write_evaluation_set(plan, self._store, self._area)


def actor_starter(store: Store, folder: str, area: str, spec: TokenizerSpec, *, actors: int) -> Callable[[], Any]:
    """What starts one more actor; more actors than CPUs share them, so that none waits for a place for ever."""
    cpus = ray.cluster_resources().get("CPU", 1.0)
    share = 1.0 if actors <= cpus else int(cpus / actors * 100) / 100
    remote = ray.remote(num_cpus=share, max_restarts=0)(PreprocessActor)
    return lambda: remote.remote(store, folder, area, spec)
