package metrics

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"xcapa/internal/ledger"
	"xcapa/internal/status"
)

// family is one metric name, or with perRoom one for each room.
type family struct {
	name    string
	help    string
	kind    prometheus.ValueType
	labels  []string // behind stage, which all have
	perRoom bool     // name holds <room>
	read    func(s *status.Status, room *ledger.Room, put put)
}

// put gives one value with its labels, in the order of family.labels.
type put func(value float64, labels ...string)

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// families is every metric of ours.
var families = []family{
	{"xcapa_build_info", "Always 1; the version is a label.", gauge, []string{"version"}, false,
		func(s *status.Status, _ *ledger.Room, put put) { put(1, s.Version) }},
	{"xcapa_stage_up", "1 while the stage's process runs and has reported within 10 seconds.", gauge, nil, false,
		func(s *status.Status, _ *ledger.Room, put put) { put(number(s.Alive(time.Now()))) }},
	{"xcapa_stage_ready", "1 while it is up, everything is open and its destinations answer.", gauge, nil, false,
		func(s *status.Status, _ *ledger.Room, put put) { put(number(s.Ready(time.Now()))) }},
	{"xcapa_stage_start_time_seconds", "When the stage started, in seconds since 1970.", gauge, nil, false,
		func(s *status.Status, _ *ledger.Room, put put) { put(float64(s.Started.UnixMilli()) / 1000) }},
	{"xcapa_stage_cpu_seconds_total", "CPU time of the stage's process, user and system.", counter, nil, false,
		func(s *status.Status, _ *ledger.Room, put put) { put(s.Process.CPU.Seconds()) }},
	{"xcapa_stage_resident_bytes", "Memory that the kernel holds for the stage's process.", gauge, nil, false,
		func(s *status.Status, _ *ledger.Room, put put) { put(float64(s.Process.Resident)) }},
	{"xcapa_stage_problems_total", "Warnings and errors of the stage.", counter, nil, false,
		func(s *status.Status, _ *ledger.Room, put put) { put(float64(s.ProblemCount)) }},

	{"xcapa_<room>_in_packets_total", "Packets that the room took in.", counter, nil, true,
		func(_ *status.Status, r *ledger.Room, put put) { put(float64(r.In)) }},
	{"xcapa_<room>_out_packets_total", "Packets that the room handed on.", counter, nil, true,
		func(_ *status.Status, r *ledger.Room, put put) { put(float64(r.Out)) }},
	{"xcapa_<room>_passed_packets_total", "Packets that were left to the host, or given back to Kafka.", counter, nil, true,
		func(_ *status.Status, r *ledger.Room, put put) { put(float64(r.Passed)) }},
	{"xcapa_<room>_in_flight_packets", "Packets that are in the room now: in - out - passed - dropped.", gauge, nil, true,
		func(_ *status.Status, r *ledger.Room, put put) { put(float64(r.InFlight)) }},
	{"xcapa_<room>_messages_total", "Kafka messages that carried the packets; for rooms that count them.", counter, nil, true,
		func(_ *status.Status, r *ledger.Room, put put) {
			if r.Messages > 0 {
				put(float64(r.Messages))
			}
		}},
	{"xcapa_dropped_packets_total", "Packets lost, by room and reason.", counter, []string{"room", "reason"}, false,
		eachCount(func(r *ledger.Room) map[string]uint64 { return r.Dropped })},
	{"xcapa_decoded_packets_total", "Packets by decode status, where that is not whole.", counter, []string{"room", "status"}, false,
		eachCount(func(r *ledger.Room) map[string]uint64 { return r.ByStatus })},
	{"xcapa_counted_packets_total", "Counts that stand beside the sums: errors_topic, already_indexed, given_back, ...", counter, []string{"room", "what"}, false,
		eachCount(func(r *ledger.Room) map[string]uint64 { return r.Counts })},
	{"xcapa_ledger_balanced", "1 while in = out + passed + dropped + in flight in every room of the stage.", gauge, nil, false,
		func(s *status.Status, _ *ledger.Room, put put) {
			if s.Ledger != nil {
				put(number(s.Ledger.Balanced))
			}
		}},

	{"xcapa_kafka_lag_messages", "Messages between what the group has committed and the end of the partition.", gauge, []string{"topic", "partition"}, false, readLag},
	{"xcapa_batches_total", "Batches: fetch-to-commit cycles of one partition.", counter, nil, false,
		func(s *status.Status, _ *ledger.Room, put put) { put(float64(s.Totals.Batches)) }},
	{"xcapa_batch_packets_total", "Packets in them.", counter, nil, false,
		func(s *status.Status, _ *ledger.Room, put put) { put(float64(s.Totals.Packets)) }},
	{"xcapa_batch_scheduling_delay_seconds_total", "Sum over all batches of the time from Kafka's timestamp to the fetch.", counter, nil, false,
		func(s *status.Status, _ *ledger.Room, put put) { put(s.Totals.Scheduling.Seconds()) }},
	{"xcapa_batch_processing_time_seconds_total", "Sum over all batches of the time from the fetch to the last acknowledgement.", counter, nil, false,
		func(s *status.Status, _ *ledger.Room, put put) { put(s.Totals.Processing.Seconds()) }},
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func readLag(s *status.Status, _ *ledger.Room, put put) {
	for _, l := range s.Lag {
		put(float64(l.Lag), l.Topic, strconv.Itoa(int(l.Partition)))
	}
}

// eachCount reads one map of all rooms.
func eachCount(of func(*ledger.Room) map[string]uint64) func(*status.Status, *ledger.Room, put) {
	return func(s *status.Status, _ *ledger.Room, put put) {
		if s.Ledger == nil {
			return
		}
		for i := range s.Ledger.Rooms {
			r := &s.Ledger.Rooms[i]
			counts := of(r)
			for _, name := range slices.Sorted(maps.Keys(counts)) {
				put(float64(counts[name]), r.Room, name)
			}
		}
	}
}

// roomName is what may stand in a metric's name.
var roomName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Described is one family as the documentation lists it.
type Described struct{ Name, Kind, Help string }

// Describe lists all families.
func Describe() []Described {
	out := make([]Described, len(families))
	for i, f := range families {
		kind := "gauge"
		if f.kind == counter {
			kind = "counter"
		}
		out[i] = Described{f.name, kind, f.help}
	}
	return out
}
