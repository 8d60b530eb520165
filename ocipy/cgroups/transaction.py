"""Writing settings all or none: what was there before is put back when one is refused."""

from functools import partial

from ocipy import log
from ocipy.cgroups import manager
from ocipy.errors import OcipyError, SyscallError
from ocipy.files import exists

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ocipy.cgroups.settings import Setting

_EINVAL, _EBUSY = 22, 16
# Of files with a line a device, what takes an entry away, of which the kernel shows no line then.
_NONE = {
    "io.max": "rbps=max wbps=max riops=max wiops=max",
    "io.latency": "target=0",
    "io.weight": "default",
    "io.bfq.weight": "default",
    "blkio.bfq.weight_device": "default",
    "blkio.weight_device": "default",
    "blkio.leaf_weight_device": "default",
}


class Transaction:
    """What has been done so far, and how to undo it."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def write(self, settings: "Iterable[Setting]") -> None:
        """Write them; those that are refused once more after the others, beside whose values they may be right.

        So a limit on memory may rise above the present one on memory and swap, or a quota's period fall, in whatever
        order the kernel asks for.  Raises SyscallError, which names the file and the value.
        """
        pending = list(settings)
        while pending:
            refused: list[tuple[Setting, SyscallError]] = []
            for setting in pending:
                self._keep(setting)
                try:
                    manager.apply(**setting.values())  # type: ignore[arg-type]
                except SyscallError as problem:
                    if problem.errno not in (_EINVAL, _EBUSY):
                        raise
                    refused.append((setting, problem))
            if len(refused) == len(pending):
                raise refused[0][1]
            pending = [setting for setting, _ in refused]

    def do(self, action: "Callable[[], None]", undo: "Callable[[], None]") -> None:
        """Do something else, which ``undo`` undoes, also if it was done by half."""
        self.on_undo(undo)
        action()

    def on_undo(self, undo: "Callable[[], None]") -> None:
        """Note how to undo what has just been done."""
        self._undo.append(undo)

    def undo(self) -> None:
        """Put everything back, the last first; what can't be is said in the log."""
        while self._undo:
            try:
                self._undo.pop()()
            except (OcipyError, OSError) as problem:
                log.warning(f"while undoing the update: {problem}")

    def _keep(self, setting: "Setting") -> None:
        for path, value in ((setting.path, setting.value), *([setting.fallback] if setting.fallback else [])):
            before = _before(path, value)
            if before is not None:
                self._undo.append(partial(manager.write, path, before))


def _before(path: str, value: str) -> "str | None":
    """What to write to get back to what the file says now; None if it can't be read, or says nothing of this entry."""
    if not exists(path):
        return None
    try:
        text = manager.read(path)
        if not text.strip() and exists(f"{path}.effective"):
            # A cpuset of v2 with processes in it can't be emptied again (ENOSPC): it gets what it had from above.
            text = manager.read(f"{path}.effective")
    except OSError:
        return None  # one that is only written to, as devices.allow is
    return earlier(path.rpartition("/")[2], text, value)


def earlier(file: str, text: str, value: str) -> str:
    """As ``_before``, by the file's name and text; ``value`` is what is about to be written.  Pure."""
    if file == "memory.oom_control":
        return text.split("\n")[0].removeprefix("oom_kill_disable ")
    key, separator, _ = value.partition(" ")
    lines = [line for line in text.split("\n") if line]
    if separator and file != "cpu.max":
        return next((line for line in lines if line.startswith(f"{key} ")), f"{key} {_NONE.get(file, '0')}")
    return lines[0] if lines else "\n"
