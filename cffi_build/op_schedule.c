/* How the process is run: by which scheduler, with which I/O priority, on memory of which nodes, as which personality. */
#include <errno.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"

/* linux/ioprio.h, which the kernel's headers have since Linux 5.15 only. */
#define IO_OF_GROUP 2
#define IO_CLASS_SHIFT 13
#define NO_CLAMP UINT32_MAX /* "the system's default" (sched_setattr(2), since Linux 5.11) */

/* struct sched_attr of linux/sched/types.h, which can't be included beside the C library's sched.h. */
struct schedule {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
  uint32_t util_min, util_max;
};

int op_scheduler(struct init *init, struct reader *in) {
  struct schedule attr = {.size = sizeof attr, .util_min = NO_CLAMP, .util_max = NO_CLAMP};
  attr.policy = (uint32_t)read_number(in);
  attr.flags = read_number(in);
  attr.nice = (int32_t)read_number(in);
  attr.priority = (uint32_t)read_number(in);
  attr.runtime = read_number(in);
  attr.deadline = read_number(in);
  attr.period = read_number(in);
  if (syscall(SYS_sched_setattr, 0, &attr, 0) < 0) return failed(init, "sched_setattr", "");
  return 0;
}

int op_io_priority(struct init *init, struct reader *in) {
  int class = (int)read_number(in);
  int priority = (int)read_number(in);
  if (syscall(SYS_ioprio_set, IO_OF_GROUP, 0, class << IO_CLASS_SHIFT | priority) < 0)
    return failed(init, "ioprio_set", "");
  return 0;
}

int op_memory_policy(struct init *init, struct reader *in) {
  uint64_t mode = read_number(in);
  struct bytes nodes = read_bytes(in);
  unsigned long mask[1024 / (8 * sizeof(unsigned long))] = {0};
  if (nodes.length > sizeof mask) return fail(init, EINVAL, "set_mempolicy", "");
  memcpy(mask, nodes.data ? nodes.data : (const unsigned char *)"", nodes.length);
  /* The kernel takes one bit less than it is told (get_nodes in mm/mempolicy.c). */
  unsigned long bits = nodes.length ? 8 * nodes.length + 1 : 0;
  if (syscall(SYS_set_mempolicy, (int)mode, bits ? mask : NULL, bits) < 0) return failed(init, "set_mempolicy", "");
  return 0;
}

int op_personality(struct init *init, struct reader *in) {
  unsigned long domain = (unsigned long)read_number(in);
  if (personality(domain) < 0) return failed(init, "personality", "");
  return 0;
}
