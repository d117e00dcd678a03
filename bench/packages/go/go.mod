module example.com/wfext/bench

go 1.24

require github.com/wfext/wfext/bindings/go v0.1.0

require github.com/mattn/go-sqlite3 v1.14.32

replace github.com/wfext/wfext/bindings/go => ../../../bindings/go
