"""The build products that setuptools doesn't know: static programs, generated and copied files.

Each function takes paths relative to the checkout (the working directory of setup.py) and is idempotent: it writes
only what has changed.
"""

import logging
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from glob import glob
from pathlib import Path

from cffi_build import sources

HERE = Path("cffi_build")


class ProductError(Exception):
    """A product can't be built; the message is for the person who runs pip."""


def build_init(output: Path, work: Path) -> None:
    """Link ``ocipy-init``, the program that sets the container up from within."""
    _link(output, work, sources.INIT_SOURCES, ())


def build_launcher(output: Path, work: Path, package: "Path | None" = None) -> None:
    """Link the command ``ocipy``.

    With ``package`` (an editable install, a checkout) it starts that package, by the interpreter of this build.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    base = Path(sys.base_prefix, "bin", f"python{version}")
    defines = [("OCIPY_PYTHON_VERSION", version), ("OCIPY_BASE_PYTHON", base)]
    if package is not None:
        defines += [("OCIPY_PACKAGE", package.resolve()), ("OCIPY_PYTHON", sys.executable)]
    _link(output, work, sources.LAUNCHER_SOURCES, [f'-D{name}="{value}"' for name, value in defines])


def _link(output: Path, work: Path, names: "tuple[str, ...]", extra: "list[str] | tuple[()]") -> None:
    strict = sources.STRICT_CFLAGS if os.environ.get("OCIPY_STRICT") else ()
    inputs = [str(HERE / name) for name in names]
    missing = [name for name in inputs if not os.path.exists(name)]
    if missing:
        raise ProductError(f"{output.name}: no such source: {', '.join(missing)} (see cffi_build/sources.py)")
    command = [*_static_compiler(), *sources.PROGRAM_CFLAGS, *strict, *extra, *inputs]
    command += ["-o", str(output), *sources.PROGRAM_LDFLAGS]
    record = work / f"{output.name}.command"
    if _is_current(output, record, shlex.join(command)):
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    logging.info(shlex.join(command))  # setuptools decides by -q and -v whether it is shown
    try:
        status = subprocess.run(command, check=False).returncode
    except OSError as problem:
        raise ProductError(f"{output.name}: no C compiler: {problem} (install gcc and libc6-dev, or set CC)") from None
    if status != 0:
        raise ProductError(f"{output.name}: the compiler failed (a static C library is needed: libc6-dev or musl-dev)")
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(shlex.join(command))


def _static_compiler() -> "list[str]":
    """The compiler of the static programs: ``OCIPY_INIT_CC``, else ``musl-gcc`` where it is installed, else the usual.

    A static program of musl's is 20 kB instead of 700 and starts in a quarter of the time: glibc asks the processor
    for its features some dozens of times, and under a hypervisor each answer is an exit to it.
    """
    chosen = os.environ.get("OCIPY_INIT_CC")
    if not chosen and shutil.which("musl-gcc"):
        # The wrapper hides the system's headers, the kernel's among them; after musl's own they do no harm.
        kernel = ("/usr/include", f"/usr/include/{sysconfig.get_config_var('MULTIARCH')}")
        return ["musl-gcc", *(part for directory in kernel for part in ("-idirafter", directory))]
    return shlex.split(chosen or os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")


def _is_current(output: Path, record: Path, command: str) -> bool:
    """Whether ``output`` was made by this very command, from files that are not newer."""
    if not (output.exists() and record.exists() and record.read_text() == command):
        return False
    made = output.stat().st_mtime
    return all(os.stat(name).st_mtime <= made for name in glob(f"{HERE}/*.[ch]"))


def write_schema_checker(output: Path) -> None:
    """Generate ``ocipy/spec/schema.py``, the hot path's checker, from ``schemas/``."""
    from cffi_build import gen_schema

    _write(output, gen_schema.generate(Path("schemas")))


def copy_schemas(directory: Path) -> None:
    """Copy ``schemas/`` into the package, for the full report of a faulty document."""
    directory.mkdir(parents=True, exist_ok=True)
    wanted = {Path(name).name for name in [*glob("schemas/*.json"), *glob("schemas/VERSION")]}
    for name in wanted:
        shutil.copyfile(f"schemas/{name}", directory / name)
    for stale in {entry.name for entry in directory.iterdir()} - wanted:
        (directory / stale).unlink()


def write_build_info(output: Path) -> None:
    """Write ``ocipy/_build.py``, which names the commit; a source distribution brings its own."""
    commit = _commit()
    shipped = Path("ocipy/_build.py")
    if commit == "unknown" and Path("PKG-INFO").exists() and shipped.exists():
        if shipped.resolve() != output.resolve():
            shutil.copyfile(shipped, output)
        return
    _write(output, f'"""Written by setup.py."""\n\nCOMMIT = "{commit}"\n')


def _commit() -> str:
    """The checked-out commit as ``git describe`` has it; without git, the hash; without a checkout, ``unknown``."""
    if not Path(".git").exists():
        return "unknown"
    # The checkout may belong to another user than the one who installs it with sudo.
    describe = ["git", "-c", "safe.directory=*", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        answer = subprocess.run(describe, check=False, capture_output=True, text=True)
        if answer.returncode == 0:
            return answer.stdout.strip()
    except OSError:
        pass  # git isn't installed
    return _read_head(Path(".git"))[:12] or "unknown"


def _read_head(git: Path) -> str:
    """HEAD's hash, read from the files that gitrepository-layout(5) describes; empty if it can't be told."""
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        ref = head[5:]
        if (git / ref).exists():
            return (git / ref).read_text().strip()
        for line in (git / "packed-refs").read_text().splitlines():
            if line.endswith(f" {ref}"):
                return line.split()[0]
    except OSError:
        pass  # a worktree's .git is a file; a fresh repository has no refs
    return ""


def _write(output: Path, text: str) -> None:
    """Write ``text`` unless it is there already: an untouched time stamp keeps the compiled .pyc valid."""
    if output.exists() and output.read_text(encoding="utf-8") == text:
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
