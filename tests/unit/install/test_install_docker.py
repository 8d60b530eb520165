import json

import pytest

FILE = "/etc/docker/daemon.json"
TEXT = '{\n  "log-driver": "local",\n  "runtimes": {\n    "x": {"path": "/x"}\n  },\n  "experimental": true\n}'


def test_an_entry_is_merged(host):
    host.write(FILE, TEXT)
    host.install("--docker")
    assert host.read(FILE) == TEXT.replace(
        '{"path": "/x"}', '{"path": "/x"},\n    "ocipy": {\n      "path": "/usr/bin/env"\n    }'
    )
    host.uninstall()
    assert host.read(FILE) == TEXT


@pytest.mark.parametrize("text", ["", "{}", "{ }\n", '{"runtimes":{\n}}', "\ufeff{}\n", '{"default-runtime": "runc"}'])
def test_whatever_was_there_is_put_back(host, text):
    host.write(FILE, text)
    before = host.files()
    host.install("--docker", "--default")
    document = json.loads(host.read(FILE).removeprefix("\ufeff"))
    assert document == {"default-runtime": "ocipy", "runtimes": {"ocipy": {"path": "/usr/bin/env"}}}
    host.uninstall()
    assert host.files() == before


def test_a_file_that_was_not_there_goes_again_with_its_directory(host):
    before = host.files()
    host.install("--docker")
    assert oct(host.path(FILE).stat().st_mode & 0o7777) == "0o644"
    host.uninstall()
    assert host.files() == before


def test_a_broken_file_is_left_alone(host):
    host.write(FILE, '{\n  "a": 1,\n}')
    before = host.files()
    host.install("--docker", "--crio", status=1)
    assert host.err.endswith(f"{host.path(FILE)}: line 2, column 9: the comma before '}}' is one too many\n") or (
        "daemon.json: line 3, column 1: the comma before '}' is one too many" in host.err
    )
    assert host.files() == before


def test_a_name_that_somebody_else_has(host):
    host.write(FILE, '{"runtimes": {"ocipy": {"path": "/other"}}}')
    host.install("--docker", status=1)
    assert "the runtime ocipy is something else there (choose another --name, or remove it)" in host.err
    host.install("--docker", "--name", "mine")
    host.uninstall()
    assert host.read(FILE) == '{"runtimes": {"ocipy": {"path": "/other"}}}'


def test_an_entry_that_was_there_before_is_left(host):
    text = '{"runtimes": {"ocipy": {"path": "/usr/bin/env"}}}'
    host.write(FILE, text)
    assert "unchanged: " in host.install("--docker")
    host.uninstall()
    assert host.read(FILE) == text


def test_what_the_user_changed_since_stays(host):
    host.write(FILE, TEXT)
    host.install("--docker", "--default")
    document = json.loads(host.read(FILE))
    document["log-level"] = "warn"
    host.write(FILE, json.dumps(document, indent=1))
    host.uninstall()
    assert json.loads(host.read(FILE)) == {**json.loads(TEXT), "log-level": "warn"}


def test_a_file_made_and_then_used_by_the_user_stays(host):
    host.install("--docker")
    host.write(FILE, host.read(FILE).replace("{\n", '{\n    "debug": true,\n', 1))
    host.uninstall()
    assert json.loads(host.read(FILE)) == {"debug": True}


def test_an_entry_that_the_user_changed_is_kept(host):
    host.install("--docker")
    host.write(FILE, host.read(FILE).replace("/usr/bin/env", "/elsewhere"))
    changed = host.read(FILE)
    host.uninstall(status=1)
    assert "the runtime ocipy isn't what ocipy install wrote there (take it out by hand" in host.err
    assert host.read(FILE) == changed
    host.path(FILE).unlink()
    host.uninstall()
    assert not host.path("/var/lib/ocipy").exists()


def test_a_default_that_the_user_changed_is_kept(host):
    host.write(FILE, '{"default-runtime": "runc"}')
    host.install("--docker", "--default")
    host.write(FILE, host.read(FILE).replace('"default-runtime": "ocipy"', '"default-runtime": "x"'))
    host.uninstall()
    assert host.read(FILE) == '{"default-runtime": "x"}'


def test_no_longer_the_default(host):
    host.write(FILE, '{"default-runtime": "runc"}')
    host.install("--docker", "--default")
    host.install("--docker")
    assert json.loads(host.read(FILE))["default-runtime"] == "runc"


def test_another_command(host):
    host.install("--docker")
    host.install("--docker", command="/usr/bin/true")
    assert json.loads(host.read(FILE)) == {"runtimes": {"ocipy": {"path": "/usr/bin/true"}}}
    host.uninstall()
    assert not host.path(FILE).exists()


def test_two_names_taken_out_in_any_order(host):
    host.write(FILE, TEXT)
    host.install("--docker", "--name", "a")
    host.install("--docker", "--name", "b", "--default")
    host.uninstall("--name", "a")
    assert set(json.loads(host.read(FILE))["runtimes"]) == {"x", "b"}
    host.uninstall()
    assert host.read(FILE) == TEXT


def test_two_defaults(host):
    host.write(FILE, '{"default-runtime": "x"}')
    host.install("--docker", "--name", "a", "--default")
    host.install("--docker", "--name", "b", "--default")
    host.uninstall("--name", "a")
    assert json.loads(host.read(FILE))["default-runtime"] == "b"
    host.write(FILE, host.read(FILE) + "\n")
    host.uninstall("--name", "b")
    assert host.read(FILE) == '{"default-runtime": "x"}\n'


def test_a_file_that_the_user_removed(host):
    host.install("--docker", "--name", "a")
    host.path(FILE).unlink()
    host.install("--docker", "--name", "b")
    assert set(json.loads(host.read(FILE))["runtimes"]) == {"b"}
    host.path(FILE).unlink()
    host.install("--docker", "--name", "b")
    host.path(FILE).unlink()
    assert "unchanged: " in host.uninstall()
    assert not host.path("/etc/docker").exists()


def test_edited_between_two_installs(host):
    host.write(FILE, "{}")
    host.install("--docker", "--name", "a")
    host.write(FILE, host.read(FILE).replace('"a"', '"z": {"path": "/z"}, "a"'))
    host.install("--docker", "--name", "b")
    host.uninstall()
    assert json.loads(host.read(FILE)) == {"runtimes": {"z": {"path": "/z"}}}
