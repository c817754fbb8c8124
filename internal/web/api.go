package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"xcapa/internal/ledger"
	"xcapa/internal/status"
)

// joined is the answer of /api/ledger: the books of all stages behind each
// other, in the form of the stats file, and each stage's own.
type joined struct {
	ledger.Ledger
	Stages []stageLedger `json:"stages"`
}

type stageLedger struct {
	Stage  string         `json:"stage"`
	Ledger *ledger.Ledger `json:"ledger"` // null: not ready yet
}

// join adds the stages up. It is balanced while each stage is: what is under
// way from one to the next is in the topic between them.
func join(command string, stages []status.Status) joined {
	j := joined{Ledger: ledger.Ledger{Command: command, Balanced: true, Rooms: []ledger.Room{}}, Stages: []stageLedger{}}
	final := len(stages) > 0
	for i := range stages {
		s := &stages[i]
		j.Stages = append(j.Stages, stageLedger{s.Stage, s.Ledger})
		if s.Ledger == nil {
			final = false
			continue
		}
		if s.Ledger.Time.After(j.Time) {
			j.Time = s.Ledger.Time
		}
		j.Rooms = append(j.Rooms, s.Ledger.Rooms...)
		j.Balanced = j.Balanced && s.Ledger.Balanced
		final = final && s.Ledger.Final
	}
	j.Final = final
	return j
}

func (s *Server) apiLedger(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, join(s.config.Command, s.config.Source()))
}

func (s *Server) apiStatus(w http.ResponseWriter, _ *http.Request) {
	stages := s.config.Source()
	if stages == nil {
		stages = []status.Status{}
	}
	writeJSON(w, map[string]any{"command": s.config.Command, "version": s.config.Version, "started": s.started, "stages": stages})
}

func (s *Server) apiHistory(w http.ResponseWriter, _ *http.Request) {
	series := map[string][]status.Point{}
	for _, st := range s.config.Source() {
		if series[st.Stage] = s.history.Points(st.Stage); series[st.Stage] == nil {
			series[st.Stage] = []status.Point{}
		}
	}
	writeJSON(w, series)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	_ = e.Encode(v) // the client is gone
}

// healthz answers whether every stage's process runs.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, func(st *status.Status, now time.Time) (bool, string) {
		if st.Alive(now) {
			return true, "running"
		}
		return false, why(st, now)
	})
}

// readyz answers whether every stage has opened everything and its
// destinations answer.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, func(st *status.Status, now time.Time) (bool, string) {
		if st.Ready(now) {
			return true, "ready"
		}
		return false, why(st, now)
	})
}

// answer asks about each stage and says so line by line, with 503 when one of
// them is not well.
func (s *Server) answer(w http.ResponseWriter, ask func(*status.Status, time.Time) (bool, string)) {
	now, stages := time.Now(), s.config.Source()
	ok := len(stages) > 0
	var text []byte
	for i := range stages {
		well, words := ask(&stages[i], now)
		ok = ok && well
		text = fmt.Appendf(text, "%s: %s\n", stages[i].Stage, words)
	}
	if len(stages) == 0 {
		text = []byte("no stage has started yet\n")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(text)
}

// why says why a stage is not ready.
func why(st *status.Status, now time.Time) string {
	switch {
	case st.EndedWith != "":
		return "ended: " + st.EndedWith
	case !st.Alive(now):
		return fmt.Sprintf("no report for %s", now.Sub(st.Time).Round(time.Second))
	case st.Ledger == nil:
		return "starting"
	}
	return st.Trouble
}
