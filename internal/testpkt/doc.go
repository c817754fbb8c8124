// Package testpkt makes frames for tests: builders that fill in lengths and
// checksums, the golden frames of the parser that xcapa replaces, and the frames
// in testdata. It imports none of our packages, so every one of them can use it.
//
// In: header values, or annotated hexadecimal text. Out: frames as byte slices,
// new on every call where a test may write to them.
package testpkt
