"""config-linux.md: masked and read-only paths, the mounts' label, and the root filesystem's propagation."""

import os
import stat
from pathlib import Path

from conformance import host
from conformance.cases import sentence
from conformance.harness import Runtime, case, check, need
from conformance.linux_looking import inside_mounts, own_mounts, propagation

MASKED = "config-linux.md#masked-paths"
READONLY = "config-linux.md#readonly-paths"
LABEL = "config-linux.md#mount-label"
PROPAGATION = "config-linux.md#rootfs-mount-propagation"
PROPERTY = "linux.rootfsPropagation"


def secrets(runtime: Runtime) -> None:
    (runtime.rootfs / "secret").write_text("secret")
    (runtime.rootfs / "hidden").mkdir()
    (runtime.rootfs / "hidden/file").write_text("secret")


@case(MASKED, "MUST", "a masked file can't be read", "linux.maskedPaths")
def masked_file(runtime: Runtime) -> None:
    secrets(runtime)
    runtime.config["linux"]["maskedPaths"] = ["/secret"]
    check(runtime.prints("cat /secret 2>/dev/null; true") == "", "it can be read")


@case(MASKED, "MUST", "a masked directory can't be read", "linux.maskedPaths")
def masked_directory(runtime: Runtime) -> None:
    secrets(runtime)
    runtime.config["linux"]["maskedPaths"] = ["/hidden"]
    check(runtime.prints("ls /hidden; cat /hidden/file 2>/dev/null; true") == "", "it can be read")


@case(MASKED, "MUST", "a file in /proc can be masked", "linux.maskedPaths")
def masked_in_proc(runtime: Runtime) -> None:
    runtime.config["linux"]["maskedPaths"] = ["/proc/version", "/proc/fs"]
    check(runtime.prints("cat /proc/version 2>/dev/null; ls /proc/fs; true") == "", "it can be read")


@case(MASKED, "MUST", "a masked path can't be written to", "linux.maskedPaths")
def masked_not_written(runtime: Runtime) -> None:
    secrets(runtime)
    runtime.config["linux"]["maskedPaths"] = ["/secret", "/hidden"]
    runtime.prints("echo other >/secret; echo other >/hidden/file; true")
    check((runtime.rootfs / "secret").read_text() == "secret", "the file was written to")
    check((runtime.rootfs / "hidden/file").read_text() == "secret", "the directory's file was written to")


@case(MASKED, "MUST", "a path that doesn't exist needs no mask", "linux.maskedPaths")
def masked_absent(runtime: Runtime) -> None:
    runtime.config["linux"]["maskedPaths"] = ["/absent", "/proc/absent"]
    check(runtime.prints("test -e /absent || echo absent") == "absent\n", "it is there now")


@case(
    MASKED,
    "MUST",
    "a relative path is an error",
    "linux.maskedPaths",
    note="Values that are no absolute paths are invalid, for which config.md, Valid values, asks for an error.",
)
def masked_relative(runtime: Runtime) -> None:
    secrets(runtime)
    runtime.config["linux"]["maskedPaths"] = ["secret"]
    runtime.refused()


hidden = ("masked_file", "masked_directory", "masked_in_proc", "masked_not_written", "masked_absent")
sentence(MASKED, "MUST", "the paths can't be read", *hidden)
sentence(MASKED, "MUST", "they are absolute", "masked_relative")


@case(READONLY, "MUST", "nothing in a read-only directory can be written to", "linux.readonlyPaths")
def readonly_directory(runtime: Runtime) -> None:
    secrets(runtime)
    runtime.config["linux"]["readonlyPaths"] = ["/hidden"]
    script = "touch /hidden/new 2>/dev/null && echo new; (echo x >/hidden/file) 2>/dev/null && echo changed"
    said = runtime.prints(f"{script}; cat /hidden/file; touch /tmp/new && echo elsewhere")
    check(said == "secretelsewhere\n", f"it said {said!r}")


@case(READONLY, "MUST", "a read-only file can't be written to", "linux.readonlyPaths")
def readonly_file(runtime: Runtime) -> None:
    secrets(runtime)
    runtime.config["linux"]["readonlyPaths"] = ["/secret"]
    said = runtime.prints("(echo x >/secret) 2>/dev/null && echo changed; cat /secret")
    check(said == "secret", f"it said {said!r}")


@case(READONLY, "MUST", "a path in /proc can be read-only", "linux.readonlyPaths")
def readonly_in_proc(runtime: Runtime) -> None:
    runtime.config["linux"]["readonlyPaths"] = ["/proc/sys"]
    script = "cat /proc/sys/kernel/shmmni >/tmp/value; cat /tmp/value >/proc/sys/kernel/shmmni && echo changed"
    said = runtime.prints(f"({script}) 2>/dev/null; test -s /tmp/value && echo read")
    check(said == "read\n", f"it said {said!r}")


@case(READONLY, "MUST", "a mount of the config's can be read-only", "linux.readonlyPaths")
def readonly_mount(runtime: Runtime) -> None:
    entry = {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev", "noexec"]}
    runtime.config["mounts"].append(entry)
    runtime.config["linux"]["readonlyPaths"] = ["/tmp"]
    options = runtime.prints("grep ' /tmp ' /proc/mounts | tail -n 1").split()[3].split(",")
    check({"ro", "nosuid", "nodev", "noexec"} <= set(options), f"its options are {options}")


@case(READONLY, "MUST", "a path that doesn't exist is left out", "linux.readonlyPaths")
def readonly_absent(runtime: Runtime) -> None:
    runtime.config["linux"]["readonlyPaths"] = ["/absent", "/proc/absent"]
    check(runtime.prints("test -e /absent || echo absent") == "absent\n", "it is there now")


@case(
    READONLY,
    "MUST",
    "a relative path is an error",
    "linux.readonlyPaths",
    note="Values that are no absolute paths are invalid, for which config.md, Valid values, asks for an error.",
)
def readonly_relative(runtime: Runtime) -> None:
    secrets(runtime)
    runtime.config["linux"]["readonlyPaths"] = ["hidden"]
    runtime.refused()


kept = ("readonly_directory", "readonly_file", "readonly_in_proc", "readonly_mount", "readonly_absent")
sentence(READONLY, "MUST", "the paths are read-only", *kept)
sentence(READONLY, "MUST", "they are absolute", "readonly_relative")


@case(LABEL, "MUST", "the label is the SELinux context of mounts", "linux.mountLabel")
def mount_label(runtime: Runtime) -> None:
    need(host.lsm("selinux"), "this kernel doesn't run SELinux")
    types = ("container_file_t", "svirt_image_t")  # of the two usual policies
    label = host.selinux_label(*(f"system_u:object_r:{type_}:s0:c715,c811" for type_ in types))
    need(label, "the SELinux policy has no label for files of containers")
    runtime.config["linux"]["mountLabel"] = label
    entry = {"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]}
    runtime.config["mounts"].append(entry)
    pid = runtime.sleeping()
    context = os.getxattr(f"/proc/{pid}/root/mnt", "security.selinux").rstrip(b"\0").decode()
    check(context == label, f"the context is {context}")


@case(LABEL, "MUST", "a label that can't be applied is an error", "linux.mountLabel")
def mount_label_without_selinux(runtime: Runtime) -> None:
    need(not host.lsm("selinux"), "this kernel runs SELinux")
    runtime.config["linux"]["mountLabel"] = "system_u:object_r:container_file_t:s0:c715,c811"
    runtime.refused()


sentence(LABEL, "MUST", "the label is the context of mounts", "mount_label", "mount_label_without_selinux")


def root_mount(runtime: Runtime, value: str) -> str:
    """The propagation of / in the container, as its mountinfo has it."""
    runtime.config["linux"]["rootfsPropagation"] = value
    return propagation(runtime.prints("cat /proc/self/mountinfo"), "/")


@case(PROPAGATION, "MUST", "shared is a new peer group", PROPERTY)
def root_shared(runtime: Runtime) -> None:
    fields = root_mount(runtime, "shared").split()
    groups = [field.removeprefix("shared:") for field in fields if field.startswith("shared:")]
    check(groups, f"it isn't shared, but {fields}")
    host_groups = {word for word in Path("/proc/self/mountinfo").read_text().split() if word.startswith("shared:")}
    check(f"shared:{groups[0]}" not in host_groups, "the host's mounts are in it")


@case(PROPAGATION, "MUST", "with shared, further mounts belong to a peer group", PROPERTY)
def root_shared_further(runtime: Runtime) -> None:
    for names in runtime.config["process"]["capabilities"].values():
        names.append("CAP_SYS_ADMIN")
    runtime.config["linux"]["rootfsPropagation"] = "shared"
    found = propagation(runtime.prints("mount -t tmpfs further /tmp && cat /proc/self/mountinfo"), "/tmp")
    check(found.startswith("shared:"), f"its propagation is {found!r}")


@case(
    PROPAGATION,
    "MUST",
    "with slave, what the host mounts shows in the container",
    PROPERTY,
    note="runc and crun make the mount that the root lies on private, by which the root is no slave of any.",
)
def root_slave(runtime: Runtime) -> None:
    with own_mounts(runtime) as pid:
        _share_rootfs(runtime, pid)
        runtime.config["linux"]["rootfsPropagation"] = "slave"
        inside = runtime.sleeping()
        (runtime.rootfs / "tmp").mkdir(exist_ok=True)
        inside_mounts(pid, "mount", "-t", "tmpfs", "from-the-host", str(runtime.rootfs / "tmp"))
        mounts = Path(f"/proc/{inside}/mounts").read_text()
        check("from-the-host /tmp " in mounts, "it doesn't")


@case(PROPAGATION, "MUST", "with slave, what the container mounts doesn't show on the host", PROPERTY)
def root_slave_one_way(runtime: Runtime) -> None:
    _not_on_host(runtime, "slave")


@case(PROPAGATION, "MUST", "with private, what the host mounts doesn't show in the container", PROPERTY)
def root_private(runtime: Runtime) -> None:
    with own_mounts(runtime) as pid:
        _share_rootfs(runtime, pid)
        runtime.config["linux"]["rootfsPropagation"] = "private"
        inside = runtime.sleeping()
        inside_mounts(pid, "mount", "-t", "tmpfs", "from-the-host", str(runtime.rootfs / "tmp"))
        check("from-the-host" not in Path(f"/proc/{inside}/mounts").read_text(), "it does")
        found = propagation(Path(f"/proc/{inside}/mountinfo").read_text(), "/")
        check(found == "", f"its propagation is {found!r}")


@case(PROPAGATION, "MUST", "with private, what the container mounts doesn't show on the host", PROPERTY)
def root_private_mounts(runtime: Runtime) -> None:
    _not_on_host(runtime, "private")


@case(PROPAGATION, "MUST", "unbindable can't be bound", PROPERTY)
def root_unbindable(runtime: Runtime) -> None:
    for names in runtime.config["process"]["capabilities"].values():
        names.append("CAP_SYS_ADMIN")
    runtime.config["linux"]["rootfsPropagation"] = "unbindable"
    said = runtime.prints("mount -o bind / /tmp 2>/dev/null && echo bound; cat /proc/self/mountinfo")
    check("bound\n" not in said, "it was bound")
    found = propagation(said, "/")
    check(found == "unbindable", f"its propagation is {found!r}")


@case(PROPAGATION, "MUST", "another word is an error", PROPERTY)
def root_propagation_unknown(runtime: Runtime) -> None:
    runtime.config["linux"]["rootfsPropagation"] = "sideways"
    runtime.refused()


def _share_rootfs(runtime: Runtime, pid: int) -> None:
    """Make the root filesystem a shared mount of the runtime's mount namespace."""
    path = str(runtime.rootfs)
    inside_mounts(pid, "mount", "--bind", path, path)
    inside_mounts(pid, "mount", "--make-shared", path)


def _not_on_host(runtime: Runtime, value: str) -> None:
    for names in runtime.config["process"]["capabilities"].values():
        names.append("CAP_SYS_ADMIN")
    with own_mounts(runtime) as pid:
        _share_rootfs(runtime, pid)
        runtime.config["linux"]["rootfsPropagation"] = value
        runtime.bundle.shell(
            "mount -t tmpfs from-inside /tmp && touch /tmp/mounted && mkfifo /pipe && read line </pipe"
        )
        runtime.start()
        end = runtime.rootfs / "pipe"
        runtime.until("running")
        while not (end.exists() and stat.S_ISFIFO(end.stat().st_mode)):
            check(runtime.state()["status"] == "running", "the container can't mount")
        check("from-inside" not in Path(f"/proc/{pid}/mounts").read_text(), "it does")


sentence(PROPAGATION, "MUST", "the value is one of four words", "root_propagation_unknown")
sentence(PROPAGATION, "MUST", "shared is a new peer group, not the host's", "root_shared", "root_shared_further")
sentence(PROPAGATION, "MUST", "slave receives events, and sends none", "root_slave", "root_slave_one_way")
sentence(PROPAGATION, "MUST", "private receives and sends none", "root_private", "root_private_mounts")
sentence(PROPAGATION, "MUST", "unbindable is private and can't be bound", "root_unbindable")
