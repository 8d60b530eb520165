"""Running a plan: RUNTIME steps here, in order; INIT steps in ocipy-init, which waits at the barriers between them."""

import _socket
import errno
import posix
from _struct import unpack_from

from ocipy import files, log
from ocipy.errors import OcipyError, StepError, SyscallError
from ocipy.init_program import sealed_program
from ocipy.plan.encode import WITHIN_SPAWN, encode
from ocipy.plan.namespaces import CLONE_FLAGS
from ocipy.plan.ops import INIT, Plan, SetupOp
from ocipy.runtime_steps import ACTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ocipy.net_devices import Move

GO = b"G"
# clone3(2) is missing or filtered (ENOSYS), or knows no CLONE_INTO_CGROUP (E2BIG; before Linux 5.7).
_NO_CLONE_INTO = (errno.ENOSYS, errno.E2BIG)
_PACKET = 4096


class Spawn:
    """One run of a plan.

    ``listen`` is the bound socket init waits on for ``start``; ``console`` a connected socket that takes the
    terminal's master (-1: none); ``passed_fds`` counts the descriptors after stdio that go on; ``state`` what hooks
    read, ``on_created`` is called, with the pid, when all of the create phase is done and init waits.
    """

    def __init__(
        self,
        plan: Plan,
        root: str,
        state: "dict[str, Any]",
        listen: int,
        console: int,
        passed_fds: int,
        on_created: "Callable[[int], None]",
    ) -> None:
        self.plan = plan
        self.root = root
        self.state = state
        self.on_created = on_created
        self.pid = 0
        self.spawned = False
        self.trees: list[int] = []  # of id-mapped mounts, for init to attach
        self.made_groups: list[str] = []  # of resctrl, that outlive the container, but not a create that fails
        self.moves: list[Move] = []  # of network interfaces, which the end of the process doesn't undo
        self._fds = {"listen": listen, "console": console}
        self._base = 3 + passed_fds
        self._sync = -1
        self._at_barrier = False
        self._needs_barrier = False
        self._early = b""

    def run(self, fault: "tuple[int, int] | None" = None) -> int:
        """Do all steps up to "created"; the value is the container's pid.

        Raises StepError, which names the step; the process, if there is one by then, has been killed and reaped.
        ``fault`` is for tests: (index of a step, errno to fail with).
        """
        try:
            for index, op in enumerate(self.plan.ops):
                if log.LOG.debug_enabled:
                    _log_step(index, op)
                if op.actor == INIT:
                    self._let_go()
                else:
                    self._do(index, op, fault)
            self._wait_released()
        except BaseException:
            self._take_back()
            self._kill()
            raise
        finally:
            self._close()
        return self.pid

    def _do(self, index: int, op: SetupOp, fault: "tuple[int, int] | None") -> None:
        if self._needs_barrier and not self._at_barrier and op.name not in WITHIN_SPAWN:
            self._receive_until(b"B")
            self._at_barrier = True
        try:
            if fault:
                _inject(fault, index)
            if op.name == "spawn":
                self._spawn(index, op, fault)
            elif op.name == "id-map":
                ACTIONS[op.name](self, op)
                self._send_go()
            else:
                ACTIONS[op.name](self, op)
        except StepError:
            raise
        except (OSError, SyscallError) as problem:
            raise _step_error(op, index, problem) from problem

    def _spawn(self, index: int, op: SetupOp, fault: "tuple[int, int] | None") -> None:
        """The new process, from clone to ocipy-init; everything it gets is listed here."""
        from ocipy._shim import ffi, lib

        opened: list[int] = []
        try:
            ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
            self._sync = ours.detach()
            opened.append(theirs.detach())
            opened.append(sealed_program())
            opened.append(files.in_memory("ocipy-plan", encode(self.plan, fault)))
            spawn = ffi.new("struct ocipy_spawn *")
            spawn.flags = sum(CLONE_FLAGS[type_] for type_ in op.values["new"])
            for number, (type_, path) in enumerate(op.values["join"].items()):
                opened.append(posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC))
                spawn.join_fds[number] = opened[-1]
                spawn.join_types[number] = CLONE_FLAGS[type_]
            spawn.join_count = len(op.values["join"])
            for name in ("fork_again", "wait_maps", "become_root"):
                setattr(spawn, name, int(op.values[name]))
            offsets = ffi.new("char[]", op.values["time_offsets"].encode())
            spawn.time_offsets = offsets if op.values["time_offsets"] else ffi.NULL
            alive: list[Any] = []  # a cffi structure doesn't hold what it points to
            self._open_cgroups(spawn, op, opened, alive)
            spawn.sync_fd, spawn.runtime_fd, spawn.program_fd = opened[0], self._sync, opened[1]
            fds = ffi.new("int[]", [opened[0], opened[2], self._fds["listen"], self._fds["console"]])
            spawn.fds, spawn.fd_count = fds, len(fds)
            spawn.fd_base = self._base
            spawn.index = index
            pid = lib.ocipy_spawn(spawn)
            if -pid in _NO_CLONE_INTO and spawn.cgroup_fd >= 0:
                # Then the process moves itself into the unified cgroup as well, by the last of the names.
                spawn.cgroup_fd = -1
                spawn.task_count += 1
                pid = lib.ocipy_spawn(spawn)
        finally:
            for fd in opened:
                posix.close(fd)
        if pid < 0:
            raise OSError(-pid, f"clone3 into {op.values['unified']}" if op.values["unified"] else "clone3")
        self.pid = pid
        self.spawned = True
        if op.values["fork_again"]:
            self._adopt(pid)
        self._needs_barrier = any(each.actor == INIT for each in self.plan.ops)

    @staticmethod
    def _open_cgroups(spawn: "Any", op: SetupOp, opened: "list[int]", alive: "list[Any]") -> None:
        """The cgroups' files, as the spawn takes them."""
        from ocipy._shim import ffi

        spawn.cgroup_fd = -1
        paths = list(op.values["tasks"])
        spawn.task_count = len(paths)
        if op.values["unified"]:
            opened.append(posix.open(op.values["unified"], posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC))
            spawn.cgroup_fd = opened[-1]
            paths.append(f"{op.values['unified']}/cgroup.procs")
        fds = []
        for path in paths:
            fds.append(posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC))
            opened.append(fds[-1])
        alive += [ffi.new("char[]", f"write to {path}".encode("utf-8", "surrogateescape")) for path in paths]
        alive += ffi.new("int[]", fds), ffi.new("char *[]", alive[:])
        spawn.task_fds, spawn.task_paths = alive[-2:]

    def _adopt(self, go_between: int) -> None:
        """The go-between of a second clone ends once it has told the pid of the process it left us."""
        self.pid = 0
        try:
            self.pid = self._receive_until(b"P")
        except StepError:
            # The process may have failed before the go-between told of it: it is ours to reap all the same.
            while packet := self._receive():
                if packet[:1] == b"P":
                    (self.pid,) = unpack_from("<I", packet, 1)
            raise
        finally:
            posix.waitpid(go_between, 0)

    def _receive_until(self, wanted: bytes) -> int:
        """Take messages until one of the wanted type; its number.  Raises StepError when init failed or is gone."""
        packet, self._early = self._early, b""
        while True:
            packet = packet or self._receive()
            if not packet:
                raise self._gone()
            kind = packet[:1]
            number, error = unpack_from("<II", packet, 1)
            text = packet[9:].decode("utf-8", "surrogateescape")
            if kind == wanted:
                return int(number)
            if kind == b"W":
                from ocipy.failures import step_warning

                log.warning(step_warning(self.plan.ops[number], int(error), text))
            elif kind == b"L":
                from ocipy.failures import hook_output

                log.debug(hook_output(self.plan.ops[number], text))
            elif kind == b"A":
                from ocipy.seccomp import agent

                agent.answer(self._sync, self.plan.ops[number], number, self.pid, self.state | {"pid": self.pid})
            elif kind == b"E":
                raise _step_error(self.plan.ops[number], int(number), OSError(int(error), text))
            elif kind == b"T" and self.pid:
                from ocipy import mapped_trees

                mapped_trees.answer(self._sync, self.plan.ops[number], number, self.pid)
            elif kind in (b"B", b"T"):
                self._early = packet  # init may be that far before the go-between tells of its pid
            packet = b""

    def _receive(self) -> bytes:
        try:
            return posix.read(self._sync, _PACKET)
        except ConnectionResetError:
            return b""

    def _gone(self) -> OcipyError:
        status = posix.waitstatus_to_exitcode(posix.waitpid(self.pid, 0)[1]) if self.pid else 0
        self.pid = 0
        ended = f"was killed by signal {-status}" if status < 0 else f"exited with status {status}"
        hint = "is linux.resources.memory.limit large enough?" if status == -9 else ""
        return StepError("container init", f"the process {ended} during setup", 0, hint)

    def _send_go(self) -> None:
        try:
            if self.trees:
                from ocipy import mapped_trees

                mapped_trees.send(self._sync, self.trees)
            else:
                posix.write(self._sync, GO)
        except BrokenPipeError:
            self._receive_until(b"")  # says why it's gone

    def _let_go(self) -> None:
        if self._at_barrier:
            self._at_barrier = False
            self._send_go()

    def _wait_released(self) -> None:
        """Init closes its end once it no longer dies with us: until then, we must not end."""
        while packet := self._receive():
            if packet[:1] == b"E":
                number, error = unpack_from("<II", packet, 1)
                raise _step_error(self.plan.ops[number], number, OSError(error, packet[9:].decode("utf-8", "replace")))

    def _close(self) -> None:
        for fd in self.trees:
            posix.close(fd)
        for move in self.moves:
            move.close()
        if self._sync >= 0:
            posix.close(self._sync)
            self._sync = -1

    def _take_back(self) -> None:
        """What the end of the process wouldn't: the last first."""
        for move in reversed(self.moves):
            try:
                move.undo()
            except OSError as problem:
                log.warning(f"while undoing the failed create: {problem.strerror}")

    def _kill(self) -> None:
        if self.pid > 0:
            posix.kill(self.pid, 9)  # our own child, not reaped yet: the pid can't be another's
            posix.waitpid(self.pid, 0)
            self.pid = 0


def _step_error(op: SetupOp, index: int, problem: "OSError | SyscallError") -> StepError:
    from ocipy.failures import step_error

    return step_error(op, index, problem)


def _log_step(index: int, op: SetupOp) -> None:
    from ocipy.plan.describe import sentence

    log.debug(f"step {index}, {op.actor}: {sentence(op)}")


def _inject(fault: "tuple[int, int]", index: int) -> None:
    if fault[0] == index:
        raise OSError(fault[1], "fault injected by a test")
