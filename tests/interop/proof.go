package main

// Proofs from the ledger of scans: docs/receipts.md, "Proofs from the ledger". A C2SP tlog-proof with the entry as its
// extra data, and a signed note with the log's checkpoint.

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	proofHeader = "c2sp.org/tlog-proof@v1"
	dash        = "\u2014 "
	earliest    = -63_082_281_600_000_000 // 0001-01-01 00:00:00, in microseconds since 2000
	latest      = 252_455_615_999_999_999 // 9999-12-31 23:59:59.999999
)

var decimal = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)

// proofVerdict is what the check of a proof comes to; its names are those of the vectors.
type proofVerdict struct {
	Outcome string  `json:"outcome"`
	Link    string  `json:"link,omitempty"`
	Index   *uint64 `json:"index,omitempty"`
	Leaf    string  `json:"leaf,omitempty"`
	Size    uint64  `json:"size,omitempty"`
	Root    string  `json:"root,omitempty"`
	Scan    *scan   `json:"scan,omitempty"`
}

type scan struct {
	VerificationID string   `json:"verification_id"`
	UnitID         int64    `json:"unit_id"`
	BatchID        string   `json:"batch_id"`
	ProductID      string   `json:"product_id"`
	TenantID       string   `json:"tenant_id"`
	ScannedAt      int64    `json:"scanned_at"`
	Verdict        int16    `json:"verdict"`
	RiskScore      int16    `json:"risk_score"`
	Degraded       bool     `json:"degraded"`
	Duplicate      bool     `json:"duplicate"`
	RiskFactors    []string `json:"risk_factors"`
	Country        string   `json:"country"`
	Cell           string   `json:"cell"`
	DeviceHash     string   `json:"device_hash"`
	AddressHash    string   `json:"address_hash"`
}

var (
	errSignature = errors.New("signature")
	errPath      = errors.New("path")
)

func checkProof(text []byte, vkey string) proofVerdict {
	found, err := readProof(text, vkey)
	switch {
	case err == nil:
		return *found
	case err == errSignature || err == errPath:
		return proofVerdict{Outcome: "broken", Link: err.Error()}
	}
	return proofVerdict{Outcome: "malformed"}
}

// readProof takes the steps in the page's order; the first one that fails is the answer.
func readProof(text []byte, vkey string) (*proofVerdict, error) {
	key, err := readKey(vkey)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	head, note, _ := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if len(lines) < 3 || lines[0] != proofHeader {
		return nil, errors.New("not a proof")
	}
	extra, hasExtra := strings.CutPrefix(lines[1], "extra ")
	index, hasIndex := strings.CutPrefix(lines[2], "index ")
	if !hasExtra || !hasIndex {
		return nil, errors.New("a proof has the lines extra and index")
	}
	entry, err := base64Of(extra)
	if err != nil {
		return nil, err
	}
	at := place{}
	if at.index, err = numberOf(index); err != nil {
		return nil, err
	}
	for _, line := range lines[3:] {
		node, err := hashOf(line)
		if err != nil {
			return nil, err
		}
		at.path = append(at.path, node)
	}
	signed, err := key.open(note)
	if err != nil {
		return nil, err
	}
	origin, size, root, err := readCheckpoint(signed)
	if err != nil {
		return nil, err
	}
	if origin != key.name {
		return nil, errSignature
	}
	at.size, at.root = size, root
	leaf := hash("\x00", entry)
	if !at.holds(leaf) {
		return nil, errPath
	}
	stated, seen, err := readEntry(entry)
	if err != nil {
		return nil, err
	}
	if stated != at.index {
		return nil, errPath
	}
	return &proofVerdict{Outcome: "consistent", Index: &at.index, Leaf: hex.EncodeToString(leaf), Size: size,
		Root: hex.EncodeToString(root), Scan: seen}, nil
}

type verifierKey struct {
	name string
	id   [4]byte
	key  ed25519.PublicKey
}

// readKey reads <name>+<hash>+<base64>.
func readKey(text string) (*verifierKey, error) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 || !isName(parts[0]) {
		return nil, errors.New("not a vkey")
	}
	raw, err := base64Of(parts[2])
	if err != nil || len(raw) != 1+ed25519.PublicKeySize || raw[0] != 1 {
		return nil, errors.New("not an Ed25519 key")
	}
	digest := sha256.Sum256(append([]byte(parts[0]+"\n"), raw...))
	key := &verifierKey{name: parts[0], id: [4]byte(digest[:4]), key: raw[1:]}
	if hex.EncodeToString(key.id[:]) != parts[1] {
		return nil, errors.New("another key's hash")
	}
	return key, nil
}

// open returns the text of a note that the key signed.
func (k *verifierKey) open(note string) (string, error) {
	for _, char := range note {
		if char < 0x20 && char != '\n' {
			return "", errors.New("a control character")
		}
	}
	gap := strings.LastIndex(note, "\n\n")
	if gap < 1 || !strings.HasSuffix(note, "\n") || gap+2 == len(note) {
		return "", errors.New("not a note")
	}
	text := note[:gap+1]
	var ours [][]byte
	for _, line := range strings.Split(strings.TrimSuffix(note[gap+2:], "\n"), "\n") {
		rest, dashed := strings.CutPrefix(line, dash)
		name, encoded, _ := strings.Cut(rest, " ")
		raw, err := base64Of(encoded)
		if !dashed || !isName(name) || err != nil || len(raw) <= 4 {
			return "", errors.New("not a signature line")
		}
		if name == k.name && string(raw[:4]) == string(k.id[:]) {
			ours = append(ours, raw[4:])
		}
	}
	if len(ours) == 0 || len(ours[0]) != ed25519.SignatureSize || !ed25519.Verify(k.key, []byte(text), ours[0]) {
		return "", errSignature
	}
	return text, nil
}

func readCheckpoint(text string) (origin string, size uint64, root []byte, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[len(lines)-1] != "" {
		return "", 0, nil, errors.New("not a checkpoint")
	}
	for _, line := range lines[:len(lines)-1] {
		if line == "" {
			return "", 0, nil, errors.New("an empty line")
		}
	}
	if size, err = numberOf(lines[1]); err != nil {
		return "", 0, nil, err
	}
	root, err = hashOf(lines[2])
	return lines[0], size, root, err
}

// readEntry returns the index that the entry names, and the scan.
func readEntry(entry []byte) (uint64, *scan, error) {
	const prefix = "voketag/scan/v1\x00"
	const fixed = len(prefix) + 8 + 32 + 16 + 8 + 3*16 + 8 + 2 + 2 + 1 + 1
	if len(entry) < fixed || string(entry[:len(prefix)]) != prefix {
		return 0, nil, errors.New("not an entry")
	}
	rest := entry[len(prefix):]
	take := func(length int) []byte {
		var taken []byte
		taken, rest = rest[:length], rest[length:]
		return taken
	}
	number := binary.BigEndian
	index := number.Uint64(take(8))
	take(32)
	seen := &scan{VerificationID: uuid(take(16)), UnitID: int64(number.Uint64(take(8))), BatchID: uuid(take(16)),
		ProductID: uuid(take(16)), TenantID: uuid(take(16)), ScannedAt: int64(number.Uint64(take(8))),
		Verdict: int16(number.Uint16(take(2))), RiskScore: int16(number.Uint16(take(2)))}
	flags := take(2)
	if flags[0] > 1 || flags[1] > 1 || seen.ScannedAt < earliest || seen.ScannedAt > latest {
		return 0, nil, errors.New("a value out of range")
	}
	seen.Degraded, seen.Duplicate = flags[0] == 1, flags[1] == 1
	var texts [5][]byte
	for at := range texts {
		if len(rest) < 2 || len(rest)-2 < int(number.Uint16(rest)) {
			return 0, nil, errors.New("cut short")
		}
		texts[at] = take(int(number.Uint16(take(2))))
	}
	if len(rest) != 0 || !utf8.Valid(texts[0]) || !utf8.Valid(texts[1]) || !utf8.Valid(texts[2]) {
		return 0, nil, errors.New("too long, or not UTF-8")
	}
	seen.RiskFactors = []string{}
	for _, name := range strings.Split(string(texts[0]), ",") {
		if name != "" {
			seen.RiskFactors = append(seen.RiskFactors, name)
		}
	}
	seen.Country, seen.Cell = string(texts[1]), string(texts[2])
	seen.DeviceHash, seen.AddressHash = hex.EncodeToString(texts[3]), hex.EncodeToString(texts[4])
	return index, seen, nil
}

func isName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(char rune) bool {
		return char < 0x20 || char == '+' || unicode.IsSpace(char)
	})
}

// numberOf takes 0 to 2^63 - 1.
func numberOf(text string) (uint64, error) {
	if !decimal.MatchString(text) {
		return 0, errors.New("not a number")
	}
	number, err := strconv.ParseInt(text, 10, 64)
	return uint64(number), err
}

func hashOf(text string) ([]byte, error) {
	raw, err := base64Of(text)
	if err == nil && len(raw) != sha256.Size {
		err = errors.New("not a hash")
	}
	return raw, err
}

// base64Of wants what an encoder writes: the decoder skips line ends, and lets bits beyond the last byte pass.
func base64Of(text string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err == nil && base64.StdEncoding.EncodeToString(raw) != text {
		err = errors.New("not canonical")
	}
	return raw, err
}

func uuid(raw []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", raw[:4], raw[4:6], raw[6:8], raw[8:10], raw[10:])
}
