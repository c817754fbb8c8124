package metrics

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"xcapa/internal/ledger"
	"xcapa/internal/status"
)

// Handler answers a scrape in the text format, with the stages as source has
// them at that moment and the Go runtime's figures of this process.
func Handler(source status.Source) http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(&collector{source}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// collector turns Statuses into metrics. It is unchecked (describes nothing),
// because rooms are part of the names.
type collector struct{ source status.Source }

var skipped = prometheus.NewDesc("xcapa_scrape_skipped", "Rooms left out of this scrape: their names cannot stand in a metric name.", nil, nil)

// Describe implements prometheus.Collector.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	left := 0
	for _, s := range c.source() {
		rooms, bad := namedRooms(&s)
		left += bad
		for i := range families {
			f := &families[i]
			if !f.perRoom {
				f.read(&s, nil, f.emit(f.name, s.Stage, out))
				continue
			}
			for _, room := range rooms {
				f.read(&s, room, f.emit(strings.ReplaceAll(f.name, "<room>", room.Room), s.Stage, out))
			}
		}
	}
	out <- prometheus.MustNewConstMetric(skipped, gauge, float64(left))
}

// namedRooms are the rooms whose names can stand in a metric's name, and how
// many cannot.
func namedRooms(s *status.Status) (rooms []*ledger.Room, bad int) {
	if s.Ledger == nil {
		return nil, 0
	}
	for i := range s.Ledger.Rooms {
		if r := &s.Ledger.Rooms[i]; roomName.MatchString(r.Room) {
			rooms = append(rooms, r)
		}
	}
	return rooms, len(s.Ledger.Rooms) - len(rooms)
}

func (f *family) emit(name, stage string, out chan<- prometheus.Metric) put {
	desc := prometheus.NewDesc(name, f.help, append([]string{"stage"}, f.labels...), nil)
	return func(v float64, labels ...string) {
		m, err := prometheus.NewConstMetric(desc, f.kind, v, append([]string{stage}, labels...)...)
		if err != nil {
			m = prometheus.NewInvalidMetric(desc, err) // a label that is no UTF-8
		}
		out <- m
	}
}
