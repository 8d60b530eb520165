"""Operations: what podman hands through from whoever called it, as a service manager would."""

from tests.engines.commandline import IMAGE, PODMAN, CommandLine
from tests.engines.machine import Done
from tests.engines.matrix import operation

# Busybox has nothing that sends a datagram to a socket in the file system.
SAYS = r"""
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, getenv("NOTIFY_SOCKET"), sizeof address.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  if (sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&address, sizeof address) != 7) return 1;
  return sleep(1000);
}
"""

# A service manager: listens, runs the command with NOTIFY_SOCKET, and prints what it is told.
MANAGER = r"""
import array, os, socket, subprocess, sys
path, *command = sys.argv[1:]
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
    ear.bind(path)
    os.chmod(path, 0o777)
    ear.settimeout(30)
    process = subprocess.Popen(command, env=os.environ | {"NOTIFY_SOCKET": path}, stdout=subprocess.DEVNULL)
    told = ""
    while "READY=1" not in told:
        data, control, _, _ = ear.recvmsg(4096, 64)
        for _, _, rights in control:
            for fd in array.array("i", rights):
                os.close(fd)
        told += data.decode() + "\n"
    ear.setblocking(False)
    print(told)
os.unlink(path)
sys.exit(process.wait())
"""


def by_shell(engine: CommandLine, before: str, *argv: str) -> Done:
    """podman, by a shell that opens descriptor 3 for it."""
    script = f'echo from outside >{engine.place}/given; {before} exec "$@" 3<{engine.place}/given'
    return engine.machine.run("sh", "-c", script, "sh", *engine.command, *argv, env=engine.environment)


@operation(*PODMAN)
def preserve_fds(engine: CommandLine) -> None:
    """run --preserve-fds: a descriptor of the caller's"""
    done = by_shell(engine, "", "run", "--rm", "--network=none", "--preserve-fds=1", IMAGE, "sh", "-c", "cat <&3")
    assert done == (0, "from outside\n", "")


@operation(*PODMAN)
def exec_preserve_fds(engine: CommandLine) -> None:
    """exec --preserve-fds: a descriptor of the caller's"""
    with engine.container() as name:
        done = by_shell(engine, "", "exec", "--preserve-fds=1", name, "sh", "-c", "cat <&3")
    assert done == (0, "from outside\n", "")


@operation(*PODMAN)
def socket_activation(engine: CommandLine) -> None:
    """run: LISTEN_FDS and LISTEN_PID are the program's"""
    before = "export LISTEN_FDS=1 LISTEN_PID=$$;"
    script = "echo $LISTEN_FDS $LISTEN_PID; cat <&3"
    done = by_shell(engine, before, "run", "--rm", "--network=none", IMAGE, "sh", "-c", script)
    assert done == (0, "1 1\nfrom outside\n", "")


@operation(*PODMAN)
def notify(engine: CommandLine) -> None:
    """run --sdnotify=container: the program's READY=1 arrives"""
    says = engine.place / "says"
    done = engine.machine.run("gcc", "-static", "-x", "c", "-o", says, "-", stdin=SAYS)
    assert done.status == 0, done.err
    command = [
        "run",
        "-d",
        "--name=notifier",
        "--network=none",
        "--sdnotify=container",
        "-v",
        f"{says}:/says:ro",
        IMAGE,
        "/says",
    ]
    done = engine.machine.run(
        "python3", "-I", "-c", MANAGER, engine.place / "notify", *engine.command, *command, env=engine.environment
    )
    engine.remove("notifier")
    assert "READY=1" in done.out.splitlines(), done
