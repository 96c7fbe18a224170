"""The choice of kernels: what was measured decides, and the reason says it."""

import subprocess
import sys
from dataclasses import replace

import pytest

from distrnn.training.kernels.choice import Kernels, Network, choose

LSTM = Network("lstm", units=128, per_replica_rows=32)


def test_on_two_cores_the_rows_are_cut_in_two():
    assert choose(LSTM, device="cpu", replicas=1, cores=2) == Kernels(
        "fused", "gradient", "XLA compiles the gradient of 2 parts of the rows, one for each core, and the optimizer's step.", step_parts=2
    )


def test_where_rows_meet_those_of_a_large_layer_are_cut():
    reason = "XLA compiles the recurrence in 2 parts of the rows, one for each core, and the optimizer's step."
    assert choose(replace(LSTM, rows_meet=True), device="cpu", replicas=1, cores=2) == Kernels("fused", "update", reason, layer_parts=2)


@pytest.mark.parametrize(
    ("network", "cores", "because"),
    [
        (Network("simple-rnn", units=32, per_replica_rows=32, rows_meet=True), 2, "32 units are too few for cutting the rows to pay"),
        (Network("lstm", units=256, per_replica_rows=64, steps=8), 2, "8 steps are too few for cutting the rows to pay"),
        (Network("lstm", units=512, per_replica_rows=15), 2, "15 rows are too few to cut for 2 cores"),
        (LSTM, 1, "one core"),
    ],
)
def test_where_cutting_does_not_pay_xla_compiles_the_step(network, cores, because):
    assert choose(network, device="cpu", replicas=1, cores=cores) == Kernels("fused", "step", f"XLA compiles the step: {because}.")


@pytest.mark.parametrize(("cores", "rows", "parts"), [(4, 64, 4), (16, 64, 8), (3, 40, 3), (16, 16, 2)])
def test_a_part_has_a_core_and_eight_rows(cores, rows, parts):
    assert choose(Network("gru", units=512, per_replica_rows=rows), device="cpu", replicas=1, cores=cores).step_parts == parts


def test_several_replicas_share_the_cores():
    reason = "XLA compiles the recurrence of each replica: XLA cannot compile a step across 2 devices."
    assert choose(LSTM, device="cpu", replicas=2, cores=2) == Kernels("fused", "nothing", reason)
    chosen = choose(LSTM, device="cpu", replicas=2, cores=8)
    assert chosen.layer_parts == 4
    assert "in 4 parts of the rows" in chosen.reason


def test_a_worker_with_one_replica_compiles_its_gradient_and_the_update():
    reason = "XLA compiles the gradient and the optimizer's step."
    assert choose(LSTM, device="cpu", replicas=1, cores=1, workers=2) == Kernels("fused", "gradient", reason)


def test_a_worker_whose_rows_meet_those_of_others_compiles_the_update():
    reason = "XLA compiles the recurrence and the optimizer's step."
    assert choose(replace(LSTM, rows_meet=True), device="cpu", replicas=1, cores=1, workers=2) == Kernels("fused", "update", reason)


@pytest.mark.parametrize("type_", ["mlp", "conv"])
@pytest.mark.parametrize(
    ("replicas", "workers", "reason"),
    [
        (1, 1, "XLA compiles the step: type {} has no recurrence, one device."),
        (1, 2, "XLA compiles the gradient and the optimizer's step."),
        (2, 1, "TensorFlow's own kernels: type {} has no recurrence, and XLA cannot compile a step across 2 devices."),
    ],
)
def test_without_a_recurrence_only_the_devices_count(type_, replicas, workers, reason):
    network = Network(type_, units=8, per_replica_rows=32)
    chosen = choose(network, device="cpu", replicas=replicas, cores=2, workers=workers)
    assert (chosen.layers, chosen.reason) == ("keras", reason.format(type_))


@pytest.mark.parametrize("keys", [{"activation": "elu"}, {"recurrent_activation": "hard-sigmoid"}])
def test_another_activation_keeps_keras_layers(keys):
    chosen = choose(replace(LSTM, **keys), device="cpu", replicas=1, cores=2)
    ((key, value),) = keys.items()
    assert chosen == Kernels("keras", "step", f"XLA compiles the step: {key} {value}, one device.")


@pytest.mark.parametrize(
    ("keys", "because"),
    [
        ({}, "cuDNN's kernels are used, which XLA would rule out"),
        ({"recurrent_dropout": 0.2}, "recurrent_dropout keeps cuDNN's kernels from being used"),
        ({"activation": "relu"}, "activation relu keeps cuDNN's kernels from being used"),
        ({"recurrent_activation": "hard-sigmoid"}, "recurrent_activation hard-sigmoid keeps cuDNN's kernels from being used"),
        ({"mask_zero": True}, "mask_zero with padding pre keeps cuDNN's kernels from being used"),
        ({"mask_zero": True, "padding": "post"}, "cuDNN's kernels are used, which XLA would rule out"),
    ],
)
def test_on_a_gpu_keras_layers_are_left_alone(keys, because):
    chosen = choose(Network("lstm", units=128, per_replica_rows=32, **keys), device="gpu", replicas=1, cores=16)
    assert chosen == Kernels("keras", "nothing", f"Keras' own layers on the GPU: {because}.")


def test_a_plan_needs_no_tensorflow():
    check = "import sys, distrnn.training.kernels.choice; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
