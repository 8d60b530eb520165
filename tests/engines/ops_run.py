"""Operations: a container from its start to its end."""

from tests.engines.commandline import ALL, CommandLine
from tests.engines.matrix import operation


@operation(*ALL)
def run(engine: CommandLine) -> None:
    """run: output of the program, on stdout and stderr."""
    done = engine.run(command=("sh", "-c", "echo out; echo err >&2"))
    assert done[1:] == ("out\n", "err\n")
