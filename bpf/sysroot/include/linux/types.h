// SPDX-License-Identifier: GPL-2.0-only
/*
 * The only types Scout's programs and BCC's own helpers need; kernel structures
 * are reached by offset, so none is declared. The one place for typedefs.
 */
#pragma once

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __s8 s8;
typedef __u8 u8;
typedef __s16 s16;
typedef __u16 u16;
typedef __s32 s32;
typedef __u32 u32;
typedef __s64 s64;
typedef __u64 u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u16 __le16;
typedef __u16 __sum16;
typedef __u32 __wsum;
typedef _Bool bool;
typedef int pid_t;
typedef unsigned long size_t;
typedef long ssize_t;
typedef unsigned long uintptr_t;

#define true 1
#define false 0
#define NULL ((void *)0)
#define PAGE_SIZE 4096
#define __aligned_u64 __u64 __attribute__((aligned(8)))
#define __always_inline inline __attribute__((always_inline))
#if defined(SCOUT_ARM64)
#define bpf_target_arm64
#else
#define bpf_target_x86
#endif
#define bpf_target_defined
