"""Few labels, by the command line: vectors of a file, a subset, a teacher's answers; the version says where all of it comes from."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distrnn.data.sources import synthetic
from fixtures_client import result_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

TEACHER = """
name: teacher
data: {source: synthetic-reviews, limit: 1500, tokenizer: {layout: bag}}
model: {type: bag, sequence_length: 60, units: 8}
train: {epochs: 6, global_batch_size: 32, optimizer: {learning_rate: 0.01}}
scaling: {device: cpu}
register: {name: teacher}
"""
STUDENT = """
name: student
data: {source: synthetic-reviews, limit: 1500, train_limit: 200, validation_limit: 100}
model: {type: mlp, sequence_length: 40, embedding_dim: 4, units: 8, pretrained: {path: vectors.txt}, regularizers: {kernel: {l2: 0.0001}}}
train:
  epochs: 3
  global_batch_size: 32
  optimizer: {learning_rate: 0.01}
  pseudo_labels: {teacher: teacher, path: more.parquet, rows: 8, threshold: 0.6, soft: true}
scaling: {device: cpu, replicas_per_worker: 2}
register: {name: student}
"""
FILM = "film 0.1 0.2 0.3 0.4\nthe 0.4 0.3 0.2 0.1\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both workflows, vectors, and documents without labels."""
    folder = tmp_path_factory.mktemp("few-labels")
    (folder / "teacher.yaml").write_text(TEACHER)
    (folder / "student.yaml").write_text(STUDENT)
    (folder / "vectors.txt").write_text(FILM)
    texts = [synthetic.document(index, "train", 7)[0] for index in range(300)]
    pq.write_table(pa.table({"text": texts}), folder / "more.parquet")
    return folder


@pytest.fixture(scope="module")
def student(folder: Path, distrnn_command: Callable[..., Any]) -> dict[str, Any]:
    home = {"DISTRNN_HOME": str(folder / "home")}
    result_of(distrnn_command("run", str(folder / "teacher.yaml"), "--json", env=home))
    return result_of(distrnn_command("run", str(folder / "student.yaml"), "--run-id", "mine", "--json", env=home))


def test_the_version_says_what_it_learned_from(student: dict[str, Any], folder: Path) -> None:
    manifest = json.loads((folder / "home/registry/student/versions/0000000001.json").read_text())
    lineage = manifest["metadata"]["lineage"]
    assert lineage["vectors"] == hashlib.sha256(FILM.encode()).hexdigest()
    origin = lineage["pseudo_labels"]
    teacher = folder / "home/registry/teacher/versions/0000000001.json"
    assert origin["teacher"] == {"name": "teacher", "number": 1, "digest": f"sha256:{hashlib.sha256(teacher.read_bytes()).hexdigest()}"}
    assert (origin["documents"], origin["threshold"], origin["soft"]) == (300, 0.6, True)
    assert origin["accepted_share"] == origin["accepted"] / 300
    assert origin["used"] == origin["accepted"] - origin["copies_left_out"] == sum(origin["labels"].values()) > 0


def test_the_report_tells_it_too(student: dict[str, Any]) -> None:
    page = Path(student["report"]).read_text(encoding="utf-8")
    assert all(heading in page for heading in ("<h2>Pre-trained vectors</h2>", "<h2>Pseudo-labels</h2>"))
    assert '<th scope="row">train</th><td class="n">200</td>' in page
    assert '<th scope="row">validation</th><td class="n">100</td>' in page


def test_an_epoch_is_one_pass_over_the_labelled_documents(student: dict[str, Any]) -> None:
    assert [entry["steps"] for entry in student["history"]] == [7, 7, 7]
    assert student["seconds"]["label"] > 0


def test_a_run_that_was_stopped_goes_on_with_no_other_vectors(
    student: dict[str, Any], folder: Path, distrnn_command: Callable[..., Any]
) -> None:
    home, run = {"DISTRNN_HOME": str(folder / "home")}, folder / "home/storage/runs/mine/run.json"
    run.write_text(json.dumps({**json.loads(run.read_text()), "status": "interrupted"}))
    (folder / "vectors.txt").write_text(FILM.replace("0.4\n", "0.5\n"))
    done = distrnn_command("run", str(folder / "student.yaml"), "--resume", "mine", "--json", env=home)
    began, now = (hashlib.sha256(text.encode()).hexdigest()[:12] for text in (FILM, (folder / "vectors.txt").read_text()))
    assert json.loads(done.stdout)["message"] == (
        f"{folder / 'vectors.txt'}: expected the vectors that this run began with (sha256 {began}). Received: sha256 {now}. "
        "Bring the file back, or start a new run."
    )
