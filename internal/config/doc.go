// Package config reads the configuration file: YAML whose keys are the names of
// flags, at the top for every command that has the flag, or in a section named
// after one command.
//
//	brokers: [kafka1:9092, kafka2:9092]   # every command that talks to Kafka
//	capture:
//	  interface: eth1
//	  linger: 200ms
//	  property: {client.id: probe-7}      # a list of name=value may be a mapping
//
// In: the bytes of a file. Out: Settings, each with the place it stands at, or
// every problem of the file at once, each as file:line:column.
//
// Non-obvious:
//   - The package knows no flag: the command line hands in which names there are
//     (Schema), so that file and flags cannot disagree.
//   - A secret is never a value of this file: its file's name is.
package config
