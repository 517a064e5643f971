package announcer

import (
	"fmt"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/multiformats/go-multiaddr"

	"github.com/souk-p2p/souk/providers/record"
)

// signature is a draft's signed record, once somebody needed it.
type signature struct{ bytes []byte }

// bytes returns the signed record of a draft, which is signed once for all the
// trackers that get it.
func (d draft) bytes(key crypto.PrivKey) ([]byte, error) {
	if d.signed.bytes != nil {
		return d.signed.bytes, nil
	}
	r, err := d.record()
	if err != nil {
		return nil, err
	}
	signed, err := record.Sign(key, r)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	d.signed.bytes = signed.Bytes()
	return d.signed.bytes, nil
}

// record returns what is signed. A withdrawal says no more than it has to.
func (d draft) record() (record.Record, error) {
	r := record.Record{Namespace: d.namespace, Sequence: d.sequence, Issued: d.issued}
	if d.withdrawal {
		return r, nil
	}
	h := d.holding
	r.Ranges, r.Keys, r.Complete, r.Roles, r.Capacity, r.TTL = h.Ranges, h.Keys, h.Complete, h.Roles, h.Capacity, h.TTL
	for _, raw := range d.addrs {
		a, err := multiaddr.NewMultiaddrBytes([]byte(raw))
		if err != nil {
			return r, fmt.Errorf("address %x: %w", raw, err)
		}
		r.Addrs = append(r.Addrs, a)
	}
	return r, nil
}
