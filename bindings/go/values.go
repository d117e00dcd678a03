package wfext

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// NotJSON is a value that JSON cannot hold; the message names the place in it.
type NotJSON struct{ Message string }

func (e *NotJSON) Error() string { return e.Message }

func rawJSON(text string) any {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

// marshal is JSON text of a value, with nothing escaped that need not be. What names it in errors.
func marshal(value any, what string) (string, error) {
	if err := check(reflect.ValueOf(value), what, 0); err != nil {
		return "", err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "", &NotJSON{fmt.Sprintf("%s: %v", what, err)}
	}
	return plainZeros(string(bytes.TrimRight(out.Bytes(), "\n"))), nil
}

var textOrNumber = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*`)

// plainZeros writes -0 as 0, as ECMAScript does: what reads whole numbers has no other.
func plainZeros(text string) string {
	if !strings.Contains(text, "-0") {
		return text
	}
	return textOrNumber.ReplaceAllStringFunc(text, func(found string) string {
		if found == "-0" {
			return "0"
		}
		return found
	})
}

// check finds what encoding/json would refuse without a place, or replace or drop in silence: NaN, text that is no UTF-8, a struct of which nothing is exported (also most errors).
func check(v reflect.Value, path string, depth int) error {
	if depth > 1000 {
		return &NotJSON{path + " contains itself, or is more than 1000 deep"}
	}
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return &NotJSON{fmt.Sprintf("%s is %v, which JSON cannot hold", path, f)}
		}
	case reflect.String:
		if !utf8.ValidString(v.String()) {
			return &NotJSON{path + " is no UTF-8"}
		}
	case reflect.Func, reflect.Chan, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return &NotJSON{fmt.Sprintf("%s is a %s, which JSON cannot hold", path, v.Type())}
	case reflect.Interface, reflect.Pointer:
		if !v.IsNil() {
			return check(v.Elem(), path, depth+1)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 || implementsMarshaler(v) {
			return nil
		}
		for i := range v.Len() {
			if err := check(v.Index(i), fmt.Sprintf("%s[%d]", path, i), depth+1); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if err := check(v.MapIndex(key), fmt.Sprintf("%s.%v", path, key), depth+1); err != nil {
				return err
			}
		}
	case reflect.Struct:
		if implementsMarshaler(v) {
			return nil
		}
		return checkFields(v, path, depth)
	}
	return nil
}

func checkFields(v reflect.Value, path string, depth int) error {
	hidden := v.NumField() > 0
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() && !field.Anonymous {
			continue
		}
		hidden = false
		if field.Tag.Get("json") != "-" {
			if err := check(v.Field(i), path+"."+field.Name, depth+1); err != nil {
				return err
			}
		}
	}
	if hidden {
		return &NotJSON{fmt.Sprintf("%s is a %s, of which no field is exported: JSON would hold nothing of it", path, v.Type())}
	}
	return nil
}

// implementsMarshaler says whether the value writes itself. Methods of the pointer count where the value is reached by one, as in encoding/json.
func implementsMarshaler(v reflect.Value) bool {
	if v.CanAddr() {
		v = v.Addr()
	}
	if !v.CanInterface() {
		return false
	}
	switch v.Interface().(type) {
	case json.Marshaler, encoding.TextMarshaler:
		return true
	}
	return false
}

func unmarshal(text string, into any) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	large := manyDigits.MatchString(text)
	if large {
		decoder.UseNumber()
	}
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("wfext: %.200s: %w", text, err)
	}
	if large {
		exact(reflect.ValueOf(into))
	}
	return nil
}

// A float64 holds any integer of 15 digits.
var (
	manyDigits = regexp.MustCompile(`\d{16}`)
	integer    = regexp.MustCompile(`^-?\d+$`)
)

// exact makes a float64 of each number in an interface, as encoding/json does, but of integers that would lose digits: those stay a json.Number.
func exact(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			exact(v.Elem())
		}
	case reflect.Interface:
		if number, ok := v.Interface().(json.Number); ok && v.CanSet() {
			v.Set(reflect.ValueOf(exactNumber(number)))
		} else if !v.IsNil() {
			exact(v.Elem())
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			exact(v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			item := v.MapIndex(key)
			if number, ok := item.Interface().(json.Number); ok && item.Kind() == reflect.Interface {
				v.SetMapIndex(key, reflect.ValueOf(exactNumber(number)))
			} else {
				exact(item)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				exact(v.Field(i))
			}
		}
	}
}

func exactNumber(number json.Number) any {
	f, err := number.Float64()
	if err != nil {
		return number
	}
	// From 1e21 on a float64 is written with an exponent, and would come back as none.
	if integer.MatchString(number.String()) && (math.Abs(f) >= 1e21 || strconv.FormatFloat(f, 'f', -1, 64) != number.String()) {
		return number
	}
	return f
}

func decode[T any](text string) (T, error) {
	var out T
	if text == "" || text == "null" {
		return out, nil
	}
	return out, unmarshal(text, &out)
}
