/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The few types and numbers of the kernel's user API that the programs need,
 * so that they compile the same with any kernel headers installed, or none.
 * Names and values are the kernel's (include/uapi/linux/bpf.h, Linux 6.1);
 * they never change. */
#ifndef XCAPA_UAPI_H
#define XCAPA_UAPI_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;
typedef _Bool bool;

#define false 0
#define NULL ((void *)0)

enum {
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_XSKMAP = 17,
};

enum xdp_action {
	XDP_ABORTED = 0,
	XDP_DROP,
	XDP_PASS,
	XDP_TX,
	XDP_REDIRECT,
};

/* data and data_end bound the linear part: of a frame in several buffers, the
 * first one. */
struct xdp_md {
	__u32 data;
	__u32 data_end;
	__u32 data_meta;
	__u32 ingress_ifindex;
	__u32 rx_queue_index;
	__u32 egress_ifindex;
};

#endif
