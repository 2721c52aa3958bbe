// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one flow of programs knows between its stages. A flow is a chain of tail
 * calls from one hook. Each flow has a scratch of its own on each CPU, owned by
 * the thread that acts, so a flow that is interrupted by another never finds its
 * frame changed; the stages, which all flows share, find theirs by its owner.
 */
#pragma once
#include "gen_events.h"
#include "gen_tables.h"
#include "limits.h"

enum flow { FLOW_OPEN, FLOW_CONNECT, FLOW_EXEC, FLOW_EXEC_FAILED, FLOW_EXIT, FLOWS };

/* The stages behind an entry; their places in the arrays of programs. */
enum stage { STAGE_WALK, STAGE_ADMIT, STAGE_IDENTITY, STAGE_EMIT, STAGES };

/* A scratch is busy with the thread that owns it. */
#define OWNED (1ull << 63)

/* What the walk builds. ACT and FILESYSTEM are classified, the others only told. */
enum walk { WALK_ACT, WALK_FILESYSTEM, WALK_EXE, WALK_CWD, WALK_DONE };

struct scratch {
	u64 busy; /* OWNED and the owner's pid_tgid, or 0 */
	u32 flow; /* enum flow */
	u32 gap_;
	void *dentry;	  /* the walk's place */
	void *mount;	  /* struct mount, or NULL while walking inside one file system */
	void *mount_root; /* its root's dentry */
	void *ns_root;	  /* struct mount at the top of the task's mount namespace */
	void *act_dentry; /* what the act was about */
	void *act_root;	  /* the root of the mount it was reached through */
	u64 first_sb;	  /* file system of the mount that the walk began in */
	u32 left;	  /* used + 1 when the walk left that mount; 0 before */
	u32 again;	  /* a mount further up is of the same file system */
	u32 walk;	  /* enum walk */
	u32 rounds;	  /* calls this walk has taken */
	u32 used;	  /* bytes of the path built so far */
	u32 top_is_root;
	u32 tail_bytes;	  /* bytes of the frame's tails so far */
	u32 slot;	  /* of the table generation, for look-ups in later stages */
	u32 flooded;	  /* the bucket was empty: this frame becomes the news of it */
	u32 flood_lane;
	u64 flood_dropped;
	struct mask base; /* clauses left */
	struct mask seen; /* clauses the path in the mount namespace left, while the one in the file system is asked */
	char back[BACK_ROOM];
	union {
		struct frame_common common;
		struct open_fields_at {
			u8 common[sizeof(struct frame_common)];
			struct open_fields fields;
		} open;
		struct exec_fields_at {
			u8 common[sizeof(struct frame_common)];
			struct exec_fields fields;
		} exec;
		struct exit_fields_at {
			u8 common[sizeof(struct frame_common)];
			struct exit_fields fields;
		} exit;
		struct connect_fields_at {
			u8 common[sizeof(struct frame_common)];
			struct connect_fields fields;
		} connect;
		struct flood_fields_at {
			u8 common[sizeof(struct frame_common)];
			struct flood_fields fields;
		} flood;
		u8 bytes[TAILS_AT + TAIL_ROOM_BYTES + CMDLINE_BYTES]; /* a bounded write may begin anywhere in the room */
	} frame;
};
