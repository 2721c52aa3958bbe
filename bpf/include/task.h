// SPDX-License-Identifier: GPL-2.0-only
/* The running task: the few fields that decide early, read as cheaply as the kernel allows. */
#pragma once
#include "read.h"

/* Places in signal_struct.pids; enum pid_type, include/linux/pid.h, since 4.19 (PID, TGID, PGID, SID). */
#define PIDTYPE_PGID 2
#define PIDTYPE_SID 3
/* Before 4.19 task_struct.pids was an array of struct pid_link { hlist_node (16 bytes); struct pid *pid }: PID, PGID, SID. */
#define PID_LINK_BYTES 24
#define PID_LINK_PID 16
#define OLD_PIDTYPE_PGID 1
#define OLD_PIDTYPE_SID 2
/* struct upid { int nr; struct pid_namespace *ns; }; 4.14 has a struct hlist_node behind */
#ifdef OFF_upid__pid_chain
#define UPID_BYTES 32
#else
#define UPID_BYTES 16
#endif
#define UPID_NS 8

static __always_inline u32 own_tgid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

static __always_inline void *leader_of(const void *task)
{
	return pointer_at(task, OFF_task_struct__group_leader);
}

/* The running task's open file of descriptor *fd*. */
static __always_inline void *file_of(long fd)
{
	void *files = task_pointer(current_task(), OFF_task_struct__files);
	void *table = task_pointer(files, OFF_files_struct__fdt);
	void *list = task_pointer(table, OFF_fdtable__fd);

	return pointer_at(list, fd * sizeof(void *));
}

/* The kernfs node of the cgroup that names the workload: a v1 controller's where there is one, else v2's. */
static __always_inline void *cgroup_node(void)
{
	void *set = task_pointer(current_task(), OFF_task_struct__cgroups);
#ifdef CGROUP_SUBSYS
	void *state = task_pointer(set, OFF_css_set__subsys + CGROUP_SUBSYS * 8);
	void *cgroup = task_pointer(state, OFF_cgroup_subsys_state__cgroup);
#else
	void *cgroup = task_pointer(set, OFF_css_set__dfl_cgrp);
#endif
	return task_pointer(cgroup, OFF_cgroup__kn);
}

/* Below 5.5 the id is a union whose first half is the inode number (CGROUP_ID_MASK says which). */
static __always_inline u64 node_id(const void *node)
{
	return u64_at(node, OFF_kernfs_node__id) & CGROUP_ID_MASK;
}

/* The registers the running task entered its system call with lie at the top of its kernel stack. */
static __always_inline void *call_registers(void)
{
	return pointer_at(current_task(), OFF_task_struct__stack) + PT_REGS_AT;
}

static __always_inline int has_tty(void)
{
	return pointer_at(pointer_at(current_task(), OFF_task_struct__signal), OFF_signal_struct__tty) != NULL;
}

static __always_inline u32 major_minor(const void *tty)
{
	void *driver = pointer_at(tty, OFF_tty_struct__driver);

	if (!tty)
		return 0;
	return u32_at(driver, OFF_tty_driver__major) << 20 |
	       (u32_at(driver, OFF_tty_driver__minor_start) + u32_at(tty, OFF_tty_struct__index));
}

/* Process id in the initial namespace of a struct pid. */
static __always_inline u32 pid_number(const void *pid)
{
	return pid ? u32_at(pid, OFF_pid__numbers) : 0;
}

/* The struct pid of a process's group and session, by the process's first thread. */
#ifdef OFF_signal_struct__pids
#define group_of(leader) pointer_at(pointer_at(leader, OFF_task_struct__signal), OFF_signal_struct__pids + PIDTYPE_PGID * 8)
#define session_of(leader) pointer_at(pointer_at(leader, OFF_task_struct__signal), OFF_signal_struct__pids + PIDTYPE_SID * 8)
#else
#define group_of(leader) pointer_at(leader, OFF_task_struct__pids + OLD_PIDTYPE_PGID * PID_LINK_BYTES + PID_LINK_PID)
#define session_of(leader) pointer_at(leader, OFF_task_struct__pids + OLD_PIDTYPE_SID * PID_LINK_BYTES + PID_LINK_PID)
#endif
