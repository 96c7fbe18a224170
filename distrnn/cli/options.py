"""The options that several verbs share, each declared once."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, errors too.", show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.", show_default=False)]
# `main` looks for it in the arguments, so that it holds for errors of the command line too.
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.", show_default=False)]

RegistryUrl = Annotated[
    str | None,
    typer.Option(
        "--registry",
        metavar="URL",
        envvar="DISTRNN_REGISTRY",
        help="Folder or s3:// URL; to read, http:// too (see serve). Default: registry under DISTRNN_HOME.",
    ),
]
LockUrl = Annotated[
    str | None,
    typer.Option(
        "--lock",
        metavar="URL",
        envvar="DISTRNN_LOCK",
        help="Who writes holds this lock: a file on a shared file system, or ray://NAME. For servers that cannot decide races.",
    ),
]
StorageUrl = Annotated[
    str | None,
    typer.Option("--storage", metavar="URL", envvar="DISTRNN_STORAGE", help="Folder or s3:// URL. Default: storage under DISTRNN_HOME."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the workflow, for instance train.epochs=3. Repeatable."),
]
Address = Annotated[str | None, typer.Option("--address", metavar="ADDRESS", help="A Ray cluster. Default: Ray is started here.")]
WorkflowFile = Annotated[str, typer.Argument(metavar="WORKFLOW", help="The YAML file.", show_default=False)]
Reference = Annotated[str, typer.Argument(metavar="REF", help="NAME, NAME@ALIAS, NAME@v3 or NAME@sha256:…", show_default=False)]
VersionReference = Annotated[
    str, typer.Argument(metavar="REF", help="NAME@v3, NAME@ALIAS, NAME@latest or NAME@sha256:…", show_default=False)
]
ModelName = Annotated[str, typer.Argument(metavar="NAME", help="The model.", show_default=False)]
Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="For instance production.", show_default=False)]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded with what is done.")]
Force = Annotated[
    bool, typer.Option("--force", help="Overrule the alias' rules; needs --reason, and is recorded with it.", show_default=False)
]
Rules = Annotated[
    list[str] | None,
    typer.Option("--rule", metavar="RULE", help="'accuracy min=0.8 better_than=production min_tokens=401'. Repeatable; all must pass."),
]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or last.")]
