// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Calls `main` of a model that was linked into a .wasm and writes its results to standard
// output: node run_wasm.mjs MODEL.wasm CASE.json
import { readFileSync, writeSync } from "node:fs";

const [path, description] = process.argv.slice(2);
const { name, state, calls, inputs, results } = JSON.parse(readFileSync(description, "utf8"));
const module = await WebAssembly.compile(readFileSync(path));
if (WebAssembly.Module.imports(module).length) throw new Error("it imports something");
const { exports: model } = await WebAssembly.instantiate(module);
const memory = model.memory;

let end = model.__heap_base.value;
const room = (bytes) => {
  const at = (end + 63) & ~63;
  end = at + bytes;
  memory.grow(Math.max(0, Math.ceil((end - memory.buffer.byteLength) / 65536)));
  return at;
};
const bytes = (at, n) => new Uint8Array(memory.buffer, at, n);

const sizes = inputs.flatMap((i) => i.sizes.map(BigInt));
const need = Number(model[`${name}_main_memory`](...sizes));
if (need < 0) throw new Error(`sizes: ${need}`);
const work = room(need);
const args = [work, need];
if (state) {
  args.unshift(room(state));
  model[`${name}_init`](args[0]);
}
for (const input of inputs) {
  const data = Buffer.from(input.data, "base64");
  const at = room(data.length);
  bytes(at, data.length).set(data);
  args.push(at, ...input.sizes.map(BigInt));
}
for (const r of results) {
  r.at = room(r.bytes);
  args.push(r.at);
  if (r.open) args.push(r.bytes, room(8 * 8));
}
const call = model[`${name}_main`];
const begin = process.hrtime.bigint();
for (let i = 0; i < calls; i++) {
  const status = call(...args);
  if (status) {
    let text = "";
    for (let at = model[`${name}_error`](status); bytes(at, 1)[0]; at++)
      text += String.fromCharCode(bytes(at, 1)[0]);
    console.error(text);
    process.exit(status & 0xff);
  }
}
console.error(`${Number(process.hrtime.bigint() - begin) / 1e3 / calls} us`);
for (const r of results)
  for (let done = 0; done < r.bytes; ) done += writeSync(1, bytes(r.at + done, r.bytes - done));
