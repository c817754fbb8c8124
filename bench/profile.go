package main

import (
	"fmt"
	"math"
	"strings"
)

// share is one piece of what a packet costs: the difference of two cases'
// medians, in ns. NaN: one of them was not measured.
type share struct {
	name string
	ns   float64
}

func coreOf(s sample) float64 { return s.Core }

// kernelShares takes the generator's core apart, for frames t and a stamp: the
// cases each add one thing to what the one before does.
func (r *report) kernelShares(t traffic, ceiling, capture string) []share {
	core := func(name string) float64 { return r.find(groupCapture(t), name).spread(coreOf).Median }
	return []share{
		{"making the frame (no part of a capture)", core(nameAlone)},
		{"driver, softirq, a program that counts", core(nameDrop) - core(nameAlone)},
		{"our program: stamp, sequence, wire length", core(ceiling) - core(nameDrop)},
		{"redirect, copy, ring", core(capture) - core(ceiling)},
	}
}

// appShares takes the capture's core apart, for an encoding.
func (r *report) appShares(encoded, whole string) []share {
	cpu := func(name string) float64 { return r.find(groupPath, name).spread(cpuOf).Median }
	return []share{
		{"ring, naps", cpu(nameRing)},
		{"first touch of the frame, decode", cpu(nameDecode) - cpu(nameRing)},
		{"encode", cpu(encoded) - cpu(nameDecode)},
		{"compress, produce, acknowledgements", cpu(whole) - cpu(encoded)},
	}
}

// total is all of it; NaN where a piece is missing.
func total(shares []share) (sum float64) {
	for _, s := range shares {
		sum += s.ns
	}
	return sum
}

// column is one way a packet can go, taken apart.
type column struct {
	name   string
	shares []share
}

// profile writes where the time of a packet goes, as far as it was measured.
func (r *report) profile(m *strings.Builder) {
	kernel := []column{
		{"60 B, --stamp packet", r.kernelShares(small, nameCeilPacket, namePacket)},
		{"60 B, --stamp batch", r.kernelShares(small, nameCeilBatch, nameBatch)},
		{"IMIX", r.kernelShares(imix, nameCeilPacket, namePacket)},
		{"512 B", r.kernelShares(medium, nameCeilPacket, namePacket)},
		{"1514 B", r.kernelShares(large, nameCeilPacket, namePacket)},
	}
	app := []column{
		{"arrow, snappy", r.appShares(nameEncodeArrow, nameArrowSnappy)},
		{"json", r.appShares(nameEncodeJSON, nameJSON)},
		{"raw", r.appShares(nameEncodeRaw, nameRaw)},
	}
	var b strings.Builder
	sharesTable(&b, "the kernel's core, ns a frame", kernel)
	sharesTable(&b, "the capture's core, ns a packet", app)
	if b.Len() == 0 {
		return
	}
	fmt.Fprintf(m, "## Where the time goes\n\nDifferences between medians of this run, each case adding one thing to the one before; a few ns below nothing is the noise of both. At saturation: what a slow encoding drops is in its cost.\n\n%s", b.String())
}

// sharesTable leaves out columns that were not measured whole.
func sharesTable(b *strings.Builder, title string, columns []column) {
	var there []column
	for _, c := range columns {
		if !math.IsNaN(total(c.shares)) {
			there = append(there, c)
		}
	}
	if len(there) == 0 {
		return
	}
	fmt.Fprintf(b, "| %s |", title)
	for _, c := range there {
		fmt.Fprintf(b, " %s |", c.name)
	}
	fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---|", len(there)))
	for i, s := range there[0].shares {
		fmt.Fprintf(b, "| %s |", s.name)
		for _, c := range there {
			fmt.Fprintf(b, " %.0f |", c.shares[i].ns)
		}
		b.WriteString("\n")
	}
	b.WriteString("| **all** |")
	for _, c := range there {
		fmt.Fprintf(b, " **%.0f** |", total(c.shares))
	}
	b.WriteString("\n\n")
}

// kernelLimit says why a capture does not take more: which core is full, and
// with what.
func (r *report) kernelLimit(t traffic, ceiling, capture string) string {
	o := r.find(groupCapture(t), capture)
	busy := o.spread(func(s sample) float64 { return s.CPU * s.Rate() / 1e9 }).Median
	parts := r.kernelShares(t, ceiling, capture)
	sum := total(parts)
	if math.IsNaN(busy) || math.IsNaN(sum) {
		return ""
	}
	which := "the kernel's core is the limit"
	if busy > 0.9 {
		which = "both cores are full"
	}
	return fmt.Sprintf("%s, ours is %.0f %% busy: of %.0f ns a frame there, redirect and copy take %.0f, our program's stamps %.0f, driver and softirq %.0f, the generator %.0f",
		which, 100*busy, sum, parts[3].ns, parts[2].ns, parts[1].ns, parts[0].ns)
}

// clientLimit says what part of a packet's CPU is spent behind the encoder.
func (r *report) clientLimit(encoded, whole string) string {
	parts := r.appShares(encoded, whole)
	sum := total(parts)
	if math.IsNaN(sum) {
		return ""
	}
	return fmt.Sprintf("of %.0f ns a packet %.0f are behind the encoder: compression, the Kafka client, the socket", sum, parts[3].ns)
}
