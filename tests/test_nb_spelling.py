"""Spelling: Indonesian words and their affixed forms pass, slips and forbidden variants do not."""

import pytest

from tools.nb_schema import SECTIONS
from tools.nb_spelling import TERMS, forbidden_variants, glossary_rows, is_known, unknown_words

RIGHT = (
    "sebelum bobotnya gradiennya dilatih pengklasifikasi diinisialisasi memvalidasi ketaklinearan nonlinear "
    "gambar-gambar sebesar-besarnya subkunci konvolusional mengompilasi terdiferensiasi batch learning rate"
).split()
WRONG = "syaraf merupkan pelatian menghitng perubaahn dilatig jaringn seblum memprediski aktifasi resiko".split()


@pytest.mark.parametrize("word", RIGHT)
def test_right_words_are_known(word):
    assert is_known(word)


@pytest.mark.parametrize("word", WRONG)
def test_slips_are_not_known(word):
    assert not is_known(word)


def test_names_numbers_and_symbols_pass_inside_a_sentence():
    text = "Menurut Zwxqv, ReLU dan L2 dipakai 3x di JAX.\n- Bobot w kecil"
    assert unknown_words(text) == []
    assert unknown_words("Zwxqv benar. Dilatig lagi") == ["Zwxqv", "Dilatig"]


def test_section_headings_are_spelled_rightly():
    assert unknown_words("\n".join(f"## {section}" for section in SECTIONS)) == []


def test_term_list_has_no_doubles():
    lines = TERMS.read_text(encoding="utf-8").split("\n")
    words = [word for line in lines if not line.startswith("#") for word in line.split()]
    assert len(words) >= 150
    assert len(words) == len(set(words))


def test_glossary_is_sound():
    rows = glossary_rows()
    terms = [term for term, _, _ in rows]
    variants = [variant.lower() for variant, _ in forbidden_variants()]
    assert len(rows) >= 70
    assert len(set(terms)) == len(terms)
    assert len(set(variants)) == len(variants)
    assert all(english for _, english, _ in rows)
    assert not {term.lower() for term in terms} & set(variants)


def test_fixed_terms_are_in_the_glossary():
    fixed = (
        "jaringan saraf,bobot,bias,lapisan,fungsi aktivasi,turunan,gradien,galat,data latih,data validasi,"
        "data uji,akurasi,kelas,larik,tensor,matriks,vektor,peubah acak,sebaran,kunci,kompilasi,vektorisasi,"
        "perangkat,autoenkoder,encoder,decoder,ruang laten,derau,difusi,mekanisme atensi"
    )
    assert set(fixed.split(",")) <= {term for term, _, _ in glossary_rows()}
