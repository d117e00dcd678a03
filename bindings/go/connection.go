package wfext

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"
)

// connection is one of the driver's, with the extension loaded and the settings made, for one goroutine at a time.
type connection struct {
	*sqlite3.SQLiteConn
	statements map[string]driver.Stmt
}

func (s settings) open() (*connection, error) {
	opened, err := (&sqlite3.SQLiteDriver{}).Open(s.path)
	if err != nil {
		return nil, err
	}
	c := &connection{opened.(*sqlite3.SQLiteConn), map[string]driver.Stmt{}}
	if err := s.setUp(c); err != nil {
		_ = c.Close()
		return nil, translate(err)
	}
	return c, nil
}

// setUp loads the extension and makes the settings.
func (s settings) setUp(c *connection) error {
	if _, err := c.value("SELECT wf_version()"); err != nil { // else it is linked into this program
		library, err := LoadablePath()
		if err != nil {
			return err
		}
		if err := c.LoadExtension(library, "sqlite3_wfext_init"); err != nil {
			return err
		}
	}
	made := []string{fmt.Sprintf("SELECT wf_busy_timeout(%g)", s.busyTimeout.Seconds()), "PRAGMA journal_mode = " + s.journal, "PRAGMA synchronous = " + s.synchronous}
	for _, pragma := range s.pragmas {
		made = append(made, "PRAGMA "+pragma)
	}
	for _, sql := range made {
		if _, err := c.rows(sql); err != nil {
			return err
		}
	}
	return nil
}

// DB is a pool of connections for the application: of the same SQLite library, with the extension and the same settings. It is the application's to close. Never open the file by another library.
func (app *App) DB() *sql.DB { return sql.OpenDB(connector{app.database.settings}) }

type connector struct{ settings }

func (c connector) Connect(context.Context) (driver.Conn, error) {
	opened, err := c.open()
	if err != nil {
		return nil, err
	}
	for sql, statement := range opened.statements {
		_ = statement.Close()
		delete(opened.statements, sql)
	}
	return opened.SQLiteConn, nil
}

func (connector) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

func (c *connection) rows(sql string, args ...any) ([][]any, error) {
	return c.rowsWithin(context.Background(), sql, args...)
}

// rowsWithin interrupts the statement when the context ends.
func (c *connection) rowsWithin(ctx context.Context, sql string, args ...any) ([][]any, error) {
	statement := c.statements[sql]
	if statement == nil {
		made, err := c.Prepare(sql)
		if err != nil {
			return nil, err
		}
		if len(c.statements) >= 200 {
			for _, old := range c.statements {
				_ = old.Close()
			}
			clear(c.statements)
		}
		statement = made
		c.statements[sql] = made
	}
	values := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		value, err := driver.DefaultParameterConverter.ConvertValue(arg)
		if err != nil {
			return nil, err
		}
		values[i] = driver.NamedValue{Ordinal: i + 1, Value: value}
	}
	found, err := statement.(driver.StmtQueryContext).QueryContext(ctx, values)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	out := [][]any{}
	row := make([]driver.Value, len(found.Columns()))
	for {
		if err := found.Next(row); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		copied := make([]any, len(row))
		for i, value := range row {
			if bytes, ok := value.([]byte); ok {
				value = append([]byte(nil), bytes...)
			}
			copied[i] = value
		}
		out = append(out, copied)
	}
}

func (c *connection) value(sql string, args ...any) (any, error) {
	rows, err := c.rows(sql, args...)
	if err != nil || len(rows) == 0 || len(rows[0]) == 0 {
		return nil, err
	}
	return rows[0][0], nil
}

// commit tries again where readers are in the way (without WAL): COMMIT leaves the transaction open then.
func (c *connection) commit(timeout time.Duration) error {
	for until := time.Now().Add(timeout); ; time.Sleep(time.Millisecond) {
		_, err := c.rows("COMMIT")
		if err == nil || c.AutoCommit() || !strings.Contains(err.Error(), "locked") || time.Now().After(until) {
			return err
		}
	}
}

func (c *connection) rollBack() {
	if !c.AutoCommit() {
		_, _ = c.rows("ROLLBACK")
	}
}

func (c *connection) close() {
	for _, statement := range c.statements {
		_ = statement.Close()
	}
	_ = c.Close()
}

// settings are those of every connection to the file.
type settings struct {
	path, journal, synchronous string
	busyTimeout                time.Duration
	pragmas                    []string // "name = value"
}
