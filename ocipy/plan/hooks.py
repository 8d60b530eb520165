"""Hooks as steps (config.md, POSIX-platform Hooks): the runtime's are run by it, the container's by init."""

from ocipy.plan.ops import SetupOp
from ocipy.spec.jsontext import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

LONGEST_TIMEOUT = 10**6  # seconds: poll(2) counts milliseconds in an int


def runtime_hooks(hooks: "dict[str, Any]", kind: str) -> "Iterator[SetupOp]":
    """Steps for hooks that run in the runtime's namespaces: prestart, createRuntime."""
    for number, hook in enumerate(hooks[kind]):
        yield SetupOp(
            "run-hook",
            f"/hooks/{kind}/{number}",
            hook=kind,
            number=number,
            path=hook["path"],
            args=hook["args"],
            env=hook["env"],
            timeout=min(hook.get("timeout", 0), LONGEST_TIMEOUT),
        )


def container_hooks(hooks: "dict[str, Any]", kind: str, state: "dict[str, Any]") -> "Iterator[SetupOp]":
    """Steps for hooks that run in the container's namespaces: createContainer, startContainer.

    ``state`` is what they read on stdin; init fills in the pid, as the container sees it.
    """
    before, after = split_state(state)
    for number, hook in enumerate(hooks[kind]):
        yield SetupOp(
            "hook",
            f"/hooks/{kind}/{number}",
            path=hook["path"],
            args=hook["args"],
            env=_environment(hook["env"]),
            timeout=min(hook.get("timeout", 0), LONGEST_TIMEOUT),
            before_pid=before,
            after_pid=after,
        )


def _environment(variables: "list[str]") -> "list[str]":
    """Each variable once, the last of a name: what the runtime's own hooks get, for they are given a mapping."""
    return list({entry.partition("=")[0]: entry for entry in variables}.values())


def split_state(state: "dict[str, Any]") -> "tuple[str, str]":
    """The state as JSON, in two halves: the pid goes between them."""
    return dumps(state)[:-1] + ',"pid":', "}"
