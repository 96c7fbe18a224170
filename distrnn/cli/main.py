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

from distrnn.cli import doctor, init, models, predict, runs, workflows
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
        # Whoever read the output has seen enough; without this the interpreter complains once more when it flushes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if isinstance(error, typer.TyperException) and not error.format_message():
        return error.exit_code  # no verb was given, and the help has been shown
    if "--debug" in options and not isinstance(error, typer.TyperException):
        traceback.print_exception(error)
    known = _known(error)
    Output(json="--json" in options).failure(known)
    return known.exit_code


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

    A workflow file says what to train; start one with `distrnn init`, see what it would do with `distrnn plan`, run it with `distrnn run`.
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
    run_group = _group("What was run, and what came of it.")
    run_group.command("list")(runs.list_runs)
    run_group.command("show")(runs.show)
    run_group.command("report")(runs.report)
    program.add_typer(run_group, name="runs", rich_help_panel=train)

    use = "Use models"
    alias_group = _group("Movable names of versions.")
    alias_group.command("set")(models.set_alias)
    alias_group.command("delete")(models.delete_alias)
    model_group = _group("Models, their versions and aliases.")
    model_group.command("list")(models.list_models)
    model_group.command("show")(models.show)
    model_group.add_typer(alias_group, name="alias")
    program.add_typer(model_group, name="models", rich_help_panel=use)
    program.command("pull", rich_help_panel=use)(models.pull)
    program.command("predict", rich_help_panel=use)(predict.predict)
    program.command("generate", rich_help_panel=use)(predict.generate)

    program.command("doctor", rich_help_panel="Look after it")(doctor.doctor)
    return program


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
