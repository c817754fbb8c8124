package doctor

func (s *subject) promiscuous() Finding {
	if s.attrs.Promisc > 0 {
		return okay("on already, asked for by %d", s.attrs.Promisc)
	}
	return okay("off; a capture switches it on while it runs (-p leaves it)")
}
