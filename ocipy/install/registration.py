"""Installing and uninstalling: first every file's new text is worked out, then all are written, or none."""

import difflib
import os
from dataclasses import dataclass, field

from ocipy.errors import OcipyError, SyscallError
from ocipy.install import own_command, writing
from ocipy.install.apparmor import AppArmor
from ocipy.install.containerd import Containerd
from ocipy.install.crio import Crio
from ocipy.install.docker import Docker
from ocipy.install.engine import ChangedError, Engine, Request
from ocipy.install.places import Places
from ocipy.install.podman import Podman
from ocipy.install.record import FileRecord, Record, digest
from ocipy.install.runtimeclass import RuntimeClass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ENGINES: "dict[str, Engine]" = {
    engine.name: engine for engine in (Podman(), Docker(), Containerd(), Crio(), AppArmor(), RuntimeClass())
}


@dataclass(frozen=True)
class Change:
    """A file's text before and after; None: no file."""

    engine: Engine
    path: str
    before: "str | None"
    after: "str | None"

    def diff(self) -> "Iterator[str]":
        """The change as a unified diff, line by line."""
        old, new = (self.path if text is not None else "/dev/null" for text in (self.before, self.after))
        before, after = ((text or "").splitlines(keepends=True) for text in (self.before, self.after))
        for line in difflib.unified_diff(before, after, old, new):
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


@dataclass
class Outcome:
    """``changes`` of files; ``unchanged``: paths that are as wanted; ``kept``: what couldn't be taken out, and why;
    ``notes`` for the user; ``engines``: those concerned."""

    record: Record
    changes: "list[Change]" = field(default_factory=list)
    unchanged: "list[str]" = field(default_factory=list)
    kept: "list[str]" = field(default_factory=list)
    notes: "list[str]" = field(default_factory=list)


def plan_install(request: Request, engines: "Sequence[Engine]") -> Outcome:
    """What installing would do; nothing is written.  Raises OcipyError."""
    outcome = Outcome(Record.load(request.places.record))
    if request.places.system and not request.places.destdir:
        outcome.notes += own_command.writers(request.command)
    for engine in engines:
        path = _real(engine.path(request), request.places)
        before = writing.read(path)
        known = outcome.record.find(path)
        added = engine.add(before, request, path, known.entries.get(request.name) if known else None)
        outcome.notes += added.notes
        if added.text == before:
            outcome.unchanged.append(path)
            continue
        if known is None:
            known = FileRecord(path, engine.name, before)
            outcome.record.files.append(known)
        elif before is None or digest(before) != known.written:
            _rebase(known, engine, before)
        known.written = digest(added.text)
        known.entries[request.name] = added.undo
        outcome.changes.append(Change(engine, path, before, added.text))
    return outcome


def _rebase(known: FileRecord, engine: Engine, text: "str | None") -> None:
    """The user has edited the file since: what it is without our entries is what there is to go back to."""
    if text is None:
        known.original, known.entries = None, {}
        return
    for name, undo in [*known.entries.items()]:
        try:
            text = engine.take_out(text, name, undo)
        except ChangedError:
            del known.entries[name]  # it is the user's now
    made = known.original is None and (not text or any(engine.is_empty(text, undo) for undo in known.entries.values()))
    known.original = None if made else text


def plan_uninstall(places: Places, engines: "Sequence[str]", name: str) -> Outcome:
    """What uninstalling would do: of these engines (none: of all), under this name ("": every name)."""
    outcome = Outcome(Record.load(places.record))
    for known in reversed([*outcome.record.files]):
        names = [each for each in known.entries if name in ("", each)]
        if (not engines or known.engine in engines) and names:
            _plan_removal(outcome, known, names)
    return outcome


def _plan_removal(outcome: Outcome, known: FileRecord, names: "list[str]") -> None:
    engine = ENGINES[known.engine]
    before = writing.read(known.path)
    after: str | None = before
    exact = before is not None and digest(before) == known.written
    undone = {}
    if before is None or before == known.original:  # removed since, or never written
        undone = {each: known.entries.pop(each) for each in names}
    elif exact and len(names) == len(known.entries):
        undone, known.entries, after = known.entries, {}, known.original
    else:
        for each in reversed(names):
            try:
                after = engine.take_out(after or "", each, known.entries[each])
                undone[each] = known.entries.pop(each)
            except OcipyError as problem:
                outcome.kept.append(f"{known.path}: {str(problem).removeprefix(': ')}")
        if undone and known.original is None and not known.entries:
            after = None if any(engine.is_empty(after or "", undo) for undo in undone.values()) else after
        if exact and after is not None:
            known.written = digest(after)
    if not known.entries:
        outcome.record.files.remove(known)
    if after != before:
        outcome.changes.append(Change(engine, known.path, before, after))
    elif undone:
        outcome.unchanged.append(known.path)


def carry_out(outcome: Outcome, places: Places, *, installing: bool) -> None:
    """Write what was planned, all of it or nothing.  Raises OcipyError."""
    record = outcome.record
    former = writing.read(record.path)
    done: list[Change] = []
    made: list[str] = []
    subject = record.path
    try:
        if installing and outcome.changes:
            for directory in [
                os.path.dirname(path) for path in (*(each.path for each in outcome.changes), record.path)
            ]:
                subject = directory
                made += writing.make_directories(directory)
            record.directories += made
            # Before the files, so that what is interrupted here can be uninstalled; when uninstalling, after them.
            subject = record.path
            record.save()
        for change in outcome.changes:
            subject = change.path
            done.append(change)
            _write(change, change.after, places)
        if not installing:
            subject = record.path
            record.drop_directories()
            record.save()
            record.drop_directories()
    except BaseException as problem:
        for change in reversed(done):
            _write(change, change.before, places)
        _restore(record.path, former)
        for directory in reversed(made):
            writing.remove_directory(directory)
        if isinstance(problem, OSError):
            raise SyscallError("write", problem.errno or 0, subject, "nothing was changed") from problem
        raise
    for change in outcome.changes:
        if change.after is not None:
            outcome.notes += change.engine.activate(change.path, places)


def _write(change: Change, text: "str | None", places: Places) -> None:
    if text is None:
        change.engine.deactivate(change.path, places)
    _restore(change.path, text)


def _restore(path: str, text: "str | None") -> None:
    if text is None:
        writing.remove(path)
    elif writing.read(path) != text:
        writing.write(path, text)


def _real(path: str, places: Places) -> str:
    """The file itself, where a link leads to it.  Raises OcipyError if it leads out of ``destdir``."""
    real = os.path.realpath(path)
    destdir = places.destdir
    if destdir and _below(path, destdir) and not _below(real, os.path.realpath(destdir)):
        raise OcipyError(f"{path} is a link that leads out of {destdir}")
    return real


def _below(path: str, directory: str) -> bool:
    return f"{path}/".startswith(f"{directory.rstrip('/')}/")
