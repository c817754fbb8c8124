package bpf

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
)

// ErrNoMetadata says that the kernel or the driver refuses xsk_redirect_meta
// for this interface; xsk_redirect will do, without what the NIC knows.
var ErrNoMetadata = errors.New("no NIC metadata on this interface")

// Flags of BPF_PROG_LOAD, include/uapi/linux/bpf.h.
const (
	flagHasFrags     = 1 << 5 // Linux 5.18
	flagDevBoundOnly = 1 << 6 // Linux 6.3
)

// Names of the programs, as functions and in Info.
const (
	ProgramRedirect     = xskRedirectProgXskRedirect
	ProgramRedirectMeta = xskRedirectMetaProgXskRedirectMeta
)

// Kfuncs says which of the NIC's metadata this kernel lets the loaded program
// ask for. Whether the driver answers shows in Meta.Flags, frame by frame.
type Kfuncs struct {
	Timestamp bool // Linux 6.3
	VLAN      bool // Linux 6.8
}

// Objects is a loaded program with its maps.
type Objects struct {
	Program *ebpf.Program
	// Sockets is the XSKMAP: key uint32 RX queue, below MaxQueues; value uint32
	// file descriptor of an AF_XDP socket. The kernel takes a socket out when
	// it is closed.
	Sockets *ebpf.Map
	// Kfuncs is zero for xsk_redirect.
	Kfuncs Kfuncs

	program  string
	counters *ebpf.Map
	sequence *ebpf.Map
	polls    link.Link // xsk_poll_end behind every NAPI poll; nil: each frame reads the clock
}

// SharesClock reports whether frames of a NAPI poll share readings of the clock.
func (o *Objects) SharesClock() bool { return o.polls != nil }

// Load loads xsk_redirect, or with meta xsk_redirect_meta for the one interface
// ifindex of the calling thread's network namespace. Nothing is attached to the
// interface. Where Settings.ShareClock cannot be had (it takes CAP_PERFMON), each
// frame reads the clock.
//
// An error that errors.Is ErrNoMetadata means that the same call without meta
// can succeed. Close the Objects after the program was detached; a link keeps
// it alive until then.
func Load(settings Settings, meta bool, ifindex int) (*Objects, error) {
	name, read := ProgramRedirect, loadXskRedirect
	if meta {
		name, read = ProgramRedirectMeta, loadXskRedirectMeta
	}
	if err := settings.Validate(); err != nil {
		return nil, fmt.Errorf("load %s: %w", name, err)
	}
	if meta && settings.Stamp == StampNone {
		return nil, fmt.Errorf("load %s: it has nowhere to write without a stamp; load %s", name, ProgramRedirect)
	}
	return load(settings, read, name, meta, ifindex)
}

// LoadCeiling loads xsk_drop: what Load gives without meta, but a frame that
// would be redirected is counted as such and dropped. A queue must have a
// socket all the same.
func LoadCeiling(settings Settings, ifindex int) (*Objects, error) {
	if err := settings.Validate(); err != nil {
		return nil, fmt.Errorf("load %s: %w", xskDropProgXskDrop, err)
	}
	return load(settings, loadXskDrop, xskDropProgXskDrop, false, ifindex)
}

func load(settings Settings, read func() (*ebpf.CollectionSpec, error), name string, meta bool, ifindex int) (*Objects, error) {
	if settings.ShareClock {
		if o, err := loadOnce(settings, read, name, meta, ifindex); err == nil {
			return o, nil
		}
		settings.ShareClock = false
	}
	return loadOnce(settings, read, name, meta, ifindex)
}

func loadOnce(settings Settings, read func() (*ebpf.CollectionSpec, error), name string, meta bool, ifindex int) (*Objects, error) {
	spec, err := read()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if err := settings.apply(spec); err != nil {
		return nil, fmt.Errorf("load %s: %w", name, err)
	}
	if !settings.ShareClock {
		delete(spec.Programs, xskRedirectProgXskPollEnd)
	}
	program := spec.Programs[name]
	if settings.Frags {
		program.Flags |= flagHasFrags
	}
	if meta {
		program.Flags |= flagDevBoundOnly
		program.Ifindex = uint32(ifindex)
	}
	for _, m := range spec.Maps {
		m.Name = fmt.Sprintf("%s_%d", m.Name, ifindex)
	}
	collection, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, explain(err, name, meta, ifindex)
	}
	defer collection.Close() // all that is not detached from it below
	o := &Objects{
		Program:  collection.DetachProgram(name),
		Sockets:  collection.DetachMap(xskRedirectMapXsks),
		program:  name,
		counters: collection.DetachMap(xskRedirectMapCounters),
		sequence: collection.DetachMap(xskRedirectMapSequence),
	}
	if meta {
		o.Kfuncs = kernelKfuncs()
	}
	if settings.ShareClock {
		o.polls, err = link.AttachRawTracepoint(link.RawTracepointOptions{Name: "napi_poll", Program: collection.Programs[xskRedirectProgXskPollEnd]})
		if err != nil {
			o.Close()
			return nil, fmt.Errorf("watch the end of NAPI polls: %w", err)
		}
	}
	return o, nil
}

// explain says what a refusal by the kernel means and what to do about it.
func explain(err error, name string, meta bool, ifindex int) error {
	switch {
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("load %s: %w: run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON", name, err)
	case errors.Is(err, syscall.EACCES): // the verifier allows less without CAP_PERFMON
		return fmt.Errorf("load %s: %w: run as root or with CAP_PERFMON too, or keep nothing and cut nothing", name, err)
	case errors.Is(err, syscall.ENOMEM):
		return fmt.Errorf("load %s: %w: free memory, or raise the limit of the control group", name, err)
	case meta:
		return fmt.Errorf("load %s for interface %d: %w (it needs Linux 6.3 and a driver that tells): %w", name, ifindex, ErrNoMetadata, err)
	}
	return fmt.Errorf("load %s: %w: it needs Linux 6.1 or later", name, err)
}

// kernelKfuncs looks the functions up where the loader did: in the kernel's BTF.
func kernelKfuncs() Kfuncs {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return Kfuncs{}
	}
	has := func(name string) bool {
		var f *btf.Func
		return kernel.TypeByName(name, &f) == nil
	}
	return Kfuncs{
		Timestamp: has("bpf_xdp_metadata_rx_timestamp"),
		VLAN:      has("bpf_xdp_metadata_rx_vlan_tag"),
	}
}

// Close unloads the maps and, once no link holds it, the program. It may be
// called twice.
func (o *Objects) Close() error {
	var polls error
	if o.polls != nil {
		polls = o.polls.Close()
	}
	return errors.Join(polls, o.Program.Close(), o.Sockets.Close(), o.counters.Close(), o.sequence.Close())
}
