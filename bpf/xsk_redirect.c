//go:build ignore

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Redirects every frame to the AF_XDP socket of its RX queue. Needs nothing of
 * the driver and no more than Linux 6.1; runs native and generic, and in
 * BPF_PROG_TEST_RUN. */

#include "redirect.h"

SEC("xdp")
int xsk_redirect(struct xdp_md *ctx)
{
	struct xcapa_meta meta = {};

	return redirect(ctx, &meta);
}

char program_license[] SEC("license") = "Dual BSD/GPL";
