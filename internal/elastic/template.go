package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"xcapa/internal/record"
)

const (
	// TemplateVersion is raised with every change of the mapping or settings; an
	// installed template of a lower version is replaced.
	TemplateVersion = 1
	// templatePriority is above Elastic's own templates (100 to 200), so that
	// one of theirs with a pattern as wide does not win.
	templatePriority = 500
)

// mapping is the part of a mapping that is compared.
type mapping struct {
	Dynamic    any                        `json:"dynamic"`
	Properties map[string]json.RawMessage `json:"properties"`
}

// TemplateName is the name of the index template for an index prefix.
func TemplateName(prefix string) string { return "xcapa-" + prefix }

// patterns are the indices a prefix can give.
func patterns(prefix string) []string { return []string{prefix, prefix + ".*"} }

// TemplateJSON is the body of PUT _index_template: a strict mapping made from
// the table of fields, best_compression (30 % less disk at no measured cost),
// and a replica only where there is a second node.
func TemplateJSON(prefix string, schema record.Schema) []byte {
	body := map[string]any{
		"index_patterns": patterns(prefix),
		"priority":       templatePriority,
		"version":        TemplateVersion,
		"_meta":          map[string]any{"managed_by": "xcapa", "description": "Packet headers, one document a packet"},
		"template": map[string]any{
			"settings": map[string]any{"index": map[string]any{"codec": "best_compression", "auto_expand_replicas": "0-1"}},
			"mappings": map[string]any{"dynamic": "strict", "properties": json.RawMessage(record.ElasticProperties(schema))},
		},
	}
	b, err := json.MarshalIndent(body, "", "  ")
	if err != nil {
		panic(err) // only our own table
	}
	return b
}

// TemplateState is what EnsureTemplate found or did.
type TemplateState string

// The states of a template.
const (
	TemplateInstalled TemplateState = "installed" // by this call
	TemplatePresent   TemplateState = "present"   // it was there and fits
	TemplateUnchecked TemplateState = "unchecked" // the key may not look (manage_index_templates)
)

// EnsureTemplate makes sure that new indices get the strict mapping, and that
// the indices there are have it. With install it puts the template where it is
// missing or older, and adds new fields to existing indices; without, or where
// the key may not (403), it only looks.
//
// Errors: ErrTemplate (missing, and may not be installed), ErrMapping (a
// template or index has other types), those of Check.
func (c *Client) EnsureTemplate(ctx context.Context, install bool) (TemplateState, error) {
	state, err := c.template(ctx, install)
	if err != nil {
		return state, err
	}
	return state, c.checkIndices(ctx, install)
}

func (c *Client) template(ctx context.Context, install bool) (TemplateState, error) {
	name := TemplateName(c.config.Index)
	version, fits, err := c.readTemplate(ctx, name)
	switch {
	case status(err) == http.StatusForbidden:
		c.config.Logger.Warn("the key may not read index templates: whether new indices get the right mapping is not checked", "template", name)
		return TemplateUnchecked, nil
	case err != nil:
		return "", fmt.Errorf("read index template %s: %w", name, err)
	case version >= TemplateVersion && fits == nil:
		return TemplatePresent, nil
	case version >= TemplateVersion:
		return "", fmt.Errorf("%w: index template %s (version %d): %w; delete it, or use another index prefix", ErrMapping, name, version, fits)
	case !install:
		return "", fmt.Errorf("%w: %s has version %d, this xcapa needs %d; install it with a key that has manage_index_templates",
			ErrTemplate, name, version, TemplateVersion)
	}
	_, err = c.do(ctx, esapi.IndicesPutIndexTemplateRequest{
		Name: name, Body: bytes.NewReader(TemplateJSON(c.config.Index, c.config.JSON.Schema))})
	switch {
	case status(err) == http.StatusForbidden:
		return "", fmt.Errorf("%w: %s: %w; give the key manage_index_templates, or let an administrator install it", ErrTemplate, name, err)
	case status(err) == http.StatusBadRequest:
		return "", fmt.Errorf("%w: %s: %w; another template with priority %d may have the same pattern", ErrTemplate, name, err, templatePriority)
	case err != nil:
		return "", fmt.Errorf("install index template %s: %w", name, err)
	}
	c.config.Logger.Info("index template installed", "template", name, "version", TemplateVersion, "was", version)
	return TemplateInstalled, nil
}

// readTemplate returns the version of the installed template, 0 for none, and
// how its mapping differs from ours.
func (c *Client) readTemplate(ctx context.Context, name string) (version int, differs, err error) {
	b, err := c.do(ctx, esapi.IndicesGetIndexTemplateRequest{Name: name})
	if status(err) == http.StatusNotFound {
		return 0, nil, nil
	}
	if err != nil {
		return 0, nil, err
	}
	var reply struct {
		Templates []struct {
			Template struct {
				Version  int `json:"version"`
				Template struct {
					Mappings mapping `json:"mappings"`
				} `json:"template"`
			} `json:"index_template"`
		} `json:"index_templates"`
	}
	if err := json.Unmarshal(b, &reply); err != nil || len(reply.Templates) != 1 {
		return 0, nil, fmt.Errorf("read the reply: %d templates, want 1 (%w)", len(reply.Templates), err)
	}
	t := reply.Templates[0].Template
	missing, wrong := c.compare(t.Template.Mappings)
	return t.Version, errors.Join(wrong, missingError(missing)), nil
}

// checkIndices compares the mappings of the indices that exist.
func (c *Client) checkIndices(ctx context.Context, extend bool) error {
	yes := true
	b, err := c.do(ctx, esapi.IndicesGetMappingRequest{
		Index: patterns(c.config.Index), IgnoreUnavailable: &yes, AllowNoIndices: &yes})
	switch {
	case status(err) == http.StatusForbidden:
		c.config.Logger.Warn("the key may not read mappings (view_index_metadata): those of existing indices are not checked")
		return nil
	case status(err) == http.StatusNotFound:
		return nil
	case err != nil:
		return fmt.Errorf("read the mappings of %s: %w", strings.Join(patterns(c.config.Index), ","), err)
	}
	var indices map[string]struct {
		Mappings mapping `json:"mappings"`
	}
	if err := json.Unmarshal(b, &indices); err != nil {
		return fmt.Errorf("read the mappings of the indices: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(indices)) {
		if err := c.checkIndex(ctx, name, indices[name].Mappings, extend); err != nil {
			return err
		}
	}
	return nil
}

// checkIndex refuses an index of another shape; fields that are new since it
// was made are added.
func (c *Client) checkIndex(ctx context.Context, name string, m mapping, extend bool) error {
	missing, wrong := c.compare(m)
	if wrong != nil {
		return fmt.Errorf("%w: index %s: %w; reindex or delete it, or use another index prefix", ErrMapping, name, wrong)
	}
	if len(missing) == 0 {
		return nil
	}
	err := missingError(missing)
	if extend {
		if err = c.addFields(ctx, name, missing); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: index %s: %w; start once with a key that has manage on it, or use another index prefix", ErrMapping, name, err)
}

func (c *Client) addFields(ctx context.Context, index string, missing map[string]json.RawMessage) error {
	body, err := json.Marshal(map[string]any{"properties": missing})
	if err != nil {
		return err
	}
	if _, err := c.do(ctx, esapi.IndicesPutMappingRequest{Index: []string{index}, Body: bytes.NewReader(body)}); err != nil {
		return fmt.Errorf("add %d fields to the mapping: %w", len(missing), err)
	}
	c.config.Logger.Info("new fields added to an index", "index", index, "fields", len(missing))
	return nil
}

func missingError(missing map[string]json.RawMessage) error {
	if len(missing) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(missing))
	return fmt.Errorf("it lacks the fields %s", shorten(strings.Join(names, ", "), 200))
}

// compare says what is wrong with a mapping (dynamic, or a field of another
// type: made before the template) and which fields it lacks.
func (c *Client) compare(m mapping) (missing map[string]json.RawMessage, wrong error) {
	if m.Dynamic != "strict" {
		return nil, fmt.Errorf("its mapping is not strict (dynamic is %v): it was not made from the template", dynamicName(m.Dynamic))
	}
	var ours map[string]json.RawMessage
	if err := json.Unmarshal(record.ElasticProperties(c.config.JSON.Schema), &ours); err != nil {
		panic(err) // our own table
	}
	missing = map[string]json.RawMessage{}
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		theirs, ok := m.Properties[name]
		if !ok {
			missing[name] = ours[name]
			continue
		}
		if got, want := fieldType(theirs), fieldType(ours[name]); got != want {
			return nil, fmt.Errorf("field %s has the type %s, want %s", name, got, want)
		}
	}
	return missing, nil
}

func dynamicName(v any) string {
	if v == nil {
		return "true"
	}
	return fmt.Sprint(v)
}

// fieldType is the type of a property; one without is an object.
func fieldType(raw json.RawMessage) string {
	var f struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(raw, &f) != nil || f.Type == "" {
		return "object"
	}
	return f.Type
}
