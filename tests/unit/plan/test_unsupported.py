"""What ocipy can't do yet is refused, never ignored; what says "none" isn't."""

import json

import pytest

from ocipy.bundle.default_config import default_config
from ocipy.errors import StepError
from ocipy.plan.unsupported import refuse_unsupported
from ocipy.spec.load import parse_config


def refuse(part, name, value):
    config = default_config()
    config[part][name] = value
    refuse_unsupported(parse_config(json.dumps(config).encode(), "config.json"))


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("linux", "netDevices", {"eth0": {}}),
    ],
)
def test_refused(part, name, value):
    with pytest.raises(StepError) as caught:
        refuse(part, name, value)
    assert str(caught.value) == f"{part}.{name}: not supported yet (drop it from config.json)"
    assert caught.value.pointer == f"/{part.replace('.', '/')}/{name}"
    assert (caught.value.errno, caught.value.index) == (0, -1)


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("linux", "netDevices", {}),
    ],
)
def test_none_is_not_refused(part, name, value):
    refuse(part, name, value)
