"""The output layer of a language model whose vocabulary is too large to compute every token's score in each step."""

from typing import Any

import keras


class SampledOutput(keras.layers.Dense):
    """A dense layer that gives its weights, and ids drawn at random, instead of the scores of all ids.

    Ids are in the order of falling frequency, and frequency falls about as 1 / rank, so id i is drawn with the probability
    log((i + 2) / (i + 1)) / log(V + 1). They are drawn with replacement, anew in each step, the same ones for all rows.

    Shapes: B rows, W window, U features, V ids, S drawn ones.

    Args:
        units: V.
        samples: S.

    Source: Bengio and Senécal (2008), Adaptive importance sampling to accelerate training of a neural probabilistic language model; drawn
    as by TensorFlow's log-uniform sampler.
    """

    def __init__(self, units: int, *, samples: int, **keys: Any) -> None:
        super().__init__(units, **keys)
        self.samples = samples
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs: Any, training: bool | None = None) -> list[Any]:
        """[B, W, U] -> the same, kernel [U, V], bias [V], drawn ids int32 [S]."""
        del training
        place = keras.random.uniform((self.samples,), seed=self.seed_generator)  # [0, 1)
        drawn = keras.ops.floor(keras.ops.exp(place * keras.ops.log(float(self.units + 1)))) - 1
        ids = keras.ops.clip(keras.ops.cast(drawn, "int32"), 0, self.units - 1)
        return [inputs, keras.ops.convert_to_tensor(self.kernel), keras.ops.convert_to_tensor(self.bias), ids]

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> list[Any]:
        """Shapes and types of what `call` gives."""
        del training
        floats = [inputs.shape, (inputs.shape[-1], self.units), (self.units,)]
        return [*(keras.KerasTensor(shape, self.compute_dtype) for shape in floats), keras.KerasTensor((self.samples,), "int32")]

    def get_config(self) -> dict[str, Any]:
        """What makes another of the same."""
        return {**super().get_config(), "samples": self.samples}
