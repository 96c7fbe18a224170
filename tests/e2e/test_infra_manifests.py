"""What `distrnn schedule manifests` writes holds for the same schemas as the manifests in infra/kubernetes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from infra_schemas import complaints


@pytest.mark.parametrize("form", ["kuberay", "cronjob"])
def test_manifests_hold_for_the_schemas(repo_root: Path, tmp_path: Path, form: str) -> None:
    words = [
        "schedule",
        "manifests",
        str(repo_root / "workflows/imdb-lstm-weekly.yaml"),
        "--format",
        form,
        "--registry",
        "s3://bucket/models",
    ]
    words += ["--set", "data.source=parquet", "--set", "data.path=s3://bucket/imdb", "--set", "storage.root=s3://bucket/distrnn", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "distrnn", *words], env=os.environ, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    documents = json.loads(done.stdout)
    inner = [yaml.safe_load(text) for one in documents for key, text in one.get("data", {}).items() if key == "rayjob.yaml"]
    assert [complaint for one in [*documents, *inner] for complaint in complaints(one)] == []
    assert {"kuberay": "RayCronJob", "cronjob": "CronJob"}[form] in {one["kind"] for one in documents}
