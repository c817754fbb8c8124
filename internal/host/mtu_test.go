package host

import (
	"fmt"
	"strings"
	"testing"
)

// An MTU that does not fit is a problem with the one to set, where frames cannot
// come in parts.
func TestParts(t *testing.T) {
	tests := []struct {
		name    string
		mtu     int
		chunk   int
		offered bool
		want    string // the plan, or part of the problem
	}{
		{"ordinary", 1500, 4096, true, "[false]"},
		{"ordinary_small_chunk", 1500, 2048, true, "[false]"},
		{"jumbo_that_fits", 3500, 4096, true, "[true false]"},
		{"jumbo_that_fits_not_offered", 3500, 4096, false, "[false]"},
		{"jumbo", 9000, 4096, true, "[true]"},
		{"jumbo_not_offered", 9000, 4096, false, "ip link set dev eth1 mtu 3818"},
		{"small_chunk_not_offered", 1800, 2048, false, "ip link set dev eth1 mtu 1770"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Chunks{Interface: "eth1", Driver: "test", MTU: tt.mtu, Size: tt.chunk, Features: Features{Known: true}}
			if tt.offered {
				c.Features.XDP = XDPRXScatter
			}
			plan, p := c.Parts()
			got := fmt.Sprint(plan)
			if p != nil {
				got = p.Error()
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
