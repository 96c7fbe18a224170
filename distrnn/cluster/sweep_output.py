"""The file that the best combination of a sweep becomes; what is there already is never overwritten."""

from pathlib import Path

from distrnn.errors import ConflictError, NotFoundError


def free_file(output: str) -> Path:
    """The file that the best workflow will be written to.

    Raises:
        ConflictError: it exists.
        NotFoundError: its folder does not.
    """
    path = Path(output).expanduser().absolute()
    if path.exists():
        raise ConflictError(f"{output} exists already and is not overwritten. Choose another --output, or remove it.")
    if not path.parent.is_dir():
        raise NotFoundError(f"no folder {str(path.parent)!r} to write the best workflow into. Make it first, or choose another --output.")
    return path


def write_new(path: Path, text: str, kept: str) -> None:
    """Write a file that does not exist yet.

    Args:
        path: the file.
        text: what it holds.
        kept: where the same text is kept anyway.
    Raises:
        ConflictError: it exists by now.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConflictError(f"{path} exists by now and is not overwritten. The best workflow is kept in {kept}") from None
