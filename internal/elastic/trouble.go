package elastic

import (
	"log/slog"
	"sync"
	"time"
)

// Trouble is why documents wait.
type Trouble struct {
	Since time.Time // of this kind, without a success between
	Last  time.Time
	Kind  string // overloaded, unreachable, denied, ...
	Text  string // one sentence; no document's content
	Count uint64 // since Since
}

// logEvery is how often the same trouble is logged.
const logEvery = 30 * time.Second

// troubles keeps what is wrong now and logs it at a bounded rate.
type troubles struct {
	log *slog.Logger

	mu     sync.Mutex
	now    *Trouble
	logged map[string]time.Time
	silent map[string]uint64
}

// note records one failure of a kind.
func (t *troubles) note(kind, text string) {
	now := time.Now()
	t.mu.Lock()
	if t.now == nil || t.now.Kind != kind {
		t.now = &Trouble{Kind: kind, Since: now}
	}
	t.now.Last, t.now.Text = now, text
	t.now.Count++
	last, seen := t.logged[kind]
	quiet := seen && now.Sub(last) < logEvery
	silent := t.silent[kind]
	if quiet {
		t.silent[kind]++
	} else {
		if t.logged == nil {
			t.logged, t.silent = map[string]time.Time{}, map[string]uint64{}
		}
		t.logged[kind], t.silent[kind] = now, 0
	}
	t.mu.Unlock()
	if !quiet {
		t.log.Warn("documents wait: they are sent again", "why", kind, "text", text, "not_logged", silent)
	}
}

// clear forgets the trouble: documents get through.
func (t *troubles) clear() {
	t.mu.Lock()
	was := t.now
	t.now = nil
	t.mu.Unlock()
	if was != nil && was.Last.Sub(was.Since) > 5*time.Second {
		t.log.Info("documents get through again", "was", was.Kind, "after", was.Last.Sub(was.Since).Round(time.Second))
	}
}

// get is the trouble of now; false: none.
func (t *troubles) get() (Trouble, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now == nil {
		return Trouble{}, false
	}
	return *t.now, true
}
