"""Reach the published results: run each workflow on the real text, keep what came out, and write the README's table.

    python tests/benchmark/results.py [WORKFLOW…] [--seeds N] [--keep FOLDER]

It prints how long everything will take, skips what `results.json` beside it holds already, and writes after every run, so it may be
stopped and started again at any time. An entry holds as long as its workflow, and those of what it needs, say the same: after a change it
is run anew, and until then it is not in the table. With --keep a model that others begin with (an hour for imdb-lm) outlives the call.
Three seeds where a run takes at most fifteen minutes with what it needs, otherwise one; `--seeds 0` writes the table and runs nothing.
The rows that are no workflows (`lesson_rows.py`) come with it. The test split measures and selects nothing.
"""

import argparse
import atexit
import itertools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import lesson_rows
from result_rows import BEFORE_OTHERS, DATA, REPO, ROWS, Row, needs
from result_table import kept_lessons, lines

RESULTS = Path(__file__).with_name("results.json")
README = REPO / "README.md"
REFUSED = 4  # the gate said no; the figures are there all the same
DIVERGED = 8
BEGIN, END = "<!-- results: written by make results -->", "<!-- end of results -->"


def main() -> None:
    """Run what is missing, then write the table."""
    names = sorted({row.workflow for row in ROWS} | {name for rows in lesson_rows.LESSONS.values() for name in rows})
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("workflows", nargs="*", metavar="WORKFLOW", help=", ".join(names))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where models that others begin with stay; default: nowhere")
    arguments = parser.parse_args()
    keep = arguments.keep or Path(tempfile.mkdtemp(prefix="distrnn-results-"))
    if arguments.keep is None:
        atexit.register(shutil.rmtree, keep, ignore_errors=True)
    if unknown := set(arguments.workflows) - set(names):
        parser.error(f"no such workflow: {', '.join(sorted(unknown))}")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    current = current_results(results)
    chosen = [row for row in ROWS if not arguments.workflows or row.workflow in arguments.workflows]
    missing = [(row, seed) for seed in range(arguments.seeds) for row in chosen if seed in row.seeds(arguments.seeds)]
    missing = [(row, seed) for row, seed in missing if f"{row.name}/{seed}" not in current]
    lessons = missing_lessons(arguments.workflows) if arguments.seeds else []
    if (missing or lessons) and not DATA.is_dir():
        parser.error("the real data (../shared/data) is not beside this checkout")
    print(f"{len(missing) + len(lessons)} runs, about {minutes_of_all(missing, lessons):.0f} minutes on two cores", flush=True)
    for row, seed in missing:
        print(f"{row.name}, seed {seed} ...", flush=True)
        results[f"{row.name}/{seed}"] = current[f"{row.name}/{seed}"] = run(row, seed, keep)
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    if lessons:
        subprocess.run([sys.executable, lesson_rows.__file__, *lessons], check=True)
    table = "\n".join(lines(current))
    print(table)
    text = README.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    README.write_text(f"{before}\n{table}\n{after}", encoding="utf-8")


def current_results(results: dict[str, Any]) -> dict[str, Any]:
    """Those whose workflows still say what they said."""
    return {key: found for row in ROWS for key, found in results.items() if key.rpartition("/")[0] == row.name and row.is_current(found)}


def missing_lessons(chosen: list[str]) -> list[str]:
    """What `lesson_rows.py` is to run."""
    done = kept_lessons()
    return [name for name, rows in lesson_rows.LESSONS.items() if name not in done and (not chosen or set(rows) & set(chosen))]


def minutes_of_all(missing: list[tuple[Row, int]], lessons: list[str]) -> float:
    """What is expected, on two cores; what several rows of a seed need runs once."""
    own = sum(row.expected_minutes for row, _ in missing if row not in BEFORE_OTHERS)
    needed = {(one, seed) for row, seed in missing for one in needs(row)}
    return own + sum(row.expected_minutes for row, _ in needed) + sum(lesson_rows.MINUTES[name] for name in lessons)


def run(row: Row, seed: int, keep: Path) -> dict[str, Any]:
    """What the table needs of a run, which comes after the one that it needs."""
    before = home_of(row.before, seed, keep) if row.before else None
    document, minutes = run_once(row, seed, keep) if row in BEFORE_OTHERS else run_apart(row, seed, before)
    validation = [entry for entry in document["history"] if entry["validation_loss"] is not None]
    trained = itertools.accumulate(entry["seconds"] / 60 for entry in document["history"])
    curve = [(round(at, 2), entry["validation_accuracy"]) for at, entry in zip(trained, document["history"], strict=True)]
    best = {
        "validation_accuracy": max((entry["validation_accuracy"] for entry in validation), default=None),
        "validation_loss": min((entry["validation_loss"] for entry in validation), default=None),
    }
    return {
        "workflow": row.digest,
        "metrics": document["metrics"],
        "train_metrics": document["train_metrics"],
        "best": best,
        "curve": [(at, accuracy) for at, accuracy in curve if accuracy is not None],
        "epochs": len(document["history"]),
        "seconds_per_epoch": round(statistics.median(entry["seconds"] for entry in document["history"]), 2)
        if document["history"]
        else None,
        "minutes": round(minutes, 2),
        "minutes_before": round(minutes_before(row, seed, keep), 2),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "versions": {package: metadata.version(package) for package in ("tensorflow", "keras", "ray")},
    }


def run_apart(row: Row, seed: int, before: Path | None) -> tuple[dict[str, Any], float]:
    """The document of a run in a home of its own, and its minutes; `before` is the home of the model that it needs."""
    with tempfile.TemporaryDirectory() as home:
        if before:
            shutil.copytree(before / "registry", Path(home, "registry"))
        started = time.perf_counter()
        document = executed(row, seed, home)
    return document, (time.perf_counter() - started) / 60


def run_once(row: Row, seed: int, keep: Path) -> tuple[dict[str, Any], float]:
    """The document of a run that others need too, and its minutes."""
    home = home_of(row, seed, keep)
    return record_of(home), minutes_of(home)


def home_of(row: Row, seed: int, keep: Path) -> Path:
    """The home that a row's run has published into, after the one that it needs itself; it runs once however many rows need it."""
    home = keep / f"{row.name} {seed} {row.digest}".replace(" ", "-")
    if not list(home.glob("storage/runs/*/report.html")):
        shutil.rmtree(home, ignore_errors=True)
        if row.before:
            shutil.copytree(home_of(row.before, seed, keep) / "registry", home / "registry")
        executed(row, seed, str(home))
    return home


def record_of(home: Path) -> dict[str, Any]:
    """What the one run in a home has left."""
    (record,) = home.glob("storage/runs/*/run.json")
    found: dict[str, Any] = json.loads(record.read_text())
    return found


def minutes_before(row: Row, seed: int, keep: Path) -> float:
    """What all that a row needs took."""
    if row.before is None:
        return 0.0
    return minutes_of(home_of(row.before, seed, keep)) + minutes_before(row.before, seed, keep)


def minutes_of(home: Path) -> float:
    """What the run in a home took, from its start to its report."""
    return sum(record_of(home)["seconds"].values()) / 60


def executed(row: Row, seed: int, home: str) -> dict[str, Any]:
    """The document of a run."""
    command = [sys.executable, "-m", "distrnn", "run", str(REPO / "workflows" / f"{row.workflow}.yaml"), "--json"]
    for key in (f"train.seed={seed}", *row.settings):
        command += ["--set", key]
    env = {name: value for name, value in os.environ.items() if not name.startswith("DISTRNN_")} | {"DISTRNN_HOME": home}
    done = subprocess.run(command, stdout=subprocess.PIPE, env=env, check=False, text=True)
    if done.returncode not in (0, REFUSED, DIVERGED):
        sys.exit(done.returncode)
    found: dict[str, Any] = json.loads(done.stdout)
    return {"metrics": None, "train_metrics": None, "history": []} if done.returncode == DIVERGED else found


if __name__ == "__main__":
    main()
