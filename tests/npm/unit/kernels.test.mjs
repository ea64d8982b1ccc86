// The kernels for matrix units in Chromium's dialect, compiled by Chromium's compiler (Dawn's, on a device that computes
// nothing): no adapter of most machines offers the extension. The engine's native test of kernels writes the files.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { create } from "webgpu";

const folder = new URL("../../../target/tmp/chromium-kernels/", import.meta.url);
const FEATURES = ["shader-f16", "subgroups", "chromium-experimental-subgroup-matrix"];

test("kernels for matrix units compile in Chromium's dialect", async () => {
    const gpu = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
    const device = await (await gpu.requestAdapter()).requestDevice({ requiredFeatures: FEATURES });
    let multiplying = 0;
    for (const name of readdirSync(folder)) {
        const code = readFileSync(new URL(encodeURIComponent(name), folder), "utf8");
        device.pushErrorScope("validation");
        const module = device.createShaderModule({ code });
        const { messages } = await module.getCompilationInfo();
        const error = await device.popErrorScope();
        assert.equal(error?.message, undefined, name);
        assert.deepEqual(messages.map(({ message }) => message), [], name);
        assert.ok(!code.includes("coop"), `${name}: of the other dialect`);
        multiplying += code.includes("subgroupMatrixMultiplyAccumulate");
    }
    assert.ok(multiplying > 100, `${multiplying} kernels`);
    device.destroy();
});
