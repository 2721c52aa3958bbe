// SPDX-License-Identifier: GPL-2.0-only
/*
 * The path of a dentry, built from its end: names up to the mount's root, over
 * to the mountpoint, and on to the top of the mount tree. Symlinks, "..", a
 * dirfd and chroot are already resolved in what the kernel opened.
 *
 * Concurrent renames can mix old and new names; d_path(9) takes rename_lock for
 * that, which a probe cannot. Each name is read once.
 */
#pragma once
#include "read.h"
#include "scratch.h"

/*
 * d_hash.pprev .. d_name.name are neighbours in every kernel since 4.14, and so
 * is the place where a short name lies: one read, which nearly always has the
 * name's first bytes as well.
 */
#define HEAD_FROM OFF_dentry__d_hash__pprev
#ifdef OFF_dentry__d_iname
#define HEAD_BYTES (OFF_dentry__d_iname + 8 - HEAD_FROM)
#else
#define HEAD_BYTES (OFF_dentry__d_name__name + 8 - HEAD_FROM)
#endif
struct dentry_head {
	union {
		u8 bytes[HEAD_BYTES];
		u64 aligned[(HEAD_BYTES + 7) / 8];
	};
};
#define HEAD_FIELD(head, type, offset) (*(type *)&(head)->bytes[(offset)-HEAD_FROM])
#define HEAD_PPREV(head) HEAD_FIELD(head, u64, OFF_dentry__d_hash__pprev)
#define HEAD_PARENT(head) HEAD_FIELD(head, void *, OFF_dentry__d_parent)
#define HEAD_LEN(head) HEAD_FIELD(head, u32, OFF_dentry__d_name__len)
#define HEAD_NAME(head) HEAD_FIELD(head, void *, OFF_dentry__d_name__name)

static __always_inline int read_head(struct dentry_head *head, const void *dentry)
{
	return read_kernel(head->bytes, HEAD_BYTES, dentry + HEAD_FROM);
}

/* The first eight bytes of the name; 0 when they cannot be had. */
static __always_inline int read_word(u64 *word, struct dentry_head *head, const void *dentry)
{
#ifdef OFF_dentry__d_iname
	if (HEAD_NAME(head) == dentry + OFF_dentry__d_iname) {
		*word = HEAD_FIELD(head, u64, OFF_dentry__d_iname);
		return 1;
	}
#endif
	return !read_kernel(word, sizeof(*word), HEAD_NAME(head));
}

/* Where the path built so far begins in s->back; never empty once walk_end() was called. */
static __always_inline u32 path_start(const struct scratch *s)
{
	return BOUND(PATH_BYTES - s->used, PATH_BYTES - 1);
}

static __always_inline void walk_begin(struct scratch *s, void *dentry, void *vfsmount)
{
	u64 of_mount[2] = {}; /* mnt_root, mnt_sb: neighbours */

	s->used = 0;
	s->rounds = 0;
	s->top_is_root = 0;
	s->left = 0;
	s->again = 0;
	s->dentry = dentry;
	s->mount = NULL;
	if (vfsmount) {
		s->mount = vfsmount - OFF_mount__mnt;
		read_kernel(of_mount, sizeof(of_mount), vfsmount + OFF_vfsmount__mnt_root);
	}
	s->mount_root = (void *)of_mount[0];
	s->first_sb = of_mount[1];
}

/*
 * Whether the file's path in its file system is another one, though its mount shows
 * that from the root: names came after the mount was left. That says something
 * where the file system is mounted further up, too (mount --bind / /mnt, and chroot
 * into it), and where it is the node's root (a container that has / as a volume).
 */
static __always_inline int is_mounted_again(const struct scratch *s, u32 root_device)
{
	if (!s->left || s->used < s->left)
		return 0;
#ifdef OFF_super_block__s_dev
	if (root_device && u32_at((void *)s->first_sb, OFF_super_block__s_dev) == root_device)
		return 1;
#endif
	return s->again;
}

static __always_inline void walk_end(struct scratch *s)
{
	if (s->used)
		return;
	s->back[PATH_BYTES - 1] = '/';
	s->used = 1;
}

/*
 * Whether the name at *name* is a directory that the kubelet made for a volume's
 * content, exactly "..YYYY_MM_DD_hh_mm_ss.N" (pkg/volume/util/atomic_writer.go,
 * newTimestampDir). Digits are tested eight characters at a time.
 */
#define DIGITS_AND_POINTS(word, mask, rest)                                                        \
	((((word)&0xf0f0f0f0f0f0f0f0ull & (mask)) == (0x3030303030303030ull & (mask))) &&              \
	 ((((word) + 0x0606060606060606ull) & 0xf0f0f0f0f0f0f0f0ull & (mask)) ==                          \
	  (0x3030303030303030ull & (mask))) &&                                                          \
	 (((word) & ~(mask)) == (rest)))

#define STAMP_BYTES 23 /* the shortest */

/* Whether a name that begins with *word* could be such a directory: then the walk will skip it, and it names nothing. */
static __always_inline int may_be_stamp(u64 word, u32 bytes)
{
	return bytes >= STAMP_BYTES && (word & 0xffff) == 0x2e2e;
}

#define FIRST(bytes) ((bytes) >= 8 ? ~0ull : (1ull << (8 * (bytes))) - 1)

static __always_inline int is_volume_stamp(const void *name, u32 bytes)
{
	u64 word[4] = {};
	u64 more;

	if (bytes < STAMP_BYTES || bytes > 32)
		return 0;
	if (read_kernel(word, sizeof(word), name))
		return 0;
	/* "..YYYY_M" "M_DD_hh_" "mm_ss.N", then up to nine digits; little-endian */
	if (bytes == 23)
		word[2] &= 0x00ffffffffffffffull;
	more = bytes > 24 ? FIRST(bytes - 24) : 0;
	return DIGITS_AND_POINTS(word[0], 0xff00ffffffff0000ull, 0x005f000000002e2eull) &&
	       DIGITS_AND_POINTS(word[1], 0x00ffff00ffff00ffull, 0x5f00005f00005f00ull) &&
	       DIGITS_AND_POINTS(word[2], bytes == 23 ? 0x00ff00ffff00ffffull : 0xffff00ffff00ffffull,
				 0x00002e00005f0000ull) &&
	       DIGITS_AND_POINTS(word[3] & more, more, 0ull);
}

_Static_assert(OFF_mount__mnt_mountpoint == OFF_mount__mnt_parent + 8, "mount.mnt_mountpoint is not behind mount.mnt_parent: they are read together");

/*
 * One step up. Returns 0 to go on, 1 at the end. What is known of the end:
 * s->top_is_root, or PATH_CUT in *cut.
 */
static __always_inline int walk_step(struct scratch *s, u32 *cut, u32 *stamped, int skip_stamps)
{
	struct dentry_head head;
	void *dentry = s->dentry, *parent, *name;
	u32 used = s->used, bytes, start;

	if (read_head(&head, dentry)) {
		*cut = 1;
		return 1;
	}
	parent = HEAD_PARENT(&head);
	if (s->mount && dentry == s->mount_root) {
		u64 above[2] = {}; /* mnt_parent, mnt_mountpoint: neighbours */

		read_kernel(above, sizeof(above), s->mount + OFF_mount__mnt_parent);
		if (!above[0] || (void *)above[0] == s->mount) {
			s->top_is_root = s->mount == s->ns_root;
			return 1;
		}
		if (!s->left)
			s->left = used + 1;
		s->mount = (void *)above[0];
		s->dentry = (void *)above[1];
		above[0] = above[1] = 0;
		read_kernel(above, sizeof(above), s->mount + OFF_mount__mnt + OFF_vfsmount__mnt_root); /* mnt_root, mnt_sb */
		s->mount_root = (void *)above[0];
		if (above[1] == s->first_sb)
			s->again = 1;
		return 0;
	}
	bytes = HEAD_LEN(&head);
	name = HEAD_NAME(&head);
	if (parent == dentry && bytes <= 1) /* the file system's root, yet not this mount's: cut loose, or walking inside one file system */
		return 1;
	s->dentry = parent;
	if (skip_stamps && used && is_volume_stamp(name, bytes)) { /* what was opened keeps its own name: anybody can call a file so */
		*stamped = 1;
		return 0;
	}
	if (!bytes || bytes > NAME_MASK || used + bytes + 1 > PATH_BYTES - 1) {
		*cut = 1;
		return 1;
	}
	used += bytes + 1;
	start = BOUND(PATH_BYTES - used, PATH_BYTES - 1);
	s->back[start] = '/';
	read_kernel(&s->back[start + 1], SIZE(bytes, NAME_MASK), name);
	s->used = used;
	return parent == dentry; /* a memory file: a name of its own, below nothing */
}
