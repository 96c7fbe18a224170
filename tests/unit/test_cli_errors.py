"""Whatever goes wrong: one line, or one JSON document, and the right exit code."""

import json
import signal
from types import SimpleNamespace

import pytest

from distrnn import errors
from distrnn.cli import main, predict

EXIT_CODES = [
    (errors.DataError("no text"), 1),
    (errors.StorageError("the disk is full"), 1),
    (errors.WorkflowError("a wrong key"), 2),
    (errors.NotFoundError("no such thing"), 3),
    (errors.GateRefusedError("guarded"), 4),
    (errors.IntegrityError("altered"), 5),
    (errors.ConflictError("somebody else was first"), 6),
    (errors.AccessError("wrong credentials"), 7),
    (errors.DivergedError("the loss is nan"), 8),
    (errors.InterruptedRunError("stopped", signal=signal.SIGINT), 130),
    (errors.InterruptedRunError("stopped", signal=signal.SIGTERM), 143),
]


@pytest.fixture
def failing(monkeypatch):
    """Let `distrnn predict` end with an error."""

    def fail(error):
        def load(*_arguments):
            raise error

        monkeypatch.setattr(predict, "load", load)

    return fail


@pytest.mark.parametrize(("error", "code"), EXIT_CODES, ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "")
def test_error_is_one_line_on_stderr(cli, failing, error, code):
    failing(error)
    done = cli("predict", "reviews", "a text")
    assert (done.exit_code, done.stdout, done.stderr) == (code, "", f"error: {error.message}\n")


@pytest.mark.parametrize(("error", "code"), EXIT_CODES, ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "")
def test_error_is_the_one_document_on_stdout_with_json(cli, failing, error, code, holds_for_schema):
    failing(error)
    done = cli("predict", "reviews", "a text", "--json")
    document = json.loads(done.stdout)
    holds_for_schema(document, "error")
    assert (done.exit_code, done.stderr) == (code, "")
    assert document == {"error": type(error).__name__.removesuffix("Error"), "message": error.message, "code": code}


def test_bug_is_one_line_that_says_how_to_see_more(cli, failing):
    failing(ZeroDivisionError("division\nby zero"))
    done = cli("predict", "reviews", "a text")
    expected = "error: internal error: ZeroDivisionError: division by zero; run again with --debug for the traceback\n"
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", expected)


def test_debug_shows_the_traceback(cli, failing):
    failing(errors.DataError("no text"))
    done = cli("predict", "reviews", "a text", "--debug")
    assert done.exit_code == 1
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert done.stderr.endswith("\nerror: no text\n")


def test_debug_after_two_dashes_is_a_text(cli, failing):
    failing(errors.DataError("no text"))
    assert cli("predict", "reviews", "--", "--debug", "--json").stderr == "error: no text\n"


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "error: interrupted by SIGINT\n"),
        (main.TerminatedError(), 143, "error: interrupted by SIGTERM\n"),
    ],
    ids=["SIGINT", "SIGTERM"],
)
def test_signal_ends_with_its_code_and_one_line(cli, failing, raised, code, message):
    failing(raised)
    done = cli("predict", "reviews", "a text")
    assert (done.exit_code, done.stdout, done.stderr) == (code, "", message)


def test_sigterm_becomes_an_error_of_the_program():
    with pytest.raises(main.TerminatedError):
        main.terminate(signal.SIGTERM, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pul"], "no such command 'pul'. Did you mean 'pull'. See: distrnn --help"),
        (["pull"], "missing argument 'REF'. See: distrnn pull --help"),
        (["pull", "a", "--fro", "numpy"], "no such option: --fro (Possible options: --for). See: distrnn pull --help"),
        (["pull", "a", "--for", "h5"], "invalid value for '--for': 'h5' is not one of 'numpy', 'keras', 'all'. See: distrnn pull --help"),
        (["pull", "Wrong"], None),
    ],
    ids=["verb", "missing", "option", "choice", "reference"],
)
def test_usage_error_exits_2_as_text_and_as_json(cli, arguments, message, holds_for_schema):
    as_text, as_json = cli(*arguments), cli(*arguments, "--json")
    document = json.loads(as_json.stdout)
    holds_for_schema(document, "error")
    assert (as_text.exit_code, as_text.stdout, as_json.exit_code, as_json.stderr) == (2, "", 2, "")
    assert (document["error"], document["code"]) == ("Usage", 2)
    if message is not None:
        assert (as_text.stderr, document["message"]) == (f"error: {message}\n", message)


@pytest.mark.parametrize(
    "arguments", [[], ["models"], ["runs"], ["models", "alias"]], ids=lambda arguments: " ".join(arguments) or "distrnn"
)
def test_no_verb_shows_the_help(cli, arguments):
    done = cli(*arguments)
    assert (done.exit_code, done.stderr) == (2, "")
    assert "Usage: distrnn" in done.stdout


def test_file_that_may_not_be_written_is_no_bug(cli, failing):
    failing(PermissionError(13, "Permission denied", "/root/secret"))
    done = cli("predict", "reviews", "a text")
    assert (done.exit_code, done.stderr) == (7, "error: /root/secret: permission denied. Choose a place that this user may use.\n")


def test_other_failure_of_the_disk_is_no_bug(cli, failing):
    failing(OSError(28, "No space left on device", "/tmp/model"))
    done = cli("predict", "reviews", "a text")
    assert (done.exit_code, done.stderr) == (1, "error: /tmp/model: no space left on device.\n")


def test_reader_that_went_away_is_no_error(monkeypatch, capfd):
    monkeypatch.setattr(main, "sys", SimpleNamespace(stdout=SimpleNamespace(fileno=lambda: 1), stderr=None))
    assert main.report(BrokenPipeError(), []) == 1
    assert capfd.readouterr().err == ""
