package web

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"sync"
	"time"

	"xcapa/internal/metrics"
	"xcapa/internal/status"
)

// sampleEvery is how often the history takes a point.
const sampleEvery = time.Second

// Config is what the page shows.
type Config struct {
	Command string // capture, run, ...
	Version string
	Source  status.Source
	Pprof   bool // offer /debug/pprof/
}

// Server is the page on one address. Close ends it.
type Server struct {
	config   Config
	listener net.Listener
	http     *http.Server
	history  status.History
	started  time.Time
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// Serve shows the page on l, which belongs to the Server from here on.
func Serve(l net.Listener, c Config) *Server {
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{config: c, listener: l, started: time.Now(), stop: stop}
	h := s.handler()
	if isLoopback(l.Addr()) {
		h = onlyLoopbackHosts(h)
	}
	s.http = &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute, // a profile takes as long as it is asked to
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // what clients do wrong is their business
	}
	s.running.Go(func() { _ = s.http.Serve(l) })
	s.running.Go(func() { s.sample(ctx) })
	return s
}

// URL is where the page is.
func (s *Server) URL() string {
	host, port, err := net.SplitHostPort(s.listener.Addr().String())
	if ip, e := netip.ParseAddr(host); err == nil && e == nil && ip.IsUnspecified() {
		host = "localhost" // of all addresses, one that can be opened
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}

// Public is whether other machines may reach the page.
func (s *Server) Public() bool { return !isLoopback(s.listener.Addr()) }

// Close ends the page; requests under way get a second.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	s.stop()
	s.running.Wait()
}

func (s *Server) sample(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		s.history.Add(s.config.Source())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// handler knows every path.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.Handle("GET /assets/", assetHandler())
	mux.Handle("GET /metrics", metrics.Handler(s.config.Source))
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /api/ledger", s.apiLedger)
	mux.HandleFunc("GET /api/status", s.apiStatus)
	mux.HandleFunc("GET /api/history", s.apiHistory)
	if s.config.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	root := http.NewServeMux()
	root.Handle("/", mux)
	root.Handle("/streaming/", http.StripPrefix("/streaming", mux))
	return withHeaders(root)
}

// policy lets the page load its own style, script and data and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func onlyLoopbackHosts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !namesLoopback(r.Host) {
			http.Error(w, "this page is on a loopback address and answers to localhost alone: "+
				"open it as http://localhost, or start xcapa with --page ADDR", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// namesLoopback is whether a Host header names this machine to itself.
func namesLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
