"""What a teacher's answers become: which documents are taken, which are copies, and what is kept."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.data import pseudo_labels
from distrnn.data.removal import signatures
from distrnn.errors import IntegrityError, NotFoundError
from distrnn.storage import open_store
from distrnn.text import TokenizerSpec, Vocabulary

SPEC = TokenizerSpec(level="word", case="fold", html="strip", vocabulary_size=100)
LONG = " ".join(f"w{number}" for number in range(40))
# each is near to the one beside it, the first and the last are not near: 71 of 81 shingles are the same, and 66 of 86
CHAIN = [" ".join(f"w{number + 100 * (number in changed)}" for number in range(80)) for changed in ((), (20,), (20, 60))]
NEAR = LONG.replace("w39", "changed")  # one shingle of 36 is another


def marks(*texts):
    return signatures(pa.array(texts, pa.large_string()), SPEC, near=True)


def made(probabilities=(0.1, 0.9), **origin):
    vocabulary = Vocabulary(["good", "film"], SPEC)
    rows = pseudo_labels.encoded(["Good film", "film"], vocabulary)
    return pseudo_labels.joined(rows, np.array(probabilities, np.float32), origin)


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path))


def test_a_document_is_taken_where_the_likeliest_label_is_likely_enough():
    assert pseudo_labels.confident(np.array([0.05, 0.5, 0.9], np.float32), 0.9).tolist() == [True, False, True]
    of_three = np.array([[0.1, 0.2, 0.7], [0.4, 0.3, 0.3]], np.float32)
    assert pseudo_labels.confident(of_three, 0.5).tolist() == [True, False]


@given(st.lists(st.floats(0, 1, width=32), max_size=20), st.floats(0.5, 0.99))
def test_a_higher_threshold_takes_no_other_documents(values, threshold):
    probabilities = np.array(values, np.float32)
    taken, fewer = (pseudo_labels.confident(probabilities, level) for level in (threshold, threshold + 0.005))
    assert (taken | ~fewer).all()
    assert pseudo_labels.confident(probabilities, None).all()


def test_of_each_copy_it_is_known_what_it_stands_among():
    pieces = [marks("an own text", "a test text", NEAR), marks("an own text", "a validation text", "another text")]
    found = pseudo_labels.copies(pieces, [marks("a test text", LONG), marks("a validation text", "a test text")])
    assert found.tolist() == [-1, 0, 0, 2, 1, -1]


def test_without_held_out_documents_only_repetitions_are_copies():
    assert pseudo_labels.copies([marks("one", "two", "one")], []).tolist() == [-1, -1, 0]
    assert pseudo_labels.copies([], []).tolist() == []


def test_a_near_copy_of_a_document_that_is_left_out_itself_is_taken():
    assert pseudo_labels.copies([marks(*CHAIN)], []).tolist() == [-1, 0, -1]


def test_a_near_copy_of_any_held_out_document_is_left_out_whatever_that_is_a_copy_of():
    first, second, third = CHAIN
    assert pseudo_labels.copies([marks(third)], [marks(first, second)]).tolist() == [0]
    assert pseudo_labels.copies([marks(third)], [marks(first), marks(second)]).tolist() == [1]


@given(st.lists(st.integers(0, 5), max_size=12), st.lists(st.lists(st.integers(0, 5), max_size=3), max_size=3), st.integers(0, 12))
def test_exact_copies_are_those_that_stand_there_before(numbers, held_out, cut):
    pieces = [marks(*map(str, numbers[:cut])), marks(*map(str, numbers[cut:]))]
    found = pseudo_labels.copies(pieces, [marks(*map(str, group)) for group in held_out])
    among = [next((place for place, group in enumerate(held_out) if number in group), None) for number in numbers]
    expected = [
        place if place is not None else len(held_out) if number in numbers[:at] else pseudo_labels.NO_COPY
        for at, (number, place) in enumerate(zip(numbers, among, strict=True))
    ]
    assert found.tolist() == expected


def test_documents_are_the_ids_that_a_dataset_would_hold():
    reader = made().reader()
    assert reader.pad_rows(np.arange(2), 3, "pre", "pre").tolist() == [[1, 3, 4], [0, 1, 4]]
    assert (reader.labels.tolist(), reader.name) == ([0, 1], "pseudo-labelled")


def test_the_likeliest_of_several_labels_is_the_label():
    found = made([[0.2, 0.5, 0.3], [0.9, 0.1, 0.0]])
    assert found.labels.tolist() == [1, 0]
    assert pseudo_labels.counts(found, ["a", "b", "c"]) == {"a": 1, "b": 1, "c": 0}


def test_what_is_kept_comes_back(store):
    pseudo_labels.write(store, "name", made(used=2))
    found = pseudo_labels.read(store, "name")
    assert (found.tokens.tolist(), found.tokens.dtype, found.offsets.tolist()) == ([1, 3, 4, 1, 4], np.uint16, [0, 3, 5])
    assert (found.probabilities.tolist(), found.origin) == (np.array([0.1, 0.9], np.float32).tolist(), {"used": 2})


def test_the_first_to_keep_documents_of_a_name_wins(store):
    for used in (2, 3):
        pseudo_labels.write(store, "name", made(used=used))
    assert pseudo_labels.read(store, "name").origin == {"used": 2}


def test_what_is_not_kept_is_named(store):
    assert pseudo_labels.find(store, "a" * 64) is None
    with pytest.raises(NotFoundError) as caught:
        pseudo_labels.read(store, "a" * 64)
    assert str(caught.value) == f"no pseudo-labelled documents {'a' * 16} in {store.url}. Start a new run, which makes them."


@pytest.mark.parametrize("ending", ["json", "npz"])
def test_altered_files_are_refused(store, tmp_path, ending):
    pseudo_labels.write(store, "name", made())
    (path,) = (tmp_path / pseudo_labels.FOLDER).glob(f"*.{ending}")
    path.write_bytes(path.read_bytes()[1:])
    with pytest.raises(IntegrityError) as caught:
        pseudo_labels.read(store, "name")
    expected = "a description" if ending == "json" else f"sha256 {path.stem[:12]}"
    assert str(caught.value) == (
        f"{store.url}/pseudo-labels/{path.name}: expected {expected}. Received: other bytes, or none. "
        "Delete the folder pseudo-labels; a run makes it anew."
    )


def test_a_name_depends_on_every_part():
    names = {pseudo_labels.name_of(parts) for parts in ({"a": 1}, {"a": 2}, {"b": 1}, {"a": 1, "b": None})}
    assert len(names) == 4
    assert pseudo_labels.name_of({"a": 1, "b": 2}) == pseudo_labels.name_of({"b": 2, "a": 1})
