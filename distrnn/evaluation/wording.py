"""Numbers and texts as a person reads them in a report."""

import math
import re
from typing import Any

# control characters (tab and line ends apart), lone surrogates and non-characters: HTML forbids them, UTF-8 cannot hold some
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
METRIC_WORDS = {
    "accuracy": "Accuracy",
    "loss": "Loss",
    "auc": "AUC",
    "examples": "Examples",
    "loss_nats": "Loss",
    "bits_per_character": "Bits per character",
    "perplexity": "Perplexity",
    "tokens": "Tokens",
    "ece": "Expected calibration error",
}
METRIC_UNITS = {"loss": "nats", "loss_nats": "nats per token"}
_ABBREVIATIONS = {"id": "ID", "auc": "AUC", "url": "URL", "cpu": "CPU", "gpu": "GPU", "sha256": "SHA-256", "gpus": "GPUs", "cpus": "CPUs"}


def number(value: Any) -> str:
    """A figure: whole numbers with separators, others with four significant digits; a dash for None and NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or (abs(value) >= 10_000 and math.isfinite(value)):
        return f"{value:,.0f}"
    return f"{value:.4g}"


def measured(value: Any) -> str:
    """A measured figure: as `number`, but with its trailing zeros, so that a column of them lines up."""
    if not isinstance(value, float) or not math.isfinite(value) or abs(value) >= 10_000:
        return number(value)
    return f"{value:#.4g}".removesuffix(".")


def words(key: str) -> str:
    """A key of a document as words: `loss_nats` is `Loss nats`, `tokens_per_s` is `Tokens per s`."""
    parts = [_ABBREVIATIONS.get(part, part) for part in re.split(r"[_\-. ]+", key) if part]
    text = " ".join(parts)
    return text[:1].upper() + text[1:]


def metric_words(metric: str) -> str:
    """The name of a figure, without its unit."""
    return METRIC_WORDS.get(metric, words(metric))


def clean(text: str) -> str:
    """Text that can stand in a page: what HTML forbids or UTF-8 cannot hold is replaced by U+FFFD."""
    return _UNPRINTABLE.sub("\ufffd", text)


def snippet(text: str, longest: int = 420) -> str:
    """The beginning of a document, on one line: line breaks (`<br />` too) become spaces, a long text is cut at a space."""
    text = " ".join(_BREAK.sub(" ", text).split())
    if len(text) <= longest:
        return text
    cut = text[:longest]
    return (cut[: cut.rindex(" ")] if " " in cut[longest // 2 :] else cut).rstrip() + " …"


def percent(share: float) -> str:
    """A share of 0 to 1 in percent, to two digits: `43 %`, `3.1 %`."""
    return f"{float(f'{100 * share:.2g}'):g} %"


def plain(value: Any) -> str:
    """A value of a workflow as the file writes it; a dash for what is not there."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "–" if value is None else str(value)
