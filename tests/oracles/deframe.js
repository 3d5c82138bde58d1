// Reads lines of JSON, each a list of hex chunks as they came from a wire; writes for each the frames that
// the ccTalk parser of the serialport project finds in it.
"use strict";
const readline = require("node:readline");
const { CCTalkParser } = require("@serialport/parser-cctalk");

const WITHOUT_CLOCK = 0;

function frames(chunks) {
  const found = [];
  const parser = new CCTalkParser(WITHOUT_CLOCK);
  parser.on("data", (frame) => found.push(frame.toString("hex")));
  for (const chunk of chunks) {
    parser.write(Buffer.from(chunk, "hex"));
  }
  return new Promise((resolve) => parser.end(() => setImmediate(() => resolve(found))));
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await frames(JSON.parse(line))));
  }
}

main();
