"""A seccomp profile to BPF, through libseccomp.  Off the hot path: see ``compile_filter``."""

from errno import EACCES, EDOM, EEXIST, EFAULT, EINVAL, ENOSYS, EPERM

from ocipy import log
from ocipy.errors import Fault, describe_errno
from ocipy.seccomp import SeccompError, library, names
from ocipy.seccomp.bpf import INSTRUCTION_SIZE, enosys_stub
from ocipy.seccomp.check import uses_notify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What a tracer or the log sees is allowed to go on: a syscall newer than the profile must reach the kernel.
_PERMISSIVE = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE")

# libseccomp's binary tree makes a long filter some 10 times faster to run, and a short one slower.
_TREE_FROM_RULES = 33
_OPTIMIZE_TREE = 2


def compile_profile(seccomp: "dict[str, Any]") -> "tuple[bytes, int, list[str]]":
    """The BPF program, the flags for seccomp(2) and the syscall names libseccomp doesn't know.

    Raises SeccompError: libseccomp missing, an architecture, a rule, an action or a flag it or the kernel refuses.
    """
    scmp = library.load()
    flags = _flags(seccomp)
    default = _action(seccomp["defaultAction"], seccomp.get("defaultErrnoRet"))
    try:
        program = scmp.SyscallFilter(default)
    except OSError:
        raise _refusal("defaultAction", f"{seccomp['defaultAction']} is not available on this kernel") from None
    architectures = _add_architectures(scmp, program, seccomp)
    numbers, unknown = _resolve(scmp, seccomp)
    count = _add_rules(scmp, program, seccomp, default, numbers)
    if count >= _TREE_FROM_RULES:
        _optimize(scmp, program)
    bpf = _stub(scmp, seccomp, architectures) + _export(program)
    if len(bpf) > names.MAX_INSTRUCTIONS * INSTRUCTION_SIZE:
        length = len(bpf) // INSTRUCTION_SIZE
        raise _refusal("syscalls", f"{length} instructions of BPF, the kernel takes {names.MAX_INSTRUCTIONS}")
    return bpf, flags, unknown


def _refusal(member: str, message: str) -> SeccompError:
    fault = Fault(f"/linux/seccomp/{member}", message)
    return SeccompError(str(fault), [fault])


def _flags(seccomp: "dict[str, Any]") -> int:
    """The flags of the profile, or the default ones, as the running kernel has them."""
    problem = library.kernel_errno(0)
    if problem in (EINVAL, ENOSYS):
        raise SeccompError("this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)")
    notify = uses_notify(seccomp)
    flags = names.FLAG_NEW_LISTENER if notify else 0
    if notify and library.kernel_errno(flags) == EINVAL:
        raise _refusal("syscalls", "SCMP_ACT_NOTIFY is not available on this kernel (needs Linux 5.0)")
    wanted = seccomp.get("flags")
    if wanted is None:
        default = names.FLAGS["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]
        return flags | (default if library.kernel_errno(default) == EFAULT else 0)
    for index, name in enumerate(wanted):
        if not library.has_flag(name):
            kernel = names.FLAG_KERNEL[name]
            raise _refusal(f"flags/{index}", f"{name} is not available on this kernel (needs Linux {kernel})")
        if name == "SECCOMP_FILTER_FLAG_TSYNC":
            # Init has one thread: there is nothing to synchronise, and the kernel refuses the flag beside NEW_LISTENER.
            continue
        if name == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" and not notify:
            # The kernel refuses the flag without NEW_LISTENER; there is no listener to wait for.
            continue
        flags |= names.FLAGS[name]
    return flags


def _action(name: str, errno_value: "int | None") -> int:
    """libseccomp's number for an action, its errno (EPERM by default: config-linux.md#seccomp) included."""
    number = names.ACTIONS[name]
    if name in names.ACTIONS_WITH_ERRNO:
        number |= EPERM if errno_value is None else errno_value
    return number


def _add_architectures(scmp: "Any", program: "Any", seccomp: "dict[str, Any]") -> "list[int]":
    """Add the profile's architectures to the native one, which libseccomp puts into every filter; all their tokens."""
    tokens = [scmp.system_arch()]
    for index, name in enumerate(seccomp.get("architectures") or ()):
        token = names.ARCHITECTURES[name]
        if token in tokens:
            continue
        try:
            program.add_arch(token)
        except OSError as problem:
            reason = {
                EINVAL: f"libseccomp {library.version()} doesn't know it",
                EDOM: "its byte order is not the machine's",
            }.get(problem.errno or 0, describe_errno(problem.errno or 0))
            raise _refusal(f"architectures/{index}", f"{name}: {reason}") from None
        tokens.append(token)
    return tokens


def _resolve(scmp: "Any", seccomp: "dict[str, Any]") -> "tuple[dict[str, int], list[str]]":
    """The number of every syscall name in the profile, and the names without one (a newer kernel's, a typo).

    A name is resolved for the native architecture; libseccomp translates it for the others, and has a negative
    number of its own for one that only they have.
    """
    numbers: dict[str, int] = {}
    unknown: list[str] = []
    for rule in seccomp.get("syscalls") or ():
        for name in rule["names"]:
            if name in numbers or name in unknown:
                continue
            # A C string ends at a NUL: "read\0x" would be resolved as read.
            number = scmp.resolve_syscall(scmp.Arch.NATIVE, name) if name.isascii() and name.isprintable() else -1
            if number == -1:
                unknown.append(name)
            else:
                numbers[name] = number
    return numbers, unknown


def _add_rules(scmp: "Any", program: "Any", seccomp: "dict[str, Any]", default: int, numbers: "dict[str, int]") -> int:
    """Add every rule of the profile; how many libseccomp was given."""
    count = 0
    for index, rule in enumerate(seccomp.get("syscalls") or ()):
        action = _action(rule["action"], rule.get("errnoRet"))
        if action == default:
            # It changes nothing, and libseccomp refuses it.
            continue
        alternatives = _conditions(scmp, rule)
        for position, name in enumerate(rule["names"]):
            if name not in numbers:
                continue
            for conditions in alternatives:
                try:
                    program.add_rule(action, numbers[name], *conditions)
                except OSError as problem:
                    pointer = f"syscalls/{index}/names/{position}"
                    raise _refusal(pointer, _why_refused(rule["action"], name, problem.errno or 0)) from None
                count += 1
    return count


def _conditions(scmp: "Any", rule: "dict[str, Any]") -> "list[list[Any]]":
    """The conditions on the arguments, as alternatives: each a list of conditions that have to hold together.

    Conditions of a rule hold together (AND), unless two are about the same argument: libseccomp refuses those in one
    rule, and profiles were written when each condition became a rule of its own (OR).  Then every condition of the
    rule stands alone, those about other arguments too, as in runc.
    """
    arguments = rule.get("args") or ()
    conditions = [
        scmp.Arg(part["index"], names.OPERATORS[part["op"]], part["value"], part.get("valueTwo") or 0)
        for part in arguments
    ]
    if len({part["index"] for part in arguments}) < len(arguments):
        return [[condition] for condition in conditions]
    return [conditions]


def _why_refused(action: str, name: str, errno: int) -> str:
    reason = {
        EINVAL: f"{action} is not available on this kernel and libseccomp {library.version()}",
        EACCES: "the rule does what the default action does",
        EEXIST: "another rule for it, under the same conditions, has another action",
        EDOM: "not possible on one of the architectures",
    }.get(errno, describe_errno(errno))
    return f"rule for {name} refused: {reason}"


def _optimize(scmp: "Any", program: "Any") -> None:
    try:
        program.set_attr(scmp.Attr.CTL_OPTIMIZE, _OPTIMIZE_TREE)
    except OSError as problem:
        log.debug(f"libseccomp before 2.5 has no binary tree: {describe_errno(problem.errno or 0)}")


def _stub(scmp: "Any", seccomp: "dict[str, Any]", architectures: "list[int]") -> bytes:
    """The ENOSYS stub, unless the profile lets unknown syscalls through or returns ENOSYS for them by itself."""
    if seccomp["defaultAction"] in _PERMISSIVE or seccomp.get("defaultErrnoRet") == ENOSYS:
        return b""
    listed = {name for rule in seccomp.get("syscalls") or () for name in rule["names"] if name.isascii()}
    highest = {}
    for token in architectures:
        # Negative: libseccomp's own number for a syscall the architecture doesn't have.
        number = max((scmp.resolve_syscall(token, name) for name in listed if name.isprintable()), default=-1)
        if number >= 0:
            highest[token] = number
    return enosys_stub(highest)


def _export(program: "Any") -> bytes:
    """The bytes of the program; libseccomp writes them to a file descriptor only."""
    from posix import memfd_create

    with open(memfd_create("seccomp"), "r+b", buffering=0) as file:
        program.export_bpf(file)
        file.seek(0)
        return file.read()
