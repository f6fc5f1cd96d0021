package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// verdict is what the offline check comes to; its names are those of the vectors.
type verdict struct {
	Outcome    string  `json:"outcome"`
	Link       string  `json:"link,omitempty"`
	UnitLeaf   string  `json:"unit_leaf,omitempty"`
	AnchorRoot *string `json:"anchor_root"`
	// AnchorRoots are those of the chains in `anchors`, in their order.
	AnchorRoots []string `json:"anchor_roots,omitempty"`
}

// check does steps 1 to 4 of docs/receipts.md.
func check(text []byte) verdict {
	receipt, err := readReceipt(text)
	if err != nil {
		return verdict{Outcome: "malformed"}
	}
	quantity, whole := wholeNumber(receipt.facts["quantity"])
	if !whole || quantity != receipt.place.size {
		return verdict{Outcome: "broken", Link: "facts"}
	}
	unit := receipt.unitLeaf()
	if !receipt.place.holds(unit) {
		return verdict{Outcome: "broken", Link: "unit"}
	}
	found := verdict{Outcome: "consistent", UnitLeaf: hex.EncodeToString(unit)}
	if receipt.anchor != nil {
		if !receipt.anchor.holds(receipt.rootLeaf()) {
			return verdict{Outcome: "broken", Link: "anchor"}
		}
		root := hex.EncodeToString(receipt.anchor.root)
		found.AnchorRoot = &root
	}
	for _, anchor := range receipt.anchors {
		if !anchor.holds(receipt.rootLeaf()) {
			return verdict{Outcome: "broken", Link: "anchors"}
		}
		found.AnchorRoots = append(found.AnchorRoots, hex.EncodeToString(anchor.root))
	}
	return found
}

func (r *receipt) unitLeaf() []byte {
	facts := sha256.Sum256([]byte(r.batchFacts))
	return hash("\x00", []byte("voketag/unit/v1\x00"), r.salt, r.code, facts[:], []byte(r.serial))
}

func (r *receipt) rootLeaf() []byte {
	size := binary.BigEndian.AppendUint64(nil, r.place.size)
	return hash("\x00", []byte("voketag/root/v1\x00"), r.place.root, size)
}

// holds tells whether the path leads from the leaf to the root: RFC 9162, section 2.1.3.2.
func (p *place) holds(leaf []byte) bool {
	if p.index >= p.size {
		return false
	}
	index, last, node := p.index, p.size-1, leaf
	for _, sibling := range p.path {
		if last == 0 {
			return false // the path is too long
		}
		if index&1 == 1 || index == last {
			node = hash("\x01", sibling, node)
			for index&1 == 0 && index != 0 {
				index, last = index>>1, last>>1
			}
		} else {
			node = hash("\x01", node, sibling)
		}
		index, last = index>>1, last>>1
	}
	return last == 0 && bytes.Equal(node, p.root)
}

func hash(prefix string, parts ...[]byte) []byte {
	digest := sha256.New()
	digest.Write([]byte(prefix))
	for _, part := range parts {
		digest.Write(part)
	}
	return digest.Sum(nil)
}
