"""Search in Indonesian: Sphinx brings a stemmer for the language, but no search language that uses it."""

import snowballstemmer
from sphinx.search import SearchLanguage, languages

STOPWORDS = frozenset(
    """ada adalah agar akan anda antara apa atau bagi bahwa baik bila bisa dalam dan dapat dari dengan di hanya
    harus hingga ia ini itu jadi jika juga kami karena ke kita lagi lain lalu lebih maka masih mereka namun oleh
    pada para pun saat saja sama sampai sangat satu sebagai sebuah sebelum seperti serta setelah setiap suatu
    sudah supaya tanpa tapi telah tentang tersebut tetapi tiap tidak untuk yaitu yakni yang""".split()
)


class SearchIndonesian(SearchLanguage):
    """Cut Indonesian words down to their stems, so that "melatih" finds "pelatihan"."""

    lang = "id"
    language_name = "Indonesian"
    js_stemmer_rawcode = "indonesian-stemmer.js"
    stopwords = STOPWORDS

    def __init__(self, options):
        super().__init__(options)
        self.stemmer = snowballstemmer.stemmer("indonesian")

    def stem(self, word):
        """Return the stem of a word."""
        return self.stemmer.stemWord(word.lower())


def setup(app):
    """Register the language with Sphinx."""
    languages["id"] = SearchIndonesian
    return {"parallel_read_safe": True, "parallel_write_safe": True}
