// Archives: {"kind": "gzip"|"brotli"|"deflate"|"zip"|"tar", "files": {name: text}}; each is made, and read again.
"use strict";
const fs = require("fs");
const os = require("os");
const path = require("path");
const zlib = require("zlib");
const { promisify } = require("util");

async function whole(pack, unpack, text) {
  const packed = await promisify(pack)(Buffer.from(text));
  return { bytes: packed.length, same: (await promisify(unpack)(packed)).toString() === text };
}

async function zip(files, event) {
  const JSZip = require("jszip");
  const made = new JSZip();
  for (const [name, text] of Object.entries(files)) made.file(name, text);
  const packed = await made.generateAsync({ type: "nodebuffer", compression: event.store ? "STORE" : "DEFLATE" });
  const read = await JSZip.loadAsync(packed);
  return { bytes: packed.length, names: Object.keys(read.files) };
}

async function archive(files, event) {
  const tar = require("tar");
  const place = fs.mkdtempSync(path.join(os.tmpdir(), "files-"));
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(place, name), text);
  const file = path.join(place, ".archive");
  await tar.create({ file, cwd: place, gzip: Boolean(event.compress) }, Object.keys(files));
  const names = [];
  await tar.list({ file, onentry: (entry) => names.push(entry.path) });
  if (event.extract) {
    fs.mkdirSync(path.join(place, "out"));
    await tar.extract({ file, cwd: path.join(place, "out") });
  }
  const back = event.extract ? fs.readdirSync(path.join(place, "out")) : undefined;
  const bytes = fs.statSync(file).size;
  fs.rmSync(place, { recursive: true });
  return { bytes, names, back };
}

const KINDS = {
  gzip: (text) => whole(zlib.gzip, zlib.gunzip, text),
  brotli: (text) => whole(zlib.brotliCompress, zlib.brotliDecompress, text),
  deflate: (text) => whole(zlib.deflateRaw, zlib.inflateRaw, text),
};

exports.handler = async (event) => {
  const files = event.files || { "a.txt": "hello ".repeat(1000), "b.txt": "world" };
  const kind = event.kind || "gzip";
  if (kind === "zip") return zip(files, event);
  if (kind === "tar") return archive(files, event);
  if (!(kind in KINDS)) throw new RangeError(`no archive of kind ${kind}`);
  let text = Object.values(files).join("");
  if (event.encoding) text = require("iconv-lite").encode(text, event.encoding).toString("latin1");
  return KINDS[kind](text);
};
