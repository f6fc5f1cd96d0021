// A checker of receipts and of proofs from the ledger in a second language: the offline part of docs/receipts.md, with
// the standard library only.
//
//	go run . VECTORS.json
//
// checks every receipt or proof of a file of vectors (- for standard input) and writes what each comes to as a list of
// JSON, in their order. It does not look at what the vectors expect: who runs it compares.
package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

type vectors struct {
	Receipts, Proofs []entry
}

// entry is a document, and the key that a proof is checked with.
type entry struct {
	Text *string
	Hex  string
	Key  string
}

func (e *entry) document() ([]byte, error) {
	if e.Text != nil {
		return []byte(*e.Text), nil
	}
	return hex.DecodeString(e.Hex)
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func run(arguments []string) error {
	if len(arguments) != 1 {
		return fmt.Errorf("usage: go run . VECTORS.json")
	}
	input := os.Stdin
	if arguments[0] != "-" {
		file, err := os.Open(arguments[0])
		if err != nil {
			return err
		}
		defer file.Close()
		input = file
	}
	text, err := io.ReadAll(input)
	if err != nil {
		return err
	}
	var given vectors
	if err := json.Unmarshal(text, &given); err != nil {
		return err
	}
	verdicts := []any{}
	for _, each := range given.Receipts {
		document, err := each.document()
		if err != nil {
			return err
		}
		verdicts = append(verdicts, check(document))
	}
	for _, each := range given.Proofs {
		document, err := each.document()
		if err != nil {
			return err
		}
		verdicts = append(verdicts, checkProof(document, each.Key))
	}
	return json.NewEncoder(os.Stdout).Encode(verdicts)
}
