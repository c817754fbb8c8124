package bpf

// The objects and the Go files beside them are committed: building needs no
// clang. Little endian only (amd64, arm64); -mcpu=v3 has the atomic fetch-add
// and is what Linux 6.1 runs.

//go:generate sh clang.sh
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -output-stem xsk_redirect -type xcapa_meta -type xcapa_meta_flags -type xcapa_counter xskRedirect xsk_redirect.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror -I../headers
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -output-stem xsk_redirect_meta -no-global-types xskRedirectMeta xsk_redirect_meta.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror -I../headers
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -output-stem xsk_drop -no-global-types xskDrop xsk_drop.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror -I../headers
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -target bpfel -output-stem generate generator generate.c -- -O2 -mcpu=v3 -Wall -Wextra -Werror -I../headers
