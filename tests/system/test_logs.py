"""--log: what a running journal makes of it; of protocols and files see tests/unit/test_system_log.py, test_log.py."""

import json
import subprocess

import pytest

from ocipy import log
from tests.system.runtime import until

pytestmark = [pytest.mark.root, pytest.mark.systemd]


def entries(identifier):
    command = ["journalctl", "--no-pager", "--all", "--output=json", f"--identifier={identifier}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in said.splitlines()]


def test_an_error_in_the_journal(ocipy, test_name):
    ocipy("--log", f"journald:{test_name}", "state", "nobody", status=1)
    (entry,) = until(lambda: entries(test_name), "the entry")
    assert (entry["MESSAGE"], entry["PRIORITY"], entry["ID"]) == ("container 'nobody' does not exist", "3", "nobody")


def test_a_message_longer_than_a_datagram_may_be(test_name):
    """It goes as a file; no command line would hold it."""
    apart = log.Log()
    apart.open(f"journald:{test_name}", "text", False)
    apart.write("warning", "long " * 100_000)
    apart.sink._socket.close()
    (entry,) = until(lambda: entries(test_name), "the entry")
    assert (entry["MESSAGE"], entry["PRIORITY"]) == ("long " * 100_000, "4")


def test_a_message_of_two_lines(ocipy, test_name):
    ocipy("--log", f"journald:{test_name}", "state", "--two\nlines", status=1)
    (entry,) = until(lambda: entries(test_name), "the entry")
    assert entry["MESSAGE"] == "unknown option --two\nlines"
