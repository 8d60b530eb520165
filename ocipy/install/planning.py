"""What installing and uninstalling would do: every file's new text is worked out before one is written."""

import os
from dataclasses import replace

from ocipy.errors import OcipyError
from ocipy.install import own_command, writing
from ocipy.install.changes import Change, Outcome
from ocipy.install.engine import Engine, Request
from ocipy.install.engines import ENGINES
from ocipy.install.places import Places
from ocipy.install.record import Entry, FileRecord, Record, digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def plan_install(request: Request, engines: "Sequence[Engine]") -> Outcome:
    """What installing would do.  Raises OcipyError."""
    outcome = Outcome(Record.load(request.places.record))
    if request.places.system and not request.places.destdir:
        outcome.notes += own_command.writers(request.command)
    for engine in engines:
        path = _real(engine.path(request), request.places)
        _plan_entry(outcome, engine, path, request)
    return outcome


def _plan_entry(outcome: Outcome, engine: Engine, path: str, request: Request) -> None:
    before = writing.read(path)
    known = outcome.record.find(path) or FileRecord(path, engine.name, before)
    mine = known.entries.get(request.name)
    steals = request.default and any(entry.default for name, entry in known.entries.items() if name != request.name)
    if not steals:
        added = engine.add(before, request, path, mine.undo if mine and before is not None else None)
        if added.text == before:
            outcome.unchanged.append(path)
            outcome.notes += added.notes
            return
    if known.entries and (before is None or digest(before) != known.written):
        known.original, stuck = _without(known, engine, before)
        known.entries = {name: entry for name, entry in known.entries.items() if name not in stuck}  # the user's now
    if steals:
        # One is the default: the others are made anew, or what one of them replaced would come back with it.
        others = {name: replace(entry, default=False) for name, entry in known.entries.items() if name != request.name}
        text, known.entries = _with_entries(engine, path, known.original, others, request.places)
        added = engine.add(text, request, path, None)
    known.entries[request.name] = Entry(request.command, request.default, request.systemd_cgroup, added.undo)
    known.written = digest(added.text)
    if outcome.record.find(path) is None:
        outcome.record.files.append(known)
    outcome.changes.append(Change(engine, path, before, added.text))
    outcome.notes += added.notes


def plan_uninstall(places: Places, engines: "Sequence[str]", name: str) -> Outcome:
    """What uninstalling would do: of these engines (none: of all), under this name ("": every name)."""
    outcome = Outcome(Record.load(places.record))
    for known in reversed([*outcome.record.files]):
        names = [each for each in known.entries if name in ("", each)]
        if (not engines or known.engine in engines) and names:
            _plan_removal(outcome, known, names, places)
    return outcome


def _plan_removal(outcome: Outcome, known: FileRecord, names: "list[str]", places: Places) -> None:
    engine = ENGINES[known.engine]
    before = writing.read(known.path)
    if before is None or before == known.original:  # removed since, or never written
        outcome.record.files.remove(known)
        outcome.unchanged.append(known.path)
        return
    original = known.original
    stuck: dict[str, str] = {}
    if digest(before) != known.written:
        original, stuck = _without(known, engine, before)
    outcome.kept += [f"{known.path}: {stuck[name]}" for name in names if name in stuck]
    if all(name in stuck for name in names):
        return
    others = {name: entry for name, entry in known.entries.items() if not (name in names or name in stuck)}
    after, others = _with_entries(engine, known.path, original, others, places)
    known.entries = {**others, **{name: known.entries[name] for name in stuck}}
    if not known.entries:
        outcome.record.files.remove(known)
    elif not stuck:
        known.original, known.written = original, digest(after or "")
    outcome.changes.append(Change(engine, known.path, before, after))


def _without(known: FileRecord, engine: Engine, text: "str | None") -> "tuple[str | None, dict[str, str]]":
    """A text that the user has edited without our entries, and which of them can't be taken out, with the reason."""
    stuck: dict[str, str] = {}
    if text is None:
        return None, dict.fromkeys(known.entries, "the file is gone")
    for name, entry in reversed([*known.entries.items()]):
        try:
            text = engine.take_out(text, name, entry.undo)
        except OcipyError as problem:
            stuck[name] = str(problem).removeprefix(": ")
    made = known.original is None and not stuck and engine.is_empty(text)
    return None if made else text, stuck


def _with_entries(
    engine: Engine, path: str, text: "str | None", entries: "dict[str, Entry]", places: Places
) -> "tuple[str | None, dict[str, Entry]]":
    """A text that has none of these entries with all of them, and the entries as they are in that one."""
    made = {}
    for name, entry in entries.items():
        added = engine.add(text, Request(name, entry.command, places, entry.default, entry.systemd_cgroup), path, None)
        text = added.text
        made[name] = replace(entry, undo=added.undo)
    return text, made


def _real(path: str, places: Places) -> str:
    """The file itself, where a link leads to it.  Raises OcipyError if it leads out of ``destdir``."""
    real = os.path.realpath(path)
    destdir = places.destdir
    if destdir and _below(path, destdir) and not _below(real, os.path.realpath(destdir)):
        raise OcipyError(f"{path} is a link that leads out of {destdir}")
    return real


def _below(path: str, directory: str) -> bool:
    return f"{path}/".startswith(f"{directory.rstrip('/')}/")
