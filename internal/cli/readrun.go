package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"xcapa/internal/packet"
	"xcapa/internal/pcap"
	"xcapa/internal/record"
)

// A run is as many packets as are decoded at a time: up to so many, of so many
// bytes.
const (
	runPackets = 1024
	runBytes   = 512 << 10
)

// run is a part of a file on its way through the workers. It is used again.
type run struct {
	data    []byte
	packets []packetRef
	origin  record.Origin
	number  int64 // of the first packet in its file

	out    []byte
	status [packet.NumStatus]uint64
	done   chan struct{} // gets one value when out is whole
}

// packetRef is a packet whose bytes are in the run's data.
type packetRef struct {
	end      int // in data; it begins where the one before ends
	nanos    int64
	origLen  uint32
	linkType uint16
}

// readPipe reads, decodes and writes at the same time and keeps the order: the
// caller reads, workers decode runs, one goroutine writes them as they were
// read. Its memory is that of a fixed number of runs.
type readPipe struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	free    chan *run
	work    chan *run
	ordered chan *run
	wg      sync.WaitGroup

	packets uint64 // written
	status  [packet.NumStatus]uint64
}

// newReadPipe starts the goroutines. close waits for them.
func newReadPipe(ctx context.Context, out io.Writer, f *readFormat, workers int, verify bool) *readPipe {
	if f.oneByOne {
		workers = 1
	}
	n := 2*workers + 2
	p := &readPipe{free: make(chan *run, n), work: make(chan *run, n), ordered: make(chan *run, n)}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	for range n {
		p.free <- &run{done: make(chan struct{}, 1)}
	}
	for range workers {
		p.wg.Go(func() {
			e := f.encoder()
			var rec record.Record
			for r := range p.work {
				r.encode(e, &rec, verify)
				r.done <- struct{}{}
			}
		})
	}
	p.wg.Go(func() { p.write(out, f) })
	return p
}

// encode decodes the run's packets into out.
func (r *run) encode(e encoder, rec *record.Record, verify bool) {
	out, from := r.out[:0], 0
	for i := range r.packets {
		p := &r.packets[i]
		data := r.data[from:p.end:p.end]
		from = p.end
		rec.SetPacket(p.linkType, data, p.origLen, p.nanos)
		if verify {
			packet.Verify(&rec.Packet, data)
		}
		rec.SourceOffset = r.number + int64(i)
		rec.Present |= 1 << record.FieldSourceOffset
		r.status[rec.Status]++
		out = e.add(out, rec, &r.origin, data)
	}
	r.out = e.endRun(out)
}

// write writes runs in the order they were read. After an error it only takes
// them, so that nobody waits.
func (p *readPipe) write(out io.Writer, f *readFormat) {
	put := func(b []byte) {
		if len(b) == 0 || p.failed() {
			return
		}
		if _, err := out.Write(b); err != nil {
			p.cancel(outputError(err))
		}
	}
	put(f.head)
	for r := range p.ordered {
		<-r.done
		put(r.out)
		if !p.failed() {
			p.packets += uint64(len(r.packets))
			for i, n := range r.status {
				p.status[i] += n
			}
		}
		r.data, r.packets, r.status = r.data[:0], r.packets[:0], [packet.NumStatus]uint64{}
		p.free <- r
	}
	put(f.tail)
}

// failed reports whether writing failed; an interrupt is no failure: what was
// read is written.
func (p *readPipe) failed() bool {
	cause := context.Cause(p.ctx)
	return cause != nil && !errors.Is(cause, context.Canceled)
}

// send hands a run to the workers.
func (p *readPipe) send(r *run) {
	p.ordered <- r
	p.work <- r
}

// close waits until everything is written and returns why it could not be.
func (p *readPipe) close() error {
	close(p.work)
	close(p.ordered)
	p.wg.Wait()
	if p.failed() {
		return context.Cause(p.ctx)
	}
	return nil
}

// file sends the packets of one file through the pipe, at most limit of them (0:
// all), and returns how many. damage is called for what is passed over.
func (p *readPipe) file(in *pcap.Reader, origin record.Origin, limit int64, damage func(*pcap.DamageError)) (n int64, err error) {
	r := <-p.free
	r.origin, r.number = origin, 1
	defer func() { p.send(r) }()
	for {
		// What is there goes on before the next packet is waited for.
		full := len(r.packets) == runPackets || len(r.data) >= runBytes
		if len(r.packets) > 0 && (full || in.Buffered() == 0) {
			p.send(r)
			if err := p.ctx.Err(); err != nil {
				r = <-p.free
				return n, fmt.Errorf("interrupted after %d packets", n)
			}
			r = <-p.free
			r.origin, r.number = origin, n+1
		}
		if limit > 0 && n == limit {
			return n, errEnough
		}
		packet, err := in.Next()
		var bad *pcap.DamageError
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case errors.As(err, &bad):
			damage(bad)
			continue
		case err != nil:
			return n, err
		}
		r.data = append(r.data, packet.Data...)
		r.packets = append(r.packets, packetRef{len(r.data), packet.TimestampNanos, packet.OrigLen, packet.LinkType})
		n++
	}
}
