"""What is written to NFC tags, held against the specification's own layout."""

from services.factory import ndef


def test_an_https_url_is_one_short_uri_record() -> None:
    # D1: message begins and ends here, short record, well-known type. 01: type of one byte. 0B: payload of 11 bytes.
    # 55: "U". 04: "https://".
    assert ndef.message("https://a.example/") == bytes.fromhex("D1010B5504") + b"a.example/"


def test_each_beginning_has_its_byte() -> None:
    beginnings = {"https://www.x.y": 2, "http://www.x.y": 1, "https://x.y": 4, "http://x.y": 3, "coap://x": 0}
    assert {url: ndef.message(url)[4] for url in beginnings} == beginnings
    assert ndef.message("coap://x")[5:] == b"coap://x"
