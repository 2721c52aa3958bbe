// SPDX-License-Identifier: GPL-2.0-only
/*
 * Narrowing: each function takes away the clauses that a value does not
 * satisfy and says whether any is left. A value that cannot be had keeps all.
 * A stage that no clause left asks for is skipped; that is the `needs_` masks.
 */
static __always_inline struct clause_table *live_table(u32 kind, u32 *slot)
{
	int zero = 0;
	u32 *generation = live.lookup(&zero);

	if (!generation)
		return NULL;
	*slot = kind * GENERATIONS + *generation;
	return (struct clause_table *)tables.lookup(slot);
}

static __always_inline struct clause_table *table_at(u32 slot)
{
	return (struct clause_table *)tables.lookup(&slot);
}

static __always_inline struct name_key *name_of(union key *key, u32 named)
{
	__builtin_memset(key, 0, sizeof(key->name));
	key->name.named = named;
	return &key->name;
}

/* Two ways out and no NULL in between: 4.14 does not know that a 0 which went over the stack is one. */
static __always_inline int keep_named(struct mask *mask, const struct mask *other, u32 slot, union key *key)
{
	void *inner = names.lookup(&slot);
	struct mask *entry;

	if (!inner)
		return 1;
	entry = bpf_map_lookup_elem(inner, &key->name);
	return keep(mask, entry ? entry : other);
}

#define KEEP_NAMED(mask, table, slot, key, dimension) keep_named(mask, &(table)->other_##dimension, slot, key)

/* The cgroup's id and profile. A nested cgroup belongs to the container above it, whose id is *owner then; 0 when nobody is known. */
static __always_inline u32 workload_of(u64 *cgroup, u64 *owner)
{
	void *node = cgroup_node();
	u64 id = node_id(node);
	u32 *profile;

	*cgroup = id;
	*owner = 0;
	profile = workloads.lookup(&id);
	if (profile) {
		*owner = id;
		return *profile;
	}
	LOOP
	for (int level = 0; level < NESTED_CGROUPS; level++) {
		node = pointer_at(node, OFF_kernfs_node__parent);
		if (!node)
			break;
		id = node_id(node);
		profile = workloads.lookup(&id);
		if (profile && *profile == PROFILE_CONTAINER)
			*owner = id;
		if (profile)
			return *owner ? PROFILE_CONTAINER : PROFILE_UNKNOWN;
	}
	return PROFILE_UNKNOWN;
}

/* A cgroup that is not in the table is unknown here, also a nested one: its clauses stay on until the frame is admitted. */
static __always_inline int keep_profile(struct mask *mask, struct clause_table *table)
{
	u64 cgroup;
	u32 *profile;

	if (!both(mask, &table->needs_profile))
		return 1;
	cgroup = node_id(cgroup_node());
	profile = workloads.lookup(&cgroup);
	return !profile || keep(mask, &table->profile[*profile & 3]);
}

/* The effective user, which is what user.uid is; the frame carries the same. */
static __always_inline int keep_uid(struct mask *mask, struct clause_table *table, u32 slot, union key *key)
{
	u32 uid;

	if (!both(mask, &table->needs_uid))
		return 1;
	uid = u32_at(task_pointer(current_task(), OFF_task_struct__cred), OFF_cred__euid);
	__builtin_memcpy(name_of(key, NAMED_UID)->name, &uid, sizeof(uid));
	return KEEP_NAMED(mask, table, slot, key, uid);
}

/* Names of processes are those of the group leader, also the parent's: a thread cannot rename itself out of a rule. */
static __always_inline int keep_names(struct mask *mask, struct clause_table *table, u32 slot, union key *key)
{
	void *leader = leader_of(current_task());

	if (both(mask, &table->needs_comm)) {
		if (read_kernel_str(name_of(key, NAMED_COMM)->name, COMM_BYTES, leader + OFF_task_struct__comm) > 0 &&
		    !KEEP_NAMED(mask, table, slot, key, comm))
			return 0;
	}
	if (both(mask, &table->needs_pcomm)) {
		void *parent = leader_of(pointer_at(leader, OFF_task_struct__real_parent));

		if (read_kernel_str(name_of(key, NAMED_PCOMM)->name, COMM_BYTES, parent + OFF_task_struct__comm) > 0 &&
		    !KEEP_NAMED(mask, table, slot, key, pcomm))
			return 0;
	}
	return 1;
}

/* The running program by its file's name; one that is a mount's root is called as its mountpoint is, which only the walk knows. */
static __always_inline int keep_exe(struct mask *mask, struct clause_table *table, u32 slot, union key *key)
{
	struct dentry_head head;
	void *file, *dentry;

	if (!both(mask, &table->needs_exe))
		return 1;
	file = pointer_at(task_pointer(current_task(), OFF_task_struct__mm), OFF_mm_struct__exe_file);
	dentry = pointer_at(file, OFF_file__f_path__dentry);
	if (dentry == pointer_at(pointer_at(file, OFF_file__f_path__mnt), OFF_vfsmount__mnt_root) || read_head(&head, dentry) ||
	    HEAD_LEN(&head) >= NAME_ROOM || read_kernel_str(name_of(key, NAMED_EXE)->name, NAME_ROOM, HEAD_NAME(&head)) <= 0)
		return 1;
	return KEEP_NAMED(mask, table, slot, key, exe);
}

static __always_inline int keep_tty(struct mask *mask, struct clause_table *table)
{
	return !both(mask, &table->needs_tty) || keep(mask, &table->tty[has_tty()]);
}

/* An exact name, for the few acts that its print let through; one that does not fit is unknown. */
static __always_inline int keep_leaf(struct mask *mask, struct clause_table *table, u32 slot, union key *key, const void *name, u32 bytes)
{
	if (bytes >= NAME_ROOM || !both(mask, &table->needs_leaf) || read_kernel_str(name_of(key, NAMED_LEAF)->name, NAME_ROOM, name) <= 0)
		return 1;
	return KEEP_NAMED(mask, table, slot, key, leaf);
}

static __always_inline int keep_directory(struct mask *mask, struct clause_table *table, u32 slot, union key *key, const void *name, u32 bytes)
{
	if (bytes >= NAME_ROOM || !both(mask, &table->needs_directory) ||
	    read_kernel_str(name_of(key, NAMED_DIRECTORY)->name, NAME_ROOM, name) <= 0)
		return 1;
	return KEEP_NAMED(mask, table, slot, key, directory);
}

/* The clauses of *left that a path satisfies. */
static __always_inline int keep_path(struct mask *left, struct clause_table *table, u32 slot, union key *key, const char *path)
{
	struct mask *entry = NULL;
	void *trie = paths.lookup(&slot);

	__builtin_memset(key, 0, sizeof(key->path));
	if (!trie || read_kernel_str(key->path.path, PATTERN_ROOM, path) <= 0)
		return 1;
	key->path.bits = PATTERN_ROOM * 8;
	entry = bpf_map_lookup_elem(trie, &key->path);
	return keep(left, entry ? entry : &table->other_path);
}

/* Who acts: the terminal, the workload, the user, the names, the program; before them the agent's own acts but for its canaries. */
static __always_inline int keep_who(struct mask *mask, struct clause_table *table, u32 slot, union key *key)
{
	int zero = 0;
	struct settings *set = settings.lookup(&zero);

	if (set && own_tgid() == set->self_tgid && !keep(mask, &table->self_))
		return 0;
	return keep_tty(mask, table) && keep_profile(mask, table) && keep_uid(mask, table, slot, key) && keep_names(mask, table, slot, key) &&
	       keep_exe(mask, table, slot, key);
}
