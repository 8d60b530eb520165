"""The script of ``ocipy bundle --hello``: a container that shows what is its own.

Everything but ``ps`` and ``readlink`` is built into sh, so it runs with busybox as with the host's binaries.
"""

HELLO_HOSTNAME = "hello"

# The programs it uses (all but sh only if they are there), for a root filesystem of the host's binaries.
HELLO_BINARIES = ("sh", "ps", "readlink")

HELLO_SCRIPT = r"""
line() { printf '  %-13s %s\n' "$1" "$2"; }

read -r name </proc/sys/kernel/hostname
echo "Hello from inside a container."
line hostname "$name"

read -r command </proc/1/comm
line 'process 1' "$command (this script is process $$)"

while read -r key real _; do
    case $key in
    Uid:) uid=$real ;;
    Gid:) gid=$real ;;
    CapEff:) capabilities=$real ;;
    NoNewPrivs:) no_new_privileges=$real ;;
    esac
done </proc/self/status
line user "uid $uid, gid $gid"
while read -r inside outside size; do
    if [ "$size" = 4294967295 ]; then
        line 'user ids' "the host's"
    else
        line 'user ids' "$inside here is $outside on the host ($size mapped)"
    fi
done </proc/self/uid_map
line capabilities "$capabilities, no_new_privs $no_new_privileges"

interfaces=
while IFS=: read -r interface rest; do
    case $rest in '' | *'|'*) continue ;; esac
    interfaces="$interfaces ${interface##* }"
done </proc/net/dev
line network "interfaces:${interfaces:- none}"

mounts=0
while read -r _; do mounts=$((mounts + 1)); done </proc/self/mountinfo
line mounts "$mounts"

cgroup=
while IFS=: read -r _ controllers path; do
    case $controllers in
    memory) cgroup="$path (memory)" ;;
    '') cgroup=${cgroup:-$path} ;;
    esac
done </proc/self/cgroup
line cgroup "$cgroup"

if command -v readlink >/dev/null; then
    for namespace in pid mnt net uts ipc user; do
        line "$namespace ns" "$(readlink "/proc/self/ns/$namespace")"
    done
fi
echo
if command -v ps >/dev/null; then
    ps -o pid,user,comm
else
    for process in /proc/[0-9]*; do
        read -r command <"$process/comm" && line "${process#/proc/}" "$command"
    done
fi
""".lstrip()
