"""What the translations of v1 and v2 have in common: the setting, and how it is said that there can't be one."""

from ocipy.errors import StepError
from ocipy.pointers import dotted


class Setting:
    """Write ``value`` to ``path`` because ``pointer`` of config.json asks for it.

    Which files a cgroup has depends on the kernel, its modules and its command line: where this one is missing,
    ``fallback`` (path, value) is written in its place, and without one that is an error unless the setting is
    ``optional``, being what the kernel does anyway.  ``usage`` names a file whose number has to be below the value
    (``memory.checkBeforeUpdate``); of a ``verified`` one the kernel may take the value and forget it.
    """

    __slots__ = ("fallback", "optional", "path", "pointer", "usage", "value", "verified")

    def __init__(
        self,
        pointer: str,
        path: str,
        value: str,
        fallback: "tuple[str, str] | None" = None,
        optional: bool = False,
        usage: str = "",
        verified: bool = False,
    ) -> None:
        self.pointer = pointer
        self.path = path
        self.value = value
        self.fallback = fallback
        self.optional = optional
        self.usage = usage
        self.verified = verified

    def values(self) -> "dict[str, object]":
        """What the writer takes, by name: path and value, and of the rest what is not the rule."""
        found: dict[str, object] = {"path": self.path, "value": self.value}
        rarer = ("fallback", "optional", "usage", "verified")
        found.update((name, getattr(self, name)) for name in rarer if getattr(self, name))
        return found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Setting):
            return NotImplemented
        return (self.pointer, self.values()) == (other.pointer, other.values())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Setting({self.pointer!r}, {self.values()!r})"


def pids_max(limit: int) -> str:
    """``pids.limit`` as pids.max has it.

    Of a cgroup with one process in it, which a container has, 0 asks for the same as 1; and into one that takes none no
    process can be cloned.  So runc does since 1.4.
    """
    return "max" if limit < 0 else str(limit or 1)


class NoControllerError(StepError):
    """A limit whose controller the container has no cgroup with."""


def no_controller(pointer: str, controller: str, hint: str) -> NoControllerError:
    """The error for a limit whose controller the host doesn't have."""
    return NoControllerError(
        dotted(pointer), f"the {controller} controller is not available on this host", 0, hint, -1, pointer
    )


def refusal(pointer: str, reason: str, hint: str = "drop it from config.json") -> StepError:
    """The error for what this host's version of cgroups has nothing to honour by (config-linux.md, Unified)."""
    return StepError(dotted(pointer), reason, 0, hint, -1, pointer)
