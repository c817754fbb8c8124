package parse

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"xcapa/internal/codec"
	"xcapa/internal/indexer"
	"xcapa/internal/message"
	"xcapa/internal/pcap"
	"xcapa/internal/record"
)

// The codes of error records about images.
const (
	codeNotCapture = "not_a_capture"
	codeDamaged    = "damaged_capture"
)

// maxDamage is how many of the bytes left out go into the error record.
const maxDamage = 4096

// image parses a message that is a whole capture file: one record for each
// packet, numbered in file order, one error record for each place that is
// damaged. Packets behind damage are found again.
func (w *Work) image(m *message.Message) {
	name := fmt.Sprintf("%s-%d-%d", m.Topic, m.Partition, m.Offset)
	r, err := pcap.NewReader(bytes.NewReader(m.Value), name, pcap.Options{Resync: true})
	if err != nil {
		w.notCapture(m, err)
		return
	}
	defer r.Close()
	for row := uint32(0); ; {
		p, err := r.Next()
		switch {
		case err == nil:
			w.packet(m, &p, row)
			row++
		case err == io.EOF:
			return
		default:
			w.damage(m, r, err, row)
		}
	}
}

// packet makes the record of one packet of an image.
func (w *Work) packet(m *message.Message, p *pcap.Packet, row uint32) {
	nanos := p.TimestampNanos
	if !p.HasTime {
		nanos = m.Time.UnixNano()
	}
	r := &w.rec
	r.SetPacket(p.LinkType, p.Data, max(p.OrigLen, uint32(len(p.Data))), nanos)
	r.SourceOffset, r.SourceRow = m.Offset, row
	r.Present |= 1<<record.FieldSourceOffset | 1<<record.FieldSourceRow
	w.record(p.Data)
}

// notCapture puts a message that is no capture file on record; it counts as one
// packet, since nobody can know how many it held.
func (w *Work) notCapture(m *message.Message, err error) {
	w.tally.Packets++
	reason := err.Error()
	var d *pcap.DamageError
	if errors.As(err, &d) {
		reason = d.Reason
	}
	w.errors.Send(indexer.Unreadable(stageName, m, &codec.UnreadableError{Code: codeNotCapture, Err: errors.New(reason)}), 1)
}

// damage puts a place of an image on record. It is no packet of the books: those
// before and behind it are.
func (w *Work) damage(m *message.Message, r *pcap.Reader, err error, row uint32) {
	w.parser.damaged.Add(1)
	f := indexer.Unreadable(stageName, m, err)
	f.Code, f.Row, f.Frame = codeDamaged, int(row), nil
	var d *pcap.DamageError
	if errors.As(err, &d) {
		f.Offset = int(d.Offset)
		f.Message = fmt.Sprintf("before packet %d of the image: %s; %d bytes left out", row, d.Reason, d.Skipped)
		if r.Compression() == "" {
			f.Frame = m.Value[d.Offset:min(d.Offset+d.Skipped, d.Offset+maxDamage, int64(len(m.Value)))]
		}
	}
	w.errors.Send(f, 0)
}
