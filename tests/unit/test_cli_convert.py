"""`convert` over a registry in a folder: what it writes, and what it refuses. What TensorFlow is needed for is tested where it is."""

import json

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn import load_model
from distrnn.client import load_folder
from distrnn.conversion.checks import outputs_apart, vectors_apart
from distrnn.data.vector_text import write_vectors
from distrnn.errors import IntegrityError


def test_npz_is_a_folder_that_loads(cli, published, tmp_path):
    done = cli("convert", "reviews@v2", "--to", "npz", "--dest", "out", "--json")
    document = json.loads(done.stdout)
    assert (document["form"], document["version"]["number"], document["largest_difference"]) == ("npz", 2, 0.0)
    expected = load_model("reviews@v2", published).predict(["a good film"])
    assert load_folder(tmp_path / "out").predict(["a good film"]) == expected


@pytest.mark.parametrize("reference", ["reviews", "text"])
def test_onnx_is_checked_and_comes_with_its_preprocessing(cli, published, tmp_path, reference):
    document = json.loads(cli("convert", reference, "--to", "onnx", "--json").stdout)
    assert 0.0 <= document["largest_difference"] < 1e-6
    number = document["version"]["number"]
    folder = tmp_path / f"{reference}-v{number}-onnx"
    assert document["path"] == str(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["model.onnx", "preprocessing.json"]
    assert [path.name for path in tmp_path.iterdir() if "convert" in path.name] == []


def test_onnx_of_a_classifier_takes_rows_of_ids(cli, published, tmp_path):
    cli("convert", "reviews", "--to", "onnx", "--dest", "out")
    model = load_model("reviews", published)
    rows = model.preprocessing.encode(["a good film", "bad"])
    found = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx").run(None, {"tokens": rows.astype(np.int64)})[0]
    np.testing.assert_allclose(found[:, 0], model.predict(["a good film", "bad"]), atol=1e-6)


def test_word2vec_is_the_vectors_of_the_words(cli, published, tmp_path):
    cli("convert", "reviews", "--to", "word2vec", "--dest", "out")
    first, *lines = (tmp_path / "out" / "vectors.txt").read_text(encoding="utf-8").splitlines()
    model = load_model("reviews", published)
    assert first == f"{len(lines)} {model.network.embeddings.shape[1]}"
    assert [line.split()[0] for line in lines] == list(model.preprocessing.vocabulary.tokens)
    found = np.array([line.split()[1:] for line in lines], np.float32)
    np.testing.assert_array_equal(found, model.network.embeddings[3:])


@pytest.mark.parametrize(("form", "what"), [("onnx", "probabilities"), ("npz", "outputs"), ("word2vec", "vectors")])
def test_convert_as_text_says_how_close_it_is(cli, published, form, what):
    lines = dict(line.split(maxsplit=1) for line in cli("convert", "reviews", "--to", form, "--dest", "out").stdout.splitlines())
    assert lines["form"] == form
    found, _, rest = lines["checked"].partition(" ")
    assert (float(found) < 1e-6, rest) == (True, f"at most from the model's own {what}")


def test_an_npz_that_says_something_else_is_refused(published):
    model, other = load_model("reviews@v1", published), published.pull("reviews@v2")
    message = r"^weights\.npz: expected outputs within 1e-06 of the model's own\. Received: 0\.\d+ apart\.$"
    with pytest.raises(IntegrityError, match=message):
        outputs_apart(model, other)


@pytest.mark.parametrize(
    ("words", "matrix", "received"),
    [
        (["good", "bad"], [[1, 0.1], [3, 4.0000005]], "expected 'bad' with the model's own numbers. Received: 'bad' with others."),
        (["good", "film"], [[1, 0.1], [3, 4]], "expected 'film'. Received: 'bad'."),
        (["good"], [[1, 0.1]], "expected no more words. Received: 'bad'."),
        (["good", "bad", "film"], [[1, 0.1], [3, 4], [5, 6]], "expected 'film'. Received: no more words."),
    ],
)
def test_vectors_that_are_others_when_they_are_read_back_are_refused(tmp_path, words, matrix, received):
    write_vectors(tmp_path / "vectors.txt", ["good", "bad"], np.array([[1, 0.1], [3, 4]], np.float32))
    with pytest.raises(IntegrityError) as caught:
        vectors_apart(tmp_path / "vectors.txt", words, np.array(matrix, np.float32))
    assert str(caught.value) == f"vectors.txt: {received}"


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 1000))
def test_vectors_come_back_as_they_were(tmp_path_factory, count, dimension, seed):
    file = tmp_path_factory.mktemp("vectors") / "vectors.txt"
    bits = np.random.default_rng(seed).integers(0, 1 << 32, (count, dimension), dtype=np.uint32)
    matrix = np.nan_to_num(bits.view(np.float32), nan=1.0, posinf=2.0, neginf=3.0)
    words = [f"w{number}" for number in range(count)]
    write_vectors(file, words, matrix)
    assert vectors_apart(file, words, matrix) == 0.0


def test_an_empty_folder_is_filled_and_another_one_is_left_alone(cli, published, tmp_path):
    (tmp_path / "out").mkdir()
    assert cli("convert", "reviews", "--to", "onnx", "--dest", "out").exit_code == 0
    done = cli("convert", "reviews", "--to", "onnx", "--dest", "out")
    message = "error: --dest must be a folder that is not there, or is empty. Received: 'out'"
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (2, message)


def test_a_form_nobody_knows(cli, published):
    done = cli("convert", "reviews", "--to", "pickle")
    assert done.exit_code == 2
    assert "'pickle' is not one of 'saved-model', 'onnx', 'npz', 'word2vec'" in done.stderr


def test_a_missing_extra_is_named(cli, published, monkeypatch):
    monkeypatch.setattr("distrnn.cli.extras.find_spec", lambda name: None if name.startswith("onnx") else name)
    done = cli("convert", "reviews", "--to", "onnx")
    message = (
        "error: distrnn convert --to onnx needs packages that are not installed: onnx, onnxruntime. "
        "Install them with: pip install 'distrnn[export]'"
    )
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (1, message)
