package codec

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// ParseJSON reads a document of AppendJSON back into r and o, replacing both:
// writing them again gives the same document. Fields of other names are
// ignored; a value that does not fit its field is an error that names it.
//
// The id is taken apart only as far as writing it again needs: an id that is
// not run-queue-sequence becomes a source and, if it ends in a number, an
// offset. Byte strings are memory of their own.
func ParseJSON(doc []byte, r *record.Record, o *record.Origin) error {
	p := jsonParser{r: r, o: o}
	*r, *o = record.Record{}, record.Origin{}
	r.LinkType = packet.LinkTypeEthernet
	if err := scanObject(doc, p.field); err != nil {
		return fmt.Errorf("read a JSON document: %w", err)
	}
	if !p.hasNanos {
		r.TimestampNanos = p.timestamp
	}
	p.takeID()
	if r.Present.Has(packet.FieldStatus) {
		r.SetErrorDetail(p.errorText)
	}
	r.RestoreOffsets(r.LinkType)
	return nil
}

type jsonParser struct {
	r         *record.Record
	o         *record.Origin
	id        []byte
	errorText []byte
	timestamp int64
	hasNanos  bool
	captured  bool // the document has a queue: its id is run-queue-sequence
}

func (p *jsonParser) field(key, value []byte) (err error) {
	in := record.ByName(string(key))
	if in == nil || string(value) == "null" {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("field %s: %w", in.Name, err)
		}
	}()
	if in.Field != record.NoField {
		return p.stored(in, value)
	}
	switch in.Name {
	case record.NameTimestamp:
		p.timestamp, err = parseTime(value)
	case record.NameID:
		p.id, err = wantString(value)
	case record.NameNanos:
		p.hasNanos = true
		p.r.TimestampNanos, err = strconv.ParseInt(string(value), 10, 64)
	case record.NameFrameLength:
		p.r.OrigLen, err = jsonUint32(value)
	case record.NameCapturedLength:
		p.r.CapLen, err = jsonUint32(value)
	case record.NameHost:
		err = setString(&p.o.Host, value)
	case record.NameInterface:
		err = setString(&p.o.Interface, value)
	case record.NameQueue:
		p.captured = true
		p.o.Queue, err = strconv.Atoi(string(value))
	case record.NameErrors:
		p.errorText = firstString(value)
	}
	return err
}

// stored reads a field that has a bit.
func (p *jsonParser) stored(in *record.Info, value []byte) error {
	f := in.Field
	if jsonKeys[f].kind == kindUint {
		v, err := jsonUint(value, in.Arrow.Width())
		if err != nil {
			return err
		}
		p.r.SetUint(f, v)
		p.r.Present |= 1 << f
		return nil
	}
	text, err := wantString(value)
	if err != nil {
		return err
	}
	switch jsonKeys[f].kind {
	case kindMAC:
		var mac [6]byte
		err = parseMAC(&mac, text)
		p.r.SetBytes(f, mac[:])
	case kindIPv4, kindAddress:
		err = p.address(f, string(text))
	case kindBinary:
		var b []byte
		b, err = base64.StdEncoding.AppendDecode(nil, text)
		p.r.SetBytes(f, b)
	case kindStatus:
		s, ok := packet.ParseStatus(string(text))
		if !ok || s == packet.StatusWhole {
			return fmt.Errorf("unknown status %.40q", text)
		}
		p.r.Status = s
	case kindChecksumStatus:
		var v uint64
		v, err = parseChecksumStatus(string(text))
		p.r.SetUint(f, v)
	}
	if err == nil {
		p.r.Present |= 1 << f
	}
	return err
}

func (p *jsonParser) address(f packet.Field, text string) error {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return err
	}
	if jsonKeys[f].kind == kindAddress && addr.Zone() == "" {
		a := addr.As16()
		p.r.SetBytes(f, a[:])
		return nil
	}
	if !addr.Is4() {
		return fmt.Errorf("%.60q is no IPv4 address", text)
	}
	a := addr.As4()
	p.r.SetUint(f, uint64(a[0])<<24|uint64(a[1])<<16|uint64(a[2])<<8|uint64(a[3]))
	return nil
}

// takeID splits the id so that record.AppendID makes it again.
func (p *jsonParser) takeID() {
	head, last, ok := cutLast(p.id)
	if p.captured {
		if run, queue, found := cutLast(head); ok && found && string(queue) == strconv.Itoa(p.o.Queue) {
			if v, err := strconv.ParseUint(string(last), 10, 64); err == nil {
				p.o.Run, p.r.Sequence = string(run), v
			}
		}
		return
	}
	p.o.Source = string(p.id)
	v, err := strconv.ParseInt(string(last), 10, 64)
	if ok && err == nil && v >= 0 && strconv.FormatInt(v, 10) == string(last) {
		p.o.Source, p.r.SourceOffset = string(head), v
		p.r.Present |= 1 << record.FieldSourceOffset
	}
}

func cutLast(id []byte) (head, last []byte, ok bool) {
	i := bytes.LastIndexByte(id, '-')
	if i < 1 {
		return nil, nil, false
	}
	return id[:i], id[i+1:], true
}

// jsonUint reads an integer of a field of width bytes. Negative numbers are
// what the seed's schema makes of 32-bit ones.
func jsonUint(value []byte, width int) (uint64, error) {
	if value[0] == '-' && width == 4 {
		v, err := strconv.ParseInt(string(value), 10, 32)
		return uint64(uint32(v)), err
	}
	return strconv.ParseUint(string(value), 10, 8*width)
}

func jsonUint32(value []byte) (uint32, error) {
	v, err := strconv.ParseUint(string(value), 10, 32)
	return uint32(v), err
}

func wantString(value []byte) ([]byte, error) {
	if s, ok := jsonString(value); ok {
		return s, nil
	}
	return nil, fmt.Errorf("%.40s is no string", value)
}

func setString(dst *string, value []byte) error {
	s, err := wantString(value)
	*dst = string(s)
	return err
}

// firstString is the first string of an array of them, nil if there is none.
func firstString(value []byte) (s []byte) {
	if value[0] == '[' {
		skipElements(value, 1, 1, func(v []byte) {
			if s == nil {
				s, _ = jsonString(v)
			}
		})
	}
	return s
}

func parseTime(value []byte) (int64, error) {
	text, err := wantString(value)
	if err != nil {
		return 0, err
	}
	t, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return 0, err
	}
	if y := t.UTC().Year(); y < 1678 || y > 2261 {
		return 0, fmt.Errorf("%.40q does not fit nanoseconds in 64 bits", text)
	}
	return t.UnixNano(), nil
}

// parseMAC reads aa:bb:cc:dd:ee:ff.
func parseMAC(mac *[6]byte, text []byte) error {
	if len(text) != 17 {
		return fmt.Errorf("%.40q is no MAC address", text)
	}
	for i := range mac {
		if i > 0 && text[3*i-1] != ':' {
			return fmt.Errorf("%.40q is no MAC address", text)
		}
		if _, err := hex.Decode(mac[i:i+1], text[3*i:3*i+2]); err != nil {
			return fmt.Errorf("%.40q is no MAC address", text)
		}
	}
	return nil
}

func parseChecksumStatus(text string) (uint64, error) {
	for s := packet.ChecksumStatus(0); s.String() != "unknown"; s++ {
		if s.String() == text {
			return uint64(s), nil
		}
	}
	return 0, fmt.Errorf("unknown checksum status %.40q", text)
}
