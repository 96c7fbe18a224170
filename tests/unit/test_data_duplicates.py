"""Planted copies are found and others are not; sketches estimate what the shingles themselves say; what is left has no copy."""

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distrnn.data import sketches as sketches_module
from distrnn.data.duplicates import Duplicates, Pair, duplicates_of, find_duplicates
from distrnn.data.removal import removals, signatures
from distrnn.data.sketches import BINS, EMPTY, NEIGHBOURS, Rows, estimates, leaders, row_hashes, similar_pairs, sketches
from distrnn.storage import open_store
from distrnn.text import TokenizerSpec
from fixtures_data import document_workflow, prepare_here

WORDS = TokenizerSpec("word", "fold", "strip", 20_000)
TRAIN, VALIDATION, TEST = range(3)
WIDTH = 5


def rows_of(documents):
    lengths = np.array([len(document) for document in documents], np.int64)
    stops = np.cumsum(lengths)
    return Rows(np.array([token for document in documents for token in document], np.int32), stops - lengths, stops)


def shingles(document):
    return {tuple(document[start : start + WIDTH]) for start in range(len(document) - WIDTH + 1)}


def jaccard(one, other):
    first, second = shingles(one), shingles(other)
    return len(first & second) / len(first | second) if first and second else 0.0


def random_documents(count, seed=0, tokens=120, vocabulary=5000):
    random = np.random.default_rng(seed)
    return [random.integers(3, vocabulary, tokens + int(random.integers(0, tokens))).tolist() for _ in range(count)]


def changed(document, times, seed=0):
    """A copy in which so many words, far apart, are others."""
    copy = list(document)
    for place in np.linspace(10, len(copy) - 10, times).astype(int).tolist():
        copy[place] = 9000 + seed
    return copy


def brute_force(splits):
    """What `find_duplicates` promises, by comparing everything with everything."""
    places = [(split, row) for split, documents in splits.items() for row in range(len(documents))]
    text = {place: tuple(splits[place[0]][place[1]]) for place in places}
    first = {}
    for place in places:
        first.setdefault(text[place], place)
    exact = {(first[text[place]], place) for place in places if first[text[place]] != place}
    near = {pair for pair in itertools.combinations(first.values(), 2) if jaccard(text[pair[0]], text[pair[1]]) >= 0.8}
    return exact, near


def found_in(splits):
    found = find_duplicates({split: [rows_of(documents)] for split, documents in splits.items()}, WIDTH)
    pairs = {kind: set() for kind in ("exact", "near")}
    for pair in found.pairs:
        pairs[pair.kind].add(((pair.splits[0], pair.rows[0]), (pair.splits[1], pair.rows[1])))
    return pairs["exact"], pairs["near"]


def test_planted_copies_are_found_and_nothing_else():
    train = random_documents(40)
    test = [*random_documents(10, seed=1), train[3], changed(train[5], 2)]
    train.append(train[7])
    found = find_duplicates({"train": [rows_of(train)], "test": [rows_of(test)]}, WIDTH)
    similarity = round(jaccard(train[5], test[11]), 4)
    assert found == Duplicates(
        (
            Pair("exact", ("train", "test"), (3, 10), 1.0),
            Pair("exact", ("train", "train"), (7, 40), 1.0),
            Pair("near", ("train", "test"), (5, 11), similarity),
        ),
        {"exact": 1, "near": 1},
    )
    assert 0.8 < similarity < 1.0
    assert found.counts() == {"exact": {"train and test": 1, "train": 1}, "near": {"train and test": 1}}


def test_documents_that_only_share_a_passage_are_not_near():
    one, other = random_documents(2)
    assert found_in({"train": [one, one[:80] + other]}) == (set(), set())


def test_the_same_words_in_another_order_are_no_copy():
    (one,) = random_documents(1)
    assert found_in({"train": [one, one[::-1]]}) == (set(), set())


def test_short_rows_are_compared_exactly_only():
    assert found_in({"train": [[3, 4, 5, 6], [3, 4, 5, 6], [3, 4, 5, 7], [], []]}) == (
        {(("train", 0), ("train", 1)), (("train", 3), ("train", 4))},
        set(),
    )


def test_a_test_copy_whose_twin_is_near_to_training_leaks_too():
    (one,) = random_documents(1)
    near = changed(one, 1)
    found = find_duplicates({"train": [rows_of([one])], "test": [rows_of([near, near])]}, WIDTH)
    assert found.leaked == {"exact": 0, "near": 2}


def test_borders_of_pieces_and_blocks_make_no_difference(monkeypatch):
    documents = [*random_documents(30), *random_documents(10)]
    whole = find_duplicates({"train": [rows_of(documents)]}, WIDTH)
    monkeypatch.setattr(sketches_module, "BLOCK_TOKENS", 300)
    monkeypatch.setattr(sketches_module, "BLOCK_ROWS", 7)
    pieces = [rows_of(documents[:11]), rows_of([]), rows_of(documents[11:])]
    assert find_duplicates({"train": pieces}, WIDTH) == whole
    assert len(whole.pairs) == 10


# Few different tokens make near copies likely
SOME_DOCUMENTS = st.lists(st.lists(st.integers(3, 5), max_size=14), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(SOME_DOCUMENTS, SOME_DOCUMENTS, SOME_DOCUMENTS)
def test_equal_to_comparing_everything_with_everything(train, validation, test):
    splits = {"train": train, "validation": validation, "test": test}
    assert found_in(splits) == brute_force(splits)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 12))
def test_longer_documents_too(seed, changes):
    documents = random_documents(4, seed)
    documents += [changed(document, changes) if changes else document for document in documents]
    assert found_in({"train": documents}) == brute_force({"train": documents})


def test_estimates_are_near_the_truth():
    documents = random_documents(150, tokens=200)
    copies = [changed(document, 1 + number % 40) for number, document in enumerate(documents)]
    summary = sketches(rows_of([*documents, *copies]), WIDTH)
    numbers = np.arange(150)
    estimated = estimates(summary, numbers, numbers + 150)
    truth = np.array([jaccard(*pair) for pair in zip(documents, copies, strict=True)])
    assert np.abs(estimated - truth).max() < 0.15
    assert np.sqrt(np.mean((estimated - truth) ** 2)) < 0.045
    assert abs(np.mean(estimated - truth)) < 0.01


def test_estimates_of_short_documents_are_all_but_exact():
    documents = [list(range(3, 3 + length)) for length in range(8, 20)]
    summary = sketches(rows_of(documents), WIDTH)
    one, other = np.array(list(itertools.combinations(range(len(documents)), 2))).T
    truth = np.array([jaccard(documents[a], documents[b]) for a, b in zip(one, other, strict=True)])
    assert np.abs(estimates(summary, one, other) - truth).max() < 0.1


def test_a_row_without_a_shingle_has_an_empty_sketch_and_no_twin():
    summary = sketches(rows_of([[3, 4], [3, 4]]), WIDTH)
    assert (summary == EMPTY).all()
    assert summary.shape == (2, BINS)
    assert similar_pairs(summary, 0.0)[0].tolist() == []


def test_many_copies_cost_no_square():
    summary = sketches(rows_of([list(range(3, 60))] * 1000), WIDTH)
    assert len(similar_pairs(summary, 0.8)[0]) <= 1000 * NEIGHBOURS


@given(st.lists(st.lists(st.integers(0, 3), max_size=4), max_size=20))
def test_hashes_are_equal_where_rows_are(documents):
    found = leaders(row_hashes(rows_of(documents))) if documents else np.zeros(0, int)
    assert found.tolist() == [documents.index(document) for document in documents]


def test_duplicates_of_a_dataset(review_folder, tmp_path):
    dataset = prepare_here(document_workflow(review_folder), open_store(str(tmp_path / "storage")))
    rows = {}
    for split in dataset.manifest.splits:
        reader = dataset.reader(split)
        padded = reader.pad_rows(np.arange(reader.rows), 200, "post", "post").tolist()
        rows[split] = [[token for token in row if token][1:] for row in padded]  # without the start id
    exact, near = brute_force(rows)
    found = duplicates_of(dataset)
    assert (sum(pair.kind == "exact" for pair in found.pairs), sum(pair.kind == "near" for pair in found.pairs)) == (len(exact), len(near))
    assert len(near) > 0


def test_bags_are_compared_by_their_ids(tmp_path):
    folder = tmp_path / "bags"
    folder.mkdir()
    words = [f"word{number}" for number in range(20)]
    train = [" ".join(words), " ".join(words[:12]), "one two three"]
    test = [" ".join(reversed(words)), " ".join(words[:18]), "one four five"]
    for split, column in (("train", train), ("test", test)):
        pq.write_table(pa.table({"text": column, "label": pa.array([0, 1, 0], pa.int8())}), folder / f"{split}.parquet")
    loaded = document_workflow(folder, validation_fraction=0, tokenizer={"layout": "bag"})
    found = duplicates_of(prepare_here(loaded, open_store(str(tmp_path / "storage"))))
    assert found.pairs == (
        Pair("exact", ("train", "test"), (0, 0), 1.0),
        Pair("near", ("train", "test"), (0, 1), 0.9),
    )


def texts(documents):
    return pa.array([" ".join(f"w{token}" for token in document) for document in documents], pa.large_string())


def removed(chunks, splits, *, near):
    found = removals([signatures(texts(documents), WORDS, near=near) for documents in chunks], [np.array(split) for split in splits])
    return [positions.tolist() for positions in found]


def test_the_copy_that_stays_is_the_one_in_the_test_split_else_in_validation_else_the_first():
    a, b, c, d = random_documents(4)
    chunks = [[a, b, c, d, c], [b, a, a]]
    splits = [[TRAIN, TRAIN, TRAIN, TRAIN, TRAIN], [VALIDATION, TEST, TEST]]
    assert removed(chunks, splits, near=False) == [[0, 1, 4], [2]]


def test_near_copies_go_only_when_asked_for():
    a, b = random_documents(2)
    chunks, splits = [[a, b], [changed(a, 2), changed(b, 30)]], [[TRAIN, TRAIN], [TEST, TEST]]
    assert removed(chunks, splits, near=False) == [[], []]
    assert removed(chunks, splits, near=True) == [[0], []]


@pytest.mark.parametrize("near", [False, True])
def test_nothing_is_removed_where_nothing_stands_twice(near):
    documents = random_documents(30)
    assert removed([documents[:20], documents[20:]], [[TRAIN] * 20, [TEST] * 10], near=near) == [[], []]


def test_no_chunk_has_nothing_to_remove():
    assert removals([], []) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=20), st.integers(1, 19))
def test_what_is_removed_has_a_copy_that_stays_and_what_stays_has_none(drawn, border):
    originals = random_documents(5, tokens=60)
    documents = [changed(originals[which], times, times) if times else originals[which] for which, times, _ in drawn]
    splits = [split for _, _, split in drawn]
    chunks = [slice(0, border), slice(border, None)]
    gone = removed([documents[part] for part in chunks], [splits[part] for part in chunks], near=True)
    dropped = [*gone[0], *(position + min(border, len(documents)) for position in gone[1])]
    stays = [number for number in range(len(documents)) if number not in dropped]
    for number in dropped:
        before = [other for other in stays if (-splits[other], other) < (-splits[number], number)]
        assert any(documents[other] == documents[number] or jaccard(documents[other], documents[number]) > 0.6 for other in before)
    assert len({tuple(documents[number]) for number in stays}) == len(stays)


@given(st.integers(1, 5))
def test_cutting_the_chunks_differently_removes_the_same(border):
    documents = [*random_documents(4), *random_documents(2)]
    whole = removed([documents], [[TRAIN] * 6], near=True)[0]
    first, second = removed([documents[:border], documents[border:]], [[TRAIN] * border, [TRAIN] * (6 - border)], near=True)
    assert [*first, *(position + border for position in second)] == whole == [4, 5]


def test_characters_have_longer_shingles():
    spec = TokenizerSpec("char", "keep")
    text = "A sentence that is long enough to be compared, and then a little more of the same kind. " * 2
    chunk = signatures(pa.array([text, text + "!", text[::-1]], pa.large_string()), spec, near=True)
    assert [positions.tolist() for positions in removals([chunk], [np.zeros(3, int)])] == [[1]]


def test_the_whole_of_imdb(shared_data):
    chunks = [pq.read_table(shared_data / "imdb" / f"{split}.parquet")["text"].cast(pa.large_string()) for split in ("train", "test")]
    signed = [signatures(pa.concat_arrays(chunk.chunks), WORDS, near=True) for chunk in chunks]
    splits = [np.full(25_000, TRAIN), np.full(25_000, TEST)]
    exact = removals([type(one)(one.hashes, one.sketches[:, :0]) for one in signed], splits)
    near = removals(signed, splits)
    assert ([len(positions) for positions in exact], [len(positions) for positions in near]) == ([222, 201], [236, 215])
