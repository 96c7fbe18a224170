"""Amounts as a person reads them."""

import pytest

from distrnn.amounts import duration, size


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (417_512, "417.5 kB"), (3_200_000_000, "3.2 GB"), (5 * 10**15, "5000.0 TB")]
)
def test_size(count, text):
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.0, "0 s"), (0.42, "0.42 s"), (1.04, "1.0 s"), (9.97, "10 s"), (59.7, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_durations_in_words(seconds, told):
    assert duration(seconds) == told
