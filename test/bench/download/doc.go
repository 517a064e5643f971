// Package download plays what decides about downloads with 10,000 resources over 100
// nodes, in virtual time and in one goroutine: nodes hold different parts, have different
// rates and delays, cannot always be reached, are lost and come back, and fail at their
// work. It measures how much longer all of it takes than it has to.
//
// The code has the build tag simulation, as what it uses of the downloads has:
//
//	go test -tags simulation ./test/bench/download -v -args -full
package download
