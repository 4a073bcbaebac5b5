# Jawaban salah yang lazim. Setiap bagian: `# %% tugas | apa yang salah | kata di dalam pesan penolakannya`.
# ruff: noqa

# %% sel-gru | gerbang reset sesudah U_n, seperti Flax | sebelum U_n
def gru_step(params, h, x):
    x_r, x_z, x_n = jnp.split(x @ params["W"] + params["b"], 3, axis=-1)
    h_r, h_z, h_n = jnp.split(h @ params["U"], 3, axis=-1)
    r, z = jax.nn.sigmoid(x_r + h_r), jax.nn.sigmoid(x_z + h_z)
    return (1 - z) * jnp.tanh(x_n + r * h_n) + z * h


# %% sel-gru | z dan 1 - z tertukar | (1 - z), z
def gru_step(params, h, x):
    W, U, b = (jnp.split(params[name], 3, axis=-1) for name in "WUb")
    r, z = (jax.nn.sigmoid(x @ W[gate] + h @ U[gate] + b[gate]) for gate in (0, 1))
    return z * jnp.tanh(x @ W[2] + (r * h) @ U[2] + b[2]) + (1 - z) * h


# %% sel-gru | bias terlupa | bias
def gru_step(params, h, x):
    W, U = (jnp.split(params[name], 3, axis=-1) for name in "WU")
    r, z = (jax.nn.sigmoid(x @ W[gate] + h @ U[gate]) for gate in (0, 1))
    return (1 - z) * jnp.tanh(x @ W[2] + (r * h) @ U[2]) + z * h


# %% sel-gru | hasil kali matriks, bukan unsur demi unsur | unsur demi unsur
def gru_step(params, h, x):
    W, U, b = (jnp.split(params[name], 3, axis=-1) for name in "WUb")
    r, z = (jax.nn.sigmoid(x @ W[gate] + h @ U[gate] + b[gate]) for gate in (0, 1))
    kept = (r @ h.T @ h) if h.shape[1] > 1 else r * h
    return (1 - z) * jnp.tanh(x @ W[2] + kept @ U[2] + b[2]) + z * h


# %% sel-gru | r dan z tertukar urutannya | periksa urutan r, z, n
def gru_step(params, h, x):
    W, U, b = (jnp.split(params[name], 3, axis=-1) for name in "WUb")
    z, r = (jax.nn.sigmoid(x @ W[gate] + h @ U[gate] + b[gate]) for gate in (0, 1))
    return (1 - z) * jnp.tanh(x @ W[2] + (r * h) @ U[2] + b[2]) + z * h


# %% bigram | pasangan berulang tercacah sekali | pasangan yang berulang
def bigram_chances(ids, size, alpha):
    counts = np.zeros((size, size))
    counts[ids[:-1], ids[1:]] += 1
    return (counts + alpha) / (counts.sum(axis=1, keepdims=True) + alpha * size)


def bits_per_character(chances, ids):
    return float(-np.log2(chances[ids[:-1], ids[1:]]).mean())


# %% bigram | alpha tidak dikalikan V di penyebut | alpha V
def bigram_chances(ids, size, alpha):
    counts = np.zeros((size, size))
    np.add.at(counts, (ids[:-1], ids[1:]), 1)
    return (counts + alpha) / (counts.sum(axis=1, keepdims=True) + alpha)


def bits_per_character(chances, ids):
    return float(-np.log2(chances[ids[:-1], ids[1:]]).mean())


# %% bigram | huruf terakhir ikut dihitung sebagai konteks | bagi dengan c(h)
def bigram_chances(ids, size, alpha):
    counts = np.zeros((size, size))
    np.add.at(counts, (ids[:-1], ids[1:]), 1)
    return (counts + alpha) / (np.bincount(ids, minlength=size)[:, None] + alpha * size)


def bits_per_character(chances, ids):
    return float(-np.log2(chances[ids[:-1], ids[1:]]).mean())


# %% bigram | nat, bukan bit | log basis dua
def bigram_chances(ids, size, alpha):
    counts = np.zeros((size, size))
    np.add.at(counts, (ids[:-1], ids[1:]), 1)
    return (counts + alpha) / (counts.sum(axis=1, keepdims=True) + alpha * size)


def bits_per_character(chances, ids):
    return float(-np.log(chances[ids[:-1], ids[1:]]).mean())


# %% bigram | tabel terbalik | terbalik
def bigram_chances(ids, size, alpha):
    counts = np.zeros((size, size))
    np.add.at(counts, (ids[:-1], ids[1:]), 1)
    return ((counts + alpha) / (counts.sum(axis=1, keepdims=True) + alpha * size)).T


def bits_per_character(chances, ids):
    return float(-np.log2(chances[ids[1:], ids[:-1]]).mean())


# %% bigram | dibagi N, bukan N - 1 | N - 1
def bigram_chances(ids, size, alpha):
    counts = np.zeros((size, size))
    np.add.at(counts, (ids[:-1], ids[1:]), 1)
    return (counts + alpha) / (counts.sum(axis=1, keepdims=True) + alpha * size)


def bits_per_character(chances, ids):
    return float(-np.log2(chances[ids[:-1], ids[1:]]).sum() / len(ids))


# %% bigram | tanpa penghalusan pada konteks yang belum pernah muncul | peluang rata 1/V
def bigram_chances(ids, size, alpha):
    counts = np.zeros((size, size))
    np.add.at(counts, (ids[:-1], ids[1:]), 1)
    totals = counts.sum(axis=1, keepdims=True)
    return np.where(totals > 0, (counts + alpha) / (totals + alpha * size), 0)


def bits_per_character(chances, ids):
    return float(-np.log2(chances[ids[:-1], ids[1:]]).mean())


# %% bigram | tabel terbalik sebelum dibagi | terbalik
def bigram_chances(ids, size, alpha):
    counts = np.zeros((size, size))
    np.add.at(counts, (ids[1:], ids[:-1]), 1)
    return (counts + alpha) / (counts.sum(axis=1, keepdims=True) + alpha * size)


def bits_per_character(chances, ids):
    return float(-np.log2(chances[ids[:-1], ids[1:]]).mean())


# %% bigram | tabel terbalik, dibagi menurut kolom | terbalik
def bigram_chances(ids, size, alpha):
    counts = np.zeros((size, size))
    np.add.at(counts, (ids[1:], ids[:-1]), 1)
    return (counts + alpha) / (counts.sum(axis=0, keepdims=True) + alpha * size)


def bits_per_character(chances, ids):
    return float(-np.log2(chances[ids[1:], ids[:-1]]).mean())


# %% bigram | tabel benar, tetapi dibaca terbalik | baris tabel adalah huruf pertama
def bigram_chances(ids, size, alpha):
    counts = np.zeros((size, size))
    np.add.at(counts, (ids[:-1], ids[1:]), 1)
    return (counts + alpha) / (counts.sum(axis=1, keepdims=True) + alpha * size)


def bits_per_character(chances, ids):
    return float(-np.log2(chances[ids[1:], ids[:-1]]).mean())


# %% kemasan | keadaan tidak dinolkan di urutan baru | mulai dari keadaan nol
def packed_states(params, x, segments):
    def step(h, inputs):
        x_t, letter = inputs
        h = jnp.where(letter[:, None], jnp.tanh(x_t @ params["W"] + h @ params["U"] + params["b"]), h)
        return h, h

    start = jnp.zeros((x.shape[0], params["U"].shape[0]))
    return lax.scan(step, start, (jnp.swapaxes(x, 0, 1), segments.T > 0))[1].swapaxes(0, 1)


# %% kemasan | bantalan dianggap urutan baru, keadaannya nol | keadaan di bantalan
def packed_states(params, x, segments):
    before = jnp.pad(segments, ((0, 0), (1, 0)))[:, :-1]

    def step(h, inputs):
        x_t, first, letter = inputs
        h = jnp.where(first[:, None], 0.0, h)
        h = jnp.where(letter[:, None], jnp.tanh(x_t @ params["W"] + h @ params["U"] + params["b"]), h)
        return h, h

    start = jnp.zeros((x.shape[0], params["U"].shape[0]))
    inputs = (jnp.swapaxes(x, 0, 1), (segments != before).T, segments.T > 0)
    return lax.scan(step, start, inputs)[1].swapaxes(0, 1)


# %% kemasan | bantalan ikut dibaca | keadaan di bantalan
def packed_states(params, x, segments):
    before = jnp.pad(segments, ((0, 0), (1, 0)))[:, :-1]

    def step(h, inputs):
        x_t, first = inputs
        h = jnp.tanh(x_t @ params["W"] + jnp.where(first[:, None], 0.0, h) @ params["U"] + params["b"])
        return h, h

    start = jnp.zeros((x.shape[0], params["U"].shape[0]))
    inputs = (jnp.swapaxes(x, 0, 1), ((segments != before) & (segments > 0)).T)
    return lax.scan(step, start, inputs)[1].swapaxes(0, 1)


# %% kemasan | sumbu waktu di depan | bentuk keluaran
def packed_states(params, x, segments):
    before = jnp.pad(segments, ((0, 0), (1, 0)))[:, :-1]

    def step(h, inputs):
        x_t, first, letter = inputs
        start = jnp.where(first[:, None], 0.0, h)
        h = jnp.where(letter[:, None], jnp.tanh(x_t @ params["W"] + start @ params["U"] + params["b"]), h)
        return h, h

    start = jnp.zeros((x.shape[0], params["U"].shape[0]))
    return lax.scan(step, start, (jnp.swapaxes(x, 0, 1), (segments != before).T, segments.T > 0))[1]


# %% kemasan | keadaan dinolkan sesudah huruf pertama, bukan sebelumnya | harus membawa keadaannya
def packed_states(params, x, segments):
    before = jnp.pad(segments, ((0, 0), (1, 0)))[:, :-1]

    def step(h, inputs):
        x_t, first, letter = inputs
        new = jnp.tanh(x_t @ params["W"] + h @ params["U"] + params["b"])
        h = jnp.where(letter[:, None], jnp.where(first[:, None], 0.0, new), h)
        return h, h

    start = jnp.zeros((x.shape[0], params["U"].shape[0]))
    inputs = (jnp.swapaxes(x, 0, 1), (segments != before).T, segments.T > 0)
    return lax.scan(step, start, inputs)[1].swapaxes(0, 1)


# %% kemasan | hanya urutan kedua yang dinolkan | tempat pertama setiap urutan
def packed_states(params, x, segments):
    before = jnp.pad(segments, ((0, 0), (1, 0)))[:, :-1]

    def step(h, inputs):
        x_t, first, letter = inputs
        start = jnp.where(first[:, None], 0.0, h)
        h = jnp.where(letter[:, None], jnp.tanh(x_t @ params["W"] + start @ params["U"] + params["b"]), h)
        return h, h

    start = jnp.zeros((x.shape[0], params["U"].shape[0]))
    inputs = (jnp.swapaxes(x, 0, 1), ((segments == 2) & (before == 1)).T, segments.T > 0)
    return lax.scan(step, start, inputs)[1].swapaxes(0, 1)


# %% kemasan | bantalan dinolkan | keadaan di bantalan
def packed_states(params, x, segments):
    before = jnp.pad(segments, ((0, 0), (1, 0)))[:, :-1]

    def step(h, inputs):
        x_t, first, letter = inputs
        h = jnp.where(first[:, None], 0.0, h)
        h = jnp.tanh(x_t @ params["W"] + h @ params["U"] + params["b"]) * letter[:, None]
        return h, h

    start = jnp.zeros((x.shape[0], params["U"].shape[0]))
    inputs = (jnp.swapaxes(x, 0, 1), (segments != before).T, segments.T > 0)
    return lax.scan(step, start, inputs)[1].swapaxes(0, 1)


# %% perbaiki-penulis | salinan yang salah | telusuri keadaan
write = faulty_write


# %% perbaiki-penulis | hanya suhu yang diperbaiki | telusuri keadaan
def write(params, first, keys, temperature):
    return faulty_write(params, first, keys, 1 / temperature)


# %% perbaiki-penulis | hanya keadaan yang diperbaiki | suhu mendekati nol
def write(params, first, keys, temperature):
    def step(carry, key):
        (c, h), token = carry
        i, f, g, o = jnp.split(params["W"][token] + h @ params["U"] + params["b"], 4)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        logits = h @ params["V"] + params["d"]
        token = jax.random.categorical(key, logits * temperature)
        return ((c, h), token), (token, logits)

    zeros = jnp.zeros(params["U"].shape[0])
    return lax.scan(step, ((zeros, zeros), jnp.int32(first)), keys)[1]


# %% perbaiki-penulis | satu kunci untuk semua langkah | satu kunci untuk satu langkah
def write(params, first, keys, temperature):
    def step(carry, _):
        (c, h), token = carry
        i, f, g, o = jnp.split(params["W"][token] + h @ params["U"] + params["b"], 4)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        logits = h @ params["V"] + params["d"]
        token = jax.random.categorical(keys[0], logits / temperature)
        return ((c, h), token), (token, logits)

    zeros = jnp.zeros(params["U"].shape[0])
    return lax.scan(step, ((zeros, zeros), jnp.int32(first)), keys)[1]


# %% perbaiki-penulis | selalu membaca token pertama | yang dibaca token terundi
def write(params, first, keys, temperature):
    def step(carry, key):
        c, h = carry
        i, f, g, o = jnp.split(params["W"][first] + h @ params["U"] + params["b"], 4)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        logits = h @ params["V"] + params["d"]
        return (c, h), (jax.random.categorical(key, logits / temperature), logits)

    zeros = jnp.zeros(params["U"].shape[0])
    return lax.scan(step, (zeros, zeros), keys)[1]


# %% perbaiki-penulis | argmax, bukan undian | hasil categorical
def write(params, first, keys, temperature):
    def step(carry, key):
        (c, h), token = carry
        i, f, g, o = jnp.split(params["W"][token] + h @ params["U"] + params["b"], 4)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        logits = h @ params["V"] + params["d"]
        token = jnp.argmax(logits)
        return ((c, h), token), (token, logits)

    zeros = jnp.zeros(params["U"].shape[0])
    return lax.scan(step, ((zeros, zeros), jnp.argmax(zeros) + first), keys)[1]


# %% perbaiki-penulis | logit yang sudah dibagi suhu dikembalikan | sebelum suhu
def write(params, first, keys, temperature):
    def step(carry, key):
        (c, h), token = carry
        i, f, g, o = jnp.split(params["W"][token] + h @ params["U"] + params["b"], 4)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        logits = (h @ params["V"] + params["d"]) / temperature
        token = jax.random.categorical(key, logits)
        return ((c, h), token), (token, logits)

    zeros = jnp.zeros(params["U"].shape[0])
    return lax.scan(step, ((zeros, zeros), jnp.int32(first)), keys)[1]


# %% perbaiki-penulis | h tidak dibawa ke langkah berikutnya | keadaan dibawa sebagai (c, h)
def write(params, first, keys, temperature):
    def step(carry, key):
        (c, h), token = carry
        i, f, g, o = jnp.split(params["W"][token] + h @ params["U"] + params["b"], 4)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        logits = (jax.nn.sigmoid(o) * jnp.tanh(c)) @ params["V"] + params["d"]
        token = jax.random.categorical(key, logits / temperature)
        return ((c, h), token), (token, logits)

    zeros = jnp.zeros(params["U"].shape[0])
    return lax.scan(step, ((zeros, zeros), jnp.int32(first)), keys)[1]


# %% perbaiki-penulis | suhu hanya dipakai di langkah pertama | suhu membagi logit
def write(params, first, keys, temperature):
    def step(carry, key):
        (c, h), token, temperature = carry
        i, f, g, o = jnp.split(params["W"][token] + h @ params["U"] + params["b"], 4)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        logits = h @ params["V"] + params["d"]
        token = jax.random.categorical(key, logits / temperature)
        return ((c, h), token, jnp.where(temperature < 0.1, temperature, 1.0)), (token, logits)

    zeros = jnp.zeros(params["U"].shape[0])
    return lax.scan(step, ((zeros, zeros), jnp.int32(first), jnp.float32(temperature)), keys)[1]


# %% lampu | tidak dilatih | belum terlatih
def predict(params, x):
    return params[jnp.asarray(x)]


def train(x, y, key):
    return jax.random.normal(key, (6, 2))


# %% lampu | hanya tombol terakhir, tanpa keadaan | tidak membawa keadaan
def predict(params, x):
    return params[jnp.asarray(x)]


def train(x, y, key):
    counts = np.zeros((6, 2))
    np.add.at(counts, (x, y), 1)
    return jnp.asarray(counts / counts.sum(axis=1, keepdims=True))


# %% lampu | catatan latih dihafal | catatan latih dihafal
def predict(params, x):
    known, lamps = params
    place = {row.tobytes(): lamp for row, lamp in zip(known, lamps)}
    x = np.asarray(x)
    return np.stack([np.eye(2)[place.get(row.tobytes(), np.zeros(x.shape[1], int))] for row in x])


def train(x, y, key):
    return np.asarray(x), np.asarray(y)


# %% lampu | lima tombol terakhir dihafal | akurasi
def predict(params, x):
    x = np.pad(np.asarray(x), ((0, 0), (4, 0)), constant_values=6)
    codes = sum(x[:, place : x.shape[1] - 4 + place] * 7**place for place in range(5))
    return params[codes]


def train(x, y, key):
    x = np.pad(np.asarray(x), ((0, 0), (4, 0)), constant_values=6)
    codes = sum(x[:, place : x.shape[1] - 4 + place] * 7**place for place in range(5))
    counts = np.zeros((7**5, 2))
    np.add.at(counts, (codes, np.asarray(y)), 1)
    return counts


# %% lampu | tabel mesin 0 ditulis ke dalam kode | train harus belajar dari x dan y
def predict(params, x):
    machine = make_machine(0)
    state, lamps = np.zeros(len(x), int), []
    for column in np.asarray(x).T:
        state = machine["effects"][column, state]
        lamps.append(machine["lamp"][state])
    return np.eye(2)[np.stack(lamps, axis=1)]


def train(x, y, key):
    return jnp.zeros(1)


# %% lampu | logit hanya di langkah terakhir | predict harus memberi logit
def predict(params, x):
    return jnp.zeros((len(x), 2))


def train(x, y, key):
    return jnp.zeros(1)


# %% lampu | RNN tanh yang kurang terlatih | latih lebih lama
def predict(params, x):
    def step(h, x_t):
        h = jnp.tanh(params["W"][x_t] + h @ params["U"])
        return h, h

    x = jnp.asarray(x)
    states = lax.scan(step, jnp.zeros((len(x), 32)), x.T)[1]
    return jnp.swapaxes(states @ params["V"] + params["c"], 0, 1)


def train(x, y, key):
    keys = jax.random.split(key, 3)
    params = {
        "W": jax.random.normal(keys[0], (6, 32)),
        "U": jax.random.normal(keys[1], (32, 32)) / 32**0.5,
        "V": jax.random.normal(keys[2], (32, 2)) * 0.2,
        "c": jnp.zeros(2),
    }
    tx = optax.adam(1e-2)
    state = tx.init(params)

    def loss_of(params):
        return optax.softmax_cross_entropy_with_integer_labels(predict(params, x), y).mean()

    @jax.jit
    def update(params, state):
        changes, state = tx.update(jax.grad(loss_of)(params), state)
        return optax.apply_updates(params, changes), state

    for _ in range(40):
        params, state = update(params, state)
    return params


# %% lampu | mesin dicari di antara keluaran make_machine, tidak dilatih | train harus belajar dari x dan y
def lamps_of(machine, x):
    state, lamps = np.zeros(len(x), int), []
    for column in np.asarray(x).T:
        state = machine["effects"][column, state]
        lamps.append(machine["lamp"][state])
    return np.stack(lamps, axis=1)


def predict(params, x):
    return np.eye(2)[lamps_of(make_machine(params), x)]


def train(x, y, key):
    return max(range(1500), key=lambda seed: (lamps_of(make_machine(seed), x[:50]) == y[:50]).mean())


# %% redup | dari jari-jari spektral saja | jari-jari spektral saja
steps = int(np.ceil(np.log(1e-3) / np.log(np.abs(np.linalg.eigvals(U)).max())))

# %% redup | pangkat terakhir yang masih di atas ambang | meleset satu
steps = 0
while np.linalg.norm(np.linalg.matrix_power(U, steps + 1), 2) >= 1e-3:
    steps += 1

# %% redup | matriks mahasiswa lain | milik NIM
steps, power = 1, make_recurrent("99999999")
while np.linalg.norm(power, 2) >= 1e-3:
    steps, power = steps + 1, power @ make_recurrent("99999999")

# %% redup | jarak dihitung dari batas nilai singular | bilangan positif yang wajar
steps = int(np.ceil(np.log(1e-3) / np.log(np.linalg.norm(U, 2))))

# %% redup | pangkat unsur demi unsur | bilangan positif yang wajar
steps = 1
while steps < 1000 and np.linalg.norm(U**steps, 2) >= 1e-3:
    steps += 1
