package nearest

import "testing"

func TestWord(t *testing.T) {
	names := []string{"capture", "consume", "config", "index", "import", "src_port", "dst_ip"}
	for word, want := range map[string]string{
		"captur": "capture", "cofnig": "config", "idx": "index", "indx": "index", "tcpdump": "",
		"src_prot": "src_port", "x": "", "": "", "imprt": "import", "capture": "capture",
	} {
		if got := Word(word, names); got != want {
			t.Errorf("Word(%q) = %q, want %q", word, got, want)
		}
	}
	if got := Word("ab", []string{"ad", "ac"}); got != "ac" {
		t.Errorf("of equals: got %q, want the first, ac", got)
	}
}
