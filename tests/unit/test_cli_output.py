"""One document, as JSON or as text."""

import io
import json
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distrnn.cli.output import Column, Fields, Output, Table, cell, moment, printable, short_digest, to_json, write
from distrnn.errors import StorageError


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_table_is_aligned_where_there_is_no_terminal(capsys):
    Output().result(None, Table(["model", "count", "result"], [["imdb", 3, 0.5], ["a", None, 0.25]]))
    assert capsys.readouterr().out == "MODEL  COUNT  RESULT\nimdb       3  0.5000\na          –  0.2500\n"


def test_table_is_drawn_on_a_terminal_without_colour_if_asked(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    Output().result(None, Table(["model"], [["[red]imdb[/red]"]]))
    assert "─" in terminal.getvalue()
    assert "[red]imdb[/red]" in terminal.getvalue()
    assert "\x1b[3" not in terminal.getvalue()


def test_fields_leave_out_what_is_not_there(capsys):
    Output().result(None, Fields({"run": "a-1", "model": None, "tokens": 46493}, title="run"))
    assert capsys.readouterr().out == "run\nrun     a-1\ntokens  46,493\n"


def test_lines_follow_each_other_and_tables_keep_apart(capsys):
    Output().result(None, "one", "two", Fields({"a": 1}), "three")
    assert capsys.readouterr().out == "one\ntwo\n\na  1\n\nthree\n"


def test_json_is_the_document_alone(capsys):
    out = Output(json=True)
    out.note("for the person")
    out.result({"loss": math.nan, "text": "ä"}, "as text")
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"loss": None, "text": "ä"}
    assert captured.err == "for the person\n"


def test_quiet_keeps_notes_to_itself(capsys):
    Output(quiet=True).note("for the person")
    assert capsys.readouterr().err == ""


def test_reference_is_shown_with_what_it_resolved_to(capsys):
    Output().resolved("imdb@production", "imdb", 3, "sha256:" + "ab" * 32)
    Output().resolved("imdb@v3", "imdb", 3, "sha256:" + "ab" * 32)
    assert capsys.readouterr().err == "imdb@production is imdb@v3 (sha256:abababababab)\nimdb@v3 (sha256:abababababab)\n"


COLUMNS = [Column("version", 8), Column("size", 7, right=True), Column("note")]


def test_rows_appear_as_they_are_read(capsys):
    seen = []

    def rows():
        for number in range(3):
            yield {"number": number}, [f"v{number}", number * 1000, None]
            seen.append(capsys.readouterr().out)

    assert Output().stream(COLUMNS, rows()) == 3
    assert seen == ["VERSION      SIZE  NOTE\nv0              0  –\n", "v1          1,000  –\n", "v2          2,000  –\n"]


def test_items_of_the_array_appear_as_they_are_read(capsys):
    seen = []

    def rows():
        for number in range(2):
            yield {"number": number, "loss": math.nan}, []
            seen.append(capsys.readouterr().out)

    assert Output(json=True).stream(COLUMNS, rows()) == 2
    assert seen[0] == '[\n{"number": 0, "loss": null}'
    assert [item["number"] for item in json.loads("".join([*seen, capsys.readouterr().out]))] == [0, 1]


def test_a_long_value_takes_its_room_and_a_line_end_none(capsys):
    Output().stream(COLUMNS, [({}, ["v1234567890", 1, "two\nlines"])])
    assert capsys.readouterr().out.splitlines()[1] == "v1234567890        1  two lines"


@pytest.mark.parametrize(("as_json", "expected"), [(True, "[]\n"), (False, "")])
def test_no_rows(capsys, as_json, expected):
    assert Output(json=as_json).stream(COLUMNS, []) == 0
    assert capsys.readouterr().out == expected


def failing(rows):
    yield from rows
    raise StorageError("the server went away")


def test_error_in_the_middle_of_rows_leaves_one_valid_document(capsys, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", stream)
    out = Output(json=True)
    with pytest.raises(StorageError) as caught:
        out.stream(COLUMNS, failing([({"number": 1}, [])]))
    out.failure(caught.value)
    assert json.loads(stream.buffer.getvalue()) == [{"number": 1}]
    assert capsys.readouterr().err == "error: the server went away\n"


def test_error_before_the_first_row_is_the_document(capsys):
    out = Output(json=True)
    with pytest.raises(StorageError) as caught:
        out.stream(COLUMNS, failing([]))
    out.failure(caught.value)
    captured = capsys.readouterr()
    assert (json.loads(captured.out)["error"], captured.err) == ("Storage", "")


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_every_document_is_valid_json_for_every_stream(document):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    body = to_json(document, stream)
    body.encode("ascii")
    json.loads(body, parse_constant=pytest.fail)


def test_text_that_the_stream_cannot_carry_is_escaped():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    write(stream, "a – b \udcff")
    assert stream.buffer.getvalue() == b"a \\u2013 b \\udcff"


def test_stranger_cannot_move_the_cursor():
    assert printable("a\x1b[2Jb\x9b1mc\x07\td\n") == "a[2Jb1mc\td\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (True, "yes"),
        (False, "no"),
        (25_000, "25,000"),
        (0.98601, "0.9860"),
        (0.0, "0.0000"),
        (0.00054, "0.00054"),
        (math.inf, "inf"),
        (["a", 1], "a, 1"),
        ([], "–"),
        ({"train": 2, "test": 1}, "train 2, test 1"),
    ],
)
def test_value_as_a_person_reads_it(value, text):
    assert cell(value) == text


@pytest.mark.parametrize(
    ("stamp", "text"),
    [
        ("2026-11-21T02:48:57.299483Z", "2026-11-21 02:48:57 UTC"),
        ("2026-11-21T02:48:57+00:00", "2026-11-21 02:48:57 UTC"),
        ("yesterday", "yesterday"),
        (None, None),
    ],
)
def test_moment(stamp, text):
    assert moment(stamp) == text


def test_short_digest_is_a_reference():
    assert short_digest("sha256:0123456789abcdef") == "sha256:0123456789ab"
