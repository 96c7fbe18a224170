"""However training is spread, its weights are those of one device.

After 22 steps, the last of each epoch short, with clipped gradients: two replicas of one worker, two workers, and two nodes with two
workers each (TensorFlow gives a worker on CPU one device). The workers are Ray Train's, on a real Ray cluster of two nodes; one group of
them trains all cases.
"""

from functools import cache
from typing import Any

import numpy as np
import pytest

import layouts
from distrnn.training.plan import Placement
from distrnn.training.strategy import make_strategy

pytestmark = [pytest.mark.usefixtures("two_devices"), pytest.mark.timeout(600)]
TOLERANCE = 1e-5
QUICK = ("mlp, masked", "gru", "lstm, masked", layouts.WEIGHED, layouts.LANGUAGE, layouts.WINDOWS)


@cache
def one_device(case: str) -> list[np.ndarray]:
    """The weights of a case."""
    return layouts.trained(case, make_strategy(Placement("cpu", 1, 0, 1)), replicas=1)


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[np.ndarray]]:
    return layouts.on_two_nodes(2, tmp_path_factory.mktemp("two-workers"))


@pytest.fixture(scope="module")
def two_workers_a_node(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[np.ndarray]]:
    return layouts.on_two_nodes(4, tmp_path_factory.mktemp("four-workers"))


@pytest.mark.parametrize("case", [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in layouts.CASES])
def test_two_replicas_of_one_worker_equal_one_device(case: str) -> None:
    mirrored = layouts.trained(case, make_strategy(Placement("cpu", 1, 0, 2)), replicas=2)
    assert layouts.difference(one_device(case), mirrored) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("case", layouts.CASES)
def test_two_workers_equal_one_device(case: str, two_workers: Any) -> None:
    assert layouts.difference(one_device(case), two_workers[case]) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("case", layouts.CASES)
def test_two_workers_on_each_of_two_nodes_equal_one_device(case: str, two_workers_a_node: Any) -> None:
    assert layouts.difference(one_device(case), two_workers_a_node[case]) < TOLERANCE


@pytest.mark.parametrize("case", ["lstm", layouts.LANGUAGE])
def test_the_comparison_can_tell_a_replica_whose_gradients_are_lost(case: str) -> None:
    def lose(trainer: Any) -> None:
        import tensorflow as tf

        gradient = trainer.steps.gradient

        def of_the_first_replica_only(*rows: Any) -> Any:
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            *gradients, figures = gradient(*rows)
            kept = tf.cast(tf.equal(replica, 0), tf.float32)
            return [*(value * kept for value in gradients), figures]

        trainer.steps.gradient = of_the_first_replica_only

    mirrored = layouts.trained(case, make_strategy(Placement("cpu", 1, 0, 2)), replicas=2, alter=lose)
    assert layouts.difference(one_device(case), mirrored) > 1e-3
