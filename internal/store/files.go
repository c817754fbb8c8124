package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// writeFile puts a whole file in its place: written under a temporary name,
// synced, renamed, its folder synced. After nil it survives a power cut; after
// an error nothing of it is left. keep is asked before the rename: an error
// from it (the partition was taken away) gives the file up.
func writeFile(dir, folder, temp, name string, keep func() error, write func(w io.Writer) error) (err error) {
	tempPath := filepath.Join(dir, incomingDir, temp)
	f, err := os.OpenFile(tempPath, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil { // also makes room on a full disk
			_ = f.Close()
			_ = os.Remove(tempPath)
		}
	}()
	buf := bufio.NewWriterSize(f, 256<<10)
	if err := write(buf); err != nil {
		return err
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := makeFolder(dir, folder); err != nil {
		return err
	}
	if err := keep(); err != nil {
		return err
	}
	if err := renameNew(tempPath, filepath.Join(dir, folder, name)); err != nil {
		return err
	}
	return syncDir(filepath.Join(dir, folder))
}

// makeFolder makes folder below dir, one level after the other, and syncs the
// parent of each one it made: a new folder is an entry that can get lost too.
func makeFolder(dir, folder string) error {
	path := dir
	for name := range strings.SplitSeq(folder, string(filepath.Separator)) {
		parent := path
		path = filepath.Join(path, name)
		err := os.Mkdir(path, 0o755)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := syncDir(parent); err != nil {
			return err
		}
	}
	return nil
}

// renameNew renames and never replaces: a file of the same topic, partition
// and offsets cannot be there, and if it is, neither may be lost.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // some network file systems
		if _, err := os.Lstat(to); err == nil {
			return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrExist}
		}
		return os.Rename(from, to)
	}
	if err != nil {
		return &fs.PathError{Op: "rename", Path: to, Err: err}
	}
	return nil
}

// syncDir makes the names in a folder survive a power cut.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// removeFiles removes files and syncs their folders. Without the sync a power
// cut could bring one back beside the file that was written in its place.
func removeFiles(paths []string) error {
	folders := map[string]bool{}
	for _, p := range paths {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		folders[filepath.Dir(p)] = true
	}
	for folder := range folders {
		if err := syncDir(folder); err != nil {
			return err
		}
	}
	return nil
}

// worthRetry reports whether writing again can succeed without a change of
// ours. The disk may get room or come back; a name that is taken stays taken,
// and what is not about files is a mistake in this package.
func worthRetry(err error) bool {
	if errors.Is(err, fs.ErrExist) || errors.Is(err, context.Canceled) {
		return false
	}
	var path *fs.PathError
	var errno unix.Errno
	return errors.As(err, &path) || errors.As(err, &errno)
}

// adviceFor says what to do about err, for the log.
func adviceFor(err error) string {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return "make room: nothing is lost, reading from Kafka waits"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.EROFS):
		return "make the directory writable again: nothing is lost, reading from Kafka waits"
	}
	return fmt.Sprintf("nothing is lost, reading from Kafka waits (%T)", err)
}
