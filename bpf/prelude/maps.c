// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every map. The agent finds them by name (sensor/probes/tables.py, stream.py).
 *
 * Tables come in generations: one slot is live, and a table is never written
 * while its slot is. Tries and hashes are inner maps, made fresh for each
 * generation; 4.14 can neither delete from a trie nor resize one.
 */
struct name_key {
	u32 named; /* NAMED_... */
	char name[NAME_ROOM];
};

struct path_key {
	u32 bits;
	char path[PATTERN_ROOM];
};

struct address_key {
	u32 bits;
	u8 address[16]; /* IPv4 as ::ffff:a.b.c.d */
};

/* A look-up's key lies on the stack (4.14 wants it there): one place for whichever is looked up next. */
union key {
	struct name_key name;
	struct path_key path;
	struct address_key address;
};

struct bucket_key {
	u64 cgroup;
	u32 lane;
	u32 gap_;
};

struct bucket {
	u64 spent_ns; /* time whose tokens are spent: the bucket is empty when it reaches now */
	u64 dropped;
	u64 told_ns;
	u64 gap_;
};

struct settings {
	u32 self_tgid; /* the agent: its own acts are told only as canaries */
	u32 tell_exits;
	u64 ns_per_token[2];  /* by lane */
	u64 bucket_ns[2];     /* by lane: tokens a full bucket holds, as time */
	u32 root_device;      /* the node's root file system, major << 20 | minor; 0 when not known */
	u32 gap_;
};

/* A connect between the kernel's SYN and the call's end. */
struct pending {
	struct mask succeeded;
	struct mask failed;
	u32 generation;
	u32 slot;
	u32 flags;
	u16 family;
	u16 protocol;
	u16 dport;
	u16 sport;
	u8 daddr[16];
	u8 saddr[16];
};

/* BCC writes code to print and scan every member of a map's value: half a second for 2,000 masks, nothing for text. */
struct table_bytes {
	char bytes[sizeof(struct clause_table)];
};

BPF_ARRAY(live, u32, 1);
BPF_ARRAY(tables, struct table_bytes, TABLES);

BPF_F_TABLE("hash", struct name_key, struct mask, names_shape, NAMES_MAX, 0);
BPF_ARRAY_OF_MAPS(names, "names_shape", TABLES);
BPF_F_TABLE("lpm_trie", struct path_key, struct mask, paths_shape, PATHS_MAX, BPF_F_NO_PREALLOC);
BPF_ARRAY_OF_MAPS(paths, "paths_shape", TABLES);
BPF_F_TABLE("lpm_trie", struct address_key, struct mask, addresses_shape, PATHS_MAX, BPF_F_NO_PREALLOC);
BPF_ARRAY_OF_MAPS(addresses, "addresses_shape", GENERATIONS);

BPF_TABLE("hash", u64, u32, workloads, WORKLOADS_MAX);
BPF_TABLE("lru_hash", struct bucket_key, struct bucket, buckets, BUCKETS_MAX); /* cgroups come and go, nobody clears up behind them */
BPF_ARRAY(settings, struct settings, 1);
BPF_PERCPU_ARRAY(losses, u64, LOSSES);
BPF_PERCPU_ARRAY(sent, u64, 16); /* frames handed to the transport, by kind and lane: kind * 2 + lane */
BPF_TABLE("lru_hash", u32, u64, tracked, TRACKED_MAX);
BPF_TABLE("hash", u64, struct pending, pendings, PENDING_MAX);
BPF_ARRAY(pending_count, u64, 1); /* never less than there are entries in pendings: a look-up saved when it is 0 */
BPF_PERCPU_ARRAY(scratches, struct scratch, FLOWS);
BPF_PROG_ARRAY(stages, STAGES);
#ifdef HAVE_RAW_TRACEPOINT
BPF_PROG_ARRAY(raw_stages, STAGES); /* an array of programs holds one type of program */
#endif

static __always_inline void count_loss(int reason)
{
	u64 *n = losses.lookup(&reason);

	if (n)
		*n += 1;
}

/* The key is a copy: a variable whose address was taken is no constant to clang any more. */
static __always_inline struct scratch *scratch_of(u32 flow)
{
	u32 key = flow;

	return scratches.lookup(&key);
}

/* The scratch that the running thread owns on this CPU: a thread is in one flow at a time. */
static __always_inline struct scratch *own_scratch(void)
{
	u64 owner = bpf_get_current_pid_tgid() | OWNED;

#pragma unroll
	for (u32 flow = 0; flow < FLOWS; flow++) {
		struct scratch *s = scratch_of(flow);

		if (s && s->busy == owner)
			return s;
	}
	count_loss(LOSS_STAGE_MISSING);
	return NULL;
}

static __always_inline void count_pending(int by)
{
	int zero = 0;
	u64 *n = pending_count.lookup(&zero);

	if (n)
		__sync_fetch_and_add(n, (u64)(long)by);
}

static __always_inline int some_pending(void)
{
	int zero = 0;
	u64 *n = pending_count.lookup(&zero);

	return n && *n;
}

/* Remembered before it is there, forgotten after it is gone, so that the count is never too small. */
static __always_inline void forget_pending(u64 *thread)
{
	if (!pendings.delete(thread))
		count_pending(-1);
}
