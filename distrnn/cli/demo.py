"""What `make demo` runs: two small models from workflow file to prediction, through the command line that everybody uses.

Everything lands in a folder, `.demo` here unless DISTRNN_HOME names another; whatever registry the environment names is left alone.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from distrnn.amounts import duration
from distrnn.cli import main as program
from distrnn.cli.init import templates_folder
from distrnn.cli.output import Output, write

REVIEWS, DOCS = "quickstart-reviews", "quickstart-docs"
# The second and the third have the same words: only their order tells them apart.
SENTENCES = (
    "The acting was not bad at all.",
    "At first it was wonderful, but in the end it was dreadful.",
    "At first it was dreadful, but in the end it was wonderful.",
)
PROMPT = "The for statement is used to "


def main() -> None:
    """Run the demo; leaves the process with the exit code of the first command that fails."""
    signal.signal(signal.SIGTERM, program.terminate)
    home = prepare_home()
    started = time.monotonic()
    title(f"Two small models, trained on this machine and kept in {home}")
    title("1. A classifier, on made-up reviews in which the order of the words decides")
    command("run", workflow(REVIEWS))
    title("2. A language model, on the reference manual inside every Python")
    command("run", workflow(DOCS))
    title("3. Pull both from the registry, as somebody without TensorFlow and Ray would")
    command("pull", f"{REVIEWS}@production")
    command("pull", DOCS)
    title("4. Predict: the last two sentences differ in nothing but the order of their words")
    command("predict", f"{REVIEWS}@production", *SENTENCES)
    title("5. Write like the manual")
    command("generate", DOCS, "--prompt", PROMPT, "--length", "300", "--temperature", "0.6", "--seed", "4")
    title(f"Done in {duration(time.monotonic() - started)}")
    write(sys.stdout, "\n".join(farewell(home)) + "\n")


def prepare_home() -> Path:
    """Choose the demo's folder, and keep whatever it writes inside."""
    home = Path(os.environ.get("DISTRNN_HOME") or ".demo").expanduser().absolute()
    os.environ.update(DISTRNN_HOME=str(home), DISTRNN_STORAGE=str(home / "storage"), DISTRNN_REGISTRY=str(home / "registry"))
    return home


def workflow(name: str) -> str:
    """A workflow of this checkout, or the same one out of the installed package."""
    here = Path("workflows", f"{name}.yaml")
    return str(here if here.is_file() else templates_folder().joinpath(here.name))


def command(*arguments: str) -> None:
    """Show a command and run it.

    Raises:
        SystemExit: it failed; the code is its exit code.
    """
    words = [f'"{word}"' if " " in word else word for word in arguments]
    write(sys.stdout, f"{mark('$ distrnn ' + ' '.join(words), '2')}\n")
    try:
        program.app(list(arguments), prog_name="distrnn")
    except SystemExit as end:
        if end.code:
            Output().note(f"The demo ends here: distrnn {arguments[0]} failed.")
            raise


def title(text: str) -> None:
    """Begin a part of the demo."""
    write(sys.stdout, f"\n{mark(text, '1')}\n\n")


def mark(text: str, style: str) -> str:
    """`text` in a style of the terminal, where there is one that shows styles."""
    return f"\x1b[{style}m{text}\x1b[0m" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else text


def farewell(home: Path) -> Sequence[str]:
    """Where the reports are, and what to try next."""
    from distrnn.runs import RunStore
    from distrnn.storage import open_store

    runs = RunStore(open_store(str(home / "storage")))
    newest = {document["workflow"]: document["run_id"] for document in reversed(runs.list())}
    beside = Path(sys.executable).with_name("distrnn")
    distrnn = "distrnn" if shutil.which("distrnn") or not beside.exists() else os.path.relpath(beside)
    return [
        "The reports, pages for the browser with curves and samples:",
        *(f"  {runs.location(newest[name], 'report.html')}" for name in (REVIEWS, DOCS)),
        "",
        "Next:",
        f"  export DISTRNN_HOME={home}",
        f'  {distrnn} predict {REVIEWS}@production "a sentence of your own"',
        f"  {distrnn} models show {REVIEWS}",
        f"  {distrnn} plan {workflow(REVIEWS)} --set model.units=64",
        f"  {distrnn} init my-model --from {REVIEWS}",
    ]


if __name__ == "__main__":
    main()
