// SPDX-License-Identifier: GPL-2.0-only
/*
 * connect - a socket was connected to a peer, or could not be.
 *
 * Event     CONNECT; sensor/events/kinds/connect.py lists the fields and their units.
 * Hook      tracepoint inet_sock_set_state to SYN_SENT (4.16): the caller's own
 *           context, whatever call began the handshake. The end of connect tells
 *           how it went, and is the only hook for what is not TCP.
 * Trust     a TCP peer is the kernel's own; after a refused connect the socket
 *           has forgotten it. Others that worked are read from the socket. What
 *           failed before a packet was sent is shown as asked, and flagged.
 * Kernels   every row of kernels/matrix.yaml; below 4.16 the call's end alone,
 *           with what was asked.
 * Cost      two short programs per refused TCP connect; a peer that no rule names
 *           ends at its first byte.
 * Blind to  datagrams sent without connect, io_uring, 32-bit calls.
 */
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define TCP_SYN_SENT 2
#define IPPROTO_TCP 6
#define EINTR 4
#define EINPROGRESS 115
#define ERESTARTSYS 512 /* the kernel's own: the call goes on after the signal, or tells EINTR */
#define ECONNREFUSED 111
#define ETIMEDOUT 110
#define ECONNRESET 104

struct peer {
	u64 address[2]; /* IPv4 as ::ffff:a.b.c.d, network order */
	u32 flags;
	u16 family;
	u16 port;
};

static __always_inline void map_ipv4(u64 *address, u32 ipv4)
{
	address[0] = 0;
	address[1] = (u64)ipv4 << 32 | 0xffff0000u;
}

static __always_inline int is_mapped(const u64 *address)
{
	return !address[0] && (u32)address[1] == 0xffff0000u;
}

/* Which clauses a peer leaves; the address's first byte and the port's low one decide nearly always. */
static __always_inline int keep_peer(struct mask *mask, struct clause_table *table, u32 slot, union key *key, const struct peer *peer)
{
	int mapped = peer->family != AF_UNIX && is_mapped(peer->address);
	u32 family = 0, generation = slot - TABLE_CONNECT * GENERATIONS;
	struct mask *entry = NULL;
	void *trie;

	if (peer->family == AF_UNIX)
		family = 1;
	else if (peer->family == AF_INET6)
		family = mapped ? 4 : 3;
	else if (peer->family == AF_INET)
		family = 2;
	if (!keep(mask, &table->family[family]))
		return 0;
	if (family < 2)
		return 1;
	if (mapped) {
		if (!keep(mask, &table->octet4[peer->address[1] >> 32 & 0xff]))
			return 0;
	} else if (!keep(mask, &table->octet6[peer->address[0] & 0xff])) {
		return 0;
	}
	if (!keep(mask, &table->port_print[peer->port & 0xff]))
		return 0;
	if (both(mask, &table->needs_port)) {
		name_of(key, NAMED_PORT)->name[0] = peer->port & 0xff;
		key->name.name[1] = peer->port >> 8;
		if (!KEEP_NAMED(mask, table, slot, key, port))
			return 0;
	}
	if (!both(mask, &table->needs_address))
		return 1;
	trie = addresses.lookup(&generation);
	if (!trie)
		return 1;
	key->address.bits = 128;
	__builtin_memcpy(key->address.address, peer->address, 16);
	entry = bpf_map_lookup_elem(trie, &key->address);
	return keep(mask, entry ? entry : &table->other_address);
}

static __always_inline void put_peer(struct connect_fields *fields, const struct peer *peer)
{
	fields->family = peer->family;
	fields->dport = peer->port;
	__builtin_memcpy(fields->daddr, peer->address, 16);
}

#ifdef HAVE_SET_STATE
#define STATE(type, field) (*(type *)((ctx) + OFF_tp_inet_sock_set_state__##field))

static __always_inline int in_connect(void)
{
	return (int)u32_at(call_registers(), CALL_NUMBER) == NR_connect;
}

int on_syn_sent(void *ctx)
{
	u64 thread = bpf_get_current_pid_tgid(), local[2] = {};
	struct clause_table *table;
	struct pending pending = {};
	struct peer peer = {};
	struct scratch *s;
	struct mask mask;
	union key key;
	u32 slot = 0;

	if (STATE(int, newstate) != TCP_SYN_SENT)
		return 0;
	table = live_table(TABLE_CONNECT, &slot);
	if (!table)
		return 0;
	peer.family = STATE(u16, family);
	peer.port = STATE(u16, dport);
	if (peer.family == AF_INET) {
		map_ipv4(peer.address, *(u32 *)(ctx + OFF_tp_inet_sock_set_state__daddr));
		map_ipv4(local, *(u32 *)(ctx + OFF_tp_inet_sock_set_state__saddr));
	} else {
		peer.address[0] = *(u64 *)(ctx + OFF_tp_inet_sock_set_state__daddr_v6);
		peer.address[1] = *(u64 *)(ctx + OFF_tp_inet_sock_set_state__daddr_v6 + 8);
		local[0] = *(u64 *)(ctx + OFF_tp_inet_sock_set_state__saddr_v6);
		local[1] = *(u64 *)(ctx + OFF_tp_inet_sock_set_state__saddr_v6 + 8);
	}
	mask.word[0] = table->outcome[0].word[0] | table->outcome[1].word[0];
	mask.word[1] = table->outcome[0].word[1] | table->outcome[1].word[1];
	mask.word[2] = table->outcome[0].word[2] | table->outcome[1].word[2];
	mask.word[3] = table->outcome[0].word[3] | table->outcome[1].word[3];
	if (!keep_peer(&mask, table, slot, &key, &peer) || !keep_who(&mask, table, slot, &key))
		return 0;
	if (!in_connect()) { /* fast open, io_uring: no end will be seen, so it is told now, as under way */
		if (!keep(&mask, &table->outcome[OUTCOME_SUCCEEDED]))
			return 0;
		s = enter(FLOW_CONNECT, EVENT_CONNECT, &mask, table, slot);
		if (!s)
			return 0;
		put_peer(&s->frame.connect.fields, &peer);
		__builtin_memcpy(s->frame.connect.fields.saddr, local, 16);
		s->frame.connect.fields.ret = -EINPROGRESS;
		s->frame.connect.fields.fd = -1;
		s->frame.connect.fields.protocol = STATE(u16, protocol);
		s->frame.connect.fields.sport = STATE(u16, sport);
		return collect(ctx, s, 0);
	}
	pending.succeeded = mask;
	pending.failed = mask;
	keep(&pending.succeeded, &table->outcome[OUTCOME_SUCCEEDED]);
	keep(&pending.failed, &table->outcome[OUTCOME_FAILED]);
	pending.slot = slot;
	pending.generation = table->generation;
	pending.family = peer.family;
	pending.protocol = STATE(u16, protocol);
	pending.dport = peer.port;
	pending.sport = STATE(u16, sport);
	__builtin_memcpy(pending.daddr, peer.address, 16);
	__builtin_memcpy(pending.saddr, local, 16);
	forget_pending(&thread); /* a connect that an io_uring worker or a killed call left */
	count_pending(1);
	if (pendings.update(&thread, &pending)) {
		count_pending(-1);
		count_loss(LOSS_PENDING_FULL);
	}
	return 0;
}

/* The end of a connect whose SYN was a candidate: all that is missing is how it went. */
static __always_inline int end_pending(void *ctx, struct pending *pending, u64 thread, long ret)
{
	u32 slot = pending->slot;
	struct clause_table *table = table_at(slot);
	struct connect_fields *fields;
	struct scratch *s;
	int succeeded = ret >= 0 || ret == -EINPROGRESS;
	struct mask mask = succeeded ? pending->succeeded : pending->failed;
	if (!table || !any(&mask)) {
		forget_pending(&thread);
		return 0;
	}
	s = enter(FLOW_CONNECT, EVENT_CONNECT, &mask, table, slot);
	if (!s) {
		forget_pending(&thread);
		return 0;
	}
	fields = &s->frame.connect.fields;
	s->frame.common.generation = pending->generation;
	fields->sport = pending->sport;
	if (succeeded && !fields->sport) /* the port was chosen after the state was set */
		fields->sport = u16_at(pointer_at(pointer_at(file_of((int)u64_at(call_registers(), ARGUMENT_1)), OFF_file__private_data), OFF_socket__sk),
				       OFF_sock____sk_common__skc_num);
	fields->ret = ret;
	fields->fd = (int)u64_at(call_registers(), ARGUMENT_1);
	fields->family = pending->family;
	fields->protocol = pending->protocol;
	fields->dport = pending->dport;
	__builtin_memcpy(fields->daddr, pending->daddr, 16);
	__builtin_memcpy(fields->saddr, pending->saddr, 16);
	forget_pending(&thread);
	return collect(ctx, s, 0);
}
#endif

/* The peer that a connected socket has. Returns 0 when it is TCP, whose SYN was classified already. */
static __always_inline int peer_of_socket(struct peer *peer, u64 *local, u16 *sport, u16 *protocol, void **sock, long fd)
{
	void *socket = pointer_at(file_of(fd), OFF_file__private_data);
	void *sk = pointer_at(socket, OFF_socket__sk);

	*sock = sk;
	peer->family = u16_at(sk, OFF_sock____sk_common__skc_family);
#ifdef OFF_sock__sk_protocol
	*protocol = u16_at(sk, OFF_sock__sk_protocol);
#endif
	if (peer->family == AF_INET) {
		map_ipv4(peer->address, u32_at(sk, OFF_sock____sk_common__skc_daddr));
		map_ipv4(local, u32_at(sk, OFF_sock____sk_common__skc_rcv_saddr));
	}
#ifdef OFF_sock____sk_common__skc_v6_daddr
	if (peer->family == AF_INET6) {
		read_kernel(peer->address, 16, sk + OFF_sock____sk_common__skc_v6_daddr);
		read_kernel(local, 16, sk + OFF_sock____sk_common__skc_v6_rcv_saddr);
	}
#endif
	peer->port = __builtin_bswap16(u16_at(sk, OFF_sock____sk_common__skc_dport));
	*sport = u16_at(sk, OFF_sock____sk_common__skc_num);
	return 1;
}

/* What the call asked for: the address as the program's memory has it at the call's end. Returns 0 when that cannot be read. */
static __always_inline int peer_as_asked(struct peer *peer, const void *registers)
{
	void *from = (void *)u64_at(registers, ARGUMENT_2);
	u64 sockaddr[4] = {}; /* struct sockaddr_in6 is 28 bytes, in network order */
	u32 bytes = u64_at(registers, ARGUMENT_3);

	peer->flags = FRAME_PEER_UNKNOWN;
	if (bytes > 28)
		bytes = 28;
	if (!bytes || read_user(sockaddr, SIZE(bytes, 31), from)) /* no more than the call read: the page may end there */
		return 0;
	peer->family = sockaddr[0] & 0xffff;
	if (peer->family == AF_INET || peer->family == AF_INET6)
		peer->port = __builtin_bswap16(sockaddr[0] >> 16 & 0xffff);
	if (peer->family == AF_INET) {
		map_ipv4(peer->address, sockaddr[0] >> 32);
	} else if (peer->family == AF_INET6) {
		peer->address[0] = sockaddr[1];
		peer->address[1] = sockaddr[2];
	}
	return 1;
}

int on_connect(void *ctx)
{
	u64 thread = bpf_get_current_pid_tgid(), local[2] = {};
	u32 slot = 0;
	struct clause_table *table = live_table(TABLE_CONNECT, &slot);
	long ret = SYS_exit_ret(ctx);
	int succeeded, known = 1;
	u16 sport = 0, protocol = 0;
	struct connect_fields *fields;
	void *registers, *sk = NULL;
	struct peer peer = {};
	struct scratch *s;
	struct mask mask;
	union key key;

	if (!table)
		return 0;
	if (ret == -ERESTARTSYS || ret == -EINTR) /* a signal ends the wait, never the handshake */
		ret = -EINPROGRESS;
	succeeded = ret >= 0 || ret == -EINPROGRESS;
#ifdef HAVE_SET_STATE
	if (some_pending()) {
		struct pending *pending = pendings.lookup(&thread);

		if (pending)
			return end_pending(ctx, pending, thread, ret);
	}
	/* A SYN was sent, so its peer was classified and no clause was left; for a Unix socket "refused" has no such hook. */
	if (ret == -ETIMEDOUT || ret == -ECONNRESET || ret == -EINPROGRESS)
		return 0;
#endif
	mask = table->outcome[succeeded ? OUTCOME_SUCCEEDED : OUTCOME_FAILED];
#ifdef HAVE_SET_STATE
	if (ret == -ECONNREFUSED && !keep(&mask, &table->family[1]))
		return 0;
#endif
	if (!any(&mask))
		return 0;
	registers = call_registers();
	if (ret >= 0) {
		peer_of_socket(&peer, local, &sport, &protocol, &sk, (int)u64_at(registers, ARGUMENT_1));
#ifdef HAVE_SET_STATE
		if (protocol == IPPROTO_TCP && peer.family != AF_UNIX)
			return 0;
#endif
	} else {
		known = peer_as_asked(&peer, registers);
	}
	if ((known && !keep_peer(&mask, table, slot, &key, &peer)) || !keep_who(&mask, table, slot, &key))
		return 0;
	s = enter(FLOW_CONNECT, EVENT_CONNECT, &mask, table, slot);
	if (!s)
		return 0;
	fields = &s->frame.connect.fields;
	s->frame.common.flags |= peer.flags;
	put_peer(fields, &peer);
	fields->ret = ret;
	fields->fd = (int)u64_at(registers, ARGUMENT_1);
	fields->protocol = protocol;
	fields->sport = sport;
	__builtin_memcpy(fields->saddr, local, 16);
	if (peer.family == AF_UNIX) { /* sun_path as asked, with its NUL: an abstract name begins with one */
		void *path = (void *)u64_at(registers, ARGUMENT_2) + 2;
		u32 where = tail_at(s), bytes = (u32)u64_at(registers, ARGUMENT_3) - 2;

		if (bytes && bytes <= 108 && !read_user(&s->frame.bytes[where], SIZE(bytes, 127), path)) {
			fields->unix_path_at = where;
			fields->unix_path_bytes = bytes;
			s->tail_bytes += bytes;
		}
	}
	return collect(ctx, s, 0);
}
