"""A sign of life, on a terminal only."""

import io
import sys

import pytest

from distrnn.cli.waiting import waiting


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_nothing_where_nobody_looks(capsys):
    with waiting("reading the registry"):
        print("a row")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("a row\n", "")


@pytest.mark.parametrize("out", [io.StringIO, Terminal], ids=["to a file", "to the terminal"])
def test_terminal_sees_what_is_being_done(monkeypatch, out):
    stdout, stderr = out(), Terminal()
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("TERM", "xterm-256color")
    with waiting("reading [the registry]"):
        print("a row")
    assert "reading [the registry]" in stderr.getvalue()
    assert "a row\n" in (stderr if out is Terminal else stdout).getvalue()


def test_error_passes_through():
    with pytest.raises(ValueError, match="torn"), waiting("reading"):
        raise ValueError("torn")
