"""The profile of ``ocipy install --apparmor``: the parser takes it, and it goes from the launcher to the container.

Debian 12's AppArmor is older than the rule ``userns``, which is the profile's purpose: there it is tested without.
"""

import os
import re
import subprocess

import pytest

from ocipy.install.apparmor import profile
from tests.system.looking import in_user_namespace, inside
from tests.system.runtime import RUNTIME

pytestmark = [pytest.mark.root, pytest.mark.lsm("apparmor")]

NAME = "ocipy-test-install"


def parser(*words, text=None):
    return subprocess.run(["apparmor_parser", *words], input=text, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def fitted():
    """Fits a profile to this host's AppArmor."""
    major = int(re.search(r"version (\d+)", parser("--version").stdout)[1])
    return lambda text: text if major >= 4 else text.replace("abi/4.0", "abi/3.0").replace("  userns,\n", "")


@pytest.mark.parametrize("path", [os.path.realpath(RUNTIME), "/a b/{c}*[d]/@{HOME}^?\\", '/with "quotes"'])
def test_any_path(fitted, path):
    done = parser("--skip-kernel-load", "--skip-cache", text=fitted(profile(NAME, path)))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("change", [None, in_user_namespace])
def test_the_interpreter_and_the_container_keep_it(fitted, ocipy, bundle, tmp_path, change):
    (tmp_path / "profile").write_text(fitted(profile(NAME, os.path.realpath(RUNTIME))))
    done = parser("--replace", "--skip-cache", str(tmp_path / "profile"))
    assert done.returncode == 0, done.stderr
    try:
        said = inside(ocipy, bundle, "cat /proc/self/attr/current", change=change)
        assert said.split() == [NAME, "(unconfined)"]
    finally:
        parser("--remove", str(tmp_path / "profile"))


def test_a_host_of_that_kind(fitted, tmp_path, monkeypatch, capfd):
    """``install`` and ``uninstall`` with a kernel that is said to restrict user namespaces."""
    from ocipy import cli
    from ocipy.install import apparmor, places

    (tmp_path / "setting").write_text("1\n")
    monkeypatch.setattr(apparmor, "RESTRICTION", str(tmp_path / "setting"))
    monkeypatch.setattr(apparmor, "profile", lambda *words: fitted(profile(*words)))
    monkeypatch.setattr(places.Places, "of_machine", lambda self, path: f"{tmp_path}{path}")
    monkeypatch.setattr(places.Places, "program", lambda self, name: f"/usr/sbin/{name}")
    words = ["--system", "--name", NAME]
    assert cli.main(["install", *words, "--crio", "--command", RUNTIME]) == 0, capfd.readouterr().err
    assert "apparmor: made" in capfd.readouterr().out
    assert f"{NAME} (unconfined)" in loaded()
    assert cli.main(["uninstall", "--system"]) == 0, capfd.readouterr().err
    assert NAME not in loaded()
    assert [path.name for path in tmp_path.iterdir()] == ["setting"]


def loaded():
    with open("/sys/kernel/security/apparmor/profiles") as file:
        return file.read()
