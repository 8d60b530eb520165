"""The normative sentences of config.md, in our words.

The definition of a property has the level of runtime.md, Create: all properties MUST be applied.
"""

from conformance.cases import sentence
from conformance.config_mount_options import FLAGS, PROPAGATION, RECURSIVE, SYMFOLLOW, WHOLE

AUTHOR = "binds who writes the config"
OTHERS = "another platform than Linux"

VERSION = "config.md#specification-version"
sentence(VERSION, "MUST", "ociVersion is required", "version_required")
sentence(VERSION, "MUST", "it is a version as SemVer 2.0.0 has it", "version_not_semver")
sentence(VERSION, "MUST", "within a major version, older documents are supported", "version_compatible")
sentence(VERSION, "MUST", "of another major version they are not", "version_of_the_future")

ROOT = "config.md#root"
sentence(ROOT, "MUST", "root is required", "root_required")
sentence(ROOT, "MUST", "path is required", "root_path_required")
sentence(ROOT, "MUST", "path is absolute or relative to the bundle", "root_path")
sentence(ROOT, "SHOULD", "path is rootfs", untested=AUTHOR)
sentence(ROOT, "MUST", "there is a directory at path", "root_path_missing")
sentence(ROOT, "MUST", "readonly makes it read-only, and it isn't by default", "root_readonly", "root_writable")
sentence(ROOT, "MUST", "on Windows: required, or not to be set, a volume's path, not readonly", untested=OTHERS)

MOUNTS = "config.md#mounts"
sentence(MOUNTS, "MUST", "mounts are made in the listed order", "mounts_in_order")
sentence(MOUNTS, "MUST", "destination is required", "mount_destination_required", "mount_destination_missing")
sentence(MOUNTS, "SHOULD", "destination is absolute", untested=AUTHOR)
sentence(MOUNTS, "MUST", "a relative destination is relative to /", "mount_destination_relative")
sentence(MOUNTS, "MUST", "on other platforms destination is absolute and not nested", untested=OTHERS)
sentence(MOUNTS, "MUST", "a bind's source is absolute or relative to the bundle", "mount_source", "mount_source_file")
sentence(MOUNTS, "MUST", "bind or rbind among the options makes it a bind mount", "mount_bind_by_option")
sentence(MOUNTS, "MUST", "on Windows ro is supported", untested=OTHERS)

OPTIONS = "config.md#linux-mount-options"
for name in (*(flag[0] for flag in FLAGS), *(whole[0] for whole in WHOLE), *(each[0] for each in PROPAGATION)):
    sentence(OPTIONS, "MUST", f"the option {name}", f"option_{name}")
for name in ("bind", "rbind", "remount"):
    sentence(OPTIONS, "MUST", f"the option {name}", f"option_{name}")
for name in (*(flag[0] for flag in SYMFOLLOW), *(recursive[0] for recursive in RECURSIVE)):
    sentence(OPTIONS, "SHOULD", f"the option {name}", f"option_{name}")
sentence(OPTIONS, "SHOULD", "the option idmap", "mount_idmap")
sentence(OPTIONS, "SHOULD", "the option ridmap", "mount_ridmap")
sentence(OPTIONS, "MUST", "with idmap or ridmap the mount is id-mapped", "mount_idmap", "mount_ridmap")
sentence(OPTIONS, "MUST", "the mount's own mappings are used if it has any", "mount_idmap", "mount_ridmap")
sentence(
    OPTIONS, "MUST", "without mappings, and without a user namespace, it is an error", "mount_idmap_without_mappings"
)
HOW = "how a runtime does it doesn't show"
sentence(OPTIONS, "SHOULD NOT", "idmap and ridmap are not passed to mount(2)", untested=HOW)
sentence(OPTIONS, "SHOULD", "an id-mapped mount is made by mount_setattr(2)", untested=HOW)
FURTHER = "which names beyond the table a runtime takes is left to it"
sentence(OPTIONS, "SHOULD", "names that mount(8) has and the table hasn't are as mount(8) has them", untested=FURTHER)
sentence(OPTIONS, "SHOULD", "other names are passed to the filesystem", "option_unknown", "option_nobody_knows")

POSIX_MOUNTS = "config.md#posix-platform-mounts"
sentence(POSIX_MOUNTS, "MUST", "type is the filesystem's, and a dummy for a bind", "mount_type", "mount_bind_by_option")
sentence(POSIX_MOUNTS, "SHOULD", "mappings come with the option idmap or ridmap", untested=AUTHOR)
sentence(POSIX_MOUNTS, "MUST", "uidMappings and gidMappings come together", "mount_mappings_alone")
sentence(POSIX_MOUNTS, "SHOULD", "uidMappings and gidMappings are made by mount_setattr(2)", untested=HOW)

PROCESS = "config.md#process"
sentence(PROCESS, "MUST", "process is required for start", "start_without_process")
sentence(PROCESS, "MUST", "terminal gives the process a terminal", "process_terminal", "process_no_terminal")
sentence(PROCESS, "MUST", "consoleSize is the terminal's size", "process_console_size")
sentence(PROCESS, "MUST", "consoleSize is ignored without a terminal", "process_console_size_ignored")
sentence(PROCESS, "MUST", "height and width are required", "process_console_size_required")
sentence(PROCESS, "MUST", "cwd is the working directory", "process_cwd")
sentence(PROCESS, "MUST", "cwd is required", "process_cwd_required")
sentence(PROCESS, "MUST", "cwd is absolute", "process_cwd_relative")
sentence(PROCESS, "MUST", "env is the environment", "process_env")
sentence(PROCESS, "MUST", "args is the argument vector", "process_args")
sentence(PROCESS, "MUST", "args has at least one entry", "process_args_empty")
sentence(PROCESS, "MUST", "the first of args is looked up as execvp does", "process_args_searched")
sentence(PROCESS, "MUST", "on Windows, commandLine is required without args", untested=OTHERS)

RLIMITS = "config.md#posix-process"
sentence(RLIMITS, "MUST", "type, soft and hard are required", "rlimits_required")
sentence(RLIMITS, "MUST", "a type that the kernel hasn't is an error", "rlimits_unknown")
sentence(RLIMITS, "MUST", "getrlimit(2) of the type works", "rlimits")
sentence(RLIMITS, "MUST", "the soft limit is the configured one", "rlimits", "rlimits_unlimited")
sentence(RLIMITS, "MUST", "the hard limit is the configured one", "rlimits", "rlimits_unlimited", "rlimits_raised")
sentence(RLIMITS, "MUST", "a type twice is an error", "rlimits_twice")

LINUX = "config.md#linux-process"
sentence(LINUX, "MUST", "apparmorProfile is the process's profile", "apparmor_profile", "apparmor_missing")
sets = ("capabilities", "capabilities_of_root", "capabilities_none")
sentence(LINUX, "MUST", "capabilities are the process's five sets", *sets)
warned = ("capabilities_unknown", "capabilities_not_granted_warned")
sentence(LINUX, "MUST", "a capability that can't be had is logged as a warning", *warned)
sentence(LINUX, "SHOULD NOT", "such a capability doesn't fail the container", "capabilities_not_granted")
sentence(LINUX, "MUST", "noNewPrivileges keeps the process from gaining privileges", "no_new_privileges")
sentence(LINUX, "MUST", "oomScoreAdj is the process's oom_score_adj", "oom_score_adj", "oom_score_adj_lowered")
sentence(LINUX, "MUST NOT", "without it oom_score_adj isn't changed", "oom_score_adj_unset")
policies = ("scheduler_policies", "scheduler_realtime", "scheduler_iso_refused")
sentence(LINUX, "MUST", "the scheduler's policy is required, and one of the list", "scheduler_refused", *policies)
sentence(LINUX, "MUST", "nice is the nice value, 0 by default", "scheduler_nice", "scheduler_nice_default")
sentence(LINUX, "MUST", "priority is the static priority", "scheduler_realtime")
sentence(LINUX, "MUST", "flags are the scheduler's, of the list", "scheduler_flags", "scheduler_refused")
sentence(LINUX, "MUST", "runtime, deadline and period are those of the deadline scheduler", "scheduler_deadline")
sentence(LINUX, "MUST", "selinuxLabel is the process's label", "selinux_label", "selinux_missing")
sentence(LINUX, "MUST", "ioPriority has a class of the list and a priority from 0 to 7", "io_priority_refused")
sentence(LINUX, "MUST", "ioPriority is the I/O priority of the processes", "io_priority")
sentence(
    LINUX, "MUST NOT", "execCPUAffinity isn't applied to the container's first process", "exec_affinity_spares_init"
)
sentence(LINUX, "MUST", "execCPUAffinity has lists of CPUs", "exec_affinity_refused")
EXEC = "exec is none of the specification's operations"
sentence(LINUX, "MUST", "execCPUAffinity is the affinity of what is executed later", untested=EXEC)

USER = "config.md#user"
sentence(USER, "MUST", "uid and gid are the process's ids in the container", "user_ids", "user_required")
sentence(USER, "MUST", "umask is the process's umask", "user_umask")
LOWER = "no keyword; runc, crun and ocipy give 0022, the same whoever calls"
sentence(USER, "SHOULD NOT", "without umask that of the caller isn't changed", untested=LOWER)
sentence(USER, "MUST", "additionalGids are further groups of the process", "user_additional_gids")

sentence("config.md#hostname", "MUST", "hostname is the host name in the container", "hostname")
sentence("config.md#domainname", "MUST", "domainname is the domain name in the container", "domainname")
PLATFORM = "config.md#platform-specific-configuration"
sentence(PLATFORM, "MUST", "windows is set if the target is Windows", untested=OTHERS)

HOOKS = "config.md#posix-platform-hooks"
sentence(HOOKS, "MUST", "a hook's path is required", "hooks_path_required")
sentence(HOOKS, "MUST", "a hook's path is absolute", "hooks_relative_path_refused")
sentence(HOOKS, "MUST", "args and env are the hook's, as execv and environ have them", "hooks_args_and_env")
sentence(HOOKS, "MUST", "a hook is aborted after timeout seconds", "hooks_timeout")
sentence(HOOKS, "MUST", "timeout is greater than zero", "hooks_timeout_refused")
sentence(HOOKS, "MUST", "hooks are called in the listed order", "hooks_in_listed_order")
sentence(HOOKS, "MUST", "the state is passed on stdin", "hooks_get_the_state")
for kind in ("prestart", "createRuntime", "poststart", "poststop"):
    anchor, one = f"config.md#{kind.lower()}", f"namespace_of_{kind}_hooks"
    sentence(anchor, "MUST", f"the path of {kind} hooks is looked up in the runtime namespace", one)
    sentence(anchor, "MUST", f"{kind} hooks run in the runtime namespace", one)
for kind in ("prestart", "createRuntime", "createContainer"):
    says = f"{kind} hooks are called by create, after the environment is made and before the pivot"
    sentence(f"config.md#{kind.lower()}", "MUST", says, "hooks_before_the_pivot")
sentence("config.md#prestart", "MUST", "prestart hooks come before createRuntime hooks", "hooks_before_the_pivot")
CREATE_CONTAINER = "config.md#createcontainer-hooks"
inside = "namespace_of_create_container_hooks"
sentence(CREATE_CONTAINER, "MUST", "they come after the createRuntime hooks", "hooks_before_the_pivot")
sentence(CREATE_CONTAINER, "MUST", "their path is looked up in the runtime namespace", inside)
sentence(CREATE_CONTAINER, "MUST", "they run in the container namespace", inside)
START_CONTAINER = "config.md#startcontainer-hooks"
inside = "namespace_of_start_container_hooks"
sentence(START_CONTAINER, "MUST", "they are called by start, before the program", "start_container_before_program")
sentence(START_CONTAINER, "MUST", "their path is looked up in the container namespace", inside)
sentence(START_CONTAINER, "MUST", "they run in the container namespace", inside)
sentence(
    "config.md#poststart", "MUST", "they are called after the program, before start returns", "poststart_after_program"
)
sentence("config.md#poststop", "MUST", "they are called after the container is deleted", "poststop_after_delete")
sentence("config.md#poststop", "MUST", "they are called before delete returns", "poststop_after_delete")

NOTES = "config.md#annotations"
sentence(NOTES, "MUST", "annotations are a map", "annotations_not_strings")
sentence(NOTES, "MUST", "keys are strings", untested="JSON has no other keys")
sentence(NOTES, "MUST NOT", "a key isn't empty", "annotations_empty_key")
sentence(NOTES, "SHOULD", "keys are named by reverse domains", untested=AUTHOR)
sentence(NOTES, "MUST", "keys of org.opencontainers are used as described", untested=AUTHOR)
sentence(NOTES, "MUST", "org.opencontainers.image.* have values valid for an image", untested=AUTHOR)
sentence(NOTES, "SHOULD", "org.opencontainers.image.* are used as images are converted", untested=AUTHOR)
sentence(NOTES, "SHOULD", "a caller's signal is image.stopSignal", untested="binds the caller, who gives the signal")
sentence(NOTES, "MUST NOT", "reserved keys aren't used", untested="binds later versions of the specification")
sentence(NOTES, "MUST", "unknown keys are treated like unknown properties", "annotations_unknown")
sentence(NOTES, "MUST", "values are strings", "annotations_not_strings")

sentence("config.md#extensibility", "MUST", "unknown properties are ignored, and are no error", "unknown_properties")
VALUES = "config.md#valid-values"
sentence(VALUES, "MUST", "an invalid or unsupported value is an error", "invalid_types", "invalid_values")
