package doctor

import "xcapa/internal/host"

func (s *subject) memlock() Finding {
	if !s.xdp() {
		return okay("AF_PACKET locks no memory")
	}
	size := uint64(s.queues) * uint64(s.Frames) * uint64(s.Chunk)
	if p := host.LocksTooLittle(size); p != nil {
		return stopping(p)
	}
	limit, _, err := host.LockedMemory()
	switch {
	case err != nil:
		return skipped("%v", err)
	case limit == host.Unlimited:
		return okay("%d MiB of frames to lock, no limit", size>>20)
	}
	return okay("%d MiB of frames to lock, the limit is %d MiB", size>>20, limit>>20)
}
