package packet

import (
	"testing"

	"xcapa/internal/testpkt"
)

// FuzzDecode starts from every frame in testdata/frames. Any input must decode
// without a panic, to the same whatever lies behind the frame or was in the
// Packet before and on both ways through the decoder; what a cut gives must be
// what the whole frame has.
func FuzzDecode(f *testing.F) {
	for _, v := range testpkt.Corpus(f) {
		f.Add(v.LinkType, v.OrigLen, uint16(len(v.Frame)/2), v.Frame)
	}
	f.Fuzz(func(t *testing.T, linkType uint16, origLen uint32, cut uint16, frame []byte) {
		whole, said := decodeAllWays(t, linkType, frame, origLen)
		checkConsistent(t, whole, frame, said)

		n := min(int(cut), len(frame))
		part, said := decodeAllWays(t, linkType, frame[:n], origLen)
		checkConsistent(t, part, frame[:n], said)
		checkWithin(t, part, whole, frame[:n])

		for _, f := range [][]byte{frame, frame[:n]} {
			checkFlowHashOf(t, linkType, f, origLen)
		}
		Verify(whole, frame)
		if len(whole.AppendStatus(nil)) == 0 != (whole.Status == StatusWhole) {
			t.Errorf("text %q of %s", whole.AppendStatus(nil), said)
		}
		if whole.TCPDataLen(origLen) > whole.TCPSegmentLen(origLen) {
			t.Errorf("%d bytes of data in a segment of %d: %s", whole.TCPDataLen(origLen), whole.TCPSegmentLen(origLen), said)
		}
	})
}

// checkConsistent checks what must hold for any frame.
func checkConsistent(t *testing.T, p *Packet, frame []byte, said string) {
	t.Helper()
	fail := func(rule string) { t.Errorf("%s: %s\nframe %x", rule, said, frame) }
	if p.Status >= NumStatus || p.StatusLayer >= NumLayers && p.Status != StatusWhole {
		fail("status or layer has no name")
	}
	if p.Status == StatusLaterFragment && (p.Present&portFields != 0 || p.TransportOffset != 0) {
		fail("a later fragment has ports")
	}
	if (p.Status == StatusSnapped || p.Status == StatusTruncated) && p.StatusNeed <= p.StatusHave {
		fail("cut, but has what it needs")
	}
	if p.Status != StatusWhole && int(p.StatusOffset) > len(frame) {
		fail("the status is about a place behind the frame")
	}
	if p.Present.Has(FieldIPVersion) && p.IPVersion != 4 && p.IPVersion != 6 {
		fail("version")
	}
	cut := p.Status == StatusSnapped // a header that is cut is not judged
	if !cut && !p.Status.IsError() && p.Present.Has(FieldIPHeaderLen) && (p.IPHeaderLen < 20 || p.IPHeaderLen > 60) {
		fail("header length")
	}
	if !cut && !p.Status.IsError() && p.Present.Has(FieldDataOffset) && p.DataOffset < 5 {
		fail("data offset")
	}
	transport := p.Present&(portFields|1<<FieldICMPType) != 0
	if transport && (p.TransportOffset <= p.NetworkOffset || !p.Present.Has(FieldProtocol)) {
		fail("a transport header without a network header")
	}
	if transport && !p.Status.IsError() && p.TotalLength != 0 && !p.lengthUnknown() &&
		p.TransportOffset >= p.NetworkOffset+p.TotalLength {
		fail("a transport header behind the datagram")
	}
}
