package status

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// MarshalJSON writes seconds, as Prometheus and people count.
func (d Duration) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, d.Seconds(), 'g', -1, 64), nil
}

// UnmarshalJSON reads seconds.
func (d *Duration) UnmarshalJSON(b []byte) error {
	s, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return fmt.Errorf("read a time span in seconds: %w", err)
	}
	*d = Duration(s * float64(time.Second))
	return nil
}

// WriteFile replaces path by s. Whoever reads it sees the old Status or the new
// one, never half of one.
func WriteFile(path string, s *Status) error {
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write status file: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write status file: %w", err)
	}
	_, err = f.Write(b)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write status file: %w", err)
	}
	return nil
}

// ReadFile reads what WriteFile wrote.
func ReadFile(path string) (*Status, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var s Status
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("read status file %s: %w", path, err)
	}
	return &s, nil
}
