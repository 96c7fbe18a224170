"""`distrnn datasets list`, `show`, `verify` and `delete` over datasets in a folder."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from distrnn.cli.datasets_show import show_blocks
from distrnn.cli.output import moment
from distrnn.storage import open_store
from distrnn.workflow import load_workflow
from fixtures_data import corpus_workflow, document_workflow, prepare_here, review

WORKFLOW = {
    "name": "reviews",
    "data": {"source": "imdb", "path": "reviews"},
    "model": {"type": "lstm", "sequence_length": 10},
    "train": {"epochs": 1},
}
LONG = " ".join(f"word{number}" for number in range(40))


@pytest.fixture
def store(cli, tmp_path):
    return open_store(str(tmp_path / "home" / "storage"))


@pytest.fixture
def dataset(store, review_folder):
    return prepare_here(document_workflow(review_folder), store)


@pytest.fixture
def name(dataset):
    return dataset.manifest.fingerprint[:16]


@pytest.fixture
def small(store, tmp_path):
    """Four documents of each split; one of the test split stands in training, another one nearly."""
    folder = tmp_path / "few"
    folder.mkdir()
    train = [LONG, f"{LONG} once more", "one\t<br />two", review(3)]
    test = [LONG, f"{LONG} once again", review(7), review(3)[:20]]
    for split, texts in (("train", train), ("test", test)):
        pq.write_table(pa.table({"text": texts, "label": pa.array([0, 1, 0, 1], pa.int8())}), folder / f"{split}.parquet")
    return prepare_here(document_workflow(folder, validation_fraction=0), store)


def committed(store, name):
    seconds = (store.root / "datasets" / name / "manifest.json").stat().st_mtime
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def test_list_has_a_line_a_dataset(cli, store, dataset, name):
    manifest, size_bytes = dataset.manifest, sum(path.stat().st_size for path in (store.root / "datasets" / name).rglob("*.*"))
    rows = {split: value.rows for split, value in manifest.splits.items()}
    tokens = sum(split.tokens for split in manifest.splits.values())
    moment_ = moment(committed(store, name))
    assert cli("datasets", "list").stdout == (
        f"{'DATASET':<16}  SOURCE  TASK        TRAIN  VALIDATION  TEST  TOKENS  VOCABULARY  {'SIZE':<7}  PREPARED\n"
        f"{name}  imdb    classifier    {rows['train']}  {rows['validation']:>10}   100   {tokens:,}          "
        f"{manifest.vocabulary_size}  {size_bytes / 1000:.1f} kB  {moment_}\n"
    )


def test_list_as_json(cli, store, dataset, name):
    (found,) = json.loads(cli("datasets", "list", "--json").stdout)
    manifest = dataset.manifest
    assert found == {
        "dataset": name,
        "fingerprint": manifest.fingerprint,
        "problem": None,
        "source": "imdb",
        "task": "classifier",
        "rows": {split: value.rows for split, value in manifest.splits.items()},
        "tokens": {split: value.tokens for split, value in manifest.splits.items()},
        "vocabulary_size": manifest.vocabulary_size,
        "size_bytes": sum(path.stat().st_size for path in (store.root / "datasets" / name).rglob("*.*")),
        "prepared_at": committed(store, name),
        "changed_at": found["changed_at"],
    }


def test_no_dataset_yet_says_what_to_do(cli, store):
    done = cli("datasets", "list")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"No dataset in {store.url} yet. Make one with: distrnn prepare WORKFLOW\n"


def test_what_is_of_no_use_is_listed_apart(cli, store):
    store.put("datasets/0123456789abcdef/staging/a1/00000.rows.arrow", b"12345")
    store.put("datasets/1123456789abcdef/manifest.json", b"{")
    written = moment(json.loads(cli("datasets", "list", "--json").stdout)[0]["changed_at"])
    lines = cli("datasets", "list").stdout.splitlines()
    assert lines[:2] == ["of no use, and can be deleted", f"{'DATASET':<16}  {'PROBLEM':<46}  SIZE  LAST WRITTEN"]
    assert lines[2] == f"0123456789abcdef  {'never finished':<46}  5 B   {written}"
    assert lines[3].startswith("1123456789abcdef  damaged, or made by another version of distrnn  1 B ")


def test_show_draws_what_is_in_a_dataset(cli, small):
    manifest = small.manifest
    done = cli("datasets", "show", manifest.fingerprint[:6])
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == SHOWN.format(name=manifest.fingerprint[:16], path=small.path)


SHOWN = """\
dataset     {name}
path        {path}
source      imdb
task        classifier
tokenizer   level word, case fold, html strip, vocabulary_size 20,000, ngrams 1, layout sequence, boundaries no
vocabulary  54 ids for 51 distinct tokens

SPLIT  ROWS  EMPTY  TOKENS  UNKNOWN  TEXT
train     4      0      97  0.00%    604 B
test      4      0     104  13.00%   630 B

Labels
SPLIT  LABEL     DOCUMENTS  SHARE
train  negative          2  50.0%  ██████████
train  positive          2  50.0%  ██████████
test   negative          2  50.0%  ██████████
test   positive          2  50.0%  ██████████

Tokens of a document, train: 3 to 43, median 25, mean 24.2, 95 % at most 42
TOKENS    DOCUMENTS
3                 1  ████████████████████
4                 0
5                 0
6                 0
7 to 8            0
9 to 10           1  ████████████████████
11 to 13          0
14 to 17          0
18 to 21          0
22 to 27          0
28 to 34          0
35 to 43          2  ████████████████████████████████████████

Tokens of a document, test: 6 to 43, median 27, mean 26.0, 95 % at most 42
TOKENS    DOCUMENTS
6                 1  ████████████████████
7                 0
8 to 9            0
10 to 11          0
12 to 13          0
14 to 15          1  ████████████████████
16 to 18          0
19 to 22          0
23 to 26          0
27 to 31          0
32 to 36          0
37 to 43          2  ████████████████████████████████████████

Most frequent in the training text
TOKEN   COUNT  TOKEN   COUNT
bad         2  word16      2
dull        2  word17      2
word0       2  word18      2
word1       2  word19      2
word10      2  word2       2
word11      2  word20      2
word12      2  word21      2
word13      2  word22      2
word14      2  word23      2
word15      2  word24      2

Sample train/0, negative, 41 tokens
text  <start> word0 word1 word2 word3 word4 word5 word6 word7 word8 word9 word10 word11 word12 word13 word14 … and 25 more
ids   1 5 6 17 28 39 40 41 42 43 44 7 8 9 10 11 … and 25 more

Sample train/1, positive, 43 tokens
text  <start> word0 word1 word2 word3 word4 word5 word6 word7 word8 word9 word10 word11 word12 word13 word14 … and 27 more
ids   1 5 6 17 28 39 40 41 42 43 44 7 8 9 10 11 … and 27 more

Sample train/2, negative, 3 tokens
text  <start> one two
ids   1 49 52

Documents that stand in it twice, by their ids (pairs)
WHERE           EXACT  NEAR
train and test      1     2
train               0     1

Leaks: of the test documents 1 stand in training or validation too, and 1 nearly.
To leave such copies out, set data.duplicates to exact or near.

The first 4 of 4 pairs (--leaks N shows N)
KIND   FIRST    SPLIT  SECOND   SPLIT  SIMILARITY
exact  train/0  train  test/0   test         1.00
near   train/0  train  test/1   test         0.95
near   train/1  train  test/1   test         0.95
near   train/0  train  train/1  train        0.95
"""


def test_show_as_json_is_what_is_drawn(cli, small):
    document = json.loads(cli("datasets", "show", small.manifest.fingerprint, "--json").stdout)
    assert document["duplicates"] == {
        "counts": {"exact": {"train and test": 1}, "near": {"train": 1, "train and test": 2}},
        "leaked_test_documents": {"exact": 1, "near": 1},
        "pairs": document["duplicates"]["pairs"],
        "pairs_found": 4,
    }
    assert document["splits"]["train"]["labels"] == {"negative": 2, "positive": 2}
    assert [len(document[key]) for key in ("frequent_tokens", "samples")] == [20, 3]


@pytest.mark.parametrize(("asked", "shown"), [("0", 0), ("2", 2), ("100", 4)])
def test_as_many_pairs_are_listed_as_are_asked_for(cli, small, asked, shown):
    lines = cli("datasets", "show", small.manifest.fingerprint, "--leaks", asked).stdout.splitlines()
    assert sum(line.startswith(("exact ", "near ")) for line in lines) == shown


def test_a_dataset_without_copies_says_so(cli, small):
    document = json.loads(cli("datasets", "show", small.manifest.fingerprint, "--json").stdout)
    document["duplicates"] = {"counts": {"exact": {}, "near": {}}, "pairs": [], "pairs_found": 0}
    assert list(show_blocks(document, 5))[-1] == "No document stands in it twice, neither exactly nor nearly."


def test_a_corpus_has_no_documents_to_compare(cli, store, tmp_path):
    (tmp_path / "corpus.txt").write_text("Supposing that truth\nis a woman\n" * 40, encoding="utf-8")
    corpus = prepare_here(corpus_workflow(tmp_path / "corpus.txt"), store)
    document = json.loads(cli("datasets", "show", corpus.manifest.fingerprint, "--json").stdout)
    assert (document["lengths"], document["duplicates"]) == (None, None)
    shown = cli("datasets", "show", corpus.manifest.fingerprint).stdout
    assert "text  Supposing that t … and" in shown
    assert "' '" in shown
    assert r"'\n'" in shown


def test_hashed_tokens_are_shown_with_their_collisions(cli, store, review_folder):
    hashed = prepare_here(document_workflow(review_folder, tokenizer={"buckets": 5}), store)
    manifest = hashed.manifest
    shown = cli("datasets", "show", manifest.fingerprint).stdout
    share = f"{manifest.collisions / manifest.distinct_tokens:.1%}"
    assert f"collisions  {manifest.collisions} distinct tokens ({share}) share their bucket\n" in shown


def test_a_workflow_names_its_dataset(cli, store, review_folder, tmp_path):
    (tmp_path / "reviews.yaml").write_text(yaml.safe_dump(WORKFLOW), encoding="utf-8")
    setting = "data.tokenizer.vocabulary_size=30"
    missing = cli("datasets", "show", "reviews.yaml", "--set", setting)
    assert (missing.exit_code, missing.stderr) == (
        3,
        f"error: the dataset of reviews.yaml is not prepared (no dataset of imdb has been prepared in {store.url}). "
        "Prepare it with: distrnn prepare reviews.yaml\n",
    )
    dataset = prepare_here(load_workflow("reviews.yaml", [setting]), store)
    document = json.loads(cli("datasets", "show", "reviews.yaml", "--set", setting, "--json").stdout)
    assert document["fingerprint"] == dataset.manifest.fingerprint


def test_settings_belong_to_a_workflow(cli, name):
    done = cli("datasets", "show", name, "--set", "data.limit=3")
    assert (done.exit_code, done.stderr) == (2, f"error: --set overrides keys of a workflow. Received: the dataset {name}\n")


def test_storage_can_be_named(cli, tmp_path, review_folder):
    elsewhere = prepare_here(document_workflow(review_folder), open_store(str(tmp_path / "elsewhere")))
    name = elsewhere.manifest.fingerprint[:16]
    assert cli("datasets", "verify", name).exit_code == 3
    done = cli("datasets", "verify", name, "--storage", tmp_path / "elsewhere")
    assert (done.exit_code, done.stderr) == (0, f"dataset {name} is whole: every file is there and matches its digest.\n")


def test_verify_of_all_says_that_all_is_well(cli, store, dataset):
    done = cli("datasets", "verify")
    assert (done.exit_code, done.stdout, done.stderr) == (
        0,
        "",
        f"{store.url} is whole: every file is there and matches its digest.\n",
    )
    assert cli("datasets", "verify", "--json").stdout == "[]\n"


def test_verify_of_nothing_says_so(cli, store):
    assert cli("datasets", "verify").stderr == f"{store.url} holds no dataset, so there was nothing to read.\n"


def test_verify_names_what_is_wrong_and_exits_5(cli, store, dataset, name):
    shard = dataset.manifest.splits["test"].shards[0].file
    store.delete(f"datasets/{name}/{shard}")
    done = cli("datasets", "verify")
    assert (done.exit_code, done.stdout, done.stderr) == (
        5,
        f"{'DATASET':<16}  PROBLEM   {'FILE':<52}  DETAIL\n{name}  missing   {shard:<52}  there is no such file\n",
        f"error: {store.url} is not whole: 1 finding. Delete what is broken with distrnn datasets delete, and prepare it again.\n",
    )
    assert json.loads(cli("datasets", "verify", name, "--json").stdout) == [
        {"dataset": name, "key": f"datasets/{name}/{shard}", "problem": "missing", "detail": "there is no such file"}
    ]


def test_delete_asks_first(cli, dataset, name):
    done = cli("datasets", "delete", name)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"error: Delete dataset {name} (imdb, 400 rows, ")
    assert done.stderr.endswith(" Nobody is there to answer; say it with --yes.\n")
    assert json.loads(cli("datasets", "list", "--json").stdout)[0]["dataset"] == name


def test_delete_keeps_the_evaluation_set_and_says_so(cli, store, dataset, name):
    held_out = dataset.manifest.evaluation_set.file
    files = len([path for path in (store.root / "datasets" / name).rglob("*") if path.is_file()])
    size_bytes = sum(path.stat().st_size for path in (store.root / "datasets" / name).rglob("*.*"))
    done = cli("datasets", "delete", name[:8], "--yes")
    assert (done.exit_code, done.stdout, done.stderr) == (
        0,
        f"Deleted dataset {name}: {files} files, {size_bytes / 1000:.1f} kB.\n",
        f"Its evaluation set stays, because an alias of the registry may have pinned it: {store.url}/{held_out}\n",
    )
    assert [entry.key for entry in store.list("")] == [held_out]


def test_delete_names_the_datasets_that_share_the_evaluation_set(cli, store, dataset, name, review_folder):
    other = prepare_here(document_workflow(review_folder, tokenizer={"vocabulary_size": 10}), store).manifest
    document = json.loads(cli("datasets", "delete", name, "--yes", "--json").stdout)
    assert (document["dataset"], document["kept"], document["kept_for"]) == (name, other.evaluation_set.file, [other.fingerprint[:16]])


def test_what_was_never_finished_can_be_deleted(cli, store):
    store.put("datasets/0123456789abcdef/staging/a1/00000.rows.arrow", b"12345")
    done = cli("datasets", "delete", "0123", "--yes")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "Deleted dataset 0123456789abcdef: 1 file, 5 B.\n", "")
    assert cli("datasets", "delete", "0123", "--yes").exit_code == 3


def test_list_and_delete_load_no_arrow(cli, store, dataset, name):
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom distrnn.cli.main import app\n"
        f"lines = ['datasets list', 'datasets delete {name} --yes']\n"
        "print([CliRunner().invoke(app, line.split()).exit_code for line in lines])\n"
        "print(sorted({'numpy', 's3fs', 'ray', 'keras', 'pyarrow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[0, 0]\n[]\n"
