"""The default config and ``ocipy spec``: runc's values, runc's form, runc's refusals."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ocipy.bundle.default_config import default_config, write_config
from ocipy.cli import Settings
from ocipy.commands import spec
from ocipy.errors import OcipyError, UsageError
from ocipy.options import parse

RUNC = shutil.which("runc", path="/usr/sbin:/usr/bin:/sbin:/bin")


def run_spec(*argv: str) -> int:
    return spec.run(parse(spec.OPTIONS, argv), Settings())


@pytest.fixture
def runc_spec(tmp_path: Path):
    """runc's config.json as text; runc versions other than the one we follow are skipped."""
    assert RUNC is not None

    def write(*options: str) -> str:
        version = subprocess.run([RUNC, "--version"], capture_output=True, text=True, check=True).stdout
        if not version.startswith("runc version 1.1."):
            pytest.skip(f"the default config is that of runc 1.1, here is {version.splitlines()[0]}")
        directory = tmp_path / "runc"
        directory.mkdir()
        subprocess.run([RUNC, "spec", *options, "--bundle", str(directory)], check=True)
        return (directory / "config.json").read_text()

    return write


@pytest.mark.tool("runc")
@pytest.mark.parametrize("options", [(), ("--rootless",)])
def test_differs_from_runcs_in_the_version_only(options, runc_spec, tmp_path):
    runcs_text = runc_spec(*options)
    assert run_spec(*options, "--bundle", str(tmp_path)) == 0
    text = (tmp_path / "config.json").read_text()
    # ociVersion names the spec the runtime implements: runc 1.1.5 says 1.0.2-dev.
    runcs = json.loads(runcs_text)
    ours = json.loads(text)
    assert ours.pop("ociVersion") == "1.3.0"
    runc_version = runcs.pop("ociVersion")
    assert ours == runcs
    assert text.replace('"1.3.0"', f'"{runc_version}"') == runcs_text


def test_rootless_drops_what_needs_privileges():
    config = default_config(rootless=True)
    kinds = [namespace["type"] for namespace in config["linux"]["namespaces"]]
    assert "user" in kinds
    assert "network" not in kinds
    assert "resources" not in config["linux"]
    mounts = {mount["destination"]: mount for mount in config["mounts"]}
    assert "gid=5" not in mounts["/dev/pts"]["options"]
    assert mounts["/sys"]["options"][0] == "rbind"
    assert config["linux"]["uidMappings"] == [{"containerID": 0, "hostID": os.geteuid(), "size": 1}]
    assert config["linux"]["gidMappings"] == [{"containerID": 0, "hostID": os.getegid(), "size": 1}]


def test_on_cgroup_v2_the_container_sees_its_own_cgroup_only():
    for rootless in (False, True):
        without, with_it = (default_config(rootless, unified)["linux"]["namespaces"] for unified in (False, True))
        assert [each for each in with_it if each not in without] == [{"type": "cgroup"}]


def test_each_config_is_its_own():
    first = default_config()
    first["process"]["capabilities"]["bounding"].clear()
    first["linux"]["maskedPaths"].clear()
    first["mounts"][1]["options"].clear()
    assert default_config()["process"]["capabilities"]["bounding"]
    assert default_config()["linux"]["maskedPaths"]
    assert default_config()["mounts"][1]["options"]


def test_refuses_to_overwrite(tmp_path):
    (tmp_path / "config.json").write_text("mine")
    with pytest.raises(OcipyError, match=r"^File config\.json exists\. Remove it first$"):
        run_spec("-b", str(tmp_path))
    assert (tmp_path / "config.json").read_text() == "mine"


def test_does_not_write_through_a_dangling_symlink(tmp_path):
    (tmp_path / "config.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OcipyError, match="exists"):
        run_spec("-b", str(tmp_path))
    assert not (tmp_path / "elsewhere").exists()


def test_missing_bundle_directory_is_one_line(tmp_path):
    with pytest.raises(OcipyError) as caught:
        run_spec("-b", str(tmp_path / "absent"))
    assert str(caught.value) == f"write {tmp_path}/absent/config.json: ENOENT: no such file or directory"


def test_takes_no_argument(tmp_path):
    with pytest.raises(UsageError, match="needs 0 arguments"):
        run_spec("-b", str(tmp_path), "extra")
    assert not (tmp_path / "config.json").exists()


def test_default_directory_is_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_spec() == 0
    assert (tmp_path / "config.json").is_file()


def test_names_that_are_not_utf8_survive(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    write_config(str(tmp_path / "config.json"), {"args": [name]})
    assert b'"caf\xe9"' in (tmp_path / "config.json").read_bytes()
