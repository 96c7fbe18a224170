"""A sign of life on a terminal, while something takes as long as there are bytes to read."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def waiting(doing: str) -> Iterator[None]:
    """Show on stderr what is being done and for how long, as long as the block runs; nothing where that is no terminal.

    Args:
        doing: for instance `reading the registry`.
    """
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    # On a terminal rows of the result are written above the sign; anywhere else they must reach stdout untouched
    above = sys.stdout.isatty()
    with Progress(*columns, console=Console(file=sys.stderr), transient=True, redirect_stdout=above, redirect_stderr=False) as progress:
        progress.add_task(doing, total=None)
        yield
