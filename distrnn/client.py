"""A published model, ready to use: texts in, probabilities or text out. Neither TensorFlow nor Ray is needed."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from inspect import signature
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from distrnn.errors import DataError, UsageError
from distrnn.registry import ModelVersion, Registry
from distrnn.runtime import Network, Preprocessing
from distrnn.runtime.completion import Candidate, candidates, guesses
from distrnn.runtime.decision import THRESHOLD
from distrnn.runtime.form import damaged
from distrnn.runtime.generation import Sampling, generate_ids, prompt_ids, until
from distrnn.runtime.preprocessing import FILE
from distrnn.runtime.scoring import Score, begins_with_start, score_lines

FORM = "numpy"
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def takes(other: Callable[Parameters, object]) -> Callable[[Callable[..., Result]], Callable[Parameters, Result]]:
    """Declare that a function takes what another one takes, which it hands on."""

    def declare(function: Callable[..., Result]) -> Callable[Parameters, Result]:
        shown = signature(other).replace(return_annotation=signature(function).return_annotation)
        vars(function).update(__signature__=shown)
        return function

    return declare


class LoadedModel:
    """What every published model can tell.

    Attributes:
        version: `name`, `number` and `digest`; None for a folder.
        preprocessing: how text becomes ids.
        network: the layers.
        what: it is, with its article.
        verb: of the command line that uses it.
    """

    what: ClassVar[str]
    verb: ClassVar[str]

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
        raise UsageError(f"predict needs a classifier. This is {self.what}; use {self.verb}.")

    def stream(
        self,
        prompt: str,
        length: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        stop: str | None = None,
        seed: int | None = None,
    ) -> Iterator[str]:
        """Write the text that follows a prompt, in pieces, each as soon as it is written; what makes no sense is refused at the call.

        Args:
            prompt: read first, in the model's own case; characters it does not know count as unknown. May be empty.
            length: tokens to write at most: characters, or words for a model of words.
            temperature: above 1 more daring, below 1 safer, 0 always the most probable token.
            top_k: draw among so many tokens only, the most probable ones.
            top_p: draw among the fewest most probable tokens that together have this share (nucleus sampling).
            stop: where this text would come, writing ends.
            seed: the same seed gives the same text; None gives another each time.
        Returns:
            the new text only, without the prompt and without `stop`.
        Raises:
            UsageError: one of them makes no sense, or this is no language model.
        """
        return self._written(prompt, length, Sampling(temperature, top_k, top_p), stop, seed)

    @takes(stream)
    def generate(self, *given: Any, **named: Any) -> str:
        """Write the text that follows a prompt: the pieces of `stream` as one text."""
        return "".join(self.stream(*given, **named))

    def _written(self, prompt: str, length: int, sampling: Sampling, stop: str | None, seed: int | None) -> Iterator[str]:
        raise needs_language_model("generate", self)

    def score(self, text: str | Iterable[str], *, window: int | None = None, top: int = 10) -> Score:
        """How well a text is foreseen; see `LanguageModel.score`."""
        raise needs_language_model("score", self)

    def complete(self, text: str, *, top: int = 10) -> list[Candidate]:
        """What may come next; see `LanguageModel.complete`."""
        raise needs_language_model("complete", self)


class Classifier(LoadedModel):
    """A published classifier."""

    what, verb = "a classifier", "predict"

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

    what, verb = "a language model", "generate"

    def _written(self, prompt: str, length: int, sampling: Sampling, stop: str | None, seed: int | None) -> Iterator[str]:
        _check(prompt, length, stop, seed)
        vocabulary = self.preprocessing.vocabulary
        ids = generate_ids(
            self.network,
            prompt_ids(vocabulary, prompt),
            length,
            first_id=vocabulary.spec.first_id,
            size=vocabulary.size,
            sampling=sampling,
            generator=np.random.default_rng(seed),
        )
        pieces = (self.joint * bool(position) + vocabulary.token(token) for position, token in enumerate(ids))
        return pieces if stop is None else until(pieces, stop)

    @property
    def joint(self) -> str:
        """What stands between two tokens of a text."""
        return "" if self.preprocessing.vocabulary.spec.level == "char" else " "

    def score(self, text: str | Iterable[str], *, window: int | None = None, top: int = 10) -> Score:
        """How well the model foresees a text, and which passages surprise it most.

        Args:
            text: as it is, or its lines one after the other, line feeds included.
            window: forget everything after each so many tokens, as a model without state would; None carries the state through.
            top: passages to name.
        Raises:
            DataError: there is nothing to foresee.
            UsageError: `window` or `top` makes no sense.
        """
        lines = io.StringIO(text, newline="\n") if isinstance(text, str) else text
        score = score_lines(self.network, self.preprocessing.vocabulary, lines, window=window, top=top)
        if not score.tokens:
            raise self._nothing_to_foresee()
        return score

    def _nothing_to_foresee(self) -> DataError:
        if begins_with_start(self.preprocessing.vocabulary.spec):
            return DataError("a text to score must have one token at least. Received: none.")
        return DataError("a text to score must have two tokens at least, for the second to follow the first. Received: fewer.")

    def complete(self, text: str, *, top: int = 10) -> list[Candidate]:
        """The most probable tokens after a text, with their probabilities.

        Args:
            text: as in `generate`.
            top: how many to name.
        Raises:
            UsageError: `text` or `top` makes no sense.
        """
        return candidates(self.network, self.preprocessing.vocabulary, text, top=top)

    def guesses(self, text: str) -> list[tuple[str | None, Candidate]]:
        """Each token of a text, and what the model thinks comes next when it has read up to there; None is the beginning, before any."""
        return guesses(self.network, self.preprocessing.vocabulary, text)


class Embedding(LoadedModel):
    """Published vectors of words."""

    what, verb = "a set of word vectors", "neighbors"


def load_model(ref: str, registry: Registry | str | PathLike[str] | None = None) -> Classifier | LanguageModel | Embedding:
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


def load_folder(folder: str | PathLike[str]) -> Classifier | LanguageModel | Embedding:
    """Load a published folder, for instance one that `distrnn pull` has filled.

    Raises:
        NotFoundError: a file is missing.
        IntegrityError: a file is damaged, or made by a newer distrnn.
    """
    return _load(Path(folder), None)


def _load(folder: Path, version: ModelVersion | None) -> Classifier | LanguageModel | Embedding:
    preprocessing = Preprocessing.read(folder)
    network = Network.load(folder / FORM)
    size, outputs = preprocessing.vocabulary.size, network.features
    if network.vocabulary_size < size:
        raise damaged(FILE, f"a vocabulary of {network.vocabulary_size} ids at most, as the network has", size)
    if preprocessing.task == "language-model":
        if outputs < size:
            raise damaged(FILE, f"a vocabulary of {outputs} ids at most, as the network gives", size)
        return LanguageModel(network, preprocessing, version)
    if preprocessing.task == "embedding":
        return Embedding(network, preprocessing, version)
    labels = len(preprocessing.labels)
    if network.returns_sequences or outputs != (1 if labels == 2 else labels):
        given = f"{outputs}{' each step' if network.returns_sequences else ''}"
        raise damaged(FILE, f"a network with one output for two labels, else one for each of the {labels} labels", given)
    return Classifier(network, preprocessing, version)


def needs_language_model(verb: str, model: LoadedModel) -> UsageError:
    """The error for a verb of language models that is asked of another model."""
    return UsageError(f"{verb} needs a language model. This is {model.what}; use {model.verb}.")


def _check(prompt: str, length: int, stop: str | None, seed: int | None) -> None:
    if not isinstance(prompt, str):
        raise UsageError(f"prompt must be a text. Received: {type(prompt).__name__}")
    if isinstance(length, bool) or not isinstance(length, int) or length < 0:
        raise UsageError(f"length must be a whole number of tokens, 0 or more. Received: {length!r}")
    if stop is not None and (not isinstance(stop, str) or not stop):
        raise UsageError(f"stop must be a text of one character at least, or None. Received: {stop!r}")
    if seed is not None and (not isinstance(seed, int) or seed < 0):
        raise UsageError(f"seed must be a whole number, 0 or more, or None. Received: {seed!r}")
