package store

import (
	"encoding/binary"
	"io"
	"os"
	"strconv"
)

// A footer describes every column of every row group, and opening a store needs
// two numbers of one of them. So it is skimmed: what is not needed is stepped
// over, in Thrift's compact protocol, and a file whose footer is not as expected
// is left to the library.

// skim takes what the file's footer says, as read does, or returns false.
func (f *File) skim(in *os.File, size int64) bool {
	const most = 64 << 10 // as a rule the whole footer
	tail := make([]byte, min(size, most))
	if _, err := in.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF || len(tail) < 8 {
		return false
	}
	end := tail[len(tail)-8:]
	if string(end[4:]) != "PAR1" {
		return false
	}
	length := int64(binary.LittleEndian.Uint32(end))
	if length > size-8 {
		return false
	}
	if length+8 > int64(len(tail)) {
		tail = make([]byte, length+8)
		if _, err := in.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
			return false
		}
	}
	return f.skimFooter(tail[int64(len(tail))-8-length : len(tail)-8])
}

func (f *File) skimFooter(b []byte) bool {
	c := compact{b: b}
	rows, timed := int64(0), 0
	f.groups = nil
	c.structure(func(id int64, typ byte) bool {
		switch {
		case id == 3 && typ == compactInt64:
			f.Rows = c.signed()
		case id == 4 && typ == compactList:
			c.list(func(byte) {
				g, ok := c.group()
				if !ok || g.rows < 0 || g.rows > rowGroupRows {
					c.bad = true
				}
				rows += g.rows
				f.groups = append(f.groups, g)
			})
		case id == 5 && typ == compactList:
			c.list(func(byte) {
				switch key, value := c.pair(); key {
				case keyMinTime:
					timed += c.number(value, &f.MinTime)
				case keyMaxTime:
					timed += c.number(value, &f.MaxTime)
				}
			})
		default:
			return false
		}
		return true
	})
	return !c.bad && timed == 2 && rows == f.Rows
}

// number reads a decimal number and returns 1.
func (c *compact) number(text string, to *int64) int {
	v, err := strconv.ParseInt(text, 10, 64)
	c.bad = c.bad || err != nil
	*to = v
	return 1
}

// pair reads a key and its value.
func (c *compact) pair() (key, value string) {
	c.structure(func(id int64, typ byte) bool {
		switch {
		case id == 1 && typ == compactBytes:
			key = string(c.bytes())
		case id == 2 && typ == compactBytes:
			value = string(c.bytes())
		default:
			return false
		}
		return true
	})
	return key, value
}

// group reads a row group: its rows, and the smallest and largest packet time.
func (c *compact) group() (g groupInfo, ok bool) {
	c.structure(func(id int64, typ byte) bool {
		switch {
		case id == 1 && typ == compactList:
			column := 0
			c.list(func(typ byte) {
				if column == timeColumn {
					ok = c.times(&g)
				} else {
					c.skip(typ, 0)
				}
				column++
			})
		case id == 3 && typ == compactInt64:
			g.rows = c.signed()
		default:
			return false
		}
		return true
	})
	return g, ok
}

// times reads a column chunk's statistics.
func (c *compact) times(g *groupInfo) bool {
	found := 0
	statistics := func(id int64, typ byte) bool {
		if typ != compactBytes || id != 5 && id != 6 {
			return false
		}
		b := c.bytes()
		if len(b) != 8 {
			c.bad = true
			return true
		}
		v := int64(binary.LittleEndian.Uint64(b))
		if found++; id == 5 {
			g.maxTime = v
		} else {
			g.minTime = v
		}
		return true
	}
	c.structure(func(id int64, typ byte) bool { // ColumnChunk
		if id != 3 || typ != compactStruct {
			return false
		}
		c.structure(func(id int64, typ byte) bool { // ColumnMetaData
			if id != 12 || typ != compactStruct {
				return false
			}
			c.structure(statistics)
			return true
		})
		return true
	})
	return found == 2
}

// compact reads Thrift's compact protocol. What cannot be read makes it bad, and
// everything after that is 0.
type compact struct {
	b   []byte
	bad bool
}

// Types of the protocol.
const (
	compactTrue   = 1
	compactFalse  = 2
	compactByte   = 3
	compactInt16  = 4
	compactInt32  = 5
	compactInt64  = 6
	compactDouble = 7
	compactBytes  = 8
	compactList   = 9
	compactSet    = 10
	compactStruct = 12
)

func (c *compact) take(n uint64) []byte {
	if c.bad || n > uint64(len(c.b)) {
		c.bad, c.b = true, nil
		return nil
	}
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}

func (c *compact) byte() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *compact) unsigned() uint64 {
	v, n := binary.Uvarint(c.b)
	c.take(uint64(max(n, 0)))
	if n <= 0 {
		c.bad, c.b = true, nil
	}
	return v
}

func (c *compact) signed() int64 {
	v := c.unsigned()
	return int64(v>>1) ^ -int64(v&1)
}

func (c *compact) bytes() []byte { return c.take(c.unsigned()) }

// structure reads the fields of a struct; one for which field returns false is
// skipped.
func (c *compact) structure(field func(id int64, typ byte) bool) {
	c.fields(0, field)
}

func (c *compact) fields(depth int, field func(id int64, typ byte) bool) {
	id := int64(0)
	for !c.bad {
		head := c.byte()
		if head == 0 {
			return
		}
		if head>>4 != 0 {
			id += int64(head >> 4)
		} else {
			id = c.signed()
		}
		if typ := head & 15; field == nil || !field(id, typ) {
			c.skip(typ, depth)
		}
	}
}

// list reads the elements of a list.
func (c *compact) list(element func(typ byte)) {
	head := c.byte()
	n := uint64(head >> 4)
	if n == 15 {
		n = c.unsigned()
	}
	for ; n > 0 && !c.bad; n-- {
		element(head & 15)
	}
}

// skip steps over a value; that of a field which is a bool stands in its type.
func (c *compact) skip(typ byte, depth int) {
	if depth > 32 {
		c.bad = true
	}
	switch typ {
	case compactTrue, compactFalse:
	case compactByte:
		c.take(1)
	case compactInt16, compactInt32, compactInt64:
		c.unsigned()
	case compactDouble:
		c.take(8)
	case compactBytes:
		c.bytes()
	case compactList, compactSet:
		c.list(func(typ byte) {
			if typ == compactTrue || typ == compactFalse {
				typ = compactByte
			}
			c.skip(typ, depth+1)
		})
	case compactStruct:
		c.fields(depth+1, nil)
	default:
		c.bad = true
	}
}
