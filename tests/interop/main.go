// A checker of receipts in a second language: the offline part of docs/receipts.md, with the standard library only.
//
//	go run . VECTORS.json
//
// checks every receipt of a file of vectors (- for standard input) and writes what it comes to as a list of JSON, in
// their order. It does not look at what the vectors expect: who runs it compares.
package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

type vectors struct {
	Receipts []struct {
		Text *string
		Hex  string
	}
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
	verdicts := make([]verdict, 0, len(given.Receipts))
	for _, each := range given.Receipts {
		document, err := hex.DecodeString(each.Hex)
		if err != nil {
			return err
		}
		if each.Text != nil {
			document = []byte(*each.Text)
		}
		verdicts = append(verdicts, check(document))
	}
	return json.NewEncoder(os.Stdout).Encode(verdicts)
}
