package afxdp

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// refuseForeign is the error for an interface that somebody else's program is
// on, or nil.
func (i *iface) refuseForeign() error {
	attrs, err := i.link()
	if err != nil {
		return err
	}
	if !hasProgram(attrs) {
		return nil
	}
	return fmt.Errorf("attach XDP to %s: %w: %s is attached; stop its owner, or use --replace to detach it", i.name, unix.EBUSY, describeProgram(attrs.Xdp.ProgId))
}

// describeProgram names a program as bpftool does.
func describeProgram(id uint32) string {
	if id == 0 {
		return "more than one program" // native and generic at once
	}
	if p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id)); err == nil {
		defer p.Close()
		if info, err := p.Info(); err == nil && info.Name != "" {
			return fmt.Sprintf("program %d (%s)", id, info.Name)
		}
	}
	return fmt.Sprintf("program %d", id)
}

// removeForeign detaches whatever program is attached and says which it was;
// "" if there was none.
func (i *iface) removeForeign() (note string, err error) {
	attrs, err := i.link()
	if err != nil || !hasProgram(attrs) {
		return "", err
	}
	was := describeProgram(attrs.Xdp.ProgId)
	if err := i.detachLinks(attrs.Xdp.ProgId); err != nil {
		return "", fmt.Errorf("replace %s on %s: %w", was, i.name, err)
	}
	// What is left was attached by netlink, not by a link.
	for _, mode := range []int{unix.XDP_FLAGS_DRV_MODE, unix.XDP_FLAGS_SKB_MODE} {
		err := netlink.LinkSetXdpFdWithFlags(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: i.index}}, -1, mode)
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EINVAL) {
			return "", fmt.Errorf("replace %s on %s: %w", was, i.name, err)
		}
	}
	if err := i.refuseForeign(); err != nil {
		return "", fmt.Errorf("replace %s: it is still there: %w", was, err)
	}
	return "replaced " + was + ": attach it again when this capture is over", nil
}

// detachLinks detaches the bpf_links that hold program on this interface. A
// link tells its interface by index, which another namespace can have too: the
// program must be the one that is attached here.
func (i *iface) detachLinks(program uint32) error {
	var links link.Iterator
	defer links.Close()
	for links.Next() {
		info, err := links.Link.Info()
		if err != nil || info.XDP() == nil || info.XDP().Ifindex != uint32(i.index) {
			continue
		}
		if program != 0 && uint32(info.Program) != program {
			continue
		}
		if err := links.Link.Detach(); err != nil {
			return err
		}
	}
	return links.Err()
}
