"""The cache: never a wrong hit, and a miss says what changed."""

import pyarrow.parquet as pq
import pytest

from distrnn.data.fingerprint import differences
from distrnn.data.lookup import lookup
from distrnn.storage import open_store
from fixtures_data import document_workflow, prepare_here, reviews


@pytest.fixture
def store(tmp_path):
    return open_store(str(tmp_path / "storage"))


@pytest.fixture
def prepared(review_folder, store):
    return prepare_here(document_workflow(review_folder), store)


def test_the_first_time_nothing_is_there(review_folder, store):
    found = lookup(document_workflow(review_folder), store)
    assert (found.hit, found.reason) == (False, f"no dataset of imdb has been prepared in {store.url}")


def test_the_second_time_it_is(prepared, review_folder, store):
    found = lookup(document_workflow(review_folder), store)
    assert (found.hit, found.reason, found.fingerprint) == (True, "nothing changed since it was prepared", prepared.manifest.fingerprint)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tokenizer": {"vocabulary_size": 50}}, "tokenizer.vocabulary_size 20000 is now 50"),
        ({"tokenizer": {"case": "keep"}}, 'tokenizer.case "fold" is now "keep"'),
        ({"tokenizer": {"html": "keep"}}, 'tokenizer.html "strip" is now "keep"'),
        ({"validation_fraction": 0.3}, "splits.validation_fraction 0.2 is now 0.3"),
        ({"limit": 50}, "splits.limit null is now 50; splits.seed null is now 0"),
    ],
)
def test_a_changed_key_is_a_miss_that_names_it(prepared, review_folder, store, changes, reason):
    found = lookup(document_workflow(review_folder, **changes), store)
    assert (found.hit, found.reason) == (False, f"compared with dataset {prepared.manifest.fingerprint[:16]}: {reason}")


def test_changed_bytes_are_a_miss(prepared, review_folder, store):
    pq.write_table(reviews(299), review_folder / "train.parquet")
    found = lookup(document_workflow(review_folder), store)
    assert (found.hit, found.reason) == (False, f"compared with dataset {prepared.manifest.fingerprint[:16]}: the source's bytes changed")


def test_how_many_actors_work_changes_nothing(prepared, review_folder, store):
    assert lookup(document_workflow(review_folder, actors=3), store).hit


def test_a_raised_version_of_the_preprocessing_is_a_miss(prepared, review_folder, store, monkeypatch):
    monkeypatch.setattr("distrnn.data.fingerprint.PREPROCESSING_VERSION", 99)
    found = lookup(document_workflow(review_folder), store)
    assert (found.hit, found.reason.partition(": ")[2]) == (False, "preprocessing_version 2 is now 99")


def test_the_nearest_dataset_is_the_one_compared_with(prepared, review_folder, store):
    near = prepare_here(document_workflow(review_folder, tokenizer={"html": "keep", "case": "keep"}), store)
    found = lookup(document_workflow(review_folder, tokenizer={"html": "keep", "case": "keep", "vocabulary_size": 50}), store)
    assert found.reason == f"compared with dataset {near.manifest.fingerprint[:16]}: tokenizer.vocabulary_size 20000 is now 50"


def test_keys_that_are_new_or_gone_are_differences():
    assert differences({"a": {"x": 1}}, {"a": {"y": 2}}) == ["a.x 1 is now null", "a.y null is now 2"]


@pytest.fixture
def table(tmp_path):
    """A CSV of 60 documents with two text and two label columns, none of which equals the other."""
    rows = [f"{'good' if number % 2 else 'bad'} film {number},other {number},{number % 2},{1 - number % 2}" for number in range(60)]
    (tmp_path / "table.csv").write_text("\n".join(["text,body,label,tag", *rows]) + "\n", encoding="utf-8")
    return tmp_path / "table.csv"


OWN_FILES = {"source": "csv", "test_fraction": 0.3}
EVERY_INPUT = {
    "text_column": "body",
    "label_column": "tag",
    "labels": ["positive", "negative"],
    "invalid_utf8": "refuse",
    "duplicates": "exact",
    "test_fraction": 0.4,
    "validation_fraction": 0.3,
    "limit": 40,
    "tokenizer": {"ngrams": 2},
}
EVERY_TOKENIZER = [
    *({"layout": "bag"}, {"buckets": 9}, {"level": "char"}, {"case": "keep"}, {"html": "keep"}, {"vocabulary_size": 9}, {"ngrams": 3}),
]


@pytest.mark.parametrize(
    "changes", [*({key: value} for key, value in EVERY_INPUT.items()), *({"tokenizer": value} for value in EVERY_TOKENIZER)], ids=str
)
def test_every_input_of_a_dataset_is_part_of_its_name(table, store, changes):
    prepared = prepare_here(document_workflow(table, **OWN_FILES), store)
    assert lookup(document_workflow(table, **OWN_FILES), store).hit
    found = lookup(document_workflow(table, **(OWN_FILES | changes)), store)
    assert (found.hit, found.fingerprint != prepared.manifest.fingerprint) == (False, True)
    (key,) = changes
    assert (key if key != "tokenizer" else next(iter(changes["tokenizer"]))) in found.reason


def test_one_changed_byte_of_a_users_file_is_a_miss(table, store):
    prepare_here(document_workflow(table, **OWN_FILES), store)
    table.write_text(table.read_text().replace("good film 7", "good film 8"), encoding="utf-8")
    assert lookup(document_workflow(table, **OWN_FILES), store).reason.endswith("the source's bytes changed")


def test_where_the_files_lie_is_no_part_of_the_name(table, store, tmp_path):
    prepare_here(document_workflow(table, **OWN_FILES), store)
    (tmp_path / "elsewhere").mkdir()
    moved = table.rename(tmp_path / "elsewhere" / table.name)
    assert lookup(document_workflow(moved, actors=7, **OWN_FILES), store).hit


def test_what_one_document_of_a_text_is_decides_the_name(tmp_path, store):
    for label in ("negative", "positive"):
        (tmp_path / "texts" / label).mkdir(parents=True)
        for number in range(20):
            (tmp_path / "texts" / label / f"{number}.txt").write_text(f"{label} {number}\nline two\n\nparagraph {number}\n")
    of_files = {"source": "text", "test_fraction": 0.3}
    prepare_here(document_workflow(tmp_path / "texts", **of_files), store)
    found = lookup(document_workflow(tmp_path / "texts", document="line", **of_files), store)
    assert (found.hit, 'source.document "file" is now "line"' in found.reason) == (False, True)
