package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/libp2p/go-libp2p/core/network"
)

const (
	bareProtocol = "/bare-file/1.0.0"
	// blockSize is how much is hashed at a time: what the importer cuts files into.
	blockSize = 256 << 10
)

// serveBare writes the file to every stream.
func serveBare(ctx context.Context, listen, path string) error {
	h, err := newHost(listen)
	if err != nil {
		return err
	}
	h.SetStreamHandler(bareProtocol, func(s network.Stream) {
		if err := copyTo(s, path); err != nil {
			_ = s.Reset()
			return
		}
		_ = s.Close()
	})
	return serve(ctx, h)
}

func copyTo(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyBuffer(w, struct{ io.Reader }{f}, make([]byte, blockSize))
	return err
}

// getBare reads one stream to its end, hashes it in blocks and writes it to a
// file.
func getBare(ctx context.Context, address, output string) (err error) {
	h, from, err := connect(ctx, address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	s, err := h.NewStream(ctx, from, bareProtocol)
	if err != nil {
		return err
	}
	defer s.Reset()
	if err := s.CloseWrite(); err != nil {
		return err
	}
	f, err := os.Create(output)
	if err != nil {
		return err
	}
	return errors.Join(hashing(f, s), f.Close())
}

func hashing(w io.Writer, r io.Reader) error {
	block := make([]byte, blockSize)
	hashed := sha256.New() // of the hashes, so that they are used
	for {
		n, err := io.ReadFull(r, block)
		if n > 0 {
			sum := sha256.Sum256(block[:n])
			_, _ = hashed.Write(sum[:]) // never fails
			if _, err := w.Write(block[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			_, err := fmt.Printf("%x\n", hashed.Sum(nil))
			return err
		}
		if err != nil {
			return err
		}
	}
}
