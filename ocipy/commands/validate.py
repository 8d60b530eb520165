"""``ocipy validate``: every fault of a bundle's config.json, with its place and what was expected."""

from ocipy.options import Option, Parsed, expect

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ocipy.cli import Settings
    from ocipy.errors import Fault

SUMMARY = "list every fault of a bundle's config.json"
USAGE = "ocipy validate [--bundle DIR] [--format text|json]"
OPTIONS = (
    Option("bundle", "the bundle's directory (default: the current one)", "text", "DIR", short="b"),
    Option("format", "text, one fault a line, or json", "text", "FORMAT", short="f"),
)


def run(parsed: Parsed, _settings: "Settings") -> int:
    from ocipy.errors import UsageError
    from ocipy.seccomp.check import check as check_seccomp
    from ocipy.spec.load import config_path
    from ocipy.spec.validate import examine

    expect(parsed.arguments, 0, 0, USAGE)
    form = parsed.text("format") or "text"
    if form not in ("text", "json"):
        raise UsageError(f"--format is text or json, not {form!r}")
    bundle = parsed.text("bundle")
    faults, warnings = examine(
        bundle, lambda config: check_seccomp(config["linux"]["seccomp"]) if "seccomp" in config["linux"] else []
    )
    path = config_path(bundle)
    print(_json(path, faults, warnings) if form == "json" else _text(path, faults, warnings))
    return 1 if faults else 0


def _text(path: str, faults: "list[Fault]", warnings: "list[Fault]") -> str:
    lines = [f"{path}: {fault}" for fault in faults] or [f"{path}: ok"]
    return "\n".join(lines + [f"{path}: warning: {warning}" for warning in warnings])


def _json(path: str, faults: "list[Fault]", warnings: "list[Fault]") -> str:
    from ocipy.spec.jsontext import dumps_pretty

    rows = {name: [_row(fault) for fault in listed] for name, listed in (("faults", faults), ("warnings", warnings))}
    return dumps_pretty({"path": path, "valid": not faults, **rows})


def _row(fault: "Fault") -> "dict[str, object]":
    return {"pointer": fault.pointer, "line": fault.line, "column": fault.column, "message": fault.message}
