"""What a language model wrote, from its first epoch to its last, and how much of it stands word for word in what it learned from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from distrnn.client import LanguageModel, LoadedModel
from distrnn.data.dataset import Dataset
from distrnn.data.reader import ShardReader
from distrnn.data.subsets import open_split
from distrnn.evaluation.copying import Copied, Ids, copied
from distrnn.text import tokenize
from distrnn.training.samples import TEMPERATURE
from distrnn.workflow import Workflow

LENGTHS = {"char": 600, "word": 120}
# A run from which on it counts as copied: two or three words that often stand together are shorter.
LEAST = {"char": 20, "word": 5}
BLOCK_TOKENS = 1 << 20
HELD_OUT_TOKENS = 20_000


def describe(model: LoadedModel, workflow: Workflow, dataset: Dataset, earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The samples of a run, as its report shows them.

    Args:
        model: that was published.
        workflow: of the run.
        dataset: that it was trained on.
        earlier: `epoch` (from 1) and `text` of what was written while it was trained.
    Returns:
        `sample` (`prompt`, `text`, `copied`), `samples` (`epoch`, `text`, `copied`) and `held_out_copied` (of as real a text as there is,
        or None); what is copied has a `share`, the `longest` run, and the `least` that counts, in tokens.
    """
    if not isinstance(model, LanguageModel):
        raise AssertionError("only language models write")
    vocabulary = model.preprocessing.vocabulary
    level, learned = vocabulary.spec.level, open_split(dataset, workflow, "train")

    def judged(ids: Ids) -> dict[str, Any]:
        found: Copied = copied(ids, _blocks(learned), LEAST[level])
        return {"share": found.share, "longest": found.longest, "least": found.least}

    def judged_text(text: str) -> dict[str, Any]:
        return judged(np.array(vocabulary.ids(tokenize(text, vocabulary.spec)), np.int64))

    text = model.generate(model.sample_prompt, LENGTHS[level], temperature=TEMPERATURE, seed=workflow.train.seed)
    held_out = dataset.reader("test").span(0, HELD_OUT_TOKENS) if workflow.has_test_split else None
    return {
        "sample": {"prompt": model.sample_prompt, "text": text, "copied": judged_text(text)},
        "samples": [{"epoch": one["epoch"], "text": one["text"], "copied": judged_text(one["text"])} for one in earlier],
        "held_out_copied": None if held_out is None else judged(held_out),
    }


def _blocks(reader: ShardReader) -> Iterator[Ids]:
    for start in range(0, reader.tokens, BLOCK_TOKENS):
        yield reader.span(start, start + BLOCK_TOKENS)
