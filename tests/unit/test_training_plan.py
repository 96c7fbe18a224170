"""What a run will do, decided without TensorFlow."""

import pytest

from distrnn.errors import WorkflowError
from distrnn.training.plan import (
    Placement,
    classifier_steps,
    place,
    plan_batches,
    stream_steps,
)


def test_rows_of_a_batch_are_spread_evenly() -> None:
    assert plan_batches(32, 4).per_replica_batch_size == 8


def test_a_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(WorkflowError) as caught:
        plan_batches(10, 4)
    assert str(caught.value) == "key 'train.global_batch_size': expected a multiple of the 4 replicas. Received: 10"


@pytest.mark.parametrize(("rows", "steps"), [(64, 2), (65, 3), (1, 1)])
def test_a_short_last_batch_is_a_step(rows: int, steps: int) -> None:
    assert classifier_steps(rows, 32) == steps


def test_nietzsche_has_1173_steps_of_64_windows_of_8() -> None:
    assert stream_steps(600_901, 64, 8) == 1173


AUTO = {"workers": 1, "replicas": "auto", "cpus": "auto", "gpus": "auto"}
CPU_NODE, GPU_NODE = {"CPU": 2.0}, {"CPU": 16.0, "GPU": 4.0}


def test_auto_takes_the_cpus_of_a_machine_without_gpus() -> None:
    assert place(device="auto", **AUTO, node_resources=[CPU_NODE]) == Placement("cpu", 2, 0, 1)


def test_auto_takes_all_gpus_of_the_largest_node() -> None:
    assert place(device="auto", **AUTO, node_resources=[CPU_NODE, GPU_NODE]) == Placement("gpu", 16, 4, 4)


def test_cpu_on_request_where_gpus_are() -> None:
    assert place(device="cpu", **(AUTO | {"replicas": 2}), node_resources=[GPU_NODE]) == Placement("cpu", 16, 0, 2)


def test_gpus_that_are_not_there_are_refused() -> None:
    with pytest.raises(WorkflowError) as caught:
        place(device="gpu", **AUTO, node_resources=[CPU_NODE])
    assert str(caught.value) == (
        "key 'scaling.gpus_per_worker': expected at most the 0 GPUs of the largest node. Received: 1. "
        "Set scaling.device to cpu, or run on a cluster that has them."
    )


def test_more_cpus_than_a_node_has_are_refused() -> None:
    with pytest.raises(WorkflowError) as caught:
        place(device="cpu", **(AUTO | {"cpus": 3}), node_resources=[CPU_NODE])
    assert str(caught.value) == "key 'scaling.cpus_per_worker': expected at most the 2 CPUs of the largest node. Received: 3"


def test_more_replicas_than_gpus_are_refused() -> None:
    with pytest.raises(WorkflowError) as caught:
        place(device="gpu", **(AUTO | {"replicas": 8}), node_resources=[GPU_NODE])
    assert str(caught.value) == "key 'scaling.replicas_per_worker': expected at most one replica a GPU (4). Received: 8"


def test_every_worker_gets_what_the_smallest_of_its_nodes_has() -> None:
    nodes = [GPU_NODE, {"CPU": 8.0, "GPU": 2.0}, CPU_NODE]
    assert place(device="auto", **(AUTO | {"workers": 2}), node_resources=nodes) == Placement("gpu", 8, 2, 2, workers=2)


def test_replicas_of_all_workers() -> None:
    assert Placement("gpu", 8, 2, 2, workers=3).all_replicas == 6


def test_auto_leaves_gpus_alone_that_not_every_worker_would_have() -> None:
    assert place(device="auto", **(AUTO | {"workers": 2}), node_resources=[GPU_NODE, CPU_NODE]) == Placement("cpu", 2, 0, 1, workers=2)


def test_more_workers_than_nodes_are_refused() -> None:
    with pytest.raises(WorkflowError) as caught:
        place(device="cpu", **(AUTO | {"workers": 3}), node_resources=[CPU_NODE, CPU_NODE])
    assert str(caught.value) == "key 'scaling.workers': expected at most 2, one for each node that has what a worker needs. Received: 3"


def test_gpus_that_only_one_of_two_nodes_has_are_refused() -> None:
    with pytest.raises(WorkflowError) as caught:
        place(device="gpu", **(AUTO | {"workers": 2, "gpus": 3}), node_resources=[GPU_NODE, {"CPU": 8.0, "GPU": 2.0}])
    assert str(caught.value) == (
        "key 'scaling.gpus_per_worker': expected at most the 2 GPUs of each of 2 nodes. Received: 3. "
        "Set scaling.device to cpu, or run on a cluster that has them."
    )


def test_several_replicas_of_several_workers_on_cpu_are_refused() -> None:
    with pytest.raises(WorkflowError) as caught:
        place(device="cpu", **(AUTO | {"workers": 2, "replicas": 2}), node_resources=[CPU_NODE, CPU_NODE])
    assert str(caught.value) == (
        "key 'scaling.replicas_per_worker': expected 1 with several workers on CPU, where TensorFlow gives each worker one device: "
        "use more scaling.workers. Received: 2"
    )
