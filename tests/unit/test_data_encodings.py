"""One-hot and multi-hot against a loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.data.encodings import multi_hot, multi_hot_rows, one_hot
from distrnn.data.padding import pad
from distrnn.errors import DataError
from fixtures_batches import ragged

ROWS = st.lists(st.lists(st.integers(1, 9), max_size=7), min_size=1, max_size=6)


@given(st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), max_size=5))
def test_one_hot_has_a_one_at_each_id(rows):
    ids = np.array(rows, np.int32).reshape(-1, 3)
    hot = one_hot(ids, 5)
    assert (hot.shape, hot.dtype) == ((len(rows), 3, 5), np.float32)
    assert np.array_equal(hot.argmax(axis=2), ids)
    assert (hot.sum(axis=2) == 1).all()


@given(ROWS)
def test_multi_hot_has_a_one_at_each_id_that_occurs(rows):
    expected = [[float(column in row) for column in range(10)] for row in rows]
    assert multi_hot_rows(*ragged(rows), 10).tolist() == expected


@given(ROWS)
def test_padding_does_not_count(rows):
    padded = pad(*ragged(rows), 7, "pre", "pre")
    assert np.array_equal(multi_hot(padded, 10), multi_hot_rows(*ragged(rows), 10))


@pytest.mark.parametrize("encode", [one_hot, multi_hot])
def test_an_id_above_the_size_is_refused(encode):
    with pytest.raises(DataError) as caught:
        encode(np.array([[1, 5]]), 5)
    assert str(caught.value) == ("every id must be from 0 to 4. Received: ids from 1 to 5. Give the size of the vocabulary that made them.")
