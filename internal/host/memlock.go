package host

import (
	"fmt"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"
)

// LockedMemory is the limit of memory that this process may lock, in bytes;
// unlimited if there is none for it. The kernel asks CAP_IPC_LOCK before it
// looks at the limit.
func LockedMemory() (limit uint64, unlimited bool, err error) {
	if Has(capability.CAP_IPC_LOCK) {
		return 0, true, nil
	}
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &l); err != nil {
		return 0, false, fmt.Errorf("read the limit of locked memory: %w", err)
	}
	return l.Cur, l.Cur == unix.RLIM_INFINITY, nil
}

// LocksTooLittle is the problem that size bytes of frames cannot be locked; nil
// where the limit allows them. What others of the same user have locked counts
// too, and only the kernel knows that: see MemoryRefused.
func LocksTooLittle(size uint64) *Problem {
	limit, unlimited, err := LockedMemory()
	if err != nil || unlimited || size <= limit {
		return nil
	}
	return MemoryRefused(size)
}

// MemoryRefused is the problem that the kernel would not lock size bytes.
func MemoryRefused(size uint64) *Problem {
	found := fmt.Sprintf("%d MiB of frames cannot be locked in memory", size>>20)
	if limit, unlimited, err := LockedMemory(); err == nil && !unlimited {
		found = fmt.Sprintf("%s: the limit is %d KiB", found, limit>>10)
	}
	return &Problem{
		Found: found,
		Why:   "AF_XDP shares locked memory with the kernel",
		Mend:  "ulimit -l unlimited",
		Or:    "give CAP_IPC_LOCK (a unit: LimitMEMLOCK=infinity), or use fewer --frames",
		Err:   unix.ENOBUFS,
	}
}
