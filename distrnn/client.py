"""A published model, ready to use: texts in, probabilities or text out. Neither TensorFlow nor Ray is needed."""

import math
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from distrnn.errors import UsageError
from distrnn.registry import ModelVersion, Registry
from distrnn.runtime import Network, Preprocessing
from distrnn.runtime.decision import THRESHOLD
from distrnn.runtime.form import damaged
from distrnn.runtime.generation import generate_ids, prompt_ids
from distrnn.runtime.preprocessing import FILE

FORM = "numpy"


class LoadedModel:
    """What every published model can tell.

    Attributes:
        version: `name`, `number` and `digest`; None for a folder.
        preprocessing: how text becomes ids.
        network: the layers.
    """

    def __init__(self, network: Network, preprocessing: Preprocessing, version: ModelVersion | None) -> None:
        self.network, self.preprocessing, self.version = network, preprocessing, version

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.version or 'from a folder'}>"

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the outputs; none for a language model."""
        return self.preprocessing.labels

    @property
    def sample_prompt(self) -> str:
        """A piece of text for a language model to go on from, out of the text it was trained or tested on; '' where there is none."""
        return self.preprocessing.sample_prompt or ""

    def predict(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Class probabilities; see `Classifier.predict`."""
        raise UsageError("predict needs a classifier. This is a language model; use generate.")

    def generate(self, prompt: str, length: int, *, temperature: float = 1.0, seed: int | None = None) -> str:
        """Text that follows a prompt; see `LanguageModel.generate`."""
        raise UsageError("generate needs a language model. This is a classifier; use predict.")


class Classifier(LoadedModel):
    """A published classifier."""

    def predict(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """How probable each class is.

        Args:
            texts: N documents, as they are.
        Returns:
            with two labels float32 [N], the probability of the last label; with C labels float32 [N, C].
        Raises:
            UsageError: `texts` is one text instead of several, or not text.
        """
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise UsageError("predict needs a list of texts, for instance predict(['I loved it.']).")
        probabilities = self.network.predict(self.preprocessing.encode(texts))
        return probabilities[:, 0] if self.network.features == 1 else probabilities

    def class_probabilities(self, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """How probable each class is for rows of ids, int [N, L] as the preprocessing makes them: float32 [N, C]."""
        found = self.network.predict(rows)
        return np.concatenate([1.0 - found, found], axis=1) if self.network.features == 1 else found

    @property
    def threshold(self) -> float:
        """Above which the last of two labels is the answer: one half, unless the model's run has chosen another on validation data."""
        return THRESHOLD if self.preprocessing.threshold is None else self.preprocessing.threshold


class LanguageModel(LoadedModel):
    """A published language model."""

    def generate(self, prompt: str, length: int, *, temperature: float = 1.0, seed: int | None = None) -> str:
        """Write the text that follows a prompt.

        Args:
            prompt: read first, in the model's own case; characters it does not know count as unknown. May be empty.
            length: tokens to write: characters, or words for a model of words.
            temperature: above 1 more daring, below 1 safer, 0 always the most probable token.
            seed: the same seed gives the same text; None gives another each time.
        Returns:
            the new text only, without the prompt.
        Raises:
            UsageError: length, temperature or seed makes no sense.
        """
        _check(prompt, length, temperature, seed)
        vocabulary = self.preprocessing.vocabulary
        ids = generate_ids(
            self.network,
            prompt_ids(vocabulary, prompt),
            length,
            first_id=vocabulary.spec.first_id,
            size=vocabulary.size,
            temperature=temperature,
            generator=np.random.default_rng(seed),
        )
        separator = "" if vocabulary.spec.level == "char" else " "
        return separator.join(vocabulary.token(token) for token in ids)


def load_model(ref: str, registry: Registry | str | PathLike[str] | None = None) -> Classifier | LanguageModel:
    """Pull a model, unless it is here already, and load it.

    Args:
        ref: `name`, `name@alias`, `name@v3`, `name@sha256:…`, `models:/name@alias` or `models:/name/3`.
        registry: a registry or its URL; default: DISTRNN_REGISTRY, else the folder `registry` under DISTRNN_HOME.
    Raises:
        NotFoundError: there is no such version.
        IntegrityError: a file is damaged, or made by a newer distrnn.
    """
    source = registry if isinstance(registry, Registry) else Registry(registry)
    version = source.resolve(ref)
    return _load(source.pull(version, form=FORM), version)


def load_check(registry: Registry) -> Callable[[ModelVersion], None]:
    """What `Registry.rollback` asks of a version before it moves an alias to it: that it can be pulled and loaded.

    Args:
        registry: holds the version.
    """

    def check(version: ModelVersion) -> None:
        _load(registry.pull(version, form=FORM), version)

    return check


def load_folder(folder: str | PathLike[str]) -> Classifier | LanguageModel:
    """Load a published folder, for instance one that `distrnn pull` has filled.

    Raises:
        NotFoundError: a file is missing.
        IntegrityError: a file is damaged, or made by a newer distrnn.
    """
    return _load(Path(folder), None)


def _load(folder: Path, version: ModelVersion | None) -> Classifier | LanguageModel:
    preprocessing = Preprocessing.read(folder)
    network = Network.load(folder / FORM)
    size, outputs = preprocessing.vocabulary.size, network.features
    if network.vocabulary_size < size:
        raise damaged(FILE, f"a vocabulary of {network.vocabulary_size} ids at most, as the network has", size)
    if preprocessing.task == "language-model":
        if outputs < size:
            raise damaged(FILE, f"a vocabulary of {outputs} ids at most, as the network gives", size)
        return LanguageModel(network, preprocessing, version)
    labels = len(preprocessing.labels)
    if network.returns_sequences or outputs != (1 if labels == 2 else labels):
        given = f"{outputs}{' each step' if network.returns_sequences else ''}"
        raise damaged(FILE, f"a network with one output for two labels, else one for each of the {labels} labels", given)
    return Classifier(network, preprocessing, version)


def _check(prompt: str, length: int, temperature: float, seed: int | None) -> None:
    if not isinstance(prompt, str):
        raise UsageError(f"prompt must be a text. Received: {type(prompt).__name__}")
    if isinstance(length, bool) or not isinstance(length, int) or length < 0:
        raise UsageError(f"length must be a whole number of tokens, 0 or more. Received: {length!r}")
    if not isinstance(temperature, int | float) or not math.isfinite(temperature) or temperature < 0.0:
        raise UsageError(f"temperature must be a number, 0 or more; 0 always takes the most probable token. Received: {temperature!r}")
    if seed is not None and (not isinstance(seed, int) or seed < 0):
        raise UsageError(f"seed must be a whole number, 0 or more, or None. Received: {seed!r}")
