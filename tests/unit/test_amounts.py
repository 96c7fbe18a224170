"""Amounts as a person reads them."""

import pytest

from distrnn.amounts import size


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (417_512, "417.5 kB"), (3_200_000_000, "3.2 GB"), (5 * 10**15, "5000.0 TB")]
)
def test_size(count, text):
    assert size(count) == text
