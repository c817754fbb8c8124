/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* How far the headers of an Ethernet frame reach, and what the keep list needs
 * of them: Ethernet, up to XCAPA_MAX_TAGS VLAN tags, ARP, IPv4 with options,
 * IPv6 with up to XCAPA_MAX_EXTENSIONS extension headers, then the transport
 * header.
 *
 * Each read is behind a check against data_end.
 *
 * IEEE 802.3, 802.1Q; RFC 826; RFC 791 3.1; RFC 8200 3, 4; RFC 9293 3.1;
 * RFC 768; RFC 9260 3; RFC 4340 5.1; RFC 3828. */
#ifndef XCAPA_PARSE_H
#define XCAPA_PARSE_H

#include "uapi.h"

#include "bpf_endian.h"
#include "bpf_helpers.h"

#define XCAPA_MAX_TAGS 4
#define XCAPA_MAX_EXTENSIONS 8

enum ether_type {
	ETHER_TYPE_IPV4 = 0x0800,
	ETHER_TYPE_ARP = 0x0806,
	ETHER_TYPE_VLAN = 0x8100, /* IEEE 802.1Q, customer tag */
	ETHER_TYPE_IPV6 = 0x86dd,
	ETHER_TYPE_QINQ = 0x88a8,  /* IEEE 802.1ad, service tag */
	ETHER_TYPE_QINQ1 = 0x9100, /* in use before 802.1ad */
};

enum ip_protocol {
	PROTOCOL_HOP_BY_HOP = 0,
	PROTOCOL_ICMP = 1,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_DCCP = 33,
	PROTOCOL_ROUTING = 43,
	PROTOCOL_FRAGMENT = 44,
	PROTOCOL_AH = 51,
	PROTOCOL_ICMPV6 = 58,
	PROTOCOL_DESTINATION = 60,
	PROTOCOL_SCTP = 132,
	PROTOCOL_MOBILITY = 135,
	PROTOCOL_UDP_LITE = 136,
};

struct ethernet_header {
	__u8 destination_mac[6];
	__u8 source_mac[6];
	__be16 ether_type;
};

struct vlan_tag {
	__be16 tci;
	__be16 ether_type;
};

struct ipv4_header {
	__u8 version_ihl;
	__u8 tos;
	__be16 total_length;
	__be16 identification;
	__be16 flags_fragment_offset;
	__u8 ttl;
	__u8 protocol;
	__be16 header_checksum;
	__u8 addresses[8];
};

struct ipv6_header {
	__u8 version_class;
	__u8 class_label;
	__be16 flow_label;
	__be16 payload_length;
	__u8 next_header;
	__u8 hop_limit;
	__u8 addresses[32];
};

/* Also the first four bytes of the fragment header, whose length is fixed. */
struct extension_header {
	__u8 next_header;
	__u8 length; /* units of 8 bytes without the first 8; AH: of 4, without 8 */
	__be16 fragment_offset;
};

struct ports {
	__be16 source;
	__be16 destination;
};

_Static_assert(sizeof(struct ethernet_header) == 14, "Ethernet header");
_Static_assert(sizeof(struct ipv4_header) == 20, "IPv4 header");
_Static_assert(sizeof(struct ipv6_header) == 40, "IPv6 header");

/* What parse found. Numbers in host byte order. */
struct headers {
	__u32 end;          /* offset behind the headers, in bytes from the destination MAC; where the
			     * frame ends inside a header, behind that header's fixed part */
	__u32 transport;    /* offset of the transport header */
	__u32 limit;        /* offset behind the IP datagram */
	__u16 ether_type;   /* behind the tags */
	__u8 protocol;      /* valid if has_transport */
	bool has_transport; /* IPv4 or IPv6, not a later fragment, whole up to the transport header */
};

/* header is the address of the size bytes at offset, NULL if the frame (its
 * linear part) is too short. */
static __always_inline void *header(struct xdp_md *ctx, __u32 offset, __u32 size)
{
	void *start = (void *)(long)ctx->data + offset;

	if (start + size > (void *)(long)ctx->data_end)
		return NULL;
	return start;
}

static __always_inline void parse_ipv4(struct xdp_md *ctx, struct headers *h)
{
	__u32 start = h->end;
	struct ipv4_header *ip = header(ctx, start, sizeof(*ip));

	h->end = start + sizeof(*ip);
	if (!ip)
		return;

	__u32 length = (ip->version_ihl & 0x0f) * 4;

	if (ip->version_ihl >> 4 != 4 || length < sizeof(*ip))
		return;
	h->end = h->transport = start + length;

	/* Zero: too long to say (segmentation offload), the frame's end counts. */
	__u32 total_length = bpf_ntohs(ip->total_length);

	h->limit = total_length ? start + total_length : ~0U;
	h->protocol = ip->protocol;
	h->has_transport = !(ip->flags_fragment_offset & bpf_htons(0x1fff));
}

static __always_inline bool is_extension(__u8 protocol)
{
	return protocol == PROTOCOL_HOP_BY_HOP || protocol == PROTOCOL_ROUTING || protocol == PROTOCOL_FRAGMENT ||
	       protocol == PROTOCOL_AH || protocol == PROTOCOL_DESTINATION || protocol == PROTOCOL_MOBILITY;
}

static __always_inline void parse_ipv6(struct xdp_md *ctx, struct headers *h)
{
	__u32 start = h->end;
	struct ipv6_header *ip = header(ctx, start, sizeof(*ip));

	h->end = start + sizeof(*ip);
	if (!ip || ip->version_class >> 4 != 6)
		return;

	/* Zero: a jumbogram (RFC 2675), or segmentation offload. */
	__u32 payload_length = bpf_ntohs(ip->payload_length);
	__u8 protocol = ip->next_header;

	h->limit = payload_length ? h->end + payload_length : ~0U;
	for (int i = 0; i < XCAPA_MAX_EXTENSIONS && is_extension(protocol); i++) {
		struct extension_header *extension = header(ctx, h->end, sizeof(*extension));
		__u32 length = 8;

		if (!extension) {
			h->end += length;
			return;
		}
		if (protocol == PROTOCOL_AH)
			length = (extension->length + 2) * 4;
		else if (protocol != PROTOCOL_FRAGMENT)
			length = (extension->length + 1) * 8;
		h->end += length;
		if (protocol == PROTOCOL_FRAGMENT && extension->fragment_offset & bpf_htons(0xfff8))
			return;
		protocol = extension->next_header;
	}
	if (is_extension(protocol))
		return;
	h->transport = h->end;
	h->protocol = protocol;
	h->has_transport = 1;
}

/* transport_length is the length in bytes of the transport header, options
 * with it; its fixed part if the frame ends before the field that tells; 0 for
 * a protocol that is not decoded, whose bytes all count as payload. */
static __always_inline __u32 transport_length(struct xdp_md *ctx, const struct headers *h)
{
	__u8 *field;

	switch (h->protocol) {
	case PROTOCOL_TCP:
		field = header(ctx, h->transport + 12, 1);
		/* A data offset below 5 is an error that the fixed part shows. */
		return field && *field >> 4 > 5 ? (*field >> 4) * 4 : 20;
	case PROTOCOL_DCCP:
		field = header(ctx, h->transport + 4, 1);
		return field && *field > 3 ? *field * 4 : 12;
	case PROTOCOL_SCTP:
		return 12;
	case PROTOCOL_ICMP:
	case PROTOCOL_ICMPV6:
	case PROTOCOL_UDP:
	case PROTOCOL_UDP_LITE:
		return 8;
	}
	return 0;
}

/* transport_end is the offset behind the transport header, or behind the
 * datagram if that ends first. */
static __always_inline __u32 transport_end(struct xdp_md *ctx, const struct headers *h)
{
	__u32 end = h->transport + transport_length(ctx, h);

	if (end <= h->limit)
		return end;
	return h->limit > h->transport ? h->limit : h->transport;
}

/* parse reads the headers up to the transport header; without ip only up to
 * the EtherType and ARP. */
static __always_inline void parse(struct xdp_md *ctx, struct headers *h, bool ip)
{
	struct ethernet_header *ethernet = header(ctx, 0, sizeof(*ethernet));

	h->end = sizeof(*ethernet);
	h->ether_type = 0;
	h->has_transport = false;
	if (!ethernet)
		return;

	__u16 type = bpf_ntohs(ethernet->ether_type);

	for (int i = 0; i < XCAPA_MAX_TAGS; i++) {
		if (type != ETHER_TYPE_VLAN && type != ETHER_TYPE_QINQ && type != ETHER_TYPE_QINQ1)
			break;

		struct vlan_tag *tag = header(ctx, h->end, sizeof(*tag));

		h->end += sizeof(*tag);
		if (!tag)
			return;
		type = bpf_ntohs(tag->ether_type);
	}
	h->ether_type = type;
	if (type == ETHER_TYPE_ARP)
		h->end += 28; /* Ethernet and IPv4 addresses */
	else if (ip && type == ETHER_TYPE_IPV4)
		parse_ipv4(ctx, h);
	else if (ip && type == ETHER_TYPE_IPV6)
		parse_ipv6(ctx, h);
}

#endif
