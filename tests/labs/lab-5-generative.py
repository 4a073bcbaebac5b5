# Jawaban salah yang lazim. Setiap bagian: `# %% tugas | apa yang salah | kata di dalam pesan penolakannya`.
# ruff: noqa

# %% kl-gauss | exp masing-masing log varians | exp meluap
def gaussian_kl(mean_q, log_variance_q, mean_p, log_variance_p):
    ratio = jnp.exp(log_variance_q) / jnp.exp(log_variance_p)
    squares = (mean_q - mean_p) ** 2 / jnp.exp(log_variance_p)
    return (ratio + squares - 1 - log_variance_q + log_variance_p).sum(axis=-1) / 2


# %% kl-gauss | log simpangan baku, bukan log varians | bukan log simpangan baku
def gaussian_kl(mean_q, log_variance_q, mean_p, log_variance_p):
    log_ratio = log_variance_q - log_variance_p
    squares = (mean_q - mean_p) ** 2 * jnp.exp(-2 * log_variance_p)
    return (jnp.exp(2 * log_ratio) + squares - 1 - 2 * log_ratio).sum(axis=-1) / 2


# %% kl-gauss | arah KL terbalik | arah yang terbalik
def gaussian_kl(mean_q, log_variance_q, mean_p, log_variance_p):
    log_ratio = log_variance_p - log_variance_q
    squares = (mean_q - mean_p) ** 2 * jnp.exp(-log_variance_q)
    return (jnp.exp(log_ratio) + squares - 1 - log_ratio).sum(axis=-1) / 2


# %% kl-gauss | dibagi simpangan baku p | suku selisih rata-rata
def gaussian_kl(mean_q, log_variance_q, mean_p, log_variance_p):
    log_ratio = log_variance_q - log_variance_p
    squares = (mean_q - mean_p) ** 2 * jnp.exp(-log_variance_p / 2)
    return (jnp.exp(log_ratio) + squares - 1 - log_ratio).sum(axis=-1) / 2


# %% kl-gauss | semua contoh dijumlahkan | satu bilangan untuk setiap contoh
def gaussian_kl(mean_q, log_variance_q, mean_p, log_variance_p):
    log_ratio = log_variance_q - log_variance_p
    squares = (mean_q - mean_p) ** 2 * jnp.exp(-log_variance_p)
    return (jnp.exp(log_ratio) + squares - 1 - log_ratio).sum() / 2


# %% kl-gauss | dibagi varians q | dibagi varians q
def gaussian_kl(mean_q, log_variance_q, mean_p, log_variance_p):
    log_ratio = log_variance_q - log_variance_p
    squares = (mean_q - mean_p) ** 2 * jnp.exp(-log_variance_q)
    return (jnp.exp(log_ratio) + squares - 1 - log_ratio).sum(axis=-1) / 2


# %% kl-gauss | lupa membagi dengan varians p | belum dibagi varians p
def gaussian_kl(mean_q, log_variance_q, mean_p, log_variance_p):
    log_ratio = log_variance_q - log_variance_p
    return (jnp.exp(log_ratio) + (mean_q - mean_p) ** 2 - 1 - log_ratio).sum(axis=-1) / 2


# %% jarak-energi | pasangan dengan dirinya sendiri ikut | pasangan i = j ikut dihitung
def energy_distance(a, b):
    def mean_distance(left, right):
        return jnp.linalg.norm(left[:, None] - right[None], axis=-1).mean()

    return 2 * mean_distance(a, b) - mean_distance(a, a) - mean_distance(b, b)


# %% jarak-energi | jarak kuadrat | dikuadratkan
def energy_distance(a, b):
    def distances(left, right):
        return ((left[:, None] - right[None]) ** 2).sum(axis=-1)

    def within(points):
        return distances(points, points).sum() / (len(points) * (len(points) - 1))

    return 2 * distances(a, b).mean() - within(a) - within(b)


# %% jarak-energi | norma-1 | norma Euclid
def energy_distance(a, b):
    def distances(left, right):
        return jnp.abs(left[:, None] - right[None]).sum(axis=-1)

    def within(points):
        return distances(points, points).sum() / (len(points) * (len(points) - 1))

    return 2 * distances(a, b).mean() - within(a) - within(b)


# %% jarak-energi | lewat hasil kali dalam | kehilangan ketelitian
def energy_distance(a, b):
    def distances(left, right):
        squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
        return jnp.sqrt(jnp.maximum(squares, 0))

    def within(points):
        return distances(points, points).sum() / (len(points) * (len(points) - 1))

    return 2 * distances(a, b).mean() - within(a) - within(b)


# %% jarak-energi | pembagi kedua memakai N, bukan M | periksa pembagi
def energy_distance(a, b):
    def distances(left, right):
        return jnp.linalg.norm(left[:, None] - right[None], axis=-1)

    pairs = len(a) * (len(a) - 1)
    return 2 * distances(a, b).mean() - distances(a, a).sum() / pairs - distances(b, b).sum() / pairs


# %% jarak-energi | suku silang tanpa faktor 2 | dikali 2
def energy_distance(a, b):
    def distances(left, right):
        return jnp.linalg.norm(left[:, None] - right[None], axis=-1)

    def within(points):
        return distances(points, points).sum() / (len(points) * (len(points) - 1))

    return distances(a, b).mean() - within(a) - within(b)


# %% rata-posterior | alpha_bar dianggap milik koordinat | bukan koordinat
def noised(x, noise, alpha_bar):
    return jnp.sqrt(alpha_bar) * x + jnp.sqrt(1 - alpha_bar) * noise


def posterior_mean(z, alpha_bar, weights, centres, widths):
    return z


# %% rata-posterior | tanpa akar | akar alpha_bar, bukan alpha_bar
def noised(x, noise, alpha_bar):
    return alpha_bar[:, None] * x + (1 - alpha_bar)[:, None] * noise


def posterior_mean(z, alpha_bar, weights, centres, widths):
    return z


# %% rata-posterior | pusat tidak mengecil | pusat z adalah akar alpha_bar kali mu
def noised(x, noise, alpha_bar):
    return jnp.sqrt(alpha_bar)[:, None] * x + jnp.sqrt(1 - alpha_bar)[:, None] * noise


def posterior_mean(z, alpha_bar, weights, centres, widths):
    kept = alpha_bar[:, None]
    variances = kept * widths**2 + 1 - kept
    gaps = z[:, None] - centres
    logits = jnp.log(weights) - z.shape[-1] / 2 * jnp.log(variances) - (gaps**2).sum(axis=-1) / (2 * variances)
    shares = jax.nn.softmax(logits, axis=1)
    gains = jnp.sqrt(kept) * widths**2 / variances
    return (shares[..., None] * (centres + gains[..., None] * gaps)).sum(axis=1)


# %% rata-posterior | tebakan setiap komponen hanya pusatnya | menarik z ke pusat
def noised(x, noise, alpha_bar):
    return jnp.sqrt(alpha_bar)[:, None] * x + jnp.sqrt(1 - alpha_bar)[:, None] * noise


def posterior_mean(z, alpha_bar, weights, centres, widths):
    kept = alpha_bar[:, None]
    variances = kept * widths**2 + 1 - kept
    gaps = z[:, None] - jnp.sqrt(kept)[..., None] * centres
    logits = jnp.log(weights) - z.shape[-1] / 2 * jnp.log(variances) - (gaps**2).sum(axis=-1) / (2 * variances)
    return jax.nn.softmax(logits, axis=1) @ centres


# %% rata-posterior | bobot campuran dilupakan | bobot campuran
def noised(x, noise, alpha_bar):
    return jnp.sqrt(alpha_bar)[:, None] * x + jnp.sqrt(1 - alpha_bar)[:, None] * noise


def posterior_mean(z, alpha_bar, weights, centres, widths):
    kept = alpha_bar[:, None]
    variances = kept * widths**2 + 1 - kept
    gaps = z[:, None] - jnp.sqrt(kept)[..., None] * centres
    logits = -z.shape[-1] / 2 * jnp.log(variances) - (gaps**2).sum(axis=-1) / (2 * variances)
    shares = jax.nn.softmax(logits, axis=1)
    gains = jnp.sqrt(kept) * widths**2 / variances
    return (shares[..., None] * (centres + gains[..., None] * gaps)).sum(axis=1)


# %% rata-posterior | penyebut kepadatan seperti di satu dimensi | v pangkat D/2
def noised(x, noise, alpha_bar):
    return jnp.sqrt(alpha_bar)[:, None] * x + jnp.sqrt(1 - alpha_bar)[:, None] * noise


def posterior_mean(z, alpha_bar, weights, centres, widths):
    kept = alpha_bar[:, None]
    variances = kept * widths**2 + 1 - kept
    gaps = z[:, None] - jnp.sqrt(kept)[..., None] * centres
    logits = jnp.log(weights) - jnp.log(variances) / 2 - (gaps**2).sum(axis=-1) / (2 * variances)
    shares = jax.nn.softmax(logits, axis=1)
    gains = jnp.sqrt(kept) * widths**2 / variances
    return (shares[..., None] * (centres + gains[..., None] * gaps)).sum(axis=1)


# %% rata-posterior | kepadatan tanpa log | bekerjalah dengan log kepadatan
def noised(x, noise, alpha_bar):
    return jnp.sqrt(alpha_bar)[:, None] * x + jnp.sqrt(1 - alpha_bar)[:, None] * noise


def posterior_mean(z, alpha_bar, weights, centres, widths):
    kept = alpha_bar[:, None]
    variances = kept * widths**2 + 1 - kept
    gaps = z[:, None] - jnp.sqrt(kept)[..., None] * centres
    chances = weights * variances ** (-z.shape[-1] / 2) * jnp.exp(-(gaps**2).sum(axis=-1) / (2 * variances))
    shares = chances / chances.sum(axis=1, keepdims=True)
    gains = jnp.sqrt(kept) * widths**2 / variances
    return (shares[..., None] * (centres + gains[..., None] * gaps)).sum(axis=1)


# %% rata-posterior | penyebut diberi bilangan kecil | jangan tambahkan bilangan kecil
def noised(x, noise, alpha_bar):
    return jnp.sqrt(alpha_bar)[:, None] * x + jnp.sqrt(1 - alpha_bar)[:, None] * noise


def posterior_mean(z, alpha_bar, weights, centres, widths):
    kept = alpha_bar[:, None]
    variances = kept * widths**2 + 1 - kept
    gaps = z[:, None] - jnp.sqrt(kept)[..., None] * centres
    chances = weights * variances ** (-z.shape[-1] / 2) * jnp.exp(-(gaps**2).sum(axis=-1) / (2 * variances))
    shares = chances / (chances.sum(axis=1, keepdims=True) + 1e-12)
    gains = jnp.sqrt(kept) * widths**2 / variances
    return (shares[..., None] * (centres + gains[..., None] * gaps)).sum(axis=1)


# %% rata-posterior | tau tanpa kuadrat | dengan tau kuadrat
def noised(x, noise, alpha_bar):
    return jnp.sqrt(alpha_bar)[:, None] * x + jnp.sqrt(1 - alpha_bar)[:, None] * noise


def posterior_mean(z, alpha_bar, weights, centres, widths):
    kept = alpha_bar[:, None]
    variances = kept * widths + 1 - kept
    gaps = z[:, None] - jnp.sqrt(kept)[..., None] * centres
    logits = jnp.log(weights) - z.shape[-1] / 2 * jnp.log(variances) - (gaps**2).sum(axis=-1) / (2 * variances)
    shares = jax.nn.softmax(logits, axis=1)
    gains = jnp.sqrt(kept) * widths / variances
    return (shares[..., None] * (centres + gains[..., None] * gaps)).sum(axis=1)


# %% rata-posterior | eksponen tanpa faktor 2 | berpenyebut 2v
def noised(x, noise, alpha_bar):
    return jnp.sqrt(alpha_bar)[:, None] * x + jnp.sqrt(1 - alpha_bar)[:, None] * noise


def posterior_mean(z, alpha_bar, weights, centres, widths):
    kept = alpha_bar[:, None]
    variances = kept * widths**2 + 1 - kept
    gaps = z[:, None] - jnp.sqrt(kept)[..., None] * centres
    logits = jnp.log(weights) - z.shape[-1] / 2 * jnp.log(variances) - (gaps**2).sum(axis=-1) / variances
    shares = jax.nn.softmax(logits, axis=1)
    gains = jnp.sqrt(kept) * widths**2 / variances
    return (shares[..., None] * (centres + gains[..., None] * gaps)).sum(axis=1)


# %% rata-posterior | tanpa penyebut kepadatan | v pangkat D/2
def noised(x, noise, alpha_bar):
    return jnp.sqrt(alpha_bar)[:, None] * x + jnp.sqrt(1 - alpha_bar)[:, None] * noise


def posterior_mean(z, alpha_bar, weights, centres, widths):
    kept = alpha_bar[:, None]
    variances = kept * widths**2 + 1 - kept
    gaps = z[:, None] - jnp.sqrt(kept)[..., None] * centres
    logits = jnp.log(weights) - (gaps**2).sum(axis=-1) / (2 * variances)
    shares = jax.nn.softmax(logits, axis=1)
    gains = jnp.sqrt(kept) * widths**2 / variances
    return (shares[..., None] * (centres + gains[..., None] * gaps)).sum(axis=1)


# %% perbaiki-gan | salinan yang salah | diskriminator yang baru
gan_step = faulty_gan_step


# %% perbaiki-gan | loss generator tetap jenuh | masih jenuh
def gan_step(generator, discriminator, real, z_d, z_g, rate):
    def discriminator_loss(trial):
        caught = jax.nn.softplus(logits_of(trial, points_of(generator, z_d)))
        return jax.nn.softplus(-logits_of(trial, real)).mean() + caught.mean()

    def descend(values, slopes):
        return jax.tree.map(lambda value, slope: value - rate * slope, values, slopes)

    new_discriminator = descend(discriminator, jax.grad(discriminator_loss)(discriminator))

    def generator_loss(trial):
        return -jax.nn.softplus(logits_of(new_discriminator, points_of(trial, z_g))).mean()

    return descend(generator, jax.grad(generator_loss)(generator)), new_discriminator


# %% perbaiki-gan | masih memakai log dari sigmoid | memberi NaN
def gan_step(generator, discriminator, real, z_d, z_g, rate):
    def discriminator_loss(trial):
        caught = jnp.log(1 - jax.nn.sigmoid(logits_of(trial, points_of(generator, z_d))))
        return -jnp.log(jax.nn.sigmoid(logits_of(trial, real))).mean() - caught.mean()

    def descend(values, slopes):
        return jax.tree.map(lambda value, slope: value - rate * slope, values, slopes)

    new_discriminator = descend(discriminator, jax.grad(discriminator_loss)(discriminator))

    def generator_loss(trial):
        return -jnp.log(jax.nn.sigmoid(logits_of(new_discriminator, points_of(trial, z_g)))).mean()

    return descend(generator, jax.grad(generator_loss)(generator)), new_discriminator


# %% perbaiki-gan | peluang dipangkas | pemangkasan peluang
def gan_step(generator, discriminator, real, z_d, z_g, rate):
    def chance(logits):
        return jnp.clip(jax.nn.sigmoid(logits), 1e-6, 1 - 1e-6)

    def discriminator_loss(trial):
        caught = jnp.log(1 - chance(logits_of(trial, points_of(generator, z_d))))
        return -jnp.log(chance(logits_of(trial, real))).mean() - caught.mean()

    def descend(values, slopes):
        return jax.tree.map(lambda value, slope: value - rate * slope, values, slopes)

    new_discriminator = descend(discriminator, jax.grad(discriminator_loss)(discriminator))

    def generator_loss(trial):
        return jax.nn.softplus(-logits_of(new_discriminator, points_of(trial, z_g))).mean()

    return descend(generator, jax.grad(generator_loss)(generator)), new_discriminator


# %% perbaiki-gan | generator melawan diskriminator lama | bukan yang lama
def gan_step(generator, discriminator, real, z_d, z_g, rate):
    def discriminator_loss(trial):
        caught = jax.nn.softplus(logits_of(trial, points_of(generator, z_d)))
        return jax.nn.softplus(-logits_of(trial, real)).mean() + caught.mean()

    def generator_loss(trial):
        return jax.nn.softplus(-logits_of(discriminator, points_of(trial, z_g))).mean()

    def descend(values, slopes):
        return jax.tree.map(lambda value, slope: value - rate * slope, values, slopes)

    new_discriminator = descend(discriminator, jax.grad(discriminator_loss)(discriminator))
    return descend(generator, jax.grad(generator_loss)(generator)), new_discriminator


# %% perbaiki-gan | generator memakai derau diskriminator | derau z_g
def gan_step(generator, discriminator, real, z_d, z_g, rate):
    def discriminator_loss(trial):
        caught = jax.nn.softplus(logits_of(trial, points_of(generator, z_d)))
        return jax.nn.softplus(-logits_of(trial, real)).mean() + caught.mean()

    def descend(values, slopes):
        return jax.tree.map(lambda value, slope: value - rate * slope, values, slopes)

    new_discriminator = descend(discriminator, jax.grad(discriminator_loss)(discriminator))

    def generator_loss(trial):
        return jax.nn.softplus(-logits_of(new_discriminator, points_of(trial, z_d))).mean()

    return descend(generator, jax.grad(generator_loss)(generator)), new_discriminator


# %% perbaiki-gan | log dari sigmoid pada generator | menjadi NaN atau diam
def gan_step(generator, discriminator, real, z_d, z_g, rate):
    def discriminator_loss(trial):
        caught = jax.nn.softplus(logits_of(trial, points_of(generator, z_d)))
        return jax.nn.softplus(-logits_of(trial, real)).mean() + caught.mean()

    def descend(values, slopes):
        return jax.tree.map(lambda value, slope: value - rate * slope, values, slopes)

    new_discriminator = descend(discriminator, jax.grad(discriminator_loss)(discriminator))

    def generator_loss(trial):
        return -jnp.log(jax.nn.sigmoid(logits_of(new_discriminator, points_of(trial, z_g)))).mean()

    return descend(generator, jax.grad(generator_loss)(generator)), new_discriminator


# %% perbaiki-gan | log dari sigmoid ditambah bilangan kecil | menjadi NaN atau diam
def gan_step(generator, discriminator, real, z_d, z_g, rate):
    def discriminator_loss(trial):
        caught = jax.nn.softplus(logits_of(trial, points_of(generator, z_d)))
        return jax.nn.softplus(-logits_of(trial, real)).mean() + caught.mean()

    def descend(values, slopes):
        return jax.tree.map(lambda value, slope: value - rate * slope, values, slopes)

    new_discriminator = descend(discriminator, jax.grad(discriminator_loss)(discriminator))

    def generator_loss(trial):
        return -jnp.log(jax.nn.sigmoid(logits_of(new_discriminator, points_of(trial, z_g))) + 1e-8).mean()

    return descend(generator, jax.grad(generator_loss)(generator)), new_discriminator


# %% latih | tidak dilatih | benar-benar dilatih
def generate(params, z):
    return z @ params


def train(x, key):
    return jax.random.normal(key, (2, 2))


# %% latih | menyalin titik latih | salinan titik latih
def generate(params, z):
    place = np.abs(np.asarray(z)[:, 0] * 1e6).astype(int) % len(params)
    return np.asarray(params)[place]


def train(x, key):
    return x


# %% latih | titik latih digoyang sedikit | tabel titik latih
def generate(params, z):
    place = np.abs(np.asarray(z)[:, 0] * 1e6).astype(int) % len(params)
    return np.asarray(params)[place] + 0.03 * np.asarray(z)


def train(x, key):
    return x


# %% latih | mengundi di dalam generate | jangan mengundi di dalam generate
def generate(params, z):
    order = np.random.default_rng(0).integers(0, len(params), len(z))
    return np.asarray(params)[order] + 0.03 * np.asarray(z)


def train(x, key):
    return x


# %% latih | hanya kelopak terbesar | keruntuhan mode
def generate(params, z):
    return params[0] + z @ params[1].T


def train(x, key):
    first = x[(x[:, 0] > 0) & (x[:, 1] > 0)]
    return first.mean(axis=0), np.linalg.cholesky(np.cov(first, rowvar=False))


# %% latih | pencocokan aliran yang baru dimulai | paling besar 0.05
def velocity(params, x, t):
    h = jax.nn.silu(jnp.concatenate([x, jnp.broadcast_to(t, (len(x), 1))], axis=1) @ params[0] + params[1])
    return h @ params[2]


def generate(params, z):
    for number in range(32):
        z = z + velocity(params, z, number / 32) / 32
    return z


def train(x, key, steps=300):
    keys = jax.random.split(key, 3)
    params = jax.random.normal(keys[0], (3, 64)), jnp.zeros(64), jax.random.normal(keys[1], (64, 2)) / 8

    def step(params, key):
        keys = jax.random.split(key, 3)
        batch = jnp.asarray(x)[jax.random.randint(keys[0], (256,), 0, len(x))]
        noise, t = jax.random.normal(keys[1], batch.shape), jax.random.uniform(keys[2], (256, 1))

        def loss_of(params):
            return ((velocity(params, (1 - t) * noise + t * batch, t) - batch + noise) ** 2).mean()

        return jax.tree.map(lambda value, slope: value - 0.05 * slope, params, jax.grad(loss_of)(params)), None

    return jax.lax.scan(step, params, jax.random.split(keys[2], steps))[0]


# %% latih | satu langkah Euler saja | langkah pengambil sampel
def velocity(params, x, t):
    h = jax.nn.silu(jnp.concatenate([x, jnp.broadcast_to(t, (len(x), 1))], axis=1) @ params[0] + params[1])
    return h @ params[2]


def generate(params, z):
    return z + velocity(params, z, 0.0)


def train(x, key, steps=300):
    keys = jax.random.split(key, 3)
    params = jax.random.normal(keys[0], (3, 64)), jnp.zeros(64), jax.random.normal(keys[1], (64, 2)) / 8

    def step(params, key):
        keys = jax.random.split(key, 3)
        batch = jnp.asarray(x)[jax.random.randint(keys[0], (256,), 0, len(x))]
        noise, t = jax.random.normal(keys[1], batch.shape), jax.random.uniform(keys[2], (256, 1))

        def loss_of(params):
            return ((velocity(params, (1 - t) * noise + t * batch, t) - batch + noise) ** 2).mean()

        return jax.tree.map(lambda value, slope: value - 0.05 * slope, params, jax.grad(loss_of)(params)), None

    return jax.lax.scan(step, params, jax.random.split(keys[2], steps))[0]


# %% latih | kelopak terkecil terlewat | keruntuhan mode
def generate(params, z):
    centres, half = params
    chance = jax.scipy.stats.norm.cdf(z[:, 0])
    petal = jnp.searchsorted(jnp.array([0.43, 0.77]), chance)
    edges = jnp.array([0, 0.43, 0.77, 1.0])
    inner = (chance - edges[petal]) / (edges[petal + 1] - edges[petal])
    first = jax.scipy.stats.norm.ppf(jnp.clip(inner, 1e-4, 1 - 1e-4))
    return centres[petal] + jnp.einsum("bij,bj->bi", half[petal], jnp.stack([first, z[:, 1]], axis=1))


def train(x, key):
    quadrant = np.floor(np.arctan2(x[:, 1], x[:, 0]) / (np.pi / 2)).astype(int) % 4
    groups = [x[quadrant == number] for number in range(3)]
    centres = np.stack([group.mean(axis=0) for group in groups])
    return jnp.asarray(centres), jnp.stack([np.linalg.cholesky(np.cov(group, rowvar=False)) for group in groups])


# %% latih | rumus kelopak ditulis tangan | tidak boleh ditulis tangan
def generate(params, z):
    chance, edges = jax.scipy.stats.norm.cdf(z[:, 0]), jnp.array([0, 0.4, 0.7, 0.9, 1.0])
    petal = jnp.clip(jnp.searchsorted(edges, chance) - 1, 0, 3)
    inner = jnp.clip((chance - edges[petal]) / jnp.diff(edges)[petal], 1e-6, 1 - 1e-6)
    angle = jnp.pi / 4 + jnp.pi / 2 * petal
    along = jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)
    across = along[:, ::-1] * jnp.array([-1, 1])
    return (1 + 0.25 * z[:, 1:]) * along + 0.1 * jax.scipy.stats.norm.ppf(inner)[:, None] * across


def train(x, key):
    return None


# %% latih | rumus kelopak, hanya bagiannya yang dihitung dari x | jarak energi ke titik
def generate(params, z):
    chance, edges = jax.scipy.stats.norm.cdf(z[:, 0]), params
    petal = jnp.clip(jnp.searchsorted(edges, chance) - 1, 0, 3)
    inner = jnp.clip((chance - edges[petal]) / jnp.diff(edges)[petal], 1e-6, 1 - 1e-6)
    angle = jnp.pi / 4 + jnp.pi / 2 * petal
    along = jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)
    across = along[:, ::-1] * jnp.array([-1, 1])
    return (1 + 0.25 * z[:, 1:]) * along + 0.1 * jax.scipy.stats.norm.ppf(inner)[:, None] * across


def train(x, key):
    return jnp.concatenate([jnp.zeros(1), jnp.cumsum(petal_shares(x))])


# %% latih | melatih pada petals, bukan x | pakailah x
def generate(params, z):
    centres, halves, edges = params
    chance = jax.scipy.stats.norm.cdf(z[:, 0])
    petal = jnp.clip(jnp.searchsorted(edges, chance) - 1, 0, 3)
    inner = jnp.clip((chance - edges[petal]) / jnp.diff(edges)[petal], 1e-4, 1 - 1e-4)
    first = jax.scipy.stats.norm.ppf(inner)
    return centres[petal] + jnp.einsum("bij,bj->bi", halves[petal], jnp.stack([first, z[:, 1]], axis=1))


def train(x, key):
    quadrant = np.floor(np.arctan2(petals[:, 1], petals[:, 0]) / (np.pi / 2)).astype(int) % 4
    groups = [petals[quadrant == number] for number in range(4)]
    halves = [np.linalg.cholesky(np.cov(group, rowvar=False)) for group in groups]
    edges = np.concatenate([[0], np.cumsum(petal_shares(petals))])
    return jnp.stack([group.mean(axis=0) for group in groups]), jnp.stack(halves), jnp.asarray(edges)


# %% latih | tabel titik latih yang terurut, digoyang | parameter memuat titik latih
def generate(params, z):
    chance = jax.scipy.stats.norm.cdf(z[:, 0])
    place = jnp.clip((chance * len(params)).astype(int), 0, len(params) - 1)
    return params[place] + 0.03 * jnp.stack([z[:, 1], jnp.sin(40 * z[:, 0])], axis=1)


def train(x, key):
    quadrant = np.floor(np.arctan2(x[:, 1], x[:, 0]) / (np.pi / 2)).astype(int) % 4
    return jnp.asarray(x[np.lexsort((np.hypot(*x.T), quadrant))])


# %% dua-puncak | lebar dilupakan | lebar campuran Anda belum
merge_alpha = float(1 / (1 + (right - left) ** 2 / 4))

# %% dua-puncak | jarak penuh, bukan setengahnya | setengah jarak
merge_alpha = float(1 / (1 + (right - left) ** 2 - width**2))

# %% dua-puncak | bagian derau | bagian deraunya
merge_alpha = float(1 - 1 / (1 + (right - left) ** 2 / 4 - width**2))

# %% dua-puncak | campuran mahasiswa lain | milik NIM
other_left, other_right, other_width = make_pair("99999999")
merge_alpha = float(1 / (1 + (other_right - other_left) ** 2 / 4 - other_width**2))

# %% dua-puncak | galat dua persen | milik NIM
merge_alpha = float(1.02 / (1 + (right - left) ** 2 / 4 - width**2))

# %% dua-puncak | nisbah sinyal-derau | nisbah sinyal-derau
merge_alpha = float(1 / ((right - left) ** 2 / 4 - width**2))
