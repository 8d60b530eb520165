"""podman, CRI-O, AppArmor and Kubernetes: files of our own."""

import os
import tomllib

import pytest

from ocipy.install.apparmor import profile

PODMAN = "/etc/containers/containers.conf.d/50-ocipy.conf"
BUILT_IN = ["crun", "runc", "kata", "runsc", "youki", "krun", "crun-wasm"]


def engine(host):
    return tomllib.loads(host.read(PODMAN))["engine"]


def test_podman(host):
    before = host.files()
    host.install("--podman")
    assert engine(host) == {"runtime_supports_json": [*BUILT_IN, "ocipy"], "runtimes": {"ocipy": ["/usr/bin/env"]}}
    assert oct(host.path(PODMAN).parent.stat().st_mode & 0o7777) == "0o755"
    host.uninstall()
    assert host.files() == before


def test_podman_s_default(host):
    host.install("--podman", "--default", "--name", "x")
    made = host.read("/etc/containers/containers.conf.d/50-x.conf")
    assert tomllib.loads(made)["engine"]["runtime"] == "x"


@pytest.mark.parametrize(
    ("file", "listed", "expected"),
    [
        ("/usr/share/containers/containers.conf", '["crun", "mine"]', ["crun", "mine"]),
        ("/etc/containers/containers.conf", '["crun", "mine"]', ["crun", "mine"]),
        ("/etc/containers/containers.conf.d/10-x.conf", "[]", []),
        ("/etc/containers/containers.conf.d/10-x.conf", '["mine", {append=true}]', [*BUILT_IN, "mine"]),
        ("/etc/containers/containers.conf.d/90-x.conf", '["ocipy"]', BUILT_IN),
    ],
)
def test_podman_s_list_takes_the_place_of_those_before(host, file, listed, expected):
    host.write(file, f"[engine]\nruntime_supports_json = {listed}\n")
    host.install("--podman")
    assert engine(host)["runtime_supports_json"] == [*expected, "ocipy"]


def test_files_that_overrule_ours_are_told(host):
    host.write(
        "/etc/containers/containers.conf.d/90-x.conf", '[engine]\nruntime_supports_json = ["crun"]\nruntime="crun"'
    )
    host.install("--podman", "--default")
    assert "90-x.conf is read later, and its runtime_supports_json lacks ocipy" in host.err
    assert "90-x.conf is read later, and makes crun the default runtime" in host.err


def test_a_broken_file_of_podman_s(host):
    host.write("/etc/containers/containers.conf", "[engine\n")
    host.install("--podman", status=1)
    assert "/etc/containers/containers.conf: not TOML" in host.err
    assert not host.path(PODMAN).exists()


def test_crio(host):
    before = host.files()
    host.install("--crio", "--default")
    assert tomllib.loads(host.read("/etc/crio/crio.conf.d/50-ocipy.conf")) == {
        "crio": {
            "runtime": {
                "default_runtime": "ocipy",
                "runtimes": {
                    "ocipy": {"runtime_path": "/usr/bin/env", "runtime_type": "oci", "runtime_root": "/run/ocipy"}
                },
            }
        }
    }
    host.uninstall()
    assert host.files() == before


def test_apparmor(host):
    host.install("--apparmor", command="/bin/sh")
    text = host.read("/etc/apparmor.d/ocipy")
    assert "abi <abi/4.0>,\n" in text
    assert f'profile ocipy "{os.path.realpath("/bin/sh")}" flags=(unconfined) {{' in text
    assert "  userns,\n" in text
    host.uninstall()
    assert not host.path("/etc/apparmor.d").exists()


def test_the_path_in_a_profile_is_no_pattern():
    assert 'profile x "/a b/\\{c\\}\\*\\[d\\]\\"" flags=(unconfined) {' in profile("x", '/a b/{c}*[d]"')


def test_runtimeclass_is_printed_alone(host):
    assert host.install("--runtimeclass", "-") == (
        'apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata:\n  name: "ocipy"\nhandler: "ocipy"\n'
    )
    assert not host.path("/var/lib/ocipy").exists()


def test_runtimeclass_in_a_file(host):
    file = host.path("/made/class.yaml")
    host.install("--runtimeclass", str(file), "--name", "fast")
    assert 'handler: "fast"' in file.read_text()
    host.uninstall("--podman")
    assert file.exists()
    host.uninstall("--runtimeclass")
    assert not file.parent.exists()


def test_runtimeclass_has_its_own_rule_for_names(host):
    host.install("--runtimeclass", "-", "--name", "a_B", status=1)
    assert "lower-case letters" in host.err


@pytest.mark.parametrize("file", [PODMAN, "/etc/crio/crio.conf.d/50-ocipy.conf", "/etc/apparmor.d/ocipy"])
def test_files_of_somebody_else_are_left_alone(host, file):
    host.write(file, "theirs")
    before = host.files()
    host.install("--podman", "--crio", "--apparmor", status=1)
    assert f"{file} exists, and not by ocipy install" in host.err
    assert host.files() == before


def test_files_that_were_changed_are_kept(host):
    host.install("--podman", "--crio")
    host.write(PODMAN, host.read(PODMAN) + "# mine\n")
    host.install("--podman", "--default", status=1)
    assert "was changed since ocipy install wrote it" in host.err
    host.uninstall(status=1)
    assert f"{PODMAN}: it was changed since ocipy install wrote it" in host.err
    assert host.read(PODMAN).endswith("# mine\n")
    assert not host.path("/etc/crio").exists()
    host.path(PODMAN).unlink()
    host.uninstall()
    assert not host.path("/etc/containers").exists()


def test_a_new_command_and_a_file_that_is_ours(host):
    host.install("--podman")
    host.install("--podman", command="/usr/bin/true")
    assert engine(host)["runtimes"] == {"ocipy": ["/usr/bin/true"]}
