"""What is wrong with a user's files ends in one clear error through the whole preparation, or in a finished dataset."""

import gzip
import json

import pytest

from distrnn.cluster.pipeline import prepare_workflow
from distrnn.data.dataset import find_dataset
from distrnn.errors import DataError
from distrnn.storage import default_storage, open_store

pytestmark = [pytest.mark.usefixtures("local_ray", "fresh_home")]

WORKFLOW = """
name: reviews
data: {{source: {source}, path: {path}, test_fraction: 0.3{more}}}
model: {{type: lstm, sequence_length: 10, embedding_dim: 4, units: 4}}
train: {{epochs: 1, global_batch_size: 8}}
"""
ROWS = [{"text": f"review number {index} is here", "label": index % 2} for index in range(40)]


@pytest.fixture
def workflow(tmp_path):
    def write(name, body, source="jsonl", more=""):
        (tmp_path / name).write_bytes(body)
        (tmp_path / "workflow.yaml").write_text(WORKFLOW.format(source=source, path=name, more=more))
        return tmp_path / "workflow.yaml"

    return write


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def refusal(path):
    with pytest.raises(DataError) as caught:
        prepare_workflow(path)
    store = open_store(default_storage())
    assert [name for name in store.folders("datasets/") if find_dataset(store, name)] == []
    return str(caught.value)


def test_a_truncated_file_is_told(workflow, tmp_path):
    message = refusal(workflow("x.jsonl.gz", gzip.compress(lines(ROWS))[:-9]))
    assert message == f"{tmp_path}/x.jsonl.gz: expected a whole gzip file. Received: Truncated compressed stream. Copy or write it again."


def test_a_label_outside_the_mapping_is_told_by_the_actor_that_met_it(workflow, tmp_path):
    message = refusal(workflow("x.jsonl", lines([*ROWS, {"text": "a", "label": "mixed"}])))
    assert message == (
        f"{tmp_path}/x.jsonl, column 'label': expected labels 0 and 1, or negative and positive. Received: 'mixed' in row 41. "
        "Correct the row, or data.labels."
    )


def test_empty_documents_are_rows(workflow):
    empty = [{"text": "", "label": index % 2} for index in range(4)]
    prepare_workflow(workflow("x.jsonl", lines([*ROWS, *empty])))
    store = open_store(default_storage())
    (prepared,) = (find_dataset(store, name) for name in store.folders("datasets/"))
    assert sum(split.rows for split in prepared.manifest.splits.values()) == 44
