"""Merging counts: the order of the chunks never shows."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.data.vocabulary import CountMerger, counts_batch, cut, from_bytes, to_bytes
from distrnn.text import TokenizerSpec

CHUNKS = st.lists(st.dictionaries(st.text(max_size=3), st.integers(0, 5)), max_size=5)


def merged(chunks):
    merger = CountMerger()
    for chunk in chunks:
        merger.add(pa.Table.from_batches([counts_batch(pa.array(list(chunk), pa.string()), np.array(list(chunk.values()), np.int64))]))
    ranked = merger.ranked()
    return list(zip(ranked["token"].to_pylist(), ranked["count"].to_pylist(), strict=True))


@given(CHUNKS, st.integers(0, 10))
def test_tokens_fall_in_count_and_then_in_code_points(chunks, pending):
    totals = {}
    for chunk in chunks:
        for token, count in chunk.items():
            totals[token] = totals.get(token, 0) + count
    expected = sorted(((token, count) for token, count in totals.items() if count), key=lambda pair: (-pair[1], pair[0]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("distrnn.data.vocabulary.PENDING_ROWS", pending)
        assert merged(chunks) == merged(chunks[::-1]) == expected


@pytest.mark.parametrize(("size", "kept"), [(None, 5), (4, 1), (100, 5)])
def test_the_reserved_ids_count_towards_the_size(size, kept):
    ranked = pa.table({"token": list("abcde"), "count": [5, 4, 3, 2, 1]})
    assert len(cut(ranked, TokenizerSpec("word", "fold", "strip", size))) == kept


def test_the_file_is_pairs_in_order():
    body = to_bytes(pa.table({"token": ["é", "b"], "count": [2, 1]}))
    assert (body, from_bytes(body)) == ('[["é",2],["b",1]]'.encode(), [("é", 2), ("b", 1)])
