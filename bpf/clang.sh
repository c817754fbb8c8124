#!/bin/sh
# Checks that the compiler is the one the committed objects were made with:
# another version gives other bytes, and make generate must reproduce them.
set -eu

want=14.0.6
for tool in clang-14 llvm-strip-14; do
	if ! command -v "$tool" >/dev/null; then
		echo "bpf: $tool is not installed; go generate needs clang $want (Debian 12: apt-get install clang-14 llvm-14)" >&2
		exit 1
	fi
done
got=$(clang-14 --version | sed -n 's/.*clang version \([0-9.]*\).*/\1/p')
if [ "$got" != "$want" ]; then
	echo "bpf: clang-14 is version $got; go generate needs $want, which Debian 12 has" >&2
	exit 1
fi
