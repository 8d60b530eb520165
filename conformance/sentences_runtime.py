"""The normative sentences of runtime.md, runtime-linux.md, bundle.md and the glossary, in our words."""

from conformance.cases import sentence

HOOK_CASES = {
    "prestart": "failing_prestart_hook",
    "createRuntime": "failing_createRuntime_hook",
    "createContainer": "failing_createContainer_hook",
    "startContainer": "failing_start_container_hook",
    "poststart": "failing_poststart_hook",
}

BUNDLE = "bundle.md#container-format"
sentence(BUNDLE, "MUST", "config.json is in the root of the bundle, under this name", "config_json_required")
sentence(BUNDLE, "MUST", "what a bundle consists of is in one directory", untested="binds who makes the bundle")

JSON = "glossary.md#json"
sentence(JSON, "MUST", "JSON is encoded in UTF-8", "config_not_json")
sentence(JSON, "MUST NOT", "an object has no name twice", "config_duplicate_names")
sentence(JSON, "MUST", "the order of an object's members has no meaning", "config_order")

SCOPE = "runtime.md#scope-of-a-container"
sentence(SCOPE, "MUST", "who creates a container can use the operations on it", "every_operation")

STATE = "runtime.md#state"
sentence(STATE, "MUST", "ociVersion is in the state: the version the state complies with", "state_members")
sentence(STATE, "MUST", "id is in the state", "state_members")
sentence(STATE, "MUST", "the id is unique on the host", "create_twice")
sentence(STATE, "MUST", "status is in the state", "state_members", "state_statuses", "stopped_from_outside")
sentence(STATE, "MUST", "a status of the runtime's own stands for a state that the others don't", "state_shape")
sentence(STATE, "MUST", "pid is in the state while it is created or running: the container process", "state_pid")
sentence(STATE, "MUST", "a hook in the runtime namespace sees the runtime's pid of it", "state_pid_for_runtime_hooks")
sentence(STATE, "MUST", "a hook in the container namespace sees the container's", "state_pid_for_container_hooks")
sentence(STATE, "MUST", "bundle is in the state, an absolute path", "state_members", "state_bundle_absolute")
sentence(STATE, "MUST", "annotations are those of the container", "state_annotations")
sentence(STATE, "MUST", "as JSON, the state adheres to the schema", "state_shape")

LIFE = "runtime.md#lifecycle"
sentence(LIFE, "MUST", "create makes the environment that config.json describes", "create_makes_the_environment")
sentence(LIFE, "MUST", "if it can't, it is an error", "failed_create_leaves_nothing", "create_impossible_mount")
sentence(LIFE, "MUST", "the resources are made by create", "create_makes_the_environment")
sentence(LIFE, "MUST NOT", "create doesn't run the program", "create_runs_nothing")
sentence(LIFE, "MUST NOT", "later changes of config.json don't matter", "config_is_read_once")
for kind, failing in HOOK_CASES.items():
    sentence(LIFE, "MUST", f"{kind} hooks are run", "hooks_in_order", "hooks_see_the_status")
    sentence(LIFE, "MUST", f"a failing {kind} hook is an error, ends the container and goes on at step 12", failing)
sentence(LIFE, "MUST", "the program is run as process says", "start_runs", "process_runs")
sentence(LIFE, "MUST", "the container is destroyed by undoing what create did", "delete_removes")
sentence(LIFE, "MUST", "poststop hooks are run", "hooks_in_order", "failing_createRuntime_hook")
sentence(LIFE, "MUST", "a failing poststop hook is a warning, and the rest goes on", "failing_poststop_hook")

ERRORS = "runtime.md#errors"
undone = ("failed_create_leaves_nothing", "create_impossible_mount", "create_impossible_sysctl")
sentence(ERRORS, "MUST", "an error leaves all as if nothing had been tried", *undone)
sentence("runtime.md#warnings", "MUST", "a warning doesn't change the operation", "failing_poststop_hook")
sentence("runtime.md#operations", "MUST", "the five operations are there", "every_operation")

QUERY = "runtime.md#query-state"
sentence(QUERY, "MUST", "without an id it is an error", "state_without_id")
sentence(QUERY, "MUST", "of a container that doesn't exist it is an error", "state_of_unknown")
sentence(QUERY, "MUST", "it returns the state", "state_members", "state_shape")

CREATE = "runtime.md#create"
sentence(CREATE, "MUST", "without a bundle or an id it is an error", "create_without_arguments")
sentence(CREATE, "MUST", "an id in use is an error, and no container is made", "create_twice")
sentence(CREATE, "MUST", "an invalid id is an error, and no container is made", "create_invalid_id")
sentence(CREATE, "MUST", "it makes a new container", "create_makes_the_environment", "state_members")
sentence(CREATE, "MUST", "all properties but process are applied", "create_makes_the_environment")
sentence(CREATE, "MUST NOT", "process.args is not applied", "create_runs_nothing")
impossible = ("create_impossible_mount", "create_impossible_sysctl", "program_missing")
sentence(CREATE, "MUST", "a property that can't be applied is an error, and no container is made", *impossible)

START = "runtime.md#start"
sentence(START, "MUST", "without an id it is an error", "start_unknown")
sentence(START, "MUST", "unless the container is created it is an error", "start_running", "start_stopped")
sentence(START, "MUST", "unless the container is created it has no effect", "start_running", "start_stopped")
sentence(START, "MUST", "it runs the program as process says", "start_runs")
sentence(START, "MUST", "without process in the config it is an error", "start_without_process")

KILL = "runtime.md#kill"
sentence(KILL, "MUST", "without an id it is an error", "kill_unknown")
sentence(KILL, "MUST", "unless the container is created or running it is an error", "kill_stopped")
sentence(KILL, "MUST", "unless the container is created or running it has no effect", "kill_stopped")
sentence(KILL, "MUST", "it sends the signal to the container process", "kill_signals", "kill_created")

DELETE = "runtime.md#delete"
sentence(DELETE, "MUST", "without an id it is an error", "delete_unknown")
sentence(DELETE, "MUST", "of a running container it is an error", "delete_running")
sentence(DELETE, "MUST", "of a running container it has no effect", "delete_running")
sentence(
    DELETE,
    "MUST",
    "of a created container it is an error and has no effect",
    untested="runc's command line, which the suite speaks, has a delete that kills a created container first: two "
    "operations in one command, and the specification doesn't say what a command line is like",
)
sentence(DELETE, "MUST", "it deletes what create made", "delete_removes", "delete_frees_id")
spared = ("delete_spares_what_others_made", "delete_spares_the_cgroup_of_others")
sentence(DELETE, "MUST NOT", "it doesn't delete what create didn't make", *spared)

sentence("runtime-linux.md#dev-symbolic-links", "MUST", "/dev has the four links to /proc/self/fd", "dev_links")
sentence("runtime-linux.md#file-descriptors", "SHOULD", "only the standard streams are open", "standard_descriptors")
