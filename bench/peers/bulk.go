//go:build esutil

package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/elastic/go-elasticsearch/v8"
	"github.com/elastic/go-elasticsearch/v8/esutil"
	"github.com/twmb/franz-go/pkg/kgo"
)

// bulkIndexer moves documents from a topic to Elasticsearch with
// esutil.BulkIndexer, in the form most favourable to it: the values are the
// documents already and pass through, no offset is committed.
func bulkIndexer(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("bulk", flag.ExitOnError)
	brokers := f.String("brokers", "", "address")
	topic := f.String("topic", "xcapa.packets", "topic")
	url := f.String("elasticsearch", "", "URL")
	gzip := f.Bool("gzip", false, "compress requests")
	decode := f.Bool("decode", false, "read each document and write it again with encoding/json")
	index := f.String("index", "packets_index", "index")
	docs := f.Int64("docs", 0, "end after so many")
	_ = f.Parse(args)
	client, err := elasticsearch.NewClient(elasticsearch.Config{Addresses: []string{*url}, CompressRequestBody: *gzip, CompressRequestBodyLevel: 1})
	if err != nil {
		return err
	}
	indexer, err := esutil.NewBulkIndexer(esutil.BulkIndexerConfig{Client: client, Index: *index, NumWorkers: 2, FlushBytes: 5 << 20})
	if err != nil {
		return err
	}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(*brokers), kgo.ConsumeTopics(*topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer consumer.Close()
	ready()
	var settled, failed atomic.Int64
	item := esutil.BulkIndexerItem{
		Action:    "create",
		OnSuccess: func(context.Context, esutil.BulkIndexerItem, esutil.BulkIndexerResponseItem) { settled.Add(1) },
		OnFailure: func(context.Context, esutil.BulkIndexerItem, esutil.BulkIndexerResponseItem, error) { failed.Add(1) },
	}
	for added := int64(0); added < *docs; {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for it := fetches.RecordIter(); !it.Done(); added++ {
			r := it.Next()
			item.DocumentID = fmt.Sprintf("%d-%d", r.Partition, r.Offset)
			value := r.Value
			if *decode {
				if value, item.DocumentID, item.Index, err = again(value); err != nil {
					return err
				}
			}
			item.Body = bytes.NewReader(value)
			if err := indexer.Add(ctx, item); err != nil {
				return err
			}
		}
	}
	if err := indexer.Close(ctx); err != nil {
		return err
	}
	if failed.Load() > 0 || settled.Load() != *docs {
		return errors.New("not every document was settled")
	}
	return done(Result{Packets: uint64(settled.Load())})
}

// again reads a document for its id and day, which name it and its index, and
// writes it again: an indexer that looks at what it moves.
func again(value []byte) (out []byte, id, index string, err error) {
	var document map[string]any
	if err := json.Unmarshal(value, &document); err != nil {
		return nil, "", "", err
	}
	id, _ = document["record_id"].(string)
	day, _ := document["@timestamp"].(string)
	if len(day) < 10 {
		return nil, "", "", errors.New("a document without @timestamp")
	}
	out, err = json.Marshal(document)
	return out, id, "packets_index." + strings.ReplaceAll(day[:10], "-", "."), err
}
