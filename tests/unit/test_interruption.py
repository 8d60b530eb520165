"""Signals that are polled for."""

import os
import select
import signal

from ocipy.interruption import Signals


def test_signals_are_taken_and_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with Signals() as signals:
        assert signals.take() == []
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
        poller = select.poll()
        poller.register(signals.fd, select.POLLIN)
        assert poller.poll(1000)
        assert sorted(signals.take()) == [signal.SIGHUP, signal.SIGTERM]
        assert signals.take() == []
        descriptors = signals.fd
    assert signal.getsignal(signal.SIGTERM) is before
    assert not os.path.exists(f"/proc/self/fd/{descriptors}")
    assert signal.set_wakeup_fd(-1) == -1


def test_a_wait_ends_with_the_signal():
    with Signals((signal.SIGALRM,)) as signals:
        poller = select.poll()
        poller.register(signals.fd, select.POLLIN)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        assert poller.poll(5000)
        assert signals.take() == [signal.SIGALRM]
