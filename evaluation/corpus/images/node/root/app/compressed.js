const zlib = require("node:zlib");

module.exports = (text) => zlib.gunzipSync(zlib.gzipSync(text)).toString().toUpperCase();
