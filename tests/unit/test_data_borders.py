"""Borders of records, wherever the blocks of a stream happen to end."""

import csv
import io

import pyarrow as pa
import pyarrow.csv as pacsv
from hypothesis import example, given
from hypothesis import strategies as st

from distrnn.data.sources.borders import CsvBorders, LineBorders, ParagraphBorders, cut


def blocks(body, size):
    return [body[start : start + size] for start in range(0, len(body), size)]


def pieces(finder, body, size, target, **options):
    return list(cut(finder, blocks(body, size), target, **options))


def parsed(body):
    """Rows as pyarrow reads them whole."""
    reading = pacsv.ReadOptions(column_names=["a", "b"], use_threads=False, block_size=len(body) + 1)
    converting = pacsv.ConvertOptions(column_types={"a": "binary", "b": "binary"})
    return pacsv.read_csv(pa.py_buffer(body), reading, pacsv.ParseOptions(newlines_in_values=True), converting).to_pylist()


@given(
    st.lists(st.tuples(st.text(alphabet='a"\n\r, é'), st.text(alphabet='b"\n\r')), min_size=1),
    st.integers(1, 9),
    st.integers(1, 30),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_csv_rows_are_cut_where_a_csv_reader_cuts_them(rows, size, target, line_end):
    text = io.StringIO()
    csv.writer(text, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(rows)
    body = text.getvalue().encode()
    found = pieces(CsvBorders(b","), body, size, target)
    assert [row for piece in found for row in parsed(body[piece.start : piece.stop])] == parsed(body)
    assert [piece.rows for piece in found] == [len(parsed(body[piece.start : piece.stop])) for piece in found]
    assert sum(piece.rows for piece in found) == len(rows)


@example('5" disk,a\nb,c\n', 3, 1)
@example('a,"b"x"\nc,d\n', 3, 1)
@given(st.text(alphabet='a",\n'), st.integers(1, 6), st.integers(1, 8))
def test_stray_quotes_mean_what_they_mean_to_pyarrow(text, size, target):
    body = ("x,y\n" + text).encode()
    try:
        expected = parsed(body)
    except pa.ArrowInvalid:
        return
    found = pieces(CsvBorders(b","), body, size, target)
    assert sum(piece.rows for piece in found) == len(expected)
    assert [row for piece in found for row in parsed(body[piece.start : piece.stop])] == expected


@given(st.text(alphabet="a\n\r"), st.integers(1, 6), st.integers(1, 8))
def test_lines_end_at_line_feeds(text, size, target):
    body = text.encode()
    found = pieces(LineBorders(skip_empty=False), body, size, target)
    lines = body.split(b"\n")
    assert sum(piece.rows for piece in found) == len(lines) - (lines[-1] in (b"", b"\r"))
    filled = pieces(LineBorders(skip_empty=True), body, size, target)
    assert sum(piece.rows for piece in filled) == sum(line not in (b"", b"\r") for line in lines)


@given(st.text(alphabet="ab\n\r"), st.integers(1, 6), st.integers(1, 8))
def test_paragraphs_end_at_empty_lines(text, size, target):
    body = text.encode()
    filled = [line not in (b"", b"\r") for line in body.split(b"\n")]
    expected = sum(now and not before for before, now in zip([False, *filled], filled, strict=False))
    assert sum(piece.rows for piece in pieces(ParagraphBorders(), body, size, target)) == expected


def test_rows_are_numbered_through_the_file():
    found = pieces(LineBorders(skip_empty=False), b"aa\nbb\ncc\ndd\n", 5, 6)
    assert found == [(0, 6, 0, 2), (6, 12, 2, 2)]


def test_a_header_belongs_to_no_piece():
    assert pieces(CsvBorders(b","), b"x,y\n1,2\n", 3, 100, header=True) == [(4, 8, 0, 1)]
    assert pieces(CsvBorders(b","), b"x,y", 3, 100, header=True) == []
