// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Trains the regression of samples/native in Node, without a library:
//
//   python samples/native/models.py build --target=wasm32-simd128
//   clang --target=wasm32 -mbulk-memory -O2 -nostdlib -fvisibility=default \
//       -Wl,--no-entry,--export-dynamic,--export=__heap_base \
//       -DREGRESSION_IMPLEMENTATION -x c build/regression.h -x none build/regression.o \
//       -o build/regression.wasm
//   node samples/wasm/train.mjs build 200
import { readFileSync } from "node:fs"; // in a browser: await fetch(...)

const [folder, steps] = process.argv.slice(2);
const header = readFileSync(`${folder}/regression.h`, "utf8");
const constant = (name) => Number(header.match(`#define REGRESSION_${name} (\\d+)`)[1]);
const { instance } = await WebAssembly.instantiate(readFileSync(`${folder}/regression.wasm`));
const { memory, __heap_base, ...regression } = instance.exports;

// Everything a call needs lies behind the module's own data, 64-byte aligned.
let end = __heap_base.value;
const room = (bytes) => {
  const at = (end + 63) & ~63;
  end = at + bytes;
  memory.grow(Math.max(0, Math.ceil((end - memory.buffer.byteLength) / 65536)));
  return at;
};
const batch = 32;
const workBytes = Math.max(constant("TRAIN_STEP_MEMORY"), constant("PREDICT_MEMORY"));
const state = room(constant("STATE_BYTES")), work = room(workBytes);
const x = room(4 * batch * 8), y = room(4 * batch), out = room(4 * batch);
const floats = (at, n) => new Float32Array(memory.buffer, at, n);

let bits = 1; // the numbers that models.py and train.c draw
const random = () => {
  bits = (Math.imul(bits, 1664525) + 1013904223) >>> 0;
  return (bits >>> 8) * 2 ** -23 - 1;
};
const draw = () => {
  for (let i = 0; i < batch; i++) {
    const r = Array.from({ length: 8 }, random);
    floats(x, batch * 8).set(r, i * 8);
    floats(y, batch)[i] = 0.7 * r[0] - 0.4 * r[1] + 0.5 * r[2] * r[2];
  }
};

regression.regression_init(state);
for (let i = 0; i < steps; i++) {
  draw();
  const status = regression.regression_train_step(state, work, workBytes, x, y, out);
  if (status) throw new Error(`status ${status}`);
  console.log(`regression step ${i} loss ${floats(out, 1)[0].toFixed(6)}`);
}
draw();
regression.regression_predict(state, work, workBytes, x, out);
const error = floats(out, batch).reduce((sum, v, i) => sum + (v - floats(y, batch)[i]) ** 2, 0);
console.log(`regression new data: mean squared error ${(error / batch).toFixed(6)}`);
