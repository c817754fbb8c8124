package elastic

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xcapa/internal/elastic/elastictest"
)

func TestCheck(t *testing.T) {
	plain := elastictest.New(t)
	secure := elastictest.New(t)
	secure.APIKey = base64.StdEncoding.EncodeToString([]byte("id:key"))
	basic := elastictest.New(t)
	basic.User, basic.Password = "writer", "secret"
	narrow := elastictest.New(t)
	narrow.NoMetadata = true
	opensearch := elastictest.New(t)
	opensearch.Product = ""
	encrypted := elastictest.New(t)
	encrypted.StartTLS()
	foreign := httptest.NewServer(nil) // 404 to everything
	defer foreign.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := "http://" + silent.Addr().String()
	_ = silent.Close()

	caFile := filepath.Join(t.TempDir(), "ca.pem")
	write(t, caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: encrypted.Certificate()}))
	keyFile := filepath.Join(t.TempDir(), "key")
	write(t, keyFile, []byte("id:key\n"))
	t.Setenv("TEST_ELASTIC_KEY", secure.APIKey)
	finger := fmt.Sprintf("%X", sha256.Sum256(encrypted.Certificate()))

	for _, tc := range []struct {
		name   string
		config Config
		want   error
		says   string
	}{
		{"plain", Config{Hosts: []string{plain.URL()}}, nil, ""},
		{"host_and_port_only", Config{Hosts: []string{strings.TrimPrefix(plain.URL(), "http://")}}, nil, ""},
		{"api_key", Config{Hosts: []string{secure.URL()}, APIKey: Secret{Value: "id:key"}}, nil, ""},
		{"api_key_base64_from_environment", Config{Hosts: []string{secure.URL()}, APIKey: Secret{Env: "TEST_ELASTIC_KEY"}}, nil, ""},
		{"api_key_from_file", Config{Hosts: []string{secure.URL()}, APIKey: Secret{File: keyFile}}, nil, ""},
		{"password", Config{Hosts: []string{basic.URL()}, Username: "writer", Password: Secret{Value: "secret"}}, nil, ""},
		{"may_not_ask", Config{Hosts: []string{narrow.URL()}}, nil, ""},
		{"no_credentials", Config{Hosts: []string{secure.URL()}}, ErrCredentials, "check the API key"},
		{"wrong_key", Config{Hosts: []string{secure.URL()}, APIKey: Secret{Value: "id:guess"}}, ErrCredentials, "401"},
		{"wrong_password", Config{Hosts: []string{basic.URL()}, Username: "writer", Password: Secret{Value: "guess"}}, ErrCredentials, "401"},
		{"opensearch", Config{Hosts: []string{opensearch.URL()}}, ErrNotElasticsearch, "OpenSearch"},
		{"something_else", Config{Hosts: []string{foreign.URL}}, ErrNotElasticsearch, "404"},
		{"refused", Config{Hosts: []string{free}}, ErrUnreachable, "nothing listens at " + free},
		{"no_such_host", Config{Hosts: []string{"http://no-such-host.invalid"}}, ErrUnreachable, "check the host name"},
		{"unknown_ca", Config{Hosts: []string{encrypted.URL()}}, ErrTLS, "CA's file or its fingerprint"},
		{"ca_file", Config{Hosts: []string{encrypted.URL()}, CAFile: caFile}, nil, ""},
		{"fingerprint", Config{Hosts: []string{encrypted.URL()}, Fingerprint: finger}, nil, ""},
		{"other_fingerprint", Config{Hosts: []string{encrypted.URL()}, Fingerprint: strings.Repeat("ab", 32)}, ErrTLS, "expected abab"},
		{"insecure", Config{Hosts: []string{encrypted.URL()}, InsecureSkipVerify: true}, nil, ""},
		{"plain_to_tls", Config{Hosts: []string{strings.Replace(encrypted.URL(), "https", "http", 1)}}, ErrNotElasticsearch, "400"},
		{"tls_to_plain", Config{Hosts: []string{strings.Replace(plain.URL(), "http", "https", 1)}}, ErrTLS, "speaks plain HTTP"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := newTestClient(t, tc.config).Check(t.Context())
			if !errors.Is(err, tc.want) || (err != nil) != (tc.want != nil) {
				t.Fatalf("Check: %v, want %v", err, tc.want)
			}
			if err == nil {
				return
			}
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("Check says %q, want %q in it", err, tc.says)
			}
			if !IsUnreachable(err) {
				t.Errorf("IsUnreachable(%v) is false", err)
			}
			for _, secret := range []string{"guess", "secret\"", base64.StdEncoding.EncodeToString([]byte("id:guess"))} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error repeats a secret: %v", err)
				}
			}
		})
	}
}

func TestConfigValidate(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	write(t, empty, nil)
	notPEM := filepath.Join(dir, "ca")
	write(t, notPEM, []byte("no certificate"))
	for _, tc := range []struct {
		name   string
		config Config
		says   []string // nil: valid
	}{
		{"zero", Config{}, nil},
		{"https_with_path", Config{Hosts: []string{"https://es.example/prefix/"}}, nil},
		{"ipv6", Config{Hosts: []string{"http://[::1]:9200"}}, nil},
		{"scheme", Config{Hosts: []string{"ftp://es"}}, []string{"use http://HOST:9200"}},
		{"transport_port", Config{Hosts: []string{"sandbox:9300"}}, []string{"9300 is the transport port"}},
		{"password_in_url", Config{Hosts: []string{"http://u:hunter2@es:9200"}}, []string{"password file"}},
		{"broken_url", Config{Hosts: []string{"http://u:hunter2@es:92 00"}}, []string{"not a URL"}},
		{"both_credentials", Config{APIKey: Secret{Value: "a:b"}, Username: "u"}, []string{"keep one"}},
		{"password_alone", Config{Password: Secret{Value: "x"}}, []string{"without a user name"}},
		{"no_such_key_file", Config{APIKey: Secret{File: filepath.Join(dir, "none")}}, []string{"read the API key", "no such file"}},
		{"empty_key_file", Config{APIKey: Secret{File: empty}}, []string{"is empty"}},
		{"key_of_two_lines", Config{APIKey: Secret{Value: "a\nb"}}, []string{"control character"}},
		{"empty_environment", Config{APIKey: Secret{Env: "NO_SUCH_VARIABLE_HERE"}}, []string{"NO_SUCH_VARIABLE_HERE is empty"}},
		{"ca_not_pem", Config{CAFile: notPEM}, []string{"no PEM certificate"}},
		{"fingerprint", Config{Fingerprint: "abc"}, []string{"64 hex digits"}},
		{"fingerprint_and_ca", Config{Fingerprint: strings.Repeat("ab:", 31) + "ab", InsecureSkipVerify: true}, []string{"keep one"}},
		{"index_upper_case", Config{Index: "Packets"}, []string{"a-z, 0-9"}},
		{"index_wildcard", Config{Index: "packets*"}, []string{"a-z, 0-9"}},
		{"index_start", Config{Index: "_packets"}, []string{"start with a letter"}},
		{"index_dot", Config{Index: "packets."}, []string{"dot at the end"}},
		{"all_at_once", Config{Index: "A", TimeBased: "weekly", Compression: 10, BulkBytes: 1 << 30, BackoffInit: 2, BackoffMax: 1},
			[]string{"index prefix", "weekly", "gzip level 10", "at most 104857600", "back-off"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.config.Validate()
			if (err != nil) != (tc.says != nil) {
				t.Fatalf("Validate: %v, want an error with %q", err, tc.says)
			}
			for _, s := range tc.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("Validate says %q, want %q in it", err, s)
				}
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats a password: %v", err)
			}
		})
	}
}

func TestSecretIsMasked(t *testing.T) {
	c := Config{APIKey: Secret{Value: "hunter2"}}
	asJSON, err := json.Marshal(c.APIKey)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", c.APIKey)
	for _, s := range []string{fmt.Sprint(c.APIKey), fmt.Sprintf("%v %+v %#v %s", c.APIKey, c.APIKey, c.APIKey, c.APIKey),
		fmt.Sprintf("%+v", c.APIKey), string(asJSON), log.String()} {
		if strings.Contains(s, "hunter2") {
			t.Errorf("%q shows the secret", s)
		}
	}
	open := filepath.Join(t.TempDir(), "open")
	write(t, open, []byte("x"))
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	if !(Secret{File: open}).Open() {
		t.Error("a file of mode 0644 is not reported")
	}
}

func TestAPIKeyJSON(t *testing.T) {
	got := string(APIKeyJSON("packets_index", false))
	for _, want := range []string{`"create_doc"`, `"auto_configure"`, `"packets_index.*"`, `"monitor"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if strings.Contains(got, "manage") || strings.Contains(got, `"all"`) || strings.Contains(got, `"write"`) {
		t.Errorf("more than needed: %s", got)
	}
	if !strings.Contains(string(APIKeyJSON("p", true)), "manage_index_templates") {
		t.Error("no manage_index_templates for the template")
	}
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
