"""Which kernels a training step uses, decided before anything is built; pure, no TensorFlow.

The rules for processors come from measurements of two cores (tensorflow 2.21, batches of 32 unless said otherwise, milliseconds a step,
every column with the compiled optimizer step but Keras' own fit; the best of several passes in turn, because the machine did other work):

| what                                   | Keras fit | Keras' layers, XLA | fused, XLA | fused, rows in two parts |
| LSTM 128, 80 steps                     |        83 |                 33 |         25 |                       22 |
| the same with both dropouts            |       128 |                 47 |         34 |                       29 |
| GRU 128, 80 steps                      |        81 |                 39 |         28 |                       22 |
| LSTM 256, 40 steps, batch 64           |        89 |                 81 |         55 |                       51 |
| LSTM 256, 8 steps, batch 64            |        31 |                 16 |         13 |                       13 |
| LSTM 256, 8 steps, batch 64            |        31 |                 16 |         13 |                       13 |
| LSTM 64, 80 steps                      |           |                    |         11 |                       10 |
| GRU 64, 80 steps                       |           |                    |         13 |                       13 |
| SimpleRNN 128, 200 steps               |           |                    |         13 |                       14 |
| LSTM 32, 80 steps                      |           |                    |          5 |                        6 |
| SimpleRNN 32, 500 steps                |        74 |                 16 |          7 |                       10 |

So the fused layers always win, and cutting the rows pays where a step of the recurrence has enough to compute: it needs the step outside
XLA, and its parts start at a cost. On several logical devices it was tried, not timed. Nothing was measured on a GPU: there Keras' own
layers are left alone, because they choose cuDNN.
"""

from dataclasses import dataclass
from typing import Literal

GATES = {"simple-rnn": 1, "gru": 3, "lstm": 4}
ACTIVATIONS = ("tanh", "relu")
LEAST_ROWS = 8
LEAST_STEPS = 16
"""Steps of the recurrence from which cutting the rows pays; between 8 and 40 as measured."""
LEAST_PRODUCTS = 1_000_000
"""Multiplications of one step of the recurrence from which cutting the rows pays; between 524,288 and 2,097,152 as measured."""


@dataclass(frozen=True)
class Network:
    """What a choice depends on.

    Attributes:
        type: `model.type`.
        units: of the recurrence.
        per_replica_rows: rows of a step on one replica.
        steps: of the recurrence: tokens of a row.
        activation: of the cell.
        recurrent_dropout: share.
        mask_zero: padding is skipped.
        padding: where it is, `pre` or `post`.
        precision: `train.precision`.
    """

    type: str
    units: int
    per_replica_rows: int
    steps: int = LEAST_STEPS
    activation: str = "tanh"
    recurrent_dropout: float = 0.0
    mask_zero: bool = False
    padding: str = "pre"
    precision: str = "float32"

    @property
    def step_products(self) -> int:
        """Multiplications of one step of the recurrence: b·U·GU."""
        return self.per_replica_rows * self.units * self.units * GATES[self.type]


@dataclass(frozen=True)
class Kernels:
    """What a training step uses.

    Attributes:
        layers: `keras`, or `fused` for `accelerate`.
        row_parts: for `accelerate`.
        compile_step: XLA compiles the whole step.
        compile_update: XLA compiles the optimizer's step, where it does not compile the whole.
        reason: one sentence for people.
    """

    layers: Literal["keras", "fused"]
    row_parts: int
    compile_step: bool
    compile_update: bool
    reason: str


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
        return Kernels("keras", 1, False, False, f"Keras' own layers on the GPU: {_on_gpu(network)}.")
    across = f"XLA cannot compile a step across {replicas * workers} devices"
    if what := _not_fused(network):
        if replicas * workers > 1:
            return Kernels("keras", 1, False, False, f"TensorFlow's own kernels: {what}, and {across}.")
        return Kernels("keras", 1, True, False, f"XLA compiles the step: {what}, one device.")
    most_parts = max(1, min(cores // replicas, network.per_replica_rows // LEAST_ROWS))
    parts = most_parts if network.step_products >= LEAST_PRODUCTS and network.steps >= LEAST_STEPS else 1
    if replicas * workers > 1:
        cut = f" in {parts} parts of the rows" if parts > 1 else ""
        return Kernels("fused", parts, False, False, f"XLA compiles the recurrence of each replica{cut}: {across}.")
    if parts > 1:
        reason = f"XLA compiles the recurrence in {parts} parts of the rows, one for each core, and the optimizer's step."
        return Kernels("fused", parts, False, True, reason)
    return Kernels("fused", 1, True, False, f"XLA compiles the step: {_uncut(network, cores)}.")


def _not_fused(network: Network) -> str | None:
    """What rules the fused layers out."""
    if network.type not in GATES:
        return f"type {network.type} has no recurrence"
    if network.activation not in ACTIVATIONS:
        return f"activation {network.activation}"
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
    if network.mask_zero and network.padding == "pre":
        return "mask_zero with padding pre keeps cuDNN's kernels from being used"
    return "cuDNN's kernels are used, which XLA would rule out"
