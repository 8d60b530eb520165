"""The journal's and syslog's protocols, and what of the command line becomes what of them."""

import array
import fcntl
import json
import os
import re
import socket
import struct

import pytest

from ocipy import cli, log, system_log
from ocipy.errors import UsageError

READ_ONLY = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


@pytest.fixture(autouse=True)
def a_fresh_log(monkeypatch):
    monkeypatch.setattr(log, "LOG", log.Log())
    yield
    if log.LOG.sink:
        log.LOG.sink._socket.close()


@pytest.fixture
def listen(tmp_path, monkeypatch):
    """``listen("JOURNAL")``: a socket that takes what would go to the system's."""
    opened = []

    def make(name, kind=socket.SOCK_DGRAM):
        listener = socket.socket(socket.AF_UNIX, kind)
        listener.settimeout(5)
        listener.bind(str(tmp_path / name))
        if kind == socket.SOCK_STREAM:
            listener.listen(1)
        monkeypatch.setattr(system_log, name, str(tmp_path / name))
        opened.append(listener)
        return listener

    yield make
    for listener in opened:
        listener.close()


def fields(data):
    """The journal's own reading of an entry: NAME=value, or NAME, length, value."""
    found = {}
    while data:
        line, _, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack_from("<Q", rest)
            value, rest = rest[8 : 8 + length], rest[8 + length :]
            assert rest[:1] == b"\n"
            rest = rest[1:]
        found[name.decode()] = value.decode()
        data = rest
    return found


def run(tmp_path, *words):
    return cli.main(["--root", str(tmp_path / "root"), *words])


@pytest.mark.parametrize(("given", "identifier"), [("", "ocipy"), ("web", "web"), ("a:b c", "a:b c")])
def test_an_error_in_the_journal(listen, tmp_path, capfd, given, identifier):
    journal = listen("JOURNAL")
    assert run(tmp_path, "--log", f"journald:{given}", "state", "box") == 1
    assert fields(journal.recv(4096)) == {
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": identifier,
        "MESSAGE": "container 'box' does not exist",
        "ID": "box",
    }
    assert capfd.readouterr().err == "ocipy: container 'box' does not exist\n"


def test_json_in_the_journal(listen, tmp_path):
    journal = listen("JOURNAL")
    run(tmp_path, "--log", "journald:", "--log-format", "json", "state", "box")
    message = json.loads(fields(journal.recv(4096))["MESSAGE"])
    assert (message["level"], message["msg"]) == ("error", "container 'box' does not exist")


def test_without_a_container_there_is_no_id(listen, tmp_path):
    journal = listen("JOURNAL")
    assert run(tmp_path, "--log", "journald:", "list", "-f", "xml") == 1
    assert "ID" not in fields(journal.recv(4096))


@pytest.mark.parametrize(("level", "priority"), [("error", 3), ("warning", 4), ("debug", 7)])
def test_levels(listen, level, priority):
    journal, syslog = listen("JOURNAL"), listen("SYSLOG")
    for target in ("journald:", "syslog:"):
        log.LOG.open(target, "text", True)
        getattr(log, level)("said")
        log.LOG.sink._socket.close()
    assert fields(journal.recv(4096))["PRIORITY"] == str(priority)
    assert syslog.recv(4096).startswith(b"<%d>" % (8 + priority))


def test_debug_lines_only_if_asked_for(listen):
    journal = listen("JOURNAL")
    log.LOG.open("journald:", "text", False)
    log.debug("no")
    log.warning("yes")
    assert fields(journal.recv(4096))["MESSAGE"] == "yes"


@pytest.mark.parametrize("message", ["two\nlines", "\n", "", "ü€😀", "a=b", "\x00\x1b"])
def test_any_message_in_the_journal(listen, message):
    journal = listen("JOURNAL")
    log.LOG.open("journald:", "text", False)
    log.error(message)
    assert fields(journal.recv(4096))["MESSAGE"] == message


def test_a_field_cannot_be_forged(listen):
    journal = listen("JOURNAL")
    log.LOG.open("journald:x\nPRIORITY=0", "text", False)
    log.error("a\nPRIORITY=1")
    found = fields(journal.recv(4096))
    assert (found["PRIORITY"], found["SYSLOG_IDENTIFIER"]) == ("3", "x\nPRIORITY=0")


def test_bytes_that_are_no_text(listen):
    journal, syslog = listen("JOURNAL"), listen("SYSLOG")
    for target, listener in (("journald:", journal), ("syslog:", syslog)):
        log.LOG.open(target, "text", False)
        log.error("a\udcff")
        assert b"a\\udcff" in listener.recv(4096)
        log.LOG.sink._socket.close()


def test_a_long_message_goes_as_a_sealed_file(listen):
    """Longer than a datagram may be."""
    journal = listen("JOURNAL")
    log.LOG.open("journald:", "text", False)
    text = "long " * 400_000
    log.error(text)
    data, control, _, _ = journal.recvmsg(10, socket.CMSG_SPACE(4))
    assert data == b""
    ((_, _, rights),) = control
    (fd,) = array.array("i", rights)
    with open(fd, "rb") as file:
        assert fcntl.fcntl(fd, fcntl.F_GET_SEALS) & READ_ONLY == READ_ONLY
        file.seek(0)
        assert fields(file.read())["MESSAGE"] == text


LINE = re.compile(r"<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ([^:]*): (.*)")


@pytest.mark.parametrize(("given", "identifier"), [("", "box"), ("web", "web")])
def test_an_error_in_syslog(listen, tmp_path, capfd, given, identifier):
    syslog = listen("SYSLOG")
    assert run(tmp_path, "--log", f"syslog:{given}", "state", "box") == 1
    number, name, text = LINE.fullmatch(syslog.recv(4096).decode()).groups()
    assert (number, name, text) == ("11", identifier, "container 'box' does not exist")
    assert capfd.readouterr().err == "ocipy: container 'box' does not exist\n"


def test_syslog_without_a_container(listen, tmp_path):
    syslog = listen("SYSLOG")
    run(tmp_path, "--log", "syslog:", "list", "-f", "xml")
    assert LINE.fullmatch(syslog.recv(4096).decode())[2] == "ocipy"


def test_a_message_is_one_line_of_syslog(listen):
    syslog = listen("SYSLOG")
    log.LOG.open("syslog:x", "text", False)
    log.error("two\nlines\x00")
    assert syslog.recv(4096).endswith(b" x: two\\nlines\\x00")


def test_a_syslog_of_streams(listen):
    syslog = listen("SYSLOG", socket.SOCK_STREAM)
    log.LOG.open("syslog:x", "text", False)
    log.error("one")
    log.error("two")
    connection, _ = syslog.accept()
    with connection:
        log.LOG.sink._socket.close()
        lines = b"".join(iter(lambda: connection.recv(4096), b"")).split(b"\0")
    assert [LINE.fullmatch(line.decode())[3] for line in lines[:-1]] == ["one", "two"]
    assert lines[-1] == b""


@pytest.mark.parametrize(("target", "name"), [("journald:", "JOURNAL"), ("syslog:x", "SYSLOG")])
def test_nobody_listens(monkeypatch, tmp_path, capfd, target, name):
    monkeypatch.setattr(system_log, name, str(tmp_path / "nobody"))
    assert run(tmp_path, "--log", target, "list") == 1
    said = capfd.readouterr()
    assert said.err == f"ocipy: --log {target}: connect to {tmp_path}/nobody: ENOENT: no such file or directory\n"
    assert said.out == ""


def test_a_journal_that_goes_away(listen, capfd):
    """What a command does doesn't change by it; what is said later is said on stderr."""
    journal = listen("JOURNAL")
    log.LOG.open("journald:", "text", False)
    journal.close()
    sink = log.LOG.sink
    log.error("lost")
    log.error("seen")
    sink._socket.close()
    assert capfd.readouterr().err.endswith('level=error msg="seen"\n')


def test_other_errors_of_sending_are_errors(listen, monkeypatch):
    listen("JOURNAL")
    log.LOG.open("journald:", "text", False)
    log.LOG.sink._socket.shutdown(socket.SHUT_WR)
    with pytest.raises(BrokenPipeError):
        log.LOG.sink.send("error", "x")


def test_a_file_by_crun_s_word(tmp_path, capfd):
    for target in (f"file:{tmp_path}/one", f"{tmp_path}/with:colon"):
        assert run(tmp_path, "--log", target, "state", "box") == 1
        os.close(log.LOG.fd)
        log.LOG.fd = 2
    assert "does not exist" in (tmp_path / "one").read_text()
    assert "does not exist" in (tmp_path / "with:colon").read_text()
    assert capfd.readouterr().err.count("\n") == 2


def test_a_word_alone_is_a_file_s_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log.LOG.open("journald", "text", False)
    os.close(log.LOG.fd)
    assert os.listdir() == ["journald"]


def test_an_unknown_socket_type_is_told_apart(listen):
    listen("JOURNAL", socket.SOCK_STREAM)
    with pytest.raises(UsageError, match="EPROTOTYPE"):
        log.LOG.open("journald:", "text", False)
