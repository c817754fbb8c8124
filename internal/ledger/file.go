package ledger

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// AppendLine writes l as one line of JSON, the form of the stats file.
func (l *Ledger) AppendLine(w io.Writer) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// ReadLast returns the last ledger of a stats file. A line cut short by a
// process that died while writing it is passed over.
func ReadLast(path string) (*Ledger, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var last *Ledger
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line := bytes.TrimSpace(sc.Bytes())
		if len(line) == 0 {
			continue
		}
		var l Ledger
		if json.Unmarshal(line, &l) == nil {
			last = &l
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("read stats file %s: %w", path, err)
	}
	if last == nil {
		return nil, fmt.Errorf("stats file %s holds no ledger yet", path)
	}
	return last, nil
}

// Join puts the ledgers of the stages of one run behind each other, in the
// order in which packets pass them.
func Join(command string, stages ...*Ledger) *Ledger {
	out := &Ledger{Command: command, Final: true}
	for _, s := range stages {
		if s == nil {
			out.Final = false
			continue
		}
		out.Rooms = append(out.Rooms, s.Rooms...)
		out.Final = out.Final && s.Final
		if s.Time.After(out.Time) {
			out.Time = s.Time
		}
	}
	out.Settle()
	return out
}
