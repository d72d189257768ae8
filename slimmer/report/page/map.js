
/** The map of sizes: each cell's area is the size of a directory, file or package, and its coloured part what is kept. */
const treemap = {
  OWN: 1 / 1500, // of all bytes in view: the least that gets a cell of its own
  OPEN: 1 / 60, // and the least of a directory that shows what is in it
  LEVELS: 4, // so deep at most
  HEAD: 22, // pixels of a directory's title

  box: document.getElementById("map"),
  crumbs: document.getElementById("crumbs"),
  readout: document.getElementById("readout"),
  by: "directory",
  path: "/",

  node(name, path) {
    return { name, path, bytes: 0, kept: 0, children: new Map() };
  },

  /** The tree of all files, with sums. */
  directories() {
    const root = this.node("/", "/");
    for (const file of files) {
      if (!file.bytes) continue;
      let here = root;
      const parts = file.path.split("/").slice(1);
      parts.forEach((part, depth) => {
        this.add(here, file.bytes, file.keptBytes);
        if (!here.children.has(part)) here.children.set(part, this.node(part, "/" + parts.slice(0, depth + 1).join("/")));
        here = here.children.get(part);
      });
      this.add(here, file.bytes, file.keptBytes);
    }
    return root;
  },

  packages() {
    const root = this.node("Packages", "");
    const listed = data.packages.map(([name, , , , bytes, kept]) => ({ name, bytes, kept, search: `package:${name}` }));
    const others = { name: "no package", bytes: 0, kept: 0, search: "package:" };
    for (const file of files) if (!file.owner) this.add(others, file.bytes, file.keptBytes);
    for (const each of [...listed, others]) {
      if (!each.bytes) continue;
      this.add(root, each.bytes, each.kept);
      root.children.set(each.name, { ...this.node(each.name, each.name), ...each });
    }
    return root;
  },

  add(node, bytes, kept) {
    node.bytes += bytes;
    node.kept += kept;
  },

  /** The children that have cells of their own, largest first, and one for the others. */
  parts(node, view) {
    const all = [...node.children.values()].sort((a, b) => b.bytes - a.bytes || (a.path < b.path ? -1 : 1));
    const own = all.filter((child) => child.bytes >= view.bytes * this.OWN);
    const rest = all.slice(own.length);
    if (rest.length < 2) return all;
    const more = this.node(`${number(rest.length)} more`, `${node.path.replace(/\/$/, "")}/…`);
    rest.forEach((child) => this.add(more, child.bytes, child.kept));
    return [...own, more];
  },

  /** Squarified (Bruls, Huizing, van Wijk 2000): rows of cells whose sides differ as little as can be. */
  squarify(nodes, box, place) {
    let { x, y, width, height } = box;
    const total = nodes.reduce((sum, node) => sum + node.bytes, 0);
    const scale = (width * height) / total;
    const worst = (row, area, side) => Math.max(...row.map((node) => {
      const other = (node.bytes * scale * side * side) / (area * area);
      return Math.max(other, 1 / other);
    }));
    for (let first = 0; first < nodes.length;) {
      const side = Math.min(width, height);
      let last = first + 1;
      let area = nodes[first].bytes * scale;
      while (last < nodes.length) {
        const more = area + nodes[last].bytes * scale;
        if (worst(nodes.slice(first, last + 1), more, side) > worst(nodes.slice(first, last), area, side)) break;
        area = more;
        last += 1;
      }
      const thick = side ? area / side : 0;
      let at = width < height ? x : y;
      for (const node of nodes.slice(first, last)) {
        const long = thick ? (node.bytes * scale) / thick : 0;
        place(node, width < height ? { x: at, y, width: long, height: thick } : { x, y: at, width: thick, height: long });
        at += long;
      }
      if (width < height) { y += thick; height -= thick; } else { x += thick; width -= thick; }
      first = last;
    }
  },

  draw() {
    const wanted = this.by === "package" ? this.packageTree : this.find(this.path);
    const box = { x: 0, y: 0, width: this.box.clientWidth, height: this.box.clientHeight };
    this.box.replaceChildren();
    if (wanted.children.size) this.fill(wanted, box, wanted, this.LEVELS);
    else this.box.append(element("p", {}, "Nothing here has any bytes."));
    this.trail(wanted);
    this.tell(wanted);
  },

  fill(node, box, view, levels) {
    this.squarify(this.parts(node, view), box, (child, place) => {
      if (levels < 2 || !child.children.size || child.bytes < view.bytes * this.OPEN) {
        this.box.append(this.cell(child, place));
        return;
      }
      const titled = place.width > 46 && place.height > 2 * this.HEAD;
      const head = titled ? this.HEAD : 0;
      if (titled) this.box.append(this.title(child, { ...place, height: head }));
      this.fill(child, { x: place.x, y: place.y + head, width: place.width, height: place.height - head }, view, levels - 1);
    });
  },

  title(node, place) {
    return this.put(element("button", { type: "button", class: "group" }, element("span", {}, node.name)), node, place);
  },

  cell(node, place) {
    const opens = node.children.size || node.search;
    const made = element(opens ? "button" : "div", { class: "cell", ...(opens ? { type: "button" } : {}) });
    if (place.width > 30 && place.height > 18) made.append(element("span", {}, node.name));
    if (place.width > 60 && place.height > 36) made.append(element("span", {}, size(node.bytes)));
    made.style.setProperty("--share", `${(100 * node.kept) / node.bytes}%`);
    return this.put(made, node, place);
  },

  put(made, node, place) {
    const { clientWidth, clientHeight } = this.box; // in percent, so that paper of another width fits, too
    made.style.left = `${(100 * place.x) / clientWidth}%`;
    made.style.top = `${(100 * place.y) / clientHeight}%`;
    made.style.width = `${(100 * place.width) / clientWidth}%`;
    made.style.height = `${(100 * place.height) / clientHeight}%`;
    made.setAttribute("aria-label", this.words(node));
    made.title = this.words(node);
    for (const event of ["mouseenter", "focus"]) made.addEventListener(event, () => this.tell(node));
    if (node.search) made.addEventListener("click", () => table.search(node.search));
    else if (node.children.size) made.addEventListener("click", () => this.go(node.path));
    return made;
  },

  words(node) {
    return `${node.path || node.name}: ${size(node.bytes)}, of which ${size(node.kept)} are kept`;
  },

  tell(node) {
    this.readout.textContent = this.words(node);
  },

  /** The way to where the map is, to go back by. */
  trail(node) {
    if (this.by === "package") { this.crumbs.replaceChildren(); return; }
    const parts = node.path === "/" ? [] : node.path.split("/").slice(1);
    const steps = parts.map((part, depth) => [part, "/" + parts.slice(0, depth + 1).join("/")]);
    this.crumbs.replaceChildren(...[["/", "/"], ...steps].flatMap(([name, path], index) => [
      ...(index > 1 ? ["/"] : []),
      element("button", { type: "button", class: "link", onclick: () => this.go(path) }, name),
    ]));
  },

  find(path) {
    let here = this.tree;
    for (const part of path.split("/").filter(Boolean)) {
      const next = here.children.get(part);
      if (!next || !next.children.size) break;
      here = next;
    }
    return here;
  },

  go(path) {
    this.path = path;
    remember({ map: path === "/" ? "" : path });
    this.draw();
    this.crumbs.querySelector("button:last-child").focus({ preventScroll: true });
  },

  show(by) {
    this.by = by;
    for (const each of ["directory", "package"]) {
      document.getElementById(`by-${each}`).setAttribute("aria-pressed", String(each === by));
    }
    this.draw();
  },

  start() {
    this.tree = this.directories();
    this.packageTree = this.packages();
    for (const by of ["directory", "package"]) {
      document.getElementById(`by-${by}`).addEventListener("click", () => {
        remember({ by: by === "directory" ? "" : by });
        this.show(by);
      });
    }
    let width = this.box.clientWidth;
    new ResizeObserver(() => {
      if (this.box.clientWidth === width) return;
      width = this.box.clientWidth;
      this.draw();
    }).observe(this.box);
  },

  follow() {
    this.path = wishes().get("map") || "/";
    this.show(wishes().get("by") === "package" ? "package" : "directory");
  },
};
