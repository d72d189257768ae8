// Runs a function as its providers do: HANDLER names a module and a function in it, and each request is an event.
"use strict";
const http = require("http");
const path = require("path");

const [file, name] = (process.env.HANDLER || "function.handler").split(".");
const handler = require(path.join(process.env.FUNCTION_DIRECTORY || "/function", file))[name];

function body(request) {
  return new Promise((resolve, reject) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => resolve(Buffer.concat(pieces)));
    request.on("error", reject);
  });
}

async function invoke(request, response) {
  try {
    const result = await handler(JSON.parse((await body(request)).toString() || "{}"));
    const raw = Buffer.isBuffer(result);
    response.setHeader("content-type", raw ? "application/octet-stream" : "application/json");
    response.end(raw ? result : JSON.stringify({ result }));
  } catch (error) {
    console.error(error);
    response.statusCode = 500;
    response.end(JSON.stringify({ error: error.name, message: error.message }));
  }
}

const server = http.createServer((request, response) => {
  if (request.url === "/alive") return response.end('{"status": "ok"}');
  if (request.method === "POST" && request.url === "/") return invoke(request, response);
  response.statusCode = 404;
  return response.end();
});
server.listen(Number(process.env.PORT || 9000), "0.0.0.0");
process.on("SIGTERM", () => server.close(() => process.exit(0)));
