// SPDX-License-Identifier: GPL-2.0-only
/*
 * System call numbers, and where a call's arguments are in the registers it was
 * made with. PT_REGS_AT, the distance of the registers from the stack's base, is
 * given by the agent, which proves it on calls of its own.
 */
#pragma once
#if defined(SCOUT_ARM64)
/* struct user_pt_regs: regs[31], sp, pc, pstate, orig_x0; regs[0] holds the result at a call's end */
#define ARGUMENT_1 (34 * 8)
#define ARGUMENT_2 (1 * 8)
#define ARGUMENT_3 (2 * 8)
#define ARGUMENT_4 (3 * 8)
#define CALL_NUMBER (35 * 8) /* syscallno, s32 */
#define NR_openat 56
#define NR_openat2 437
#define NR_connect 203
#define NR_execveat 281
#define O_DIRECTORY 040000
#define O_LARGEFILE 0400000
#else
/* struct pt_regs, arch/x86/include/asm/ptrace.h: ABI of ptrace(2) and unchanged since 2.6 */
#define ARGUMENT_1 112 /* di */
#define ARGUMENT_2 104 /* si */
#define ARGUMENT_3 96  /* dx */
#define ARGUMENT_4 56  /* r10 */
#define CALL_NUMBER 120 /* orig_ax */
#define NR_open 2
#define NR_connect 42
#define NR_creat 85
#define NR_openat 257
#define NR_execveat 322
#define NR_openat2 437
#define O_DIRECTORY 0200000
#define O_LARGEFILE 0100000
#endif

/* Every sys_exit_* tracepoint has the same record (struct syscall_trace_exit, kernel/trace/trace.h). */
#define SYS_exit_nr(ctx) (*(int *)((ctx) + OFF_tp_sys_exit_openat____syscall_nr))
#define SYS_exit_ret(ctx) (*(long *)((ctx) + OFF_tp_sys_exit_openat__ret))
