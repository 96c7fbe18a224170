"""`distrnn init`: a workflow to start from, made from one that is known to work."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from distrnn.cli.options import Debug, Json
from distrnn.cli.output import Output
from distrnn.errors import ConflictError, NotFoundError
from distrnn.refs import check_name

SCHEMA = "distrnn.schema.json"
_SCHEMA_LINE = re.compile(r"\$schema=\S+")


def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the workflow and of its model.", show_default=False)],
    template: Annotated[str, typer.Option("--from", metavar="TEMPLATE", help="A workflow that comes with distrnn.")] = "imdb-lstm",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a workflow to start from, NAME.yaml, and beside it the schema that editors complete from."""
    out = Output(json=json)
    name = check_name(name.removesuffix(".yaml"), "workflow")
    text = personalise(_template(template), template, name)
    target = Path(f"{name}.yaml")
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConflictError(f"{target} exists already and is not overwritten. Choose another name, or remove it.") from None
    Path(SCHEMA).write_text(templates_folder().joinpath("schema.json").read_text(encoding="utf-8"), encoding="utf-8")
    out.result({"workflow": name, "file": str(target), "template": template, "schema": SCHEMA}, f"Wrote {target}, from {template}.")
    out.note(f"Next: edit it, see what it would do with `distrnn plan {target}`, then `distrnn run {target}`.")


def templates() -> list[str]:
    """Names of the workflows that come with distrnn."""
    names = [entry.name for entry in templates_folder().iterdir()]
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def personalise(text: str, template: str, name: str) -> str:
    """A template under a new name, which its model takes too; its comments and everything else stay as they are."""
    text = re.sub(r"^((?:  )?name:[ ]*)\S+[ ]*$", rf"\g<1>{name}", text, flags=re.MULTILINE)
    text = re.sub(rf"(?:workflows/)?\b{re.escape(template)}\.yaml", f"{name}.yaml", text)
    return _SCHEMA_LINE.sub(f"$schema={SCHEMA}", text, count=1)


def _template(name: str) -> str:
    if name not in templates():
        raise NotFoundError(f"no template {name!r}. Choose one of: {', '.join(templates())}")
    text: str = templates_folder().joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return text


def templates_folder() -> Any:
    """The folder of the workflows inside the package."""
    return files("distrnn").joinpath("templates")
