//go:build race

package worker

// raceEnabled: sync.Pool drops at random under the race detector.
const raceEnabled = true
