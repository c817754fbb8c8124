package elastic

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// Secret is a password or key, or where to find it: the first of Value, File
// and Env that is set. It prints as *** wherever it goes.
type Secret struct {
	Value string
	File  string // its content, without the newline at the end
	Env   string // name of an environment variable
}

func (s Secret) given() bool { return s.Value != "" || s.File != "" || s.Env != "" }

// Read returns the secret; "" when none was given. Errors do not contain it.
func (s Secret) Read() (string, error) {
	switch {
	case s.Value != "":
		return clean(s.Value, "the value")
	case s.File != "":
		b, err := os.ReadFile(s.File)
		if err != nil {
			return "", fmt.Errorf("read the secret: %w", err)
		}
		return clean(strings.TrimRight(string(b), "\r\n"), s.File)
	case s.Env != "":
		v := os.Getenv(s.Env)
		if v == "" {
			return "", fmt.Errorf("environment variable %s is empty: set it, or take it out of the configuration", s.Env)
		}
		return clean(v, s.Env)
	}
	return "", nil
}

// clean refuses what cannot stand in a header.
func clean(v, where string) (string, error) {
	if v == "" {
		return "", fmt.Errorf("%s is empty: it should hold the secret", where)
	}
	if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", fmt.Errorf("%s holds a control character: it should be one line", where)
	}
	return v, nil
}

// Open reports whether the file can be read by everyone on this host.
func (s Secret) Open() bool {
	if s.Value != "" || s.File == "" {
		return false
	}
	fi, err := os.Stat(s.File)
	return err == nil && fi.Mode().Perm()&0o004 != 0
}

// String masks the secret.
func (s Secret) String() string {
	switch {
	case s.Value != "":
		return "***"
	case s.File != "":
		return "file " + s.File
	case s.Env != "":
		return "environment " + s.Env
	}
	return ""
}

// GoString, LogValue and MarshalText keep %#v, slog and JSON from printing it.
func (s Secret) GoString() string { return "elastic.Secret{" + s.String() + "}" }

// LogValue masks the secret in logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText masks the secret in printed configurations.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
