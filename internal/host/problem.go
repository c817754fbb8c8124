package host

// Problem is one thing about this host that is in the way of a capture. It is
// told in the same words wherever it is met: doctor shows its parts, capture
// fails with all of them.
type Problem struct {
	Found string // what was found, and on what
	Why   string // what it means for a capture
	Mend  string // the command that mends it; "" if no command does
	Or    string // another way out, in words; may be ""
	Err   error  // what errors.Is looks at; nil for none
}

// Error is all of it in one line: found, why, and what to do.
func (p *Problem) Error() string {
	s := p.Found
	if p.Why != "" {
		s += ": " + p.Why
	}
	switch {
	case p.Mend != "" && p.Or != "":
		s += ": " + p.Mend + ", or " + p.Or
	case p.Mend != "" || p.Or != "":
		s += ": " + p.Mend + p.Or
	}
	return s
}

// Unwrap is the class of error it stands for, such as unix.EPERM.
func (p *Problem) Unwrap() error { return p.Err }
