"""The picture of the registry's page in the README, taken anew of what `make demo` has published:

    BENCH_README=1 .venv/bin/python -m pytest -m bench -s tests/benchmark/test_pictures.py

BENCH_REGISTRY names another folder that has quickstart-reviews@production. Without BENCH_README=1 the picture lands in a temporary folder.
"""

import os
from pathlib import Path

import pytest

from benchmark import tables
from distrnn import Registry

pytestmark = pytest.mark.bench

MODEL = "quickstart-reviews@production"
TEXT = "At first it was dreadful, but in the end it was wonderful."
SIZE = (1200, 1400)


def test_page_of_a_version(repo_root, serving, browser, tmp_path):
    place = Path(os.environ.get("BENCH_REGISTRY", repo_root / ".demo/registry"))
    if not place.is_dir():
        pytest.skip(f"there is no registry in {place}; make demo publishes one")
    version, window = Registry(place).resolve(MODEL), browser()
    service = serving(str(place), "--public-url", "http://127.0.0.1:8080")
    window.size(*SIZE)
    window.open(f"{service.url}/models/{version.name}/v{version.number}")
    window.type("textarea", TEXT)
    window.follow("#try button")
    window.script("document.activeElement.blur(), scrollTo(0, 0)")
    picture = (repo_root / "infra/pictures" if os.environ.get(tables.WRITE) == "1" else tmp_path) / "registry-page.png"
    window.picture(picture)
    print(f"\n{picture}: {version}, {picture.stat().st_size:,} bytes")
    assert window.text(".answer strong") in ("negative", "positive")
