"""Whether the packages of an extra are there, found out without importing them."""

from importlib.util import find_spec

from distrnn.errors import MissingExtraError

PACKAGES = {
    "export": ("onnx", "onnxruntime"),
    "schedule": ("ray", "croniter", "pyarrow"),
    "serve": ("fastapi", "uvicorn", "jinja2", "markdown_it"),
    "sign": ("cryptography",),
    "submit": ("ray",),
    "train": ("ray", "tensorflow", "keras", "pyarrow", "matplotlib", "jinja2"),
}


def install_command(extra: str) -> str:
    """What to type to get an extra."""
    return f"pip install 'distrnn[{extra}]'"


def require(extra: str, verb: str) -> None:
    """Let `verb` go on if the packages of `extra` are installed.

    Raises:
        MissingExtraError: they are not.
    """
    missing = [name for name in PACKAGES[extra] if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"distrnn {verb} needs packages that are not installed: {', '.join(missing)}. Install them with: {install_command(extra)}",
            extra=extra,
            missing=missing,
        )
