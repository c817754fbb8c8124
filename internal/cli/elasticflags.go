package cli

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"xcapa/internal/elastic"
	"xcapa/internal/record"
)

// elasticFlags say where Elasticsearch is, who we are to it, and what its
// indices are called.
type elasticFlags struct {
	elastic.Config
	hosts        []string
	apiKeyFile   string
	user         string
	passwordFile string
	timeBased    string
	schema       string
}

// elasticGroup is their title in the help.
const elasticGroup = "Elasticsearch"

func (e *elasticFlags) register(cmd *cobra.Command) {
	defer group(cmd, elasticGroup)()
	f := cmd.Flags()
	f.StringSliceVar(&e.hosts, "elasticsearch", nil, "Elasticsearch at `URL,...`")
	f.StringVar(&e.apiKeyFile, "api-key-file", "", "`FILE` with the API key (or environment XCAPA_ES_API_KEY)")
	f.StringVar(&e.user, "es-user", "", "`NAME` of the Elasticsearch user")
	f.StringVar(&e.passwordFile, "es-password-file", "", "`FILE` with its password (or environment XCAPA_ES_PASSWORD)")
	f.StringVar(&e.CAFile, "es-ca", "", "PEM `FILE` with the CA of Elasticsearch")
	f.StringVar(&e.Fingerprint, "es-fingerprint", "", "SHA-256 of its certificate or CA, in `HEX`")
	f.BoolVar(&e.InsecureSkipVerify, "es-insecure", false, "do not verify its certificate (only for tests)")
	f.StringVar(&e.Index, "index", elastic.DefaultIndex, "`PREFIX` of index names")
	f.StringVar(&e.timeBased, "timebased-index", "today", "by packet time, UTC: `today`, yesterday, monthly or no")
	f.StringVar(&e.schema, "schema", "logisland", "field `NAMES` and values: logisland or seed")
}

// complete fills in the Config and refuses what cannot be, before anybody is
// connected to. Without hosts there is nothing to do.
func (e *elasticFlags) complete(logger *slog.Logger) error {
	if len(e.hosts) == 0 {
		return nil
	}
	c := &e.Config
	c.Hosts, c.Username, c.Logger = e.hosts, e.user, logger
	c.APIKey = elastic.Secret{File: e.apiKeyFile, Env: envIfSet("XCAPA_ES_API_KEY")}
	c.Password = elastic.Secret{File: e.passwordFile, Env: envIfSet("XCAPA_ES_PASSWORD")}
	var err error
	if c.TimeBased, err = elastic.ParseTimeBased(e.timeBased); err != nil {
		return usageErrorf("--timebased-index: %w", err)
	}
	if c.JSON.Schema, err = record.ParseSchema(e.schema); err != nil {
		return usageErrorf("--schema: %w", err)
	}
	if err := c.Validate(); err != nil {
		return withCode(exitUsage, err)
	}
	return nil
}

// envIfSet is name where the environment has it, so that an unset variable is
// no missing secret.
func envIfSet(name string) string {
	if _, ok := os.LookupEnv(name); ok {
		return name
	}
	return ""
}
