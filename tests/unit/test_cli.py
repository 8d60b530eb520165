"""The command line as a whole: which words lead where, and what is printed and logged on the way."""

import json
from pathlib import Path

import pytest

from ocipy import SPEC_VERSION, __version__, cli, log
from ocipy.cli import COMMANDS, GLOBAL_OPTIONS


@pytest.fixture(autouse=True)
def a_fresh_log(monkeypatch):
    monkeypatch.setattr(log, "LOG", log.Log())


@pytest.fixture
def command(capfd, tmp_path):
    """``command(*words)``: (exit status, stdout, stderr) of a command line, with a root directory of its own."""

    def run(*words):
        status = cli.main(["--root", str(tmp_path / "root"), *words])
        return status, *capfd.readouterr()

    return run


def test_no_words_show_help(capsys):
    assert cli.main([]) == 0
    assert capsys.readouterr().out.startswith("usage: ocipy [global options] COMMAND")


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"], ["help", "run"], ["--help", "run"]])
def test_help(command, words):
    status, out, err = command(*words)
    assert (status, err) == (0, "")
    for name in COMMANDS:
        assert f"\n  {name} " in out
    for option in GLOBAL_OPTIONS:
        assert f"--{option.name}" in out


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_of_every_command(command, name, word):
    module = __import__(f"ocipy.commands.{name}", fromlist=["OPTIONS"])
    status, out, err = command(name, word)
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: {module.USAGE}\n\n{module.SUMMARY}\n")
    assert module.USAGE.startswith(f"ocipy {name}")
    for option in module.OPTIONS:
        assert f"--{option.name}" in out


@pytest.mark.parametrize("name", COMMANDS)
def test_options_of_a_command_are_told_apart(name):
    module = __import__(f"ocipy.commands.{name}", fromlist=["OPTIONS"])
    words = [word for option in module.OPTIONS for word in (option.name, option.short) if word]
    assert len(set(words)) == len(words)
    assert not {"help", "h"}.intersection(words)


@pytest.mark.parametrize("word", ["--version", "-v", "-version"])
def test_version(command, word):
    """In runc's form, from which engines read the versions."""
    status, out, err = command(word)
    first, commit, spec = out.splitlines()
    assert (status, err) == (0, "")
    assert first == f"ocipy version {__version__}"
    assert commit.startswith("commit: ")
    assert spec == f"spec: {SPEC_VERSION}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nope"], "unknown command 'nope' (ocipy --help lists them)"),
        ([""], "unknown command '' (ocipy --help lists them)"),
        (["cli"], "unknown command 'cli' (ocipy --help lists them)"),
        (["../run"], "unknown command '../run' (ocipy --help lists them)"),
        (["--nope", "list"], "unknown option --nope"),
        (["list", "--nope"], "unknown option --nope"),
        (["list", "--debug"], "unknown option --debug"),
        (["--log-format", "xml", "list"], "--log-format is text or json, not 'xml'"),
        (["--log", "/nonexistent/log", "list"], "--log /nonexistent/log: No such file or directory"),
        (["--rootless", "perhaps", "list"], "--rootless is true, false or auto, not 'perhaps'"),
        (["--rootless"], "option --rootless needs a value"),
        (["state"], "needs 1 argument, got 0 (usage: ocipy state ID)"),
        (["state", "a", "b"], "needs 1 argument, got 2 (usage: ocipy state ID)"),
        (["state", "a/b"], "invalid container id format: 'a/b' (letters, digits, and _ + - . are allowed)"),
        (["state", "nobody"], "container 'nobody' does not exist"),
        (["list", "-f", "xml"], "--format is table or json, not 'xml'"),
        (["plan", "-f", "xml"], "--format is text or json, not 'xml'"),
    ],
)
def test_errors_are_one_line_on_stderr(command, words, message):
    assert command(*words) == (1, "", f"ocipy: {message}\n")


@pytest.mark.parametrize(
    ("form", "read"),
    [("json", lambda line: json.loads(line)["msg"]), ("text", lambda line: json.loads(line.partition("msg=")[2]))],
)
def test_an_error_is_in_the_log_and_on_stderr(command, tmp_path, form, read):
    path = tmp_path / "log"
    status, _, err = command("--log", str(path), "--log-format", form, "state", "nobody")
    assert (status, err) == (1, "ocipy: container 'nobody' does not exist\n")
    (line,) = path.read_text().splitlines()
    assert read(line) == "container 'nobody' does not exist"


def test_a_log_on_stderr_says_an_error_once(command):
    assert command("--log", "/dev/stderr", "state", "nobody")[2] == "ocipy: container 'nobody' does not exist\n"


def test_a_word_that_is_no_text_is_an_error_like_any(command, tmp_path):
    """An argument of odd bytes comes as surrogates; neither stderr nor the log may stumble over it."""
    path = tmp_path / "log"
    status, _, err = command("--log", str(path), "--log-format", "json", "--bad\udcff")
    assert status == 1
    assert "unknown option --bad" in err
    status, _, err = command("--log", str(path), "--log-format", "json", "state", "--bad\udcff")
    assert status == 1
    assert json.loads(path.read_text().splitlines()[-1])["msg"] == "unknown option --bad\udcff"


def test_an_error_is_one_line_of_text(command, tmp_path):
    """Whatever a name or a container's output has in it; the log has it quoted, as it is."""
    path = tmp_path / "log"
    status, _, err = command("--log", str(path), "--log-format", "json", "state", "--a\nb\x1b[2J\u2028ü")
    assert status == 1
    assert err == "ocipy: unknown option --a\\nb\\x1b[2J\\u2028ü\n"
    assert json.loads(path.read_text())["msg"] == "unknown option --a\nb\x1b[2J\u2028ü"


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ([], ("", False, None)),
        (["--root", "/r"], ("/r", False, None)),
        (["--systemd-cgroup"], ("", True, None)),
        (["--rootless", "true"], ("", False, True)),
        (["--rootless=false"], ("", False, False)),
        (["--rootless", "auto"], ("", False, None)),
    ],
)
def test_settings_reach_the_command(monkeypatch, words, settings):
    seen = []
    monkeypatch.setattr("ocipy.commands.state.run", lambda parsed, given: seen.append((parsed, given)) or 42)
    assert cli.main([*words, "state", "x"]) == 42
    ((parsed, given),) = seen
    assert parsed.arguments == ["x"]
    assert (given.root, given.systemd_cgroup, given.rootless) == settings


def test_global_options_end_at_the_command(monkeypatch):
    seen = []
    monkeypatch.setattr("ocipy.commands.list.run", lambda parsed, given: seen.append(parsed) or 0)
    assert cli.main(["list", "-q"]) == 0
    assert seen[0].flag("quiet")


@pytest.mark.parametrize(("problem", "status"), [(BrokenPipeError(), 141), (KeyboardInterrupt(), 130)])
def test_ends_from_outside(monkeypatch, problem, status):
    def fail(parsed, settings):
        raise problem

    monkeypatch.setattr("ocipy.commands.list.run", fail)
    assert cli.main(["list"]) == status


def test_every_command_is_listed():
    directory = Path(cli.__file__).parent / "commands"
    assert {path.stem for path in directory.glob("*.py")} - {"__init__"} == set(COMMANDS)
