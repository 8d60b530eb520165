"""config-linux.md: seccomp's notifications, and the state that goes with them."""

import array
import contextlib
import fcntl
import json
import os
import select
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conformance import host
from conformance.cases import sentence
from conformance.harness import DEADLINE, Runtime, case, check, need
from conformance.linux_seccomp import AGAIN, SECTION, refused, rule

STATE = "config-linux.md#the-container-process-state"
PATH, METADATA = "linux.seccomp.listenerPath", "linux.seccomp.listenerMetadata"
# include/uapi/linux/seccomp.h: the numbers of SECCOMP_IOCTL_NOTIF_RECV and _SEND, and the sizes of what they take.
RECEIVE, SEND = 0xC0502100, 0xC0182101
NOTIFICATION, RESPONSE = 80, "QqiI"
ERRNO = 11
PATIENCE = 2.0  # seconds that the runtime gets to close the connection


class Agent:
    """What listens on ``listenerPath``: takes one connection, and answers notifications with an errno."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.payload = b""
        self.packets: list[tuple[int, int]] = []  # of each read: bytes, and descriptors
        self.descriptors: list[int] = []
        self.connections = 0
        self.closed = False
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self._server.settimeout(DEADLINE)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def start(self) -> None:
        self._thread.start()

    def _work(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._server.accept()
            self.connections += 1
            with connection:
                connection.settimeout(PATIENCE)
                with contextlib.suppress(TimeoutError):
                    self._read(connection)
                    self.closed = True
            if self.descriptors:
                self._answer(self.descriptors[0])

    def _answer(self, listener: int) -> None:
        """Let every such call fail, until no process is left that could make one."""
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        while not self._ended.is_set():
            events = [event for _, event in poll.poll(50)]
            if any(event & select.POLLHUP for event in events):
                return
            if events:
                answer(listener)

    def _read(self, connection: socket.socket) -> None:
        """Read to the end: the runtime closes the connection."""
        while True:
            data, ancillary, _, _ = connection.recvmsg(1 << 16, socket.CMSG_SPACE(64))
            fds = array.array("i")
            for _, _, content in ancillary:
                fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
            self.descriptors += fds
            if not data:
                return
            self.packets.append((len(data), len(fds)))
            self.payload += data

    def document(self) -> dict[str, Any]:
        check(self.payload, "nothing was sent")
        state: dict[str, Any] = json.loads(self.payload)
        return state

    def close(self) -> None:
        self._ended.set()
        self._thread.join(DEADLINE)
        with contextlib.suppress(OSError):
            self._server.settimeout(0.05)
            self._server.accept()[0].close()
            self.connections += 1
        self._server.close()
        for descriptor in self.descriptors:
            os.close(descriptor)


def answer(listener: int) -> None:
    """Let the call that comes first fail."""
    notification = bytearray(NOTIFICATION)
    fcntl.ioctl(listener, RECEIVE, notification)
    (identifier,) = struct.unpack_from("Q", notification)
    fcntl.ioctl(listener, SEND, struct.pack(RESPONSE, identifier, 0, -ERRNO, 0))


@contextlib.contextmanager
def notified(runtime: Runtime, script: str = "kill -18 $$ && echo sent", **members: Any) -> Iterator[Agent]:
    """Run a container whose kill(2) is decided by an agent; at the end the agent has all that was sent."""
    need(host.kernel(5, 0), "this kernel has no seccomp notifications")
    agent = Agent(runtime.directory / "agent.sock")
    runtime.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": str(agent.path),
        "syscalls": [rule("SCMP_ACT_NOTIFY")],
        **members,
    }
    runtime.bundle.shell(f"({script}) >/said 2>&1; true")
    agent.start()
    try:
        runtime.start()
        runtime.until("stopped")
    finally:
        agent.close()
    yield agent


@case(SECTION, "MUST", "SCMP_ACT_NOTIFY lets the agent decide", f"{PATH}", "linux.seccomp.syscalls[].action",
      since="1.1.0")  # fmt: skip
def seccomp_notify(runtime: Runtime) -> None:
    with notified(runtime):
        said = (runtime.rootfs / "said").read_text()
        check(AGAIN in said.lower(), f"the program said {said!r}")


@case(SECTION, "MUST", "exactly one state is sent, and the connection is closed", PATH, since="1.1.0")
def seccomp_listener_once(runtime: Runtime) -> None:
    with notified(runtime) as agent:
        agent.document()
        check(agent.connections == 1, f"there were {agent.connections} connections")
        check(agent.closed, "the connection wasn't closed")


@case(SECTION, "MUST", "seccompFd is sent", PATH, since="1.1.0")
def seccomp_listener_descriptor(runtime: Runtime) -> None:
    with notified(runtime) as agent:
        check(agent.document().get("fds") == ["seccompFd"], f"the names are {agent.document().get('fds')}")
        check(len(agent.descriptors) == 1, f"{len(agent.descriptors)} descriptors were sent")


@case(SECTION, "MUST", "an agent that isn't there is an error", PATH, since="1.1.0")
def seccomp_listener_absent(runtime: Runtime) -> None:
    runtime.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": str(runtime.directory / "nobody.sock"),
        "syscalls": [rule("SCMP_ACT_NOTIFY")],
    }
    runtime.bundle.write()
    done = runtime("create", "--bundle", str(runtime.bundle.path), runtime.container_id)
    if done.returncode == 0:  # some send it only then
        runtime.fails("start", runtime.container_id)


@case(SECTION, "MUST", "without SCMP_ACT_NOTIFY, listenerPath is ignored", PATH, since="1.1.0")
def seccomp_listener_unused(runtime: Runtime) -> None:
    runtime.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": str(runtime.directory / "nobody.sock"),
        "syscalls": [rule("SCMP_ACT_ERRNO")],
    }
    check(runtime.prints("echo alive") == "alive\n", "the program didn't run")


@case(SECTION, "MUST", "SCMP_ACT_NOTIFY without listenerPath is an error", PATH, since="1.1.0")
def seccomp_listener_missing(runtime: Runtime) -> None:
    refused(runtime, rule("SCMP_ACT_NOTIFY"))


@case(SECTION, "MUST", "listenerMetadata is sent as metadata", METADATA, since="1.1.0")
def seccomp_listener_metadata(runtime: Runtime) -> None:
    text = "MKNOD=/dev/null,/dev/net/tun; \u00e4"
    with notified(runtime, listenerMetadata=text) as agent:
        check(agent.document().get("metadata") == text, f"metadata is {agent.document().get('metadata')!r}")


@case(SECTION, "MUST NOT", "listenerMetadata without listenerPath is an error", METADATA, since="1.1.0")
def seccomp_metadata_alone(runtime: Runtime) -> None:
    refused(runtime, rule("SCMP_ACT_ERRNO"), listenerMetadata="for nobody")


@case(STATE, "MUST", "descriptors go with the first message only", PATH, since="1.1.0")
def process_state_descriptors(runtime: Runtime) -> None:
    with notified(runtime) as agent:
        counts = [count for _, count in agent.packets]
        check(counts and counts[0] == 1 and not any(counts[1:]), f"the messages had {counts} descriptors")


@case(STATE, "MUST", "the state has ociVersion, pid, and the container's state", PATH, since="1.1.0")
def process_state_members(runtime: Runtime) -> None:
    runtime.config["annotations"] = {"org.example.key": "value"}
    with notified(runtime) as agent:
        document = agent.document()
        check(isinstance(document.get("ociVersion"), str), f"ociVersion is {document.get('ociVersion')!r}")
        check(isinstance(document.get("pid"), int) and document["pid"] > 1, f"pid is {document.get('pid')!r}")
        state = document["state"]
        check(state["id"] == runtime.container_id, f"the id is {state['id']!r}")
        check(state["pid"] == document["pid"], f"the pids are {state['pid']} and {document['pid']}")
        check(state["bundle"] == str(runtime.bundle.path), f"the bundle is {state['bundle']!r}")
        check(state["status"] == "creating", f"the status is {state['status']!r}")
        check(state["annotations"] == {"org.example.key": "value"}, f"the annotations are {state['annotations']}")
        check("metadata" not in document or document["metadata"] == "", f"metadata is {document.get('metadata')!r}")


sentence(SECTION, "MUST", "the agent's socket is a stream socket", "seccomp_notify")
sentence(SECTION, "MUST", "one state is sent by a connection", "seccomp_listener_once")
sentence(SECTION, "MUST", "the connection isn't reused, but closed", "seccomp_listener_once")
sentence(SECTION, "MUST", "a failure to send is an error", "seccomp_listener_absent", "seccomp_listener_missing")
sentence(SECTION, "MUST", "without SCMP_ACT_NOTIFY the path is ignored", "seccomp_listener_unused")
sentence(SECTION, "MUST", "seccompFd is required", "seccomp_listener_descriptor")
sentence(SECTION, "MUST", "metadata is listenerMetadata", "seccomp_listener_metadata")
sentence(SECTION, "MUST NOT", "listenerMetadata is set without listenerPath", "seccomp_metadata_alone")
sentence(STATE, "MUST", "the state is sent as JSON, descriptors by SCM_RIGHTS", "seccomp_listener_descriptor")
sentence(STATE, "MUST", "descriptors are in the first message", "process_state_descriptors")
sentence(STATE, "MUST", "ociVersion, pid and state are required", "process_state_members")
