package job

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Verdict is what became of a key.
type Verdict string

// The verdicts.
const (
	Used      Verdict = "used"
	Ignored   Verdict = "ignored"
	Attention Verdict = "attention"
)

// Row is one line of the table: a key of the file and what it became.
type Row struct {
	Place   string // engine, job, or the name of a service, stream or processor
	Key     string
	Value   string // secrets masked
	Line    int    // in the file; 0: from --set
	Verdict Verdict
	Words   string
	first   bool
}

// Kind is the command that does a stream's work.
type Kind string

// The stages that a stream can be.
const (
	Parse Kind = "parse"
	Index Kind = "index"
)

// Stage is one process: the command of a stream.
type Stage struct {
	Name string // the stream's
	Kind Kind
	Args []string // behind the command's name
	Env  []string // NAME=VALUE: what must not stand on a command line
}

// Plan is a job file as commands.
type Plan struct {
	Rows    []Row
	Stages  []Stage       // in the order of the streams
	Timeout time.Duration // end after this; 0: never
	Page    string        // --page; "": its default
	Batch   time.Duration // --batch-interval
}

// Options are what a plan needs of the outside.
type Options struct {
	// Host turns host:port of Elasticsearch into a URL, and says what it found.
	// Port 9300 was the transport port of the old client.
	Host func(host string, port int, tls bool) (url string, verdict Verdict, words string)
	// Property says whether a Kafka client property may be given: nil, an error
	// that wraps NotNeeded, or another.
	Property func(name, value string) error
	// NotNeeded is the error of properties whose purpose is met without them.
	NotNeeded error
	// Store is a folder to index into, in place of Elasticsearch; "": none.
	Store string
}

// Plan maps the file. Its errors name everything that is wrong at once.
func (f *File) Plan(o Options) (*Plan, error) {
	m := &mapper{options: o, plan: &Plan{}}
	m.engine(&f.Engine)
	services := map[string]*Component{}
	for i := range f.Services {
		services[f.Services[i].Name] = &f.Services[i]
	}
	m.services = services
	for i := range f.Streams {
		m.stream(&f.Streams[i])
	}
	for i := range f.Services {
		if s := &f.Services[i]; !m.referred[s.Name] {
			m.row(s.Name, Setting{Key: "controllerService", Value: s.Name, Line: s.Line}, Ignored, "no processor refers to it")
		}
	}
	m.rate()
	if f.Joined {
		m.note("the file", "its fragments were joined: the indentation of its list entries did not fit")
	}
	slices.SortStableFunc(m.plan.Rows, func(a, b Row) int { return rank(a) - rank(b) })
	return m.plan, errors.Join(m.errs...)
}

// rank puts what a person must see first.
func rank(r Row) int {
	switch {
	case r.first:
		return 0
	case r.Verdict == Attention:
		return 1
	}
	return 2
}

// mapper goes through a file once.
type mapper struct {
	options  Options
	plan     *Plan
	services map[string]*Component
	referred map[string]bool
	errs     []error

	group   string  // spark.app.name: the consumer group
	maxRate Setting // spark.streaming.kafka.maxRatePerPartition
}

func (m *mapper) row(place string, s Setting, v Verdict, words string) {
	value := s.Value
	if secret(s.Key) && value != "" {
		value = "********"
	}
	if s.Again {
		v, words = Ignored, "given again further down: that one counts"
	}
	m.plan.Rows = append(m.plan.Rows, Row{Place: place, Key: s.Key, Value: value, Line: s.Line, Verdict: v, Words: words})
}

func (m *mapper) note(what, words string) {
	m.plan.Rows = append(m.plan.Rows, Row{Place: jobPlace, Key: what, Verdict: Used, Words: words})
}

// jobPlace is the place of rows about the file as a whole.
const jobPlace = "job"

func (m *mapper) failf(line int, format string, args ...any) {
	m.errs = append(m.errs, fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...)))
}

func secret(key string) bool {
	key = strings.ToLower(key)
	return strings.Contains(key, "password") || strings.Contains(key, "jaas") || strings.Contains(key, "secret")
}

// rule is what a key becomes.
type rule func(m *mapper, s Setting) (Verdict, string)

// ignored is the rule of a key that changes nothing here.
func ignored(why string) rule {
	return func(*mapper, Setting) (Verdict, string) { return Ignored, why }
}

// apply goes through the settings of a component with a table of rules; other
// deals with keys that are not in it.
func (m *mapper) apply(place string, list []Setting, rules map[string]rule, other rule) {
	for _, s := range list {
		if s.Again {
			m.row(place, s, Ignored, "")
			continue
		}
		do, known := rules[s.Key]
		if !known {
			do = other
		}
		verdict, words := do(m, s)
		m.row(place, s, verdict, words)
	}
}

func unknown(*mapper, Setting) (Verdict, string) {
	return Attention, "not known here: nothing was done with it"
}

// value is the setting of a key that counts; "": not there.
func value(list []Setting, key string) Setting {
	for _, s := range list {
		if s.Key == key && !s.Again {
			return s
		}
	}
	return Setting{}
}
