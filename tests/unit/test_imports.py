"""The import list of the hot commands is a budget: what an interpreter has, built-ins and C extensions, and ocipy."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ocipy.bundle.builder import make_bundle

PACKAGE = Path(__file__).resolve().parents[2] / "ocipy"
FORBIDDEN = {
    "argparse", "collections", "contextlib", "ctypes", "dataclasses", "enum", "functools", "importlib", "json",
    "jsonschema", "logging", "os", "pathlib", "pyseccomp", "random", "re", "shutil", "signal", "socket", "subprocess",
    "tempfile", "threading", "typing",
    # Ours, for what few callers ask for.
    "ocipy.notify", "ocipy.plan.activation", "ocipy.system_log",
}  # fmt: skip

# Runs the command's own __main__.py; at its end come the modules that were imported: name → file ("": built in).
WRAPPER = """
import posix, sys
def finish(status, leave=posix._exit):
    files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
    posix.write(%d, repr((status, files)).encode())
    leave(0)
posix._exit = finish
file = %r
with open(file) as source:
    text = source.read()
exec(compile(text, file, "exec"), {"__name__": "__main__", "__file__": file})
"""


def modules_of(*arguments, code=None):
    """(exit status, modules) of a command started the way the launcher does."""
    reader, writer = os.pipe()
    script = code or WRAPPER % (writer, str(PACKAGE / "__main__.py"))
    command = [sys.executable, "-I", "-S", "-Xutf8", "-c", script.replace("FD", str(writer)), *map(str, arguments)]
    with open(reader) as answer:
        subprocess.run(command, pass_fds=[writer], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, check=True)
        os.close(writer)
        return ast.literal_eval(answer.read())


@pytest.fixture(scope="module")
def startup():
    """What any interpreter has imported before its first line."""
    show = "import sys; import posix; posix.write(FD, repr((0, dict.fromkeys(sys.modules, ''))).encode())"
    return set(modules_of(code=show)[1])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    directory = tmp_path_factory.mktemp("imports") / "bundle"
    make_bundle(directory, busybox=True, args=["sleep", "1000"])
    config = json.loads((directory / "config.json").read_text())
    config["linux"]["cgroupsPath"] = f"/ocipy-test-imports-{os.getpid()}"
    config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    (directory / "config.json").write_text(json.dumps(config))
    return directory


def ocipy(*arguments):
    subprocess.run([sys.executable, "-m", "ocipy", *map(str, arguments)], check=True, cwd=PACKAGE.parent)


def too_many(modules, startup):
    imported = {name: file for name, file in modules.items() if name not in startup}
    python = {name for name, file in imported.items() if file.endswith(".py") and not name.startswith("ocipy")}
    return sorted(python | FORBIDDEN & set(imported))


@pytest.mark.parametrize("arguments", [["state"], ["start"], ["kill"], ["delete"], ["delete", "--force"]])
def test_of_an_unknown_container(arguments, tmp_path, startup):
    status, modules = modules_of("--root", tmp_path, *arguments, "nobody")
    assert status == (0 if "--force" in arguments else 1)
    assert f"ocipy.commands.{arguments[0]}" in modules
    assert too_many(modules, startup) == []


@pytest.mark.root
@pytest.mark.tool("busybox")
def test_of_a_container_s_life(bundle, tmp_path, startup):
    root = ["--root", tmp_path / "root"]
    ocipy(*root, "run", "-d", "-b", bundle, "first")  # fills the cache of seccomp filters
    ocipy(*root, "delete", "--force", "first")
    found = {}
    try:
        for command in ("create", "start", "exec", "state", "kill", "delete"):
            options = {"create": ["--bundle", bundle], "delete": ["--force"]}.get(command, [])
            program = ["true"] if command == "exec" else []
            status, modules = modules_of(*root, command, *options, "c", *program)
            found[command] = status, too_many(modules, startup)
    finally:
        ocipy(*root, "delete", "--force", "c")
    assert found == dict.fromkeys(found, (0, []))


@pytest.mark.root
@pytest.mark.tool("busybox")
def test_of_run(bundle, tmp_path, startup):
    config = json.loads((bundle / "config.json").read_text())
    config["process"]["args"] = ["true"]
    config["root"]["path"] = str(bundle / "rootfs")
    config["linux"].pop("seccomp")
    (tmp_path / "config.json").write_text(json.dumps(config))
    status, modules = modules_of("--root", tmp_path / "root", "run", "--bundle", tmp_path, "c")
    assert (status, too_many(modules, startup)) == (0, [])


def test_the_budget_is_seen_to_be_exceeded(tmp_path, startup):
    """The measuring instrument itself: ``validate`` may import anything, and does."""
    _, modules = modules_of("validate", "--bundle", tmp_path)
    assert "re" in too_many(modules, startup)
