package unixfs

import (
	"bytes"
	"io"
	"path/filepath"
	"testing"
)

const benchSize = 128 << 20

func BenchmarkAddFile(b *testing.B) {
	data := pattern(benchSize, 1)
	b.SetBytes(benchSize)
	for b.Loop() {
		if _, err := AddReader(b.Context(), newMapStore(), bytes.NewReader(data), AddOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCatFile(b *testing.B) {
	s := newMapStore()
	root, err := AddReader(b.Context(), s, bytes.NewReader(pattern(benchSize, 1)), AddOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(benchSize)
	for b.Loop() {
		if err := Cat(b.Context(), s, root.CID, io.Discard, CatOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCatSmallBlocks measures the walk itself: 128 Ki leaves of a kibibyte.
func BenchmarkCatSmallBlocks(b *testing.B) {
	s := newMapStore()
	root, err := AddReader(b.Context(), s, bytes.NewReader(pattern(benchSize, 1)), AddOptions{ChunkSize: 1 << 10})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := Cat(b.Context(), s, root.CID, io.Discard, CatOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*float64(len(s.blocks))/b.Elapsed().Seconds(), "blocks/s")
}

func BenchmarkGetFile(b *testing.B) {
	s := newMapStore()
	root, err := AddReader(b.Context(), s, bytes.NewReader(pattern(benchSize, 1)), AddOptions{})
	if err != nil {
		b.Fatal(err)
	}
	out := filepath.Join(b.TempDir(), "out")
	b.SetBytes(benchSize)
	for b.Loop() {
		if _, err := Get(b.Context(), s, root.CID, out, GetOptions{Overwrite: true}); err != nil {
			b.Fatal(err)
		}
	}
}
