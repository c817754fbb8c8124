package cli

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"xcapa/internal/codec"
	"xcapa/internal/kafka"
)

// outputFlags are the flags of every command that makes records of packets and
// gives them to Kafka.
type outputFlags struct {
	errors  string
	create  bool
	parts   int32
	repl    int16
	encode  string
	schema  string
	by      string
	linger  time.Duration
	buffer  byteSize
	rows    int
	comp    string
	errRate int
	inOut   bool
	verify  bool
	drain   time.Duration
}

// register adds the flags. Defaults are those of a capture, which cannot wait.
func (o *outputFlags) register(cmd *cobra.Command) {
	o.buffer = 64 << 20
	f := cmd.Flags()
	f.StringVar(&o.errors, "errors-topic", defaultErrorsTopic, "`TOPIC` for frames that are damaged")
	f.BoolVar(&o.create, "create-topics", true, "create topics that are missing")
	f.Int32Var(&o.parts, "partitions", -1, "partitions of a topic created here (-1: the broker's own number)")
	f.Int16Var(&o.repl, "replicas", -1, "replicas of a topic created here (-1: the broker's own number)")
	f.StringVar(&o.encode, "encoding", "arrow", "`arrow` (blocks of records), json (a document a packet) or raw (the frame, as pycapa)")
	f.StringVar(&o.schema, "schema", "logisland", "field `NAMES` and values of --encoding json: logisland or seed")
	f.StringVar(&o.by, "partition-by", "", "`block`, queue, flow or random (default block; json: flow; raw: random)")
	f.DurationVar(&o.linger, "linger", 100*time.Millisecond, "longest time a record waits for its block to fill")
	f.Var(&o.buffer, "buffer", "`SIZE` of what may wait for the brokers; beyond it packets are dropped and counted")
	f.IntVar(&o.rows, "block-rows", codec.MaxBlockRows, "most records in one Arrow block")
	f.StringVar(&o.comp, "compression", "snappy", "of Kafka batches: `none`, gzip, snappy, lz4 or zstd")
	f.IntVar(&o.errRate, "errors-per-second", 1000, "error records sent a second; those over it are counted as error_suppressed (0: no limit)")
	f.BoolVar(&o.inOut, "errors-in-output", false, "damaged frames also go to the packets topic, as Logisland did")
	f.BoolVar(&o.verify, "verify-checksums", false, "verify IP, TCP, UDP and ICMP checksums (reads every payload byte)")
	f.DurationVar(&o.drain, "drain", 10*time.Second, "longest wait for the brokers at the end")
}

// apply completes the client's configuration for messages of an encoding.
func (o *outputFlags) apply(c *kafka.Config, e codec.Encoding) error {
	switch {
	case o.by != "":
		c.PartitionBy = kafka.PartitionBy(o.by)
	case e.HasDocuments():
		c.PartitionBy = kafka.ByFlow
	case e == codec.EncodingRaw:
		c.PartitionBy = kafka.ByRandom
	}
	if c.MaxBufferedBytes == 0 { // -X wins over the flag's default
		c.MaxBufferedBytes = int64(o.buffer)
	}
	if c.Compression == "" {
		c.Compression = o.comp
	}
	c.CreateTopics = kafka.CreateTopics{Allowed: o.create, Partitions: o.parts, Replicas: o.repl}
	return withCode(exitUsage, c.Validate())
}

// patient makes the flags those of a source that can wait: nothing of it is
// dropped unless someone asks for that.
func (o *outputFlags) patient(cmd *cobra.Command, name string) {
	f := cmd.Flags()
	f.Lookup("buffer").Usage = "`SIZE` of what may wait for the brokers; beyond it " + name + " waits"
	f.Lookup("errors-per-second").DefValue, o.errRate = "0", 0
}

// recordFlags are those of a command that makes the records itself, of frames.
type recordFlags struct {
	outputFlags
	host    string
	topic   string
	headers bool
}

func (o *recordFlags) register(cmd *cobra.Command) {
	host, _ := os.Hostname()
	f := cmd.Flags()
	f.StringVar(&o.host, "host", host, "`NAME` of the capture host in the records")
	f.StringVar(&o.topic, "topic", "", "`TOPIC` for the records (default "+defaultPacketsTopic+", with --encoding raw "+defaultRawTopic+")")
	o.outputFlags.register(cmd)
	f.BoolVar(&o.headers, "raw-headers", true, "with --encoding raw: add the record header xcapa with nanoseconds and wire length")
}
