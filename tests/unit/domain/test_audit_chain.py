"""No entry of the audit can be changed, moved, taken out or put in unnoticed; S19."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from domain.audit_chain import Head, Sealed, follow, hash_of


def chain(contents: list[str]) -> list[Sealed]:
    entries, previous = [], b""
    for number, content in enumerate(contents, start=1):
        entries.append(Sealed(number, content, previous, hash_of(previous, content)))
        previous = entries[-1].hash
    return entries


contents = st.lists(st.text(min_size=1), min_size=1, max_size=8)


@given(contents)
def test_a_chain_holds_to_its_end(written: list[str]) -> None:
    entries = chain(written)

    assert follow(entries) == (Head.of(entries[-1]), None)


@given(contents, st.data())
def test_a_changed_entry_is_the_first_that_is_wrong(written: list[str], data: st.DataObject) -> None:
    entries = chain(written)
    place = data.draw(st.integers(0, len(entries) - 1))
    entries[place] = replace(entries[place], content=entries[place].content + "!")

    assert follow(entries)[1] == place + 1


@given(contents, st.data())
def test_a_changed_entry_with_a_new_hash_breaks_the_next(written: list[str], data: st.DataObject) -> None:
    """Whoever rewrites one entry must rewrite all that follow; a head kept elsewhere tells even that."""
    entries = chain([*written, "last"])
    place = data.draw(st.integers(0, len(entries) - 2))
    old = entries[place]
    entries[place] = replace(old, content=old.content + "!", hash=hash_of(old.previous, old.content + "!"))

    assert follow(entries)[1] == place + 2


@given(contents, st.data())
def test_an_entry_taken_out_is_missed(written: list[str], data: st.DataObject) -> None:
    entries = chain([*written, "last"])
    place = data.draw(st.integers(0, len(entries) - 2))
    del entries[place]

    assert follow(entries)[1] == place + 1


@given(contents)
def test_a_chain_can_be_followed_from_a_head_kept_elsewhere(written: list[str]) -> None:
    entries = chain(["first", *written])

    assert follow(entries[1:], Head.of(entries[0])) == (Head.of(entries[-1]), None)
