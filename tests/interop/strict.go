package main

// JSON that no two readers take for two things: docs/receipts.md, "The document".
// encoding/json alone would keep the last of two equal names, match names in any case, and mend broken text with U+FFFD.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// maxDepth is far beyond any honest receipt.
const maxDepth = 100

// readStrict returns map[string]any, []any, string, json.Number, bool or nil.
func readStrict(text []byte) (any, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	if !json.Valid(text) {
		return nil, errors.New("not JSON")
	}
	if err := refuseHalfPairs(text); err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return readValue(decoder, 0)
}

func readValue(decoder *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deep")
	}
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		list := []any{}
		for decoder.More() {
			value, err := readValue(decoder, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err := decoder.Token()
		return list, err
	case json.Delim('{'):
		object := map[string]any{}
		for decoder.More() {
			name, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			key := name.(string)
			if _, twice := object[key]; twice {
				return nil, fmt.Errorf("%q stands twice in one object", key)
			}
			if object[key], err = readValue(decoder, depth+1); err != nil {
				return nil, err
			}
		}
		_, err := decoder.Token()
		return object, err
	}
	return token, nil
}

// refuseHalfPairs looks at the escapes of valid JSON, in which a backslash stands in texts only.
func refuseHalfPairs(text []byte) error {
	for at := 0; at < len(text); at++ {
		if text[at] != '\\' {
			continue
		}
		unit := escaped(text[at:])
		switch {
		case unit < 0: // \n and its like
			at++
		case unit >= 0xd800 && unit < 0xdc00:
			if low := escaped(text[at+6:]); low < 0xdc00 || low > 0xdfff {
				return errors.New("half of a surrogate pair")
			}
			at += 11
		case unit >= 0xdc00 && unit <= 0xdfff:
			return errors.New("half of a surrogate pair")
		default:
			at += 5
		}
	}
	return nil
}

// escaped returns the UTF-16 unit of a \u escape at the start of text, -1 when there is none.
func escaped(text []byte) int {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return int(unit)
}
