"use strict";

document.documentElement.classList.remove("plain-page"); // what needs scripts is shown

const data = JSON.parse(document.getElementById("data").textContent);

const files = data.files.map(([path, type, bytes, owner, rule, reason, target]) => ({
  path, bytes, target,
  type: data.types[type],
  owner: data.owners[owner],
  rule: data.rules[rule],
  reason: data.reasons[reason],
  kept: data.rules[rule] !== "",
  keptBytes: data.rules[rule] === "" ? 0 : data.shortened[path] ?? bytes,
}));

/** Bytes as the rest of the report writes them. */
function size(bytes) {
  if (bytes < 1000) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  const units = ["kB", "MB", "GB", "TB"];
  let unit = -1;
  do { bytes /= 1000; unit += 1; } while (bytes >= 1000 && unit < units.length - 1);
  return `${bytes.toFixed(1)} ${units[unit]}`;
}

const number = new Intl.NumberFormat("en").format;

/** An element; texts become text, never markup. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** What the address says after "#": the name of a section, or values as in "#q=libssl&show=all". */
function wishes() {
  return new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
}

/** Note values in the address, so that it can be passed on; empty ones go. */
function remember(values) {
  const kept = wishes();
  for (const [key, value] of Object.entries(values)) {
    if (value) kept.set(key, value);
    else kept.delete(key);
  }
  history.replaceState(null, "", kept.size ? `#${kept}` : location.pathname + location.search);
}

/** A table that is sorted by its headings, and shows its rows piece by piece. */
class Listing {
  static PIECE = 100; // more rows at each press

  constructor(table, columns, sort, direction, first) {
    this.first = first;
    this.columns = columns;
    this.sort = sort;
    this.direction = direction;
    this.rows = [];
    this.body = element("tbody");
    this.more = table.closest("section").querySelector(".more");
    this.heads = columns.map((column, index) => element("th", { scope: "col", class: column.number ? "n" : "" },
      element("button", { type: "button", onclick: () => this.sortBy(index) }, column.title)));
    table.append(element("thead", {}, element("tr", {}, ...this.heads)), this.body);
  }

  sortBy(index) {
    this.direction = this.sort === index ? -this.direction : this.columns[index].number ? -1 : 1;
    this.sort = index;
    this.show(this.rows);
  }

  show(rows) {
    const { value } = this.columns[this.sort];
    const compared = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    this.rows = [...rows].sort((a, b) => this.direction * compared(value(a), value(b)));
    this.heads.forEach((head, index) => {
      head.setAttribute("aria-sort", index !== this.sort ? "none" : this.direction > 0 ? "ascending" : "descending");
    });
    this.body.replaceChildren();
    this.grow(this.first);
  }

  grow(count) {
    const from = this.body.rows.length;
    for (const row of this.rows.slice(from, from + count)) {
      this.body.append(element("tr", {}, ...this.columns.map((column) =>
        element("td", { class: column.number ? "n" : "", "data-label": column.title }, ...[column.cell(row)].flat()))));
    }
    const left = this.rows.length - this.body.rows.length;
    this.more.replaceChildren(...(left > 0
      ? [element("button", { type: "button", onclick: () => this.grow(Listing.PIECE) }, `Show more (${number(left)} are left)`)]
      : []));
  }
}
