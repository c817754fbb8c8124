package record

import "xcapa/internal/packet"

// Uint returns the value of a field whose Arrow type is an integer, 0 for any
// other field. It does not look at Present. The signed source offset comes as
// its bit pattern.
func (r *Record) Uint(f packet.Field) uint64 {
	switch f {
	case packet.FieldEtherType:
		return uint64(r.EtherType)
	case packet.FieldVLANID:
		return uint64(r.VLANID)
	case packet.FieldVLANPriority:
		return uint64(r.VLANPriority)
	case packet.FieldVLANInnerID:
		return uint64(r.VLANInnerID)
	case packet.FieldVLANInnerPriority:
		return uint64(r.VLANInnerPriority)
	case packet.FieldARPOperation:
		return uint64(r.ARPOperation)
	case packet.FieldARPSenderIP:
		return uint64(r.ARPSenderIP)
	case packet.FieldARPTargetIP:
		return uint64(r.ARPTargetIP)
	case packet.FieldIPVersion:
		return uint64(r.IPVersion)
	case packet.FieldIPHeaderLen:
		return uint64(r.IPHeaderLen)
	case packet.FieldTOS:
		return uint64(r.TOS)
	case packet.FieldTotalLength:
		return uint64(r.TotalLength)
	case packet.FieldIdentification:
		return uint64(r.Identification)
	case packet.FieldIPFlags:
		return uint64(r.IPFlags)
	case packet.FieldFragmentOffset:
		return uint64(r.FragmentOffset)
	case packet.FieldTTL:
		return uint64(r.TTL)
	case packet.FieldProtocol:
		return uint64(r.Protocol)
	case packet.FieldHeaderChecksum:
		return uint64(r.HeaderChecksum)
	case packet.FieldFlowLabel:
		return uint64(r.FlowLabel)
	case packet.FieldNextHeader:
		return uint64(r.NextHeader)
	case packet.FieldExtensionHeaders:
		return uint64(r.ExtensionHeaders)
	case packet.FieldSourcePort:
		return uint64(r.SourcePort)
	case packet.FieldDestinationPort:
		return uint64(r.DestinationPort)
	case packet.FieldSequenceNumber:
		return uint64(r.SequenceNumber)
	case packet.FieldAcknowledgmentNumber:
		return uint64(r.AcknowledgmentNumber)
	case packet.FieldDataOffset:
		return uint64(r.DataOffset)
	case packet.FieldTCPFlags:
		return uint64(r.TCPFlags)
	case packet.FieldWindow:
		return uint64(r.Window)
	case packet.FieldTCPChecksum:
		return uint64(r.TCPChecksum)
	case packet.FieldUrgentPointer:
		return uint64(r.UrgentPointer)
	case packet.FieldUDPLength:
		return uint64(r.UDPLength)
	case packet.FieldUDPChecksum:
		return uint64(r.UDPChecksum)
	case packet.FieldICMPType:
		return uint64(r.ICMPType)
	case packet.FieldICMPCode:
		return uint64(r.ICMPCode)
	case packet.FieldICMPChecksum:
		return uint64(r.ICMPChecksum)
	case packet.FieldIPChecksumStatus:
		return uint64(r.IPChecksumStatus)
	case packet.FieldTransportChecksumStatus:
		return uint64(r.TransportChecksumStatus)
	case packet.FieldStatus:
		return uint64(r.Status)
	case FieldSequence:
		return r.Sequence
	case FieldSourceOffset:
		return uint64(r.SourceOffset)
	case FieldLinkType:
		return uint64(r.LinkType)
	case FieldSourceRow:
		return uint64(r.SourceRow)
	}
	return 0
}

// SetUint is the inverse of Uint: it stores the low bits of v that the field
// has, and does nothing for a field that is no integer. It does not set
// Present.
func (r *Record) SetUint(f packet.Field, v uint64) {
	switch f {
	case packet.FieldEtherType:
		r.EtherType = uint16(v)
	case packet.FieldVLANID:
		r.VLANID = uint16(v)
	case packet.FieldVLANPriority:
		r.VLANPriority = uint8(v)
	case packet.FieldVLANInnerID:
		r.VLANInnerID = uint16(v)
	case packet.FieldVLANInnerPriority:
		r.VLANInnerPriority = uint8(v)
	case packet.FieldARPOperation:
		r.ARPOperation = uint16(v)
	case packet.FieldARPSenderIP:
		r.ARPSenderIP = uint32(v)
	case packet.FieldARPTargetIP:
		r.ARPTargetIP = uint32(v)
	case packet.FieldIPVersion:
		r.IPVersion = uint8(v)
	case packet.FieldIPHeaderLen:
		r.IPHeaderLen = uint8(v)
	case packet.FieldTOS:
		r.TOS = uint8(v)
	case packet.FieldTotalLength:
		r.TotalLength = uint32(v)
	case packet.FieldIdentification:
		r.Identification = uint32(v)
	case packet.FieldIPFlags:
		r.IPFlags = uint8(v)
	case packet.FieldFragmentOffset:
		r.FragmentOffset = uint16(v)
	case packet.FieldTTL:
		r.TTL = uint8(v)
	case packet.FieldProtocol:
		r.Protocol = uint8(v)
	case packet.FieldHeaderChecksum:
		r.HeaderChecksum = uint16(v)
	case packet.FieldFlowLabel:
		r.FlowLabel = uint32(v)
	case packet.FieldNextHeader:
		r.NextHeader = uint8(v)
	case packet.FieldExtensionHeaders:
		r.ExtensionHeaders = uint16(v)
	case packet.FieldSourcePort:
		r.SourcePort = uint16(v)
	case packet.FieldDestinationPort:
		r.DestinationPort = uint16(v)
	case packet.FieldSequenceNumber:
		r.SequenceNumber = uint32(v)
	case packet.FieldAcknowledgmentNumber:
		r.AcknowledgmentNumber = uint32(v)
	case packet.FieldDataOffset:
		r.DataOffset = uint8(v)
	case packet.FieldTCPFlags:
		r.TCPFlags = uint16(v)
	case packet.FieldWindow:
		r.Window = uint16(v)
	case packet.FieldTCPChecksum:
		r.TCPChecksum = uint16(v)
	case packet.FieldUrgentPointer:
		r.UrgentPointer = uint16(v)
	case packet.FieldUDPLength:
		r.UDPLength = uint16(v)
	case packet.FieldUDPChecksum:
		r.UDPChecksum = uint16(v)
	case packet.FieldICMPType:
		r.ICMPType = uint8(v)
	case packet.FieldICMPCode:
		r.ICMPCode = uint8(v)
	case packet.FieldICMPChecksum:
		r.ICMPChecksum = uint16(v)
	case packet.FieldIPChecksumStatus:
		r.IPChecksumStatus = packet.ChecksumStatus(v)
	case packet.FieldTransportChecksumStatus:
		r.TransportChecksumStatus = packet.ChecksumStatus(v)
	case packet.FieldStatus:
		r.Status = packet.Status(v)
	case FieldSequence:
		r.Sequence = v
	case FieldSourceOffset:
		r.SourceOffset = int64(v)
	case FieldLinkType:
		r.LinkType = uint16(v)
	case FieldSourceRow:
		r.SourceRow = uint32(v)
	}
}

// Bytes returns the value of a field whose Arrow type is a binary, a view into
// r, nil for any other field. It does not look at Present.
func (r *Record) Bytes(f packet.Field) []byte {
	switch f {
	case packet.FieldSourceMAC:
		return r.SourceMAC[:]
	case packet.FieldDestinationMAC:
		return r.DestinationMAC[:]
	case packet.FieldARPSenderMAC:
		return r.ARPSenderMAC[:]
	case packet.FieldARPTargetMAC:
		return r.ARPTargetMAC[:]
	case packet.FieldSourceAddress:
		return r.SourceAddress[:]
	case packet.FieldDestinationAddress:
		return r.DestinationAddress[:]
	case packet.FieldIPOptions:
		return r.IPOptions
	case packet.FieldIPPadding:
		return r.IPPadding
	case packet.FieldTCPOptions:
		return r.TCPOptions
	case packet.FieldTCPPadding:
		return r.TCPPadding
	}
	return nil
}

// SetBytes is the inverse of Bytes: fixed-width fields are copied (what is
// missing in v becomes 0, what is too long is cut), the variable ones keep v
// itself. It does not set Present.
func (r *Record) SetBytes(f packet.Field, v []byte) {
	switch f {
	case packet.FieldIPOptions:
		r.IPOptions = v
	case packet.FieldIPPadding:
		r.IPPadding = v
	case packet.FieldTCPOptions:
		r.TCPOptions = v
	case packet.FieldTCPPadding:
		r.TCPPadding = v
	default:
		b := r.Bytes(f)
		clear(b[copy(b, v):])
	}
}
