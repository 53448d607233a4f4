"""References to images: what is a registry, what a tag."""

from __future__ import annotations

import pytest

from meshlint.model.images import parse_image

DIGEST = "sha256:" + "9b" * 32


@pytest.mark.parametrize(
    ("reference", "full_name", "tag", "digest"),
    [
        ("redis", "docker.io/library/redis", "", ""),
        ("redis:7.4", "docker.io/library/redis", "7.4", ""),
        ("bitnami/redis", "docker.io/bitnami/redis", "", ""),
        ("index.docker.io/redis:7", "docker.io/library/redis", "7", ""),
        ("localhost/cart:1", "localhost/cart", "1", ""),
        ("localhost:5000/cart", "localhost:5000/cart", "", ""),
        ("registry.bank:5000/pay/ledger", "registry.bank:5000/pay/ledger", "", ""),
        ("Registry.Bank/ledger:2", "registry.bank/ledger", "2", ""),
        ("shop/cart@" + DIGEST, "docker.io/shop/cart", "", DIGEST),
        ("ghcr.io/shop/cart:1.2@" + DIGEST, "ghcr.io/shop/cart", "1.2", DIGEST),
    ],
)
def test_parts_of_a_reference(reference: str, full_name: str, tag: str, digest: str) -> None:
    image = parse_image(reference)
    assert image is not None
    assert (image.full_name, image.tag, image.digest) == (full_name, tag, digest)


@pytest.mark.parametrize(
    "reference", ["", ":1.2", "@" + DIGEST, " redis", "redis:", "redis:-x", "ko://shop.example/cmd"]
)
def test_what_is_no_reference(reference: str) -> None:
    assert parse_image(reference) is None


def test_no_tag_is_latest() -> None:
    image = parse_image("ghcr.io/shop/cart")
    assert image is not None
    assert (image.effective_tag, image.base_name) == ("latest", "cart")
