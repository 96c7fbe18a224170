"""The templates of the pages: what they are given is escaped, and what they are not given is an error."""

from collections.abc import Callable
from typing import Any

import jinja2

from distrnn.evaluation import wording

_FILTERS = ("number", "measured", "words", "snippet", "percent", "metric_words")


def template(name: str, **filters: Callable[..., Any]) -> jinja2.Template:
    """Load a template of this package.

    Args:
        name: of its file.
        filters: those that this page alone has, beside the ones that say figures and texts in words.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("distrnn.evaluation", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({one: getattr(wording, one) for one in _FILTERS}, **filters)
    return environment.get_template(name)
