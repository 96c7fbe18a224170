"""The results table of the README is what the results file and the workflows say, and nothing else."""

import importlib.util
import json
import sys
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def results(repo_root) -> ModuleType:
    """`tests/benchmark/results.py`."""
    folder = repo_root / "tests/benchmark"
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("results", folder / "results.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["results"] = module  # dataclasses look themselves up
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module


@pytest.fixture
def kept(results) -> dict:
    """What the results file holds."""
    return json.loads(results.RESULTS.read_text(encoding="utf-8"))


def test_readme_shows_the_results_that_are_kept(results, kept):
    text = results.README.read_text(encoding="utf-8")
    shown = text[text.index(results.BEGIN) + len(results.BEGIN) : text.index(results.END)].strip()
    assert shown == "\n".join(results.lines(results.current_results(kept)))


def test_a_result_of_another_workflow_is_not_shown(results):
    row, *_ = results.ROWS
    kept = {f"{row.name}/0": {"workflow": row.digest}, f"{row.name}/1": {"workflow": "00000000"}}
    assert list(results.current_results(kept)) == [f"{row.name}/0"]


def test_results_are_of_rows_that_exist(results, kept):
    assert {key.rpartition("/")[0] for key in kept} <= {row.name for row in results.ROWS}


def test_a_row_that_takes_long_with_what_it_needs_is_run_once(results):
    seeds = {row.name: len(row.seeds(3)) for row in results.ROWS}
    assert [seeds[name] for name in ("nietzsche-writer", "imdb-lm-finetune", "imdb-bigru", "imdb-pseudo-label")] == [1, 1, 3, 3]
