// Two pages; the second one loads a module, and a native one of node's, when it is asked for.
const http = require("node:http");

const pages = {
  "/": () => "served by node\n",
  "/compressed": () => require("./compressed.js")("served by node\n"),
};

const server = http.createServer((request, response) => {
  const page = pages[request.url];
  response.writeHead(page ? 200 : 404, { "Content-Type": "text/plain" });
  response.end(page ? page() : "not here\n");
});
server.listen(3000, "0.0.0.0");
process.on("SIGTERM", () => { server.close(); server.closeAllConnections(); });
