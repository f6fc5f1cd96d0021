package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

type receipt struct {
	code       []byte
	serial     string
	batchFacts string
	facts      map[string]any
	salt       []byte
	place      place
	anchor     *place  // nil until the default chain has confirmed the root
	anchors    []place // one for each chain, where there are several
}

// place is a leaf's place in a tree, with the way to its root.
type place struct {
	index, size uint64
	root        []byte
	path        [][]byte
}

// readReceipt is step 1 of the check; any error means that the text is malformed.
func readReceipt(text []byte) (*receipt, error) {
	document, err := readStrict(text)
	if err != nil {
		return nil, err
	}
	names := []string{"format", "code", "serial", "batch_facts", "salt", "leaf_index", "tree_size", "batch_root",
		"inclusion_path", "anchor"}
	if object, ok := document.(map[string]any); ok {
		if _, there := object["anchors"]; there {
			names = append(names, "anchors")
		}
	}
	fields, err := fieldsOf(document, names...)
	if err != nil {
		return nil, err
	}
	if fields.text("format") != "voketag-receipt/v1" {
		return nil, fmt.Errorf("another format")
	}
	read := &receipt{
		code:       fields.code(),
		serial:     fields.text("serial"),
		batchFacts: fields.text("batch_facts"),
		salt:       fields.hex("salt", 16, ""),
		place:      fields.place("batch_root"),
	}
	if anchor := fields.values["anchor"]; anchor != nil {
		read.anchor = fields.anchor(anchor)
	}
	if anchors, there := fields.values["anchors"]; there {
		read.anchors = fields.chains(anchors)
	}
	if fields.err != nil {
		return nil, fields.err
	}
	facts, err := readStrict([]byte(read.batchFacts))
	if err != nil {
		return nil, fmt.Errorf("batch_facts: %w", err)
	}
	object, ok := facts.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("batch_facts is not an object")
	}
	read.facts = object
	return read, nil
}

// fields gives typed values of an object and keeps the first error.
type fields struct {
	values map[string]any
	err    error
}

// fieldsOf wants exactly these names.
func fieldsOf(document any, names ...string) (*fields, error) {
	object, ok := document.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("not an object")
	}
	for _, name := range names {
		if _, there := object[name]; !there {
			return nil, fmt.Errorf("%s is missing", name)
		}
	}
	if len(object) != len(names) {
		return nil, fmt.Errorf("a name is not part of the format")
	}
	return &fields{values: object}, nil
}

func (f *fields) fail(name string) {
	if f.err == nil {
		f.err = fmt.Errorf("%s has the wrong form", name)
	}
}

func (f *fields) text(name string) string {
	text, ok := f.values[name].(string)
	if !ok {
		f.fail(name)
	}
	return text
}

func (f *fields) number(name string) uint64 {
	number, ok := wholeNumber(f.values[name])
	if !ok {
		f.fail(name)
	}
	return number
}

// wholeNumber takes 0 to 2^63 - 1, written without fraction and exponent.
func wholeNumber(value any) (uint64, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	whole, err := strconv.ParseInt(number.String(), 10, 64)
	return uint64(whole), err == nil && whole >= 0
}

func (f *fields) hex(name string, length int, prefix string) []byte {
	bytes, ok := unhex(f.text(name), length, prefix)
	if !ok {
		f.fail(name)
	}
	return bytes
}

func unhex(text string, length int, prefix string) ([]byte, bool) {
	digits, prefixed := strings.CutPrefix(text, prefix)
	bytes, err := hex.DecodeString(digits)
	return bytes, prefixed && err == nil && len(bytes) == length
}

func (f *fields) path(name string) [][]byte {
	list, ok := f.values[name].([]any)
	if !ok {
		f.fail(name)
	}
	path := make([][]byte, 0, len(list))
	for _, each := range list {
		text, isText := each.(string)
		node, isHash := unhex(text, 32, "")
		if !isText || !isHash {
			f.fail(name)
		}
		path = append(path, node)
	}
	return path
}

// code also counts characters: the decoder skips line ends.
func (f *fields) code() []byte {
	text := f.text("code")
	code, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(text) != 20 || len(code) != 15 {
		f.fail("code")
	}
	return code
}

func (f *fields) place(root string) place {
	return place{f.number("leaf_index"), f.number("tree_size"), f.hex(root, 32, ""), f.path("inclusion_path")}
}

// chains wants a name for each chain, and no name twice.
func (f *fields) chains(document any) []place {
	list, ok := document.([]any)
	if !ok {
		f.fail("anchors")
	}
	names := map[string]bool{}
	found := make([]place, 0, len(list))
	for _, each := range list {
		anchor := f.anchor(each, "chain")
		if anchor == nil {
			return nil
		}
		name, ok := each.(map[string]any)["chain"].(string)
		if !ok || name == "" || names[name] {
			f.fail("chain")
		}
		names[name] = true
		found = append(found, *anchor)
	}
	return found
}

func (f *fields) anchor(document any, also ...string) *place {
	anchor, err := fieldsOf(document, append(also, "leaf_index", "tree_size", "root", "inclusion_path", "chain_id",
		"contract", "tx_hash", "block_number")...)
	if err != nil {
		f.fail("anchor")
		return nil
	}
	found := anchor.place("root")
	anchor.number("chain_id")
	anchor.hex("contract", 20, "0x")
	anchor.hex("tx_hash", 32, "0x")
	anchor.number("block_number")
	if anchor.err != nil {
		f.fail("anchor")
	}
	return &found
}
