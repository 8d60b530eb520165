"""What works with runc works with ocipy, in every engine: a test for each cell of the matrix."""

import pytest

from tests.engines import results
from tests.engines.matrix import ENGINES, OPERATIONS, Cell, Runner, collect, operations_of, runtimes

collect()
CELLS = [
    Cell(engine, runtime, operation.name)
    for engine in ENGINES
    for runtime in runtimes()
    for operation in operations_of(engine)
]


@pytest.fixture(scope="session")
def runner(request):
    """Runs the cells that were chosen."""
    chosen = [item.callspec.params["cell"] for item in request.session.items if "runner" in item.fixturenames]
    running = Runner(chosen)
    yield running
    running.close()


@pytest.mark.root
@pytest.mark.timeout(600)  # for a cell, with all that comes before it in the first
@pytest.mark.parametrize(
    "cell",
    [
        pytest.param(cell, id="-".join(cell), marks=[pytest.mark.tool(tool) for tool in ENGINES[cell.engine].tools])
        for cell in CELLS
    ],
)
def test_engine(runner, cell):
    result = runner.result(cell)
    if cell.runtime == "runc":
        assert result.kind != "fails" or result.why == OPERATIONS[cell.operation].runc_lacks, result.why
        return
    runc = cell._replace(runtime="runc")
    with_runc = runner.result(runc) if runner.has(runc) else results.stored(runc)
    assert result.kind == "ok" or (result.kind == with_runc.kind == "not here"), result.why
