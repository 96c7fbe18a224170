"""Which value is which label, and what is said of the rest."""

import pyarrow as pa
import pytest

from distrnn.data.labels import IMDB, Labels, clean_labels
from distrnn.errors import DataError


def column(values, kind=None):
    return pa.chunked_array([pa.array(values[:1], kind), pa.array(values[1:], kind)], kind)


def numbers(option, values, kind=None):
    return clean_labels(column(values, kind), Labels.of(option), "f").to_pylist()


def refusal(option, values, kind=None, first_row=0):
    with pytest.raises(DataError) as caught:
        clean_labels(column(values, kind), Labels.of(option), "f", first_row)
    return str(caught.value)


@pytest.mark.parametrize(
    "values", [[0, 1, 1], ["negative", "Positive", " pos "], [b"neg", b"1", b"pos"], [0.0, 1.0, 1.0], ["0.0", "1", "1.00"]]
)
def test_sentiments_are_numbers_or_words(values):
    assert numbers(None, values) == [0, 1, 1]


def test_labels_are_int16():
    assert clean_labels(column([0, 1]), IMDB, "f").type == pa.int16()


def test_named_labels_are_names_or_positions():
    assert numbers(["world", "sport", "science"], ["science", "0", " sport"]) == [2, 0, 1]


def test_names_that_are_numbers_are_no_positions():
    assert numbers([1, 2, 3], [1, 3, 2]) == [0, 2, 1]
    assert refusal([1, 2], [1, 0]) == "f: expected one of the labels 1, 2. Received: 0 in row 2. Correct the row, or data.labels."


def test_a_mapping_names_the_label_of_each_value():
    assert Labels.of({1: "bad", 2: "bad", 5: "good"}).names == ("bad", "good")
    assert numbers({1: "bad", 2: "bad", 5: "good"}, [5, 1, 2]) == [1, 0, 0]


@pytest.mark.parametrize("values", [[True, False], ["True", "false"], [b"true", b"FALSE"]])
def test_booleans_are_true_and_false(values):
    assert numbers({False: "ham", True: "spam"}, values) == [1, 0]


def test_a_mapping_read_back_from_json_means_the_same():
    assert Labels.of({"4": "good", "true": "bad"}) == Labels.of({4: "good", True: "bad"})


def test_whole_floats_are_integers_and_others_are_not():
    assert numbers({0: "a", 1: "b"}, [1.0, 0.0]) == [1, 0]
    assert refusal({0: "a", 1: "b"}, [0.0, 0.5]) == (
        "f: expected one of the labels 0, 1. Received: 0.5 in row 2. Correct the row, or data.labels."
    )


def test_dictionary_encoded_labels_are_taken():
    assert clean_labels(column(["pos", "neg", "pos"]).dictionary_encode(), IMDB, "f").to_pylist() == [1, 0, 1]


@pytest.mark.parametrize(("values", "kind"), [([0, None], pa.int8()), (["neg", ""], None), ([b"1", b" "], None)])
def test_a_row_without_a_label_is_named(values, kind):
    assert refusal(None, values, kind, 40) == "f: expected a label in every row. Received: none in row 42. Fill it in or remove the row."


def test_a_label_outside_the_mapping_is_named():
    assert refusal(["x", "y"], ["x", "z"], first_row=7) == (
        "f: expected one of the labels x, y, 0, 1. Received: 'z' in row 9. Correct the row, or data.labels."
    )


def test_an_imdb_label_that_is_neither_is_named():
    with pytest.raises(DataError) as caught:
        clean_labels(column(["pos", "neg", "mixed"]), IMDB, "f")
    assert str(caught.value) == "f: expected labels 0 and 1, or negative and positive. Received: 'mixed' in row 3. Correct the row."


def test_a_column_of_lists_is_refused():
    assert refusal(None, [[1], [2]]) == (
        "f: expected texts, numbers or true and false. Received: a column of list<item: int64>. Name another column."
    )


def test_no_rows_have_no_labels():
    assert clean_labels(pa.chunked_array([], pa.string()), IMDB, "f").to_pylist() == []
