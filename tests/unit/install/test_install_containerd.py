import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FILE = "/etc/containerd/config.toml"
DEBIAN = """version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"  # a comment
  [plugins."io.containerd.internal.v1.opt"]
    path = "/var/lib/containerd/opt"
"""
PLUGINS = {1: "cri", 2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime"}
ENTRY = {"runtime_type": "io.containerd.runc.v2", "options": {"BinaryName": "/usr/bin/env"}}
RUNC = {"runtime_type": "io.containerd.runc.v2"}


def cri(host, version=2, file=FILE):
    return tomllib.loads(host.read(file))["plugins"][PLUGINS[version]]["containerd"]


def test_a_block_at_the_end(host):
    host.write(FILE, DEBIAN)
    host.install("--containerd")
    assert (
        host.read(FILE)
        == DEBIAN
        + """
# Made by ocipy install; ocipy uninstall removes it.
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.ocipy]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.ocipy.options]
BinaryName = "/usr/bin/env"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""
    )
    host.uninstall()
    assert host.read(FILE) == DEBIAN


@pytest.mark.parametrize("version", PLUGINS)
@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_versions_of_the_layout(host, version, end):
    text = (f"version = {version}" if version > 1 else "oom_score = -999") + end
    host.write(FILE, text)
    host.install("--containerd", "--default")
    assert cri(host, version) == {"default_runtime_name": "ocipy", "runtimes": {"ocipy": ENTRY, "runc": RUNC}}
    host.uninstall()
    assert host.read(FILE) == text


@pytest.mark.parametrize("version", ["9", "'2'", "[]"])
def test_an_unknown_version(host, version):
    host.write(FILE, f"version = {version}")
    host.install("--containerd", status=1)
    shown = version.strip("'")
    assert f"config.toml: version = {shown} is none of 1, 2, 3, 4" in host.err


@pytest.mark.parametrize("value", ["1", "'x'", "[]", "[{}]"])
def test_what_should_be_tables_and_lists(host, value):
    host.write(FILE, f"version = 2\nimports = 1\ndisabled_plugins = {value}\n[plugins]\n'{PLUGINS[2]}' = {value}\n")
    before = host.files()
    host.install("--containerd", status=1)
    assert "is written in a way that can't be added to" in host.err
    assert host.files() == before


@pytest.mark.parametrize("text", [None, ""])
def test_a_new_file(host, text):
    if text is not None:
        host.write(FILE, text)
    before = host.files()
    host.install("--containerd")
    assert tomllib.loads(host.read(FILE)) == {
        "version": 2, "plugins": {PLUGINS[2]: {"containerd": {"runtimes": {"ocipy": ENTRY, "runc": RUNC}}}}
    }  # fmt: skip
    host.uninstall()
    assert host.files() == before


def test_a_new_file_at_the_end_of_a_link(host):
    host.path("/srv").mkdir()
    host.path("/etc/containerd").symlink_to("../srv")
    before = host.files()
    host.install("--containerd")
    assert tomllib.loads(host.read("/srv/config.toml"))["version"] == 2
    host.uninstall()
    assert host.files() == before


def test_a_new_file_beside_drop_ins_imports_them(host):
    host.write("/etc/containerd/conf.d/a.toml", "version = 2\n")
    host.install("--containerd")
    assert tomllib.loads(host.read(FILE))["imports"] == ["/etc/containerd/conf.d/*.toml"]


def test_the_runtimes_that_are_there_are_kept_and_followed(host):
    table = f'[plugins."{PLUGINS[2]}".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n'
    host.write(FILE, f"version = 2\n{table}  [plugins.'{PLUGINS[2]}'.containerd.runtimes.runc.options]\n"
                     "    SystemdCgroup = true\n")  # fmt: skip
    host.install("--containerd")
    runtimes = cri(host)["runtimes"]
    assert runtimes["ocipy"]["options"] == {"BinaryName": "/usr/bin/env", "SystemdCgroup": True}
    assert set(runtimes) == {"ocipy", "runc"}


def test_systemd_cgroup_asked_for(host):
    host.run("--systemd-cgroup", "install", "--system", "--containerd", "--command", "/usr/bin/env")
    assert cri(host)["runtimes"]["ocipy"]["options"]["SystemdCgroup"] is True


def test_a_table_at_the_very_end(host):
    text = f'version = 2\n[plugins."{PLUGINS[2]}".containerd]'
    host.write(FILE, text)
    host.install("--containerd", "--default")
    assert cri(host)["default_runtime_name"] == "ocipy"
    host.uninstall()
    assert host.read(FILE) == text


def test_what_the_user_took_out_is_gone(host):
    host.write(FILE, DEBIAN)
    host.install("--containerd", "--default")
    host.write(FILE, DEBIAN + "# mine\n")
    host.install("--containerd")
    host.write(FILE, DEBIAN + "# mine\n# and mine\n")
    host.uninstall()
    assert host.read(FILE) == DEBIAN + "# mine\n# and mine\n"
    assert not host.path("/var/lib/ocipy").exists()


def test_two_names(host):
    """What the first brought along for both, runc and the default, doesn't go with it."""
    host.write(FILE, DEBIAN)
    host.install("--containerd", "--name", "a", "--default")
    host.install("--containerd", "--name", "b", "--default")
    assert cri(host)["default_runtime_name"] == "b"
    host.uninstall("--name", "a")
    assert (cri(host)["default_runtime_name"], set(cri(host)["runtimes"])) == ("b", {"b", "runc"})
    host.write(FILE, host.read(FILE) + "# mine\n")
    host.install("--containerd", "--name", "a")
    host.uninstall("--name", "b")
    assert set(cri(host)) == {"runtimes"}
    assert set(cri(host)["runtimes"]) == {"a", "runc"}
    host.uninstall()
    assert host.read(FILE) == DEBIAN + "# mine\n"


@pytest.mark.parametrize(
    "line", ['default_runtime_name = "runc"', '"default_runtime_name"="x" # mine', "snapshotter = 'x'"]
)
def test_the_default_in_a_table_that_is_there(host, line):
    text = f'version = 2\n[plugins."{PLUGINS[2]}".containerd]\n  {line}\n[plugins."{PLUGINS[2]}".cni]\nbin_dir = "/x"\n'
    host.write(FILE, text)
    host.install("--containerd", "--default")
    assert cri(host)["default_runtime_name"] == "ocipy"
    changed = f"# a line of the user's\n{host.read(FILE)}# and another\n"
    host.install("--containerd", "--default")
    host.write(FILE, changed)
    host.uninstall()
    assert host.read(FILE) == f"# a line of the user's\n{text}# and another\n"


@pytest.mark.parametrize(
    "text",
    [
        'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\ncontainerd = {snapshotter = "x"}\n',
        'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\ncontainerd.runtimes.runc.runtime_type = "x"\n',
    ],
)
def test_tables_that_are_not_written_as_tables(host, text):
    host.write(FILE, text)
    before = host.files()
    host.install("--containerd", "--default", status=1)
    assert "containerd] is written in a way that can't be added to (write tables with headers)" in host.err
    assert host.files() == before


def test_headers_in_strings_are_none(host):
    text = f'version = 2\nnote = """\n[plugins."{PLUGINS[2]}".containerd]\n"""\n'
    host.write(FILE, text)
    host.install("--containerd", "--default", status=1)
    assert host.read(FILE) == text


def test_a_broken_file_is_left_alone(host):
    host.write(FILE, "version = 2\n[plugins\n")
    host.install("--containerd", status=1)
    assert "config.toml: not TOML: " in host.err
    assert "line 2" in host.err
    assert not host.path("/var/lib/ocipy").exists()


def test_a_name_that_somebody_else_has(host):
    host.write(FILE, f"version = 2\n[plugins.'{PLUGINS[2]}'.containerd.runtimes.ocipy]\n")
    host.install("--containerd", status=1)
    assert "the runtime ocipy is there already" in host.err


def test_the_imported_file_that_has_the_last_word(host):
    """Before containerd 2 an imported file's table of the plugin takes the place of config.toml's."""
    host.write(FILE, 'version = 2\nimports = ["/etc/containerd/conf.d/*.toml", "more.toml"]\n')
    for name in ("conf.d/a", "conf.d/b"):
        host.write(f"/etc/containerd/{name}.toml", f'[plugins."{PLUGINS[2]}".cni]\nbin_dir = "/{name}"\n')
    host.write("/etc/containerd/more.toml", "oom_score = 0\n")
    before = host.files()
    host.install("--containerd")
    assert cri(host, file="/etc/containerd/conf.d/b.toml") == {"runtimes": {"ocipy": ENTRY, "runc": RUNC}}
    host.uninstall()
    assert host.files() == before


def test_the_plugin_is_disabled(host):
    host.write(FILE, 'disabled_plugins = ["cri"]\n')
    host.install("--containerd")
    assert "config.toml disables cri" in host.err


def test_twice_and_with_text_after_it(host):
    host.write(FILE, DEBIAN)
    host.install("--containerd")
    host.write(FILE, f"{host.read(FILE)}\n[metrics]\naddress = 'x'\n")
    assert "unchanged: " in host.install("--containerd")
    host.uninstall()
    assert host.read(FILE) == f"{DEBIAN}\n[metrics]\naddress = 'x'\n"


def test_what_the_user_changed_is_kept(host):
    host.write(FILE, DEBIAN)
    host.install("--containerd")
    changed = host.read(FILE).replace("/usr/bin/env", "/elsewhere")
    host.write(FILE, changed)
    host.uninstall(status=1)
    assert "kept: " in host.err
    assert host.read(FILE) == changed


BARE = st.text("abcXYZ019_-", min_size=1, max_size=6)
LINES = st.lists(
    st.builds("{} = {}".format, BARE, st.sampled_from(["1", "'x'", '"""\n[a]\n"""', "[\n1,\n2]", "1979-05-27"])),
    max_size=3, unique_by=lambda line: line.partition(" ")[0],
)  # fmt: skip
TABLES = st.lists(st.tuples(BARE, LINES), max_size=3, unique_by=lambda table: table[0])


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES, TABLES, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_round_trip(host, lines, tables, newline, default, edited):
    parts = ["version = 2", *(line for line in lines if not line.startswith("version ")), "# words"]
    for name, members in tables:
        parts += [f"[x-{name}]  # a table", *members]
    text = newline.join(parts)
    host.write(FILE, text)
    host.install("--containerd", *["--default"] * default)
    document = tomllib.loads(host.read(FILE))
    assert document.pop("plugins")[PLUGINS[2]]["containerd"]["runtimes"]["ocipy"] == ENTRY
    assert document == tomllib.loads(text)
    if edited:
        host.write(FILE, f"# one more{newline}{host.read(FILE)}")
    host.uninstall()
    assert host.read(FILE) == f"# one more{newline}" * edited + text
