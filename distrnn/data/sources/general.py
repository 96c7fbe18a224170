"""The sources csv, jsonl, parquet and text: a user's own files, as documents for a classifier or as a corpus for a language model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from distrnn.data.downloads import PublishedFile, fetch
from distrnn.data.labels import Labels
from distrnn.data.source_files import SourceFile, find_files, is_glob, renamed, splits_of
from distrnn.data.sources.base import Chunk, DocumentSource, Kind, Part, Source, digest_of
from distrnn.data.sources.corpus import StreamSource
from distrnn.data.sources.form import ENDINGS, Form
from distrnn.data.sources.rows import FileRows
from distrnn.data.splits import SplitRules, cut_rows
from distrnn.errors import DataError, NotFoundError

if TYPE_CHECKING:
    from distrnn.workflow import Workflow

NIETZSCHE = PublishedFile(
    "https://s3.amazonaws.com/text-datasets/nietzsche.txt", "dea01ca2da603db6736fd856c585d073ccf3dca68efe4a59c5e73242cdf0b028"
)


def open_files(workflow: "Workflow") -> Source:
    """Open the files of `data.path` and `data.test_path`.

    Raises:
        NotFoundError: there are none.
        DataError: none of them fits the source.
    """
    data = workflow.data
    path = data.path or ""
    found = find_files(path, ENDINGS[data.source], "data.path")
    form = form_of(workflow)
    if workflow.model.task == "classifier":
        # A glob says itself which files are meant
        files = {"train": found} if is_glob(path) else splits_of(found) or {"train": found}
        if data.test_path is not None:
            # Two paths may hold files of the same name
            beside = {"train": found, "test": find_files(data.test_path, ENDINGS[data.source], "data.test_path")}
            files = {split: renamed(of_split, lambda file, split=split: f"{split}/{file.name}") for split, of_split in beside.items()}  # type: ignore[misc]
        rules = SplitRules.of(workflow, seeded=True)
        if form.labels is None and "test" not in files:
            # Nothing is measured on documents without labels, so they need no test split
            rules = replace(rules, test_fraction=rules.test_fraction or 0.0)
        return document_source(data.source, path, files, form, rules, form.to_json())
    rules = SplitRules.of(workflow, seeded=False)
    if data.source == "text" and not data.tokenizer.boundaries:
        return StreamSource("text", found, rules, form.invalid_utf8, {"invalid_utf8": form.invalid_utf8})
    return RowCorpus(data.source, found, form, rules)


def open_nietzsche(workflow: "Workflow") -> StreamSource:
    """Open the text that `data.path` names, or the download.

    Raises:
        NotFoundError: `data.path` is no file.
        DataError: there is no network to download from.
    """
    path = workflow.data.path or str(fetch(NIETZSCHE))
    try:
        files = find_files(path, (), "data.path")
    except (NotFoundError, DataError):
        raise NotFoundError(
            f"data.path: expected a text file. Received: {path!r}, which is none. Correct it, or leave it out to download."
        ) from None
    return StreamSource("nietzsche", renamed(files, lambda _: "nietzsche"), SplitRules.of(workflow, seeded=False), "replace")


def form_of(workflow: "Workflow") -> Form:
    """How a workflow reads its files."""
    data = workflow.data
    is_classifier = workflow.model.task == "classifier"
    apart = is_classifier or data.tokenizer.boundaries
    return Form(
        kind=data.source,  # type: ignore[arg-type]
        text_column=workflow.text_column,
        label_column=workflow.label_column,
        labels=Labels.of(data.labels) if is_classifier and data.labels != "none" else None,
        document=data.document or "file",
        invalid_utf8=data.invalid_utf8 or "replace",
        # Documents that follow each other without a sign between them would be read as one
        closing="" if apart else "\n",
    )


def document_source(
    name: str,
    where: str,
    files: Mapping[str, Sequence[SourceFile]],
    form: Form,
    rules: SplitRules,
    options: Mapping[str, Any] | None = None,
) -> DocumentSource:
    """Documents in files.

    Args:
        name: as the workflow calls it.
        where: for messages.
        files: of each original split, in order.
        form: how they are read.
        rules: how they are split.
        options: what of the workflow decides what is read.
    """
    rows = {split: FileRows(of_split, form) for split, of_split in files.items()}

    def parts() -> dict[str, list[Part]]:
        return {split: of_split.parts() for split, of_split in rows.items()}

    def digest() -> str:
        return digest_of(pair for of_split in rows.values() for pair in of_split.digests())

    return DocumentSource(name, where, parts, digest, rules, form.labels.names if form.labels else (), options)


class RowCorpus:
    """Documents in files, as one corpus in their order; the last ones are for testing.

    Args:
        name: as the workflow calls it.
        files: in order.
        form: how they are read.
        rules: how it is split; its limit counts documents.
    """

    kind: Kind = "corpus"
    labels: tuple[str, ...] = ()

    def __init__(self, name: str, files: Sequence[SourceFile], form: Form, rules: SplitRules) -> None:
        self.name, self.form, self.rules = name, form, rules
        self._rows = FileRows(files, form)

    def digest(self) -> str:
        """sha256 over names and contents."""
        return digest_of(self._rows.digests())

    def to_json(self) -> dict[str, Any]:
        """What else of the workflow decides what is read."""
        return self.form.to_json()

    def chunks(self) -> list[Chunk]:
        """The work, in the order of the files; no chunk reaches over the border of a split."""
        parts = self._parts
        rows = min(sum(part.rows for part in parts), self.rules.limit or 2**62)
        if not rows:
            raise DataError(f"{self._rows.files[0].url}: expected documents. Received: none.")
        chunks: list[Chunk] = []
        for split, start, stop in cut_rows(rows, self.rules):
            first = 0
            for part in parts:
                chosen = np.arange(max(start - first, 0), min(stop - first, part.rows), dtype=np.int64)
                if len(chosen):
                    whole = len(chosen) == part.rows
                    chunks.append(Chunk(len(chunks), split, part.reader, None if whole else chosen))  # type: ignore[arg-type]
                first += part.rows
        return chunks

    @cached_property
    def _parts(self) -> list[Part]:
        return self._rows.parts()
