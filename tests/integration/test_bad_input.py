"""What a user gets wrong ends in one clear error, before anything is trained or published."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distrnn.cluster.pipeline import prepare_workflow, run_workflow
from distrnn.errors import AccessError, DataError, DistrnnError, NotFoundError
from distrnn.registry import Registry
from distrnn.runs import RunStore
from distrnn.storage import default_storage, open_store

pytestmark = [
    pytest.mark.usefixtures("local_ray", "fresh_home"),
    pytest.mark.filterwarnings("ignore:`use_:DeprecationWarning"),  # what Ray Train says of Ray Data
]

WORKFLOW = """
name: reviews
data: {source: imdb, path: reviews.csv, test_fraction: 0.3}
model: {type: lstm, sequence_length: 10, embedding_dim: 4, units: 4}
train: {epochs: 1, global_batch_size: 8}
register: {name: reviews}
"""


@pytest.fixture
def workflow(tmp_path: Path) -> Callable[[list[str]], Path]:
    """Write a workflow over a CSV with the given lines."""

    def write(lines: list[str]) -> Path:
        (tmp_path / "reviews.csv").write_text("\n".join(["review,sentiment", *lines]) + "\n")
        (tmp_path / "workflow.yaml").write_text(WORKFLOW)
        return tmp_path / "workflow.yaml"

    return write


def rows(count: int, *sentiments: str) -> list[str]:
    return [f"review number {index} is here,{sentiments[index % len(sentiments)]}" for index in range(count)]


def test_an_empty_dataset_is_told(workflow: Callable[[list[str]], Path]) -> None:
    with pytest.raises(DataError) as caught:
        prepare_workflow(workflow([]))
    assert "reviews.csv" in str(caught.value)


def test_one_class_only_is_told(workflow: Callable[[list[str]], Path]) -> None:
    with pytest.raises(DataError, match="positive"):
        prepare_workflow(workflow(rows(40, "positive")))


def test_missing_data_is_told(workflow: Callable[[list[str]], Path], tmp_path: Path) -> None:
    path = workflow(rows(40, "positive", "negative"))
    (tmp_path / "reviews.csv").unlink()
    with pytest.raises(NotFoundError, match=r"reviews\.csv"):
        prepare_workflow(path)


def test_a_batch_larger_than_the_data_ends_the_run_and_publishes_nothing(workflow: Callable[[list[str]], Path]) -> None:
    with pytest.raises(DataError, match="a batch must not be larger than the data"):
        run_workflow(workflow(rows(60, "positive", "negative")), ["train.global_batch_size=512"], run_id="too-large")
    assert Registry().names() == []
    record = RunStore(open_store(default_storage())).load("too-large")
    assert (record["status"], record["error"].split(":")[0]) == ("failed", "a batch must not be larger than the data")


@pytest.mark.parametrize(
    ("change", "kind"),
    [({"AWS_SECRET_ACCESS_KEY": "wrong"}, AccessError), ({"DISTRNN_REGISTRY": "s3://no-such-bucket/registry"}, NotFoundError)],
)
def test_an_unreachable_registry_is_told_before_training(
    workflow: Callable[[list[str]], Path], rgw_s3: Any, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], kind: type[DistrnnError]
) -> None:
    for name, value in {**rgw_s3.environment, "DISTRNN_REGISTRY": f"{rgw_s3.new_url()}/registry", **change}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(kind):
        run_workflow(workflow(rows(40, "positive", "negative")), run_id="unreachable")
    assert RunStore(open_store(default_storage())).ids() == []
