"""Sources: the four forms of the reviews say the same, corpora are cut without losing a character, and bad input is named."""

import hashlib
import json
import pickle
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from distrnn.data.downloads import PublishedFile
from distrnn.data.sources import imdb_keras, open_source, read_chunk
from distrnn.errors import DataError, IntegrityError, NotFoundError, WorkflowError
from fixtures_data import corpus_workflow, document_workflow, reviews

FORMS = "a folder of train.parquet and test.parquet, the aclImdb folder, Keras' imdb.npz, or a CSV file with columns review and sentiment"


def rows(loaded, split):
    """(text, label) of every row of a split of the source, in order."""
    chunks = [chunk for chunk in open_source(loaded.workflow).chunks() if chunk.split == split]
    table = pa.concat_tables([read_chunk(pickle.loads(pickle.dumps(chunk))).table for chunk in chunks])
    assert len(set(table["id"].to_pylist())) == len(table)
    return list(zip(table["text"].to_pylist(), table["label"].to_pylist(), strict=True))


def pairs(table):
    return list(zip(table["text"].to_pylist(), table["label"].to_pylist(), strict=True))


@pytest.fixture
def acl_folder(tmp_path):
    for split, table in (("train", reviews(30)), ("test", reviews(10, 1000))):
        for number, (text, label) in enumerate(pairs(table)):
            path = tmp_path / "aclImdb" / split / ("neg", "pos")[label] / f"{number:03d}_5.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return tmp_path / "aclImdb"


@pytest.fixture
def csv_file(tmp_path):
    table = reviews(30)
    sentiments = [("negative", "positive")[label] for label in table["label"].to_pylist()]
    texts = [text + '\nsaid "he", twice' for text in table["text"].to_pylist()]
    path = tmp_path / "IMDB Dataset.csv"
    pacsv.write_csv(pa.table({"review": texts, "sentiment": sentiments}), path)
    return path


def test_parquet_files_are_read_whole_in_several_chunks(review_folder, small_chunks):
    loaded = document_workflow(review_folder)
    assert len(open_source(loaded.workflow).chunks()) > 4
    assert rows(loaded, "train") == pairs(reviews(300))
    assert rows(loaded, "test") == pairs(reviews(100, 1000))


def test_one_large_row_group_is_cut_within(tmp_path, monkeypatch):
    pq.write_table(reviews(300), tmp_path / "train.parquet")
    pq.write_table(reviews(10), tmp_path / "test.parquet")
    monkeypatch.setattr("distrnn.data.sources.base.CHUNK_BYTES", 2000)
    loaded = document_workflow(tmp_path)
    assert len(open_source(loaded.workflow).chunks()) > 2
    assert rows(loaded, "train") == pairs(reviews(300))


def test_the_authors_folder_is_read_negative_reviews_first(acl_folder, small_chunks):
    expected = sorted(pairs(reviews(30)), key=lambda pair: pair[1])
    assert rows(document_workflow(acl_folder), "train") == expected
    assert rows(document_workflow(acl_folder.parent), "train") == expected


def test_a_csv_file_keeps_quotes_and_line_ends(csv_file, small_chunks):
    loaded = document_workflow(csv_file, test_fraction=0.2)
    assert rows(loaded, "train") == [(text + '\nsaid "he", twice', label) for text, label in pairs(reviews(30))]


def test_a_csv_file_may_have_its_test_split_beside_it(csv_file, tmp_path):
    shutil.copy(csv_file, tmp_path / "test.csv")
    loaded = document_workflow(csv_file, test_path=str(tmp_path / "test.csv"))
    assert rows(loaded, "test") == rows(loaded, "train")


def test_a_csv_file_that_changed_is_read_again(csv_file):
    loaded = document_workflow(csv_file, test_fraction=0.2)
    before = len(rows(loaded, "train"))
    csv_file.write_text("review,sentiment\ngood,positive\n", encoding="utf-8")
    assert (before, rows(loaded, "train")) == (30, [("good", 1)])


def test_a_csv_file_needs_a_test_split(csv_file):
    with pytest.raises(WorkflowError) as caught:
        open_source(document_workflow(csv_file).workflow).chunks()
    assert str(caught.value) == (
        f"key 'data.test_fraction': expected a share above 0 (or data.test_path for a CSV file), {csv_file} has no test split of its own. "
        "Received: nothing"
    )


def test_a_source_with_a_test_split_takes_no_share(review_folder):
    with pytest.raises(WorkflowError) as caught:
        open_source(document_workflow(review_folder, test_fraction=0.2).workflow).chunks()
    assert str(caught.value) == (f"key 'data.test_fraction': expected nothing, {review_folder} brings its own test split. Received: 0.2")


def test_a_test_path_beside_anything_but_csv_is_refused(review_folder):
    with pytest.raises(WorkflowError, match=r"^key 'data\.test_path': expected nothing, only a CSV file has its test split"):
        open_source(document_workflow(review_folder, test_path="x.csv").workflow)


def keras_files(folder, monkeypatch):
    """Files as Keras publishes them, with the digests of these."""
    index = {"the": 1, "film": 2, "br": 3, "good": 4, "bad": 5}
    sequences = {"x_train": [[1, 2, 4, 3], [5]], "y_train": [1, 0], "x_test": [[2, 2, 2], [1, 5]], "y_test": [0, 1]}
    arrays = {}
    for name, value in sequences.items():
        arrays[name] = np.array(value) if name.startswith("y") else np.empty(2, object)
        arrays[name][:] = value
    np.savez(folder / "imdb.npz", **arrays)
    (folder / "imdb_word_index.json").write_text(json.dumps(index), encoding="utf-8")
    for name, file, algorithm in (("REVIEWS", "imdb.npz", "sha256"), ("WORD_INDEX", "imdb_word_index.json", "md5")):
        digest = hashlib.new(algorithm, (folder / file).read_bytes()).hexdigest()
        monkeypatch.setattr(imdb_keras, name, PublishedFile(f"https://example.invalid/{file}", digest, algorithm))


def test_keras_reviews_are_words_joined_by_spaces(tmp_path, monkeypatch):
    keras_files(tmp_path, monkeypatch)
    for path in (tmp_path, tmp_path / "imdb.npz"):
        loaded = document_workflow(path)
        assert rows(loaded, "train") == [("the film good <br />", 1), ("bad", 0)]
        assert rows(loaded, "test") == [("film film film", 0), ("the bad", 1)]


def test_a_keras_file_that_is_not_the_published_one_is_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path.joinpath("sprung").touch, ())

    trap = np.empty(1, object)
    trap[0] = Trap()
    np.savez(tmp_path / "imdb.npz", x_train=trap)
    (tmp_path / "imdb_word_index.json").write_text("{}", encoding="utf-8")
    with pytest.raises(IntegrityError) as caught:
        open_source(document_workflow(tmp_path).workflow).chunks()
    digest = hashlib.sha256((tmp_path / "imdb.npz").read_bytes()).hexdigest()
    assert str(caught.value) == (
        f"{tmp_path / 'imdb.npz'}: expected the published file with sha256 {imdb_keras.REVIEWS.digest}. "
        f"Received: {digest}. It is not opened; download it again from "
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/imdb.npz"
    )
    assert not (tmp_path / "sprung").exists()


def test_the_limit_takes_that_many_documents_of_each_split(review_folder, small_chunks):
    loaded = document_workflow(review_folder, limit=40)
    train, test = rows(loaded, "train"), rows(loaded, "test")
    assert (len(train), len(test)) == (40, 40)
    assert set(train) <= set(pairs(reviews(300)))
    assert rows(loaded, "train") == train


def test_synthetic_reviews_are_the_grammars(monkeypatch):
    from distrnn.data.sources import reviews as made
    from distrnn.data.sources import synthetic

    monkeypatch.setattr(synthetic, "SIZES", {"train": 25, "test": 5})
    monkeypatch.setattr(made, "CHUNK_DOCUMENTS", 10)
    loaded = document_workflow(source="synthetic-reviews")
    assert len(open_source(loaded.workflow).chunks()) == 4
    assert rows(loaded, "train") == [synthetic.document(index, "train", made.GRAMMAR_SEED) for index in range(25)]


@pytest.mark.parametrize("limit", [None, 1000])
def test_a_corpus_is_read_whole_and_in_order(tmp_path, monkeypatch, small_chunks, limit):
    monkeypatch.setattr("distrnn.data.sources.corpus.PIECE_CHARACTERS", 300)
    text = "".join(f"line {number} é\n" for number in range(900)) + "x" * 700 + " y" * 400
    (tmp_path / "corpus.txt").write_bytes(text.encode())
    loaded = corpus_workflow(tmp_path / "corpus.txt", validation_fraction=0.1, limit=limit)
    chunks = open_source(loaded.workflow).chunks()
    assert "".join("".join(read_chunk(chunk).table["text"].to_pylist()) for chunk in chunks) == text[:limit]
    assert len(chunks) > 2


def test_the_python_docs_are_half_a_million_characters_in_a_stable_order():
    source = open_source(corpus_workflow(source="python-docs").workflow)
    assert source.digest() == open_source(corpus_workflow(source="python-docs").workflow).digest()
    text = "".join("".join(read_chunk(chunk).table["text"].to_pylist()) for chunk in source.chunks())
    assert len(text) > 400_000


def test_bytes_that_are_no_utf8_do_not_stop_a_corpus(tmp_path):
    (tmp_path / "corpus.txt").write_bytes(b"caf\xe9\n" * 30)
    (chunk, *_) = open_source(corpus_workflow(tmp_path / "corpus.txt").workflow).chunks()
    assert read_chunk(chunk).table["text"][0].as_py().startswith("caf\ufffd\n")


def test_a_path_that_does_not_exist_is_not_found(tmp_path):
    with pytest.raises(NotFoundError) as caught:
        open_source(document_workflow(tmp_path / "nothing").workflow)
    assert str(caught.value) == (
        f"data.path: expected {FORMS}. Received: '{tmp_path}/nothing', which does not exist. Correct it, or leave it out to download."
    )


def test_a_corpus_that_does_not_exist_is_not_found(tmp_path):
    with pytest.raises(NotFoundError) as caught:
        open_source(corpus_workflow(tmp_path / "nothing.txt").workflow)
    assert str(caught.value) == (
        f"data.path: expected a text file. Received: '{tmp_path}/nothing.txt', which is none. Correct it, or leave it out to download."
    )


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(DataError) as caught:
        open_source(document_workflow(tmp_path).workflow)
    assert str(caught.value) == f"data.path: expected {FORMS}. Received: '{tmp_path}', which is none of them."


def test_a_parquet_file_without_the_columns_is_refused(tmp_path):
    pq.write_table(pa.table({"body": ["a"]}), tmp_path / "train.parquet")
    with pytest.raises(DataError) as caught:
        open_source(document_workflow(tmp_path, test_fraction=0.5).workflow).chunks()
    assert str(caught.value) == f"{tmp_path}/train.parquet: expected columns text, label. Received: body. Rename or add text, label."


def test_a_csv_file_without_the_columns_is_refused(tmp_path):
    (tmp_path / "x.csv").write_text("text,label\na,1\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        open_source(document_workflow(tmp_path / "x.csv", test_fraction=0.5).workflow).chunks()
    assert str(caught.value) == (
        f"{tmp_path}/x.csv: expected columns review, sentiment. Received: text, label. Rename or add review, sentiment."
    )


def test_a_broken_parquet_file_is_refused(tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DataError, match=r"train\.parquet: expected a readable parquet file\. Received: Parquet magic bytes not found"):
        open_source(document_workflow(tmp_path, test_fraction=0.5).workflow).chunks()


def test_an_empty_split_is_refused(tmp_path):
    pq.write_table(reviews(3), tmp_path / "train.parquet")
    pq.write_table(reviews(3).slice(0, 0), tmp_path / "test.parquet")
    with pytest.raises(DataError) as caught:
        open_source(document_workflow(tmp_path).workflow).chunks()
    assert str(caught.value) == f"{tmp_path}: expected documents in split 'test'. Received: none."


def test_an_empty_corpus_is_refused(tmp_path):
    (tmp_path / "corpus.txt").touch()
    with pytest.raises(DataError) as caught:
        open_source(corpus_workflow(tmp_path / "corpus.txt").workflow).chunks()
    assert str(caught.value) == "nietzsche: expected text. Received: an empty one."


def test_the_digest_follows_the_bytes_that_are_read_and_nothing_else(review_folder, tmp_path):
    before = open_source(document_workflow(review_folder).workflow).digest()
    shutil.copytree(review_folder, tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "unsupervised.parquet").write_bytes(b"not read")
    assert open_source(document_workflow(tmp_path / "elsewhere").workflow).digest() == before
    pq.write_table(reviews(299), tmp_path / "elsewhere" / "train.parquet")
    assert open_source(document_workflow(tmp_path / "elsewhere").workflow).digest() != before
