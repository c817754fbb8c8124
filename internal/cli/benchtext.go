package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"xcapa/internal/ledger"
)

func grouped(v float64) string { return ledger.Grouped(uint64(v)) }

// judge names the first stage that breaks and says what helps.
func (r *benchReport) judge() {
	narrow, least := 1, 1.0
	for i := 1; i < len(r.Stages); i++ {
		if share := r.Stages[i].Rate / r.Stages[i-1].Rate; share < least {
			narrow, least = i, share
		}
	}
	st := r.Stages[narrow]
	r.Breaks = st.Stage
	add := func(format string, args ...any) { r.Advice = append(r.Advice, fmt.Sprintf(format, args...)) }
	add("the narrowest stage is %q: it leaves %.0f %% of what the one before it can do", st.Stage, 100*least)
	switch st.Stage {
	case stageRing:
		add("the kernel's side is the limit: the redirect, the copy and, with --stamp packet, the clock; --stamp batch saves the clock, a driver with zero copy the copy, and each further RX queue adds a core's worth")
	case stageDecode:
		add("the first touch of a frame costs more than decoding it: keep the capture on the NIC's NUMA node, and -s or --headers-only make frames small")
	case stageEncode:
		add("encoding is the limit: arrow costs a tenth of json")
	case stageWhole:
		add("what goes to the broker is the limit: --encoding arrow if it is not, --compression snappy for a slow broker or none for a fast one; several interfaces or queues share the producer")
	}
	whole := r.Stages[len(r.Stages)-1]
	switch {
	case r.Lossless > 0:
		add("this host keeps up without loss to %s packets/s on one queue; beyond that packets are dropped, and counted", grouped(r.Lossless))
	default:
		add("packets were lost at every rate tried, down to %s/s: another process takes the cores (waited: %.0f %%), or the rings are too short; try --rings 16384 --frames 32768, and bench on an idle host", grouped(r.Tried[len(r.Tried)-1]), 100*whole.Waited)
	}
	for _, st := range r.Stages {
		if st.Waited > 0.15 {
			add("the capture waited for a core for %.0f %% of stage %q: the host was busy, these are not ceilings", 100*st.Waited, st.Stage)
			break
		}
	}
}

func (r *benchReport) writeText(w io.Writer) error {
	fmt.Fprintf(w, "frames: %s; capture %s\n%s\n\n", r.Frames, r.Capture, r.Place)
	t := newTable(w, []string{"stage", "packets/s", "lowest", "highest", "Gbit/s", "CPU ns", "lost", "where"})
	for _, st := range r.Stages {
		cpu := "–"
		if st.CPU > 0 {
			cpu = fmt.Sprintf("%.0f", st.CPU)
		}
		where := ""
		if reasons := sortedReasons(st.Where); len(reasons) > 0 {
			where = reasons[0] // -o json has them all
		}
		t.row([]string{st.Stage, grouped(st.Rate), grouped(st.Low), grouped(st.High), fmt.Sprintf("%.2f", st.Gbit), cpu, fmt.Sprintf("%.2f %%", 100*st.Lost), where})
	}
	if err := t.flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nfirst stage that breaks: %s\n", r.Breaks)
	fmt.Fprintf(w, "- %s\n", strings.Join(r.Advice, "\n- "))
	_, err := fmt.Fprintf(w, "measured in %.0f s\n", r.Seconds)
	return err
}

// sortedReasons are the reasons, most lost first.
func sortedReasons(where map[string]uint64) []string {
	var keys []string
	for k := range where {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(where[b], where[a]), strings.Compare(a, b))
	})
	return keys
}
