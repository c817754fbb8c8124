package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"xcapa/internal/doctor"
	"xcapa/internal/host"
)

// chooseEngine decides --engine auto: AF_XDP takes all traffic of its queues
// away from the host and sees received Ethernet frames only, so an interface
// that the host itself uses, or that has none of them, is captured with
// AF_PACKET.
func (o *deviceOptions) chooseEngine(i *host.Interface) (engine, why string, err error) {
	used, reason, err := i.UsedByHost()
	if err != nil {
		return "", "", err
	}
	foreign, err := i.NotEthernet()
	if err != nil {
		return "", "", err
	}
	if o.engine == "auto" {
		engine, why = autoEngine(i, foreign, used && !o.takeOver, reason)
		return engine, why, nil
	}
	if o.engine == "afpacket" {
		return o.engine, "", nil
	}
	switch {
	case foreign != nil:
		return "", "", usageErrorf("--engine %s on %s: %w", o.engine, i.Name, foreign)
	case used && !o.takeOver:
		return "", "", usageErrorf("--engine %s on %s: %w", o.engine, i.Name, host.InUse(reason))
	}
	return o.engine, "", nil
}

// autoEngine is the engine for an interface, and why: foreign says that its
// frames are not Ethernet's, used that the host needs them, by reason.
func autoEngine(i *host.Interface, foreign *host.Problem, used bool, reason string) (engine, why string) {
	switch {
	case foreign != nil:
		return "afpacket", fmt.Sprintf("AF_PACKET, because %s: both directions are seen and the host keeps its traffic", foreign.Found)
	case used:
		return "afpacket", fmt.Sprintf("AF_PACKET, because %s: both directions are seen and the host keeps its traffic; --take-over uses AF_XDP and cuts the host off", reason)
	case i.OnlySends():
		return "afpacket", fmt.Sprintf("AF_PACKET, because what passes %s is sent into it (%s); --engine afxdp sees only what comes in", i.Name, i.Driver)
	}
	return "afxdp", "AF_XDP, because the host does not use this interface; --engine afpacket shares it"
}

// settings are what doctor has to know of the capture.
func (o *deviceOptions) settings(engine string) doctor.Settings {
	return doctor.Settings{
		Engine: engine, Chunk: o.chunk, Frames: o.frames, Generic: o.mode == "generic",
		Native: o.mode == "native", ZeroCopy: o.zeroCopy == "require",
		Loops:    o.headersOnly || len(o.keep) > 0,
		TakeOver: o.takeOver, Replace: o.replace, StateDir: stateDir,
	}
}

// startLimit is how long the checks at start may take: those that ask the
// kernel are done in milliseconds.
const startLimit = 2 * time.Second

// prepare chooses the engine for an interface and makes doctor's checks of it:
// the error is everything that is in the way, in doctor's words.
func (o *deviceOptions) prepare(name string, notes func(string)) (engine, why string, err error) {
	i, err := host.OpenInterface(name)
	if err != nil {
		return "", "", err
	}
	defer i.Close()
	if engine, why, err = o.chooseEngine(i); err != nil {
		return "", "", err
	}
	checks, err := doctor.InterfaceChecks(i, o.settings(engine))
	if err != nil {
		return "", "", err
	}
	findings := doctor.Run(context.Background(), startLimit, append(doctor.HostChecks(engine), checks...))
	for _, f := range findings {
		if f.State == doctor.Fail && f.Stops == nil {
			if !strings.Contains(f.Found, name) {
				f.Found = name + ": " + f.Found
			}
			notes((&host.Problem{Found: f.Found, Why: f.Why, Mend: f.Mend, Or: f.Or}).Error())
		}
	}
	return engine, why, captureError(doctor.Stops(findings))
}
