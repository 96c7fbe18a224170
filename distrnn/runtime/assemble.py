"""From the files of the NumPy form to layers that fit each other: every shape is checked, and the first that is wrong is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from distrnn.runtime.bidirectional import Bidirectional
from distrnn.runtime.document_layers import Bag, Convolutions, Flatten
from distrnn.runtime.form import MODEL_FILE, WEIGHTS_FILE, FloatArray, damaged, read_weights
from distrnn.runtime.gru import GRU
from distrnn.runtime.layers import BatchNormalization, Dense, Embedding, LayerNormalization
from distrnn.runtime.lstm import LSTM
from distrnn.runtime.pooling import AttentionPooling, MaxPooling, MeanPooling, Pooling
from distrnn.runtime.reader import Reader
from distrnn.runtime.recurrent import Recurrent
from distrnn.runtime.simple_rnn import SimpleRNN
from distrnn.runtime.specs import CELLS, Spec, members, read_specs

Stepwise = BatchNormalization | LayerNormalization | Dense
Layer = Embedding | Stepwise | Reader | Pooling
Weights = dict[str, FloatArray]
Shape = tuple[int, ...]

GATES = {"simple_rnn": 1, "gru": 3, "lstm": 4}
SETTINGS = ("activation", "recurrent_activation", "reset_after", "return_sequences")
DIRECTIONS = ("forward", "backward")


def load_layers(folder: Path) -> list[Layer]:
    """Read, check and build the layers of a published model.

    Args:
        folder: holds `model.json` and `weights.npz`.
    Returns:
        an embedding, then layers each of which takes what the one before gives; at least one of them reads several steps.
    Raises:
        NotFoundError: a file is missing.
        IntegrityError: an unknown layer, a key that is missing, unknown or of the wrong type, a shape that does not fit.
    """
    return _Assembly(load_weights(folder)).build(read_specs(folder))


def load_weights(folder: Path) -> Weights:
    """The arrays of a published model by `layer/weight`, as they are: their shapes are not checked.

    Raises:
        NotFoundError: a file is missing.
        IntegrityError: one is damaged, or has other arrays than the layers need.
    """
    return read_weights(folder, [key for spec in read_specs(folder) for key in _keys(spec)])


def _keys(spec: Spec) -> list[str]:
    """The arrays of a layer, and of layers within it."""
    kind = spec["type"]
    if kind == "parallel":
        return [key for member in members(spec) for key in _keys(member)]
    if kind == "bidirectional":
        return [f"{spec['name']}/{direction}/{weight}" for direction in DIRECTIONS for weight in ("kernel", "recurrent_kernel", "bias")]
    own: dict[str, tuple[str, ...]] = {
        "embedding": ("embeddings",),
        "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
        "layer_normalization": ("gamma", "beta"),
        **dict.fromkeys(CELLS, ("kernel", "recurrent_kernel", "bias")),
        **dict.fromkeys(("conv1d", "dense"), ("kernel", "bias")),
        "attention_pooling": ("kernel",),
        "bag": ("bias",),
    }
    return [f"{spec['name']}/{weight}" for weight in own.get(kind, ())]


class _Assembly:
    """Builds layers one after the other.

    Attributes:
        features: that the last layer built gives.
        activation: of the last layer built that reads several steps.
    """

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self.features, self.activation = 0, "tanh"

    def build(self, specs: list[Spec]) -> list[Layer]:
        """All layers, in order."""
        return [self._layer(spec) for spec in specs]

    def _layer(self, spec: Spec) -> Layer:
        name, kind = spec["name"], spec["type"]
        match kind:
            case "embedding":
                table = self._weights[f"{name}/embeddings"]
                if table.ndim != 2 or 0 in table.shape:
                    raise damaged(f"{WEIGHTS_FILE} {name}/embeddings", "the shape [ids, features]", list(table.shape))
                self.features = table.shape[1]
                return Embedding(table, spec["mask_zero"])
            case "batch_normalization":
                own = self._own(name, dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (self.features,)))
                if (own["moving_variance"] < 0.0).any():
                    raise damaged(f"{WEIGHTS_FILE} {name}/moving_variance", "no negative numbers", "some")
                return BatchNormalization(**own, epsilon=spec["epsilon"])
            case "layer_normalization":
                return LayerNormalization(**self._own(name, dict.fromkeys(("gamma", "beta"), (self.features,))), epsilon=spec["epsilon"])
            case "dense":
                own = self._own(name, {"kernel": (self.features, spec["units"]), "bias": (spec["units"],)})
                self.features = spec["units"]
                return Dense(**own, activation=spec["activation"])
            case "global_max_pooling1d":
                return MaxPooling(self.activation)
            case "global_average_pooling1d":
                return MeanPooling()
            case "attention_pooling":
                return AttentionPooling(**self._own(name, {"kernel": (self.features, 1)}))
        reader = self._reader(spec)
        self.features = reader.units
        return reader

    def _reader(self, spec: Spec) -> Reader:
        name, features = spec["name"], self.features
        match spec["type"]:
            case "flatten":
                return Flatten(spec["steps"], features)
            case "bag":
                if spec["units"] != features:
                    raise damaged(f"{MODEL_FILE} layer {name!r}", f"{features} 'units', as the embedding has features", spec["units"])
                return Bag(**self._own(name, {"bias": (features,)}), activation=spec["activation"])
            case "conv1d" | "parallel":
                shapes = [(one, {"kernel": (one["kernel_size"], features, one["units"]), "bias": (one["units"],)}) for one in members(spec)]
                owns = [self._own(one["name"], shape) for one, shape in shapes]
                self.activation = members(spec)[0]["activation"]
                return Convolutions([own["kernel"] for own in owns], [own["bias"] for own in owns], activation=self.activation)
            case "bidirectional":
                forward, backward = (self._cell(spec["cell"], f"{name}/{direction}") for direction in DIRECTIONS)
                return Bidirectional(forward, backward)
            case _:
                return self._cell(spec, name)

    def _cell(self, spec: Spec, name: str) -> Recurrent:
        kind, units = spec["type"], spec["units"]
        columns = GATES[kind] * units
        bias = (2, columns) if spec.get("reset_after") else (columns,)
        own = self._own(name, {"kernel": (self.features, columns), "recurrent_kernel": (units, columns), "bias": bias})
        self.activation = spec["activation"]
        cell: Callable[..., Recurrent] = {"simple_rnn": SimpleRNN, "gru": GRU, "lstm": LSTM}[kind]
        settings: dict[str, Any] = {key: spec[key] for key in SETTINGS if key in spec}
        return cell(**own, **settings)

    def _own(self, name: str, shapes: dict[str, Shape]) -> Weights:
        """The arrays of a layer, if their shapes are these."""
        for weight, shape in shapes.items():
            array = self._weights[f"{name}/{weight}"]
            if array.shape != shape:
                raise damaged(f"{WEIGHTS_FILE} {name}/{weight}", f"the shape {list(shape)}", list(array.shape))
        return {weight: self._weights[f"{name}/{weight}"] for weight in shapes}
