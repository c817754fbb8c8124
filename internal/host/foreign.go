package host

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Foreign is the problem that a program is on the interface, with the command
// that takes it off; nil if none is.
func (i *Interface) Foreign() (*Problem, error) {
	attrs, err := i.Link()
	if err != nil {
		return nil, err
	}
	if !HasProgram(attrs) {
		return nil, nil
	}
	return &Problem{
		Found: fmt.Sprintf("XDP %s is attached to %s", DescribeProgram(attrs.Xdp.ProgId), i.Name),
		Why:   "an interface runs one, and it belongs to somebody",
		Mend:  i.detachCommand(attrs.Xdp),
		Or:    "stop its owner, or use --replace to detach it",
		Err:   unix.EBUSY,
	}, nil
}

// detachCommand is the shell command that takes the program off: a bpf_link is
// detached by its id, what was attached by netlink by its mode.
func (i *Interface) detachCommand(xdp *netlink.LinkXdp) string {
	var commands []string
	_ = i.eachLink(xdp.ProgId, func(id link.ID, _ link.Link) error { // without privilege: none is seen
		commands = append(commands, fmt.Sprintf("bpftool link detach id %d", id))
		return nil
	})
	if len(commands) > 0 {
		return strings.Join(commands, " && ")
	}
	off := func(mode string) string { return fmt.Sprintf("ip link set dev %s %s off", i.Name, mode) }
	switch xdp.AttachMode {
	case nlXDPAttachedSKB:
		return off("xdpgeneric")
	case nlXDPAttachedHW:
		return off("xdpoffload")
	case nlXDPAttachedMulti:
		return off("xdpdrv") + " && " + off("xdpgeneric")
	}
	return off("xdpdrv")
}

// XDP_ATTACHED_*, include/uapi/linux/if_link.h. XDP_ATTACHED_DRV is 1.
const (
	nlXDPAttachedSKB   = 2
	nlXDPAttachedHW    = 3
	nlXDPAttachedMulti = 4
)

// HasProgram reports whether an XDP program is attached, in any mode.
func HasProgram(a *netlink.LinkAttrs) bool { return a.Xdp != nil && a.Xdp.Attached }

// DescribeProgram names a program as bpftool does.
func DescribeProgram(id uint32) string {
	if id == 0 {
		return "more than one program" // native and generic at once
	}
	if name := ProgramName(id); name != "" {
		return fmt.Sprintf("program %d (%s)", id, name)
	}
	return fmt.Sprintf("program %d", id)
}

// ProgramName is the name a program was loaded with; "" where it has none or
// this process may not ask.
func ProgramName(id uint32) string {
	p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
	if err != nil {
		return ""
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return ""
	}
	return info.Name
}

// RemoveForeign detaches whatever program is attached and says which it was;
// "" if there was none.
func (i *Interface) RemoveForeign() (note string, err error) {
	attrs, err := i.Link()
	if err != nil || !HasProgram(attrs) {
		return "", err
	}
	was := DescribeProgram(attrs.Xdp.ProgId)
	detach := func(_ link.ID, l link.Link) error { return l.Detach() }
	if err := i.eachLink(attrs.Xdp.ProgId, detach); err != nil {
		return "", fmt.Errorf("replace %s on %s: %w", was, i.Name, err)
	}
	// What is left was attached by netlink, not by a link.
	for _, mode := range []int{unix.XDP_FLAGS_DRV_MODE, unix.XDP_FLAGS_SKB_MODE} {
		err := netlink.LinkSetXdpFdWithFlags(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: i.Index}}, -1, mode)
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EINVAL) {
			return "", fmt.Errorf("replace %s on %s: %w", was, i.Name, err)
		}
	}
	left, err := i.Foreign()
	if err == nil && left != nil {
		err = left
	}
	if err != nil {
		return "", fmt.Errorf("replace %s: it is still there: %w", was, err)
	}
	return "replaced " + was + ": attach it again when this capture is over", nil
}

// eachLink calls f with the bpf_links that hold program on this interface. A
// link tells its interface by index, which another namespace can have too: the
// program must be the one that is attached here.
func (i *Interface) eachLink(program uint32, f func(link.ID, link.Link) error) error {
	var links link.Iterator
	defer links.Close()
	for links.Next() {
		info, err := links.Link.Info()
		if err != nil || info.XDP() == nil || info.XDP().Ifindex != uint32(i.Index) {
			continue
		}
		if program != 0 && uint32(info.Program) != program {
			continue
		}
		if err := f(info.ID, links.Link); err != nil {
			return err
		}
	}
	return links.Err()
}
