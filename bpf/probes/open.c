// SPDX-License-Identifier: GPL-2.0-only
/*
 * open - a file was opened, or could not be.
 *
 * Event     OPEN; sensor/events/kinds/open.py lists the fields and their units.
 * Hook      the exits of open, openat, openat2 and creat: system call tracepoints
 *           are ABI in all but name, and no program runs on any other call.
 * Trust     the path is that of the new descriptor's struct file, after the
 *           kernel resolved it. What was asked is read at the end of the call
 *           and is only that: what was asked. A thread that swaps the descriptor
 *           between open and exit can show another file.
 * Kernels   every row of kernels/matrix.yaml.
 * Cost      an open that no rule can match ends after its file's flags and the
 *           print of its name: six reads of kernel memory, no map of names.
 * Blind to  io_uring, 32-bit calls, open_by_handle_at.
 */
#define O_ACCMODE 3
#define O_PATH 010000000
/* f_flags and f_path are near each other, so one read has both; f_path stood in front until 6.x. */
#define MEMBERS_AT (OFF_file__f_flags < OFF_file__f_path__mnt ? OFF_file__f_flags : OFF_file__f_path__mnt)
#define MEMBERS_END (OFF_file__f_flags + 4 > OFF_file__f_path__dentry + 8 ? OFF_file__f_flags + 4 : OFF_file__f_path__dentry + 8)
#define CREATION_BITS(flags)                                                                       \
	(((flags) >> 6 & 1) | ((flags) >> 8 & 2) | ((flags) >> 5 & 4) | ((flags) >> 7 & 8)) /* O_CREAT 0100, O_TRUNC 01000, O_EXCL 0200, O_APPEND 02000 */

struct asked {
	void *path;
	long dirfd;
	u32 flags;
	u32 mode;
};

/* The call's arguments, from the registers it was made with. Returns what is not sure of them, as flags of the frame. */
static __always_inline u32 read_asked(struct asked *asked, int nr)
{
	void *registers = call_registers();
	u64 second = u64_at(registers, ARGUMENT_2), third = u64_at(registers, ARGUMENT_3);
	u64 first = u64_at(registers, ARGUMENT_1);

	asked->dirfd = -100; /* AT_FDCWD */
#ifdef NR_open
	if (nr == NR_open || nr == NR_creat) {
		asked->path = (void *)first;
		asked->flags = nr == NR_creat ? 01101 : second; /* O_CREAT | O_WRONLY | O_TRUNC */
		asked->mode = nr == NR_creat ? second : third;
		return 0;
	}
#endif
	asked->dirfd = (int)first;
	asked->path = (void *)second;
	asked->mode = u64_at(registers, ARGUMENT_4);
	asked->flags = third;
	if (nr == NR_openat2) {
		u64 how[2] = {}; /* struct open_how { u64 flags, mode, resolve; } */

		read_user(how, sizeof(how), third);
		asked->flags = how[0];
		asked->mode = how[1];
		return FRAME_CREATION_UNSURE | FRAME_FLAGS_UNSURE;
	}
	return 0;
}

/* The highest bit of every byte that is zero; of one that is 1 behind a zero, too. */
#define ZERO_BYTES(word) (((word)-0x0101010101010101ull) & ~(word)&0x8080808080808080ull)

/*
 * Whether what was asked, *bytes* at *where* in the frame, may have a ".." in it:
 * two points side by side, eight bytes at a time. It may say yes too often, never
 * no: names with two points count. What an earlier frame left behind does not.
 */
static __always_inline int may_have_dotdot(struct scratch *s, u32 where, u32 bytes)
{
	u64 before = 0, found = 0;

	LOOP
	for (u32 i = 0; i < ASKED_BYTES / 8; i++) {
		u64 differs;

		if (i * 8 >= bytes)
			break;
		differs = first_eight(*(u64 *)&s->frame.bytes[where + i * 8], bytes - i * 8) ^ 0x2e2e2e2e2e2e2e2eull;
		u64 points = ZERO_BYTES(differs);

		found |= points & (points << 8 | before);
		before = points >> 56;
	}
	return found != 0;
}

/*
 * Whether a path that was asked may be another spelling of one that rules name:
 * a slash with a slash, a point (a name that begins with one, too) or nothing
 * behind it. It may say yes too often, never no.
 */
static __always_inline int may_be_respelt(struct scratch *s, u32 where, u32 bytes)
{
	u64 before = 0, found = 0;

	LOOP
	for (u32 i = 0; i < ASKED_BYTES / 8; i++) {
		u64 word, slashes;
		u32 left = bytes - i * 8;

		if (i * 8 >= bytes)
			break;
		word = first_eight(*(u64 *)&s->frame.bytes[where + i * 8], left);
		if (left < 8)
			word |= 0x2e2e2e2e2e2e2e2eull << (8 * (left & 7));
		slashes = ZERO_BYTES(word ^ 0x2f2f2f2f2f2f2f2full);
		found |= ZERO_BYTES((word | 0x0101010101010101ull) ^ 0x2f2f2f2f2f2f2f2full) & (slashes << 8 | before);
		before = slashes >> 56;
	}
	return (found | before) != 0;
}

/* The file that an open reached, as far as it can be seen. */
struct reached {
	void *dentry; /* NULL: there is none, or another thread closed the descriptor before the call's end */
	void *vfsmount;
	void *inode;
	u32 flags;
};

/*
 * Flags that no open file shows as they were asked for: the first are gone, the
 * last is the kernel's own. openat2's lie in memory that another thread may
 * write, or take away, once the call has read them. Of a file that was opened the
 * others are the file's own; these, and all when there is no file, are not sure.
 */
#define NOT_KEPT (02001700 /* O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC, O_CLOEXEC */ | O_LARGEFILE)

static __always_inline int put_open(struct scratch *s, struct mask *mask, struct clause_table *table, int nr, long ret, const struct reached *reached)
{
	struct open_fields *fields = &s->frame.open.fields;
	struct asked asked = {};
	u32 where = tail_at(s), unsure;

	unsure = read_asked(&asked, nr);
	if (unsure && reached->dentry) {
		asked.flags = (asked.flags & NOT_KEPT) | (reached->flags & ~NOT_KEPT);
		unsure = FRAME_CREATION_UNSURE;
	}
	s->frame.common.flags |= unsure;
	fields->ret = ret;
	fields->dirfd = asked.dirfd;
	fields->open_flags = asked.flags;
	fields->open_mode = asked.mode;
	fields->syscall = nr;
	if (!PUT_STRING(s, fields, asked, read_user_str, asked.path, ASKED_BYTES, FRAME_ASKED_CUT))
		s->frame.common.flags |= FRAME_ASKED_FAULTED;
	if (!unsure && both(mask, &table->needs_creation) && !keep(mask, &table->creation[BOUND(CREATION_BITS(asked.flags), 15)]))
		return 0;
	if (CAN_SCAN && both(mask, &table->needs_dotdot) && !(s->frame.common.flags & (FRAME_ASKED_FAULTED | FRAME_ASKED_CUT)) &&
	    !keep(mask, &table->dotdot[may_have_dotdot(s, where, fields->asked_bytes)]))
		return 0;
	return 1;
}

/*
 * The dentry whose name the directory *parent* bears. At the top of a mount that
 * is its mountpoint; where that is not the only name it has (a bind mount shows
 * a directory with a name of its own; another mount lies on the same place) only
 * the walk knows: NULL. The top of the namespace is called "/" and stays.
 */
static __always_inline void *directory_of(void *parent, void *root, void *vfsmount)
{
	u64 above[2] = {}; /* mnt_parent, mnt_mountpoint */
	void *mount = vfsmount - OFF_mount__mnt;

	if (parent != root)
		return parent;
	if (pointer_at(root, OFF_dentry__d_parent) != root)
		return NULL;
	if (read_kernel(above, sizeof(above), mount + OFF_mount__mnt_parent))
		return NULL;
	if ((void *)above[0] == mount)
		return root;
	if (pointer_at((void *)above[0], OFF_mount__mnt + OFF_vfsmount__mnt_root) == (void *)above[1])
		return NULL;
	return (void *)above[1];
}

/*
 * Narrow by the file: flags, the print of its name, its directory's, then the
 * names themselves. Returns 0 when no clause is left.
 */
static __always_inline int keep_file(struct mask *mask, struct clause_table *table, u32 slot, union key *key, long fd, struct reached *reached)
{
	u64 members[(MEMBERS_END - MEMBERS_AT + 7) / 8];
	struct dentry_head head, above;
	void *file = file_of(fd), *dentry, *root, *name, *directory, *upper;
	u64 word = 0;
	u32 bytes;
	int named;

	if (!file || read_kernel(members, sizeof(members), file + MEMBERS_AT))
		return 1;
	reached->flags = *(u32 *)((void *)members + OFF_file__f_flags - MEMBERS_AT);
	reached->vfsmount = *(void **)((void *)members + OFF_file__f_path__mnt - MEMBERS_AT);
	dentry = *(void **)((void *)members + OFF_file__f_path__dentry - MEMBERS_AT);
	if (!keep(mask, &table->access[reached->flags & O_PATH ? 3 : reached->flags & O_ACCMODE])) /* O_PATH opens for neither */
		return 0;
	if (read_head(&head, dentry))
		return 1;
	root = pointer_at(reached->vfsmount, OFF_vfsmount__mnt_root);
	bytes = HEAD_LEN(&head);
	name = HEAD_NAME(&head);
	named = dentry != root; /* a mount's root is called as its mountpoint is, which only the walk knows */
	if (named && read_word(&word, &head, dentry) &&
	    !keep(mask, &table->leaf_print[name_print(first_eight(word, bytes), bytes, LEAF_PRINT_BITS)]))
		return 0;
	directory = dentry != root && both(mask, &table->needs_directory) ? directory_of(HEAD_PARENT(&head), root, reached->vfsmount) : NULL;
	if (directory && !read_head(&above, directory) && read_word(&word, &above, directory) &&
	    !may_be_stamp(word, HEAD_LEN(&above))) {
		bytes = HEAD_LEN(&above);
		if (!keep(mask, &table->directory_print[name_print(first_eight(word, bytes), bytes, DIRECTORY_PRINT_BITS)]))
			return 0;
		if (!keep_directory(mask, table, slot, key, HEAD_NAME(&above), bytes))
			return 0;
		upper = HEAD_PARENT(&above);
		/* not across a mount, whose top has other names as well, and not for a volume's timestamp, which paths leave out */
		if (both(mask, &table->needs_above) && HEAD_PARENT(&head) != root && upper != root && !read_head(&above, upper) &&
		    read_word(&word, &above, upper) && !may_be_stamp(word, HEAD_LEN(&above))) {
			bytes = HEAD_LEN(&above);
			if (!keep(mask, &table->above_print[name_print(first_eight(word, bytes), bytes, ABOVE_PRINT_BITS)]))
				return 0;
		}
	}
	if (named && !keep_leaf(mask, table, slot, key, name, HEAD_LEN(&head)))
		return 0;
	reached->dentry = dentry;
	reached->inode = pointer_at(file, OFF_file__f_inode);
	return 1;
}

int on_open(void *ctx)
{
	u32 slot = 0, where;
	struct clause_table *table = live_table(TABLE_OPEN, &slot);
	long ret = SYS_exit_ret(ctx);
	struct reached reached = {};
	struct scratch *s;
	struct mask mask;
	union key key;

	if (!table)
		return 0;
	mask = table->outcome[ret < 0 ? OUTCOME_FAILED : OUTCOME_SUCCEEDED];
	if (ret >= 0 ? !keep_file(&mask, table, slot, &key, ret, &reached) : !any(&mask))
		return 0;
	if (!keep_who(&mask, table, slot, &key))
		return 0;
	s = enter(FLOW_OPEN, EVENT_OPEN, &mask, table, slot);
	if (!s)
		return 0;
	where = tail_at(s);
	if (!put_open(s, &mask, table, SYS_exit_nr(ctx), ret, &reached))
		return leave(s);
	s->base = mask;
	if (reached.dentry) {
		s->frame.open.fields.file_flags = reached.flags;
		s->frame.open.fields.inode = u64_at(reached.inode, OFF_inode__i_ino);
		return classify_file(ctx, s, reached.dentry, reached.vfsmount, 0);
	}
	if (ret >= 0) /* it worked, on a file that is gone again: its path is unknown */
		s->frame.common.flags |= FRAME_PATH_CUT;
	else if (CAN_SCAN && both(&mask, &table->needs_path) && !(s->frame.common.flags & (FRAME_ASKED_FAULTED | FRAME_ASKED_CUT)) &&
		 s->frame.bytes[where] == '/' && !may_be_respelt(s, where, s->frame.open.fields.asked_bytes) &&
		 !keep_path(&s->base, table, slot, &key, (void *)&s->frame.bytes[where]))
		return leave(s); /* a failed open has no file: what was asked is classified, when it is a plain absolute path */
	return collect(ctx, s, 0);
}
