package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
)

// Dataset is a directory of Parquet files as it was when it was opened. It
// takes no lock: a file is there whole or not at all.
type Dataset struct {
	dir   string
	files []File
	found Report // what opening told
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

	groups []groupInfo
}

// Open lists the files of dir and reads their footers, not their rows. Files
// that are not the store's are passed over; one that is damaged is an error.
func Open(dir string) (*Dataset, error) { return OpenFor(dir, Query{}) }

// OpenFor is Open for one question: files whose folder says that q wants none
// of their rows are not looked into.
func OpenFor(dir string, q Query) (*Dataset, error) {
	found, err := listFiles(dir)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	d := &Dataset{dir: dir}
	d.found.Files = len(found)
	for _, n := range found {
		d.found.Bytes += n.size
	}
	wanted := slices.DeleteFunc(found, func(n namedFile) bool {
		from, to, ok := folderTimes(n.path)
		return ok && !q.mayHold(from, to)
	})
	d.found.FilesByFolder = d.found.Files - len(wanted)
	files := make([]File, len(wanted))
	errs := make([]error, len(wanted))
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range wanted {
		slots <- struct{}{}
		wg.Go(func() {
			files[i], errs[i] = statFile(wanted[i])
			<-slots
		})
	}
	wg.Wait()
	var damage []error
	for i := range files {
		var bad *DamageError
		switch err := errs[i]; {
		case err == nil:
			d.files = append(d.files, files[i])
		case errors.Is(err, fs.ErrNotExist):
			d.found.Files-- // removed while we looked
		case errors.As(err, &bad) && q.SkipDamaged:
			d.found.Damaged = append(d.found.Damaged, bad)
		default:
			damage = append(damage, err)
		}
	}
	if damage != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, errors.Join(damage...))
	}
	slices.SortStableFunc(d.files, func(a, b File) int { return cmp.Compare(a.MinTime, b.MinTime) })
	return d, nil
}

// statFile reads one file's footer.
func statFile(n namedFile) (f File, err error) {
	f = File{Path: n.path, Topic: n.name.Topic, TopicID: n.name.TopicID, Partition: n.name.Partition, First: n.name.First, Last: n.name.Last, Size: n.size}
	defer func() {
		if r := recover(); r != nil {
			err = &DamageError{n.path, fmt.Errorf("%v", r)}
		}
	}()
	in, err := os.Open(n.path)
	if err != nil {
		return f, err
	}
	defer in.Close()
	r, err := file.NewParquetReader(in)
	if err != nil {
		return f, &DamageError{n.path, err}
	}
	defer r.Close()
	if err := f.read(r.MetaData()); err != nil {
		return f, &DamageError{n.path, err}
	}
	return f, nil
}

// read takes what the footer says.
func (f *File) read(m *metadata.FileMetaData) (err error) {
	f.Rows = m.GetNumRows()
	kv := m.KeyValueMetadata()
	for key, to := range map[string]*int64{keyMinTime: &f.MinTime, keyMaxTime: &f.MaxTime} {
		v := kv.FindValue(key)
		if v == nil {
			return fmt.Errorf("it has no %s", key)
		}
		if *to, err = strconv.ParseInt(*v, 10, 64); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	rows := int64(0)
	for i := range m.NumRowGroups() {
		rg := m.RowGroup(i)
		g := groupInfo{f.MinTime, f.MaxTime, rg.NumRows()}
		if s, err := timeStatistics(rg); err == nil && s != nil && s.HasMinMax() {
			g.minTime, g.maxTime = s.Min(), s.Max()
		}
		if g.rows < 0 || g.rows > math.MaxInt32 {
			return fmt.Errorf("row group %d claims %d rows", i, g.rows)
		}
		rows += g.rows
		f.groups = append(f.groups, g)
	}
	if rows != f.Rows {
		return fmt.Errorf("it claims %d rows, its row groups %d", f.Rows, rows)
	}
	return nil
}

func timeStatistics(rg *metadata.RowGroupMetaData) (*metadata.Int64Statistics, error) {
	chunk, err := rg.ColumnChunk(timeColumn)
	if err != nil {
		return nil, err
	}
	stats, err := chunk.Statistics()
	if err != nil {
		return nil, err
	}
	s, _ := stats.(*metadata.Int64Statistics)
	return s, nil
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
