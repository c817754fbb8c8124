package job

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Setting is one key of a configuration block.
type Setting struct {
	Key   string
	Value string
	Line  int  // in the file
	Again bool // the same key stands further down, and that one counts
}

// Component is the engine, a service, a stream or a processor.
type Component struct {
	Name       string // "" for the engine
	Class      string // the component's Java class
	Line       int
	Settings   []Setting
	Processors []Component // of a stream
}

// File is a job file as written.
type File struct {
	Engine   Component
	Services []Component
	Streams  []Component
	Version  string
	Joined   bool // the indentation of its fragments had to be fitted together
}

// Read takes a job file apart. name is what errors call it.
func Read(name string, src []byte) (*File, error) {
	root, err := parse(src)
	joined := false
	if err != nil {
		// The tutorial's page shows the file in fragments, each at the margin.
		if again, e := parse(joinFragments(src)); e == nil {
			root, err, joined = again, nil, true
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read job file %s: %w", name, err)
	}
	f, err := fileOf(root)
	if err != nil {
		return nil, fmt.Errorf("read job file %s: %w", name, err)
	}
	f.Joined = joined
	return f, nil
}

var errNoEngine = errors.New("there is no key engine: at the top: this is no Logisland job file; a configuration file of xcapa is given with --config")

func parse(src []byte) (ast.Node, error) {
	file, err := parser.ParseBytes(src, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, fmt.Errorf("this is not YAML: %s", strings.TrimSpace(err.Error()))
	}
	for _, d := range file.Docs {
		if d.Body != nil {
			return d.Body, nil
		}
	}
	return nil, errors.New("it is empty")
}

func fileOf(root ast.Node) (*File, error) {
	f := &File{}
	engine := find(root, "engine")
	if engine == nil {
		return nil, errNoEngine
	}
	f.Version = scalar(find(root, "version"))
	var err error
	if f.Engine, err = component(engine, ""); err != nil {
		return nil, err
	}
	if f.Services, err = components(find(engine, "controllerServiceConfigurations"), "controllerService"); err != nil {
		return nil, err
	}
	if f.Streams, err = components(find(engine, "streamConfigurations"), "stream"); err != nil {
		return nil, err
	}
	if len(f.Streams) == 0 {
		return nil, fmt.Errorf("line %d: the engine has no streamConfigurations: there is nothing to start", line(engine))
	}
	return f, nil
}

// components reads a list whose entries are named by the key kind.
func components(n ast.Node, kind string) ([]Component, error) {
	if n == nil {
		return nil, nil
	}
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		if _, empty := n.(*ast.NullNode); empty {
			return nil, nil
		}
		return nil, fmt.Errorf("line %d: want a list of `- %s: NAME`", line(n), kind)
	}
	var out []Component
	for _, entry := range list.Values {
		c, err := component(entry, kind)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func component(n ast.Node, kind string) (Component, error) {
	c := Component{Class: scalar(find(n, "component")), Line: line(n)}
	if kind != "" {
		if c.Name = scalar(find(n, kind)); c.Name == "" {
			return c, fmt.Errorf("line %d: this entry has no `%s: NAME`", c.Line, kind)
		}
	}
	if c.Class == "" {
		return c, fmt.Errorf("line %d: %s has no component: CLASS", c.Line, nameOr(c.Name, "the engine"))
	}
	var err error
	if c.Settings, err = settings(find(n, "configuration")); err != nil {
		return c, err
	}
	c.Processors, err = components(find(n, "processorConfigurations"), "processor")
	return c, err
}

func nameOr(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}

// settings reads a flat block of keys; the last of several equal ones counts.
func settings(n ast.Node) ([]Setting, error) {
	var out []Setting
	last := map[string]int{}
	for _, p := range pairs(n) {
		switch p.Value.(type) {
		case *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode:
			return nil, fmt.Errorf("line %d: %s holds a block where one value is wanted", line(p.Value), p.Key.GetToken().Value)
		}
		s := Setting{Key: p.Key.GetToken().Value, Value: scalar(p.Value), Line: p.Key.GetToken().Position.Line}
		if before, twice := last[s.Key]; twice {
			out[before].Again = true
		}
		last[s.Key] = len(out)
		out = append(out, s)
	}
	return out, nil
}

// pairs are the keys and values of a mapping; the parser gives one with a single
// key another type.
func pairs(n ast.Node) []*ast.MappingValueNode {
	switch m := n.(type) {
	case *ast.MappingNode:
		return m.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}
	}
	return nil
}

// find is the value of a key, the last one where it stands more than once; nil:
// there is none.
func find(n ast.Node, key string) ast.Node {
	var found ast.Node
	for _, p := range pairs(n) {
		if p.Key.GetToken().Value == key {
			found = p.Value
		}
	}
	return found
}

// scalar is a value as it is written, without its quotes; "" for none.
func scalar(n ast.Node) string {
	switch v := n.(type) {
	case nil, *ast.NullNode:
		return ""
	case *ast.LiteralNode:
		return strings.TrimSpace(v.Value.Value)
	}
	return strings.TrimSpace(n.GetToken().Value)
}

func line(n ast.Node) int {
	if n == nil || n.GetToken() == nil {
		return 0
	}
	return n.GetToken().Position.Line
}
