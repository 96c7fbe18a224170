"""`distrnn pull`: how a model comes to this machine."""

from enum import StrEnum
from typing import Annotated

import typer

from distrnn.cli.options import Debug, Json, Reference, RegistryUrl
from distrnn.cli.output import Output
from distrnn.cli.registries import open_registry
from distrnn.cli.versions import named
from distrnn.refs import ModelRef


class Form(StrEnum):
    """What `pull --for` takes."""

    NUMPY = "numpy"
    KERAS = "keras"
    ALL = "all"


def pull(
    reference: Reference,
    form: Annotated[Form, typer.Option("--for", help="What will load it.")] = Form.NUMPY,
    dest: Annotated[str | None, typer.Option("--dest", metavar="DIR", help="Folder to fill. Default: a folder of the cache.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Use what was pulled before.", show_default=False)] = False,
    require_signature: Annotated[
        str | None,
        typer.Option("--require-signature", metavar="KEY", help="Refuse a version that is not signed by a public key of this file."),
    ] = None,
    registry: RegistryUrl = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Bring a model to this machine, every byte checked, and say where it is."""
    out, store = Output(json=json), open_registry(registry)
    parsed = ModelRef.parse(reference)
    folder = str(store.pull(parsed, dest, form=form.value, offline=offline, require_signature=require_signature))
    # Asked after the pull and of this machine alone: an alias may have moved on meanwhile, and this is what came
    version = store.resolve(parsed, offline=True)
    out.resolved(reference, version.name, version.number, version.digest)
    out.result({"reference": reference, **named(version), "form": form.value, "path": folder}, folder)
