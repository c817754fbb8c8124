//go:build race

package kafka

// raceEnabled: sync.Pool drops at random under the race detector.
const raceEnabled = true
