package config

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// DefaultPath is read when it exists and no other file is named.
const DefaultPath = "/etc/xcapa/xcapa.yaml"

// maxSize bounds a file: a configuration is a page, not a capture.
const maxSize = 1 << 20

// Setting is one key of the file with its value.
type Setting struct {
	Section string   // the command it is for; "": every command that has it
	Name    string   // the flag's name
	Values  []string // one, or those of a list
	List    bool     // written as a list or a mapping
	Place   Place
}

// Place is where something stands in a file; lines and columns count from 1.
type Place struct {
	File         string
	Line, Column int
}

func (p Place) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Errorf is an error about what stands at p.
func (p Place) Errorf(format string, args ...any) error {
	return fmt.Errorf("%v: "+format, append([]any{p}, args...)...)
}

// Load reads and parses the file at path.
func Load(path string, schema Schema) ([]Setting, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", path, err)
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("read configuration %s: over %d bytes; is it the right file?", path, maxSize)
	}
	return Parse(path, data, schema)
}

// Parse returns the settings of a file in the order they stand in, or all of its
// problems, joined. path is for the messages.
func Parse(path string, data []byte, schema Schema) ([]Setting, error) {
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxError(path, err)
	}
	p := fileParser{path: path, schema: schema, seen: map[string]Place{}}
	for i, doc := range file.Docs {
		switch body := doc.Body.(type) {
		case nil, *ast.CommentGroupNode:
		default:
			if i > 0 {
				p.problem(body.GetToken(), "a second document: one file is one document, remove the line ---")
				continue
			}
			p.mapping("", body)
		}
	}
	return p.settings, errors.Join(p.problems...)
}

func syntaxError(path string, err error) error {
	var s yaml.Error
	if errors.As(err, &s) && s.GetToken() != nil && s.GetToken().Position != nil {
		return placeOf(path, s.GetToken()).Errorf("%s", s.GetMessage())
	}
	return fmt.Errorf("%s: %w", path, err)
}

func placeOf(path string, t *token.Token) Place {
	return Place{File: path, Line: t.Position.Line, Column: t.Position.Column}
}

// fileParser collects settings and problems: a person mends all of them at once.
type fileParser struct {
	path     string
	schema   Schema
	seen     map[string]Place
	settings []Setting
	problems []error
}

func (p *fileParser) problem(t *token.Token, format string, args ...any) {
	p.problems = append(p.problems, placeOf(p.path, t).Errorf(format, args...))
}

// mapping reads the top of the file (section "") or one section.
func (p *fileParser) mapping(section string, n ast.Node) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		if n.Type() == ast.NullType {
			return // a section with nothing but comments
		}
		p.problem(n.GetToken(), "want `name: value` lines%s", within(section))
		return
	}
	for _, entry := range m.Values {
		key := entry.Key.GetToken()
		name := key.Value
		if section == "" && p.schema.hasSection(name) {
			if p.once(key, name) {
				p.mapping(name, entry.Value)
			}
			continue
		}
		if why := p.schema.unknown(section, name); why != "" {
			p.problem(key, "%s", why)
			continue
		}
		if !p.once(key, section+"."+name) {
			continue
		}
		s := Setting{Section: section, Name: name, Place: placeOf(p.path, key)}
		if p.value(&s, entry.Value) {
			p.settings = append(p.settings, s)
		}
	}
}

func within(section string) string {
	if section == "" {
		return ""
	}
	return " in section " + section
}

// once refuses a key that stands twice: which one counts would be a guess.
func (p *fileParser) once(key *token.Token, full string) bool {
	if before, ok := p.seen[full]; ok {
		p.problem(key, "%s is set twice, first in line %d", key.Value, before.Line)
		return false
	}
	p.seen[full] = placeOf(p.path, key)
	return true
}

// value reads a scalar, a list of scalars, or a mapping of scalars, which is a
// list of name=value.
func (p *fileParser) value(s *Setting, n ast.Node) bool {
	switch n := n.(type) {
	case *ast.SequenceNode:
		s.List = true
		for _, v := range n.Values {
			text, ok := p.scalar(s, v)
			if !ok {
				return false
			}
			s.Values = append(s.Values, text)
		}
		return true
	case *ast.MappingNode:
		s.List = true
		for _, e := range n.Values {
			text, ok := p.scalar(s, e.Value)
			if !ok {
				return false
			}
			s.Values = append(s.Values, e.Key.GetToken().Value+"="+text)
		}
		return true
	}
	text, ok := p.scalar(s, n)
	s.Values = []string{text}
	return ok
}

func (p *fileParser) scalar(s *Setting, n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.NullNode:
		p.problems = append(p.problems, s.Place.Errorf("%s has no value: give one or remove the line", s.Name))
		return "", false
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		p.problem(n.GetToken(), "%s: anchors, aliases and tags are not read here, write the value", s.Name)
		return "", false
	case ast.ScalarNode:
		return n.GetToken().Value, true // as written: 0755 and 1_000 are the flag's to judge
	}
	p.problem(n.GetToken(), "%s: want a single value here", s.Name)
	return "", false
}
