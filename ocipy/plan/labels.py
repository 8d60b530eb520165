"""Labels of the security modules: ``process.apparmorProfile`` and ``selinuxLabel``, ``linux.mountLabel``."""

from ocipy.errors import StepError
from ocipy.plan.ops import SetupOp
from ocipy.pointers import dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ocipy.host import HostInfo

_SHOWN = {"apparmor": "AppArmor", "selinux": "SELinux"}

# As runc has it: what shows the kernel itself has labels of the policy's own.
_UNLABELLED = ("proc", "sysfs", "cgroup", "cgroup2", "mqueue")
_CONTEXTS = ("context", "fscontext", "defcontext", "rootcontext")


def need(module: str, pointer: str, host: "HostInfo") -> None:
    """Raises StepError where the host doesn't have the security module (``host.modules``)."""
    if module not in host.modules:
        hint = "drop it from config.json, or start the kernel with it"
        raise StepError(dotted(pointer), f"{_SHOWN[module]} is not enabled on this host", 0, hint, -1, pointer)


def process_labels(process: "dict[str, Any]", host: "HostInfo") -> "Iterator[SetupOp]":
    """What the program is to run as; it takes effect at execve.  Raises StepError (``need``)."""
    if process["apparmorProfile"]:
        need("apparmor", "/process/apparmorProfile", host)
        yield _label("apparmor", "/process/apparmorProfile", "exec", f"exec {process['apparmorProfile']}")
    if process["selinuxLabel"]:
        need("selinux", "/process/selinuxLabel", host)
        yield _label("selinux", "/process/selinuxLabel", "exec", process["selinuxLabel"])


def labelled_keyring(keyring: SetupOp, label: str) -> "Iterator[SetupOp]":
    """The session keyring gets the process's SELinux label, and no key that is made after it."""
    yield _label("selinux", "/process/selinuxLabel", "keycreate", label)
    yield keyring
    yield _label("selinux", "/process/selinuxLabel", "keycreate", "")


def _label(module: str, pointer: str, attribute: str, value: str) -> SetupOp:
    return SetupOp("label", pointer, module=module, attribute=attribute, value=value)


def labelled_mounts(steps: "Iterator[SetupOp]", label: str, host: "HostInfo") -> "Iterator[SetupOp]":
    """The steps of ``mounts``, with the label for every filesystem that takes one.  Raises StepError (``need``).

    A bind mount shows files that have labels.  The quotes are mount(8)'s: a label has commas.
    """
    need("selinux", "/linux/mountLabel", host)
    for step in steps:
        values = step.values
        if step.name != "mount":
            yield step
        elif values["type"] == "mqueue":
            yield step
            yield SetupOp("file-label", "/linux/mountLabel", path=values["destination"], label=label)
        elif values["type"] in _UNLABELLED or any(each.partition("=")[0] in _CONTEXTS for each in values["data"]):
            yield step
        else:
            yield SetupOp("mount", step.pointer, **(values | {"data": [*values["data"], f'context="{label}"']}))
