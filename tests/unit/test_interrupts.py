"""Signals while a run is at work."""

import os
import signal

import pytest

from distrnn.cluster.interrupts import Interrupts, kept_handlers
from distrnn.errors import DistrnnError, InterruptedRunError


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_becomes_an_error_with_its_exit_code(number, code):
    with pytest.raises(InterruptedRunError) as caught, Interrupts().handled():
        os.kill(os.getpid(), number)
    assert (str(caught.value), caught.value.exit_code) == (f"interrupted by {number.name}", code)


def test_nothing_that_handles_errors_swallows_a_signal():
    def careless():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except (DistrnnError, Exception):
            return

    with pytest.raises(InterruptedRunError), Interrupts().handled():
        careless()


def test_the_first_signal_is_only_noted_while_deferred():
    interrupts = Interrupts()
    with interrupts.handled(), interrupts.deferred():
        os.kill(os.getpid(), signal.SIGTERM)
    assert interrupts.received == signal.SIGTERM


def test_the_second_signal_is_not_deferred():
    interrupts = Interrupts()

    def signalled_twice():
        with interrupts.deferred():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(InterruptedRunError), interrupts.handled():
        signalled_twice()


def test_the_handlers_of_before_come_back():
    before = signal.getsignal(signal.SIGTERM)
    with Interrupts().handled():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_library_that_takes_sigterm_does_not_keep_it():
    def deafened():
        with kept_handlers():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(InterruptedRunError), Interrupts().handled():
        deafened()
