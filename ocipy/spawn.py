"""Running a plan: RUNTIME steps here, in order; INIT steps in ocipy-init, which waits at the barriers between them."""

import _socket
import posix
from _struct import unpack_from

from ocipy import log
from ocipy.cloning import Request, clone
from ocipy.errors import OcipyError, StepError, SyscallError
from ocipy.plan.encode import barriers, encode
from ocipy.plan.ops import INIT, Plan, SetupOp
from ocipy.runtime_steps import ACTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ocipy.net_devices import Move

GO = b"G"
_PACKET = 4096


class Spawn:
    """One run of a plan.

    ``request`` is what the process gets beside it; ``state`` what hooks read, ``on_created`` is called, with the pid,
    when all of the create phase is done and init waits (exec has no such phase).
    """

    def __init__(
        self,
        plan: Plan,
        root: str,
        state: "dict[str, Any]",
        request: Request,
        on_created: "Callable[[int], None] | None" = None,
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
        self.affinity: set[int] = set()  # our own, as it was before an exec (not empty: to be put back)
        self._request = request
        self._sync = -1
        self._at_barrier = False
        self._barriers = barriers(plan)
        self._between = -1  # a pidfd of the go-between
        self._adopted = False

    def run(self, fault: "tuple[int, int] | None" = None) -> int:
        """Do all steps up to "created", or of an exec up to the program's execve; the value is the process's pid.

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
        if index in self._barriers:
            self._receive_until(b"B")
            self._at_barrier = True
        try:
            if fault:
                _inject(fault, index)
            if op.name == "spawn":
                self._spawn(index, op, fault)
            elif op.name in ("id-map", "systemd-attach"):
                ACTIONS[op.name](self, op)
                self._send_go()
            else:
                ACTIONS[op.name](self, op)
        except StepError:
            raise
        except (OSError, SyscallError) as problem:
            raise _step_error(op, index, problem) from problem

    def _spawn(self, index: int, op: SetupOp, fault: "tuple[int, int] | None") -> None:
        plan = encode(self.plan, fault)
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        self._sync = ours.detach()
        self._request.sync, self._request.runtime = theirs.detach(), self._sync
        self.pid = clone(op, index, plan, self._request)
        self.spawned = True
        if op.values["fork_again"]:
            self._adopt(self.pid)
            if not op.values["wait_maps"]:
                self._send_go()

    def _adopt(self, go_between: int) -> None:
        """The go-between of a second clone ends once it has told the pid of the process it left us, which waits."""
        from ocipy.init_process import open_pidfd

        self._between = open_pidfd(go_between)
        self.pid = self._receive_until(b"P")  # until then it is the go-between that is to be killed, or is gone
        self._adopted = True
        from ocipy import patience

        patience.wait(self._between, -1, self._request.signals)
        posix.waitpid(go_between, 0)

    def _receive_until(self, wanted: bytes) -> int:
        """Take messages until one of the wanted type; its number.  Raises StepError when init failed or is gone."""
        while packet := self._receive():
            if packet[:1] == wanted:
                (number,) = unpack_from("<I", packet, 1)
                return int(number)
            self._take(packet)
        raise self._gone()

    def _take(self, packet: bytes) -> None:
        """Act upon a message that may come at any time.  Raises StepError."""
        kind = packet[:1]
        number, error = unpack_from("<II", packet, 1)
        text = packet[9:].decode("utf-8", "surrogateescape")
        if kind == b"W":
            from ocipy.failures import step_warning

            log.warning(step_warning(self.plan.ops[number], int(error), text))
        elif kind == b"L":
            from ocipy.failures import hook_output

            log.debug(hook_output(self.plan.ops[number], text))
        elif kind == b"A" and self.pid:
            from ocipy.seccomp import agent

            agent.answer(self._sync, self.plan.ops[number], number, self.pid, {"pid": self.pid} | self.state)
        elif kind == b"E":
            raise _step_error(self.plan.ops[number], int(number), OSError(int(error), text))
        elif kind == b"T" and self.pid:
            from ocipy import mapped_trees

            mapped_trees.answer(self._sync, self.plan.ops[number], number, self.pid)

    def _receive(self) -> bytes:
        if self._between >= 0 or self._request.signals >= 0:
            from ocipy import patience

            # The process that a go-between left would keep the socket open, and wait, though nobody has told of it.
            end = -1 if self._adopted else self._between
            if not patience.wait(self._sync, end, self._request.signals):
                return b""
        try:
            return posix.read(self._sync, _PACKET)
        except ConnectionResetError:
            return b""

    def _gone(self) -> OcipyError:
        status = posix.waitstatus_to_exitcode(posix.waitpid(self.pid, 0)[1]) if self.pid else 0
        self.pid = 0
        ended = f"was killed by signal {-status}" if status < 0 else f"exited with status {status}"
        hint = "is linux.resources.memory.limit large enough?" if status == -9 else ""
        return StepError("container init" if self.on_created else "exec", f"the process {ended} during setup", 0, hint)

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
        """Init closes its end once it no longer dies with us (until then, we must not end), or is the program."""
        while packet := self._receive():
            self._take(packet)

    def _close(self) -> None:
        for fd in self.trees:
            posix.close(fd)
        for move in self.moves:
            move.close()
        if self.affinity:
            posix.sched_setaffinity(0, self.affinity)
        for fd in (self._sync, self._between):
            if fd >= 0:
                posix.close(fd)
        self._sync = self._between = -1

    def _take_back(self) -> None:
        """What the end of the process wouldn't: the last first."""
        for move in reversed(self.moves):
            try:
                move.undo()
            except OSError as problem:
                log.warning(f"while undoing the failed create: {problem.strerror}")

    def _kill(self) -> None:
        if self.pid > 0:
            from ocipy import patience

            patience.end(self.pid)  # our own child, not reaped yet: the pid can't be another's
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
