"""config-linux.md: the allowed device list."""

from typing import Any

from conformance.cases import sentence
from conformance.harness import Runtime, case, check
from conformance.linux_settings import resources

SECTION = "config-linux.md#allowed-device-list"
DEVICES = "linux.resources.devices"
MAJOR, MINOR = 240, 77  # for local use (devices.txt): no driver has it, so a permitted open ends in ENXIO
NONE = {"allow": False, "access": "rwm"}
ALL = {"allow": True, "access": "rwm"}


def rule(allow: bool, access: str, **members: Any) -> dict[str, Any]:
    return {"allow": allow, "access": access, **members}


def permitted(runtime: Runtime, *rules: dict[str, Any], type_: str = "c", minor: int = MINOR) -> str:
    """What the container may do with a device, out of "rwm"."""
    for names in runtime.config["process"]["capabilities"].values():
        names.append("CAP_MKNOD")
    resources(runtime, devices=list(rules))
    node = {"path": "/dev/extra", "type": type_, "major": MAJOR, "minor": minor, "fileMode": 0o666}
    runtime.config["linux"]["devices"] = [node]
    script = f"""
denied() {{ grep -qi 'not permitted' /tmp/said; }}
sh -c ': </dev/extra' 2>/tmp/said; denied || printf r
sh -c ': >/dev/extra' 2>/tmp/said; denied || printf w
mknod /tmp/made {type_} {MAJOR} {minor} 2>/tmp/said; denied || printf m
"""
    return runtime.prints(script)


@case(SECTION, "MUST", "what is denied can't be used", f"{DEVICES}[].allow")
def rules_deny(runtime: Runtime) -> None:
    found = permitted(runtime, NONE, rule(False, "rwm", type="c", major=MAJOR, minor=MINOR))
    check("r" not in found and "w" not in found, f"it may {found}")


@case(SECTION, "MUST", "what is allowed can be used", f"{DEVICES}[].allow", f"{DEVICES}[].access")
def rules_allow(runtime: Runtime) -> None:
    found = permitted(runtime, NONE, rule(True, "rwm", type="c", major=MAJOR, minor=MINOR))
    check(found == "rwm", f"it may {found}")


@case(SECTION, "MUST", "later rules have precedence: a denial", DEVICES)
def rules_in_order_deny(runtime: Runtime) -> None:
    found = permitted(runtime, ALL, rule(False, "rw", type="c", major=MAJOR, minor=MINOR))
    check("r" not in found and "w" not in found, f"it may {found}")


@case(SECTION, "MUST", "later rules have precedence: what they all say", DEVICES)
def rules_in_order_all(runtime: Runtime) -> None:
    found = permitted(runtime, rule(True, "rw", type="c", major=MAJOR, minor=MINOR), NONE)
    check("r" not in found and "w" not in found, f"it may {found}")


@case(SECTION, "MUST", "later rules have precedence: what was denied", DEVICES)
def rules_in_order_allow(runtime: Runtime) -> None:
    numbers = {"type": "c", "major": MAJOR, "minor": MINOR}
    found = permitted(
        runtime, NONE, rule(True, "rw", **numbers), rule(False, "rw", **numbers), rule(True, "r", **numbers)
    )
    check("r" in found and "w" not in found, f"it may {found}")


@case(SECTION, "MUST", "access r is to read", f"{DEVICES}[].access")
def rules_read(runtime: Runtime) -> None:
    found = permitted(runtime, NONE, rule(True, "r", type="c", major=MAJOR, minor=MINOR))
    check("r" in found and "w" not in found, f"it may {found}")


@case(SECTION, "MUST", "access w is to write", f"{DEVICES}[].access")
def rules_write(runtime: Runtime) -> None:
    found = permitted(runtime, NONE, rule(True, "w", type="c", major=MAJOR, minor=MINOR))
    check("w" in found and "r" not in found, f"it may {found}")


@case(SECTION, "MUST", "access m is to make", f"{DEVICES}[].access")
def rules_make(runtime: Runtime) -> None:
    found = permitted(runtime, NONE, rule(True, "m", type="c", major=MAJOR, minor=MINOR))
    check(found == "m", f"it may {found}")


@case(SECTION, "MUST", "type b is block devices only", f"{DEVICES}[].type")
def rules_block(runtime: Runtime) -> None:
    found = permitted(runtime, NONE, rule(True, "rw", type="b", major=MAJOR, minor=MINOR), type_="b")
    check("r" in found and "w" in found, f"it may {found} a block device")


@case(SECTION, "MUST", "a rule for block devices says nothing of character devices", f"{DEVICES}[].type")
def rules_type_differs(runtime: Runtime) -> None:
    found = permitted(runtime, NONE, rule(True, "rw", type="b", major=MAJOR, minor=MINOR))
    check("r" not in found and "w" not in found, f"it may {found}")


@case(SECTION, "MUST", "type a, or none, is all devices", f"{DEVICES}[].type")
def rules_any_type(runtime: Runtime) -> None:
    found = permitted(runtime, NONE, rule(True, "rwm", type="a"))
    check(found == "rwm", f"with a it may {found}")
    runtime("delete", "--force", runtime.container_id)
    (runtime.rootfs / "tmp/made").unlink()
    found = permitted(runtime, NONE, ALL)
    check(found == "rwm", f"without a type it may {found}")


@case(SECTION, "MUST", "without a minor, all of the major", f"{DEVICES}[].minor")
def rules_any_minor(runtime: Runtime) -> None:
    found = permitted(runtime, NONE, rule(True, "rwm", type="c", major=MAJOR))
    check(found == "rwm", f"it may {found}")


@case(SECTION, "MUST", "without a major, all that have the minor", f"{DEVICES}[].major")
def rules_any_major(runtime: Runtime) -> None:
    found = permitted(runtime, NONE, rule(True, "rwm", type="c", minor=MINOR))
    check(found == "rwm", f"it may {found}")


@case(SECTION, "MUST", "another minor is another device", f"{DEVICES}[].minor")
def rules_other_minor(runtime: Runtime) -> None:
    found = permitted(runtime, NONE, rule(True, "rw", type="c", major=MAJOR, minor=MINOR + 1))
    check("r" not in found and "w" not in found, f"it may {found}")


@case(SECTION, "MUST", "another major is another device", f"{DEVICES}[].major")
def rules_other_major(runtime: Runtime) -> None:
    found = permitted(runtime, NONE, rule(True, "rw", type="c", major=MAJOR + 1, minor=MINOR))
    check("r" not in found and "w" not in found, f"it may {found}")


@case(SECTION, "MUST", "allow is required", f"{DEVICES}[].allow")
def rules_without_allow(runtime: Runtime) -> None:
    resources(runtime, devices=[{"type": "c", "major": MAJOR, "minor": MINOR, "access": "r"}])
    runtime.refused()


@case(SECTION, "MUST", "a type that isn't one is an error", f"{DEVICES}[].type")
def rules_type_unknown(runtime: Runtime) -> None:
    resources(runtime, devices=[rule(True, "r", type="x", major=MAJOR, minor=MINOR)])
    runtime.refused()


@case(SECTION, "MUST", "an access that isn't one is an error", f"{DEVICES}[].access")
def rules_access_unknown(runtime: Runtime) -> None:
    resources(runtime, devices=[rule(True, "rx", type="c", major=MAJOR, minor=MINOR)])
    runtime.refused()


orders = ("rules_in_order_deny", "rules_in_order_allow", "rules_in_order_all")
sentence(SECTION, "MUST", "rules are applied in the listed order", *orders)
sentence(SECTION, "MUST", "allow says whether it is allowed", "rules_allow", "rules_deny", "rules_without_allow")
types = ("rules_block", "rules_type_differs", "rules_any_type", "rules_type_unknown")
sentence(SECTION, "MUST", "type is a, b or c, and a if absent", *types)
numbers = ("rules_any_minor", "rules_any_major", "rules_other_minor", "rules_other_major")
sentence(SECTION, "MUST", "major and minor are all if absent", *numbers)
accesses = ("rules_read", "rules_write", "rules_make", "rules_access_unknown")
sentence(SECTION, "MUST", "access is composed of r, w and m", *accesses)
