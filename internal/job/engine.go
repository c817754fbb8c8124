package job

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// defaultPagePort is where Spark's page was, and where ours is.
const defaultPagePort = 4050

// engineRules is what becomes of the engine's keys. Those of Spark and YARN say
// how a cluster runs the job; here each stream is a process of this machine.
var engineRules = map[string]rule{
	"spark.app.name": func(m *mapper, s Setting) (Verdict, string) {
		m.group = s.Value
		return Used, "--group of every stage: reading goes on where the old job had committed"
	},
	"spark.master":           ignored("parse works on every partition at once: more partitions, more workers"),
	"spark.driver.memory":    ignored("memory is bounded by --buffer, not by a heap"),
	"spark.driver.cores":     ignored("a stage takes the cores it is allowed to; taskset bounds them"),
	"spark.executor.memory":  ignored("there are no executors"),
	"spark.executor.cores":   ignored("there are no executors"),
	"spark.task.maxFailures": ignored("a stage that fails ends the job with its exit status; systemd or the like starts it again"),
	"spark.serializer":       ignored("Spark's own, inside its cluster"),

	"spark.executor.instances": ignored("there are no executors; the same file may run on several machines: they share the partitions"),

	"spark.streaming.batchDuration": func(m *mapper, s Setting) (Verdict, string) {
		ms, err := strconv.Atoi(s.Value)
		if err != nil || ms <= 0 {
			return Attention, "want milliseconds above 0: left out"
		}
		m.plan.Batch = time.Duration(ms) * time.Millisecond
		return Used, fmt.Sprintf("--batch-interval %v: what a row of the page's batch table spans; nothing waits for it", m.plan.Batch)
	},
	"spark.streaming.kafka.maxRatePerPartition": func(m *mapper, s Setting) (Verdict, string) {
		m.maxRate = s
		return Used, "" // rate says it, when the streams are known
	},
	"spark.streaming.backpressure.enabled": ignored("a stage always reads as fast as what comes after it takes"),
	"spark.streaming.unpersist":            ignored("Spark's own: nothing is cached between stages"),
	"spark.streaming.blockInterval":        ignored("of Spark's receivers, which the old job did not use"),
	"spark.streaming.kafka.maxRetries":     ignored("brokers are asked again until they answer"),

	"spark.streaming.ui.retainedBatches": func(_ *mapper, s Setting) (Verdict, string) {
		return Ignored, "the page keeps 200 rows of batches"
	},
	"spark.streaming.receiver.writeAheadLog.enable": ignored("of Spark's receivers, which the old job did not use; Kafka is the log"),
	"spark.streaming.timeout": func(m *mapper, s Setting) (Verdict, string) {
		ms, err := strconv.ParseInt(s.Value, 10, 64)
		switch {
		case err != nil:
			return Attention, "want milliseconds, or -1: left out"
		case ms <= 0:
			return Used, "the job runs until it is told to end"
		}
		m.plan.Timeout = time.Duration(ms) * time.Millisecond
		return Used, fmt.Sprintf("the job ends in good order after %v", m.plan.Timeout)
	},
	"spark.ui.port": func(m *mapper, s Setting) (Verdict, string) {
		port, err := strconv.Atoi(s.Value)
		switch {
		case err != nil || port < 1 || port > 65535:
			return Attention, "want a port: left out"
		case port == defaultPagePort:
			m.plan.Page = "on"
			return Used, "the monitoring page: http://127.0.0.1:4050/streaming/, or the next free port up to 4060; --page :4050 opens it to other machines"
		}
		m.plan.Page = fmt.Sprintf("127.0.0.1:%d", port)
		return Used, "--page " + m.plan.Page + "; --page :" + s.Value + " opens it to other machines"
	},
}

// engine maps the engine's block.
func (m *mapper) engine(c *Component) {
	m.apply("engine", c.Settings, engineRules, func(_ *mapper, s Setting) (Verdict, string) {
		if strings.HasPrefix(s.Key, "spark.yarn.") {
			return Ignored, "of a YARN cluster"
		}
		return unknown(nil, s)
	})
}

// rate gives the limit of maxRatePerPartition to the parse stages and puts it on
// top of the table: it is a ceiling that is easily forgotten.
func (m *mapper) rate() {
	if m.maxRate.Key == "" {
		return
	}
	i := m.findRow("engine", m.maxRate)
	r := &m.plan.Rows[i]
	r.first = true
	n, err := strconv.Atoi(m.maxRate.Value)
	switch {
	case err != nil:
		r.Verdict, r.Words = Attention, "want messages a second: left out, there is no limit"
		return
	case n <= 0:
		r.Words = "no limit"
		return
	}
	limited := false
	for i := range m.plan.Stages {
		if s := &m.plan.Stages[i]; s.Kind == Parse {
			s.Args = append(s.Args, "--rate", strconv.Itoa(n))
			limited = true
		}
	}
	if !limited {
		r.Verdict, r.Words = Attention, "no stream of this file parses, and index has no limit: left out"
		return
	}
	r.Words = fmt.Sprintf("parse reads at most %d packets/s of each partition, because it is written; without a limit: --set %s=0", n, m.maxRate.Key)
}

func (m *mapper) findRow(place string, s Setting) int {
	for i, r := range m.plan.Rows {
		if r.Place == place && r.Key == s.Key && r.Line == s.Line {
			return i
		}
	}
	return -1
}
