package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"github.com/apache/arrow-go/v18/parquet/file"
)

// Dataset is a directory of Parquet files as it was when it was opened. It
// takes no lock: a file is there whole or not at all.
type Dataset struct {
	dir   string
	files []File
}

// File is one data file.
type File struct {
	Path      string
	Topic     string
	TopicID   string // first 8 digits of Kafka's id of the topic, "" if unknown
	Partition int32
	First     int64 // offsets of the messages in it
	Last      int64 // inclusive
	Rows      int64
	MinTime   int64 // packet time of the first and the last row, ns since 1970
	MaxTime   int64
	Size      int64 // bytes
}

// Open lists the files of dir and reads their footers, not their rows. Files
// that are not the store's are passed over; one that is damaged is an error.
func Open(dir string) (*Dataset, error) {
	found, err := listFiles(dir)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	files := make([]File, len(found))
	errs := make([]error, len(found))
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range found {
		slots <- struct{}{}
		wg.Go(func() {
			files[i], errs[i] = statFile(found[i])
			<-slots
		})
	}
	wg.Wait()
	d := &Dataset{dir: dir}
	for i := range files {
		if errors.Is(errs[i], fs.ErrNotExist) {
			continue // removed while we looked
		}
		if errs[i] != nil {
			return nil, fmt.Errorf("open store %s: %w", dir, errors.Join(errs[i:]...))
		}
		d.files = append(d.files, files[i])
	}
	slices.SortStableFunc(d.files, func(a, b File) int { return cmp.Compare(a.MinTime, b.MinTime) })
	return d, nil
}

// statFile reads one file's footer.
func statFile(n namedFile) (File, error) {
	f := File{Path: n.path, Topic: n.name.Topic, TopicID: n.name.TopicID, Partition: n.name.Partition, First: n.name.First, Last: n.name.Last}
	st, err := os.Stat(n.path)
	if err != nil {
		return f, err
	}
	f.Size = st.Size()
	r, err := file.OpenParquetFile(n.path, false)
	if err != nil {
		return f, damaged(n.path, err)
	}
	defer r.Close()
	f.Rows = r.NumRows()
	kv := r.MetaData().KeyValueMetadata()
	for key, to := range map[string]*int64{keyMinTime: &f.MinTime, keyMaxTime: &f.MaxTime} {
		v := kv.FindValue(key)
		if v == nil {
			return f, damaged(n.path, fmt.Errorf("it has no %s", key))
		}
		if *to, err = strconv.ParseInt(*v, 10, 64); err != nil {
			return f, damaged(n.path, fmt.Errorf("%s: %w", key, err))
		}
	}
	return f, nil
}

func damaged(path string, err error) error {
	return fmt.Errorf("read %s: %w: the file is damaged or not a file of the store, move it away", path, err)
}

// Files lists the data files in order of their first packet.
func (d *Dataset) Files() []File { return slices.Clone(d.files) }

// Overlaps lists pairs of files that hold messages of the same offsets, other
// than the parts of one window. A directory written by one process has none;
// one put together from several may.
func (d *Dataset) Overlaps() (pairs [][2]File) {
	byOffset := slices.Clone(d.files)
	slices.SortFunc(byOffset, func(a, b File) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.TopicID, b.TopicID),
			cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last))
	})
	for i := 1; i < len(byOffset); i++ {
		a, b := byOffset[i-1], byOffset[i]
		same := a.Topic == b.Topic && a.TopicID == b.TopicID && a.Partition == b.Partition
		parts := a.First == b.First && a.Last == b.Last && filepath.Dir(a.Path) != filepath.Dir(b.Path)
		if same && b.First <= a.Last && !parts {
			pairs = append(pairs, [2]File{a, b})
		}
	}
	return pairs
}
