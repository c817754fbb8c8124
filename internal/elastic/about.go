package elastic

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// Version asks the cluster which version it is; "" where the key may not ask,
// or the distribution does not say.
func (c *Client) Version(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	b, err := c.do(ctx, esapi.InfoRequest{FilterPath: []string{"version.number"}})
	switch status(err) {
	case http.StatusForbidden, http.StatusMethodNotAllowed:
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var reply struct {
		Version struct {
			Number string `json:"number"`
		} `json:"version"`
	}
	_ = json.Unmarshal(b, &reply) // another shape: it does not say
	return reply.Version.Number, nil
}
