"""A terminal made raw, and put back."""

import os
import signal
import termios

import pytest

from ocipy.raw_mode import RawMode


@pytest.fixture
def terminal():
    master, slave = os.openpty()
    ends = [master, slave]
    yield ends
    for fd in ends:
        os.close(fd)


def test_there_and_back(terminal):
    slave = terminal[1]
    before = termios.tcgetattr(slave)
    mode = RawMode(slave)
    mode.leave()
    assert termios.tcgetattr(slave) == before
    mode.enter()
    raw = termios.tcgetattr(slave)
    assert not raw[3] & (termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
    assert raw[1] == before[1] | termios.OPOST
    mode.enter()
    assert termios.tcgetattr(slave) == raw
    mode.leave()
    assert termios.tcgetattr(slave) == before
    mode.leave()


def test_reads_wait(terminal):
    slave = terminal[1]
    before = termios.tcgetattr(slave)
    before[3] &= ~termios.ICANON
    before[6][termios.VMIN], before[6][termios.VTIME] = 0, 7
    termios.tcsetattr(slave, termios.TCSANOW, before)
    found = termios.tcgetattr(slave)
    mode = RawMode(slave)
    mode.enter()
    assert termios.tcgetattr(slave)[6][termios.VMIN] == 1
    assert termios.tcgetattr(slave)[6][termios.VTIME] == 0
    mode.leave()
    assert termios.tcgetattr(slave) == found


def test_what_another_made_of_it_meanwhile(terminal):
    """`enter` once more, after a stop: what is put back is what was there at first."""
    slave = terminal[1]
    before = termios.tcgetattr(slave)
    mode = RawMode(slave)
    mode.enter()
    others = termios.tcgetattr(slave)
    others[3] |= termios.ECHO
    termios.tcsetattr(slave, termios.TCSANOW, others)
    mode.enter()
    assert not termios.tcgetattr(slave)[3] & termios.ECHO
    mode.leave()
    assert termios.tcgetattr(slave) == before


def test_no_terminal():
    reader, writer = os.pipe()
    mode = RawMode(reader)
    assert not mode.is_terminal
    mode.enter()
    mode.leave()
    assert not mode.was_lost
    os.close(reader)
    os.close(writer)


def test_a_terminal_that_hangs_up(terminal):
    mode = RawMode(terminal[1])
    mode.enter()
    assert not mode.was_lost
    os.close(terminal.pop(0))
    assert mode.was_lost
    mode.enter()
    mode.leave()


def test_the_signal_mask_stays(terminal):
    mode = RawMode(terminal[1])
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
    try:
        mode.enter()
        assert signal.SIGTTOU in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTTOU])
        mode.leave()
    mode.enter()
    assert signal.SIGTTOU not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
