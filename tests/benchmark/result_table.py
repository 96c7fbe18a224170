"""The results table in Markdown, and what is said below it."""

import json
import statistics
from typing import Any

import lesson_rows
from result_rows import ROWS, TEST_LOSS


def lines(results: dict[str, Any]) -> list[str]:
    """The table in Markdown."""
    table = ["| workflow | figure | published | ours | loss | seeds | epochs | minutes | date |", "|---|---|---|---|---|---|---|---|---|"]
    for row in ROWS:
        found = [results[key] for key in sorted(results) if key.rpartition("/")[0] == row.name]
        if not found:
            continue
        ours, losses = (spread([(result[group] or {}).get(key) for result in found]) for group, key in (row.where, TEST_LOSS))
        seeds = f"{len(found)}, long" if len(row.seeds(3)) == 1 else str(len(found))
        link = " ".join([f"[{row.workflow}](workflows/{row.workflow}.yaml)", *(f"`{key}`" for key in row.keys)])
        minutes = statistics.mean(result["minutes"] for result in found)
        epochs = ", ".join(dict.fromkeys(str(result["epochs"]) for result in found))
        published = f"{row.published} ({row.source})" if row.published else row.source
        date = max(result["date"] for result in found)
        ended = "**diverged**" if all(result["train_metrics"] is None for result in found) else f"**{ours}**"
        table.append(f"| {link} | {row.figure} | {published} | {ended} | {losses} | {seeds} | {epochs} | {minutes:.1f} | {date} |")
    one = next(iter(results.values()), None)
    if one:
        versions = ", ".join(f"{name} {version}" for name, version in one["versions"].items())
        table += [
            "",
            "Mean ± standard deviation over the seeds; long: one seed, as a run takes more than a quarter of an hour with what it begins "
            f"with. The loss is that of the test split, in nats; minutes from the command to its exit. {one['machine']}, {versions}.",
            *told_seconds(results),
            *told_curves(results),
            "",
            "What is no workflow, learned by lessons to read (`distrnn/runtime/lesson`):",
            "",
            *lesson_rows.table(kept_lessons()),
        ]
    return table


def told_seconds(results: dict[str, Any]) -> list[str]:
    """How long an epoch takes, beside what was published of it."""
    told = []
    for row in ROWS:
        found = [entry.get("seconds_per_epoch") for key, entry in results.items() if key.rpartition("/")[0] == row.name]
        if row.published_epoch_s is not None and found and all(found):
            told.append(f"`{row.name}` {statistics.median(found):.1f} ({row.published_epoch_s:g})")
    return ["", f"Seconds of an epoch, and in brackets those of the lesson's machine: {', '.join(told)}."] if told else []


def told_curves(results: dict[str, Any]) -> list[str]:
    """How the rows that say so came to their accuracy, with the first seed."""
    told = []
    for row in ROWS:
        if row.shows_curve and (found := results.get(f"{row.name}/0")):
            before = found["minutes_before"]
            points = ", ".join(f"{accuracy:.4f} at {before + at:.1f}" for at, accuracy in found["curve"])
            told += [
                "",
                f"Validation accuracy of `{row.name}` by minutes, {before:.1f} of which went into what it begins with: {points}.",
            ]
    return told


def spread(values: list[float | None]) -> str:
    """Mean and standard deviation, or nothing where there is no figure."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    return f"{statistics.mean(known):.4f}" + (f" ± {statistics.stdev(known):.4f}" if len(known) > 1 else "")


def kept_lessons() -> dict[str, Any]:
    """What `lesson_rows.py` has kept."""
    found: dict[str, Any] = json.loads(lesson_rows.RESULTS.read_text())
    return found
