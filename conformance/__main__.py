"""``RUNTIME=/usr/sbin/runc python3 -m conformance [PATTERN]``: TAP on stdout; exit status 1 if a case fails."""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from conformance import report
from conformance import store as stored
from conformance.bundle import BUSYBOX
from conformance.cases import CASES, collect
from conformance.publish import publish
from conformance.running import DEFAULT, environment, run_cases

UNSHARE = "/usr/bin/unshare"
# A mount namespace of its own, with the unified hierarchy alone: some runtimes refuse a host that has both versions.
_UNIFIED = """
mount --make-rprivate / && umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"
"""


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m conformance", description=__doc__)
    parser.add_argument("pattern", nargs="?", default="", help="run cases whose section, name or sentence holds it")
    parser.add_argument("--skipped-at", metavar="PLACE", help="run only what its stored results skip or lack")
    parser.add_argument("--unified", action="store_true", help="run with cgroup v2 alone on /sys/fs/cgroup")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the results there, too")
    parser.add_argument("--place", default="host", help="what the results are filed under: host (the default), vm, ...")
    parser.add_argument("--list", action="store_true", help="list the cases and run none")
    return parser


def main(words: list[str]) -> int:
    if words[:1] == ["publish"]:
        return publish(words[1:])
    options = arguments().parse_args(words)
    given = os.environ.get("RUNTIME") or str(DEFAULT)
    command = os.path.abspath(shutil.which(given) or given)
    if options.unified:
        script = [UNSHARE, "--mount", "sh", "-c", _UNIFIED, "sh"]
        again = [sys.executable, "-m", "conformance", *(word for word in words if word != "--unified")]
        os.execv(UNSHARE, [*script, *again])  # noqa: S606  # a shell follows
    collect()
    cases = [each for each in CASES if options.pattern in f"{each.section} {each.name} {each.says}"]
    if options.skipped_at:
        shown = stored.passed_at(stored.load(), options.skipped_at)
        cases = [each for each in cases if each.name not in shown]
    if not cases:
        print(f"Bail out! no case holds {options.pattern!r}")
        return 2
    if options.list:
        print("\n".join(f"{each.name}: {each.section} {each.level}: {each.says}" for each in cases))
        return 0
    if os.geteuid() != 0 or not Path(BUSYBOX).exists() or not Path(command).exists():
        print(f"Bail out! needs root, busybox-static, and {given}")
        return 2
    results = run_cases(command, cases, report.tap)
    if options.json:
        document = {"environment": environment(command, options.place), "results": results}
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return 1 if any(verdict == "fail" for verdict, _ in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
