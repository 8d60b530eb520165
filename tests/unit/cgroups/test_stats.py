"""Files of a cgroup → runc's statistics.

The JSON is what runc makes of such files: members and omissions from its types/events.go, values from libcontainer's
cgroups/fs (v1) and fs2 (v2).  The v1 texts are those of Linux 6.18, the v2 ones those of cgroup-v2.rst.
"""

import pytest

from ocipy.cgroups import stats, stats_rdt, stats_v1, stats_v2
from ocipy.cgroups.stats_text import UNLIMITED, id_list, number, pairs, pressure


class Files:
    """A cgroup's files, by name."""

    def __init__(self, **texts):
        self.texts = {name.replace("__", "."): text for name, text in texts.items()}

    def text(self, name):
        return self.texts.get(name, "")

    def names(self):
        return list(self.texts)


NOTHING = Files()
NO_COUNTER = {"limit": 0, "failcnt": 0}


def test_cpu_of_v1():
    """cpuacct.stat counts ticks of 10 ms (fs/cpuacct.go: ns = ticks * 10^9 / 100), all the rest nanoseconds."""
    cpu = Files(cpu__stat="nr_periods 54\nnr_throttled 51\nthrottled_time 2547284015\nnr_bursts 0\nburst_time 0\n")
    cpuacct = Files(
        cpuacct__usage="16127853389397\n",
        cpuacct__usage_percpu="7482931862036 8644921527361 \n",
        cpuacct__usage_all="cpu user system\n0 4382075559887 3042874528433\n1 5096725690858 3510952917223\n",
        cpuacct__stat="user 953509\nsystem 659275\n",
    )
    assert stats_v1.cpu(cpu, cpuacct) == {
        "usage": {
            "total": 16127853389397,
            "percpu": [7482931862036, 8644921527361],
            "percpu_kernel": [3042874528433, 3510952917223],
            "percpu_user": [4382075559887, 5096725690858],
            "kernel": 6592750000000,
            "user": 9535090000000,
        },
        "throttling": {"periods": 54, "throttledPeriods": 51, "throttledTime": 2547284015},
    }


def test_cpu_of_v2():
    """Microseconds, which runc multiplies by 1000 (fs2/cpu.go); no numbers per processor."""
    text = (
        "usage_usec 2500123\nuser_usec 2000100\nsystem_usec 500023\nnice_usec 0\n"
        "nr_periods 50\nnr_throttled 49\nthrottled_usec 2400000\nnr_bursts 0\nburst_usec 0\n"
    )
    assert stats_v2.cpu(Files(cpu__stat=text)) == {
        "usage": {"total": 2500123000, "kernel": 500023000, "user": 2000100000},
        "throttling": {"periods": 50, "throttledPeriods": 49, "throttledTime": 2400000000},
    }


@pytest.mark.parametrize("found", [stats_v1.cpu(NOTHING, NOTHING), stats_v2.cpu(NOTHING)])
def test_cpu_without_files(found):
    assert found == {"usage": {"kernel": 0, "user": 0}, "throttling": {}}


def test_cpuset():
    """Of v2 runc tells nothing, all are Go's zeros."""
    flags = {
        "cpu_exclusive": "0\n", "mem_hardwall": "0\n", "mem_exclusive": "1\n", "memory_migrate": "0\n",
        "memory_spread_page": "0\n", "memory_spread_slab": "0\n", "memory_pressure": "0\n", "sched_load_balance": "1\n",
        "sched_relax_domain_level": "-1\n",
    }  # fmt: skip
    files = Files(**{f"cpuset__{name}": text for name, text in flags.items()}, cpuset__cpus="0-1,3\n", cpuset__mems="0")
    numbers = {name: int(text) for name, text in flags.items()}
    assert stats_v1.cpuset(files) == {"cpus": [0, 1, 3], "mems": [0]} | numbers
    assert stats_v2.cpuset(Files(cpuset__cpus="0-1")) == dict.fromkeys(flags, 0)


def test_memory_of_v1():
    files = Files(
        memory__stat="cache 4096\nrss 8192\ntotal_cache 12288\n",
        memory__usage_in_bytes="1048576\n",
        memory__max_usage_in_bytes="2097152\n",
        memory__limit_in_bytes="67108864\n",
        memory__failcnt="3\n",
        memory__memsw__usage_in_bytes="1048577\n",
        memory__memsw__max_usage_in_bytes="2097153\n",
        memory__memsw__limit_in_bytes="9223372036854771712\n",
        memory__memsw__failcnt="4\n",
        memory__kmem__usage_in_bytes="0\n",
        memory__kmem__limit_in_bytes="9223372036854771712\n",
    )
    assert stats_v1.memory(files) == {
        "cache": 4096,
        "usage": {"limit": 67108864, "usage": 1048576, "max": 2097152, "failcnt": 3},
        "swap": {"limit": 9223372036854771712, "usage": 1048577, "max": 2097153, "failcnt": 4},
        "kernel": {"limit": 9223372036854771712, "failcnt": 0},
        "kernelTCP": NO_COUNTER,
        "raw": {"cache": 4096, "rss": 8192, "total_cache": 12288},
    }


V2_MEMORY = {
    "memory__stat": "anon 1003520\nfile 45056\ninactive_file 4096\n",
    "memory__current": "1048576\n",
    "memory__peak": "1572864\n",
}


@pytest.mark.parametrize(
    ("limit", "swap_limit", "both"),
    [
        ("67108864", "33554432", 100663296),  # fs2/memory.go: swap.max + memory.max
        ("67108864", "max", UNLIMITED),  # "max" is 2^64 - 1, and stays it
        ("67108864", "0", 67108864),
        ("max", "max", UNLIMITED),
        ("max", "4096", UNLIMITED),  # runc's sum goes round to 4095 here
        ("67108864", "", 67108864),  # no swap accounting: a zero
    ],
)
def test_memory_of_v2(limit, swap_limit, both):
    """``swap`` is memory and swap together, for those who know v1, and has no maximum (fs2/memory.go)."""
    swap = {"memory__swap__current": "8192\n", "memory__swap__max": swap_limit} if swap_limit else {}
    found = stats_v2.memory(Files(memory__max=limit, **V2_MEMORY, **swap))
    assert found == {
        "cache": 45056,
        "usage": {"limit": number(limit), "usage": 1048576, "max": 1572864, "failcnt": 0},
        "swap": {"limit": both, "usage": 1048576 + (8192 if swap_limit else 0), "failcnt": 0},
        "kernel": NO_COUNTER,
        "kernelTCP": NO_COUNTER,
        "raw": {"anon": 1003520, "file": 45056, "inactive_file": 4096},
    }


@pytest.mark.parametrize("of", [stats_v1.memory, stats_v2.memory])
def test_memory_without_files(of):
    assert of(NOTHING) == {
        "usage": NO_COUNTER, "swap": NO_COUNTER, "kernel": NO_COUNTER, "kernelTCP": NO_COUNTER,
    }  # fmt: skip


@pytest.mark.parametrize("of", [stats_v1.pids, stats_v2.pids])
def test_pids(of):
    """No limit is 0 in runc's structure, which leaves it out (fs/pids.go, fs2/pids.go)."""
    assert of(Files(pids__current="5\n", pids__max="20\n")) == {"current": 5, "limit": 20}
    assert of(Files(pids__current="5\n", pids__max="max\n")) == {"current": 5}


def test_pids_without_the_controller():
    assert stats_v2.pids(Files(cgroup__procs="17\n18\n19\n")) == {"current": 3}
    assert stats_v1.pids(NOTHING) == stats_v2.pids(NOTHING) == {}


THROTTLE = "254:0 Read 4096\n254:0 Write 8192\n254:0 Total 12288\n8:17 Read 0\nTotal 12288\n"
TABLE = [
    {"major": 254, "op": "Read", "value": 4096},
    {"major": 254, "op": "Write", "value": 8192},
    {"major": 254, "op": "Total", "value": 12288},
    {"major": 8, "minor": 17, "op": "Read"},
]


def test_blkio_of_v1():
    """The order of fs/blkio.go: BFQ, CFQ, throttling with what is below, throttling; one without devices is passed."""
    throttling = {
        "blkio__throttle__io_serviced": "254:0 Read 9\nTotal 9\n",
        "blkio__throttle__io_service_bytes_recursive": THROTTLE,
    }
    assert stats_v1.blkio(Files(**throttling, blkio__bfq__io_serviced_recursive="Total 0\n")) == {
        "ioServiceBytesRecursive": TABLE
    }
    assert stats_v1.blkio(Files(**throttling, blkio__bfq__io_serviced_recursive="254:0 Read 1\nTotal 1\n")) == {
        "ioServicedRecursive": [{"major": 254, "op": "Read", "value": 1}]
    }
    cfq = Files(blkio__sectors_recursive="8:0 6792\n", blkio__io_queued_recursive="8:0 Read 1\n", **throttling)
    assert stats_v1.blkio(cfq) == {
        "sectorsRecursive": [{"major": 8, "value": 6792}],
        "ioQueueRecursive": [{"major": 8, "op": "Read", "value": 1}],
    }
    assert stats_v1.blkio(NOTHING) == {}


def test_blkio_of_v2():
    """Bytes and operations, read and written; discards have no member (fs2/io.go)."""
    text = "254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n8:16\n"
    assert stats_v2.blkio(Files(io__stat=text)) == {
        "ioServiceBytesRecursive": [
            {"major": 254, "op": "Read", "value": 4096}, {"major": 254, "op": "Write", "value": 8192},
        ],
        "ioServicedRecursive": [{"major": 254, "op": "Read", "value": 1}, {"major": 254, "op": "Write", "value": 2}],
    }  # fmt: skip


def test_hugetlb():
    of_v1 = Files(
        hugetlb__2MB__usage_in_bytes="4194304", hugetlb__2MB__max_usage_in_bytes="6291456", hugetlb__2MB__failcnt="2",
        hugetlb__2MB__rsvd__usage_in_bytes="1", hugetlb__1GB__usage_in_bytes="0",
    )  # fmt: skip
    assert stats_v1.hugetlb(of_v1) == {"1GB": {"failcnt": 0}, "2MB": {"usage": 4194304, "max": 6291456, "failcnt": 2}}
    of_v2 = Files(
        hugetlb__2MB__current="4194304", hugetlb__2MB__events="max 2\n", hugetlb__2MB__rsvd__current="1",
        hugetlb__1GB__current="0",
    )  # fmt: skip
    assert stats_v2.hugetlb(of_v2) == {"1GB": {"failcnt": 0}, "2MB": {"usage": 4194304, "failcnt": 2}}


def test_pressure():
    text = (
        "some avg10=98.59 avg60=97.66 avg300=0.00 total=4969189127\nfull avg10=0.00 avg60=1.50 avg300=0.00 total=74\n"
    )
    assert pressure(text) == {
        "some": {"avg10": 98.59, "avg60": 97.66, "avg300": 0, "total": 4969189127},
        "full": {"avg10": 0, "avg60": 1.5, "avg300": 0, "total": 74},
    }
    zeros = {"avg10": 0, "avg60": 0, "avg300": 0, "total": 0}
    assert pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n") == {"some": zeros, "full": zeros}
    assert pressure("") is None


def test_values():
    assert [number(text) for text in ("", "12\n", "max\n", "-1\n")] == [0, 12, UNLIMITED, -1]
    assert id_list("0-2,5,7-7\n") == [0, 1, 2, 5, 7]
    assert id_list("\n") == []
    assert pairs("a 1\nb.c 2\n") == {"a": 1, "b.c": 2}


class Tree:
    """Directories that stand for hierarchies: ``tree(memory={"memory.usage_in_bytes": "1"})``."""

    def __init__(self, directory):
        self.directory = directory

    def __call__(self, hierarchies):
        for name, files in hierarchies.items():
            directory = self.directory / (name or "unified")
            directory.mkdir()
            for file, text in files.items():
                (directory / file).write_text(text)
        return {name: str(self.directory / (name or "unified")) for name in hierarchies}


PSI = "some avg10=1.00 avg60=0.00 avg300=0.00 total=5\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"


def test_a_hybrid_host(tmp_path):
    """Each from the hierarchy that has its controller; pressure, and what no v1 hierarchy has, from the unified one."""
    paths = Tree(tmp_path)({
        "cpu,cpuacct": {"cpuacct.usage": "7\n", "cpu.stat": "nr_periods 1\n"},
        "memory": {"memory.usage_in_bytes": "4096\n"},
        "name=systemd": {},
        "": {"cpu.stat": "usage_usec 9\n", "cpu.pressure": PSI, "memory.pressure": PSI, "io.pressure": PSI,
             "io.stat": "8:0 rbytes=1\n", "pids.current": "4\n", "pids.max": "9\n"},
    })  # fmt: skip
    found = stats.read(paths)
    assert found["cpu"]["usage"] == {"total": 7, "kernel": 0, "user": 0}
    assert found["cpu"]["throttling"] == {"periods": 1}
    assert found["memory"]["usage"] == {"usage": 4096, "limit": 0, "failcnt": 0}
    assert found["pids"] == {"current": 4, "limit": 9}
    assert found["blkio"]["ioServiceBytesRecursive"] == [{"major": 8, "op": "Read", "value": 1}]
    assert {found[name]["psi"]["some"]["avg10"] for name in ("cpu", "memory", "blkio")} == {1.0}
    assert set(found) == {"cpu", "cpuset", "memory", "pids", "blkio", "hugetlb"}


def test_a_cgroup_that_has_gone(tmp_path):
    found = stats.read({"": str(tmp_path / "gone"), "memory": str(tmp_path / "gone")})
    assert found["cpu"] == {"usage": {"kernel": 0, "user": 0}, "throttling": {}}


def test_what_may_not_be_read_is_an_error(tmp_path):
    paths = Tree(tmp_path)({"": {}})
    (tmp_path / "unified/cpu.stat").mkdir()
    with pytest.raises(IsADirectoryError):
        stats.read(paths)


@pytest.fixture
def resctrl(tmp_path):
    """resctrl.rst's tree, with process 17 in a group with a monitoring group of its own."""
    texts = {
        "info/L3/cbm_mask": "7ff\n", "info/L3/min_cbm_bits": "1\n", "info/L3/num_closids": "16\n",
        "info/MB/bandwidth_gran": "10\n", "info/MB/delay_linear": "1\n", "info/MB/min_bandwidth": "10\n",
        "info/MB/num_closids": "8\n", "info/L3_MON/mon_features": "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n",
        "schemata": "    L3:0=7ff;1=7ff\n    MB:0=100;1=100\n", "tasks": "1\n",
        "gold/schemata": "    L3:0=7f0;1=1f\n    MB:0=20;1=70\n", "gold/tasks": "17\n",
        "gold/mon_groups/box/tasks": "17\n",
    }  # fmt: skip
    for domain in (0, 1):
        for number_, name in enumerate(("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes")):
            texts[f"gold/mon_groups/box/mon_data/mon_L3_0{domain}/{name}"] = f"{domain * 10 + number_}\n"
            texts[f"gold/mon_data/mon_L3_0{domain}/{name}"] = "99\n"
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(tmp_path)


def test_resctrl(resctrl):
    assert stats_rdt.read(17, resctrl) == {
        "l3_cache_info": {"cbm_mask": "7ff", "min_cbm_bits": 1, "num_closids": 16},
        "l3_cache_schema_root": "L3:0=7ff;1=7ff",
        "l3_cache_schema": "L3:0=7f0;1=1f",
        "mem_bw_info": {"bandwidth_gran": 10, "delay_linear": 1, "min_bandwidth": 10, "num_closids": 8},
        "mem_bw_schema_root": "MB:0=100;1=100",
        "mem_bw_schema": "MB:0=20;1=70",
        "mbm_stats": [
            {"mbm_total_bytes": 1, "mbm_local_bytes": 2}, {"mbm_total_bytes": 11, "mbm_local_bytes": 12},
        ],
        "cmt_stats": [{"llc_occupancy": 0}, {"llc_occupancy": 10}],
    }  # fmt: skip


def test_resctrl_without_a_group_of_its_own(resctrl):
    found = stats_rdt.read(1, resctrl)
    assert found["l3_cache_schema"] == found["l3_cache_schema_root"] == "L3:0=7ff;1=7ff"
    assert (found["mbm_stats"], found["cmt_stats"]) == ([], [])


def test_no_resctrl(tmp_path):
    assert stats_rdt.read(1, str(tmp_path / "none")) == {}
