"""A `.keras` archive says what the model is, not when or where in memory it was saved."""

import json
import zipfile

import pytest

from distrnn.training.archive import make_reproducible


@pytest.fixture
def archive(tmp_path):
    def write(name, *, saved, addresses, weights=b"weights" * 1000):
        layers = [{"config": {"units": 3, "init": {"shared_object_id": address}}} for address in addresses]
        with zipfile.ZipFile(tmp_path / name, "w") as file:
            file.writestr("metadata.json", json.dumps({"keras_version": "3.15.1", "date_saved": saved}))
            file.writestr("config.json", json.dumps({"shared_object_id": addresses[0], "layers": layers}))
            file.writestr(zipfile.ZipInfo("model.weights.h5", (2026, 11, 24, 13, int(saved), 0)), weights)
        make_reproducible(tmp_path / name)
        return tmp_path / name

    return write


def test_two_archives_of_one_model_are_the_same_bytes(archive):
    one = archive("one.keras", saved="14", addresses=[140219909587664, 140219904444304, 140219909587664])
    other = archive("other.keras", saved="15", addresses=[139870853524880, 139870848338960, 139870853524880])
    assert one.read_bytes() == other.read_bytes()


def test_objects_that_are_shared_stay_shared(archive):
    with zipfile.ZipFile(archive("one.keras", saved="14", addresses=[70, 50, 70])) as file:
        config = json.loads(file.read("config.json"))
        assert json.loads(file.read("metadata.json")) == {"keras_version": "3.15.1"}
        assert file.read("model.weights.h5") == b"weights" * 1000
    shared = [config["shared_object_id"], *(layer["config"]["init"]["shared_object_id"] for layer in config["layers"])]
    assert shared == [0, 0, 1, 0]


def test_other_models_stay_other(archive):
    one = archive("one.keras", saved="14", addresses=[70, 50])
    assert one.read_bytes() != archive("other.keras", saved="14", addresses=[70, 70]).read_bytes()
    assert one.read_bytes() != archive("third.keras", saved="14", addresses=[70, 50], weights=b"w" * 7000).read_bytes()


def test_nothing_is_left_beside_it(archive, tmp_path):
    archive("one.keras", saved="14", addresses=[1])
    assert [path.name for path in tmp_path.iterdir()] == ["one.keras"]
