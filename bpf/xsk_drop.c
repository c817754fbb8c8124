//go:build ignore

/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* xsk_redirect with XDP_DROP where it would redirect: the most that the kernel
 * side of a capture can do on this host, stamps and all. Only bench runs it. */

#include "redirect.h"

SEC("xdp")
int xsk_drop(struct xdp_md *ctx)
{
	struct xcapa_meta meta = {};
	int verdict = redirect(ctx, &meta);

	return verdict == XDP_REDIRECT ? XDP_DROP : verdict;
}

char program_license[] SEC("license") = "Dual BSD/GPL";
