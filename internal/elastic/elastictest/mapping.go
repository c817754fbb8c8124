package elastictest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"strconv"
	"time"
)

// mapping is the part of an index mapping that the stand-in enforces.
type mapping struct {
	Dynamic    any              `json:"dynamic,omitempty"` // "strict", "true", true, ...
	Properties map[string]field `json:"properties,omitempty"`
}

// field is one property; Rest keeps what is not looked at, for GET _mapping.
type field struct {
	Type string
	rest json.RawMessage
}

func (f *field) UnmarshalJSON(b []byte) error {
	var t struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(b, &t); err != nil {
		return err
	}
	f.Type, f.rest = t.Type, bytes.Clone(b)
	return nil
}

func (f field) MarshalJSON() ([]byte, error) { return f.rest, nil }

func parseMapping(b []byte) (*mapping, error) {
	m := &mapping{}
	if err := json.Unmarshal(b, m); err != nil {
		return nil, err
	}
	for name, f := range m.Properties {
		if f.Type == "" {
			return nil, fmt.Errorf("no type specified for field [%s]", name)
		}
	}
	if m.Properties == nil {
		m.Properties = map[string]field{}
	}
	return m, nil
}

// parseTemplate reads the patterns and the mapping of a composable template.
func parseTemplate(b []byte) ([]string, *mapping, error) {
	var t struct {
		Patterns []string `json:"index_patterns"`
		Template struct {
			Mappings json.RawMessage `json:"mappings"`
		} `json:"template"`
	}
	if err := json.Unmarshal(b, &t); err != nil {
		return nil, nil, err
	}
	if len(t.Patterns) == 0 {
		return nil, nil, errors.New("index_patterns is required")
	}
	if t.Template.Mappings == nil {
		return t.Patterns, nil, nil
	}
	m, err := parseMapping(t.Template.Mappings)
	return t.Patterns, m, err
}

// check validates a document; kind is the error type, "" when it fits.
func (m *mapping) check(doc []byte) (kind, reason string) {
	const parsing = "document_parsing_exception"
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(doc, &fields); err != nil || len(fields) == 0 {
		return parsing, "failed to parse"
	}
	if m == nil {
		return "", ""
	}
	for name, raw := range fields {
		f, ok := m.Properties[name]
		if !ok {
			if m.Dynamic == "strict" {
				return "strict_dynamic_mapping_exception", fmt.Sprintf(
					"[1:2] mapping set to strict, dynamic introduction of [%s] within [_doc] is not allowed", name)
			}
			continue
		}
		if err := f.accepts(raw); err != nil {
			return parsing, fmt.Sprintf("[1:2] failed to parse field [%s] of type [%s]: %v", name, f.Type, err)
		}
	}
	return "", ""
}

// integerBits are the sizes of the integer types.
var integerBits = map[string]uint{"byte": 8, "short": 16, "integer": 32, "long": 64}

// accepts says why the field does not take a value; nil if it does.
func (f field) accepts(raw json.RawMessage) error {
	if raw[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return err
		}
		for _, v := range list {
			if err := f.accepts(v); err != nil {
				return err
			}
		}
		return nil
	}
	if string(raw) == "null" {
		return nil
	}
	if raw[0] == '{' {
		return errors.New("object for a field")
	}
	text := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	}
	return f.acceptsText(text)
}

func (f field) acceptsText(text string) error {
	switch f.Type {
	case "ip":
		_, err := netip.ParseAddr(text)
		return err
	case "byte", "short", "integer", "long":
		n, ok := new(big.Int).SetString(text, 10)
		limit := new(big.Int).Lsh(big.NewInt(1), integerBits[f.Type]-1)
		if !ok || n.Cmp(limit) >= 0 || n.Cmp(new(big.Int).Neg(limit)) < 0 {
			return fmt.Errorf("value %q out of range", text)
		}
	case "boolean":
		if text != "true" && text != "false" && text != "" {
			return fmt.Errorf("value %q is no boolean", text)
		}
	case "date_nanos", "date":
		return acceptsDate(f.Type, text)
	}
	return nil
}

func acceptsDate(kind, text string) error {
	if _, err := strconv.ParseInt(text, 10, 64); err == nil {
		return nil // epoch milliseconds
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return err
	}
	if kind == "date_nanos" && (t.Year() < 1970 || t.After(time.Unix(0, 1<<63-1))) {
		return fmt.Errorf("date %s is outside 1970..2262", text)
	}
	return nil
}
