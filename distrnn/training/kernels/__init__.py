"""What makes a training step fast on CPUs without changing what it computes: recurrent layers and the optimizer's step."""

from distrnn.training.kernels.layers import FusedGRU, FusedLSTM, FusedSimpleRNN, accelerate
from distrnn.training.kernels.update import compiled_update

__all__ = ["FusedGRU", "FusedLSTM", "FusedSimpleRNN", "accelerate", "compiled_update"]
