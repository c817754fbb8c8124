package host

import (
	"fmt"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"
)

// LockedMemory is the limit of memory that this process may lock, and what it
// may raise it to, in bytes. The kernel asks CAP_IPC_LOCK before it looks at the
// limit: with it there is none.
func LockedMemory() (limit, highest uint64, err error) {
	if Has(capability.CAP_IPC_LOCK) {
		return Unlimited, Unlimited, nil
	}
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &l); err != nil {
		return 0, 0, fmt.Errorf("read the limit of locked memory: %w", err)
	}
	return l.Cur, l.Max, nil
}

// Unlimited is a limit that there is not: RLIM_INFINITY.
const Unlimited = unix.RLIM_INFINITY

// LocksTooLittle is the problem that size bytes of frames cannot be locked; nil
// where the limit allows them. What others of the same user have locked counts
// too, and only the kernel knows that: see MemoryRefused.
func LocksTooLittle(size uint64) *Problem {
	if limit, _, err := LockedMemory(); err != nil || size <= limit {
		return nil
	}
	return MemoryRefused(size)
}

// MemoryRefused is the problem that the kernel would not lock size bytes.
func MemoryRefused(size uint64) *Problem {
	found := fmt.Sprintf("%d KiB of frames cannot be locked in memory", size>>10)
	mend := "ulimit -l unlimited"
	if limit, highest, err := LockedMemory(); err == nil && limit != Unlimited {
		found = fmt.Sprintf("%s: the limit is %d KiB", found, limit>>10)
		if limit < size && size <= highest && highest != Unlimited {
			mend = fmt.Sprintf("ulimit -l %d", highest>>10) // takes no privilege
		}
	}
	return &Problem{
		Found: found,
		Why:   "AF_XDP shares locked memory with the kernel",
		Mend:  mend,
		Or:    "give CAP_IPC_LOCK (a unit: LimitMEMLOCK=infinity), or use fewer --frames",
		Err:   unix.ENOBUFS,
	}
}
