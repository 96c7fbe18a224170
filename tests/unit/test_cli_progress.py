"""Events as a person sees them: a line a stage and an epoch, or bars."""

import io
import sys

import pytest

from distrnn.cli.output import Output
from distrnn.cli.progress import figures, shown
from distrnn.progress import Event


def step(epoch, number, **more):
    info = {"epoch": epoch, "epochs": 2, "step": number, "steps": 10, "loss": 0.5, "accuracy": 0.75, "tokens_per_s": 51_234.5, **more}
    return Event("train", 10 * (epoch - 1) + number, 20, "steps", info)


RUN = [
    Event("prepare", 1, 2, "chunks", {"message": "tokenising"}),
    Event("prepare", 2, 2, "chunks"),
    step(1, 4),
    step(1, 10),
    step(1, 10, validation_loss=0.6),
    step(2, 3),
    step(2, 10),
    Event("evaluate", 0, 1, "splits"),
    Event("evaluate", 1, 1, "splits"),
]
LINES = """prepare: started
train: started
train: epoch 1/2, loss 0.5000, accuracy 0.7500, validation loss 0.6000, 51,234 tokens/s
train: epoch 2/2, loss 0.5000, accuracy 0.7500, 51,234 tokens/s
evaluate: started
"""


class Terminal(io.StringIO):
    def isatty(self):
        return True


def tell(events, out):
    with shown(out) as progress:
        for event in events:
            progress(event)


def test_a_line_a_stage_and_an_epoch_where_there_is_no_terminal(capsys):
    tell(RUN, Output())
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", LINES)


def test_a_warning_is_a_line_of_its_own_between_the_epochs(capsys):
    tell([*RUN[:5], Event("train", 0, None, "", {"warning": "a checkpoint could not be written"}), *RUN[5:]], Output())
    assert capsys.readouterr().err == LINES.replace("train: epoch 2", "warning: a checkpoint could not be written\ntrain: epoch 2", 1)


def test_last_epoch_is_told_when_the_run_fails_after_it(capsys):
    def interrupted():
        yield step(1, 10)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tell(interrupted(), Output())
    assert capsys.readouterr().err == "train: started\ntrain: epoch 1/2, loss 0.5000, accuracy 0.7500, 51,234 tokens/s\n"


def test_resumed_epoch_is_told_once(capsys):
    tell([step(2, 10), step(2, 10)], Output())
    assert capsys.readouterr().err.count("epoch 2/2") == 1


def test_nothing_is_told_when_quiet(capsys):
    tell(RUN, Output(quiet=True))
    assert capsys.readouterr() == ("", "")


def test_bars_on_a_terminal_show_stage_figures_and_time_left(monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    with shown(Output()) as progress:
        for event in RUN[:4]:
            progress(event)
        progress._live.refresh()
        during = terminal.getvalue()
        for event in RUN[4:]:
            progress(event)
    assert "epoch 1/2, loss 0.5000, accuracy 0.7500, 51,234 tokens/s" in during
    assert "50%" in during
    assert "left" in during
    assert [name for name in ("prepare", "train", "evaluate") if name not in terminal.getvalue()] == []
    assert terminal.getvalue().rstrip().endswith("\x1b[?25h")
    assert capsys.readouterr().out == ""


def test_bars_say_what_is_waited_for_before_the_first_step(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    with shown(Output()) as progress:
        progress(Event("prepare", 2, 2, "chunks"))
        progress._live.refresh()
        assert "starting the worker" in terminal.getvalue()


@pytest.mark.parametrize(
    ("info", "text"),
    [
        ({}, ""),
        ({"message": "writing shards", "tokens_per_s": 1e6}, "1,000,000 tokens/s, writing shards"),
        ({"epoch": 1, "epochs": 3, "step": 2, "steps": 9}, "epoch 1/3, batch 2/9"),
        ({"epoch": 1, "step": 2}, "epoch 1, batch 2"),
        ({"loss": None, "accuracy": 0.5}, "accuracy 0.5000"),
    ],
)
def test_figures(info, text):
    assert figures(info) == text
