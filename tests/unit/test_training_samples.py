"""After which epochs a sample is written, and that it is the published form of the moment that writes it."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from distrnn.client import load_folder
from distrnn.training.samples import TEMPERATURE, Samples, is_shown
from fixtures_runtime import CHARACTERS, tiny_layers, write_form


def test_samples_are_written_after_powers_of_two() -> None:
    assert [epoch for epoch in range(1, 40) if is_shown(epoch)] == [1, 2, 4, 8, 16, 32]


@pytest.fixture
def samples(tiny_language_model) -> Samples:
    """Samples of a corpus of ten characters; a "training model" is a seed of weights."""
    vocabulary = load_folder(tiny_language_model()).preprocessing.vocabulary
    stream = SimpleNamespace(tokens=90, span=lambda start, stop: np.arange(start, stop) % len(CHARACTERS) + 1)
    workflow = SimpleNamespace(has_test_split=False, train=SimpleNamespace(seed=3))
    dataset = SimpleNamespace(vocabulary=vocabulary, reader=lambda _name: stream)
    return Samples(workflow, dataset, write_numpy)  # type: ignore[arg-type]


def write_numpy(seed: int, folder: Path) -> None:
    layers = tiny_layers(ids=11, outputs=11, activation="softmax", sequences=True, seed=seed)
    write_form(folder / "numpy", *layers)


def test_a_sample_is_what_the_published_model_would_write(samples: Samples, tiny_language_model) -> None:
    expected = load_folder(tiny_language_model("again", normalized=False, seed=5)).generate(
        (CHARACTERS * 4)[:40], 400, temperature=TEMPERATURE, seed=3
    )
    assert samples.after(5, 4) == expected


def test_another_epoch_writes_nothing(samples: Samples) -> None:
    assert samples.after(5, 3) is None
