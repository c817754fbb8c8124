// Command xcapa captures packets with AF_XDP, decodes their headers and
// delivers them through Kafka to Elasticsearch or a local store.
package main

import (
	"os"

	"xcapa/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
}
