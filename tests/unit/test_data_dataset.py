"""A dataset from source to reader, in one process: what went in as text comes out as the ids that prediction would make of it."""

import json

import numpy as np
import pytest

from distrnn.data import shards as shards_module
from distrnn.data.dataset import open_dataset
from distrnn.data.evaluation_set import write_evaluation_set
from distrnn.data.manifest import DatasetManifest
from distrnn.errors import DataError, IntegrityError, NotFoundError
from distrnn.storage import open_store
from fixtures_data import corpus_workflow, document_workflow, prepare_here, reviews


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "storage"))


@pytest.fixture
def dataset(review_folder, store, small_chunks, monkeypatch):
    monkeypatch.setattr(shards_module.plan_shards, "__kwdefaults__", {"target_tokens": 700})
    return prepare_here(document_workflow(review_folder), store)


def rows_of(reader):
    padded = reader.pad_rows(np.arange(reader.rows), reader.tokens, "post", "post")
    return [[token for token in row if token] for row in padded.tolist()]


def test_the_test_split_holds_what_prediction_makes_of_its_texts(dataset):
    _, texts, labels = dataset.evaluation_texts()
    reader = dataset.reader("test")
    assert rows_of(reader) == [dataset.vocabulary.encode(text) for text in texts]
    assert reader.labels.tolist() == labels.tolist()
    assert texts == reviews(100, 1000)["text"].to_pylist()


@pytest.mark.parametrize(
    "tokenizer",
    [
        {"ngrams": 2},
        {"ngrams": 3, "layout": "bag"},
        {"layout": "bag", "vocabulary_size": 10},
        {"buckets": 20},
        {"buckets": 50, "ngrams": 2, "layout": "bag"},
        {"level": "char", "case": "fold"},
        {"level": "char", "ngrams": 3},
    ],
    ids=str,
)
def test_every_tokenizer_gives_prediction_the_ids_of_the_dataset(review_folder, store, tokenizer):
    dataset = prepare_here(document_workflow(review_folder, tokenizer=tokenizer), store)
    _, texts, _ = dataset.evaluation_texts()
    assert rows_of(dataset.reader("test")) == [dataset.vocabulary.encode(text) for text in texts]
    assert dataset.manifest.vocabulary_size == dataset.vocabulary.size > dataset.reader("test").highest_id


def test_hashed_tokens_have_their_collisions_reported(review_folder, store):
    dataset = prepare_here(document_workflow(review_folder, tokenizer={"buckets": 20}), store)
    assert (len(dataset.vocabulary_counts), dataset.manifest.distinct_tokens > 40) == (0, True)
    assert 20 < dataset.manifest.collisions <= dataset.manifest.distinct_tokens


def test_the_manifest_counts_the_bytes_of_the_text(dataset):
    _, texts, _ = dataset.evaluation_texts()
    assert dataset.manifest.splits["test"].text_bytes == sum(len(text.encode()) for text in texts)


def test_empty_documents_are_kept_and_counted(review_folder, store):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"text": ["", "good film", "<br />", "bad film"], "label": pa.array([0, 1, 0, 1], pa.int8())})
    pq.write_table(table, review_folder / "test.parquet")
    split = prepare_here(document_workflow(review_folder), store).manifest.splits["test"]
    assert (split.rows, split.empty_rows) == (4, 2)


def test_training_and_validation_share_out_the_training_documents(dataset):
    rows = [*rows_of(dataset.reader("train")), *rows_of(dataset.reader("validation"))]
    expected = [dataset.vocabulary.encode(text) for text in reviews(300)["text"].to_pylist()]
    assert sorted(rows) == sorted(expected)
    assert dataset.manifest.splits["validation"].rows > 30


def test_shards_hold_about_the_same_number_of_tokens(dataset):
    tokens = [shard.tokens for shard in dataset.manifest.splits["train"].shards]
    assert len(tokens) > 2
    assert max(tokens) - min(tokens) < 40


def test_the_manifest_counts_what_is_there(dataset):
    split, reader = dataset.manifest.splits["test"], dataset.reader("test")
    assert (split.rows, split.tokens, split.label_counts) == (reader.rows, reader.tokens, {"negative": 50, "positive": 50})
    assert split.unknown_tokens == sum(row.count(2) for row in rows_of(reader))


def test_the_vocabulary_counts_the_training_text_and_never_the_test(dataset):
    counts = dict(dataset.vocabulary_counts)
    words = " ".join(reviews(300)["text"].to_pylist()).replace("<br />", " ").split()
    assert counts == {word: words.count(word) for word in set(words)}
    assert dataset.manifest.distinct_tokens == len(counts)


def test_the_vocabulary_is_cut_to_the_size_asked_for(review_folder, store):
    small = prepare_here(document_workflow(review_folder, tokenizer={"vocabulary_size": 10}), store)
    assert (small.vocabulary.size, len(small.vocabulary_counts), small.manifest.distinct_tokens > 10) == (10, 7, True)


def test_the_manifest_is_read_back_as_it_was(dataset, store):
    again = open_dataset(store, dataset.manifest.fingerprint).manifest
    assert again == DatasetManifest.from_bytes(dataset.manifest.to_bytes(), "manifest") == dataset.manifest


def test_a_corpus_is_one_stream_without_start_ids(tmp_path, store):
    text = "Supposing that truth\nis a woman,\nwhat then?\n" * 40
    (tmp_path / "corpus.txt").write_text(text, encoding="utf-8")
    corpus = prepare_here(corpus_workflow(tmp_path / "corpus.txt"), store)
    stream = [*corpus.reader("train").span(0, 10**6).tolist(), *corpus.reader("test").span(0, 10**6).tolist()]
    assert "".join(corpus.vocabulary.token(number) for number in stream) == text
    assert "".join(corpus.evaluation_texts()[1]) == text[-len(corpus.reader("test").span(0, 10**6)) :]


def test_the_real_nietzsche_text_has_its_published_figures(shared_data, store):
    corpus = prepare_here(corpus_workflow(shared_data / "nietzsche.txt", test_fraction=0), store)
    stream = corpus.reader("train").span(0, 10**6)
    assert (len(stream), corpus.vocabulary.size) == (600_901, 86)
    assert np.unique(stream).tolist() == list(range(1, 86))  # 0 is the padding, which the text has none of


def test_a_corpus_without_test_text_has_no_evaluation_set(tmp_path, store):
    (tmp_path / "corpus.txt").write_text("abc\n" * 50, encoding="utf-8")
    corpus = prepare_here(corpus_workflow(tmp_path / "corpus.txt", test_fraction=0), store)
    assert (corpus.manifest.evaluation_set, list(corpus.manifest.splits)) == (None, ["train"])
    with pytest.raises(NotFoundError, match=r"has no test split \(data\.test_fraction is 0\)$"):
        corpus.evaluation_texts()


def test_ids_beyond_sixteen_bits_are_stored_wider(tmp_path, store):
    (tmp_path / "corpus.txt").write_text("".join(chr(0x20000 + number) for number in range(70_000)), encoding="utf-8")
    corpus = prepare_here(corpus_workflow(tmp_path / "corpus.txt", test_fraction=0), store)
    assert corpus.reader("train").span(0, 10).dtype == np.int32
    assert len(set(corpus.reader("train").span(0, 70_000).tolist())) == 70_000


def test_a_dataset_that_was_never_committed_is_not_found(store):
    with pytest.raises(NotFoundError) as caught:
        open_dataset(store, "0" * 64)
    assert str(caught.value) == f"no dataset {'0' * 16} in {store.url}. Prepare it with: distrnn prepare WORKFLOW"


def test_a_shard_cut_short_is_noticed(dataset):
    path = next((dataset.store.root / "datasets").rglob("test-00000.arrow"))
    size_bytes = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(IntegrityError) as caught:
        dataset.reader("test")
    assert str(caught.value) == (
        f"{path}: expected {size_bytes} bytes. Received: {size_bytes - 10} bytes. Delete the dataset and prepare it again."
    )


def test_a_shard_of_the_right_size_that_is_none_is_noticed(dataset):
    path = next((dataset.store.root / "datasets").rglob("test-00000.arrow"))
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(IntegrityError, match=r"expected a whole Arrow shard\. Received: .*Delete the dataset"):
        dataset.reader("test")


def test_an_altered_evaluation_set_is_noticed(dataset):
    path = dataset.store.root / dataset.manifest.evaluation_set.file
    path.write_bytes(path.read_bytes().replace(b"film", b"FILM"))
    with pytest.raises(IntegrityError, match=r"expected sha256 [0-9a-f]{64}\. Received: [0-9a-f]{64}\. Delete the dataset"):
        dataset.evaluation_texts()


def test_a_manifest_of_another_version_is_not_read(dataset):
    document = json.loads(dataset.manifest.to_bytes()) | {"schema_version": 1}
    with pytest.raises(IntegrityError, match=r"^m\.json: expected a dataset manifest of schema_version 2\. Received: .*another"):
        DatasetManifest.from_bytes(json.dumps(document).encode(), "m.json")


def test_an_unknown_split_is_not_found(dataset):
    with pytest.raises(NotFoundError, match=r"has no split 'dev'\. Received splits: train, validation, test$"):
        dataset.reader("dev")


def test_the_evaluation_set_is_named_by_its_content(dataset, store):
    evaluation_set = dataset.manifest.evaluation_set
    area = next((store.root / "datasets").glob("*/staging/here")).relative_to(store.root).as_posix() + "/"
    chunks = sorted(int(path.name[:5]) for path in store.root.glob(f"{area}*.texts.arrow"))
    assert write_evaluation_set(chunks, store, area) == evaluation_set
    assert evaluation_set.file == f"evaluation-sets/{evaluation_set.sha256}.arrow"


def test_one_class_only_is_refused(tmp_path, store):
    import pyarrow.parquet as pq

    folder = tmp_path / "one"
    folder.mkdir()
    table = reviews(50)
    pq.write_table(table.filter([label == 1 for label in table["label"].to_pylist()]), folder / "train.parquet")
    pq.write_table(table, folder / "test.parquet")
    with pytest.raises(DataError) as caught:
        prepare_here(document_workflow(folder, validation_fraction=0), store)
    assert str(caught.value) == (
        "imdb: expected documents of negative and positive in split 'train'. Received: 25 documents, all positive. "
        "Add the other class, or raise data.limit."
    )


def test_a_validation_split_without_a_document_is_refused(review_folder, store):
    with pytest.raises(DataError) as caught:
        prepare_here(document_workflow(review_folder, validation_fraction=1e-9), store)
    assert str(caught.value) == (
        "imdb: expected text in split 'validation'. Received: none. Give it more text, or raise data.limit or data.validation_fraction."
    )


def test_text_without_a_token_is_refused(tmp_path, store):
    (tmp_path / "reviews.csv").write_text(
        "review,sentiment\n" + "".join(f"{'.' * n},positive\n{'!' * n},negative\n" for n in range(1, 50)), encoding="utf-8"
    )
    with pytest.raises(DataError, match=r"^imdb: expected at least one word token in the training text\. Received: none\.$"):
        prepare_here(document_workflow(tmp_path / "reviews.csv", test_fraction=0.3), store)
