"""LISTEN_FDS and NOTIFY_SOCKET in the plan: what they add to it, and where."""

import copy

from ocipy.plan import activation
from ocipy.plan.options import CreateOptions


def names(plan):
    return [op.name for op in plan.ops]


def exec_environment(plan):
    return next(op for op in plan.ops if op.name == "exec").values["env"]


def test_without_them_nothing_is_added(make_plan):
    plan = make_plan()
    assert "listen-pid" not in names(plan)
    assert not any(entry.startswith(("LISTEN", "NOTIFY")) for entry in exec_environment(plan))


def test_sockets(make_plan, only):
    def change(config):
        config["process"]["env"] = ["LISTEN_PID=5", "A=b", "LISTEN_FDS=7"]

    plan = make_plan(change, listen_fds=2, preserve_fds=3)
    assert sorted(exec_environment(plan)) == ["A=b", "LISTEN_FDS=2"]
    assert only(plan, "close-on-exec").values == {"first": 8}
    assert names(plan).index("listen-pid") < names(plan).index("wait-start")


def test_the_ear_of_the_service_manager(make_plan):
    def change(config):
        config["process"]["env"] = ["NOTIFY_SOCKET=/x"]

    plan = make_plan(change, notify="/run/ocipy/box/notify")
    assert exec_environment(plan) == ["NOTIFY_SOCKET=/run/notify/notify.sock"]
    mount = [op for op in plan.ops if op.name == "bind"][-1]
    assert (mount.values["source"], mount.values["destination"]) == ("/run/ocipy/box/notify", "/run/notify")
    before = make_plan(change)
    assert len(names(plan)) == len(names(before)) + 1


def test_the_config_stays_as_it_is():
    """Whoever compiles it again must not find the additions of the first time."""
    config = {"process": {"env": ["A=b"]}, "mounts": []}
    before = copy.deepcopy(config)
    complete = activation.complete(config, CreateOptions("box", "/bundle", listen_fds=1, notify="/n"))
    assert config == before
    assert (len(complete["mounts"]), len(complete["process"]["env"])) == (1, 3)
