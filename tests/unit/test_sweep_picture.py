"""The picture of a sweep is drawn whatever came of it; how it looks is for eyes."""

import struct

import pytest

from distrnn.evaluation.sweep_picture import draw, spread
from fixtures_sweep import SWEEP, trial


def size_px(png):
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", png[16:24])


def test_a_panel_for_each_key_and_one_for_the_curves():
    width, height = size_px(draw(SWEEP))
    assert (width, 400 < height < 600) == (3 * 540, True)


def test_a_key_with_one_value_has_no_panel():
    width, _ = size_px(draw({**SWEEP, "grid": {**SWEEP["grid"], "train.optimizer.learning_rate": [0.01]}}))
    assert width == 2 * 540


@pytest.mark.parametrize(
    "changes",
    [
        {"trials": SWEEP["trials"][2:]},
        {"trials": SWEEP["trials"][:1], "left": 3},
        {"trials": [trial(8, 0.01, 0.5)]},
        {"metric": "loss", "trials": [{**row, "value": 3.0 * index} for index, row in enumerate(SWEEP["trials"][:2])]},
        {"grid": {"model.units": [8], "train.optimizer.learning_rate": [0.01]}, "trials": SWEEP["trials"][:1]},
    ],
    ids=["all failed", "some left", "one epoch", "losses", "one combination"],
)
def test_whatever_came_of_it(changes):
    assert min(size_px(draw({**SWEEP, **changes}))) > 300


def test_dots_stand_beside_each_other():
    assert spread(1) == [0.0]
    places = spread(9)
    assert (places[0], places[4], places[-1]) == (-0.28, 0.0, 0.28)
    assert spread(2)[1] < 0.1
