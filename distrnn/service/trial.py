"""Trying a model: the NumPy runtime on a text, a few models kept in memory, two of them at work at once.

Predicting is arithmetic on this machine's cores, so more at once would only make all of them slower; who comes third waits. Who would
wait too long, or behind too many, is told to come back: a request that waits holds a thread that others need.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from distrnn.errors import ConflictError, UsageError
from distrnn.registry import ModelVersion, Registry
from distrnn.service.settings import Settings

AT_ONCE = 2
WAITING = 6
_WAIT_S = 20.0
T = TypeVar("T")


class Trials:
    """The models that were tried last.

    Args:
        registry: where they come from.
        settings: how many are kept, and how large a request may be.
    """

    def __init__(self, registry: Registry, settings: Settings) -> None:
        # One text at a time is too little work to share between the threads of OpenBLAS
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        self._registry, self._settings = registry, settings
        self._loaded: OrderedDict[str, Any] = OrderedDict()
        self._places = threading.Semaphore(AT_ONCE + WAITING)
        self._turns = threading.Semaphore(AT_ONCE)
        self._lock = threading.Lock()

    def predict(self, version: ModelVersion, texts: Sequence[str]) -> list[dict[str, Any]]:
        """What a classifier says of each text: `text`, `label`, `probability`, `probabilities`.

        Raises:
            UsageError: it is no classifier, or there are too many texts or too long ones.
        """
        self._check(texts)
        return self._with(version, lambda model: list(_judged(model, texts)))

    def generate(self, version: ModelVersion, prompt: str, length: int, temperature: float, seed: int | None) -> str:
        """The text that follows a prompt.

        Raises:
            UsageError: it is no language model, or too much is asked for.
        """
        self._check([prompt])
        most = self._settings.generated_tokens
        if not 1 <= length <= most:
            raise UsageError(f"length must be 1 to {most} tokens. Received: {length:,}")
        return self._with(version, lambda model: str(model.generate(prompt, length, temperature=temperature, seed=seed)))

    def sample_prompt(self, version: ModelVersion) -> str:
        """A piece of text that a language model which is loaded already can go on from; '' where it is not, or has none."""
        model = self._loaded.get(version.digest)
        return str(model.sample_prompt) if model is not None else ""

    def _check(self, texts: Sequence[str]) -> None:
        settings = self._settings
        if len(texts) > settings.texts:
            raise UsageError(f"at most {settings.texts} texts at once. Received: {len(texts):,}")
        if (longest := max(map(len, texts), default=0)) > settings.text_characters:
            raise UsageError(f"a text may have at most {settings.text_characters:,} characters. Received: {longest:,}")

    def _with(self, version: ModelVersion, work: Callable[[Any], T]) -> T:
        with self._turn():
            return work(self._model(version))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise _busy()
        try:
            if not self._turns.acquire(timeout=_WAIT_S):
                raise _busy()
            try:
                yield
            finally:
                self._turns.release()
        finally:
            self._places.release()

    def _model(self, version: ModelVersion) -> Any:
        """The loaded model; loaded by one thread at a time."""
        from distrnn.client import FORM, load_model

        with self._lock:
            if (known := self._loaded.get(version.digest)) is not None:
                self._loaded.move_to_end(version.digest)
                return known
            size_bytes = sum(file.size_bytes for file in version.manifest.files_of(FORM))
            if FORM not in version.manifest.forms or size_bytes > self._settings.model_bytes:
                raise UsageError(f"{version} cannot be tried here: it has no NumPy form, or too large a one. Pull it.")
            made = load_model(str(version), self._registry)
            self._loaded[version.digest] = made
            if len(self._loaded) > self._settings.models_loaded:
                self._loaded.popitem(last=False)
            return made


def _busy() -> ConflictError:
    return ConflictError("too many models are being tried at this moment. Try again in a while, or pull the model.", kind="busy")


def _judged(model: Any, texts: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One answer a text; the threshold of a model that has chosen one decides, as in `distrnn predict`."""
    found, labels, threshold = model.predict(texts), model.labels, model.preprocessing.threshold
    rows = [[1.0 - float(value), float(value)] for value in found] if found.ndim == 1 else [[float(v) for v in row] for row in found]
    for text, row in zip(texts, rows, strict=True):
        best = max(range(len(row)), key=row.__getitem__) if threshold is None else int(row[1] > threshold)
        yield {"text": text, "label": labels[best], "probability": row[best], "probabilities": dict(zip(labels, row, strict=True))}
