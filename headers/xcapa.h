/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the XDP programs and user space agree on. The Go types are generated
 * from this file; a test compares their sizes with the programs' BTF. */
#ifndef XCAPA_H
#define XCAPA_H

/* The metadata area in front of every redirected frame, in host byte order.
 * 32 bytes: the most that all drivers accept. */
struct xcapa_meta {
	__u64 timestamp;       /* ns; CLOCK_TAI, or the NIC's clock (XCAPA_NIC_TIME); 0: not stamped */
	__u64 sequence;        /* number of this frame on its RX queue, from 0 */
	__u32 original_length; /* bytes on the wire, without FCS and without a tag the NIC took off */
	__u32 flags;           /* XCAPA_* */
	__u32 reserved;        /* 0 */
	__u16 vlan_tpid;       /* valid with XCAPA_VLAN: 0x8100 or 0x88a8, host byte order */
	__u16 vlan_tci;        /* valid with XCAPA_VLAN, host byte order */
};
_Static_assert(sizeof(struct xcapa_meta) == 32, "xcapa_meta is 32 bytes");

enum xcapa_meta_flags {
	XCAPA_NIC_TIME = 1, /* timestamp is the NIC's */
	XCAPA_VLAN = 2, /* the NIC had stripped this tag */
};

/* The verdicts, one per-CPU counter each: index into the map "counters". */
enum xcapa_counter {
	XCAPA_REDIRECTED = 0,  /* handed to the AF_XDP socket of the queue */
	XCAPA_KEPT = 1,        /* on the keep list: passed to the host */
	XCAPA_NO_SOCKET = 2,   /* no socket on this queue: passed to the host */
	XCAPA_NO_METADATA = 3, /* no room for the metadata area: passed to the host */
	XCAPA_SNAP_FAILED = 4, /* could not be cut: passed to the host */
	XCAPA_COUNTERS = 5,
};

#define XCAPA_MAX_QUEUES 256
#define XCAPA_MAX_KEEP_PORTS 16

#endif
