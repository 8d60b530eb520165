/*
 * The operations of ocipy-init: the one home of their codes.  ocipy/plan/ops.py declares the same table with the
 * fields each of them carries; tests/unit/plan/test_ops.py holds the two equal.
 */
#ifndef OCIPY_OPS_H
#define OCIPY_OPS_H

#define OCIPY_PLAN_MAGIC 0x5049434fu /* "OCIP", little endian */
#define OCIPY_PLAN_VERSION 1u

/* X(code, C name, name in the plan) */
#define OCIPY_INIT_OPS(X)                          \
  X(1, barrier, "barrier")                         \
  X(2, session, "session")                         \
  X(3, cgroup_namespace, "cgroup-namespace")       \
  X(4, loopback, "loopback")                       \
  X(5, propagation, "propagation")                 \
  X(6, root, "root")                               \
  X(7, mount, "mount")                             \
  X(8, bind, "bind")                               \
  X(9, remount, "remount")                         \
  X(10, directory, "directory")                    \
  X(11, symlink, "symlink")                        \
  X(12, device, "device")                          \
  X(13, hook, "hook")                              \
  X(14, sysctl, "sysctl")                          \
  X(15, mask, "mask")                              \
  X(16, readonly_path, "readonly-path")            \
  X(17, console, "console")                        \
  X(18, stdio_owner, "stdio-owner")                \
  X(19, readonly_root, "readonly-root")            \
  X(20, pivot_root, "pivot-root")                  \
  X(21, move_root, "move-root")                    \
  X(22, chroot, "chroot")                          \
  X(23, root_propagation, "root-propagation")      \
  X(24, hostname, "hostname")                      \
  X(25, domainname, "domainname")                  \
  X(26, keyring, "keyring")                        \
  X(27, no_new_privileges, "no-new-privileges")    \
  X(28, seccomp, "seccomp")                        \
  X(29, bounding_set, "bounding-set")              \
  X(30, umask, "umask")                            \
  X(31, user, "user")                              \
  X(32, capabilities, "capabilities")              \
  X(33, cwd, "cwd")                                \
  X(34, home, "home")                              \
  X(35, find_program, "find-program")              \
  X(36, close_on_exec, "close-on-exec")            \
  X(37, wait_start, "wait-start")                  \
  X(38, exec, "exec")                              \
  X(39, seccomp_notify, "seccomp-notify")          \
  X(40, scheduler, "scheduler")                    \
  X(41, io_priority, "io-priority")                \
  X(42, memory_policy, "memory-policy")            \
  X(43, personality, "personality")                \
  X(44, label, "label")                            \
  X(45, file_label, "file-label")                  \
  X(46, listen_pid, "listen-pid")                  \
  X(47, outlive, "outlive")                        \
  X(48, null_streams, "null-streams")              \
  X(49, enter, "enter")

enum ocipy_op_code {
#define X(code, cname, name) OP_##cname = code,
  OCIPY_INIT_OPS(X)
#undef X
};

/* Flags of an op's header. */
#define OCIPY_OP_FAULT 1u /* tests: fail with the errno in the header in place of doing the work */

/* Messages on the sync socket (SOCK_SEQPACKET); from init: one byte of type, then as said. */
#define OCIPY_MSG_BARRIER 'B' /* u32 index: everything before this op is done */
#define OCIPY_MSG_ERROR 'E'   /* u32 index, u32 errno, text: the op failed, init exits */
#define OCIPY_MSG_WARNING 'W' /* u32 index, u32 errno, text */
#define OCIPY_MSG_LOG 'L'     /* u32 index, u32 0, text: what a hook printed */
#define OCIPY_MSG_PID 'P'     /* u32 pid: of the process that a first child left behind (joined PID namespace) */
#define OCIPY_MSG_AGENT 'A'   /* u32 index: the op wants the seccomp agent: GO, with a connection to it and its state */
#define OCIPY_MSG_TREE 'T'    /* u32 index: the op may not open its source: TREE to init, with a copy of the mount */
#define OCIPY_MSG_GO 'G'      /* to init: go on; it may be TREE in place of it: with mounts to attach, by SCM_RIGHTS */
#define OCIPY_PACKET 4096     /* bytes of the longest */

/* File descriptors init starts with, counted from its first argument, the base: 3 + preserved ones. */
#define OCIPY_FD_SYNC 0
#define OCIPY_FD_PLAN 1
#define OCIPY_FD_LISTEN 2
#define OCIPY_FD_CONSOLE 3
#define OCIPY_FD_JOIN 4 /* and on: the namespaces to join, as the op "enter" has their types */

#endif
