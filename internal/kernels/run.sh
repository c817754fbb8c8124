#!/bin/sh
# Runs privileged tests on other kernels than this machine's: boots each kernel
# of Debian that we promise to work on in an emulator and runs the packages'
# tests in it, as root, where a test that skips must name the kernel feature it
# misses. Everything is fetched and unpacked into a cache folder; nothing is
# installed and no privilege is needed.
#
#	internal/kernels/run.sh [PACKAGE...]
#
# The clock of the emulator is no clock to measure with: correctness only.
#
#	KERNELS   Debian packages, each depending on one kernel image
#	CACHE     where unpacked kernels are kept
#	TIMEOUT   seconds that one kernel may take
#	TESTS     which tests to run, as go test -run; default all
set -eu
cd "$(dirname "$0")/../.."

packages=${*:-bpf internal/host internal/capture/afxdp internal/capture/afpacket internal/capture/asavie internal/e2e}
kernels=${KERNELS:-linux-image-cloud-amd64 linux-image-6.12-cloud-amd64}
cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xcapa/kernels}
limit=${TIMEOUT:-1800}
# What the tests need and these kernels do not have built in, each behind what it
# needs itself.
modules="veth tun dummy llc stp garp mrp 8021q bridge tls bonding"

say() { echo "test-kernels: $*"; }
die() {
	say "$*" >&2
	exit 1
}

# need TOOL PACKAGE: remembers what is not installed.
missing=
need() { command -v "$1" >/dev/null || missing="$missing $2"; }

need go golang
need qemu-system-x86_64 qemu-system-x86
need busybox busybox-static
need cpio cpio
need gzip gzip
need xz xz-utils
need apt-get apt
need dpkg-deb dpkg
[ -z "$missing" ] || die "not installed:$missing (Debian: apt-get install$missing; nothing was tested)"
! busybox ldd "$(command -v busybox)" >/dev/null 2>&1 || die "busybox is not static (Debian: apt-get install busybox-static; nothing was tested)"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# image METAPACKAGE: the package with the kernel itself.
image() {
	apt-cache depends "$1" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1
}

# fetch METAPACKAGE: unpacks the kernel image and prints the folder.
fetch() {
	name=$(image "$1")
	if [ -z "$name" ]; then # no package lists: what was fetched before will do
		for folder in "$cache/$1"/*/; do
			[ -d "$folder" ] && echo "${folder%/}" && return
		done
		die "no package $1: run apt-get update on a Debian 12 machine (nothing was tested on it)"
	fi
	folder=$cache/$1/$name
	if [ ! -d "$folder" ]; then
		say "fetch $name" >&2
		mkdir -p "$cache/$1" "$work/deb"
		(cd "$work/deb" && apt-get -qq download "$name" 2>"$work/apt.log") ||
			die "cannot fetch $name: $(tail -n 1 "$work/apt.log") (apt-get update may help)"
		dpkg-deb -x "$work"/deb/"$name"_*.deb "$work/unpacked"
		rm -rf "$work/deb"
		mv "$work/unpacked" "$folder"
	fi
	echo "$folder"
}

# build_tests: compiles the program and the tests once for all kernels, with
# their testdata.
build_tests() {
	mkdir -p "$work/root/bin"
	CGO_ENABLED=0 go build -ldflags '-s -w' -o "$work/root/bin/xcapa" ./cmd/xcapa >&2 || die "the program does not compile"
	for package in $packages; do
		package=${package#./}
		mkdir -p "$work/root/src/$package"
		CGO_ENABLED=0 go test -c -ldflags '-s -w' -o "$work/root/src/$package/run.test" "./$package" >&2 || die "the tests of $package do not compile"
		[ -e "$work/root/src/$package/run.test" ] || die "$package has no tests"
		echo "$package" >>"$work/root/packages"
	done
	# The end-to-end tests read other packages' test data too.
	find testdata internal bpf -type d -name testdata -prune -exec cp -r --parents {} "$work/root/src/" \;
	cp go.mod "$work/root/src/"
	echo "${TESTS:-.}" >"$work/root/tests"
}

# initramfs FOLDER: makes $work/initramfs.gz with the kernel's modules.
initramfs() {
	(
		cd "$work/root"
		mkdir -p bin dev proc sys tmp
		cp "$(command -v busybox)" bin/busybox
		ln -sf busybox bin/sh
		rm -f ./*.ko modules
		for module in $modules; do
			file=$(find "$1" -name "$module.ko*" | head -n 1)
			case $file in
			*.xz) xz -dc "$file" >"$module.ko" ;;
			*.ko) cp "$file" "$module.ko" ;;
			'') say "no module $module in $1: taken to be built in" && continue ;;
			esac
			echo "$module" >>modules
		done
		find . | cpio -o -H newc --quiet | gzip -1 >"$work/initramfs.gz"
	)
}

# boot METAPACKAGE: runs all packages on one kernel; false if anything failed.
boot() {
	folder=$(fetch "$1") || return 1
	version=${folder##*/linux-image-}
	initramfs "$folder"
	started=$(date +%s)
	timeout "$limit" qemu-system-x86_64 -cpu max -smp 2 -m 3072 -nographic -no-reboot -nic none \
		-kernel "$(echo "$folder"/boot/vmlinuz-*)" -initrd "$work/initramfs.gz" \
		-append "console=ttyS0 quiet panic=1" </dev/null 2>&1 | tr -d '\r\033' >"$work/console" || true
	sed -n -e '/^xcapa-begin$/,/^xcapa-end$/{s/^xcapa-skip /skip /;/^xcapa-/!p}' "$work/console"
	if ! grep -q '^xcapa-end$' "$work/console"; then
		grep -v '^xcapa-' "$work/console" | tail -n 30
		say "$version: did not come to its end in $limit s"
		return 1
	fi
	nameless=$(sed -n 's/^xcapa-skip //p' "$work/console" | grep -v 'kernel feature' || true)
	if [ -n "$nameless" ]; then
		say "$version: a test that skips here must name the kernel feature it misses:"
		echo "$nameless"
		return 1
	fi
	ok=$(grep -c '^ok ' "$work/console") || true
	if [ "$ok" -ne "$(wc -l <"$work/root/packages")" ]; then
		say "$version: FAILED: $(sed -n 's/^FAIL //p' "$work/console" | tr '\n' ' ')"
		return 1
	fi
	say "$version: $ok packages ok, $(grep -c '^xcapa-skip ' "$work/console" || true) tests skipped, $(($(date +%s) - started)) s"
}

mkdir -p "$work/root"
cp internal/kernels/init "$work/root/init"
build_tests

failed=
for kernel in $kernels; do
	boot "$kernel" || failed="$failed $kernel"
done
[ -z "$failed" ] || die "FAILED on$failed"
say "all of$(printf ' %s' $packages) passed on $(echo "$kernels" | wc -w) kernels"
