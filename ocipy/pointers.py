"""JSON pointers (RFC 6901) and the dotted form people read."""


def dotted(pointer: str) -> str:
    """``/linux/resources/memory`` → ``linux.resources.memory``, ``/mounts/3`` → ``mounts[3]``."""
    text = ""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        text += f"[{name}]" if name.isdigit() and text else f"{'.' if text else ''}{name}"
    return text


def escape(name: str) -> str:
    """A member's name as it stands in a pointer."""
    return name.replace("~", "~0").replace("/", "~1")
