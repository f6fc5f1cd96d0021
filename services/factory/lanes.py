"""SHA-256 of many units at once: the fast path of `derivation.py`, compiled by numba when it is first used.

A vector register holds the same word of LANES hashes, and one run of the compression function (FIPS 180-4, section
6.2.2) does all of them: about 0.05 us each on one core, where a hashlib object costs 0.5 us before it hashes anything.
The compression function is written in LLVM's vector type: left to LLVM's own vectorizer, the same loop over arrays
took four to fifteen times as long, since it cannot see that state and message do not overlap.

Everything here works on 32-bit words. Lane-wise arrays are (word, lane); results are (unit, word). All of it stands in
this one file because numba's cache looks at the file of a function to tell whether the function has changed.
"""

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import njit, types, uint32, uint64
from numba.extending import intrinsic
from numpy.typing import NDArray

LANES: Final = 8
"""Hashes at once: the 32-bit words of an AVX2 register. LLVM splits them where registers are smaller."""

Words = NDArray[np.uint32]

_INITIAL: Final = np.array(
    [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19], dtype=np.uint32
)
# fmt: off
_ROUND_CONSTANTS: Final = (
    0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5,
    0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174,
    0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA,
    0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967,
    0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85,
    0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070,
    0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3,
    0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2,
)
# fmt: on
_LETTERS: Final = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", dtype=np.uint8)
# "\0" || "voketag/unit/v1\0" without its last byte, which shares a word with the salt (`codes.UNIT_LEAF_PREFIX`).
_LEAF_START: Final = np.frombuffer(b"\0voketag/unit/v1", dtype=">u4").astype(np.uint32)
_LEAF_FIXED_BYTES: Final = 80  # of a leaf, before the serial: 17 of prefixes, salt 16, code 15, facts 32


def _emit_compression(module: Any) -> Any:
    """Return the compression function of an LLVM module: a pointer to 8 vectors of state, one to 16 of message.

    A function of its own that is never inlined: it is large and has a dozen callers.
    """
    word = ir.IntType(32)
    vector = ir.VectorType(word, LANES)
    pointer = vector.as_pointer()
    name = f"voketag_sha256_x{LANES}"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [pointer, pointer]), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block())
    states, blocks = function.args
    funnel_left = module.declare_intrinsic(f"llvm.fshl.v{LANES}i32", (), ir.FunctionType(vector, [vector] * 3))

    def every(value: int) -> Any:
        return ir.Constant(vector, [value] * LANES)

    def rotate(x: Any, count: int) -> Any:
        return builder.call(funnel_left, [x, x, every(32 - count)])

    def shift(x: Any, count: int) -> Any:
        return builder.lshr(x, every(count))

    def xor(x: Any, y: Any, z: Any) -> Any:
        return builder.xor(builder.xor(x, y), z)

    def add(first: Any, *others: Any) -> Any:
        for other in others:
            first = builder.add(first, other)
        return first

    def load(base: Any, index: int) -> Any:
        return builder.load(builder.gep(base, [word(index)]), align=4)

    w = [load(blocks, index) for index in range(16)]
    before = [load(states, index) for index in range(8)]
    a, b, c, d, e, f, g, h = before
    for t, constant in enumerate(_ROUND_CONSTANTS):
        if t >= 16:
            near, far = w[(t + 1) % 16], w[(t + 14) % 16]
            small_0 = xor(rotate(near, 7), rotate(near, 18), shift(near, 3))
            small_1 = xor(rotate(far, 17), rotate(far, 19), shift(far, 10))
            w[t % 16] = add(w[t % 16], small_0, w[(t + 9) % 16], small_1)
        choice = builder.xor(g, builder.and_(e, builder.xor(f, g)))
        majority = builder.or_(builder.and_(a, b), builder.and_(c, builder.or_(a, b)))
        big_1 = xor(rotate(e, 6), rotate(e, 11), rotate(e, 25))
        big_0 = xor(rotate(a, 2), rotate(a, 13), rotate(a, 22))
        mixed = add(h, big_1, choice, every(constant), w[t % 16])
        a, b, c, d, e, f, g, h = add(mixed, big_0, majority), a, b, c, add(d, mixed), e, f, g
    for index, (old, new) in enumerate(zip(before, (a, b, c, d, e, f, g, h), strict=True)):
        builder.store(builder.add(old, new), builder.gep(states, [word(index)]), align=4)
    builder.ret_void()
    return function


@intrinsic
def _compress(_typing: Any, state: Any, block: Any) -> Any:
    """Replace the states (8, lane) by what the compression function makes of them and the blocks (16, lane)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = _emit_compression(builder.module)
        pointers = [
            builder.bitcast(context.make_array(kind)(context, builder, argument).data, parameter.type)
            for kind, argument, parameter in zip(signature.args, arguments, function.args, strict=True)
        ]
        builder.call(function, pointers)
        return context.get_dummy_value()

    return types.void(state, block), generate


_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def _hmac_states(mac_key: Words, seal_key: Words) -> Words:
    """Return the states after the pads of HMAC (RFC 2104): inner and outer of the MAC key, then of the seal key."""
    state, block = np.empty((8, LANES), np.uint32), np.empty((16, LANES), np.uint32)
    for lane in range(LANES):
        key = mac_key if lane % 4 < 2 else seal_key
        pad = uint32(0x36363636) if lane % 2 == 0 else uint32(0x5C5C5C5C)
        for word in range(8):
            state[word, lane] = _INITIAL[word]
            block[word, lane] = key[word] ^ pad
            block[word + 8, lane] = pad
    _compress(state, block)
    return np.ascontiguousarray(state[:, :4].T)


@_jit
def _spread(state: Words, words: Words) -> None:
    for word in range(8):
        for lane in range(LANES):
            state[word, lane] = words[word]


@_jit
def _clear(block: Words) -> None:
    for word in range(16):  # `block[:] = 0` takes seconds more to compile
        for lane in range(LANES):
            block[word, lane] = 0


@_jit
def _copy(to: Words, state: Words) -> None:
    for word in range(8):
        for lane in range(LANES):
            to[word, lane] = state[word, lane]


@_jit
def _derive(states: Words, key_id: int, first_number: int, mac: Words, sealed: Any, block: Words, outer: Words) -> None:
    """Fill `mac` (8, lane) with F and `sealed` (lane) with the sealed numbers of consecutive units.

    `block` and `outer` are scratch, (16, lane). Messages have 7 and 10 bytes, and 32 in the outer hashes; each comes
    after one block of padding (`codes.py` says what they are).
    """
    _clear(block)
    _clear(outer)
    for lane in range(LANES):
        number = uint64(first_number) + uint64(lane)
        block[0, lane] = uint32(key_id << 16) | uint32(number >> uint64(24))
        block[1, lane] = (uint32(number) << uint32(8)) | uint32(0x80)
        block[15, lane] = (64 + 7) * 8
        outer[8, lane] = 0x80000000
        outer[15, lane] = (64 + 32) * 8
    _spread(outer, states[0])
    _compress(outer, block)
    _spread(mac, states[1])
    _compress(mac, outer)
    for lane in range(LANES):
        block[0, lane] = uint32(key_id << 16) | (mac[0, lane] >> uint32(16))
        block[1, lane] = (mac[0, lane] << uint32(16)) | (mac[1, lane] >> uint32(16))
        block[2, lane] = (mac[1, lane] << uint32(16)) | uint32(0x8000)
        block[15, lane] = (64 + 10) * 8
    _spread(outer, states[2])
    _compress(outer, block)
    _spread(block, states[3])
    _compress(block, outer)
    for lane in range(LANES):
        mask = (uint64(block[0, lane]) << uint64(8)) | (uint64(block[1, lane]) >> uint64(24))
        sealed[lane] = (uint64(first_number) + uint64(lane)) ^ mask


@_jit
def _leaves(states: Words, key_id: int, first_number: int, serials: Any, ends: Any, facts: Words) -> Words:
    """Return the leaf hashes (unit, word) of consecutive units; unit i has serials[ends[i]:ends[i + 1]]."""
    count = len(ends) - 1
    hashes = np.empty((count, 8), np.uint32)
    mac, sealed = np.empty((8, LANES), np.uint32), np.empty(LANES, np.uint64)
    block, outer = np.empty((16, LANES), np.uint32), np.empty((16, LANES), np.uint32)
    state, before = np.empty((8, LANES), np.uint32), np.empty((8, LANES), np.uint32)
    for start in range(0, count, LANES):
        used = min(LANES, count - start)
        _derive(states, key_id, first_number + start, mac, sealed, block, outer)
        for word in range(4):
            for lane in range(LANES):
                block[word, lane] = _LEAF_START[word]
                block[word + 12, lane] = facts[word]
        for lane in range(LANES):
            block[4, lane] = mac[2, lane] >> uint32(8)
            for word in range(3):
                block[5 + word, lane] = (mac[2 + word, lane] << uint32(24)) | (mac[3 + word, lane] >> uint32(8))
            block[8, lane] = (mac[5, lane] << uint32(24)) | uint32(key_id << 8) | uint32(sealed[lane] >> uint64(32))
            block[9, lane] = uint32(sealed[lane])
            block[10, lane] = mac[0, lane]
            block[11, lane] = mac[1, lane]
        _spread(state, _INITIAL)
        _compress(state, block)
        longest = 0
        for lane in range(used):
            longest = max(longest, ends[start + lane + 1] - ends[start + lane])
        # What follows the first block: 16 bytes of the facts, the serial, 0x80, zeros, and the length in bits.
        for nth in range((_LEAF_FIXED_BYTES - 64 + longest + 9 + 63) // 64):
            _clear(block)
            _copy(before, state)
            for lane in range(used):
                _tail_block(block, lane, nth, facts, serials, ends[start + lane], ends[start + lane + 1])
            _compress(state, block)
            for lane in range(used):  # a lane whose message has ended keeps its state
                if nth >= (_LEAF_FIXED_BYTES - 64 + ends[start + lane + 1] - ends[start + lane] + 9 + 63) // 64:
                    for word in range(8):
                        state[word, lane] = before[word, lane]
        for lane in range(used):
            for word in range(8):
                hashes[start + lane, word] = state[word, lane]
    return hashes


@_jit
def _tail_block(block: Words, lane: int, nth: int, facts: Words, serials: Any, begin: int, end: int) -> None:
    """Fill a lane of the block `nth` after the first: what it has of the facts, the serial, the padding, the length."""
    first = 0
    if nth == 0:
        first = 16
        for word in range(4):
            block[word, lane] = facts[word + 4]
    length = end - begin
    for at in range(first, 64):
        byte = nth * 64 + at - 16  # of the serial
        if byte > length:
            break
        value = uint32(serials[begin + byte]) if byte < length else uint32(0x80)
        block[at // 4, lane] |= value << uint32(24 - at % 4 * 8)
    if nth == (_LEAF_FIXED_BYTES - 64 + length + 9 + 63) // 64 - 1:
        block[15, lane] = (_LEAF_FIXED_BYTES + length) * 8


@_jit
def _parents(hashes: Words) -> Words:
    """Return the RFC 6962 nodes (node, word) over pairs of hashes: SHA-256(1 || left || right)."""
    count = len(hashes) // 2
    nodes = np.empty((count, 8), np.uint32)
    block, state = np.empty((16, LANES), np.uint32), np.empty((8, LANES), np.uint32)
    for start in range(0, count, LANES):
        used = min(LANES, count - start)
        for lane in range(used):
            carried = uint32(1)
            for word in range(16):
                value = hashes[2 * (start + lane) + word // 8, word % 8]
                block[word, lane] = (carried << uint32(24)) | (value >> uint32(8))
                carried = value
        _spread(state, _INITIAL)
        _compress(state, block)
        _clear(block)
        for lane in range(used):
            block[0, lane] = (hashes[2 * (start + lane) + 1, 7] << uint32(24)) | uint32(0x800000)
            block[15, lane] = (1 + 64) * 8
        _compress(state, block)
        for lane in range(used):
            for word in range(8):
                nodes[start + lane, word] = state[word, lane]
    return nodes


@_jit
def _codes(states: Words, key_id: int, first_number: int, count: int) -> NDArray[np.uint8]:
    """Return the printed codes (unit, letter) of consecutive units: five letters for each four of 15 bytes' 24 bits."""
    letters = np.empty((count, 20), np.uint8)
    mac, sealed = np.empty((8, LANES), np.uint32), np.empty(LANES, np.uint64)
    block, outer = np.empty((16, LANES), np.uint32), np.empty((16, LANES), np.uint32)
    for start in range(0, count, LANES):
        _derive(states, key_id, first_number + start, mac, sealed, block, outer)
        for lane in range(min(LANES, count - start)):
            # 120 bits in two halves of 60: key id 16, sealed number 40, tag 64.
            tag = (uint64(mac[0, lane]) << uint64(32)) | uint64(mac[1, lane])
            high = (uint64(key_id) << uint64(44)) | (sealed[lane] << uint64(4)) | (tag >> uint64(60))
            low = tag & uint64((1 << 60) - 1)
            for place in range(10):
                shift = uint64(54 - 6 * place)
                letters[start + lane, place] = _LETTERS[(high >> shift) & uint64(63)]
                letters[start + lane, place + 10] = _LETTERS[(low >> shift) & uint64(63)]
    return letters


def hmac_states(mac_key: bytes, seal_key: bytes) -> Words:
    """Return the four states that the functions below take for a signing key; as secret as the key itself."""
    states: Words = _hmac_states(to_words(mac_key), to_words(seal_key))
    return states


def leaves(
    states: Words, key_id: int, first_number: int, serials: NDArray[np.uint8], ends: NDArray[np.int64], facts: bytes
) -> Words:
    """Return the leaf hashes (unit, word) of consecutive units; unit i has the serial serials[ends[i]:ends[i + 1]]."""
    hashes: Words = _leaves(states, key_id, first_number, serials, ends, to_words(facts))
    return hashes


def parents(hashes: Words) -> Words:
    """Return the nodes (node, word) over each pair of hashes."""
    nodes: Words = _parents(hashes)
    return nodes


def codes(states: Words, key_id: int, first_number: int, count: int) -> NDArray[np.bytes_]:
    """Return the printed codes of consecutive units."""
    letters: NDArray[np.uint8] = _codes(states, key_id, first_number, count)
    return letters.view("S20").ravel()


def to_words(data: bytes) -> Words:
    """Return bytes as words."""
    return np.frombuffer(data, dtype=">u4").astype(np.uint32)


def to_bytes(words: Words) -> bytes:
    """Return words as bytes."""
    return words.astype(">u4").tobytes()
