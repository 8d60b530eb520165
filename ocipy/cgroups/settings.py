"""What the translations of v1 and v2 have in common: the setting, and how a missing controller is said."""

from ocipy.errors import StepError
from ocipy.pointers import dotted


class Setting:
    """Write ``value`` to ``path`` because ``pointer`` of config.json asks for it."""

    __slots__ = ("path", "pointer", "value")

    def __init__(self, pointer: str, path: str, value: str) -> None:
        self.pointer = pointer
        self.path = path
        self.value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Setting):
            return NotImplemented
        return (self.pointer, self.path, self.value) == (other.pointer, other.path, other.value)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Setting({self.pointer!r}, {self.path!r}, {self.value!r})"


def no_controller(pointer: str, controller: str, hint: str) -> StepError:
    """The error for a limit whose controller the host doesn't have."""
    return StepError(
        dotted(pointer), f"the {controller} controller is not available on this host", 0, hint, -1, pointer
    )
