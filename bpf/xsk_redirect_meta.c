//go:build ignore

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* xsk_redirect with what the NIC knows about the frame: its own timestamp, the
 * VLAN tag it took off.
 *
 * The kernel accepts such a program only for the one device it is loaded for,
 * in native mode, from Linux 6.3 (tag: 6.8), and refuses to test-run it. */

#include "redirect.h"

/* Each returns 0 when the driver had an answer. net/core/xdp.c. */
extern int bpf_xdp_metadata_rx_timestamp(const struct xdp_md *ctx, __u64 *timestamp) __ksym __weak;
extern int bpf_xdp_metadata_rx_vlan_tag(const struct xdp_md *ctx, __be16 *proto, __u16 *tci) __ksym __weak;

/* exists is a constant to the verifier: it removes the call behind it where the
 * kernel does not have the function. */
#define exists(kfunc) (!!(kfunc))

static __always_inline void ask_nic(struct xdp_md *ctx, struct xcapa_meta *meta)
{
	__be16 proto;

	if (nic_time && exists(bpf_xdp_metadata_rx_timestamp) &&
	    !bpf_xdp_metadata_rx_timestamp(ctx, &meta->timestamp) && meta->timestamp)
		meta->flags |= XCAPA_NIC_TIME;
	else
		meta->timestamp = 0;

	if (exists(bpf_xdp_metadata_rx_vlan_tag) && !bpf_xdp_metadata_rx_vlan_tag(ctx, &proto, &meta->vlan_tci)) {
		meta->flags |= XCAPA_VLAN;
		meta->vlan_tpid = bpf_ntohs(proto);
	}
}

SEC("xdp")
int xsk_redirect_meta(struct xdp_md *ctx)
{
	struct xcapa_meta meta = {};

	if (stamp != XCAPA_STAMP_NONE)
		ask_nic(ctx, &meta);
	return redirect(ctx, &meta);
}

char program_license[] SEC("license") = "Dual BSD/GPL";
