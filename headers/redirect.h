/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The body that both programs share: keep, cut, stamp, redirect.
 *
 * The settings are constants by the time the verifier sees them, which removes
 * what is not asked for: without settings the program is one redirect and one
 * counter. */
#ifndef XCAPA_REDIRECT_H
#define XCAPA_REDIRECT_H

#include "parse.h"
#include "xcapa.h"

enum xcapa_stamp {
	XCAPA_STAMP_NONE = 0,     /* no metadata area at all */
	XCAPA_STAMP_SEQUENCE = 1, /* timestamp 0, unless the NIC gives one */
	XCAPA_STAMP_CLOCK = 2,    /* timestamp from CLOCK_TAI */
};

/* Set from Go before load. */
volatile const __u32 stamp;       /* enum xcapa_stamp */
volatile const bool nic_time;     /* prefer the NIC's timestamp where there is one */
volatile const __u32 clock_share; /* frames that take over a reading of the clock, at most */
volatile const __u32 snap_length; /* bytes to keep of a frame; 0: all */
volatile const bool headers_only; /* cut behind the headers */
volatile const bool keep_arp;     /* pass to the host: ARP */
volatile const bool keep_nd;      /* ICMPv6 133-137: neighbour discovery, RFC 4861 4 */
volatile const __u32 keep_port_count;
volatile const __u16 keep_ports[XCAPA_MAX_KEEP_PORTS]; /* TCP and UDP, either port, host byte order */

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, XCAPA_MAX_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, XCAPA_COUNTERS);
	__type(key, enum xcapa_counter);
	__type(value, __u64);
} counters SEC(".maps");

/* A queue is served by one core at a time: each has a cache line of its own. */
struct xcapa_queue {
	__u64 sequence; /* of the next frame */
	__u64 padding[7];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XCAPA_MAX_QUEUES);
	__type(key, __u32);
	__type(value, struct xcapa_queue);
} sequence SEC(".maps");

/* The core's last reading of the clock, and how many frames may still take it
 * over. */
struct xcapa_reading {
	__u64 time; /* ns, CLOCK_TAI */
	__u64 left;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xcapa_reading);
} reading SEC(".maps");

/* Never used: they put these types into the BTF that the Go types come from. */
const struct xcapa_meta *type_meta __attribute__((unused));
const enum xcapa_meta_flags *type_meta_flags __attribute__((unused));

static __always_inline int count(enum xcapa_counter which, int verdict)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &which);

	if (value)
		*value += 1;
	return verdict;
}

/* xsk_poll_end runs at the end of every NAPI poll on the core, softirq, threaded
 * or busy: what comes next may come after a silence, and reads the clock. */
SEC("raw_tracepoint/napi_poll")
int xsk_poll_end(void *ctx)
{
	__u32 first = 0;
	struct xcapa_reading *r = bpf_map_lookup_elem(&reading, &first);

	(void)ctx;
	if (r)
		r->left = 0;
	return 0;
}

/* now is CLOCK_TAI in ns, as the core read it for this frame or for one a few
 * frames before it in the same poll: within a poll nothing waits, so the reading
 * is as old as it took to work through those, and no older. The instruction that
 * reads the time waits for all before it, which costs several times what the
 * rest of the program does. */
static __always_inline __u64 now(void)
{
	__u32 first = 0;
	struct xcapa_reading *r;

	if (!clock_share)
		return bpf_ktime_get_tai_ns();
	r = bpf_map_lookup_elem(&reading, &first);
	if (!r) /* there always is one; the verifier cannot know */
		return bpf_ktime_get_tai_ns();
	if (r->left) {
		r->left--;
		return r->time;
	}
	r->time = bpf_ktime_get_tai_ns();
	r->left = clock_share;
	return r->time;
}

static __always_inline bool is_kept_port(__u16 port)
{
	for (__u32 i = 0; i < XCAPA_MAX_KEEP_PORTS; i++) {
		if (i < keep_port_count && keep_ports[i] == port)
			return 1;
	}
	return false;
}

/* is_kept says whether the frame belongs to the host. A later fragment has no
 * ports and is never kept by them; padding behind a datagram is no header. */
static __always_inline bool is_kept(struct xdp_md *ctx, const struct headers *h)
{
	if (keep_arp && h->ether_type == ETHER_TYPE_ARP)
		return 1;
	if (!h->has_transport)
		return false;
	if (keep_nd && h->ether_type == ETHER_TYPE_IPV6 && h->protocol == PROTOCOL_ICMPV6 &&
	    h->transport + 1 <= h->limit) {
		__u8 *type = header(ctx, h->transport, 1);

		return type && *type >= 133 && *type <= 137;
	}
	if (keep_port_count && (h->protocol == PROTOCOL_TCP || h->protocol == PROTOCOL_UDP) &&
	    h->transport + sizeof(struct ports) <= h->limit) {
		struct ports *ports = header(ctx, h->transport, sizeof(*ports));

		return ports && (is_kept_port(bpf_ntohs(ports->source)) || is_kept_port(bpf_ntohs(ports->destination)));
	}
	return false;
}

/* cut takes off what lies behind the snap length or the headers, whichever
 * comes first. length is the frame's, over all its buffers, in bytes. */
static __always_inline long cut(struct xdp_md *ctx, __u32 length, __u32 headers_end)
{
	__u32 snap = snap_length ? snap_length : ~0U;

	if (headers_only && headers_end < snap)
		snap = headers_end;
	if (length <= snap)
		return 0;
	return bpf_xdp_adjust_tail(ctx, (int)(snap - length));
}

/* redirect decides over one frame. meta is what the NIC told about it (hash,
 * tag, time), zero where it told nothing; the rest is filled in here.
 *
 * The order matters. The redirect comes first: it only chooses the socket, and
 * takes effect by the value returned at the end. So an empty slot is known
 * before the frame is changed and before a sequence number is spent, even when
 * a socket leaves at this moment. The metadata area comes before the cut: it
 * can be taken back, bytes that are cut off cannot. The sequence number comes
 * last, when nothing can fail any more: a hole in it is a frame that the
 * socket lost. */
static __always_inline int redirect(struct xdp_md *ctx, struct xcapa_meta *meta)
{
	__u32 queue = ctx->rx_queue_index;
	struct headers h = {};

	if (keep_arp || keep_nd || keep_port_count || headers_only) {
		parse(ctx, &h, keep_nd || keep_port_count || headers_only);
		if (is_kept(ctx, &h))
			return count(XCAPA_KEPT, XDP_PASS);
		if (headers_only && h.has_transport)
			h.end = transport_end(ctx, &h);
	}

	if (bpf_redirect_map(&xsks, queue, XDP_PASS) != XDP_REDIRECT)
		return count(XCAPA_NO_SOCKET, XDP_PASS);

	__u32 length = 0;

	if (stamp != XCAPA_STAMP_NONE || snap_length || headers_only)
		length = bpf_xdp_get_buff_len(ctx);

	if (stamp == XCAPA_STAMP_NONE) {
		if (cut(ctx, length, h.end))
			return count(XCAPA_SNAP_FAILED, XDP_PASS);
		return count(XCAPA_REDIRECTED, XDP_REDIRECT);
	}

	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*meta)))
		return count(XCAPA_NO_METADATA, XDP_PASS);
	if (cut(ctx, length, h.end)) {
		bpf_xdp_adjust_meta(ctx, sizeof(*meta));
		return count(XCAPA_SNAP_FAILED, XDP_PASS);
	}

	struct xcapa_meta *area = (void *)(long)ctx->data_meta;
	struct xcapa_queue *numbers = bpf_map_lookup_elem(&sequence, &queue);

	/* Neither happens: the area was made above, and a queue with a socket
	 * has an entry. The verifier cannot know. */
	if ((void *)(area + 1) > (void *)(long)ctx->data || !numbers)
		return count(XCAPA_NO_METADATA, XDP_PASS);

	if (stamp == XCAPA_STAMP_CLOCK && !meta->timestamp)
		meta->timestamp = now();
	meta->original_length = length;
	meta->sequence = __sync_fetch_and_add(&numbers->sequence, 1);
	*area = *meta;
	return count(XCAPA_REDIRECTED, XDP_REDIRECT);
}

#endif
