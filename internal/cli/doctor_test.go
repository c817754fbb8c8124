package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/safchain/ethtool"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/vishvananda/netlink"

	"xcapa/internal/doctor"
	"xcapa/internal/elastic/elastictest"
	"xcapa/internal/testnet"
	"xcapa/internal/veth"
)

// Hosts with one thing wrong each. doctor finds it, capture fails with the same
// words where it stops one, and the command that doctor prints mends it. Two
// more are in package doctor, on views of a NIC and of a clock that no test
// machine has: LRO, and a clock that is off.

// patient is a host that doctor is asked about.
type patient struct {
	end  *veth.End // nil: this network namespace
	path string    // of the program
	uid  int       // 0: root
	pre  string    // shell commands in front of the program
	drop string    // capability taken away, as setpriv has it
}

// diagnosis is what doctor says.
type diagnosis struct {
	OK       bool             `json:"ok"`
	Problems int              `json:"problems"`
	Checks   []doctor.Finding `json:"checks"`
}

func (r diagnosis) finding(t *testing.T, check string) doctor.Finding {
	t.Helper()
	for _, f := range r.Checks {
		if f.Check == check {
			return f
		}
	}
	t.Fatalf("no check %s in %+v", check, r.Checks)
	return doctor.Finding{}
}

// shell runs a script on the host and returns its exit status and output.
func (p *patient) shell(t *testing.T, script string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.Env = append(os.Environ(), "XCAPA="+p.program(), "PATH="+filepath.Dir(p.program())+":"+os.Getenv("PATH"))
	if p.uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(p.uid), Gid: uint32(p.uid)}}
	}
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	start := cmd.Start
	if p.end != nil {
		start = func() error { return p.end.Start(cmd) }
	}
	if err := start(); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), words.String()
}

func (p *patient) program() string {
	if p.path != "" {
		return p.path
	}
	path, _ := exec.LookPath("xcapa")
	return path
}

// command is the program with arguments, on this host.
func (p *patient) command(args string) string {
	run := `"$XCAPA" ` + args
	if p.drop != "" {
		run = "setpriv --bounding-set=-" + p.drop + " --inh-caps=-" + p.drop + " " + run
	}
	return p.pre + run
}

// doctor asks doctor.
func (p *patient) doctor(t *testing.T, args string) (diagnosis, int) {
	t.Helper()
	code, out, words := p.shell(t, p.command("doctor -o json "+args))
	var r diagnosis
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("doctor %s: exit %d, %v\n%s%s", args, code, err, out, words)
	}
	if r.OK != (code == exitOK) || code != exitOK && code != exitUnbalanced {
		t.Errorf("doctor %s: exit %d, ok %v, %d problems", args, code, r.OK, r.Problems)
	}
	return r, code
}

// sick checks that doctor finds the trouble.
func (p *patient) sick(t *testing.T, check string, state doctor.State, args string) doctor.Finding {
	t.Helper()
	r, code := p.doctor(t, args)
	f := r.finding(t, check)
	if f.State != state || state == doctor.Fail && code != exitUnbalanced {
		t.Errorf("%s: got %s, exit %d; want %s\n%+v", check, f.State, code, state, f)
	}
	if f.Why == "" || f.Found == "" {
		t.Errorf("%s does not say what and why: %+v", check, f)
	}
	return f
}

// well checks that the trouble is gone.
func (p *patient) well(t *testing.T, check, args string) {
	t.Helper()
	r, _ := p.doctor(t, args)
	if f := r.finding(t, check); f.State != doctor.OK {
		t.Errorf("after mending: %s is %s: %+v", check, f.State, f)
	}
}

// refused checks that a capture fails with the words of the finding.
func (p *patient) refused(t *testing.T, f doctor.Finding, want int, args ...string) {
	t.Helper()
	code, _, words := p.shell(t, p.command("capture -q -c 1 -i "+p.end.Name+" "+strings.Join(args, " ")))
	for _, part := range []string{f.Found, f.Why, f.Mend} {
		if !strings.Contains(words, part) {
			t.Errorf("capture says %q, want it to hold %q", words, part)
		}
	}
	if code != want {
		t.Errorf("capture ends with %d, want %d", code, want)
	}
}

// mend runs the command that doctor printed, as the administrator does. It
// reports whether the tool was there.
func (p *patient) mend(t *testing.T, f doctor.Finding) bool {
	t.Helper()
	if f.Mend == "" {
		t.Fatalf("no command mends %+v", f)
	}
	command := strings.TrimPrefix(f.Mend, "sudo ")
	tool := strings.Fields(command)[0]
	if _, err := exec.LookPath(tool); err != nil {
		t.Logf("%s is not installed; the command would be: %s", tool, command)
		return false
	}
	admin := patient{end: p.end}
	if code, out, words := admin.shell(t, command); code != 0 {
		t.Fatalf("%s: exit %d\n%s%s", command, code, out, words)
	}
	return true
}

func patientOnVeth(t *testing.T, o veth.Options) *patient {
	return &patient{end: testnet.Pair(t, o).Ends[0]}
}

func TestDoctorNoCapabilities(t *testing.T) {
	p := patientOnVeth(t, veth.Options{})
	p.uid = 65534
	p.path = openCopy(t, p.program())
	f := p.sick(t, "capabilities", doctor.Fail, "-i "+p.end.Name)
	for _, want := range []string{"CAP_BPF", "CAP_NET_ADMIN", "CAP_NET_RAW"} {
		if !strings.Contains(f.Found, want) {
			t.Errorf("found %q, want it to name %s", f.Found, want)
		}
	}
	p.refused(t, f, exitPrivilege)
	if !p.mend(t, f) {
		t.Skip("setcap is not installed")
	}
	p.well(t, "capabilities", "-i "+p.end.Name)
	code, _, words := p.shell(t, p.command("capture -q -i "+p.end.Name)+" & sleep 1; kill -INT $!; wait $!")
	if code != 0 {
		t.Errorf("capture with the capabilities given: exit %d\n%s", code, words)
	}
}

// openCopy is a copy of a program in a folder that every user can enter.
func openCopy(t *testing.T, program string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "xcapa-doctor-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	copied := filepath.Join(dir, "xcapa")
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(copied, b, 0o755), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	return copied
}

func TestDoctorLowMemlock(t *testing.T) {
	p := patientOnVeth(t, veth.Options{})
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip("setpriv is not installed: the limit does not bind root")
	}
	// As many frames as the limit that nobody here may raise has room for.
	args := "--frames 512 -i " + p.end.Name
	p.drop, p.pre = "ipc_lock", "ulimit -S -l 64 && "
	f := p.sick(t, "memlock", doctor.Fail, args)
	p.refused(t, f, exitFailed, "--frames 512")
	p.pre += f.Mend + " && "
	p.well(t, "memlock", args)
}

func TestDoctorForeignProgram(t *testing.T) {
	for _, by := range []string{"netlink", "netlink_generic", "link"} {
		t.Run(by, func(t *testing.T) {
			p := patientOnVeth(t, veth.Options{})
			program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
				Name: "somebody_else", Type: ebpf.XDP, License: "GPL",
				Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer program.Close()
			device := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: p.end.Index}}
			var attached link.Link
			testnet.Do(t, p.end, func() error {
				switch by {
				case "netlink":
					return netlink.LinkSetXdpFd(device, program.FD())
				case "netlink_generic":
					return netlink.LinkSetXdpFdWithFlags(device, program.FD(), int(link.XDPGenericMode))
				}
				attached, err = link.AttachXDP(link.XDPOptions{Program: program, Interface: p.end.Index})
				return err
			})
			f := p.sick(t, "program", doctor.Fail, "-i "+p.end.Name)
			if !strings.Contains(f.Found, "somebody_else") {
				t.Errorf("found %q, want the program named", f.Found)
			}
			p.refused(t, f, exitFailed)
			if !p.mend(t, f) {
				want := "ip link set dev " + p.end.Name + " xdp"
				if by == "link" {
					info, err := attached.Info()
					if err != nil {
						t.Fatal(err)
					}
					want = fmt.Sprintf("bpftool link detach id %d", info.ID)
					if err := attached.Detach(); err != nil {
						t.Fatal(err)
					}
				}
				if !strings.HasPrefix(f.Mend, want) {
					t.Fatalf("got the command %q, want %q", f.Mend, want)
				}
			}
			if attached != nil {
				defer attached.Close()
			}
			p.well(t, "program", "-i "+p.end.Name)
		})
	}
}

// A tap has native XDP and no frames of several parts; a veth has both.
func TestDoctorOddMTU(t *testing.T) {
	p := patientOnVeth(t, veth.Options{MTU: 9000})
	f := p.sick(t, "mtu", doctor.Warn, "-i "+p.end.Name)
	if p.mend(t, f) {
		p.well(t, "mtu", "-i "+p.end.Name)
	}
	tap := &patient{end: &veth.End{}}
	*tap.end = *p.end
	tap.end.Name = "tap0"
	testnet.Do(t, p.end, func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = "tap0", 9000
		l := &netlink.Tuntap{LinkAttrs: attrs, Mode: netlink.TUNTAP_MODE_TAP}
		if err := netlink.LinkAdd(l); err != nil {
			t.Skipf("no tap device on this kernel: %v", err)
		}
		return errors.Join(netlink.LinkSetMTU(l, 9000), netlink.LinkSetUp(l))
	})
	f = tap.sick(t, "mtu", doctor.Fail, "-i tap0")
	tap.refused(t, f, exitFailed)
	if tap.mend(t, f) {
		tap.well(t, "mtu", "-i tap0")
	}
}

func TestDoctorQueueWithoutSocket(t *testing.T) {
	p := patientOnVeth(t, veth.Options{SpareQueues: 1})
	capture := exec.Command(p.program(), "capture", "-i", p.end.Name)
	var words bytes.Buffer
	capture.Stderr = &words
	if err := p.end.Start(capture); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = capture.Process.Signal(syscall.SIGINT)
		if err := capture.Wait(); err != nil {
			t.Errorf("the capture: %v\n%s", err, words.String())
		}
	}()
	deadline := time.Now().Add(20 * time.Second)
	for r, _ := p.doctor(t, "-i "+p.end.Name); !strings.Contains(r.finding(t, "program").Found, "a capture of xcapa is running"); r, _ = p.doctor(t, "-i "+p.end.Name) {
		if time.Now().After(deadline) {
			t.Fatalf("the capture did not start: %+v", r.finding(t, "program"))
		}
	}
	p.well(t, "queues", "-i "+p.end.Name)
	setQueues(t, p.end, 2)
	f := p.sick(t, "queues", doctor.Fail, "-i "+p.end.Name)
	if !strings.Contains(f.Found, "queue 1 of 2 has no socket") {
		t.Errorf("found %q, want queue 1 named", f.Found)
	}
	time.Sleep(1500 * time.Millisecond) // the kernel lets go of the queue that doctor tried
	if !p.mend(t, f) {
		if want := "ethtool -L " + p.end.Name + " rx 1"; f.Mend != want {
			t.Fatalf("got the command %q, want %q", f.Mend, want)
		}
		setQueues(t, p.end, 1)
	}
	p.well(t, "queues", "-i "+p.end.Name)
}

// setQueues changes the RX queues alone: the peer sends on one.
func setQueues(t *testing.T, end *veth.End, n uint32) {
	t.Helper()
	testnet.Do(t, end, func() error {
		tool, err := ethtool.NewEthtool()
		if err != nil {
			return err
		}
		defer tool.Close()
		c, err := tool.GetChannels(end.Name)
		if err != nil {
			return err
		}
		c.RxCount = n
		_, err = tool.SetChannels(end.Name, c)
		return err
	})
}

func TestDoctorLinkDown(t *testing.T) {
	p := patientOnVeth(t, veth.Options{})
	testnet.Do(t, p.end, func() error {
		return netlink.LinkSetDown(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: p.end.Index}})
	})
	f := p.sick(t, "link", doctor.Fail, "-i "+p.end.Name)
	p.refused(t, f, exitFailed)
	if !p.mend(t, f) {
		t.Skip("ip is not installed")
	}
	// The kernel gathers news of links for up to a second.
	deadline := time.Now().Add(10 * time.Second)
	for r, _ := p.doctor(t, "-i "+p.end.Name); r.finding(t, "link").State != doctor.OK; r, _ = p.doctor(t, "-i "+p.end.Name) {
		if time.Now().After(deadline) {
			t.Fatalf("after mending: %+v", r.finding(t, "link"))
		}
	}
}

func TestDoctorPeerDown(t *testing.T) {
	pair := testnet.Pair(t, veth.Options{})
	p := &patient{end: pair.Ends[0]}
	testnet.Do(t, pair.Ends[1], func() error {
		return netlink.LinkSetDown(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: pair.Ends[1].Index}})
	})
	deadline := time.Now().Add(10 * time.Second)
	for r, _ := p.doctor(t, "-i "+p.end.Name); r.finding(t, "link").State != doctor.Fail; r, _ = p.doctor(t, "-i "+p.end.Name) {
		if time.Now().After(deadline) {
			t.Fatalf("want fail: %+v", r.finding(t, "link"))
		}
	}
}

func TestDoctorTopicMissing(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, defaultErrorsTopic))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	p := &patient{}
	args := "--brokers " + cluster.ListenAddrs()[0]
	f := p.sick(t, "topic", doctor.Fail, args)
	if !strings.Contains(f.Found, defaultPacketsTopic) {
		t.Errorf("found %q, want the topic named", f.Found)
	}
	if r, _ := p.doctor(t, args); r.finding(t, "kafka").State != doctor.OK || r.Problems != 1 {
		t.Errorf("got %d problems, kafka %+v; want the topic alone", r.Problems, r.finding(t, "kafka"))
	}
	p.mend(t, f)
	if r, code := p.doctor(t, args); code != 0 {
		t.Errorf("after mending: %+v", r)
	}
}

// A user that may look and not write, and one that is not known at all.
func TestDoctorKafkaRights(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, defaultPacketsTopic), kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "admin", "admin"),
		kfake.User("PLAIN", "reader", "secret", kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: defaultPacketsTopic,
			Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationDescribe, Allow: true}))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := "--topic " + defaultPacketsTopic + " --brokers " + cluster.ListenAddrs()[0] + " --sasl-mechanism PLAIN --kafka-password-file " + password + " --kafka-user "
	p := &patient{}
	f := p.sick(t, "topic", doctor.Fail, args+"reader")
	if want := "--allow-principal User:reader --operation Write --operation Describe --topic " + defaultPacketsTopic; !strings.Contains(f.Mend, want) {
		t.Errorf("got the command %q, want %q in it", f.Mend, want)
	}
	f = p.sick(t, "kafka", doctor.Fail, args+"nobody")
	if !strings.Contains(f.Found, "refused the credentials") {
		t.Errorf("found %q", f.Found)
	}
	p.sick(t, "topic", doctor.Skipped, args+"nobody")
}

func TestDoctorElasticCredentials(t *testing.T) {
	server := elastictest.New(t)
	server.APIKey = "aWQ6a2V5" // id:key
	// In front of the stand-in: the one request that makes keys.
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/_security/api_key" {
			server.ServeHTTP(w, r)
			return
		}
		var body struct {
			Name  string                     `json:"name"`
			Roles map[string]json.RawMessage `json:"role_descriptors"`
		}
		user, given, _ := r.BasicAuth()
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Roles) == 0 || user != "elastic" || given != "changeme" {
			t.Errorf("request for a key: %v, %+v as %s", err, body, user)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, `{"id":"id","name":%q,"api_key":"key","encoded":%q}`, body.Name, server.APIKey)
	}))
	defer front.Close()
	dir := t.TempDir()
	wrong := filepath.Join(dir, "wrong.key")
	if err := os.WriteFile(wrong, []byte("another:key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &patient{}
	args := "--elasticsearch " + front.URL + " --api-key-file "
	f := p.sick(t, "elasticsearch", doctor.Fail, args+wrong)
	// curl asks a person for the password; here it is told.
	f.Mend = "cd " + dir + " && " + strings.Replace(f.Mend, "-u elastic", "-u elastic:changeme", 1)
	for _, tool := range []string{"curl", "sed"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed; the command would be: %s", tool, f.Mend)
		}
	}
	if code, out, words := p.shell(t, f.Mend); code != 0 {
		t.Fatalf("%s: exit %d\n%s%s", f.Mend, code, out, words)
	}
	p.well(t, "elasticsearch", args+filepath.Join(dir, keyFile))
	f = p.sick(t, "template", doctor.Warn, args+filepath.Join(dir, keyFile))
	p.mend(t, f)
	p.well(t, "template", args+filepath.Join(dir, keyFile))
}

// A server that takes the connection and says nothing is a failure, in time.
func TestDoctorSilentServers(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for servers that say nothing")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := &patient{}
	r, code := p.doctor(t, "--brokers "+l.Addr().String()+" --elasticsearch http://"+l.Addr().String())
	for _, check := range []string{"kafka", "elasticsearch"} {
		if f := r.finding(t, check); f.State != doctor.Fail || code != exitUnbalanced {
			t.Errorf("exit %d, %+v", code, f)
		}
	}
}

// The command that mends carries this command's flags and none of its secrets.
func TestDoctorCommandLine(t *testing.T) {
	cmd := newDoctorCommand(&streams{})
	cmd.SetArgs(nil)
	if err := cmd.ParseFlags([]string{"--brokers", "k1:9092,k2:9092", "-X", "sasl.password=hunter2", "--kafka-user", "it's me", "--tls", "-o", "json"}); err != nil {
		t.Fatal(err)
	}
	got := commandLine(cmd, []string{"output"})
	want := `doctor --brokers k1:9092 --brokers k2:9092 --kafka-user 'it'\''s me' --property 'sasl.password=********' --tls`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
