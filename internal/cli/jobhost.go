package cli

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"xcapa/internal/job"
)

// transportPort spoke the old Java client's protocol, which is gone; httpPort is
// its neighbour.
const (
	transportPort = 9300
	httpPort      = 9200
)

// elasticHost gives the URL of a job file's Elasticsearch. Port 9300 is tried as
// HTTP, because someone may have put it there; no answer: port 9200 of the same
// host. A dry run asks nobody.
func elasticHost(ctx context.Context, dryRun bool) func(string, int, bool) (string, job.Verdict, string) {
	return func(host string, port int, tls bool) (string, job.Verdict, string) {
		url := hostURL(host, port, tls)
		switch {
		case port != transportPort:
			return url, job.Used, url
		case dryRun:
			return url, job.Attention, fmt.Sprintf("%d was the old client's transport port: it is tried as HTTP at start, and %s without an answer; --set elasticsearch.hosts=HOST:PORT", port, hostURL(host, httpPort, tls))
		case answersHTTP(ctx, url):
			return url, job.Used, url + " answers HTTP"
		}
		other := hostURL(host, httpPort, tls)
		return other, job.Attention, fmt.Sprintf("no HTTP answer from %s:%d, the old client's transport port: %s is taken; --set elasticsearch.hosts=HOST:PORT", host, port, other)
	}
}

func hostURL(host string, port int, tls bool) string {
	scheme := "http"
	if tls {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(port))
}

// answersHTTP is whether anything that speaks HTTP is there, whatever it says.
func answersHTTP(ctx context.Context, url string) bool {
	client := http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		// Only to learn what protocol it speaks: nothing is sent, nothing believed.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	return true
}
