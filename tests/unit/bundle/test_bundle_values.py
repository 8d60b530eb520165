"""Option values of ``ocipy bundle``: what is read, and that each refusal names the option."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocipy.bundle import values
from ocipy.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [("4096", 4096), ("512k", 512 << 10), ("64m", 64 << 20), ("64M", 64 << 20), ("2g", 2 << 30), ("0", 0)],
)
def test_memory(text, size):
    assert values.parse_memory(text) == size


@pytest.mark.parametrize(
    "text", ["m", "1.5g", "-1", "64mb", " 64m", "64 m", "\u0661m", "0x10", "9999999999999999999g", "1t"]
)
def test_memory_is_strict(text):
    with pytest.raises(UsageError, match=r"^--memory"):
        values.parse_memory(text)


@given(st.text(max_size=8))
def test_memory_reads_or_refuses_any_text(text):
    try:
        size = values.parse_memory(text)
    except UsageError:
        return
    assert (
        str(size >> {"k": 10, "m": 20, "g": 30}.get(text[-1].lower(), 0)) == text.rstrip("kmgKMG").lstrip("0")
        or size == 0
    )


@pytest.mark.parametrize(("text", "quota"), [("1", 100_000), ("0.5", 50_000), (".25", 25_000), ("2.", 200_000)])
def test_cpus(text, quota):
    assert values.cpu_quota(values.parse_cpus(text)) == quota


@pytest.mark.parametrize("text", [".", "-1", "1e3", "nan", "inf", "0,5", "1.2.3", "two"])
def test_cpus_are_strict(text):
    with pytest.raises(UsageError, match=r"^--cpus needs a number"):
        values.parse_cpus(text)


@pytest.mark.parametrize("cpus", [0.0, 0.001, float("nan"), float("inf"), -1.0])
def test_cpus_the_kernel_would_refuse(cpus):
    with pytest.raises(UsageError, match=r"^--cpus"):
        values.cpu_quota(cpus)


def test_least_values():
    assert values.cpu_quota(0.01) == 1000
    assert values.check_memory(512 << 10) == 512 << 10
    assert values.check_pids(1) == 1
    with pytest.raises(UsageError, match=r"^--memory"):
        values.check_memory((512 << 10) - 1)
    with pytest.raises(UsageError, match=r"^--pids"):
        values.check_pids(0)


@pytest.mark.parametrize("name", ["a", "web-1.example", "x" * 64])
def test_hostname(name):
    assert values.check_hostname(name) == name


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a/b", "a\n", "ü" * 33])
def test_hostname_refused(name):
    with pytest.raises(UsageError, match=r"^--hostname"):
        values.check_hostname(name)


@pytest.mark.parametrize("text", ["A", "=x", "", "A\0=b"])
def test_env_refused(text):
    with pytest.raises(UsageError, match=r"^--env needs NAME=VALUE"):
        values.check_env(text)


def test_env_keeps_further_equals_signs():
    assert values.check_env("A=b=c") == "A=b=c"


@pytest.mark.parametrize("path", ["", "relative", "/x\0"])
def test_cwd_refused(path):
    with pytest.raises(UsageError, match=r"^--cwd needs an absolute path"):
        values.check_cwd(path)


def bind(source, target, *options):
    return {"destination": target, "type": "bind", "source": source, "options": list(options)}


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("/tmp:/data", ["rbind", "rprivate"]),
        ("/tmp:/data:ro", ["rbind", "rprivate", "ro"]),
        ("/tmp:/data:bind,rslave,nosuid", ["bind", "rslave", "nosuid"]),
        ("type=bind,source=/tmp,target=/data", ["rbind", "rprivate"]),
        ("type=bind,src=/tmp,dst=/data,readonly", ["rbind", "rprivate", "ro"]),
        ("source=/tmp,destination=/data,ro=false,bind-propagation=rshared", ["rbind", "rshared"]),
    ],
)
def test_bind_mount(text, options):
    assert values.parse_mount(text) == bind("/tmp", "/data", *options)


def test_relative_source_is_of_the_current_directory(tmp_path, monkeypatch):
    (tmp_path / "type=x").mkdir()
    monkeypatch.chdir(tmp_path)
    assert values.parse_mount("./type=x:/data")["source"] == f"{tmp_path}/type=x"


def test_tmpfs_mount():
    assert values.parse_mount("type=tmpfs,target=/scratch,tmpfs-size=16m,tmpfs-mode=700,readonly") == {
        "destination": "/scratch",
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["nosuid", "nodev", "ro", "size=16777216", "mode=700"],
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/tmp", "needs SRC:DST"),
        ("/tmp:/a:ro:more", "needs SRC:DST"),
        ("/tmp:data", "absolute path"),
        ("/tmp:/", "can't be /"),
        ("/tmp://./", "can't be /"),
        (":/data", "source is empty"),
        ("/no/such/source:/data", "/no/such/source does not exist"),
        ("/tmp:/data:rw,z", "'z' is no option"),
        ("type=nfs,source=/tmp,target=/data", "bind or tmpfs, not 'nfs'"),
        ("type=bind,target=/data", "source is missing"),
        ("type=bind,source=/tmp", "target is missing"),
        ("type=bind,source=/tmp,target=/a,dst=/b", "target is given twice"),
        ("type=bind,source=/tmp,target=/a,mode=1", "unknown key 'mode'"),
        ("type=bind,source=,target=/a", "source needs a value"),
        ("type=bind,source=/tmp,target=/a,tmpfs-size=1m", "tmpfs-size is not for a bind mount"),
        ("type=tmpfs,source=/tmp,target=/a", "source is not for a tmpfs mount"),
        ("type=tmpfs,target=/a,tmpfs-size=lots", "tmpfs-size needs a size"),
        ("type=tmpfs,target=/a,tmpfs-mode=rwx", "octal mode"),
        ("source=/tmp,target=/a,readonly=maybe", "true or false, not 'maybe'"),
        ("source=/tmp,target=/a,bind-propagation=up", "bind-propagation is one of"),
    ],
)
def test_mount_refused(text, reason):
    with pytest.raises(UsageError) as caught:
        values.parse_mount(text)
    assert str(caught.value).startswith("--mount")
    assert reason in str(caught.value)
