// SPDX-License-Identifier: GPL-2.0-only
/* Reading kernel memory. A failed read leaves zero, which every caller takes for "unknown". */
#pragma once
#include "compat.h"

static __always_inline void *pointer_at(const void *base, long offset)
{
	void *value = 0;

	read_kernel(&value, sizeof(value), base + offset);
	return value;
}

static __always_inline u32 u32_at(const void *base, long offset)
{
	u32 value = 0;

	read_kernel(&value, sizeof(value), base + offset);
	return value;
}

static __always_inline u64 u64_at(const void *base, long offset)
{
	u64 value = 0;

	read_kernel(&value, sizeof(value), base + offset);
	return value;
}

static __always_inline u16 u16_at(const void *base, long offset)
{
	u16 value = 0;

	read_kernel(&value, sizeof(value), base + offset);
	return value;
}
