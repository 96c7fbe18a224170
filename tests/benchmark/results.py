"""Reach the published results: run each workflow on the real text, keep what came out, and write the README's table.

    python tests/benchmark/results.py [WORKFLOW…] [--seeds N]

It prints how long everything will take, skips what `results.json` beside it holds already, and writes after every run, so it may be
stopped and started again at any time. Delete an entry of `results.json` to run it anew. The test split measures and selects nothing.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
DATA = REPO.parent / "shared" / "data"
RESULTS = Path(__file__).with_name("results.json")
README = REPO / "README.md"
REFUSED = 4  # the gate said no; the figures are there all the same
BEGIN, END = "<!-- results: written by make results -->", "<!-- end of results -->"


@dataclass(frozen=True)
class Published:
    """A published figure and where ours is found in the document of `run --json`."""

    workflow: str
    data: str
    figure: str
    group: str
    metric: str
    published: str
    source: str
    expected_minutes: float


SYSTEMS = (
    Published(
        "imdb-lstm", "imdb", "test accuracy", "metrics", "accuracy", "0.81", "plain Keras after 15 epochs of the LSTM lesson, overfitted", 5
    ),
    Published(
        "nietzsche-lstm", "nietzsche.txt", "training loss, nats", "train_metrics", "loss", "1.6881", "the lesson's notebook, 12 epochs", 5
    ),
)


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("workflows", nargs="*", metavar="WORKFLOW", help=", ".join(system.workflow for system in SYSTEMS))
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    if unknown := set(arguments.workflows) - {system.workflow for system in SYSTEMS}:
        parser.error(f"no such workflow: {', '.join(sorted(unknown))}")
    if not DATA.is_dir():
        parser.error("the real data (../shared/data) is not beside this checkout")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    chosen = [system for system in SYSTEMS if not arguments.workflows or system.workflow in arguments.workflows]
    missing = [(system, seed) for system in chosen for seed in range(arguments.seeds) if f"{system.workflow}/{seed}" not in results]
    print(f"{len(missing)} runs, about {sum(system.expected_minutes for system, _ in missing):.0f} minutes on two cores", flush=True)
    for system, seed in missing:
        print(f"{system.workflow}, seed {seed} ...", flush=True)
        results[f"{system.workflow}/{seed}"] = run(system, seed)
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    table = "\n".join(rows(results))
    print(table)
    text = README.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    README.write_text(f"{before}\n{table}\n{after}", encoding="utf-8")


def run(system: Published, seed: int) -> dict[str, Any]:
    """One run in a home of its own; what the table needs of it."""
    command = [sys.executable, "-m", "distrnn", "run", str(REPO / "workflows" / f"{system.workflow}.yaml"), "--json"]
    command += ["--set", f"data.path={DATA / system.data}", "--set", f"train.seed={seed}"]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        env = {name: value for name, value in os.environ.items() if not name.startswith("DISTRNN_")} | {"DISTRNN_HOME": home}
        done = subprocess.run(command, stdout=subprocess.PIPE, env=env, check=False, text=True)
    if done.returncode not in (0, REFUSED):
        sys.exit(done.returncode)
    document = json.loads(done.stdout)
    return {
        "metrics": document["metrics"],
        "train_metrics": document["train_metrics"],
        "epochs": len(document["history"]),
        "minutes": round((time.perf_counter() - started) / 60, 2),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "versions": {package: metadata.version(package) for package in ("tensorflow", "keras", "ray")},
    }


def rows(results: dict[str, Any]) -> list[str]:
    """The table in Markdown."""
    lines = ["| workflow | figure | published | ours | seeds | epochs | minutes | date |", "|---|---|---|---|---|---|---|---|"]
    for system in SYSTEMS:
        found = [result for key, result in sorted(results.items()) if key.split("/")[0] == system.workflow]
        if not found:
            continue
        values = [result[system.group][system.metric] for result in found]
        ours = f"{statistics.mean(values):.4f}" + (f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else "")
        minutes = statistics.mean(result["minutes"] for result in found)
        epochs = ", ".join(str(result["epochs"]) for result in found)
        link = f"[{system.workflow}](workflows/{system.workflow}.yaml)"
        date = max(result["date"] for result in found)
        published = f"{system.published} ({system.source})"
        lines.append(f"| {link} | {system.figure} | {published} | **{ours}** | {len(found)} | {epochs} | {minutes:.1f} | {date} |")
    one = next(iter(results.values()), None)
    if one:
        versions = ", ".join(f"{name} {version}" for name, version in one["versions"].items())
        lines += ["", f"Mean ± standard deviation over the seeds; minutes from the command to its exit. {one['machine']}, {versions}."]
    return lines


if __name__ == "__main__":
    main()
