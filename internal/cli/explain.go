package cli

import (
	"fmt"
	"io"
	"time"

	"xcapa/internal/store"
)

// explain says what a question read, of how much, and why not the rest.
func explain(w io.Writer, dir string, r *store.Report, took time.Duration) {
	line := func(what string, read, of int64, format string, args ...any) {
		why := fmt.Sprintf(format, args...)
		if why != "" {
			why = "  (" + why + ")"
		}
		fmt.Fprintf(w, "  %-14s %15s of %15s%s\n", what, thousands(read), thousands(of), why)
	}
	fmt.Fprintf(w, "\n%s, %v:\n", dir, took.Round(time.Microsecond))
	line("files", int64(r.FilesRead), int64(r.Files), "not opened: %d by the hour of their folder, %d by the times in their footer", r.FilesByFolder, r.FilesByFooter)
	line("row groups", int64(r.GroupsVisited), int64(r.Groups), "not read: %d by their times, %d by other bounds", r.GroupsByTime, r.GroupsByBounds)
	line("rows", r.RowsVisited, r.Rows, "of the files looked into")
	line("column chunks", int64(r.ColumnsRead), int64(r.GroupsVisited)*int64(r.Columns), "of the row groups read")
	line("bytes", r.BytesRead, r.Bytes, "of the whole store, footers included")
	if r.Gone > 0 {
		fmt.Fprintf(w, "  %d files were removed meanwhile\n", r.Gone)
	}
}

// thousands writes n with commas.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
