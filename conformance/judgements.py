"""What to make of cases that runtimes fail, where the case itself doesn't say: the specification's word, by case."""

_REFUSED = "config.md, Valid values: an error. "
_V2 = "What version 2 of cgroups can't do is an error (config-linux.md, Control groups; runtime.md, Create). "
_CRUN = "crun makes the error, but leaves its cgroup behind."
_REQUIRED = "A required property is missing: the document is invalid. "

JUDGEMENTS = {
    "rlimits_twice": _REFUSED + "Both make the error, but after they ran hooks, or leave the cgroup behind.",
    "rlimits_required": _REQUIRED + "Both make the error late, or leave something behind.",
    "version_not_semver": _REFUSED + "Neither looks at more than the beginning of it, if at that.",
    "failing_poststop_hook": "The rest of the hooks run, with a warning: runc stops at the first, crun says nothing.",
    "seccomp_errno_unfit": "The text asks for an error by name; runc ignores the number.",
    "seccomp_names_empty": "The text asks for at least one entry; both take the rule for one about nothing.",
    "block_io_weight_device_empty": "The text asks for one of the two weights; runc ignores the entry.",
    "block_io_without_numbers": _REQUIRED + "Absent numbers are taken for 0:0, a device that nobody meant.",
    "rules_without_allow": _REQUIRED + "Absent, it is taken for a denial.",
    "rules_access_unknown": _REFUSED + "Unknown letters are passed over.",
    "memory_kernel": "No kernel since 5.16 has the limit: one that can't be applied is an error (runtime.md, Create).",
    "memory_kernel_tcp": "What can't be applied is an error (runtime.md, Create); runc writes none, and says nothing.",
    "block_io_leaf_weight": _V2 + _CRUN,
    "block_io_leaf_weight_device": _V2 + _CRUN,
    "cpu_realtime_runtime": _V2 + _CRUN,
    "cpu_realtime_period": _V2 + _CRUN,
    "memory_swappiness": _V2 + _CRUN,
    "memory_swappiness_zero": _V2 + _CRUN,
    "memory_swappiness_too_high": _V2 + _CRUN,
    "network_class": _V2 + _CRUN,
    "network_priorities": _V2 + _CRUN,
    "network_priority_incomplete": _REQUIRED + "runc ignores the property on cgroup v2. " + _CRUN,
    "huge_pages_reserved": "Where the kernel counts reservations the limit is one of them, too (since 1.1.0).",
    "huge_pages_of_each_size": "Where the kernel counts reservations the limit is one of them, too (since 1.1.0).",
    "huge_pages_incomplete": _REQUIRED + "Absent, it is taken for an empty size or a limit of 0, or found out late.",
    "personality_unknown": _REFUSED + "runc 1.1 ignores the property; crun finds out after its hooks ran.",
    "personality_without_domain": _REQUIRED + "runc 1.1 ignores the property; crun finds out after its hooks ran.",
    "personality_flags": "The text has no flag that is supported, so any is an unsupported value, which is an error.",
    "seccomp_arg_incomplete": _REQUIRED + "Absent members are taken for 0.",
    "seccomp_index_too_high": _REFUSED + "libseccomp refuses it, but only once hooks have run.",
}

# ocipy's own tests of what no host could show so far, by the beginning of the cases' names.
INSTEAD = {
    "apparmor_profile": "tests/system/test_labels.py, in the virtual machine",
    "huge_pages_faulted": "tests/unit/cgroups/test_v1.py: what is written where",
    "rdt_": "tests/system/test_resctrl.py, on a tree of files",
    "rdma_": "tests/unit/cgroups/test_v1.py and test_v2.py: what is written where",
}
