"""What the environment says of descriptors and sockets, and which descriptors may go on."""

import os

import pytest

from ocipy import handover
from ocipy.errors import UsageError


@pytest.fixture
def environment(monkeypatch):
    """``environment(LISTEN_FDS="2")``: all that the module sees of it."""

    def set_(**variables):
        monkeypatch.setattr(
            handover.posix, "environ", {name.encode(): os.fsencode(value) for name, value in variables.items()}
        )

    return set_


OURS = str(os.getpid())


@pytest.mark.parametrize(
    ("variables", "count"),
    [
        ({}, 0),
        ({"LISTEN_FDS": "2"}, 0),
        ({"LISTEN_FDS": "2", "LISTEN_PID": "1"}, 0),
        ({"LISTEN_FDS": "x", "LISTEN_PID": "1"}, 0),
        ({"LISTEN_FDS": "", "LISTEN_PID": OURS}, 0),
        ({"LISTEN_FDS": "0", "LISTEN_PID": OURS}, 0),
        ({"LISTEN_FDS": "12", "LISTEN_PID": OURS}, 12),
    ],
)
def test_listen_fds(environment, variables, count):
    environment(**variables)
    assert handover.listen_fds() == count


@pytest.mark.parametrize("count", ["x", "-1", "1x", " 1", "²", "9" * 5000, "\udcff"])
def test_listen_fds_that_are_no_count(environment, count):
    environment(LISTEN_FDS=count, LISTEN_PID=OURS)
    with pytest.raises(UsageError, match="LISTEN_FDS in the environment is no count"):
        handover.listen_fds()


@pytest.mark.parametrize(
    ("variables", "path"),
    [({}, ""), ({"NOTIFY_SOCKET": ""}, ""), ({"NOTIFY_SOCKET": "/run/é\udcff"}, "/run/é\udcff")],
)
def test_notify_socket(environment, variables, path):
    environment(**variables)
    assert handover.notify_socket() == path


@pytest.fixture
def descriptors(monkeypatch):
    """Which are open, and whether they are inheritable."""

    def set_(known):
        def get_inheritable(fd):
            if fd not in known:
                raise OSError
            return known[fd]

        monkeypatch.setattr(handover.posix, "get_inheritable", get_inheritable)

    return set_


def test_passed_descriptors(descriptors):
    descriptors({0: True, 3: True, 4: True, 5: True})
    assert handover.check_passed(0, 0) == 0
    assert handover.check_passed(1, 2) == 3
    assert handover.check_passed(3, 0) == 3


@pytest.mark.parametrize(
    ("known", "listen", "preserve", "said"),
    [
        ({}, 0, -1, "--preserve-fds -1: a count can't be negative"),
        ({}, 1, 0, "LISTEN_FDS=1: file descriptor 3 is not open, or not inheritable"),
        ({}, 0, 1, "--preserve-fds 1: file descriptor 3 is not open, or not inheritable"),
        ({3: True}, 1, 4, "--preserve-fds 4: file descriptor 4 is not open, or not inheritable"),
        ({3: True, 4: False}, 2, 0, "LISTEN_FDS=2: file descriptor 4 is not open, or not inheritable"),
        ({}, 0, 10**18, f"--preserve-fds {10**18}: file descriptor 3 is not open, or not inheritable"),
    ],
)
def test_descriptors_that_cannot_be_passed(descriptors, known, listen, preserve, said):
    descriptors(known)
    with pytest.raises(UsageError) as caught:
        handover.check_passed(listen, preserve)
    assert str(caught.value) == said
