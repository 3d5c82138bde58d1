// Reads lines of JSON, each a text; writes for each, in hex, what receiptline sends an ESC/POS printer with a
// Japanese font for a receipt of this one line.
"use strict";
const readline = require("node:readline");
const receiptline = require("receiptline");

const PRINTER = { cpl: 96, encoding: "shiftjis", command: "escpos" };

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const commands = receiptline.transform(JSON.parse(line), PRINTER);
    console.log(Buffer.from(commands, "latin1").toString("hex"));
  }
}

main();
