"""The row ratings-dot of the results: what an embedding is, on a made table of ratings.

    python tests/benchmark/ratings_row.py

It takes a second, prints the error on the way, and the row.
"""

import os
import platform
from datetime import UTC, datetime

import numpy as np

from distrnn.runtime.lesson.ratings import first_vectors, learn, made_ratings, rmse

USERS, ITEMS, FEATURES, EPOCHS, RATE, SEEDS = 15, 15, 5, 40, 0.01, (0, 1, 2)


def main() -> None:
    """Learn the table from three beginnings."""
    ratings, found = made_ratings(USERS, ITEMS, known=0.75, seed=0), []
    for seed in SEEDS:
        vectors = first_vectors(USERS, ITEMS, features=FEATURES, seed=seed)
        errors = [rmse(*vectors, ratings), *learn(*vectors, ratings, learning_rate=RATE, epochs=EPOCHS)]
        print(f"seed {seed}: " + ", ".join(f"{error:.3f}" for error in errors[::10]))
        found.append((errors[0], errors[-1]))
    first, last = np.mean(found, axis=0)
    spread = np.std([end for _, end in found], ddof=1)
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    print("| row | figure | published | ours | seeds | date |\n|---|---|---|---|---|---|")
    ours = f"**{first:.2f} ► {last:.2f}** ± {spread:.2f}"
    figure, today = f"RMSE of {len(ratings[2])} ratings, {EPOCHS} passes", datetime.now(UTC).date()
    print(f"| ratings-dot | {figure} | 2.5 ► 0.4 | {ours} | {len(SEEDS)} | {today} |")
    print(machine)


if __name__ == "__main__":
    main()
