"""Products over gRPC."""

from collections.abc import Callable

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.rpc.calls import Client, refusal
from voketag.factory.v1 import factory_pb2 as pb


def an_order(sku: str, **more: object) -> pb.CreateProductRequest:
    return pb.CreateProductRequest(**{"sku": sku, "name": f"Product {sku}", **more})


async def test_a_product_comes_back_as_it_was_registered(factory: Client) -> None:
    made = await factory.CreateProduct(
        an_order(
            "OIL-1",
            gtin="4006381333931",
            category="food",
            description="Azeite extra virgem",
            markets=["BR", "PT"],
            image_url="https://img.example/oil.png",
            metadata={"plant": "7"},
        )
    )
    assert made.sku == "OIL-1"
    assert made.gtin == "4006381333931"
    assert list(made.markets) == ["BR", "PT"]
    assert dict(made.metadata) == {"plant": "7"}
    assert not made.archived
    assert made.created_at == made.updated_at
    assert await factory.GetProduct(pb.GetProductRequest(product_id=made.product_id)) == made


async def test_a_sku_is_taken_once_per_tenant(factory: Client, factory_of_rival: Client) -> None:
    await factory.CreateProduct(an_order("OIL-1"))
    refused = await refusal(factory.CreateProduct(an_order("OIL-1")))
    assert (refused.code, refused.reason, refused.metadata) == ("ALREADY_EXISTS", "DUPLICATE_SKU", {"sku": "OIL-1"})
    await factory_of_rival.CreateProduct(an_order("OIL-1"))


async def test_pages_hold_every_product_once_newest_first(factory: Client, factory_of_rival: Client) -> None:
    made = [(await factory.CreateProduct(an_order(f"P-{number}"))).product_id for number in range(5)]
    await factory_of_rival.CreateProduct(an_order("P-9"))
    listed, token = [], ""
    for _ in range(3):
        page = await factory.ListProducts(pb.ListProductsRequest(page_size=2, page_token=token))
        listed += [product.product_id for product in page.products]
        token = page.next_page_token
    assert listed == made[::-1]
    assert not token


async def test_an_archived_product_is_listed_only_on_request(factory: Client) -> None:
    product = await factory.CreateProduct(an_order("OLD"))
    archived = await factory.ArchiveProduct(pb.ArchiveProductRequest(product_id=product.product_id))
    assert archived.archived
    assert await factory.ArchiveProduct(pb.ArchiveProductRequest(product_id=product.product_id)) == archived
    assert not (await factory.ListProducts(pb.ListProductsRequest())).products
    assert list((await factory.ListProducts(pb.ListProductsRequest(include_archived=True))).products) == [archived]


async def test_only_what_the_mask_names_changes(factory: Client) -> None:
    product = await factory.CreateProduct(an_order("A", category="tools", description="old", markets=["DE"]))
    changed = await factory.UpdateProduct(
        pb.UpdateProductRequest(
            product_id=product.product_id,
            product=pb.ProductChange(name="ignored", category="toys"),
            update_mask=FieldMask(paths=["category", "markets"]),
        )
    )
    assert (changed.name, changed.category, changed.description, list(changed.markets)) == (
        "Product A",
        "toys",
        "old",
        [],
    )
    assert changed.updated_at.ToNanoseconds() > product.updated_at.ToNanoseconds()
    assert await factory.GetProduct(pb.GetProductRequest(product_id=product.product_id)) == changed


async def test_without_a_mask_every_field_that_is_set_changes(factory: Client) -> None:
    product = await factory.CreateProduct(an_order("A", category="tools"))
    changed = await factory.UpdateProduct(
        pb.UpdateProductRequest(product_id=product.product_id, product=pb.ProductChange(name="New name"))
    )
    assert (changed.name, changed.category) == ("New name", "tools")


@pytest.mark.parametrize("path", ["sku", "product_id", "metadata.plant", "nonsense", "*", ""])
async def test_an_unknown_path_of_a_mask_is_refused(factory: Client, path: str) -> None:
    product = await factory.CreateProduct(an_order("A"))
    refused = await refusal(
        factory.UpdateProduct(
            pb.UpdateProductRequest(
                product_id=product.product_id, product=pb.ProductChange(name="x"), update_mask=FieldMask(paths=[path])
            )
        )
    )
    assert (refused.code, refused.reason, refused.fields) == ("INVALID_ARGUMENT", "INVALID_ARGUMENT", ["update_mask"])


@pytest.mark.parametrize(
    ("change", "path"),
    [(pb.ProductChange(), "name"), (pb.ProductChange(gtin="4006381333932"), "gtin")],
)
async def test_a_change_that_leaves_no_product_is_refused(factory: Client, change: pb.ProductChange, path: str) -> None:
    product = await factory.CreateProduct(an_order("A"))
    refused = await refusal(
        factory.UpdateProduct(
            pb.UpdateProductRequest(product_id=product.product_id, product=change, update_mask=FieldMask(paths=[path]))
        )
    )
    assert (refused.reason, refused.fields) == ("INVALID_ARGUMENT", [path])
    assert await factory.GetProduct(pb.GetProductRequest(product_id=product.product_id)) == product


# Check digits from GS1's calculator: https://www.gs1.org/services/check-digit-calculator
@pytest.mark.parametrize("gtin", ["96385074", "614141999996", "4006381333931", "10614141000415", ""])
async def test_a_right_gtin_of_each_length_is_taken(factory: Client, gtin: str) -> None:
    assert (await factory.CreateProduct(an_order("A", gtin=gtin))).gtin == gtin


@pytest.mark.parametrize("gtin", ["96385075", "614141999995", "4006381333913", "10614141000416"])
async def test_a_gtin_with_a_wrong_check_digit_is_refused(factory: Client, gtin: str) -> None:
    refused = await refusal(factory.CreateProduct(an_order("A", gtin=gtin)))
    assert (refused.code, refused.reason, refused.fields) == ("INVALID_ARGUMENT", "INVALID_ARGUMENT", ["gtin"])


async def test_the_token_of_another_listing_is_refused(factory: Client, factory_as: Callable[..., Client]) -> None:
    for sku in ("A", "B"):
        await factory.CreateProduct(an_order(sku))
        await factory.CreateApiKey(pb.CreateApiKeyRequest(name=sku, scopes=["products:read"]))
    token = (await factory.ListApiKeys(pb.ListApiKeysRequest(page_size=1))).next_page_token
    refused = await refusal(factory.ListProducts(pb.ListProductsRequest(page_token=token)))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


async def listed(factory: Client, **asked: object) -> list[str]:
    found = await factory.ListProducts(pb.ListProductsRequest(**asked))
    return [product.sku for product in found.products]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"sku_prefix": "OIL"}, ["OIL-2", "OIL-1"]),
        ({"sku_prefix": "oil"}, []),
        ({"sku_prefix": "O_L"}, []),
        ({"category": "food"}, ["WINE", "OIL-1"]),
        ({"gtin": "96385074"}, ["OIL-1"]),
        ({"gtin": "00000096385074"}, ["OIL-1"]),
        ({"gtin": "4006381333931"}, []),
        ({"text": "azeite"}, ["OIL-2", "OIL-1"]),
        ({"text": "DOURO"}, ["WINE"]),
        ({"text": "100%"}, ["OIL-2"]),
        ({"text": "%"}, ["OIL-2"]),
        ({"text": "azeite", "category": "food"}, ["OIL-1"]),
        ({"category": "nothing"}, []),
    ],
)
async def test_a_listing_shows_what_its_filters_say(factory: Client, asked: dict[str, str], found: list[str]) -> None:
    await factory.CreateProduct(an_order("OIL-1", name="Azeite", category="food", gtin="96385074"))
    await factory.CreateProduct(an_order("OIL-2", name="AZEITE 100%"))
    await factory.CreateProduct(an_order("WINE", category="food", description="Tinto do Douro"))
    assert await listed(factory, **asked) == found


@pytest.mark.parametrize(
    ("order_by", "skus"),
    [
        ("", ["A", "C", "B", "D"]),
        ("created_at desc", ["A", "C", "B", "D"]),
        ("created_at", ["D", "B", "C", "A"]),
        ("created_at asc", ["D", "B", "C", "A"]),
        ("sku", ["A", "B", "C", "D"]),
        ("sku  desc", ["D", "C", "B", "A"]),
        ("name", ["C", "D", "B", "A"]),
        ("name desc", ["A", "B", "D", "C"]),
    ],
)
async def test_a_listing_has_its_order_over_all_its_pages(factory: Client, order_by: str, skus: list[str]) -> None:
    for sku, name in (("D", "same"), ("B", "same"), ("C", "first"), ("A", "very last")):
        await factory.CreateProduct(an_order(sku, name=name))
    found, token = [], ""
    while len(found) < len(skus):
        ask = pb.ListProductsRequest(page_size=1, page_token=token, order_by=order_by)
        page = await factory.ListProducts(ask)
        found += [product.sku for product in page.products]
        token = page.next_page_token
    assert (found, token) == (skus, "")


@pytest.mark.parametrize("order_by", ["price", "name up", "name,sku", "desc", "name desc desc"])
async def test_an_order_that_there_is_not_is_refused(factory: Client, order_by: str) -> None:
    refused = await refusal(factory.ListProducts(pb.ListProductsRequest(order_by=order_by)))
    assert (refused.reason, refused.fields) == ("INVALID_ARGUMENT", ["order_by"])


async def test_the_token_of_another_order_is_refused(factory: Client) -> None:
    for sku in ("A", "B"):
        await factory.CreateProduct(an_order(sku))
    token = (await factory.ListProducts(pb.ListProductsRequest(page_size=1, order_by="name"))).next_page_token
    refused = await refusal(factory.ListProducts(pb.ListProductsRequest(page_token=token, order_by="sku")))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")
