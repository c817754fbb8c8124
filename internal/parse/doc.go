// Package parse is the stage between a raw topic and a parsed topic: frames in,
// records out, as pycapa's or fastcapa's probes and Logisland's
// ParseNetworkPacket stood to each other. It is what the index stage's machinery
// (package indexer: poll, lanes, commit) does with raw messages, and it gives
// records to the same outputs as the capture workers (package worker).
//
// In: batches of one partition through Work.Do, one Work and one goroutine for
// each partition. Out: messages with records, and error records, through
// Config.Produce, which may wait; the account of the room "kafka".
//
// Every message gives one record or one error record; one that is a capture
// file's image (Config.Images) gives one for each packet and each damage in it.
//
// Non-obvious:
//   - Messages are settled in runs of up to 1,024, those of one block: a run is
//     settled when the broker has acknowledged everything that came of it, so a
//     packet costs neither a lock nor an allocation of its own. See cover.go.
//   - A run ends with its block, also where error records have left the block
//     half full: otherwise offsets would wait for packets that may never come.
//   - A message that will never be acknowledged (refused for good, not: broker
//     away) ends the stage. What it came of stays uncommitted.
//   - The seed's parser kept state per IP id and could be filled up by fragments.
//     Nothing here outlives a run.
package parse
