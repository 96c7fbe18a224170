"""`distrnn tokenize` with a published model and with a workflow whose dataset is prepared."""

import json

import pytest
import yaml

from distrnn import load_model
from distrnn.storage import open_store
from fixtures_data import document_workflow, prepare_here


def test_a_text_becomes_what_the_model_sees(cli, published):
    (document,) = json.loads(cli("tokenize", "reviews", "good zebra<br />", "--json").stdout)
    rules = load_model("reviews", published).preprocessing
    assert document["tokens"] == ["good", "zebra"]
    assert document["ids"] == rules.vocabulary.encode("good zebra")
    assert document["row"] == rules.encode(["good zebra"])[0].tolist()
    assert document["unknown"] == ["zebra"]
    assert document["back"] == "<start> good <unknown>"


def test_vectors_are_the_rows_of_the_embedding(cli, published):
    (document,) = json.loads(cli("tokenize", "reviews", "good", "--embed", "--json").stdout)
    model = load_model("reviews", published)
    assert document["vectors"] == [model.network.embeddings[document["token_ids"][0]].tolist()]


def test_a_person_reads_a_line_a_token(cli, published):
    lines = cli("tokenize", "reviews", "good zebra").stdout.splitlines()
    assert [line.split()[0] for line in lines if line] == ["good", "TOKEN", "good", "zebra", "ids", "row", "unknown", "back"]


@pytest.fixture
def workflow(review_folder, tmp_path):
    document = document_workflow(review_folder).to_json()
    document["storage"] = {"root": str(tmp_path / "storage")}
    file = tmp_path / "reviews.yaml"
    file.write_text(yaml.safe_dump({key: value for key, value in document.items() if value is not None}))
    return file


def test_a_workflow_uses_its_prepared_dataset(cli, workflow, review_folder, tmp_path):
    dataset = prepare_here(document_workflow(review_folder), open_store(str(tmp_path / "storage")))
    (document,) = json.loads(cli("tokenize", str(workflow), "The film was great", "--json").stdout)
    assert document["ids"] == dataset.vocabulary.encode("The film was great")
    assert len(document["row"]) == 10


def test_a_dataset_that_is_not_prepared_says_how_to(cli, workflow):
    done = cli("tokenize", str(workflow), "film")
    assert done.exit_code == 3
    assert done.stderr.splitlines()[-1].endswith(f"Prepare it with: distrnn prepare {workflow}")


def test_vectors_need_a_model(cli, workflow):
    done = cli("tokenize", str(workflow), "film", "--embed")
    message = f"error: --embed needs a published model, whose vectors it shows. Received: the workflow {workflow}"
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (2, message)


def test_settings_need_a_workflow(cli, published):
    done = cli("tokenize", "reviews", "film", "--set", "train.epochs=1")
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (2, "error: --set overrides keys of a workflow. Received: the model reviews")
