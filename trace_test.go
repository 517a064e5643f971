package souk_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/souk-p2p/souk"
	"github.com/souk-p2p/souk/session"
)

func TestAHookThatPanicsHarmsNoFetch(t *testing.T) {
	a := start(t, souk.WithFetchHook(func(_ context.Context, f session.Fetch) func(session.Fetched) {
		if f.Call == "GetBlock" {
			panic("at the beginning")
		}
		return func(session.Fetched) { panic("at the end") }
	}))
	bs := random(3, 100)
	a.put(t, bs...)
	_, err := a.GetBlock(soon(t), bs[0].Cid())
	require.NoError(t, err)
	fetch(t, a, bs)
	fetch(t, a, bs)
}

// What no hook costs: a fetch of a block that is here, with none and with one.
func BenchmarkFetchHook(b *testing.B) {
	for name, opts := range map[string][]souk.Option{
		"none": nil,
		"one": {souk.WithFetchHook(func(context.Context, session.Fetch) func(session.Fetched) {
			return func(session.Fetched) {}
		})},
	} {
		b.Run(name, func(b *testing.B) {
			a := start(b, opts...)
			block := random(1, 100)[0]
			a.put(b, block)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.GetBlock(b.Context(), block.Cid()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
