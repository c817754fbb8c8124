package cli

import (
	"net"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// words are the values a flag may have, by its name: what completion offers.
// Each command says itself which of them it takes.
var words = map[string][]string{
	"engine":          {"auto", "afxdp", "afpacket", "asavie"},
	"xdp-mode":        {"auto", "native", "generic"},
	"zero-copy":       {"auto", "require", "off"},
	"stamp":           {"packet", "batch"},
	"clock":           {"system", "nic"},
	"encoding":        {"arrow", "json", "raw"},
	"schema":          {"logisland", "seed"},
	"partition-by":    {"block", "queue", "flow", "random"},
	"compression":     {"none", "gzip", "snappy", "lz4", "zstd"},
	"sasl-mechanism":  {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"},
	"timebased-index": {"today", "yesterday", "monthly", "no"},
	"file-format":     {"pcapng", "pcap", "nsecpcap"},
	"rotate":          {"duration:", "filesize:", "packets:", "files:"},
	"keep":            {"arp", "nd"},
	"output":          {"text", "json", "csv", "arrow", "table"},
	"start":           {"begin", "end", "stored"},
}

// completeFlags gives every command's flags their completions.
func completeFlags(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "interface" {
				_ = cmd.RegisterFlagCompletionFunc(f.Name, completeInterfaces)
			} else if w := words[f.Name]; w != nil {
				_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(w, cobra.ShellCompDirectiveNoFileComp))
			}
		})
	}
}

func completeInterfaces(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, i := range all {
		names = append(names, i.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
