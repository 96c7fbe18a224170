"""`pull` from a registry in a folder."""

import json
from pathlib import Path


def test_pull_prints_the_folder_and_tells_what_it_is(cli, published, short):
    done = cli("pull", "reviews@production")
    assert (done.exit_code, done.stderr) == (0, f"reviews@production is reviews@v1 ({short('reviews@v1')})\n")
    assert (Path(done.stdout.strip()) / "numpy" / "model.json").is_file()


def test_pull_fills_a_folder(cli, published, tmp_path):
    document = json.loads(cli("pull", "text", "--for", "all", "--dest", "here", "--json").stdout)
    version = published.resolve("text")
    assert document == {
        "reference": "text",
        "name": "text",
        "number": 1,
        "digest": version.digest,
        "form": "all",
        "path": str(tmp_path / "here"),
    }
    assert (tmp_path / "here" / "preprocessing.json").is_file()


def test_pull_offline_uses_what_was_pulled_before(cli, published, tmp_path):
    assert cli("pull", "reviews@production", "--offline").exit_code == 3
    online = cli("pull", "reviews@production").stdout
    (tmp_path / "home" / "registry").rename(tmp_path / "home" / "away")
    assert cli("pull", "reviews@production", "--offline").stdout == online


def test_registry_can_be_named(cli, published, tmp_path):
    (tmp_path / "home" / "registry").rename(tmp_path / "elsewhere")
    assert cli("pull", "text").exit_code == 3
    assert cli("pull", "text", "--registry", tmp_path / "elsewhere").exit_code == 0


def test_signature_can_be_required(cli, published, key_files):
    refused = cli("pull", "reviews@v1", "--require-signature", key_files.public)
    assert (refused.exit_code, refused.stdout) == (5, "")
    assert cli("models", "sign", "reviews@v1", "--key", key_files.private).exit_code == 0
    done = cli("pull", "reviews@v1", "--require-signature", key_files.public)
    assert (done.exit_code, Path(done.stdout.strip()).is_dir()) == (0, True)
    assert cli("pull", "reviews@v1", "--require-signature", key_files.other).exit_code == 5
