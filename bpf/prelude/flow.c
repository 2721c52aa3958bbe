// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a candidate to a frame: take the scratch, build the paths, gather who it
 * was, send. Each step may be a program of its own, reached by a tail call, so
 * that every one stays within 4,096 instructions. Whoever leaves the chain
 * calls leave(); a chain that is lost is counted.
 */
static __always_inline int leave(struct scratch *s)
{
	s->busy = 0;
	return 0;
}

static __always_inline struct scratch *enter(u32 flow, u32 kind, struct mask *mask, struct clause_table *table, u32 slot)
{
	struct scratch *s = scratch_of(flow);

	if (!s)
		return NULL;
	if (s->busy) {
		count_loss(LOSS_SCRATCH_BUSY);
		return NULL;
	}
	s->busy = bpf_get_current_pid_tgid() | OWNED;
	s->flow = flow;
	__builtin_memset(&s->frame, 0, TAILS_AT);
	s->tail_bytes = 0;
	s->flooded = 0;
	s->slot = slot;
	s->base = *mask;
	s->frame.common.kind = kind;
	s->frame.common.ts_ns = bpf_ktime_get_ns();
	s->frame.common.generation = table->generation;
	return s;
}

/* Programs of a raw tracepoint call stages of their own: an array of programs holds one type. */
static __always_inline int next(void *ctx, struct scratch *s, int raw, u32 stage)
{
#ifdef HAVE_RAW_TRACEPOINT
	if (raw)
		raw_stages.call(ctx, stage);
	else
#endif
		stages.call(ctx, stage);
	count_loss(LOSS_STAGE_MISSING);
	return leave(s);
}

static __always_inline u32 tail_at(struct scratch *s)
{
	return TAILS_AT + BOUND(s->tail_bytes, TAIL_ROOM_BYTES - 1);
}

/* Append the path that was built; its place and length go to *at and *bytes. */
static __always_inline void put_path(struct scratch *s, u16 *at, u16 *bytes)
{
	u32 where = tail_at(s);

	*at = where;
	*bytes = s->used;
	read_kernel(&s->frame.bytes[where], SIZE(s->used, PATH_BYTES - 1), &s->back[path_start(s)]);
	s->tail_bytes += s->used;
}

/*
 * Append a string of user or kernel memory; *flag when it does not fit. Returns 0
 * when it cannot be read. An empty one of user memory is 1 byte read, or 0 on
 * 5.10 (strncpy_from_user_nofault() counts the NUL behind something only).
 */
#define PUT_STRING(s, fields, member, reader, from, room, cut_flag)                                \
	({                                                                                         \
		u32 where_ = tail_at(s);                                                           \
		long read_ = reader(&(s)->frame.bytes[where_], room, from);                        \
		if (read_ > 0) {                                                                   \
			if (read_ >= room)                                                         \
				(s)->frame.common.flags |= cut_flag;                               \
			(fields)->member##_at = where_;                                            \
			(fields)->member##_bytes = read_ - 1;                                      \
			(s)->tail_bytes += read_ - 1;                                              \
		}                                                                                  \
		read_ >= 0;                                                                        \
	})

/*
 * One token of the workload's bucket for the lane, or 0. Two CPUs may read the
 * same state and both be let through: fetch-and-add gives no result before 5.12,
 * and a bucket for each CPU would take seconds to make on large machines. So it
 * may admit a little too much; what it drops is counted exactly.
 */
static __always_inline int spend(struct scratch *s, u64 cgroup, u32 lane)
{
	struct bucket_key key = {.cgroup = cgroup, .lane = lane};
	struct bucket *bucket = buckets.lookup(&key), fresh = {};
	u64 now = s->frame.common.ts_ns, spent;
	struct settings *set;
	int zero = 0;

	set = settings.lookup(&zero);
	if (!set)
		return 1;
	if (!bucket) {
		buckets.update(&key, &fresh);
		bucket = buckets.lookup(&key);
	}
	if (!bucket) { /* every place is being written elsewhere: the one that all of those share */
		key.cgroup = 0;
		bucket = buckets.lookup(&key);
		if (!bucket)
			return 1;
	}
	spent = bucket->spent_ns;
	if (spent + set->bucket_ns[lane & 1] < now)
		spent = now - set->bucket_ns[lane & 1];
	if (spent + set->ns_per_token[lane & 1] <= now) {
		bucket->spent_ns = spent + set->ns_per_token[lane & 1];
		return 1;
	}
	__sync_fetch_and_add(&bucket->dropped, 1);
	count_loss(lane == LANE_RESERVED ? LOSS_BUCKET_RESERVED : LOSS_BUCKET_COMMON);
	if (bucket->told_ns && now - bucket->told_ns < NS_PER_S)
		return 0;
	bucket->told_ns = now;
	s->flooded = 1;
	s->flood_dropped = bucket->dropped;
	s->flood_lane = lane;
	return 1; /* the frame goes on, as the news of the flood */
}

static __always_inline void *ns_root(void)
{
	void *namespace = pointer_at(pointer_at(current_task(), OFF_task_struct__nsproxy), OFF_nsproxy__mnt_ns);

	return pointer_at(namespace, OFF_mnt_namespace__root);
}

static __always_inline int walk_exe(void *ctx, struct scratch *s, int raw)
{
	void *file = pointer_at(pointer_at(current_task(), OFF_task_struct__mm), OFF_mm_struct__exe_file);

	s->walk = WALK_EXE;
	walk_begin(s, pointer_at(file, OFF_file__f_path__dentry), pointer_at(file, OFF_file__f_path__mnt));
	return next(ctx, s, raw, STAGE_WALK);
}

static __always_inline int walk_cwd(void *ctx, struct scratch *s, int raw)
{
	void *fs = pointer_at(current_task(), OFF_task_struct__fs);

	s->walk = WALK_CWD;
	walk_begin(s, pointer_at(fs, OFF_fs_struct__pwd__dentry), pointer_at(fs, OFF_fs_struct__pwd__mnt));
	return next(ctx, s, raw, STAGE_WALK);
}

/* Whose path the act itself is about: then the image is not walked again. */
static __always_inline int is_exec(const struct scratch *s)
{
	return s->flow == FLOW_EXEC || s->flow == FLOW_EXEC_FAILED;
}

/* STAGE_ADMIT: the clauses are known. Choose the lane, take a token, and go on to collect; or it is counted and dropped. */
static __always_inline int admit_stage(void *ctx, int raw)
{
	struct scratch *s = own_scratch();
	struct frame_common *common;
	struct clause_table *table;
	u32 profile, lane;
	u64 cgroup, owner;

	if (!s)
		return 0;
	table = table_at(s->slot);
	if (!table)
		return leave(s);
	profile = workload_of(&cgroup, &owner);
	lane = both(&s->base, &table->reserved) ? LANE_RESERVED : LANE_COMMON;
	common = &s->frame.common;
	common->lane = lane;
	common->cgroup_id = cgroup;
	common->profile = profile;
	if (profile == PROFILE_UNKNOWN)
		common->flags |= FRAME_WORKLOAD_UNKNOWN;
	common->candidates[0] = s->base.word[0];
	common->candidates[1] = s->base.word[1];
	common->candidates[2] = s->base.word[2];
	common->candidates[3] = s->base.word[3];
	if (!spend(s, owner, lane))
		return leave(s);
	return is_exec(s) ? walk_cwd(ctx, s, raw) : walk_exe(ctx, s, raw);
}

/* Candidates without a path to classify go on from here. */
static __always_inline int collect(void *ctx, struct scratch *s, int raw)
{
	s->ns_root = ns_root();
	return next(ctx, s, raw, STAGE_ADMIT);
}

/* Candidates about a file: its path is classified before anything is collected. */
static __always_inline int classify_file(void *ctx, struct scratch *s, void *dentry, void *vfsmount, int raw)
{
	s->ns_root = ns_root();
	s->walk = WALK_ACT;
	s->act_dentry = dentry;
	walk_begin(s, dentry, vfsmount);
	s->act_root = s->mount_root;
	return next(ctx, s, raw, STAGE_WALK);
}

/* A file that has no name any more is not in its directory's hash (d_unhashed(), include/linux/dcache.h); a root never is. */
static __always_inline int is_deleted(const void *dentry)
{
	return pointer_at(dentry, OFF_dentry__d_parent) != dentry && !pointer_at(dentry, OFF_dentry__d_hash__pprev);
}

/* The clauses of *left that the path just built satisfies; one that is cut is unknown. */
static __always_inline void keep_built(struct scratch *s, struct mask *left, struct clause_table *table, u32 cut)
{
	union key key;

	if (!cut && both(left, &table->needs_path))
		keep_path(left, table, s->slot, &key, &s->back[path_start(s)]);
}

/* The act's own path is built: classify it. What a bind mount shows is asked again under the name it has in its file system. */
static __always_inline int act_walked(void *ctx, struct scratch *s, int raw, u32 cut)
{
	struct clause_table *table = table_at(s->slot);
	struct frame_common *common = &s->frame.common;
	int exec = is_exec(s), zero = 0;
	struct settings *set = settings.lookup(&zero);

	if (!table)
		return leave(s);
	if (exec)
		put_path(s, &common->exe_path_at, &common->exe_path_bytes);
	else
		put_path(s, &s->frame.open.fields.path_at, &s->frame.open.fields.path_bytes);
	if (cut)
		common->flags |= exec ? FRAME_EXE_CUT : FRAME_PATH_CUT;
	else if (!s->top_is_root)
		common->flags |= exec ? FRAME_EXE_DETACHED : FRAME_PATH_DETACHED;
	if (is_deleted(s->act_dentry))
		common->flags |= exec ? FRAME_EXE_DELETED : FRAME_PATH_DELETED;
	s->seen = s->base;
	keep_built(s, &s->seen, table, cut);
	if (!cut && s->act_root && (is_mounted_again(s, set ? set->root_device : 0) || pointer_at(s->act_root, OFF_dentry__d_parent) != s->act_root)) {
		s->walk = WALK_FILESYSTEM;
		walk_begin(s, s->act_dentry, NULL);
		return next(ctx, s, raw, STAGE_WALK);
	}
	s->base = s->seen;
	if (!any(&s->base))
		return leave(s);
	return next(ctx, s, raw, STAGE_ADMIT);
}

static __always_inline int filesystem_walked(void *ctx, struct scratch *s, int raw, u32 cut)
{
	struct clause_table *table = table_at(s->slot);
	int exec = is_exec(s);

	if (!table)
		return leave(s);
	if (exec)
		put_path(s, &s->frame.exec.fields.fs_path_at, &s->frame.exec.fields.fs_path_bytes);
	else
		put_path(s, &s->frame.open.fields.fs_path_at, &s->frame.open.fields.fs_path_bytes);
	s->frame.common.flags |= FRAME_FS_PATH;
	if (cut)
		s->frame.common.flags |= exec ? FRAME_EXE_CUT : FRAME_PATH_CUT;
	keep_built(s, &s->base, table, cut);
	s->base.word[0] |= s->seen.word[0];
	s->base.word[1] |= s->seen.word[1];
	s->base.word[2] |= s->seen.word[2];
	s->base.word[3] |= s->seen.word[3];
	if (!any(&s->base))
		return leave(s);
	return next(ctx, s, raw, STAGE_ADMIT);
}

/* STAGE_WALK: as many names as a program may take, then what the path was for. */
static __always_inline int walk_stage(void *ctx, int raw)
{
	struct scratch *s = own_scratch();
	u32 cut = 0, ended = 0, stamped = 0, walk;
	int skip_stamps;

	if (!s)
		return 0;
	walk = s->walk;
	skip_stamps = s->flow == FLOW_OPEN && walk <= WALK_FILESYSTEM;
	LOOP
	for (int i = 0; i < WALK_COMPONENTS; i++) {
		if (walk_step(s, &cut, &stamped, skip_stamps)) {
			ended = 1;
			break;
		}
	}
	if (stamped)
		s->frame.common.flags |= FRAME_PATH_VOLUME_SKIPPED;
	if (!ended) {
		s->rounds += 1;
		if (s->rounds < WALK_ROUNDS)
			return next(ctx, s, raw, STAGE_WALK);
		cut = 1;
	}
	walk_end(s);
	if (walk == WALK_ACT)
		return act_walked(ctx, s, raw, cut);
	if (walk == WALK_FILESYSTEM)
		return filesystem_walked(ctx, s, raw, cut);
	if (walk == WALK_EXE) {
		if (cut)
			s->frame.common.flags |= FRAME_EXE_CUT;
		else if (!s->top_is_root)
			s->frame.common.flags |= FRAME_EXE_DETACHED;
		put_path(s, &s->frame.common.exe_path_at, &s->frame.common.exe_path_bytes);
		return walk_cwd(ctx, s, raw);
	}
	if (cut)
		s->frame.common.flags |= FRAME_CWD_CUT;
	put_path(s, &s->frame.common.cwd_at, &s->frame.common.cwd_bytes);
	return next(ctx, s, raw, STAGE_IDENTITY);
}
