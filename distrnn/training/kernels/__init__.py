"""What makes a training step fast without changing what it computes: a choice, recurrent layers, and the optimizer's step."""
