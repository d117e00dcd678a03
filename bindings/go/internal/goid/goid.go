// Package goid tells goroutines apart.
//
// A repeated name of a step is the same step again only where the same goroutine says it: so every call of a step asks who calls, and what a context carries does not tell, for goroutines that the code
// itself has begun share it. The runtime knows the number and shows it in a stack trace alone, which costs microseconds, the more the deeper the stack is. So its place in the runtime's own record of a goroutine
// is looked for, once, by traces of several; where it is not found for sure, it is the trace each time. So nothing is taken for granted of how that record looks in a version of Go: what is relied on is what the
// assembler's manual says, that the runtime's pointer to it is (TLS) on amd64 and g on arm64, and that a stack trace begins with the number.
package goid

import (
	"bytes"
	"runtime"
	"strconv"
	"unsafe"
)

const (
	looked = 256 // bytes of the record, which is longer
	asked  = 8   // goroutines, in whose records a number is at the same place by chance as good as never
)

var place, found = find()

// ID is the number of the goroutine that calls: no other one of the process has it, before or afterwards.
func ID() uint64 {
	if !found {
		return ofTrace()
	}
	return *(*uint64)(unsafe.Add(record(), place))
}

func ofTrace() uint64 {
	buffer := make([]byte, 64)
	buffer = bytes.TrimPrefix(buffer[:runtime.Stack(buffer, false)], []byte("goroutine "))
	number, _, _ := bytes.Cut(buffer, []byte(" "))
	id, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		panic("goid: a stack trace begins with " + string(buffer))
	}
	return id
}

func find() (place uintptr, found bool) {
	if record() == nil {
		return 0, false
	}
	places := map[uintptr]int{}
	done := make(chan map[uintptr]bool)
	for range asked {
		go func() { done <- placesOf(ofTrace()) }()
		for at := range <-done {
			places[at]++
		}
	}
	for at, times := range places {
		if times != asked {
			continue
		}
		if found {
			return 0, false
		}
		place, found = at, true
	}
	return place, found
}

func placesOf(id uint64) map[uintptr]bool {
	places := map[uintptr]bool{}
	for at := uintptr(0); at < looked; at += unsafe.Sizeof(id) {
		if *(*uint64)(unsafe.Add(record(), at)) == id {
			places[at] = true
		}
	}
	return places
}
