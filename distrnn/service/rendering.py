"""Templates: what they are given is escaped, what they are not given is an error, and what a browser cannot show is replaced."""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import jinja2

from distrnn.amounts import size
from distrnn.evaluation import wording
from distrnn.registry import Rule
from distrnn.service import views
from distrnn.service.markdown import card_html

STYLE = files("distrnn.service").joinpath("templates", "style.css").read_text(encoding="utf-8")
_MANY = 60
MINUS = "\N{MINUS SIGN}"


def render(name: str, shown: Mapping[str, Any]) -> bytes:
    """A page.

    Args:
        name: of the template.
        shown: what it shows.
    """
    return wording.clean(_environment().get_template(name).render(shown)).encode()


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("distrnn.service", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = ("number", "measured", "words", "metric_words")
    made.filters.update({name: getattr(wording, name) for name in names})
    made.filters.update(titled=views.titled, card=card_html, moment=moment, day=day, short=short, plain=plain, listed=listed, signed=signed)
    made.filters.update(chance=chance, rule_words=rule_words, size=size)
    return made


def moment(text: Any) -> str:
    """A time stamp to the minute, in UTC."""
    return f"{str(text)[:10]} {str(text)[11:16]} UTC" if len(str(text)) >= 16 else str(text)


def day(text: Any) -> str:
    """The day of a time stamp."""
    return str(text)[:10]


def short(digest: Any) -> str:
    """The first twelve digits of a digest."""
    return str(digest).removeprefix("sha256:")[:12]


def plain(value: Any) -> str:
    """A value of a workflow or a lineage on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(plain, value[:_MANY])) + (", …" if len(value) > _MANY else "")
    return str(value)


def listed(values: Any) -> list[str]:
    """A list of texts, whatever somebody wrote in its place."""
    return [str(value) for value in values[:_MANY]] if isinstance(values, list) else []


def signed(value: float) -> str:
    """A difference with its sign."""
    return f"{'+' if value > 0 else MINUS if value < 0 else '±'}{wording.measured(abs(value))}"


def chance(share: float) -> str:
    """A probability in percent, never rounded to certainty."""
    if 0.999 < share < 1.0:
        return "more than 99.9 %"
    if 0.0 < share < 0.001:
        return "less than 0.1 %"
    return f"{100 * share:.1f} %"


def rule_words(rule: Mapping[str, Any]) -> str:
    """A rule of an alias' gate in words."""
    return str(Rule.from_json(dict(rule)))
