"""What holds of every class of the core: it is frozen, and shows no secret."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator

import msgspec
import pytest

import croc_core
from croc_core import contexts, pake
from croc_core.content import Codec
from croc_core.handshake import CapsOffer, Policy
from croc_core.party import Patience
from croc_core.values import Secret

HIDDEN = {
    "codes.PhraseCode": ("phrase",),
    "handshake.Session": ("h_k",),
    "party.StreamKeys": ("session", "hello_s", "hello_r"),
    "party_io.Compare": ("key",),
    "party_io.Consider": ("entries",),
    "party_io.Dial": ("line",),
    "party_io.Post": ("body",),
    "party_io.Replied": ("body",),
    "party_io.SendDigests": ("key",),
    "party_io.ShowVerifier": ("places",),
    "recipient_states.Agreed": ("accepts",),
    "recipient_states.AgreedHeld": ("accepts",),
    "recipient_states.DigestsGood": ("key",),
    "recipient_states.OfferBegun": ("entries",),
    "recipient_states.OfferGrew": ("entries",),
    "recipient_states.OpenShown": ("places",),
    "relay_io.Answer": ("body",),
    "relay_io.Asked": ("body",),
    "relay_io.LinkReceived": ("data",),
    "relay_io.Staple": ("to_a", "to_b"),
    "sender_states.AcceptHeld": ("key",),
    "sender_states.HelloAsked": ("places",),
    "sender_states.HelloShown": ("places",),
    "sender_states.XTaken": ("code",),
    "values.Secret": ("reveal",),
}
"""Keys, words to compare, codes, uuids (in bodies, lines and first bytes), and names of files."""


def classes() -> Iterator[type]:
    for found in pkgutil.walk_packages(croc_core.__path__, "croc_core."):
        module = importlib.import_module(found.name)
        for thing in vars(module).values():
            if isinstance(thing, type) and thing.__module__ == module.__name__:
                yield thing


def structs() -> list[type[msgspec.Struct]]:
    return [one for one in classes() if issubclass(one, msgspec.Struct)]


def named(one: type) -> str:
    return f"{one.__module__}.{one.__qualname__}".removeprefix("croc_core.")


@pytest.mark.parametrize("one", structs(), ids=named)
def test_a_struct_is_frozen(one: type[msgspec.Struct]) -> None:
    assert one.__struct_config__.frozen


def test_what_is_nobody_elses_stays_out_of_the_repr() -> None:
    found = {named(one): one.__dict__["hidden"] for one in structs() if "hidden" in vars(one)}
    del found["values.Value"]
    assert found == HIDDEN
    for one in structs():
        assert set(HIDDEN.get(named(one), ())) <= set(one.__struct_fields__)


COMMON = {"patience": Patience(), "streams": 1, "suite": pake.suite}
DEFAULTS = {
    contexts.SenderContext: COMMON
    | {"channel": None, "curve": pake.DEFAULT, "token": None, "caps": CapsOffer()},
    contexts.RecipientContext: COMMON
    | {
        "curve": None,
        "policy": Policy(),
        "many_from": 0,
        "codecs": (Codec.RAW, Codec.ZEROS),
        "max_entries": 2_000_000,
    },
}


@pytest.mark.parametrize("kind", DEFAULTS)
def test_what_a_party_knows_where_nothing_is_said(kind: type) -> None:
    given = {
        field.name: Secret(b"") if field.name == "secret" else "given"
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING
    }
    made = kind(**given)
    found = {f.name: getattr(made, f.name) for f in dataclasses.fields(kind) if f.name not in given}
    assert found == DEFAULTS[kind]
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.streams = 2
