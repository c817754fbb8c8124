package job

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Override is one --set KEY=VALUE.
type Override struct{ Key, Value string }

// ParseOverride reads KEY=VALUE.
func ParseOverride(s string) (Override, error) {
	key, value, ok := strings.Cut(s, "=")
	if !ok || key == "" {
		return Override{}, fmt.Errorf("--set %s: want KEY=VALUE, as in --set elasticsearch.hosts=es:9200", s)
	}
	return Override{key, value}, nil
}

// Override replaces values by the user's. The key is one of the file, wherever
// it stands there, or NAME.KEY with the name of a service, stream or processor;
// "elasticsearch" names the Elasticsearch services. A key that the engine, or
// what NAME names, has not, is added to it.
func (f *File) Override(list []Override) error {
	for _, o := range list {
		if f.replace(func(*Component) string { return o.Key }, o.Value) || f.replaceNamed(o) {
			continue
		}
		if strings.HasPrefix(o.Key, "spark.") {
			f.Engine.Settings = append(f.Engine.Settings, Setting{Key: o.Key, Value: o.Value})
			continue
		}
		return fmt.Errorf("--set %s: the job file has no such key; name it as the file does, or as NAME.KEY with the name of a service or stream, as in elasticsearch.hosts", o.Key)
	}
	return nil
}

// replace sets the key that want names, in every component that has it.
func (f *File) replace(want func(*Component) string, value string) bool {
	found := false
	f.each(func(c *Component) {
		key := want(c)
		for i := range c.Settings {
			if key != "" && c.Settings[i].Key == key {
				c.Settings[i].Value, c.Settings[i].Line, found = value, 0, true
			}
		}
	})
	return found
}

func (f *File) replaceNamed(o Override) bool {
	key := func(c *Component) string {
		name := c.Name
		if rest, ok := strings.CutPrefix(o.Key, "elasticsearch."); ok && isElasticsearch(c.Class) {
			return rest
		}
		if rest, ok := strings.CutPrefix(o.Key, name+"."); ok && name != "" {
			return rest
		}
		return ""
	}
	if f.replace(key, o.Value) {
		return true
	}
	added := false
	f.each(func(c *Component) {
		if k := key(c); k != "" {
			c.Settings, added = append(c.Settings, Setting{Key: k, Value: o.Value}), true
		}
	})
	return added
}

// each visits every component.
func (f *File) each(visit func(*Component)) {
	visit(&f.Engine)
	for i := range f.Services {
		visit(&f.Services[i])
	}
	for i := range f.Streams {
		visit(&f.Streams[i])
		for j := range f.Streams[i].Processors {
			visit(&f.Streams[i].Processors[j])
		}
	}
}

// variable is ${NAME} or ${NAME:default}.
var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([^}]*))?\}`)

// Substitute replaces ${NAME} by the environment's value. It names all that are
// not set at once, but those in keys that nobody reads.
func (f *File) Substitute(lookup func(string) (string, bool)) error {
	var missing []string
	f.each(func(c *Component) {
		for i := range c.Settings {
			s := &c.Settings[i]
			s.Value = variable.ReplaceAllStringFunc(s.Value, func(ref string) string {
				m := variable.FindStringSubmatch(ref)
				if v, ok := lookup(m[1]); ok {
					return v
				}
				if strings.Contains(ref, ":") {
					return m[2]
				}
				if !slices.Contains(unread, s.Key) {
					missing = append(missing, fmt.Sprintf("line %d: %s: %s", s.Line, s.Key, ref))
				}
				return ref
			})
		}
	})
	if len(missing) > 0 {
		return fmt.Errorf("these are not set in the environment:\n  %s\nexport them, or give the values with --set KEY=VALUE", strings.Join(missing, "\n  "))
	}
	return nil
}

// unread are keys with variables in the published file whose value changes
// nothing here.
var unread = []string{"kafka.zookeeper.quorum", "cluster.name"}
