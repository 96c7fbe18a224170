"""The rows scan-rnn, numpy-rnn, scan-lstm and numpy-lstm of the results: the lesson's character model, learned twice from the same weights.

    python tests/benchmark/lesson_rows.py [rnn] [lstm] [--sequences N]

Each sequence of eight characters is learned from by itself, in the order of the text, once by a scan with automatic differentiation
(`distrnn.training.scan_lesson`) and once with derivatives by hand (`distrnn.runtime.lesson`). The error of each thousand sequences is
printed, and how far the two are apart at most; both go into `lesson_rows.json` beside this file, and the table is printed.

They compute in float64. With float32 the last of 24 bits are enough, after some thousand sequences, to put a unit with relu on the other
side of 0, and from then on two models learn that are as good as each other and not the same. One epoch takes about four minutes of a core
for the rnn, and fifteen for the lstm.
"""

import argparse
import json
import os
import platform
import time
from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

os.environ["KERAS_BACKEND"] = "tensorflow"

from distrnn.runtime.lesson.network import CELLS, first_weights, learn, windows
from distrnn.training.scan_lesson import STEPS, ScanLearner

RESULTS = Path(__file__).with_name("lesson_rows.json")
DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "nietzsche.txt"
WINDOW, UNITS, SEED, EVERY = 8, 256, 0, 1000
PUBLISHED = "25.2 ► below 15 over one epoch"


def text_ids() -> tuple[np.ndarray, int]:
    """The text as ids by falling frequency from 1, and how many ids there are, the padding zero included."""
    with DATA.open(encoding="utf-8", newline="") as file:
        text = file.read()
    ranks = {c: rank for rank, (c, _) in enumerate(sorted(Counter(text).items(), key=lambda item: (-item[1], item[0])), 1)}
    return np.array([ranks[character] for character in text], np.int32), len(ranks) + 1


def row(cell: str, sequences: int | None) -> dict[str, Any]:
    """One epoch, or the first `sequences` of it, learned by both."""
    ids, characters = text_ids()
    weights = first_weights(CELLS[cell], characters=characters, units=UNITS, seed=SEED, dtype=np.float64)
    scan, errors, seconds, apart = ScanLearner(cell, weights), {"scan": [], "numpy": []}, {"scan": 0.0, "numpy": 0.0}, 0.0
    rest = islice(windows(ids, WINDOW), sequences)
    while part := list(islice(rest, EVERY)):
        started = time.process_time()
        by_scan = scan.learn(*(np.concatenate(side, axis=1).T for side in zip(*part, strict=True)))
        between = time.process_time()
        by_hand = np.array(list(learn(CELLS[cell], weights, part)))
        seconds["scan"] += between - started
        seconds["numpy"] += time.process_time() - between
        apart = max(apart, float((np.abs(by_scan - by_hand) / by_hand).max()))
        if len(part) < EVERY and errors["scan"]:
            break  # the last sequences are not a thousand
        errors["scan"].append(float(by_scan.mean()))
        errors["numpy"].append(float(by_hand.mean()))
        done = WINDOW * EVERY * len(errors["scan"])
        print(
            f"{cell} {done:>7,} characters: scan {errors['scan'][-1]:.4f}, numpy {errors['numpy'][-1]:.4f}, {apart:.1e} apart", flush=True
        )
    return {
        "errors": errors,
        "largest_relative_difference": apart,
        "processor_s": seconds,
        "sequences": sequences or (len(ids) - 1) // WINDOW,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
    }


def table(results: dict[str, Any]) -> list[str]:
    """The rows in Markdown."""
    lines = [
        "| row | figure | published | ours | largest difference, step by step | minutes of a core | date |",
        "|---|---|---|---|---|---|---|",
    ]
    for cell, found in results.items():
        for kind, errors in found["errors"].items():
            ours, apart = f"**{errors[0]:.2f} ► {errors[-1]:.2f}**", f"{found['largest_relative_difference']:.1e}"
            cells = (f"{kind}-{cell}", "error of 1,000 sequences, nats", PUBLISHED, ours, apart, f"{found['processor_s'][kind] / 60:.1f}")
            lines.append(f"| {' | '.join(cells)} | {found['date']} |")
    return lines


def main() -> None:
    """Learn what is asked for, keep the figures, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cells", nargs="*", metavar="CELL", help=", ".join(STEPS))
    parser.add_argument("--sequences", type=int, help="stop after so many; nothing is kept then")
    arguments = parser.parse_args()
    if unknown := set(arguments.cells) - set(STEPS):
        parser.error(f"no such cell: {', '.join(sorted(unknown))}")
    if not DATA.exists():
        parser.error("the real data (../shared/data) is not beside this checkout")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for cell in arguments.cells or STEPS:
        results[cell] = row(cell, arguments.sequences)
        if arguments.sequences is None:
            RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
