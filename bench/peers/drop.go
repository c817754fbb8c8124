package peers

import (
	"context"
	"flag"
	"net"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"xcapa/bpf"
	"xcapa/internal/load"
)

// drop attaches the ceiling: -stamp none, sequence or clock is xsk_redirect with
// XDP_DROP where it redirects; -stamp count only counts and drops.
func drop(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("drop", flag.ExitOnError)
	name := f.String("i", "", "interface")
	stamp := f.String("stamp", "count", "none, sequence, clock or count")
	_ = f.Parse(args)
	frames, detach, err := attachDrop(*name, *stamp)
	if err != nil {
		return err
	}
	defer detach()
	ready()
	<-ctx.Done()
	n, err := frames()
	if err != nil {
		return err
	}
	return done(Result{Packets: n})
}

func attachDrop(name, stamp string) (frames func() (uint64, error), detach func() error, err error) {
	if s, ok := map[string]bpf.Stamp{"none": bpf.StampNone, "sequence": bpf.StampSequence, "clock": bpf.StampClock}[stamp]; ok {
		c, err := load.OpenCeiling(name, s)
		if err != nil {
			return nil, nil, err
		}
		return c.Frames, c.Close, nil
	}
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return nil, nil, err
	}
	program, frames, err := countAndDrop()
	if err != nil {
		return nil, nil, err
	}
	l, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: ifi.Index, Flags: link.XDPDriverMode})
	if err != nil {
		return nil, nil, err
	}
	return frames, l.Close, nil
}

// countAndDrop is the least an XDP program can do and still be believed.
func countAndDrop() (*ebpf.Program, func() (uint64, error), error) {
	counter, err := ebpf.NewMap(&ebpf.MapSpec{Name: "count", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return nil, nil, err
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "count_drop", Type: ebpf.XDP, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{
			asm.StoreImm(asm.RFP, -4, 0, asm.Word),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, -4),
			asm.LoadMapPtr(asm.R1, counter.FD()),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, "out"),
			asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
			asm.Add.Imm(asm.R1, 1),
			asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
			asm.Mov.Imm(asm.R0, 1).WithSymbol("out"), // XDP_DROP
			asm.Return(),
		},
	})
	if err != nil {
		return nil, nil, err
	}
	return program, func() (sum uint64, err error) {
		var each []uint64
		err = counter.Lookup(uint32(0), &each)
		for _, n := range each {
			sum += n
		}
		return sum, err
	}, nil
}
