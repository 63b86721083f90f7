// Answers how libraries that are not ours understand SCIM's PATCH and filters.
//
// usage: node oracle.mjs FOLDER       (FOLDER holds the node_modules that tests/run installs)
//
// One JSON question a line on the standard input, one JSON answer a line on the standard output:
//   {"patch": {"resource": {…}, "operations": […]}}   → {"resource": {…}}
//   {"filter": "…", "resources": [{…}, …]}            → {"matches": [true, …]}
// and {"error": "…"} where the library refuses.

import { createRequire } from "node:module";
import { resolve } from "node:path";
import { createInterface } from "node:readline";

const installed = createRequire(resolve(process.argv[2], "package.json"));
const { scimPatch } = installed("scim-patch");
const { filter, parse } = installed("scim2-parse-filter");

function answer(question) {
  if (question.patch) {
    const { resource, operations } = question.patch;
    return { resource: scimPatch(resource, operations) };
  }
  const accepts = filter(parse(question.filter));
  return { matches: question.resources.map(accepts) };
}

for await (const line of createInterface({ input: process.stdin })) {
  let said;
  try {
    said = answer(JSON.parse(line));
  } catch (error) {
    said = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
