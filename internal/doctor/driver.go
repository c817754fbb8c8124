package doctor

import "strings"

func (s *subject) driver() Finding {
	d, err := s.Details()
	if err != nil || d.Driver == "" {
		return okay("it does not name its driver")
	}
	words := []string{d.Driver}
	if d.FwVersion != "" && d.FwVersion != "N/A" {
		words = append(words, "firmware "+d.FwVersion)
	}
	if d.BusInfo != "" && d.BusInfo != "N/A" {
		words = append(words, "bus "+d.BusInfo)
	}
	return okay("%s", strings.Join(words, ", "))
}
