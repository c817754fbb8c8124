//go:build ignore

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A load generator: BPF_PROG_RUN with live frames calls it once for each copy
 * of a template frame, and it sends that copy out of an interface, numbered.
 * The copy comes from a pool of pages and holds whatever was written there
 * last, so every byte that differs between frames is written every time. */

#include "uapi.h"

#include "bpf_endian.h"
#include "bpf_helpers.h"

#define GENERATE_MAX_SHAPES 16

/* One length of frame and what follows from it. */
struct generate_shape {
	__u32 size;          /* bytes, without FCS */
	__u32 ip_sum;        /* sum of the IPv4 header but for checksum and source address */
	__u32 transport_sum; /* sum of pseudo header and segment but for number, port, source address */
	__be16 ip_length;    /* IPv4 total length, or IPv6 payload length */
	__be16 udp_length;
};

/* Set from Go before load. Offsets are bytes from the start of the frame; 0
 * says that there is no such field. */
volatile const __u32 ifindex; /* 0: drop at once, to see what making frames costs */
volatile const __u32 shape_count;
volatile const struct generate_shape shapes[GENERATE_MAX_SHAPES];
volatile const __u32 flow_mask; /* flows - 1 */
volatile const __u32 at_ip_length;
volatile const __u32 at_ip_checksum; /* IPv4 only */
volatile const __u32 at_source;      /* last two bytes of the source address */
volatile const __u32 at_source_port;
volatile const __u32 at_udp_length;
volatile const __u32 at_checksum; /* of the transport header */
volatile const __u32 at_number;   /* eight bytes */
volatile const __u64 gap;         /* ns between frames, in 1/1024; 0: flat out */
volatile const __u64 most_late;   /* ns; what is late by more is not made up for */

/* One generator runs one program on one core at a time. */
__u64 number; /* of the next frame, and so how many were sent */
__u64 first;  /* when this run sent its first frame, ns of CLOCK_MONOTONIC; 0: not yet */
__u64 begin;  /* when frame 0 was due */
__u32 turn;   /* shape of the next frame */

#define FIRST_PORT 0x4000
#define PORTS 0x4000

static __always_inline void *field(struct xdp_md *ctx, __u32 offset, __u32 size)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;

	return data + offset + size <= data_end ? data + offset : 0;
}

/* put16 writes a field that is in network byte order already. */
static __always_inline void put16(struct xdp_md *ctx, __u32 offset, __u16 value)
{
	__u16 *f = offset ? field(ctx, offset, sizeof(*f)) : 0;

	if (f)
		*f = value;
}

/* RFC 1071. */
static __always_inline __u16 checksum(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* early says that the next frame is not due yet. */
static __always_inline bool early(void)
{
	__u64 now = bpf_ktime_get_ns();
	__u64 due = begin + (number * gap >> 10);

	if (due > now)
		return 1;
	if (now - due > most_late)
		begin += now - due - most_late;
	return false;
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	if (!first) {
		first = bpf_ktime_get_ns();
		begin = first - (number * gap >> 10);
	}
	if (gap && early())
		return XDP_DROP;

	__u32 which = turn;

	if (which >= GENERATE_MAX_SHAPES) /* the verifier cannot know */
		return XDP_ABORTED;

	const volatile struct generate_shape *shape = &shapes[which];
	__u32 flow = number & flow_mask;
	__u16 port = bpf_htons(FIRST_PORT + (flow & (PORTS - 1)));
	__u16 source = bpf_htons(1 + (flow >> 14));
	__u64 wire = bpf_cpu_to_be64(number);
	__u64 sum = (__u64)shape->transport_sum + port + source +
		    (wire & 0xffff) + (wire >> 16 & 0xffff) + (wire >> 32 & 0xffff) + (wire >> 48);
	__u16 transport_checksum = checksum(sum);
	__u64 *at = field(ctx, at_number, sizeof(*at));

	if (!at)
		return XDP_ABORTED;
	*at = wire;
	put16(ctx, at_ip_length, shape->ip_length);
	put16(ctx, at_ip_checksum, checksum((__u64)shape->ip_sum + source));
	put16(ctx, at_source, source);
	put16(ctx, at_source_port, port);
	put16(ctx, at_udp_length, shape->udp_length);
	/* RFC 768: zero would mean none. */
	put16(ctx, at_checksum, transport_checksum ? transport_checksum : 0xffff);

	if (shape_count > 1) {
		int over = (int)bpf_xdp_get_buff_len(ctx) - (int)shape->size;

		if (over > 0 && bpf_xdp_adjust_tail(ctx, -over))
			return XDP_ABORTED;
		turn = which + 1 < shape_count ? which + 1 : 0;
	}
	number++;
	return ifindex ? bpf_redirect(ifindex, 0) : XDP_DROP;
}

char program_license[] SEC("license") = "Dual BSD/GPL";
