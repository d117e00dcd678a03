//go:build gc && (amd64 || arm64)

package goid

import "unsafe"

// record is the runtime's of this goroutine.
func record() unsafe.Pointer
