"""config.md and config-linux.md: the first properties; the rest follow."""

from conformance.harness import Runtime, case, check


@case("config.md#root", "MUST", "a read-only root filesystem can't be written to")
def readonly_root(runtime: Runtime) -> None:
    runtime.bundle.config["root"]["readonly"] = True
    runtime.bundle.shell("touch /file 2>/dev/null && echo written || echo refused")
    check(runtime.run() == "refused\n", "it was written to")


@case("config.md#mounts", "MUST", "mounts are made in the listed order")
def mounts_in_order(runtime: Runtime) -> None:
    for name in ("a", "a/b"):
        mount = {"destination": f"/{name}", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]}
        runtime.bundle.config["mounts"].append(mount)
    runtime.bundle.shell("grep -c ' /a/b tmpfs' /proc/mounts")
    check(runtime.run() == "1\n", "the second mount isn't inside the first")


@case("config.md#hostname", "MUST", "the host name is the configured one")
def hostname(runtime: Runtime) -> None:
    runtime.bundle.config["hostname"] = "another"
    runtime.bundle.shell("hostname")
    check(runtime.run() == "another\n", "it is another")


@case("config.md#process", "MUST", "args, env and cwd are those of the config")
def process(runtime: Runtime) -> None:
    runtime.bundle.config["process"]["env"].append("GREETING=hello world")
    runtime.bundle.config["process"]["cwd"] = "/tmp"
    runtime.bundle.config["process"]["args"] = ["sh", "-c", 'pwd; echo "$GREETING" "$0"', "argument"]
    check(runtime.run() == "/tmp\nhello world argument\n", "they are others")


@case("config.md#user", "MUST", "user, group and additional groups are the configured ones")
def user(runtime: Runtime) -> None:
    runtime.bundle.config["process"]["user"] = {"uid": 1001, "gid": 1002, "additionalGids": [1003, 1004]}
    runtime.bundle.shell("id -u; id -g; grep Groups: /proc/self/status | cut -f 2")
    check(runtime.run().split() == ["1001", "1002", "1003", "1004"], "they are others")


@case("config.md#posix-process", "MUST", "resource limits are set")
def rlimits(runtime: Runtime) -> None:
    runtime.bundle.config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]
    runtime.bundle.shell("ulimit -Sn; ulimit -Hn")
    check(runtime.run().split() == ["100", "200"], "they are others")


@case("config.md#linux-process", "MUST", "no_new_privs and the capabilities are set")
def privileges(runtime: Runtime) -> None:
    runtime.bundle.config["process"]["noNewPrivileges"] = True
    runtime.bundle.shell("grep -E '^(NoNewPrivs|CapEff|CapBnd):' /proc/self/status | cut -f 2")
    kill = f"{1 << 5:016x}"
    check(sorted(runtime.run().split()) == sorted([kill, kill, "1"]), "they are others")


@case("config-linux.md#masked-paths", "MUST", "masked paths can't be read")
def masked(runtime: Runtime) -> None:
    runtime.bundle.config["linux"]["maskedPaths"] = ["/secret", "/hidden"]
    (runtime.bundle.rootfs / "secret").write_text("secret")
    (runtime.bundle.rootfs / "hidden").mkdir()
    (runtime.bundle.rootfs / "hidden/file").write_text("secret")
    runtime.bundle.shell("cat /secret; ls /hidden")
    check(runtime.run() == "", "one can be read")


@case("config-linux.md#readonly-paths", "MUST", "read-only paths can't be written to")
def readonly_paths(runtime: Runtime) -> None:
    runtime.bundle.config["linux"]["readonlyPaths"] = ["/etc"]
    (runtime.bundle.rootfs / "etc").mkdir()
    runtime.bundle.shell("touch /etc/file 2>/dev/null && echo written || echo refused")
    check(runtime.run() == "refused\n", "one can be written to")


@case("config-linux.md#seccomp", "MUST", "a system call the profile denies gives its errno")
def seccomp(runtime: Runtime) -> None:
    runtime.bundle.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}],
    }
    runtime.bundle.shell("mkdir /directory 2>&1 | grep -c 77; test -d /directory && echo made; true")
    check("made" not in runtime.run(), "the call went through")
