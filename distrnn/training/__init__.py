"""The training engine: decisions (`plan`, no TensorFlow), one loop for every strategy, checkpoints, export."""
