"""The page that shows a run: one HTML file that needs nothing else, not even a network or JavaScript.

What a page shows comes from files that strangers wrote (reviews, workflow files), so everything is escaped by the template, the
page forbids every script and every request by its own policy, and foreign text is kept apart from the line it stands in.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from distrnn import amounts
from distrnn.embeddings import WordVectors
from distrnn.evaluation import figures, wording
from distrnn.evaluation.calibration import BINS
from distrnn.evaluation.calibration_figure import reliability_curve
from distrnn.evaluation.embedding_figures import embedding_figures
from distrnn.evaluation.pages import template
from distrnn.registry.rules import Slice

FEWEST_DIMENSIONS = 3
# what a pseudo-labelled document that was left out is a copy of
COPIES_OF = {
    "test": "of test documents",
    "pinned": "of documents of the set that the alias has pinned",
    "validation": "of validation documents",
    "repeated": "of documents before them",
}
MAIN_METRIC = {"classifier": "accuracy", "language-model": "bits_per_character"}

_TEMPLATE = template("report.html", duration=amounts.duration, slice_words=lambda part: Slice.from_json(part).words)


def render(document: Mapping[str, Any], details: Mapping[str, Any]) -> str:
    """Make the report of a finished run.

    Args:
        document: what `run --json` prints.
        details: what only the report shows; every key may be missing or None. `workflow` (resolved), `labels` (names of the
            classes), `confusion` (int [C, C], row: true, column: predicted), `mistakes` (of `metrics.confident_mistakes`),
            `sample`, `samples` and `held_out_copied` (of `samples.describe`),
            `splits` ({name: {`rows`, `tokens`}}), `lineage`, `device`, `replicas`, `parameters`,
            `throughput` (of the last epoch: `samples_per_s`, `tokens_per_s`, `matrix_share`), `calibration` (of `calibration.calibration`),
            `threshold` (of `threshold.choose_threshold`), `vectors` (of a model of words),
            `pretrained` (coverage of the vectors that the embedding began with),
            `pseudo_labels` (where they come from).
    Returns:
        HTML, which UTF-8 can encode.
    """
    workflow = details.get("workflow") or {}
    history = document.get("history") or []
    seconds = document.get("seconds") or {}
    page = _TEMPLATE.render(
        document=document,
        details=details,
        headline=_headline(document, workflow),
        facts=_facts(document, details),
        metrics=_metric_rows(document, details),
        tested=any(value is not None for value in (document.get("metrics") or {}).values()),
        curves=figures.learning_curves(history),
        rate=_constant_rate(history),
        history=history,
        with_accuracy=any(row.get("accuracy") is not None for row in history),
        with_validation=any(row.get("validation_loss") is not None for row in history),
        timing=figures.stage_bars(seconds) if seconds else None,
        confusion=_confusion(details),
        calibration=details.get("calibration"),
        reliability=reliability_curve(details["calibration"]) if details.get("calibration") else None,
        bins=BINS,
        threshold=details.get("threshold"),
        positive=(details.get("labels") or [""])[-1],
        embedding=_embedding(details.get("vectors")),
        pretrained=details.get("pretrained"),
        pseudo_labels=details.get("pseudo_labels"),
        copies_of=COPIES_OF,
        trains_vectors=((workflow.get("model") or {}).get("pretrained") or {}).get("trainable", True),
        sample=_sample(details.get("sample")),
        samples=details.get("samples") or [],
        held_out_copied=details.get("held_out_copied"),
        mistakes=details.get("mistakes") or [],
        splits=details.get("splits") or {},
        dataset=_rows(document.get("dataset") or {}),
        lineage=_rows(details.get("lineage") or {}),
        speed=_speed(details.get("throughput") or {}),
        share_known=(details.get("throughput") or {}).get("matrix_share") is not None,
        workflow=yaml.safe_dump(_plain(workflow), sort_keys=False, allow_unicode=True, width=100) if workflow else "",
    )
    return wording.clean(page)


def _headline(document: Mapping[str, Any], workflow: Mapping[str, Any]) -> dict[str, Any]:
    """The one figure that stands for the run: the one its gate looks at, or its task's usual one."""
    metrics = {key: value for key, value in (document.get("metrics") or {}).items() if value is not None}
    rules = (document.get("promotion") or {}).get("rules") or []
    task = (workflow.get("model") or {}).get("task") or ("language-model" if "perplexity" in metrics else "classifier")
    wanted = [rule["metric"] for rule in rules] + [MAIN_METRIC.get(task, "loss")]
    for metric in wanted:
        if metric in metrics:
            unit = wording.METRIC_UNITS.get(metric, "")
            return {"metric": metric, "value": metrics[metric], "unit": unit, "where": "held-out test text", "task": task}
    train = (document.get("train_metrics") or {}).get("loss")
    return {"metric": "loss", "value": train, "unit": "nats", "where": "training text, last epoch", "task": task}


def _facts(document: Mapping[str, Any], details: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The short facts under the headline, those that are known."""
    seconds = document.get("seconds") or {}
    replicas = details.get("replicas")
    device = details.get("device")
    known = {
        "Total time": amounts.duration(math.fsum(seconds.values())) if seconds else None,
        "Epochs": wording.number(len(document.get("history") or [])),
        "Device": f"{device}, {replicas} replicas" if device and replicas and replicas != 1 else device,
        "Parameters": wording.number(details["parameters"]) if details.get("parameters") is not None else None,
    }
    return [(name, str(value)) for name, value in known.items() if value is not None]


def _metric_rows(document: Mapping[str, Any], details: Mapping[str, Any]) -> list[dict[str, Any]]:
    test = {**(document.get("metrics") or {}), "ece": (details.get("calibration") or {}).get("ece")}
    train = document.get("train_metrics") or {}
    rows = []
    for key in dict.fromkeys([*test, *train]):
        # a language model's test loss is `loss_nats`, its training loss `loss`: one figure, one row
        if key == "loss" and "loss_nats" in test:
            continue
        trained = train.get("loss" if key == "loss_nats" else key)
        if test.get(key) is not None or trained is not None:
            rows.append({"key": key, "unit": wording.METRIC_UNITS.get(key, ""), "test": test.get(key), "train": trained})
    return rows


def _constant_rate(history: Sequence[Mapping[str, Any]]) -> float | None:
    rates = {row.get("learning_rate") for row in history}
    return rates.pop() if len(rates) == 1 else None


def _confusion(details: Mapping[str, Any]) -> dict[str, Any] | None:
    counts = details.get("confusion")
    if not counts:
        return None
    rows = [[int(count) for count in row] for row in counts]
    names = [str(name) for name in details.get("labels") or range(len(rows))]
    cells = [[{"count": count, "share": count / max(sum(row), 1)} for count in row] for row in rows]
    return {"names": names, "rows": list(zip(names, cells, strict=True))}


def _embedding(vectors: WordVectors | None) -> dict[str, Any] | None:
    """Figures of the vectors, where they have enough dimensions for a plane to leave something out."""
    if vectors is None or vectors.most_frequent(1)[1].shape[1] < FEWEST_DIMENSIONS:
        return None
    return embedding_figures(vectors)


def _sample(sample: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not sample:
        return None
    prompt, text = sample.get("prompt") or "", sample.get("text") or ""
    return {"prompt": prompt, "text": text.removeprefix(prompt), "copied": sample.get("copied")}


def _speed(throughput: Mapping[str, Any]) -> list[tuple[str, str]]:
    share = throughput.get("matrix_share")
    told = {"Samples a second": throughput.get("samples_per_s"), "Tokens a second": throughput.get("tokens_per_s")}
    rows = [(name, wording.number(value)) for name, value in told.items() if value is not None]
    return rows if share is None else [*rows, ("Share of the matrix-product rate", wording.percent(share))]


def _rows(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(str(key), _told(value)) for key, value in values.items() if value is not None]


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_told(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_told, value))
    return wording.number(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
