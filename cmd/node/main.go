// Souk moves content-addressed blocks between peers that speak Bitswap.
//
//	go run ./cmd/node demo      four nodes on this machine and a download between them
//	go build -o souk ./cmd/node
//	souk help
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	captureLibp2p()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, newApp(os.Stdin, os.Stdout, os.Stderr), os.Args[1:])
	stop()
	os.Exit(code)
}
