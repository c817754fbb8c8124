package testnet

import (
	"context"
	"time"

	"xcapa/internal/veth"
)

// Load is a stream of numbered frames, numbered from 0.
type Load struct {
	Frames uint64        // how many; 0: until Duration is over
	For    time.Duration // how long at most; 0: until Frames are sent
	Rate   int           // frames a second; 0: as fast as it goes
	Size   int           // bytes a frame; 0: MinNumbered+6, which is 60
	Flows  int           // source ports, used in turn; 0: one
}

// Generate sends load at end and returns how many frames the kernel took. It
// ends early when ctx does, without an error.
func Generate(ctx context.Context, end *veth.End, load Load) (uint64, error) {
	s, err := OpenSender(end)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	size, flows := load.Size, max(load.Flows, 1)
	if size == 0 {
		size = MinNumbered + 6
	}
	frames := make([][]byte, sendBatch)
	for i := range frames {
		frames[i] = newNumbered(size, i%flows)
	}
	start := time.Now()
	var sent uint64
	for ctx.Err() == nil {
		elapsed := time.Since(start)
		if load.For > 0 && elapsed >= load.For {
			break
		}
		n, pause := load.due(sent, elapsed)
		if n == 0 && pause == 0 {
			break
		}
		if n == 0 {
			time.Sleep(pause)
			continue
		}
		for i := range frames[:n] {
			number := sent + uint64(i)
			renumber(frames[i], number)
		}
		took, err := s.Send(frames[:n])
		sent += uint64(took)
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// due says how many frames to send now, at most a batch; 0 with a pause: wait
// that long; 0, 0: all are sent.
func (l Load) due(sent uint64, elapsed time.Duration) (int, time.Duration) {
	n := uint64(sendBatch)
	if l.Frames > 0 {
		n = min(n, l.Frames-sent)
	}
	if n == 0 || l.Rate <= 0 {
		return int(n), 0
	}
	allowed := uint64(elapsed.Seconds() * float64(l.Rate))
	if allowed <= sent {
		return 0, min(time.Duration(sent+1-allowed)*time.Second/time.Duration(l.Rate), time.Millisecond)
	}
	return int(min(n, allowed-sent)), 0
}
