//go:build race

package broker

// raceEnabled: the race detector multiplies the memory of a process.
const raceEnabled = true
