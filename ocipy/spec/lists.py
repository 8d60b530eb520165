"""Lists of CPUs and of memory nodes as the spec writes them, ``0-3,7`` (cpuset(7), List format)."""

MOST_CPUS = 8192  # CONFIG_NR_CPUS of the largest kernels
MOST_NODES = 1024  # 1 << CONFIG_NODES_SHIFT


def list_fault(text: str, limit: int) -> str:
    """What is wrong with a list of numbers below ``limit``, in words; "" if nothing is.  An empty list is right."""
    for part in text.split(","):
        ends = [end.strip() for end in part.split("-")]
        if ends == [""]:
            continue
        if len(ends) > 2 or not all(end.isascii() and end.isdigit() for end in ends):
            return f"expected a list such as 0-3,7, got {text!r}"
        if len(ends[-1]) > 9 or int(ends[-1]) >= limit:
            return f"{ends[-1]} is above {limit - 1}, the most there can be"
        if int(ends[-1]) < int(ends[0]):
            return f"the range {part.strip()} goes backwards"
    return ""


def numbers(text: str) -> "list[int]":
    """The numbers of a list that ``list_fault`` has nothing against, in its order."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first:
            found += range(int(first), int(last or first) + 1)
    return found
