"""The names a workflow may give as `data.source`, and what opens each."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from distrnn.data.sources.base import Source

if TYPE_CHECKING:
    from distrnn.workflow import Workflow


def open_source(workflow: "Workflow") -> Source:
    """Open the source of a workflow; nothing but what is needed to name it is read yet.

    Raises:
        NotFoundError: `data.path` does not exist.
        DataError: it is not what the source expects, or there is no network to download from.
        IntegrityError: a published file has been altered.
    """
    return _opener(workflow.data.source)(workflow)


def _opener(name: str) -> "Callable[[Workflow], Source]":
    if name == "imdb":
        from distrnn.data.sources.imdb import open_imdb

        return open_imdb
    if name == "synthetic-reviews":
        from distrnn.data.sources.reviews import open_synthetic_reviews

        return open_synthetic_reviews
    if name == "python-docs":
        from distrnn.data.sources.python_docs import open_python_docs

        return open_python_docs
    from distrnn.data.sources.general import open_files, open_nietzsche

    return open_nietzsche if name == "nietzsche" else open_files
