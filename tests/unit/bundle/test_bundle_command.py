"""``ocipy bundle``: its command line."""

import json
import signal
import subprocess
import sys

import pytest

from ocipy.cli import Settings
from ocipy.commands import bundle as command
from ocipy.errors import UsageError
from ocipy.options import parse


def run(*argv):
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        return command.run(parse(command.OPTIONS, argv), Settings())
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("separator", [["--"], []])
def test_command_line(tmp_path, monkeypatch, capsys, rootfs, separator):
    monkeypatch.chdir(tmp_path)
    options = [
        "--rootfs", rootfs, "--hostname", "box", "--user", "web", "--env", "A=1", "--env=B=2", "--memory", "64m",
        "--cpus", "0.5", "--pids", "9", "--mount", "/tmp:/data:ro", "--mount", "type=tmpfs,target=/scratch",
        "--read-only", "-t", "--cwd", "/bin",
    ]  # fmt: skip
    assert run("made", *options, *separator, "tool", *(["-x"] if separator else [])) == 0
    assert capsys.readouterr().out == (
        f"bundle: ./made (root filesystem {rootfs}, used in place); run it: ocipy run --bundle ./made ID\n"
    )
    config = json.loads((tmp_path / "made/config.json").read_text())
    assert config["process"]["args"] == (["tool", "-x"] if separator else ["tool"])
    assert config["process"]["env"][-2:] == ["A=1", "B=2"]
    assert config["process"]["user"]["uid"] == 33
    assert config["process"]["terminal"] is True
    assert config["root"]["readonly"] is True
    assert [mount["destination"] for mount in config["mounts"][-2:]] == ["/data", "/scratch"]
    assert config["linux"]["resources"]["memory"] == {"limit": 64 << 20}
    assert config["linux"]["resources"]["cpu"]["quota"] == 50_000
    assert config["linux"]["resources"]["pids"] == {"limit": 9}


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        ([], "needs the directory to make"),
        ([""], "needs the directory to make"),
        (["b", "--from-host", "ls,,ps"], "--from-host needs names"),
        (["b", "--memory", "lots"], "--memory needs a size"),
        (["b", "--cpus", "x"], "--cpus needs a number"),
        (["b", "--mount", "x"], "--mount needs"),
    ],
)
def test_command_line_refused(tmp_path, monkeypatch, argv, reason):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        run(*argv)
    assert reason in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_command_modules_import_little():
    script = "import ocipy.commands.spec, ocipy.commands.bundle, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True).stdout
    assert not {"json", "tarfile", "subprocess", "dataclasses", "re", "ocipy.bundle"} & set(loaded.split())
