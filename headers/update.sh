#!/bin/sh
# Copies the libbpf helper headers from an unpacked libbpf-dev package.
#
# Run in this folder: ./update.sh [PACKAGE.deb]. Without an argument it takes
# the files of the installed package. The version they come from is kept in
# VERSION; LICENSE is the package's own copyright file.
set -eu
cd "$(dirname "$0")"

from=/
if [ $# -gt 0 ]; then
	from=$(mktemp -d)
	trap 'rm -rf "$from"' EXIT
	dpkg -x "$1" "$from"
	version=$(dpkg-deb -f "$1" Version)
else
	version=$(dpkg-query -W -f '${Version}' libbpf-dev)
fi

for header in bpf_helpers.h bpf_helper_defs.h bpf_endian.h; do
	install -m 644 "$from/usr/include/bpf/$header" "$header"
done
install -m 644 "$from/usr/share/doc/libbpf-dev/copyright" LICENSE
echo "libbpf-dev $version" >VERSION
