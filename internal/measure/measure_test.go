package measure

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestUsed(t *testing.T) {
	before, err := Used(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); {
	}
	after, err := Used(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// A busy machine gives this loop less than its 50 ms.
	if c := after.Minus(before); c.Ran < time.Millisecond || c.Delayed < 0 {
		t.Errorf("50 ms of work: %+v", c)
	}
	if _, err := Used(1 << 30); err == nil {
		t.Error("a process that is not there: no error")
	}
}

func TestPlace(t *testing.T) {
	if _, err := Place([]int{3}); err == nil {
		t.Error("one core: no error")
	}
	for _, tt := range []struct {
		cores []int
		want  Placement
	}{
		{[]int{0, 1}, Placement{0, 1, 0}},
		{[]int{4, 6, 9}, Placement{4, 6, 9}},
	} {
		if got, err := Place(tt.cores); err != nil || got != tt.want {
			t.Errorf("%v: %+v, %v; want %+v", tt.cores, got, err, tt.want)
		}
	}
}

func TestOn(t *testing.T) {
	cores := AllowedCores()
	if len(cores) == 0 {
		t.Fatal("no core allowed")
	}
	var out []byte
	err := On(cores[len(cores)-1], func() (err error) {
		out, err = exec.Command("nproc").Output()
		return err
	})
	if err != nil || strings.TrimSpace(string(out)) != "1" {
		t.Errorf("a child sees %q cores, %v; want 1", out, err)
	}
	if after := AllowedCores(); len(after) != len(cores) {
		t.Errorf("after: %v, want %v", after, cores)
	}
}
