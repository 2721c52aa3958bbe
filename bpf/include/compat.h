// SPDX-License-Identifier: GPL-2.0-only
/*
 * What differs between kernels, and nowhere else. Every difference is asked for
 * by facility: sensor/probes/features.py finds it, this file reads its flag.
 */
#pragma once

/*
 * bpf_probe_read_kernel and _user are of 5.5; before, one call read both. Called
 * by number (include/uapi/linux/bpf.h): for each call by name BCC reads all of
 * /proc/kallsyms to see whether the kernel has it, a tenth of a second a call.
 */
#ifdef HAVE_PROBE_READ_KERNEL
static long (*read_kernel_)(void *to, u32 bytes, const void *from) = (void *)113;
static long (*read_kernel_str_)(void *to, u32 bytes, const void *from) = (void *)115;
static long (*read_user_)(void *to, u32 bytes, const void *from) = (void *)112;
static long (*read_user_str_)(void *to, u32 bytes, const void *from) = (void *)114;
#else
static long (*read_kernel_)(void *to, u32 bytes, const void *from) = (void *)4;
static long (*read_kernel_str_)(void *to, u32 bytes, const void *from) = (void *)45;
#define read_user_ read_kernel_
#define read_user_str_ read_kernel_str_
#endif
#define read_kernel(to, bytes, from) read_kernel_(to, bytes, (const void *)(from))
#define read_kernel_str(to, bytes, from) read_kernel_str_(to, bytes, (const void *)(from))
#define read_user(to, bytes, from) read_user_(to, bytes, (const void *)(from))
#define read_user_str(to, bytes, from) read_user_str_(to, bytes, (const void *)(from))

/*
 * A value whose bound clang can prove loses its mask, but the verifier, of 4.14
 * above all, must see it: the empty asm makes clang forget what it knows.
 */
#define OPAQUE(value)                                                                              \
	({                                                                                         \
		u32 opaque_ = (value);                                                             \
		asm volatile("" : "+r"(opaque_));                                                  \
		opaque_;                                                                           \
	})
#define BOUND(value, mask) (OPAQUE(value) & (mask))
/* 4.14 refuses a size that might be 0: the length of something known not to be empty, 1 .. mask + 1. */
#define SIZE(value, mask) (BOUND((value) - 1, mask) + 1)

/* Bounded loops are of 5.3; before, clang must unroll them. */
#ifdef HAVE_BOUNDED_LOOPS
#define LOOP _Pragma("clang loop unroll(disable)")
#define WALK_COMPONENTS 32   /* names a call of the walk takes */
#define CGROUP_COMPONENTS 24 /* nested cgroups: Kubernetes makes 5 */
#define NESTED_CGROUPS 64    /* a container may make as many below its own as it likes: deeper, they draw on the bucket of the unknown */
#define CAN_SCAN 1	     /* a string may be looked through in the kernel */
#else
#define LOOP _Pragma("unroll")
#define WALK_COMPONENTS 10 /* what 4,096 instructions hold with a look-up behind it */
#define CGROUP_COMPONENTS 8
#define NESTED_CGROUPS 8
#define CAN_SCAN 0 /* unrolled, it would not fit: what it would tell stays unknown, which keeps every clause */
#endif

/*
 * The running task. Where the verifier knows its type (5.11 with BTF) a field is
 * one load; the type follows a pointer to a structure, so chains of loads work.
 * The asm keeps both BCC, which would turn a load into a helper call, and clang,
 * which would merge loads, away from it.
 */
#ifdef HAVE_TASK_BTF
static void *(*current_task_btf)(void) = (void *)158; /* bpf_get_current_task_btf, include/uapi/linux/bpf.h */
#define current_task() current_task_btf()
#define task_pointer(base, offset)                                                                 \
	({                                                                                         \
		void *loaded_;                                                                     \
		asm volatile("%0 = *(u64 *)(%1 + %2)" : "=r"(loaded_) : "r"(base), "i"(offset));   \
		loaded_;                                                                           \
	})
#else
#define current_task() ((void *)bpf_get_current_task())
#define task_pointer(base, offset) pointer_at(base, offset)
#endif
