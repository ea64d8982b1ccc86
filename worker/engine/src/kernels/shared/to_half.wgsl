enable f16;

const LARGEST_HALF: vec4<f32> = vec4<f32>(65504.0);

// Converts to f16, clamped to its range.
fn to_half(value: vec4<f32>) -> vec4<f16> {
    return vec4<f16>(clamp(value, -LARGEST_HALF, LARGEST_HALF));
}
