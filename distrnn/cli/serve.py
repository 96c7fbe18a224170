"""`distrnn serve`: the registry as pages, REST and metrics."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distrnn.cli.extras import require
from distrnn.cli.options import Debug, Json, LockUrl, Quiet, RegistryUrl
from distrnn.cli.output import Output
from distrnn.errors import UsageError

if TYPE_CHECKING:
    from distrnn.service.tokens import Tokens

TOKEN = "DISTRNN_SERVE_TOKEN"  # noqa: S105 (the name of a variable)


def serve(
    registry: RegistryUrl = None,
    lock: LockUrl = None,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; 0.0.0.0 is every address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any that is free.")] = 8080,
    public_url: Annotated[
        str,
        typer.Option(
            "--public-url",
            metavar="URL",
            help="Behind a proxy: the address that pages tell people to use. Clients are then told apart by X-Forwarded-For.",
        ),
    ] = "",
    token_file: Annotated[
        str | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help=f"Bearer tokens, one a line: who shows one may move aliases. Or one in {TOKEN}. Default: read only.",
        ),
    ] = None,
    requests_per_second: Annotated[
        float, typer.Option("--requests-per-second", metavar="N", help="Of one client, on average; 0 for no limit.")
    ] = 50.0,
    metrics_age: Annotated[
        float, typer.Option("--metrics-age", metavar="SECONDS", help="How old the figures of the registry at /metrics may be.")
    ] = 15.0,
    quiet: Quiet = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show the registry to people, programs and Prometheus: pages at /, REST at /api/v1, /metrics, /healthz, /readyz.

    Whoever reaches it can read and pull every model without credentials: distrnn pull NAME --registry http://HOST:PORT
    """
    require("serve", "serve")
    from distrnn.cli.registries import open_registry
    from distrnn.service.server import listen, run, url_of
    from distrnn.service.settings import Settings

    store = open_registry(registry, lock)
    settings = Settings(
        tokens=_tokens(token_file),
        public_url=public_url,
        requests_per_s=requests_per_second,
        metrics_age_s=metrics_age,
    )
    with listen(host, port) as opened:
        url = url_of(opened)
        moves = "aliases can be moved with a token" if settings.tokens else "read only"
        document = {"url": url, "registry": store.url, "moves": bool(settings.tokens)}
        run(
            settings,
            store,
            opened,
            lambda: Output(json=json).result(document, f"{store.url} is at {url} ({moves})."),
            access_log=not quiet,
        )


def _tokens(file: str | None) -> "Tokens":
    from distrnn.service.tokens import Tokens

    if file is not None:
        if os.environ.get(TOKEN):
            raise UsageError(f"tokens come from --token-file or from {TOKEN}, not from both. Received both.")
        return Tokens.read(Path(file).expanduser())
    token = os.environ.get(TOKEN)
    return Tokens.of([token]) if token else Tokens()
