"""Files of a cgroup → limits on processors and block devices (cgroup-v1/*.rst, cgroup-v2.rst)."""

import pytest

from ocipy.cgroups import stats_limits


class Files(dict):
    def text(self, name):
        return self.get(name, "")


@pytest.mark.parametrize(
    ("quota", "period", "expected"), [("50000", "100000", 0.5), ("-1", "100000", None), ("300000", "200000", 1.5)]
)
def test_quota_of_v1(quota, period, expected):
    files = Files({"cpu.cfs_quota_us": f"{quota}\n", "cpu.cfs_period_us": f"{period}\n"})
    assert stats_limits.quota_v1(files) == expected


@pytest.mark.parametrize(("text", "expected"), [("50000 100000\n", 0.5), ("max 100000\n", None), ("", None)])
def test_quota_of_v2(text, expected):
    assert stats_limits.quota_v2(Files({"cpu.max": text})) == expected


def test_no_quota_file():
    assert stats_limits.quota_v1(Files()) is None


def test_processors():
    assert stats_limits.processors(Files({"cpuset.effective_cpus": "0-2,7\n"})) == 4
    assert stats_limits.processors(Files({"cpuset.cpus.effective": "1\n"})) == 1
    assert stats_limits.processors(Files()) == 0


def test_block_devices():
    expected = {(8, 0, "rbps"): 1048576, (8, 16, "wiops"): 20}
    of_v1 = {"blkio.throttle.read_bps_device": "8:0 1048576\n", "blkio.throttle.write_iops_device": "8:16 20\n"}
    assert stats_limits.io_v1(Files(of_v1)) == expected
    of_v2 = "8:0 rbps=1048576 wbps=max riops=max wiops=max\n8:16 rbps=max wbps=max riops=max wiops=20\n"
    assert stats_limits.io_v2(Files({"io.max": of_v2})) == expected
