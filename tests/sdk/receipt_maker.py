"""Makes a receipt from the kernel's parts, the way a batch and an anchor do."""

import json

from voketag_kernel import codes, receipts, rfc6962
from voketag_kernel.receipts import AnchorProof, Receipt

KEY = codes.UnitCodeKey(1, bytes(range(32)))
QUANTITY = 5
FACTS = json.dumps(
    {"batch_id": "0190a7c0-0000-7000-8000-000000000001", "quantity": QUANTITY, "v": 1}, separators=(",", ":")
)
ANCHOR_SIZE = 3


def make_receipt(
    *, chain_id: int = 31337, contract: str = "0x" + "ab" * 20, tx_hash: str = "0x" + "cd" * 32, block_number: int = 7
) -> Receipt:
    """Return the receipt of unit 3 of 5, whose batch is the second of three under one anchor root."""
    minted = [KEY.mint(number) for number in range(QUANTITY)]
    hashed = receipts.facts_hash(FACTS)
    leaves = [
        rfc6962.leaf_hash(
            receipts.unit_leaf_data(salt=unit.salt, raw_code=unit.raw, facts_hash=hashed, serial=f"S{index}")
        )
        for index, unit in enumerate(minted)
    ]
    root = rfc6962.root(leaves)
    roots = [
        rfc6962.leaf_hash(receipts.root_leaf_data(each, size))
        for each, size in [(b"a" * 32, 1), (root, 5), (b"b" * 32, 2)]
    ]
    return Receipt(
        code=minted[3].code,
        serial="S3",
        batch_facts=FACTS,
        salt=minted[3].salt,
        leaf_index=3,
        tree_size=QUANTITY,
        batch_root=root,
        inclusion_path=tuple(rfc6962.inclusion_path(3, leaves)),
        anchor=AnchorProof(
            leaf_index=1,
            tree_size=ANCHOR_SIZE,
            root=rfc6962.root(roots),
            inclusion_path=tuple(rfc6962.inclusion_path(1, roots)),
            chain_id=chain_id,
            contract=contract,
            tx_hash=tx_hash,
            block_number=block_number,
        ),
    )
