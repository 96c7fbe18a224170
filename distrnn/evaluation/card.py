"""The model card that a run publishes with its model: what it is, what it was trained on, its figures, how to load it, its limits.

Markdown under YAML front matter, with the keys of Hugging Face's model cards where they are known. Published files are named by their
digest, so the same model gives the same card: no times, run ids, paths or machines are in it. What a stranger wrote (labels, values of a
workflow) is escaped in the text and quoted by YAML in the front matter.

Source: Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019), for the sections.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from distrnn.evaluation.wording import METRIC_UNITS, clean, measured, metric_words, number
from distrnn.workflow.model_sections import RECURRENT_TYPES

_PIPELINES = {"classifier": "text-classification", "language-model": "text-generation", "embedding": "feature-extraction"}
_USES = {  # on the command line and in Python
    "classifier": ('predict {name} "some text"', 'model.predict(["some text"])'),
    "language-model": ("generate {name} --length 200", 'model.generate("some text", 200)'),
    "embedding": ("neighbors {name} film", 'model.network.embeddings[model.preprocessing.vocabulary.encode("film")[-1]]'),
}
_WHAT = {"classifier": "text classifier", "language-model": "language model", "embedding": "set of word vectors"}
# What the sources' own texts are; a file of the user's may be anything
_TEXTS = {
    "imdb": ("en", "reviews of films"),
    "nietzsche": ("en", "the writings of Friedrich Nietzsche in translation"),
    "synthetic-reviews": ("en", "made-up reviews in which the order of the words decides"),
    "python-docs": ("en", "the documentation of Python's standard library"),
}
_TYPES = {"bag": "bag of words", "conv": "convolution", "simple-rnn": "simple RNN"}
_COUNTS = ("examples", "tokens")
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|<>~$])")


def render(name: str, metadata: Mapping[str, Any], splits: Mapping[str, Any]) -> str:
    """Write the card of a model.

    Args:
        name: in the registry.
        metadata: as it is published: `task`, `labels`, `threshold` where one was chosen, `parameters`, `metrics`, `lineage` with the
            resolved `workflow`.
        splits: {name: {`rows`, `tokens`}} of the dataset.
    Returns:
        Markdown, which UTF-8 can encode.
    """
    workflow = metadata["lineage"]["workflow"]
    figures = {key: value for key, value in (metadata.get("metrics") or {}).items() if value is not None}
    front = yaml.safe_dump(_front_matter(name, metadata, workflow, figures), sort_keys=False, allow_unicode=True, width=1000)
    sections = [
        [f"# {escape(name)}", *_introduction(metadata, workflow)],
        ["## Data", *_data(metadata["lineage"], splits)],
        ["## Training", *_training(workflow)],
        ["## Figures", *_figures(figures)],
        ["## Use", *_use(name, metadata["task"])],
        ["## Limits", *_limits(metadata["task"], workflow, tested=bool(figures))],
    ]
    body = "\n\n".join(block for section in sections for block in section)
    return clean(f"---\n{front}---\n\n{body}\n")


def escape(text: Any) -> str:
    """A stranger's text as one line of Markdown that shows it and does nothing else."""
    line = " ".join(clean(str(text)).split())
    line = _SPECIAL.sub(r"\\\1", line.replace("&", "&amp;"))
    return line.replace("://", ":\\//").replace("www.", "www\\.")  # or a page would make them links


def _front_matter(name: str, metadata: Mapping[str, Any], workflow: Mapping[str, Any], figures: Mapping[str, Any]) -> dict[str, Any]:
    source = workflow["data"]["source"]
    task = _PIPELINES[metadata["task"]]
    results = [{"type": key, "value": float(value)} for key, value in figures.items() if key not in _COUNTS]
    known: dict[str, Any] = {
        "language": _TEXTS[source][0] if _is_sources_own(workflow) else None,
        "library_name": "distrnn",
        "pipeline_tag": task,
        "tags": ["distrnn", "keras", str(workflow["model"]["type"])],
        "datasets": [source] if _is_sources_own(workflow) else None,
        "metrics": [result["type"] for result in results] or None,
    }
    if results:
        text = source if _is_sources_own(workflow) else f"the publisher's file in the form of {source}"
        dataset = {"name": text, "type": source, "split": "test"}
        known["model-index"] = [{"name": name, "results": [{"task": {"type": task}, "dataset": dataset, "metrics": results}]}]
    return {key: value for key, value in known.items() if value is not None}


def _introduction(metadata: Mapping[str, Any], workflow: Mapping[str, Any]) -> Iterator[str]:
    parameters = metadata.get("parameters")
    size = f" with {number(parameters)} parameters" if parameters is not None else ""
    kind = workflow["model"]["type"]
    what = f"A recurrent {_WHAT[metadata['task']]}" if kind in RECURRENT_TYPES else f"A {_WHAT[metadata['task']]}"
    yield f"{what} ({_TYPES.get(kind) or escape(kind).upper()}){size}, trained by distrnn."
    if labels := metadata.get("labels"):
        yield f"It tells these labels apart: {', '.join(escape(label) for label in labels)}."
    if (threshold := metadata.get("threshold")) is not None:
        answer = escape(metadata["labels"][-1])
        yield f"Its answer is {answer} above a probability of {measured(threshold)}, which was chosen on the validation split."


def _data(lineage: Mapping[str, Any], splits: Mapping[str, Any]) -> Iterator[str]:
    workflow = lineage["workflow"]
    source = workflow["data"]["source"]
    what = _TEXTS[source][1] if _is_sources_own(workflow) else "a file of the publisher's in that form"
    yield f"Source: {escape(source)} ({what})."
    rows = [[escape(name), number(split["rows"]), number(split["tokens"])] for name, split in splits.items() if split["rows"]]
    yield _table(["split", "documents or pieces", "tokens"], rows)
    yield from _settings({"tokenizer": workflow["data"]["tokenizer"]})
    held_out = lineage.get("evaluation_set")
    also = f"; the raw text of its test split is evaluation set `{escape(held_out)}`" if held_out else ""
    yield f"Fingerprint of the dataset: `{escape(lineage['dataset'])}`{also}."


def _training(workflow: Mapping[str, Any]) -> Iterator[str]:
    yield from _settings({"model": workflow["model"], "train": workflow["train"]})


def _figures(figures: Mapping[str, Any]) -> Iterator[str]:
    if not figures:
        yield "Nothing was held out, so this model was not measured."
        return
    yield "Of the published model on the test split, which it was not trained on:"
    rows = []
    for key, value in figures.items():
        unit = f" ({METRIC_UNITS[key]})" if key in METRIC_UNITS else ""
        rows.append([f"{escape(metric_words(key))}{unit}", measured(value)])
    yield _table(["figure", "value"], rows)


def _use(name: str, task: str) -> Iterator[str]:
    verb, call = _USES[task]
    verb = verb.format(name=name)
    yield f"```sh\ndistrnn pull {name}\ndistrnn {verb}\n```"
    yield f'```python\nimport distrnn\n\nmodel = distrnn.load_model("{name}")\n{call}\n```'
    yield f"`{name}` is its latest version, `{name}@v1` a certain one, `{name}@ALIAS` what an alias holds. No TensorFlow, no Ray."


def _limits(task: str, workflow: Mapping[str, Any], *, tested: bool) -> Iterator[str]:
    model, lines = workflow["model"], []
    if task == "classifier":
        kept = "last" if model["truncating"] == "pre" else "first"
        lines.append(f"It reads the {kept} {number(model['sequence_length'])} tokens of a text and nothing of the rest.")
        lines.append("It gives one of its labels to any text, also to one that is about something else.")
    elif task == "embedding":
        lines.append("Words are near where they stand in the same company, opposites for instance: near is not the same in meaning.")
    else:
        lines.append("It writes text that resembles what it was trained on; what it says need not be true or make sense.")
    lines.append("What is not in its vocabulary is unknown to it, words of other languages for instance.")
    scope = "measured on the test split of its own source only" if tested else "not measured"
    lines.append(f"It was {scope}: how it does on other text is not known.")
    yield "\n".join(f"- {line}" for line in lines)


def _is_sources_own(workflow: Mapping[str, Any]) -> bool:
    return workflow["data"].get("path") is None


def _settings(sections: Mapping[str, Any]) -> Iterator[str]:
    rows = [[f"`{key}`", escape(value)] for name, section in sections.items() for key, value in _leaves(section, name)]
    yield _table(["setting", "value"], rows)


def _leaves(section: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}.{key}")
        elif isinstance(value, bool):
            yield f"{prefix}.{key}", "true" if value else "false"
        elif value is not None:
            yield f"{prefix}.{key}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
