package record

import "xcapa/internal/packet"

// Columns returns the table's lines that are columns of a block, in the order
// of the block: fixed width in table order, variable width last.
func Columns() []Info {
	var fixed, variable []Info
	for _, in := range table {
		switch {
		case in.Arrow == ArrowNone:
		case in.Arrow == ArrowBinary:
			variable = append(variable, in)
		default:
			fixed = append(fixed, in)
		}
	}
	return append(fixed, variable...)
}

// ByField returns the table's line for a bit of FieldSet, nil if f is none.
func ByField(f packet.Field) *Info {
	if f >= NumFields {
		return nil
	}
	return byField[f]
}

var byField = func() (t [NumFields]*Info) {
	for i := range table {
		if f := table[i].Field; f != NoField {
			t[f] = &table[i]
		}
	}
	return t
}()

// ByName returns the table's line with that name, nil if there is none.
func ByName(name string) *Info { return byName[name] }

var byName = func() map[string]*Info {
	m := make(map[string]*Info, len(table))
	for i := range table {
		m[table[i].Name] = &table[i]
	}
	return m
}()
