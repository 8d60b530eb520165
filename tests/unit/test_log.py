"""The log's lines, as logrus writes them and engines read them."""

import json
import os
import time
from datetime import datetime

import pytest

from ocipy import log

ODD = ['say "hi"', "back\\slash", "two\nlines\ttab", "\x00\x1b[31m\x7f", "ü€😀", "", "\udcff\udc80", "\ud800"]


@pytest.fixture
def lines(tmp_path, monkeypatch):
    """``lines(form, debug, *(level, message))``: what the log's file holds after these calls."""

    def write(form, debug, *messages):
        path = tmp_path / "log"
        fresh = log.Log()
        monkeypatch.setattr(log, "LOG", fresh)
        fresh.open(str(path), form, debug)
        for level, message in messages:
            getattr(log, level)(message)
        os.close(fresh.fd)
        return path.read_text().splitlines()

    return write


@pytest.mark.parametrize("message", ODD)
def test_json_is_json_whatever_the_message(lines, message):
    (line,) = lines("json", False, ("warning", message))
    read = json.loads(line)
    assert list(read) == ["level", "msg", "time"]
    assert (read["level"], read["msg"]) == ("warning", message)


@pytest.mark.parametrize("message", ODD)
def test_text_is_one_line_whatever_the_message(lines, message):
    (line,) = lines("text", False, ("error", message))
    stamp, level, said = line.split(" ", 2)
    assert level == "level=error"
    assert json.loads(said.removeprefix("msg=")) == message
    datetime.fromisoformat(stamp.removeprefix('time="').removesuffix('"'))


def test_text_as_logrus_has_it(lines, monkeypatch):
    monkeypatch.setattr(log, "_timestamp", lambda: "2024-02-29T23:59:59Z")
    assert lines("text", True, ("debug", "a b"), ("warning", "c")) == [
        'time="2024-02-29T23:59:59Z" level=debug msg="a b"',
        'time="2024-02-29T23:59:59Z" level=warning msg="c"',
    ]


def test_json_as_logrus_has_it(lines, monkeypatch):
    monkeypatch.setattr(log, "_timestamp", lambda: "2024-02-29T23:59:59Z")
    assert lines("json", True, ("error", "a")) == ['{"level":"error","msg":"a","time":"2024-02-29T23:59:59Z"}']


@pytest.mark.parametrize(("enabled", "count"), [(False, 2), (True, 3)])
def test_debug_lines_only_if_asked_for(lines, enabled, count):
    assert len(lines("text", enabled, ("debug", "a"), ("warning", "b"), ("error", "c"))) == count


@pytest.mark.parametrize(
    ("zone", "offset"),
    [("UTC", "Z"), ("XXX-5:30", "+05:30"), ("XXX+4:30", "-04:30"), ("XXX-14", "+14:00"), ("XXX+0:30", "-00:30")],
)
def test_time_is_rfc_3339(monkeypatch, zone, offset):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        stamp = log._timestamp()
    finally:
        monkeypatch.undo()
        time.tzset()
    assert stamp.endswith(offset)
    assert abs(datetime.fromisoformat(stamp).timestamp() - time.time()) < 5


def test_the_file_is_appended_to_and_readable_by_others(lines, tmp_path):
    before = os.umask(0)
    try:
        lines("text", False, ("error", "first"))
    finally:
        os.umask(before)
    assert len(lines("text", False, ("error", "second"))) == 2
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o644


def test_without_a_file_the_log_is_stderr(capfd):
    fresh = log.Log()
    fresh.open("", "text", False)
    fresh.write("warning", "careful")
    assert capfd.readouterr().err.endswith('level=warning msg="careful"\n')


def test_a_log_that_cannot_be_written_changes_nothing(capfd):
    with open("/dev/full", "wb", buffering=0) as full:
        broken = log.Log()
        broken.fd = full.fileno()
        broken.write("error", "lost")
    broken.write("error", "seen")
    assert "seen" in capfd.readouterr().err


def test_a_file_that_cannot_be_opened(tmp_path):
    with pytest.raises(IsADirectoryError):
        log.Log().open(str(tmp_path), "text", False)
