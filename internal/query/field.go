package query

import (
	"fmt"
	"strings"

	"xcapa/internal/nearest"
	"xcapa/internal/packet"
	"xcapa/internal/record"
)

// kind is how the values of a field are written and compared.
type kind uint8

const (
	kindNumber  kind = iota
	kindTime         // ns since 1970, written as a date
	kindMillis       // ms since 1970, the field record_time
	kindAddress      // IPv4 and IPv6, stored as text
	kindMAC          // stored as text, aa:bb:cc:dd:ee:ff
	kindText
	kindBytes // options: written in hex
)

// Field is a field of the table that can be asked for.
type Field struct {
	Name string

	kind   kind
	stored string // the column it is, or is made from alone; "" for a computed one
	needs  []string
	bits   int // of a number
	signed bool
	names  map[string]uint64 // names of some numbers
	flags  bool              // the names are bits
	values []string          // the only texts there are
	info   *record.Info
}

// FieldByName finds a field of the table. The error of an unknown one says what
// was perhaps meant.
func FieldByName(name string) (*Field, error) {
	if f := fields[strings.ToLower(name)]; f != nil {
		return f, nil
	}
	if in := record.ByName(name); in != nil {
		return nil, fmt.Errorf("field %s is only in documents of --schema seed, the store does not have it", name)
	}
	if near := closest(strings.ToLower(name)); near != "" {
		return nil, fmt.Errorf("no field %q: did you mean %s?", name, near)
	}
	return nil, fmt.Errorf("no field %q: `xcapa fields` lists them", name)
}

// FieldNames are the names of all fields, in the order of the table.
func FieldNames() (out []string) {
	for _, in := range record.Fields() {
		if fields[in.Name] != nil {
			out = append(out, in.Name)
		}
	}
	return out
}

// Summable reports whether sums and averages of the field make sense.
func (f *Field) Summable() bool { return f.kind == kindNumber && f.bits > 0 }

// Ordered reports whether the field has a smallest value.
func (f *Field) Ordered() bool { return f.Summable() || f.kind == kindTime || f.kind == kindMillis }

var fields = func() map[string]*Field {
	m := map[string]*Field{}
	for i := range record.Fields() {
		if f := newField(&record.Fields()[i]); f != nil {
			m[f.Name] = f
		}
	}
	return m
}()

// newField is a line of the table as the language sees it, nil for one that no
// stored record has.
func newField(in *record.Info) *Field {
	f := &Field{Name: in.Name, info: in, stored: in.Name, names: numberNames[in.Name], flags: in.Name == "tcp_flags" || in.Name == "ip_flags"}
	f.values = textValues[in.Name]
	switch in.Kind {
	case record.SeedOnly:
		return nil
	case record.Shared:
		f.kind = kindText
		if in.Name == record.NameQueue {
			f.kind, f.bits, f.signed = kindNumber, 16, true
		}
		return f
	case record.Computed, record.Constant:
		return computedField(f)
	}
	switch {
	case in.Arrow == record.ArrowTimestamp:
		f.kind = kindTime
	case in.Arrow == record.ArrowFixed6:
		f.kind = kindMAC
	case in.Elastic == "ip":
		f.kind = kindAddress
	case in.Arrow == record.ArrowBinary:
		f.kind = kindBytes
	case in.Elastic == "keyword":
		f.kind = kindText
	default:
		f.kind, f.bits, f.signed = kindNumber, in.Arrow.Width()*8, in.Arrow == record.ArrowInt64
	}
	return f
}

// computedField completes a field that is no column of the store.
func computedField(f *Field) *Field {
	switch f.Name {
	case record.NameID:
		f.kind = kindText
	case record.NameTimestamp:
		f.kind, f.stored = kindTime, record.NameNanos
	case record.NameTime:
		f.kind, f.stored = kindMillis, record.NameNanos
	case record.NameSegmentLength, record.NameDataLength:
		f.kind, f.bits, f.stored, f.needs = kindNumber, 32, "", computed[f.Name].needs
	default:
		f.kind, f.stored, f.needs = kindText, "", computed[f.Name].needs
	}
	return f
}

// Names of numbers: IANA's protocol keywords, EtherTypes, the bits of flags.
var numberNames = map[string]map[string]uint64{
	"protocol": {
		"icmp": 1, "igmp": 2, "ipip": 4, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41, "rsvp": 46, "gre": 47, "esp": 50, "ah": 51,
		"icmp6": 58, "icmpv6": 58, "ipv6-icmp": 58, "ospf": 89, "pim": 103, "vrrp": 112, "l2tp": 115, "sctp": 132, "udplite": 136, "mpls": 137,
	},
	"ethernet_type": {"ip": 0x0800, "ipv4": 0x0800, "arp": 0x0806, "rarp": 0x8035, "vlan": 0x8100, "ipv6": 0x86dd, "ip6": 0x86dd,
		"mpls": 0x8847, "pppoe": 0x8864, "eapol": 0x888e, "lldp": 0x88cc, "ptp": 0x88f7},
	"tcp_flags":     {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ece": 64, "cwr": 128, "ns": 256},
	"ip_flags":      {"mf": 1, "df": 2, "reserved": 4},
	"arp_operation": {"request": 1, "reply": 2},
}

// textValues are the texts of fields that have few.
var textValues = map[string][]string{
	"decode_status":             statusNames(),
	"ip_checksum_status":        checksumNames(),
	"transport_checksum_status": checksumNames(),
}

func statusNames() (out []string) {
	for s := packet.StatusWhole + 1; s < packet.NumStatus; s++ {
		out = append(out, s.String())
	}
	return out
}

func checksumNames() []string {
	return []string{packet.ChecksumNone.String(), packet.ChecksumGood.String(), packet.ChecksumBad.String(), packet.ChecksumPartial.String()}
}

// aliases are names that other tools have for our fields.
var aliases = map[string]string{
	"dst_port": "dest_port", "sport": "src_port", "dport": "dest_port", "src": "src_ip", "dst": "dst_ip", "dest_ip": "dst_ip",
	"source_ip": "src_ip", "destination_ip": "dst_ip", "time": "@timestamp", "timestamp": "@timestamp", "proto": "protocol",
	"ip_protocol": "protocol", "length": "frame_length", "len": "frame_length", "ttl": "ip_time_to_live", "flags": "tcp_flags",
	"interface": "capture_interface", "host": "capture_host", "queue": "capture_queue", "vlan": "vlan_id", "id": "record_id",
	"dest_mac": "dst_mac", "status": "decode_status", "ethertype": "ethernet_type", "tos": "ip_type_of_service", "port": "src_port or dest_port",
	"ip": "src_ip or dst_ip", "mac": "src_mac or dst_mac",
}

// closest is the field that name was perhaps meant for, "" if none is near.
func closest(name string) string {
	if a, ok := aliases[name]; ok {
		return a
	}
	return nearest.Word(name, FieldNames())
}
