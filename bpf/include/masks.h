// SPDX-License-Identifier: GPL-2.0-only
/* Sets of clauses: 256 bits, and the print of a name (sensor/probes/table_layout.py has the same sums). */
#pragma once
#include "gen_tables.h"

static __always_inline int keep(struct mask *mask, const struct mask *other)
{
	mask->word[0] &= other->word[0];
	mask->word[1] &= other->word[1];
	mask->word[2] &= other->word[2];
	mask->word[3] &= other->word[3];
	return (mask->word[0] | mask->word[1] | mask->word[2] | mask->word[3]) != 0;
}

static __always_inline int any(const struct mask *mask)
{
	return (mask->word[0] | mask->word[1] | mask->word[2] | mask->word[3]) != 0;
}

static __always_inline int both(const struct mask *mask, const struct mask *other)
{
	return ((mask->word[0] & other->word[0]) | (mask->word[1] & other->word[1]) |
		(mask->word[2] & other->word[2]) | (mask->word[3] & other->word[3])) != 0;
}

static __always_inline u32 name_print(u64 first_eight, u32 bytes, u32 bits)
{
	return ((first_eight + bytes * LENGTH_MULTIPLIER) * PRINT_MULTIPLIER) >> (64 - bits);
}

/* The first eight bytes of a name, those behind its end cleared. */
static __always_inline u64 first_eight(u64 word, u32 bytes)
{
	return bytes >= 8 ? word : word & ((1ull << (8 * (bytes & 7))) - 1);
}
