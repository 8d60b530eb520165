"""Durations as Go writes them, which runc's options take: ``5s``, ``500ms``, ``1m30s``, ``1.5h``."""

from ocipy.errors import UsageError

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str, option: str) -> float:
    """The seconds that ``text`` is (time.ParseDuration of Go), above 0.  Raises UsageError, which names the option."""
    rest, total = text, 0.0
    while rest:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(digits) :]
        unit = rest[: len(rest) - len(rest.lstrip("nuµμmsh"))]
        rest = rest[len(unit) :]
        if unit not in _SECONDS or digits.count(".") > 1 or not digits.strip("."):
            raise UsageError(f"option --{option} is a duration such as 5s or 500ms, not {text!r}")
        total += float(digits) * _SECONDS[unit]
    if not total > 0:
        raise UsageError(f"option --{option}: the interval must be greater than 0, not {text!r}")
    return total
