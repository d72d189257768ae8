
/** The table of files: which, in which order, and why. */
const table = {
  input: document.getElementById("search"),
  count: document.getElementById("file-count"),
  buttons: [...document.querySelectorAll("[data-show]")],
  shown: "kept",

  /** An exact word says what a file is, any other one is somewhere in what is said of it. */
  fits(file, words) {
    return words.every((word) => {
      const [key, value] = [word.slice(0, word.indexOf(":")), word.slice(word.indexOf(":") + 1)];
      if (key === "package") return file.owner.toLowerCase() === value;
      if (key === "rule") return file.rule === value;
      if (key === "type") return file.type.includes(value);
      file.said ||= `${file.path} ${file.owner} ${file.rule} ${file.reason} ${file.target}`.toLowerCase();
      return file.said.includes(word);
    });
  },

  draw() {
    const words = this.input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fitting = files.filter((file) =>
      (this.shown === "all" || file.kept === (this.shown === "kept")) && this.fits(file, words));
    const bytes = fitting.reduce((sum, file) => sum + file.bytes, 0);
    this.count.textContent = `${number(fitting.length)} ${fitting.length === 1 ? "name" : "names"}, ${size(bytes)}`;
    this.buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.show === this.shown)));
    this.listing.show(fitting);
  },

  changed() {
    remember({ q: this.input.value.trim(), show: this.shown === "kept" ? "" : this.shown });
    this.draw();
  },

  /** Show all files that fit, from elsewhere on the page. */
  search(text) {
    this.input.value = text;
    this.shown = "all";
    this.changed();
    document.getElementById("files").scrollIntoView();
    this.input.focus({ preventScroll: true });
  },

  follow() {
    const wanted = wishes();
    this.input.value = wanted.get("q") || "";
    this.shown = ["kept", "moved", "all"].includes(wanted.get("show")) ? wanted.get("show") : "kept";
    this.draw();
  },

  start() {
    const state = (file) => element("span", { class: `state ${file.kept ? "kept" : "moved"}` }, file.kept ? "kept" : "moved");
    const path = (file) => [
      element("code", {}, file.path),
      ...(file.target ? [element("code", { class: "about-file" }, `→ ${file.target}`)] : []),
    ];
    const why = (file) => file.kept
      ? [file.reason, element("span", { class: "about-file" }, file.rule)]
      : [file.reason || "never used"];
    this.listing = new Listing(document.getElementById("file-table"), [
      { title: "Path", value: (file) => file.path, cell: path },
      { title: "Type", value: (file) => file.type, cell: (file) => file.type },
      { title: "Size", value: (file) => file.bytes, cell: (file) => (file.bytes ? size(file.bytes) : ""), number: true },
      { title: "Status", value: (file) => file.kept, cell: state },
      { title: "Why", value: (file) => `${file.rule} ${file.reason}`, cell: why },
      { title: "Package", value: (file) => file.owner, cell: (file) => file.owner },
    ], 2, -1, 25);
    this.input.addEventListener("input", () => this.changed());
    document.getElementById("search-form").addEventListener("submit", (event) => event.preventDefault());
    for (const button of this.buttons) {
      button.addEventListener("click", () => { this.shown = button.dataset.show; this.changed(); });
    }
  },
};

/** What was moved, by package. */
function showPackages() {
  const box = document.getElementById("package-table");
  if (!box) return;
  const rows = data.packages.map(([name, version, count, keptCount, bytes, kept]) =>
    ({ name, version, count, keptCount, bytes, kept }));
  const state = (row) => (!row.count ? "no files" : !row.keptCount ? "moved" : row.keptCount === row.count ? "kept" : "in part");
  new Listing(box, [
    {
      title: "Package",
      value: (row) => row.name,
      cell: (row) => element("button", { type: "button", class: "link", onclick: () => table.search(`package:${row.name}`) }, row.name),
    },
    { title: "Version", value: (row) => row.version, cell: (row) => row.version },
    { title: "Size", value: (row) => row.bytes, cell: (row) => size(row.bytes), number: true },
    { title: "Moved", value: (row) => row.bytes - row.kept, cell: (row) => size(row.bytes - row.kept), number: true },
    { title: "Files kept", value: (row) => row.keptCount, cell: (row) => `${number(row.keptCount)} of ${number(row.count)}`, number: true },
    { title: "Status", value: state, cell: state },
  ], 3, -1, 15).show(rows);
}

treemap.start();
table.start();
showPackages();
treemap.follow();
table.follow();
addEventListener("hashchange", () => {
  if (location.hash.includes("=") || !location.hash) { treemap.follow(); table.follow(); }
});
if (wishes().has("q")) document.getElementById("files").scrollIntoView();
