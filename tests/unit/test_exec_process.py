"""Which process exec runs: what a document says, what it leaves to the container's config, what options change."""

import json

import pytest

from ocipy import exec_process
from ocipy.errors import ConfigError, UsageError
from ocipy.exec_options import ExecOptions
from ocipy.spec.load import complete_process

SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")


def of_container(**changes):
    process = {"args": ["init"], "cwd": "/home", "env": ["A=1", "B=2"], "user": {"uid": 1, "gid": 2}}
    process |= {"noNewPrivileges": True, "terminal": True, "oomScoreAdj": 9, "apparmorProfile": "own"}
    process |= {"rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}], "selinuxLabel": "label"}
    process |= {"capabilities": {"bounding": ["CAP_KILL"]}, "scheduler": {"policy": "SCHED_BATCH"}}
    process |= changes
    complete_process(process)
    return {"process": process}


def chosen(*args, config=None, **options):
    return exec_process.choose(ExecOptions(args or ("true",), **options), config or of_container())


def described(tmp_path, document, config=None):
    file = tmp_path / "process.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return chosen(process=str(file), config=config)


def test_the_container_s_own_with_other_args():
    config = of_container()
    found = chosen("ls", "-l", config=config)
    assert found == config["process"] | {"args": ["ls", "-l"], "terminal": False}


def test_the_config_stays_as_it_is():
    config = of_container()
    before = json.dumps(config)
    chosen(config=config, env=["C=3"], additional_gids=[5], capabilities=["CAP_CHOWN"], user="7:8")
    assert json.dumps(config) == before


def test_every_change():
    found = chosen(
        env=["C=3", "A=4"],
        cwd="/work",
        user="5:6",
        additional_gids=[7, 8],
        tty=True,
        capabilities=["CAP_CHOWN"],
        no_new_privileges=False,
        apparmor="other",
        label="another",
    )
    assert found["env"] == ["A=1", "B=2", "C=3", "A=4"]
    assert found["user"] == {"uid": 5, "gid": 6, "additionalGids": [7, 8]}
    assert (found["cwd"], found["terminal"], found["noNewPrivileges"]) == ("/work", True, False)
    assert (found["apparmorProfile"], found["selinuxLabel"]) == ("other", "another")
    sets = {name: ["CAP_CHOWN"] for name in ("effective", "permitted")}
    assert found["capabilities"] == sets | {"bounding": ["CAP_KILL", "CAP_CHOWN"], "inheritable": [], "ambient": []}


def test_a_capability_is_ambient_where_the_container_has_inheritable_ones():
    config = of_container(capabilities={key: ["CAP_KILL"] for key in SETS})
    found = chosen(config=config, capabilities=["CAP_CHOWN"])["capabilities"]
    assert found["ambient"] == ["CAP_KILL", "CAP_CHOWN"]
    assert found["inheritable"] == ["CAP_KILL"]


def test_the_group_stays_where_the_user_alone_is_given():
    assert chosen(user="5")["user"]["gid"] == 2


def test_a_container_without_a_process():
    found = chosen("ls", config={"linux": {}})
    assert (found["cwd"], found["user"]["uid"], found["env"]) == ("/", 0, [])


@pytest.mark.parametrize(
    "user",
    ["1abc", "abc", "-1", "+1", " 1", "1:", ":1", "1:x", "1:2:3", "", "٣", "0x1", "4294967295", "1e3", "9" * 5000],
)
def test_what_is_no_user(user):
    with pytest.raises(UsageError, match="--user"):
        exec_process.parse_user(user)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cwd": "here"}, "--cwd: expected an absolute path"),
        ({"env": ["A"]}, "--env: expected NAME=value, got 'A'"),
        ({"env": ["=A"]}, "--env: expected NAME=value"),
        ({"additional_gids": [-1]}, "--additional-gids: an id is a number from 0"),
        ({"additional_gids": [2**32 - 1]}, "--additional-gids: an id is a number from 0"),
        ({"capabilities": ["CAP_ALL"]}, "--cap: unknown capability 'CAP_ALL'"),
        ({"cwd": "/a\0b"}, "a NUL in an argument"),
        ({"env": ["A=\0"]}, "a NUL in an argument"),
    ],
)
def test_what_cannot_be(options, message):
    with pytest.raises(UsageError, match=message):
        chosen(**options)


def test_without_a_program():
    with pytest.raises(UsageError, match="the program: args must not be empty"):
        exec_process.choose(ExecOptions(), of_container())


def test_a_document_alone_decides(tmp_path):
    """But for what it leaves out and runc takes from the container."""
    document = {"args": ["ls"], "cwd": "/", "env": ["X=y"]}
    found = described(tmp_path, document)
    assert (found["args"], found["env"], found["cwd"], found["terminal"]) == (["ls"], ["X=y"], "/", False)
    assert found["user"] == {"uid": 0, "gid": 0, "additionalGids": []}
    assert found["noNewPrivileges"] is False
    own = of_container()["process"]
    for name in ("rlimits", "apparmorProfile", "selinuxLabel", "capabilities", "scheduler", "oomScoreAdj"):
        assert found[name] == own[name]


def test_what_a_document_says_goes_before_the_container_s(tmp_path):
    document = {"args": ["ls"], "cwd": "/", "capabilities": {}, "apparmorProfile": "x", "oomScoreAdj": 0}
    document |= {"rlimits": [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}], "scheduler": {"policy": "SCHED_OTHER"}}
    found = described(tmp_path, document)
    assert found["capabilities"] == {name: [] for name in SETS}
    assert (found["apparmorProfile"], found["oomScoreAdj"]) == ("x", 0)
    assert [limit["type"] for limit in found["rlimits"]] == ["RLIMIT_CPU"]
    assert found["scheduler"] == {"policy": "SCHED_OTHER"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"process\.json: .*line 1"),
        ('{"args": ["ls"]}', r"process\.json: / \(line 1, column 1\): .*cwd"),
        ('{"args": [],\n "cwd": "/"}', r"/args \(line 1, column 10\): args must not be empty"),
        ('{"args": ["ls"],\n "cwd": "x"}', r"/cwd \(line 2, column 9\): expected an absolute path"),
        ('{"args": ["ls"],\n "cwd": "/", "env": [\n"A"]}', r"/env/0 \(line 3, column 1\): expected NAME=value"),
        ('{"args": ["ls"], "cwd": "/", "user": {"uid": "1abc"}}', r"/user/uid \(line 1, column 46\)"),
        ('{"args": ["l\\u0000s"],\n "cwd": "/"}', r"/args/0 \(line 1, column 11\): .*NUL"),
        ('{"args": ["ls"], "cwd": "/", "args": ["x"]}', "twice"),
    ],
)
def test_faults_of_a_document(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        described(tmp_path, text)


def test_a_document_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="nothing: .*no such file or directory"):
        chosen(process=str(tmp_path / "nothing"))


def test_a_dict_is_as_good_as_a_file():
    found = exec_process.choose(ExecOptions(process={"args": ["ls"], "cwd": "/"}), of_container())
    assert found["args"] == ["ls"]
    with pytest.raises(ConfigError, match=r"process: /cwd"):
        exec_process.choose(ExecOptions(process={"args": ["ls"], "cwd": "x"}), of_container())


def test_an_unknown_capability_of_a_document_is_warned_of(tmp_path, capfd):
    found = described(tmp_path, {"args": ["ls"], "cwd": "/", "capabilities": {"bounding": ["CAP_ALL"]}})
    assert found["capabilities"]["bounding"] == ["CAP_ALL"]
    assert "CAP_ALL" in capfd.readouterr().err
