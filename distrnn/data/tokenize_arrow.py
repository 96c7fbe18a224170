"""The vectorised tokenizer: a column of texts in, a dictionary of distinct tokens and ids into it out. Equal to `text.py` everywhere.

Words: a table look-up turns every byte into a space or its lower case, so a word is the bytes from one word start to the next, less the
spaces at its end. Those spaces stay on until the distinct words are known, because trimming 60,000 words is cheaper than 2,000,000. The
words with bytes beyond ASCII are lowered by Python, on the distinct ones only: pyarrow's utf8_lower differs from it on 76 code points
and on the final sigma.

Blocks of a megabyte keep every intermediate array in the processor's cache; it doubles the speed.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from distrnn.text import LINE_BREAK, SEPARATORS, TokenizerSpec

BLOCK_BYTES = 1 << 20
SPACE = ord(" ")
LAST_INT32 = 2**31 - 1
CODE_POINTS = 0x110000
LAST_INNER_BYTE = -65  # 0xBF as a signed byte: every byte of a UTF-8 character but its first is from 0x80 to 0xBF
_TAG = np.frombuffer(LINE_BREAK.encode(), np.uint8)


class Tokens(NamedTuple):
    """A tokenized column.

    Shapes: D distinct tokens, T tokens, N texts.

    Attributes:
        dictionary: string [D], distinct, in no promised order.
        ids: int32 [T], positions in `dictionary`.
        lengths: int64 [N], tokens of each text.
    """

    dictionary: pa.StringArray
    ids: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int64]


class _Column(NamedTuple):
    """A text column as bytes: uint8 [B], and where each text begins: int64 [N + 1]."""

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]


def tokenize_column(texts: pa.LargeStringArray, spec: TokenizerSpec) -> Tokens:
    """Tokenize every text of a column as `text.tokenize` does.

    Args:
        texts: valid UTF-8, no nulls.
        spec: the rules.
    """
    tokens = _words(texts, spec) if spec.level == "word" else _characters(texts, spec)
    return tokens if spec.ngrams == 1 else _grams(tokens, spec.ngrams, " " if spec.level == "word" else "")


def _column(texts: pa.LargeStringArray) -> _Column:
    _, offsets_buffer, data_buffer = texts.buffers()
    if not len(texts) or data_buffer is None:
        return _Column(np.zeros(0, np.uint8), np.zeros(len(texts) + 1, np.int64))
    offsets = np.frombuffer(offsets_buffer, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(data_buffer, np.uint8)[offsets[0] : offsets[-1]]
    return _Column(data, offsets - offsets[0])


def _blocks(column: _Column) -> Iterator[_Column]:
    cuts = np.searchsorted(column.offsets, np.arange(0, len(column.data), BLOCK_BYTES), "left")
    borders = np.unique(np.concatenate([cuts, [0, len(column.offsets) - 1]]))
    for first, last in itertools.pairwise(borders):
        offsets = column.offsets[first : last + 1]
        yield _Column(column.data[offsets[0] : offsets[-1]], offsets - offsets[0])


def _words(texts: pa.LargeStringArray, spec: TokenizerSpec) -> Tokens:
    table = _byte_table(fold=spec.case == "fold")
    column = _column(texts)
    kind = pa.large_string() if len(column.data) > LAST_INT32 else pa.string()
    chunks, lengths = [], []
    for block in _blocks(column):
        data = np.frombuffer(bytearray(block.data).translate(table), np.uint8)
        if spec.html == "strip":
            _blank_line_breaks(block, data)
        starts, words_of_text = _word_starts(_Column(data, block.offsets))
        chunks.append(_spans(data, starts, kind))
        lengths.append(words_of_text)
    encoded = pa.chunked_array(chunks, kind).dictionary_encode()
    per_text = np.concatenate(lengths or [np.zeros(0, np.int64)])
    if not encoded.num_chunks:
        return Tokens(pa.array([], pa.string()), np.zeros(0, np.int32), per_text)
    dictionary, position = _final_dictionary(encoded.chunk(0).dictionary, fold=spec.case == "fold")
    return Tokens(dictionary, np.concatenate([np.take(position, chunk.indices.to_numpy()) for chunk in encoded.chunks]), per_text)


def _byte_table(*, fold: bool) -> bytes:
    table = np.arange(256, dtype=np.uint8)
    table[np.frombuffer(SEPARATORS.encode(), np.uint8)] = SPACE
    if fold:
        table[ord("A") : ord("Z") + 1] += ord("a") - ord("A")
    return table.tobytes()


def _blank_line_breaks(block: _Column, data: npt.NDArray[np.uint8]) -> None:
    """Blank the letters of every `<br />` of `block` in `data`; its other bytes are separators already."""
    found = np.flatnonzero(block.data == _TAG[0])
    found = found[found + len(_TAG) <= len(block.data)]
    found = found[(block.data[found[:, None] + np.arange(len(_TAG))] == _TAG).all(axis=1)]
    text_ends = block.offsets[np.searchsorted(block.offsets, found, "right")]
    found = found[found + len(_TAG) <= text_ends]
    for letter in (1, 2):
        data[found + letter] = SPACE


def _word_starts(column: _Column) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where words begin: int64 [words], and how many words each text has: int64 [N]."""
    kept = column.data != SPACE
    starts = np.empty_like(kept)
    starts[:1] = kept[:1]
    np.greater(kept[1:], kept[:-1], out=starts[1:])
    text_starts = column.offsets[:-1]
    text_starts = text_starts[text_starts < len(kept)]
    starts[text_starts] = kept[text_starts]
    positions = np.flatnonzero(starts)
    return positions, np.diff(np.searchsorted(positions, column.offsets))


def _spans(data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], kind: pa.DataType) -> pa.Array:
    offsets = np.empty(len(starts) + 1, np.int64 if kind == pa.large_string() else np.int32)
    offsets[:-1] = starts
    offsets[-1] = len(data)
    return pa.Array.from_buffers(kind, len(starts), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def _final_dictionary(raw: pa.Array, *, fold: bool) -> tuple[pa.StringArray, npt.NDArray[np.int32]]:
    """Distinct final tokens, and for each raw one its position among them."""
    tokens = pc.ascii_rtrim(raw, characters=" ").cast(pa.string())
    if fold:
        tokens = _lower_beyond_ascii(tokens)
    encoded = tokens.dictionary_encode()
    return encoded.dictionary, encoded.indices.to_numpy().astype(np.int32, copy=False)


def _lower_beyond_ascii(texts: pa.Array) -> pa.Array:
    foreign = pc.invert(pc.string_is_ascii(texts))
    if not pc.any(foreign).as_py():
        return texts
    lowered = [text.lower() for text in texts.filter(foreign).to_pylist()]
    return pc.replace_with_mask(texts, foreign, pa.array(lowered, texts.type))


def _characters(texts: pa.LargeStringArray, spec: TokenizerSpec) -> Tokens:
    if spec.case == "fold":
        texts = _lower_beyond_ascii(pc.ascii_lower(texts))
    position = np.full(CODE_POINTS, -1, np.int32)
    found: list[int] = []
    ids, lengths = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
    for block in _blocks(_column(texts)):
        points = _code_points(block.data)
        block_ids = np.take(position, points)
        if len(new := np.unique(points[block_ids < 0])):
            position[new] = np.arange(len(found), len(found) + len(new), dtype=np.int32)
            found += new.tolist()
            block_ids = np.take(position, points)
        ids.append(block_ids)
        inner = np.flatnonzero(block.data.view(np.int8) <= LAST_INNER_BYTE)
        lengths.append(np.diff(block.offsets) - np.diff(np.searchsorted(inner, block.offsets)))
    return Tokens(pa.array([chr(point) for point in found], pa.string()), np.concatenate(ids), np.concatenate(lengths))


def _code_points(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint32]:
    """The code points of UTF-8; of ASCII they are the bytes themselves."""
    text = data.tobytes()
    return data if text.isascii() else np.frombuffer(text.decode().encode("utf-32-le"), np.uint32)


def _grams(units: Tokens, longest: int, joint: str) -> Tokens:
    """Grams of 1 to `longest` units: a gram is its prefix, a gram one unit shorter, and one more unit.

    Only distinct grams ever become text; grams of different lengths never have the same text, because no unit holds the joint.
    """
    total = len(units.ids)
    left = np.repeat(np.cumsum(units.lengths), units.lengths) - np.arange(total)  # units from here to the end of the text
    per_position = np.minimum(left, longest)
    first = np.cumsum(per_position) - per_position
    ids = np.empty(int(per_position.sum()), np.int32)
    grams, dictionary = units.ids, units.dictionary
    dictionaries, known = [dictionary], len(dictionary)
    ids[first] = grams
    for length in range(2, longest + 1):
        starts = np.flatnonzero(left >= length)
        codes = grams[starts].astype(np.int64) * len(units.dictionary) + units.ids[starts + length - 1]
        encoded = pa.array(codes).dictionary_encode()
        prefix, last = np.divmod(encoded.dictionary.to_numpy(), max(len(units.dictionary), 1))
        dictionary = pc.binary_join_element_wise(dictionary.take(pa.array(prefix)), units.dictionary.take(pa.array(last)), joint)
        grams = np.zeros(total, np.int32)
        grams[starts] = encoded.indices.to_numpy()
        ids[first[starts] + length - 1] = grams[starts] + known
        dictionaries.append(dictionary)
        known += len(dictionary)
    lengths = sum(np.maximum(units.lengths - shorter, 0) for shorter in range(longest))
    return Tokens(pa.concat_arrays(dictionaries), ids, np.asarray(lengths, np.int64))
