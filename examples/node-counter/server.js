// A small stateful app to be hosted: a counter in memory, a health answer, a log line for each request, an end at SIGTERM.
// It knows its PORT and its own folder, and nothing of the platform that runs it.
"use strict";
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");

const version = fs.readFileSync(path.join(__dirname, "version.txt"), "utf8").trim();
const page = fs.readFileSync(path.join(__dirname, "public", "index.html"), "utf8");
let count = 0;

const counted = () => [200, "application/json", JSON.stringify({ version, count }) + "\n"];

function answer(method, url) {
  if (method === "GET" && url === "/health") return [200, "text/plain", "ok\n"];
  if (method === "GET" && url === "/") return [200, "text/html; charset=utf-8", page.replaceAll("@COUNT@", String(count))];
  if (method === "GET" && url === "/count") return counted();
  if (method === "POST" && url === "/count") {
    count += 1;
    return counted();
  }
  return [404, "text/plain", "not here\n"];
}

const server = http.createServer((request, response) => {
  request.resume();
  const [status, kind, body] = answer(request.method, request.url);
  response.writeHead(status, { "Content-Type": kind, "Content-Length": Buffer.byteLength(body), "X-Version": version });
  response.end(body);
  console.log(`${request.method} ${request.url} ${status}`);
});

process.on("SIGTERM", () => {
  console.log(`counter ${version} ends with a count of ${count}`);
  server.close(() => process.exit(0));
  // Idle connections are kept open by their clients; the process does not wait for them.
  server.closeIdleConnections();
});

server.listen(Number(process.env.PORT ?? 8000), "127.0.0.1", () => {
  console.log(`counter ${version} listens on 127.0.0.1:${server.address().port}`);
});
