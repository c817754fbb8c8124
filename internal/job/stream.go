package job

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// streamMap gathers what a stream's keys say.
type streamMap struct {
	m       *mapper
	c       *Component
	kind    Kind
	place   string
	inputs  []string
	outputs []string
	errors  []string
	brokers []string
	args    []string
	env     []string
}

// stream maps one stream and its processor to a stage.
func (m *mapper) stream(c *Component) {
	if len(c.Processors) != 1 {
		m.failf(c.Line, "stream %s has %d processors; a stream of xcapa is one: parse or index. Make a stream of each, with a topic between", c.Name, len(c.Processors))
		return
	}
	p := &c.Processors[0]
	s := &streamMap{m: m, c: c, place: c.Name}
	switch short(p.Class) {
	case "ParseNetworkPacket", "ParsePCap":
		s.kind = Parse
	case "BulkAddElasticsearch":
		s.kind = Index
	default:
		m.failf(p.Line, "processor %s is a %s: xcapa parses network packets (ParseNetworkPacket) and indexes them (BulkAddElasticsearch), and nothing else", p.Name, short(p.Class))
		return
	}
	m.row(c.Name, Setting{Key: "processor", Value: short(p.Class), Line: p.Line}, Used, "xcapa "+string(s.kind))
	m.apply(c.Name, c.Settings, s.rules(), s.other)
	s.check()
	if s.kind == Parse {
		m.apply(p.Name, p.Settings, s.parseRules(), unknown)
	} else {
		s.index(p)
	}
	m.plan.Stages = append(m.plan.Stages, Stage{Name: c.Name, Kind: s.kind, Args: append(s.common(), s.args...), Env: s.env})
}

// common are the flags that every stage has.
func (s *streamMap) common() []string {
	args := []string{"--brokers", strings.Join(s.brokers, ","), "--topic", strings.Join(s.inputs, ",")}
	if s.kind == Parse {
		args = append(args, "--output-topic", strings.Join(s.outputs, ","))
	}
	args = append(args, "--errors-topic", strings.Join(s.errors, ","))
	if s.m.group != "" {
		args = append(args, "--group", s.m.group)
	}
	return args
}

// check fills in the engine's defaults and refuses what cannot be.
func (s *streamMap) check() {
	if len(s.brokers) == 0 {
		s.brokers = []string{"localhost:9092"}
	}
	if len(s.errors) == 0 {
		s.errors = []string{"logisland_errors"}
	}
	if len(s.inputs) == 0 {
		s.m.failf(s.c.Line, "stream %s has no kafka.input.topics", s.c.Name)
	}
	if len(s.errors) > 1 {
		s.m.failf(s.c.Line, "stream %s has %d kafka.error.topics: one is wanted", s.c.Name, len(s.errors))
	}
	if s.kind == Parse && len(s.outputs) != 1 {
		s.m.failf(s.c.Line, "stream %s parses into %d kafka.output.topics: one is wanted", s.c.Name, len(s.outputs))
	}
	if s.kind == Index {
		s.outputs = nil
	}
}

// rules is what becomes of a stream's keys.
func (s *streamMap) rules() map[string]rule {
	return map[string]rule{
		"kafka.input.topics": func(_ *mapper, v Setting) (Verdict, string) {
			s.inputs = list(v.Value)
			return Used, "--topic"
		},
		"kafka.output.topics": func(_ *mapper, v Setting) (Verdict, string) {
			if s.outputs = list(v.Value); len(s.outputs) == 0 {
				return Used, "nothing is written to Kafka, but error records"
			}
			if s.kind == Index {
				return Attention, "nothing is written to it: index gives to Elasticsearch alone"
			}
			return Used, "--output-topic"
		},
		"kafka.error.topics": func(_ *mapper, v Setting) (Verdict, string) {
			s.errors = list(v.Value)
			return Used, "--errors-topic; each failure gives one record there, not one from each stream"
		},
		"kafka.input.topics.serializer":  s.inputSerializer,
		"kafka.output.topics.serializer": s.outputSerializer,
		"kafka.error.topics.serializer": func(_ *mapper, v Setting) (Verdict, string) {
			if short(v.Value) == "JsonSerializer" {
				return Used, "error records are JSON, with cause, place and bytes in base64"
			}
			return Attention, "error records are JSON whatever stands here"
		},
		"kafka.metadata.broker.list": func(_ *mapper, v Setting) (Verdict, string) {
			s.brokers = list(v.Value)
			return Used, "--brokers"
		},
		"kafka.zookeeper.quorum": ignored("topics are made through the brokers: ZooKeeper is not needed"),
		"kafka.topic.autoCreate": func(_ *mapper, v Setting) (Verdict, string) {
			on, err := strconv.ParseBool(v.Value)
			switch {
			case err != nil:
				return Attention, "want true or false: left out, missing topics are made"
			case s.kind == Index:
				return Ignored, madeByParse
			case !on:
				s.args = append(s.args, "--create-topics=false")
				return Used, "--create-topics=false: a missing topic is an error"
			}
			return Used, "missing topics are made; logisland_metrics is not: /metrics has its figures"
		},
		"kafka.topic.default.partitions":        s.topicNumber("--partitions", 32),
		"kafka.topic.default.replicationFactor": s.topicNumber("--replicas", 16),
	}
}

const madeByParse = "parse makes the topics, before index starts; alone, index takes the broker's own numbers"

// topicNumber is the rule of a number for topics that are made here.
func (s *streamMap) topicNumber(name string, bits int) rule {
	return func(_ *mapper, v Setting) (Verdict, string) {
		n, err := strconv.ParseInt(v.Value, 10, bits)
		switch {
		case err != nil || n < 1:
			return Attention, "want a number above 0: the broker's own is taken"
		case s.kind == Index:
			return Ignored, madeByParse
		}
		s.args = append(s.args, name, v.Value)
		return Used, name + " " + v.Value + " for topics that are made here"
	}
}

// other are Kafka client properties behind "kafka.", which users added.
func (s *streamMap) other(m *mapper, v Setting) (Verdict, string) {
	name, ok := strings.CutPrefix(v.Key, "kafka.")
	if !ok || m.options.Property == nil {
		return unknown(m, v)
	}
	switch err := m.options.Property(name, v.Value); {
	case err == nil && secret(name):
		s.env = append(s.env, "XCAPA_KAFKA_PASSWORD="+v.Value)
		return Used, "handed on in the environment, XCAPA_KAFKA_PASSWORD"
	case err == nil:
		s.args = append(s.args, "-X", name+"="+v.Value)
		return Used, "-X " + name
	case m.options.NotNeeded != nil && errors.Is(err, m.options.NotNeeded):
		return Ignored, err.Error()
	default:
		return Attention, err.Error()
	}
}

// inputSerializer: parse reads raw messages, index recognises each by itself.
func (s *streamMap) inputSerializer(m *mapper, v Setting) (Verdict, string) {
	class := short(v.Value)
	if s.kind == Parse {
		if class == "BytesArraySerializer" {
			return Used, "a message is a raw frame; its key is the packet's time"
		}
		m.failf(v.Line, "stream %s parses %s: a raw topic is wanted (BytesArraySerializer)", s.c.Name, class)
		return Attention, "parse reads raw frames alone"
	}
	switch class {
	case "KryoSerializer":
		return Used, "what parse writes in its place: arrow. A message that is really Kryo becomes an error record: parse the raw topic again"
	case "BytesArraySerializer", "StringSerializer", "none":
		m.failf(v.Line, "stream %s indexes %s: records are wanted; parse them first", s.c.Name, class)
		return Attention, "holds no records"
	}
	return Used, "each message is recognised by itself"
}

// outputSerializer chooses how parse writes.
func (s *streamMap) outputSerializer(_ *mapper, v Setting) (Verdict, string) {
	class := short(v.Value)
	if s.kind == Index {
		return Used, "nothing is written to Kafka"
	}
	switch class {
	case "KryoSerializer":
		s.args = append(s.args, "--encoding", "arrow")
		return Used, "--encoding arrow: Kryo is Java's own; blocks of up to 1,024 records, which pyarrow and Spark read as well"
	case "JsonSerializer", "ExtendedJsonSerializer", "AvroSerializer", "StringSerializer", "none":
		s.args = append(s.args, "--serializer", class)
		return Used, "--serializer " + class + ": a message a packet"
	}
	s.args = append(s.args, "--encoding", "arrow")
	return Attention, fmt.Sprintf("%s is not written here: --encoding arrow in its place", class)
}

// parseRules are the keys of ParseNetworkPacket.
func (s *streamMap) parseRules() map[string]rule {
	return map[string]rule{
		"debug": ignored("it only made the old parser log every packet"),
		"flow.mode": func(m *mapper, v Setting) (Verdict, string) {
			if v.Value != "stream" && v.Value != "batch" {
				m.failf(v.Line, "flow.mode: %s: want stream or batch", v.Value)
			}
			s.args = append(s.args, "--flow-mode", v.Value)
			return Used, "--flow-mode " + v.Value
		},
	}
}

// short is a Java class without its package.
func short(class string) string { return class[strings.LastIndexByte(class, '.')+1:] }

// list splits a comma list; none means none.
func list(v string) []string {
	var out []string
	for _, e := range strings.Split(v, ",") {
		if e = strings.TrimSpace(e); e != "" && e != "none" {
			out = append(out, e)
		}
	}
	return out
}
