// Runs between projections and latent attention: applies RoPE to the elements of queries and keys that have the
// position, RMS-normalises the latent vector, and appends the key, which consists of both, to the cache.
// Grid: x: HEADS + 1: each query head, then the key; y: tokens.
// Constants: those of `epilogues/qkv.wgsl`, with KV_HEADS 1, and HEAD_DIM = VALUE_DIM + ROPE_DIM; KEY_DIM (elements of
// a query without the position), EPS, WORKGROUP.
#include "shared/state.wgsl"
#include "shared/workgroup_sum.wgsl"

@group(0) @binding(0) var<uniform> state: State;
// Queries: [tokens][HEADS][KEY_DIM + ROPE_DIM]
@group(0) @binding(1) var<storage, read> queries: array<f32>;
// Latent vector, then the key's elements with the position: [tokens][HEAD_DIM]
@group(0) @binding(2) var<storage, read> latents: array<f32>;
// Weight of the norm: [VALUE_DIM]
@group(0) @binding(3) var<storage, read> norm_weight: array<f32>;
// Cosine and sine of the angle: [angle_row][ROPE_DIM / 2]
@group(0) @binding(4) var<storage, read> rope: array<vec2<f32>>;
// Queries for latent keys, of which the last ROPE_DIM elements are written: [tokens][HEADS][HEAD_DIM]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
// Keys; two f16 per word, or with CACHE_Q8 as in `epilogues/qkv.wgsl`: [cache_row][ROW_WORDS]
@group(0) @binding(6) var<storage, read_write> kv: array<u32>;
#include "attention/append.wgsl"
#include "attention/cache_row.wgsl"

const LATENT_PAIRS: u32 = VALUE_DIM / 2u;

fn turned(pair: vec2<f32>, token: u32, index: u32) -> vec2<f32> {
    let angle = rope[angle_row(token) * (ROPE_DIM / 2u) + index];
    return vec2<f32>(pair.x * angle.x - pair.y * angle.y, pair.x * angle.y + pair.y * angle.x);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let token = group.y;
    if (token >= state.token_count) {
        return;
    }
    if (group.x < HEADS) {
        let head = token * HEADS + group.x;
        for (var index = thread; index < ROPE_DIM / 2u; index += WORKGROUP) {
            let at = head * (KEY_DIM + ROPE_DIM) + KEY_DIM + 2u * index;
            let pair = turned(vec2<f32>(queries[at], queries[at + 1u]), token, index);
            y[head * HEAD_DIM + VALUE_DIM + 2u * index] = pair.x;
            y[head * HEAD_DIM + VALUE_DIM + 2u * index + 1u] = pair.y;
        }
        return;
    }
    let base = token * HEAD_DIM;
    var sum = 0.0;
    for (var i = thread; i < VALUE_DIM; i += WORKGROUP) {
        sum += latents[base + i] * latents[base + i];
    }
    let scale = inverseSqrt(workgroup_sum(sum, thread) / f32(VALUE_DIM) + EPS);
    for (var index = thread; index < HEAD_DIM / 2u; index += WORKGROUP) {
        var pair = vec2<f32>(latents[base + 2u * index], latents[base + 2u * index + 1u]);
        if (index < LATENT_PAIRS) {
            pair *= scale * vec2<f32>(norm_weight[2u * index], norm_weight[2u * index + 1u]);
        } else {
            pair = turned(pair, token, index - LATENT_PAIRS);
        }
        append(own_row(token) * ROW_WORDS, index, pair);
    }
#ifdef CACHE_Q8
    workgroupBarrier();
    for (var word = thread; word < HEAD_DIM / 4u; word += WORKGROUP) {
        quantise_word(own_row(token) * ROW_WORDS, 0u, HEAD_DIM, word);
    }
#endif
}
