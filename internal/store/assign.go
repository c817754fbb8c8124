package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Assigned tells that this process owns a partition from now on and reads it
// from offset: it removes what a process that died before its commit left, so
// that reading again from there doubles nothing. What an earlier assignment in
// this process had not settled is dropped, and is never settled after Assigned
// has returned.
func (s *Store) Assigned(topic string, number int32, offset int64) error {
	if err := checkTopic(topic); err != nil {
		return err
	}
	s.Revoked(topic, number)
	p := &partition{key: partitionKey{topic, number}, stored: -1}
	if s.opt.TopicID != nil {
		id, err := s.opt.TopicID(topic)
		if err != nil {
			return fmt.Errorf("assign %s-%d to the store: ask for the topic's id: %w", topic, number, err)
		}
		if p.topicID, err = shortID(id); err != nil {
			return fmt.Errorf("assign %s-%d to the store: %w", topic, number, err)
		}
	}
	if err := s.recoverFiles(p, offset); err != nil {
		return fmt.Errorf("assign %s-%d to the store: clean up %s: %w", topic, number, s.dir, err)
	}
	p.ctx, p.cancel = context.WithCancel(s.ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.err(); err != nil {
		p.cancel()
		return err
	}
	s.partitions[p.key] = p
	return nil
}

// recoverFiles makes the directory hold of the partition exactly the messages
// before offset, and says where it cannot.
func (s *Store) recoverFiles(p *partition, offset int64) error {
	temps, err := s.tempFiles(p.key)
	if err != nil {
		return err
	}
	files, err := partitionFiles(s.dir, p.key)
	if err != nil {
		return err
	}
	remove := temps
	for _, f := range files {
		switch {
		case p.topicID != "" && f.name.TopicID != "" && f.name.TopicID != p.topicID:
			// Of a topic that had this name before: finished, whatever its offsets.
		case f.name.First >= offset:
			remove = append(remove, f.path)
			s.opt.Logger.Info("remove a file that was written and not committed", "file", f.path, "committed", offset)
		case f.name.Last >= offset:
			// Cannot come from a crash, see the package's non-obvious list. The
			// rows before offset would be lost if it were removed.
			p.stored = max(p.stored, f.name.Last)
			s.opt.Logger.Error("a stored file straddles the committed offset: were the group's offsets reset by hand? It is kept, and what it holds is not stored again",
				"file", f.path, "committed", offset, "first", f.name.First, "last", f.name.Last)
		}
	}
	return removeFiles(remove)
}

// tempFiles are the temporary files of a partition.
func (s *Store) tempFiles(key partitionKey) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, incomingDir))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if n, ok := parseTempName(e.Name()); ok && n.Topic == key.topic && n.Partition == key.partition {
			out = append(out, filepath.Join(s.dir, incomingDir, e.Name()))
		}
	}
	return out, nil
}

// namedFile is a data file and what its name says.
type namedFile struct {
	path string
	name fileName
	size int64 // bytes
}

// partitionFiles are the data files of a partition.
func partitionFiles(dir string, key partitionKey) ([]namedFile, error) {
	files, err := listFiles(filepath.Join(dir, topicFolder(key.topic)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []namedFile
	for _, f := range files {
		if f.name.Topic == key.topic && f.name.Partition == key.partition {
			out = append(out, f)
		}
	}
	return out, err
}

// listFiles are the data files below root, in order of path. Folders and files
// that begin with a dot are passed over.
func listFiles(root string) (out []namedFile, err error) {
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && path != root:
			return nil // removed while we look
		case err != nil:
			return err
		case e.IsDir() && path != root && strings.HasPrefix(e.Name(), "."):
			return fs.SkipDir
		case !e.IsDir():
			n, ok := parseFileName(e.Name())
			if !ok {
				return nil
			}
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			out = append(out, namedFile{path, n, info.Size()})
		}
		return nil
	})
	return out, err
}

// shortID is the part of a topic's id that names hold.
func shortID(id string) (string, error) {
	s := strings.ToLower(strings.ReplaceAll(id, "-", ""))
	if len(s) < topicIDLen || !isHex(s) {
		return "", fmt.Errorf("topic id %q: not hexadecimal", id)
	}
	return s[:topicIDLen], nil
}
