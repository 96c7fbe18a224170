"""Amounts as people type them."""

from datetime import timedelta

import pytest

from distrnn.cli.units import byte_size, duration
from distrnn.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("45m", timedelta(minutes=45)),
        ("24h", timedelta(days=1)),
        ("1.5h", timedelta(minutes=90)),
        ("30d", timedelta(days=30)),
        ("2W", timedelta(days=14)),
        (" 3 d ", timedelta(days=3)),
        ("0", timedelta(0)),
    ],
)
def test_duration(text, expected):
    assert duration(text) == expected


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1y", "1d2h", "inf", "nan d", "1e3s", "999999999999999w", "٣d"])
def test_duration_that_is_none(text):
    with pytest.raises(UsageError) as caught:
        duration(text)
    assert caught.value.message == f"expected a length of time such as 90s, 45m, 24h, 30d or 8w. Received: {text!r}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5GB", 5 * 10**9), ("500 mb", 5 * 10**8), ("1.5kB", 1500), ("2GiB", 2 * 2**30), ("17", 17), ("17B", 17), ("0", 0), ("1TB", 10**12)],
)
def test_byte_size(text, expected):
    assert byte_size(text) == expected


@pytest.mark.parametrize("text", ["", "GB", "-5GB", "5 G", "5PB", "five", "1e9", "5GBps"])
def test_byte_size_that_is_none(text):
    with pytest.raises(UsageError) as caught:
        byte_size(text)
    assert caught.value.message == f"expected an amount of bytes such as 500MB, 5GB or 2GiB. Received: {text!r}"
