// Package virtual compares Souk with boxo and with bare streams in virtual time:
// full libp2p hosts that speak QUIC over links with latency, bandwidth and loss.
//
// Its tests run every scenario in small. At the sizes that are worth publishing,
// or at others:
//
//	go test ./test/bench/virtual -run Table -v -args -full -runs 5
//	go test ./test/bench/virtual -run Table -v -args -full -only fan-out -downloaders 32 -bandwidth 50 -rtt 80ms
//
// The command in test/bench does that and makes the ratios.
package virtual
