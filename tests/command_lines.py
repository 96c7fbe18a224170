"""Parsing `distrnn …` as the command line would, without doing anything."""

import shlex

import typer.main

from distrnn.cli.main import app


def parse(command: str) -> None:
    """Raises what the command line would complain about."""
    words = shlex.split(command, comments=True)[1:]
    for redirection in (">", "|", "&&"):
        words = words[: words.index(redirection)] if redirection in words else words
    verb = typer.main.get_command(app)
    while getattr(verb, "commands", None) and words and not words[0].startswith("-"):
        assert words[0] in verb.commands, f"no verb {words[0]!r} in: {command}"
        verb = verb.commands[words.pop(0)]
    if "--help" not in words and "--version" not in words:
        verb.make_context(verb.name, words)
