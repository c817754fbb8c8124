package e2e

import "github.com/vishvananda/netlink"

// addInterfaces adds interfaces that are up to the calling thread's namespace,
// each one end of a pair.
func addInterfaces(names ...string) error {
	for _, name := range names {
		peer := "peer-" + name
		if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: peer}); err != nil {
			return err
		}
		for _, end := range []string{name, peer} {
			link, err := netlink.LinkByName(end)
			if err != nil {
				return err
			}
			if err := netlink.LinkSetUp(link); err != nil {
				return err
			}
		}
	}
	return nil
}
