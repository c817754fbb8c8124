package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"xcapa/internal/elastic/elastictest"
	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// Every example of every --help, and every command of the README and of docs/,
// is run as it is printed there, on a host where its names mean something: the
// interfaces eth1 and eth2 carry traffic, kafka:9092 is a broker, es:9200 an
// Elasticsearch, the files are there. It must end with 0, by itself or after
// SIGINT.
func TestExamples(t *testing.T) {
	testnet.RequireRoot(t)
	examples := append(helpExamples(t), documentExamples(t)...)
	if len(examples) < 40 {
		t.Fatalf("found %d examples, want dozens: is the form of --help another one?", len(examples))
	}
	// A capture has its interface to itself: each host runs one at a time.
	hosts := make(chan *exampleHost, 4)
	for range cap(hosts) {
		hosts <- newExampleHost(t)
	}
	seen := map[string]bool{}
	for _, e := range examples {
		if seen[e.line] || elsewhere(e.line) {
			continue
		}
		seen[e.line] = true
		t.Run(e.where, func(t *testing.T) {
			t.Parallel()
			h := <-hosts
			defer func() { hosts <- h }()
			h.run(t, e.line)
		})
	}
}

// example is a command line and where it stands.
type example struct{ where, line string }

// helpExamples asks every command for its help.
func helpExamples(t *testing.T) []example {
	t.Helper()
	var all []example
	var visit func(args ...string)
	visit = func(args ...string) {
		help := output(t, append(args, "--help")...)
		for _, line := range section(help, "Examples:") {
			if fields := strings.SplitN(strings.TrimSpace(line), "   ", 2); fields[0] != "" {
				all = append(all, example{strings.Join(args, "_") + "_help", fields[0]})
			}
		}
		for _, line := range section(help, "Available Commands:") {
			if name := strings.Fields(line)[0]; name != "help" && name != "completion" {
				visit(append(slices.Clone(args), name)...)
			}
		}
	}
	visit()
	return all
}

func output(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(binary, args...).Output()
	if err != nil {
		t.Fatalf("xcapa %v: %v", args, err)
	}
	return string(out)
}

// section returns the lines under a heading, up to the next empty one.
func section(text, heading string) []string {
	_, rest, ok := strings.Cut("\n"+text, "\n"+heading+"\n")
	if !ok {
		return nil
	}
	body, _, _ := strings.Cut(rest, "\n\n")
	return strings.Split(strings.TrimRight(body, "\n"), "\n")
}

// documentExamples are the command lines of the documents: lines of code blocks
// that begin with the program, with or without sudo.
func documentExamples(t *testing.T) []example {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []example
	isCommand := regexp.MustCompile(`^(sudo )?xcapa `)
	inTable := regexp.MustCompile("`(xcapa [^`]*)`")
	for _, file := range append(files, readme) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		fenced := false
		for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\\\n", " "), "\n") {
			if strings.HasPrefix(line, "```") {
				fenced = !fenced
			}
			command, indented := strings.CutPrefix(line, "    ")
			if isCommand.MatchString(command) && (fenced || indented) {
				all = append(all, example{filepath.Base(file), command})
			}
			if file == readme && strings.HasPrefix(line, "|") { // old commands beside new ones
				for _, m := range inTable.FindAllStringSubmatch(line, -1) {
					all = append(all, example{filepath.Base(file), m[1]})
				}
			}
		}
	}
	return all
}

const readme = "../../README.md"

// exampleHost is the host the examples speak of.
type exampleHost struct {
	end     *veth.End
	dir     string // a fresh copy for each example
	hosts   string
	rootdir string
	elastic atomic.Pointer[string] // address of the stand-in behind es:9200
}

func newExampleHost(t *testing.T) *exampleHost {
	h := &exampleHost{rootdir: t.TempDir()}
	first := testnet.Pair(t, veth.Options{Names: [2]string{"peer1", "eth1"}})
	h.end = first.Ends[1]
	testnet.Do(t, h.end, func() error { return addInterfaces("eth2", "eth0") })
	h.hosts = filepath.Join(h.rootdir, "hosts")
	writeFile(t, h.hosts, "127.0.0.1 localhost kafka kafka1 kafka2 k1 k2 b es sandbox\n::1 localhost\n")
	h.dir = filepath.Join(h.rootdir, "files")
	h.makeFiles(t)
	broker := exec.Command(binary, "broker", "--listen", "127.0.0.1:9092", "--port-file", filepath.Join(h.rootdir, "port"), "--topics", "xcapa.packets,xcapa.errors,xcapa.raw")
	if err := h.end.Start(broker); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Process.Kill(); _ = broker.Wait() })
	h.serveElastic(t)
	h.fillTopics(t)

	ctx, cancel := context.WithCancel(context.Background())
	var traffic sync.WaitGroup
	traffic.Go(func() {
		_, _ = testnet.Generate(ctx, first.Ends[0], testnet.Load{Rate: 2000, Flows: 8})
	})
	t.Cleanup(func() { cancel(); traffic.Wait() })
	return h
}

// makeFiles makes the files that the examples name, in the folder they start in.
func (h *exampleHost) makeFiles(t *testing.T) {
	t.Helper()
	if err := os.MkdirAll(h.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	source := "../../testdata/pcap/hard/Hurence_logisland/4-TCP-packets.pcap"
	pcap, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"capture.pcap", "trace.pcap", "t.pcap", "a.pcap", "b.pcap", "old.pcap"} {
		writeFile(t, filepath.Join(h.dir, name), string(pcap))
	}
	for _, name := range []string{"capture.pcap.gz", "capture.pcapng.gz", "trace.pcapng", "trace.pcapng.zst", "capture.pcapng", "capture.pcap.zst", "trace.pcap.zst"} {
		cmd := exec.Command(binary, "capture", "-q", "-r", source, "-w", filepath.Join(h.dir, name))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("make %s: %v\n%s", name, err, out)
		}
	}
	if err := os.MkdirAll(filepath.Join(h.dir, "captures"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(h.dir, "captures", "one.pcap"), string(pcap))
	writeFile(t, filepath.Join(h.dir, "fastcapa.conf"), "[kafka-global]\nmetadata.broker.list = kafka:9092\n")
	job, err := os.ReadFile(tutorialFile)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(h.dir, "index-network-packets.yml"), string(job))
	writeFile(t, filepath.Join(h.dir, "key"), "an-api-key\n")
	writeFile(t, filepath.Join(h.dir, "xcapa.yaml"), "brokers: kafka:9092\ncapture:\n  linger: 200ms\n")
}

// fillTopics gives the examples that read topics something to read.
func (h *exampleHost) fillTopics(t *testing.T) {
	t.Helper()
	await(t, 10*time.Second, "the broker listens", func() bool {
		_, err := os.Stat(filepath.Join(h.rootdir, "port"))
		return err == nil
	})
	for _, args := range [][]string{{"--encoding", "arrow"}, {"--encoding", "raw"}, {"--encoding", "raw", "--topic", "pcap"}, {"--encoding", "raw", "--topic", "t"}, {"--topic", "topic"}} {
		cmd := exec.Command(binary, append([]string{"capture", "-q", "-r", filepath.Join(h.dir, "capture.pcap"), "--brokers", "127.0.0.1:9092"}, args...)...)
		var words bytes.Buffer
		cmd.Stderr = &words
		if err := h.end.Start(cmd); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatalf("fill topics: %v\n%s", err, words.String())
		}
	}
	// What the examples of query ask.
	index := exec.Command(binary, "index", "-q", "--once", "--brokers", "127.0.0.1:9092", "--group", "fixture", "--store", filepath.Join(h.dir, "xcapa-store"))
	if err := h.end.Start(index); err != nil {
		t.Fatal(err)
	}
	if err := index.Wait(); err != nil {
		t.Fatalf("fill the store: %v", err)
	}
}

// freshElastic puts an empty Elasticsearch behind es:9200: an index template of
// one example is in another's way.
func (h *exampleHost) freshElastic(t *testing.T) {
	address := strings.TrimPrefix(elastictest.New(t).URL(), "http://")
	h.elastic.Store(&address)
}

// serveElastic is es:9200, with and without TLS on the one port.
func (h *exampleHost) serveElastic(t *testing.T) {
	t.Helper()
	certificate := selfSigned(t, "es", filepath.Join(h.dir, "ca.pem"))
	var listener net.Listener
	testnet.Do(t, h.end, func() (err error) {
		listener, err = net.Listen("tcp", "127.0.0.1:9200")
		return err
	})
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go forward(conn, *h.elastic.Load(), certificate)
		}
	}()
}

// forward joins a client to the backend, in TLS if the client begins it.
func forward(client net.Conn, backend string, certificate tls.Certificate) {
	defer client.Close()
	in := bufio.NewReader(client)
	first, err := in.Peek(1)
	if err != nil {
		return
	}
	var c io.ReadWriteCloser = readWriter{in, client}
	if first[0] == 0x16 { // a TLS handshake record
		c = tls.Server(readConn{client, in}, &tls.Config{Certificates: []tls.Certificate{certificate}})
	}
	server, err := net.Dial("tcp", backend)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { _, _ = io.Copy(server, c); server.Close() }()
	_, _ = io.Copy(c, server)
}

type readWriter struct {
	io.Reader
	net.Conn
}

func (r readWriter) Read(b []byte) (int, error) { return r.Reader.Read(b) }

type readConn struct {
	net.Conn
	from io.Reader
}

func (r readConn) Read(b []byte) (int, error) { return r.from.Read(b) }

// selfSigned makes a certificate for name and writes it to file as PEM.
func selfSigned(t *testing.T, name, file string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// elsewhere names the few lines that another test runs.
func elsewhere(line string) bool {
	return strings.Contains(line, "xcapa demo") || // TestDemo
		strings.Contains(line, "xcapa bench") || // TestBench: it takes a minute
		strings.Contains(line, "0000:09:00.0") // a PCI address: package fastcapa's tests
}

// run runs one line. One that does not end by itself is interrupted after some
// time; on a busy machine that may be before it is there to be interrupted.
func (h *exampleHost) run(t *testing.T, line string) {
	var err error
	for _, patience := range []time.Duration{1200 * time.Millisecond, 8 * time.Second} {
		var words string
		if words, err = h.try(t, line, patience); err == nil {
			return
		}
		if words != "" {
			t.Errorf("%s\ngot %v, want exit 0\n%s", line, err, words)
			return
		}
	}
	t.Errorf("%s\ngot %v and not a word, want exit 0", line, err)
}

// try runs line in a shell, in a folder and a mount namespace of its own.
func (h *exampleHost) try(t *testing.T, line string, patience time.Duration) (words string, err error) {
	h.freshElastic(t)
	dir := t.TempDir()
	if out, err := exec.Command("cp", "-r", h.dir+"/.", dir).CombinedOutput(); err != nil {
		t.Fatalf("copy files: %v\n%s", err, out)
	}
	script := `set -e
mount --bind "$HOSTS" /etc/hosts
mkdir data state; mount -t tmpfs tmpfs /mnt; mount --bind data /mnt
sudo() { "$@"; }
jq() { cat; }; tshark() { cat >tshark.in; }
` + strings.ReplaceAll(line, "/data/", dir+"/data/")
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOSTS="+h.hosts, "SSL_CERT_FILE="+filepath.Join(h.dir, "ca.pem"), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Setpgid: true}
	var out syncBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := h.end.Start(cmd); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err = <-done:
	case <-time.After(patience):
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT)
		select {
		case err = <-done:
		case <-time.After(20 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			err = fmt.Errorf("did not end within 20 s of SIGINT: %w", <-done)
		}
	}
	if mayEndWith(line, cmd.ProcessState.ExitCode()) {
		err = nil
	}
	return out.String(), err
}

// mayEndWith: doctor may find something wrong with this host, and the interrupt
// reaches what stands behind a pipe too.
func mayEndWith(line string, code int) bool {
	return strings.Contains(line, "xcapa doctor") && code == 3 ||
		strings.Contains(line, " | ") && (code == 130 || code == -1)
}
