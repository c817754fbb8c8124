package job

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

func isElasticsearch(class string) bool {
	name := short(class)
	return strings.HasPrefix(name, "Elasticsearch_") && strings.HasSuffix(name, "ClientService")
}

// index maps BulkAddElasticsearch and the service it refers to.
func (s *streamMap) index(p *Component) {
	s.m.apply(p.Name, p.Settings, s.indexRules(), unknown)
	if s.m.options.Store != "" {
		s.args = append(s.args, "--store", s.m.options.Store)
		s.m.note("--store", "records go into the local store "+s.m.options.Store+", not into Elasticsearch")
	}
	ref := value(p.Settings, "elasticsearch.client.service")
	service := s.m.services[ref.Value]
	switch {
	case ref.Key == "":
		s.m.failf(p.Line, "processor %s has no elasticsearch.client.service", p.Name)
	case service == nil:
		s.m.failf(ref.Line, "elasticsearch.client.service: %s: there is no such controllerService", ref.Value)
	case !isElasticsearch(service.Class):
		s.m.failf(service.Line, "controllerService %s is a %s, no Elasticsearch client", service.Name, short(service.Class))
	default:
		s.service(service)
	}
}

// service maps the client service's keys.
func (s *streamMap) service(c *Component) {
	if s.m.referred == nil {
		s.m.referred = map[string]bool{}
	}
	if s.m.referred[c.Name] {
		s.m.note(c.Name, "also for "+s.c.Name)
	}
	s.m.referred[c.Name] = true
	s.m.row(c.Name, Setting{Key: "component", Value: short(c.Class), Line: c.Line}, Used, "Elasticsearch 8 or 9 over HTTP; the old client's versions are gone")
	tls, _ := strconv.ParseBool(value(c.Settings, "enable.ssl").Value)
	s.m.apply(c.Name, c.Settings, s.serviceRules(tls), unknown)
	if value(c.Settings, "hosts").Key == "" && s.m.options.Store == "" {
		s.m.failf(c.Line, "controllerService %s has no hosts", c.Name)
	}
}

// flag is the rule of a number that becomes a flag.
func (s *streamMap) flag(name, unit string) rule {
	return func(_ *mapper, v Setting) (Verdict, string) {
		if n, err := strconv.Atoi(v.Value); err != nil || n <= 0 {
			return Attention, "want a number above 0: left out"
		}
		s.args = append(s.args, name, v.Value+unit)
		return Used, name + " " + v.Value + unit
	}
}

func (s *streamMap) serviceRules(tls bool) map[string]rule {
	return map[string]rule{
		"hosts":               func(m *mapper, v Setting) (Verdict, string) { return s.hosts(m, v, tls) },
		"cluster.name":        ignored("of the old client's own protocol"),
		"batch.size":          s.flag("--batch-size", ""),
		"flush.interval":      s.flag("--flush-interval", "s"),
		"concurrent.requests": s.flag("--concurrent-requests", ""),
		"bulk.size": func(_ *mapper, v Setting) (Verdict, string) { // megabytes
			n, err := strconv.Atoi(v.Value)
			if err != nil || n <= 0 {
				return Attention, "want megabytes above 0: left out"
			}
			bytes := strconv.Itoa(n << 20)
			s.args = append(s.args, "--bulk-size", bytes)
			return Used, "--bulk-size " + bytes
		},
		"backoff.policy": func(m *mapper, v Setting) (Verdict, string) {
			if !slices.Contains([]string{"noBackoff", "constantBackoff", "exponentialBackoff", "defaultExponentialBackoff"}, v.Value) {
				m.failf(v.Line, "backoff.policy: %s: want noBackoff, constantBackoff, exponentialBackoff or defaultExponentialBackoff", v.Value)
			}
			s.args = append(s.args, "--backoff-policy", v.Value)
			return Used, "--backoff-policy " + v.Value
		},
		"throttling.delay": s.flag("--throttling-delay", "ms"),
		"num.retry":        ignored("what Elasticsearch cannot take now is sent again until it is taken"),
		"username": func(_ *mapper, v Setting) (Verdict, string) {
			s.args = append(s.args, "--es-user", v.Value)
			return Used, "--es-user"
		},
		"password": func(_ *mapper, v Setting) (Verdict, string) {
			s.env = append(s.env, "XCAPA_ES_PASSWORD="+v.Value)
			return Used, "handed on in the environment, XCAPA_ES_PASSWORD"
		},
		"enable.ssl": func(*mapper, Setting) (Verdict, string) {
			if !tls {
				return Used, "http"
			}
			return Used, "https, and certificates are verified, unlike before: XCAPA_ES_CA=FILE names your CA"
		},
	}
}

// hosts turns host:port,... into URLs.
func (s *streamMap) hosts(m *mapper, v Setting, tls bool) (Verdict, string) {
	if m.options.Store != "" {
		return Ignored, "--store was given"
	}
	verdict := Used
	var words []string
	for _, h := range list(v.Value) {
		if strings.Contains(h, "://") {
			s.args = append(s.args, "--elasticsearch", h)
			continue
		}
		host, text, err := net.SplitHostPort(h)
		if err != nil {
			host, text = h, "9200"
		}
		port, err := strconv.Atoi(text)
		if err != nil || port < 1 || port > 65535 {
			m.failf(v.Line, "hosts: %s: want HOST:PORT", h)
			continue
		}
		url, w, why := m.options.Host(host, port, tls)
		s.args = append(s.args, "--elasticsearch", url)
		if w != Used {
			verdict = w
		}
		if why != "" {
			words = append(words, why)
		}
	}
	return verdict, strings.Join(append([]string{"--elasticsearch"}, words...), "; ")
}

// indexRules are the keys of BulkAddElasticsearch.
func (s *streamMap) indexRules() map[string]rule {
	return map[string]rule{
		"elasticsearch.client.service": func(*mapper, Setting) (Verdict, string) { return Used, "the controllerService of that name" },
		"default.index": func(_ *mapper, v Setting) (Verdict, string) {
			s.args = append(s.args, "--index", v.Value)
			return Used, "--index: the names begin with it"
		},
		"default.type": ignored("Elasticsearch has no types any more; record_type is a field of every document"),
		"timebased.index": func(m *mapper, v Setting) (Verdict, string) {
			name := strings.ToLower(v.Value)
			words := map[string]string{"today": "the packet's day, UTC, not the clock's", "yesterday": "the day before the packet's, UTC",
				"monthly": "the packet's month, UTC", "no": "one index", "none": "one index"}[name]
			if words == "" {
				m.failf(v.Line, "timebased.index: %s: want no, today, yesterday or monthly", v.Value)
			}
			if name == "none" {
				name = "no"
			}
			s.args = append(s.args, "--timebased-index", name)
			return Used, fmt.Sprintf("--timebased-index %s: %s", name, words)
		},
		"es.index.field": func(_ *mapper, v Setting) (Verdict, string) {
			if v.Value == "search_index" {
				return Ignored, "no packet record ever had this field"
			}
			s.args = append(s.args, "--index-field", v.Value)
			return Used, "--index-field: a document that has it goes to the index it names"
		},
		"es.type.field": func(_ *mapper, v Setting) (Verdict, string) {
			if v.Value == "record_type" {
				return Used, "it is a field of every document, as before; there are no types any more"
			}
			s.args = append(s.args, "--type-field", v.Value)
			return Used, "--type-field: a field of the document; Elasticsearch has no types any more"
		},
	}
}
