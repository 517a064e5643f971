// Souk moves content-addressed blocks between peers that speak Bitswap.
//
//	go run ./cmd/node demo      four nodes on this machine and a download between them
//	go build -o souk ./cmd/node
//	souk help
package main

import "os"

func main() {
	captureLibp2p()
	ctx, release := stoppable()
	code := execute(ctx, newApp(os.Stdin, os.Stdout, os.Stderr), os.Args[1:])
	release()
	os.Exit(code)
}
