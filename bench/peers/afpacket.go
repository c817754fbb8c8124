package peers

import (
	"context"
	"errors"
	"flag"
	"time"

	"github.com/gopacket/gopacket/afpacket"
)

// openAFPacket opens gopacket's TPACKET_V3 ring with 64 blocks of 1 MiB.
func openAFPacket(name string) (*afpacket.TPacket, error) {
	return afpacket.NewTPacket(afpacket.OptInterface(name), afpacket.OptTPacketVersion(afpacket.TPacketVersion3),
		afpacket.OptFrameSize(2048), afpacket.OptBlockSize(1<<20), afpacket.OptNumBlocks(64),
		afpacket.OptBlockTimeout(10*time.Millisecond), afpacket.OptPollTimeout(50*time.Millisecond))
}

// eachPacket reads without copying until ctx is over and the ring is empty.
func eachPacket(ctx context.Context, t *afpacket.TPacket, f func(frame []byte, at time.Time)) error {
	for {
		ending := ctx.Err() != nil
		frame, info, err := t.ZeroCopyReadPacketData()
		switch {
		case err == nil:
			f(frame, info.Timestamp)
		case !errors.Is(err, afpacket.ErrTimeout):
			return err
		case ending:
			return nil
		}
	}
}

// afpacketCount reads every frame with gopacket/afpacket and counts it.
func afpacketCount(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("afpacket", flag.ExitOnError)
	name := f.String("i", "", "interface")
	_ = f.Parse(args)
	t, err := openAFPacket(*name)
	if err != nil {
		return err
	}
	defer t.Close()
	ready()
	var n uint64
	if err := eachPacket(ctx, t, func([]byte, time.Time) { n++ }); err != nil {
		return err
	}
	_, v3, err := t.SocketStats()
	if err != nil {
		return err
	}
	return done(Result{Packets: n, Dropped: uint64(v3.Drops())})
}
