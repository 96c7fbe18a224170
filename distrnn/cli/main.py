"""The command `distrnn`: its verbs, and what becomes of whatever goes wrong in one.

Every error ends here: one line on stderr (or one JSON document on stdout), no traceback, the exit code of `distrnn.errors`.
"""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from distrnn.cli import (
    aliases,
    cache,
    carrying,
    compare,
    complete,
    convert,
    datasets,
    doctor,
    embeddings,
    generate,
    init,
    jobs,
    models_list,
    models_show,
    notes,
    predict,
    promotion,
    pull,
    registry_care,
    runs,
    schedule,
    score,
    serve,
    submit,
    sweep,
    tokenize,
    workflows,
)
from distrnn.cli.output import Output
from distrnn.errors import AccessError, DistrnnError, InterruptedRunError, StorageError, UsageError


class TerminatedError(BaseException):
    """SIGTERM arrived; like KeyboardInterrupt it is nobody's to handle but the program's."""


class Program(TyperGroup):
    """The root of the command line."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command line, and leave the process with its exit code."""
        arguments = list(sys.argv[1:] if args is None else args)
        try:
            code = super().main(arguments, prog_name or "distrnn", complete_var, standalone_mode=False, **extra)
        except Exception as error:
            code = report(error, arguments)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; a signal becomes an error like any other."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise InterruptedRunError("interrupted by SIGINT", signal=signal.SIGINT) from None
        except TerminatedError:
            raise InterruptedRunError("interrupted by SIGTERM", signal=signal.SIGTERM) from None


def report(error: Exception, arguments: Sequence[str]) -> int:
    """Tell what went wrong; returns the exit code.

    Args:
        error: what a verb raised.
        arguments: of the command line; it may be what was wrong, so `--json` and `--debug` are looked for in it as it stands.
    """
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if isinstance(error, BrokenPipeError):
        _nobody_reads()
        return 1
    if isinstance(error, typer.TyperException) and not error.format_message():
        return error.exit_code  # no verb was given, and the help has been shown
    if "--debug" in options and not isinstance(error, typer.TyperException):
        traceback.print_exception(error)
    known = _known(error)
    try:
        Output(json="--json" in options).failure(known)
    except BrokenPipeError:
        _nobody_reads()
    return known.exit_code


def _nobody_reads() -> None:
    """Whoever read the output has seen enough, or is gone; without this the interpreter complains once more when it flushes stdout."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _known(error: Exception) -> DistrnnError:
    if isinstance(error, DistrnnError):
        return error
    if isinstance(error, typer.TyperException):
        return _usage(error)
    if isinstance(error, typer.Abort):
        return InterruptedRunError("nothing was changed", signal=signal.SIGINT)
    if isinstance(error, OSError) and error.filename is not None:
        place, reason = error.filename, (error.strerror or str(error)).lower()
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return AccessError(f"{place}: {reason}. Choose a place that this user may use.")
        return StorageError(f"{place}: {reason}.")
    said = " ".join(str(error).split())
    return DistrnnError(f"internal error: {type(error).__name__}: {said}; run again with --debug for the traceback")


def _usage(error: typer.TyperException) -> DistrnnError:
    said = " ".join(error.format_message().split()).rstrip(".?").replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "distrnn"
    return UsageError(f"{said[:1].lower()}{said[1:]}. See: {command} --help")


def _show_version(wanted: bool) -> None:
    if wanted:
        from distrnn import __version__

        typer.echo(f"distrnn {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.", show_default=False)
    ] = False,
) -> None:
    """Train recurrent text models, keep them in a registry, predict anywhere.

    From nothing to a prediction, in about a minute (`distrnn plan mine.yaml` says before what it would do):

    ```
    distrnn init mine --from quickstart-reviews
    distrnn run mine.yaml
    distrnn predict mine@production "Not bad at all."
    ```

    The same file goes to a Ray cluster, and with a section `schedule` is trained again when it is time and something has changed; a page of
    the registry shows what came of it:

    ```
    distrnn submit mine.yaml --address http://head:8265 --wait
    distrnn schedule run mine.yaml
    distrnn serve
    ```
    """


def _group(help_text: str) -> typer.Typer:
    return typer.Typer(help=help_text, no_args_is_help=True, rich_markup_mode="markdown")


def build() -> typer.Typer:
    """The program with all its verbs."""
    program = typer.Typer(cls=Program, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="markdown")
    program.callback()(_root)

    train = "Train"
    program.command("init", rich_help_panel=train)(init.init)
    program.command("plan", rich_help_panel=train)(workflows.plan)
    program.command("run", rich_help_panel=train)(workflows.run)
    program.command("prepare", rich_help_panel=train)(workflows.prepare)
    program.command("sweep", rich_help_panel=train)(sweep.sweep)
    program.command("submit", rich_help_panel=train)(submit.submit)
    program.add_typer(_jobs(), name="jobs", rich_help_panel=train)
    program.add_typer(_schedule(), name="schedule", rich_help_panel=train)
    program.add_typer(_datasets(), name="datasets", rich_help_panel=train)
    program.add_typer(_runs(), name="runs", rich_help_panel=train)

    use = "Use models"
    program.add_typer(_models(), name="models", rich_help_panel=use)
    program.command("compare", rich_help_panel=use)(compare.compare)
    program.command("pull", rich_help_panel=use)(pull.pull)
    program.command("convert", rich_help_panel=use)(convert.convert)
    program.command("predict", rich_help_panel=use)(predict.predict)
    program.command("generate", rich_help_panel=use)(generate.generate)
    program.command("complete", rich_help_panel=use)(complete.complete)
    program.command("score", rich_help_panel=use)(score.score)
    program.command("tokenize", rich_help_panel=use)(tokenize.tokenize_texts)
    program.command("neighbors", rich_help_panel=use)(embeddings.neighbors)
    program.command("analogy", rich_help_panel=use)(embeddings.analogy)

    care = "Look after it"
    program.add_typer(_cache(), name="cache", rich_help_panel=care)
    program.command("serve", rich_help_panel=care)(serve.serve)
    program.command("doctor", rich_help_panel=care)(doctor.doctor)
    return program


def _jobs() -> typer.Typer:
    group = _group("Runs that were submitted to a cluster.")
    group.command("list")(jobs.list_jobs)
    group.command("status")(jobs.status)
    group.command("logs")(jobs.logs)
    group.command("stop")(jobs.stop)
    return group


def _schedule() -> typer.Typer:
    group = _group("Workflows that are run again by themselves.")
    group.command("run")(schedule.run)
    group.command("list")(schedule.list_schedules)
    group.command("next")(schedule.show_next)
    group.command("history")(schedule.history)
    group.command("manifests")(schedule.manifests)
    return group


def _datasets() -> typer.Typer:
    group = _group("What was prepared to train on.")
    group.command("list")(datasets.list_datasets)
    group.command("show")(datasets.show)
    group.command("verify")(datasets.verify)
    group.command("delete")(datasets.delete)
    return group


def _runs() -> typer.Typer:
    group = _group("What was run, and what came of it.")
    group.command("list")(runs.list_runs)
    group.command("show")(runs.show)
    group.command("report")(runs.report)
    return group


def _models() -> typer.Typer:
    group = _group("Models, their versions and aliases.")
    look, move, write, care = "Look", "Move aliases", "Say more about a version", "Look after a registry"
    group.command("list", rich_help_panel=look)(models_list.list_models)
    group.command("show", rich_help_panel=look)(models_show.show)
    group.command("history", rich_help_panel=look)(models_show.history)
    group.add_typer(_aliases(), name="alias", rich_help_panel=move)
    group.command("promote", rich_help_panel=move)(promotion.promote)
    group.command("rollback", rich_help_panel=move)(promotion.rollback)
    group.command("tag", rich_help_panel=write)(notes.tag)
    group.command("card", rich_help_panel=write)(notes.card)
    group.command("sign", rich_help_panel=write)(carrying.sign)
    group.command("verify", rich_help_panel=care)(registry_care.verify)
    group.command("delete", rich_help_panel=care)(registry_care.delete)
    group.command("gc", rich_help_panel=care)(registry_care.gc)
    group.command("bundle", rich_help_panel=care)(carrying.bundle)
    group.command("unbundle", rich_help_panel=care)(carrying.unbundle)
    return group


def _aliases() -> typer.Typer:
    group = _group("Movable names of versions, and the rules under which they move.")
    group.command("set")(aliases.set_alias)
    group.command("delete")(aliases.delete_alias)
    group.command("guard")(aliases.guard)
    return group


def _cache() -> typer.Typer:
    group = _group("What was pulled to this machine.")
    group.command("list")(cache.list_cache)
    group.command("verify")(cache.verify)
    group.command("prune")(cache.prune)
    return group


app = build()


def terminate(_number: int, _frame: FrameType | None) -> None:
    """Handle SIGTERM."""
    raise TerminatedError


def main() -> None:
    """The entry point of the command `distrnn`."""
    signal.signal(signal.SIGTERM, terminate)
    app()


if __name__ == "__main__":
    main()
