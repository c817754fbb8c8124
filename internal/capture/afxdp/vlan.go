package afxdp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"xcapa/bpf"
	"xcapa/internal/host"
)

// keepTags sees to it that VLAN tags are captured, or says that they are not.
func (h *Hook) keepTags() {
	if h.program == bpf.ProgramRedirectMeta && h.features.RXMetadata&host.MetadataVLAN != 0 {
		return // the program is told the tag, and it is put back
	}
	on, err := h.iface.Feature(host.RXVLAN)
	if err != nil || !on {
		return
	}
	if h.iface.Driver == "veth" {
		// There is no NIC that takes tags off, but the peer may have left
		// them beside the frame.
		h.note("VLAN tags that the veth peer adds by offload are lost: turn it off there (ethtool -K PEER tx-vlan-offload off)")
	}
	if h.config.StateDir == "" {
		h.note("VLAN tags are lost: the NIC takes them off (ethtool -K %s rxvlan off)", h.iface.Name)
		return
	}
	if h.vlan, err = vlanOffloadOff(h.iface, h.config.StateDir); err != nil {
		h.note("VLAN tags are lost: the NIC takes them off, and %v", err)
		return
	}
	h.config.Logger.Info("rxvlan offload off while capturing", "interface", h.iface.Name)
}

// vlanOffload is an offload that was switched off and is to be restored. The
// state file is locked while this process lives: who finds it unlocked finds
// the trace of a crash.
type vlanOffload struct {
	iface *host.Interface
	file  *os.File
}

// vlanState is what the state file holds.
type vlanState struct {
	Interface string `json:"interface"`
	Index     int    `json:"index"`
	MAC       string `json:"mac"`
	Feature   string `json:"feature"` // to be switched on
	Boot      string `json:"boot"`    // boot id: a reboot has undone it
	Namespace uint64 `json:"namespace"`
}

const statePrefix, stateSuffix = "rxvlan-", ".json"

// statePath is the state file of an interface, whatever its name holds. Two
// namespaces can have interfaces of the same name.
func statePath(dir, name string, namespace uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%s%s-%d%s", statePrefix, url.PathEscape(name), namespace, stateSuffix))
}

// vlanOffloadOff switches the offload off. The state file comes first: a crash
// between the two leaves a file that restores what is already so.
func vlanOffloadOff(i *host.Interface, dir string) (*vlanOffload, error) {
	attrs, err := i.Link()
	if err != nil {
		return nil, err
	}
	state := vlanState{Interface: i.Name, Index: i.Index, MAC: attrs.HardwareAddr.String(), Feature: host.RXVLAN, Boot: bootID()}
	if state.Namespace, err = networkNamespace(); err != nil {
		return nil, err
	}
	file, err := writeState(dir, state)
	if err != nil {
		return nil, err
	}
	v := &vlanOffload{iface: i, file: file}
	if err := i.SetFeature(host.RXVLAN, false); err != nil {
		return nil, errors.Join(fmt.Errorf("it cannot be told to leave them (%w)", err), v.forget())
	}
	return v, nil
}

func writeState(dir string, state vlanState) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the state folder: %w", err)
	}
	b, err := json.Marshal(state)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(statePath(dir, state.Interface, state.Namespace), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("write the state file: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("lock the state file %s: %w", file.Name(), err)
	}
	err = file.Truncate(0)
	if err == nil {
		_, err = file.WriteAt(b, 0)
	}
	if err == nil {
		err = file.Sync()
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("write the state file: %w", err)
	}
	return file, nil
}

// restore switches the offload on again, if the interface is still there.
func (v *vlanOffload) restore() error {
	if _, err := v.iface.Link(); err != nil {
		return v.forget()
	}
	if err := v.iface.SetFeature(host.RXVLAN, true); err != nil {
		v.file.Close() // the state file stays: xcapa cleanup tries again
		return fmt.Errorf("switch %s of %s on again: %w", host.RXVLAN, v.iface.Name, err)
	}
	return v.forget()
}

func (v *vlanOffload) forget() error {
	return errors.Join(os.Remove(v.file.Name()), v.file.Close())
}

// Restore undoes what captures that crashed left behind on the interfaces of
// this network namespace, by the state files in dir, and says in one line each
// what it did. What a living capture changed is left alone. A dir that does not
// exist, or is "", holds nothing.
func Restore(dir string) (done []string, err error) {
	if dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("restore after a crash: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		if !isStateFile(entry.Name()) {
			continue
		}
		line, err := restoreFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			errs = append(errs, fmt.Errorf("restore after a crash: %w", err))
		}
		if line != "" {
			done = append(done, line)
		}
	}
	return done, errors.Join(errs...)
}

// restoreFile restores by one state file and removes it, unless it is a living
// capture's or another namespace's.
func restoreFile(path string) (done string, err error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return "", nil // its owner lives
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var state vlanState
	if err := json.Unmarshal(b, &state); err != nil {
		// Cut short: the crash came before anything was switched.
		return "", os.Remove(path)
	}
	if state.Boot != bootID() {
		return "", os.Remove(path)
	}
	if namespace, err := networkNamespace(); err != nil || namespace != state.Namespace {
		return "", err
	}
	i, err := host.OpenInterface(state.Interface)
	if errors.Is(err, unix.ENODEV) {
		return "", os.Remove(path)
	}
	if err != nil {
		return "", err
	}
	defer i.Close()
	if attrs, err := i.Link(); err != nil || attrs.Index != state.Index || attrs.HardwareAddr.String() != state.MAC {
		return "", errors.Join(err, os.Remove(path)) // another interface of that name
	}
	if state.Feature != host.RXVLAN {
		return "", fmt.Errorf("%s: it names the feature %q: remove the file", path, state.Feature)
	}
	if err := i.SetFeature(host.RXVLAN, true); err != nil {
		return "", fmt.Errorf("switch %s of %s on again: %w", host.RXVLAN, i.Name, err)
	}
	return fmt.Sprintf("%s: %s is on again", i.Name, host.RXVLAN), os.Remove(path)
}

func bootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
}

// networkNamespace is the inode of the calling thread's network namespace.
func networkNamespace() (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), &st); err != nil {
		return 0, fmt.Errorf("look up the network namespace: %w", err)
	}
	return st.Ino, nil
}
