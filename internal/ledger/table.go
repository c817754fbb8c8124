package ledger

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// WriteTable prints the rooms as an aligned table for people, one row a room,
// reasons and counts named behind the sums, and a last line that says whether
// the books balance.
func (l *Ledger) WriteTable(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "room\tin\tout\tpassed\tdropped\tin flight\t")
	for i := range l.Rooms {
		r := &l.Rooms[i]
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t", r.Room, Grouped(r.In), Grouped(r.Out),
			Grouped(r.Passed), Grouped(r.DroppedTotal()), groupedSigned(r.InFlight))
		if words := r.Remarks(); words != "" {
			fmt.Fprintf(tw, "  %s", words)
		}
		fmt.Fprintln(tw)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, l.Verdict())
	return err
}

// Verdict is the one line under the table.
func (l *Ledger) Verdict() string {
	bad := l.Imbalances()
	switch {
	case len(bad) > 0:
		return "NOT BALANCED: " + strings.Join(bad, "; ")
	case l.Final:
		return "balanced: in = out + passed + dropped in every room, nothing in flight"
	}
	return "balanced so far: in = out + passed + dropped + in flight in every room"
}

// Remarks names what is behind the numbers of a room: reasons of loss, decode
// statuses, counts, messages.
func (r *Room) Remarks() string {
	var parts []string
	if d := countWords(r.Dropped); len(d) > 0 {
		parts = append(parts, "dropped: "+strings.Join(d, ", "))
	}
	if s := countWords(r.ByStatus); len(s) > 0 {
		parts = append(parts, "status: "+strings.Join(s, ", "))
	}
	if c := countWords(r.Counts); len(c) > 0 {
		parts = append(parts, strings.Join(c, ", "))
	}
	if r.Messages > 0 {
		parts = append(parts, Grouped(r.Messages)+" messages")
	}
	return strings.Join(parts, "; ")
}

// Grouped writes n with a comma every three digits.
func Grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	if len(s) <= 3 {
		return s
	}
	var b strings.Builder
	lead := len(s) % 3
	b.WriteString(s[:lead])
	for i := lead; i < len(s); i += 3 {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(s[i : i+3])
	}
	return b.String()
}

func groupedSigned(n int64) string {
	if n < 0 {
		return "-" + Grouped(uint64(-n))
	}
	return Grouped(uint64(n))
}
