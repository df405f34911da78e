// The build: lays out the page of this version in public/. The same sources give the same bytes.
"use strict";
const fs = require("node:fs");
const path = require("node:path");

const at = (...parts) => path.join(__dirname, ...parts);
const version = fs.readFileSync(at("version.txt"), "utf8").trim();
fs.mkdirSync(at("public"), { recursive: true });
fs.writeFileSync(at("public", "index.html"), fs.readFileSync(at("index.html"), "utf8").replaceAll("@VERSION@", version));
console.log(`laid out public/index.html for version ${version}`);
