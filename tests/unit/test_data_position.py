"""A reader that is stopped anywhere, killed included, goes on with exactly the batches that it would have had."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from distrnn.data.batches import ClassifierBatches
from distrnn.data.buckets import BucketBatches
from distrnn.data.mixing import Ingredient, MixedBatches
from distrnn.data.parts import Part
from distrnn.data.position import BatchReader, Position
from distrnn.data.streams import StreamBatches
from distrnn.errors import DataError
from fixtures_batches import digest, numbered, of_lengths, stream

TESTS = Path(__file__).resolve().parents[1]
COMMON = {"padding": "pre", "truncating": "pre", "seed": 7}
KINDS = {
    "classifier": lambda part: ClassifierBatches(numbered(45), sequence_length=3, batch=8, shuffle=True, part=part, **COMMON),
    "buckets": lambda part: BucketBatches(
        of_lengths(np.arange(45) % 17 + 1), sequence_length=None, batch=8, window_batches=3, part=part, **COMMON
    ),
    "mixed": lambda part: MixedBatches(
        [Ingredient(numbered(45), 8), Ingredient(numbered(5, 100), 3, 0.5), Ingredient(numbered(9, 200), 1)],
        sequence_length=3,
        part=part,
        **COMMON,
    ),
    "stream": lambda part: StreamBatches(stream(np.arange(300)), batch=8, window=6, part=part),
}
REPLICAS = [Part(replica, count) for count in (1, 2, 4) for replica in range(count)]


def batches_of(kind, part=None):
    return KINDS[kind](part or Part())


@pytest.mark.parametrize("part", REPLICAS, ids=lambda part: f"{part.index}-of-{part.count}")
@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_restored_anywhere_goes_on_exactly(kind, part):
    total = 2 * batches_of(kind).steps + 3
    reader = BatchReader(batches_of(kind, part))
    digests, kept = [], [json.dumps(asdict(reader.position))]
    for batch in islice(reader, total):
        digests.append(digest(batch))
        kept.append(json.dumps(asdict(reader.position)))
    for done, text in enumerate(kept):
        restored = BatchReader(batches_of(kind, part), Position(**json.loads(text)))
        assert [digest(batch) for batch in islice(restored, total - done)] == digests[done:]


@pytest.mark.parametrize("kind", ["classifier", "buckets", "mixed"])
def test_epochs_differ_so_that_a_lost_position_would_show(kind):
    steps = batches_of(kind).steps
    digests = [digest(batch) for batch in islice(BatchReader(batches_of(kind)), 2 * steps)]
    assert len(set(digests)) == 2 * steps


def test_a_position_does_not_depend_on_the_number_of_replicas():
    positions = set()
    for part in REPLICAS:
        reader = BatchReader(batches_of("classifier", part))
        all(islice(reader, 9))
        positions.add(reader.position)
    assert positions == {Position(1, 3)}


def test_a_position_of_other_batches_is_refused():
    with pytest.raises(DataError) as caught:
        BatchReader(batches_of("classifier"), Position(0, 7))
    assert str(caught.value) == (
        "a position must be an epoch from 0 and a step from 0 to 6. Received: epoch 0, step 7. "
        "Go on with the data and batch size that it was kept of, or start again."
    )


def read_until_killed(kind, replica, count, folder):
    """Write the digest of each batch, then the position after it; go on from there if it is kept."""
    kept = folder / "position.json"
    position = Position(**json.loads(kept.read_text())) if kept.exists() else None
    reader = BatchReader(batches_of(kind, Part(replica, count)), position)
    while True:
        at, batch = reader.position, next(reader)
        with (folder / "digests").open("a") as file:
            file.write(f"{at.epoch} {at.step} {digest(batch)}\n")
        partial = folder / "partial"
        partial.write_text(json.dumps(asdict(reader.position)))
        partial.rename(kept)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_reader_goes_on_exactly(kind, count, tmp_path):
    lines = tmp_path / "digests"
    code = (
        "import sys; from pathlib import Path; from unit.test_data_position import read_until_killed as read; "
        f"read({kind!r}, {count - 1}, {count}, Path(sys.argv[1]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    for wanted in (15, 40, 70):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment)
        until = time.monotonic() + 60
        while not (lines.exists() and len(lines.read_text().splitlines()) >= wanted):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    read = [(int(epoch), int(step), found) for epoch, step, found in map(str.split, lines.read_text().splitlines())]
    reader = BatchReader(batches_of(kind, Part(count - 1, count)))
    expected = []
    for _ in range(len({(epoch, step) for epoch, step, _ in read})):
        at = reader.position
        expected.append((at.epoch, at.step, digest(next(reader))))
    # A batch whose position was not kept any more is read again, and is the same
    assert sorted(set(read)) == expected
    assert len(read) - len(expected) <= 3
