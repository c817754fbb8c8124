//go:build !esutil

package peers

import (
	"context"
	"errors"
)

// bulkIndexer takes a build of its own: go-elasticsearch's top package, which
// esutil imports, compiles for minutes.
func bulkIndexer(context.Context, []string) error {
	return errors.New("built without it: go build -tags esutil ./bench")
}
