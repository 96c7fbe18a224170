"""Which kernels a training step uses, decided before anything is built; pure, no TensorFlow.

The rules for processors come from measurements of two cores (2026-11-26, tensorflow 2.21; milliseconds a step of 32 rows unless said
otherwise, medians of several rounds in turn, but for Keras' fit and the stateful LSTM of 40 steps, which are of an earlier day; a gradient
in two parts of the rows has a compiled update of its own):

| what                          | Keras fit | step as one | gradient in two parts | layers in two parts |
| LSTM 128, 80 steps            |        83 |        22.4 |                  19.3 |                21.5 |
| the same with both dropouts   |       128 |        25.8 |                  21.8 |                23.7 |
| LSTM 64, 80 steps             |           |         7.4 |                   6.9 |                 7.9 |
| GRU 64, 80 steps              |           |         7.3 |                   6.5 |                 8.0 |
| LSTM 32, 80 steps             |           |         3.7 |                   3.6 |                 4.7 |
| SimpleRNN 128, 200 steps      |           |        12.3 |                  10.8 |                14.1 |
| SimpleRNN 32, 500 steps       |        74 |         5.4 |                   4.9 |                 7.2 |
| LSTM 128, 8 steps             |           |         4.5 |                   5.6 |                 5.9 |
| LSTM 256, 40 steps, batch 64* |        89 |          55 |                       |                  51 |
| LSTM 256, 8 steps, batch 64*  |        31 |         8.1 |                       |                 8.3 |

(* stateful with batch normalisation, whose rows cannot be computed apart.) So the fused layers always win; cutting the rows of the whole
step pays where the recurrence is long enough to hide the summing of two gradients; and where rows meet, cutting those of each layer pays
where a step of the recurrence has enough to compute. Unrolling short loops was tried: 2 %. On several logical devices it was tried, not
timed. Nothing was measured on a GPU: there Keras' own layers are left alone, because they choose cuDNN.
"""

from dataclasses import dataclass
from typing import Literal

GATES = {"simple-rnn": 1, "gru": 3, "lstm": 4}
ACTIVATIONS = ("tanh", "relu")
LEAST_ROWS = 8
LEAST_STEPS = 16
"""Steps of the recurrence from which cutting the rows pays; between 8 and 80 as measured."""
LEAST_PRODUCTS = 1_000_000
"""Multiplications of one step of the recurrence from which cutting the rows of a layer pays; between 524,288 and 2,097,152 as measured."""


@dataclass(frozen=True)
class Network:
    """What a choice depends on.

    Attributes:
        type: `model.type`.
        units: of the recurrence.
        per_replica_rows: rows of a step on one replica.
        steps: of the recurrence: tokens of a row.
        activation: of the cell.
        recurrent_activation: of its gates.
        recurrent_dropout: share.
        mask_zero: padding is skipped.
        padding: where it is, `pre` or `post`.
        precision: `train.precision`.
        rows_meet: a layer looks at several rows (batch normalisation), or carries a state for each of them.
    """

    type: str
    units: int
    per_replica_rows: int
    steps: int = LEAST_STEPS
    activation: str = "tanh"
    recurrent_activation: str = "sigmoid"
    recurrent_dropout: float = 0.0
    mask_zero: bool = False
    padding: str = "pre"
    precision: str = "float32"
    rows_meet: bool = False

    @property
    def step_products(self) -> int:
        """Multiplications of one step of the recurrence: b·U·GU; 0 without one."""
        return self.per_replica_rows * self.units * self.units * GATES.get(self.type, 0)


@dataclass(frozen=True)
class Kernels:
    """What a training step uses.

    Attributes:
        layers: `keras`, or `fused` for `accelerate`.
        compiled: what XLA compiles: `step` (gradient and update as one), `gradient` (that of each part of the rows, and the update, each
            for itself), `update` (beside the fused layers), or `nothing` (but the fused layers).
        step_parts: parts of the rows whose gradients are computed side by side.
        layer_parts: parts of the rows of each recurrent layer, for `accelerate`.
        reason: one sentence for people.
    """

    layers: Literal["keras", "fused"]
    compiled: Literal["step", "gradient", "update", "nothing"]
    reason: str
    step_parts: int = 1
    layer_parts: int = 1


def choose(network: Network, *, device: str, replicas: int, cores: int, workers: int = 1) -> Kernels:
    """Choose the kernels.

    Args:
        network: what is trained.
        device: `cpu` or `gpu`.
        replicas: logical devices of the worker.
        cores: the worker's processor cores, shared by its replicas.
        workers: of the run.
    """
    if device == "gpu":
        return Kernels("keras", "nothing", f"Keras' own layers on the GPU: {_on_gpu(network)}.")
    what = _not_fused(network)
    layers: Literal["keras", "fused"] = "keras" if what else "fused"
    parts = 1 if what or network.steps < LEAST_STEPS else max(1, min(cores // replicas, network.per_replica_rows // LEAST_ROWS))
    layer_parts = parts if network.step_products >= LEAST_PRODUCTS else 1
    if replicas > 1:
        return Kernels(layers, "nothing", _across(replicas, what, layer_parts), layer_parts=layer_parts)
    if network.rows_meet and (workers > 1 or layer_parts > 1):
        cut = f"the recurrence{f' in {layer_parts} parts of the rows, one for each core,' if layer_parts > 1 else ''}"
        return Kernels(layers, "update", f"XLA compiles {cut} and the optimizer's step.", layer_parts=layer_parts)
    if not network.rows_meet and (workers > 1 or parts > 1):
        cut = f"the gradient{f' of {parts} parts of the rows, one for each core,' if parts > 1 else ''}"
        return Kernels(layers, "gradient", f"XLA compiles {cut} and the optimizer's step.", step_parts=parts)
    return Kernels(layers, "step", f"XLA compiles the step: {f'{what}, one device' if what else _uncut(network, cores)}.")


def _across(replicas: int, what: str | None, layer_parts: int) -> str:
    across = f"XLA cannot compile a step across {replicas} devices"
    if what:
        return f"TensorFlow's own kernels: {what}, and {across}."
    cut = f" in {layer_parts} parts of the rows" if layer_parts > 1 else ""
    return f"XLA compiles the recurrence of each replica{cut}: {across}."


def _not_fused(network: Network) -> str | None:
    """What rules the fused layers out."""
    if network.type not in GATES:
        return f"type {network.type} has no recurrence"
    if network.activation not in ACTIVATIONS:
        return f"activation {network.activation}"
    if network.recurrent_activation != "sigmoid":
        return f"recurrent_activation {network.recurrent_activation}"
    return None if network.precision == "float32" else f"precision {network.precision}"


def _uncut(network: Network, cores: int) -> str:
    if cores < 2:
        return "one core"
    if network.per_replica_rows < 2 * LEAST_ROWS:
        return f"{network.per_replica_rows} rows are too few to cut for {cores} cores"
    if network.steps < LEAST_STEPS:
        return f"{network.steps} steps are too few for cutting the rows to pay"
    return f"{network.units} units are too few for cutting the rows to pay"


def _on_gpu(network: Network) -> str:
    """Why, as the conditions in Keras' documentation have it."""
    if network.type not in GATES or network.type == "simple-rnn":
        return "there is nothing of cuDNN to choose for this type"
    if network.recurrent_dropout > 0:
        return "recurrent_dropout keeps cuDNN's kernels from being used"
    if network.activation != "tanh":
        return f"activation {network.activation} keeps cuDNN's kernels from being used"
    if network.recurrent_activation != "sigmoid":
        return f"recurrent_activation {network.recurrent_activation} keeps cuDNN's kernels from being used"
    if network.mask_zero and network.padding == "pre":
        return "mask_zero with padding pre keeps cuDNN's kernels from being used"
    return "cuDNN's kernels are used, which XLA would rule out"
