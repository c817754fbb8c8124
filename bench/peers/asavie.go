package peers

import (
	"context"
	"flag"
	"net"
	"runtime"

	"github.com/asavie/xdp"
)

// asavieLoop is github.com/asavie/xdp as published: its own program, its default
// socket, the loop of its examples (fill from the free list, poll, receive).
func asavieLoop(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("asavie", flag.ExitOnError)
	name := f.String("i", "", "interface")
	ring := f.Int("ring", 4096, "entries of each ring; 0: the package's default of 64")
	look := f.Bool("look", false, "read the first byte of each frame")
	_ = f.Parse(args)
	ifi, err := net.InterfaceByName(*name)
	if err != nil {
		return err
	}
	program, err := xdp.NewProgram(1)
	if err != nil {
		return err
	}
	defer program.Close()
	if err := program.Attach(ifi.Index); err != nil {
		return err
	}
	defer program.Detach(ifi.Index)
	var options *xdp.SocketOptions
	if *ring > 0 { // the rings xcapa has, or it would be the sizes that are compared
		options = &xdp.SocketOptions{
			NumFrames: 2 * *ring, FrameSize: 4096, FillRingNumDescs: *ring,
			CompletionRingNumDescs: 64, RxRingNumDescs: *ring, TxRingNumDescs: 64,
		}
	}
	s, err := xdp.NewSocket(ifi.Index, 0, options)
	if err != nil {
		return err
	}
	if err := program.Register(0, s.FD()); err != nil {
		return err
	}
	ready()
	var n uint64
	var seen byte
	for ctx.Err() == nil {
		if free := s.NumFreeFillSlots(); free > 0 {
			s.Fill(s.GetDescs(free))
		}
		got, _, err := s.Poll(50)
		if err != nil {
			return err
		}
		if got == 0 {
			continue
		}
		descs := s.Receive(got)
		n += uint64(len(descs))
		if *look {
			for _, d := range descs {
				seen += s.GetFrame(d)[0]
			}
		}
	}
	runtime.KeepAlive(seen)
	stats, err := s.Stats()
	if err != nil {
		return err
	}
	// Moves with the empty fill ring, too: one number for both.
	return done(Result{Packets: n, Dropped: stats.KernelStats.Rx_dropped + stats.KernelStats.Rx_ring_full})
}
