"""Prose is spelt right, the British way; `python -m tests.spelling` shows what is not."""
from tests import spelling


def test_every_word_is_known():
    found = spelling.unknown()
    assert not found, "\n".join(f"{w}: {where}" + (f" (British: {spelling.american()[w]})" if w in spelling.american() else "") for w, where in found.items())


def test_no_common_mistake():
    assert not (found := spelling.misspelt_for_sure()), "\n".join(found)


def test_mistakes_are_found():
    planted = "We recieve a seperate colour in the neighborhood, `colr` in code, [a link](nowhere/colr.html) and 3x3 ResNets behave."
    known = spelling.dictionary()
    wrong = [w for w in spelling.words(spelling.prose(planted)) if w not in known]
    assert "neighborhood" in wrong and "colour" not in wrong and "colr" not in wrong and "link" not in wrong
    assert {"recieve", "seperate"} <= set(wrong) | set(" ".join(spelling.misspelt_for_sure([("planted", planted)])).split())
    for american, british in (("color", "colour"), ("normalized", "normalised"), ("gray", "grey"), ("center", "centre"), ("modeling", "modelling")): assert american not in known and british in known


def test_own_words_are_few_sorted_and_used():
    own = spelling.WORDS.read_text(encoding="utf-8").split()
    assert own == sorted(set(own)) and len(own) <= 300
    used = {w for _, text in spelling.texts() for w in spelling.words(text)} | {"ehr"}          # codespell reads the list too
    assert len(idle := [w for w in own if w not in used]) <= 15, f"not needed any more: {idle}"
    assert not (foreign := [w for w in own if w in spelling.american()]), f"American: {foreign}"
