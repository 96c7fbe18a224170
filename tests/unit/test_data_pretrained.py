"""The file of vectors that a workflow names: whether it fits, which one it is, and what it covers."""

import hashlib

import pytest

from distrnn.data.pretrained import check_vectors, coverage_to_json, digest_of, read_vectors
from distrnn.errors import DataError, NotFoundError, WorkflowError
from distrnn.storage import open_store
from distrnn.workflow import LoadedWorkflow, load_workflow
from fixtures_data import document_workflow, prepare_here

LINES = "film 1 2 3\ngood 4 5 6\nzebra 7 8 9\n"


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text(LINES)
    return path


def workflow(folder, path, **model):
    loaded = document_workflow(folder)
    section = {"path": str(path)}
    changed = loaded.workflow.model.model_validate({**loaded.to_json()["model"], "embedding_dim": 3, "pretrained": section, **model})
    return LoadedWorkflow(loaded.workflow.model_copy(update={"model": changed}), "w.yaml")


def test_the_embedding_is_as_wide_as_the_vectors(review_folder, vectors):
    check_vectors(workflow(review_folder, vectors).workflow)
    check_vectors(document_workflow(review_folder).workflow)


@pytest.mark.parametrize(("given", "received"), [(4, "4"), (None, "128, the default")])
def test_another_width_is_refused(review_folder, vectors, given, received):
    with pytest.raises(WorkflowError) as caught:
        check_vectors(workflow(review_folder, vectors, embedding_dim=given).workflow)
    assert str(caught.value) == (f"key 'model.embedding_dim': expected 3, the length of the vectors in {vectors}. Received: {received}")


def test_a_missing_file_is_found_out_at_once(review_folder, tmp_path):
    with pytest.raises(NotFoundError) as caught:
        check_vectors(workflow(review_folder, tmp_path / "none.txt").workflow)
    assert str(caught.value).startswith(f"no file {tmp_path / 'none.txt'}.")


def test_a_file_is_known_by_its_digest(review_folder, vectors):
    assert digest_of(workflow(review_folder, vectors).workflow) == hashlib.sha256(LINES.encode()).hexdigest()
    assert digest_of(document_workflow(review_folder).workflow) is None


def test_words_of_the_vocabulary_find_their_vectors(review_folder, vectors, tmp_path):
    loaded = workflow(review_folder, vectors)
    dataset = prepare_here(loaded, open_store(str(tmp_path / "storage")))
    found = read_vectors(loaded.workflow, dataset)
    row = dataset.vocabulary.encode("good")[-1]
    assert found.matrix[row].tolist() == [4, 5, 6]
    assert found.known.sum() == 2
    assert not found.matrix[~found.known].any()
    told = coverage_to_json(found.coverage)
    assert (told["found"], told["file_words"]) == (2, 3)
    assert 0 < told["running_share"] < 1


def test_another_file_than_the_one_a_run_began_with_is_refused(review_folder, vectors, tmp_path):
    loaded = workflow(review_folder, vectors)
    dataset = prepare_here(loaded, open_store(str(tmp_path / "storage")))
    began = digest_of(loaded.workflow)
    vectors.write_text(LINES.replace("9", "8"))
    with pytest.raises(DataError) as caught:
        read_vectors(loaded.workflow, dataset, began)
    now = hashlib.sha256(vectors.read_bytes()).hexdigest()
    assert str(caught.value) == (
        f"{vectors}: expected the vectors that this run began with (sha256 {began[:12]}). Received: sha256 {now[:12]}. "
        "Bring the file back, or start a new run."
    )


def test_paths_are_seen_from_the_file_and_from_here(tmp_path, monkeypatch):
    folder = tmp_path / "workflows"
    folder.mkdir()
    text = "name: w\ndata: {source: imdb}\ntrain: {epochs: 1}\n"
    model = "model: {type: lstm, sequence_length: 10, pretrained: {path: v.txt}}\n"
    (folder / "w.yaml").write_text(text + model)
    monkeypatch.chdir(tmp_path)

    def path(*settings):
        return load_workflow(folder / "w.yaml", settings).workflow.model.pretrained.path

    assert path() == str(folder / "v.txt")
    assert path("model.pretrained.path=x.txt") == str(tmp_path / "x.txt")
    assert path("model.pretrained={path: y.txt}") == str(tmp_path / "y.txt")
    assert path("model={type: gru, sequence_length: 5, pretrained: {path: z.txt}}") == str(tmp_path / "z.txt")
