"""What published models say about one evaluation set; each is asked with the NumPy runtime and reads the text in its own way."""

from collections.abc import Sequence
from typing import Any

from distrnn.client import Classifier, LanguageModel, load_model
from distrnn.data.manifest import evaluation_key
from distrnn.errors import NotFoundError, UsageError
from distrnn.evaluation.compare_documents import compare_documents
from distrnn.evaluation.compare_streams import compare_streams
from distrnn.evaluation.contenders import Contender
from distrnn.evaluation.held_out import read_texts
from distrnn.evaluation.margins import answer, question
from distrnn.progress import Progress, silent


def ask(names: Sequence[str], contenders: Sequence[Contender], evaluation_set: str, progress: Progress = silent) -> dict[str, Any]:
    """Ask every contender that has a version about the texts of an evaluation set.

    Args:
        names: M, all different.
        contenders: M.
        evaluation_set: its sha256; it is looked for where each contender's run would be.
        progress: told how far it is.
    Returns:
        `models` (the names of those that were asked), what `compare_documents` or `compare_streams` returns, and `question` and `answer`
        (None where nothing was tested).
    Raises:
        DataError: there is nothing to measure on.
        NotFoundError: the evaluation set is not there, or fewer than two models are.
        UsageError: they have different tasks or labels.
    """
    asked = [(name, contender) for name, contender in zip(names, contenders, strict=True) if contender.version is not None]
    if len(asked) < 2:
        raise NotFoundError("fewer than two of them have a published version to ask.")
    told = [name for name, _ in asked]
    texts, labels = read_texts(_holder(asked, evaluation_set).store, evaluation_set)
    models = [load_model(str(contender.version), contender.registry) for _, contender in asked]
    classifiers = [model for model in models if isinstance(model, Classifier)]
    languages = [model for model in models if isinstance(model, LanguageModel)]
    if len(models) not in (len(classifiers), len(languages)):
        kinds = sorted({model.what for model in models})
        raise UsageError(f"expected classifiers or language models to ask. Received: {' and '.join(kinds)}")
    found = (
        compare_documents(told, classifiers, texts, labels, progress) if classifiers else compare_streams(told, languages, texts, progress)
    )
    pairs = found["pairs"]
    return {
        "models": told,
        **found,
        "question": question(told, pairs) if pairs else None,
        "answer": answer(told, pairs) if pairs else None,
    }


def _holder(asked: Sequence[tuple[str, Contender]], evaluation_set: str) -> Contender:
    """The first contender whose storage has the set; the first of all where none has it."""
    key = evaluation_key(evaluation_set)
    return next((contender for _, contender in asked if contender.store.size(key) is not None), asked[0][1])
