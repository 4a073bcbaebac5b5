# Jawaban salah yang lazim. Setiap bagian: `# %% tugas | apa yang salah | kata di dalam pesan penolakannya`.
# ruff: noqa

# %% topeng | arah kausal terbalik | arah topeng kausal
def packed_mask(documents):
    documents = jnp.asarray(documents)
    places = jnp.arange(documents.shape[1])
    same = documents[:, :, None] == documents[:, None, :]
    mask = (places[:, None] <= places) & same & (documents[:, None, :] > 0)
    return (mask | jnp.eye(len(places), dtype=bool))[:, None]


# %% topeng | dokumen tidak dipisahkan | dokumen harus terpisah
def packed_mask(documents):
    documents = jnp.asarray(documents)
    places = jnp.arange(documents.shape[1])
    mask = (places[:, None] >= places) & (documents[:, None, :] > 0)
    return (mask | jnp.eye(len(places), dtype=bool))[:, None]


# %% topeng | baris bantalan tertutup | seluruhnya tertutup
def packed_mask(documents):
    documents = jnp.asarray(documents)
    places = jnp.arange(documents.shape[1])
    same = documents[:, :, None] == documents[:, None, :]
    return ((places[:, None] >= places) & same & (documents[:, None, :] > 0))[:, None]


# %% topeng | bantalan dianggap satu dokumen | bantalan melihat bantalan lain
def packed_mask(documents):
    documents = jnp.asarray(documents)
    places = jnp.arange(documents.shape[1])
    return ((places[:, None] >= places) & (documents[:, :, None] == documents[:, None, :]))[:, None]


# %% topeng | sumbu kepala terlupa | bentuk topeng
def packed_mask(documents):
    documents = jnp.asarray(documents)
    places = jnp.arange(documents.shape[1])
    same = documents[:, :, None] == documents[:, None, :]
    mask = (places[:, None] >= places) & same & (documents[:, None, :] > 0)
    return mask | jnp.eye(len(places), dtype=bool)


# %% topeng | semua baris memakai dokumen baris pertama | dokumen kueri
def packed_mask(documents):
    documents = jnp.asarray(documents)
    places, first = jnp.arange(documents.shape[1]), documents[:1]
    same = first[:, :, None] == first[:, None, :]
    mask = (places[:, None] >= places) & same & (first[:, None, :] > 0)
    mask = mask | jnp.eye(len(places), dtype=bool)
    return jnp.repeat(mask[:, None], len(documents), axis=0)


# %% kelompok | pembagi akar D terlupa | pembagi akar D
def grouped_attention(queries, keys, values, mask):
    copies = queries.shape[1] // keys.shape[1]
    keys, values = jnp.repeat(keys, copies, axis=1), jnp.repeat(values, copies, axis=1)
    scores = queries @ keys.swapaxes(-1, -2)
    return jax.nn.softmax(jnp.where(mask, scores, -jnp.inf)) @ values


# %% kelompok | topeng dikalikan sesudah softmax | sebelum softmax
def grouped_attention(queries, keys, values, mask):
    copies = queries.shape[1] // keys.shape[1]
    keys, values = jnp.repeat(keys, copies, axis=1), jnp.repeat(values, copies, axis=1)
    scores = queries @ keys.swapaxes(-1, -2) / math.sqrt(queries.shape[-1])
    return (jax.nn.softmax(scores) * mask) @ values


# %% kelompok | kepala kunci berselang-seling | bertetangga
def grouped_attention(queries, keys, values, mask):
    copies = queries.shape[1] // keys.shape[1]
    keys, values = jnp.tile(keys, (1, copies, 1, 1)), jnp.tile(values, (1, copies, 1, 1))
    scores = queries @ keys.swapaxes(-1, -2) / math.sqrt(queries.shape[-1])
    return jax.nn.softmax(jnp.where(mask, scores, -jnp.inf)) @ values


# %% kelompok | eksponensial meluap | NaN atau tak hingga
def grouped_attention(queries, keys, values, mask):
    copies = queries.shape[1] // keys.shape[1]
    keys, values = jnp.repeat(keys, copies, axis=1), jnp.repeat(values, copies, axis=1)
    powers = jnp.exp(queries @ keys.swapaxes(-1, -2) / math.sqrt(queries.shape[-1])) * mask
    return powers / powers.sum(axis=-1, keepdims=True) @ values


# %% kelompok | skor yang tertutup hanya dikurangi 10.000 | kunci tertutup yang berskor dua juta
def grouped_attention(queries, keys, values, mask):
    copies = queries.shape[1] // keys.shape[1]
    keys, values = jnp.repeat(keys, copies, axis=1), jnp.repeat(values, copies, axis=1)
    scores = queries @ keys.swapaxes(-1, -2) / math.sqrt(queries.shape[-1])
    return jax.nn.softmax(scores - 1e4 * ~mask) @ values


# %% kelompok | sumbu softmax keliru | bobot setiap baris berjumlah 1
def grouped_attention(queries, keys, values, mask):
    copies = queries.shape[1] // keys.shape[1]
    keys, values = jnp.repeat(keys, copies, axis=1), jnp.repeat(values, copies, axis=1)
    scores = queries @ keys.swapaxes(-1, -2) / math.sqrt(queries.shape[-1])
    return jax.nn.softmax(jnp.where(mask, scores, -1e9), axis=-2) @ values


# %% kelompok | fungsi pustaka dipanggil | tanpa dot_product_attention
def grouped_attention(queries, keys, values, mask):
    parts = (part.swapaxes(1, 2) for part in (queries, keys, values))
    return jax.nn.dot_product_attention(*parts, mask=jnp.asarray(mask)).swapaxes(1, 2)


# %% kelompok | fungsi pustaka dipanggil dengan nama lain | tanpa dot_product_attention
from jax.nn import dot_product_attention as attend


def grouped_attention(queries, keys, values, mask):
    parts = (part.swapaxes(1, 2) for part in (queries, keys, values))
    return attend(*parts, mask=jnp.asarray(mask)).swapaxes(1, 2)


# %% potongan | banyaknya kata diabaikan | kalikan dengan banyaknya kata
def swap(ids, pair, token):
    joined = []
    for number in ids:
        if joined and (joined[-1], number) == tuple(pair):
            joined[-1] = token
        else:
            joined.append(number)
    return joined


def merge_round(words, counts, token):
    found = {}
    for ids in words:
        for pair in zip(ids, ids[1:]):
            found[pair] = found.get(pair, 0) + 1
    best = min(found, key=lambda pair: (-found[pair], pair))
    return best, [swap(ids, best, token) for ids in words]


def encode_word(ids, merges):
    for number, pair in enumerate(merges):
        ids = swap(ids, pair, 256 + number)
    return ids


# %% potongan | seri dimenangkan yang pertama terlihat | bila seri
def swap(ids, pair, token):
    joined = []
    for number in ids:
        if joined and (joined[-1], number) == tuple(pair):
            joined[-1] = token
        else:
            joined.append(number)
    return joined


def merge_round(words, counts, token):
    found = {}
    for ids, count in zip(words, counts):
        for pair in zip(ids, ids[1:]):
            found[pair] = found.get(pair, 0) + count
    best = max(found, key=found.get)
    return best, [swap(ids, best, token) for ids in words]


def encode_word(ids, merges):
    for number, pair in enumerate(merges):
        ids = swap(ids, pair, 256 + number)
    return ids


# %% potongan | mengganti dari kanan | ganti dari kiri
def swap(ids, pair, token):
    joined = []
    for number in reversed(ids):
        if joined and (number, joined[0]) == tuple(pair):
            joined[0] = token
        else:
            joined.insert(0, number)
    return joined


def merge_round(words, counts, token):
    found = {}
    for ids, count in zip(words, counts):
        for pair in zip(ids, ids[1:]):
            found[pair] = found.get(pair, 0) + count
    best = min(found, key=lambda pair: (-found[pair], pair))
    return best, [swap(ids, best, token) for ids in words]


def encode_word(ids, merges):
    for number, pair in enumerate(merges):
        ids = swap(ids, pair, 256 + number)
    return ids


# %% potongan | mengodekan dari kiri, bukan menurut urutan pasangan | menurut urutan
def merge_round(words, counts, token):
    found = {}
    for ids, count in zip(words, counts):
        for pair in zip(ids, ids[1:]):
            found[pair] = found.get(pair, 0) + count
    best = min(found, key=lambda pair: (-found[pair], pair))
    joined = []
    for ids in words:
        row = []
        for number in ids:
            if row and (row[-1], number) == best:
                row[-1] = token
            else:
                row.append(number)
        joined.append(row)
    return best, joined


def encode_word(ids, merges):
    ranks = {tuple(pair): 256 + number for number, pair in enumerate(merges)}
    row = []
    for number in ids:
        row.append(number)
        while len(row) > 1 and (row[-2], row[-1]) in ranks:
            row[-2:] = [ranks[row[-2], row[-1]]]
    return row


# %% potongan | pasangan dihitung sekali saja setiap kata | bertindihan pun dihitung
def swap(ids, pair, token):
    joined = []
    for number in ids:
        if joined and (joined[-1], number) == tuple(pair):
            joined[-1] = token
        else:
            joined.append(number)
    return joined


def merge_round(words, counts, token):
    found = {}
    for ids, count in zip(words, counts):
        for pair in set(zip(ids, ids[1:])):
            found[pair] = found.get(pair, 0) + count
    best = min(found, key=lambda pair: (-found[pair], pair))
    return best, [swap(ids, best, token) for ids in words]


def encode_word(ids, merges):
    for number, pair in enumerate(merges):
        ids = swap(ids, pair, 256 + number)
    return ids


# %% potongan | seri dimenangkan yang terbesar | bila seri
def swap(ids, pair, token):
    joined = []
    for number in ids:
        if joined and (joined[-1], number) == tuple(pair):
            joined[-1] = token
        else:
            joined.append(number)
    return joined


def merge_round(words, counts, token):
    found = {}
    for ids, count in zip(words, counts):
        for pair in zip(ids, ids[1:]):
            found[pair] = found.get(pair, 0) + count
    best = max(found, key=lambda pair: (found[pair], pair))
    return best, [swap(ids, best, token) for ids in words]


def encode_word(ids, merges):
    for number, pair in enumerate(merges):
        ids = swap(ids, pair, 256 + number)
    return ids


# %% potongan | pasangan mana pun yang lebih dahulu ditemui digabungkan | menurut urutan
def swap(ids, pair, token):
    joined = []
    for number in ids:
        if joined and (joined[-1], number) == tuple(pair):
            joined[-1] = token
        else:
            joined.append(number)
    return joined


def merge_round(words, counts, token):
    found = {}
    for ids, count in zip(words, counts):
        for pair in zip(ids, ids[1:]):
            found[pair] = found.get(pair, 0) + count
    best = min(found, key=lambda pair: (-found[pair], pair))
    return best, [swap(ids, best, token) for ids in words]


def encode_word(ids, merges):
    ranks = {tuple(pair): 256 + number for number, pair in enumerate(merges)}
    place = 0
    while place < len(ids) - 1:
        if (ids[place], ids[place + 1]) in ranks:
            ids, place = ids[:place] + [ranks[ids[place], ids[place + 1]]] + ids[place + 2 :], 0
        else:
            place += 1
    return ids


# %% potongan | BytePairs dipanggil, hanya dapat membaca byte | range(0, 256)
from common.data import BytePairs


def swap(ids, pair, token):
    joined = []
    for number in ids:
        if joined and (joined[-1], number) == tuple(pair):
            joined[-1] = token
        else:
            joined.append(number)
    return joined


def merge_round(words, counts, token):
    found = {}
    for ids, count in zip(words, counts):
        for pair in zip(ids, ids[1:]):
            found[pair] = found.get(pair, 0) + count
    best = min(found, key=lambda pair: (-found[pair], pair))
    return best, [swap(ids, best, token) for ids in words]


def encode_word(ids, merges):
    return BytePairs(tuple(merges)).encode(bytes(ids).decode()).tolist()


# %% perbaiki-kepala | salinan yang salah | kepala tercampur dengan token
multi_head = faulty_multi_head


# %% perbaiki-kepala | hanya pembagi yang diperbaiki | kepala tercampur dengan token
def multi_head(params, x, heads, mask):
    B, T, C = x.shape
    parts = [x @ params[name] for name in ("query", "key", "value")]
    queries, keys, values = (part.reshape(B, heads, T, C // heads) for part in parts)
    scores = queries @ keys.swapaxes(-1, -2) / math.sqrt(C // heads)
    weights = jax.nn.softmax(jnp.where(mask, scores, jnp.finfo(scores.dtype).min))
    return (weights @ values).reshape(B, T, C) @ params["out"]


# %% perbaiki-kepala | hanya reshape yang diperbaiki | periksa pembaginya
def multi_head(params, x, heads, mask):
    B, T, C = x.shape
    parts = [x @ params[name] for name in ("query", "key", "value")]
    queries, keys, values = (part.reshape(B, T, heads, C // heads).swapaxes(1, 2) for part in parts)
    scores = queries @ keys.swapaxes(-1, -2) / math.sqrt(C)
    weights = jax.nn.softmax(jnp.where(mask, scores, jnp.finfo(scores.dtype).min))
    return (weights @ values).swapaxes(1, 2).reshape(B, T, C) @ params["out"]


# %% perbaiki-kepala | kepala tidak ditukar kembali sebelum digabung | bocor lewat reshape
def multi_head(params, x, heads, mask):
    B, T, C = x.shape
    parts = [x @ params[name] for name in ("query", "key", "value")]
    queries, keys, values = (part.reshape(B, T, heads, C // heads).swapaxes(1, 2) for part in parts)
    scores = queries @ keys.swapaxes(-1, -2) / math.sqrt(C // heads)
    weights = jax.nn.softmax(jnp.where(mask, scores, jnp.finfo(scores.dtype).min))
    return (weights @ values).reshape(B, T, C) @ params["out"]


# %% perbaiki-kepala | kolom kepala berselang-seling | kepala ke-0 harus memakai kolom 0
def multi_head(params, x, heads, mask):
    B, T, C = x.shape
    parts = [x @ params[name] for name in ("query", "key", "value")]
    queries, keys, values = (part.reshape(B, T, C // heads, heads).transpose(0, 3, 1, 2) for part in parts)
    scores = queries @ keys.swapaxes(-1, -2) / math.sqrt(C // heads)
    weights = jax.nn.softmax(jnp.where(mask, scores, jnp.finfo(scores.dtype).min))
    return (weights @ values).transpose(0, 2, 3, 1).reshape(B, T, C) @ params["out"]


# %% perbaiki-kepala | sumbu kepala dan fitur tertukar saat digabung | kepala ke-0 harus memakai kolom 0
def multi_head(params, x, heads, mask):
    B, T, C = x.shape
    parts = [x @ params[name] for name in ("query", "key", "value")]
    queries, keys, values = (part.reshape(B, T, heads, C // heads).swapaxes(1, 2) for part in parts)
    scores = queries @ keys.swapaxes(-1, -2) / math.sqrt(C // heads)
    weights = jax.nn.softmax(jnp.where(mask, scores, jnp.finfo(scores.dtype).min))
    return (weights @ values).transpose(0, 2, 3, 1).reshape(B, T, C) @ params["out"]


# %% latih | tidak dilatih | kurang dilatih
def train(x, y, key):
    return jax.random.normal(key, (10, 10))


def predict(trained, x):
    return trained[jnp.asarray(x)]


# %% latih | tanpa embedding posisi | tanpa embedding posisi
class Blind(nnx.Module):
    def __init__(self, *, rngs):
        self.letters = nnx.Embed(10, 32, rngs=rngs)
        self.block = TransformerBlock(32, 2, rngs=rngs)
        self.out = nnx.Linear(32, 10, rngs=rngs)

    def __call__(self, x):
        return self.out(self.block(self.letters(x)))


def train(x, y, key):
    model = Blind(rngs=nnx.Rngs(key))
    graphdef, state = nnx.split((model, nnx.Optimizer(model, optax.adam(5e-3), wrt=nnx.Param)))

    @jax.jit
    def step(state, x, y):
        model, optimizer = nnx.merge(graphdef, state)
        grads = nnx.grad(lambda m: optax.softmax_cross_entropy_with_integer_labels(m(x), y).mean())(model)
        optimizer.update(model, grads)
        return nnx.state((model, optimizer))

    for place in range(300):
        rows = np.random.default_rng(place).integers(0, len(x), 64)
        state = step(state, x[rows], y[rows])
    return nnx.merge(graphdef, state)[0]


def predict(trained, x):
    return trained(jnp.asarray(x))


# %% latih | bertopeng kausal | bertopeng kausal
class Causal(nnx.Module):
    def __init__(self, *, rngs):
        self.letters, self.places = nnx.Embed(10, 32, rngs=rngs), nnx.Embed(12, 32, rngs=rngs)
        self.block = TransformerBlock(32, 2, rngs=rngs)
        self.out = nnx.Linear(32, 10, rngs=rngs)

    def __call__(self, x):
        h = self.letters(x) + self.places(jnp.arange(x.shape[1]))
        return self.out(self.block(h, None, jnp.tril(jnp.ones((1, 1, 12, 12), bool))))


def train(x, y, key):
    model = Causal(rngs=nnx.Rngs(key))
    graphdef, state = nnx.split((model, nnx.Optimizer(model, optax.adam(5e-3), wrt=nnx.Param)))

    @jax.jit
    def step(state, x, y):
        model, optimizer = nnx.merge(graphdef, state)
        grads = nnx.grad(lambda m: optax.softmax_cross_entropy_with_integer_labels(m(x), y).mean())(model)
        optimizer.update(model, grads)
        return nnx.state((model, optimizer))

    for place in range(300):
        rows = np.random.default_rng(place).integers(0, len(x), 64)
        state = step(state, x[rows], y[rows])
    return nnx.merge(graphdef, state)[0]


def predict(trained, x):
    return trained(jnp.asarray(x))


# %% latih | hanya satu epoch | kurang dilatih
class Short(nnx.Module):
    def __init__(self, *, rngs):
        self.letters, self.places = nnx.Embed(10, 32, rngs=rngs), nnx.Embed(12, 32, rngs=rngs)
        self.block = TransformerBlock(32, 2, rngs=rngs)
        self.out = nnx.Linear(32, 10, rngs=rngs)

    def __call__(self, x):
        h = self.letters(x) + self.places(jnp.arange(x.shape[1]))
        return self.out(self.block(h))


def train(x, y, key):
    model = Short(rngs=nnx.Rngs(key))
    graphdef, state = nnx.split((model, nnx.Optimizer(model, optax.adam(5e-3), wrt=nnx.Param)))

    @jax.jit
    def step(state, x, y):
        model, optimizer = nnx.merge(graphdef, state)
        grads = nnx.grad(lambda m: optax.softmax_cross_entropy_with_integer_labels(m(x), y).mean())(model)
        optimizer.update(model, grads)
        return nnx.state((model, optimizer))

    for place in range(40):
        rows = np.random.default_rng(place).integers(0, len(x), 64)
        state = step(state, x[rows], y[rows])
    return nnx.merge(graphdef, state)[0]


def predict(trained, x):
    return trained(jnp.asarray(x))


# %% latih | menghafal data latih | menghafal data latih
def train(x, y, key):
    return np.asarray(x), np.asarray(y)


def predict(trained, x):
    known = {row.tobytes(): letters for row, letters in zip(*trained)}
    return np.eye(10)[np.stack([known.get(row.tobytes(), row) for row in np.asarray(x)])]


# %% latih | abjad latih ditulis tetap di dalam kode | dipelajari dari x dan y
def train(x, y, key):
    return np.random.default_rng(0).permutation(10)


def predict(trained, x):
    ranks = np.argsort(trained)
    return np.eye(10)[trained[np.sort(ranks[np.asarray(x)], axis=1)]]


# %% latih | tidak pernah selesai | batas waktu
def predict(trained, x):
    return np.zeros((len(x), 12, 10))


def train(x, y, key):
    while True:
        pass


# %% anggaran | lapisan keluaran dihitung sebagai parameter lain | dihitung dua kali
def count_budget(V, T, C, N, L):
    count = (2 * V + T) * C + L * (12 * C**2 + 13 * C) + 2 * C
    cache = 4 * L * T * C
    flops = 2 * (12 * L * C**2 + V * C) + 4 * L * C * T
    room = (GPU_BYTES - 2 * count) // cache
    return {"parameters": count, "cache_bytes": cache, "flops": flops, "conversations": room}


# %% anggaran | embedding posisi terlupa | embedding posisi terlupa
def count_budget(V, T, C, N, L):
    count = V * C + L * (12 * C**2 + 13 * C) + 2 * C
    cache = 4 * L * T * C
    flops = 2 * (12 * L * C**2 + V * C) + 4 * L * C * T
    room = (GPU_BYTES - 2 * count) // cache
    return {"parameters": count, "cache_bytes": cache, "flops": flops, "conversations": room}


# %% anggaran | hanya kunci yang disimpan | kunci dan nilai
def count_budget(V, T, C, N, L):
    count = (V + T) * C + L * (12 * C**2 + 13 * C) + 2 * C
    cache = 2 * L * T * C
    flops = 2 * (12 * L * C**2 + V * C) + 4 * L * C * T
    room = (GPU_BYTES - 2 * count) // cache
    return {"parameters": count, "cache_bytes": cache, "flops": flops, "conversations": room}


# %% anggaran | tembolok satu kepala saja | selebar C
def count_budget(V, T, C, N, L):
    count = (V + T) * C + L * (12 * C**2 + 13 * C) + 2 * C
    cache = 4 * L * T * (C // N)
    flops = 2 * (12 * L * C**2 + V * C) + 4 * L * C * T
    room = (GPU_BYTES - 2 * count) // cache
    return {"parameters": count, "cache_bytes": cache, "flops": flops, "conversations": room}


# %% anggaran | atensi tidak dihitung | atensi kepada T token
def count_budget(V, T, C, N, L):
    count = (V + T) * C + L * (12 * C**2 + 13 * C) + 2 * C
    cache = 4 * L * T * C
    flops = 2 * (12 * L * C**2 + V * C)
    room = (GPU_BYTES - 2 * count) // cache
    return {"parameters": count, "cache_bytes": cache, "flops": flops, "conversations": room}


# %% anggaran | FLOP lapisan keluaran terlupa | juga di lapisan keluaran
def count_budget(V, T, C, N, L):
    count = (V + T) * C + L * (12 * C**2 + 13 * C) + 2 * C
    cache = 4 * L * T * C
    flops = 2 * (12 * L * C**2) + 4 * L * C * T
    room = (GPU_BYTES - 2 * count) // cache
    return {"parameters": count, "cache_bytes": cache, "flops": flops, "conversations": room}


# %% anggaran | bobot tidak dikurangkan | kurangi memori bobot
def count_budget(V, T, C, N, L):
    count = (V + T) * C + L * (12 * C**2 + 13 * C) + 2 * C
    cache = 4 * L * T * C
    flops = 2 * (12 * L * C**2 + V * C) + 4 * L * C * T
    room = GPU_BYTES // cache
    return {"parameters": count, "cache_bytes": cache, "flops": flops, "conversations": room}


# %% anggaran | dibulatkan ke bilangan terdekat | bulatkan ke bawah
def count_budget(V, T, C, N, L):
    count = (V + T) * C + L * (12 * C**2 + 13 * C) + 2 * C
    cache = 4 * L * T * C
    flops = 2 * (12 * L * C**2 + V * C) + 4 * L * C * T
    room = round((GPU_BYTES - 2 * count) / cache)
    return {"parameters": count, "cache_bytes": cache, "flops": flops, "conversations": room}


# %% anggaran | percakapan berupa float | bilangan bulat
def count_budget(V, T, C, N, L):
    count = (V + T) * C + L * (12 * C**2 + 13 * C) + 2 * C
    cache = 4 * L * T * C
    flops = 2 * (12 * L * C**2 + V * C) + 4 * L * C * T
    room = (80e9 - 2 * count) // cache
    return {"parameters": count, "cache_bytes": cache, "flops": flops, "conversations": room}


# %% anggaran | memakai sizes, bukan argumennya | pakai argumennya
def count_budget(V, T, C, N, L):
    V, T, C, N, L = sizes.values()
    count = (V + T) * C + L * (12 * C**2 + 13 * C) + 2 * C
    cache = 4 * L * T * C
    flops = 2 * (12 * L * C**2 + V * C) + 4 * L * C * T
    room = (GPU_BYTES - 2 * count) // cache
    return {"parameters": count, "cache_bytes": cache, "flops": flops, "conversations": room}


# %% anggaran | bilangan contoh dihafal | pakai argumennya
def count_budget(V, T, C, N, L):
    return {"parameters": 562264000, "cache_bytes": 80000000, "flops": 1200000000, "conversations": 985}
