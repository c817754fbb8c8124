package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"xcapa/internal/host"
)

// interfaceInfo is one interface as capture -D lists it. The JSON names are
// stable.
type interfaceInfo struct {
	Name      string   `json:"name"`
	State     string   `json:"state"`
	Driver    string   `json:"driver,omitempty"`
	Queues    int      `json:"rx_queues"`
	MTU       int      `json:"mtu"`
	XDP       []string `json:"xdp"`               // native, generic, zero-copy; as far as the kernel tells
	Program   string   `json:"program,omitempty"` // attached now
	Engine    string   `json:"engine"`            // what --engine auto takes
	Why       string   `json:"why"`
	Addresses []string `json:"addresses"`
}

// listInterfaces is capture -D.
func listInterfaces(s *streams, o *deviceOptions, output string) error {
	names, err := host.Interfaces()
	if err != nil {
		return err
	}
	all := make([]interfaceInfo, 0, len(names))
	for _, name := range names {
		info, err := lookAtInterface(name, o)
		if err != nil {
			fmt.Fprintf(s.err, "xcapa: %v\n", err) // gone since, or of a kind that cannot be asked
			continue
		}
		all = append(all, info)
	}
	switch output {
	case "json":
		e := json.NewEncoder(s.out)
		e.SetIndent("", "  ")
		err = e.Encode(all)
	default:
		err = writeInterfaces(s.out, all)
	}
	if err != nil {
		return fmt.Errorf("write standard output: %w", err)
	}
	return nil
}

func lookAtInterface(name string, o *deviceOptions) (info interfaceInfo, err error) {
	i, err := host.OpenInterface(name)
	if err != nil {
		return info, err
	}
	defer i.Close()
	attrs, err := i.Link()
	if err != nil {
		return info, err
	}
	info = interfaceInfo{Name: name, State: host.State(attrs), Driver: i.Driver, MTU: attrs.MTU, XDP: xdpModes(i.Features())}
	if info.Queues, err = i.Queues(); err != nil {
		return info, err
	}
	if host.HasProgram(attrs) {
		info.Program = host.DescribeProgram(attrs.Xdp.ProgId)
	}
	if info.Engine, info.Why, err = o.chooseEngine(i); err != nil {
		info.Why = err.Error()
	}
	addresses, err := i.Addresses()
	info.Addresses = []string{}
	for _, a := range addresses {
		info.Addresses = append(info.Addresses, a.String())
	}
	return info, err
}

// xdpModes are the modes in which an XDP program can run.
func xdpModes(f host.Features) []string {
	if !f.Known {
		return []string{"native?", "generic"} // before Linux 6.3 only an attempt tells
	}
	var modes []string
	if f.XDP&host.XDPBasic != 0 {
		modes = append(modes, "native")
	}
	modes = append(modes, "generic")
	if f.XDP&host.XDPZeroCopy != 0 {
		modes = append(modes, "zero-copy")
	}
	return modes
}

func writeInterfaces(w io.Writer, all []interfaceInfo) error {
	t := newTable(w, []string{"INTERFACE", "STATE", "DRIVER", "RX QUEUES", "MTU", "XDP", "ENGINE", "ADDRESSES", "PROGRAM"})
	for _, i := range all {
		t.row([]string{
			printable(i.Name), i.State, orDash(i.Driver), strconv.Itoa(i.Queues), strconv.Itoa(i.MTU), strings.Join(i.XDP, " "),
			orDash(i.Engine), orDash(strings.Join(i.Addresses, " ")), orDash(printable(i.Program)),
		})
	}
	return t.flush()
}
