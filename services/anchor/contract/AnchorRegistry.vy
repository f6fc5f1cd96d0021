# pragma version 0.4.3
# pragma evm-version paris
# pragma optimize gas
"""
@title AnchorRegistry
@license Apache-2.0
@notice Records when a Merkle root (RFC 6962) was first shown to this chain. Anyone can ask; only writers can add; nobody,
        the owner included, can change or remove a root.
@dev No upgrade, no self-destruct, no ether. README.md beside this file holds the decisions and their alternatives.
"""

struct SizedRoot:
    root: bytes32
    size: uint64

# One root became part of the chain. Emitted exactly once for a root, by the transaction that anchored it.
event Anchored:
    root: indexed(bytes32)
    size: uint64
    timestamp: uint64
    writer: indexed(address)

event WriterSet:
    writer: indexed(address)
    allowed: bool

event OwnerProposed:
    owner: indexed(address)
    proposed: indexed(address)

event OwnerChanged:
    previous: indexed(address)
    owner: indexed(address)

# 256 new roots use 6.6 million gas, far below the 16.7 million that one transaction may use (EIP-7825).
MAX_ROOTS: constant(uint256) = 256

owner: public(address)
proposedOwner: public(address)
writers: public(HashMap[address, bool])

# size | timestamp << 64 | block number << 128: one storage slot for a root halves the price of anchoring it.
anchors: HashMap[bytes32, uint256]


@deploy
def __init__(first_owner: address, first_writer: address):
    """
    @notice Fix the first owner, and a first writer unless it is the zero address.
    @dev The deployer gets no power of its own, so any funded key can deploy for a cold owner in one transaction.
    """
    assert first_owner != empty(address), "zero owner"
    self.owner = first_owner
    log OwnerChanged(previous=empty(address), owner=first_owner)
    if first_writer != empty(address):
        self.writers[first_writer] = True
        log WriterSet(writer=first_writer, allowed=True)


@external
def anchor(root: bytes32, size: uint64):
    """
    @notice Anchor the root of a tree with `size` leaves. Success means: this root with this size stands on this chain.
    @dev A root that already stands with the same size is left alone, without an event.
    """
    assert self.writers[msg.sender], "not a writer"
    self._anchor(root, size)


@external
def anchorMany(roots: DynArray[SizedRoot, MAX_ROOTS]):
    """
    @notice Anchor several roots, all or none. Those that already stand are left alone, the others are anchored.
    """
    assert self.writers[msg.sender], "not a writer"
    assert len(roots) > 0, "no roots"
    for i: uint256 in range(len(roots), bound=MAX_ROOTS):
        self._anchor(roots[i].root, roots[i].size)


@internal
def _anchor(root: bytes32, size: uint64):
    assert root != empty(bytes32), "zero root"
    assert size > 0, "zero size"
    known: uint256 = self.anchors[root]
    if known != 0:
        assert known & convert(max_value(uint64), uint256) == convert(size, uint256), "size conflict"
        return
    self.anchors[root] = convert(size, uint256) | (block.timestamp << 64) | (block.number << 128)
    log Anchored(root=root, size=size, timestamp=convert(block.timestamp, uint64), writer=msg.sender)


@external
@view
def anchoredAt(root: bytes32) -> uint256:
    """
    @notice Time of the block (seconds since 1970) that first anchored the root; 0 if none did.
    """
    return (self.anchors[root] >> 64) & convert(max_value(uint64), uint256)


@external
@view
def sizeOf(root: bytes32) -> uint64:
    """
    @notice Number of leaves the root was anchored with; 0 if it never was.
    """
    return convert(self.anchors[root] & convert(max_value(uint64), uint256), uint64)


@external
@view
def blockOf(root: bytes32) -> uint256:
    """
    @notice Number of the block that anchored the root, where its event is found; 0 if none did.
    @dev Arbitrum reports the number of the parent chain's block here.
    """
    return self.anchors[root] >> 128


@external
def setWriter(writer: address, allowed: bool):
    """
    @notice Allow an address to anchor, or take that right back. What it has anchored stays. Owner only.
    """
    assert msg.sender == self.owner, "not the owner"
    assert writer != empty(address), "zero writer"
    self.writers[writer] = allowed
    log WriterSet(writer=writer, allowed=allowed)


@external
def proposeOwner(proposed: address):
    """
    @notice Name the next owner, who must accept; the zero address withdraws the proposal. Owner only.
    """
    assert msg.sender == self.owner, "not the owner"
    self.proposedOwner = proposed
    log OwnerProposed(owner=msg.sender, proposed=proposed)


@external
def acceptOwner():
    """
    @notice Become the owner. Only the proposed address can, which proves that its key exists.
    """
    assert msg.sender == self.proposedOwner, "not the proposed owner"
    log OwnerChanged(previous=self.owner, owner=msg.sender)
    self.owner = msg.sender
    self.proposedOwner = empty(address)
