"""Operations: files in and out, images made of containers."""

import io
import tarfile

from tests.engines.commandline import IMAGE, PODMAN, CommandLine
from tests.engines.matrix import operation


@operation(*PODMAN)
def copy(engine: CommandLine) -> None:
    """cp: into and out of a container, running or not."""
    file = engine.place / "copied"
    file.write_text("words\n")
    file.chmod(0o644)
    with engine.container() as name:
        engine("cp", file, f"{name}:/tmp/copied")
        engine("stop", "-t", "0", name)
        engine("cp", file, f"{name}:/root/copied")
        data = engine.machine.run(*engine.command, "cp", f"{name}:/tmp/copied", "-", env=engine.environment).out
        with tarfile.open(fileobj=io.BytesIO(data.encode())) as tar:
            assert tar.getnames() == ["copied"]
        assert "/root/copied" in engine("diff", name).out


@operation(*PODMAN)
def commit(engine: CommandLine) -> None:
    """commit: an image of what a container has become; export."""
    with engine.container(command=("sh", "-c", "echo x >/x; sleep 1000")) as name:
        engine("commit", name, "made")
        engine("export", "-o", engine.place / "export.tar", name)
        with tarfile.open(engine.place / "export.tar") as tar:
            assert "x" in [name.removeprefix("./") for name in tar.getnames()]
    assert engine("run", "--rm", *engine.usual, "made", "cat", "/x").out == "x\n"
    engine("rmi", "made")


@operation(*PODMAN)
def build(engine: CommandLine) -> None:
    """build: RUN, COPY, USER, WORKDIR; a RUN that fails."""
    context = engine.place / "context"
    context.mkdir()
    (context / "file").write_text("copied\n")
    steps = (
        f"FROM localhost/{IMAGE}", "COPY file /file", "RUN cat /file >/made && id -u >>/made",
        "USER 1000", "WORKDIR /tmp", "RUN id -u >/tmp/user; pwd >>/tmp/user", 'CMD ["cat", "/made", "/tmp/user"]',
    )  # fmt: skip
    (context / "Dockerfile").write_text("\n".join(steps))
    isolation = ("--isolation", "oci", "--network", "none", "--pull=never")
    engine("build", *isolation, "-t", "built", context, timeout=120)
    assert engine("run", "--rm", *engine.usual, "built").out == "copied\n0\n1000\n/tmp\n"
    (context / "Dockerfile").write_text(f"FROM localhost/{IMAGE}\nRUN exit 7\n")
    done = engine("build", *isolation, context, status=None, timeout=120)
    assert done.status
    assert "7" in done.err
    engine("rmi", "-f", "built")
