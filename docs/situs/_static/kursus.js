// Film di halaman depan dapat dihentikan; peta menyalakan prasyarat sebuah pelajaran.
for (const film of document.querySelectorAll(".film")) {
  const button = film.querySelector("button");
  button.addEventListener("click", () => {
    const stopped = film.classList.toggle("berhenti");
    button.setAttribute("aria-pressed", stopped);
    button.textContent = stopped ? "Jalankan gambar" : "Hentikan gambar";
  });
}

for (const map of document.querySelectorAll(".peta")) {
  const before = (name) => {
    const roads = [...map.querySelectorAll(`[data-ke="${name}"]`)];
    return roads.flatMap((road) => [road, ...before(road.dataset.dari)]);
  };
  const light = (name) => {
    map.querySelectorAll(".perlu").forEach((one) => one.classList.remove("perlu"));
    if (!name) return;
    for (const road of new Set(before(name))) {
      road.classList.add("perlu");
      map.querySelector(`[data-pelajaran="${road.dataset.dari}"]`).classList.add("perlu");
    }
  };
  for (const link of map.querySelectorAll("a")) {
    for (const event of ["mouseenter", "focus"]) link.addEventListener(event, () => light(link.dataset.pelajaran));
    for (const event of ["mouseleave", "blur"]) link.addEventListener(event, () => light(""));
  }
}

// Wadah yang dapat digeser harus dapat dicapai dengan papan ketik.
for (const box of document.querySelectorAll(".bd-article table, div.highlight pre, .cell_output pre, mjx-container[display]")) {
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
}

// Nama untuk pembaca layar, di tempat yang tidak diberi nama oleh tema.
for (const summary of document.querySelectorAll(".bd-sidebar-primary summary")) {
  const chapter = summary.closest("li").querySelector("a").textContent.trim();
  summary.setAttribute("aria-label", `Daftar isi ${chapter}`);
}
for (const named of document.querySelectorAll(".search-button-field, details.hide summary")) named.removeAttribute("aria-label");
