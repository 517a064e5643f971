// Package boxo lets a Souk exchange take the place of boxo's Bitswap below a
// boxo block service:
//
//	x, err := souk.New(ctx, host, store, souk.WithoutStoring())
//	service := blockservice.New(boxoStore, boxo.Exchange(x))
//
// The block service stores what it fetches and then says so, hence
// WithoutStoring. Both stores may be made over one datastore: they lay blocks
// out alike.
package boxo
