package elastic

import "encoding/json"

// APIKeyJSON is the body of POST _security/api_key for a key that can do what
// the index stage does and nothing else: create documents and indices under the
// prefix, see their mapping, see the cluster's health. With template it may
// install the index template too.
func APIKeyJSON(prefix string, template bool) []byte {
	type privileges struct {
		Names      []string `json:"names"`
		Privileges []string `json:"privileges"`
	}
	type role struct {
		Cluster []string     `json:"cluster"`
		Indices []privileges `json:"indices"`
	}
	cluster, indices := []string{"monitor"}, []string{"create_doc", "auto_configure", "view_index_metadata"}
	if template {
		cluster = append(cluster, "manage_index_templates")
	}
	b, err := json.MarshalIndent(struct {
		Name  string          `json:"name"`
		Roles map[string]role `json:"role_descriptors"`
	}{"xcapa-index", map[string]role{
		"xcapa_writer": {cluster, []privileges{{patterns(prefix), indices}}},
	}}, "", "  ")
	if err != nil {
		panic(err) // only our own strings
	}
	return b
}
