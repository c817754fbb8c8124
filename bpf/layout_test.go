package bpf

import (
	"encoding/hex"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// specs are the two programs as compiled.
func specs(t *testing.T) map[string]*ebpf.CollectionSpec {
	t.Helper()
	out := map[string]*ebpf.CollectionSpec{}
	for name, read := range map[string]func() (*ebpf.CollectionSpec, error){
		ProgramRedirect: loadXskRedirect, ProgramRedirectMeta: loadXskRedirectMeta,
	} {
		spec, err := read()
		if err != nil {
			t.Fatalf("read %s: %v", name, err)
		}
		out[name] = spec
	}
	return out
}

// TestLayout compares the Go types and limits with what either program was
// compiled with.
func TestLayout(t *testing.T) {
	for name, spec := range specs(t) {
		var meta *btf.Struct
		if err := spec.Types.TypeByName("xcapa_meta", &meta); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if meta.Size != MetaSize || unsafe.Sizeof(Meta{}) != MetaSize {
			t.Errorf("%s: metadata area: %d bytes in C, %d in Go, want %d", name, meta.Size, unsafe.Sizeof(Meta{}), MetaSize)
		}
		for i, offset := range []uintptr{unsafe.Offsetof(Meta{}.Timestamp), unsafe.Offsetof(Meta{}.Sequence),
			unsafe.Offsetof(Meta{}.OriginalLength), unsafe.Offsetof(Meta{}.Flags), unsafe.Offsetof(Meta{}.Reserved),
			unsafe.Offsetof(Meta{}.VlanTpid), unsafe.Offsetof(Meta{}.VlanTci)} {
			if m := meta.Members[i]; uintptr(m.Offset.Bytes()) != offset {
				t.Errorf("%s: %s at %d in C, at %d in Go", name, m.Name, m.Offset.Bytes(), offset)
			}
		}
		if got := spec.Maps[xskRedirectMapXsks].MaxEntries; got != MaxQueues {
			t.Errorf("%s: %d queues in C, %d in Go", name, got, MaxQueues)
		}
		if got := spec.Maps[xskRedirectMapCounters].MaxEntries; got != uint32(xskRedirectXcapaCounterXCAPA_COUNTERS) {
			t.Errorf("%s: %d counters in C, %d in Go", name, got, xskRedirectXcapaCounterXCAPA_COUNTERS)
		}
		if got := spec.Variables[xskRedirectVarKeepPorts].Size(); got != 2*MaxKeepPorts {
			t.Errorf("%s: %d bytes of kept ports in C, want %d", name, got, 2*MaxKeepPorts)
		}
		if got := spec.Programs[name].License; got != "Dual BSD/GPL" {
			t.Errorf("%s: license %q", name, got)
		}
	}
}

// TestSettingsApply: each setting is a constant of the programs that have it.
func TestSettingsApply(t *testing.T) {
	s := Settings{Stamp: StampClock, NICTime: true, SnapLength: 64, HeadersOnly: true, KeepARP: true, KeepND: true, KeepPorts: []uint16{22, 443}}
	for name, spec := range specs(t) {
		if err := s.apply(spec); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for variable, want := range map[string]string{
			xskRedirectVarStamp: "02000000", xskRedirectVarSnapLength: "40000000", xskRedirectVarHeadersOnly: "01",
			xskRedirectVarKeepArp: "01", xskRedirectVarKeepNd: "01", xskRedirectVarKeepPortCount: "02000000",
			xskRedirectVarNicTime: "01", xskRedirectVarKeepPorts: "1600bb01" + strings.Repeat("0000", MaxKeepPorts-2),
		} {
			v, ok := spec.Variables[variable]
			if !ok {
				if name == ProgramRedirect && variable == xskRedirectVarNicTime {
					continue
				}
				t.Errorf("%s has no %s", name, variable)
				continue
			}
			if got := hex.EncodeToString(v.Value); got != want {
				t.Errorf("%s: %s: got %s, want %s", name, variable, got, want)
			}
		}
	}
}

func TestSettingsValidate(t *testing.T) {
	for _, test := range []struct {
		settings Settings
		want     []string // nothing: valid
	}{
		{Settings{}, nil},
		{Settings{Stamp: StampClock, SnapLength: MinSnapLength, KeepPorts: make([]uint16, MaxKeepPorts)}, nil},
		{Settings{Stamp: 3, SnapLength: 13, KeepPorts: make([]uint16, MaxKeepPorts+1)}, []string{"stamp 3", "snap length 13", "17 ports"}},
	} {
		err := test.settings.Validate()
		if (err != nil) != (test.want != nil) {
			t.Errorf("%+v: got %v, want %q", test.settings, err, test.want)
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: got %v, want %q in it", test.settings, err, want)
			}
		}
		if _, loadErr := Load(test.settings, false, 1); err != nil && loadErr == nil {
			t.Errorf("%+v: loaded", test.settings)
		}
	}
}

func TestReadMeta(t *testing.T) {
	b, err := hex.DecodeString("0807060504030201" + "1817161514131211" + "24232221" + "34333231" + "44434241" + "5251" + "6261")
	if err != nil {
		t.Fatal(err)
	}
	want := Meta{Timestamp: 0x0102030405060708, Sequence: 0x1112131415161718, OriginalLength: 0x21222324,
		Flags: 0x31323334, Reserved: 0x41424344, VlanTpid: 0x5152, VlanTci: 0x6162}
	if got := ReadMeta((*[MetaSize]byte)(b)); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if n := testing.AllocsPerRun(100, func() { want = ReadMeta((*[MetaSize]byte)(b)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
