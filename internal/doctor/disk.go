package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lowSpace is where a disk is called nearly full, in bytes.
const lowSpace = 1 << 30

// DiskChecks look at the folder that a store or capture files go to.
func DiskChecks(folder string) []Check {
	return []Check{
		{Name: "disk", Why: "a full disk ends a capture file and stops the indexer", Look: func(context.Context) Finding { return disk(folder) }},
		{Name: "limits", Why: "limits of this process end files early", Look: without(limits)},
	}
}

func disk(folder string) Finding {
	at, err := existing(folder)
	if err != nil {
		return Finding{State: Fail, Found: err.Error(), Or: "name a folder"}
	}
	if err := unix.Access(at, unix.W_OK|unix.X_OK); err != nil {
		return Finding{State: Fail, Found: fmt.Sprintf("%s cannot be written: %v", at, err),
			Mend: fmt.Sprintf("sudo chown %d %s", os.Getuid(), at)}
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(at, &fs); err != nil {
		return skipped("ask for the space of %s: %v", at, err)
	}
	return space(at, fs.Bavail*uint64(fs.Bsize), fs.Blocks*uint64(fs.Bsize), fs.Ffree, fs.Files)
}

// existing is folder, or the first folder above it that is there: what is
// missing below would be made.
func existing(folder string) (string, error) {
	at, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	for {
		info, err := os.Stat(at)
		switch {
		case err == nil && info.IsDir():
			return at, nil
		case err == nil:
			return "", fmt.Errorf("%s is a file", at)
		case !errors.Is(err, os.ErrNotExist) || at == filepath.Dir(at):
			return "", err
		}
		at = filepath.Dir(at)
	}
}

// space judges bytes and inodes that are free, of all.
func space(at string, free, all, inodes, allInodes uint64) Finding {
	words := fmt.Sprintf("%s has %d MiB free of %d MiB", at, free>>20, all>>20)
	look := fmt.Sprintf("du -xh --max-depth=2 %s | sort -h | tail", at)
	switch {
	case free < lowSpace/16, allInodes > 0 && inodes == 0:
		return Finding{State: Fail, Found: fmt.Sprintf("%s and %d inodes: full", words, inodes), Mend: look, Or: "-b files:N keeps a ring of capture files"}
	case free < lowSpace:
		return Finding{State: Warn, Found: words, Mend: look, Or: "-b files:N keeps a ring of capture files"}
	}
	return okay("%s", words)
}

// limits looks at the resource limits that files meet.
func limits() Finding {
	const enoughFiles = 1024
	var size, files unix.Rlimit
	if err := errors.Join(unix.Getrlimit(unix.RLIMIT_FSIZE, &size), unix.Getrlimit(unix.RLIMIT_NOFILE, &files)); err != nil {
		return skipped("ask for the limits: %v", err)
	}
	switch {
	case size.Cur != unix.RLIM_INFINITY:
		return Finding{State: Warn, Found: fmt.Sprintf("no file may grow over %d MiB", size.Cur>>20), Mend: "ulimit -f unlimited", Or: "rotate with -b filesize:KB"}
	case files.Cur < enoughFiles:
		return Finding{State: Warn, Found: fmt.Sprintf("%d files may be open", files.Cur), Mend: fmt.Sprintf("ulimit -n %d", enoughFiles)}
	}
	return okay("files of any size, %d open", files.Cur)
}
