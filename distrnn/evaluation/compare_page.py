"""The page that shows a comparison: one HTML file like a run's report, with the same style and the same care for strangers' text."""

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from distrnn import amounts
from distrnn.evaluation import compare_figures, margins, wording
from distrnn.evaluation.figures import VARIABLES
from distrnn.evaluation.pages import template

LONGEST_NAME = 80

_TEMPLATE = template(
    "compare.html",
    lengths=compare_figures.length_words,
    chance=lambda p: margins.p_words(p).removeprefix("p ").removeprefix("= "),
    plain=wording.plain,
)


def render(document: Mapping[str, Any]) -> str:
    """Make the page.

    Args:
        document: what `compare --json` prints.
    Returns:
        HTML, which UTF-8 can encode.
    """
    names = [model["name"] for model in document["models"]]
    evaluation = {**dict.fromkeys(("accuracy", "lengths", "disagreements", "question", "untested")), **document["evaluation"]}
    asked = evaluation.get("models") or []
    accuracy, groups = evaluation["accuracy"], evaluation["lengths"]
    places = [names.index(name) for name in asked]
    page = _TEMPLATE.render(
        document=document,
        evaluation=evaluation,
        title=" · ".join(names),
        task=document["models"][0]["task"],
        signs=[
            {"color": VARIABLES[color], "glyph": glyph} for color, glyph in zip(compare_figures.COLORS, compare_figures.GLYPHS, strict=True)
        ],
        places=places,
        corrected=len(evaluation.get("pairs") or []) > 1,
        accuracy=compare_figures.accuracies(asked, accuracy, places) if accuracy else None,
        curves=compare_figures.curves(names, [training["history"] for training in document["training"]]),
        by_length=compare_figures.lengths(asked, groups, places) if groups else None,
        costs=_costs(document),
    )
    return wording.clean(page)


def file_name(document: Mapping[str, Any]) -> str:
    """A name for the page, the same for the same models on the same evaluation set: `imdb-lstm-v1-imdb-gru-v1-5c5c5c5c5c5c.html`."""
    models = document["models"]
    parts = [(model["version"] or {}).get("digest") or model["run_id"] for model in models]
    digest = sha256("\n".join([*map(str, parts), str(document["evaluation"]["evaluation_set"])]).encode()).hexdigest()
    words = re.sub(r"[^a-z0-9._]+", "-", "-".join(model["name"] for model in models).lower()).strip("-.")
    return f"{words[:LONGEST_NAME]}-{digest[:12]}.html"


def _costs(document: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """What each model costs: rows of a name and M values, those of which nothing is known left out."""
    training, size = document["training"], document["size"]
    durations = {"Training": "train_s", "An epoch": "epoch_s", "The whole run": "total_s"}
    rows: list[tuple[str, Sequence[Any]]] = [
        (name, [None if one[key] is None else amounts.duration(one[key]) for one in training]) for name, key in durations.items()
    ]
    rows.insert(2, ("Epochs", [one["epochs"] for one in training]))
    rows.append(("Device", [_device(one) for one in training]))
    rows.append(("Parameters", size["parameters"]["values"]))
    for row in size["bytes"]:
        name = "Size, all forms" if row["form"] == "all" else f"Size, {row['form']} form"
        rows.append((name, [None if value is None else amounts.size(value) for value in row["values"]]))
    return [(name, [wording.number(value) for value in values]) for name, values in rows if any(value is not None for value in values)]


def _device(training: Mapping[str, Any]) -> str | None:
    device, replicas = training["device"], training["replicas"]
    return f"{device}, {replicas} replicas" if device and replicas and replicas != 1 else device
