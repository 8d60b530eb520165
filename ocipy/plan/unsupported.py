"""What config.json may ask for and ocipy can't do yet: refused, never ignored."""

from ocipy.errors import StepError
from ocipy.pointers import dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LINUX = ("netDevices",)


def refuse_unsupported(config: "dict[str, Any]") -> None:
    """Raises StepError for the first such property."""
    for name in _LINUX:
        if config["linux"].get(name):
            raise _error(f"/linux/{name}")


def _error(pointer: str) -> StepError:
    return StepError(dotted(pointer), "not supported yet", 0, "drop it from config.json", -1, pointer)
