"""From staged ids to final ones: vocabularies, buckets, bags, and the id type that holds them."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from distrnn.data.shards import Encoding, distinct_ids
from distrnn.data.vocabulary import collisions, cut
from distrnn.text import TokenizerSpec, Vocabulary, bucket

WORDS = TokenizerSpec("word", "fold")
HASHED = TokenizerSpec("word", "fold", buckets=10)


def tokens(count):
    return pa.array([f"w{number}" for number in range(count)], pa.string())


def ranked(*words):
    return pa.table({"token": pa.array(words, pa.string()), "count": pa.array(range(len(words), 0, -1), pa.int64())})


@given(st.lists(st.lists(st.integers(0, 99), max_size=9), max_size=8))
def test_a_bag_holds_each_id_of_its_row_once_ascending(rows):
    values = np.array([token for row in rows for token in row], np.uint16)
    found, lengths = distinct_ids(values, np.array([len(row) for row in rows], np.int64), 100)
    assert [part.tolist() for part in np.split(found, np.cumsum(lengths)[:-1])][: len(rows)] == [sorted(set(row)) for row in rows]
    assert found.dtype == np.uint16


def test_tokens_beyond_the_vocabulary_are_unknown():
    assert Encoding(WORDS, tokens(3), with_start=True).ids_of(pa.array(["w2", "other", "w0"])).tolist() == [5, 2, 3]


def test_hashed_tokens_have_the_ids_of_the_plain_tokenizer():
    ids = Encoding(HASHED, tokens(0), with_start=True).ids_of(tokens(50))
    assert ids.tolist() == Vocabulary([], HASHED).ids(tokens(50).to_pylist())
    assert {int(number) for number in ids} <= set(range(3, 13))


def test_ids_take_two_bytes_as_long_as_they_fit():
    sizes = [2**16 - 3, 2**16 - 2]
    assert [Encoding(WORDS, tokens(size), with_start=True).dtype for size in sizes] == [np.uint16, np.int32]


def test_the_last_id_of_a_large_vocabulary_is_kept():
    encoding = Encoding(WORDS, tokens(70_000), with_start=True)
    assert encoding.ids_of(pa.array(["w69999"])).tolist() == [70_002]


def test_hashing_keeps_no_token():
    assert len(cut(ranked("the", "a"), HASHED)) == 0


def test_collisions_are_the_tokens_that_share_a_bucket():
    words = [f"w{number}" for number in range(12)]
    buckets = [bucket(word, 10) for word in words]
    expected = sum(1 for number in buckets if buckets.count(number) > 1)
    assert 0 < expected < 12
    assert collisions(ranked(*words), HASHED) == expected


def test_a_vocabulary_has_no_collisions():
    assert collisions(ranked("the", "a"), WORDS) is None
