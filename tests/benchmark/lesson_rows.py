"""The rows of the results that are no workflows: scan-rnn, numpy-rnn, scan-lstm and numpy-lstm, the lesson's character model learned twice
from the same weights; ratings-dot, what an embedding is, on a made table of ratings.

    python tests/benchmark/lesson_rows.py [rnn] [lstm] [ratings] [--sequences N]

Each sequence of eight characters is learned from by itself, in the order of the text, once by a scan with automatic differentiation
(`distrnn.training.scan_lesson`) and once with derivatives by hand (`distrnn.runtime.lesson`). The error of each thousand sequences is
printed, and how far the two are apart at most; both go into `lesson_rows.json` beside this file, and the table is printed.

They compute in float64. With float32 the last of 24 bits are enough, after some thousand sequences, to put a unit with relu on the other
side of 0, and from then on two models learn that are as good as each other and not the same. One epoch takes about four minutes of a core
for the rnn, and fifteen for the lstm; the ratings take a second.
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

from distrnn.runtime.lesson import ratings as lesson
from distrnn.runtime.lesson.network import CELLS, first_weights, learn, windows

RESULTS = Path(__file__).with_name("lesson_rows.json")
DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "nietzsche.txt"
WINDOW, UNITS, SEED, EVERY = 8, 256, 0, 1000
PUBLISHED = "25.2 ► below 15 over one epoch"
LESSONS = {"rnn": ("scan-rnn", "numpy-rnn"), "lstm": ("scan-lstm", "numpy-lstm"), "ratings": ("ratings-dot",)}
MINUTES = {"rnn": 4, "lstm": 15, "ratings": 0}
USERS, ITEMS, FEATURES, PASSES, RATE, SEEDS = 15, 15, 5, 40, 0.01, (0, 1, 2)


def text_ids() -> tuple[np.ndarray, int]:
    """The text as ids by falling frequency from 1, and how many ids there are, the padding zero included."""
    with DATA.open(encoding="utf-8", newline="") as file:
        text = file.read()
    ranks = {c: rank for rank, (c, _) in enumerate(sorted(Counter(text).items(), key=lambda item: (-item[1], item[0])), 1)}
    return np.array([ranks[character] for character in text], np.int32), len(ranks) + 1


def row(cell: str, sequences: int | None) -> dict[str, Any]:
    """One epoch, or the first `sequences` of it, learned by both."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    from distrnn.training.scan_lesson import ScanLearner

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
        **_when_and_where(),
    }


def ratings_row() -> dict[str, Any]:
    """A table of ratings learned from three beginnings: the RMSE before and after all passes."""
    ratings, started, found = lesson.made_ratings(USERS, ITEMS, known=0.75, seed=0), time.process_time(), []
    for seed in SEEDS:
        vectors = lesson.first_vectors(USERS, ITEMS, features=FEATURES, seed=seed)
        errors = [lesson.rmse(*vectors, ratings), *lesson.learn(*vectors, ratings, learning_rate=RATE, epochs=PASSES)]
        print(f"ratings, seed {seed}: " + ", ".join(f"{error:.3f}" for error in errors[::10]), flush=True)
        found.append((float(errors[0]), float(errors[-1])))
    return {"ratings": len(ratings[2]), "errors": found, "processor_s": time.process_time() - started, **_when_and_where()}


def _when_and_where() -> dict[str, str]:
    return {"date": datetime.now(UTC).date().isoformat(), "machine": f"{os.cpu_count()} cores, {platform.machine()}"}


def table(results: dict[str, Any]) -> list[str]:
    """The rows in Markdown."""
    lines = [
        "| row | figure | published | ours | largest difference, step by step | minutes of a core | date |",
        "|---|---|---|---|---|---|---|",
    ]
    for cell in (cell for cell in LESSONS if cell in results):
        found = results[cell]
        if cell == "ratings":
            lines.append(ratings_line(found))
            continue
        for kind, errors in found["errors"].items():
            ours, apart = f"**{errors[0]:.2f} ► {errors[-1]:.2f}**", f"{found['largest_relative_difference']:.1e}"
            cells = (f"{kind}-{cell}", "error of 1,000 sequences, nats", PUBLISHED, ours, apart, f"{found['processor_s'][kind] / 60:.1f}")
            lines.append(f"| {' | '.join(cells)} | {found['date']} |")
    return lines


def ratings_line(found: dict[str, Any]) -> str:
    """Its row in Markdown."""
    first, last = np.mean(found["errors"], axis=0)
    spread = np.std([end for _, end in found["errors"]], ddof=1)
    figure, ours = (
        f"RMSE of {found['ratings']} ratings, {PASSES} passes",
        f"**{first:.2f} ► {last:.2f}** ± {spread:.2f}, {len(SEEDS)} seeds",
    )
    return f"| ratings-dot | {figure} | 2.5 ► 0.4 | {ours} |  | {found['processor_s'] / 60:.1f} | {found['date']} |"


def main() -> None:
    """Learn what is asked for, keep the figures, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cells", nargs="*", metavar="LESSON", help=", ".join(LESSONS))
    parser.add_argument("--sequences", type=int, help="stop after so many; nothing is kept then")
    arguments = parser.parse_args()
    if unknown := set(arguments.cells) - set(LESSONS):
        parser.error(f"no such lesson: {', '.join(sorted(unknown))}")
    if not DATA.exists():
        parser.error("the real data (../shared/data) is not beside this checkout")
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for cell in arguments.cells or LESSONS:
        results[cell] = ratings_row() if cell == "ratings" else row(cell, arguments.sequences)
        if arguments.sequences is None:
            RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
